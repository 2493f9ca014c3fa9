"""Flow lines of networks 1-1-1 on the cylinder M: rows problems, columns methods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from gfcompare.figures.lazy import legends, np, page_layout, small_multiples, sns, theme
from gfcompare.figures.options import Shown, Size, check_one_of, lists_options
from gfcompare.figures.selection import Selection, draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection

    from gfcompare.figures.data import View
    from gfcompare.figures.flow_lines import FlowLines, Window, Zones
    from gfcompare.figures.legends import Legend
    from gfcompare.figures.page_layout import Frame, PageLayout
    from gfcompare.figures.theme import LineStyle

#: How the cylinder M is drawn.
Projection = Literal["plane", "cylinder"]
# The axis of outgoing weights is linear as far as this, and logarithmic beyond if some go further.
_LINEAR = 10.0
# Zones narrower than this share of a panel have no name.
_NAMED = 0.1


@dataclass(frozen=True, kw_only=True)
class Cylinder(Selection):
    """Flow lines of networks 1-1-1 on the cylinder M: all seeds, a column for each method.

    M is the set of (w, b) on the unit circle, v and c; it is drawn by the angle of (w, b) and v, that is,
    projected along c. Methods that do not live on M are mapped there by the normalisation map, which leaves
    the function as it is. A cross marks where the breakpoint enters or leaves the interval of the inputs.

    Parameters
    ----------
    projection : "plane", the angle across and v upwards, or "cylinder", in three dimensions
    """

    name: ClassVar[str] = "cylinder"
    title: ClassVar[str] = "Flow lines on the cylinder M"
    scope: ClassVar[str] = "networks with widths 1-1-1 on an interval"
    projection: Projection = "plane"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("projection", self.projection, Projection)

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the networks are 1-1-1."""
        from gfcompare.results.reading import network_of

        return network_of(group).widths == (1, 1, 1)

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(self.view(tree), self.size, self.projection)


