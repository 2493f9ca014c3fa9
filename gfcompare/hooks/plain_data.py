"""Components from plain data: the tables of a study file, and the descriptions in a result.

Strict, with errors that say where, what is allowed and what comes nearest.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gfcompare.components.component import require
from gfcompare.components.errors import FOREIGN_ERRORS, LARGEST_INTEGER, InputError, unknown_name
from gfcompare.components.type_hints import (
    alternatives,
    described,
    fits,
    hints_of,
    is_callable,
    is_scalar,
    scalar,
    shown,
    takes_list,
    takes_table,
    types_in,
)
from gfcompare.hooks.hookspecs import Kind
from gfcompare.hooks.registry import registry
from gfcompare.initializations import Initialization
from gfcompare.integrators.base import Integrator
from gfcompare.measures import Measure
from gfcompare.system.paths import user_path
from gfcompare.targets import Target


def component(kind: Kind, table: Mapping[str, Any], where: str) -> Any:
    """Return the component that plain data describes, as `gfcompare.components.component.describe` writes it.

    Raises
    ------
    InputError
        if there is no such component, or it takes a Python function: plain data does not hold one
    """
    reader = Reader(Path(), _refuse_grid)
    return reader.single(reader.component(kind, dict(table), where), where)


def _refuse_grid(counts: Sequence[int], where: str) -> None:
    require(math.prod(counts) == 1, f"{where}: a grid is not allowed here.")


_KIND_OF_BASE: dict[type, Kind] = {
    Target: "targets",
    Measure: "measures",
    Initialization: "initializations",
    Integrator: "integrators",
}


def _component_kind(hint: Any) -> Kind | None:
    for found in types_in(hint):
        for base, kind in _KIND_OF_BASE.items():
            if isinstance(found, type) and issubclass(found, base):
                return kind
    return None


class Reader:
    """Turns tables into components, with errors that say where.

    Parameters
    ----------
    folder : to which the paths of files are relative
    check_count : raises InputError for a grid of so many values each that is too large, or not allowed
    """

    def __init__(self, folder: Path, check_count: Callable[[Sequence[int], str], None]) -> None:
        self._folder = folder
        self._check_count = check_count

    def component(self, kind: Kind, table: Any, where: str, default: str | None = None) -> list[Any]:
        """Return the components that a table, or each of a list of tables, describes: a grid has several."""
        if isinstance(table, list):
            require(bool(table), f"{where}: must not be an empty list.")
            return [
                c
                for n, item in enumerate(table)
                for c in self.component(kind, item, f"{where}[{n}]", default)
            ]
        entries = dict(self.table(table, where))
        given = entries.pop("name", default)
        if given is None:
            raise InputError(
                f"{where}: the key 'name' is missing. Allowed: {', '.join(registry().names(kind))}."
            )
        require(isinstance(given, str), f"{where}.name: must be text, got {shown(given)}.")
        try:
            cls = registry().get(kind, given)
        except InputError as error:
            raise error.within(where) from None
        return self.dataclass(cls, entries, where)

    def dataclass(self, cls: type[Any], table: dict[str, Any], where: str) -> list[Any]:
        """Return instances of a dataclass for every combination of the grids among its fields."""
        hints = hints_of(cls, where)
        fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
        for key in table:
            if key not in fields:
                raise unknown_name("key", key, fields).within(where)
        for name, field in fields.items():
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and name not in table:
                if is_callable(hints[name]):
                    raise InputError(
                        f"{where}: {cls.name!r} takes a Python function, so it needs a study script: "
                        "gfcompare.Study(...)."
                    )
                raise InputError(f"{where}: the key {name!r} is missing.")
        grids = {key: self.grid(hints[key], value, f"{where}.{key}") for key, value in table.items()}
        self._check_count([len(values) for values in grids.values()], where)
        result = []
        for values in itertools.product(*grids.values()):
            try:
                result.append(cls(**dict(zip(grids, values, strict=True))))
            except InputError as error:
                raise InputError(" ".join(str(error).split())).within(where) from None
            except FOREIGN_ERRORS as error:  # of a class that somebody else wrote
                text = " ".join(str(error).split())
                raise InputError(f"{where}: {type(error).__name__}: {text}") from error
        return result

    def grid(self, hint: Any, value: Any, where: str) -> list[Any]:
        """Return [value], or the elements of a list where the type is not a list of these."""
        try:
            return [self.value(hint, value, where)]
        except InputError as error:
            if not isinstance(value, list) or not value:
                raise
            found, problems = [], []
            for number, item in enumerate(value):
                try:
                    found.append(self.value(hint, item, f"{where}[{number}]"))
                except InputError as inner:
                    problems.append(inner)
            if not problems:
                return found
            # Was a grid meant, or a list that is one value? Where an element is right, a grid.
            grid = bool(found) or not takes_list(hint) or all(isinstance(item, list) for item in value)
            raise (problems[0] if grid else error) from None

    def value(self, hint: Any, value: Any, where: str) -> Any:
        """Check a value against a type and convert it, strictly."""
        kind = _component_kind(hint)
        if kind is not None:
            if not takes_list(hint):
                return self.single(self.component(kind, self.table(value, where), where), where)
            require(isinstance(value, list), f"{where}: must be a list of tables, got {shown(value)}.")
            places = [f"{where}[{n}]" for n in range(len(value))]
            return tuple(
                self.single(self.component(kind, self.table(item, place), place), place)
                for item, place in zip(value, places, strict=True)
            )
        if is_callable(hint):
            raise InputError(
                f"{where}: must be a Python function, so it needs a study script: gfcompare.Study(...)."
            )
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            return self._one_of(typing.get_args(hint), value, where)
        if takes_list(hint):
            require(isinstance(value, list), f"{where}: must be {described(hint)}, got {shown(value)}.")
            inner = typing.get_args(hint)[0]
            return tuple(self.value(inner, item, f"{where}[{n}]") for n, item in enumerate(value))
        if dataclasses.is_dataclass(hint):
            require(isinstance(value, dict), f"{where}: must be {described(hint)}, got {shown(value)}.")
            return self.single(self.dataclass(typing.cast("type[Any]", hint), value, where), where)
        if takes_table(hint):
            return self._mapping(hint, value, where)
        if typing.get_origin(hint) is Literal:
            allowed = typing.get_args(hint)
            if isinstance(value, str) and value not in allowed:
                raise unknown_name("value", value, map(str, allowed)).within(where)
            require(value in allowed, f"{where}: must be {described(hint)}, got {shown(value)}.")
            return value
        return self._scalar(hint, value, where)

    def _one_of(self, members: Sequence[Any], value: Any, where: str) -> Any:
        """Return the value as the first member of a union it fits, or say what comes nearest."""
        errors: list[InputError] = []
        nearest: list[InputError] = []
        for member in sorted(members, key=lambda m: not fits(m, value)):
            try:
                return self.value(member, value, where)
            except InputError as error:
                errors.append(error)
                if fits(member, value) and not is_scalar(member):
                    nearest.append(error)
        schedules = [m.schedule for m in members if hasattr(m, "schedule")]
        if isinstance(value, dict) and schedules and value.get("schedule", schedules[0]) not in schedules:
            raise unknown_name("schedule", str(value["schedule"]), schedules).within(where)
        if nearest:  # the one that got furthest names the deepest place
            raise max(nearest, key=lambda error: str(error).split(": ")[0].count("["))
        allowed = alternatives([described(m) for m in members if m is not type(None)])
        raise InputError(f"{where}: must be {allowed}, got {shown(value)}.")

    def _mapping(self, hint: Any, value: Any, where: str) -> dict[str, Any]:
        """Return a table with keys of any name, its values checked against their type."""
        require(isinstance(value, dict), f"{where}: must be {described(hint)}, got {shown(value)}.")
        inner = (typing.get_args(hint) or (str, Any))[1]
        return {key: self.value(inner, item, f"{where}.{key}") for key, item in value.items()}

    def _scalar(self, hint: Any, value: Any, where: str) -> Any:
        if not (is_scalar(hint) or hint is Any or hint is object):
            raise InputError(
                f"{where}: cannot be given in a study file; it needs a study script: gfcompare.Study(...)."
            )
        try:
            checked = scalar(hint, value)
        except (TypeError, OverflowError):
            raise InputError(f"{where}: must be {described(hint)}, got {shown(value)}.") from None
        if hint is int and abs(checked) > LARGEST_INTEGER:
            raise InputError(f"{where}: must lie between -2^63 and 2^63, got {str(checked)[:20]}...")
        return (self._folder / user_path(checked)) if isinstance(checked, Path) else checked

    @staticmethod
    def table(value: Any, where: str) -> dict[str, Any]:
        """Return a value that is a table, or raise InputError."""
        require(isinstance(value, dict), f"{where}: must be a table such as [{where}], got {shown(value)}.")
        return typing.cast("dict[str, Any]", value)

    @staticmethod
    def single(values: list[Any], where: str) -> Any:
        """Return the only one of some values, or raise InputError."""
        require(len(values) == 1, f"{where}: a grid is not allowed here.")
        return values[0]
