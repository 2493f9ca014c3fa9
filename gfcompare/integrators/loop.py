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
    is_foreign,
    unknown_name,
)
from gfcompare.components.fingerprint import is_own_file
from gfcompare.integrators import dead_neurons
from gfcompare.integrators.base import Integrator, State, check_method
from gfcompare.integrators.contract import check_flow, check_frozen, check_state
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.integrators.passage import Passage
from gfcompare.integrators.random_streams import RandomStreams
from gfcompare.integrators.record import Record, joined
from gfcompare.integrators.save_times import check_times
from gfcompare.integrators.saved import Saved
from gfcompare.integrators.stationarity import stationary
from gfcompare.integrators.status import Array, Mask, Status, escape
from gfcompare.integrators.stops import (
    BlockSizes,
    Stop,
    at_rest,
    late,
    late_message,
    not_finite,
    rest_message,
    stopped,
)
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
    except BaseException as error:  # a plugin may raise anything, and the study must go on
        if not is_foreign(error):
            raise
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
        self._saved = Saved(times, theta)

    def run(self) -> Record:
        method, counted = self._integrator, self._counted
        if isinstance(method, FlowIntegrator):
            check_flow(method, CountedProblem(self._problem, 1), self._theta[0])
        before = State.at(self._theta)
        began = time.perf_counter()
        state = method.start(counted, self._theta, self._rngs)
        self._state = state = check_state(state, before, f"{type(method).__name__}.start")
        self._charge(began, state.running)
        self._sizes = BlockSizes(self._theta, self._time_limit)
        last, index = len(self._times), 0
        while index < last and state.running.any():
            stop = min(index + self._sizes.next, last)
            if stop > index + 1 and isinstance(method, FlowIntegrator) and method.goes_through_times(state):
                state, index = self._pass(method, state, index, stop)
            else:
                state, index = self._advance(state, index), index + 1
            self._state = state
        self._saved.save_still(np.full(len(self._theta), index), last, state, counted, self._wall)
        # What the method has said on the way, such as where its solution is not unique, stays.
        state = state.terminate(state.running, Status.REACHED_END, state.messages)
        return self._saved.record(self._with_remarks(state))

    def _advance(self, state: State, index: int) -> State:
        """Return the state at a save time, saved there, with those ended that have to stop."""
        running = state.running
        began = time.perf_counter()
        advanced = self._integrator.advance(self._counted, state, float(self._times[index]))
        self._sizes.took(self._charge(began, running))
        place = f"{type(self._integrator).__name__}.advance"
        self._state = state = _checked(check_state(advanced, state, place), running)
        self._saved.save(index, state, self._counted, self._wall)
        return self._stopped(state, state.running) if index < len(self._times) - 1 else state

    def _pass(self, method: FlowIntegrator, state: State, index: int, stop: int) -> tuple[State, int]:
        """Do what `_advance` does for several save times, which the method goes through at once.

        Return the index of the next save time too.
        """
        counted, running = self._counted, state.running
        spent = counted.gradients.copy(), counted.risks.copy()
        began = time.perf_counter()
        try:
            advanced, passage = method.advance_through(counted, state, self._times[index:stop])
        except FOREIGN_ERRORS:  # then one after the other: what was before the error is recorded
            counted.gradients[:], counted.risks[:] = spent
            self._sizes.stay_at_one()
            return self._advance(state, index), index + 1
        took = time.perf_counter() - began
        self._sizes.took(took)
        share = np.where(running, took / np.count_nonzero(running), 0.0)
        walls = self._wall[:, None] + share[:, None] * passage.progress(spent[0], running)
        stops = self._stops(passage, running, walls, stop == len(self._times))
        kept = passage.reached.copy()
        for m, found in stops.items():
            kept[m] = found.kept
        present = (np.arange(stop - index) < kept[:, None]) & running[:, None]
        self._saved.save_passage(slice(index, stop), passage, present, advanced, counted, walls)
        ends = [stops[m].place if m in stops else min(n, stop - index - 1) for m, n in enumerate(kept)]
        self._wall = walls[np.arange(len(ends)), ends]
        state = stopped(advanced, passage, stops, counted)
        self._saved.save_still(np.where(running, index + kept, index), stop, state, counted, self._wall)
        return state, stop

    def _stops(self, passage: Passage, running: Mask, walls: Array, last: bool) -> dict[int, Stop]:
        """Return where trajectories stop on a passage, by number; nothing stops at the last save time."""
        found = not_finite(passage, running)
        ends = passage.reached.copy()
        for m, stop in found.items():
            ends[m] = stop.place
        look = (np.arange(len(passage.times)) < ends[:, None]) & running[:, None]
        if last:
            look[:, -1] = False
        others = []
        if self._time_limit is not None:
            others.append(late(passage, look, walls, self._time_limit))
        if self._integrator.deterministic:
            end = float(self._times[-1])
            others.append(at_rest(self._problem, passage, look, self._on_manifold, end))
        for those in others:
            for m, stop in those.items():
                if m not in found or stop.place <= found[m].place:
                    found[m] = stop
        return found

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
        return self._saved.record(state.terminate(state.running, Status.FAILED, message))

    def _charge(self, began: float, rows: Mask) -> float:
        """Share the time since `began` among the trajectories that were running; return it."""
        took = time.perf_counter() - began
        self._wall[rows] += took / max(int(np.count_nonzero(rows)), 1)
        return took

    def _stopped(self, state: State, running: Mask) -> State:
        """End trajectories that are stationary or out of time."""
        if self._integrator.deterministic and running.any():
            still, gradient, rates = stationary(self._problem, state.theta, self._on_manifold)
            if still.any():
                end = float(self._times[-1])
                found = zip(gradient, state.time, state.messages, rates, strict=True)
                messages = [rest_message(g, t, said, rate, end) for g, t, said, rate in found]
                state = state.terminate(still, Status.STATIONARY, messages)
        if self._time_limit is not None and (late := self._wall > self._time_limit).any():
            messages = [late_message(w, t) for w, t in zip(self._wall, state.time, strict=True)]
            state = state.terminate(late, Status.TIME_LIMIT, messages)
        return state


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
    # Those that dataclasses write have no file, such as the __setattr__ that refuses.
    return {name for function in functions if not (name := function.__code__.co_filename).startswith("<")}


def check_on_error(given: str) -> None:
    """Raise InputError unless errors of methods are recorded or raised."""
    if given not in get_args(OnError):
        raise unknown_name("value of on_error", str(given), get_args(OnError))
