"""Measures: densities of mass one, samples where they should be, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import MEASURES, QUICK, measure_case
from scipy.integrate import quad
from scipy.stats import kstest, truncnorm

import gfcompare as gfc

M = gfc.measures
INTERVALS = ((0.0, 1.0), (-3.0, 2.0), (100.0, 101.0), (1000.0, 1001.0))


@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize("name", MEASURES)
def test_densities(name, interval):
    case = measure_case(name, *interval)
    density = case.measure.density()
    assert case.measure.interval == interval
    assert density.components == 1
    assert density.integral()[0] == pytest.approx(1, rel=1e-14, abs=0)
    points = [k for k in case.knots if interval[0] < k < interval[1]] or None
    mass, _ = quad(lambda x: density(x)[0], *interval, points=points, epsabs=1e-12, limit=200)
    assert mass == pytest.approx(1, rel=1e-11, abs=0)
    x = np.random.default_rng(0).uniform(*interval, size=500)
    expected = case.formula(x)
    assert np.abs(density(x)[:, 0] - expected).max() < 1e-12 * expected.max() * max(1, abs(interval[0]) / 20)


@pytest.mark.parametrize(
    ("mean", "deviation", "interval"),
    [
        (0.0, 1.0, (-1.0, 1.0)),
        (0.5, 0.01, (0.0, 1.0)),
        (5.0, 1.0, (0.0, 1.0)),
        (-30.0, 1.0, (0.0, 1.0)),
        (-1000.0, 10.0, (0.0, 1.0)),
        (100.5, 0.1, (100.0, 101.0)),
    ],
)
def test_truncated_normal_against_scipy(mean, deviation, interval):
    lower, upper = interval
    measure = M.TruncatedNormal(mean, deviation, lower, upper)
    x = np.linspace(lower, upper, 401)
    law = truncnorm((lower - mean) / deviation, (upper - mean) / deviation, loc=mean, scale=deviation)
    expected = law.pdf(x)
    found = measure.density()(x)[:, 0]
    assert np.abs(found - expected).max() < 1e-11 * expected.max() + 1e-300
    u = np.linspace(0.01, 0.99, 99)
    assert np.abs(measure.quantile(u) - law.ppf(u)).max() < 1e-9 * (upper - lower)


def test_a_very_wide_normal_is_uniform():
    measure = M.TruncatedNormal(0.0, 1e9)  # scipy loses nine digits here
    assert np.abs(measure.density()(np.linspace(-1, 1, 99)) - 0.5).max() < 1e-14


@pytest.mark.parametrize("accuracy", [1e-4, 1e-8, 1e-12])
def test_a_density_may_touch_zero_at_any_accuracy(accuracy):
    """Conversion may then take it below zero by as much as it is allowed to err."""
    measure = M.Density(lambda x: np.sin(5 * x) ** 2 * np.exp(x), 0.0, 2.0, accuracy=accuracy)
    x = np.linspace(0, 2, 501)
    mass, _ = quad(lambda x: np.sin(5 * x) ** 2 * np.exp(x), 0, 2, epsabs=1e-13)
    assert np.abs(measure.density()(x)[:, 0] - np.sin(5 * x) ** 2 * np.exp(x) / mass).max() < 5 * accuracy


@QUICK
@given(st.integers(0, 10**6), st.floats(-100, 100), st.floats(0.5, 10), st.sampled_from(MEASURES))
def test_samples_lie_in_the_interval(seed, lower, width, name):
    case = measure_case(name, lower, lower + width)
    points = case.measure.sample(np.random.default_rng(seed), (3, 50))
    assert points.shape == (3, 50)
    assert np.all((points >= lower) & (points <= lower + width))
    again = case.measure.sample(np.random.default_rng(seed), (3, 50))
    assert np.array_equal(points, again)


@pytest.mark.parametrize("name", MEASURES)
def test_samples_have_the_distribution(name):
    case = measure_case(name, -1.0, 1.0)
    points = case.measure.sample(np.random.default_rng(1), 20_000)
    grid = np.linspace(-1, 1, 2001)
    middle = 0.5 * (grid[:-1] + grid[1:])
    cdf = np.append(0, np.cumsum(case.formula(middle))) * (grid[1] - grid[0])
    assert cdf[-1] == pytest.approx(1, abs=1e-6)
    assert kstest(points, lambda x: np.interp(x, grid, cdf)).pvalue > 1e-3
    # The same test tells a wrong measure apart.
    wrong = M.Uniform(-1.0, 1.0) if name != "uniform" else M.TruncatedNormal()
    assert (
        kstest(wrong.sample(np.random.default_rng(1), 20_000), lambda x: np.interp(x, grid, cdf)).pvalue
        < 1e-6
    )


@QUICK
@given(
    st.lists(st.lists(st.floats(0, 5), min_size=1, max_size=4), min_size=1, max_size=4), st.integers(0, 99)
)
def test_any_positive_density(coefficients, seed):
    """Coefficients that are not negative on [0, n]: pieces may be zero."""
    mass = sum(
        c * ((j + 1) ** (d + 1) - j ** (d + 1)) / (d + 1)
        for j, row in enumerate(coefficients)
        for d, c in enumerate(row)
    )
    if mass < 1e-6:
        return
    measure = M.PiecewisePolynomial(list(range(len(coefficients) + 1)), coefficients)
    assert measure.density().integral()[0] == pytest.approx(1, rel=1e-13, abs=0)
    x = np.random.default_rng(seed).uniform(0, len(coefficients), size=20)
    expected = [sum(c * t**d for d, c in enumerate(coefficients[int(t)])) / mass for t in x]
    assert np.allclose(measure.density()(x)[:, 0], expected, rtol=1e-11, atol=1e-12)
    u = np.linspace(0, 1, 33)
    found = measure.quantile(u)
    assert np.all((found >= 0) & (found <= len(coefficients)))
    assert np.all(np.diff(found) >= -1e-12)


def test_measures_are_values():
    a = M.PiecewisePolynomial([0, 1], [[1.0, 2.0]])
    b = M.PiecewisePolynomial((0.0, 1.0), ((1, 2),))
    assert a == b
    assert hash(a) == hash(b)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: M.Uniform(1.0, 1.0), "lower < upper, got"),
        (lambda: M.Uniform(2.0, 1.0), "lower < upper, got"),
        (lambda: M.Uniform(0.0, np.inf), "finite ends"),
        (lambda: M.Uniform(np.nan, 1.0), "finite ends"),
        (lambda: M.TruncatedNormal(0.0, 1.0, 1.0, 0.0), "lower < upper"),
        (lambda: M.TruncatedNormal(0.0, 0.0), "standard_deviation positive"),
        (lambda: M.TruncatedNormal(0.0, -1.0), "standard_deviation positive"),
        (lambda: M.TruncatedNormal(np.nan, 1.0), "mean must be finite"),
        (lambda: M.PiecewisePolynomial([0, 1], [[-1.0]]), r"the density is negative \(-1\) at x = "),
        (lambda: M.PiecewisePolynomial([0, 1], [[1.0, -1.5]]), "the density is negative"),
        (lambda: M.PiecewisePolynomial([0, 1, 2], [[1.0], [-1e-3]]), "the density is negative"),
        (lambda: M.PiecewisePolynomial([0, 1], [[0.0]]), "total mass 0; it must be positive"),
        (lambda: M.PiecewisePolynomial([0, 1], [[np.nan]]), "finite numbers"),
        (lambda: M.PiecewisePolynomial([1, 0], [[1.0]]), "knots must increase strictly"),
        (lambda: M.PiecewisePolynomial([0, 1], [[1.0], [1.0]]), "2 knots need the coefficients of 1 pieces"),
        (lambda: M.Density(1.0), "function must be callable"),
        (lambda: M.Density(np.exp, 1.0, 0.0), "lower < upper"),
        (lambda: M.Density(lambda x: x - 0.5).density(), "the density is negative"),
        (lambda: M.Density(lambda x: 0 * x).density(), "total mass 0"),
        (lambda: M.Density(lambda x: np.full_like(x, np.nan)).density(), "density is not a finite number"),
        (
            lambda: M.Density(lambda x: np.stack([x, x], axis=1)).density(),
            "a density has one component, got 2",
        ),
    ],
)
def test_wrong_measures(make, message):
    with pytest.raises(gfc.InputError, match=message):
        make()


def test_a_wrong_density_is_refused_with_the_problem():
    network = gfc.ReLUNetwork([1, 2, 1])
    with pytest.raises(gfc.InputError, match="the density is negative"):
        gfc.Problem(network, gfc.targets.Constant(0.0), M.Density(np.sin, -1.0, 1.0))
