"""One hidden layer on a line: generalised gradient, risk and batch gradient.

The network is piecewise affine in x with the breakpoints -b_i / w_i. With the antiderivatives of
p, y p, y^2 p, f p and y f p at hand, one walk over the sorted breakpoints with the running slope
and value of the network gives the integrals of r = N - f and y r up to each breakpoint, and these
two running integrals give every entry of the gradient: O(H log H), whatever f is.

Inside, x = middle + half y with y in [-1, 1]: the running value is that in the middle of the
interval, so that an interval far from the origin costs no digits. Each piece of f and p has its own
coordinate s = (y - centre) * scale in [-1, 1]; coefficients descend in s. Where a function takes
`theta`, it is (w, b, v, c) flattened: H, H, K x H, K numbers.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, entry, leaf, leaf_exact, leaf_sum
from gfcompare.kernels.doubles import add, multiply, two_product, two_sum
from gfcompare.kernels.random import next_uniform
from gfcompare.kernels.sorting import sort_pairs

# Below this risk, relative to the square of the largest intermediate value, float64 would leave
# fewer than nine digits of the risk: it is then computed with twice the digits.
_CANCELLATION = 1e-9


class Integrals(NamedTuple):
    """What the gradient needs of target and density: antiderivatives on n pieces, K outputs.

    `mass` holds the antiderivatives from y = -1 of p, y p and y^2 p (p per unit y), `target` those of
    f_k p (row 2 k) and y f_k p (row 2 k + 1); `mass_total` and `target_total` their values at y = 1.
    """

    middle: float
    half: float
    knots: np.ndarray  # (n + 1,), in y, from -1 to 1
    centres: np.ndarray  # (n,), in y
    scales: np.ndarray  # (n,)
    mass: np.ndarray  # (n, 3, degree + 1)
    mass_total: np.ndarray  # (3,)
    target: np.ndarray  # (n, 2 K, degree + 1)
    target_total: np.ndarray  # (K, 2)


class Values(NamedTuple):
    """Target and density themselves, for the risk: on the same pieces.

    `value_high` + `value_low` are the coefficients of f_k, `density` those of p per unit x.
    """

    x_centres: np.ndarray  # (n,), x = x_centre + x_half_width * s
    x_half_widths: np.ndarray  # (n,)
    density: np.ndarray  # (n, degree + 1)
    value_high: np.ndarray  # (n, K, degree + 1)
    value_low: np.ndarray  # (n, K, degree + 1)
    value_bound: float  # at least |f_k| everywhere
    nodes: np.ndarray  # Gauss-Legendre on [-1, 1], exact for r^2 p on a piece
    weights: np.ndarray


class LineData(NamedTuple):
    """Target and density on an interval, prepared for the kernels.

    Two parts, because handing an array to compiled code costs as much as ten neurons.
    """

    integrals: Integrals
    values: Values


class LineWork(NamedTuple):
    """Scratch memory for one trajectory."""

    order: np.ndarray  # (H,) uint64: the breakpoints' order, kept from call to call
    keys: np.ndarray  # (H,): the breakpoints in that order
    spare_order: np.ndarray
    spare_keys: np.ndarray
    slope: np.ndarray  # (H,): slope of each pre-activation in y
    value: np.ndarray  # (H,): its value at y = 0
    breaks: np.ndarray  # (H,): its zero, clipped
    local: np.ndarray  # (H,): breakpoints in the coordinate of their piece
    mass0: np.ndarray  # (H,): antiderivatives at the sorted breakpoints
    mass1: np.ndarray
    mass2: np.ndarray
    target0: np.ndarray
    target1: np.ndarray
    below0: np.ndarray  # (H,): integral of r up to the breakpoint of neuron i
    below1: np.ndarray  # (H,): integral of y r
    lines: np.ndarray  # (4, K): slope and value of the network on the current piece, high and low


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
def line_work(hidden, outputs):
    """Return the scratch memory for H hidden neurons and K outputs."""
    return LineWork(
        np.arange(hidden).astype(np.uint64),
        np.empty(hidden),
        np.empty(hidden, np.uint64),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty((4, outputs)),
    )


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


# ---------------------------------------------------------------------------------------------------
# The parts of the walk
# ---------------------------------------------------------------------------------------------------


@leaf
def _pre_activations(middle, half, w, b, limit, slope, value, breaks):
    """Each pre-activation as slope * y + value, and its zero clipped to [-limit, limit].

    A neuron with w = 0 has no zero: it is put at the left limit if it is active, at the right one if
    it is dead, and counts as rising, which makes both come out right.
    """
    for i in range(w.shape[0]):
        rise = w[i] * half
        level = b[i] + w[i] * middle
        slope[i] = rise
        value[i] = level
        zero = -level / rise
        zero = zero if zero > -limit else -limit
        zero = zero if zero < limit else limit
        without = -limit if level > 0.0 else limit
        breaks[i] = without if rise == 0.0 else zero


@leaf
def _copy(source, target):
    """Copy an array; Numba compiles a loop in a hundredth of the time of a slice assignment."""
    for j in range(source.shape[0]):
        target[j] = source[j]


@leaf
def _evaluate(coefficients, x, out):
    """Horner's scheme over all points at once: out = polynomial(x)."""
    first = coefficients[0]
    for j in range(x.shape[0]):
        out[j] = first
    for d in range(1, coefficients.shape[0]):
        coefficient = coefficients[d]
        for j in range(x.shape[0]):
            out[j] = out[j] * x[j] + coefficient


