"""Integrals over a cube of products of two neurons, with twice the digits.

The notation is that of `cube`. For two neurons i and k that cross C the integral of s(z_i) s(z_k) is that of
z_i s(z_k) where i is active. Of the fields there only those with z_i = 0 on the polygon of i are needed: with
d = w_i.w_k, it is the flux of w_k [z_i s(z_k)^2 / (2 |w_k|^2) - d s(z_k)^3 / (6 |w_k|^4)]; on a face

    u_k z_i s(z_k)^3 / (3 |u_k|^2) - u_k (u_i.u_k) s(z_k)^4 / (12 |u_k|^4) has the divergence z_i s(z_k)^2.

So along a chord, where z_i = 0, only s(z_k)^4 is integrated. All k are taken at a time, as arrays
(`doubles_arrays`). The geometry is that of `cube_exact`.
"""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf_exact
from gfcompare.kernels.cube_exact import cross, region_of
from gfcompare.kernels.doubles import add, divide, multiply
from gfcompare.kernels.doubles_arrays import (
    add_multiple,
    add_product,
    fill,
    masked,
    minus,
    plus,
    product,
    quotient,
)

_TINY = 1e-300
# As `_NO_DIRECTION` of `cube`, for twice the digits.
NO_DIRECTION = 1e-80


@cold_leaf_exact
def along_segment(n, p, q, cube, moment, fourth):
    """Write the integrals over [0, 1] of s^3, t s^3 and s^4, for z that goes from p to q."""
    for k in range(n):
        p0, p1, q0, q1 = p[0, k], p[1, k], q[0, k], q[1, k]
        sp = 1.0 if p0 > 0.0 else -1.0
        sq = 1.0 if q0 > 0.0 else -1.0
        P, e = (p0, p1) if p0 > 0.0 else (0.0, 0.0)
        Q, f = (q0, q1) if q0 > 0.0 else (0.0, 0.0)
        size, size_low = add(sp * p0, sp * p1, sq * q0, sq * q1)
        size += _TINY
        both, both_low = add(P, e, Q, f)
        phi, phi_low = divide(both, both_low, size, size_low)
        begin, begin_low = divide(P - p0, e - p1, size, size_low)
        PP, pp = multiply(P, e, P, e)
        QQ, qq = multiply(Q, f, Q, f)
        PQ, pq = multiply(P, e, Q, f)
        squares, low = add(PP, pp, QQ, qq)
        a, a_low = multiply(both, both_low, squares, low)
        a, a_low = 0.25 * a, 0.25 * a_low
        cube[0, k], cube[1, k] = multiply(phi, phi_low, a, a_low)
        # moment = phi (begin a + phi (a / 5 + Q (P^2 + 2 P Q + 3 Q^2) / 20))
        x, x_low = add(2.0 * PQ, 2.0 * pq, QQ, qq)
        y, y_low = add(squares, low, QQ, qq)
        x, x_low = add(x, x_low, y, y_low)
        x, x_low = multiply(x, x_low, Q, f)
        x, x_low = add(4.0 * a, 4.0 * a_low, x, x_low)
        x, x_low = divide(x, x_low, 20.0, 0.0)
        x, x_low = multiply(x, x_low, phi, phi_low)
        y, y_low = multiply(begin, begin_low, a, a_low)
        x, x_low = add(x, x_low, y, y_low)
        moment[0, k], moment[1, k] = multiply(x, x_low, phi, phi_low)
        x, x_low = add(squares, low, PQ, pq)
        x, x_low = multiply(x, x_low, squares, low)
        y, y_low = multiply(PP, pp, QQ, qq)
        x, x_low = add(x, x_low, -y, -y_low)
        x, x_low = divide(x, x_low, 5.0, 0.0)
        fourth[0, k], fourth[1, k] = multiply(x, x_low, phi, phi_low)


