"""The explicit method of order 5 by Dormand and Prince: a step, its interpolant, its error, the next size.

J. R. Dormand, P. J. Prince, "A family of embedded Runge-Kutta formulae", doi:10.1016/0771-050X(80)90013-3;
the coefficients and the interpolant of order 4 (L. F. Shampine) are those that SciPy has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import RK45
from scipy.optimize import brentq

from gfcompare.interface import DIVERGENCE_NORM, Status

Array = NDArray[np.float64]
#: The right-hand side with activations held, y -> y'.
Velocity = Callable[[Array], Array]

_A, _B, _E, _P = RK45.A, RK45.B, RK45.E, RK45.P
_ORDER = 5
# The interpolant is start + h sum of (_P.T @ stages)_i share^i, i = 1, ..., 4; here in the Bernstein basis.
_CONTROL = np.array([[comb(j, i) / comb(4, i) for i in range(1, 5)] for j in range(5)]) @ _P.T
# Events without progress in flow time after which a trajectory ends, and the share of a step that is none.
_MOST_IDLE, _TINY = 1000, 1e-9
_SAFETY, _SMALLEST, _LARGEST = 0.9, 0.2, 5.0
# No step is longer: a flow at rest must not make it infinite.
_LONGEST = 1e100


@dataclass
class Step:
    """A step of Dormand and Prince's method from y over h, with its interpolant of order 4.

    Attributes
    ----------
    start, end : shape (P,)
    size : h
    stages : velocities, shape (7, P)
    """

    start: Array
    end: Array
    size: float
    stages: Array

    def at(self, share: float) -> Array:
        """Return the interpolant at start + share h, share in [0, 1]."""
        if share >= 1.0:
            return self.end
        powers = np.cumprod(np.full(_P.shape[1], share))
        return np.asarray(self.start + self.size * ((_P @ powers) @ self.stages))

    def control_points(self) -> Array:
        """Return the Bezier control points of the interpolant, shape (5, P): it lies in their hull."""
        return np.asarray(self.start + self.size * (_CONTROL @ self.stages))

    def deviation(self) -> Array:
        """Return the estimated error at the end: the difference to a method of order 4, shape (P,)."""
        return np.asarray(self.size * (_E @ self.stages))

    def error(self, rtol: float, atol: float) -> float:
        """Return the estimated error, relative to the tolerance."""
        scale = atol + rtol * np.maximum(np.abs(self.start), np.abs(self.end))
        return float(np.sqrt(np.mean((self.deviation() / scale) ** 2)))


def step(velocity: Velocity, start: Array, first: Array, size: float) -> Step:
    """Make a step; `first` is the velocity at its start."""
    stages = np.empty((7, start.size))
    stages[0] = first
    for s in range(1, 6):
        stages[s] = velocity(start + size * (_A[s, :s] @ stages[:s]))
    end = start + size * (_B @ stages[:6])
    stages[6] = velocity(end)
    return Step(start, end, size, stages)


def first_step_size(start: Array, first: Array, velocity: Velocity, rtol: float, atol: float) -> float:
    """Return a first step size, 0 if the velocity is too large for any.

    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", 1993, II.4.
    """
    scale = atol + rtol * np.abs(start)
    with np.errstate(over="ignore", invalid="ignore"):
        size, speed = (float(np.sqrt(np.mean((v / scale) ** 2))) for v in (start, first))
        if not np.isfinite(speed):
            return 0.0
        guess = 1e-6 if min(size, speed) < 1e-5 else 0.01 * size / speed
        change = (velocity(start + guess * first) - first) / scale
        bend = float(np.sqrt(np.mean(change**2))) / guess
    steepest = max(speed, bend)
    second = max(1e-6, 1e-3 * guess) if steepest <= 1e-15 else (0.01 / steepest) ** (1 / _ORDER)
    return min(100.0 * guess, second)


def next_size(size: float, error: float) -> float:
    """Return the step size that the estimated error suggests."""
    if not np.isfinite(error):
        return _SMALLEST * size
    factor = _LARGEST if error == 0.0 else _SAFETY * error ** (-1.0 / _ORDER)
    return min(size * min(_LARGEST, max(_SMALLEST, factor)), _LONGEST)


def first_positive(function: Callable[[float], float], start: float = 0.0, end: float = 1.0) -> float:
    """Return a share in [start, end] just past a change of sign of a function that is positive at the end."""
    if function(start) > 0.0:
        return start
    # As many iterations as the method can need: a function may touch 0 almost flatly.
    share = float(brentq(function, start, end, xtol=1e-14, rtol=8.9e-16, maxiter=2500))
    past = 1e-15
    while share < end and not function(share) > 0.0:
        share = min(share + past, end)
        past *= 4.0
    return share


class Events(Protocol):
    """A right-hand side that changes at events: `gfcompare.kinks.Kinks` is one."""

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
        """What there is to say about the solution so far."""


class StuckError(Exception):
    """The flow cannot be followed past an event."""


class ExplicitRun:
    """One trajectory, with a step size controlled by the estimated error.

    Parameters
    ----------
    start : shape (P,)
    events : the right-hand side
    rtol, atol : tolerances of a step
    max_steps : after these it ends
    """

    def __init__(self, start: Array, events: Events, rtol: float, atol: float, max_steps: int) -> None:
        self._events = events
        self._rtol, self._atol, self._max_steps = rtol, atol, max_steps
        self._start = start
        self._y = start
        self._velocity = events.velocity(start)
        self._size = first_step_size(start, self._velocity, events.velocity, rtol, atol)
        self._made: tuple[Step, float] | None = None  # the last step, and the flow time at its start
        self._at_event = False
        self._idle = 0
        self.steps = 0
        self.reached = 0.0

    @property
    def changes(self) -> int:
        """Events so far, -1 if there never are any."""
        return self._events.changes

    @property
    def note(self) -> str:
        """What there is to say about the solution so far."""
        return self._events.note

    def to(self, time: float) -> tuple[Array, Status, str]:
        """Return y at `time`; with the status and message of a failure, y means nothing."""
        while self.reached < time:
            try:
                self._switch()
            except StuckError as error:
                return self._start, Status.KINK, f"{error} at flow time {self.reached:.6g}"
            if self.steps >= self._max_steps:
                message = (
                    f"{self.steps} steps made by flow time {self.reached:.6g} of {time:.6g}; raise max_steps."
                )
                return self._start, Status.STEP_LIMIT, message
            if not np.isfinite(self._velocity).all():
                message = f"the velocity is not finite at flow time {self.reached:.6g}"
                return self._start, Status.FAILED, message
            if not self._y @ self._y <= DIVERGENCE_NORM**2:
                message = f"|y| left {DIVERGENCE_NORM:g} at flow time {self.reached:.6g}"
                return self._start, Status.DIVERGED, message
            if not self._size > 1e-15 * max(self.reached, 1e-300) or self._idle > _MOST_IDLE:
                message = f"the steps no longer change flow time {self.reached:.6g}"
                return self._start, Status.STEP_TOO_SMALL, message
            self._advance()
        if self._made is None or time == self.reached:
            return self._y, Status.RUNNING, ""
        made, began = self._made
        return made.at((time - began) / made.size), Status.RUNNING, ""

    def _switch(self) -> None:
        """Let an event happen: only when the flow goes on, for at a save time before it has not happened."""
        if self._at_event:
            self._at_event = False
            self._y = self._events.switch(self._y)
            self._velocity = self._events.velocity(self._y)

    def _advance(self) -> None:
        """Make a step, or try one that is too long and shorten it."""
        with np.errstate(over="ignore", invalid="ignore"):
            made = step(self._events.velocity, self._y, self._velocity, self._size)
            error = made.error(self._rtol, self._atol)
        if not error <= 1.0:
            self._size = next_size(self._size, error)
            return
        share = self._events.first_change(made)
        self._made = (made, self.reached)
        self._y = made.end if share is None else made.at(share)
        moved = made.size * (1.0 if share is None else share)
        progress = moved > _TINY * made.size and self.reached + moved > self.reached
        self._idle = 0 if progress else self._idle + 1
        self.reached += moved
        self.steps += 1
        self._size = next_size(made.size, error)
        self._velocity = made.stages[6]
        self._at_event = share is not None
