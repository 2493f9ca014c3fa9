"""Named, described building blocks: what plugins announce and study files choose by name."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from gfcompare.components.class_checks import check_declaration
from gfcompare.components.errors import InputError
from gfcompare.components.option_types import check_options, checking_options


class Component:
    """Base of everything that is chosen by name: targets, measures, initialisations, integrators.

    A concrete component is a frozen dataclass. Its class attribute `name` is what a study file says,
    its fields are its options, the first line of its docstring is what `gfcompare list` shows.
    """

    name: ClassVar[str]

    #: Libraries whose version can change its numbers, besides those that its file imports by name.
    libraries: ClassVar[tuple[str, ...]] = ()

    #: Checks of `gfcompare check` that are not meant for it, each with the reason.
    waived_checks: ClassVar[Mapping[str, str]] = types.MappingProxyType({})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__post_init__" in vars(cls):  # the dataclass's __init__ will call it
            cls.__post_init__ = checking_options(cls.__post_init__)  # type: ignore[assignment, method-assign]

    def __post_init__(self) -> None:
        check_options(self)

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
    """Raise InputError with `message` unless the condition holds.

    Examples
    --------
    >>> import gfcompare as gfc
    >>> beta = 1.5
    >>> gfc.require(0 <= beta < 1, f"beta must lie in [0, 1), got {beta}.")
    Traceback (most recent call last):
    gfcompare.components.errors.InputError: beta must lie in [0, 1), got 1.5.
    """
    if not condition:
        raise InputError(message)


def check_instance(value: object, kind: type[Any], what: str) -> Any:
    """Return a value, or raise InputError unless it is an object of a class; say what to write instead.

    Parameters
    ----------
    value : that was given
    kind : the class
    what : what the value should be, such as ``"the target"``
    """
    if isinstance(value, kind):
        if isinstance(value, Component):
            check_declaration(type(value))
        return value
    if isinstance(value, type):
        got = f"the class {value.__name__}"
        hint = f"; write {value.__name__}(...)" if issubclass(value, kind) else ""
    else:
        got, hint = f"{value!r:.80}", ""
        if kind.__name__ == "Target" and callable(value):
            hint = f"; write gfcompare.targets.Function({getattr(value, '__name__', 'function')})"
        elif kind.__name__ == "Integrator" and isinstance(value, str):
            hint = f"; write gfcompare.integrator({value!r})"
        elif kind.__name__ == "Generator" and isinstance(value, int):
            hint = f"; write numpy.random.default_rng({value})"
        elif kind.__name__ == "DataTree" and isinstance(value, str | Path):
            hint = f"; write gfcompare.open_study({str(value)!r})"
        elif kind.__name__ == "ReLUNetwork" and isinstance(value, list | tuple):
            hint = f"; write gfcompare.ReLUNetwork({tuple(value)})"
    home = "numpy.random" if kind.__name__ == "Generator" else kind.__module__.partition(".")[0]
    raise InputError(f"{what} must be a {home}.{kind.__name__}, got {got}{hint}.")


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
