"""The fluxes along the edges of a cube, summed over all neurons that are active there (`cube`).

Along an edge each of the four fluxes, of 1 and of x, is a polynomial of degree 4 in the coordinate t of the
edge, which changes where the zero of a neuron crosses it. Antiderivatives are carried along, ascending, with
constants for which they are continuous and begin at 0.
"""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, leaf, leaf_sum
from gfcompare.kernels.cube_faces import along_first, along_second
from gfcompare.kernels.sorting import sort_pairs


@leaf
def _value(c, t):
    """Return an antiderivative at t."""
    return ((((c[5] * t + c[4]) * t + c[3]) * t + c[2]) * t + c[1]) * t + c[0]


@cold_leaf
def _add_neurons(cubes, along, second, third, side_b, side_c, running, m, a, b, c):
    """Add the fluxes of neurons, from the coefficients of sum E s(z)^3 and of sum H s(z)^4, by axis."""
    c0, c1, c2, c3 = cubes
    one = running[4 * m]
    one[1] += c0
    one[2] += 0.5 * c1
    one[3] += (1.0 / 3.0) * c2
    one[4] += 0.25 * c3
    first = running[4 * m + 1 + a]
    first[1] -= along[0]
    first[2] += 0.5 * (c0 - along[1])
    first[3] += (1.0 / 3.0) * (c1 - along[2])
    first[4] += 0.25 * (c2 - along[3])
    first[5] += 0.2 * (c3 - along[4])
    for other in range(2):
        side = side_c if other else side_b
        powers = third if other else second
        target = running[4 * m + 1 + (c if other else b)]
        target[1] += side * c0 - powers[0]
        target[2] += 0.5 * (side * c1 - powers[1])
        target[3] += (1.0 / 3.0) * (side * c2 - powers[2])
        target[4] += 0.25 * (side * c3 - powers[3])
        target[5] -= 0.2 * powers[4]


@leaf
def _weights(along, second, third, share, less_b, less_c, flux_b, flux_c, side_b, side_c):
    """Return E, and H by axis, of one neuron on an edge, of the faces b and c.

    E is (w.n) (u.m) v / (6 |w|^2 |u|^2), summed over both faces, and H that times
    (u / |u|^2 + w / |w|^2) / 4.
    """
    on_b, on_c = flux_b * (side_c * third), flux_c * (side_b * second)
    both = on_b * less_b + on_c * less_c
    return (
        on_b + on_c,
        0.25 * along * both,
        0.25 * second * (on_b * share + on_c * less_c),
        0.25 * third * (on_b * less_b + on_c * share),
    )


@leaf
def _powers(z, d):
    """Return the coefficients of (z + d t)^4, ascending."""
    zz, zd, dd = z * z, z * d, d * d
    return zz * zz, 4.0 * (zz * zd), 6.0 * (zz * dd), 4.0 * (zd * dd), dd * dd


@leaf
def _scaled(powers, h):
    return h * powers[0], h * powers[1], h * powers[2], h * powers[3], h * powers[4]


@leaf_sum
def _start(count, on, along, second, third, bias, share, less_b, less_c, flux_b, flux_c, side_b, side_c):
    """Return the sums of `_add_neurons` over the neurons that are active where an edge begins."""
    c0, c1, c2, c3 = 0.0, 0.0, 0.0, 0.0
    a0, a1, a2, a3, a4 = 0.0, 0.0, 0.0, 0.0, 0.0
    b0, b1, b2, b3, b4 = 0.0, 0.0, 0.0, 0.0, 0.0
    d0, d1, d2, d3, d4 = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        d = along[k]
        z = bias[k] + side_b * second[k] + side_c * third[k]
        e, ha, hb, hc = _weights(
            d, second[k], third[k], share[k], less_b[k], less_c[k], flux_b[k], flux_c[k], side_b, side_c
        )
        e *= on[k]
        ha *= on[k]
        hb *= on[k]
        hc *= on[k]
        zz, zd, dd = z * z, z * d, d * d
        c0 += e * (zz * z)
        c1 += e * (zz * d)
        c2 += e * (zd * d)
        c3 += e * (dd * d)
        p0, p1, p2, p3, p4 = zz * zz, zz * zd, zz * dd, zd * dd, dd * dd
        a0 += ha * p0
        a1 += ha * p1
        a2 += ha * p2
        a3 += ha * p3
        a4 += ha * p4
        b0 += hb * p0
        b1 += hb * p1
        b2 += hb * p2
        b3 += hb * p3
        b4 += hb * p4
        d0 += hc * p0
        d1 += hc * p1
        d2 += hc * p2
        d3 += hc * p3
        d4 += hc * p4
    return (
        (c0, 3.0 * c1, 3.0 * c2, c3),
        (a0, 4.0 * a1, 6.0 * a2, 4.0 * a3, a4),
        (b0, 4.0 * b1, 6.0 * b2, 4.0 * b3, b4),
        (d0, 4.0 * d1, 6.0 * d2, 4.0 * d3, d4),
    )


@leaf
def _add_integral(values, factor, target):
    """Add factor times the antiderivative of a polynomial, ascending."""
    target[1] += factor * values[0]
    target[2] += (0.5 * factor) * values[1]
    target[3] += (1.0 / 3.0 * factor) * values[2]
    target[4] += (0.25 * factor) * values[3]


@leaf
def _add_moment(values, target):
    """Add the antiderivative of t times a polynomial."""
    target[2] += 0.5 * values[0]
    target[3] += (1.0 / 3.0) * values[1]
    target[4] += 0.25 * values[2]
    target[5] += 0.2 * values[3]


