"""The risk of one hidden layer under a normal input measure, to digits that the gradient does not need.

The risk is a quadratic form in the outgoing weights of student and teacher together. Where the student is
near the teacher, it is a small difference of large terms: in float64 it is lost below 1e-16 of them, and may
come out negative. So a risk that is small beside its terms is evaluated with twice the digits: pairs of
neurons as in `gaussian`, with Taylor polynomials of S(h, .) on cells of width 1/4 in the place of tables.
These come from a recurrence: q(z) = (1 - exp(-(h^2 + z^2) / 2)) / (h^2 + z^2) solves a linear equation with
polynomial coefficients, and S(h, z) is h / (2 pi) times its integral.
"""

import math
from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import bare_entry, cold_leaf_exact
from gfcompare.kernels.doubles import add, divide, multiply, scale, two_product, two_sum
from gfcompare.kernels.doubles_elementary import (
    DENSITY,
    HALF_PI_INVERSE,
    arcsine,
    exponential,
    square_root,
)

# Cells of width 1/4 on [0, 12.5], beyond which exp(-z^2 / 2) is 1e-34, and Taylor coefficients.
_CELLS, _TERMS = 50, 26
_WIDTH, _END = 0.25, 12.5
# Below this h the recurrence is not stable on the first cell; the terms of a power series there.
_SMALL, _POWERS = 0.25, 16
_NEAR = 0.9

# Rows of `_Work.numbers`.
_ALPHA, _DENSITY, _PHI = range(3)


class _Work(NamedTuple):
    """Scratch memory for N neurons; the last axis of length 2 holds high and low parts."""

    rows: np.ndarray  # (N, r): directions, scaled by powers of 2
    directions: np.ndarray  # (N, r, 2): unit vectors
    numbers: np.ndarray  # (N, 3, 2): alpha, phi, Phi - 1/2
    weights: np.ndarray  # (K, N, 2): outgoing weights times norms
    owen: np.ndarray  # (N, _CELLS, _TERMS + 1, 2): S(alpha, .)
    normal: np.ndarray  # (_CELLS, _TERMS + 1, 2): Phi - 1/2
    bells: np.ndarray  # (_CELLS, 2): exp(-z^2 / 2) at the middles of cells
    filled: np.ndarray  # (N,) int64: cells of `owen` that are known; -1 for a neuron without a kink
    constant: np.ndarray  # (K, 2)
    linear: np.ndarray  # (K, r, 2)
    series: np.ndarray  # (2, _TERMS, 2)


@cold_leaf_exact
def _value(coefficients, x):
    """Return a polynomial at x, a float64."""
    s, t = coefficients[_TERMS, 0], coefficients[_TERMS, 1]
    for n in range(_TERMS - 1, -1, -1):
        s, t = scale(s, t, x)
        s, t = add(s, t, coefficients[n, 0], coefficients[n, 1])
    return s, t


@cold_leaf_exact
def _value_at(coefficients, x, y):
    """Return a polynomial at x + y."""
    s, t = coefficients[_TERMS, 0], coefficients[_TERMS, 1]
    for n in range(_TERMS - 1, -1, -1):
        s, t = multiply(s, t, x, y)
        s, t = add(s, t, coefficients[n, 0], coefficients[n, 1])
    return s, t


@cold_leaf_exact
def _integrate(table, cell, derivative, factor, factor_low):
    """Write the Taylor coefficients of a function that is 0 at 0 on a cell, from those of its derivative."""
    own = table[cell]
    own[0, 0] = own[0, 1] = 0.0
    for n in range(_TERMS):
        s, t = divide(derivative[n, 0], derivative[n, 1], n + 1.0, 0.0)
        own[n + 1, 0], own[n + 1, 1] = multiply(s, t, factor, factor_low)
    s, t = _value(own, -0.5 * _WIDTH)
    s, t = -s, -t
    if cell > 0:
        p, e = _value(table[cell - 1], 0.5 * _WIDTH)
        s, t = add(s, t, p, e)
    own[0, 0], own[0, 1] = s, t


@cold_leaf_exact
def _bell_series(middle, high, low, series):
    """Write the Taylor coefficients of exp(-z^2 / 2) times a factor at `middle`, where its value is given."""
    series[0, 0], series[0, 1] = high, low
    for n in range(1, _TERMS):
        s, t = scale(series[n - 1, 0], series[n - 1, 1], -middle)
        if n > 1:
            s, t = add(s, t, -series[n - 2, 0], -series[n - 2, 1])
        series[n, 0], series[n, 1] = divide(s, t, float(n), 0.0)


