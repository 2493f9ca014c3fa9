"""The interface of every method: advance a batch of parameters along its approximation of the flow.

The core (`gfcompare.integrators.loop`) owns the loop over save times, the clocks, the stopping and the
status; a method only knows how to get from one flow time to the next.
"""

from __future__ import annotations

import abc
import dataclasses
import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gfcompare.components.component import Component, check_instance
from gfcompare.components.errors import InputError
from gfcompare.evaluators.base import FlowTables
from gfcompare.kernels.ndf import FlowSettings
from gfcompare.measures import Measure, PointMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.targets import Target

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]

#: The flow Theta' = -G on all parameters, or Theta' = -P G on the submanifold M.
FlowName = Literal["standard", "normalized"]

#: A trajectory whose parameters leave the ball of this radius counts as diverged.
DIVERGENCE_NORM = 1e10


class Status(enum.IntEnum):
    """How a trajectory ended. Everything but `RUNNING` is final; every outcome is a result.

    Examples
    --------
    >>> import gfcompare as gfc
    >>> gfc.Status.REACHED_END.complete, gfc.Status.DIVERGED.complete
    (True, False)
    >>> gfc.Status.STEP_LIMIT.advice
    'The method used up its steps; raise max_steps, the tolerance or the step size.'
    """

    RUNNING = 0
    REACHED_END = 1
    STATIONARY = 2
    DIVERGED = 3
    STEP_LIMIT = 4
    STEP_TOO_SMALL = 5
    TIME_LIMIT = 6
    FAILED = 7
    KINK = 8
    PRECISION_LIMIT = 9

    @property
    def advice(self) -> str:
        """One sentence on what the outcome means and what to do about it."""
        return _ADVICE[self]

    @property
    def complete(self) -> bool:
        """Whether the trajectory has values at every save time."""
        return self in (Status.REACHED_END, Status.STATIONARY)


_ADVICE = {
    Status.RUNNING: "The trajectory has not ended yet.",
    Status.REACHED_END: "The trajectory reached the last save time.",
    Status.STATIONARY: "The gradient vanished to rounding; the trajectory stays where it is.",
    Status.DIVERGED: (
        f"The parameters left the ball of radius {DIVERGENCE_NORM:g}, or are no finite numbers any more; "
        "for a descent method, take a smaller step size."
    ),
    Status.STEP_LIMIT: "The method used up its steps; raise max_steps, the tolerance or the step size.",
    Status.STEP_TOO_SMALL: "The solver could not meet its tolerance; raise rtol, or atol if risks are tiny.",
    Status.TIME_LIMIT: "The time limit of the study was reached; raise time_limit.",
    Status.FAILED: "The method raised an error; the message has its text.",
    Status.KINK: (
        "The flow slides along a kink of a deep network on points, where it cannot be followed; "
        "use a measure with a density, or one hidden layer."
    ),
    Status.PRECISION_LIMIT: (
        "The flow goes on more slowly than its gradient is known in double precision; "
        "what was saved before is right, later times cannot be computed."
    ),
}


def escape(y: Array, what: str = "theta") -> str:
    """Return in words how a vector left the ball of radius `DIVERGENCE_NORM`: by its size, or as no number.

    Parameters
    ----------
    y : shape (P,)
    what : what it is called
    """
    if np.isnan(y).any():
        return f"{what} is no number (NaN)"
    if np.isinf(y).any():
        return f"{what} is infinite"
    return f"|{what}| left {DIVERGENCE_NORM:g}"


