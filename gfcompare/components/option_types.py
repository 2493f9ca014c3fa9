"""The types of options: a value of another type is refused when an object is made, with one message.

Comparing text with a number would raise a bare TypeError somewhere in the class, or nothing at all.
"""

from __future__ import annotations

import dataclasses
import functools
import numbers
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

from gfcompare.components.errors import InputError

_WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "the path of a file",
    type(None): "None",
    Sequence: "a list",
    Mapping: "a mapping",
}


def check_options(value: Any) -> None:
    """Raise InputError unless the fields of a dataclass have the types that it declares.

    Only what a study file can hold is looked at: numbers, text, paths, lists, mappings and unions of these.
    What a list holds, and whether a number is in range, is for the class to say.
    """
    for key, kinds in _kinds_of_fields(type(value)).items():
        given = getattr(value, key)
        if not any(_is(given, kind) for kind in kinds):
            *others, last = dict.fromkeys(_WORDS[kind] for kind in kinds)
            wanted = f"{', '.join(others)} or {last}" if others else last
            raise InputError(f"{key} must be {wanted}, got {given!r:.80}.")


def checking_options(post_init: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a class's `__post_init__` that checks the types of its options first."""

    @functools.wraps(post_init)
    def checked(self: Any) -> None:
        check_options(self)
        post_init(self)

    return checked


_known: WeakKeyDictionary[type[Any], dict[str, tuple[Any, ...]]] = WeakKeyDictionary()


def _kinds_of_fields(cls: type[Any]) -> dict[str, tuple[Any, ...]]:
    """Return for each field that can be checked the keys of `_WORDS` that its type is a union of."""
    if cls not in _known:
        found = {}
        try:
            hints = typing.get_type_hints(cls)
        except Exception:  # names that its module imports for type checkers only: nothing is known
            hints = {}
        for field in dataclasses.fields(cls):
            kinds = _kinds(hints.get(field.name, Any))
            if kinds is not None and field.init:
                found[field.name] = kinds
        _known[cls] = found
    return _known[cls]


def _kinds(hint: Any) -> tuple[Any, ...] | None:
    """Return what a type is a union of, None if it has a member that is not looked at."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        members = [_kinds(member) for member in typing.get_args(hint)]
        return None if None in members else tuple(kind for member in members for kind in member or ())
    if origin is Literal:
        return tuple(dict.fromkeys(type(value) for value in typing.get_args(hint)))
    if origin in (Sequence, list, tuple):  # a single name may stand for a list of names
        return (Sequence, str) if typing.get_args(hint)[:1] == (str,) else (Sequence,)
    if origin in (Mapping, dict):
        return (Mapping,)
    return (hint,) if isinstance(hint, type) and hint in _WORDS else None


def _is(value: Any, kind: Any) -> bool:
    """Return whether a value is of a kind; numbers of NumPy are numbers, truth values are not."""
    if getattr(value, "ndim", None) == 0 and callable(item := getattr(value, "item", None)):
        value = item()  # a number of NumPy, or an array of one: plugins load without NumPy
    truth = isinstance(value, bool)
    if kind is bool:
        return truth
    if kind is int:
        return isinstance(value, numbers.Integral) and not truth
    if kind is float:
        return isinstance(value, numbers.Real) and not truth
    if kind is Path:
        return isinstance(value, str | os.PathLike)
    if kind is Sequence:
        return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    return isinstance(value, kind)
