"""Base of the methods that make steps, and the step-size schedules."""

from __future__ import annotations

import abc
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.component import require
from gfcompare.components.errors import ContractError, InputError, unknown_name
from gfcompare.components.option_types import check_options
from gfcompare.integrators.base import (
    DIVERGENCE_NORM,
    Array,
    CountedProblem,
    Integrator,
    State,
    Status,
    escape,
)
from gfcompare.integrators.contract import check_block, check_step

#: Most steps handed to compiled code in one call: about the time after which Ctrl-C is noticed.
_BLOCK = 16_384

#: A save time further away than this many blocks, at the present step size, is not tried for: it would take
#: minutes to hours for each trajectory, or for ever with a schedule whose step sizes add up to less.
_MOST_BLOCKS = 100_000


@dataclass(frozen=True)
class PolynomialDecay:
    """Step size of step n: initial (1 + n / scale)^(-power).

    Parameters
    ----------
    initial : the first step size
    power : exponent of the decay; 1/2 and 1 are usual
    scale : steps after which the decay sets in

    Examples
    --------
    >>> import gfcompare as gfc
    >>> print(gfc.PolynomialDecay(0.5, power=1.0).step_sizes(0, 4).round(4))
    [0.5    0.25   0.1667 0.125 ]
    >>> gfc.integrator("gd", step_size=gfc.PolynomialDecay(0.1)).name
    'gd'
    """

    initial: float
    power: float = 0.5
    scale: float = 1.0
    schedule: Literal["polynomial"] = "polynomial"

    def __post_init__(self) -> None:
        check_options(self)
        require(self.initial > 0, f"initial must be positive, got {self.initial}.")
        require(self.power >= 0, f"power must not be negative, got {self.power}.")
        require(self.scale > 0, f"scale must be positive, got {self.scale}.")

    def step_sizes(self, first: int, count: int) -> Array:
        """Return the sizes of steps first, ..., first + count - 1, counted from 0."""
        n = np.arange(first, first + count, dtype=np.float64)
        return np.asarray(self.initial * (1.0 + n / self.scale) ** -self.power)


@dataclass(frozen=True)
class PiecewiseConstant:
    """Step size values[j] from step boundaries[j - 1] on, values[0] before boundaries[0].

    Parameters
    ----------
    boundaries : increasing step numbers at which the step size changes
    values : one step size more than boundaries

    Examples
    --------
    >>> import gfcompare as gfc
    >>> print(gfc.PiecewiseConstant([2], [0.1, 0.01]).step_sizes(0, 4))
    [0.1  0.1  0.01 0.01]
    """

    boundaries: Sequence[int]
    values: Sequence[float]
    schedule: Literal["piecewise-constant"] = "piecewise-constant"

    def __post_init__(self) -> None:
        check_options(self)
        require(
            len(self.values) == len(self.boundaries) + 1,
            f"{len(self.boundaries)} boundaries need one value more, got {len(self.values)} values.",
        )
        require(min(self.values) > 0, f"step sizes must be positive, got {list(self.values)}.")
        require(
            all(a < b for a, b in zip([0, *self.boundaries], self.boundaries, strict=False)),
            f"boundaries must be increasing and positive, got {list(self.boundaries)}.",
        )

    def step_sizes(self, first: int, count: int) -> Array:
        """Return the sizes of steps first, ..., first + count - 1, counted from 0."""
        n = np.arange(first, first + count)
        return np.asarray(self.values, dtype=np.float64)[np.searchsorted(self.boundaries, n, side="right")]


#: A constant step size, or a schedule.
StepSize = float | PolynomialDecay | PiecewiseConstant


def step_sizes(rule: StepSize, first: int, count: int) -> Array:
    """Return the sizes of steps first, ..., first + count - 1, counted from 0."""
    if isinstance(rule, PolynomialDecay | PiecewiseConstant):
        return rule.step_sizes(first, count)
    return np.full(count, float(rule))


def steps_until(rule: StepSize, step: int, reached: float, time: float) -> Iterator[tuple[Array, float]]:
    """Yield blocks of step sizes from step number `step` at flow time `reached` up to `time`.

    The flow time of step n is the sum of the sizes of the steps before it. The last step is the one
    that ends nearest to `time`. With each block comes the flow time after it; a constant step size
    multiplies, so that its clock does not drift.
    """
    while True:
        if isinstance(rule, PolynomialDecay | PiecewiseConstant):
            sizes = rule.step_sizes(step, _BLOCK)
            clock = np.cumsum(np.concatenate([[reached], sizes]))[1:]
        else:
            sizes = np.full(_BLOCK, float(rule))
            clock = float(rule) * np.arange(step + 1, step + _BLOCK + 1)
        # A step is made if its middle lies before `time`.
        count = int(np.searchsorted(clock - 0.5 * sizes, time, side="left"))
        if count == 0:
            return
        yield sizes[:count], float(clock[count - 1])
        if count < _BLOCK:
            return
        step, reached = step + count, float(clock[-1])


