"""Balancedness, which the standard flow conserves: measured, and restored where rounding and steps change it.

B_i = |row_i|^2 - |column_i|^2, with the hidden row (W^k_i, b^k_i) and the outgoing column W^{k+1}_{.,i},
of each hidden neuron i (S. S. Du, W. Hu, J. D. Lee, arXiv:1806.00900). Dividing a column by lambda > 0 and
multiplying the row by it leaves the function as it is. So a state that has left B_i = B_0 goes back along
that symmetry, with lambda^2 |row|^2 - |column|^2 / lambda^2 = B_0: projection on an invariant, which the
order of a multistep method survives (E. Eich, SIAM J. Numer. Anal. 30 (1993) 1467, doi:10.1137/0730076).
"""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, entry

# Sweeps over the layers: a neuron's column holds entries of the next layer's rows, so that in deep networks
# mending one changes the other, by the square of the error.
_SWEEPS = 3
# Squares outside of this range lose their digits: such a neuron is left alone.
_SMALL, _LARGE = 1e-290, 1e290
# Squares of factors this near to 1 are rounding of the balancedness.
_ROUNDING = 1e-15


@cold_leaf
def _squares(widths, theta, layer, offset, i):
    """Squared norms of row and outgoing column of neuron i of a hidden layer that begins at `offset`."""
    fan_in, rows, following = widths[layer], widths[layer + 1], widths[layer + 2]
    bias = offset + rows * fan_in + i
    row = theta[bias] * theta[bias]
    for j in range(fan_in):
        row += theta[offset + i * fan_in + j] ** 2
    column = 0.0
    after = offset + rows * (fan_in + 1)
    for k in range(following):
        column += theta[after + k * rows + i] ** 2
    return row, column


@cold_leaf
def balances_into(widths, theta, balances):
    """Write B of each hidden neuron of theta, (P,), into `balances`, (sum of hidden,)."""
    offset = 0
    number = 0
    for layer in range(widths.shape[0] - 2):
        for i in range(widths[layer + 1]):
            row, column = _squares(widths, theta, layer, offset, i)
            balances[number] = row - column
            number += 1
        offset += widths[layer + 1] * (widths[layer] + 1)


@cold_leaf
def rebalance(widths, theta, balances):
    """Move theta, (P,), in place along its rescaling symmetries to the given balancedness.

    A neuron without a row or without a column that the given balancedness asks for stays where it is.
    """
    sweeps = 1 if widths.shape[0] == 3 else _SWEEPS
    for _ in range(sweeps):
        offset = 0
        number = 0
        for layer in range(widths.shape[0] - 2):
            fan_in, rows, following = widths[layer], widths[layer + 1], widths[layer + 2]
            after = offset + rows * (fan_in + 1)
            for i in range(rows):
                row, column = _squares(widths, theta, layer, offset, i)
                # Relative to the size of the neuron, whose square's square could underflow.
                size = row + column
                row, column, balance = row / size, column / size, balances[number] / size
                number += 1
                root = np.sqrt(balance * balance + 4.0 * row * column)
                # Both are the positive root of row x^2 - balance x - column; each loses no digits where it
                # is used.
                square = (root + balance) / (2.0 * row) if balance > 0.0 else 2.0 * column / (root - balance)
                if not (_SMALL < size < _LARGE and _SMALL < square < _LARGE):
                    continue
                if abs(square - 1.0) <= _ROUNDING:  # or a large neuron that rests would be shaken by rounding
                    continue
                factor = np.sqrt(square)
                for j in range(fan_in):
                    theta[offset + i * fan_in + j] *= factor
                theta[offset + rows * fan_in + i] *= factor
                for k in range(following):
                    theta[after + k * rows + i] /= factor
            offset = after


@entry
def rebalance_rows(widths, thetas, balances):
    """Move each theta, (M, P), in place to its balancedness, (M, sum of hidden)."""
    for m in range(thetas.shape[0]):
        rebalance(widths, thetas[m], balances[m])


@entry
def balances(widths, thetas, results):
    """Write B of each hidden neuron of each theta, (M, P), into `results`, (M, sum of hidden)."""
    for m in range(thetas.shape[0]):
        balances_into(widths, thetas[m], results[m])
