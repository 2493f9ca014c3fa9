"""Base of the methods that make steps."""

from __future__ import annotations

import abc
import copy
import inspect
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.component import require
from gfcompare.components.errors import FOREIGN_ERRORS, ContractError
from gfcompare.integrators.base import Integrator, SolverState, State
from gfcompare.integrators.contract import check_block, check_step
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.schedules import (
    BLOCK,
    PiecewiseConstant,
    PolynomialDecay,
    StepSize,
    step_sizes,
    steps_until,
)
from gfcompare.integrators.status import DIVERGENCE_NORM, Array, Status, escape

#: A save time further away than this many blocks, at the present step size, is not tried for: it would take
#: minutes to hours for each trajectory, or for ever with a schedule whose step sizes add up to less.
_MOST_BLOCKS = 100_000


#: What authors of early methods called functions of `StepMethod` and `GradientMethod`.
_RENAMED = {"initial_memory": "init", "first_memory": "init_update", "steps": "step_block", "move": "update"}


class StepMethod(Integrator[SolverState], abc.ABC):
    """A method that makes steps theta_n -> theta_{n+1} and advances flow time by the step size.

    A subclass is a frozen dataclass with a field `step_size`, and writes `step`; all trajectories take
    their steps together. Methods that can make many steps in one call override `step_block` instead.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from typing import ClassVar
    >>> import gfcompare as gfc
    >>> @dataclass(frozen=True)
    ... class SignDescent(gfc.StepMethod):
    ...     '''Steps along the signs of the gradient.'''
    ...
    ...     name: ClassVar[str] = "sign-descent"
    ...     step_size: float = 0.01
    ...
    ...     def step(self, problem, theta, solver_state, step_size):
    ...         gradient = problem.gradient(theta)
    ...         return theta - step_size * gradient / (abs(gradient) + 1e-12), solver_state
    >>> problem = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    >>> data = gfc.integrate(problem, SignDescent(), [1.0, -1.0, 0.1, 0.9, 0.5, -0.5, 0.0], [0.0, 1.0])
    >>> print(data["steps"].values)
    [[  0 100]]
    """

    step_size: StepSize

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for old, new in _RENAMED.items():
            function = vars(cls).get(old)
            if inspect.isfunction(function) and new not in vars(cls):
                warnings.warn(
                    f"{cls.__name__}.{old} is called {new}: rename it. The next release knows no other.",
                    FutureWarning,
                    stacklevel=3,
                )
                setattr(cls, new, function)

    def __post_init__(self) -> None:
        kinds = (int, float, np.integer, np.floating, PolynomialDecay, PiecewiseConstant)
        number = isinstance(self.step_size, kinds) and not isinstance(self.step_size, bool)
        require(number, f"step_size must be a number or a schedule, got {self.step_size!r}.")
        first = float(step_sizes(self.step_size, 0, 1)[0])
        require(bool(0 < first < np.inf), f"step_size must be positive and finite, got {self.step_size}.")

    def init(self, problem: CountedProblem, theta: Array, rngs: Sequence[np.random.Generator]) -> SolverState:
        """Return what `step` needs besides theta, such as momentum, at flow time 0."""
        nothing: Any = None  # what nobody defines, nobody carries
        return nothing  # type: ignore[no-any-return]

    def step(
        self, problem: CountedProblem, theta: Array, solver_state: SolverState, step_size: float
    ) -> tuple[Array, SolverState]:
        """Return theta, shape (M, P), and solver_state after one step."""
        raise ContractError(f"{type(self).__name__} must define step or step_block.")

    def step_block(
        self, problem: CountedProblem, theta: Array, solver_state: SolverState, sizes: Array
    ) -> tuple[Array, SolverState, NDArray[np.int64]]:
        """Return theta, solver_state and the steps made by each trajectory, shape (M,), after a block.

        A trajectory may stop early when it leaves the ball of radius `DIVERGENCE_NORM`.
        """
        inside = problem.counted
        taken = np.zeros(len(theta), dtype=np.int64)
        for size in sizes:
            # A copy, because a method may write into it: trajectories that have ended must stay as they are.
            result = self.step(problem.only(inside), theta.copy(), solver_state, float(size))
            moved, solver_state = check_step(result, theta.shape, f"{type(self).__name__}.step")
            theta = np.where(inside[:, None], moved, theta)
            taken += inside
            inside &= _inside(theta)
            if not inside.any():
                break
        return theta, solver_state, taken

    def start(
        self, problem: CountedProblem, theta: Array, rngs: Sequence[np.random.Generator]
    ) -> State[SolverState]:
        """Return the state at flow time 0."""
        return State.at(theta, solver_state=self.init(problem, theta, rngs))

    def advance(self, problem: CountedProblem, state: State[SolverState], time: float) -> State[SolverState]:
        """Return the state after the step that ends nearest to flow time `time`."""
        rows = np.flatnonzero(state.running)
        if not rows.size:
            return state
        first, reached = int(state.steps[rows[0]]), float(state.time[rows[0]])
        solver_state = _copied(state.solver_state)
        for sizes, clock in steps_until(self.step_size, first, reached, time):
            running = state.running
            with np.errstate(over="ignore", invalid="ignore"):
                result = self.step_block(problem.only(running), state.theta, solver_state, sizes)
                place = f"{type(self).__name__}.step_block"
                theta, solver_state, taken = check_block(result, state.theta.shape, place)
                lost = running & ~_inside(theta)
            done = state.steps + np.where(running, taken, 0)
            times = np.where(running, clock, state.time)
            theta = np.where(running[:, None], theta, state.theta)
            if lost.any():
                for m in np.flatnonzero(lost):
                    times[m] = state.time[m] + float(sizes[: taken[m]].sum())
                messages = [
                    f"{escape(row)} at step {n}, flow time {t:.6g}"
                    for row, n, t in zip(theta, done, times, strict=True)
                ]
            state = state.replace(theta=theta, solver_state=solver_state, steps=done, time=times)
            if lost.any():
                state = state.terminate(lost, Status.DIVERGED, messages)
            if not state.running.any():
                break
            blocks = (time - clock) / (clock - reached) if clock > reached else np.inf
            if blocks > _MOST_BLOCKS:
                message = (
                    f"at step size {sizes[-1]:.3g}, flow time {clock:.6g}, the next save time {time:.6g} "
                    f"is more than {_MOST_BLOCKS * BLOCK:.1g} steps away"
                )
                return state.terminate(state.running, Status.STEP_LIMIT, message)
            reached = clock
        return state


def _copied(solver_state: Any) -> Any:
    """Return a copy of what a method remembers, which may then be changed in place: states are values.

    What cannot be copied is passed on as it is: an author's method may hold anything.
    """
    try:
        return copy.deepcopy(solver_state)
    except FOREIGN_ERRORS:
        return solver_state


def check_step_method(cls: type[StepMethod]) -> None:
    """Raise InputError unless a class of step methods says how it makes a step and has a step size."""
    own = any(getattr(cls, key) is not getattr(StepMethod, key) for key in ("step", "step_block", "advance"))
    require(own, f"{cls.__name__} does not define step (or step_block, for many steps in one call)")
    has = "step_size" in cls.fields() or hasattr(cls, "step_size")
    require(has, f"{cls.__name__} has no option step_size; write step_size: float = 0.01")


def _inside(theta: Array) -> NDArray[np.bool_]:
    """Return a mask of the rows of theta that are finite and within `DIVERGENCE_NORM`."""
    return np.asarray((theta * theta).sum(axis=-1) <= DIVERGENCE_NORM**2)
