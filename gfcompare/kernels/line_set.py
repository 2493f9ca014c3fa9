"""Many segments parallel to one coordinate axis: the data for them, and networks with one hidden layer.

On each segment the network is one on the line: the other coordinates only shift the biases. The integrals
along the segments are exact (`line`); over the other coordinates they are summed with the segments' weights.
Several inputs are preintegrated this way; one input is a single segment.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf
from gfcompare.kernels.line import (
    Integrals,
    LineData,
    LineWork,
    Values,
    copy,
    gradient_into,
    line_work,
)
from gfcompare.kernels.line_risk import CANCELLATION, risk_of


class Segments(NamedTuple):
    """B segments in d dimensions, cut into n pieces in all.

    The pieces of segment b are offsets[b], ..., offsets[b + 1] - 1, its knots offsets[b] + b, ...,
    offsets[b + 1] + b. As in `line`, x_j = middle + half y along the coordinate j, and a piece has its own
    coordinate s = (y - centre) scale in [-1, 1].
    """

    coordinate: int  # j
    middle: float
    middle_low: float  # what rounds off the middle
    half: float
    lower: float  # the ends, in x_j
    upper: float
    weights: np.ndarray  # (B,): quadrature weight of each segment
    positions: np.ndarray  # (B, d): a point of each segment, whose entry j is 0
    offsets: np.ndarray  # (B + 1,) int64
    knots: np.ndarray  # (n + B,), in y, each segment from -1 to 1
    centres: np.ndarray  # (n,), in y
    scales: np.ndarray  # (n,)


class SegmentValues(NamedTuple):
    """Target and density on the pieces of segments, K outputs; coefficients descend in s."""

    density: np.ndarray  # (n, degree + 1): p per unit x
    target: np.ndarray  # (n, K, degree + 1): f
    target_low: np.ndarray  # (n, K, degree + 1): what float64 rounds off f
    target_bound: float  # at least |f_k| everywhere
    nodes: np.ndarray  # Gauss-Legendre on [-1, 1], exact for |r|^2 p on a piece
    weights: np.ndarray


class LineSet(NamedTuple):
    """Target and density on segments, in parts: handing over an array costs as much as ten neurons."""

    segments: Segments
    values: SegmentValues


class LineMoments(NamedTuple):
    """Antiderivatives on the pieces of segments, as in `line.Integrals`."""

    mass: np.ndarray  # (n, 3, degree + 1)
    mass_total: np.ndarray  # (B, 3)
    target: np.ndarray  # (n, 2 K, degree + 1)
    target_total: np.ndarray  # (B, K, 2)
    bound: float
    near: float
    rule: np.ndarray  # (2, .)
    ends: np.ndarray  # (B, 2, 3 + 2 K, .)


@leaf
def _on_segment(segments, moments, b):
    """Return the data of segment b as that of a problem on the line."""
    first, last = segments.offsets[b], segments.offsets[b + 1]
    return Integrals(
        segments.middle,
        segments.middle_low,
        segments.half,
        segments.knots[first + b : last + b + 1],
        segments.centres[first:last],
        segments.scales[first:last],
        moments.mass[first:last],
        moments.mass_total[b],
        moments.target[first:last],
        moments.target_total[b],
        segments.lower,
        segments.upper,
        moments.bound,
        moments.near,
        moments.rule,
        moments.ends[b],
    )


@leaf
def _values_on_segment(segments, values, x_centres, x_half_widths, b):
    first, last = segments.offsets[b], segments.offsets[b + 1]
    return Values(
        x_centres[first:last],
        x_half_widths[first:last],
        values.density[first:last],
        values.target[first:last],
        values.target_low[first:last],
        values.target_bound,
        values.nodes,
        values.weights,
    )


@leaf
def _columns(theta, hidden, columns):
    """Copy the weights of layer 1 column by column: loops over neurons are then contiguous."""
    inputs = columns.shape[0]
    for m in range(inputs):
        column = columns[m]
        for i in range(hidden):
            column[i] = theta[i * inputs + m]


@leaf
def _add_multiple(target, factor, source):
    for i in range(target.shape[0]):
        target[i] += factor * source[i]


@leaf
def _restrict(theta, columns, position, coordinate, hidden, local):
    """Write weights along the coordinate and biases on a segment into `local`, a network on the line."""
    inputs = position.shape[0]
    weights, biases = local[:hidden], local[hidden : 2 * hidden]
    copy(columns[coordinate], weights)
    copy(theta[hidden * inputs : hidden * (inputs + 1)], biases)
    for m in range(inputs):
        if m != coordinate:
            _add_multiple(biases, position[m], columns[m])


@leaf
def _collect(gradient, sums, part, share, position, coordinate, hidden):
    """Add `share` times the gradient on a segment; that of the weights of layer 1 to `sums`, (d, H)."""
    inputs = position.shape[0]
    biases = part[hidden : 2 * hidden]
    _add_multiple(sums[coordinate], share, part[:hidden])
    for m in range(inputs):
        if m != coordinate:
            _add_multiple(sums[m], share * position[m], biases)
    rest = inputs * hidden
    _add_multiple(gradient[rest : rest + hidden], share, biases)
    _add_multiple(gradient[rest + hidden :], share, part[2 * hidden :])


class SegmentsWork(NamedTuple):
    """Scratch memory for the gradient of one network with one hidden layer."""

    orders: np.ndarray  # (B, H) uint64: the breakpoints' order on each segment, kept from call to call
    columns: np.ndarray  # (d, H): weights of layer 1
    sums: np.ndarray  # (d, H): their gradient
    local: np.ndarray  # parameters of the network on a segment, one on the line
    part: np.ndarray  # their gradient
    line: LineWork


@allocator
def segments_work(segments, hidden, outputs):
    """Return the scratch memory for H hidden neurons and K outputs."""
    inputs = segments.positions.shape[1]
    orders = np.empty((segments.weights.shape[0], hidden), np.uint64)
    for b in range(orders.shape[0]):
        for i in range(hidden):
            orders[b, i] = i
    parameters = 2 * hidden + outputs * (hidden + 1)
    return SegmentsWork(
        orders,
        np.empty((inputs, hidden)),
        np.empty((inputs, hidden)),
        np.empty(parameters),
        np.empty(parameters),
        line_work(hidden, outputs),
    )


@cold_leaf
def _gradient_of(segments, moments, theta, gradient, orders, columns, sums, local, part, work):
    # In a function of its own: what is compiled without reference counting must not return arrays to what
    # is compiled with it.
    hidden, inputs = orders.shape[1], columns.shape[0]
    for p in range(gradient.shape[0]):
        gradient[p] = 0.0
    for m in range(inputs):
        for i in range(hidden):
            sums[m, i] = 0.0
    _columns(theta, hidden, columns)
    copy(theta[(inputs + 1) * hidden :], local[2 * hidden :])
    for b in range(segments.weights.shape[0]):
        position = segments.positions[b]
        _restrict(theta, columns, position, segments.coordinate, hidden, local)
        copy(orders[b], work.order)
        gradient_into(_on_segment(segments, moments, b), local, part, work)
        copy(work.order, orders[b])
        _collect(gradient, sums, part, segments.weights[b], position, segments.coordinate, hidden)
    for m in range(inputs):
        for i in range(hidden):
            gradient[i * inputs + m] = sums[m, i]


@cold_leaf
def segments_gradient_into(segments, moments, theta, gradient, work):
    """Write the generalised gradient at `theta`, shape (P,), into `gradient`."""
    _gradient_of(
        segments,
        moments,
        theta,
        gradient,
        work.orders,
        work.columns,
        work.sums,
        work.local,
        work.part,
        work.line,
    )


@entry
def gradients(segments, moments, thetas, results, orders):
    """Write the generalised gradient at each row of `thetas`, (M, P), into `results`.

    `orders`, (M, B, H) uint64, holds any permutations to start sorting from; each leaves as the order of
    the breakpoints on its segment.
    """
    hidden, outputs = orders.shape[2], moments.target_total.shape[1]
    work = segments_work(segments, hidden, outputs)
    for m in range(thetas.shape[0]):
        _gradient_of(
            segments,
            moments,
            thetas[m],
            results[m],
            orders[m],
            work.columns,
            work.sums,
            work.local,
            work.part,
            work.line,
        )


@cold_leaf
def _risk_of(segments, values, moments, x_centres, x_half_widths, theta, columns, local, work):
    """Return the risk of one network; with twice the digits where it is small."""
    hidden, inputs = columns.shape[1], columns.shape[0]
    _columns(theta, hidden, columns)
    copy(theta[(inputs + 1) * hidden :], local[2 * hidden :])
    total = 0.0
    for exact in (False, True):
        total = 0.0
        scale = 0.0
        for b in range(segments.weights.shape[0]):
            _restrict(theta, columns, segments.positions[b], segments.coordinate, hidden, local)
            on_segment = LineData(
                _on_segment(segments, moments, b),
                _values_on_segment(segments, values, x_centres, x_half_widths, b),
            )
            part, size = risk_of(on_segment, local, work, exact)
            scale = max(scale, size)
            total += segments.weights[b] * part
        if total >= CANCELLATION * scale * scale:
            break
    return total


@entry
def risks(lines, moments, thetas, results, hidden):
    """Write the risk at each row of `thetas`, (M, P), into `results`, (M,); H hidden neurons."""
    segments, values = lines.segments, lines.values
    outputs, inputs = values.target.shape[1], segments.positions.shape[1]
    work = line_work(hidden, outputs)
    local = np.empty(2 * hidden + outputs * (hidden + 1))
    columns = np.empty((inputs, hidden))
    x_centres = segments.middle + (segments.half * segments.centres + segments.middle_low)
    x_half_widths = segments.half / segments.scales
    for m in range(thetas.shape[0]):
        results[m] = _risk_of(
            segments, values, moments, x_centres, x_half_widths, thetas[m], columns, local, work
        )
