"""One hidden layer, normal inputs in any dimension: everything in closed form (kernels.gaussian)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from gfcompare.evaluators.base import Applicability, Array, Counts, Evaluator, Sampler
from gfcompare.evaluators.hermite_expansion import Expansion, NotExpandedError, expand
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.kernels import gaussian_descent, gaussian_gradient, gaussian_hessian, gaussian_risk
from gfcompare.kernels.gaussian import BIAS, CELLS, SCALARS, TERMS, tables
from gfcompare.kernels.gaussian_gradient import GaussianData, GaussianWork, gaussian_work
from gfcompare.measures import Gaussian
from gfcompare.network import ReLUNetwork

# A risk below this share of its terms is evaluated with twice the digits.
_SHARE = 1e-6


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
    has_dense_flow: ClassVar[bool] = True

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
        return Applicability.yes(
            "normal inputs, one hidden layer, a target with a closed form",
            "exact to rounding",
            lambda: GaussianInputs(parts.network, parts.draw, measure, expansion),
        )

    def __init__(
        self, network: ReLUNetwork, sampler: Sampler, measure: Gaussian, expansion: Expansion
    ) -> None:
        super().__init__(network, sampler)
        self._hidden = network.hidden[0]
        self._measure = measure
        self._expansion = expansion
        self._data = _data(measure, expansion)

    def data(self) -> tuple[Array, ...]:
        """Return mean and factor of the covariance, and the parts of the target."""
        return tuple(np.asarray(part) for part in (*self._data[2:4], *vars(self._expansion).values()))

    @property
    def cost(self) -> float:
        """Roughly the operations of a gradient: so many for a pair of neurons, and its share of vectors."""
        neurons = self._hidden + len(self._data.directions)
        return self._hidden * neurons * (100.0 + 4.0 * self.network.inputs)

    def flow_data(self) -> GaussianData:
        """Return what `kernels.velocity` takes the velocity of a flow from."""
        return self._data

    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,), not negative."""
        risks, _ = self._evaluate(thetas)
        results = np.where(risks[:, 0] < 0, 0.0, risks[:, 0])
        # A target of degree 2 and more is no network: there the risk is never that small.
        if not len(self._data.ridges) and not len(self._data.products):
            for m in np.flatnonzero(results < _SHARE * risks[:, 1]):
                results[m] = self._small_risk(thetas[m])
        return results

    def load_risks(self) -> None:
        """Compile, or load from the cache, what risks of any size need."""
        theta = np.zeros((1, self.network.parameter_count))
        self.risks(theta)
        self._small_risk(theta[0])

    def _small_risk(self, theta: Array) -> float:
        """Return the risk at theta, shape (P,), by arithmetic with twice the digits."""
        inputs, (outputs, rank) = self.network.inputs, self._data.linear.shape
        first = self._hidden * inputs
        teacher = self._expansion.rows
        rows = _whitened(
            self._measure,
            np.concatenate([theta[:first].reshape(self._hidden, inputs), teacher[:, :inputs]]),
            np.concatenate([theta[first : first + self._hidden], teacher[:, inputs]]),
        )
        columns = theta[first + self._hidden : -outputs].reshape(outputs, self._hidden)
        result = np.empty(2)
        gaussian_risk.mean_square(
            rows,
            np.concatenate([columns, self._data.columns], axis=1),
            theta[-outputs:] + self._data.constant,
            self._data.linear,
            result,
            gaussian_risk.mean_square_work(len(rows), rank, outputs),
        )
        return max(float(result[0]), 0.0)

    def gradients(self, thetas: Array) -> Array:
        """Return the generalised gradient at each row, shape (M, P)."""
        return self._evaluate(thetas)[1]

    def _evaluate(self, thetas: Array) -> tuple[Array, Array]:
        """Return risks with the size of their terms, shape (M, 2), and gradients, shape (M, P)."""
        risks, gradients = np.empty((len(thetas), 2)), np.empty_like(thetas)

        def work(rows: slice) -> None:
            gaussian_gradient.evaluate(self._data, thetas[rows], risks[rows], gradients[rows], self._work())

        self._share(len(thetas), self.cost, work)
        return risks, gradients

    def hessians(self, thetas: Array) -> Array:
        """Return the Hessian of the risk at each row, shape (M, P, P), symmetric to the bit."""
        rows, parameters = thetas.shape
        results = np.empty((rows, parameters, parameters))

        def work(part: slice) -> None:
            own = gaussian_hessian.hessian_work(self._data, parameters)
            gaussian_hessian.hessians(self._data, thetas[part], results[part], self._work(), own)

        self._share(rows, 10.0 * self.cost * self.network.inputs, work)
        return results

    def descend(self, thetas: Array, step_sizes: Array, *, normalize: bool, bound: float) -> Counts:
        """Make steps of gradient descent in place; return how many each row made, shape (M,)."""
        taken = np.zeros(len(thetas), dtype=np.int64)

        def work(rows: slice) -> None:
            gaussian_descent.descend(
                self._data,
                self._widths,
                thetas[rows],
                step_sizes,
                normalize,
                bound,
                taken[rows],
                np.empty(thetas.shape[1]),
                np.empty(self._hidden),
                self._work(),
            )

        self._share(len(thetas), self.cost * len(step_sizes), work)
        return taken

    def _work(self) -> GaussianWork:
        work: GaussianWork = gaussian_work(self._data, self._hidden, self.network.outputs)
        return work


