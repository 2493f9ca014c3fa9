"""Target functions of several inputs, in closed form."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from gfcompare import piecewise
from gfcompare.components.component import require
from gfcompare.components.errors import InputError
from gfcompare.piecewise.segments import Lines, SegmentwisePolynomial
from gfcompare.targets.base import (
    Array,
    Numbers,
    SpaceTarget,
    Target,
    as_pieces,
    broadcast,
    check_degree,
    coefficient_rows,
    numbers,
)
from gfcompare.targets.terms import Polynomial, Terms, along, moved

#: A normal density is below rounding this many widths away from its centre.
_REACH = 9.0


def _vector(value: object, key: str) -> Array:
    """Return one finite number for each input, shape (d,), or raise InputError."""
    array = numbers(value, key)
    require(
        array.ndim == 1 and array.size > 0,
        f"{key} must be a list of d numbers, one for each input, got {value!r}.",
    )
    require(bool(np.isfinite(array).all()), f"{key} must be finite, got {array.tolist()}.")
    return array


@dataclass(frozen=True)
class MultivariatePolynomial(SpaceTarget):
    """A polynomial in d variables: a sum of terms coefficient * x_1^p_1 ... x_d^p_d.

    Parameters
    ----------
    powers : for each term its d powers (p_1, ..., p_d), whole numbers from 0; each term once
    coefficients : one number for each term, or one such list for each output
    """

    name: ClassVar[str] = "multivariate-polynomial"
    powers: Sequence[Sequence[int]]
    coefficients: Sequence[float] | Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        terms = self._terms()
        require(len(terms) > 0, "powers must not be empty.")
        lengths = sorted({len(term) for term in terms})
        require(
            len(lengths) == 1 and lengths[0] > 0,
            f"powers must be lists of d whole numbers, one for each input, got lists of {lengths} numbers.",
        )
        twice = [term for number, term in enumerate(terms) if term in terms[:number]]
        require(
            not twice,
            f"the powers {list(twice[0]) if twice else []} are given twice: add their coefficients.",
        )
        for row in coefficient_rows(self.coefficients, "coefficients"):
            require(
                len(row) == len(terms),
                f"powers have {len(terms)} terms, coefficients {len(row)} numbers for an output: "
                "give one for each term.",
            )

    def _terms(self) -> list[tuple[int, ...]]:
        """Return the powers of each term, or raise InputError."""
        for term in self.powers:
            listed = isinstance(term, Sequence | np.ndarray) and not isinstance(term, str)
            require(listed, f"powers must be a list of d whole numbers for each term, got {term!r}.")
            for power in term:
                check_degree(power if isinstance(power, int) else 0)
                whole = isinstance(power, int | np.integer) and not isinstance(power, bool)
                require(whole and power >= 0, f"powers must be whole numbers from 0, got {power!r}.")
        return [tuple(int(power) for power in term) for term in self.powers]

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(coefficient_rows(self.coefficients, "coefficients"))

    @property
    def dimension(self) -> int | None:
        """Number of inputs d."""
        return len(self.powers[0])

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""
        points = self.checked(x)
        rows = np.array(coefficient_rows(self.coefficients, "coefficients"))
        terms = self._terms()
        # Products instead of powers, which cost ten times as much.
        powers = [
            list(itertools.accumulate(itertools.repeat(column, max(highest, 1)), np.multiply))
            for column, highest in zip(np.ascontiguousarray(points.T), np.max(terms, axis=0), strict=True)
        ]
        values = np.zeros((len(rows), len(points)))
        for term, coefficients in zip(terms, rows.T, strict=True):
            factors = [powers[m][power - 1] for m, power in enumerate(term) if power]
            product = functools.reduce(np.multiply, factors) if factors else 1.0
            for value, coefficient in zip(values, coefficients, strict=True):
                value += coefficient * product
        return np.ascontiguousarray(values.T)

    def degree(self, coordinate: int) -> int | None:
        """Return the highest power of the coordinate in a term that is not 0."""
        used = np.any(np.atleast_2d(self.coefficients), axis=0)
        return max(
            (t[coordinate] for t, nonzero in zip(self._terms(), used, strict=True) if nonzero), default=0
        )

    def terms(self, box: Array) -> Terms | None:
        """Return the polynomials."""
        rows = coefficient_rows(self.coefficients, "coefficients")
        return Terms.polynomial(
            len(box), [{p: Fraction(c) for p, c in zip(self._terms(), row, strict=True)} for row in rows]
        )

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper], for d = 1."""
        self.line(lower, upper)
        rows = coefficient_rows(self.coefficients, "coefficients")
        powers = [term[0] for term in self._terms()]
        ascending = np.zeros((len(rows), 1 + max(powers)))
        ascending[:, powers] = rows
        return piecewise.from_pieces([lower, upper], [ascending.tolist()])


