"""One hidden layer on a line: the generalised gradient of the population risk.

The network is piecewise affine in x with the breakpoints -b_i / w_i. With the antiderivatives of
p, y p, y^2 p, f p and y f p at hand, one walk over the sorted breakpoints with the running slope
and value of the network gives the integrals of r = N - f and y r up to each breakpoint, and these
two running integrals give every entry of the gradient: O(H log H), whatever f is.

Inside, x = middle + half y with y in [-1, 1]: the running value is that in the middle of the
interval, so that an interval far from the origin costs no digits. Nor does it where the middle is
no double: what rounding it leaves is kept beside it. Each piece of f and p has its own
coordinate s = (y - centre) * scale in [-1, 1]; coefficients descend in s. Where a function takes
`theta`, it is (w, b, v, c) flattened: H, H, K x H, K numbers.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf, leaf_sum
from gfcompare.kernels.line_one_sided import (
    add_near_end,
    one_sided_gradient,
    rounds_off,
    set_aside,
)
from gfcompare.kernels.sorting import sort_pairs

# Sum of the sizes of what enters the network, over that of bias and target, up to which it need not be
# examined whether the running line rounds off what is small.
LARGE = 32.0


class Integrals(NamedTuple):
    """Antiderivatives of target and density that the gradient needs: n pieces, K outputs.

    `mass` holds the antiderivatives from y = -1 of p, y p and y^2 p (p per unit y), `target` those of
    f_k p (row 2 k) and y f_k p (row 2 k + 1); `mass_total` and `target_total` their values at y = 1.
    """

    middle: float
    middle_low: float  # what rounds off the middle
    half: float
    knots: np.ndarray  # (n + 1,), in y, from -1 to 1
    centres: np.ndarray  # (n,), in y
    scales: np.ndarray  # (n,)
    mass: np.ndarray  # (n, 3, degree + 1)
    mass_total: np.ndarray  # (3,)
    target: np.ndarray  # (n, 2 K, degree + 1)
    target_total: np.ndarray  # (K, 2)
    lower: float  # the ends of the interval, in x, as they were given
    upper: float
    bound: float  # at least |f_k| everywhere
    near: float  # distance from an end, in y, up to which `ends` are used
    # (4, .): Gauss-Legendre nodes and weights on [-1, 1], exact for y r p on a piece; and for y^2 p, then 0
    rule: np.ndarray
    # (2, 3 + 2 K, .): integrals over the distance a from the left and the right end of p, a p, a^2 p and of
    # f_k p, a f_k p, over a, a^2, a^3, a, a^2; coefficients descend in -s at the left end, s at the right one
    ends: np.ndarray


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
    spans: np.ndarray  # (6, H + 1): intervals between breakpoints, for `line_one_sided`


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
        np.empty((6, hidden + 1)),
    )


#: Rows of the arrays that `packed_line_work` takes.
PACKED_ORDERS, PACKED_ROWS = 2, 13


@leaf
def packed_line_work(orders, rows, lines, spans):
    """Return scratch memory in four arrays, (2, H) uint64, (13, H), (4, K) and (6, H + 1).

    For code in which it is handed through many functions: each array costs compile time in each of them.
    """
    return LineWork(
        orders[0],
        rows[0],
        orders[1],
        rows[1],
        rows[2],
        rows[3],
        rows[4],
        rows[5],
        rows[6],
        rows[7],
        rows[8],
        rows[9],
        rows[10],
        rows[11],
        rows[12],
        lines,
        spans,
    )


@leaf
def pre_activations(data, w, b, limit, slope, value, breaks):
    """Each pre-activation as slope * y + value, and its zero clipped to [-limit, limit].

    A neuron with w = 0 has no zero: it is put at the left limit if it is active, at the right one if
    it is dead, and counts as rising, which makes both come out right.
    """
    middle, low, half = data.middle, data.middle_low, data.half
    for i in range(w.shape[0]):
        rise = w[i] * half
        level = (b[i] + w[i] * middle) + w[i] * low
        slope[i] = rise
        value[i] = level
        zero = -level / rise
        zero = zero if zero > -limit else -limit
        zero = zero if zero < limit else limit
        without = -limit if level > 0.0 else limit
        breaks[i] = without if rise == 0.0 else zero


@leaf
def copy(source, target):
    """Copy an array; Numba compiles a loop in a hundredth of the time of a slice assignment."""
    for j in range(source.shape[0]):
        target[j] = source[j]


@leaf
def evaluate(coefficients, x, out):
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
    """Horner's scheme for two polynomials of one degree: their chains of operations overlap.

    Two degrees for each time that a value is loaded and stored, which costs more than the arithmetic.
    """
    count = p.shape[0]
    done = 2 - count % 2
    p0, q0 = p[0], q[0]
    if done == 1:
        for j in range(x.shape[0]):
            p_out[j] = p0
            q_out[j] = q0
    else:
        p1, q1 = p[1], q[1]
        for j in range(x.shape[0]):
            p_out[j] = p0 * x[j] + p1
            q_out[j] = q0 * x[j] + q1
    while done < count:
        p0, q0 = p[done], q[done]
        p1, q1 = p[done + 1], q[done + 1]
        for j in range(x.shape[0]):
            p_out[j] = (p_out[j] * x[j] + p0) * x[j] + p1
            q_out[j] = (q_out[j] * x[j] + q0) * x[j] + q1
        done += 2


@leaf
def _evaluate_three(p, q, r, x, p_out, q_out, r_out):
    """Horner's scheme for three polynomials of one degree."""
    count = p.shape[0]
    done = 2 - count % 2
    p0, q0, r0 = p[0], q[0], r[0]
    if done == 1:
        for j in range(x.shape[0]):
            p_out[j] = p0
            q_out[j] = q0
            r_out[j] = r0
    else:
        p1, q1, r1 = p[1], q[1], r[1]
        for j in range(x.shape[0]):
            p_out[j] = p0 * x[j] + p1
            q_out[j] = q0 * x[j] + q1
            r_out[j] = r0 * x[j] + r1
    while done < count:
        p0, q0, r0 = p[done], q[done], r[done]
        p1, q1, r1 = p[done + 1], q[done + 1], r[done + 1]
        for j in range(x.shape[0]):
            p_out[j] = (p_out[j] * x[j] + p0) * x[j] + p1
            q_out[j] = (q_out[j] * x[j] + q0) * x[j] + q1
            r_out[j] = (r_out[j] * x[j] + r0) * x[j] + r1
        done += 2


