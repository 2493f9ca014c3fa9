"""Risk, gradient and Hessian under normal inputs, against differences, sampling and each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gfcompare as gfc
from gfcompare.components.errors import InputError

FULL = [[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 0.7]]
SINGULAR = [[1.0, 2.0, -1.0], [2.0, 5.0, -1.0], [-1.0, -1.0, 2.0]]  # of rank 2
MEASURES = {
    "standard": gfc.measures.Gaussian(dimension=3),
    "diagonal": gfc.measures.Gaussian([0.3, -0.2, 1.0], [1.0, 2.0, 0.5], 3),
    "full": gfc.measures.Gaussian([0.3, -0.2, 1.0], FULL, 3),
    "singular": gfc.measures.Gaussian(0.1, SINGULAR, 3),
}
POWERS = [[0, 0, 0], [1, 0, 0], [2, 0, 0], [1, 1, 0], [1, 1, 1], [3, 0, 0], [2, 0, 1]]
TARGETS = {
    "constant": gfc.targets.Constant(0.7),
    "affine": gfc.targets.Affine([[1.0, -2.0, 0.5], [0.1, 0.2, 0.3]], [0.3, 0.1]),
    "teacher": gfc.targets.Teacher((3, 4, 2), seed=1),
    "cubic": gfc.targets.MultivariatePolynomial(POWERS, [0.2, 0.3, 0.5, -0.4, 0.3, 0.1, 0.2]),
    "ridge": gfc.targets.Ridge(gfc.targets.Polynomial([0.1, 0.2, -0.3, 0.1, 0.05]), [1.0, 0.5, -0.3]),
    "hermite": gfc.targets.Ridge(gfc.targets.HermitePolynomial([0] * 8 + [0.01]), [0.6, 0.8, 0.0]),
    "absolute": gfc.targets.Ridge(gfc.targets.AbsoluteValue(0.2, 1.5, 0.3), [0.6, 0.8, 0.1]),
    "stack": gfc.targets.Stack(
        [
            gfc.targets.Teacher((3, 2, 1)),
            gfc.targets.Ridge(gfc.targets.HermitePolynomial([0.0, 1.0, 0.3, 0.2]), [1.0, 0.0, 2.0]),
            gfc.targets.MultivariatePolynomial([[1, 1, 0], [0, 2, 1]], [0.3, 0.3]),
        ]
    ),
}


def problem_of(target, measure, hidden=3):
    return gfc.Problem(gfc.ReLUNetwork((3, hidden, target.outputs)), target, measure)


def differences(function, theta, step=2e-4):
    """Return derivatives by central differences of order 4, one row for each parameter."""
    steps = step * np.eye(len(theta))
    parts = [function(theta + c * steps) for c in (-2, -1, 1, 2)]
    return (parts[0] - 8 * parts[1] + 8 * parts[2] - parts[3]) / (12 * step)


def random_theta(problem, seed=0):
    return np.random.default_rng(seed).normal(size=problem.network.parameter_count)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("target", TARGETS)
def test_the_gradient_is_that_of_the_risk_and_the_hessian_that_of_the_gradient(target, measure):
    problem = problem_of(TARGETS[target], MEASURES[measure])
    theta = random_theta(problem)
    gradient, hessian = problem.gradient(theta), problem.hessian(theta)
    noise = 1e-15 * float(problem.risk(theta) + problem.risk(np.zeros_like(theta))) / 2e-4
    assert (
        np.abs(differences(problem.risk, theta) - gradient).max()
        < 2e-11 * np.abs(gradient).max() + 10 * noise
    )
    assert np.abs(differences(problem.gradient, theta) - hessian).max() < 1e-10 * np.abs(hessian).max()
    assert np.array_equal(hessian, hessian.T)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("target", ["teacher", "cubic", "ridge", "absolute", "stack"])
def test_the_risk_is_the_mean_of_samples(target, measure):
    problem = problem_of(TARGETS[target], MEASURES[measure])
    theta = random_theta(problem)
    points = problem.measure.sample(np.random.default_rng(5), 200_000)
    squares = ((problem.network.realize(theta, points) - problem.target.at(points)) ** 2).sum(axis=1)
    assert abs(squares.mean() - problem.risk(theta)) < 4.5 * squares.std() / np.sqrt(len(squares))


def test_sampled_gradients_are_unbiased():
    problem = problem_of(TARGETS["teacher"], MEASURES["full"])
    theta = random_theta(problem)
    estimate = problem.sample_gradient(theta, 200_000, np.random.default_rng(1))
    exact = problem.gradient(theta)
    assert np.abs(estimate - exact).max() < 0.05 * np.abs(exact).max()


def teacher_theta(teacher, network):
    """Return a student that is the teacher, with idle neurons where it is wider."""
    hidden, last = teacher.network.layers(teacher.theta)
    extra = network.hidden[0] - len(hidden.bias)
    return network.join(
        [
            (np.pad(hidden.weight, ((0, extra), (0, 0))), np.pad(hidden.bias, (0, extra))),
            (np.pad(last.weight, ((0, 0), (0, extra))), last.bias),
        ]
    )


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("hidden", [4, 6])
def test_at_the_teacher_risk_and_gradient_vanish_to_rounding(measure, hidden):
    problem = problem_of(TARGETS["teacher"], MEASURES[measure], hidden)
    theta = teacher_theta(problem.target, problem.network)
    assert 0.0 <= problem.risk(theta) < 1e-28
    assert np.abs(problem.gradient(theta)).max() < 1e-13


@pytest.mark.parametrize("measure", ["standard", "diagonal"])
def test_near_the_teacher_the_risk_keeps_its_digits(measure):
    problem = problem_of(TARGETS["teacher"], MEASURES[measure], 4)
    theta = teacher_theta(problem.target, problem.network)
    direction = random_theta(problem, 3)
    curvature = 0.5 * direction @ problem.hessian(theta) @ direction
    for size in (1e-4, 1e-6, 1e-8, 1e-10):
        risk = float(problem.risk(theta + size * direction))
        # theta + size direction is rounded: relative to size that is 1e-16 / size.
        assert risk / size**2 == pytest.approx(curvature, rel=20 * size + 5e-15 / size)


def test_small_and_rounded_risks_meet():
    problem = problem_of(TARGETS["teacher"], MEASURES["full"], 4)
    theta, direction = teacher_theta(problem.target, problem.network), random_theta(problem, 4)
    evaluator = problem._evaluator
    for size in (1e-1, 1e-2, 1e-3):
        at = theta + size * direction
        assert evaluator._small_risk(at) == pytest.approx(evaluator._evaluate(at[None])[0][0, 0], rel=1e-8)


@given(st.integers(0, 2**32 - 1))
def test_risks_are_never_negative(seed):
    rng = np.random.default_rng(seed)
    problem = problem_of(TARGETS["teacher"], MEASURES["full"], 4)
    shift = 10.0 ** rng.uniform(-18, 0) * rng.normal(size=problem.network.parameter_count)
    assert problem.risk(teacher_theta(problem.target, problem.network) + shift) >= 0.0


def test_an_affine_target_is_reached_exactly():
    # x = s(x) - s(-x), and |x| = s(x) + s(-x)
    slope = np.array([1.0, -2.0, 0.5])
    network = gfc.ReLUNetwork((3, 2, 1))
    affine = gfc.targets.Affine([slope.tolist()], 0.25)
    absolute = gfc.targets.Ridge(gfc.targets.AbsoluteValue(offset=0.25), slope.tolist())
    for target, sign in ((affine, -1.0), (absolute, 1.0)):
        problem = gfc.Problem(network, target, MEASURES["full"])
        theta = network.join([(np.stack([slope, -slope]), np.zeros(2)), (np.array([[1.0, sign]]), [0.25])])
        assert problem.risk(theta) < 1e-28
        assert np.abs(problem.gradient(theta)).max() < 1e-14


@given(st.floats(-150, 150))
def test_rescaling_a_neuron_changes_gradients_as_it_must(exponent):
    problem = problem_of(TARGETS["ridge"], MEASURES["full"])
    theta, scale = random_theta(problem), 10.0**exponent
    layers = problem.network.layers(theta)
    scaled = problem.network.join(
        [(scale * layers[0].weight, scale * layers[0].bias), (layers[1].weight / scale, layers[1].bias)]
    )
    before, after = (problem.network.layers(problem.gradient(t)) for t in (theta, scaled))
    assert np.allclose(after[0].weight * scale, before[0].weight, rtol=1e-12, atol=1e-13)
    assert np.allclose(after[0].bias * scale, before[0].bias, rtol=1e-12, atol=1e-13)
    assert np.allclose(after[1].weight / scale, before[1].weight, rtol=1e-12, atol=1e-13)
    assert problem.risk(scaled) == pytest.approx(problem.risk(theta), rel=1e-12)


@pytest.mark.parametrize("target", ["teacher", "cubic"])
def test_degenerate_states_are_finite_and_merge(target):
    problem = problem_of(TARGETS[target], MEASURES["standard"], 4)
    network = problem.network
    weight = np.array([[1.0, 0.5, -0.2], [1.0, 0.5, -0.2], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    bias, out = np.array([0.3, 0.3, 0.7, 0.0]), np.ones((network.outputs, 4))
    theta = network.join([(weight, bias), (out, np.zeros(network.outputs))])
    assert np.isfinite(problem.hessian(theta)).all()
    gradient = network.layers(problem.gradient(theta))
    assert np.array_equal(gradient[0].weight[3], np.zeros(3))  # s'(0) = 0
    assert gradient[1].weight[0, 3] == 0.0
    assert np.allclose(gradient[0].weight[0], gradient[0].weight[1], atol=1e-14)
    merged = problem_of(TARGETS[target], MEASURES["standard"], 1)
    one = merged.network.join([(weight[:1], bias[:1]), (2.0 * out[:, :1], np.full(network.outputs, 0.7))])
    assert problem.risk(theta) == pytest.approx(merged.risk(one), rel=1e-14)
    both = merged.network.layers(merged.gradient(one))
    assert np.allclose(both[0].weight[0], 2.0 * gradient[0].weight[0], rtol=1e-13, atol=1e-13)


def test_not_a_number_stays_one():
    problem = problem_of(TARGETS["teacher"], MEASURES["standard"])
    theta = random_theta(problem)
    theta[2] = np.nan
    assert np.isnan(problem.risk(theta))
    assert np.isnan(problem.gradient(theta)).any()


@pytest.mark.parametrize("normalize", [False, True])
def test_descent_in_compiled_code_is_descent(normalize):
    problem = problem_of(TARGETS["stack"], MEASURES["full"])
    network = problem.network
    theta = np.stack([random_theta(problem, seed) for seed in range(3)])
    theta = network.normalize(theta) if normalize else theta
    sizes = np.array([1e-3, 2e-3, 1e-3])
    found, taken = problem.descend(theta, sizes, normalize=normalize)
    expected = theta
    for size in sizes:
        gradient = problem.gradient(expected)
        gradient = network.project(expected, gradient) if normalize else gradient
        expected = expected - size * gradient
        expected = network.retract(expected) if normalize else expected
    assert np.allclose(found, expected, rtol=1e-13, atol=1e-13)
    assert taken.tolist() == [3, 3, 3]
    assert problem.descend(theta, np.full(5, 1e3), bound=1e3)[1].max() < 5


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
def test_flows_keep_what_they_must(name):
    problem = problem_of(TARGETS["teacher"], MEASURES["full"], 5)
    theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(2))
    times = np.geomspace(1e-3, 1e3, 25)
    trajectory = gfc.integrate(problem, gfc.integrator(name, rtol=1e-9), theta, times)
    risks = np.ravel(trajectory.risk.values)
    assert (np.diff(risks) <= 1e-12 * risks[:-1]).all()
    state = gfc.parameters(trajectory).reshape(len(times), -1)
    network = problem.network
    if name == "normalized-gf":
        assert network.distance_to_manifold(state).max() < 1e-14
    else:
        start = network.balancedness(theta)[0]
        assert np.abs(network.balancedness(state)[0] - start).max() < 1e-12
    other = gfc.integrate(problem, gfc.integrator(name, rtol=1e-10, method="bdf"), theta, times[:13])
    assert np.abs(gfc.parameters(other).reshape(13, -1) - state[:13]).max() < 1e-6


def test_a_thousand_inputs():
    target = gfc.targets.Teacher((1000, 3, 1), seed=2)
    problem = gfc.Problem(gfc.ReLUNetwork((1000, 4, 1)), target, gfc.measures.Gaussian(dimension=1000))
    theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(0))
    gradient, direction = problem.gradient(theta), np.random.default_rng(1).normal(size=theta.size)
    direction /= np.linalg.norm(direction)
    risks = [float(problem.risk(theta + c * 1e-3 * direction)) for c in (-2, -1, 1, 2)]
    change = (risks[0] - 8 * risks[1] + 8 * risks[2] - risks[3]) / 12e-3
    assert change == pytest.approx(gradient @ direction, abs=1e-10 * np.linalg.norm(gradient))


@pytest.mark.parametrize("covariance", [1.3, [[1.3]]])
def test_one_input(covariance):
    target = gfc.targets.Polynomial([0.1, 0.2, -0.3, 0.1, 0.05])
    problem = gfc.Problem(gfc.ReLUNetwork((1, 3, 1)), target, gfc.measures.Gaussian(0.2, covariance, 1))
    theta = random_theta(problem)
    hidden, _ = problem.network.layers(theta)
    kinks = -hidden.bias / hidden.weight[:, 0]
    knots = np.unique([*np.linspace(-11.0, 11.0, 23), *np.clip((kinks - 0.2) / np.sqrt(1.3), -11.0, 11.0)])
    nodes, weights = np.polynomial.legendre.leggauss(30)
    half = 0.5 * np.diff(knots)[:, None]
    z = (0.5 * (knots[1:] + knots[:-1])[:, None] + half * nodes).ravel()
    mass = (half * weights).ravel() * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    x = (0.2 + np.sqrt(1.3) * z)[:, None]
    squares = ((problem.network.realize(theta, x) - target.at(x)) ** 2).sum(axis=1)
    assert problem.risk(theta) == pytest.approx(squares @ mass, rel=1e-13)
    assert np.abs(differences(problem.risk, theta) - problem.gradient(theta)).max() < 1e-9


def test_what_has_no_closed_form_is_refused_with_a_way_out():
    measure, targets = MEASURES["standard"], gfc.targets
    cases = [
        ((3, 2, 2, 1), targets.Constant(1.0), "2 hidden layers"),
        ((3, 2, 1), targets.Teacher((3, 2, 2, 1)), "2 hidden layers"),
        ((3, 2, 1), targets.RadialBump([0.0, 0.0, 0.0]), "radial-bump"),
        ((3, 2, 1), targets.MultivariatePolynomial([[2, 2, 0]], [1.0]), "total degree 4"),
        ((3, 2, 1), targets.Ridge(targets.HermitePolynomial([0] * 9 + [1]), [1, 0, 0]), "degree 9"),
        ((3, 2, 1), targets.Ridge(targets.Sine(), [1.0, 0.0, 0.0]), "sine"),
    ]
    for widths, target, reason in cases:
        with pytest.raises(InputError, match=reason) as error:
            gfc.Problem(gfc.ReLUNetwork(widths), target, measure)
        assert 'discretize(n, rule="sobol")' in str(error.value)
        points = measure.discretize(64, rule="sobol")
        assert np.isfinite(
            gfc.Problem(gfc.ReLUNetwork(widths), target, points).risk(
                np.ones(gfc.ReLUNetwork(widths).parameter_count)
            )
        )


def test_the_problem_says_how_it_is_evaluated():
    problem = problem_of(TARGETS["teacher"], MEASURES["standard"])
    assert problem.evaluation.name == "gaussian-inputs"
    assert problem.evaluation.exact
    assert problem.has_hessian
    assert problem.has_compiled_flow
