"""The page: small multiples of equal size, one legend above them, readable logarithmic axes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from gfcompare.figures import style

#: Most panels side by side.
COLUMNS = 4

# Width of a character of the legend's font, and of a handle with its gaps, in inches.
_CHARACTER, _HANDLE, _LINE = 0.058, 0.52, 0.16

# Height of all rows together in inches, and the least share of its usual height that a row keeps.
_PAGE, _LOWEST = 8.5, 0.7


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
        """Add an entry."""
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


def page(
    rows: int, columns: int, legend: Legend, *, row_height: float, **options: Any
) -> tuple[Page, NDArray[Any]]:
    """Return a page with its panels, an array of axes (rows, columns), and the legend above them."""
    width = style.COLUMN_WIDTH if columns == 1 else style.TEXT_WIDTH
    # A page of a paper has about nine inches: many rows become lower, as far as they stay readable.
    row_height = max(min(row_height, _PAGE / rows), _LOWEST * row_height)
    figure = Page(figsize=(width, rows * row_height + legend.height(width) + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.04, h_pad=0.03, wspace=0.03, hspace=0.02)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
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
    return figure, axes


def finish(figure: Page) -> Page:
    """Make the ticks and the layout while the style is in force, and return the figure.

    The layout is then left alone: it takes as long as all the rest of a drawing, and is the same in every
    format. After a change, ``figure.set_layout_engine("constrained")`` has it done again.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def used(axes: NDArray[Any], count: int) -> list[Axes]:
    """Return the first `count` panels and take the others off the page."""
    panels = list(axes.ravel())
    for extra in panels[count:]:
        extra.remove()
    return panels[:count]


def margin_title(axes: Axes, text: str) -> None:
    """Write the title of a row of panels at the right of its last one."""
    axes.annotate(
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


def log_limits(values: ArrayLike) -> tuple[float, float]:
    """Return limits of a logarithmic axis around positive values, with at least two powers of ten."""
    found = np.asarray(values, dtype=np.float64)
    found = np.log10(found[np.isfinite(found) & (found > 0)])
    if found.size == 0:
        return 0.1, 10.0
    low, high = float(found.min()), float(found.max())
    margin = max(0.04 * (high - low), 0.05)
    low, high = low - margin, high + margin
    while math.floor(high) - math.ceil(low) < 1:
        # Take in the nearer power of ten, so that the axis has two labelled ticks.
        down, up = low - (math.ceil(low) - 1), (math.floor(high) + 1) - high
        low, high = (low - down, high) if down <= up else (low, high + up)
    return 10.0**low, 10.0**high


def log_axis(axes: Axes, which: str, limits: tuple[float, float], *, labels: int = 5) -> None:
    """Make an axis, "x" or "y", logarithmic with at most `labels` labelled powers of ten."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    if which == "x":
        axes.set_xscale("log")
        axes.set_xlim(limits)
    else:
        axes.set_yscale("log")
        axes.set_ylim(limits)
    axis.set_major_locator(LogLocator(numticks=labels + 1))
    axis.set_major_formatter(FuncFormatter(lambda value, _: style.power(round(math.log10(value)))))
    decades = math.log10(limits[1] / limits[0])
    axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=99) if decades < 3 else NullLocator())
    axis.set_minor_formatter(NullFormatter())
