"""The rules for attributes and values in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_EVALUATIONS = ("exact", "preintegration", "points")


def _is_component(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)


def _is_study(value: Any) -> bool:
    """Return whether plain data is what `Study.spec` returns, as far as it is read."""
    return isinstance(value, dict) and all(
        isinstance(value.get(key, {}), dict) and all(isinstance(v, dict) for v in value.get(key, {}).values())
        for key in ("problems", "integrators")
    )


def _is_evaluation(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("kind") not in _EVALUATIONS:
        return False
    frozen = value.get("frozen", [])
    if not isinstance(frozen, list) or not all(isinstance(group, str) for group in frozen):
        return False
    needed = {"points": ("points",), "preintegration": ("nodes", "coordinate", "gradient_error")}
    numbers = [value.get(key) for key in needed.get(str(value["kind"]), ())]
    return all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers)


def _are_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _are_plugins(value: Any) -> bool:
    keys = ("name", "distribution", "version")
    return isinstance(value, list) and all(_are_texts(p) and all(k in p for k in keys) for p in value)


_Rule = tuple[str, Callable[[Any], bool]]
JSON_ROOT: dict[str, _Rule] = {
    "study": ("a table with the study", _is_study),
    "plugins": ("a list of tables with name, distribution and version", _are_plugins),
    "environment": ("a table of texts", _are_texts),
}
COMPONENT: _Rule = ("a table with a name", _is_component)
JSON_GROUP: dict[str, _Rule] = {
    "target": COMPONENT,
    "measure": COMPONENT,
    "initialization": COMPONENT,
    "evaluation": ("a table that says how the risk is evaluated", _is_evaluation),
}


def wrong_json(text: object, kind: str, right: Callable[[Any], bool], what: str) -> list[str]:
    """Return what is wrong with an attribute or value that must be JSON of some kind."""
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
        return [f"{what} is not JSON"]
    if not isinstance(text, str):
        return [f"{what} is not JSON"]
    return [] if right(value) else [f"{what} must be {kind}, in JSON"]
