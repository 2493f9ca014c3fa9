"""Four or five inputs, one hidden layer, a box: cubes exactly, Gauss nodes in the other inputs."""

from __future__ import annotations

import math
import pickle
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from support import assert_same_bits

import gfcompare as gfc
from gfcompare import measures, targets
from gfcompare.diagnostics.states import QuadratureError
from gfcompare.evaluators.cube_slices import ACCURACY
from gfcompare.evaluators.quadrature import SlicesRule
from gfcompare.results.reading import evaluation_text
from gfcompare.results.validation import validate

#: Its kernels take half a minute to compile; those of the cube, of which it is a sum, are in the fast tier.
pytestmark = pytest.mark.thorough


def polynomial(dimension: int, seed: int = 0, outputs: int = 1) -> gfc.Target:
    """Return a cubic polynomial with all its terms."""
    powers = [p for p in product(range(4), repeat=dimension) if sum(p) <= 3]
    numbers = np.random.default_rng(seed).normal(size=(outputs, len(powers)))
    return targets.MultivariatePolynomial(powers, numbers.tolist())


def sliced(target: gfc.Target, widths: tuple[int, ...], lower=0.0, upper=1.0) -> gfc.Problem:
    measure = measures.Box(lower, upper, dimension=widths[0])
    problem = gfc.Problem(gfc.ReLUNetwork(widths), target, measure)
    assert problem.evaluation.name == "cube-slices"
    return problem


def he(widths: tuple[int, ...], count: int = 4) -> np.ndarray:
    network, draw = gfc.ReLUNetwork(widths), gfc.initializations.He(bias_scale=0.5).draw
    return np.stack([draw(network, np.random.default_rng(seed)) for seed in range(count)])


