"""Base of the methods that integrate an ordinary differential equation."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from gfcompare.components import require
from gfcompare.cvode import CvodeRun
from gfcompare.errors import unknown_name
from gfcompare.evaluators.base import FlowTables
from gfcompare.explicit import METHODS, ExplicitRun
from gfcompare.interface import DIVERGENCE_NORM, Array, CountedProblem, Integrator, State, Status
from gfcompare.kernels.ndf import HANDED_ON, TABLE_ROWS
from gfcompare.kinks import Kinks
from gfcompare.rest import Angles, NearRest, Plain
from gfcompare.runge_kutta import Step, Tolerance

_METHODS = ("auto", "ndf", "bdf", "adams", *METHODS)


@dataclass(frozen=True)
class FlowIntegrator(Integrator, abc.ABC):
    """Integrates y' = velocity(y), each trajectory with its own step sizes.

    Where the risk is smooth, implicitly, of variable order 1 to 5, with Newton's method and matrix-free
    GMRES: the cost of a step is a few gradients whatever the number of parameters, and stiffness does
    not limit the step. The standard and the normalised flow run in compiled code (`gfcompare.kernels.ndf`),
    other flows with SUNDIALS CVODE (`gfcompare.cvode`). On
    finitely many points, where the velocity jumps, with explicit methods whose steps end at the jumps
    (`gfcompare.kinks`): of order 5 while the flow is not stiff, stabilised while it is. Save times are read
    off the method's interpolant and cost nothing.

    Parameters
    ----------
    rtol : relative tolerance of each step
    atol : absolute tolerance of each step; None means rtol / 100
    method : "ndf" (compiled) and "bdf" (CVODE), implicit, for flows that may be stiff; "adams" (CVODE),
        "dopri5" and "dop853" (explicit, of order 5 and 8) for flows known not to be; "rkc" (explicit,
        of order 2, stabilised) for stiff flows at low accuracy; "explicit", which is "dopri5" and changes to
        "rkc" and back as the flow becomes stiff. "auto" is "ndf" where it is there, otherwise "bdf", and
        "explicit" on finitely many points
    max_steps : steps after which a trajectory ends with the status step_limit
    """

    #: Which of the flows in compiled code this is: velocity must then be -G, or -rho P G at the retraction.
    compiled_as: ClassVar[Literal["standard", "normalized"] | None] = None

    rtol: float = 1e-6
    atol: float | None = None
    method: Literal["auto", "ndf", "bdf", "adams", "explicit", "dopri5", "dop853", "rkc"] = "auto"
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

    def method_for(self, problem: CountedProblem) -> str:
        """Return the method in use for a problem: what "auto" means there."""
        compiled = self.compiled_as is not None and problem.has_compiled_flow
        if self.method == "ndf":
            require(
                compiled,
                "the method 'ndf' is for the standard and the normalised flow, under a measure with a "
                "density: use 'auto'.",
            )
        if self.method != "auto":
            return self.method
        if not problem.smooth:
            return "explicit"
        return "ndf" if compiled else "bdf"

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
        method = self.method_for(problem)
        if method == "ndf":
            tables = self._tables(problem, theta)
            state = State.at(self._compiled_parameters(problem, tables.differences[:, 0]))
            return state.moved(rejected_steps=tables.counts[:, 4].copy(), memory=_Compiled(tables, {}))
        runs: list[_Run] = []
        for m, row in enumerate(theta):
            mine = problem.only(m)
            y = np.array(self.coordinates(mine, row), dtype=np.float64)
            runs.append(
                self._explicit(mine, y, method) if method in METHODS else self._cvode(mine, y, method)
            )
        return State.at(theta, memory=runs).moved(**_told(runs))

    def _cvode(self, problem: CountedProblem, y: Array, method: str) -> _Run:
        return CvodeRun(
            lambda y: self.velocity(problem, y),
            y,
            method="Adams" if method == "adams" else "BDF",
            rtol=self.rtol,
            atol=self.absolute,
            max_steps=self.max_steps,
        )

    def _explicit(self, problem: CountedProblem, y: Array, method: str) -> _Run:
        events = _Smooth(self, problem) if problem.smooth else Kinks(self, problem, y)
        return ExplicitRun(y, events, method, Tolerance(self.rtol, self.absolute), self.max_steps)

    def _tables(self, problem: CountedProblem, theta: Array) -> FlowTables:
        """Return the start of the compiled integration: order 1, a first step of half the tolerance."""
        y = np.stack([self.coordinates(problem.only(m), row) for m, row in enumerate(theta)])
        velocity = np.stack([self.velocity(problem.only(m), row) for m, row in enumerate(y)])
        speed = np.sqrt(np.mean((velocity / (self.absolute + self.rtol * np.abs(y))) ** 2, axis=1))
        sizes = 0.5 / np.maximum(speed, 1e-200)
        differences = np.zeros((len(y), TABLE_ROWS, y.shape[1]))
        differences[:, 0], differences[:, 1] = y, velocity * sizes[:, None]
        counts = np.tile(np.array([1, 0, 0, 0, 0], dtype=np.int64), (len(y), 1))
        clocks = np.stack([np.zeros(len(y)), sizes, np.full(len(y), np.inf)], axis=1)
        return FlowTables(differences, clocks, counts)

    def _compiled_parameters(self, problem: CountedProblem, y: Array) -> Array:
        """Return theta at the solver's variable of a compiled flow, both of shape (M, P)."""
        return problem.network.retract(y) if self.compiled_as == "normalized" else y

    def advance(self, problem: CountedProblem, state: State, time: float) -> State:
        """Return the state at flow time `time`."""
        if isinstance(state.memory, _Compiled):
            return self._advance_compiled(problem, state, state.memory, time)
        theta, times, steps = state.theta.copy(), state.time.copy(), state.steps.copy()
        messages = list(state.messages)
        ends: list[tuple[int, Status, str]] = []
        for m in np.flatnonzero(state.running).tolist():
            run: _Run = state.memory[m]
            y, status, message = run.to(time)
            steps[m], messages[m] = run.steps, run.note
            if status is Status.RUNNING:
                theta[m], times[m] = self.parameters(problem.only(m), y), time
            else:
                times[m] = run.reached
                ends.append((m, status, message))
        result = state.moved(
            theta=theta,
            time=times,
            steps=steps,
            messages=tuple(messages),
            **_told(state.memory),
        )
        for m, status, message in ends:
            message = f"{message}; {messages[m]}" if messages[m] else message
            result = result.ended(np.arange(len(times)) == m, status, message)
        return result

    def _advance_compiled(
        self, problem: CountedProblem, state: State, memory: _Compiled, time: float
    ) -> State:
        """Return the state at flow time `time`, every trajectory integrated in compiled code.

        Those that are so late that this is no longer efficient are handed on to `NearRest`.
        """
        if time == 0.0:
            return state
        running = state.running
        late = np.zeros(len(running), dtype=bool)
        late[list(memory.late)] = True
        small = problem.has_hessian and problem.network.parameter_count <= _LARGEST_DENSE
        moved, y, ends = problem.only(running & ~late).advance_flow(
            memory.tables,
            time,
            rtol=self.rtol,
            atol=self.absolute,
            max_steps=self.max_steps,
            patience=_PATIENCE if small else np.iinfo(np.int64).max,
            longest=_LATE if small else np.inf,
            normalize=self.compiled_as == "normalized",
        )
        runs = dict(memory.late)
        for m in np.flatnonzero(ends == HANDED_ON).tolist():
            runs[m] = self._near_rest(problem.only(m), moved, m)
        reached = running & ~late & (ends == 0)
        theta = state.theta.copy()
        theta[reached] = self._compiled_parameters(problem, y[reached])
        times = np.where(reached, time, np.where(running, moved.clocks[:, 0], state.time))
        steps, rejected = moved.counts[:, 2].copy(), moved.counts[:, 4].copy()
        smallest = moved.clocks[:, 2].copy()
        failures: list[tuple[int, Status, str]] = []
        for m in np.flatnonzero((ends != 0) & (ends != HANDED_ON)).tolist():
            status = Status(int(ends[m]))
            failures.append((m, status, _REASONS[status].format(steps=steps[m], reached=times[m], time=time)))
        for m, run in runs.items():
            if running[m]:
                values, status, message = run.to(time)
                if status is Status.RUNNING:
                    theta[m], times[m] = values, time
                else:
                    times[m] = run.reached
                    failures.append((m, status, message))
            steps[m], rejected[m], smallest[m] = run.steps, run.rejected, run.smallest_step
        result = state.moved(
            theta=theta,
            time=times,
            steps=steps,
            rejected_steps=rejected,
            smallest_step=_finite(smallest),
            memory=_Compiled(moved, runs),
        )
        for m, status, message in failures:
            result = result.ended(np.arange(len(times)) == m, status, message)
        return result

    def _near_rest(self, problem: CountedProblem, tables: FlowTables, m: int) -> NearRest:
        """Return what goes on with trajectory m from the end of its last step."""
        theta = self._compiled_parameters(problem, tables.differences[m : m + 1, 0])[0]
        coordinates = Angles(problem) if self.compiled_as == "normalized" else Plain(problem)
        return NearRest(
            coordinates,
            theta,
            float(tables.clocks[m, 0]),
            rtol=self.rtol,
            atol=self.absolute,
            steps=int(tables.counts[m, 2]),
            rejected=int(tables.counts[m, 4]),
            smallest_step=float(tables.clocks[m, 2]),
            max_steps=self.max_steps,
        )


