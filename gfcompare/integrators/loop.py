"""The loop over save times: clocks, stopping and status, the same for every method."""

from __future__ import annotations

import time
import traceback
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

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
from gfcompare.integrators.random_streams import RandomStreams
from gfcompare.integrators.record import COUNTERS, Record, joined
from gfcompare.integrators.save_times import check_times
from gfcompare.integrators.solvers.saddles import remark_at_rest
from gfcompare.integrators.stationarity import stationary
from gfcompare.integrators.status import Array, Mask, Status, escape
from gfcompare.problem import Problem

#: What becomes of an error that a method raises.
OnError = Literal["record", "raise"]

# As a plain number: comparing an array with a member of an enumeration takes ten times as long.
_STATIONARY = np.int8(Status.STATIONARY)


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
    streams = rngs if isinstance(rngs, RandomStreams) else RandomStreams.given(rngs)
    limits = Limits(time_limit, on_error)
    return run_checked(problem, integrator, rows, check_times(times), streams, limits)


class Limits(NamedTuple):
    """The time limit of a block, and the treatment of an error of its method: see `run_block`."""

    time_limit: float | None = None
    on_error: OnError = "record"


def run_checked(
    problem: Problem,
    integrator: Integrator,
    rows: Array,
    times: Array,
    streams: RandomStreams,
    limits: Limits,
) -> Record:
    """Integrate trajectories as `run_block` does, of a method, parameters and times that were checked."""
    if problem.frozen:
        check_frozen(problem.network, problem.frozen, integrator)
    block = _Block(problem, integrator, rows, times, streams, limits.time_limit)
    try:
        return block.run()
    except ContractError:  # nothing that this method computes means anything
        raise
    except FOREIGN_ERRORS as error:  # a plugin may raise anything, and the study must go on
        if limits.on_error == "raise":
            raise as_exception(error)  # noqa: B904 (it is the error itself, or has it as its cause)
        if len(rows) == 1:
            return block.failed(_describe(error, type(integrator)))
    streams.rewind()
    alone = limits._replace(on_error="record")
    return joined(
        [
            run_checked(problem, integrator, rows[m : m + 1], times, RandomStreams.given([rng]), alone)
            for m, rng in enumerate(streams)
        ]
    )


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
        follows = integrator.follows  # a method that follows a flow lives where that does: `check_method`
        self._on_manifold = integrator.on_manifold if follows is None else follows == "normalized"
        if self._on_manifold:
            theta = problem.network.normalize(theta)
        count = len(theta)
        self._problem = problem
        self._counted = CountedProblem(problem, count)
        self._integrator = integrator
        self._theta = theta
        self._times = times
        self._rngs = rngs
        self._time_limit = time_limit
        self._wall = np.zeros(count)
        self._state: State | None = None  # None before the method has started
        shape = (count, len(times))
        self._saved_theta = np.full((*shape, theta.shape[1]), np.nan)
        self._saved_time = np.full(shape, np.nan)
        self._saved_wall = np.full(shape, np.nan)
        self._saved_smallest = np.full(shape, np.nan)
        self._saved_counts = np.full((len(COUNTERS), *shape), -1, dtype=np.int64)

    def run(self) -> Record:
        method, counted, times = self._integrator, self._counted, self._times.tolist()
        if isinstance(method, FlowIntegrator):
            check_flow(method, CountedProblem(self._problem, 1), self._theta[0])
        before = State.at(self._theta)
        began = time.perf_counter()
        state = method.start(counted, self._theta, self._rngs)
        name = type(method).__name__
        self._state = state = check_state(state, before, f"{name}.start")
        running, place = state.running, f"{name}.advance"
        self._charge(began, running)
        for index, save_time in enumerate(times):
            if running.any():
                began = time.perf_counter()
                advanced = method.advance(counted, state, save_time)
                self._charge(began, running)
                self._state = state = _checked(check_state(advanced, state, place), running)
                running = state.running
            self._save(index, state, save_time, running)
            if index < len(times) - 1:
                self._state = state = self._stopped(state, running)
                running = state.running
        # What the method has said on the way, such as where its solution is not unique, stays.
        state = state.terminate(running, Status.REACHED_END, state.messages)
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
        state = State.at(self._theta) if self._state is None else self._state
        return self._record(state.terminate(state.running, Status.FAILED, message))

    def _charge(self, began: float, rows: Mask) -> None:
        """Share the time since `began` among the trajectories that were running."""
        self._wall[rows] += (time.perf_counter() - began) / max(int(np.count_nonzero(rows)), 1)

    def _save(self, index: int, state: State, save_time: float, running: Mask) -> None:
        still = state.status == _STATIONARY
        present = running | still
        rows: Mask | slice = slice(None) if present.all() else present
        # A stationary trajectory stays where it is: it is there at every later time too.
        clock = np.where(still, save_time, state.time) if still.any() else state.time
        self._saved_theta[rows, index] = state.theta[rows]
        self._saved_time[rows, index] = clock[rows]
        self._saved_wall[rows, index] = self._wall[rows]
        self._saved_smallest[rows, index] = state.smallest_step[rows]
        counts = (
            state.steps,
            state.rejected_steps,
            self._counted.gradients,
            self._counted.sample_gradients,
            self._counted.risks,
            state.activation_changes,
        )
        for saved, values in zip(self._saved_counts, counts, strict=True):
            saved[rows, index] = values[rows]

    def _stopped(self, state: State, running: Mask) -> State:
        """End trajectories that are stationary or out of time."""
        if self._integrator.deterministic and running.any():
            still, gradient, rates = stationary(self._problem, state.theta, self._on_manifold)
            if still.any():
                # Deviations that do not grow by much before the end make no difference.
                left = self._times[-1] - state.time
                saddles = [remark_at_rest(r) if r * t > 1.0 else "" for r, t in zip(rates, left, strict=True)]
                found = zip(gradient, state.time, state.messages, saddles, strict=True)
                messages = [
                    "; ".join(filter(None, (f"|G| = {g:.3g} at flow time {t:.6g}", said, saddle)))
                    for g, t, said, saddle in found
                ]
                state = state.terminate(still, Status.STATIONARY, messages)
        if self._time_limit is not None and (late := self._wall > self._time_limit).any():
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
            **dict(zip(COUNTERS, self._saved_counts, strict=True)),
        )


def _checked(state: State, before: Mask) -> State:
    """End trajectories that are not finite although the method did not say so."""
    finite = np.isfinite(state.theta)
    if finite.all():
        return state
    messages = [
        f"{escape(row)} after flow time {t:.6g}" for row, t in zip(state.theta, state.time, strict=True)
    ]
    return state.terminate(before & ~finite.all(axis=1), Status.DIVERGED, messages)


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
