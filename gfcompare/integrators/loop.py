"""The loop over save times: clocks, stopping and status, the same for every method."""

from __future__ import annotations

import time
import traceback
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.errors import (
    FOREIGN_ERRORS,
    ContractError,
    InputError,
    as_exception,
    cause_of,
    unknown_name,
)
from gfcompare.components.fingerprint import is_own_file
from gfcompare.integrators import dead_neurons
from gfcompare.integrators.base import Integrator, State, check_method
from gfcompare.integrators.contract import check_flow, check_frozen, check_state
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.integrators.record import COUNTERS, Record, joined
from gfcompare.integrators.save_times import check_times
from gfcompare.integrators.stationarity import stationary
from gfcompare.integrators.status import Array, Status, escape
from gfcompare.problem import Problem

#: What becomes of an error that a method raises.
OnError = Literal["record", "raise"]


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
    check_frozen(problem.network, problem.frozen, integrator)
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
    return joined(parts)


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
        self._saved_counts = {name: np.full(shape, -1, dtype=np.int64) for name in COUNTERS}

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
        state = state.terminate(state.running, Status.REACHED_END, state.messages)
        return self._record(self._with_remarks(state))

    def _with_remarks(self, state: State) -> State:
        """Return the state with a remark on trajectories of a flow that did what the exact flow does not."""
        if self._integrator.follows is None or not self._problem.smooth:
            return state
        said = dead_neurons.remarks(self._problem, self._theta, state.theta)
        if not any(said):
            return state
        joined = ["; ".join(filter(None, pair)) for pair in zip(state.messages, said, strict=True)]
        return state.replace(messages=tuple(joined))

    def failed(self, message: str) -> Record:
        """Return what was recorded before the method raised an error."""
        state = self._state
        return self._record(state.terminate(state.running, Status.FAILED, message))

    def _charge(self, began: float, rows: NDArray[np.bool_]) -> None:
        """Share the time since `began` among the trajectories that were running."""
        self._wall += np.where(rows, (time.perf_counter() - began) / max(int(rows.sum()), 1), 0.0)

    def _checked(self, state: State, before: NDArray[np.bool_]) -> State:
        """End trajectories that are not finite although the method did not say so."""
        finite = np.isfinite(state.theta).all(axis=1)
        messages = [
            f"{escape(row)} after flow time {t:.6g}" for row, t in zip(state.theta, state.time, strict=True)
        ]
        return state.terminate(before & ~finite, Status.DIVERGED, messages)

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
        for name, values in zip(COUNTERS, counts, strict=True):
            self._saved_counts[name][present, index] = values[present]

    def _stopped(self, state: State) -> State:
        """End trajectories that are stationary or out of time."""
        if self._integrator.deterministic and state.running.any():
            still, gradient = stationary(self._problem, state.theta, self._integrator.on_manifold)
            messages = [
                f"|G| = {g:.3g} at flow time {t:.6g}" for g, t in zip(gradient, state.time, strict=True)
            ]
            state = state.terminate(still, Status.STATIONARY, messages)
        if self._time_limit is not None:
            late = self._wall > self._time_limit
            messages = [
                f"{w:.3g} s of wall time at flow time {t:.6g}"
                for w, t in zip(self._wall, state.time, strict=True)
            ]
            state = state.terminate(late, Status.TIME_LIMIT, messages)
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


def check_on_error(given: str) -> None:
    """Raise InputError unless errors of methods are recorded or raised."""
    if given not in get_args(OnError):
        raise unknown_name("value of on_error", str(given), get_args(OnError))
