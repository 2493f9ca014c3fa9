"""One hidden layer on a line: sampling from the measure, and the gradient over a batch of points.

The points are sorted, so that a neuron is active on all points to one side of its breakpoint: with running
sums over the points the cost is O((n + H) log n), not O(n H). See `line` for the notation.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf
from gfcompare.kernels.line import (
    LARGE,
    collect,
    copy,
    evaluate,
    leftmost_line,
    line_work,
    pre_activations,
)
from gfcompare.kernels.line_dense import dense_gradient_into
from gfcompare.kernels.line_one_sided import rounds_off
from gfcompare.kernels.sorting import sort_pairs


class BatchWork(NamedTuple):
    """Scratch memory for the gradient over a batch of n points."""

    points: np.ndarray  # (n,): sorted, in y
    targets: np.ndarray  # (K, n): f at the points
    spare_points: np.ndarray
    order: np.ndarray  # (n,) uint64
    spare_order: np.ndarray
    positions: np.ndarray  # (H,) int64: how many points lie below each breakpoint
    slope_jumps: np.ndarray  # (n + 1,)
    value_jumps: np.ndarray
    sums0: np.ndarray  # (n + 1,): running sums of r over the points
    sums1: np.ndarray  # of y r
    ends: np.ndarray  # (n,) int64: buckets of the sorting


@allocator
def batch_work(hidden, outputs, batch):
    """Return the scratch memory for a batch of n points."""
    return BatchWork(
        np.empty(batch),
        np.empty((outputs, batch)),
        np.empty(batch),
        np.arange(batch).astype(np.uint64),
        np.empty(batch, np.uint64),
        np.empty(hidden, np.int64),
        np.empty(batch + 1),
        np.empty(batch + 1),
        np.empty(batch + 1),
        np.empty(batch + 1),
        np.empty(batch, np.int64),
    )


@leaf
def is_uniform(data):
    """Return whether the density is the same constant on all pieces."""
    density = data.values.density
    constant = density.shape[1] == 1
    for piece in range(density.shape[0]):
        constant = constant and density[piece, 0] == density[0, 0]
    return constant


@leaf
def quantile(data, u):
    """Return y in [-1, 1] below which the measure has mass u; Newton's method, safeguarded."""
    mass = data.mass
    left, right = 0, mass.shape[0] - 1
    degree = mass.shape[2]
    while left < right:  # the first piece whose mass at the right end reaches u
        centre = (left + right) // 2
        s = (data.knots[centre + 1] - data.centres[centre]) * data.scales[centre]
        total = 0.0
        for d in range(degree):
            total = total * s + mass[centre, 0, d]
        if total < u:
            left = centre + 1
        else:
            right = centre
    low, high = -1.0, 1.0
    s = 0.0
    for _ in range(60):
        total = 0.0
        density = 0.0
        for d in range(degree):
            density = density * s + total
            total = total * s + mass[left, 0, d]
        excess = total - u
        if excess > 0.0:
            high = s
        else:
            low = s
        step = excess / density
        proposal = s - step
        if not (low <= proposal <= high):
            proposal = 0.5 * (low + high)
        if abs(proposal - s) <= 1e-16:
            s = proposal
            break
        s = proposal
    y = data.centres[left] + s / data.scales[left]
    return min(max(y, data.knots[left]), data.knots[left + 1])


@cold_leaf
def to_quantiles(data, numbers):
    """Replace each u, shape (n,), by y in [-1, 1] below which the measure has mass u."""
    if is_uniform(data):
        for j in range(numbers.shape[0]):
            numbers[j] = 2.0 * numbers[j] - 1.0
    else:
        for j in range(numbers.shape[0]):
            numbers[j] = quantile(data.integrals, numbers[j])


@entry
def quantiles(data, uniforms, results):
    """Write x below which the measure has mass u for each u, both of shape (n,)."""
    copy(uniforms, results)
    to_quantiles(data, results)
    for j in range(uniforms.shape[0]):
        from_middle = data.integrals.half * results[j] + data.integrals.middle_low
        results[j] = data.integrals.middle + from_middle


@cold_leaf
def sort_uniform(batch):
    """Sort numbers in [0, 1), `batch.points`, by a bucket for each, in linear time."""
    points, drawn, ends = batch.points, batch.spare_points, batch.ends
    count = points.shape[0]
    copy(points, drawn)
    for j in range(count):
        ends[j] = 0
    for j in range(count):
        ends[np.int64(drawn[j] * count)] += 1
    total = 0
    for j in range(count):
        total += ends[j]
        ends[j] = total
    for j in range(count):
        bucket = np.int64(drawn[j] * count)
        ends[bucket] -= 1
        points[ends[bucket]] = drawn[j]
    sort_pairs(points, batch.order, batch.spare_points, batch.spare_order)


@leaf
def _piece_at(knots, y):
    """Return the first piece whose right end is not below y."""
    low, high = 0, knots.shape[0] - 2
    while low < high:
        middle = (low + high) >> 1
        if knots[middle + 1] < y:
            low = middle + 1
        else:
            high = middle
    return low


