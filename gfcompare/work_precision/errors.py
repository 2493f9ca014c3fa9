"""The distance of a trajectory from a reference: in the parameters, in the function, in the risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.diagnostics.function_space import FunctionSpace
from gfcompare.results.reading import COMPLETE, network_of

Array = NDArray[np.float64]

#: The errors that are measured.
ERRORS = ("theta", "function", "risk")

#: Two flow times that differ by no more than this, relatively, are the same.
SAME_TIME = 1e-12


@dataclass(frozen=True)
class Trajectories:
    """The trajectories of a method from S seeds, at T save times.

    Attributes
    ----------
    theta : ndarray, shape (S, T, P)
    flow_time : ndarray, shape (S, T)
        at which each state was reached
    risk : ndarray, shape (S, T)
    complete : ndarray of bool, shape (S,)
        whether it reached the last save time
    """

    theta: Array
    flow_time: Array
    risk: Array
    complete: NDArray[np.bool_]


def trajectories_of(data: xr.Dataset, name: str) -> Trajectories:
    """Return the trajectories of a method in the group of a problem."""
    one = data.sel(integrator=name)
    network = network_of(data)
    layers = [(one[f"weight_{k}"].values, one[f"bias_{k}"].values) for k in range(1, network.depth + 1)]
    complete = np.isin(one["status"].values, COMPLETE)
    return Trajectories(network.join(layers), one["flow_time"].values, one["risk"].values, complete)


class Comparison(FunctionSpace):
    """Relative errors of the trajectories of a problem; functions are compared in L2 of its measure."""

    def errors(self, found: Trajectories, reference: Trajectories) -> dict[str, Array]:
        """Return the errors of each seed, shape (S,), by their name.

        Those of theta and of the function are the largest distance over the save times, relative to the
        largest norm of the reference over them; that of the risk is relative to the reference at the last
        save time. All states are compared at the flow time that the method has reached; where it still is at
        its start there is nothing to compare. Errors are infinite for a trajectory that ended early, and NaN
        where the reference did.
        """
        seeds = len(found.complete)
        result = {name: np.full(seeds, np.nan) for name in ERRORS}
        for s in np.flatnonzero(reference.complete).tolist():
            values = self._errors_of(found, reference, s) if found.complete[s] else (np.inf,) * len(ERRORS)
            for name, value in zip(ERRORS, values, strict=True):
                result[name][s] = value
        return result

    def _errors_of(self, found: Trajectories, reference: Trajectories, s: int) -> tuple[float, ...]:
        used = found.flow_time[s] > 0
        if not used.any():  # not one step was made
            return (np.inf,) * len(ERRORS)
        # The reference has every flow time that was reached; the first of those that are the same.
        at = np.searchsorted(reference.flow_time[s], found.flow_time[s][used] * (1.0 - 10 * SAME_TIME))
        theta, right = found.theta[s][used], reference.theta[s][at]
        parameters = np.linalg.norm(theta - right, axis=1).max(), np.linalg.norm(right, axis=1).max()
        functions = self.distance(theta, right).max(), self.size(right).max()
        risk, right_risk = found.risk[s][used][-1], reference.risk[s][at][-1]
        risks = abs(risk - right_risk), right_risk
        return tuple(_relative(*pair) for pair in (parameters, functions, risks))


def _relative(distance: float, size: float) -> float:
    """Return a distance relative to a size: 0 if there is none, whatever the size."""
    if distance == 0:
        return 0.0
    return float(distance / size) if size > 0 else np.inf
