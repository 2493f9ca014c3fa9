"""Distances of networks as functions, in L2 of the input measure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.quadrature import Quadrature
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
    outputs = network.depth - 1
    layers = []
    for k, (a, b) in enumerate(zip(network.layers(theta), network.layers(other), strict=True)):
        if k == outputs:
            weight = np.concatenate([a.weight, -b.weight], axis=-1)
            layers.append((weight, a.bias - b.bias))
            continue
        if k == 0:
            weight = np.concatenate([a.weight, b.weight], axis=-2)
        else:
            empty = np.zeros_like(a.weight)
            weight = np.concatenate(
                [
                    np.concatenate([a.weight, empty], axis=-1),
                    np.concatenate([empty, b.weight], axis=-1),
                ],
                axis=-2,
            )
        layers.append((weight, np.concatenate([a.bias, b.bias], axis=-1)))
    doubled = ReLUNetwork([network.inputs, *(2 * h for h in network.hidden), network.outputs])
    return doubled, doubled.join(layers)


def function_distance(problem: Problem, theta: Array, other: Array) -> Array:
    """Return |N(theta) - N(other)| in L2 of the input measure, shape (...), for theta, other (..., P).

    The difference is a network of twice the width, and its square integral a risk: as exact as the risk.
    """
    doubled, joined = difference_network(problem.network, theta, other)
    zero = Constant([0.0] * problem.network.outputs)
    rule = problem.rule
    quadrature = None if rule is None else Quadrature(nodes=rule.nodes, coordinate=rule.coordinate)
    distances = Problem(doubled, zero, problem.measure, quadrature)
    rows = joined.reshape(-1, doubled.parameter_count)
    result = np.full(len(rows), np.nan)
    block = max(1, _HELD // doubled.parameter_count)
    for first in range(0, len(rows), block):
        part = slice(first, first + block)
        result[part] = np.sqrt(distances.risk(rows[part]))
    return result.reshape(joined.shape[:-1])
