"""Checks of a component's class: mistakes in its declaration that Python accepts without a word.

They are made when a plugin is loaded, and when an object of a class that no plugin announces is used.
"""

from __future__ import annotations

import inspect
from typing import Any
from weakref import WeakSet

from gfcompare.components.errors import InputError

_FIX = "put @dataclass(frozen=True) before it"


_right: WeakSet[type[Any]] = WeakSet()


def check_declaration(cls: type[Any]) -> None:
    """Raise InputError unless a class is a frozen dataclass whose attributes are what their author means.

    Parameters
    ----------
    cls : a concrete component
    """
    if cls in _right:
        return
    name = cls.__name__
    if "__dataclass_fields__" not in vars(cls):
        raise InputError(f"{name} is not a dataclass; {_FIX}")
    # A method whose options change during a run would be stored with those that it had at some time.
    if not cls.__dataclass_params__.frozen:
        raise InputError(f"{name} is a dataclass that is not frozen: its options could change; {_FIX}")
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] != "gfcompare" and base is not object:
            for key, value in vars(base).items():
                _check_attribute(base, key, value)
    _right.add(cls)


def _check_attribute(cls: type[Any], key: str, value: object) -> None:
    """Raise InputError for a plain value in a class's body that has no type, and so is no option.

    ``momentum = 0.9`` makes no field: the method would run, and have no option momentum. In a subclass
    ``step_size = 0.1`` does not change the default either. Names in capitals are constants.
    """
    if key.startswith("_") or key.isupper() or hasattr(type(value), "__get__") or isinstance(value, type):
        return
    if key in inspect.get_annotations(cls) or _is_class_attribute(cls, key):
        return
    kind = type(value).__name__ if isinstance(value, bool | int | float | str) else "..."
    raise InputError(
        f"in {cls.__name__}, {key} = {value!r:.40} has no type and so is no option; write "
        f"{key}: {kind} = {value!r:.40}, or {key}: ClassVar[{kind}] = {value!r:.40} if it is none"
    )


def _is_class_attribute(cls: type[Any], key: str) -> bool:
    """Return whether a base declares an attribute that belongs to the class, such as `name`."""
    for base in cls.__mro__[1:]:
        annotation = inspect.get_annotations(base).get(key)
        if annotation is not None:
            return "ClassVar" in (annotation if isinstance(annotation, str) else repr(annotation))
        if key in vars(base):
            return True
    return False
