"""Checks of an input measure: density, quantiles and samples are of one measure, of mass 1."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.integrate import quad
from scipy.stats import chisquare, kstest

from gfcompare.components.errors import InputError
from gfcompare.integrators.status import Array
from gfcompare.measures import BoxMeasure, LineMeasure, Measure, PointMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.targets import Affine, Constant
from gfcompare.testing.declarations import made
from gfcompare.testing.records import NotApplicable, Subject, expect

_POINTS = 20_000
# A right measure fails one of a million tests, and the seed is fixed.
_CHANCE = 1e-6


def shapes(subject: Subject) -> str:
    """Check that dimension, box and samples agree: samples are float64 of shape (n, d), in the box."""
    measure: Measure = made(subject)
    d = measure.dimension
    expect(
        isinstance(d, int) and d >= 1 and np.shape(measure.box) == (d, 2),
        "box has the ends of a box of d = dimension inputs, shape (d, 2)",
        f"dimension is {d!r} and box of shape {np.shape(measure.box)}",
        "Return np.array([[lower, upper], ...])",
    )
    x = _sample(measure, 500)
    expect(
        x.dtype == np.float64 and x.shape == (500, d),
        f"samples are float64 of shape (n, {d})",
        f"500 of them are {x.dtype} of shape {x.shape}",
        "transport maps uniform numbers of shape (..., d) to points of the same shape",
    )
    inside = (x >= measure.box[:, 0]) & (x <= measure.box[:, 1])
    expect(
        bool(inside.all()),
        "every sample lies in the box",
        f"{int((~inside.all(axis=1)).sum())} of 500 do not",
        "Make the box larger, or clip",
    )
    return ""


def mass(subject: Subject) -> str:
    """Check that the density is not negative and integrates to 1."""
    measure: Measure = made(subject)
    if isinstance(measure, LineMeasure):
        density = measure.density()
        x = np.concatenate([np.linspace(a, b, 33)[1:-1] for a, b in itertools.pairwise(density.knots)])
        lowest = float(density(x).min())
        allowed = -measure.slack * float(np.abs(density(x)).max())
        expect(
            lowest >= allowed,
            "a density is not negative",
            f"its lowest value is {lowest:.3g}",
            "Take the larger of it and 0",
        )
        total = _probability(measure, *measure.interval)
        where = "by SciPy's quad"
    elif isinstance(measure, PointMeasure):
        weights = np.asarray(measure.weights)
        expect(
            weights.shape == (len(measure.points),) and bool((weights >= 0).all()),
            "weights are numbers that are not negative, one for each point",
            f"{weights.shape} weights for {len(measure.points)} points, the smallest {weights.min():.3g}",
            "Return an array of shape (N,)",
        )
        total, where = float(weights.sum()), "the sum of the weights"
    else:
        total, where = _expectation(measure, 0, 1.0, 0.0), "as the risk of 0 for the target 1"
    expect(
        abs(total - 1.0) <= 1e-8,
        "the total mass of a measure is 1",
        f"it is {total:.12g}, {where}",
        "Return the density up to a factor from unnormalized: the base divides by its integral",
    )
    return ""


def quantiles(subject: Subject) -> str:
    """Check that below quantile(u) the measure has mass u."""
    measure: Measure = made(subject)
    if not isinstance(measure, LineMeasure):
        raise NotApplicable("quantiles are of measures on an interval")
    lower, upper = measure.interval
    u = np.array([0.0, 1e-3, 0.1, 0.37, 0.5, 0.81, 0.999, 1.0])
    x = measure.quantile(u)
    expect(
        bool((np.diff(x) >= 0).all() and x[0] >= lower and x[-1] <= upper),
        "quantile(u) increases from the lower to the upper end",
        f"for u = {u.tolist()} it is {x.tolist()}",
        "Leave quantile to the base, or invert the distribution function on [lower, upper]",
    )
    below = np.array([_probability(measure, lower, end) for end in x])
    worst = int(np.argmax(np.abs(below - u)))
    expect(
        abs(below[worst] - u[worst]) <= 1e-8,
        "quantile(u) inverts the distribution function",
        f"below quantile({u[worst]:g}) = {x[worst]:.8g} the density has the mass {below[worst]:.8g}",
        "Leave quantile to the base, or invert the integral of the density",
    )
    return ""


def samples(subject: Subject) -> str:
    """Check that samples follow the density, for a fixed seed."""
    measure: Measure = made(subject)
    x = _sample(measure, _POINTS)
    if isinstance(measure, LineMeasure):
        lower, upper = measure.interval
        grid = np.unique([*np.linspace(lower, upper, 201), *measure.density().knots])
        masses = [_probability(measure, a, b) for a, b in itertools.pairwise(grid)]
        below = np.concatenate([[0.0], np.cumsum(masses)])
        chance = float(kstest(np.interp(x[:, 0], grid, below), "uniform").pvalue)
        # Between two of the 200 nodes the distribution function was taken to be linear.
        distance = float(kstest(np.interp(x[:, 0], grid, below), "uniform").statistic)
        wrong = chance < _CHANCE and distance > 0.02
        found = f"the Kolmogorov-Smirnov distance of {_POINTS} points is {distance:.3g} (p = {chance:.2g})"
    elif isinstance(measure, PointMeasure):
        found, wrong = _frequencies(measure, x)
    else:
        found, wrong = _moments(measure, x)
    expect(
        not wrong,
        "samples follow the density",
        found,
        "Check that transport maps uniform numbers by the quantiles of the same density",
    )
    return ""


def _frequencies(measure: PointMeasure, x: Array) -> tuple[str, bool]:
    """Return what is found of samples of a measure on points, and whether it is wrong."""
    unique, owner = np.unique(measure.points, axis=0, return_inverse=True)
    masses = np.bincount(owner.ravel(), weights=measure.weights)
    index = {row.tobytes(): n for n, row in enumerate(unique)}
    hits = np.array([index.get(row.tobytes(), -1) for row in np.ascontiguousarray(x)])
    if (hits < 0).any():
        return f"{int((hits < 0).sum())} of {len(x)} samples are none of its points", True
    counts = np.bincount(hits, minlength=len(unique))
    kept = masses * len(x) >= 5
    if counts[masses == 0].any():
        return "points without mass are drawn", True
    seen, wanted = counts[kept], masses[kept] * len(x)
    chance = float(chisquare(seen, wanted * seen.sum() / wanted.sum()).pvalue) if kept.sum() > 1 else 1.0
    return f"chi-square of the frequencies of its points has p = {chance:.2g}", chance < _CHANCE


def _moments(measure: Measure, x: Array) -> tuple[str, bool]:
    """Return how means and squares of samples differ from those by the density, and if it is too much."""
    for j in range(measure.dimension):
        square = _expectation(measure, j, 0.0, 1.0)
        mean = 0.5 * (_expectation(measure, j, 1.0, 1.0) - 1.0 - square)
        for values, expected in ((x[:, j], mean), (x[:, j] ** 2, square)):
            error = abs(float(values.mean()) - expected)
            if error > 5.5 * float(values.std()) / len(x) ** 0.5 + 1e-3 * abs(expected):
                what = f"the mean {'' if expected is mean else 'square '}{values.mean():.5g}"
                return f"input {j + 1} has {what}, by the density {expected:.5g}", True
    return "", False


def density_and_nodes(subject: Subject) -> str:
    """Check that on a box the density and the lines that risks are integrated on are of one measure."""
    measure: Measure = made(subject)
    if not isinstance(measure, BoxMeasure):
        raise NotApplicable("it is no measure on a box")
    box = measure.box
    x = box[:, 0] + (box[:, 1] - box[:, 0]) * np.random.default_rng(5).random((40_000, measure.dimension))
    p = measure.density(x)
    for j in range(measure.dimension):
        square = _expectation(measure, j, 0.0, 1.0)
        weighted = float((p * x[:, j] ** 2).sum() / p.sum())
        # The error of such a mean, by the delta method.
        spread = float(np.sqrt((p**2 * (x[:, j] ** 2 - weighted) ** 2).sum()) / p.sum())
        expect(
            abs(weighted - square) <= 6.0 * spread + 1e-3 * square,
            "density(x) and the lines of nodes and along are of one measure",
            f"the mean square of input {j + 1} is {weighted:.5g} by density, and {square:.5g} by the lines",
            "Let along return the density on each line, and factors of nodes what the rule leaves out",
        )
    return ""


def seeds(subject: Subject) -> str:
    """Check that the same seed gives the same points, each stream by itself; another seed gives others."""
    measure: Measure = made(subject)
    first, again = _sample(measure, 50), _sample(measure, 50)
    other = _sample(measure, 50, seed=1)
    random = not (isinstance(measure, PointMeasure) and len(np.unique(measure.points, axis=0)) == 1)
    expect(
        np.array_equal(first, again) and (not random or not np.array_equal(first, other)),
        "samples depend on the generator that is given, and on nothing else",
        "the same seed gave other points" if not np.array_equal(first, again) else "two seeds gave the same",
        "Draw from rng alone, not from numpy.random",
    )
    streams = np.random.default_rng(7).integers(0, 2**64, size=(3, 4), dtype=np.uint64)
    together = measure.draw(streams.copy(), 6)
    alone = measure.draw(streams[1:2].copy(), 6)
    same = np.array_equal(together[1:2], alone)
    expect(
        together.shape == (3, 6, measure.dimension) and same,
        "draw gives each stream its own points, shape (M, count, d)",
        f"shape {together.shape}, and the second stream alone gives {'the same' if same else 'others'}",
        "Leave draw to the base, or draw row by row",
    )
    return ""


def _sample(measure: Measure, count: int, seed: int = 0) -> Array:
    x = np.asarray(measure.sample(np.random.default_rng(seed), count))
    return x[:, None] if x.ndim == 1 and measure.dimension == 1 else x


def _probability(measure: LineMeasure, lower: float, upper: float) -> float:
    """Return the mass of an interval, by SciPy's quad between the knots of the density."""
    density = measure.density()
    inside = density.knots[(density.knots > lower) & (density.knots < upper)]
    ends = [lower, *inside.tolist(), upper]

    def piece(a: float, b: float) -> float:
        # The value at a knot is that of the next piece.
        inner = np.nextafter(b, a)
        found = quad(lambda x: float(density(min(x, inner))[0]), a, b, epsabs=1e-13, limit=100)
        return float(found[0])

    return sum(piece(a, b) for a, b in itertools.pairwise(ends) if b > a)


def _expectation(measure: Measure, coordinate: int, intercept: float, slope: float) -> float:
    """Return the mean of (intercept + slope x_j)^2: the risk of the network 0 for that target."""
    slopes = [0.0] * measure.dimension
    slopes[coordinate] = slope
    target = Affine((tuple(slopes),), intercept) if slope else Constant(intercept)
    network = ReLUNetwork((measure.dimension, 1, 1))
    try:
        problem = Problem(network, target, measure)
    except InputError as error:
        raise NotApplicable(f"no problem can be made with it: {error}") from None
    return float(problem.risk(np.zeros(network.parameter_count)))
