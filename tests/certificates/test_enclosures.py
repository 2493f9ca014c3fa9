"""Balls against mpmath at 60 digits, and the package's doubles against the balls."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from flint import arb
from high_precision import DIGITS, Line, inside, network, rational

import gfcompare as gfc
from gfcompare.certificates.balls import around, ball, high_double, low_double, precision, square
from gfcompare.certificates.exact_problem import exact_problem
from gfcompare.certificates.moments import moments
from gfcompare.certificates.reduced import Model, Residuals
from gfcompare.certificates.reduction import State
from gfcompare.certificates.state_enclosures import enclosures, risk_and_speed

_M = gfc.measures


def _polynomial(*coefficients):
    return lambda x: sum((mp.mpf(c) * x**k for k, c in enumerate(coefficients)), mp.mpf(0))


def _steps(x):
    return mp.mpf(0.75) * x if x < mp.mpf(0.4) else 1 - x * x


def _bell(x):
    """The normal density of mean 0.2 and deviation 0.5 on [-1, 1.5], normalised by error functions."""
    z = (x - mp.mpf(0.2)) / mp.mpf(0.5)
    mass = (
        mp.mpf(0.5)
        * mp.sqrt(2 * mp.pi)
        * (mp.ncdf((mp.mpf(1.5) - mp.mpf(0.2)) / mp.mpf(0.5)) - mp.ncdf((-1 - mp.mpf(0.2)) / mp.mpf(0.5)))
    )
    return mp.exp(-z * z / 2) / mass


CASES = {
    "cubic": (
        gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]),
        _M.Uniform(0.0, 1.0),
        Line(_polynomial(0.3, 4, -12, 8), lambda x: mp.mpf(1), 0.0, 1.0),
    ),
    "sine": (
        gfc.targets.Sine(amplitude=1.25, frequency=0.75, phase=0.3, offset=-0.1),
        _M.Uniform(-0.5, 1.5),
        Line(
            lambda x: mp.mpf(-0.1) + mp.mpf(1.25) * mp.sin(2 * mp.pi * mp.mpf(0.75) * x + mp.mpf(0.3)),
            lambda x: mp.mpf(1) / 2,
            -0.5,
            1.5,
            count=32,
        ),
    ),
    "jump of f": (
        gfc.targets.PiecewisePolynomial([0.0, 0.4, 1.0], [[0.0, 0.75], [1.0, 0.0, -1.0]]),
        _M.Uniform(0.0, 1.0),
        Line(_steps, lambda x: mp.mpf(1), 0.0, 1.0, (0.4,)),
    ),
    "jump of p": (
        gfc.targets.AbsoluteValue(centre=0.3, slope=2.0, offset=0.1),
        _M.PiecewisePolynomial([-1.0, 0.25, 1.0], [[1.0, 0.5], [2.0, 0.0, 1.0]]),
        Line(
            lambda x: mp.mpf(0.1) + 2 * abs(x - mp.mpf(0.3)),
            lambda x: (
                (1 + x / 2 if x < 0.25 else 2 + x * x)
                / (mp.mpf(5) / 4 + (mp.mpf(1) / 16 - 1) / 4 + mp.mpf(3) / 2 + (1 - mp.mpf(1) / 64) / 3)
            ),
            -1.0,
            1.0,
            (0.3, 0.25),
        ),
    ),
    "normal density": (
        gfc.targets.HermitePolynomial([0.1, 0.0, 0.5, 0.25]),
        _M.TruncatedNormal(0.2, 0.5, -1.0, 1.5),
        Line(
            lambda x: mp.mpf(0.1) + mp.mpf(0.5) * (x * x - 1) + mp.mpf(0.25) * (x**3 - 3 * x),
            _bell,
            -1.0,
            1.5,
            count=48,
        ),
    ),
}


def _problem(name, hidden=3):
    target, measure, line = CASES[name]
    return gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), target, measure), line


def _theta(line, seed):
    """A neuron of each orientation with its breakpoint inside, one fully active, and any bias."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(line.lower, line.upper, 2)
    w = np.array([1.5, -0.7, 0.4]) * rng.uniform(0.5, 2.0, 3)
    b = np.append(-w[:2] * places, 0.2 + abs(w[2]) * max(abs(line.lower), abs(line.upper)))
    return np.concatenate([w, b, rng.normal(size=3), rng.normal(size=1)])