class CountedProblem:
    """A problem that counts what each trajectory evaluates, so that counts are never self-reported.

    This is what a method is handed as `problem`. Row m of what it passes belongs to trajectory m.

    Attributes
    ----------
    gradients, sample_gradients, risks : ndarray of int64, shape (M,)
        evaluations of the population gradient, of gradients at one sample point, of the risk
    """

    def __init__(self, problem: Problem, trajectories: int) -> None:
        self._problem = problem
        self.gradients = np.zeros(trajectories, dtype=np.int64)
        self.sample_gradients = np.zeros(trajectories, dtype=np.int64)
        self.risks = np.zeros(trajectories, dtype=np.int64)
        self._slopes: Array | None = None
        self._rows: int | slice | Mask = slice(None)
        self._owners = trajectories

    def only(self, rows: int | Mask) -> CountedProblem:
        """Return the same problem and counters, counting for one or some of the trajectories only.

        With a mask, row m still belongs to trajectory m; with a number, every row to that trajectory.
        """
        view = object.__new__(CountedProblem)
        view.__dict__.update(self.__dict__)
        view._rows = rows
        view._owners = len(self.gradients) if isinstance(rows, np.ndarray) else 1
        return view

    def frozen(self, slopes: Array) -> CountedProblem:
        """Return the same problem and counters with the activations held, on finitely many points.

        Its `gradient` takes theta of shape (P,) and is smooth: see `Problem.gradient_with`.
        """
        view = object.__new__(CountedProblem)
        view.__dict__.update(self.__dict__)
        view._slopes = slopes
        return view

    @property
    def counted(self) -> Mask:
        """Which trajectories are counted for, shape (M,): those that have not ended."""
        mask = np.zeros(len(self.gradients), dtype=bool)
        mask[self._rows] = True
        return mask

    @property
    def network(self) -> ReLUNetwork:
        """The network's architecture."""
        return self._problem.network

    @property
    def target(self) -> Target:
        """The target function."""
        return self._problem.target

    @property
    def measure(self) -> Measure:
        """The input measure."""
        return self._problem.measure

    @property
    def smooth(self) -> bool:
        """Whether the gradient is continuous along a flow: not for a measure on finitely many points."""
        return self._problem.smooth

    @property
    def points(self) -> Array:
        """The points of a measure on points, shape (N, d)."""
        measure = self._problem.measure
        if not isinstance(measure, PointMeasure):
            raise InputError("only a measure on points has points.")
        return measure.points

    def pre_activations(self, theta: Array, slopes: Array | None = None) -> Array:
        """Return the pre-activations, (sum of H_k, N), on finitely many points; this is not counted."""
        if slopes is None:
            return self._problem.pre_activations(theta)
        return self._problem.pre_activations(theta, slopes)

    def _share(self, theta: ArrayLike) -> int:
        """Return how many evaluations each counted trajectory is charged for theta, (..., P)."""
        leading = np.shape(theta)[:-1]
        return -(-math.prod(leading) // self._owners) if leading else 1

    def risk(self, theta: ArrayLike) -> Array:
        """Return the risk, shape (...), at theta, shape (..., P)."""
        self.risks[self._rows] += self._share(theta)
        return self._problem.risk(theta)

    def gradient(self, theta: ArrayLike) -> Array:
        """Return the generalised gradient, shape (..., P), at theta, shape (..., P)."""
        self.gradients[self._rows] += self._share(theta)
        if self._slopes is not None:
            return self._problem.gradient_with(np.asarray(theta, dtype=np.float64), self._slopes)
        return self._problem.gradient(theta)

    def hessian_product(self, theta: ArrayLike, vector: ArrayLike) -> Array:
        """Return the Hessian times a vector, both of shape (..., P); each counts as two gradients.

        That is what it costs by differences; see `Problem.hessian_product`.
        """
        self.gradients[self._rows] += 2 * self._share(theta)
        return self._problem.hessian_product(theta, vector)

    def hessian(self, theta: ArrayLike) -> Array:
        """Return the exact Hessian, shape (..., P, P), where there is one; it counts as P gradients.

        That is what it costs by differences; see `Problem.hessian`.
        """
        self.gradients[self._rows] += self.network.parameter_count * self._share(theta)
        return self._problem.hessian(theta)

    def sample_gradient(self, theta: ArrayLike, batch_size: int, rng: np.random.Generator) -> Array:
        """Return the mean gradient over a fresh batch, shape (..., P)."""
        self.sample_gradients[self._rows] += batch_size * self._share(theta)
        return self._problem.sample_gradient(theta, batch_size, rng)

    @property
    def has_compiled_flow(self) -> bool:
        """Whether the flows of this problem are integrated in compiled code."""
        return self._problem.has_compiled_flow

    @property
    def has_hessian(self) -> bool:
        """Whether `hessian` is there."""
        return self._problem.has_hessian

    def advance_flow(
        self, tables: FlowTables, time: float, settings: FlowSettings, *, dense: bool = False
    ) -> tuple[FlowTables, Array, Integers]:
        """Integrate a flow to `time`; see `Problem.advance_flow`.

        Returns
        -------
        tables : moved on, for the trajectories that are counted for
        y : shape (M, P), the solver's variable at `time`
        ends : shape (M,), 0 for those that have reached it, otherwise as `kernels.ndf.advance` has them
        """
        moved = tables.copy()
        ends = np.where(self.counted, 0, -1)
        y = self._problem.advance_flow(moved, time, ends, settings, dense=dense)
        self.gradients += moved.counts[:, 3] - tables.counts[:, 3]
        return moved, y, np.maximum(ends, 0)

    def growth_rate(self, y: Array, bound: float, *, normalize: bool) -> float:
        """Return how fast deviations of a flow grow at y, shape (P,); see `Problem.growth_rate`."""
        rate, gradients = self._problem.growth_rate(y, bound, normalize=normalize)
        self.gradients[self._rows] += gradients
        return rate

    def descend(self, theta: Array, step_sizes: Array, *, normalize: bool = False) -> tuple[Array, Integers]:
        """Make many steps of gradient descent in compiled code; see `Problem.descend`.

        Rows that are not counted for stay where they are.
        """
        result = theta.copy()
        taken = np.zeros(len(theta), dtype=np.int64)
        result[self._rows], taken[self._rows] = self._problem.descend(
            theta[self._rows], step_sizes, normalize=normalize, bound=DIVERGENCE_NORM
        )
        self.gradients += taken
        return result, taken

    def descend_sampled(
        self,
        theta: Array,
        step_sizes: Array,
        *,
        batch_size: int,
        streams: NDArray[np.uint64],
        normalize: bool = False,
    ) -> tuple[Array, Integers, NDArray[np.uint64]]:
        """Make many steps of stochastic gradient descent; see `Problem.descend_sampled`.

        Rows that are not counted for stay where they are.
        """
        result, states = theta.copy(), streams.copy()
        taken = np.zeros(len(theta), dtype=np.int64)
        result[self._rows], taken[self._rows], states[self._rows] = self._problem.descend_sampled(
            theta[self._rows],
            step_sizes,
            batch_size=batch_size,
            streams=streams[self._rows],
            normalize=normalize,
            bound=DIVERGENCE_NORM,
        )
        self.sample_gradients += batch_size * taken
        return result, taken, states


# As a plain number: comparing an array with a member of an enumeration takes ten times as long.
_RUNNING = np.int8(Status.RUNNING)


@dataclass(frozen=True)
class State:
    """Where a batch of M trajectories is: everything that evolves.

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
    memory : whatever else the method carries from call to call
    """

    theta: Array
    time: Array
    steps: NDArray[np.int64]
    status: NDArray[np.int8]
    messages: tuple[str, ...]
    activation_changes: NDArray[np.int64]
    rejected_steps: NDArray[np.int64]
    smallest_step: Array
    memory: Any = None

    @classmethod
    def at(cls, theta: Array, memory: Any = None) -> State:
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
            memory=memory,
        )

    @property
    def running(self) -> Mask:
        """Which trajectories have not ended, shape (M,)."""
        return np.asarray(self.status == _RUNNING)

    def moved(self, **changes: Any) -> State:
        """Return the state with some attributes replaced."""
        return dataclasses.replace(self, **changes)

    def ended(self, rows: Mask, status: Status, messages: str | Sequence[str]) -> State:
        """Return the state with the running ones among `rows`, a mask (M,), ended.

        `messages` is one sentence for all of them, or M sentences.
        """
        rows = rows & self.running
        given = [messages] * len(self.status) if isinstance(messages, str) else messages
        new = tuple(g if r else old for g, r, old in zip(given, rows, self.messages, strict=True))
        return self.moved(status=np.where(rows, np.int8(status), self.status), messages=new)


