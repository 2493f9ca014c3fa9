"""The descent methods against plain loops, their schedules and clocks, and what can go wrong."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    QUICK,
    Stream,
    backprop,
    gauss_gradient,
    measure_case,
    parameters,
    project,
    random_theta,
    setting,
    status,
    target_case,
)

import gfcompare as gfc
from gfcompare.integrators.schedules import steps_until


def descend(case, name, times, theta=None, seed=0, **options):
    """Run a method; return (theta (M, T, P), dataset)."""
    start = case.theta if theta is None else theta
    data = gfc.integrate(case.problem, gfc.integrator(name, **options), start, times, seed=seed)
    return parameters(data), data


def loop(case, theta, sizes, *, normalize=False):
    """Gradient descent as a plain loop over a brute-force gradient."""
    theta = theta.copy()
    if normalize:
        theta = case.problem.network.normalize(theta)
    for size in sizes:
        g = gauss_gradient(case.target, case.measure, theta, case.hidden)
        theta = theta - size * (project(theta, g, case.hidden) if normalize else g)
        if normalize:
            norms = np.hypot(theta[: case.hidden], theta[case.hidden : 2 * case.hidden])
            theta[: case.hidden] /= norms
            theta[case.hidden : 2 * case.hidden] /= norms
    return theta


# ---------------------------------------------------------------------------------------------------
# Against loops
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 3])
def test_one_step(outputs):
    case = setting("sine", "density", hidden=7, outputs=outputs, count=3)
    found, data = descend(case, "gd", [0.0, 0.05], step_size=0.05)
    assert np.array_equal(found[:, 0], case.theta)
    assert np.array_equal(data["steps"].values, [[0, 1]] * 3)
    for m in range(3):
        gradient = gauss_gradient(case.target, case.measure, case.theta[m], 7)
        assert np.abs(found[m, 1] - (case.theta[m] - 0.05 * gradient)).max() < 1e-13
    # The compiled step and the gradient that users call agree to the last rounding.
    stepped = case.theta - 0.05 * case.problem.gradient(case.theta)
    assert np.abs(found[:, 1] - stepped).max() < 1e-15 * np.abs(case.theta).max() * 4


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("outputs", [1, 2])
def test_many_steps_equal_a_loop(normalize, outputs):
    case = setting("piecewise-linear", "density", hidden=5, outputs=outputs, count=2)
    found, _ = descend(case, "gd", [0.02 * 200], step_size=0.02, normalize=normalize)
    for m in range(2):
        expected = loop(case, case.theta[m], [0.02] * 200, normalize=normalize)
        assert np.abs(found[m, 0] - expected).max() < 1e-11


def test_normalized_descent_is_projection_and_retraction():
    case = setting("sine", hidden=6, count=2)
    network = case.problem.network
    found, _ = descend(case, "gd", [0.0, 0.1, 0.2], step_size=0.1, normalize=True)
    theta = network.normalize(case.theta)
    assert np.array_equal(found[:, 0], theta)
    for index in (1, 2):
        theta = network.retract(theta - 0.1 * network.project(theta, case.problem.gradient(theta)))
        assert np.abs(found[:, index] - theta).max() < 1e-14


@pytest.mark.parametrize("name", ["gd", "sgd"])
def test_normalized_descent_stays_on_the_manifold(name):
    case = setting("sine", hidden=16, count=2)
    found, data = descend(case, name, np.geomspace(0.1, 500, 20), step_size=0.05, normalize=True)
    norms = np.hypot(found[..., :16], found[..., 16:32])
    assert np.abs(norms - 1).max() < 1e-14
    assert data["distance_to_manifold"].values.max() < 1e-14
    assert int(data["steps"].values[0, -1]) == 10_000
    assert data.attrs is not None
    assert gfc.integrator(name, normalize=True).on_manifold
    assert not gfc.integrator(name).on_manifold


@pytest.mark.sampled
@pytest.mark.parametrize("measure", ["uniform", "piecewise-polynomial", "truncated-normal"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("hidden", "batch"), [(5, 1), (5, 7), (5, 80), (66, 34), (120, 200)])
@pytest.mark.parametrize("outputs", [1, 2])
def test_stochastic_steps_equal_a_loop(hidden, batch, outputs, normalize, measure):
    """Points drawn by an independent generator and the measure's quantile, gradients by back-propagation.

    The largest batch is summed in the order of the points, the others neuron by neuron.
    """
    case = setting("sine", measure, hidden=hidden, outputs=outputs, count=2)
    streams = np.random.default_rng(3).integers(0, 2**64, size=(2, 4), dtype=np.uint64)
    start = case.problem.network.normalize(case.theta) if normalize else case.theta
    sizes = np.array([0.05, 0.01, 0.02, 0.1, 0.03])
    found, taken, after = case.problem.descend_sampled(
        start, sizes, batch_size=batch, streams=streams, normalize=normalize
    )
    assert np.array_equal(taken, [5, 5])
    for m in range(2):
        stream, theta = Stream(streams[m]), start[m].copy()
        for size in sizes:
            x = case.problem.measure.quantile([next(stream) for _ in range(batch)])
            g = backprop(theta, hidden, x, case.target.formula(x), np.full(batch, 1 / batch))
            theta = theta - size * (project(theta, g, hidden) if normalize else g)
            theta = case.problem.network.retract(theta) if normalize else theta
        assert np.abs(found[m] - theta).max() < 1e-12
        assert [int(s) for s in after[m]] == stream.state


# ---------------------------------------------------------------------------------------------------
# Schedules and clocks
# ---------------------------------------------------------------------------------------------------

SCHEDULES: list[gfc.StepSize] = [
    0.03,
    gfc.PolynomialDecay(0.1, power=0.5, scale=10.0),
    gfc.PolynomialDecay(0.1, power=1.0, scale=2.0),
    gfc.PolynomialDecay(0.1, power=0.0),
    gfc.PiecewiseConstant([5, 20], [0.02, 0.1, 0.01]),
]


def size_of(rule, n):
    """Size of step n, of a number or an array of steps, by the formula in the documentation."""
    if isinstance(rule, gfc.PolynomialDecay):
        return rule.initial / (1 + n / rule.scale) ** rule.power
    if isinstance(rule, gfc.PiecewiseConstant):
        passed = sum((n >= boundary for boundary in rule.boundaries), start=0 * n)
        return np.asarray(rule.values)[passed]
    return rule + 0.0 * n


@pytest.mark.parametrize("rule", SCHEDULES, ids=str)
def test_schedules_against_a_loop(rule):
    case = setting("sine", hidden=3, count=2)
    # The loop: step until the middle of the next step lies beyond the save time.
    times = np.array([0.0, 0.004, 0.1, 0.31, 1.0])
    clock, n, sizes, expected_clock, expected_steps = 0.0, 0, [], [], []
    for time in times:
        while clock + 0.5 * size_of(rule, n) < time:
            sizes.append(size_of(rule, n))
            clock, n = clock + sizes[-1], n + 1
        expected_clock.append(clock)
        expected_steps.append(n)
    found, data = descend(case, "gd", times, step_size=rule)
    assert np.array_equal(data["steps"].values, [expected_steps] * 2)
    assert np.allclose(data["flow_time"].values, [expected_clock] * 2, rtol=1e-14, atol=0)
    assert np.array_equal(data["gradient_evaluations"].values, data["steps"].values)
    for m in range(2):
        assert np.abs(found[m, -1] - loop(case, case.theta[m], sizes)).max() < 1e-12


@QUICK
@given(
    rule=st.one_of(
        st.floats(1e-4, 1.0),
        st.builds(gfc.PolynomialDecay, st.floats(1e-2, 1.0), st.floats(0, 1), st.floats(0.5, 100)),
        st.builds(
            lambda b, v: gfc.PiecewiseConstant(sorted(b), v[: len(b) + 1]),
            st.sets(st.integers(1, 50), max_size=3),
            st.lists(st.floats(1e-3, 1.0), min_size=4, max_size=4),
        ),
    ),
    first=st.integers(0, 30),
    steps=st.integers(0, 40_000),
    part=st.floats(-1.0, 1.0),
)
def test_the_last_step_ends_nearest_to_the_save_time(rule, first, steps, part):
    """Within a step of the end of some step: a given flow time may be more steps away than can be made."""
    end = first + steps
    reached = float(np.sum(size_of(rule, np.arange(first))))
    time = float(np.sum(size_of(rule, np.arange(end))) + part * size_of(rule, end))
    n, clock = first, reached
    for sizes, after in steps_until(rule, first, reached, time):
        assert np.allclose(sizes, size_of(rule, n + np.arange(len(sizes))), rtol=1e-13)
        n, clock = n + len(sizes), after
    assert clock == pytest.approx(np.sum(size_of(rule, np.arange(n))), rel=1e-11, abs=1e-15)
    # One step more would not come nearer, nor would one step less.
    gap = abs(clock - time)
    assert gap <= abs(clock + size_of(rule, n) - time) + 1e-9
    if n > first:
        assert gap <= abs(clock - size_of(rule, n - 1) - time) + 1e-9


def test_the_clock_of_a_constant_step_size_does_not_drift():
    case = setting("constant", hidden=1)
    data = descend(case, "gd", [1e4], step_size=0.1)[1]
    assert data["steps"].values[0, 0] == 100_000
    assert data["flow_time"].values[0, 0] == 1e4


@pytest.mark.parametrize("name", ["gd", "sgd"])
@pytest.mark.parametrize("rule", SCHEDULES, ids=str)
def test_more_save_times_change_nothing(name, rule):
    """To the bit: blocks of steps are cut elsewhere."""
    case = setting("sine", hidden=6, count=3)
    # Not longer: steps of 1 / n take exp(t) of them to flow time t.
    times = [0.0, 0.2, 0.7]
    few, few_data = descend(case, name, times, step_size=rule)
    many, many_data = descend(case, name, np.union1d(times, np.linspace(0.01, 0.69, 57)), step_size=rule)
    assert np.array_equal(few[:, -1], many[:, -1])
    assert np.array_equal(few_data["steps"].values[:, -1], many_data["steps"].values[:, -1])
    assert few_data["flow_time"].values[0, -1] == pytest.approx(
        many_data["flow_time"].values[0, -1], rel=1e-13, abs=0
    )


def test_blocks_longer_than_one_call():
    """More steps between two save times than go to compiled code at once."""
    case = setting("sine", hidden=2, count=2)
    rule = gfc.PolynomialDecay(0.01, power=0.3, scale=100.0)
    for name, step_size in itertools.product(("gd", "sgd"), (0.002, rule)):
        one, data = descend(case, name, [80.0], step_size=step_size)
        two, _ = descend(case, name, [33.3, 80.0], step_size=step_size)
        assert data["steps"].values.min() > 16_384
        assert np.array_equal(one[:, -1], two[:, -1])
        assert data["flow_time"].values[0, 0] == pytest.approx(80.0, abs=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gfc.PolynomialDecay(0.0), "initial must be positive"),
        (lambda: gfc.PolynomialDecay(0.1, power=-1.0), "power must not be negative"),
        (lambda: gfc.PolynomialDecay(0.1, scale=0.0), "scale must be positive"),
        (lambda: gfc.PiecewiseConstant([5], [0.1]), "1 boundaries need"),
        (lambda: gfc.PiecewiseConstant([5, 5], [0.1, 0.2, 0.3]), "boundaries must be increasing"),
        (lambda: gfc.PiecewiseConstant([0], [0.1, 0.2]), "boundaries must be increasing"),
        (lambda: gfc.PiecewiseConstant([5], [0.1, -0.2]), "step sizes must be positive"),
        (lambda: gfc.integrator("sgd", batch_size=0), "batch_size must be at least 1"),
    ],
)
def test_wrong_options(make, message):
    with pytest.raises(gfc.InputError, match=message):
        make()


@pytest.mark.parametrize("size", [0.0, -0.1, np.nan, np.inf])
@pytest.mark.parametrize("name", ["gd", "sgd"])
def test_wrong_step_sizes(name, size):
    with pytest.raises(gfc.InputError, match="step_size must be positive"):
        descend(setting("sine"), name, [1.0], step_size=size)


# ---------------------------------------------------------------------------------------------------
# Randomness
# ---------------------------------------------------------------------------------------------------


def test_stochastic_descent_is_reproducible_and_paired():
    case = setting("sine", hidden=4, count=3)
    theta = np.repeat(case.theta[:1], 3, axis=0)
    times = [0.1, 1.0]
    first, data = descend(case, "sgd", times, theta=theta, seed=1)
    again, _ = descend(case, "sgd", times, theta=theta, seed=1)
    other, _ = descend(case, "sgd", times, theta=theta, seed=2)
    assert np.array_equal(first, again)
    # Other study seeds and other trajectories see other points.
    for a, b in itertools.combinations([*first, *other], 2):
        assert not np.any(a[-1] == b[-1])
    # A trajectory's stream is its own: it does not depend on how many there are.
    fewer, _ = descend(case, "sgd", times, theta=theta[:2], seed=1)
    assert np.array_equal(fewer, first[:2])
    assert np.array_equal(data["sample_gradients"].values, 32 * data["steps"].values)
    assert (data["gradient_evaluations"].values == 0).all()


def test_stochastic_descent_with_a_large_batch_is_descent():
    case = setting("sine", hidden=3)
    exact, _ = descend(case, "gd", [1.0], step_size=0.05)
    noises = []
    for batch in (100, 10_000):
        runs = [descend(case, "sgd", [1.0], step_size=0.05, batch_size=batch, seed=s)[0] for s in range(12)]
        noises.append(np.sqrt(np.mean([((run - exact) ** 2).sum() for run in runs])))
    # The standard deviation falls with the square root of the batch size.
    assert 5 < noises[0] / noises[1] < 20


# ---------------------------------------------------------------------------------------------------
# Towards the flow
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalize", [False, True])
def test_descent_converges_to_the_flow_with_order_one(normalize):
    case = setting("sine", "density", hidden=4, count=3)
    name = "normalized-gf" if normalize else "standard-gf"
    flow = gfc.integrate(case.problem, gfc.integrator(name, rtol=1e-12, atol=1e-14), case.theta, [1.0])
    sizes = 2.0 ** -np.arange(6, 13)
    errors = [
        np.linalg.norm(
            descend(case, "gd", [1.0], step_size=size, normalize=normalize)[0] - parameters(flow), axis=-1
        ).ravel()
        for size in sizes
    ]
    for trajectory in np.array(errors).T:
        slope = np.polyfit(np.log(sizes), np.log(trajectory), 1)[0]
        assert abs(slope - 1) < 0.15


# ---------------------------------------------------------------------------------------------------
# How trajectories end
# ---------------------------------------------------------------------------------------------------


def diverging(case):
    """Start the second trajectory so far out that the first step overshoots. (Less far, neurons die.)"""
    theta = case.theta.copy()
    theta[1] *= 1e5
    return theta


@pytest.mark.parametrize("name", ["gd", "sgd"])
def test_too_large_a_step_size_diverges_and_harms_nobody(name):
    case = setting("sine", hidden=4, count=3)
    theta = diverging(case)
    times = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 1.0, 10.0])
    found, data = descend(case, name, times, theta=theta, step_size=0.05)
    ends = status(data)
    assert ends[0] == ends[2] == gfc.Status.REACHED_END
    assert ends[1] == gfc.Status.DIVERGED
    calm, _ = descend(case, name, times, step_size=0.05)
    assert np.array_equal(found[[0, 2]], calm[[0, 2]])
    known = int(np.isfinite(found[1]).all(axis=1).sum())
    assert 1 <= known < len(times)
    assert np.isfinite(found[1, :known]).all()
    assert np.isnan(found[1, known:]).all()
    assert np.isfinite(data["risk"].values[1, :known]).all()
    assert (data["steps"].values[1, known:] == -1).all()
    assert data["end_time"].values[1] <= 10.0
    message = str(data["message"].values[1])
    assert "left 1e+10 at step" in message


def test_divergence_ends_at_the_step_that_leaves_the_ball():
    """A step size above 1 makes even the output bias unstable: it doubles about every step."""
    case = setting("sine", hidden=4, count=3)
    times = np.arange(0.0, 90.0, 1.5)
    found, data = descend(case, "gd", times, step_size=1.5)
    for m in range(3):
        steps, current = 0, case.theta[m].copy()
        while np.linalg.norm(current) <= 1e10 and steps < 200:
            current = current - 1.5 * case.problem.gradient(current)
            steps += 1
        assert 5 < steps < 60
        assert status(data)[m] == gfc.Status.DIVERGED
        assert f"at step {steps}, flow time {1.5 * steps:.6g}" in str(data["message"].values[m])
        assert data["end_time"].values[m] == pytest.approx(1.5 * steps, rel=1e-12, abs=0)
        # The finite part is kept: all the steps before.
        assert np.isfinite(found[m, :steps]).all()
        assert np.isnan(found[m, steps:]).all()
        assert np.linalg.norm(found[m, steps - 1]) > 1e9


def test_normalized_descent_may_diverge_too():
    case = setting("sine", hidden=4, count=2)
    _, data = descend(case, "gd", [0.0, 100.0, 1e4], step_size=10.0, normalize=True)
    assert status(data) == [gfc.Status.DIVERGED] * 2
    assert np.isfinite(data["risk"].values[:, 0]).all()


def test_not_a_number_at_the_start_ends_at_once():
    case = setting("sine", count=2)
    theta = case.theta.copy()
    theta[0, 3] = np.nan
    _, data = descend(case, "gd", [0.0, 1.0], theta=theta, step_size=0.05)
    calm, _ = descend(case, "gd", [0.0, 1.0], step_size=0.05)
    assert status(data) == [gfc.Status.DIVERGED, gfc.Status.REACHED_END]
    assert np.array_equal(parameters(data)[1], calm[1])


def test_stationary_at_a_critical_point():
    case = setting("constant", count=1)
    theta = np.array([[1.0, -1, 0, 2, -1.5, -0.1, -1, -2, 0, 0, 0, 0, 0.7]])
    for normalize in (False, True):
        found, data = descend(
            case, "gd", [0.0, 1.0, 1e9], theta=theta, step_size=0.05, normalize=normalize
        )  # 2e10 steps, not made
        assert status(data) == [gfc.Status.STATIONARY]
        assert np.array_equal(found[0, 0], found[0, 2])
    # A stochastic method only knows its batches: it goes on.
    _, data = descend(case, "sgd", [0.0, 1.0], theta=theta, step_size=0.05)
    assert status(data) == [gfc.Status.REACHED_END]


# ---------------------------------------------------------------------------------------------------
# The base for others
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HeavyBall(gfc.StepMethod):
    """Momentum, as a plugin author writes it: one step, memory passed in and returned."""

    name: ClassVar[str] = "heavy-ball"
    step_size: gfc.StepSize = 0.02
    momentum: float = 0.5

    def init(self, problem, theta, rngs) -> Any:
        return np.zeros_like(theta)

    def step(self, problem, theta, solver_state, step_size):
        velocity = self.momentum * solver_state - step_size * problem.gradient(theta)
        return theta + velocity, velocity


@dataclass(frozen=True)
class PlainDescent(gfc.StepMethod):
    """Gradient descent one step at a time, in Python."""

    name: ClassVar[str] = "plain"
    step_size: gfc.StepSize = 0.05

    def step(self, problem, theta, solver_state, step_size):
        return theta - step_size * problem.gradient(theta), solver_state


def test_a_step_method_in_python_equals_the_compiled_one():
    case = setting("sine", hidden=4, count=3)
    theta = diverging(case)
    times = [0.0, 0.3, 1.0, 5.0]
    data = gfc.integrate(case.problem, PlainDescent(), theta, times)
    compiled, expected = descend(case, "gd", times, theta=theta, step_size=0.05)
    assert status(data) == status(expected)
    for m in (0, 2):
        assert np.allclose(parameters(data)[m], compiled[m], rtol=0, atol=1e-12)
    for name in ("steps", "gradient_evaluations", "flow_time"):
        assert np.array_equal(data[name].values, expected[name].values, equal_nan=True)


def test_memory_is_carried():
    case = setting("sine", hidden=3, count=2)
    method = HeavyBall()
    data = gfc.integrate(case.problem, method, case.theta, [0.0, 0.2, 1.0])
    theta, velocity = case.theta.copy(), np.zeros_like(case.theta)
    for _ in range(50):
        velocity = 0.5 * velocity - 0.02 * case.problem.gradient(theta)
        theta = theta + velocity
    assert np.allclose(parameters(data)[:, -1], theta, rtol=0, atol=1e-13)


def test_neither_step_nor_steps():
    @dataclass(frozen=True)
    class Empty(gfc.StepMethod):
        name: ClassVar[str] = "empty"
        step_size: gfc.StepSize = 0.1

    case = setting("sine", count=2)
    with pytest.raises(gfc.InputError, match="Empty must define step or step_block"):
        gfc.integrate(case.problem, Empty(), case.theta, [0.0, 1.0])


@QUICK
@given(seed=st.integers(0, 10**6), hidden=st.integers(1, 9), outputs=st.integers(1, 3))
def test_compiled_steps_equal_steps_with_the_gradient(seed, hidden, outputs):
    rng = np.random.default_rng(seed)
    case = target_case("step", outputs, -1.0, 1.0)
    problem = gfc.Problem(
        gfc.ReLUNetwork([1, hidden, outputs]), case.target, measure_case("density", -1.0, 1.0).measure
    )
    theta = np.stack([random_theta(rng, hidden, outputs, -1.0, 1.0) for _ in range(2)])
    sizes = rng.uniform(0, 0.05, size=5)
    found, taken = problem.descend(theta, sizes)
    for size in sizes:
        theta = theta - size * problem.gradient(theta)
    assert np.array_equal(taken, [5, 5])
    assert np.abs(found - theta).max() < 1e-13 * (1 + np.abs(theta).max())


@pytest.mark.parametrize(
    "step_size",
    [gfc.PolynomialDecay(initial=0.1, power=2.0), 1e-12],
    ids=["the step sizes add up to less", "too small a step size"],
)
def test_a_save_time_out_of_reach_ends_the_trajectory(step_size):
    problem = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Affine(), gfc.measures.Uniform())
    theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(0))
    data = gfc.integrate(problem, gfc.integrator("gd", step_size=step_size), theta, [0.0, 10.0])
    assert data["status"].values.tolist() == [gfc.Status.STEP_LIMIT]
    assert "steps away" in str(data["message"].values[0])
    assert np.isfinite(data["risk"].values[0, 0])
    assert np.isnan(data["risk"].values[0, 1])


def test_a_time_limit_does_not_touch_what_reached_the_end():
    problem = gfc.Problem(gfc.ReLUNetwork((1, 4, 1)), gfc.targets.Affine(), gfc.measures.Uniform())
    theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(0))
    method = gfc.integrator("gd", step_size=0.01)
    data = gfc.integrate(problem, method, theta, [0.0, 100.0], time_limit=1e-9)
    assert data["status"].values.tolist() == [gfc.Status.TIME_LIMIT]
    data = gfc.integrate(problem, method, theta, [100.0], time_limit=1e-9)
    assert data["status"].values.tolist() == [gfc.Status.REACHED_END]
    with pytest.raises(gfc.InputError, match="time_limit must be positive"):
        gfc.integrate(problem, method, theta, [100.0], time_limit=-1.0)


# ---------------------------------------------------------------------------------------------------
# NaN is called so
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spoilt(gfc.StepMethod):
    """A method that comes to some value in place of a number."""

    name: ClassVar[str] = "spoilt"
    step_size: float = 0.1
    value: float = np.nan

    def step(self, problem, theta, solver_state, step_size):
        theta[:, 0] = self.value
        return theta, solver_state


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.nan, "theta is NaN at step 1, flow time 0.1"),
        (-np.inf, "theta is infinite at step 1, flow time 0.1"),
        (2e10, "|theta| left 1e+10 at step 1, flow time 0.1"),
    ],
)
def test_a_step_to_no_number_is_called_so(value: float, text: str) -> None:
    problem = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    data = gfc.integrate(problem, Spoilt(value=value), np.ones(7), [0.0, 1.0])
    assert data["status"].item() == gfc.Status.DIVERGED
    assert data["message"].item() == text


OVERFLOWING = [
    ("standard-gf", {}),
    ("standard-gf", {"method": "bdf"}),
    ("standard-gf", {"method": "dopri5"}),
    ("normalized-gf", {}),
]


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::gfcompare.components.errors.MethodWarning")
@pytest.mark.parametrize(("name", "options"), OVERFLOWING)
@pytest.mark.parametrize("on_points", [False, True])
def test_a_velocity_that_overflows_is_called_so(name: str, options: dict[str, str], on_points: bool) -> None:
    # theta^3 overflows: the gradient of each weight is a sum of products of three of them.
    measure = gfc.measures.Points([[0.1], [0.5], [0.9]]) if on_points else gfc.measures.Uniform()
    problem = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Sine(), measure)
    theta = 1e120 * np.array([1.0, -1.0, 0.5, 2.0, 1.0, -3.0, 0.1])
    assert not np.isfinite(problem.gradient(theta)).all()
    data = gfc.integrate(problem, gfc.integrator(name, **options), theta, [0.0, 1.0])
    assert data["status"].item() == gfc.Status.FAILED
    assert str(data["message"].item()).startswith("the velocity is not finite a")
