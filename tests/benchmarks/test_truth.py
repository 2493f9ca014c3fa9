"""A small part of the campaign of `benchmarks.truth`: nothing is wrong without a word."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import gfcompare as gfc
from gfcompare.results.reading import parameters

pytest.importorskip("benchmarks", reason="the benchmarks are in the source tree, not in the package")

from benchmarks import truth

COUNTED = ("off", "stuck", "drift", "false status")


@pytest.mark.thorough
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_nothing_is_wrong_without_a_word(number: int) -> None:
    """Random problems on an interval, both flows, four tolerances, to t = 10^10; and CVODE, on problem 0."""
    total: Counter[str] = Counter()
    for _, counts in truth.campaign(number, 1, 2):
        total.update(counts)
    assert 4 * total["judged"] > total["trajectories"]
    assert {name: total[name] for name in COUNTED} == dict.fromkeys(COUNTED, 0)


def test_a_breakpoint_turns_back_before_an_end() -> None:
    """Pushed over it by an error, the flow would rest at a risk of 1.5e-7.

    The breakpoint comes as near as 9e-4, a few times the tolerance at rtol 1e-4.
    """
    case = truth.setting(250, 6)
    theta = case.problem.network.normalize(case.theta)[5]
    rtols = (1e-4, 3e-5, 1e-5, 1e-6)
    ends = [
        gfc.integrate(case.problem, gfc.integrator("normalized-gf", rtol=rtol), theta, [0.0, case.end])
        for rtol in rtols
    ]
    # From a run at rtol 1e-10.
    for end in ends:
        assert end["risk"].values[..., -1] == pytest.approx(8.263053160e-8, rel=1e-6)
    *rough, fine = (parameters(end).reshape(2, -1)[-1] for end in ends)
    for rtol, found in zip(rtols, rough, strict=False):
        assert np.linalg.norm(found - fine) < 10 * rtol * np.linalg.norm(fine)


@pytest.mark.parametrize("rtol", [1e-3, 1e-4, 1e-5])
def test_a_deep_network_goes_down_a_narrow_valley(rtol: float) -> None:
    """What GMRES left across it held the steps at those of an explicit method, and the risk at 1e-4."""
    case = truth.setting(587, 4)
    end = gfc.integrate(
        case.problem, gfc.integrator("standard-gf", rtol=rtol), case.theta[3], [0.0, 1.0, 30.0]
    )
    assert end["risk"].values[..., -1] < 1e-8
    assert end["gradient_evaluations"].values[..., -1] < 5000


def test_other_save_times_change_no_bit_in_a_narrow_valley() -> None:
    case = truth.setting(587, 4)
    flow = gfc.integrator("standard-gf", rtol=1e-4)
    few, many = (
        gfc.integrate(case.problem, flow, case.theta[3], times)
        for times in ([0.0, 30.0], [0.0, 0.6, 0.8, 1.0, 2.0, 5.0, 30.0])
    )
    np.testing.assert_array_equal(parameters(few)[..., -1, :], parameters(many)[..., -1, :])


@pytest.mark.thorough
def test_cvode_turns_back_with_it() -> None:
    """At tolerances from 1.1e-4 to 2e-6 its errors decide, see docs/theory.md."""
    case = truth.setting(250, 6)
    theta = case.problem.network.normalize(case.theta)[5]
    flow = gfc.integrator("normalized-gf", method="bdf", rtol=1e-6, max_steps=400_000)
    end = gfc.integrate(case.problem, flow, theta, [0.0, 1e8, 3e8])
    assert end["risk"].values[..., -1] == pytest.approx(8.263053160e-8, rel=1e-3)


@pytest.mark.thorough
@pytest.mark.parametrize("rtol", [1e-4, 3e-5])
def test_cvode_says_that_its_errors_decide(rtol: float) -> None:
    """Where it ends at these is at another risk, 1.5e-7."""
    case = truth.setting(250, 6)
    theta = case.problem.network.normalize(case.theta)[5]
    flow = gfc.integrator("normalized-gf", method="bdf", rtol=rtol, max_steps=100_000)
    end = gfc.integrate(case.problem, flow, theta, [0.0, 1e8, 3e8])
    assert "is not determined" in str(end["message"].values[..., -1]) or end["risk"].values[
        ..., -1
    ] == pytest.approx(8.263053160e-8, rel=1e-3)


@pytest.mark.thorough
def test_cvode_keeps_a_breakpoint_at_the_end_where_it_came_in() -> None:
    """A step that went on into the interval ended at another minimum: its risk here is 47.2386."""
    case = truth.setting(1416, 1)
    flow = gfc.integrator("standard-gf", method="bdf", rtol=1e-4, max_steps=60_000)
    found = gfc.integrate(case.problem, flow, case.theta[0], [0.0, 26.0])
    assert found["risk"].values[..., -1] == pytest.approx(47.2453, abs=5e-4)


def test_problems_that_are_spread_are_on_an_interval_with_one_hidden_layer() -> None:
    numbers = truth.chosen(0, 20, spread=True)
    assert len(set(numbers)) == 20
    for number in numbers:
        problem = truth.setting(number, 1).problem
        assert problem.network.depth == 2
        assert problem.network.inputs == 1
        assert problem.smooth
    assert truth.chosen(5, 3, spread=False) == [5, 6, 7]
