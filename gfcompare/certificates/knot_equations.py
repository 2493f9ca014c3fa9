"""Critical networks of one or two breakpoints as zeros of polynomials in the breakpoints alone.

Where slopes are not 0, G = 0 says that r = N - f is orthogonal to all piecewise affine functions, which may
jump, that belong to the pattern: for breakpoints that are given there is one fit of that kind, by the normal
equations, and N is critical if the fit is continuous. That is one equation for each breakpoint. On [0, 1]:

    constant, affine, affine ("caa")        two neurons that look to the right
    affine, affine, constant ("aac")        to the left
    affine, constant, affine ("aca")        one to each side, the left one first
    overlapping                             the right one first: three affine pieces, the slope of the middle
                                            one the sum of the others
    constant, affine; affine, constant      one neuron
    affine, affine                          one neuron, and one that is fully active, or two that meet

The widths of the pieces h_0, h_1, h_2 are coordinates on a triangle. Near the corner h_k = 1 they are h_k = 1
- t and t u, t (1 - u): three charts with t <= 2/3 cover the triangle. The equations vanish at its corners and
edges to some order, which is divided out exactly: the powers of t, u and 1 - u.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from flint import arb, fmpq, fmpq_mpoly, fmpq_poly

from gfcompare.certificates.rational_functions import ONE, RING, Quotient, T, U, composed, rational, without


@dataclass(frozen=True)
class Pattern:
    """Arrangement of the neurons of a critical network.

    Parameters
    ----------
    pieces : "c" or "a" for each piece, constant or affine; "overlap" for two neurons whose active intervals
        overlap
    orientations : of the features, from left to right
    affine : whether the affine part is free
    neurons : the same in words
    """

    pieces: str
    orientations: tuple[int, ...]
    affine: bool
    neurons: str


#: Patterns with breakpoints by the number of neurons that they need at least.
PATTERNS = {
    1: (
        Pattern("ca", (1,), False, "right"),
        Pattern("ac", (-1,), False, "left"),
    ),
    2: (
        Pattern("aa", (1,), True, "one breakpoint, affine part free"),
        Pattern("caa", (1, 1), False, "right, right"),
        Pattern("aac", (-1, -1), False, "left, left"),
        Pattern("aca", (-1, 1), False, "left, right"),
        Pattern("overlap", (1, -1), False, "right, left, overlapping"),
    ),
}


@dataclass(frozen=True)
class Data:
    """Target and density on [0, 1], a density up to a factor.

    Parameters
    ----------
    target, density : polynomials
    """

    target: fmpq_poly
    density: fmpq_poly

    def moments(self, left: fmpq_mpoly, right: fmpq_mpoly) -> tuple[list[Quotient], list[Quotient]]:
        """Return integrals of x^k p, k = 0, 1, 2, and of x^k f p, k = 0, 1, between two polynomials."""
        weights = [self.density * fmpq_poly([0] * k + [1]) for k in range(3)]
        against = [weight * self.target for weight in weights[:2]]
        found = [[_between(g.integral(), left, right) for g in group] for group in (weights, against)]
        return found[0], found[1]


def _between(antiderivative: fmpq_poly, left: fmpq_mpoly, right: fmpq_mpoly) -> Quotient:
    coefficients = list(antiderivative.coeffs())
    return Quotient.of(composed(coefficients, right) - composed(coefficients, left))


@dataclass(frozen=True)
class Piece:
    """The best fit on a piece [left, right] by functions intercept + slope x.

    Attributes
    ----------
    mean, spread : of the density on the piece: the expectation of x, and its variance times the mass
    """

    left: Quotient
    right: Quotient
    intercept: Quotient
    slope: Quotient
    mean: Quotient
    spread: Quotient

    @classmethod
    def of(cls, data: Data, left: fmpq_mpoly, right: fmpq_mpoly, kind: str) -> Piece:
        """Return the fit of a kind, "c" or "a"."""
        (m0, m1, m2), (f0, f1) = data.moments(left, right)
        mean = m1 / m0
        spread = m2 - m1 * mean
        slope = Quotient(RING.constant(0), ONE)
        if kind == "a":
            slope = (f1 - f0 * mean) / spread
        return cls(Quotient(left, ONE), Quotient(right, ONE), f0 / m0 - slope * mean, slope, mean, spread)

    def at(self, x: Quotient) -> Quotient:
        """Return the fit at x."""
        return self.intercept + self.slope * x

    def turned(self, change: Quotient) -> Piece:
        """Return a function with another slope and the same mean."""
        return Piece(
            self.left,
            self.right,
            self.intercept - change * self.mean,
            self.slope + change,
            self.mean,
            self.spread,
        )


def continuity(data: Data, pattern: Pattern, knots: Sequence[fmpq_mpoly]) -> list[tuple[Quotient, Quotient]]:
    """Return for each breakpoint the jump of the fit, and the change of its slope."""
    ends = [RING.constant(0), *knots, RING.constant(1)]
    overlap = pattern.pieces == "overlap"
    kinds = "aaa" if overlap else pattern.pieces
    pieces = [Piece.of(data, ends[k], ends[k + 1], kind) for k, kind in enumerate(kinds)]
    if overlap:
        # The nearest with slopes m_0 - m_1 + m_2 = 0: a multiplier, and changes inverse to the spreads.
        lack = pieces[0].slope - pieces[1].slope + pieces[2].slope
        weights = [
            pieces[1].spread * pieces[2].spread,
            pieces[0].spread * pieces[2].spread,
            pieces[0].spread * pieces[1].spread,
        ]
        unit = lack / (weights[0] + weights[1] + weights[2])
        pieces = [
            piece.turned(-(unit * w) if k != 1 else unit * w)
            for k, (piece, w) in enumerate(zip(pieces, weights, strict=True))
        ]
    result = []
    for k, knot in enumerate(knots):
        q = Quotient(knot, ONE)
        jump = pieces[k + 1].at(q) - pieces[k].at(q)
        result.append((jump, pieces[k + 1].slope - pieces[k].slope))
    return result


@dataclass(frozen=True)
class Chart:
    """Two breakpoints as polynomials in t and u, near the corner where piece `wide` is everything."""

    wide: int

    @property
    def knots(self) -> tuple[fmpq_mpoly, fmpq_mpoly]:
        """The breakpoints."""
        widths = [T * U, T * (1 - U)]
        widths.insert(self.wide, 1 - T)
        return widths[0], widths[0] + widths[1]


CHARTS = tuple(Chart(k) for k in range(3))
#: The charts reach to this t.
REACH = fmpq(2, 3)


@dataclass(frozen=True)
class System:
    """The equations of a pattern in a chart.

    Attributes
    ----------
    polynomials : in t and u; their zeros inside are the critical networks
    bends : they vanish where the slope of the fit does not change at a breakpoint
    """

    polynomials: list[fmpq_mpoly]
    bends: list[fmpq_mpoly]

    def is_unbent(self, place: tuple[arb, arb]) -> bool:
        """Return whether the zero in a tiny box is proved to be one where a slope does not change.

        It is if the simplest fractions nearby solve the equations, exactly.
        """
        t, u = (_simplest(side) for side in place)
        if not all(side.contains(arb(x)) for side, x in zip(place, (t, u), strict=True)):
            return False
        if not all(p.subs({"t": t, "u": u}).is_zero() for p in self.polynomials):
            return False
        return any(bend.subs({"t": t, "u": u}).is_zero() for bend in self.bends)


def _simplest(side: arb) -> fmpq:
    """Return a fraction with a small denominator near the middle of a ball."""
    mantissa, exponent = side.mid().man_exp()
    return rational((Fraction(int(mantissa)) * Fraction(2) ** int(exponent)).limit_denominator(10**6))


def equations(data: Data, pattern: Pattern, chart: Chart) -> System | None:
    """Return polynomials in t and u whose zeros inside are the critical networks of a pattern in a chart.

    They are divided by the powers of t, u and 1 - u in them. None says that there are none with slopes that
    are not 0, as the slope does not change at a breakpoint of the fit, wherever the breakpoints are.
    """
    polynomials, bends = [], []
    for jump, bend in continuity(data, pattern, chart.knots):
        if bend.numerator.is_zero():
            return None
        bends.append(bend.numerator)
        polynomials.append(
            without(jump.numerator, (T, U, 1 - U)) if not jump.numerator.is_zero() else jump.numerator
        )
    return System(polynomials, bends)


def equation(data: Data, pattern: Pattern) -> fmpq_poly | None:
    """Return a polynomial whose zeros in (0, 1) are the critical networks of a pattern with one breakpoint.

    It is divided by the powers of x and 1 - x in it; None says the same as for two breakpoints.
    """
    jump, bend = continuity(data, pattern, [T])[0]
    if bend.numerator.is_zero():
        return None
    found = jump.numerator
    if not found.is_zero():
        found = without(found, (T, 1 - T))
    terms = {power: value for (power, _), value in found.to_dict().items()}
    return fmpq_poly([terms.get(k, fmpq(0)) for k in range(max(terms, default=0) + 1)])
