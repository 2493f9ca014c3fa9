"""Identities of components: plain data that tell one from every other, by options and by code."""

from __future__ import annotations

import dataclasses
import functools
import re
import types
from collections.abc import Mapping
from typing import Any

from gfcompare.components import fingerprint
from gfcompare.components.component import Component, plain


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
