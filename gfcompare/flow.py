"""Base of the methods that integrate an ordinary differential equation, with SUNDIALS CVODE."""

from __future__ import annotations

import abc
import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.components import require
from gfcompare.errors import unknown_name
from gfcompare.explicit import ExplicitRun, Step
from gfcompare.interface import DIVERGENCE_NORM, Array, CountedProblem, Integrator, State, Status
from gfcompare.kinks import Kinks

_METHODS = ("auto", "bdf", "adams", "explicit")

# Return flags of CVODE, https://computing.llnl.gov/projects/sundials: the error test or the nonlinear
# solver failed too often, or with the smallest step that floating point allows.
_CANNOT_STEP = (-3, -4)

# How scikit-sundae prints an error of CVODE.
_PRINTED = re.compile(r"\n\[\w+, Error: -?\d+\][^\n]*\n\n")

# Calls without progress after which a trajectory ends. Many: where a flow blows up in finite time, its steps
# fall below the resolution of t long before its norm shows that it diverges.
_STALLED = 10_000

# With CVODE's own limit of 5 the linear solver often stops short, and the step is made again: at H = 512 a
# flow to t = 10^4 then takes 2250 gradients instead of 1450 (with 8; no further gain beyond).
_KRYLOV_DIMENSION = 8


@dataclass(frozen=True)
class FlowIntegrator(Integrator, abc.ABC):
    """Integrates y' = velocity(y), each trajectory with its own step sizes.

    Where the risk is smooth, with CVODE: variable-order BDF (order 1 to 5) with Newton's method and
    matrix-free GMRES. The cost of a step is a few gradients whatever the number of parameters, and stiffness
    does not limit the step. On finitely many points, where the velocity jumps, with an explicit method of
    order 5 whose steps end at the jumps (`gfcompare.kinks`). Save times are read off the method's
    interpolant and cost nothing.

    Hindmarsh et al., "SUNDIALS", ACM TOMS 31 (2005), doi:10.1145/1089014.1089020; Dormand, Prince,
    doi:10.1016/0771-050X(80)90013-3.

    Parameters
    ----------
    rtol : relative tolerance of each step
    atol : absolute tolerance of each step; None means rtol / 100
    method : "auto" is "bdf" where the risk is smooth and "explicit" on finitely many points; "bdf" for stiff
        flows, "adams" and "explicit" for flows that are known not to be
    max_steps : steps after which a trajectory ends with the status step_limit
    """

    rtol: float = 1e-6
    atol: float | None = None
    method: Literal["auto", "bdf", "adams", "explicit"] = "auto"
    max_steps: int = 1_000_000

    def __post_init__(self) -> None:
        require(1e-14 <= self.rtol <= 0.1, f"rtol must lie between 1e-14 and 0.1, got {self.rtol:g}.")
        require(self.atol is None or self.atol > 0, f"atol must be positive, got {self.atol}.")
        if self.method not in _METHODS:
            raise unknown_name("method", self.method, _METHODS)
        require(self.max_steps >= 1, f"max_steps must be at least 1, got {self.max_steps}.")

    @property
    def absolute(self) -> float:
        """The absolute tolerance in use."""
        return self.rtol / 100 if self.atol is None else self.atol

    @abc.abstractmethod
    def velocity(self, problem: CountedProblem, y: Array) -> Array:
        """Return y', shape (P,), at y, shape (P,); y is read-only."""

    def coordinates(self, problem: CountedProblem, theta: Array) -> Array:
        """Return the solver's variable y at theta, both of shape (P,)."""
        return theta

    def parameters(self, problem: CountedProblem, y: Array) -> Array:
        """Return theta at the solver's variable y, both of shape (P,)."""
        return y

    def start(self, problem: CountedProblem, theta: Array, rngs: Sequence[np.random.Generator]) -> State:
        """Return the state at flow time 0, with a solver for each trajectory."""
        explicit = self.method == "explicit" or (self.method == "auto" and not problem.smooth)
        kind: Callable[[FlowIntegrator, CountedProblem, Array], _Run]
        kind = _ExplicitRun if explicit else _CvodeRun
        runs = [kind(self, problem.only(m), row) for m, row in enumerate(theta)]
        state = State.at(theta, memory=runs)
        return state.moved(activation_changes=_changes(runs))

    def advance(self, problem: CountedProblem, state: State, time: float) -> State:
        """Return the state at flow time `time`."""
        theta, times, steps = state.theta.copy(), state.time.copy(), state.steps.copy()
        messages = list(state.messages)
        ends: list[tuple[int, Status, str]] = []
        for m in np.flatnonzero(state.running).tolist():
            run: _Run = state.memory[m]
            with _without_its_words():
                y, status, message = run.to(time)
            steps[m], messages[m] = run.steps, run.note
            if status is Status.RUNNING:
                theta[m], times[m] = self.parameters(run.problem, y), time
            else:
                times[m] = run.reached
                ends.append((m, status, message))
        result = state.moved(
            theta=theta,
            time=times,
            steps=steps,
            messages=tuple(messages),
            activation_changes=_changes(state.memory),
        )
        for m, status, message in ends:
            message = f"{message}; {messages[m]}" if messages[m] else message
            result = result.ended(np.arange(len(times)) == m, status, message)
        return result


