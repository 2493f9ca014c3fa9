"""Fits on a rectangle: maps of the target and of each method's network on one colour scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from gfcompare.figures import marks, one_trajectory, planes, small_multiples, theme, titles
from gfcompare.figures.one_trajectory import Choice
from gfcompare.figures.page_layout import Frame, Section
from gfcompare.results.reading import Array

_CONTOURS = 8
# The width of a colour bar as a share of that of a panel.
_BAR = 0.08


@dataclass(frozen=True)
class Map:
    """The data of a panel of a rectangle.

    Attributes
    ----------
    method : whose network; None for the target
    values : on the grid, shape (x_1, x_2); NaN where the trajectory has no state any more
    """

    method: str | None
    values: Array

    @property
    def present(self) -> bool:
        """True if there is anything to show."""
        return bool(np.isfinite(self.values).all())


def field(group: xr.Dataset, method: str, seed: int, index: int) -> Array:
    """Return the function of a trajectory on the grid of a rectangle, shape (x_1, x_2, output)."""
    axes = np.meshgrid(group["x_1"].values, group["x_2"].values, indexing="ij")
    values = one_trajectory.realized(group, method, seed, index, np.stack(axes, axis=-1).reshape(-1, 2))
    return values.reshape(*axes[0].shape, -1)


def maps(group: xr.Dataset, seed: int, index: int, output: int) -> list[Map]:
    """Return the target and every method's network at a save time, one output of each."""
    methods = [str(method) for method in group["integrator"].values]
    networks = [Map(method, field(group, method, seed, index)[..., output]) for method in methods]
    return [Map(None, group["target"].values[..., output]), *networks]


def colour_limits(group: xr.Dataset, shown: Sequence[Map], output: int) -> tuple[float, float]:
    """Return limits of one colour scale for the target and some maps.

    The maps may widen the target's range by half of it at either end; what is beyond is off the scale.
    """
    low, high = one_trajectory.value_limits(group, output)
    values = np.concatenate([group["target"].values[..., output].ravel(), *(m.values.ravel() for m in shown)])
    values = values[(values >= low) & (values <= high)]
    least, most = float(values.min()), float(values.max())
    return (least, most) if most - least > 1e-6 * (high - low) else (low, high)


def off_scale(shown: Sequence[Map], limits: tuple[float, float]) -> Literal["neither", "min", "max", "both"]:
    """Return on which sides maps leave a colour scale."""
    below = any(m.present and m.values.min() < limits[0] for m in shown)
    above = any(m.present and m.values.max() > limits[1] for m in shown)
    return "both" if below and above else "min" if below else "max" if above else "neither"


def section(choice: Choice) -> Section:
    """Return for each problem, output and time a row of maps: the target, then each method's network."""
    groups = choice.groups
    shown = [
        (name, output, index)
        for name, group in groups.items()
        for output in range(min(group.sizes["output"], titles.OUTPUTS))
        for index in one_trajectory.last_times(group, choice.times)
    ]
    cells = {key: maps(groups[key[0]], choice.seeds[key[0]], key[2], key[1]) for key in shown}
    rows = [
        (key, part)
        for key in shown
        for part in small_multiples.evenly(cells[key], small_multiples.most_columns(choice.size))
    ]
    columns = max(len(part) for _, part in rows)
    narrow, height = planes.fitting_size(columns, planes.LABELS_AND_BAR, choice.size)

    def draw(frame: Frame) -> None:
        before: list[str] = []
        named = ""
        for line, ((name, output, index), part) in zip(frame.axes, rows, strict=True):
            group, seed = groups[name], choice.seeds[name]
            limits = colour_limits(group, cells[name, output, index], output)
            panels = small_multiples.used(line[:-1], len(part))
            image = _draw_maps(panels, group, seed, part, limits)
            above = [m.method or "target" for m in part]
            before = small_multiples.title_columns(
                panels, planes.wrapped_titles(above, columns, narrow), before
            )
            bar = line[-1].figure.colorbar(image, cax=line[-1], extend=off_scale(part, limits))
            bar.locator = MaxNLocator(5)
            bar.update_ticks()
            more = f", $t$ = {theme.number(float(group['time'][index]))}"
            text = titles.row_title(name, seed, group, output, more, width=16)
            if text != named:
                line[-1].set_ylabel(theme.typeset(text), rotation=270, va="bottom", labelpad=4)
            named = text
        planes.label_inputs(frame, frame.axes[:, :-1], groups)

    aspects = [planes.aspect(groups[name]) for (name, _, _), _ in rows]
    options = {"width_ratios": [*[1.0] * columns, _BAR], "height_ratios": aspects}
    return Section(len(rows), columns + 1, height * max(aspects), draw, narrow, options)


def _draw_maps(
    panels: Sequence[Axes],
    group: xr.Dataset,
    seed: int,
    part: Sequence[Map],
    limits: tuple[float, float],
) -> AxesImage:
    """Draw a row of maps on one colour scale and return the last image."""
    for ax, shown in zip(panels, part, strict=True):
        image = _draw_map(ax, group, shown, limits)
        if not shown.present:
            marks.remark(ax, one_trajectory.gone(group, str(shown.method), seed), 0.5, 0.5, "center")
        elif shown.values.min() > limits[1] or shown.values.max() < limits[0]:
            marks.remark(ax, "off the scale", 0.5, 0.5, "center")
        planes.frame_panel(ax, group)
    return image


def _draw_map(ax: Axes, group: xr.Dataset, shown: Map, limits: tuple[float, float]) -> AxesImage:
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
        cmap=theme.MAP,
        vmin=low,
        vmax=high,
    )
    levels = np.linspace(low, high, _CONTOURS + 2)[1:-1]
    levels = levels[(levels > values.min()) & (levels < values.max())]
    if levels.size:
        style: dict[str, Any] = {"colors": "white", "linewidths": 0.4, "linestyles": "solid", "alpha": 0.7}
        ax.contour(x_1, x_2, values.T, levels=levels, **style)
    return image
