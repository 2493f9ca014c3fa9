"""Piecewise polynomials whose coefficients are balls, and the target and density of a problem as such."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from flint import arb, arb_poly

from gfcompare.certificates.balls import ZERO, ball, high_double, hull, low_double


@dataclass(frozen=True)
class PiecewiseBalls:
    """A piecewise polynomial on [knots[0], knots[-1]].

    Parameters
    ----------
    knots : doubles, strictly increasing
    pieces : for each piece a polynomial in x - centre, with the exact centre 0.5 (left + right)
    """

    knots: tuple[float, ...]
    pieces: tuple[arb_poly, ...]

    @cached_property
    def ends(self) -> tuple[arb, ...]:
        """The knots as balls without radius."""
        return tuple(map(ball, self.knots))

    @cached_property
    def centres(self) -> tuple[arb, ...]:
        """The centres of the pieces, up to the precision."""
        return tuple((left + right) / 2 for left, right in zip(self.ends[:-1], self.ends[1:], strict=True))

    @cached_property
    def derivatives(self) -> tuple[arb_poly, ...]:
        """The derivative of each piece."""
        return tuple(piece.derivative() for piece in self.pieces)

    def __call__(self, x: arb) -> arb:
        """Return a ball with the values at all points of x in the interval, from both sides at knots.

        Points of x outside the interval count as its nearest end. On a piece that x covers in part, the mean
        value form encloses: f(middle) + f'(x) (x - middle).
        """
        found: arb | None = None
        for j in self._touched(x):
            piece, left, right = self.pieces[j], self.ends[j], self.ends[j + 1]
            if (j and x < left) or (j < len(self.pieces) - 1 and x > right):
                continue  # nearer to the knot than the next double, but on the other side
            inside = x.max(left).min(right)
            middle = inside.mid()
            value = piece(middle - self.centres[j])
            if not inside.is_exact():
                value += self.derivatives[j](inside - self.centres[j]) * (inside - middle)
            found = value if found is None else hull(found, value)
        return arb.nan() if found is None else found

    def _touched(self, x: arb) -> range:
        """Return the pieces that have a point of x or are nearest to one, those with an end in x included."""
        last = len(self.pieces) - 1
        if last == 0:
            return range(1)
        first = bisect_left(self.knots, low_double(x)) - 1
        final = bisect_right(self.knots, high_double(x)) - 1
        return range(min(max(first, 0), last), min(max(final, 0), last) + 1)

    def refined(self, knots: Sequence[float]) -> PiecewiseBalls:
        """Return the same function on more knots."""
        if tuple(knots) == self.knots:
            return self
        pieces, j = [], 0
        for left, right in itertools.pairwise(knots):
            while self.knots[j + 1] <= left:
                j += 1
            shift = (ball(left) + ball(right)) / 2 - self.centres[j]
            pieces.append(self.pieces[j](arb_poly([shift, 1])))
        return PiecewiseBalls(tuple(knots), tuple(pieces))

    def times(self, other: PiecewiseBalls) -> PiecewiseBalls:
        """Return the product with a function on the same knots."""
        pieces = tuple(a * b for a, b in zip(self.pieces, other.pieces, strict=True))
        return PiecewiseBalls(self.knots, pieces)

    def times_distance(self, start: arb) -> PiecewiseBalls:
        """Return the product with x - start."""
        pairs = zip(self.pieces, self.centres, strict=True)
        return PiecewiseBalls(self.knots, tuple(p * arb_poly([c - start, 1]) for p, c in pairs))

    def antiderivative(self) -> PiecewiseBalls:
        """Return the antiderivative that vanishes at the first knot."""
        total, pieces = ZERO, []
        for j, piece in enumerate(self.pieces):
            whole = piece.integral()
            start = whole(self.ends[j] - self.centres[j])
            pieces.append(whole + (total - start))
            total = total - start + whole(self.ends[j + 1] - self.centres[j])
        return PiecewiseBalls(self.knots, tuple(pieces))

    def total(self) -> arb:
        """Return the integral over the whole interval."""
        return self.antiderivative().last

    @property
    def last(self) -> arb:
        """The value at the last knot, on the last piece."""
        return self.pieces[-1](self.ends[-1] - self.centres[-1])

    def scaled(self, factor: arb) -> PiecewiseBalls:
        """Return `factor` times the function."""
        return PiecewiseBalls(self.knots, tuple(piece * factor for piece in self.pieces))


@dataclass(frozen=True)
class LinearTarget:
    """A continuous piecewise linear target, exactly.

    Parameters
    ----------
    knots : doubles, from a to b
    rows : intercept and slope on each piece
    """

    knots: Sequence[float]
    rows: Sequence[Sequence[Fraction]]

    @property
    def bends(self) -> dict[float, Fraction]:
        """Points at which the slope changes, and the changes."""
        changes = (after[1] - before[1] for before, after in itertools.pairwise(self.rows))
        return {q: bend for q, bend in zip(self.knots[1:-1], changes, strict=True) if bend}

    def without(self, places: Sequence[float]) -> LinearTarget:
        """Return the target minus bend (x - q)^+ for some of the places q where it bends."""
        bends = self.bends
        intercept, slope = self.rows[0]
        knots, rows = [self.knots[0]], [[intercept, slope]]
        for q in sorted(set(bends) - set(places)):
            intercept, slope = intercept - bends[q] * Fraction(q), slope + bends[q]
            knots.append(q)
            rows.append([intercept, slope])
        return LinearTarget([*knots, self.knots[-1]], rows)

    def balls(self) -> PiecewiseBalls:
        """Return it in balls."""
        pieces = []
        for left, right, (intercept, slope) in zip(self.knots[:-1], self.knots[1:], self.rows, strict=True):
            centre = (ball(left) + ball(right)) / 2
            pieces.append(arb_poly([ball(intercept) + ball(slope) * centre, ball(slope)]))
        return PiecewiseBalls(tuple(self.knots), tuple(pieces))


@dataclass(frozen=True)
class MeanAtEnds:
    """Ends at which the target has its mean, exactly.

    Parameters
    ----------
    lower, upper : whether f(a), and f(b), is the integral of f p
    slope : f' at all points of a ball near one of the ends
    """

    lower: bool
    upper: bool
    slope: Callable[[arb], arb]


@dataclass(frozen=True)
class LineBalls:
    """Target f and density p on [a, b] with the antiderivatives from which all integrals are taken.

    Parameters
    ----------
    target, density : on the same interval; the density has total mass 1
    linear : the target exactly, if it is continuous and piecewise linear and the density uniform
    mean_at_ends : if the density is uniform, and the target has its mean at an end, exactly
    """

    target: PiecewiseBalls
    density: PiecewiseBalls
    linear: LinearTarget | None = None
    mean_at_ends: MeanAtEnds | None = None

    @classmethod
    def of(cls, target: PiecewiseBalls, unnormalized: PiecewiseBalls) -> LineBalls:
        """Return the problem of a target and a density up to a factor, on the same interval."""
        return cls(target, unnormalized.scaled(1 / unnormalized.total()))

    @property
    def lower(self) -> arb:
        """The end a."""
        return self.density.ends[0]

    @property
    def upper(self) -> arb:
        """The end b."""
        return self.density.ends[-1]

    @cached_property
    def mass(self) -> tuple[PiecewiseBalls, ...]:
        """Integrals from a to x of (x - a)^k p, for k = 0, 1, 2."""
        weighted = [self.density]
        for _ in range(2):
            weighted.append(weighted[-1].times_distance(self.lower))
        return tuple(function.antiderivative() for function in weighted)

    @cached_property
    def masses(self) -> tuple[arb, ...]:
        """Integrals over [a, b] of (x - a)^k p, for k = 0, 1, 2."""
        return tuple(function.last for function in self.mass)

    @cached_property
    def _product(self) -> PiecewiseBalls:
        """F p, on the knots of both."""
        knots = sorted({*self.target.knots, *self.density.knots})
        return self.target.refined(knots).times(self.density.refined(knots))

    @cached_property
    def weighted_target(self) -> tuple[PiecewiseBalls, ...]:
        """Integrals from a to x of (x - a)^k f p, for k = 0, 1."""
        weighted = (self._product, self._product.times_distance(self.lower))
        return tuple(function.antiderivative() for function in weighted)

    @cached_property
    def target_moments(self) -> tuple[arb, ...]:
        """Integrals over [a, b] of (x - a)^k f p, for k = 0, 1."""
        return tuple(function.last for function in self.weighted_target)

    @cached_property
    def target_square(self) -> arb:
        """Integral over [a, b] of f^2 p."""
        return self._product.times(self.target.refined(self._product.knots)).total()
