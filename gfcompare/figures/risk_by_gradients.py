"""Risk against gradient evaluations."""

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
class RiskByGradients(OverTime):
    """Risk against cost: gradients evaluated, at single samples for methods that only use samples."""

    name: ClassVar[str] = "risk_by_gradients"
    title: ClassVar[str] = "Risk against gradient evaluations"
    quantity: ClassVar[str] = "risk"
    more: ClassVar[dict[str, Any]] = {"clock": "gradients"}


@lists_options
def risk_by_gradients(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the risk against gradient evaluations.

    For methods that never evaluate the population gradient, gradients at one sample point are counted.
    """
    return draw(RiskByGradients, tree, options)
