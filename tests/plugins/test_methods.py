"""Momentum, Adam and their like, implicit Euler, L-BFGS, the modified flow, optimisers of other libraries."""

from __future__ import annotations

import math
import re
import sys
import threading
from dataclasses import dataclass
from typing import ClassVar

import gfcompare_optax
import numpy as np
import pytest
from oracles import gauss_gradient, parameters, project, setting, status
from scipy.optimize import minimize
from support import in_process, refused

import gfcompare as gfc
from gfcompare.components.errors import MethodWarning
from gfcompare.hooks.registry import registry
from gfcompare.integrators.loop import run_block

WITH_MEMORY = ("momentum", "nesterov", "adam", "rmsprop", "adagrad")
ADAPTERS = ("torch-optim", "optax")
NEEDS = {"torch-optim": ("torch",), "optax": ("jax", "optax")}


def method(name, **options):
    """Return a method; skip the test where it needs a library that is not installed."""
    for module in NEEDS.get(name, ()):
        pytest.importorskip(module)
    return gfc.integrator(name, **options)


def follow(case, integrator, times, theta=None):
    """Run a method; return (theta (M, T, P), dataset)."""
    data = gfc.integrate(case.problem, integrator, case.theta if theta is None else theta, times)
    return parameters(data), data


def last(case, integrator, time):
    """Return theta, (M, P), at a flow time."""
    found, data = follow(case, integrator, [time])
    assert status(data) == [gfc.Status.REACHED_END] * len(found), data["message"].values
    return found[:, -1]


def order(sizes, errors):
    """Return the slope of the errors against the step sizes, both as logarithms."""
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


# ---------------------------------------------------------------------------------------------------
# The update rules, one number at a time
# ---------------------------------------------------------------------------------------------------


def heavy_ball(point, gradient, sizes, beta):
    v = [0.0] * len(point)
    for g in sizes:
        slope = gradient(point)
        for i in range(len(point)):
            v[i] = beta * v[i] + slope[i]
        point = yield [point[i] - g * v[i] for i in range(len(point))]


def look_ahead(point, gradient, sizes, beta):
    v = [0.0] * len(point)
    for g in sizes:
        slope = gradient([point[i] + beta * v[i] for i in range(len(point))])
        for i in range(len(point)):
            v[i] = beta * v[i] - g * slope[i]
        point = yield [point[i] + v[i] for i in range(len(point))]


def bias_corrected(point, gradient, sizes, beta1, beta2, epsilon):
    m, s = [0.0] * len(point), [0.0] * len(point)
    for n, g in enumerate(sizes, start=1):
        slope, after = gradient(point), []
        for i in range(len(point)):
            m[i] += (1 - beta1) * (slope[i] - m[i])
            s[i] += (1 - beta2) * (slope[i] ** 2 - s[i])
            mean, square = m[i] / (1 - math.pow(beta1, n)), s[i] / (1 - math.pow(beta2, n))
            after.append(point[i] - g * mean / (math.sqrt(square) + epsilon))
        point = yield after


def scaled(point, gradient, sizes, epsilon, kept, added):
    s = [0.0] * len(point)
    for g in sizes:
        slope = gradient(point)
        for i in range(len(point)):
            s[i] = kept * s[i] + added * slope[i] ** 2
        point = yield [point[i] - g * slope[i] / (math.sqrt(s[i]) + epsilon) for i in range(len(point))]


