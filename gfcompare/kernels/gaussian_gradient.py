"""One hidden layer under a normal input measure: the gradient in closed form.

x = m + A xi with xi standard normal. In terms of xi a hidden row (w, b) is (A^T w, b + w.m), and everything
happens there: pairs of neurons as in `gaussian`, the teacher's neurons among them with outgoing weights of
the opposite sign, so that the residual is one network; and the rest of the target by its Hermite expansion
f = sum of f_n, where f_n belongs to a symmetric tensor T_n and its mean given u.xi / |u| = y is h_n He_n(y),
h_n = T_n(u, ..., u) / |u|^n. With alpha = a / |u| and y_n = He_n(-alpha) phi(alpha), for n >= 2,

    E[1_u f_n] = h_n y_(n - 1),  E[s_u f_n] = |u| h_n y_(n - 2),
    E[1_u xi f_n] = (u / |u|) h_n y_n + (gradient of h_n by u / |u|) y_(n - 2).
"""

from typing import NamedTuple

import numpy as np

from gfcompare.kernels.compiled import allocator, bare_entry, cold_leaf, leaf, merged
from gfcompare.kernels.gaussian import (
    ALPHA,
    BIAS,
    CELLS,
    DENSITY,
    MEAN,
    MEAN_BACK,
    NORM,
    PAIRS,
    PHI,
    Q_BACK,
    SCALARS,
    TERMS,
    P,
    Q,
    correlate,
    dot,
    mean_of,
    pairs_with_biases,
    pairs_without_biases,
    product_mean,
    set_neuron,
    set_owen,
    square_mean,
)

#: The largest degree of a ridge function.
HIGHEST_DEGREE = 8


class GaussianData(NamedTuple):
    """The measure, and minus the target; d inputs, rank r of the covariance, K outputs.

    Columns of the last three groups are outputs. Everything but `mean` and `factor` is in terms of xi.
    """

    table: np.ndarray  # S and Phi, see `gaussian.Tables`
    normal: np.ndarray
    mean: np.ndarray  # (d,)
    factor: np.ndarray  # (d, r): A, or (1, d): its diagonal
    directions: np.ndarray  # (M, r): the teacher's neurons, see `gaussian`
    scalars: np.ndarray  # (SCALARS, M)
    owen: np.ndarray  # (M, CELLS * TERMS)
    columns: np.ndarray  # (K, M): minus its outgoing weights
    constant: np.ndarray  # (K,)
    linear: np.ndarray  # (K, r)
    ridges: np.ndarray  # (R, r): unit vectors
    profiles: np.ndarray  # (R, K, 9): coefficients of He_2, ..., He_8 at their places
    products: np.ndarray  # (T, 3) int64: factors of a Wick product of components of A xi; -1 for none
    weights: np.ndarray  # (T, K)
    square: np.ndarray  # (1,): E|f|^2


class GaussianWork(NamedTuple):
    """Scratch memory: N = H + M neurons, the student's first."""

    directions: np.ndarray  # (N, r)
    scalars: np.ndarray  # (SCALARS, N)
    owen: np.ndarray  # (N, CELLS * TERMS)
    columns: np.ndarray  # (K, N)
    pairs: np.ndarray  # (PAIRS + 1, N), last the products of outgoing weights
    mix: np.ndarray  # (H, N): weights of directions in the gradient of a row
    sums: np.ndarray  # (2, H): weight of a row's own direction, derivative by its bias
    products: np.ndarray  # (2, K, H): E[s_i N_k], E[s_i (N_k - f_k)]
    means: np.ndarray  # (2, K): E[N_k], E[N_k - f_k]
    vectors: np.ndarray  # (4, max(d, r))
    hermite: np.ndarray  # (9,)


def gaussian_work(data: GaussianData, hidden: int, outputs: int) -> GaussianWork:
    """Return the scratch memory for H neurons, with the teacher's in their places, made in Python."""
    work: GaussianWork = _empty_work(data, hidden, outputs)
    work.directions[hidden:], work.scalars[:, hidden:] = data.directions, data.scalars
    work.owen[hidden:], work.columns[:, hidden:] = data.owen, data.columns
    return work


