"""One hidden layer on a rectangle: the generalised gradient of the population risk, exactly, in O(H^2).

The uniform measure on a rectangle is mapped to the square S = [-1, 1]^2. With z = w.x + b and
s(z) = max(z, 0) the fields

    w s(z)^2 / (2 |w|^2)   and   w [x s(z)^2 / (2 |w|^2) - w s(z)^3 / (6 |w|^4)]

have the divergences s(z) and x s(z), and for a homogeneous polynomial q of degree m, x q / (m + 2) has the
divergence q. So the integrals of the residual r = N - f times 1, x_1 and x_2 over the part of S where neuron
i is active are fluxes through its boundary: a chord, and an arc of the perimeter.

- *Chord* (`plane_chords`): along it z goes from p to q; with P = s(p), Q = s(q) and the share
  phi = (P + Q) / (|p| + |q|) on which neuron k is active, its integrals are polynomials in P and Q: no
  branch, no quotient that cancels. A loop over all k for each i, which vectorises.
- *Perimeter* (`plane_perimeter`): on an edge the flux is a polynomial of degree 2 and 3, which changes where
  a chord ends. One sweep over the 2 H sorted ends carries it along.

A neuron whose zero does not cross S is dead or one affine function there: so |w| is divided by only where
|z| <= |w| diam. Rows are divided by their largest weight first. The target is a polynomial plus a sum of
neurons, a teacher's, which are neurons of r like any other; polynomials go along chords by Gauss-Legendre
quadrature, and along edges by their antiderivatives.

The edges are numbered counter-clockwise from the lower one, with the coordinate t in [-1, 1] along each. On
edge e the one coordinate is turn[e] t (tangential), the other out[e] (normal), and the outward normal out[e].
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf
from gfcompare.kernels.numbers import zero_or_nan
from gfcompare.kernels.plane_chords import add_neurons, add_polynomials, add_smooth
from gfcompare.kernels.plane_lines import ACTIVE, CROSSING, crossing_rows, prepare, sort_ends, whole_lanes
from gfcompare.kernels.plane_perimeter import sweep

#: Gauss-Legendre nodes on a chord: enough for targets of degree 3; twice as many reach degree 9.
NODES = 3


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
    flux: np.ndarray  # (2 K, .): terms of degree m over m + 2, and over m + 3, as if D were 3 at least
    edges: (
        np.ndarray
    )  # (4, 3 K, D + 3): antiderivatives of the fluxes of terms of degree >= 2 on each edge, descending
    rule: np.ndarray  # (2, n): Gauss-Legendre on [0, 1]
    degree: int  # D >= 1
    smooth: np.ndarray  # (S,) int64: outputs of -f that are tabulated instead, by their half-plane moments
    tables: np.ndarray  # (16, S, 6, n, n): Chebyshev coefficients, see `evaluators.plane_tables`
    smooth_total: np.ndarray  # (S, 3): integrals over S of -f, x_1 (-f), x_2 (-f)


class PlaneWork(NamedTuple):
    """Scratch memory for W = H + M neurons and K outputs; W' is W made up to a multiple of `LANES`."""

    order: np.ndarray  # (2 W,) uint64: ends of chords along the perimeter; 2 i enters, 2 i + 1 leaves; kept
    spare_order: np.ndarray  # (2 W,) uint64
    keys: np.ndarray  # (4, 2 W): positions in that order, spare; position and t of each end
    rows: np.ndarray  # (7, W): w_1, w_2, b in the coordinates of S, the largest weight; the three over it
    kinds: np.ndarray  # (2, W) int64: kind, number among the crossing ones
    crossing: np.ndarray  # (10 + 3 K, W'): w_1, w_2, b over the largest weight, and see `plane_lines`
    flux: np.ndarray  # (2 K, .): that of the data, with the affine part of r
    affine: np.ndarray  # (K, 3): affine part of r
    sums: np.ndarray  # (3 K, 2 W): flux through the perimeter up to each end
    total: np.ndarray  # (3 K,): through all of it
    chords: np.ndarray  # (4, W'): beginning and extent of the chords
    through: np.ndarray  # (3, W'): fluxes of the polynomial part of r through them
    powers: np.ndarray  # (2, n): Chebyshev polynomials at both ends of a chord
    moments: np.ndarray  # (3 K, W): integrals of r, x_1 r and x_2 r where each neuron is active


