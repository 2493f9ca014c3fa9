"""One hidden layer on a box in R^3: the population risk, from the residual itself.

As in `plane_risk`: with r = sum_k v_k s(z_k) + p, p the polynomial part, the integral of r^2 is that of p^2
plus the sum over k of v_k times the integral of z_k (r + p) where neuron k is active, from the moments of the
gradient (`cube`). Where the residual cancels to few digits, the integrals of the products s(z_i) s(z_k) and
s(z_i) p are taken with twice the digits (`cube_pairs`, `cube_exact`).
"""

import math
from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, cold_leaf_exact, entry
from gfcompare.kernels.cube import ACTIVE, CROSSING, cube_work, face_signs, moments_into
from gfcompare.kernels.cube_exact import ExactCube, polynomial_integral, value_at, vertices_of
from gfcompare.kernels.cube_pairs import NO_DIRECTION, pair_integrals
from gfcompare.kernels.doubles import add, divide, multiply
from gfcompare.kernels.doubles_arrays import fill, product, quotient
from gfcompare.kernels.numbers import zero_or_nan

# As in `plane_risk`.
CANCELLATION = 1e-6


class CubeValues(NamedTuple):
    """Rounding errors of the data of `CubeData` in float64, and what the risk needs besides."""

    frame: np.ndarray  # (2, 3, 2): middles of the sides, half widths, high and low
    affine: np.ndarray  # (K, 4, 2)
    teacher: np.ndarray  # (4, M, 2)
    curved: np.ndarray  # (K, 20, 2): terms of degree >= 2
    rule: np.ndarray  # (5, 2, n): shares of the corners of a tetrahedron and weights, exact to degree D + 1
    moments: np.ndarray  # (K, 4, 2): integrals of the terms of degree >= 2 times 1 and x over C
    squares: np.ndarray  # (K, 2): integral of their square


@cold_leaf_exact
def _plus(target, high, low):
    """Add to a number in an array."""
    target[0], target[1] = add(target[0], target[1], high, low)


@cold_leaf_exact
def _set_row(row, frame, theta, i, hidden, scale):
    """Write a row in the coordinates of C, times a power of 2."""
    row[3, 0], row[3, 1] = scale * theta[3 * hidden + i], 0.0
    for j in range(3):
        w = scale * theta[3 * i + j]
        row[j, 0], row[j, 1] = multiply(w, 0.0, frame[1, j, 0], frame[1, j, 1])
        p, e = multiply(w, 0.0, frame[0, j, 0], frame[0, j, 1])
        _plus(row[3], p, e)


@cold_leaf_exact
def _place(work, i):
    """Find out at which corners z > 0, and where it is 0 on the edges."""
    signs, value = 0, work.own
    for j in range(8):
        value_at(work.rows[i], work.points[j], value[j])
        if value[j, 0] > 0.0:
            signs |= 1 << j
    work.signs[i] = signs
    for edge in range(12):
        a = edge >> 2
        first = (((edge >> 1) & 1) << (a + 1) % 3) | ((edge & 1) << (a + 2) % 3)
        last = first | 1 << a
        if ((signs >> first) ^ (signs >> last)) & 1:
            p, q = value[first], value[last]
            s, s_low = add(p[0], p[1], q[0], q[1])
            d, d_low = add(p[0], p[1], -q[0], -q[1])
            s, s_low = divide(s, s_low, d, d_low)
            work.place[edge, i, 0], work.place[edge, i, 1] = s, s_low
            work.first[edge, i] = s


@cold_leaf_exact
def _add_row(polynomial, row, v):
    """Add v (w.x + b) to a polynomial."""
    for j in range(4):
        place = 0 if j == 3 else 1 if j == 0 else 4 if j == 1 else 10
        p, e = multiply(row[j, 0], row[j, 1], v, 0.0)
        _plus(polynomial[place], p, e)


