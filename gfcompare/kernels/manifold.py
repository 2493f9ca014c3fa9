"""The submanifold M on flat parameters of any depth: norms, normalisation, projection, retraction.

`widths` is an int64 array (d, H_1, ..., K); theta holds for each layer its weights row by row, then
its biases. A hidden row is (W^k_i, b^k_i); on M each has norm 1.
"""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, entry, leaf, leaf_sum

# Squares of numbers in this range neither overflow nor lose digits.
_SMALL, _LARGE = 1e-140, 1e140


@leaf
def _row_norm(theta, start, fan_in, bias):
    """Euclidean norm of a row, without overflow or underflow."""
    total = theta[bias] * theta[bias]
    for j in range(fan_in):
        total += theta[start + j] * theta[start + j]
    norm = np.sqrt(total)
    if _SMALL < norm < _LARGE:
        return norm
    largest = abs(theta[bias])
    for j in range(fan_in):
        largest = max(largest, abs(theta[start + j]))
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    total = (theta[bias] / largest) ** 2
    for j in range(fan_in):
        total += (theta[start + j] / largest) ** 2
    return largest * np.sqrt(total)


@leaf
def _divide_row(theta, start, fan_in, bias, norm):
    """Make a row a unit vector; a zero row becomes that of its bias."""
    if norm == 0.0:
        theta[bias] = 1.0
        return
    for j in range(fan_in):
        theta[start + j] /= norm
    theta[bias] /= norm
    if not _SMALL < norm < _LARGE:  # a subnormal norm has few digits: once more
        norm = _row_norm(theta, start, fan_in, bias)
        for j in range(fan_in):
            theta[start + j] /= norm
        theta[bias] /= norm


@entry
def row_norms(widths, thetas, norms):
    """Write the norm of each hidden row of each theta, (M, P), into `norms`, (M, sum of hidden)."""
    for m in range(thetas.shape[0]):
        offset = 0
        number = 0
        for layer in range(widths.shape[0] - 2):
            fan_in, rows = widths[layer], widths[layer + 1]
            for i in range(rows):
                bias = offset + rows * fan_in + i
                norms[m, number] = _row_norm(thetas[m], offset + i * fan_in, fan_in, bias)
                number += 1
            offset += rows * (fan_in + 1)


@leaf
def _retract_layer(theta, offset, fan_in, rows, norms):
    """Divide each row of the layer at `offset` by its norm, in place; write the norms, (rows,)."""
    for i in range(rows):
        start, bias = offset + i * fan_in, offset + rows * fan_in + i
        norm = _row_norm(theta, start, fan_in, bias)
        _divide_row(theta, start, fan_in, bias, norm)
        norms[i] = norm


@cold_leaf
def retract_rows(widths, theta, norms):
    """Divide each hidden row of theta, (P,), by its norm, in place; write the norms, (sum of hidden,)."""
    offset = 0
    number = 0
    for layer in range(widths.shape[0] - 2):
        fan_in, rows = widths[layer], widths[layer + 1]
        _retract_layer(theta, offset, fan_in, rows, norms[number : number + rows])
        number += rows
        offset += rows * (fan_in + 1)


@cold_leaf
def _retract_any_line(theta, norms):
    _retract_layer(theta, 0, 1, norms.shape[0], norms)


@leaf_sum
def retract_line(theta, norms):
    """As `retract_rows`, of a network with one input and one hidden layer; overwrites `norms`, (H,).

    The loops vectorise where no norm is out of range, which is nearly always so.
    """
    hidden = norms.shape[0]
    total = 0.0
    for i in range(hidden):
        square = theta[i] * theta[i] + theta[hidden + i] * theta[hidden + i]
        norms[i] = 1.0 / np.sqrt(square)
        total += square + norms[i]
    if not total < _LARGE:  # a square that overflows, or that is too small to have all its digits
        _retract_any_line(theta, norms)
        return
    for i in range(hidden):
        theta[i] *= norms[i]
        theta[hidden + i] *= norms[i]


@entry
def retract(widths, thetas, norms):
    """Divide each hidden row by its norm, in place; write the norms, (M, sum of hidden)."""
    for m in range(thetas.shape[0]):
        retract_rows(widths, thetas[m], norms[m])


@entry
def normalize(widths, thetas):
    """Divide each hidden row by its norm and multiply its outgoing column by it, in place."""
    for m in range(thetas.shape[0]):
        theta = thetas[m]
        offset = 0
        for layer in range(widths.shape[0] - 2):
            fan_in, rows, following = widths[layer], widths[layer + 1], widths[layer + 2]
            after = offset + rows * (fan_in + 1)
            for i in range(rows):
                start, bias = offset + i * fan_in, offset + rows * fan_in + i
                norm = _row_norm(theta, start, fan_in, bias)
                _divide_row(theta, start, fan_in, bias, norm)
                for k in range(following):
                    theta[after + k * rows + i] *= norm
            offset = after


@leaf
def tangent_layer(theta, vector, offset, fan_in, rows):
    """Remove from a vector its component along each row of the layer at `offset`, of norm 1, in place."""
    for i in range(rows):
        start, bias = offset + i * fan_in, offset + rows * fan_in + i
        radial = theta[bias] * vector[bias]
        for j in range(fan_in):
            radial += theta[start + j] * vector[start + j]
        for j in range(fan_in):
            vector[start + j] -= radial * theta[start + j]
        vector[bias] -= radial * theta[bias]


@cold_leaf
def tangent(widths, theta, vector):
    """Remove from a vector, (P,), its component along each hidden row of theta on M, in place."""
    offset = 0
    for layer in range(widths.shape[0] - 2):
        fan_in, rows = widths[layer], widths[layer + 1]
        tangent_layer(theta, vector, offset, fan_in, rows)
        offset += rows * (fan_in + 1)


@entry
def project(widths, thetas, vectors, factors):
    """Remove from each vector its component along each hidden row of theta on M, in place.

    What is left of a row is multiplied by its entry of `factors`, shape (M, sum of hidden).
    """
    for m in range(thetas.shape[0]):
        vector = vectors[m]
        tangent(widths, thetas[m], vector)
        offset = 0
        number = 0
        for layer in range(widths.shape[0] - 2):
            fan_in, rows = widths[layer], widths[layer + 1]
            for i in range(rows):
                factor = factors[m, number]
                for j in range(fan_in):
                    vector[offset + i * fan_in + j] *= factor
                vector[offset + rows * fan_in + i] *= factor
                number += 1
            offset += rows * (fan_in + 1)


@cold_leaf
def unit_history(widths, differences, count):
    """Divide each hidden row by its norm in row 0 of a table, in the first `count` rows, (..., P), in place.

    The auxiliary rows u of the normalised flow obey an equation that is homogeneous of degree one in each
    row, so that a whole history may be divided by one number: no order of accuracy is lost.
    """
    offset = 0
    for layer in range(widths.shape[0] - 2):
        fan_in, rows = widths[layer], widths[layer + 1]
        for i in range(rows):
            start, bias = offset + i * fan_in, offset + rows * fan_in + i
            norm = _row_norm(differences[0], start, fan_in, bias)
            if not 0.0 < norm < np.inf:
                continue
            share = 1.0 / norm
            for k in range(count):
                for j in range(fan_in):
                    differences[k, start + j] *= share
                differences[k, bias] *= share
        offset += rows * (fan_in + 1)
