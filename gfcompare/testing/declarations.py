"""Checks of every kind of component: how it is made, what it is as a value, its options."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle

from gfcompare.components.component import describe
from gfcompare.components.errors import InputError, MissingLibraryError
from gfcompare.components.type_hints import hints_of, is_callable
from gfcompare.hooks.announced import check_class
from gfcompare.hooks.plain_data import Reader
from gfcompare.testing.records import Broken, NotApplicable, Subject, expect, told


def made(subject: Subject) -> Any:
    """Return an object of a component, or raise NotApplicable if it needs options that are not there."""
    try:
        return subject.make()
    except (InputError, TypeError) as error:
        raise NotApplicable(f"no object to check: {error}") from None


def construction(subject: Subject) -> str:
    """Check that it can be made without options, or says which it needs."""
    name = subject.cls.__name__
    try:
        subject.make()
    except MissingLibraryError as error:
        return str(error)
    except (InputError, TypeError) as error:
        expect(
            _needs_options(subject.cls),
            "a component whose options all have defaults can be made with them",
            f"{name}() says: {error}",
            "Choose defaults that it allows, or give those that it needs none",
        )
        return f"it needs options: {error}"
    except Exception as error:
        raise Broken(
            f"a component can be made without options, or says which it needs; here {name}() raised "
            f"{type(error).__name__}: {error}. Check options in __post_init__ with gfc.require, and import "
            "optional libraries with gfc.import_library."
        ) from None
    return ""


def _needs_options(cls: Any) -> bool:
    """Return whether a class has an option without a default."""
    none = dataclasses.MISSING
    own = [field for field in cls.fields().values() if field.init]
    return any(field.default is none and field.default_factory is none for field in own)


def declaration(subject: Subject) -> str:
    """Check that it is what a hook may announce: a frozen dataclass with a name, whose options have types."""
    try:
        check_class(subject.kind, subject.cls)
    except InputError as error:
        raise Broken(
            "a component is a frozen dataclass with a name, and its options have types; here: "
            f"{told(error)}. Without that gfcompare leaves the plugin out."
        ) from None
    return ""


def value(subject: Subject) -> str:
    """Check that it is a value: hashable, and the same after a way through pickle to a worker."""
    component = made(subject)
    try:
        hash(component)
    except TypeError as error:
        raise Broken(
            f"a component can be hashed; here hash() raised {error}. Make lists tuples in __post_init__: "
            "object.__setattr__(self, 'values', tuple(self.values))."
        ) from None
    try:
        back = cloudpickle.loads(cloudpickle.dumps(component))
    except Exception as error:
        raise Broken(
            f"a component can be pickled, because workers get it that way; here pickle raised "
            f"{type(error).__name__}: {error}. Keep files, locks and handles of libraries out of the object."
        ) from None
    expect(
        describe(back) == describe(component),
        "a component is the same after a way through pickle",
        f"it was {describe(component)} and became {describe(back)}",
        "Keep all that it is in its fields",
    )
    return ""


def options(subject: Subject) -> str:
    """Check that options have types that a study file can hold, are documented, and come back from TOML."""
    cls = subject.cls
    text = " ".join(base.__doc__ or "" for base in cls.__mro__ if base is not object)
    own = [key for key, field in cls.fields().items() if field.init]
    silent = [key for key in own if not re.search(rf"\b{re.escape(key)}\b", text)]
    expect(
        not silent,
        "each option is named in the docstring of its class",
        f"nothing is said of {', '.join(silent)}",
        "Say what it is, in which unit, under Parameters",
    )
    component = made(subject)
    hints = hints_of(cls, cls.__name__)
    given = {key: item for key, item in describe(component).items() if key != "name" and item is not None}
    if functions := [key for key in given if is_callable(hints[key])]:
        return f"a Python function needs a study script: {', '.join(functions)}"
    table = tomllib.loads("".join(f"{key} = {toml(item)}\n" for key, item in given.items()))
    reader = Reader(Path(), lambda counts, where: None)
    try:
        (back,) = reader.dataclass(cls, table, f"[{cls.name}]")
    except (InputError, ValueError) as error:
        raise Broken(
            f"the options of an object can be written in a study file and read again; here: {told(error)}. "
            "Give each option a type such as float, int, str, bool, Sequence[float] or Literal[...]."
        ) from None
    expect(
        describe(back) == describe(component),
        "the options of an object come back from a study file",
        f"{describe(component)} came back as {describe(back)}",
        "Change nothing in __post_init__ that a second call changes again",
    )
    return ""


def toml(item: Any) -> str:
    """Return plain data as a value in TOML."""
    if isinstance(item, Mapping):
        pairs = [f"{json.dumps(key)} = {toml(x)}" for key, x in item.items() if x is not None]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(item, list | tuple):
        return f"[{', '.join(map(toml, item))}]"
    if isinstance(item, float):
        return {"inf": "inf", "-inf": "-inf", "nan": "nan"}.get(repr(item), repr(item))
    return json.dumps(item)


def with_options(component: Any, **changes: Any) -> Any:
    """Return a component with some options changed."""
    return dataclasses.replace(typing.cast(Any, component), **changes)


def has_option(component: Any, key: str) -> bool:
    """Return whether a component has an option."""
    return key in type(component).fields()
