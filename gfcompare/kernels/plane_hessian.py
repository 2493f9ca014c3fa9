"""One hidden layer on a rectangle: the Hessian of the population risk, exactly, in O(H^2).

With r = N - f and A_i the part of the square S where neuron i is active, it is the sum of

- 2 sum_k int d_a N_k d_b N_k: the integrals of the monomials up to degree 2 over the intersection of A_i and
  A_j, a convex polygon: S cut by two lines, summed over triangles;
- 2 sum_k int r_k d_a d_b N_k away from the kinks: for (w_i, v_ki) and (b_i, v_ki) the integrals of r_k,
  x_1 r_k and x_2 r_k over A_i that give the gradient;
- the same at the kinks: N bends along the chord z_i = 0, and moving a bend costs 2 sum_k v_ki / |w_i| times
  the integral along it of r_k (x, 1)(x, 1)^T, for (w_i, b_i) with itself. Along a chord r_k is a polynomial
  plus neurons that are active on a part of it.

Conventions, all of them the limit from one side where the gradient has a kink in theta itself: a line that
does not cross S, or only touches a corner or an edge, gives no term of the third kind; nor does w_i = 0. See
`plane` for the notation.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf, leaf_sum
from gfcompare.kernels.numbers import zero_or_nan
from gfcompare.kernels.plane import PlaneWork, moments_into, plane_work
from gfcompare.kernels.plane_chords import bilinear, chord_table
from gfcompare.kernels.plane_lines import ACTIVE, CROSSING, DEAD, OUTGOING, chord_of, perimeter_point

# Corners of a square that is cut by two lines, at most; and a place more.
_CORNERS = 8


class PlaneHessianWork(NamedTuple):
    """Scratch memory for one Hessian."""

    plane: PlaneWork
    polygons: np.ndarray  # (H, 8, 2): corners of where each neuron is active, counter-clockwise
    corners: np.ndarray  # (H,) int64: how many
    cut: np.ndarray  # (8, 2)
    areas: np.ndarray  # (6,): integrals of 1, x_1, x_2, x_1^2, x_1 x_2, x_2^2
    weighted: np.ndarray  # (2, 3): z_j and z_i times 1, x_1, x_2
    along: np.ndarray  # (3,): integrals of r along a chord times 1, t, t^2
    block: np.ndarray  # (3, 3)


@allocator
def plane_hessian_work(data, hidden):
    """Return the scratch memory for H hidden neurons."""
    return PlaneHessianWork(
        plane_work(data, hidden),
        np.empty((hidden, _CORNERS, 2)),
        np.empty(hidden, np.int64),
        np.empty((_CORNERS, 2)),
        np.empty(6),
        np.empty((2, 3)),
        np.empty(3),
        np.empty((3, 3)),
    )


@cold_leaf
def _polygon(plane, i, polygon):
    """Write the corners of where neuron i is active; return how many."""
    if plane.kinds[0, i] == ACTIVE:
        for edge in range(4):
            x, y = perimeter_point(2.0 * edge, -1.0)
            polygon[edge, 0], polygon[edge, 1] = x, y
        return 4
    enter, leave = plane.keys[2, 2 * i], plane.keys[2, 2 * i + 1]
    x, y = perimeter_point(enter, plane.keys[3, 2 * i])
    polygon[0, 0], polygon[0, 1] = x, y
    count = 1
    if leave < enter:
        leave += 8.0
    corner = np.floor(0.5 * enter) + 1.0
    while 2.0 * corner <= leave and count < 6:
        x, y = perimeter_point(2.0 * (corner % 4.0), -1.0)
        polygon[count, 0], polygon[count, 1] = x, y
        corner += 1.0
        count += 1
    x, y = perimeter_point(plane.keys[2, 2 * i + 1], plane.keys[3, 2 * i + 1])
    polygon[count, 0], polygon[count, 1] = x, y
    return count + 1


@cold_leaf
def _cut(polygon, count, wx, wy, b, result):
    """Write the part of a polygon where w.x + b > 0; return the number of its corners."""
    kept = 0
    x, y = polygon[count - 1, 0], polygon[count - 1, 1]
    z = (wx * x + wy * y) + b
    for n in range(count):
        u, v = polygon[n, 0], polygon[n, 1]
        value = (wx * u + wy * v) + b
        if (z > 0.0) != (value > 0.0):
            share = z / (z - value)
            result[kept, 0], result[kept, 1] = x + share * (u - x), y + share * (v - y)
            kept += 1
        if value > 0.0:
            result[kept, 0], result[kept, 1] = u, v
            kept += 1
        x, y, z = u, v, value
    return kept


@cold_leaf
def _areas(polygon, count, areas):
    """Write the integrals of 1, x_1, x_2, x_1^2, x_1 x_2 and x_2^2 over a convex polygon."""
    for j in range(6):
        areas[j] = 0.0
    if count < 3:
        return
    x, y = polygon[0, 0], polygon[0, 1]
    for n in range(1, count - 1):
        u, v = polygon[n, 0], polygon[n, 1]
        s, t = polygon[n + 1, 0], polygon[n + 1, 1]
        area = 0.5 * ((u - x) * (t - y) - (v - y) * (s - x))
        a, b = x + u + s, y + v + t
        areas[0] += area
        areas[1] += area * a * (1.0 / 3.0)
        areas[2] += area * b * (1.0 / 3.0)
        areas[3] += area * (a * a + (x * x + u * u + s * s)) * (1.0 / 12.0)
        areas[4] += area * (a * b + (x * y + u * v + s * t)) * (1.0 / 12.0)
        areas[5] += area * (b * b + (y * y + v * v + t * t)) * (1.0 / 12.0)


@leaf_sum
def _neurons_along(count, wx, wy, b, v, x, y, ex, ey, along):
    """Add the integrals of all neurons along a chord, times 1, t and t^2; `v` holds v over 2 |w|^2."""
    one, first, second = 0.0, 0.0, 0.0
    for k in range(count):
        p = wx[k] * x + (wy[k] * y + b[k])
        q = wx[k] * ex + (wy[k] * ey + b[k])
        P = p if p > 0.0 else 0.0
        Q = q if q > 0.0 else 0.0
        inverse = 1.0 / (abs(p) + (abs(q) + 1e-300))
        share = (P + Q) * inverse
        begin = (P - p) * inverse
        scaled = (2.0 * v[k]) * (wx[k] * wx[k] + wy[k] * wy[k]) * share
        a, c, d = (
            0.5 * (P + Q),
            share * (P + 2.0 * Q) * (1.0 / 6.0),
            share * share * (P + 3.0 * Q) * (1.0 / 12.0),
        )
        one += scaled * a
        first += scaled * (begin * a + c)
        second += scaled * (begin * begin * a + 2.0 * begin * c + d)
    along[0] = one
    along[1] = first
    along[2] = second


@cold_leaf
def _polynomial_along(affine, flux, rule, degree, x, y, dx, dy, along):
    """Add the integrals of the polynomial part of r along a chord, times 1, t and t^2."""
    for n in range(rule.shape[1]):
        t, weight = rule[0, n], rule[1, n]
        u, v = x + t * dx, y + t * dy
        value = 0.0
        place = flux.shape[0] - 1
        for j in range(degree, -1, -1):
            inner = 0.0
            for i in range(degree - j, -1, -1):
                inner *= u
                if i + j > 1:
                    inner += (i + j + 2) * flux[place]
                place -= 1
            value = value * v + inner
        value = weight * (value + (affine[0] + affine[1] * u + affine[2] * v))
        along[0] += value
        along[1] += t * value
        along[2] += t * t * value


@leaf
def _moved(frame, areas, block):
    """Write the integrals of (x, 1)(x, 1)^T in inputs, from those in the coordinates of S."""
    a, h, c, k = frame[0], frame[1], frame[2], frame[3]
    one, first, second = areas[0], areas[1], areas[2]
    block[0, 0] = a * a * one + 2.0 * a * h * first + h * h * areas[3]
    block[0, 1] = a * c * one + a * k * second + c * h * first + h * k * areas[4]
    block[1, 1] = c * c * one + 2.0 * c * k * second + k * k * areas[5]
    block[0, 2] = a * one + h * first
    block[1, 2] = c * one + k * second
    block[2, 2] = one
    block[1, 0], block[2, 0], block[2, 1] = block[0, 1], block[0, 2], block[1, 2]


@leaf
def _parameter(hidden, i, j):
    """Return where w_1, w_2 or b of neuron i stands."""
    return 2 * i + j if j < 2 else 2 * hidden + i


@cold_leaf
def _pair(data, theta, hidden, i, j, work, hessian):
    """Write the first part for neurons i and j <= i, in the lower triangle; it adds nothing."""
    outputs, frame, plane, areas = data.affine.shape[0], data.frame, work.plane, work.areas
    rows = plane.rows
    one_inside = plane.kinds[0, i] == ACTIVE or i == j
    if plane.kinds[0, i] == DEAD or plane.kinds[0, j] == DEAD:
        for n in range(6):
            areas[n] = 0.0
    elif plane.kinds[0, j] == ACTIVE or i == j:
        _areas(work.polygons[i], work.corners[i], areas)
    elif one_inside:
        _areas(work.polygons[j], work.corners[j], areas)
    else:
        scale = 1.0 / plane.rows[3, j]
        count = _cut(
            work.polygons[i],
            work.corners[i],
            rows[0, j] * scale,
            rows[1, j] * scale,
            rows[2, j] * scale,
            work.cut,
        )
        _areas(work.cut, count, areas)
    coupling = 0.0
    for m in range(outputs):
        place = 3 * hidden + m * hidden
        coupling += theta[place + i] * theta[place + j]
    coupling *= 0.5
    _moved(frame, areas, work.block)
    for a in range(3):
        for c in range(3):
            p, q = _parameter(hidden, i, a), _parameter(hidden, j, c)
            hessian[max(p, q), min(p, q)] = coupling * work.block[a, c]
    for side in range(2):
        k = j if side == 0 else i
        wx, wy, b = rows[0, k], rows[1, k], rows[2, k]
        work.weighted[side, 0] = b * areas[0] + wx * areas[1] + wy * areas[2]
        work.weighted[side, 1] = b * areas[1] + wx * areas[3] + wy * areas[4]
        work.weighted[side, 2] = b * areas[2] + wx * areas[4] + wy * areas[5]
    product = 0.5 * (
        rows[2, i] * work.weighted[0, 0] + rows[0, i] * work.weighted[0, 1] + rows[1, i] * work.weighted[0, 2]
    )
    for m in range(outputs):
        place = 3 * hidden + m * hidden
        hessian[place + i, place + j] = product
        for side in range(2):  # of row i with v_mj, and of row j with v_mi
            row, column = (i, j) if side == 0 else (j, i)
            v = 0.5 * theta[place + row]
            one, first, second = work.weighted[side, 0], work.weighted[side, 1], work.weighted[side, 2]
            hessian[place + column, 2 * row] = v * (frame[0] * one + frame[1] * first)
            hessian[place + column, 2 * row + 1] = v * (frame[2] * one + frame[3] * second)
            hessian[place + column, 2 * hidden + row] = v * one
    if i == j:
        for m in range(outputs):
            place, bias = 3 * hidden + m * hidden + i, 3 * hidden + outputs * hidden + m
            v = 0.5 * theta[place]
            hessian[bias, 2 * i] = v * work.block[0, 2]
            hessian[bias, 2 * i + 1] = v * work.block[1, 2]
            hessian[bias, 2 * hidden + i] = v * work.block[2, 2]
            hessian[bias, place] = 0.5 * work.weighted[0, 0]


@cold_leaf
def _own(data, theta, hidden, i, count, work, hessian):
    """Add the second and third part for neuron i."""
    outputs, frame, plane, areas, along = data.affine.shape[0], data.frame, work.plane, work.areas, work.along
    for m in range(outputs):
        place = 3 * hidden + m * hidden + i
        one, first, second = plane.moments[3 * m, i], plane.moments[3 * m + 1, i], plane.moments[3 * m + 2, i]
        hessian[place, 2 * i] += 0.5 * (frame[0] * one + frame[1] * first)
        hessian[place, 2 * i + 1] += 0.5 * (frame[2] * one + frame[3] * second)
        hessian[place, 2 * hidden + i] += 0.5 * one
    if plane.kinds[0, i] != CROSSING:
        return
    x, y, dx, dy = chord_of(plane, i)
    for n in range(6):
        areas[n] = 0.0
    crossing = plane.crossing
    for m in range(outputs):
        _neurons_along(
            count, crossing[0], crossing[1], crossing[2], crossing[OUTGOING + m], x, y, x + dx, y + dy, along
        )
        _polynomial_along(plane.affine[m], data.flux[m], data.rule, max(data.degree, 3), x, y, dx, dy, along)
        for s in range(data.smooth.shape[0]):
            if data.smooth[s] == m:
                pair = chord_table(plane, i)
                for q in range(3):
                    along[q] += bilinear(data.tables[pair, s, 3 + q], plane.powers[0], plane.powers[1])
        v = theta[3 * hidden + m * hidden + i]
        r0, r1, r2 = v * along[0], v * along[1], v * along[2]
        areas[0] += r0
        areas[1] += x * r0 + dx * r1
        areas[2] += y * r0 + dy * r1
        areas[3] += x * x * r0 + 2.0 * x * dx * r1 + dx * dx * r2
        areas[4] += x * y * r0 + (x * dy + y * dx) * r1 + dx * dy * r2
        areas[5] += y * y * r0 + 2.0 * y * dy * r1 + dy * dy * r2
    _moved(frame, areas, work.block)
    k = plane.kinds[1, i]
    weight = np.sqrt(crossing[0, k] * crossing[0, k] + crossing[1, k] * crossing[1, k]) * plane.rows[3, i]
    scale = 0.5 * np.sqrt(dx * dx + dy * dy) / weight
    for a in range(3):
        for c in range(a + 1):
            p, q = _parameter(hidden, i, a), _parameter(hidden, i, c)
            hessian[p, q] += scale * work.block[a, c]


@cold_leaf
def plane_hessian_into(data, theta, hessian, work):
    """Write the Hessian at `theta`, (P,), into `hessian`, (P, P)."""
    outputs, parameters = data.affine.shape[0], theta.shape[0]
    hidden = (parameters - outputs) // (3 + outputs)
    count = moments_into(data, theta, hidden, hidden, 1.0, work.plane)
    check = zero_or_nan(theta)
    for p in range(parameters):
        for q in range(p + 1):
            hessian[p, q] = 0.0
    for i in range(hidden):
        if work.plane.kinds[0, i] != DEAD:
            work.corners[i] = _polygon(work.plane, i, work.polygons[i])
    for i in range(hidden):
        for j in range(i + 1):
            _pair(data, theta, hidden, i, j, work, hessian)
    for i in range(hidden):
        _own(data, theta, hidden, i, count, work, hessian)
    for m in range(outputs):
        bias = 3 * hidden + outputs * hidden + m
        hessian[bias, bias] = 2.0
    for p in range(parameters):
        for q in range(p + 1):
            hessian[p, q] += check
            hessian[q, p] = hessian[p, q]


@entry
def hessians(data, thetas, results):
    """Write the Hessian at each row of `thetas`, (M, P), into `results`, (M, P, P)."""
    outputs = data.affine.shape[0]
    work = plane_hessian_work(data, (thetas.shape[1] - outputs) // (3 + outputs))
    for m in range(thetas.shape[0]):
        plane_hessian_into(data, thetas[m], results[m], work)
