"""Checks of a target: what it says of itself is true of its values."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from gfcompare.components.errors import InputError
from gfcompare.integrators.status import Array
from gfcompare.piecewise.interval import PiecewisePolynomial
from gfcompare.piecewise.segments import Lines, SegmentwisePolynomial
from gfcompare.targets import Target
from gfcompare.testing.declarations import made
from gfcompare.testing.records import Broken, NotApplicable, Subject, expect, numbers

#: Of the largest value: what a conversion to piecewise polynomials may be off by.
_ACCURACY = 1e-9


def shapes(subject: Subject) -> str:
    """Check that values are float64 of shape (n, K), finite, the same at each call, and no x is changed."""
    target: Target = made(subject)
    for d in _dimensions(target):
        x = _points(subject, d, 50)
        given = x.copy()
        values = _values(target, x)
        array = isinstance(values, np.ndarray)
        expect(
            array and values.dtype == np.float64 and values.shape == (50, target.outputs),
            f"at(x), x of shape (50, {d}), returns float64 of shape (50, outputs) = (50, {target.outputs})",
            f"it returned {values.dtype} of shape {values.shape}" if array else f"it returned {values!r:.60}",
            "Return np.stack([f_1, ..., f_K], axis=-1), also for K = 1",
        )
        expect(
            bool(np.isfinite(values).all()),
            "values are finite numbers",
            f"at x = {x[~np.isfinite(values).all(axis=1)][:1].tolist()} they are not",
            "Say in `dimension` or with an InputError where the function is not defined",
        )
        expect(
            np.array_equal(x, given) and np.array_equal(_values(target, x), values),
            "at(x) is a function: it changes no x, and is the same at each call",
            "a second call gave other values, or x was changed",
            "Work on a copy, and draw random numbers in __post_init__ from a seed that is an option",
        )
        none = _values(target, np.empty((0, d)))
        expect(
            none.shape == (0, target.outputs),
            "at() of no points is of shape (0, K)",
            f"it is of shape {none.shape}",
            "Use operations that work on empty arrays",
        )
    return ""


def on_and_at(subject: Subject) -> str:
    """Check that the piecewise polynomial on an interval has the values of the function."""
    target: Target = made(subject)
    pieces = _pieces(subject, target)
    x = _between(pieces.knots)
    _agree(pieces(x), _values(target, x[:, None]), x, "on(lower, upper) and at(x) are the same function")
    lower, upper = pieces.knots[0], pieces.knots[-1]
    part = target.on(0.75 * lower + 0.25 * upper, upper)
    inner = _between(part.knots)
    _agree(part(inner), pieces(inner), inner, "on() of a part of the interval is the same function")
    return ""


def derivatives(subject: Subject) -> str:
    """Check that between its kinks the derivative of the pieces is that of the function."""
    target: Target = made(subject)
    pieces = _pieces(subject, target)
    # Pieces may be cut anywhere: a difference over a cut is not of one polynomial.
    s = np.array([-0.6, 0.1, 0.7])
    x = (pieces.centres[:, None] + pieces.half_widths[:, None] * s).ravel()
    steps = np.repeat(1e-2 * pieces.half_widths, 3)
    powers = np.arange(1, pieces.degree + 1)
    basis = powers * s[:, None] ** (powers - 1)  # (3, degree), derivatives of s, s^2, ...
    own = np.einsum("td,jkd->jtk", basis, pieces.high[:, :, 1:]) / pieces.half_widths[:, None, None]
    own = own.reshape(len(x), pieces.components)
    h = steps[:, None]
    at = [_values(target, (x + k * steps)[:, None]) for k in (-2, -1, 1, 2)]
    measured = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
    size = 1.0 + np.abs(own)
    rounding = 1e-14 * float(np.abs(np.concatenate(at)).max(initial=1.0)) / h
    error = np.abs(own - measured) - 10 * rounding
    worst = int(np.argmax(error.max(axis=1)))
    expect(
        bool((error <= 1e-5 * size).all()),
        "the derivative of on(lower, upper) is that of at(x), between kinks",
        f"at x = {x[worst]:.6g} it is {numbers(own[worst])}, by differences {numbers(measured[worst])}",
        "Announce where the function is not smooth: knots, or kinks of a SpaceTarget",
    )
    return ""


def degree(subject: Subject) -> str:
    """Check that along a coordinate and between kinks it is a polynomial of the degree that it declares."""
    target: Target = made(subject)
    declared = False
    for d in _dimensions(target):
        for coordinate in range(d):
            told = target.degree(coordinate)
            if told is None:
                continue
            declared = True
            lines = _lines(subject, d, coordinate)
            kinks = np.atleast_2d(target.kinks(lines))
            for line in range(lines.count):
                _check_degree(target, lines, line, kinks[line], told)
    if not declared:
        raise NotApplicable("it declares no degree along any coordinate")
    return ""


def _check_degree(target: Target, lines: Lines, line: int, kinks: Array, told: int) -> None:
    inside = kinks[np.isfinite(kinks) & (kinks > lines.lower) & (kinks < lines.upper)]
    edges = np.unique([lines.lower, *inside, lines.upper])
    for left, right in itertools.pairwise(edges):
        if right - left < 1e-6:
            continue
        s = np.cos(np.pi * (np.arange(told + 12) + 0.5) / (told + 12))
        x = 0.5 * (left + right) + 0.5 * (right - left) * s
        points = np.repeat(lines.nodes[line : line + 1], len(x), axis=0)
        points[:, lines.coordinate] = x
        values = _values(target, points)
        fitted = np.polynomial.chebyshev.chebfit(s, values, told)
        misfit = np.abs(np.polynomial.chebyshev.chebval(s, fitted).T - values).max()
        expect(
            misfit <= _ACCURACY * max(1.0, float(np.abs(values).max())),
            f"degree({lines.coordinate}) = {told} is that of f along the coordinate, between kinks",
            f"on [{left:.6g}, {right:.6g}] no polynomial of it comes nearer than {misfit:.2g}",
            "Return a larger degree, or None for what is no polynomial, and announce its kinks",
        )


def along_and_at(subject: Subject) -> str:
    """Check that on segments through a box it has the values of the function."""
    target: Target = made(subject)
    for d in _dimensions(target):
        for coordinate in range(d):
            lines = _lines(subject, d, coordinate)
            try:
                bundle = target.along(lines)
            except InputError as error:
                raise NotApplicable(str(error)) from None
            _check_bundle(target, lines, bundle)
    return ""


def _check_bundle(target: Target, lines: Lines, bundle: SegmentwisePolynomial) -> None:
    s = np.array([-0.83, -0.2, 0.4, 0.9])
    for j, line in enumerate(bundle.owners):
        x = bundle.centres[j] + bundle.half_widths[j] * s
        points = np.repeat(lines.nodes[line : line + 1], len(s), axis=0)
        points[:, lines.coordinate] = x
        own = np.polynomial.polynomial.polyval(s, bundle.coefficients[j].T).T
        _agree(own, _values(target, points), x, "along(lines) and at(x) are the same function")


def terms(subject: Subject) -> str:
    """Check that the polynomial plus neurons that it gives for exact integrals is the function."""
    target: Target = made(subject)
    found = False
    for d in _dimensions(target):
        lower, upper = _interval(subject, target)
        own = target.terms(np.tile([lower, upper], (d, 1)))
        if own is None:
            continue
        found = True
        x = _points(subject, d, 40)
        values = np.zeros((40, target.outputs))
        for k, polynomial in enumerate(own.polynomials):
            for powers, coefficient in polynomial.items():
                values[:, k] += float(coefficient) * np.prod(x ** np.array(powers), axis=1)
        active = np.maximum(x @ own.weights.reshape(-1, d).T + own.biases, 0.0)
        values += active @ own.outgoing.T
        _agree(values, _values(target, x), x[:, 0], "terms(box) and at(x) are the same function")
    if not found:
        raise NotApplicable("it is no polynomial plus neurons, or does not say so")
    return ""


def _agree(own: Array, expected: Array, x: Array, rule: str) -> None:
    error = np.abs(own - expected).max(axis=1)
    worst = int(np.argmax(error))
    expect(
        bool(error[worst] <= _ACCURACY * max(1.0, float(np.abs(expected).max()))),
        rule,
        f"at x = {x[worst]:.6g} they are {numbers(own[worst])} and {numbers(expected[worst])}",
        "Let it be one function on every interval, in powers of x itself, and announce its kinks",
    )


def _values(target: Target, x: Array) -> Array:
    """Return a target's values, or raise NotApplicable where it says that it has none there."""
    try:
        return target.at(x)
    except InputError as error:
        raise NotApplicable(f"it says: {error}") from None


