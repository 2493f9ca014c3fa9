"""Adapters that make optimisers of other libraries methods."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gfcompare.components.errors import InputError, unknown_name


def import_library(name: str, requirement: str) -> Any:
    """Return a module of a library that a method needs and that may not be installed.

    Parameters
    ----------
    name : of the module
    requirement : what pip installs it by, such as ``"gfcompare[torch]"``

    Raises
    ------
    InputError
        if it cannot be imported, with the command that installs it

    Examples
    --------
    >>> import gfcompare as gfc
    >>> gfc.import_library("scipy.optimize", "scipy").__name__
    'scipy.optimize'
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f'{name} cannot be imported ({error}); install it: python -m pip install "{requirement}".'
        ) from None


def check_optimizer(
    home: str,
    name: str,
    keywords: Mapping[str, Any],
    choices: Mapping[str, Callable[..., Any]],
    reserved: Sequence[str],
) -> None:
    """Raise InputError unless an optimiser of another library and its keywords exist.

    Parameters
    ----------
    home : the module that it comes from
    name : its name there
    keywords : arguments of it that are to be given
    choices : what there is
    reserved : arguments that are not to be given, such as the learning rate

    Raises
    ------
    InputError
        for a name or keyword that does not exist, with the nearest one that does

    Examples
    --------
    >>> import gfcompare as gfc
    >>> choices = {"sgd": lambda rate, momentum: None}
    >>> gfc.check_optimizer("library", "sgd", {"momentum": 0.9}, choices, ["rate"])
    >>> gfc.check_optimizer("library", "sgd", {"momentun": 0.9}, choices, ["rate"])
    Traceback (most recent call last):
    gfcompare.components.errors.InputError: unknown keyword of library.sgd: 'momentun'. Did you mean ...
    """
    if name not in choices:
        alike = next((choice for choice in choices if choice.lower() == name.lower()), None)
        if alike is not None:  # the libraries differ in capitals
            raise InputError(f"unknown optimizer of {home}: {name!r}. Did you mean {alike!r}?")
        raise unknown_name(f"optimizer of {home}:", name, choices)
    known = [key for key in inspect.signature(choices[name]).parameters if key not in reserved]
    for keyword in keywords:
        if keyword not in known:
            raise unknown_name(f"keyword of {home}.{name}:", keyword, known)
