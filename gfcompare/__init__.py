"""Gradient-flow integrators compared with gradient-descent methods on the training of ReLU networks."""

import importlib
from typing import Any

import lazy_loader

from gfcompare.components import extensions

# Nothing is imported before it is used: Numba, xarray and matplotlib take seconds to import, and
# `gfcompare --help` needs none of them. Where each name lives is in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def _plugin_evaluators() -> list[type[Any]]:
    """Return the evaluators that plugins announce, the built-in ones too; loads the plugins."""
    registry = importlib.import_module("gfcompare.hooks.registry")
    found: list[type[Any]] = registry.registry().all("evaluators")
    return found


# The packages that evaluate problems lie below the registry of plugins.
extensions.supply("evaluators", _plugin_evaluators)
