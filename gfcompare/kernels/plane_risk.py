"""One hidden layer on a rectangle: the population risk, from the residual itself.

With r = sum_k v_k s(z_k) + p, p the polynomial part, the integral of r^2 is that of p^2 plus the sum over k
of v_k times the integral of z_k (r + p) where neuron k is active: moments as those of the gradient (`plane`,
whose notation is kept), with p taken twice. Where the residual cancels to few digits, they are computed with
twice the digits: every closed curve, the chord of a neuron and its arc of the perimeter, is then a sum over
straight segments, O(H^2) in all but without the running polynomials of `plane`.
"""

import math
from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, entry, leaf, leaf_exact
from gfcompare.kernels.doubles import add, divide, multiply
from gfcompare.kernels.numbers import zero_or_nan
from gfcompare.kernels.plane import moments_into, plane_work
from gfcompare.kernels.plane_lines import ACTIVE, CROSSING
from gfcompare.kernels.sorting import sort_pairs

# Below this risk, relative to the square of the largest intermediate value, float64 would leave fewer than
# eight digits of the risk.
CANCELLATION = 1e-6


class PlaneValues(NamedTuple):
    """Rounding errors of the data of `PlaneData` in float64, and what the risk needs besides."""

    frame: np.ndarray  # (4, 2): middle and half width of both sides, high and low
    affine: np.ndarray  # (K, 3, 2)
    teacher: np.ndarray  # (3, M, 2)
    curved: np.ndarray  # (2, K, ., 2): terms of degree m >= 2 over m + 2 and over m + 3, ordered as `flux`
    rule: np.ndarray  # (2, D + 2, 2): equidistant nodes and weights on [0, 1], exact for degree D + 1
    moments: np.ndarray  # (K, 3, 2): integrals of the terms of degree >= 2 times 1, x_1, x_2 over S
    squares: np.ndarray  # (K, 2): integral of their square


class ExactWork(NamedTuple):
    """Scratch memory; the last axis of most holds a number's high and low part."""

    rows: np.ndarray  # (W, 3, 2): w_1, w_2, b of all neurons, times a power of 2
    scales: np.ndarray  # (W,): 1 over that power
    kinds: np.ndarray  # (W,) int64
    crossing: np.ndarray  # (W,) int64: which ones cross S
    outgoing: np.ndarray  # (K, W, 2, 2): over 2 |w|^2 and over 6 |w|^4
    ends: np.ndarray  # (2 W, 2, 2): x_1, x_2 of the ends of chords
    keys: np.ndarray  # (3, 2 W): positions on the perimeter: by end, sorted, spare
    order: np.ndarray  # (2, 2 W) uint64
    affine: np.ndarray  # (K, 3, 2)
    sums: np.ndarray  # (2 W, K, 3, 2): flux through the perimeter up to each end
    flux: np.ndarray  # (2, K, 3, 2): through one segment, and up to a point


@leaf_exact
def _plus(target, high, low):
    """Add to a number in an array."""
    target[0], target[1] = add(target[0], target[1], high, low)


@leaf_exact
def _copy(source, target):
    """Write an array of numbers, (., 2), into another."""
    for j in range(source.shape[0]):
        target[j, 0] = source[j, 0]
        target[j, 1] = source[j, 1]


@leaf_exact
def _copy_all(source, target):
    for m in range(source.shape[0]):
        _copy(source[m], target[m])


@leaf_exact
def _point(edge, t, t_low, end):
    """Write the point of an edge with the coordinate t."""
    turn = 1.0 if edge < 2 else -1.0
    out = 1.0 if edge == 1 or edge == 2 else -1.0
    along = edge % 2
    end[along, 0], end[along, 1] = turn * t, turn * t_low
    end[1 - along, 0], end[1 - along, 1] = out, 0.0


