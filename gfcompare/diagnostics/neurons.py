"""The activity of neurons of the first hidden layer: counts, changes, breakpoints.

The pre-activation of such a neuron is affine in x, so that on an interval or a box its smallest and largest
values are at corners, known exactly; on finitely many points they are values at points. Normal inputs
activate every neuron whose row is not 0, if ever so rarely: what counts of a pre-activation, which is normal
too, is 8 standard deviations on both sides of its mean, all but 1.3e-15 of its mass.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gfcompare.diagnostics.base import Array, Diagnostic, Trajectories, present
from gfcompare.measures import Gaussian, PointMeasure
from gfcompare.measures.gaussian import REACH
from gfcompare.problem import Problem

# Pre-activations that are held at a time.
_HELD = 5_000_000


def activation_range(problem: Problem, theta: Array) -> tuple[Array, Array]:
    """Return the smallest and largest pre-activation of each neuron of the first layer, shapes (..., H_1).

    Over the points of the measure, or the interval or box that holds it; 8 standard deviations from the mean
    for normal inputs.
    """
    layer = problem.network.first_layer(theta)
    if isinstance(problem.measure, Gaussian):
        middle = layer.weight @ problem.measure.centre + layer.bias
        reach = REACH * np.linalg.norm(problem.measure.whiten(layer.weight), axis=-1)
        return np.asarray(middle - reach), np.asarray(middle + reach)
    if not isinstance(problem.measure, PointMeasure):
        box = problem.measure.box
        middle = layer.weight @ (0.5 * box[:, 0] + 0.5 * box[:, 1]) + layer.bias
        reach = np.abs(layer.weight) @ (0.5 * box[:, 1] - 0.5 * box[:, 0])
        return np.asarray(middle - reach), np.asarray(middle + reach)
    points = problem.measure.points.T
    weights = layer.weight.reshape(-1, points.shape[0])
    biases = layer.bias.reshape(-1, 1)
    low, high = np.empty(len(weights)), np.empty(len(weights))
    block = max(1, _HELD // points.shape[1])
    for first in range(0, len(weights), block):
        rows = slice(first, first + block)
        z = weights[rows] @ points + biases[rows]
        low[rows], high[rows] = z.min(axis=1), z.max(axis=1)
    return low.reshape(layer.bias.shape), high.reshape(layer.bias.shape)


class _OfRanges(Diagnostic):
    """A quantity of the ranges of pre-activations, which are computed once for all such quantities."""

    @abc.abstractmethod
    def of_ranges(self, low: Array, high: Array) -> NDArray[np.generic]:
        """Return the quantity, shape (M, T), for smallest and largest pre-activations, shapes (M, T, H_1)."""

    def compute(self, problem: Problem, theta: Array) -> Array:
        """Return the quantity at each state."""
        return np.where(present(theta), self.of_ranges(*activation_range(problem, theta)), np.nan)

    def along(self, problem: Problem, trajectories: Trajectories) -> Array:
        """Return the quantity at each state."""
        theta = trajectories.theta
        low, high, there = trajectories.once(
            "activation range", lambda: (*activation_range(problem, theta), present(theta))
        )
        return np.where(there, self.of_ranges(low, high), np.nan)


@dataclass(frozen=True)
class DeadNeurons(_OfRanges):
    """The number of neurons of the first hidden layer that are active nowhere on the measure's support.

    The generalised gradient of such a neuron is 0, for normal inputs to rounding: both flows leave it where
    it is.
    """

    name: ClassVar[str] = "dead_neurons"
    long_name: ClassVar[str] = "neurons of the first hidden layer that are active nowhere"
    units: ClassVar[str] = "1"

    def of_ranges(self, low: Array, high: Array) -> NDArray[np.generic]:
        """Return the number at each state."""
        return np.asarray(np.count_nonzero(high <= 0, axis=-1))


@dataclass(frozen=True)
class ActiveNeurons(_OfRanges):
    """The number of neurons of the first hidden layer that are active somewhere on the measure's support."""

    name: ClassVar[str] = "active_neurons"
    long_name: ClassVar[str] = "neurons of the first hidden layer that are active somewhere"
    units: ClassVar[str] = "1"

    def of_ranges(self, low: Array, high: Array) -> NDArray[np.generic]:
        """Return the number at each state."""
        return np.asarray(np.count_nonzero(high > 0, axis=-1))


@dataclass(frozen=True)
class FullyActiveNeurons(_OfRanges):
    """The number of neurons of the first hidden layer that are active on the whole of the support.

    They are among the active ones; together they contribute an affine function.
    """

    name: ClassVar[str] = "fully_active_neurons"
    long_name: ClassVar[str] = "neurons of the first hidden layer that are active everywhere"
    units: ClassVar[str] = "1"

    def of_ranges(self, low: Array, high: Array) -> NDArray[np.generic]:
        """Return the number at each state."""
        return np.asarray(np.count_nonzero((low >= 0) & (high > 0), axis=-1))


@dataclass(frozen=True)
class ActivityChanges(_OfRanges):
    """The number of changes of neurons between dead, partly and fully active, from save to save.

    From each save time to the next, every neuron that is not of the kind it was counts once.
    """

    name: ClassVar[str] = "activity_changes"
    long_name: ClassVar[str] = "changes between dead, partly and fully active, of neurons of the first layer"
    units: ClassVar[str] = "1"

    def of_ranges(self, low: Array, high: Array) -> NDArray[np.generic]:
        """Return the number since the first save time, at each state."""
        # 0 dead, 1 partly active, 2 fully active
        kind = np.where(high <= 0, 0, np.where(low < 0, 1, 2))
        total = np.zeros(kind.shape[:2])
        np.cumsum((kind[:, 1:] != kind[:, :-1]).sum(axis=-1), axis=1, out=total[:, 1:])
        return total


@dataclass(frozen=True)
class Breakpoints(Diagnostic):
    """The zeros -b / w of the pre-activations of the first hidden layer, for one input.

    They may lie outside the interval; without one, w = 0, the value is missing.
    """

    name: ClassVar[str] = "breakpoints"
    long_name: ClassVar[str] = "zeros of the pre-activations of the first hidden layer"
    units: ClassVar[str] = "input"
    dims: ClassVar[tuple[str, ...]] = ("neuron_1",)
    default: ClassVar[bool] = False

    @classmethod
    def applies(cls, problem: Problem) -> bool:
        """Return whether there is one input."""
        return problem.network.inputs == 1

    def compute(self, problem: Problem, theta: Array) -> Array:
        """Return them at each state, shape (M, T, H_1)."""
        layer = problem.network.layers(theta)[0]
        weight = layer.weight[..., 0]
        there = np.isfinite(weight) & (weight != 0)
        with np.errstate(over="ignore"):
            zeros = np.divide(-layer.bias, weight, out=np.full(weight.shape, np.nan), where=there)
        return np.where(np.isfinite(zeros), zeros, np.nan)
