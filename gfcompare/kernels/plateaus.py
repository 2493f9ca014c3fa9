"""Plateaus of deep networks: the surfaces on which the gradient jumps, and the flow along them.

Where all neurons of a hidden layer m are inactive, on a set I of inputs, every layer above is constant. So a
neuron of layer k > m has one pre-activation z on I, its plateau, which depends on the parameters of the
layers m + 1 to k alone. When z changes its sign the neuron switches on all of I at once, and the generalised
gradient jumps across the surface {z = 0}:

    G (z > 0) = G (z < 0) + s grad z,    s = the integral over I of what is back-propagated to the neuron.

The jump is along the normal. If the velocities of both sides lead to the surface, the Filippov solution
slides on it, with the combination of the two that is tangent: the velocity of the inactive side without its
component along grad z. It is the gradient flow restricted to a smooth hypersurface; with several plateaus at
0, to their intersection. Nothing else of the flow changes: where it slides a neuron counts as inactive.

A plateau is known by (m, k, i), m the highest layer that is inactive: its number is an offset plus the place
of neuron i of layer k among the neurons above layer m. Parameters are laid out as in `deep_line`; layers have
the numbers 1, 2, ...

A. F. Filippov, "Differential Equations with Discontinuous Righthand Sides", 1988,
doi:10.1007/978-94-015-7793-9.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, leaf
from gfcompare.kernels.manifold import tangent
from gfcompare.kernels.numbers import dot

#: The flow slides on at most so many plateaus at once.
MOST = 8
# A normal that is nearly in the span of the others: what is left of it, relative to it.
_DEPENDENT = 1e-8


# Rows of the layout of a network: the first neuron and the first parameter of each layer, as in `deep_line`,
# and the first plateau behind it.
STARTS, PARAMETERS, OFFSETS = 0, 1, 2
#: Rows of what is known of each plateau: 1 where the flow slides on it; by how much such a neuron counts as
#: active in the back-propagation; what is back-propagated to it, which is s; its value z.
HELD, SHARE, BACK, VALUE = 0, 1, 2, 3
#: Rows of what is known of those on which the flow slides: number, layer k, and where it leaves to, 1 active,
#: -1 inactive, 0 not at all.
NUMBER, LAYER, SIDE = 0, 1, 2
# Rows of what is known of each neuron behind an inactive layer: its activation, the derivative of z by it.
_LEVEL, _DELTA = 0, 1


class Plateaus(NamedTuple):
    """What the walk over the intervals is told of the N plateaus, and what it finds."""

    layout: np.ndarray  # (3, L + 1) int64
    state: np.ndarray  # (4, N)


class SlidingWork(NamedTuple):
    """Scratch memory for the flow along plateaus, S hidden neurons and P parameters."""

    neurons: np.ndarray  # (2, S)
    basis: np.ndarray  # (8, P): orthonormal, spans the normals grad z
    triangle: np.ndarray  # (9, 8): the normals in this basis, in columns; then components of a velocity
    sliding: np.ndarray  # (3, 8) int64


@allocator
def plateau_work(widths, starts, parameters):
    """Return memory for the plateaus of a network, on none of which the flow slides."""
    layers = widths.shape[0] - 1
    layout = np.zeros((3, layers + 1), np.int64)
    count = 0
    for layer in range(layers + 1):
        layout[STARTS, layer], layout[PARAMETERS, layer] = starts[layer], parameters[layer]
    for dead in range(1, layers):
        layout[OFFSETS, dead] = count
        count += starts[layers] - starts[dead + 1]
    layout[OFFSETS, layers] = count
    return Plateaus(layout, np.zeros((4, count)))


@allocator
def sliding_work(plateaus, neurons, parameters):
    """Return the scratch memory for the flow along plateaus."""
    most = min(MOST, plateaus.state.shape[1])
    return SlidingWork(
        np.empty((2, neurons)),
        np.empty((most, parameters)),
        np.empty((most + 1, most)),
        np.zeros((3, most), np.int64),
    )


@leaf
def first_plateau(plateaus, dead, layer):
    """Return the number of the plateau of neuron 0 of `layer` behind layer `dead`."""
    return plateaus.layout[OFFSETS, dead] + plateaus.layout[STARTS, layer] - plateaus.layout[STARTS, dead + 1]


@leaf
def held_count(plateaus):
    """Return on how many plateaus the flow slides."""
    count = 0
    for number in range(plateaus.state.shape[1]):
        if plateaus.state[HELD, number] != 0.0:
            count += 1
    return count


@cold_leaf
def set_levels(widths, theta, plateaus, work, dead):
    """Write the values of the plateaus behind a layer, and the activations there."""
    for layer in range(dead + 1, widths.shape[0] - 1):
        below, rows, first = widths[layer - 1], widths[layer], plateaus.layout[PARAMETERS, layer]
        start, under = plateaus.layout[STARTS, layer], plateaus.layout[STARTS, layer - 1]
        number = first_plateau(plateaus, dead, layer)
        for i in range(rows):
            value = theta[first + rows * below + i]
            if layer > dead + 1:
                for j in range(below):
                    value += theta[first + i * below + j] * work.neurons[_LEVEL, under + j]
            plateaus.state[VALUE, number + i] = value
            work.neurons[_LEVEL, start + i] = (
                value if value > 0.0 and plateaus.state[HELD, number + i] == 0.0 else 0.0
            )


@cold_leaf
def normal(widths, theta, plateaus, work, dead, layer, neuron, result):
    """Write grad z of a plateau into `result`, (P,); `set_levels` must have been called for its layer."""
    for p in range(result.shape[0]):
        result[p] = 0.0
    for i in range(widths[layer]):
        work.neurons[_DELTA, plateaus.layout[STARTS, layer] + i] = 1.0 if i == neuron else 0.0
    while layer > dead:
        below, rows, first = widths[layer - 1], widths[layer], plateaus.layout[PARAMETERS, layer]
        start, under = plateaus.layout[STARTS, layer], plateaus.layout[STARTS, layer - 1]
        for j in range(below):
            work.neurons[_DELTA, under + j] = 0.0
        for i in range(rows):
            delta = work.neurons[_DELTA, start + i]
            if delta == 0.0:
                continue
            result[first + rows * below + i] = delta
            if layer == dead + 1:
                continue
            for j in range(below):
                level = work.neurons[_LEVEL, under + j]
                result[first + i * below + j] = delta * level
                if level > 0.0:
                    work.neurons[_DELTA, under + j] += delta * theta[first + i * below + j]
        layer -= 1


@cold_leaf
def _orthonormalize(basis, triangle, count):
    """Make row `count` of the basis orthogonal to those before, of norm 1, or 0 if nothing is left of it."""
    row = basis[count]
    size = np.sqrt(dot(row, row))
    for j in range(count):
        share = dot(basis[j], row)
        triangle[j, count] = share
        for p in range(row.shape[0]):
            row[p] -= share * basis[j, p]
    length = np.sqrt(dot(row, row))
    known = length > _DEPENDENT * size
    triangle[count, count] = length if known else np.inf
    for p in range(row.shape[0]):
        row[p] = row[p] / length if known else 0.0


@cold_leaf
def span(widths, theta, plateaus, work, normalize):
    """Write an orthonormal basis of the normals of the plateaus on which the flow slides; return how many.

    On M their parts along the submanifold.
    """
    count = 0
    hidden = widths.shape[0] - 2
    for dead in range(1, hidden):
        any_held = False
        for number in range(plateaus.layout[OFFSETS, dead], plateaus.layout[OFFSETS, dead + 1]):
            any_held |= plateaus.state[HELD, number] != 0.0
        if not any_held:
            continue
        set_levels(widths, theta, plateaus, work, dead)
        for layer in range(dead + 1, hidden + 1):
            first = first_plateau(plateaus, dead, layer)
            for i in range(widths[layer]):
                if plateaus.state[HELD, first + i] != 0.0:
                    normal(widths, theta, plateaus, work, dead, layer, i, work.basis[count])
                    if normalize:
                        tangent(widths, theta, work.basis[count])
                    _orthonormalize(work.basis, work.triangle, count)
                    work.sliding[NUMBER, count], work.sliding[LAYER, count] = first + i, layer
                    count += 1
    return count


@cold_leaf
def remove_normals(vector, work, count):
    """Remove from a vector, (P,), its components along the normals, in place, and remember them."""
    along = work.triangle[work.basis.shape[0]]
    for j in range(count):
        along[j] = dot(work.basis[j], vector)
        for p in range(vector.shape[0]):
            vector[p] -= along[j] * work.basis[j, p]


@cold_leaf
def set_multipliers(work, count):
    """Turn the components that were removed into multiples of the normals themselves, in place."""
    along = work.triangle[work.basis.shape[0]]
    for j in range(count - 1, -1, -1):
        total = along[j]
        for k in range(j + 1, count):
            total -= work.triangle[j, k] * along[k]
        along[j] = total / work.triangle[j, j]
