"""Two inputs, one hidden layer, a rectangle: exact risk, gradient and Hessian, and what they are used for."""

from __future__ import annotations

import pickle

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import cell_points, cell_risk_and_gradient
from support import assert_same_bits, examples

import gfcompare as gfc
from gfcompare import measures, targets
from gfcompare.kernels.deferred import KernelCompiler
from gfcompare.kernels.velocity import velocity, velocity_memory

UNIT = ((0.0, 1.0), (0.0, 1.0))
BOXES = {
    "unit": UNIT,
    "flat": ((-1.0, 2.0), (0.5, 0.75)),
    "needle": ((0.0, 1.0), (-1e-3, 1e-3)),
    "far": ((1000.0, 1001.5), (-3e4, -3e4 + 2.0)),
    "wide": ((-1e6, 3e6), (-2e-3, 1e-3)),
}
#: Errors relative to the largest entry of the gradient; measured are 5e-15 at most.
EXACT = 1e-13


def polynomial(degree: int, outputs: int = 1, seed: int = 0, box=UNIT) -> gfc.Target:
    """Return a polynomial with all terms up to a degree, of size 1 on the box."""
    rng = np.random.default_rng(seed)
    powers = [(a, b) for a in range(degree + 1) for b in range(degree + 1 - a)]
    sizes = np.array(
        [
            np.prod([max(abs(e) for e in ends) ** p for ends, p in zip(box, term, strict=True)])
            for term in powers
        ]
    )
    return targets.MultivariatePolynomial(powers, (rng.normal(size=(outputs, len(powers))) / sizes).tolist())


def rectangle(box=UNIT) -> gfc.Measure:
    (left, right), (low, high) = box
    return measures.Box((left, low), (right, high))


def plane(target: gfc.Target, hidden: int, box=UNIT) -> gfc.Problem:
    problem = gfc.Problem(gfc.ReLUNetwork((2, hidden, target.outputs)), target, rectangle(box))
    assert problem.evaluation.name == "shallow-plane"
    return problem


def random_theta(rng, hidden: int, outputs: int = 1, box=UNIT, spread: float = 1.2) -> np.ndarray:
    """Return parameters of a network whose lines pass by the box, of size 1 on it."""
    middle, half = np.mean(box, axis=1), 0.5 * np.ptp(box, axis=1)
    w = rng.normal(size=(hidden, 2)) / half
    b = -w @ middle + spread * rng.uniform(-1, 1, hidden) * np.abs(w * half).sum(axis=1)
    return np.concatenate([w.ravel(), b, rng.normal(size=hidden * outputs), rng.normal(size=outputs)])


def off(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


# ---------------------------------------------------------------------------------------------------
# Risk and gradient, against quadrature on the cells of the arrangement
# ---------------------------------------------------------------------------------------------------


@examples(40)
@given(
    seed=st.integers(0, 2**32 - 1),
    hidden=st.integers(1, 7),
    outputs=st.integers(1, 3),
    degree=st.integers(0, 8),
)
def test_random_networks(seed: int, hidden: int, outputs: int, degree: int) -> None:
    target = polynomial(degree, outputs, seed)
    theta = random_theta(np.random.default_rng(seed), hidden, outputs)
    problem = plane(target, hidden)
    risk, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (2, hidden, outputs))
    assert off(problem.gradient(theta), gradient) < EXACT
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-12)


@pytest.mark.parametrize("box", [pytest.param(box, id=name) for name, box in BOXES.items()])
def test_boxes_of_any_place_and_aspect(box) -> None:
    target = polynomial(3, 2, box=box)
    problem = plane(target, 5, box)
    (middle, other), (half, height) = np.mean(box, axis=1), 0.5 * np.ptp(box, axis=1)

    # The reference works on a square: far away it would have no digits.
    def moved(x: np.ndarray) -> np.ndarray:
        return target.at(np.array([middle, other]) + x * np.array([half, height]))

    for seed in range(4):
        theta = random_theta(np.random.default_rng(seed), 5, 2, box)
        near = theta.copy()
        near[:10] = (theta[:10].reshape(5, 2) * [half, height]).ravel()
        exact = [
            float(
                np.longdouble(b) + np.longdouble(w[0]) * np.longdouble(middle) + np.longdouble(w[1]) * other
            )
            for w, b in zip(theta[:10].reshape(5, 2), theta[10:15], strict=True)
        ]
        near[10:15] = exact
        square = ((-1.0, 1.0), (-1.0, 1.0))
        risk, expected = cell_risk_and_gradient(square, moved, near, (2, 5, 2))
        gradient = expected.copy()
        rows = expected[:10].reshape(5, 2) * [half, height] + expected[10:15, None] * [middle, other]
        gradient[:10] = rows.ravel()
        assert off(problem.gradient(theta), gradient) < 5 * EXACT
        assert problem.risk(theta) == pytest.approx(risk, rel=1e-11)


