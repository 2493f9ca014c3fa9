"""The time a method takes to reach a target risk."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from gfcompare.components.errors import unknown_name
from gfcompare.results.clocks import CLOCKS, Clock
from gfcompare.results.reading import by_samples
from gfcompare.statistics.final_values import groups
from gfcompare.statistics.intervals import FEWEST, Estimate, kaplan_meier
from gfcompare.statistics.reaching import Targets, chosen_targets, first_reach

#: What clocks are called, with their units.
CLOCK_NAMES: dict[Clock, str] = {
    "flow_time": "flow time",
    "gradients": "gradient evaluations",
    "wall_time": "wall time in seconds",
}


def check_clock(clock: str) -> None:
    """Raise InputError unless there is such a clock."""
    if clock not in CLOCKS:
        raise unknown_name("clock", clock, CLOCKS)


def time_to_target(
    tree: xr.DataTree, targets: Targets | None = None, clock: Clock = "gradients"
) -> pd.DataFrame:
    """Return how long each method takes until the risk is at or below a target.

    The share of seeds that reach a target, within the flow time of the study, by a value of the clock is
    estimated after Kaplan and Meier. A seed that was stopped by a limit of steps or time is censored: all
    that is known is that it did not get there until then. A seed that reached the last save time
    elsewhere, or diverged, failed or is stationary, does not get there.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    targets : risks; `default_targets` if None
    clock : "flow_time", "gradients" (population gradients, or those at one sample point for a method that
        uses no others) or "wall_time" (seconds of one core)

    Returns
    -------
    pandas.DataFrame
        indexed by (problem, target risk, method), with the columns ``seeds``; ``reached``; ``censored``;
        ``median``, the value of the clock at which half of the seeds are there (the mean of the first at
        which it is half and the first at which it is more), infinite unless more than half get there, and
        ``median from`` and ``median to``, its 95 % interval (NaN for fewer than 6 seeds); for the clock
        "gradients" also ``gradients``, "population" or "sample", what is counted

    Raises
    ------
    InputError
        for an unknown clock or problem, or a target that is not a positive number
    """
    check_clock(clock)
    rows: dict[tuple[str, float, str], dict[str, object]] = {}
    found = groups(tree)
    for problem, risks in chosen_targets(tree, targets).items():
        data = found[problem]
        counted = ["sample" if sampled else "population" for sampled in by_samples(data)]
        for target in risks:
            reach = first_reach(data, target, clock)
            for k, method in enumerate(data["integrator"].values):
                estimate = kaplan_meier(reach.times[k], reach.reached[k]).median()
                if reach.times.shape[1] < FEWEST:
                    estimate = Estimate(estimate.value, np.nan, np.nan)
                row: dict[str, object] = {
                    "seeds": reach.times.shape[1],
                    "reached": int(reach.reached[k].sum()),
                    "censored": int(reach.censored[k].sum()),
                    "median": estimate.value,
                    "median from": estimate.low,
                    "median to": estimate.high,
                }
                rows[problem, target, str(method)] = row | (
                    {"gradients": counted[k]} if clock == "gradients" else {}
                )
    index = pd.MultiIndex.from_tuples(rows, names=["problem", "target risk", "method"])
    table = pd.DataFrame(list(rows.values()), index=index)
    table.attrs["note"] = _note(clock)
    return table


def _note(clock: Clock) -> str:
    return (
        f"median: {CLOCK_NAMES[clock]} until the risk is at or below the target, Kaplan-Meier median over "
        f"seeds with its 95 % interval, which needs at least {FEWEST} seeds; infinite where half or more "
        "of the seeds do not get there within the study, as those that diverged or failed do not. censored: "
        "seeds stopped before by a limit of steps or time."
    )
