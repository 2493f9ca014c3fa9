"""Networks against the target, for one seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

from gfcompare.figures import one_trajectory
from gfcompare.figures.lazy import data, legends, marks, np, page_layout, small_multiples, sns, theme
from gfcompare.figures.one_trajectory import Choice, OfOneSeed
from gfcompare.figures.options import Shown, lists_options
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr
    from matplotlib.axes import Axes

    from gfcompare.figures.legends import Legend
    from gfcompare.figures.page_layout import Frame, PageLayout, Section
    from gfcompare.figures.theme import LineStyle

# How points of a data set and those held out are drawn.
_POINTS: dict[bool, dict[str, Any]] = {
    False: {"marker": "o", "color": "0.25", "markersize": 2.0, "markeredgewidth": 0.0},
    True: {"marker": "o", "color": "0.25", "markersize": 2.6, "markeredgewidth": 0.5, "fillstyle": "none"},
}


@dataclass(frozen=True, kw_only=True)
class Fit(OfOneSeed):
    """Networks against the target, for one seed: curves, maps of a rectangle, or values at points.

    With one input, target and networks are drawn as functions at some flow times; on a rectangle as maps
    on one scale; otherwise the network's value is drawn against the target's at each point.

    Parameters
    ----------
    times : flow times, of which the nearest saved ones are shown; none means some from start to end with one
        input, and the end otherwise
    """

    name: ClassVar[str] = "fit"
    title: ClassVar[str] = "Fitted functions at chosen times"
    times: Sequence[float] = ()

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(self.choice(self.view(tree), self.times))


@lists_options
def fit(
    tree: xr.DataTree, *, seed: int | None = None, times: Sequence[float] = (), **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw the networks against the target, for one seed.

    With one input both are drawn as functions, on a rectangle as maps on one colour scale; with more inputs
    or on points in the plane, the network's value is drawn against the target's at each point.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    seed : by default, for each problem, the one with the median final risk of the first method
    times : flow times, of which the nearest saved ones are shown; none means some from start to end with
        one input, and the end otherwise
    options : see `Shown`
    """
    return draw(Fit, tree, {"seed": seed, "times": times, **options})


def layout(choice: Choice) -> PageLayout:
    """Return functions of one input, maps of rectangles and values at points."""
    from gfcompare.figures import fit_at_points, fit_maps

    legend = legends.Legend()
    sections = []
    curves = choice.part(name for name, group in choice.groups.items() if group.sizes["input"] == 1)
    maps = choice.part(name for name, group in choice.groups.items() if "x_1" in group.variables)
    others = choice.part(name for name in choice.groups if name not in {*curves.groups, *maps.groups})
    if curves.groups:
        sections.append(_line_section(curves, legend))
    if maps.groups:
        sections.append(fit_maps.section(maps))
    if others.groups:
        sections.append(fit_at_points.section(others, legend))
    return page_layout.PageLayout(sections, legend)


