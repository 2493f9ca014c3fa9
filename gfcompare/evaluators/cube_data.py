"""Kernel data of a box in three dimensions and a target."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import factorial

import numpy as np
from numpy.typing import NDArray

from gfcompare.evaluators.box_terms import (
    box_frame,
    crossing_neurons,
    exact_rows,
    integral,
    split,
    times,
)
from gfcompare.kernels.cube import CubeData
from gfcompare.kernels.cube_risk import CubeValues
from gfcompare.targets import Stack, Target
from gfcompare.targets.terms import Polynomial, Terms, moved

Array = NDArray[np.float64]

#: The highest total degree of a polynomial target.
MOST_DEGREE = 3

_LINEAR = ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
#: Powers of the terms of a polynomial in two and in three coordinates, in the order of the kernels.
_PLANAR = tuple((i, j) for j in range(4) for i in range(4 - j))
_SPATIAL = tuple((i, j, k) for k in range(4) for j in range(4 - k) for i in range(4 - k - j))

# Rules on a triangle (D. A. Dunavant, Int. J. Numer. Methods Eng. 21 (1985) 1129,
# doi:10.1002/nme.1620210612): of degree 2 with three nodes, of degree 4 with six.
_NEAR, _FAR = 0.44594849091596488632, 0.09157621350977074346
_NEAR_WEIGHT, _FAR_WEIGHT = 0.22338158967801146570, 0.10995174365532186764


def cube_target(target: Target, box: Array) -> Terms | str:
    """Return a target on a box as polynomials plus neurons, or why it is not one of these."""
    parts = list(target.components) if isinstance(target, Stack) else [target]
    found = []
    for part in parts:
        terms = part.terms(box)
        if terms is None:
            return (
                f"the target {part.name!r} is no polynomial, no teacher with one hidden layer and no "
                "piecewise linear ridge"
            )
        found.append(terms)
    terms = Terms.stacked(found)
    if terms.degree > MOST_DEGREE:
        return f"the target is a polynomial of degree {terms.degree}, the highest is {MOST_DEGREE}"
    return terms


@dataclass(frozen=True)
class OnCube:
    """-f in the coordinates of the cube [-1, 1]^3, exactly.

    Attributes
    ----------
    frame : middles of the sides, half widths
    affine : coefficients of 1 and x for each output, neurons that are active on all of the cube included
    curved : the terms of degree >= 2 of each output
    teacher : rows w, b of the neurons that cross the cube, 4 lists
    outgoing : shape (K, M), their outgoing weights
    degree : of the polynomials
    """

    frame: list[list[Fraction]]
    affine: list[list[Fraction]]
    curved: list[Polynomial]
    teacher: list[list[Fraction]]
    outgoing: Array
    degree: int

    @classmethod
    def of(cls, box: Array, terms: Terms) -> OnCube:
        """Return that of a target on a box, shape (3, 2)."""
        middles, halves = box_frame(box)
        negative = [{p: -c for p, c in moved(q, middles, halves).items()} for q in terms.polynomials]
        curved = [{p: c for p, c in q.items() if sum(p) >= 2 and c} for q in negative]
        affine = [[q.get(p, Fraction(0)) for p in _LINEAR] for q in negative]
        outgoing, teacher = crossing_neurons(terms, exact_rows(terms, middles, halves), affine)
        return cls([middles, halves], affine, curved, teacher, outgoing, terms.degree)


def cube_data(found: OnCube) -> CubeData:
    """Return the data of a target on a box for the gradient."""
    divided = [_divided(q, more) for q in found.curved for more in (3, 4)]
    frame = split(found.frame)
    return CubeData(
        np.concatenate([frame[0, :, 0], frame[1, :, 0], frame[0, :, 1]]),
        np.ascontiguousarray(split(found.affine)[..., 0]),
        np.ascontiguousarray(split(found.teacher).reshape(4, -1, 2)[..., 0]),
        found.outgoing,
        np.array([[float(q.get(p, 0)) for p in _SPATIAL] for q in divided]),
        np.array([[_on_face(q, face) for q in divided] for face in range(6)]),
        _triangle(found.degree),
        found.degree,
    )


def cube_values(found: OnCube) -> CubeValues:
    """Return the data of a target on a box that the risk needs besides."""
    curved = found.curved
    return CubeValues(
        split(found.frame),
        split(found.affine),
        split(found.teacher).reshape(4, -1, 2),
        split([[q.get(p, Fraction(0)) for p in _SPATIAL] for q in curved]),
        np.ascontiguousarray(np.moveaxis(split(_tetrahedron(1 if found.degree <= 1 else 2)), 2, 1)),
        split([[integral(times(q, {p: Fraction(1)})) for p in _LINEAR] for q in curved]),
        split([[integral(times(q, q)) for q in curved]])[0],
    )


def _divided(polynomial: Polynomial, more: int) -> Polynomial:
    """Return a polynomial with its terms of degree m over m + `more`."""
    return {p: c / (sum(p) + more) for p, c in polynomial.items()}


def _on_face(polynomial: Polynomial, face: int) -> list[float]:
    """Return the coefficients of a polynomial on a face of the cube, in its two coordinates."""
    axis, side = face // 2, 2 * (face % 2) - 1
    result = dict.fromkeys(_PLANAR, Fraction(0))
    for powers, c in polynomial.items():
        result[powers[(axis + 1) % 3], powers[(axis + 2) % 3]] += c * side ** powers[axis]
    return [float(c) for c in result.values()]


def _triangle(degree: int) -> Array:
    """Return shares of two corners and weights, with the sum 1/2, of a rule of degree D + 1, shape (3, n)."""
    orbits = [(1 / 6, 1 / 3)] if degree <= 1 else [(_NEAR, _NEAR_WEIGHT), (_FAR, _FAR_WEIGHT)]
    nodes = [
        node
        for s, weight in orbits
        for node in ((s, s, 0.5 * weight), (1 - 2 * s, s, 0.5 * weight), (s, 1 - 2 * s, 0.5 * weight))
    ]
    return np.ascontiguousarray(np.array(nodes).T)


def _tetrahedron(order: int) -> list[list[Fraction]]:
    """Return shares of the four corners and weights, with the sum 1, of a rule of degree 2 s + 1.

    A. Grundmann, H. M. Moeller, SIAM J. Numer. Anal. 15 (1978) 282, doi:10.1137/0715019: its numbers are
    rational, so that it has as many digits as are wanted.
    """
    degree = 2 * order + 1
    columns = []
    for i in range(order + 1):
        size = degree + 3 - 2 * i
        weight = Fraction((-1) ** i * size**degree * 6, 4**order * factorial(i) * factorial(degree + 3 - i))
        every = (p for p in product(range(order - i + 1), repeat=4) if sum(p) == order - i)
        columns += [[*(Fraction(2 * p + 1, size) for p in powers), weight] for powers in every]
    return [list(row) for row in zip(*columns, strict=True)]
