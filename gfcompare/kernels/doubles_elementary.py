"""Elementary functions with twice the digits, to some 1e-31; numbers as in `doubles`."""

import math

from gfcompare.kernels.compiled import cold_leaf_exact, leaf_exact
from gfcompare.kernels.doubles import add, divide, multiply, scale, two_product, two_sum

#: 1 / (2 pi) and 1 / sqrt(2 pi), high and low parts.
HALF_PI_INVERSE = (0.15915494309189535, -9.839338337591243e-18)
DENSITY = (0.3989422804014327, -2.49232720227773e-17)
_LN_2 = (0.6931471805599453, 2.3190468138462996e-17)
# Halvings of the argument of the exponential function, quarterings of that of sine and cosine, terms.
_HALVINGS, _TERMS = 6, 13


@leaf_exact
def square_root(high, low):
    """Return the square root of a number that is not negative."""
    if not high > 0.0:
        return 0.0, 0.0
    root = math.sqrt(high)
    p, e = two_product(root, root)
    r, _ = add(high, low, -p, -e)
    return two_sum(root, 0.5 * r / root)


@cold_leaf_exact
def exponential(high, low):
    """Return e^a for a between -700 and 700."""
    count = math.floor(high / _LN_2[0] + 0.5)
    p, e = scale(_LN_2[0], _LN_2[1], -count)
    p, e = add(high, low, p, e)
    share = 2.0**-_HALVINGS
    r, rest = p * share, e * share
    # e^r - 1 = r (1 + r / 2 (1 + r / 3 (...))), from the inside; then (1 + s)^2 - 1 = 2 s + s^2.
    s, t = 1.0, 0.0
    for n in range(_TERMS, 1, -1):
        s, t = multiply(s, t, r, rest)
        s, t = divide(s, t, float(n), 0.0)
        s, t = add(1.0, 0.0, s, t)
    s, t = multiply(s, t, r, rest)
    for _ in range(_HALVINGS):
        p, e = multiply(s, t, s, t)
        s, t = add(2.0 * s, 2.0 * t, p, e)
    s, t = add(1.0, 0.0, s, t)
    return math.ldexp(s, int(count)), math.ldexp(t, int(count))


@cold_leaf_exact
def _sine_and_cosine(x):
    """Return sin x and cos x, high and low parts, for |x| < 1."""
    quarter = 0.25 * x
    p, e = two_product(quarter, quarter)
    s, t, c, d = 1.0, 0.0, 1.0, 0.0
    for n in range(_TERMS, 0, -1):
        s, t = multiply(s, t, -p, -e)
        s, t = divide(s, t, 2.0 * n * (2.0 * n + 1.0), 0.0)
        s, t = add(1.0, 0.0, s, t)
        c, d = multiply(c, d, -p, -e)
        c, d = divide(c, d, 2.0 * n * (2.0 * n - 1.0), 0.0)
        c, d = add(1.0, 0.0, c, d)
    s, t = scale(s, t, quarter)
    for _ in range(2):
        p, e = multiply(s, t, s, t)
        s, t = multiply(2.0 * s, 2.0 * t, c, d)
        c, d = add(1.0, 0.0, -2.0 * p, -2.0 * e)
    return s, t, c, d


@cold_leaf_exact
def arcsine(high, low):
    """Return arcsin a for 0 <= a <= 0.72, by a step of Newton's method."""
    first = math.asin(high)
    s, t, c, d = _sine_and_cosine(first)
    p, e = add(high, low, -s, -t)
    p, e = divide(p, e, c, d)
    return add(first, 0.0, p, e)
