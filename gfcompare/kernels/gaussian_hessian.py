"""The Hessian of the risk of one hidden layer under a normal input measure, in closed form.

Rows of hidden neurons are differentiated in terms of xi (see `gaussian_gradient`), with x~ = (xi, 1). Twice
v_i.v_j E[1_i 1_j x~ x~^T] is the Gauss-Newton part of a pair. On the diagonal the kink of neuron i adds twice
E[v_i.r x~ x~^T delta(u_i.xi + a_i)], an integral over its hyperplane, where other neurons are neurons again:
of norm |v| sigma, along v / |v| - rho u / |u|, with alpha z_1.
"""

import math
from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import bare_entry, cold_leaf, cold_leaf_sum, merged
from gfcompare.kernels.gaussian import (
    ALPHA,
    CORRELATION,
    DEFECT,
    DENSITY,
    MEAN,
    NORM,
    PHI,
    SIGMA,
    Z_BACK,
    P,
    Q,
    Z,
    correlate,
    dot,
    mean_of,
    pairs_with_biases,
    product_mean,
)
from gfcompare.kernels.gaussian_gradient import (
    GaussianData,
    add_expansion,
    gaussian_gradient_into,
    hermite_values,
)

_HALF_PI_INVERSE = 1.0 / (2.0 * np.pi)
_ROOT_HALF = math.sqrt(0.5)


@cold_leaf_sum
def _add_outer(block, weight, first, second):
    """Add weight times first second^T."""
    for a in range(first.shape[0]):
        share, row = weight * first[a], block[a]
        for b in range(second.shape[0]):
            row[b] += share * second[b]


@cold_leaf
def _both(scalars, i, k, pairs):
    """Return sigma phi(alpha) phi(z_1) of a pair."""
    z, alpha = pairs[Z, k], scalars[ALPHA, i]
    return _HALF_PI_INVERSE * pairs[SIGMA, k] * math.exp(-0.5 * (alpha * alpha + z * z))


@cold_leaf
def _difference(directions, i, k, sign, result):
    """Write the direction of i minus sign times that of k."""
    for j in range(result.shape[0]):
        result[j] = directions[i, j] - sign * directions[k, j]


@cold_leaf
def _gauss_newton(work, i, k, block, vector):
    """Write E[1_i 1_k x~ x~^T], (r + 1, r + 1); the pair has been evaluated."""
    scalars, pairs, rank = work.scalars, work.pairs, work.directions.shape[1]
    u, v = work.directions[i], work.directions[k]
    active = scalars[DENSITY, i] * 0.5 * math.erfc(-_ROOT_HALF * pairs[Z, k])
    active_back = scalars[DENSITY, k] * 0.5 * math.erfc(-_ROOT_HALF * pairs[Z_BACK, k])
    both, defect = _both(scalars, i, k, pairs), pairs[DEFECT, k]
    sign = 1.0 if pairs[CORRELATION, k] > 0.0 else -1.0
    for j in range(rank):
        for b in range(rank):
            block[j, b] = 0.0
        block[j, j] = pairs[P, k]
    # With psi = phi(alpha) phi(z_1) / sigma: psi (u v^T + v u^T - rho (u u^T + v v^T)), where u is near +-v.
    share = sign * both / (2.0 - defect)
    _add_outer(block, share - scalars[ALPHA, i] * active, u, u)
    _add_outer(block, share - scalars[ALPHA, k] * active_back, v, v)
    if defect > 0.0:
        difference = vector[:rank]
        _difference(work.directions, i, k, sign, difference)
        _add_outer(block, -share / defect, difference, difference)
    for j in range(rank):
        block[j, rank] = block[rank, j] = active * u[j] + active_back * v[j]
    block[rank, rank] = pairs[P, k]


