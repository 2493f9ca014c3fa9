"""One hidden layer on a box in R^3: the Hessian of the population risk, exactly, in O(H^2).

As in `plane_hessian`, with r = N - f and A_i the part of the cube C where neuron i is active, it is the sum
of

- 2 sum_k int d_a N_k d_b N_k: the integrals of the monomials up to degree 2 over the intersection of A_i and
  A_j, a convex polytope: A_i cut by the plane of j. It consists of the tetrahedra between one point of that
  plane and triangles on all other faces, so that the new face itself is never needed; and as they have one
  sign, nothing cancels, however close two planes are;
- 2 sum_k int r_k d_a d_b N_k away from the kinks, from the integrals of r_k and x r_k over A_i that give the
  gradient (`cube`);
- the same at the kinks: 2 sum_k v_ki / |w_i| times the integral of r_k (x, 1)(x, 1)^T over the polygon in
  which the plane z_i = 0 cuts C, for (w_i, b_i) with itself. There r_k is a polynomial plus neurons that are
  active on a part of the polygon, which is cut out; both are integrated by a rule on triangles.

The conventions are those of `plane_hessian`: a plane that does not cross C, or only touches it, gives no term
of the third kind; nor does w_i = 0. See `cube` for the notation.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf
from gfcompare.kernels.cube import ACTIVE, CROSSING, DEAD, CubeWork, cube_work, moments_into
from gfcompare.kernels.cube_polygon import find_chords
from gfcompare.kernels.numbers import zero_or_nan

# Corners of C, then those of a polygon; faces of C, then the polygon; corners of a face that is cut twice, at
# most, and two places more.
_VERTICES, _FACES, _CORNERS = 14, 7, 9
_POLYGON = 6

# A rule of degree 5 on a triangle with the weight 1, by J. Radon (P. C. Hammer, A. H. Stroud, Math. Tables
# Aids Comput. 10 (1956) 137, doi:10.1090/S0025-5718-1956-0086389-6): shares of two corners, and weights.
_ROOT = 15.0**0.5
_NEAR, _FAR = (6.0 - _ROOT) / 21.0, (6.0 + _ROOT) / 21.0
_RULE = np.array(
    [
        [1.0 / 3.0, _NEAR, 1.0 - 2.0 * _NEAR, _NEAR, _FAR, 1.0 - 2.0 * _FAR, _FAR],
        [1.0 / 3.0, _NEAR, _NEAR, 1.0 - 2.0 * _NEAR, _FAR, _FAR, 1.0 - 2.0 * _FAR],
        [9.0 / 40.0, *(3 * [(155.0 - _ROOT) / 1200.0]), *(3 * [(155.0 + _ROOT) / 1200.0])],
    ]
)
# Powers of the terms of a polynomial, in the order of `cube.CubeData`.
_POWERS = np.array(
    [(i, j, k) for k in range(4) for j in range(4 - k) for i in range(4 - k - j)], dtype=np.int64
)


class CubeHessianWork(NamedTuple):
    """Scratch memory for one Hessian."""

    cube: CubeWork
    vertices: np.ndarray  # (H, 14, 3): corners of C, and of the polygon of each neuron
    faces: np.ndarray  # (H, 7, 6) int64: corners of the faces of where each neuron is active, in turn
    sizes: np.ndarray  # (H, 7) int64: how many
    volumes: np.ndarray  # (H, 10): integrals over that, as `volume`
    values: np.ndarray  # (14,): z_j at the vertices
    cut: np.ndarray  # (9, 3): corners of a face that is cut
    apex: np.ndarray  # (3,)
    volume: np.ndarray  # (10,): integrals of 1, x_1, x_2, x_3, x_1^2, x_1 x_2, x_1 x_3, x_2^2, x_2 x_3, x_3^2
    along: np.ndarray  # (10,): these times r over the polygon
    weighted: np.ndarray  # (2, 4): z_j and z_i times 1, x_1, x_2, x_3
    block: np.ndarray  # (4, 4)
    polynomial: np.ndarray  # (20,)


@allocator
def cube_hessian_work(data, hidden):
    """Return the scratch memory for H hidden neurons."""
    return CubeHessianWork(
        cube_work(data, hidden),
        np.empty((hidden, _VERTICES, 3)),
        np.empty((hidden, _FACES, 6), np.int64),
        np.empty((hidden, _FACES), np.int64),
        np.empty((hidden, 10)),
        np.empty(_VERTICES),
        np.empty((_CORNERS, 3)),
        np.empty(3),
        np.empty(10),
        np.empty(10),
        np.empty((2, 4)),
        np.empty((4, 4)),
        np.empty(20),
    )


@cold_leaf
def _faces(signs, found, chords, numbers, faces, sizes):
    """Write the corners of all faces of the active part of C, in turn."""
    for face in range(6):
        a, end = face >> 1, face & 1
        b, c = (a + 1) % 3, (a + 2) % 3
        count = 0
        for side in range(4):  # counter-clockwise from the lowest corner
            corner, following = end << a, end << a
            corner |= (1 << b) if side == 1 or side == 2 else 0
            corner |= (1 << c) if side >= 2 else 0
            following |= (1 << b) if side == 0 or side == 1 else 0
            following |= (1 << c) if side == 1 or side == 2 else 0
            on = (signs >> corner) & 1
            if on:
                faces[face, count] = corner
                count += 1
            if on != (signs >> following) & 1:
                if side & 1:
                    edge = 4 * c + 2 * end + (1 if side == 1 else 0)
                else:
                    edge = 4 * b + (2 if side == 2 else 0) + end
                faces[face, count] = 8 + numbers[edge]
                count += 1
        sizes[face] = count
    # The polygon: from one chord to the next that has a corner with it in common.
    last, at = -1, 0
    for n in range(found):
        faces[_POLYGON, n] = 8 + at
        for chord in range(found):
            start, stop = chords[chord, 1], chords[chord, 2]
            if chord != last and (start == at or stop == at):
                at, last = start + stop - at, chord
                break
    sizes[_POLYGON] = found


@leaf
def _add_tetrahedron(apex, p, q, r, volume):
    """Add the integrals of the monomials over a tetrahedron."""
    x, y, z = apex[0], apex[1], apex[2]
    px, py, pz = p[0] - x, p[1] - y, p[2] - z
    qx, qy, qz = q[0] - x, q[1] - y, q[2] - z
    rx, ry, rz = r[0] - x, r[1] - y, r[2] - z
    size = abs(px * (qy * rz - qz * ry) + py * (qz * rx - qx * rz) + pz * (qx * ry - qy * rx)) * (1.0 / 6.0)
    a, b, c = x + p[0] + q[0] + r[0], y + p[1] + q[1] + r[1], z + p[2] + q[2] + r[2]
    volume[0] += size
    volume[1] += 0.25 * size * a
    volume[2] += 0.25 * size * b
    volume[3] += 0.25 * size * c
    size *= 0.05
    volume[4] += size * (a * a + (x * x + p[0] * p[0] + q[0] * q[0] + r[0] * r[0]))
    volume[5] += size * (a * b + (x * y + p[0] * p[1] + q[0] * q[1] + r[0] * r[1]))
    volume[6] += size * (a * c + (x * z + p[0] * p[2] + q[0] * q[2] + r[0] * r[2]))
    volume[7] += size * (b * b + (y * y + p[1] * p[1] + q[1] * q[1] + r[1] * r[1]))
    volume[8] += size * (b * c + (y * z + p[1] * p[2] + q[1] * q[2] + r[1] * r[2]))
    volume[9] += size * (c * c + (z * z + p[2] * p[2] + q[2] * q[2] + r[2] * r[2]))


@leaf
def _cut(vertices, face, size, values, cut):
    """Write the corners of the part of a face where `values` > 0; return how many."""
    kept = 0
    last = face[size - 1]
    for n in range(size):
        at = face[n]
        before, after = values[last], values[at]
        if (before > 0.0) != (after > 0.0):
            share = before / (before - after)
            for j in range(3):
                cut[kept, j] = vertices[last, j] + share * (vertices[at, j] - vertices[last, j])
            kept += 1
        if after > 0.0:
            for j in range(3):
                cut[kept, j] = vertices[at, j]
            kept += 1
        last = at
    return kept


@cold_leaf
def _on_plane(vertices, faces, sizes, values, apex):
    """Write a point where `values` are 0; return 1, or 0 or 2 where there is none: all are <= 0, or > 0."""
    above, below = 0, 0
    for face in range(_FACES):
        size = sizes[face]
        for n in range(size):
            at, last = faces[face, n], faces[face, n - 1 if n > 0 else size - 1]
            before, after = values[last], values[at]
            if (before > 0.0) != (after > 0.0):
                share = before / (before - after)
                for j in range(3):
                    apex[j] = vertices[last, j] + share * (vertices[at, j] - vertices[last, j])
                return 1
            above += 1 if after > 0.0 else 0
            below += 0 if after > 0.0 else 1
    return 2 if above > 0 else 0


@cold_leaf
def _volume(vertices, faces, sizes, values, apex, cut, volume):
    """Write the integrals of the monomials over the part of a polytope where `values` > 0."""
    for j in range(10):
        volume[j] = 0.0
    for face in range(_FACES):
        count = _cut(vertices, faces[face], sizes[face], values, cut)
        for n in range(1, count - 1):
            _add_tetrahedron(apex, cut[0], cut[n], cut[n + 1], volume)


@cold_leaf
def _prepare(i, work):
    """Write the corners and faces of where neuron i is active, and the integrals over it."""
    cube, vertices, faces, sizes = work.cube, work.vertices[i], work.faces[i], work.sizes[i]
    for corner in range(8):
        for j in range(3):
            vertices[corner, j] = 1.0 if (corner >> j) & 1 else -1.0
    for n in range(_VERTICES):
        work.values[n] = 1.0
    signs, found = 255, 0
    if cube.kinds[0, i] == CROSSING:
        signs = cube.kinds[2, i]
        found = find_chords(signs, cube.vertices, cube.place, i, cube.chords, cube.numbers)
        for n in range(found):
            for j in range(3):
                vertices[8 + n, j] = cube.vertices[n, j]
    _faces(signs, found, cube.chords, cube.numbers, faces, sizes)
    start = 0 if found == 0 else 8
    for j in range(3):
        work.apex[j] = vertices[start, j]
    _volume(vertices, faces, sizes, work.values, work.apex, work.cut, work.volumes[i])


@cold_leaf
def _intersect(i, j, work):
    """Write the integrals of the monomials over where neurons i and j are active."""
    cube, volume = work.cube, work.volume
    one, other = cube.kinds[0, i], cube.kinds[0, j]
    known = i if other == ACTIVE or i == j else j if one == ACTIVE else -1
    if one == DEAD or other == DEAD:
        for n in range(10):
            volume[n] = 0.0
        return
    if known < 0:
        vertices, faces, sizes, values = work.vertices[i], work.faces[i], work.sizes[i], work.values
        k = cube.kinds[1, j]
        u, v, w, b = cube.crossing[0, k], cube.crossing[1, k], cube.crossing[2, k], cube.crossing[3, k]
        for n in range(8 + sizes[_POLYGON]):
            values[n] = u * vertices[n, 0] + v * vertices[n, 1] + w * vertices[n, 2] + b
        found = _on_plane(vertices, faces, sizes, values, work.apex)
        if found == 1:
            _volume(vertices, faces, sizes, values, work.apex, work.cut, volume)
            return
        known = i if found == 2 else -1
    for n in range(10):
        volume[n] = work.volumes[known, n] if known >= 0 else 0.0


@leaf
def _moved(frame, volume, block):
    """Write the integrals of (x, 1)(x, 1)^T in inputs, from those in the coordinates of C."""
    place = 4
    for a in range(3):
        m, h = frame[a], frame[3 + a]
        for c in range(a, 3):
            n, g = frame[c], frame[3 + c]
            value = m * n * volume[0] + m * g * volume[1 + c] + n * h * volume[1 + a] + h * g * volume[place]
            block[a, c], block[c, a] = value, value
            place += 1
        value = m * volume[0] + h * volume[1 + a]
        block[a, 3], block[3, a] = value, value
    block[3, 3] = volume[0]


@leaf
def _parameter(hidden, i, j):
    """Return where w_1, w_2, w_3 or b of neuron i stands."""
    return 3 * i + j if j < 3 else 3 * hidden + i


@leaf
def _times_neuron(row, volume, result):
    """Write the integrals of w.x + b times 1 and x."""
    u, v, w, b = row[0], row[1], row[2], row[3]
    result[0] = b * volume[0] + u * volume[1] + v * volume[2] + w * volume[3]
    result[1] = b * volume[1] + u * volume[4] + v * volume[5] + w * volume[6]
    result[2] = b * volume[2] + u * volume[5] + v * volume[7] + w * volume[8]
    result[3] = b * volume[3] + u * volume[6] + v * volume[8] + w * volume[9]


@cold_leaf
def _pair(data, theta, hidden, i, j, work, hessian):
    """Write the first part for neurons i and j <= i, in the lower triangle; it adds nothing."""
    outputs, frame, rows, volume = data.affine.shape[0], data.frame, work.cube.rows, work.volume
    _intersect(i, j, work)
    coupling = 0.0
    for m in range(outputs):
        place = 4 * hidden + m * hidden
        coupling += theta[place + i] * theta[place + j]
    coupling *= 0.25
    _moved(frame, volume, work.block)
    for a in range(4):
        for c in range(4):
            p, q = _parameter(hidden, i, a), _parameter(hidden, j, c)
            hessian[max(p, q), min(p, q)] = coupling * work.block[a, c]
    _times_neuron(rows[:, j], volume, work.weighted[0])
    _times_neuron(rows[:, i], volume, work.weighted[1])
    product = rows[3, i] * work.weighted[0, 0]
    for a in range(3):
        product += rows[a, i] * work.weighted[0, 1 + a]
    for m in range(outputs):
        place = 4 * hidden + m * hidden
        hessian[place + i, place + j] = 0.25 * product
        for side in range(2):  # of row i with v_mj, and of row j with v_mi
            row, column = (i, j) if side == 0 else (j, i)
            v, weighted = 0.25 * theta[place + row], work.weighted[side]
            for a in range(3):
                value = frame[a] * weighted[0] + frame[3 + a] * weighted[1 + a]
                hessian[place + column, 3 * row + a] = v * value
            hessian[place + column, 3 * hidden + row] = v * weighted[0]
    if i == j:
        for m in range(outputs):
            place, bias = 4 * hidden + m * hidden + i, 4 * hidden + outputs * hidden + m
            v = 0.25 * theta[place]
            for a in range(4):
                hessian[bias, _parameter(hidden, i, a)] = v * work.block[a, 3]
            hessian[bias, place] = 0.25 * work.weighted[0, 0]


@leaf
def _add_node(x, y, z, value, along):
    """Add a value at a point, times the monomials."""
    along[0] += value
    p, q, r = value * x, value * y, value * z
    along[1] += p
    along[2] += q
    along[3] += r
    along[4] += p * x
    along[5] += p * y
    along[6] += p * z
    along[7] += q * y
    along[8] += q * z
    along[9] += r * z


@leaf
def _area(p, q, r):
    """Return the area of a triangle."""
    a, b, c = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    d, e, f = r[0] - p[0], r[1] - p[1], r[2] - p[2]
    x, y, z = b * f - c * e, c * d - a * f, a * e - b * d
    return 0.5 * np.sqrt(x * x + y * y + z * z)


@cold_leaf
def _neuron_on(cut, count, u, v, w, b, coupling, along):
    """Add the integrals of coupling (w.x + b) times the monomials over a polygon."""
    for n in range(1, count - 1):
        size = coupling * _area(cut[0], cut[n], cut[n + 1])
        for node in range(_RULE.shape[1]):
            s, t = _RULE[0, node], _RULE[1, node]
            rest = 1.0 - s - t
            x = rest * cut[0, 0] + s * cut[n, 0] + t * cut[n + 1, 0]
            y = rest * cut[0, 1] + s * cut[n, 1] + t * cut[n + 1, 1]
            z = rest * cut[0, 2] + s * cut[n, 2] + t * cut[n + 1, 2]
            _add_node(x, y, z, size * _RULE[2, node] * (u * x + v * y + w * z + b), along)


@cold_leaf
def _polynomial_on(c, cut, count, along):
    """Add the integrals of a polynomial of degree 3 times the monomials over a polygon."""
    for n in range(1, count - 1):
        size = _area(cut[0], cut[n], cut[n + 1])
        for node in range(_RULE.shape[1]):
            s, t = _RULE[0, node], _RULE[1, node]
            rest = 1.0 - s - t
            x = rest * cut[0, 0] + s * cut[n, 0] + t * cut[n + 1, 0]
            y = rest * cut[0, 1] + s * cut[n, 1] + t * cut[n + 1, 1]
            z = rest * cut[0, 2] + s * cut[n, 2] + t * cut[n + 1, 2]
            value, place = 0.0, 19
            for k in range(3, -1, -1):
                middle = 0.0
                for j in range(3 - k, -1, -1):
                    inner = 0.0
                    for _ in range(4 - k - j):
                        inner = inner * x + c[place]
                        place -= 1
                    middle = middle * y + inner
                value = value * z + middle
            _add_node(x, y, z, size * _RULE[2, node] * value, along)


@cold_leaf
def _set_polynomial(data, theta, hidden, i, work):
    """Write the polynomial part of sum_m v_mi r_m."""
    c, cube = work.polynomial, work.cube
    for j in range(20):
        c[j] = 0.0
    for m in range(data.affine.shape[0]):
        v, a = theta[4 * hidden + m * hidden + i], cube.affine[m]
        if data.degree > 1:
            for j in range(20):
                total = _POWERS[j, 0] + _POWERS[j, 1] + _POWERS[j, 2]
                if total > 1:
                    c[j] += v * (total + 3.0) * data.cubic[2 * m, j]
        c[0] += v * a[0]
        c[1] += v * a[1]
        c[4] += v * a[2]
        c[10] += v * a[3]


@cold_leaf
def _on_polygon(data, theta, hidden, i, work):
    """Write the integrals of sum_m v_mi r_m times the monomials over the polygon of neuron i."""
    cube, vertices, values, along = work.cube, work.vertices[i], work.values, work.along
    polygon, size, outputs = work.faces[i, _POLYGON], work.sizes[i, _POLYGON], data.affine.shape[0]
    for j in range(10):
        along[j] = 0.0
    for n in range(_VERTICES):
        values[n] = 1.0
    count = _cut(vertices, polygon, size, values, work.cut)
    _set_polynomial(data, theta, hidden, i, work)
    _polynomial_on(work.polynomial, work.cut, count, along)
    for other in range(cube.rows.shape[1]):
        if other == i or cube.kinds[0, other] != CROSSING:
            continue
        coupling, k = 0.0, cube.kinds[1, other]
        for m in range(outputs):
            place = 4 * hidden + m * hidden
            v = theta[place + other] if other < hidden else data.outgoing[m, other - hidden]
            coupling += theta[place + i] * (v * cube.rows[4, other])
        u, v, w, b = cube.crossing[0, k], cube.crossing[1, k], cube.crossing[2, k], cube.crossing[3, k]
        for n in range(8, 8 + size):
            values[n] = u * vertices[n, 0] + v * vertices[n, 1] + w * vertices[n, 2] + b
        count = _cut(vertices, polygon, size, values, work.cut)
        _neuron_on(work.cut, count, u, v, w, b, coupling, along)


@cold_leaf
def _own(data, theta, hidden, i, work, hessian):
    """Add the second and third part for neuron i."""
    outputs, frame, cube = data.affine.shape[0], data.frame, work.cube
    for m in range(outputs):
        place = 4 * hidden + m * hidden + i
        one = cube.moments[4 * m, i]
        for a in range(3):
            value = frame[a] * one + frame[3 + a] * cube.moments[4 * m + 1 + a, i]
            hessian[place, 3 * i + a] += 0.25 * value
        hessian[place, 3 * hidden + i] += 0.25 * one
    if cube.kinds[0, i] != CROSSING:
        return
    _on_polygon(data, theta, hidden, i, work)
    _moved(frame, work.along, work.block)
    k = cube.kinds[1, i]
    u, v, w = cube.crossing[0, k], cube.crossing[1, k], cube.crossing[2, k]
    scale = 0.25 / (np.sqrt(u * u + v * v + w * w) * cube.rows[4, i])
    for a in range(4):
        for c in range(a + 1):
            p, q = _parameter(hidden, i, a), _parameter(hidden, i, c)
            hessian[p, q] += scale * work.block[a, c]


@cold_leaf
def cube_hessian_into(data, theta, hessian, work):
    """Write the Hessian at `theta`, (P,), into `hessian`, (P, P)."""
    outputs, parameters = data.affine.shape[0], theta.shape[0]
    hidden = (parameters - outputs) // (4 + outputs)
    moments_into(data, theta, hidden, hidden, 1.0, work.cube)
    check = zero_or_nan(theta)
    for p in range(parameters):
        for q in range(p + 1):
            hessian[p, q] = 0.0
    for i in range(hidden):
        if work.cube.kinds[0, i] != DEAD:
            _prepare(i, work)
    for i in range(hidden):
        for j in range(i + 1):
            _pair(data, theta, hidden, i, j, work, hessian)
    for i in range(hidden):
        _own(data, theta, hidden, i, work, hessian)
    for m in range(outputs):
        bias = 4 * hidden + outputs * hidden + m
        hessian[bias, bias] = 2.0
    for p in range(parameters):
        for q in range(p + 1):
            hessian[p, q] += check
            hessian[q, p] = hessian[p, q]


@entry
def hessians(data, thetas, results):
    """Write the Hessian at each row of `thetas`, (M, P), into `results`, (M, P, P)."""
    outputs = data.affine.shape[0]
    work = cube_hessian_work(data, (thetas.shape[1] - outputs) // (4 + outputs))
    for m in range(thetas.shape[0]):
        cube_hessian_into(data, thetas[m], results[m], work)
