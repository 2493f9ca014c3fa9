"""Target functions of any number of inputs: constants, affine functions, Python functions, stacks, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from gfcompare import piecewise
from gfcompare.components.component import require
from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of
from gfcompare.piecewise.segments import Lines
from gfcompare.targets.base import Array, Numbers, SpaceTarget, Target, broadcast, coefficient_rows
from gfcompare.targets.terms import Terms


@dataclass(frozen=True)
class Constant(SpaceTarget):
    """f(x) = value, for any number of inputs.

    Parameters
    ----------
    value : a number, or one for each output
    """

    name: ClassVar[str] = "constant"
    value: Numbers = 1.0

    def __post_init__(self) -> None:
        broadcast(value=self.value)

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(broadcast(value=self.value)[0])

    @property
    def dimension(self) -> int | None:
        """None: a constant is defined in every dimension."""
        return None

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""
        (value,) = broadcast(value=self.value)
        return np.tile(value, (len(self.checked(x)), 1))

    def degree(self, coordinate: int) -> int | None:
        """Return 0."""
        return 0

    def terms(self, box: Array) -> Terms | None:
        """Return the polynomials of degree 0."""
        (value,) = broadcast(value=self.value)
        return Terms.polynomial(len(box), [{(0,) * len(box): Fraction(float(v))} for v in value])

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper]."""
        (value,) = broadcast(value=self.value)
        return piecewise.from_pieces([lower, upper], [[[v] for v in value]])


