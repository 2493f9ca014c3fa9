"""Arrays of numbers with twice the digits (`doubles`), shape (2, n): high parts, low parts.

One compiled function for each operation, so that long formulas cost little time to compile. Of every array
the first `n` numbers are taken; what is written to may be what is read from.
"""

from gfcompare.kernels.compiled import cold_leaf_exact
from gfcompare.kernels.doubles import add, divide, multiply


@cold_leaf_exact
def fill(n, number, out):
    """Write a number, (2,)."""
    for k in range(n):
        out[0, k] = number[0]
        out[1, k] = number[1]


@cold_leaf_exact
def copy(n, a, out):
    """Write a."""
    for k in range(n):
        out[0, k] = a[0, k]
        out[1, k] = a[1, k]


@cold_leaf_exact
def plus(n, a, b, out):
    """Write a + b."""
    for k in range(n):
        out[0, k], out[1, k] = add(a[0, k], a[1, k], b[0, k], b[1, k])


@cold_leaf_exact
def minus(n, a, b, out):
    """Write a - b."""
    for k in range(n):
        out[0, k], out[1, k] = add(a[0, k], a[1, k], -b[0, k], -b[1, k])


@cold_leaf_exact
def product(n, a, b, out):
    """Write a b."""
    for k in range(n):
        out[0, k], out[1, k] = multiply(a[0, k], a[1, k], b[0, k], b[1, k])


@cold_leaf_exact
def quotient(n, a, b, out):
    """Write a / b."""
    for k in range(n):
        out[0, k], out[1, k] = divide(a[0, k], a[1, k], b[0, k], b[1, k])


@cold_leaf_exact
def add_product(n, a, b, out):
    """Add a b to `out`."""
    for k in range(n):
        p, e = multiply(a[0, k], a[1, k], b[0, k], b[1, k])
        out[0, k], out[1, k] = add(out[0, k], out[1, k], p, e)


@cold_leaf_exact
def add_multiple(n, number, a, out):
    """Add a number, (2,), times a to `out`."""
    high, low = number[0], number[1]
    for k in range(n):
        p, e = multiply(high, low, a[0, k], a[1, k])
        out[0, k], out[1, k] = add(out[0, k], out[1, k], p, e)


@cold_leaf_exact
def masked(n, a, mask, factor, out):
    """Write a times a float64 of each number, and times a power of 2."""
    for k in range(n):
        share = factor * mask[k]
        out[0, k] = a[0, k] * share
        out[1, k] = a[1, k] * share


@cold_leaf_exact
def total(n, a, result):
    """Write the sum of all numbers to `result`, (2,)."""
    high, low = 0.0, 0.0
    for k in range(n):
        high, low = add(high, low, a[0, k], a[1, k])
    result[0], result[1] = high, low
