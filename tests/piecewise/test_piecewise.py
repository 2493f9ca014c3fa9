"""Piecewise polynomials: exact from coefficients and values, accurate from functions, clear when neither."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import QUICK, fractions, line_through, primitive, value
from scipy.integrate import quad

import gfcompare as gfc
from gfcompare import piecewise


def represented(pieces, j, k, x):
    """Value of piece j at the rational number x, exactly as it is represented."""
    s = (x - Fraction(pieces.centres[j])) / Fraction(pieces.half_widths[j])
    both = [Fraction(h) + Fraction(low) for h, low in zip(pieces.high[j, k], pieces.low[j, k], strict=True)]
    return value(both, s)


def probes(left, right):
    """Rational points across an interval, its ends included."""
    a, b = Fraction(left), Fraction(right)
    return [a + (b - a) * Fraction(n, 7) for n in range(8)]


# ---------------------------------------------------------------------------------------------------
# Exactness
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [(0.0, 1.0), (-3.0, 2.0), (100.0, 101.0), (1e6, 1e6 + 1)], ids=str)
@pytest.mark.parametrize("degree", [0, 1, 5, 20])
def test_from_pieces_to_twice_the_digits(degree, interval):
    """Far from the origin the terms of degree 20 cancel over 40 digits and more; nothing is lost."""
    rng = np.random.default_rng(degree)
    knots = [interval[0], interval[0] + 0.3, interval[1]]
    coefficients = [[rng.normal(size=degree + 1).tolist() for _ in range(2)] for _ in range(2)]
    pieces = piecewise.from_pieces(knots, coefficients)
    for j in range(2):
        for k in range(2):
            exact = fractions(coefficients[j][k])
            size = max(abs(value(exact, x)) for x in probes(knots[j], knots[j + 1]))
            for x in probes(knots[j], knots[j + 1]):
                assert abs(represented(pieces, j, k, x) - value(exact, x)) <= Fraction(1, 2**98) * size


def test_evaluation_of_a_polynomial_that_cancels():
    """(x - 100)^6 from its powers of x, against mpmath: float64 alone would return noise."""
    coefficients = np.polynomial.polynomial.polypow([-100.0, 1.0], 6)
    pieces = piecewise.from_pieces([100.0, 101.0], [[coefficients.tolist()]])
    x = np.linspace(100, 101, 41)
    with mpmath.workdps(50):
        expected = np.array([float((mpmath.mpf(float(t)) - 100) ** 6) for t in x])
    assert np.abs(pieces(x)[:, 0] - expected).max() < 1e-15
    assert np.abs(np.polynomial.polynomial.polyval(x, coefficients) - expected).max() > 1e-6


@QUICK
@given(st.data())
def test_from_values_is_the_interpolant(data):
    """To twice the digits, less those that the distance from the origin takes."""
    offset = data.draw(st.sampled_from([0.0, -1.0, 100.0, 1e5]))
    gaps = data.draw(st.lists(st.floats(0.01, 2.0), min_size=1, max_size=6))
    knots = offset + np.cumsum([0.0, *gaps])
    values = np.array(
        data.draw(st.lists(st.floats(-1e3, 1e3), min_size=2 * len(knots), max_size=2 * len(knots)))
    ).reshape(-1, 2)
    pieces = piecewise.from_values(knots, values)
    for j in range(len(gaps)):
        for k in range(2):
            ends = [Fraction(float(t)) for t in (knots[j], values[j, k], knots[j + 1], values[j + 1, k])]
            line = line_through(*ends)
            size = max(abs(ends[1]), abs(ends[3]), Fraction(1, 10**300))
            for x in probes(knots[j], knots[j + 1]):
                reach = 1 + Fraction((abs(knots[j]) + abs(knots[j + 1])) / (knots[j + 1] - knots[j]))
                error = abs(represented(pieces, j, k, x) - value(line, x))
                assert error <= Fraction(1, 2**101) * reach * size + Fraction(1, 10**320)


@QUICK
@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=6),
    st.sets(st.floats(0.001, 0.999), max_size=4),
    st.sampled_from([0.0, 100.0]),
)
def test_refined_is_the_same_function(coefficients, shares, offset):
    pieces = piecewise.from_pieces([offset, offset + 0.4, offset + 1], [[coefficients], [[1.0, -1.0]]])
    knots = np.union1d(pieces.knots, [offset + s for s in shares])
    finer = pieces.refined(knots)
    for j in range(len(knots) - 1):
        old = 0 if knots[j + 1] <= offset + 0.4 else 1
        for x in probes(knots[j], knots[j + 1]):
            exact = represented(pieces, old, 0, x)
            size = 1 + sum(abs(c) for c in coefficients) * (1 + offset) ** (len(coefficients) - 1)
            assert abs(represented(finer, j, 0, x) - exact) <= Fraction(1, 2**95) * Fraction(size)
    assert pieces.refined(pieces.knots) is pieces


def test_refined_may_cut_off_the_ends():
    pieces = piecewise.from_pieces([0.0, 1.0, 2.0], [[[1.0, 2.0, 3.0]], [[5.0]]])
    part = pieces.refined(np.array([0.25, 1.0, 1.5]))
    x = np.array([0.25, 0.7, 1.2, 1.5])
    assert np.allclose(part(x), pieces(x), rtol=1e-15)
    assert part.integral()[0] == pytest.approx(0.75 + (1 - 0.0625) + (1 - 0.25**3) + 2.5, rel=1e-15, abs=0)


@QUICK
@given(
    st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=8), min_size=1, max_size=4),
    st.sampled_from([0.0, -2.0, 50.0]),
)
def test_integral(coefficients, offset):
    knots = [offset + n * 0.7 for n in range(len(coefficients) + 1)]
    pieces = piecewise.from_pieces(knots, [[row] for row in coefficients])
    exact, size = Fraction(0), Fraction(0)
    for left, right, row in zip(knots[:-1], knots[1:], coefficients, strict=True):
        anti = primitive(fractions(row))
        part = value(anti, Fraction(right)) - value(anti, Fraction(left))
        exact += part
        size += sum(abs(Fraction(h)) for h in pieces.high[knots.index(left), 0])
    rounding = Fraction(1, 2**48) * size + Fraction(1, 10**320)  # numbers below 1e-308 have fewer digits
    assert abs(Fraction(pieces.integral()[0]) - exact) <= rounding
    scaled = Fraction(pieces.scaled(-3.0).integral()[0])
    assert abs(scaled + 3 * exact) <= 3 * rounding


def test_value_at_a_jump_is_that_on_the_right():
    pieces = piecewise.from_pieces([0.0, 1.0, 2.0], [[[1.0]], [[5.0]]])
    assert pieces([0.0, 0.5, 1.0, 2.0, 3.0, -1.0])[:, 0].tolist() == [1, 1, 5, 5, 5, 1]
    assert pieces(np.zeros((2, 3))).shape == (2, 3, 1)
    assert pieces(0.5).shape == (1,)
    assert (pieces.components, pieces.degree) == (1, 0)
    assert pieces.bound() >= 5.0


def test_common_knots_make_one_of_two_that_differ_by_rounding():
    first = piecewise.from_values([0.0, 0.1 + 0.2, 1.0], [0.0, 1.0, 2.0])
    second = piecewise.from_values([0.0, 0.3, 0.5, 1.0], [0.0, 1.0, 2.0, 3.0])
    knots = piecewise.common_knots(first, second)
    assert len(knots) == 4
    assert np.allclose(knots, [0, 0.3, 0.5, 1], atol=1e-15)
    assert (knots[0], knots[-1]) == (0.0, 1.0)
    near = piecewise.from_values([0.0, 1e-17, 1 - 1e-16, 1.0], [0.0, 1.0, 2.0, 3.0])
    merged = piecewise.common_knots(first, near)
    assert (merged[0], merged[-1]) == (0.0, 1.0)
    assert np.all(np.diff(merged) > 0)
    assert np.diff(merged).min() > 1e-15


# ---------------------------------------------------------------------------------------------------
# Functions
# ---------------------------------------------------------------------------------------------------

FUNCTIONS = {
    "exp": (np.exp, mpmath.exp, (-2.0, 3.0), ()),
    "sin": (lambda x: np.sin(20 * x), lambda x: mpmath.sin(20 * x), (0.0, 2.0), ()),
    "runge": (lambda x: 1 / (1 + 25 * x**2), lambda x: 1 / (1 + 25 * x * x), (-1.0, 1.0), ()),
    "abs": (lambda x: np.abs(x - 0.3), lambda x: abs(x - mpmath.mpf(0.3)), (0.0, 1.0), (0.3,)),
    "step": (
        lambda x: np.where(x < 1 / 3, -1.0, 2.0),
        lambda x: -1 if x < 1 / 3 else 2,
        (0.0, 1.0),
        (1 / 3,),
    ),
    "sqrt": (np.sqrt, mpmath.sqrt, (0.0, 1.0), (0.0,)),
    "steep": (
        lambda x: np.tanh(200 * (x - 0.7)),
        lambda x: mpmath.tanh(200 * (x - mpmath.mpf(0.7))),
        (0, 1),
        (),
    ),
    "far": (lambda x: np.cos(x - 1000), lambda x: mpmath.cos(x - 1000), (1000.0, 1002.0), ()),
    "tiny": (lambda x: 1e-200 * np.exp(x), lambda x: mpmath.mpf("1e-200") * mpmath.exp(x), (0.0, 1.0), ()),
    "zero": (lambda x: 0 * x, lambda x: 0 * x, (0.0, 1.0), ()),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("accuracy", [1e-6, 1e-12])
def test_from_function_is_as_accurate_as_it_says(accuracy, name):
    """Against mpmath everywhere but within 2e-13 of the width around a kink, jump or root."""
    function, exact, (lower, upper), special = FUNCTIONS[name]
    pieces = piecewise.from_function(function, lower, upper, accuracy=accuracy)
    x = np.random.default_rng(0).uniform(lower, upper, size=1500)
    near = [s + d * (upper - lower) for s in special for d in (1e-3, 1e-6, 1e-9, 1e-12, -1e-3, -1e-9, -1e-12)]
    x = np.concatenate([x, [t for t in near if lower < t < upper]])
    found = pieces(x)[:, 0]
    expected = np.array([float(exact(mpmath.mpf(float(t)))) for t in x])
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() <= 1.5 * accuracy * scale + 4e-16 * scale * len(special or [1])


def test_more_accuracy_takes_more_pieces_and_a_polynomial_takes_one():
    counts = [len(piecewise.from_function(np.exp, 0.0, 20.0, accuracy=a).high) for a in (1e-3, 1e-6, 1e-12)]
    assert counts[0] < counts[1] < counts[2]
    exact = piecewise.from_function(lambda x: 1 - 2 * x + 3 * x**4, 0.0, 2.0)
    assert exact.high.shape[:2] == (1, 1)
    constant = piecewise.from_function(lambda x: 3.0, 0.0, 1.0)  # a number stands for a constant
    assert np.abs(constant(np.linspace(0, 1, 9)) - 3.0).max() < 1e-14


def test_known_kinks_save_pieces():
    kink = lambda x: np.abs(x - 0.3)  # noqa: E731
    assert len(piecewise.from_function(kink, 0.0, 1.0, knots=[0.3, 7.0]).high) == 2
    assert len(piecewise.from_function(kink, 0.0, 1.0).high) > 20


def test_vector_valued_functions():
    pieces = piecewise.from_function(lambda x: np.stack([np.sin(x), np.cos(x), x], axis=1), 0.0, 2.0)
    x = np.linspace(0, 2, 57)
    assert np.abs(pieces(x) - np.stack([np.sin(x), np.cos(x), x], axis=1)).max() < 2e-12
    assert pieces.components == 3
    expected = [quad(f, 0, 2)[0] for f in (np.sin, np.cos, lambda t: t)]
    assert np.allclose(pieces.integral(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.where(x > 0.4, np.nan, x), "'f' is not a finite number at x = "),
        (lambda x: np.full(x.shape, np.inf), "'f' is not a finite number at x = 0"),
        (lambda x: x[:1], r"'f' returned an array of shape \(1,\) for 2 points; expected \(2,\) or \(2, K\)"),
        (lambda x: np.zeros((len(x), 2, 2)), r"shape \(2, 2, 2\)"),
        (math.sin, r"'f' failed on an array of 2 points \(TypeError: .*numpy.vectorize"),
        (lambda x: "no number", "'f' failed on an array of 2 points"),
        (lambda x: 1 / 0, r"ZeroDivisionError"),
        (lambda x: np.sin(1e6 * x), "more than 8192 pieces are needed, the first near x = "),
        (lambda x: np.sin(x) + 1e-9 * np.sin(1e9 * x), "more than 8192 pieces"),
    ],
)
def test_functions_that_cannot_be_turned(function, message):
    with pytest.raises(gfc.InputError, match=message):
        piecewise.from_function(function, 0.0, 1.0, name="function 'f'")


@pytest.mark.parametrize(
    ("knots", "coefficients", "message"),
    [
        ([0.0], [], "coefficient"),
        ([0.0, 1.0], [], "2 knots need the coefficients of 1 pieces, got those of 0"),
        ([0.0, 1.0, 2.0], [[[1.0]]], "3 knots need the coefficients of 2 pieces, got those of 1"),
        ([0.0, 1.0, 1.0], [[[1.0]], [[1.0]]], "knots must increase strictly"),
        ([1.0, 0.0], [[[1.0]]], "knots must increase strictly"),
        ([0.0, 1.0], [[[]]], "at least one coefficient"),
        ([0.0, 1.0], [[[np.nan]]], "coefficients must be finite numbers"),
        ([0.0, 1.0], [[[1.0, np.inf]]], "coefficients must be finite numbers"),
        ([0.0, np.inf], [[[1.0]]], "knots must be at least two finite numbers"),
        ([np.nan, 1.0], [[[1.0]]], "knots must be at least two finite numbers"),
    ],
)
def test_wrong_pieces(knots, coefficients, message):
    with pytest.raises(gfc.InputError, match=message):
        piecewise.from_pieces(knots, coefficients)


@pytest.mark.parametrize(
    ("knots", "values", "message"),
    [
        ([0.0, 1.0], [1.0], "2 knots need as many values"),
        ([0.0, 1.0], [1.0, np.nan], "values at the knots must be finite"),
        ([0.0, 0.0], [1.0, 2.0], "knots must increase strictly"),
        ([0.0, np.nan], [1.0, 2.0], "knots must be at least two finite numbers"),
        ([0.0], [1.0], "knots must be at least two finite numbers"),
    ],
)
def test_wrong_values(knots, values, message):
    with pytest.raises(gfc.InputError, match=message):
        piecewise.from_values(knots, values)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.exp(-(((x - 0.37) / 1e-3) ** 2)),
        lambda x: np.maximum(0, 1 - np.abs(x - 0.3753) / 0.004),
        lambda x: x + ((x > 0.371) & (x < 0.379)),
    ],
    ids=["spike", "hat", "indicator"],
)
def test_narrow_features_are_found(function):
    pieces = piecewise.from_function(function, 0.0, 1.0)
    x = np.random.default_rng(0).random(20001)
    assert np.abs(pieces(x)[:, 0] - function(x)).max() < 4e-12
