"""What every way of evaluating a problem offers to `Problem`."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gfcompare import parallel
from gfcompare.kernels import points as points_kernel
from gfcompare.network import ReLUNetwork

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Streams = NDArray[np.uint64]
#: Draws points from the measure, with the target there: (streams (M, 4), advanced in place; count) ->
#: points (M, count, d), values (M, count, K).
Sampler = Callable[[Streams, int], tuple[Array, Array]]

#: No array of activation slopes or pre-activations, for `kernels.points`.
NOTHING = np.empty((0, 0))

# Sampled points that are held at a time while steps are made.
_POINTS_HELD = 200_000


@dataclass(frozen=True)
class FlowTables:
    """Where M trajectories of a flow are that is integrated in compiled code (`kernels.ndf`).

    Attributes
    ----------
    differences : ndarray, shape (M, 8, P)
        backward differences of the solver's variable
    clocks : ndarray, shape (M, 3)
        flow time reached by the steps, step size, and the smallest step so far
    counts : ndarray of int64, shape (M, 5)
        order, steps with this order and size, steps, gradients, steps that were rejected
    """

    differences: Array
    clocks: Array
    counts: Counts

    def copy(self) -> FlowTables:
        """Return a copy that may be moved on."""
        return FlowTables(self.differences.copy(), self.clocks.copy(), self.counts.copy())


class Evaluator(abc.ABC):
    """Risk, gradients and descent for rows of parameters, checked and contiguous.

    Every array `thetas` has shape (M, P), is float64 and C-contiguous. Nothing is counted here.

    Parameters
    ----------
    network : the architecture
    sampler : draws points from the measure
    """

    def __init__(self, network: ReLUNetwork, sampler: Sampler) -> None:
        self.network = network
        self._sampler = sampler
        self._widths = np.array(network.widths, dtype=np.int64)

    @abc.abstractmethod
    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,)."""

    @abc.abstractmethod
    def gradients(self, thetas: Array) -> Array:
        """Return the generalised gradient at each row, shape (M, P)."""

    @abc.abstractmethod
    def data(self) -> Iterable[Array]:
        """Return the arrays that determine risk and gradient, besides the network."""

    def batch_gradients(self, thetas: Array, points: Array, values: Array) -> Array:
        """Return the mean gradient over row m of `points`, (M, n, d), with targets (M, n, K), at each row."""
        results, risks = np.empty_like(thetas), np.empty(len(thetas))
        weights = np.full(points.shape[1], 1.0 / points.shape[1])
        points_kernel.evaluate(
            self._widths, thetas, points, values, weights, NOTHING, NOTHING, risks, results
        )
        return results

    def descend(self, thetas: Array, step_sizes: Array, *, normalize: bool, bound: float) -> Counts:
        """Make steps of gradient descent in place; return how many each row made, shape (M,)."""
        return self._stepped(
            thetas, step_sizes, lambda rows, _: self.gradients(rows), normalize=normalize, bound=bound
        )

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
        drawn = _Drawn(self._sampler, streams, len(step_sizes), batch_size)

        def gradients(rows: Array, inside: NDArray[np.bool_]) -> Array:
            points, values = drawn.batch()
            return self.batch_gradients(rows, points[inside], values[inside])

        return self._stepped(thetas, step_sizes, gradients, normalize=normalize, bound=bound)

    def _stepped(
        self,
        thetas: Array,
        step_sizes: Array,
        gradients: Callable[[Array, NDArray[np.bool_]], Array],
        *,
        normalize: bool,
        bound: float,
    ) -> Counts:
        """Make steps along gradients(rows that go on, which they are); all rows take a step together."""
        taken = np.zeros(len(thetas), dtype=np.int64)
        if not len(thetas):
            return taken
        inside = np.ones(len(thetas), dtype=bool)
        rows = thetas.copy()
        for size in step_sizes:
            gradient = gradients(rows, inside)
            if normalize:
                gradient = self.network.project(rows, gradient)
            rows = rows - size * gradient
            if normalize:
                rows = self.network.retract(rows)
            taken[inside] += 1
            within = np.einsum("mp,mp->m", rows, rows) <= bound * bound
            if not within.all():
                thetas[inside] = rows
                rows = np.ascontiguousarray(rows[within])
                inside[inside] = within
                if not len(rows):
                    return taken
        thetas[inside] = rows
        return taken

    def _share(self, rows: int, cost: float, work: Callable[[slice], None]) -> None:
        """Call `work` on slices of the rows, on threads if a row's cost, in operations, is worth it."""
        if rows == 1 or rows * cost < 200_000:
            work(slice(0, rows))
        else:
            parallel.share_rows(rows, work)


class _Drawn:
    """Batches for many steps, drawn in blocks: the same points whatever the size of a block."""

    def __init__(self, sampler: Sampler, streams: Streams, steps: int, batch_size: int) -> None:
        self._sampler = sampler
        self._streams = streams
        self._left = steps
        self._size = batch_size
        self._at = 0
        self._points = self._values = np.empty((len(streams), 0, 0))

    def batch(self) -> tuple[Array, Array]:
        """Return the next batch: points, (M, n, d), and targets, (M, n, K)."""
        if self._at == self._points.shape[1]:
            steps = min(self._left, max(_POINTS_HELD // (self._size * len(self._streams)), 1))
            self._left -= steps
            self._points, self._values = self._sampler(self._streams, steps * self._size)
            self._at = 0
        part = slice(self._at, self._at + self._size)
        self._at += self._size
        return self._points[:, part], self._values[:, part]
