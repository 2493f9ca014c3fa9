"""Drawing final risks by those of a baseline: every seed, the median and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gfcompare.figures import data, layout, log_axes, style
from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.sketch import Frame, Section, Sketch
from gfcompare.results.reading import Array
from gfcompare.statistics import log_ratios, paired_differences

_LARGEST = 100.0  # decades; no finite risk is further from another one
_GOLDEN = 0.6180339887498949
_NAMES = ("log10 ratio", "log10 ratio from", "log10 ratio to")


def sketch(tree: xr.DataTree, view: data.View, baseline: str | None, size: style.Size = None) -> Sketch:
    """Return a panel for each problem, a row for each method but the baseline."""
    table = paired_differences(tree, baseline)
    against = str(table["against"].iloc[0]) if len(table) else ""
    methods = [method for method in view.methods if method != against]
    problems = [name for name in view.groups if name in table.index.get_level_values("problem")]
    if not methods or not problems:
        raise NothingToDraw("there is no method to compare with another one")
    seeds = {name: log_ratios(tree[name].to_dataset(), against) for name in problems}
    looks = style.looks(view.all_methods)
    rows, columns = layout.shape(len(problems), size)
    height = layout.height_of_rows(methods, 0.26, rows)

    def draw(frame: Frame) -> None:
        for ax, name in zip(layout.used(frame.axes, len(problems)), problems, strict=True):
            _draw_panel(ax, table.loc[[name]].droplevel("problem"), seeds[name], methods, looks)
            ax.set_title(style.wrapped(name, frame.title_width(0.71)))
        frame.label(x=f"final risk divided by that of {style.escaped(against)}")

    legend = _legend(table.loc[problems], seeds)
    return Sketch([Section(rows, columns, height, draw, columns == 1, {"sharey": True})], legend)


def _draw_panel(
    ax: Axes,
    table: pd.DataFrame,
    seeds: pd.DataFrame,
    methods: Sequence[str],
    looks: Mapping[str, style.Look],
) -> None:
    ends = table[list(_NAMES)].to_numpy(dtype=np.float64)
    values = np.concatenate([seeds.to_numpy(dtype=np.float64).ravel(), ends.ravel(), [0.0]])
    finite = np.clip(values[np.isfinite(values)], -_LARGEST, _LARGEST)
    left, right = log_axes.limits_around(10.0**finite)
    wider = (right / left) ** 0.22  # room for counts at the edges
    limits = left / wider ** np.any(values == -np.inf), right * wider ** np.any(values == np.inf)
    log_axes.make(ax, "x", limits, labels=4)
    ax.axvline(1.0, color="0.3", linewidth=0.8, zorder=1.5)
    for row, method in enumerate(methods):
        if method in table.index:
            _draw_seeds(ax, row, seeds.loc[method].to_numpy(dtype=np.float64), looks[method])
            estimate = table.loc[[method], list(_NAMES)].to_numpy(dtype=np.float64)[0]
            _draw_interval(ax, row, estimate, looks[method])
    ax.set(xlabel="", ylabel="", yticks=range(len(methods)))
    ax.set_yticklabels(layout.row_labels(methods))
    ax.set_ylim(len(methods) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    sns.despine(ax=ax, left=True)


def _draw_seeds(ax: Axes, row: int, values: Array, look: style.Look) -> None:
    """Draw a dot for each seed, and count those that are infinitely far at the edge."""
    inside = np.isfinite(values)
    # Multiples of the golden ratio spread seeds evenly, the same at every drawing, unlike random jitter.
    spread = (np.arange(values.size) * _GOLDEN + 0.5) % 1.0 - 0.5
    ax.scatter(
        10.0 ** np.clip(values[inside], -_LARGEST, _LARGEST),
        row + 0.5 * spread[inside],
        s=4,
        color=look.colour,
        alpha=0.4,
        linewidth=0,
        zorder=2,
    )
    for edge, sign, side in zip(ax.get_xlim(), (-1, 1), ("left", "right"), strict=True):
        count = int((values == sign * np.inf).sum())
        if count:
            layout.mark(ax, [edge], [row + 0.3], "x", look)
            ax.annotate(
                f"{count}/{values.size}",
                (edge, row + 0.3),
                xytext=(-5 * sign, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=6.5,
                color=look.colour,
            )


def _draw_interval(ax: Axes, row: int, estimate: Array, look: style.Look) -> None:
    """Draw the median and its interval; what is infinitely far ends at the edge in an arrow."""
    left, right = ax.get_xlim()

    def place(value: float) -> float:
        return float(np.clip(10.0 ** np.clip(value, -_LARGEST, _LARGEST), left, right))

    middle, low, high = map(float, estimate)
    if not np.isnan(low):
        ax.plot([place(low), place(high)], [row, row], color=look.colour, linewidth=1.8, zorder=3)
        for end in (low, high):
            if np.isinf(end):
                layout.mark(ax, [place(end)], [row], ">" if end > 0 else "<", look)
    if np.isfinite(middle):
        dot: dict[str, Any] = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5}
        ax.plot([place(middle)], [row], color=look.colour, marker=look.marker, zorder=4, **dot)
    elif np.isnan(low):
        layout.mark(ax, [place(middle)], [row], ">" if middle > 0 else "<", look)


def _legend(table: pd.DataFrame, seeds: Mapping[str, pd.DataFrame]) -> layout.Legend:
    """Return the legend; the methods' names stand at the axis."""
    legend = layout.Legend()
    values = np.concatenate([part.to_numpy(dtype=np.float64).ravel() for part in seeds.values()])
    known = table["log10 ratio from"].notna().any()
    grey: dict[str, Any] = {"color": style.GREY, "marker": "o"}
    line = Line2D([], [], linewidth=1.8 if known else 0.0, markersize=5, markeredgecolor="white", **grey)
    legend.add(line, "median and 95 % interval" if known else "median; too few seeds for an interval")
    if max(part.shape[1] for part in seeds.values()) > 1:
        legend.add(Line2D([], [], linestyle="", markersize=2.5, alpha=0.6, **grey), "one seed")
    if np.isinf(values).any():
        legend.add(layout.mark_handle("x"), "seeds on which only one reached the end")
    return legend
