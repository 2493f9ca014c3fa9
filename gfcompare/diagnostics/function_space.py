"""Distances of networks as functions, in L2 of the input measure."""

from __future__ import annotations

from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gfcompare.evaluators.quadrature import Quadrature, Rule
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.targets import Constant

Array = NDArray[np.float64]

# Parameters of differences that are held at a time.
_HELD = 5_000_000


def difference_network(network: ReLUNetwork, theta: Array, other: Array) -> tuple[ReLUNetwork, Array]:
    """Return a network that represents N(theta) - N(other): both side by side.

    Parameters
    ----------
    network : of both
    theta, other : shape (..., P)
    """
    first, second = network.layers(theta), network.layers(other)
    parts = []
    for k, (a, b) in enumerate(zip(first, second, strict=True)):
        if k == network.depth - 1:
            weight = np.concatenate([a.weight, -b.weight], axis=-1)
            bias = a.bias - b.bias
        elif k == 0:
            weight = np.concatenate([a.weight, b.weight], axis=-2)
            bias = np.concatenate([a.bias, b.bias], axis=-1)
        else:
            empty = np.zeros_like(a.weight)
            weight = np.concatenate(
                [
                    np.concatenate([a.weight, empty], axis=-1),
                    np.concatenate([empty, b.weight], axis=-1),
                ],
                axis=-2,
            )
            bias = np.concatenate([a.bias, b.bias], axis=-1)
        parts += [weight.reshape(*bias.shape[:-1], -1), bias]
    return _doubled(network), np.concatenate(parts, axis=-1)


@lru_cache(maxsize=128)
def _doubled(network: ReLUNetwork) -> ReLUNetwork:
    """Return the network that two of the given kind are, side by side."""
    return ReLUNetwork([network.inputs, *(2 * h for h in network.hidden), network.outputs])


class FunctionSpace:
    """Norms of networks as functions, in L2 of the input measure of a problem.

    The difference of two networks is a network of twice the width, and the integral of its square a risk:
    as exact as the risk, by the rule of the problem, and no difference of large integrals.
    """

    def __init__(self, problem: Problem) -> None:
        self._network = problem.network
        self._measure = problem.measure
        rule = problem.rule
        # Other rules are chosen for each network.
        self._quadrature = Quadrature(rule.nodes, rule.coordinate) if isinstance(rule, Rule) else None
        self._squares: dict[ReLUNetwork, Problem] = {}

    @classmethod
    def of(cls, problem: Problem) -> FunctionSpace:
        """Return that of a problem, the same one each time: its rules and tables are made once."""
        found = _spaces.get(problem)
        if found is None:
            found = _spaces[problem] = FunctionSpace(problem)
        return found

    def distance(self, theta: Array, other: Array) -> Array:
        """Return |N(theta) - N(other)|, shape (...), for theta, other (..., P), in units of output."""
        return self._norm(*difference_network(self._network, theta, other))

    def size(self, theta: Array) -> Array:
        """Return |N(theta)|, shape (...), for theta (..., P), in units of output."""
        return self._norm(self._network, np.asarray(theta))

    def _norm(self, network: ReLUNetwork, theta: Array) -> Array:
        if network not in self._squares:
            zero = Constant([0.0] * network.outputs)
            self._squares[network] = Problem(network, zero, self._measure, self._quadrature)
        square = self._squares[network]
        rows = theta.reshape(-1, network.parameter_count)
        result = np.full(len(rows), np.nan)
        block = max(1, _HELD // network.parameter_count)
        for first in range(0, len(rows), block):
            part = slice(first, first + block)
            result[part] = np.sqrt(square.risk(rows[part]))
        return result.reshape(theta.shape[:-1])


_spaces: WeakKeyDictionary[Problem, FunctionSpace] = WeakKeyDictionary()
