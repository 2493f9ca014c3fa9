"""Targets in the coordinates of [-1, 1]^d, in exact arithmetic: what kernels of boxes are given."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gfcompare.targets.terms import Polynomial, Terms

Array = NDArray[np.float64]


def box_frame(box: Array) -> tuple[list[Fraction], list[Fraction]]:
    """Return the middle and half the width of each side of a box, shape (d, 2)."""
    lower, upper = ([Fraction(float(end)) for end in ends] for ends in box.T)
    return (
        [(a + b) / 2 for a, b in zip(lower, upper, strict=True)],
        [(b - a) / 2 for a, b in zip(lower, upper, strict=True)],
    )


def exact_rows(terms: Terms, middles: list[Fraction], halves: list[Fraction]) -> list[list[Fraction]]:
    """Return (w_1, ..., w_d, b) of each neuron in the coordinates of [-1, 1]^d."""
    found = []
    for weights, bias in zip(terms.weights, terms.biases, strict=True):
        w = [Fraction(float(x)) for x in weights]
        shift = sum((a * m for a, m in zip(w, middles, strict=True)), Fraction(float(bias)))
        found.append([*(a * h for a, h in zip(w, halves, strict=True)), shift])
    return found


def crossing_neurons(
    terms: Terms, rows: list[list[Fraction]], affine: list[list[Fraction]]
) -> tuple[Array, list[list[Fraction]]]:
    """Return outgoing weights, (K, M), and rows, d + 1 lists, of -f's neurons that cross [-1, 1]^d.

    Those that are active on all of it are added to the affine part, K rows of coefficients of 1 and x.
    """
    reach = [sum(map(abs, row[:-1])) for row in rows]
    crossing = [i for i, row in enumerate(rows) if abs(row[-1]) < reach[i]]
    for i, (*w, b) in enumerate(rows):
        if b >= reach[i]:
            for k, row in enumerate(affine):
                share = Fraction(float(terms.outgoing[k, i]))
                row[:] = [a - share * c for a, c in zip(row, (b, *w), strict=True)]
    outgoing = np.ascontiguousarray(-terms.outgoing[:, crossing])
    return outgoing, [[rows[i][j] for i in crossing] for j in range(terms.dimension + 1)]


def split(rows: Sequence[Sequence[Fraction]]) -> Array:
    """Return exact numbers as pairs of float64, high and low, shape (..., 2)."""
    return np.array(
        [[(float(x), float(x - Fraction(float(x)))) for x in row] for row in rows], dtype=np.float64
    )


def times(p: Polynomial, q: Polynomial) -> Polynomial:
    """Return a product."""
    result: Polynomial = {}
    for (a, c), (b, d) in product(p.items(), q.items()):
        key = tuple(i + j for i, j in zip(a, b, strict=True))
        result[key] = result.get(key, Fraction(0)) + c * d
    return result


def integral(polynomial: Polynomial) -> Fraction:
    """Return the integral over [-1, 1]^d."""
    total = Fraction(0)
    for powers, c in polynomial.items():
        if all(p % 2 == 0 for p in powers):
            for p in powers:
                c *= Fraction(2, p + 1)
            total += c
    return total