@cold_leaf_exact
def _fill_normal(work):
    for cell in range(_CELLS):
        middle = _WIDTH * (cell + 0.5)
        s, t = exponential(-0.5 * middle * middle, 0.0)
        work.bells[cell, 0], work.bells[cell, 1] = s, t
        _bell_series(middle, s, t, work.series[0])
        _integrate(work.normal, cell, work.series[0], DENSITY[0], DENSITY[1])


@cold_leaf_exact
def _quotient_by_powers(square, low, middle, series):
    """Write the Taylor coefficients of q at `middle` on the first cell, from its power series at 0."""
    for n in range(_TERMS):
        series[n, 0] = series[n, 1] = 0.0
    # (1 - e^-y) / (2 y) with y = (h^2 + (middle + x)^2) / 2, as a polynomial in x, by Horner's rule in y.
    c, d = two_product(middle, middle)
    c, d = add(c, d, square, low)
    for m in range(_POWERS, -1, -1):
        # series = 1 - series y / (m + 2), and 1 / 2 in the end
        for n in range(_TERMS - 1, -1, -1):
            s, t = multiply(series[n, 0], series[n, 1], c, d)
            if n > 0:
                p, e = scale(series[n - 1, 0], series[n - 1, 1], 2.0 * middle)
                s, t = add(s, t, p, e)
            if n > 1:
                s, t = add(s, t, series[n - 2, 0], series[n - 2, 1])
            s, t = divide(-0.5 * s, -0.5 * t, m + 2.0, 0.0)
            if n == 0:
                s, t = add(s, t, 1.0, 0.0)
            series[n, 0], series[n, 1] = s, t
    for n in range(_TERMS):
        series[n, 0] *= 0.5
        series[n, 1] *= 0.5


@cold_leaf_exact
def _fill_owen(work, i, last):
    """Make S(alpha, .) of neuron i known up to a cell."""
    h, low = work.numbers[i, _ALPHA, 0], work.numbers[i, _ALPHA, 1]
    square, square_low = multiply(h, low, h, low)
    bell, bell_low = exponential(-0.5 * square, -0.5 * square_low)
    factor, factor_low = multiply(h, low, HALF_PI_INVERSE[0], HALF_PI_INVERSE[1])
    exponentials, quotients = work.series[0], work.series[1]
    for cell in range(work.filled[i], last + 1):
        middle = _WIDTH * (cell + 0.5)
        if cell == 0 and abs(h) < _SMALL:
            _quotient_by_powers(square, square_low, middle, quotients)
        else:
            s, t = multiply(bell, bell_low, work.bells[cell, 0], work.bells[cell, 1])
            _bell_series(middle, s, t, exponentials)
            s, t = add(square, square_low, middle * middle, 0.0)
            inverse, inverse_low = divide(1.0, 0.0, s, t)
            for n in range(_TERMS):
                s, t = -exponentials[n, 0], -exponentials[n, 1]
                if n == 0:
                    s, t = add(1.0, 0.0, s, t)
                else:
                    p, e = scale(quotients[n - 1, 0], quotients[n - 1, 1], -2.0 * middle)
                    s, t = add(s, t, p, e)
                if n > 1:
                    s, t = add(s, t, -quotients[n - 2, 0], -quotients[n - 2, 1])
                quotients[n, 0], quotients[n, 1] = multiply(s, t, inverse, inverse_low)
        _integrate(work.owen[i], cell, quotients, factor, factor_low)
    work.filled[i] = max(work.filled[i], last + 1)


@cold_leaf_exact
def _normal(work, z, low):
    """Return Phi - 1/2."""
    size, rest = (z, low) if z >= 0.0 else (-z, -low)
    if not size < _END:
        return (0.5 if z >= 0.0 else -0.5), 0.0
    cell = int(size / _WIDTH)
    p, e = two_sum(size, -_WIDTH * (cell + 0.5))
    s, t = _value_at(work.normal[cell], p, e + rest)
    return (s, t) if z >= 0.0 else (-s, -t)