@cold_leaf
def _add_kink(data, work, i, height, block, vectors):
    """Add E[v_i.r x~ x~^T delta(u_i.xi + a_i)] to `block`; the pairs of neuron i have been evaluated.

    `height` is the residual on the hyperplane, v_i.r, times the density there and |u_i|.
    """
    scalars, pairs, rank = work.scalars, work.pairs, work.directions.shape[1]
    norm, density, alpha = scalars[NORM, i], scalars[DENSITY, i], scalars[ALPHA, i]
    if density == 0.0:
        return
    u = work.directions[i]
    slope, difference = vectors[0, :rank], vectors[1, :rank]
    for j in range(rank):
        slope[j] = 0.0
    for k in range(work.directions.shape[0]):
        if k == i:
            continue
        weight = 0.0
        for m in range(work.columns.shape[0]):
            weight += work.columns[m, i] * work.columns[m, k]
        weight *= scalars[NORM, k]
        defect = pairs[DEFECT, k]
        if weight == 0.0 or defect == 0.0:
            continue
        sign = 1.0 if pairs[CORRELATION, k] > 0.0 else -1.0
        _difference(work.directions, i, k, sign, difference)
        for j in range(rank):  # the part of v / |v| across u is -sign times that
            difference[j] -= defect * u[j]
        active = density * 0.5 * math.erfc(-_ROOT_HALF * pairs[Z, k])
        for j in range(rank):
            slope[j] -= sign * weight * active * difference[j]
        share = weight * _both(scalars, i, k, pairs) / (defect * (2.0 - defect))
        _add_outer(block, share / norm, difference, difference)
    _add_slopes(data, work, i, block, slope, vectors[1:])
    for j in range(rank):
        block[j, j] += height / norm
        block[j, rank] += (slope[j] - alpha * height * u[j]) / norm
        block[rank, j] += (slope[j] - alpha * height * u[j]) / norm
    block[rank, rank] += height / norm
    _add_outer(block, (alpha * alpha - 1.0) * height / norm, u, u)
    _add_outer(block, -alpha / norm, u, slope)
    _add_outer(block, -alpha / norm, slope, u)


@cold_leaf
def _across(direction, vector, result):
    """Write the part of a vector that is orthogonal to a direction."""
    along = dot(direction, vector)
    for j in range(result.shape[0]):
        result[j] = vector[j] - along * direction[j]


@cold_leaf
def _factor_row(factor, j, result):
    """Write row j of A."""
    if factor.shape[0] > 1 or result.shape[0] == 1:
        for k in range(result.shape[0]):
            result[k] = factor[j, k]
        return
    for k in range(result.shape[0]):
        result[k] = 0.0
    result[j] = factor[0, j]


@cold_leaf
def _add_slopes(data, work, i, block, slope, vectors):
    """Add derivatives of the target across the hyperplane of neuron i: first ones, and second ones."""
    scalars, values, rank = work.scalars, work.hermite, work.directions.shape[1]
    norm, density, u = scalars[NORM, i], scalars[DENSITY, i], work.directions[i]
    part, other = vectors[0, :rank], vectors[1, :rank]
    hermite_values(scalars[ALPHA, i], values)
    for m in range(work.columns.shape[0]):
        _across(u, data.linear[m], part)
        for j in range(rank):
            slope[j] += density * work.columns[m, i] * part[j]
    for ridge in range(data.ridges.shape[0]):
        along = dot(data.ridges[ridge], u)
        _across(u, data.ridges[ridge], part)
        first, second = 0.0, 0.0
        for m in range(work.columns.shape[0]):
            power, weight = 1.0, density * work.columns[m, i]
            for n in range(2, values.shape[0]):
                coefficient = weight * n * data.profiles[ridge, m, n]
                second += coefficient * (n - 1) * power * values[n - 2]
                power *= along
                first += coefficient * power * values[n - 1]
        for j in range(rank):
            slope[j] += first * part[j]
        _add_outer(block, second / norm, part, part)
    for t in range(data.products.shape[0]):
        total = 0.0
        for m in range(work.columns.shape[0]):
            total += density * work.columns[m, i] * data.weights[t, m]
        count = 3 if data.products[t, 2] >= 0 else 2
        for a in range(count):
            _factor_row(data.factor, data.products[t, a], vectors[2, :rank])
            _across(u, vectors[2, :rank], part)
            rest = total * values[count - 1]
            for b in range(count):
                if b != a:
                    _factor_row(data.factor, data.products[t, b], vectors[2, :rank])
                    rest *= dot(u, vectors[2, :rank])
            for j in range(rank):
                slope[j] += rest * part[j]
            for b in range(count):
                if b == a:
                    continue
                _factor_row(data.factor, data.products[t, b], vectors[2, :rank])
                _across(u, vectors[2, :rank], other)
                rest = total * values[count - 2]
                if count == 3:
                    _factor_row(data.factor, data.products[t, 3 - a - b], vectors[2, :rank])
                    rest *= dot(u, vectors[2, :rank])
                _add_outer(block, rest / norm, part, other)