RULES = {
    "momentum": (heavy_ball, {"beta": 0.8}, {"beta": 0.8}),
    "nesterov": (look_ahead, {"beta": 0.8}, {"beta": 0.8}),
    "adam": (bias_corrected, *[{"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}] * 2),
    "rmsprop": (scaled, {"beta": 0.95, "epsilon": 1e-3}, {"kept": 0.95, "added": 0.05, "epsilon": 1e-3}),
    "adagrad": (scaled, {"epsilon": 1e-3}, {"kept": 1.0, "added": 1.0, "epsilon": 1e-3}),
}


def retract(theta, hidden):
    theta = np.array(theta)
    norms = np.hypot(theta[:hidden], theta[hidden : 2 * hidden])
    theta[:hidden] /= norms
    theta[hidden : 2 * hidden] /= norms
    return theta


def by_hand(case, name, theta, sizes, *, normalize):
    """Return theta after the steps of a rule, the gradient by quadrature; on M as EJRW do it."""
    rule, _, options = RULES[name]
    h = case.hidden

    def gradient(point):
        point = retract(point, h) if normalize else np.array(point)
        slope = gauss_gradient(case.target, case.measure, point, h)
        return (project(point, slope, h) if normalize else slope).tolist()

    start = case.problem.network.normalize(theta) if normalize else theta
    run = rule(start.tolist(), gradient, sizes, **options)
    point, moved = start, next(run)
    for _ in sizes:
        tangent = project(point, np.array(moved) - point, h)
        point = retract(point + tangent, h) if normalize else np.array(moved)
        try:
            moved = run.send(point.tolist())
        except StopIteration:
            return point
    raise AssertionError("the rule made more steps than there are sizes")


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("name", WITH_MEMORY)
def test_an_update_rule_by_hand_with_a_schedule(name, normalize):
    case = setting("piecewise-linear", "density", hidden=4, count=2)
    rule = gfc.PiecewiseConstant([7, 30], [0.02, 0.05, 0.01])
    sizes = [0.02] * 7 + [0.05] * 23 + [0.01] * 10
    options = RULES[name][1]
    found, data = follow(case, method(name, step_size=rule, normalize=normalize, **options), [sum(sizes)])
    assert data["steps"].values.tolist() == [[40], [40]]
    assert data["gradient_evaluations"].values.tolist() == [[40], [40]]
    for m in range(2):
        expected = by_hand(case, name, case.theta[m], sizes, normalize=normalize)
        assert np.abs(found[m, 0] - expected).max() < 1e-11


@dataclass(frozen=True)
class PlainDescent(gfc.StepMethod):
    """Gradient descent, one step at a time."""

    name: ClassVar[str] = "plain"
    step_size: gfc.StepSize = 0.05

    def step(self, problem, theta, solver_state, step_size):
        return theta - step_size * problem.gradient(theta), solver_state


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_without_momentum_it_is_gradient_descent(name):
    case = setting("sine", hidden=6, count=3)
    times = [0.05, 0.5, 5.0]
    found, _ = follow(case, method(name, beta=0.0, step_size=0.05), times)
    assert np.array_equal(found, follow(case, PlainDescent(), times)[0])
    # The compiled steps of gd round otherwise.
    assert np.abs(found - follow(case, gfc.integrator("gd", step_size=0.05), times)[0]).max() < 1e-12


@pytest.mark.parametrize("name", WITH_MEMORY)
def test_batches_are_means_over_fresh_points(name):
    """The same steps by hand, on the batches that the trajectory's own generator gives."""
    case = setting("sine", hidden=3, count=2)
    options = RULES[name][1]
    rngs = [np.random.default_rng(k) for k in (5, 6)]
    integrator = method(name, step_size=0.05, batch_size=4, **options)
    record = run_block(case.problem, integrator, case.theta, [1.0], rngs)
    assert record.sample_gradients.tolist() == [[80], [80]]
    assert record.gradient_evaluations.tolist() == [[0], [0]]
    for m, seed in enumerate((5, 6)):
        rng = np.random.default_rng(seed)
        rule, _, by_name = RULES[name]
        draw = lambda point, rng=rng: case.problem.sample_gradient(point, 4, rng).tolist()  # noqa: E731
        run = rule(case.theta[m].tolist(), draw, [0.05] * 20, **by_name)
        point = next(run)
        for _ in range(19):
            point = run.send(point)
        assert np.abs(record.theta[m, -1] - point).max() < 1e-12


# ---------------------------------------------------------------------------------------------------
# Small steps
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SignFlow(gfc.FlowIntegrator):
    """The limit of Adam and RMSprop for small steps."""

    name: ClassVar[str] = "sign-flow"
    epsilon: float = 1.0

    def velocity(self, problem, y):
        gradient = problem.gradient(y)
        return -gradient / (np.abs(gradient) + self.epsilon)


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["momentum", "nesterov", "adam", "rmsprop", "implicit-euler"])
def test_order_one_to_the_limit_of_small_steps(name):
    case = setting("affine", hidden=4, count=3, seed=1)
    options, faster = {}, 1.0
    if name in ("momentum", "nesterov"):
        options, faster = {"beta": 0.5}, 2.0
    limit = gfc.integrator("standard-gf", rtol=1e-11)
    if name in ("adam", "rmsprop"):
        limit, options = SignFlow(rtol=1e-11), {"epsilon": 1.0}
        options |= {"beta1": 0.5, "beta2": 0.9} if name == "adam" else {}
    expected = last(case, limit, faster * 1.0)
    sizes = 1.0 / np.array([50, 100, 200] if name == "implicit-euler" else [200, 400, 800])
    errors = [np.abs(last(case, method(name, step_size=g, **options), 1.0) - expected).max() for g in sizes]
    assert order(sizes, errors) == pytest.approx(1.0, abs=0.15)


@pytest.mark.thorough
@pytest.mark.parametrize("target", ["affine", "sine"])
def test_gradient_descent_follows_the_modified_flow_to_second_order(target):
    case = setting(target, hidden=4, count=3, seed=3)
    sizes = 1.0 / np.array([100, 200, 400])
    flow = last(case, gfc.integrator("standard-gf", rtol=1e-12), 1.0)
    to_flow, to_modified = [], []
    for g in sizes:
        made = last(case, gfc.integrator("gd", step_size=g), 1.0)
        modified = last(case, method("modified-flow", step_size=g, rtol=1e-12), 1.0)
        to_flow.append(np.abs(made - flow).max())
        to_modified.append(np.abs(made - modified).max())
    assert order(sizes, to_flow) == pytest.approx(1.0, abs=0.15)
    assert order(sizes, to_modified) == pytest.approx(2.0, abs=0.15)
    assert to_modified[-1] < 0.02 * to_flow[-1]


def test_the_modified_flow_is_the_gradient_flow_of_the_modified_risk():
    """Its velocity is minus the gradient of L + (g / 4) |G|^2, here by differences."""
    case = setting("sine", hidden=4, count=1)
    theta, g, step = case.theta[0], 0.3, 1e-5

    def modified(point):
        return case.problem.risk(point) + g / 4 * (case.problem.gradient(point) ** 2).sum()

    units = np.eye(theta.size)
    differences = [(modified(theta + step * e) - modified(theta - step * e)) / (2 * step) for e in units]
    velocity = method("modified-flow", step_size=g).velocity(
        gfc.CountedProblem(case.problem, 1).only(0), theta
    )
    assert np.allclose(velocity, -np.array(differences), rtol=1e-6, atol=1e-7)


def test_the_modified_flow_needs_a_smooth_risk():
    measure = gfc.measures.Discretized(gfc.measures.Uniform(0.0, 1.0), 20)
    problem = gfc.Problem(gfc.ReLUNetwork((1, 3, 1)), gfc.targets.Sine(), measure)
    with pytest.warns(MethodWarning, match="needs a smooth risk"):
        data = gfc.integrate(problem, method("modified-flow"), np.ones((1, 10)), [1.0])
    assert status(data) == [gfc.Status.FAILED]
    assert "needs a smooth risk" in str(data["message"].values[0])


# ---------------------------------------------------------------------------------------------------
# On M, in batches, with schedules, far out
# ---------------------------------------------------------------------------------------------------

STEPS = {
    "momentum": {"beta": 0.9},
    "nesterov": {"beta": 0.9},
    "adam": {},
    "rmsprop": {},
    "adagrad": {},
    "torch-optim": {"optimizer": "AdamW"},
    "optax": {"optimizer": "adamw"},
}


@pytest.mark.sampled
@pytest.mark.parametrize("batch_size", [0, 8])
@pytest.mark.parametrize("name", STEPS)
def test_on_the_manifold(name, batch_size):
    case = setting("sine", hidden=8, count=3)
    chosen = method(name, step_size=0.005, normalize=True, batch_size=batch_size, **STEPS[name])
    assert chosen.on_manifold
    assert not method(name, **STEPS[name]).on_manifold
    found, data = follow(case, chosen, np.linspace(0, 2, 9))
    norms = np.hypot(found[..., :8], found[..., 8:16])
    assert np.abs(norms - 1).max() < 1e-14
    assert np.array_equal(found[:, 0], case.problem.network.normalize(case.theta))
    assert (data["risk"].values[:, -1] < 0.9 * data["risk"].values[:, 0]).all()


EVERY = {
    **STEPS,
    "implicit-euler": {"step_size": 0.1},
    "l-bfgs": {},
    "modified-flow": {},
}


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "batch_size"), [*((name, 0) for name in EVERY), *((name, 5) for name in STEPS)]
)
def test_neighbours_and_save_times_change_nothing(name, batch_size):
    """To the bit, also where a neighbour diverges, and with the steps cut into other blocks."""
    case = setting("sine", hidden=4, count=4)
    integrator = method(name, **EVERY[name], **({"batch_size": batch_size} if batch_size else {}))
    theta = case.theta.copy()
    theta[1] *= 1e9
    times = [1.0, 2.0, 4.0]

    def run(rows, times):
        rngs = [np.random.default_rng(100 + m) for m in rows]
        record = run_block(case.problem, integrator, theta[rows], times, rngs)
        return record.theta[:, -1], record

    together, record = run([0, 1, 2, 3], times)
    for m in (0, 2, 3):
        assert record.status[m] in (gfc.Status.REACHED_END, gfc.Status.STATIONARY)
        alone, single = run([m], times)
        assert np.array_equal(together[m], alone[0])
        assert np.array_equal(record.gradient_evaluations[m], single.gradient_evaluations[0])
        assert np.array_equal(record.sample_gradients[m], single.sample_gradients[0])
        assert np.array_equal(record.risk_evaluations[m], single.risk_evaluations[0])
    if name != "modified-flow":  # a flow's last step is cut at the save time
        assert np.array_equal(run([0, 2], [0.0, 0.31, 0.32, 1.7, 4.0])[0], together[[0, 2]])