@cold_leaf_exact
def on_triangle(n, p, q, r, a, b, c, mixed, cube):
    """Add what the integrals of z_i z^2 and z^3 over a triangle are, over a tenth of its area.

    z at its corners is p, q, r; z_i is a, b, c there, numbers of shape (2,).
    """
    for k in range(n):
        x, x_low, y, y_low, z, z_low = p[0, k], p[1, k], q[0, k], q[1, k], r[0, k], r[1, k]
        sums, low = add(x, x_low, y, y_low)
        sums, low = add(sums, low, z, z_low)
        value, value_low = 0.0, 0.0
        third, third_low = 0.0, 0.0
        # h_3 = sum of all products of three values, repetition allowed; its derivative by x is
        # sum of all products of two + x (x + y + z) + x^2.
        xx, xx_low = multiply(x, x_low, x, x_low)
        yy, yy_low = multiply(y, y_low, y, y_low)
        zz, zz_low = multiply(z, z_low, z, z_low)
        square, square_low = multiply(sums, low, sums, low)
        two, two_low = add(xx, xx_low, yy, yy_low)
        two, two_low = add(two, two_low, zz, zz_low)
        two, two_low = add(0.5 * two, 0.5 * two_low, 0.5 * square, 0.5 * square_low)
        for corner in range(3):
            if corner == 0:
                v, v_low, vv, vv_low, g, g_low = x, x_low, xx, xx_low, a[0], a[1]
            elif corner == 1:
                v, v_low, vv, vv_low, g, g_low = y, y_low, yy, yy_low, b[0], b[1]
            else:
                v, v_low, vv, vv_low, g, g_low = z, z_low, zz, zz_low, c[0], c[1]
            o, o_low = multiply(v, v_low, sums, low)
            o, o_low = add(o, o_low, two, two_low)
            o, o_low = add(o, o_low, vv, vv_low)
            u, u_low = multiply(o, o_low, g, g_low)
            value, value_low = add(value, value_low, u, u_low)
            u, u_low = multiply(o, o_low, v, v_low)
            third, third_low = add(third, third_low, u, u_low)
        mixed[0, k], mixed[1, k] = divide(value, value_low, 3.0, 0.0)
        cube[0, k], cube[1, k] = divide(third, third_low, 3.0, 0.0)


@cold_leaf_exact
def _prepare_pairs(n, found, i, work):
    """Write what the pairs with neuron i have in common, and z at the vertices of its polygon."""
    lanes, inner, row, spare = work.lanes, work.inner, work.rows[i], work.spare
    zero = work.single[0]
    zero[0], zero[1] = 0.0, 0.0
    fill(n, zero, inner[0])
    for j in range(3):
        add_multiple(n, row[j], lanes[j], inner[0])
    product(n, inner[0], lanes[4], inner[1])
    for a in range(3):  # q ((d - w_i w_k) q + d / |w|^2) of the axis
        fill(n, row[a], spare[0])
        product(n, spare[0], lanes[a], spare[0])
        minus(n, inner[0], spare[0], spare[0])
        product(n, spare[0], lanes[5 + a], spare[0])
        plus(n, spare[0], inner[1], spare[0])
        product(n, spare[0], lanes[5 + a], inner[2 + a])
    for number in range(8, 8 + found):
        fill(n, zero, work.values[number])
        plus(n, work.values[number], lanes[3], work.values[number])
        for j in range(3):
            add_multiple(n, work.points[number, j], lanes[j], work.values[number])


@cold_leaf_exact
def _add_edge(n, edge, start, stop, work):
    """Add the fluxes along a part of an edge, between two vertices."""
    a = edge >> 2
    b, c = (a + 1) % 3, (a + 2) % 3
    high_b, high_c = (edge >> 1) & 1, edge & 1
    cut_b, cut_c = work.cut[2 * b + high_b], work.cut[2 * c + high_c]
    lanes, spare, number = work.lanes, work.spare, work.single[1]
    cube, moment, fourth, q, h = spare[0], spare[1], spare[2], spare[3], spare[4]
    along_segment(n, work.values[start], work.values[stop], cube, moment, fourth)
    own, then = work.own[start], work.own[stop]
    number[0], number[1] = add(then[0], then[1], -own[0], -own[1])
    fill(n, own, q)
    product(n, cube, q, cube)
    add_multiple(n, number, moment, cube)
    masked(n, lanes[5 + b], cut_b, 1.0, q)
    masked(n, lanes[5 + c], cut_c, 1.0, h)
    plus(n, q, h, q)
    product(n, cube, q, cube)
    masked(n, work.inner[2 + b], cut_b, -0.25, q)
    masked(n, work.inner[2 + c], cut_c, -0.25, h)
    plus(n, q, h, q)
    add_product(n, q, fourth, cube)
    product(n, cube, lanes[8 + a], cube)
    x, y = work.points[start, a], work.points[stop, a]
    length, low = add(y[0], y[1], -x[0], -x[1])
    length, low = divide(length, low, 6.0 if high_b == high_c else -6.0, 0.0)
    number[0], number[1] = length, low
    add_multiple(n, number, cube, work.pairs)


