"""Deep networks on a line: flows that slide where a plateau of a neuron is 0, and those that do not."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy.integrate import solve_ivp

import gfcompare as gfc
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.solvers.plateaus import on_a_surface, plateau_count, slid
from gfcompare.theory.replays import Replays

FLOWS = ("standard-gf", "normalized-gf")
NODES, WEIGHTS = leggauss(6)
CUBIC, LINE = (0.2, 1.0, -1.0, 2.0), (-0.5, 1.0)


def small(coefficients):
    measure = gfc.measures.Uniform(-1.0, 1.0)
    return gfc.Problem(gfc.ReLUNetwork((1, 1, 1, 1)), gfc.targets.Polynomial(coefficients), measure)


def start(number, problem, flow):
    theta = np.random.default_rng(3).normal(size=(60, 6))[number]
    return problem.network.normalize(theta[None])[0] if flow == "normalized-gf" else theta


def velocity(theta, coefficients, flow, active):
    """Return theta' of 1-1-1-1 on [-1, 1], neuron 2 being `active` or not where neuron 1 is inactive."""
    w, b, u, z, v, c = theta
    cuts = [-b / w, (-z / u - b) / w]
    cuts = np.array([-1.0, *sorted(x for x in cuts if -1.0 < x < 1.0), 1.0])
    half = 0.5 * np.diff(cuts)[:, None]
    middle = 0.5 * (cuts[1:] + cuts[:-1])[:, None]
    x, mass = middle + half * NODES, 0.5 * half * WEIGHTS
    first = w * middle + b > 0.0
    second = np.where(first, u * (w * middle + b) + z > 0.0, active)
    hidden = first * (w * x + b)
    output = second * (u * hidden + z)
    r = 2.0 * mass * (v * output + c - np.polynomial.polynomial.polyval(x, coefficients))
    back = v * second * r
    parts = (u * first * back * x, u * first * back, back * hidden, back, r * output, r)
    result = -np.array([part.sum() for part in parts])
    if flow == "normalized-gf":
        for row in (slice(0, 2), slice(2, 4)):
            result[row] -= (result[row] @ theta[row]) * theta[row]
    return result


def tangential(theta, coefficients, flow):
    """Return the velocity along the surface on which neuron 2 is 0 where neuron 1 is inactive."""
    result = velocity(theta, coefficients, flow, False)
    result[3] = 0.0
    return result


def by_events(theta, coefficients, flow, times):
    """Return the states at some times, and in what ways the flow went on: SciPy's solver, with events."""
    rate = partial(velocity, coefficients=coefficients, flow=flow)

    def event(function, direction):
        def located(t, y):
            return function(y)

        located.terminal, located.direction = True, direction
        return located

    def passing(way):
        if way == "slides":
            leaves = (lambda y: rate(y, active=False)[3], -1), (lambda y: rate(y, active=True)[3], 1)
            return lambda t, y: tangential(y, coefficients, flow), [event(*each) for each in leaves]
        active = way == "active"
        return lambda t, y: rate(y, active=active), [event(lambda y: y[3], -1 if active else 1)]

    way, now, y, states = "active" if theta[3] > 0.0 else "inactive", 0.0, theta, np.empty((len(times), 6))
    ways = [way]
    while now < times[-1]:
        motion, events = passing(way)
        found = solve_ivp(
            motion, (now, times[-1]), y, "LSODA", events=events, rtol=1e-10, atol=1e-12, dense_output=True
        )
        reached = (times >= now) & (times <= found.t[-1])
        if reached.any():
            states[reached] = found.sol(times[reached]).T
        now, y = found.t[-1], found.y[:, -1].copy()
        if way == "slides":
            way = "inactive" if len(found.t_events[0]) else "active"
        elif rate(y, active=False)[3] > 0.0 > rate(y, active=True)[3]:
            way = "slides"
        else:
            way = "inactive" if way == "active" else "active"
        # A start on the surface itself would be an event.
        y[3] = {"slides": 0.0, "active": 1e-12, "inactive": -1e-12}[way]
        if now < times[-1]:
            ways.append(way)
    return states, ways


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("flow", "coefficients", "number", "expected"),
    [
        ("standard-gf", CUBIC, 5, ["slides", "inactive"]),
        ("standard-gf", CUBIC, 15, ["slides", "inactive", "slides"]),
        ("standard-gf", LINE, 15, ["slides"]),
        ("normalized-gf", CUBIC, 4, ["active", "slides", "active"]),
        ("normalized-gf", CUBIC, 5, ["slides", "active"]),
        ("normalized-gf", CUBIC, 31, ["slides"]),
        # The set on which neuron 1 is inactive shrinks to the end of the interval.
        ("standard-gf", CUBIC, 21, ["slides"]),
        ("normalized-gf", CUBIC, 21, ["slides"]),
    ],
)
def test_slides_and_leaves_as_scipy_with_events(flow, coefficients, number, expected):
    problem = small(coefficients)
    theta, times = start(number, problem, flow), np.linspace(0.0, 30.0, 40)
    states, ways = by_events(theta, np.array(coefficients), flow, times)
    assert ways[1:] == expected
    for rtol, bound in ((1e-4, 3e-3), (1e-7, 3e-6)):
        data = gfc.integrate(problem, gfc.integrator(flow, rtol=rtol, max_steps=2000), theta, times)
        assert data["status"].values[0] == gfc.Status.REACHED_END
        assert np.abs(gfc.parameters(data)[0] - states).max() < bound
        assert "slid" in str(data["message"].values[0])


