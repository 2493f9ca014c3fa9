"""Digits of gradient, risk and Hessian on the line: a neuron costs others none, however large it is.

Against rational arithmetic. The yardstick of an entry is the integral of the sizes of what is active
where its neuron is: |v_j| times the activation of each neuron j, |c| and a bound of |f|.
"""

from __future__ import annotations

import itertools
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import QUICK, Exact, fractions
from test_hessian import rational_hessian

import gfcompare as gfc

ROUNDING = 2.0**-53
COEFFICIENTS = [[0.3, 4.0, -12.0, 8.0], [1.0, -1.0, 0.0, 2.0]]
INTERVALS = [(0.0, 1.0), (-1.0, 1.0), (0.0, 3.0), (100.0, 101.0), (-7.25, 0.25)]


def case(hidden, outputs, interval, coefficients=COEFFICIENTS):
    """Return a problem and the same in rational numbers."""
    rows = coefficients[:outputs]
    target = gfc.targets.Polynomial(rows if outputs > 1 else rows[0])
    network = gfc.ReLUNetwork((1, hidden, outputs))
    problem = gfc.Problem(network, target, gfc.measures.Uniform(*interval))
    return problem, Exact(fractions(interval), [[fractions(row) for row in rows]], [[Fraction(1)]])


def sizes(exact: Exact, theta, hidden, *, of_terms):
    """Sizes of what contributes to each entry of the gradient, in floating point.

    With `of_terms` a neuron has the size |w x| + |b| where it is active, which is what a change of its
    parameters by a rounding may change, without its activation w x + b.
    """
    lower, upper = exact.knots
    outputs = len(exact.pieces[0])
    w, b = fractions(theta[:hidden]), fractions(theta[hidden : 2 * hidden])
    v = [[abs(x) for x in fractions(theta[(2 + k) * hidden : (3 + k) * hidden])] for k in range(outputs)]
    reach = max(abs(lower), abs(upper))
    floor = [
        abs(Fraction(float(theta[(2 + outputs) * hidden + k])))
        + sum(abs(a) * reach**n for n, a in enumerate(exact.pieces[0][k]))
        for k in range(outputs)
    ]
    zeros = {-b[i] / w[i] for i in range(hidden) if w[i]} | {Fraction(0)}
    places = sorted({lower, upper} | {z for z in zeros if lower < z < upper})
    total = [Fraction(0)] * len(theta)
    for left, right in itertools.pairwise(places):
        points = (left, (left + right) / 2, right)
        active = [i for i in range(hidden) if w[i] * points[1] + b[i] > 0]
        level = {
            i: [abs(w[i] * x) + abs(b[i]) if of_terms else w[i] * x + b[i] for x in points] for i in active
        }

        def simpson(values, width=right - left):
            return 2 * width / 6 * (values[0] + 4 * values[1] + values[2])

        for k in range(outputs):
            around = [floor[k] + sum(v[k][i] * level[i][q] for i in active) for q in range(3)]
            total[(2 + outputs) * hidden + k] += simpson(around)
            for i in active:
                total[i] += v[k][i] * simpson([s * abs(x) for s, x in zip(around, points, strict=True)])
                total[hidden + i] += v[k][i] * simpson(around)
                total[(2 + k) * hidden + i] += simpson([s * z for s, z in zip(around, level[i], strict=True)])
    return np.array([float(t / (upper - lower)) for t in total])


def roundings(found, expected, size):
    """Errors in roundings of the sizes; where nothing contributes only 0 is right."""
    assert np.all(found[size == 0] == 0)
    return np.abs(found - expected)[size > 0] / size[size > 0] / ROUNDING


# ---------------------------------------------------------------------------------------------------
# Dead neurons
# ---------------------------------------------------------------------------------------------------

