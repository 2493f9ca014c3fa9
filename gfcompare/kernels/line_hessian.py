"""One hidden layer on a line: the Hessian of the population risk, exactly, in O(H^2).

With r = N - f and I_i the half line where neuron i is active, cut to the interval, it is the sum of

- 2 sum_k int d_a N_k d_b N_k p: every entry combines the integrals of p, x p and x^2 p over the overlap
  of I_i and I_j, which is an interval between two breakpoints: differences of antiderivatives;
- 2 sum_k int r_k d_a d_b N_k p away from the kinks: int of x r_k over I_i for (w_i, v_ki), of r_k for
  (b_i, v_ki), the running integrals that give the gradient;
- the same at the kinks: N bends at t_i = -b_i / w_i, and moving a bend costs
  2 sum_k v_ki r_k(t_i) p(t_i) / |w_i| times t_i^2, t_i, 1 for (w_i, w_i), (w_i, b_i), (b_i, b_i).

Conventions, all of them the limit from one side where the gradient has a kink in theta itself: a
breakpoint on an end of the interval, or outside, gives no term of the third kind; where f or p jumps at
t_i, their values from the left are taken; w_i = 0 gives no such term either. See `line` for the notation.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf
from gfcompare.kernels.line import (
    PACKED_ROWS,
    LineWork,
    copy,
    inside,
    is_large,
    line_work,
    moments,
    needs_one_sided,
    output_gradient,
    packed_line_work,
    piece_of,
    sort_breakpoints,
)
from gfcompare.kernels.line_one_sided import (
    add_inner,
    inner_integrals,
    network_on_spans,
    place,
    span,
    value_at,
)

# Edge of the square tiles in which the upper triangle is copied to the lower one: column by column every
# number would come from another cache line.
_TILE = 16
# Length of an overlap, in y, below which it is integrated by quadrature.
_SHORT = 0.5


class HessianWork(NamedTuple):
    """Scratch memory for one Hessian."""

    line: LineWork
    starts: np.ndarray  # (H,): where I_i begins, in y
    stops: np.ndarray  # (H,): where it ends; for a dead neuron where it begins
    start_mass: np.ndarray  # (3, H): antiderivatives of p, y p and y^2 p there
    stop_mass: np.ndarray  # (3, H)
    overlap: np.ndarray  # (3, H): integrals of p, x p and x^2 p over I_i and I_j, for one i
    activation: np.ndarray  # (3, H): those of a_j p, a_i a_j p and x a_j p, a_j the activation of neuron j
    from_left: np.ndarray  # (H,): distances, in y, of the zero from the ends; see `_distances`
    from_right: np.ndarray  # (H,)
    coupling: np.ndarray  # (H,): 2 sum_k v_ki v_kj, for one i
    bends: np.ndarray  # (H,): sum_k v_ki r_k(t_i)
    ones: np.ndarray  # (H,)
    residual: np.ndarray  # (3, H): twice the integrals over I_i of x r_k, r_k and a_i r_k


@allocator
def hessian_work(hidden, outputs):
    """Return the scratch memory for H hidden neurons and K outputs."""
    return HessianWork(
        line_work(hidden, outputs),
        np.empty(hidden),
        np.empty(hidden),
        np.empty((3, hidden)),
        np.empty((3, hidden)),
        np.empty((3, hidden)),
        np.empty((3, hidden)),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.empty(hidden),
        np.ones(hidden),
        np.empty((3, hidden)),
    )


#: Rows of floating-point numbers that `packed_hessian_work` takes.
PACKED_HESSIAN_ROWS = PACKED_ROWS + 22


@leaf
def packed_hessian_work(orders, rows, lines, spans):
    """Return scratch memory in four arrays, the second (35, H): see `packed_line_work`."""
    first = PACKED_ROWS
    for i in range(rows.shape[1]):
        rows[first + 4, i] = 1.0
    return HessianWork(
        packed_line_work(orders, rows, lines, spans),
        rows[first],
        rows[first + 1],
        rows[first + 5 : first + 8],
        rows[first + 8 : first + 11],
        rows[first + 11 : first + 14],
        rows[first + 14 : first + 17],
        rows[first + 20],
        rows[first + 21],
        rows[first + 2],
        rows[first + 3],
        rows[first + 4],
        rows[first + 17 : first + 20],
    )


@leaf
def _half_lines(mass_total, work):
    """Fill in both ends of every I_i and the antiderivatives there.

    A dead neuron has its clipped breakpoint on an end of the interval and no room behind it: it begins
    where it ends, and all its overlaps are exactly empty.
    """
    line = work.line
    for j in range(line.order.shape[0]):
        i = line.order[j]
        falling = line.slope[i] < 0.0
        work.starts[i] = -1.0 if falling else line.keys[j]
        work.stops[i] = line.keys[j] if falling else 1.0
        for d, m in enumerate((line.mass0[j], line.mass1[j], line.mass2[j])):
            work.start_mass[d, i] = 0.0 if falling else m
            work.stop_mass[d, i] = m if falling else mass_total[d]


@leaf
def _overlaps(middle, half, i, work):
    """Integrate over the overlap of I_i with every I_j; return whether some of them are short."""
    rise, level = work.line.slope[i], work.line.value[i]
    short = 0
    starts, stops, start_mass, stop_mass = work.starts, work.stops, work.start_mass, work.stop_mass
    overlap, activation = work.overlap, work.activation
    for j in range(starts.shape[0]):
        first = i if starts[i] > starts[j] else j
        last = i if stops[i] < stops[j] else j
        empty = stops[last] <= starts[first]
        m0 = 0.0 if empty else stop_mass[0, last] - start_mass[0, first]
        m1 = 0.0 if empty else stop_mass[1, last] - start_mass[1, first]
        m2 = 0.0 if empty else stop_mass[2, last] - start_mass[2, first]
        x1 = middle * m0 + half * m1
        overlap[0, j] = m0
        overlap[1, j] = x1
        overlap[2, j] = middle * x1 + half * (middle * m1 + half * m2)
        slope, value = work.line.slope[j], work.line.value[j]
        a0 = slope * m1 + value * m0
        a1 = slope * m2 + value * m1
        activation[0, j] = a0
        activation[1, j] = rise * a1 + level * a0
        activation[2, j] = middle * a0 + half * a1
        short += 1 if not empty and stops[last] - starts[first] < _SHORT else 0
    return short > 0


@leaf
def _distances(data, theta, work):
    """Distances of the zeros from both ends, each with few roundings however small it is.

    A neuron that is active everywhere has its zero outside: one distance is negative.
    """
    hidden = work.starts.shape[0]
    for i in range(hidden):
        w, b = theta[i], theta[hidden + i]
        size = abs(work.line.slope[i])
        sign = -1.0 if work.line.slope[i] < 0.0 else 1.0
        work.from_left[i] = -sign * value_at(w, data.lower, b) / size
        work.from_right[i] = sign * value_at(w, data.upper, b) / size


@leaf
def _gap(left_of, right_of, of_left, of_right):
    """Return how far a point lies right of another; both by their distances from the two ends."""
    return of_right - right_of if right_of <= 1.0 else left_of - of_left


@cold_leaf
def _short_overlaps(data, i, theta, work):
    """Integrate anew over the short overlaps of I_i with the other I_j, by quadrature.

    Differences of antiderivatives have few digits there. The activations are taken from the distances to
    the zeros, so that nothing cancels.
    """
    starts, stops, slope, value = work.starts, work.stops, work.line.slope, work.line.value
    left, right = work.from_left, work.from_right
    last_piece = data.centres.shape[0] - 1
    count = data.rule.shape[1]
    while data.rule[3, count - 1] == 0.0:
        count -= 1
    for j in range(starts.shape[0]):
        first = i if starts[i] > starts[j] else j
        last = i if stops[i] < stops[j] else j
        if stops[last] <= starts[first] or stops[last] - starts[first] >= _SHORT:
            continue
        start_left, start_right = (left[first], right[first]) if starts[first] > -1.0 else (0.0, 2.0)
        stop_left, stop_right = (left[last], right[last]) if stops[last] < 1.0 else (2.0, 0.0)
        length = max(_gap(stop_left, stop_right, start_left, start_right), 0.0)
        at_start = starts[first]
        # The middle by its distance from the nearer end, in x as well: an end may lie at 0.
        if at_start > 0.0:
            middle = 1.0 - 0.5 * (start_right + stop_right)
            position = data.upper - data.half * (0.5 * (start_right + stop_right))
        else:
            middle = 0.5 * (start_left + stop_left) - 1.0
            position = data.lower + data.half * (0.5 * (start_left + stop_left))
        # Distance of the middle from the zero of either neuron, in the direction in which it grows.
        levels = (
            _level(i, slope, value, left, right, start_left, start_right, stop_left, stop_right, length),
            _level(j, slope, value, left, right, start_left, start_right, stop_left, stop_right, length),
        )
        s0 = s1 = s2 = a0 = a1 = a2 = 0.0
        begin = -0.5 * length
        piece = piece_of(data.knots, middle + begin, 0)
        while True:
            whole = piece == last_piece or middle + 0.5 * length <= data.knots[piece + 1]
            end = 0.5 * length if whole else data.knots[piece + 1] - middle
            shift, half = 0.5 * (begin + end), 0.5 * (end - begin)
            for q in range(count):
                distance = shift + half * data.rule[2, q]
                s = (middle - data.centres[piece] + distance) * data.scales[piece]
                density = 0.0
                top = data.mass.shape[2] - 1
                for d in range(top):
                    density = density * s + (top - d) * data.mass[piece, 0, d]
                density *= data.rule[3, q] * half * data.scales[piece]
                x = position + data.half * distance
                zi = max(levels[0] + slope[i] * distance, 0.0)
                zj = max(levels[1] + slope[j] * distance, 0.0)
                s0 += density
                s1 += density * x
                s2 += density * x * x
                a0 += density * zj
                a1 += density * zi * zj
                a2 += density * zj * x
            if whole:
                break
            begin = end
            piece += 1
        work.overlap[0, j] = s0
        work.overlap[1, j] = s1
        work.overlap[2, j] = s2
        work.activation[0, j] = a0
        work.activation[1, j] = a1
        work.activation[2, j] = a2


@leaf
def _level(i, slope, value, left, right, start_left, start_right, stop_left, stop_right, length):
    """Return the pre-activation of a neuron in the middle of an overlap on which it is active."""
    size = abs(slope[i])
    if size == 0.0:
        return value[i]
    if slope[i] > 0.0:
        gap = _gap(start_left, start_right, left[i], right[i])
    else:
        gap = _gap(left[i], right[i], stop_left, stop_right)
    return size * (gap + 0.5 * length)


@leaf
def _product(factor, source, target):
    """Write factor * source into target."""
    for j in range(source.shape[0]):
        target[j] = factor * source[j]


@leaf
def _products(factors, source, target):
    """Write factors * source into target, entry by entry."""
    for j in range(source.shape[0]):
        target[j] = factors[j] * source[j]


@leaf
def _fill_rows(theta, outputs, i, work, hessian):
    """Write the products of first derivatives in the rows of neuron i, right of the diagonal.

    Whole blocks are written; what lies left of the diagonal in them is overwritten later.
    """
    hidden = work.starts.shape[0]
    biases = (2 + outputs) * hidden
    overlap, activation, coupling = work.overlap, work.activation, work.coupling
    row_w, row_b = hessian[i], hessian[hidden + i]
    for j in range(hidden):
        coupling[j] = 0.0
    for k in range(outputs):
        start, stop = (2 + k) * hidden, (3 + k) * hidden
        weight = 2.0 * theta[start + i]
        for j in range(hidden):
            coupling[j] += weight * theta[start + j]
        _product(weight, activation[2], row_w[start:stop])
        _product(weight, activation[0], row_b[start:stop])
        row_w[biases + k] = weight * overlap[1, i]
        row_b[biases + k] = weight * overlap[0, i]
        row_v = hessian[start + i]
        for j in range(stop, row_v.shape[0]):
            row_v[j] = 0.0
        _product(2.0, activation[1], row_v[start : start + hidden])
        row_v[biases + k] = 2.0 * activation[0, i]
    _products(coupling, overlap[2], row_w[:hidden])
    _products(coupling, overlap[1], row_w[hidden : 2 * hidden])
    _products(coupling, overlap[0], row_b[hidden : 2 * hidden])


@leaf
def _fill_products(data, theta, work, hessian):
    """Write 2 sum_k int d_a N_k d_b N_k p on and above the diagonal."""
    hidden = work.starts.shape[0]
    outputs = data.target_total.shape[0]
    biases = (2 + outputs) * hidden
    _half_lines(data.mass_total, work)
    _distances(data, theta, work)
    for i in range(hidden):
        if _overlaps(data.middle, data.half, i, work):
            _short_overlaps(data, i, theta, work)
        _fill_rows(theta, outputs, i, work, hessian)
    for k in range(outputs):
        for other in range(k, outputs):
            hessian[biases + k, biases + other] = 2.0 * data.mass_total[0] if other == k else 0.0


@leaf
def _at(data, coefficients, piece, y):
    """Evaluate the polynomial of a piece at y."""
    s = (y - data.integrals.centres[piece]) * data.integrals.scales[piece]
    result = coefficients[0]
    for d in range(1, coefficients.shape[0]):
        result = result * s + coefficients[d]
    return result


@leaf
def _add_bends(data, k, v, line_slope, line_value, work):
    """Add v_ki r_k(t_i), walking over the sorted breakpoints with the line of the network."""
    line, bends = work.line, work.bends
    piece = 0
    first, last = inside(line.keys)
    for j in range(first, last):
        i, y = line.order[j], line.keys[j]
        piece = piece_of(data.integrals.knots, y, piece)
        f = _at(data, data.values.value_high[piece, k], piece, y)
        bends[i] += v[i] * ((line_slope * y + line_value) - f)
        weight = -v[i] if line.slope[i] < 0.0 else v[i]
        line_slope += weight * line.slope[i]
        line_value += weight * line.value[i]


@leaf
def _add_curvature(data, theta, work, hessian):
    """Add what moving the bends costs: on the diagonals of the blocks (w, w), (w, b) and (b, b)."""
    line = work.line
    hidden = line.order.shape[0]
    piece = 0
    for j in range(hidden):
        i, y = line.order[j], line.keys[j]
        if y <= -1.0 or y >= 1.0:
            continue
        piece = piece_of(data.integrals.knots, y, piece)
        density = _at(data, data.values.density[piece], piece, y)
        curvature = 2.0 * density * work.bends[i] / abs(theta[i])
        t = -theta[hidden + i] / theta[i]
        hessian[i, i] += curvature * t * t
        hessian[i, hidden + i] += curvature * t
        hessian[hidden + i, hidden + i] += curvature


@leaf
def _mirror(matrix):
    """Copy what lies above the diagonal below it: the result is symmetric to the bit."""
    size = matrix.shape[0]
    for top in range(0, size, _TILE):
        for left in range(0, top + 1, _TILE):
            for a in range(top, min(top + _TILE, size)):
                for b in range(left, min(left + _TILE, a)):
                    matrix[a, b] = matrix[b, a]


@cold_leaf
def _one_sided_residuals(data, theta, work, hessian):
    """Add the integrals of the residual, and find the bends, where the running line would round off."""
    integrals, line, r = data.integrals, work.line, work.residual
    hidden = line.order.shape[0]
    outputs = integrals.target_total.shape[0]
    first, last = place(integrals, theta, line)
    for k in range(outputs):
        start, stop = (2 + k) * hidden, (3 + k) * hidden
        v = theta[start:stop]
        network_on_spans(v, theta[(2 + outputs) * hidden + k], line, first, last)
        piece = 0
        for g in range(last - first):
            i = line.order[first + g]
            length, middle, value, slope = span(line, g)
            y = middle + 0.5 * length
            piece = piece_of(integrals.knots, y, piece)
            f = _at(data, data.values.value_high[piece, k], piece, y)
            work.bends[i] += v[i] * ((value + 0.5 * length * slope) - f)
        inner_integrals(integrals, k, line, first, last)
        for i in range(hidden):
            r[0, i] = 0.0
            r[1, i] = 0.0
        add_inner(integrals, work.ones, line, r[0], r[1], r[2])
        _add_residuals(start, r, hessian)
    sort_breakpoints(integrals, theta, line)


@leaf
def _add_residuals(start, r, hessian):
    """Add what (w_i, v_ki) and (b_i, v_ki) need: the gradient in w_i and b_i, were v_ki = 1."""
    hidden = r.shape[1]
    for i in range(hidden):
        hessian[i, start + i] += r[0, i]
        hessian[hidden + i, start + i] += r[1, i]


@leaf
def hessian_into(data, theta, hessian, work):
    """Write the Hessian at `theta`, shape (P,), into `hessian`, shape (P, P)."""
    integrals, line = data.integrals, work.line
    hidden = line.order.shape[0]
    outputs = integrals.target_total.shape[0]
    sort_breakpoints(integrals, theta, line)
    moments(integrals, 0, line)
    _fill_products(integrals, theta, work, hessian)
    steep = False
    for i in range(hidden):
        work.bends[i] = 0.0
    for k in range(outputs):
        steep = steep or is_large(integrals, k, theta, line)
    if steep:
        _one_sided_residuals(data, theta, work, hessian)
    else:
        for k in range(outputs):
            start, stop = (2 + k) * hidden, (3 + k) * hidden
            v, r = theta[start:stop], work.residual
            line_slope, line_value, _ = needs_one_sided(integrals, k, theta, line)
            for i in range(hidden):
                r[0, i] = 0.0
                r[1, i] = 0.0
            output_gradient(integrals, k, theta, v, work.ones, line_slope, line_value, line, r[0], r[1], r[2])
            _add_residuals(start, r, hessian)
            _add_bends(data, k, v, line_slope, line_value, work)
    _add_curvature(data, theta, work, hessian)
    _mirror(hessian)


@entry
def hessians(data, thetas, results, order):
    """Write the Hessian at each row of `thetas`, shape (M, P), into `results`, shape (M, P, P).

    `order` as for `line.gradients`.
    """
    work = hessian_work(order.shape[0], data.integrals.target_total.shape[0])
    copy(order, work.line.order)
    for m in range(thetas.shape[0]):
        hessian_into(data, thetas[m], results[m], work)
    copy(work.line.order, order)
