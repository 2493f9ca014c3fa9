"""Gradient flows under a measure with a density: implicit, in compiled code.

Numerical differentiation formulas of order 1 to 5 (L. F. Shampine, M. W. Reichelt, "The MATLAB ODE suite",
doi:10.1137/S1064827594276424): backward differences on steps of one size, which changes when it pays. The
equation of a step is solved by Newton's method, its linear systems by GMRES (Saad, Schultz,
doi:10.1137/0907058) with differences of velocities in the place of Jacobians times vectors, so that a step
costs a few gradients whatever the number of parameters. Each trajectory has its own step size and order.

Four things keep long flows right. After every accepted step the state goes back to where the exact flow
stays: to the conserved balancedness (`balancedness`), or, on M, every row's whole history is divided by
its norm, an exact symmetry of the equation. Errors are measured relative to the size of each neuron
(`tolerances`). A step size beyond the growth time of a deviation is not taken (`growth`). And of a neuron
that hardly any input activates the logarithm is integrated (`dormant`). Where the gradient of a deep network
jumps, the flow may slide (`plateau_sliding`). Late in a flow, where steps are so
long that differences of velocities are too rough, direct linear algebra with the exact Hessian takes over
where there is one (`ndf_dense`, a kernel of its own: code that is called deep down is optimised again at
every level, and both together would take twice as long to compile).
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.backward_differences import accept, add_multiple, interpolate, rescale
from gfcompare.kernels.balancedness import rebalance
from gfcompare.kernels.breakpoint_growth import UNDECIDED, WITHIN, Step, respect_growth
from gfcompare.kernels.compiled import bare_entry, cold_leaf, cold_leaf_sum, entry, merged
from gfcompare.kernels.dormant import LOGS, THERE, follow, logs_at, restore
from gfcompare.kernels.flow import Path, Trajectory
from gfcompare.kernels.growth import GrowthWork, growth_rate
from gfcompare.kernels.interval_ends import is_pushed_over_an_end
from gfcompare.kernels.manifold import unit_history
from gfcompare.kernels.numbers import dot
from gfcompare.kernels.plateau_sliding import BEGINS, LEAVES, SINCE, STAYS, TOO_LONG, load, slides
from gfcompare.kernels.tolerances import set_weights
from gfcompare.kernels.velocity import velocity, velocity_memory

HIGHEST_ORDER = 5
#: Rows of a table of backward differences: orders 0 to 5, and two more to estimate errors with.
TABLE_ROWS = HIGHEST_ORDER + 3

_KRYLOV = 24
NEWTON = 6
# Length of the differences of velocities relative to the parameters, half of the digits: over the tolerance
# itself, as is usual, bends of valleys would show. And the least, relative to the tolerance, for y = 0.
_DIFFERENCE, _LEAST_DIFFERENCE = 1.5e-8, 1e-2
# Errors allowed: Newton's method relative to that of the step, GMRES relative to that of Newton's method.
NEWTON_SHARE, _KRYLOV_SHARE = 0.2, 0.1
FIRST_RATE = 0.3
SAFETY, LEAST, _MOST = 0.9, 0.2, 10.0
WORTH_IT = 1.2  # the step size is raised if it grows by at least this factor
# The risk that the error of a step may make, relative to what the step loses of it; and a floor, relative
# to the risk at the start. In a narrow valley an error far below the tolerance in the parameters is a
# large one in the risk, and as it does not die out while steps are long it drives the slow motion along
# the valley. Measured at rtol = 1e-4: risks to t = 1e6 that rose in 17 of 240 trajectories, none with
# this, for the same median cost.
RISK_SHARE, RISK_FLOOR = 1e-3, 1e-14
# By how much that may tighten the tolerance where direct linear algebra cannot take over: what GMRES and
# Newton's method leave is an error too, which no step size makes smaller. They are asked for as much less
# first. And the iteration from which on
# Newton's method need not leave less there than the tolerance asks for.
_TIGHTER, _ENOUGH = 30.0, 2
# The largest product of step size and growth rate; steps after which a growth rate is measured again; by how
# much longer than the last one looked at a step may be, and how much shorter it must become to forget that.
GROWTH_STEP, _GROWTH_STEPS, _LONGER, _FORGOTTEN = 0.5, 10, 4.0, 16.0
# By how much faster the fastest rate may have become since it was last looked at.
_FASTER = 10.0
# Steps limited by growth after which it is not looked for any more: from a deviation of one rounding a saddle
# is left within some 75, so this many mean that what is measured at a kink of the gradient is no growth.
_LIMITED = 1000

_KAPPA = np.array([0.0, -0.1850, -1.0 / 9.0, -0.0823, -0.0415, 0.0])
GAMMA = np.concatenate((np.zeros(1), np.cumsum(1.0 / np.arange(1, HIGHEST_ORDER + 1))))
ALPHA = (1.0 - _KAPPA) * GAMMA
ERROR = _KAPPA * GAMMA + 1.0 / np.arange(1, HIGHEST_ORDER + 2)

# What became of a trajectory; the numbers are those of `gfcompare.Status`.
RUNNING, DIVERGED, STEP_LIMIT, STEP_TOO_SMALL = 0, 3, 4, 5
#: Direct linear algebra serves better: steps have been rejected too often, or have become too long.
DENSE = 100
#: Deviations seem to grow faster than the step size allows: the exact Hessian has to tell.
GROWTH = 101

#: Columns of clocks and counts, see `advance`.
CLOCKS, COUNTS = 6, 9


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
_FORECAST = 9  # the velocity at the prediction
_VECTORS = 10
# The first of two vectors that are free between steps, here and in `ndf_dense`.
_SPARE = 6


class NdfWork(NamedTuple):
    """Scratch memory for one trajectory of P parameters; few arrays, because each costs compile time."""

    vectors: np.ndarray  # (10, P)
    basis: np.ndarray  # (25, P): GMRES
    triangle: np.ndarray  # (25, 24)
    rotations: np.ndarray  # (3, 25): cosines, sines, right-hand side
    table: np.ndarray  # (8, P)
    scaling: np.ndarray  # (3, 6, 6)


def scratch(flow, parameters):
    """Return the scratch memory of `advance`, made in Python: its own, and that of the velocity."""
    work = NdfWork(
        np.empty((_VECTORS, parameters)),
        np.empty((_KRYLOV + 1, parameters)),
        np.zeros((_KRYLOV + 1, _KRYLOV)),
        np.empty((3, _KRYLOV + 1)),
        np.empty((TABLE_ROWS, parameters)),
        np.empty((3, HIGHEST_ORDER + 1, HIGHEST_ORDER + 1)),
    )
    return work, velocity_memory(flow.data, flow.widths, parameters)


@cold_leaf_sum
def norm(vector, weights):
    """Root mean square of a vector, each component relative to its tolerance."""
    total = 0.0
    for p in range(vector.shape[0]):
        scaled = vector[p] * weights[p]
        total += scaled * scaled
    return np.sqrt(total / vector.shape[0])


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
        add_multiple(change, right[j], basis[j])
    for p in range(change.shape[0]):
        change[p] /= weights[p]


@cold_leaf
def _orthogonalize(basis, triangle, k):
    """Make column k + 1 of the basis orthogonal to those before; return its length."""
    image = basis[k + 1]
    for j in range(k + 1):
        share = dot(basis[j], image)
        triangle[j, k] = share
        add_multiple(image, -share, basis[j])
    length = np.sqrt(dot(image, image))
    triangle[k + 1, k] = length
    return length


@merged
def _krylov_solve(flow, leading, allowed, work, memory):
    """Solve the linear system of a Newton step by GMRES; return the velocities that it took.

    Column 0 of the basis holds the right-hand side, in components relative to their tolerances.
    """
    vectors, basis = work.vectors, work.basis
    weights, y, moved, there = vectors[_WEIGHTS], vectors[_Y], vectors[_MOVED], vectors[_THERE]
    here = vectors[_VELOCITY]
    count = y.shape[0]
    root = np.sqrt(float(count))
    size = root * max(_LEAST_DIFFERENCE, _DIFFERENCE * norm(y, weights))
    length = work.rotations[2, 0]
    columns = 0
    for p in range(count):
        basis[0, p] /= length
    for k in range(_KRYLOV):
        for p in range(count):
            moved[p] = y[p] + size * basis[k, p] / weights[p]
        velocity(flow.data, flow.widths, moved, there, memory, flow.settings.normalize)
        image = basis[k + 1]
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
    return columns


@merged
def _newton_step(flow, leading, allowed, work, memory):
    """Compute one Newton step; return the gradients that it took, and change times residual.

    (I - leading J) change = leading velocity(y) - history - correction, in components relative to their
    tolerances.
    """
    vectors = work.vectors
    weights, y, here, right = vectors[_WEIGHTS], vectors[_Y], vectors[_VELOCITY], work.basis[0]
    history, correction, change = vectors[_HISTORY], vectors[_CORRECTION], vectors[_CHANGE]
    velocity(flow.data, flow.widths, y, here, memory, flow.settings.normalize)
    for p in range(y.shape[0]):
        right[p] = (leading * here[p] - history[p] - correction[p]) * weights[p]
        change[p] = 0.0
    length = np.sqrt(dot(right, right))
    work.rotations[2, 0] = length
    if not length > 0.0:  # at rest, or not a number: then there is no step
        if not length == 0.0:
            change[0] = np.nan
        return 1, 0.0
    gradients = 1 + _krylov_solve(flow, leading, allowed, work, memory)
    product = 0.0
    for p in range(y.shape[0]):
        product += right[p] * change[p] / weights[p]
    return gradients, length * product


@cold_leaf
def risk_error(correction, history, forecast, order, size, output_size):
    """Return the risk that the error of a step makes, relative to what the step loses of it.

    With the error e, estimated as a share of the correction c, and the Hessian H, that is e.He / 2; and the
    velocity at both ends of the correction is known, so that H c is their difference.
    """
    leading = size / ALPHA[order]
    bend = 0.0
    speed = 0.0
    for p in range(correction.shape[0]):
        reached = (history[p] + correction[p]) / leading
        bend += correction[p] * (forecast[p] - reached)
        speed += reached * reached
    made = 0.5 * ERROR[order] * ERROR[order] * abs(bend)
    lost = RISK_SHARE * size * speed + RISK_FLOOR * output_size * output_size
    return np.sqrt(made / lost) if made > 0.0 else 0.0


@cold_leaf
def leaves_risk(product, velocity, left, size, order, output_size):
    """Return whether what Newton's method leaves makes more risk than an error of the step may.

    `product` is the last change times its residual, which is change (I + leading H) change; `left` is the
    share of the change that is left. An error too large for `risk_error` by this would make steps shorter
    and shorter until Newton's method is no longer needed.
    """
    made = 0.5 * left * left * abs(product) * ALPHA[order] / size
    lost = RISK_SHARE * size * dot(velocity, velocity) + RISK_FLOOR * output_size * output_size
    return made > NEWTON_SHARE * lost


@cold_leaf
def predict(differences, order, predicted, history):
    """Write the prediction of a step, and what earlier steps contribute to its equation."""
    for p in range(predicted.shape[0]):
        predicted[p] = differences[0, p]
        history[p] = 0.0
    for k in range(1, order + 1):
        add_multiple(predicted, 1.0, differences[k])
        add_multiple(history, GAMMA[k] / ALPHA[order], differences[k])


@merged
def _solve(flow, trajectory, work, memory):
    """Solve the equation of a step; return whether Newton's method converged, and the gradients taken."""
    vectors, settings, output_size = work.vectors, flow.settings, trajectory.output_size
    order, size = trajectory.counts[0], trajectory.clock[1]
    weights, y, predicted = vectors[_WEIGHTS], vectors[_Y], vectors[_PREDICTED]
    correction, change = vectors[_CORRECTION], vectors[_CHANGE]
    count = y.shape[0]
    predict(trajectory.differences, order, predicted, vectors[_HISTORY])
    for p in range(count):
        y[p] = predicted[p]
        correction[p] = 0.0
    set_weights(flow, predicted, output_size, weights)
    allowed = NEWTON_SHARE / ERROR[order]
    if trajectory.counts[8]:
        allowed /= _TIGHTER
    before = 0.0
    gradients = 0
    for iteration in range(NEWTON):
        taken, product = _newton_step(flow, size / ALPHA[order], allowed, work, memory)
        gradients += taken
        if iteration == 0:
            for p in range(count):
                vectors[_FORECAST, p] = vectors[_VELOCITY, p]
        length = norm(change, weights)
        if not length < 1e300 or (before > 0.0 and length >= before):
            return False, gradients
        for p in range(count):
            correction[p] += change[p]
            y[p] = predicted[p] + correction[p]
        # What is left after this iteration, from the rate of convergence; 0.3 before it is known.
        rate = length / before if before > 0.0 else FIRST_RATE
        left = min(1.0, rate / (1.0 - rate))
        if length * left <= allowed:
            enough = not settings.dense and iteration >= _ENOUGH
            if enough or not leaves_risk(product, vectors[_VELOCITY], left, size, order, output_size):
                return True, gradients
        before = length
    return False, gradients


