"""Risk against wall time."""

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
class RiskByWallTime(OverTime):
    """Risk against wall time that one core has spent on a trajectory."""

    name: ClassVar[str] = "risk_by_wall_time"
    title: ClassVar[str] = "Risk against wall time"
    quantity: ClassVar[str] = "risk"
    more: ClassVar[dict[str, Any]] = {"clock": "wall_time"}


@lists_options
def risk_by_wall_time(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the risk against the wall time that one core has spent on a trajectory."""
    return draw(RiskByWallTime, tree, options)
