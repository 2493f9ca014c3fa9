"""Drawing what networks of one input represent along a trajectory: fitted functions and breakpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gfcompare.figures import data, layout, log_axes, single, style
from gfcompare.figures.layout import Legend
from gfcompare.figures.single import Choice
from gfcompare.figures.sketch import Frame, Section

#: More outputs would make a figure longer than a page; the label says how many there are.
OUTPUTS = 3

# Breakpoints are shown this far beyond the interval, as a share of its length.
_MARGIN = 0.15

# How points of a data set and those held out are drawn.
_POINTS: dict[bool, dict[str, Any]] = {
    False: {"marker": "o", "color": "0.25", "markersize": 2.0, "markeredgewidth": 0.0},
    True: {"marker": "o", "color": "0.25", "markersize": 2.6, "markeredgewidth": 0.5, "fillstyle": "none"},
}


def fit_section(choice: Choice, legend: Legend) -> Section:
    """Return a row for each problem (and output), a column for each time, and extend the legend."""
    groups, looks = choice.groups, style.looks(choice.view.all_methods)
    rows = [(name, k) for name, group in groups.items() for k in range(min(group.sizes["output"], OUTPUTS))]
    count = 3 if choice.size == "column" else 4
    indices = {name: single.chosen_times(group, choice.times, count) for name, group in groups.items()}
    if any("target" in group.variables for group in groups.values()):
        legend.add(Line2D([], [], color="black", linewidth=1.4), "target")
    for kind, label in (("sample_x", "target at the points"), ("test_x", "point held out")):
        if any(kind in group.variables for group in groups.values()):
            legend.add(Line2D([], [], linestyle="", **_POINTS[kind == "test_x"]), label)
    columns = max(len(found) for found in indices.values())
    outcomes = data.outcomes(choice.view, choice.seeds)
    for method in choice.view.methods:
        outcome = outcomes[method]
        handle = layout.line_handle(looks[method], marker=False)
        legend.add(handle, f"{method} ({outcome})" if outcome else method)

    def draw(frame: Frame) -> None:
        titles: list[str] = []
        for line, (name, output) in zip(frame.axes, rows, strict=True):
            group = groups[name]
            panels = layout.used(line, len(indices[name]))
            for ax, index in zip(panels, indices[name], strict=True):
                _draw_fit_panel(ax, group, choice.seeds[name], index, output, looks)
            _share_limits(panels, group, output)
            above = [f"$t$ = {style.number(float(group['time'][index]))}" for index in indices[name]]
            titles = layout.title_columns(panels, above, titles)
            text = row_title(name, choice.seeds[name], group, output)
            layout.margin_title(panels[-1], text, beside=len(panels) < columns)
        frame.label(x="input $x$", y=value_label("network and target", groups.values(), 20 * len(rows)))

    return Section(len(rows), columns, 1.3, draw, columns == 1, {"sharex": _sharing(groups)})


def _draw_target(ax: Axes, group: xr.Dataset, output: int) -> None:
    """Draw the target, or its values at the points where alone it is known."""
    if "target" in group.variables:
        ax.plot(group["x"].values, group["target"].values[:, output], color="black", linewidth=1.4)
    for held_out, kind in ((False, "sample"), (True, "test")):
        if f"{kind}_x" in group.variables:
            x, y = group[f"{kind}_x"].values[:, 0], group[f"{kind}_target"].values[:, output]
            size = 1.0 if len(x) <= 100 else 0.7
            look = _POINTS[held_out] | {"markersize": size * _POINTS[held_out]["markersize"]}
            ax.plot(x, y, linestyle="", **look)


def _draw_fit_panel(
    ax: Axes, group: xr.Dataset, seed: int, index: int, output: int, looks: Mapping[str, style.Look]
) -> None:
    x = single.grid(group)
    _draw_target(ax, group, output)
    low, high = single.value_limits(group, output)
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
    margin = 0.0 if "target" in group.variables else 0.03 * float(x[-1] - x[0])
    ax.set_xlim(float(x[0]) - margin, float(x[-1]) + margin)
    ax.locator_params(axis="x", nbins=3)
    ax.locator_params(axis="y", nbins=4)
    sns.despine(ax=ax)


def _share_limits(panels: Sequence[Axes], group: xr.Dataset, output: int) -> None:
    """Give the panels of a row the same vertical axis, except the initial one, where fits are far off."""
    for k, ax in enumerate(panels):
        if k == 0 and len(panels) > 1:
            continue
        ax.set_ylim(*single.value_limits(group, output))
        ax.tick_params(axis="y", labelleft=k <= 1)


def _sharing(groups: Mapping[str, xr.Dataset]) -> Literal["all", "row"]:
    """Return whether all panels can share the axis of inputs."""
    intervals = {(float(g.attrs["lower"]), float(g.attrs["upper"])) for g in groups.values()}
    return "all" if len(intervals) == 1 else "row"


def breakpoint_section(choice: Choice, legend: Legend) -> Section:
    """Return a row for each problem (more, if there are many methods), and extend the legend."""
    groups, looks = choice.groups, style.looks(choice.view.all_methods)
    chunks = [
        (name, methods)
        for name, group in groups.items()
        for methods in layout.evenly(
            [str(m) for m in group["integrator"].values], layout.most_columns(choice.size)
        )
    ]
    legend.add(Line2D([], [], color=style.GREY, linewidth=0.8), "breakpoint of a neuron")
    legend.add(Patch(color="0.93", linewidth=0), "outside the inputs' interval")
    if any(
        single.ended(groups[name], method, choice.seeds[name])
        for name, methods in chunks
        for method in methods
    ):
        legend.add(layout.mark_handle("x"), "the trajectory ended early")
    columns = max(len(methods) for _, methods in chunks)

    def draw(frame: Frame) -> None:
        titles: list[str] = []
        named = None
        for line, (name, methods) in zip(frame.axes, chunks, strict=True):
            group, seed = groups[name], choice.seeds[name]
            panels = layout.used(line, len(methods))
            for ax, method in zip(panels, methods, strict=True):
                paths = single.breakpoint_paths(group, method, seed)
                _draw_paths(ax, group, paths, single.ended(group, method, seed), looks[method])
            above = [style.wrapped(method, frame.title_width()) for method in methods]
            titles = layout.title_columns(panels, above, titles)
            if name != named:  # once for the rows of a problem
                text = row_title(name, seed, group, None)
                layout.margin_title(panels[-1], text, beside=len(panels) < columns)
                named = name
        frame.label_lowest()
        deep = any("neuron_2" in group.sizes for group in groups.values())
        frame.label(
            x=flow_time_label(groups), y=f"breakpoints{' of the first layer' if deep else ''} (input)"
        )

    options = {"sharex": True, "sharey": "row"}
    return Section(len(chunks), columns, 1.35, draw, columns == 1, options)


def _draw_paths(ax: Axes, group: xr.Dataset, paths: pd.DataFrame, ended: str, look: style.Look) -> None:
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
    log_axes.make(ax, "x", log_axes.limits_around(saved[saved > 0]), labels=4)
    ax.set_ylim(low, high)
    ax.locator_params(axis="y", nbins=4)
    said: list[str] = []
    if ended:
        last = paths[paths["x"] == paths["x"].max()]
        inside = last[last["position"].between(low, high)]
        ax.plot(inside["x"], inside["position"], "x", color=look.colour, markersize=3.5, markeredgewidth=0.8)
        said.append(ended)
    if not paths["position"].between(low, high).any():
        said.append("no breakpoint\nin view")
    if said:
        layout.remark(ax, "\n".join(said), 0.97, 0.5, "right")
    sns.despine(ax=ax)


def flow_time_label(groups: Mapping[str, xr.Dataset]) -> str:
    """Return the label of an axis of flow time, with its unit."""
    units = next(iter(groups.values()))["flow_time"].attrs.get("units", "")
    return style.label("flow time", str(units))


def row_title(
    name: str, seed: int, group: xr.Dataset, output: int | None, more: str = "", *, width: int = 20
) -> str:
    """Return what stands at the right of a row of panels: problem, output if there are several, seed."""
    count = group.sizes["output"]
    which = "" if output is None or count == 1 else f"\noutput {output + 1} of {count}"
    return f"{style.wrapped(name, width)}{which}\nseed {seed}{more}"


def value_label(text: str, groups: Iterable[xr.Dataset], width: int = 200) -> str:
    """Return the label of an axis of outputs, with the unit, in lines of at most `width` characters."""
    names = ("target", "sample_target")
    found = {str(g[name].attrs.get("units", "")) for g in groups for name in names if name in g.variables}
    return style.label(text, found.pop() if len(found) == 1 else "", width=width)