@leaf
def _evaluate_two(p, q, x, p_out, q_out):
    """Horner's scheme for two polynomials of one degree: their chains of operations overlap."""
    p_first, q_first = p[0], q[0]
    for j in range(x.shape[0]):
        p_out[j] = p_first
        q_out[j] = q_first
    for d in range(1, p.shape[0]):
        p_next, q_next = p[d], q[d]
        for j in range(x.shape[0]):
            p_out[j] = p_out[j] * x[j] + p_next
            q_out[j] = q_out[j] * x[j] + q_next


@leaf
def _evaluate_three(p, q, r, x, p_out, q_out, r_out):
    """Horner's scheme for three polynomials of one degree."""
    p_first, q_first, r_first = p[0], q[0], r[0]
    for j in range(x.shape[0]):
        p_out[j] = p_first
        q_out[j] = q_first
        r_out[j] = r_first
    for d in range(1, p.shape[0]):
        p_next, q_next, r_next = p[d], q[d], r[d]
        for j in range(x.shape[0]):
            p_out[j] = p_out[j] * x[j] + p_next
            q_out[j] = q_out[j] * x[j] + q_next
            r_out[j] = r_out[j] * x[j] + r_next


@leaf
def _piece_of(knots, y, piece):
    """Return the first piece from `piece` on whose right end is not below y."""
    last = knots.shape[0] - 2
    while piece < last and knots[piece + 1] < y:
        piece += 1
    return piece


@leaf
def _count_up_to(keys, start, limit):
    """Return the first position from `start` on whose key exceeds `limit`."""
    while start < keys.shape[0] and keys[start] <= limit:
        start += 1
    return start


@leaf
def _moments(data, k, work):
    """Antiderivatives for output k at the sorted breakpoints; those of p only with k = 0."""
    keys = work.keys
    hidden = keys.shape[0]
    last = data.centres.shape[0] - 1
    piece = 0
    start = 0
    while start < hidden:
        piece = _piece_of(data.knots, keys[start], piece)
        stop = hidden if piece == last else _count_up_to(keys, start, data.knots[piece + 1])
        centre, scale = data.centres[piece], data.scales[piece]
        local, source = work.local[start:stop], keys[start:stop]
        for j in range(local.shape[0]):
            local[j] = (source[j] - centre) * scale
        if k == 0:
            _evaluate_three(
                data.mass[piece, 0],
                data.mass[piece, 1],
                data.mass[piece, 2],
                local,
                work.mass0[start:stop],
                work.mass1[start:stop],
                work.mass2[start:stop],
            )
        _evaluate_two(
            data.target[piece, 2 * k],
            data.target[piece, 2 * k + 1],
            local,
            work.target0[start:stop],
            work.target1[start:stop],
        )
        start = stop


@leaf_sum
def _leftmost_line(slope, value, v):
    """Slope and value (without the output bias) of the network left of every breakpoint."""
    line_slope = 0.0
    line_value = 0.0
    for i in range(slope.shape[0]):
        weight = v[i] if slope[i] < 0.0 else 0.0
        line_slope += weight * slope[i]
        line_value += weight * value[i]
    return line_slope, line_value


