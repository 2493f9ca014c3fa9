"""Growth rate of deviations at a saddle, which a step size has to respect.

Where the Hessian has a negative eigenvalue -g, deviations grow like exp(g t). An implicit step of size h with
g h > 1 damps them instead: a flow whose deviation is below the tolerance would stay at a saddle that the true
flow leaves. So before steps become long it is looked whether the velocity has a growth rate above a bound,
by Lanczos' method (C. Lanczos, J. Res. Nat. Bur. Standards 45 (1950) 255, doi:10.6028/jres.045.026) with
differences of velocities as products, and Sturm's count of eigenvalues of the tridiagonal matrix.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, entry, merged
from gfcompare.kernels.numbers import dot
from gfcompare.kernels.velocity import velocity, velocity_work

# Length of a difference relative to the parameters; rows that are not much longer have kinks within it, and
# are left out: the control of errors relative to their own size follows their growth.
_DIFFERENCE, _SHORT_ROW = 1e-7, 1e-4
_SHORTER = 0.03
# Growth rates below this, relative to the largest rate, are what differences leave of 0.
_NOISE = 1e-6
_BISECTIONS = 20
_STEPS = 24


class GrowthWork(NamedTuple):
    """Scratch memory for k steps of Lanczos' method, of P parameters."""

    vectors: np.ndarray  # (3, P)
    basis: np.ndarray  # (k, P)
    tridiagonal: np.ndarray  # (4, k)


@cold_leaf
def _restrict(widths, y, length, vector, normalize):
    """Set what belongs to short rows to 0, and on M what is along the rows."""
    offset = 0
    for layer in range(widths.shape[0] - 2):
        fan_in, rows, following = widths[layer], widths[layer + 1], widths[layer + 2]
        after = offset + rows * (fan_in + 1)
        for i in range(rows):
            first, bias = offset + i * fan_in, offset + rows * fan_in + i
            square = y[bias] * y[bias]
            along = y[bias] * vector[bias]
            for j in range(fan_in):
                square += y[first + j] * y[first + j]
                along += y[first + j] * vector[first + j]
            if not square > (_SHORT_ROW * length) ** 2:
                for j in range(fan_in):
                    vector[first + j] = 0.0
                vector[bias] = 0.0
                for k in range(following):
                    vector[after + k * rows + i] = 0.0
            elif normalize:
                share = along / square
                for j in range(fan_in):
                    vector[first + j] -= share * y[first + j]
                vector[bias] -= share * y[bias]
        offset = after


@cold_leaf
def _count_below(diagonal, beside, size, shift):
    """Count the eigenvalues below `shift` of a symmetric tridiagonal matrix."""
    count = 0
    pivot = 1.0
    for k in range(size):
        share = beside[k - 1] * beside[k - 1] / pivot if k > 0 else 0.0
        pivot = diagonal[k] - shift - share
        if pivot == 0.0:
            pivot = 1e-300
        if pivot < 0.0:
            count += 1
    return count


@cold_leaf
def _ritz_vector(diagonal, beside, steps, shift, x, pivots, basis, result):
    """Write the unit vector that belongs to the eigenvalue just above `shift`, by inverse iteration."""
    for k in range(steps):
        x[k] = 1.0
    for _ in range(2):
        for k in range(steps):
            share = beside[k - 1] / pivots[k - 1] if k > 0 else 0.0
            pivots[k] = diagonal[k] - shift - (share * beside[k - 1] if k > 0 else 0.0)
            if k > 0:
                x[k] -= share * x[k - 1]
        for k in range(steps - 1, -1, -1):
            if k + 1 < steps:
                x[k] -= beside[k] * x[k + 1]
            x[k] /= pivots[k]
        norm = 0.0
        for k in range(steps):
            norm += x[k] * x[k]
        for k in range(steps):
            x[k] /= np.sqrt(norm)
    for p in range(result.shape[0]):
        result[p] = 0.0
    for k in range(steps):
        for p in range(result.shape[0]):
            result[p] += x[k] * basis[k, p]


