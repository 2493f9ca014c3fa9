"""Balls: conversions from and to doubles, directed comparisons, and the precision of a block.

A ball is an `arb` of python-flint, a midpoint with a radius. Every operation encloses: the exact result for
any points of the operands lies in the ball that comes out. `a < b` is true only if it holds for all points of
both, so that a comparison is a proof if it is true, and says nothing if it is false.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat, ctx, fmpq
from numpy.typing import NDArray

Array = NDArray[np.float64]

ZERO, ONE = arb(0), arb(1)


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute with `bits` bits inside a block."""
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


def ball(value: float | Fraction) -> arb:
    """Return a number as a ball: a double without any radius, a fraction up to the precision."""
    if isinstance(value, Fraction):
        return arb(fmpq(value.numerator, value.denominator))
    return arb(float(value))


def hull(first: arb, *others: arb) -> arb:
    """Return a ball with all points of some balls."""
    result = first
    for other in others:
        result = result.union(other)
    return result


def around(centre: arb, radius: arb | float) -> arb:
    """Return a ball with all points that are within the upper end of `radius` of a point of `centre`."""
    return arb(centre, arb(radius).upper())


def symmetric(radius: arb | float) -> arb:
    """Return the ball of the points of absolute value up to the upper end of `radius`."""
    return arb(0, arb(radius).upper())


def magnitude(value: arb) -> arb:
    """Return the largest absolute value of a point, rounded upwards."""
    return value.abs_upper()


def square(value: arb) -> arb:
    """Return the squares of all points; a power of a ball around 0 would be NaN."""
    return ZERO.union(magnitude(value) * magnitude(value)) if value.contains(0) else value * value


def low_double(value: arb) -> float:
    """Return a double that is not above any point of a ball; minus infinity for one that is not finite."""
    if not value.is_finite():
        return -math.inf
    end = value.lower()
    result = float(end)
    while math.isfinite(result) and not arb(result) <= end:
        result = math.nextafter(result, -math.inf)
    return result + 0.0 if result < math.inf else math.nextafter(math.inf, 0.0)


def high_double(value: arb) -> float:
    """Return a double that is not below any point of a ball; infinity for one that is not finite."""
    return -low_double(-value) + 0.0


def decimals(value: arb, digits: int = 25) -> str:
    """Return a ball as decimal text, such as [0.0177 +/- 3e-20], which encloses it."""
    return str(value.str(digits))


def middle(value: arb) -> arb:
    """Return the midpoint, without a radius: a hypothesis, never a verdict."""
    return value.mid()


def to_floats(matrix: arb_mat) -> Array:
    """Return the midpoints of a matrix as doubles: hypotheses, never verdicts."""
    entries = [float(entry.mid()) for entry in matrix.entries()]
    return np.array(entries).reshape(matrix.nrows(), matrix.ncols())


def to_matrix(array: Array) -> arb_mat:
    """Return doubles as a matrix of balls without radius."""
    rows, columns = array.shape
    return arb_mat(rows, columns, [arb(float(entry)) for entry in array.ravel()])


def middles(matrix: arb_mat) -> arb_mat:
    """Return the matrix of the midpoints."""
    return arb_mat(matrix.nrows(), matrix.ncols(), [entry.mid() for entry in matrix.entries()])


def identity(size: int) -> arb_mat:
    """Return the identity matrix."""
    return arb_mat(size, size, [int(k % (size + 1) == 0) for k in range(size * size)])


def column(values: Sequence[arb]) -> arb_mat:
    """Return a matrix with one column."""
    return arb_mat(len(values), 1, list(values))


def dot(first: Sequence[arb], second: Sequence[arb]) -> arb:
    """Return the sum of products."""
    total = ZERO
    for a, b in zip(first, second, strict=True):
        total = total + a * b
    return total


def norm_bound(matrix: arb_mat) -> arb:
    """Return an upper bound of the 2-norm of every symmetric matrix in a matrix of balls.

    The 2-norm of a symmetric A is at most the spectral radius of |A|, which is at most max_i (|A| x)_i / x_i
    for any x > 0 (Collatz, Wielandt). A few steps of the power method choose x; the bound holds for any.
    """
    size = matrix.nrows()
    if size == 0:
        return ZERO
    sizes = [magnitude(entry) for entry in matrix.entries()]
    if not all(entry.is_finite() for entry in sizes):
        return arb.pos_inf()
    floats = np.array([float(entry) for entry in sizes]).reshape(size, size)
    x = np.ones(size)
    with np.errstate(all="ignore"):
        for _ in range(8):
            x = floats @ x
            x = x / x.max() + 1e-3 if x.max() > 0 else np.ones(size)
    if not np.isfinite(x).all():
        x = np.ones(size)
    image = arb_mat(size, size, sizes) * to_matrix(x[:, None])
    bound = ZERO
    for k in range(size):
        bound = bound.max((image[k, 0] / arb(float(x[k]))).upper())
    return bound.upper()
