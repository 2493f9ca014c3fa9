"""Risk against flow time."""

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
class Risk(OverTime):
    """Risk against flow time: median and quartiles over seeds, one panel for each problem."""

    name: ClassVar[str] = "risk"
    title: ClassVar[str] = "Risk against flow time"
    quantity: ClassVar[str] = "risk"


@lists_options
def risk(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the risk against flow time: median over all seeds, with a band.

    A cross marks where a trajectory ended early: from there it counts as infinite, and a line stops where
    the median does.

    Examples
    --------
    >>> import gfcompare as gfc
    >>> tree = gfc.open_study("results/quickstart")
    >>> gfc.figures.risk(tree, problems=["sine"], size="column").savefig("risk.pdf")
    """
    return draw(Risk, tree, options)