@dataclass(frozen=True)
class RadialBump(SpaceTarget):
    """f(x) = offset + height exp(-|x - centre|^2 / (2 width^2)).

    Parameters
    ----------
    centre : d numbers
    height, width, offset : a number, or one for each output; the width is positive
    """

    name: ClassVar[str] = "radial-bump"
    centre: Sequence[float]
    height: Numbers = 1.0
    width: Numbers = 0.2
    offset: Numbers = 0.0

    def __post_init__(self) -> None:
        _vector(self.centre, "centre")
        width = self._fields()[1]
        require(bool((width > 0).all()), f"width must be positive, got {width.tolist()}.")

    def _fields(self) -> tuple[Array, ...]:
        return broadcast(height=self.height, width=self.width, offset=self.offset)

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(self._fields()[0])

    @property
    def dimension(self) -> int | None:
        """Number of inputs d."""
        return len(self.centre)

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""
        height, width, offset = self._fields()
        away = self.checked(x) - _vector(self.centre, "centre")
        with np.errstate(over="ignore"):  # far away from a narrow bump: exp(-inf) = 0
            squares = ((away[:, :, None] / width) ** 2).sum(axis=1)
        return np.asarray(offset + height * np.exp(-0.5 * squares))

    def kinks(self, lines: Lines) -> Array:
        """Return places in and around the bump, so that a narrow one is seen, shape (B, 3 K)."""
        centre, width = _vector(self.centre, "centre"), self._fields()[1]
        away = np.delete(lines.nodes - centre, lines.coordinate, axis=1)
        near = np.sqrt((away**2).sum(axis=1))[:, None] < _REACH * width
        places = centre[lines.coordinate] + _REACH * width * np.array([[-1.0], [0.0], [1.0]])
        return np.where(near[:, None, :], places, np.nan).reshape(lines.count, -1)


