"""Exact along lines parallel to one axis: deep networks on the line, and what preintegration is made of."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gfcompare.evaluators.base import Applicability, Array, Evaluator, Sampler
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.evaluators.samplers import OfPieces
from gfcompare.kernels import deep_line, line_set
from gfcompare.kernels.line_set import LineSet
from gfcompare.kernels.velocity import Shallow
from gfcompare.measures import LineMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.piecewise.antiderivatives import line_moments, single_line

Orders = NDArray[np.uint64]

# Entries of the orders of breakpoints that a thread keeps, of 8 bytes.
_ORDERS_HELD = 2**22


class _Memory(threading.local):
    """The last orders of the breakpoints in each thread; they only save time (kernels.sorting)."""

    orders: Orders | None = None


class AlongLines(Evaluator):
    """A network of any depth against a piecewise polynomial target and density on B lines.

    Parameters
    ----------
    network : with d inputs and K outputs
    sampler : draws points from the measure
    lines : target and density
    """

    name: ClassVar[str] = "along-lines"
    measures: ClassVar[tuple[type[Any], ...]] = (LineMeasure,)

    @classmethod
    def applies(cls, parts: ProblemParts) -> Applicability:
        """Return that it applies: to every network with one input."""

        def build() -> AlongLines:
            sampler = OfPieces(parts.measure, parts.pieces)
            return AlongLines(parts.network, sampler, single_line(parts.density, parts.pieces))

        return Applicability.yes("one input, any depth", "exact to rounding", build)

    def __init__(self, network: ReLUNetwork, sampler: Sampler, lines: LineSet) -> None:
        super().__init__(network, sampler)
        self.lines = lines
        self._moments = line_moments(lines) if network.depth == 2 else None
        self._memory = _Memory()

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_memory"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._memory = _Memory()

    def data(self) -> tuple[Array, ...]:
        """Return the arrays of the lines."""
        return tuple(np.asarray(part) for group in self.lines for part in group)

    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,)."""
        results = np.empty(len(thetas))

        def work(rows: slice) -> None:
            if self._moments is None:
                nothing = np.empty((1, 0))
                deep_line.evaluate(self.lines, self._widths, thetas[rows], results[rows], nothing, False)
            else:
                hidden = self.network.hidden[0]
                line_set.risks(self.lines, self._moments, thetas[rows], results[rows], hidden)

        self._share(len(thetas), self.cost, work)
        return results

    def gradients(self, thetas: Array) -> Array:
        """Return the generalised gradient at each row, shape (M, P)."""
        results = np.empty_like(thetas)

        def work(rows: slice) -> None:
            if self._moments is None:
                risks = np.empty(rows.stop - rows.start)
                deep_line.evaluate(self.lines, self._widths, thetas[rows], risks, results[rows], True)
            else:
                most = max(_ORDERS_HELD // (len(self.lines.segments.weights) * self.network.hidden[0]), 1)
                for first in range(rows.start, rows.stop, most):
                    part = slice(first, min(first + most, rows.stop))
                    orders = self._orders(part.stop - part.start)
                    line_set.gradients(
                        self.lines.segments, self._moments, thetas[part], results[part], orders
                    )

        self._share(len(thetas), self.cost, work)
        return results

    def flow_data(self) -> Shallow | LineSet:
        """Return what `kernels.velocity` takes the velocity of a flow from."""
        return self.lines if self._moments is None else Shallow(self.lines.segments, self._moments)

    @property
    def cost(self) -> float:
        """Roughly the operations of a gradient."""
        return len(self.lines.segments.weights) * 30.0 * self.network.parameter_count

    def _orders(self, rows: int) -> Orders:
        """Return the orders to start sorting from, shape (M, B, H): those of this thread's last call."""
        known = self._memory.orders
        if known is None or len(known) < rows:
            first = np.arange(self.network.hidden[0], dtype=np.uint64)
            known = np.tile(first, (rows, len(self.lines.segments.weights), 1))
            self._memory.orders = known
        return known[:rows]