def _pieces(subject: Subject, target: Target) -> PiecewisePolynomial:
    """Return a target on the interval on which it is checked; NotApplicable for one of more inputs."""
    if target.dimension not in (1, None):
        raise NotApplicable(f"it has {target.dimension} inputs")
    try:
        pieces = target.on(*_interval(subject, target))
    except InputError as error:
        raise NotApplicable(f"it says: {error}") from None
    if pieces.components != target.outputs:
        raise Broken(
            f"on(lower, upper) has as many components as outputs says; here {pieces.components} and "
            f"{target.outputs}. Return coefficients of shape (n, K, degree + 1)."
        )
    return pieces


def _interval(subject: Subject, target: Target) -> tuple[float, float]:
    """Return the interval: the one given, that of the target's own knots, or [0, 1]."""
    if given := subject.setting("interval", None):
        return float(given[0]), float(given[1])
    knots: Sequence[float] = getattr(target, "knots", ())
    return (float(knots[0]), float(knots[-1])) if len(knots) > 1 else (0.0, 1.0)


def _dimensions(target: Target) -> tuple[int, ...]:
    return (1, 2) if target.dimension is None else (target.dimension,)


def _points(subject: Subject, d: int, count: int) -> Array:
    lower, upper = _interval(subject, made(subject))
    return lower + (upper - lower) * np.random.default_rng(1).random((count, d))


def _lines(subject: Subject, d: int, coordinate: int) -> Lines:
    lower, upper = _interval(subject, made(subject))
    return Lines(lower, upper, coordinate, _points(subject, d, 5))


def _between(knots: Array) -> Array:
    """Return points inside the pieces, none at a knot: there a jump has two values."""
    s = np.array([0.03, 0.31, 0.62, 0.97])
    return np.asarray((knots[:-1, None] + np.diff(knots)[:, None] * s).ravel())
