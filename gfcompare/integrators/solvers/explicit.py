"""One trajectory by an explicit method: step sizes from estimated errors, and events that end a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gfcompare.integrators.base import State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.solvers.base import Field, Solvers, initial_sizes
from gfcompare.integrators.solvers.chebyshev import RungeKuttaChebyshev, StiffnessSwitch
from gfcompare.integrators.solvers.conserved import Conserved, Staying
from gfcompare.integrators.solvers.events import Events, StuckError
from gfcompare.integrators.solvers.filippov import Kinks
from gfcompare.integrators.solvers.runge_kutta import (
    Array,
    DormandPrince5,
    DormandPrince8,
    Method,
    Step,
    Tolerance,
    Velocity,
)
from gfcompare.integrators.status import DIVERGENCE_NORM, Status, escape

#: The explicit methods by name; "explicit" is the one that recognises stiffness.
METHODS: dict[str, Callable[[], Method]] = {
    "explicit": StiffnessSwitch,
    "dopri5": DormandPrince5,
    "dop853": DormandPrince8,
    "rkc": RungeKuttaChebyshev,
}

# Events without progress in flow time after which a trajectory ends, and the share of a step that is none.
_MOST_IDLE, _TINY = 1000, 1e-9
_SAFETY, _SMALLEST, _LARGEST = 0.9, 0.2, 5.0
# No step is longer: a flow at rest must not make it infinite.
_LONGEST = 1e100


def first_step_size(
    start: Array, first: Array, velocity: Velocity, order: int, tolerance: Tolerance
) -> float:
    """Return a first step size, 0 if the velocity is too large for any.

    Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", 1993, II.4.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        size, speed = tolerance.norm(start, start), tolerance.norm(first, start)
        if not np.isfinite(speed):
            return 0.0
        guess = 1e-6 if min(size, speed) < 1e-5 else 0.01 * size / speed
        bend = tolerance.norm(velocity(start + guess * first) - first, start) / guess
    steepest = max(speed, bend)
    second = max(1e-6, 1e-3 * guess) if steepest <= 1e-15 else (0.01 / steepest) ** (1 / order)
    return min(100.0 * guess, second)


def next_size(size: float, error: float, order: int) -> float:
    """Return the step size that an estimated error, proportional to size^order, suggests."""
    if not np.isfinite(error):
        return _SMALLEST * size
    factor = _LARGEST if error == 0.0 else _SAFETY * error ** (-1.0 / order)
    return min(size * min(_LARGEST, max(_SMALLEST, factor)), _LONGEST)


