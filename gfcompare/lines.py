"""Segments through a box along one coordinate, and functions on all of them as piecewise polynomials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from gfcompare.errors import InputError

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Degree of the pieces that a function is turned into unless it is known to be a polynomial.
CONVERSION_DEGREE = 9
#: Largest error of the conversion, relative to the largest value: on a piece, or, near a jump or a kink, of
#: the integral over a piece relative to that over the segment.
CONVERSION_ACCURACY = 1e-11
#: More pieces than this on average on a segment, and the conversion gives up.
MAXIMAL_PIECES = 256


@dataclass(frozen=True, eq=False)
class Bundle:
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

    def scaled(self, factors: Array) -> Bundle:
        """Return the function times a factor on each segment, shape (B,)."""
        return Bundle(
            self.offsets, self.left, self.right, self.coefficients * factors[self.owners][:, None, None]
        )

    def refined(self, other: Bundle) -> Bundle:
        """Return the same function on the common pieces of both bundles, which share their segments."""
        owners = np.concatenate([self.owners, other.owners])
        left = np.concatenate([self.left, other.left])
        order = np.lexsort((left, owners))
        owners, left = owners[order], left[order]
        ends = np.maximum.reduceat(self.right, self.offsets[:-1])
        # Two knots that differ by rounding only are made one.
        width = ends - self.left[self.offsets[:-1]]
        same = np.zeros(left.size, dtype=bool)
        same[1:] = (owners[1:] == owners[:-1]) & (
            np.diff(left) <= 8e-16 * np.maximum(abs(left[1:]), width[owners[1:]])
        )
        owners, left = owners[~same], left[~same]
        right = np.append(left[1:], ends[-1])
        last = np.append(owners[1:] != owners[:-1], True)
        right[last] = ends[owners[last]]
        offsets = np.searchsorted(owners, np.arange(len(self.offsets)))
        # The piece of this bundle that contains the centre of each new one.
        count = self._count_before(owners, 0.5 * left + 0.5 * right)
        shift = (0.5 * left + 0.5 * right - self.centres[count]) / self.half_widths[count]
        factor = (0.5 * right - 0.5 * left) / self.half_widths[count]
        return Bundle(offsets, left, right, _substituted(self.coefficients[count], shift, factor))

    def _count_before(self, owners: Integers, x: Array) -> Integers:
        """Return the index of the piece of segment `owners` that contains x."""
        # A key that increases over all segments: the segment's number and the place within it, in [0, 1).
        start = self.left[self.offsets[:-1]]
        width = np.maximum.reduceat(self.right, self.offsets[:-1]) - start
        mine = self.owners + 0.999 * (self.left - start[self.owners]) / width[self.owners]
        found = np.searchsorted(mine, owners + 0.999 * (x - start[owners]) / width[owners], side="right") - 1
        return np.clip(found, self.offsets[owners], self.offsets[owners + 1] - 1)


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
    ) -> Bundle:
        """Turn a function into a piecewise polynomial on each segment.

        Parameters
        ----------
        values : maps points, shape (n, d), to values, shape (n, K)
        kinks : where the function is not smooth on each segment, shape (B, n), NaN for none
        degree : of the function between kinks, if it is a polynomial there: the result is then exact to
            rounding. Otherwise pieces of degree `CONVERSION_DEGREE` are halved until each of them fits to
            `CONVERSION_ACCURACY`

        Raises
        ------
        InputError
            if a value is not finite, or more than `MAXIMAL_PIECES` pieces a segment are needed
        """
        owners, left, right = self._split(np.empty((self.count, 0)) if kinks is None else kinks)
        checked = _Finite(values, name)
        if degree is not None:
            coefficients, _, _ = self._interpolated(checked, owners, left, right, degree, checks=0)
            return _assembled(self.count, owners, left, right, coefficients)
        scale = float(np.finfo(np.float64).tiny)
        done: list[tuple[Integers, Array, Array, Array]] = []
        found = 0
        while left.size:
            coefficients, errors, largest = self._interpolated(
                checked, owners, left, right, CONVERSION_DEGREE, checks=24
            )
            scale = max(scale, largest)
            share = np.minimum((right - left) / (self.upper - self.lower), 1.0)
            fits = errors <= CONVERSION_ACCURACY * scale
            fits |= errors * share <= 0.1 * CONVERSION_ACCURACY * scale
            done.append((owners[fits], left[fits], right[fits], coefficients[fits]))
            found += int(fits.sum())
            owners, left, right = owners[~fits], left[~fits], right[~fits]
            if found + 2 * left.size > MAXIMAL_PIECES * self.count:
                raise InputError(
                    f"{name} cannot be turned into a piecewise polynomial of relative accuracy "
                    f"{CONVERSION_ACCURACY:g} along coordinate {self.coordinate + 1} with fewer than "
                    f"{MAXIMAL_PIECES} pieces on a segment; the largest error is near "
                    f"x = {left[0]:.6g}. Preintegrate along another coordinate, or announce its kinks."
                )
            middle = 0.5 * left + 0.5 * right
            owners = np.repeat(owners, 2)
            left, right = (
                np.stack([left, middle], axis=1).ravel(),
                np.stack([middle, right], axis=1).ravel(),
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
        self, values: _Finite, owners: Integers, left: Array, right: Array, degree: int, *, checks: int
    ) -> tuple[Array, Array, float]:
        """Interpolate on pieces; return coefficients (n, K, degree + 1), errors (n,), the largest value."""
        nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        probes = np.cos(np.pi * (np.arange(1, checks + 1) - 0.381966) / checks) if checks else np.empty(0)
        s = np.concatenate([nodes, probes])
        x = (0.5 * left + 0.5 * right)[:, None] + (0.5 * right - 0.5 * left)[:, None] * s
        table = values(self.points(owners, x)).reshape(len(left), s.size, -1)
        at_nodes, at_probes = table[:, : degree + 1], table[:, degree + 1 :]
        series = np.einsum("dn,jnk->jkd", np.linalg.inv(chebyshev.chebvander(nodes, degree)), at_nodes)
        monomials = np.zeros((degree + 1, degree + 1))
        for d in range(degree + 1):
            column = chebyshev.cheb2poly(np.eye(degree + 1)[d])
            monomials[d, : column.size] = column
        errors = np.zeros(len(left))
        if checks:
            fitted = np.einsum("jkd,cd->jck", series, chebyshev.chebvander(probes, degree))
            errors = np.abs(fitted - at_probes).max(axis=(1, 2))
        return series @ monomials, errors, float(np.abs(table).max(initial=0.0))


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
        except Exception as error:
            raise InputError(
                f"{self._name} failed on an array of shape {points.shape} ({type(error).__name__}: {error}). "
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


def _assembled(count: int, owners: Integers, left: Array, right: Array, coefficients: Array) -> Bundle:
    order = np.lexsort((left, owners))
    offsets = np.searchsorted(owners[order], np.arange(count + 1))
    return Bundle(offsets, left[order], right[order], coefficients[order])
