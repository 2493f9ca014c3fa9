"""Norm of the parameters against flow time."""

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
class ParameterNorm(OverTime):
    """Norm of the parameters against flow time: whether trajectories stay bounded."""

    name: ClassVar[str] = "parameter_norm"
    title: ClassVar[str] = "Parameter norm against flow time"
    quantity: ClassVar[str] = "parameter_norm"
    floor: ClassVar[float] = 1e-17
    more: ClassVar[dict[str, Any]] = {"linear_within": 10.0}


@lists_options
def parameter_norm(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the norm of the parameters against flow time."""
    return draw(ParameterNorm, tree, options)
