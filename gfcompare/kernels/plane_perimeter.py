"""One hidden layer on a rectangle: fluxes through its perimeter, in one sweep over the ends of all chords.

On an edge the fluxes of the neurons that are active there are polynomials in t, whose antiderivatives are
carried along as three tuples of coefficients, ascending: of the flux of 1 (t^0 to t^3), of the coordinate
across the edge (to t^4), which is constant there, and of the coordinate along it (to t^4). At the end of a
chord those of one neuron come or go; they are continuous, and what they are there is taken from the
constants. It depends on nothing that is carried along, so that a processor can compute it meanwhile. See
`plane` for the notation.
"""

import numpy as np

from gfcompare.kernels.compiled import leaf, leaf_sum
from gfcompare.kernels.plane_lines import BASES, OUTGOING, THIRDS, whole_lanes


@leaf_sum
def _start_edge(count, along, base, weight, third_across, third_along, turn, out):
    """Return the antiderivatives at the beginning of an edge, 0 at t = 0.

    With z = c + d t, g the outgoing weight over 2 |w|^2, n = out w_across, these are of sum g n z^2, and of
    that times the coordinate, less sum g n w z^3 / (3 |w|^2), w the weight across or along the edge. `weight`
    holds g w_across.
    """
    f0, f1, f2 = 0.0, 0.0, 0.0
    n0, n1, n2, n3 = 0.0, 0.0, 0.0, 0.0
    t0, t1, t2, t3 = 0.0, 0.0, 0.0, 0.0
    for k in range(whole_lanes(count)):
        c, d = base[k], turn * along[k]
        gn = weight[k] if c - d > 0.0 else 0.0
        hx, ht = gn * third_across[k], gn * third_along[k]
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
    f2 *= 1.0 / 3.0
    side = turn * out
    return (
        (0.0, out * f0, out * f1, out * f2),
        (0.0, f0 - out * n0, f1 - out * (1.5 * n1), f2 - out * n2, -out * (0.25 * n3)),
        (
            0.0,
            -out * t0,
            side * (0.5 * f0) - out * (1.5 * t1),
            side * ((2.0 / 3.0) * f1) - out * t2,
            side * (0.75 * f2) - out * (0.25 * t3),
        ),
    )


@leaf
def _of_neuron(c, d, gn, third_across, third_along, turn, out, t):
    """Return the antiderivatives of one neuron, 0 at t; `gn` is out g w_across, negative where it ends."""
    hx, ht = gn * third_across, gn * third_along
    cc, cd, dd = c * c, c * d, (1.0 / 3.0) * (d * d)
    f0, f1, f2 = gn * cc, gn * cd, gn * dd
    z0, z1, z2, z3 = c * cc, 1.5 * (c * cd), (3.0 * c) * dd, 0.75 * (d * dd)
    n0, n1, n2, n3 = out * f0 - hx * z0, out * f1 - hx * z1, out * f2 - hx * z2, -hx * z3
    t0, t1 = -ht * z0, turn * (0.5 * f0) - ht * z1
    t2, t3 = turn * ((2.0 / 3.0) * f1) - ht * z2, turn * (0.75 * f2) - ht * z3
    return (
        (-t * (f0 + t * (f1 + t * f2)), f0, f1, f2),
        (-t * (n0 + t * (n1 + t * (n2 + t * n3))), n0, n1, n2, n3),
        (-t * (t0 + t * (t1 + t * (t2 + t * t3))), t0, t1, t2, t3),
    )


@leaf
def _of_affine(affine, factor, across, along, turn, out):
    """Return those of the affine part a + b.x of r: x (a / 2 + b.x / 3) and, times x, (a / 3 + b.x / 4)."""
    a, bn, bt = factor * affine[0], factor * affine[across], factor * (turn * affine[along])
    constant, linear = (1.0 / 3.0) * a + 0.25 * (out * bn), 0.25 * bt
    return (
        (0.0, 0.5 * a + (1.0 / 3.0) * (out * bn), (1.0 / 6.0) * bt, 0.0),
        (0.0, out * constant, 0.5 * (out * linear), 0.0, 0.0),
        (0.0, 0.0, 0.5 * (turn * constant), (1.0 / 3.0) * (turn * linear), 0.0),
    )


