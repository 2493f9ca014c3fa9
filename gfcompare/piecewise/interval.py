"""Piecewise polynomials on an interval: what every target and density becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of

Array = NDArray[np.float64]

#: Degree of the pieces that a callable is turned into.
CONVERSION_DEGREE = 9
#: Points at which the conversion of a callable is checked besides: a feature between two of them must be
#: announced by `knots`.
PROBES = 4096
#: More pieces than this, and the conversion of a callable gives up.
MAXIMAL_PIECES = 8192


@dataclass(frozen=True, eq=False)
class PiecewisePolynomial:
    """A vector-valued piecewise polynomial on [knots[0], knots[-1]].

    On piece j, x = centre_j + half_width_j s with s in [-1, 1], and the value of component k is
    sum_d (high + low)[j, k, d] s^d. The low-order parts carry what float64 rounds off, so that a
    polynomial given in powers of x is represented to twice the digits.

    Parameters
    ----------
    knots : ndarray, shape (n + 1,), strictly increasing
    high, low : ndarray, shape (n, K, degree + 1)
    """

    knots: Array
    high: Array
    low: Array

    def __post_init__(self) -> None:
        if self.knots.ndim != 1 or self.knots.size < 2 or not np.all(np.isfinite(self.knots)):
            raise InputError(f"knots must be at least two finite numbers, got {self.knots!r}.")
        if not np.all(np.diff(self.knots) > 0):
            raise InputError(f"knots must increase strictly, got {self.knots.tolist()}.")
        if self.high.shape[0] != self.knots.size - 1:
            raise InputError(
                f"{self.knots.size} knots need the coefficients of {self.knots.size - 1} pieces, "
                f"got those of {self.high.shape[0]}."
            )
        if not np.all(np.isfinite(self.high)):
            raise InputError("coefficients must be finite numbers, without NaN or infinity.")

    @property
    def components(self) -> int:
        """Number of components K."""
        return int(self.high.shape[1])

    @property
    def degree(self) -> int:
        """Highest degree of a piece."""
        return int(self.high.shape[2]) - 1

    @cached_property
    def centres(self) -> Array:
        """Centre of each piece, shape (n,)."""
        return 0.5 * self.knots[:-1] + 0.5 * self.knots[1:]

    @cached_property
    def half_widths(self) -> Array:
        """Half the width of each piece, shape (n,)."""
        return 0.5 * self.knots[1:] - 0.5 * self.knots[:-1]

    def __call__(self, x: ArrayLike) -> Array:
        """Evaluate at x, shape (...), continued beyond the ends; returns shape (..., K)."""
        points = np.asarray(x, dtype=np.float64)
        piece = np.searchsorted(self.knots[1:-1], points, side="right") if len(self.high) > 1 else 0
        s = ((points - self.centres[piece]) / self.half_widths[piece])[..., None]
        result = np.broadcast_to(self.high[piece, :, self.degree], (*points.shape, self.components)).copy()
        for degree in range(self.degree - 1, -1, -1):
            result *= s
            result += self.high[piece, :, degree]
        return result

    def refined(self, knots: Array) -> PiecewisePolynomial:
        """Return the same function on other knots, which must contain its own strictly inside."""
        if np.array_equal(knots, self.knots):
            return self
        centres = 0.5 * knots[:-1] + 0.5 * knots[1:]
        piece = np.clip(np.searchsorted(self.knots, centres) - 1, 0, len(self.high) - 1)
        if self.degree == 0:
            return PiecewisePolynomial(knots, self.high[piece], self.low[piece])
        parts = []
        for j, left, right in zip(piece, knots[:-1], knots[1:], strict=True):
            if left == self.knots[j] and right == self.knots[j + 1]:
                parts.append((self.high[j], self.low[j]))
                continue
            old_centre, old_half = Fraction(self.centres[j]), Fraction(self.half_widths[j])
            shift = (Fraction(0.5 * left + 0.5 * right) - old_centre) / old_half
            factor = Fraction(0.5 * right - 0.5 * left) / old_half
            exact = [
                [Fraction(h) + Fraction(e) for h, e in zip(high, low, strict=True)]
                for high, low in zip(self.high[j], self.low[j], strict=True)
            ]
            parts.append(_split([_substitute(row, shift, factor) for row in exact]))
        return PiecewisePolynomial(knots, np.stack([p[0] for p in parts]), np.stack([p[1] for p in parts]))

    def scaled(self, factor: float) -> PiecewisePolynomial:
        """Return `factor` times the function."""
        return PiecewisePolynomial(self.knots, self.high * factor, self.low * factor)

    def integral(self) -> Array:
        """Return the integral over the whole interval, shape (K,)."""
        even = np.arange(0, self.degree + 1, 2)
        per_piece = (self.high[:, :, even] * (2.0 / (even + 1))).sum(axis=2)
        return np.asarray((per_piece * self.half_widths[:, None]).sum(axis=0))

    def bound(self) -> float:
        """Return a number that no component exceeds in absolute value."""
        return float(np.abs(self.high).sum(axis=2).max())


def from_pieces(
    knots: ArrayLike, coefficients: Sequence[Sequence[Sequence[float | Fraction]]]
) -> PiecewisePolynomial:
    """Return the function with coefficients[j][k] (ascending in x) on piece j for component k.

    The change to local coordinates is made in rational arithmetic and rounded to twice the digits of
    float64: a polynomial of high degree far from the origin loses nothing. Coefficients that are no
    float64 may be given as fractions.
    """
    points = np.asarray(knots, dtype=np.float64)
    if points.ndim != 1 or points.size != len(coefficients) + 1:
        raise InputError(
            f"{points.size} knots need the coefficients of {max(points.size - 1, 0)} pieces, "
            f"got those of {len(coefficients)}."
        )
    if not np.all(np.isfinite(points)):
        raise InputError(f"knots must be at least two finite numbers, got {points.tolist()}.")
    length = max((len(row) for piece in coefficients for row in piece), default=0)
    if length == 0:
        raise InputError("a polynomial needs at least one coefficient.")
    parts = []
    for left, right, piece in zip(points[:-1], points[1:], coefficients, strict=True):
        centre = Fraction(0.5 * left + 0.5 * right)
        half = Fraction(0.5 * right - 0.5 * left)
        rows = []
        for row in piece:
            if not all(isinstance(c, Fraction) or np.isfinite(c) for c in row):
                raise InputError(f"coefficients must be finite numbers, got {list(row)}.")
            exact = [c if isinstance(c, Fraction) else Fraction(float(c)) for c in row]
            padded = exact + [Fraction(0)] * (length - len(row))
            rows.append(_substitute(padded, centre, half))
        parts.append(_split(rows))
    return PiecewisePolynomial(points, np.stack([p[0] for p in parts]), np.stack([p[1] for p in parts]))


def from_values(knots: ArrayLike, values: ArrayLike) -> PiecewisePolynomial:
    """Return the piecewise linear interpolant of values, shape (n + 1,) or (n + 1, K), at the knots."""
    points = np.asarray(knots, dtype=np.float64)
    table = np.asarray(values, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2 or len(table) != len(points):
        raise InputError(f"{len(points)} knots need as many values, got an array of shape {table.shape}.")
    if not np.all(np.isfinite(table)):
        raise InputError("values at the knots must be finite numbers, without NaN or infinity.")
    if points.ndim != 1 or points.size < 2 or not np.all(np.isfinite(points)) or np.any(np.diff(points) <= 0):
        return PiecewisePolynomial(points, np.zeros((0, 1, 2)), np.zeros((0, 1, 2)))  # says what is wrong
    left, right = 0.5 * table[:-1], 0.5 * table[1:]
    start, stop = 0.5 * points[:-1, None], 0.5 * points[1:, None]
    # What the sums round off, exactly (D. E. Knuth, The Art of Computer Programming 2, 4.2.2); the
    # centre and half width of a piece are rounded too, and the line is meant to go through the knots.
    slope = (right - left) / (stop - start)
    low = np.stack(
        [
            _rounded_off(left, right) - slope * _rounded_off(start, stop),
            _rounded_off(right, -left) - slope * _rounded_off(stop, -start),
        ],
        axis=2,
    )
    rough = np.stack([left + right, right - left], axis=2)
    high = rough + low
    return PiecewisePolynomial(points, high, _rounded_off(rough, low))


def from_function(
    function: Callable[[Array], ArrayLike],
    lower: float,
    upper: float,
    *,
    accuracy: float = 1e-12,
    knots: Sequence[float] = (),
    name: str = "function",
) -> PiecewisePolynomial:
    """Turn a callable into a piecewise polynomial by adaptive Chebyshev interpolation.

    Parameters
    ----------
    function : maps x, shape (n,), to values of shape (n,) or (n, K)
    lower, upper : the interval
    accuracy : largest error allowed, relative to the largest value. Around a jump, a kink or a root
        it may be exceeded on intervals whose total width is below 2e-13 (upper - lower)
    knots : places inside the interval where the function is known not to be smooth, or where a feature
        narrower than (upper - lower) / `PROBES` is, which could be missed otherwise
    name : what to call the function in an error message

    Raises
    ------
    InputError
        if a value is not finite, the shape is wrong, or more than `MAXIMAL_PIECES` pieces are needed
    """
    evaluate = _Checked(function, name)
    ends = evaluate(np.array([lower, upper]))
    inside = sorted({float(k) for k in knots if lower < k < upper})
    # Evenly spread, but at no simple fraction of the interval: functions made by hand have those.
    probes = lower + (upper - lower) * ((np.arange(PROBES) + 0.6180339887) / PROBES)
    at_probes = evaluate(probes)
    edges = np.array([lower, *inside, upper])
    left, right = edges[:-1], edges[1:]
    scale = max(np.abs(ends).max(), np.abs(at_probes).max())
    narrow = 2.0**-46 * (upper - lower)
    far = is_far(lower, upper)
    done: list[tuple[Array, Array, Array]] = []
    count = 0
    while left.size:
        coefficients, errors, largest = _interpolate(evaluate, left, right, far)
        scale = max(scale, largest, np.finfo(float).tiny)
        good = errors <= accuracy * scale
        good[good] = _holds_at(
            probes, at_probes, left[good], right[good], coefficients[good], accuracy * scale
        )
        good |= right - left <= narrow
        done.append((left[good], right[good], coefficients[good]))
        count += int(good.sum())
        bad_left, bad_right = left[~good], right[~good]
        if count + 2 * bad_left.size > MAXIMAL_PIECES:
            raise InputError(
                f"{name} cannot be turned into a piecewise polynomial of relative accuracy "
                f"{accuracy:g}: more than {MAXIMAL_PIECES} pieces are needed, the first near "
                f"x = {bad_left[0]:.6g}. Make it smooth between finitely many points, or allow "
                "a larger accuracy."
            )
        middle = 0.5 * bad_left + 0.5 * bad_right
        left, right = np.concatenate([bad_left, middle]), np.concatenate([middle, bad_right])
    start = np.concatenate([d[0] for d in done])
    order = np.argsort(start)
    coefficients = np.concatenate([d[2] for d in done])[order]
    needed = np.flatnonzero(np.abs(coefficients).max(axis=(0, 1)) > 1e-3 * accuracy * scale)
    coefficients = coefficients[:, :, : (needed[-1] + 1 if needed.size else 1)]
    return PiecewisePolynomial(np.append(start[order], upper), coefficients, np.zeros_like(coefficients))


def _holds_at(
    probes: Array, values: Array, left: Array, right: Array, coefficients: Array, error: float
) -> NDArray[np.bool_]:
    """Return for each piece whether it agrees with the values at the probes inside it.

    To four times the error: over many points the largest rounding error is larger than over few.
    """
    result = np.ones(len(left), dtype=bool)
    first, last = np.searchsorted(probes, left), np.searchsorted(probes, right)
    for j in np.flatnonzero(last > first):
        inside = slice(first[j], last[j])
        s = (probes[inside] - (0.5 * left[j] + 0.5 * right[j])) / (0.5 * right[j] - 0.5 * left[j])
        fitted = np.polynomial.polynomial.polyval(s, coefficients[j].T).T
        result[j] = np.abs(fitted - values[inside]).max() <= 4 * error
    return result


def middle_of(lower: float, upper: float) -> tuple[float, float]:
    """Return the middle of an interval, and what rounds off it."""
    left, right = np.float64(0.5 * lower), np.float64(0.5 * upper)
    return float(left + right), float(_rounded_off(left, right))


def common_knots(first: PiecewisePolynomial, second: PiecewisePolynomial) -> Array:
    """Return the knots of both; two that differ by rounding only are made one."""
    merged = np.union1d(first.knots, second.knots)
    smallest = 8.0 * np.finfo(float).eps * max(np.abs(merged).max(), merged[-1] - merged[0])
    keep = np.append(np.diff(merged) > smallest, True)
    keep &= merged - merged[0] > smallest
    keep[0] = True
    return np.asarray(merged[keep])


def _substitute(coefficients: list[Fraction], shift: Fraction, factor: Fraction) -> list[Fraction]:
    """Return the coefficients of p(shift + factor s), by Horner's scheme on polynomials."""
    result = [Fraction(0)] * len(coefficients)
    for coefficient in reversed(coefficients):
        for d in range(len(result) - 1, 0, -1):
            result[d] = result[d] * shift + result[d - 1] * factor
        result[0] = result[0] * shift + coefficient
    return result