@leaf
def _walk(work, v, line_slope, line_value, mass_total, target_total):
    """Integrals of r and y r from y = -1 to each breakpoint; return those to y = 1.

    By parts: the integral of the network times p up to t is slope(t) m1(t) + value(t) m0(t) less
    what each jump of slope and value to the left of t would have contributed before it happened.
    """
    order, slope, value = work.order, work.slope, work.value
    m0, m1, m2, f0, f1 = work.mass0, work.mass1, work.mass2, work.target0, work.target1
    below0, below1 = work.below0, work.below1
    before0 = 0.0
    before1 = 0.0
    for j in range(order.shape[0]):
        i = order[j]
        below0[i] = (line_slope * m1[j] + line_value * m0[j]) - (f0[j] + before0)
        below1[i] = (line_slope * m2[j] + line_value * m1[j]) - (f1[j] + before1)
        weight = -v[i] if slope[i] < 0.0 else v[i]
        slope_jump = weight * slope[i]
        value_jump = weight * value[i]
        line_slope += slope_jump
        line_value += value_jump
        before0 += slope_jump * m1[j] + value_jump * m0[j]
        before1 += slope_jump * m2[j] + value_jump * m1[j]
    total0 = (line_slope * mass_total[1] + line_value * mass_total[0]) - (target_total[0] + before0)
    total1 = (line_slope * mass_total[2] + line_value * mass_total[1]) - (target_total[1] + before1)
    return total0, total1


@leaf
def _collect(middle, half, w, b, v, work, limit, total0, total1, g_w, g_b, g_v):
    """Turn the integrals up to the breakpoints into the gradient, for one output.

    A neuron that is dead up to the limit gets exactly 0, not what rounding leaves of a difference.
    """
    slope, breaks, below0, below1 = work.slope, work.breaks, work.below0, work.below1
    for i in range(w.shape[0]):
        falling = slope[i] < 0.0
        dead = breaks[i] <= -limit if falling else breaks[i] >= limit
        active0 = below0[i] if falling else total0 - below0[i]
        active1 = below1[i] if falling else total1 - below1[i]
        active0 = 0.0 if dead else active0
        active1 = 0.0 if dead else active1
        active1 = middle * active0 + half * active1
        g_w[i] += (2.0 * v[i]) * active1
        g_b[i] += (2.0 * v[i]) * active0
        g_v[i] = 2.0 * (w[i] * active1 + b[i] * active0)


@leaf
def _sort_breakpoints(data, theta, work):
    """Fill in pre-activations and sorted breakpoints."""
    hidden = work.order.shape[0]
    w, b = theta[:hidden], theta[hidden : 2 * hidden]
    _pre_activations(data.middle, data.half, w, b, 1.0, work.slope, work.value, work.breaks)
    order, keys, breaks = work.order, work.keys, work.breaks
    for j in range(hidden):
        keys[j] = breaks[order[j]]
    sort_pairs(keys, order, work.spare_keys, work.spare_order)


# ---------------------------------------------------------------------------------------------------
# The gradient
# ---------------------------------------------------------------------------------------------------


@leaf
def gradient_into(data, theta, gradient, work):
    """Write the generalised gradient at `theta`, shape (P,), into `gradient`."""
    hidden = work.order.shape[0]
    outputs = data.target_total.shape[0]
    w, b = theta[:hidden], theta[hidden : 2 * hidden]
    g_w, g_b = gradient[:hidden], gradient[hidden : 2 * hidden]
    _sort_breakpoints(data, theta, work)
    for i in range(hidden):
        g_w[i] = 0.0
        g_b[i] = 0.0
    for k in range(outputs):
        v = theta[(2 + k) * hidden : (3 + k) * hidden]
        g_v = gradient[(2 + k) * hidden : (3 + k) * hidden]
        _moments(data, k, work)
        line_slope, line_value = _leftmost_line(work.slope, work.value, v)
        line_value += theta[(2 + outputs) * hidden + k]
        total0, total1 = _walk(work, v, line_slope, line_value, data.mass_total, data.target_total[k])
        _collect(data.middle, data.half, w, b, v, work, 1.0, total0, total1, g_w, g_b, g_v)
        gradient[(2 + outputs) * hidden + k] = 2.0 * total0


@entry
def gradients(data, thetas, results, order):
    """Write the gradient at each row of `thetas`, shape (M, P), into `results`.

    `order`, shape (H,) uint64, is any permutation to start sorting from; it leaves as the order of
    the breakpoints of the last row.
    """
    work = line_work(order.shape[0], data.target_total.shape[0])
    _copy(order, work.order)
    for m in range(thetas.shape[0]):
        gradient_into(data, thetas[m], results[m], work)
    _copy(work.order, order)


# ---------------------------------------------------------------------------------------------------
# The risk
# ---------------------------------------------------------------------------------------------------


@leaf_exact
def _shift_line(lines, k, v, w, b, sign):
    """Add sign * v * (w x + b) to the line of output k."""
    p, e = two_product(v, w)
    lines[0, k], lines[1, k] = add(lines[0, k], lines[1, k], sign * p, sign * e)
    p, e = two_product(v, b)
    lines[2, k], lines[3, k] = add(lines[2, k], lines[3, k], sign * p, sign * e)


