"""One input, one hidden layer: everything in closed form (kernels.line)."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import numpy as np

from gfcompare.evaluators.base import Applicability, Array, Counts, Evaluator, Sampler, Streams
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.evaluators.samplers import OfPieces
from gfcompare.kernels import descent, dormant, line, line_batch, line_hessian, line_risk
from gfcompare.kernels.line import LineData
from gfcompare.measures import LineMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.piecewise.antiderivatives import line_data
from gfcompare.piecewise.interval import PiecewisePolynomial
from gfcompare.system import threads


class _Memory(threading.local):
    """The last order of the breakpoints in each thread: they move little between calls.

    The order only saves time: results do not depend on it (kernels.sorting).
    """

    def __init__(self, hidden: int) -> None:
        self.order = np.arange(hidden).astype(np.uint64)


class ShallowLine(Evaluator):
    """Exact evaluation of a 1-H-K network against a piecewise polynomial target and density.

    Parameters
    ----------
    network : with one input, one hidden layer of H neurons, K outputs
    sampler : draws points from the measure
    target : K components
    density : one component, total mass 1
    """

    name: ClassVar[str] = "shallow-line"
    measures: ClassVar[tuple[type[Any], ...]] = (LineMeasure,)
    has_hessian: ClassVar[bool] = True
    has_dense_flow: ClassVar[bool] = True

    @classmethod
    def applies(cls, parts: ProblemParts) -> Applicability:
        """Return whether there is one hidden layer."""
        layers = parts.network.depth - 1
        if layers != 1:
            return Applicability.no(f"the network has {layers} hidden layers, it is for one")

        def build() -> ShallowLine:
            sampler = OfPieces(parts.measure, parts.pieces)
            return ShallowLine(parts.network, sampler, parts.pieces, parts.density)

        return Applicability.yes("one input, one hidden layer", "exact to rounding", build)

    # A thread pays off past about this many neurons times rows times steps.
    _WORTH_A_THREAD = 20_000

    def __init__(
        self,
        network: ReLUNetwork,
        sampler: Sampler,
        target: PiecewisePolynomial,
        density: PiecewisePolynomial,
    ) -> None:
        super().__init__(network, sampler)
        self._hidden = network.hidden[0]
        self._pieces = (target, density)
        self._data = line_data(density, target)
        self._memory = _Memory(self._hidden)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_memory"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._memory = _Memory(self._hidden)

    def flow_data(self) -> LineData:
        """Return what `kernels.velocity` takes the velocity of a flow from."""
        return self._data

    def dormant_rates(self, theta: Array, logs: Array, normalize: bool) -> Array:
        """Return the rates of the dormant neurons at theta, (P,), shape (H,); see `kernels.dormant`."""
        results = np.zeros_like(logs)
        if logs.any():
            dormant.rates(self._data, theta, logs, normalize, results)
        return results

    def restore_dormant(self, thetas: Array, logs: Array) -> None:
        """Put the dormant neurons at each row to where they are, in place, with `logs` of shape (M, H)."""
        if logs.any():
            dormant.restore_rows(self._data, thetas, logs)

    @property
    def cost(self) -> float:
        """Roughly the operations of a gradient."""
        return 30.0 * self._hidden

    def _threads(self, rows: int, steps: int) -> int:
        return 1 if rows * self._hidden * steps < self._WORTH_A_THREAD else threads.thread_count()

    def data(self) -> tuple[Array, ...]:
        """Return knots and coefficients of target and density."""
        return tuple(a for pieces in self._pieces for a in (pieces.knots, pieces.high, pieces.low))

    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,)."""
        results = np.empty(len(thetas))
        line_risk.risks(self._data, thetas, results, self._memory.order)
        return results

    def gradients(self, thetas: Array) -> Array:
        """Return the generalised gradient at each row, shape (M, P)."""
        results = np.empty_like(thetas)
        line.gradients(self._data.integrals, thetas, results, self._memory.order)
        return results

    def hessians(self, thetas: Array) -> Array:
        """Return the Hessian of the risk at each row, shape (M, P, P), symmetric to the bit.

        Where the gradient itself has a kink (a breakpoint on an end of the interval or on a jump of
        target or density, a zero weight), the conventions of kernels.line_hessian hold.
        """
        rows, parameters = thetas.shape
        results = np.empty((rows, parameters, parameters))
        line_hessian.hessians(self._data, thetas, results, self._memory.order)
        return results

    def batch_gradients(self, thetas: Array, points: Array, values: Array) -> Array:
        """Return the mean gradient over row m of `points`, (M, n, 1), at each row; the target is known."""
        results = np.empty_like(thetas)
        line_batch.batch_gradients(self._data, thetas, points[..., 0], results, self._hidden)
        return results

    def descend(self, thetas: Array, step_sizes: Array, *, normalize: bool, bound: float) -> Counts:
        """Make steps of gradient descent in place; return how many each row made, shape (M,)."""
        no_streams = np.empty((len(thetas), 4), dtype=np.uint64)
        return self._descend(thetas, step_sizes, normalize, bound, 0, no_streams)

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
        return self._descend(thetas, step_sizes, normalize, bound, batch_size, streams)

    def _descend(
        self,
        thetas: Array,
        step_sizes: Array,
        normalize: bool,
        bound: float,
        batch_size: int,
        streams: Streams,
    ) -> Counts:
        taken = np.zeros(len(thetas), dtype=np.int64)

        def work(rows: slice) -> None:
            descent.descend(
                self._data,
                thetas[rows],
                step_sizes,
                self._hidden,
                normalize,
                bound,
                taken[rows],
                batch_size,
                streams[rows],
            )

        threads.share_rows(len(thetas), work, threads=self._threads(len(thetas), len(step_sizes)))
        return taken