@cold_leaf
def _write_block(data, hidden, i, k, weight, block, half, result):
    """Write weight times a block for rows (u, a) of neurons i and k, in terms of xi, as one for (w, b)."""
    inputs, rank = data.mean.shape[0], block.shape[0] - 1
    factor, mean = data.factor, data.mean
    bias_i, bias_k = hidden * inputs + i, hidden * inputs + k
    for a in range(inputs):  # x = A xi + mean from the left: (d, r + 1)
        for b in range(rank + 1):
            total = mean[a] * block[rank, b]
            if factor.shape[0] == 1:
                total += factor[0, a] * block[a, b]
            else:
                for c in range(rank):
                    total += factor[a, c] * block[c, b]
            half[a, b] = total
    for a in range(inputs + 1):
        row = half[a] if a < inputs else block[rank]
        place = i * inputs + a if a < inputs else bias_i
        for b in range(inputs):
            if factor.shape[0] == 1:
                total = factor[0, b] * row[b]
            else:
                total = dot(row[:rank], factor[b])
            total = weight * (total + row[rank] * mean[b])
            result[place, k * inputs + b] = result[k * inputs + b, place] = total
        result[place, bias_k] = result[bias_k, place] = weight * row[rank]


@cold_leaf
def _write_row(data, hidden, i, column, weight, row, last, result):
    """Add weight times (row, last), in terms of xi, to a column of the Hessian at the rows (w, b) of i."""
    inputs = data.mean.shape[0]
    for a in range(inputs):
        if data.factor.shape[0] == 1:
            total = data.factor[0, a] * row[a]
        else:
            total = dot(data.factor[a], row)
        result[i * inputs + a, column] += weight * (total + last * data.mean[a])
    result[hidden * inputs + i, column] += weight * last


@cold_leaf
def _output_columns(data, work, i, result):
    """Add derivatives by the row or outgoing weights of neuron i and parameters of the output layer."""
    scalars, pairs, columns = work.scalars, work.pairs, work.columns
    hidden, outputs = work.mix.shape[0], columns.shape[0]
    inputs, rank = data.mean.shape[0], work.directions.shape[1]
    u, vector = work.directions[i], work.vectors[3, :rank]
    first = hidden * (inputs + 1)
    for k in range(hidden):
        for j in range(rank):
            vector[j] = pairs[P, k] * scalars[NORM, k] * work.directions[k, j] + pairs[Q, k] * u[j]
        product = product_mean(scalars, i, k, pairs)
        for m in range(outputs):
            column = first + m * hidden + k
            _write_row(data, hidden, i, column, 2.0 * columns[m, i], vector, pairs[MEAN, k], result)
            result[first + m * hidden + i, column] = 2.0 * product
    for j in range(rank):
        vector[j] = scalars[DENSITY, i] * u[j]
    for m in range(outputs):
        column = first + outputs * hidden + m
        weight = 2.0 * columns[m, i]
        _write_row(data, hidden, i, column, weight, vector, 0.5 + scalars[PHI, i], result)
        result[first + m * hidden + i, column] = 2.0 * mean_of(scalars, i)