@leaf_exact
def _residual_exact(data, piece, k, s, lines):
    """N_k - f_k at the coordinate s of a piece, with twice the digits, then rounded."""
    p, e = two_product(data.values.x_half_widths[piece], s)
    x, x_low = add(p, e, data.values.x_centres[piece], 0.0)
    n, n_low = multiply(lines[0, k], lines[1, k], x, x_low)
    n, n_low = add(n, n_low, lines[2, k], lines[3, k])
    high, low = data.values.value_high[piece, k], data.values.value_low[piece, k]
    f, f_low = high[0], low[0]
    for d in range(1, high.shape[0]):
        f, f_low = multiply(f, f_low, s, 0.0)
        f, f_low = add(f, f_low, high[d], low[d])
    r, e = two_sum(n, -f)
    return r + (e + (n_low - f_low))


@leaf
def _residual(data, piece, k, s, lines):
    """N_k - f_k at the coordinate s of a piece."""
    x = data.values.x_centres[piece] + data.values.x_half_widths[piece] * s
    f = 0.0
    high = data.values.value_high[piece, k]
    for d in range(high.shape[0]):
        f = f * s + high[d]
    return (lines[0, k] * x + lines[2, k]) - f


@leaf
def _interval_risk(data, piece, left, right, lines, exact):
    """Integral of |r|^2 p over [left, right] (in y) inside a piece, by Gauss-Legendre."""
    start = (left - data.integrals.centres[piece]) * data.integrals.scales[piece]
    stop = (right - data.integrals.centres[piece]) * data.integrals.scales[piece]
    middle, half = 0.5 * (start + stop), 0.5 * (stop - start)
    result = 0.0
    for q in range(data.values.nodes.shape[0]):
        s = middle + half * data.values.nodes[q]
        density = 0.0
        for d in range(data.values.density.shape[1]):
            density = density * s + data.values.density[piece, d]
        square = 0.0
        for k in range(lines.shape[1]):
            if exact:
                r = _residual_exact(data, piece, k, s, lines)
            else:
                r = _residual(data, piece, k, s, lines)
            square += r * r
        result += data.values.weights[q] * density * square
    return result * half * data.values.x_half_widths[piece]


@leaf
def _start_lines(theta, hidden, slope, lines):
    """Set the lines to the network left of every breakpoint."""
    outputs = lines.shape[1]
    for k in range(outputs):
        lines[0, k] = 0.0
        lines[1, k] = 0.0
        lines[2, k] = theta[(2 + outputs) * hidden + k]
        lines[3, k] = 0.0
        for i in range(hidden):
            if slope[i] < 0.0:
                v = theta[(2 + k) * hidden + i]
                _shift_line(lines, k, v, theta[i], theta[hidden + i], 1.0)


@leaf
def _sweep(data, theta, work, exact):
    """Risk from the sorted breakpoints, interval by interval."""
    keys, order, lines, knots = work.keys, work.order, work.lines, data.integrals.knots
    hidden = order.shape[0]
    last = data.integrals.centres.shape[0] - 1
    _start_lines(theta, hidden, work.slope, lines)
    result = 0.0
    left = -1.0
    piece = 0
    j = 0
    while True:
        while j < hidden and keys[j] <= left:
            i = order[j]
            sign = -1.0 if work.slope[i] < 0.0 else 1.0
            for k in range(lines.shape[1]):
                v = theta[(2 + k) * hidden + i]
                _shift_line(lines, k, v, theta[i], theta[hidden + i], sign)
            j += 1
        while piece < last and knots[piece + 1] <= left:
            piece += 1
        if left >= 1.0:
            return result
        right = 1.0 if piece == last else knots[piece + 1]
        if j < hidden and keys[j] < right:
            right = keys[j]
        result += _interval_risk(data, piece, left, right, lines, exact)
        left = right


@leaf_sum
def _largest_term(data, theta, hidden, outputs):
    """Bound of every intermediate value in the evaluation of the network and the target."""
    reach = abs(data.integrals.middle) + data.integrals.half
    largest = 0.0
    for k in range(outputs):
        total = abs(theta[(2 + outputs) * hidden + k])
        for i in range(hidden):
            level = abs(theta[i]) * reach + abs(theta[hidden + i])
            total += abs(theta[(2 + k) * hidden + i]) * level
        largest = max(largest, total)
    return largest + data.values.value_bound


