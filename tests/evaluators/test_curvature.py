"""Second derivatives and extreme eigenvalues for every kind of problem."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import QUICK, any_theta, relative_error

import gfcompare as gfc
from gfcompare import measures, targets
from gfcompare.evaluators import curvature
from gfcompare.evaluators.curvature import Curvature, differences, extreme_eigenvalues

LAW = measures.TruncatedNormal(0.3, 0.4, 0.0, 1.0)
RULE = gfc.Quadrature(nodes=64)
BUMP = targets.RadialBump([0.3, 0.6], width=0.4)


def kinds():
    """Return one problem of each kind."""
    rng = np.random.default_rng(11)
    points = measures.Points(rng.normal(size=(9, 2)), rng.random(9), rng.normal(size=(9, 2)))
    return {
        "line": gfc.Problem(gfc.ReLUNetwork((1, 5, 1)), targets.Sine(), LAW),
        "deep line": gfc.Problem(gfc.ReLUNetwork((1, 5, 4, 2)), targets.Sine((1.0, -0.5)), LAW),
        "box": gfc.Problem(gfc.ReLUNetwork((2, 5, 1)), BUMP, measures.Box(), RULE),
        "deep box": gfc.Problem(gfc.ReLUNetwork((2, 4, 3, 1)), BUMP, measures.Box(), RULE),
        "points": gfc.Problem(gfc.ReLUNetwork((2, 4, 3, 2)), targets.Labels(), points),
    }


PROBLEMS = kinds()


def network(problem, seed=0):
    return any_theta(np.random.default_rng(seed), problem.network.widths)


def hessian_by_risks(problem, theta, size=2e-4):
    """Return the matrix of second differences of the risk: nothing but values is used."""
    count = theta.size
    steps = size * np.eye(count)
    pairs = [[(a, b) for a in (1, -1)] for b in (1, -1)]
    result = np.zeros((count, count))
    for signs in pairs:
        for a, b in signs:
            shifted = theta + a * steps[:, None] + b * steps[None]
            result += a * b * problem.risk(shifted)
    return result / (4 * size**2)


def products(problem, theta):
    """Return the Hessian, column by column."""
    count = theta.size
    return problem.hessian_product(np.tile(theta, (count, 1)), np.eye(count))


@pytest.mark.parametrize("kind", PROBLEMS)
def test_products_are_second_derivatives(kind):
    problem = PROBLEMS[kind]
    theta = network(problem)
    matrix = products(problem, theta)
    scale = np.abs(matrix).max()
    assert np.abs(matrix - matrix.T).max() < 1e-7 * scale
    # Second differences of the risk have an error of the first order in the shift where kinks are.
    goal = {"line": 2e-3, "deep line": 2e-3, "points": 1e-6}.get(kind, 2e-2)
    assert np.abs(hessian_by_risks(problem, theta) - matrix).max() < goal * scale


def test_differences_agree_with_the_exact_hessian():
    problem = PROBLEMS["line"]
    for seed in range(5):
        theta = network(problem, seed)
        exact = problem.hessian(theta)
        np.testing.assert_array_equal(problem.hessian_product(theta, np.eye(16)[3]), exact[3])
        found = differences(problem.gradient, theta, np.eye(16))
        assert relative_error(found, exact) < 3e-7


def test_a_deep_network_that_is_a_shallow_one():
    """With W2 = I, b2 = 0 between them, the Hessian of the outer layers is the exact one."""
    shallow = PROBLEMS["line"]
    deep = gfc.Problem(gfc.ReLUNetwork((1, 5, 5, 1)), targets.Sine(), LAW)
    theta = network(shallow, 3)
    longer = np.concatenate([theta[:10], np.eye(5).ravel(), np.zeros(5), theta[10:]])
    outer = np.r_[:10, 40:46]
    assert relative_error(products(deep, longer)[np.ix_(outer, outer)], shallow.hessian(theta)) < 1e-8


def test_points_where_the_risk_is_a_polynomial():
    """All neurons active, one hidden layer of width 1, one point: the Hessian in closed form."""
    w, b, v, c, x, y = 0.7, 0.5, -1.2, 0.3, 0.4, 1.0
    problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), targets.Labels(), measures.Points([x], None, [y]))
    a = w * x + b
    r = v * a + c - y
    slope = np.array([v * x, v, a, 1.0])
    second = np.zeros((4, 4))
    second[0, 2] = second[2, 0] = x
    second[1, 2] = second[2, 1] = 1.0
    expected = 2 * np.outer(slope, slope) + 2 * r * second
    theta = np.array([w, b, v, c])
    assert relative_error(products(problem, theta), expected) < 1e-9
    found = problem.curvature(theta, k=2)
    np.testing.assert_allclose(
        np.concatenate([found.smallest, found.largest]), np.linalg.eigvalsh(expected), rtol=0, atol=1e-8
    )


@pytest.mark.parametrize("kind", PROBLEMS)
@pytest.mark.parametrize("k", [1, 3])
def test_extreme_eigenvalues(kind, k):
    problem = PROBLEMS[kind]
    theta = network(problem, 1)
    matrix = problem.hessian(theta) if kind == "line" else products(problem, theta)
    values = np.linalg.eigvalsh(0.5 * (matrix + matrix.T))
    found = problem.curvature(theta, k=k)
    np.testing.assert_allclose(found.smallest, values[:k], rtol=0, atol=1e-8 * values[-1])
    np.testing.assert_allclose(found.largest, values[-k:], rtol=0, atol=1e-8 * values[-1])
    assert found.sharpness == found.largest[-1]


@pytest.mark.parametrize("kind", PROBLEMS)
def test_lanczos_finds_the_same(kind, monkeypatch):
    """As for many parameters, on a problem small enough for the dense matrix."""
    problem = {
        "line": gfc.Problem(gfc.ReLUNetwork((1, 30, 1)), targets.Sine(), LAW),
        "deep line": gfc.Problem(gfc.ReLUNetwork((1, 8, 8, 1)), targets.Sine(), LAW),
        "box": gfc.Problem(gfc.ReLUNetwork((2, 24, 1)), BUMP, measures.Box(), RULE),
        "deep box": gfc.Problem(gfc.ReLUNetwork((2, 8, 6, 1)), BUMP, measures.Box(), RULE),
        "points": gfc.Problem(gfc.ReLUNetwork((2, 8, 6, 1)), BUMP, measures.Box().discretize(64)),
    }[kind]
    theta = network(problem, 2)
    dense = problem.curvature(theta, k=2)
    monkeypatch.setattr(curvature, "DENSE_PARAMETERS", 10)
    found = problem.curvature(theta, k=2)
    # With few nodes the gradient bends at each of them: differences along other vectors differ.
    goal = (1e-5 if "box" in kind else 1e-6) * dense.largest[-1]
    np.testing.assert_allclose(found.largest, dense.largest, rtol=0, atol=goal)
    np.testing.assert_allclose(found.smallest, dense.smallest, rtol=0, atol=goal)


@pytest.mark.parametrize("widths", [(1, 140, 1), (1, 20, 20, 1)])
def test_more_than_four_hundred_parameters(widths):
    problem = gfc.Problem(gfc.ReLUNetwork(widths), targets.Sine(), LAW)
    theta = network(problem, 4)
    assert theta.size > curvature.DENSE_PARAMETERS
    if len(widths) == 3:
        matrix = problem.hessian(theta)
    else:
        matrix = differences(problem.gradient, theta, np.eye(theta.size))
    values = np.linalg.eigvalsh(0.5 * (matrix + matrix.T))
    found = problem.curvature(theta, k=2)
    np.testing.assert_allclose(found.largest, values[-2:], rtol=0, atol=1e-6 * values[-1])
    np.testing.assert_allclose(found.smallest, values[:2], rtol=0, atol=1e-6 * values[-1])


def test_where_nothing_depends_on_most_parameters():
    """A dead network: one eigenvalue is 2, the others 0, far more than Lanczos vectors."""
    problem = gfc.Problem(gfc.ReLUNetwork((1, 20, 20, 1)), targets.Sine(), LAW)
    theta = -np.ones(problem.network.parameter_count)
    found = problem.curvature(theta)
    assert found.sharpness == pytest.approx(2.0, rel=1e-8)
    assert found.smallest[0] == pytest.approx(0.0, abs=1e-8)


@pytest.mark.thorough
def test_at_the_end_of_a_flow_of_a_wide_network():
    """Hundreds of eigenvalues crowd at 0: Lanczos must end, and agree with the dense matrix."""
    problem = gfc.Problem(gfc.ReLUNetwork((1, 20, 20, 1)), targets.Sine(), LAW)
    theta = network(problem, 0)
    data = gfc.integrate(problem, gfc.integrator("standard-gf", rtol=1e-6), theta, [0.0, 1000.0])
    parts = []
    for k, above, below in ((1, "neuron_1", "input"), (2, "neuron_2", "neuron_1"), (3, "output", "neuron_2")):
        last = data.isel(seed=0, time=-1)
        parts += [np.ravel(last[f"weight_{k}"].transpose(above, below)), np.ravel(last[f"bias_{k}"])]
    end = np.concatenate(parts)
    assert float(problem.risk(end)) == pytest.approx(float(data["risk"].isel(seed=0, time=-1)), rel=1e-12)
    matrix = differences(problem.gradient, end, np.eye(end.size))
    values = np.linalg.eigvalsh(0.5 * (matrix + matrix.T))
    found = problem.curvature(end)
    assert found.sharpness == pytest.approx(values[-1], rel=1e-6)
    assert found.smallest[0] == pytest.approx(values[0], abs=1e-6 * values[-1])


@QUICK
@given(st.integers(2, 30), st.integers(0, 2**32 - 1))
def test_any_symmetric_matrix(size, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(size, size))
    matrix = matrix + matrix.T
    values = np.linalg.eigvalsh(matrix)
    k = int(rng.integers(1, size // 2 + 1))
    found = extreme_eigenvalues(lambda v: v @ matrix, size, k)
    np.testing.assert_allclose(found.smallest, values[:k], atol=1e-12 * size)
    np.testing.assert_allclose(found.largest, values[-k:], atol=1e-12 * size)


def test_lanczos_on_a_given_spectrum():
    values = np.concatenate([[-3.0, -2.999], np.linspace(-1e-3, 1e-3, 596), [10.0, 10.001]])
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(600, 600)))[0]
    matrix = (basis * values) @ basis.T
    found = extreme_eigenvalues(lambda v: v @ matrix, 600, 2)
    np.testing.assert_allclose(found.smallest, values[:2], atol=1e-6)
    np.testing.assert_allclose(found.largest, values[-2:], atol=1e-6)
    again = extreme_eigenvalues(lambda v: v @ matrix, 600, 2)
    assert np.array_equal(again.largest, found.largest)
    assert isinstance(found, Curvature)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_stability_of_descent(kind):
    """Along the sharpest direction, a step of 1.9 / sharpness contracts and one of 2.1 / sharpness does not.

    For the linearised step, theta -> theta - g H theta.
    """
    problem = PROBLEMS[kind]
    theta = network(problem, 5)
    sharpness = problem.curvature(theta).sharpness
    vector = np.random.default_rng(0).normal(size=theta.size)
    for _ in range(200):
        vector = problem.hessian_product(theta, vector) + sharpness * vector
        vector /= np.linalg.norm(vector)
    change = problem.hessian_product(theta, vector)
    assert vector @ change == pytest.approx(sharpness, rel=1e-3)


# ---------------------------------------------------------------------------------------------------
# Shapes, and what is refused
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PROBLEMS)
def test_shapes(kind):
    problem = PROBLEMS[kind]
    theta = np.stack([network(problem, s) for s in range(6)])
    count = theta.shape[1]
    vectors = np.random.default_rng(0).normal(size=theta.shape)
    flat = problem.hessian_product(theta, vectors)
    assert flat.shape == theta.shape
    for row, vector, product in zip(theta, vectors, flat, strict=True):
        assert np.array_equal(problem.hessian_product(row, vector), product)
    cube = (2, 3, count)
    found = problem.hessian_product(theta.reshape(cube), vectors.reshape(cube))
    assert np.array_equal(found, flat.reshape(cube))
    # One vector for all networks.
    same = problem.hessian_product(theta, vectors[0])
    assert np.array_equal(same, problem.hessian_product(theta, np.tile(vectors[0], (6, 1))))
    locked = theta[0].copy()
    locked.setflags(write=False)
    assert np.array_equal(problem.hessian_product(locked, vectors[0]), flat[0])
    assert problem.hessian_product(theta[:0], vectors[:0]).shape == (0, count)
    assert not problem.hessian_product(theta[0], np.zeros(count)).any()
    np.testing.assert_allclose(
        problem.hessian_product(theta[0], 1e6 * vectors[0]), 1e6 * flat[0], rtol=1e-6, atol=1.0
    )


@pytest.mark.parametrize("kind", PROBLEMS)
def test_what_is_refused(kind):
    problem = PROBLEMS[kind]
    theta = network(problem)
    count = theta.size
    with pytest.raises(gfc.InputError, match=f"\\({count},\\)"):
        problem.curvature(np.stack([theta, theta]))
    for k in (0, -1, count // 2 + 1):
        with pytest.raises(gfc.InputError, match="k must lie between 1 and"):
            problem.curvature(theta, k=k)
    with pytest.raises(gfc.InputError):
        problem.hessian_product(theta, theta[:-1])
    with pytest.raises(gfc.InputError):
        problem.hessian_product(theta, np.stack([theta, theta]))
    with pytest.raises(gfc.InputError):
        problem.hessian_product(np.stack([theta] * 3), np.stack([theta] * 2))
    if kind != "line":
        with pytest.raises(gfc.InputError, match="hessian_product and curvature"):
            problem.hessian(theta)


@pytest.mark.parametrize("kind", [*PROBLEMS, "wide"])
def test_a_network_that_is_no_number_has_no_curvature(kind):
    """NaN, and not an error of the eigenvalue routine: a trajectory that diverged is drawn up to there."""
    wide = gfc.Problem(gfc.ReLUNetwork((1, 20, 20, 1)), targets.Sine(), LAW)
    problem = wide if kind == "wide" else PROBLEMS[kind]
    theta = network(problem)
    theta[-1] = np.nan
    found = problem.curvature(theta)
    assert np.isnan(found.sharpness)
    assert np.isnan(found.smallest).all()
    assert not np.isfinite(problem.hessian_product(theta, np.ones(theta.size))).all()
