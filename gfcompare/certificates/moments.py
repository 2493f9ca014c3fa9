"""Integrals of products of ReLU features, for breakpoints that are balls.

A feature is relu(tau (x - q)) with tau = 1 or -1, and I = {x in [a, b] : tau (x - q) > 0}. All integrals here
are over p >= 0 of products of features, of their indicators and of x - a >= 0, so that each is monotone in
each breakpoint: the more the neurons are active, the larger. The values at two corners, where all breakpoints
are at the ends of their balls, enclose it, without the growth of ball arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb

from gfcompare.certificates.pieces import LineBalls


@dataclass(frozen=True)
class Moments:
    """Integrals over p of features i and j.

    Attributes
    ----------
    indicator, indicator_x : integrals over I_i of 1 and of x - a
    feature, feature_x : integrals of feature i, and times x - a
    products : [i][j], integrals of the product of features i and j
    crossed : [i][j], integrals over I_j of feature i
    overlaps : [i][j], measure of the overlap of I_i and I_j
    """

    indicator: list[arb]
    indicator_x: list[arb]
    feature: list[arb]
    feature_x: list[arb]
    products: list[list[arb]]
    crossed: list[list[arb]]
    overlaps: list[list[arb]]


def moments(line: LineBalls, orientations: Sequence[int], breakpoints: Sequence[arb]) -> Moments:
    """Return balls with all integrals, for breakpoints that are cut to [a, b]."""
    narrow, wide = [], []
    exact = True
    for tau, q in zip(orientations, breakpoints, strict=True):
        ends = [_inside(line, q.lower()), _inside(line, q.upper())]
        if tau > 0:
            ends.reverse()
        narrow.append(ends[0])
        wide.append(ends[1])
        exact = exact and q.is_exact()
    small = _corner(line, orientations, narrow)
    if exact:
        return small
    large = _corner(line, orientations, wide)
    return Moments(
        _joined(small.indicator, large.indicator),
        _joined(small.indicator_x, large.indicator_x),
        _joined(small.feature, large.feature),
        _joined(small.feature_x, large.feature_x),
        _joined_symmetric(small.products, large.products),
        [_joined(a, b) for a, b in zip(small.crossed, large.crossed, strict=True)],
        _joined_symmetric(small.overlaps, large.overlaps),
    )


def _inside(line: LineBalls, end: arb) -> arb:
    """Return a number without radius, cut to [a, b]."""
    if end < line.lower:
        return line.lower
    return line.upper if end > line.upper else end


def _joined(small: list[arb], large: list[arb]) -> list[arb]:
    return [a.union(b) for a, b in zip(small, large, strict=True)]


def _joined_symmetric(small: list[list[arb]], large: list[list[arb]]) -> list[list[arb]]:
    size = len(small)
    result = [[small[0][0]] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            result[i][j] = result[j][i] = small[i][j].union(large[i][j])
    return result


@dataclass(frozen=True)
class _Side:
    """At a breakpoint q, without radius: moments of p on the side where a feature of either kind is active.

    Attributes
    ----------
    distance : q - a
    zeroth, first : integrals over I of 1 and of x - a
    feature, feature_x : integrals of the feature, and times x - a
    """

    distance: arb
    zeroth: arb
    first: arb
    feature: arb
    feature_x: arb


def _right(line: LineBalls, q: arb) -> _Side:
    left = [function(q) for function in line.mass]
    zeroth, first, second = (whole - part for whole, part in zip(line.masses, left, strict=True))
    t = q - line.lower
    return _Side(t, zeroth, first, first - t * zeroth, second - t * first)


def _left(line: LineBalls, q: arb) -> _Side:
    zeroth, first, second = (function(q) for function in line.mass)
    t = q - line.lower
    return _Side(t, zeroth, first, t * zeroth - first, t * first - second)


def _corner(line: LineBalls, orientations: Sequence[int], breakpoints: Sequence[arb]) -> Moments:
    """Return the integrals for breakpoints without radius."""
    size = len(breakpoints)
    right = [_right(line, q) for q in breakpoints]
    left = [_left(line, q) for q in breakpoints]
    own = [r if tau > 0 else s for tau, r, s in zip(orientations, right, left, strict=True)]
    empty = [arb(0)] * size
    products, crossed, overlaps = ([list(empty) for _ in range(size)] for _ in range(3))
    for i in range(size):
        for j in range(i + 1):
            if orientations[i] == orientations[j]:
                # The one that is active less decides where both are.
                less = (breakpoints[i] > breakpoints[j]) == (orientations[i] > 0)
                k, m = (i, j) if less else (j, i)
                side, t = own[k], own[m].distance
                if orientations[i] > 0:
                    product = side.feature_x - t * side.feature
                    other = side.first - t * side.zeroth
                else:
                    product = t * side.feature - side.feature_x
                    other = t * side.zeroth - side.first
                products[i][j] = products[j][i] = product
                crossed[k][m], crossed[m][k] = side.feature, other
                overlaps[i][j] = overlaps[j][i] = side.zeroth
            else:
                k, m = (i, j) if orientations[i] > 0 else (j, i)
                if breakpoints[k] >= breakpoints[m]:
                    continue
                # (q_m - x)^+ = q_m - x + (x - q_m)^+, and both features of the right are known there.
                near, far, t = right[k], right[m], right[m].distance
                rest = far.first - near.distance * far.zeroth
                products[i][j] = products[j][i] = (
                    t * near.feature - near.feature_x + far.feature_x - near.distance * far.feature
                )
                crossed[k][m] = near.feature - rest
                mass = near.zeroth - far.zeroth
                crossed[m][k] = t * mass - (near.first - far.first)
                overlaps[i][j] = overlaps[j][i] = mass
    return Moments(
        [side.zeroth for side in own],
        [side.first for side in own],
        [side.feature for side in own],
        [side.feature_x for side in own],
        products,
        crossed,
        overlaps,
    )
