"""Late gradient flows of networks with one hidden layer: steps of `ndf` by direct linear algebra.

Late in a flow the step sizes are so large that differences of velocities are too rough for a Jacobian, and an
iterative solver has to resolve the whole spectrum. Then (I - leading J) is factorised with the exact Hessian.
In coordinates in which the flow is a gradient flow, J is minus a Hessian and the matrix symmetric: theta for
the standard flow; for the normalised one d coordinates of the tangent space of each hidden row, which lies on
the sphere S^d, then the output layer. It is positive definite as long as the step size respects the growth
rate of deviations (`growth`), and its smallest eigenvalue tells whether it does.

A row's tangent space is where the reflection that takes the row to the axis of its bias takes the axes of its
weights (A. S. Householder, doi:10.1145/320941.320947): no basis is kept, and no row is a special case.
"""

from typing import Any, NamedTuple

import numpy as np

from gfcompare.kernels.compiled import bare_entry, cold_leaf, cold_leaf_sum, merged
from gfcompare.kernels.hessian import hessian_at, hessian_memory
from gfcompare.kernels.ndf import (
    ALPHA,
    DIVERGED,
    ERROR,
    HIGHEST_ORDER,
    LEAST,
    NEWTON_SHARE,
    RUNNING,
    SAFETY,
    STEP_LIMIT,
    STEP_TOO_SMALL,
    TABLE_ROWS,
    WORTH_IT,
    change_size,
    choose,
    leaves_risk,
    norm,
    predict,
    risk_error,
    save,
    stay,
    take,
    trajectory_of,
)
from gfcompare.kernels.numbers import dot
from gfcompare.kernels.tolerances import set_weights
from gfcompare.kernels.velocity import velocity, velocity_memory

#: So many steps have been made that it may pay to see what motion is left.
LOOK = 102

_BETWEEN_LOOKS = 50
# Iterations for the smallest eigenvalue.
_ITERATIONS = 6
# Velocities that Newton's method may take; the rate from which on it takes a new Hessian; and the slope along
# a direction, relative to that at its beginning, from which on its end is not where the minimum is.
_NEWTON, _SLOW, _TOO_FAR = 20, 0.1, 0.5
# What is added to the diagonal of a matrix that is not positive definite, until it is: the first, by what
# factor the next is larger, and how often.
_SHIFT, _NEXT_SHIFT, _SHIFTS = 0.25, 4.0, 12
# The largest product of `leading` and a growth rate.
_GROWTH = 0.3

# Rows of the vectors in a trajectory's scratch memory.
_WEIGHTS, _Y, _PREDICTED, _HISTORY, _CORRECTION, _CHANGE, _VELOCITY, _RESIDUAL, _FORECAST = range(9)
_VECTORS = 9


class DenseWork(NamedTuple):
    """Scratch memory for one trajectory: P parameters, n coordinates."""

    hessian: Any  # see `hessian.hessian_memory`
    full: np.ndarray  # (P, P): the Hessian
    factor: np.ndarray  # (n, n): lower triangle, L with L L^T = I + leading Hess
    reduced: np.ndarray  # (2, n): a right-hand side, an eigenvector
    vectors: np.ndarray  # (9, P)
    table: np.ndarray  # (8, P)
    scaling: np.ndarray  # (3, 6, 6)
    smallest: np.ndarray  # (1,): the smallest eigenvalue of the factorised matrix, nearly
    bracket: np.ndarray  # (6,), see `_go_back`


@cold_leaf_sum
def _dot(first, second, count):
    """Inner product of the first entries."""
    total = 0.0
    for p in range(count):
        total += first[p] * second[p]
    return total


@cold_leaf
def _factorize(matrix):
    """Overwrite the lower triangle of a matrix with its Cholesky factor; return whether it has one."""
    for i in range(matrix.shape[0]):
        row = matrix[i]
        for j in range(i):
            other = matrix[j]
            row[j] = (row[j] - _dot(row, other, j)) / other[j]
        pivot = row[i] - _dot(row, row, i)
        if not 0.0 < pivot < 1e300:
            return False
        row[i] = np.sqrt(pivot)
    return True