def test_a_teacher_is_exact() -> None:
    target = targets.Teacher((2, 6, 2), seed=5)
    problem = plane(target, 4)
    w, b = (target.theta[:12].reshape(6, 2), target.theta[12:18])
    for seed in range(5):
        theta = random_theta(np.random.default_rng(seed), 4, 2)
        kinks = list(zip(w, b, strict=True))
        risk, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (2, 4, 2), kinks)
        assert off(problem.gradient(theta), gradient) < EXACT
        assert problem.risk(theta) == pytest.approx(risk, rel=1e-12)


@pytest.mark.parametrize(
    ("target", "kinks"),
    [
        (targets.Constant([0.3, -1.0]), []),
        (targets.Affine([[1.0, -2.0], [0.5, 0.0]], [0.1, 0.2]), []),
        (targets.Ridge(targets.Polynomial([0.1, 2.0, -1.0, 3.0]), [0.8, -0.6]), []),
        (targets.Ridge(targets.AbsoluteValue(centre=0.4), [1.0, 0.5]), [(np.array([1.0, 0.5]), -0.4)]),
        (
            targets.Stack([targets.Ridge(targets.AbsoluteValue(0.2), [0.0, 1.0]), polynomial(2)]),
            [(np.array([0.0, 1.0]), -0.2)],
        ),
    ],
    ids=["constant", "affine", "polynomial ridge", "bent ridge", "stack"],
)
def test_targets_that_are_exact(target: gfc.Target, kinks) -> None:
    problem = plane(target, 6)
    theta = random_theta(np.random.default_rng(3), 6, target.outputs)
    risk, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (2, 6, target.outputs), kinks)
    assert off(problem.gradient(theta), gradient) < EXACT
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-12)


SMOOTH = {
    "bump": targets.RadialBump([0.6, 0.3], width=0.35),
    "sines": targets.ProductOfSines([0.5, 1.0], phase=[0.3, 0.1]),
    "sine ridge": targets.Ridge(targets.Sine(frequency=0.7), [0.8, 0.6]),
    "function": targets.Function(lambda x: np.exp(x[:, 0] - x[:, 1] ** 2), dimension=2),
    "stack": targets.Stack([targets.RadialBump([0.4, 0.4], width=[0.3, 0.5]), polynomial(3)]),
}


@pytest.mark.sampled
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_targets_by_tables(name: str) -> None:
    target = SMOOTH[name]
    problem = plane(target, 6)
    assert "tables" in problem.evaluation.accuracy
    outputs = target.outputs
    for seed in range(4):
        theta = random_theta(np.random.default_rng(seed), 6, outputs)
        theta[:2], theta[12] = [0.0, 1.0], 10.0  # fully active
        w, b = theta[:12].reshape(6, 2), theta[12:18]
        # Squares of the rule's size resolve what is smooth: cells are cut by lines that nothing depends on.
        grid = [(np.eye(2)[axis], -place) for axis in range(2) for place in (0.25, 0.5, 0.75)]
        risk, gradient = cell_risk_and_gradient(
            UNIT, target.at, theta, (2, 6, outputs), [*zip(w, b, strict=True), *grid]
        )
        assert off(problem.gradient(theta), gradient) < 2e-12
        assert problem.risk(theta) == pytest.approx(risk, rel=1e-11)


