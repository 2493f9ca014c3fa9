"""Named, described building blocks: what plugins announce and study files choose by name."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from gfcompare.components import fingerprint
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


def identity(value: Any, within: frozenset[int] = frozenset()) -> Any:
    """Return a value as data that tells it from every other one: as `plain`, but functions by their code.

    Of what a function's code names in its module, functions, classes and plain values take part too: a
    script's constants and helpers; and so do the files that its module can run (`fingerprint.reachable`).
    `within` holds the functions, classes and objects being looked at, so that recursion ends.
    """
    if isinstance(value, types.FunctionType):
        return _function_identity(value, within)
    if isinstance(value, type):
        return _code_of_class(value, within)
    if isinstance(value, types.MethodType):
        return [identity(part, within) for part in (value.__func__, value.__self__)]
    if isinstance(value, Component) or dataclasses.is_dataclass(value):
        return _options_identity(value, within)
    if isinstance(value, Mapping):
        return {str(key): identity(item, within) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [identity(item, within) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((identity(item, within) for item in value), key=repr)
    if isinstance(value, types.CodeType):
        constants = [identity(c, within) for c in value.co_consts]
        return [value.co_code.hex(), value.co_exceptiontable.hex(), constants, list(value.co_names)]
    if isinstance(value, functools.partial):
        return [identity(part, within) for part in (value.func, value.args, value.keywords)]
    return _object_identity(value, within)


def _function_identity(function: types.FunctionType, within: frozenset[int]) -> Any:
    """Return what a function is known by: its code, what it closes over and what it uses of its module."""
    if id(function) in within:
        return function.__qualname__
    inner = within | {id(function)}
    cells = [_content(cell) for cell in function.__closure__ or ()]
    parts = (function.__code__, function.__defaults__, function.__kwdefaults__, cells, used_globals(function))
    found = [identity(part, inner) for part in parts]
    return found if within else [*found, fingerprint.code_of(function.__module__ or "")]


def _options_identity(value: Any, within: frozenset[int]) -> Any:
    """Return what a component or another dataclass is known by: its fields, and its author's code."""
    if isinstance(value, Component):
        found = {"name": value.name} | identity(value.options(), within)
    else:
        fields = dataclasses.fields(value)
        found = {f.name: identity(getattr(value, f.name), within) for f in fields}
    cls = type(value)
    if cls.__module__.partition(".")[0] == "gfcompare":  # its fingerprint has its code
        return found
    return [found, _code_of_class(cls, within), fingerprint.module_file(cls.__module__)]


def _code_of_class(cls: type[Any], within: frozenset[int]) -> Any:
    """Return what a class is known by: its name if it is a library's, otherwise its code and its files."""
    if fingerprint.is_library(cls.__module__):
        return _name_of(cls)
    found = class_identity(cls, within)
    return found if within else [found, fingerprint.code_of(cls.__module__)]


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty: what it is for has not been defined yet
        return None


def _object_identity(value: Any, within: frozenset[int]) -> Any:
    """Return what any other object is known by: its class and attributes, where its text says too little."""
    if isinstance(inner := getattr(value, "__wrapped__", None), types.FunctionType):  # cached, or compiled
        return [_name_of(type(value)), identity(inner, within)]
    shown = plain(value)
    vague = isinstance(shown, str) and bool(_ADDRESS.search(shown))
    attributes = dict(getattr(value, "__dict__", {}))
    slots = [
        key for cls in type(value).__mro__ for key in getattr(cls, "__slots__", ()) if hasattr(value, key)
    ]
    attributes |= {key: getattr(value, key) for key in slots}
    own = not fingerprint.is_library(type(value).__module__)
    if id(value) in within or isinstance(value, types.ModuleType):
        return shown
    if own or (vague and attributes):
        inner = within | {id(value)}
        return [_code_of_class(type(value), within), identity(attributes, inner)]
    return shown


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def _name_of(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def class_identity(cls: type[Any], within: frozenset[int] = frozenset()) -> Any:
    """Return what a class is known by: names and attributes, its own and of its bases in no library.

    Two classes that one function makes have the same source, and differ in closures or attributes only.
    """
    if id(cls) in within:
        return cls.__qualname__
    inner = within | {id(cls)}
    top = cls.__module__.partition(".")[0]
    return [
        [
            base.__qualname__,
            {
                key: identity(_bare(item), inner)
                for key, item in sorted(vars(base).items())
                if _counts(key, item)
            },
        ]
        for base in cls.__mro__
        if base.__module__.partition(".")[0] == top or not fingerprint.is_library(base.__module__)
    ]


def _counts(key: str, item: object) -> bool:
    """Return whether an attribute of a class is its author's, and not what Python or `dataclass` adds."""
    if key.startswith("__") and key.endswith("__"):  # such as __doc__, and __slotnames__ after pickling
        written = isinstance(item, types.FunctionType) and item.__code__.co_filename != "<string>"
        return key not in ("__annotate__", "__annotate_func__") and (
            written or isinstance(item, property | classmethod | staticmethod)
        )
    return key != "_abc_impl" and not isinstance(
        item, types.MemberDescriptorType | types.GetSetDescriptorType
    )


def _bare(item: Any) -> Any:
    """Return the functions in a property, a class method and the like."""
    if isinstance(item, property):
        return [item.fget, item.fset]
    if isinstance(item, functools.cached_property):
        return item.func
    return item.__func__ if isinstance(item, classmethod | staticmethod) else item


def without_addresses(text: str) -> str:
    """Return text without addresses in memory, which are others in each process."""
    return _ADDRESS.sub("", text)


def used_globals(function: types.FunctionType) -> dict[str, Any]:
    """Return what a function's code names of its module: functions, classes, their objects, plain values."""
    names: set[str] = set()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    found = {}
    for name in sorted(names & set(function.__globals__)):
        value = function.__globals__[name]
        home = getattr(value if callable(value) else type(value), "__module__", None)
        if home == function.__module__ or _is_plain(value) or isinstance(value, functools.partial):
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
