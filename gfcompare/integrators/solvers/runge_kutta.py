"""Explicit Runge-Kutta methods of order 5 and 8: a step, its interpolant, its estimated error.

J. R. Dormand, P. J. Prince, "A family of embedded Runge-Kutta formulae", doi:10.1016/0771-050X(80)90013-3,
with the interpolant of order 4 by L. F. Shampine; P. J. Prince, J. R. Dormand, "High order embedded
Runge-Kutta formulae", doi:10.1016/0771-050X(81)90010-3, with E. Hairer's error estimate and interpolant of
order 7 (E. Hairer, S. P. Norsett, G. Wanner, "Solving Ordinary Differential Equations I", 1993, II.5, II.6).
The coefficients are those that SciPy has.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import scipy
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: The right-hand side, y -> y'.
Velocity = Callable[[Array], Array]


def root_mean_square(x: Array) -> float:
    """Return the root mean square of x, shape (P,); with `np.mean` that takes four times as long."""
    return math.sqrt(float(np.add.reduce(x * x)) / x.size)


class Interpolant:
    """The interpolant within a step as a sum of terms: start + sum over j of terms_j polynomial_j(share).

    Parameters
    ----------
    polynomials : in the share of the step, each 0 at share 0
    """

    def __init__(self, polynomials: Sequence[Polynomial]) -> None:
        degree = max(p.degree() for p in polynomials)
        self._coefficients = np.array([[*p.coef, *np.zeros(degree - p.degree())] for p in polynomials])
        to_bernstein = np.array(
            [[math.comb(j, i) / math.comb(degree, i) for i in range(degree + 1)] for j in range(degree + 1)]
        )
        self._control = to_bernstein @ self._coefficients.T

    def at(self, share: float, terms: Array) -> Array:
        """Return the change since the start of the step, shape (P,), from terms of shape (J, P)."""
        powers = share ** np.arange(self._coefficients.shape[1])
        return np.asarray((self._coefficients @ powers) @ terms)

    def control(self, terms: Array) -> Array:
        """Return that change as Bezier control points, shape (degree + 1, P)."""
        return np.asarray(self._control @ terms)


_X = Polynomial([0.0, 1.0])
_POWERS = Interpolant([_X**i for i in range(1, 5)])
_NESTED = [_X ** ((i + 2) // 2) * (1.0 - _X) ** ((i + 1) // 2) for i in range(7)]
_SEVENTH = Interpolant(_NESTED)
#: The cubic with given values and velocities at both ends; its terms are those of `hermite_terms`.
CUBIC = Interpolant(_NESTED[:3])


def hermite_terms(change: Array, f0: Array, last: Array, size: float) -> Array:
    """Return the terms of the cubic interpolant of a step, shape (3, P), from what it has at its ends."""
    return np.stack([change, size * f0 - change, 2.0 * change - size * (f0 + last)])


@dataclass
class Step:
    """A step from y over h.

    Attributes
    ----------
    start, end : y, shape (P,)
    last : velocity at the end, shape (P,)
    size : h
    error_estimate : estimated error at the end, shape (P,)
    error_norm : its size, relative to the tolerance
    stiffness_estimate : estimate of h times the largest rate of the right-hand side, 0 if there is none
    interpolant : what is between the ends
    make_terms : computes its terms when they are wanted
    """

    start: Array
    end: Array
    f1: Array
    size: float
    error_estimate: Array
    error_norm: float
    stiffness_estimate: float
    interpolant: Interpolant
    make_terms: Callable[[], Array]

    @functools.cached_property
    def _terms(self) -> Array:
        return self.make_terms()

    def at(self, share: float) -> Array:
        """Return the solution at start + share h, share in [0, 1]."""
        if share >= 1.0:
            return self.end
        return np.asarray(self.start + self.interpolant.at(share, self._terms))

    def control_points(self) -> Array:
        """Return the Bezier control points of the interpolant: it lies in their hull."""
        return np.asarray(self.start + self.interpolant.control(self._terms))


class Method(Protocol):
    """An explicit one-step method with a step size controlled by its estimated error."""

    @property
    def error_order(self) -> int:
        """The power of the step size that the estimated error is proportional to."""

    def max_step_size(self, velocity: Velocity, y: Array, f0: Array) -> float:
        """Return the longest step size that is stable at y, infinite if that is for the error to tell."""

    def step(self, velocity: Velocity, start: Array, f0: Array, size: float, tolerance: Tolerance) -> Step:
        """Make a step; `f0` is the velocity at its start."""

    def accepted(self, step: Step) -> Method:
        """Return the method for the next step, after one that was accepted."""

    def interrupted(self) -> None:
        """Forget what is known of the right-hand side: it has changed, or a step was rejected."""


@dataclass(frozen=True)
class Tolerance:
    """The tolerance of a component: absolute + relative |y|; absolute may be one for each."""

    relative: float
    absolute: float | Array

    @classmethod
    def over(cls, free: NDArray[np.bool_], relative: float, absolute: float) -> Tolerance:
        """Return that of errors in the root mean square over the free parameters, a mask of shape (P,).

        Solvers take it over all parameters: of few free ones among many it would be small, however large
        their errors.
        """
        share = float(np.sqrt(free.mean()))
        return cls(share * relative, share * absolute)

    def norm(self, vector: Array, start: Array, end: Array | None = None) -> float:
        """Return the root mean square of a vector, each component relative to its tolerance."""
        size = np.abs(start) if end is None else np.maximum(np.abs(start), np.abs(end))
        return root_mean_square(vector / (self.absolute + self.relative * size))


class _Tableau:
    """The common part of the two methods of Dormand and Prince: neither carries anything between steps."""

    error_order: int

    #: The name of SciPy's class with the coefficients.
    _pair: ClassVar[Literal["RK45", "DOP853"]]

    @property
    def _scipy(self) -> Any:
        """SciPy's class; loading it takes a tenth of a second, and few studies need it."""
        return getattr(scipy.integrate, self._pair)

    def max_step_size(self, velocity: Velocity, y: Array, f0: Array) -> float:
        """Return infinity: an unstable step has a large error."""
        return np.inf

    def accepted(self, step: Step) -> Method:
        """Return the same method."""
        return self  # type: ignore[return-value]

    def interrupted(self) -> None:
        """Do nothing."""

    def _stages(self, velocity: Velocity, start: Array, f0: Array, size: float) -> tuple[Array, Array, float]:
        """Return all velocities, the last of them at the end; the end; h times the largest rate.

        The rate is that between the last two stages, which are near to each other (Hairer, Wanner, "Solving
        Ordinary Differential Equations II", 1996, IV.2).
        """
        a, b = self._scipy.A, self._scipy.B
        count = len(b)
        stages = np.empty((count + 1, start.size))
        stages[0] = f0
        argument = start
        for s in range(1, count):
            argument = start + size * (a[s, :s] @ stages[:s])
            stages[s] = velocity(argument)
        end = start + size * (b @ stages[:count])
        stages[count] = velocity(end)
        apart = float(np.linalg.norm(end - argument))
        change = float(np.linalg.norm(stages[count] - stages[count - 1]))
        return stages, end, size * change / apart if apart > 0.0 else 0.0