@cold_leaf
def choose(differences, order, error, weights):
    """Return the order that allows the longest step, and the factor by which that is longer."""
    best, chosen = max(error, 1e-12) ** (-1.0 / (order + 1)), order
    if order > 1:
        lower = max(ERROR[order - 1] * norm(differences[order], weights), 1e-12) ** (-1.0 / order)
        if lower > best:
            best, chosen = lower, order - 1
    if order < HIGHEST_ORDER:
        higher = ERROR[order + 1] * norm(differences[order + 2], weights)
        higher = max(higher, 1e-12) ** (-1.0 / (order + 2))
        if higher > best:
            best, chosen = higher, order + 1
    return chosen, min(_MOST, SAFETY * best)


@cold_leaf
def change_size(trajectory, factor, table, scaling):
    """Change the step size by a factor."""
    rescale(trajectory.differences, trajectory.counts[0], factor, table, scaling)
    trajectory.clock[1] *= factor
    trajectory.counts[1] = 0


@cold_leaf
def stay(flow, trajectory):
    """Put the end of a step back to where the exact flow stays."""
    if flow.settings.normalize:
        unit_history(flow.widths, trajectory.differences, trajectory.counts[0] + 3)
    else:
        rebalance(flow.widths, trajectory.differences[0], trajectory.balances)