# Powers of two, so that a breakpoint stays on an end.
SCALES = [2.0**n for n in (0, 10, 20, 27, 166, 498)]


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("interval", INTERVALS)
def test_a_dead_neuron_changes_no_bit(interval, outputs):
    lower, upper = interval
    rng = np.random.default_rng(3)
    hidden = 4
    problem, _ = case(hidden, outputs, interval)
    smaller, _ = case(hidden - 2, outputs, interval)
    w = rng.normal(size=2)
    b = -w * rng.uniform(lower, upper, size=2)
    v, c = rng.normal(size=(outputs, 2)), rng.normal(size=outputs)
    few = np.concatenate([w, b, v.ravel(), c])
    alive = np.r_[0:2, 4:6, *[np.r_[8 + 4 * k : 10 + 4 * k] for k in range(outputs)]]
    alive = np.append(alive, np.arange(8 + 4 * outputs, 8 + 5 * outputs))
    for s in SCALES:
        # One falls and has its zero left of the interval, one rises and has it on the right end.
        wide = np.concatenate([w, [-s, s], b, [s * (lower - 0.125), -s * upper]])
        theta = np.concatenate([wide, np.concatenate([v, np.full((outputs, 2), s)], axis=1).ravel(), c])
        gradient, hessian = problem.gradient(theta), problem.hessian(theta)
        np.testing.assert_array_equal(gradient[alive], smaller.gradient(few))
        np.testing.assert_array_equal(hessian[np.ix_(alive, alive)], smaller.hessian(few))
        assert np.count_nonzero(gradient) <= alive.size
        dead = np.setdiff1d(np.arange(theta.size), alive)
        assert not gradient[dead].any()
        assert not hessian[dead].any()
        assert problem.risk(theta) == smaller.risk(few)


def test_risk_with_a_huge_dead_weight():
    problem, exact = case(1, 1, (0.0, 1.0), [[0.3, 1.0]])
    theta = np.array([-2e151, -1.0, 1e100, 0.7])
    assert problem.risk(theta) == pytest.approx(float(exact.risk(theta, 1)), rel=1e-15)


def test_a_flow_beside_a_dead_neuron_takes_no_more_steps():
    problem, _ = case(2, 1, (0.0, 1.0), [[0.0, 1.0]])
    taken = []
    for s in (1.0, 1e8):
        theta = np.array([1.0, -2.0 * s, -0.4, -0.3, 1.0, s, 0.2])
        trajectory = gfc.integrate(problem, gfc.integrator("standard-gf"), theta, np.array([0.0, 10.0]))
        taken.append(int(trajectory["gradient_evaluations"].values.max()))
    assert taken[1] <= 1.2 * taken[0]


# ---------------------------------------------------------------------------------------------------
# Steep neurons
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", INTERVALS[:3])
@pytest.mark.parametrize("power", range(3, 12))
@pytest.mark.parametrize("end", ["left", "right"])
def test_a_steep_neuron_near_an_end(interval, power, end):
    lower, upper = interval
    w = 2.0 ** (3 * power)
    steep = (w, 1.0 - w * upper) if end == "right" else (-w, 1.0 + w * lower)
    problem, exact = case(2, 1, interval)
    middle = 0.5 * (lower + upper)
    theta = np.array([1.0, steep[0], -0.25 - middle, steep[1], 1.0, 1.0, 0.2])
    size = sizes(exact, theta, 2, of_terms=False)
    assert roundings(problem.gradient(theta), exact.gradient(theta, 2), size).max() < 100


@pytest.mark.parametrize("s", [1e3, 1e8, 1e70])
def test_a_neuron_sees_nothing_of_a_huge_one_that_is_active_elsewhere(s):
    problem, exact = case(2, 1, (0.0, 1.0))
    theta = np.array([1.0, -s, -0.6, 0.5 * s, 1.0, s, 0.2])
    size = sizes(exact, theta, 2, of_terms=False)
    assert roundings(problem.gradient(theta), exact.gradient(theta, 2), size).max() < 100
    assert problem.risk(theta) == pytest.approx(float(exact.risk(theta, 2)), rel=1e-14)


def test_a_huge_risk_is_not_rounded_up():
    problem, exact = case(1, 1, (0.0, 1.0), [[0.3, 1.0]])
    theta = np.array([-2e151, 1e151, 1e-10, 0.2])
    assert problem.risk(theta) == pytest.approx(float(exact.risk(theta, 1)), rel=1e-14)


