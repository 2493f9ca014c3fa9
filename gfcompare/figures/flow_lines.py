"""Drawing flow lines of networks 1-1-1 on the cylinder M: rows problems, columns methods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from gfcompare.figures import layout, manifold, style
from gfcompare.figures.data import View
from gfcompare.figures.manifold import FlowLines, Window, Zones
from gfcompare.figures.sketch import Frame, Section, Sketch

# The axis of outgoing weights is linear as far as this, and logarithmic beyond if some go further.
_LINEAR = 10.0
# Zones narrower than this share of a panel have no name.
_NAMED = 0.1


def sketch(view: View, size: style.Size, projection: Literal["plane", "cylinder"]) -> Sketch:
    """Return a panel for each problem and method, with the lines of all seeds."""
    lines = {
        (name, str(method)): manifold.flow_lines(group, str(method))
        for name, group in view.groups.items()
        for method in group["integrator"].values
    }
    rows = [
        (name, methods)
        for name, group in view.groups.items()
        for methods in layout.evenly(
            [str(m) for m in group["integrator"].values], 2 if size == "column" else 4
        )
    ]
    columns = max(len(methods) for _, methods in rows)
    circles = {name: manifold.zones(group, short=size == "column") for name, group in view.groups.items()}
    windows = {
        name: manifold.window([found for (p, _), found in lines.items() if p == name], circles[name])
        for name in view.groups
    }
    looks = style.looks(view.all_methods)

    def draw_planes(frame: Frame) -> None:
        titles: list[str] = []
        named = None
        for line, (name, methods) in zip(frame.axes, rows, strict=True):
            panels = layout.used(line, len(methods))
            above = [_title(lines[name, m], m, frame.title_width()) for m in methods]
            for ax, method in zip(panels, methods, strict=True):
                _draw_plane(ax, lines[name, method], circles[name], windows[name], looks[method])
                if above != titles:
                    _name_zones(ax, circles[name], windows[name])
            titles = layout.title_columns(panels, above, titles, pad=13)
            if name != named:
                layout.margin_title(panels[-1], style.wrapped(name, 20), beside=len(panels) < columns)
                named = name
        frame.label_lowest()
        frame.label(x="angle of ($w$, $b$) (radian)", y="outgoing weight $v$ (parameter)")

    def draw_cylinders(frame: Frame) -> None:
        width = frame.title_width()
        for line, (name, methods) in zip(frame.axes, rows, strict=True):
            for ax, method in zip(layout.used(line, len(methods)), methods, strict=True):
                _draw_cylinder(ax, lines[name, method], circles[name], windows[name], looks[method])
                title = _title(lines[name, method], method, width)
                one_line = "\n" not in title and len(name) + 2 + len(title) <= width
                ax.set_title(f"{style.wrapped(name, width)}:{' ' if one_line else chr(10)}{title}")

    if projection == "cylinder":
        options: dict[str, Any] = {"subplot_kw": {"projection": "3d"}}
        section = Section(len(rows), columns, 2.2, draw_cylinders, columns == 1, options)
    else:
        same = len({window[0] for window in windows.values()}) == 1
        options = {"sharex": True if same else "row", "sharey": "row"}
        section = Section(len(rows), columns, 1.7, draw_planes, columns == 1, options)
    return Sketch([section], _legend(lines, projection))


def _title(found: FlowLines, method: str, width: int) -> str:
    return style.wrapped(method, width, " (on M)" if found.on_manifold else " (mapped to M)")


def _draw_plane(ax: Axes, found: FlowLines, zones: Zones, window: Window, look: style.Look) -> None:
    (left, right), (low, high) = window
    ax.set_xlim(left, right)
    if max(abs(low), abs(high)) > _LINEAR:
        ax.set_yscale("symlog", linthresh=_LINEAR, linscale=1.0)
    ax.set_ylim(low, high)
    for part in zones.dead:
        ax.axvspan(*part, color="0.92", linewidth=0, zorder=0)
    for angle in zones.edges:
        ax.axvline(angle, color="0.6", linewidth=0.6, dashes=(4, 2), zorder=1)
    ax.add_collection(_collection(found, look), autolim=False)
    _draw_ends(ax, found, look)
    if right - left > math.pi:
        ax.xaxis.set_major_locator(MultipleLocator(0.5 * math.pi))
        ax.xaxis.set_major_formatter(FuncFormatter(_angle))
    ax.grid(False)
    sns.despine(ax=ax)


def _name_zones(ax: Axes, zones: Zones, window: Window) -> None:
    """Write above a panel where in the interval the neuron is on, below the title."""
    left, right = window[0]
    for (low, high), text in zones.texts:
        middle, width = 0.5 * (max(low, left) + min(high, right)), min(high, right) - max(low, left)
        if width < _NAMED * (right - left):
            continue
        ax.annotate(
            text,
            (middle, 1.0),
            xytext=(0, 1),
            xycoords=ax.get_xaxis_transform(),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=style.SMALL,
            color="0.35",
        )


def _collection(found: FlowLines, look: style.Look) -> LineCollection:
    pieces = [np.column_stack(pair) for pair in zip(found.angle, found.v, strict=True)]
    pieces = [piece[np.isfinite(piece).all(axis=1)] for piece in pieces]
    return LineCollection(pieces, colors=[look.colour], linewidths=0.6, alpha=0.7, zorder=2)


def _draw_ends(ax: Axes, found: FlowLines, look: style.Look) -> None:
    """Mark where lines begin and end, and where the breakpoint enters or leaves the interval."""
    options: dict[str, Any] = {"linestyle": "", "zorder": 3}
    ax.plot(
        *found.starts.T,
        "o",
        markersize=2.2,
        markeredgewidth=0.4,
        markerfacecolor="white",
        color="0.35",
        **options,
    )
    ax.plot(*found.ends.T, "o", markersize=2.6, markeredgewidth=0, color=look.ink, **options)
    ax.plot(*found.early.T, "P", markersize=4, markeredgewidth=0, color=look.ink, **options)
    ax.plot(*found.kinks.T, "x", markersize=3.2, markeredgewidth=0.7, color="black", **options)


def _draw_cylinder(ax: Any, found: FlowLines, zones: Zones, window: Window, look: style.Look) -> None:
    """Draw the cylinder (cos, sin, v) in three dimensions; v by its inverse hyperbolic sine."""
    turn = np.linspace(0.0, 2.0 * math.pi, 121)
    reach = max(map(abs, window[1]))
    top = float(np.arcsinh(reach))
    for height in (-top, 0.0, top):
        ax.plot(np.cos(turn), np.sin(turn), height, color="0.7", linewidth=0.5)
    for angle in zones.edges:
        ax.plot([math.cos(angle)] * 2, [math.sin(angle)] * 2, [-top, top], color="0.6", linewidth=0.6)
    for angle, v in zip(found.angle, found.v, strict=True):
        ax.plot(np.cos(angle), np.sin(angle), np.arcsinh(v), color=look.colour, linewidth=0.6, alpha=0.7)
    for points, options in (
        (found.starts, {"marker": "o", "s": 4, "facecolor": "white", "edgecolor": "0.35", "linewidth": 0.4}),
        (found.ends, {"marker": "o", "s": 5, "color": look.ink, "linewidth": 0}),
        (found.early, {"marker": "P", "s": 14, "color": look.ink, "linewidth": 0}),
        (found.kinks, {"marker": "x", "s": 8, "color": "black", "linewidth": 0.6}),
    ):
        angle, v = points.T
        ax.scatter(np.cos(angle), np.sin(angle), np.arcsinh(v), depthshade=False, **options)
    ax.set_box_aspect((1, 1, 1.1), zoom=1.15)
    ax.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), zlim=(-top, top))
    ticks = [t for t in (-100, -10, -1, 0, 1, 10, 100) if abs(t) <= reach]
    ax.set_zticks(np.arcsinh(ticks), [str(t).replace("-", "−") for t in ticks])
    ax.set_xlabel("$w$", labelpad=-10)
    ax.set_ylabel("$b$", labelpad=-10)
    ax.set_zlabel("$v$", labelpad=-10)
    ax.tick_params(pad=-4, labelsize=style.SMALL)
    ax.grid(False)


def _angle(value: float, _: Any) -> str:
    """Return a multiple of half pi as text."""
    halves = round(2.0 * value / math.pi)
    if halves == 0:
        return "0"
    sign, count = "−" if halves < 0 else "", abs(halves)
    if count % 2:
        return f"{sign}{'' if count == 1 else count}π/2"
    return f"{sign}{'' if count == 2 else count // 2}π"


def _legend(lines: Mapping[tuple[str, str], FlowLines], projection: str) -> layout.Legend:
    legend = layout.Legend()
    look: dict[str, Any] = {"linestyle": "", "color": style.GREY}
    legend.add(Line2D([], [], color=style.GREY, linewidth=0.8), "one seed")
    legend.add(Line2D([], [], marker="o", markersize=3, markerfacecolor="white", **look), "start")
    legend.add(Line2D([], [], marker="o", markersize=3.5, **look), "end")
    if any(len(found.early) for found in lines.values()):
        legend.add(Line2D([], [], marker="P", markersize=4, **look), "ended early")
    if any(len(found.kinks) for found in lines.values()):
        legend.add(
            Line2D([], [], marker="x", markersize=4, color="black", linestyle=""),
            "the breakpoint enters or leaves the interval",
        )
    if projection == "plane":
        legend.add(Patch(color="0.88", linewidth=0), "the neuron is off")
    return legend
