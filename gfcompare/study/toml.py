"""Reading a study file (TOML): strict, with errors that say where, what is allowed and what comes nearest."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import itertools
import json
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gfcompare.components.component import require
from gfcompare.components.errors import FOREIGN_ERRORS, InputError, unknown_name
from gfcompare.evaluators.quadrature import Quadrature
from gfcompare.hooks.registry import Kind, registry
from gfcompare.initializations import Initialization
from gfcompare.integrators.base import Integrator
from gfcompare.measures import Measure
from gfcompare.network import ReLUNetwork
from gfcompare.study.limits import LARGEST_INTEGER, Limits, check_count
from gfcompare.study.times import Times
from gfcompare.system.paths import user_path
from gfcompare.targets import Target

#: The keys of a study file, which are also the arguments of `gfcompare.Study`.
FIELDS = (
    "name",
    "description",
    "seed",
    "seeds",
    "time_limit",
    "diagnostics",
    "limits",
    "times",
    "network",
    "measure",
    "quadrature",
    "initialization",
    "targets",
    "integrators",
)


def read(path: str | Path) -> dict[str, Any]:
    """Return the arguments of `gfcompare.Study` that a study file describes, its text as `source`.

    Raises
    ------
    InputError
        naming the key, what was given, what is allowed and the nearest valid name
    """
    file = user_path(path)
    if file.suffix.lower() == ".py" and file.is_file():
        raise InputError(f"is a Python script and not a study file. Run it with: python {path}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error}).") from None
    except UnicodeDecodeError:
        raise InputError("is not a text file in UTF-8.") from None
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise InputError("not valid TOML: too many brackets within brackets.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not valid TOML: {error}") from None
    except ValueError:  # of Python's
        raise InputError("not valid TOML: a whole number with thousands of digits.") from None
    return _Reader(file.parent).fields(table) | {"source": text}


def component(kind: Kind, table: Mapping[str, Any], where: str) -> Any:
    """Return the component that plain data describes, as `gfcompare.components.component.describe` writes it.

    Raises
    ------
    InputError
        if there is no such component, or it takes a Python function: plain data does not hold one
    """
    reader = _Reader(Path())
    return reader._single(reader._component(kind, dict(table), where), where)


class _Reader:
    """Turns the tables of a study file into components, with errors that say where."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._limits = Limits()

    def fields(self, table: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of `gfcompare.Study` that a file's table describes."""
        for key in table:
            if key not in FIELDS:
                raise unknown_name("key", key, FIELDS)
        for key in ("name", "targets", "integrators"):
            require(key in table, f"the key {key!r} is missing.")
        fields: dict[str, Any] = {}
        if "limits" in table:  # first: what grids may have depends on them
            given = self._dataclass(Limits, self._table(table["limits"], "limits"), "limits")
            self._limits = fields["limits"] = self._single(given, "limits")
        for key, hint in (
            ("name", str),
            ("description", str),
            ("seed", int),
            ("seeds", int),
            ("time_limit", float),
            ("diagnostics", list[str]),
        ):
            if key in table:
                fields[key] = self._value(hint, table[key], key)
        if "times" in table:
            fields["times"] = self._single(
                self._dataclass(Times, self._table(table["times"], "times"), "times"), "times"
            )
        if "network" in table:
            fields["network"] = self._networks(self._table(table["network"], "network"))
        if "measure" in table:
            fields["measure"] = self._component("measures", table["measure"], "measure")
        if "quadrature" in table:
            entries = self._table(table["quadrature"], "quadrature")
            fields["quadrature"] = self._single(
                self._dataclass(Quadrature, entries, "quadrature"), "quadrature"
            )
        if "initialization" in table:
            fields["initialization"] = self._component(
                "initializations", table["initialization"], "initialization"
            )
        for key, kind in (("targets", "targets"), ("integrators", "integrators")):
            entries = self._table(table[key], key)
            require(bool(entries), f"{key} must name at least one.")
            fields[key] = {
                name: self._component(typing.cast(Kind, kind), entry, f"{key}.{name}", default=name)
                for name, entry in entries.items()
            }
        return fields

    def _component(self, kind: Kind, table: Any, where: str, default: str | None = None) -> list[Any]:
        """Return the components that a table, or each of a list of tables, describes: a grid has several."""
        if isinstance(table, list):
            require(bool(table), f"{where}: must not be an empty list.")
            return [
                c
                for n, item in enumerate(table)
                for c in self._component(kind, item, f"{where}[{n}]", default)
            ]
        entries = dict(self._table(table, where))
        given = entries.pop("name", default)
        if given is None:
            raise InputError(
                f"{where}: the key 'name' is missing. Allowed: {', '.join(registry().names(kind))}."
            )
        require(isinstance(given, str), f"{where}.name: must be text, got {_shown(given)}.")
        try:
            cls = registry().get(kind, given)
        except InputError as error:
            raise error.within(where) from None
        return self._dataclass(cls, entries, where)

    def _networks(self, table: dict[str, Any]) -> list[ReLUNetwork]:
        for key in table:
            if key != "widths":
                raise unknown_name("key", key, ["widths"]).within("network")
        require("widths" in table, "network: the key 'widths' is missing, such as widths = [1, 16, 1].")
        try:
            return [ReLUNetwork(w) for w in self._grid(list[int], table["widths"], "network.widths")]
        except InputError as error:
            raise error if str(error).startswith("network") else error.within("network.widths") from None

    def _dataclass(self, cls: type[Any], table: dict[str, Any], where: str) -> list[Any]:
        """Return instances of a dataclass for every combination of the grids among its fields."""
        hints = _hints(cls, where)
        fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
        for key in table:
            if key not in fields:
                raise unknown_name("key", key, fields).within(where)
        for name, field in fields.items():
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and name not in table:
                if _is_callable(hints[name]):
                    raise InputError(
                        f"{where}: {cls.name!r} takes a Python function, so it needs a study script: "
                        "gfcompare.Study(...)."
                    )
                raise InputError(f"{where}: the key {name!r} is missing.")
        grids = {key: self._grid(hints[key], value, f"{where}.{key}") for key, value in table.items()}
        check_count(map(len, grids.values()), self._limits, where)
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

    def _grid(self, hint: Any, value: Any, where: str) -> list[Any]:
        """Return [value], or the elements of a list where the type is not a list of these."""
        try:
            return [self._value(hint, value, where)]
        except InputError as error:
            if not isinstance(value, list) or not value:
                raise
            found, problems = [], []
            for number, item in enumerate(value):
                try:
                    found.append(self._value(hint, item, f"{where}[{number}]"))
                except InputError as inner:
                    problems.append(inner)
            if not problems:
                return found
            # Was a grid meant, or a list that is one value? Where an element is right, a grid.
            grid = bool(found) or not _takes_list(hint) or all(isinstance(item, list) for item in value)
            raise (problems[0] if grid else error) from None

    def _value(self, hint: Any, value: Any, where: str) -> Any:
        """Check a value against a type and convert it, strictly."""
        kind = _component_kind(hint)
        if kind is not None:
            if not _takes_list(hint):
                return self._single(self._component(kind, self._table(value, where), where), where)
            require(isinstance(value, list), f"{where}: must be a list of tables, got {_shown(value)}.")
            places = [f"{where}[{n}]" for n in range(len(value))]
            return tuple(
                self._single(self._component(kind, self._table(item, place), place), place)
                for item, place in zip(value, places, strict=True)
            )
        if _is_callable(hint):
            raise InputError(
                f"{where}: must be a Python function, so it needs a study script: gfcompare.Study(...)."
            )
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            return self._one_of(typing.get_args(hint), value, where)
        if _takes_list(hint):
            require(isinstance(value, list), f"{where}: must be {_described(hint)}, got {_shown(value)}.")
            inner = typing.get_args(hint)[0]
            return tuple(self._value(inner, item, f"{where}[{n}]") for n, item in enumerate(value))
        if dataclasses.is_dataclass(hint):
            require(isinstance(value, dict), f"{where}: must be {_described(hint)}, got {_shown(value)}.")
            return self._single(self._dataclass(typing.cast("type[Any]", hint), value, where), where)
        if typing.get_origin(hint) is Literal:
            allowed = typing.get_args(hint)
            if isinstance(value, str) and value not in allowed:
                raise unknown_name("value", value, map(str, allowed)).within(where)
            require(value in allowed, f"{where}: must be {_described(hint)}, got {_shown(value)}.")
            return value
        return self._scalar(hint, value, where)

    def _one_of(self, members: Sequence[Any], value: Any, where: str) -> Any:
        """Return the value as the first member of a union it fits, or say what comes nearest."""
        errors: list[InputError] = []
        nearest: list[InputError] = []
        for member in sorted(members, key=lambda m: not _fits(m, value)):
            try:
                return self._value(member, value, where)
            except InputError as error:
                errors.append(error)
                if _fits(member, value) and not _is_scalar(member):
                    nearest.append(error)
        schedules = [m.schedule for m in members if hasattr(m, "schedule")]
        if isinstance(value, dict) and schedules and value.get("schedule", schedules[0]) not in schedules:
            raise unknown_name("schedule", str(value["schedule"]), schedules).within(where)
        if nearest:  # the one that got furthest names the deepest place
            raise max(nearest, key=lambda error: str(error).split(": ")[0].count("["))
        described = _alternatives([_described(m) for m in members if m is not type(None)])
        raise InputError(f"{where}: must be {described}, got {_shown(value)}.")

    def _scalar(self, hint: Any, value: Any, where: str) -> Any:
        from pydantic import PydanticSchemaGenerationError, ValidationError

        try:
            checked = _adapter(hint).validate_json(json.dumps(value), strict=True)
        except PydanticSchemaGenerationError:
            raise InputError(
                f"{where}: cannot be given in a study file; it needs a study script: gfcompare.Study(...)."
            ) from None
        except (ValidationError, TypeError, OverflowError) as error:
            cause = _described(hint)
            if not _is_scalar(hint) and isinstance(error, ValidationError):
                cause = error.errors(include_url=False)[0]["msg"].lower().removeprefix("input should be ")
            raise InputError(f"{where}: must be {cause}, got {_shown(value)}.") from None
        if hint is int and abs(checked) > LARGEST_INTEGER:
            raise InputError(f"{where}: must lie between -2^63 and 2^63, got {str(checked)[:20]}...")
        return (self._folder / user_path(checked)) if isinstance(checked, Path) else checked

    @staticmethod
    def _table(value: Any, where: str) -> dict[str, Any]:
        require(isinstance(value, dict), f"{where}: must be a table such as [{where}], got {_shown(value)}.")
        return typing.cast("dict[str, Any]", value)

    @staticmethod
    def _single(values: list[Any], where: str) -> Any:
        require(len(values) == 1, f"{where}: a grid is not allowed here.")
        return values[0]


@functools.cache
def _adapter(hint: Any) -> Any:
    """Return what checks values of a type; made once, as that takes longer than the check."""
    from pydantic import TypeAdapter

    return TypeAdapter(hint)


def _types_in(hint: Any) -> Iterator[Any]:
    """Yield the classes that occur in a type hint."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is not None and origin not in (types.UnionType, typing.Union, Literal):
        yield origin
    if not arguments:
        yield hint
    if origin is not Literal:
        for argument in arguments:
            yield from _types_in(argument)


def _is_callable(hint: Any) -> bool:
    return any(found is collections.abc.Callable for found in _types_in(hint))


_KIND_OF_BASE: dict[type, Kind] = {
    Target: "targets",
    Measure: "measures",
    Initialization: "initializations",
    Integrator: "integrators",
}


def _component_kind(hint: Any) -> Kind | None:
    for found in _types_in(hint):
        for base, kind in _KIND_OF_BASE.items():
            if isinstance(found, type) and issubclass(found, base):
                return kind
    return None


def _hints(cls: type[Any], where: str) -> dict[str, Any]:
    """Return the types of a dataclass's fields, or raise InputError if its author made that impossible."""
    try:
        return typing.get_type_hints(cls)
    except FOREIGN_ERRORS as error:
        raise InputError(
            f"{where}: the types of the fields of {cls.__name__} cannot be found ({error}); "
            "its module must import them at run time."
        ) from None


def _takes_list(hint: Any) -> bool:
    """Return whether a type is a list of something (a union of types is not looked into)."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(_takes_list(member) for member in typing.get_args(hint))
    return typing.get_origin(hint) in (collections.abc.Sequence, list, tuple) and bool(typing.get_args(hint))


def _takes_table(hint: Any) -> bool:
    """Return whether a type is a table with keys of any name."""
    return typing.get_origin(hint) is collections.abc.Mapping


_SCALARS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "the path of a file",
    type(None): "none",
}


def _is_scalar(hint: Any) -> bool:
    return isinstance(hint, type) and hint in _SCALARS


def _fits(hint: Any, value: Any) -> bool:
    """Return whether a value has the outer shape of a type: list, table, neither."""
    if isinstance(value, list):
        return _takes_list(hint)
    if isinstance(value, dict):
        if _takes_table(hint):
            return True
        keys = {f.name for f in dataclasses.fields(hint)} if dataclasses.is_dataclass(hint) else set()
        schedule = value.get("schedule")
        return bool(keys & set(value)) and schedule in (None, getattr(hint, "schedule", None))
    return not (_takes_list(hint) or _takes_table(hint) or dataclasses.is_dataclass(hint))


def _described(hint: Any) -> str:
    """Return in words what a study file may give for a type."""
    if _is_scalar(hint):
        return _SCALARS[hint]
    if typing.get_origin(hint) is Literal:
        return " or ".join(repr(value) for value in typing.get_args(hint))
    if _takes_list(hint):
        inner = _described(typing.get_args(hint)[0])
        plural = inner.removeprefix("a ")
        plural = plural.replace("list of", "lists of") if "list of" in plural else f"{plural}s"
        return f"a list of {plural}"
    if dataclasses.is_dataclass(hint):
        schedule = getattr(hint, "schedule", None)
        keys = ", ".join(f.name for f in dataclasses.fields(hint))
        return f"a table with schedule = {schedule!r}" if schedule else f"a table with the keys {keys}"
    if _takes_table(hint):
        return "a table"
    return getattr(hint, "__name__", str(hint))


def _alternatives(described: Sequence[str]) -> str:
    *others, last = dict.fromkeys(described)
    return f"{', '.join(others)} or {last}" if others else last


def _shown(value: Any) -> str:
    """Return a value as a study file has it, cut to a readable length."""
    text = repr(value)
    if isinstance(value, bool):
        text = str(value).lower()
    elif hasattr(value, "isoformat"):
        text = value.isoformat()
    return text if len(text) <= 80 else f"{text[:77]}..."
