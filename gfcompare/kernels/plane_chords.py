"""One hidden layer on a rectangle: fluxes through chords. See `plane` for the notation."""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, leaf, leaf_sum
from gfcompare.kernels.plane_lines import (
    ACTIVE,
    BASES,
    CROSSING,
    DEAD,
    OUTGOING,
    THIRDS,
    chord_of,
    whole_lanes,
)

# In place of 0, so that no quotient is 0 / 0. Squares and cubes, relative to 1, are far below rounding.
_TINY = 1e-50


@leaf_sum
def _neurons(count, along, base, other_along, other_base, first, last, weights, thirds, dx, dy):
    """Return the fluxes of all crossing neurons through a chord: of 1, of the place on it, and the rest of x.

    It begins and ends on edges, where the coordinate along them is `first` and `last`, and z = base + along
    times that. With P, Q as in `plane`, p = P - before, q = Q - after, the share phi = (P + Q) / (|p| + |q|)
    on which z > 0, the integrals along the chord are phi (P^2 + P Q + Q^2) / 3 of s(z)^2,
    phi (P + Q) (P^2 + Q^2) / 4 of s(z)^3, and, of s(z)^2 times the place, from -1/2 to 1/2,
    phi [(before - after) (P^2 + P Q + Q^2) / 6 + (P + Q)^2 (Q - P) / 12] / (|p| + |q|).
    """
    wx, wy, third_x, third_y = weights[0], weights[1], thirds[0], thirds[1]
    one, middle, cx, cy = 0.0, 0.0, 0.0, 0.0
    for k in range(whole_lanes(count)):
        p = along[k] * first + base[k]
        q = other_along[k] * last + other_base[k]
        P = p if p > _TINY else _TINY
        Q = q if q > _TINY else _TINY
        before, after = P - p, Q - q
        total = P + Q
        inverse = 1.0 / (total + (before + after))
        flux = (wx[k] * dy - wy[k] * dx) * (total * inverse)
        whole = total * total
        squares = P * P + Q * Q
        both = whole + squares
        moment = inverse * ((before - after) * both + whole * (Q - P))
        cube = flux * (total * squares)
        one += flux * both
        middle += flux * moment
        cx += cube * third_x[k]
        cy += cube * third_y[k]
    return (1.0 / 6.0) * one, (1.0 / 12.0) * middle, 0.25 * cx, 0.25 * cy


@leaf
def _edge_of(position, t):
    """Return the number of an edge and the coordinate along it."""
    edge = np.int64(0.5 * position)
    return edge, t if edge < 2 else -t


@leaf
def add_neurons(count, hidden, work):
    """Write the fluxes of all crossing neurons through the chords of the first `hidden` ones."""
    crossing, chords, moments, outputs = work.crossing, work.chords, work.moments, work.affine.shape[0]
    for i in range(hidden):
        if work.kinds[0, i] != CROSSING:
            continue
        k = work.kinds[1, i]
        x, y, dx, dy = chord_of(work, i)
        chords[0, k], chords[1, k], chords[2, k], chords[3, k] = x, y, dx, dy
        edge, first = _edge_of(work.keys[2, 2 * i + 1], work.keys[3, 2 * i + 1])
        other, last = _edge_of(work.keys[2, 2 * i], work.keys[3, 2 * i])
        for m in range(outputs):
            one, middle, cx, cy = _neurons(
                count,
                crossing[edge % 2],
                crossing[BASES + edge],
                crossing[other % 2],
                crossing[BASES + other],
                first,
                last,
                crossing[OUTGOING + outputs + 2 * m : OUTGOING + outputs + 2 * m + 2],
                crossing[THIRDS : THIRDS + 2],
                dx,
                dy,
            )
            moments[3 * m, i] = one
            moments[3 * m + 1, i] = ((x + 0.5 * dx) * one + dx * middle) - cx
            moments[3 * m + 2, i] = ((y + 0.5 * dy) * one + dy * middle) - cy


@leaf
def _cubic(f, x, y):
    """Return a polynomial of degree 3, its coefficients ordered by powers of y, then of x."""
    one, first, second = (
        f[0] + x * (f[1] + x * (f[2] + x * f[3])),
        f[4] + x * (f[5] + x * f[6]),
        f[7] + x * f[8],
    )
    return one + y * (first + y * (second + y * f[9]))