def _growth_rate(data, widths, y, bound, normalize, work, memory):
    """Look for a growth rate of deviations above a bound.

    Returns
    -------
    rate : the largest growth rate if it exceeds the bound, otherwise 0
    largest : about the largest rate of all, growing or not
    velocities : taken

    Parameters
    ----------
    y : (P,), not changed
    bound : growth rates below it are not looked for
    work : GrowthWork, overwritten; its first vector holds the velocity at y on leaving
    """
    basis, tridiagonal = work.basis, work.tridiagonal
    here, moved, there = work.vectors[0], work.vectors[1], work.vectors[2]
    diagonal, beside = tridiagonal[0], tridiagonal[1]
    count = y.shape[0]
    velocity(data, widths, y, here, memory, normalize)
    length = np.sqrt(dot(y, y))
    speed = np.sqrt(dot(here, here))
    first = basis[0]
    # The velocity, which has what is left of every direction, and a little of everything else.
    seed = 0.5
    for p in range(count):
        seed = (seed + 0.6180339887498949) % 1.0
        first[p] = here[p] / max(speed, 1e-300) + (seed - 0.5) / np.sqrt(float(count))
    _restrict(widths, y, length, first, normalize)
    norm = np.sqrt(dot(first, first))
    if not 0.0 < norm < 1e300:
        return 0.0, 0.0, 1
    for p in range(count):
        first[p] /= norm
    size = _DIFFERENCE * max(length, 1e-300)
    steps = 0
    largest = 0.0
    for k in range(basis.shape[0]):
        for p in range(count):
            moved[p] = y[p] + size * basis[k, p]
        velocity(data, widths, moved, there, memory, normalize)
        for p in range(count):
            there[p] = (here[p] - there[p]) / size
        _restrict(widths, y, length, there, normalize)
        diagonal[k] = dot(there, basis[k])
        for p in range(count):
            there[p] -= diagonal[k] * basis[k, p]
        if k > 0:
            for p in range(count):
                there[p] -= beside[k - 1] * basis[k - 1, p]
        beside[k] = np.sqrt(dot(there, there))
        largest = max(largest, abs(diagonal[k]) + beside[k])
        steps = k + 1
        if not beside[k] > 1e-8 * largest or k + 1 == basis.shape[0]:
            break
        for p in range(count):
            basis[k + 1, p] = there[p] / beside[k]
    bound = max(bound, _NOISE * largest)
    if not largest < 1e300 or _count_below(diagonal, beside, steps, -bound) == 0:
        return 0.0, largest, steps + 1
    low, high = bound, 2.0 * largest
    for _ in range(_BISECTIONS):
        middle = np.sqrt(low * high)
        if _count_below(diagonal, beside, steps, -middle) > 0:
            low = middle
        else:
            high = middle
    # Where the gradient has a kink within the difference, the products belong to no matrix. So the growth
    # along the vector found has to show in a much shorter difference to both sides too.
    _ritz_vector(diagonal, beside, steps, -high, tridiagonal[2], tridiagonal[3], basis, moved)
    size *= _SHORTER
    for p in range(count):
        moved[p] = y[p] + size * moved[p]
    velocity(data, widths, moved, there, memory, normalize)
    growth = 0.0
    for p in range(count):
        growth += there[p] * (moved[p] - y[p])
        moved[p] = 2.0 * y[p] - moved[p]
    velocity(data, widths, moved, there, memory, normalize)
    for p in range(count):
        growth += there[p] * (moved[p] - y[p])
    growth /= 2.0 * size * size
    return (low if growth > 0.5 * low else 0.0), largest, steps + 3


growth_rate = merged(_growth_rate)
_growth_rate_alone = cold_leaf(_growth_rate)


@entry
def measure(data, widths, y, bound, normalize):
    """As `growth_rate`, for Python."""
    memory = velocity_work(data, widths, y.shape[0])
    count = y.shape[0]
    work = GrowthWork(np.empty((3, count)), np.empty((_STEPS, count)), np.empty((4, _STEPS)))
    return _growth_rate_alone(data, widths, y, bound, normalize, work, memory)