@cold_leaf
def _substitute(factor, right):
    """Solve L L^T x = right in place."""
    count = right.shape[0]
    for i in range(count):
        right[i] = (right[i] - _dot(factor[i], right, i)) / factor[i, i]
    for i in range(count - 1, -1, -1):
        right[i] /= factor[i, i]
        share, row = right[i], factor[i]
        for j in range(i):
            right[j] -= share * row[j]


@cold_leaf
def _smallest_eigenvalue(work):
    """Estimate the smallest eigenvalue of the factorised matrix from above, by inverse iteration."""
    probe = work.reduced[1]
    count = probe.shape[0]
    smallest = 1.0
    seed = 0.5
    for p in range(count):
        seed = (seed + 0.6180339887498949) % 1.0
        probe[p] = seed - 0.5
    for _ in range(_ITERATIONS):
        before = np.sqrt(_dot(probe, probe, count))
        if not 0.0 < before < 1e300:
            return 1.0
        for p in range(count):
            probe[p] /= before
        _substitute(work.factor, probe)
        smallest = 1.0 / np.sqrt(_dot(probe, probe, count))
    return smallest


@cold_leaf
def _reflect(theta, inputs, hidden, i, vector):
    """Reflect the row of neuron i in a vector, in place, so that the row itself goes to the axis of its bias.

    Then the places of its weights hold coordinates in the tangent space.
    """
    first, bias = i * inputs, hidden * inputs + i
    last = theta[bias] + (1.0 if theta[bias] >= 0.0 else -1.0)
    along = last * vector[bias]
    for j in range(inputs):
        along += theta[first + j] * vector[first + j]
    along /= 1.0 + abs(theta[bias])
    for j in range(inputs):
        vector[first + j] -= along * theta[first + j]
    vector[bias] -= along * last


@cold_leaf
def _reflect_rows(theta, inputs, hidden, i, full, along):
    """Do the same in every column of a matrix, without the row of its bias; overwrite `along`, (P,)."""
    first, bias = i * inputs, hidden * inputs + i
    last = (theta[bias] + (1.0 if theta[bias] >= 0.0 else -1.0)) / (1.0 + abs(theta[bias]))
    for q in range(along.shape[0]):
        along[q] = last * full[bias, q]
    for j in range(inputs):
        share, row = theta[first + j] / (1.0 + abs(theta[bias])), full[first + j]
        for q in range(along.shape[0]):
            along[q] += share * row[q]
    for j in range(inputs):
        share, row = theta[first + j], full[first + j]
        for q in range(along.shape[0]):
            row[q] -= share * along[q]


@cold_leaf
def _turn(theta, widths, full, along):
    """Turn a Hessian, in place, so that the places of weights hold tangents; overwrite `along`, (P,)."""
    inputs, hidden = widths[0], widths[1]
    for p in range(full.shape[0]):
        for i in range(hidden):
            _reflect(theta, inputs, hidden, i, full[p])
    for i in range(hidden):
        _reflect_rows(theta, inputs, hidden, i, full, along)


@cold_leaf
def _fill(theta, here, leading, widths, work):
    """Write I + leading Hess for tangents of the hidden rows and the output layer, below the diagonal.

    The Hessian is turned, see `_turn`.
    """
    full, factor = work.full, work.factor
    inputs, hidden, outputs = widths[0], widths[1], widths[2]
    tangents = hidden * inputs
    for r in range(factor.shape[0]):
        row, source = factor[r], full[r if r < tangents else r + hidden]
        for c in range(min(r + 1, tangents)):
            row[c] = leading * source[c]
        for c in range(tangents, r + 1):
            row[c] = leading * source[c + hidden]
        row[r] += 1.0
    for i in range(hidden):
        # The curvature of the sphere takes away the gradient along the row, <v_i, G_v> by homogeneity.
        radial = 0.0
        for place in range(tangents + hidden + i, full.shape[0] - outputs, hidden):
            radial -= theta[place] * here[place]
        for j in range(inputs):
            factor[i * inputs + j, i * inputs + j] -= leading * radial


