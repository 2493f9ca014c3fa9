"""Panels of problems of two inputs: the rectangle, its panels' shape, and labels of the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gfcompare.figures import theme
from gfcompare.figures.options import Size
from gfcompare.figures.page_layout import Frame
from gfcompare.results.reading import Array

#: In inches: what labels take from the width of a page, with a colour bar, and the least width of a panel.
LABELS, LABELS_AND_BAR, _LEAST = 0.7, 1.2, 0.85


def rectangle(group: xr.Dataset) -> Array:
    """Return the rectangle on which the measure lives, or which its points fill, shape (2, 2)."""
    return np.column_stack([group.attrs["lower"], group.attrs["upper"]]).astype(np.float64)


def aspect(group: xr.Dataset) -> float:
    """Return height by width of a panel for the rectangle; one that is too long and thin is not to scale."""
    (left, right), (low, high) = rectangle(group)
    return float(np.clip((high - low) / (right - left), 0.5, 1.5))


def frame_panel(ax: Axes, group: xr.Dataset) -> None:
    """Make a panel the rectangle."""
    (left, right), (low, high) = rectangle(group)
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.set_box_aspect(aspect(group))
    ax.grid(False)
    ax.locator_params(axis="both", nbins=3)


def label_inputs(frame: Frame, axes: NDArray[Any], groups: dict[str, xr.Dataset]) -> None:
    """Label the inputs: x₂ at the left, x₁ below each column, or each row if rectangles differ."""
    same = len({rectangle(group).tobytes() for group in groups.values()}) == 1
    for ax in axes.ravel():
        ax.tick_params(labelbottom=not same, labelleft=ax in axes[:, 0])
    frame.label_lowest()
    frame.label(x="input $x_1$", y="input $x_2$")


def wrapped_titles(titles: Sequence[str], columns: int, narrow: bool) -> list[str]:
    """Return the titles of columns, broken into lines where they are too long."""
    return [theme.wrapped(title, (42 if narrow else 84) // columns) for title in titles]


def fitting_size(columns: int, taken: float, size: Size) -> tuple[bool, float]:
    """Return whether panels fit into one column of a paper, and how wide they are in inches."""
    width = (theme.COLUMN_WIDTH - taken) / columns
    if size == "column" or (size is None and width >= _LEAST):
        return True, width
    return False, (theme.TEXT_WIDTH - taken) / columns
