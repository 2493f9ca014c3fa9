"""Target functions on the line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.polynomial import hermite_e, polynomial

from gfcompare import piecewise
from gfcompare.components.component import require
from gfcompare.components.errors import InputError, normalized, unknown_name
from gfcompare.kernels import doubles
from gfcompare.system.paths import user_path
from gfcompare.system.tabular_files import read_table
from gfcompare.targets.base import (
    Array,
    Numbers,
    Target,
    broadcast,
    check_degree,
    coefficient_rows,
    inner_knots,
)


@dataclass(frozen=True)
class Polynomial(Target):
    """f(x) = c_0 + c_1 x + c_2 x^2 + ...

    Parameters
    ----------
    coefficients : ascending, as in numpy.polynomial; one list, or one list for each output

    Examples
    --------
    >>> import gfcompare as gfc
    >>> gfc.targets.Polynomial([1.0, 0.0, 2.0]).on(0.0, 1.0)(0.5)  # 1 + 2 x^2
    array([1.5])
    """

    name: ClassVar[str] = "polynomial"
    coefficients: Sequence[float] | Sequence[Sequence[float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        rows = coefficient_rows(self.coefficients, "coefficients")
        check_degree(max(map(len, rows)) - 1)

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(coefficient_rows(self.coefficients, "coefficients"))

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper]."""
        return piecewise.from_pieces([lower, upper], [coefficient_rows(self.coefficients, "coefficients")])

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, 1)."""
        points = self.checked(x)[:, 0]
        rows = coefficient_rows(self.coefficients, "coefficients")
        return np.stack([polynomial.polyval(points, row) for row in rows], axis=1)


@dataclass(frozen=True)
class HermitePolynomial(Target):
    """f(x) = c_0 + c_1 He_1(x) + c_2 He_2(x) + ..., with He_2 = x^2 - 1 and so on.

    These (the probabilists') polynomials are orthogonal under the standard normal distribution. As the
    profile of a `Ridge` they make single-index targets; the degree of the first term that is not constant is
    the information exponent (G. Ben Arous, R. Gheissari, A. Jagannath, arXiv:2003.10409).

    Parameters
    ----------
    coefficients : from c_0 on, as in numpy.polynomial.hermite_e; one list, or one list for each output

    Examples
    --------
    >>> import gfcompare as gfc
    >>> gfc.targets.HermitePolynomial([0.0, 0.0, 1.0]).on(0.0, 3.0)(2.0)  # x^2 - 1
    array([3.])
    """

    name: ClassVar[str] = "hermite-polynomial"
    coefficients: Sequence[float] | Sequence[Sequence[float]] = (0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        rows = coefficient_rows(self.coefficients, "coefficients")
        check_degree(max(map(len, rows)) - 1)

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(coefficient_rows(self.coefficients, "coefficients"))

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper]."""
        rows = coefficient_rows(self.coefficients, "coefficients")
        return piecewise.from_pieces([lower, upper], [[hermite_e.herme2poly(row).tolist() for row in rows]])

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, 1)."""
        points = self.checked(x)[:, 0]
        rows = coefficient_rows(self.coefficients, "coefficients")
        return np.stack([hermite_e.hermeval(points, row) for row in rows], axis=1)


@dataclass(frozen=True)
class PiecewisePolynomial(Target):
    """A polynomial in x on each of several pieces, continuous or not.

    Parameters
    ----------
    knots : the n + 1 ends of the pieces, increasing
    coefficients : for each piece its coefficients, ascending in x; for K > 1 one list for each output
    """

    name: ClassVar[str] = "piecewise-polynomial"
    knots: Sequence[float]
    coefficients: Sequence[Sequence[float]] | Sequence[Sequence[Sequence[float]]]

    def __post_init__(self) -> None:
        rows = {len(coefficient_rows(piece, "coefficients")) for piece in self.coefficients}
        check_degree(
            max(
                (len(row) for p in self.coefficients for row in coefficient_rows(p, "coefficients")),
                default=1,
            )
            - 1
        )
        require(len(rows) <= 1, f"every piece must have the same number of outputs, got {sorted(rows)}.")
        _ = self._whole

    @cached_property
    def _whole(self) -> piecewise.PiecewisePolynomial:
        return piecewise.from_pieces(
            self.knots, [coefficient_rows(piece, "coefficients") for piece in self.coefficients]
        )

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(coefficient_rows(self.coefficients[0], "coefficients"))

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper], which the knots must cover."""
        return _restricted(self._whole, lower, upper, "knots")

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, 1), which the knots must cover."""
        return _evaluated(self._whole, self.checked(x), "knots")


@dataclass(frozen=True)
class PiecewiseLinear(Target):
    """The piecewise linear function through given points.

    Parameters
    ----------
    knots : n + 1 increasing numbers
    values : the values there, n + 1 numbers, or n + 1 lists of K numbers
    """

    name: ClassVar[str] = "piecewise-linear"
    knots: Sequence[float]
    values: Sequence[float] | Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        _ = self._whole

    @cached_property
    def _whole(self) -> piecewise.PiecewisePolynomial:
        try:
            values = np.asarray(self.values, dtype=np.float64)
        except ValueError:
            raise InputError("values must be numbers, or lists of the same length.") from None
        return piecewise.from_values(self.knots, values)

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return self._whole.components

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper], which the knots must cover."""
        return _restricted(self._whole, lower, upper, "knots")

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, 1), which the knots must cover."""
        return _evaluated(self._whole, self.checked(x), "knots")


# Arguments of a sine, in radians, from which on rounding of the argument is no longer let into the value.
_FAR_ARGUMENT = 64.0
# Up to here `doubles.two_product` does not overflow.
_EXACT = 1e290


def _fraction_of_product(first: Array, second: Array) -> Array:
    """Return first times second less a whole number, in [-1/2, 1/2], as if the product were exact."""
    with np.errstate(over="ignore", invalid="ignore"):
        product, rounded_off = doubles.two_product.py_func(first, second)
        rest = (product - np.rint(product)) + rounded_off
        return np.asarray(np.where(np.abs(product) < _EXACT, rest - np.rint(rest), 0.0))


@dataclass(frozen=True)
class Sine(Target):
    """f(x) = offset + amplitude sin(2 pi frequency x + phase).

    Parameters
    ----------
    amplitude, frequency, phase, offset : a number, or one for each output; the frequency counts
        periods per unit of x, the phase is in radians
    """

    name: ClassVar[str] = "sine"
    amplitude: Numbers = 1.0
    frequency: Numbers = 1.0
    phase: Numbers = 0.0
    offset: Numbers = 0.0

    def __post_init__(self) -> None:
        self._fields()

    def _fields(self) -> tuple[Array, ...]:
        return broadcast(
            amplitude=self.amplitude, frequency=self.frequency, phase=self.phase, offset=self.offset
        )

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(self._fields()[0])

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper], to a relative accuracy of 1e-14 unless rounding is larger."""
        _, frequency, phase, _ = self._fields()
        swept = np.abs(2 * np.pi * frequency * max(abs(lower), abs(upper))).max()
        rounded = swept + np.abs(phase).max()
        if rounded > _FAR_ARGUMENT:  # then the phase is added to what is left of whole periods
            # Near 0 the places where the sine is taken are rounded; far from 0 that is allowed for.
            rounded = 0.0 if piecewise.is_far(lower, upper) else swept
        accuracy = max(1e-14, 4 * float(rounded) * np.finfo(float).eps)
        return piecewise.from_function(
            lambda x: self.at(x[:, None]), lower, upper, accuracy=accuracy, name="sine"
        )

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, 1)."""
        amplitude, frequency, phase, offset = self._fields()
        points = self.checked(x)
        argument = 2 * np.pi * frequency * points + phase
        far = np.abs(argument) > _FAR_ARGUMENT
        sine = np.sin(argument)
        if far.any():
            # Whole periods are taken off before anything is rounded, and the phase is added to what is left.
            rest = 2 * np.pi * _fraction_of_product(frequency, points)
            sine = np.where(far, np.sin(rest) * np.cos(phase) + np.cos(rest) * np.sin(phase), sine)
        return np.asarray(offset + amplitude * sine)


@dataclass(frozen=True)
class AbsoluteValue(Target):
    """f(x) = offset + slope |x - centre|.

    Parameters
    ----------
    centre, slope, offset : a number, or one for each output
    """

    name: ClassVar[str] = "absolute-value"
    centre: Numbers = 0.0
    slope: Numbers = 1.0
    offset: Numbers = 0.0

    def __post_init__(self) -> None:
        broadcast(centre=self.centre, slope=self.slope, offset=self.offset)

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(broadcast(centre=self.centre, slope=self.slope, offset=self.offset)[0])

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper]."""
        fields = broadcast(centre=self.centre, slope=self.slope, offset=self.offset)
        knots = inner_knots(lower, upper, fields[0])
        pieces = []
        for left, right in itertools.pairwise(knots):
            signs = np.where(0.5 * left + 0.5 * right > fields[0], 1.0, -1.0) * fields[1]
            # offset - slope * centre would round, and put a jump at the kink: it is kept as a fraction.
            pieces.append(
                [_shifted_line(o, s, c) for c, s, o in zip(fields[0], signs, fields[2], strict=True)]
            )
        return piecewise.from_pieces(knots, pieces)

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, 1)."""
        centre, slope, offset = broadcast(centre=self.centre, slope=self.slope, offset=self.offset)
        return np.asarray(offset + slope * np.abs(self.checked(x) - centre))


@dataclass(frozen=True)
class Step(Target):
    """f(x) = left for x < location, right after it.

    Parameters
    ----------
    location, left, right : a number, or one for each output
    """

    name: ClassVar[str] = "step"
    location: Numbers = 0.5
    left: Numbers = 0.0
    right: Numbers = 1.0

    def __post_init__(self) -> None:
        broadcast(location=self.location, left=self.left, right=self.right)

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(broadcast(location=self.location, left=self.left, right=self.right)[0])

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper]."""
        location, left, right = broadcast(location=self.location, left=self.left, right=self.right)
        knots = inner_knots(lower, upper, location)
        centres = 0.5 * knots[:-1] + 0.5 * knots[1:]
        return piecewise.from_pieces(
            knots, [[[value] for value in np.where(c < location, left, right)] for c in centres]
        )

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, 1)."""
        location, left, right = broadcast(location=self.location, left=self.left, right=self.right)
        return np.where(self.checked(x) < location, left, right)


@dataclass(frozen=True)
class Table(Target):
    """A user's points from a CSV or netCDF file, interpolated.

    Parameters
    ----------
    path : the file; a CSV has a header line
    x : name of the column or variable of the points
    y : name of the values, or a list of K names
    interpolation : "linear", "cubic" (a spline, not-a-knot) or "pchip" (monotone cubic)
    """

    name: ClassVar[str] = "table"
    path: Path
    x: str = "x"
    y: str | Sequence[str] = "y"
    interpolation: Literal["linear", "cubic", "pchip"] = "linear"

    def __post_init__(self) -> None:
        kinds = ("linear", "cubic", "pchip")
        if self.interpolation not in kinds:
            raise unknown_name("interpolation", self.interpolation, kinds)
        _ = self._whole

    @property
    def _columns(self) -> list[str]:
        return [self.y] if isinstance(self.y, str) else list(self.y)

    def _points(self) -> tuple[Array, Array]:
        table = read_table(user_path(self.path), (self.x, *self._columns))
        x = table[normalized(self.x)]
        values = np.stack([table[normalized(column)] for column in self._columns], axis=-1)
        order = np.argsort(x, kind="stable")
        x, values = x[order], values[order]
        require(x.size >= 2, f"{self.path}: at least two points are needed, got {x.size}.")
        twice = np.flatnonzero(np.diff(x) == 0)
        require(not twice.size, f"{self.path}: x = {x[twice[0]] if twice.size else 0} occurs twice.")
        return x, values

    @cached_property
    def _whole(self) -> piecewise.PiecewisePolynomial:
        x, values = self._points()
        if self.interpolation == "linear":
            return piecewise.from_values(x, values)
        return _spline(x, values, self.interpolation)

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(self._columns)

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return the interpolant on [lower, upper], which the points must cover."""
        return _restricted(self._whole, lower, upper, f"points of {self.path}")

    def at(self, x: Array) -> Array:
        """Return the interpolant, shape (n, K), at x, shape (n, 1), which the points must cover."""
        return _evaluated(self._whole, self.checked(x), f"points of {self.path}")