def scratch(flow, parameters):
    """Return the scratch memory of `advance`, made in Python: its own, and that of the velocity."""
    coordinates = parameters - int(flow.widths[1]) if flow.settings.normalize else parameters
    work = DenseWork(
        hessian_memory(flow.data, flow.widths, parameters),
        np.empty((parameters, parameters)),
        np.empty((coordinates, coordinates)),
        np.ones((2, coordinates)),
        np.empty((_VECTORS, parameters)),
        np.empty((TABLE_ROWS, parameters)),
        np.empty((3, HIGHEST_ORDER + 1, HIGHEST_ORDER + 1)),
        np.ones(1),
        np.empty(6),
    )
    return work, velocity_memory(flow.data, flow.widths, parameters)


@merged
def _prepare(flow, theta, here, leading, work):
    """Factorise I + leading Hess at theta, on M if `normalize`, where the velocity is `here`.

    Where it is not positive definite, a multiple of I is added that makes it so. Return whether one does.
    """
    full, factor, widths, normalize = work.full, work.factor, flow.widths, flow.settings.normalize
    hessian_at(flow.data, theta, full, work.hessian)
    if normalize:
        _turn(theta, widths, full, work.vectors[_CHANGE])
    shift = 0.0
    for _ in range(_SHIFTS):
        if normalize:
            _fill(theta, here, leading, widths, work)
        else:
            for i in range(factor.shape[0]):
                for j in range(i + 1):
                    factor[i, j] = leading * full[i, j]
                factor[i, i] += 1.0
        for i in range(factor.shape[0]):
            factor[i, i] += shift
        if _factorize(factor):
            work.smallest[0] = _smallest_eigenvalue(work) - shift
            return True
        shift = max(_SHIFT, _NEXT_SHIFT * shift)
    work.smallest[0] = 1.0
    return False


@cold_leaf
def _substitute_on_rows(widths, theta, norms, leading, work):
    """Solve (I - leading J) change = residual for the normalised flow.

    Nearly so: how a row's norm changes its velocity is left out.
    """
    right, here = work.reduced[0], work.vectors[_VELOCITY]
    residual, change = work.vectors[_RESIDUAL], work.vectors[_CHANGE]
    inputs, hidden = widths[0], widths[1]
    tangents = hidden * inputs
    for p in range(change.shape[0]):
        change[p] = residual[p]
    for i in range(hidden):
        bias = tangents + i
        for j in range(inputs):
            change[i * inputs + j] /= norms[i]
        change[bias] /= norms[i]
        _reflect(theta, inputs, hidden, i, change)
    for r in range(right.shape[0]):
        right[r] = change[r if r < tangents else r + hidden]
    _substitute(work.factor, right)
    for r in range(right.shape[0]):
        change[r if r < tangents else r + hidden] = right[r]
    for i in range(hidden):
        first, bias = i * inputs, tangents + i
        change[bias] = 0.0
        _reflect(theta, inputs, hidden, i, change)
        # The velocity of the row is tangential: as the row turns, so does it.
        along = here[bias] * change[bias]
        radial = theta[bias] * residual[bias]
        for j in range(first, first + inputs):
            along += here[j] * change[j]
            radial += theta[j] * residual[j]
        radial = (radial - leading * along) / norms[i]
        for j in range(first, first + inputs):
            change[j] = norms[i] * (change[j] + radial * theta[j])
        change[bias] = norms[i] * (change[bias] + radial * theta[bias])


@cold_leaf
def _go_back(predicted, correction, change, y, slope, bracket):
    """Move along the last change towards where the residual has no component along it (Illinois method).

    Parameters
    ----------
    slope : residual times change here
    bracket : (6,), the places on both sides and the slopes there, place 0 being where the change began and 1
        where it ended; the place here; and the side of the last one. Changed
    """
    side = 0 if slope > 0.0 else 1
    bracket[side], bracket[2 + side] = bracket[4], slope
    if side == bracket[5]:
        bracket[3 - side] *= 0.5
    bracket[5] = side
    place = bracket[0] + (bracket[1] - bracket[0]) * bracket[2] / (bracket[2] - bracket[3])
    moved = place - bracket[4]
    bracket[4] = place
    for p in range(y.shape[0]):
        correction[p] += moved * change[p]
        y[p] = predicted[p] + correction[p]


