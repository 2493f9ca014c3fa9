"""Paths in a plane of the parameter space over the risk in that plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from gfcompare.figures import data, legends, marks, one_trajectory, small_multiples, theme
from gfcompare.figures.legends import Legend
from gfcompare.figures.one_trajectory import Choice
from gfcompare.figures.page_layout import Frame, PageLayout, Section
from gfcompare.figures.theme import LineStyle
from gfcompare.problem import Problem
from gfcompare.results.reading import Array, parameters

#: Points of the grid on which the risk is evaluated, along each axis.
GRID = 49
# What is shown around the paths, as a share of the rectangle that they fill.
_MARGIN = 0.12
# A parameter moves if its range is at least this share of the largest range.
_MOVED = 0.05
# Smaller risks are drawn as this share of the largest one.
_FLOOR = 1e-16
# The risk is grey, so that colours are those of methods: white is low.
_GREYS = LinearSegmentedColormap.from_list("risk", ["white", "0.6"])
# Most contours in a panel, and most of them with a number.
_MOST_CONTOURS, _NAMED = 14, 4
# Mantissas of contours: the first of these that makes few enough.
_MANTISSAS = (
    np.arange(1.0, 10.0, 0.05),
    np.arange(1.0, 10.0, 0.1),
    np.arange(1.0, 10.0, 0.2),
    np.arange(1.0, 10.0, 0.5),
    np.arange(1.0, 10.0),
    np.array([1.0, 1.5, 2.0, 3.0, 5.0, 7.0]),
    np.array([1.0, 2.0, 5.0]),
    np.array([1.0, 3.0]),
)
_COLUMNS = 3
_CASING = [patheffects.Stroke(linewidth=2.6, foreground="white"), patheffects.Normal()]


@dataclass(frozen=True)
class Portrait:
    """Paths in a plane, and the risk there.

    Attributes
    ----------
    paths : for each method its states in the plane, shape (time, 2), without those after it ended
    ended : for each method how its trajectory ended early, "" if it did not
    x, y : grid, shape (n,) and (m,)
    risk : on the grid, shape (m, n)
    labels : of the axes
    held : what the plane goes through; completes "risk in the plane through"
    """

    paths: Mapping[str, Array]
    ended: Mapping[str, str]
    x: Array
    y: Array
    risk: Array
    labels: tuple[str, str]
    held: str


def states(group: xr.Dataset, seed: int) -> dict[str, Array]:
    """Return the parameters of each method at its save times, shape (time, P), until it ended."""
    theta = parameters(group.sel(seed=seed))
    return {
        str(method): rows[np.isfinite(rows).all(axis=1)]
        for method, rows in zip(group["integrator"].values, theta, strict=True)
    }


def off_and_on_manifold(group: xr.Dataset) -> list[xr.Dataset]:
    """Return the problem with the methods that do not live on M, and with those that do, if there are any.

    On M the same function has other parameters: a plane in common would show that difference only.
    """
    on = group["on_manifold"].values.astype(bool)
    return [group.isel(integrator=np.flatnonzero(part)) for part in (~on, on) if part.any()]


def moves(group: xr.Dataset, seed: int) -> bool:
    """Return whether a path of a seed goes anywhere in two dimensions."""
    ranges = np.sort(
        np.max([np.ptp(rows, axis=0) for rows in states(group, seed).values() if len(rows)], axis=0)
    )
    return bool(ranges[-2] > _MOVED * ranges[-1] > 0)


def tame(group: xr.Dataset, seed: int, paths: Mapping[str, Array]) -> dict[str, Array]:
    """Return the paths of trajectories that reached the end; all paths if none did."""
    tame = {m: rows for m, rows in paths.items() if len(rows) and not one_trajectory.ended(group, m, seed)}
    return tame or {m: rows for m, rows in paths.items() if len(rows)}


def portrait(
    problem: Problem,
    group: xr.Dataset,
    seed: int,
    origin: Array,
    directions: Array,
    labels: tuple[str, str],
    held: str,
) -> Portrait:
    """Return the projected paths of a seed and the risk in a plane, an origin with two directions."""
    paths = states(group, seed)
    projected = {method: (rows - origin) @ directions.T for method, rows in paths.items()}
    corners = np.concatenate([projected[method] for method in tame(group, seed, paths)])
    x, y = (_axis(column) for column in corners.T)
    theta = origin + x[None, :, None] * directions[0] + y[:, None, None] * directions[1]
    risk = problem.risk(theta)
    risk = np.maximum(risk, _FLOOR * float(np.max(risk)))
    ended = {method: one_trajectory.ended(group, method, seed) for method in paths}
    return Portrait(projected, ended, x, y, risk, labels, held)


def _axis(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    margin = _MARGIN * (high - low) or 0.5 * max(abs(high), 1.0)
    return np.linspace(low - margin, high + margin, GRID)


def levels(low: float, high: float) -> NDArray[np.float64]:
    """Return heights of contours that cover [low, high]: round numbers, nearly log-spaced."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = 10.0 ** np.arange(first, last + 1)
    for mantissas in _MANTISSAS:
        heights = np.outer(decades, mantissas).ravel()
        if np.count_nonzero((heights > low) & (heights < high)) <= _MOST_CONTOURS:
            break
    else:
        heights = 10.0 ** np.arange(first, last + 1, math.ceil((last - first) / _MOST_CONTOURS))
    inside = heights[(heights > low) & (heights < high)]
    return np.concatenate([[low * (1 - 1e-9)], inside, [high * (1 + 1e-9)]])


