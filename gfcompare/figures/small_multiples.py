"""Small multiples: how many panels stand side by side, their titles, and labels of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from gfcompare.figures import page, theme
from gfcompare.figures.options import Size

_Item = TypeVar("_Item")

#: Most panels side by side.
COLUMNS = 4

# Characters in a line of a row's label, and its height in inches.
_ROW_LABEL, _ROW_LINE = 22, 0.13


def shape(count: int, size: Size = None) -> tuple[int, int]:
    """Return rows and columns for a number of panels, as even as at most `COLUMNS` allow."""
    rows = math.ceil(count / (1 if size == "column" else COLUMNS))
    return rows, math.ceil(count / rows)


def most_columns(size: Size) -> int:
    """Return how many panels of different methods have room side by side."""
    return 2 if size == "column" else 5


def row_labels(names: Sequence[str]) -> list[str]:
    """Return names as labels of rows within a panel."""
    return [theme.wrapped(name, _ROW_LABEL) for name in names]


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
    if needed > usual and page.squeezed(panels * needed * len(names)) < 1.0:
        needed = max(usual, needed / page.LEAST_SHARE)
    return max(0.9, 0.35 + needed * len(names))


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
            ax.set_title(theme.typeset(title), pad=pad)
    return titles


def margin_title(axes: Axes, text: str, *, beside: bool = False) -> None:
    """Write the title of a row of panels at the right of its last one.

    It takes no room from the panels if there is empty room `beside` it.
    """
    title = axes.annotate(
        theme.typeset(text),
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


def label_lowest(figure: FigureBase, axes: NDArray[Any]) -> None:
    """Label the horizontal axis of the last panel left in each column, where panels share it."""
    panels: Any = figure.axes
    left = set(panels)
    for column in axes.T:
        for ax in [ax for ax in column if ax in left][-1:]:
            ax.tick_params(axis="x", labelbottom=True)
