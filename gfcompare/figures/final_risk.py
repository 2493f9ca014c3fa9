"""Distribution of the final risk over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from gfcompare.figures.lazy import (
    data,
    legends,
    log_axes,
    marks,
    np,
    page_layout,
    pd,
    small_multiples,
    sns,
    theme,
)
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

_FLOOR = 1e-32
# Risks beyond this many times the initial median are counted at the end of the axis.
_HEADROOM = 1e6
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, kw_only=True)
class FinalRisk(Selection):
    """Distribution of the final risk over seeds, every seed a dot; those that diverged are counted."""

    name: ClassVar[str] = "final_risk"
    title: ClassVar[str] = "Distribution of the final risk"

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(self.view(tree), self.size)


@lists_options
def final_risk(tree: xr.DataTree | xr.Dataset, **options: Unpack[Shown]) -> matplotlib.figure.Figure:
    """Draw the distribution of the final risk over seeds."""
    return draw(FinalRisk, tree, options)


def layout(view: View, size: Size = None) -> PageLayout:
    """Return a panel for each problem, with a row for each method."""
    prepared = {name: _table(group) for name, group in view.groups.items()}
    tables = {name: table for name, (table, _) in prepared.items()}
    styles = theme.line_styles(view.all_methods)
    rows, columns = small_multiples.shape(len(tables), size)
    height = small_multiples.height_of_rows(view.methods, 0.22, rows)

    def draw(frame: Frame) -> None:
        panels = small_multiples.used(frame.axes, len(tables))
        for ax, (name, (table, limits)) in zip(panels, prepared.items(), strict=True):
            _draw_panel(ax, table, limits, view.methods, styles)
            ax.set_title(theme.wrapped(name, frame.title_width(0.78)))
        attrs = next(iter(view.groups.values()))["risk"].attrs
        small = any((table["risk"] == _FLOOR).any() for table in tables.values())
        note = f"0 drawn at {theme.power(round(np.log10(_FLOOR)))}" if small else ""
        frame.label(x=theme.label("final risk", str(attrs.get("units", "")), note))

    return page_layout.PageLayout(
        [page_layout.Section(rows, columns, height, draw, columns == 1, {"sharey": True})], _legend(tables)
    )


def _table(group: xr.Dataset) -> tuple[pd.DataFrame, tuple[float, float]]:
    """Return the final risks, with how each is shown in the column kind, and the limits of their axis.

    "final" ones are dots, those "above" the axis and "diverged" ones are counted at its end, "ended" is
    the last risk of a trajectory that ended early for another reason.
    """
    table = data.final_risk(group)
    table["risk"] = table["risk"].clip(lower=_FLOOR)
    table["kind"] = np.where(table["complete"], "final", "ended")
    table.loc[table["status"] == "diverged", "kind"] = "diverged"
    inside = table.loc[table["kind"] != "diverged", "risk"]
    ceiling = _HEADROOM * data.scale(group, "risk")
    if (inside <= ceiling).any():  # otherwise all are far up, and nothing can be squashed
        inside = inside.clip(upper=ceiling)
    left, right = log_axes.limits_around(inside)
    if (table["kind"] == "diverged").any() or (table["risk"] > right).any():
        right *= (right / left) ** 0.25  # room for the counts
    table.loc[(table["kind"] == "final") & (table["risk"] > right), "kind"] = "above"
    return table, (left, right)


def _draw_panel(
    ax: Axes,
    table: pd.DataFrame,
    limits: tuple[float, float],
    methods: Sequence[str],
    styles: Mapping[str, LineStyle],
) -> None:
    log_axes.make(ax, "x", limits, labels=4)
    for row, method in enumerate(methods):
        part = table[table["method"] == method]
        _draw_box(ax, row, part, styles[method])
        _draw_seeds(ax, row, part, styles[method])
    ax.set(xlabel="", ylabel="", yticks=range(len(methods)))
    ax.set_yticklabels(small_multiples.row_labels(methods))
    ax.set_ylim(len(methods) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    sns.despine(ax=ax, left=True)


def _draw_box(ax: Axes, row: int, table: pd.DataFrame, style: LineStyle) -> None:
    """Draw the quartiles and the median of one method over all seeds; what is infinite leaves the axis.

    Not by seaborn.boxplot: it calls matplotlib with an argument that matplotlib 3.13 removes, and it
    interpolates quartiles in the logarithm, unlike the bands of the other figures.
    """
    from matplotlib.patches import Rectangle

    from gfcompare.results.quantiles import quantile

    risk = table["final"].to_numpy()
    if len(risk) < 2:
        return
    lower, median, upper = (float(quantile(risk, share)) for share in (0.25, 0.5, 0.75))
    if not np.isfinite(lower):
        return
    upper = min(upper, 2.0 * ax.get_xlim()[1])
    box = Rectangle((lower, row - 0.3), upper - lower, 0.6, edgecolor=style.colour, linewidth=0.9)
    box.set_facecolor((*style.colour, 0.15))
    over: dict[str, Any] = {}
    if len(risk) > marks.MANY:  # dots that would hide it
        over = {"zorder": 3.5, "color": style.ink}
        box.set(facecolor="none", edgecolor=style.ink, zorder=3.5)
    ax.add_patch(box)
    if np.isfinite(median):
        ax.vlines(median, row - 0.3, row + 0.3, **{"color": style.colour, "linewidth": 1.6, **over})


def _draw_seeds(ax: Axes, row: int, table: pd.DataFrame, style: LineStyle) -> None:
    """Draw a dot for each seed of one method, a cross for those that ended early, counts at the edge."""
    dots, ended = table[table["kind"] == "final"], table[table["kind"] == "ended"]
    # Multiples of the golden ratio spread seeds evenly, the same at every drawing, unlike random jitter.
    spread = (dots["seed"].to_numpy() * _GOLDEN + 0.5) % 1.0 - 0.5
    size = 4 if len(table) > 8 else 9
    marks.dots(ax, dots["risk"], row + 0.4 * spread, style, size=size, alpha=0.6, zorder=3)
    right = ax.get_xlim()[1]
    marks.mark(ax, ended["risk"].fillna(right), np.full(len(ended), row), "+", style)
    counted = [("x", "diverged"), ("4", "above")]
    shown = [(mark, int((table["kind"] == kind).sum())) for mark, kind in counted]
    shown = [(mark, count) for mark, count in shown if count]
    for k, (mark, count) in enumerate(shown):
        y = row + 0.44 * (k - 0.5 * (len(shown) - 1))
        marks.mark(ax, [right], [y], mark, style)
        ax.annotate(
            f"{count}/{len(table)}",
            (right, y),
            xytext=(-5, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=theme.SMALL,
            color=style.ink,
        )


def _legend(tables: Mapping[str, pd.DataFrame]) -> Legend:
    """Return the legend; the methods' names stand at the axis."""
    from matplotlib.lines import Line2D

    legend = legends.Legend()
    every = pd.concat(list(tables.values()))
    kinds = set(every["kind"])
    dot = Line2D([], [], color=theme.GREY, linestyle="", marker="o", markersize=2.5)
    legend.add(dot, "one seed")
    if every["seed"].nunique() > 1:
        box = Line2D([], [], color=theme.GREY, linestyle="", marker="s", markersize=6, fillstyle="none")
        legend.add(box, "median and quartiles of all seeds")
    if "diverged" in kinds:
        legend.add(
            legends.mark_handle("x"),
            "share of seeds that diverged"
            if "ended" not in kinds
            else "diverged (share of seeds), or last risk where ended early",
        )
    elif "ended" in kinds:
        legend.add(legends.mark_handle("x"), "last risk of a trajectory that ended early")
    if "above" in kinds:
        legend.add(legends.mark_handle("4"), "share of seeds above the axis")
    return legend
