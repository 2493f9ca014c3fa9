"""Drawing one network as a strip of snapshots along its trajectory: rows methods, columns times."""

from __future__ import annotations

from typing import Any

import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gfcompare.figures import data, functions, layout, single, style
from gfcompare.figures.single import Choice
from gfcompare.figures.sketch import Frame, Section, Sketch

TARGET: dict[str, Any] = {"color": "0.65", "linewidth": 2.2, "solid_capstyle": "round"}
# Snapshots in a strip, by the width of the page.
_COUNT = {"column": 4, "text": 6}
# Height of the ticks at breakpoints, as a share of a panel's.
_RUG = 0.07


def sketch(choice: Choice) -> Sketch:
    """Return a strip for each method, and for each output if there are several."""
    ((name, group),) = choice.groups.items()
    seed, looks = choice.seeds[name], style.looks(choice.view.all_methods)
    indices = single.chosen_times(group, choice.times, _COUNT[choice.size or "text"])
    outputs = range(min(group.sizes["output"], functions.OUTPUTS))
    rows = [(str(method), output) for method in group["integrator"].values for output in outputs]

    def draw(frame: Frame) -> None:
        for line, (method, output) in zip(frame.axes, rows, strict=True):
            for ax, index in zip(line, indices, strict=True):
                draw_panel(ax, group, method, seed, index, output, looks[method], first=index == indices[0])
            which = f"\noutput {output + 1}" if len(outputs) > 1 else ""
            layout.margin_title(line[-1], style.wrapped(method, 18) + which)
        times = [f"$t$ = {style.number(float(group['time'][index]))}" for index in indices]
        layout.title_columns(list(frame.axes[0]), times, [])
        units = functions.value_label("network and target", [group], 26 * len(rows))
        frame.label(x=f"input $x$ ({style.escaped(name)}, seed {seed})", y=units)

    options = {"sharex": True, "sharey": True}
    return Sketch([Section(len(rows), len(indices), 0.95, draw, choice.size == "column", options)], legend())


def legend() -> layout.Legend:
    """Return what is in a panel."""
    found = layout.Legend()
    found.add(Line2D([], [], **TARGET), "target")
    found.add(Line2D([], [], color="black", linewidth=1.2), "network")
    found.add(Line2D([], [], color="black", linestyle="", marker="|", markersize=5), "breakpoint")
    return found


def draw_panel(
    ax: Axes,
    group: xr.Dataset,
    method: str,
    seed: int,
    index: int,
    output: int,
    look: style.Look,
    *,
    first: bool = True,
) -> None:
    """Draw the function of a trajectory at a save time, the target, breakpoints, and write the risk.

    Unless it is the `first` of several panels, only the number is written.
    """
    x = single.grid(group)
    low, high = single.value_limits(group, output)
    draw_target(ax, group, output)
    values = single.fitted(group, method, seed, index)[:, output]
    # Matplotlib's path code overflows on what a diverging network represents.
    values = np.clip(values, low - 10 * (high - low), high + 10 * (high - low))
    ax.plot(x, values, color=look.colour, linewidth=1.2)
    positions = single.all_breakpoints(group, method, seed, index)
    transform = ax.get_xaxis_transform()
    ax.vlines(positions, 0.0, _RUG, colors=[look.colour], linewidth=0.8, transform=transform)
    risk = float(group["risk"].sel(integrator=method, seed=seed)[index])
    said = single.gone(group, method, seed)
    if np.isfinite(risk):
        said = f"{'risk ' if first else ''}{style.number(float(f'{risk:.1e}'))}"
    layout.remark(ax, said, 0.97, 0.97, "right", "top")
    ax.set_xlim(float(x[0]), float(x[-1]))
    ax.set_ylim(low, high)
    ax.locator_params(axis="x", nbins=2)
    ax.locator_params(axis="y", nbins=4)
    sns.despine(ax=ax)


def draw_target(ax: Axes, group: xr.Dataset, output: int) -> None:
    """Draw the target in grey, or its values at the points where alone it is known."""
    if "target" in group.variables:
        ax.plot(group["x"].values, group["target"].values[:, output], **TARGET)
    elif data.on_points(group):
        x, y = group["sample_x"].values[:, 0], group["sample_target"].values[:, output]
        ax.plot(x, y, linestyle="", marker="o", color="0.65", markersize=2.0, markeredgewidth=0)
