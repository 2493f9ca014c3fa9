"""Gradient flows under a measure with a density: implicit, in compiled code.

Numerical differentiation formulas of order 1 to 5 (L. F. Shampine, M. W. Reichelt, "The MATLAB ODE suite",
doi:10.1137/S1064827594276424): backward differences on steps of one size, which changes when it pays. The
equation of a step is solved by Newton's method, its linear systems by GMRES (Saad, Schultz,
doi:10.1137/0907058) with differences of velocities in the place of Jacobians times vectors, so that a step
costs a few gradients whatever the number of parameters. Each trajectory has its own step size and order.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, cold_leaf_sum, entry
from gfcompare.kernels.velocity import velocity, velocity_work

HIGHEST_ORDER = 5
#: Rows of a table of backward differences: orders 0 to 5, and two more to estimate errors with.
TABLE_ROWS = HIGHEST_ORDER + 3

_KRYLOV = 24
_NEWTON = 4
# Errors allowed: Newton's method relative to that of the step, GMRES relative to that of Newton's method.
_NEWTON_SHARE, _KRYLOV_SHARE = 0.2, 0.1
_FIRST_RATE = 0.3
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0
_WORTH_IT = 1.2  # the step size is raised if it grows by at least this factor

_KAPPA = np.array([0.0, -0.1850, -1.0 / 9.0, -0.0823, -0.0415, 0.0])
_GAMMA = np.concatenate((np.zeros(1), np.cumsum(1.0 / np.arange(1, HIGHEST_ORDER + 1))))
_ALPHA = (1.0 - _KAPPA) * _GAMMA
_ERROR = _KAPPA * _GAMMA + 1.0 / np.arange(1, HIGHEST_ORDER + 2)

# What became of a trajectory; the numbers are those of `gfcompare.Status`.
RUNNING, DIVERGED, STEP_LIMIT, STEP_TOO_SMALL = 0, 3, 4, 5
#: Another method should go on: steps have been rejected too often, or have become too long.
HANDED_ON = 100


# Rows of the vectors in a trajectory's scratch memory.
_WEIGHTS = 0  # 1 / tolerance of each component
_Y = 1  # the iterate of Newton's method
_PREDICTED = 2
_HISTORY = 3  # what earlier steps contribute to the equation
_CORRECTION = 4
_CHANGE = 5
_VELOCITY = 6
_MOVED = 7  # where a velocity is wanted
_THERE = 8  # that velocity
_VECTORS = 9


class NdfWork(NamedTuple):
    """Scratch memory for one trajectory of P parameters; few arrays, because each costs compile time."""

    vectors: np.ndarray  # (9, P)
    basis: np.ndarray  # (25, P): GMRES
    triangle: np.ndarray  # (25, 24)
    rotations: np.ndarray  # (3, 25): cosines, sines, right-hand side
    table: np.ndarray  # (8, P)
    scaling: np.ndarray  # (3, 6, 6)


@allocator
def ndf_work(parameters):
    """Return the scratch memory."""
    return NdfWork(
        np.empty((_VECTORS, parameters)),
        np.empty((_KRYLOV + 1, parameters)),
        np.zeros((_KRYLOV + 1, _KRYLOV)),
        np.empty((3, _KRYLOV + 1)),
        np.empty((TABLE_ROWS, parameters)),
        np.empty((3, HIGHEST_ORDER + 1, HIGHEST_ORDER + 1)),
    )


@cold_leaf_sum
def _norm(vector, weights):
    """Root mean square of a vector, each component relative to its tolerance."""
    total = 0.0
    for p in range(vector.shape[0]):
        scaled = vector[p] * weights[p]
        total += scaled * scaled
    return np.sqrt(total / vector.shape[0])


@cold_leaf_sum
def _dot(first, second):
    total = 0.0
    for p in range(first.shape[0]):
        total += first[p] * second[p]
    return total


@cold_leaf
def _add_multiple(target, factor, source):
    for p in range(target.shape[0]):
        target[p] += factor * source[p]


@cold_leaf
def _set_weights(weights, y, rtol, atol):
    for p in range(y.shape[0]):
        weights[p] = 1.0 / (atol + rtol * abs(y[p]))


@cold_leaf
def _rescale(differences, order, factor, table, scaling):
    """Turn backward differences for a step size into those for `factor` times it (Shampine, Reichelt)."""
    size = order + 1
    old, new, both = scaling[0], scaling[1], scaling[2]
    for j in range(size):
        old[0, j] = 1.0
        new[0, j] = 1.0
    for i in range(1, size):
        old[i, 0] = 0.0
        new[i, 0] = 0.0
        for j in range(1, size):
            old[i, j] = old[i - 1, j] * (i - 1 - j) / i
            new[i, j] = new[i - 1, j] * (i - 1 - factor * j) / i
    for i in range(size):
        for j in range(size):
            total = 0.0
            for k in range(size):
                total += new[i, k] * old[k, j]
            both[i, j] = total
    for j in range(size):
        row = table[j]
        for p in range(row.shape[0]):
            row[p] = 0.0
        for i in range(size):
            _add_multiple(row, both[i, j], differences[i])
    for j in range(size):
        source, target = table[j], differences[j]
        for p in range(source.shape[0]):
            target[p] = source[p]


@cold_leaf
def _rotate(triangle, rotations, k):
    """Make column k of GMRES's least squares problem triangular; return what is left of the residual."""
    cosines, sines, right = rotations[0], rotations[1], rotations[2]
    for j in range(k):
        upper = cosines[j] * triangle[j, k] + sines[j] * triangle[j + 1, k]
        triangle[j + 1, k] = cosines[j] * triangle[j + 1, k] - sines[j] * triangle[j, k]
        triangle[j, k] = upper
    length = np.sqrt(triangle[k, k] * triangle[k, k] + triangle[k + 1, k] * triangle[k + 1, k])
    cosines[k] = triangle[k, k] / length
    sines[k] = triangle[k + 1, k] / length
    triangle[k, k] = length
    right[k + 1] = -sines[k] * right[k]
    right[k] = cosines[k] * right[k]
    return abs(right[k + 1])


