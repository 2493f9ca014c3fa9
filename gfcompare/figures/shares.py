"""Drawing shares in steps: of seeds that have reached a target, of instances within a factor of the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from gfcompare.figures import curves, data, layout, log_axes, style
from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.sketch import Frame, Section, Sketch
from gfcompare.results.clocks import Clock
from gfcompare.results.reading import Array, clock_values
from gfcompare.statistics import first_reach, kaplan_meier, performance_profiles
from gfcompare.statistics.intervals import FEWEST, Steps
from gfcompare.statistics.profiles import COSTS
from gfcompare.statistics.reaching import Targets, chosen_targets

_COLUMNS = 3
_COSTS = {"gradients": "gradient evaluations", "wall_time": "wall time", "flow_time": "flow time"}


@dataclass(frozen=True)
class _Curve:
    """The share of seeds that have reached a target, and the clock up to which it is known."""

    steps: Steps
    known: float


@dataclass(frozen=True)
class _Panel:
    """The curves of a problem and a target, by method, and over how many seeds."""

    problem: str
    target: float
    seeds: int
    curves: Mapping[str, _Curve]


def times(
    tree: xr.DataTree, view: data.View, targets: Targets | None, clock: Clock, size: style.Size = None
) -> Sketch:
    """Return a row of panels for each problem, a panel for each target risk."""
    chosen = chosen_targets(tree, targets)
    most = layout.most_columns(size) if size == "column" else _COLUMNS
    lines: list[list[_Panel]] = []
    for name, group in view.groups.items():
        panels = [_panel(name, group, target, clock) for target in chosen.get(name, ())]
        lines += layout.evenly(panels, most) if panels else []
    if not lines:
        raise NothingToDraw("no target risk lies between the initial and the final risks")
    looks, columns = style.looks(view.all_methods), max(map(len, lines))
    legend = _legend(view.methods, looks, data.outcomes(view))
    if any(group.sizes["seed"] >= FEWEST for group in view.groups.values()):
        legend.add(Patch(color=style.GREY, alpha=0.3, linewidth=0), "95 % interval")

    def draw(frame: Frame) -> None:
        for row, panels in zip(frame.axes, lines, strict=True):
            name = panels[0].problem
            every = [panel for line in lines for panel in line if panel.problem == name]
            limits = _limits(view.groups[name], clock, every)
            shown = layout.used(row, len(panels))
            for ax, panel in zip(shown, panels, strict=True):
                _draw_times(ax, panel, limits, looks)
                target = f"risk ≤ {style.number(panel.target)}"
                title = style.wrapped(f"{name}: {target}" if columns == 1 else target, 60)
                ax.set_title(style.typeset(title))
            if columns > 1:
                layout.margin_title(shown[-1], style.wrapped(name, 22), beside=len(shown) < columns)
        frame.label(x=curves.clock_label(view, clock), y="share of seeds")

    height = 1.5 if columns > 1 or size != "text" else 2.6
    return Sketch([Section(len(lines), columns, height, draw, columns == 1, {"sharey": True})], legend)


def _panel(name: str, group: xr.Dataset, target: float, clock: Clock) -> _Panel:
    reach = first_reach(group, target, clock)
    found = {}
    for k, method in enumerate(group["integrator"].values):
        watched = reach.times[k][reach.censored[k]]
        known = float(watched.max()) if watched.size else np.inf
        found[str(method)] = _Curve(kaplan_meier(reach.times[k], reach.reached[k]), known)
    return _Panel(name, target, group.sizes["seed"], found)


def _limits(group: xr.Dataset, clock: Clock, panels: Sequence[_Panel]) -> tuple[float, float]:
    """Return the limits of a problem's clock: from the first step of a share to the end of the study."""
    steps = [curve.steps.times for panel in panels for curve in panel.curves.values()]
    ends = np.fmax.reduce(clock_values(group, clock), axis=None, initial=0.0)
    least = 1.0 if clock == "gradients" else 0.0  # a fraction of a gradient is interpolated
    return log_axes.limits_around(np.append(np.concatenate(steps), ends).clip(min=least))


