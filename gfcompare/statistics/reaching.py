"""Target risks, and when each trajectory reaches one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.components.component import require
from gfcompare.components.errors import known_name
from gfcompare.integrators.status import Status
from gfcompare.results.clocks import Clock
from gfcompare.results.reading import Array, clock_values
from gfcompare.statistics.final_values import groups, initial_scale, median_risks, rounding

#: Target risks: one for all problems, several, or for each problem its own.
Targets = float | Sequence[float] | Mapping[str, Sequence[float]]

_LEVELS = 4  # equal steps of log risk, of which the last one ends at the best method's final risk

# A trajectory that was stopped so is not known to miss the target. With any other ending it is.
_STOPPED = [Status.STEP_LIMIT.value, Status.TIME_LIMIT.value]


def default_targets(tree: xr.DataTree) -> dict[str, tuple[float, ...]]:
    """Return three target risks for each problem, falling, at equal steps of log risk.

    They part the way from the median initial risk to the lowest median final risk of a method into four
    equal steps, and are rounded to two digits. A problem on which no method's median fell has none.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    """
    return {name: _between(initial_scale(data, "risk"), _lowest(data)) for name, data in groups(tree).items()}


def _lowest(data: xr.Dataset) -> float:
    return max(float(median_risks(data).min()), rounding(data, "risk"))


def _between(start: float, end: float) -> tuple[float, ...]:
    if not 0 < end < start < math.inf:
        return ()
    exact = [start * (end / start) ** (k / _LEVELS) for k in range(1, _LEVELS)]
    for digits in range(2, 17):
        found = [float(f"{value:.{digits - 1}e}") for value in exact]
        if all(above > below for above, below in zip([start, *found], [*found, end], strict=True)):
            return tuple(found)
    return ()


def chosen_targets(tree: xr.DataTree, targets: Targets | None) -> dict[str, tuple[float, ...]]:
    """Return the target risks of each problem, falling; `default_targets` if none are given.

    Raises
    ------
    InputError
        if a target is not a positive number, or a problem is not in the result
    """
    if targets is None:
        return default_targets(tree)
    names = tuple(groups(tree))
    if not isinstance(targets, Mapping):
        targets = dict.fromkeys(names, [targets] if isinstance(targets, int | float) else targets)
    targets = {known_name("problem", name, names): values for name, values in targets.items()}
    for name, values in targets.items():
        for value in values:
            require(
                math.isfinite(value) and value > 0,
                f"target risk {value!r} of problem {name!r}: a target is a positive number.",
            )
    return {name: tuple(sorted({float(v) for v in values}, reverse=True)) for name, values in targets.items()}


@dataclass(frozen=True)
class Reached:
    """Times at which trajectories reached a target.

    Attributes
    ----------
    times : the clock at which one got there; where it was stopped before, the clock up to which it was
        watched; infinity where it does not get there within the study; shape (integrator, seed)
    reached : whether it got there, shape (integrator, seed)
    """

    times: Array
    reached: NDArray[np.bool_]

    @property
    def censored(self) -> NDArray[np.bool_]:
        """True if a trajectory was stopped before it got there."""
        return ~self.reached & np.isfinite(self.times)


def first_reach(data: xr.Dataset, target: float, clock: Clock) -> Reached:
    """Return when the risk of each trajectory was first at or below a target.

    It is read off the first save time at which it is, and the one before: between the two log risk is
    taken to be linear in the logarithm of the clock, and in the clock itself from clock 0. So the value
    does not depend on how dense the save times are, but for a risk that falls and rises between them.

    A trajectory stopped by a limit of steps or time is censored there. One that reached the last save time
    is not, whatever the clock: an adaptive method passes a plateau in few steps, so that few gradients at
    the end are a sign of a risk that does not fall, and censoring by them would not be independent of it.

    Parameters
    ----------
    data : a problem's group of a result
    target : risk, in output^2
    clock : what is measured
    """
    risk = data["risk"].transpose("integrator", "seed", "time").values
    clocks = clock_values(data, clock)
    below = (risk <= target) & np.isfinite(clocks)
    reached: NDArray[np.bool_] = np.any(below, axis=-1)
    at = np.argmax(below, axis=-1)[..., None]
    before = np.maximum(at - 1, 0)
    (c0, r0), (c1, r1) = (
        [np.take_along_axis(array, index, axis=-1)[..., 0] for array in (clocks, risk)]
        for index in (before, at)
    )
    times = np.where(at[..., 0] == 0, c1, _crossing(c0, c1, r0, r1, target))
    with np.errstate(invalid="ignore"):
        last = np.fmax.reduce(clocks, axis=-1)
    stopped = np.isin(data["status"].transpose("integrator", "seed").values, _STOPPED) & np.isfinite(last)
    return Reached(np.where(reached, times, np.where(stopped, last, np.inf)), reached)


def _crossing(c0: Array, c1: Array, r0: Array, r1: Array, target: float) -> Array:
    """Return the clock between two save times at which the risk crosses the target."""
    number = np.finfo(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        above, below = (np.log(np.clip(r, number.tiny, number.max)) for r in (r0, r1))
        part = (above - np.log(target)) / (above - below)
        inside = np.where(c0 > 0, c0 * (c1 / c0) ** part, c0 + part * (c1 - c0))
    return np.asarray(np.clip(inside, c0, c1))
