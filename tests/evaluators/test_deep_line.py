"""Networks of any depth on the line against independent integration, and where things degenerate."""

from __future__ import annotations

import itertools
from fractions import Fraction

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    QUICK,
    ExactDeep,
    MeasureCase,
    TargetCase,
    any_backprop,
    any_breakpoints,
    any_network,
    any_theta,
    fractions,
    line_points,
    line_quadrature,
    measure_case,
    random_theta,
    relative_error,
    target_case,
)

import gfcompare as gfc
from gfcompare.evaluators.along_lines import AlongLines
from gfcompare.kernels import deep_line
from gfcompare.piecewise.antiderivatives import single_line
from gfcompare.system import threads

INTERVALS = ((0.0, 1.0), (-3.0, 2.0), (100.0, 101.0))
WIDTHS = ((1, 16, 16, 1), (1, 8, 8, 8, 2), (1, 3, 2, 1), (1, 1, 1, 1))
#: What the issue demands, in the maximum norm relative to the largest entry.
GRADIENT_ACCURACY = 1e-10
#: What is reached; the conversion of a target that is no polynomial is the larger part of it.
REACHED = 3e-12


def make_problem(widths, target, measure=None):
    return gfc.Problem(gfc.ReLUNetwork(widths), target, measure or gfc.measures.Uniform())


def cases(name, measure, outputs, interval):
    """Return a target with K outputs, a stack of others if the kind has one output, and a measure."""
    kind = "stack" if outputs == 2 and name == "teacher" else name
    if outputs == 1 or kind == "stack":
        return target_case(kind, outputs, *interval), measure_case(measure, *interval)
    parts = [target_case(n, 1, *interval) for n in (name, "polynomial")]
    target = gfc.targets.Stack([part.target for part in parts])
    stacked = TargetCase(
        target,
        lambda x: np.concatenate([part.formula(x) for part in parts], axis=-1),
        tuple(k for part in parts for k in part.knots),
    )
    return stacked, measure_case(measure, *interval)


# ---------------------------------------------------------------------------------------------------
# Against other ways to integrate
# ---------------------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize("measure", ["uniform", "truncated-normal", "piecewise-polynomial"])
@pytest.mark.parametrize("target", ["polynomial", "sine", "step", "piecewise-linear", "teacher"])
def test_gradient_and_risk_at_every_depth(target, measure, interval):
    rng = np.random.default_rng(17)
    for widths in WIDTHS:
        case, law = cases(target, measure, widths[-1], interval)
        problem = make_problem(widths, case.target, law.measure)
        for _ in range(2):
            theta = any_theta(rng, widths, *interval)
            risk, gradient = any_backprop(widths, theta, *line_points(case, law, widths, theta))
            assert relative_error(problem.gradient(theta), gradient) < REACHED
            assert problem.risk(theta) == pytest.approx(risk, rel=REACHED)


@pytest.mark.sampled
@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize("target", ["polynomial", "sine", "step", "piecewise-linear", "teacher"])
def test_against_adaptive_quadrature(target, interval):
    rng = np.random.default_rng(3)
    for widths, measure in [((1, 5, 4, 1), "truncated-normal"), ((1, 3, 3, 3, 2), "piecewise-polynomial")]:
        case, law = cases(target, measure, widths[-1], interval)
        theta = any_theta(rng, widths, *interval)
        risk, gradient = line_quadrature(case, law, widths, theta)
        problem = make_problem(widths, case.target, law.measure)
        assert relative_error(problem.gradient(theta), gradient) < REACHED
        assert problem.risk(theta) == pytest.approx(risk, rel=REACHED)


