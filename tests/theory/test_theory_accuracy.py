"""`verify` tells over seeds whether errors are those of the tolerance, and passes nothing it did not see."""

from __future__ import annotations

import pytest

import gfcompare as gfc
from gfcompare.diagnostics import replay
from gfcompare.integrators.solvers import ndf
from gfcompare.theory import verify


def run(tmp_path, seeds: int, end: float = 1000.0):
    study = gfc.Study(
        "accuracy",
        targets={"sine": gfc.targets.Sine()},
        integrators={"flow": gfc.integrator("standard-gf"), "on m": gfc.integrator("normalized-gf")},
        network=gfc.ReLUNetwork((1, 6, 1)),
        times=gfc.Times(start=0.1, end=end, count=11),
        seeds=seeds,
    )
    return study.run(tmp_path, jobs=1)


@pytest.mark.thorough
@pytest.mark.parametrize(("factor", "outcome"), [(1.0, "pass"), (10.0, "fail")])
def test_a_tenfold_looser_tolerance_is_caught(tmp_path, monkeypatch, factor, outcome):
    start = ndf.CompiledFlow.start.__func__

    def looser(cls, problem, y, velocity, *, rtol, **others):
        return start(cls, problem, y, velocity, rtol=factor * rtol, **others)

    monkeypatch.setattr(ndf.CompiledFlow, "start", classmethod(looser))
    table = verify(run(tmp_path, 8))
    rows = table[table["check"] == "accuracy"]
    assert len(rows) == 16
    assert set(rows["outcome"]) == {outcome}
    assert (table[table["check"].isin(["flow", "speed", "energy"])]["outcome"] == "pass").all()


@pytest.mark.thorough
def test_few_seeds_do_not_tell(tmp_path):
    table = verify(run(tmp_path, 3))
    rows = table[table["check"] == "accuracy"]
    assert set(rows["outcome"]) == {"does not apply"}
    assert rows["detail"].str.contains("8 seeds").all()


@pytest.mark.thorough
def test_deep_networks_are_judged_up_to_a_relative_tolerance(tmp_path):
    """Above it errors are no fixed share of what the tolerance allows: right flows would fail."""
    study = gfc.Study(
        "deep",
        targets={"t": gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0])},
        integrators={
            "loose": gfc.integrator("standard-gf", rtol=1e-4),
            "usual": gfc.integrator("standard-gf", rtol=1e-5),
        },
        network=gfc.ReLUNetwork((1, 3, 3, 1)),
        times=gfc.Times(start=0.1, end=100.0, count=11),
        seeds=8,
    )
    table = verify(study.run(tmp_path, jobs=1))
    rows = table[table["check"] == "accuracy"].set_index("integrator")
    assert set(rows.loc["loose", "outcome"]) == {"does not apply"}
    assert rows.loc["loose", "detail"].str.contains("several hidden layers").all()
    assert set(rows.loc["usual", "outcome"]) == {"pass"}


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