def he(widths, target, seeds):
    problem = gfc.Problem(gfc.ReLUNetwork(widths), target, gfc.measures.Uniform())
    draws = [gfc.initializations.He().draw(problem.network, np.random.default_rng([7, s])) for s in seeds]
    theta = np.stack(draws)
    return problem, theta


def euler(problem, theta, flow, size, time):
    """Return the states at a time by explicit Euler steps, which cross the surfaces again and again."""
    theta = problem.network.normalize(theta) if flow == "normalized-gf" else theta
    ones = np.ones((len(theta), sum(problem.network.hidden)))
    for _ in range(round(time / size)):
        change = problem.gradient(theta)
        if flow == "normalized-gf":
            change = problem.network.project(theta, change, ones)
        theta = theta - size * change
        if flow == "normalized-gf":
            theta = problem.network.retract(theta)
    return theta


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("widths", "flow", "seeds", "time", "size"),
    [
        ((1, 4, 4, 4, 1), "normalized-gf", (15, 25), 0.5, 1e-4),
        ((1, 4, 4, 4, 1), "normalized-gf", (0, 16), 4.5, 5e-4),
        ((1, 4, 4, 4, 1), "standard-gf", (25,), 2.0, 2e-4),
        ((1, 3, 3, 1), "normalized-gf", (24,), 7.0, 1e-3),
    ],
)
def test_euler_steps_converge_to_what_slides(widths, flow, seeds, time, size):
    """Explicit Euler's error is of order 1 across the surface too: half the step, half the distance."""
    problem, theta = he(widths, gfc.targets.Sine(), seeds)
    data = gfc.integrate(problem, gfc.integrator(flow, rtol=1e-7, max_steps=5000), theta, [time])
    assert all("slid" in str(message) for message in data["message"].values)
    end = gfc.parameters(data)[:, -1]
    coarse, fine = (
        np.linalg.norm(euler(problem, theta, flow, step, time) - end, axis=1) for step in (size, size / 2)
    )
    assert np.all(fine < 0.6 * coarse + 1e-6)
    assert np.all(fine < 1e-3)


STUCK = [
    # These ended with the status step_limit after 20,000 steps, all on a plateau.
    ((1, 4, 4, 4, 1), gfc.targets.Sine(), "normalized-gf", (0, 9, 15, 16, 25, 29, 39)),
    ((1, 4, 4, 4, 1), gfc.targets.Polynomial([0.3, 4, -12, 8]), "normalized-gf", (0, 12, 15)),
    ((1, 4, 4, 4, 1), gfc.targets.Step(), "normalized-gf", (0, 7, 11, 15, 21, 27, 33)),
    ((1, 4, 4, 4, 1), gfc.targets.Sine(), "standard-gf", (0, 12, 15, 16, 25)),
    ((1, 6, 6, 1), gfc.targets.Polynomial([0.3, 4, -12, 8]), "normalized-gf", (1,)),
    ((1, 3, 3, 1), gfc.targets.Sine(), "normalized-gf", (24,)),
]


@pytest.mark.parametrize(("widths", "target", "flow", "seeds"), STUCK)
def test_flows_that_slide_go_on(widths, target, flow, seeds):
    problem, theta = he(widths, target, seeds)
    times = np.concatenate([[0.0], np.geomspace(1e-2, 1e5, 15)])
    data = gfc.integrate(problem, gfc.integrator(flow, rtol=1e-4, max_steps=8000), theta, times)
    assert np.all(data["status"].values == gfc.Status.REACHED_END)
    # Where neighbours are carried apart, rounding may decide that a surface is not met.
    assert any("the gradient jumps" in str(message) for message in data["message"].values)
    assert np.all(np.diff(data["risk"].values, axis=1) < 1e-6)
    states = gfc.parameters(data)
    if flow == "normalized-gf":
        assert problem.network.distance_to_manifold(states).max() < 1e-13
    else:
        balance = np.concatenate(problem.network.balancedness(states), axis=-1)
        assert np.all(np.abs(balance - balance[:, :1]).max(axis=-1) < 1e-3 * (states**2).sum(axis=-1))


