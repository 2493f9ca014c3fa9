"""Named, described building blocks: what plugins announce and study files choose by name."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from gfcompare.errors import InputError


class Component:
    """Base of everything that is chosen by name: targets, measures, initialisations, integrators.

    A concrete component is a frozen dataclass. Its class attribute `name` is what a study file says,
    its fields are its options, the first line of its docstring is what `gfcompare list` shows.
    """

    name: ClassVar[str]

    def options(self) -> dict[str, Any]:
        """Return the fields that take part in the identity of the component, by name."""
        return {key: getattr(self, key) for key in self.fields()}

    @classmethod
    def fields(cls) -> dict[str, dataclasses.Field[Any]]:
        """Return the options of the component, the fields of its dataclass, by name."""
        if not hasattr(cls, "__dataclass_fields__"):
            return {}
        return {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        return (inspect.getdoc(cls) or "").split("\n", 1)[0]


def require(condition: bool, message: str) -> None:
    """Raise InputError with `message` unless the condition holds."""
    if not condition:
        raise InputError(message)


def describe(component: Component) -> dict[str, Any]:
    """Return a component as plain data: its name and options."""
    return {"name": component.name} | {key: plain(value) for key, value in component.options().items()}


def plain(value: Any) -> Any:
    """Return a value as data that JSON can hold; what it cannot hold becomes its representation."""
    import numpy as np  # not needed to announce a component, and plugins should load fast

    if isinstance(value, Component):
        return describe(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    name = getattr(value, "__qualname__", None)
    return f"<Python {name}>" if name else repr(value)


def identity(value: Any, within: frozenset[int] = frozenset()) -> Any:
    """Return a value as data that tells it from every other one: as `plain`, but functions by their code.

    Of what a function's code names in its module, functions and plain values take part too: a script's
    constants and helpers. `within` holds the functions being looked at, so that recursion ends.
    """
    if isinstance(value, types.FunctionType):
        if id(value) in within:
            return value.__qualname__
        inner = within | {id(value)}
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        parts = (value.__code__, value.__defaults__, value.__kwdefaults__, cells, used_globals(value))
        return [identity(part, inner) for part in parts]
    if isinstance(value, Component):
        return {"name": value.name} | identity(value.options(), within)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: identity(getattr(value, f.name), within) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): identity(item, within) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [identity(item, within) for item in value]
    if isinstance(value, types.CodeType):
        constants = [identity(c, within) for c in value.co_consts]
        return [value.co_code.hex(), constants, list(value.co_names)]
    if isinstance(value, functools.partial):
        return [identity(part, within) for part in (value.func, value.args, value.keywords)]
    return plain(value)


def used_globals(function: types.FunctionType) -> dict[str, Any]:
    """Return the functions of the same module, and the plain values, that a function's code names."""
    names: set[str] = set()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    found = {}
    for name in sorted(names & set(function.__globals__)):
        value = function.__globals__[name]
        own = isinstance(value, types.FunctionType) and value.__module__ == function.__module__
        if own or _is_plain(value):
            found[name] = value
    return found


def _is_plain(value: Any) -> bool:
    """Return whether a value is numbers and text through and through: others may not look the same twice."""
    import numpy as np

    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biufU"
    return value is None or isinstance(value, bool | int | float | str)
