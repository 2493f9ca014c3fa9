"""Four or five inputs, one hidden layer, uniform on a box: cubes exactly, Gauss nodes in the rest."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any, ClassVar

import numpy as np
import scipy

from gfcompare.evaluators.base import Applicability, Array, Counts, Evaluator, Sampler
from gfcompare.evaluators.cube_data import OnCube, cube_data, cube_target, cube_values
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.evaluators.quadrature import SlicesRule
from gfcompare.initializations import He
from gfcompare.kernels import cube_risk, cube_slices
from gfcompare.kernels.cube import CubeData
from gfcompare.kernels.cube_risk import CubeValues
from gfcompare.kernels.cube_slices import SlicesData
from gfcompare.measures import Box, Product, Uniform
from gfcompare.measures.box import BoxMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.targets.terms import Polynomial, Terms

#: Relative error of the gradient that the number of nodes aims at, for d = 4 and d = 5.
ACCURACY = {4: 1e-6, 5: 1e-4}
#: The most neurons, where there is a limit: with more, preintegration is nearly as accurate at equal cost.
MOST_NEURONS = {5: 32}
#: Nodes in each further input: the fewest, and the most.
NODES = {4: (8, 64), 5: (4, 16)}
# Random networks on which the error of a rule is estimated.
_NETWORKS = 8


class CubeSlices(Evaluator):
    """A d-H-K network on a box, d = 4 or 5: exact in the three widest inputs, Gauss points in the others.

    Parameters
    ----------
    network : with four or five inputs, one hidden layer of H neurons, K outputs
    sampler : draws points from the measure
    slices : the target on each slice
    data : slices and target
    rule : with its estimated error
    search : makes evaluators with other rules
    """

    name: ClassVar[str] = "cube-slices"
    measures: ClassVar[tuple[type[Any], ...]] = (Box, Product)
    exact: ClassVar[bool] = False

    def __init__(
        self,
        network: ReLUNetwork,
        sampler: Sampler,
        slices: Sequence[Terms],
        data: SlicesData,
        rule: SlicesRule,
        search: NodesSearch,
    ) -> None:
        super().__init__(network, sampler)
        self._slices = slices
        self._data = data
        self._rule = rule
        self._search = search

    @classmethod
    def applies(cls, parts: ProblemParts) -> Applicability:
        """Return whether there are four or five inputs, uniform, and a target that a cube integrates."""
        measure, target, network = parts.measure, parts.target, parts.network
        assert isinstance(measure, BoxMeasure)
        if parts.quadrature is not None:
            return Applicability.no("a quadrature rule is asked for")
        if measure.dimension not in ACCURACY:
            return Applicability.no(f"there are d = {measure.dimension} inputs, it is for d = 4 and d = 5")
        if network.depth != 2:
            return Applicability.no(f"the network has {network.depth - 1} hidden layers, it is for one")
        most = MOST_NEURONS.get(measure.dimension, network.hidden[0])
        if network.hidden[0] > most:
            return Applicability.no(f"with d = {measure.dimension} inputs it is for at most {most} neurons")
        if isinstance(measure, Product) and not all(isinstance(f, Uniform) for f in measure.factors):
            return Applicability.no("the inputs are not uniform")
        found = cube_target(target, measure.box)
        if isinstance(found, str):
            return Applicability.no(found)

        def build() -> CubeSlices:
            return NodesSearch(network, parts.draw, measure.box, found).chosen()

        cubes = NODES[measure.dimension][1] ** (measure.dimension - 3)
        return Applicability.yes(
            f"{measure.dimension} inputs, uniform on a box, one hidden layer",
            f"relative error of the gradient about {ACCURACY[measure.dimension]:g}, or what {cubes} cubes "
            "reach: see problem.rule",
            build,
        )

    @property
    def rule(self) -> SlicesRule:
        """The Gauss-Legendre rule in use."""
        return self._rule

    def comparisons(self) -> Sequence[Evaluator]:
        """Return evaluators by finer rules, to which its own is compared; the finest first."""
        nodes = self._rule.nodes
        return [self._search.evaluator(more) for more in (_more(_more(nodes)), _more(nodes))]

    def flow_data(self) -> SlicesData:
        """Return what `kernels.velocity` takes the velocity of a flow from."""
        return self._data

    @cached_property
    def _for_risks(self) -> list[tuple[CubeData, CubeValues]]:
        """Data of the risk, which the search for a rule does not need."""
        on_cubes = [OnCube.of(self._search.cube, terms) for terms in self._slices]
        return [(cube_data(each), cube_values(each)) for each in on_cubes]

    @property
    def cost(self) -> float:
        """Roughly the operations of a gradient."""
        hidden, teacher = self.network.hidden[0], int(self._data.teacher.shape[2])
        return 200.0 * len(self._slices) * hidden * (hidden + teacher + 60.0) * self.network.outputs

    def data(self) -> tuple[Array, ...]:
        """Return the arrays that hold box and target."""
        return tuple(np.asarray(part) for part in self._data)

    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,), a mean of risks that are exact."""
        hidden, outputs = self.network.hidden[0], self.network.outputs
        results, slices = np.empty(len(thetas)), self._for_risks

        def work(rows: slice) -> None:
            part, total = thetas[rows], np.zeros(rows.stop - rows.start)
            near, own = np.empty((len(part), 4 * hidden + outputs * (hidden + 1))), np.empty(len(part))
            again = np.empty(len(part), dtype=np.bool_)
            for s, (data, values) in enumerate(slices):
                cube_slices.on_slice(self._data, s, hidden, part, near)
                cube_risk.risks(data, values, near, own, again)
                if again.any():
                    found = np.empty(np.count_nonzero(again))
                    cube_risk.exact_risks(data, values, near[again], found)
                    own[again] = found
                total += self._data.weights[s] * own
            results[rows] = total

        self._share(len(thetas), self.cost, work)
        return results

    def load_risks(self) -> None:
        """Compile, or load from the cache, all that `risks` may need."""
        self.risks(np.zeros((1, self.network.parameter_count)))
        data, values = self._for_risks[0]
        hidden, outputs = self.network.hidden[0], self.network.outputs
        origin = np.zeros((1, 4 * hidden + outputs * (hidden + 1)))
        cube_risk.exact_risks(data, values, origin, np.empty(1))

    def gradients(self, thetas: Array) -> Array:
        """Return the generalised gradient at each row, shape (M, P)."""
        results = np.empty_like(thetas)

        def work(rows: slice) -> None:
            cube_slices.gradients(self._data, thetas[rows], results[rows])

        self._share(len(thetas), self.cost, work)
        return results