@pytest.mark.parametrize("name", [*STEPS, "implicit-euler"])
def test_schedules(name):
    case = setting("sine", hidden=4, count=2)
    options = {k: v for k, v in EVERY[name].items() if k != "step_size"}
    constant = method(name, step_size=gfc.PolynomialDecay(0.02, power=0.0), **options)
    expected = last(case, method(name, step_size=0.02, **options), 0.4)
    assert np.array_equal(last(case, constant, 0.4), expected)
    decaying = method(name, step_size=gfc.PolynomialDecay(0.02, power=0.5, scale=10.0), **options)
    _, data = follow(case, decaying, [0.4])
    assert data["steps"].values[0, 0] > 25
    assert status(data) == [gfc.Status.REACHED_END] * 2


@pytest.mark.parametrize("name", STEPS)
def test_too_large_a_step_size_is_a_status(name):
    case = setting("sine", hidden=4, count=2)
    _, data = follow(case, method(name, step_size=1e10, **STEPS[name]), [0.0, 1e10, 1e12, 1e13])
    assert status(data) == [gfc.Status.DIVERGED] * 2
    assert "left 1e+10 at step" in str(data["message"].values[0])
    assert np.isfinite(data["risk"].values[:, 0]).all()


@pytest.mark.parametrize("name", STEPS)
def test_a_vanishing_gradient_is_not_the_end_of_a_method_with_memory(name):
    case = setting("constant", count=1)
    theta = np.array([[1.0, -1, 0, 2, -1.5, -0.1, -1, -2, 0, 0, 0, 0, 0.7]])
    chosen = method(name, **STEPS[name])
    assert not chosen.deterministic
    _, data = follow(case, chosen, [0.0, 0.1], theta=theta)
    assert status(data) == [gfc.Status.REACHED_END]


