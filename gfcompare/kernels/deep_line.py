"""Any number of hidden layers on segments parallel to one axis: risk and generalised gradient.

On a segment every pre-activation of the first layer is affine, every one of the second is affine between
the zeros of those of the first, and so on. The walk goes down this tree of intervals, depth first: on an
interval where the layer below is affine it sorts the zeros of a layer, and enters the next layer between each
two of them. On the innermost intervals the network is affine, and Gauss-Legendre quadrature is exact for the
residual times polynomials. On the way back up it suffices to carry, for each neuron, the integrals of the
back-propagated residual and of y times it over the interval: the weights of a layer meet each interval of
the layer below once, whatever lies inside. Memory is that of one interval of each layer.

Notation as in `line` and `line_set`; the flat parameters hold each layer's weights row by row, then its
biases, as in `manifold`.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf, leaf_sum
from gfcompare.kernels.plateaus import BACK, HELD, SHARE, Plateaus, first_plateau, plateau_work
from gfcompare.kernels.sorting import sort_pairs


class DeepWork(NamedTuple):
    """Scratch memory: one interval of each hidden layer, their S neurons one after the other."""

    starts: np.ndarray  # (L + 1,) int64: first neuron of each hidden layer 1, ..., L - 1
    parameters: np.ndarray  # (L + 1,) int64: first parameter of each layer 1, ..., L
    slope: np.ndarray  # (S,): pre-activations, slope * y + value
    value: np.ndarray
    active: np.ndarray  # (S,) bool
    out_slope: np.ndarray  # (S,): activations
    out_value: np.ndarray
    sum0: np.ndarray  # (S,): integral of the back-propagated residual over the interval
    sum1: np.ndarray  # of y times it
    keys: np.ndarray  # (S,): zeros inside the interval, sorted
    order: np.ndarray  # (S,) uint64: their neurons
    spare_keys: np.ndarray  # (largest H,)
    spare_order: np.ndarray
    spare0: np.ndarray
    spare1: np.ndarray
    zeros: np.ndarray  # (L,) int64: zeros of each layer
    following: np.ndarray  # (L,) int64: the next one
    position: np.ndarray  # (L,): how far the walk has come
    right: np.ndarray  # (L,): right end of the interval
    lines: np.ndarray  # (4, K): slope and value of the network, integrals of r and y r
    residual: np.ndarray  # (K,)
    dead: np.ndarray  # (L + 1,) int64: the layer below each that makes it constant, inactive as a whole; or 0
    plateaus: Plateaus


@allocator
def deep_work(widths):
    """Return the scratch memory for a network."""
    layers = widths.shape[0] - 1
    starts = np.zeros(layers + 1, np.int64)
    parameters = np.zeros(layers + 1, np.int64)
    largest = 1
    for layer in range(1, layers):
        starts[layer + 1] = starts[layer] + widths[layer]
        largest = max(largest, widths[layer])
    for layer in range(1, layers):
        parameters[layer + 1] = parameters[layer] + widths[layer] * (widths[layer - 1] + 1)
    total = starts[layers]
    outputs = widths[layers]
    return DeepWork(
        starts,
        parameters,
        np.empty(total),
        np.empty(total),
        np.empty(total, np.bool_),
        np.empty(total),
        np.empty(total),
        np.empty(total),
        np.empty(total),
        np.empty(total),
        np.empty(total, np.uint64),
        np.empty(largest),
        np.empty(largest, np.uint64),
        np.empty(largest),
        np.empty(largest),
        np.empty(layers, np.int64),
        np.empty(layers, np.int64),
        np.empty(layers),
        np.empty(layers),
        np.empty((4, outputs)),
        np.empty(outputs),
        np.zeros(layers + 1, np.int64),
        plateau_work(widths, starts, parameters),
    )


@leaf_sum
def _two_dots(row, first, second):
    a = 0.0
    b = 0.0
    for h in range(row.shape[0]):
        a += row[h] * first[h]
        b += row[h] * second[h]
    return a, b


@leaf
def _first_layer(theta, position, segments, work, neurons):
    """Pre-activations of layer 1 on a segment."""
    inputs = position.shape[0]
    middle, low, half = segments.middle, segments.middle_low, segments.half
    for i in range(neurons):
        weight = theta[i * inputs + segments.coordinate]
        level = (theta[neurons * inputs + i] + weight * middle) + weight * low
        for m in range(inputs):
            level += theta[i * inputs + m] * position[m]
        work.slope[i] = weight * half
        work.value[i] = level


@leaf
def _next_layer(theta, work, layer, below, neurons):
    """Pre-activations of layer > 1 from the activations of the layer below."""
    start, first = work.starts[layer], work.parameters[layer]
    under = work.starts[layer - 1]
    slopes = work.out_slope[under : under + below]
    values = work.out_value[under : under + below]
    for i in range(neurons):
        row = theta[first + i * below : first + (i + 1) * below]
        slope, value = _two_dots(row, slopes, values)
        work.slope[start + i] = slope
        work.value[start + i] = value + theta[first + neurons * below + i]


@leaf
def _find_dead_layer(work, layer, below):
    """Write which layer below `layer` makes it constant on an interval of the one just below, 0 if none."""
    under = work.starts[layer - 1]
    for h in range(below):
        if work.active[under + h]:
            work.dead[layer] = work.dead[layer - 1]
            return
    work.dead[layer] = layer - 1


@cold_leaf
def _enter(work, layer, neurons, left, right):
    """Begin the interval [left, right] of layer: sort its zeros, and activate it at the left end."""
    start = work.starts[layer]
    dead, plateaus = work.dead[layer], work.plateaus
    keys, order = work.keys[start : start + neurons], work.order[start : start + neurons]
    count = 0
    for i in range(neurons):
        slope, value = work.slope[start + i], work.value[start + i]
        zero = -value / slope
        if slope == 0.0:
            active = value > 0.0
            if dead > 0 and plateaus.state[HELD, first_plateau(plateaus, dead, layer) + i] != 0.0:
                active = False
        elif zero <= left:
            active = slope > 0.0
        elif zero >= right:
            active = slope < 0.0
        else:
            active = slope < 0.0
            if zero == zero:
                keys[count] = zero
                order[count] = i
                count += 1
        work.active[start + i] = active
        work.out_slope[start + i] = slope if active else 0.0
        work.out_value[start + i] = value if active else 0.0
        work.sum0[start + i] = 0.0
        work.sum1[start + i] = 0.0
    sort_pairs(keys[:count], order[:count], work.spare_keys, work.spare_order)
    work.zeros[layer] = count
    work.following[layer] = 0
    work.position[layer] = left
    work.right[layer] = right


@leaf
def _flip(work, layer):
    """Switch the neurons of layer whose zeros the walk has reached; return the next zero or the end."""
    start = work.starts[layer]
    left = work.position[layer]
    j = work.following[layer]
    while j < work.zeros[layer] and work.keys[start + j] <= left:
        i = start + np.int64(work.order[start + j])
        active = not work.active[i]
        work.active[i] = active
        work.out_slope[i] = work.slope[i] if active else 0.0
        work.out_value[i] = work.value[i] if active else 0.0
        j += 1
    work.following[layer] = j
    return work.keys[start + j] if j < work.zeros[layer] else work.right[layer]


@leaf
def _quadrature(lines, piece, left, right, work):
    """Add the integrals of r, y r and |r|^2 over [left, right] inside a piece; return the last."""
    outputs = lines.values.target.shape[1]
    network = work.lines
    centre, scale = lines.segments.centres[piece], lines.segments.scales[piece]
    middle, half = 0.5 * (left + right), 0.5 * (right - left)
    risk = 0.0
    for q in range(lines.values.nodes.shape[0]):
        y = middle + half * lines.values.nodes[q]
        s = (y - centre) * scale
        density = 0.0
        for d in range(lines.values.density.shape[1]):
            density = density * s + lines.values.density[piece, d]
        mass = density * (lines.values.weights[q] * half * lines.segments.half)
        for k in range(outputs):
            f = 0.0
            for d in range(lines.values.target.shape[2]):
                f = f * s + lines.values.target[piece, k, d]
            r = (network[0, k] * y + network[1, k]) - f
            network[2, k] += mass * r
            network[3, k] += mass * r * y
            risk += mass * r * r
    return risk


@leaf
def _add_outer(gradient, first, below, rows, sums0, sums1, slopes, values, scale):
    """Add to the gradient of a layer: weights (rows, below), then biases."""
    for i in range(rows):
        s0, s1 = scale * sums0[i], scale * sums1[i]
        if s0 == 0.0 and s1 == 0.0:
            continue
        row = gradient[first + i * below : first + (i + 1) * below]
        for h in range(below):
            row[h] += s0 * values[h] + s1 * slopes[h]
        gradient[first + rows * below + i] += s0


@leaf
def _back(theta, layer, below, rows, sums0, sums1, work, scale):
    """Add the back-propagated sums of a layer to those of the active neurons of the layer below.

    And what reaches neurons on plateaus that the flow slides on, times `scale`.
    """
    first, under = work.parameters[layer], work.starts[layer - 1]
    part0, part1 = work.spare0[:below], work.spare1[:below]
    for h in range(below):
        part0[h] = 0.0
        part1[h] = 0.0
    for i in range(rows):
        s0, s1 = sums0[i], sums1[i]
        if s0 == 0.0 and s1 == 0.0:
            continue
        row = theta[first + i * below : first + (i + 1) * below]
        for h in range(below):
            part0[h] += s0 * row[h]
            part1[h] += s1 * row[h]
    for h in range(below):
        if work.active[under + h]:
            work.sum0[under + h] += part0[h]
            work.sum1[under + h] += part1[h]
    dead, plateaus = work.dead[layer - 1], work.plateaus
    if dead == 0:
        return
    number = first_plateau(plateaus, dead, layer - 1)
    for h in range(below):
        if plateaus.state[HELD, number + h] != 0.0:
            plateaus.state[BACK, number + h] += scale * part0[h]
            work.sum0[under + h] += plateaus.state[SHARE, number + h] * part0[h]
            work.sum1[under + h] += plateaus.state[SHARE, number + h] * part1[h]


@cold_leaf
def _innermost(lines, widths, theta, gradient, work, segment, piece, left, right, with_gradient):
    """Integrate over an interval on which the network is affine; return its risk and the last piece."""
    depth = widths.shape[0] - 1
    below, outputs = widths[depth - 1], widths[depth]
    under, first = work.starts[depth - 1], work.parameters[depth]
    slopes, values = work.out_slope[under : under + below], work.out_value[under : under + below]
    for k in range(outputs):
        row = theta[first + k * below : first + (k + 1) * below]
        slope, value = _two_dots(row, slopes, values)
        work.lines[0, k] = slope
        work.lines[1, k] = value + theta[first + outputs * below + k]
        work.lines[2, k] = 0.0
        work.lines[3, k] = 0.0
    last = lines.segments.offsets[segment + 1] - 1
    risk = 0.0
    while True:
        end = lines.segments.knots[piece + segment + 1]
        stop = right if piece == last or right <= end else end
        risk += _quadrature(lines, piece, left, stop, work)
        if stop >= right:
            break
        left = stop
        piece += 1
    if with_gradient:
        share = 2.0 * lines.segments.weights[segment]
        _add_outer(gradient, first, below, outputs, work.lines[2], work.lines[3], slopes, values, share)
        _back(theta, depth, below, outputs, work.lines[2], work.lines[3], work, share)
    return risk, piece


@cold_leaf
def _leave(theta, gradient, work, layer, below, rows, share):
    """End an interval of layer > 1: its part of the gradient, and the sums of the layer below."""
    start, under, first = work.starts[layer], work.starts[layer - 1], work.parameters[layer]
    sums0, sums1 = work.sum0[start : start + rows], work.sum1[start : start + rows]
    slopes, values = work.out_slope[under : under + below], work.out_value[under : under + below]
    _add_outer(gradient, first, below, rows, sums0, sums1, slopes, values, share)
    _back(theta, layer, below, rows, sums0, sums1, work, share)


@leaf
def _first_gradient(lines, gradient, work, segment, neurons):
    """Add a segment's part of the gradient of layer 1."""
    position = lines.segments.positions[segment]
    inputs = position.shape[0]
    share = 2.0 * lines.segments.weights[segment]
    for i in range(neurons):
        bias = share * work.sum0[i]
        along = share * work.sum1[i]
        for m in range(inputs):
            gradient[i * inputs + m] += bias * position[m]
        gradient[i * inputs + lines.segments.coordinate] += (
            lines.segments.middle * bias + lines.segments.half * along
        )
        gradient[neurons * inputs + i] += bias


