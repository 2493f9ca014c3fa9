"""What every function that draws a figure can be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from gfcompare.figures.base import Band, Selection, Size

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
    import xarray as xr


class Shown(TypedDict, total=False):
    """What every figure can be told; the docstring of the module says what it means."""

    problems: Sequence[str]
    methods: Sequence[str]
    size: Size
    ax: matplotlib.axes.Axes | None


class Drawn(Shown, total=False):
    """What figures over all seeds can be told besides."""

    band: Band
    split: bool


def draw(kind: type[Selection], tree: xr.DataTree | xr.Dataset, options: Any) -> matplotlib.figure.Figure:
    """Draw a figure; options are its own, and perhaps an axis."""
    own = dict(options)
    ax = own.pop("ax", None)
    return kind(**own).draw(tree, ax)
