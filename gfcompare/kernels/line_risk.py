"""One hidden layer on a line: the population risk, from the residual itself.

The walk over the sorted breakpoints goes interval by interval, with Gauss-Legendre quadrature that is exact
for the square of an affine function less a polynomial, times a polynomial density. Where the risk is so small
that the residual cancels to few digits, it is computed with twice the digits. See `line` for the notation.
"""

from gfcompare.kernels.compiled import cold_leaf, entry, leaf, leaf_exact
from gfcompare.kernels.doubles import add, multiply, two_product, two_sum
from gfcompare.kernels.line import copy, inside, line_work, piece_of, sort_breakpoints
from gfcompare.kernels.line_one_sided import network_on_spans, place, span

# Below this risk, relative to the square of the largest intermediate value, float64 would leave
# fewer than nine digits of the risk: it is then computed with twice the digits.
CANCELLATION = 1e-9
# Terms of the running line that exceed the network by more than this are steep neurons which are hardly
# active: even twice the digits would leave their rounding where they are switched off.
_STEEP = 1e12


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


@leaf_exact
def _network_at(data, piece, k, s, lines):
    """N_k at the coordinate s of a piece, with twice the digits, then rounded."""
    p, e = two_product(data.values.x_half_widths[piece], s)
    x, x_low = add(p, e, data.values.x_centres[piece], 0.0)
    n, n_low = multiply(lines[0, k], lines[1, k], x, x_low)
    n, n_low = add(n, n_low, lines[2, k], lines[3, k])
    return n + n_low


@leaf
def _interval_risk(data, piece, left, right, lines, exact):
    """Integral of |r|^2 p over [left, right] (in y) inside a piece, by Gauss-Legendre."""
    start = (left - data.integrals.centres[piece]) * data.integrals.scales[piece]
    stop = (right - data.integrals.centres[piece]) * data.integrals.scales[piece]
    middle, half = 0.5 * (start + stop), 0.5 * (stop - start)
    width = data.values.x_half_widths[piece]
    result = 0.0
    for k in range(lines.shape[1]):
        # From the middle of the interval: from x = 0 it would be a difference of large numbers.
        value, slope = _network_at(data, piece, k, middle, lines), lines[0, k] * (width * half)
        for q in range(data.values.nodes.shape[0]):
            s = middle + half * data.values.nodes[q]
            density = 0.0
            for d in range(data.values.density.shape[1]):
                density = density * s + data.values.density[piece, d]
            if exact:
                r = _residual_exact(data, piece, k, s, lines)
            else:
                f = 0.0
                high = data.values.value_high[piece, k]
                for d in range(high.shape[0]):
                    f = f * s + high[d]
                r = (value + slope * data.values.nodes[q]) - f
            result += data.values.weights[q] * density * (r * r)
    return result * half * width


@leaf
def _start_lines(theta, hidden, slope, breaks, lines):
    """Set the lines to the network left of every breakpoint inside."""
    outputs = lines.shape[1]
    for k in range(outputs):
        lines[0, k] = 0.0
        lines[1, k] = 0.0
        lines[2, k] = theta[(2 + outputs) * hidden + k]
        lines[3, k] = 0.0
        for i in range(hidden):
            if (breaks[i] > -1.0) == (slope[i] < 0.0):
                v = theta[(2 + k) * hidden + i]
                _shift_line(lines, k, v, theta[i], theta[hidden + i], 1.0)


@leaf
def sweep(data, theta, work, exact):
    """Risk from the sorted breakpoints, interval by interval."""
    keys, order, lines, knots = work.keys, work.order, work.lines, data.integrals.knots
    hidden = order.shape[0]
    last = data.integrals.centres.shape[0] - 1
    _start_lines(theta, hidden, work.slope, work.breaks, lines)
    result = 0.0
    left = -1.0
    piece = 0
    j, _ = inside(keys)
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