@cold_leaf
def _segment(lines, widths, theta, gradient, work, segment, with_gradient):
    """Return the risk on a segment and add its part of the gradient."""
    depth = widths.shape[0] - 1
    position = lines.segments.positions[segment]
    share = 2.0 * lines.segments.weights[segment]
    _first_layer(theta, position, lines.segments, work, widths[1])
    _enter(work, 1, widths[1], -1.0, 1.0)
    piece = lines.segments.offsets[segment]
    risk = 0.0
    layer = 1
    while True:
        left = work.position[layer]
        if left >= work.right[layer]:
            if layer == 1:
                break
            if with_gradient:
                _leave(theta, gradient, work, layer, widths[layer - 1], widths[layer], share)
            layer -= 1
            continue
        right = _flip(work, layer)
        work.position[layer] = right
        if layer == depth - 1:
            part, piece = _innermost(
                lines, widths, theta, gradient, work, segment, piece, left, right, with_gradient
            )
            risk += part
        else:
            layer += 1
            _find_dead_layer(work, layer, widths[layer - 1])
            _next_layer(theta, work, layer, widths[layer - 1], widths[layer])
            _enter(work, layer, widths[layer], left, right)
    if with_gradient:
        _first_gradient(lines, gradient, work, segment, widths[1])
    return risk


