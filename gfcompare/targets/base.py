"""The interface of target functions, and the validation of their options."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gfcompare import piecewise
from gfcompare.components.component import Component, require
from gfcompare.components.errors import InputError
from gfcompare.piecewise.segments import Lines, SegmentwisePolynomial
from gfcompare.targets.terms import Terms

Array = NDArray[np.float64]
#: One number, or one for each output.
Numbers = float | Sequence[float]


class Target(Component, abc.ABC):
    """A function f to be learnt, from an interval or a box to R^K.

    A target on the line writes `outputs` and `on`, and `at` where the values at points are easier to have. A
    target of more inputs derives from `SpaceTarget`.
    """

    @property
    @abc.abstractmethod
    def outputs(self) -> int:
        """Number of components K."""

    @property
    def dimension(self) -> int | None:
        """Number of inputs d, or None for a target that is defined in every dimension."""
        return 1

    @property
    def called(self) -> str:
        """Return the target's name in error messages."""
        return f"target {self.name!r}"

    @abc.abstractmethod
    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper] as a piecewise polynomial with K components; d = 1."""

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""
        points = self.checked(x)[:, 0]
        if not points.size:
            return np.empty((0, self.outputs))
        lower, upper = float(points.min()), float(points.max())
        return self.on(lower, upper if lower < upper else float(np.nextafter(lower, np.inf)))(points)

    def along(self, lines: Lines) -> SegmentwisePolynomial:
        """Return f on segments parallel to one axis, as polynomials on pieces of each."""
        self.checked(lines.nodes)
        pieces = self.on(lines.lower, lines.upper)
        return SegmentwisePolynomial(
            np.arange(lines.count + 1) * len(pieces.high),
            np.tile(pieces.knots[:-1], lines.count),
            np.tile(pieces.knots[1:], lines.count),
            np.tile(pieces.high, (lines.count, 1, 1)),
        )

    def degree(self, coordinate: int) -> int | None:
        """Return the degree of f along a coordinate between its kinks; None if it is no polynomial."""
        return None

    def terms(self, box: Array) -> Terms | None:
        """Return f on a box, ends of shape (d, 2), as a polynomial plus a sum of neurons.

        None, the default, if f is no such sum. It is exact: what is integrated with it has no other error
        than rounding.
        """
        return None

    def kinks(self, lines: Lines) -> Array:
        """Return where f is not smooth on each segment, shape (B, q), in any order, NaN for none."""
        return np.empty((lines.count, 0))

    def checked(self, x: Array) -> Array:
        """Return points as an array of shape (n, d), or raise InputError if f has other inputs."""
        points = numbers(x, "points")
        d = self.dimension
        require(
            points.ndim == 2 and points.shape[1] == (points.shape[1] if d is None else d),
            f"the {self.called} takes points of shape (n, {'d' if d is None else d}), "
            f"got an array of shape {points.shape}.",
        )
        return points


class SpaceTarget(Target):
    """A target of any number of inputs, given by its values at points.

    A subclass writes `outputs`, `dimension` and `at`. On the way to a piecewise polynomial the function
    is split at what `kinks` announces; where it is a polynomial along every axis between them, `degree` says
    so, and the conversion is exact to rounding.
    """

    @property
    @abc.abstractmethod
    def dimension(self) -> int | None:
        """Number of inputs d, or None for a target that is defined in every dimension."""

    @abc.abstractmethod
    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper], for d = 1."""
        line = self.line(lower, upper)
        if self.degree(0) is not None:
            return as_pieces(self.along(line))
        kinks = self.kinks(line)[0]
        return piecewise.from_function(
            lambda x: self.at(x[:, None]),
            lower,
            upper,
            knots=[float(k) for k in kinks if lower < k < upper],
            name=self.called,
        )

    def along(self, lines: Lines) -> SegmentwisePolynomial:
        """Return f on segments parallel to one axis, as polynomials on pieces of each."""
        degree = self.degree(lines.coordinate)
        if degree is None and lines.nodes.shape[1] == 1:
            return super().along(lines)  # more accurate, and at the same cost for all segments
        self.checked(lines.nodes)
        return lines.convert(self.at, kinks=self.kinks(lines), degree=degree, name=self.called)

    def line(self, lower: float, upper: float) -> Lines:
        """Return an interval as the one segment of a box with d = 1, or raise InputError for other d."""
        require(
            self.dimension in (1, None),
            f"the {self.called} has d = {self.dimension} inputs: it is no function on an interval.",
        )
        return Lines(lower, upper, 0, np.zeros((1, 1)))


def as_pieces(bundle: SegmentwisePolynomial) -> piecewise.PiecewisePolynomial:
    """Return a piecewise polynomial on a single segment as one on an interval."""
    knots = np.append(bundle.left, bundle.right[-1])
    return piecewise.PiecewisePolynomial(knots, bundle.coefficients, np.zeros_like(bundle.coefficients))


def inner_knots(lower: float, upper: float, candidates: Array) -> Array:
    """Return lower, the candidates strictly between, and upper, sorted and each once."""
    inside = candidates[(candidates > lower) & (candidates < upper)]
    return np.union1d([lower, upper], inside)


def numbers(value: object, key: str) -> Array:
    """Return a value as an array of float64, or raise InputError."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{key} must be numbers, got {value!r}.") from None


def broadcast(**fields: Numbers) -> tuple[Array, ...]:
    """Return the fields as arrays of one common length K, or raise InputError."""
    arrays = {key: np.atleast_1d(numbers(value, key)) for key, value in fields.items()}
    lengths = {key: array.size for key, array in arrays.items()}
    largest = max(lengths.values())
    for key, array in arrays.items():
        require(array.ndim == 1 and array.size > 0, f"{key} must be a number or a list of K numbers.")
        require(bool(np.isfinite(array).all()), f"{key} must be finite, got {array.tolist()}.")
        require(
            array.size in (1, largest),
            f"{key} has {array.size} numbers where other fields have {largest}: give 1 or {largest}.",
        )
    return tuple(np.broadcast_to(array, (largest,)) for array in arrays.values())


#: The largest degree of a polynomial that is given by coefficients or powers. In double precision a sum of
#: more monomials is rounding.
LARGEST_DEGREE = 100


def check_degree(degree: int) -> None:
    """Raise InputError if a polynomial has a larger degree than can be meant."""
    require(
        degree <= LARGEST_DEGREE,
        f"a polynomial of degree {degree}, and at most {LARGEST_DEGREE} is allowed: "
        "use piecewise-polynomial, or a Python function.",
    )


def coefficient_rows(
    coefficients: Sequence[float] | Sequence[Sequence[float]], key: str
) -> list[list[float]]:
    """Return polynomial coefficients as one list for each output."""
    require(len(coefficients) > 0, f"{key} must not be empty.")
    nested = [isinstance(c, Sequence | np.ndarray) for c in coefficients]
    require(all(nested) or not any(nested), f"{key} must be a list of numbers, or one list for each output.")
    rows = coefficients if nested[0] else [coefficients]
    result = [numbers(row, key).tolist() for row in rows]
    require(all(result), f"{key} must not contain an empty list.")
    require(bool(np.isfinite([c for row in result for c in row]).all()), f"{key} must be finite numbers.")
    return result