@leaf_exact
def _corner(row, edge):
    """Return the pre-activation at the corner where an edge begins."""
    first = 1.0 if edge == 1 or edge == 2 else -1.0
    second = 1.0 if edge >= 2 else -1.0
    z, z_low = add(row[2, 0], row[2, 1], first * row[0, 0], first * row[0, 1])
    return add(z, z_low, second * row[1, 0], second * row[1, 1])


@cold_leaf
def _place(work, i):
    """Find out whether the zero of a neuron crosses S, and where."""
    row, keys = work.rows[i], work.keys[0]
    positive = 0
    for edge in range(4):
        z, _ = _corner(row, edge)
        positive += 1 if z > 0.0 else 0
    keys[2 * i], keys[2 * i + 1] = 9.0, 9.0
    work.kinds[i] = ACTIVE if positive == 4 else 0
    if positive == 0 or positive == 4:
        return
    work.kinds[i] = CROSSING
    for edge in range(4):
        z, z_low = _corner(row, edge)
        u, u_low = _corner(row, (edge + 1) % 4)
        if (z > 0.0) != (u > 0.0):
            end = 2 * i + (1 if z > 0.0 else 0)
            p, p_low = add(z, z_low, u, u_low)
            q, q_low = add(z, z_low, -u, -u_low)
            t, t_low = divide(p, p_low, q, q_low)
            _point(edge, t, t_low, work.ends[end])
            keys[end] = min(2.0 * edge + 1.0 + t, 2.0 * edge + 2.0 - 8.9e-16)


@leaf_exact
def _set_row(row, frame, w, v, b, scale):
    """Write a row in the coordinates of S, times a power of 2."""
    w, v, b = scale * w, scale * v, scale * b
    row[0, 0], row[0, 1] = multiply(w, 0.0, frame[1, 0], frame[1, 1])
    row[1, 0], row[1, 1] = multiply(v, 0.0, frame[3, 0], frame[3, 1])
    p, e = multiply(w, 0.0, frame[0, 0], frame[0, 1])
    q, d = multiply(v, 0.0, frame[2, 0], frame[2, 1])
    s, c = add(p, e, q, d)
    row[2, 0], row[2, 1] = add(s, c, b, 0.0)


@leaf_exact
def _set_outgoing(row, v, result):
    """Write v over 2 |w|^2 and over 6 |w|^4."""
    p, e = multiply(row[0, 0], row[0, 1], row[0, 0], row[0, 1])
    q, d = multiply(row[1, 0], row[1, 1], row[1, 0], row[1, 1])
    square, low = add(p, e, q, d)
    p, e = divide(0.5 * v, 0.0, square, low)
    result[0, 0], result[0, 1] = p, e
    p, e = divide(p, e, square, low)
    result[1, 0], result[1, 1] = divide(p, e, 3.0, 0.0)


@leaf_exact
def _add_row(affine, row, v):
    """Add v (w.x + b) to an affine function."""
    for j in range(3):
        source = row[(j + 2) % 3]
        p, e = multiply(source[0], source[1], v, 0.0)
        _plus(affine[j], p, e)


@cold_leaf
def _prepare(data, values, theta, hidden, work):
    """Fill in rows, kinds, ends and the affine part of r; return the number of crossing neurons."""
    outputs, neurons = data.affine.shape[0], work.rows.shape[0]
    _copy_all(values.affine, work.affine)
    for m in range(outputs):
        _plus(work.affine[m, 0], theta[3 * hidden + outputs * hidden + m], 0.0)
    count = 0
    for i in range(neurons):
        row = work.rows[i]
        if i < hidden:
            w, v, b = theta[2 * i], theta[2 * i + 1], theta[2 * hidden + i]
            largest = max(abs(w) * data.frame[1], abs(v) * data.frame[3])
            _, power = math.frexp(largest)
            power = max(min(power, 1000), -1000)
            scale = math.ldexp(1.0, -power)
            work.scales[i] = math.ldexp(1.0, power)
            _set_row(row, values.frame, w, v, b, scale)
        else:
            _copy(values.teacher[:, i - hidden], row)
            work.scales[i] = 1.0
        _place(work, i)
        for m in range(outputs):
            v = theta[3 * hidden + m * hidden + i] if i < hidden else data.outgoing[m, i - hidden]
            v *= work.scales[i]
            if work.kinds[i] == CROSSING:
                _set_outgoing(row, v, work.outgoing[m, i])
            elif work.kinds[i] == ACTIVE:
                _add_row(work.affine[m], row, v)
        if work.kinds[i] == CROSSING:
            work.crossing[count] = i
            count += 1
    return count