@pytest.mark.parametrize("target", ["polynomial", "step"])
def test_wide_network(target):
    widths = (1, 64, 64, 1)
    case, law = cases(target, "truncated-normal", 1, (0.0, 1.0))
    theta = any_theta(np.random.default_rng(1), widths)
    assert len(any_breakpoints(widths, theta, 0.0, 1.0)) > 64
    problem = make_problem(widths, case.target, law.measure)
    risk, gradient = any_backprop(widths, theta, *line_points(case, law, widths, theta))
    assert relative_error(problem.gradient(theta), gradient) < REACHED
    assert problem.risk(theta) == pytest.approx(risk, rel=REACHED)


def test_breakpoints_of_the_network_agree():
    for seed in range(5):
        theta = any_theta(np.random.default_rng(seed), (1, 8, 8, 8, 2))
        network = gfc.ReLUNetwork((1, 8, 8, 8, 2))
        found = sorted(b.position for b in network.breakpoints(theta, 0.0, 1.0))
        np.testing.assert_allclose(found, any_breakpoints(network.widths, theta, 0.0, 1.0), atol=1e-12)


#: Dyadic numbers: every zero and integral in the oracle is a short fraction.
DYADIC = st.integers(-16, 16).map(lambda n: n / 8)
EXACT = ExactDeep(
    [Fraction(0), Fraction(1, 2), Fraction(1)],
    [[fractions([0.25, 4.0, -2.0])], [fractions([1.0, -1.0])]],
    [fractions([1.0, 1.0]), fractions([2.0, -1.0])],
)


def exact_problem(widths):
    target = gfc.targets.PiecewisePolynomial([0.0, 0.5, 1.0], [[0.25, 4.0, -2.0], [1.0, -1.0]])
    measure = gfc.measures.PiecewisePolynomial([0.0, 0.5, 1.0], [[1.0, 1.0], [2.0, -1.0]])
    return make_problem(widths, target, measure)


EXACT_PROBLEMS = {w: exact_problem(w) for w in ((1, 2, 2, 1), (1, 1, 1, 1), (1, 2, 1, 2, 1), (1, 3, 2, 1))}


@QUICK
@given(st.sampled_from(list(EXACT_PROBLEMS)), st.lists(DYADIC, min_size=17, max_size=17))
def test_rational_arithmetic(widths, numbers):
    """Zero weights, dead layers, breakpoints on knots, ends and each other are all among the examples."""
    problem = EXACT_PROBLEMS[widths]
    theta = np.array(numbers[: problem.network.parameter_count])
    risk, gradient = EXACT.both(widths, theta)
    expected = np.array([float(g) for g in gradient])
    assert problem.risk(theta) == pytest.approx(float(risk), rel=1e-13, abs=1e-14)
    scale = 1.0 + max(abs(expected).max(), np.abs(numbers).max() ** 3)
    np.testing.assert_allclose(problem.gradient(theta), expected, rtol=0, atol=3e-14 * scale)


@pytest.mark.parametrize(
    "theta",
    [
        np.zeros(17),
        [1, -1, 0, 0, 1, 0, 1, 1, 1, 1, -1, 1, -0.5, 0, 1, 1, 0],  # breakpoints on both ends and a knot
        [1, 1, 1, -0.5, -0.5, -0.5, 1, 0, 0, 0, 1, 0, 0, 0, 1, -1, 0.25],  # all on the knot
        [1, 1, 1, 0, 0, 0, -1, -1, -1, -1, -1, -1, 0, 0, 2, 3, 0.5],  # a dead layer, at 0 on the edge
        [1, 2, 3, 0, 0, 0, 1, -1, 0, 1, -1, 0, -0.25, 0.25, 1, 1, 0],
        [1, -1, 1, -0.5, 0.5, -0.5, 1, 1, -2, 0, 0, 0, 0, 0, 1, 1, 0],  # layer 2 vanishes on an interval
    ],
)
def test_degenerate_networks_exactly(theta):
    theta = np.array(theta, dtype=float)
    problem = EXACT_PROBLEMS[(1, 3, 2, 1)]
    risk, gradient = EXACT.both((1, 3, 2, 1), theta)
    assert problem.risk(theta) == pytest.approx(float(risk), rel=1e-14)
    np.testing.assert_allclose(problem.gradient(theta), [float(g) for g in gradient], rtol=0, atol=1e-15)


