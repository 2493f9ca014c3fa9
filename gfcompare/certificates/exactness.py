"""Pieces on which the network of a critical point is exactly the target, a continuous piecewise linear one.

Balls never prove that r = N - f vanishes; this does. Let the affine part be free, so that r is orthogonal to
1 and x on every piece between breakpoints of N. Where f does not bend inside such a piece, r is affine there,
so it is 0. A breakpoint at which f bends as well is *pinned*: f is replaced by f minus its bend there, the
network by one without that breakpoint, and that network is proved to be critical for that target. If the
place of the bend is inside a piece on which it is the target, then it is critical with the bend added on both
sides too, and is the critical point that was found, as there is no other in its box.

Besides, a constant network is the mean of the target, which may be its value at an end, in exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb

from gfcompare.certificates.balls import ball
from gfcompare.certificates.existence import CriticalPoint, critical_point, newton
from gfcompare.certificates.pieces import LinearTarget, LineBalls
from gfcompare.certificates.reduced import Model

# A breakpoint that is so near to a bend of the target is tried to be there.
_NEAR = arb(10) ** -20


@dataclass(frozen=True)
class Exactness:
    """Set on which N = f.

    Attributes
    ----------
    sides : for each breakpoint whether N = f to the left and to the right of it, up to the next breakpoint;
        there is no bend of f between
    pinned : for each breakpoint the bend of f where it is, if it is at one
    ends : whether N = f from the lower end, and to the upper end
    zeros : whether r = 0 at the lower end, and at the upper end, at least there
    """

    sides: tuple[tuple[bool, bool], ...]
    pinned: tuple[float | None, ...]
    ends: tuple[bool, bool]
    zeros: tuple[bool, bool]


def exactness(model: Model, found: CriticalPoint) -> Exactness | None:
    """Return where the network of a critical point is proved to be the target; None if nothing is."""
    linear, means = model.line.linear, model.line.mean_at_ends
    if means is not None and model.size == 1:  # the network is the mean
        return Exactness((), (), (False, False), (means.lower, means.upper))
    if linear is None or not model.affine:
        return None
    _, _, _, knots = model.split(found.point)
    pinned = [_pinned(q, linear) for q in knots]
    free = [k for k, place in enumerate(pinned) if place is None]
    rest = linear.without([place for place in pinned if place is not None])
    smaller = _smaller(model, found, rest, free)
    if smaller is None or not _is_that(model, found, smaller, linear, pinned, free):
        return None
    inner = [smaller.point[2 + len(free) + k] for k in range(len(free))]
    ends = [model.line.lower, *inner, model.line.upper]
    exact = [True] * (len(ends) - 1)
    for bend in rest.bends:
        piece = _piece(ball(bend), ends)
        if piece is None:
            return None
        exact[piece] = False
    sides: list[tuple[bool, bool]] = []
    for k, place in enumerate(pinned):
        if place is None:
            number = free.index(k)
            sides.append((exact[number], exact[number + 1]))
        else:
            piece = _piece(ball(place), ends)
            if piece is None or not exact[piece]:
                return None
            sides.append((True, True))
    ends_exact = exact[0], exact[-1]
    return Exactness(tuple(sides), tuple(pinned), ends_exact, ends_exact)


def _pinned(q: arb, linear: LinearTarget) -> float | None:
    return next((bend for bend in linear.bends if abs(q - ball(bend)) < _NEAR), None)


def _smaller(
    model: Model, found: CriticalPoint, rest: LinearTarget, free: Sequence[int]
) -> CriticalPoint | None:
    """Return the critical point for the target without the bends of pinned breakpoints."""
    alpha, beta, slopes, knots = model.split(found.centre)
    line = LineBalls(rest.balls(), model.line.density)
    smaller = Model(line, (1,) * len(free), affine=True)
    start = [alpha, beta, *(slopes[k] for k in free), *(knots[k] for k in free)]
    centre = newton(smaller, start)
    return None if centre is None else critical_point(smaller, centre, uniqueness=False)


def _is_that(
    model: Model,
    found: CriticalPoint,
    smaller: CriticalPoint,
    linear: LinearTarget,
    pinned: Sequence[float | None],
    free: Sequence[int],
) -> bool:
    """Return whether a critical point, with the pinned breakpoints added, is in the box of another one."""
    count = len(free)
    slopes, knots = [], []
    for k, place in enumerate(pinned):
        if place is None:
            slopes.append(smaller.point[2 + free.index(k)])
            knots.append(smaller.point[2 + count + free.index(k)])
        else:
            slopes.append(ball(linear.bends[place]))
            knots.append(ball(place))
    whole = [*smaller.point[:2], *slopes, *knots]
    radius = ball(found.unique)
    return all(bool(abs(x - c) < radius) for x, c in zip(whole, found.centre, strict=True))


def _piece(x: arb, ends: Sequence[arb]) -> int | None:
    """Return the piece that has a point inside; None if that is not proved."""
    for k in range(len(ends) - 1):
        if x > ends[k] and x < ends[k + 1]:
            return k
    return None
