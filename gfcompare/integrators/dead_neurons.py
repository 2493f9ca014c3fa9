"""Neurons that no input activates: the exact flow under a density lets none die, and none come to life.

Where the inputs that activate a neuron of the first layer have mass m, its row moves with a velocity of the
order of m, so that its largest pre-activation falls at most exponentially: it stays positive. A neuron that
comes near the end of the inputs and goes back later is followed rightly only while that pre-activation is
above the tolerance, and above rounding.
"""

from __future__ import annotations

import numpy as np

from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.status import Array, Mask
from gfcompare.measures import Gaussian
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem

# How near to the end of the inputs a neuron is within rounding, relative to what makes up its pre-activation;
# and how far it is when it is back.
_ROUNDINGS, _BACK = 32.0 * float(np.finfo(np.float64).eps), 1e-8


def dead(problem: Problem, theta: Array) -> Mask:
    """Return which neurons of the first layer are inactive on all of the measure's box, shape (..., H_1).

    Parameters
    ----------
    problem : the problem
    theta : shape (..., P)
    """
    return np.asarray(_highest(problem, theta)[0] <= 0.0)


def _highest(problem: Problem | CountedProblem, theta: Array) -> tuple[Array, Array]:
    """Return the highest pre-activations of the first layer on the box, and the sizes of what makes them up.

    Both have the shape (..., H_1).
    """
    box = problem.measure.box
    first = problem.network.first_layer(theta)
    with np.errstate(over="ignore", invalid="ignore"):  # of trajectories that have diverged
        ends = np.where(first.weight > 0.0, box[:, 1], box[:, 0]) * first.weight
        return ends.sum(axis=-1) + first.bias, np.abs(ends).sum(axis=-1) + np.abs(first.bias)


class EndCrossings:
    """Steps on which a neuron of the first layer becomes active on all inputs, or ceases to be so.

    Steps follow each other: what was computed of a state at the end of one is kept for the next.

    Parameters
    ----------
    problem : under a measure with a density
    """

    def __init__(self, problem: Problem | CountedProblem) -> None:
        self._network = problem.network
        # Normal inputs have no end.
        self._box = None if isinstance(problem.measure, Gaussian) else problem.measure.box
        self._state: Array | None = None
        self._lowest: Array | None = None

    def __call__(self, before: Array, after: Array) -> bool:
        """Return whether one does so between two states.

        Parameters
        ----------
        before, after : shape (P,), or longer with what is integrated along the way
        """
        if self._box is None:
            return False
        count, lowest = self._network.parameter_count, self._lowest
        if lowest is None or before is not self._state:
            lowest = _lowest(self._network, self._box, before[:count])
        self._state, self._lowest = after, _lowest(self._network, self._box, after[:count])
        out, into = _passed(lowest, self._lowest)
        return bool((out | into).any())


def crossings(problem: Problem | CountedProblem, before: Array, after: Array) -> tuple[Mask, Mask]:
    """Return which neurons of the first layer become active on all inputs, and which cease to be: (H_1,).

    Parameters
    ----------
    problem : under a measure with a density on a box
    before, after : states, each of shape (P,)
    """
    network, box = problem.network, problem.measure.box
    return _passed(_lowest(network, box, before), _lowest(network, box, after))


def _lowest(network: ReLUNetwork, box: Array, theta: Array) -> Array:
    """Return the lowest pre-activations of the first layer on a box, (d, 2), shape (H_1,)."""
    first = network.first_layer(theta)
    with np.errstate(over="ignore", invalid="ignore"):  # of trajectories that have diverged
        ends = np.where(first.weight < 0.0, box[:, 1], box[:, 0]) * first.weight
        return np.asarray(np.add.reduce(ends, axis=-1) + first.bias)


def _passed(before: Array, after: Array) -> tuple[Mask, Mask]:
    return (before < 0.0) & (after >= 0.0), (before > 0.0) & (after <= 0.0)


def remarks(problem: Problem, start: Array, end: Array) -> list[str]:
    """Return for each trajectory of a flow what it did and the exact flow does not, empty without any.

    Parameters
    ----------
    problem : under a measure with a density
    start, end : first and last state, shape (M, P)
    """
    if isinstance(problem.measure, Gaussian):
        return [""] * len(start)  # normal inputs have no end
    highest, sizes = _highest(problem, np.stack([start, end]))
    before, after = highest <= 0.0
    # A stored state holds such a neuron this near, however much nearer it was.
    near = ~before & (highest[0] <= _ROUNDINGS * sizes[0]) & (highest[1] > _BACK * sizes[1])
    if np.array_equal(before, after) and not near.any():
        return [""] * len(start)
    said = []
    changes = (after & ~before, before & ~after, near)
    for died, rose, back in zip(*(change.sum(axis=1) for change in changes), strict=True):
        parts = [f"{_neurons(died)} left the inputs, within the tolerance or rounding"] if died else []
        parts += [f"{_neurons(rose)} came to life, within the tolerance"] if rose else []
        parts += ["in the exact flow none does: what they may do later is not followed"] if parts else []
        if back:
            parts += [f"{_neurons(back)} began within rounding of the end of the inputs, and came back: when"]
            parts[-1] += " is not determined by the parameters"
        said.append("; ".join(parts))
    return said


def is_undetermined(problem: Problem, start: Array, end: Array, stored: Array) -> bool:
    """Return whether a stored state does not determine when a neuron comes back from the end of the inputs.

    A neuron within rounding of the end is stored there, however much nearer it was, so that a flow from the
    stored state brings it back too early; and on the way a solver may lose one that comes back.

    Parameters
    ----------
    problem : under a measure with a density
    start : a stored state, shape (P,)
    end : where a flow from it arrives, shape (P,)
    stored : the later state that it is compared with, shape (P,)
    """
    if isinstance(problem.measure, Gaussian):
        return False
    highest, sizes = _highest(problem, np.stack([start, end, stored]))
    near, back = highest <= _ROUNDINGS * sizes, highest > _BACK * sizes
    alive = highest[0] > 0.0
    returned = near[0] & (back[1] | back[2])
    lost = near[1] & back[2]
    return bool((alive & (returned | lost)).any())


def _neurons(count: int) -> str:
    return "a neuron" if count == 1 else f"{count} neurons"