@cold_leaf_exact
def _set_lanes(count, work):
    """Write what is needed of all neurons that cross C."""
    lanes, spare, number = work.lanes, work.spare, work.single[0]
    for k in range(count):
        i = work.crossing[k]
        for j in range(4):
            lanes[j, 0, k], lanes[j, 1, k] = work.rows[i, j, 0], work.rows[i, j, 1]
        for face in range(6):
            on = face_signs(work.signs[i], face)
            work.above[face, k] = 1.0 if on == 15 else 0.0
            work.cut[face, k] = 1.0 if on != 0 and on != 15 else 0.0
    number[0], number[1] = 1.0, 0.0
    fill(count, number, spare[3])
    for j in range(3):
        product(count, lanes[j], lanes[j], spare[j])
    for k in range(count):
        x, y, z = spare[0, :, k], spare[1, :, k], spare[2, :, k]
        for a in range(4):
            p, q = (y, z) if a == 0 else (x, z) if a == 1 else (x, y)
            s, e = add(p[0], p[1], q[0], q[1])
            if a == 3:
                s, e = add(s, e, z[0], z[1])
            else:
                s, e = add(s, e, NO_DIRECTION, 0.0)
            spare[4 + a, 0, k], spare[4 + a, 1, k] = s, e
    quotient(count, spare[3], spare[7], lanes[4])
    for a in range(3):
        quotient(count, spare[3], spare[4 + a], lanes[5 + a])
        product(count, lanes[(a + 1) % 3], lanes[(a + 2) % 3], lanes[8 + a])
        product(count, lanes[8 + a], lanes[4], lanes[8 + a])
    for j in range(8):
        for k in range(count):
            value_at(work.rows[work.crossing[k]], work.points[j], number)
            work.values[j, 0, k], work.values[j, 1, k] = number[0], number[1]


@cold_leaf
def _outgoing(data, theta, hidden, m, i):
    """Return an outgoing weight of r."""
    if i < hidden:
        return theta[4 * hidden + m * hidden + i]
    return data.outgoing[m, i - hidden]


@cold_leaf
def _prepare(data, values, theta, hidden, work, polynomials):
    """Fill in rows, what crosses C and the polynomial part of r; return the number of crossing neurons."""
    outputs, neurons = data.affine.shape[0], work.rows.shape[0]
    for j in range(8):
        for axis in range(3):
            work.points[j, axis, 0] = 1.0 if (j >> axis) & 1 else -1.0
            work.points[j, axis, 1] = 0.0
    for m in range(outputs):
        for j in range(20):
            polynomials[m, j, 0], polynomials[m, j, 1] = values.curved[m, j, 0], values.curved[m, j, 1]
        for j in range(4):
            place = 0 if j == 0 else 1 if j == 1 else 4 if j == 2 else 10
            _plus(polynomials[m, place], values.affine[m, j, 0], values.affine[m, j, 1])
        _plus(polynomials[m, 0], theta[4 * hidden + outputs * hidden + m], 0.0)
    count = 0
    for i in range(neurons):
        if i < hidden:
            largest = 0.0
            for j in range(3):
                largest = max(largest, abs(theta[3 * i + j]) * data.frame[3 + j])
            _, power = math.frexp(largest)
            power = max(min(power, 1000), -1000)
            work.scales[i] = math.ldexp(1.0, power)
            _set_row(work.rows[i], values.frame, theta, i, hidden, math.ldexp(1.0, -power))
        else:
            for j in range(4):
                work.rows[i, j, 0] = values.teacher[j, i - hidden, 0]
                work.rows[i, j, 1] = values.teacher[j, i - hidden, 1]
            work.scales[i] = 1.0
        _place(work, i)
        if work.signs[i] == 255:
            for m in range(outputs):
                _add_row(polynomials[m], work.rows[i], work.scales[i] * _outgoing(data, theta, hidden, m, i))
        elif work.signs[i] != 0:
            work.crossing[count] = i
            count += 1
    return count


@cold_leaf_exact
def _square_of_polynomial(polynomial, moments, square, result):
    """Write the integral of p^2: of the affine part a, of 2 a times the rest, and of the rest squared."""
    result[0], result[1] = square[0], square[1]
    for j in range(4):
        place = 0 if j == 0 else 1 if j == 1 else 4 if j == 2 else 10
        a, a_low = polynomial[place, 0], polynomial[place, 1]
        p, e = multiply(a, a_low, 8.0, 0.0)
        if j > 0:
            p, e = divide(p, e, 3.0, 0.0)
        p, e = add(p, e, 2.0 * moments[j, 0], 2.0 * moments[j, 1])
        p, e = multiply(p, e, a, a_low)
        _plus(result, p, e)


