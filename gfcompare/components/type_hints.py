"""Types of options as study files see them: what may be given for one, and how it is described."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from gfcompare.components.errors import FOREIGN_ERRORS, InputError


def types_in(hint: Any) -> Iterator[Any]:
    """Yield the classes that occur in a type hint."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is not None and origin not in (types.UnionType, typing.Union, Literal):
        yield origin
    if not arguments:
        yield hint
    if origin is not Literal:
        for argument in arguments:
            yield from types_in(argument)


def is_callable(hint: Any) -> bool:
    """Return whether a type is a function, or a union with functions."""
    return any(found is collections.abc.Callable for found in types_in(hint))


def hints_of(cls: type[Any], where: str) -> dict[str, Any]:
    """Return the types of a dataclass's fields, or raise InputError if its author made that impossible."""
    try:
        return typing.get_type_hints(cls)
    except FOREIGN_ERRORS as error:
        raise InputError(
            f"{where}: the types of the fields of {cls.__name__} cannot be found ({error}); "
            "its module must import them at run time."
        ) from None


def takes_list(hint: Any) -> bool:
    """Return whether a type is a list of something (a union of types is not looked into)."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(takes_list(member) for member in typing.get_args(hint))
    return typing.get_origin(hint) in (collections.abc.Sequence, list, tuple) and bool(typing.get_args(hint))


def takes_table(hint: Any) -> bool:
    """Return whether a type is a table with keys of any name."""
    return typing.get_origin(hint) is collections.abc.Mapping


#: Types of single values, and what a study file gives for them.
_SCALARS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "the path of a file",
    type(None): "none",
}


def is_scalar(hint: Any) -> bool:
    """Return whether a type is that of a single value: a number, text, a path."""
    return isinstance(hint, type) and hint in _SCALARS


def fits(hint: Any, value: Any) -> bool:
    """Return whether a value has the outer shape of a type: list, table, neither."""
    if isinstance(value, list):
        return takes_list(hint)
    if isinstance(value, dict):
        if takes_table(hint):
            return True
        keys = {f.name for f in dataclasses.fields(hint)} if dataclasses.is_dataclass(hint) else set()
        schedule = value.get("schedule")
        return bool(keys & set(value)) and schedule in (None, getattr(hint, "schedule", None))
    return not (takes_list(hint) or takes_table(hint) or dataclasses.is_dataclass(hint))


def described(hint: Any) -> str:
    """Return in words what a study file may give for a type."""
    if is_scalar(hint):
        return _SCALARS[hint]
    if typing.get_origin(hint) is Literal:
        return " or ".join(repr(value) for value in typing.get_args(hint))
    if takes_list(hint):
        inner = described(typing.get_args(hint)[0])
        plural = inner.removeprefix("a ")
        plural = plural.replace("list of", "lists of") if "list of" in plural else f"{plural}s"
        return f"a list of {plural}"
    if dataclasses.is_dataclass(hint):
        schedule = getattr(hint, "schedule", None)
        keys = ", ".join(f.name for f in dataclasses.fields(hint))
        return f"a table with schedule = {schedule!r}" if schedule else f"a table with the keys {keys}"
    if takes_table(hint):
        return "a table"
    return getattr(hint, "__name__", str(hint))


def alternatives(texts: Sequence[str]) -> str:
    """Return alternatives as a list in words."""
    *others, last = dict.fromkeys(texts)
    return f"{', '.join(others)} or {last}" if others else last


def shown(value: Any) -> str:
    """Return a value as a study file has it, cut to a readable length."""
    text = repr(value)
    if isinstance(value, bool):
        text = str(value).lower()
    elif hasattr(value, "isoformat"):
        text = value.isoformat()
    return text if len(text) <= 80 else f"{text[:77]}..."


def scalar(hint: Any, value: Any) -> Any:
    """Return a single value with its type, strictly: no number for a text, no truth value for a number.

    Raises
    ------
    TypeError
        if it has another type
    """
    if hint is Any or hint is object:
        return value
    truth = isinstance(value, bool)
    if hint is float and isinstance(value, int) and not truth:
        return float(value)
    kind = str if hint is Path else hint
    if not isinstance(value, kind) or (truth and hint is not bool):
        raise TypeError(f"expected {described(hint)}")
    return Path(value) if hint is Path else value
