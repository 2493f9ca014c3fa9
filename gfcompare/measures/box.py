"""Input measures with a density on a box: products of line measures, or any density."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from gfcompare.components.component import require
from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of
from gfcompare.kernels import random
from gfcompare.measures.base import Array, Measure, Streams, check_interval
from gfcompare.measures.line import LineMeasure, Uniform
from gfcompare.measures.sobol import sobol_points
from gfcompare.piecewise.segments import Lines, SegmentwisePolynomial

# Trials of the rejection at a time, unless more points are wanted.
_MOST_TRIALS = 2**16
#: Inputs that a box can have: Sobol sequences and quantiles are made for a few dozen.
MOST_INPUTS = 1000

#: One number, or one for each input.
Numbers = float | Sequence[float]


class BoxMeasure(Measure, abc.ABC):
    """A probability measure on a box in R^d, d >= 2, with a density."""

    @abc.abstractmethod
    def density(self, x: Array) -> Array:
        """Return the density, up to a positive factor, shape (n,), at points x, shape (n, d)."""

    @abc.abstractmethod
    def nodes(self, uniforms: Array, coordinate: int) -> tuple[Array, Array]:
        """Place the lines of a quadrature rule parallel to a coordinate.

        Parameters
        ----------
        uniforms : nodes of a rule on the unit cube, shape (B, d - 1), for the other coordinates in order
        coordinate : the one that is integrated exactly

        Returns
        -------
        nodes : shape (B, d), a point of each line
        factors : shape (B,), what the rule's weight of a line is multiplied by
        """

    @abc.abstractmethod
    def along(self, lines: Lines) -> SegmentwisePolynomial:
        """Return the density on each line, up to the factors that `nodes` returned."""


def _others(coordinate: int, dimension: int) -> list[int]:
    return [m for m in range(dimension) if m != coordinate]


class _Independent(BoxMeasure, abc.ABC):
    """A measure under which the inputs are independent."""

    @property
    @abc.abstractmethod
    def lines(self) -> tuple[LineMeasure, ...]:
        """The distribution of each input."""

    @property
    def box(self) -> Array:
        """Ends of the box, shape (d, 2)."""
        return np.array([factor.interval for factor in self.lines], dtype=np.float64)

    def transport(self, uniforms: Array) -> Array:
        """Map uniform numbers, shape (..., d), to points, by the quantiles of each factor."""
        parts = [factor.quantile(uniforms[..., m]) for m, factor in enumerate(self.lines)]
        return np.stack(parts, axis=-1)

    def density(self, x: Array) -> Array:
        """Return the density, shape (n,), at points x, shape (n, d)."""
        inside = ((x >= self.box[:, 0]) & (x <= self.box[:, 1])).all(axis=1)
        parts = [factor.density()(x[:, m])[:, 0] for m, factor in enumerate(self.lines)]
        return np.where(inside, np.prod(parts, axis=0), 0.0)

    def nodes(self, uniforms: Array, coordinate: int) -> tuple[Array, Array]:
        """Place lines by the quantiles of the other factors: their densities need no factor."""
        nodes = np.zeros((len(uniforms), self.dimension))
        for column, m in enumerate(_others(coordinate, self.dimension)):
            nodes[:, m] = self.lines[m].quantile(uniforms[:, column])
        return nodes, np.ones(len(uniforms))

    def along(self, lines: Lines) -> SegmentwisePolynomial:
        """Return the density of the coordinate, the same on each line."""
        pieces = self.lines[lines.coordinate].density()
        return SegmentwisePolynomial(
            np.arange(lines.count + 1) * len(pieces.high),
            np.tile(pieces.knots[:-1], lines.count),
            np.tile(pieces.knots[1:], lines.count),
            np.tile(pieces.high, (lines.count, 1, 1)),
        )


@dataclass(frozen=True)
class Product(_Independent):
    """The product of measures on the line: the inputs are independent.

    Parameters
    ----------
    factors : the distribution of each input, each a measure on an interval
    """

    name: ClassVar[str] = "product"
    factors: Sequence[Measure]

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", tuple(self.factors))
        require(len(self.factors) >= 2, f"a product needs at least two factors, got {len(self.factors)}.")
        for number, factor in enumerate(self.factors, start=1):
            require(
                isinstance(factor, LineMeasure),
                f"factor {number} of a product must be a measure on an interval, got "
                f"{getattr(factor, 'name', factor)!r}.",
            )

    @property
    def dimension(self) -> int:
        """Number of inputs d."""
        return len(self.factors)

    @property
    def lines(self) -> tuple[LineMeasure, ...]:
        """The distribution of each input."""
        return tuple(f for f in self.factors if isinstance(f, LineMeasure))


def _ends(lower: Numbers, upper: Numbers, dimension: int) -> Array:
    """Return the ends of a box, shape (d, 2), or raise InputError."""
    whole = isinstance(dimension, int) and not isinstance(dimension, bool)
    require(
        whole and 2 <= dimension <= MOST_INPUTS,
        f"dimension must be an integer from 2 to {MOST_INPUTS}, got {dimension!r}.",
    )
    columns = []
    for key, value in (("lower", lower), ("upper", upper)):
        try:
            ends = np.atleast_1d(np.asarray(value, dtype=np.float64))
        except (TypeError, ValueError):
            raise InputError(f"{key} must be a number or {dimension} numbers, got {value!r}.") from None
        require(
            ends.shape in ((1,), (dimension,)),
            f"{key} must be a number or {dimension} numbers, one for each input, got {value!r}.",
        )
        columns.append(np.broadcast_to(ends, (dimension,)))
    box = np.stack(columns, axis=1)
    for low, high in box:
        check_interval(float(low), float(high))
    return box


@dataclass(frozen=True)
class Box(_Independent):
    """The uniform distribution on a box, such as [lower, upper]^d.

    Parameters
    ----------
    lower, upper : ends, a number or one for each input
    dimension : number of inputs d
    """

    name: ClassVar[str] = "box"
    lower: Numbers = 0.0
    upper: Numbers = 1.0
    dimension: int = 2

    def __post_init__(self) -> None:
        for key in ("lower", "upper"):  # lists from a study file become tuples, so that it can be hashed
            value = getattr(self, key)
            if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
                object.__setattr__(self, key, tuple(value))
        _ends(self.lower, self.upper, self.dimension)

    @property
    def lines(self) -> tuple[LineMeasure, ...]:
        """The distribution of each input."""
        return tuple(
            Uniform(float(low), float(high)) for low, high in _ends(self.lower, self.upper, self.dimension)
        )


@dataclass(frozen=True)
class BoxDensity(BoxMeasure):
    """Any density on a box, given as a Python function; it is normalised.

    Points are drawn by rejection, under a bound that is found on 2^14 points and on every line.

    Parameters
    ----------
    function : maps x, shape (n, d), to the density there, shape (n,), up to a factor
    lower, upper : ends of the box, a number or one for each input
    dimension : number of inputs d
    """

    name: ClassVar[str] = "box-density"
    function: Callable[[Array], ArrayLike]
    lower: Numbers = 0.0
    upper: Numbers = 1.0
    dimension: int = 2

    def __post_init__(self) -> None:
        for key in ("lower", "upper"):
            value = getattr(self, key)
            if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
                object.__setattr__(self, key, tuple(value))
        if not callable(self.function):
            raise InputError(f"function must be callable, got {self.function!r}.")
        _ends(self.lower, self.upper, self.dimension)

    @property
    def box(self) -> Array:
        """Ends of the box, shape (d, 2)."""
        return _ends(self.lower, self.upper, self.dimension)

    def density(self, x: Array) -> Array:
        """Return the density, up to a factor, shape (n,), at points x, shape (n, d)."""
        try:
            values = np.asarray(self.function(x), dtype=np.float64)
        except FOREIGN_ERRORS as error:
            raise InputError(
                f"the density failed on an array of shape {x.shape} ({cause_of(error)}). "
                "It is called with points x of shape (n, d) and must return shape (n,)."
            ) from error
        if values.ndim == 0:
            values = np.full(len(x), float(values))
        values = values.reshape(len(x)) if values.size == len(x) else values
        require(
            values.shape == (len(x),),
            f"the density returned an array of shape {values.shape} for {len(x)} points; "
            f"expected ({len(x)},).",
        )
        bad = ~np.isfinite(values) | (values < 0)
        if bad.any():
            raise InputError(f"the density is {values[bad][0]:g} at x = {x[bad][0].tolist()}.")
        return values

    def nodes(self, uniforms: Array, coordinate: int) -> tuple[Array, Array]:
        """Place lines evenly in the box; the density along each of them is its weight."""
        box = self.box
        nodes = np.zeros((len(uniforms), self.dimension))
        for column, m in enumerate(_others(coordinate, self.dimension)):
            nodes[:, m] = box[m, 0] + (box[m, 1] - box[m, 0]) * uniforms[:, column]
        return nodes, np.ones(len(uniforms))

    def along(self, lines: Lines) -> SegmentwisePolynomial:
        """Return the density on each line."""
        return lines.convert(lambda x: self.density(x)[:, None], name="the density")

    @cached_property
    def _bound(self) -> float:
        probes = sobol_points(self.dimension, 2**14, seed=0)
        box = self.box
        x = box[:, 0] + (box[:, 1] - box[:, 0]) * probes
        values = self.density(x)
        require(bool(values.max() > 0), "the density has total mass 0; it must be positive somewhere.")
        best = x[int(np.argmax(values))]
        # Up the hill from the best point, by smaller and smaller boxes around it.
        width = 0.25 * (box[:, 1] - box[:, 0])
        for _ in range(12):
            near = np.clip(best + width * (2.0 * probes[:512] - 1.0), box[:, 0], box[:, 1])
            found = self.density(near)
            if found.max() > values.max():
                best, values = near[int(np.argmax(found))], found
            width = 0.5 * width
        return 1.05 * float(values.max())

    def transport(self, uniforms: Array) -> Array:
        """Not available: points of a density that does not factor are drawn by rejection (`draw`)."""
        raise InputError("the inputs are not independent under this measure: use draw or sample.")

    def draw(self, streams: Streams, count: int) -> Array:
        """Draw independent points, shape (M, count, d), each row from its own random stream."""
        points = np.empty((len(streams), count, self.dimension))
        for m in range(len(streams)):
            points[m] = self._accepted(streams[m : m + 1], count)
        return points

    def sample(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> Array:
        """Draw independent points, shape (*size, d)."""
        shape = (size,) if isinstance(size, int) else tuple(size)
        stream = rng.integers(0, 2**64, size=(1, 4), dtype=np.uint64)
        return self.draw(stream, int(np.prod(shape))).reshape(*shape, self.dimension)

    def _accepted(self, stream: Streams, count: int) -> Array:
        """Return `count` points; the stream is advanced by exactly the numbers that they used."""
        box, width = self.box, self.dimension + 1
        kept = [np.empty((0, self.dimension))]
        missing, ahead_of = count, 2 * count
        while missing:
            ahead = stream.copy()
            trials = np.empty((1, ahead_of * width))
            random.uniforms(ahead, trials)
            table = trials.reshape(-1, width)
            x = box[:, 0] + (box[:, 1] - box[:, 0]) * table[:, 1:]
            density = self.density(x)
            largest = int(np.argmax(density))
            require(
                bool(density[largest] <= self._bound),
                f"the density is {density[largest]:g} at x = {x[largest].tolist()}, above the bound "
                f"{self._bound:g} that was found for it: it is too narrow there to draw from by rejection.",
            )
            good = np.flatnonzero(table[:, 0] * self._bound < density)[:missing]
            # Where few trials are accepted, more at a time: what is drawn does not depend on it.
            ahead_of = min(2 * ahead_of, max(2 * missing, _MOST_TRIALS))
            used = len(table) if len(good) < missing else int(good[-1]) + 1
            random.uniforms(stream, np.empty((1, used * width)))
            kept.append(x[good])
            missing -= len(good)
        return np.concatenate(kept)
