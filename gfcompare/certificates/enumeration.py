"""The enumeration behind a landscape: the equations of each pattern of neurons, and their zeros."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from flint import arb, arb_mat, arb_poly, fmpq, fmpq_poly

from gfcompare.certificates.balls import ball, column, middles, precision
from gfcompare.certificates.branch_and_bound import refined, zeros
from gfcompare.certificates.existence import CriticalPoint, critical_point, described, newton
from gfcompare.certificates.knot_equations import (
    CHARTS,
    PATTERNS,
    REACH,
    Chart,
    Data,
    Pattern,
    System,
    equation,
    equations,
)
from gfcompare.certificates.pieces import LineBalls, PiecewiseBalls
from gfcompare.certificates.rational_functions import rational
from gfcompare.certificates.reduced import Model
from gfcompare.certificates.spectrum import Spectrum, spectrum

BITS = 192


@dataclass(frozen=True)
class Found:
    """A critical point.

    Attributes
    ----------
    neurons : in words
    network : value and slope at the lower end, breakpoints, changes of the slope
    spectrum : of the Hessian in `size` coordinates
    """

    neurons: str
    risk: arb
    network: list[arb]
    spectrum: Spectrum
    size: int


@dataclass
class _Search:
    """The problem, and what is found as the search goes on."""

    data: Data
    line: LineBalls
    found: list[Found] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    parts: int = 0

    def knot(self, x: arb) -> arb:
        """Return a place of [0, 1] on the interval."""
        return self.line.lower + (self.line.upper - self.line.lower) * x


def enumerated(
    hidden: int, target: Sequence[Fraction], density: Sequence[Fraction], interval: tuple[float, float]
) -> tuple[list[Found], list[str], int]:
    """Return the critical points, where others may be in words, and how many rectangles were looked at."""
    with precision(BITS):
        f, p = (fmpq_poly([rational(c) for c in row]) for row in (target, density))
        low, high = (rational(Fraction(end)) for end in interval)
        unit = fmpq_poly([low, high - low])
        line = LineBalls.of(_one_piece(f, interval), _one_piece(p, interval))
        search = _Search(Data(f(unit), p(unit)), line)
        _without_knots(search)
        for needed in range(1, hidden + 1):
            for pattern in PATTERNS[needed]:
                (_one_knot if len(pattern.orientations) == 1 else _two_knots)(search, pattern)
        return search.found, search.undecided, search.parts


def _one_piece(polynomial: fmpq_poly, interval: tuple[float, float]) -> PiecewiseBalls:
    low, high = (rational(Fraction(end)) for end in interval)
    around_centre = polynomial(fmpq_poly([(low + high) / 2, 1]))
    return PiecewiseBalls(interval, (arb_poly([arb(c) for c in around_centre.coeffs()]),))


def _without_knots(search: _Search) -> None:
    """Add the best constant, and the best affine function unless it is constant."""
    x = fmpq_poly([0, 1])
    p, f = search.data.density, search.data.target

    def over(g: fmpq_poly) -> fmpq:
        return g.integral()(fmpq(1))

    flat = over(p) * over(x * f * p) == over(x * p) * over(f * p)
    _add(search, Pattern("c", (), False, "none" if not flat else "none, or fully active"), [])
    if not flat:
        _add(search, Pattern("a", (), True, "fully active"), [])


def _one_knot(search: _Search, pattern: Pattern) -> None:
    """Add the critical points with one breakpoint: by isolation of the roots of a polynomial, exactly."""
    polynomial = equation(search.data, pattern)
    if polynomial is None:
        return
    if polynomial.is_zero():
        search.undecided.append(f"{pattern.neurons}: the equation holds for every breakpoint")
        return
    roots = [(root, n) for root, n in _real_roots(polynomial) if not (root < 0 or root > 1)]
    for root, multiplicity in roots:  # neither 0 nor 1 is one: these are divided out
        others = [other for other, _ in roots if other is not root]
        if not (root > 0 and root < 1) or multiplicity > 1:
            search.undecided.append(f"{pattern.neurons}: {_text(search, [root])}")
        else:
            _add(search, pattern, [root], apart=others)


def _real_roots(polynomial: fmpq_poly) -> list[tuple[arb, int]]:
    """Return balls around the real roots, each with exactly one, and multiplicities."""
    found = []
    roots: Any = polynomial.numer().complex_roots()  # pairs, which the stubs of python-flint do not say
    for root, multiplicity in roots:
        real, imaginary = (root, arb(0)) if isinstance(root, arb) else (root.real, root.imag)
        if imaginary.contains(0):
            found.append((real, multiplicity))
    return found


def _two_knots(search: _Search, pattern: Pattern) -> None:
    """Add the critical points with two breakpoints."""
    seen: list[CriticalPoint] = []
    for chart in CHARTS:
        system = equations(search.data, pattern, chart)
        if system is None:
            return
        if any(p.is_zero() for p in system.polynomials):
            search.undecided.append(f"{pattern.neurons}: an equation holds for all breakpoints")
            return
        result = zeros(system.polynomials, REACH)
        search.parts += result.parts
        for t, u in result.undecided:
            search.undecided.append(f"{pattern.neurons}: {_text(search, _knots(chart, t, u))}")
        for place in result.isolated:
            for knots in _inside(search, pattern, chart, system, place):
                added = _add(search, pattern, knots, seen)
                if added is not None:
                    seen.append(added)


def _inside(
    search: _Search,
    pattern: Pattern,
    chart: Chart,
    system: System,
    place: tuple[arb, arb],
) -> Iterator[list[arb]]:
    """Yield the breakpoints of the zero in a rectangle, if it is inside; note it if that is not decided.

    Where the slope of the fit does not change, exactly, the network has a neuron with outgoing weight 0.
    """
    zero = refined(system.polynomials, place)
    if zero is None:
        search.undecided.append(f"{pattern.neurons}: {_text(search, _knots(chart, *place))}")
        return
    t, u = zero
    inner = [t, u, 1 - u]
    if any(side < 0 for side in inner) or system.is_unbent(zero):
        return
    knots = _knots(chart, t, u)
    if all(side > 0 for side in inner) and t > arb(2) ** -16:
        yield knots
    else:
        search.undecided.append(f"{pattern.neurons}: near the boundary, {_text(search, knots)}")


def _knots(chart: Chart, t: arb, u: arb) -> list[arb]:
    widths = [t * u, t * (1 - u)]
    widths.insert(chart.wide, 1 - t)
    return [widths[0], widths[0] + widths[1]]


def _text(search: _Search, knots: Sequence[arb]) -> str:
    return "breakpoints near " + ", ".join(str(search.knot(x).str(6)) for x in knots)


def _add(
    search: _Search,
    pattern: Pattern,
    places: Sequence[arb],
    seen: Sequence[CriticalPoint] = (),
    apart: Sequence[arb] = (),
) -> CriticalPoint | None:
    """Add the critical point with breakpoints in some balls, unless it was found before, and return it."""
    model = Model(search.line, pattern.orientations, pattern.affine)
    knots = [search.knot(x) for x in places]
    centre = newton(model, _start(model, knots))
    found = None if centre is None else critical_point(model, centre)
    # The equations hold at its breakpoints: it is the zero that was isolated if no other is so near.
    there = [] if found is None else list(model.split(found.point)[3])
    if (
        found is None
        or not all(a.overlaps(b) for a, b in zip(there, knots, strict=True))
        or any(there[0].overlaps(search.knot(x)) for x in apart)
    ):
        search.undecided.append(f"{pattern.neurons}: {_text(search, places)}")
        return None
    if any(_same(found, other) for other in seen):
        return None
    if any(bend.contains(0) for bend in model.split(found.point)[2]):
        search.undecided.append(f"{pattern.neurons}: the slope may not change, {_text(search, places)}")
        return None
    known = model.moments(found.point)
    hessian = model.hessian(found.point, known, model.residuals(found.point, known))
    search.found.append(
        Found(
            pattern.neurons,
            model.risk(found.point, known),
            described(model, found),
            spectrum(hessian),
            model.size,
        )
    )
    return found


def _start(model: Model, knots: Sequence[arb]) -> list[arb]:
    """Return the coordinates of the best network with some breakpoints."""
    linear = model.first_breakpoint
    zero = [arb(0)] * linear + [q.mid() for q in knots]
    known = model.moments(zero)
    gradient = model.gradient(zero, known)[:linear]
    hessian = middles(model.hessian(zero, known, model.residuals(zero, known)))
    block = arb_mat([[hessian[i, j] for j in range(linear)] for i in range(linear)])
    solution = block.solve(column([-g.mid() for g in gradient]))
    return [value.mid() for value in solution.entries()] + zero[linear:]


def _same(first: CriticalPoint, second: CriticalPoint) -> bool:
    """Return whether two critical points of a model are one: a box in which there is one has both."""
    radius = ball(first.unique)
    return all(bool(abs(b - c) < radius) for b, c in zip(second.point, first.centre, strict=True))