@pytest.mark.parametrize("s", [1.0, 1e4, 1e8])
@pytest.mark.parametrize("gap", [0.5, 1e-3, 1e-9])
def test_hessian_of_neurons_that_overlap_little(s, gap):
    # One rises, one falls, and both are active between their zeros only; a third one near the right end.
    hidden = 3
    problem, exact = case(hidden, 1, (0.0, 1.0))
    theta = np.array([s, -s, s, -0.25 * s, s * (0.25 + gap), 0.5 - s, 1.0, 0.5, -1.0, 0.2])
    found, expected = problem.hessian(theta), rational_hessian(exact, theta, hidden)
    # Each entry is one of the second derivatives of terms that are active there; those that couple two
    # neurons and contain no residual have a size of their own.
    pairs = [(i, j) for i in range(9) for j in range(9) if i % 3 != j % 3]
    for i, j in pairs:
        # A change of the zeros by a rounding moves the ends of the overlap by a rounding.
        slack = 100 * ROUNDING * abs(expected[i, j]) * (1.0 + 3.0 / gap if {i % 3, j % 3} == {0, 1} else 1.0)
        assert abs(found[i, j] - expected[i, j]) <= slack


# ---------------------------------------------------------------------------------------------------
# Any network
# ---------------------------------------------------------------------------------------------------


@st.composite
def neurons(draw, interval):
    """A neuron, as (w, b, v): ordinary, dead, steep, flat, with its zero on an end, or huge."""
    lower, upper = interval
    width = upper - lower
    kind = draw(st.sampled_from(["inside", "dead", "end", "on end", "flat", "outside", "huge"]))
    sign = draw(st.sampled_from([-1.0, 1.0]))
    w = sign * draw(st.floats(0.125, 4.0))
    v = draw(st.sampled_from([-1.0, 0.0, 1.0])) * draw(st.floats(0.0625, 2.0))
    if kind == "dead":
        s = 2.0 ** draw(st.integers(0, 300))
        return w * s, -w * s * (upper + 0.125 if sign > 0 else lower - 0.125), v * s
    if kind == "end":
        d = 2.0 ** -draw(st.integers(3, 40))
        zero = Fraction(upper) - Fraction(d * width) if sign > 0 else Fraction(lower) + Fraction(d * width)
        return sign / d, float(-zero * Fraction(sign / d)), v
    if kind == "on end":
        w = sign * 2.0 ** draw(st.integers(-3, 3))  # so that the zero is on the end exactly
        return w, -w * draw(st.sampled_from([lower, upper])), v
    if kind == "flat":
        return 0.0, draw(st.sampled_from([-1.0, 0.0, 1.0])) * draw(st.floats(0.0625, 1.0)), v
    if kind == "huge":
        s = 2.0 ** draw(st.integers(5, 200))
        return w * s, -w * s * draw(st.sampled_from([lower + 0.25 * width, lower + 0.75 * width])), v
    # A zero within a rounding of an end counts as on it.
    share = draw(st.floats(2.0**-40, 1.0)) if kind == "inside" else draw(st.sampled_from([-0.5, 1.5]))
    return w, -w * (lower + share * width), v


@st.composite
def networks(draw):
    interval = draw(st.sampled_from(INTERVALS))
    outputs = draw(st.sampled_from([1, 2]))
    rows = draw(st.lists(neurons(interval), min_size=1, max_size=6))
    if draw(st.booleans()):
        rows.append(rows[0])  # a breakpoint on another one
    w, b, v = (np.array(column) for column in zip(*rows, strict=True))
    second = [v * 0.5] if outputs == 2 else []
    c = draw(st.lists(st.floats(-1.0, 1.0), min_size=outputs, max_size=outputs))
    return interval, outputs, len(rows), np.concatenate([w, b, v, *second, c])


