"""Neurons that no input activates: the exact flow under a density lets none die, and none come to life.

Where the inputs that activate a neuron of the first layer have mass m, its row moves with a velocity of the
order of m, so that its largest pre-activation falls at most exponentially: it stays positive. A neuron that
comes near the end of the inputs and goes back later is followed rightly only while that pre-activation is
above the tolerance, and above rounding.
"""

from __future__ import annotations

import numpy as np

from gfcompare.integrators.status import Array, Mask
from gfcompare.problem import Problem


def dead(problem: Problem, theta: Array) -> Mask:
    """Return which neurons of the first layer are inactive on all of the measure's box, shape (..., H_1).

    Parameters
    ----------
    problem : the problem
    theta : shape (..., P)
    """
    box = problem.measure.box
    first = problem.network.first_layer(theta)
    with np.errstate(over="ignore", invalid="ignore"):  # of trajectories that have diverged
        highest = np.maximum(first.weight * box[:, 0], first.weight * box[:, 1]).sum(axis=-1) + first.bias
    return np.asarray(highest <= 0.0)


def remarks(problem: Problem, start: Array, end: Array) -> list[str]:
    """Return for each trajectory of a flow what it did and the exact flow does not, empty without any.

    Parameters
    ----------
    problem : under a measure with a density
    start, end : first and last state, shape (M, P)
    """
    before, after = dead(problem, np.stack([start, end]))
    if np.array_equal(before, after):
        return [""] * len(start)
    said = []
    for died, rose in zip((after & ~before).sum(axis=1), (before & ~after).sum(axis=1), strict=True):
        parts = [f"{_neurons(died)} left the inputs, within the tolerance or rounding"] if died else []
        parts += [f"{_neurons(rose)} came to life, within the tolerance"] if rose else []
        parts += ["in the exact flow none does: what they may do later is not followed"] if parts else []
        said.append("; ".join(parts))
    return said


def _neurons(count: int) -> str:
    return "a neuron" if count == 1 else f"{count} neurons"
