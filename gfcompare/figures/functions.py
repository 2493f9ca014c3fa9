"""Drawing what a network represents along a trajectory: the fitted function and its breakpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gfcompare.figures import data, layout, single, style
from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.layout import Page

# More outputs would make a figure longer than a page; the label says how many there are.
_OUTPUTS = 3

# Breakpoints are shown this far beyond the interval, as a share of its length.
_MARGIN = 0.15
_COLUMNS = 5


def draw_fit(view: data.View, *, seed: int | None, times: Sequence[float]) -> Page:
    """Return the figure: a row for each problem (and output), a column for each time."""
    groups = _on_the_line(view)
    seeds = {name: single.check_seed(group, seed) for name, group in groups.items()}
    rows = [(name, k) for name, group in groups.items() for k in range(min(group.sizes["output"], _OUTPUTS))]
    indices = {name: single.chosen_times(group, times) for name, group in groups.items()}
    looks = style.looks(view.all_methods)
    legend = layout.Legend()
    legend.add(Line2D([], [], color="black", linewidth=1.4), "target")
    outcomes = data.outcomes(data.View(groups, view.methods, view.all_methods), seeds)
    for method in view.methods:
        legend.add(layout.line_handle(looks[method], marker=False), _with(method, outcomes[method]))
    with style.context():
        columns = max(len(found) for found in indices.values())
        figure, axes = layout.page(len(rows), columns, legend, row_height=1.3, sharex=_sharing(groups))
        titles: list[str] = []
        for line, (name, output) in zip(axes, rows, strict=True):
            group = groups[name]
            panels = layout.used(line, len(indices[name]))
            for ax, index in zip(panels, indices[name], strict=True):
                _draw_fit_panel(ax, group, seeds[name], index, output, looks)
            _share_limits(panels, group, output)
            above = [f"t = {style.number(float(group['time'][index]))}" for index in indices[name]]
            titles = _title_columns(panels, above, titles)
            layout.margin_title(panels[-1], _row_title(name, seeds[name], group, output))
        first = next(iter(groups.values()))
        figure.supxlabel(_long(first, "x"))
        figure.supylabel(style.label("network and target", str(first["target"].attrs.get("units", ""))))
        return layout.finish(figure)


def _draw_fit_panel(
    ax: Axes, group: xr.Dataset, seed: int, index: int, output: int, looks: Mapping[str, style.Look]
) -> None:
    x = group["x"].values
    ax.plot(x, group["target"].values[:, output], color="black", linewidth=1.4)
    low, high = _fit_limits(group, output)
    missing = []
    for method in (str(m) for m in group["integrator"].values):
        values = single.fitted(group, method, seed, index)[:, output]
        # Matplotlib's path code overflows on what a diverging network represents.
        values = np.clip(values, low - 10 * (high - low), high + 10 * (high - low))
        look = looks[method]
        ax.plot(x, values, color=look.colour, linestyle=look.linestyle, linewidth=look.width - 0.2)
        if not np.any((values >= low) & (values <= high)):
            missing.append(method)
    if missing and index > 0:
        who = ", ".join(missing)
        if len(who) > 18:
            who = f"{len(missing)} methods" if len(missing) > 1 else "1 method"
        layout.remark(ax, f"{style.escaped(who)} not in view", 0.97, 0.04, "right", "bottom")
    ax.set_xlim(float(x[0]), float(x[-1]))
    ax.locator_params(axis="x", nbins=3)
    ax.locator_params(axis="y", nbins=4)
    sns.despine(ax=ax)


def _share_limits(panels: Sequence[Axes], group: xr.Dataset, output: int) -> None:
    """Give the panels of a row the same vertical axis, except the initial one, where fits are far off."""
    for k, ax in enumerate(panels):
        if k == 0 and len(panels) > 1:
            continue
        ax.set_ylim(*_fit_limits(group, output))
        ax.tick_params(axis="y", labelleft=k <= 1)


def _title_columns(panels: Sequence[Axes], titles: list[str], before: list[str]) -> list[str]:
    """Write titles above the panels of a row unless the row before has the same ones; return them."""
    if titles != before:
        for ax, title in zip(panels, titles, strict=True):
            ax.set_title(title)
    return titles


def _sharing(groups: Mapping[str, xr.Dataset]) -> Literal["all", "row"]:
    """Return whether all panels can share the axis of inputs."""
    intervals = {(float(g.attrs["lower"]), float(g.attrs["upper"])) for g in groups.values()}
    return "all" if len(intervals) == 1 else "row"


def _fit_limits(group: xr.Dataset, output: int) -> tuple[float, float]:
    """Return the vertical limits: the target's range and as much again, so that a fit far off is cut."""
    target = group["target"].values[:, output]
    low, high = float(target.min()), float(target.max())
    span = high - low if high - low > 1e-9 * max(abs(low), abs(high)) else max(abs(low), 1.0)
    return low - 0.5 * span, high + 0.5 * span


