"""Marks, lines with markers and remarks within a panel."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from gfcompare.figures import theme
from gfcompare.figures.theme import LineStyle

#: Dots of a row from which on they cover each other: they are drawn smaller, and what tells more over them.
MANY = 1000


def mark(axes: Axes, x: ArrayLike, y: ArrayLike, marker: str, style: LineStyle) -> None:
    """Put marks of a method into a panel, whole even on its edge."""
    if np.size(x) == 0:  # an empty line that is not clipped confuses the layout
        return
    axes.plot(
        np.asarray(x, dtype=np.float64),
        np.asarray(y, dtype=np.float64),
        linestyle="",
        marker=marker,
        color=style.colour,
        markersize=4,
        markeredgewidth=0.9,
        clip_on=False,
        zorder=4,
    )


def dots(
    axes: Axes, x: ArrayLike, y: ArrayLike, style: LineStyle, *, size: float, alpha: float, zorder: float
) -> None:
    """Draw a dot for each seed; many of them small and as an image, which 10^4 make smaller by far."""
    many = np.size(x) > MANY
    axes.scatter(
        x,
        y,
        s=1.0 if many else size,
        color=style.colour,
        alpha=0.3 if many else alpha,
        linewidth=0,
        zorder=zorder,
        rasterized=many,
    )


def marked_line(axes: Axes, x: ArrayLike, y: ArrayLike, style: LineStyle) -> None:
    """Draw the line of a method with its marker at each value."""
    axes.plot(
        np.asarray(x, dtype=np.float64),
        np.asarray(y, dtype=np.float64),
        color=style.colour,
        linestyle=style.linestyle,
        linewidth=style.width,
        marker=style.marker,
        markersize=3.5,
        markeredgecolor="white",
        markeredgewidth=0.4,
        zorder=3,
    )


def remark(axes: Axes, text: str, x: float, y: float, across: str, up: str = "center") -> None:
    """Write a small text into a panel, at a share of its width and height."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axes.text(
        x, y, theme.typeset(text), transform=axes.transAxes, ha=across, va=up, fontsize=theme.SMALL, bbox=box
    )
