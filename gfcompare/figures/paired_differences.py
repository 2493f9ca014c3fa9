"""Final risks divided by those of a baseline: every seed, the median and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.lazy import legends, log_axes, marks, np, page_layout, small_multiples, sns, theme
from gfcompare.figures.options import Shown, Size, lists_options
from gfcompare.figures.selection import Selection, draw

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

    from gfcompare.figures.data import View
    from gfcompare.figures.legends import Legend
    from gfcompare.figures.page_layout import Frame, PageLayout
    from gfcompare.figures.theme import LineStyle
    from gfcompare.results.reading import Array

_LARGEST = 100.0  # decades; no finite risk is further from another one
_GOLDEN = 0.6180339887498949
_NAMES = ("log10 ratio", "log10 ratio from", "log10 ratio to")


@dataclass(frozen=True, kw_only=True)
class PairedDifferences(Selection):
    """Final risk of each method by that of a baseline on the same seeds, with 95 % intervals.

    Parameters
    ----------
    baseline : a method; None means the first one of the study
    """

    name: ClassVar[str] = "paired_differences"
    title: ClassVar[str] = "Final risk by that of another method, seed by seed"
    baseline: str | None = None

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(tree, self.view(tree), self.baseline, self.size)


@lists_options
def paired_differences(
    tree: xr.DataTree,
    *,
    baseline: str | None = None,
    **options: Unpack[Shown],
) -> matplotlib.figure.Figure:
    """Draw final risks divided by those of a baseline, seed by seed, with the 95 % interval of the median.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    baseline : a method; None means the first one of the study
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if there is no method besides the baseline
    """
    return draw(PairedDifferences, tree, {"baseline": baseline, **options})


def layout(tree: xr.DataTree, view: View, baseline: str | None, size: Size = None) -> PageLayout:
    """Return a panel for each problem, a row for each method but the baseline."""
    from gfcompare import statistics

    table = statistics.paired_differences(tree, baseline)
    against = str(table["against"].iloc[0]) if len(table) else ""
    methods = [method for method in view.methods if method != against]
    problems = [name for name in view.groups if name in table.index.get_level_values("problem")]
    if not methods or not problems:
        raise NothingToDraw("there is no method to compare with another one")
    seeds = {name: statistics.log_ratios(tree[name].to_dataset(), against) for name in problems}
    styles = theme.line_styles(view.all_methods)
    rows, columns = small_multiples.shape(len(problems), size)
    height = small_multiples.height_of_rows(methods, 0.26, rows)

    def draw(frame: Frame) -> None:
        for ax, name in zip(small_multiples.used(frame.axes, len(problems)), problems, strict=True):
            _draw_panel(ax, table.loc[[name]].droplevel("problem"), seeds[name], methods, styles)
            ax.set_title(theme.wrapped(name, frame.title_width(0.71)))
        frame.label(x=f"final risk divided by that of {theme.escaped(against)}")

    legend = _legend(table.loc[problems], seeds)
    return page_layout.PageLayout(
        [page_layout.Section(rows, columns, height, draw, columns == 1, {"sharey": True})], legend
    )


def _draw_panel(
    ax: Axes,
    table: pd.DataFrame,
    seeds: pd.DataFrame,
    methods: Sequence[str],
    styles: Mapping[str, LineStyle],
) -> None:
    ends = table[list(_NAMES)].to_numpy(dtype=np.float64)
    values = np.concatenate([seeds.to_numpy(dtype=np.float64).ravel(), ends.ravel(), [0.0]])
    finite = np.clip(values[np.isfinite(values)], -_LARGEST, _LARGEST)
    left, right = log_axes.limits_around(10.0**finite)
    wider = (right / left) ** 0.22  # room for counts at the edges
    limits = left / wider ** np.any(values == -np.inf), right * wider ** np.any(values == np.inf)
    log_axes.make(ax, "x", limits, labels=4)
    ax.axvline(1.0, color="0.3", linewidth=0.8, zorder=1.5)
    for row, method in enumerate(methods):
        if method in table.index:
            _draw_seeds(ax, row, seeds.loc[method].to_numpy(dtype=np.float64), styles[method])
            estimate = table.loc[[method], list(_NAMES)].to_numpy(dtype=np.float64)[0]
            _draw_interval(ax, row, estimate, styles[method])
    ax.set(xlabel="", ylabel="", yticks=range(len(methods)))
    ax.set_yticklabels(small_multiples.row_labels(methods))
    ax.set_ylim(len(methods) - 0.5, -0.5)
    ax.grid(False, axis="y")
    ax.tick_params(axis="y", length=0)
    sns.despine(ax=ax, left=True)


def _draw_seeds(ax: Axes, row: int, values: Array, style: LineStyle) -> None:
    """Draw a dot for each seed, and count those that are infinitely far at the edge."""
    inside = np.isfinite(values)
    # Multiples of the golden ratio spread seeds evenly, the same at every drawing, unlike random jitter.
    spread = (np.arange(values.size) * _GOLDEN + 0.5) % 1.0 - 0.5
    x = 10.0 ** np.clip(values[inside], -_LARGEST, _LARGEST)
    marks.dots(ax, x, row + 0.5 * spread[inside], style, size=4, alpha=0.4, zorder=2)
    for edge, sign, side in zip(ax.get_xlim(), (-1, 1), ("left", "right"), strict=True):
        count = int((values == sign * np.inf).sum())
        if count:
            marks.mark(ax, [edge], [row + 0.3], "x", style)
            ax.annotate(
                f"{count}/{values.size}",
                (edge, row + 0.3),
                xytext=(-5 * sign, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=6.5,
                color=style.colour,
            )


def _draw_interval(ax: Axes, row: int, estimate: Array, style: LineStyle) -> None:
    """Draw the median and its interval; what is infinitely far ends at the edge in an arrow."""
    left, right = ax.get_xlim()

    def place(value: float) -> float:
        return float(np.clip(10.0 ** np.clip(value, -_LARGEST, _LARGEST), left, right))

    middle, low, high = map(float, estimate)
    if not np.isnan(low):
        ax.plot([place(low), place(high)], [row, row], color=style.colour, linewidth=1.8, zorder=3)
        for end in (low, high):
            if np.isinf(end):
                marks.mark(ax, [place(end)], [row], ">" if end > 0 else "<", style)
    if np.isfinite(middle):
        dot: dict[str, Any] = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5}
        ax.plot([place(middle)], [row], color=style.colour, marker=style.marker, zorder=4, **dot)
    elif np.isnan(low):
        marks.mark(ax, [place(middle)], [row], ">" if middle > 0 else "<", style)


def _legend(table: pd.DataFrame, seeds: Mapping[str, pd.DataFrame]) -> Legend:
    """Return the legend; the methods' names stand at the axis."""
    from matplotlib.lines import Line2D

    legend = legends.Legend()
    values = np.concatenate([part.to_numpy(dtype=np.float64).ravel() for part in seeds.values()])
    known = table["log10 ratio from"].notna().any()
    grey: dict[str, Any] = {"color": theme.GREY, "marker": "o"}
    line = Line2D([], [], linewidth=1.8 if known else 0.0, markersize=5, markeredgecolor="white", **grey)
    legend.add(line, "median and 95 % interval" if known else "median; too few seeds for an interval")
    if max(part.shape[1] for part in seeds.values()) > 1:
        legend.add(Line2D([], [], linestyle="", markersize=2.5, alpha=0.6, **grey), "one seed")
    if np.isinf(values).any():
        legend.add(legends.mark_handle("x"), "seeds on which only one reached the end")
    return legend
