"""Work-precision diagrams: what an accuracy costs, in gradient evaluations and in wall time.

The error falls to the right and the cost rises upwards, both on logarithmic axes, as in Hairer, Wanner,
"Solving Ordinary Differential Equations II", section IV.10, doi:10.1007/978-3-642-05221-7: of two methods at
the same error the lower line is the cheaper one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gfcompare.components.errors import unknown_name
from gfcompare.figures import legends, log_axes, marks, page, saving, small_multiples, theme
from gfcompare.figures.page import Page
from gfcompare.figures.theme import LineStyle
from gfcompare.system.paths import user_path
from gfcompare.work_precision import summary, uncertainty
from gfcompare.work_precision.errors import ERRORS
from gfcompare.work_precision.summary import seeds

#: What the cost of a trajectory is, one row of panels for each.
COSTS = ("gradients", "seconds")

_COLUMNS = 3

# A relative error above this is none that a method is chosen for: it is drawn here.
_LARGEST = 10.0

# Errors within this factor of the uncertainty of the reference have its band beside them.
_NEAR = 3.0

_AXES = {
    "theta": ("relative error of the parameters", "largest over the save times"),
    "function": ("relative error of the function in L²(μ)", "largest over the save times"),
    "risk": ("relative error of the risk", "at the last save time"),
}


@dataclass(frozen=True)
class _Panel:
    """The data of the panels of one problem.

    Attributes
    ----------
    medians : a row for each method and setting, with error and the columns of `COSTS`
    points : the same for each seed, with `ended`, whether the trajectory ended early
    limits : of the axis of errors, the smaller one first
    unsure : errors below this cannot be told from that of the reference
    """

    medians: pd.DataFrame
    points: pd.DataFrame
    limits: tuple[float, float]
    unsure: float


def draw(tree: xr.DataTree, error: str = "theta") -> Page:
    """Return the diagram: a column for each problem, up to three side by side, and two rows of panels.

    Parameters
    ----------
    tree : what `gfcompare.work_precision.read` or `run` returns
    error : "theta", "function" or "risk"
    """
    if error not in ERRORS:
        raise unknown_name("error", error, ERRORS)
    panels = _panels(tree, error)
    methods = list(dict.fromkeys(m for panel in panels.values() for m in panel.medians["method"]))
    styles = theme.line_styles(methods)
    blocks = small_multiples.evenly(list(panels), _COLUMNS)
    limits = {cost: _limits(panels, cost) for cost in COSTS}
    columns = max(map(len, blocks))
    with theme.context():
        legend = _legend(panels, styles)
        rows = len(COSTS) * len(blocks)
        figure, axes = page.page(rows, columns, legend, row_height=1.9)
        for k, problems in enumerate(blocks):
            for row, cost in enumerate(COSTS):
                shown = small_multiples.used(axes[len(COSTS) * k + row], len(problems))
                for ax, name in zip(shown, problems, strict=True):
                    _draw_panel(ax, panels[name], cost, limits[cost], styles)
                    ax.tick_params(labelbottom=row == len(COSTS) - 1, labelleft=ax is shown[0])
                shown[0].set_ylabel(_cost_label(panels, cost, methods))
                if row == 0:
                    small_multiples.title_columns(
                        shown, [theme.wrapped(n, 60 // columns) for n in problems], []
                    )
        name, when = _AXES[error]
        width = 60 if columns == 1 else 120
        figure.supxlabel(theme.label(name, "", f"{when}; smaller to the right", width=width))
        return page.finish(figure)


def save(
    tree: xr.DataTree,
    folder: str | Path,
    *,
    errors: Sequence[str] = ERRORS,
    formats: Sequence[str] = saving.FORMATS,
) -> list[Path]:
    """Write the diagrams of some errors into a folder; return the files.

    Parameters
    ----------
    tree : what `gfcompare.work_precision.read` or `run` returns
    folder : where work_precision_theta.<format>, ..._function and ..._risk are written
    errors : some of "theta", "function", "risk"
    formats : some of "png", "pdf", "svg"
    """
    written = []
    for error in errors:
        figure = draw(tree, error)
        for form in formats:
            written.append(user_path(folder) / f"work_precision_{error}.{form}")
            saving.write(figure, written[-1], form, "Work-precision diagram")
    return written


def _panels(tree: xr.DataTree, error: str) -> dict[str, _Panel]:
    medians, points, unsure = summary(tree), seeds(tree), uncertainty(tree, error)
    panels = {}
    for name in tree.children:
        parts = [
            _with_cost(t[t["problem"] == name].rename(columns={error: "error"})) for t in (medians, points)
        ]
        smallest = 0.1 * unsure[name] if 0 < unsure[name] < _LARGEST else 1e-16
        for part in parts:
            part["error"] = part["error"].clip(lower=smallest, upper=_LARGEST).where(part["error"] < np.inf)
        errors = np.concatenate([part["error"] for part in parts])
        if errors[np.isfinite(errors)].min(initial=np.inf) < _NEAR * unsure[name] < _LARGEST:
            errors = np.append(errors, unsure[name] / _NEAR)  # so that the band is seen
        panels[str(name)] = _Panel(parts[0], parts[1], log_axes.limits_around(errors), unsure[name])
    return panels


def _with_cost(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose gradients are those at one sample point for a method that has no others."""
    none = table.groupby("method")["gradients"].transform("max") == 0
    return table.assign(gradients=table["gradients"].where(~none, table["sample gradients"]), sampled=none)