@entry
def risks(data, thetas, results, order):
    """Write the risk at each row of `thetas`, shape (M, P), into `results`, shape (M,)."""
    outputs = data.integrals.target_total.shape[0]
    work = line_work(order.shape[0], outputs)
    _copy(order, work.order)
    for m in range(thetas.shape[0]):
        theta = thetas[m]
        scale = _largest_term(data, theta, order.shape[0], outputs)
        if not scale < 1e150:  # its square overflows, or it is not a number: so is the risk
            results[m] = scale * scale
            continue
        _sort_breakpoints(data.integrals, theta, work)
        risk = 0.0
        for exact in (False, True):
            risk = _sweep(data, theta, work, exact)
            if risk >= _CANCELLATION * scale * scale:
                break
        results[m] = risk
    _copy(work.order, order)


# ---------------------------------------------------------------------------------------------------
# Sampling, and the gradient over a batch
# ---------------------------------------------------------------------------------------------------


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
    if degree == 2:  # constant density on every piece
        s = (u - mass[left, 0, 1]) / mass[left, 0, 0]
        y = data.centres[left] + s / data.scales[left]
        return min(max(y, data.knots[left]), data.knots[left + 1])
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


@entry
def quantiles(data, uniforms, results):
    """Write x = quantile(u) for each u, both of shape (n,)."""
    for j in range(uniforms.shape[0]):
        results[j] = data.integrals.middle + data.integrals.half * quantile(data.integrals, uniforms[j])


@leaf
def draw_batch(data, state, batch):
    """Draw points into `batch.points` with the random stream `state`, sorted.

    Uniform numbers are sorted by a bucket for each, in linear time, then mapped by the quantile.
    """
    points, drawn, ends = batch.points, batch.spare_points, batch.ends
    count = points.shape[0]
    for j in range(count):
        ends[j] = 0
    for j in range(count):
        drawn[j] = next_uniform(state)
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
    for j in range(count):
        points[j] = quantile(data.integrals, points[j])


@leaf
def _targets_at_points(data, batch):
    """Evaluate f at the sorted points."""
    points = batch.points
    last = data.integrals.centres.shape[0] - 1
    piece = 0
    start = 0
    while start < points.shape[0]:
        piece = _piece_of(data.integrals.knots, points[start], piece)
        if piece == last:
            stop = points.shape[0]
        else:
            stop = _count_up_to(points, start, data.integrals.knots[piece + 1])
        centre, scale = data.integrals.centres[piece], data.integrals.scales[piece]
        local, source = batch.spare_points[start:stop], points[start:stop]
        for j in range(local.shape[0]):
            local[j] = (source[j] - centre) * scale
        for k in range(data.values.value_high.shape[1]):
            _evaluate(data.values.value_high[piece, k], local, batch.targets[k, start:stop])
        start = stop


@leaf
def _count_below(points, slope, breaks, positions):
    """How many points lie left of each breakpoint, or on it where the neuron rises.

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


@leaf
def batch_gradient_into(data, theta, gradient, work, batch):
    """Write the mean of the generalised gradient over the sorted points of `batch`."""
    hidden = work.order.shape[0]
    outputs = data.integrals.target_total.shape[0]
    w, b = theta[:hidden], theta[hidden : 2 * hidden]
    g_w, g_b = gradient[:hidden], gradient[hidden : 2 * hidden]
    _pre_activations(
        data.integrals.middle, data.integrals.half, w, b, np.inf, work.slope, work.value, work.breaks
    )
    _targets_at_points(data, batch)
    _count_below(batch.points, work.slope, work.breaks, batch.positions)
    for i in range(hidden):
        g_w[i] = 0.0
        g_b[i] = 0.0
    for k in range(outputs):
        v = theta[(2 + k) * hidden : (3 + k) * hidden]
        g_v = gradient[(2 + k) * hidden : (3 + k) * hidden]
        bias = theta[(2 + outputs) * hidden + k]
        total0, total1 = _batch_sums(work, batch, v, bias, batch.targets[k])
        for i in range(hidden):
            work.below0[i] = batch.sums0[batch.positions[i]]
            work.below1[i] = batch.sums1[batch.positions[i]]
        _collect(
            data.integrals.middle, data.integrals.half, w, b, v, work, np.inf, total0, total1, g_w, g_b, g_v
        )
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
    for i in range(slope.shape[0]):
        weight = -v[i] if slope[i] < 0.0 else v[i]
        slope_jumps[positions[i]] += weight * slope[i]
        value_jumps[positions[i]] += weight * value[i]
    line_slope, line_value = _leftmost_line(slope, value, v)
    line_value += bias
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
            batch.points[j] = (points[m, j] - data.integrals.middle) / data.integrals.half
        sort_pairs(batch.points, batch.order, batch.spare_points, batch.spare_order)
        batch_gradient_into(data, thetas[m], results[m], work, batch)
