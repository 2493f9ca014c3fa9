"""The gradient flows against independent integrators, conservation laws, and what can go wrong."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    QUICK,
    backprop,
    gauss_gradient,
    gauss_risk,
    parameters,
    project,
    setting,
    split,
    status,
)
from scipy.integrate import quad, solve_ivp
from scipy.interpolate import CubicHermiteSpline

import gfcompare as gfc
from gfcompare.components.errors import MethodWarning
from gfcompare.integrators.loop import run_block

FLOWS = ("standard-gf", "normalized-gf")


def flow(case, name, times, theta=None, **options):
    """Integrate with gfcompare; return (theta (M, T, P), dataset)."""
    data = gfc.integrate(
        case.problem, gfc.integrator(name, **options), case.theta if theta is None else theta, times
    )
    return parameters(data), data


def reference(case, theta, times, *, normalized=False, method="DOP853", rtol=1e-11, with_energy=False):
    """Integrate with scipy on a brute-force gradient; the energy |G|^2 as one more component."""

    def velocity(t, y):
        g = gauss_gradient(case.target, case.measure, y[: theta.size], case.hidden)
        g = project(y, g, case.hidden) if normalized else g
        return np.append(-g, g @ g) if with_energy else -g

    start = np.append(theta, 0.0) if with_energy else theta
    solution = solve_ivp(
        velocity, (0.0, times[-1]), start, method=method, t_eval=times, rtol=rtol, atol=rtol / 100
    )
    assert solution.success
    return solution.y.T


# ---------------------------------------------------------------------------------------------------
# Against independent integrators
# ---------------------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("method", ["bdf", "adams"])
@pytest.mark.parametrize(
    ("target", "measure", "outputs"),
    [("sine", "uniform", 1), ("step", "density", 1), ("piecewise-linear", "truncated-normal", 3)],
)
def test_standard_flow_equals_scipy(target, measure, outputs, method):
    case = setting(target, measure, outputs=outputs)
    times = np.array([0.0, 0.1, 1.0, 5.0])
    found, data = flow(case, "standard-gf", times, rtol=1e-10, atol=1e-12, method=method)
    expected = reference(case, case.theta[0], times)
    assert np.abs(found[0] - expected).max() < 3e-7
    assert np.array_equal(found[0, 0], case.theta[0])
    risks = [gauss_risk(case.target, case.measure, theta, case.hidden) for theta in expected]
    assert np.allclose(data["risk"].values[0], risks, rtol=1e-7, atol=0)


@pytest.mark.parametrize("method", ["LSODA", "Radau"])
def test_standard_flow_equals_stiff_scipy(method):
    case = setting("polynomial", hidden=3, seed=4)
    times = np.array([1.0, 30.0])
    found, _ = flow(case, "standard-gf", times, rtol=1e-10, atol=1e-12)
    expected = reference(case, case.theta[0], times, method=method, rtol=1e-9)
    assert np.abs(found[0] - expected).max() < 1e-5


@pytest.mark.parametrize("outputs", [1, 3])
def test_normalized_flow_equals_scipy(outputs):
    case = setting("piecewise-linear", "density", outputs=outputs, seed=1)
    times = np.array([0.0, 0.1, 1.0, 5.0])
    start = case.problem.network.normalize(case.theta[0])
    found, _ = flow(case, "normalized-gf", times, rtol=1e-10, atol=1e-12)
    expected = reference(case, start, times, normalized=True)
    assert np.abs(found[0] - expected).max() < 3e-7


@pytest.mark.parametrize("name", FLOWS)
def test_error_falls_with_the_tolerance(name):
    """And stays near it: at most two orders of magnitude above rtol, at t = 3; of 40 networks."""
    case = setting("sine", count=40, seed=3)
    times = [3.0]
    exact, _ = flow(case, name, times, rtol=1e-12, atol=1e-14)
    errors = []
    for rtol in (1e-3, 1e-5, 1e-7, 1e-9):
        found, _ = flow(case, name, times, rtol=rtol)
        sizes = np.abs(found - exact).max(axis=(1, 2))
        assert sizes.max() < 300 * rtol
        errors.append([np.median(sizes), sizes.max()])
    # Two decades of rtol: the median falls by 32 to 86, the largest by 13 to 73. Of 3 networks the largest
    # fell by 9.8 once.
    assert all((np.array(b) < np.array(a) / 10).all() for a, b in itertools.pairwise(errors))


@pytest.mark.parametrize("name", FLOWS)
def test_batch_equals_single_rows_and_save_times_do_not_matter(name):
    """Each trajectory has its own solver; save times are read off its interpolant."""
    case = setting("sine", count=3)
    times = np.array([0.0, 0.01, 0.5, 2.0])
    together, data = flow(case, name, times)
    for m in range(3):
        alone, _ = flow(case, name, times, theta=case.theta[m : m + 1])
        assert np.array_equal(alone[0], together[m])
    denser, dense_data = flow(case, name, np.union1d(times, np.linspace(0.1, 1.9, 37)))
    assert np.array_equal(denser[:, -1], together[:, -1])
    for counter in ("steps", "gradient_evaluations"):
        assert np.array_equal(dense_data[counter].values[:, -1], data[counter].values[:, -1])


# ---------------------------------------------------------------------------------------------------
# Conservation laws
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOWS)
def test_energy_identity(name):
    """L(0) - L(t) = int |G|^2 (|P G|^2 on M), by a spline of |G|^2 through a fine grid."""
    case = setting("sine", "density", hidden=5, seed=2)
    times = np.linspace(0.0, 4.0, 4001)
    found, data = flow(case, name, times, rtol=1e-11, atol=1e-13)
    gradient = case.problem.gradient(found[0])
    if name == "normalized-gf":
        gradient = np.stack([project(t, g, case.hidden) for t, g in zip(found[0], gradient, strict=True)])
    power = (gradient**2).sum(axis=1)
    spline = CubicHermiteSpline(times, power, np.gradient(power, times, edge_order=2))
    risk = data["risk"].values[0]
    for stop in (10, 400, 4000):
        assert risk[0] - risk[stop] == pytest.approx(spline.integrate(0, times[stop]), rel=3e-6, abs=0)
    assert risk[0] - risk[4000] > 0.05 * risk[0]


def test_energy_identity_with_an_extra_component():
    case = setting("step", hidden=3, seed=5)
    times = np.array([0.0, 0.2, 2.0])
    expected = reference(case, case.theta[0], times, with_energy=True)
    _, data = flow(case, "standard-gf", times, rtol=1e-11, atol=1e-13)
    lost = data["risk"].values[0, 0] - data["risk"].values[0]
    assert np.allclose(lost, expected[:, -1], rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("outputs", [1, 3])
def test_balancedness_is_conserved(outputs):
    case = setting("piecewise-linear", hidden=8, outputs=outputs, count=4)
    times = [0.0, 1.0, 100.0]
    for rtol in (1e-4, 1e-10):
        found, data = flow(case, "standard-gf", times, rtol=rtol)
        w, b = found[..., :8], found[..., 8:16]
        v = found[..., 16 : 16 + 8 * outputs].reshape(*found.shape[:2], outputs, 8)
        balance = w**2 + b**2 - (v**2).sum(axis=2)
        drift = np.abs(balance - balance[:, :1]).max()
        assert drift == pytest.approx(data["balancedness_drift"].values.max(), rel=1e-6, abs=1e-14)
        assert drift < 1e-13 * (found**2).sum(axis=-1).max()  # whatever the tolerance
    # The normalised flow does not conserve it: the test could fail.
    _, data = flow(case, "normalized-gf", times)
    assert data["balancedness_drift"].values.max() > 1e-2


def test_lyapunov_function_of_constant_targets():
    """V = |theta|^2 + |c - 2 xi|^2 falls by 8 int L: the identity behind the boundedness proof."""
    xi = np.array([0.7, -1.2, 0.0])
    case = setting("constant", "density", hidden=5, outputs=3)
    times = np.linspace(0.0, 2.0, 2001)
    found, data = flow(case, "standard-gf", times, rtol=1e-11, atol=1e-13)
    theta, risk = found[0], data["risk"].values[0]
    v = (theta**2).sum(axis=1) + ((theta[:, -3:] - 2 * xi) ** 2).sum(axis=1)
    slope = -(case.problem.gradient(theta) ** 2).sum(axis=1)  # dL/dt along the flow
    fallen = 8 * CubicHermiteSpline(times, risk, slope).antiderivative()(times)
    assert np.allclose(v[0] - v, fallen, rtol=1e-8, atol=1e-9)
    assert v[0] - v[-1] > 0.1


@QUICK
@given(seed=st.integers(0, 10**6), name=st.sampled_from(FLOWS), target=st.sampled_from(("sine", "step")))
def test_risk_does_not_increase(seed, name, target):
    case = setting(target, hidden=3, seed=seed)
    _, data = flow(case, name, np.geomspace(1e-3, 100, 20))
    risk = data["risk"].values[0]
    assert np.isfinite(risk).all()
    # Up to the tolerance of the solver.
    assert np.all(np.diff(risk) <= 1e-5 * risk[0])


def test_risk_of_an_affine_target_goes_to_zero():
    """Jentzen, Riekert: from a small initial risk, under the uniform measure. To 10 digits below."""
    problem = gfc.Problem(
        gfc.ReLUNetwork([1, 2, 1]), gfc.targets.Affine(1.0, 0.5), gfc.measures.Uniform(0.0, 1.0)
    )
    theta = np.array([1.1, -0.3, 0.2, -0.4, 0.9, 0.3, 0.35])
    data = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-10, atol=1e-14), theta, [0.0, 1e3])
    assert problem.risk(theta) < 0.1
    assert data["risk"].values[0, 1] < 1e-12 * data["risk"].values[0, 0]


# ---------------------------------------------------------------------------------------------------
# The submanifold
# ---------------------------------------------------------------------------------------------------


def test_every_state_of_the_normalized_flow_is_on_the_manifold():
    case = setting("sine", hidden=16, count=3)
    found, data = flow(case, "normalized-gf", np.append(0.0, np.geomspace(1e-3, 1e4, 40)))
    norms = np.hypot(found[..., :16], found[..., 16:32])
    assert np.abs(norms - 1).max() < 1e-14
    assert data["distance_to_manifold"].values.max() < 1e-14


def test_normalized_flow_starts_from_the_same_function():
    case = setting("sine", hidden=6, count=2)
    found, data = flow(case, "normalized-gf", [0.0, 1.0])
    x = np.linspace(0, 1, 101)
    before = case.problem.network.realize(case.theta, x)
    after = case.problem.network.realize(found[:, 0], x)
    assert np.abs(before - after).max() < 1e-13
    assert np.allclose(data["risk"].values[:, 0], case.problem.risk(case.theta), rtol=1e-12)
    # Rows of norm zero too: neurons that do nothing.
    theta = case.theta.copy()
    theta[:, [0, 6]] = 0.0
    found, data = flow(case, "normalized-gf", [0.0, 1.0], theta=theta)
    assert np.isfinite(found).all()
    assert np.allclose(data["risk"].values[:, 0], case.problem.risk(theta), rtol=1e-12)


def test_the_norms_of_the_solver_do_not_matter():
    """Any rho gives the same flow on M: start the solver with rows of other norms."""

    @dataclass(frozen=True)
    class Stretched(type(gfc.integrator("normalized-gf"))):
        name: ClassVar[str] = "stretched"

        def coordinates(self, problem, theta):
            y = theta.copy()
            y[:4] *= [0.1, 3.0, 1.0, 20.0]
            y[4:8] *= [0.1, 3.0, 1.0, 20.0]
            return y

    case = setting("sine")
    options = {"rtol": 1e-10, "atol": 1e-13}
    plain, _ = flow(case, "normalized-gf", [5.0], **options)
    data = gfc.integrate(case.problem, Stretched(**options), case.theta, [5.0])
    assert np.abs(parameters(data) - plain).max() < 1e-6


# ---------------------------------------------------------------------------------------------------
# How trajectories end
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ascent(gfc.FlowIntegrator):
    """The wrong sign."""

    name: ClassVar[str] = "ascent"

    def velocity(self, problem, y):
        return problem.gradient(y)


@dataclass(frozen=True)
class Broken(gfc.FlowIntegrator):
    """Raises when the output bias exceeds a bound; returns NaN below another."""

    name: ClassVar[str] = "broken"

    def velocity(self, problem, y):
        if y[-1] > 50:
            raise ZeroDivisionError("the bias is too large")
        if y[-1] < -50:
            return np.full_like(y, np.nan)
        return -problem.gradient(y)


def test_a_wrong_sign_diverges_and_harms_nobody():
    case = setting("sine", count=3)
    theta = case.theta.copy()
    theta[1] = [1, 1, 1, 1, -2, -2, -2, -2, 0.5, 0.5, 0.5, 0.5, 0.0]  # dead, optimal: stationary
    times = np.geomspace(0.01, 100, 30)
    data = gfc.integrate(case.problem, Ascent(), theta, times)
    assert status(data) == [gfc.Status.DIVERGED, gfc.Status.STATIONARY, gfc.Status.DIVERGED]
    for m in (0, 2):
        risk = data["risk"].values[m]
        known = int(np.isfinite(risk).sum())
        assert 0 < known < 30
        assert np.isfinite(risk[:known]).all()
        assert np.isnan(risk[known:]).all()
        assert np.all(np.diff(risk[:known]) > 0)
        assert (data["steps"].values[m, known:] == -1).all()
        assert data["end_time"].values[m] <= times[known]
        assert "1e+10" in str(data["message"].values[m])
    assert np.isfinite(data["risk"].values[1]).all()
    # The optimal bias is a mean of moments: 0 but for a rounding of the target's size, 1.
    assert np.allclose(parameters(data)[1], theta[1], rtol=0, atol=4 * np.finfo(float).eps)


def test_a_velocity_that_raises_fails_and_harms_nobody():
    case = setting("sine", count=4)
    theta = case.theta.copy()
    theta[1, -1], theta[3, -1] = 60.0, -60.0
    times = [0.0, 0.1, 1.0]
    with pytest.warns(MethodWarning, match="Broken failed on 2 of 4 trajectories: ZeroDivisionError"):
        data = gfc.integrate(case.problem, Broken(), theta, times)
    good, _ = flow(case, "standard-gf", times, theta=theta, method="bdf")
    found, ends = parameters(data), status(data)
    assert ends[0] == ends[2] == gfc.Status.REACHED_END
    assert ends[1] == gfc.Status.FAILED
    assert "ZeroDivisionError: the bias is too large" in str(data["message"].values[1])
    assert ends[3] in (gfc.Status.FAILED, gfc.Status.STEP_TOO_SMALL, gfc.Status.DIVERGED)
    assert str(data["message"].values[3])
    for m in (0, 2):
        # Solvers of rtol 1e-6 that take other steps (those of Broken know of no balancedness): each was
        # measured within 2.4e-6 of a run at 1e-11, both within 4e-7 of each other.
        assert np.allclose(found[m], good[m], rtol=0, atol=5e-6)
    assert np.isnan(found[3, 1:]).all()


@pytest.mark.parametrize("name", FLOWS)
def test_step_limit(name):
    case = setting("sine", count=2)
    times = [0.0, 1e-6, 10.0, 20.0]
    found, data = flow(case, name, times, max_steps=5)
    assert status(data) == [gfc.Status.STEP_LIMIT] * 2
    assert np.isfinite(found[:, :2]).all()
    assert np.isnan(found[:, 2:]).all()
    assert all("raise max_steps" in str(m) for m in data["message"].values)
    assert (data["end_time"].values >= 1e-6).all()
    assert (data["end_time"].values < 10.0).all()


@pytest.mark.parametrize("name", FLOWS)
def test_stationary_where_the_gradient_vanishes(name):
    """All neurons dead, c the mean of the target; and a network that is the target."""
    case = setting("constant", count=2)
    v = [1, 2, 3, 4] if name == "standard-gf" else [0] * 4  # no rounding: unit rows are not dyadic
    dead = np.array([1.0, -1, 0, 2, -1.5, -0.1, -1, -2, *v, 0.7])
    exact = np.array([1.0, -1, 0.5, 2, -0.5, 0.5, -0.3, -1, 0, 0, 0, 0, 0.7])
    found, data = flow(case, name, [0.0, 1.0, 1e6], theta=np.stack([dead, exact]))
    assert status(data) == [gfc.Status.STATIONARY] * 2
    assert np.array_equal(found[:, 0], found[:, 2])
    assert np.array_equal(data["flow_time"].values, np.tile([0.0, 1.0, 1e6], (2, 1)))
    assert all(s.complete for s in status(data))


@pytest.mark.parametrize("name", FLOWS)
def test_dead_neurons_never_move(name):
    """To the bit: their gradient is exactly zero, not rounding. The output bias finds the mean of f."""
    case = setting("piecewise-linear", "density")
    theta = np.array([1.0, -1, 0, 2, -1.5, -0.1, -1, -2, 1, 2, 3, 4, 0.1])
    found, _ = flow(case, name, [0.0, 1.0, 100.0], theta=theta)
    norms = np.hypot(found[0, :, :4], found[0, :, 4:8])
    assert np.array_equal(found[0, 0, :12], found[0, 2, :12])
    assert np.array_equal(norms[0], norms[2])
    mean, _ = quad(
        lambda x: float(case.target.formula(np.array([x]))[0, 0] * case.measure.formula(np.array([x]))[0]),
        0.0,
        1.0,
        points=case.target.knots,
    )
    assert found[0, 2, 12] == pytest.approx(mean, rel=1e-5, abs=0)


def test_what_is_not_a_number_is_a_result():
    """Parameters that are no numbers at the start: that trajectory ends, the others go on."""
    case = setting("sine", count=3)
    theta = case.theta.copy()
    theta[1, 2] = np.nan
    good, _ = flow(case, "standard-gf", [0.0, 1.0])
    found, data = flow(case, "standard-gf", [0.0, 1.0], theta=theta)
    assert status(data)[1] not in (gfc.Status.REACHED_END, gfc.Status.STATIONARY, gfc.Status.RUNNING)
    assert np.array_equal(found[[0, 2]], good[[0, 2]])


def test_time_limit():
    case = setting("sine", count=2)
    data = gfc.integrate(
        case.problem, gfc.integrator("standard-gf"), case.theta, [0.0, 1.0, 2.0, 3.0], time_limit=1e-9
    )
    assert status(data) == [gfc.Status.TIME_LIMIT] * 2
    assert np.isfinite(data["risk"].values[:, 0]).all()
    assert np.isnan(data["risk"].values[:, -1]).all()


def test_evaluations_are_counted_by_the_core():
    calls = []

    @dataclass(frozen=True)
    class Telling(gfc.FlowIntegrator):
        name: ClassVar[str] = "telling"

        def velocity(self, problem, y):
            calls.append(y[-1])
            return -problem.gradient(y)

    case = setting("sine", count=1)
    data = gfc.integrate(case.problem, Telling(), case.theta, [0.0, 1.0, 50.0])
    # One call more: the core looks at what it returns.
    assert data["gradient_evaluations"].values[0, -1] == len(calls) - 1
    assert np.all(np.diff(data["gradient_evaluations"].values[0]) > 0)
    assert data["steps"].values[0, -1] > 0
    assert (data["sample_gradients"].values == 0).all()
    assert (data["risk_evaluations"].values == 0).all()  # the diagnostics do not count
    assert np.all(np.diff(data["wall_time"].values[0]) >= 0)


def test_record_of_a_block_equals_the_dataset():
    case = setting("sine", count=2)
    rngs = [np.random.default_rng(m) for m in range(2)]
    record = run_block(case.problem, gfc.integrator("standard-gf"), case.theta, [0.0, 1.0], rngs)
    found, data = flow(case, "standard-gf", [0.0, 1.0])
    assert np.array_equal(record.theta, found)
    assert np.array_equal(record.status, data["status"].values)
    single = gfc.integrate(case.problem, gfc.integrator("standard-gf"), case.theta[0], [0.0, 1.0])
    assert np.array_equal(parameters(single)[0], found[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": 0.0}, "rtol must lie between"),
        ({"rtol": 1.0}, "rtol must lie between"),
        ({"atol": -1.0}, "atol must be positive"),
        ({"method": "euler"}, "unknown method 'euler'. Allowed: adams, auto, bdf, dop853, dopri5, explicit"),
        ({"max_steps": 0}, "max_steps must be at least 1"),
        ({"rtool": 1e-3}, "Did you mean 'rtol'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(gfc.InputError, match=message):
        gfc.integrator("standard-gf", **options)


@pytest.mark.parametrize("times", [[], [0.0, 0.0], [-1.0, 1.0], [1.0, 0.5], [np.nan], [0.0, np.inf], [[1.0]]])
def test_wrong_times(times):
    case = setting("sine")
    with pytest.raises(gfc.InputError, match="save times must"):
        flow(case, "standard-gf", times)


def test_wrong_parameters():
    case = setting("sine")
    with pytest.raises(gfc.InputError, match=r"theta must have shape \(\.\.\., 13\)"):
        flow(case, "standard-gf", [1.0], theta=np.zeros(12))
    with pytest.raises(gfc.InputError, match="Did you mean 'standard-gf'"):
        gfc.integrator("standart-gf")


def test_the_oracle_itself():
    """The brute-force gradient of these tests, entry by entry, against quadpack."""
    case = setting("sine", "density", hidden=2)
    theta, hidden = case.theta[0], 2
    found = gauss_gradient(case.target, case.measure, theta, hidden)
    w, b, _, _ = split(theta, hidden)

    def entry(x, p):
        x = np.array([x])
        return backprop(theta, hidden, x, case.target.formula(x), case.measure.formula(x))[p]

    points = [p for p in -b / w if 0 < p < 1]
    for p in range(theta.size):
        expected, _ = quad(entry, 0.0, 1.0, args=(p,), points=points, epsabs=1e-13, epsrel=0)
        assert found[p] == pytest.approx(expected, abs=1e-12)


def test_a_flow_that_ends_early_says_when():
    case = setting("sine", count=2)
    data = gfc.integrate(case.problem, gfc.integrator("standard-gf", max_steps=50), case.theta, [0.0, 1e4])
    assert data["status"].values.tolist() == [gfc.Status.STEP_LIMIT] * 2
    for time, message in zip(data["end_time"].values, data["message"].values, strict=True):
        assert 0 < time < 1e4
        assert f"flow time {time:.6g} " in str(message)


def test_the_solver_prints_nothing_and_others_may(capsys):
    @dataclass(frozen=True)
    class Broken(gfc.FlowIntegrator):
        name: ClassVar[str] = "broken"

        def velocity(self, problem, y):
            print("said by a plugin")
            return np.full_like(y, np.nan)

    case = setting("sine", count=1)
    with pytest.warns(MethodWarning, match=r"not finite after flow time 0\.$"):
        data = gfc.integrate(case.problem, Broken(), case.theta, [0.0, 1.0])
    assert not gfc.Status(int(data["status"].values[0])).complete
    printed = capsys.readouterr()
    assert set(printed.out.splitlines()) == {"said by a plugin"}
    assert printed.err == ""
