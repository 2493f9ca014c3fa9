"""Exact rational functions of two variables: quotients of polynomials with rational coefficients.

Common factors are cancelled at once, those that vanish where breakpoints meet or reach an end among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from flint import Ordering, fmpq, fmpq_mpoly, fmpq_mpoly_ctx

#: Polynomials in t and u.
RING = fmpq_mpoly_ctx.get(("t", "u"), Ordering.lex)
T, U = RING.gens()
ONE = RING.constant(1)


def rational(value: Fraction) -> fmpq:
    """Return a fraction as FLINT has it."""
    return fmpq(value.numerator, value.denominator)


@dataclass(frozen=True)
class Quotient:
    """numerator / denominator, without common factors."""

    numerator: fmpq_mpoly
    denominator: fmpq_mpoly

    @classmethod
    def of(cls, numerator: fmpq_mpoly, denominator: fmpq_mpoly = ONE) -> Quotient:
        """Return a quotient in lowest terms."""
        common = numerator.gcd(denominator)
        return (
            cls(numerator / common, denominator / common)
            if not common.is_zero()
            else cls(numerator, denominator)
        )

    def __add__(self, other: Quotient) -> Quotient:
        """Return the sum."""
        a, b = self.denominator, other.denominator
        return Quotient.of(self.numerator * b + other.numerator * a, a * b)

    def __neg__(self) -> Quotient:
        """Return the negative."""
        return Quotient(-self.numerator, self.denominator)

    def __sub__(self, other: Quotient) -> Quotient:
        """Return the difference."""
        return self + (-other)

    def __mul__(self, other: Quotient) -> Quotient:
        """Return the product."""
        return Quotient.of(self.numerator * other.numerator, self.denominator * other.denominator)

    def __truediv__(self, other: Quotient) -> Quotient:
        """Return the quotient."""
        return Quotient.of(self.numerator * other.denominator, self.denominator * other.numerator)


def composed(coefficients: Sequence[fmpq], inner: fmpq_mpoly) -> fmpq_mpoly:
    """Return a polynomial in one variable, ascending, of a polynomial in t and u."""
    result = RING.constant(0)
    for c in reversed(coefficients):
        result = result * inner + c
    return result


def without(polynomial: fmpq_mpoly, factors: Sequence[fmpq_mpoly]) -> fmpq_mpoly:
    """Return a polynomial that is not 0 divided by some factors as often as possible."""
    for factor in factors:
        while True:
            quotient, rest = divmod(polynomial, factor)
            if not rest.is_zero():
                break
            polynomial = quotient
    return polynomial