# ---------------------------------------------------------------------------------------------------
# Implicit Euler
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_size", [1e-3, 0.1, 1.0, 10.0, 100.0])
def test_the_implicit_equation_holds_and_the_risk_falls(step_size):
    """The proximal inequality, which is what stability means, at step sizes that gd cannot take."""
    case = setting("sine", hidden=8, count=3)
    times = step_size * np.arange(0, 11)
    found, data = follow(case, method("implicit-euler", step_size=step_size, tolerance=1e-10), times)
    assert status(data) == [gfc.Status.REACHED_END] * 3, data["message"].values
    risk = data["risk"].values
    moves = np.diff(found, axis=1)
    squares = (moves**2).sum(axis=-1)
    gradient = case.problem.gradient(found[:, 1:])
    # Of the Newton step that was left out, (1 + g Hess) times what the tolerance allows.
    allowed = 1e-10 * np.sqrt(squares) + 1e-15 * (1 + step_size)
    residual = np.linalg.norm(moves + step_size * gradient, axis=-1)
    assert (residual <= 100 * (1 + step_size) * allowed).all()
    assert (risk[:, 1:] + squares / (2 * step_size) <= risk[:, :-1] * (1 + 1e-9)).all()


def test_implicit_euler_on_a_quadratic_is_the_resolvent():
    """With dead neurons only c moves, L = (c - xi)^2 + const: c_{n+1} - xi = (c_n - xi) / (1 + 2 g)."""
    case = setting("constant", hidden=1, count=1)
    theta = np.array([[1.0, -5.0, 0.3, 3.0]])  # never active on [0, 1]
    found, _ = follow(case, method("implicit-euler", step_size=2.0), 2.0 * np.arange(5), theta=theta)
    expected = 0.7 + 2.3 / 5.0 ** np.arange(5)
    assert np.allclose(found[0, :, 3], expected, rtol=0, atol=1e-13)
    assert np.array_equal(found[0, :, :3], np.tile(theta[0, :3], (5, 1)))