@allocator
def plane_work(data, hidden):
    """Return the scratch memory for H hidden neurons."""
    outputs = data.affine.shape[0]
    neurons = hidden + data.teacher.shape[1]
    lanes = whole_lanes(neurons)
    order = np.empty(2 * neurons, np.uint64)
    for j in range(2 * neurons):
        order[j] = j
    return PlaneWork(
        order,
        np.empty(2 * neurons, np.uint64),
        np.empty((4, 2 * neurons)),
        np.empty((7, neurons)),
        np.empty((2, neurons), np.int64),
        np.empty((crossing_rows(outputs), lanes)),
        np.empty(data.flux.shape),
        np.empty((outputs, 3)),
        np.empty((3 * outputs, 2 * neurons)),
        np.empty(3 * outputs),
        np.empty((4, lanes)),
        np.empty((3, lanes)),
        np.empty((2, data.tables.shape[3])),
        np.empty((3 * outputs, neurons)),
    )


@leaf
def _set_flux(data, factor, work):
    """Write the polynomial part of r, terms of degree m over m + 2 and over m + 3, times `factor`."""
    outputs = data.affine.shape[0]
    above = max(data.degree, 3) + 1  # where the powers of x_2 begin
    for m in range(outputs):
        flux, other = work.flux[m], work.flux[outputs + m]
        for j in range(flux.shape[0]):
            flux[j] = factor * data.flux[m, j]
            other[j] = factor * data.flux[outputs + m, j]
        a, first = factor * work.affine[m, 0], factor * work.affine[m, 1]
        second = factor * work.affine[m, 2]
        flux[0] = 0.5 * a
        flux[1] = (1.0 / 3.0) * first
        flux[above] = (1.0 / 3.0) * second
        other[0] = (1.0 / 3.0) * a
        other[1] = 0.25 * first
        other[above] = 0.25 * second


@cold_leaf
def moments_into(data, theta, hidden, wanted, factor, work):
    """Fill in the moments of the first `wanted` neurons, with `factor` times the polynomial part of r.

    They are integrals over S, of area 4, in its coordinates; see `PlaneWork`. Return the number of crossing
    neurons.
    """
    moments, total, sums = work.moments, work.total, work.sums
    count = prepare(data, theta, hidden, work)
    sort_ends(work)
    for m in range(data.affine.shape[0]):
        sweep(data, count, factor, m, work)
    _set_flux(data, factor, work)
    add_neurons(count, wanted, work)
    add_polynomials(data, count, wanted, work)
    for i in range(wanted):
        kind = work.kinds[0, i]
        if kind == CROSSING:
            wrapped = work.keys[2, 2 * i] > work.keys[2, 2 * i + 1]
            for j in range(moments.shape[0]):
                arc = sums[j, 2 * i + 1] - sums[j, 2 * i]
                moments[j, i] += arc + total[j] if wrapped else arc
        else:
            for j in range(moments.shape[0]):
                moments[j, i] = total[j] if kind == ACTIVE else 0.0
    if data.smooth.shape[0] > 0:
        add_smooth(data, wanted, factor, work)
    return count


@cold_leaf
def plane_gradient_into(data, theta, gradient, work):
    """Write the generalised gradient at `theta`, shape (P,), into `gradient`."""
    outputs, frame = data.affine.shape[0], data.frame
    hidden = (theta.shape[0] - outputs) // (3 + outputs)
    moments = work.moments
    moments_into(data, theta, hidden, hidden, 1.0, work)
    wx, wy, b = work.rows[0], work.rows[1], work.rows[2]
    check = zero_or_nan(theta)
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
