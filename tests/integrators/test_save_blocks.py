"""Compiled flows go through many save times at once, to the numbers of one after the other."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

import gfcompare as gfc
from gfcompare.integrators import stops
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.integrators.loop import run_block
from gfcompare.integrators.record import Record
from gfcompare.integrators.solvers.ndf import CompiledFlow
from gfcompare.integrators.solvers.settled import Settled

FLOWS = ("standard-gf", "normalized-gf")
TIMES = np.concatenate([[0.0], np.geomspace(1e-2, 1e9, 60)])


def problem_of(hidden: int, target: gfc.Target) -> gfc.Problem:
    return gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), target, gfc.measures.Uniform())


def starts(problem: gfc.Problem, count: int) -> np.ndarray:
    draw = gfc.initializations.Normal().draw
    return np.stack([draw(problem.network, np.random.default_rng(s)) for s in range(count)])


def run(problem: gfc.Problem, method: gfc.Integrator, theta: np.ndarray, **options) -> Record:
    return run_block(problem, method, theta, TIMES, [np.random.default_rng(0)] * len(theta), **options)


@pytest.fixture
def one_by_one(monkeypatch):
    """Let blocks have one save time when it is called."""
    return lambda: monkeypatch.setattr(stops, "_MOST", 1)


def assert_same(found: Record, expected: Record) -> None:
    for field in dataclasses.fields(Record):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if field.name == "wall_time":  # measured, not computed
            one, other = np.isnan(one), np.isnan(other)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, err_msg=field.name)
        else:
            assert one == other, field.name


@pytest.mark.sampled
@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize(
    ("hidden", "target", "options", "ends"),
    [
        (1, gfc.targets.Constant(1.0), {}, {gfc.Status.STATIONARY, gfc.Status.REACHED_END}),
        (4, gfc.targets.Sine(), {"rtol": 1e-4}, {gfc.Status.STATIONARY}),
        (4, gfc.targets.Sine(), {"max_steps": 150}, {gfc.Status.STEP_LIMIT}),
    ],
    ids=["constant", "sine", "step limit"],
)
def test_blocks_change_no_number(name, hidden, target, options, ends, one_by_one):
    problem = problem_of(hidden, target)
    theta = starts(problem, 6)
    method = gfc.integrator(name, **options)
    found = run(problem, method, theta)
    assert set(found.status.tolist()) & {int(e) for e in ends}
    one_by_one()
    assert_same(found, run(problem, method, theta))


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "rtol"), [*((flow, 1e-3) for flow in FLOWS), ("normalized-gf", 1e-6)])
def test_a_settled_flow_is_read_off_at_any_number_of_times(name, rtol, one_by_one, monkeypatch):
    """Parameters that move by less than the tolerance move on, and rest is found where it is reached."""
    read_off, through = [], Settled.through

    def counting(self, problem, times):
        stretch = through(self, problem, times)
        read_off.append(len(stretch.thetas))
        return stretch

    monkeypatch.setattr(Settled, "through", counting)
    monkeypatch.setattr(stops, "_SECONDS", np.inf)  # blocks grow on a busy machine too
    problem = problem_of(4, gfc.targets.Sine())
    method = gfc.integrator(name, rtol=rtol)
    # Which networks settle before they rest depends on roundings, and these on the processor: at 1e-3
    # one in six does, at 1e-6 one in fifty.
    for theta in np.split(starts(problem, 640), 40):
        read_off.clear()
        found = run(problem, method, theta)
        moves_to_the_end = (np.diff(found.theta, axis=1) != 0.0).any(axis=2)[:, -10:].any()
        if max(read_off, default=0) > 10 and moves_to_the_end:
            break
    else:
        pytest.fail("no network settles before it rests")
    one_by_one()
    assert_same(found, run(problem, method, theta))


def test_wall_times_increase_and_a_time_limit_ends_on_the_way():
    problem = problem_of(4, gfc.targets.Sine())
    theta = starts(problem, 4)
    record = run(problem, gfc.integrator("standard-gf"), theta, time_limit=3600.0)
    assert (np.diff(record.wall_time, axis=1) >= 0.0).all()
    assert (record.wall_time[:, 0] > 0.0).all()
    late = run(problem, gfc.integrator("standard-gf"), theta, time_limit=1e-9)
    assert (late.status == gfc.Status.TIME_LIMIT).all()
    # What there was when time was up is recorded.
    saved = np.isfinite(late.flow_time).sum(axis=1)
    assert ((saved >= 1) & (saved < len(TIMES))).all()
    assert np.array_equal(late.theta[:, 0], record.theta[:, 0])


def test_an_error_on_the_way_keeps_what_was_before_it(monkeypatch):
    """Where a block raises an error, its save times are gone through one after the other."""
    problem = problem_of(4, gfc.targets.Sine())
    theta = starts(problem, 1)
    method = gfc.integrator("standard-gf")
    whole = run(problem, method, theta)
    through = CompiledFlow.advance_through

    def fails(self, problem, state, times):
        if times[-1] > 1.0:
            raise FloatingPointError("too far")
        return through(self, problem, state, times)

    monkeypatch.setattr(CompiledFlow, "advance_through", fails)
    record = run(problem, method, theta)
    before = TIMES <= 1.0
    assert record.status.tolist() == [gfc.Status.FAILED]
    assert "too far" in record.messages[0]
    assert np.array_equal(record.theta[0, before], whole.theta[0, before])
    assert np.array_equal(record.gradient_evaluations[0, before], whole.gradient_evaluations[0, before])
    assert np.isnan(record.theta[0, ~before]).all()


def test_what_is_not_finite_ends_where_it_is(monkeypatch):
    problem = problem_of(2, gfc.targets.Sine())
    theta = starts(problem, 3)
    through = CompiledFlow.advance_through

    def spoils(self, problem, state, times):
        state, passage = through(self, problem, state, times)
        passage.theta[1, times > 1.0] = np.inf
        if times[-1] > 1.0 and len(times) == 1:
            state.theta[1] = np.inf
        return state, passage

    monkeypatch.setattr(CompiledFlow, "advance_through", spoils)
    record = run(problem, gfc.integrator("standard-gf"), theta)
    assert record.status[1] == gfc.Status.DIVERGED
    assert np.array_equal(np.isfinite(record.flow_time[1]), TIMES <= 1.0)
    assert (record.status[[0, 2]] != gfc.Status.DIVERGED).all()


@dataclasses.dataclass(frozen=True)
class Halved(FlowIntegrator):
    """The standard flow in half of the time: a class that replaces `advance` is asked at every save time."""

    compiled_as: ClassVar[str] = "standard"

    def velocity(self, problem, y):
        return -problem.gradient(y)

    def advance(self, problem, state, time):
        state = super().advance(problem, state, 0.5 * time)
        return state.replace(time=np.where(state.running, time, state.time))


def test_a_method_with_its_own_advance_is_asked_at_every_time():
    problem = problem_of(2, gfc.targets.Sine())
    theta = starts(problem, 2)
    rngs = [np.random.default_rng(0)] * 2
    halved = run_block(problem, Halved(), theta, [0.0, 2.0, 6.0, 20.0], rngs)
    flow = run_block(problem, gfc.integrator("standard-gf"), theta, [0.0, 1.0, 3.0, 10.0], rngs)
    np.testing.assert_array_equal(halved.theta, flow.theta)
