"""The breakpoints of the first hidden layer for one seed: points on the line, or lines in the plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.figures import one_trajectory
from gfcompare.figures.lazy import legends, log_axes, marks, np, page_layout, small_multiples, sns, theme
from gfcompare.figures.one_trajectory import Choice, OfOneSeed
from gfcompare.figures.options import Shown, lists_options
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

    from gfcompare.figures.legends import Legend
    from gfcompare.figures.page_layout import Frame, PageLayout, Section
    from gfcompare.figures.theme import LineStyle
    from gfcompare.results.reading import Array

# Breakpoints are shown this far beyond the interval, as a share of its length.
_MARGIN = 0.15


@dataclass(frozen=True, kw_only=True)
class Breakpoints(OfOneSeed):
    """The breakpoints of the first hidden layer for one seed: points on the line, or lines in the plane.

    With one input, breakpoints against flow time; with two, the lines at the start and at the end. With more
    inputs there is nothing that could be drawn. By default the seed is the most typical one of those with a
    breakpoint.
    """

    name: ClassVar[str] = "breakpoints"
    title: ClassVar[str] = "Breakpoints of the first hidden layer"
    scope: ClassVar[str] = "one or two inputs"

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem has one or two inputs."""
        return group.sizes["input"] <= 2

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(
            one_trajectory.choose(
                self.view(tree), self.seed, size=self.size, shows=one_trajectory.has_breakpoint
            )
        )