@pytest.mark.sampled("cubic")
@pytest.mark.parametrize("name", CASES)
def test_risk_gradient_and_hessian_are_enclosed(name):
    problem, line = _problem(name)
    theta = _theta(line, 3)
    with precision(160):
        found = enclosures(State.of(theta, (line.lower, line.upper), "standard"), exact_problem(problem, 160))
        entries = found.hessian.tolist()
    with mp.workdps(DIGITS):
        exact = [mp.mpf(float(t)) for t in theta]
        # Gauss-Legendre is exact for polynomials; for sines and bells it is so up to about 1e-50.
        slack = 0.0 if line.count == 8 else 1e-45
        slack += 1e-55  # rounding of 60 digits
        assert inside(found.risk, line.risk(exact), slack)
        gradient = line.gradient(exact)
        assert all(inside(g, value, slack) for g, value in zip(found.gradient, gradient, strict=True))
        step = mp.mpf(10) ** -18
        for k in range(len(theta)):
            up, down = list(exact), list(exact)
            up[k] += step
            down[k] -= step
            column = [
                (a - b) / (2 * step) for a, b in zip(line.gradient(up), line.gradient(down), strict=True)
            ]
            assert all(inside(entries[i][k], value, 1e-32) for i, value in enumerate(column))
    # The balls are not wide: all this is no empty statement.
    assert max(float(g.rad()) for g in (found.risk, *found.gradient)) < 1e-40


@pytest.mark.parametrize("name", CASES)
def test_speed_in_reduced_coordinates_is_that_of_the_gradient(name):
    problem, line = _problem(name)
    for flow in ("standard", "normalized"):
        theta = _theta(line, 4)
        with precision(128):
            exact = exact_problem(problem, 128)
            state = State.of(theta, (line.lower, line.upper), flow)
            found, (risk, speed) = enclosures(state, exact), risk_and_speed(state, exact)
            assert risk.overlaps(found.risk)
            g, n = found.gradient, state.neurons
            total = sum((square(value) for value in g), arb(0))
            if flow == "normalized":
                for i in range(n):
                    total -= square(state.w[i] * g[i] + state.b[i] * g[n + i])
            assert speed.overlaps(total.sqrt())
            assert float(speed.rad()) < 1e-30


@pytest.mark.thorough
@pytest.mark.parametrize("name", CASES)
def test_hessian_in_reduced_coordinates_is_enclosed(name):
    """For all points of a box, at 60 digits by differences of the risk's gradient there."""
    problem, line = _problem(name)
    taus = (1, -1, 1)
    rng = np.random.default_rng(5)
    q = np.sort(rng.uniform(line.lower, line.upper, 3))
    centre = np.concatenate([rng.normal(size=2), rng.normal(size=3), q])
    # Breakpoints keep away from knots, as the differences at 60 digits do not see both sides of a jump.
    radius = 1e-3
    with precision(128):
        model = Model(exact_problem(problem, 128), taus, affine=True)
        thin = [ball(value) for value in centre]
        known = model.moments(thin)
        reference = model.residuals(thin, known)
        box = [around(value, radius) for value in thin]
        wide = model.moments(box)
        values = [model.residual(thin, x) for x in box[model.first_breakpoint :]]
        near = model.residuals_near(
            box,
            [x - value for x, value in zip(box, thin, strict=True)],
            wide,
            Residuals(reference.integrals, values),
        )
        entries = model.hessian(box, wide, near).tolist()
        gradient = model.gradient(thin, known)
    with mp.workdps(DIGITS):

        def exact(y):
            def value(x, derivative):
                a = mp.mpf(line.lower)
                z = [t * (x - y[5 + j]) for j, t in enumerate(taus)]
                if derivative < 0:
                    hidden = sum((y[2 + j] * max(z[j], 0) for j in range(3)), mp.mpf(0))
                    return 2 * (y[0] + y[1] * (x - a) + hidden - line.target(x))
                if derivative < 2:
                    return (mp.mpf(1), x - a)[derivative]
                if derivative < 5:
                    return max(z[derivative - 2], mp.mpf(0))
                j = derivative - 5
                return -taus[j] * y[2 + j] * (z[j] > 0)

            return [line.integral(lambda x, k=k: value(x, -1) * value(x, k), y[5:]) for k in range(8)]

        y = [mp.mpf(float(value)) for value in centre]
        assert all(inside(g, value, 1e-44) for g, value in zip(gradient, exact(y), strict=True))
        step = mp.mpf(10) ** -18
        moves = rng.uniform(-radius, radius, 8)
        point = [value + mp.mpf(float(move)) for value, move in zip(y, moves, strict=True)]
        for k in range(8):
            up, down = list(point), list(point)
            up[k] += step
            down[k] -= step
            column = [(a - b) / (2 * step) for a, b in zip(exact(up), exact(down), strict=True)]
            assert all(inside(entries[i][k], value, 1e-30) for i, value in enumerate(column))