@cold_leaf
def _combine(columns, change, weights, basis, triangle, right):
    """Write the solution that GMRES has found into `change`."""
    for j in range(columns - 1, -1, -1):
        total = right[j]
        for k in range(j + 1, columns):
            total -= triangle[j, k] * right[k]
        right[j] = total / triangle[j, j]
    for p in range(change.shape[0]):
        change[p] = 0.0
    for j in range(columns):
        _add_multiple(change, right[j], basis[j])
    for p in range(change.shape[0]):
        change[p] /= weights[p]


@cold_leaf
def _orthogonalize(basis, triangle, k):
    """Make column k + 1 of the basis orthogonal to those before; return its length."""
    image = basis[k + 1]
    for j in range(k + 1):
        share = _dot(basis[j], image)
        triangle[j, k] = share
        _add_multiple(image, -share, basis[j])
    length = np.sqrt(_dot(image, image))
    triangle[k + 1, k] = length
    return length


@cold_leaf
def _newton_step(data, widths, leading, allowed, normalize, work, memory):
    """Compute one Newton step; return the gradients that it took.

    (I - leading J) change = leading velocity(y) - history - correction, in components relative to their
    tolerances. Column -1 is the velocity at y itself, the others are for the Krylov space.
    """
    vectors, basis = work.vectors, work.basis
    weights, y, moved, there = vectors[_WEIGHTS], vectors[_Y], vectors[_MOVED], vectors[_THERE]
    here, history, correction = vectors[_VELOCITY], vectors[_HISTORY], vectors[_CORRECTION]
    count = y.shape[0]
    root = np.sqrt(float(count))
    size = 0.0
    right = 0.0
    columns = 0
    for p in range(count):
        moved[p] = y[p]
    for k in range(-1, _KRYLOV):
        if k >= 0:
            for p in range(count):
                moved[p] = y[p] + size * basis[k, p] / weights[p]
        velocity(data, widths, moved, there, memory, normalize)
        image = basis[k + 1]
        if k < 0:
            for p in range(count):
                here[p] = there[p]
                image[p] = (leading * there[p] - history[p] - correction[p]) * weights[p]
            length = np.sqrt(_dot(image, image))
            right = length
            work.rotations[2, 0] = length
            if not length > 0.0:  # at rest, or no number: then there is no step
                break
            # A difference over the tolerance, or over half of the digits where that is more.
            size = root * max(1.0, 1.5e-8 * _norm(y, weights))
        else:
            for p in range(count):
                slope = (there[p] - here[p]) / size
                image[p] = basis[k, p] - leading * weights[p] * slope
            length = _orthogonalize(basis, work.triangle, k)
            residual = _rotate(work.triangle, work.rotations, k)
            columns = k + 1
            if not residual > _KRYLOV_SHARE * allowed * root or length == 0.0:
                break
        for p in range(count):
            image[p] /= length
    _combine(columns, vectors[_CHANGE], weights, basis, work.triangle, work.rotations[2])
    if not right >= 0.0:
        vectors[_CHANGE, 0] = np.nan
    return columns + 1


