"""Pairs of neurons under a standard normal input, against quadrature of one-dimensional closed forms."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from gfcompare.kernels import gaussian, gaussian_risk
from gfcompare.kernels.compiled import entry
from gfcompare.kernels.gaussian import BIAS, CELLS, PAIRS, SCALARS, TERMS

TABLE, NORMAL = gaussian.tables()
NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


@entry
def evaluate_pair(table, normal, directions, scalars, owen, pairs, biased, result):
    """P, q, q back, E[1_u s_v], E[1_v s_u], E[s_u s_v] of neurons 0 and 1."""
    for i in range(2):
        gaussian.set_neuron(directions, scalars, i)
        gaussian.set_owen(table, scalars, owen, i)
    gaussian.correlate(directions, 0, 1, 2, pairs)
    if biased:
        gaussian.pairs_with_biases(normal, scalars, owen, 0, 1, 2, pairs)
    else:
        gaussian.pairs_without_biases(scalars, 0, 1, 2, pairs)
    for j in range(5):
        result[j] = pairs[j, 1]
    result[5] = gaussian.product_mean(scalars, 0, 1, pairs)


def pair(u, a, v, b, *, biased=True):
    """Return P, E[1_u s_v], E[1_u x s_v], E[1_v s_u], E[1_v x s_u], E[s_u s_v]."""
    rows = np.array([u, v], dtype=np.float64)
    directions, scalars = rows.copy(), np.zeros((SCALARS, 2))
    scalars[BIAS] = a, b
    result = np.empty(6)
    evaluate_pair(
        TABLE, NORMAL, directions, scalars, np.zeros((2, CELLS * TERMS)), np.zeros((PAIRS, 2)), biased, result
    )
    mass, q, q_back, mean, mean_back, product = result
    return (
        mass,
        mean,
        mass * rows[1] + q * directions[0],
        mean_back,
        mass * rows[0] + q_back * directions[1],
        product,
    )


def reference(u, a, v, b):
    """P, E[1_u s_v], E[1_u x s_v], E[s_u s_v] in the plane, by Gauss points in u.x / |u|, to some 1e-15."""
    u, v = np.asarray(u, dtype=np.float64), np.asarray(v, dtype=np.float64)
    s = math.hypot(*u)
    along = u / s
    across = np.array([-along[1], along[0]])
    slope, spread = float(v @ along), float(v @ across)
    start = min(max(-a / s, -14.0), 15.0)
    places = [start, 15.0, *np.arange(-14.0, 15.0)]
    if slope != 0.0:
        places += [-b / slope + c * spread / slope for c in (-14, -8, -4, -2, -1, 0, 1, 2, 4, 8, 14)]
    knots = np.unique([p for p in places if start <= p <= 15.0])
    half = 0.5 * np.diff(knots)[:, None]
    y = (0.5 * (knots[1:] + knots[:-1]))[:, None] + half * NODES
    weights = half * WEIGHTS * np.exp(-0.5 * y * y) / math.sqrt(2 * math.pi)
    inner = slope * y + b
    size = abs(spread)
    if size == 0.0:
        active, mean = (inner > 0) * 1.0, np.maximum(inner, 0.0)
    else:
        with np.errstate(over="ignore"):
            z = np.clip(inner / size, -40.0, 40.0)
        active = (inner > 0) * 1.0 if size < 1e-300 else ndtr(z)
        mean = inner * active + size * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

    def total(f):
        return math.fsum((weights * f).ravel())

    at = total(y * mean)
    return total(active), total(mean), at * along + total(spread * active) * across, s * at + a * total(mean)


def errors(u, a, v, b):
    """Return the largest error of the pair, relative to the scale of each expectation."""
    found, there, back = pair(u, a, v, b), reference(u, a, v, b), reference(v, b, u, a)
    first, second = math.hypot(*u) + abs(a), math.hypot(*v) + abs(b)
    return max(
        abs(found[0] - there[0]),
        abs(found[1] - there[1]) / second,
        np.abs(found[2] - there[2]).max() / second,
        abs(found[3] - back[1]) / first,
        np.abs(found[4] - back[2]).max() / first,
        abs(found[5] - there[3]) / (first * second),
    )


def test_the_tables_are_those_of_the_integral():
    for h, z in ((0.1, 0.1), (0.3, 1.0), (2.0, 3.0), (4.0, 8.0), (8.9, 0.2), (0.01, 8.9)):
        cell, column = int(2 * h), int(2 * z)
        x, y = 4 * h - 2 * cell - 1, 4 * z - 2 * column - 1
        values = TABLE[cell].reshape(TERMS, CELLS, TERMS)[:, column]
        found = x ** np.arange(TERMS) @ values @ y ** np.arange(TERMS)
        exact = mpmath.quad(
            lambda t, h=h: h * (1 - mpmath.exp(-(h * h + t * t) / 2)) / (h * h + t * t), [0, z / 2, z]
        )
        assert abs(found - float(exact) / (2 * math.pi)) < 3e-16
        assert abs(NORMAL[column] @ y ** np.arange(TERMS) - (ndtr(z) - 0.5)) < 3e-16


def test_random_pairs():
    rng = np.random.default_rng(0)
    for _ in range(300):
        assert errors(rng.normal(size=2), rng.normal(), rng.normal(size=2), rng.normal()) < 3e-15


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_nearly_parallel_and_opposite_pairs(sign):
    rng = np.random.default_rng(1)
    for k in range(1, 17):
        for shift in (0.0, 1.0, 10.0 ** (-k / 2)):
            turn, angle = rng.uniform(0, 2 * np.pi), 2 * np.arcsin(np.sqrt(10.0**-k / 2))
            u = np.array([np.cos(turn), np.sin(turn)])
            size = np.exp(rng.normal())
            v = sign * size * np.array([np.cos(turn + angle), np.sin(turn + angle)])
            a = rng.normal()
            assert errors(u, a, v, size * (sign * a + shift * rng.normal())) < 3e-15


@given(st.floats(-40, 40), st.floats(-40, 40), st.floats(0, 2 * np.pi), st.floats(-6, 6))
def test_large_biases(alpha, beta, angle, exponent):
    size = 10.0**exponent
    v = size * np.array([np.cos(angle), np.sin(angle)])
    assert errors([1.0, 0.0], alpha, v, size * beta) < 1e-14


@pytest.mark.parametrize(
    "case",
    [
        ([1.0, 2.0], 0.3, [2.0, 4.0], 0.6),
        ([1.0, 2.0], 0.3, [1.0, 2.0], 0.3),
        ([1.0, 2.0], 0.3, [-1.0, -2.0], -0.3),
        ([1.0, 2.0], 0.3, [-1.0, -2.0], 0.3),
        ([1.0, 2.0], 0.3, [1.0, 2.0], -0.7),
        ([1.0, 2.0], 0.0, [-1.0, -2.0], 0.0),
        ([1.0, 0.0], 0.0, [0.0, 1.0], 0.0),
    ],
)
def test_parallel_equal_and_opposite_pairs(case):
    assert errors(*case) < 2e-15


@pytest.mark.parametrize("first", [1e-150, 1e-100, 1e-8, 1e8, 1e150])
@pytest.mark.parametrize("second", [1e-150, 1e-3, 1e150])
def test_pairs_of_any_size(first, second):
    u, a, v, b = np.array([0.6, 0.9]), 0.4, np.array([-0.3, 0.8]), -0.2
    there, back = reference(u, a, v, b), reference(v, b, u, a)
    found = pair(first * u, first * a, second * v, second * b)
    assert found[0] == pytest.approx(there[0], abs=1e-15)
    assert found[1] / second == pytest.approx(there[1], abs=1e-15)
    assert np.abs(found[2] / second - there[2]).max() < 1e-15
    assert found[3] / first == pytest.approx(back[1], abs=1e-15)
    assert found[5] / first / second == pytest.approx(there[3], abs=1e-15)


def test_neurons_without_a_direction_are_constants():
    for tiny in (0.0, 1e-320):
        found = pair([tiny, 0.0], 0.7, [1.0, -2.0], 0.4)
        alone = ndtr(0.4 / math.sqrt(5.0))
        assert found[0] == pytest.approx(alone, abs=1e-15)
        assert found[5] == pytest.approx(0.7 * found[1], rel=1e-14)
        assert found[3] == pytest.approx(0.7 * alone, abs=1e-15)
    assert np.abs(pair([0.0, 0.0], 0.0, [1.0, -2.0], 0.4)[2]).max() == 0.0
    assert pair([0.0, 0.0], -0.7, [1.0, -2.0], 0.4)[5] == 0.0
    assert pair([0.0, 0.0], 0.0, [0.0, 0.0], 0.0)[0] == 0.0  # s'(0) = 0


@given(st.floats(0, 2 * np.pi), st.floats(-3, 3))
def test_without_biases_the_fast_branch_is_the_arc_cosine_kernel(angle, exponent):
    u, v = np.array([0.6, 0.8]), 10.0**exponent * np.array([np.cos(angle), np.sin(angle)])
    found, general = pair(u, 0.0, v, 0.0, biased=False), pair(u, 0.0, v, 0.0)
    for value, other in zip(found, general, strict=True):
        assert np.abs(np.asarray(value) - other).max() <= 2e-15 * max(1.0, 10.0**exponent)
    cosine = float(np.clip(u @ v / math.hypot(*v), -1, 1))
    exact = math.sqrt(1 - cosine**2) + cosine * (math.pi - math.acos(cosine))
    assert found[5] == pytest.approx(math.hypot(*v) * exact / (2 * math.pi), rel=1e-12, abs=1e-15)


def mean_square(rows, columns, constant=0.0):
    """Return E|sum of neurons + constant|^2 with twice the digits."""
    rows, columns = np.array(rows, dtype=np.float64), np.array([columns], dtype=np.float64)
    rank = rows.shape[1] - 1
    result = np.empty(2)
    work = gaussian_risk.mean_square_work(len(rows), rank, 1)
    linear = np.zeros((1, rank))
    gaussian_risk.mean_square(rows, columns, np.array([constant]), linear, result, work)
    return mpmath.mpf(float(result[0])) + mpmath.mpf(float(result[1]))


@pytest.mark.sampled
@pytest.mark.parametrize("alphas", [(0.3, -0.4), (0.01, 0.1), (3.0, -2.0), (1e-9, 2.0), (-6.0, 5.0)])
@pytest.mark.parametrize("rho", [0.2, -0.7, 0.95, -0.9999])
def test_twice_the_digits(alphas, rho):
    a, b = alphas
    with mpmath.workdps(40):
        direction = np.array([rho, math.sqrt(1 - rho * rho)])
        r = mpmath.mpf(float(direction[0]))
        across = mpmath.mpf(float(direction[1]))
        t = mpmath.sqrt(r * r + across * across)
        a, b = mpmath.mpf(a), mpmath.mpf(b)

        def inner(y):
            z = (r * y + b) / across
            return across * (z * mpmath.ncdf(z) + mpmath.npdf(z))

        width = across / abs(r)
        places = [-b / r + k * width for k in (-8, -3, 0, 3, 8)] + [mpmath.mpf(k) for k in range(-8, 14, 2)]
        pieces = [-a, *sorted(p for p in places if -a < p < 14), mpmath.mpf(14)]
        cross = mpmath.quad(lambda y: mpmath.npdf(y) * (y + a) * inner(y), pieces)
        alone = [(1 + c * c) * mpmath.ncdf(c) + c * mpmath.npdf(c) for c in (a, b / t)]
        exact = alone[0] + t * t * alone[1] - 2 * cross
        found = mean_square([[1.0, 0.0, float(a)], [*direction, float(b)]], [1.0, -1.0])
        assert abs(found - exact) < 1e-28


def test_a_small_difference_of_neurons_keeps_its_digits():
    # |s(u.x + a) - s((u + e d).x + a)|^2 = e^2 E[1_u (d.x)^2] + O(e^3)
    u, d, a = np.array([0.625, -0.25, 0.5]), np.array([0.25, 0.75, -0.125]), 0.4  # u + e d is exact
    s = float(np.linalg.norm(u))
    along, alpha = float(d @ u) / s, a / s
    density = math.exp(-0.5 * alpha * alpha) / math.sqrt(2 * math.pi)
    leading = float(d @ d) * ndtr(alpha) - along**2 * alpha * density
    for e in (2.0**-20, 2.0**-30, 2.0**-40):
        found = float(mean_square([[*u, a], [*(u + e * d), a]], [1.0, -1.0]))
        assert found / e**2 == pytest.approx(leading, rel=10 * e + 1e-31 / e**2)
    assert float(mean_square([[*u, a], [*u, a]], [1.0, -1.0])) == pytest.approx(0.0, abs=1e-31)


def test_saturated_neurons_are_affine_or_nothing():
    found = mean_square([[0.3, 0.4, 20.0], [0.3, 0.4, -20.0], [0.0, 0.0, 2.0]], [1.0, 5.0, -1.0])
    assert float(found) == pytest.approx(18.0**2 + 0.25, rel=1e-14)
