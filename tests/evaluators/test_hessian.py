"""The Hessian of the risk against independent integration, finite differences and rational arithmetic."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import (
    MEASURES,
    QUICK,
    TARGETS,
    Exact,
    fractions,
    gauss_points,
    inner_breakpoints,
    measure_case,
    primitive,
    random_theta,
    relative_error,
    split,
    target_case,
    times,
    value,
)
from scipy.integrate import quad, quad_vec

import gfcompare as gfc

INTERVALS = ((0.0, 1.0), (-3.0, 2.0), (100.0, 101.0))
#: What is promised, in the maximum norm relative to the largest entry.
HESSIAN_ACCURACY = 1e-11


def make_problem(hidden, outputs, target, measure=None):
    return gfc.Problem(gfc.ReLUNetwork([1, hidden, outputs]), target, measure or gfc.measures.Uniform())


def hessian_of(problem, theta):
    """Return the Hessian, shape (..., P, P), having checked that it is symmetric to the bit."""
    theta = np.asarray(theta, dtype=float)
    result = problem.hessian(theta)
    assert np.array_equal(result, result.swapaxes(-1, -2), equal_nan=True)
    return result


# ---------------------------------------------------------------------------------------------------
# Oracles
# ---------------------------------------------------------------------------------------------------


def pointwise(theta, hidden, x, fx, weights):
    """Return sum_n weights[n] Hess |N(x_n) - f(x_n)|^2, the kinks of N left out.

    x : (n,); fx : (n, K); weights : (n,).
    """
    w, b, v, c = split(theta, hidden)
    outputs, size = len(c), len(theta)
    z = np.multiply.outer(x, w) + b
    active, a = 1.0 * (z > 0), np.maximum(z, 0.0)
    residual = a @ v.T + c - fx
    jacobian = np.zeros((len(x), outputs, size))
    result = np.zeros((size, size))
    for k in range(outputs):
        own = slice((2 + k) * hidden, (3 + k) * hidden)
        jacobian[:, k, :hidden] = v[k] * active * x[:, None]
        jacobian[:, k, hidden : 2 * hidden] = v[k] * active
        jacobian[:, k, own] = a
        jacobian[:, k, (2 + outputs) * hidden + k] = 1.0
        for part, integrand in enumerate((active * x[:, None], active)):
            rows = slice(part * hidden, (part + 1) * hidden)
            mixed = np.diag(2 * (weights * residual[:, k]) @ integrand)
            result[rows, own] += mixed
            result[own, rows] += mixed
    flat = jacobian.reshape(-1, size)
    return result + 2 * flat.T @ (np.repeat(weights, outputs)[:, None] * flat)


def kinks(target, measure, theta, hidden):
    """Return what the kinks of N add, where f and p are continuous."""
    lower, upper = measure.measure.interval
    w, b, v, c = split(theta, hidden)
    result = np.zeros((len(theta), len(theta)))
    for i in np.flatnonzero(w):
        t = -b[i] / w[i]
        if lower < t < upper:
            here = np.array([t])
            residual = np.maximum(w * t + b, 0.0) @ v.T + c - target.formula(here)[0]
            curvature = 2 * (v[:, i] @ residual) * measure.formula(here)[0] / abs(w[i])
            block = np.ix_([i, hidden + i], [i, hidden + i])
            result[block] = curvature * np.array([[t * t, t], [t, 1.0]])
    return result


def quadrature_hessian(target, measure, theta, hidden):
    """Integrate adaptively (Gauss-Kronrod), given the breakpoints."""
    lower, upper = measure.measure.interval

    def integrand(x):
        point = np.array([x])
        return pointwise(theta, hidden, point, target.formula(point), measure.formula(point))

    points = inner_breakpoints(theta, hidden, lower, upper, (*target.knots, *measure.knots))
    smooth, _ = quad_vec(integrand, lower, upper, epsabs=0, epsrel=1e-13, norm="max", points=points)
    return smooth + kinks(target, measure, theta, hidden)


def gauss_hessian(target, measure, theta, hidden):
    """Integrate by 20 Gauss-Legendre points between breakpoints and on a grid: fast, for wide networks."""
    grid = np.linspace(*measure.measure.interval, 12)[1:-1]
    finer = replace(target, knots=(*target.knots, *grid))
    smooth = pointwise(theta, hidden, *gauss_points(finer, measure, theta, hidden))
    return smooth + kinks(target, measure, theta, hidden)


def rational_hessian(exact: Exact, theta, hidden):
    """Return the Hessian in rational arithmetic, with the documented conventions, rounded once."""
    w, b = fractions(theta[:hidden]), fractions(theta[hidden : 2 * hidden])
    outputs = len(exact.pieces[0])
    v = [fractions(theta[(2 + k) * hidden : (3 + k) * hidden]) for k in range(outputs)]
    size = len(theta)
    first = (2 + outputs) * hidden
    result = [[Fraction(0)] * size for _ in range(size)]

    def integral(p, left, right):
        anti = primitive(p)
        return value(anti, right) - value(anti, left)

    for left, right, piece, active, residuals in exact._cells(theta, hidden):
        # On a cell every derivative of N_k is affine in x.
        moments = [integral([Fraction(0)] * n + exact.density[piece], left, right) for n in range(3)]
        for k in range(outputs):
            lines = {first + k: (Fraction(1), Fraction(0))}
            for i in (i for i in range(hidden) if active[i]):
                lines[i] = (Fraction(0), v[k][i])
                lines[hidden + i] = (v[k][i], Fraction(0))
                lines[(2 + k) * hidden + i] = (b[i], w[i])
            for p, (p0, p1) in lines.items():
                for q, (q0, q1) in lines.items():
                    parts = (p0 * q0, p0 * q1 + p1 * q0, p1 * q1)
                    result[p][q] += 2 * sum(a * m for a, m in zip(parts, moments, strict=True))
            weighted = times(residuals[k], exact.density[piece])
            r0, r1 = (2 * integral([Fraction(0)] * n + weighted, left, right) for n in range(2))
            for i in (i for i in range(hidden) if active[i]):
                own = (2 + k) * hidden + i
                for row, entry in ((i, r1), (hidden + i, r0)):
                    result[row][own] += entry
                    result[own][row] += entry
    for left, right, piece, _, residuals in exact._cells(theta, hidden):
        # The right end of a cell: f and p from the left.
        for i in range(hidden):
            if w[i] and -b[i] / w[i] == right and left < right < exact.knots[-1]:
                bend = sum((v[k][i] * value(residuals[k], right) for k in range(outputs)), Fraction(0))
                curvature = 2 * bend * value(exact.density[piece], right) / abs(w[i])
                result[i][i] += curvature * right * right
                result[i][hidden + i] += curvature * right
                result[hidden + i][i] += curvature * right
                result[hidden + i][hidden + i] += curvature
    mass = exact.mass()
    return np.array([[float(entry / mass) for entry in row] for row in result])


# ---------------------------------------------------------------------------------------------------
# Against quadrature
# ---------------------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", TARGETS)
def test_every_target(name, outputs, interval):
    case, measure = target_case(name, outputs, *interval), measure_case("truncated-normal", *interval)
    theta = random_theta(np.random.default_rng(5), 5, outputs, *interval)
    found = hessian_of(make_problem(5, outputs, case.target, measure.measure), theta)
    assert relative_error(found, quadrature_hessian(case, measure, theta, 5)) < HESSIAN_ACCURACY


@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize("target", ["sine", "step"])
@pytest.mark.parametrize("name", MEASURES)
def test_every_measure(name, target, interval):
    case, measure = target_case(target, 1, *interval), measure_case(name, *interval)
    theta = random_theta(np.random.default_rng(6), 6, 1, *interval)
    found = hessian_of(make_problem(6, 1, case.target, measure.measure), theta)
    assert relative_error(found, quadrature_hessian(case, measure, theta, 6)) < HESSIAN_ACCURACY


@pytest.mark.sampled
@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("hidden", range(1, 7))
def test_small_networks(hidden, outputs):
    rng = np.random.default_rng(100 * hidden + outputs)
    case, measure = target_case("stack", outputs, -1.0, 2.0), measure_case("density", -1.0, 2.0)
    if outputs == 1:
        case = target_case("step", 1, -1.0, 2.0)
    problem = make_problem(hidden, outputs, case.target, measure.measure)
    for _ in range(3):
        theta = random_theta(rng, hidden, outputs, -1.0, 2.0)
        expected = quadrature_hessian(case, measure, theta, hidden)
        assert relative_error(hessian_of(problem, theta), expected) < HESSIAN_ACCURACY


@pytest.mark.sampled
@pytest.mark.parametrize("interval", [(0.0, 1.0), (100.0, 101.0)], ids=str)
@pytest.mark.parametrize(("hidden", "outputs"), [(16, 1), (64, 3), (300, 1), (300, 2)])
def test_wide_networks(hidden, outputs, interval):
    case = target_case("piecewise-linear", outputs, *interval)
    measure = measure_case("piecewise-polynomial", *interval)
    theta = random_theta(np.random.default_rng(hidden), hidden, outputs, *interval)
    found = hessian_of(make_problem(hidden, outputs, case.target, measure.measure), theta)
    assert relative_error(found, gauss_hessian(case, measure, theta, hidden)) < HESSIAN_ACCURACY


@pytest.mark.thorough
def test_entries_against_quadpack():
    """Entry by entry with scipy.integrate.quad, told the breakpoints."""
    hidden, interval = 2, (-1.0, 2.0)
    case, measure = target_case("stack", 2, *interval), measure_case("truncated-normal", *interval)
    theta = random_theta(np.random.default_rng(3), hidden, 2, *interval)
    found = hessian_of(make_problem(hidden, 2, case.target, measure.measure), theta)
    points = inner_breakpoints(theta, hidden, *interval, case.knots)
    bends = kinks(case, measure, theta, hidden)
    scale = np.abs(found).max()

    def entry(x, p, q):
        x = np.array([x])
        return pointwise(theta, hidden, x, case.formula(x), measure.formula(x))[p, q]

    for p in range(len(theta)):
        for q in range(p + 1):
            smooth, _ = quad(entry, *interval, args=(p, q), points=points, epsabs=3e-13 * scale, epsrel=0)
            assert found[p, q] == pytest.approx(smooth + bends[p, q], abs=1e-12 * scale)


@QUICK
@given(
    seed=st.integers(0, 10**6),
    hidden=st.integers(1, 24),
    outputs=st.integers(1, 3),
    target=st.sampled_from(["polynomial", "piecewise-linear", "sine", "step"]),
    measure=st.sampled_from(MEASURES),
    interval=st.sampled_from(INTERVALS),
)
def test_random_networks(seed, hidden, outputs, target, measure, interval):
    assume((measure, interval) != ("density", INTERVALS[2]))  # given to 1e-12 only
    case, law = target_case(target, outputs, *interval), measure_case(measure, *interval)
    theta = random_theta(np.random.default_rng(seed), hidden, outputs, *interval)
    found = hessian_of(make_problem(hidden, outputs, case.target, law.measure), theta)
    assert relative_error(found, gauss_hessian(case, law, theta, hidden)) < HESSIAN_ACCURACY


# ---------------------------------------------------------------------------------------------------
# Against rational arithmetic, degenerate networks included
# ---------------------------------------------------------------------------------------------------

KNOTS = (0.0, 0.25, 0.625, 1.0)


def piecewise_problem(hidden, origin=0.0):
    """Return a problem whose target (K = 2) and density jump at the knots, and the same in rationals."""
    knots = [origin + knot for knot in KNOTS]
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
#: Others, not so small that a rounding error divided by |w| drowns everything.
GENERIC = st.floats(-4, 4).filter(lambda x: abs(x) > 0.01)


@st.composite
def networks(draw, largest=6):
    hidden = draw(st.integers(1, largest))
    parts = [draw(st.lists(TAME | GENERIC, min_size=n, max_size=n)) for n in (hidden, hidden, 2 * hidden, 2)]
    return hidden, np.array([t for part in parts for t in part])


def almost_on_a_knot(theta, hidden):
    """Tell whether rounding may put a breakpoint on the other side of a jump or an end."""
    w, b, _, _ = split(theta, hidden)
    places = [-Fraction(bi) / Fraction(wi) for wi, bi in zip(w, b, strict=True) if wi]
    return any(0 < abs(place - Fraction(knot)) < 1e-14 for place in places for knot in KNOTS)


def dead_parameters(theta, hidden):
    """Return which parameters belong to a neuron that is nowhere active on [0, 1]."""
    w, b, v, c = split(theta, hidden)
    dead = (w + b <= 0) & (b <= 0)
    return np.concatenate([np.tile(dead, 2 + len(v)), np.zeros(len(c), dtype=bool)])


@pytest.mark.thorough
@QUICK
@given(networks())
def test_equal_to_rational_arithmetic(network):
    hidden, theta = network
    assume(not almost_on_a_knot(theta, hidden))
    problem, exact = piecewise_problem(hidden)
    found, expected = hessian_of(problem, theta), rational_hessian(exact, theta, hidden)
    assert relative_error(found, expected) < HESSIAN_ACCURACY
    dead = dead_parameters(theta, hidden)
    assert not np.any(found[dead])
    assert not np.any(found[:, dead])


@pytest.mark.parametrize("hidden", [1, 2, 5, 12])
def test_far_from_the_origin_equal_to_rational_arithmetic(hidden):
    """No digit is lost there: what the float oracles lose, they lose in x."""
    problem, exact = piecewise_problem(hidden, 100.0)
    theta = random_theta(np.random.default_rng(hidden), hidden, 2, 100.0, 101.0)
    found, expected = hessian_of(problem, theta), rational_hessian(exact, theta, hidden)
    assert relative_error(found, expected) < 1e-14


def degenerate_networks():
    """Neuron 0 is the special one, three others are ordinary."""
    ordinary = [1.0, -1.5, 2.0], [-0.25, 1.0, -1.25], [0.25, -0.5, 1.0]
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
        "breakpoint on a knot, falling": (-2.0, 0.5, 0.75),
        "breakpoint on another knot": (8.0, -5.0, 0.75),
        "breakpoint of another": (4.0, -1.0, 0.75),
        "breakpoint of another, other way": (-3.0, 2.0, 0.75),
        "fully active, rising": (1.0, 0.5, 0.75),
        "fully active, falling": (-1.0, 1.5, 0.75),
        "dead, rising": (1.0, -1.5, 0.75),
        "dead, falling": (-1.0, -0.5, 0.75),
        "smallest subnormal w, active": (5e-324, 0.5, 0.75),
        "smallest subnormal w, dead": (-5e-324, -0.5, 0.75),
        "v zero": (1.0, -0.5, 0.0),
        "v minus zero": (-1.0, 0.5, -0.0),
    }
    for label, (w, b, v) in cases.items():
        ws, bs, vs = ([first, *rest] for first, rest in zip((w, b, v), ordinary, strict=True))
        yield label, np.array([*ws, *bs, *vs, *vs[::-1], 0.5, -0.25])
    vs = [1.0, 2, 3, 4, 4, 3, 2, 1, 0.5, 0]
    yield "all breakpoints equal", np.array([1.0, -1, 2, -2, -0.5, 0.5, -1, 1, *vs])
    yield "all breakpoints equal, on a knot", np.array([1.0, -1, 2, -2, -0.25, 0.25, -0.5, 0.5, *vs])
    yield "all dead", np.array([1.0, -1, 0, 2, -1.5, -0.1, -1, -2, *vs])
    yield "all dead, touching", np.array([1.0, -1, 0, 2, -1, 0, 0, -2, *vs])
    yield "all fully active", np.array([1.0, -1, 0, 2, 0.5, 1.5, 1, 2, *vs])
    yield "everything zero", np.zeros(18)
    yield "one neuron", np.array([1.0, -0.5, 2.0, -1.0, 0.25, 0.0])
    yield "one neuron, dead", np.array([1.0, -1.5, 2.0, -1.0, 0.25, 0.0])
    yield "one neuron, row zero", np.array([0.0, 0.0, 2.0, -1.0, 0.25, 0.0])


@pytest.mark.parametrize(
    ("label", "theta"), list(degenerate_networks()), ids=lambda p: p if isinstance(p, str) else ""
)
def test_degenerate_networks(label, theta):
    hidden = (len(theta) - 2) // 4
    problem, exact = piecewise_problem(hidden)
    found, expected = hessian_of(problem, theta), rational_hessian(exact, theta, hidden)
    assert relative_error(found, expected) < 1e-14
    dead = dead_parameters(theta, hidden)
    assert not np.any(found[dead])
    assert not np.any(found[:, dead])


def test_dead_network_only_sees_the_output_bias():
    problem = make_problem(2, 1, gfc.targets.Polynomial([0.0, 0.0, 3.0]))
    expected = np.zeros((7, 7))
    expected[-1, -1] = 2.0
    assert np.array_equal(hessian_of(problem, [1.0, -1.0, -1.0, -5.0, 3.0, 4.0, 0.25]), expected)


def test_many_equal_neurons():
    theta = np.concatenate([np.full(300, 2.0), np.full(300, -1.0), np.full(300, 0.01), [0.1]])
    case, measure = target_case("sine", 1, 0.0, 1.0), measure_case("uniform", 0.0, 1.0)
    found = hessian_of(make_problem(300, 1, case.target), theta)
    assert relative_error(found, gauss_hessian(case, measure, theta, 300)) < HESSIAN_ACCURACY


# ---------------------------------------------------------------------------------------------------
# Conventions where the gradient has a kink
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("what", ["target", "density"])
def test_a_jump_at_a_breakpoint_counts_from_the_left(what, sign):
    target, measure = gfc.targets.Step(0.5, 0.0, 1.0), gfc.measures.Uniform()
    if what == "density":
        target = gfc.targets.Constant(0.0)
        measure = gfc.measures.PiecewisePolynomial([0.0, 0.5, 1.0], [[1.0], [3.0]])
    problem = make_problem(1, 1, target, measure)
    nudge = 1e-9
    left, here, right = hessian_of(
        problem, [[sign, -sign * t, 2.0, 0.25] for t in (0.5 - nudge, 0.5, 0.5 + nudge)]
    )
    assert np.abs(here - left).max() < 1e-7
    assert np.abs(right - here)[1, 1] > 0.4


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_a_breakpoint_on_an_end_adds_nothing(end, sign):
    problem = make_problem(1, 1, gfc.targets.Constant(0.0))
    outwards = 1.0 if end else -1.0
    inside, here, outside = hessian_of(
        problem, [[sign, -sign * (end + outwards * s), 2.0, 0.25] for s in (-1e-9, 0.0, 1e-9)]
    )
    assert np.abs(here - outside).max() < 1e-7
    # 2 v r p / |w| with r = 1/4 at the breakpoint.
    assert (inside - here)[1, 1] == pytest.approx(1.0, abs=1e-7)


# ---------------------------------------------------------------------------------------------------
# It is the derivative of the gradient
# ---------------------------------------------------------------------------------------------------


@QUICK
@given(
    seed=st.integers(0, 10**6),
    hidden=st.integers(1, 12),
    outputs=st.integers(1, 3),
    target=st.sampled_from(["polynomial", "sine", "step", "absolute-value"]),
    measure=st.sampled_from(MEASURES),
    interval=st.sampled_from([(0.0, 1.0), (-1.0, 2.0)]),
)
def test_derivative_of_the_gradient(seed, hidden, outputs, target, measure, interval):
    case, law = target_case(target, outputs, *interval), measure_case(measure, *interval)
    problem = make_problem(hidden, outputs, case.target, law.measure)
    theta = random_theta(np.random.default_rng(seed), hidden, outputs, *interval)
    # Away from w = 0, where a small change of w moves the breakpoint far, and no breakpoint on a jump.
    theta[:hidden] = np.copysign(0.3 + np.abs(theta[:hidden]), theta[:hidden])
    places = np.array([*interval, *case.knots, *law.knots])
    assume(np.abs(-(theta[hidden : 2 * hidden] / theta[:hidden])[:, None] - places).min() > 1e-4)
    steps = 1e-6 * np.eye(theta.size)
    difference = (problem.gradient(theta + steps) - problem.gradient(theta - steps)) / 2e-6
    assert relative_error(hessian_of(problem, theta), difference) < 1e-6


def test_derivative_of_the_gradient_far_from_the_origin():
    interval = (100.0, 101.0)
    problem = make_problem(4, 1, gfc.targets.Sine(), gfc.measures.TruncatedNormal(100.3, 0.4, *interval))
    theta = np.array([1.0, -1.2, 0.8, 2.0, -100.3, 120.9, -80.2, -201.0, 0.7, 1.1, -0.9, 0.4, 0.1])
    steps = 1e-7 * np.eye(theta.size)
    difference = (problem.gradient(theta + steps) - problem.gradient(theta - steps)) / 2e-7
    assert relative_error(hessian_of(problem, theta), difference) < 1e-6


@pytest.mark.thorough
@QUICK
@given(seed=st.integers(0, 10**6), hidden=st.integers(1, 40), outputs=st.integers(1, 3))
def test_rescaling_a_neuron_costs_nothing(seed, hidden, outputs):
    """Along (w_i, b_i, -v_i) the risk is constant everywhere: differentiate that identity once more."""
    interval = (-1.0, 2.0)
    case, law = target_case("step", outputs, *interval), measure_case("truncated-normal", *interval)
    problem = make_problem(hidden, outputs, case.target, law.measure)
    theta = random_theta(np.random.default_rng(seed), hidden, outputs, *interval)
    hessian, gradient = hessian_of(problem, theta), problem.gradient(theta)
    for i in range(hidden):
        sign = np.zeros(theta.size)
        sign[[i, hidden + i]] = 1.0
        sign[2 * hidden + i + hidden * np.arange(outputs)] = -1.0
        scale = np.abs(hessian).max() * np.abs(theta).max()
        assert np.abs(hessian @ (sign * theta) + sign * gradient).max() < 1e-13 * hidden * scale


def test_at_the_teacher_no_direction_goes_down():
    """Where the risk is 0 the Hessian is positive semidefinite, with a null direction for each neuron."""
    teacher = gfc.targets.Teacher((1, 7, 2), seed=1)
    problem = make_problem(7, 2, teacher)
    values = np.linalg.eigvalsh(hessian_of(problem, teacher.theta))
    assert values.min() > -1e-13 * values.max()
    assert np.sum(np.abs(values) < 1e-12 * values.max()) >= 7


# ---------------------------------------------------------------------------------------------------
# Rows, history, numbers that are none
# ---------------------------------------------------------------------------------------------------


def two_targets():
    return gfc.targets.Stack([gfc.targets.Sine(), gfc.targets.Step()])


def test_rows_depend_neither_on_one_another_nor_on_history():
    rng = np.random.default_rng(8)
    problem = make_problem(20, 2, two_targets())
    thetas = np.stack([random_theta(rng, 20, 2, 0.0, 1.0) for _ in range(5)])
    together = hessian_of(problem, thetas)
    assert np.array_equal(hessian_of(problem, thetas[::-1])[::-1], together)
    fresh = make_problem(20, 2, two_targets())
    for theta, expected in zip(thetas, together, strict=True):
        assert np.array_equal(hessian_of(fresh, theta), expected)
    assert hessian_of(problem, thetas[:0]).shape == (0, 82, 82)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", range(10))
def test_no_number_in_no_number_out(position, bad):
    """NaN and infinity come out as NaN or infinity, and only in their own row."""
    problem = make_problem(3, 1, gfc.targets.Sine())
    thetas = np.tile(random_theta(np.random.default_rng(2), 3, 1, 0.0, 1.0), (3, 1))
    clean = hessian_of(problem, thetas[0])
    thetas[1, position] = bad
    found = hessian_of(problem, thetas)
    assert not np.isfinite(found[1]).all()
    assert np.array_equal(found[[0, 2]], [clean, clean])


@pytest.mark.thorough
def test_compiled_only_when_it_is_used():
    code = """
