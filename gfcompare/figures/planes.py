"""Drawing what networks of two inputs represent: maps of a rectangle, and the lines where neurons switch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import FigureBase
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from gfcompare.figures import layout, single, space, style
from gfcompare.figures.functions import OUTPUTS, row_title
from gfcompare.figures.layout import Legend, Section
from gfcompare.figures.single import Choice

_COLUMNS = 5
_CONTOURS = 8

# Inches that labels, and a colour bar with the title of its row, take from the width of a page.
_LABELS, _BAR = 0.7, 0.7


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
    rows = [(key, part) for key in shown for part in layout.evenly(cells[key], _COLUMNS)]
    columns = max(len(part) for _, part in rows)

    def draw(figure: FigureBase, axes: NDArray[Any]) -> None:
        titles: list[str] = []
        for line, ((name, output, index), part) in zip(axes, rows, strict=True):
            group, seed = groups[name], choice.seeds[name]
            limits = space.colour_limits(group, cells[name, output, index], output)
            panels = layout.used(line, len(part))
            bar = _draw_maps(figure, panels, group, seed, part, limits)
            above = ["target" if m.method is None else style.wrapped(m.method, 84 // columns) for m in part]
            titles = layout.title_columns(panels, above, titles)
            more = f", t = {style.number(float(group['time'][index]))}"
            text = row_title(name, seed, group, output, more, width=16)
            if bar is None:
                layout.margin_title(panels[-1], text)
            else:
                bar.set_ylabel(text, rotation=270, va="bottom", labelpad=4)
        _label_inputs(figure, axes)

    return _section(choice, len(rows), columns, _BAR, draw)


def _draw_maps(
    figure: FigureBase,
    panels: Sequence[Axes],
    group: xr.Dataset,
    seed: int,
    part: Sequence[space.Map],
    limits: tuple[float, float],
) -> Axes | None:
    """Draw a row of maps on one colour scale and return the colour bar, None if there is no map."""
    images = []
    for ax, shown in zip(panels, part, strict=True):
        if shown.present:
            images.append(_draw_map(ax, group, shown, limits))
        else:
            layout.remark(ax, single.gone(group, str(shown.method), seed), 0.5, 0.5, "center")
        _frame(ax, group)
    if not images:
        return None
    bar = figure.colorbar(
        images[0], ax=list(panels), extend=space.off_scale(part, limits), aspect=16, pad=0.02, fraction=0.05
    )
    bar.locator = MaxNLocator(5)
    bar.update_ticks()
    bar.outline.set_linewidth(0.4)
    return bar.ax


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
        ax.contour(x_1, x_2, values.T, levels=levels, colors="white", linewidths=0.4, alpha=0.7)
    return image


def breakpoint_section(choice: Choice, legend: Legend) -> Section:
    """Return for each problem a row of rectangles with lines, one for each method, and extend the legend."""
    groups, looks = choice.groups, style.looks(choice.view.all_methods)
    rows = [
        (name, methods)
        for name, group in groups.items()
        for methods in layout.evenly([str(m) for m in group["integrator"].values], _COLUMNS)
    ]
    columns = max(len(methods) for _, methods in rows)
    legend.add(Line2D([], [], color=style.GREY, linewidth=1.0), "where a neuron switches, at the end")
    legend.add(Line2D([], [], color="0.8", linewidth=1.0), "at the start")
    if any("sample_x" in group.variables and "x_1" not in group.variables for group in groups.values()):
        legend.add(Line2D([], [], linestyle="", marker=".", color="0.6", markersize=3), "point")

    def draw(figure: FigureBase, axes: NDArray[Any]) -> None:
        titles: list[str] = []
        named = None
        for line, (name, methods) in zip(axes, rows, strict=True):
            group, seed = groups[name], choice.seeds[name]
            panels = layout.used(line, len(methods))
            for ax, method in zip(panels, methods, strict=True):
                _draw_lines(ax, group, method, seed, looks[method])
            above = [style.wrapped(method, 84 // columns) for method in methods]
            titles = layout.title_columns(panels, above, titles)
            if name != named:
                layout.margin_title(panels[-1], row_title(name, seed, group, None))
                named = name
        _label_inputs(figure, axes)

    return _section(choice, len(rows), columns, 0.0, draw)


def _draw_lines(ax: Axes, group: xr.Dataset, method: str, seed: int, look: style.Look) -> None:
    if "x_1" not in group.variables:
        points = group["sample_x"].values
        ax.plot(points[:, 0], points[:, 1], ".", color="0.6", markersize=2, markeredgewidth=0, zorder=1.5)
    last = single.last_state(group, method, seed)
    start, end = (space.zero_lines(group, method, seed, index) for index in (0, last))
    ax.add_collection(LineCollection(list(start), colors="0.8", linewidths=0.6, zorder=1.6), autolim=False)
    ax.add_collection(
        LineCollection(list(end), colors=[look.colour], linewidths=0.8, zorder=2), autolim=False
    )
    _frame(ax, group)
    said = [single.gone(group, method, seed)] if single.ended(group, method, seed) else []
    if not len(end):
        said.append("no line in view")
    if said:
        layout.remark(ax, "\n".join(said), 0.5, 0.03, "center", "bottom")


def _frame(ax: Axes, group: xr.Dataset) -> None:
    (left, right), (low, high) = space.rectangle(group)
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ax.set_box_aspect(space.aspect(group))
    ax.grid(False)
    ax.locator_params(axis="both", nbins=3)


def _label_inputs(figure: FigureBase, axes: NDArray[Any]) -> None:
    layout.label_lowest(figure, axes)
    figure.supxlabel("input x₁")
    figure.supylabel("input x₂")


def _section(
    choice: Choice, rows: int, columns: int, taken: float, draw: Callable[[FigureBase, NDArray[Any]], None]
) -> Section:
    """Return a section whose rows are as high as rectangles in columns are."""
    groups = choice.groups.values()
    narrow = columns <= 2
    width = style.COLUMN_WIDTH if narrow else style.TEXT_WIDTH
    height = max(space.aspect(group) for group in groups) * (width - _LABELS - taken) / columns
    same = len({space.rectangle(group).tobytes() for group in groups}) == 1
    options = {"sharex": "all" if same else "row", "sharey": "row"}
    return Section(rows, columns, height, draw, narrow, options)
