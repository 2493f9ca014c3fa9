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
    return PointsWork(starts, parameters, np.empty((rows, BLOCK)), np.empty((rows, BLOCK)))


@leaf
def _add_four(target, f0, s0, f1, s1, f2, s2, f3, s3):
    for n in range(target.shape[0]):
        target[n] += (f0 * s0[n] + f1 * s1[n]) + (f2 * s2[n] + f3 * s3[n])


@leaf
def _combine(target, constant, factors, start, stride, sources, first, count, size):
    """Write constant + sum over i < count of factors[start + i stride] sources[first + i] into `target`.

    Four sources at a time: with one, loading and storing the target would cost more than the arithmetic.
    """
    if count == 2:
        f0, f1 = factors[start], factors[start + stride]
        s0, s1 = sources[first, :size], sources[first + 1, :size]
        for n in range(size):
            target[n] = constant + f0 * s0[n] + f1 * s1[n]
        return
    done = 1
    f, s = factors[start], sources[first, :size]
    for n in range(size):
        target[n] = constant + f * s[n]
    while done + 4 <= count:
        at, row = start + done * stride, first + done
        _add_four(
            target,
            factors[at],
            sources[row, :size],
            factors[at + stride],
            sources[row + 1, :size],
            factors[at + 2 * stride],
            sources[row + 2, :size],
            factors[at + 3 * stride],
            sources[row + 3, :size],
        )
        done += 4
    while done < count:
        f, s = factors[start + done * stride], sources[first + done, :size]
        for n in range(size):
            target[n] += f * s[n]
        done += 1


@leaf_sum
def _sum(values):
    total = 0.0
    for n in range(values.shape[0]):
        total += values[n]
    return total


@leaf_sum
def _dot(first, second):
    total = 0.0
    for n in range(first.shape[0]):
        total += first[n] * second[n]
    return total


@leaf_sum
def _four_dots(common, s0, s1, s2, s3):
    d0 = 0.0
    d1 = 0.0
    d2 = 0.0
    d3 = 0.0
    for n in range(common.shape[0]):
        c = common[n]
        d0 += c * s0[n]
        d1 += c * s1[n]
        d2 += c * s2[n]
        d3 += c * s3[n]
    return d0, d1, d2, d3


@leaf
def _add_dots(results, start, stride, common, sources, first, count, size):
    """Add the inner product of `common` with sources[first + i] to results[start + i stride], i < count."""
    done = 0
    while done + 4 <= count:
        at, row = start + done * stride, first + done
        d0, d1, d2, d3 = _four_dots(
            common,
            sources[row, :size],
            sources[row + 1, :size],
            sources[row + 2, :size],
            sources[row + 3, :size],
        )
        results[at] += d0
        results[at + stride] += d1
        results[at + 2 * stride] += d2
        results[at + 3 * stride] += d3
        done += 4
    while done < count:
        results[start + done * stride] += _dot(common, sources[first + done, :size])
        done += 1


@cold_leaf
def _forward(widths, theta, work, first, size, derivatives, fixed, trace):
    """Compute the values of every layer on a block of points, `first` being the number of its first."""
    depth = widths.shape[0] - 1
    for layer in range(1, depth + 1):
        below, rows = widths[layer - 1], widths[layer]
        source, target, parameter = work.starts[layer - 1], work.starts[layer], work.parameters[layer]
        for j in range(rows):
            z = work.values[target + j, :size]
            bias, weights = theta[parameter + rows * below + j], parameter + j * below
            _combine(z, bias, theta, weights, 1, work.values, source, below, size)
            if layer == depth:
                continue
            neuron = target + j - widths[0]
            if trace.shape[0] > 0:
                for n in range(size):
                    trace[neuron, first + n] = z[n]
            if fixed:
                for n in range(size):
                    z[n] *= derivatives[neuron, first + n]
            else:
                for n in range(size):
                    z[n] = z[n] if z[n] > 0.0 else 0.0


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
def _backward(widths, theta, gradient, work, first, size, derivatives, fixed):
    """Add the gradient of a block of points, `first` being the number of its first."""
    depth = widths.shape[0] - 1
    for layer in range(depth, 0, -1):
        below, rows = widths[layer - 1], widths[layer]
        source, target, parameter = work.starts[layer - 1], work.starts[layer], work.parameters[layer]
        for j in range(rows):
            gradient[parameter + rows * below + j] += _sum(work.deltas[target + j, :size])
        if rows >= 4:
            for i in range(below):
                value = work.values[source + i, :size]
                _add_dots(gradient, parameter + i, below, value, work.deltas, target, rows, size)
        else:
            for j in range(rows):
                delta = work.deltas[target + j, :size]
                _add_dots(gradient, parameter + j * below, 1, delta, work.values, source, below, size)
        if layer == 1:
            return
        for i in range(below):
            back = work.deltas[source + i, :size]
            _combine(back, 0.0, theta, parameter + i, below, work.deltas, target, rows, size)
            if fixed:
                neuron = source + i - widths[0]
                for n in range(size):
                    back[n] *= derivatives[neuron, first + n]
            else:
                value = work.values[source + i, :size]
                for n in range(size):
                    back[n] = back[n] if value[n] > 0.0 else 0.0


@cold_leaf
def add_gradient(widths, theta, gradient, work, x, y, weights, derivatives, trace, wanted):
    """Return the risk on N points; if `wanted`, add its gradient.

    Parameters
    ----------
    widths, weights, derivatives, trace : as in `evaluate`
    theta, gradient : (P,)
    work : scratch memory
    x, y : (N, d) and (N, K)
    """
    fixed = derivatives.shape[0] > 0
    risk = 0.0
    for first in range(0, x.shape[0], BLOCK):
        size = min(BLOCK, x.shape[0] - first)
        for i in range(widths[0]):
            for n in range(size):
                work.values[i, n] = x[first + n, i]
        _forward(widths, theta, work, first, size, derivatives, fixed, trace)
        risk += _residuals(widths, work, y, weights, first, size)
        if wanted:
            _backward(widths, theta, gradient, work, first, size, derivatives, fixed)
    return risk


@entry
def evaluate(widths, thetas, x, y, weights, derivatives, trace, risks, gradients):
    """Write risks and gradients of M networks on N points.

    Parameters
    ----------
    widths : (L + 1,) int64
    thetas : (M, P)
    x, y : (Q, N, d) and (Q, N, K): inputs and targets, with Q = M or, for the same points, Q = 1
    weights : (N,), mass of each point
    derivatives : (S, N), derivative of each neuron's activation at each point, for all M networks, in place
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
        gradient = gradients[m] if wanted else theta  # not touched
        risks[m] += add_gradient(
            widths, theta, gradient, work, x[own], y[own], weights, derivatives, trace, wanted
        )