@cold_leaf_exact
def _owen(work, i, z, low):
    """Return S(alpha, z) of neuron i."""
    size, rest = (z, low) if z >= 0.0 else (-z, -low)
    if size < _END:
        cell = int(size / _WIDTH)
        if cell >= work.filled[i]:
            _fill_owen(work, i, cell)
        p, e = two_sum(size, -_WIDTH * (cell + 0.5))
        s, t = _value_at(work.owen[i, cell], p, e + rest)
    else:
        # (Phi(h) - 1/2) / 2 - arctan(h / z) / (2 pi), and arctan(h / z) = arcsin of x / sqrt(1 + x^2)
        h, h_low = work.numbers[i, _ALPHA, 0], work.numbers[i, _ALPHA, 1]
        sign = 1.0 if h >= 0.0 else -1.0
        x, y = (0.0, 0.0) if size > 1e150 else divide(sign * h, sign * h_low, size, rest)
        s, t = multiply(x, y, x, y)
        s, t = add(s, t, 1.0, 0.0)
        s, t = square_root(s, t)
        x, y = divide(x, y, s, t)
        s, t = arcsine(x, y)
        s, t = multiply(s, t, HALF_PI_INVERSE[0], HALF_PI_INVERSE[1])
        s, t = add(0.5 * work.numbers[i, _PHI, 0], 0.5 * work.numbers[i, _PHI, 1], -sign * s, -sign * t)
    return (s, t) if z >= 0.0 else (-s, -t)


@cold_leaf_exact
def _dot(first, second):
    """Return the inner product of two vectors of float64."""
    s, t = 0.0, 0.0
    for j in range(first.shape[0]):
        p, e = two_product(first[j], second[j])
        s, t = add(s, t, p, e)
    return s, t


@cold_leaf_exact
def _direction_dot(first, second):
    s, t = 0.0, 0.0
    for j in range(first.shape[0]):
        p, e = multiply(first[j, 0], first[j, 1], second[j, 0], second[j, 1])
        s, t = add(s, t, p, e)
    return s, t


@cold_leaf_exact
def _square_distance(first, second, sign):
    s, t = 0.0, 0.0
    for j in range(first.shape[0]):
        p, e = add(first[j, 0], first[j, 1], -sign * second[j, 0], -sign * second[j, 1])
        p, e = multiply(p, e, p, e)
        s, t = add(s, t, p, e)
    return s, t


@cold_leaf_exact
def _set_neuron(work, i, bias, columns):
    """Set all that follows from the row of neuron i, its bias and its outgoing weights, (K, N)."""
    row = work.rows[i]
    largest = 0.0
    for j in range(row.shape[0]):
        largest = max(largest, abs(row[j]))
    exponent = math.frexp(largest)[1] if 0.0 < largest < np.inf else 0
    for j in range(row.shape[0]):
        row[j] = math.ldexp(row[j], -exponent)
    s, t = _dot(row, row)
    norm, norm_low = square_root(s, t)
    scaled = math.ldexp(bias, -exponent)
    work.filled[i] = 0
    if not abs(scaled) < _END * norm:
        work.filled[i] = -1
        for m in range(columns.shape[0]):
            weight = columns[m, i] if bias > 0.0 else 0.0
            p, e = two_product(weight, bias)
            work.constant[m, 0], work.constant[m, 1] = add(work.constant[m, 0], work.constant[m, 1], p, e)
            for j in range(row.shape[0]):
                p, e = two_product(weight, math.ldexp(row[j], exponent))
                line = work.linear[m, j]
                line[0], line[1] = add(line[0], line[1], p, e)
        return
    for j in range(row.shape[0]):
        work.directions[i, j, 0], work.directions[i, j, 1] = divide(row[j], 0.0, norm, norm_low)
    numbers = work.numbers[i]
    alpha, alpha_low = divide(scaled, 0.0, norm, norm_low)
    numbers[_ALPHA, 0], numbers[_ALPHA, 1] = alpha, alpha_low
    s, t = multiply(alpha, alpha_low, alpha, alpha_low)
    s, t = exponential(-0.5 * s, -0.5 * t)
    numbers[_DENSITY, 0], numbers[_DENSITY, 1] = multiply(s, t, DENSITY[0], DENSITY[1])
    numbers[_PHI, 0], numbers[_PHI, 1] = _normal(work, alpha, alpha_low)
    norm, norm_low = math.ldexp(norm, exponent), math.ldexp(norm_low, exponent)
    for m in range(columns.shape[0]):
        work.weights[m, i, 0], work.weights[m, i, 1] = scale(norm, norm_low, columns[m, i])


