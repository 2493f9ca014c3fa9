"""Kernel data of a rectangle and a target in the plane."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy
from numpy.typing import NDArray

from gfcompare.evaluators.box_terms import (
    box_frame,
    crossing_neurons,
    exact_rows,
    integral,
    split,
    times,
)
from gfcompare.evaluators.plane_tables import ACCURACY, MomentTables, moment_tables
from gfcompare.kernels.plane import NODES, PlaneData
from gfcompare.kernels.plane_risk import PlaneValues
from gfcompare.targets import Stack, Target
from gfcompare.targets.terms import Polynomial, Terms, moved

Array = NDArray[np.float64]

#: The highest total degree of a polynomial target.
MOST_DEGREE = 8

_LINEAR = ((0, 0), (1, 0), (0, 1))

# The outward normal of each edge of the square, and which way it goes: (x_1, x_2) = normal + t turn.
_EDGES = (((0, -1), (1, 0)), ((1, 0), (0, 1)), ((0, 1), (-1, 0)), ((-1, 0), (0, -1)))


@dataclass(frozen=True)
class PlaneTarget:
    """A target on a rectangle: outputs that are polynomials plus neurons, and outputs that are tabulated.

    Attributes
    ----------
    terms : of all outputs, 0 for those that are tabulated
    smooth : numbers of those outputs
    tables : their half-plane moments, in the coordinates of the square
    """

    terms: Terms
    smooth: tuple[int, ...] = ()
    tables: MomentTables | None = None


def plane_target(target: Target, box: Array) -> PlaneTarget | str:
    """Return a target on a rectangle, or why it is not one that is integrated exactly.

    Outputs that are no polynomials plus neurons are tabulated if they are smooth.
    """
    parts = list(target.components) if isinstance(target, Stack) else [target]
    found = [part.terms(box) for part in parts]
    degree = max((terms.degree for terms in found if terms is not None), default=0)
    if degree > MOST_DEGREE:
        return f"the target is a polynomial of degree {degree}, the highest is {MOST_DEGREE}"
    zero = [Terms.polynomial(2, [{}] * part.outputs) for part in parts]
    terms = Terms.stacked([known or other for known, other in zip(found, zero, strict=True)])
    rest = [part for part, known in zip(parts, found, strict=True) if known is None]
    if not rest:
        return PlaneTarget(terms)
    middle, half = box.mean(axis=1), 0.5 * np.ptp(box, axis=1)
    tables = moment_tables(lambda s: np.concatenate([part.at(middle + half * s) for part in rest], axis=1))
    if tables is None:
        names = ", ".join(repr(part.name) for part in rest)
        return (
            f"the target {names} is no polynomial, no teacher with one hidden layer, no piecewise linear "
            f"ridge, and tables of its half-plane moments do not reach {ACCURACY:g}"
        )
    known = [index for part, k in zip(parts, found, strict=True) for index in [k is None] * part.outputs]
    return PlaneTarget(terms, tuple(np.flatnonzero(known).tolist()), tables)


def plane_data(box: Array, target: PlaneTarget) -> tuple[PlaneData, PlaneValues]:
    """Return the data of a target on a rectangle with the uniform measure, and what the risk needs besides.

    Parameters
    ----------
    box : ends of the rectangle, shape (2, 2)
    target : the target there
    """
    terms, smooth = target.terms, list(target.smooth)
    middles, halves = box_frame(box)
    degree = max(terms.degree, 1)
    negative = [{p: -c for p, c in moved(q, middles, halves).items()} for q in terms.polynomials]
    curved = [{p: c for p, c in q.items() if sum(p) >= 2 and c} for q in negative]
    affine = [[q.get(p, Fraction(0)) for p in _LINEAR] for q in negative]
    outgoing, teacher = crossing_neurons(terms, exact_rows(terms, middles, halves), affine)
    values = PlaneValues(
        split([[x for pair in zip(middles, halves, strict=True) for x in pair]])[0],
        split(affine),
        split(teacher).reshape(3, -1, 2),
        _curved_terms(curved, degree),
        split(_equidistant_rule(degree + 2)),
        split([[integral(times(q, {p: Fraction(1)})) for p in _LINEAR] for q in curved]),
        split([[integral(times(q, q)) for q in curved]])[0],
    )
    tables = target.tables or MomentTables(np.empty((16, 0, 6, 2, 2)), np.empty((0, 3)), np.empty(0), 0.0)
    values.moments[smooth, :, 0], values.squares[smooth, 0] = -tables.total, tables.squares
    nodes, weights = scipy.special.roots_legendre(NODES if degree <= 3 else 2 * NODES)
    data = PlaneData(
        np.append(values.frame[:, 0], values.frame[::2, 1]),
        np.ascontiguousarray(values.affine[..., 0]),
        np.ascontiguousarray(values.teacher[..., 0]),
        outgoing,
        np.ascontiguousarray(np.concatenate(list(_curved_terms(curved, max(degree, 3))))[..., 0]),
        _edge_fluxes(curved, degree),
        np.stack([0.5 * (nodes + 1.0), 0.5 * weights]),
        degree,
        np.array(smooth, dtype=np.int64),
        np.negative(tables.tables),
        np.negative(tables.total),
    )
    return data, values


def _equidistant_rule(count: int) -> list[list[Fraction]]:
    """Return equidistant nodes on [0, 1] and weights that are exact for polynomials of degree count - 1."""
    nodes = [Fraction(n, count - 1) for n in range(count)]
    weights = []
    for n, node in enumerate(nodes):
        basis = [Fraction(1)]
        for m, other in enumerate(nodes):
            if m != n:
                shifted = zip([Fraction(0), *basis], [*basis, Fraction(0)], strict=True)
                basis = [(before - other * here) / (node - other) for before, here in shifted]
        weights.append(sum((c / (j + 1) for j, c in enumerate(basis)), Fraction(0)))
    return [nodes, weights]


def _curved_terms(polynomials: list[Polynomial], degree: int) -> Array:
    """Return the terms of degree m over m + 2 and over m + 3, high and low, shape (2, K, ., 2)."""
    return np.stack([split([_terms_over(q, degree, more) for q in polynomials]) for more in (2, 3)])


def _terms_over(polynomial: Polynomial, degree: int, more: int) -> list[Fraction]:
    """Return the coefficients of terms of degree m over m + `more`, by powers of x_2, then of x_1."""
    return [
        polynomial.get((i, j), Fraction(0)) / (i + j + more)
        for j in range(degree + 1)
        for i in range(degree + 1 - j)
    ]


def _edge_fluxes(polynomials: list[Polynomial], degree: int) -> Array:
    """Return the antiderivatives of the fluxes on each edge of terms of degree 2 and more, (4, 3 K, D + 3).

    Descending in t, and each 0 where the first edge begins: the constants carry the edges before.
    """
    result = np.zeros((4, 3 * len(polynomials), degree + 3))
    for k, curved in enumerate(polynomials):
        for j, factor in enumerate(_LINEAR):
            more = 2 if j == 0 else 3
            value = Fraction(0)
            for edge, (normal, turn) in enumerate(_EDGES):
                rising = [Fraction(0)] * (degree + 3)
                for (p, q), c in curved.items():
                    powers = (p + factor[0], q + factor[1])
                    power, sign = _on_edge(powers, normal, turn)
                    rising[power + 1] += c * sign / ((p + q + more) * (power + 1))
                rising[0] = value - sum(a * (-1) ** n for n, a in enumerate(rising))
                value = sum(rising, Fraction(0))
                result[edge, 3 * k + j] = [float(a) for a in reversed(rising)]
    return result


def _on_edge(powers: tuple[int, int], normal: tuple[int, int], turn: tuple[int, int]) -> tuple[int, int]:
    """Return a monomial on an edge as a sign times a power of t."""
    axis = 0 if turn[0] else 1
    across = 1 - axis
    return powers[axis], int(turn[axis] ** powers[axis] * normal[across] ** powers[across])
