"""Target and density of a problem in balls, from their definitions; and what is refused, with the reason."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
from flint import arb, arb_poly, ctx

from gfcompare import measures, targets
from gfcompare.certificates.balls import ZERO, ball, precision, square, symmetric
from gfcompare.certificates.coefficients import (
    absolute_value,
    affine,
    coefficients_of,
    continuous_rows,
    hermite,
    interpolant,
    knots_between,
    mean_at_ends,
    number,
    polynomial_target,
)
from gfcompare.certificates.pieces import LinearTarget, LineBalls, MeanAtEnds, PiecewiseBalls
from gfcompare.components.component import Component
from gfcompare.problem import Problem

#: More pieces than this of a sine or a normal density, and the problem is refused.
MAXIMAL_PIECES = 2048

Rows = Sequence[Sequence[Fraction]]


class NotCoveredError(Exception):
    """A problem or a state for which the proof does not hold, with the reason."""


def refusal(problem: Problem) -> str:
    """Return why nothing can be proved for a problem; empty if the proof covers it."""
    widths = list(problem.network.widths)
    if len(widths) != 3 or widths[0] != 1 or widths[2] != 1:
        return f"certificates are for widths [1, H, 1], the network has {widths}"
    if problem.frozen:
        return f"certificates are for flows of all parameters, {', '.join(problem.frozen)} are frozen"
    if type(problem.measure) not in _DENSITIES:
        return f"the measure {problem.measure.name!r} has no density with a formula: " + _formulas(_DENSITIES)
    if type(problem.target) not in _TARGETS:
        return f"the target {problem.target.name!r} has no formula on an interval: " + _formulas(_TARGETS)
    try:
        exact_problem(problem, 64)
    except NotCoveredError as error:
        return str(error)
    return ""


def exact_problem(problem: Problem, bits: int) -> LineBalls:
    """Return target and density of a problem in balls, as exact as `bits` bits allow.

    Raises
    ------
    NotCoveredError
        if a sine or a normal density varies so fast that it would need too many pieces
    """
    return _cached(_Key(problem), bits)


def interval_of(problem: Problem) -> tuple[float, float]:
    """Return the ends of the interval of the inputs."""
    assert isinstance(problem.measure, measures.LineMeasure)
    lower, upper = problem.measure.interval
    return float(lower), float(upper)


class _Key:
    """A problem as the key of a cache: the object itself, not what it is equal to."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def __hash__(self) -> int:
        return id(self.problem)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.problem is self.problem


@lru_cache(maxsize=16)
def _cached(key: _Key, bits: int) -> LineBalls:
    target, measure = key.problem.target, key.problem.measure
    lower, upper = interval_of(key.problem)
    with precision(bits + 20):  # rounding of the integrals stays below that of what is made of them
        f = _TARGETS[type(target)](target, lower, upper)
        line = LineBalls.of(f, _DENSITIES[type(measure)](measure, lower, upper))
        if not isinstance(measure, measures.Uniform):
            return line
        rows = continuous_rows(target, lower, upper)
        at = mean_at_ends(target, lower, upper)
        return replace(
            line,
            linear=None if rows is None else LinearTarget(*rows),
            mean_at_ends=MeanAtEnds(*at, _slope(target)) if any(at) else None,
        )


def _formulas(known: dict[type, Callable[..., PiecewiseBalls]]) -> str:
    return "one of " + ", ".join(sorted(cls.name for cls in known)) + " is needed"  # type: ignore[attr-defined]


def _from_rows(knots: Sequence[float], rows: Rows) -> PiecewiseBalls:
    """Return the function with coefficients ascending in x on each piece."""
    pieces = []
    for left, right, row in zip(knots[:-1], knots[1:], rows, strict=True):
        centre = (ball(left) + ball(right)) / 2
        pieces.append(arb_poly([ball(c) for c in row])(arb_poly([centre, 1])))
    return PiecewiseBalls(tuple(knots), tuple(pieces))


def _constant(target: targets.Constant, lower: float, upper: float) -> PiecewiseBalls:
    return _from_rows([lower, upper], [[number(target.value)]])


def _affine(target: targets.Affine, lower: float, upper: float) -> PiecewiseBalls:
    return _from_rows([lower, upper], [affine(target)])


def _polynomial(target: targets.Polynomial, lower: float, upper: float) -> PiecewiseBalls:
    return _from_rows([lower, upper], [coefficients_of(target.coefficients)])


def _hermite(target: targets.HermitePolynomial, lower: float, upper: float) -> PiecewiseBalls:
    return _from_rows([lower, upper], [hermite(target)])


def _pieces(target: targets.PiecewisePolynomial, lower: float, upper: float) -> PiecewiseBalls:
    knots = knots_between(lower, upper, target.knots)
    starts = [float(k) for k in target.knots]
    rows = []
    for left in knots[:-1]:
        j = max(k for k, start in enumerate(starts[:-1]) if start <= left)
        rows.append(coefficients_of(target.coefficients[j]))
    return _from_rows(knots, rows)


def _linear(target: targets.PiecewiseLinear, lower: float, upper: float) -> PiecewiseBalls:
    return _from_rows(*interpolant(target, lower, upper))


def _absolute(target: targets.AbsoluteValue, lower: float, upper: float) -> PiecewiseBalls:
    return _from_rows(*absolute_value(target, lower, upper))


def _step(target: targets.Step, lower: float, upper: float) -> PiecewiseBalls:
    location, left, right = map(number, (target.location, target.left, target.right))
    knots = knots_between(lower, upper, [float(location)])
    return _from_rows(knots, [[right if start >= location else left] for start in knots[:-1]])


