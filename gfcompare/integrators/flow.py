"""Base of the methods that integrate an ordinary differential equation."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from gfcompare.components.component import require
from gfcompare.components.errors import unknown_name
from gfcompare.integrators.base import Integrator, State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.passage import Passage
from gfcompare.integrators.solvers import cvode, explicit, ndf
from gfcompare.integrators.status import Array

#: The solvers that users choose from: see `FlowIntegrator`.
Solver = Literal["auto", "ndf", "bdf", "adams", "explicit", "dopri5", "dop853", "rkc"]
_METHODS = ("auto", "ndf", "bdf", "adams", *explicit.METHODS)


@dataclass(frozen=True)
class FlowIntegrator(Integrator[Any], abc.ABC):
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
    method: Solver = "auto"
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

    def method_for(self, problem: CountedProblem) -> Solver:
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

    @property
    def relative_to_neurons(self) -> bool:
        """True if the absolute tolerance is relative to the size of each neuron."""
        return self.atol is None and self.compiled_as is not None

    def start(self, problem: CountedProblem, theta: Array, rngs: Sequence[np.random.Generator]) -> State:
        """Return the state at flow time 0, that of the solver in use."""
        method = self.method_for(problem)
        if method == "ndf":
            return ndf.start(self, problem, theta)
        if method in explicit.METHODS:
            return explicit.start(self, problem, theta, method)
        return cvode.start(self, problem, theta, "Adams" if method == "adams" else "BDF")

    def goes_through_times(self, state: State) -> bool:
        """Return whether `advance_through` is there: for a compiled flow, unless `advance` is replaced."""
        return isinstance(state.solver_state, ndf.CompiledFlow) and (
            type(self).advance is FlowIntegrator.advance
        )

    def advance_through(self, problem: CountedProblem, state: State, times: Array) -> tuple[State, Passage]:
        """Return the state at the last of some flow times after 0, shape (B,), and what it was at each."""
        through: tuple[State, Passage] = state.solver_state.advance_through(problem, state, times)
        return through

    def advance(self, problem: CountedProblem, state: State, time: float) -> State:
        """Return the state at flow time `time`."""
        advanced: State = state.solver_state.advance(problem, state, time)
        return advanced