@leaf_sum
def _cubic_fluxes(count, f, g, rule, chords, one, first, second):
    """Write the fluxes of a polynomial of degree 3 through all chords; `f` and `g` as in `PlaneWork.flux`."""
    x, y, dx, dy = chords[0], chords[1], chords[2], chords[3]
    f = (f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9])
    g = (g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9])
    t0, t1, t2, u0, u1, u2 = rule[0, 0], rule[0, 1], rule[0, 2], rule[1, 0], rule[1, 1], rule[1, 2]
    for k in range(whole_lanes(count)):
        x0, x1, x2 = x[k] + t0 * dx[k], x[k] + t1 * dx[k], x[k] + t2 * dx[k]
        y0, y1, y2 = y[k] + t0 * dy[k], y[k] + t1 * dy[k], y[k] + t2 * dy[k]
        g0, g1, g2 = u0 * _cubic(g, x0, y0), u1 * _cubic(g, x1, y1), u2 * _cubic(g, x2, y2)
        distance = x[k] * dy[k] - y[k] * dx[k]
        one[k] = distance * (u0 * _cubic(f, x0, y0) + u1 * _cubic(f, x1, y1) + u2 * _cubic(f, x2, y2))
        first[k] = distance * (g0 * x0 + g1 * x1 + g2 * x2)
        second[k] = distance * (g0 * y0 + g1 * y1 + g2 * y2)


@leaf
def _fluxes(flux, other, rule, degree, x, y, dx, dy):
    """Return the fluxes of a polynomial of any degree through a chord, by Gauss-Legendre quadrature."""
    one, first, second = 0.0, 0.0, 0.0
    for n in range(rule.shape[1]):
        u, v = x + rule[0, n] * dx, y + rule[0, n] * dy
        f, g = 0.0, 0.0
        place = flux.shape[0] - 1
        for j in range(degree, -1, -1):
            a, c = flux[place], other[place]
            place -= 1
            for _ in range(degree - j):
                a, c = a * u + flux[place], c * u + other[place]
                place -= 1
            f, g = f * v + a, g * v + c
        g *= rule[1, n]
        one += rule[1, n] * f
        first += g * u
        second += g * v
    distance = x * dy - y * dx
    return distance * one, distance * first, distance * second


@leaf
def add_polynomials(data, count, hidden, work):
    """Add the fluxes of the polynomial part of r through the chords of the first `hidden` neurons."""
    outputs, chords, through, moments = work.affine.shape[0], work.chords, work.through, work.moments
    degree = max(data.degree, 3)
    for k in range(count, whole_lanes(count)):
        for j in range(4):
            chords[j, k] = 0.0
    for m in range(outputs):
        f, g = work.flux[m], work.flux[outputs + m]
        if degree == 3:
            _cubic_fluxes(count, f, g, data.rule, chords, through[0], through[1], through[2])
        else:
            for k in range(count):
                one, first, second = _fluxes(
                    f, g, data.rule, degree, chords[0, k], chords[1, k], chords[2, k], chords[3, k]
                )
                through[0, k], through[1, k], through[2, k] = one, first, second
        for i in range(hidden):
            if work.kinds[0, i] == CROSSING:
                for j in range(3):
                    moments[3 * m + j, i] += through[j, work.kinds[1, i]]


@leaf_sum
def bilinear(table, first, second):
    """Return sum_ab first_a table_ab second_b."""
    total = 0.0
    for a in range(first.shape[0]):
        row, inner = table[a], 0.0
        for b in range(second.shape[0]):
            inner += row[b] * second[b]
        total += first[a] * inner
    return total


@leaf
def _chebyshev(t, values):
    """Write the Chebyshev polynomials at t."""
    values[0] = 1.0
    values[1] = t
    for j in range(2, values.shape[0]):
        values[j] = 2.0 * t * values[j - 1] - values[j - 2]


@leaf
def chord_table(work, i):
    """Prepare for tables at the ends of the chord of neuron i; return which pair of edges they are on."""
    enter, leave = work.keys[2, 2 * i], work.keys[2, 2 * i + 1]
    _chebyshev(work.keys[3, 2 * i], work.powers[0])
    _chebyshev(work.keys[3, 2 * i + 1], work.powers[1])
    return 4 * np.int64(0.5 * enter) + np.int64(0.5 * leave)


@cold_leaf
def add_smooth(data, wanted, factor, work):
    """Add the moments of the outputs that are tabulated."""
    total, moments = work.total, work.moments
    for s in range(data.smooth.shape[0]):
        for j in range(3):
            total[3 * data.smooth[s] + j] += factor * data.smooth_total[s, j]
    for i in range(wanted):
        kind = work.kinds[0, i]
        if kind == DEAD:
            continue
        pair = chord_table(work, i) if kind == CROSSING else 0
        for s in range(data.smooth.shape[0]):
            for j in range(3):
                if kind == ACTIVE:
                    value = data.smooth_total[s, j]
                else:
                    value = bilinear(data.tables[pair, s, j], work.powers[0], work.powers[1])
                moments[3 * data.smooth[s] + j, i] += factor * value
