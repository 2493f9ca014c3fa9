"""Drawing a quantity against a clock: median and quartiles over seeds, and where trajectories ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from gfcompare.figures import data, layout, log_axes, style
from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.layout import Page

Array = NDArray[np.float64]

# One seed in four may be at 1e-30, its rounding error: a band may leave the axis this far below the medians.
_LEGROOM = 1e-3

_CLOCK_NAMES = {
    "flow_time": "flow time",
    "wall_time": "wall time of one core per trajectory",
    "gradients": "gradient evaluations",
}
_MARKERS_PER_LINE = 5
_BESIDE = (3.0, 1.2)


@dataclass(frozen=True)
class Plot:
    """What is drawn.

    Attributes
    ----------
    quantity : a variable of the result
    clock : what it is drawn against
    floor : smaller values, 0 among them, are drawn here, and the axis label says so
    linear_within : the axis is linear where the values of a panel span less than this factor
    headroom : the axis ends at this many times the initial median: diverging risks pass through 1e300
    beside : another variable of the same kind, drawn dashed, the first one solid; "" for none
    names : what the legend calls the two
    """

    quantity: str
    clock: data.Clock = "flow_time"
    floor: float = 1e-32
    linear_within: float = 1.0
    headroom: float = 1e3
    beside: str = ""
    names: tuple[str, str] = ("", "")

    @property
    def quantities(self) -> tuple[str, ...]:
        """The variables that are drawn."""
        return (self.quantity, self.beside) if self.beside else (self.quantity,)

    def look(self, method: style.Look, quantity: str) -> style.Look:
        """Return how a variable of a method is drawn: its own dashes tell methods apart, or variables do."""
        if not self.beside:
            return method
        return replace(method, dashes=_BESIDE if quantity == self.beside else ())


TRAINING_AND_TEST = Plot("risk", floor=1e-32, beside="test_risk", names=("training risk", "test risk"))


@dataclass(frozen=True)
class _Panel:
    """The tables of one problem, values below the floor raised to it, and what its axes are like.

    Attributes
    ----------
    curves, ends : tables of `data.curves` and `data.ends`, with the variable in a column quantity
    x_limits, y_limits : limits of the axes
    linear : whether the vertical axis is linear
    raised : whether a value drawn within the axes is one that was raised to the floor
    """

    curves: pd.DataFrame
    ends: pd.DataFrame
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    linear: bool
    raised: bool

    @property
    def above(self) -> pd.DataFrame:
        """The first point of each median beyond the axis."""
        off = self.curves[self.curves["median"] > self.y_limits[1]]
        return off.groupby(["method", "quantity"], sort=False, as_index=False).first()


def draw(view: data.View, plot: Plot) -> Page:
    """Return the figure: one panel for each problem."""
    panels = {name: _panel(group, plot) for name, group in view.groups.items()}
    if all(panel.curves.empty and panel.ends.empty for panel in panels.values()):
        raise NothingToDraw(f"no trajectory has a {plot.quantity} after flow time 0")
    looks = style.looks(view.all_methods)
    rows, columns = layout.shape(len(panels))
    with style.context():
        legend = _legend(view, panels, looks, plot)
        figure, axes = layout.page(rows, columns, legend, row_height=1.8)
        for ax, (name, panel) in zip(layout.used(axes, len(panels)), panels.items(), strict=True):
            _draw_panel(ax, panel, looks, plot)
            ax.set_title(style.wrapped(name, 60 // columns))
        first = next(iter(view.groups.values()))
        raised = any(panel.raised for panel in panels.values())
        figure.supxlabel(_clock_label(view, first, plot))
        figure.supylabel(_quantity_label(view, plot, raised, rows))
        return layout.finish(figure)


def _panel(group: xr.Dataset, plot: Plot) -> _Panel:
    shown = plot.quantities
    curves = pd.concat([data.curves(group, q, plot.clock).assign(quantity=q) for q in shown])
    ends = pd.concat([data.ends(group, q, plot.clock).assign(quantity=q) for q in shown])
    clock = data.clock_values(group, plot.clock)
    values = ["median", "lower", "upper"]
    small = bool((curves[values] < plot.floor).any(axis=None))
    curves[values] = curves[values].clip(lower=plot.floor)
    ends["y"] = ends["y"].clip(lower=plot.floor)
    x_limits = log_axes.limits_around(np.concatenate([curves["x"], ends["x"], clock[clock > 0]]))
    ended = ends.loc[ends["x"] > 0, "y"].dropna()  # the others are marked in the corner
    y_limits, linear = _vertical(curves, ended, data.scale(group, plot.quantity), plot)
    return _Panel(curves, ends, x_limits, y_limits, linear, small and y_limits[0] <= plot.floor)


def _vertical(
    curves: pd.DataFrame, ended: pd.Series[float], scale: float, plot: Plot
) -> tuple[tuple[float, float], bool]:
    """Return the limits of the vertical axis and whether it is linear."""
    y = np.concatenate([curves["median"], curves["lower"], curves["upper"], ended])
    ceiling = plot.headroom * scale
    if (y <= ceiling).any():  # otherwise everything is far up, and nothing can be squashed
        y = y.clip(max=ceiling)
    if len(curves):
        y = y.clip(min=_LEGROOM * float(curves["median"].min()))
    positive = y[y > 0]
    if positive.size and positive.max() < plot.linear_within * positive.min():
        margin = 0.05 * (positive.max() - positive.min()) or 0.05 * positive.max()
        return (positive.min() - margin, positive.max() + margin), True
    return log_axes.limits_around(y), False


def _draw_panel(ax: Axes, panel: _Panel, looks: Mapping[str, style.Look], plot: Plot) -> None:
    log_axes.make(ax, "x", panel.x_limits)
    if panel.linear:
        ax.set_ylim(panel.y_limits)
    else:
        log_axes.make(ax, "y", panel.y_limits)
    for quantity in plot.quantities:
        table = panel.curves[panel.curves["quantity"] == quantity]
        shown = {m: plot.look(look, quantity) for m, look in looks.items() if m in set(table["method"])}
        for method, look in shown.items():
            part = table[table["method"] == method]
            if part["seeds"].iloc[0] > 1:
                ax.fill_between(
                    part["x"], part["lower"], part["upper"], color=look.colour, alpha=0.16, linewidth=0
                )
        if shown:
            _draw_lines(ax, table, shown)
    _draw_marks(ax, panel, looks)
    if panel.curves.empty and panel.ends.empty:
        layout.remark(ax, "no values", 0.5, 0.5, "center")
    ax.set(xlabel="", ylabel="")
    sns.despine(ax=ax)


def _draw_lines(ax: Axes, table: pd.DataFrame, looks: Mapping[str, style.Look]) -> None:
    shown = list(looks)
    sns.lineplot(
        table,
        x="x",
        y="median",
        hue="method",
        hue_order=shown,
        palette={method: looks[method].colour for method in shown},
        style="method",
        style_order=shown,
        dashes={method: looks[method].dashes or "" for method in shown},
        markers={method: looks[method].marker for method in shown},
        markersize=3.5,
        markeredgewidth=0.4,
        estimator=None,
        sort=False,
        legend=False,
        ax=ax,
    )
    lines = ax.get_lines()[-len(shown) :]
    for k, (line, method) in enumerate(zip(lines, shown, strict=True)):
        line.set_linewidth(looks[method].width)
        # Few markers, those of different methods at different places.
        step = max(1, len(np.asarray(line.get_xdata())) // _MARKERS_PER_LINE)
        line.set_markevery((k * step // len(lines), step))


def _draw_marks(ax: Axes, panel: _Panel, looks: Mapping[str, style.Look]) -> None:
    """Mark where trajectories ended early, on the edge if outside, and where medians leave the axis."""
    (left, right), (low, high) = panel.x_limits, panel.y_limits
    for method, part in panel.ends.groupby("method", sort=False):
        x, y = part["x"].fillna(left).clip(left, right), part["y"].fillna(high).clip(low, high)
        layout.mark(ax, x, y, "x", looks[str(method)])
    for method, x in zip(panel.above["method"], panel.above["x"], strict=True):
        layout.mark(ax, [x], [high], "2", looks[method])


def _legend(
    view: data.View, panels: Mapping[str, _Panel], looks: Mapping[str, style.Look], plot: Plot
) -> layout.Legend:
    legend = layout.Legend()
    outcomes = data.outcomes(view)
    for method in view.methods:
        outcome, look = outcomes[method], plot.look(looks[method], plot.quantity)
        legend.add(layout.line_handle(look), f"{method} ({outcome})" if outcome else method)
    for quantity, name in zip(plot.quantities if plot.beside else (), plot.names, strict=False):
        grey = plot.look(style.Look((0.45, 0.45, 0.45), (), ""), quantity)
        legend.add(layout.line_handle(grey, marker=False), name)
    if any((panel.curves["seeds"] > 1).any() for panel in panels.values()):
        legend.add(Patch(color=style.GREY, alpha=0.3, linewidth=0), "quartiles over seeds")
    if any(not panel.ends.empty for panel in panels.values()):
        legend.add(layout.mark_handle("x"), "a trajectory ended early")
    if any(not panel.above.empty for panel in panels.values()):
        legend.add(layout.mark_handle("2"), "the median is above the axis")
    return legend


def _clock_label(view: data.View, group: xr.Dataset, plot: Plot) -> str:
    name = _CLOCK_NAMES[plot.clock]
    if plot.clock != "gradients":
        return style.label(name, str(group[plot.clock].attrs.get("units", "")))
    sampled = data.methods_by_samples(view)
    if not sampled:
        return name
    who = " and ".join(sampled) if len(sampled) <= 2 else "the stochastic methods"
    if len(sampled) == len(view.methods):
        return "gradient evaluations, each at one sample point"
    return f"gradient evaluations (for {style.escaped(who)}: at one sample point each)"


def _quantity_label(view: data.View, plot: Plot, raised: bool, rows: int) -> str:
    attrs = next(iter(view.groups.values()))[plot.quantity].attrs
    note = f"0 drawn at {style.power(round(np.log10(plot.floor)))}" if raised else ""
    name = str(attrs.get("long_name", plot.quantity))
    if plot.quantity == "risk" and any(data.on_points(group) for group in view.groups.values()):
        name = "risk"  # over finitely many points it is not that of a population
    return style.label(name, str(attrs.get("units", "")), note, width=34 * rows)
