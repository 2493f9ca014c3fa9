"""The fluxes through the polygon where the zero of a neuron cuts a cube, and through its sides (`cube`).

With a unit normal n of the polygon, w = u + (w.n) n for every other neuron. Each side of the polygon is a
chord, which bounds a part of a face too: both fluxes along it are taken at once.
"""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, leaf, leaf_sum
from gfcompare.kernels.cube_faces import chord_polynomial

# See `cube`.
_NO_DIRECTION = 1e-40
_TINY = 1e-300


@leaf
def _vertex(edge, t, vertex):
    """Write the point of an edge with the coordinate t."""
    a = edge >> 2
    vertex[a] = t
    vertex[(a + 1) % 3] = 1.0 if edge & 2 else -1.0
    vertex[(a + 2) % 3] = 1.0 if edge & 1 else -1.0


@leaf
def _side_edge(face, side):
    """Return the edge that is a side of a face, counter-clockwise from the lower one."""
    a, end = face >> 1, face & 1
    if side & 1:
        return 4 * ((a + 2) % 3) + 2 * end + (1 if side == 1 else 0)
    return 4 * ((a + 1) % 3) + (2 if side == 2 else 0) + end


@cold_leaf
def find_chords(signs, vertices, place, i, chords, numbers):
    """Write vertices and chords of the polygon of a neuron; return how many there are of each.

    A chord begins where the border of the active part of its face, counter-clockwise, leaves the edges.
    """
    count = 0
    for edge in range(12):
        a = edge >> 2
        first = (((edge >> 1) & 1) << (a + 1) % 3) | ((edge & 1) << (a + 2) % 3)
        if ((signs >> first) ^ (signs >> (first | 1 << a))) & 1:
            numbers[edge] = count
            _vertex(edge, place[edge, i], vertices[count])
            count += 1
    found = 0
    for face in range(6):
        a = face >> 1
        b, c = 1 << (a + 1) % 3, 1 << (a + 2) % 3
        low = (face & 1) << a
        on0, on1 = (signs >> low) & 1, (signs >> (low | b)) & 1
        on2, on3 = (signs >> (low | b | c)) & 1, (signs >> (low | c)) & 1
        if on0 == on1 and on1 == on2 and on2 == on3:
            continue
        leave = 0 if on0 > on1 else 1 if on1 > on2 else 2 if on2 > on3 else 3
        enter = 0 if on0 < on1 else 1 if on1 < on2 else 2 if on2 < on3 else 3
        chords[found, 0] = face
        chords[found, 1] = numbers[_side_edge(face, leave)]
        chords[found, 2] = numbers[_side_edge(face, enter)]
        found += 1
    return found


@leaf_sum
def _values(count, u, v, w, bias, x, y, z, values, least):
    """Write the pre-activations at a vertex, and the least at any so far."""
    for k in range(count):
        value = u[k] * x + (v[k] * y + (w[k] * z + bias[k]))
        values[k] = value
        least[k] = value if value < least[k] else least[k]


@leaf_sum
def _directions(count, u, v, w, share, p, q, r, pairs):
    """Write what the fluxes through the polygon with the normal (p, q, r) need of every neuron.

    Rows 0 and 4 of `pairs` receive -(w.n) / |u|^2, and -(w.n) for neurons with z > 0 on all of it, or 0; rows
    1 to 3 u / |u|^2 + w / |w|^2. Row 5 has the least value of z. Return the number of those with z > 0.
    """
    above = 0.0
    for k in range(count):
        normal = u[k] * p + v[k] * q + w[k] * r
        x, y, z = u[k] - normal * p, v[k] - normal * q, w[k] - normal * r
        inverse = 1.0 / (x * x + y * y + z * z + _NO_DIRECTION)
        on = 1.0 if pairs[5, k] > 0.0 else 0.0
        above += on
        pairs[0, k] = (on - 1.0) * normal * inverse
        pairs[4, k] = -on * normal
        pairs[1, k] = x * inverse + u[k] * share[k]
        pairs[2, k] = y * inverse + v[k] * share[k]
        pairs[3, k] = z * inverse + w[k] * share[k]
    return above