@pytest.mark.thorough
def test_integrals_of_features_are_enclosed_on_wide_boxes():
    problem, line = _problem("jump of p")
    taus = (1, 1, -1, -1)
    rng = np.random.default_rng(0)
    with precision(128):
        exact = exact_problem(problem, 128)
        for radius in (0.0, 0.3):
            q = rng.uniform(-1.0, 1.0, 4)
            known = moments(exact, taus, [around(ball(value), radius) for value in q])
            for _ in range(2):
                point = np.clip(q + rng.uniform(-radius, radius, 4), -1.0, 1.0)
                with mp.workdps(DIGITS):
                    places = [mp.mpf(float(value)) for value in point]

                    def feature(i, x, places=places):
                        return max(taus[i] * (x - places[i]), mp.mpf(0))

                    for i in range(4):
                        f = lambda x, i=i: feature(i, x)  # noqa: E731
                        assert inside(known.feature[i], line.integral(f, places), 1e-50)
                        f = lambda x, i=i: feature(i, x) * (x + 1)  # noqa: E731
                        assert inside(known.feature_x[i], line.integral(f, places), 1e-50)
                        for j in range(4):
                            on = lambda x, j=j: mp.mpf(int(feature(j, x) > 0))  # noqa: E731
                            f = lambda x, i=i, j=j: feature(i, x) * feature(j, x)  # noqa: E731
                            assert inside(known.products[i][j], line.integral(f, places), 1e-50)
                            f = lambda x, i=i, on=on: feature(i, x) * on(x)  # noqa: E731
                            assert inside(known.crossed[i][j], line.integral(f, places), 1e-50)
                            f = lambda x, i=i, on=on: (feature(i, x) > 0) * on(x)  # noqa: E731
                            assert inside(known.overlaps[i][j], line.integral(f, places), 1e-50)


@pytest.mark.parametrize("name", CASES)
def test_target_and_density_are_enclosed(name):
    problem, line = _problem(name)
    with precision(160):
        exact = exact_problem(problem, 160)
        for x in np.linspace(line.lower + 0.01, line.upper - 0.013, 23):
            with mp.workdps(DIGITS):
                assert inside(exact.target(ball(x)), line.target(mp.mpf(float(x))), 1e-44)
                assert inside(exact.density(ball(x)), line.density(mp.mpf(float(x))), 1e-44)
    with precision(256):  # more terms of the series, not the same ones with more digits
        finer = exact_problem(problem, 256)
        assert finer.target(ball(line.lower)).rad() < arb(2) ** -240


def test_at_a_jump_both_sides_count():
    problem, _ = _problem("jump of f")
    with precision(128):
        line = exact_problem(problem, 128)
        at = line.target(ball(0.4))
        assert at.contains(ball(0.75) * ball(0.4))
        assert at.contains(1 - ball(0.4) * ball(0.4))
        assert not line.target(ball(0.39)).contains(ball(0.8))


def test_on_one_side_of_a_knot_the_other_side_does_not_count():
    """However near: Newton's method ends at knots of the target, and needs the integrals to all digits."""
    problem, _ = _problem("jump of f")
    with precision(128):
        line = exact_problem(problem, 128)
        for sign in (-1, 1):
            x = ball(0.4) + sign * arb(2) ** -100
            assert line.target(x).rad() < arb(2) ** -110
            assert line.weighted_target[0](x).rad() < arb(2) ** -110


def test_conversions_are_directed():
    with precision(128):
        third = arb(1) / 3
        assert arb(low_double(third)) <= third.lower()
        assert arb(high_double(third)) >= third.upper()
        assert low_double(third) < high_double(third)
        assert np.nextafter(low_double(third), 1.0) == high_double(third)
        assert low_double(ball(0.1)) == high_double(ball(0.1)) == 0.1
        huge, tiny = arb(10) ** 400, arb(10) ** -400
        assert low_double(huge) == np.finfo(float).max
        assert high_double(huge) == np.inf
        assert low_double(tiny) == 0.0
        assert high_double(tiny) == np.nextafter(0.0, 1.0)
        assert low_double(-tiny) == -np.nextafter(0.0, 1.0)
        assert low_double(arb.nan()) == -np.inf
        assert high_double(arb.nan()) == np.inf
        assert not arb.nan() < 1  # what is not proved is false
        around_zero = square(arb(0, 0.5))
        assert around_zero.contains(0)
        assert around_zero.contains(arb(0.25))


def test_doubles_of_the_package_lie_within_rounding_of_the_enclosures():
    problem, line = _problem("cubic")
    for seed in range(4):
        theta = _theta(line, seed)
        found = gfc.certificates.enclosures(problem, theta)
        assert found.risk[0] <= found.risk[1] <= np.nextafter(np.nextafter(found.risk[0], 9), 9)
        scale = np.abs(found.gradient).max()
        assert abs(problem.risk(theta) - found.risk[0]) < 1e-14 * max(found.risk[1], 1.0)
        assert np.abs(problem.gradient(theta) - found.gradient[0]).max() < 1e-13 * max(scale, 1.0)
        size = np.abs(found.hessian).max()
        assert np.abs(problem.hessian(theta) - found.hessian[0]).max() < 1e-13 * max(size, 1.0)


def test_oracle():
    with mp.workdps(DIGITS):
        theta = [mp.mpf(1), mp.mpf(0), mp.mpf(2), mp.mpf(1)]
        line = CASES["cubic"][2]
        assert network(theta, mp.mpf(0.5)) == 2
        assert abs(line.integral(lambda x: x**7, []) - mp.mpf(1) / 8) < 1e-58
        assert rational(arb(0.75)) == 0.75
