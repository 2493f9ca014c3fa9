"""The closing table: for each problem and method what came out and what it cost."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from gfcompare.integrators.status import Status
from gfcompare.results.quantiles import quantile
from gfcompare.results.reading import final_values


def summary(tree: xr.DataTree) -> pd.DataFrame:
    """Return the closing table of a result.

    Returns
    -------
    pandas.DataFrame
        indexed by (problem, method), with the columns ``seeds``; ``median``, ``lower`` and ``upper``
        quartile of the final risk over all seeds (infinite where too many did not finish);
        ``unfinished``, the share of seeds that diverged or failed; ``gradients`` and
        ``sample gradients``, the median number of evaluations; ``seconds``, the median time of one core
        for a trajectory: of all of them, until they ended. Medians are those of `results.quantiles`.
    """
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for problem, node in tree.children.items():
        data = node.to_dataset()
        risks = final_values(data, "risk")
        for number, method in enumerate(data["integrator"].values):
            lower, median, upper = (quantile(risks[number], s) for s in (0.25, 0.5, 0.75))
            one = data.isel(integrator=number)
            rows[str(problem), str(method)] = {
                "seeds": risks.shape[1],
                "median": float(median),
                "lower": float(lower),
                "upper": float(upper),
                "unfinished": float(np.mean(~np.isfinite(risks[number]))),
                "gradients": _middle(one["gradient_evaluations"]),
                "sample gradients": _middle(one["sample_gradients"]),
                "seconds": _middle(one["wall_time"]),
            }
    index = pd.MultiIndex.from_tuples(rows, names=["problem", "method"])
    return pd.DataFrame(list(rows.values()), index=index)


def unfinished(tree: xr.DataTree) -> list[str]:
    """Return a sentence for each problem and method that diverged, failed or overstepped: how, and why."""
    found = []
    for problem, node in tree.children.items():
        data = node.to_dataset()
        for index, method in enumerate(data["integrator"].values):
            status = data["status"].isel(integrator=index).values
            messages = data["message"].isel(integrator=index).values
            for value in Status:
                seeds = np.flatnonzero(status == value)
                if seeds.size and not value.complete:
                    found.append(
                        f"{problem} / {method}: {seeds.size} of {status.size} seeds {_WORDS[value]}, "
                        f"seed {data['seed'].values[seeds[0]]}: {messages[seeds[0]]}"
                    )
            found += _mistimed(str(problem), data, index)
    return found


def mistimed(tree: xr.DataTree) -> list[str]:
    """Return a sentence for each problem and method whose steps miss the last save time by far."""
    groups = {str(problem): node.to_dataset() for problem, node in tree.children.items()}
    return [
        line
        for problem, data in groups.items()
        for index in range(data.sizes["integrator"])
        for line in _mistimed(problem, data, index)
    ]


def _mistimed(problem: str, data: xr.Dataset, index: int) -> list[str]:
    reached, asked = data["flow_time"].isel(integrator=index).values[:, -1], data["time"].values[-1]
    if not np.any(np.abs(reached - asked) > 0.1 * asked):
        return []
    return [
        f"{problem} / {data['integrator'].values[index]}: its steps are too large for the save times, it is "
        f"compared at flow time {np.nanmin(reached):.6g}, not {asked:.6g}"
    ]


_WORDS = {status: f"ended with {status.name.lower()}" for status in Status} | {
    Status.DIVERGED: "diverged",
    Status.FAILED: "failed",
    Status.KINK: "stopped at a kink",
}


def _ends(values: xr.DataArray) -> NDArray[np.float64]:
    """Return the largest value of each seed along time: the last one it has."""
    return np.asarray(values.astype(float).max("time").values, dtype=np.float64)


def _middle(cost: xr.DataArray) -> float:
    """Return the median of what trajectories cost until they ended, 0 for one that has no state at all."""
    return float(quantile(np.maximum(np.nan_to_num(_ends(cost)), 0.0), 0.5))