class ExplicitRun:
    """One trajectory, with a step size controlled by the estimated error.

    Parameters
    ----------
    start : shape (P,)
    events : the right-hand side
    method : a key of `METHODS`
    tolerance : of a step
    max_steps : after these it ends
    conserved : what the exact flow conserves, if it is known: every step goes back there
    """

    def __init__(
        self,
        start: Array,
        events: Events,
        method: str,
        tolerance: Tolerance,
        max_steps: int,
        conserved: Staying | None = None,
    ) -> None:
        self._events = events
        self._method = METHODS[method]()
        self._conserved, self._absolute = conserved, tolerance.absolute
        if conserved is not None:
            tolerance = replace(tolerance, absolute=self._absolute * conserved.sizes(start))
        self._tolerance, self._max_steps = tolerance, max_steps
        self._start = start
        self._y = start
        self._velocity = events.velocity(start)
        order = self._method.error_order
        self._size = first_step_size(start, self._velocity, events.velocity, order, tolerance)
        self._made: tuple[Step, float] | None = None  # the last step, and the flow time at its start
        self._at_event = False
        self._idle = 0
        self.steps = self.rejected = 0
        self.smallest_step = np.inf
        self.reached = 0.0

    @property
    def changes(self) -> int:
        """Events so far, -1 if there never are any."""
        return self._events.changes

    @property
    def y(self) -> Array:
        """The solution at the flow time reached, shape (P,)."""
        return self._y

    @property
    def note(self) -> str:
        """Return remarks on the solution so far."""
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
                    f"{self.steps} steps made by flow time {self.reached:.6g} of {time:.6g}; raise max_steps"
                )
                return self._start, Status.STEP_LIMIT, message
            if not np.isfinite(self._velocity).all():
                message = f"the velocity is not finite at flow time {self.reached:.6g}"
                return self._start, Status.FAILED, message
            if not self._y @ self._y <= DIVERGENCE_NORM**2:
                message = f"{escape(self._y, 'y')} at flow time {self.reached:.6g}"
                return self._start, Status.DIVERGED, message
            if not self._size > 1e-15 * max(self.reached, 1e-300) or self._idle > _MOST_IDLE:
                message = f"the steps no longer change flow time {self.reached:.6g}"
                return self._start, Status.STEP_TOO_SMALL, message
            self._advance()
        if self._made is None or time == self.reached:
            return self._y, Status.RUNNING, ""
        made, began = self._made
        y = made.at((time - began) / made.size)
        return y if self._conserved is None else self._conserved.restored(y), Status.RUNNING, ""

    def _switch(self) -> None:
        """Let an event happen: only when the flow goes on, for at a save time before it has not happened."""
        if self._at_event:
            self._at_event = False
            self._y = self._events.switch(self._y)
            self._velocity = self._events.velocity(self._y)
            self._method.interrupted()

    def _advance(self) -> None:
        """Make a step, or try one that is too long and shorten it."""
        velocity = self._events.velocity
        with np.errstate(over="ignore", invalid="ignore"):
            size = min(self._size, self._method.max_step_size(velocity, self._y, self._velocity))
            made = self._method.step(velocity, self._y, self._velocity, size, self._tolerance)
        self._size = next_size(size, made.error_norm, self._method.error_order)
        if not made.error_norm <= 1.0:
            self.rejected += 1
            self._method.interrupted()
            return
        share = self._events.first_change(made)
        self._made = (made, self.reached)
        self._y = made.end if share is None else made.at(share)
        moved = made.size * (1.0 if share is None else share)
        progress = moved > _TINY * made.size and self.reached + moved > self.reached
        self._idle = 0 if progress else self._idle + 1
        self.reached += moved
        self.steps += 1
        self.smallest_step = min(self.smallest_step, made.size)
        self._velocity = made.f1
        self._at_event = share is not None
        self._method = self._method.accepted(made)
        if self._conserved is not None:
            reached, self._y = self._y, self._conserved.restored(self._y)
            self._velocity = self._conserved.velocity(self._velocity, reached, self._y)
            sizes = self._conserved.sizes(self._y)
            self._tolerance = replace(self._tolerance, absolute=self._absolute * sizes)


class _Smooth:
    """A field without events."""

    changes = -1
    note = ""

    def __init__(self, field: Field, problem: CountedProblem) -> None:
        self._field = field
        self._problem = problem

    def velocity(self, y: Array) -> Array:
        return self._field.velocity(self._problem, y)

    def first_change(self, made: Step) -> None:
        return None

    def switch(self, y: Array) -> Array:
        return y  # never called


def start(field: Field, problem: CountedProblem, theta: Array, method: str) -> State:
    """Return the state at flow time 0 in theta, shape (M, P), with an explicit method for each trajectory.

    Parameters
    ----------
    field : the vector field; on finitely many points its steps end where an activation changes
    problem : the problem
    theta : initial parameters, shape (M, P)
    method : a key of `METHODS`
    """
    ys = [np.array(field.coordinates(problem.only(m), row)) for m, row in enumerate(theta)]
    sizes = initial_sizes(field, problem, theta)
    tolerance = Tolerance.over(problem.free, field.rtol, field.absolute)

    def make(m: int) -> ExplicitRun:
        mine, y = problem.only(m), ys[m].copy()
        conserved = Conserved.along(problem.network, field.compiled_as, y, float(sizes[m]), problem.frozen)
        events = _Smooth(field, mine) if problem.smooth else Kinks(field, mine, y)
        return ExplicitRun(y, events, method, tolerance, field.max_steps, conserved)

    return Solvers.start(field, theta, make)
