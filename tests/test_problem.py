"""Risk and gradient of a problem against independent integration, and where things degenerate."""

from __future__ import annotations

import itertools
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    MEASURES,
    QUICK,
    TARGETS,
    Exact,
    backprop,
    fractions,
    inner_breakpoints,
    line_through,
    measure_case,
    quadrature_gradient,
    quadrature_risk,
    random_theta,
    relative_error,
    split,
    target_case,
)
from scipy.integrate import quad

import gfcompare as gfc
from gfcompare.system import threads

INTERVALS = ((0.0, 1.0), (-3.0, 2.0), (100.0, 101.0))
#: What the issue demands of the gradient, in the maximum norm relative to the largest entry.
GRADIENT_ACCURACY = 1e-11
#: The line evaluator knows the target at every point by itself.
NO_VALUES = np.empty((0, 0, 0))


def make_problem(hidden, outputs, target, measure=None):
    return gfc.Problem(gfc.ReLUNetwork([1, hidden, outputs]), target, measure or gfc.measures.Uniform())


# ---------------------------------------------------------------------------------------------------
# The gradient
# ---------------------------------------------------------------------------------------------------


@pytest.mark.sampled("constant-1-(-3.0, 2.0)")
@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", TARGETS)
def test_gradient_and_risk_of_every_target(name, outputs, interval):
    case = target_case(name, outputs, *interval)
    measure = measure_case("truncated-normal", *interval)
    problem = make_problem(9, outputs, case.target, measure.measure)
    theta = random_theta(np.random.default_rng(5), 9, outputs, *interval)
    expected = quadrature_gradient(case, measure, theta, 9)
    assert relative_error(problem.gradient(theta), expected) < GRADIENT_ACCURACY
    risk = quadrature_risk(case, measure, theta, 9)
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-10, abs=0)


@pytest.mark.sampled
@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", MEASURES)
def test_gradient_and_risk_under_every_measure(name, outputs, interval):
    case = target_case("sine", outputs, *interval)
    measure = measure_case(name, *interval)
    problem = make_problem(30, outputs, case.target, measure.measure)
    theta = random_theta(np.random.default_rng(6), 30, outputs, *interval)
    expected = quadrature_gradient(case, measure, theta, 30)
    assert relative_error(problem.gradient(theta), expected) < GRADIENT_ACCURACY
    risk = quadrature_risk(case, measure, theta, 30)
    assert problem.risk(theta) == pytest.approx(risk, rel=1e-10, abs=0)


@pytest.mark.sampled
@pytest.mark.parametrize("interval", [(0.0, 1.0), (100.0, 101.0)], ids=str)
@pytest.mark.parametrize(("hidden", "outputs"), [(1, 1), (2, 2), (100, 1), (300, 2), (1000, 1), (1000, 2)])
def test_gradient_at_every_width(hidden, outputs, interval):
    case = target_case("piecewise-polynomial", outputs, *interval)
    measure = measure_case("piecewise-polynomial", *interval)
    problem = make_problem(hidden, outputs, case.target, measure.measure)
    theta = random_theta(np.random.default_rng(hidden), hidden, outputs, *interval)
    expected = quadrature_gradient(case, measure, theta, hidden)
    assert relative_error(problem.gradient(theta), expected) < GRADIENT_ACCURACY


def test_gradient_entries_against_quadpack():
    """Entry by entry with scipy.integrate.quad, told the breakpoints."""
    hidden, interval = 6, (-1.0, 2.0)
    case, measure = target_case("sine", 1, *interval), measure_case("density", *interval)
    theta = random_theta(np.random.default_rng(0), hidden, 1, *interval)
    found = make_problem(hidden, 1, case.target, measure.measure).gradient(theta)
    points = inner_breakpoints(theta, hidden, *interval)

    scale = 3e-13 * np.abs(found).max()

    def entry(x, p):
        x = np.array([x])
        return backprop(theta, hidden, x, case.formula(x), measure.formula(x))[p]

    for p in range(len(theta)):
        expected, _ = quad(entry, *interval, args=(p,), points=points, epsabs=scale, epsrel=0, limit=400)
        assert found[p] == pytest.approx(expected, abs=1e-12 * np.abs(found).max())


