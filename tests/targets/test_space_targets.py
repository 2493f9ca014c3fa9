"""Functions along segments of a box, and target functions of several inputs, against closed forms."""

from __future__ import annotations

import itertools
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import QUICK, TARGETS, loop_layers, target_case
from scipy.integrate import quad
from scipy.special import erf

import gfcompare as gfc
from gfcompare.components.component import describe
from gfcompare.piecewise.segments import Lines, SegmentwisePolynomial
from gfcompare.study import toml

T = gfc.targets


def values_of(bundle: SegmentwisePolynomial, owners, x):
    """Evaluate a bundle at x on the segments `owners`, piece by piece with numpy's polyval."""
    result = np.full((len(x), bundle.coefficients.shape[1]), np.nan)
    for n, (owner, left, right) in enumerate(zip(bundle.owners, bundle.left, bundle.right, strict=True)):
        mine = (owners == owner) & (left <= x) & (x <= right)
        s = (x[mine] - bundle.centres[n]) / bundle.half_widths[n]
        result[mine] = np.polynomial.polynomial.polyval(s, bundle.coefficients[n].T).T
    return result


def well_formed(bundle: SegmentwisePolynomial, lines: Lines):
    """The pieces of each segment follow one another from its lower to its upper end."""
    assert bundle.offsets[0] == 0
    assert bundle.offsets[-1] == len(bundle.left)
    for first, last in itertools.pairwise(bundle.offsets):
        assert bundle.left[first] == lines.lower
        assert bundle.right[last - 1] == lines.upper
        assert np.array_equal(bundle.left[first + 1 : last], bundle.right[first : last - 1])
    assert np.all(bundle.left < bundle.right)
    assert np.isfinite(bundle.coefficients).all()


def segments(d, coordinate, count=7, lower=-0.5, upper=1.5, seed=0):
    nodes = np.random.default_rng(seed).uniform(lower, upper, (count, d))
    return Lines(lower, upper, coordinate, nodes)


