"""Drawing a quantity against a clock: medians and bands over seeds, and where trajectories ended."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gfcompare.figures import data, legends, line_labels, log_axes, marks, small_multiples, theme
from gfcompare.figures.axes_data import AxesData, Plot, prepared
from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.data import View
from gfcompare.figures.legends import Legend
from gfcompare.figures.options import Band, Size
from gfcompare.figures.page_layout import Frame, PageLayout, Section
from gfcompare.figures.theme import LineStyle
from gfcompare.results.clocks import Clock

_CLOCK_NAMES = {
    "flow_time": "flow time",
    "wall_time": "wall time of one core per trajectory",
    "gradients": "gradient evaluations",
}
_BANDS: dict[Band, str] = {
    "quartiles": "median and quartiles over all seeds",
    "median": "median over all seeds and its 95 % confidence interval",
}
_MARKERS_PER_LINE = 5


def layout(view: View, plot: Plot, size: Size = None) -> PageLayout:
    """Return a panel for each problem, with all methods."""
    panels = all_prepared(view, plot)
    styles = theme.line_styles(view.all_methods)
    rows, columns = small_multiples.shape(len(panels), size)
    height = 1.8 if columns > 1 or size != "text" else 2.6
    named = _named(panels, columns, plot, height)
    direct = {name for ends in named.values() for name in ends}
    legend = legend_of(view, panels, {m: styles[m] for m in view.methods if m not in direct}, plot)

    def draw(frame: Frame) -> None:
        axes = small_multiples.used(frame.axes, len(panels))
        for ax, (name, panel) in zip(axes, panels.items(), strict=True):
            draw_panel(ax, panel, styles, plot)
            line_labels.write(ax, named.get(name, {}), styles)
            ax.set_title(theme.wrapped(name, frame.title_width(0.78)))
        frame.label(x=clock_label(view, plot.clock), y=quantity_label(view, panels, plot, rows))

    return PageLayout([Section(rows, columns, height, draw, columns == 1)], legend)


def all_prepared(view: View, plot: Plot) -> dict[str, AxesData]:
    """Return what the panel of each problem shows, or raise NothingToDraw if none shows anything."""
    panels = {name: prepared(group, plot) for name, group in view.groups.items()}
    if all(panel.curves.empty and panel.ends.empty for panel in panels.values()):
        raise NothingToDraw(f"no trajectory has a {plot.quantity} after flow time 0")
    return panels


def _named(
    panels: Mapping[str, AxesData], columns: int, plot: Plot, height: float
) -> dict[str, dict[str, float]]:
    """Return where names stand beside lines in the last panel of each row; nowhere if not in all of them."""
    last = list(panels)[columns - 1 :: columns]
    last = last if len(panels) % columns == 0 else [*last, list(panels)[-1]]
    ends = {name: panels[name].last(plot.quantity) for name in last}
    found = {name: line_labels.places(end, 0.7 * height) for name, end in ends.items()}
    same = len({frozenset(end) for end in ends.values()}) == 1
    return found if same and all(found.values()) and not plot.beside else {}


def draw_panel(ax: Axes, panel: AxesData, styles: Mapping[str, LineStyle], plot: Plot) -> None:
    """Draw the medians, bands and marks of one problem."""
    make_axes(ax, panel)
    for quantity in plot.quantities:
        table = panel.curves[panel.curves["quantity"] == quantity]
        parts = {str(method): part for method, part in table.groupby("method", sort=False)}
        shown = {m: plot.style(style, quantity) for m, style in styles.items() if m in parts}
        for method, style in shown.items():
            part = parts[method]
            if part["seeds"].iloc[0] > 1 and part["lower"].notna().any():
                draw_band(ax, part, style)
        _draw_lines(ax, parts, shown)
    _draw_marks(ax, panel, styles)
    if panel.curves.empty and panel.ends.empty:
        marks.remark(ax, "no values", 0.5, 0.5, "center")
    ax.set(xlabel="", ylabel="")
    sns.despine(ax=ax)


def make_axes(ax: Axes, panel: AxesData) -> None:
    """Give a panel its axes."""
    if panel.linear_clock:
        ax.set_xlim(panel.x_limits)
        ax.locator_params(axis="x", nbins=5)
    else:
        log_axes.make(ax, "x", panel.x_limits)
    if panel.linear:
        ax.set_ylim(panel.y_limits)
        ax.locator_params(axis="y", nbins=6)
    else:
        log_axes.make(ax, "y", panel.y_limits)


def draw_band(ax: Axes, part: pd.DataFrame, style: LineStyle) -> None:
    """Draw a band with thin edges, which tell bands apart where they overlap."""
    face, edge = (*style.colour, 0.13), (*style.colour, 0.6)
    # An infinite quartile leaves the axis; matplotlib would leave a gap.
    beyond = 10.0 * ax.get_ylim()[1]
    lower, upper = (part[end].replace(np.inf, beyond) for end in ("lower", "upper"))
    ax.fill_between(part["x"], lower, upper, facecolor=face, edgecolor=edge, linewidth=0.4)


def _draw_lines(ax: Axes, parts: Mapping[str, pd.DataFrame], styles: Mapping[str, LineStyle]) -> None:
    """Draw the medians, with a few markers, those of different methods at different places.

    Not by seaborn's lineplot, which was 22 % of the time of a page of 5 problems with 5 methods.
    """
    for k, (method, style) in enumerate(styles.items()):
        x, y = (parts[method][name].to_numpy(dtype=np.float64) for name in ("x", "median"))
        there = np.isfinite(x) & np.isfinite(y)
        step = max(1, int(there.sum()) // _MARKERS_PER_LINE)
        ax.plot(
            x[there],
            y[there],
            color=style.colour,
            linestyle=style.linestyle,
            linewidth=style.width,
            marker=style.marker,
            markersize=3.5,
            markeredgewidth=0.4,
            markeredgecolor="w",
            markevery=(k * step // len(styles), step),
        )


def _draw_marks(ax: Axes, panel: AxesData, styles: Mapping[str, LineStyle]) -> None:
    """Mark where trajectories ended early, on the edge if outside, and where medians leave the axis."""
    (left, right), (low, high) = panel.x_limits, panel.y_limits
    for method, part in panel.ends.groupby("method", sort=False):
        x, y = part["x"].fillna(left).clip(left, right), part["y"].fillna(high).clip(low, high)
        marks.mark(ax, x, y, "x", styles[str(method)])
    for method, x in zip(panel.above["method"], panel.above["x"], strict=True):
        marks.mark(ax, [x], [high], "2", styles[method])


def legend_of(
    view: View, panels: Mapping[str, AxesData], named: Mapping[str, LineStyle], plot: Plot
) -> Legend:
    """Return the legend, with the methods in `named`."""
    legend = Legend()
    outcomes = data.outcomes(view)
    for method, style in named.items():
        outcome, drawn = outcomes[method], plot.style(style, plot.quantity)
        legend.add(legends.line_handle(drawn), f"{method} ({outcome})" if outcome else method)
    for quantity, name in zip(plot.quantities if plot.beside else (), plot.names, strict=False):
        grey = plot.style(LineStyle((0.45, 0.45, 0.45), (), ""), quantity)
        legend.add(legends.line_handle(grey, marker=False), name)
    several = [panel.curves[panel.curves["seeds"] > 1] for panel in panels.values()]
    if any(table["lower"].notna().any() for table in several):
        legend.add(Patch(color=theme.GREY, alpha=0.3, linewidth=0), _BANDS[plot.band])
    elif any(len(table) for table in several):
        legend.add(Line2D([], [], color=theme.GREY), "median over all seeds, too few for an interval")
    if any(not panel.ends.empty for panel in panels.values()):
        legend.add(legends.mark_handle("x"), "a trajectory ended early, and counts as infinite from there")
    if any(not panel.above.empty for panel in panels.values()):
        legend.add(legends.mark_handle("2"), "the median is above the axis")
    return legend


def clock_label(view: View, clock: Clock) -> str:
    """Return the label of a clock's axis, with its unit, or who counts gradients at single points."""
    name = _CLOCK_NAMES[clock]
    if clock != "gradients":
        group = next(iter(view.groups.values()))
        return theme.label(name, str(group[clock].attrs.get("units", "")))
    sampled = data.methods_by_samples(view)
    if not sampled:
        return name
    who = " and ".join(sampled) if len(sampled) <= 2 else "the stochastic methods"
    if len(sampled) == len(view.methods):
        return "gradient evaluations, each at one sample point"
    return f"gradient evaluations (for {theme.escaped(who)}: at one sample point each)"


def quantity_label(view: View, panels: Mapping[str, AxesData], plot: Plot, rows: int) -> str:
    """Return the label of the vertical axis."""
    attrs = next(iter(view.groups.values()))[plot.quantity].attrs
    raised = any(panel.raised for panel in panels.values())
    note = f"0 drawn at {theme.power(round(np.log10(plot.floor)))}" if raised else ""
    name = str(attrs.get("long_name", plot.quantity))
    if plot.quantity == "risk" and any(data.on_points(group) for group in view.groups.values()):
        name = "risk"  # over finitely many points it is not that of a population
    return theme.label(name, str(attrs.get("units", "")), note, width=34 * rows)
