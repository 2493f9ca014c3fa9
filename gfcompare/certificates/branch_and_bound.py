"""All common zeros of two polynomials on a rectangle, by branch and bound with Bernstein coefficients.

A part without a zero of one of them, or of one of two combinations in which the Jacobian is nearly the
identity, is dropped. Where Krawczyk's test holds on a part and a margin around it, there is one zero. Every
other part is halved, until it is too small: then it is left undecided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from flint import arb, arb_mat, fmpq, fmpq_mpoly

from gfcompare.certificates.balls import around, ball, identity, middles, symmetric
from gfcompare.certificates.bernstein import (
    Patch,
    derivative,
    enclosure,
    has_no_zero,
    patch,
    split,
    value,
    widened,
)

# Around a part so much of its width is added on each side, that a zero on its boundary is found as well.
_MARGIN = arb(fmpq(1, 8))
_HALF = arb(0.5)
# To which radius zeros are refined.
_TINY = arb(2) ** -80
#: Parts that are narrower than 2^-depth times the rectangle in both directions are left undecided.
_DEPTH = 24
#: No more parts than these are looked at.
_PARTS = 6000


@dataclass(frozen=True)
class Part:
    """A rectangle in the unit square: dyadic ends, which are exact.

    Parameters
    ----------
    starts, depths : it reaches from starts[k] to starts[k] + 2^-depths[k]
    """

    starts: tuple[float, float]
    depths: tuple[int, int]

    def interval(self, axis: int, margin: arb) -> arb:
        """Return an axis of it as a ball, with a margin on each side relative to its width."""
        width = arb(2) ** (-self.depths[axis])
        low, high = ball(self.starts[axis]) - margin * width, ball(self.starts[axis]) + (1 + margin) * width
        return low.union(high)

    def halves(self, axis: int) -> tuple[Part, Part]:
        """Return its halves."""
        depths = list(self.depths)
        depths[axis] += 1
        starts = list(self.starts)
        starts[axis] += 2.0 ** -depths[axis]
        shape = depths[0], depths[1]
        return Part(self.starts, shape), Part((starts[0], starts[1]), shape)


@dataclass
class Search:
    """Result of branch and bound.

    Attributes
    ----------
    isolated : rectangles (t, u), each with exactly one zero
    undecided : rectangles of which nothing is proved
    parts : number of parts that were looked at
    """

    isolated: list[tuple[arb, arb]] = field(default_factory=list)
    undecided: list[tuple[arb, arb]] = field(default_factory=list)
    parts: int = 0


def zeros(polynomials: Sequence[fmpq_mpoly], reach: fmpq) -> Search:
    """Return where the common zeros of two polynomials on [0, reach] x [0, 1] are."""
    degrees = [p.degrees() for p in polynomials]
    shape = max(d[0] for d in degrees), max(d[1] for d in degrees)
    first, second = (patch(p, reach, shape) for p in polynomials)
    search = Search()
    waiting = [(Part((0.0, 0.0), (0, 0)), first, second)]
    while waiting:
        part, F, G = waiting.pop()
        search.parts += 1
        if has_no_zero(F) or has_no_zero(G):
            continue
        inverse = _inverse_jacobian(F, G)
        if inverse is not None:
            combined = _combined(inverse, F, G)
            if any(has_no_zero(c) for c in combined):
                continue
            wide = [widened(c, _MARGIN) for c in combined]
            verdict = _krawczyk(wide[0], wide[1])
            if verdict == "none":
                continue
            if verdict == "one":
                search.isolated.append(_place(part, reach, _MARGIN))
                continue
        if min(part.depths) >= _DEPTH or search.parts >= _PARTS:
            search.undecided.append(_place(part, reach, arb(0)))
            continue
        axis = int(part.depths[1] < part.depths[0])
        halves = zip(part.halves(axis), split(F, axis, _HALF), split(G, axis, _HALF), strict=True)
        waiting.extend(halves)
    return search


def _place(part: Part, reach: fmpq, margin: arb) -> tuple[arb, arb]:
    return part.interval(0, margin) * arb(reach), part.interval(1, margin)


def _inverse_jacobian(F: Patch, G: Patch) -> np.ndarray | None:
    """Return the inverse of the Jacobian at the centre, a hypothesis, or None."""
    rows = [[float(value(derivative(p, k), _HALF, _HALF).mid()) for k in (0, 1)] for p in (F, G)]
    matrix = np.array(rows)
    scale = np.abs(matrix).max()
    if not np.isfinite(scale) or scale == 0.0 or abs(np.linalg.det(matrix / scale)) < 1e-12:
        return None
    result: np.ndarray = np.linalg.inv(matrix)
    return result if np.isfinite(result).all() else None


def _combined(inverse: np.ndarray, F: Patch, G: Patch) -> list[Patch]:
    return [F * ball(row[0]) + G * ball(row[1]) for row in inverse]


def _krawczyk(P: Patch, Q: Patch) -> str:
    """Return "one" if there is exactly one common zero on [0, 1]^2, "none" if there is none, or neither.

    With Y the inverse of the Jacobian at the centre c, every zero lies in
    K = c - Y (P, Q)(c) + (1 - Y J) ([0, 1]^2 - c); if K lies inside, there is exactly one.
    """
    inverse = _inverse_jacobian(P, Q)
    if inverse is None:
        return ""
    whole = symmetric(_HALF)
    inside, apart = True, False
    for k, combination in enumerate(_combined(inverse, P, Q)):
        step = -value(combination, _HALF, _HALF)
        for axis in (0, 1):
            slope = enclosure(derivative(combination, axis))
            step += (int(axis == k) - slope) * whole
        inside = inside and bool(abs(step) < _HALF)
        apart = apart or bool(abs(step) > _HALF)
    if inside:
        return "one"
    return "none" if apart else ""


def refined(polynomials: Sequence[fmpq_mpoly], place: tuple[arb, arb]) -> tuple[arb, arb] | None:
    """Return a tiny box with the zero in a rectangle that has exactly one; None if that is not proved.

    Newton's method from the centre, then Krawczyk's test.
    """
    point = arb_mat(2, 1, [side.mid() for side in place])
    gradients = [[p.derivative(k) for k in (0, 1)] for p in polynomials]
    for _ in range(60):
        at = point[0, 0], point[1, 0]
        try:
            inverse = middles(arb_mat([[_at(g, at) for g in row] for row in gradients]).inv())
        except ZeroDivisionError:
            return None
        step = middles(inverse * arb_mat(2, 1, [_at(p, at) for p in polynomials]))
        point = middles(point - step)
        if all(abs(entry) < _TINY for entry in step.entries()):
            break
    centre = point[0, 0], point[1, 0]
    box = around(centre[0], 2 * _TINY), around(centre[1], 2 * _TINY)
    contraction = identity(2) - inverse * arb_mat([[_at(g, box) for g in row] for row in gradients])
    step = inverse * arb_mat(2, 1, [_at(p, centre) for p in polynomials])
    image = contraction * arb_mat(2, 1, [symmetric(2 * _TINY)] * 2) - step
    if not all(abs(entry) < 2 * _TINY for entry in image.entries()):
        return None
    # With room around it: what is as near as that to the zero is in the rectangle too.
    room = [around(side, arb(2) ** -56) for side in box]
    return box if all(side.contains(b) for side, b in zip(place, room, strict=True)) else None


def _at(polynomial: fmpq_mpoly, point: tuple[arb, arb]) -> arb:
    """Return a polynomial at a point."""
    n, m = polynomial.degrees() if not polynomial.is_zero() else (0, 0)
    powers = [[arb(1)], [arb(1)]]
    for k, degree in enumerate((n, m)):
        for _ in range(degree):
            powers[k].append(powers[k][-1] * point[k])
    total = arb(0)
    for (i, j), c in polynomial.to_dict().items():
        total += arb(c) * powers[0][i] * powers[1][j]
    return total
