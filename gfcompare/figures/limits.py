"""The limits of trajectories: risks of critical points, and the number of seeds of each method at each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.lazy import legends, log_axes, np, page_layout, pd, small_multiples, sns, theme
from gfcompare.figures.options import Shown, Size, lists_options
from gfcompare.figures.selection import Selection, draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr
    from matplotlib.axes import Axes

    from gfcompare.figures.data import View
    from gfcompare.figures.legends import Legend
    from gfcompare.figures.page_layout import Frame, PageLayout
    from gfcompare.figures.theme import LineStyle

# Risks below this are drawn here, and the label of the axis says so.
_FLOOR = 1e-32
#: Marks of minima, saddles and degenerate points.
MARKS = {"minimum": "o", "saddle": "D", "degenerate": "s"}
# Areas of the marks of one seed and of all seeds, in square points.
_SMALLEST, _LARGEST = 12.0, 150.0


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
    styles = theme.line_styles(view.all_methods)
    rows, columns = small_multiples.shape(len(tables), size)
    height = small_multiples.height_of_rows(view.methods, 0.3, rows)
    small = any((found["risk"] <= _FLOOR).any() for found in tables.values())

    def draw(frame: Frame) -> None:
        panels = small_multiples.used(frame.axes, len(tables))
        for ax, (name, found) in zip(panels, tables.items(), strict=True):
            _draw_panel(ax, found, view.groups[name].sizes["seed"], view.methods, styles)
            ax.set_title(theme.wrapped(name, frame.title_width(0.78)))
        attrs = next(iter(view.groups.values()))["risk"].attrs
        note = f"below {theme.power(round(np.log10(_FLOOR)))} drawn there" if small else ""
        frame.label(x=theme.label("risk of the critical point", str(attrs.get("units", "")), note))

    return page_layout.PageLayout(
        [page_layout.Section(rows, columns, height, draw, columns == 1, {"sharey": True})], _legend(tables)
    )


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
                rows.append((int(point), max(float(risk[there].min()), _FLOOR), kind, str(method), *counted))
    return pd.DataFrame(rows, columns=["point", "risk", "kind", "method", "proven", "near"])


def _draw_panel(
    ax: Axes, found: pd.DataFrame, seeds: int, methods: Sequence[str], styles: Mapping[str, LineStyle]
) -> None:
    log_axes.make(ax, "x", log_axes.limits_around(found["risk"]), labels=4)
    for risk in found["risk"].unique():
        ax.axvline(risk, color="0.85", linewidth=0.5, zorder=0.5)
    for row, method in enumerate(methods):
        part, style = found[found["method"] == method], styles[method]
        for kind, marker in MARKS.items():
            mine = part[part["kind"] == kind]
            for column, filled in (("proven", True), ("near", False)):
                shown = mine[mine[column] > 0]
                ax.scatter(
                    shown["risk"],
                    np.full(len(shown), row + (0.0 if filled else 0.22)),
                    s=_SMALLEST + (_LARGEST - _SMALLEST) * shown[column] / seeds,
                    marker=marker,
                    facecolor=style.colour if filled else "none",
                    edgecolor=style.colour,
                    alpha=0.6 if filled else 1.0,
                    linewidth=0.8,
                    zorder=3,
                )
    ax.set(xlabel="", ylabel="", yticks=range(len(methods)))
    ax.set_yticklabels(small_multiples.row_labels(methods))
    ax.set_ylim(len(methods) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    sns.despine(ax=ax, left=True)


def _legend(tables: Mapping[str, pd.DataFrame]) -> Legend:
    """Return the legend of the marks; their areas are the numbers of seeds."""
    from matplotlib.lines import Line2D

    legend = legends.Legend()
    every = pd.concat(list(tables.values()))

    def add(marker: str, label: str, filled: bool) -> None:
        colour = theme.GREY if filled else "none"
        handle = Line2D([], [], color=theme.GREY, linestyle="", marker=marker, markersize=5)
        handle.set_markerfacecolor(colour)
        legend.add(handle, label)

    for kind, marker in MARKS.items():
        mine = every[every["kind"] == kind]
        if mine["proven"].any():
            add(marker, f"{kind}: seeds proved to go there, by area", True)
        if mine["near"].any():
            add(marker, f"{kind}: near it, without a proof", False)
    return legend
