"""Risks of critical points as levels, and marks of the seeds at each: for `limits` and `landscape`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gfcompare.figures.lazy import legends, np, page_layout, pd, small_multiples, theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gfcompare.figures.data import View
    from gfcompare.figures.legends import Legend
    from gfcompare.figures.options import Size
    from gfcompare.figures.page_layout import Frame, PageLayout
    from gfcompare.figures.theme import LineStyle

#: Draws the panel of a problem: axes, its table, its number of seeds, the methods, their styles.
DrawPanel = Callable[["Axes", "pd.DataFrame", int, Sequence[str], Mapping[str, "LineStyle"]], object]

#: Risks below this are drawn here, and the label of the axis says so.
FLOOR = 1e-32
#: Marks of minima, saddles and degenerate points.
MARKS = {"minimum": "o", "saddle": "D", "degenerate": "s"}
# Areas of the marks of one seed and of all seeds, in square points.
_SMALLEST, _LARGEST = 12.0, 150.0


def page(
    view: View,
    tables: Mapping[str, pd.DataFrame],
    height_of_rows: tuple[Sequence[str], float],
    size: Size,
    draw_panel: DrawPanel,
    legend: Legend,
) -> PageLayout:
    """Return a page with a panel for each problem.

    Parameters
    ----------
    view : of the result
    tables : of each problem, with the column ``risk``
    height_of_rows : labels of the rows of a panel, and the height of each in inches
    size : of the page
    draw_panel : draws a panel
    legend : of all panels
    """
    styles = theme.line_styles(view.all_methods)
    rows, columns = small_multiples.shape(len(tables), size)
    height = small_multiples.height_of_rows(*height_of_rows, rows)
    small = any((found["risk"] <= FLOOR).any() for found in tables.values())

    def draw(frame: Frame) -> None:
        panels = small_multiples.used(frame.axes, len(tables))
        for ax, (name, found) in zip(panels, tables.items(), strict=True):
            draw_panel(ax, found, view.groups[name].sizes["seed"], view.methods, styles)
            ax.set_title(theme.wrapped(name, frame.title_width(0.78)))
        attrs = next(iter(view.groups.values()))["risk"].attrs
        note = f"below {theme.power(round(np.log10(FLOOR)))} drawn there" if small else ""
        frame.label(x=theme.label("risk of the critical point", str(attrs.get("units", "")), note))

    section = page_layout.Section(rows, columns, height, draw, columns == 1, {"sharey": True})
    return page_layout.PageLayout([section], legend)


def area(share: Any) -> Any:
    """Return the area of a mark, in square points, of a share of the seeds."""
    return _SMALLEST + (_LARGEST - _SMALLEST) * share


def scatter(ax: Axes, x: Any, y: Any, share: Any, kind: str, colour: Any, filled: bool) -> None:
    """Draw marks of shares of the seeds: filled if they are proved to go there."""
    ax.scatter(
        x,
        y,
        s=area(share),
        marker=MARKS[kind],
        facecolor=colour if filled else "none",
        edgecolor=colour,
        alpha=0.6 if filled else 1.0,
        linewidth=0.8,
        zorder=3,
    )


def legend_of(entries: Sequence[tuple[str, str, bool]]) -> Legend:
    """Return the legend of marks: for each the marker, the label, and whether it is filled."""
    from matplotlib.lines import Line2D

    legend = legends.Legend()
    for marker, label, filled in entries:
        handle = Line2D([], [], color=theme.GREY, linestyle="", marker=marker, markersize=5)
        handle.set_markerfacecolor(theme.GREY if filled else "none")
        legend.add(handle, label)
    return legend
