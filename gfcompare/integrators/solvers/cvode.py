"""SUNDIALS CVODE on one trajectory of a flow: for any velocity, and as an independent second opinion."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

from gfcompare.components.errors import FOREIGN_ERRORS
from gfcompare.integrators.base import State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.dead_neurons import EndCrossings
from gfcompare.integrators.solvers.base import Field, Solvers, initial_sizes
from gfcompare.integrators.solvers.conserved import Conserved, Staying
from gfcompare.integrators.solvers.pushed_zeros import PushedZeros
from gfcompare.integrators.solvers.runge_kutta import Tolerance, root_mean_square
from gfcompare.integrators.status import DIVERGENCE_NORM, Array, Status

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

# As in `kernels.ndf`: length of the differences of velocities in place of Jacobians times vectors, relative
# to the parameters; and the least, relative to the tolerance. CVODE's own go over the whole tolerance: of 160
# trajectories to t = 1e4 at rtol = 1e-4, 3 ended off with them, 1 with
# these, in half as many gradients.
_DIFFERENCE, _LEAST_DIFFERENCE = 1.5e-8, 1e-2

# A change of a neuron's size after which CVODE starts again: it takes tolerances at the start only.
_RESIZED = 30.0

# How much smaller the tolerances are with which a step is made again in which a neuron becomes active on all
# inputs, or ceases to be: its zero may turn back before the end, or come in and stay there, and an error that
# pushes it further changes where the flow goes.
# Where a neuron dies that would not help: the exact flow lets none die, and its message says so.
_AGAIN = 1e-2

# As in `kernels.ndf`: the largest product of step size and growth rate, steps after which the rate is
# measured again, how much longer than the last one looked at a step may be, and how much shorter it must
# become to forget that.
_GROWTH, _GROWTH_STEPS, _LONGER, _FORGOTTEN, _LIMITED = 0.5, 10, 4.0, 16.0, 1000


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
    tolerance : of a step
    max_steps : after these it ends
    conserved : what the exact flow conserves, if it is known. Where a state has left it, the solver starts
        again from where it is restored, and so it does where neurons have changed their sizes
    growth : returns how fast deviations grow at a state, 0 if more slowly than a bound; no step is longer
    crosses : tells of two states whether a neuron becomes active on all inputs between them, or ceases to be;
        such a step is made again with smaller tolerances
    pushed : looks at such steps, and says when where the flow goes is not determined by it

    Attributes
    ----------
    reached : flow time reached by the steps
    y : the solution there, shape (P,), read-only
    """

    #: No activation changes are located, and CVODE's Python interface does not tell of rejected steps.
    changes = -1
    rejected = -1

    def __init__(
        self,
        velocity: Callable[[Array], Array],
        start: Array,
        *,
        method: Literal["BDF", "Adams"],
        tolerance: Tolerance,
        max_steps: int,
        conserved: Staying | None = None,
        growth: Callable[[Array, float], float] | None = None,
        crosses: Callable[[Array, Array], bool] | None = None,
        pushed: PushedZeros | None = None,
    ) -> None:
        # CVODE's words come back with its result; by itself it would also log them.
        for stream in ("ERROR", "WARNING"):
            os.environ.setdefault(f"SUNLOGGER_{stream}_FILENAME", os.devnull)

        self.steps = 0
        self.smallest_step = np.inf
        self.reached = 0.0
        self.y = np.array(start, dtype=np.float64)
        self._limit = max_steps
        self._method, self._tolerance = method, tolerance
        self._conserved, self._growth = conserved, growth
        self._crosses, self._pushed = crosses, pushed
        # The flow time up to which steps are made again; with smaller tolerances while it is not reached.
        self._again = 0.0
        # The longest step so far for which deviations are known not to grow within it; and the longest
        # allowed where they do, until so many steps have been made.
        self._checked, self._longest, self._until = 0.0, np.inf, 0
        self._limited = 0
        self._raised: BaseException | None = None

        def right_hand_side(t: float, y: Array, result: Array) -> None:
            try:
                result[:] = velocity(y)
            except FOREIGN_ERRORS as error:  # CVODE's interface raises another, without the author's line
                self._raised = error
                raise

        def product(t: float, y: Array, here: Array, vector: Array, result: Array) -> None:
            size = self._difference(y, vector)
            if size == 0.0:
                result[:] = 0.0
                return
            right_hand_side(t, y + size * vector, result)
            result -= here
            result /= size

        self._right_hand_side, self._product = right_hand_side, product
        self._solver: Any = None
        self._restart()

    @property
    def note(self) -> str:
        """A remark on the solution so far, empty without any."""
        return "" if self._pushed is None else self._pushed.note

    def _restart(self) -> None:
        """Start CVODE anew from the state reached, with tolerances for its sizes."""
        from sksundae.cvode import CVODE, CVODEJacTimes

        self._sizes = np.ones_like(self.y) if self._conserved is None else self._conserved.sizes(self.y)
        # The solver writes into what it was started with: that must outlive it.
        self._solver = None
        self._start = self.y
        self._lost = False
        share = _AGAIN if self.reached < self._again else 1.0
        self._solver = CVODE(
            self._right_hand_side,
            method=self._method,
            rtol=share * self._tolerance.relative,
            atol=share * self._tolerance.absolute * self._sizes,
            linsolver="gmres",
            krylov_dim=_KRYLOV_DIMENSION,
            jactimes=CVODEJacTimes(None, self._product),
        )
        self._solver.init_step(self.reached, self._start)

    def _difference(self, y: Array, vector: Array) -> float:
        """Return the factor of a vector, shape (P,), over which velocities are differenced at y."""
        tolerance = self._tolerance.absolute * self._sizes + self._tolerance.relative * np.abs(y)
        length = root_mean_square(vector / tolerance)
        size = max(_LEAST_DIFFERENCE, _DIFFERENCE * root_mean_square(y / tolerance))
        return size / length if length > 0.0 else 0.0

    def to(self, time: float) -> tuple[Array, Status, str]:
        """Return y at `time`; with the status and message of a failure, y means nothing."""
        with _without_its_words():
            status, message = self._towards(time)
            if status is not Status.RUNNING or time == self.reached:
                return self.y, status, message
            y = self._step(time, "normal").y
            return y if self._conserved is None else self._conserved.restored(y), status, message

    def _step(self, time: float, mode: str, **options: float) -> Any:
        try:
            return self._solver.step(time, mode, **options)
        except FOREIGN_ERRORS:
            if self._raised is not None:
                raise self._raised from None
            raise

    def _towards(self, time: float) -> tuple[Status, str]:
        stalled = 0
        while self.reached < time:
            if self.steps >= self._limit:
                message = (
                    f"{self.steps} steps made by flow time {self.reached:.6g} of {time:.6g}; raise max_steps"
                )
                return Status.STEP_LIMIT, message
            if self._lost:
                self.y = self.y if self._conserved is None else self._conserved.restored(self.y)
                self._restart()
            if np.isfinite(self._longest):
                outcome = self._step(time, "onestep", tstop=self.reached + self._longest)
            else:
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
            self.steps += moved
            if self._is_made_again(outcome.t, outcome.y):
                self._again = outcome.t
                self._restart()
                continue
            size = outcome.t - self.reached
            self.reached, self.y = outcome.t, outcome.y
            if moved:
                self.smallest_step = min(self.smallest_step, size)
                self._after_step(size)
                self._lost = self._lost or self.reached - size < self._again <= self.reached
        return Status.RUNNING, ""

    def _is_made_again(self, t: float, y: Array) -> bool:
        """Return whether a step to the state y, shape (P,), at flow time t is made again."""
        if self._crosses is None or t <= self.reached or not self._crosses(self.y, y):
            return False
        if self.reached >= self._again:
            return True
        if self._pushed is not None:
            self._pushed.crossed(self.reached, (self.y, y))
        return False

    def _after_step(self, size: float) -> None:
        """Start again where the state has left what is conserved, and respect growing deviations."""
        if self._pushed is not None:
            self._pushed.reached(self.reached, self.y)
        if self._conserved is not None:
            sizes = self._conserved.sizes(self.y)
            resized = np.max(np.maximum(sizes / self._sizes, self._sizes / sizes)) > _RESIZED
            # Not at once: a save time within this step is read off the solver's interpolant.
            self._lost = resized or self._conserved.strayed(self.y, self._tolerance.relative)
        if self._growth is None or self._limited > _LIMITED:
            self._longest = np.inf
            return
        self._limited += np.isfinite(self._longest)
        self._checked = min(self._checked, _FORGOTTEN * size)
        if self.steps >= self._until:
            self._longest = np.inf
        if _LONGER * size > self._checked and self.steps >= self._until:
            rate = self._growth(self.y, _GROWTH / (_LONGER * size))
            if rate > 0.0:
                self._longest, self._until = _GROWTH / rate, self.steps + _GROWTH_STEPS
            else:
                self._checked = _LONGER**2 * size