def test_gradient_against_arbitrary_precision():
    """With 40 digits in mpmath, far from the origin, a smooth target and a smooth density."""
    hidden, interval = 4, (100.0, 101.0)
    theta = random_theta(np.random.default_rng(1), hidden, 1, *interval)
    measure = gfc.measures.TruncatedNormal(100.2, 0.3, *interval)
    found = make_problem(hidden, 1, gfc.targets.Function(lambda x: np.exp(x - 100)), measure).gradient(theta)
    with mpmath.workdps(40):
        w, b, v, c = (
            [mpmath.mpf(float(t)) for t in part.ravel()] for part in split(np.asarray(theta), hidden)
        )
        mean, deviation = mpmath.mpf(100.2), mpmath.mpf(0.3)
        bell = lambda x: mpmath.exp(-(((x - mean) / deviation) ** 2) / 2)  # noqa: E731
        places = sorted([mpmath.mpf(100), mpmath.mpf(101), *(-bi / wi for wi, bi in zip(w, b, strict=True))])
        places = [p for p in places if 100 <= p <= 101]
        mass = mpmath.quad(bell, places)
        expected = [mpmath.mpf(0)] * len(theta)
        for left, right in itertools.pairwise(places):
            middle = (left + right) / 2
            on = [i for i in range(hidden) if w[i] * middle + b[i] > 0]
            slope, level = sum(v[i] * w[i] for i in on), c[0] + sum(v[i] * b[i] for i in on)
            r = lambda x, m=slope, n=level: 2 * (n + m * x - mpmath.exp(x - 100)) * bell(x) / mass  # noqa: E731
            r0, r1 = mpmath.quad(r, [left, right]), mpmath.quad(lambda x, r=r: x * r(x), [left, right])
            for i in on:
                expected[i] += v[i] * r1
                expected[hidden + i] += v[i] * r0
                expected[2 * hidden + i] += w[i] * r1 + b[i] * r0
            expected[-1] += r0
    assert relative_error(found, np.array([float(e) for e in expected])) < GRADIENT_ACCURACY


def piecewise_problem(hidden, interval=(0.0, 1.0)):
    """Return a problem with piecewise polynomial target (K = 2) and density, and the same in rationals."""
    lower, upper = interval
    knots = [lower, lower + 0.25, lower + 0.625, upper]
    pieces = [[[1.0, -0.5, 0.25], [0.5]], [[0.0, 2.0], [1.0, 1.0]], [[-1.0], [0.0, 0.0, 0.75]]]
    density = [[1.0], [0.5, 0.0, 0.125], [2.0, 0.25]]
    problem = make_problem(
        hidden,
        2,
        gfc.targets.PiecewisePolynomial(knots, pieces),
        gfc.measures.PiecewisePolynomial(knots, density),
    )
    exact = Exact(
        fractions(knots), [[fractions(q) for q in rows] for rows in pieces], [fractions(p) for p in density]
    )
    return problem, exact


#: Numbers that make degenerate networks likely: equal breakpoints, on knots and ends, zero rows.
TAME = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 0.25, -0.25, 0.625, -0.625, 2.0, -2.0, 0.3, -0.7])


@st.composite
def networks(draw, largest=8):
    hidden = draw(st.integers(1, largest))
    entry = st.one_of(TAME, st.floats(-4, 4, allow_subnormal=False))
    parts = [draw(st.lists(entry, min_size=n, max_size=n)) for n in (2 * hidden, 2 * hidden, 2)]
    return hidden, np.array([t for part in parts for t in part])


@QUICK
@given(networks())
def test_gradient_and_risk_equal_rational_arithmetic(network):
    """Degenerate networks included: the generalised gradient is active where w x + b > 0, strictly."""
    hidden, theta = network
    problem, exact = piecewise_problem(hidden)
    expected = exact.gradient(theta, hidden)
    scale = 1 + np.abs(theta).max() ** 3
    assert np.abs(problem.gradient(theta) - expected).max() <= 1e-13 * hidden * scale
    assert problem.risk(theta) == pytest.approx(float(exact.risk(theta, hidden)), rel=1e-11, abs=1e-40)