@lists_options
def breakpoints(
    tree: xr.DataTree, *, seed: int | None = None, **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw where neurons of the first hidden layer switch, for one seed.

    With one input, the breakpoints -b/w against flow time; with two, the lines w.x + b = 0 at the start and
    at the end. Problems with more inputs are left out.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    seed : by default, for each problem, the most typical one of those with a breakpoint
    options : see `Shown`
    """
    return draw(Breakpoints, tree, {"seed": seed, **options})


def layout(choice: Choice) -> PageLayout:
    """Return breakpoints against flow time, and lines in the plane."""
    legend = legends.Legend()
    sections = []
    line = choice.part(name for name, group in choice.groups.items() if group.sizes["input"] == 1)
    plane = choice.part(name for name, group in choice.groups.items() if group.sizes["input"] == 2)
    if line.groups:
        sections.append(_line_section(line, legend))
    if plane.groups:
        sections.append(_plane_section(plane, legend))
    return page_layout.PageLayout(sections, legend)


def _line_section(choice: Choice, legend: Legend) -> Section:
    """Return a row for each problem (more, if there are many methods), and extend the legend."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from gfcompare.figures import titles

    groups, styles = choice.groups, theme.line_styles(choice.view.all_methods)
    chunks = [
        (name, methods)
        for name, group in groups.items()
        for methods in small_multiples.evenly(
            [str(m) for m in group["integrator"].values], small_multiples.most_columns(choice.size)
        )
    ]
    legend.add(Line2D([], [], color=theme.GREY, linewidth=0.8), "breakpoint of a neuron")
    legend.add(Patch(color="0.93", linewidth=0), "outside the inputs' interval")
    if any(
        one_trajectory.ended(groups[name], method, choice.seeds[name])
        for name, methods in chunks
        for method in methods
    ):
        legend.add(legends.mark_handle("x"), "the trajectory ended early")
    columns = max(len(methods) for _, methods in chunks)
    limits = one_trajectory.time_limits(groups)

    def draw(frame: Frame) -> None:
        before: list[str] = []
        named = None
        for line, (name, methods) in zip(frame.axes, chunks, strict=True):
            group, seed = groups[name], choice.seeds[name]
            panels = small_multiples.used(line, len(methods))
            for ax, method in zip(panels, methods, strict=True):
                paths = one_trajectory.breakpoint_paths(group, method, seed)
                log_axes.make(ax, "x", limits, labels=4)
                _draw_paths(ax, group, paths, one_trajectory.ended(group, method, seed), styles[method])
            above = [theme.wrapped(method, frame.title_width()) for method in methods]
            before = small_multiples.title_columns(panels, above, before)
            if name != named:  # once for the rows of a problem
                text = titles.row_title(name, seed, group, None)
                small_multiples.margin_title(panels[-1], text, beside=len(panels) < columns)
                named = name
        frame.label_lowest()
        deep = any("neuron_2" in group.sizes for group in groups.values())
        frame.label(
            x=titles.flow_time_label(groups), y=f"breakpoints{' of the first layer' if deep else ''} (input)"
        )

    # All have the same limits. Each panel looks at all that share an axis with it, hundreds of times.
    options = {"sharex": "col", "sharey": "row"}
    return page_layout.Section(len(chunks), columns, 1.35, draw, columns == 1, options)


def _draw_paths(ax: Axes, group: xr.Dataset, paths: pd.DataFrame, ended: str, style: LineStyle) -> None:
    from matplotlib.collections import LineCollection

    lower, upper = float(group.attrs["lower"]), float(group.attrs["upper"])
    margin = _MARGIN * (upper - lower)
    low, high = lower - margin, upper + margin
    # Far outside, a line that nearly leaves for infinity would overflow in matplotlib.
    paths = paths.assign(position=paths["position"].clip(low - 1e3 * margin, high + 1e3 * margin))
    pieces = [piece[["x", "position"]].to_numpy() for _, piece in paths.groupby(["neuron", "piece"])]
    for edge in ((low, lower), (upper, high)):
        ax.axhspan(*edge, color="0.93", linewidth=0, zorder=0)
    ax.add_collection(LineCollection(pieces, colors=[style.colour], linewidths=0.7), autolim=False)
    points = np.array([piece[0] for piece in pieces if len(piece) == 1]).reshape(-1, 2)
    ax.plot(points[:, 0], points[:, 1], ".", color=style.colour, markersize=2)
    log_axes.limit(ax, y=(low, high))
    ax.locator_params(axis="y", nbins=4)
    said: list[str] = []
    if ended:
        last = paths[paths["x"] == paths["x"].max()]
        inside = last[last["position"].between(low, high)]
        ax.plot(inside["x"], inside["position"], "x", color=style.colour, markersize=3.5, markeredgewidth=0.8)
        said.append(ended)
    if not paths["position"].between(low, high).any():
        said.append("no breakpoint\nin view")
    if said:
        marks.remark(ax, "\n".join(said), 0.97, 0.5, "right")
    sns.despine(ax=ax)


def _plane_section(choice: Choice, legend: Legend) -> Section:
    """Return for each problem a row of rectangles with lines, one for each method, and extend the legend."""
    from matplotlib.lines import Line2D

    from gfcompare.figures import planes, titles

    groups, styles = choice.groups, theme.line_styles(choice.view.all_methods)
    rows = [
        (name, methods)
        for name, group in groups.items()
        for methods in small_multiples.evenly(
            [str(m) for m in group["integrator"].values], small_multiples.most_columns(choice.size)
        )
    ]
    columns = max(len(methods) for _, methods in rows)
    narrow, height = planes.fitting_size(columns, planes.LABELS, choice.size)
    legend.add(Line2D([], [], color=theme.GREY, linewidth=1.0), "where a neuron switches, at the end")
    legend.add(Line2D([], [], color="0.8", linewidth=1.0), "at the start")
    if any("x_1" not in group.variables for group in groups.values()):
        legend.add(Line2D([], [], linestyle="", marker=".", color="0.6", markersize=4), "point")

    def draw(frame: Frame) -> None:
        before: list[str] = []
        named = None
        for line, (name, methods) in zip(frame.axes, rows, strict=True):
            group, seed = groups[name], choice.seeds[name]
            panels = small_multiples.used(line, len(methods))
            for ax, method in zip(panels, methods, strict=True):
                _draw_lines(ax, group, method, seed, styles[method])
            before = small_multiples.title_columns(
                panels, planes.wrapped_titles(methods, columns, narrow), before
            )
            if name != named:
                text = titles.row_title(name, seed, group, None)
                small_multiples.margin_title(panels[-1], text, beside=len(panels) < columns)
                named = name
        planes.label_inputs(frame, frame.axes, groups)

    aspects = [planes.aspect(groups[name]) for name, _ in rows]
    return page_layout.Section(
        len(rows), columns, height * max(aspects), draw, narrow, {"height_ratios": aspects}
    )


def _draw_lines(ax: Axes, group: xr.Dataset, method: str, seed: int, style: LineStyle) -> None:
    """Draw the rectangle of one method with its lines, and the points if the measure has no density."""
    from matplotlib.collections import LineCollection

    from gfcompare.figures import planes

    if "x_1" not in group.variables:
        points = group["sample_x"].values
        ax.plot(points[:, 0], points[:, 1], ".", color="0.6", markersize=3, markeredgewidth=0, zorder=1.5)
    last = one_trajectory.last_state(group, method, seed)
    start, end = (zero_lines(group, method, seed, index) for index in (0, last))
    for lines, colour, width in ((start, "0.8", 0.6), (end, style.colour, 0.8)):
        drawn = LineCollection(list(lines), colors=[colour], linewidths=width, zorder=2)
        ax.add_collection(drawn, autolim=False)
    planes.frame_panel(ax, group)
    said = [one_trajectory.gone(group, method, seed)] if one_trajectory.ended(group, method, seed) else []
    if not len(end):
        said.append("no line in view")
    if said:
        marks.remark(ax, "\n".join(said), 0.5, 0.03, "center", "bottom")


def zero_lines(group: xr.Dataset, method: str, seed: int, index: int) -> Array:
    """Return where pre-activations of the first layer vanish in the rectangle, shape (n, 2 ends, 2).

    Neurons whose line does not meet the rectangle, or that have none, are left out.
    """
    from gfcompare.figures import planes

    state = group.sel(integrator=method, seed=seed).isel(time=index)
    (left, right), (low, high) = planes.rectangle(group)
    corners = np.array([[left, low], [right, low], [right, high], [left, high]])
    z = corners @ state["weight_1"].values.T + state["bias_1"].values
    segments = [_crossing(corners, heights) for heights in z.T if np.isfinite(heights).all()]
    return np.array([s for s in segments if s is not None]).reshape(-1, 2, 2)


def _crossing(corners: Array, heights: Array) -> Array | None:
    """Return the segment (2 ends, 2) in which an affine function with given heights at corners vanishes."""
    following, next_heights = np.roll(corners, -1, axis=0), np.roll(heights, -1)
    edges = (heights * next_heights <= 0) & (heights != next_heights)
    share = heights[edges] / (heights[edges] - next_heights[edges])
    ends = corners[edges] + share[:, None] * (following[edges] - corners[edges])
    if len(ends) < 2:
        return None
    # A line through a corner meets two edges there: the ends are the two points furthest apart.
    distance = np.linalg.norm(ends[:, None] - ends, axis=-1)
    first, last = np.unravel_index(int(distance.argmax()), distance.shape)
    return np.stack([ends[first], ends[last]]) if distance[first, last] > 0 else None
