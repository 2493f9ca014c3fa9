"""Drawing the distribution of the final risk over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from gfcompare.figures import data, layout, style
from gfcompare.figures.layout import Page

_FLOOR = 1e-32
_HEADROOM = 1e3
_GOLDEN = 0.6180339887498949


def draw(view: data.View) -> Page:
    """Return the figure: a panel for each problem, a row for each method."""
    tables = {name: data.final_risk(group) for name, group in view.groups.items()}
    looks = style.looks(view.all_methods)
    rows, columns = layout.shape(len(tables))
    height = max(0.9, 0.35 + 0.22 * len(view.methods))
    with style.context():
        legend = _legend(tables)
        figure, axes = layout.page(rows, columns, legend, row_height=height, sharey=True)
        panels = layout.used(axes, len(tables))
        for ax, (name, table) in zip(panels, tables.items(), strict=True):
            _draw_panel(ax, table, view.methods, looks, _HEADROOM * data.scale(view.groups[name], "risk"))
            ax.set_title(style.wrapped(name, 60 // columns))
        attrs = next(iter(view.groups.values()))["risk"].attrs
        small = any((table["risk"] < _FLOOR).any() for table in tables.values())
        note = f"0 drawn at $10^{{{round(np.log10(_FLOOR))}}}$" if small else ""
        figure.supxlabel(style.label("final risk", str(attrs.get("units", "")), note))
        return layout.finish(figure)


def _draw_panel(
    ax: Axes, table: pd.DataFrame, methods: Sequence[str], looks: Mapping[str, style.Look], ceiling: float
) -> None:
    shown = table[table["complete"] & table["risk"].notna()].copy()
    shown["risk"] = shown["risk"].clip(lower=_FLOOR)
    ended = table[~table["complete"] & (table["status"] != "diverged")]
    values = np.concatenate([shown["risk"], ended["risk"].dropna().clip(lower=_FLOOR)])
    left, right = layout.log_limits(np.minimum(values, ceiling))
    if (table["status"] == "diverged").any():
        right *= (right / left) ** 0.2  # room for the counts
    layout.log_axis(ax, "x", (left, right), labels=4)
    for row, method in enumerate(methods):
        part = table[table["method"] == method]
        _draw_box(ax, row, part, looks[method])
        _draw_seeds(ax, row, part, looks[method])
    ax.set(xlabel="", ylabel="", yticks=range(len(methods)))
    ax.set_yticklabels([style.wrapped(method, 22) for method in methods])
    ax.set_ylim(len(methods) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    sns.despine(ax=ax, left=True)


def _draw_box(ax: Axes, row: int, table: pd.DataFrame, look: style.Look) -> None:
    """Draw the quartiles and the median of one method over the seeds that reached the end.

    Not by seaborn.boxplot: it calls matplotlib with an argument that matplotlib 3.13 removes, and it
    interpolates quartiles in the logarithm, unlike the bands of the other figures.
    """
    risk = table.loc[table["complete"] & table["risk"].notna(), "risk"].clip(lower=_FLOOR).to_numpy()
    if len(risk) < 2:
        return
    lower, median, upper = np.quantile(risk, (0.25, 0.5, 0.75))
    box = Rectangle((lower, row - 0.3), upper - lower, 0.6, edgecolor=look.colour, linewidth=0.9)
    box.set_facecolor((*look.colour, 0.15))
    ax.add_patch(box)
    ax.vlines(median, row - 0.3, row + 0.3, color=look.colour, linewidth=1.6)


def _draw_seeds(ax: Axes, row: int, table: pd.DataFrame, look: style.Look) -> None:
    """Draw a dot for each seed of one method, a cross for those that ended early."""
    left, right = ax.get_xlim()
    dots = table[table["complete"] & table["risk"].notna()]
    # Multiples of the golden ratio spread seeds evenly, the same at every drawing, unlike random jitter.
    offset = (dots["seed"].to_numpy() * _GOLDEN) % 1.0 - 0.5
    ax.scatter(
        dots["risk"].clip(lower=_FLOOR),
        row + 0.4 * offset,
        s=4,
        color=look.colour,
        alpha=0.6,
        linewidth=0,
        zorder=3,
    )
    crosses: dict[str, Any] = {
        "color": look.colour,
        "markersize": 4,
        "markeredgewidth": 0.9,
        "clip_on": False,
        "zorder": 4,
    }
    early = table[~table["complete"]]
    diverged = early[early["status"] == "diverged"]
    others = early[early["status"] != "diverged"]
    if len(others):
        x = others["risk"].fillna(right).clip(left, right)
        ax.plot(x, np.full(len(others), row), "x", **crosses)
    if len(diverged):
        ax.plot([right], [row], "x", **crosses)
        ax.annotate(
            f"{len(diverged)}/{len(table)}",
            (right, row),
            xytext=(-5, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=6.5,
            color=look.colour,
        )


def _legend(tables: Mapping[str, pd.DataFrame]) -> layout.Legend:
    """Return the legend; the methods' names stand at the axis."""
    legend = layout.Legend()
    every = pd.concat(list(tables.values()))
    several = every["seed"].nunique() > 1
    dot = Line2D([], [], color=style.GREY, linestyle="", marker="o", markersize=2.5)
    legend.add(dot, "one seed")
    if several:
        box = Line2D([], [], color=style.GREY, linestyle="", marker="s", markersize=6, fillstyle="none")
        legend.add(box, "median and quartiles")
    early = every[~every["complete"]]
    if (early["status"] == "diverged").any():
        legend.add(layout.cross_handle(), "share of seeds that diverged (at the edge)")
    if (early["status"] != "diverged").any():
        legend.add(layout.cross_handle(), "last risk of a trajectory that ended early")
    return legend