@leaf_sum
def _chord(count, p, q, wa, wb, wc, share, less, face, outgoing, inner, ga, gb, gc, mb, mc, na, nb, nc):
    """Return the fluxes of all crossing neurons along a chord: of 1, and of x those with s(z)^4.

    z goes from p to q, and with P = s(p), Q = s(q), the share phi = (P + Q) / (|p| + |q|) on which a neuron
    is active and the place t where that begins, the integrals along the chord are phi (P + Q) (P^2 + Q^2) / 4
    of s(z)^3, that times t plus phi^2 (P^3 + 2 P^2 Q + 3 P Q^2 + 4 Q^3) / 20 of s(z)^3 times the place on it,
    and phi (P^4 + P^3 Q + ... + Q^4) / 5 of s(z)^4.
    """
    one, first, a, b, c = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        P = p[k] if p[k] > 0.0 else 0.0
        Q = q[k] if q[k] > 0.0 else 0.0
        total = P + Q
        inverse = 1.0 / (abs(p[k]) + (abs(q[k]) + _TINY))
        phi = total * inverse
        begin = (P - p[k]) * inverse
        PP, QQ, PQ = P * P, Q * Q, P * Q
        squares = PP + QQ
        cube = 0.25 * (total * squares)
        moment = begin * cube + phi * (0.2 * cube + 0.05 * (Q * (PP + 2.0 * PQ + 3.0 * QQ)))
        fourth = 0.2 * (squares * (squares + PQ) - PP * QQ)
        on_face = phi * (face[k] * (wb[k] * mb + wc[k] * mc))
        on_polygon = phi * (outgoing[k] * inner[k] * (wa[k] * na + (wb[k] * nb + wc[k] * nc)))
        both = on_face + on_polygon
        one += both * cube
        first += both * moment
        f, g = on_face * fourth, on_polygon * fourth
        a += f * (wa[k] * share[k]) + g * ga[k]
        b += f * (wb[k] * less[k]) + g * gb[k]
        c += f * (wc[k] * less[k]) + g * gc[k]
    return one, first, 0.25 * a, 0.25 * b, 0.25 * c


@leaf_sum
def _above(count, u, v, w, bias, share, outgoing, normal, centre, first, second, m):
    """Return the fluxes of neurons with z > 0 on all of a polygon: of 1, of both coordinates, of s(z)^3.

    `m` has the moments of the polygon in its own coordinates: of degree 0, 1 (2), 2 (3), 3 (4).
    """
    one, along, across, x, y, z = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        value = u[k] * centre[0] + (v[k] * centre[1] + (w[k] * centre[2] + bias[k]))
        p = u[k] * first[0] + v[k] * first[1] + w[k] * first[2]
        q = u[k] * second[0] + v[k] * second[1] + w[k] * second[2]
        flux = 3.0 * (outgoing[k] * normal[k])
        sp, sq = m[3] * p + m[4] * q, m[4] * p + m[5] * q
        tp = m[6] * p * p + 2.0 * m[7] * p * q + m[8] * q * q
        tq = m[7] * p * p + 2.0 * m[8] * p * q + m[9] * q * q
        linear, square = m[1] * p + m[2] * q, sp * p + sq * q
        one += flux * (value * (value * m[0] + 2.0 * linear) + square)
        along += flux * (value * (value * m[1] + 2.0 * sp) + tp)
        across += flux * (value * (value * m[2] + 2.0 * sq) + tq)
        cube = value * (value * (value * m[0] + 3.0 * linear) + 3.0 * square) + tp * p + tq * q
        third = (1.0 / 3.0) * (flux * share[k] * cube)
        x += third * u[k]
        y += third * v[k]
        z += third * w[k]
    return one, along, across, x, y, z


