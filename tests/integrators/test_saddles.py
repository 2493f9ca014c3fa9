"""Places that deviations grow from, which come and go: equal neurons that part, neurons of small weights.

The references are SciPy's LSODA on the problem's own gradient, and the problem's exact Hessian.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import gfcompare as gfc
from gfcompare.integrators.stationarity import stationary
from gfcompare.kernels.breakpoint_growth import Step, growth_of_breakpoints

SAID = "is not determined"


def make(hidden: int, target: gfc.Target, a: float, b: float) -> gfc.Problem:
    return gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), target, gfc.measures.Uniform(a, b))


# Two neurons that come together to 1e-6 of the interval, and part when the residual there changes its sign;
# one whose outgoing weight passes through 0 while its breakpoint is at rest.
EQUAL = make(2, gfc.targets.Sine(amplitude=87.36317728062657, frequency=0.040474125880093983), -5.0, 5.0)
EQUAL_AT = [0.925867443919865, 0.659749802393037, -0.377848483243344, 0.751485328028664]
EQUAL_AT += [1.8439209480583958, 2.5615863321213235, -0.6459770717542882]
LATER = make(2, gfc.targets.Polynomial([66.63954657, -28.9415482, -34.71488634]), 0.0, 3.0)
LATER_AT = [-0.18072950977722846, 0.14041461176829226, 0.9835328384429687, 0.9900927920159603]
LATER_AT += [-0.4555681170339909, 0.1422059933350971, 0.0]
SMALL = make(2, gfc.targets.Sine(amplitude=755.2134878382924, frequency=18.217277625928045), 0.0, 0.1)
SMALL_AT = [-0.04753976387260781, -0.9750158232950822, -0.9988693462365019, 0.22213541888724794]
SMALL_AT += [0.574278277937351, -1.7951433254483968, 0.0]


def on_m(problem: gfc.Problem, theta: np.ndarray, time: float) -> np.ndarray:
    """Return the normalised flow's state at a time."""
    network = problem.network

    def velocity(_: float, y: np.ndarray) -> np.ndarray:
        return -network.project(network.retract(y), problem.gradient(network.retract(y)))

    found = solve_ivp(velocity, (0.0, time), theta, method="LSODA", rtol=1e-12, atol=1e-13)
    return np.asarray(network.retract(found.y[:, -1]))


@pytest.mark.parametrize(
    ("problem", "start", "time"),
    [(EQUAL, EQUAL_AT, 20.0), (LATER, LATER_AT, 5.0), (SMALL, SMALL_AT, 1.0)],
    ids=["equal neurons", "equal neurons, later", "small neuron"],
)
def test_breakpoints_part_when_the_exact_flow_says_so(
    problem: gfc.Problem, start: list[float], time: float
) -> None:
    """At rtol 1e-4 they stayed together until t = 20, and then went the other way."""
    theta = problem.network.normalize(np.array(start))
    right = on_m(problem, theta, time)
    for rtol in (1e-4, 1e-6, 1e-8):
        data = gfc.integrate(problem, gfc.integrator("normalized-gf", rtol=rtol), theta, [0.0, time])
        found = gfc.parameters(data)[0, -1]
        assert np.linalg.norm(found - right) < 100 * max(rtol, 1e-7) * np.linalg.norm(right)


entries = st.lists(st.floats(-2.0, 2.0), min_size=7, max_size=7)


