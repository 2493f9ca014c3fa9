"""Checks that a method is a function of its state: nothing is changed, nothing is hidden, seeds are kept."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import cloudpickle
import numpy as np

from gfcompare.integrators.base import Integrator, State
from gfcompare.integrators.status import Array
from gfcompare.testing import runs
from gfcompare.testing.declarations import made
from gfcompare.testing.records import NotApplicable, Subject, expect, numbers
from gfcompare.testing.runs import ROUNDING, TIMES
from gfcompare.testing.sample_problems import Sample, sample


def inputs_unchanged(subject: Subject) -> str:
    """Check that neither start nor advance change the problem, theta or the state that they are given."""
    method, given = made(subject), sample()
    theta = given.theta.copy()
    counted, _ = runs.begun(method, Sample(given.problem, theta))
    expect(
        np.array_equal(theta, given.theta),
        "start leaves theta as it is",
        f"{subject.cls.__name__}.start has written into it",
        "Work on theta.copy()",
    )
    before = _content(given)
    counted, state = runs.begun(method, given)
    content = _arrays(state)
    method.advance(counted, state, TIMES[1])
    changed = [key for key, array in _arrays(state).items() if array != content[key]]
    expect(
        not changed,
        "advance returns a new state and leaves the old one as it is",
        f"{subject.cls.__name__}.advance has changed {', '.join(changed)} of the state that it was given",
        "Copy what you write into (state.theta.copy()) and return state.replace(theta=...)",
    )
    expect(
        _content(given) == before,
        "a method leaves the problem as it is",
        f"after {subject.cls.__name__}.advance its network, target or measure is another",
        "Copy arrays of the problem before you write into them",
    )
    return ""


def _arrays(state: State) -> dict[str, bytes]:
    fields = [field.name for field in dataclasses.fields(state) if field.name != "solver_state"]
    return {key: np.asarray(getattr(state, key)).tobytes() for key in fields}


def _content(given: Sample) -> str:
    """Return a hash of what the problem is and gives."""
    values = (given.problem.risk(given.theta), given.problem.gradient(given.theta), given.theta)
    parts = [given.problem.digest, repr(given.problem.network), *(value.tobytes() for value in values)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def state_is_a_value(subject: Subject) -> str:
    """Check that a state may be advanced twice, to the same numbers."""
    method, given = made(subject), sample()
    counted, state = runs.begun(method, given)
    state = method.advance(counted, state, TIMES[1])
    first = method.advance(counted, state, TIMES[2])
    second = method.advance(counted, state, TIMES[2])
    expect(
        np.array_equal(first.theta, second.theta),
        "a state is a value: advanced twice, it gives the same numbers",
        runs.difference(first.theta, second.theta),
        "Carry all that changes in solver_state, and change no part of it in place",
    )
    return ""


def stop_and_go(subject: Subject) -> str:
    """Check that a run that stops and goes on, by another object of the method, equals one run."""
    method, given = made(subject), sample()
    counted, state = runs.begun(method, given)
    middle = method.advance(counted, state, TIMES[1])
    other: Integrator = cloudpickle.loads(cloudpickle.dumps(subject.make()))
    went_on = other.advance(counted, middle, TIMES[2])
    expected = method.advance(counted, middle, TIMES[2])
    expect(
        np.array_equal(went_on.theta, expected.theta),
        "an equal object of the method goes on from a state as the one that made it does",
        runs.difference(went_on.theta, expected.theta),
        "Keep nothing of a run in the object or its module: it belongs into solver_state",
    )
    return ""


def save_times(subject: Subject) -> str:
    """Check that more save times change nothing beyond the method's tolerance."""
    method, given = made(subject), sample()
    few = runs.run(method, given, (0.0, TIMES[2])).theta[:, -1]
    more = runs.run(method, given, (0.0, 0.3, 0.9, 1.5, 1.9, 2.6, 3.3, TIMES[2])).theta[:, -1]
    expect(
        runs.same(few, more, runs.tolerance_of(method)),
        "where a trajectory is at a time does not depend on the save times before",
        f"with six more of them {runs.difference(few, more)}",
        "Make the same steps whatever `time` is asked for, and interpolate or stop at the nearest one",
    )
    return ""