@cold_leaf_exact
def _add_face(n, face, i, work):
    """Add the fluxes through the active part of a face of neurons with z > 0 on all of it."""
    any_above = 0.0
    for k in range(n):
        any_above += work.above[face, k]
    if any_above == 0.0:
        return
    a = face >> 1
    b, c = (a + 1) % 3, (a + 2) % 3
    spare, lanes, number, area = work.spare, work.lanes, work.single[1], work.single[2]
    mixed, cube, one, other = spare[0], spare[1], spare[2], spare[3]
    number[0], number[1] = 0.0, 0.0
    fill(n, number, mixed)
    fill(n, number, cube)
    count = region_of(face, i, work)
    region = work.region
    for j in range(1, count - 1):
        p, q, r = region[0], region[j], region[j + 1]
        cross(work.points[p], work.points[q], work.points[r], b, c, area)
        area[0], area[1] = divide(area[0], area[1], 20.0, 0.0)
        on_triangle(
            n,
            work.values[p],
            work.values[q],
            work.values[r],
            work.own[p],
            work.own[q],
            work.own[r],
            one,
            other,
        )
        add_multiple(n, area, one, mixed)
        add_multiple(n, area, other, cube)
    # w_n (mixed / 2 - d cube / (6 |w|^2)) / |w|^2
    number[0], number[1] = divide(-1.0, 0.0, 3.0, 0.0)
    product(n, cube, work.inner[1], cube)
    add_multiple(n, number, cube, mixed)
    product(n, mixed, lanes[4], mixed)
    product(n, mixed, lanes[a], mixed)
    masked(n, mixed, work.above[face], 0.5 if face & 1 else -0.5, mixed)
    plus(n, work.pairs, mixed, work.pairs)


@cold_leaf_exact
def _add_chord(n, found, i, work, inside):
    """Add the flux through a face along a chord; add that of s^3 |u|^2 through the polygon to `inside`."""
    face = work.chords[found, 0]
    a = face >> 1
    b, c = (a + 1) % 3, (a + 2) % 3
    start, stop = 8 + work.chords[found, 1], 8 + work.chords[found, 2]
    spare, lanes, number, row = work.spare, work.lanes, work.single, work.rows[i]
    fourth, flux = spare[2], spare[3]
    along_segment(n, work.values[start], work.values[stop], spare[0], spare[1], fourth)
    x, y = work.points[start], work.points[stop]
    for j in range(3):
        number[1 + j, 0], number[1 + j, 1] = add(y[j, 0], y[j, 1], -x[j, 0], -x[j, 1])
    side = 1.0 if face & 1 else -1.0
    for j in range(3):  # side (y - x) cross w_i
        g, h = (j + 1) % 3, (j + 2) % 3
        p, p_low = multiply(number[1 + g, 0], number[1 + g, 1], row[h, 0], row[h, 1])
        q, q_low = multiply(number[1 + h, 0], number[1 + h, 1], row[g, 0], row[g, 1])
        p, p_low = add(p, p_low, -q, -q_low)
        number[4 + j, 0], number[4 + j, 1] = side * p, side * p_low
    number[0, 0], number[0, 1] = 0.0, 0.0
    fill(n, number[0], flux)
    for j in range(3):
        add_multiple(n, number[4 + j], lanes[j], flux)
    add_product(n, flux, fourth, inside)
    fill(n, number[0], flux)
    add_multiple(n, number[1 + c], lanes[b], flux)
    number[1 + b, 0], number[1 + b, 1] = -number[1 + b, 0], -number[1 + b, 1]
    add_multiple(n, number[1 + b], lanes[c], flux)
    product(n, flux, fourth, flux)
    product(n, flux, work.inner[2 + a], flux)
    product(n, flux, lanes[a], flux)
    product(n, flux, lanes[4], flux)
    masked(n, flux, work.cut[face], -0.25 * side, flux)
    number[0, 0], number[0, 1] = divide(1.0, 0.0, 6.0, 0.0)
    add_multiple(n, number[0], flux, work.pairs)