@cold_leaf
def _solve(data, widths, differences, order, size, rtol, atol, normalize, work, memory):
    """Solve the equation of a step; return whether Newton's method converged, and the gradients taken."""
    vectors = work.vectors
    weights, y, predicted = vectors[_WEIGHTS], vectors[_Y], vectors[_PREDICTED]
    history, correction, change = vectors[_HISTORY], vectors[_CORRECTION], vectors[_CHANGE]
    count = y.shape[0]
    for p in range(count):
        predicted[p] = differences[0, p]
        history[p] = 0.0
        correction[p] = 0.0
    for k in range(1, order + 1):
        _add_multiple(predicted, 1.0, differences[k])
        _add_multiple(history, _GAMMA[k] / _ALPHA[order], differences[k])
    for p in range(count):
        y[p] = predicted[p]
    _set_weights(weights, predicted, rtol, atol)
    allowed = _NEWTON_SHARE / _ERROR[order]
    before = 0.0
    gradients = 0
    for _ in range(_NEWTON):
        gradients += _newton_step(data, widths, size / _ALPHA[order], allowed, normalize, work, memory)
        length = _norm(change, weights)
        if not length < 1e300 or (before > 0.0 and length >= before):
            return False, gradients
        for p in range(count):
            correction[p] += change[p]
            y[p] = predicted[p] + correction[p]
        # What is left after this iteration, from the rate of convergence; 0.3 before it is known.
        rate = length / before if before > 0.0 else _FIRST_RATE
        if length * min(1.0, rate / (1.0 - rate)) <= allowed:
            return True, gradients
        before = length
    return False, gradients


@cold_leaf
def _accept(differences, order, correction):
    """Move the differences on by the step that was made."""
    last, beyond = differences[order + 1], differences[order + 2]
    for p in range(correction.shape[0]):
        beyond[p] = correction[p] - last[p]
        last[p] = correction[p]
    for k in range(order, -1, -1):
        _add_multiple(differences[k], 1.0, differences[k + 1])


@cold_leaf
def _choose(differences, order, error, weights):
    """Return the order that allows the longest step, and the factor by which that is longer."""
    best, chosen = max(error, 1e-12) ** (-1.0 / (order + 1)), order
    if order > 1:
        lower = max(_ERROR[order - 1] * _norm(differences[order], weights), 1e-12) ** (-1.0 / order)
        if lower > best:
            best, chosen = lower, order - 1
    if order < HIGHEST_ORDER:
        higher = _ERROR[order + 1] * _norm(differences[order + 2], weights)
        higher = max(higher, 1e-12) ** (-1.0 / (order + 2))
        if higher > best:
            best, chosen = higher, order + 1
    return chosen, min(_MOST, _SAFETY * best)