def _empty_work(data, hidden, outputs):
    teacher, rank = data.directions.shape
    count = hidden + teacher
    return GaussianWork(
        np.zeros((count, rank)),
        np.zeros((SCALARS, count)),
        np.zeros((count, CELLS * TERMS)),
        np.zeros((outputs, count)),
        np.zeros((PAIRS + 1, count)),
        np.zeros((hidden, count)),
        np.zeros((2, hidden)),
        np.zeros((2, outputs, hidden)),
        np.zeros((2, outputs)),
        np.zeros((4, max(data.mean.shape[0], rank))),
        np.zeros(HIGHEST_DEGREE + 1),
    )


_allocated_work = allocator(_empty_work)


@allocator
def allocated_gaussian_work(data, hidden, outputs):
    """As `gaussian_work`, in compiled code."""
    work = _allocated_work(data, hidden, outputs)
    for i in range(data.directions.shape[0]):
        # Loops: for slices Numba would compile what it says of shapes that differ.
        for j in range(data.directions.shape[1]):
            work.directions[hidden + i, j] = data.directions[i, j]
        for j in range(SCALARS):
            work.scalars[j, hidden + i] = data.scalars[j, i]
        for j in range(CELLS * TERMS):
            work.owen[hidden + i, j] = data.owen[i, j]
        for j in range(outputs):
            work.columns[j, hidden + i] = data.columns[j, i]
    return work


@bare_entry
def set_neurons(table, directions, scalars, owen):
    """Set N neurons from vectors (N, r), and biases in a row of `scalars`; see `gaussian.set_neuron`."""
    for i in range(directions.shape[0]):
        set_neuron(directions, scalars, i)
        set_owen(table, scalars, owen, i)


@cold_leaf
def whiten(factor, row, result):
    """Write A^T row."""
    if factor.shape[0] == 1:
        for j in range(result.shape[0]):
            result[j] = factor[0, j] * row[j]
        return
    for j in range(result.shape[0]):
        result[j] = 0.0
    for j in range(row.shape[0]):
        weight, line = row[j], factor[j]
        for k in range(result.shape[0]):
            result[k] += weight * line[k]


@cold_leaf
def unwhiten(factor, vector, result):
    """Write A vector."""
    if factor.shape[0] == 1:
        for j in range(vector.shape[0]):
            result[j] = factor[0, j] * vector[j]
        return
    for j in range(result.shape[0]):
        result[j] = dot(factor[j], vector)


@cold_leaf
def set_student(data, theta, work, exact):
    """Set the student's neurons from theta; return whether any neuron has a bias.

    If none has, S is left out unless `exact`, for pairs that take no notice.
    """
    inputs, outputs = data.mean.shape[0], data.constant.shape[0]
    hidden = work.mix.shape[0]
    biased = False
    for i in range(hidden):
        row = theta[i * inputs : (i + 1) * inputs]
        whiten(data.factor, row, work.directions[i])
        work.scalars[BIAS, i] = theta[hidden * inputs + i] + dot(data.mean, row)
        for k in range(outputs):
            work.columns[k, i] = theta[hidden * (inputs + 1 + k) + i]
        set_neuron(work.directions, work.scalars, i)
    for i in range(work.scalars.shape[1]):
        biased = biased or work.scalars[ALPHA, i] != 0.0
    if biased or exact:
        for i in range(hidden):
            set_owen(data.table, work.scalars, work.owen, i)
    return biased


@cold_leaf
def _add_pairs(data, work, biased, i):
    """Add neuron i and its pairs with later ones to the sums."""
    scalars, pairs, mix, sums = work.scalars, work.pairs, work.mix, work.sums
    hidden, count = mix.shape
    correlate(work.directions, i, i + 1, count, pairs)
    if biased:
        pairs_with_biases(data.normal, scalars, work.owen, i, i + 1, count, pairs)
    else:
        pairs_without_biases(scalars, i, i + 1, count, pairs)
    norm = scalars[NORM, i]
    factors, square = pairs[PAIRS], 0.0
    for k in range(i + 1, count):
        factors[k] = 0.0
    for m in range(work.columns.shape[0]):
        column = work.columns[m]
        own = column[i]
        square += own * own
        for k in range(i + 1, count):
            factors[k] += own * column[k]
    own_sum = 0.0
    mean_sum = square * mean_of(scalars, i)
    mix[i, i] = square * (0.5 + scalars[PHI, i]) * norm
    for k in range(i + 1, count):
        mix[i, k] = factors[k] * pairs[P, k] * scalars[NORM, k]
        own_sum += factors[k] * pairs[Q, k]
        mean_sum += factors[k] * pairs[MEAN, k]
    sums[0, i] += own_sum
    sums[1, i] += mean_sum
    for k in range(i + 1, hidden):
        mix[k, i] = factors[k] * pairs[P, k] * norm
        sums[0, k] += factors[k] * pairs[Q_BACK, k]
        sums[1, k] += factors[k] * pairs[MEAN_BACK, k]
    for k in range(i + 1, count):
        factors[k] = product_mean(scalars, i, k, pairs)
    square = square_mean(scalars, i)
    for m in range(work.columns.shape[0]):
        column, own, all_ = work.columns[m], work.products[0, m], work.products[1, m]
        weight, inner, total = column[i], column[i] * square, 0.0
        for k in range(i + 1, hidden):
            inner += column[k] * factors[k]
            own[k] += weight * factors[k]
        for k in range(hidden, count):
            total += column[k] * factors[k]
        own[i] += inner
        all_[i] += total


