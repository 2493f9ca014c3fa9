"""Task of a method, in NumPy arrays alone: the process of a peer loads nothing of gfcompare."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

Array = NDArray[np.float64]
#: Does what was prepared, and returns theta, shape (M, P), at the end.
Run = Callable[[], Array]
#: For each layer its weight, shape (..., out, in), and bias, shape (..., out).
Layers = list[tuple[Array, Array]]

Kind = Literal["gd", "normalized-gd", "sgd", "standard-gf", "normalized-gf"]


@dataclass(frozen=True)
class Task:
    """A problem, initial networks, and how far to go.

    Attributes
    ----------
    kind : descent or flow
    widths : of the network
    theta : initial parameters, shape (M, P); rows of norm 1 if the kind is normalised
    points : number of points by which a peer replaces the uniform measure on the unit cube
    steps : of descent
    step_size : of descent
    batch : points drawn for a step of stochastic descent
    end : flow time
    rtol : relative tolerance of a flow; the absolute one is a hundredth of it
    dtype : floating point numbers of a peer
    nodes : nodes of gfcompare's own rule on a box; None for what a problem is evaluated by default
    on_points : whether gfcompare, too, replaces the measure by the points
    seconds : a run is repeated as long as it has taken less than this
    """

    kind: Kind
    widths: tuple[int, ...]
    theta: Array
    points: int = 1024
    steps: int = 0
    step_size: float = 1e-3
    batch: int = 32
    end: float = 0.0
    rtol: float = 1e-6
    dtype: Literal["float64", "float32"] = "float64"
    nodes: int | None = None
    on_points: bool = False
    seconds: float = 1.5

    @property
    def normalized(self) -> bool:
        """True if hidden rows have norm 1."""
        return self.kind.startswith("normalized")

    @property
    def atol(self) -> float:
        """The absolute tolerance of a flow."""
        return self.rtol / 100

    @property
    def x(self) -> Array:
        """The points, shape (N, d)."""
        return grid(self.points, self.widths[0])

    @property
    def y(self) -> Array:
        """The target at the points, shape (N, K)."""
        return np.stack(target(self.x, self.widths[-1]), axis=-1)

    @property
    def layers(self) -> Layers:
        """The initial parameters, layer by layer."""
        return split(self.widths, self.theta)

    def first(self, count: int) -> Task:
        """Return the task for the first networks alone."""
        return dataclasses.replace(self, theta=self.theta[:count])


def target(x: Any, outputs: int = 1) -> list[Any]:
    """Return the target's components at x, shape (..., d), an array of any package.

    On the line f(x) = 0.3 + 4 x - 12 x^2 + 8 x^3, otherwise f(x) = x_1^2 x_2 - x_1; component k is k f.
    """
    first = x[..., 0]
    if x.shape[-1] == 1:
        value = 0.3 + first * (4.0 + first * (-12.0 + first * 8.0))
    else:
        value = first * (first * x[..., 1] - 1.0)
    return [value * float(k) for k in range(1, outputs + 1)]


def grid(points: int, dimension: int) -> Array:
    """Return points in the unit cube, shape (N, d): midpoints of equal cells, the best that is usual.

    In three dimensions or more, a scrambled Sobol sequence.
    """
    each = round(points ** (1 / dimension))
    if dimension <= 2 and each**dimension == points:
        middle = (np.arange(each) + 0.5) / each
        return np.stack(np.meshgrid(*[middle] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    return np.asarray(qmc.Sobol(dimension, rng=0).random(points))


def split(widths: Sequence[int], theta: Array) -> Layers:
    """Return weights and biases of each layer from theta, shape (..., P)."""
    layers, at = [], 0
    for inputs, outputs in itertools.pairwise(widths):
        weight = theta[..., at : at + inputs * outputs].reshape(*theta.shape[:-1], outputs, inputs)
        at += inputs * outputs
        layers.append((weight, theta[..., at : at + outputs]))
        at += outputs
    return layers


def joined(layers: Sequence[Sequence[Any]]) -> Array:
    """Return theta, shape (..., P), from weights and biases of each layer, arrays of any package."""
    parts = []
    for weight, bias in layers:
        weight, bias = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
        parts += [weight.reshape(*bias.shape[:-1], -1), bias]
    return np.concatenate(parts, axis=-1)
