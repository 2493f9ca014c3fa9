"""One hidden layer on a line: the population risk, from the residual itself.

The walk over the sorted breakpoints goes interval by interval, with Gauss-Legendre quadrature that is exact
for the square of an affine function less a polynomial, times a polynomial density. Where the risk is so small
that the residual cancels to few digits, it is computed with twice the digits. See `line` for the notation.
"""

from gfcompare.kernels.compiled import entry, leaf, leaf_exact, leaf_sum
from gfcompare.kernels.doubles import add, multiply, two_product, two_sum
from gfcompare.kernels.line import copy, line_work, sort_breakpoints

# Below this risk, relative to the square of the largest intermediate value, float64 would leave
# fewer than nine digits of the risk: it is then computed with twice the digits.
CANCELLATION = 1e-9


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
def sweep(data, theta, work, exact):
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
    copy(order, work.order)
    for m in range(thetas.shape[0]):
        theta = thetas[m]
        scale = _largest_term(data, theta, order.shape[0], outputs)
        if not scale < 1e150:  # its square overflows, or it is not a number: so is the risk
            results[m] = scale * scale
            continue
        sort_breakpoints(data.integrals, theta, work)
        risk = 0.0
        for exact in (False, True):
            risk = sweep(data, theta, work, exact)
            if risk >= CANCELLATION * scale * scale:
                break
        results[m] = risk
    copy(work.order, order)
