"""Events that end a step of an explicit method: a right-hand side that changes, and where it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import scipy

from gfcompare.integrators.solvers.runge_kutta import Step
from gfcompare.integrators.status import Array


def first_positive(function: Callable[[float], float], start: float = 0.0, end: float = 1.0) -> float:
    """Return a share in [start, end] just past a change of sign of a function that is positive at the end."""
    if function(start) > 0.0:
        return start
    # As many iterations as the method can need: a function may touch 0 almost flatly.
    share = float(scipy.optimize.brentq(function, start, end, xtol=1e-14, rtol=8.9e-16, maxiter=2500))
    past = 1e-15
    while share < end and not function(share) > 0.0:
        share = min(share + past, end)
        past *= 4.0
    return share


class Events(Protocol):
    """A right-hand side that changes at events: `gfcompare.integrators.solvers.filippov.Kinks` is one."""

    def velocity(self, y: Array) -> Array:
        """Return the velocity between events."""

    def first_change(self, made: Step) -> float | None:
        """Return the share of a step at which the next event is, None if there is none."""

    def switch(self, y: Array) -> Array:
        """Change the right-hand side at y; return y, moved by rounding if it has to be on a kink exactly.

        Raises
        ------
        StuckError
            where the flow cannot be followed
        """

    @property
    def changes(self) -> int:
        """Events so far, -1 if there never are any."""

    @property
    def note(self) -> str:
        """Return remarks on the solution so far."""


class StuckError(Exception):
    """The flow cannot be followed past an event."""