class StepMethod(Integrator, abc.ABC):
    """A method that makes steps theta_n -> theta_{n+1} and advances flow time by the step size.

    A subclass is a frozen dataclass with a field `step_size`, and writes `step`; all trajectories take
    their steps together. Methods that can make many steps in one call override `steps` instead.

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
    ...     def step(self, problem, theta, memory, step_size):
    ...         gradient = problem.gradient(theta)
    ...         return theta - step_size * gradient / (abs(gradient) + 1e-12), memory
    >>> problem = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    >>> data = gfc.integrate(problem, SignDescent(), [1.0, -1.0, 0.1, 0.9, 0.5, -0.5, 0.0], [0.0, 1.0])
    >>> print(data["steps"].values)
    [[  0 100]]
    """

    step_size: StepSize

    def __post_init__(self) -> None:
        kinds = (int, float, np.integer, np.floating, PolynomialDecay, PiecewiseConstant)
        number = isinstance(self.step_size, kinds) and not isinstance(self.step_size, bool)
        require(number, f"step_size must be a number or a schedule, got {self.step_size!r}.")
        first = float(step_sizes(self.step_size, 0, 1)[0])
        require(bool(0 < first < np.inf), f"step_size must be positive and finite, got {self.step_size}.")

    def initial_memory(
        self, problem: CountedProblem, theta: Array, rngs: Sequence[np.random.Generator]
    ) -> Any:
        """Return what `step` needs besides theta, such as momentum, at flow time 0."""
        return None

    def step(self, problem: CountedProblem, theta: Array, memory: Any, step_size: float) -> tuple[Array, Any]:
        """Return theta, shape (M, P), and memory after one step."""
        raise ContractError(f"{type(self).__name__} must define step or steps.")

    def steps(
        self, problem: CountedProblem, theta: Array, memory: Any, sizes: Array
    ) -> tuple[Array, Any, NDArray[np.int64]]:
        """Return theta, memory and the steps made by each trajectory, shape (M,), after a block.

        A trajectory may stop early when it leaves the ball of radius `DIVERGENCE_NORM`.
        """
        inside = problem.counted
        taken = np.zeros(len(theta), dtype=np.int64)
        for size in sizes:
            # A copy, because a method may write into it: trajectories that have ended must stay as they are.
            result = self.step(problem.only(inside), theta.copy(), memory, float(size))
            moved, memory = check_step(result, theta.shape, f"{type(self).__name__}.step")
            theta = np.where(inside[:, None], moved, theta)
            taken += inside
            inside &= _inside(theta)
            if not inside.any():
                break
        return theta, memory, taken

    def start(self, problem: CountedProblem, theta: Array, rngs: Sequence[np.random.Generator]) -> State:
        """Return the state at flow time 0."""
        return State.at(theta, memory=self.initial_memory(problem, theta, rngs))

    def advance(self, problem: CountedProblem, state: State, time: float) -> State:
        """Return the state after the step that ends nearest to flow time `time`."""
        rows = np.flatnonzero(state.running)
        if not rows.size:
            return state
        first, reached = int(state.steps[rows[0]]), float(state.time[rows[0]])
        for sizes, clock in steps_until(self.step_size, first, reached, time):
            running = state.running
            with np.errstate(over="ignore", invalid="ignore"):
                result = self.steps(problem.only(running), state.theta, state.memory, sizes)
                place = f"{type(self).__name__}.steps"
                theta, memory, taken = check_block(result, state.theta.shape, place)
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
            state = state.moved(theta=theta, memory=memory, steps=done, time=times)
            if lost.any():
                state = state.ended(lost, Status.DIVERGED, messages)
            if not state.running.any():
                break
            blocks = (time - clock) / (clock - reached) if clock > reached else np.inf
            if blocks > _MOST_BLOCKS:
                message = (
                    f"at step size {sizes[-1]:.3g}, flow time {clock:.6g}, the next save time {time:.6g} "
                    f"is more than {_MOST_BLOCKS * _BLOCK:.1g} steps away"
                )
                return state.ended(state.running, Status.STEP_LIMIT, message)
            reached = clock
        return state


def check_step_method(cls: type[StepMethod]) -> None:
    """Raise InputError unless a class of step methods says how it makes a step and has a step size."""
    own = any(getattr(cls, key) is not getattr(StepMethod, key) for key in ("step", "steps", "advance"))
    require(own, f"{cls.__name__} does not define step (or steps, for many steps in one call)")
    has = "step_size" in cls.fields() or hasattr(cls, "step_size")
    require(has, f"{cls.__name__} has no option step_size; write step_size: float = 0.01")


