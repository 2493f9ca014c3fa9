"""Norm of the generalised gradient against flow time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.figures.options import Drawn, lists_options
from gfcompare.figures.over_time import OverTime
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class GradientNorm(OverTime):
    """Norm of the generalised gradient against flow time."""

    name: ClassVar[str] = "gradient_norm"
    title: ClassVar[str] = "Gradient norm against flow time"
    quantity: ClassVar[str] = "gradient_norm"
    floor: ClassVar[float] = 1e-17


@lists_options
def gradient_norm(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the norm of the generalised gradient against flow time."""
    return draw(GradientNorm, tree, options)
