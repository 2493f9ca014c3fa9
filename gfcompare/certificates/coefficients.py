"""Exact coefficients of targets and densities: doubles are fractions, and so is what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from gfcompare import measures, targets
from gfcompare.components.component import Component


def number(value: float | Sequence[float]) -> Fraction:
    """Return an option that is one number, or a list of one."""
    return Fraction(float(np.atleast_1d(np.asarray(value, dtype=np.float64))[0]))


def coefficients_of(rows: Sequence[float] | Sequence[Sequence[float]]) -> list[Fraction]:
    """Return the coefficients of the one output."""
    return [Fraction(float(c)) for c in np.asarray(rows, dtype=np.float64).ravel()]


def affine(target: targets.Affine) -> list[Fraction]:
    """Return the coefficients of an affine target, ascending."""
    slope, intercept = target.coefficients()
    return [number(intercept[0]), number(slope[0, 0])]


def hermite(target: targets.HermitePolynomial) -> list[Fraction]:
    """Return the coefficients of a sum of Hermite polynomials, ascending."""
    coefficients = coefficients_of(target.coefficients)
    before, now = [Fraction(0)], [Fraction(1)]
    total = [Fraction(0)] * len(coefficients)
    for degree, factor in enumerate(coefficients):
        for power, c in enumerate(now):
            total[power] += factor * c
        # He_(n+1) = x He_n - n He_(n-1)
        raised = [Fraction(0), *now]
        for power, c in enumerate(before):
            raised[power] -= degree * c
        before, now = now, raised
    return total


Rows = list[list[Fraction]]


def knots_between(lower: float, upper: float, places: Sequence[float]) -> list[float]:
    """Return the ends of an interval and the places inside, in order."""
    return [lower, *sorted({float(k) for k in places if lower < k < upper}), upper]


def interpolant(target: targets.PiecewiseLinear, lower: float, upper: float) -> tuple[list[float], Rows]:
    """Return the knots of a piecewise linear target and the coefficients on its pieces, ascending."""
    places = [Fraction(float(k)) for k in target.knots]
    values = coefficients_of(target.values)
    knots = knots_between(lower, upper, [float(k) for k in target.knots])
    rows = []
    for left in knots[:-1]:
        j = max(k for k in range(len(places) - 1) if places[k] <= left)
        slope = (values[j + 1] - values[j]) / (places[j + 1] - places[j])
        rows.append([values[j] - slope * places[j], slope])
    return knots, rows


def absolute_value(target: targets.AbsoluteValue, lower: float, upper: float) -> tuple[list[float], Rows]:
    """Return the same of an absolute value."""
    centre, slope, offset = map(number, (target.centre, target.slope, target.offset))
    knots = knots_between(lower, upper, [float(centre)])
    signs = [1 if left >= centre else -1 for left in knots[:-1]]
    return knots, [[offset - s * slope * centre, s * slope] for s in signs]


def continuous_rows(target: Component, lower: float, upper: float) -> tuple[list[float], Rows] | None:
    """Return knots and coefficients of a target that is continuous and piecewise linear; None of another."""
    if isinstance(target, targets.PiecewiseLinear):
        return interpolant(target, lower, upper)
    return absolute_value(target, lower, upper) if isinstance(target, targets.AbsoluteValue) else None


def mean_at_ends(target: Component, lower: float, upper: float) -> tuple[bool, bool]:
    """Return whether a polynomial or a sine has its mean over an interval at its ends, exactly."""
    low, high = Fraction(lower), Fraction(upper)
    if isinstance(target, targets.Sine):
        frequency, phase = number(target.frequency), number(target.phase)
        whole = phase == 0 and (frequency * (high - low)).denominator == 1 and frequency != 0
        return whole and (2 * frequency * low).denominator == 1, whole and (
            2 * frequency * high
        ).denominator == 1
    coefficients = polynomial_target(target)
    if coefficients is None:
        return False, False
    mean = sum(
        (c * (high ** (k + 1) - low ** (k + 1)) / (k + 1) for k, c in enumerate(coefficients)), Fraction(0)
    ) / (high - low)
    values = [sum((c * x**k for k, c in enumerate(coefficients)), Fraction(0)) for x in (low, high)]
    return values[0] == mean, values[1] == mean


def polynomial_target(target: Component) -> list[Fraction] | None:
    """Return the coefficients of a target that is a polynomial, ascending; None for any other."""
    if isinstance(target, targets.Constant):
        return [number(target.value)]
    if isinstance(target, targets.Affine):
        return affine(target)
    if isinstance(target, targets.Polynomial):
        return coefficients_of(target.coefficients)
    return hermite(target) if isinstance(target, targets.HermitePolynomial) else None


def polynomial_density(measure: Component) -> list[Fraction] | None:
    """Return the coefficients of a density that is a polynomial, up to a factor; None for any other."""
    if isinstance(measure, measures.Uniform):
        return [Fraction(1)]
    if isinstance(measure, measures.PiecewisePolynomial) and len(measure.coefficients) == 1:
        return [Fraction(float(c)) for c in measure.coefficients[0]]
    return None