def off(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


# ---------------------------------------------------------------------------------------------------
# Against closed forms and exact integrals
# ---------------------------------------------------------------------------------------------------


def power_integral(weights: list[Fraction], bias: Fraction, power: int) -> Fraction:
    """Return the integral of max(w.x + b, 0)^m over the unit cube, exactly: its (m + d)-th antiderivative."""
    d, total = len(weights), Fraction(0)
    for corner in product((0, 1), repeat=d):
        z = bias + sum((w for w, c in zip(weights, corner, strict=True) if c), Fraction(0))
        total += (-1) ** (d - sum(corner)) * max(z, Fraction(0)) ** (power + d)
    return total * Fraction(math.factorial(power), math.factorial(power + d)) / math.prod(weights)


def single_risk(theta: list[Fraction], dimension: int, value: Fraction) -> Fraction:
    """Return the risk of a network with one neuron and a constant target, in exact arithmetic."""
    w, (b, v, c) = theta[:dimension], theta[dimension:]
    first, second = (power_integral(w, b, m) for m in (1, 2))
    return v * v * second + 2 * v * (c - value) * first + (c - value) ** 2


@pytest.mark.parametrize("dimension", [4, 5])
def test_one_neuron_against_its_closed_form(dimension: int) -> None:
    problem = sliced(targets.Constant(0.25), (dimension, 1, 1))
    rng = np.random.default_rng(dimension)
    step = Fraction(1, 2**22)
    for _ in range(3):
        w = rng.normal(size=dimension)
        theta = np.concatenate([w, [-w @ rng.uniform(0.3, 0.7, dimension)], rng.normal(size=2)])
        exact = [Fraction(float(p)) for p in theta]
        risk = float(single_risk(exact, dimension, Fraction(1, 4)))
        gradient = np.empty(theta.size)
        for p in range(theta.size):
            ends = [[*exact[:p], exact[p] + s * step, *exact[p + 1 :]] for s in (1, -1)]
            above, below = (single_risk(end, dimension, Fraction(1, 4)) for end in ends)
            gradient[p] = float((above - below) / (2 * step))
        # The accuracy is that of He's networks; one neuron is among the worst.
        assert off(problem.gradient(theta), gradient) < 10 * ACCURACY[dimension]
        assert problem.risk(theta) == pytest.approx(risk, rel=10 * ACCURACY[dimension])


@pytest.mark.parametrize("dimension", [4, 5])
@pytest.mark.parametrize("missing", [0, 3])
def test_networks_of_three_inputs_against_the_exact_cube(dimension: int, missing: int) -> None:
    # All else is 0: where the three are those that are integrated exactly, it is exact.
    hidden = 6
    kept = [j for j in range(4) if j != missing]
    powers = [p for p in product(range(4), repeat=3) if sum(p) <= 3]
    numbers = np.random.default_rng(1).normal(size=len(powers)).tolist()
    wide = [[p[kept.index(j)] if j in kept else 0 for j in range(dimension)] for p in powers]
    problem = sliced(targets.MultivariatePolynomial(wide, numbers), (dimension, hidden, 1))
    target = targets.MultivariatePolynomial(powers, numbers)
    cube = gfc.Problem(gfc.ReLUNetwork((3, hidden, 1)), target, measures.Box(dimension=3))
    assert cube.evaluation.name == "shallow-cube"
    bound = 1e-13 if missing == 3 else 3 * ACCURACY[dimension]
    for theta in he((3, hidden, 1)):
        rows = np.zeros((hidden, dimension))
        rows[:, kept] = theta[: 3 * hidden].reshape(hidden, 3)
        whole = np.concatenate([rows.ravel(), theta[3 * hidden :]])
        expected = cube.gradient(theta)
        found = problem.gradient(whole)
        weights = found[: dimension * hidden].reshape(hidden, dimension)[:, kept]
        found = np.concatenate([weights.ravel(), found[dimension * hidden :]])
        assert off(found, expected) < bound
        assert problem.risk(whole) == pytest.approx(cube.risk(theta), rel=bound)


@pytest.mark.parametrize("dimension", [4, 5])
def test_inputs_in_another_order(dimension: int) -> None:
    # Other inputs are integrated exactly: what differs is the error of both rules.
    hidden, order = 12, [4, 3, 2, 1, 0][-dimension:]
    target = polynomial(dimension)
    powers = [[p[j] for j in order] for p in target.powers]
    turned = targets.MultivariatePolynomial(powers, target.coefficients)
    one, other = (sliced(f, (dimension, hidden, 1), -1.0, 1.0) for f in (target, turned))
    for theta in he((dimension, hidden, 1)):
        last = dimension * hidden
        rows = theta[:last].reshape(hidden, dimension)[:, order].ravel()
        found = other.gradient(np.concatenate([rows, theta[last:]]))
        back = found[:last].reshape(hidden, dimension)[:, np.argsort(order)].ravel()
        expected = one.gradient(theta)
        assert off(np.concatenate([back, found[last:]]), expected) < 3 * ACCURACY[dimension]
        fine = one._evaluator._search.evaluator({4: 150, 5: 28}[dimension]).gradients(theta[None])[0]
        assert off(expected, fine) <= one.quadrature_error(theta) < 10 * ACCURACY[dimension]


def test_preintegration_agrees_to_its_own_accuracy() -> None:
    target, network = targets.Teacher((4, 5, 2), seed=3), gfc.ReLUNetwork((4, 8, 2))
    problem = sliced(target, (4, 8, 2), [0.0, -1.0, 0.5, 2.0], [1.0, 2.0, 0.75, 3.0])
    assert problem.rule.coordinates == (1, 2, 4)  # the widest sides
    rule = gfc.Problem(network, target, problem.measure, gfc.Quadrature(nodes=4096))
    assert rule.evaluation.name == "preintegration"
    for theta in he((4, 8, 2)):
        assert off(rule.gradient(theta), problem.gradient(theta)) < 1e-2
        assert rule.risk(theta) == pytest.approx(float(problem.risk(theta)), rel=1e-2)


def test_the_gradient_is_the_derivative_of_the_risk() -> None:
    problem = sliced(targets.Stack([polynomial(4), targets.Teacher((4, 3, 1), seed=2)]), (4, 3, 2))
    theta = he((4, 3, 2))[1]
    shifts = 1e-5 * np.eye(theta.size)
    found = (problem.risk(theta + shifts) - problem.risk(theta - shifts)) / 2e-5
    assert off(found, problem.gradient(theta)) < 1e-7


def test_a_risk_is_never_negative_and_small_where_it_is() -> None:
    target = targets.Teacher((4, 3, 1), seed=1)
    problem = sliced(target, (4, 3, 1))
    assert 0.0 <= problem.risk(target.theta) < 1e-30
    moved = target.theta.copy()
    moved[-1] += 1e-10
    assert problem.risk(moved) == pytest.approx((moved[-1] - target.theta[-1]) ** 2, rel=1e-8)


# ---------------------------------------------------------------------------------------------------
# Which problems have it, and what is said of it
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "target", "measure", "rule", "reason"),
    [
        ((4, 3, 1), polynomial(4), measures.Box(dimension=4), gfc.Quadrature(nodes=8), "rule is asked for"),
        ((4, 3, 2, 1), polynomial(4), measures.Box(dimension=4), None, "2 hidden layers"),
        ((6, 3, 1), targets.Constant(1.0), measures.Box(dimension=6), None, "d = 6 inputs"),
        ((5, 33, 1), targets.Constant(1.0), measures.Box(dimension=5), None, "at most 32 neurons"),
        ((4, 3, 1), targets.RadialBump([0.5] * 4), measures.Box(dimension=4), None, "'radial-bump'"),
        (
            (4, 3, 1),
            polynomial(4),
            measures.Product([measures.Uniform()] * 3 + [measures.TruncatedNormal(0.5, 0.2, 0.0, 1.0)]),
            None,
            "not uniform",
        ),
    ],
)
def test_everything_else_stays_with_preintegration(widths, target, measure, rule, reason: str) -> None:
    problem = gfc.Problem(gfc.ReLUNetwork(widths), target, measure, rule)
    assert problem.evaluation.name == "preintegration"
    assert reason in dict(problem.evaluation.passed_over)["cube-slices"]


