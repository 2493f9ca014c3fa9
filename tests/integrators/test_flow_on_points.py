"""The flow on finitely many points, against gradient descent with small steps and what it must obey."""

from __future__ import annotations

import numpy as np
import pytest

import gfcompare as gfc

FLOWS = ("standard-gf", "normalized-gf")


def problem(widths=(1, 8, 1), points=12, seed=0):
    measure = gfc.measures.Uniform().discretize(points, "random", seed)
    return gfc.Problem(gfc.ReLUNetwork(widths), gfc.targets.Sine(), measure)


def networks(case, count):
    draw = gfc.initializations.He().draw
    return np.stack([draw(case.network, np.random.default_rng(seed)) for seed in range(count)])


def run(case, method, theta, times):
    data = gfc.integrate(case, method, theta, times)
    names = [n for k in range(1, case.network.depth + 1) for n in (f"weight_{k}", f"bias_{k}")]
    return np.concatenate([data[n].values.reshape(*data["risk"].shape, -1) for n in names], axis=2), data


@pytest.mark.sampled
@pytest.mark.parametrize("name", FLOWS)
def test_gradient_descent_converges_to_it_with_order_one(name):
    """Also where it slides along kinks: there descent jumps from one side to the other."""
    case = problem()
    theta = networks(case, 4)
    exact, data = run(case, gfc.integrator(name, rtol=1e-9), theta, [5.0])
    assert data["activation_changes"].values[:, -1].max() > 5
    assert any("slid along" in str(m) for m in data["message"].values)
    assert (data["status"].values == gfc.Status.REACHED_END).all()
    errors = []
    for size in (1e-3, 1e-4):
        method = gfc.integrator("gd", step_size=size, normalize=name == "normalized-gf")
        found, _ = run(case, method, theta, [5.0])
        errors.append(np.abs(found - exact).max(axis=(1, 2)))
    order = np.log10(errors[0] / errors[1])
    assert np.all(np.abs(order - 1.0) < 0.15)


@pytest.mark.thorough
@pytest.mark.parametrize("name", FLOWS)
def test_error_falls_with_the_tolerance_across_kinks(name):
    case = problem(points=20, seed=3)
    theta = networks(case, 4)
    exact, _ = run(case, gfc.integrator(name, rtol=1e-12, atol=1e-14), theta, [3.0])
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        found, _ = run(case, gfc.integrator(name, rtol=rtol), theta, [3.0])
        errors.append(np.abs(found - exact).max())
    assert errors[2] < 1e-6
    assert errors[2] < errors[1] < errors[0]


@pytest.mark.thorough
def test_risk_falls_and_what_is_conserved_stays():
    case = problem((1, 6, 1), 16)
    theta = networks(case, 4)
    times = np.geomspace(1e-3, 20.0, 200)
    _, standard = run(case, gfc.integrator("standard-gf", rtol=1e-8), theta, times)
    _, normalized = run(case, gfc.integrator("normalized-gf", rtol=1e-8), theta, times)
    for data in (standard, normalized):
        assert np.all(np.diff(data["risk"].values, axis=1) <= 1e-9)
    assert standard["balancedness_drift"].values.max() < 1e-6
    assert normalized["distance_to_manifold"].values.max() < 1e-14


def test_changes_are_counted_by_the_flow_alone():
    case = problem()
    theta = networks(case, 3)
    _, flow = run(case, gfc.integrator("standard-gf"), theta, [0.0, 1.0, 10.0])
    assert np.all(np.diff(flow["activation_changes"].values, axis=1) >= 0)
    for method in (gfc.integrator("gd"), gfc.integrator("standard-gf", method="bdf")):
        _, data = run(case, method, theta, [0.0, 0.1])
        assert (data["activation_changes"].values == -1).all()


def test_deep_networks_cross_kinks_or_say_where_they_stop():
    case = problem((1, 4, 3, 1), 10)
    theta = networks(case, 12)
    _, data = run(case, gfc.integrator("standard-gf"), theta, [0.0, 0.5, 5.0])
    status = data["status"].values
    assert np.isin(status, [gfc.Status.REACHED_END, gfc.Status.KINK]).all()
    assert (status == gfc.Status.REACHED_END).any()
    for m in np.flatnonzero(status == gfc.Status.KINK):
        assert "slides along its kink at point" in str(data["message"].values[m])
        assert np.isfinite(data["risk"].values[m, 0])
        assert data["end_time"].values[m] < 5.0


def test_one_neuron_crosses_a_point_at_the_time_of_a_closed_form():
    """v = 0 and c away from the target: theta rests but for v and c, until v has grown and moves the row."""
    measure = gfc.measures.Points([0.0, 1.0], observed=[0.0, 1.0])
    case = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Labels(), measure)
    # Active at x = 1 only, with w = 1, b = -0.5: two points, one residual each.
    theta = np.array([[1.0, -0.5, 0.2, 0.1]])
    found, _ = run(case, gfc.integrator("standard-gf", rtol=1e-10), theta, [1e-3])
    w, b, v, c = theta[0]
    active = v * (w + b) + c - 1.0  # residual at x = 1
    speed = -np.array([v * active, v * active, (w + b) * active, active + (c - 0.0)])
    assert np.allclose((found[0, 0] - theta[0]) / 1e-3, speed, rtol=2e-3)