class Integrator(Component, abc.ABC):
    """A method: an approximation of the gradient flow, or a descent method compared with it.

    Subclasses are frozen dataclasses whose fields are the options. Methods for ordinary differential
    equations derive from `FlowIntegrator`, methods that make steps from `StepMethod`; each of them
    supplies `advance`.
    """

    #: Whether the method only depends on theta, so that a vanishing gradient means it stays there.
    deterministic: ClassVar[bool] = True

    #: The gradient flow that the method claims to integrate, up to its option rtol. Only such a method is the
    #: reference of a distance to the flow, and `gfcompare verify` holds it to the flow; nothing is guessed.
    follows: ClassVar[FlowName | None] = None

    @property
    def on_manifold(self) -> bool:
        """Whether trajectories live on the submanifold M; the core then starts them there."""
        return False

    def start(self, problem: CountedProblem, theta: Array, rngs: Sequence[np.random.Generator]) -> State:
        """Return the state at flow time 0.

        Parameters
        ----------
        problem : the problem
        theta : initial parameters, shape (M, P)
        rngs : a source of randomness for each trajectory, M of them
        """
        return State.at(theta)

    @abc.abstractmethod
    def advance(self, problem: CountedProblem, state: State, time: float) -> State:
        """Return the state at flow time `time`, or as near to it as the method gets.

        Trajectories that are not running stay as they are; one that ends gets its status and a message
        with `State.ended`. `state` must not be used again afterwards: its memory may have been changed.
        """


def check_method(given: object) -> Integrator:
    """Return a method that can be run, or raise InputError that says what is given in its place.

    Raises
    ------
    InputError
        for a class or a name, and for a method whose `follows` contradicts the rest of it
    """
    method: Integrator = check_instance(given, Integrator, "a method")
    follows, name = method.follows, type(method).__name__
    check_follows(type(method))
    if follows is not None:
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
    if cls.follows is not None and cls.follows not in get_args(FlowName):
        allowed = ", ".join(map(repr, get_args(FlowName)))
        raise InputError(f"follows of {cls.__name__} must be {allowed} or None, got {cls.follows!r}.")