@cold_leaf
def _copy(source, target):
    for k in range(source.shape[0]):
        for p in range(source.shape[1]):
            target[k, p] = source[k, p]


@cold_leaf
def take(flow, trajectory, limit, vectors, table):
    """Accept a step, follow the dormant neurons over it; return the longest next one.

    It is negative, and no difference changed, if the step was too long for the dormant neurons, for a
    breakpoint near an end or, if `limit`, for the growth of a deviation.
    """
    weights, correction, history = vectors[_WEIGHTS], vectors[_CORRECTION], vectors[_HISTORY]
    differences, neurons = trajectory.differences, trajectory.neurons
    order, size, normalize = trajectory.counts[0], trajectory.clock[1], flow.settings.normalize
    if is_pushed_over_an_end(flow.data, differences[0], vectors[_Y], correction, weights, neurons):
        return -1.0
    # The vectors of Newton's method are free between steps.
    speed, spare = vectors[_CHANGE], vectors[_SPARE : _SPARE + 2]
    leading = size / ALPHA[order]
    for p in range(speed.shape[0]):
        speed[p] = (history[p] + correction[p]) / leading
    step = Step(vectors[_Y], speed, weights, size, normalize)
    longest = respect_growth(flow.data, step, trajectory.clock[0] + size, limit, neurons, spare[0], spare[1])
    if longest < 0.0:
        return longest
    logs = neurons[LOGS]
    dormant = False
    for i in range(logs.shape[0]):
        dormant |= logs[i] != 0.0
    if dormant:
        _copy(differences, table)
    accept(differences, order, correction)
    allowed = follow(flow.data, Path(differences, order, size), weights, neurons, normalize, spare)
    if allowed < 0.0:
        _copy(table, differences)
    return min(longest, allowed)


