"""One hidden layer on a rectangle: the generalised gradient of the population risk, exactly, in O(H^2).

The uniform measure on a rectangle is mapped to the square S = [-1, 1]^2. With z = w.x + b and
s(z) = max(z, 0) the fields

    w s(z)^2 / (2 |w|^2)   and   w [x s(z)^2 / (2 |w|^2) - w s(z)^3 / (6 |w|^4)]

have the divergences s(z) and x s(z), and for a homogeneous polynomial q of degree m, x q / (m + 2) has the
divergence q. So the integrals of the residual r = N - f times 1, x_1 and x_2 over the part of S where neuron
i is active are fluxes through its boundary: a chord, and an arc of the perimeter.

- *Chord*: along it z goes from p to q; with P = s(p), Q = s(q) and the share phi = (P + Q) / (|p| + |q|) on
  which neuron k is active, its integrals are polynomials in P and Q: no branch, no quotient that cancels. A
  loop over all k for each i, which vectorises.
- *Perimeter*: on an edge the flux is a polynomial of degree 2 and 3, which changes where a chord ends. One
  sweep over the 2 H sorted ends carries it along.

A neuron whose zero does not cross S is dead or one affine function there: so |w| is divided by only where
|z| <= |w| diam. Rows are divided by their largest weight first. The target is a polynomial plus a sum of
neurons, a teacher's, which are neurons of r like any other; polynomials go along chords by Gauss-Legendre
quadrature, and along edges by their antiderivatives.

The edges are numbered counter-clockwise from the lower one, with the coordinate t in [-1, 1] along each. On
edge e the one coordinate is turn[e] t (tangential), the other out[e] (normal), and the outward normal out[e].
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf, leaf_sum
from gfcompare.kernels.doubles import two_product, two_sum
from gfcompare.kernels.sorting import sort_pairs

#: Gauss-Legendre nodes that are taken at a time: enough for targets of degree 3; two blocks reach degree 9.
NODES = 3
#: The position of what is not on the perimeter, whose length is 8.
_NOWHERE = 9.0
# Below the next corner: what ends exactly there still belongs to the edge before.
_CORNER = 8.9e-16

DEAD, CROSSING, ACTIVE = 0, 1, 2


class PlaneData(NamedTuple):
    """A rectangle and a target: a polynomial of degree D plus a sum of neurons; K outputs.

    What is stored is -f, in the coordinates of S; powers are ordered by that of x_2, then that of x_1.
    """

    frame: (
        np.ndarray
    )  # (6,): middle and half width of the first side, of the second; what rounds off the middles
    affine: np.ndarray  # (K, 3): coefficients of 1, x_1, x_2 of -f, fully active neurons of it included
    teacher: np.ndarray  # (3, M): rows (w_1, w_2, b) of the neurons of -f, all of which cross S
    outgoing: np.ndarray  # (K, M): their outgoing weights
    flux: np.ndarray  # (2 K, (D + 1) (D + 2) / 2): terms of degree m over m + 2, and over m + 3, D >= 1
    edges: (
        np.ndarray
    )  # (4, 3 K, D + 3): antiderivatives of the fluxes of terms of degree >= 2 on each edge, descending
    rule: np.ndarray  # (2, n): Gauss-Legendre on [0, 1], n a multiple of 3
    degree: int  # D
    smooth: np.ndarray  # (S,) int64: outputs of -f that are tabulated instead, by their half-plane moments
    tables: np.ndarray  # (16, S, 6, n, n): Chebyshev coefficients, see `evaluators.plane_tables`
    smooth_total: np.ndarray  # (S, 3): integrals over S of -f, x_1 (-f), x_2 (-f)


class PlaneWork(NamedTuple):
    """Scratch memory for W = H + M neurons and K outputs."""

    order: np.ndarray  # (2 W,) uint64: ends of chords along the perimeter; 2 i enters, 2 i + 1 leaves; kept
    spare_order: np.ndarray  # (2 W,) uint64
    keys: np.ndarray  # (4, 2 W): positions in that order, spare; position and t of each end
    rows: np.ndarray  # (6, W): w_1, w_2, b in the coordinates of S, the largest weight; and see `_chord_ends`
    kinds: np.ndarray  # (2, W) int64: kind, number among the crossing ones
    crossing: np.ndarray  # (3 + 2 K, W): w_1, w_2, b, and outgoing weights over 2 |w|^2 and over 6 |w|^4
    flux: np.ndarray  # (2 K, .): that of the data, with the affine part of r
    affine: np.ndarray  # (K, 3): affine part of r
    running: np.ndarray  # (K, 14): fluxes on an edge, see `_start_edge`
    sums: np.ndarray  # (3 K, 2 W): flux through the perimeter up to each end
    total: np.ndarray  # (3 K,): through all of it
    powers: np.ndarray  # (2, n): Chebyshev polynomials at both ends of a chord
    moments: np.ndarray  # (3 K, W): integrals of r, x_1 r and x_2 r where each neuron is active


@allocator
def plane_work(data, hidden):
    """Return the scratch memory for H hidden neurons."""
    outputs = data.affine.shape[0]
    neurons = hidden + data.teacher.shape[1]
    order = np.empty(2 * neurons, np.uint64)
    for j in range(2 * neurons):
        order[j] = j
    return PlaneWork(
        order,
        np.empty(2 * neurons, np.uint64),
        np.empty((4, 2 * neurons)),
        np.empty((6, neurons)),
        np.empty((2, neurons), np.int64),
        np.empty((3 + 2 * outputs, neurons)),
        np.empty(data.flux.shape),
        np.empty((outputs, 3)),
        np.empty((outputs, 14)),
        np.empty((3 * outputs, 2 * neurons)),
        np.empty(3 * outputs),
        np.empty((2, data.tables.shape[3])),
        np.empty((3 * outputs, neurons)),
    )


@leaf
def shifted_bias(w, v, b, frame):
    """Return b + w.m for the middle m, rounded once: rectangles far from 0 cost no digits."""
    p, e = two_product(w, frame[0])
    q, d = two_product(v, frame[2])
    s, c = two_sum(p, q)
    t, g = two_sum(s, b)
    value = t + (g + (c + ((d + e) + (w * frame[4] + v * frame[5]))))
    return value if abs(value) < np.inf else b + (w * frame[0] + v * frame[2])


@leaf
def _set_position(work, end, edge, first, second):
    """Note where a chord ends on an edge, at whose corners the pre-activation is `first` and `second`."""
    t = (first + second) / (first - second)
    work.keys[3, end] = t
    work.keys[2, end] = min(2.0 * edge + 1.0 + t, 2.0 * edge + 2.0 - _CORNER)


@leaf
def _place(work, i):
    """Find out whether the zero of a neuron crosses S, and where it ends; its row is divided by a weight."""
    wx, wy, b = work.rows[0, i], work.rows[1, i], work.rows[2, i]
    work.keys[2, 2 * i] = _NOWHERE
    work.keys[2, 2 * i + 1] = _NOWHERE
    reach = abs(wx) + abs(wy)
    work.kinds[0, i] = ACTIVE if b >= reach and b > 0.0 else DEAD
    if not -reach < b < reach:
        return
    largest = max(abs(wx), abs(wy))
    work.rows[3, i] = largest
    wx, wy, b = wx / largest, wy / largest, b / largest
    c0, c1, c2, c3 = (b - wx) - wy, (b + wx) - wy, (b + wx) + wy, (b - wx) + wy
    p0, p1, p2, p3 = c0 > 0.0, c1 > 0.0, c2 > 0.0, c3 > 0.0
    if p0 == p1 and p1 == p2 and p2 == p3:  # it cuts off less than rounding
        work.kinds[0, i] = ACTIVE if p0 else DEAD
        return
    work.kinds[0, i] = CROSSING
    if p0 != p1:
        _set_position(work, 2 * i + (1 if p0 else 0), 0, c0, c1)
    if p1 != p2:
        _set_position(work, 2 * i + (1 if p1 else 0), 1, c1, c2)
    if p2 != p3:
        _set_position(work, 2 * i + (1 if p2 else 0), 2, c2, c3)
    if p3 != p0:
        _set_position(work, 2 * i + (1 if p3 else 0), 3, c3, c0)


@leaf
def perimeter_point(position, t):
    """Return the point of the perimeter at a position, whose coordinate on its edge is t."""
    if position < 2.0:
        return t, -1.0
    if position < 4.0:
        return 1.0, t
    if position < 6.0:
        return -t, 1.0
    return -1.0, -t


@leaf
def prepare(data, theta, hidden, work):
    """Fill in rows and ends of all neurons, affine part of r and crossing neurons; return their number."""
    frame, outputs, neurons = data.frame, data.affine.shape[0], work.rows.shape[1]
    wx, wy, b, largest = work.rows[0], work.rows[1], work.rows[2], work.rows[3]
    for i in range(hidden):
        u, v = theta[2 * i], theta[2 * i + 1]
        wx[i] = u * frame[1]
        wy[i] = v * frame[3]
        b[i] = shifted_bias(u, v, theta[2 * hidden + i], frame)
    for k in range(hidden, neurons):
        for j in range(3):
            work.rows[j, k] = data.teacher[j, k - hidden]
    for i in range(neurons):
        _place(work, i)
    count = 0
    for m in range(outputs):
        for j in range(3):
            work.affine[m, j] = data.affine[m, j]
        work.affine[m, 0] += theta[3 * hidden + outputs * hidden + m]
    for i in range(neurons):
        kind = work.kinds[0, i]
        if kind == DEAD:
            continue
        if kind == CROSSING:
            x, y = wx[i] / largest[i], wy[i] / largest[i]
            work.kinds[1, i] = count
            work.crossing[0, count] = x
            work.crossing[1, count] = y
            work.crossing[2, count] = b[i] / largest[i]
            share = 1.0 / (x * x + y * y)
            for m in range(outputs):
                v = theta[3 * hidden + m * hidden + i] if i < hidden else data.outgoing[m, i - hidden]
                scaled = 0.5 * share * (v * largest[i])
                work.crossing[3 + m, count] = scaled
                work.crossing[3 + outputs + m, count] = scaled * share * (1.0 / 3.0)
            count += 1
        else:
            for m in range(outputs):
                v = theta[3 * hidden + m * hidden + i] if i < hidden else data.outgoing[m, i - hidden]
                work.affine[m, 0] += v * b[i]
                work.affine[m, 1] += v * wx[i]
                work.affine[m, 2] += v * wy[i]
    return count


@leaf_sum
def _start_edge(count, along, across, b, g, h, turn, out, running):
    """Write the fluxes at the beginning of an edge of the neurons that are active there.

    With w_n and w_t the weights across and along the edge, z = c + d t and n = out w_n, these are the
    coefficients of the antiderivatives of sum g n z^2 (entries 0 to 2), of sum h n w_n z^3 (3 to 6) and of
    sum h n w_t z^3 (7 to 10). Entries 11 to 13 are set by the caller.
    """
    f0, f1, f2 = 0.0, 0.0, 0.0
    n0, n1, n2, n3 = 0.0, 0.0, 0.0, 0.0
    t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        normal = out * across[k]
        c = b[k] + normal
        d = turn * along[k]
        on = normal if c - d > 0.0 else 0.0
        gn, hn = g[k] * on, h[k] * on
        hx, ht = hn * across[k], hn * along[k]
        cc, cd, dd = c * c, c * d, d * d
        f0 += gn * cc
        f1 += gn * cd
        f2 += gn * dd
        ccc, ccd, cdd, ddd = cc * c, cc * d, cd * d, dd * d
        n0 += hx * ccc
        n1 += hx * ccd
        n2 += hx * cdd
        n3 += hx * ddd
        t0 += ht * ccc
        t1 += ht * ccd
        t2 += ht * cdd
        t3 += ht * ddd
    running[0], running[1], running[2] = f0, f1, (1.0 / 3.0) * f2
    running[3], running[4], running[5], running[6] = n0, 1.5 * n1, n2, 0.25 * n3
    running[7], running[8], running[9], running[10] = t0, 1.5 * t1, t2, 0.25 * t3


@leaf
def _change_edge(across, along, b, g, h, turn, out, sign, running):
    """Add the fluxes of one neuron, or take them away, as `_start_edge` has them."""
    normal = out * across
    c, d = b + normal, turn * along
    gn, hn = sign * g * normal, sign * h * normal
    hx, ht = hn * across, hn * along
    cc, cd, dd = c * c, c * d, d * d
    running[0] += gn * cc
    running[1] += gn * cd
    running[2] += (1.0 / 3.0) * (gn * dd)
    ccc, ccd, cdd, ddd = cc * c, 1.5 * (cc * d), cd * d, 0.25 * (dd * d)
    running[3] += hx * ccc
    running[4] += hx * ccd
    running[5] += hx * cdd
    running[6] += hx * ddd
    running[7] += ht * ccc
    running[8] += ht * ccd
    running[9] += ht * cdd
    running[10] += ht * ddd


@leaf
def _add_affine(affine, factor, across, along, turn, out, running):
    """Add the fluxes of the affine part a + b.x of r: x (a / 2 + b.x / 3) and, times x, (a / 3 + b.x / 4)."""
    a, bn, bt = factor * affine[0], factor * affine[across], factor * (turn * affine[along])
    running[0] += 0.5 * a + (1.0 / 3.0) * (out * bn)
    running[1] += (1.0 / 6.0) * bt
    less = (1.0 / 6.0) * a + (1.0 / 12.0) * (out * bn)
    running[3] += out * less
    running[4] += (1.0 / 24.0) * (out * bt)
    running[8] += 0.5 * (turn * less)
    running[9] += (1.0 / 36.0) * (turn * bt)


@leaf
def _fluxes(running, turn, out, t):
    """Return the antiderivatives at t: the flux of 1, and of the coordinates across and along the edge."""
    f0, f1, f2 = running[0], running[1], running[2]
    one = t * (f0 + t * (f1 + t * f2))
    across = out * one - t * (running[3] + t * (running[4] + t * (running[5] + t * running[6])))
    along = turn * (t * t * (0.5 * f0 + t * ((2.0 / 3.0) * f1 + t * (0.75 * f2))))
    along -= t * (running[7] + t * (running[8] + t * (running[9] + t * running[10])))
    return one, across, along


@leaf
def _polynomial(coefficients, t):
    value = coefficients[0]
    for j in range(1, coefficients.shape[0]):
        value = value * t + coefficients[j]
    return value


@cold_leaf
def sweep(data, count, factor, work):
    """Write the flux through the perimeter up to each end of a chord, and through all of it."""
    outputs, crossing, running, total = data.affine.shape[0], work.crossing, work.running, work.total
    order, position, place = work.order, work.keys[0], work.keys[3]
    curved = data.degree > 1
    for j in range(3 * outputs):
        total[j] = 0.0
    event = 0
    for edge in range(4):
        turn = 1.0 if edge < 2 else -1.0
        out = 1.0 if edge == 1 or edge == 2 else -1.0
        along, across = edge % 2, 1 - edge % 2
        stop = 2.0 * edge + 2.0
        for m in range(outputs):
            now = running[m]
            g, h = crossing[3 + m], crossing[3 + outputs + m]
            _start_edge(count, crossing[along], crossing[across], crossing[2], g, h, turn, out, now)
            _add_affine(work.affine[m], factor, 1 + across, 1 + along, turn, out, now)
            one, normal, tangential = _fluxes(now, turn, out, -1.0)
            now[11] = total[3 * m] - one
            now[12] = total[3 * m + 1 + across] - normal
            now[13] = total[3 * m + 1 + along] - tangential
        while event < 2 * count and position[event] < stop:
            end = order[event]
            neuron = np.int64(end >> np.uint64(1))
            sign = -1.0 if end & np.uint64(1) else 1.0
            k = work.kinds[1, neuron]
            t = place[end]
            for m in range(outputs):
                now = running[m]
                one, normal, tangential = _fluxes(now, turn, out, t)
                one += now[11]
                normal += now[12]
                tangential += now[13]
                _change_edge(
                    crossing[across, k],
                    crossing[along, k],
                    crossing[2, k],
                    crossing[3 + m, k],
                    crossing[3 + outputs + m, k],
                    turn,
                    out,
                    sign,
                    now,
                )
                new_one, new_normal, new_tangential = _fluxes(now, turn, out, t)
                now[11] = one - new_one
                now[12] = normal - new_normal
                now[13] = tangential - new_tangential
                work.sums[3 * m, end] = one
                work.sums[3 * m + 1 + across, end] = normal
                work.sums[3 * m + 1 + along, end] = tangential
                if curved:
                    for j in range(3):
                        work.sums[3 * m + j, end] += factor * _polynomial(data.edges[edge, 3 * m + j], t)
            event += 1
        for m in range(outputs):
            now = running[m]
            one, normal, tangential = _fluxes(now, turn, out, 1.0)
            total[3 * m] = now[11] + one
            total[3 * m + 1 + across] = now[12] + normal
            total[3 * m + 1 + along] = now[13] + tangential
    if curved:
        for j in range(3 * outputs):
            total[j] += factor * _polynomial(data.edges[3, j], 1.0)


@leaf_sum
def _chord(count, wx, wy, b, g, h, x, y, dx, dy):
    """Return the fluxes of all crossing neurons through the chord from (x, y) to (x + dx, y + dy).

    With P, Q and phi as above, and z > 0 from the share t = max(-p, 0) / (|p| + |q|) on if p < 0, the
    integrals along the chord are phi (P^2 + P Q + Q^2) / 3 of s(z)^2, phi (P + Q) (P^2 + Q^2) / 4 of s(z)^3,
    and phi [t (P^2 + P Q + Q^2) / 3 + phi (P^2 + 2 P Q + 3 Q^2) / 12] of s(z)^2 times the place on it.
    """
    one, first, cx, cy = 0.0, 0.0, 0.0, 0.0
    ex, ey = x + dx, y + dy
    for k in range(count):
        p = wx[k] * x + (wy[k] * y + b[k])
        q = wx[k] * ex + (wy[k] * ey + b[k])
        P = p if p > 0.0 else 0.0
        Q = q if q > 0.0 else 0.0
        total = P + Q
        inverse = 1.0 / (abs(p) + (abs(q) + 1e-300))
        share = total * inverse
        begin = (P - p) * inverse
        normal = (wx[k] * dy - wy[k] * dx) * share
        QQ = Q * Q
        square = P * total + QQ
        moment = begin * square + (0.25 * share) * (Q * (total + Q) + square)
        gn = g[k] * normal
        cube = (h[k] * normal) * (total * (P * P + QQ))
        one += gn * square
        first += gn * moment
        cx += cube * wx[k]
        cy += cube * wy[k]
    one *= 1.0 / 3.0
    first *= 1.0 / 3.0
    return one, x * one + dx * first - 0.25 * cx, y * one + dy * first - 0.25 * cy


@leaf
def _chord_polynomial(flux, other, rule, degree, x, y, dx, dy):
    """Return the fluxes of the polynomial part of r through a chord, by Gauss-Legendre quadrature."""
    one, first, second = 0.0, 0.0, 0.0
    for start in range(0, rule.shape[1], 3):
        x0, y0 = x + rule[0, start] * dx, y + rule[0, start] * dy
        x1, y1 = x + rule[0, start + 1] * dx, y + rule[0, start + 1] * dy
        x2, y2 = x + rule[0, start + 2] * dx, y + rule[0, start + 2] * dy
        f0, f1, f2, g0, g1, g2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        place = flux.shape[0] - 1
        for j in range(degree, -1, -1):
            a0, c0 = flux[place], other[place]
            a1, a2, c1, c2 = a0, a0, c0, c0
            place -= 1
            for _ in range(degree - j):
                a, c = flux[place], other[place]
                place -= 1
                a0, a1, a2 = a0 * x0 + a, a1 * x1 + a, a2 * x2 + a
                c0, c1, c2 = c0 * x0 + c, c1 * x1 + c, c2 * x2 + c
            f0, f1, f2 = f0 * y0 + a0, f1 * y1 + a1, f2 * y2 + a2
            g0, g1, g2 = g0 * y0 + c0, g1 * y1 + c1, g2 * y2 + c2
        u0, u1, u2 = rule[1, start], rule[1, start + 1], rule[1, start + 2]
        one += u0 * f0 + u1 * f1 + u2 * f2
        g0, g1, g2 = u0 * g0, u1 * g1, u2 * g2
        first += g0 * x0 + g1 * x1 + g2 * x2
        second += g0 * y0 + g1 * y1 + g2 * y2
    distance = x * dy - y * dx
    return distance * one, distance * first, distance * second


@leaf
def chord_of(work, i):
    """Return beginning and extent of the chord of neuron i, counter-clockwise around where it is active."""
    begin, end = 2 * i + 1, 2 * i
    x, y = perimeter_point(work.keys[2, begin], work.keys[3, begin])
    ex, ey = perimeter_point(work.keys[2, end], work.keys[3, end])
    return x, y, ex - x, ey - y


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
def _add_smooth(data, wanted, factor, work):
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


@leaf
def _sort(work):
    keys, order = work.keys[0], work.order
    for j in range(order.shape[0]):
        keys[j] = work.keys[2, order[j]]
    sort_pairs(keys, order, work.keys[1], work.spare_order)


@cold_leaf
def moments_into(data, theta, hidden, wanted, factor, work):
    """Fill in the moments of the first `wanted` neurons, with `factor` times the polynomial part of r.

    They are integrals over S, of area 4, in its coordinates; see `PlaneWork`.
    """
    outputs, crossing, moments, total = data.affine.shape[0], work.crossing, work.moments, work.total
    count = prepare(data, theta, hidden, work)
    _sort(work)
    sweep(data, count, factor, work)
    for m in range(outputs):
        flux, other = work.flux[m], work.flux[outputs + m]
        for j in range(flux.shape[0]):
            flux[j] = factor * data.flux[m, j]
            other[j] = factor * data.flux[outputs + m, j]
        a, first = factor * work.affine[m, 0], factor * work.affine[m, 1]
        second = factor * work.affine[m, 2]
        above = data.degree + 1  # where the powers of x_2 begin
        flux[0] = 0.5 * a
        flux[1] = (1.0 / 3.0) * first
        flux[above] = (1.0 / 3.0) * second
        other[0] = (1.0 / 3.0) * a
        other[1] = 0.25 * first
        other[above] = 0.25 * second
    for i in range(wanted):
        kind = work.kinds[0, i]
        if kind != CROSSING:
            for j in range(3 * outputs):
                moments[j, i] = total[j] if kind == ACTIVE else 0.0
            continue
        x, y, dx, dy = chord_of(work, i)
        wrapped = work.keys[2, 2 * i] > work.keys[2, 2 * i + 1]
        for m in range(outputs):
            one, first, second = _chord(
                count,
                crossing[0],
                crossing[1],
                crossing[2],
                crossing[3 + m],
                crossing[3 + outputs + m],
                x,
                y,
                dx,
                dy,
            )
            a, b, c = _chord_polynomial(
                work.flux[m], work.flux[outputs + m], data.rule, data.degree, x, y, dx, dy
            )
            moments[3 * m, i] = one + a
            moments[3 * m + 1, i] = first + b
            moments[3 * m + 2, i] = second + c
        for j in range(3 * outputs):
            arc = work.sums[j, 2 * i + 1] - work.sums[j, 2 * i]
            moments[j, i] += arc + total[j] if wrapped else arc
    if data.smooth.shape[0] > 0:
        _add_smooth(data, wanted, factor, work)


@cold_leaf
def plane_gradient_into(data, theta, gradient, work):
    """Write the generalised gradient at `theta`, shape (P,), into `gradient`."""
    outputs, frame = data.affine.shape[0], data.frame
    hidden = (theta.shape[0] - outputs) // (3 + outputs)
    moments = work.moments
    moments_into(data, theta, hidden, hidden, 1.0, work)
    wx, wy, b = work.rows[0], work.rows[1], work.rows[2]
    check = 0.0
    for p in range(theta.shape[0]):
        check += 0.0 * theta[p]  # a comparison loses what is no number
    for i in range(hidden):
        one, first, second = 0.0, 0.0, 0.0
        for m in range(outputs):
            place = 3 * hidden + m * hidden + i
            v = theta[place]
            i0, i1, i2 = moments[3 * m, i], moments[3 * m + 1, i], moments[3 * m + 2, i]
            one += v * i0
            first += v * i1
            second += v * i2
            gradient[place] = 0.5 * (wx[i] * i1 + wy[i] * i2 + b[i] * i0) + check
        gradient[2 * i] = 0.5 * (frame[0] * one + frame[1] * first) + check
        gradient[2 * i + 1] = 0.5 * (frame[2] * one + frame[3] * second) + check
        gradient[2 * hidden + i] = 0.5 * one + check
    for m in range(outputs):
        gradient[3 * hidden + outputs * hidden + m] = 0.5 * work.total[3 * m] + check


@entry
def gradients(data, thetas, results, order):
    """Write the generalised gradient at each row of `thetas`, (M, P), into `results`, (M, P).

    `order`, (2 W,) uint64, is any permutation to start sorting from; it leaves as that of the last row.
    """
    outputs = data.affine.shape[0]
    work = plane_work(data, (thetas.shape[1] - outputs) // (3 + outputs))
    for j in range(order.shape[0]):
        work.order[j] = order[j]
    for m in range(thetas.shape[0]):
        plane_gradient_into(data, thetas[m], results[m], work)
    for j in range(order.shape[0]):
        order[j] = work.order[j]
