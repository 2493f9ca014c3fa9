"""The flows in compiled code: accuracy, independence of batch and save times, ends, degenerate networks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import examples

import gfcompare as gfc
from gfcompare.components.errors import MethodWarning
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.solvers.ndf import CompiledFlow
from gfcompare.kernels import ndf_dense
from gfcompare.kernels.flow import FlowSaves, FlowSettings, FlowTables
from gfcompare.system import threads

FLOWS = ("standard-gf", "normalized-gf")
TARGETS = {
    "cubic": gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]),
    "sine": gfc.targets.Sine(),
    "two": gfc.targets.Polynomial([[0.0, 1.0, -1.0], [1.0, -2.0, 0.5]]),
}
_SQUARE = gfc.measures.Box(0.0, 1.0, dimension=2)
_SADDLE = gfc.targets.MultivariatePolynomial([[2, 1], [1, 0]], [1.0, -1.0])
_BOTH = gfc.targets.MultivariatePolynomial([[1, 1], [0, 1]], [[1.0, -1.0], [0.5, 2.0]])
_FEW = gfc.Quadrature(nodes=48)
#: Deep on the line; one hidden layer, two outputs, in the plane, exactly and by a rule; deep in the plane.
OTHERS = {
    "deep": gfc.Problem(gfc.ReLUNetwork((1, 4, 3, 1)), TARGETS["sine"], gfc.measures.Uniform()),
    "exact plane": gfc.Problem(gfc.ReLUNetwork((2, 5, 2)), _BOTH, _SQUARE),
    "plane": gfc.Problem(gfc.ReLUNetwork((2, 5, 2)), _BOTH, _SQUARE, _FEW),
    "deep plane": gfc.Problem(gfc.ReLUNetwork((2, 3, 3, 1)), _SADDLE, _SQUARE, _FEW),
}


def make(hidden: int, target: str = "cubic") -> gfc.Problem:
    outputs = 2 if target == "two" else 1
    return gfc.Problem(gfc.ReLUNetwork((1, hidden, outputs)), TARGETS[target], gfc.measures.Uniform())


def networks(problem: gfc.Problem, count: int) -> np.ndarray:
    draw = gfc.initializations.He().draw
    return np.stack([draw(problem.network, np.random.default_rng(100 + seed)) for seed in range(count)])


def run(problem, name, theta, times, **options):
    data = gfc.integrate(problem, gfc.integrator(name, **options), theta, times)
    layers = range(1, problem.network.depth + 1)
    parts = [data[f"{part}_{k}"].values for k in layers for part in ("weight", "bias")]
    return np.concatenate([p.reshape(*p.shape[:2], -1) for p in parts], axis=2), data


@pytest.mark.sampled
@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize(("hidden", "target"), [(1, "cubic"), (5, "sine"), (16, "two"), (40, "cubic")])
def test_agrees_with_cvode_at_tight_tolerance(name, hidden, target):
    """Global error within ten times rtol of CVODE at rtol 1e-11, at every save time."""
    problem = make(hidden, target)
    theta = networks(problem, 3)
    times = [0.0, 0.1, 1.0, 10.0, 100.0, 1000.0]
    expected, _ = run(problem, name, theta, times, method="bdf", rtol=1e-11, atol=1e-13)
    for rtol in (1e-5, 1e-7):
        found, data = run(problem, name, theta, times, method="ndf", rtol=rtol)
        error = np.linalg.norm(found - expected, axis=2) / np.linalg.norm(expected, axis=2)
        assert (data["status"].values == gfc.Status.REACHED_END).all()
        assert error.max() < 10 * rtol


@pytest.mark.thorough
@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("kind", OTHERS)
def test_other_problems_agree_with_cvode_at_tight_tolerance(name, kind):
    """Global error within thirty times rtol: the flow itself makes errors grow (CVODE's are as large)."""
    problem = OTHERS[kind]
    theta = networks(problem, 3)
    times = [0.0, 0.1, 1.0, 10.0, 100.0]
    expected, _ = run(problem, name, theta, times, method="bdf", rtol=1e-12, atol=1e-14)
    for rtol in (1e-5, 1e-7):
        found, data = run(problem, name, theta, times, method="ndf", rtol=rtol)
        error = np.linalg.norm(found - expected, axis=2) / np.linalg.norm(expected, axis=2)
        assert np.isin(data["status"].values, [gfc.Status.REACHED_END, gfc.Status.STATIONARY]).all()
        assert error.max() < 30 * rtol
    if name == "normalized-gf":
        assert data["distance_to_manifold"].values.max() < 1e-14


@pytest.mark.parametrize(
    "kind",
    # Kernels of flows are compiled for each kind of data: a quarter of a minute for the exact plane alone.
    [
        "line",
        *(
            pytest.param(k, marks=pytest.mark.thorough if k in ("exact plane", "plane") else ())
            for k in OTHERS
        ),
    ],
)
def test_is_what_auto_means_under_a_density(kind):
    problem = OTHERS.get(kind) or make(4)
    theta = networks(problem, 2)
    automatic, _ = run(problem, "standard-gf", theta, [0.0, 10.0])
    compiled, _ = run(problem, "standard-gf", theta, [0.0, 10.0], method="ndf")
    other, _ = run(problem, "standard-gf", theta, [0.0, 10.0], method="bdf")
    assert np.array_equal(automatic, compiled)
    assert not np.array_equal(automatic, other)


def test_is_not_for_points():
    points = gfc.measures.Uniform().discretize(8, "quantiles")
    problem = gfc.Problem(gfc.ReLUNetwork((1, 3, 1)), TARGETS["cubic"], points)
    flow = gfc.integrator("standard-gf", method="ndf")
    with pytest.warns(MethodWarning, match="'ndf' is for the standard and the normalised flow"):
        data = gfc.integrate(problem, flow, networks(problem, 1), [0.0, 1.0])
    assert data["status"].values[0] == gfc.Status.FAILED
    assert "'ndf' is for the standard and the normalised flow" in str(data["message"].values[0])
    assert not problem.has_compiled_flow
    with pytest.raises(gfc.InputError, match="measure with a density"):
        problem.advance_flow(
            FlowTables(
                np.zeros((0, 8, 10)),
                np.zeros((0, 5)),
                np.zeros((0, 8), dtype=np.int64),
                np.zeros((0, 3)),
                np.zeros((0, 2, 3)),
                np.zeros((0, 2, 0)),
                np.zeros(0),
            ),
            np.ones(1),
            FlowSaves.empty(0, 1, 10),
            np.zeros(0, dtype=np.int64),
            FlowSettings(1e-6, 1e-8, 9, 9, 9.0, False, False, 9.0),
        )


@pytest.mark.sampled
@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("kind", ["line", *OTHERS])
def test_does_not_depend_on_neighbours_save_times_or_threads(name, kind):
    problem = OTHERS.get(kind) or make(7, "sine")
    theta = networks(problem, 9)
    theta = theta[np.linalg.norm(problem.gradient(theta), axis=1) > 1e-3]  # one may be at rest, and ends at 0
    assert len(theta) > 5
    whole, data = run(problem, name, theta, [0.0, 1.0, 50.0])
    alone, _ = run(problem, name, theta[4], [0.0, 1.0, 50.0])
    assert np.array_equal(whole[4], alone[0])
    sparse, few = run(problem, name, theta, [50.0])
    assert np.array_equal(whole[:, 2], sparse[:, 0])
    assert np.array_equal(data["gradient_evaluations"][:, 2], few["gradient_evaluations"][:, 0])
    before = threads.thread_count()
    try:
        threads.set_thread_count(1)
        single, _ = run(problem, name, theta, [0.0, 1.0, 50.0])
    finally:
        threads.set_thread_count(before)
    assert np.array_equal(whole, single)


@pytest.mark.sampled
@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", FLOWS)
def test_long_times_elsewhere(name, kind):
    """Without an exact Hessian: to 10^9, the risk non-increasing to rounding, by few nodes or many."""
    problem = OTHERS[kind]
    if problem.network.widths[0] == 2:
        problem = gfc.Problem(problem.network, problem.target, problem.measure, gfc.Quadrature(nodes=16))
    _, data = run(problem, name, networks(problem, 2), np.geomspace(1e-3, 1e9, 25))
    assert np.isin(data["status"].values, [gfc.Status.REACHED_END, gfc.Status.STATIONARY]).all()
    risk = data["risk"].values
    assert (np.diff(risk, axis=1) <= 1e-6 * risk[:, :1]).all()


#: With an exact Hessian in more dimensions than one; the third has more outputs than neurons.
DENSE = {
    "plane": OTHERS["exact plane"],
    "normal": gfc.Problem(
        gfc.ReLUNetwork((3, 4, 1)), gfc.targets.Teacher((3, 2, 1), seed=2), gfc.measures.Gaussian(dimension=3)
    ),
    "two outputs": gfc.Problem(gfc.ReLUNetwork((2, 1, 2)), _BOTH, _SQUARE),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("kind", DENSE)
def test_direct_linear_algebra_from_the_start(kind, name):
    """With the exact Hessian of the flow's own coordinates Newton's method needs one or two iterations."""
    problem = DENSE[kind]
    theta = networks(problem, 2)
    expected, _ = run(problem, name, theta, [30.0], method="bdf", rtol=1e-11, atol=1e-13)
    counted = CountedProblem(problem, 2)
    normalized = name == "normalized-gf"
    start = problem.network.normalize(theta) if normalized else theta
    velocity = -problem.gradient(start)
    velocity = problem.network.project(start, velocity) if normalized else velocity
    flow = CompiledFlow.start(
        counted, start, velocity, rtol=1e-8, atol=None, max_steps=10**5, normalized=normalized
    )
    assert flow.settings.dense
    tables = flow.tables
    tables.counts[:, 5] = 1
    saves = FlowSaves.empty(2, 1, theta.shape[1])
    for _ in range(200):
        tables, ends = counted.advance_flow(tables, np.array([30.0]), saves, flow.settings, dense=True)
        if (ends == 0).all():
            break
        assert np.isin(ends, [0, ndf_dense.LOOK]).all()
    found = problem.network.retract(saves.y[:, 0]) if normalized else saves.y[:, 0]
    error = np.linalg.norm(found - expected[:, 0], axis=1) / np.linalg.norm(expected[:, 0], axis=1)
    assert error.max() < 1e-6
    steps = tables.counts[:, 2] + tables.counts[:, 4]
    velocities = tables.counts[:, 3] / steps - problem.network.parameter_count
    assert (velocities < 4.0).all()  # beside one Hessian, which counts as P: rarely a second one


@pytest.mark.thorough
@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("kind", DENSE)
def test_long_times_with_an_exact_hessian(kind, name):
    """To 10^12 in few steps, the risk non-increasing to rounding; at 10^10 near what a tight tolerance finds.

    Not later: rounding of the velocity, 10^-16, moves parameters by 10^-4 until 10^12, and at rtol 10^-9 a
    step in which that is below the tolerance is no longer than 10^6.
    """
    problem = DENSE[kind]
    theta, times = networks(problem, 3), np.geomspace(1e-3, 1e12, 31)
    _, data = run(problem, name, theta, times)
    _, tight = run(problem, name, theta, times[times < 2e10], rtol=1e-9)
    for one in (data, tight):
        assert np.isin(one["status"].values, [gfc.Status.REACHED_END, gfc.Status.STATIONARY]).all()
        risk = one["risk"].values
        assert (np.diff(risk, axis=1) <= 1e-9 * risk[:, :1]).all()
    assert data["steps"].values.max() < 3000
    risk, right = data["risk"].values[:, tight.sizes["time"] - 1], tight["risk"].values[:, -1]
    assert risk == pytest.approx(right, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("name", FLOWS)
def test_long_times_and_rest(name):
    """To 10^12: no stall, no overflow; a constant target is learnt and the trajectory comes to rest."""
    problem = gfc.Problem(gfc.ReLUNetwork((1, 3, 1)), gfc.targets.Constant(0.5), gfc.measures.Uniform())
    theta = networks(problem, 4)
    _, data = run(problem, name, theta, np.geomspace(1e-3, 1e12, 31))
    assert np.isin(data["status"].values, [gfc.Status.REACHED_END, gfc.Status.STATIONARY]).all()
    risk = data["risk"].values
    assert (risk[:, -1] < 1e-13).all()
    assert np.all(np.diff(risk, axis=1) <= 1e-12)


def test_conserves_what_the_flow_conserves():
    problem = make(12, "sine")
    theta = networks(problem, 3)
    times = np.geomspace(0.01, 1e4, 20)
    for rtol, method in ((1e-4, "ndf"), (1e-6, "ndf"), (1e-4, "bdf"), (1e-4, "dopri5")):
        _, data = run(
            problem, "standard-gf", theta, times[: 20 if method == "ndf" else 10], rtol=rtol, method=method
        )
        assert data["balancedness_drift"].values.max() < 1e-12
    _, data = run(problem, "normalized-gf", theta, times)
    assert data["distance_to_manifold"].values.max() < 1e-14


def test_ends_are_results():
    problem = make(5)
    theta = networks(problem, 2)
    _, data = run(problem, "standard-gf", theta, [0.0, 0.01, 1e5], max_steps=30)
    assert (data["status"].values == gfc.Status.STEP_LIMIT).all()
    assert np.isfinite(data["risk"].values[:, :2]).all()
    assert np.isnan(data["risk"].values[:, 2]).all()
    assert (data["end_time"].values > 0.01).all()
    assert "30 steps made by flow time" in str(data["message"].values[0])
    # From nowhere near: the first step already leaves the ball that counts as finite.
    far = theta.copy()
    far[1, -1] = 2e10
    _, data = run(problem, "standard-gf", far, [0.0, 1e-9, 1.0])
    assert data["status"].values.tolist() == [gfc.Status.REACHED_END, gfc.Status.DIVERGED]


def test_what_is_no_number_ends_and_harms_nobody():
    problem = make(5)
    theta = networks(problem, 3)
    good, _ = run(problem, "standard-gf", theta, [0.0, 1.0])
    theta[1, 2] = np.nan
    found, data = run(problem, "standard-gf", theta, [0.0, 1.0])
    assert np.array_equal(found[[0, 2]], good[[0, 2]])
    assert data["status"].values[1] not in (gfc.Status.REACHED_END, gfc.Status.STATIONARY)


TAME = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 0.25, 2.0, -2.0, 0.3, 1e-8])


@pytest.mark.thorough
@examples(60)
@given(st.integers(1, 5), st.data())
def test_degenerate_networks_get_through(hidden, data):
    """Zero weights, equal breakpoints, breakpoints on the ends: the risk falls and the end is reached."""
    problem = make(hidden)
    count = problem.network.parameter_count
    theta = np.array(data.draw(st.lists(TAME, min_size=count, max_size=count)))
    for name in FLOWS:
        _, result = run(problem, name, theta, [0.0, 1e-3, 1.0, 100.0])
        assert result["status"].values[0] in (gfc.Status.REACHED_END, gfc.Status.STATIONARY)
        assert np.all(np.diff(result["risk"].values[0]) <= 1e-9)


def test_error_falls_with_the_tolerance():
    """Proportionally, over six decades: what error control per step promises."""
    problem = make(8)
    theta = networks(problem, 4)
    expected, _ = run(problem, "standard-gf", theta, [20.0], rtol=1e-13, atol=1e-15)
    tolerances = np.array([1e-4, 1e-6, 1e-8, 1e-10])
    errors = []
    for rtol in tolerances:
        found, _ = run(problem, "standard-gf", theta, [20.0], rtol=rtol)
        errors.append(np.linalg.norm(found - expected, axis=2).mean())
    slope = np.polyfit(np.log(tolerances), np.log(errors), 1)[0]
    assert 0.75 < slope < 1.25
