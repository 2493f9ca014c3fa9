"""The page: small multiples of equal size in one section or more, one legend above them."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.layout_engine import LayoutEngine, PlaceHolderLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike, NDArray

from gfcompare.figures import style

_Item = TypeVar("_Item")

#: Most panels side by side.
COLUMNS = 4

# Width of a character of the legend's font, and of a handle with its gaps, in inches.
_CHARACTER, _HANDLE, _LINE = 0.052, 0.52, 0.16
# What typesets a label but takes no room in it.
_PLAIN = re.compile(r"[\\${}^_]")

# Height of all rows together in inches, and the least share of its usual height that a row keeps.
_PAGE, _LOWEST = 8.5, 0.7

# Characters in a line of a row's label, and its height in inches.
_ROW_LABEL, _ROW_LINE = 22, 0.13


class Page(Figure):
    """A matplotlib figure that keeps the style of gfcompare wherever it is drawn or saved.

    It belongs to no pyplot state, and to no window before `show`. `savefig` works as for any other figure.
    """

    def get_tightbbox(
        self, renderer: Any = None, *, bbox_extra_artists: Iterable[Artist] | None = None
    ) -> Bbox:
        """Return the whole page: notebooks cut figures to what is in the layout, which the legend is not."""
        return Bbox.from_bounds(0.0, 0.0, *self.get_size_inches())

    def add_rows(self, entries: Legend) -> None:
        """Write the legend above everything, a row below the other, each as long as it happens to be."""
        width, height = self.get_size_inches()
        for rows in entries.rows(width):
            row = self.legend(
                entries.handles[rows],
                entries.labels[rows],
                loc="upper center",
                ncols=rows.stop - rows.start,
                frameon=False,
                handlelength=2.4,
                columnspacing=1.2,
                handletextpad=0.5,
                borderpad=0.1,
                borderaxespad=0.0,
            )
            row.set_in_layout(False)
        self.set_height(height)

    def set_height(self, height: float) -> None:
        """Change the height in inches; what is outside the legend gets all the room."""
        self.set_figheight(height)
        for k, row in enumerate(self.legends):
            row.set_bbox_to_anchor((0.5, 1.0 - (_LINE * k + 0.02) / height), transform=self.transFigure)
        below = 1.0 - (_LINE * len(self.legends) + 0.04) / height if self.legends else 1.0
        engine: Any = self.get_layout_engine()
        engine.set(rect=(0.0, 0.0, 1.0, below))

    def get_layout_engine(self) -> LayoutEngine | None:
        """Return what lays the page out, None once that is done: then it is drawn once to be saved."""
        engine = super().get_layout_engine()
        return None if isinstance(engine, PlaceHolderLayoutEngine) else engine

    def draw(self, renderer: Any) -> None:
        """Draw in the style of gfcompare."""
        with style.context():
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save in the style of gfcompare, with fonts that journals accept."""
        with style.context():
            super().savefig(fname, **options)

    def show(self, warn: bool = True) -> None:
        """Show the figure in a window; in a script the call returns when all windows are closed.

        Parameters
        ----------
        warn : whether to warn where matplotlib has no windows
        """
        from matplotlib import pyplot as plt
        from matplotlib.backends.registry import BackendFilter, backend_registry

        backend = plt.get_backend()
        registry: Any = backend_registry
        if backend.lower() in registry.list_builtin(BackendFilter.NON_INTERACTIVE):
            if warn:
                warnings.warn(
                    f"nothing is shown: matplotlib has no windows here (its backend is {backend!r}). Save "
                    'the figure: figure.savefig("figure.pdf").',
                    stacklevel=2,
                )
            return
        if self.canvas.manager is None:  # it gets the window of an empty figure
            size: Any = self.get_size_inches()
            manager: Any = plt.figure(figsize=size, dpi=self.dpi).canvas.manager
            manager.canvas.figure = self
            self.set_canvas(manager.canvas)
        plt.show()

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
        text = style.typeset(style.escaped(label))
        if text not in self.labels:
            self.handles.append(handle)
            self.labels.append(text)

    def rows(self, width: float) -> list[slice]:
        """Return which entries stand in each row of a page of some width in inches."""
        sizes = [_HANDLE + _CHARACTER * len(_PLAIN.sub("", text)) for text in self.labels]
        found: list[slice] = []
        first = 0
        for k in range(1, len(sizes) + 1):
            if k == len(sizes) or sum(sizes[first : k + 1]) > width:
                found.append(slice(first, k))
                first = k
        return found

    def height(self, width: float) -> float:
        """Return the height of the legend in inches on a page of some width."""
        return _LINE * len(self.rows(width)) + 0.04 if self.labels else 0.0


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


