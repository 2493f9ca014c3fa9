"""Drawing what networks of two inputs represent: maps of a rectangle, and the lines where neurons switch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gfcompare.figures import layout, single, space, style
from gfcompare.figures.functions import OUTPUTS, row_title
from gfcompare.figures.layout import Legend
from gfcompare.figures.single import Choice
from gfcompare.figures.sketch import Frame, Section

_CONTOURS = 8

# The width of a colour bar as a share of that of a panel.
_BAR = 0.08
# In inches: what labels take from the width of a page, with a colour bar, and the least width of a panel.
_LABELS, _LABELS_AND_BAR, _LEAST = 0.7, 1.2, 0.85


def fit_section(choice: Choice) -> Section:
    """Return for each problem, output and time a row of maps: the target, then each method's network."""
    groups = choice.groups
    shown = [
        (name, output, index)
        for name, group in groups.items()
        for output in range(min(group.sizes["output"], OUTPUTS))
        for index in single.last_times(group, choice.times)
    ]
    cells = {key: space.maps(groups[key[0]], choice.seeds[key[0]], key[2], key[1]) for key in shown}
    rows = [
        (key, part) for key in shown for part in layout.evenly(cells[key], layout.most_columns(choice.size))
    ]
    columns = max(len(part) for _, part in rows)
    narrow, height = _size(columns, _LABELS_AND_BAR, choice.size)

    def draw(frame: Frame) -> None:
        titles: list[str] = []
        named = ""
        for line, ((name, output, index), part) in zip(frame.axes, rows, strict=True):
            group, seed = groups[name], choice.seeds[name]
            limits = space.colour_limits(group, cells[name, output, index], output)
            panels = layout.used(line[:-1], len(part))
            image = _draw_maps(panels, group, seed, part, limits)
            above = [m.method or "target" for m in part]
            titles = layout.title_columns(panels, _wrapped(above, columns, narrow), titles)
            bar = line[-1].figure.colorbar(image, cax=line[-1], extend=space.off_scale(part, limits))
            bar.locator = MaxNLocator(5)
            bar.update_ticks()
            more = f", $t$ = {style.number(float(group['time'][index]))}"
            text = row_title(name, seed, group, output, more, width=16)
            if text != named:
                line[-1].set_ylabel(style.typeset(text), rotation=270, va="bottom", labelpad=4)
            named = text
        _label_inputs(frame, frame.axes[:, :-1], groups)

    aspects = [space.aspect(groups[name]) for (name, _, _), _ in rows]
    options = {"width_ratios": [*[1.0] * columns, _BAR], "height_ratios": aspects}
    return Section(len(rows), columns + 1, height * max(aspects), draw, narrow, options)


def _draw_maps(
    panels: Sequence[Axes],
    group: xr.Dataset,
    seed: int,
    part: Sequence[space.Map],
    limits: tuple[float, float],
) -> AxesImage:
    """Draw a row of maps on one colour scale and return the last image."""
    for ax, shown in zip(panels, part, strict=True):
        image = _draw_map(ax, group, shown, limits)
        if not shown.present:
            layout.remark(ax, single.gone(group, str(shown.method), seed), 0.5, 0.5, "center")
        elif shown.values.min() > limits[1] or shown.values.max() < limits[0]:
            layout.remark(ax, "off the scale", 0.5, 0.5, "center")
        _frame(ax, group)
    return image


def _draw_map(ax: Axes, group: xr.Dataset, shown: space.Map, limits: tuple[float, float]) -> AxesImage:
    """Draw values as an image with thin contours, at the same heights in every map of a row."""
    low, high = limits
    x_1, x_2 = group["x_1"].values, group["x_2"].values
    # Matplotlib's arithmetic overflows on what a diverging network represents.
    values = np.clip(shown.values, low - 10 * (high - low), high + 10 * (high - low))
    half = 0.5 * (x_1[1] - x_1[0]), 0.5 * (x_2[1] - x_2[0])
    extent = (x_1[0] - half[0], x_1[-1] + half[0], x_2[0] - half[1], x_2[-1] + half[1])
    image = ax.imshow(
        values.T,
        origin="lower",
        extent=extent,
        aspect="auto",
        interpolation="bilinear",
        cmap=style.MAP,
        vmin=low,
        vmax=high,
    )
    levels = np.linspace(low, high, _CONTOURS + 2)[1:-1]
    levels = levels[(levels > values.min()) & (levels < values.max())]
    if levels.size:
        look: dict[str, Any] = {"colors": "white", "linewidths": 0.4, "linestyles": "solid", "alpha": 0.7}
        ax.contour(x_1, x_2, values.T, levels=levels, **look)
    return image


