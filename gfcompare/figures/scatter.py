"""Drawing the network's value against the target's at points: for any number of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gfcompare.figures import data, layout, single, space, style
from gfcompare.figures.functions import OUTPUTS, row_title, value_label
from gfcompare.figures.layout import Legend
from gfcompare.figures.single import Choice
from gfcompare.figures.sketch import Frame, Section

_HELD_OUT: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "markeredgewidth": 0.6}


def fit_section(choice: Choice, legend: Legend) -> Section:
    """Return for each problem, output and time a row of scatter plots, one for each method."""
    groups, looks = choice.groups, style.looks(choice.view.all_methods)
    rows = [
        (name, output, index, methods)
        for name, group in groups.items()
        for output in range(min(group.sizes["output"], OUTPUTS))
        for index in single.last_times(group, choice.times)
        for methods in layout.evenly(
            [str(m) for m in group["integrator"].values], min(4, layout.most_columns(choice.size))
        )
    ]
    columns = max(len(methods) for *_, methods in rows)
    _extend(legend, groups)

    def draw(frame: Frame) -> None:
        titles: list[str] = []
        named = ""
        for line, (name, output, index, methods) in zip(frame.axes, rows, strict=True):
            group, seed = groups[name], choice.seeds[name]
            panels = layout.used(line, len(methods))
            for ax, method in zip(panels, methods, strict=True):
                table = space.predictions(group, method, seed, index, output)
                _draw_points(ax, table, space.value_range(group, seed, index, output), looks[method])
                if table["network"].isna().all():
                    layout.remark(ax, single.gone(group, method, seed), 0.5, 0.5, "center")
            above = [style.wrapped(method, frame.title_width()) for method in methods]
            titles = layout.title_columns(panels, above, titles)
            more = f", $t$ = {style.number(float(group['time'][index]))}"
            text = row_title(name, seed, group, output, more)
            if text != named:
                layout.margin_title(panels[-1], text, beside=len(panels) < columns)
            named = text
        frame.label(x=value_label("target", groups.values()), y=value_label("network", groups.values()))

    width = style.COLUMN_WIDTH if columns <= 2 else style.TEXT_WIDTH
    height = (width - 0.9) / columns
    options = {"sharex": "row", "sharey": "row"}
    return Section(len(rows), columns, height, draw, columns <= 2, options)


def _extend(legend: Legend, groups: Mapping[str, xr.Dataset]) -> None:
    """Add to the legend what is drawn."""
    legend.add(Line2D([], [], color="black", linewidth=0.8), "network = target")
    sampled = [not data.on_points(group) for group in groups.values()]
    dot = Line2D([], [], color=style.GREY, linestyle="", marker="o", markersize=2.5, markeredgewidth=0)
    training = "training point" if not any(sampled) else "point drawn from the measure"
    legend.add(
        dot, training if any(sampled) == all(sampled) else "point of the data, or drawn from the measure"
    )
    if any("test_x" in group.variables for group in groups.values()):
        legend.add(Line2D([], [], color="black", linestyle="", markersize=3, **_HELD_OUT), "point held out")


def _draw_points(ax: Axes, table: pd.DataFrame, limits: tuple[float, float], look: style.Look) -> None:
    """Draw the points of one trajectory; those beyond the limits are counted."""
    ax.plot(limits, limits, color="black", linewidth=0.8, zorder=1.5)
    low, high = limits
    inside = table["network"].between(low, high)
    size = 2.5 if len(table) <= 200 else 1.8
    for held_out, part in table[inside].groupby("held_out"):
        drawn: dict[str, Any] = {"marker": "o", "color": look.colour, "markeredgewidth": 0.0, "alpha": 0.6}
        drawn["markersize"] = size
        if held_out:
            drawn = _HELD_OUT | {"color": "black", "markersize": size + 0.6, "zorder": 3}
        ax.plot(part["target"], part["network"], linestyle="", **drawn)
    outside = int((~inside & table["network"].notna()).sum())
    if outside:
        layout.remark(ax, f"{outside} of {len(table)} not in view", 0.97, 0.04, "right", "bottom")
    ax.set(xlim=limits, ylim=limits)
    ax.set_box_aspect(1.0)
    ax.locator_params(axis="both", nbins=4)
    sns.despine(ax=ax)