def test_where_newtons_method_does_not_converge_the_trajectory_fails_by_itself():
    case = setting("sine", hidden=4, count=2)
    theta = np.stack([case.theta[0], np.array([1.0, 1, 1, 1, -5, -6, -7, -8, 0, 0, 0, 0, 2.0])])
    chosen = method("implicit-euler", step_size=50.0, max_iterations=2)
    with pytest.warns(MethodWarning, match="ImplicitEuler failed on 1 of 2"):
        _, data = follow(case, chosen, [0.0, 50.0, 100.0], theta=theta)
    assert status(data) == [gfc.Status.FAILED, gfc.Status.REACHED_END]
    assert "did not converge in 2 iterations, step size 50" in str(data["message"].values[0])
    assert np.isfinite(data["risk"].values[0, 0])


def test_implicit_euler_rests_at_a_critical_point():
    case = setting("constant", count=1)
    theta = np.array([[1.0, -1, 0, 2, -1.5, -0.1, -1, -2, 0, 0, 0, 0, 0.7]])
    found, data = follow(case, method("implicit-euler"), [0.0, 1.0], theta=theta)
    assert status(data) == [gfc.Status.STATIONARY]
    assert np.array_equal(found[0, 0], found[0, 1])


# ---------------------------------------------------------------------------------------------------
# L-BFGS
# ---------------------------------------------------------------------------------------------------


def scipys_own(case, theta, iterations, **options):
    """Return the iterates of one uninterrupted call, and SciPy's result."""
    iterates = []
    found = minimize(
        lambda x: (float(case.problem.risk(x)), case.problem.gradient(x)),
        theta,
        jac=True,
        method="L-BFGS-B",
        callback=lambda x: iterates.append(x.copy()),
        options={"maxiter": iterations, "gtol": 1e-12, "ftol": 0.0} | options,
    )
    return iterates, found


@pytest.mark.parametrize("history", [3, 10])
def test_the_iterates_are_those_of_one_call_to_scipy(history):
    case = setting("sine", hidden=6, count=3)
    times = [0.0, 1.0, 2.0, 7.0, 7.4, 30.0, 40.0]
    found, data = follow(case, method("l-bfgs", history=history), times)
    assert data["steps"].values.tolist() == [[0, 1, 2, 7, 7, 30, 40]] * 3
    assert data["flow_time"].values.tolist() == [[0, 1, 2, 7, 7, 30, 40]] * 3
    for m in range(3):
        iterates, result = scipys_own(case, case.theta[m], 40, maxcor=history)
        for index, n in ((1, 1), (2, 2), (3, 7), (4, 7), (5, 30), (6, 40)):
            assert np.array_equal(found[m, index], iterates[n - 1])
        assert data["gradient_evaluations"].values[m, -1] == result.nfev
        assert data["risk_evaluations"].values[m, -1] == result.nfev


def test_where_scipys_test_is_passed_it_is_stationary():
    case = setting("affine", hidden=4, count=3)
    found, data = follow(case, method("l-bfgs"), [0.0, 1000.0, 2000.0])
    assert status(data) == [gfc.Status.STATIONARY] * 3
    for m in range(3):
        iterates, result = scipys_own(case, case.theta[m], 2000)
        assert np.array_equal(found[m, 2], iterates[-1])
        assert data["end_time"].values[m] == result.nit
        assert data["message"].values[m] == f"SciPy after {result.nit} iterations: {result.message}"
    assert (data["risk"].values[:, -1] < 1e-15).all()


def test_where_the_line_search_stops_short_the_step_is_too_small():
    class Jagged:
        """A risk whose gradient points uphill."""

        network = gfc.ReLUNetwork((1, 1, 1))

        def only(self, m):
            return self

        def risk(self, theta):
            return (theta**2).sum()

        def gradient(self, theta):
            return -2 * theta

    chosen = method("l-bfgs")
    state = chosen.start(Jagged(), np.ones((1, 4)), [])
    state = chosen.advance(Jagged(), state, 5.0)
    assert state.status.tolist() == [gfc.Status.STEP_TOO_SMALL]
    assert "ABNORMAL" in state.messages[0]
    assert np.array_equal(state.theta, np.ones((1, 4)))


def test_an_error_of_the_problem_comes_back_and_no_thread_is_left():
    class Broken:
        calls = 0

        def only(self, m):
            return self

        def risk(self, theta):
            self.calls += 1
            if self.calls > 3:
                raise ZeroDivisionError("deliberately wrong")
            return (theta**4).sum()

        def gradient(self, theta):
            return 4 * theta**3

    chosen, problem = method("l-bfgs"), Broken()
    before = threading.active_count()
    state = chosen.start(problem, np.ones((1, 4)), [])
    assert threading.active_count() == before  # no thread before it is needed
    state = chosen.advance(problem, state, 1.0)
    assert threading.active_count() == before + 1
    with pytest.raises(ZeroDivisionError, match="deliberately wrong"):
        chosen.advance(problem, state, 10.0)
    wait_for_threads(before)