@pytest.mark.thorough
def test_hessian_with_tables() -> None:
    target = SMOOTH["stack"]
    problem = plane(target, 3)
    theta = random_theta(np.random.default_rng(3), 3, target.outputs)
    columns = []
    for p in range(theta.size):
        step = 1e-5 * np.eye(theta.size)[p]
        columns.append((problem.gradient(theta + step) - problem.gradient(theta - step)) / 2e-5)
    assert off(problem.hessian(theta), np.array(columns)) < 1e-6


@pytest.mark.parametrize(
    "target",
    [
        targets.RadialBump([0.5, 0.5], width=0.02),
        targets.Function(lambda x: np.abs(x[:, 0] - x[:, 1] ** 2 - 0.1), dimension=2),
        targets.Ridge(targets.Step(), [1.0, 0.5]),
    ],
    ids=["narrow", "bent", "step"],
)
def test_what_tables_do_not_reach_stays_with_preintegration(target: gfc.Target) -> None:
    problem = gfc.Problem(gfc.ReLUNetwork((2, 3, 1)), target, measures.Box())
    assert problem.evaluation.name == "preintegration"
    assert "tables of its half-plane moments do not reach 1e-12" in problem.evaluation.passed_over[0][1]


# ---------------------------------------------------------------------------------------------------
# Degenerate networks
# ---------------------------------------------------------------------------------------------------

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def through_corners(w, b, v, shift):
    b[:4] = -np.einsum("ij,ij->i", w[:4], CORNERS) + shift


def along_edges(w, b, v, shift):
    w[:6] = [[1, shift], [shift, -1], [1, 0], [-2, 0], [1, shift], [0, 3]]
    b[:6] = [0, 1, -0.5, 1, -1, -1.5 + shift]


def through_one_point(w, b, v, shift):
    b[:] = -w @ np.array([0.3, 0.4]) + shift * np.arange(len(b))


def parallel(w, b, v, shift):
    w[1:4] = w[0] * np.array([[1.0], [-2.0], [1.0]])
    b[1:4] = [b[0] + shift, -2 * b[0], b[0] + 0.1]


def nearly_equal(w, b, v, shift):
    w[1] = w[0] + shift * np.array([1.0, -0.3])
    b[1] = b[0] + 0.7 * shift
    w[3], b[3] = -w[0], -b[0]


def dead_and_active(w, b, v, shift):
    b[0], b[1] = -10.0, 10.0
    w[2], b[2] = 0.0, 0.3
    w[3], b[3] = 0.0, -0.3
    w[4], b[4] = 0.0, 0.0
    w[5], b[5] = [1e-9, 0.0], 0.5
    w[6] = [1.0, 1.0]
    b[6] = -2.0 + shift


def all_dead(w, b, v, shift):
    b[:] = -10.0 - shift


KINDS = [through_corners, along_edges, through_one_point, parallel, nearly_equal, dead_and_active, all_dead]


@pytest.mark.sampled
@pytest.mark.parametrize("shift", [0.0, 1e-16, -1e-15, 1e-12, -1e-8, 1e-5, 1e-2])
@pytest.mark.parametrize("kind", KINDS)
def test_degenerate_networks(kind, shift: float) -> None:
    target = targets.MultivariatePolynomial([(1, 0), (2, 1), (0, 3)], [1.0, -2.0, 0.7])
    problem = plane(target, 10)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        w = rng.normal(size=(10, 2))
        b, v = -np.einsum("ij,ij->i", w, rng.uniform(0.2, 0.8, (10, 2))), rng.normal(size=10)
        kind(w, b, v, shift)
        theta = np.concatenate([w.ravel(), b, v, [0.3]])
        risk, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (2, 10, 1))
        assert off(problem.gradient(theta), gradient) < EXACT
        assert problem.risk(theta) == pytest.approx(risk, rel=1e-12)