def _line_section(choice: Choice, legend: Legend) -> Section:
    """Return functions: a row for each problem (and output), a column for each time; extend the legend."""
    from matplotlib.lines import Line2D

    from gfcompare.figures import titles

    groups, styles = choice.groups, theme.line_styles(choice.view.all_methods)
    rows = [
        (name, k) for name, group in groups.items() for k in range(min(group.sizes["output"], titles.OUTPUTS))
    ]
    count = 3 if choice.size == "column" else 4
    indices = {
        name: one_trajectory.chosen_times(group, choice.times, count) for name, group in groups.items()
    }
    if any("target" in group.variables for group in groups.values()):
        legend.add(Line2D([], [], color="black", linewidth=1.4), "target")
    for kind, label in (("sample_x", "target at the points"), ("test_x", "point held out")):
        if any(kind in group.variables for group in groups.values()):
            legend.add(Line2D([], [], linestyle="", **_POINTS[kind == "test_x"]), label)
    columns = max(len(found) for found in indices.values())
    outcomes = data.outcomes(choice.view, choice.seeds)
    for method in choice.view.methods:
        outcome = outcomes[method]
        handle = legends.line_handle(styles[method], marker=False)
        legend.add(handle, f"{method} ({outcome})" if outcome else method)

    def draw(frame: Frame) -> None:
        before: list[str] = []
        for line, (name, output) in zip(frame.axes, rows, strict=True):
            group = groups[name]
            panels = small_multiples.used(line, len(indices[name]))
            for ax, index in zip(panels, indices[name], strict=True):
                _draw_fit_panel(ax, group, choice.seeds[name], index, output, styles)
            _share_limits(panels, group, output)
            above = [f"$t$ = {theme.number(float(group['time'][index]))}" for index in indices[name]]
            before = small_multiples.title_columns(panels, above, before)
            text = titles.row_title(name, choice.seeds[name], group, output)
            small_multiples.margin_title(panels[-1], text, beside=len(panels) < columns)
        frame.label(
            x="input $x$", y=titles.value_label("network and target", groups.values(), 20 * len(rows))
        )

    return page_layout.Section(len(rows), columns, 1.3, draw, columns == 1, {"sharex": _sharing(groups)})


def _draw_target(ax: Axes, group: xr.Dataset, output: int) -> None:
    """Draw the target, or its values at the points where alone it is known."""
    if "target" in group.variables:
        ax.plot(group["x"].values, group["target"].values[:, output], color="black", linewidth=1.4)
    for held_out, kind in ((False, "sample"), (True, "test")):
        if f"{kind}_x" in group.variables:
            x, y = group[f"{kind}_x"].values[:, 0], group[f"{kind}_target"].values[:, output]
            size = 1.0 if len(x) <= 100 else 0.7
            style = _POINTS[held_out] | {"markersize": size * _POINTS[held_out]["markersize"]}
            ax.plot(x, y, linestyle="", **style)


def _draw_fit_panel(
    ax: Axes, group: xr.Dataset, seed: int, index: int, output: int, styles: Mapping[str, LineStyle]
) -> None:
    x = one_trajectory.grid(group)
    _draw_target(ax, group, output)
    low, high = one_trajectory.value_limits(group, output)
    missing = []
    for method in (str(m) for m in group["integrator"].values):
        values = one_trajectory.fitted(group, method, seed, index)[:, output]
        # Matplotlib's path code overflows on what a diverging network represents.
        values = np.clip(values, low - 10 * (high - low), high + 10 * (high - low))
        style = styles[method]
        ax.plot(x, values, color=style.colour, linestyle=style.linestyle, linewidth=style.width - 0.2)
        if not np.any((values >= low) & (values <= high)):
            missing.append(method)
    if missing and index > 0:
        who = ", ".join(missing)
        if len(who) > 18:
            who = f"{len(missing)} methods" if len(missing) > 1 else "1 method"
        marks.remark(ax, f"{theme.escaped(who)} not in view", 0.97, 0.04, "right", "bottom")
    margin = 0.0 if "target" in group.variables else 0.03 * float(x[-1] - x[0])
    ax.set_xlim(float(x[0]) - margin, float(x[-1]) + margin)
    ax.locator_params(axis="x", nbins=3)
    ax.locator_params(axis="y", nbins=4)
    sns.despine(ax=ax)


def _share_limits(panels: Sequence[Axes], group: xr.Dataset, output: int) -> None:
    """Give the panels of a row the same vertical axis, except the initial one, where fits are far off."""
    for k, ax in enumerate(panels):
        if k == 0 and len(panels) > 1:
            continue
        ax.set_ylim(*one_trajectory.value_limits(group, output))
        ax.tick_params(axis="y", labelleft=k <= 1)


def _sharing(groups: Mapping[str, xr.Dataset]) -> Literal["all", "row"]:
    """Return whether all panels can share the axis of inputs."""
    intervals = {(float(g.attrs["lower"]), float(g.attrs["upper"])) for g in groups.values()}
    return "all" if len(intervals) == 1 else "row"
