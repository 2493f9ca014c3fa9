"""The limits of trajectories: risks of critical points, and the number of seeds of each method at each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.critical_risks import FLOOR, MARKS, legend_of, page, scatter
from gfcompare.figures.lazy import log_axes, np, pd, small_multiples, sns
from gfcompare.figures.options import Shown, Size, lists_options
from gfcompare.figures.selection import Selection, draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr
    from matplotlib.axes import Axes

    from gfcompare.figures.data import View
    from gfcompare.figures.legends import Legend
    from gfcompare.figures.page_layout import PageLayout
    from gfcompare.figures.theme import LineStyle


@dataclass(frozen=True, kw_only=True)
class Limits(Selection):
    """Critical risks as levels, and how many seeds of each method are proved to go to each."""

    name: ClassVar[str] = "limits"
    title: ClassVar[str] = "Where trajectories go: the risks of critical points, and the seeds that go there"
    scope: ClassVar[str] = "certificates, which gfcompare certify adds"
    by_default: ClassVar[bool] = False

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether a problem has certificates with critical points."""
        return "certificate_critical_point" in group and bool(
            (group["certificate_critical_point"] >= 0).any()
        )

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(self.view(tree), self.size)


@lists_options
def limits(tree: xr.DataTree, **options: Unpack[Shown]) -> matplotlib.figure.Figure:
    """Draw the risks of critical points, and how many seeds of each method go to each.

    Filled marks count the trajectories that are proved to go there, hollow ones those that are near without a
    proof. The certificates are those that `gfcompare certify` has added, of the last time that was certified.
    """
    return draw(Limits, tree, options)


def layout(view: View, size: Size = None) -> PageLayout:
    """Return a panel for each problem, with a row for each method."""
    tables = {name: table(group) for name, group in view.groups.items()}
    if not any(len(found) for found in tables.values()):
        raise NothingToDraw("no critical point was found near a state")
    return page(view, tables, (view.methods, 0.3), size, _draw_panel, _legend(tables))


def table(group: xr.Dataset) -> pd.DataFrame:
    """Return a row for each critical point and method: its risk and kind, seeds that go there or are near."""
    from gfcompare.certificates import Verdict

    last = group.isel(certified_time=-1)
    number = last["certificate_critical_point"].values
    proven = last["certificate_verdict"].values == Verdict.LIMIT_PROVEN
    index, risk = last["certificate_index"].values, last["certificate_critical_risk_high"].values
    rows = []
    for point in np.unique(number[number >= 0]):
        there = number == point
        kind = "degenerate"
        if (proven & there).any() or (index[there] == 0).any():
            kind = "minimum"
        elif (index[there] > 0).any():
            kind = "saddle"
        for k, method in enumerate(last["integrator"].values):
            if there[k].any():
                counted = int((there & proven)[k].sum()), int((there & ~proven)[k].sum())
                rows.append((int(point), max(float(risk[there].min()), FLOOR), kind, str(method), *counted))
    return pd.DataFrame(rows, columns=["point", "risk", "kind", "method", "proven", "near"])


def _draw_panel(
    ax: Axes, found: pd.DataFrame, seeds: int, methods: Sequence[str], styles: Mapping[str, LineStyle]
) -> None:
    log_axes.make(ax, "x", log_axes.limits_around(found["risk"]), labels=4)
    for risk in found["risk"].unique():
        ax.axvline(risk, color="0.85", linewidth=0.5, zorder=0.5)
    for row, method in enumerate(methods):
        part, style = found[found["method"] == method], styles[method]
        for kind in MARKS:
            mine = part[part["kind"] == kind]
            for column, filled in (("proven", True), ("near", False)):
                shown = mine[mine[column] > 0]
                y = np.full(len(shown), row + (0.0 if filled else 0.22))
                scatter(ax, shown["risk"], y, shown[column] / seeds, kind, style.colour, filled)
    ax.set(xlabel="", ylabel="", yticks=range(len(methods)))
    ax.set_yticklabels(small_multiples.row_labels(methods))
    ax.set_ylim(len(methods) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    sns.despine(ax=ax, left=True)


def _legend(tables: Mapping[str, pd.DataFrame]) -> Legend:
    """Return the legend of the marks; their areas are the numbers of seeds."""
    every = pd.concat(list(tables.values()))
    entries = []
    for kind, marker in MARKS.items():
        mine = every[every["kind"] == kind]
        if mine["proven"].any():
            entries.append((marker, f"{kind}: seeds proved to go there, by area", True))
        if mine["near"].any():
            entries.append((marker, f"{kind}: near it, without a proof", False))
    return legend_of(entries)