def test_dead_neurons_get_exactly_zero():
    problem = make_problem((1, 3, 2, 1), gfc.targets.Sine())
    theta = any_theta(np.random.default_rng(0), (1, 3, 2, 1))
    theta[[1, 4]] = -1.0, -2.0  # neuron 2 of layer 1 is off on [0, 1]
    theta[[9, 10, 11, 13]] = 0.0, 0.0, 0.0, -1.0  # and so is neuron 2 of layer 2
    gradient = problem.gradient(theta)
    assert not gradient[[1, 4, 7, 10]].any()
    assert not gradient[[9, 10, 11, 13, 15]].any()
    theta[[12, 13]] = -100.0  # and then all of it
    gradient = problem.gradient(theta)
    assert not gradient[:-1].any()
    assert gradient[-1] == pytest.approx(2 * theta[-1], rel=1e-13)


def test_tiny_risk_keeps_its_digits():
    """The student is the teacher, but for 1e-9 in the output bias: the risk is 1e-18."""
    target = gfc.targets.Teacher((1, 6, 5, 1), seed=2)
    problem = make_problem((1, 6, 5, 1), target)
    theta = target.theta.copy()
    assert problem.risk(theta) < 1e-28
    theta[-1] += 1e-9
    assert problem.risk(theta) == pytest.approx(1e-18, rel=1e-5)


# ---------------------------------------------------------------------------------------------------
# Against one hidden layer
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_deep_kernel_on_one_hidden_layer(outputs, interval):
    """Three evaluators of the same problem: the line, a set of one line, and the deep kernel."""
    case, law = target_case("stack", outputs, *interval), measure_case("truncated-normal", *interval)
    network = gfc.ReLUNetwork((1, 9, outputs))
    problem = gfc.Problem(network, case.target, law.measure)
    rng = np.random.default_rng(8)
    theta = np.stack([random_theta(rng, 9, outputs, *interval) for _ in range(4)])
    lines = single_line(problem.density, problem.target_pieces)
    one_line = AlongLines(network, problem._evaluator.sampler, lines)
    risks, gradients = np.empty(4), np.empty_like(theta)
    deep_line.evaluate(lines, np.array(network.widths), theta, risks, gradients, True)
    for found in (gradients, one_line.gradients(theta)):
        for a, b in zip(found, problem.gradient(theta), strict=True):
            assert relative_error(a, b) < 2e-13
    for found in (risks, one_line.risks(theta)):
        np.testing.assert_allclose(found, problem.risk(theta), rtol=2e-13)


@pytest.mark.parametrize(("shift", "length"), [(1024.0, 1.0), (1e3, 1.37), (-65_536.0, 1.9), (1e6, 1.77)])
def test_far_from_0_as_at_0(shift, length):
    # Periods of the target go into the shift; the middle of all but the first interval is no double.
    target, hidden = gfc.targets.Sine(phase=0.7), 5
    network = gfc.ReLUNetwork((1, hidden, 4, 1))
    ends = ((0.0, (shift + length) - shift), (shift, shift + length))
    here, there = (gfc.Problem(network, target, gfc.measures.Uniform(*interval)) for interval in ends)
    rng = np.random.default_rng(5)
    for _ in range(8):
        near = rng.normal(size=network.parameter_count)
        w = rng.integers(-64, 64, size=hidden) / 32.0 + 1.0 / 128.0
        near[:hidden], near[hidden : 2 * hidden] = w, -np.round(w * rng.uniform(size=hidden) * 128.0) / 128.0
        far = near.copy()
        far[hidden : 2 * hidden] -= shift * w
        expected = here.gradient(near)
        scale = np.full(near.size, np.abs(expected).max())
        scale[:hidden] *= abs(shift)
        expected[:hidden] += shift * expected[hidden : 2 * hidden]
        assert (np.abs(there.gradient(far) - expected) / scale).max() < 2e-14
        assert there.risk(far) == pytest.approx(here.risk(near), rel=1e-13)


