"""Infinite and NaN entries of an array, found in compiled code."""

from gfcompare.kernels.compiled import leaf_sum


@leaf_sum
def zero_or_nan(theta):
    """Return NaN if an entry of theta is infinite or NaN, else 0: comparisons lose NaN."""
    check = 0.0
    for p in range(theta.shape[0]):
        check += 0.0 * theta[p]
    return check
