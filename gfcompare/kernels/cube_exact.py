"""The active part of a cube with twice the digits, and integrals over it of a neuron times a polynomial.

The notation is that of `cube`. Vertices are numbered: the corners of C, 0 to 7, then those of the polygon in
which the zero of a neuron cuts C, 8 to 13.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import cold_leaf_exact
from gfcompare.kernels.cube_polygon import find_chords
from gfcompare.kernels.doubles import add, divide, multiply
from gfcompare.kernels.doubles_arrays import add_multiple, copy, fill, plus, product, total


class ExactCube(NamedTuple):
    """Scratch memory for W neurons; axes of length 2 hold the high and the low part of a number."""

    rows: np.ndarray  # (W, 4, 2): w and b of all neurons, times a power of 2
    scales: np.ndarray  # (W,): 1 over that power
    signs: np.ndarray  # (W,) int64: corners where z > 0, by bits
    place: np.ndarray  # (12, W, 2): where on each edge z = 0
    first: np.ndarray  # (12, W): its high part
    crossing: np.ndarray  # (W,) int64: which ones cross C
    lanes: np.ndarray  # (11, 2, W): w, b, 1 / |w|^2, 1 / |u|^2 by axis, w_b w_c / |w|^2 by a, of these
    cut: np.ndarray  # (6, W): 1 where the zero crosses a face, else 0
    above: np.ndarray  # (6, W): 1 where z > 0 on all of a face, else 0
    values: np.ndarray  # (14, 2, W): z of all at each vertex
    inner: np.ndarray  # (6, 2, W): of two neurons: d, d / |w|^2, and what s^4 on the faces is times, by axis
    spare: np.ndarray  # (8, 2, W)
    points: np.ndarray  # (14, 3, 2): vertices
    own: np.ndarray  # (14, 2): z_i at the vertices
    vertices: np.ndarray  # (6, 3): of the polygon, high parts
    chords: np.ndarray  # (6, 3) int64
    numbers: np.ndarray  # (12,) int64
    region: np.ndarray  # (6,) int64: vertices of the active part of a face
    single: np.ndarray  # (8, 2)
    nodes: np.ndarray  # (7, 2, n): for quadrature
    pairs: np.ndarray  # (2, W): integrals


@cold_leaf_exact
def cross(p, q, r, b, c, result):
    """Write the cross product of q - p and r - p, in the coordinates b and c."""
    s, s_low = add(q[b, 0], q[b, 1], -p[b, 0], -p[b, 1])
    t, t_low = add(r[c, 0], r[c, 1], -p[c, 0], -p[c, 1])
    x, x_low = multiply(s, s_low, t, t_low)
    s, s_low = add(q[c, 0], q[c, 1], -p[c, 0], -p[c, 1])
    t, t_low = add(r[b, 0], r[b, 1], -p[b, 0], -p[b, 1])
    y, y_low = multiply(s, s_low, t, t_low)
    result[0], result[1] = add(x, x_low, -y, -y_low)


@cold_leaf_exact
def value_at(row, point, result):
    """Write w.x + b."""
    high, low = row[3, 0], row[3, 1]
    for j in range(3):
        p, e = multiply(row[j, 0], row[j, 1], point[j, 0], point[j, 1])
        high, low = add(high, low, p, e)
    result[0], result[1] = high, low


@cold_leaf_exact
def vertices_of(i, work):
    """Write vertices and chords of the polygon of neuron i, and z_i at all vertices; count the chords."""
    signs = work.signs[i]
    found = find_chords(signs, work.vertices, work.first, i, work.chords, work.numbers)
    for edge in range(12):
        a = edge >> 2
        first = (((edge >> 1) & 1) << (a + 1) % 3) | ((edge & 1) << (a + 2) % 3)
        if ((signs >> first) ^ (signs >> (first | 1 << a))) & 1:
            number = 8 + work.numbers[edge]
            for j in range(3):
                work.points[number, j, 0] = work.vertices[number - 8, j]
                work.points[number, j, 1] = work.place[edge, i, 1] if j == a else 0.0
            work.own[number, 0], work.own[number, 1] = 0.0, 0.0
    for corner in range(8):
        value_at(work.rows[i], work.points[corner], work.own[corner])
    return found


@cold_leaf_exact
def region_of(face, i, work):
    """Write the vertices of the active part of a face, counter-clockwise; return their number."""
    a, end = face >> 1, face & 1
    b, c = (a + 1) % 3, (a + 2) % 3
    count = 0
    for side in range(4):
        corner = end << a
        if side == 1 or side == 2:
            corner |= 1 << b
        if side >= 2:
            corner |= 1 << c
        following = end << a
        if side == 0 or side == 1:
            following |= 1 << b
        if side == 1 or side == 2:
            following |= 1 << c
        if side & 1:
            edge = 4 * c + 2 * end + (1 if side == 1 else 0)
        else:
            edge = 4 * b + (2 if side == 2 else 0) + end
        on = (work.signs[i] >> corner) & 1
        if on:
            work.region[count] = corner
            count += 1
        if on != (work.signs[i] >> following) & 1:
            work.region[count] = 8 + work.numbers[edge]
            count += 1
    return count


@cold_leaf_exact
def _at_nodes(n, polynomial, degree, nodes):
    """Write a polynomial of degree 3, (20, 2), at the nodes 4 to 6 into nodes[2]."""
    x, y, z, value, middle, inner = nodes[4], nodes[5], nodes[6], nodes[2], nodes[1], nodes[0]
    if degree <= 1:
        fill(n, polynomial[0], value)
        add_multiple(n, polynomial[1], x, value)
        add_multiple(n, polynomial[4], y, value)
        add_multiple(n, polynomial[10], z, value)
        return
    last = 19
    for k in range(3, -1, -1):
        for j in range(3 - k, -1, -1):
            top = 3 - k - j
            fill(n, polynomial[last], inner)
            last -= 1
            for _ in range(top):
                product(n, inner, x, inner)
                fill(n, polynomial[last], nodes[3])
                plus(n, inner, nodes[3], inner)
                last -= 1
            if j == 3 - k:
                copy(n, inner, middle)
            else:
                product(n, middle, y, middle)
                plus(n, middle, inner, middle)
        if k == 3:
            copy(n, middle, value)
        else:
            product(n, value, z, value)
            plus(n, value, middle, value)


@cold_leaf_exact
def polynomial_integral(rule, polynomial, degree, i, work, result):
    """Write the integral of s(z_i) times a polynomial over C to `result`, (2,).

    The active part of C consists of tetrahedra with one corner in the polygon and three on a face; `rule`,
    (5, 2, n), has shares of the corners and weights. `vertices_of` has been called for neuron i.
    """
    n, nodes, number, corners = rule.shape[2], work.nodes, work.single, work.region
    result[0], result[1] = 0.0, 0.0
    for face in range(6):
        a = face >> 1
        count = region_of(face, i, work)
        side = 1.0 if face & 1 else -1.0
        height, height_low = add(1.0, 0.0, -side * work.points[8, a, 0], -side * work.points[8, a, 1])
        for j in range(1, count - 1):
            q, r = corners[j], corners[j + 1]
            cross(
                work.points[corners[0]], work.points[q], work.points[r], (a + 1) % 3, (a + 2) % 3, number[1]
            )
            volume, low = multiply(number[1, 0], number[1, 1], height, height_low)
            volume, low = divide(volume, low, 6.0, 0.0)
            number[2, 0], number[2, 1] = 0.0, 0.0
            for axis in range(3):
                fill(n, number[2], nodes[4 + axis])
            for corner in range(4):
                vertex = 8 if corner == 0 else corners[0] if corner == 1 else q if corner == 2 else r
                for axis in range(3):
                    add_multiple(n, work.points[vertex, axis], rule[corner], nodes[4 + axis])
            _at_nodes(n, polynomial, degree, nodes)
            product(n, nodes[2], rule[4], nodes[2])
            fill(n, number[2], nodes[1])
            add_multiple(n, work.own[corners[0]], rule[1], nodes[1])
            add_multiple(n, work.own[q], rule[2], nodes[1])
            add_multiple(n, work.own[r], rule[3], nodes[1])
            product(n, nodes[2], nodes[1], nodes[2])
            total(n, nodes[2], number[3])
            p, e = multiply(number[3, 0], number[3, 1], volume, low)
            result[0], result[1] = add(result[0], result[1], p, e)