@pytest.mark.parametrize("size", [1e-150, 1e-77, 1e-12, 1e12, 1e77, 1e150])
def test_neurons_of_any_size(size: float) -> None:
    target = polynomial(3)
    problem = plane(target, 6)
    theta = random_theta(np.random.default_rng(1), 6)
    scaled, factors = theta.copy(), np.ones_like(theta)
    factors[[0, 1, 4, 5, 12, 14]], factors[[18, 20]] = size, 1.0 / size
    scaled *= factors
    # Rescaling a neuron does not change the network: its gradient is rescaled inversely.
    assert off(problem.gradient(scaled) * factors, problem.gradient(theta)) < EXACT
    assert problem.risk(scaled) == pytest.approx(problem.risk(theta), rel=1e-13)
    found, expected = problem.hessian(scaled) * np.outer(factors, factors), problem.hessian(theta)
    assert off(found, expected) < EXACT


@pytest.mark.parametrize("distance", [1e-2, 1e-6, 1e-12, 0.0])
def test_great_outgoing_weights_that_cancel(distance: float) -> None:
    target = polynomial(2)
    problem = plane(target, 4)
    theta = random_theta(np.random.default_rng(2), 4)
    theta[2:4], theta[9] = theta[0:2] + distance, theta[8] - 0.3 * distance
    theta[12], theta[13] = 1e6, -1e6
    _, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (2, 4, 1))
    # What rounding makes of a weight of 1e6 is an error of 1e6 eps in the residual, whoever computes it.
    assert off(problem.gradient(theta), gradient) < 1e6 * EXACT
    theta[13] = 1e6
    _, gradient = cell_risk_and_gradient(UNIT, target.at, theta, (2, 4, 1))
    assert off(problem.gradient(theta), gradient) < EXACT


def test_the_gradient_is_continuous_as_a_line_leaves_over_a_corner() -> None:
    problem = plane(polynomial(3), 2)
    theta = np.array([1.0, 1.0, 0.5, -1.0, -2.0, 0.1, 1.3, -0.7, 0.2])
    there = problem.gradient(theta)
    for shift in (1e-9, -1e-9, 1e-12, -1e-12, 1e-16):
        moved = theta.copy()
        moved[4] += shift
        assert np.abs(problem.gradient(moved) - there).max() < 10 * abs(shift) + 1e-15


def test_what_is_no_number_is_not_hidden() -> None:
    problem = plane(polynomial(2), 3)
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
    network = gfc.ReLUNetwork((2, hidden, 1))
    target = targets.Teacher((2, hidden, 1), seed=3)
    problem = gfc.Problem(network, target, rectangle(box))
    assert problem.risk(target.theta) <= 1e-29 * max(1.0, float(np.abs(box).max())) ** 2
    layers = network.layers(target.theta)
    crossing = [i for i in range(hidden) if 0 < np.mean(corner_values(layers[0], i, box) > 0) < 1]
    for i in crossing or [0]:
        theta = target.theta.copy()
        theta[3 * hidden + i] += shift
        step = theta[3 * hidden + i] - target.theta[3 * hidden + i]
        alone = np.concatenate([layers[0].weight[i], layers[0].bias[i : i + 1], [1.0, 0.0]])
        square, _ = cell_risk_and_gradient(box, lambda x: np.zeros((len(x), 1)), alone, (2, 1, 1))
        assert problem.risk(theta) == pytest.approx(step**2 * square, rel=1e-8, abs=1e-29)


def corner_values(layer, i: int, box) -> np.ndarray:
    corners = np.stack(np.meshgrid(*box), axis=-1).reshape(-1, 2)
    return corners @ layer.weight[i] + layer.bias[i]


def test_a_polynomial_that_is_nearly_learnt_by_a_constant() -> None:
    problem = plane(targets.MultivariatePolynomial([(0, 0), (2, 3)], [0.25, 1e-10]), 3)
    theta = np.zeros(13)
    theta[-1] = 0.25
    assert problem.risk(theta) == pytest.approx(1e-20 / 35, rel=1e-12)  # int x^4 y^6 = 1 / 5 / 7


@examples(20)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1.0, 1e-4, 1e-8, 1e-12]))
def test_a_risk_is_never_negative(seed: int, size: float) -> None:
    target = targets.Teacher((2, 3, 1), seed=1)
    rng = np.random.default_rng(seed)
    theta = target.theta * (1.0 + size * rng.normal(size=target.theta.size))
    problem = plane(target, 3)
    assert problem.risk(theta) >= 0.0