@merged
def _solve(flow, trajectory, work, memory):
    """Solve the equation of a step by Newton's method; return whether it converged.

    The equation says that leading L(y) + |y - given|^2 / 2 is stationary, and the residual is what that falls
    by. So an iterate that goes too far along its direction is told from the sign of the residual along it,
    and goes back to where that is small: where a breakpoint comes to rest on an end of the interval, the
    Hessian jumps, and Newton's method would go to and fro. A Hessian is kept while it serves, within one
    step: kept for longer, the numbers would depend on where save times interrupt the integration. It counts
    as P gradients.
    """
    vectors, clock, counts = work.vectors, trajectory.clock, trajectory.counts
    output_size = trajectory.output_size
    weights, y, predicted, history = vectors[_WEIGHTS], vectors[_Y], vectors[_PREDICTED], vectors[_HISTORY]
    correction, change, here = vectors[_CORRECTION], vectors[_CHANGE], vectors[_VELOCITY]
    residual, normalize = vectors[_RESIDUAL], flow.settings.normalize
    order, leading = counts[0], clock[1] / ALPHA[counts[0]]
    theta = memory.retracted if normalize else y
    count = y.shape[0]
    predict(trajectory.differences, order, predicted, history)
    set_weights(flow, predicted, output_size, weights)
    for p in range(count):
        y[p] = predicted[p]
        correction[p] = 0.0
    allowed = NEWTON_SHARE / ERROR[order]
    before, descent, bracket = 0.0, 0.0, work.bracket
    moved, renew, fresh, searching, matters, confirmed = True, True, False, False, False, False
    for iteration in range(_NEWTON):
        if moved:
            velocity(flow.data, flow.widths, y, here, memory, normalize)
            counts[3] += 1
            for p in range(count):
                residual[p] = leading * here[p] - history[p] - correction[p]
            if iteration == 0:
                for p in range(count):
                    vectors[_FORECAST, p] = here[p]
            else:
                slope = dot(residual, change)
                if matters and (slope < -_TOO_FAR * descent or (searching and slope > _TOO_FAR * descent)):
                    if not searching:
                        bracket[0], bracket[2], bracket[4], bracket[5] = 0.0, descent, 1.0, -1.0
                    _go_back(predicted, correction, change, y, slope, bracket)
                    searching, renew, before = True, True, 0.0
                    continue
                searching = False
        if renew:
            counts[3] += count
            if not _prepare(flow, theta, here, leading, work):
                return False
            renew, fresh = False, True
        for p in range(count):
            change[p] = residual[p]
        if normalize:
            _substitute_on_rows(flow.widths, theta, memory.norms, leading, work)
        else:
            _substitute(work.factor, change)
        length = norm(change, weights)
        if not length < 1e300:
            return False
        if before > 0.0 and length > _SLOW * before and not fresh:
            moved, renew = False, True
            continue
        descent = dot(residual, change)
        # Otherwise the change is within what is left anyway, and where it turns may be rounding.
        matters = length > allowed or leaves_risk(descent, here, 1.0, clock[1], order, output_size)
        for p in range(count):
            correction[p] += change[p]
            y[p] = predicted[p] + correction[p]
        moved, fresh = True, False
        # The rate is not guessed: a velocity costs little beside a Hessian, and at a kink guesses are wrong.
        if before > 0.0:
            left = length / (before - length) if length < 0.5 * before else 1.0
            if length * left <= allowed and not leaves_risk(
                descent, here, left, clock[1], order, output_size
            ):
                if work.smallest[0] > 0.0:
                    return True
                # A minimum needs a matrix that is positive definite there, if not on the way.
                if confirmed:
                    return False
                confirmed, renew = True, True
        elif length == 0.0:
            return True
        before = length
    return False