@leaf
def hermite_values(alpha, values):
    """Write He_0(-alpha), ..., He_8(-alpha)."""
    values[0] = 1.0
    values[1] = -alpha
    for n in range(1, values.shape[0] - 1):
        values[n + 1] = -alpha * values[n] - n * values[n - 1]


@cold_leaf
def add_expansion(data, work, i, vector):
    """Add what the Hermite expansion of the target contributes to neuron i; `vector` receives a part."""
    scalars, values = work.scalars, work.hermite
    direction, columns = work.directions[i], work.columns
    norm, alpha = scalars[NORM, i], scalars[ALPHA, i]
    density, mass = scalars[DENSITY, i], 0.5 + scalars[PHI, i]
    outputs = columns.shape[0]
    hermite_values(alpha, values)
    own, mean = 0.0, 0.0
    for m in range(outputs):
        weight = columns[m, i]
        constant, slope = work.means[1, m], dot(data.linear[m], direction)
        own += weight * density * (constant - alpha * slope)
        mean += weight * (constant * mass + slope * density)
        work.products[1, m, i] += constant * mean_of(scalars, i) + norm * slope * mass
        for j in range(direction.shape[0]):
            vector[j] += weight * mass * data.linear[m, j]
    for ridge in range(data.ridges.shape[0]):
        along, share = dot(data.ridges[ridge], direction), 0.0
        for m in range(outputs):
            power, weight = along, columns[m, i]
            for n in range(2, values.shape[0]):
                coefficient = density * data.profiles[ridge, m, n]
                share += weight * coefficient * n * power * values[n - 2]
                power *= along
                coefficient *= power
                own += weight * coefficient * values[n]
                mean += weight * coefficient * values[n - 1]
                work.products[1, m, i] += norm * coefficient * values[n - 2]
        for j in range(direction.shape[0]):
            vector[j] += share * data.ridges[ridge, j]
    work.sums[0, i] += own
    work.sums[1, i] += mean
    if data.products.shape[0] > 0:
        _add_products(data, work, i, vector)


@cold_leaf
def _add_products(data, work, i, vector):
    """As `add_expansion`, for Wick products of two or three components of A xi."""
    inputs = data.mean.shape[0]
    place, slope, part = (
        work.vectors[0, :inputs],
        work.vectors[1, :inputs],
        work.vectors[2, : vector.shape[0]],
    )
    columns, values, density = work.columns, work.hermite, work.scalars[DENSITY, i]
    unwhiten(data.factor, work.directions[i], place)
    for j in range(inputs):
        slope[j] = 0.0
    own, mean = 0.0, 0.0
    for t in range(data.products.shape[0]):
        first, second, third = data.products[t, 0], data.products[t, 1], data.products[t, 2]
        rest = place[third] if third >= 0 else 1.0
        degree = 3 if third >= 0 else 2
        height = place[first] * place[second] * rest
        total = 0.0
        for m in range(columns.shape[0]):
            weight = density * data.weights[t, m]
            total += columns[m, i] * weight
            work.products[1, m, i] += work.scalars[NORM, i] * weight * height * values[degree - 2]
        own += total * height * values[degree]
        mean += total * height * values[degree - 1]
        total *= values[degree - 2]
        slope[first] += total * place[second] * rest
        slope[second] += total * place[first] * rest
        if third >= 0:
            slope[third] += total * place[first] * place[second]
    work.sums[0, i] += own
    work.sums[1, i] += mean
    whiten(data.factor, slope, part)
    for j in range(vector.shape[0]):
        vector[j] += part[j]