def layout(choice: Choice, portrayed: Callable[[xr.Dataset, int], Portrait]) -> PageLayout:
    """Return a panel for each problem, with one scale of the risk; another one for methods on M.

    Parameters
    ----------
    choice : what is shown
    portrayed : returns the portrait of some methods of a problem, and a seed
    """
    parts = {
        (bool(part["on_manifold"].values[0]), name): part
        for name, group in choice.groups.items()
        for part in off_and_on_manifold(group)
    }
    portraits = {
        key: portrayed(parts[key], choice.seeds[key[1]]) for key in sorted(parts, key=lambda k: k[0])
    }
    styles = theme.line_styles(choice.view.all_methods)
    most = 1 if choice.size == "column" else _COLUMNS
    rows = math.ceil(len(portraits) / most)
    columns = math.ceil(len(portraits) / rows)

    def draw(frame: Frame) -> None:
        panels = small_multiples.used(frame.axes, len(portraits))
        for ax, ((on, name), portrait) in zip(panels, portraits.items(), strict=True):
            _draw_panel(ax, portrait, styles)
            which = " (on M)" if on and (False, name) in portraits else ""
            ends = f", seed {choice.seeds[name]}{which}"
            ax.set_title(theme.wrapped(name, frame.title_width(0.9), ends))
        frame.note(_what_is_drawn(choice, portraits))

    section = Section(rows, columns, 1.9 if columns > 1 else 2.3, draw, columns == 1)
    return PageLayout([section], _legend(choice, portraits.values(), styles))


def _what_is_drawn(choice: Choice, portraits: Mapping[tuple[bool, str], Portrait]) -> str:
    """Return in words what the contours are, and in which plane."""
    attrs = next(iter(choice.groups.values()))["risk"].attrs
    kind = "risk" if any(data.on_points(g) for g in choice.groups.values()) else "population risk"
    held = {on: portrait.held for (on, _), portrait in portraits.items()}
    planes = [f"{'on M ' if on and False in held else ''}through {text}" for on, text in held.items()]
    where = ", ".join(planes) if len(set(held.values())) > 1 else planes[0]
    return f"contours: {theme.label(kind, str(attrs.get('units', '')))} in the plane {where}"


def _draw_panel(ax: Axes, portrait: Portrait, styles: Mapping[str, LineStyle]) -> None:
    _draw_risk(ax, portrait)
    for method, path in portrait.paths.items():
        if not len(path):
            continue
        style = styles[method]
        inside = np.clip(path, -1e6, 1e6)  # matplotlib's path code overflows on what a diverging path does
        options: dict[str, Any] = {"color": style.colour, "linestyle": style.linestyle, "linewidth": 1.2}
        ax.plot(inside[:, 0], inside[:, 1], path_effects=_CASING, zorder=3, **options)
        ax.plot(*inside[0], marker="o", markerfacecolor="white", markersize=4, color=style.colour, zorder=4)
        mark = "x" if portrait.ended[method] else style.marker
        edge = (
            {"markeredgewidth": 1.2} if mark == "x" else {"markeredgecolor": "white", "markeredgewidth": 0.5}
        )
        ax.plot(*inside[-1], marker=mark, color=style.colour, markersize=5, zorder=5, **edge)
    ax.set_xlim(portrait.x[0], portrait.x[-1])
    ax.set_ylim(portrait.y[0], portrait.y[-1])
    ax.set_xlabel(portrait.labels[0])
    ax.set_ylabel(portrait.labels[1])
    ax.locator_params(axis="both", nbins=5)
    ax.grid(False)


def _draw_risk(ax: Axes, portrait: Portrait) -> None:
    """Draw the risk as grey levels, white the lowest of the panel, with numbers on some contours."""
    low, high = float(portrait.risk.min()), float(portrait.risk.max())
    if not 0 < low <= high < math.inf:
        marks.remark(
            ax, "the risk is 0 everywhere" if high == 0 else "no contours of the risk", 0.5, 0.5, "center"
        )
        return
    heights = levels(low, high)
    drawn: dict[str, Any] = {"levels": heights, "norm": LogNorm(heights[0], heights[-1])}
    ax.contourf(portrait.x, portrait.y, portrait.risk, cmap=_GREYS, **drawn)
    lines = ax.contour(portrait.x, portrait.y, portrait.risk, colors="0.5", linewidths=0.3, **drawn)
    inner = heights[(heights > portrait.risk.min()) & (heights < portrait.risk.max())]
    named = inner[:: math.ceil(len(inner) / _NAMED)] if len(inner) else inner
    if len(named):
        ax.clabel(lines, levels=named, fmt=_number, fontsize=theme.SMALL - 1, colors="0.25", inline_spacing=2)


def _number(value: float) -> str:
    return theme.typeset(theme.number(float(f"{value:.2g}")))


def _legend(choice: Choice, portraits: Collection[Portrait], styles: Mapping[str, LineStyle]) -> Legend:
    legend = legends.Legend()
    outcomes = data.outcomes(choice.view, choice.seeds)
    for method in choice.view.methods:
        outcome = outcomes[method]
        legend.add(legends.line_handle(styles[method]), f"{method} ({outcome})" if outcome else method)
    style: dict[str, Any] = {"color": theme.GREY, "linestyle": "", "markersize": 4}
    legend.add(Line2D([], [], marker="o", markerfacecolor="white", **style), "start")
    legend.add(Line2D([], [], marker="o", **style), "end")
    if any(any(portrait.ended.values()) for portrait in portraits):
        legend.add(legends.mark_handle("x"), "a trajectory ended early")
    return legend
