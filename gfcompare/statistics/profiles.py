"""Performance profiles: on which share of instances a method is nearly the fastest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from gfcompare.results.clocks import Clock
from gfcompare.results.reading import Array, by_samples
from gfcompare.statistics.final_values import groups, methods
from gfcompare.statistics.reaching import Targets, chosen_targets, first_reach
from gfcompare.statistics.time_to_target import CLOCK_NAMES, check_clock

#: The clocks that are costs. Flow time is none: every method may go through it as slowly as it likes.
COSTS: tuple[Clock, ...] = ("gradients", "wall_time")

_FACTORS = (1.0, 2.0, 10.0)


def compared_methods(tree: xr.DataTree, clock: Clock) -> tuple[str, ...]:
    """Return the methods whose costs have the same unit in a clock.

    Gradients at one sample point cannot be compared with population gradients: for the clock "gradients"
    the methods that use population gradients are compared, or the others if there are fewer than two.
    """
    check_clock(clock)
    every = methods(tree)
    if clock != "gradients":
        return every
    sampled = {
        str(method)
        for data in groups(tree).values()
        for method, sampled in zip(data["integrator"].values, by_samples(data), strict=True)
        if sampled
    }
    population = tuple(m for m in every if m not in sampled)
    return population if len(population) > 1 or not sampled else tuple(m for m in every if m in sampled)


def ratios(tree: xr.DataTree, clock: Clock = "gradients", targets: Targets | None = None) -> pd.DataFrame:
    """Return the cost of each method by that of the best one, instance by instance.

    An instance is a problem, a target risk and a seed. One whose target is reached at the start is left
    out: it costs nothing. The ratio is infinite where a method does not reach the target.

    Returns
    -------
    pandas.DataFrame
        indexed by (problem, target risk, seed), a column for each of `compared_methods`

    Raises
    ------
    InputError
        for an unknown clock or problem, or a target that is not a positive number
    """
    compared = list(compared_methods(tree, clock))
    found, parts = groups(tree), []
    for problem, risks in chosen_targets(tree, targets).items():
        names = [str(m) for m in found[problem]["integrator"].values]
        if not set(compared) <= set(names):
            continue
        data = found[problem].isel(integrator=[names.index(m) for m in compared])
        for target in risks:
            reach = first_reach(data, target, clock)
            costs = np.where(reach.reached, reach.times, np.inf)
            seeds = data["seed"].values
            index = pd.MultiIndex.from_product([[problem], [target], seeds], names=_INDEX)
            kept = ~_at_start(data, target)
            parts.append(pd.DataFrame(_relative(costs)[:, kept].T, index[kept], compared))
    empty = pd.MultiIndex.from_arrays([[], [], []], names=_INDEX)
    return pd.concat(parts) if parts else pd.DataFrame(index=empty, columns=compared, dtype=np.float64)


_INDEX = ["problem", "target risk", "seed"]


def _at_start(data: xr.Dataset, target: float) -> NDArray[np.bool_]:
    """Return for each seed whether some method has reached the target at the start."""
    start = data["risk"].isel(time=0).transpose("integrator", "seed").values
    return np.asarray((start <= target).any(axis=0))


def _relative(costs: Array) -> Array:
    best = costs.min(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(costs), costs / best, np.inf)


def performance_profiles(
    tree: xr.DataTree, clock: Clock = "gradients", targets: Targets | None = None
) -> pd.DataFrame:
    """Return the performance profile of each method, a step function.

    Its value at tau is the share of instances on which the method reaches the target at no more than tau
    times the cost of the best method there. Instances that no method solves count in every share.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    clock : the cost, as in `time_to_target`
    targets : risks; `default_targets` if None

    Returns
    -------
    pandas.DataFrame
        indexed by ``factor``, tau, ascending from 1, a column of shares for each of `compared_methods`;
        without rows if there is no instance; ``attrs["instances"]`` says how many there are

    Raises
    ------
    InputError
        for an unknown clock or problem, or a target that is not a positive number

    References
    ----------
    E. D. Dolan, J. J. Moré, "Benchmarking optimization software with performance profiles",
    doi:10.1007/s101070100263.
    """
    table = ratios(tree, clock, targets)
    values = table.to_numpy(dtype=np.float64)
    factors = np.unique(np.append(values[np.isfinite(values)], 1.0)) if values.size else np.empty(0)
    shares = {str(m): _shares(table[m].to_numpy(), factors) for m in table.columns}
    profiles = pd.DataFrame(shares, index=pd.Index(factors, name="factor"))
    profiles.attrs["instances"] = len(table)
    return profiles


def _shares(values: Array, factors: Array | Sequence[float]) -> Array:
    """Return which share of values is at most each factor, up to rounding."""
    bounds = np.asarray(factors) * (1 + 1e-12)
    return np.searchsorted(np.sort(values), bounds, side="right") / max(values.size, 1)


def profile_table(tree: xr.DataTree, targets: Targets | None = None) -> pd.DataFrame:
    """Return the profiles at some factors, in gradient evaluations and in wall time.

    Returns
    -------
    pandas.DataFrame
        indexed by (clock, method), with the columns ``instances``; ``best``, ``within 2 x`` and
        ``within 10 x``, the shares of instances solved at no more than 1, 2 and 10 times the best cost; and
        ``solved``; clocks without two methods to compare, or without an instance, are left out
    """
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for clock in COSTS:
        table = ratios(tree, clock, targets)
        if table.empty or len(table.columns) < 2:
            continue
        for method in table.columns:
            values = table[method].to_numpy()
            near = _shares(values, _FACTORS)
            rows[CLOCK_NAMES[clock], str(method)] = {
                "instances": len(values),
                "best": near[0],
                "within 2 x": near[1],
                "within 10 x": near[2],
                "solved": float(np.isfinite(values).mean()),
            }
    index = pd.MultiIndex.from_tuples(rows, names=["clock", "method"])
    profiles = pd.DataFrame(list(rows.values()), index=index)
    profiles.attrs["note"] = (
        "Shares of instances (problem, target risk and seed) on which a method reaches the target as fast as "
        "the best method, within 2 and 10 times of it, and at all. Gradients at one sample point and "
        "population gradients are not compared."
    )
    return profiles
