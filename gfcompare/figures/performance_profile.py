"""Performance profiles: share of instances on which a method is within a factor of the best one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.lazy import log_axes, np, page_layout, small_multiples, theme
from gfcompare.figures.options import Shown, Size, check_one_of, lists_options
from gfcompare.figures.selection import Selection, draw
from gfcompare.results.clocks import Clock

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

    from gfcompare.figures.data import View
    from gfcompare.figures.page_layout import Frame, PageLayout
    from gfcompare.statistics.reaching import Targets

_COSTS = {"gradients": "gradient evaluations", "wall_time": "wall time", "flow_time": "flow time"}


@dataclass(frozen=True, kw_only=True)
class PerformanceProfile(Selection):
    """Performance profiles: share of instances on which a method is within a factor of the best one.

    Only the problems and methods that are shown are compared.

    Parameters
    ----------
    targets : risks, or for each problem its own; None means three at equal steps of log risk
    clock : the cost, "gradients", "wall_time" or "flow_time"; None means the first two
    """

    name: ClassVar[str] = "performance_profile"
    title: ClassVar[str] = "Performance profiles"
    targets: float | Sequence[float] | Mapping[str, Sequence[float]] | None = None
    clock: Clock | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("clock", self.clock, Clock)

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(tree, self.view(tree), self.targets, self.clock, self.size)


@lists_options
def performance_profile(
    tree: xr.DataTree,
    *,
    targets: float | Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    clock: Clock | None = None,
    **options: Unpack[Shown],
) -> matplotlib.figure.Figure:
    """Draw the performance profiles: on which share of instances a method is within a factor of the best.

    Only the problems and methods that are shown are compared.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    targets : risks, or for each problem its own; None means those of `gfcompare.default_targets`
    clock : the cost, "gradients", "wall_time" or "flow_time"; None means the first two
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if there are not two methods whose costs can be compared
    """
    return draw(PerformanceProfile, tree, {"targets": targets, "clock": clock, **options})


def layout(
    tree: xr.DataTree,
    view: View,
    targets: Targets | None,
    clock: Clock | None,
    size: Size = None,
) -> PageLayout:
    """Return a panel for each cost, with the profiles over all problems, targets and seeds."""
    import xarray as xr

    from gfcompare.figures import shares
    from gfcompare.statistics import performance_profiles
    from gfcompare.statistics.profiles import COSTS
    from gfcompare.statistics.reaching import chosen_targets

    chosen = {name: risks for name, risks in chosen_targets(tree, targets).items() if name in view.groups}
    shown = xr.DataTree.from_dict(dict(view.groups))
    clocks = COSTS if clock is None else (clock,)
    tables = {cost: performance_profiles(shown, cost, chosen) for cost in clocks}
    tables = {cost: table for cost, table in tables.items() if len(table) and len(table.columns) > 1}
    if not tables:
        raise NothingToDraw("there are not two methods whose times to a target risk can be compared")
    styles = theme.line_styles(view.all_methods)
    rows, columns = small_multiples.shape(len(tables), size)
    compared = [m for m in view.methods if any(m in table.columns for table in tables.values())]

    def draw(frame: Frame) -> None:
        for ax, (cost, table) in zip(frame.axes.ravel(), tables.items(), strict=True):
            limits = log_axes.limits_around(np.append(table.index, 10.0))
            for method in table.columns:
                x, y = table.index.to_numpy(), table[method].to_numpy()
                shares.draw_steps(ax, np.append(x, limits[1]), np.append(y, y[-1]), styles[method])
            shares.finish(ax, limits)
            left_out = [m for m in compared if m not in table.columns]
            ax.set_title(theme.wrapped(_title(cost, left_out), min(84 // columns, 60)))
        counts = {str(table.attrs["instances"]) for table in tables.values()}
        share = f"share of {counts.pop() if len(counts) == 1 else ''} instances".replace("  ", " ")
        frame.label(x="cost divided by that of the best method", y=share)

    height = 2.0 if columns > 1 or size != "text" else 2.6
    legend = shares.legend_of(compared, styles, dict.fromkeys(compared, ""))
    return page_layout.PageLayout(
        [page_layout.Section(rows, columns, height, draw, columns == 1, {"sharey": True})], legend
    )


def _title(cost: str, left_out: Sequence[str]) -> str:
    if not left_out:
        return _COSTS[cost]
    who = " and ".join(left_out) if len(left_out) <= 2 else "methods on samples"
    return f"{_COSTS[cost]}, {who} left out"