def _limits(panels: Mapping[str, _Panel], cost: str) -> tuple[float, float]:
    values = [t[cost] for panel in panels.values() for t in (panel.medians, panel.points)]
    return log_axes.limits_around(np.concatenate(values))


def _draw_panel(
    ax: Axes, panel: _Panel, cost: str, limits: tuple[float, float], styles: Mapping[str, LineStyle]
) -> None:
    log_axes.make(ax, "x", panel.limits, labels=6)
    log_axes.make(ax, "y", limits)
    left, right = panel.limits[1], panel.limits[0]
    ax.set_xlim(left, right)
    if panel.unsure > right:
        ax.axvspan(right, min(panel.unsure, left), color="0.88", linewidth=0, zorder=0)
    for method, style in styles.items():
        line = panel.medians[(panel.medians["method"] == method) & panel.medians["error"].notna()]
        points = panel.points[panel.points["method"] == method]
        ax.scatter(points["error"], points[cost], s=5, color=style.colour, alpha=0.35, linewidth=0, zorder=2)
        marks.marked_line(ax, line["error"], line[cost], style)
        ended = points[points["ended"] & (points[cost] > 0)]
        marks.mark(ax, np.full(len(ended), left), ended[cost], "x", style)
    sns.despine(ax=ax)


def _cost_label(panels: Mapping[str, _Panel], cost: str, methods: Sequence[str]) -> str:
    if cost == "seconds":
        return theme.label("wall time of one core", "s")
    tables = pd.concat([panel.medians for panel in panels.values()])
    sampled = [m for m in methods if tables.loc[tables["method"] == m, "sampled"].all()]
    if not sampled:
        return "gradient evaluations"
    if len(sampled) == len(methods):
        return "gradients at one sample point"
    who = theme.escaped(" and ".join(sampled)) if len(sampled) <= 2 else "stochastic methods"
    return theme.label("gradient evaluations", "", f"{who}: at one sample point", width=34)


def _legend(panels: Mapping[str, _Panel], styles: Mapping[str, LineStyle]) -> legends.Legend:
    """Return the legend: the methods, and what is drawn besides their medians."""
    legend = legends.Legend()
    for method, style in styles.items():
        legend.add(legends.line_handle(style), method)
    points = pd.concat([panel.points for panel in panels.values()])
    if points["seed"].nunique() > 1:
        dot: Any = Line2D([], [], color=theme.GREY, linestyle="", marker="o", markersize=2.5, alpha=0.5)
        legend.add(dot, "one seed; lines: medians")
    if points["ended"].any():
        legend.add(legends.mark_handle("x"), "a trajectory ended early")
    if any(panel.unsure > panel.limits[0] for panel in panels.values()):
        legend.add(Patch(color="0.88", linewidth=0), "below the uncertainty of the reference")
    return legend
