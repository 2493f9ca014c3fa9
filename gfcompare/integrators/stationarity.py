"""Stationarity of trajectories: at a critical point, to rounding."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gfcompare.integrators.solvers.conserved import Conserved
from gfcompare.integrators.solvers.near_equilibrium import LARGEST_DENSE, Linearized
from gfcompare.integrators.status import Array
from gfcompare.problem import Problem

# Gradients larger than this, relative to the parameters, are not looked at more closely.
_NEARLY_ZERO = 1e-12
_EPSILON = float(np.finfo(np.float64).eps)
_POWER_STEPS = 8


def stationary(
    problem: Problem, theta: Array, on_manifold: bool = False
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Return which trajectories are at a critical point to rounding, |G|, and growth rates, each (M,).

    They are where nothing is known of the gradient but that it vanishes near by. With an exact Hessian
    that is told mode by mode (`near_equilibrium.Linearized`): rounding errors in stiff modes do not hide the
    gradient in a slow one. Elsewhere a component counts as 0 up to eps |Hess| times its part of |theta|,
    with the spectral norm of the Hessian and eps = 2.2e-16: the gradient at the nearest floating-point
    numbers is as far away. A small neuron has a small part. The rates are those at which deviations are known
    to grow there: more than 0 at a saddle, if there is an exact Hessian.

    Parameters
    ----------
    problem : the problem
    theta : shape (M, P)
    on_manifold : G and the Hessian are taken along M
    """
    network = problem.network
    gradients = problem.gradient(theta)
    if on_manifold:
        gradients = network.project(theta, gradients)
    with np.errstate(over="ignore", invalid="ignore"):
        sizes, norms = np.linalg.norm(gradients, axis=1), np.linalg.norm(theta, axis=1)
    still = np.asarray(sizes == 0.0)
    rates = np.zeros(len(theta))
    # On M the coordinates are those of rows that are all free.
    exact = problem.has_hessian and network.depth == 2 and theta.shape[1] <= LARGEST_DENSE
    exact = exact and not (on_manifold and problem.frozen)
    # Where a norm overflows, nothing is small beside it.
    near_zero = np.isfinite(norms) & (sizes <= _NEARLY_ZERO * norms)
    for m in np.flatnonzero(~still & near_zero).tolist():
        if exact:
            near = Linearized(problem, theta[m], on_manifold)
            still[m] = near.at_rest
            rates[m] = near.growth
        else:
            allowed = _EPSILON * _largest_curvature(problem, theta[m], on_manifold)
            still[m] = bool(
                np.all(np.abs(gradients[m]) <= allowed * _sizes_of_components(problem, theta[m], on_manifold))
            )
    return still, sizes, rates


def _largest_curvature(problem: Problem, theta: Array, on_manifold: bool) -> float:
    """Return the spectral norm of the Hessian at theta, shape (P,), by the power method."""

    def along(vector: Array) -> Array:
        return problem.network.project(theta, vector) if on_manifold else vector

    # The gradient would be a bad start, being what the flow has left of every direction.
    vector, largest = along(np.ones(len(theta))), 0.0
    for _ in range(_POWER_STEPS):
        length = float(np.linalg.norm(vector))
        if not 0.0 < length < np.inf:
            break
        vector = along(problem.hessian_product(theta, vector / length))
        largest = float(np.linalg.norm(vector))
    return largest


def _sizes_of_components(problem: Problem, theta: Array, on_manifold: bool) -> Array:
    """Return what part of |theta| each component has, shape (P,): less for small neurons."""
    flow: Literal["standard", "normalized"] = "normalized" if on_manifold else "standard"
    sizes = Conserved.along(problem.network, flow, theta, 0.0, problem.frozen).sizes(theta)
    return np.asarray(float(np.linalg.norm(theta)) * sizes / sizes.max())