@leaf
def piece_of(knots, y, piece):
    """Return the first piece from `piece` on whose right end is not below y."""
    last = knots.shape[0] - 2
    while piece < last and knots[piece + 1] < y:
        piece += 1
    return piece


@leaf
def count_up_to(keys, start, limit):
    """Return the first position from `start` on whose key exceeds `limit`."""
    while start < keys.shape[0] and keys[start] <= limit:
        start += 1
    return start


@leaf
def _moments_one_by_one(data, k, work):
    """As `moments`, breakpoint by breakpoint: for pieces that hold few of them."""
    keys = work.keys
    mass, target = data.mass, data.target
    piece = 0
    for j in range(keys.shape[0]):
        piece = piece_of(data.knots, keys[j], piece)
        s = (keys[j] - data.centres[piece]) * data.scales[piece]
        if k == 0:
            m0, m1, m2 = mass[piece, 0, 0], mass[piece, 1, 0], mass[piece, 2, 0]
            for d in range(1, mass.shape[2]):
                m0 = m0 * s + mass[piece, 0, d]
                m1 = m1 * s + mass[piece, 1, d]
                m2 = m2 * s + mass[piece, 2, d]
            work.mass0[j] = m0
            work.mass1[j] = m1
            work.mass2[j] = m2
        f0, f1 = target[piece, 2 * k, 0], target[piece, 2 * k + 1, 0]
        for d in range(1, target.shape[2]):
            f0 = f0 * s + target[piece, 2 * k, d]
            f1 = f1 * s + target[piece, 2 * k + 1, d]
        work.target0[j] = f0
        work.target1[j] = f1