import numpy as np, gfcompare as gfc
from gfcompare.kernels import line_hessian
problem = gfc.Problem(gfc.ReLUNetwork((1, 3, 1)), gfc.targets.Affine(), gfc.measures.Uniform())
theta = np.linspace(-1.0, 1.0, 10)
problem.risk(theta), problem.gradient(theta)
assert not line_hessian.hessians.signatures
problem.hessian(theta)
assert len(line_hessian.hessians.signatures) == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("frequency", [1.0, 3.0])
@pytest.mark.parametrize(
    ("shift", "length"),
    # The middle of the last three is no double.
    [
        (1024.0, 1.0),
        (-1024.0, 1.0),
        (65_536.0, 1.0),
        (2.0**30, 1.0),
        (1e3, 1.37),
        (-65_536.0, 1.9),
        (1e6, 1.77),
    ],
)
def test_a_sine_far_from_0_has_the_hessian_of_one_at_0(shift: float, length: float, frequency: float) -> None:
    """Its periods go into the shift: b + shift w takes one risk to the other, exactly for such parameters."""
    target, hidden = gfc.targets.Sine(frequency=frequency, phase=0.7), 4
    network = gfc.ReLUNetwork((1, hidden, 1))
    far_end = shift + length
    ends = ((0.0, far_end - shift), (shift, far_end))
    here, there = (gfc.Problem(network, target, gfc.measures.Uniform(*interval)) for interval in ends)
    rng = np.random.default_rng(5)
    for _ in range(8):
        w, v = rng.integers(-64, 64, size=(2, hidden)) / 32.0 + 1.0 / 128.0
        b = -np.round(w * rng.uniform(size=hidden) * 128.0) / 128.0
        near = np.concatenate([w, b, v, [0.25]])
        far = np.concatenate([w, b - shift * w, v, [0.25]])
        move = np.eye(len(near))
        move[hidden : 2 * hidden, :hidden] = shift * np.eye(hidden)
        hessian = here.hessian(near)
        expected = move.T @ hessian @ move
        scale = np.abs(move).T @ (np.abs(hessian).max() * np.ones_like(hessian)) @ np.abs(move)
        # On lengths that are no multiple of a period the two polynomials of the target are off by 1e-14 each,
        # and their values at a breakpoint are divided by the slope there.
        allowed = 2e-14 if length == 1.0 else 4e-14
        assert (np.abs(there.hessian(far) - expected) / scale).max() < allowed
        assert there.risk(far) == pytest.approx(here.risk(near), rel=1e-13)