@leaf
def _added(a, b):
    """Return sums of antiderivatives."""
    (a0, a1, a2, a3), (b0, b1, b2, b3, b4), (c0, c1, c2, c3, c4) = a
    (d0, d1, d2, d3), (e0, e1, e2, e3, e4), (f0, f1, f2, f3, f4) = b
    return (
        (a0 + d0, a1 + d1, a2 + d2, a3 + d3),
        (b0 + e0, b1 + e1, b2 + e2, b3 + e3, b4 + e4),
        (c0 + f0, c1 + f1, c2 + f2, c3 + f3, c4 + f4),
    )


@leaf
def _at(functions, t):
    """Return the fluxes up to t: of 1, and of the coordinates across and along the edge."""
    (a0, a1, a2, a3), (b0, b1, b2, b3, b4), (c0, c1, c2, c3, c4) = functions
    return (
        a0 + t * (a1 + t * (a2 + t * a3)),
        b0 + t * (b1 + t * (b2 + t * (b3 + t * b4))),
        c0 + t * (c1 + t * (c2 + t * (c3 + t * c4))),
    )


@leaf
def _from(functions, t, one, across, along):
    """Return antiderivatives with the values at t."""
    (_, a1, a2, a3), (_, b1, b2, b3, b4), (_, c1, c2, c3, c4) = functions
    return (
        (one - t * (a1 + t * (a2 + t * a3)), a1, a2, a3),
        (across - t * (b1 + t * (b2 + t * (b3 + t * b4))), b1, b2, b3, b4),
        (along - t * (c1 + t * (c2 + t * (c3 + t * c4))), c1, c2, c3, c4),
    )


@leaf
def _curved(edges, t):
    """Return the fluxes of the terms of degree 2 and more, up to t, of 1, x_1 and x_2."""
    one, first, second = 0.0, 0.0, 0.0
    for j in range(edges.shape[1]):
        one = one * t + edges[0, j]
        first = first * t + edges[1, j]
        second = second * t + edges[2, j]
    return one, first, second


@leaf
def sweep(data, count, factor, m, work):
    """Write the flux through the perimeter up to each end of a chord, and through all of it, of output m."""
    crossing, outputs, rest = work.crossing, data.affine.shape[0], data.edges[:, 3 * m : 3 * m + 3]
    order, position, place, numbers = work.order, work.keys[0], work.keys[3], work.kinds[1]
    sums, curved = work.sums[3 * m : 3 * m + 3], data.degree > 1
    one, first, second = 0.0, 0.0, 0.0
    event = 0
    for edge in range(4):
        turn = 1.0 if edge < 2 else -1.0
        out = 1.0 if edge == 1 or edge == 2 else -1.0
        along, across = edge % 2, 1 - edge % 2
        weights, base = crossing[along], crossing[BASES + edge]
        weight = crossing[OUTGOING + outputs + 2 * m + across]
        third_across, third_along = crossing[THIRDS + across], crossing[THIRDS + along]
        normal, tangential = (second, first) if across else (first, second)
        functions = _added(
            _start_edge(count, weights, base, weight, third_across, third_along, turn, out),
            _of_affine(work.affine[m], factor, 1 + across, 1 + along, turn, out),
        )
        functions = _from(functions, -1.0, one, normal, tangential)
        stop = 2.0 * edge + 2.0
        while event < 2 * count and position[event] < stop:
            end = order[event]
            k = numbers[np.int64(end >> np.uint64(1))]
            sign = -out if end & np.uint64(1) else out
            t = place[end]
            one, normal, tangential = _at(functions, t)
            first, second = (tangential, normal) if across else (normal, tangential)
            if curved:
                a, b, c = _curved(rest[edge], t)
                sums[0, end] = one + factor * a
                sums[1, end] = first + factor * b
                sums[2, end] = second + factor * c
            else:
                sums[0, end], sums[1, end], sums[2, end] = one, first, second
            change = _of_neuron(
                base[k], turn * weights[k], sign * weight[k], third_across[k], third_along[k], turn, out, t
            )
            functions = _added(functions, change)
            event += 1
        one, normal, tangential = _at(functions, 1.0)
        first, second = (tangential, normal) if across else (normal, tangential)
    if curved:
        a, b, c = _curved(rest[3], 1.0)
        one, first, second = one + factor * a, first + factor * b, second + factor * c
    work.total[3 * m], work.total[3 * m + 1], work.total[3 * m + 2] = one, first, second