@leaf_exact
def _value(row, point):
    """Return the pre-activation at a point."""
    p, e = multiply(row[0, 0], row[0, 1], point[0, 0], point[0, 1])
    q, d = multiply(row[1, 0], row[1, 1], point[1, 0], point[1, 1])
    p, e = add(p, e, q, d)
    return add(p, e, row[2, 0], row[2, 1])


@leaf_exact
def _add_neuron(row, outgoing, begin, end, flux):
    """Add the fluxes of one neuron through a segment, to all outputs."""
    p, p_low = _value(row, begin)
    q, q_low = _value(row, end)
    if not (p > 0.0 or q > 0.0):
        return
    share, share_low, before, before_low = 1.0, 0.0, 0.0, 0.0
    if p < 0.0:
        d, d_low = add(q, q_low, -p, -p_low)
        share, share_low = divide(q, q_low, d, d_low)
        before, before_low = divide(-p, -p_low, d, d_low)
        p, p_low = 0.0, 0.0
    elif q < 0.0:
        d, d_low = add(p, p_low, -q, -q_low)
        share, share_low = divide(p, p_low, d, d_low)
        q, q_low = 0.0, 0.0
    dx, dx_low = add(end[0, 0], end[0, 1], -begin[0, 0], -begin[0, 1])
    dy, dy_low = add(end[1, 0], end[1, 1], -begin[1, 0], -begin[1, 1])
    n, n_low = multiply(row[0, 0], row[0, 1], dy, dy_low)
    o, o_low = multiply(row[1, 0], row[1, 1], dx, dx_low)
    n, n_low = add(n, n_low, -o, -o_low)
    n, n_low = multiply(n, n_low, share, share_low)
    pp, pp_low = multiply(p, p_low, p, p_low)
    pq, pq_low = multiply(p, p_low, q, q_low)
    qq, qq_low = multiply(q, q_low, q, q_low)
    both, both_low = add(pp, pp_low, qq, qq_low)
    square, square_low = add(both, both_low, pq, pq_low)
    rest, rest_low = add(pq, pq_low, 2.0 * qq, 2.0 * qq_low)
    rest, rest_low = add(rest, rest_low, square, square_low)
    rest, rest_low = multiply(rest, rest_low, 0.25 * share, 0.25 * share_low)
    moment, moment_low = multiply(before, before_low, square, square_low)
    moment, moment_low = add(moment, moment_low, rest, rest_low)
    square, square_low = divide(square, square_low, 3.0, 0.0)
    moment, moment_low = divide(moment, moment_low, 3.0, 0.0)
    square, square_low = multiply(square, square_low, n, n_low)
    moment, moment_low = multiply(moment, moment_low, n, n_low)
    cube, cube_low = add(p, p_low, q, q_low)
    cube, cube_low = multiply(cube, cube_low, both, both_low)
    cube, cube_low = multiply(cube, cube_low, 0.25 * n, 0.25 * n_low)
    # Times x_1 and x_2: begin square + (dx, dy) moment, less the cube along w.
    a, a_low = multiply(dx, dx_low, moment, moment_low)
    b, b_low = multiply(begin[0, 0], begin[0, 1], square, square_low)
    first, first_low = add(a, a_low, b, b_low)
    a, a_low = multiply(dy, dy_low, moment, moment_low)
    b, b_low = multiply(begin[1, 0], begin[1, 1], square, square_low)
    second, second_low = add(a, a_low, b, b_low)
    u, u_low = multiply(cube, cube_low, row[0, 0], row[0, 1])
    v, v_low = multiply(cube, cube_low, row[1, 0], row[1, 1])
    for m in range(flux.shape[0]):
        g, g_low, h, h_low = outgoing[m, 0, 0], outgoing[m, 0, 1], outgoing[m, 1, 0], outgoing[m, 1, 1]
        a, a_low = multiply(g, g_low, square, square_low)
        _plus(flux[m, 0], a, a_low)
        a, a_low = multiply(g, g_low, first, first_low)
        b, b_low = multiply(h, h_low, u, u_low)
        a, a_low = add(a, a_low, -b, -b_low)
        _plus(flux[m, 1], a, a_low)
        a, a_low = multiply(g, g_low, second, second_low)
        b, b_low = multiply(h, h_low, v, v_low)
        a, a_low = add(a, a_low, -b, -b_low)
        _plus(flux[m, 2], a, a_low)