def start(field: Field, problem: CountedProblem, theta: Array, method: Literal["BDF", "Adams"]) -> State:
    """Return the state at flow time 0 in theta, shape (M, P), with CVODE for each trajectory.

    Parameters
    ----------
    field : the vector field
    problem : the problem
    theta : initial parameters, shape (M, P)
    method : the formulas
    """
    ys = [np.array(field.coordinates(problem.only(m), row)) for m, row in enumerate(theta)]
    sizes = initial_sizes(field, problem, theta)
    compiled = problem.has_compiled_flow or bool(problem.frozen)
    tolerance = Tolerance.over(problem.free, field.rtol, field.absolute)
    growing = field.compiled_as is not None and compiled

    def make(m: int) -> CvodeRun:
        mine = problem.only(m)

        def velocity(y: Array) -> Array:
            return field.velocity(mine, y)

        def growth(y: Array, bound: float) -> float:
            return mine.growth_rate(y, bound, normalize=field.compiled_as == "normalized")

        return CvodeRun(
            velocity,
            ys[m],
            method=method,
            tolerance=tolerance,
            max_steps=field.max_steps,
            conserved=Conserved.along(
                problem.network, field.compiled_as, ys[m], float(sizes[m]), problem.frozen
            ),
            growth=growth if growing else None,
            crosses=EndCrossings(mine) if growing else None,
            pushed=PushedZeros(mine, velocity, field) if growing else None,
        )

    return Solvers.start(field, theta, make)
