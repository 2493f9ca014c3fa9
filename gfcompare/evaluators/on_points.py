"""Finitely many points: back-propagation through the network at each of them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from gfcompare.evaluators.base import NOTHING, Applicability, Array, Counts, Evaluator, Sampler
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.evaluators.samplers import OfPoints
from gfcompare.kernels import points as points_kernel
from gfcompare.kernels import points_descent
from gfcompare.measures import PointMeasure
from gfcompare.network import ReLUNetwork


class OnPoints(Evaluator):
    """A network of any depth on weighted points.

    Parameters
    ----------
    network : with d inputs and K outputs
    sampler : draws points from the measure
    points, values, weights : shapes (N, d), (N, K) and (N,), the weights of sum 1
    """

    name: ClassVar[str] = "points"
    measures: ClassVar[tuple[type[Any], ...]] = (PointMeasure,)

    @classmethod
    def applies(cls, parts: ProblemParts) -> Applicability:
        """Return that it applies: to every network."""
        measure, values = parts.measure, parts.values
        assert isinstance(measure, PointMeasure)
        sampler = OfPoints(measure, values)
        return Applicability.yes(
            f"{len(measure.points)} points",
            "exact to rounding",
            lambda: OnPoints(parts.network, sampler, measure.points, values, measure.weights),
        )

    def __init__(
        self, network: ReLUNetwork, sampler: Sampler, points: Array, values: Array, weights: Array
    ) -> None:
        super().__init__(network, sampler)
        self.points = np.array(points, order="C")
        self.values = np.array(values, order="C")
        self.weights = np.array(weights, order="C")

    def data(self) -> tuple[Array, ...]:
        """Return points, values and weights."""
        return self.points, self.values, self.weights

    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,)."""
        results = np.empty(len(thetas))

        def work(rows: slice) -> None:
            self._evaluate(thetas[rows], results[rows], np.empty((0, thetas.shape[1])))

        self._share(len(thetas), self.cost, work)
        return results

    def gradients(self, thetas: Array, derivatives: Array = NOTHING) -> Array:
        """Return the generalised gradient at each row, shape (M, P).

        Parameters
        ----------
        thetas : shape (M, P)
        derivatives : of each neuron's activation at each point, shape (sum of H_k, N), in place of 1
            where the pre-activation is positive and 0 elsewhere
        """
        results = np.empty_like(thetas)

        def work(rows: slice) -> None:
            self._evaluate(thetas[rows], np.empty(rows.stop - rows.start), results[rows], derivatives)

        self._share(len(thetas), self.cost, work)
        return results

    def descend(self, thetas: Array, step_sizes: Array, *, normalize: bool, bound: float) -> Counts:
        """Make steps of gradient descent in place; return how many each row made, shape (M,)."""
        taken = np.zeros(len(thetas), dtype=np.int64)

        def work(rows: slice) -> None:
            points_descent.descend(
                self._widths,
                thetas[rows],
                step_sizes,
                self.points[None],
                self.values[None],
                self.weights,
                0,
                normalize,
                bound,
                taken[rows],
            )

        self._share(len(thetas), self.cost * len(step_sizes), work)
        return taken

    def pre_activations(self, theta: Array, derivatives: Array = NOTHING) -> Array:
        """Return the pre-activation of each hidden neuron at each point, shape (sum of H_k, N)."""
        trace = np.empty((sum(self.network.hidden), len(self.points)))
        self._evaluate(theta[None], np.empty(1), np.empty((0, theta.size)), derivatives, trace)
        return trace

    def _evaluate(
        self,
        thetas: Array,
        risks: Array,
        gradients: Array,
        derivatives: Array = NOTHING,
        trace: Array = NOTHING,
    ) -> None:
        points_kernel.evaluate(
            self._widths,
            thetas,
            self.points[None],
            self.values[None],
            self.weights,
            derivatives,
            trace,
            risks,
            gradients,
        )

    @property
    def cost(self) -> float:
        """Roughly the operations of a gradient."""
        return 3.0 * len(self.points) * self.network.parameter_count