@cold_leaf
def _interpolate(differences, order, time, reached, size, result):
    for p in range(result.shape[0]):
        result[p] = differences[0, p]
    product = 1.0
    for k in range(order):
        product *= (time - (reached - size * k)) / (size * (k + 1))
        _add_multiple(result, product, differences[k + 1])


@cold_leaf
def _advance(
    data,
    widths,
    differences,
    clock,
    counts,
    time,
    rtol,
    atol,
    most_steps,
    patience,
    longest,
    normalize,
    bound,
    work,
    memory,
):
    """Step until `time` is reached; return what became of the trajectory."""
    weights, y, correction = work.vectors[_WEIGHTS], work.vectors[_Y], work.vectors[_CORRECTION]
    while clock[0] < time:
        order, size = counts[0], clock[1]
        if counts[2] >= most_steps:
            return STEP_LIMIT
        if counts[4] >= patience or size > longest:
            return HANDED_ON
        if not size > 1e-15 * clock[0] or not size > 0.0:
            return STEP_TOO_SMALL
        converged, gradients = _solve(
            data, widths, differences, order, size, rtol, atol, normalize, work, memory
        )
        counts[3] += gradients
        factor = 0.25
        if converged:
            _set_weights(weights, y, rtol, atol)
            error = _ERROR[order] * _norm(correction, weights)
            factor = max(_LEAST, _SAFETY * error ** (-1.0 / (order + 1)))
            if error <= 1.0:
                _accept(differences, order, correction)
                clock[0] += size
                clock[2] = min(clock[2], size)
                counts[1] += 1
                counts[2] += 1
                if not _dot(differences[0], differences[0]) <= bound * bound:
                    return DIVERGED
                if counts[1] <= order:  # differences of this order need that many steps of one size
                    continue
                counts[0], factor = _choose(differences, order, error, weights)
                if order == counts[0] and 1.0 <= factor < _WORTH_IT:
                    continue
            else:
                counts[4] += 1
        else:
            counts[4] += 1
        _rescale(differences, counts[0], factor, work.table, work.scaling)
        clock[1] *= factor
        counts[1] = 0
    return RUNNING


@entry
def advance(
    data,
    widths,
    tables,
    clocks,
    counts,
    time,
    rtol,
    atol,
    most_steps,
    patience,
    longest,
    normalize,
    bound,
    results,
    ends,
):
    """Advance M trajectories to flow time `time`.

    Parameters
    ----------
    data : line.Integrals, velocity.Shallow or, for more hidden layers, line_set.LineSet
    widths : (L + 1,) int64
    tables : (M, 8, P), backward differences; row 0 is y at the end of the last step, row 1 at the start
        of all the velocity times the step size. Moved on in place, as are clocks and counts
    clocks : (M, 3), flow time reached by the steps, step size, smallest step so far
    counts : (M, 5) int64, order, steps made with this order and size, steps, gradients, rejected steps
    time : float
    rtol, atol : float, tolerances of a step
    most_steps : int
    patience : int, rejected steps after which a trajectory is HANDED_ON
    longest : float, step size beyond which it is
    normalize : bool, the normalised flow
    bound : float, the largest |y|
    results : (M, P), receives y at `time`
    ends : (M,) int64, RUNNING where a trajectory goes on; others are not touched; receives what became of it
    """
    work, memory = ndf_work(results.shape[1]), velocity_work(data, widths, results.shape[1])
    for m in range(tables.shape[0]):
        if ends[m] == RUNNING:
            ends[m] = _advance(
                data,
                widths,
                tables[m],
                clocks[m],
                counts[m],
                time,
                rtol,
                atol,
                most_steps,
                patience,
                longest,
                normalize,
                bound,
                work,
                memory,
            )
            _interpolate(tables[m], counts[m, 0], time, clocks[m, 0], clocks[m, 1], results[m])
