"""Arithmetic with twice the digits: a number is an unevaluated sum of two float64, high + low.

T. J. Dekker, "A floating-point technique for extending the available precision", Numerische
Mathematik 18 (1971), doi:10.1007/BF01397083.
"""

from gfcompare.kernels.compiled import leaf_exact

_SPLITTER = 134217729.0  # 2**27 + 1


@leaf_exact
def two_sum(a, b):
    """Return (s, e) with s = fl(a + b) and s + e = a + b exactly."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@leaf_exact
def two_product(a, b):
    """Return (p, e) with p = fl(a b) and p + e = a b exactly (barring overflow past 1e300)."""
    p = a * b
    t = _SPLITTER * a
    a_high = t - (t - a)
    a_low = a - a_high
    t = _SPLITTER * b
    b_high = t - (t - b)
    b_low = b - b_high
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


@leaf_exact
def add(a_high, a_low, b_high, b_low):
    """Return a + b."""
    s, e = two_sum(a_high, b_high)
    return two_sum(s, e + (a_low + b_low))


@leaf_exact
def multiply(a_high, a_low, b_high, b_low):
    """Return a b."""
    p, e = two_product(a_high, b_high)
    return two_sum(p, e + (a_high * b_low + a_low * b_high))


@leaf_exact
def scale(high, low, factor):
    """Return a times a float64."""
    p, e = two_product(high, factor)
    return two_sum(p, e + low * factor)


@leaf_exact
def divide(a_high, a_low, b_high, b_low):
    """Return a / b."""
    first = a_high / b_high
    p, e = scale(b_high, b_low, -first)
    r, rest = add(a_high, a_low, p, e)
    second = r / b_high
    p, e = scale(b_high, b_low, -second)
    r, rest = add(r, rest, p, e)
    third = r / b_high
    s, e = two_sum(first, second)
    return add(s, e, third, 0.0)