def _split(rows: list[list[Fraction]]) -> tuple[Array, Array]:
    """Split exact numbers into float64 and what float64 rounds off."""
    high = np.array([[float(c) for c in row] for row in rows])
    low = np.array(
        [
            [float(c - Fraction(h)) for c, h in zip(row, top, strict=True)]
            for row, top in zip(rows, high, strict=True)
        ]
    )
    return high, low


def _rounded_off(a: Array | np.float64, b: Array | np.float64) -> Array:
    total = a + b
    back = total - a
    return np.asarray((a - (total - back)) + (b - back))


class _Checked:
    """A user's callable, with its values checked for shape and finiteness."""

    def __init__(self, function: Callable[[Array], ArrayLike], name: str) -> None:
        self._function = function
        self._name = name
        self._components: int | None = None

    def __call__(self, x: Array) -> Array:
        """Return the values at x, shape (n,), as an array of shape (n, K)."""
        try:
            values = np.asarray(self._function(x), dtype=np.float64)
        except FOREIGN_ERRORS as error:
            raise InputError(
                f"{self._name} failed on an array of {x.size} points ({cause_of(error)}). "
                "It is called with an array x of shape (n,) and must return shape (n,) or (n, K); "
                "numpy.vectorize(function) makes one of a function of one number."
            ) from error
        if values.ndim == 0:
            values = np.full(x.shape, float(values))
        if values.shape[0] != x.size or values.ndim > 2:
            raise InputError(
                f"{self._name} returned an array of shape {values.shape} for {x.size} points; "
                f"expected ({x.size},) or ({x.size}, K)."
            )
        values = values.reshape(x.size, -1)
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            raise InputError(f"{self._name} is not a finite number at x = {x[~finite][0]:.17g}.")
        return values


