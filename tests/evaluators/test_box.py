"""Problems on a box: exact along one coordinate, with a quadrature rule in the others."""

from __future__ import annotations

import itertools
import time

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    QUICK,
    any_backprop,
    any_breakpoints,
    any_layers,
    any_network,
    any_theta,
    parameters,
    relative_error,
    square_points,
)
from scipy.stats import qmc

import gfcompare as gfc
from gfcompare import measures, targets
from gfcompare.evaluators.quadrature import Quadrature
from gfcompare.system import threads

HIDDEN = 16


def even(x):
    return np.ones(len(x))


def two_powers(x):
    return np.stack([x[:, 0] ** 2 - 2 * x[:, 0] * x[:, 1] + 0.5 * x[:, 1] ** 3, 0.3 - x[:, 1]], axis=1)


POLYNOMIAL = targets.MultivariatePolynomial(
    [[2, 0], [1, 1], [0, 3], [0, 1], [0, 0]], [[1.0, -2.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, -1.0, 0.3]]
)


def exponential(x):
    return np.exp(-2.0 * x[:, 0] * x[:, 1])


def gaussian(x):
    return np.exp(-(((x - np.array([0.3, 0.6])) / np.array([0.3, 0.5])) ** 2).sum(axis=1) / 2)


#: Measures on the unit square, with their densities up to a factor.
MEASURES = {
    "uniform": (measures.Box(), even),
    "product": (
        measures.Product(
            [measures.TruncatedNormal(0.3, 0.4, 0.0, 1.0), measures.PiecewisePolynomial([0, 1], [[0.5, 1.0]])]
        ),
        lambda x: np.exp(-(((x[:, 0] - 0.3) / 0.4) ** 2) / 2) * (0.5 + x[:, 1]),
    ),
    "exp(-2 x1 x2)": (measures.BoxDensity(exponential), exponential),
    "gaussian": (measures.BoxDensity(gaussian), gaussian),
}
#: Targets on the unit square.
TARGETS = {
    "polynomial": (POLYNOMIAL, two_powers),
    "bump": (
        targets.RadialBump([0.3, 0.6], width=0.3),
        lambda x: np.exp(-((x - np.array([0.3, 0.6])) ** 2).sum(axis=1) / 0.18)[:, None],
    ),
    "sines": (
        targets.ProductOfSines([1.0, 0.7], offset=0.2),
        lambda x: (0.2 + np.sin(2 * np.pi * x[:, 0]) * np.sin(2 * np.pi * 0.7 * x[:, 1]))[:, None],
    ),
}


def square(target, measure, hidden=HIDDEN, quadrature=None):
    """Return a problem on the unit square, by a rule, and risk and gradient of a network as a function."""
    (case, formula), (law, density) = TARGETS[target], MEASURES[measure]
    widths = (2, hidden, case.outputs)
    smooth = target == "polynomial" and measure == "uniform"

    def exact(theta):
        points = square_points(theta, hidden, formula, density, 5 if smooth else 8, 1 if smooth else 2)
        return any_backprop(widths, theta, *points)

    # Asked for, a rule is taken, also where something better is known.
    return gfc.Problem(gfc.ReLUNetwork(widths), case, law, quadrature or Quadrature()), exact