class NodesSearch:
    """The search for as many nodes as an accuracy needs.

    Exact are the three inputs of the widest sides, the first ones where sides are equal: a plane crosses
    a narrow side in fewer places, so that few nodes do there. There are half as many nodes again until the
    gradients of 8 random networks (He) change by less than the accuracy aimed at, or there may be no more.

    Parameters
    ----------
    network : the architecture
    sampler : draws points from the measure
    box : shape (d, 2)
    terms : the target
    """

    def __init__(self, network: ReLUNetwork, sampler: Sampler, box: Array, terms: Terms) -> None:
        self._network, self._sampler, self._box, self._terms = network, sampler, box, terms
        widest = np.argsort(-np.ptp(box, axis=1), kind="stable")
        self._order = np.array([*sorted(widest[:3]), *sorted(widest[3:])], dtype=np.int64)

    @property
    def cube(self) -> Array:
        """The box of the three inputs that are integrated exactly, shape (3, 2)."""
        return np.asarray(self._box[self._order[:3]])

    def chosen(self) -> CubeSlices:
        """Return the evaluator with the rule to be used."""
        rng = np.random.Generator(np.random.PCG64(0))
        thetas = np.stack([He().draw(self._network, rng) for _ in range(_NETWORKS)])
        dimension = len(self._box)
        nodes, most = NODES[dimension]
        coarse = self.evaluator(nodes)
        own = coarse.gradients(thetas)
        while True:
            fine = self.evaluator(_more(nodes))
            finer = fine.gradients(thetas)
            scale = np.linalg.norm(finer, axis=1)
            error = float(np.max(np.linalg.norm(own - finer, axis=1) / np.where(scale > 0, scale, 1.0)))
            if error <= ACCURACY[dimension] or _more(nodes) > most:
                return self._with_error(coarse, error)
            nodes, coarse, own = _more(nodes), fine, finer

    def evaluator(self, nodes: int) -> CubeSlices:
        """Return the evaluator with so many nodes in each further input; its error is not known."""
        rest = self._order[3:]
        x, w = scipy.special.roots_legendre(nodes)
        middles, halves = self._box.mean(axis=1), 0.5 * np.ptp(self._box, axis=1)
        places = list(product(range(nodes), repeat=len(rest)))
        points = np.array([middles[rest] + halves[rest] * x[list(place)] for place in places])
        weights = np.array([np.prod(0.5 * w[list(place)]) for place in places])
        slices = [restricted(self._terms, self._order, y) for y in points]
        rule = SlicesRule(nodes, tuple(int(c) + 1 for c in self._order[:3]), float("nan"))
        data = stacked([cube_data(OnCube.of(self.cube, s)) for s in slices], weights, points, self._order)
        return CubeSlices(self._network, self._sampler, slices, data, rule, self)

    def _with_error(self, found: CubeSlices, error: float) -> CubeSlices:
        """Return an evaluator whose rule has its error."""
        rule = SlicesRule(found.rule.nodes, found.rule.coordinates, error)
        return CubeSlices(self._network, self._sampler, found._slices, found._data, rule, self)


