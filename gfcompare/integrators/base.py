"""The interface of every method: advance a batch of parameters along its approximation of the flow.

The core (`gfcompare.integrators.loop`) owns the loop over save times, the clocks, the stopping and the
status; a method only knows how to get from one flow time to the next.
"""

from __future__ import annotations

import abc
import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.class_checks import check_declaration
from gfcompare.components.component import Component, check_instance
from gfcompare.components.errors import InputError
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.status import Array, Mask, Status

# What a method carries from call to call. Type checkers know defaults: a bare State is State[Any].
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    SolverState = TypeVar("SolverState", default=Any)
else:
    from typing import TypeVar

    SolverState = TypeVar("SolverState")

#: The flow Theta' = -G on all parameters, or Theta' = -P G on the submanifold M.
FlowName = Literal["standard", "normalized"]
_FLOWS = get_args(FlowName)


# As a plain number: comparing an array with a member of an enumeration takes ten times as long.
_RUNNING = np.int8(Status.RUNNING)


#: What authors of early methods called attributes of `State`.
_RENAMED = {"memory": "solver_state", "moved": "replace", "ended": "terminate"}


@dataclass(frozen=True)
class State(Generic[SolverState]):
    """The state of a batch of M trajectories: everything that evolves.

    Attributes
    ----------
    theta : ndarray, shape (M, P)
    time : ndarray, shape (M,)
        flow time, in units of parameter^2 / risk
    steps : ndarray of int64, shape (M,)
        steps made, in the method's own sense; of a method that may reject steps, those accepted
    status : ndarray of int8, shape (M,)
        values of `Status`
    messages : one sentence for each trajectory, empty while there is nothing to say
    activation_changes : ndarray of int64, shape (M,)
        activation changes located, for a method that locates them; -1 otherwise
    rejected_steps : ndarray of int64, shape (M,)
        steps tried and rejected, for a method that counts them; -1 otherwise
    smallest_step : ndarray, shape (M,)
        smallest step accepted so far, in flow time, for a method that chooses its steps; NaN otherwise
    solver_state : whatever else the method carries from call to call
    """

    theta: Array
    time: Array
    steps: NDArray[np.int64]
    status: NDArray[np.int8]
    messages: tuple[str, ...]
    activation_changes: NDArray[np.int64]
    rejected_steps: NDArray[np.int64]
    smallest_step: Array
    solver_state: SolverState = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        """Return what an early name stands for, with a warning; these names go with the next release."""
        if name not in _RENAMED:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        new = _RENAMED[name]
        warnings.warn(f"State.{name} is called {new}: rename it.", FutureWarning, stacklevel=2)
        return getattr(self, new)

    @classmethod
    def at(cls, theta: Array, solver_state: SolverState = None) -> State[SolverState]:  # type: ignore[assignment]
        """Return the state at flow time 0 in theta, shape (M, P)."""
        count = len(theta)
        return cls(
            theta=np.array(theta, dtype=np.float64),
            time=np.zeros(count),
            steps=np.zeros(count, dtype=np.int64),
            status=np.zeros(count, dtype=np.int8),
            messages=("",) * count,
            activation_changes=np.full(count, -1, dtype=np.int64),
            rejected_steps=np.full(count, -1, dtype=np.int64),
            smallest_step=np.full(count, np.nan),
            solver_state=solver_state,
        )

    @property
    def running(self) -> Mask:
        """Mask of the trajectories that have not ended, shape (M,)."""
        return np.asarray(self.status == _RUNNING)

    def replace(self, **changes: Any) -> State[SolverState]:
        """Return the state with some attributes replaced."""
        return dataclasses.replace(self, **changes)

    def terminate(self, rows: Mask, status: Status, messages: str | Sequence[str]) -> State[SolverState]:
        """Return the state with the running ones among `rows`, a mask (M,), ended.

        `messages` is one sentence for all of them, or M sentences.
        """
        rows = rows & (self.status == _RUNNING)
        if not rows.any():
            return self
        new = list(self.messages)
        for m in np.flatnonzero(rows).tolist():
            new[m] = messages if isinstance(messages, str) else messages[m]
        return self.replace(status=np.where(rows, np.int8(status), self.status), messages=tuple(new))


class Integrator(Component, abc.ABC, Generic[SolverState]):
    """A method: an approximation of the gradient flow, or a descent method compared with it.

    Trajectories come in batches: theta has shape (M, P). Only the functions of a `FlowIntegrator` (velocity,
    coordinates, parameters) are of one trajectory, shape (P,), whose solver chooses its steps by itself.

    Subclasses are frozen dataclasses whose fields are the options. Methods for ordinary differential
    equations derive from `FlowIntegrator`, methods that make steps from `StepMethod`; each of them
    supplies `advance`. The type of what a method carries from call to call, its solver state, may stand in
    brackets: ``gfc.StepMethod[gfc.Array]``.
    """

    #: Whether the method only depends on theta, so that a vanishing gradient means it stays there.
    deterministic: ClassVar[bool] = True

    #: The gradient flow that the method claims to integrate, up to its option rtol. Only such a method is the
    #: reference of a distance to the flow, and `gfcompare verify` holds it to the flow; nothing is guessed.
    follows: ClassVar[FlowName | None] = None

    #: The order of convergence to that flow (on M, to the normalised flow) in the option step_size that the
    #: method claims; `gfcompare check` measures it.
    order: ClassVar[int | None] = None

    @property
    def stochastic(self) -> bool:
        """True if the method draws random numbers: another seed then gives other numbers."""
        return False

    @property
    def on_manifold(self) -> bool:
        """True if trajectories live on the submanifold M; the core then starts them there."""
        return False

    def start(
        self, problem: CountedProblem, theta: Array, rngs: Sequence[np.random.Generator]
    ) -> State[SolverState]:
        """Return the state at flow time 0.

        Parameters
        ----------
        problem : the problem
        theta : initial parameters, shape (M, P)
        rngs : a source of randomness for each trajectory, M of them
        """
        start: State[Any] = State.at(theta)
        return start

    @abc.abstractmethod
    def advance(self, problem: CountedProblem, state: State[SolverState], time: float) -> State[SolverState]:
        """Return the state at flow time `time`, or as near to it as the method gets.

        Trajectories that are not running stay as they are; one that ends gets its status and a message
        with `State.terminate`. `state` is a value: it may be advanced again, to the same numbers.
        """


def check_method(given: object) -> Integrator:
    """Return a method that can be run, or raise InputError that says what is given in its place.

    Raises
    ------
    InputError
        for a class or a name, and for a method whose `follows` contradicts the rest of it
    """
    method = given if isinstance(given, Integrator) else check_instance(given, Integrator, "a method")
    check_declaration(type(method))
    follows, name = method.follows, type(method).__name__
    if follows is not None:
        if follows not in _FLOWS:
            check_follows(type(method))
        wanted = "normalized" if method.on_manifold else "standard"
        if follows != wanted:
            on = "on" if method.on_manifold else "off"
            raise InputError(
                f"{name} follows the {follows} flow and lives {on} M (on_manifold): one is wrong."
            )
        if not isinstance(getattr(method, "rtol", None), float | int):
            raise InputError(f"{name} follows the {follows} flow up to a tolerance, but has no option rtol.")
    return method


def check_follows(cls: type[Integrator]) -> None:
    """Raise InputError unless what a class of methods claims to follow is a flow, or None."""
    if cls.follows is not None and cls.follows not in _FLOWS:
        allowed = ", ".join(map(repr, _FLOWS))
        raise InputError(f"follows of {cls.__name__} must be {allowed} or None, got {cls.follows!r}.")