# ---------------------------------------------------------------------------------------------------
# The Hessian
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "target", "box"),
    [
        (1, polynomial(1), UNIT),
        (4, polynomial(3, 2), UNIT),
        (5, polynomial(8), UNIT),
        (4, polynomial(4, 1, 2, BOXES["flat"]), BOXES["flat"]),
        (4, targets.Teacher((2, 5, 1), seed=2), UNIT),
    ],
)
def test_hessian_is_the_derivative_of_the_gradient(hidden: int, target: gfc.Target, box) -> None:
    problem = plane(target, hidden, box)
    theta = random_theta(np.random.default_rng(7), hidden, target.outputs, box)
    hessian = problem.hessian(theta)
    assert np.array_equal(hessian, hessian.T)
    columns = []
    for p in range(theta.size):
        # Differences of two sizes, extrapolated.
        step = 1e-3 * max(1.0, abs(theta[p])) * np.eye(theta.size)[p]
        wide, near = (
            (problem.gradient(theta + s * step) - problem.gradient(theta - s * step)) / (2 * s)
            for s in (1.0, 0.5)
        )
        columns.append((4.0 * near - wide) / 3.0 / step[p])
    assert off(hessian, np.array(columns)) < 1e-6


def test_gauss_newton_part_against_quadrature() -> None:
    # Where the target is the network itself, only the first part of the Hessian is left.
    target = targets.Teacher((2, 6, 1), seed=4)
    theta, network = target.theta, target.network
    problem = plane(target, 6)
    w, b, v = theta[:12].reshape(6, 2), theta[12:18], theta[18:24]
    expected = np.zeros((25, 25))
    for x, mass, inside in cell_points(UNIT, list(zip(w, b, strict=True))):
        active = (w @ inside + b > 0).astype(float)
        back = (v * active)[None, :, None] * x[:, None, :]
        jacobian = np.concatenate(
            [
                back.reshape(len(x), 12),
                np.tile(v * active, (len(x), 1)),
                (x @ w.T + b) * active,
                np.ones((len(x), 1)),
            ],
            axis=1,
        )
        expected += 2.0 * jacobian.T @ (mass[:, None] * jacobian)
    assert network.parameter_count == 25
    assert off(problem.hessian(theta), expected) < EXACT


def test_curvature_and_products_are_those_of_the_hessian() -> None:
    problem = plane(polynomial(3), 4)
    theta = random_theta(np.random.default_rng(1), 4)
    values = np.linalg.eigvalsh(problem.hessian(theta))
    assert problem.has_hessian
    found = problem.curvature(theta, k=2)
    assert np.allclose(found.largest, values[-2:], rtol=1e-10)
    assert np.allclose(found.smallest, values[:2], rtol=0, atol=1e-12 * abs(values).max())
    vector = np.arange(1.0, 18.0)
    assert np.allclose(problem.hessian_product(theta, vector), problem.hessian(theta) @ vector, rtol=1e-12)


# ---------------------------------------------------------------------------------------------------
# Which problems have it
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "target", "measure", "rule", "reason"),
    [
        ((2, 3, 1), polynomial(2), measures.Box(), gfc.Quadrature(nodes=8), "a quadrature rule is asked for"),
        ((2, 3, 2, 1), polynomial(2), measures.Box(), None, "2 hidden layers"),
        ((2, 3, 1), polynomial(9), measures.Box(), None, "degree 9, the highest is 8"),
        ((2, 3, 1), targets.Teacher((2, 4, 4, 1), seed=1), measures.Box(), None, "the target 'teacher'"),
        ((4, 3, 1), targets.RadialBump([0.5] * 4), measures.Box(dimension=4), None, "d = 4 inputs"),
        (
            (2, 3, 1),
            polynomial(2),
            measures.Product([measures.Uniform(), measures.TruncatedNormal(0.5, 0.2, 0.0, 1.0)]),
            None,
            "not uniform",
        ),
    ],
)
def test_everything_else_stays_with_preintegration(widths, target, measure, rule, reason: str) -> None:
    problem = gfc.Problem(gfc.ReLUNetwork(widths), target, measure, rule)
    assert problem.evaluation.name == "preintegration"
    assert reason in dict(problem.evaluation.passed_over)["shallow-plane"]
    assert not problem.has_dense_flow


