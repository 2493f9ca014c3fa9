"""The page: small multiples of equal size in one section or more, one legend above them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from gfcompare.figures import style

_Item = TypeVar("_Item")

#: Most panels side by side.
COLUMNS = 4

# Width of a character of the legend's font, and of a handle with its gaps, in inches.
_CHARACTER, _HANDLE, _LINE = 0.058, 0.52, 0.16

# Height of all rows together in inches, and the least share of its usual height that a row keeps.
_PAGE, _LOWEST = 8.5, 0.7

# Most height in inches that a row gets for its box aspect.
_TALLEST = 1.8


class Page(Figure):
    """A matplotlib figure that keeps the style of gfcompare wherever it is drawn or saved.

    It belongs to no window and no pyplot state. `savefig` works as for any other figure.
    """

    def draw(self, renderer: Any) -> None:
        """Draw in the style of gfcompare."""
        with style.context():
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save in the style of gfcompare, with fonts that journals accept."""
        with style.context():
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        """Show the figure in a notebook."""
        from io import BytesIO

        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=150)
        return buffer.getvalue()


@dataclass
class Legend:
    """The entries of the legend."""

    handles: list[Artist] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def add(self, handle: Artist, label: str) -> None:
        """Add an entry, unless there is one of this name."""
        if style.escaped(label) not in self.labels:
            self.handles.append(handle)
            self.labels.append(style.escaped(label))

    def columns(self, width: float) -> int:
        """Return how many columns of entries, filled one after the other, fit into a width in inches."""
        count = len(self.labels)
        sizes = [_HANDLE + _CHARACTER * len(text) for text in self.labels]
        for columns in range(count, 1, -1):
            rows = math.ceil(count / columns)
            if sum(max(sizes[k : k + rows]) for k in range(0, count, rows)) <= width:
                return math.ceil(count / rows)
        return 1

    def height(self, width: float) -> float:
        """Return the height of the legend in inches on a page of some width."""
        return _LINE * math.ceil(len(self.labels) / self.columns(width)) + 0.08 if self.labels else 0.0


def line_handle(look: style.Look, *, marker: bool = True) -> Line2D:
    """Return the legend's picture of a method."""
    return Line2D(
        [],
        [],
        color=look.colour,
        linestyle=look.linestyle,
        marker=look.marker if marker else "",
        markersize=3.5,
        markeredgecolor="white",
        markeredgewidth=0.4,
    )


def mark_handle(marker: str) -> Line2D:
    """Return the legend's picture of a mark that methods share."""
    return Line2D([], [], color=style.GREY, linestyle="", marker=marker, markersize=5, markeredgewidth=0.9)


def shape(count: int) -> tuple[int, int]:
    """Return rows and columns for a number of panels, as even as at most `COLUMNS` allow."""
    rows = math.ceil(count / COLUMNS)
    return rows, math.ceil(count / rows)


@dataclass(frozen=True)
class Section:
    """A part of a page: panels of one kind.

    Attributes
    ----------
    rows, columns : how many panels
    row_height : height of a row in inches, less if the page gets too long
    draw : fills the axes, an array (rows, columns), of a figure or a part of one
    narrow : whether it fits into one column of a paper
    options : what the axes share, as `matplotlib.figure.Figure.subplots` has it
    """

    rows: int
    columns: int
    row_height: float
    draw: Callable[[FigureBase, NDArray[Any]], None]
    narrow: bool
    options: Mapping[str, Any] = field(default_factory=dict)


def stack(sections: Sequence[Section], legend: Legend) -> Page:
    """Return a finished page with sections one below the other, and the legend above them.

    Panels with a box aspect get the height that it asks for at the width they turn out to have.
    """
    width = style.COLUMN_WIDTH if all(section.narrow for section in sections) else style.TEXT_WIDTH
    squeezed = _squeezed(sum(section.rows * section.row_height for section in sections))
    heights = [section.rows * section.row_height * squeezed + 0.3 for section in sections]
    figure = _sheet(width, sum(heights), legend)
    places = figure.add_gridspec(len(sections), 1, height_ratios=heights)
    grids = []
    for k, section in enumerate(sections):
        part = figure.add_subfigure(places[k]) if len(sections) > 1 else figure
        grids.append(part.subplots(section.rows, section.columns, squeeze=False, **section.options))
        section.draw(part, grids[-1])
    aspects = {ax: ax.get_box_aspect() for grid in grids for ax in grid.ravel() if ax.get_box_aspect()}
    for ax in aspects:
        ax.set_box_aspect(None)  # the layout takes room for labels where panels do not fill their places
    if squeezed == 1.0 and aspects:
        figure.draw_without_rendering()
        missing = [_missing_height(grid[:, 0], aspects) for grid in grids]
        places.set_height_ratios([height + more for height, more in zip(heights, missing, strict=True)])
        figure.set_figheight(figure.get_figheight() + sum(missing))
    finish(figure)
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


