"""Two inputs, one hidden layer, uniform on a rectangle: everything in closed form (kernels.plane)."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import numpy as np

from gfcompare.evaluators.base import Applicability, Array, Counts, Evaluator, Sampler
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.evaluators.plane_data import plane_data, plane_target
from gfcompare.kernels import box_descent, plane, plane_hessian, plane_risk
from gfcompare.kernels.plane import PlaneData
from gfcompare.kernels.plane_risk import PlaneValues
from gfcompare.measures import Box, Product, Uniform
from gfcompare.measures.box import BoxMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.system import threads


class _Memory(threading.local):
    """The last order of the ends of chords in each thread; it only saves time (kernels.sorting)."""

    def __init__(self, ends: int) -> None:
        self.order = np.arange(ends).astype(np.uint64)


class ShallowPlane(Evaluator):
    """Exact evaluation of a 2-H-K network on a rectangle: polynomials, sums of neurons, smooth targets.

    Parameters
    ----------
    network : with two inputs, one hidden layer of H neurons, K outputs
    sampler : draws points from the measure
    data : rectangle and target
    values : what the risk needs besides
    """

    name: ClassVar[str] = "shallow-plane"
    measures: ClassVar[tuple[type[Any], ...]] = (Box, Product)
    has_hessian: ClassVar[bool] = True
    has_dense_flow: ClassVar[bool] = True

    # A thread pays off past about this many pairs of neurons times rows times steps.
    _WORTH_A_THREAD = 100_000

    def __init__(self, network: ReLUNetwork, sampler: Sampler, data: PlaneData, values: PlaneValues) -> None:
        super().__init__(network, sampler)
        self._data = data
        self._values = values
        self._memory = _Memory(self._ends)

    @classmethod
    def applies(cls, parts: ProblemParts) -> Applicability:
        """Return whether this is the plane, the measure uniform, and the target one that is integrated."""
        measure, target = parts.measure, parts.target
        assert isinstance(measure, BoxMeasure)
        if parts.quadrature is not None:
            return Applicability.no("a quadrature rule is asked for")
        if measure.dimension != 2:
            return Applicability.no(f"there are d = {measure.dimension} inputs, it is for d = 2")
        if parts.network.depth != 2:
            return Applicability.no(f"the network has {parts.network.depth - 1} hidden layers, it is for one")
        if isinstance(measure, Product) and not all(isinstance(f, Uniform) for f in measure.factors):
            return Applicability.no("the inputs are not uniform")
        found = plane_target(target, measure.box)
        if isinstance(found, str):
            return Applicability.no(found)

        def build() -> ShallowPlane:
            return ShallowPlane(parts.network, parts.draw, *plane_data(measure.box, found))

        return Applicability.yes(
            "two inputs, uniform on a rectangle, one hidden layer",
            "exact to rounding"
            if found.tables is None
            else f"exact but for tables of the target's moments, whose error is {found.tables.error:.0e}",
            build,
        )

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_memory"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._memory = _Memory(self._ends)

    @property
    def _ends(self) -> int:
        """Number of ends of chords, at most."""
        return 2 * (self.network.hidden[0] + int(self._data.teacher.shape[1]))

    def flow_data(self) -> PlaneData:
        """Return what `kernels.velocity` takes the velocity of a flow from."""
        return self._data

    @property
    def cost(self) -> float:
        """Roughly the operations of a gradient."""
        return 30.0 * self.network.hidden[0] * (self._ends / 2 + 20.0) * self.network.outputs

    def data(self) -> tuple[Array, ...]:
        """Return the arrays that hold rectangle and target."""
        return tuple(np.asarray(part) for part in (*self._data, *self._values))

    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,)."""
        results = np.empty(len(thetas))

        def work(rows: slice) -> None:
            plane_risk.risks(self._data, self._values, thetas[rows], results[rows], self._memory.order)

        self._share(len(thetas), self.cost, work)
        return results

    def gradients(self, thetas: Array) -> Array:
        """Return the generalised gradient at each row, shape (M, P)."""
        results = np.empty_like(thetas)

        def work(rows: slice) -> None:
            plane.gradients(self._data, thetas[rows], results[rows], self._memory.order)

        self._share(len(thetas), self.cost, work)
        return results

    def hessians(self, thetas: Array) -> Array:
        """Return the Hessian of the risk at each row, shape (M, P, P), symmetric to the bit.

        Where the gradient itself has a kink, the conventions of kernels.plane_hessian hold.
        """
        rows, parameters = thetas.shape
        results = np.empty((rows, parameters, parameters))
        plane_hessian.hessians(self._data, thetas, results)
        return results

    def descend(self, thetas: Array, step_sizes: Array, *, normalize: bool, bound: float) -> Counts:
        """Make steps of gradient descent in place; return how many each row made, shape (M,)."""
        taken = np.zeros(len(thetas), dtype=np.int64)

        def work(rows: slice) -> None:
            box_descent.descend(
                self._data, self._widths, thetas[rows], step_sizes, normalize, bound, taken[rows]
            )

        pairs = len(thetas) * self.network.hidden[0] * self._ends / 2 * len(step_sizes)
        count = 1 if pairs < self._WORTH_A_THREAD else threads.thread_count()
        threads.share_rows(len(thetas), work, threads=count)
        return taken
