"""Logarithmic axes that can be read: limits around values, and at least two labels between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from gfcompare.figures import theme

# Labelled ticks in a decade of a logarithmic axis: the first of these that give at least two labels.
_TICKS = ((1.0,), (1.0, 2.0, 5.0), (1.0, 2.0, 3.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0))

#: Writes powers of ten.
POWERS = FuncFormatter(lambda value, _: f"$10^{{{round(math.log10(value))}}}$")


def _ticks(low: float, high: float, subs: Sequence[float]) -> NDArray[np.float64]:
    """Return the decimal logarithms of ticks from one below `low` to one above `high`, logarithms too."""
    decades = np.arange(math.floor(low) - 1, math.ceil(high) + 2)
    return np.asarray((decades[:, None] + np.log10(subs)).ravel(), dtype=np.float64)


def _count(low: float, high: float, subs: Sequence[float]) -> int:
    ticks = _ticks(low, high, subs)
    return int(np.count_nonzero((ticks >= low) & (ticks <= high)))


def limits_around(values: ArrayLike) -> tuple[float, float]:
    """Return limits of a logarithmic axis around positive values, with at least two labelled ticks."""
    found = np.asarray(values, dtype=np.float64)
    found = np.log10(found[np.isfinite(found) & (found > 0)])
    if found.size == 0:
        return 0.1, 10.0
    low, high = float(found.min()), float(found.max())
    margin = max(0.04 * (high - low), 0.05)
    low, high = low - margin, high + margin
    while _count(low, high, _TICKS[-1]) < 2:
        # Take in the nearer tick, and a hair's breadth more against rounding.
        ticks = _ticks(low, high, _TICKS[-1])
        below, above = float(ticks[ticks < low].max()), float(ticks[ticks > high].min())
        low, high = (below - 1e-9, high) if low - below <= above - high else (low, above + 1e-9)
    return 10.0**low, 10.0**high


def limit(axes: Axes, x: tuple[float, float] | None = None, y: tuple[float, float] | None = None) -> None:
    """Set the limits of a panel, unless another one with which it shares the axis has set the same.

    Matplotlib hands limits on to all panels that share an axis, each time: for hundreds of panels, which all
    have the same, that takes a time in proportion to the square of their number.
    """
    if x is not None and (axes.get_autoscalex_on() or tuple(axes.get_xlim()) != x):
        axes.set_xlim(x)
    if y is not None and (axes.get_autoscaley_on() or tuple(axes.get_ylim()) != y):
        axes.set_ylim(y)


def make(axes: Axes, which: str, limits: tuple[float, float], *, labels: int = 5) -> None:
    """Make an axis, "x" or "y", logarithmic with at most `labels` labelled powers of ten.

    Where fewer than two lie within the limits, some numbers between them are labelled too.
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    if which == "x":
        if axes.get_xscale() != "log":
            axes.set_xscale("log")
        limit(axes, x=limits)
    else:
        if axes.get_yscale() != "log":
            axes.set_yscale("log")
        limit(axes, y=limits)
    low, high = math.log10(limits[0]), math.log10(limits[1])
    subs = next((subs for subs in _TICKS if _count(low, high, subs) >= 2), _TICKS[-1])
    if len(subs) > 1:
        axis.set_major_locator(LogLocator(subs=subs, numticks=99))
        axis.set_major_formatter(FuncFormatter(lambda value, _: theme.typeset(theme.number(value))))
    else:
        axis.set_major_locator(LogLocator(numticks=labels + 1))
        axis.set_major_formatter(POWERS)
    axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=99) if high - low < 3 else NullLocator())
    axis.set_minor_formatter(NullFormatter())