@cold_leaf
def targets_at_points(data, batch):
    """Evaluate f at the points, in any order."""
    points, integrals, values = batch.points, data.integrals, data.values
    outputs = values.value_high.shape[1]
    if integrals.centres.shape[0] == 1:
        local = batch.spare_points
        for j in range(points.shape[0]):
            local[j] = (points[j] - integrals.centres[0]) * integrals.scales[0]
        for k in range(outputs):
            evaluate(values.value_high[0, k], local, batch.targets[k])
        return
    for j in range(points.shape[0]):
        piece = _piece_at(integrals.knots, points[j])
        s = (points[j] - integrals.centres[piece]) * integrals.scales[piece]
        for k in range(outputs):
            f = values.value_high[piece, k, 0]
            for d in range(1, values.value_high.shape[2]):
                f = f * s + values.value_high[piece, k, d]
            batch.targets[k, j] = f


@leaf
def _count_below(points, slope, breaks, positions):
    """Count the points left of each breakpoint, or on it where the neuron rises.

    A neuron is active strictly inside its half-line: a point on the breakpoint is on the inactive side.
    """
    count = points.shape[0]
    if count <= 64:
        for i in range(breaks.shape[0]):
            positions[i] = 0
        for j in range(count):
            y = points[j]
            for i in range(breaks.shape[0]):
                inside = y < breaks[i] or (y == breaks[i] and slope[i] >= 0.0)
                positions[i] += 1 if inside else 0
        return
    for i in range(breaks.shape[0]):
        low, high = 0, count
        while low < high:
            middle = (low + high) >> 1
            y = points[middle]
            if y < breaks[i] or (y == breaks[i] and slope[i] >= 0.0):
                low = middle + 1
            else:
                high = middle
        positions[i] = low


@cold_leaf
def batch_gradient_into(data, theta, gradient, work, batch):
    """Write the mean of the generalised gradient over the sorted points of `batch`, with targets there."""
    hidden = work.order.shape[0]
    outputs = data.integrals.target_total.shape[0]
    w, b = theta[:hidden], theta[hidden : 2 * hidden]
    g_w, g_b = gradient[:hidden], gradient[hidden : 2 * hidden]
    pre_activations(data.integrals, w, b, np.inf, work.slope, work.value, work.breaks)
    for k in range(outputs):
        v, bias = theta[(2 + k) * hidden : (3 + k) * hidden], theta[(2 + outputs) * hidden + k]
        size = leftmost_line(work.slope, work.value, work.breaks, v)[2]
        if size > LARGE * (data.integrals.bound + abs(bias)) and rounds_off(
            data.integrals.bound, v, bias, work
        ):
            dense_gradient_into(data, theta, gradient, work, batch)
            return
    _count_below(batch.points, work.slope, work.breaks, batch.positions)
    for k in range(outputs):
        v = theta[(2 + k) * hidden : (3 + k) * hidden]
        g_v = gradient[(2 + k) * hidden : (3 + k) * hidden]
        bias = theta[(2 + outputs) * hidden + k]
        total0, total1 = _batch_sums(work, batch, v, bias, batch.targets[k])
        for i in range(hidden):
            work.below0[i] = batch.sums0[batch.positions[i]]
            work.below1[i] = batch.sums1[batch.positions[i]]
        collect(k, data.integrals.middle, data.integrals.half, v, work, total0, total1, g_w, g_b, g_v)
        gradient[(2 + outputs) * hidden + k] = 2.0 * total0


@leaf
def _batch_sums(work, batch, v, bias, targets):
    """Running means of r and y r over the sorted points; return the totals."""
    slope, value = work.slope, work.value
    points, positions = batch.points, batch.positions
    slope_jumps, value_jumps = batch.slope_jumps, batch.value_jumps
    count = points.shape[0]
    for j in range(count + 1):
        slope_jumps[j] = 0.0
        value_jumps[j] = 0.0
    line_slope = 0.0
    line_value = bias
    for i in range(slope.shape[0]):
        position = positions[i]
        slope_part, value_part = v[i] * slope[i], v[i] * value[i]
        if slope[i] >= 0.0:
            slope_jumps[position] += slope_part
            value_jumps[position] += value_part
        elif position > 0:  # a falling neuron that is dead on all points would only leave rounding
            line_slope += slope_part
            line_value += value_part
            slope_jumps[position] -= slope_part
            value_jumps[position] -= value_part
    share = 1.0 / count
    sum0 = 0.0
    sum1 = 0.0
    batch.sums0[0] = 0.0
    batch.sums1[0] = 0.0
    for j in range(count):
        line_slope += slope_jumps[j]
        line_value += value_jumps[j]
        residual = ((line_slope * points[j] + line_value) - targets[j]) * share
        sum0 += residual
        sum1 += residual * points[j]
        batch.sums0[j + 1] = sum0
        batch.sums1[j + 1] = sum1
    return sum0, sum1


@entry
def batch_gradients(data, thetas, points, results, hidden):
    """Write the mean gradient at each row of `thetas` over the same row of `points`, (M, n) in x."""
    outputs = data.integrals.target_total.shape[0]
    work = line_work(hidden, outputs)
    batch = batch_work(hidden, outputs, points.shape[1])
    for m in range(thetas.shape[0]):
        for j in range(points.shape[1]):
            from_middle = (points[m, j] - data.integrals.middle) - data.integrals.middle_low
            batch.points[j] = from_middle / data.integrals.half
        sort_pairs(batch.points, batch.order, batch.spare_points, batch.spare_order)
        targets_at_points(data, batch)
        batch_gradient_into(data, thetas[m], results[m], work, batch)