@cold_leaf
def read_off(flow, trajectory, time, vectors, result):
    """Write the solver's variable at `time`, within the last step, into `result`."""
    clock, neurons, normalize = trajectory.clock, trajectory.neurons, flow.settings.normalize
    path = Path(trajectory.differences, trajectory.counts[0], clock[1])
    interpolate(path.differences, path.order, time, clock[0], path.size, result)
    logs_at(flow.data, path, clock[0] - time, neurons, normalize, vectors[_SPARE : _SPARE + 2])
    restore(flow.data, result, neurons[THERE])
    if not normalize:
        rebalance(flow.widths, result, trajectory.balances)


@cold_leaf
def save(flow, trajectory, time, vectors, saves, m):
    """Save the state of trajectory m at the next of the times, which it has reached."""
    place, counts, marks = saves.reached[m], trajectory.counts, saves.marks[m, saves.reached[m]]
    read_off(flow, trajectory, time, vectors, saves.y[m, place])
    marks[0], marks[1], marks[2], marks[3] = counts[2], counts[3], counts[4], trajectory.clock[2]
    marks[4] = 0.0
    for i in range(trajectory.neurons.shape[1]):
        if trajectory.neurons[UNDECIDED, i] != 0.0:
            marks[4] = 1.0
    for number in range(trajectory.plateaus.shape[1]):
        if trajectory.plateaus[SINCE, number] != 0.0:
            marks[4] = 1.0
    saves.reached[m] = place + 1