@leaf_exact
def _horner(coefficients, degree, x, x_low, y, y_low):
    """Return a polynomial, its coefficients ordered by powers of y, then of x."""
    value, low = 0.0, 0.0
    place = coefficients.shape[0] - 1
    for j in range(degree, -1, -1):
        inner, inner_low = coefficients[place, 0], coefficients[place, 1]
        place -= 1
        for _ in range(degree - j):
            inner, inner_low = multiply(inner, inner_low, x, x_low)
            inner, inner_low = add(inner, inner_low, coefficients[place, 0], coefficients[place, 1])
            place -= 1
        value, low = multiply(value, low, y, y_low)
        value, low = add(value, low, inner, inner_low)
    return value, low


@leaf_exact
def _affine(affine, x, x_low, y, y_low, constant, linear):
    """Return an affine function with its terms of degree 0 and 1 divided by two numbers."""
    p, e = multiply(affine[1, 0], affine[1, 1], x, x_low)
    q, d = multiply(affine[2, 0], affine[2, 1], y, y_low)
    p, e = add(p, e, q, d)
    p, e = divide(p, e, linear, 0.0)
    q, d = divide(affine[0, 0], affine[0, 1], constant, 0.0)
    return add(p, e, q, d)


@leaf_exact
def _add_polynomial(affine, curved, rule, degree, begin, end, flux):
    """Add twice the fluxes of the polynomial part of r through a segment, to all outputs."""
    dx, dx_low = add(end[0, 0], end[0, 1], -begin[0, 0], -begin[0, 1])
    dy, dy_low = add(end[1, 0], end[1, 1], -begin[1, 0], -begin[1, 1])
    p, e = multiply(begin[0, 0], begin[0, 1], dy, dy_low)
    q, d = multiply(begin[1, 0], begin[1, 1], dx, dx_low)
    distance, distance_low = add(2.0 * p, 2.0 * e, -2.0 * q, -2.0 * d)
    for n in range(rule.shape[1]):
        t, t_low = rule[0, n, 0], rule[0, n, 1]
        p, e = multiply(t, t_low, dx, dx_low)
        x, x_low = add(p, e, begin[0, 0], begin[0, 1])
        p, e = multiply(t, t_low, dy, dy_low)
        y, y_low = add(p, e, begin[1, 0], begin[1, 1])
        weight, weight_low = multiply(rule[1, n, 0], rule[1, n, 1], distance, distance_low)
        for m in range(flux.shape[0]):
            f, f_low = _affine(affine[m], x, x_low, y, y_low, 2.0, 3.0)
            g, g_low = _affine(affine[m], x, x_low, y, y_low, 3.0, 4.0)
            if degree > 1:
                p, e = _horner(curved[0, m], degree, x, x_low, y, y_low)
                f, f_low = add(f, f_low, p, e)
                p, e = _horner(curved[1, m], degree, x, x_low, y, y_low)
                g, g_low = add(g, g_low, p, e)
            f, f_low = multiply(f, f_low, weight, weight_low)
            g, g_low = multiply(g, g_low, weight, weight_low)
            _plus(flux[m, 0], f, f_low)
            p, e = multiply(g, g_low, x, x_low)
            _plus(flux[m, 1], p, e)
            p, e = multiply(g, g_low, y, y_low)
            _plus(flux[m, 2], p, e)


