"""Three inputs, one hidden layer, uniform on a box: everything in closed form (kernels.cube)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from gfcompare.evaluators.base import Applicability, Array, Counts, Evaluator, Sampler
from gfcompare.evaluators.cube_data import OnCube, cube_data, cube_target, cube_values
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.kernels import box_descent, cube, cube_hessian, cube_risk
from gfcompare.kernels.cube import CubeData
from gfcompare.kernels.cube_risk import CubeValues
from gfcompare.measures import Box, Product, Uniform
from gfcompare.measures.box import BoxMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.system import threads


class ShallowCube(Evaluator):
    """Exact evaluation of a 3-H-K network on a box: polynomials to degree 3, sums of neurons.

    Parameters
    ----------
    network : with three inputs, one hidden layer of H neurons, K outputs
    sampler : draws points from the measure
    data : box and target
    values : what the risk needs besides
    """

    name: ClassVar[str] = "shallow-cube"
    measures: ClassVar[tuple[type[Any], ...]] = (Box, Product)
    has_hessian: ClassVar[bool] = True
    has_dense_flow: ClassVar[bool] = True

    # A thread pays off past about this many pairs of neurons times rows times steps.
    _WORTH_A_THREAD = 10_000

    def __init__(self, network: ReLUNetwork, sampler: Sampler, data: CubeData, values: CubeValues) -> None:
        super().__init__(network, sampler)
        self._data = data
        self._values = values

    @classmethod
    def applies(cls, parts: ProblemParts) -> Applicability:
        """Return whether there are three inputs, the measure is uniform, and the target is integrated."""
        measure, target = parts.measure, parts.target
        assert isinstance(measure, BoxMeasure)
        if parts.quadrature is not None:
            return Applicability.no("a quadrature rule is asked for")
        if measure.dimension != 3:
            return Applicability.no(f"there are d = {measure.dimension} inputs, it is for d = 3")
        if parts.network.depth != 2:
            return Applicability.no(f"the network has {parts.network.depth - 1} hidden layers, it is for one")
        if isinstance(measure, Product) and not all(isinstance(f, Uniform) for f in measure.factors):
            return Applicability.no("the inputs are not uniform")
        found = cube_target(target, measure.box)
        if isinstance(found, str):
            return Applicability.no(found)

        def build() -> ShallowCube:
            on_cube = OnCube.of(measure.box, found)
            return ShallowCube(parts.network, parts.draw, cube_data(on_cube), cube_values(on_cube))

        return Applicability.yes(
            "three inputs, uniform on a box, one hidden layer", "exact to rounding", build
        )

    @property
    def _pairs(self) -> int:
        """Number of pairs of neurons."""
        hidden = self.network.hidden[0]
        return hidden * (hidden + int(self._data.teacher.shape[1]))

    def flow_data(self) -> CubeData:
        """Return what `kernels.velocity` takes the velocity of a flow from."""
        return self._data

    @property
    def cost(self) -> float:
        """Roughly the operations of a gradient."""
        return 200.0 * (self._pairs + 60.0 * self.network.hidden[0]) * self.network.outputs

    def data(self) -> tuple[Array, ...]:
        """Return the arrays that hold box and target."""
        return tuple(np.asarray(part) for part in (*self._data, *self._values))

    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,)."""
        results = np.empty(len(thetas))

        def work(rows: slice) -> None:
            again = np.empty(rows.stop - rows.start, dtype=np.bool_)
            cube_risk.risks(self._data, self._values, thetas[rows], results[rows], again)
            if again.any():  # compiled only where a risk is small
                found = np.empty(np.count_nonzero(again))
                cube_risk.exact_risks(self._data, self._values, thetas[rows][again], found)
                results[rows][again] = found

        self._share(len(thetas), self.cost, work)
        return results

    def load_risks(self) -> None:
        """Compile, or load from the cache, all that `risks` may need."""
        theta, result = np.zeros((1, self.network.parameter_count)), np.empty(1)
        self.risks(theta)
        cube_risk.exact_risks(self._data, self._values, theta, result)

    def gradients(self, thetas: Array) -> Array:
        """Return the generalised gradient at each row, shape (M, P)."""
        results = np.empty_like(thetas)

        def work(rows: slice) -> None:
            cube.gradients(self._data, thetas[rows], results[rows])

        self._share(len(thetas), self.cost, work)
        return results

    def hessians(self, thetas: Array) -> Array:
        """Return the Hessian of the risk at each row, shape (M, P, P), symmetric to the bit.

        Where the gradient itself has a kink, the conventions of kernels.cube_hessian hold.
        """
        rows, parameters = thetas.shape
        results = np.empty((rows, parameters, parameters))
        cube_hessian.hessians(self._data, thetas, results)
        return results

    def descend(self, thetas: Array, step_sizes: Array, *, normalize: bool, bound: float) -> Counts:
        """Make steps of gradient descent in place; return how many each row made, shape (M,)."""
        taken = np.zeros(len(thetas), dtype=np.int64)

        def work(rows: slice) -> None:
            box_descent.descend(
                self._data, self._widths, thetas[rows], step_sizes, normalize, bound, taken[rows]
            )

        pairs = len(thetas) * self._pairs * len(step_sizes)
        count = 1 if pairs < self._WORTH_A_THREAD else threads.thread_count()
        threads.share_rows(len(thetas), work, threads=count)
        return taken