@lists_options
def cylinder(
    tree: xr.DataTree, *, projection: Projection = "plane", **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw the flow lines of networks 1-1-1 on M, a cylinder: all seeds, a column for each method.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    projection : "plane", the angle of (w, b) across and v upwards, or "cylinder", in three dimensions
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no problem has widths 1-1-1
    """
    return draw(Cylinder, tree, {"projection": projection, **options})


def layout(view: View, size: Size, projection: Projection) -> PageLayout:
    """Return a panel for each problem and method, with the lines of all seeds."""
    from gfcompare.figures import flow_lines

    lines = {
        (name, str(method)): flow_lines.flow_lines(group, str(method))
        for name, group in view.groups.items()
        for method in group["integrator"].values
    }
    rows = [
        (name, methods)
        for name, group in view.groups.items()
        for methods in small_multiples.evenly(
            [str(m) for m in group["integrator"].values], 2 if size == "column" else 4
        )
    ]
    columns = max(len(methods) for _, methods in rows)
    circles = {name: flow_lines.zones(group, short=size == "column") for name, group in view.groups.items()}
    windows = {
        name: flow_lines.window([found for (p, _), found in lines.items() if p == name], circles[name])
        for name in view.groups
    }
    styles = theme.line_styles(view.all_methods)

    def draw_planes(frame: Frame) -> None:
        before: list[str] = []
        named = None
        for line, (name, methods) in zip(frame.axes, rows, strict=True):
            panels = small_multiples.used(line, len(methods))
            above = [_title(lines[name, m], m, frame.title_width()) for m in methods]
            for ax, method in zip(panels, methods, strict=True):
                _draw_plane(ax, lines[name, method], circles[name], windows[name], styles[method])
                if above != before:
                    _name_zones(ax, circles[name], windows[name])
            before = small_multiples.title_columns(panels, above, before, pad=13)
            if name != named:
                small_multiples.margin_title(
                    panels[-1], theme.wrapped(name, 20), beside=len(panels) < columns
                )
                named = name
        frame.label_lowest()
        frame.label(x="angle of ($w$, $b$) (radian)", y="outgoing weight $v$ (parameter)")

    def draw_cylinders(frame: Frame) -> None:
        width = frame.title_width()
        for line, (name, methods) in zip(frame.axes, rows, strict=True):
            for ax, method in zip(small_multiples.used(line, len(methods)), methods, strict=True):
                _draw_cylinder(ax, lines[name, method], circles[name], windows[name], styles[method])
                title = _title(lines[name, method], method, width)
                one_line = "\n" not in title and len(name) + 2 + len(title) <= width
                ax.set_title(f"{theme.wrapped(name, width)}:{' ' if one_line else chr(10)}{title}")

    if projection == "cylinder":
        options: dict[str, Any] = {"subplot_kw": {"projection": "3d"}}
        section = page_layout.Section(len(rows), columns, 2.2, draw_cylinders, columns == 1, options)
    else:
        same = len({window[0] for window in windows.values()}) == 1
        options = {"sharex": True if same else "row", "sharey": "row"}
        section = page_layout.Section(len(rows), columns, 1.7, draw_planes, columns == 1, options)
    return page_layout.PageLayout([section], _legend(lines, projection))


def _title(found: FlowLines, method: str, width: int) -> str:
    return theme.wrapped(method, width, " (on M)" if found.on_manifold else " (mapped to M)")


def _draw_plane(ax: Axes, found: FlowLines, zones: Zones, window: Window, style: LineStyle) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    (left, right), (low, high) = window
    ax.set_xlim(left, right)
    if max(abs(low), abs(high)) > _LINEAR:
        ax.set_yscale("symlog", linthresh=_LINEAR, linscale=1.0)
    ax.set_ylim(low, high)
    for part in zones.dead:
        ax.axvspan(*part, color="0.92", linewidth=0, zorder=0)
    for angle in zones.edges:
        ax.axvline(angle, color="0.6", linewidth=0.6, dashes=(4, 2), zorder=1)
    ax.add_collection(_collection(found, style), autolim=False)
    _draw_ends(ax, found, style)
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
            fontsize=theme.SMALL,
            color="0.35",
        )


def _collection(found: FlowLines, style: LineStyle) -> LineCollection:
    from matplotlib.collections import LineCollection

    pieces = [np.column_stack(pair) for pair in zip(found.angle, found.v, strict=True)]
    pieces = [piece[np.isfinite(piece).all(axis=1)] for piece in pieces]
    return LineCollection(pieces, colors=[style.colour], linewidths=0.6, alpha=0.7, zorder=2)


def _draw_ends(ax: Axes, found: FlowLines, style: LineStyle) -> None:
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
    ax.plot(*found.ends.T, "o", markersize=2.6, markeredgewidth=0, color=style.ink, **options)
    ax.plot(*found.early.T, "P", markersize=4, markeredgewidth=0, color=style.ink, **options)
    ax.plot(*found.crossings.T, "x", markersize=3.2, markeredgewidth=0.7, color="black", **options)


def _draw_cylinder(ax: Any, found: FlowLines, zones: Zones, window: Window, style: LineStyle) -> None:
    """Draw the cylinder (cos, sin, v) in three dimensions; v by its inverse hyperbolic sine."""
    turn = np.linspace(0.0, 2.0 * math.pi, 121)
    reach = max(map(abs, window[1]))
    top = float(np.arcsinh(reach))
    for height in (-top, 0.0, top):
        ax.plot(np.cos(turn), np.sin(turn), height, color="0.7", linewidth=0.5)
    for angle in zones.edges:
        ax.plot([math.cos(angle)] * 2, [math.sin(angle)] * 2, [-top, top], color="0.6", linewidth=0.6)
    for angle, v in zip(found.angle, found.v, strict=True):
        ax.plot(np.cos(angle), np.sin(angle), np.arcsinh(v), color=style.colour, linewidth=0.6, alpha=0.7)
    for points, options in (
        (found.starts, {"marker": "o", "s": 4, "facecolor": "white", "edgecolor": "0.35", "linewidth": 0.4}),
        (found.ends, {"marker": "o", "s": 5, "color": style.ink, "linewidth": 0}),
        (found.early, {"marker": "P", "s": 14, "color": style.ink, "linewidth": 0}),
        (found.crossings, {"marker": "x", "s": 8, "color": "black", "linewidth": 0.6}),
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
    ax.tick_params(pad=-4, labelsize=theme.SMALL)
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


def _legend(lines: Mapping[tuple[str, str], FlowLines], projection: str) -> Legend:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    legend = legends.Legend()
    style: dict[str, Any] = {"linestyle": "", "color": theme.GREY}
    legend.add(Line2D([], [], color=theme.GREY, linewidth=0.8), "one seed")
    legend.add(Line2D([], [], marker="o", markersize=3, markerfacecolor="white", **style), "start")
    legend.add(Line2D([], [], marker="o", markersize=3.5, **style), "end")
    if any(len(found.early) for found in lines.values()):
        legend.add(Line2D([], [], marker="P", markersize=4, **style), "ended early")
    if any(len(found.crossings) for found in lines.values()):
        legend.add(
            Line2D([], [], marker="x", markersize=4, color="black", linestyle=""),
            "the breakpoint enters or leaves the interval",
        )
    if projection == "plane":
        legend.add(Patch(color="0.88", linewidth=0), "the neuron is off")
    return legend