@cold_leaf
def _note_saddle(y, rate, time, neurons, vectors):
    """Note that growth is found where the deviation is within the tolerance; see `breakpoint_growth`.

    `vectors` are those that `growth_rate` leaves: the velocity, and 2 y less a state on the growing side.
    """
    velocity, other, weights = vectors[_VELOCITY], vectors[_MOVED], vectors[_WEIGHTS]
    along, tolerance = 0.0, 0.0
    for p in range(y.shape[0]):
        along += velocity[p] * (y[p] - other[p])
        tolerance += abs(y[p] - other[p]) / weights[p]
    if abs(along) < WITHIN * rate * tolerance and neurons[UNDECIDED, 0] == 0.0:
        neurons[UNDECIDED, 0] = time


@merged
def _respect_growth(flow, trajectory, work, memory):
    """Shorten the next step if it is longer than a growth time.

    Return whether the exact Hessian has to tell.
    """
    y, clock, counts = trajectory.differences[0], trajectory.clock, trajectory.counts
    settings, size = flow.settings, clock[1]
    space = GrowthWork(work.vectors[_VELOCITY:], work.basis[:_KRYLOV], work.triangle[:4])
    rate, largest, gradients = growth_rate(
        flow.data, flow.widths, y, GROWTH_STEP / size, settings.normalize, space, memory
    )
    counts[3] += gradients
    clock[5] = min(largest, _FASTER * clock[5]) if clock[5] > 0.0 else largest
    if rate == 0.0:
        clock[3] = max(_LONGER * size, GROWTH_STEP / largest if largest > 0.0 else np.inf)
        return False
    if settings.dense:
        return True
    _note_saddle(y, rate, clock[0], trajectory.neurons, work.vectors)
    clock[3] = clock[4] = GROWTH_STEP / rate
    counts[6] = counts[2]
    change_size(trajectory, clock[4] / size, work.table, work.scaling)
    return False


@cold_leaf
def _start_again(flow, trajectory, work, memory):
    """Begin a new history at the state, of order 1, with a step of half the tolerance: the velocity jumps."""
    differences, clock, counts = trajectory.differences, trajectory.clock, trajectory.counts
    weights, here = work.vectors[_WEIGHTS], differences[1]
    velocity(flow.data, flow.widths, differences[0], here, memory, flow.settings.normalize)
    counts[3] += 1
    set_weights(flow, differences[0], trajectory.output_size, weights)
    clock[1] = 0.5 / max(norm(here, weights), 1e-200)
    clock[3] = 64.0 * clock[1]
    counts[0], counts[1] = 1, 0
    for p in range(here.shape[0]):
        here[p] *= clock[1]
        for k in range(2, differences.shape[0]):
            differences[k, p] = 0.0


