"""What is read off the trajectories of a problem: how they ended, their clocks, and what came out."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.integrators.status import Status
from gfcompare.results.clocks import Clock

Array = NDArray[np.float64]

#: Statuses of trajectories that have values at every save time.
COMPLETE = [status.value for status in Status if status.complete]


def finite(values: NDArray[np.generic]) -> Array:
    """Return values with NaN in place of infinite ones."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def by_samples(data: xr.Dataset) -> NDArray[np.bool_]:
    """Return for each method whether its cost is counted in gradients at one sample point."""
    population = data["gradient_evaluations"].max(["seed", "time"]) > 0
    samples = data["sample_gradients"].max(["seed", "time"]) > 0
    return np.asarray((~population & samples).values)


def clock_values(data: xr.Dataset, clock: Clock) -> Array:
    """Return a clock, shape (integrator, seed, time), NaN where a trajectory has ended."""
    if clock != "gradients":
        return finite(data[clock].values)
    counts = np.where(
        by_samples(data)[:, None, None], data["sample_gradients"].values, data["gradient_evaluations"].values
    )
    return np.where(counts >= 0, counts.astype(np.float64), np.nan)


def final_values(data: xr.Dataset, quantity: str) -> Array:
    """Return a quantity at the last save time, shape (integrator, seed); infinite if it was not reached.

    A trajectory that diverged or failed counts as worse than any other, so that medians over all seeds
    stay honest.
    """
    last = data[quantity].isel(time=-1).transpose("integrator", "seed").values
    complete = np.isin(data["status"].transpose("integrator", "seed").values, COMPLETE)
    return np.where(complete & np.isfinite(last), last, np.inf)
