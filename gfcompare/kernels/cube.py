"""One hidden layer on a box in R^3: the generalised gradient of the population risk, exactly, in O(H^2).

The uniform measure on a box is mapped to the cube C = [-1, 1]^3. The divergence theorem is used twice. With
z = w.x + b and s(z) = max(z, 0) the fields of `plane`,

    w s(z)^2 / (2 |w|^2)   and   w [x s(z)^2 / (2 |w|^2) - w s(z)^3 / (6 |w|^4)],

have the divergences s(z) and x s(z), so the integrals of the residual r = N - f times 1 and x over the part
of C where neuron i is active are fluxes through what bounds it: a polygon in the plane z_i = 0, and a part of
each face of C. There, with u the part of w in the plane of the polygon or the face,

    u s(z)^3 / (3 |u|^2)   and   x u s(z)^3 / (3 |u|^2) - u u s(z)^4 / (12 |u|^4)

have the divergences s(z)^2 and x s(z)^2 within it. What is left are integrals of s(z)^3, t s(z)^3 and s(z)^4
along segments (t is the place on one):

- *chords*, the lines on which the plane z_i = 0 meets the faces: each bounds a part of a face and is a side
  of the polygon. A loop over all k for each of the three to six chords of neuron i, which vectorises.
- *edges* of C, of which each bounds two faces. One sweep over the sorted places where planes cross it carries
  the sum over all k that are active there along, as polynomials in t.

By |u|^2 is divided only where z changes its sign on the face or polygon, so that |z| <= |u| diam: on faces
where z > 0 a neuron adds to a polynomial, on polygons where z > 0 it is integrated by their moments. A neuron
whose zero does not cross C is dead or one affine function there. Polynomials go along chords and edges as the
fluxes of y q(y) / (m + 2) for homogeneous q of degree m, and through the polygon by a rule on triangles.

Corner j of C has x_a = 1 where bit a of j is set, -1 elsewhere. Edge 4 a + 2 h + g goes along axis a, with
b = a + 1 and c = a + 2 (modulo 3) at the ends h of b and g of c; face 2 a + h is the end h of axis a, and has
the coordinates (x_b, x_c), counter-clockwise seen from the end of axis a.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf
from gfcompare.kernels.cube_edges import sweep
from gfcompare.kernels.cube_faces import face_polynomials
from gfcompare.kernels.cube_polygon import polygon_moments
from gfcompare.kernels.doubles import two_product, two_sum
from gfcompare.kernels.numbers import zero_or_nan

DEAD, CROSSING, ACTIVE = 0, 1, 2
# Below this |u|^2, relative to |w|^2, a direction within a plane is rounding: it keeps quotients finite.
_NO_DIRECTION = 1e-40


class CubeData(NamedTuple):
    """A box and a target: a polynomial of degree D <= 3 plus a sum of neurons; K outputs.

    What is stored is -f, in the coordinates of C; powers are ordered by that of x_3, then x_2, then x_1.
    """

    frame: np.ndarray  # (9,): middles of the sides, half widths, what rounds off the middles
    affine: np.ndarray  # (K, 4): coefficients of 1 and x of -f, fully active neurons of it included
    teacher: np.ndarray  # (4, M): rows (w, b) of the neurons of -f, all of which cross C
    outgoing: np.ndarray  # (K, M): their outgoing weights
    cubic: np.ndarray  # (2 K, 20): terms of degree m >= 2 over m + 3, and over m + 4
    faces: np.ndarray  # (6, 2 K, 10): these on each face, in its two coordinates
    triangle: np.ndarray  # (3, n): nodes (shares of two corners) and weights on a triangle, exact to D + 1
    degree: int  # D


class CubeWork(NamedTuple):
    """Scratch memory for W = H + M neurons and K outputs."""

    rows: np.ndarray  # (5, W): w and b in the coordinates of C, and the largest weight
    kinds: np.ndarray  # (3, W) int64: kind, number among the crossing ones, corners where z > 0, by bits
    place: np.ndarray  # (12, W): where on each edge z = 0
    crossing: np.ndarray  # (8, W): w, b over the largest weight; 1 / |w|^2; 1 / |w|^2 + 1 / |u|^2 by axis
    on: np.ndarray  # (8, W): 1 where z > 0 at each corner, else 0
    outgoing: np.ndarray  # (K, W): outgoing weights of the crossing ones over 6 |w|^2
    fluxes: np.ndarray  # (6 K, W): outgoing (w.n) / |u|^2 on each face that the zero crosses, 0 on others
    affine: np.ndarray  # (K, 4): affine part of r
    cubic: np.ndarray  # (2 K, 20): that of the data, with the affine part of r
    faces: np.ndarray  # (6 K, 5, 10): polynomials on faces, see `cube_faces`
    running: np.ndarray  # (4 K, 6): fluxes along an edge, see `cube_edges`
    keys: np.ndarray  # (2, W): places on an edge, spare
    order: np.ndarray  # (2, W) uint64
    total: np.ndarray  # (4 K,): integrals of r and x r over C
    moments: np.ndarray  # (4 K, W): where each neuron is active
    vertices: np.ndarray  # (6, 3): of a polygon
    chords: np.ndarray  # (6, 3) int64: face, first and last vertex of each of its chords
    numbers: np.ndarray  # (12,) int64: vertex on each edge
    vectors: np.ndarray  # (4, 3): unit normal, first vertex, and the directions of its coordinates
    polygon: np.ndarray  # (2, 10): its moments, spare
    values: np.ndarray  # (6, W): z of all crossing neurons at each vertex
    pairs: np.ndarray  # (6, W): with the neuron of a polygon, see `cube_polygon`


@allocator
def cube_work(data, hidden):
    """Return the scratch memory for H hidden neurons."""
    outputs = data.affine.shape[0]
    neurons = hidden + data.teacher.shape[1]
    return CubeWork(
        np.empty((5, neurons)),
        np.empty((3, neurons), np.int64),
        np.empty((12, neurons)),
        np.empty((8, neurons)),
        np.empty((8, neurons)),
        np.empty((outputs, neurons)),
        np.empty((6 * outputs, neurons)),
        np.empty((outputs, 4)),
        np.empty((2 * outputs, 20)),
        np.empty((6 * outputs, 5, 10)),
        np.empty((4 * outputs, 6)),
        np.empty((2, neurons)),
        np.empty((2, neurons), np.uint64),
        np.empty(4 * outputs),
        np.empty((4 * outputs, neurons)),
        np.empty((6, 3)),
        np.empty((6, 3), np.int64),
        np.empty(12, np.int64),
        np.empty((4, 3)),
        np.empty((2, 10)),
        np.empty((6, neurons)),
        np.empty((6, neurons)),
    )


@leaf
def shifted_bias(u, v, w, b, frame):
    """Return b + w.m for the middle m, rounded once: boxes far from 0 cost no digits."""
    p, e = two_product(u, frame[0])
    q, d = two_product(v, frame[1])
    o, c = two_product(w, frame[2])
    s, f = two_sum(p, q)
    t, g = two_sum(s, o)
    y, h = two_sum(t, b)
    low = (e + d + c) + (f + g + h) + (u * frame[6] + v * frame[7] + w * frame[8])
    value = y + low
    return value if abs(value) < np.inf else b + (u * frame[0] + v * frame[1] + w * frame[2])


@leaf
def _corner(u, v, w, b, j):
    """Return the pre-activation at corner j, in an order whose roundings are monotone along every edge."""
    z = b + u if j & 1 else b - u
    z = z + v if j & 2 else z - v
    return z + w if j & 4 else z - w


@leaf
def _place(work, i):
    """Find out whether the zero of a neuron crosses C, and where it crosses the edges."""
    u, v, w, b = work.rows[0, i], work.rows[1, i], work.rows[2, i], work.rows[3, i]
    reach = abs(u) + abs(v) + abs(w)
    work.kinds[0, i] = ACTIVE if b >= reach and b > 0.0 else DEAD
    if not -reach < b < reach:
        return
    largest = max(abs(u), abs(v), abs(w))
    work.rows[4, i] = largest
    u, v, w, b = u / largest, v / largest, w / largest, b / largest
    signs = 0
    for j in range(8):
        if _corner(u, v, w, b, j) > 0.0:
            signs |= 1 << j
    work.kinds[2, i] = signs
    if signs == 0 or signs == 255:  # it cuts off less than rounding
        work.kinds[0, i] = ACTIVE if signs else DEAD
        return
    work.kinds[0, i] = CROSSING
    for axis in range(3):
        for side in range(4):
            first = ((side >> 1) << (axis + 1) % 3) | ((side & 1) << (axis + 2) % 3)
            last = first | 1 << axis
            if ((signs >> first) ^ (signs >> last)) & 1:
                p, q = _corner(u, v, w, b, first), _corner(u, v, w, b, last)
                work.place[4 * axis + side, i] = (p + q) / (p - q)


@leaf
def _set_crossing(data, theta, hidden, i, k, work):
    """Write what is needed of a neuron that crosses C, as number k of these."""
    outputs, crossing, largest = work.affine.shape[0], work.crossing, work.rows[4, i]
    work.kinds[1, i] = k
    for j in range(4):
        crossing[j, k] = work.rows[j, i] / largest
    u, v, w = crossing[0, k], crossing[1, k], crossing[2, k]
    uu, vv, ww = u * u, v * v, w * w
    share = 1.0 / (uu + vv + ww)
    crossing[4, k] = share
    crossing[5, k] = 1.0 / (vv + ww + _NO_DIRECTION)
    crossing[6, k] = 1.0 / (uu + ww + _NO_DIRECTION)
    crossing[7, k] = 1.0 / (uu + vv + _NO_DIRECTION)
    signs = work.kinds[2, i]
    for j in range(8):
        work.on[j, k] = 1.0 if (signs >> j) & 1 else 0.0
    for m in range(outputs):
        v = theta[4 * hidden + m * hidden + i] if i < hidden else data.outgoing[m, i - hidden]
        scaled = (share * (1.0 / 6.0)) * (v * largest)
        work.outgoing[m, k] = scaled
        for face in range(6):
            axis = face >> 1
            on = face_signs(signs, face)
            side = 1.0 if face & 1 else -1.0
            flux = (scaled * crossing[axis, k]) * (side * crossing[5 + axis, k])
            work.fluxes[6 * m + face, k] = flux if on != 0 and on != 15 else 0.0
    for j in range(5, 8):
        crossing[j, k] += share


@leaf
def face_signs(signs, face):
    """Return which of the four corners of a face have z > 0, counter-clockwise from the lowest, by bits."""
    axis = face >> 1
    b, c = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
    low = (face & 1) << axis
    on = (signs >> low) & 1
    on |= ((signs >> (low | b)) & 1) << 1
    on |= ((signs >> (low | b | c)) & 1) << 2
    return on | ((signs >> (low | c)) & 1) << 3


@leaf
def prepare(data, theta, hidden, work):
    """Fill in rows and ends of all neurons, affine part of r and crossing neurons; return their number."""
    frame, outputs, neurons = data.frame, data.affine.shape[0], work.rows.shape[1]
    rows = work.rows
    for i in range(hidden):
        u, v, w = theta[3 * i], theta[3 * i + 1], theta[3 * i + 2]
        rows[0, i], rows[1, i], rows[2, i] = u * frame[3], v * frame[4], w * frame[5]
        rows[3, i] = shifted_bias(u, v, w, theta[3 * hidden + i], frame)
    for k in range(hidden, neurons):
        for j in range(4):
            rows[j, k] = data.teacher[j, k - hidden]
    for m in range(outputs):
        for j in range(4):
            work.affine[m, j] = data.affine[m, j]
        work.affine[m, 0] += theta[4 * hidden + outputs * hidden + m]
    count = 0
    for i in range(neurons):
        _place(work, i)
        kind = work.kinds[0, i]
        if kind == CROSSING:
            _set_crossing(data, theta, hidden, i, count, work)
            count += 1
        elif kind == ACTIVE:
            for m in range(outputs):
                v = theta[4 * hidden + m * hidden + i] if i < hidden else data.outgoing[m, i - hidden]
                work.affine[m, 0] += v * rows[3, i]
                for j in range(3):
                    work.affine[m, 1 + j] += v * rows[j, i]
    return count


@leaf
def _set_cubic(data, factor, work):
    """Write the polynomial part of r, terms of degree m over m + 3 and over m + 4, times `factor`."""
    for m in range(work.affine.shape[0]):
        for version in range(2):
            cubic = work.cubic[2 * m + version]
            if data.degree > 1:
                for j in range(20):
                    cubic[j] = factor * data.cubic[2 * m + version, j]
            a = work.affine[m]
            cubic[0] = factor * a[0] / (3.0 + version)
            linear = factor / (4.0 + version)
            cubic[1], cubic[4], cubic[10] = linear * a[1], linear * a[2], linear * a[3]


@cold_leaf
def moments_into(data, theta, hidden, wanted, factor, work):
    """Fill in the moments of the first `wanted` neurons, with `factor` times the polynomial part of r.

    They are integrals over C, of volume 8, in its coordinates; see `CubeWork`.
    """
    moments = work.moments
    count = prepare(data, theta, hidden, work)
    _set_cubic(data, factor, work)
    face_polynomials(data, count, factor, work)
    for j in range(moments.shape[0]):
        for i in range(moments.shape[1]):
            moments[j, i] = 0.0
    sweep(count, work)
    for i in range(wanted):
        kind = work.kinds[0, i]
        if kind == CROSSING:
            polygon_moments(data, count, i, work)
        elif kind == ACTIVE:
            for j in range(moments.shape[0]):
                moments[j, i] = work.total[j]


@cold_leaf
def cube_gradient_into(data, theta, gradient, work):
    """Write the generalised gradient at `theta`, shape (P,), into `gradient`."""
    outputs, frame = data.affine.shape[0], data.frame
    hidden = (theta.shape[0] - outputs) // (4 + outputs)
    moments, rows = work.moments, work.rows
    moments_into(data, theta, hidden, hidden, 1.0, work)
    check = zero_or_nan(theta)
    for i in range(hidden):
        one, first, second, third = 0.0, 0.0, 0.0, 0.0
        for m in range(outputs):
            place = 4 * hidden + m * hidden + i
            v = theta[place]
            i0, i1, i2, i3 = (
                moments[4 * m, i],
                moments[4 * m + 1, i],
                moments[4 * m + 2, i],
                moments[4 * m + 3, i],
            )
            one += v * i0
            first += v * i1
            second += v * i2
            third += v * i3
            value = rows[0, i] * i1 + rows[1, i] * i2 + rows[2, i] * i3 + rows[3, i] * i0
            gradient[place] = 0.25 * value + check
        gradient[3 * i] = 0.25 * (frame[0] * one + frame[3] * first) + check
        gradient[3 * i + 1] = 0.25 * (frame[1] * one + frame[4] * second) + check
        gradient[3 * i + 2] = 0.25 * (frame[2] * one + frame[5] * third) + check
        gradient[3 * hidden + i] = 0.25 * one + check
    for m in range(outputs):
        gradient[4 * hidden + outputs * hidden + m] = 0.25 * work.total[4 * m] + check


@entry
def gradients(data, thetas, results):
    """Write the generalised gradient at each row of `thetas`, (M, P), into `results`, (M, P)."""
    outputs = data.affine.shape[0]
    work = cube_work(data, (thetas.shape[1] - outputs) // (4 + outputs))
    for m in range(thetas.shape[0]):
        cube_gradient_into(data, thetas[m], results[m], work)