@merged
def _advance(flow, trajectory, time, work, memory):
    """Step until `time` is reached; return what became of the trajectory."""
    differences, clock, counts = trajectory.differences, trajectory.clock, trajectory.counts
    settings, output_size = flow.settings, trajectory.output_size
    weights, y, correction = work.vectors[_WEIGHTS], work.vectors[_Y], work.vectors[_CORRECTION]
    spare = work.vectors[_SPARE : _SPARE + 2]
    while clock[0] < time:
        order = counts[0]
        if counts[2] >= settings.most_steps:
            return STEP_LIMIT
        if slides(LEAVES, flow, trajectory, y, weights, memory, spare):
            _start_again(flow, trajectory, work, memory)
            order = 1
        too_long = clock[1] * clock[5] > settings.max_step_size
        if settings.dense and (counts[4] >= settings.max_rejected or too_long):
            return DENSE
        if counts[2] - counts[6] >= _GROWTH_STEPS:
            clock[4] = np.inf
        if clock[1] > clock[3] and counts[7] <= _LIMITED:
            if _respect_growth(flow, trajectory, work, memory):
                return GROWTH
        size = clock[1]
        if not size > 1e-15 * clock[0] or not size > 0.0:
            return STEP_TOO_SMALL
        converged, gradients = _solve(flow, trajectory, work, memory)
        counts[3] += gradients
        factor = 0.25
        error = 0.0
        if converged:
            set_weights(flow, y, output_size, weights)
            error = ERROR[order] * norm(correction, weights)
            share = risk_error(
                correction, work.vectors[_HISTORY], work.vectors[_FORECAST], order, size, output_size
            )
            if not counts[8] and not settings.dense and error <= 1.0 < share:
                # Across a narrow valley what GMRES leaves makes that risk at every step size, until steps are
                # as short as those of an explicit method.
                counts[8] = 1
                counts[4] += 1
                continue
            error = max(error, share if settings.dense else min(share, _TIGHTER * error))
            factor = max(LEAST, SAFETY * error ** (-1.0 / (order + 1)))
            if error <= 1.0:
                longest = -1.0
                if not slides(TOO_LONG, flow, trajectory, y, weights, memory, spare):
                    longest = take(flow, trajectory, counts[7] <= _LIMITED, work.vectors, work.table)
                if longest < 0.0:
                    counts[4] += 1
                    change_size(trajectory, 0.25, work.table, work.scaling)
                    continue
                stay(flow, trajectory)
                slides(STAYS, flow, trajectory, y, weights, memory, spare)
                clock[0] += size
                clock[2] = min(clock[2], size)
                clock[3] = min(clock[3], _FORGOTTEN * size)
                counts[7] += clock[4] < np.inf or longest < _MOST * size
                counts[1] += 1
                counts[2] += 1
                if not dot(differences[0], differences[0]) <= settings.bound * settings.bound:
                    return DIVERGED
                if counts[1] <= order:  # differences of this order need that many steps of one size
                    continue
                counts[0], factor = choose(differences, order, error, weights)
                factor = min(factor, max(min(clock[4], longest) / clock[1], LEAST))
                if order == counts[0] and 1.0 <= factor < WORTH_IT:
                    continue
        if not (converged and error <= 1.0):
            counts[4] += 1
            if slides(BEGINS, flow, trajectory, y, weights, memory, spare):
                _start_again(flow, trajectory, work, memory)
                continue
        change_size(trajectory, factor, work.table, work.scaling)
    return RUNNING


@merged
def trajectory_of(tables, m):
    """Return one of the trajectories, without references: for what does not count them."""
    return Trajectory(
        tables.differences[m],
        tables.clocks[m],
        tables.counts[m],
        tables.balances[m],
        tables.dormant[m],
        tables.plateaus[m],
        tables.output_sizes[m],
    )


@bare_entry
def advance(flow, tables, times, saves, ends, work, memory):
    """Advance M trajectories through flow times, each from the first that it has not reached.

    Parameters
    ----------
    flow : flow.Flow
    tables : flow.FlowTables, moved on in place
    times : (B,), increasing
    saves : flow.FlowSaves, receives y and marks at each time that is reached
    ends : (M,) int64, RUNNING where a trajectory goes on; others are not touched; receives what became of it
    work, memory : see `scratch`
    """
    for m in range(ends.shape[0]):
        if ends[m] == RUNNING:
            trajectory = trajectory_of(tables, m)
            load(trajectory, memory)
            while ends[m] == RUNNING and saves.reached[m] < times.shape[0]:
                time = times[saves.reached[m]]
                ends[m] = _advance(flow, trajectory, time, work, memory)
                if ends[m] == RUNNING:
                    save(flow, trajectory, time, work.vectors, saves, m)


@entry
def resize(trajectory, factor):
    """Change the step size of a trajectory by a factor, in place."""
    scaling = np.empty((3, HIGHEST_ORDER + 1, HIGHEST_ORDER + 1))
    change_size(trajectory, factor, np.empty_like(trajectory.differences), scaling)