def degenerate_networks():
    half = [0.25, -0.5, 1.0]  # neurons 1..3 are ordinary in the cases that only set neuron 0
    ordinary = [1.0, -1.5, 2.0], [-0.25, 1.0, -1.25], half
    cases = {
        "w zero, b positive": (0.0, 0.5, 0.75),
        "w minus zero, b positive": (-0.0, 0.5, 0.75),
        "w zero, b negative": (0.0, -0.5, 0.75),
        "row zero": (0.0, 0.0, 0.75),
        "row minus zero": (-0.0, -0.0, 0.75),
        "breakpoint on the left end, rising": (1.0, 0.0, 0.75),
        "breakpoint on the left end, falling": (-1.0, 0.0, 0.75),
        "breakpoint on the right end, rising": (1.0, -1.0, 0.75),
        "breakpoint on the right end, falling": (-1.0, 1.0, 0.75),
        "breakpoint on a knot": (2.0, -0.5, 0.75),
        "breakpoint on another": (4.0, -1.0, 0.75),
        "breakpoint on another, other way": (-4.0, 1.0, 0.75),
        "smallest subnormal w, active": (5e-324, 0.5, 0.75),
        "smallest negative subnormal w, active": (-5e-324, 0.5, 0.75),
        "subnormal w, dead": (-3e-310, -0.5, 0.75),
        "negative subnormal w, dead": (5e-324, -0.5, 0.75),
        "subnormal row": (3e-310, -1e-310, 0.75),
        "v zero": (1.0, -0.5, 0.0),
        "v minus zero": (-1.0, 0.5, -0.0),
    }
    for label, (w, b, v) in cases.items():
        ws, bs, vs = ([first, *rest] for first, rest in zip((w, b, v), ordinary, strict=True))
        yield label, np.array([*ws, *bs, *vs, *vs[::-1], 0.5, -0.25])
    yield (
        "all breakpoints equal",
        np.array([1.0, -1, 2, -2, -0.5, 0.5, -1, 1, 1, 2, 3, 4, 4, 3, 2, 1, 0.5, 0]),
    )
    yield "all dead", np.array([1.0, -1, 0, 2, -1.5, -0.1, -1, -2, 1, 2, 3, 4, 4, 3, 2, 1, 0.5, 0])
    yield "all dead, touching", np.array([1.0, -1, 0, 2, -1, 0, 0, -2, 1, 2, 3, 4, 4, 3, 2, 1, 0.5, 0])
    yield "everything zero", np.zeros(18)
    yield "one neuron", np.array([1.0, -0.5, 2.0, -1.0, 0.25, 0.0])
    yield "one neuron, dead", np.array([1.0, -1.5, 2.0, -1.0, 0.25, 0.0])
    yield "one neuron, row zero", np.array([0.0, 0.0, 2.0, -1.0, 0.25, 0.0])
    yield (
        "1000 equal neurons",
        np.concatenate([np.full(1000, 2.0), np.full(1000, -1.0), np.full(2000, 0.001), [0.1, 0.2]]),
    )


@pytest.mark.parametrize(
    ("label", "theta"), list(degenerate_networks()), ids=lambda p: p if isinstance(p, str) else ""
)
def test_degenerate_networks(label, theta):
    hidden = (len(theta) - 2) // 4
    problem, exact = piecewise_problem(hidden)
    expected = exact.gradient(theta, hidden)
    found = problem.gradient(theta)
    assert np.abs(found - expected).max() <= 1e-14 * np.abs(expected).max()
    assert problem.risk(theta) == pytest.approx(float(exact.risk(theta, hidden)), rel=1e-13, abs=0)
    # And a neuron that is nowhere active strictly has gradient exactly zero.
    w, b, _, _ = split(theta, hidden)
    dead = (w + b <= 0) & (b <= 0)
    gradient_rows = [found[j * hidden : (j + 1) * hidden][dead] for j in range(4)]
    assert all(not np.any(row) for row in gradient_rows)


def test_dead_network_only_moves_the_output_bias():
    problem = make_problem(3, 1, gfc.targets.Polynomial([0.0, 0.0, 3.0]))
    theta = np.array([1.0, -1.0, 0.0, -1.0, 0.0, -5.0, 3.0, 4.0, 5.0, 0.25])
    assert np.array_equal(problem.gradient(theta), [*np.zeros(9), 2 * (0.25 - 1.0)])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", range(10))
def test_no_number_in_no_number_out(position, bad):
    """NaN and infinity come out as NaN or infinity, and only in their own row."""
    problem = make_problem(3, 1, gfc.targets.Sine())
    theta = np.tile(random_theta(np.random.default_rng(2), 3, 1, 0.0, 1.0), (3, 1))
    clean = problem.gradient(theta[0]), problem.risk(theta[0])
    theta[1, position] = bad
    with np.errstate(all="ignore"):
        gradient, risk = problem.gradient(theta), problem.risk(theta)
    assert not np.isfinite(gradient[1]).all()
    assert not np.isfinite(risk[1])
    for m in (0, 2):
        assert np.array_equal(gradient[m], clean[0])
        assert risk[m] == clean[1]