@leaf
def moments(data, k, work):
    """Antiderivatives for output k at the sorted breakpoints; those of p only with k = 0."""
    keys = work.keys
    hidden = keys.shape[0]
    last = data.centres.shape[0] - 1
    if last > 0 and hidden < 8 * (last + 1):
        _moments_one_by_one(data, k, work)
        return
    piece = 0
    start = 0
    while start < hidden:
        piece = piece_of(data.knots, keys[start], piece)
        stop = hidden if piece == last else count_up_to(keys, start, data.knots[piece + 1])
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
def leftmost_line(slope, value, breaks, v):
    """Slope and value (without the output bias) of the network left of every breakpoint inside.

    Also the sum of |v| (|slope| + |value|) over the neurons that are active somewhere, which bounds what
    the running line rounds. Neurons that are dead on the whole interval enter neither.
    """
    line_slope = 0.0
    line_value = 0.0
    size = 0.0
    for i in range(slope.shape[0]):
        falling = slope[i] < 0.0
        weight = v[i] if (breaks[i] > -1.0) == falling else 0.0
        line_slope += weight * slope[i]
        line_value += weight * value[i]
        live = breaks[i] > -1.0 if falling else breaks[i] < 1.0
        size += (abs(v[i]) if live else 0.0) * (abs(slope[i]) + abs(value[i]))
    return line_slope, line_value, size


@leaf
def inside(keys):
    """Return the positions of the first sorted breakpoint above -1 and of the first one not below 1."""
    first = 0
    while first < keys.shape[0] and keys[first] <= -1.0:
        first += 1
    last = keys.shape[0]
    while last > first and keys[last - 1] >= 1.0:
        last -= 1
    return first, last


@leaf
def walk(work, v, line_slope, line_value, mass_total, target_total):
    """Integrals of r and y r from y = -1 to each breakpoint; return those to y = 1, and the last line.

    By parts: the integral of the network times p up to t is slope(t) m1(t) + value(t) m0(t) less
    what each jump of slope and value to the left of t would have contributed before it happened.
    A breakpoint that was clipped to an end is none: the neuron is active everywhere or nowhere.
    """
    order, slope, value = work.order, work.slope, work.value
    m0, m1, m2, f0, f1 = work.mass0, work.mass1, work.mass2, work.target0, work.target1
    below0, below1 = work.below0, work.below1
    first, last = inside(work.keys)
    before0 = 0.0
    before1 = 0.0
    for j in range(first):
        below0[order[j]] = 0.0
        below1[order[j]] = 0.0
    for j in range(first, last):
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
    for j in range(last, order.shape[0]):
        below0[order[j]] = total0
        below1[order[j]] = total1
    return total0, total1, line_slope, line_value


@leaf
def gradient_of(middle, half, v, work, total0, total1, g_w, g_b, g_v):
    """Write the gradient of one output.

    A neuron that is dead on the whole interval gets exactly 0: it is 0 - 0 or total - total here.
    """
    slope, value, below0, below1 = work.slope, work.value, work.below0, work.below1
    for i in range(slope.shape[0]):
        falling = slope[i] < 0.0
        active0 = below0[i] if falling else total0 - below0[i]
        active1 = below1[i] if falling else total1 - below1[i]
        g_w[i] = (2.0 * v[i]) * (middle * active0 + half * active1)
        g_b[i] = (2.0 * v[i]) * active0
        g_v[i] = 2.0 * (slope[i] * active1 + value[i] * active0)


@cold_leaf
def _add_gradient_of(middle, half, v, work, total0, total1, g_w, g_b, g_v):
    """Add the gradient of a further output."""
    gradient_of(middle, half, v, work, total0, total1, work.target0, work.target1, g_v)
    for i in range(g_w.shape[0]):
        g_w[i] += work.target0[i]
        g_b[i] += work.target1[i]


@leaf
def collect(k, middle, half, v, work, total0, total1, g_w, g_b, g_v):
    """Turn the integrals up to the breakpoints into the gradient of output k, added to those before it."""
    if k == 0:
        gradient_of(middle, half, v, work, total0, total1, g_w, g_b, g_v)
    else:
        _add_gradient_of(middle, half, v, work, total0, total1, g_w, g_b, g_v)