_NODES = np.cos(np.pi * (np.arange(CONVERSION_DEGREE + 1) + 0.5) / (CONVERSION_DEGREE + 1))
_CHECKS = np.cos(np.pi * np.arange(1, 16) / 16)
_TO_MONOMIALS = np.stack(
    [
        np.append(c, np.zeros(CONVERSION_DEGREE + 1 - len(c)))
        for c in (chebyshev.cheb2poly(np.eye(CONVERSION_DEGREE + 1)[d]) for d in range(CONVERSION_DEGREE + 1))
    ]
)
# How many times its width an interval is away from 0 where nodes count as rounded, and the roundings in half
# a piece from which on its nodes are told apart well.
_FAR, _ROUNDINGS = 8.0, 1e4


def is_far(lower: float, upper: float) -> bool:
    """Return whether an interval is so far from 0 that `from_function` allows for the rounding of nodes."""
    return max(abs(lower), abs(upper)) > _FAR * (upper - lower)


_FROM_VALUES = np.linalg.inv(chebyshev.chebvander(_NODES, CONVERSION_DEGREE))


def _interpolate(evaluate: _Checked, left: Array, right: Array, far: bool) -> tuple[Array, Array, float]:
    """Interpolate on each interval; return coefficients (n, K, D), errors (n,) and the largest value."""
    centres, halves = (0.5 * left + 0.5 * right)[:, None], (0.5 * right - 0.5 * left)[:, None]
    # A jump between an end and the first check would not be seen: two checks are as near to the ends as
    # rounding allows.
    near = np.maximum(1e-13 * (right[-1] - left[0]), 2 * np.spacing(np.maximum(np.abs(left), np.abs(right))))
    end = 1.0 - np.minimum(near[:, None] / halves, 1e-3)
    inner = np.tile(np.concatenate([_NODES, _CHECKS]), (left.size, 1))
    points = np.clip(
        centres + halves * np.concatenate([inner, end, -end], axis=1), left[:, None], right[:, None]
    )
    values = evaluate(points.ravel()).reshape(*points.shape, -1)
    at_nodes, at_checks = values[:, : len(_NODES)], values[:, len(_NODES) :]
    series = np.einsum("dn,jnk->jkd", _FROM_VALUES, at_nodes)
    # Far from 0 nodes are rounded by more than values are: the polynomial is that through where they are.
    moved = halves[:, 0] > _ROUNDINGS * np.spacing(np.maximum(np.abs(left), np.abs(right)))
    if far and moved.any():
        nodes = (points[moved, : len(_NODES)] - centres[moved]) / halves[moved]
        solved = np.linalg.solve(chebyshev.chebvander(nodes, CONVERSION_DEGREE), at_nodes[moved])
        series[moved] = np.swapaxes(solved, 1, 2)
    s = (points[:, len(_NODES) :] - centres) / halves
    fitted = np.einsum("jkd,jcd->jck", series, chebyshev.chebvander(s, CONVERSION_DEGREE))
    errors = np.abs(fitted - at_checks).max(axis=(1, 2))
    return series @ _TO_MONOMIALS, errors, float(np.abs(values).max())