def _table(target: targets.Table, lower: float, upper: float) -> PiecewiseBalls:
    """Return the interpolant as it is computed: its coefficients, two doubles each, define the target."""
    whole = target.on(lower, upper)
    pieces = []
    for j in range(len(whole.high)):
        half = (ball(whole.knots[j + 1]) - ball(whole.knots[j])) / 2
        local = [ball(h) + ball(e) for h, e in zip(whole.high[j, 0], whole.low[j, 0], strict=True)]
        pieces.append(arb_poly(local)(arb_poly([0, 1 / half])))
    return PiecewiseBalls(tuple(map(float, whole.knots)), tuple(pieces))


def _sine(target: targets.Sine, lower: float, upper: float) -> PiecewiseBalls:
    amplitude, frequency, phase, offset = (
        ball(number(v)) for v in (target.amplitude, target.frequency, target.phase, target.offset)
    )
    speed = 2 * arb.pi() * frequency

    def series(x: arb, length: int) -> list[arb]:
        sine, cosine = (speed * x + phase).sin(), (speed * x + phase).cos()
        factor, found = amplitude, []
        for k in range(length):
            found.append(factor * (sine, cosine, -sine, -cosine)[k % 4])
            factor = factor * speed / (k + 1)
        found[0] += offset
        return found

    return _taylor(series, lower, upper, 0.25 / max(abs(float(speed)), 1e-300), "sine")


def _slope(target: Component) -> Callable[[arb], arb]:
    """Return the derivative of a sine or a polynomial at all points of a ball."""
    if isinstance(target, targets.Sine):
        speed = 2 * arb.pi() * ball(number(target.frequency))
        amplitude, phase = ball(number(target.amplitude)), ball(number(target.phase))
        return lambda x: amplitude * speed * (speed * x + phase).cos()
    found = polynomial_target(target)
    assert found is not None
    return arb_poly([ball(c) for c in found]).derivative()


def _uniform(measure: measures.Uniform, lower: float, upper: float) -> PiecewiseBalls:
    return _from_rows([lower, upper], [[Fraction(1)]])


def _piecewise_density(measure: measures.PiecewisePolynomial, lower: float, upper: float) -> PiecewiseBalls:
    return _from_rows(list(measure.knots), [[Fraction(c) for c in row] for row in measure.coefficients])


def _normal(measure: measures.TruncatedNormal, lower: float, upper: float) -> PiecewiseBalls:
    mean, deviation = ball(measure.mean), ball(measure.standard_deviation)
    nearest = ball(min(max(measure.mean, lower), upper))

    def series(x: arb, length: int) -> list[arb]:
        # g = exp(-z^2 / 2) up to a factor solves g' = -z z' g, so its coefficients a recurrence.
        z, slope = (x - mean) / deviation, 1 / deviation
        found = [((square((nearest - mean) / deviation) - square(z)) / 2).exp()]
        for k in range(length - 1):
            before = found[k - 1] * slope if k else ZERO
            found.append(-slope * (z * found[k] + before) / (k + 1))
        return found

    gap = abs(float(nearest) - measure.mean) / measure.standard_deviation
    return _taylor(series, lower, upper, 0.25 * measure.standard_deviation / max(1.0, gap), "normal density")


def _taylor(
    series: Callable[[arb, int], list[arb]], lower: float, upper: float, half: float, name: str
) -> PiecewiseBalls:
    """Return the Taylor polynomials of a function on pieces, its remainders as a radius of the constants.

    Lagrange's remainder is the next coefficient of the series at some point of the piece, times the distance
    to the centre: the coefficient is enclosed for all points of the piece at once.

    Parameters
    ----------
    series : the first coefficients of the power series at a point, so many of them
    half : wanted half width of the pieces
    """
    count = math.ceil(min(0.5 * (upper - lower) / half, 1e9)) or 1
    if count > MAXIMAL_PIECES:
        raise NotCoveredError(
            f"the {name} varies so fast on the interval that {count} pieces would be needed, "
            f"and at most {MAXIMAL_PIECES} are allowed"
        )
    knots = [float(k) for k in np.linspace(lower, upper, count + 1)]
    knots[0], knots[-1] = lower, upper
    pieces = []
    for left, right in itertools.pairwise(knots):
        centre, radius = (ball(left) + ball(right)) / 2, (ball(right) - ball(left)) / 2
        for length in range(8, 200, 8):
            last = series(arb(centre, radius.upper()), length + 1)[length]
            remainder = abs(last) * radius**length
            if remainder < arb(2) ** (-ctx.prec):
                break
        coefficients = series(centre, length)
        coefficients[0] += symmetric(remainder)
        pieces.append(arb_poly(coefficients))
    return PiecewiseBalls(tuple(knots), tuple(pieces))


_TARGETS: dict[type, Callable[..., PiecewiseBalls]] = {
    targets.Constant: _constant,
    targets.Affine: _affine,
    targets.Polynomial: _polynomial,
    targets.HermitePolynomial: _hermite,
    targets.PiecewisePolynomial: _pieces,
    targets.PiecewiseLinear: _linear,
    targets.Sine: _sine,
    targets.AbsoluteValue: _absolute,
    targets.Step: _step,
    targets.Table: _table,
}

_DENSITIES: dict[type, Callable[..., PiecewiseBalls]] = {
    measures.Uniform: _uniform,
    measures.PiecewisePolynomial: _piecewise_density,
    measures.TruncatedNormal: _normal,
}
