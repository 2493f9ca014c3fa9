"""Training risk and test risk against flow time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from gfcompare.figures.options import Drawn, lists_options
from gfcompare.figures.over_time import OverTime
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

    from gfcompare.figures.axes_data import Plot


@dataclass(frozen=True, kw_only=True)
class TestRisk(OverTime):
    """Training risk and test risk against flow time, for data sets of which points were held out."""

    __test__ = False  # not a test, whatever pytest makes of the name
    name: ClassVar[str] = "test_risk"
    title: ClassVar[str] = "Training risk and test risk against flow time"
    scope: ClassVar[str] = "points held out"
    quantity: ClassVar[str] = "test_risk"
    more: ClassVar[dict[str, Any]] = {"beside": "test_risk", "names": ("training risk", "test risk")}

    def plot(self, quantity: str = "risk") -> Plot:
        """Return what is drawn: the test risk beside the training risk."""
        return super().plot(quantity)


@lists_options
def test_risk(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw training risk (solid) and test risk (dashed) against flow time, where points were held out.

    Raises
    ------
    NothingToDraw
        if no problem has points held out
    """
    return draw(TestRisk, tree, options)
