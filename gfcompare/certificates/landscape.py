"""All critical points of narrow networks, proved to be all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from gfcompare.certificates.states import require_flint
from gfcompare.certificates.verdicts import kind_of
from gfcompare.components.component import check_instance
from gfcompare.components.errors import InputError
from gfcompare.problem import Problem

if TYPE_CHECKING:
    from gfcompare.certificates.enumeration import Found

#: What the enumeration leaves out, in sentences.
NOT_ENUMERATED = (
    "Neurons with outgoing weight 0, or with slopes that cancel where they meet, do not change the network: "
    "critical points with such neurons come in families and are not listed.",
    "A network with a breakpoint at an end is listed without it, as the neuron is inactive or fully active; "
    "whether the risk falls if the breakpoint moves in is not said.",
    "A network in which breakpoints meet is listed with fewer; whether the risk falls if they part is not "
    "said.",
)


@dataclass(frozen=True)
class LandscapePoint:
    """A critical point with distinct breakpoints inside the interval and slopes that change there.

    Attributes
    ----------
    neurons : how the neurons that are needed look; any other is inactive
    risk_low, risk_high : bounds of its risk, rounded outwards
    risk : enclosure of its risk as decimal text
    index : number of directions in which the risk decreases, with value, slope, breakpoints and changes of
        the slope as coordinates; -1 if it is not proved
    eigenvalue_low, eigenvalue_high : bounds of all eigenvalues of the Hessian in these coordinates
    knots : the breakpoints, as decimal text
    bends : the changes of the slope there
    point : value and slope at the lower end, breakpoints and changes of the slope, as in `Certificate`
    """

    neurons: str
    index: int
    risk_low: float
    risk_high: float
    risk: str
    eigenvalue_low: float
    eigenvalue_high: float
    knots: tuple[str, ...]
    bends: tuple[str, ...]
    point: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Kind of the point: a minimum or a saddle, or degenerate if that is not proved."""
        return kind_of(self.index) or "degenerate"


@dataclass(frozen=True)
class Landscape:
    """All critical points of a problem, by their risks in ascending order.

    Attributes
    ----------
    hidden : number of neurons
    points : the critical points
    undecided : where others may be, in words; empty if there are no others
    parts : number of rectangles that branch and bound has looked at
    not_enumerated : what is left out, in sentences
    """

    hidden: int
    points: tuple[LandscapePoint, ...]
    undecided: tuple[str, ...]
    parts: int
    not_enumerated: tuple[str, ...] = NOT_ENUMERATED

    @property
    def complete(self) -> bool:
        """True if it is proved that there are no others."""
        return not self.undecided


def not_covered(problem: Problem) -> str:
    """Return why the critical points of a problem cannot be enumerated; empty if they can."""
    require_flint()
    from gfcompare.certificates.coefficients import polynomial_density, polynomial_target
    from gfcompare.certificates.exact_problem import refusal

    widths = list(problem.network.widths)
    if widths not in ([1, 1, 1], [1, 2, 1]):
        return f"critical points are enumerated for widths [1, 1, 1] and [1, 2, 1], the network has {widths}"
    if polynomial_target(problem.target) is None:
        return (
            "critical points are enumerated for a target that is one polynomial (constant, affine, "
            f"polynomial, hermite-polynomial), not {problem.target.name!r}"
        )
    if polynomial_density(problem.measure) is None:
        return (
            "critical points are enumerated for a density that is one polynomial (uniform, or "
            f"piecewise-polynomial with one piece), not {problem.measure.name!r}"
        )
    return refusal(problem)


def landscape(problem: Problem) -> Landscape:
    """Enumerate the critical points of a network with one or two neurons, and prove that there are no others.

    Those with distinct breakpoints inside the interval and slopes that change there, by branch and bound in
    the breakpoints alone, in ball arithmetic (python-flint). docs/certificates.md has the argument;
    `NOT_ENUMERATED` says what is left out.

    Parameters
    ----------
    problem : of widths (1, 1, 1) or (1, 2, 1), with a target and a density that are one polynomial each

    Raises
    ------
    InputError
        if python-flint is not there, or the problem is another one

    Examples
    --------
    >>> import gfcompare as gfc
    >>> network = gfc.ReLUNetwork((1, 1, 1))
    >>> problem = gfc.Problem(network, gfc.targets.Polynomial([0.3, 4, -12, 8]), gfc.measures.Uniform())
    >>> found = gfc.certificates.landscape(problem)
    >>> print(found.complete, [f"{point.risk_high:.6f} {point.kind}" for point in found.points])
    True ['0.018114 minimum', '0.018114 minimum', '0.022857 minimum', '0.076190 minimum']
    """
    check_instance(problem, Problem, "the problem")
    if reason := not_covered(problem):
        raise InputError(f"{reason}.")
    from gfcompare.certificates.coefficients import polynomial_density, polynomial_target
    from gfcompare.certificates.exact_problem import interval_of

    target, density = polynomial_target(problem.target), polynomial_density(problem.measure)
    assert target is not None
    assert density is not None
    return _enumerated(problem.network.widths[1], tuple(target), tuple(density), interval_of(problem))


@lru_cache(maxsize=64)
def _enumerated(
    hidden: int,
    target: Sequence[Fraction],
    density: Sequence[Fraction],
    interval: tuple[float, float],
) -> Landscape:
    """Return the landscape of a polynomial target and density, ascending coefficients."""
    from gfcompare.certificates.enumeration import enumerated

    found, undecided, parts = enumerated(hidden, target, density, interval)
    points = sorted((_point(one) for one in found), key=lambda point: (point.risk_low, point.knots))
    return Landscape(hidden, tuple(points), tuple(undecided), parts)


def _point(found: Found) -> LandscapePoint:
    """Return a critical point as numbers and text."""
    from gfcompare.certificates.balls import decimals, high_double, low_double

    described = tuple(decimals(value, 30) for value in found.network)
    count = (len(described) - 2) // 2
    spectrum = found.spectrum
    proved = spectrum.negative + spectrum.positive == found.size
    return LandscapePoint(
        found.neurons,
        spectrum.negative if proved else -1,
        max(low_double(found.risk), 0.0),
        high_double(found.risk),
        decimals(found.risk),
        low_double(spectrum.smallest),
        high_double(spectrum.largest),
        described[2 : 2 + count],
        described[2 + count :],
        described,
    )
