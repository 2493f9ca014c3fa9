"""Backward differences of a solver's variable on steps of one size: moved on, rescaled, interpolated.

Row k of a table holds the k-th difference at the end of the last step (L. F. Shampine, M. W. Reichelt, "The
MATLAB ODE suite", doi:10.1137/S1064827594276424).
"""

from gfcompare.kernels.compiled import cold_leaf


@cold_leaf
def add_multiple(target, factor, source):
    """Add factor * source to target."""
    for p in range(target.shape[0]):
        target[p] += factor * source[p]


@cold_leaf
def rescale(differences, order, factor, table, scaling):
    """Turn backward differences for a step size into those for `factor` times it (Shampine, Reichelt)."""
    size = order + 1
    old, new, both = scaling[0], scaling[1], scaling[2]
    for j in range(size):
        old[0, j] = 1.0
        new[0, j] = 1.0
    for i in range(1, size):
        old[i, 0] = 0.0
        new[i, 0] = 0.0
        for j in range(1, size):
            old[i, j] = old[i - 1, j] * (i - 1 - j) / i
            new[i, j] = new[i - 1, j] * (i - 1 - factor * j) / i
    for i in range(size):
        for j in range(size):
            total = 0.0
            for k in range(size):
                total += new[i, k] * old[k, j]
            both[i, j] = total
    for j in range(size):
        row = table[j]
        for p in range(row.shape[0]):
            row[p] = 0.0
        for i in range(size):
            add_multiple(row, both[i, j], differences[i])
    for j in range(size):
        source, target = table[j], differences[j]
        for p in range(source.shape[0]):
            target[p] = source[p]


@cold_leaf
def accept(differences, order, correction):
    """Move the differences on by the step that was made."""
    last, beyond = differences[order + 1], differences[order + 2]
    for p in range(correction.shape[0]):
        beyond[p] = correction[p] - last[p]
        last[p] = correction[p]
    for k in range(order, -1, -1):
        add_multiple(differences[k], 1.0, differences[k + 1])


@cold_leaf
def interpolate(differences, order, time, reached, size, result):
    """Write y at `time`, within the last step, into `result`."""
    for p in range(result.shape[0]):
        result[p] = differences[0, p]
    product = 1.0
    for k in range(order):
        product *= (time - (reached - size * k)) / (size * (k + 1))
        add_multiple(result, product, differences[k + 1])
