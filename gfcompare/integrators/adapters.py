"""What optimisers of other libraries need to be methods here."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gfcompare.components.errors import InputError, unknown_name


def library(name: str, extra: str) -> Any:
    """Import a module of an optional library, or raise InputError that names the extra with it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f'{name} cannot be imported ({error}); install it: python -m pip install "gfcompare[{extra}]".'
        ) from None


def chosen(
    home: str,
    name: str,
    keywords: Mapping[str, Any],
    choices: Mapping[str, Callable[..., Any]],
    reserved: Sequence[str],
) -> None:
    """Check the name and keywords of an optimiser of another library.

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
