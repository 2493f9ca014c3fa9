"""Input measures on an interval: probability measures with a density that becomes a piecewise polynomial."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gfcompare import piecewise
from gfcompare.components.component import require
from gfcompare.components.errors import InputError
from gfcompare.kernels import line_batch
from gfcompare.kernels.line import LineData
from gfcompare.measures.base import Measure, check_interval
from gfcompare.piecewise.antiderivatives import line_data

Array = NDArray[np.float64]


class LineMeasure(Measure):
    """A probability measure on an interval [lower, upper] with a density.

    A subclass writes `interval` and `unnormalized`.
    """

    @property
    def dimension(self) -> int:
        """Number of inputs d: one."""
        return 1

    @property
    @abc.abstractmethod
    def interval(self) -> tuple[float, float]:
        """The ends (lower, upper) of the interval."""

    @abc.abstractmethod
    def unnormalized(self) -> piecewise.PiecewisePolynomial:
        """Return the density up to a positive factor, with one component."""

    @property
    def box(self) -> Array:
        """Ends of the interval, shape (1, 2)."""
        return np.array([self.interval], dtype=np.float64)

    @property
    def slack(self) -> float:
        """Return the allowed negative part of the density by rounding, relative to its largest value."""
        return 1e-12

    def density(self) -> piecewise.PiecewisePolynomial:
        """Return the density, of total mass 1.

        Raises
        ------
        InputError
            if the density given is negative somewhere or has no mass
        """
        raw = self.unnormalized()
        require(raw.components == 1, f"a density has one component, got {raw.components}.")
        s = np.cos(np.pi * np.arange(33) / 32)
        x = raw.centres[:, None] + raw.half_widths[:, None] * s
        values = raw(np.clip(x, raw.knots[:-1, None], np.nextafter(raw.knots[1:, None], -np.inf)))[..., 0]
        lowest = int(np.argmin(values))
        require(
            bool(values.min() >= -self.slack * np.abs(values).max()),
            f"the density is negative ({values.flat[lowest]:.6g}) at x = {x.flat[lowest]:.6g}.",
        )
        mass = float(raw.integral()[0])
        require(mass > 0, f"the density has total mass {mass:g}; it must be positive.")
        return raw.scaled(1.0 / mass)

    def quantile(self, u: ArrayLike) -> Array:
        """Return x below which the measure has mass u, for u in [0, 1] of any shape."""
        uniforms = np.ascontiguousarray(u, dtype=np.float64)
        result = np.empty(uniforms.size)
        line_batch.quantiles(_quantile_data(self), uniforms.ravel(), result)
        return result.reshape(uniforms.shape)

    def transport(self, uniforms: Array) -> Array:
        """Map uniform numbers, shape (..., 1), to independent points, by the quantiles."""
        return self.quantile(uniforms)


@lru_cache(maxsize=32)
def _quantile_data(measure: LineMeasure) -> LineData:
    density = measure.density()
    return line_data(density, piecewise.from_pieces(measure.interval, [[[0.0]]]))


@dataclass(frozen=True)
class Uniform(LineMeasure):
    """The uniform distribution on [lower, upper].

    Parameters
    ----------
    lower, upper : ends of the interval

    Examples
    --------
    >>> import gfcompare as gfc
    >>> gfc.measures.Uniform(0.0, 4.0).density()(1.0)
    array([0.25])
    """

    name: ClassVar[str] = "uniform"
    lower: float = 0.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        check_interval(self.lower, self.upper)

    @property
    def interval(self) -> tuple[float, float]:
        """The ends (lower, upper) of the interval."""
        return self.lower, self.upper

    def unnormalized(self) -> piecewise.PiecewisePolynomial:
        """Return the constant 1."""
        return piecewise.from_pieces([self.lower, self.upper], [[[1.0]]])


@dataclass(frozen=True)
class PiecewisePolynomial(LineMeasure):
    """A density that is a polynomial in x on each of several pieces; it is normalised.

    Parameters
    ----------
    knots : the n + 1 ends of the pieces, increasing
    coefficients : for each piece its coefficients, ascending in x
    """

    name: ClassVar[str] = "piecewise-polynomial"
    knots: Sequence[float]
    coefficients: Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        degree = max(map(len, self.coefficients), default=1) - 1
        require(degree <= 100, f"a density of degree {degree}, and at most 100 is allowed.")
        # Lists from a study file become tuples, so that the measure can be hashed.
        object.__setattr__(self, "knots", tuple(float(k) for k in self.knots))
        object.__setattr__(self, "coefficients", tuple(tuple(float(c) for c in p) for p in self.coefficients))
        self.density()

    @property
    def interval(self) -> tuple[float, float]:
        """The ends (lower, upper) of the interval."""
        return self.knots[0], self.knots[-1]

    def unnormalized(self) -> piecewise.PiecewisePolynomial:
        """Return the piecewise polynomial as given."""
        return piecewise.from_pieces(self.knots, [[piece] for piece in self.coefficients])


@dataclass(frozen=True)
class TruncatedNormal(LineMeasure):
    """The normal distribution conditioned on [lower, upper].

    Parameters
    ----------
    mean, standard_deviation : those of the normal distribution before truncation
    lower, upper : ends of the interval
    """

    name: ClassVar[str] = "truncated-normal"
    mean: float = 0.0
    standard_deviation: float = 1.0
    lower: float = -1.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        check_interval(self.lower, self.upper)
        require(
            bool(np.isfinite(self.mean) and np.isfinite(self.standard_deviation))
            and self.standard_deviation > 0,
            "mean must be finite and standard_deviation positive, "
            f"got {self.mean}, {self.standard_deviation}.",
        )

    @property
    def interval(self) -> tuple[float, float]:
        """The ends (lower, upper) of the interval."""
        return self.lower, self.upper

    @property
    def _accuracy(self) -> float:
        # x itself is only known to rounding, which matters far from the origin.
        nearest = min(max(self.mean, self.lower), self.upper)
        steepest = max(1.0, abs(nearest - self.mean) / self.standard_deviation) / self.standard_deviation
        largest = steepest * max(abs(self.lower), abs(self.upper))
        return max(1e-14, 4 * largest * np.finfo(float).eps)

    @property
    def slack(self) -> float:
        """Return the allowed negative part of the density, relative to its largest value."""
        return max(1e-12, 8.0 * self._accuracy)

    def unnormalized(self) -> piecewise.PiecewisePolynomial:
        """Return exp(-(x - mean)^2 / (2 sd^2)), scaled to be 1 where it is largest on the interval."""
        nearest = min(max(self.mean, self.lower), self.upper)

        def bell(x: Array) -> Array:
            # A difference of squares as a product: the mean may be many deviations away.
            far = (x - nearest) * ((x - self.mean) + (nearest - self.mean)) / self.standard_deviation**2
            return np.asarray(np.exp(-0.5 * far))

        # Where the density lives may be far narrower than the interval: a few deviations, or in the tail of
        # the normal distribution the length over which it decays.
        gap, deviation = float(abs(nearest - self.mean)), float(self.standard_deviation)
        scale = deviation if gap <= deviation else deviation * (deviation / gap)
        knots = [nearest + sign * scale * 4.0**k for k in range(-1, 12) for sign in (-1, 0, 1)]
        return piecewise.from_function(
            bell, self.lower, self.upper, accuracy=self._accuracy, knots=knots, name="normal density"
        )


@dataclass(frozen=True)
class Density(LineMeasure):
    """Any density given as a Python function, turned once into a piecewise polynomial and normalised.

    Parameters
    ----------
    function : maps x, shape (n,), to the density there, shape (n,), up to a factor
    lower, upper : ends of the interval
    accuracy : largest error allowed relative to the largest value
    knots : places where the function is known not to be smooth; others are found. A feature narrower than
        1/4000 of the interval must be announced here
    """

    name: ClassVar[str] = "density"
    function: Callable[[Array], ArrayLike]
    lower: float = 0.0
    upper: float = 1.0
    accuracy: float = 1e-12
    knots: Sequence[float] = ()

    def __post_init__(self) -> None:
        check_interval(self.lower, self.upper)
        object.__setattr__(self, "knots", tuple(float(k) for k in self.knots))  # so that it can be hashed
        if not callable(self.function):
            raise InputError(f"function must be callable, got {self.function!r}.")

    @property
    def interval(self) -> tuple[float, float]:
        """The ends (lower, upper) of the interval."""
        return self.lower, self.upper

    @property
    def slack(self) -> float:
        """Return the allowed negative part of the density, relative to its largest value."""
        return max(1e-12, 2.0 * self.accuracy)

    def unnormalized(self) -> piecewise.PiecewisePolynomial:
        """Return the function as a piecewise polynomial."""
        return piecewise.from_function(
            self.function, self.lower, self.upper, accuracy=self.accuracy, knots=self.knots, name="density"
        )