def page(
    rows: int, columns: int, legend: Legend, *, row_height: float, **options: Any
) -> tuple[Page, NDArray[Any]]:
    """Return a page with its panels, an array of axes (rows, columns), and the legend above them."""
    width = style.COLUMN_WIDTH if columns == 1 else style.TEXT_WIDTH
    height = rows * row_height
    figure = _sheet(width, height * _squeezed(height) + 0.3, legend)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def _squeezed(height: float) -> float:
    """Return by how much rows become lower: a page of a paper has about nine inches."""
    return max(min(1.0, _PAGE / height), _LOWEST)


def _sheet(width: float, height: float, legend: Legend) -> Page:
    """Return a page of some width and height in inches, the latter without the legend."""
    figure = Page(figsize=(width, height + legend.height(width)), layout="constrained")
    FigureCanvasAgg(figure)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.04, h_pad=0.03, wspace=0.03, hspace=0.02)
    if legend.labels:
        figure.legend(
            legend.handles,
            legend.labels,
            loc="outside upper center",
            ncols=legend.columns(width),
            frameon=False,
            handlelength=2.6,
            columnspacing=1.2,
            handletextpad=0.5,
            labelspacing=0.3,
            borderpad=0.1,
        )
    return figure


def finish(figure: Page) -> Page:
    """Make the ticks and the layout while the style is in force, and return the figure.

    The layout is then left alone: it takes as long as all the rest of a drawing, and is the same in every
    format. After a change, ``figure.set_layout_engine("constrained")`` has it done again.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def label_lowest(figure: FigureBase, axes: NDArray[Any]) -> None:
    """Label the horizontal axis of the last panel left in each column, where panels share it."""
    panels: Any = figure.axes
    left = set(panels)
    for column in axes.T:
        for ax in [ax for ax in column if ax in left][-1:]:
            ax.tick_params(axis="x", labelbottom=True)


def evenly(items: Sequence[_Item], most: int) -> list[list[_Item]]:
    """Return the items in as few rows of at most `most` as possible, of nearly the same length."""
    rows = math.ceil(len(items) / most)
    size = math.ceil(len(items) / rows)
    return [list(items[k : k + size]) for k in range(0, len(items), size)]


def used(axes: NDArray[Any], count: int) -> list[Axes]:
    """Return the first `count` panels and take the others off the page."""
    panels = list(axes.ravel())
    for extra in panels[count:]:
        extra.remove()
    return panels[:count]


def title_columns(panels: Sequence[Axes], titles: list[str], before: list[str]) -> list[str]:
    """Write titles above the panels of a row unless the row before has the same ones; return them."""
    if titles != before:
        for ax, title in zip(panels, titles, strict=True):
            ax.set_title(title)
    return titles


def margin_title(axes: Axes, text: str, *, beside: bool = False) -> None:
    """Write the title of a row of panels at the right of its last one.

    It takes no room from the panels if there is empty room `beside` it.
    """
    title = axes.annotate(
        text,
        (1, 0.5),
        xytext=(4, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        rotation=270,
        ha="left",
        va="center",
        multialignment="center",
    )
    title.set_in_layout(not beside)


def mark(axes: Axes, x: ArrayLike, y: ArrayLike, marker: str, look: style.Look) -> None:
    """Put marks of a method into a panel, whole even on its edge."""
    if np.size(x) == 0:  # an empty line that is not clipped confuses the layout
        return
    axes.plot(
        np.asarray(x, dtype=np.float64),
        np.asarray(y, dtype=np.float64),
        linestyle="",
        marker=marker,
        color=look.colour,
        markersize=4,
        markeredgewidth=0.9,
        clip_on=False,
        zorder=4,
    )


def remark(axes: Axes, text: str, x: float, y: float, across: str, up: str = "center") -> None:
    """Write a small text into a panel, at a share of its width and height."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axes.text(x, y, text, transform=axes.transAxes, ha=across, va=up, fontsize=6.5, bbox=box)