@cold_leaf_exact
def _pair(work, i, k):
    """Return E[s_u s_v] / (|u| |v|)."""
    a, a_low = work.numbers[i, _ALPHA, 0], work.numbers[i, _ALPHA, 1]
    b, b_low = work.numbers[k, _ALPHA, 0], work.numbers[k, _ALPHA, 1]
    rho, rho_low = _direction_dot(work.directions[i], work.directions[k])
    sign = 1.0 if rho > 0.0 else -1.0
    if abs(rho) < _NEAR:
        defect, defect_low = add(1.0, 0.0, -sign * rho, -sign * rho_low)
    else:
        s, t = _square_distance(work.directions[i], work.directions[k], sign)
        defect, defect_low = 0.5 * s, 0.5 * t
        s, t = add(1.0, 0.0, -defect, -defect_low)
        rho, rho_low = sign * s, sign * t
    # beta - rho alpha = (beta - sign alpha) + sign (1 - |rho|) alpha, and with alpha and beta exchanged
    s, t = multiply(sign * defect, sign * defect_low, a, a_low)
    p, e = add(b, b_low, -sign * a, -sign * a_low)
    above, above_low = add(p, e, s, t)
    s, t = multiply(sign * defect, sign * defect_low, b, b_low)
    below, below_low = add(-sign * p, -sign * e, s, t)
    s, t = square_root(0.5 * defect, 0.5 * defect_low)
    arc, arc_low = arcsine(s, t)
    p, e = add(1.0, 0.0, -0.5 * defect, -0.5 * defect_low)
    p, e = square_root(p, e)
    sigma, sigma_low = multiply(2.0 * s, 2.0 * t, p, e)
    z, z_low, z_back, back_low = 0.0, 0.0, 0.0, 0.0
    if sigma > 1e-140:
        z, z_low = divide(above, above_low, sigma, sigma_low)
        z_back, back_low = divide(below, below_low, sigma, sigma_low)
    else:
        z = 0.0 if above == 0.0 else math.copysign(np.inf, above)
        z_back = 0.0 if below == 0.0 else math.copysign(np.inf, below)
    p, e = multiply(2.0 * arc, 2.0 * arc_low, HALF_PI_INVERSE[0], HALF_PI_INVERSE[1])
    p, e = add(0.5, 0.0, -p, -e) if sign > 0.0 else (p, e)
    s, t = add(
        work.numbers[i, _PHI, 0], work.numbers[i, _PHI, 1], work.numbers[k, _PHI, 0], work.numbers[k, _PHI, 1]
    )
    p, e = add(p, e, 0.5 * s, 0.5 * t)
    s, t = _owen(work, i, z, z_low)
    p, e = add(p, e, s, t)
    s, t = _owen(work, k, z_back, back_low)
    p, e = add(p, e, s, t)
    # (rho + alpha beta) P + beta phi(alpha) Phi(z_1) + alpha phi(beta) Phi(z_2) + sigma phi(alpha) phi(z_1)
    s, t = multiply(a, a_low, b, b_low)
    s, t = add(s, t, rho, rho_low)
    total, total_low = multiply(s, t, p, e)
    s, t = _normal(work, z, z_low)
    s, t = add(s, t, 0.5, 0.0)
    s, t = multiply(s, t, work.numbers[i, _DENSITY, 0], work.numbers[i, _DENSITY, 1])
    s, t = multiply(s, t, b, b_low)
    total, total_low = add(total, total_low, s, t)
    s, t = _normal(work, z_back, back_low)
    s, t = add(s, t, 0.5, 0.0)
    s, t = multiply(s, t, work.numbers[k, _DENSITY, 0], work.numbers[k, _DENSITY, 1])
    s, t = multiply(s, t, a, a_low)
    total, total_low = add(total, total_low, s, t)
    if abs(z) < 3.0 * _END:
        s, t = multiply(z, z_low, z, z_low)
        p, e = multiply(a, a_low, a, a_low)
        s, t = add(s, t, p, e)
        s, t = exponential(-0.5 * s, -0.5 * t)
        s, t = multiply(s, t, sigma, sigma_low)
        s, t = multiply(s, t, HALF_PI_INVERSE[0], HALF_PI_INVERSE[1])
        total, total_low = add(total, total_low, s, t)
    return total, total_low


