"""What every way of evaluating a problem offers to `Problem`."""

from __future__ import annotations

import abc

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Streams = NDArray[np.uint64]


class Evaluator(abc.ABC):
    """Risk, gradients and compiled descent for rows of parameters, checked and contiguous.

    Every array `thetas` has shape (M, P), is float64 and C-contiguous. Nothing is counted here.
    """

    @abc.abstractmethod
    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,)."""

    @abc.abstractmethod
    def gradients(self, thetas: Array) -> Array:
        """Return the generalised gradient at each row, shape (M, P)."""

    @abc.abstractmethod
    def batch_gradients(self, thetas: Array, points: Array) -> Array:
        """Return the mean gradient over row m of `points`, shape (M, n), at each row of thetas."""

    @abc.abstractmethod
    def descend(self, thetas: Array, step_sizes: Array, *, normalize: bool, bound: float) -> Counts:
        """Make steps of gradient descent in place; return how many each row made, shape (M,)."""

    @abc.abstractmethod
    def descend_sampled(
        self,
        thetas: Array,
        step_sizes: Array,
        *,
        batch_size: int,
        streams: Streams,
        normalize: bool,
        bound: float,
    ) -> Counts:
        """Make steps of stochastic gradient descent in place, with streams (M, 4) for the batches."""