@dataclass(frozen=True)
class Affine(SpaceTarget):
    """f(x) = intercept + slope . x.

    Parameters
    ----------
    slope : for one input a number, or one for each output; for d inputs K lists of d numbers, one for each
        output, such as [[1.0, -2.0]] for K = 1 and d = 2
    intercept : a number, or one for each output
    """

    name: ClassVar[str] = "affine"
    slope: float | Sequence[float] | Sequence[Sequence[float]] = 1.0
    intercept: Numbers = 0.0

    def __post_init__(self) -> None:
        self.coefficients()

    def coefficients(self) -> tuple[Array, Array]:
        """Return slope, shape (K, d), and intercept, shape (K,)."""
        nested = isinstance(self.slope, Sequence | np.ndarray) and any(
            isinstance(row, Sequence | np.ndarray) for row in self.slope
        )
        if not nested:
            slope, intercept = broadcast(slope=self.slope, intercept=self.intercept)  # type: ignore[arg-type]
            return slope[:, None], intercept
        rows = coefficient_rows(self.slope, "slope")  # type: ignore[arg-type]
        lengths = sorted({len(row) for row in rows})
        require(
            len(lengths) == 1,
            f"slope must be K lists of d numbers, one list for each output, got lists of {lengths} numbers.",
        )
        (intercept,) = broadcast(intercept=self.intercept)
        outputs = max(len(rows), len(intercept))
        require(
            len(rows) in (1, outputs) and len(intercept) in (1, outputs),
            f"slope has {len(rows)} lists and intercept {len(intercept)} numbers: give one of each for every "
            "output.",
        )
        slope = np.broadcast_to(np.array(rows, dtype=np.float64), (outputs, lengths[0]))
        return slope, np.broadcast_to(intercept, (outputs,))

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return len(self.coefficients()[1])

    @property
    def dimension(self) -> int | None:
        """Number of inputs d."""
        return int(self.coefficients()[0].shape[1])

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""
        slope, intercept = self.coefficients()
        return np.asarray(intercept + self.checked(x) @ slope.T)

    def degree(self, coordinate: int) -> int | None:
        """Return 1."""
        return 1

    def terms(self, box: Array) -> Terms | None:
        """Return the polynomials of degree 1."""
        slope, intercept = self.coefficients()
        unit = np.eye(len(box), dtype=int).tolist()
        return Terms.polynomial(
            len(box),
            [
                {(0,) * len(box): Fraction(float(c))}
                | {tuple(e): Fraction(float(m)) for e, m in zip(unit, row, strict=True)}
                for row, c in zip(slope, intercept, strict=True)
            ],
        )

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper], for d = 1."""
        self.line(lower, upper)
        slope, intercept = self.coefficients()
        return piecewise.from_pieces(
            [lower, upper], [[[c, m] for c, m in zip(intercept, slope[:, 0], strict=True)]]
        )


@dataclass(frozen=True)
class Function(SpaceTarget):
    """Any Python function, turned once into a piecewise polynomial.

    Parameters
    ----------
    function : maps x, shape (n,), to values of shape (n,) or (n, K); for d >= 2 the shape of x is (n, d)
    accuracy : largest error allowed relative to the largest value; for d = 1
    knots : places where the function is known not to be smooth, for d = 1; others are found. A feature
        narrower than 1/4000 of the interval must be announced here. For d >= 2 a feature narrower than
        1/30 of the box, along the axis that is integrated exactly, may be missed
    label : what to call the function in messages
    dimension : number of inputs d
    """

    name: ClassVar[str] = "function"
    function: Callable[[Array], ArrayLike]
    accuracy: float = 1e-12
    knots: Sequence[float] = ()
    label: str = ""
    dimension: int = 1

    def __post_init__(self) -> None:
        require(callable(self.function), f"function must be callable, got {self.function!r}.")
        require(1e-15 <= self.accuracy < 1, f"accuracy must lie between 1e-15 and 1, got {self.accuracy}.")
        whole = isinstance(self.dimension, int | np.integer) and not isinstance(self.dimension, bool)
        require(
            whole and self.dimension >= 1, f"dimension must be a positive integer, got {self.dimension!r}."
        )
        require(
            self.dimension == 1 or not len(self.knots),
            f"knots are places on the line: for dimension = {self.dimension} leave them out.",
        )

    @property
    def called(self) -> str:
        """Return the function's name in error messages."""
        return f"function {self.label or getattr(self.function, '__name__', 'target')!r}"

    @property
    def outputs(self) -> int:
        """Number of components K, found by one call."""
        if self.dimension > 1:
            with np.errstate(all="ignore"):
                return int(self.at(np.stack([np.zeros(self.dimension), np.ones(self.dimension)])).shape[1])
        probe = np.asarray(self.function(np.array([0.0, 1.0])))
        return int(probe.shape[1]) if probe.ndim == 2 else 1

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""
        points = self.checked(x)
        argument = points[:, 0] if self.dimension == 1 else points
        shape = "(n,)" if self.dimension == 1 else f"(n, {self.dimension})"
        expected = f"It is called with an array x of shape {shape} and must return shape (n,) or (n, K)"
        try:
            values = np.asarray(self.function(argument), dtype=np.float64)
        except FOREIGN_ERRORS as error:
            raise InputError(
                f"{self.called} failed on an array of shape {argument.shape} ({cause_of(error)}). {expected}."
            ) from error
        if values.ndim == 0:
            values = np.full(len(points), float(values))
        require(
            values.ndim in (1, 2) and len(values) == len(points),
            f"{self.called} returned an array of shape {values.shape} for {len(points)} points. {expected}.",
        )
        return values[:, None] if values.ndim == 1 else values

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper] to the stated accuracy, for d = 1."""
        self.line(lower, upper)
        return piecewise.from_function(
            self.function, lower, upper, accuracy=self.accuracy, knots=self.knots, name=self.called
        )


@dataclass(frozen=True)
class Stack(SpaceTarget):
    """Several targets as the components of one vector-valued target.

    Parameters
    ----------
    components : the targets, one above the other, with the same number of inputs
    """

    name: ClassVar[str] = "stack"
    components: Sequence[Target]

    def __post_init__(self) -> None:
        require(len(self.components) > 0, "components must not be empty.")
        for number, target in enumerate(self.components, start=1):
            require(isinstance(target, Target), f"component {number} of a stack is not a target: {target!r}.")
        given = [(target.name, target.dimension) for target in self.components]
        require(
            len({d for _, d in given if d is not None}) <= 1,
            "the components of a stack must have the same number of inputs d, got "
            + ", ".join(f"{name!r} with d = {'any' if d is None else d}" for name, d in given)
            + ".",
        )

    @property
    def outputs(self) -> int:
        """Number of components K."""
        return sum(target.outputs for target in self.components)

    @property
    def dimension(self) -> int | None:
        """Number of inputs d, or None if every component is defined in every dimension."""
        return next((t.dimension for t in self.components if t.dimension is not None), None)

    def at(self, x: Array) -> Array:
        """Return f, shape (n, K), at the points x, shape (n, d)."""
        return np.concatenate([target.at(x) for target in self.components], axis=1)

    def degree(self, coordinate: int) -> int | None:
        """Return the highest degree of a component, None if one of them is no polynomial."""
        degrees = [target.degree(coordinate) for target in self.components]
        known = [degree for degree in degrees if degree is not None]
        return max(known) if len(known) == len(degrees) else None

    def terms(self, box: Array) -> Terms | None:
        """Return the terms of all components, None if one of them has none."""
        found = [target.terms(box) for target in self.components]
        known = [terms for terms in found if terms is not None]
        return Terms.stacked(known) if len(known) == len(found) else None

    def kinks(self, lines: Lines) -> Array:
        """Return the kinks of all components on each segment, shape (B, q)."""
        return np.concatenate([target.kinks(lines) for target in self.components], axis=1)

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Return f on [lower, upper], for d = 1."""
        self.line(lower, upper)
        parts = [target.on(lower, upper) for target in self.components]
        knots = parts[0].knots
        for part in parts[1:]:
            knots = np.union1d(knots, part.knots)
        refined = [part.refined(knots) for part in parts]
        length = max(part.degree for part in refined) + 1
        high, low = (
            np.concatenate([_padded(getattr(part, side), length) for part in refined], axis=1)
            for side in ("high", "low")
        )
        return piecewise.PiecewisePolynomial(knots, high, low)


@dataclass(frozen=True)
class Labels(SpaceTarget):
    """The values that came with the data set.

    It goes with a measure on points that has labels, such as "data-set".
    """

    name: ClassVar[str] = "labels"
    waived_checks: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("shapes", "on-and-at", "derivatives", "along-and-at"),
        "its values come with the points of the measure",
    )

    @property
    def outputs(self) -> int:
        """Not known here: raises InputError."""
        raise InputError("the number of outputs of the target 'labels' is that of the data set.")

    @property
    def dimension(self) -> int | None:
        """None: a data set has any number of inputs."""
        return None

    def at(self, x: Array) -> Array:
        """Not available: raises InputError."""
        raise InputError(_NO_LABELS)

    def on(self, lower: float, upper: float) -> piecewise.PiecewisePolynomial:
        """Not available: raises InputError."""
        raise InputError(_NO_LABELS)


_NO_LABELS = "the target 'labels' needs a measure on points with labels, such as 'data-set'."


def _padded(coefficients: Array, length: int) -> Array:
    return np.pad(coefficients, ((0, 0), (0, 0), (0, length - coefficients.shape[2])))