def test_overflow_is_infinite_risk():
    problem = make_problem(1, 1, gfc.targets.Constant(0.0))
    assert problem.risk([1e200, 0.0, 1e200, 0.0]) == np.inf
    assert problem.risk([1.0, 0.0, 1e160, 0.0]) == np.inf


# ---------------------------------------------------------------------------------------------------
# The gradient is the gradient of the risk
# ---------------------------------------------------------------------------------------------------


@QUICK
@given(seed=st.integers(0, 10**6), hidden=st.integers(1, 20), outputs=st.integers(1, 3))
def test_gradient_is_the_derivative_of_the_risk(seed, hidden, outputs):
    rng = np.random.default_rng(seed)
    case, measure = target_case("sine", outputs, -1.0, 1.0), measure_case("density", -1.0, 1.0)
    problem = make_problem(hidden, outputs, case.target, measure.measure)
    theta = random_theta(rng, hidden, outputs, -1.0, 1.0)
    # Away from w = 0, where a small change of w moves the breakpoint far.
    theta[:hidden] = np.copysign(0.3 + np.abs(theta[:hidden]), theta[:hidden])
    direction = rng.normal(size=theta.size)
    direction /= np.linalg.norm(direction)
    h = 1e-4
    along = problem.risk(theta + h * np.array([[-1.0], [1.0]]) * direction)
    slope = problem.gradient(theta) @ direction
    # The risk is C^1 with a bounded, piecewise smooth second derivative.
    scale = np.linalg.norm(problem.gradient(theta)) + 1
    assert abs((along[1] - along[0]) / (2 * h) - slope) < 1e-4 * scale * (1 + np.abs(theta).max()) ** 2


def test_derivative_of_the_risk_converges():
    """Where the risk is smooth, central differences come within their own error of the gradient."""
    problem = make_problem(5, 1, gfc.targets.Sine(), gfc.measures.TruncatedNormal(0.4, 0.5, 0.0, 1.0))
    theta = np.array([1.0, -1.2, 0.8, 2.0, -0.7, -0.3, 0.5, -0.6, -0.3, 0.2, 0.7, 1.1, -0.9, 0.4, -1.3, 0.1])
    gradient = problem.gradient(theta)
    for h, bound in ((1e-3, 2e-5), (1e-4, 2e-7), (1e-5, 1e-8)):
        steps = h * np.eye(theta.size)
        difference = (problem.risk(theta + steps) - problem.risk(theta - steps)) / (2 * h)
        assert np.abs(difference - gradient).max() < bound


# ---------------------------------------------------------------------------------------------------
# Small risks
# ---------------------------------------------------------------------------------------------------


def affine_pairs(rng, hidden, interval):
    """Return theta, all dyadic, that represents slope x + intercept exactly; and the two numbers.

    Neurons come in pairs (w, b, v), (-w, -b, -v): v s(z) - v s(-z) = v z.
    """
    pairs = hidden // 2
    w = rng.integers(1, 64, size=pairs) / 32
    b = -w * (interval[0] + rng.integers(0, 65, size=pairs) / 64)
    v = rng.integers(-32, 33, size=pairs) / 64
    odd = [0.0] * (hidden - 2 * pairs)
    theta = np.concatenate([w, -w, odd, b, -b, odd, v, -v, odd, [0.5]])
    return theta, float(v @ w), float(v @ b) + 0.5