@cold_leaf_exact
def _exact_risk(data, values, theta, hidden, work, polynomials, sums):
    """Return the risk with twice the digits."""
    count = _prepare(data, values, theta, hidden, work, polynomials)
    outputs = data.affine.shape[0]
    result, part = sums[0], sums[1]
    result[0], result[1] = 0.0, 0.0
    for m in range(outputs):
        _square_of_polynomial(polynomials[m], values.moments[m], values.squares[m], part)
        _plus(result, part[0], part[1])
    _set_lanes(count, work)
    for n in range(count):
        i = work.crossing[n]
        found = vertices_of(i, work)
        pair_integrals(n + 1, i, found, work)
        for m in range(outputs):
            own = _outgoing(data, theta, hidden, m, i) * work.scales[i]
            high, low = 0.0, 0.0
            for k in range(n + 1):
                other = work.crossing[k]
                v = _outgoing(data, theta, hidden, m, other) * work.scales[other]
                v *= 2.0 if k < n else 1.0
                p, e = multiply(work.pairs[0, k], work.pairs[1, k], v, 0.0)
                high, low = add(high, low, p, e)
            polynomial_integral(values.rule, polynomials[m], data.degree, i, work, part)
            high, low = add(high, low, 2.0 * part[0], 2.0 * part[1])
            high, low = multiply(high, low, own, 0.0)
            _plus(result, high, low)
    return 0.125 * max(result[0] + result[1], 0.0)


@cold_leaf
def _plain_risk(data, values, theta, hidden, work):
    """Return the risk in float64, and the size of the values from whose differences it was taken."""
    outputs, neurons = data.affine.shape[0], work.rows.shape[1]
    moments_into(data, theta, hidden, neurons, 2.0, work)
    total, size, check = 0.0, 0.0, zero_or_nan(theta)
    for m in range(outputs):
        a = work.affine[m]
        square = values.squares[m, 0] + 8.0 * a[0] * a[0]
        square += (8.0 / 3.0) * (a[1] * a[1] + a[2] * a[2] + a[3] * a[3])
        largest = np.sqrt(values.squares[m, 0])
        for j in range(4):
            square += 2.0 * a[j] * values.moments[m, j, 0]
            largest += abs(a[j])
        for i in range(neurons):
            kind = work.kinds[0, i]
            v = _outgoing(data, theta, hidden, m, i)
            if kind == CROSSING:
                scaled = v * work.rows[4, i]
                k = work.kinds[1, i]
                value = work.crossing[3, k] * work.moments[4 * m, i]
                for j in range(3):
                    value += work.crossing[j, k] * work.moments[4 * m + 1 + j, i]
                square += scaled * value
                largest += 3.0 * abs(scaled)
            elif kind == ACTIVE and i < hidden:
                for j in range(4):
                    largest += abs(v) * abs(work.rows[j, i])
        total += square
        size = max(size, largest)
    return 0.125 * total, size + check


@allocator
def _exact_cube(neurons, nodes):
    return ExactCube(
        np.empty((neurons, 4, 2)),
        np.empty(neurons),
        np.empty(neurons, np.int64),
        np.empty((12, neurons, 2)),
        np.empty((12, neurons)),
        np.empty(neurons, np.int64),
        np.empty((11, 2, neurons)),
        np.empty((6, neurons)),
        np.empty((6, neurons)),
        np.empty((14, 2, neurons)),
        np.empty((6, 2, neurons)),
        np.empty((8, 2, neurons)),
        np.empty((14, 3, 2)),
        np.empty((14, 2)),
        np.empty((6, 3)),
        np.empty((6, 3), np.int64),
        np.empty(12, np.int64),
        np.empty(6, np.int64),
        np.empty((8, 2)),
        np.empty((7, 2, nodes)),
        np.empty((2, neurons)),
    )


@entry
def exact_risks(data, values, thetas, results):
    """Write the risk at each row of `thetas`, (M, P), into `results`, (M,), with twice the digits."""
    outputs = data.affine.shape[0]
    hidden = (thetas.shape[1] - outputs) // (4 + outputs)
    work = _exact_cube(hidden + data.teacher.shape[1], values.rule.shape[2])
    polynomials, sums = np.empty((outputs, 20, 2)), np.empty((2, 2))
    for m in range(thetas.shape[0]):
        results[m] = _exact_risk(data, values, thetas[m], hidden, work, polynomials, sums)


@entry
def risks(data, values, thetas, results, again):
    """Write the risk at each row of `thetas`, (M, P), into `results`, (M,).

    `again`, (M,), receives 1 where too few digits are left: there `exact_risks` is called for.
    """
    outputs = data.affine.shape[0]
    hidden = (thetas.shape[1] - outputs) // (4 + outputs)
    work = cube_work(data, hidden)
    for m in range(thetas.shape[0]):
        risk, size = _plain_risk(data, values, thetas[m], hidden, work)
        again[m] = False
        if not size < 1e150:  # no number, or its square overflows
            risk = size * size
        elif not risk >= CANCELLATION * size * size:
            again[m] = True
        results[m] = risk