@dataclass(frozen=True)
class GradientMethod(StepMethod, abc.ABC):
    """A step method that makes its moves from gradients and a memory, such as momentum or Adam.

    A subclass writes `move`; batches, the submanifold M and the count of evaluations are looked after here.

    Parameters
    ----------
    step_size : a number, in units of flow time, or a schedule
    batch_size : points drawn at each step, each trajectory its own; 0 for the gradient of the risk itself
    normalize : gradients and moves are projected to the tangent space of M, then each hidden row is
        renormalised (Eberle, Jentzen, Riekert, Weiss, arXiv:2207.06246)
    """

    deterministic: ClassVar[bool] = False  # the next state depends on the memory too
    step_size: StepSize = 0.01
    batch_size: int = 0
    normalize: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = isinstance(self.batch_size, int | np.integer) and not isinstance(self.batch_size, bool)
        right = whole and self.batch_size >= 0
        require(right, f"batch_size must be 0 (no batch) or a positive whole number, got {self.batch_size}.")

    @property
    def on_manifold(self) -> bool:
        """Whether trajectories live on M."""
        return self.normalize

    @abc.abstractmethod
    def move(
        self, gradient: Callable[[Array], Array], theta: Array, memory: Any, step_size: float
    ) -> tuple[Array, Any]:
        """Return theta_{n+1} - theta_n, shape (M, P), and the memory after the step.

        Parameters
        ----------
        gradient : the gradient, (M, P), at parameters (M, P), such as theta; 0 for trajectories that ended
        theta : shape (M, P)
        memory : what the last call returned, `first_memory` at first
        step_size : of this step
        """

    def first_memory(self, problem: CountedProblem, theta: Array) -> Any:
        """Return the memory before the first step: zeros, shape (M, P), unless a subclass knows better."""
        return np.zeros_like(theta)

    def initial_memory(
        self, problem: CountedProblem, theta: Array, rngs: Sequence[np.random.Generator]
    ) -> Any:
        """Return the sources of randomness and what the method itself remembers."""
        return rngs, self.first_memory(problem, theta)

    def step(self, problem: CountedProblem, theta: Array, memory: Any, step_size: float) -> tuple[Array, Any]:
        """Return theta, shape (M, P), and memory after one step."""
        rngs, own = memory
        network = problem.network

        def gradient(points: Array) -> Array:
            if not self.normalize:
                return self._gradient(problem, points, rngs)
            points = network.retract(points)
            return network.project(points, self._gradient(problem, points, rngs))

        result = self.move(gradient, theta, own, step_size)
        move, own = check_step(result, theta.shape, f"{type(self).__name__}.move", "move")
        if self.normalize:
            return network.retract(theta + network.project(theta, move)), (rngs, own)
        return theta + move, (rngs, own)

    def _gradient(self, problem: CountedProblem, points: Array, rngs: Sequence[np.random.Generator]) -> Array:
        """Return the gradient, or its mean over a fresh batch, for the trajectories that have not ended."""
        result = np.zeros_like(points)
        rows = problem.counted
        if self.batch_size == 0:
            result[rows] = problem.gradient(points[rows])
            return result
        for m in np.flatnonzero(rows).tolist():
            result[m] = problem.only(m).sample_gradient(points[m], self.batch_size, rngs[m])
        return result


def library(name: str, extra: str) -> Any:
    """Import a module of an optional library, or raise InputError that names the extra with it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f'{name} cannot be imported ({error}); install it: python -m pip install "gfcompare[{extra}]".'
        ) from None


def chosen(
    home: str,
    name: str,
    keywords: Mapping[str, Any],
    choices: Mapping[str, Callable[..., Any]],
    reserved: Sequence[str],
) -> None:
    """Check the name and keywords of an optimiser of another library.

    Parameters
    ----------
    home : the module that it comes from
    name : its name there
    keywords : arguments of it that are to be given
    choices : what there is
    reserved : arguments that are not to be given, such as the learning rate

    Raises
    ------
    InputError
        for a name or keyword that does not exist, with the nearest one that does
    """
    if name not in choices:
        alike = next((choice for choice in choices if choice.lower() == name.lower()), None)
        if alike is not None:  # the libraries differ in capitals
            raise InputError(f"unknown optimizer of {home}: {name!r}. Did you mean {alike!r}?")
        raise unknown_name(f"optimizer of {home}:", name, choices)
    known = [key for key in inspect.signature(choices[name]).parameters if key not in reserved]
    for keyword in keywords:
        if keyword not in known:
            raise unknown_name(f"keyword of {home}.{name}:", keyword, known)


def _inside(theta: Array) -> NDArray[np.bool_]:
    """Which rows of theta are finite and within `DIVERGENCE_NORM`."""
    return np.asarray((theta * theta).sum(axis=-1) <= DIVERGENCE_NORM**2)
