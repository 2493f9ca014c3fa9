"""A target as a polynomial plus a sum of ReLU neurons: what exact integrals over boxes are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Powers (p_1, ..., p_d) of a monomial, and its coefficient, exact.
Polynomial = dict[tuple[int, ...], Fraction]


@dataclass(frozen=True)
class Terms:
    """f_k(x) = p_k(x) + sum_i v_ki max(w_i . x + b_i, 0).

    Attributes
    ----------
    dimension : number of inputs d
    polynomials : p_k for each of the K outputs; a monomial that is left out has the coefficient 0
    weights : shape (M, d), the rows w_i
    biases : shape (M,)
    outgoing : shape (K, M), v
    """

    dimension: int
    polynomials: tuple[Polynomial, ...]
    weights: Array = field(default_factory=lambda: np.empty((0, 1)))
    biases: Array = field(default_factory=lambda: np.empty(0))
    outgoing: Array = field(default_factory=lambda: np.empty((1, 0)))

    @classmethod
    def polynomial(cls, dimension: int, polynomials: Sequence[Polynomial]) -> Terms:
        """Return terms without neurons."""
        return cls(
            dimension,
            tuple(polynomials),
            np.empty((0, dimension)),
            np.empty(0),
            np.empty((len(polynomials), 0)),
        )

    @property
    def degree(self) -> int:
        """The total degree of the polynomials."""
        return max((sum(powers) for p in self.polynomials for powers, c in p.items() if c), default=0)

    @classmethod
    def stacked(cls, parts: Sequence[Terms]) -> Terms:
        """Return the terms of several targets one above the other."""
        outgoing = np.zeros((sum(len(p.polynomials) for p in parts), sum(len(p.biases) for p in parts)))
        row = column = 0
        for part in parts:
            outputs, neurons = part.outgoing.shape
            outgoing[row : row + outputs, column : column + neurons] = part.outgoing
            row, column = row + outputs, column + neurons
        return cls(
            parts[0].dimension,
            tuple(p for part in parts for p in part.polynomials),
            np.concatenate([part.weights for part in parts]),
            np.concatenate([part.biases for part in parts]),
            outgoing,
        )


def moved(polynomial: Polynomial, shifts: Sequence[Fraction], scales: Sequence[Fraction]) -> Polynomial:
    """Return q with q(s) = p(x) for x_m = shift_m + scale_m s_m, exactly."""
    for axis, (shift, scale) in enumerate(zip(shifts, scales, strict=True)):
        result: Polynomial = {}
        for powers, coefficient in polynomial.items():
            for power, factor in enumerate(_binomial(powers[axis], shift, scale)):
                key = (*powers[:axis], power, *powers[axis + 1 :])
                result[key] = result.get(key, Fraction(0)) + coefficient * factor
        polynomial = result
    return polynomial


def _binomial(power: int, shift: Fraction, scale: Fraction) -> list[Fraction]:
    """Return the coefficients of (shift + scale s)^power, ascending."""
    row = [Fraction(1)]
    for _ in range(power):
        row = [
            (shift * row[j] if j < len(row) else 0) + (scale * row[j - 1] if j else Fraction(0))
            for j in range(len(row) + 1)
        ]
    return row


def along(direction: Array, coefficients: Sequence[Fraction]) -> Polynomial:
    """Return the polynomial sum_j c_j (direction . x)^j, exactly."""
    d = len(direction)
    exact = [Fraction(float(u)) for u in direction]
    power: Polynomial = {(0,) * d: Fraction(1)}
    result: Polynomial = {}
    for number, coefficient in enumerate(coefficients):
        if number:
            following: Polynomial = {}
            for powers, value in power.items():
                for m, u in enumerate(exact):
                    if u:
                        key = (*powers[:m], powers[m] + 1, *powers[m + 1 :])
                        following[key] = following.get(key, Fraction(0)) + value * u
            power = following
        for powers, value in power.items():
            result[powers] = result.get(powers, Fraction(0)) + coefficient * value
    return result
