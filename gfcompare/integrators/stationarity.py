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
    gradients, sizes, near_zero = _gradients(problem, theta, on_manifold)
    still = np.asarray(sizes == 0.0)
    rates = np.zeros(len(theta))
    for m in np.flatnonzero(~still & near_zero).tolist():
        still[m], rates[m] = _rests(problem, theta[m], gradients[m], on_manifold)
    return still, sizes, rates


def first_stationary(
    problem: Problem, thetas: Array, look: NDArray[np.bool_], on_manifold: bool
) -> dict[int, tuple[int, float, float]]:
    """Return where trajectories are first at a critical point: the place, |G| and the growth rate, by number.

    Parameters
    ----------
    problem : the problem
    thetas : shape (M, B, P), each trajectory in the order of time
    look : shape (M, B), where to look
    on_manifold : G and the Hessian are taken along M
    """
    found: dict[int, tuple[int, float, float]] = {}
    if not look.any():
        return found
    rows = thetas[look]
    gradients, sizes, near_zero = _gradients(problem, rows, on_manifold)
    chosen = np.flatnonzero(near_zero | (sizes == 0.0))
    for row, m, place in zip(chosen.tolist(), *(n[chosen].tolist() for n in np.nonzero(look)), strict=True):
        if m not in found:
            zero = bool(sizes[row] == 0.0)
            still, rate = (True, 0.0) if zero else _rests(problem, rows[row], gradients[row], on_manifold)
            if still:
                found[m] = place, float(sizes[row]), rate
    return found


def _gradients(problem: Problem, theta: Array, on_manifold: bool) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return G at each row, (M, P), |G|, and whether it is small enough to be looked at more closely."""
    gradients = problem.gradient(theta)
    if on_manifold:
        gradients = problem.network.project(theta, gradients)
    with np.errstate(over="ignore", invalid="ignore"):
        sizes, norms = np.linalg.norm(gradients, axis=1), np.linalg.norm(theta, axis=1)
    # Where a norm overflows, nothing is small beside it.
    return gradients, sizes, np.isfinite(norms) & (sizes <= _NEARLY_ZERO * norms)


def _rests(problem: Problem, theta: Array, gradient: Array, on_manifold: bool) -> tuple[bool, float]:
    """Return whether G vanishes to rounding at theta, both of shape (P,), and the growth rate there."""
    # On M the coordinates are those of rows that are all free.
    exact = problem.has_hessian and problem.network.depth == 2 and len(theta) <= LARGEST_DENSE
    if exact and not (on_manifold and problem.frozen):
        near = Linearized(problem, theta, on_manifold)
        return near.at_rest, near.growth
    allowed = _EPSILON * _largest_curvature(problem, theta, on_manifold)
    sizes = _sizes_of_components(problem, theta, on_manifold)
    return bool(np.all(np.abs(gradient) <= allowed * sizes)), 0.0


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