def _data(measure: Gaussian, expansion: Expansion) -> GaussianData:
    """Return what the kernels need: the measure, and minus the target."""
    inputs, rank = measure.dimension, expansion.linear.shape[1]
    rows = _whitened(measure, expansion.rows[:, :inputs], expansion.rows[:, inputs])
    table, normal = tables()
    directions, scalars = np.ascontiguousarray(rows[:, :rank]), np.zeros((SCALARS, len(rows)))
    owen = np.zeros((len(rows), CELLS * TERMS))
    scalars[BIAS] = rows[:, rank]
    gaussian_gradient.set_neurons(table, directions, scalars, owen)
    data = GaussianData(
        table,
        normal,
        measure.centre,
        np.ascontiguousarray(measure.factor),
        directions,
        scalars,
        owen,
        -expansion.columns,
        -expansion.constant,
        -expansion.linear,
        expansion.ridges,
        -expansion.profiles,
        expansion.products,
        -expansion.weights,
        np.zeros(1),
    )
    data.square[0] = _target_square(measure, expansion, data)
    return data


def _target_square(measure: Gaussian, expansion: Expansion, data: GaussianData) -> float:
    """Return E|f|^2: the risk of the teacher's neurons as a student, with the rest as the target."""
    rest = float((data.constant**2).sum() + (data.linear**2).sum())
    if len(data.ridges) or len(data.products):
        rest += expansion.square_of_higher(measure.factor)
    rows, (outputs, rank) = expansion.rows, data.linear.shape
    if not len(rows):
        return rest
    inputs, neurons = measure.dimension, len(rows)
    theta = np.concatenate(
        [rows[:, :inputs].ravel(), rows[:, inputs], data.columns.ravel(), np.zeros(outputs)]
    )[None]
    none = data._replace(
        directions=np.empty((0, rank)),
        scalars=np.empty((SCALARS, 0)),
        owen=np.empty((0, CELLS * TERMS)),
        columns=np.empty((outputs, 0)),
        square=np.array([rest]),
    )
    risks = np.empty((1, 2))
    work = gaussian_work(none, neurons, outputs)
    gaussian_gradient.evaluate(none, theta, risks, np.empty_like(theta), work)
    return float(risks[0, 0])


def _whitened(measure: Gaussian, rows: Array, biases: Array) -> Array:
    """Return rows and biases of neurons in terms of xi, shape (n, r + 1)."""
    return np.column_stack([measure.whiten(rows), biases + rows @ measure.centre])
