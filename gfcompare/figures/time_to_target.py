"""Share of seeds that have reached a target risk, against a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.lazy import data, log_axes, np, page_layout, small_multiples, theme
from gfcompare.figures.options import Shown, Size, check_one_of, lists_options
from gfcompare.figures.selection import Selection, draw
from gfcompare.results.clocks import Clock

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr
    from matplotlib.axes import Axes

    from gfcompare.figures.data import View
    from gfcompare.figures.page_layout import Frame, PageLayout
    from gfcompare.figures.theme import LineStyle
    from gfcompare.statistics.intervals import Steps
    from gfcompare.statistics.reaching import Targets

_COLUMNS = 3


@dataclass(frozen=True, kw_only=True)
class TimeToTarget(Selection):
    """Share of seeds that have reached a target risk, against a clock, with 95 % intervals.

    Parameters
    ----------
    targets : risks, or for each problem its own; None means three at equal steps of log risk
    clock : "flow_time", "gradients" or "wall_time"
    """

    name: ClassVar[str] = "time_to_target"
    title: ClassVar[str] = "Share of seeds that have reached a target risk"
    targets: float | Sequence[float] | Mapping[str, Sequence[float]] | None = None
    clock: Clock = "gradients"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("clock", self.clock, Clock)

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(tree, self.view(tree), self.targets, self.clock, self.size)


@lists_options
def time_to_target(
    tree: xr.DataTree,
    *,
    targets: float | Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    clock: Clock = "gradients",
    **options: Unpack[Shown],
) -> matplotlib.figure.Figure:
    """Draw which share of the seeds has reached a target risk, with 95 % intervals, against a clock.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    targets : risks, or for each problem its own; None means those of `gfcompare.default_targets`
    clock : "flow_time", "gradients" or "wall_time"
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no risk fell, so that there is no target
    """
    return draw(TimeToTarget, tree, {"targets": targets, "clock": clock, **options})


@dataclass(frozen=True)
class _Curve:
    """The share of seeds that have reached a target, and the clock up to which it is known."""

    steps: Steps
    known: float


@dataclass(frozen=True)
class _Panel:
    """The curves of a problem and a target, by method, and over how many seeds."""

    problem: str
    target: float
    seeds: int
    curves: Mapping[str, _Curve]


def layout(
    tree: xr.DataTree, view: View, targets: Targets | None, clock: Clock, size: Size = None
) -> PageLayout:
    """Return a row of panels for each problem, a panel for each target risk."""
    from matplotlib.patches import Patch

    from gfcompare.figures import curves, shares
    from gfcompare.statistics.intervals import FEWEST
    from gfcompare.statistics.reaching import chosen_targets

    chosen = chosen_targets(tree, targets)
    most = small_multiples.most_columns(size) if size == "column" else _COLUMNS
    lines: list[list[_Panel]] = []
    for name, group in view.groups.items():
        panels = [_panel(name, group, target, clock) for target in chosen.get(name, ())]
        lines += small_multiples.evenly(panels, most) if panels else []
    if not lines:
        raise NothingToDraw("no target risk lies between the initial and the final risks")
    styles, columns = theme.line_styles(view.all_methods), max(map(len, lines))
    legend = shares.legend_of(view.methods, styles, data.outcomes(view))
    if any(group.sizes["seed"] >= FEWEST for group in view.groups.values()):
        legend.add(Patch(color=theme.GREY, alpha=0.3, linewidth=0), "95 % interval")

    def draw(frame: Frame) -> None:
        for row, panels in zip(frame.axes, lines, strict=True):
            name = panels[0].problem
            every = [panel for line in lines for panel in line if panel.problem == name]
            limits = _limits(view.groups[name], clock, every)
            shown = small_multiples.used(row, len(panels))
            for ax, panel in zip(shown, panels, strict=True):
                _draw_times(ax, panel, limits, styles)
                target = f"risk ≤ {theme.number(panel.target)}"
                title = theme.wrapped(f"{name}: {target}" if columns == 1 else target, 60)
                ax.set_title(theme.typeset(title))
            if columns > 1:
                small_multiples.margin_title(shown[-1], theme.wrapped(name, 22), beside=len(shown) < columns)
        frame.label(x=curves.clock_label(view, clock), y="share of seeds")

    height = 1.5 if columns > 1 or size != "text" else 2.6
    return page_layout.PageLayout(
        [page_layout.Section(len(lines), columns, height, draw, columns == 1, {"sharey": True})], legend
    )


def _panel(name: str, group: xr.Dataset, target: float, clock: Clock) -> _Panel:
    from gfcompare.statistics import first_reach, kaplan_meier

    reach = first_reach(group, target, clock)
    found = {}
    for k, method in enumerate(group["integrator"].values):
        watched = reach.times[k][reach.censored[k]]
        known = float(watched.max()) if watched.size else np.inf
        found[str(method)] = _Curve(kaplan_meier(reach.times[k], reach.reached[k]), known)
    return _Panel(name, target, group.sizes["seed"], found)


def _limits(group: xr.Dataset, clock: Clock, panels: Sequence[_Panel]) -> tuple[float, float]:
    """Return the limits of a problem's clock: from the first step of a share to the end of the study."""
    from gfcompare.results.reading import clock_values

    steps = [curve.steps.times for panel in panels for curve in panel.curves.values()]
    ends = np.fmax.reduce(clock_values(group, clock), axis=None, initial=0.0)
    least = 1.0 if clock == "gradients" else 0.0  # a fraction of a gradient is interpolated
    return log_axes.limits_around(np.append(np.concatenate(steps), ends).clip(min=least))


def _draw_times(
    ax: Axes, panel: _Panel, limits: tuple[float, float], styles: Mapping[str, LineStyle]
) -> None:
    from gfcompare.figures import shares
    from gfcompare.statistics.intervals import FEWEST

    left, right = limits
    for method, curve in panel.curves.items():
        steps, style = curve.steps, styles[method]
        end = min(right, max(curve.known, left))
        x = np.append(np.clip(steps.times, left, end), end)
        share, low, high = (
            np.append(values, values[-1:] if values.size else 0.0)
            for values in (steps.share, steps.low, steps.high)
        )
        # Before the first step the bands of all methods would lie upon each other.
        begun = np.flatnonzero((share > 0) & (panel.seeds >= FEWEST))
        begun = begun[shares.seen(share[begun])]
        ax.fill_between(
            x[begun], low[begun], high[begun], step="post", color=style.colour, alpha=0.13, linewidth=0
        )
        shares.draw_steps(ax, np.append(left, x), np.append(0.0, share), style)
    shares.finish(ax, limits)