def probes(lines: Lines, each=40, seed=1):
    """Points on every segment: their segment, their coordinate, the points themselves."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(lines.count), each)
    x = rng.uniform(lines.lower, lines.upper, owners.size)
    points = lines.nodes[owners].copy()
    points[:, lines.coordinate] = x
    return owners, x, points


# ---------------------------------------------------------------------------------------------------
# Functions along segments
# ---------------------------------------------------------------------------------------------------


class Pieces:
    """sum_c c x^i y^j on each of the strips between the lines x = a + b y; rational arithmetic."""

    def __init__(self, seed, kinks, degree):
        rng = np.random.default_rng(seed)
        self.kinks = [
            (float(a), float(b)) for a, b in rng.choice([-0.75, -0.25, 0.0, 0.5, 0.625], (kinks, 2))
        ]
        self.tables = rng.integers(-4, 5, (kinks + 1, degree + 1, 3))

    def __call__(self, points):
        strip = sum((points[:, 0] > a + b * points[:, 1]).astype(int) for a, b in self.kinks)
        terms = np.einsum(
            "ni,nij,nj->n",
            points[:, :1] ** np.arange(self.tables.shape[1]),
            self.tables[strip if self.kinks else np.zeros(len(points), dtype=int)],
            points[:, 1:] ** np.arange(3),
        )
        return np.stack([terms, -3 * terms], axis=1)

    def places(self, y):
        return [a + b * y for a, b in self.kinks]

    def exact_integral(self, y, lower, upper):
        inner = sorted(Fraction(p) for p in self.places(y) if lower < p < upper)
        first = sum(p <= lower for p in self.places(y))
        total = Fraction(0)
        edges = [Fraction(lower), *inner, Fraction(upper)]
        for strip, (left, right) in enumerate(itertools.pairwise(edges), start=first):
            for i, row in enumerate(self.tables[strip].tolist()):
                c = sum(value * Fraction(y) ** j for j, value in enumerate(row))
                total += c * (right ** (i + 1) - left ** (i + 1)) / (i + 1)
        return float(total)


@QUICK
@given(
    st.integers(0, 10**6), st.integers(0, 4), st.integers(0, 7), st.sampled_from([(-1.0, 1.0), (0.1, 3.0)])
)
def test_known_degree_and_kinks_are_exact(seed, kinks, degree, ends):
    """Kinks inside, on the ends, outside and on top of one another, and NaN for none."""
    f = Pieces(seed, kinks, degree)
    lines = segments(2, 0, 6, *ends, seed=seed)
    lines.nodes[:2, 1] = (0.5, -0.25)  # exact coincidences
    announced = np.array([[np.nan, *f.places(y)] for y in lines.nodes[:, 1]])
    bundle = lines.convert(f, kinks=announced, degree=degree)
    well_formed(bundle, lines)
    assert bundle.coefficients.shape[2] == degree + 1
    assert len(bundle.left) <= lines.count * (kinks + 1)
    scale = 100 * 4 ** max(degree, 1) if ends[1] == 3.0 else 100
    for y, total in zip(lines.nodes[:, 1], bundle.integral(), strict=True):
        exact = f.exact_integral(y, *ends)
        assert np.abs(total - [exact, -3 * exact]).max() < 1e-14 * scale
    owners, x, points = probes(lines)
    near = np.abs(x[:, None] - announced[owners, 1:]).min(axis=1, initial=1.0) < 1e-9
    assert np.abs(values_of(bundle, owners, x) - f(points))[~near].max() < 1e-13 * scale


def test_kinks_that_differ_by_rounding_make_no_pieces():
    step = lambda p: np.where(p[:, 0] < 0.3, 1.0, 5.0)  # noqa: E731
    close = [0.3, np.nextafter(0.3, 1), 0.3 + 4e-16, 0.3, 1e-15, 1.0 - 1e-15, 0.8, 0.8 + 1e-15]
    lines = Lines(0.0, 1.0, 0, np.zeros((2, 2)))
    bundle = lines.convert(step, kinks=np.array([close, [np.nan] * 7 + [0.3]]), degree=0)
    well_formed(bundle, lines)
    assert np.diff(bundle.offsets).tolist() == [3, 2]
    assert np.abs(bundle.integral() - 3.8).max() < 1e-14


SMOOTH = {
    "exp": (
        lambda p: np.exp(2 * p[:, 0] * p[:, 1]),
        lambda y, a, b: (np.exp(2 * b * y) - np.exp(2 * a * y)) / 2 / y,
    ),
    "runge": (
        lambda p: 1 / (p[:, 1] ** 2 + 25 * p[:, 0] ** 2),
        lambda y, a, b: (math.atan(5 * b / y) - math.atan(5 * a / y)) / 5 / y,
    ),
    "sine": (
        lambda p: np.sin(40 * p[:, 0] + p[:, 1]),
        lambda y, a, b: (math.cos(40 * a + y) - math.cos(40 * b + y)) / 40,
    ),
    "kink": (
        lambda p: np.abs(p[:, 0] - p[:, 1]),
        lambda y, a, b: ((y - a) * abs(y - a) + (b - y) * abs(b - y)) / 2,
    ),
    "jump": (lambda p: np.where(p[:, 0] < p[:, 1], 2.0, -1.0), lambda y, a, b: 2 * (y - a) - (b - y)),
    "root": (lambda p: np.sqrt(np.abs(p[:, 0])), lambda y, a, b: (b**1.5 + abs(a) ** 1.5) / 1.5),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_conversion_of_functions_of_which_nothing_is_known(name):
    f, integral = SMOOTH[name]
    nodes = np.random.default_rng(3).uniform(0.2, 1.2, (9, 2))
    lines = Lines(-0.5, 1.5, 0, nodes)
    bundle = lines.convert(f)
    well_formed(bundle, lines)
    expected = np.array([integral(y, -0.5, 1.5) for y in nodes[:, 1]])
    owners, x, points = probes(lines)
    errors = np.abs(values_of(bundle, owners, x)[:, 0] - f(points))
    scale = np.abs(f(points)).max()
    assert np.abs(bundle.integral()[:, 0] - expected).max() < 1e-11 * 2 * scale
    if name in ("exp", "runge", "sine"):
        assert errors.max() < 1e-9 * scale
    else:  # all but a few points of a random choice: the neighbourhood of a kink or a jump is narrow
        assert np.quantile(errors, 0.99) < 1e-8 * scale


@pytest.mark.thorough
@QUICK
@given(
    st.lists(st.tuples(st.integers(1, 31), st.integers(-60, -8), st.sampled_from([-1, 1])), min_size=1),
    st.booleans(),
)
def test_no_jump_is_missed_beside_the_end_of_a_piece(places, kink):
    """Pieces are halved: a jump or a kink very near to a dyadic fraction is very near to the end of one."""
    y = np.array([n / 32 + sign * 2.0**exponent for n, exponent, sign in places])
    lines = Lines(0.0, 1.0, 0, np.stack([y, y], axis=1))
    if kink:
        bundle, expected = lines.convert(lambda p: np.abs(p[:, 0] - p[:, 1])), (y**2 + (1 - y) ** 2) / 2
    else:
        bundle, expected = lines.convert(lambda p: np.where(p[:, 0] < p[:, 1], 1.0, 0.0)), y
    assert np.abs(bundle.integral()[:, 0] - expected).max() < 3e-11


@pytest.mark.parametrize("origin", [0.0, 1e6, -3e9])
def test_a_jump_far_from_the_origin(origin):
    """Chords of a disc: no piece gets narrower than float64 can tell."""
    y = origin + np.array([0.1, 0.5, 0.9])
    lines = Lines(origin, origin + 1.0, 1, np.stack([y, y], axis=1))
    disc = lambda p: ((p - (origin + 0.5)) ** 2).sum(axis=1) < 0.2  # noqa: E731
    bundle = lines.convert(lambda p: disc(p).astype(float))
    well_formed(bundle, lines)
    spacing = np.spacing(abs(origin) + 1.0)
    chords = 2 * np.sqrt(np.maximum(0.2 - (y - origin - 0.5) ** 2, 0.0))
    assert np.abs(bundle.integral()[:, 0] - chords).max() < 1e-10 + 20 * spacing


def test_conversion_with_and_without_kinks_agrees():
    lines = segments(2, 1)
    f = lambda p: np.exp(p[:, 0]) * np.maximum(p[:, 1] - p[:, 0], 0.0)  # noqa: E731
    told = lines.convert(f, kinks=lines.nodes[:, :1])
    found = lines.convert(f)
    assert len(told.left) < len(found.left)
    assert np.abs(told.integral() - found.integral()).max() < 1e-11


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda p: 1 / (p[:, 0] * 0), "mine is not a finite number at x = "),
        (lambda p: np.ones((len(p), 2, 2)), r"mine returned an array of shape .* expected \(\d+,\) or"),
        (lambda p: np.ones(3), "mine returned an array of shape"),
        (lambda p: p.nothing, r"mine failed on an array of shape \(\d+, 2\).*must return shape"),
        (
            lambda p: np.sin(4000 * p[:, 0]),
            "mine cannot be turned into .* along coordinate 1 with fewer than 256 pieces",
        ),
    ],
)
def test_functions_that_cannot_be_converted(f, message):
    with np.errstate(all="ignore"), pytest.raises(gfc.InputError, match=message):
        segments(2, 0).convert(f, name="mine")


def random_bundle(rng, count, knots, degree, outputs=2, lower=-1.0, upper=2.0):
    """A bundle with its own knots on each segment, some of them the places that others have too."""
    edges = []
    for _ in range(count):
        inner = rng.choice([-0.5, 0.0, 0.1 + 0.2, 0.3, 1.0, *rng.uniform(lower, upper, 5)], knots)
        edges.append(np.unique([lower, *inner, upper]))
    left = np.concatenate([e[:-1] for e in edges])
    right = np.concatenate([e[1:] for e in edges])
    offsets = np.cumsum([0, *[len(e) - 1 for e in edges]])
    return SegmentwisePolynomial(offsets, left, right, rng.normal(size=(len(left), outputs, degree + 1)))


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 6), st.integers(0, 5))
def test_common_pieces_of_two_bundles(seed, count, knots, degree):
    """0.1 + 0.2 and 0.3 are knots that differ by rounding only: they are made one."""
    rng = np.random.default_rng(seed)
    first, second = random_bundle(rng, count, knots, degree), random_bundle(rng, count, 3, 2, outputs=1)
    lines = Lines(-1.0, 2.0, 0, np.zeros((count, 2)))
    here, there = first.refined(second), second.refined(first)
    for old, new in ((first, here), (second, there)):
        well_formed(new, lines)
        owners, x, _ = probes(lines)
        assert np.abs(values_of(new, owners, x) - values_of(old, owners, x)).max() < 1e-12
        assert np.abs(new.integral() - old.integral()).max() < 1e-12
    for side in ("offsets", "left", "right"):
        assert np.array_equal(getattr(here, side), getattr(there, side))
    assert (here.right - here.left).min() > 1e-15
    again = first.refined(first)
    close = np.diff(first.left)[np.diff(first.owners) == 0].min(initial=1.0) < 1e-15
    assert close or np.array_equal(again.coefficients, first.coefficients)


def test_the_right_piece_among_very_many_segments():
    """Next to a jump pieces are 1e-12 wide, which must not get lost in the number of the segment."""
    count, width = 50_000, 1e-12
    edges = np.array([0.0, 0.5, 0.5 + width, 0.5 + 2 * width, 1.0])
    steps = np.arange(4.0)[:, None, None] * np.array([1.0, 0.0, 0.0, 1.0])  # j (1 + s^3)
    bundle = SegmentwisePolynomial(
        np.arange(count + 1) * 4,
        np.tile(edges[:-1], count),
        np.tile(edges[1:], count),
        np.tile(steps, (count, 1, 1)),
    )
    half = SegmentwisePolynomial(
        np.arange(count + 1) * 2,
        np.tile([0.0, 0.25], count),
        np.tile([0.25, 1.0], count),
        np.ones((2 * count, 1, 1)),
    )
    refined = bundle.refined(half)
    expected = np.concatenate([np.zeros((2, 1, 4)), steps[1:]])
    assert np.array_equal(refined.coefficients, np.tile(expected, (count, 1, 1)))


def test_a_bundle_times_factors():
    bundle = random_bundle(np.random.default_rng(0), 3, 2, 3)
    factors = np.array([2.0, 0.0, -1.0])
    assert np.array_equal(bundle.scaled(factors).integral(), bundle.integral() * factors[:, None])


# ---------------------------------------------------------------------------------------------------
# Targets of several inputs
# ---------------------------------------------------------------------------------------------------


def by_hand(*functions):
    """Functions of one point (a list of d numbers) as a function of points, shape (n, d) -> (n, K)."""
    return lambda points: np.array([[f(p) for f in functions] for p in points.tolist()])


def gauss(p, centre, width):
    return math.exp(-sum((a - c) ** 2 for a, c in zip(p, centre, strict=True)) / 2 / width**2)


def tent(t):
    return max(0.0, 1 - abs(t))


def network_by_loops(widths, seed, points):
    """A teacher at points, from its layers."""
    values = points.tolist()
    layers = loop_layers(widths, T.Teacher(widths, seed).theta)
    for number, (rows, biases) in enumerate(layers, start=1):
        z = [
            [
                b + sum(w * v for w, v in zip(row, value, strict=True))
                for row, b in zip(rows, biases, strict=True)
            ]
            for value in values
        ]
        values = z if number == len(layers) else [[max(v, 0.0) for v in row] for row in z]
    return np.array(values)


TENT = T.PiecewiseLinear([-9, -1, 0, 1, 9], [0, 0, 1, 0, 0])
# name: target, formula, largest error at points, largest error along segments
SPACE = {
    "constant": (T.Constant([2.0, -1.0]), by_hand(lambda p: 2.0, lambda p: -1.0), 0, 1e-15),
    "affine d=2": (T.Affine([[1.0, -2.0]], 0.5), by_hand(lambda p: 0.5 + p[0] - 2 * p[1]), 1e-15, 1e-14),
    "affine d=3": (
        T.Affine([[1.0, 0.0, 3.0], [0.0, 0.0, 0.0]], [0.0, 4.0]),
        by_hand(lambda p: p[0] + 3 * p[2], lambda p: 4.0),
        1e-15,
        1e-14,
    ),
    "affine, one slope": (
        T.Affine([[1.0, 2.0]], [0.0, 1.0]),
        by_hand(lambda p: p[0] + 2 * p[1], lambda p: 1 + p[0] + 2 * p[1]),
        1e-15,
        1e-14,
    ),
    "polynomial": (
        T.MultivariatePolynomial([[2, 0, 1], [0, 0, 0], [0, 5, 0]], [[1.0, 2.0, 3.0], [0.5, 0.0, 0.0]]),
        by_hand(lambda p: p[0] ** 2 * p[2] + 2 + 3 * p[1] ** 5, lambda p: 0.5 * p[0] ** 2 * p[2]),
        1e-14,
        1e-13,
    ),
    "constant polynomial": (T.MultivariatePolynomial([[0, 0]], [3.0]), by_hand(lambda p: 3.0), 0, 1e-14),
    "polynomial of degree 40": (
        T.MultivariatePolynomial([[40, 0], [0, 1]], [1e-7, 1.0]),
        by_hand(lambda p: 1e-7 * p[0] ** 40 + p[1]),
        1e-13,
        1e-8,
    ),
    "bump": (
        T.RadialBump([0.2, 0.4], [1.0, -2.0], [0.3, 0.05], 0.5),
        by_hand(lambda p: 0.5 + gauss(p, (0.2, 0.4), 0.3), lambda p: 0.5 - 2 * gauss(p, (0.2, 0.4), 0.05)),
        1e-13,
        1e-8,
    ),
    "bump d=1": (T.RadialBump([0.2]), by_hand(lambda p: gauss(p, (0.2,), 0.2)), 1e-14, 1e-9),
    "sines": (
        T.ProductOfSines([1.0, 0.5, 0.0], [2.0, 1.0], [0.1, 0.2, 0.3], [0.0, 1.0]),
        by_hand(
            *(
                lambda p, a=a, o=o: (
                    o
                    + a * math.sin(2 * math.pi * p[0] + 0.1) * math.sin(math.pi * p[1] + 0.2) * math.sin(0.3)
                )
                for a, o in ((2.0, 0.0), (1.0, 1.0))
            )
        ),
        1e-14,
        1e-9,
    ),
    "sines d=1": (T.ProductOfSines([2.0]), by_hand(lambda p: math.sin(4 * math.pi * p[0])), 1e-14, 1e-9),
    "ridge of a tent": (T.Ridge(TENT, [2.0, -1.0]), by_hand(lambda p: tent(2 * p[0] - p[1])), 1e-14, 1e-13),
    "ridge along an axis": (T.Ridge(TENT, [0.0, 3.0]), by_hand(lambda p: tent(3 * p[1])), 1e-14, 1e-13),
    "ridge d=1": (T.Ridge(TENT, [-4.0]), by_hand(lambda p: tent(4 * p[0])), 1e-14, 1e-13),
    "ridge of steps": (
        T.Ridge(T.Step([0.2, 0.7], 0.0, [1.0, 2.0]), [1.0, 0.5, 0.25]),
        by_hand(
            lambda p: float(p[0] + p[1] / 2 + p[2] / 4 >= 0.2),
            lambda p: 2.0 * (p[0] + p[1] / 2 + p[2] / 4 >= 0.7),
        ),
        0,
        1e-15,
    ),
    "ridge of a sine": (
        T.Ridge(T.Sine(frequency=2.0), [1.0, -0.5]),
        by_hand(lambda p: math.sin(4 * math.pi * (p[0] - p[1] / 2))),
        1e-14,
        1e-12,
    ),
    "ridge of a function": (
        T.Ridge(T.Function(np.exp), [1, 1]),
        by_hand(lambda p: math.exp(p[0] + p[1])),
        1e-13,
        1e-11,
    ),
    "ridge of a constant": (T.Ridge(T.Constant(2.0), [1, 1]), by_hand(lambda p: 2.0), 0, 1e-14),
    "function": (
        T.Function(lambda x: np.abs(x[:, 0] - x[:, 1] ** 2), dimension=2),
        by_hand(lambda p: abs(p[0] - p[1] ** 2)),
        0,
        1e-5,
    ),
    "functions": (
        T.Function(lambda x: np.stack([x.sum(axis=1), np.cos(x[:, 2])], axis=1), dimension=3),
        by_hand(sum, lambda p: math.cos(p[2])),
        1e-14,
        1e-9,
    ),
    "stack": (
        T.Stack([T.Ridge(TENT, [1.0, 1.0]), T.Constant(3.0), T.Affine([[0.0, 1.0]])]),
        by_hand(lambda p: tent(p[0] + p[1]), lambda p: 3.0, lambda p: p[1]),
        1e-14,
        1e-13,
    ),
    "stack of teachers": (
        T.Stack([T.Teacher((2, 3, 1), 1), T.Ridge(T.Teacher((1, 4, 1), 2), [1.0, 1.0]), T.Constant(1.0)]),
        lambda p: np.concatenate(
            [
                network_by_loops((2, 3, 1), 1, p),
                network_by_loops((1, 4, 1), 2, p.sum(axis=1, keepdims=True)),
                np.ones((len(p), 1)),
            ],
            axis=1,
        ),
        1e-14,
        1e-13,
    ),
    "stack of polynomials": (
        T.Stack([T.Affine([[0.0, 1.0]]), T.MultivariatePolynomial([[1, 3]], [1.0]), T.Constant()]),
        by_hand(lambda p: p[1], lambda p: p[0] * p[1] ** 3, lambda p: 1.0),
        1e-14,
        1e-13,
    ),
    "stack with a bump": (
        T.Stack([T.RadialBump([0.2, 0.4]), T.Ridge(T.Step(0.3), [1.0, -1.0])]),
        by_hand(lambda p: gauss(p, (0.2, 0.4), 0.2), lambda p: float(p[0] - p[1] >= 0.3)),
        1e-14,
        1e-9,
    ),
}


@pytest.mark.parametrize("name", SPACE)
def test_every_target_in_space_against_its_formula(name):
    target, formula, error, error_along = SPACE[name]
    d = target.dimension or 3
    for coordinate in range(d):
        lines = segments(d, coordinate)
        bundle = target.along(lines)
        well_formed(bundle, lines)
        owners, x, points = probes(lines)
        expected = formula(points)
        scale = max(1.0, np.abs(expected).max())
        assert target.outputs == expected.shape[1] == bundle.coefficients.shape[1]
        assert np.abs(target.at(points) - expected).max() <= error * scale
        assert np.abs(values_of(bundle, owners, x) - expected).max() <= error_along * scale
        degree = target.degree(coordinate)
        assert degree is None or degree > 32 or bundle.coefficients.shape[2] == degree + 1
    assert target.at(np.empty((0, d))).shape == (0, target.outputs) or name.startswith("function")
    if d == 1:
        pieces = target.on(-0.5, 1.5)
        assert (pieces.knots[0], pieces.knots[-1]) == (-0.5, 1.5)
        assert np.abs(pieces(x) - formula(x[:, None])).max() < 1e-11
    else:
        with (
            pytest.raises(gfc.InputError, match=r"d = \d inputs: it is no function on an interval")
            if (target.dimension)
            else np.errstate()
        ):
            target.on(0.0, 1.0)


@pytest.mark.parametrize(
    "name", [n for n in SPACE if not n.startswith("function")]
)  # lambdas need cloudpickle
def test_targets_survive_a_pickle(name):
    target = SPACE[name][0]
    x = np.random.default_rng(0).uniform(-0.5, 1.5, (5, target.dimension or 3))
    before = target.at(x)  # whatever it remembers must not stand in the way
    copy = pickle.loads(pickle.dumps(target))
    assert copy == target
    assert np.array_equal(copy.at(x), before)
    assert describe(copy) == describe(target)


@QUICK
@given(st.data())
def test_polynomials_are_exact(data):
    d = data.draw(st.integers(1, 3))
    powers = data.draw(st.lists(st.tuples(*[st.integers(0, 6)] * d), min_size=1, max_size=5, unique=True))
    row = data.draw(st.lists(st.integers(-9, 9), min_size=len(powers), max_size=len(powers)))
    coordinate = data.draw(st.integers(0, d - 1))
    lower, upper = data.draw(st.sampled_from([(-1.0, 1.0), (0.3, 2.0), (100.0, 101.0)]))
    target = T.MultivariatePolynomial(powers, [float(c) for c in row])
    lines = segments(d, coordinate, 3, lower, upper)
    totals = target.along(lines).integral()[:, 0]
    bound = max(abs(lower), abs(upper))
    for node, total in zip(lines.nodes, totals, strict=True):
        exact, scale = Fraction(0), 1e-300
        for term, c in zip(powers, row, strict=True):
            others = math.prod(Fraction(node[m]) ** term[m] for m in range(d) if m != coordinate)
            n = term[coordinate] + 1
            exact += c * others * (Fraction(upper) ** n - Fraction(lower) ** n) / n
            scale += abs(c) * bound ** sum(term) * (upper - lower)
        assert abs(total - float(exact)) <= 2e-14 * scale
    if d == 1:  # in rational arithmetic, as `Polynomial`
        ascending = [float(dict(zip(powers, row, strict=True)).get((n,), 0)) for n in range(7)]
        x = np.linspace(lower, upper, 9)
        other = T.Polynomial(ascending).on(lower, upper)
        assert np.abs(target.on(lower, upper)(x) - other(x)).max() <= 1e-14 * np.abs(other(x)).max()


@QUICK
@given(
    st.lists(st.floats(-1, 2), min_size=2, max_size=3),
    st.sampled_from([1e-5, 1e-3, 0.05, 0.4, 3.0]),
    st.floats(-3, 3),
    st.integers(0, 1),
)
def test_no_bump_is_missed(centre, width, height, coordinate):
    """Segments through the centre and beside it, narrow bumps too: the integral is an error function."""
    target = T.RadialBump(centre, height, width, 0.5)
    d = len(centre)
    shifts = np.array([0.0, 0.3 * width, 2 * width, 20 * width])
    lines = Lines(-0.5, 1.5, coordinate, np.array(centre) + shifts[:, None])
    distance = math.sqrt(d - 1) * shifts
    c = centre[coordinate]
    whole = erf((1.5 - c) / width / math.sqrt(2)) - erf((-0.5 - c) / width / math.sqrt(2))
    expected = 1.0 + height * np.exp(-0.5 * (distance / width) ** 2) * width * math.sqrt(math.pi / 2) * whole
    scale = 0.5 + abs(height)
    assert np.abs(target.along(lines).integral()[:, 0] - expected).max() < 3e-11 * scale


@QUICK
@given(st.integers(1, 40), st.integers(1, 40), st.floats(-3, 3), st.integers(0, 1))
def test_integrals_of_sines(first, second, phase, coordinate):
    """High frequencies are not mistaken for low ones."""
    target = T.ProductOfSines([first / 4, second / 4], 2.0, [phase, 0.5], [1.0, 0.0])
    lines = segments(2, coordinate, 4, 0.0, 1.2)
    frequency, shift = [(first / 4, phase), (second / 4, 0.5)][coordinate]
    f, s = [(first / 4, phase), (second / 4, 0.5)][1 - coordinate]
    omega = 2 * math.pi * frequency
    along = (math.cos(shift) - math.cos(omega * 1.2 + shift)) / omega
    expected = 2 * np.sin(2 * math.pi * f * lines.nodes[:, 1 - coordinate] + s) * along
    found = target.along(lines).integral()
    assert np.abs(found - np.stack([1.2 + expected, expected], axis=1)).max() < 1e-10


@QUICK
@given(
    st.lists(st.floats(-2, 2), min_size=2, max_size=4),
    st.floats(-2, 2),
    st.floats(-2, 2),
    st.integers(0, 1),
)
def test_integrals_of_ridges(direction, centre, slope, coordinate):
    """Of |t - centre|, by its antiderivative; a direction (nearly) orthogonal to the segments too."""
    if not any(direction):
        with pytest.raises(gfc.InputError, match="direction must not be zero"):
            T.Ridge(T.AbsoluteValue(), direction)
        return
    target = T.Ridge(T.AbsoluteValue([centre, 0.0], [slope, 1.0]), direction)
    lines = segments(len(direction), coordinate)
    found = target.along(lines).integral()
    a = direction[coordinate]
    for node, total in zip(lines.nodes, found, strict=True):
        rest = sum(w * p for m, (w, p) in enumerate(zip(direction, node, strict=True)) if m != coordinate)
        for k, (c, m) in enumerate(((centre, slope), (0.0, 1.0))):
            middle = [-(rest - c) / a] if a and abs(rest - c) < 10 * abs(a) else []
            cuts = [-0.5, *sorted(p for p in middle if -0.5 < p < 1.5), 1.5]
            # Of a linear function the middle of each interval is exact.
            exact = sum(
                (right - left) * m * abs(rest + a * (left + right) / 2 - c)
                for left, right in itertools.pairwise(cuts)
            )
            assert abs(total[k] - exact) < 1e-13


def test_ridge_has_kinks_where_its_profile_has():
    target = T.Ridge(TENT, [2.0, -1.0])
    lines = Lines(
        -1.0, 1.0, 0, np.array([[np.nan, 0.0], [7.0, 1.0], [0.0, 6.0]])
    )  # the entry is not looked at
    kinks = target.kinks(lines)
    inside = np.where(np.abs(kinks) < 1, kinks, np.nan)
    assert np.allclose(
        np.sort(inside, axis=1)[:, :3], [[-0.5, 0, 0.5], [0, 0.5, np.nan], [np.nan] * 3], equal_nan=True
    )
    assert T.Ridge(TENT, [0.0, 1.0]).kinks(lines).size == 0
    assert T.Ridge(TENT, [0.0, 1.0]).degree(0) == 0


def along_segment(teacher, lines, number):
    """The teacher on one segment, as a network of one input."""
    theta = teacher.theta
    first, *rest = teacher.network.layers(theta)
    c, node = lines.coordinate, lines.nodes[number]
    others = np.delete(first.weight, c, axis=1) @ np.delete(node, c)
    network = gfc.ReLUNetwork((1, *teacher.widths[1:]))
    layers = [(first.weight[:, [c]], first.bias + others), *((layer.weight, layer.bias) for layer in rest)]
    return network, network.join(layers)


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2))
def test_teacher_along_segments_is_a_network_of_one_input(seed, d, depth, outputs):
    teacher = T.Teacher((d, *[5] * depth, outputs), seed=seed)
    for coordinate in range(d):
        lines = segments(d, coordinate, 6, seed=seed)
        kinks = teacher.kinks(lines)
        bundle = teacher.along(lines)
        well_formed(bundle, lines)
        assert bundle.coefficients.shape[1:] == (outputs, 2)
        for number in range(lines.count):
            network, theta = along_segment(teacher, lines, number)
            expected = np.array([b.position for b in network.breakpoints(theta, -0.5, 1.5)])
            found = kinks[number][np.isfinite(kinks[number])]
            for one, other in ((expected, found), (found, expected)):
                assert np.all(np.abs(one[:, None] - other).min(axis=1, initial=9.0) < 1e-9)
            x = np.linspace(-0.5, 1.5, 101)
            values = values_of(bundle, np.full(101, number), x)
            assert np.abs(values - network.realize(theta, x)).max() < 1e-12


def test_teacher_with_neurons_that_do_not_see_the_coordinate(monkeypatch):
    """Zero weights, a neuron that is off everywhere, one whose kink is on the end; many segments at once."""
    theta = np.array([0.0, 1.0, 1.0, 0.0, 0.0, 0.0, -0.5, 0.5, -1.0, 1.0, 2.0, 3.0, 0.25])
    monkeypatch.setattr(T.Teacher, "theta", property(lambda self: theta))
    teacher = T.Teacher((2, 3, 1))
    lines = Lines(-0.5, 1.5, 0, np.random.default_rng(0).random((2500, 2)))
    kinks = teacher.kinks(lines)
    assert kinks.size == 0  # (x_1 + 0.5)^+ has its kink on the lower end
    bundle = teacher.along(lines)
    expected = (0.25 + np.maximum(lines.nodes[:, 1] - 0.5, 0)) * 2.0 + 2 * 2.0
    assert np.abs(bundle.integral()[:, 0] - expected).max() < 1e-13
    across = Lines(-0.5, 1.5, 1, lines.nodes)
    assert np.array_equal(teacher.kinks(across), np.full((2500, 1), 0.5))


def test_functions_of_several_inputs():
    seen = []
    target = T.Function(lambda x: seen.append(x.shape) or np.ones((len(x), 4)), dimension=3)
    assert target.outputs == 4
    assert seen == [(2, 3)]
    assert T.Function(lambda x: np.log(x[:, 0]), dimension=2).outputs == 1  # -inf at 0 is no matter here
    assert np.array_equal(T.Function(lambda x: 7.0, dimension=2).at(np.zeros((3, 2))), np.full((3, 1), 7.0))
    x = np.array([[0.25], [0.5]])
    assert np.array_equal(T.Function(np.sin).at(x), np.sin(x))
    with pytest.raises(
        gfc.InputError, match=r"function 'mine' failed on an array of shape \(1, 2\).*\(n, 2\)"
    ):
        T.Function(lambda x: x.nothing, dimension=2, label="mine").at(np.zeros((1, 2)))
    with pytest.raises(gfc.InputError, match=r"function 'mine' returned an array of shape \(3, 1, 1\)"):
        T.Function(lambda x: np.zeros((3, 1, 1)), dimension=2, label="mine").along(segments(2, 0))
    with pytest.raises(gfc.InputError, match="function 'mine' is not a finite number at x = "):
        T.Function(lambda x: np.full(len(x), np.nan), dimension=2, label="mine").along(segments(2, 0))


def test_degrees():
    assert [T.ProductOfSines([0.0, 1.0]).degree(c) for c in (0, 1)] == [0, None]
    polynomial = T.MultivariatePolynomial([[2, 0, 5], [0, 0, 1]], [[0.0, 1.0], [0.0, 2.0]])
    assert [polynomial.degree(c) for c in (0, 1, 2)] == [0, 0, 1]
    assert [T.Ridge(T.Teacher(), [0.0, 1.0]).degree(c) for c in (0, 1)] == [0, 1]
    assert T.Stack([polynomial, T.Affine([[1.0, 0.0, 0.0]]), T.Constant()]).degree(0) == 1
    assert T.Stack([polynomial, T.RadialBump([0.0] * 3)]).degree(0) is None


def test_a_narrow_bump_on_the_line():
    total = T.RadialBump([0.001], width=1e-6).on(0.0, 1.0).integral()[0]
    assert abs(total - 1e-6 * math.sqrt(2 * math.pi)) < 1e-14


def test_dimensions():
    assert T.Constant().dimension is None
    assert T.Affine().dimension == T.Affine([1.0, 2.0]).dimension == T.Affine([[1.0], [2.0]]).dimension == 1
    assert T.Affine([1.0, 2.0]).outputs == T.Affine([[1.0], [2.0]]).outputs == 2
    assert T.Stack([T.Constant(), T.Constant()]).dimension is None
    assert T.Stack([T.Constant(), T.Sine()]).dimension == 1
    assert T.Stack([T.Constant(), T.RadialBump([0.0, 0.0])]).dimension == 2
    assert T.Labels().dimension is None
    assert T.Teacher((3, 2, 2)).dimension == 3
    for target in (T.Constant(2.0), T.Stack([T.Constant(1.0), T.Constant(2.0)])):
        for d in (1, 2, 5):
            assert np.array_equal(
                target.along(segments(d, d - 1)).integral()[0], 2 * target.at(np.zeros((1, d)))[0]
            )


def test_a_stack_on_the_line_keeps_what_its_components_know():
    step, bump = T.Step(0.3), T.RadialBump([0.5], width=0.1)
    stack = T.Stack([step, bump, T.Affine([[2.0]])])
    pieces, bundle = stack.on(0.0, 1.0), stack.along(Lines(0.0, 1.0, 0, np.zeros((2, 1))))
    assert 0.3 in pieces.knots
    assert np.array_equal(bundle.left[: bundle.offsets[1]], pieces.knots[:-1])
    expected = [0.7, 0.1 * math.sqrt(2 * math.pi) * erf(5 / math.sqrt(2)), 1.0]
    assert np.abs(bundle.integral() - expected).max() < 1e-12


# ---------------------------------------------------------------------------------------------------
# Targets on the line, at points
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", [(0.0, 1.0), (-3.0, 2.0)], ids=str)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", TARGETS)
def test_targets_on_the_line_at_points(name, outputs, interval):
    case = target_case(name, outputs, *interval)
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(*interval, 200))
    away = np.all(np.abs(x[:, None] - np.array([*case.knots, np.inf])) > 1e-9, axis=1)
    for points in (x[away], x[away][:1], x[away][[3, 3]]):
        assert np.abs(case.target.at(points[:, None]) - case.formula(points)).max() < 1e-13
    assert case.target.at(np.empty((0, 1))).shape == (0, outputs) or name == "function"
    bundle = case.target.along(Lines(*interval, 0, np.zeros((2, 1))))
    found = values_of(bundle, np.ones(away.sum()), x[away])
    assert np.abs(found - case.formula(x[away])).max() < 1e-11


@pytest.mark.parametrize("last", [0.5, 0.75])
def test_a_jump_at_the_last_point(last):
    """The value at a jump is that to the right of it, wherever the points end."""
    x = np.array([[0.0], [0.5], [last]])
    assert T.Step(0.5, 1.0, 2.0).at(x)[1] == 2.0
    assert T.PiecewisePolynomial([0.0, 0.5, 1.0], [[1.0], [2.0]]).at(x)[1] == 2.0


class Own(T.Target):
    """A target on the line that offers no more than it must."""

    name = "own"

    @property
    def outputs(self):
        return 1

    def on(self, lower, upper):
        return T.Polynomial([0.0, 0.0, 1.0]).on(lower, upper)


def test_what_the_base_gives():
    x = np.array([[0.5], [-1.0], [2.0]])
    assert np.allclose(Own().at(x), x**2, rtol=1e-15)
    assert np.allclose(Own().at(x[:1]), 0.25, rtol=1e-15)
    assert Own().at(np.empty((0, 1))).shape == (0, 1)
    lines = Lines(-1.0, 2.0, 0, np.zeros((2, 1)))
    assert np.allclose(Own().along(lines).integral(), 3.0)
    assert Own().kinks(lines).shape == (2, 0)
    ridge = T.Ridge(Own(), [1.0, 1.0])
    across = Lines(0.0, 1.0, 1, np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert np.allclose(ridge.along(across).integral()[:, 0], [1 / 3, 7 / 3], rtol=1e-14)
    expected = quad(lambda t: t**2, 1.0, 2.0)[0]
    assert abs(ridge.along(across).integral()[1, 0] - expected) < 1e-13


# ---------------------------------------------------------------------------------------------------
# Wrong input, and study files
# ---------------------------------------------------------------------------------------------------

NO_LABELS = "needs a measure on points with labels, such as 'data-set'"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: T.Affine([[1.0, 2.0], [1.0]]), r"lists of d numbers, .* got lists of \[1, 2\] numbers"),
        (lambda: T.Affine([[1.0, 2.0], 1.0]), "slope must be a list of numbers, or one list for each output"),
        (lambda: T.Affine([1.0, [2.0]]), "slope must be a list of numbers, or one list for each output"),
        (lambda: T.Affine([[]]), "slope must not contain an empty list"),
        (lambda: T.Affine([[np.inf, 1.0]]), "slope must be finite"),
        (lambda: T.Affine([[1.0, 2.0]] * 2, [1.0] * 3), "slope has 2 lists and intercept 3 numbers"),
        (lambda: T.MultivariatePolynomial([], []), "powers must not be empty"),
        (lambda: T.MultivariatePolynomial([[]], [1.0]), r"got lists of \[0\] numbers"),
        (lambda: T.MultivariatePolynomial([[1, 2], [1]], [1.0, 2.0]), r"got lists of \[1, 2\] numbers"),
        (lambda: T.MultivariatePolynomial([1, 2], [1.0, 2.0]), "d whole numbers for each term, got 1"),
        (lambda: T.MultivariatePolynomial([[1, -2]], [1.0]), "whole numbers from 0, got -2"),
        (lambda: T.MultivariatePolynomial([[1, 0.5]], [1.0]), "whole numbers from 0, got 0.5"),
        (lambda: T.MultivariatePolynomial([[1, True]], [1.0]), "whole numbers from 0, got True"),
        (lambda: T.MultivariatePolynomial([[1, 0], [1, 0]], [1.0, 2.0]), r"\[1, 0\] are given twice"),
        (lambda: T.MultivariatePolynomial([[1, 0]], [1.0, 2.0]), "powers have 1 terms, coefficients 2"),
        (lambda: T.MultivariatePolynomial([[1, 0]], [np.nan]), "coefficients must be finite"),
        (lambda: T.RadialBump([]), "centre must be a list of d numbers"),
        (lambda: T.RadialBump(0.5), "centre must be a list, got 0.5"),
        (lambda: T.RadialBump([0.5, np.nan]), "centre must be finite"),
        (lambda: T.RadialBump(["a"]), "centre must be numbers"),
        (lambda: T.RadialBump([0.5], width=[0.1, 0.0]), r"width must be positive, got \[0.1, 0.0\]"),
        (lambda: T.RadialBump([0.5], [1.0, 2.0], [1.0, 2.0, 3.0]), "give 1 or 3"),
        (lambda: T.Ridge(np.sin, [1.0]), "profile must be a target"),
        (lambda: T.Ridge(T.RadialBump([0.0, 0.0]), [1.0]), "one input, 'radial-bump' has d = 2"),
        (lambda: T.Ridge(T.Sine(), [0.0, 0.0]), "direction must not be zero"),
        (lambda: T.Ridge(T.Sine(), [[1.0]]), "direction must be a list of d numbers"),
        (lambda: T.ProductOfSines([]), "frequency must be a list of d numbers"),
        (lambda: T.ProductOfSines([1.0, 2.0, 3.0], phase=[0.0, 1.0]), "phase has 2 numbers .*: give 1 or 3"),
        (lambda: T.ProductOfSines([1.0], amplitude=np.inf), "amplitude must be finite"),
        (lambda: T.Function(np.sin, dimension=0), "dimension must be a positive integer, got 0"),
        (lambda: T.Function(np.sin, dimension=2.0), "dimension must be a whole number, got 2.0"),
        (lambda: T.Function(np.sin, dimension=True), "dimension must be a whole number, got True"),
        (lambda: T.Function(np.sin, dimension=2, knots=[0.5]), "for dimension = 2 leave them out"),
        (
            lambda: T.Stack([T.Sine(), T.Constant(), T.RadialBump([0.0, 0.0])]),
            "number of inputs d, got 'sine' with d = 1, 'constant' with d = any, 'radial-bump' with d = 2",
        ),
        (lambda: T.Stack([np.sin]), "component 1 of a stack is not a target"),
        (lambda: T.Labels().outputs, "that of the data set"),
        (lambda: T.Labels().on(0.0, 1.0), NO_LABELS),
        (lambda: T.Labels().at(np.zeros((2, 3))), NO_LABELS),
        (lambda: T.Labels().along(segments(2, 0)), NO_LABELS),
        (lambda: T.Stack([T.Labels()]).at(np.zeros((2, 3))), NO_LABELS),
        (
            lambda: T.Ridge(T.PiecewiseLinear([0, 1], [0, 1]), [1, 1]).along(segments(2, 0)),
            r"profile of a ridge, a function of direction \. x: the knots cover \[0, 1\], but the measure",
        ),
        (
            lambda: T.Ridge(T.PiecewiseLinear([0, 1], [0, 1]), [1, 1]).at(np.ones((1, 2))),
            r"profile of a ridge.*the knots cover \[0, 1\], but the measure lives on \[2, 2\]",
        ),
        (
            lambda: T.ProductOfSines([1.0, 90.0]).along(segments(2, 1)),
            "target 'product-of-sines' cannot be turned into .* along coordinate 2",
        ),
    ],
)
def test_wrong_targets_in_space(make, message):
    with pytest.raises(gfc.InputError, match=message):
        make()


@pytest.mark.parametrize("name", [*SPACE, "sine", "teacher"])
def test_the_wrong_number_of_inputs_is_one_message(name):
    target = (
        {"sine": T.Sine(), "teacher": T.Teacher((2, 3, 1))}[name] if name not in SPACE else SPACE[name][0]
    )
    if target.dimension is None:
        return
    d = target.dimension + 1
    message = rf"takes points of shape \(n, {d - 1}\), got an array of shape \(7, {d}\)"
    with pytest.raises(gfc.InputError, match=message):
        target.at(np.zeros((7, d)))
    with pytest.raises(gfc.InputError, match=message):
        target.along(segments(d, 0))
    with pytest.raises(gfc.InputError, match="takes points of shape"):
        target.at(np.zeros(7))


STUDY = """
name = "space"
[network]
widths = [2, 3, 1]
[measure]
name = "box"
[integrators.gd]
step_size = 0.1
[targets.t]
"""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("name = 'constant'", [T.Constant()]),
        ("name = 'affine'\nslope = [[1, 2.5]]", [T.Affine(((1.0, 2.5),))]),
        ("name = 'affine'\nslope = [1, 2.5]", [T.Affine((1.0, 2.5))]),
        (
            "name = 'affine'\nslope = [[[1, 2]], [[3, 4]]]\nintercept = 1",
            [T.Affine(((1.0, 2.0),), 1.0), T.Affine(((3.0, 4.0),), 1.0)],
        ),
        (
            "name = 'multivariate-polynomial'\npowers = [[0, 0], [2, 1]]\ncoefficients = [1, -0.5]",
            [T.MultivariatePolynomial(((0, 0), (2, 1)), (1.0, -0.5))],
        ),
        (
            "name = 'multivariate-polynomial'\npowers = [[2, 1]]\ncoefficients = [[1], [2]]",
            [T.MultivariatePolynomial(((2, 1),), ((1.0,), (2.0,)))],
        ),
        (
            "name = 'radial-bump'\ncentre = [0.5, 0.25]\nwidth = [0.1, 0.2]\nheight = 2",
            [T.RadialBump((0.5, 0.25), 2.0, (0.1, 0.2))],
        ),
        (
            "name = 'radial-bump'\ncentre = [[0.5, 0.25], [0, 0]]",
            [T.RadialBump((0.5, 0.25)), T.RadialBump((0.0, 0.0))],
        ),
        (
            "name = 'ridge'\ndirection = [1, -1]\nprofile = {name = 'sine', frequency = 2}",
            [T.Ridge(T.Sine(frequency=2.0), (1.0, -1.0))],
        ),
        (
            "name = 'product-of-sines'\nfrequency = [1, 2]\nphase = [0, 0.5]\namplitude = 3",
            [T.ProductOfSines((1.0, 2.0), 3.0, (0.0, 0.5))],
        ),
        ("name = 'teacher'\nwidths = [2, 4, 1]\nseed = 3", [T.Teacher((2, 4, 1), 3)]),
        (
            "name = 'stack'\ncomponents = [{name = 'constant'}, "
            "{name = 'ridge', direction = [1, 0], profile = {name = 'step'}}]",
            [T.Stack((T.Constant(), T.Ridge(T.Step(), (1.0, 0.0))))],
        ),
        ("name = 'labels'", [T.Labels()]),
    ],
)
def test_study_files(options, expected, tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(STUDY + options + "\n")
    assert toml.read(path)["targets"]["t"] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("name = 'radial-bump'", "targets.t: the key 'centre' is missing"),
        ("name = 'radial-bump'\ncentre = 0.5", "targets.t.centre: must be a list of numbers, got 0.5"),
        (
            "name = 'radial-bump'\ncentre = [0, 0]\nwidth = -1",
            "targets.t: width must be positive, got [-1.0]",
        ),
        (
            "name = 'multivariate-polynomial'\npowers = [[0.5, 1]]\ncoefficients = [1]",
            "targets.t.powers[0][0]: must be",
        ),
        ("name = 'affine'\nslope = [[1, 2], [3]]", "targets.t: slope must be K lists of d numbers"),
        (
            "name = 'ridge'\ndirection = [1, 1]\nprofile = {name = 'sinus'}",
            "targets.t.profile: unknown target 'sinus'. Did you mean 'sine'?",
        ),
        (
            "name = 'ridge'\ndirection = [0, 0]\nprofile = {name = 'sine'}",
            "targets.t: direction must not be zero",
        ),
        (
            "name = 'stack'\ncomponents = [{name = 'sine'}, {name = 'radial-bump', centre = [0, 0]}]",
            "targets.t: the components of a stack must have the same number of inputs d",
        ),
    ],
)
def test_wrong_study_files(options, message, tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(STUDY + options + "\n")
    with pytest.raises(gfc.InputError) as caught:
        toml.read(path)
    assert message in str(caught.value)