@cold_leaf
def _segment(data, values, count, work, begin, end):
    """Write the fluxes of r + p through a segment into `work.flux[0]`."""
    flux = work.flux[0]
    for m in range(flux.shape[0]):
        for j in range(3):
            flux[m, j, 0], flux[m, j, 1] = 0.0, 0.0
    for k in range(count):
        i = work.crossing[k]
        _add_neuron(work.rows[i], work.outgoing[:, i], begin, end, flux)
    _add_polynomial(work.affine, values.curved, values.rule, data.degree, begin, end, flux)


@leaf_exact
def _accumulate(work):
    """Add the fluxes through a segment to those up to its beginning."""
    for m in range(work.flux.shape[1]):
        for j in range(3):
            _plus(work.flux[1, m, j], work.flux[0, m, j, 0], work.flux[0, m, j, 1])


@cold_leaf
def _perimeter(data, values, count, work, points):
    """Write the flux through the perimeter up to each end of a chord, and leave that through all of it."""
    position, order = work.keys[1], work.order[0]
    ends = order.shape[0]
    for j in range(ends):
        order[j] = j
        position[j] = work.keys[0, j]
    sort_pairs(position, order, work.keys[2], work.order[1])
    for m in range(work.flux.shape[1]):
        for j in range(3):
            work.flux[1, m, j, 0], work.flux[1, m, j, 1] = 0.0, 0.0
    begin, corner = points[0], points[1]
    _point(0, -1.0, 0.0, begin)
    event = 0
    for edge in range(4):
        while event < 2 * count and position[event] < 2.0 * edge + 2.0:
            end = np.int64(order[event])
            _segment(data, values, count, work, begin, work.ends[end])
            _accumulate(work)
            _copy_all(work.flux[1], work.sums[end])
            _copy(work.ends[end], begin)
            event += 1
        _point(edge, 1.0, 0.0, corner)
        _segment(data, values, count, work, begin, corner)
        _accumulate(work)
        _copy(corner, begin)


@leaf_exact
def _share_of(row, flux, v):
    """Return v times the integral of z (r + p) where a neuron is active, from those times 1, x_1, x_2."""
    p, e = multiply(row[2, 0], row[2, 1], flux[0, 0], flux[0, 1])
    for j in range(2):
        q, d = multiply(row[j, 0], row[j, 1], flux[1 + j, 0], flux[1 + j, 1])
        p, e = add(p, e, q, d)
    return multiply(p, e, v, 0.0)


@leaf_exact
def _square_of_polynomial(affine, moments, square):
    """Return the integral of p^2: of the affine part a, of 2 a times the rest, and of the rest squared."""
    total, low = square[0], square[1]
    for j in range(3):
        p, e = multiply(affine[j, 0], affine[j, 1], 4.0, 0.0)
        if j > 0:
            p, e = divide(p, e, 3.0, 0.0)
        p, e = add(p, e, 2.0 * moments[j, 0], 2.0 * moments[j, 1])
        p, e = multiply(p, e, affine[j, 0], affine[j, 1])
        total, low = add(total, low, p, e)
    return total, low


@cold_leaf
def _exact_risk(data, values, theta, hidden, work, points):
    """Return the risk with twice the digits."""
    count = _prepare(data, values, theta, hidden, work)
    _perimeter(data, values, count, work, points)
    outputs = data.affine.shape[0]
    total, low = 0.0, 0.0
    for m in range(outputs):
        p, e = _square_of_polynomial(work.affine[m], values.moments[m], values.squares[m])
        total, low = add(total, low, p, e)
    for k in range(count):
        i = work.crossing[k]
        wrapped = work.keys[0, 2 * i] > work.keys[0, 2 * i + 1]
        _segment(data, values, count, work, work.ends[2 * i + 1], work.ends[2 * i])
        flux = work.flux[0]
        for m in range(outputs):
            for j in range(3):
                _plus(flux[m, j], work.sums[2 * i + 1, m, j, 0], work.sums[2 * i + 1, m, j, 1])
                _plus(flux[m, j], -work.sums[2 * i, m, j, 0], -work.sums[2 * i, m, j, 1])
                if wrapped:
                    _plus(flux[m, j], work.flux[1, m, j, 0], work.flux[1, m, j, 1])
            v = theta[3 * hidden + m * hidden + i] if i < hidden else data.outgoing[m, i - hidden]
            p, e = _share_of(work.rows[i], flux[m], v * work.scales[i])
            total, low = add(total, low, p, e)
    return 0.25 * max(total + low, 0.0)


