"""One hidden layer on a box in R^4 or R^5: exact on cubes, with Gauss-Legendre nodes in the other inputs.

With the other inputs y fixed, the network is one on a box in R^3, with the biases b + w.y: there the
gradient is exact (`cube`). As the kinks are integrated over three inputs, it is smooth in y: few nodes will
do.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf
from gfcompare.kernels.cube import CubeData, CubeWork, cube_gradient_into, cube_work


class SlicesData(NamedTuple):
    """S slices of a box in R^d, and a target on them: see `cube.CubeData`; K outputs."""

    weights: np.ndarray  # (S,), with the sum 1
    nodes: np.ndarray  # (S, d - 3): the inputs that are fixed on each
    order: np.ndarray  # (d,) int64: inputs from 0, first the three that are integrated exactly
    frame: np.ndarray  # (9,)
    affine: np.ndarray  # (S, K, 4)
    teacher: np.ndarray  # (S, 4, M): rows of zeros for neurons that do not cross a slice
    outgoing: np.ndarray  # (S, K, M)
    cubic: np.ndarray  # (S, 2 K, 20)
    faces: np.ndarray  # (S, 6, 2 K, 10)
    triangle: np.ndarray  # (3, n)
    degree: int


class SlicesWork(NamedTuple):
    """Scratch memory for H hidden neurons and K outputs."""

    cube: CubeWork
    theta: np.ndarray  # (4 H + K H + K,): parameters on a slice
    gradient: np.ndarray  # the same


@leaf
def slice_of(data, s):
    """Return the data of a slice."""
    return CubeData(
        data.frame,
        data.affine[s],
        data.teacher[s],
        data.outgoing[s],
        data.cubic[s],
        data.faces[s],
        data.triangle,
        data.degree,
    )


@allocator
def slices_work(data, hidden):
    """Return the scratch memory for H hidden neurons."""
    parameters = 4 * hidden + data.affine.shape[1] * (hidden + 1)
    # Not by `slice_of`: what a leaf returns is not counted as a reference, and would be freed here.
    first = CubeData(
        data.frame,
        data.affine[0],
        data.teacher[0],
        data.outgoing[0],
        data.cubic[0],
        data.faces[0],
        data.triangle,
        data.degree,
    )
    return SlicesWork(cube_work(first, hidden), np.empty(parameters), np.empty(parameters))


@leaf
def parameters_on(data, s, hidden, theta, result):
    """Write the parameters of the network on a slice."""
    order, nodes = data.order, data.nodes[s]
    d = order.shape[0]
    for i in range(hidden):
        for j in range(3):
            result[3 * i + j] = theta[d * i + order[j]]
        bias = theta[d * hidden + i]
        for r in range(nodes.shape[0]):
            bias += theta[d * i + order[3 + r]] * nodes[r]
        result[3 * hidden + i] = bias
    for p in range(4 * hidden, result.shape[0]):
        result[p] = theta[p + (d - 3) * hidden]


@leaf
def _add(data, s, hidden, own, gradient):
    """Add the gradient on a slice, by its parameters, times its weight."""
    order, nodes, weight = data.order, data.nodes[s], data.weights[s]
    d = order.shape[0]
    for i in range(hidden):
        for j in range(3):
            gradient[d * i + order[j]] += weight * own[3 * i + j]
        bias = weight * own[3 * hidden + i]
        gradient[d * hidden + i] += bias
        for r in range(nodes.shape[0]):
            gradient[d * i + order[3 + r]] += bias * nodes[r]
    for p in range(4 * hidden, own.shape[0]):
        gradient[p + (d - 3) * hidden] += weight * own[p]


@cold_leaf
def slices_gradient_into(data, theta, gradient, work):
    """Write the generalised gradient at `theta`, shape (P,), into `gradient`."""
    outputs = data.affine.shape[1]
    hidden = (theta.shape[0] - outputs) // (data.order.shape[0] + 1 + outputs)
    for p in range(theta.shape[0]):
        gradient[p] = 0.0
    for s in range(data.weights.shape[0]):
        parameters_on(data, s, hidden, theta, work.theta)
        cube_gradient_into(slice_of(data, s), work.theta, work.gradient, work.cube)
        _add(data, s, hidden, work.gradient, gradient)


@entry
def gradients(data, thetas, results):
    """Write the generalised gradient at each row of `thetas`, (M, P), into `results`, (M, P)."""
    outputs = data.affine.shape[1]
    work = slices_work(data, (thetas.shape[1] - outputs) // (data.order.shape[0] + 1 + outputs))
    for m in range(thetas.shape[0]):
        slices_gradient_into(data, thetas[m], results[m], work)


@entry
def on_slice(data, s, hidden, thetas, results):
    """Write the parameters of the networks on a slice, for each row of `thetas`, into `results`."""
    for m in range(thetas.shape[0]):
        parameters_on(data, s, hidden, thetas[m], results[m])