def test_two_plateaus_at_once():
    """Two equal neurons of layer 2 reach 0 at the same time, and both slide, as one would."""
    problem = small(CUBIC)
    theta = start(15, problem, "standard-gf")
    w, b, u, z, v, c = theta
    twice = gfc.Problem(gfc.ReLUNetwork((1, 1, 2, 1)), problem.target, problem.measure)
    # Each has half of the outgoing weight at the first instant; balancedness lets neurons differ afterwards,
    # so both are compared with Euler's method.
    double = np.array([w, b, u, u, z, z, v / 2, v / 2, c])
    data = gfc.integrate(twice, gfc.integrator("standard-gf", rtol=1e-7, max_steps=3000), double, [3.0])
    found = gfc.parameters(data)[0, -1]
    assert "and 1 more surface" in str(data["message"].values[0])
    np.testing.assert_array_equal(found[4:6], 0.0)
    ends = [euler(twice, double[None], "standard-gf", step, 3.0)[0] for step in (1e-3, 5e-4)]
    coarse, fine = (np.linalg.norm(end - found) for end in ends)
    assert fine < 0.6 * coarse
    assert fine < 3e-3


@pytest.mark.thorough
@pytest.mark.parametrize("flow", FLOWS)
def test_what_crosses_does_not_slide(flow):
    """Every fourth of sixty starts slides, crosses or does neither as by SciPy's events."""
    problem, times = small(LINE), np.linspace(0.0, 6.0, 7)
    theta = np.array([start(number, problem, flow) for number in range(0, 60, 4)])
    data = gfc.integrate(problem, gfc.integrator(flow, rtol=1e-6, max_steps=3000), theta, times)
    crossed = 0
    for m, found in enumerate(gfc.parameters(data)):
        states, ways = by_events(theta[m], np.array(LINE), flow, times)
        assert ("slid" in str(data["message"].values[m])) == ("slides" in ways)
        assert np.abs(found - states).max() < 1e-4
        crossed += len(ways) > 1 and "slides" not in ways
    assert crossed