@pytest.mark.sampled
@pytest.mark.parametrize("interval", [(0.0, 1.0), (-2.0, 2.0), (100.0, 101.0)], ids=str)
@pytest.mark.parametrize(
    ("hidden", "risk"),
    [(h, r) for h in (2, 3, 16) for r in (1e-4, 1e-8, 1e-10, 1e-12, 1e-16, 1e-20, 1e-24)]
    + [(1000, 1e-9), (1000, 1e-16), (1000, 1e-20)],
)
def test_small_risks_to_eight_digits(hidden, risk, interval):
    rng = np.random.default_rng(hidden)
    theta, slope, intercept = affine_pairs(rng, hidden, interval)
    measure = gfc.measures.Uniform(*interval)
    problem = make_problem(hidden, 1, gfc.targets.Affine(slope, intercept), measure)
    exact = Exact(fractions(interval), [[fractions([intercept, slope])]], [fractions([1.0])])
    assert 0 <= problem.risk(theta) < 1e-55
    noise = rng.normal(size=theta.size)
    # The size of perturbation that gives about the risk wanted.
    amplitude = 1e-6 * np.sqrt(risk / float(exact.risk(theta + 1e-6 * noise, hidden)))
    moved = theta + amplitude * noise
    expected = float(exact.risk(moved, hidden))
    assert 0.1 * risk < expected < 10 * risk
    assert problem.risk(moved) == pytest.approx(expected, rel=1e-8, abs=0)


KINKS = (0.3, 2 / 3, 1 / 7)


@pytest.mark.parametrize("interval", [(0.0, 1.0), (100.0, 101.0)], ids=str)
@pytest.mark.parametrize("share", KINKS)
@pytest.mark.parametrize("amplitude", [0.0, 1e-8, 1e-10])
def test_small_risks_at_a_kink(amplitude, share, interval):
    """An absolute value, represented by two neurons; the kink is no dyadic number."""
    centre, slope, offset = interval[0] + share, 1.7, 0.3
    problem = make_problem(
        2, 1, gfc.targets.AbsoluteValue(centre, slope, offset), gfc.measures.Uniform(*interval)
    )
    # Only outgoing weights and output bias move, so that the residual is as small far from the origin.
    noise = np.random.default_rng(4).normal(size=7) * [0, 0, 0, 0, 1, 1, 1]
    theta = np.array([1.0, -1.0, -centre, centre, slope, slope, offset]) + amplitude * noise
    ends, m, c, d = fractions(interval), Fraction(slope), Fraction(centre), Fraction(offset)
    exact = Exact(
        [ends[0], c, ends[1]], [[[d + m * c, -m]], [[d - m * c, m]]], [fractions([1.0]), fractions([1.0])]
    )
    expected = float(exact.risk(theta, 2))
    if amplitude == 0.0:
        assert expected == 0
        assert problem.risk(theta) < 1e-55
    else:
        assert problem.risk(theta) == pytest.approx(expected, rel=1e-8, abs=0)


@pytest.mark.parametrize("interval", [(0.0, 1.0), (100.0, 101.0)], ids=str)
@pytest.mark.parametrize("amplitude", [1e-8, 1e-10])
def test_small_risks_on_a_piecewise_linear_target(amplitude, interval):
    """Through points with no short binary form; the network interpolates them up to the amplitude."""
    knots = [interval[0], interval[0] + 0.1, interval[0] + 1 / 3, interval[0] + 0.7, interval[1]]
    values = [0.1, 0.7, -0.3, 1.1, 0.2]
    measure = gfc.measures.Uniform(*interval)
    problem = make_problem(4, 1, gfc.targets.PiecewiseLinear(knots, values), measure)
    places, heights = fractions(knots), fractions(values)
    lines = [
        line_through(places[j], heights[j], places[j + 1], heights[j + 1]) for j in range(len(places) - 1)
    ]
    exact = Exact(places, [[line] for line in lines], [fractions([1.0])] * len(lines))
    slopes = [line[1] for line in lines]
    jumps = [slopes[0], *(b - a for a, b in itertools.pairwise(slopes))]
    theta = np.array([*np.ones(4), *(-k for k in knots[:4]), *map(float, jumps), values[0]])
    theta[8:] += amplitude * np.random.default_rng(1).normal(size=5)
    expected = float(exact.risk(theta, 4))
    assert 1e-22 < expected < 1e-15
    assert problem.risk(theta) == pytest.approx(expected, rel=1e-8, abs=0)


def test_risk_of_the_teacher_itself_is_rounding():
    teacher = gfc.targets.Teacher((1, 7, 2), seed=1)
    problem = make_problem(7, 2, teacher)
    assert 0 <= problem.risk(teacher.theta) < 1e-29