def test_a_layer_that_passes_everything_on_changes_nothing():
    """With W2 = I, b2 = 0 between them, layers 1 and 3 have the gradient of the shallow network."""
    case = target_case("sine", 2, 0.0, 1.0)
    shallow, deep = (make_problem(w, case.target) for w in ((1, 5, 2), (1, 5, 5, 2)))
    theta = random_theta(np.random.default_rng(4), 5, 2, 0.0, 1.0)
    longer = np.concatenate([theta[:10], np.eye(5).ravel(), np.zeros(5), theta[10:]])
    gradient, expected = deep.gradient(longer), shallow.gradient(theta)
    assert deep.risk(longer) == pytest.approx(float(shallow.risk(theta)), rel=1e-14)
    np.testing.assert_allclose(gradient[:10], expected[:10], rtol=0, atol=1e-14)
    np.testing.assert_allclose(gradient[40:], expected[10:], rtol=0, atol=1e-14)


# ---------------------------------------------------------------------------------------------------
# Arrays
# ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain():
    """A problem with two hidden layers, and some networks."""
    problem = make_problem((1, 5, 4, 2), gfc.targets.Sine((1.0, 0.5)))
    rng = np.random.default_rng(2)
    return problem, np.stack([any_theta(rng, (1, 5, 4, 2)) for _ in range(24)])


def test_shapes_and_layouts(plain):
    problem, theta = plain
    risk, gradient = problem.risk(theta), problem.gradient(theta)
    count = theta.shape[1]
    assert risk.shape == (24,)
    assert gradient.shape == theta.shape
    cube = theta.reshape(2, 3, 4, count)
    assert np.array_equal(problem.risk(cube), risk.reshape(2, 3, 4))
    assert np.array_equal(problem.gradient(cube), gradient.reshape(cube.shape))
    assert problem.risk(theta[0]).shape == ()
    locked = theta.copy()
    locked.setflags(write=False)
    for other in (locked, np.asfortranarray(theta), np.repeat(theta, 2, axis=1)[:, ::2], theta.tolist()):
        assert np.array_equal(problem.gradient(other), gradient)
        assert np.array_equal(problem.risk(other), risk)
    for leading in ((0,), (2, 0), (0, 3)):
        empty = np.empty((*leading, count))
        assert problem.risk(empty).shape == leading
        assert problem.gradient(empty).shape == empty.shape


def test_a_row_does_not_depend_on_its_batch_nor_on_threads(plain):
    problem, theta = plain
    many = np.tile(theta, (40, 1))
    alone = np.stack([problem.gradient(row) for row in theta])
    risks = np.stack([problem.risk(row) for row in theta])
    try:
        for count in (1, 2, 3):
            threads.set_thread_count(count)
            assert np.array_equal(problem.gradient(many), np.tile(alone, (40, 1)))
            assert np.array_equal(problem.risk(many), np.tile(risks, 40))
    finally:
        threads.set_thread_count(None)


def test_pickled_problem_gives_the_same_numbers(plain):
    problem, theta = plain
    expected = problem.gradient(theta)
    copy = cloudpickle.loads(cloudpickle.dumps(problem))
    assert np.array_equal(copy.gradient(theta), expected)
    assert np.array_equal(copy.risk(theta), problem.risk(theta))
    assert copy.digest == problem.digest


