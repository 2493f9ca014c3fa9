"""Zeros of neurons that errors take across an end of the inputs: whether that decides where a flow goes.

Where the residual holds a zero at an end, errors take it across, to and fro, and nothing depends on it: it is
soon back. But each time CVODE starts anew, and what it loses there is more than its tolerance in directions
that nothing holds. If the flow then leaves a saddle, where a deviation grows, that decides when it goes, and
whether it does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.dead_neurons import crossings
from gfcompare.integrators.solvers.base import Field
from gfcompare.integrators.solvers.coordinates import hessian_along
from gfcompare.integrators.solvers.near_equilibrium import LARGEST_DENSE
from gfcompare.integrators.status import Array, Mask
from gfcompare.measures import Gaussian
from gfcompare.system import threads

# Deviations are looked at each time that the flow time has grown by the one factor, and make a difference
# where their rate times the flow time exceeds the other, then or later. In problem 250 of `benchmarks.truth`,
# seed 5 on M to t = 3e8, the largest such product is 0.24 or more at each of twelve tolerances. Of 288 flows
# of He networks to t = 1e6 (three targets, 8 and 16 neurons, rtol 1e-4 and 1e-6) zeros are pushed across in
# 59; it is above 0.1 in 3 of these, below 0.04 in 52.
_LATER, _GROWING = 1.1, 0.1
# Eigenvalues are known up to so many roundings of the largest, times their number.
_ROUNDINGS = 4.0 * float(np.finfo(np.float64).eps)


class PushedZeros:
    """What there is to say of one trajectory whose neurons may be pushed across an end of the inputs.

    Parameters
    ----------
    problem : under a measure with a density; of one trajectory
    velocity : maps the solver's y, shape (P,), to y'
    field : the standard or the normalised gradient flow

    Attributes
    ----------
    note : a remark, empty without any
    """

    def __init__(self, problem: CountedProblem, velocity: Callable[[Array], Array], field: Field) -> None:
        self.note = ""
        self._problem, self._velocity, self._field = problem, velocity, field
        # The flow time from which on a growing deviation is looked for: never, before an error is seen.
        self._look = np.inf

    @property
    def _is_dense(self) -> bool:
        """True if the flow has an exact Hessian of its own, and few enough parameters for all eigenvalues."""
        problem, field = self._problem, self._field
        exact = problem.has_hessian and problem.network.depth == 2
        exact = exact and not (field.compiled_as == "normalized" and problem.frozen)
        return exact and problem.network.parameter_count <= LARGEST_DENSE

    def crossed(self, time: float, states: tuple[Array, Array]) -> None:
        """Look at a step that takes the zero of a neuron across an end, between two states of shape (P,)."""
        if self._look < np.inf or not self._is_dense:
            return
        if is_pushed(self._problem, states, (self._velocity(states[0]), self._velocity(states[1]))):
            self._look = time

    @threads.single_thread_of_linear_algebra()
    def reached(self, time: float, y: Array) -> None:
        """Look at the state y, shape (P,), that is reached."""
        if time < self._look or self.note:
            return
        self._look = _LATER * time
        theta = self._field.parameters(self._problem, y)
        rates = np.linalg.eigvalsh(
            hessian_along(self._problem, theta, self._field.compiled_as == "normalized")
        )
        growth, unknown = -rates[0], _ROUNDINGS * len(rates) * np.abs(rates).max()
        if growth > unknown and growth * time > _GROWING:
            self.note = (
                f"where it goes after flow time {time:.3g} is not determined at rtol = {self._field.rtol:g}: "
                "errors took the zero of a neuron to and fro across an end of the inputs, and a deviation "
                "grows since; a smaller rtol may tell"
            )


def is_pushed(problem: CountedProblem, states: tuple[Array, Array], velocities: tuple[Array, Array]) -> bool:
    """Return whether an error, not the flow, took the zero of a neuron across an end of the inputs.

    That is so where the pre-activation at the end moves back in the state before as in that after.

    Parameters
    ----------
    problem : under a measure with a density
    states : before and after a step, each of shape (P,)
    velocities : those of the flow there, each of shape (P,)
    """
    if isinstance(problem.measure, Gaussian):
        return False  # normal inputs have no end
    out, into = crossings(problem, *states)
    first = problem.network.first_layer(states[0])
    box = problem.measure.box
    ends = np.where(first.weight > 0.0, box[:, 0], box[:, 1])  # where the pre-activation is lowest
    rates = []
    for velocity in velocities:
        moving = problem.network.first_layer(velocity)
        rates.append((moving.weight * ends).sum(axis=-1) + moving.bias)
    back: Mask = (out & (np.maximum(*rates) < 0.0)) | (into & (np.minimum(*rates) > 0.0))
    return bool(back.any())