@pytest.mark.parametrize("flow", FLOWS)
def test_where_nothing_jumps(flow):
    """A layer that is inactive everywhere, nowhere, or at one point alone: no flow slides."""
    problem = gfc.Problem(gfc.ReLUNetwork((1, 2, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    everywhere = [-1.0, -2.0, -0.1, -0.2, 1.0, 0.5, -1.0, 2.0, 0.3, 1e-9, 0.7, -0.4, 0.1]
    nowhere = [1.0, 2.0, 0.1, 0.2, 1.0, 0.5, -1.0, 2.0, 0.3, 1e-9, 0.7, -0.4, 0.1]
    at_a_point = [1.0, 2.0, 0.0, 0.0, 1.0, 0.5, -1.0, 2.0, 0.0, 0.0, 0.7, -0.4, 0.1]
    theta = np.array([everywhere, nowhere, at_a_point])
    data = gfc.integrate(problem, gfc.integrator(flow, rtol=1e-6, max_steps=5000), theta, [0.0, 1.0, 10.0])
    assert np.all(data["status"].values == gfc.Status.REACHED_END)
    assert not any("slid" in str(message) for message in data["message"].values)
    states = gfc.parameters(data)
    # With layer 1 inactive everywhere its rows rest.
    np.testing.assert_allclose(states[0, :, :4], states[0, :1, :4].repeat(3, axis=0), rtol=1e-6)
    ends = [euler(problem, theta, flow, step, 1.0) for step in (1e-3, 5e-4)]
    coarse, fine = (np.linalg.norm(end - states[:, 1], axis=1) for end in ends)
    assert np.all(fine < 0.6 * coarse + 1e-6)


def test_is_a_value_and_does_not_depend_on_save_times():
    problem, theta = he((1, 4, 4, 4, 1), gfc.targets.Sine(), (15,))
    method = gfc.integrator("normalized-gf", rtol=1e-5, max_steps=5000)
    once = gfc.parameters(gfc.integrate(problem, method, theta, [5.0]))[0, -1]
    often = gfc.parameters(gfc.integrate(problem, method, theta, np.linspace(0.0, 5.0, 200)))[0, -1]
    np.testing.assert_array_equal(once, often)
    counted = CountedProblem(problem, 1)
    first = method.start(counted, problem.network.normalize(theta), [np.random.default_rng(0)])
    slides = method.advance(counted, first, 0.5)
    assert slides.solver_state.tables.plateaus.any()
    assert not first.solver_state.tables.plateaus.any()
    ends = [method.advance(counted, slides, 5.0).theta for _ in range(2)]
    np.testing.assert_array_equal(ends[0], ends[1])


def test_the_gradient_jumps_along_the_normal():
    """On both sides of a surface the gradients differ by a multiple of the normal, here the bias alone."""
    problem, theta = he((1, 3, 3, 1), gfc.targets.Sine(), (24,))
    theta = theta[0].copy()
    theta[:6] = [1.0, -1.0, 2.0, -0.5, 0.2, -1.5]  # all inactive on (0.2, 0.5)
    bias = 6 + 9
    jumps = []
    for value in (1e-12, -1e-12):
        theta[bias] = value
        jumps.append(problem.gradient(theta))
    jump = jumps[0] - jumps[1]
    assert abs(jump[bias]) > 1e-3
    np.testing.assert_allclose(np.delete(jump, bias), 0.0, atol=1e-11)


def test_messages_name_layers_and_neurons():
    hidden = (4, 3, 2)
    assert plateau_count(hidden) == 3 + 2 + 2
    assert plateau_count((7,)) == 0
    since = np.zeros(7)
    assert slid(hidden, since) == ""
    since[3] = 2.5
    text = "first from flow time 2.5 on, along the surface on which neuron 1 of layer 3 is 0 wherever layer 1"
    assert text in slid(hidden, since)
    since[6] = 1.5
    text = slid(hidden, since)
    assert "flow time 1.5" in text
    assert "neuron 2 of layer 3 is 0 wherever layer 2 is inactive, and 1 more surface," in text


def test_what_slides_is_not_followed_again_and_that_is_said():
    """CVODE would cross the surface again and again: `verify` says that it did not follow those intervals."""
    problem = small(CUBIC)
    theta, times = start(15, problem, "standard-gf"), np.array([0.0, 0.1, 1.0, 3.0, 4.0, 25.0])
    data = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-6), theta, times)
    states = gfc.parameters(data)[0]
    assert [on_a_surface(problem.network, each) for each in states] == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]
    trajectory = SimpleNamespace(
        theta=states,
        time=times,
        network=problem.network,
        free=np.ones(6, dtype=bool),
        tolerances=(1e-6, 1e-8),
        errors=np.full(5, 1e-4),
        rounding=np.full(6, 1e-15),
        risk_error=lambda errors: errors,
    )
    replays = Replays(problem, normalized=False, trajectory=trajectory)
    assert replays.followed.tolist() == [True, False, False, True, False]
    assert replays.troubles == ["the flow slides along a surface on which the gradient jumps"] * 3
    assert np.abs(replays.defects[replays.followed]).max() < 1e-5


def test_frozen_biases_at_zero_are_no_surface_that_is_passed():
    network = gfc.ReLUNetwork((1, 1, 1, 1))
    frozen = gfc.Problem(
        network, gfc.targets.Polynomial(CUBIC), gfc.measures.Uniform(-1.0, 1.0), frozen=["bias_2"]
    )
    theta, times = np.array([1.0, 0.3, 0.7, 0.0, 0.5, 0.1]), np.array([0.0, 0.1, 1.0])
    for steps, ended in ((2, True), (1000, False)):
        flow = gfc.integrator("standard-gf", rtol=1e-6, max_steps=steps)
        data = gfc.integrate(frozen, flow, theta, times)
        assert ("raise max_steps" in str(data["message"].values[0])) == ended
        assert "surface" not in str(data["message"].values[0])
    states = gfc.parameters(data)[0]
    assert on_a_surface(network, states[-1])
    trajectory = SimpleNamespace(
        theta=states,
        time=times,
        network=network,
        free=~network.members(["bias_2"]),
        tolerances=(1e-6, 1e-8),
        errors=np.full(2, 1e-4),
        rounding=np.full(3, 1e-15),
        risk_error=lambda errors: errors,
    )
    assert Replays(frozen, normalized=False, trajectory=trajectory).followed.all()


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["bdf", "dopri5"])
def test_methods_that_do_not_slide_say_what_does(method):
    """And say nothing of it where steps are few for another reason."""
    problem = small(CUBIC)
    flow = partial(gfc.integrator, "standard-gf", method=method, rtol=1e-6)
    theta, short = start(15, problem, "standard-gf"), [0.0, 30.0]
    data = gfc.integrate(problem, flow(max_steps=1000), theta, short)
    assert data["status"].values[0] == 4
    assert "the method 'ndf' follows what slides" in str(data["message"].values[0])
    data = gfc.integrate(problem, flow(max_steps=3), theta, short)
    assert str(data["message"].values[0]).endswith("raise max_steps")
