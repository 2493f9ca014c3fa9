"""A quantity against a clock as small multiples: rows problems, columns methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gfcompare.figures import curves, small_multiples, theme
from gfcompare.figures.axes_data import AxesData, Plot
from gfcompare.figures.data import View
from gfcompare.figures.options import Size
from gfcompare.figures.page_layout import Frame, PageLayout, Section
from gfcompare.figures.theme import LineStyle

# How the medians of the other methods are drawn.
_OTHERS: dict[str, Any] = {"color": "0.75", "linewidth": 0.7, "zorder": 1.5}


def layout(view: View, plot: Plot, size: Size = None) -> PageLayout:
    """Return a panel for each problem and method, the medians of the other methods in grey."""
    panels = curves.all_prepared(view, plot)
    styles = theme.line_styles(view.all_methods)
    most = small_multiples.most_columns(size)
    rows = [
        (name, methods)
        for name, group in view.groups.items()
        for methods in small_multiples.evenly([str(m) for m in group["integrator"].values], most)
    ]
    columns = max(len(methods) for _, methods in rows)

    def draw(frame: Frame) -> None:
        titles: list[str] = []
        named = None
        for line, (name, methods) in zip(frame.axes, rows, strict=True):
            axes = small_multiples.used(line, len(methods))
            for ax, method in zip(axes, methods, strict=True):
                _draw_panel(ax, panels[name], method, styles, plot)
            titles = small_multiples.title_columns(
                axes, [theme.wrapped(m, frame.title_width()) for m in methods], titles
            )
            if name != named:
                small_multiples.margin_title(axes[-1], theme.wrapped(name, 20), beside=len(axes) < columns)
                named = name
        frame.label_lowest()
        frame.label(
            x=curves.clock_label(view, plot.clock),
            y=curves.quantity_label(view, panels, plot, len(rows)),
        )

    legend = curves.legend_of(view, panels, {}, plot)
    legend.add(Line2D([], [], **_OTHERS), "medians of the other methods")
    same = len({panel.x_limits for panel in panels.values()}) == 1
    options = {"sharex": True if same else "row", "sharey": "row"}
    return PageLayout([Section(len(rows), columns, 1.35, draw, columns == 1, options)], legend)


def _draw_panel(ax: Axes, panel: AxesData, method: str, styles: Mapping[str, LineStyle], plot: Plot) -> None:
    for quantity in plot.quantities:
        table = panel.curves[panel.curves["quantity"] == quantity]
        for _, part in table[table["method"] != method].groupby("method", sort=False):
            ax.plot(part["x"], part["median"], **_OTHERS)
    curves.draw_panel(ax, panel.only(method), styles, plot)
    sns.despine(ax=ax)