@cold_leaf
def _row_gradient(data, work, i, vector):
    """Write the derivative by the direction of neuron i, twice E[(v_i . r) 1_i xi]."""
    for j in range(vector.shape[0]):
        vector[j] = 0.0
    add_expansion(data, work, i, vector)
    for k in range(work.mix.shape[1]):
        weight, direction = work.mix[i, k], work.directions[k]
        if k == i:
            weight += work.sums[0, i]
        for j in range(vector.shape[0]):
            vector[j] += weight * direction[j]
    for j in range(vector.shape[0]):
        vector[j] *= 2.0


@merged
def gaussian_gradient_into(data, theta, gradient, work, exact):
    """Write the gradient at theta, (P,), and sums that give the risk into `work`; see `set_student`."""
    hidden, count = work.mix.shape
    outputs, inputs, rank = work.columns.shape[0], data.mean.shape[0], data.linear.shape[1]
    biased = set_student(data, theta, work, exact)
    first = hidden * (inputs + 1 + outputs)
    for m in range(outputs):
        work.means[0, m] = theta[first + m]
        work.means[1, m] = theta[first + m] + data.constant[m]
        for i in range(hidden):
            work.products[0, m, i] = 0.0
            work.products[1, m, i] = 0.0
    for i in range(hidden):
        work.sums[0, i] = 0.0
        work.sums[1, i] = 0.0
    for i in range(hidden):
        _add_pairs(data, work, biased, i)
    vector = work.vectors[3, :rank]
    for i in range(hidden):
        _row_gradient(data, work, i, vector)
        row, bias = gradient[i * inputs : (i + 1) * inputs], 2.0 * work.sums[1, i]
        unwhiten(data.factor, vector, row)
        for j in range(inputs):
            row[j] += bias * data.mean[j]
        gradient[hidden * inputs + i] = bias
    for m in range(outputs):
        for k in range(count):
            share = work.columns[m, k] * mean_of(work.scalars, k)
            work.means[1, m] += share
            if k < hidden:
                work.means[0, m] += share
        gradient[first + m] = 2.0 * work.means[1, m]
        for i in range(hidden):
            constant = theta[first + m] * mean_of(work.scalars, i)
            total = work.products[0, m, i] + work.products[1, m, i]
            # E[s_i N]: without the target, but with the output bias.
            work.products[0, m, i] += constant
            work.products[1, m, i] = total
            gradient[hidden * (inputs + 1 + m) + i] = 2.0 * total


@leaf
def _risk(data, theta, work):
    """Return the risk after the gradient at theta, E|N|^2 - 2 E[N f] + E|f|^2, to rounding of its terms."""
    hidden, outputs, inputs = work.mix.shape[0], work.columns.shape[0], data.mean.shape[0]
    first = hidden * (inputs + 1 + outputs)
    total = data.square[0]
    for m in range(outputs):
        total += theta[first + m] * (2.0 * work.means[1, m] - work.means[0, m])
        for i in range(hidden):
            total += work.columns[m, i] * (2.0 * work.products[1, m, i] - work.products[0, m, i])
    return total


@leaf
def _terms(data, work):
    """Return the size of the terms of the risk: E|f|^2 and (sum of norms of neurons)^2."""
    total = data.square[0]
    for m in range(work.columns.shape[0]):
        own = abs(work.means[0, m])
        for k in range(work.columns.shape[1]):
            own += abs(work.columns[m, k]) * np.sqrt(max(square_mean(work.scalars, k), 0.0))
        total += own * own
    return total


@bare_entry
def evaluate(data, thetas, risks, gradients, work):
    """Evaluate risk and gradient; one entry for both, because each would compile everything.

    Parameters
    ----------
    data : GaussianData
    thetas : (M, P)
    risks : (M, 2), receives the risk to rounding of its terms, and their size
    gradients : (M, P), receives the gradient
    work : see `gaussian_work`
    """
    for m in range(thetas.shape[0]):
        gaussian_gradient_into(data, thetas[m], gradients[m], work, False)
        risks[m, 0] = _risk(data, thetas[m], work)
        risks[m, 1] = _terms(data, work)
