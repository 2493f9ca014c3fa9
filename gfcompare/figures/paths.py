"""Drawing paths in a plane of the parameter space over the risk in that plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from gfcompare.figures import data, landscape, layout, style
from gfcompare.figures.landscape import Portrait
from gfcompare.figures.single import Choice
from gfcompare.figures.sketch import Frame, Section, Sketch

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


def sketch(choice: Choice, portrayed: Callable[[xr.Dataset, int], Portrait]) -> Sketch:
    """Return a panel for each problem, with one scale of the risk; another one for methods on M.

    Parameters
    ----------
    choice : what is shown
    portrayed : returns the portrait of some methods of a problem, and a seed
    """
    parts = {
        (bool(part["on_manifold"].values[0]), name): part
        for name, group in choice.groups.items()
        for part in landscape.off_and_on_manifold(group)
    }
    portraits = {
        key: portrayed(parts[key], choice.seeds[key[1]]) for key in sorted(parts, key=lambda k: k[0])
    }
    looks = style.looks(choice.view.all_methods)
    most = 1 if choice.size == "column" else _COLUMNS
    rows = math.ceil(len(portraits) / most)
    columns = math.ceil(len(portraits) / rows)

    def draw(frame: Frame) -> None:
        panels = layout.used(frame.axes, len(portraits))
        for ax, ((on, name), portrait) in zip(panels, portraits.items(), strict=True):
            _draw_panel(ax, portrait, looks)
            which = " (on M)" if on and (False, name) in portraits else ""
            ends = f", seed {choice.seeds[name]}{which}"
            ax.set_title(style.wrapped(name, frame.title_width(0.9), ends))
        frame.note(_what_is_drawn(choice, portraits))

    section = Section(rows, columns, 1.9 if columns > 1 else 2.3, draw, columns == 1)
    return Sketch([section], _legend(choice, portraits.values(), looks))


def _what_is_drawn(choice: Choice, portraits: Mapping[tuple[bool, str], Portrait]) -> str:
    """Return in words what the contours are, and in which plane."""
    attrs = next(iter(choice.groups.values()))["risk"].attrs
    kind = "risk" if any(data.on_points(g) for g in choice.groups.values()) else "population risk"
    held = {on: portrait.held for (on, _), portrait in portraits.items()}
    planes = [f"{'on M ' if on and False in held else ''}through {text}" for on, text in held.items()]
    where = ", ".join(planes) if len(set(held.values())) > 1 else planes[0]
    return f"contours: {style.label(kind, str(attrs.get('units', '')))} in the plane {where}"


def _draw_panel(ax: Axes, portrait: Portrait, looks: Mapping[str, style.Look]) -> None:
    _draw_risk(ax, portrait)
    for method, path in portrait.paths.items():
        if not len(path):
            continue
        look = looks[method]
        inside = np.clip(path, -1e6, 1e6)  # matplotlib's path code overflows on what a diverging path does
        options: dict[str, Any] = {"color": look.colour, "linestyle": look.linestyle, "linewidth": 1.2}
        ax.plot(inside[:, 0], inside[:, 1], path_effects=_CASING, zorder=3, **options)
        ax.plot(*inside[0], marker="o", markerfacecolor="white", markersize=4, color=look.colour, zorder=4)
        mark = "x" if portrait.ended[method] else look.marker
        edge = (
            {"markeredgewidth": 1.2} if mark == "x" else {"markeredgecolor": "white", "markeredgewidth": 0.5}
        )
        ax.plot(*inside[-1], marker=mark, color=look.colour, markersize=5, zorder=5, **edge)
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
        layout.remark(
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
        ax.clabel(lines, levels=named, fmt=_number, fontsize=style.SMALL - 1, colors="0.25", inline_spacing=2)


def _number(value: float) -> str:
    return style.typeset(style.number(float(f"{value:.2g}")))


def _legend(
    choice: Choice, portraits: Collection[Portrait], looks: Mapping[str, style.Look]
) -> layout.Legend:
    legend = layout.Legend()
    outcomes = data.outcomes(choice.view, choice.seeds)
    for method in choice.view.methods:
        outcome = outcomes[method]
        legend.add(layout.line_handle(looks[method]), f"{method} ({outcome})" if outcome else method)
    look: dict[str, Any] = {"color": style.GREY, "linestyle": "", "markersize": 4}
    legend.add(Line2D([], [], marker="o", markerfacecolor="white", **look), "start")
    legend.add(Line2D([], [], marker="o", **look), "end")
    if any(any(portrait.ended.values()) for portrait in portraits):
        legend.add(layout.mark_handle("x"), "a trajectory ended early")
    return legend
