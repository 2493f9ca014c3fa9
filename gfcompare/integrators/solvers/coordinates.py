"""Coordinates in which the flows of one hidden layer are gradient flows, so that their Jacobian is symmetric.

The free parameters for the standard flow; on M, where a hidden row lies on the sphere S^d, the normal
coordinates of each row, d of them, and then the output layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.measures import Measure
from gfcompare.network import ReLUNetwork

Array = NDArray[np.float64]


class Derivatives(Protocol):
    """A problem with an exact Hessian; `CountedProblem` counts what is evaluated."""

    @property
    def network(self) -> ReLUNetwork:
        """The architecture."""

    @property
    def measure(self) -> Measure:
        """The input measure."""

    @property
    def frozen(self) -> Sequence[str]:
        """The groups of parameters that stay where they are."""

    def risk(self, theta: Array) -> Array:
        """Return the risk, shape (...)."""

    def gradient(self, theta: Array) -> Array:
        """Return the gradient, shape (..., P)."""

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian, shape (..., P, P)."""


class Coordinates(Protocol):
    """Coordinates z around a state, which has z = 0, in which a flow is the gradient flow of the risk."""

    def theta(self, z: Array) -> Array:
        """Return theta, shape (..., P), at z, shape (..., n)."""

    def of_sizes(self, sizes: Array) -> Array:
        """Return the size of each component of z from that of each parameter, shape (P,)."""

    def of_parameters(self, values: Array) -> Array:
        """Return what belongs to each parameter, (P,), from what belongs to z; 0 for others, and for rows."""

    def gradient(self, theta: Array) -> Array:
        """Return the gradient of the risk with respect to z, at a theta that is some roundings away."""

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian of the risk with respect to z, at a theta that is some roundings away."""


class FreeParameters:
    """Differences of the parameters that are not frozen: the standard flow.

    Parameters
    ----------
    problem : with an exact Hessian
    theta : shape (P,)
    """

    def __init__(self, problem: Derivatives, theta: Array) -> None:
        self._problem, self._theta = problem, theta
        self._free = ~problem.network.members(problem.frozen)

    def theta(self, z: Array) -> Array:
        """Return theta, shape (..., P), at z, shape (..., n)."""
        result = np.tile(self._theta, (*z.shape[:-1], 1))
        result[..., self._free] += z
        return result

    def of_sizes(self, sizes: Array) -> Array:
        """Return those of the free parameters."""
        return np.asarray(sizes[self._free])

    def of_parameters(self, values: Array) -> Array:
        """Return 0 for frozen parameters."""
        result = np.zeros_like(self._theta)
        result[self._free] = values
        return result

    def gradient(self, theta: Array) -> Array:
        """Return G."""
        return np.asarray(self._problem.gradient(theta)[self._free])

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian."""
        return np.asarray(self._problem.hessian(theta)[np.ix_(self._free, self._free)])


class RowsOnSpheres:
    """Riemannian normal coordinates of the rows, H d of them, then the output layer: the normalised flow.

    At z = 0 the metric of M is that of z up to O(|z|^2), so that gradient and Hessian there are the
    Riemannian ones (P.-A. Absil, R. Mahony, R. Sepulchre, "Optimization Algorithms on Matrix Manifolds",
    2008, section 5.5). For one input they are the differences of the rows' angles.

    Parameters
    ----------
    problem : with an exact Hessian
    theta : shape (P,), on M
    """

    def __init__(self, problem: Derivatives, theta: Array) -> None:
        self._problem, self._theta = problem, theta
        h, d = problem.network.hidden[0], problem.network.inputs
        self._places = np.concatenate([np.arange(h * d).reshape(h, d), h * d + np.arange(h)[:, None]], axis=1)
        self._rows, self._outputs = theta[self._places], theta[h * (d + 1) :]
        # The reflection that takes a row to the last axis takes the other axes to its tangent space.
        across = self._rows.copy()
        across[:, -1] += np.where(across[:, -1] >= 0.0, 1.0, -1.0)
        shares = across[:, :d] / (1.0 + np.abs(self._rows[:, -1:]))
        #: Tangent vectors of each row, shape (H, d + 1, d).
        self._tangents = np.eye(d + 1)[:, :d] - across[:, :, None] * shares[:, None, :]

    def theta(self, z: Array) -> Array:
        """Return the parameters on M, shape (..., P): rows go along great circles."""
        h, d = len(self._rows), self._rows.shape[1] - 1
        leading = z.shape[:-1]
        along = z[..., : h * d].reshape(*leading, h, d)
        moves = np.zeros((*leading, h, d + 1))
        for j in range(d):  # in one order, however many there are at once
            moves += self._tangents[:, :, j] * along[..., j, None]
        angles = np.linalg.norm(moves, axis=-1, keepdims=True)
        rows = np.cos(angles) * self._rows + np.sinc(angles / np.pi) * moves
        result = np.tile(self._theta, (*leading, 1))
        result[..., self._places], result[..., h * (d + 1) :] = rows, self._outputs + z[..., h * d :]
        return result

    def of_sizes(self, sizes: Array) -> Array:
        """Return the sizes: of a row, which has norm 1, the largest."""
        h, d = len(self._rows), self._rows.shape[1] - 1
        return np.concatenate([np.repeat(sizes[self._places].max(axis=1), d), sizes[h * (d + 1) :]])

    def of_parameters(self, values: Array) -> Array:
        """Return 0 for rows."""
        result = np.zeros_like(self._theta)
        result[self._rows.size :] = values[self._rows.size - len(self._rows) :]
        return result

    def _transported(self, rows: Array) -> Array:
        """Return the tangent vectors at rows near by, by parallel transport, shape (H, d + 1, d)."""
        along = np.einsum("hc,hcj->hj", rows, self._tangents)
        along /= 1.0 + np.einsum("hc,hc->h", rows, self._rows)[:, None]
        return np.asarray(self._tangents - (rows + self._rows)[:, :, None] * along[:, None, :])

    def gradient(self, theta: Array) -> Array:
        """Return the gradient: that of a row along its sphere."""
        gradient = self._problem.gradient(theta)
        along = np.einsum("hcj,hc->hj", self._transported(theta[self._places]), gradient[self._places])
        return np.concatenate([along.ravel(), gradient[self._rows.size :]])

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian: that on the tangent space, and what the spheres' curvature adds."""
        h, d = len(self._rows), self._rows.shape[1] - 1
        rows = theta[self._places]
        tangents = self._transported(rows)
        hessian, gradient = self._problem.hessian(theta), self._problem.gradient(theta)

        def along(matrix: Array) -> Array:
            """Take the rows of a matrix, (P, m), along the tangents, (n, m)."""
            tangential = np.einsum("hcj,hcm->hjm", tangents, matrix[self._places])
            return np.concatenate([tangential.reshape(h * d, -1), matrix[self._rows.size :]])

        result = along(along(hessian).T)
        radial = np.einsum("hc,hc->h", rows, gradient[self._places])
        places = np.arange(h * d)
        result[places, places] -= np.repeat(radial, d)
        return 0.5 * (result + result.T)


def coordinates_at(problem: Derivatives, theta: Array, normalized: bool) -> Coordinates:
    """Return the coordinates of a flow around theta, shape (P,)."""
    return RowsOnSpheres(problem, theta) if normalized else FreeParameters(problem, theta)


def hessian_along(problem: Derivatives, theta: Array, normalized: bool) -> Array:
    """Return the Hessian at theta, shape (P,), in the coordinates of a flow, shape (n, n)."""
    return coordinates_at(problem, theta, normalized).hessian(theta)
