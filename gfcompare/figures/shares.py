"""Shares in steps: axes and legends that time to target and performance profiles have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from gfcompare.figures import legends, log_axes
from gfcompare.figures.legends import Legend
from gfcompare.figures.theme import LineStyle
from gfcompare.results.reading import Array

# Steps of a share that are drawn: more are finer than a line is thick, and with 10^4 seeds a file has 10 MB.
_STEPS = 1000


def seen(share: Array) -> NDArray[np.intp]:
    """Return the places of the steps that are drawn, of a share that does not fall: all if they are few."""
    places = np.arange(share.size)
    if share.size <= _STEPS:
        return places
    level = np.floor(_STEPS * share)
    changes = np.flatnonzero(np.diff(level)) + 1
    return np.unique(np.concatenate([places[:1], changes, places[-1:]]))


def draw_steps(ax: Axes, x: Array, share: Array, style: LineStyle) -> None:
    """Draw a share that changes in steps."""
    x, share = (values[seen(share)] for values in (x, share))
    ax.step(x, share, where="post", color=style.colour, linestyle=style.linestyle, linewidth=style.width)


def finish(ax: Axes, limits: tuple[float, float]) -> None:
    """Give a panel its axes: a cost or a clock across, shares upwards."""
    log_axes.make(ax, "x", limits)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0])
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    sns.despine(ax=ax)


def legend_of(methods: Sequence[str], styles: Mapping[str, LineStyle], outcomes: Mapping[str, str]) -> Legend:
    """Return the legend of the methods, with what became of trajectories that ended early."""
    legend = legends.Legend()
    for method in methods:
        outcome = outcomes[method]
        handle = legends.line_handle(styles[method], marker=False)
        legend.add(handle, f"{method} ({outcome})" if outcome else method)
    return legend
