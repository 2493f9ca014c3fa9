"""Neurons that meet where r = 0, or go to an end where r = 0: the order after the second decides."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

import gfcompare as gfc
from gfcompare.certificates import Verdict, argument, certify_state, exactness, soft_basin, soft_groups
from gfcompare.certificates.balls import precision
from gfcompare.certificates.basin import Neighbourhood
from gfcompare.certificates.coordinates import Coordinates
from gfcompare.certificates.exact_problem import NotCoveredError, exact_problem
from gfcompare.certificates.reduction import State
from tests.support import examples

RANDOM_VALUES = gfc.targets.PiecewiseLinear(
    [0.0, 0.2, 0.45, 0.6, 0.85, 1.0], np.round(np.random.default_rng(7).normal(size=6), 2).tolist()
)
KINK = gfc.targets.AbsoluteValue(centre=0.25)


def _problem(hidden, target):
    return gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), target, gfc.measures.Uniform(0.0, 1.0))


def _split(steps, shares, left, offset=0.0):
    """Return |x - 1/4| by one neuron that is fully active and others that share its kink, some way apart.

    Parameters
    ----------
    steps : where the others are, relative to 1/4 and to their mean by shares
    shares : of the change of the slope, which is 2
    left : which of them look to the left
    offset : added to c
    """
    shares = [2 * Fraction(float(s)) / sum(Fraction(float(t)) for t in shares) for s in shares]
    steps = [Fraction(float(d)) for d in steps]
    mean = sum(s * d for s, d in zip(shares, steps, strict=True)) / 2
    places = [Fraction(1, 4) + d - mean for d in steps]
    # relu(q - x) = relu(x - q) - (x - q): what the left ones add besides is taken from the active neuron.
    slope, c = Fraction(-1), Fraction(1, 4)
    w, b = [Fraction(1)], [Fraction(1)]
    for q, s, is_left in zip(places, shares, left, strict=True):
        sign = -1 if is_left else 1
        w.append(Fraction(sign))
        b.append(-sign * q)
        if is_left:
            slope, c = slope + s, c - s * q
    v = [slope, *shares]
    return np.array([float(x) for x in [*w, *b, *v, c - slope + Fraction(float(offset))]])


def _neighbourhood(problem, theta, flow="standard"):
    """Return a state near a critical point with soft groups, and these; None if there are none."""
    line = exact_problem(problem, 128)
    state = State.of(np.asarray(theta), (float(line.lower), float(line.upper)), flow)
    risk, speed = argument.risk_and_speed(state, line)
    for attempt in argument._attempts(state, line, risk):
        if attempt.soft is not None:
            full = Neighbourhood(
                state,
                Coordinates.of(state, line, attempt.guess),
                attempt.reduced,
                attempt.found,
                risk - attempt.limit,
            )
            return full, attempt.soft, speed
    return None


def _holds(problem, theta, flow="standard"):
    """Return whether what is proved at a state is true there: bounds of the gradient and of sizes."""
    found = _neighbourhood(problem, theta, flow)
    assert found is not None
    full, soft, speed = found
    proved = soft_basin.inequality(full, soft)
    sizes = soft_groups.SoftNeighbourhood.of(full, soft).sizes()
    if not speed > proved.gradient(full.excess) * arb(1 - 1e-9):
        return False
    return all(
        bool(group.kappa * sigma**3 * arb(0.9) * arb(1 - 1e-9) < full.excess)
        for group, sigma in zip(proved.groups, sizes, strict=True)
    )


@pytest.mark.thorough
@examples(30)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 4),
    st.floats(-9.0, -6.0),
    st.sampled_from(["standard", "normalized"]),
)
def test_states_around_a_kink_are_proved_and_the_inequality_holds(seed, count, exponent, flow):
    rng = np.random.default_rng(seed)
    theta = _split(
        rng.normal(size=count) * 10.0**exponent,
        rng.uniform(0.2, 1.0, count),
        rng.random(count) < 0.5,
        rng.normal() * 10.0 ** (1.5 * exponent),
    )
    problem = _problem(count + 1, KINK)
    if flow == "normalized":
        theta = problem.network.normalize(theta[None])[0]
    found = certify_state(problem, theta, flow)
    assert found.verdict is Verdict.LIMIT_PROVEN, found.reason
    assert found.limit_risk_high < 1e-30
    assert found.rate == 0.0
    assert found.remaining_length < 1e-3
    with precision(128):
        assert _holds(problem, theta, flow)


@pytest.mark.thorough
@examples(30)
@given(
    st.booleans(),
    st.booleans(),
    st.floats(0.1, 9.0),
    st.floats(-9.0, -6.0),
    st.sampled_from(["standard", "normalized"]),
)
def test_a_neuron_at_an_end_with_the_mean_is_proved_or_can_grow(cubic, upper, size, exponent, flow):
    """r = 0 at the end, r = r1 y beside it: the change of the risk has the sign of s (s + r1)."""
    target = gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]) if cubic else gfc.targets.Sine()
    problem, delta = _problem(1, target), 10.0**exponent
    r1 = (-4.0 if cubic else -2 * np.pi) * (-1 if upper else 1)
    for s in (size, -size):
        if abs(s + r1) < 0.05:
            continue
        theta = np.array([1.0, -1.0 + delta, s, 0.3] if upper else [-1.0, delta, s, 0.3])
        theta[3] = 0.3 if cubic else 0.0
        if flow == "normalized":
            theta = problem.network.normalize(theta[None])[0]
        found = certify_state(problem, theta, flow)
        if s * (s + r1) > 0:
            assert found.verdict is Verdict.LIMIT_PROVEN, found.reason
            with precision(128):
                assert _holds(problem, theta, flow)
        else:
            assert found.verdict is Verdict.DEGENERATE
            assert "grow" in found.reason or "below" in found.reason
            assert found.risk_low < found.critical_risk_high or exponent < -8


@pytest.mark.parametrize(
    ("target", "at"),
    [
        (gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]), (True, True)),
        (gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0 + 1e-15]), (False, False)),
        (gfc.targets.Sine(frequency=2.0, offset=0.1), (True, True)),
        (gfc.targets.Sine(frequency=1.5), (False, False)),
        (gfc.targets.Sine(phase=1e-9), (False, False)),
        (gfc.targets.Polynomial([0.0, 1.0, -1.0]), (False, False)),
    ],
)
def test_whether_the_mean_is_the_value_at_an_end_is_exact(target, at):
    line = exact_problem(_problem(1, target), 128)
    found = line.mean_at_ends
    assert (found is not None) == any(at)
    if found is not None:
        assert (found.lower, found.upper) == at
        with precision(128):
            for x, inwards in ((line.lower, 1), (line.upper, -1)):
                step = arb(2) ** -30
                ratio = (line.target(x + inwards * step) - line.target(x)) / (inwards * step)
                assert abs(found.slope(x) - ratio) < 1e-6
                assert abs(line.target_moments[0] - line.target(x)) < 1e-30


def _ends(problem, flow, seeds, times):
    network = problem.network
    start = np.stack([gfc.initializations.He().draw(network, np.random.default_rng(s)) for s in range(seeds)])
    if flow == "normalized":
        start = network.normalize(start)
    name = {"standard": "standard-gf", "normalized": "normalized-gf"}[flow]
    return gfc.parameters(gfc.integrate(problem, gfc.integrator(name, rtol=1e-8), start, times))


@pytest.fixture(scope="module")
def flows():
    """States of flows on a piecewise linear target at 10^4, 10^6 and 10^8, by flow."""
    problem = _problem(8, RANDOM_VALUES)
    return problem, {
        flow: _ends(problem, flow, 20, [0.0, 1e4, 1e6, 1e8]) for flow in ("standard", "normalized")
    }


@pytest.mark.thorough
def test_flows_keep_what_is_proved_of_them(flows):
    problem, states = flows
    proved = 0
    for flow, trajectories in states.items():
        for trajectory in trajectories:
            found = [certify_state(problem, theta, flow) for theta in trajectory[1:]]
            for k, earlier in enumerate(found):
                if not (earlier.proven and earlier.rate == 0.0):
                    continue
                proved += 1
                with precision(128):
                    assert _holds(problem, trajectory[k + 1], flow)
                for later, theta in zip(found[k:], trajectory[k + 1 :], strict=True):
                    assert earlier.limit_risk_low <= later.risk_high
                    if later.proven:
                        assert earlier.limit_risk_high >= later.limit_risk_low
                    moved = np.linalg.norm(theta - trajectory[k + 1])
                    assert moved <= earlier.remaining_length + 1e-7  # the tolerance of the flow
    assert proved > 10


@pytest.mark.thorough
def test_too_good_a_bound_is_noticed(flows, monkeypatch):
    """kappa, theta and what the rest of the network does: each wrong by a factor is seen somewhere."""
    problem, states = flows
    soft = []
    for flow, trajectories in states.items():
        for trajectory in trajectories:
            with precision(128):
                if (found := _neighbourhood(problem, trajectory[-1], flow)) is not None:
                    soft.append((trajectory[-1], flow))
                    del found
    assert len(soft) > 5
    original = soft_basin.groups_in

    def larger(factor):
        def groups(*given):
            found, sizes = original(*given)
            wrong = [dataclasses.replace(g, kappa=g.kappa * factor) for g in found]
            return wrong, sizes

        return groups

    def all_hold():
        with precision(128):
            for theta, flow in soft:
                try:
                    if not _holds(problem, theta, flow):
                        return False
                except NotCoveredError:
                    continue
        return True

    assert all_hold()
    monkeypatch.setattr(soft_basin, "groups_in", larger(1000))
    assert not all_hold()
    monkeypatch.undo()
    theta = soft_basin._theta
    monkeypatch.setattr(soft_basin, "_theta", lambda *given: theta(*given) * 100)
    assert not all_hold()


def test_slopes_of_both_signs_are_refused():
    theta = _split([1e-8, -1e-8, 2e-8], [1.0, 1.0, 1.0], [False, False, False])
    theta[9:12] = [3.0, -2.0, 1.0]
    theta[5:8] = [-0.25 - 1e-8, -0.25 - 2e-8, -0.25 - 1e-8]
    found = certify_state(_problem(4, KINK), theta)
    assert found.verdict is not Verdict.LIMIT_PROVEN
    assert "both signs" in found.reason


def test_a_target_that_is_not_linear_beside_the_place_is_not_exact():
    """A bend of 1e-12 near the place: N = f is no longer so, and nothing is proved of it."""
    theta = _split([3e-9, -2e-9], [1.0, 0.7], [False, True])
    bent = gfc.targets.PiecewiseLinear([0.0, 0.25, 0.5, 1.0], [0.25, 0.0, 0.25, 0.75 + 1e-12])
    straight = gfc.targets.PiecewiseLinear([0.0, 0.25, 0.5, 1.0], [0.25, 0.0, 0.25, 0.75])
    assert certify_state(_problem(3, straight), theta).proven
    assert not certify_state(_problem(3, bent), theta).proven


def test_exactness_says_where_the_network_is_the_target(flows, monkeypatch):
    problem, states = flows
    seen = 0
    with precision(128):
        for theta in states["standard"][:, -1]:
            found = _neighbourhood(problem, theta)
            if found is None:
                continue
            full, soft, _ = found
            model, point = full.reduced, full.found.point
            knots = [float(q.mid()) for q in model.split(point)[3]]
            ends = [0.0, *knots, 1.0]
            for k, (left, right) in enumerate(soft.exact.sides):
                for is_exact, (low, high) in ((left, ends[k : k + 2]), (right, ends[k + 1 : k + 3])):
                    middle = model.residual(point, arb(0.5 * (low + high)))
                    third = model.residual(point, arb(low + 0.3 * (high - low)))
                    small = abs(middle) < 1e-25 and abs(third) < 1e-25
                    assert is_exact == small
                    seen += is_exact
    assert seen
    # Without the box in which a critical point is the only one, nothing is claimed.
    monkeypatch.setattr(exactness, "_is_that", lambda *given: False)
    with precision(128):
        assert all(_neighbourhood(problem, theta) is None for theta in states["standard"][:, -1])