def test_threads_end_with_the_run():
    before = threading.active_count()
    follow(setting("sine", hidden=3, count=5), method("l-bfgs"), [2.0, 4.0])
    wait_for_threads(before)


def wait_for_threads(count):
    for thread in threading.enumerate():
        if threading.active_count() <= count:
            return
        if thread is not threading.main_thread():
            thread.join(timeout=1.0)
    assert threading.active_count() <= count


# ---------------------------------------------------------------------------------------------------
# Optimisers of other libraries
# ---------------------------------------------------------------------------------------------------

SAME = [
    ("torch-optim", "SGD", {"momentum": 0.8}, "momentum", {"beta": 0.8}),
    ("torch-optim", "Adam", {"betas": [0.8, 0.95], "eps": 1e-3}, "adam", RULES["adam"][1]),
    ("torch-optim", "RMSprop", {"alpha": 0.95, "eps": 1e-3}, "rmsprop", RULES["rmsprop"][1]),
    ("torch-optim", "Adagrad", {"eps": 1e-3}, "adagrad", {"epsilon": 1e-3}),
    ("torch-optim", "SGD", {}, "momentum", {"beta": 0.0}),
    ("optax", "sgd", {"momentum": 0.8}, "momentum", {"beta": 0.8}),
    ("optax", "adam", {"b1": 0.8, "b2": 0.95, "eps": 1e-3}, "adam", RULES["adam"][1]),
    (
        "optax",
        "rmsprop",
        {"decay": 0.95, "eps": 1e-3, "eps_in_sqrt": False},
        "rmsprop",
        RULES["rmsprop"][1],
    ),
    ("optax", "sgd", {}, "momentum", {"beta": 0.0}),
]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    ("adapter", "optimizer", "keywords", "name", "options"),
    SAME,
    ids=[f"{a}-{o}-{n}" for a, o, _, n, _ in SAME],
)
def test_other_libraries_make_the_same_steps(adapter, optimizer, keywords, name, options, normalize):
    case = setting("sine", hidden=5, outputs=1, count=3)
    rule = gfc.PiecewiseConstant([10], [0.03, 0.01])
    times = [0.03, 0.06, 0.3, 0.6]
    theirs = method(adapter, optimizer=optimizer, keywords=keywords, step_size=rule, normalize=normalize)
    ours = method(name, step_size=rule, normalize=normalize, **options)
    (a, data), (b, expected) = follow(case, theirs, times), follow(case, ours, times)
    assert np.abs(a - b)[:, :2].max() < 1e-15 * np.abs(b).max() * 10
    assert np.abs(a - b).max() < 1e-12
    for counted in ("steps", "gradient_evaluations"):
        assert np.array_equal(data[counted].values, expected[counted].values)


def test_nesterov_is_that_of_torch_seen_from_the_point_ahead():
    """torch keeps theta_n + beta v_n, and v_n = theta_n - theta_{n-1}."""
    case = setting("sine", hidden=4, count=2)
    keywords = {"momentum": 0.7, "nesterov": True}
    times = 0.02 * np.arange(21)
    theirs, _ = follow(case, method("torch-optim", optimizer="SGD", keywords=keywords, step_size=0.02), times)
    ours, _ = follow(case, method("nesterov", beta=0.7, step_size=0.02), times)
    ahead = ours[:, 1:] + 0.7 * np.diff(ours, axis=1)
    assert np.abs(theirs[:, 1:] - ahead).max() < 1e-13


