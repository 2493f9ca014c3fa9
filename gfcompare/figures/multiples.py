"""Drawing a quantity against a clock as small multiples: rows problems, columns methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gfcompare.figures import curves, data, layout, style
from gfcompare.figures.panel import Panel, Plot
from gfcompare.figures.sketch import Frame, Section, Sketch

# How the medians of the other methods are drawn.
_OTHERS: dict[str, Any] = {"color": "0.75", "linewidth": 0.7, "zorder": 1.5}


def sketch(view: data.View, plot: Plot, size: style.Size = None) -> Sketch:
    """Return a panel for each problem and method, the medians of the other methods in grey."""
    panels = curves.all_prepared(view, plot)
    looks = style.looks(view.all_methods)
    most = layout.most_columns(size)
    rows = [
        (name, methods)
        for name, group in view.groups.items()
        for methods in layout.evenly([str(m) for m in group["integrator"].values], most)
    ]
    columns = max(len(methods) for _, methods in rows)

    def draw(frame: Frame) -> None:
        titles: list[str] = []
        named = None
        for line, (name, methods) in zip(frame.axes, rows, strict=True):
            axes = layout.used(line, len(methods))
            for ax, method in zip(axes, methods, strict=True):
                _draw_panel(ax, panels[name], method, looks, plot)
            titles = layout.title_columns(
                axes, [style.wrapped(m, frame.title_width()) for m in methods], titles
            )
            if name != named:
                layout.margin_title(axes[-1], style.wrapped(name, 20), beside=len(axes) < columns)
                named = name
        frame.label_lowest()
        frame.label(
            x=curves.clock_label(view, plot.clock), y=curves.quantity_label(view, panels, plot, len(rows))
        )

    legend = curves.legend_of(view, panels, {}, plot)
    legend.add(Line2D([], [], **_OTHERS), "medians of the other methods")
    same = len({panel.x_limits for panel in panels.values()}) == 1
    options = {"sharex": True if same else "row", "sharey": "row"}
    return Sketch([Section(len(rows), columns, 1.35, draw, columns == 1, options)], legend)


def _draw_panel(ax: Axes, panel: Panel, method: str, looks: Mapping[str, style.Look], plot: Plot) -> None:
    for quantity in plot.quantities:
        table = panel.curves[panel.curves["quantity"] == quantity]
        for _, part in table[table["method"] != method].groupby("method", sort=False):
            ax.plot(part["x"], part["median"], **_OTHERS)
    curves.draw_panel(ax, panel.only(method), looks, plot)
    sns.despine(ax=ax)