@cold_leaf_exact
def _single(work, i):
    """Return E[s_u^2] / |u|^2 and E[s_u] / |u|."""
    a, a_low = work.numbers[i, _ALPHA, 0], work.numbers[i, _ALPHA, 1]
    mass, mass_low = add(work.numbers[i, _PHI, 0], work.numbers[i, _PHI, 1], 0.5, 0.0)
    s, t = multiply(a, a_low, mass, mass_low)
    mean, mean_low = add(s, t, work.numbers[i, _DENSITY, 0], work.numbers[i, _DENSITY, 1])
    s, t = multiply(a, a_low, mean, mean_low)
    s, t = add(s, t, mass, mass_low)
    return s, t, mean, mean_low


@cold_leaf_exact
def _square(work, m):
    """Return (constant)^2 + |linear|^2 of an output, and its products with the neurons."""
    c, d = work.constant[m, 0], work.constant[m, 1]
    s, t = multiply(c, d, c, d)
    p, e = _direction_dot(work.linear[m], work.linear[m])
    s, t = add(s, t, p, e)
    for i in range(work.rows.shape[0]):
        if work.filled[i] >= 0:
            _, _, p, e = _single(work, i)
            p, e = multiply(p, e, c, d)
            u, v = add(work.numbers[i, _PHI, 0], work.numbers[i, _PHI, 1], 0.5, 0.0)
            x, y = _direction_dot(work.linear[m], work.directions[i])
            u, v = multiply(u, v, x, y)
            p, e = add(p, e, u, v)
            p, e = multiply(p, e, 2.0 * work.weights[m, i, 0], 2.0 * work.weights[m, i, 1])
            s, t = add(s, t, p, e)
    return s, t


@cold_leaf_exact
def _total(work):
    """Return the mean square of neurons, linear functions and constants, summed over outputs."""
    total, total_low = 0.0, 0.0
    outputs, count = work.weights.shape[0], work.rows.shape[0]
    for m in range(outputs):
        s, t = _square(work, m)
        total, total_low = add(total, total_low, s, t)
    for i in range(count):
        for k in range(i, count):
            if work.filled[i] < 0 or work.filled[k] < 0:
                continue
            weight, low = 0.0, 0.0
            for m in range(outputs):
                first, second = work.weights[m, i], work.weights[m, k]
                s, t = multiply(first[0], first[1], second[0], second[1])
                weight, low = add(weight, low, s, t)
            if weight == 0.0:
                continue
            if k == i:
                s, t, _, _ = _single(work, i)
            else:
                s, t = _pair(work, i, k)
                s, t = 2.0 * s, 2.0 * t
            s, t = multiply(s, t, weight, low)
            total, total_low = add(total, total_low, s, t)
    return total, total_low


def mean_square_work(count: int, rank: int, outputs: int) -> "_Work":
    """Return the scratch memory for N neurons, made in Python."""
    return _Work(
        np.zeros((count, rank)),
        np.zeros((count, rank, 2)),
        np.zeros((count, 3, 2)),
        np.zeros((outputs, count, 2)),
        np.zeros((count, _CELLS, _TERMS + 1, 2)),
        np.zeros((_CELLS, _TERMS + 1, 2)),
        np.zeros((_CELLS, 2)),
        np.zeros(count, np.int64),
        np.zeros((outputs, 2)),
        np.zeros((outputs, rank, 2)),
        np.zeros((2, _TERMS, 2)),
    )


@bare_entry
def mean_square(rows, columns, constant, linear, result, work):
    """Write E|sum of neurons + linear function + constant|^2 into `result`, (2,), high and low part.

    Rows with biases (N, r + 1), columns (K, N), constant (K,), linear (K, r), of float64.
    """
    rank = linear.shape[1]
    if work.bells[0, 0] == 0.0:
        _fill_normal(work)
    for m in range(columns.shape[0]):
        work.constant[m, 0], work.constant[m, 1] = constant[m], 0.0
        for j in range(rank):
            work.linear[m, j, 0], work.linear[m, j, 1] = linear[m, j], 0.0
        for i in range(rows.shape[0]):
            work.weights[m, i, 0] = work.weights[m, i, 1] = 0.0
    for i in range(rows.shape[0]):
        for j in range(rank):
            work.rows[i, j] = rows[i, j]
        _set_neuron(work, i, rows[i, rank], columns)
    result[0], result[1] = _total(work)