@pytest.mark.parametrize(
    ("adapter", "optimizer"),
    [
        *(("torch-optim", name) for name in ("ASGD", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop")),
        *(("optax", name) for name in ("adabelief", "lamb", "lars", "lion", "rprop", "yogi")),
    ],
)
def test_other_optimizers_run_and_lower_the_risk(adapter, optimizer):
    case = setting("sine", hidden=4, count=2)
    _, data = follow(case, method(adapter, optimizer=optimizer, step_size=0.01), [0.0, 0.5])
    assert (data["risk"].values[:, 1] < data["risk"].values[:, 0]).all()


def test_optimizers_see_the_layers():
    """LAMB scales the move of each weight and bias by its norm: flat parameters would move otherwise."""
    optax, jax = pytest.importorskip("optax"), pytest.importorskip("jax")
    case = setting("sine", hidden=4, count=1)
    found = last(case, method("optax", optimizer="lamb", step_size=0.01), 0.01)[0]
    layers = [np.split(case.theta[0], [4, 8, 12]), np.split(case.problem.gradient(case.theta[0]), [4, 8, 12])]
    with gfcompare_optax._double(jax):
        theta, slope = ([a.reshape(s) for a, s in zip(x, SHAPES, strict=True)] for x in layers)
        rule = optax.lamb(0.01)
        moves, _ = rule.update(slope, rule.init(theta), theta)
        expected = np.concatenate([np.asarray(t + m).ravel() for t, m in zip(theta, moves, strict=True)])
    assert np.abs(found - expected).max() < 1e-15


SHAPES = [(4, 1), (4,), (1, 4), (1,)]


def test_jax_keeps_its_precision():
    jax = pytest.importorskip("jax")
    last(setting("sine", count=1), method("optax"), 0.1)
    assert jax.numpy.zeros(1).dtype == np.float32


# ---------------------------------------------------------------------------------------------------
# Bad options
# ---------------------------------------------------------------------------------------------------

WRONG = [
    ("momentum", {"beta": 1.0}, r"beta must lie in \[0, 1\), got 1.0"),
    ("momentum", {"batch_size": -1}, "batch_size must be 0 .* got -1"),
    ("momentum", {"batch_size": 2.5}, "batch_size must be a whole number, got 2.5"),
    ("momentum", {"step_size": 0.0}, "step_size must be positive"),
    ("momentum", {"betta": 0.5}, "unknown option of 'momentum': 'betta'. Did you mean 'beta'?"),
    ("nesterov", {"beta": -0.1}, r"beta must lie in \[0, 1\)"),
    ("adam", {"beta1": 1.5}, r"beta1 must lie in \[0, 1\)"),
    ("adam", {"beta2": math.nan}, r"beta2 must lie in \[0, 1\)"),
    ("adam", {"epsilon": 0.0}, "epsilon must be positive"),
    ("rmsprop", {"beta": 1.0}, r"beta must lie in \[0, 1\)"),
    ("rmsprop", {"epsilon": -1.0}, "epsilon must be positive"),
    ("adagrad", {"epsilon": math.inf}, "epsilon must be positive and finite"),
    ("implicit-euler", {"tolerance": 0.0}, "tolerance must be in"),
    ("implicit-euler", {"max_iterations": 0}, "max_iterations must be at least 1"),
    ("l-bfgs", {"history": 0}, "history must be at least 1"),
    ("l-bfgs", {"gtol": -1.0}, "gtol must not be negative"),
    ("l-bfgs", {"ftol": -1.0}, "ftol must not be negative"),
    ("modified-flow", {"step_size": 0.0}, "step_size must be positive"),
    ("modified-flow", {"rtol": 1.0}, "rtol must lie between"),
    (
        "torch-optim",
        {"optimizer": "Addam"},
        "unknown optimizer of torch.optim: 'Addam'. Did you mean 'Adam'?",
    ),
    ("torch-optim", {"optimizer": "Optimizer"}, "unknown optimizer of torch.optim"),
    (
        "torch-optim",
        {"keywords": {"beta": 1}},
        "unknown keyword of torch.optim.Adam: 'beta'. Did you mean 'betas'",
    ),
    ("torch-optim", {"keywords": {"lr": 1}}, "unknown keyword of torch.optim.Adam: 'lr'"),
    ("torch-optim", {"keywords": {"eps": -1.0}}, "torch.optim.Adam: Invalid epsilon value"),
    ("torch-optim", {"optimizer": "LBFGS"}, "torch.optim.LBFGS: .*closure"),
    ("torch-optim", {"optimizer": "SparseAdam"}, "torch.optim.SparseAdam: .*dense gradients"),
    ("optax", {"optimizer": "adamm"}, "unknown optimizer of optax: 'adamm'. Did you mean 'adam'?"),
    ("optax", {"keywords": {"b3": 1.0}}, "unknown keyword of optax.adam: 'b3'"),
    ("optax", {"keywords": {"b1": "much"}}, "optax.adam: "),
    ("optax", {"optimizer": "lbfgs"}, "optax.lbfgs: .*value_fn"),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_options(name, options, message):
    with pytest.raises(gfc.InputError, match=message) as caught:
        method(name, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("torch-optim", "torch", "torch"), ("optax", "jax", "jax")]
)
def test_a_missing_library_is_one_message_that_names_the_extra(monkeypatch, name, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(gfc.InputError, match=rf'{module} cannot .* pip install "gfcompare\[{extra}\]"'):
        gfc.integrator(name)


# ---------------------------------------------------------------------------------------------------
# In a study
# ---------------------------------------------------------------------------------------------------


def test_the_command_line_lists_them():
    done = in_process("list", "integrators")
    for name in EVERY:
        assert f"\n{name} " in done.stdout


@pytest.mark.parametrize("name", EVERY)
def test_every_method_says_its_order_or_limit_its_cost_and_where_it_is_from(name):
    text = " ".join(registry().get("integrators", name).__doc__.split())
    assert re.search(r"doi:|arXiv:|https://", text)
    assert re.search(r"gradients?\b", text)
    assert "Parameters ----------" in text


STUDY = """\
name = "methods"
seeds = 2

[times]
end = 3.0
count = 3

[network]
widths = [1, 3, 1]

[targets.sine]

[integrators.momentum]
step_size = [0.05, 0.02]
[integrators.nesterov]
normalize = true
[integrators.adam]
batch_size = 4
step_size = { schedule = "polynomial", initial = 0.02 }
[integrators.rmsprop]
[integrators.adagrad]
[integrators.implicit-euler]
[integrators.l-bfgs]
[integrators.modified-flow]
step_size = 0.05
"""

ADAPTED = """\
[integrators.torch]
name = "torch-optim"
optimizer = ["AdamW", "NAdam"]
keywords = { betas = [0.8, 0.99], weight_decay = 0.1 }
[integrators.optax]
keywords = { b1 = 0.8, nesterov = true }
"""


def test_a_study_of_them_all(tmp_path):
    path = tmp_path / "methods.toml"
    path.write_text(STUDY, encoding="utf-8")
    tree = gfc.Study.from_toml(path).run(tmp_path / "results", jobs=1)
    data = tree["sine"].to_dataset()
    assert data.sizes["integrator"] == 9
    assert np.isin(data["status"].values, [gfc.Status.REACHED_END, gfc.Status.STATIONARY]).all()
    assert np.isfinite(data["risk"].values).all()
    assert gfc.validate(tree) is None or not gfc.validate(tree)


def test_a_study_with_other_libraries(tmp_path):
    for module in ("torch", "jax", "optax"):
        pytest.importorskip(module)
    path = tmp_path / "methods.toml"
    path.write_text(STUDY.split("[integrators.momentum]")[0] + ADAPTED, encoding="utf-8")
    study = gfc.Study.from_toml(path)
    assert study.integrators["torch[optimizer NAdam]"].keywords == {"betas": (0.8, 0.99), "weight_decay": 0.1}
    data = study.run(tmp_path / "results", jobs=1)["sine"].to_dataset()
    assert data.sizes["integrator"] == 3
    assert (data["status"].values == gfc.Status.REACHED_END).all()
    again = gfc.open_study(tmp_path / "results")["sine"].to_dataset()
    assert np.array_equal(again["risk"].values, data["risk"].values)


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("[integrators.momentum]\nbeta = 1.5", ["integrators.momentum: beta must lie in [0, 1), got 1.5"]),
        ("[integrators.adam]\nepsilom = 0.5", ["unknown key 'epsilom'. Did you mean 'epsilon'"]),
        ("[integrators.l-bfgs]\nstep_size = 0.5", ["integrators.l-bfgs: unknown key 'step_size'"]),
        (
            "[integrators.torch-optim]\noptimizer = 'adamw'",
            ["integrators.torch-optim: unknown optimizer", "'AdamW'"],
        ),
        ("[integrators.torch-optim]\nkeywords = 3", ["integrators.torch-optim.keywords: must be", "got 3"]),
        (
            "[integrators.torch-optim]\nkeywords = { beta = 3 }",
            ["keyword of torch.optim.Adam: 'beta'", "'betas'"],
        ),
    ],
)
def test_what_is_wrong_in_a_study_file(tmp_path, line, parts):
    if "torch" in line:
        pytest.importorskip("torch")
    path = tmp_path / "wrong.toml"
    path.write_text(STUDY.split("[integrators.momentum]")[0] + line, encoding="utf-8")
    with pytest.raises(gfc.InputError) as caught:
        gfc.Study.from_toml(path)
    for part in parts:
        assert part in str(caught.value)


def test_a_wrong_option_ends_the_command_line_with_one_message(tmp_path):
    path = tmp_path / "wrong.toml"
    text = STUDY.split("[integrators.momentum]")[0] + "[integrators.momentum]\nbeta = 1.5"
    path.write_text(text, encoding="utf-8")
    refused(in_process("validate", path), "integrators.momentum: beta must lie in [0, 1), got 1.5")
