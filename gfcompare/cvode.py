"""SUNDIALS CVODE on one trajectory of a flow: for any velocity, and as an independent second opinion."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

from gfcompare.interface import DIVERGENCE_NORM, Array, Status

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

# Unknowns from which LAPACK solves dense systems faster than CVODE's own code.
_LAPACK_PAYS = 100


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


class CvodeRun:
    """CVODE on one trajectory of y' = velocity(y).

    Variable-order BDF (order 1 to 5) with Newton's method and matrix-free GMRES, or Adams-Moulton formulas.
    Hindmarsh et al., "SUNDIALS", ACM TOMS 31 (2005), doi:10.1145/1089014.1089020.

    Parameters
    ----------
    velocity : maps y, shape (P,), read-only, to y'
    start : y at flow time 0
    method : "BDF" or "Adams"
    rtol, atol : tolerances of a step
    max_steps : after these it ends
    began : flow time at the start
    jacobian : maps y to the Jacobian of the velocity, shape (P, P); with it, the linear systems are solved
        directly instead of by GMRES

    Attributes
    ----------
    reached : flow time reached by the steps
    y : the solution there, shape (P,), read-only
    """

    #: No activation changes are located, and CVODE's Python interface does not tell of rejected steps.
    changes = -1
    rejected = -1
    note = ""

    def __init__(
        self,
        velocity: Callable[[Array], Array],
        start: Array,
        *,
        method: Literal["BDF", "Adams"],
        rtol: float,
        atol: float,
        max_steps: int,
        began: float = 0.0,
        jacobian: Callable[[Array], Array] | None = None,
    ) -> None:
        # CVODE's words come back with its result; by itself it would also log them.
        for stream in ("ERROR", "WARNING"):
            os.environ.setdefault(f"SUNLOGGER_{stream}_FILENAME", os.devnull)
        from sksundae.cvode import CVODE

        self.steps = 0
        self.smallest_step = np.inf
        self._limit = max_steps
        self._raised: Exception | None = None

        def right_hand_side(t: float, y: Array, result: Array) -> None:
            try:
                result[:] = velocity(y)
            except Exception as error:  # CVODE's interface raises another, without the author's line
                self._raised = error
                raise

        linear: dict[str, Any] = {"linsolver": "gmres", "krylov_dim": _KRYLOV_DIMENSION}
        if jacobian is not None:

            def write_jacobian(t: float, y: Array, velocity: Array, result: Array) -> None:
                result[:] = jacobian(y)

            linear = {
                "linsolver": "dense" if len(start) < _LAPACK_PAYS else "lapackdense",
                "jacfn": write_jacobian,
            }
        self._solver: Any = CVODE(right_hand_side, method=method, rtol=rtol, atol=atol, **linear)
        self.reached = began
        self.y = self._start = start
        self._solver.init_step(began, self._start)

    def to(self, time: float) -> tuple[Array, Status, str]:
        """Return y at `time`; with the status and message of a failure, y means nothing."""
        with _without_its_words():
            status, message = self._towards(time, self._limit)
            if status is not Status.RUNNING or time == self.reached:
                return self.y, status, message
            return self._step(time, "normal").y, status, message

    def towards(self, time: float, steps: int) -> tuple[Status, str]:
        """Make at most so many steps towards `time`; return the status and message of a failure."""
        with _without_its_words():
            return self._towards(time, min(self._limit, self.steps + steps))

    def _step(self, time: float, mode: str) -> Any:
        try:
            return self._solver.step(time, mode)
        except Exception:
            if self._raised is not None:
                raise self._raised from None
            raise

    def _towards(self, time: float, most: int) -> tuple[Status, str]:
        stalled = 0
        while self.reached < time and (self.steps < most or most == self._limit):
            if self.steps >= self._limit:
                message = (
                    f"{self.steps} steps made by flow time {self.reached:.6g} of {time:.6g}; raise max_steps."
                )
                return Status.STEP_LIMIT, message
            outcome = self._step(time, "onestep")
            if not np.isfinite(outcome.y).all():
                return Status.FAILED, f"the velocity is not finite after flow time {self.reached:.6g}"
            if not outcome.y @ outcome.y <= DIVERGENCE_NORM**2:
                return Status.DIVERGED, f"|y| left {DIVERGENCE_NORM:g} at flow time {outcome.t:.6g}"
            if outcome.status < 0:
                status = Status.STEP_TOO_SMALL if outcome.status in _CANNOT_STEP else Status.FAILED
                return status, f"CVODE at flow time {outcome.t:.6g}: {outcome.message}"
            # After an interpolation CVODE first returns the end of the step that it had made already; if it
            # does so again and again, its steps are too small to change t.
            moved = outcome.t > self.reached
            stalled = 0 if moved else stalled + 1
            if stalled > _STALLED:
                message = f"the steps of CVODE no longer change flow time {outcome.t:.6g}"
                return Status.STEP_TOO_SMALL, message
            if moved:
                self.smallest_step = min(self.smallest_step, outcome.t - self.reached)
            self.steps += moved
            self.reached, self.y = outcome.t, outcome.y
        return Status.RUNNING, ""