def shape(count: int, size: style.Size = None) -> tuple[int, int]:
    """Return rows and columns for a number of panels, as even as at most `COLUMNS` allow."""
    rows = math.ceil(count / (1 if size == "column" else COLUMNS))
    return rows, math.ceil(count / rows)


def most_columns(size: style.Size) -> int:
    """Return how many panels of different methods have room side by side."""
    return 2 if size == "column" else 5


def page(
    rows: int, columns: int, legend: Legend, *, row_height: float, **options: Any
) -> tuple[Page, NDArray[Any]]:
    """Return a page with its panels, an array of axes (rows, columns), and the legend above them."""
    width = style.COLUMN_WIDTH if columns == 1 else style.TEXT_WIDTH
    height = rows * row_height
    figure = sheet(width, height * squeezed(height) + 0.3, legend)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def squeezed(height: float) -> float:
    """Return by how much rows become lower: a page of a paper has about nine inches."""
    return max(min(1.0, _PAGE / height), _LOWEST)


def row_labels(names: Sequence[str]) -> list[str]:
    """Return names as labels of rows within a panel."""
    return [style.wrapped(name, _ROW_LABEL) for name in names]


def height_of_rows(names: Sequence[str], usual: float, panels: int) -> float:
    """Return the height in inches of a panel with a row for each name.

    Parameters
    ----------
    names : of the rows
    usual : height of a row with a name of one line
    panels : how many panels stand one below the other
    """
    lines = max((label.count("\n") + 1 for label in row_labels(names)), default=1)
    needed = max(usual, _ROW_LINE * lines + 0.06 if lines > 1 else 0.0)
    if needed > usual and squeezed(panels * needed * len(names)) < 1.0:
        needed = max(usual, needed / _LOWEST)
    return max(0.9, 0.35 + needed * len(names))


def sheet(width: float, height: float, legend: Legend) -> Page:
    """Return a page of some width and height in inches, the latter without the legend."""
    figure = Page(figsize=(width, height + legend.height(width)), layout="constrained")
    FigureCanvasAgg(figure)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.04, h_pad=0.03, wspace=0.03, hspace=0.02)
    figure.add_rows(legend)
    return figure


def space_lines(figure: Figure) -> None:
    """Set text of several lines like that of a paper: the font's own line gap is half a line."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and "\n" in text.get_text():
            text.set_linespacing(1.15)


def finish(figure: Page) -> Page:
    """Make the ticks and the layout while the style is in force, and return the figure.

    The layout is then left alone: it takes as long as all the rest of a drawing, and is the same in every
    format. After a change, ``figure.set_layout_engine("constrained")`` has it done again, and
    ``figure.set_height(...)`` keeps it below the legend.
    """
    space_lines(figure)
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


def title_columns(
    panels: Sequence[Axes], titles: list[str], before: list[str], pad: float | None = None
) -> list[str]:
    """Write titles above the panels of a row unless the row before has the same ones; return them.

    `pad` is the room below them in points.
    """
    if titles != before:
        for ax, title in zip(panels, titles, strict=True):
            ax.set_title(style.typeset(title), pad=pad)
    return titles


def margin_title(axes: Axes, text: str, *, beside: bool = False) -> None:
    """Write the title of a row of panels at the right of its last one.

    It takes no room from the panels if there is empty room `beside` it.
    """
    title = axes.annotate(
        style.typeset(text),
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


def marked_line(axes: Axes, x: ArrayLike, y: ArrayLike, look: style.Look) -> None:
    """Draw the line of a method with its marker at each value."""
    axes.plot(
        np.asarray(x, dtype=np.float64),
        np.asarray(y, dtype=np.float64),
        color=look.colour,
        linestyle=look.linestyle,
        linewidth=look.width,
        marker=look.marker,
        markersize=3.5,
        markeredgecolor="white",
        markeredgewidth=0.4,
        zorder=3,
    )


def remark(axes: Axes, text: str, x: float, y: float, across: str, up: str = "center") -> None:
    """Write a small text into a panel, at a share of its width and height."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axes.text(
        x, y, style.typeset(text), transform=axes.transAxes, ha=across, va=up, fontsize=style.SMALL, bbox=box
    )
