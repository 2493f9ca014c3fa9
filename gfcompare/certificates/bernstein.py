"""Polynomials in two variables on a rectangle by their Bernstein coefficients, in balls.

A polynomial lies between its smallest and its largest coefficient. Coefficients on a part of the rectangle
are means of these (de Casteljau), and tend to the values fast as parts get small.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
from flint import arb, fmpq, fmpq_mpoly
from numpy.typing import NDArray

from gfcompare.certificates.balls import hull
from gfcompare.certificates.rational_functions import RING, U

#: Coefficients, shape (n + 1, m + 1), of balls.
Patch = NDArray[np.object_]


def patch(polynomial: fmpq_mpoly, reach: fmpq, degrees: tuple[int, int]) -> Patch:
    """Return the coefficients of a polynomial on [0, reach] x [0, 1], as if of some higher degrees."""
    n, m = degrees
    table: list[list[Any]] = [[fmpq(0)] * (m + 1) for _ in range(n + 1)]
    scaled = polynomial.compose(reach * RING.gens()[0], U, ctx=RING)
    for (i, j), value in scaled.to_dict().items():
        table[i][j] = value
    # Along rows, then along columns: b_i is the sum over k <= i of comb(i, k) / comb(n, k) a_k.
    rows = [_converted(row, m) for row in table]
    columns = [_converted([row[j] for row in rows], n) for j in range(m + 1)]
    result = np.empty((n + 1, m + 1), dtype=object)
    for i in range(n + 1):
        for j in range(m + 1):
            result[i, j] = arb(columns[j][i])
    return result


def _converted(coefficients: list[Any], degree: int) -> list[Any]:
    return [
        sum((fmpq(comb(i, k), comb(degree, k)) * coefficients[k] for k in range(i + 1)), fmpq(0))
        for i in range(degree + 1)
    ]


def split(coefficients: Patch, axis: int, at: arb) -> tuple[Patch, Patch]:
    """Return the coefficients on [0, at] and [at, 1] of an axis, for any number `at`."""
    work = coefficients if axis == 0 else coefficients.T
    first, last = [work[0]], [work[-1]]
    rest = 1 - at
    while len(work) > 1:
        work = work[:-1] * rest + work[1:] * at
        first.append(work[0])
        last.append(work[-1])
    left, right = np.array(first, dtype=object), np.array(last[::-1], dtype=object)
    return (left, right) if axis == 0 else (left.T, right.T)


def widened(coefficients: Patch, margin: arb) -> Patch:
    """Return the coefficients on [-margin, 1 + margin] of both axes."""
    for axis in (0, 1):
        coefficients = split(coefficients, axis, -margin)[1]
        coefficients = split(coefficients, axis, (1 + 2 * margin) / (1 + margin))[0]
    return coefficients


def value(coefficients: Patch, x: arb, y: arb) -> arb:
    """Return the polynomial at a point of the rectangle, which is [0, 1] x [0, 1] here."""
    result: arb = split(split(coefficients, 0, x)[0], 1, y)[0][-1, -1]
    return result


def derivative(coefficients: Patch, axis: int) -> Patch:
    """Return the coefficients of a derivative on [0, 1] x [0, 1]."""
    degree = coefficients.shape[axis] - 1
    if degree == 0:
        return np.array([[arb(0)]], dtype=object)
    differences: Patch = np.diff(coefficients, axis=axis) * degree
    return differences


def enclosure(coefficients: Patch) -> arb:
    """Return a ball with all values on the rectangle."""
    return hull(*coefficients.ravel())


def has_no_zero(coefficients: Patch) -> bool:
    """Return whether a polynomial is proved to have no zero on the rectangle."""
    every: list[arb] = coefficients.ravel().tolist()
    return all(c > 0 for c in every) or all(c < 0 for c in every)
