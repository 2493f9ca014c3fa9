"""The landscape of narrow networks: the risks of all critical points, and how many seeds go to each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.critical_risks import FLOOR, MARKS, area, legend_of, page, scatter
from gfcompare.figures.lazy import pd, small_multiples, sns, theme
from gfcompare.figures.options import Shown, Size, lists_options
from gfcompare.figures.selection import Selection, draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr
    from matplotlib.axes import Axes

    from gfcompare.certificates import Landscape as Enumerated
    from gfcompare.figures.data import View
    from gfcompare.figures.legends import Legend
    from gfcompare.figures.page_layout import PageLayout
    from gfcompare.figures.theme import LineStyle

# Lines of the levels of minima, saddles and degenerate points.
_LINES = {"minimum": "-", "saddle": ":", "degenerate": "--"}
_FIRST_ROW = "all critical points"
_NEAR = "seeds that are near, without a proof"


@dataclass(frozen=True, kw_only=True)
class Landscape(Selection):
    """Risks of all critical points of networks with one or two neurons, and the seeds that go to each."""

    name: ClassVar[str] = "landscape"
    title: ClassVar[str] = "All critical points by their risks, and the seeds that go there"
    scope: ClassVar[str] = (
        "certificates, which gfcompare certify adds, of one or two hidden neurons on polynomials"
    )
    by_default: ClassVar[bool] = False

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether a problem has certificates, and a landscape that can be enumerated."""
        from gfcompare.certificates.landscape import not_covered
        from gfcompare.components.errors import InputError
        from gfcompare.results.rebuild import problem_of

        if "certificate_critical_point" not in group:
            return False
        try:
            return not not_covered(problem_of(group))
        except InputError:
            return False

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(self.view(tree), tree, self.size)


@lists_options
def landscape(tree: xr.DataTree, **options: Unpack[Shown]) -> matplotlib.figure.Figure:
    """Draw the risks of all critical points of narrow networks, and how many seeds go to each.

    The first row has every critical point, with the number of those that share a risk; below, for each
    method, marks have the numbers of seeds: filled, if they are proved to go there, hollow, if they are
    only near.
    """
    return draw(Landscape, tree, options)


def layout(view: View, tree: xr.DataTree, size: Size = None) -> PageLayout:
    """Return a panel for each problem, with a row for its landscape and one for each method."""
    from gfcompare import certificates

    frame = certificates.of_tree(tree)
    found, _ = certificates.landscapes(tree)
    names = [name for name in view.groups if name in found]
    if frame is None or not names:
        raise NothingToDraw("no problem has certificates and a landscape")
    levels = {name: table(found[name], frame[frame["problem"] == name]) for name in names}
    return page(view, levels, ([_FIRST_ROW, *view.methods], 0.42), size, _draw_panel, _legend(levels))


def table(found: Enumerated, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each level of risk, kind of critical point and method, the landscape's own with "".

    Critical points share a level if their risks are not told apart by ten digits, as those of mirror images
    are; ``proven`` of the landscape's own row is their number.
    """
    from gfcompare import certificates

    counts = certificates.visits(found, frame)
    rows = []
    for k, point in enumerate(found.points):
        risk = max(float(f"{point.risk_high:.10g}"), FLOOR)
        kind = point.kind.split(" ")[0]
        rows.append((risk, kind, "", 1, 0))
        mine: Any = counts[counts["point"] == k].itertuples(index=False)
        rows.extend((risk, kind, str(row.method), int(row.proven), int(row.near)) for row in mine)
    levels = pd.DataFrame(rows, columns=["risk", "kind", "method", "proven", "near"])
    return levels.groupby(["risk", "kind", "method"], as_index=False, sort=True).sum()


def _draw_panel(
    ax: Axes, levels: pd.DataFrame, seeds: int, methods: Sequence[str], styles: Mapping[str, LineStyle]
) -> None:
    """Draw levels side by side in the order of their risks, which may lie as near as 10^-5 to each other."""
    items: list[Any] = list(levels.itertuples(index=False))
    places = {key: k for k, key in enumerate(dict.fromkeys((item.risk, item.kind) for item in items))}
    for (_, kind), place in places.items():
        ax.axvline(place, color="0.8", linewidth=0.5, linestyle=_LINES[kind], zorder=0.5)
    for item in items:
        row = methods.index(item.method) + 1 if item.method else 0
        colour = styles[item.method].colour if item.method else theme.GREY
        for count, filled in ((item.proven, True), (item.near, False)):
            if not count:
                continue
            x, y = places[item.risk, item.kind], row + (0.0 if filled else 0.3)
            share = count / seeds if item.method else 0.0
            scatter(ax, [x], [y], share, item.kind, colour, filled)
            reach = 0.5 * math.sqrt(area(share))
            ax.annotate(
                str(count), (x, y), (reach + 1.0, 0.0), textcoords="offset points", va="center", fontsize=6
            )
    ax.set(xlabel="", ylabel="", yticks=range(len(methods) + 1), xticks=range(len(places)))
    texts = _labels([risk for risk, _ in places])
    ax.set_xticklabels(texts, rotation=60, ha="right", rotation_mode="anchor", fontsize=6)
    ax.set_yticklabels(small_multiples.row_labels([_FIRST_ROW, *methods]))
    ax.set_xlim(-0.5, len(places) - 0.3)
    ax.set_ylim(len(methods) + 0.6, -0.5)
    ax.grid(False)
    ax.tick_params(length=0)
    sns.despine(ax=ax, left=True, bottom=True)


def _labels(risks: Sequence[float]) -> list[str]:
    """Return risks with as few digits as tell them apart, at least three."""
    for digits in range(3, 11):
        texts = [f"{risk:.{digits}g}" for risk in risks]
        if len(set(texts)) == len(set(risks)):
            break
    return texts


def _legend(levels: Mapping[str, pd.DataFrame]) -> Legend:
    """Return the legend of the marks; the numbers beside them are those of points, or of seeds."""
    every = pd.concat(list(levels.values()))
    entries = [(marker, kind, True) for kind, marker in MARKS.items() if (every["kind"] == kind).any()]
    return legend_of([*entries, *([("o", _NEAR, False)] if every["near"].any() else [])])
