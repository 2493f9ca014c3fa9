"""The loop over save times: clocks, stopping and status, the same for every method."""

from __future__ import annotations

import dataclasses
import time
import traceback
import types
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gfcompare.components.errors import FOREIGN_ERRORS, ContractError, InputError, as_exception, cause_of
from gfcompare.components.fingerprint import is_own_file
from gfcompare.integrators.base import (
    Array,
    CountedProblem,
    Integers,
    Integrator,
    State,
    Status,
    check_method,
    escape,
)
from gfcompare.integrators.contract import check_flow, check_state
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.integrators.solvers.conserved import Conserved
from gfcompare.integrators.solvers.near_equilibrium import LARGEST_DENSE, Linearized
from gfcompare.problem import Problem

#: What becomes of an error that a method raises.
OnError = Literal["record", "raise"]

# Gradients larger than this, relative to the parameters, are not looked at more closely.
_NEARLY_ZERO = 1e-12
_EPSILON = float(np.finfo(np.float64).eps)
_POWER_STEPS = 8


@dataclass(frozen=True)
class Record:
    """M trajectories at T save times. Where a trajectory has no value, it is NaN (or -1 if integer).

    Attributes
    ----------
    times : ndarray, shape (T,)
        flow times asked for
    theta : ndarray, shape (M, T, P)
    flow_time : ndarray, shape (M, T)
        flow times reached: a method with steps stops at the nearest one
    steps, gradient_evaluations, sample_gradients, risk_evaluations : ndarray of int64, shape (M, T)
    activation_changes : ndarray of int64, shape (M, T)
        those that the method located
    rejected_steps : ndarray of int64, shape (M, T)
        those that the method tried and rejected
    smallest_step : ndarray, shape (M, T)
        the smallest accepted so far, of a method that chooses its steps
    wall_time : ndarray, shape (M, T)
        seconds of one core that the method has spent on the trajectory, diagnostics not included
    status : ndarray of int8, shape (M,)
    messages : M sentences
    end_time : ndarray, shape (M,)
        flow time at which the trajectory ended
    """

    times: Array
    theta: Array
    flow_time: Array
    steps: Integers
    gradient_evaluations: Integers
    sample_gradients: Integers
    risk_evaluations: Integers
    activation_changes: Integers
    rejected_steps: Integers
    smallest_step: Array
    wall_time: Array
    status: NDArray[np.int8]
    messages: tuple[str, ...]
    end_time: Array


_COUNTERS = (
    "steps",
    "rejected_steps",
    "gradient_evaluations",
    "sample_gradients",
    "risk_evaluations",
    "activation_changes",
)


def check_times(times: ArrayLike) -> Array:
    """Return save times as an array, or raise InputError unless they increase from 0 or later."""
    try:
        array = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"save times must be a list of finite numbers, got {times!r:.80}.") from None
    if array.ndim != 1 or array.size == 0 or not np.all(np.isfinite(array)):
        raise InputError("save times must be a list of finite numbers.")
    if array[0] < 0 or np.any(np.diff(array) <= 0):
        raise InputError("save times must increase strictly, from 0 or later.")
    return array