def _draw_times(
    ax: Axes, panel: _Panel, limits: tuple[float, float], looks: Mapping[str, style.Look]
) -> None:
    left, right = limits
    for method, curve in panel.curves.items():
        steps, look = curve.steps, looks[method]
        end = min(right, max(curve.known, left))
        x = np.append(np.clip(steps.times, left, end), end)
        share, low, high = (
            np.append(values, values[-1:] if values.size else 0.0)
            for values in (steps.share, steps.low, steps.high)
        )
        # Before the first step the bands of all methods would lie upon each other.
        begun = (share > 0) & (panel.seeds >= FEWEST)
        ax.fill_between(
            x[begun], low[begun], high[begun], step="post", color=look.colour, alpha=0.13, linewidth=0
        )
        _draw_steps(ax, np.append(left, x), np.append(0.0, share), look)
    _finish(ax, limits)


def _draw_steps(ax: Axes, x: Array, share: Array, look: style.Look) -> None:
    ax.step(x, share, where="post", color=look.colour, linestyle=look.linestyle, linewidth=look.width)


def _finish(ax: Axes, limits: tuple[float, float]) -> None:
    log_axes.make(ax, "x", limits)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0])
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    sns.despine(ax=ax)


def _legend(
    methods: Sequence[str], looks: Mapping[str, style.Look], outcomes: Mapping[str, str]
) -> layout.Legend:
    legend = layout.Legend()
    for method in methods:
        outcome = outcomes[method]
        handle = layout.line_handle(looks[method], marker=False)
        legend.add(handle, f"{method} ({outcome})" if outcome else method)
    return legend


def profiles(
    tree: xr.DataTree,
    view: data.View,
    targets: Targets | None,
    clock: Clock | None,
    size: style.Size = None,
) -> Sketch:
    """Return a panel for each cost, with the profiles over all problems, targets and seeds."""
    chosen = {name: risks for name, risks in chosen_targets(tree, targets).items() if name in view.groups}
    shown = xr.DataTree.from_dict(dict(view.groups))
    clocks = COSTS if clock is None else (clock,)
    tables = {cost: performance_profiles(shown, cost, chosen) for cost in clocks}
    tables = {cost: table for cost, table in tables.items() if len(table) and len(table.columns) > 1}
    if not tables:
        raise NothingToDraw("there are not two methods whose times to a target risk can be compared")
    looks = style.looks(view.all_methods)
    rows, columns = layout.shape(len(tables), size)
    compared = [m for m in view.methods if any(m in table.columns for table in tables.values())]

    def draw(frame: Frame) -> None:
        for ax, (cost, table) in zip(frame.axes.ravel(), tables.items(), strict=True):
            limits = log_axes.limits_around(np.append(table.index, 10.0))
            for method in table.columns:
                x, y = table.index.to_numpy(), table[method].to_numpy()
                _draw_steps(ax, np.append(x, limits[1]), np.append(y, y[-1]), looks[method])
            _finish(ax, limits)
            left_out = [m for m in compared if m not in table.columns]
            ax.set_title(style.wrapped(_title(cost, left_out), min(84 // columns, 60)))
        counts = {str(table.attrs["instances"]) for table in tables.values()}
        share = f"share of {counts.pop() if len(counts) == 1 else ''} instances".replace("  ", " ")
        frame.label(x="cost divided by that of the best method", y=share)

    height = 2.0 if columns > 1 or size != "text" else 2.6
    legend = _legend(compared, looks, dict.fromkeys(compared, ""))
    return Sketch([Section(rows, columns, height, draw, columns == 1, {"sharey": True})], legend)


def _title(cost: str, left_out: Sequence[str]) -> str:
    if not left_out:
        return _COSTS[cost]
    who = " and ".join(left_out) if len(left_out) <= 2 else "methods on samples"
    return f"{_COSTS[cost]}, {who} left out"
