"""Segments through a box along one coordinate, and functions on all of them as piecewise polynomials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Degree of the pieces that a function is turned into unless it is known to be a polynomial.
CONVERSION_DEGREE = 9
#: Largest error of the conversion, relative to the largest value: on a piece, or, near a jump or a kink, of
#: the integral over a piece relative to that over the segment.
CONVERSION_ACCURACY = 1e-10
#: Polynomials of a higher degree are converted as any smooth function is: in powers of s, the rounding errors
#: of interpolation grow like 2.4^degree.
EXACT_DEGREE = 32
#: Where on a piece, in s, the conversion is checked: at no simple fractions of it.
_PROBES = np.cos(np.pi * (np.arange(1, 25) - 0.381966) / 24)
#: More pieces than this on average on a segment, and the conversion gives up.
MAXIMAL_PIECES = 256


@dataclass(frozen=True, eq=False)
class SegmentwisePolynomial:
    """A vector-valued piecewise polynomial on each of B segments.

    Piece n is [left_n, right_n], with x = centre_n + half_width_n s; component k is there the sum over d of
    coefficients[n, k, d] s^d. The pieces of segment b are offsets[b], ..., offsets[b + 1] - 1, from left to
    right.

    Parameters
    ----------
    offsets : ndarray of int64, shape (B + 1,)
    left, right : ndarray, shape (n,)
    coefficients : ndarray, shape (n, K, degree + 1)
    """

    offsets: Integers
    left: Array
    right: Array
    coefficients: Array

    @property
    def owners(self) -> Integers:
        """The segment that each piece belongs to, shape (n,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @property
    def centres(self) -> Array:
        """Centre of each piece, shape (n,)."""
        return 0.5 * self.left + 0.5 * self.right

    @property
    def half_widths(self) -> Array:
        """Half the width of each piece, shape (n,)."""
        return 0.5 * self.right - 0.5 * self.left

    def integral(self) -> Array:
        """Return the integral over each segment, shape (B, K)."""
        even = np.arange(0, self.coefficients.shape[2], 2)
        each = (self.coefficients[:, :, even] * (2.0 / (even + 1))).sum(axis=2) * self.half_widths[:, None]
        return np.asarray(np.add.reduceat(each, self.offsets[:-1], axis=0))

    def scaled(self, factors: Array) -> SegmentwisePolynomial:
        """Return the function times a factor on each segment, shape (B,)."""
        return SegmentwisePolynomial(
            self.offsets, self.left, self.right, self.coefficients * factors[self.owners][:, None, None]
        )

    def refined(self, other: SegmentwisePolynomial) -> SegmentwisePolynomial:
        """Return the same function on the common pieces of both bundles, which share their segments."""
        owners = np.concatenate([self.owners, other.owners])
        left = np.concatenate([self.left, other.left])
        order = np.lexsort((left, owners))
        owners, left = owners[order], left[order]
        ends = np.maximum(self._ends, other._ends)
        width = ends - np.minimum(self.left[self.offsets[:-1]], other.left[other.offsets[:-1]])
        # Two knots that differ by rounding only are made one.
        same = np.zeros(left.size, dtype=bool)
        same[1:] = (owners[1:] == owners[:-1]) & (
            np.diff(left) <= 8e-16 * np.maximum(abs(left[1:]), width[owners[1:]])
        )
        # The piece of this bundle on each new one: the last that begins there, or before.
        mine = np.cumsum(order < self.left.size) - 1
        piece = mine[np.append(np.flatnonzero(~same)[1:], left.size) - 1]
        owners, left = owners[~same], left[~same]
        piece = np.maximum(piece, self.offsets[owners])
        offsets = np.searchsorted(owners, np.arange(len(self.offsets)))
        right = np.append(left[1:], ends[-1])
        right[offsets[1:] - 1] = ends
        shift = (0.5 * left + 0.5 * right - self.centres[piece]) / self.half_widths[piece]
        factor = (0.5 * right - 0.5 * left) / self.half_widths[piece]
        return SegmentwisePolynomial(
            offsets, left, right, _substituted(self.coefficients[piece], shift, factor)
        )

    @property
    def _ends(self) -> Array:
        """Right end of each segment, shape (B,)."""
        return self.right[self.offsets[1:] - 1]


def _substituted(coefficients: Array, shift: Array, factor: Array) -> Array:
    """Return the coefficients of p(shift + factor s) for each row, by Horner's scheme on polynomials."""
    result = np.zeros_like(coefficients)
    a, b = shift[:, None], factor[:, None]
    for d in range(coefficients.shape[2] - 1, -1, -1):
        shifted = result * a[..., None]
        shifted[..., 1:] += result[..., :-1] * b[..., None]
        shifted[..., 0] += coefficients[..., d]
        result = shifted
    return result


@dataclass(frozen=True, eq=False)
class Lines:
    """B segments through a box, parallel to one coordinate axis.

    Parameters
    ----------
    lower, upper : ends of that coordinate
    coordinate : its number, from 0
    nodes : ndarray, shape (B, d)
        a point of each segment; the entry of the coordinate itself does not matter
    """

    lower: float
    upper: float
    coordinate: int
    nodes: Array

    @property
    def count(self) -> int:
        """Number of segments B."""
        return len(self.nodes)

    def points(self, owners: Integers, x: Array) -> Array:
        """Return points of the segments `owners`, shape (n,), at the coordinate x, shape (n, q): (n q, d)."""
        points = np.repeat(self.nodes[owners], x.shape[1], axis=0)
        points[:, self.coordinate] = x.ravel()
        return points

    def convert(
        self,
        values: Callable[[Array], Array],
        *,
        kinks: Array | None = None,
        degree: int | None = None,
        name: str = "function",
    ) -> SegmentwisePolynomial:
        """Turn a function into a piecewise polynomial on each segment.

        Parameters
        ----------
        values : maps points, shape (n, d), to values, shape (n, K)
        kinks : where the function is not smooth on each segment, shape (B, n), NaN for none
        degree : of the function between kinks, if it is a polynomial there: the result is then exact to
            rounding. Otherwise, and above `EXACT_DEGREE`, pieces of degree `CONVERSION_DEGREE` are halved
            until each of them fits to `CONVERSION_ACCURACY`. A feature narrower than about a thirtieth of
            the piece between two kinks may be missed

        Raises
        ------
        InputError
            if a value is not finite, or more than `MAXIMAL_PIECES` pieces a segment are needed
        """
        pieces = self._split(np.empty((self.count, 0)) if kinks is None else kinks)
        checked = _Finite(values, name)
        if degree is not None and degree <= EXACT_DEGREE:
            coefficients, _ = self._interpolated(checked, *pieces, degree)
            return _assembled(self.count, *pieces, coefficients)
        return self._fitted(checked, *pieces, name)

    def _fitted(
        self, values: _Finite, owners: Integers, left: Array, right: Array, name: str
    ) -> SegmentwisePolynomial:
        """Halve pieces of degree `CONVERSION_DEGREE` until each of them fits."""
        scale = float(np.finfo(np.float64).tiny)
        done: list[tuple[Integers, Array, Array, Array]] = []
        found = 0
        while left.size:
            coefficients, largest = self._interpolated(values, owners, left, right, CONVERSION_DEGREE)
            errors, larger = self._misfit(values, owners, left, right, coefficients)
            scale = max(scale, largest, larger)
            share = np.minimum((right - left) / (self.upper - self.lower), 1.0)
            fits = errors <= CONVERSION_ACCURACY * scale
            fits |= errors * share <= 0.1 * CONVERSION_ACCURACY * scale
            done.append((owners[fits], left[fits], right[fits], coefficients[fits]))
            found += int(fits.sum())
            if found + 2 * int((~fits).sum()) > MAXIMAL_PIECES * self.count:
                worst = int(np.argmax(np.where(fits, 0.0, errors)))
                raise InputError(
                    f"{name} cannot be turned into a piecewise polynomial of relative accuracy "
                    f"{CONVERSION_ACCURACY:g} along coordinate {self.coordinate + 1} with fewer than "
                    f"{MAXIMAL_PIECES} pieces on a segment; the largest error is near "
                    f"x = {left[worst]:.6g}. Preintegrate along another coordinate, or announce its kinks."
                )
            owners = np.repeat(owners[~fits], 2)
            middle = 0.5 * left[~fits] + 0.5 * right[~fits]
            left, right = (
                np.stack([left[~fits], middle], axis=1).ravel(),
                np.stack([middle, right[~fits]], axis=1).ravel(),
            )
        parts = [np.concatenate([part[i] for part in done]) for i in range(4)]
        return _assembled(self.count, parts[0].astype(np.int64), parts[1], parts[2], parts[3])

    def _split(self, kinks: Array) -> tuple[Integers, Array, Array]:
        """Return owner, left and right end of the pieces between the kinks."""
        narrow = 1e-14 * (self.upper - self.lower)
        inside = (kinks > self.lower + narrow) & (kinks < self.upper - narrow)
        ends = np.sort(np.where(inside, kinks, self.upper), axis=1)
        edges = np.concatenate(
            [np.full((self.count, 1), self.lower), ends, np.full((self.count, 1), self.upper)], axis=1
        )
        wide = np.diff(edges, axis=1) > narrow
        # A kink that follows another at once is dropped, and its piece begins where the last one ended.
        owners, column = np.nonzero(wide)
        right = edges[owners, column + 1]
        left = np.full(right.size, self.lower)
        left[1:] = np.where(owners[1:] == owners[:-1], right[:-1], self.lower)
        return owners.astype(np.int64), left, right

    def _interpolated(
        self, values: _Finite, owners: Integers, left: Array, right: Array, degree: int
    ) -> tuple[Array, float]:
        """Interpolate on pieces; return coefficients, shape (n, K, degree + 1), and the largest value."""
        nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        x = (0.5 * left + 0.5 * right)[:, None] + (0.5 * right - 0.5 * left)[:, None] * nodes
        table = values(self.points(owners, x)).reshape(*x.shape, -1)
        series = np.einsum("dn,jnk->jkd", np.linalg.inv(chebyshev.chebvander(nodes, degree)), table)
        monomials = np.zeros((degree + 1, degree + 1))
        for d in range(degree + 1):
            column = chebyshev.cheb2poly(np.eye(degree + 1)[d])
            monomials[d, : column.size] = column
        return series @ monomials, float(np.abs(table).max(initial=0.0))

    def _misfit(
        self, values: _Finite, owners: Integers, left: Array, right: Array, coefficients: Array
    ) -> tuple[Array, float]:
        """Return the largest error found on each piece, shape (n,), and the largest value."""
        centre, half = 0.5 * left + 0.5 * right, 0.5 * right - 0.5 * left
        # A jump between the end of a piece and the first probe would not be seen: two of them are as near
        # to the ends as kinks are known.
        near = max(1e-13 * (self.upper - self.lower), 2 * np.spacing(max(abs(self.lower), abs(self.upper))))
        end = 1.0 - np.minimum(near / half, 1e-3)
        s = np.concatenate([np.tile(_PROBES, (left.size, 1)), end[:, None], -end[:, None]], axis=1)
        x = centre[:, None] + half[:, None] * s
        table = values(self.points(owners, x)).reshape(*x.shape, -1)
        s = (x - centre[:, None]) / half[:, None]
        fitted = np.zeros_like(table)
        for d in range(coefficients.shape[2] - 1, -1, -1):
            fitted = fitted * s[:, :, None] + coefficients[:, None, :, d]
        return np.abs(fitted - table).max(axis=(1, 2)), float(np.abs(table).max(initial=0.0))


class _Finite:
    """A function of points whose values are checked for shape and finiteness."""

    def __init__(self, function: Callable[[Array], Array], name: str) -> None:
        self._function = function
        self._name = name

    def __call__(self, points: Array) -> Array:
        """Return the values at points, shape (n, d), as an array of shape (n, K)."""
        try:
            values = np.asarray(self._function(points), dtype=np.float64)
        except InputError:
            raise
        except FOREIGN_ERRORS as error:
            raise InputError(
                f"{self._name} failed on an array of shape {points.shape} ({cause_of(error)}). "
                "It is called with points x of shape (n, d) and must return shape (n,) or (n, K)."
            ) from error
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or len(values) != len(points):
            raise InputError(
                f"{self._name} returned an array of shape {values.shape} for {len(points)} points; "
                f"expected ({len(points)},) or ({len(points)}, K)."
            )
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            raise InputError(f"{self._name} is not a finite number at x = {points[~finite][0].tolist()}.")
        return values


def _assembled(
    count: int, owners: Integers, left: Array, right: Array, coefficients: Array
) -> SegmentwisePolynomial:
    order = np.lexsort((left, owners))
    offsets = np.searchsorted(owners[order], np.arange(count + 1))
    return SegmentwisePolynomial(offsets, left[order], right[order], coefficients[order])