@leaf
def _plain_risk(data, values, theta, hidden, work):
    """Return the risk in float64, and the size of the values from whose differences it was taken."""
    outputs, neurons = data.affine.shape[0], work.rows.shape[1]
    moments_into(data, theta, hidden, neurons, 2.0, work)
    total, size = 0.0, 0.0
    check = zero_or_nan(theta)
    for m in range(outputs):
        a, b, c = work.affine[m, 0], work.affine[m, 1], work.affine[m, 2]
        square = values.squares[m, 0] + 4.0 * a * a + (4.0 / 3.0) * (b * b + c * c)
        for j in range(3):
            square += 2.0 * work.affine[m, j] * values.moments[m, j, 0]
        largest = abs(a) + abs(b) + abs(c) + np.sqrt(values.squares[m, 0])
        for i in range(neurons):
            if work.kinds[0, i] == CROSSING:
                v = theta[3 * hidden + m * hidden + i] if i < hidden else data.outgoing[m, i - hidden]
                scaled = v * work.rows[3, i]
                k = work.kinds[1, i]
                square += scaled * (
                    work.crossing[2, k] * work.moments[3 * m, i]
                    + work.crossing[0, k] * work.moments[3 * m + 1, i]
                    + work.crossing[1, k] * work.moments[3 * m + 2, i]
                )
                largest += 2.0 * abs(scaled)
            elif work.kinds[0, i] == ACTIVE and i < hidden:
                v = theta[3 * hidden + m * hidden + i]
                largest += abs(v) * (abs(work.rows[0, i]) + abs(work.rows[1, i]) + abs(work.rows[2, i]))
        total += square
        size = max(size, largest)
    return 0.25 * total, size + check


@entry
def risks(data, values, thetas, results, order):
    """Write the risk at each row of `thetas`, (M, P), into `results`, (M,); see `plane.gradients`."""
    outputs = data.affine.shape[0]
    hidden = (thetas.shape[1] - outputs) // (3 + outputs)
    neurons = hidden + data.teacher.shape[1]
    work = plane_work(data, hidden)
    exact = ExactWork(
        np.empty((neurons, 3, 2)),
        np.empty(neurons),
        np.empty(neurons, np.int64),
        np.empty(neurons, np.int64),
        np.empty((outputs, neurons, 2, 2)),
        np.empty((2 * neurons, 2, 2)),
        np.empty((3, 2 * neurons)),
        np.empty((2, 2 * neurons), np.uint64),
        np.empty((outputs, 3, 2)),
        np.empty((2 * neurons, outputs, 3, 2)),
        np.zeros((2, outputs, 3, 2)),
    )
    points = np.empty((2, 2, 2))
    for j in range(order.shape[0]):
        work.order[j] = order[j]
    for m in range(thetas.shape[0]):
        risk, size = _plain_risk(data, values, thetas[m], hidden, work)
        if not size < 1e150:  # no number, or its square overflows
            risk = size * size
        elif data.smooth.shape[0] > 0:  # the tables have no more digits
            risk = max(risk, 0.0)
        elif not risk >= CANCELLATION * size * size:
            risk = _exact_risk(data, values, thetas[m], hidden, exact, points)
        results[m] = risk
    for j in range(order.shape[0]):
        order[j] = work.order[j]