@leaf
def finite(theta):
    """Return whether every parameter is a finite number."""
    total = 0.0
    for p in range(theta.shape[0]):
        total += theta[p] * 0.0
    return total == 0.0


@cold_leaf
def _evaluate(lines, widths, theta, gradient, work, with_gradient):
    """Return the risk and, if asked for, write the gradient; NaN where a parameter is no finite number.

    A neuron without a zero would otherwise count as switched off.
    """
    numbers = finite(theta)
    back = work.plateaus.state[BACK]
    for number in range(back.shape[0]):
        back[number] = 0.0
    if with_gradient:
        for p in range(gradient.shape[0]):
            gradient[p] = 0.0 if numbers else np.nan
    if not numbers:
        return np.nan
    total = 0.0
    for segment in range(lines.segments.weights.shape[0]):
        part = _segment(lines, widths, theta, gradient, work, segment, with_gradient)
        total += lines.segments.weights[segment] * part
    return total


@cold_leaf
def deep_gradient_into(lines, widths, theta, gradient, work):
    """Write the generalised gradient at `theta`, shape (P,), into `gradient`."""
    _evaluate(lines, widths, theta, gradient, work, True)


@entry
def evaluate(lines, widths, thetas, risks, gradients, with_gradient):
    """Write the risk, (M,), and if asked for the generalised gradient, (M, P), at each row of `thetas`."""
    work = deep_work(widths)
    for m in range(thetas.shape[0]):
        gradient = gradients[m if with_gradient else 0]
        risks[m] = _evaluate(lines, widths, thetas[m], gradient, work, with_gradient)
