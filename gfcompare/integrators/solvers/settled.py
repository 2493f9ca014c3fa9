"""A trajectory whose motion is below the tolerance: the linearised flow, through any number of times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.solvers.near_equilibrium import Linearized
from gfcompare.integrators.status import Array, Mask, Status
from gfcompare.kernels import balancedness

# Near where a dormant neuron is put back at the latest: ln of its distance from the end.
_NEAR = float(np.log(1e-5))

# Times that are looked at together: the first, and at most. Most are looked at in vain: there is motion.
_FIRST, _MOST = 1, 256


class Stretch(NamedTuple):
    """A stretch of times over which the linearised flow is the solution.

    Attributes
    ----------
    thetas : ndarray, shape (n, P), at the first n times: those at which it goes on
    status : RUNNING, or how it ends at the next, where rounding hides what it does
    last : ndarray, shape (P,), where it ends
    """

    thetas: Array
    status: Status
    last: Array | None


@dataclass(frozen=True)
class Settled:
    """A trajectory from a state near rest on.

    Attributes
    ----------
    near : the linearised flow
    since : flow time of the state
    normalize : the normalised flow
    tolerance : shape (P,), of each parameter
    descent : of the risk, that may be hidden by rounding
    logs : shape (1, H), logarithms of distances of dormant neurons at the state, 0 for others
    rates : shape (H,), theirs; all else rests, so that they are constant
    balances : shape (1, sum of hidden), balancedness
    """

    near: Linearized
    since: float
    normalize: bool
    tolerance: Array
    descent: float
    logs: Array
    rates: Array
    balances: Array

    def through(self, problem: CountedProblem, times: Array) -> Stretch:
        """Return how far this is the solution through times, shape (B,)."""
        found = []
        status, last = Status.RUNNING, None
        place, count = 0, _FIRST
        while place < len(times):
            chosen = times[place : place + count]
            thetas, status, last = self._part(problem, chosen)
            found.append(thetas)
            if len(thetas) < len(chosen):
                break
            place, count = place + count, min(_MOST, 16 * count)
        return Stretch(np.concatenate(found), status, last)

    def _part(self, problem: CountedProblem, times: Array) -> Stretch:
        durations = times - self.since
        logs, dormant = np.repeat(self.logs, len(times), axis=0), self.logs[0] < 0.0
        still, certain = self.near.small(np.maximum(durations, 0.0), self.tolerance)
        logs += np.where(dormant, self.rates * durations[:, None], 0.0)
        # A time before the state is one that the steps have passed: it is read off them.
        there = still & (durations >= 0.0) & ~(logs[:, dormant] > _NEAR).any(axis=1)
        # A dormant neuron that grows will end the rest.
        going_on = there & (certain | bool((self.rates > 0.0).any()))
        count = _leading(going_on)
        ends = count < len(times) and bool(there[count])
        status = Status.RUNNING
        if ends:
            hidden = self.near.unknown_descent(float(durations[count]))
            status = Status.STATIONARY if hidden <= self.descent else Status.PRECISION_LIMIT
        rows = count + ends
        if rows == 0:
            return Stretch(np.empty((0, len(self.tolerance))), status, None)
        thetas = self.near.after(np.where(certain, durations, 0.0)[:rows])
        problem.restore_dormant(thetas, logs[:rows])
        if self.normalize:
            thetas = problem.network.retract(thetas)
        else:
            balances = np.repeat(self.balances, rows, axis=0)
            balancedness.rebalance_rows(problem.network.shape, thetas, balances)
        return Stretch(thetas[:count], status, thetas[count] if ends else None)


def _leading(mask: Mask) -> int:
    """Return how many entries of a mask, (B,), hold before the first that does not."""
    return len(mask) if mask.all() else int(np.argmin(mask))