@cold_leaf_exact
def _choose(n, values, found, changing, positive):
    """Keep `changing` where the least value at the vertices of a polygon is not positive, else `positive`."""
    for k in range(n):
        least = np.inf
        for vertex in range(8, 8 + found):
            least = min(least, values[vertex, 0, k])
        if least > 0.0:
            changing[0, k], changing[1, k] = positive[0, k], positive[1, k]


@cold_leaf_exact
def _add_polygon(n, found, i, work, inside):
    """Add the fluxes through the polygon; `inside` is 4 |u|^2 times that of s^3, if z has both signs."""
    spare, lanes, number, row = work.spare, work.lanes, work.single, work.rows[i]
    positive, one, other = spare[0], spare[1], spare[2]
    square, low = 0.0, 0.0
    for j in range(3):
        p, e = multiply(row[j, 0], row[j, 1], row[j, 0], row[j, 1])
        square, low = add(square, low, p, e)
    share, share_low = divide(1.0, 0.0, square, low)
    # |u|^2 of u = w - (d / |w_i|^2) w_i.
    number[0, 0], number[0, 1] = share, share_low
    fill(n, number[0], one)
    product(n, one, work.inner[0], one)
    number[1, 0], number[1, 1] = NO_DIRECTION, 0.0
    fill(n, number[1], positive)
    for j in range(3):
        fill(n, row[j], other)
        product(n, other, one, other)
        minus(n, lanes[j], other, other)
        add_product(n, other, other, positive)
    quotient(n, inside, positive, inside)
    number[1, 0], number[1, 1] = 0.0, 0.0
    fill(n, number[1], positive)
    apex = 8
    for chord in range(found):
        start, stop = 8 + work.chords[chord, 1], 8 + work.chords[chord, 2]
        if start == apex or stop == apex:
            continue
        side = 1.0 if work.chords[chord, 0] & 1 else -1.0
        twice, twice_low = 0.0, 0.0
        for j in range(3):
            cross(
                work.points[apex],
                work.points[start],
                work.points[stop],
                (j + 1) % 3,
                (j + 2) % 3,
                number[2],
            )
            p, e = multiply(number[2, 0], number[2, 1], row[j, 0], row[j, 1])
            twice, twice_low = add(twice, twice_low, side * p, side * e)
        number[2, 0], number[2, 1] = divide(twice, twice_low, 5.0, 0.0)
        on_triangle(
            n,
            work.values[apex],
            work.values[start],
            work.values[stop],
            number[1],
            number[1],
            number[1],
            one,
            other,
        )
        add_multiple(n, number[2], other, positive)
    _choose(n, work.values, found, inside, positive)
    # d^2 / (6 |w_i|^2 |w|^4) times the integral, a quarter of `inside`.
    product(n, inside, work.inner[1], inside)
    product(n, inside, work.inner[1], inside)
    number[0, 0], number[0, 1] = divide(share, share_low, 24.0, 0.0)
    add_multiple(n, number[0], inside, work.pairs)


@cold_leaf_exact
def pair_integrals(n, i, found, work):
    """Write the integrals over C of s(z_i) s(z_k) for the first n crossing neurons into `work.pairs`.

    `vertices_of` has been called for neuron i, and returned `found`.
    """
    _prepare_pairs(n, found, i, work)
    inside, zero = work.spare[7], work.single[0]
    zero[0], zero[1] = 0.0, 0.0
    fill(n, zero, work.pairs)
    fill(n, zero, inside)
    signs = work.signs[i]
    for edge in range(12):
        a = edge >> 2
        first = (((edge >> 1) & 1) << (a + 1) % 3) | ((edge & 1) << (a + 2) % 3)
        last = first | 1 << a
        begins, ends = (signs >> first) & 1, (signs >> last) & 1
        if begins or ends:
            middle = 8 + work.numbers[edge]
            _add_edge(n, edge, first if begins else middle, last if ends else middle, work)
    for face in range(6):
        _add_face(n, face, i, work)
    for chord in range(found):
        _add_chord(n, chord, i, work, inside)
    _add_polygon(n, found, i, work, inside)