class DormandPrince5(_Tableau):
    """Order 5, with an error estimate of order 4 and an interpolant of order 4; 6 evaluations a step."""

    order = 5
    error_order = 5
    #: h times the largest rate of a real spectrum, where steps become unstable.
    limit = 3.3
    _pair = "RK45"

    def step(self, velocity: Velocity, start: Array, f0: Array, size: float, tolerance: Tolerance) -> Step:
        """Make a step; `f0` is the velocity at its start."""
        stages, end, stiffness = self._stages(velocity, start, f0, size)
        deviation = size * (self._scipy.E @ stages)
        error = tolerance.norm(deviation, start, end)
        return Step(
            start,
            end,
            stages[-1],
            size,
            deviation,
            error,
            stiffness,
            _POWERS,
            lambda: size * (self._scipy.P.T @ stages),
        )


class DormandPrince8(_Tableau):
    """Order 8, with error estimates of order 5 and 3 and an interpolant of order 7; 12 evaluations a step.

    The interpolant costs three more, made when it is asked for.
    """

    order = 8
    error_order = 8
    limit = 6.1
    _pair = "DOP853"

    def step(self, velocity: Velocity, start: Array, f0: Array, size: float, tolerance: Tolerance) -> Step:
        """Make a step; `f0` is the velocity at its start."""
        pair = self._scipy
        stages, end, stiffness = self._stages(velocity, start, f0, size)
        fifth, third = size * (pair.E5 @ stages), size * (pair.E3 @ stages)
        large, small = tolerance.norm(fifth, start, end), tolerance.norm(third, start, end)
        error = large**2 / np.hypot(large, 0.1 * small) if large > 0.0 else 0.0

        def terms() -> Array:
            more = np.empty((len(stages) + len(pair.A_EXTRA), start.size))
            more[: len(stages)] = stages
            for s, row in enumerate(pair.A_EXTRA, start=len(stages)):
                more[s] = velocity(start + size * (row[:s] @ more[:s]))
            cubic = hermite_terms(end - start, f0, stages[-1], size)
            return np.concatenate([cubic, size * (pair.D @ more)])

        return Step(start, end, stages[-1], size, fifth, float(error), stiffness, _SEVENTH, terms)
