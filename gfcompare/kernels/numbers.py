"""Sums over the entries of vectors, in compiled code: inner products, and infinite and NaN entries."""

from gfcompare.kernels.compiled import cold_leaf_sum, leaf_sum


@leaf_sum
def zero_or_nan(theta):
    """Return NaN if an entry of theta is infinite or NaN, else 0: comparisons lose NaN."""
    check = 0.0
    for p in range(theta.shape[0]):
        check += 0.0 * theta[p]
    return check


@cold_leaf_sum
def dot(first, second):
    """Inner product."""
    total = 0.0
    for p in range(first.shape[0]):
        total += first[p] * second[p]
    return total