# Rejected steps after which, and the step size beyond which, direct linear algebra serves better than the
# compiled flow's; and the most parameters for which it does. Differences of gradients have eight digits:
# times a step of 1e7, their errors are no longer small.
_PATIENCE, _LATE, _LARGEST_DENSE = 250, 1e7, 800


@dataclass(frozen=True)
class _Compiled:
    """The memory of a compiled flow: where the trajectories are, and those that have been handed on."""

    tables: FlowTables
    late: Mapping[int, NearRest]


_REASONS = {
    Status.STEP_LIMIT: "{steps} steps made by flow time {reached:.6g} of {time:.6g}; raise max_steps.",
    Status.STEP_TOO_SMALL: "the steps no longer change flow time {reached:.6g}",
    Status.DIVERGED: f"|y| left {DIVERGENCE_NORM:g} at flow time {{reached:.6g}}",
}


class _Run(Protocol):
    """A method on one trajectory."""

    @property
    def steps(self) -> int:
        """Steps made."""

    @property
    def reached(self) -> float:
        """Flow time reached."""

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
        """What there is to say about the solution so far."""

    def to(self, time: float) -> tuple[Array, Status, str]:
        """Return y at `time`; with the status and message of a failure, y means nothing."""


def _told(runs: Sequence[_Run]) -> dict[str, Any]:
    """Return what the methods tell of their trajectories, as attributes of a state."""
    return {
        "activation_changes": np.array([run.changes for run in runs], dtype=np.int64),
        "rejected_steps": np.array([run.rejected for run in runs], dtype=np.int64),
        "smallest_step": _finite(np.array([run.smallest_step for run in runs])),
    }


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)


class _Smooth:
    """The velocity of a flow that has no events."""

    changes = -1
    note = ""

    def __init__(self, integrator: FlowIntegrator, problem: CountedProblem) -> None:
        self._integrator = integrator
        self._problem = problem

    def velocity(self, y: Array) -> Array:
        return self._integrator.velocity(self._problem, y)

    def first_change(self, made: Step) -> None:
        return None

    def switch(self, y: Array) -> Array:
        return y  # never called