@contextlib.contextmanager
def _without_its_words() -> Iterator[None]:
    """Keep from standard output what the solver's Python interface prints there of an error.

    The message comes back with the result. What somebody else prints meanwhile is passed on.
    """
    caught = io.StringIO()
    try:
        with contextlib.redirect_stdout(caught):
            yield
    finally:
        others = _PRINTED.sub("", caught.getvalue())
        if others:
            print(others, end="")


class _Run(Protocol):
    """A method on one trajectory."""

    @property
    def problem(self) -> CountedProblem:
        """The problem, which counts for the trajectory."""

    @property
    def steps(self) -> int:
        """Steps made."""

    @property
    def reached(self) -> float:
        """Flow time reached."""

    def to(self, time: float) -> tuple[Array, Status, str]:
        """Return y at `time`; with the status and message of a failure, y means nothing."""

    @property
    def changes(self) -> int:
        """Activation changes located, -1 if none are."""

    @property
    def note(self) -> str:
        """What there is to say about the solution so far."""


def _changes(runs: Sequence[_Run]) -> NDArray[np.int64]:
    return np.array([run.changes for run in runs], dtype=np.int64)


class _ExplicitRun:
    """The explicit method on one trajectory, with events where the problem is not smooth."""

    def __init__(self, integrator: FlowIntegrator, problem: CountedProblem, theta: Array) -> None:
        self.problem = problem
        start = np.array(integrator.coordinates(problem, theta), dtype=np.float64)
        self._kinks = None if problem.smooth else Kinks(integrator, problem, start)
        events = self._kinks or _Smooth(integrator, problem)
        self._run = ExplicitRun(start, events, integrator.rtol, integrator.absolute, integrator.max_steps)

    @property
    def steps(self) -> int:
        return self._run.steps

    @property
    def reached(self) -> float:
        return self._run.reached

    @property
    def changes(self) -> int:
        return -1 if self._kinks is None else self._kinks.changes

    @property
    def note(self) -> str:
        slides = 0 if self._kinks is None else self._kinks.slides
        if not slides:
            return ""
        kinks = "a kink" if slides == 1 else f"{slides} kinks"
        return f"slid along {kinks}: the flow is that of Filippov, and not unique backward in time"

    def to(self, time: float) -> tuple[Array, Status, str]:
        return self._run.to(time)


class _Smooth:
    """The velocity of a flow that has no events."""

    def __init__(self, integrator: FlowIntegrator, problem: CountedProblem) -> None:
        self._integrator = integrator
        self._problem = problem

    def velocity(self, y: Array) -> Array:
        return self._integrator.velocity(self._problem, y)

    def first_change(self, made: Step) -> None:
        return None

    def switch(self, y: Array) -> Array:
        raise AssertionError("a smooth flow has no events")  # never called


class _CvodeRun:
    """CVODE on one trajectory."""

    changes = -1
    note = ""

    def __init__(self, integrator: FlowIntegrator, problem: CountedProblem, theta: Array) -> None:
        # CVODE's words come back with its result; by itself it would also log them.
        for stream in ("ERROR", "WARNING"):
            os.environ.setdefault(f"SUNLOGGER_{stream}_FILENAME", os.devnull)
        from sksundae.cvode import CVODE

        self.problem = problem
        self.steps = 0
        self._limit = integrator.max_steps

        def right_hand_side(t: float, y: Array, velocity: Array) -> None:
            velocity[:] = integrator.velocity(problem, y)

        self._solver: Any = CVODE(
            right_hand_side,
            method="Adams" if integrator.method == "adams" else "BDF",
            rtol=integrator.rtol,
            atol=integrator.absolute,
            linsolver="gmres",
            krylov_dim=_KRYLOV_DIMENSION,
        )
        self.reached = 0.0
        self._start = np.array(integrator.coordinates(problem, theta), dtype=np.float64)
        self._solver.init_step(0.0, self._start)

    def to(self, time: float) -> tuple[Array, Status, str]:
        """Return y at `time`; with the status and message of a failure, y means nothing."""
        if time == 0.0:
            return self._start, Status.RUNNING, ""
        stalled = 0
        while self.reached < time:
            if self.steps >= self._limit:
                return (
                    self._start,
                    Status.STEP_LIMIT,
                    (
                        f"{self.steps} steps made by flow time {self.reached:.6g} of {time:.6g}; "
                        "raise max_steps."
                    ),
                )
            outcome = self._solver.step(time, "onestep")
            if not np.isfinite(outcome.y).all():
                return (
                    self._start,
                    Status.FAILED,
                    f"the velocity is not finite after flow time {self.reached:.6g}",
                )
            if not outcome.y @ outcome.y <= DIVERGENCE_NORM**2:
                return (
                    self._start,
                    Status.DIVERGED,
                    f"|y| left {DIVERGENCE_NORM:g} at flow time {outcome.t:.6g}",
                )
            if outcome.status < 0:
                status = Status.STEP_TOO_SMALL if outcome.status in _CANNOT_STEP else Status.FAILED
                return self._start, status, f"CVODE at flow time {outcome.t:.6g}: {outcome.message}"
            # After an interpolation CVODE first returns the end of the step that it had made already; if it
            # does so again and again, its steps are too small to change t.
            moved = outcome.t > self.reached
            stalled = 0 if moved else stalled + 1
            if stalled > _STALLED:
                message = f"the steps of CVODE no longer change flow time {outcome.t:.6g}"
                return self._start, Status.STEP_TOO_SMALL, message
            self.steps += moved
            self.reached = outcome.t
        outcome = self._solver.step(time, "normal")
        return outcome.y, Status.RUNNING, ""