@given(networks())
@QUICK
def test_gradient_of_any_network(network):
    interval, outputs, hidden, theta = network
    problem, exact = case(hidden, outputs, interval)
    size = sizes(exact, theta, hidden, of_terms=False)
    assert roundings(problem.gradient(theta), exact.gradient(theta, hidden), size).max() < 100


@pytest.mark.parametrize("share", [0.3, 0.1, 0.03, 0.01])
@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_gradient_of_a_neuron_that_is_active_on_a_small_share(side, interval, share):
    # Integrals over the whole interval are rounded to more than what such a neuron sees.
    lower, upper = interval
    problem, exact = case(2, 1, interval)
    zero = upper - share * (upper - lower) if side > 0 else lower + share * (upper - lower)
    theta = np.array([side, 0.7, -side * zero, 0.7 * (0.1 - upper), 1.3, 0.4, 0.2])
    size = sizes(exact, theta, 2, of_terms=False)
    assert roundings(problem.gradient(theta), exact.gradient(theta, 2), size).max() < 20


def hessian_sizes(exact: Exact, theta, hidden):
    """Sizes of what contributes to each entry of the Hessian: products of slopes, residuals and bends."""
    lower, upper = exact.knots
    outputs, count = len(exact.pieces[0]), len(theta)
    first = (2 + outputs) * hidden
    w, b = fractions(theta[:hidden]), fractions(theta[hidden : 2 * hidden])
    v = [[abs(x) for x in fractions(theta[(2 + k) * hidden : (3 + k) * hidden])] for k in range(outputs)]
    reach = max(abs(lower), abs(upper))
    floor = [
        abs(Fraction(float(theta[first + k])))
        + sum(abs(a) * reach**n for n, a in enumerate(exact.pieces[0][k]))
        for k in range(outputs)
    ]
    zeros = {-b[i] / w[i] for i in range(hidden) if w[i]} | {Fraction(0)}
    places = sorted({lower, upper} | {z for z in zeros if lower < z < upper})
    total = [[Fraction(0)] * count for _ in range(count)]

    def around(k, x):
        return floor[k] + sum(v[k][i] * max(w[i] * x + b[i], Fraction(0)) for i in range(hidden))

    for left, right in itertools.pairwise(places):
        points = (left, (left + right) / 2, right)
        active = [i for i in range(hidden) if w[i] * points[1] + b[i] > 0]

        def simpson(first, second, width=right - left):
            values = [p * q for p, q in zip(first, second, strict=True)]
            return 2 * width / 6 * (values[0] + 4 * values[1] + values[2])

        ones, at = [Fraction(1)] * 3, [abs(x) for x in points]
        for k in range(outputs):
            sizes_here = [around(k, x) for x in points]
            factors = {first + k: ones}
            for i in active:
                own = (2 + k) * hidden + i
                factors |= {i: [v[k][i] * x for x in at], hidden + i: [v[k][i]] * 3}
                factors[own] = [w[i] * x + b[i] for x in points]
                for row, values in ((i, at), (hidden + i, ones)):
                    part = simpson(values, sizes_here)
                    total[row][own] += part
                    total[own][row] += part
            for p, one in factors.items():
                for q, other in factors.items():
                    total[p][q] += simpson(one, other)
    for i in (i for i in range(hidden) if w[i] and lower < -b[i] / w[i] < upper):
        t = -b[i] / w[i]
        bend = sum(2 * v[k][i] * around(k, t) for k in range(outputs)) / abs(w[i])
        total[i][i] += bend * t * t
        total[i][hidden + i] += bend * abs(t)
        total[hidden + i][i] += bend * abs(t)
        total[hidden + i][hidden + i] += bend
    return np.array([[float(entry / (upper - lower)) for entry in row] for row in total])


@given(networks())
@QUICK
def test_hessian_of_any_network(network):
    interval, outputs, hidden, theta = network
    problem, exact = case(hidden, outputs, interval)
    size = hessian_sizes(exact, theta, hidden)
    found, expected = problem.hessian(theta), rational_hessian(exact, theta, hidden)
    assert roundings(found, expected, size).max() < 100