@cold_leaf
def _start_polynomials(on_b, on_c, side_b, side_c, running, m, a, b, c):
    """Write the antiderivatives of the polynomials of both faces, in t from 0."""
    for q in range(4):
        for n in range(6):
            running[4 * m + q, n] = 0.0
    one, first = running[4 * m], running[4 * m + 1 + a]
    second, third = running[4 * m + 1 + b], running[4 * m + 1 + c]
    # The face at an end of b has the coordinates (c, a), that at an end of c has (a, b).
    _add_integral(along_second(on_b[0], side_c), 1.0, one)
    both = along_second(on_b[1], side_c)
    _add_moment(both, first)
    _add_integral(both, side_c, third)
    _add_integral(along_second(on_b[2], side_c), -1.0, third)
    _add_integral(along_second(on_b[3], side_c), -1.0, first)
    _add_integral(along_second(on_b[4], side_c), 1.0, second)
    _add_integral(along_first(on_c[0], side_b), 1.0, one)
    both = along_first(on_c[1], side_b)
    _add_moment(both, first)
    _add_integral(both, side_b, second)
    _add_integral(along_first(on_c[2], side_b), -1.0, first)
    _add_integral(along_first(on_c[3], side_b), -1.0, second)
    _add_integral(along_first(on_c[4], side_b), 1.0, third)


@leaf
def _sorted_crossings(edge, first, last, work):
    """Sort the places where neurons cross an edge; return their number."""
    keys, order, kinds = work.keys[0], work.order[0], work.kinds
    number = 0
    for i in range(kinds.shape[1]):
        signs = kinds[2, i]
        if kinds[0, i] == 1 and ((signs >> first) ^ (signs >> last)) & 1:
            keys[number] = work.place[edge, i]
            order[number] = i
            number += 1
    sort_pairs(keys[:number], order[:number], work.keys[1, :number], work.order[1, :number])
    return number


@leaf
def sweep(count, work):
    """Add to all moments the fluxes along the parts of the edges where each neuron is active.

    Integrals over all of C are written to `work.total`.
    """
    crossing, running, total, moments = work.crossing, work.running, work.total, work.moments
    outputs, neurons = work.affine.shape[0], work.rows.shape[1]
    bias, share = crossing[3], crossing[4]
    for j in range(total.shape[0]):
        total[j] = 0.0
    for edge in range(12):
        a = edge >> 2
        b, c = (a + 1) % 3, (a + 2) % 3
        high_b, high_c = (edge >> 1) & 1, edge & 1
        side_b, side_c = 2.0 * high_b - 1.0, 2.0 * high_c - 1.0
        face_b, face_c = 2 * b + high_b, 2 * c + high_c
        first = (high_b << b) | (high_c << c)
        last = first | 1 << a
        along, second, third = crossing[a], crossing[b], crossing[c]
        less_b, less_c = crossing[5 + b], crossing[5 + c]
        for m in range(outputs):
            on_b, on_c = work.faces[6 * m + face_b], work.faces[6 * m + face_c]
            _start_polynomials(on_b, on_c, side_b, side_c, running, m, a, b, c)
            cubes, p, q, r = _start(
                count,
                work.on[first],
                along,
                second,
                third,
                bias,
                share,
                less_b,
                less_c,
                work.fluxes[6 * m + face_b],
                work.fluxes[6 * m + face_c],
                side_b,
                side_c,
            )
            _add_neurons(cubes, p, q, r, side_b, side_c, running, m, a, b, c)
            for j in range(4 * m, 4 * m + 4):
                running[j, 0] -= _value(running[j], -1.0)
        for event in range(_sorted_crossings(edge, first, last, work)):
            i = np.int64(work.order[0, event])
            k, t = work.kinds[1, i], work.keys[0, event]
            rising = (work.kinds[2, i] >> last) & 1
            sign = 1.0 if rising else -1.0
            z = bias[k] + side_b * second[k] + side_c * third[k]
            powers = _powers(z, along[k])
            zz, zd, dd = z * z, z * along[k], along[k] * along[k]
            for m in range(outputs):
                for j in range(4 * m, 4 * m + 4):
                    before = _value(running[j], t)
                    moments[j, i] -= sign * before
                    running[j, 0] = before
                e, ha, hb, hc = _weights(
                    along[k],
                    second[k],
                    third[k],
                    share[k],
                    less_b[k],
                    less_c[k],
                    work.fluxes[6 * m + face_b, k],
                    work.fluxes[6 * m + face_c, k],
                    side_b,
                    side_c,
                )
                e *= sign
                cubes = (
                    e * (zz * z),
                    e * (3.0 * zz * along[k]),
                    e * (3.0 * zd * along[k]),
                    e * (dd * along[k]),
                )
                _add_neurons(
                    cubes,
                    _scaled(powers, sign * ha),
                    _scaled(powers, sign * hb),
                    _scaled(powers, sign * hc),
                    side_b,
                    side_c,
                    running,
                    m,
                    a,
                    b,
                    c,
                )
                for j in range(4 * m, 4 * m + 4):
                    before = running[j, 0]
                    running[j, 0] = 0.0
                    running[j, 0] = before - _value(running[j], t)
        for j in range(4 * outputs):
            running[j, 0] = _value(running[j], 1.0)
            total[j] += running[j, 0]
        for i in range(neurons):
            if work.kinds[0, i] == 1 and (work.kinds[2, i] >> last) & 1:
                for j in range(4 * outputs):
                    moments[j, i] += running[j, 0]