@QUICK
@given(networks(), st.floats(0, 1), st.integers(1, 12))
def test_neither_order_of_neurons_nor_dead_weight_changes_the_risk(network, share, exponent):
    """A permutation of the neurons is a symmetry; so are dead neurons with any outgoing weight."""
    hidden, theta = network
    problem, _ = piecewise_problem(hidden)
    larger, _ = piecewise_problem(hidden + 1)
    w, b, v, c = split(theta, hidden)
    order = np.random.default_rng(hidden).permutation(hidden)
    permuted = np.concatenate([w[order], b[order], v[:, order].ravel(), c])
    risk = problem.risk(theta)
    assert problem.risk(permuted) == pytest.approx(risk, rel=1e-11, abs=1e-30)
    dead = np.concatenate([[1.0], [-1.0 - share], [10.0**exponent] * 2])
    extended = np.concatenate([w, dead[:1], b, dead[1:2], v[0], dead[2:3], v[1], dead[3:], c])
    assert larger.risk(extended) == pytest.approx(risk, rel=1e-11, abs=1e-24 * 10.0 ** (2 * exponent) * 1e-8)


# ---------------------------------------------------------------------------------------------------
# Shapes, history, threads
# ---------------------------------------------------------------------------------------------------


@pytest.mark.sampled("leading1")
@pytest.mark.parametrize("leading", [(), (1,), (3,), (2, 3), (0,), (2, 0, 3)])
def test_any_leading_shape(leading):
    problem = make_problem(4, 2, target_case("sine", 2, 0.0, 1.0).target)
    thetas = np.random.default_rng(0).normal(size=(*leading, problem.network.parameter_count))
    risk, gradient = problem.risk(thetas), problem.gradient(thetas)
    assert np.shape(risk) == leading
    assert gradient.shape == thetas.shape
    for index in np.ndindex(*leading):
        assert risk[index] == problem.risk(thetas[index])
        assert np.array_equal(gradient[index], problem.gradient(thetas[index]))
    sampled = problem.sample_gradient(thetas, 7, np.random.default_rng(1))
    assert sampled.shape == thetas.shape


def test_any_memory_layout():
    problem = make_problem(3, 1, gfc.targets.Sine())
    thetas = np.random.default_rng(0).normal(size=(6, 10))
    for other in (np.asfortranarray(thetas), np.repeat(thetas, 2, axis=1)[:, ::2], thetas.tolist()):
        assert np.array_equal(problem.gradient(other), problem.gradient(thetas))
        assert np.array_equal(problem.risk(other), problem.risk(thetas))
    frozen = thetas.copy()
    frozen.setflags(write=False)
    assert np.array_equal(problem.gradient(frozen), problem.gradient(thetas))


@pytest.mark.thorough
@QUICK
@given(st.data())
def test_results_do_not_depend_on_history(data):
    """To the bit, ties between breakpoints included: fresh, after other networks, in a batch."""
    hidden = data.draw(st.integers(1, 12))
    row = st.lists(TAME, min_size=4 * hidden + 2, max_size=4 * hidden + 2)
    thetas = np.array(data.draw(st.lists(row, min_size=2, max_size=5)))
    used, _ = piecewise_problem(hidden)
    together = used.gradient(thetas), used.risk(thetas)
    backwards = used.gradient(thetas[::-1])[::-1], used.risk(thetas[::-1])[::-1]
    for m, theta in enumerate(thetas):
        fresh, _ = piecewise_problem(hidden)
        assert np.array_equal(fresh.gradient(theta), together[0][m])
        assert np.array_equal(backwards[0][m], together[0][m])
        assert fresh.risk(theta) == together[1][m] == backwards[1][m]


def test_results_do_not_depend_on_history_when_wide():
    """1000 neurons: the insertion sort gives up and merges."""
    problem = make_problem(1000, 1, gfc.targets.Sine())
    rng = np.random.default_rng(3)
    thetas = np.stack([random_theta(rng, 1000, 1, 0.0, 1.0) for _ in range(4)])
    thetas[2, 1000:2000] = np.round(thetas[2, 1000:2000], 1) * thetas[2, :1000]  # many ties
    first = [problem.gradient(theta) for theta in thetas]
    for m in (3, 1, 2, 0, 2):
        assert np.array_equal(problem.gradient(thetas[m]), first[m])
    assert np.array_equal(problem.gradient(thetas[::-1])[::-1], np.stack(first))


@pytest.fixture
def restore_threads():
    yield
    threads.set_thread_count(None)