@leaf
def sort_breakpoints(data, theta, work):
    """Fill in pre-activations and sorted breakpoints."""
    hidden = work.order.shape[0]
    w, b = theta[:hidden], theta[hidden : 2 * hidden]
    pre_activations(data, w, b, 1.0, work.slope, work.value, work.breaks)
    order, keys, breaks = work.order, work.keys, work.breaks
    for j in range(hidden):
        keys[j] = breaks[order[j]]
    sort_pairs(keys, order, work.spare_keys, work.spare_order)


@leaf
def needs_one_sided(data, k, theta, work):
    """Return the line left of every breakpoint for output k, and whether it would round off what is small."""
    hidden = work.order.shape[0]
    v = theta[(2 + k) * hidden : (3 + k) * hidden]
    bias = theta[(2 + data.target_total.shape[0]) * hidden + k]
    line_slope, line_value, size = leftmost_line(work.slope, work.value, work.breaks, v)
    steep = size > LARGE * (data.bound + abs(bias)) and rounds_off(data.bound, v, bias, work)
    return line_slope, line_value + bias, steep


@leaf
def is_large(data, k, theta, work):
    """Return whether the running line of output k is rounded by more than bias and target are.

    Not where it is no number.
    """
    hidden = work.order.shape[0]
    v = theta[(2 + k) * hidden : (3 + k) * hidden]
    bias = theta[(2 + data.target_total.shape[0]) * hidden + k]
    size = leftmost_line(work.slope, work.value, work.breaks, v)[2]
    return LARGE * (data.bound + abs(bias)) < size and size < np.inf


@leaf
def output_gradient(data, k, theta, v, weights, line_slope, line_value, work, g_w, g_b, g_v):
    """Write the gradient of output k, or add it to those before; return the integral of r p.

    `v` are the outgoing weights of the network, `weights` those by which g_w and g_b are multiplied: the
    same for the gradient, 1 for the second derivatives in `line_hessian`.
    """
    moments(data, k, work)
    total0, total1, end_slope, end_value = walk(
        work, v, line_slope, line_value, data.mass_total, data.target_total[k]
    )
    first, last = inside(work.keys)
    left, right = set_aside(data.near, work, first, last, total0, total1)
    collect(k, data.middle, data.half, weights, work, total0, total1, g_w, g_b, g_v)
    for side in range(2):
        if (right < last) if side else (left >= 0):
            add_near_end(
                k,
                theta,
                v,
                weights,
                end_value + end_slope if side else line_value - line_slope,
                -end_slope if side else line_slope,
                work.order,
                work.slope,
                data.ends[side],
                data.scales[data.scales.shape[0] - 1 if side else 0],
                data.upper if side else data.lower,
                data.half,
                1.0 if side else -1.0,
                last - 1 if side else first,
                right if side else left,
                g_w,
                g_b,
                g_v,
            )
    return total0


@leaf
def gradient_into(data, theta, gradient, work):
    """Write the generalised gradient at `theta`, shape (P,), into `gradient`."""
    hidden = work.order.shape[0]
    outputs = data.target_total.shape[0]
    g_w, g_b = gradient[:hidden], gradient[hidden : 2 * hidden]
    sort_breakpoints(data, theta, work)
    for k in range(outputs):
        v = theta[(2 + k) * hidden : (3 + k) * hidden]
        g_v = gradient[(2 + k) * hidden : (3 + k) * hidden]
        line_slope, line_value, steep = needs_one_sided(data, k, theta, work)
        if steep:
            one_sided_gradient(data, theta, gradient, work)
            return
        total0 = output_gradient(data, k, theta, v, v, line_slope, line_value, work, g_w, g_b, g_v)
        gradient[(2 + outputs) * hidden + k] = 2.0 * total0


@entry
def gradients(data, thetas, results, order):
    """Write the gradient at each row of `thetas`, shape (M, P), into `results`.

    `order`, shape (H,) uint64, is any permutation to start sorting from; it leaves as the order of
    the breakpoints of the last row.
    """
    work = line_work(order.shape[0], data.target_total.shape[0])
    copy(order, work.order)
    for m in range(thetas.shape[0]):
        gradient_into(data, thetas[m], results[m], work)
    copy(work.order, order)
