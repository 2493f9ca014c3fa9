"""The common parts of solvers: the vector field, and the state of trajectories with a solver each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from gfcompare.integrators.base import State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.solvers.plateaus import crossed_again_and_again, on_a_surface
from gfcompare.integrators.status import Array, Status

_TOO_MANY_STEPS = (Status.STEP_LIMIT, Status.STEP_TOO_SMALL)


class Field(Protocol):
    """A vector field y' = velocity(y), the chart that y belongs to, and how accurately it is integrated.

    `gfcompare.FlowIntegrator` is one.
    """

    @property
    def rtol(self) -> float:
        """Relative tolerance of a step."""

    @property
    def atol(self) -> float | None:
        """Absolute tolerance of a step as it was given, None for the default."""

    @property
    def absolute(self) -> float:
        """Absolute tolerance of a step in use."""

    @property
    def relative_to_neurons(self) -> bool:
        """True if the absolute tolerance is relative to the size of each neuron."""

    @property
    def max_steps(self) -> int:
        """Steps after which a trajectory ends."""

    @property
    def compiled_as(self) -> Literal["standard", "normalized"] | None:
        """Name of the gradient flow that the field is, if it is one."""

    def velocity(self, problem: CountedProblem, y: Array) -> Array:
        """Return y', shape (P,), at y, shape (P,)."""

    def coordinates(self, problem: CountedProblem, theta: Array) -> Array:
        """Return y at theta, both of shape (P,)."""

    def parameters(self, problem: CountedProblem, y: Array) -> Array:
        """Return theta at y, both of shape (P,)."""


class Solver(Protocol):
    """A solver on one trajectory, which remembers where it is."""

    @property
    def steps(self) -> int:
        """Steps made."""

    @property
    def reached(self) -> float:
        """Flow time reached."""

    @property
    def y(self) -> Array:
        """The solution there, shape (P,)."""

    @property
    def rejected(self) -> int:
        """Steps tried and rejected, -1 if they are not counted."""

    @property
    def smallest_step(self) -> float:
        """Smallest step accepted so far, infinite before the first."""

    @property
    def changes(self) -> int:
        """Activation changes located, -1 if none are."""

    @property
    def note(self) -> str:
        """A remark on the solution so far, empty without any."""

    def to(self, time: float) -> tuple[Array, Status, str]:
        """Return y at `time`; with the status and message of a failure, y means nothing."""


class _Live:
    """Solvers where they are now, and the state that they are at; None while they move."""

    def __init__(self, solvers: Sequence[Solver]) -> None:
        self.solvers = solvers
        self.at: Solvers | None = None


@dataclass(frozen=True, eq=False)
class Solvers:
    """The state of M trajectories that have a solver each: a value, although solvers cannot be copied.

    Each state remembers the one before it. One that is advanced for a second time, as a run does that
    branches, starts new solvers and leads them along the same save times, to the same numbers.

    Attributes
    ----------
    field : the vector field
    make : returns the solver of a trajectory, by number, at flow time 0
    live : the solvers
    before : the state before this one, None at flow time 0
    rows : the trajectories that were advanced from there
    time : flow time to which they were advanced
    """

    field: Field
    make: Callable[[int], Solver]
    live: _Live
    before: Solvers | None = None
    rows: tuple[int, ...] = ()
    time: float = 0.0

    @classmethod
    def start(cls, field: Field, theta: Array, make: Callable[[int], Solver]) -> State:
        """Return the state of all trajectories at flow time 0 in theta, shape (M, P)."""
        live = _Live([make(m) for m in range(len(theta))])
        solvers = cls(field, make, live)
        live.at = solvers
        return State.at(theta, solvers).replace(**_step_statistics(live.solvers))

    def advance(self, problem: CountedProblem, state: State, time: float) -> State:
        """Return the state at flow time `time`."""
        live = self.live if self.live.at is self else self._rebuilt()
        live.at = None
        rows = tuple(np.flatnonzero(state.running).tolist())
        theta, times, steps = state.theta.copy(), state.time.copy(), state.steps.copy()
        messages = list(state.messages)
        ends: list[tuple[int, Status, str]] = []
        for m in rows:
            solver = live.solvers[m]
            y, status, message = solver.to(time)
            steps[m], messages[m] = solver.steps, solver.note
            if status is Status.RUNNING:
                theta[m], times[m] = self.field.parameters(problem.only(m), y), time
            else:
                times[m] = solver.reached
                ends.append((m, status, self._explained(problem.only(m), solver, status, message)))
        live.at = after = Solvers(self.field, self.make, live, self, rows, time)
        result = state.replace(
            theta=theta,
            time=times,
            steps=steps,
            messages=tuple(messages),
            solver_state=after,
            **_step_statistics(live.solvers),
        )
        for m, status, message in ends:
            message = f"{message}; {messages[m]}" if messages[m] else message
            result = result.terminate(np.arange(len(times)) == m, status, message)
        return result

    def _explained(self, problem: CountedProblem, solver: Solver, status: Status, message: str) -> str:
        """Return the message of a solver that ended, and what more steps would not change."""
        network, rtol = problem.network, self.field.rtol
        jumps = problem.smooth and not problem.frozen and network.inputs == 1 and network.depth > 2
        if not jumps or self.field.compiled_as is None or status not in _TOO_MANY_STEPS:
            return message
        # The tiny steps of explicit methods end within some tolerances of the surface.
        near = on_a_surface(network, self.field.parameters(problem, solver.y), within=10.0 * rtol)
        return f"{message}; {crossed_again_and_again(rtol)}" if near else message

    def _rebuilt(self) -> _Live:
        """Return new solvers at this state."""
        states: list[Solvers] = []
        state: Solvers | None = self
        while state is not None and state.before is not None:
            states.append(state)
            state = state.before
        live = _Live([self.make(m) for m in range(len(self.live.solvers))])
        for done in reversed(states):
            for m in done.rows:
                live.solvers[m].to(done.time)
        return live


def _step_statistics(solvers: Sequence[Solver]) -> dict[str, Any]:
    """Return the counts of the solvers as attributes of a state."""
    smallest = np.array([solver.smallest_step for solver in solvers])
    return {
        "activation_changes": np.array([solver.changes for solver in solvers], dtype=np.int64),
        "rejected_steps": np.array([solver.rejected for solver in solvers], dtype=np.int64),
        "smallest_step": np.where(np.isfinite(smallest), smallest, np.nan),
    }


def output_sizes(problem: CountedProblem, theta: Array) -> Array:
    """Return the size of what the network has to represent, shape (M,): sqrt(L) and the output biases.

    Parameters
    ----------
    problem : the problem
    theta : initial parameters, shape (M, P)
    """
    outputs = problem.network.outputs
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(problem.risk(theta)) + np.linalg.norm(theta[:, -outputs:], axis=1))


def initial_sizes(field: Field, problem: CountedProblem, theta: Array) -> Array:
    """Return the sizes of outputs that absolute tolerances are relative to, shape (M,), -1 if to none."""
    return output_sizes(problem, theta) if field.relative_to_neurons else np.full(len(theta), -1.0)