@cold_leaf
def _choose_again(differences, order, correction, error, estimate, weights):
    """Return order and factor of the step size after a step whose error was too large.

    The order falls by one if that allows a longer step. Where differences are noise, as those of two
    breakpoints that are nearer to each other than the tolerance tells, all of them are of one size, and a
    high order makes more of it: without this, steps became shorter at order 5 until there was no noise.

    Parameters
    ----------
    error : more than 1
    estimate : of it, what is due to the parameters
    """
    factor = max(LEAST, SAFETY * error ** (-1.0 / (order + 1)))
    if order == 1:
        return order, factor
    total = 0.0
    for p in range(correction.shape[0]):
        scaled = (differences[order, p] + correction[p]) * weights[p]
        total += scaled * scaled
    lower = ERROR[order - 1] * np.sqrt(total / correction.shape[0]) * error / estimate
    longer = min(1.0, SAFETY * max(lower, 1e-12) ** (-1.0 / order))
    if longer > factor:
        return order - 1, longer
    return order, factor


@merged
def _advance(flow, trajectory, time, work, memory):
    """Step until `time` is reached; return what became of the trajectory."""
    differences, clock, counts = trajectory.differences, trajectory.clock, trajectory.counts
    settings, output_size = flow.settings, trajectory.output_size
    weights, y, correction = work.vectors[_WEIGHTS], work.vectors[_Y], work.vectors[_CORRECTION]
    while clock[0] < time:
        order, size = counts[0], clock[1]
        if counts[2] >= settings.most_steps:
            return STEP_LIMIT
        if counts[2] - counts[6] >= _BETWEEN_LOOKS:
            counts[6] = counts[2]
            return LOOK
        if not size > 1e-15 * clock[0] or not size > 0.0:
            return STEP_TOO_SMALL
        converged = _solve(flow, trajectory, work, memory)
        # leading times the growth rate, where the factors tell it.
        growth = 1.0 - work.smallest[0]
        factor = 0.25
        if growth > _GROWTH:
            converged = False
            factor = max(0.5 * _GROWTH / growth, 0.01)
        if converged:
            set_weights(flow, y, output_size, weights)
            estimate = ERROR[order] * norm(correction, weights)
            share = risk_error(
                correction, work.vectors[_HISTORY], work.vectors[_FORECAST], order, size, output_size
            )
            error = max(estimate, share)
            if error <= 1.0:
                # How long a step may be the factors tell.
                longest = take(flow, trajectory, False, work.vectors, work.table)
                if longest < 0.0:
                    counts[4] += 1
                    change_size(trajectory, 0.25, work.table, work.scaling)
                    continue
                stay(flow, trajectory)
                clock[0] += size
                clock[2] = min(clock[2], size)
                counts[1] += 1
                counts[2] += 1
                if not dot(differences[0], differences[0]) <= settings.bound * settings.bound:
                    return DIVERGED
                if counts[1] <= order:
                    continue
                counts[0], factor = choose(differences, order, error, weights)
                factor = min(factor, max(longest / clock[1], LEAST))
                if growth > 0.0:
                    factor = min(factor, max(0.8 * _GROWTH / growth, LEAST))
                if order == counts[0] and 1.0 <= factor < WORTH_IT:
                    continue
            else:
                counts[4] += 1
                counts[0], factor = _choose_again(differences, order, correction, error, estimate, weights)
        else:
            counts[4] += 1
        change_size(trajectory, factor, work.table, work.scaling)
    return RUNNING


@bare_entry
def advance(flow, tables, times, saves, ends, work, memory):
    """Advance M trajectories through flow times: parameters and results as of `ndf.advance`.

    The data of the flow are line.LineData, plane.PlaneData or gaussian_gradient.GaussianData.
    """
    for m in range(ends.shape[0]):
        if ends[m] == RUNNING:
            trajectory = trajectory_of(tables, m)
            while ends[m] == RUNNING and saves.reached[m] < times.shape[0]:
                time = times[saves.reached[m]]
                ends[m] = _advance(flow, trajectory, time, work, memory)
                if ends[m] == RUNNING:
                    save(flow, trajectory, time, work.vectors, saves, m)