def test_a_product_of_uniforms_is_a_box() -> None:
    product = measures.Product([measures.Uniform(-1.0, 2.0), measures.Uniform(0.5, 1.5)])
    theta = random_theta(np.random.default_rng(0), 4)
    one, other = (
        gfc.Problem(gfc.ReLUNetwork((2, 4, 1)), polynomial(3), measure)
        for measure in (product, measures.Box((-1.0, 0.5), (2.0, 1.5)))
    )
    assert_same_bits(one.gradient(theta), other.gradient(theta), "gradient")
    assert one.digest == other.digest


def test_the_quadrature_agrees_to_its_own_accuracy() -> None:
    target = polynomial(3)
    theta = random_theta(np.random.default_rng(4), 6)
    exact, rule = (
        plane(target, 6),
        gfc.Problem(gfc.ReLUNetwork((2, 6, 1)), target, rectangle(), gfc.Quadrature(nodes=512)),
    )
    assert off(rule.gradient(theta), exact.gradient(theta)) < 1e-5
    assert rule.risk(theta) == pytest.approx(float(exact.risk(theta)), rel=1e-6)
    assert exact.rule is None
    assert exact.quadrature is None
    with pytest.raises(gfc.InputError, match="integrated exactly"):
        exact.quadrature_error(theta)


def test_rows_batches_and_copies_give_the_same_bits() -> None:
    problem = plane(polynomial(3, 2), 5)
    thetas = np.stack([random_theta(np.random.default_rng(s), 5, 2) for s in range(7)])
    together = problem.gradient(thetas)
    again = pickle.loads(pickle.dumps(problem))
    for m in range(7):
        assert_same_bits(problem.gradient(thetas[m]), together[m], "one by one")
        assert_same_bits(again.gradient(thetas[m]), together[m], "a copy")
    assert_same_bits(again.risk(thetas), problem.risk(thetas), "risk")


# ---------------------------------------------------------------------------------------------------
# Descent and flows
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalize", [False, True])
def test_descent_in_compiled_code_is_step_by_step_descent(normalize: bool) -> None:
    problem = plane(polynomial(3, 2), 4)
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
    problem = plane(polynomial(2), 3)
    theta = random_theta(np.random.default_rng(0), 3)[None]
    _, taken = problem.descend(theta, np.full(200, 50.0), bound=1e6)
    assert taken[0] < 200


@numba.njit(pipeline_class=KernelCompiler, error_model="numpy")
def write_velocity(data, widths, y, result, memory, normalize):
    velocity(data, widths, y, result, memory, normalize)


@pytest.mark.thorough
def test_velocity_of_the_flows() -> None:
    """Of what is compiled for each kind of data; the rest of a flow is the same code for all."""
    problem = plane(polynomial(3), 5)
    network, data = problem.network, problem._evaluator.flow_data()
    widths, y = np.array(network.widths), random_theta(np.random.default_rng(6), 5)
    found, memory = np.empty_like(y), velocity_memory(data, widths, y.size)
    write_velocity(data, widths, y, found, memory, False)
    assert found == pytest.approx(-problem.gradient(y), rel=1e-12, abs=1e-14)
    # The normalised flow: rows u of any norm rho move with -rho P G at u / rho, the columns stay as they are.
    theta, (norms,) = y.copy(), network.row_norms(y)
    theta[:10] /= np.repeat(norms, 2)
    theta[10:15] /= norms
    expected = -network.project(theta, problem.gradient(theta))
    expected[:10] *= np.repeat(norms, 2)
    expected[10:15] *= norms
    write_velocity(data, widths, y, found, memory, True)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-14)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
def test_flows_agree_with_another_solver(name: str) -> None:
    problem = plane(polynomial(3), 5)
    theta = problem.network.normalize(random_theta(np.random.default_rng(6), 5)[None])
    ours, theirs = (
        gfc.parameters(
            gfc.integrate(problem, gfc.integrator(name, rtol=1e-8, method=method), theta, [0.0, 5.0])
        )
        for method in ("auto", "bdf")
    )
    assert np.abs(ours - theirs).max() < 1e-5
