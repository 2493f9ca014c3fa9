"""Figures of statistics over seeds: what each shows. How it is drawn is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gfcompare.figures.base import Chosen

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

    from gfcompare.trajectories import Clock


@dataclass(frozen=True)
class TimeToTarget(Chosen):
    """Share of seeds that have reached a target risk, against a clock, with 95 % intervals.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    targets : risks, or for each problem its own; None means three at equal steps of log risk
    clock : "flow_time", "gradients" or "wall_time"
    """

    name: ClassVar[str] = "time_to_target"
    title: ClassVar[str] = "Share of seeds that have reached a target risk"
    targets: float | Sequence[float] | Mapping[str, Sequence[float]] | None = None
    clock: Clock = "gradients"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import shares

        return shares.draw_times(tree, self.view(tree), self.targets, self.clock)


@dataclass(frozen=True)
class PerformanceProfile(Chosen):
    """Performance profiles: share of instances on which a method is within a factor of the best one.

    Parameters
    ----------
    problems, methods : names of those that are shown, and compared; none means all
    targets : risks, or for each problem its own; None means three at equal steps of log risk
    clock : the cost, "gradients", "wall_time" or "flow_time"; None means the first two
    """

    name: ClassVar[str] = "performance_profile"
    title: ClassVar[str] = "Performance profiles"
    targets: float | Sequence[float] | Mapping[str, Sequence[float]] | None = None
    clock: Clock | None = None

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import shares

        return shares.draw_profiles(tree, self.view(tree), self.targets, self.clock)


@dataclass(frozen=True)
class PairedDifferences(Chosen):
    """Final risk of each method by that of a baseline on the same seeds, with 95 % intervals.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    baseline : a method; None means the first one of the study
    """

    name: ClassVar[str] = "paired_differences"
    title: ClassVar[str] = "Final risk by that of another method, seed by seed"
    baseline: str | None = None

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import differences

        return differences.draw(tree, self.view(tree), self.baseline)
