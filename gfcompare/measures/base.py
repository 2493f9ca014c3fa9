"""The interface of input measures."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.component import Component, require
from gfcompare.kernels import random

Array = NDArray[np.float64]
Streams = NDArray[np.uint64]


class Measure(Component, abc.ABC):
    """A probability measure on R^d.

    A measure with a density on an interval derives from `LineMeasure`, one on a box from `BoxMeasure`, one
    that sits on finitely many points from `PointMeasure`.
    """

    # `Discretized`, itself a measure, enters its name here: a base imports none of its subclasses.
    _discretized: ClassVar[type[Any]]

    @property
    @abc.abstractmethod
    def dimension(self) -> int:
        """Number of inputs d."""

    @property
    @abc.abstractmethod
    def box(self) -> Array:
        """Ends of a box that holds the measure, shape (d, 2)."""

    @abc.abstractmethod
    def transport(self, uniforms: Array) -> Array:
        """Map independent uniform numbers in [0, 1), shape (..., d), to points of the measure."""

    def draw(self, streams: Streams, count: int) -> Array:
        """Draw independent points, shape (M, count, d), each row from its own random stream.

        Parameters
        ----------
        streams : shape (M, 4), states of the random streams; advanced in place
        count : points for each stream
        """
        numbers = np.empty((len(streams), count * self.dimension))
        random.uniforms(streams, numbers)
        return self.transport(numbers.reshape(len(streams), count, self.dimension))

    def sample(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> Array:
        """Draw independent points: an array of shape size for d = 1, otherwise of shape (*size, d)."""
        shape = (size,) if isinstance(size, int) else tuple(size)
        points = self.transport(rng.random((*shape, self.dimension)))
        return points.reshape(shape if self.dimension == 1 else (*shape, self.dimension))

    def discretize(self, points: int, rule: str = "random", seed: int = 0) -> Measure:
        """Return the measure replaced by N fixed points of equal weight, a `PointMeasure`.

        Parameters
        ----------
        points : number of points N
        rule : "random" (independent), "sobol" (scrambled; N a power of 2) or "quantiles" (d = 1: the
            midpoints of N cells of equal mass)
        seed : chooses the points
        """
        measure: Measure = self._discretized(self, points, rule, seed)
        return measure


def check_interval(lower: object, upper: object) -> None:
    """Raise InputError unless lower and upper are finite numbers, lower < upper."""
    for end in (lower, upper):
        require(
            isinstance(end, int | float | np.integer | np.floating) and not isinstance(end, bool),
            f"the ends of the interval must be numbers, got {end!r}.",
        )
    low, high = float(lower), float(upper)  # type: ignore[arg-type]
    require(
        bool(np.isfinite(low) and np.isfinite(high) and low < high),
        f"the interval must have finite ends with lower < upper, got [{lower}, {upper}].",
    )
