"""From a result to the eigenvalues of the Hessian of the risk along a trajectory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from gfcompare.evaluators.curvature import DENSE_PARAMETERS, differences
from gfcompare.figures.data import Array
from gfcompare.problem import Problem
from gfcompare.results.reading import network_of, parameters
from gfcompare.results.rebuild import problem_of

#: Eigenvalues below this share of the largest are drawn as if they were 0.
SMALL = 1e-6
#: How many of the smallest and of the largest eigenvalues there are beyond 400 parameters.
EXTREME = 5
# Times at which they are computed: all, or that many, evenly chosen.
_MOST_TIMES = 31


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues along a trajectory.

    Attributes
    ----------
    times : flow times, shape (n,)
    values : eigenvalues, ascending, shape (n, k), in units of risk / parameter^2
    whole : whether they are all eigenvalues of the Hessian
    """

    times: Array
    values: Array
    whole: bool


def spectrum(group: xr.Dataset, method: str, seed: int) -> Spectrum:
    """Return the eigenvalues along a trajectory, after flow time 0 and until it ended.

    See `eigenvalues` for how they are computed.
    """
    problem = problem_of(group)
    network = network_of(group)
    one = group.sel(integrator=method, seed=seed)
    theta, times = parameters(one), one["flow_time"].values
    there = np.flatnonzero(np.isfinite(theta).all(axis=1) & (times > 0))
    chosen = there[
        np.unique(np.linspace(0, len(there) - 1, min(len(there), _MOST_TIMES)).round().astype(int))
    ]
    found = [eigenvalues(problem, theta[index]) for index in chosen]
    whole = network.parameter_count <= DENSE_PARAMETERS
    values = np.array(found) if found else np.empty((0, network.parameter_count))
    return Spectrum(times[chosen], values, whole)


def eigenvalues(problem: Problem, theta: Array) -> Array:
    """Return the eigenvalues of the Hessian at theta, ascending; beyond 400 parameters the extreme ones.

    On finitely many points it is the Hessian of the smooth piece on which theta lies: differences across a
    kink would not be small. Elsewhere, where it is not known exactly and P is odd, the one in the middle is
    missing.
    """
    count = problem.network.parameter_count
    if count > DENSE_PARAMETERS:
        found = problem.curvature(theta, EXTREME)
        return np.concatenate([found.smallest, found.largest])
    if problem.has_hessian:
        return _eigenvalues(problem.hessian(theta))
    if not problem.smooth:
        return _eigenvalues(_of_piece(problem, theta))
    found = problem.curvature(theta, count // 2)
    return np.concatenate([found.smallest, found.largest])


def _of_piece(problem: Problem, theta: Array) -> Array:
    """Return the Hessian, (P, P), with the activations at the points held as they are at theta."""
    slopes = (problem.pre_activations(theta) > 0).astype(np.float64)

    def gradients(rows: Array) -> Array:
        return np.stack([problem.gradient_with(row, slopes) for row in rows])

    return differences(gradients, theta, np.eye(len(theta)))


def _eigenvalues(matrix: Array) -> Array:
    if not np.isfinite(matrix).all():
        return np.full(len(matrix), np.nan)
    return np.asarray(np.linalg.eigvalsh(0.5 * (matrix + matrix.T)), dtype=np.float64)