def _shifted_line(offset: float, slope: float, centre: float) -> list[Fraction]:
    return [Fraction(offset) - Fraction(slope) * Fraction(centre), Fraction(slope)]


def _restricted(
    whole: piecewise.PiecewisePolynomial, lower: float, upper: float, what: str
) -> piecewise.PiecewisePolynomial:
    """Return `whole` on [lower, upper], or raise InputError if it does not cover that."""
    _check_cover(whole, lower, upper, what)
    return whole.refined(inner_knots(lower, upper, whole.knots))


def _evaluated(whole: piecewise.PiecewisePolynomial, x: Array, what: str) -> Array:
    """Return `whole` at points, shape (n, 1), or raise InputError if it does not cover them."""
    if x.size:
        _check_cover(whole, float(x.min()), float(x.max()), what)
    return whole(x[:, 0])


def _check_cover(whole: piecewise.PiecewisePolynomial, lower: float, upper: float, what: str) -> None:
    first, last = float(whole.knots[0]), float(whole.knots[-1])
    require(
        first <= lower and upper <= last,
        f"the {what} cover [{first:g}, {last:g}], but the measure lives on [{lower:g}, {upper:g}].",
    )


def _spline(x: Array, values: Array, kind: str) -> piecewise.PiecewisePolynomial:
    from scipy.interpolate import CubicSpline, PchipInterpolator

    spline = (CubicSpline if kind == "cubic" else PchipInterpolator)(x, values, axis=0)
    # scipy: sum_m c[m, j] (x - x_j)^(degree - m); here s = (x - centre) / half, x - x_j = half (1 + s).
    half = 0.5 * np.diff(x)
    high = np.zeros((half.size, values.shape[1], 4))
    for coefficients, power in zip(spline.c, range(spline.c.shape[0] - 1, -1, -1), strict=True):
        binomial = np.polynomial.polynomial.polypow([1.0, 1.0], power)
        high[:, :, : power + 1] += (coefficients * half[:, None] ** power)[..., None] * binomial
    return piecewise.PiecewisePolynomial(x, high, np.zeros_like(high))