def distance(found, expected):
    """Return the relative error in the Euclidean norm."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


# ---------------------------------------------------------------------------------------------------
# Accuracy
# ---------------------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("target", TARGETS)
def test_default_rule_at_two_inputs(target, measure):
    """1e-6 in the median of networks that the rule was not chosen on, never worse than ten times that."""
    problem, exact = square(target, measure)
    rng = np.random.default_rng(123)
    errors = []
    for _ in range(5):
        theta = gfc.initializations.He().draw(problem.network, rng)
        risk, gradient = exact(theta)
        errors.append(distance(problem.gradient(theta), gradient))
        assert problem.risk(theta) == pytest.approx(risk, rel=1e-6)
    assert np.median(errors) < 1e-6
    assert max(errors) < 1e-5


@pytest.mark.thorough
def test_default_rule_on_many_networks():
    problem, exact = square("polynomial", "uniform")
    rng = np.random.default_rng(1)
    for draw, median in (
        (lambda: gfc.initializations.He().draw(problem.network, rng), 1e-6),
        (lambda: problem.network.normalize(any_theta(rng, problem.network.widths)), 2e-6),
    ):
        thetas = np.stack([draw() for _ in range(40)])
        errors = [distance(problem.gradient(theta), exact(theta)[1]) for theta in thetas]
        assert np.median(errors) < median
        assert np.quantile(errors, 0.9) < 1e-5
        # The estimate bounds nearly every error, and is no more than ten times as large, mostly.
        shares = problem.quadrature_error(thetas) / errors
        assert np.mean(shares >= 1) >= 0.95
        assert np.quantile(shares, 0.9) < 10


@pytest.mark.thorough
def test_the_error_along_trajectories_lies_below_its_estimate():
    """Against adaptive integration, which shares nothing with the rule; trained states too."""
    problem, exact = square("polynomial", "uniform", quadrature=gfc.Quadrature(nodes=32))
    flow, times = gfc.integrator("standard-gf", rtol=1e-5), np.array([0.0, 1.0, 10.0])
    shares = []
    for seed in range(8):
        theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(seed))
        data = gfc.integrate(problem, flow, theta, times)
        names = ("weight_1", "bias_1", "weight_2", "bias_2")
        states = np.concatenate([data[name].values.reshape(3, -1) for name in names], axis=1)
        errors = [distance(problem.gradient(state), exact(state)[1]) for state in states]
        shares += list(problem.quadrature_error(states) / errors)
    assert np.mean(np.array(shares) >= 1) >= 0.95


@pytest.mark.thorough
def test_sobol_points_are_compared_with_independent_ones():
    """Twice as many points of the same sequence contain the others: their error is not independent."""
    network, measure = gfc.ReLUNetwork((4, 8, 1)), measures.Box(0.0, 1.0, dimension=4)
    target = targets.RadialBump([0.4] * 4, width=0.5)

    def by(nodes, coordinate):
        return gfc.Problem(network, target, measure, gfc.Quadrature(nodes=nodes, coordinate=coordinate))

    problem, reference = by(64, 1), by(8192, 2)
    draw = gfc.initializations.He(bias_scale=1.0).draw
    thetas = np.stack([draw(network, np.random.default_rng(seed)) for seed in range(40)])
    exact = reference.gradient(thetas)
    errors = np.linalg.norm(problem.gradient(thetas) - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert np.mean(problem.quadrature_error(thetas) >= errors) >= 0.95


@pytest.mark.thorough
@pytest.mark.parametrize("coordinate", [1, 2])
def test_order_of_convergence(coordinate):
    """The gradient converges with order 2 in the number of nodes, the risk with a higher one."""
    exact = square("polynomial", "uniform")[1]
    rng = np.random.default_rng(5)
    thetas = [any_theta(rng, (2, HIDDEN, 2)) for _ in range(8)]
    expected = [exact(theta) for theta in thetas]
    nodes = np.array([32, 64, 128, 256, 512, 1024])
    errors, risks = [], []
    for count in nodes.tolist():
        problem = square("polynomial", "uniform", quadrature=Quadrature(count, coordinate))[0]
        assert problem.rule.nodes == count
        assert problem.rule.coordinate == coordinate
        errors.append(
            np.median([distance(problem.gradient(t), e[1]) for t, e in zip(thetas, expected, strict=True)])
        )
        risks.append(
            np.median([abs(problem.risk(t) / e[0] - 1) for t, e in zip(thetas, expected, strict=True)])
        )
    assert (np.diff(errors) < 0).all()
    assert -np.polyfit(np.log(nodes), np.log(errors), 1)[0] == pytest.approx(2.0, abs=0.35)
    assert -np.polyfit(np.log(nodes), np.log(risks), 1)[0] > 2.5
    assert errors[-1] < 3e-6


@pytest.mark.parametrize("measure", MEASURES)
def test_both_coordinates_give_the_same_gradient(measure):
    one, other = (square("sines", measure, quadrature=Quadrature(512, c))[0] for c in (1, 2))
    rng = np.random.default_rng(2)
    theta = np.stack([gfc.initializations.He().draw(one.network, rng) for _ in range(6)])
    gradients = [problem.gradient(theta) for problem in (one, other)]
    errors = [distance(a, b) for a, b in zip(*gradients, strict=True)]
    assert max(errors) < 1e-4
    assert min(errors) > 0
    np.testing.assert_allclose(one.risk(theta), other.risk(theta), rtol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("widths", [(2, 6, 5, 1), (2, 4, 4, 4, 2)])
@pytest.mark.parametrize("measure", ["uniform", "product", "exp(-2 x1 x2)"])
def test_deep_networks_on_a_square(widths, measure):
    """Against a fine rule in x_2 and Gauss-Legendre between the breakpoints in x_1."""
    law, density = MEASURES[measure]
    outputs = widths[-1]
    target = targets.Stack([POLYNOMIAL] if outputs == 2 else [TARGETS["bump"][0]])
    formula = two_powers if outputs == 2 else TARGETS["bump"][1]
    theta = any_theta(np.random.default_rng(outputs), widths)
    (weight, bias), *_ = any_layers(widths, theta)
    x, v = np.polynomial.legendre.leggauss(8)
    points, weights = [], []
    count = 1500
    for place in (np.arange(count)[:, None] + 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3)).ravel() / count:
        local = np.concatenate([weight[:, 0], bias + weight[:, 1] * place, theta[3 * widths[1] :]])
        edges = np.concatenate([[0.0, 1.0], any_breakpoints((1, *widths[1:]), local, 0.0, 1.0)])
        edges = np.sort(edges)
        half = 0.5 * np.diff(edges)
        x1 = (0.5 * (edges[:-1] + edges[1:])[:, None] + half[:, None] * x).ravel()
        points.append(np.column_stack([x1, np.full(x1.size, place)]))
        weights.append(np.outer(half, v).ravel())
    table, mass = np.concatenate(points), np.concatenate(weights)
    mass *= density(table)
    risk, gradient = any_backprop(widths, theta, table, formula(table), mass / mass.sum())
    problem = gfc.Problem(gfc.ReLUNetwork(widths), target, law, Quadrature(nodes=512))
    assert distance(problem.gradient(theta), gradient) < 1e-4
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-5)
    assert float(problem.quadrature_error(theta)) < 1e-4


# ---------------------------------------------------------------------------------------------------
# Exactly known cases
# ---------------------------------------------------------------------------------------------------


def tensor(box, degree):
    """Return points and weights exact for polynomials of a degree in each variable, under a uniform law."""
    x, v = np.polynomial.legendre.leggauss(degree // 2 + 1)
    grids = np.meshgrid(*[0.5 * (a + b) + 0.5 * (b - a) * x for a, b in box], indexing="ij")
    weights = np.ones(1)
    for _ in box:
        weights = np.outer(weights, v / 2).ravel()
    return np.stack([grid.ravel() for grid in grids], axis=1), weights


BOXES = {2: [(-1.0, 2.0), (1.0, 5.0)], 3: [(0.0, 1.0), (-2.0, -1.0), (10.0, 11.0)]}


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("coordinate", [1, 2])
@pytest.mark.parametrize("deep", [False, True])
def test_affine_networks_are_exact_with_few_nodes(dimension, coordinate, deep):
    """Where every neuron is active on the whole box, or on none of it, polynomials are left."""
    widths = (dimension, 4, 3, 2) if deep else (dimension, 4, 2)
    rng = np.random.default_rng(3)
    box = BOXES[dimension]
    layers = []
    for number, (before, after) in enumerate(itertools.pairwise(widths)):
        hidden = number < len(widths) - 2
        weight = rng.normal(size=(after, before)) * 0.5
        bias = np.where(np.arange(after) == 1, -90.0, 40.0) if hidden else rng.normal(size=after)
        layers.append((weight, bias))
    network = gfc.ReLUNetwork(widths)
    theta = network.join(layers)
    slope, intercept = rng.normal(size=(2, dimension)), np.array([0.5, -1.0])
    lower, upper = zip(*box, strict=True)
    problem = gfc.Problem(
        network,
        targets.Affine(slope.tolist(), intercept.tolist()),
        measures.Box(lower, upper, dimension),
        Quadrature(9 if dimension == 3 else 3, coordinate),
    )
    points, weights = tensor(box, 4)
    risk, gradient = any_backprop(widths, theta, points, points @ slope.T + intercept, weights)
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-13)
    assert relative_error(problem.gradient(theta), gradient) < 1e-13
    # The dead neuron gets exactly nothing.
    assert not network.layers(problem.gradient(theta))[0].weight[1].any()
    assert float(problem.quadrature_error(theta)) < 1e-13


def test_neurons_along_the_exact_coordinate_are_exact():
    """The network and the target are functions of x_1 alone: as on the line."""
    line = gfc.Problem(gfc.ReLUNetwork((1, 5, 1)), targets.Sine(), measures.TruncatedNormal(0.4, 0.3, 0, 1))
    theta = any_theta(np.random.default_rng(0), (1, 5, 1))
    wide = np.concatenate([np.column_stack([theta[:5], np.zeros(5)]).ravel(), theta[5:]])
    law = measures.Product([line.measure, measures.Uniform(-1.0, 3.0)])
    problem = gfc.Problem(
        gfc.ReLUNetwork((2, 5, 1)), targets.Ridge(targets.Sine(), [1.0, 0.0]), law, Quadrature(4, 1)
    )
    expected, gradient = line.gradient(theta), problem.gradient(wide)
    assert problem.risk(wide) == pytest.approx(float(line.risk(theta)), rel=1e-11)
    np.testing.assert_allclose(gradient[:10:2], expected[:5], rtol=0, atol=1e-11)
    np.testing.assert_allclose(gradient[10:], expected[5:], rtol=0, atol=1e-11)
    # x_2 is independent of everything, and has mean 1.
    np.testing.assert_allclose(gradient[1:10:2], expected[5:10], rtol=0, atol=1e-11)


@pytest.mark.thorough
@QUICK
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]), st.integers(1, 8))
def test_any_network_with_one_hidden_layer(seed, coordinate, hidden):
    """Integrated cell by cell; neurons that depend on x_2 alone, or nearly, are among the examples."""
    rng = np.random.default_rng(seed)
    widths = (2, hidden, 2)
    theta = any_theta(rng, widths)
    if seed % 3 == 0:
        theta[1] *= 1e-3
    if seed % 5 == 0:
        theta[: 2 * hidden : 2] = 0.0
    problem = gfc.Problem(gfc.ReLUNetwork(widths), POLYNOMIAL, measures.Box(), Quadrature(256, coordinate))
    points = square_points(theta, hidden, two_powers, even, 5)
    risk, gradient = any_backprop(widths, theta, *points)
    scale = np.abs(theta).max() ** 2 + 1.0
    assert abs(problem.risk(theta) - risk) < 1e-4 * scale**2
    assert np.linalg.norm(problem.gradient(theta) - gradient) < 2e-3 * scale**2


@pytest.mark.sampled("4-0.03")
@pytest.mark.parametrize(("dimension", "goal"), [(3, 1e-3), (4, 3e-2), (10, 5e-2)])
def test_more_inputs(dimension, goal):
    """Grids and Sobol points, against a quarter of a million points."""
    widths = (dimension, 12, 1)
    law = measures.Box(-0.5, 1.0, dimension)
    problem = gfc.Problem(gfc.ReLUNetwork(widths), targets.RadialBump([0.2] * dimension, width=1.0), law)
    assert problem.rule.error <= {3: 1e-4}.get(dimension, 1e-2) or problem.rule.nodes > 2000
    x = qmc.Sobol(dimension, scramble=True, rng=5).random(2**17) * 1.5 - 0.5
    fx = np.exp(-((x - 0.2) ** 2).sum(axis=1) / 2)[:, None]
    for seed in range(2):
        theta = any_theta(np.random.default_rng(seed), widths, -0.5, 1.0)
        risk, gradient = any_backprop(widths, theta, x, fx, np.full(len(x), 1 / len(x)))
        assert distance(problem.gradient(theta), gradient) < goal
        assert problem.risk(theta) == pytest.approx(risk, rel=goal)


# ---------------------------------------------------------------------------------------------------
# The approximate risk is a risk: derivative, flow, arrays
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "nodes"),
    [((2, 8, 1), 16), ((2, 5, 4, 1), 16), ((3, 6, 1), 16), ((5, 6, 1), 16), ((3, 4, 3, 1), 9)],
)
def test_gradient_is_the_derivative_of_the_risk_with_the_rule_fixed(widths, nodes):
    d = widths[0]
    problem = gfc.Problem(
        gfc.ReLUNetwork(widths), targets.RadialBump([0.4] * d), measures.Box(0.0, 1.0, d), Quadrature(nodes)
    )
    theta = any_theta(np.random.default_rng(7), widths)
    size = 1e-5
    shifts = size * np.eye(theta.size)
    slopes = (problem.risk(theta + shifts) - problem.risk(theta - shifts)) / (2 * size)
    assert relative_error(slopes, problem.gradient(theta)) < 3e-7


@pytest.mark.sampled("widths0-normalized-gf")
@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
@pytest.mark.parametrize("widths", [(2, 8, 1), (2, 5, 4, 1)])
def test_flows_on_a_square(name, widths):
    """The energy identity holds for the risk by quadrature, whatever the number of nodes."""
    problem = gfc.Problem(
        gfc.ReLUNetwork(widths), TARGETS["bump"][0], MEASURES["product"][0], Quadrature(nodes=24)
    )
    network = problem.network
    theta = any_theta(np.random.default_rng(1), widths)
    times = np.concatenate([[0.0], np.geomspace(1e-3, 100.0, 400)])
    data = gfc.integrate(problem, gfc.integrator(name, rtol=1e-9), theta, times)
    assert data["status"].values.tolist() == [gfc.Status.REACHED_END]
    rows = parameters(data)[0]
    risks, gradients = problem.risk(rows), problem.gradient(rows)
    np.testing.assert_allclose(np.ravel(data["risk"]), risks, rtol=1e-12)
    if name == "normalized-gf":
        assert network.distance_to_manifold(rows).max() < 1e-14
        gradients = network.project(rows, gradients)
    else:
        for layer in network.balancedness(rows):
            assert np.abs(layer - layer[0]).max() < 1e-6
    speeds = (gradients**2).sum(axis=1)
    assert (np.diff(risks) < 0).all()
    lost = np.trapezoid(speeds[1:] * times[1:], np.log(times[1:]))
    assert risks[1] - risks[-1] == pytest.approx(lost, rel=3e-3)


@pytest.mark.sampled("sines")
@pytest.mark.parametrize("target", TARGETS)
def test_a_flow_to_ten_thousand(target):
    """2-16-1, 64 nodes. The bar is 0.2 s on an idle core; this only excludes what is far from it."""
    case = TARGETS[target][0]
    problem = gfc.Problem(gfc.ReLUNetwork((2, 16, case.outputs)), case, measures.Box(), Quadrature(nodes=64))
    theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(0))
    method = gfc.integrator("standard-gf", rtol=1e-6)
    gfc.integrate(problem, method, theta, [0.0, 1e-3])
    began = time.process_time()
    data = gfc.integrate(problem, method, theta, np.concatenate([[0.0], np.geomspace(1.0, 1e4, 9)]))
    assert time.process_time() - began < 5.0
    assert data["status"].values.tolist() == [gfc.Status.REACHED_END]
    assert (np.diff(np.ravel(data["risk"])) < 0).all()
    assert int(np.ravel(data["gradient_evaluations"])[-1]) < 40_000


@pytest.fixture(scope="module")
def plain():
    """Problems with one and with two hidden layers on a square, and networks for each."""
    rng = np.random.default_rng(4)
    problems = []
    for widths in ((2, 6, 2), (2, 5, 4, 2)):
        problem = gfc.Problem(gfc.ReLUNetwork(widths), POLYNOMIAL, MEASURES["gaussian"][0], Quadrature(20))
        problems.append((problem, np.stack([any_theta(rng, widths) for _ in range(12)])))
    return problems


@pytest.mark.parametrize("number", [0, 1])
def test_shapes_layouts_batches_and_threads(plain, number):
    problem, theta = plain[number]
    risk, gradient = problem.risk(theta), problem.gradient(theta)
    count = theta.shape[1]
    alone = np.stack([problem.gradient(row) for row in theta[::-1]])[::-1]
    assert np.array_equal(alone, gradient)
    assert np.array_equal([float(problem.risk(row)) for row in theta], risk)
    assert np.array_equal(problem.gradient(theta.reshape(2, 3, 2, count)), gradient.reshape(2, 3, 2, count))
    locked = theta.copy()
    locked.setflags(write=False)
    for other in (locked, np.asfortranarray(theta), np.repeat(theta, 2, axis=0)[::2], theta.tolist()):
        assert np.array_equal(problem.gradient(other), gradient)
        assert np.array_equal(problem.risk(other), risk)
    for leading in ((0,), (2, 0)):
        empty = np.empty((*leading, count))
        assert problem.risk(empty).shape == leading
        assert problem.gradient(empty).shape == empty.shape
        assert problem.quadrature_error(empty).shape == leading
    try:
        for count in (1, 2, 3):
            threads.set_thread_count(count)
            assert np.array_equal(problem.gradient(np.tile(theta, (9, 1))), np.tile(gradient, (9, 1)))
            assert np.array_equal(problem.risk(np.tile(theta, (9, 1))), np.tile(risk, 9))
    finally:
        threads.set_thread_count(None)
    copy = cloudpickle.loads(cloudpickle.dumps(problem))
    assert np.array_equal(copy.gradient(theta), gradient)
    assert copy.digest == problem.digest
    assert copy.rule == problem.rule


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("number", [0, 1])
def test_what_is_no_number_is_not_hidden(plain, number, bad):
    problem, theta = plain[number]
    for position in range(theta.shape[1]):
        rows = theta[:3].copy()
        rows[1, position] = bad
        risk, gradient = problem.risk(rows), problem.gradient(rows)
        assert np.array_equal(risk[[0, 2]], problem.risk(theta[[0, 2]]))
        assert np.array_equal(gradient[[0, 2]], problem.gradient(theta[[0, 2]]))
        assert not np.isfinite(risk[1]), position
        assert not np.isfinite(gradient[1]).all(), position


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("number", [0, 1])
def test_descent(plain, number, normalize):
    problem, theta = plain[number]
    network = problem.network
    rows = network.normalize(theta[:4]) if normalize else theta[:4]
    start = problem.risk(rows)
    sizes = np.full(30, 0.02)
    found, taken = problem.descend(rows, sizes, normalize=normalize)
    assert taken.tolist() == [30] * 4
    for size in sizes:
        gradient = problem.gradient(rows)
        rows = rows - size * (network.project(rows, gradient) if normalize else gradient)
        rows = network.retract(rows) if normalize else rows
    assert np.array_equal(found, rows)
    assert (problem.risk(found) < start).all()
    if normalize:
        assert network.distance_to_manifold(found).max() < 1e-14


def test_digest_tells_problems_apart():
    base = {"target": POLYNOMIAL, "measure": measures.Box(), "quadrature": Quadrature(8, 1)}
    network = gfc.ReLUNetwork((2, 3, 2))
    changes = [
        {},
        {"target": targets.Constant((0.0, 1.0))},
        {"measure": measures.Box(0.0, 2.0)},
        {"measure": measures.BoxDensity(exponential)},
        {"quadrature": Quadrature(8, 2)},
        {"quadrature": Quadrature(16, 1)},
    ]
    digests = [gfc.Problem(network, **(base | change)).digest for change in changes]
    assert len(set(digests)) == len(changes)
    assert gfc.Problem(network, **base).digest == digests[0]


def test_the_rule_is_found_once_and_when_it_is_needed():
    """Building a problem is cheap; the rule is chosen at the first evaluation."""
    calls = []

    def counted(x):
        calls.append(len(x))
        return np.sin(3 * x[:, 0]) * x[:, 1]

    target = targets.Function(counted, dimension=2)
    problem = gfc.Problem(gfc.ReLUNetwork((2, 3, 1)), target, measures.Box(), Quadrature(8, 1))
    built = sum(calls)
    assert built < 1000
    rule = problem.rule
    assert sum(calls) > built + 100
    count = len(calls)
    problem.gradient(np.zeros(13))
    assert problem.rule is rule
    assert len(calls) == count


# ---------------------------------------------------------------------------------------------------
# What is refused
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "target", "measure", "parts"),
    [
        ((1, 4, 1), targets.Affine([[1.0, 2.0]]), measures.Box(), ("d = 1", "d = 2", "widths [2, 4, 1]")),
        ((2, 4, 1), targets.Sine(), measures.Box(), ("d = 2", "'sine' d = 1", "a target with d = 2")),
        ((2, 4, 1), targets.Affine([[1.0, 2.0]]), measures.Uniform(), ("'uniform' d = 1", "measures.Box")),
        ((3, 4, 1), targets.Constant(1.0), measures.Box(), ("d = 3", "any d", "widths [2, 4, 1]")),
        ((2, 4, 2), targets.Affine([[1.0, 2.0]]), measures.Box(), ("K = 1", "K = 2", "widths [2, 4, 1]")),
        ((2, 4, 1), targets.Labels(), measures.Box(), ("'labels'", "data-set")),
        ((1, 4, 1), targets.Labels(), measures.Uniform(), ("'labels'", "data-set")),
        ((2, 4, 4, 1), POLYNOMIAL, measures.Box(), ("K = 2", "widths [2, 4, 4, 2]")),
    ],
)
def test_wrong_shapes_are_refused_with_one_message(network, target, measure, parts):
    with pytest.raises(gfc.InputError) as caught:
        gfc.Problem(gfc.ReLUNetwork(network), target, measure)
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    assert "\n" not in message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("dimension", "options", "parts"),
    [
        (2, {"nodes": 0}, ("nodes", "positive")),
        (2, {"nodes": 2.5}, ("nodes", "2.5")),
        (2, {"nodes": True}, ("nodes",)),
        (2, {"coordinate": 0}, ("coordinate", "0")),
        (2, {"coordinate": 3}, ("coordinate", "between 1 and d = 2", "3")),
        (3, {"nodes": 10}, ("square", "9 or 16", "10")),
        (3, {"nodes": 2}, ("square", "1 or 4")),
        (4, {"nodes": 48}, ("power of 2", "32 or 64", "48")),
        (10, {"nodes": 1000}, ("power of 2", "512 or 1024")),
    ],
)
def test_wrong_rules_are_refused_at_construction(dimension, options, parts):
    with pytest.raises(gfc.InputError) as caught:
        gfc.Problem(
            gfc.ReLUNetwork((dimension, 3, 1)),
            targets.Constant(1.0),
            measures.Box(0.0, 1.0, dimension),
            Quadrature(**options),
        )
    for part in parts:
        assert part in str(caught.value)


def test_a_target_that_is_no_number_somewhere_is_refused_at_construction():
    target = targets.Function(lambda x: np.where(x[:, 0] < 0.2, np.nan, 1.0), dimension=2)
    with pytest.raises(gfc.InputError, match="finite number"):
        gfc.Problem(gfc.ReLUNetwork((2, 3, 1)), target, measures.Box())


def test_questions_that_only_a_box_can_answer():
    line = gfc.Problem(gfc.ReLUNetwork((1, 3, 1)), targets.Sine(), measures.Uniform())
    assert line.rule is None
    assert line.quadrature is None
    with pytest.raises(gfc.InputError, match="no quadrature error"):
        line.quadrature_error(np.zeros(10))
    box = gfc.Problem(gfc.ReLUNetwork((2, 3, 1)), targets.Constant(1.0), measures.Box(), Quadrature(8))
    for name in ("target_pieces", "density", "values_on_points", "test_points"):
        with pytest.raises(gfc.InputError):
            getattr(box, name)
    with pytest.raises(gfc.InputError, match="hessian_product"):
        box.hessian(np.zeros(13))
    assert box.smooth
    assert not box.has_test


def test_network_of_the_same_function_has_the_same_risk(plain):
    for problem, theta in plain:
        normal = problem.network.normalize(theta)
        np.testing.assert_allclose(problem.risk(normal), problem.risk(theta), rtol=1e-11)
        x = np.random.default_rng(0).random((20, 2))
        for one, other in zip(theta, normal, strict=True):
            widths = problem.network.widths
            np.testing.assert_allclose(any_network(widths, one, x), any_network(widths, other, x), atol=1e-12)
