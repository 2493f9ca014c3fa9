"""The layout of a page: sections of panels and a legend, drawn on a page or into a single panel."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray

from gfcompare.components.errors import InputError
from gfcompare.figures import page, small_multiples, theme
from gfcompare.figures.legends import Legend
from gfcompare.figures.options import Size

# Most height in inches that a row gets for its box aspect.
_TALLEST = 1.8
# Characters of a title in an inch, and above a panel that is not on a page of ours.
_CHARACTERS, _ALONE = 12.4, 60


class Frame:
    """The panels of a section, with their shared properties.

    Attributes
    ----------
    axes : array of axes, shape (rows, columns)
    """

    def __init__(self, axes: NDArray[Any], figure: FigureBase | None) -> None:
        self.axes = axes
        self._figure = figure

    def label(self, *, x: str = "", y: str = "") -> None:
        """Label the axes that all panels have in common."""
        if self._figure is None:
            self.axes[0, 0].set(xlabel=theme.typeset(x), ylabel=theme.typeset(y))
            return
        if x:
            self._figure.supxlabel(theme.typeset(x))
        if y:
            self._figure.supylabel(theme.typeset(y))

    def title_width(self, share: float = 1.0) -> int:
        """Return how many characters have room in a line above a panel, or in a share of its column."""
        if self._figure is None:
            return _ALONE
        figure: Any = self._figure
        return max(8, int(share * _CHARACTERS * figure.bbox.width / figure.dpi / self.axes.shape[1]))

    def note(self, text: str) -> None:
        """Write below all panels what they have in common; a single panel has no room for it."""
        if self._figure is not None:
            figure: Any = self._figure
            width = round(figure.bbox.width / figure.dpi * 19)  # characters
            self._figure.supxlabel(theme.typeset(textwrap.fill(theme.escaped(text), width)))

    def label_lowest(self) -> None:
        """Label the horizontal axis of the last panel left in each column, where panels share it."""
        if self._figure is not None:
            small_multiples.label_lowest(self._figure, self.axes)


@dataclass(frozen=True)
class Section:
    """A part of a page: panels of one kind.

    Attributes
    ----------
    rows, columns : how many panels
    row_height : height of a row in inches, less if the page gets too long
    draw : fills the panels of a frame
    narrow : whether it fits into one column of a paper
    options : what the axes share, as `matplotlib.figure.Figure.subplots` has it
    """

    rows: int
    columns: int
    row_height: float
    draw: Callable[[Frame], None]
    narrow: bool
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PageLayout:
    """The sections of a page and its legend, ready to be drawn.

    Attributes
    ----------
    sections : one below the other
    legend : above them
    """

    sections: Sequence[Section]
    legend: Legend


def draw(layout: PageLayout, size: Size = None, ax: Axes | None = None) -> Figure:
    """Return the figure: a page of its own, or the one that a single panel belongs to.

    Parameters
    ----------
    layout : what is drawn, for the same `size`
    size : the width of the page
    ax : the panel to draw into, instead of a page

    Raises
    ------
    InputError
        if there is more than one panel, and they are to be drawn into `ax`
    """
    if ax is not None:
        return _into(ax, layout)
    if size is None:
        size = "column" if all(section.narrow for section in layout.sections) else "text"
    return _page(layout, theme.COLUMN_WIDTH if size == "column" else theme.TEXT_WIDTH)


def _into(ax: Axes, layout: PageLayout) -> Figure:
    count = sum(section.rows * section.columns for section in layout.sections)
    if count != 1:
        raise InputError(
            f"ax: the figure has {count} panels, and one axis has room for one: choose a single problem, "
            'such as problems=["sine"], and where each method, target or clock has its own panel just one.'
        )
    layout.sections[0].draw(Frame(np.array([[ax]]), None))
    if layout.legend.labels:
        ax.legend(layout.legend.handles, layout.legend.labels, frameon=False, handlelength=2.6)
    figure = ax.get_figure(root=True)
    if figure is None:
        raise InputError("ax: the axis belongs to no figure.")
    return figure


def _page(layout: PageLayout, width: float) -> page.Page:
    """Return a finished page.

    Panels with a box aspect get the height that it asks for at the width they turn out to have.
    """
    sections = layout.sections
    squeezed = page.squeezed(sum(section.rows * section.row_height for section in sections))
    heights = [section.rows * section.row_height * squeezed + 0.3 for section in sections]
    figure = page.sheet(width, sum(heights), layout.legend)
    places = figure.add_gridspec(len(sections), 1, height_ratios=heights)
    grids = []
    for k, section in enumerate(sections):
        part = figure.add_subfigure(places[k]) if len(sections) > 1 else figure
        grids.append(part.subplots(section.rows, section.columns, squeeze=False, **section.options))
        section.draw(Frame(grids[-1], part))
    flat = [ax for grid in grids for ax in grid.ravel() if ax.name == "rectilinear"]
    aspects = {ax: ax.get_box_aspect() for ax in flat if ax.get_box_aspect()}
    for ax in aspects:
        ax.set_box_aspect(None)  # the layout takes room for labels where panels do not fill their places
    if squeezed == 1.0 and aspects:
        page.space_lines(figure)
        figure.lay_out()
        missing = [_missing_height(grid[:, 0], aspects) for grid in grids]
        places.set_height_ratios([height + more for height, more in zip(heights, missing, strict=True)])
        figure.set_height(figure.get_figheight() + sum(missing))
    page.finish(figure)
    for ax, aspect in aspects.items():
        ax.set_box_aspect(aspect)
    return figure


def _missing_height(column: NDArray[Any], aspects: Mapping[Axes, float]) -> float:
    """Return how much higher, in inches, the rows of a section must become for their box aspects."""
    missing = 0.0
    for ax in column:
        width, height = ax.get_position().size * ax.figure.bbox.size / ax.figure.dpi
        missing += min(aspects[ax] * width, _TALLEST) - height if ax in aspects else 0.0
    return missing