def test_what_is_said_of_it() -> None:
    problem = sliced(polynomial(4), (4, 16, 1))
    assert isinstance(problem.rule, SlicesRule)
    assert problem.rule.coordinates == (1, 2, 3)
    assert problem.rule.error <= ACCURACY[4] or problem.rule.nodes > 42
    assert "relative error of the gradient about 1e-06" in str(problem.evaluation)
    assert not problem.evaluation.exact
    assert problem.quadrature is None
    assert QuadratureError.applies(problem)
    assert not problem.has_hessian
    data = gfc.integrate(problem, gfc.integrator("gd", step_size=0.01), he((4, 16, 1), 1), [0.0, 0.1])
    assert evaluation_text(data).startswith(
        "risk and gradient are integrated exactly along coordinates 1, 2, 3"
    )
    assert validate(data) == []


def test_rows_and_copies_give_the_same_bits() -> None:
    problem = sliced(targets.Teacher((4, 3, 2), seed=5), (4, 5, 2))
    thetas = he((4, 5, 2), 3)
    together = problem.gradient(thetas)
    again = pickle.loads(pickle.dumps(problem))
    for m in range(3):
        assert_same_bits(problem.gradient(thetas[m]), together[m], "one by one")
        assert_same_bits(again.gradient(thetas[m]), together[m], "a copy")
    assert_same_bits(again.risk(thetas), problem.risk(thetas), "risk")
    assert again.digest == problem.digest


# ---------------------------------------------------------------------------------------------------
# Descent, sampling and flows
# ---------------------------------------------------------------------------------------------------


def test_descent_and_sampling() -> None:
    problem = sliced(polynomial(4), (4, 4, 1))
    theta = he((4, 4, 1), 2)
    found, taken = problem.descend(theta, np.full(20, 0.01))
    expected = theta.copy()
    for _ in range(20):
        expected = expected - 0.01 * problem.gradient(expected)
    assert (taken == 20).all()
    assert np.allclose(found, expected, rtol=0, atol=1e-13)
    drawn = problem.sample_gradient(theta[0], 100_000, np.random.default_rng(3))
    assert off(drawn, problem.gradient(theta[0])) < 0.05


@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
def test_flows_agree_with_another_solver(name: str) -> None:
    problem = sliced(polynomial(4), (4, 3, 1))
    theta = problem.network.normalize(he((4, 3, 1), 1))
    ours, theirs = (
        gfc.parameters(
            gfc.integrate(problem, gfc.integrator(name, rtol=1e-8, method=method), theta, [0.0, 2.0])
        )
        for method in ("ndf", "bdf")
    )
    assert np.abs(ours - theirs).max() < 1e-5
