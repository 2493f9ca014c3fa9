"""Preintegration: exact along one coordinate of a box, with a quadrature rule in the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from gfcompare.components.errors import InputError
from gfcompare.evaluators.along_lines import AlongLines
from gfcompare.evaluators.base import Applicability, Array, Sampler
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.evaluators.quadrature import (
    ACCURACY,
    ACCURACY_ABOVE,
    MOST_NODES,
    Quadrature,
    Rule,
    preintegrated,
)
from gfcompare.initializations import He
from gfcompare.kernels.line_set import LineSet
from gfcompare.measures import BoxMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.targets import Target

# Random networks on which the error of a rule is estimated.
_NETWORKS = 8
# Nodes with which the coordinates are compared, and from which their number is doubled.
_FIRST = 64


class Preintegration(AlongLines):
    """Any network on a box: exact along one coordinate, with quadrature nodes in the others.

    Parameters
    ----------
    network : with d inputs and K outputs
    sampler : draws points from the measure
    lines : target and density on the lines of a rule
    rule : that rule, with its estimated error
    search : knows other rules
    """

    name: ClassVar[str] = "preintegration"
    measures: ClassVar[tuple[type[Any], ...]] = (BoxMeasure,)
    exact: ClassVar[bool] = False

    def __init__(
        self, network: ReLUNetwork, sampler: Sampler, lines: LineSet, rule: Rule, search: RuleSearch
    ) -> None:
        super().__init__(network, sampler, lines)
        self._rule = rule
        self._search = search

    @classmethod
    def applies(cls, parts: ProblemParts) -> Applicability:
        """Return that it applies: to every network, target and density on a box."""
        measure, wanted = parts.measure, parts.quadrature or Quadrature()
        assert isinstance(measure, BoxMeasure)

        def build() -> Preintegration:
            search = RuleSearch(parts.network, parts.target, measure, wanted, parts.draw)
            along, rule = search.chosen()
            return Preintegration(parts.network, parts.draw, along.lines, rule, search)

        if wanted.nodes is None:
            goal = ACCURACY.get(measure.dimension, ACCURACY_ABOVE)
            accuracy = (
                f"relative error of the gradient about {goal:g}, or what {MOST_NODES} nodes reach: see "
                "problem.rule"
            )
        else:
            accuracy = f"what {wanted.nodes} nodes reach: see problem.rule"
        asked = "any network, target and density on a box"
        return Applicability.yes(
            asked if parts.quadrature is None else "a quadrature rule is asked for", accuracy, build
        )

    @property
    def rule(self) -> Rule:
        """The quadrature rule in use."""
        return self._rule

    def comparisons(self) -> Sequence[AlongLines]:
        """Return evaluators by finer rules, to which its own is compared; the finest first."""
        return self._search.comparisons(self._rule)


class RuleSearch:
    """The search for the coordinate of a rule, and for as many nodes as an accuracy needs.

    Parameters
    ----------
    network, target, measure : the problem
    quadrature : what the user wants of the rule
    sampler : draws points from the measure
    """

    def __init__(
        self,
        network: ReLUNetwork,
        target: Target,
        measure: BoxMeasure,
        quadrature: Quadrature,
        sampler: Sampler,
    ) -> None:
        quadrature.check(measure.dimension)
        self._network = network
        self._target = target
        self._measure = measure
        self._quadrature = quadrature
        self._sampler = sampler

    def evaluator(self, nodes: int, coordinate: int, scramble: int = 0) -> AlongLines:
        """Return the evaluator with a rule; the coordinate counts from 1."""
        lines = preintegrated(self._target, self._measure, nodes, coordinate - 1, scramble)
        return AlongLines(self._network, self._sampler, lines)

    def comparisons(self, rule: Rule) -> tuple[AlongLines, ...]:
        """Return evaluators with more nodes, elsewhere, to which a rule is compared; the finest first.

        Gauss points are compared with twice and with 4/3 as many, because one comparison is small by chance
        too often where few neurons have their kinks between the same nodes. Twice as many Sobol points
        would contain the others: they are taken from an independent sequence.
        """
        twice = self._doubled(rule.nodes)
        if self._measure.dimension > 3:
            return (self.evaluator(twice, rule.coordinate, scramble=1),)
        return self.evaluator(twice, rule.coordinate), self.evaluator(self._more(rule.nodes), rule.coordinate)

    def chosen(self) -> tuple[AlongLines, Rule]:
        """Return the evaluator of the rule to be used, and the rule with its estimated error."""
        coordinate = self._quadrature.coordinate or self._best_coordinate()
        gradients = self._gradients(coordinate)
        wanted = self._quadrature.nodes
        nodes = _FIRST if wanted is None else wanted
        goal = ACCURACY.get(self._measure.dimension, ACCURACY_ABOVE)
        while True:
            error = gradients.difference(nodes, self._doubled(nodes))
            if wanted is not None or error <= goal or self._doubled(nodes) > MOST_NODES:
                return gradients.evaluators[nodes], Rule(nodes, coordinate, error)
            nodes = self._doubled(nodes)

    def _doubled(self, nodes: int) -> int:
        """Return about twice as many nodes, a number that the rule allows."""
        if self._measure.dimension != 3:
            return 2 * nodes
        return round((2 * nodes) ** 0.5) ** 2 if nodes > 1 else 4

    def _more(self, nodes: int) -> int:
        """Return about 4/3 as many nodes, a number that the rule allows (d = 2 and 3)."""
        if self._measure.dimension != 3:
            return nodes + max(nodes // 3, 1)
        each = int(nodes**0.5 + 0.5)
        each += max(round(each * 0.155), 1)
        return each * each

    def _best_coordinate(self) -> int:
        """Return the coordinate, from 1, with which few nodes are the most accurate."""
        found: dict[int, float] = {}
        refusals: list[InputError] = []
        for coordinate in range(1, self._measure.dimension + 1):
            try:
                gradients = self._gradients(coordinate)
                found[coordinate] = gradients.difference(_FIRST, self._doubled(_FIRST))
            except InputError as error:  # perhaps it is a polynomial along another one
                refusals.append(error)
        if not found:
            raise refusals[0]
        # Within a factor of two the estimates mean the same: then the first coordinate.
        return next(c for c, error in found.items() if error <= 2.0 * min(found.values()))

    def _gradients(self, coordinate: int) -> _Gradients:
        rng = np.random.Generator(np.random.PCG64(0))
        thetas = np.stack([He().draw(self._network, rng) for _ in range(_NETWORKS)])
        return _Gradients(lambda nodes: self.evaluator(nodes, coordinate), thetas)


class _Gradients:
    """Gradients of a few networks by rules with any number of nodes, each computed once."""

    def __init__(self, evaluator: Callable[[int], AlongLines], thetas: Array) -> None:
        self._evaluator = evaluator
        self._thetas = thetas
        self.evaluators: dict[int, AlongLines] = {}
        self._known: dict[int, Array] = {}

    def _of(self, nodes: int) -> Array:
        if nodes not in self._known:
            self.evaluators[nodes] = self._evaluator(nodes)
            self._known[nodes] = self.evaluators[nodes].gradients(self._thetas)
        return self._known[nodes]

    def difference(self, nodes: int, more: int) -> float:
        """Return the largest relative difference of the gradients by two rules."""
        coarse, fine = self._of(nodes), self._of(more)
        scale = np.linalg.norm(fine, axis=1)
        differences = np.linalg.norm(coarse - fine, axis=1)
        return float(np.max(differences / np.where(scale > 0, scale, 1.0)))