@given(entries, st.floats(1e-9, 1e-2), st.booleans())
@example([0.0, 0.0, -2.0, 1e-16, -1.0, 0.0, 0.0], 0.0078125, False)  # no eigenvalue is positive
def test_growth_of_a_pair_is_that_of_the_hessian(values: list[float], apart: float, right: bool) -> None:
    """Of equal neurons the least eigenvalue along the rows' two directions; never more than the Hessian's."""
    problem = make(2, gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]), -1.0, 2.0)
    first, second, q, v, u, c, _ = values
    w = np.array([1.0 + abs(first), 1.0 + abs(second)]) * (1.0 if right else -1.0)
    q = np.clip(0.5 + 0.6 * q, -0.9, 1.8) + np.array([0.0, apart])
    theta = np.concatenate([w, -w * q, [v, u, c]])
    assert ((q > -1.0) & (q < 2.0)).all()
    hessian = problem.hessian(theta)
    rows = np.zeros((7, 2))
    for i in range(2):
        rows[[i, 2 + i], i] = np.array([q[i], 1.0]) / np.hypot(1.0, q[i])
    least = np.linalg.eigvalsh(rows.T @ hessian @ rows)[0]
    data = problem._evaluator.flow_data()
    result = np.empty((2, 2))
    rate = growth_of_breakpoints(data, Step(theta, np.ones(7), np.ones(7), 1e6, False), result)
    size = np.abs(hessian).max()
    # The second direction is that of the first breakpoint: off by the distance.
    assert rate == pytest.approx(max(-least, 0.0), abs=20 * apart * size + 1e-8)
    assert rate <= max(-np.linalg.eigvalsh(hessian)[0], 0.0) + 20 * apart * size + 1e-8


@pytest.mark.parametrize("difference", [1e-9, -1e-9])
def test_the_message_says_where_a_tolerance_decides(difference: float) -> None:
    """Equal neurons but for 1e-9, which part: at 1e-4 and 1e-6 it is said, once, and since when."""
    theta = EQUAL.network.normalize(np.array(EQUAL_AT))
    theta[1], theta[3], theta[5] = theta[0], theta[2] + difference, theta[4] + 1e-3
    theta = EQUAL.network.retract(theta)
    ends = {}
    for rtol in (1e-4, 1e-6, 1e-12):
        flow = gfc.integrator("normalized-gf", rtol=rtol)
        data = gfc.integrate(EQUAL, flow, theta, [0.0, 1.0, 3.0, 10.0, 1e3, 1e7])
        ends[rtol] = str(data["message"].values[0])
    assert ends[1e-4].count(SAID) == ends[1e-6].count(SAID) == 1
    assert "at rtol = 1e-06" in ends[1e-6]
    assert "after flow time" in ends[1e-6]


def test_nothing_is_said_of_ordinary_runs() -> None:
    problem = make(8, gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]), 0.0, 1.0)
    he = gfc.initializations.He()
    theta = np.stack([he.draw(problem.network, np.random.default_rng(s)) for s in range(40)])
    for flow in ("standard-gf", "normalized-gf"):
        data = gfc.integrate(problem, gfc.integrator(flow, rtol=1e-6), theta, [0.0, 1.0, 1e2, 1e4])
        assert sum(SAID in str(message) for message in data["message"].values) <= 1


def test_a_saddle_at_which_a_flow_rests_is_called_one() -> None:
    """Where one neuron is at its minimum, two halves of it are at a saddle: the flow rests there."""
    target = gfc.targets.Polynomial([0.0, 0.0, 1.0])
    one, two = make(1, target, 0.0, 1.0), make(2, target, 0.0, 1.0)
    flow = gfc.integrator("standard-gf", rtol=1e-10)
    data = gfc.integrate(one, flow, np.array([0.6, -0.3, 0.5, 0.1]), [0.0, 1e6])
    w, b, v, c = gfc.parameters(data)[0, -1]
    halves = np.array([w, w, b, b, 0.5 * v, 0.5 * v, c])
    still, _, rates = stationary(two, halves[None])
    least = np.linalg.eigvalsh(two.hessian(halves))[0]
    assert still[0]
    assert least < -1e-3
    assert rates[0] == pytest.approx(-least, rel=1e-9)
    for times, said in (([0.0, 1e-3, 1e6], True), ([0.0, 1e-3, 1e-2], False)):
        data = gfc.integrate(two, flow, halves, times)
        assert data["status"].values[0] == gfc.Status.STATIONARY
        assert ("this is a saddle" in str(data["message"].values[0])) == said
