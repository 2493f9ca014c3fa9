"""Three inputs, one hidden layer, a box: exact risk and gradient, and what they are used for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polytopes import cell_hessian, cell_points, cell_risk_and_gradient
from scipy.integrate import solve_ivp
from support import assert_same_bits, examples

import gfcompare as gfc
from gfcompare import measures, targets
from gfcompare.kernels import cube_risk

UNIT = ((0.0, 1.0), (0.0, 1.0), (0.0, 1.0))
CUBE = ((-1.0, 1.0), (-1.0, 1.0), (-1.0, 1.0))
BOXES = {
    "unit": UNIT,
    "flat": ((-1.0, 2.0), (0.5, 0.75), (0.0, 3.0)),
    "needle": ((-1e-3, 1e-3), (-1e3, 1e3), (0.0, 1.0)),
    "far": ((1000.0, 1001.5), (-3e4, -3e4 + 2.0), (5.0, 6.0)),
    "wide": ((-1e6, 3e6), (-2e-3, 1e-3), (1e3, 2e3)),
}
#: Errors relative to the largest entry of the gradient; measured are 4e-15 at most.
EXACT = 1e-13


def polynomial(degree: int, outputs: int = 1, seed: int = 0, box=UNIT) -> gfc.Target:
    """Return a polynomial with all terms up to a degree, of size 1 on the box."""
    rng = np.random.default_rng(seed)
    every = range(degree + 1)
    powers = [(a, b, c) for a in every for b in every for c in every if a + b + c <= degree]
    largest = np.abs(box).max(axis=1)
    sizes = np.prod(largest ** np.array(powers), axis=1)
    return targets.MultivariatePolynomial(powers, (rng.normal(size=(outputs, len(powers))) / sizes).tolist())


def block(box=UNIT) -> gfc.Measure:
    lower, upper = zip(*box, strict=True)
    return measures.Box(lower, upper, dimension=3)


def cube(target: gfc.Target, hidden: int, box=UNIT) -> gfc.Problem:
    problem = gfc.Problem(gfc.ReLUNetwork((3, hidden, target.outputs)), target, block(box))
    assert problem.evaluation.name == "shallow-cube"
    return problem


def random_theta(rng, hidden: int, outputs: int = 1, box=UNIT, spread: float = 1.1) -> np.ndarray:
    """Return parameters of a network whose planes pass by the box, of size 1 on it."""
    middle, half = np.mean(box, axis=1), 0.5 * np.ptp(box, axis=1)
    w = rng.normal(size=(hidden, 3)) / half
    b = -w @ middle + spread * rng.uniform(-1, 1, hidden) * np.abs(w * half).sum(axis=1)
    return np.concatenate([w.ravel(), b, rng.normal(size=hidden * outputs), rng.normal(size=outputs)])


def off(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


# ---------------------------------------------------------------------------------------------------
# Risk and gradient, against quadrature on the cells of the arrangement
# ---------------------------------------------------------------------------------------------------


def test_the_oracle_integrates() -> None:
    # Of x_1^2 x_2^3 x_3^2 over a box that is cut into many cells.
    rng = np.random.default_rng(0)
    rows = [(w, -w @ rng.uniform(0, 1, 3)) for w in rng.normal(size=(6, 3))]
    parts = list(cell_points(UNIT, rows))
    assert len(parts) > 20
    assert sum(m.sum() for _, m, _ in parts) == pytest.approx(1.0, rel=1e-14)
    found = sum(m @ (x[:, 0] ** 2 * x[:, 1] ** 3 * x[:, 2] ** 2) for x, m, _ in parts)
    assert found == pytest.approx(1 / 36, rel=1e-13)


@examples(40)
@given(
    seed=st.integers(0, 2**32 - 1),
    hidden=st.integers(1, 6),
    outputs=st.integers(1, 3),
    degree=st.integers(0, 3),
)
def test_random_networks(seed: int, hidden: int, outputs: int, degree: int) -> None:
    target = polynomial(degree, outputs, seed)
    theta = random_theta(np.random.default_rng(seed), hidden, outputs)
    problem = cube(target, hidden)
    risk, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (3, hidden, outputs))
    assert off(problem.gradient(theta), gradient) < EXACT
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-12)


@pytest.mark.parametrize("box", [pytest.param(box, id=name) for name, box in BOXES.items()])
def test_boxes_of_any_place_and_aspect(box) -> None:
    target = polynomial(3, 2, box=box)
    problem = cube(target, 5, box)
    middle, half = np.mean(box, axis=1), 0.5 * np.ptp(box, axis=1)

    # The reference works on a cube: far away it would have no digits.
    def moved(x: np.ndarray) -> np.ndarray:
        return target.at(middle + x * half)

    for seed in range(4):
        theta = random_theta(np.random.default_rng(seed), 5, 2, box)
        near = theta.copy()
        w = theta[:15].reshape(5, 3)
        near[:15] = (w * half).ravel()
        near[15:20] = (theta[15:20] + (w * middle.astype(np.longdouble)).sum(axis=1)).astype(float)
        risk, expected = cell_risk_and_gradient(CUBE, moved, near, (3, 5, 2))
        gradient = expected.copy()
        gradient[:15] = (expected[:15].reshape(5, 3) * half + expected[15:20, None] * middle).ravel()
        assert off(problem.gradient(theta), gradient) < 5 * EXACT
        assert problem.risk(theta) == pytest.approx(risk, rel=1e-11)


def test_a_teacher_is_exact() -> None:
    target = targets.Teacher((3, 4, 2), seed=5)
    problem = cube(target, 3)
    kinks = list(zip(target.theta[:12].reshape(4, 3), target.theta[12:16], strict=True))
    for seed in range(5):
        theta = random_theta(np.random.default_rng(seed), 3, 2)
        risk, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (3, 3, 2), kinks)
        assert off(problem.gradient(theta), gradient) < EXACT
        assert problem.risk(theta) == pytest.approx(risk, rel=1e-12)


@pytest.mark.parametrize(
    ("target", "kinks"),
    [
        (targets.Constant([0.3, -1.0]), []),
        (targets.Affine([[1.0, -2.0, 0.0], [0.5, 0.0, 1.0]], [0.1, 0.2]), []),
        (targets.Ridge(targets.Polynomial([0.1, 2.0, -1.0, 3.0]), [0.8, -0.6, 0.1]), []),
        (
            targets.Ridge(targets.AbsoluteValue(centre=0.4), [1.0, 0.5, 0.2]),
            [(np.array([1.0, 0.5, 0.2]), -0.4)],
        ),
        (
            targets.Stack([targets.Ridge(targets.AbsoluteValue(0.2), [0.0, 1.0, 0.0]), polynomial(2)]),
            [(np.array([0.0, 1.0, 0.0]), -0.2)],
        ),
    ],
    ids=["constant", "affine", "polynomial ridge", "bent ridge", "stack"],
)
def test_targets_that_are_exact(target: gfc.Target, kinks) -> None:
    problem = cube(target, 4)
    theta = random_theta(np.random.default_rng(3), 4, target.outputs)
    risk, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (3, 4, target.outputs), kinks)
    assert off(problem.gradient(theta), gradient) < EXACT
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-12)


def test_differences_of_the_risk_give_the_gradient() -> None:
    problem = cube(polynomial(3, 2), 4)
    theta = random_theta(np.random.default_rng(2), 4, 2)
    found = []
    for direction in np.eye(theta.size):
        wide, near = (
            (problem.risk(theta + h * direction) - problem.risk(theta - h * direction)) / (2 * h)
            for h in (2e-3, 1e-3)
        )
        found.append((4.0 * near - wide) / 3.0)
    assert off(np.array(found), problem.gradient(theta)) < 1e-7


# ---------------------------------------------------------------------------------------------------
# Hessian, against differences and against quadrature on the cells and their faces
# ---------------------------------------------------------------------------------------------------

KINKED = targets.Teacher((3, 4, 2), seed=3)


def kinks_of(target: gfc.Target):
    if target is not KINKED:
        return []
    return list(zip(target.theta[:12].reshape(4, 3), target.theta[12:16], strict=True))


@pytest.mark.sampled
@pytest.mark.parametrize(
    "target", [polynomial(3, 2), polynomial(0), polynomial(1, 3), KINKED], ids=["3", "0", "1", "teacher"]
)
def test_hessian_against_differences_and_quadrature(target: gfc.Target) -> None:
    problem = cube(target, 5)
    assert problem.has_hessian
    assert problem.has_dense_flow
    for seed in range(2):
        theta = random_theta(np.random.default_rng(seed), 5, target.outputs)
        hessian = problem.hessian(theta)
        assert np.array_equal(hessian, hessian.T)
        expected = cell_hessian(UNIT, target.at, theta, (3, 5, target.outputs), kinks_of(target))
        assert off(hessian, expected) < EXACT
        columns = []
        for p in range(theta.size):
            # Differences of two sizes, extrapolated.
            step = 1e-3 * max(1.0, abs(theta[p])) * np.eye(theta.size)[p]
            wide, near = (
                (problem.gradient(theta + s * step) - problem.gradient(theta - s * step)) / (2 * s)
                for s in (1.0, 0.5)
            )
            columns.append((4.0 * near - wide) / 3.0 / step[p])
        assert off(hessian, np.array(columns)) < 1e-9


@pytest.mark.parametrize("name", ["flat", "needle", "wide"])
def test_hessian_on_boxes_of_any_aspect(name: str) -> None:
    # The same network in the coordinates of a cube: there the Hessian is known.
    box = BOXES[name]
    target = polynomial(3, box=box)
    middle, half = np.mean(box, axis=1), 0.5 * np.ptp(box, axis=1)
    theta = random_theta(np.random.default_rng(3), 4, 1, box)
    near, change = theta.copy(), np.eye(theta.size)
    w = theta[:12].reshape(4, 3)
    near[:12], near[12:16] = (w * half).ravel(), theta[12:16] + w @ middle
    change[np.arange(12), np.arange(12)] = np.tile(half, 4)
    change[12 + np.repeat(np.arange(4), 3), np.arange(12)] = np.tile(middle, 4)
    inner = cell_hessian(CUBE, lambda x: target.at(middle + x * half), near, (3, 4, 1))
    expected = change.T @ inner @ change
    sizes = np.sqrt(np.abs(np.diag(expected)))
    scale = np.outer(sizes, sizes)  # entries differ by 24 orders of magnitude
    assert off(cube(target, 4, box).hessian(theta) / scale, expected / scale) < (
        1e-9 if name == "wide" else 1e-12
    )


def test_curvature_and_products_are_those_of_the_hessian() -> None:
    problem = cube(polynomial(3), 3)
    theta = random_theta(np.random.default_rng(5), 3)
    vector = np.random.default_rng(0).normal(size=theta.size)
    hessian = problem.hessian(theta)
    assert np.allclose(problem.hessian_product(theta, vector), hessian @ vector, rtol=1e-12)
    values = np.linalg.eigvalsh(hessian)
    found = problem.curvature(theta, k=2)
    assert np.allclose(found.largest, values[-2:], rtol=1e-10)
    assert np.allclose(found.smallest, values[:2], rtol=0, atol=1e-12 * abs(values).max())


# ---------------------------------------------------------------------------------------------------
# Degenerate networks
# ---------------------------------------------------------------------------------------------------

CORNERS = np.array([[i, j, k] for i in (0.0, 1.0) for j in (0.0, 1.0) for k in (0.0, 1.0)])


def through_corners(w, b, v, shift):
    b[:8] = -np.einsum("ij,ij->i", w[:8], CORNERS) + shift


def along_edges(w, b, v, shift):
    # Each contains an edge of the cube; some a diagonal of it, too.
    w[:6] = [[1, 1, shift], [1, -1, 0], [0, 2, 3], [-1, 0, 1], [1, shift, -2], [1, 1, 1]]
    b[:6] = [0, 0, -2, 0, 2, -1]


def along_faces(w, b, v, shift):
    w[:7] = [
        [1, 0, shift],
        [0, -1, 0],
        [shift, shift, 1],
        [-2, 0, 0],
        [0, 3, shift],
        [0, 0, -1],
        [0, 0, 1],
    ]
    b[:7] = [0, 1, 0, 2, -3, 1 + shift, -0.5]


def along_axes(w, b, v, shift):
    w[:] = 0.0
    for i in range(len(b)):
        w[i, i % 3] = (-1.0) ** i
        b[i] = -w[i, i % 3] * (0.2 + 0.1 * (i // 3)) + shift


def through_one_point(w, b, v, shift):
    b[:] = -w @ np.array([0.3, 0.4, 0.6]) + shift * np.arange(len(b))


def through_one_line(w, b, v, shift):
    w[:, 2] = 0.0
    b[:] = -w @ np.array([0.3, 0.4, 0.0]) + shift * np.arange(len(b))


def parallel(w, b, v, shift):
    w[1:4] = w[0] * np.array([[1.0], [-2.0], [1.0]])
    b[1:4] = [b[0] + shift, -2 * b[0], b[0] + 0.1]


def nearly_equal(w, b, v, shift):
    w[1] = w[0] + shift * np.array([1.0, -0.3, 0.5])
    b[1] = b[0] + 0.7 * shift
    w[3], b[3] = -w[0], -b[0]
    w[4], b[4] = w[2] + shift * np.array([0.0, 1.0, 0.0]), b[2]


def dead_and_active(w, b, v, shift):
    b[0], b[1] = -10.0, 10.0
    w[2], b[2] = 0.0, 0.3
    w[3], b[3] = 0.0, -0.3
    w[4], b[4] = 0.0, 0.0
    w[5], b[5] = [1e-9, 0.0, 0.0], 0.5
    w[6] = [1.0, 1.0, 1.0]
    b[6] = -3.0 + shift


def all_dead(w, b, v, shift):
    b[:] = -10.0 - shift


KINDS = [
    through_corners,
    along_edges,
    along_faces,
    along_axes,
    through_one_point,
    through_one_line,
    parallel,
    nearly_equal,
    dead_and_active,
    all_dead,
]


@pytest.mark.sampled
@pytest.mark.parametrize("shift", [0.0, 1e-16, -1e-15, 1e-12, -1e-8, 1e-5, 1e-2])
@pytest.mark.parametrize("kind", KINDS)
def test_degenerate_networks(kind, shift: float) -> None:
    target = targets.MultivariatePolynomial([(1, 0, 0), (2, 1, 0), (0, 0, 3)], [1.0, -2.0, 0.7])
    problem = cube(target, 8)
    for seed in range(2):
        rng = np.random.default_rng(seed)
        w = rng.normal(size=(8, 3))
        b, v = -np.einsum("ij,ij->i", w, rng.uniform(0.2, 0.8, (8, 3))), rng.normal(size=8)
        kind(w, b, v, shift)
        theta = np.concatenate([w.ravel(), b, v, [0.3]])
        risk, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (3, 8, 1))
        assert off(problem.gradient(theta), gradient) < EXACT
        assert problem.risk(theta) == pytest.approx(risk, rel=1e-12)
        found = np.empty(1)
        cube_risk.exact_risks(*problem_data(problem), theta[None], found)
        assert found[0] == pytest.approx(risk, rel=1e-12)


@pytest.mark.sampled
@pytest.mark.parametrize("shift", [0.0, 1e-12])
@pytest.mark.parametrize("kind", KINDS)
def test_hessian_of_degenerate_networks(kind, shift: float) -> None:
    # Planes on faces of the box are no kinks: the oracle leaves them out, too.
    target = targets.MultivariatePolynomial([(1, 0, 0), (2, 1, 0), (0, 0, 3)], [1.0, -2.0, 0.7])
    rng = np.random.default_rng(0)
    w = rng.normal(size=(8, 3))
    b, v = -np.einsum("ij,ij->i", w, rng.uniform(0.2, 0.8, (8, 3))), rng.normal(size=8)
    kind(w, b, v, shift)
    theta = np.concatenate([w.ravel(), b, v, [0.3]])
    expected = cell_hessian(UNIT, target.at, theta, (3, 8, 1))
    # Where planes meet at an angle of 1e-12, the oracle's cells have lost digits.
    assert off(cube(target, 8).hessian(theta), expected) < (10 * EXACT if shift else EXACT)


def problem_data(problem: gfc.Problem):
    """Return what the kernels are given."""
    return problem._evaluator._data, problem._evaluator._values


@pytest.mark.parametrize("size", [1e-150, 1e-77, 1e-12, 1e12, 1e77, 1e150])
def test_neurons_of_any_size(size: float) -> None:
    target = polynomial(3)
    problem = cube(target, 6)
    theta = random_theta(np.random.default_rng(1), 6)
    factors = np.ones_like(theta)
    factors[[0, 1, 2, 6, 7, 8, 18, 20]], factors[[24, 26]] = size, 1.0 / size
    scaled = theta * factors
    # Rescaling a neuron does not change the network: its gradient is rescaled inversely.
    assert off(problem.gradient(scaled) * factors, problem.gradient(theta)) < EXACT
    assert problem.risk(scaled) == pytest.approx(problem.risk(theta), rel=1e-13)


@pytest.mark.parametrize("size", [1e-150, 1e-30, 1e-9, 1e-3])
def test_weights_of_very_different_size_in_one_row(size: float) -> None:
    target = polynomial(3)
    problem = cube(target, 4)
    theta = random_theta(np.random.default_rng(4), 4)
    theta[[0, 4, 7, 8]] *= size
    risk, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (3, 4, 1))
    assert off(problem.gradient(theta), gradient) < EXACT
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-12)


@pytest.mark.parametrize("distance", [1e-2, 1e-6, 1e-12, 0.0])
def test_great_outgoing_weights_that_cancel(distance: float) -> None:
    target = polynomial(2)
    problem = cube(target, 4)
    theta = random_theta(np.random.default_rng(2), 4)
    theta[3:6], theta[13] = theta[0:3] + distance, theta[12] - 0.3 * distance
    theta[16], theta[17] = 1e6, -1e6
    _, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (3, 4, 1))
    # What rounding makes of a weight of 1e6 is an error of 1e6 eps in the residual, whoever computes it.
    assert off(problem.gradient(theta), gradient) < 1e6 * EXACT
    theta[17] = 1e6
    _, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (3, 4, 1))
    assert off(problem.gradient(theta), gradient) < EXACT


def test_the_gradient_is_continuous_as_a_plane_leaves_over_a_corner() -> None:
    problem = cube(polynomial(3), 2)
    theta = np.array([1.0, 1.0, 1.0, 0.5, -1.0, 0.3, -3.0, 0.1, 1.3, -0.7, 0.2])
    there = problem.gradient(theta)
    for shift in (1e-9, -1e-9, 1e-12, -1e-12, 1e-16):
        moved = theta.copy()
        moved[6] += shift
        assert np.abs(problem.gradient(moved) - there).max() < 10 * abs(shift) + 1e-15


def test_what_is_no_number_is_not_hidden() -> None:
    problem = cube(polynomial(2), 3)
    theta = random_theta(np.random.default_rng(0), 3)
    for place in range(theta.size):
        for bad in (np.nan, np.inf):
            wrong = theta.copy()
            wrong[place] = bad
            with np.errstate(invalid="ignore"):
                assert not np.isfinite(problem.gradient(wrong)).any()
                assert not np.isfinite(problem.risk(wrong))


# ---------------------------------------------------------------------------------------------------
# Small risks
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [pytest.param(BOXES[name], id=name) for name in ("unit", "flat", "far")])
@pytest.mark.parametrize("shift", [1e-3, 1e-6, 1e-10, -1e-12])
def test_a_risk_of_1e_20_has_eight_digits(shift: float, box) -> None:
    # A student that is its teacher but for one weight v_i, moved by h: the risk is h^2 int s(z_i)^2.
    hidden = 7
    target = targets.Teacher((3, hidden, 1), seed=3)
    problem = cube(target, hidden, box)
    assert problem.risk(target.theta) <= 1e-31 * max(1.0, float(np.abs(box).max())) ** 2
    for i in range(hidden):
        theta = target.theta.copy()
        theta[4 * hidden + i] += shift
        step = theta[4 * hidden + i] - target.theta[4 * hidden + i]
        row = target.theta[3 * i : 3 * i + 3]
        alone = np.concatenate([row, target.theta[3 * hidden + i : 3 * hidden + i + 1], [1.0, 0.0]])
        square, _ = cell_risk_and_gradient(box, lambda x: np.zeros((len(x), 1)), alone, (3, 1, 1))
        assert problem.risk(theta) == pytest.approx(step**2 * square, rel=1e-8, abs=1e-31)


def test_a_small_risk_from_moved_planes() -> None:
    # The residual of a student that is moved by h is h times a function, but for h^2: its risk goes with h^2.
    target = targets.Teacher((3, 5, 1), seed=1)
    problem = cube(target, 5)
    direction = np.random.default_rng(0).normal(size=target.theta.size)
    large, small, least = (
        problem.risk(target.theta + h * direction) / h**2 for h in (2.0**-25, 2.0**-30, 2.0**-36)
    )
    assert small == pytest.approx(large, rel=1e-6)
    assert least == pytest.approx(large, rel=1e-5)  # 3e-23: parameters are rounded to 3e-6 of h
    product = problem.hessian_product(target.theta, direction)
    assert large == pytest.approx(0.5 * direction @ product, rel=1e-3)


def test_a_polynomial_that_is_nearly_learnt_by_a_constant() -> None:
    problem = cube(targets.MultivariatePolynomial([(0, 0, 0), (1, 1, 1)], [0.25, 1e-10]), 3)
    theta = np.zeros(16)
    theta[-1] = 0.25
    assert problem.risk(theta) == pytest.approx(1e-20 / 27, rel=1e-12)


@examples(20)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1.0, 1e-4, 1e-8, 1e-12]))
def test_a_risk_is_never_negative(seed: int, size: float) -> None:
    target = targets.Teacher((3, 3, 1), seed=1)
    rng = np.random.default_rng(seed)
    theta = target.theta * (1.0 + size * rng.normal(size=target.theta.size))
    assert cube(target, 3).risk(theta) >= 0.0


@pytest.mark.parametrize("degree", [1, 3])
def test_twice_the_digits_give_the_same_risk(degree: int) -> None:
    target = targets.Stack([polynomial(degree), targets.Teacher((3, 4, 1), seed=2)])
    problem = cube(target, 5)
    for seed in range(5):
        theta = random_theta(np.random.default_rng(seed), 5, 2)
        found = np.empty(1)
        cube_risk.exact_risks(*problem_data(problem), theta[None], found)
        assert found[0] == pytest.approx(problem.risk(theta), rel=1e-13)


# ---------------------------------------------------------------------------------------------------
# Which problems have it
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "target", "measure", "rule", "reason"),
    [
        ((3, 3, 1), polynomial(2), block(), gfc.Quadrature(nodes=9), "a quadrature rule is asked for"),
        ((3, 3, 2, 1), polynomial(2), block(), None, "2 hidden layers"),
        ((3, 3, 1), polynomial(4), block(), None, "degree 4, the highest is 3"),
        ((3, 3, 1), targets.Teacher((3, 4, 4, 1), seed=1), block(), None, "the target 'teacher'"),
        ((3, 3, 1), targets.RadialBump([0.5] * 3, width=0.4), block(), None, "the target 'radial-bump'"),
        ((4, 3, 1), targets.RadialBump([0.5] * 4), measures.Box(dimension=4), None, "d = 4 inputs"),
        (
            (3, 3, 1),
            polynomial(2),
            measures.Product([measures.Uniform()] * 2 + [measures.TruncatedNormal(0.5, 0.2, 0.0, 1.0)]),
            None,
            "not uniform",
        ),
    ],
)
def test_everything_else_stays_with_preintegration(widths, target, measure, rule, reason: str) -> None:
    problem = gfc.Problem(gfc.ReLUNetwork(widths), target, measure, rule)
    assert problem.evaluation.name == "preintegration"
    assert reason in dict(problem.evaluation.passed_over)["shallow-cube"]


def test_a_product_of_uniforms_is_a_box() -> None:
    ends = ((-1.0, 2.0), (0.5, 1.5), (0.0, 1.0))
    product = measures.Product([measures.Uniform(*pair) for pair in ends])
    theta = random_theta(np.random.default_rng(0), 4)
    one, other = (
        gfc.Problem(gfc.ReLUNetwork((3, 4, 1)), polynomial(3), measure) for measure in (product, block(ends))
    )
    assert_same_bits(one.gradient(theta), other.gradient(theta), "gradient")
    assert one.digest == other.digest


def test_the_quadrature_agrees_to_its_own_accuracy() -> None:
    target = polynomial(3)
    theta = random_theta(np.random.default_rng(4), 6)
    rule = gfc.Problem(gfc.ReLUNetwork((3, 6, 1)), target, block(), gfc.Quadrature(nodes=4096))
    exact = cube(target, 6)
    assert off(rule.gradient(theta), exact.gradient(theta)) < 1e-3
    assert rule.risk(theta) == pytest.approx(float(exact.risk(theta)), rel=1e-3)
    with pytest.raises(gfc.InputError, match="integrated exactly"):
        exact.quadrature_error(theta)


def test_rows_batches_and_copies_give_the_same_bits() -> None:
    problem = cube(polynomial(3, 2), 5)
    thetas = np.stack([random_theta(np.random.default_rng(s), 5, 2) for s in range(7)])
    together = problem.gradient(thetas)
    again = pickle.loads(pickle.dumps(problem))
    for m in range(7):
        assert_same_bits(problem.gradient(thetas[m]), together[m], "one by one")
        assert_same_bits(again.gradient(thetas[m]), together[m], "a copy")
    assert_same_bits(again.risk(thetas), problem.risk(thetas), "risk")


def test_frozen_groups_have_no_gradient() -> None:
    network, target = gfc.ReLUNetwork((3, 4, 1)), polynomial(2)
    theta = random_theta(np.random.default_rng(1), 4)
    frozen = gfc.Problem(network, target, block(), frozen=("bias_1", "weight_2"))
    free = cube(target, 4).gradient(theta)
    expected = np.where(np.arange(21) < 12, free, 0.0)
    expected[-1] = free[-1]
    assert_same_bits(frozen.gradient(theta), expected, "gradient")
    assert frozen.evaluation.name == "shallow-cube"


def test_sampled_gradients_are_unbiased() -> None:
    problem = cube(polynomial(3), 4)
    theta = random_theta(np.random.default_rng(0), 4)
    drawn = problem.sample_gradient(theta, 200_000, np.random.default_rng(3))
    assert off(drawn, problem.gradient(theta)) < 0.03


# ---------------------------------------------------------------------------------------------------
# Descent and flows
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalize", [False, True])
def test_descent_in_compiled_code_is_step_by_step_descent(normalize: bool) -> None:
    problem = cube(polynomial(3, 2), 4)
    thetas = np.stack([random_theta(np.random.default_rng(s), 4, 2) for s in range(3)])
    thetas = problem.network.normalize(thetas) if normalize else thetas
    found, taken = problem.descend(thetas, np.full(50, 0.01), normalize=normalize)
    expected = thetas.copy()
    for _ in range(50):
        gradient = problem.gradient(expected)
        if normalize:
            gradient = problem.network.project(expected, gradient)
        expected = expected - 0.01 * gradient
        if normalize:
            expected = problem.network.retract(expected)
    assert (taken == 50).all()
    assert np.allclose(found, expected, rtol=0, atol=1e-12)


def test_descent_stops_at_the_bound() -> None:
    problem = cube(polynomial(2), 3)
    theta = random_theta(np.random.default_rng(0), 3)[None]
    _, taken = problem.descend(theta, np.full(200, 50.0), bound=1e6)
    assert taken[0] < 200


@pytest.mark.thorough
def test_a_flow_agrees_with_scipy_on_the_oracle() -> None:
    # Both the solver and the gradient are others: quadrature on cells, and an explicit method of order 8.
    target, widths = polynomial(2), (3, 2, 1)
    theta = random_theta(np.random.default_rng(1), 2)
    found = solve_ivp(
        lambda _, y: -cell_risk_and_gradient(UNIT, target.at, y, widths)[1],
        (0.0, 1.0),
        theta,
        method="DOP853",
        rtol=1e-7,
        atol=1e-9,
    )
    flow = gfc.integrator("standard-gf", rtol=1e-8)
    ours = gfc.parameters(gfc.integrate(cube(target, 2), flow, theta[None], [0.0, 1.0]))
    assert np.abs(ours[..., -1, :] - found.y[:, -1]).max() < 1e-6


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
def test_flows_to_long_times_agree_with_another_solver(name: str) -> None:
    problem = cube(polynomial(3, box=CUBE), 8, CUBE)
    theta = problem.network.normalize(random_theta(np.random.default_rng(6), 8, box=CUBE)[None])
    ours, theirs = (
        gfc.integrate(problem, gfc.integrator(name, rtol=1e-8, method=method), theta, [0.0, 10.0, 1e3])
        for method in ("auto", "bdf")
    )
    assert np.allclose(ours["risk"].values, theirs["risk"].values, rtol=1e-5, atol=0)


@pytest.mark.thorough
def test_a_flow_goes_to_rest_at_the_rate_of_the_exact_hessian() -> None:
    # Near a minimum with risk 0 the slowest mode is left: the risk falls with twice its eigenvalue.
    target = targets.Teacher((3, 3, 1), seed=1)
    problem = cube(target, 3)
    theta = target.theta * (1.0 + 1e-3 * np.random.default_rng(0).normal(size=target.theta.size))
    values = np.linalg.eigvalsh(problem.hessian(target.theta))
    slowest = values[values > 1e-8][0]
    flow, times = gfc.integrator("standard-gf", rtol=1e-8), np.array([0.0, 5.0, 6.0, 1e9]) / slowest
    risks = gfc.integrate(problem, flow, theta[None], times)["risk"].values[0]
    assert np.log(risks[1] / risks[2]) == pytest.approx(2.0, rel=0.02)
    assert risks[3] < 1e-30
