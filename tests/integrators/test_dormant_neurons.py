"""Neurons that hardly any input activates: they come back when the exact flow says so.

The reference integrates ln l, the logarithm of the distance of one neuron's breakpoint from the end of the
inputs, in the place of its bias: with SciPy, for any l, and that neuron's own gradient by Gauss's rule.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import gfcompare as gfc
from gfcompare.integrators.dead_neurons import dead
from gfcompare.kernels import dormant

FLOWS = ("standard-gf", "normalized-gf")
STEP = gfc.targets.Step()
come_to_rest, before_rest = dormant._come_to_rest.py_func, dormant._before_rest.py_func
NODES, WEIGHTS = (lambda rule: (0.5 + 0.5 * rule[0], 0.5 * rule[1]))(np.polynomial.legendre.leggauss(8))


def make(hidden: int, target: gfc.Target = STEP, a: float = 0.0, b: float = 1.0) -> gfc.Problem:
    return gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), target, gfc.measures.Uniform(a, b))


def networks(problem: gfc.Problem, seeds: list[int], flow: str) -> np.ndarray:
    he = gfc.initializations.He()
    theta = np.stack([he.draw(problem.network, np.random.default_rng(s)) for s in seeds])
    return problem.network.normalize(theta) if flow == "normalized-gf" else theta


def reference(
    problem: gfc.Problem, theta: np.ndarray, i: int, times: np.ndarray, normalized: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return theta, (T, P), and ln l of neuron i, (T,), on [0, 1] and for the step from 0 to 1 at 1/2."""
    h = problem.network.hidden[0]
    right = theta[i] > 0.0
    end, sign = (1.0, 1.0) if right else (0.0, -1.0)

    def whole(z: np.ndarray) -> tuple[np.ndarray, float]:
        at, distance = z.copy(), float(np.exp(z[h + i]))
        at[h + i] = -at[i] * (end - sign * distance)
        return at, distance

    def velocity(_: float, z: np.ndarray) -> np.ndarray:
        at, distance = whole(z)
        gradient = problem.gradient(at)
        if distance < 1e-2:
            x = end - sign * distance * NODES
            active = np.maximum(np.outer(x, at[:h]) + at[h : 2 * h], 0.0)
            active[:, i] = abs(at[i]) * distance * (1.0 - NODES)
            residual = active @ at[2 * h : 3 * h] + at[-1] - (x >= 0.5)
            scale = 2.0 * at[2 * h + i] * distance
            gradient[i] = scale * (WEIGHTS * x * residual).sum()
            gradient[h + i] = scale * (WEIGHTS * residual).sum()
        if normalized:
            rows, along = at[: 2 * h].reshape(2, h), gradient[: 2 * h].reshape(2, h)
            along -= rows * (rows * along).sum(axis=0) / (rows**2).sum(axis=0)
        moves = -gradient
        moves[h + i] = sign * (moves[h + i] + (end - sign * distance) * moves[i]) / (at[i] * distance)
        return moves

    start = theta.copy()
    start[h + i] = np.log(abs(end + theta[h + i] / theta[i]))
    found = solve_ivp(velocity, (0.0, times[-1]), start, method="LSODA", t_eval=times, rtol=1e-10, atol=1e-12)
    return np.array([whole(z)[0] for z in found.y.T]), found.y[h + i]


