"""Networks of any depth on finitely many points: risk and gradient by back-propagation.

The points go through the network in blocks, so that every inner loop runs over the points of a block,
whatever the widths. The flat parameters hold each layer's weights row by row, then its biases.
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, cold_leaf, entry, leaf, leaf_sum
from gfcompare.kernels.deep_line import finite

BLOCK = 128


class PointsWork(NamedTuple):
    """Scratch memory for a block of points; inputs and neurons of all layers one after the other."""

    starts: np.ndarray  # (L + 2,) int64: first row of the inputs (layer 0) and of each layer 1, ..., L
    parameters: np.ndarray  # (L + 1,) int64: first parameter of each layer
    values: np.ndarray  # (rows, BLOCK): inputs, then activations; the output layer holds the network
    slopes: np.ndarray  # (rows, BLOCK): derivative of each activation
    deltas: np.ndarray  # (rows, BLOCK): derivative of the risk by each pre-activation


@allocator
def points_work(widths):
    """Return the scratch memory for a network."""
    count = widths.shape[0]
    starts = np.zeros(count + 1, np.int64)
    parameters = np.zeros(count, np.int64)
    for layer in range(count):
        starts[layer + 1] = starts[layer] + widths[layer]
    for layer in range(1, count - 1):
        parameters[layer + 1] = parameters[layer] + widths[layer] * (widths[layer - 1] + 1)
    rows = starts[count]
    return PointsWork(
        starts, parameters, np.empty((rows, BLOCK)), np.empty((rows, BLOCK)), np.empty((rows, BLOCK))
    )


@leaf
def _add_multiple(target, factor, source):
    for n in range(target.shape[0]):
        target[n] += factor * source[n]


@leaf_sum
def _dot(first, second):
    total = 0.0
    for n in range(first.shape[0]):
        total += first[n] * second[n]
    return total


@leaf_sum
def _sum(values):
    total = 0.0
    for n in range(values.shape[0]):
        total += values[n]
    return total


@leaf
def _activate(z, slope, size):
    for n in range(size):
        on = z[n] > 0.0
        slope[n] = 1.0 if on else 0.0
        z[n] = z[n] if on else 0.0


@cold_leaf
def _forward(widths, theta, work, first, size, slopes, fixed, trace):
    """Compute the values of every layer on a block of points, `first` being the number of its first."""
    depth = widths.shape[0] - 1
    for layer in range(1, depth + 1):
        below, rows = widths[layer - 1], widths[layer]
        source, target, parameter = work.starts[layer - 1], work.starts[layer], work.parameters[layer]
        for j in range(rows):
            z = work.values[target + j, :size]
            bias = theta[parameter + rows * below + j]
            for n in range(size):
                z[n] = bias
            for i in range(below):
                weight = theta[parameter + j * below + i]
                _add_multiple(z, weight, work.values[source + i, :size])
            if layer == depth:
                continue
            neuron = target + j - widths[0]
            if trace.shape[0] > 0:
                for n in range(size):
                    trace[neuron, first + n] = z[n]
            slope = work.slopes[target + j, :size]
            if fixed:
                for n in range(size):
                    slope[n] = slopes[neuron, first + n]
                    z[n] *= slope[n]
            else:
                _activate(z, slope, size)


@cold_leaf
def _residuals(widths, work, y, weights, first, size):
    """Turn the network's values into derivatives of the risk; return the risk of the block."""
    depth = widths.shape[0] - 1
    target = work.starts[depth]
    risk = 0.0
    for k in range(widths[depth]):
        for n in range(size):
            r = work.values[target + k, n] - y[first + n, k]
            mass = weights[first + n]
            risk += mass * r * r
            work.deltas[target + k, n] = 2.0 * mass * r
    return risk


@cold_leaf
def _backward(widths, theta, gradient, work, size):
    """Add the gradient of a block of points."""
    depth = widths.shape[0] - 1
    for layer in range(depth, 0, -1):
        below, rows = widths[layer - 1], widths[layer]
        source, target, parameter = work.starts[layer - 1], work.starts[layer], work.parameters[layer]
        for j in range(rows):
            delta = work.deltas[target + j, :size]
            gradient[parameter + rows * below + j] += _sum(delta)
            for i in range(below):
                gradient[parameter + j * below + i] += _dot(delta, work.values[source + i, :size])
        if layer == 1:
            return
        for i in range(below):
            back = work.deltas[source + i, :size]
            for n in range(size):
                back[n] = 0.0
            for j in range(rows):
                weight = theta[parameter + j * below + i]
                _add_multiple(back, weight, work.deltas[target + j, :size])
            slope = work.slopes[source + i, :size]
            for n in range(size):
                back[n] *= slope[n]


@entry
def evaluate(widths, thetas, x, y, weights, slopes, trace, risks, gradients):
    """Write risks and gradients of M networks on N points.

    Parameters
    ----------
    widths : (L + 1,) int64
    thetas : (M, P)
    x, y : (Q, N, d) and (Q, N, K): inputs and targets, with Q = M or, for the same points, Q = 1
    weights : (N,), mass of each point
    slopes : (S, N), derivative of each neuron's activation at each point, for all M networks, in place
        of 1 where the pre-activation is positive and 0 elsewhere; (0, 0) for those
    trace : (S, N), receives the pre-activations of the last network; (0, 0) if they are not wanted
    risks : (M,)
    gradients : (M, P), or (0, P) if they are not wanted
    """
    work = points_work(widths)
    wanted = gradients.shape[0] > 0
    for m in range(thetas.shape[0]):
        theta = thetas[m]
        own = m if x.shape[0] > 1 else 0
        numbers = finite(theta)
        if wanted:
            for p in range(theta.shape[0]):
                gradients[m, p] = 0.0 if numbers else np.nan
        risks[m] = 0.0 if numbers else np.nan
        if not numbers and trace.shape[0] == 0:
            continue
        for first in range(0, x.shape[1], BLOCK):
            size = min(BLOCK, x.shape[1] - first)
            for i in range(widths[0]):
                for n in range(size):
                    work.values[i, n] = x[own, first + n, i]
            _forward(widths, theta, work, first, size, slopes, slopes.shape[0] > 0, trace)
            risks[m] += _residuals(widths, work, y[own], weights, first, size)
            if wanted:
                _backward(widths, theta, gradients[m], work, size)