@cold_leaf
def _frame(p, q, r, first, second):
    """Write two unit vectors at right angles to a unit vector, with it a right-handed frame."""
    if abs(p) <= abs(q) and abs(p) <= abs(r):
        length = np.sqrt(q * q + r * r)
        first[0], first[1], first[2] = 0.0, r / length, -q / length
    elif abs(q) <= abs(r):
        length = np.sqrt(p * p + r * r)
        first[0], first[1], first[2] = -r / length, 0.0, p / length
    else:
        length = np.sqrt(p * p + q * q)
        first[0], first[1], first[2] = q / length, -p / length, 0.0
    second[0] = q * first[2] - r * first[1]
    second[1] = r * first[0] - p * first[2]
    second[2] = p * first[1] - q * first[0]


@cold_leaf
def _add_triangle(twice, p, s, q, t, moments):
    """Add the moments of the triangle with the corners 0, (p, s), (q, t), and twice its area."""
    moments[0] += 0.5 * twice
    moments[1] += twice * (p + q) / 6.0
    moments[2] += twice * (s + t) / 6.0
    part = twice / 24.0
    moments[3] += 2.0 * part * (p * p + p * q + q * q)
    moments[4] += part * (2.0 * p * s + p * t + q * s + 2.0 * q * t)
    moments[5] += 2.0 * part * (s * s + s * t + t * t)
    part = twice / 60.0
    moments[6] += 3.0 * part * (p + q) * (p * p + q * q)
    moments[7] += part * (s * (3.0 * p * p + 2.0 * p * q + q * q) + t * (p * p + 2.0 * p * q + 3.0 * q * q))
    moments[8] += part * (p * (3.0 * s * s + 2.0 * s * t + t * t) + q * (s * s + 2.0 * s * t + 3.0 * t * t))
    moments[9] += 3.0 * part * (s + t) * (s * s + t * t)


@leaf
def _cubic(c, x, y, z):
    """Return a polynomial of degree 3 in three coordinates."""
    plane0 = (((c[3] * x + c[2]) * x + c[1]) * x + c[0]) + y * (
        ((c[6] * x + c[5]) * x + c[4]) + y * ((c[8] * x + c[7]) + y * c[9])
    )
    plane1 = ((c[12] * x + c[11]) * x + c[10]) + y * ((c[14] * x + c[13]) + y * c[15])
    plane2 = (c[17] * x + c[16]) + y * c[18]
    return plane0 + z * (plane1 + z * (plane2 + z * c[19]))


@cold_leaf
def _triangle_polynomial(cubic, other, degree, rule, twice, centre, begin, end, result):
    """Add the fluxes of the polynomial part through a triangle, over the distance of its plane."""
    for n in range(rule.shape[1]):
        s, t, weight = rule[0, n], rule[1, n], twice * rule[2, n]
        x = centre[0] + s * (begin[0] - centre[0]) + t * (end[0] - centre[0])
        y = centre[1] + s * (begin[1] - centre[1]) + t * (end[1] - centre[1])
        z = centre[2] + s * (begin[2] - centre[2]) + t * (end[2] - centre[2])
        if degree > 1:
            one, more = _cubic(cubic, x, y, z), _cubic(other, x, y, z)
        else:
            one = cubic[0] + cubic[1] * x + cubic[4] * y + cubic[10] * z
            more = other[0] + other[1] * x + other[4] * y + other[10] * z
        result[0] += weight * one
        more *= weight
        result[1] += more * x
        result[2] += more * y
        result[3] += more * z


@leaf
def _triangles(data, found, distance, i, work):
    """Add the fluxes of the polynomial part of r through the polygon; fill in its moments.

    It consists of the triangles between its first vertex and each chord.
    """
    centre, first, second, moments = work.vectors[1], work.vectors[2], work.vectors[3], work.polygon[0]
    result = work.polygon[1]
    outputs = work.affine.shape[0]
    for j in range(10):
        moments[j] = 0.0
    for n in range(found):
        if work.chords[n, 1] == 0 or work.chords[n, 2] == 0:
            continue  # no triangle: the chord ends at the common corner
        begin, end = work.vertices[work.chords[n, 1]], work.vertices[work.chords[n, 2]]
        p, s, q, t = 0.0, 0.0, 0.0, 0.0
        for j in range(3):
            before, after = begin[j] - centre[j], end[j] - centre[j]
            p += before * first[j]
            s += before * second[j]
            q += after * first[j]
            t += after * second[j]
        twice = p * t - s * q if work.chords[n, 0] & 1 else s * q - p * t
        _add_triangle(twice, p, s, q, t, moments)
        for m in range(outputs):
            for j in range(4):
                result[j] = 0.0
            _triangle_polynomial(
                work.cubic[2 * m],
                work.cubic[2 * m + 1],
                data.degree,
                data.triangle,
                twice,
                centre,
                begin,
                end,
                result,
            )
            for j in range(4):
                work.moments[4 * m + j, i] += distance * result[j]


