"""Step sizes: constant, or by a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gfcompare.components.component import require
from gfcompare.components.option_types import check_options
from gfcompare.integrators.status import Array

#: Most steps handed to compiled code in one call: about the time after which Ctrl-C is noticed.
BLOCK = 16_384


@dataclass(frozen=True)
class PolynomialDecay:
    """Step size of step n: initial (1 + n / scale)^(-power).

    Parameters
    ----------
    initial : the first step size
    power : exponent of the decay; 1/2 and 1 are usual
    scale : steps after which the decay sets in

    Examples
    --------
    >>> import gfcompare as gfc
    >>> print(gfc.PolynomialDecay(0.5, power=1.0).step_sizes(0, 4).round(4))
    [0.5    0.25   0.1667 0.125 ]
    >>> gfc.integrator("gd", step_size=gfc.PolynomialDecay(0.1)).name
    'gd'
    """

    initial: float
    power: float = 0.5
    scale: float = 1.0
    schedule: Literal["polynomial"] = "polynomial"

    def __post_init__(self) -> None:
        check_options(self)
        require(self.initial > 0, f"initial must be positive, got {self.initial}.")
        require(self.power >= 0, f"power must not be negative, got {self.power}.")
        require(self.scale > 0, f"scale must be positive, got {self.scale}.")

    def step_sizes(self, first: int, count: int) -> Array:
        """Return the sizes of steps first, ..., first + count - 1, counted from 0."""
        n = np.arange(first, first + count, dtype=np.float64)
        return np.asarray(self.initial * (1.0 + n / self.scale) ** -self.power)


@dataclass(frozen=True)
class PiecewiseConstant:
    """Step size values[j] from step boundaries[j - 1] on, values[0] before boundaries[0].

    Parameters
    ----------
    boundaries : increasing step numbers at which the step size changes
    values : one step size more than boundaries

    Examples
    --------
    >>> import gfcompare as gfc
    >>> print(gfc.PiecewiseConstant([2], [0.1, 0.01]).step_sizes(0, 4))
    [0.1  0.1  0.01 0.01]
    """

    boundaries: Sequence[int]
    values: Sequence[float]
    schedule: Literal["piecewise-constant"] = "piecewise-constant"

    def __post_init__(self) -> None:
        check_options(self)
        require(
            len(self.values) == len(self.boundaries) + 1,
            f"{len(self.boundaries)} boundaries need one value more, got {len(self.values)} values.",
        )
        require(min(self.values) > 0, f"step sizes must be positive, got {list(self.values)}.")
        require(
            all(a < b for a, b in zip([0, *self.boundaries], self.boundaries, strict=False)),
            f"boundaries must be increasing and positive, got {list(self.boundaries)}.",
        )

    def step_sizes(self, first: int, count: int) -> Array:
        """Return the sizes of steps first, ..., first + count - 1, counted from 0."""
        n = np.arange(first, first + count)
        return np.asarray(self.values, dtype=np.float64)[np.searchsorted(self.boundaries, n, side="right")]


#: A constant step size, or a schedule.
StepSize = float | PolynomialDecay | PiecewiseConstant


def step_sizes(rule: StepSize, first: int, count: int) -> Array:
    """Return the sizes of steps first, ..., first + count - 1, counted from 0."""
    if isinstance(rule, PolynomialDecay | PiecewiseConstant):
        return rule.step_sizes(first, count)
    return np.full(count, float(rule))


def steps_until(rule: StepSize, step: int, reached: float, time: float) -> Iterator[tuple[Array, float]]:
    """Yield blocks of step sizes from step number `step` at flow time `reached` up to `time`.

    The flow time of step n is the sum of the sizes of the steps before it. The last step is the one
    that ends nearest to `time`. With each block comes the flow time after it; a constant step size
    multiplies, so that its clock does not drift.
    """
    while True:
        if isinstance(rule, PolynomialDecay | PiecewiseConstant):
            sizes = rule.step_sizes(step, BLOCK)
            clock = np.cumsum(np.concatenate([[reached], sizes]))[1:]
        else:
            sizes = np.full(BLOCK, float(rule))
            clock = float(rule) * np.arange(step + 1, step + BLOCK + 1)
        # A step is made if its middle lies before `time`.
        count = int(np.searchsorted(clock - 0.5 * sizes, time, side="left"))
        if count == 0:
            return
        yield sizes[:count], float(clock[count - 1])
        if count < BLOCK:
            return
        step, reached = step + count, float(clock[-1])
