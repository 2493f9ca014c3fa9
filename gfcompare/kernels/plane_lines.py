"""One hidden layer on a rectangle: where the zeros of neurons cross the square, and the crossing neurons.

See `plane` for the notation, and `plane.PlaneWork` for what is filled in. Loops over all neurons vectorise;
only the sorting into dead, crossing and active ones has branches.
"""

import numpy as np

from gfcompare.kernels.compiled import leaf, leaf_sum
from gfcompare.kernels.doubles import two_product, two_sum
from gfcompare.kernels.sorting import sort_pairs

#: The position of what is not on the perimeter, whose length is 8.
_NOWHERE = 9.0
# Below the next corner: what ends exactly there still belongs to the edge before.
_CORNER = 8.9e-16

DEAD, CROSSING, ACTIVE = 0, 1, 2

#: Rows of `PlaneWork.crossing`: w_1, w_2 and b; z where t = 0 on each edge; w over 3 |w|^2; the outgoing
#: weight to each output over 2 |w|^2; and, for each, that times w_1 and w_2.
BASES, THIRDS, OUTGOING = 3, 7, 9
#: Crossing neurons are taken so many at a time; those that fill up are 0.
LANES = 8


@leaf
def crossing_rows(outputs):
    """Return how many rows there are for K outputs; the last is spare."""
    return OUTGOING + 3 * outputs + 1


@leaf
def whole_lanes(count):
    """Return the next multiple of `LANES`."""
    return (count + (LANES - 1)) & -LANES


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
    """Find out whether the zero of a neuron crosses S, and where it ends; return its kind."""
    wx, wy, b = work.rows[0, i], work.rows[1, i], work.rows[2, i]
    work.keys[2, 2 * i] = _NOWHERE
    work.keys[2, 2 * i + 1] = _NOWHERE
    reach = abs(wx) + abs(wy)
    if not -reach < b < reach:
        return ACTIVE if b >= reach and b > 0.0 else DEAD
    wx, wy, b = work.rows[4, i], work.rows[5, i], work.rows[6, i]
    c0, c1, c2, c3 = (b - wx) - wy, (b + wx) - wy, (b + wx) + wy, (b - wx) + wy
    p0, p1, p2, p3 = c0 > 0.0, c1 > 0.0, c2 > 0.0, c3 > 0.0
    if p0 == p1 and p1 == p2 and p2 == p3:  # it cuts off less than rounding
        return ACTIVE if p0 else DEAD
    if p0 != p1:
        _set_position(work, 2 * i + (1 if p0 else 0), 0, c0, c1)
    if p1 != p2:
        _set_position(work, 2 * i + (1 if p1 else 0), 1, c1, c2)
    if p2 != p3:
        _set_position(work, 2 * i + (1 if p2 else 0), 2, c2, c3)
    if p3 != p0:
        _set_position(work, 2 * i + (1 if p3 else 0), 3, c3, c0)
    return CROSSING


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
def chord_of(work, i):
    """Return beginning and extent of the chord of neuron i, counter-clockwise around where it is active."""
    begin, end = 2 * i + 1, 2 * i
    x, y = perimeter_point(work.keys[2, begin], work.keys[3, begin])
    ex, ey = perimeter_point(work.keys[2, end], work.keys[3, end])
    return x, y, ex - x, ey - y


@leaf
def _set_rows(data, theta, hidden, work):
    """Write all rows in the coordinates of S, and what each is over its largest weight."""
    rows, frame = work.rows, data.frame
    wx, wy, b, largest = rows[0], rows[1], rows[2], rows[3]
    for i in range(hidden):
        u, v = theta[2 * i], theta[2 * i + 1]
        wx[i] = u * frame[1]
        wy[i] = v * frame[3]
        b[i] = shifted_bias(u, v, theta[2 * hidden + i], frame)
    for k in range(hidden, rows.shape[1]):
        for j in range(3):
            rows[j, k] = data.teacher[j, k - hidden]
    for i in range(rows.shape[1]):
        most = max(abs(wx[i]), abs(wy[i]))
        largest[i] = most
        rows[4, i], rows[5, i], rows[6, i] = wx[i] / most, wy[i] / most, b[i] / most


@leaf_sum
def _set_crossing(count, outputs, crossing):
    """Fill in what follows from w, b and the outgoing weights of the crossing neurons."""
    wx, wy, b = crossing[0], crossing[1], crossing[2]
    for k in range(count, whole_lanes(count)):
        for j in range(crossing.shape[0]):
            crossing[j, k] = 0.0
    for k in range(count):
        x, y = wx[k], wy[k]
        crossing[BASES, k] = b[k] - y
        crossing[BASES + 1, k] = b[k] + x
        crossing[BASES + 2, k] = b[k] + y
        crossing[BASES + 3, k] = b[k] - x
        share = 1.0 / (x * x + y * y)
        third = (1.0 / 3.0) * share
        crossing[THIRDS, k] = third * x
        crossing[THIRDS + 1, k] = third * y
        crossing[crossing.shape[0] - 1, k] = 0.5 * share
    for m in range(outputs):
        weight, first, second = (
            crossing[OUTGOING + m],
            crossing[OUTGOING + outputs + 2 * m],
            crossing[OUTGOING + outputs + 2 * m + 1],
        )
        for k in range(count):
            scaled = crossing[crossing.shape[0] - 1, k] * weight[k]
            weight[k] = scaled
            first[k] = scaled * wx[k]
            second[k] = scaled * wy[k]


@leaf
def prepare(data, theta, hidden, work):
    """Fill in rows and ends of all neurons, affine part of r and crossing neurons; return their number."""
    outputs, crossing, rows = data.affine.shape[0], work.crossing, work.rows
    _set_rows(data, theta, hidden, work)
    for m in range(outputs):
        for j in range(3):
            work.affine[m, j] = data.affine[m, j]
        work.affine[m, 0] += theta[3 * hidden + outputs * hidden + m]
    count = 0
    for i in range(rows.shape[1]):
        kind = _place(work, i)
        work.kinds[0, i] = kind
        if kind == DEAD:
            continue
        if kind == CROSSING:
            work.kinds[1, i] = count
            crossing[0, count], crossing[1, count], crossing[2, count] = rows[4, i], rows[5, i], rows[6, i]
        for m in range(outputs):
            v = theta[3 * hidden + m * hidden + i] if i < hidden else data.outgoing[m, i - hidden]
            if kind == CROSSING:
                crossing[OUTGOING + m, count] = v * rows[3, i]
            else:
                work.affine[m, 0] += v * rows[2, i]
                work.affine[m, 1] += v * rows[0, i]
                work.affine[m, 2] += v * rows[1, i]
        if kind == CROSSING:
            count += 1
    _set_crossing(count, outputs, crossing)
    return count


@leaf
def sort_ends(work):
    """Sort the ends of all chords along the perimeter."""
    keys, order = work.keys[0], work.order
    for j in range(order.shape[0]):
        keys[j] = work.keys[2, order[j]]
    sort_pairs(keys, order, work.keys[1], work.spare_order)
