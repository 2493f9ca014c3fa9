"""One hidden layer, normal inputs in any dimension: everything in closed form (kernels.gaussian)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from gfcompare.evaluators.applicability import Applicability
from gfcompare.evaluators.base import Array, Counts, Evaluator, Sampler
from gfcompare.evaluators.hermite_expansion import Expansion, NotExpandedError, expand
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.evaluators.samplers import OfTarget
from gfcompare.kernels import gaussian_descent, gaussian_gradient, gaussian_hessian, gaussian_risk
from gfcompare.kernels.gaussian import tables
from gfcompare.kernels.gaussian_gradient import GaussianData
from gfcompare.measures import Gaussian
from gfcompare.network import ReLUNetwork


class GaussianInputs(Evaluator):
    """Exact evaluation of a d-H-K network against a target with a closed form under normal inputs.

    Parameters
    ----------
    network : with d inputs, one hidden layer of H neurons, K outputs
    sampler : draws points from the measure
    measure : the normal distribution
    expansion : the target
    """

    name: ClassVar[str] = "gaussian-inputs"
    measures: ClassVar[tuple[type[Any], ...]] = (Gaussian,)
    has_hessian: ClassVar[bool] = True

    @classmethod
    def applies(cls, parts: ProblemParts) -> Applicability:
        """Return whether there is one hidden layer, and a target with a closed form."""
        measure, layers = parts.measure, parts.network.depth - 1
        assert isinstance(measure, Gaussian)
        if layers != 1:
            return Applicability.no(f"the network has {layers} hidden layers, closed forms are for one")
        try:
            expansion = expand(parts.target, measure)
        except NotExpandedError as error:
            return Applicability.no(str(error))
        sampler = OfTarget(measure, parts.target)
        return Applicability.yes(
            "normal inputs, one hidden layer, a target with a closed form",
            "exact to rounding",
            lambda: GaussianInputs(parts.network, sampler, measure, expansion),
        )

    def __init__(
        self, network: ReLUNetwork, sampler: Sampler, measure: Gaussian, expansion: Expansion
    ) -> None:
        super().__init__(network, sampler)
        self._hidden = network.hidden[0]
        self._data = _data(measure, expansion)

    def data(self) -> tuple[Array, ...]:
        """Return mean and factor of the covariance, and the parts of the target."""
        return tuple(np.asarray(part) for part in self._data[2:])

    @property
    def cost(self) -> float:
        """Roughly the operations of a gradient: so many for a pair of neurons, and its share of vectors."""
        neurons = self._hidden + len(self._data.rows)
        return self._hidden * neurons * (100.0 + 4.0 * self.network.inputs)

    def flow_data(self) -> GaussianData:
        """Return what `kernels.velocity` takes the velocity of a flow from."""
        return self._data

    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,)."""
        results = np.empty(len(thetas))

        def work(rows: slice) -> None:
            gaussian_risk.risks(self._data, thetas[rows], self._hidden, results[rows])

        self._share(len(thetas), self.cost, work)
        return results

    def gradients(self, thetas: Array) -> Array:
        """Return the generalised gradient at each row, shape (M, P)."""
        results = np.empty_like(thetas)

        def work(rows: slice) -> None:
            gaussian_gradient.gradients(self._data, thetas[rows], self._hidden, results[rows])

        self._share(len(thetas), self.cost, work)
        return results

    def hessians(self, thetas: Array) -> Array:
        """Return the Hessian of the risk at each row, shape (M, P, P), symmetric to the bit."""
        rows, parameters = thetas.shape
        results = np.empty((rows, parameters, parameters))

        def work(part: slice) -> None:
            gaussian_hessian.hessians(self._data, thetas[part], self._hidden, results[part])

        self._share(rows, 10.0 * self.cost * self.network.inputs, work)
        return results

    def descend(self, thetas: Array, step_sizes: Array, *, normalize: bool, bound: float) -> Counts:
        """Make steps of gradient descent in place; return how many each row made, shape (M,)."""
        taken = np.zeros(len(thetas), dtype=np.int64)

        def work(rows: slice) -> None:
            gaussian_descent.descend(
                self._data, self._widths, thetas[rows], step_sizes, normalize, bound, taken[rows]
            )

        self._share(len(thetas), self.cost * len(step_sizes), work)
        return taken


def _data(measure: Gaussian, expansion: Expansion) -> GaussianData:
    """Return what the kernels need: the measure, and minus the target."""
    rank = expansion.linear.shape[1]
    rows = np.ascontiguousarray(expansion.rows[:, :rank])
    biases = np.ascontiguousarray(expansion.rows[:, rank])
    square = np.zeros(2)
    gaussian_risk.mean_square(
        rows, biases, -expansion.columns, -expansion.constant, -expansion.linear, square
    )
    data = GaussianData(
        *tables(),
        measure.centre,
        np.ascontiguousarray(measure.factor),
        expansion.rows,
        -expansion.columns,
        -expansion.constant,
        -expansion.linear,
        expansion.ridges,
        -expansion.profiles,
        expansion.products,
        -expansion.weights,
        square,
    )
    if len(expansion.ridges) or len(expansion.products):
        square[0] += expansion.square_of_higher(measure.factor) + 2.0 * _neurons_times_higher(data)
    return data


def _neurons_times_higher(data: GaussianData) -> float:
    """Return E[f g] of the teacher's neurons f and the part g of a target that has degree 2 and more."""
    teacher = len(data.rows)
    if teacher == 0:
        return 0.0
    outputs, rank = data.linear.shape
    none = data._replace(
        rows=np.empty((0, rank + 1)),
        columns=np.empty((outputs, 0)),
        constant=np.zeros(outputs),
        linear=np.zeros((outputs, rank)),
    )
    products = np.empty((outputs, teacher))
    gaussian_gradient.products_with_target(none, data.rows, products)
    return float((data.columns * products).sum())
