"""Figures of a quantity against a clock: the options and the part of a result that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gfcompare.figures.lazy import axes_data
from gfcompare.figures.options import Band, check_one_of
from gfcompare.figures.selection import Selection

if TYPE_CHECKING:
    import xarray as xr

    from gfcompare.figures.axes_data import Plot
    from gfcompare.figures.data import View
    from gfcompare.figures.page_layout import PageLayout


@dataclass(frozen=True, kw_only=True)
class OverTime(Selection):
    """A quantity against a clock: its median over seeds, with a band. It applies where it is stored.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    size : "column" or "text", the width of a column or of a page; by default what suits the figure
    band : "quartiles" of the seeds, or "median" for the 95 % confidence interval of the median
    split : small multiples, a row for each problem and a column for each method
    """

    quantity: ClassVar[str]
    #: The lowest value drawn, and other arguments of `gfcompare.figures.axes_data.Plot`.
    floor: ClassVar[float] = 1e-32
    more: ClassVar[dict[str, Any]] = {}
    band: Band = "quartiles"
    split: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("band", self.band, Band)

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem has the quantity."""
        return cls.quantity in group.variables

    def plot(self, quantity: str = "") -> Plot:
        """Return what is drawn."""
        return axes_data.Plot(quantity or self.quantity, floor=self.floor, band=self.band, **self.more)

    def shown(self, view: View) -> View:
        """Return the part of the view that is drawn."""
        return view

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        from gfcompare.figures import by_method, curves

        layout = by_method.layout if self.split else curves.layout
        return layout(self.shown(self.view(tree)), self.plot(), self.size)
