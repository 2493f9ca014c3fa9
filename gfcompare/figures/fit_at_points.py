"""Fits at points, for any number of inputs: the network's value against the target's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gfcompare.figures import data, marks, one_trajectory, small_multiples, theme, titles
from gfcompare.figures.legends import Legend
from gfcompare.figures.one_trajectory import Choice
from gfcompare.figures.page_layout import Frame, Section
from gfcompare.figures.theme import LineStyle

_HELD_OUT: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markeredgewidth": 0.6}


def predictions(group: xr.Dataset, method: str, seed: int, index: int, output: int) -> pd.DataFrame:
    """Return the network's value and the target's at every point of a problem.

    Columns target, network, held_out (whether the point was held out).
    """
    tables = []
    for held_out, kind in ((False, "sample"), (True, "test")):
        if f"{kind}_x" in group.variables:
            values = one_trajectory.realized(group, method, seed, index, group[f"{kind}_x"].values)[:, output]
            target = group[f"{kind}_target"].values[:, output]
            tables.append(pd.DataFrame({"target": target, "network": values, "held_out": held_out}))
    return pd.concat(tables, ignore_index=True)


def value_range(group: xr.Dataset, seed: int, index: int, output: int) -> tuple[float, float]:
    """Return limits for the values of the target and of every method's network at the points.

    The networks may widen the target's range by half of it at either end.
    """
    tables = [predictions(group, str(m), seed, index, output) for m in group["integrator"].values]
    low, high = one_trajectory.value_limits(group, output)
    values = np.concatenate(
        [one_trajectory.target_values(group, output), *(table["network"] for table in tables)]
    )
    values = values[(values >= low) & (values <= high)]
    margin = 0.05 * float(values.max() - values.min()) or 0.5 * (high - low)
    return float(values.min()) - margin, float(values.max()) + margin


def section(choice: Choice, legend: Legend) -> Section:
    """Return for each problem, output and time a row of scatter plots, one for each method."""
    groups, styles = choice.groups, theme.line_styles(choice.view.all_methods)
    rows = [
        (name, output, index, methods)
        for name, group in groups.items()
        for output in range(min(group.sizes["output"], titles.OUTPUTS))
        for index in one_trajectory.last_times(group, choice.times)
        for methods in small_multiples.evenly(
            [str(m) for m in group["integrator"].values], min(4, small_multiples.most_columns(choice.size))
        )
    ]
    columns = max(len(methods) for *_, methods in rows)
    _extend(legend, groups)

    def draw(frame: Frame) -> None:
        before: list[str] = []
        named = ""
        for line, (name, output, index, methods) in zip(frame.axes, rows, strict=True):
            group, seed = groups[name], choice.seeds[name]
            panels = small_multiples.used(line, len(methods))
            for ax, method in zip(panels, methods, strict=True):
                table = predictions(group, method, seed, index, output)
                _draw_points(ax, table, value_range(group, seed, index, output), styles[method])
                if table["network"].isna().all():
                    marks.remark(ax, one_trajectory.gone(group, method, seed), 0.5, 0.5, "center")
            above = [theme.wrapped(method, frame.title_width()) for method in methods]
            before = small_multiples.title_columns(panels, above, before)
            more = f", $t$ = {theme.number(float(group['time'][index]))}"
            text = titles.row_title(name, seed, group, output, more)
            if text != named:
                small_multiples.margin_title(panels[-1], text, beside=len(panels) < columns)
            named = text
        frame.label(
            x=titles.value_label("target", groups.values()), y=titles.value_label("network", groups.values())
        )

    width = theme.COLUMN_WIDTH if columns <= 2 else theme.TEXT_WIDTH
    height = (width - 0.9) / columns
    options = {"sharex": "row", "sharey": "row"}
    return Section(len(rows), columns, height, draw, columns <= 2, options)


def _extend(legend: Legend, groups: Mapping[str, xr.Dataset]) -> None:
    """Add to the legend what is drawn."""
    legend.add(Line2D([], [], color="black", linewidth=0.8), "network = target")
    sampled = [not data.on_points(group) for group in groups.values()]
    dot = Line2D([], [], color=theme.GREY, linestyle="", marker="o", markersize=2.5, markeredgewidth=0)
    training = "training point" if not any(sampled) else "point drawn from the measure"
    legend.add(
        dot, training if any(sampled) == all(sampled) else "point of the data, or drawn from the measure"
    )
    if any("test_x" in group.variables for group in groups.values()):
        legend.add(Line2D([], [], color="black", linestyle="", markersize=3, **_HELD_OUT), "point held out")


def _draw_points(ax: Axes, table: pd.DataFrame, limits: tuple[float, float], style: LineStyle) -> None:
    """Draw the points of one trajectory; those beyond the limits are counted."""
    ax.plot(limits, limits, color="black", linewidth=0.8, zorder=1.5)
    low, high = limits
    inside = table["network"].between(low, high)
    size = 2.5 if len(table) <= 200 else 1.8
    for held_out, part in table[inside].groupby("held_out"):
        drawn: dict[str, Any] = {"marker": "o", "color": style.colour, "markeredgewidth": 0.0, "alpha": 0.6}
        drawn["markersize"] = size
        if held_out:
            drawn = _HELD_OUT | {"color": "black", "markersize": size + 0.6, "zorder": 3}
        ax.plot(part["target"], part["network"], linestyle="", **drawn)
    outside = int((~inside & table["network"].notna()).sum())
    if outside:
        marks.remark(ax, f"{outside} of {len(table)} not in view", 0.97, 0.04, "right", "bottom")
    ax.set(xlim=limits, ylim=limits)
    ax.set_box_aspect(1.0)
    ax.locator_params(axis="both", nbins=4)
    sns.despine(ax=ax)