@pytest.mark.parametrize(
    ("flow", "seed", "neuron", "lowest"),
    [("standard-gf", 261, 2, -183.9), ("normalized-gf", 77, 2, -144.0), ("normalized-gf", 212, 2, -24.5)],
)
def test_a_neuron_comes_back_when_the_exact_flow_says_so(
    flow: str, seed: int, neuron: int, lowest: float
) -> None:
    problem = make(3)
    theta = networks(problem, [seed], flow)[0]
    times = np.concatenate([[0.0], np.geomspace(0.1, 1e3, 30)])
    right, logs = reference(problem, theta, neuron, times, flow == "normalized-gf")
    assert logs.min() == pytest.approx(lowest, rel=0.01)
    assert logs[-1] > -3.0
    for rtol in (1e-4, 1e-6, 1e-8):
        data = gfc.integrate(problem, gfc.integrator(flow, rtol=rtol), theta, times)
        found = gfc.parameters(data)[0]
        # An error of ln l is one of the time at which the neuron is back.
        assert np.abs(found - right).max() < 500 * max(rtol, 1e-7)
        assert (dead(problem, found) == dead(problem, theta[None])).all()
        assert not str(data["message"].values[0])


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(
    "problem",
    [
        make(8),
        make(8, gfc.targets.Sine(), 20.0, 21.0),
        gfc.Problem(
            gfc.ReLUNetwork((1, 8, 2)),
            gfc.targets.Polynomial([[0.3, 4, -12, 8], [0, 1, -1, 0]]),
            gfc.measures.Uniform(-1.0, 1.0),
        ),
    ],
    ids=["step", "far from 0", "two outputs"],
)
def test_no_neuron_dies_and_tolerances_agree(flow: str, problem: gfc.Problem) -> None:
    theta = networks(problem, list(range(24)), flow)
    before = dead(problem, theta)
    ends = []
    for rtol in (1e-6, 1e-8):
        data = gfc.integrate(problem, gfc.integrator(flow, rtol=rtol), theta, [0.0, 1.0, 1e3])
        found = gfc.parameters(data)[:, -1]
        np.testing.assert_array_equal(dead(problem, found), before)
        if flow == "normalized-gf":
            assert problem.network.distance_to_manifold(found).max() < 1e-14
        ends.append(found)
    error = np.linalg.norm(ends[0] - ends[1], axis=1) / np.linalg.norm(ends[1], axis=1)
    assert np.quantile(error, 0.9) < 1e-4


def test_a_neuron_may_rest_close_to_an_end() -> None:
    """Where the residual at the end is as small as the distance, the velocity is not proportional to it.

    One neuron, an affine target far below the initial network: the breakpoint rests at 3.4e-4 of the
    interval, nearer than where a neuron is set aside at a loose tolerance.
    """
    target = gfc.targets.Affine(slope=5.49046289936642e-05, intercept=0.0005356881733738363)
    problem = make(1, target, -5.0, 5.0)
    theta = np.array([0.2811804890267085, -0.9596549028638895, 0.8132687217235881, 0.9405647163912139])
    ends = {}
    for rtol in (1e-4, 1e-6, 1e-10):
        flow = gfc.integrator("normalized-gf", rtol=rtol)
        data = gfc.integrate(problem, flow, theta, [0.0, 1e2, 1e4, 1e6])
        assert data["status"].values[0] == gfc.Status.REACHED_END
        ends[rtol] = data["risk"].values[0]
        assert data["steps"].values[0, -1] < 2000
    assert ends[1e-4][1:] == pytest.approx(ends[1e-10][1:], rel=1e-2)
    assert ends[1e-6][1:] == pytest.approx(ends[1e-10][1:], rel=1e-3)


def test_a_neuron_that_rests_below_the_tolerance_bounds_no_step() -> None:
    """Its breakpoint rests at 2e-6 of the interval from the end, while the others go on over 10^10.

    Steps had been as short as the time in which it would grow, and states between their ends had it at
    distances from 4e-9 on.
    """
    problem = make(64, gfc.targets.AbsoluteValue(centre=0.3))
    theta = gfc.initializations.Normal().draw(problem.network, np.random.default_rng(57))
    times = [*np.geomspace(1e8, 1.3e8, 13), 1e9, 1e10]
    data = gfc.integrate(problem, gfc.integrator("normalized-gf"), theta, times)
    w, b = data["weight_1"].values[0, :13, 2, 0], data["bias_1"].values[0, :13, 2]
    assert 1.0 + b / w == pytest.approx(np.full(13, 2.1e-6), rel=0.2)
    steps = data["steps"].values[0]
    assert steps[-1] - steps[0] < 60
    tight = gfc.integrate(problem, gfc.integrator("normalized-gf", rtol=1e-8), theta, times)
    ends = gfc.parameters(data)[0, -1], gfc.parameters(tight)[0, -1]
    assert np.linalg.norm(ends[0] - ends[1]) < 1e-5 * np.linalg.norm(ends[1])