def breakpoint_section(choice: Choice, legend: Legend) -> Section:
    """Return for each problem a row of rectangles with lines, one for each method, and extend the legend."""
    groups, looks = choice.groups, style.looks(choice.view.all_methods)
    rows = [
        (name, methods)
        for name, group in groups.items()
        for methods in layout.evenly(
            [str(m) for m in group["integrator"].values], layout.most_columns(choice.size)
        )
    ]
    columns = max(len(methods) for _, methods in rows)
    narrow, height = _size(columns, _LABELS, choice.size)
    legend.add(Line2D([], [], color=style.GREY, linewidth=1.0), "where a neuron switches, at the end")
    legend.add(Line2D([], [], color="0.8", linewidth=1.0), "at the start")
    if any("x_1" not in group.variables for group in groups.values()):
        legend.add(Line2D([], [], linestyle="", marker=".", color="0.6", markersize=4), "point")

    def draw(frame: Frame) -> None:
        titles: list[str] = []
        named = None
        for line, (name, methods) in zip(frame.axes, rows, strict=True):
            group, seed = groups[name], choice.seeds[name]
            panels = layout.used(line, len(methods))
            for ax, method in zip(panels, methods, strict=True):
                _draw_lines(ax, group, method, seed, looks[method])
            titles = layout.title_columns(panels, _wrapped(methods, columns, narrow), titles)
            if name != named:
                text = row_title(name, seed, group, None)
                layout.margin_title(panels[-1], text, beside=len(panels) < columns)
                named = name
        _label_inputs(frame, frame.axes, groups)

    aspects = [space.aspect(groups[name]) for name, _ in rows]
    return Section(len(rows), columns, height * max(aspects), draw, narrow, {"height_ratios": aspects})


def _draw_lines(ax: Axes, group: xr.Dataset, method: str, seed: int, look: style.Look) -> None:
    """Draw the rectangle of one method with its lines, and the points if the measure has no density."""
    if "x_1" not in group.variables:
        points = group["sample_x"].values
        ax.plot(points[:, 0], points[:, 1], ".", color="0.6", markersize=3, markeredgewidth=0, zorder=1.5)
    last = single.last_state(group, method, seed)
    start, end = (space.zero_lines(group, method, seed, index) for index in (0, last))
    for lines, colour, width in ((start, "0.8", 0.6), (end, look.colour, 0.8)):
        drawn = LineCollection(list(lines), colors=[colour], linewidths=width, zorder=2)
        ax.add_collection(drawn, autolim=False)
    _frame(ax, group)
    said = [single.gone(group, method, seed)] if single.ended(group, method, seed) else []
    if not len(end):
        said.append("no line in view")
    if said:
        layout.remark(ax, "\n".join(said), 0.5, 0.03, "center", "bottom")


def _frame(ax: Axes, group: xr.Dataset) -> None:
    """Make a panel the rectangle."""
    (left, right), (low, high) = space.rectangle(group)
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.set_box_aspect(space.aspect(group))
    ax.grid(False)
    ax.locator_params(axis="both", nbins=3)


def _label_inputs(frame: Frame, axes: NDArray[Any], groups: dict[str, xr.Dataset]) -> None:
    """Label the inputs: x₂ at the left, x₁ below each column, or each row if rectangles differ."""
    same = len({space.rectangle(group).tobytes() for group in groups.values()}) == 1
    for ax in axes.ravel():
        ax.tick_params(labelbottom=not same, labelleft=ax in axes[:, 0])
    frame.label_lowest()
    frame.label(x="input $x_1$", y="input $x_2$")


def _wrapped(titles: Sequence[str], columns: int, narrow: bool) -> list[str]:
    """Return the titles of columns, broken into lines where they are too long."""
    return [style.wrapped(title, (42 if narrow else 84) // columns) for title in titles]


def _size(columns: int, taken: float, size: style.Size) -> tuple[bool, float]:
    """Return whether panels fit into one column of a paper, and how wide they are in inches."""
    width = (style.COLUMN_WIDTH - taken) / columns
    if size == "column" or (size is None and width >= _LEAST):
        return True, width
    return False, (style.TEXT_WIDTH - taken) / columns