@given(networks())
@QUICK
def test_risk_of_any_network(network):
    interval, outputs, hidden, theta = network
    problem, exact = case(hidden, outputs, interval)
    expected = exact.risk(theta, hidden)
    size = Fraction(sizes(exact, theta, hidden, of_terms=False)[-outputs:].max())
    assert abs(Fraction(float(problem.risk(theta))) - expected) <= 20 * Fraction(ROUNDING) * (
        expected + size**2
    )


def test_risk_far_from_the_origin_keeps_its_digits():
    problem, exact = case(3, 1, (100.0, 101.0))
    theta = np.array([0.4, -0.7, 4.6e103, -41.6, 72.2, -4.64e105, 0.34, 0.45, -1.6e-77, 1.7])
    assert problem.risk(theta) == pytest.approx(float(exact.risk(theta, 3)), rel=1e-14)


# ---------------------------------------------------------------------------------------------------
# A sine far from 0
# ---------------------------------------------------------------------------------------------------


def gradient_of_sine(theta, interval, frequency):
    """Return the gradient for 1-2-1, and the sizes of what contributes, in closed form with 50 digits."""
    lower, upper = map(mpmath.mpf, interval)
    (w, b, v), c = np.array([mpmath.mpf(float(t)) for t in theta[:-1]]).reshape(3, 2), mpmath.mpf(theta[-1])
    k = 2 * mpmath.pi * mpmath.mpf(frequency)
    size, result = np.zeros((2, 7), dtype=object) + mpmath.mpf(0)
    places = sorted({lower, upper} | {q for q in -b / w if lower < q < upper})
    for left, right in itertools.pairwise(places):
        middle, width = (left + right) / 2, right - left
        active = [i for i in range(2) if w[i] * middle + b[i] > 0]
        at, slope = c + sum(v[i] * b[i] for i in active), sum(v[i] * w[i] for i in active)
        # Integrals of the residual, and of x times it.
        sine = [-mpmath.cos(k * x) / k for x in (left, right)]
        x_sine = [-x * mpmath.cos(k * x) / k + mpmath.sin(k * x) / k**2 for x in (left, right)]
        first, second = width * middle, (right**3 - left**3) / 3
        r = at * width + slope * first - (sine[1] - sine[0])
        x_r = at * first + slope * second - (x_sine[1] - x_sine[0])
        around = width * (abs(c) + 1 + sum(abs(v[i]) * (w[i] * middle + b[i]) for i in active))
        result[6] += 2 * r
        size[6] += 2 * around
        for i in active:
            reached = w[i] * middle + b[i]
            for place, part, scale in (
                (i, v[i] * x_r, abs(v[i]) * abs(middle)),
                (2 + i, v[i] * r, abs(v[i])),
                (4 + i, w[i] * x_r + b[i] * r, reached),
            ):
                result[place] += 2 * part
                size[place] += 2 * scale * around
    return [np.array([float(entry / (upper - lower)) for entry in row]) for row in (result, size)]


# Intervals and roundings allowed. The middle of the last three is no double; the polynomial that the last
# sine becomes is itself off by up to 88 roundings (`accuracy` of `from_function`), that of others by 66.
FAR = [
    ((0.0, 1.0), 100),
    ((1e3, 1e3 + 1), 100),
    ((-3e4, -3e4 + 2), 100),
    ((1e3, 1001.37), 100),
    ((-29_999.9, -29_998.0), 100),
    ((1e6, 1e6 + 1.77), 188),
]


@pytest.mark.parametrize(("interval", "allowed"), FAR)
def test_gradient_of_a_sine_far_from_0(interval, allowed):
    problem = gfc.Problem(gfc.ReLUNetwork((1, 2, 1)), gfc.targets.Sine(), gfc.measures.Uniform(*interval))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        w, v, c = rng.normal(size=2), rng.normal(size=2), rng.normal(size=1)
        theta = np.concatenate([w, -w * rng.uniform(*interval, 2), v, c])
        with mpmath.workdps(50):
            expected, size = gradient_of_sine(theta, interval, 1.0)
        assert roundings(problem.gradient(theta), expected, size).max() < allowed