#: In each layer, weights and biases.
@pytest.mark.parametrize("position", [0, 5, 10, 31, 34, 41, 43])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_not_hidden(plain, bad, position):
    """Risk and gradient are then no finite numbers, even if the neuron counts as switched off.

    The neighbours are not touched.
    """
    problem, theta = plain
    rows = theta[:3].copy()
    rows[1, position] = bad
    risk, gradient = problem.risk(rows), problem.gradient(rows)
    assert np.array_equal(risk[[0, 2]], problem.risk(theta[[0, 2]]))
    assert np.array_equal(gradient[[0, 2]], problem.gradient(theta[[0, 2]]))
    assert not np.isfinite(risk[1])
    assert not np.isfinite(gradient[1]).all()


def test_enormous_parameters_overflow_to_infinity_and_end(plain):
    problem, theta = plain
    with np.errstate(all="ignore"):
        for factor in (1e60, 1e150, 1e300, np.inf):
            risk = problem.risk(theta[:4] * factor)
            assert (~np.isfinite(risk) | (risk > 1e100)).all()


# ---------------------------------------------------------------------------------------------------
# The derivative
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(1, 6, 5, 1), (1, 4, 4, 4, 2)])
def test_gradient_is_the_derivative_of_the_risk(widths):
    case = target_case("polynomial", 1, 0.0, 1.0)
    target = case.target if widths[-1] == 1 else gfc.targets.Stack([case.target, gfc.targets.Sine()])
    problem = make_problem(widths, target, gfc.measures.TruncatedNormal(0.4, 0.3, 0.0, 1.0))
    theta = any_theta(np.random.default_rng(9), widths)
    count, size = theta.size, 1e-5
    shifts = size * np.eye(count)
    slopes = (problem.risk(theta + shifts) - problem.risk(theta - shifts)) / (2 * size)
    assert relative_error(slopes, problem.gradient(theta)) < 1e-7


# ---------------------------------------------------------------------------------------------------
# The submanifold and the invariants
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(1, 6, 5, 1), (1, 4, 3, 4, 2), (3, 4, 5, 6, 2)])
def test_normalisation_keeps_the_function(widths):
    network = gfc.ReLUNetwork(widths)
    rng = np.random.default_rng(6)
    theta = np.stack([any_theta(rng, widths) for _ in range(6)])
    first = widths[0]
    theta[1, :first] = theta[1, first * widths[1]] = 0.0  # a zero row
    normal = network.normalize(theta)
    x = rng.uniform(-1, 2, size=(50, first))
    for one, other in zip(theta, normal, strict=True):
        expected = any_network(widths, one, x)
        np.testing.assert_allclose(any_network(widths, other, x), expected, rtol=1e-12, atol=1e-12)
    for norms in network.row_norms(normal):
        np.testing.assert_allclose(norms, 1.0, rtol=0, atol=1e-15)
    np.testing.assert_allclose(network.normalize(normal), normal, rtol=0, atol=1e-15)
    assert network.distance_to_manifold(normal).max() < 1e-14
    if first == 1:
        problem = make_problem(widths, gfc.targets.Stack([gfc.targets.Sine()] * widths[-1]))
        np.testing.assert_allclose(problem.risk(normal), problem.risk(theta), rtol=1e-12)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["standard-gf", "normalized-gf"])
