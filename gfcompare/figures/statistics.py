"""Figures of statistics over seeds: what each shows. How it is drawn is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gfcompare.figures.base import Selection, check_one_of
from gfcompare.results.clocks import Clock

if TYPE_CHECKING:
    import xarray as xr

    from gfcompare.figures.sketch import Sketch


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

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import shares

        return shares.times(tree, self.view(tree), self.targets, self.clock, self.size)


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

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import shares

        return shares.profiles(tree, self.view(tree), self.targets, self.clock, self.size)


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

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import differences

        return differences.sketch(tree, self.view(tree), self.baseline, self.size)