def stationary(
    problem: Problem, theta: Array, on_manifold: bool = False
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which trajectories are at a critical point to rounding, and |G|, both of shape (M,).

    They are where nothing is known of the gradient but that it vanishes near by. With an exact Hessian
    that is told mode by mode (`near_equilibrium.Linearized`): rounding errors in stiff modes do not hide the
    gradient in a slow one. Elsewhere a component counts as 0 up to eps |Hess| times its share of |theta|,
    with the spectral norm of the Hessian and eps = 2.2e-16: the gradient at the nearest floating-point
    numbers is as far away. A small neuron has a small share.

    Parameters
    ----------
    problem : the problem
    theta : shape (M, P)
    on_manifold : G and the Hessian are taken along M
    """
    network = problem.network
    gradients = problem.gradient(theta)
    if on_manifold:
        gradients = network.project(theta, gradients)
    sizes, norms = np.linalg.norm(gradients, axis=1), np.linalg.norm(theta, axis=1)
    still = np.asarray(sizes == 0.0)
    exact = problem.has_hessian and theta.shape[1] <= LARGEST_DENSE
    for m in np.flatnonzero(~still & (sizes <= _NEARLY_ZERO * norms)).tolist():
        if exact:
            still[m] = Linearized(problem, theta[m], on_manifold).at_rest
        else:
            allowed = _EPSILON * _largest_curvature(problem, theta[m], on_manifold)
            still[m] = bool(
                np.all(np.abs(gradients[m]) <= allowed * _sharing(problem, theta[m], on_manifold))
            )
    return still, sizes


def _largest_curvature(problem: Problem, theta: Array, on_manifold: bool) -> float:
    """Return the spectral norm of the Hessian at theta, shape (P,), by the power method."""

    def along(vector: Array) -> Array:
        return problem.network.project(theta, vector) if on_manifold else vector

    # The gradient would be a bad start, being what the flow has left of every direction.
    vector, largest = along(np.ones(len(theta))), 0.0
    for _ in range(_POWER_STEPS):
        length = float(np.linalg.norm(vector))
        if not 0.0 < length < np.inf:
            break
        vector = along(problem.hessian_product(theta, vector / length))
        largest = float(np.linalg.norm(vector))
    return largest


def _sharing(problem: Problem, theta: Array, on_manifold: bool) -> Array:
    """Return what of |theta| each component has a share in, shape (P,): less for small neurons."""
    flow: Literal["standard", "normalized"] = "normalized" if on_manifold else "standard"
    shares = Conserved.along(problem.network, flow, theta, 0.0).sizes(theta)
    return np.asarray(float(np.linalg.norm(theta)) * shares / shares.max())


def run_block(
    problem: Problem,
    integrator: Integrator,
    theta: Array,
    times: Sequence[float] | Array,
    rngs: Sequence[np.random.Generator],
    *,
    time_limit: float | None = None,
    on_error: OnError = "record",
) -> Record:
    """Integrate M trajectories and record them at the save times.

    A trajectory that diverges or fails keeps its finite part, and its neighbours go on: if the method
    raises an error for the batch, every trajectory is run again by itself.

    Parameters
    ----------
    problem : the problem
    integrator : the method
    theta : initial parameters, shape (M, P); moved to M first if the method lives there
    times : save times, shape (T,), increasing
    rngs : a source of randomness for each trajectory
    time_limit : seconds of wall time a trajectory may take on average over the block
    on_error : "record" an error that the method raises as the outcome of its trajectory, or "raise" it
    """
    check_method(integrator)
    rows = problem.network.check(theta)
    if rows.ndim != 2 or len(rngs) != len(rows):
        raise InputError(f"theta must have shape (M, P) with M = {len(rngs)} sources of randomness.")
    start = problem.network.normalize(rows) if integrator.on_manifold else rows
    saved = check_times(times)
    states = [rng.bit_generator.state for rng in rngs]
    block = _Block(problem, integrator, start, saved, rngs, time_limit)
    try:
        return block.run()
    except ContractError:  # nothing that this method computes means anything
        raise
    except FOREIGN_ERRORS as error:  # a plugin may raise anything, and the study must go on
        if on_error == "raise":
            raise as_exception(error)  # noqa: B904 (it is the error itself, or has it as its cause)
        if len(rows) == 1:
            return block.failed(_describe(error, type(integrator)))
    parts = []
    for m, (rng, state) in enumerate(zip(rngs, states, strict=True)):
        rng.bit_generator.state = state
        parts.append(run_block(problem, integrator, rows[m : m + 1], saved, [rng], time_limit=time_limit))
    return _joined(parts)


def failed_block(
    problem: Problem, integrator: Integrator, theta: Array, times: Sequence[float], message: str
) -> Record:
    """Return the record of M trajectories that failed before anything was recorded.

    Parameters
    ----------
    problem : the problem
    integrator : the method
    theta : initial parameters, shape (M, P)
    times : save times, shape (T,), increasing
    message : why
    """
    return _Block(problem, integrator, theta, check_times(times), (), None).failed(message)


class _Block:
    """One run of a batch, with what has been recorded so far."""

    def __init__(
        self,
        problem: Problem,
        integrator: Integrator,
        theta: Array,
        times: Array,
        rngs: Sequence[np.random.Generator],
        time_limit: float | None,
    ) -> None:
        count = len(theta)
        self._problem = problem
        self._counted = CountedProblem(problem, count)
        self._integrator = integrator
        self._theta = theta
        self._times = times
        self._rngs = rngs
        self._time_limit = time_limit
        self._wall = np.zeros(count)
        self._state = State.at(theta)
        shape = (count, len(times))
        self._saved_theta = np.full((*shape, theta.shape[1]), np.nan)
        self._saved_time = np.full(shape, np.nan)
        self._saved_wall = np.full(shape, np.nan)
        self._saved_smallest = np.full(shape, np.nan)
        self._saved_counts = {name: np.full(shape, -1, dtype=np.int64) for name in _COUNTERS}

    def run(self) -> Record:
        if isinstance(self._integrator, FlowIntegrator):
            check_flow(self._integrator, CountedProblem(self._problem, 1), self._theta[0])
        began = time.perf_counter()
        state = self._integrator.start(self._counted, self._theta, self._rngs)
        name = type(self._integrator).__name__
        state = check_state(state, self._state, f"{name}.start")
        self._charge(began, state.running)
        self._state = state
        for index, save_time in enumerate(self._times):
            running = state.running
            if running.any():
                began = time.perf_counter()
                advanced = self._integrator.advance(self._counted, state, float(save_time))
                self._charge(began, running)
                state = check_state(advanced, state, f"{name}.advance")
                state = self._checked(state, running)
                self._state = state
            self._save(index, state, float(save_time))
            if index < len(self._times) - 1:
                state = self._stopped(state)
            self._state = state
        # What the method has said on the way, such as where its solution is not unique, stays.
        return self._record(state.ended(state.running, Status.REACHED_END, state.messages))

    def failed(self, message: str) -> Record:
        """Return what was recorded before the method raised an error."""
        state = self._state
        return self._record(state.ended(state.running, Status.FAILED, message))

    def _charge(self, began: float, rows: NDArray[np.bool_]) -> None:
        """Share the time since `began` among the trajectories that were running."""
        self._wall += np.where(rows, (time.perf_counter() - began) / max(int(rows.sum()), 1), 0.0)

    def _checked(self, state: State, before: NDArray[np.bool_]) -> State:
        """End trajectories that are not finite although the method did not say so."""
        finite = np.isfinite(state.theta).all(axis=1)
        messages = [
            f"{escape(row)} after flow time {t:.6g}" for row, t in zip(state.theta, state.time, strict=True)
        ]
        return state.ended(before & ~finite, Status.DIVERGED, messages)

    def _save(self, index: int, state: State, save_time: float) -> None:
        present = state.running | (state.status == Status.STATIONARY)
        # A stationary trajectory stays where it is: it is there at every later time too.
        clock = np.where(state.status == Status.STATIONARY, save_time, state.time)
        self._saved_theta[present, index] = state.theta[present]
        self._saved_time[present, index] = clock[present]
        self._saved_wall[present, index] = self._wall[present]
        self._saved_smallest[present, index] = state.smallest_step[present]
        counts = (
            state.steps,
            state.rejected_steps,
            self._counted.gradients,
            self._counted.sample_gradients,
            self._counted.risks,
            state.activation_changes,
        )
        for name, values in zip(_COUNTERS, counts, strict=True):
            self._saved_counts[name][present, index] = values[present]

    def _stopped(self, state: State) -> State:
        """End trajectories that are stationary or out of time."""
        if self._integrator.deterministic and state.running.any():
            still, gradient = stationary(self._problem, state.theta, self._integrator.on_manifold)
            messages = [
                f"|G| = {g:.3g} at flow time {t:.6g}" for g, t in zip(gradient, state.time, strict=True)
            ]
            state = state.ended(still, Status.STATIONARY, messages)
        if self._time_limit is not None:
            late = self._wall > self._time_limit
            messages = [
                f"{w:.3g} s of wall time at flow time {t:.6g}"
                for w, t in zip(self._wall, state.time, strict=True)
            ]
            state = state.ended(late, Status.TIME_LIMIT, messages)
        return state

    def _record(self, state: State) -> Record:
        return Record(
            times=self._times,
            theta=self._saved_theta,
            flow_time=self._saved_time,
            smallest_step=self._saved_smallest,
            wall_time=self._saved_wall,
            status=state.status,
            messages=state.messages,
            end_time=state.time,
            **self._saved_counts,
        )


def _joined(parts: Sequence[Record]) -> Record:
    """Return one record of all trajectories of several records."""
    fields = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in dataclasses.fields(Record)
        if field.name not in ("times", "messages")
    }
    return Record(times=parts[0].times, messages=tuple(m for part in parts for m in part.messages), **fields)


def _describe(error: BaseException, cls: type[Integrator]) -> str:
    """Return the error's type and text, and the innermost line of the author's code, not of a solver's."""
    frames = traceback.extract_tb(error.__traceback__)
    files = _files(cls)
    own = [f for f in frames if f.filename in files or is_own_file(f.filename)]
    place = (own or frames)[-1]
    return f"{cause_of(error)} ({Path(place.filename).name}, line {place.lineno}, in {place.name})"


def _files(cls: type[Integrator]) -> set[str]:
    """Return the files of a method's functions, as tracebacks name them; without those of gfcompare."""
    functions = [
        item
        for base in cls.__mro__
        if base.__module__.partition(".")[0] != "gfcompare"
        for item in vars(base).values()
        if isinstance(item, types.FunctionType)
    ]
    return {function.__code__.co_filename for function in functions}