@dataclass(frozen=True)
class Ridge(SpaceTarget):
    """f(x) = profile(direction . x): a function of one variable across parallel hyperplanes.

    Parameters
    ----------
    profile : any target of one input
    direction : d numbers, not all of them 0
    """

    name: ClassVar[str] = "ridge"
    profile: Target
    direction: Sequence[float]

    def __post_init__(self) -> None:
        require(isinstance(self.profile, Target), f"profile must be a target, got {self.profile!r}.")
        require(
            self.profile.dimension in (1, None),
            f"the profile of a ridge must have one input, {self.profile.name!r} has d = "
            f"{self.profile.dimension}.",
        )
        require(
            bool(_vector(self.direction, "direction").any()),
            "direction must not be zero: the function would be constant, see the target 'constant'.",
        )

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return self.profile.outputs

    @property
    def dimension(self) -> int | None:
        """Number of inputs d."""
        return len(self.direction)

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""
        places = self.checked(x) @ _vector(self.direction, "direction")
        try:
            return self.profile.at(places[:, None])
        except InputError as error:
            raise error.within("the profile of a ridge, a function of direction . x") from None

    def degree(self, coordinate: int) -> int | None:
        """Return what the profile says, and 0 where the direction is orthogonal to the coordinate."""
        return self.profile.degree(0) if self.direction[coordinate] else 0

    def terms(self, box: Array) -> Terms | None:
        """Return a polynomial where the profile is one, neurons where it is piecewise linear."""
        direction = _vector(self.direction, "direction")
        ends = direction[:, None] * box
        lower, upper = float(ends.min(axis=1).sum()), float(ends.max(axis=1).sum())
        pieces = self.profile.on(float(np.nextafter(lower, -np.inf)), float(np.nextafter(upper, np.inf)))
        return ridge_terms(direction, pieces)

    def kinks(self, lines: Lines) -> Array:
        """Return where direction . x crosses a knot of the profile, shape (B, q)."""
        pieces = self._pieces(lines)
        return np.empty((lines.count, 0)) if pieces is None else self._crossings(lines, pieces.knots)

    def along(self, lines: Lines) -> SegmentwisePolynomial:
        """Return f on segments parallel to one axis: the profile's own pieces, moved there."""
        self.checked(lines.nodes)
        pieces = self._pieces(lines)
        if pieces is None:
            return lines.convert(self.at, degree=0, name=self.called)
        direction = _vector(self.direction, "direction")
        return lines.convert(
            lambda x: pieces(x @ direction),
            kinks=self._crossings(lines, pieces.knots),
            degree=pieces.degree,
            name=self.called,
        )

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper], for d = 1."""
        return as_pieces(self.along(self.line(lower, upper)))

    def _pieces(self, lines: Lines) -> piecewise.PiecewisePolynomial | None:
        """Return the profile where direction . x is on the segments, None if it is constant on each."""
        start = self._starts(lines)
        slope = float(self.direction[lines.coordinate])
        ends = np.concatenate([start + slope * lines.lower, start + slope * lines.upper])
        lower, upper = float(ends.min()), float(ends.max())
        if slope == 0 or lower == upper:
            return None
        try:
            return self.profile.on(lower, upper)
        except InputError as error:
            raise error.within("the profile of a ridge, a function of direction . x") from None

    def _starts(self, lines: Lines) -> Array:
        """Return direction . x on each segment where the coordinate is 0, shape (B,)."""
        others = np.delete(lines.nodes, lines.coordinate, axis=1)
        return np.asarray(others @ np.delete(_vector(self.direction, "direction"), lines.coordinate))

    def _crossings(self, lines: Lines, knots: Array) -> Array:
        with np.errstate(over="ignore"):  # a direction nearly orthogonal to the coordinate: far outside
            return np.asarray(
                (knots[1:-1] - self._starts(lines)[:, None]) / float(self.direction[lines.coordinate])
            )


def ridge_terms(direction: Array, pieces: piecewise.PiecewisePolynomial) -> Terms | None:
    """Return p(direction . x) as a polynomial or as a sum of neurons; None if it is neither."""
    polynomials = [along(direction, row) for row in _ascending(pieces, 0)]
    if len(pieces.high) == 1:
        return Terms.polynomial(len(direction), polynomials)
    if np.any(pieces.high[:, :, 2:]) or not _is_continuous(pieces):
        return None
    slopes = pieces.high[:, :, 1] / pieces.half_widths[:, None]
    inner = pieces.knots[1:-1]
    return Terms(
        len(direction),
        tuple(polynomials),
        np.tile(direction, (len(inner), 1)),
        -inner,
        np.ascontiguousarray(np.diff(slopes, axis=0).T),
    )


def _is_continuous(pieces: piecewise.PiecewisePolynomial) -> bool:
    """Return whether piecewise linear functions meet at their knots, up to rounding."""
    left = pieces.high[:-1].sum(axis=2)
    right = pieces.high[1:, :, 0] - pieces.high[1:, :, 1:].sum(axis=2)
    return bool(np.all(np.abs(left - right) <= 1e-14 * np.abs(pieces.high).sum(axis=2).max()))


def _ascending(pieces: piecewise.PiecewisePolynomial, piece: int) -> list[list[Fraction]]:
    """Return the coefficients of a piece in powers of x, ascending, one list for each output."""
    centre, half = Fraction(float(pieces.centres[piece])), Fraction(float(pieces.half_widths[piece]))
    found = []
    for high, low in zip(pieces.high[piece], pieces.low[piece], strict=True):
        exact = [Fraction(float(h)) + Fraction(float(e)) for h, e in zip(high, low, strict=True)]
        local: Polynomial = {(j,): c for j, c in enumerate(exact)}
        whole = moved(local, [-centre / half], [1 / half])
        found.append([whole.get((j,), Fraction(0)) for j in range(len(high))])
    return found


@dataclass(frozen=True)
class ProductOfSines(SpaceTarget):
    """f(x) = offset + amplitude times the product of sin(2 pi frequency_m x_m + phase_m) over the inputs m.

    Parameters
    ----------
    frequency : d numbers, periods per unit of each input
    amplitude, offset : a number, or one for each output
    phase : a number, or one for each input, in radians
    """

    name: ClassVar[str] = "product-of-sines"
    frequency: Sequence[float]
    amplitude: Numbers = 1.0
    phase: Numbers = 0.0
    offset: Numbers = 0.0

    def __post_init__(self) -> None:
        self._phases()
        self._fields()

    def _fields(self) -> tuple[Array, ...]:
        return broadcast(amplitude=self.amplitude, offset=self.offset)

    def _phases(self) -> tuple[Array, Array]:
        """Return frequency and phase of each input, each of shape (d,)."""
        frequency = _vector(self.frequency, "frequency")
        (phase,) = broadcast(phase=self.phase)
        require(
            phase.size in (1, frequency.size),
            f"phase has {phase.size} numbers where frequency has {frequency.size}: give 1 or "
            f"{frequency.size}.",
        )
        return frequency, np.broadcast_to(phase, frequency.shape)

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(self._fields()[0])

    @property
    def dimension(self) -> int | None:
        """Number of inputs d."""
        return len(self.frequency)

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""
        amplitude, offset = self._fields()
        frequency, phase = self._phases()
        product = np.prod(np.sin(2 * np.pi * frequency * self.checked(x) + phase), axis=1)
        return np.asarray(offset + amplitude * product[:, None])

    def degree(self, coordinate: int) -> int | None:
        """Return 0 where the frequency is 0, otherwise None: no polynomial."""
        return None if self.frequency[coordinate] else 0