@pytest.mark.usefixtures("restore_threads")
def test_results_do_not_depend_on_the_number_of_threads():
    problem = make_problem(16, 1, gfc.targets.Sine())
    theta = np.random.default_rng(0).normal(size=(7, 49))
    sizes = np.full(400, 0.01)
    streams = np.random.default_rng(1).integers(0, 2**64, size=(7, 4), dtype=np.uint64)
    results = []
    for count in (1, 2, 3, 8):
        threads.set_thread_count(count)
        assert threads.thread_count() == count
        results.append(
            [
                problem.gradient(theta),
                problem.risk(theta),
                *problem.descend(theta, sizes),
                *problem.descend(theta, sizes, normalize=True),
                *problem.descend_sampled(theta, sizes, batch_size=5, streams=streams),
            ]
        )
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
    with pytest.raises(gfc.InputError, match="at least 1"):
        threads.set_thread_count(0)


@pytest.mark.parametrize("sampled", [False, True])
def test_descent_on_m_returns_rows_of_any_length_to_it(sampled):
    rows = np.array(
        [
            [3.0, 4.0],
            [0.0, 0.0],
            [3e-200, 4e-200],
            [-3e200, 4e200],
            [0.0, -5e-324],
            [3e-308, 4e-308],
            [1e-9, 0.0],
        ]
    )
    expected = [[0.6, 0.8], [0.0, 1.0], [0.6, 0.8], [-0.6, 0.8], [0.0, -1.0], [0.6, 0.8], [1.0, 0.0]]
    for picked in (range(7), [0, 6], [0]):  # some out of range, none, and where no loop is a vector's
        theta = np.concatenate([rows[picked].T.ravel(), np.zeros(len(picked) + 1)])[None]
        problem = make_problem(len(picked), 1, gfc.targets.Sine())
        if sampled:
            found, taken, _ = problem.descend_sampled(
                theta, np.array([1e-300]), batch_size=3, streams=np.ones((1, 4), np.uint64), normalize=True
            )
        else:
            found, taken = problem.descend(theta, np.array([1e-300]), normalize=True)
        assert taken == [1]
        hidden = found[0, : 2 * len(picked)].reshape(2, -1).T
        np.testing.assert_allclose(hidden, np.array(expected)[picked], rtol=4e-16, atol=0.0)


def test_a_problem_is_evaluated_by_several_threads_at_once():
    from concurrent.futures import ThreadPoolExecutor

    problem = make_problem(200, 1, gfc.targets.Sine())
    thetas = np.random.default_rng(0).normal(size=(24, 601))
    expected = [problem.gradient(theta) for theta in thetas]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(problem.gradient, thetas))
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def test_a_problem_survives_pickling():
    import pickle

    problem = make_problem(5, 1, gfc.targets.Sine(), gfc.measures.TruncatedNormal())
    copy = pickle.loads(pickle.dumps(problem))
    theta = np.random.default_rng(0).normal(size=(4, 16))
    assert np.array_equal(copy.gradient(theta), problem.gradient(theta))
    assert np.array_equal(copy.risk(theta), problem.risk(theta))


# ---------------------------------------------------------------------------------------------------
# Gradients over sample points
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [(0.0, 1.0), (100.0, 101.0)], ids=str)
@pytest.mark.parametrize("batch", [1, 2, 64, 65, 1000])
@pytest.mark.parametrize(("hidden", "outputs"), [(1, 1), (7, 3), (200, 1)])
def test_batch_gradient_is_back_propagation(hidden, outputs, batch, interval):
    rng = np.random.default_rng(batch + hidden)
    case = target_case("piecewise-linear", outputs, *interval)
    problem = make_problem(hidden, outputs, case.target, gfc.measures.Uniform(*interval))
    theta = np.stack([random_theta(rng, hidden, outputs, *interval) for _ in range(2)])
    points = rng.uniform(*interval, size=(2, batch))
    found = problem._evaluator.batch_gradients(theta, points[..., None], NO_VALUES)
    for m in range(2):
        expected = backprop(theta[m], hidden, points[m], case.formula(points[m]), np.full(batch, 1 / batch))
        # Rounding grows with the distance of the interval from the origin.
        assert relative_error(found[m], expected) < 1e-13 * max(1, np.abs(interval).max()) * np.sqrt(hidden)