@cold_leaf
def _residual_columns(data, work, i, weights, result):
    """Add twice E[r_m 1_i x~], which belongs to the row of neuron i and its own outgoing weights."""
    scalars, pairs, columns = work.scalars, work.pairs, work.columns
    hidden, outputs = work.mix.shape[0], columns.shape[0]
    inputs, rank = data.mean.shape[0], work.directions.shape[1]
    vector = work.vectors[3, :rank]
    for m in range(outputs):
        weights[m] = columns[m, i]
    for m in range(outputs):
        # The target's share is linear in the neuron's outgoing weights: those of one output at a time.
        for n in range(outputs):
            columns[n, i] = 1.0 if n == m else 0.0
        work.sums[0, i] = work.sums[1, i] = 0.0
        for j in range(rank):
            vector[j] = 0.0
        add_expansion(data, work, i, vector)
        along, last = work.sums[0, i], work.sums[1, i]
        for k in range(work.directions.shape[0]):
            weight = weights[m] if k == i else columns[m, k]
            along += weight * pairs[Q, k]
            last += weight * pairs[MEAN, k]
            for j in range(rank):
                vector[j] += weight * pairs[P, k] * scalars[NORM, k] * work.directions[k, j]
        for j in range(rank):
            vector[j] += along * work.directions[i, j]
        column = hidden * (inputs + 1) + m * hidden + i
        _write_row(data, hidden, i, column, 2.0, vector, last, result)
    for m in range(outputs):
        columns[m, i] = weights[m]


@merged
def hessian_into(data, theta, gradient, result, work, block, half, vectors, weights):
    """Write the Hessian at theta, (P,), into `result`, (P, P), symmetric to the bit."""
    hidden, count = work.mix.shape
    outputs, inputs = work.columns.shape[0], data.mean.shape[0]
    gaussian_gradient_into(data, theta, gradient, work, True)
    for m in range(outputs):  # without the neurons, as `add_expansion` needs them
        work.means[1, m] = theta[hidden * (inputs + 1 + outputs) + m] + data.constant[m]
    for a in range(result.shape[0]):
        for b in range(result.shape[0]):
            result[a, b] = 0.0
    for i in range(hidden):
        correlate(work.directions, i, 0, count, work.pairs)
        pairs_with_biases(data.normal, work.scalars, work.owen, i, 0, count, work.pairs)
        height = work.sums[0, i]
        for k in range(i, hidden):
            weight = 0.0
            for m in range(outputs):
                weight += work.columns[m, i] * work.columns[m, k]
            _gauss_newton(work, i, k, block, vectors[0])
            if k == i:
                for a in range(block.shape[0]):
                    for b in range(block.shape[0]):
                        block[a, b] *= weight
                weight = 1.0
                _add_kink(data, work, i, height, block, vectors)
            _write_block(data, hidden, i, k, 2.0 * weight, block, half, result)
        _output_columns(data, work, i, result)
        _residual_columns(data, work, i, weights, result)
    parameters = result.shape[0]
    for m in range(outputs):
        result[parameters - 1 - m, parameters - 1 - m] = 2.0
    for a in range(parameters):
        for b in range(a):
            result[a, b] = result[b, a]


class HessianWork(NamedTuple):
    """Scratch memory for a Hessian: d inputs, rank r, K outputs, P parameters."""

    gradient: np.ndarray  # (P,)
    block: np.ndarray  # (r + 1, r + 1)
    half: np.ndarray  # (d, r + 1)
    vectors: np.ndarray  # (4, r)
    weights: np.ndarray  # (K,)


def hessian_work(data: GaussianData, parameters: int) -> HessianWork:
    """Return the scratch memory, made in Python."""
    inputs, (outputs, rank) = len(data.mean), data.linear.shape
    return HessianWork(
        np.zeros(parameters),
        np.zeros((rank + 1, rank + 1)),
        np.zeros((inputs, rank + 1)),
        np.zeros((4, rank)),
        np.zeros(outputs),
    )


@bare_entry
def hessians(data, thetas, results, work, own):
    """Write the Hessian at each theta, (M, P), into `results`, (M, P, P); `own` is a `HessianWork`."""
    for m in range(thetas.shape[0]):
        hessian_into(
            data, thetas[m], own.gradient, results[m], work, own.block, own.half, own.vectors, own.weights
        )
