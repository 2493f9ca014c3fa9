"""Grids: lists where one component is expected, and the names of what they expand to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from gfcompare.components.component import check_instance, require
from gfcompare.components.errors import LONGEST_GROUP, LONGEST_NAME, InputError, is_name, normalized
from gfcompare.components.identity import identity
from gfcompare.network import ReLUNetwork
from gfcompare.results.labels import joined, label, short_text

_KINDS_OF_VALUE: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Mapping: "a mapping from names to components",
}


def check_type(value: Any, kind: type, key: str) -> None:
    """Raise InputError unless a value given in Python has the type that a study file needs."""
    allowed: dict[type, tuple[type, ...]] = {
        int: (int, np.integer),
        float: (int, float, np.integer, np.floating),
    }
    right = isinstance(value, allowed.get(kind, (kind,))) and not isinstance(value, bool)
    named = _KINDS_OF_VALUE.get(kind, f"gfcompare.{kind.__name__}")
    require(right, f"{key}: must be {named}, got {value!r:.80}.")


def checked_name(name: object, key: str) -> str:
    """Return what can name a problem, a method or a study, in composed Unicode, or raise InputError."""
    found = normalized(name) if isinstance(name, str) else name
    if not isinstance(found, str) or not is_name(found):
        raise InputError(
            f"{key}: a name starts with a letter, a digit or '_', has no '/', no '\\' "
            f"and at most {LONGEST_NAME} characters (200 bytes in UTF-8), got {name!r:.120}."
        )
    return found


def checked_group(name: str) -> str:
    """Return the name of a problem or method of a grid, or raise InputError if no file can have it."""
    size = len(name.encode("utf-8", "surrogatepass"))
    require(
        size <= LONGEST_GROUP,
        f"the name {name!r:.120}... has {size} bytes in UTF-8, and at most {LONGEST_GROUP} are allowed: "
        "choose a shorter one, or vary less in one grid.",
    )
    return name


def listed(value: Any, kind: type, key: str) -> list[Any]:
    """Return a component, or a list of them, as a list."""
    found = list(value) if isinstance(value, list | tuple) else [value]
    if kind is ReLUNetwork and found and all(isinstance(item, int) for item in found):  # its widths
        found = [value]
    require(bool(found), f"{key} must not be an empty list.")
    for item in found:
        try:
            check_instance(item, kind, key)
        except InputError as error:
            raise InputError(str(error).replace(", got ", " or a list of them, got ", 1)) from None
    return found


def expanded(components: Mapping[str, Any], kind: type, key: str) -> dict[str, Any]:
    """Return components by name, each list among them as several, named by what differs."""
    result: dict[str, Any] = {}
    given: dict[str, str] = {}
    for written, value in components.items():
        name = checked_name(written, key)
        require(
            name not in given,
            f"{key}: {given.get(name)!a} and {written!a} are one name, {name!r}, in two forms of Unicode.",
        )
        given[name] = written
        where = f"{key}.{name}"
        for part, component in labelled(listed(value, kind, where), where).items():
            full = checked_group(joined(name, (part,)))
            require(full not in result, f"{key}: the name {full!r} occurs twice.")
            result[full] = component
    return result


def labelled(components: list[Any], where: str) -> dict[str, Any]:
    """Return components by a label of what differs among them; a single one has the empty label."""
    if len(components) == 1:
        return {"": components[0]}
    options = [_options(component) for component in components]
    texts = [json.dumps(identity(o), sort_keys=True) for o in options]
    if len(set(texts)) < len(texts):
        twice = next(n for n, text in enumerate(texts) if text in texts[:n])
        raise InputError(f"{where}: the grid has the same value twice: {components[twice]!r}.")
    keys = [
        key
        for key in dict.fromkeys(k for o in options for k in o)
        if len({short_text(o.get(key)) for o in options}) > 1
    ]
    names = [str(o.get("name")) for o in options]
    if len(set(names)) == len(names):
        return dict(zip(names, components, strict=True))
    labels = [", ".join(label(key, o[key]) for key in keys if key in o) for o in options]
    if len(set(labels)) < len(labels) or max(map(len, labels)) > LONGEST_NAME:
        labels = [str(number) for number in range(len(components))]
    return dict(zip(labels, components, strict=True))


def _options(component: Any) -> dict[str, Any]:
    if isinstance(component, ReLUNetwork):
        return {"widths": "-".join(map(str, component.widths))}
    options: dict[str, Any] = component.options()
    return {"name": component.name} | options
