"""`verify` tells over seeds whether errors are those of the tolerance, and passes nothing it did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

import gfcompare as gfc
from benchmarks import truth
from gfcompare.diagnostics import replay
from gfcompare.integrators.solvers import ndf
from gfcompare.theory import verify

SINE = gfc.targets.Sine()
CUBIC = gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0])
# Problem 21 of `benchmarks.truth`, far from 0. Errors by what the tolerance allows each step are three times
# those of other problems there.
FAR = truth.setting(21, 1).problem
CASES = {
    "sine": (SINE, gfc.measures.Uniform(), (1, 6, 1), 1e-6),
    "far from 0": (FAR.target, FAR.measure, FAR.network.widths, 1e-4),
    "deep": (CUBIC, gfc.measures.Uniform(), (1, 3, 3, 1), 1e-4),
}


def run(tmp_path, seeds: int, end: float = 1000.0, case: str = "sine", solver: str = "auto"):
    target, measure, widths, rtol = CASES[case]
    study = gfc.Study(
        "accuracy",
        targets={"t": target},
        measure=measure,
        integrators={
            "flow": gfc.integrator("standard-gf", rtol=rtol, method=solver),
            "on m": gfc.integrator("normalized-gf", rtol=rtol, method=solver),
        },
        network=gfc.ReLUNetwork(widths),
        times=gfc.Times(start=0.1, end=end, count=11),
        seeds=seeds,
    )
    return study.run(tmp_path, jobs=1)


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("factor", "outcome"), [(1.0, "pass"), (10.0, "fail")])
def test_a_tenfold_looser_tolerance_is_caught(tmp_path, monkeypatch, case, factor, outcome):
    start = ndf.CompiledFlow.start.__func__

    def looser(cls, problem, y, velocity, *, rtol, **others):
        return start(cls, problem, y, velocity, rtol=factor * rtol, **others)

    with monkeypatch.context() as patched:
        patched.setattr(ndf.CompiledFlow, "start", classmethod(looser))
        tree = run(tmp_path, 8, case=case)
    table = verify(tree)
    rows = table[table["check"] == "accuracy"]
    assert len(rows) == 16
    assert set(rows["outcome"]) == {outcome}, rows["detail"]
    assert (table[table["check"].isin(["flow", "speed", "energy"])]["outcome"] == "pass").all()


@pytest.mark.thorough
@pytest.mark.parametrize("solver", ["bdf", "adams", "dopri5", "dop853", "rkc"])
def test_solvers_of_other_accuracy_are_held_to_their_own(tmp_path, solver):
    """At one tolerance their errors differ by up to ten: `rkc` has many steps of order 2."""
    table = verify(run(tmp_path, 8, end=10.0, solver=solver))
    rows = table[table["check"] == "accuracy"]
    assert set(rows["outcome"]) == {"pass"}, rows["detail"]


@dataclass(frozen=True)
class Plain(gfc.FlowIntegrator):
    """The standard flow as an author has it: not in compiled code."""

    name: ClassVar[str] = "plain"
    follows = "standard"

    def velocity(self, problem, y):
        return -problem.gradient(y)


@dataclass(frozen=True)
class Midpoint(gfc.Integrator[None]):
    """A solver of its own, of order 2, with tolerances that none of gfcompare's has."""

    name: ClassVar[str] = "midpoint"
    follows = "standard"
    rtol: float = 0.5
    atol: float = 0.0

    def advance(self, problem, state, time):
        theta, size = state.theta, (time - state.time) / 100.0
        for _ in range(100):
            middle = theta - 0.5 * size[:, None] * problem.gradient(theta)
            theta = theta - size[:, None] * problem.gradient(middle)
        return state.replace(theta=theta, time=np.full_like(state.time, time), steps=state.steps + 100)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("method", "outcome"),
    [
        (Plain(rtol=1e-6), "pass"),
        (Midpoint(rtol=1e-4), "pass"),
        (Midpoint(rtol=1e-9), "fail"),
        (Midpoint(), "does not apply"),  # it hardly moves beside what that allows
    ],
)
def test_methods_of_others_are_held_to_what_they_declare(tmp_path, method, outcome):
    study = gfc.Study(
        "others",
        targets={"t": SINE},
        integrators={"other": method},
        network=gfc.ReLUNetwork((1, 6, 1)),
        times=gfc.Times(start=0.1, end=10.0, count=9),
        seeds=8,
    )
    table = verify(study.run(tmp_path, jobs=1), study=study)
    rows = table[table["check"] == "accuracy"]
    assert set(rows["outcome"]) == {outcome}, rows["detail"]


@pytest.mark.thorough
def test_few_seeds_do_not_tell(tmp_path):
    table = verify(run(tmp_path, 3))
    rows = table[table["check"] == "accuracy"]
    assert set(rows["outcome"]) == {"does not apply"}
    assert rows["detail"].str.contains("8 seeds").all()


def test_what_was_mostly_not_followed_does_not_pass(tmp_path, monkeypatch):
    """The share is said."""
    tree = run(tmp_path, 1, end=1e6)
    monkeypatch.setattr(replay, "_MOST_STEPS", 6)
    table = verify(tree)
    for check in ("flow", "speed", "energy"):
        rows = table[table["check"] == check]
        assert set(rows["outcome"]) == {"does not apply"}
        assert rows["detail"].str.contains(r"only \d+ of 11 intervals followed").all()


@pytest.mark.thorough
def test_what_a_stored_state_does_not_determine_is_not_held_against_a_flow(tmp_path):
    """A neuron nearer to the end of the inputs than rounding comes back too early from a stored state.

    SciPy's LSODA and Radau agree with CVODE from there, and `ndf` at rtol 1e-8 and 1e-11, which integrates
    the logarithm of the distance, with itself: the neuron stays.
    """
    study = gfc.Study(
        "near an end",
        targets={"t": gfc.targets.Constant(-380.5400456050119)},
        integrators={"on m": gfc.integrator("normalized-gf", rtol=1e-8)},
        network=gfc.ReLUNetwork((1, 2, 1)),
        times=gfc.Times(start=0.1, end=10.0, count=5),
        seeds=8,
    )
    table = verify(study.run(tmp_path, jobs=1))
    rows = table[table["check"] == "flow"].set_index("seed")
    assert set(rows["outcome"]) == {"pass"}
    assert "of 5 intervals followed" in rows.loc[7, "detail"]
    assert "a neuron came back" in rows.loc[7, "detail"]


@pytest.mark.thorough
def test_no_number_depends_on_the_processes(tmp_path):
    tree = run(tmp_path, 8, end=10.0)
    alone, shared = verify(tree, jobs=1), verify(tree, jobs=2)
    pd.testing.assert_frame_equal(alone, shared, check_exact=True)