@leaf
def _add_chord(count, n, m, i, work):
    """Add all fluxes along a chord of neuron i to the moments of output m."""
    face = work.chords[n, 0]
    a = face >> 1
    b, c = (a + 1) % 3, (a + 2) % 3
    start, stop = work.chords[n, 1], work.chords[n, 2]
    begin, end, normal = work.vertices[start], work.vertices[stop], work.vectors[0]
    da, db, dc = end[a] - begin[a], end[b] - begin[b], end[c] - begin[c]
    side = 1.0 if face & 1 else -1.0
    crossing, pairs, moments = work.crossing, work.pairs, work.moments
    one, first, ra, rb, rc = _chord(
        count,
        work.values[start],
        work.values[stop],
        crossing[a],
        crossing[b],
        crossing[c],
        crossing[4],
        crossing[5 + a],
        work.fluxes[6 * m + face],
        work.outgoing[m],
        pairs[0],
        pairs[1 + a],
        pairs[1 + b],
        pairs[1 + c],
        dc,
        -db,
        side * (db * normal[c] - dc * normal[b]),
        side * (dc * normal[a] - da * normal[c]),
        side * (da * normal[b] - db * normal[a]),
    )
    same, second, third, across = chord_polynomial(work.faces[6 * m + face], begin[b], begin[c], db, dc)
    moments[4 * m, i] += one + same
    moments[4 * m + 1 + a, i] += begin[a] * one + da * first - ra + across
    moments[4 * m + 1 + b, i] += begin[b] * one + db * first - rb + second
    moments[4 * m + 1 + c, i] += begin[c] * one + dc * first - rc + third


@leaf
def polygon_moments(data, count, i, work):
    """Add to the moments of neuron i all fluxes through its polygon and along its chords."""
    crossing, vertices, vectors, pairs = work.crossing, work.vertices, work.vectors, work.pairs
    normal, centre, first, second = vectors[0], vectors[1], vectors[2], vectors[3]
    found = find_chords(work.kinds[2, i], vertices, work.place, i, work.chords, work.numbers)
    own = work.kinds[1, i]
    inverse = np.sqrt(crossing[4, own])
    for j in range(3):
        normal[j] = crossing[j, own] * inverse
        centre[j] = vertices[0, j]
    _frame(normal[0], normal[1], normal[2], first, second)
    _triangles(data, found, crossing[3, own] * inverse, i, work)
    for k in range(count):
        pairs[5, k] = np.inf
    for n in range(found):
        _values(
            count,
            crossing[0],
            crossing[1],
            crossing[2],
            crossing[3],
            vertices[n, 0],
            vertices[n, 1],
            vertices[n, 2],
            work.values[n],
            pairs[5],
        )
    above = _directions(
        count, crossing[0], crossing[1], crossing[2], crossing[4], normal[0], normal[1], normal[2], pairs
    )
    for m in range(work.affine.shape[0]):
        for n in range(found):
            _add_chord(count, n, m, i, work)
        if above > 0.0:
            one, along, across, x, y, z = _above(
                count,
                crossing[0],
                crossing[1],
                crossing[2],
                crossing[3],
                crossing[4],
                work.outgoing[m],
                pairs[4],
                centre,
                first,
                second,
                work.polygon[0],
            )
            work.moments[4 * m, i] += one
            third = (x, y, z)
            for j in range(3):
                inner = centre[j] * one + first[j] * along + second[j] * across
                work.moments[4 * m + 1 + j, i] += inner - third[j]