def _more(nodes: int) -> int:
    """Return half as many nodes again: the error falls with their number to the power of 3 to 4."""
    return nodes + max(nodes // 2, 1)


def restricted(terms: Terms, order: Counts, y: Array) -> Terms:
    """Return a target in the first three inputs of an order, the others being y, shape (d - 3,)."""
    exact = [Fraction(float(value)) for value in y]
    polynomials = []
    for whole in terms.polynomials:
        result: Polynomial = {}
        for powers, coefficient in whole.items():
            for value, axis in zip(exact, order[3:], strict=True):
                coefficient *= value ** powers[axis]
            key = tuple(powers[axis] for axis in order[:3])
            result[key] = result.get(key, Fraction(0)) + coefficient
        polynomials.append(result)
    biases = terms.biases + terms.weights[:, order[3:]] @ y if len(terms.biases) else terms.biases
    weights = terms.weights[:, order[:3]] if len(terms.biases) else np.empty((0, 3))
    return Terms(3, tuple(polynomials), weights, biases, terms.outgoing)


def stacked(slices: Sequence[CubeData], weights: Array, nodes: Array, order: Counts) -> SlicesData:
    """Return the data of slices, one above the other; those with fewer neurons get rows of zeros."""
    neurons = max(data.teacher.shape[1] for data in slices)

    def padded(array: Array) -> Array:
        return np.pad(array, ((0, 0), (0, neurons - array.shape[1])))

    first = slices[0]
    return SlicesData(
        weights,
        np.ascontiguousarray(nodes),
        np.ascontiguousarray(order, dtype=np.int64),
        first.frame,
        np.stack([data.affine for data in slices]),
        np.stack([padded(data.teacher) for data in slices]),
        np.stack([padded(data.outgoing) for data in slices]),
        np.stack([data.cubic for data in slices]),
        np.stack([data.faces for data in slices]),
        first.triangle,
        first.degree,
    )
