"""The outcomes of trajectories: a closed enumeration with advice."""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]

#: A trajectory whose parameters leave the ball of this radius counts as diverged.
DIVERGENCE_NORM = 1e10


class Status(enum.IntEnum):
    """The outcome of a trajectory. Everything but `RUNNING` is final; every outcome is a result.

    Examples
    --------
    >>> import gfcompare as gfc
    >>> gfc.Status.REACHED_END.complete, gfc.Status.DIVERGED.complete
    (True, False)
    >>> gfc.Status.STEP_LIMIT.advice
    'The method used up its steps; raise max_steps, the tolerance or the step size.'
    """

    RUNNING = 0
    REACHED_END = 1
    STATIONARY = 2
    DIVERGED = 3
    STEP_LIMIT = 4
    STEP_TOO_SMALL = 5
    TIME_LIMIT = 6
    FAILED = 7
    KINK = 8
    PRECISION_LIMIT = 9

    @property
    def advice(self) -> str:
        """One sentence on what the outcome means and what to do about it."""
        return _ADVICE[self]

    @property
    def complete(self) -> bool:
        """True if the trajectory has values at every save time."""
        return self in (Status.REACHED_END, Status.STATIONARY)


_ADVICE = {
    Status.RUNNING: "The trajectory has not ended yet.",
    Status.REACHED_END: "The trajectory reached the last save time.",
    Status.STATIONARY: "The gradient vanished to rounding; the trajectory stays where it is.",
    Status.DIVERGED: (
        f"The parameters left the ball of radius {DIVERGENCE_NORM:g}, or are no finite numbers any more; "
        "for a descent method, take a smaller step size."
    ),
    Status.STEP_LIMIT: "The method used up its steps; raise max_steps, the tolerance or the step size.",
    Status.STEP_TOO_SMALL: "The solver could not meet its tolerance; raise rtol, or atol if risks are tiny.",
    Status.TIME_LIMIT: "The time limit of the study was reached; raise time_limit.",
    Status.FAILED: "The method raised an error; the message has its text.",
    Status.KINK: (
        "The flow slides along a kink of a deep network on points, where it cannot be followed; "
        "use a measure with a density, or one hidden layer."
    ),
    Status.PRECISION_LIMIT: (
        "The flow goes on more slowly than its gradient is known in double precision; "
        "what was saved before is right, later times cannot be computed."
    ),
}


def escape(y: Array, what: str = "theta") -> str:
    """Return in words how a vector left the ball of radius `DIVERGENCE_NORM`: by its size, or as NaN.

    Parameters
    ----------
    y : shape (P,)
    what : what it is called
    """
    if np.isnan(y).any():
        return f"{what} is NaN"
    if np.isinf(y).any():
        return f"{what} is infinite"
    return f"|{what}| left {DIVERGENCE_NORM:g}"


def divergence(theta: Array) -> str:
    """Return in words how theta, shape (P,), left the ball of radius 10^10; an empty text while it is inside.

    What is outside counts as diverged. A method that makes many steps in one `advance` asks after each; the
    step methods do.

    Examples
    --------
    >>> import numpy as np
    >>> import gfcompare as gfc
    >>> gfc.divergence(np.array([1.0, -2.0])), gfc.divergence(np.array([1.0, np.nan]))
    ('', 'theta is NaN')
    """
    with np.errstate(over="ignore", invalid="ignore"):
        inside = theta @ theta <= DIVERGENCE_NORM**2
    return "" if inside else escape(theta)
