"""Plateaus of deep networks: the surfaces on which the gradient jumps, and the flow along them.

Where all neurons of a hidden layer m are inactive, on a set I of inputs, every layer above is constant. So a
neuron of layer k > m has one pre-activation z on I, its plateau, which depends on the parameters of the layers
m + 1 to k alone. When z changes its sign the neuron switches on all of I at once, and the generalised gradient
jumps across the surface {z = 0}:

    G (z > 0) = G (z < 0) + s grad z,    s = the integral over I of what is back-propagated to the neuron.

The jump is along the normal. If the velocities of both sides lead to the surface, the Filippov solution slides
on it, with the combination of the two that is tangent: the velocity of the inactive side without its component
along grad z. It is the gradient flow restricted to a smooth hypersurface; with several plateaus at 0, to
their intersection. Nothing else of the flow changes: a plateau on which it slides counts as inactive.

A plateau is known by (m, k, i), m the highest layer that is inactive: its number is `offsets[m]` plus the place
of neuron i of layer k among the neurons above layer m. Parameters are laid out as in `deep_line`; layers have
the numbers 1, 2, ...

A. F. Filippov, "Differential Equations with Discontinuous Righthand Sides", 1988,
doi:10.1007/978-94-015-7793-9.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, cold_leaf_sum, leaf
from gfcompare.kernels.manifold import tangent

#: The flow slides on at most so many plateaus at once.
MOST = 8
# A normal that is nearly in the span of the others: what is left of it, relative to it.
_DEPENDENT = 1e-8


class Plateaus(NamedTuple):
    """What the walk over the intervals is told of the N plateaus, and what it finds."""

    starts: np.ndarray  # (L + 1,) int64: as in `deep_line.DeepWork`
    parameters: np.ndarray  # (L + 1,) int64
    offsets: np.ndarray  # (L + 1,) int64: the first plateau behind each layer
    held: np.ndarray  # (N,) bool: whether the flow slides on it
    share: np.ndarray  # (N,): by how much such a neuron counts as active in the back-propagation
    back: np.ndarray  # (N,): s of those on which it slides


class SlidingWork(NamedTuple):
    """Scratch memory for the flow along plateaus, S hidden neurons and P parameters."""

    levels: np.ndarray  # (S,): activations behind a layer that is inactive
    deltas: np.ndarray  # (S,)
    values: np.ndarray  # (N,): z
    basis: np.ndarray  # (8, P): orthonormal, spans the normals grad z
    triangle: np.ndarray  # (8, 8): the normals in this basis, in columns
    along: np.ndarray  # (8,): components of a velocity
    numbers: np.ndarray  # (8,) int64: the plateaus on which the flow slides
    layers: np.ndarray  # (8,) int64: the layer k of each
    sides: np.ndarray  # (8,) int64: where each is left to: 1 active, -1 inactive, 0 not at all


@allocator
def plateau_work(widths, starts, parameters):
    """Return memory for the plateaus of a network, on none of which the flow slides."""
    layers = widths.shape[0] - 1
    offsets = np.zeros(layers + 1, np.int64)
    count = 0
    for dead in range(1, layers):
        offsets[dead] = count
        count += starts[layers] - starts[dead + 1]
    offsets[layers] = count
    return Plateaus(
        starts, parameters, offsets, np.zeros(count, np.bool_), np.zeros(count), np.zeros(count)
    )


@allocator
def sliding_work(plateaus, neurons, parameters):
    """Return the scratch memory for the flow along plateaus."""
    count = plateaus.held.shape[0]
    most = min(MOST, count)
    return SlidingWork(
        np.empty(neurons),
        np.empty(neurons),
        np.empty(count),
        np.empty((most, parameters)),
        np.empty((most, most)),
        np.empty(most),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.zeros(most, np.int64),
    )


def plateau_count(hidden):
    """Return N for hidden layers of these widths, in Python."""
    return sum(sum(hidden[dead:]) for dead in range(1, len(hidden)))


@leaf
def first_plateau(plateaus, dead, layer):
    """Return the number of the plateau of neuron 0 of `layer` behind layer `dead`."""
    return plateaus.offsets[dead] + plateaus.starts[layer] - plateaus.starts[dead + 1]


@leaf
def held_count(plateaus):
    """Return on how many plateaus the flow slides."""
    count = 0
    for number in range(plateaus.held.shape[0]):
        if plateaus.held[number]:
            count += 1
    return count


@cold_leaf
def set_levels(widths, theta, plateaus, work, dead):
    """Write the values of the plateaus behind a layer, and the activations there."""
    for layer in range(dead + 1, widths.shape[0] - 1):
        below, rows, first = widths[layer - 1], widths[layer], plateaus.parameters[layer]
        start, under = plateaus.starts[layer], plateaus.starts[layer - 1]
        number = first_plateau(plateaus, dead, layer)
        for i in range(rows):
            value = theta[first + rows * below + i]
            if layer > dead + 1:
                for j in range(below):
                    value += theta[first + i * below + j] * work.levels[under + j]
            work.values[number + i] = value
            work.levels[start + i] = value if value > 0.0 and not plateaus.held[number + i] else 0.0


@cold_leaf
def normal(widths, theta, plateaus, work, dead, layer, neuron, result):
    """Write grad z of a plateau into `result`, (P,); `set_levels` must have been called for its layer."""
    for p in range(result.shape[0]):
        result[p] = 0.0
    for i in range(widths[layer]):
        work.deltas[plateaus.starts[layer] + i] = 1.0 if i == neuron else 0.0
    while layer > dead:
        below, rows, first = widths[layer - 1], widths[layer], plateaus.parameters[layer]
        start, under = plateaus.starts[layer], plateaus.starts[layer - 1]
        for j in range(below):
            work.deltas[under + j] = 0.0
        for i in range(rows):
            delta = work.deltas[start + i]
            if delta == 0.0:
                continue
            result[first + rows * below + i] = delta
            if layer == dead + 1:
                continue
            for j in range(below):
                level = work.levels[under + j]
                result[first + i * below + j] = delta * level
                if level > 0.0:
                    work.deltas[under + j] += delta * theta[first + i * below + j]
        layer -= 1


@cold_leaf_sum
def _dot(first, second):
    total = 0.0
    for p in range(first.shape[0]):
        total += first[p] * second[p]
    return total


@cold_leaf
def _orthonormalize(basis, triangle, count):
    """Make row `count` of the basis orthogonal to those before, of norm 1, or 0 if nothing is left of it."""
    row = basis[count]
    size = np.sqrt(_dot(row, row))
    for j in range(count):
        share = _dot(basis[j], row)
        triangle[j, count] = share
        for p in range(row.shape[0]):
            row[p] -= share * basis[j, p]
    length = np.sqrt(_dot(row, row))
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
        for number in range(plateaus.offsets[dead], plateaus.offsets[dead + 1]):
            any_held |= plateaus.held[number]
        if not any_held:
            continue
        set_levels(widths, theta, plateaus, work, dead)
        for layer in range(dead + 1, hidden + 1):
            first = first_plateau(plateaus, dead, layer)
            for i in range(widths[layer]):
                if plateaus.held[first + i]:
                    normal(widths, theta, plateaus, work, dead, layer, i, work.basis[count])
                    if normalize:
                        tangent(widths, theta, work.basis[count])
                    _orthonormalize(work.basis, work.triangle, count)
                    work.numbers[count], work.layers[count] = first + i, layer
                    count += 1
    return count


@cold_leaf
def remove_normals(vector, work, count):
    """Remove from a vector, (P,), its components along the normals, in place, and remember them."""
    for j in range(count):
        share = _dot(work.basis[j], vector)
        work.along[j] = share
        for p in range(vector.shape[0]):
            vector[p] -= share * work.basis[j, p]


@cold_leaf
def set_multipliers(work, count):
    """Turn the components that were removed into multiples of the normals themselves, in place."""
    for j in range(count - 1, -1, -1):
        total = work.along[j]
        for k in range(j + 1, count):
            total -= work.triangle[j, k] * work.along[k]
        work.along[j] = total / work.triangle[j, j]