@pytest.mark.parametrize("rtol", [1e-4, 1e-6])
def test_kinks_of_others_within_its_distance_bend_a_neurons_law(rtol: float) -> None:
    """Six breakpoints within 4e-5 of the ends: what is set aside must know of those between it and the end.

    One neuron was set aside and put back for ever, from t = 10^6 on in steps of 500. And within a step of
    10^7 one at rest was read off at up to 0.1, where the interpolant had the wrong sign of its rate.
    """
    problem = make(64, gfc.targets.AbsoluteValue(centre=0.3))
    theta = gfc.initializations.Normal().draw(problem.network, np.random.default_rng(287))
    times = np.geomspace(1e6, 1e10, 49)
    found, tight = (
        gfc.integrate(problem, gfc.integrator("normalized-gf", rtol=r, max_steps=2000), theta, times)
        for r in (rtol, 1e-8)
    )
    assert found["status"].values[0] in (gfc.Status.REACHED_END, gfc.Status.STATIONARY)
    difference = gfc.parameters(found) - gfc.parameters(tight)
    assert np.abs(difference).max() < 10.0 * rtol


@given(
    log=st.floats(-80.0, 0.0),
    grown=st.floats(-5.0, 60.0),
    rest=st.floats(-30.0, -10.0),
    share=st.floats(0.0, 1.0),
)
def test_a_neuron_comes_to_rest_as_its_law_says(log: float, grown: float, rest: float, share: float) -> None:
    """l' = a l - b l^2 by its closed form, in multi-precision: forward, and backward from there."""
    log = rest + log
    with mpmath.workdps(60):
        exact = rest - mpmath.log1p(mpmath.expm1(rest - log) * mpmath.exp(-grown))
        found = come_to_rest(log, grown, rest)
        if grown > 0.0:
            assert found == pytest.approx(float(exact), abs=1e-12)
        else:
            assert found <= rest
        back = before_rest(found, share * grown, rest)
        assert back <= max(rest, found - share * grown)
        if grown > 0.0 and found < rest - 0.2:  # not where it has come to rest: when does not matter
            then = rest - mpmath.log1p(mpmath.expm1(rest - log) * mpmath.exp(-(1.0 - share) * grown))
            assert back == pytest.approx(float(then), abs=1e-9)


@pytest.mark.parametrize("seed", [77, 212])
def test_a_run_continued_from_a_stored_state_is_the_whole_run(seed: int) -> None:
    """A neuron's distance from the end is known from w and b while above rounding; below, that is said."""
    problem = make(3)
    theta = networks(problem, [seed], "normalized-gf")[0]
    times = np.concatenate([[0.0], np.geomspace(0.1, 1e3, 30)])
    flow = gfc.integrator("normalized-gf", rtol=1e-6)
    whole = gfc.parameters(gfc.integrate(problem, flow, theta, times))[0]
    distances = whole[:, 2] + whole[:, 5]  # the end is 1
    known = 0
    for k in np.flatnonzero(distances < 1e-2)[::3].tolist():
        data = gfc.integrate(problem, flow, whole[k], times[k:] - times[k])
        found = gfc.parameters(data)[0]
        said = "is not determined by the parameters" in str(data["message"].values[0])
        assert said == (distances[k] < 1e-14)  # as the stored states are that held it nearer than that
        error = np.linalg.norm(found - whole[k:], axis=1) / np.linalg.norm(whole[k:], axis=1)
        assert said or error.max() < 1e-4
        known += not said
    assert known >= 3
