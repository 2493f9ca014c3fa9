"""The errors that the tolerance of a method allows: in the parameters, and through them in the risk.

A method with error control keeps the estimated error of each step, in the root mean square over components,
below atol + rtol |y|. So a step is off by about S, the Euclidean norm over components of atol + rtol |theta|.
Between two save times with n steps between them, n + 1 steps play a part, the one that the later lies in
being read off an interpolant of the same accuracy. Hence

    delta = C (n + 1) S,   C = 50.

C stands for what an error estimate does not know, and for the norm: one component alone may be off by the
root of the number of parameters times its tolerance. On right flows the distance of a stored state from the
flow re-integrated from the one before, by (n + 1) S, has a median of 0.02; the largest over a trajectory has
one of 0.08, and came up to 23 (docs/theory.md has the table). A flow that spreads neighbouring states, as it
does when it leaves a saddle, spreads errors too: where delta is exceeded, the spreading is measured and taken
into account (`Replays.errors`).

The root of the risk is a norm of the residual, and so Lipschitz continuous: for states that are delta apart,

    |sqrt L - sqrt L'| <= D delta,   |L - L'| <= (2 sqrt L + D delta) D delta,

where D is the root mean square over the inputs of |dN / dtheta|. Parameters that are frozen have no error: S
and D go over the free ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.network import ReLUNetwork

Array = NDArray[np.float64]

#: C, see above.
SAFETY = 50.0

# Points of the input measure on which D is computed, and numbers that are held at a time.
_POINTS = 200
_HELD = 4_000_000


def step_error(theta: Array, steps: Array, rtol: float, atol: float) -> Array:
    """Return delta between each state and the next, shape (T - 1,).

    Parameters
    ----------
    theta : shape (T, P)
    steps : steps made until each state, shape (T,)
    rtol, atol : tolerances of a step
    """
    size = np.maximum(np.abs(theta[:-1]), np.abs(theta[1:]))
    scale = np.linalg.norm(atol + rtol * size, axis=1)
    return np.asarray(SAFETY * (np.diff(steps) + 1.0) * scale)


def risk_change(risk: Array, derivative: Array, distance: Array) -> Array:
    """Return how far the risk can be from `risk` at states that are `distance` away."""
    reach = derivative * distance
    return np.asarray((2.0 * np.sqrt(np.maximum(risk, 0.0)) + reach) * reach)


@dataclass(frozen=True, eq=False)
class Sample:
    """The input measure and the target as a result stores them.

    Attributes
    ----------
    points : ndarray, shape (n, d)
    weights : ndarray, shape (n,), of sum 1
    target : ndarray, shape (n, K)
    """

    points: Array
    weights: Array
    target: Array

    @classmethod
    def stored(cls, data: xr.Dataset) -> Sample:
        """Return what the group of a problem holds."""
        if "sample_x" in data:
            weights = data["sample_weight"].values
            return cls(data["sample_x"].values, weights / weights.sum(), data["sample_target"].values)
        x, density = data["x"].values, data["density"].values
        weights = density * np.gradient(x)
        weights[[0, -1]] *= 0.5
        return cls(x[:, None], weights / weights.sum(), data["target"].values)

    @cached_property
    def spread(self) -> float:
        """Root mean square of the target minus its mean; of a constant its size; 1 if that is 0."""
        mean = self.weights @ self.target
        spread = float(np.sqrt(self.weights @ ((self.target - mean) ** 2).sum(axis=1)))
        size = float(np.linalg.norm(mean))
        return spread if spread > 1e-12 * size else size or 1.0

    @cached_property
    def fewer(self) -> Sample:
        """Some of the points, evenly spaced in their order."""
        chosen = slice(None, None, max(1, len(self.points) // _POINTS))
        weights = self.weights[chosen]
        return Sample(self.points[chosen], weights / weights.sum(), self.target[chosen])

    def derivative_norms(
        self, network: ReLUNetwork, theta: Array, free: NDArray[np.bool_] | None = None
    ) -> Array:
        """Return D at each state, shape (..., T), for theta, shape (..., T, P), by back-propagation.

        Over the parameters of a mask, `free`, shape (P,); over all of them without one.
        """
        sample = self.fewer
        block = max(1, _HELD // (len(sample.points) * max(network.widths) * network.outputs))
        block = max(1, block // math.prod(theta.shape[:-2]))
        moving = np.ones(network.parameter_count, dtype=bool) if free is None else free
        found = np.empty(theta.shape[:-1])
        for first in range(0, theta.shape[-2], block):
            part = slice(first, first + block)
            found[..., part] = _derivative_norms(network, theta[..., part, :], moving, sample)
        return found

    def largest_difference(self, network: ReLUNetwork, theta: Array, other: Array) -> tuple[Array, Array]:
        """Return the largest |N(theta) - N(other)| over the points, and the size of what is added up there.

        Parameters
        ----------
        network : of both
        theta, other : shape (..., T, P)

        Returns
        -------
        difference, size : ndarray, shape (..., T); the size is N with all numbers and pre-activations
            replaced by what bounds them
        """
        points = self.fewer.points
        block = max(1, _HELD // (len(points) * max(network.widths) * math.prod(theta.shape[:-2])))
        difference, size = np.empty(theta.shape[:-1]), np.empty(theta.shape[:-1])
        for first in range(0, theta.shape[-2], block):
            part = slice(first, first + block)
            values = [network.realize(rows[..., part, :], points) for rows in (theta, other)]
            difference[..., part] = np.abs(values[0] - values[1]).max(axis=(-2, -1))
            bounds = [_bound(network, rows[..., part, :], points) for rows in (theta, other)]
            size[..., part] = np.maximum(bounds[0], bounds[1])
        return difference, size


def _bound(network: ReLUNetwork, theta: Array, points: Array) -> Array:
    """Return the largest value of N with all numbers replaced by their sizes and no ReLU, shape (..., T)."""
    values = np.abs(points)
    if network.inputs == 1:  # it grows with the size of the input
        values = values.max(axis=0, keepdims=True)
    for layer in network.layers(np.abs(theta)):
        values = _product(values, layer.weight.swapaxes(-1, -2)) + layer.bias[..., None, :]
    return np.asarray(values.max(axis=(-2, -1)))


def _derivative_norms(network: ReLUNetwork, theta: Array, free: NDArray[np.bool_], sample: Sample) -> Array:
    """Return the root mean square of |dN / dtheta| over free parameters at each state, shape (..., T)."""
    points, weights, layers = sample.points, sample.weights, network.layers(theta)
    # Of each layer, whether its weights and its biases are free: 1 or 0.
    groups = [(float(a.weight.all()), float(a.bias.all())) for a in network.layers(free.astype(np.float64))]
    inputs, derivatives = [np.broadcast_to(points, (*theta.shape[:-1], *points.shape))], []
    for layer in layers[:-1]:
        z = _product(inputs[-1], layer.weight.swapaxes(-1, -2)) + layer.bias[..., None, :]
        derivatives.append((z > 0).astype(np.float64))
        inputs.append(np.maximum(z, 0.0))
    squares = [
        bias + weight * _squared(values) for values, (weight, bias) in zip(inputs, groups, strict=True)
    ]
    total = np.zeros(theta.shape[:-1])
    for k in range(network.outputs):
        # The derivative of output k with respect to the pre-activations of a layer, shape (..., T, n, width).
        back = np.zeros((*theta.shape[:-1], len(points), network.outputs))
        back[..., k] = 1.0
        for number in range(network.depth - 1, -1, -1):
            total += (_squared(back) * squares[number]) @ weights
            if number:
                back = _product(back, layers[number].weight) * derivatives[number - 1]
    return np.sqrt(total)


def _squared(values: Array) -> Array:
    """Return the sum of squares over the last axis, which is short: NumPy's sum takes twice as long."""
    return np.asarray(np.einsum("...i,...i->...", values, values))


def _product(values: Array, matrix: Array) -> Array:
    """Return the product with the matrix of each state; of one column without NumPy's loop over states."""
    return np.asarray(values * matrix if matrix.shape[-2] == 1 else values @ matrix)