def times_reached(subject: Subject) -> str:
    """Check that advance goes where it is asked: to the save time, or to the step that ends nearest to it."""
    method = made(subject)
    record = runs.run(method, sample())
    there = np.isfinite(record.flow_time[:, -1])
    steps = np.maximum(record.steps[:, -1], 1)
    half = 0.51 * record.flow_time[:, -1] / steps + 1e-9 * TIMES[-1]
    away = np.abs(record.flow_time[:, -1] - TIMES[-1])
    exact = isinstance(getattr(method, "rtol", None), float)
    expect(
        bool((away[there] <= (1e-9 * TIMES[-1] if exact else half[there])).all()),
        "advance returns a state whose time is the one asked for, or the nearest that a step ends at",
        f"asked for {TIMES[-1]:g}, it returned {numbers(record.flow_time[:, -1])} "
        f"after {record.steps[:, -1].tolist()} steps",
        "Set time and steps with state.replace(time=..., steps=...)",
    )
    return ""


def seeds(subject: Subject) -> str:
    """Check that the same seed gives the same bits, and another one others if it is stochastic only."""
    method, given = made(subject), sample()
    name = subject.cls.__name__
    first, again, other = (runs.run(method, given, seed=seed).theta for seed in (0, 0, 1))
    expect(
        _same_bits(first, again),
        "the same seed gives the same bits",
        runs.difference(first, again),
        "Draw random numbers from the rngs that start or init is given, and nowhere else",
    )
    differs = not _same_bits(first, other)
    said = bool(method.stochastic)
    expect(
        differs == said,
        "another seed gives other numbers if the property stochastic is true, and only then",
        f"stochastic is {said}, and the numbers are {'others' if differs else 'the same'}",
        f"Define stochastic in {name}, or draw from rngs",
    )
    expect(
        not (said and method.deterministic),
        "a method that draws random numbers does not depend on theta alone",
        f"{name} is stochastic and deterministic",
        "Write deterministic: ClassVar[bool] = False",
    )
    return ""


def _same_bits(one: Array, other: Array) -> bool:
    return one.tobytes() == other.tobytes()


def deterministic(subject: Subject) -> str:
    """Check that a method that depends on theta alone goes on the same when it is started anew."""
    method, given = made(subject), sample()
    if not method.deterministic:
        raise NotApplicable("it says that it remembers more than theta")
    if not isinstance(getattr(method, "step_size", 0.0), float | int):
        raise NotApplicable("its step sizes follow a schedule, and so the clock")
    half = TIMES[1]
    whole = runs.run(method, given, (half, 2 * half))
    anew = runs.run(method, Sample(given.problem, whole.theta[:, 0]), (half,)).theta[:, -1]
    expect(
        runs.same(whole.theta[:, -1], anew, runs.tolerance_of(method)),
        "a method whose deterministic is True depends on theta alone",
        f"started anew at time {half:g}, {runs.difference(whole.theta[:, -1], anew)}",
        "Write deterministic: ClassVar[bool] = False for a method with momentum or another memory",
    )
    return ""


def alone_as_in_a_batch(subject: Subject) -> str:
    """Check that a trajectory is the same alone, in a batch and in another order, and costs the same."""
    method, given = made(subject), sample()
    together = runs.run(method, given)
    for rows in ([0], [2], [2, 0, 1]):
        part = runs.run(method, given, rows=rows)
        expect(
            runs.same(together.theta[rows], part.theta, ROUNDING),
            "a trajectory does not depend on its neighbours",
            f"of trajectories 0, 1, 2 together and {', '.join(map(str, rows))} by themselves "
            f"{runs.difference(together.theta[rows], part.theta)}",
            "Take norms and means over the last axis only: axis=-1, keepdims=True",
        )
        counts: list[Any] = [
            (r.gradient_evaluations + 0, r.risk_evaluations, r.sample_gradients) for r in (together, part)
        ]
        expect(
            all(np.array_equal(one[rows], other) for one, other in zip(*counts, strict=True)),
            "a trajectory costs the same alone and in a batch",
            f"gradients {together.gradient_evaluations[rows, -1].tolist()} together and "
            f"{part.gradient_evaluations[:, -1].tolist()} by themselves",
            "Evaluate all rows in one call, or problem.only(m) for row m",
        )
    return ""