def test_flows_of_a_deep_network(name):
    """Energy identity; balancedness of every layer along the standard flow, M along the normalised one."""
    widths = (1, 6, 5, 1)
    problem = make_problem(widths, gfc.targets.Sine(), gfc.measures.TruncatedNormal(0.4, 0.3, 0.0, 1.0))
    network = problem.network
    theta = any_theta(np.random.default_rng(5), widths)
    times = np.concatenate([[0.0], np.geomspace(1e-3, 100.0, 400)])
    data = gfc.integrate(problem, gfc.integrator(name, rtol=1e-9), theta, times)
    assert data["status"].values.tolist() == [gfc.Status.REACHED_END]
    rows = np.stack(
        [
            np.concatenate(
                [
                    np.ravel(data[f"{part}_{k}"].isel(seed=0, time=t))
                    for k in (1, 2, 3)
                    for part in ("weight", "bias")
                ]
            )
            for t in range(len(times))
        ]
    )
    risks, gradients = problem.risk(rows), problem.gradient(rows)
    np.testing.assert_allclose(np.ravel(data["risk"]), risks, rtol=1e-12)
    if name == "standard-gf":
        np.testing.assert_array_equal(rows[0], theta)
        speeds = (gradients**2).sum(axis=1)
        for layer in network.balancedness(rows):
            assert np.abs(layer - layer[0]).max() < 1e-6
            assert np.abs(rows[-1] - rows[0]).max() > 0.1
    else:
        np.testing.assert_allclose(rows[0], network.normalize(theta), rtol=0, atol=1e-15)
        assert network.distance_to_manifold(rows).max() < 1e-14
        speeds = (network.project(rows, gradients) ** 2).sum(axis=1)
    assert (np.diff(risks) < 0).all()
    # The energy identity over the whole flow, by the trapezoidal rule in log t.
    lost = np.trapezoid(speeds[1:] * times[1:], np.log(times[1:]))
    assert risks[1] - risks[-1] == pytest.approx(lost, rel=2e-3)


@pytest.mark.parametrize("normalize", [False, True])
def test_descent_makes_the_steps_that_it_should(plain, normalize):
    problem, theta = plain
    network = problem.network
    rows = network.normalize(theta[:5]) if normalize else theta[:5]
    sizes = np.geomspace(0.05, 0.01, 20)
    found, taken = problem.descend(rows, sizes, normalize=normalize)
    assert taken.tolist() == [20] * 5
    for size in sizes:
        gradient = problem.gradient(rows)
        rows = rows - size * (network.project(rows, gradient) if normalize else gradient)
        rows = network.retract(rows) if normalize else rows
    assert np.array_equal(found, rows)
    if normalize:
        assert network.distance_to_manifold(found).max() < 1e-14
    assert (problem.risk(found) < problem.risk(theta[:5])).all()


def test_a_trajectory_that_diverges_stops_alone(plain):
    problem, theta = plain
    rows = np.stack([theta[0], theta[1] * 1e5, theta[2]])
    found, taken = problem.descend(rows, np.full(30, 0.01), bound=1e10)
    assert taken[1] < 30
    assert taken[[0, 2]].tolist() == [30, 30]
    expected, _ = problem.descend(theta[[0, 2]], np.full(30, 0.01))
    assert np.array_equal(found[[0, 2]], expected)


@pytest.mark.parametrize("method", ["descend", "descend_sampled"])
def test_no_trajectories_at_all(plain, method):
    problem, theta = plain
    empty = theta[:0]
    options = {} if method == "descend" else {"batch_size": 3, "streams": np.empty((0, 4), dtype=np.uint64)}
    result = getattr(problem, method)(empty, np.full(4, 0.1), **options)
    assert result[0].shape == empty.shape
    assert result[1].shape == (0,)


@QUICK
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_any_widths(layers, width, outputs, seed):
    rng = np.random.default_rng(seed)
    widths = (1, *rng.integers(1, width + 1, size=layers + 1), outputs)
    widths = tuple(int(w) for w in widths)
    interval = INTERVALS[seed % 3]
    case = target_case("polynomial", 1, 0.0, 1.0)
    formula = lambda x: np.tile(case.formula(x), (1, outputs))  # noqa: E731
    target = TargetCase(gfc.targets.Stack([case.target] * outputs), formula)
    law: MeasureCase = measure_case("piecewise-polynomial", *interval)
    theta = any_theta(rng, widths, *interval)
    problem = make_problem(widths, target.target, law.measure)
    risk, gradient = any_backprop(widths, theta, *line_points(target, law, widths, theta))
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-11)
    assert relative_error(problem.gradient(theta), gradient) < 1e-11
    assert len(list(itertools.pairwise(widths))) == problem.network.depth