def draw_breakpoints(view: data.View, *, seed: int | None) -> Page:
    """Return the figure: for each problem a row (or more, if there are many methods) of panels."""
    groups = _on_the_line(view)
    seeds = {name: single.check_seed(group, seed) for name, group in groups.items()}
    chunks = [
        (name, [str(m) for m in methods])
        for name, group in groups.items()
        for methods in _evenly(list(group["integrator"].values))
    ]
    looks = style.looks(view.all_methods)
    legend = layout.Legend()
    legend.add(Line2D([], [], color=style.GREY, linewidth=0.8), "breakpoint of a neuron")
    legend.add(Patch(color="0.93", linewidth=0), "outside the inputs' interval")
    status = {name: data.ends(group, "risk", "flow_time") for name, group in groups.items()}
    if any((table["seed"] == seeds[name]).any() for name, table in status.items()):
        legend.add(layout.mark_handle("x"), "the trajectory ended early")
    columns = max(len(methods) for _, methods in chunks)
    with style.context():
        figure, axes = layout.page(len(chunks), columns, legend, row_height=1.35, sharex=True, sharey="row")
        titles: list[str] = []
        named = None
        for line, (name, methods) in zip(axes, chunks, strict=True):
            group, ended = groups[name], status[name]
            ended = ended[ended["seed"] == seeds[name]]
            panels = layout.used(line, len(methods))
            for ax, method in zip(panels, methods, strict=True):
                paths = single.breakpoint_paths(group, method, seeds[name])
                _draw_paths(ax, group, paths, ended[ended["method"] == method], looks[method])
            above = [style.wrapped(method, 84 // columns) for method in methods]
            titles = _title_columns(panels, above, titles)
            if name != named:  # once for the rows of a problem
                layout.margin_title(panels[-1], _row_title(name, seeds[name], group, None))
                named = name
        first = next(iter(groups.values()))
        figure.supxlabel(style.label("flow time", str(first["flow_time"].attrs.get("units", ""))))
        layer = "" if first.sizes.keys().isdisjoint({"neuron_2"}) else " of the first layer"
        figure.supylabel(style.label(f"breakpoints{layer}", str(first["x"].attrs.get("units", ""))))
        return layout.finish(figure)


def _draw_paths(
    ax: Axes, group: xr.Dataset, paths: pd.DataFrame, ended: pd.DataFrame, look: style.Look
) -> None:
    lower, upper = float(group.attrs["lower"]), float(group.attrs["upper"])
    margin = _MARGIN * (upper - lower)
    low, high = lower - margin, upper + margin
    # Far outside, a line that nearly leaves for infinity would overflow in matplotlib.
    paths = paths.assign(position=paths["position"].clip(low - 1e3 * margin, high + 1e3 * margin))
    pieces = [piece[["x", "position"]].to_numpy() for _, piece in paths.groupby(["neuron", "piece"])]
    for edge in ((low, lower), (upper, high)):
        ax.axhspan(*edge, color="0.93", linewidth=0, zorder=0)
    ax.add_collection(LineCollection(pieces, colors=[look.colour], linewidths=0.7), autolim=False)
    points = np.array([piece[0] for piece in pieces if len(piece) == 1]).reshape(-1, 2)
    ax.plot(points[:, 0], points[:, 1], ".", color=look.colour, markersize=2)
    saved = group["flow_time"].values
    layout.log_axis(ax, "x", layout.log_limits(saved[saved > 0]), labels=4)
    ax.set_ylim(low, high)
    ax.locator_params(axis="y", nbins=4)
    said = []
    if len(ended):
        last = paths[paths["x"] == paths["x"].max()]
        inside = last[last["position"].between(low, high)]
        ax.plot(inside["x"], inside["position"], "x", color=look.colour, markersize=3.5, markeredgewidth=0.8)
        said.append(str(ended["status"].iloc[0]))
    if not paths["position"].between(low, high).any():
        said.append("no breakpoint\nin view")
    if said:
        layout.remark(ax, "\n".join(said), 0.97, 0.5, "right")
    sns.despine(ax=ax)


def _on_the_line(view: data.View) -> dict[str, xr.Dataset]:
    groups = {name: group for name, group in view.groups.items() if group.sizes["input"] == 1}
    if not groups:
        raise NothingToDraw("no problem has one input")
    return groups


def _evenly(items: list[str]) -> list[list[str]]:
    rows = math.ceil(len(items) / _COLUMNS)
    size = math.ceil(len(items) / rows)
    return [items[k : k + size] for k in range(0, len(items), size)]


def _with(method: str, outcome: str) -> str:
    return f"{method} ({outcome})" if outcome else method


def _long(group: xr.Dataset, name: str) -> str:
    attrs = group[name].attrs
    long_name, units = str(attrs.get("long_name", name)), str(attrs.get("units", ""))
    return style.label(f"{long_name} {name}", "" if units == long_name else units)


def _row_title(name: str, seed: int, group: xr.Dataset, output: int | None) -> str:
    count = group.sizes["output"]
    which = "" if output is None or count == 1 else f", output {output + 1} of {count}"
    return f"{style.wrapped(name, 14)}{which}\nseed {seed}"
