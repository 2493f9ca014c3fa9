"""Estimated bound of the error of the gradient against flow time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from gfcompare.figures.options import Drawn, lists_options
from gfcompare.figures.over_time import OverTime
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class QuadratureError(OverTime):
    """Estimated bound of the relative error of the gradient by quadrature against flow time, on boxes."""

    name: ClassVar[str] = "quadrature_error"
    title: ClassVar[str] = "Estimated bound of the error of the gradient against flow time"
    scope: ClassVar[str] = "a measure that needs quadrature"
    quantity: ClassVar[str] = "quadrature_error"
    floor: ClassVar[float] = 1e-17
    more: ClassVar[dict[str, Any]] = {"headroom": 1e12}


@lists_options
def quadrature_error(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw an estimated bound of the relative error of the gradient against flow time, on boxes.

    Raises
    ------
    NothingToDraw
        if no problem needs quadrature
    """
    return draw(QuadratureError, tree, options)
