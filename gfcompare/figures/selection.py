"""Figures of some problems and methods of a result, drawn on a page or into an axis."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gfcompare.figures.base import Figure
from gfcompare.figures.lazy import data, page_layout, theme
from gfcompare.figures.options import Size, check_one_of

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure
    import xarray as xr

    from gfcompare.figures.data import View
    from gfcompare.figures.page_layout import PageLayout


@dataclass(frozen=True, kw_only=True)
class Selection(Figure):
    """A figure of some problems and methods of a result, drawn on a page or into an axis.

    Parameters
    ----------
    problems, methods : names of those that are shown, that of a grid, such as "gd", for all of it; none means
        all
    size : "column" or "text", the width of a column or of a page; by default what suits the figure
    """

    problems: Sequence[str] = ()
    methods: Sequence[str] = ()
    size: Size = None

    def __post_init__(self) -> None:
        check_one_of("size", self.size, Size)

    def view(self, tree: xr.DataTree) -> View:
        """Return what was asked for, without the problems to which the figure does not apply."""
        return data.applicable(data.view(tree, self.problems, self.methods), type(self))

    @abc.abstractmethod
    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""

    def draw(
        self, tree: xr.DataTree | xr.Dataset, ax: matplotlib.axes.Axes | None = None
    ) -> matplotlib.figure.Figure:
        """Return the figure, or the one that `ax` belongs to if it is drawn there.

        Parameters
        ----------
        tree : a result as `gfcompare.open_study` returns it, or what `gfcompare.integrate` returns
        ax : an axis to draw into; for a figure that has a single panel

        Raises
        ------
        NothingToDraw
            if the result has nothing that the figure shows
        InputError
            for a name that the result does not have, or more than one panel for `ax`
        """
        from gfcompare.results.trees import as_tree

        with theme.context():
            return page_layout.draw(self.layout(as_tree(tree)), self.size, ax)


def draw(kind: type[Selection], tree: xr.DataTree | xr.Dataset, options: Any) -> matplotlib.figure.Figure:
    """Draw a figure; options are its own, and perhaps an axis."""
    own = dict(options)
    ax = own.pop("ax", None)
    return kind(**own).draw(tree, ax)