@leaf
def _sizes(data, theta, work):
    """Bounds of every intermediate value of `sweep`, and of the network and the target themselves.

    Neurons that are dead on the whole interval do not count.
    """
    hidden, outputs = work.order.shape[0], work.lines.shape[1]
    slope, value, breaks = work.slope, work.value, work.breaks
    reach = abs(data.integrals.middle) + data.integrals.half
    terms = 0.0
    ends = 0.0
    for k in range(outputs):
        total = abs(theta[(2 + outputs) * hidden + k])
        left = total
        right = total
        for i in range(hidden):
            dead = (breaks[i] <= -1.0) if slope[i] < 0.0 else (breaks[i] >= 1.0)
            weight = 0.0 if dead else abs(theta[(2 + k) * hidden + i])
            total += weight * (abs(theta[i]) * reach + abs(theta[hidden + i]))
            left += weight * max(value[i] - slope[i], 0.0)
            right += weight * max(value[i] + slope[i], 0.0)
        # A sum that is no number must not be lost in a comparison.
        terms = total if not total <= terms else terms
        ends = max(ends, left, right)
    return terms + data.values.value_bound, ends + data.values.value_bound


@cold_leaf
def _span_risk(data, k, middle, length, value, slope):
    """Integrate r_k^2 p over the span of a length around a point, where the network is affine."""
    integrals, values = data.integrals, data.values
    left, right = middle - 0.5 * length, middle + 0.5 * length
    last = integrals.centres.shape[0] - 1
    piece = piece_of(integrals.knots, left, 0)
    result = 0.0
    while True:
        whole = piece == last or right <= integrals.knots[piece + 1]
        stop = right if whole else integrals.knots[piece + 1]
        shift = 0.5 * (left + stop) - middle
        half = 0.5 * (stop - left)
        if whole and left == middle - 0.5 * length:  # a short span keeps the digits of its length
            shift, half = 0.0, 0.5 * length
        for q in range(values.nodes.shape[0]):
            distance = shift + half * values.nodes[q]
            s = (middle - integrals.centres[piece] + distance) * integrals.scales[piece]
            density = 0.0
            for d in range(values.density.shape[1]):
                density = density * s + values.density[piece, d]
            f = 0.0
            for d in range(values.value_high.shape[2]):
                f = f * s + values.value_high[piece, k, d]
            r = (value + slope * distance) - f
            result += values.weights[q] * half * integrals.half * density * r * r
        if whole:
            return result
        left = stop
        piece += 1


@cold_leaf
def _one_sided_risk(data, theta, work):
    """Risk from the network on the spans between breakpoints, summed over what is active there."""
    hidden, outputs = work.order.shape[0], work.lines.shape[1]
    first, last = place(data.integrals, theta, work)
    result = 0.0
    for k in range(outputs):
        v = theta[(2 + k) * hidden : (3 + k) * hidden]
        network_on_spans(v, theta[(2 + outputs) * hidden + k], work, first, last)
        for g in range(last - first + 1):
            length, middle, value, slope = span(work, g)
            result += _span_risk(data, k, middle, length, value, slope)
    return result


@cold_leaf
def risk_of(data, theta, work, exact):
    """Return the risk of one network, and the size of the values from whose differences it was taken."""
    sort_breakpoints(data.integrals, theta, work)
    terms, ends = _sizes(data, theta, work)
    if not terms < 1e300:  # no number, or so large that its square overflows: so is the risk
        return terms * terms, terms
    if terms > _STEEP * ends or terms > 1e150:
        return _one_sided_risk(data, theta, work), ends
    return sweep(data, theta, work, exact), terms


@entry
def risks(data, thetas, results, order):
    """Write the risk at each row of `thetas`, shape (M, P), into `results`, shape (M,)."""
    work = line_work(order.shape[0], data.integrals.target_total.shape[0])
    copy(order, work.order)
    for m in range(thetas.shape[0]):
        for exact in (False, True):
            risk, scale = risk_of(data, thetas[m], work, exact)
            results[m] = risk
            if risk >= CANCELLATION * scale * scale:
                break
    copy(work.order, order)