@QUICK
@given(st.data())
def test_batch_gradient_with_points_on_breakpoints(data):
    """A neuron is inactive at its own breakpoint: derivative 0 at 0. All numbers are dyadic."""
    dyadic = st.integers(-16, 16).map(lambda n: n / 8)
    hidden = data.draw(st.integers(1, 6))
    theta = np.array(data.draw(st.lists(dyadic, min_size=3 * hidden + 1, max_size=3 * hidden + 1)))
    theta[:hidden] = [data.draw(st.sampled_from([0.0, -0.0, 0.5, -0.5, 1, -1, 2, -2])) for _ in range(hidden)]
    points = data.draw(st.lists(st.integers(-32, 32).map(lambda n: n / 16), min_size=1, max_size=70))
    extra = inner_breakpoints(theta, hidden, -2.0, 2.0)
    points = np.array(points + extra * data.draw(st.integers(0, 2)))
    problem = make_problem(hidden, 1, gfc.targets.Affine(0.5, 0.25), gfc.measures.Uniform(-2.0, 2.0))
    found = problem._evaluator.batch_gradients(theta[None], points[None, :, None], NO_VALUES)[0]
    expected = backprop(
        theta, hidden, points, 0.5 * points[:, None] + 0.25, np.full(points.size, 1 / points.size)
    )
    assert np.abs(found - expected).max() <= 1e-14 * (1 + np.abs(expected).max()) * (1 + hidden)


def test_sample_gradient_is_the_gradient_over_drawn_points():
    problem = make_problem(5, 1, gfc.targets.Sine(), gfc.measures.TruncatedNormal(0.2, 0.3, 0.0, 1.0))
    theta = np.random.default_rng(0).normal(size=(3, 16))
    found = problem.sample_gradient(theta, 11, np.random.default_rng(8))
    points = problem.measure.quantile(np.random.default_rng(8).random((3, 11)))
    for m in range(3):
        fx = np.sin(2 * np.pi * points[m])[:, None]
        expected = backprop(theta[m], 5, points[m], fx, np.full(11, 1 / 11))
        assert relative_error(found[m], expected) < 1e-12
    again = problem.sample_gradient(theta, 11, np.random.default_rng(8))
    other = problem.sample_gradient(theta, 11, np.random.default_rng(9))
    assert np.array_equal(found, again)
    assert not np.any(np.all(found == other, axis=1))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("batch", [1, 16])
def test_sample_gradient_is_unbiased(measure, batch):
    case = measure_case(measure, -1.0, 1.0)
    problem = make_problem(6, 2, target_case("step", 2, -1.0, 1.0).target, case.measure)
    theta = random_theta(np.random.default_rng(0), 6, 2, -1.0, 1.0)
    draws = 40_000
    many = problem.sample_gradient(
        np.broadcast_to(theta, (draws, theta.size)), batch, np.random.default_rng(1)
    )
    error = many.mean(axis=0) - problem.gradient(theta)
    deviation = many.std(axis=0) / np.sqrt(draws)
    assert np.all(np.abs(error) <= 5 * deviation + 1e-13)
    assert deviation.max() < 0.05  # so that the line above says something


def test_wrong_input_is_named():
    network = gfc.ReLUNetwork([1, 3, 1])
    with pytest.raises(
        gfc.InputError, match=r"the target has K = 2 outputs, the network K = 1: use widths \[1, 3, 2\]"
    ):
        gfc.Problem(network, gfc.targets.Constant([1.0, 2.0]), gfc.measures.Uniform())
    with pytest.raises(gfc.InputError, match=r"d = 2 inputs .* they must agree: use a measure with d = 2"):
        gfc.Problem(gfc.ReLUNetwork([2, 3, 1]), gfc.targets.Constant(1.0), gfc.measures.Uniform())
    problem = gfc.Problem(network, gfc.targets.Constant(1.0), gfc.measures.Uniform())
    for call in (problem.risk, problem.gradient):
        with pytest.raises(gfc.InputError, match=r"theta must have shape \(\.\.\., 10\)"):
            call(np.zeros(9))
        with pytest.raises(gfc.InputError, match="theta must have shape"):
            call(1.0)
    with pytest.raises(gfc.InputError, match="batch_size must be at least 1"):
        problem.sample_gradient(np.zeros(10), 0, np.random.default_rng(0))


def test_a_target_that_does_not_cover_the_interval():
    short = gfc.targets.PiecewiseLinear([0.0, 0.5], [1.0, 2.0])
    with pytest.raises(gfc.InputError, match=r"cover \[0, 0.5\], but the measure lives on \[0, 1\]"):
        make_problem(2, 1, short)
