"""Plugin extensions of the packages below the registry of plugins.

`gfcompare` itself, above all its packages, puts the registry's look-up here when it is imported: plugins are
loaded when first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_sources: dict[str, Callable[[], Sequence[type[Any]]]] = {}


def supply(kind: str, source: Callable[[], Sequence[type[Any]]]) -> None:
    """Have the classes of a kind come from a function, called each time they are asked for."""
    _sources[kind] = source


def evaluators() -> Sequence[type[Any]]:
    """Return the evaluators that plugins announce, the built-in ones among them."""
    source = _sources.get("evaluators")
    return () if source is None else source()
