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
