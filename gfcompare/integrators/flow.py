"""Base of the methods that integrate an ordinary differential equation."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from gfcompare.components.component import require
from gfcompare.components.errors import unknown_name
from gfcompare.integrators.base import Integrator, State
from gfcompare.integrators.counting import Array, CountedProblem
from gfcompare.integrators.solvers.conserved import Conserved
from gfcompare.integrators.solvers.cvode import CvodeRun
from gfcompare.integrators.solvers.explicit import METHODS, ExplicitRun
from gfcompare.integrators.solvers.filippov import Kinks
from gfcompare.integrators.solvers.ndf import CompiledFlow, output_sizes
from gfcompare.integrators.solvers.runge_kutta import Step, Tolerance
from gfcompare.integrators.status import Status

_METHODS = ("auto", "ndf", "bdf", "adams", *METHODS)


@dataclass(frozen=True)
class FlowIntegrator(Integrator, abc.ABC):
    """Integrates y' = velocity(y), each trajectory with its own step sizes.

    Where the risk is smooth, implicitly, of variable order 1 to 5, with Newton's method and matrix-free
    GMRES: the cost of a step is a few gradients whatever the number of parameters, and stiffness does
    not limit the step. The standard and the normalised flow run in compiled code (`gfcompare.kernels.ndf`),
    other flows with SUNDIALS CVODE (`solvers.cvode`). On
    finitely many points, where the velocity jumps, with explicit methods whose steps end at the jumps
    (`solvers.filippov`): of order 5 while the flow is not stiff, stabilised while it is. Save times are read
    off the method's interpolant and cost nothing.

    Parameters
    ----------
    rtol : relative tolerance of each step
    atol : absolute tolerance of each step; None means rtol / 100, for the standard and the normalised flow
        relative to the size of the neuron that a parameter belongs to, if that is below 1
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
        ys = [self.coordinates(problem.only(m), row) for m, row in enumerate(theta)]
        if method == "ndf":
            return self._start_compiled(problem, np.stack(ys))
        sizes = output_sizes(problem, theta) if self._relative else np.full(len(theta), -1.0)
        runs: list[_Run] = []
        for m, y in enumerate(ys):
            mine, y = problem.only(m), np.array(y, dtype=np.float64)
            conserved = Conserved.along(problem.network, self.compiled_as, y, float(sizes[m]))
            run = self._explicit if method in METHODS else self._cvode
            runs.append(run(mine, y, method, conserved))
        return State.at(theta, memory=runs).moved(**_told(runs))

    @property
    def _relative(self) -> bool:
        """Whether absolute tolerances are relative to the size of each neuron."""
        return self.atol is None and self.compiled_as is not None

    def _start_compiled(self, problem: CountedProblem, y: Array) -> State:
        velocity = np.stack([self.velocity(problem.only(m), row) for m, row in enumerate(y)])
        flow = CompiledFlow.start(
            problem,
            y,
            velocity,
            rtol=self.rtol,
            atol=self.atol,
            max_steps=self.max_steps,
            normalized=self.compiled_as == "normalized",
        )
        state = State.at(flow.parameters(problem, y), memory=flow)
        return state.moved(rejected_steps=flow.tables.counts[:, 4].copy())

    def _cvode(self, problem: CountedProblem, y: Array, method: str, conserved: Conserved) -> _Run:
        normalize = self.compiled_as == "normalized"
        growing = self.compiled_as is not None and problem.has_compiled_flow
        return CvodeRun(
            lambda y: self.velocity(problem, y),
            y,
            method="Adams" if method == "adams" else "BDF",
            rtol=self.rtol,
            atol=self.absolute,
            max_steps=self.max_steps,
            conserved=conserved,
            growth=(lambda y, bound: problem.growth_rate(y, bound, normalize=normalize)) if growing else None,
        )

    def _explicit(self, problem: CountedProblem, y: Array, method: str, conserved: Conserved) -> _Run:
        events = _Smooth(self, problem) if problem.smooth else Kinks(self, problem, y)
        tolerance = Tolerance(self.rtol, self.absolute)
        return ExplicitRun(y, events, method, tolerance, self.max_steps, conserved)

    def advance(self, problem: CountedProblem, state: State, time: float) -> State:
        """Return the state at flow time `time`."""
        if isinstance(state.memory, CompiledFlow):
            return state.memory.advance(problem, state, time)
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
