"""The interface of checks, and their results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gfcompare.results.schema import CHECK_OUTCOMES
from gfcompare.theory.stored_trajectories import StoredTrajectory

Array = NDArray[np.float64]

#: Every outcome of a check.
INAPPLICABLE, PASS, FAIL = CHECK_OUTCOMES


@dataclass(frozen=True)
class CheckResult:
    """The result of a check on a trajectory.

    Attributes
    ----------
    outcome : `PASS`, `FAIL` or `INAPPLICABLE`
    detail : one sentence
    residual, tolerance : of the place on the trajectory that comes nearest to failing; NaN if the check does
        not apply
    """

    outcome: str
    detail: str
    residual: float = np.nan
    tolerance: float = np.nan


def inapplicable(reason: str, residual: float = np.nan, tolerance: float = np.nan) -> CheckResult:
    """Return that a check does not apply, or that what was computed does not decide it."""
    return CheckResult(INAPPLICABLE, reason, residual, tolerance)


def judged(residual: float, tolerance: float, detail: str) -> CheckResult:
    """Return a pass if the residual is within the tolerance."""
    return CheckResult(PASS if residual <= tolerance else FAIL, detail, float(residual), float(tolerance))


@dataclass(frozen=True)
class Check:
    """A statement that a trajectory must obey.

    Attributes
    ----------
    name : what it is called in tables and files
    statement : in a few words
    unit : of residual and tolerance
    reference : where it is proved, with DOI or arXiv number
    judge : looks at a trajectory
    all_free : whether it is proved for networks all of whose parameters move
    """

    name: str
    statement: str
    unit: str
    reference: str
    judge: Callable[[StoredTrajectory], CheckResult]
    all_free: bool = False


def worst(residuals: Array, tolerances: Array) -> int:
    """Return the place whose residual is largest by its tolerance; NaN counts as largest of all."""
    # As nearly always; the rest takes three times as long.
    if tolerances.min() > 0 and tolerances.max() < np.inf:
        ratios = residuals / tolerances
        place = int(np.argmax(ratios))
        if not np.isnan(ratios[place]):
            return place
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = residuals / tolerances
    ratios = np.where(np.isnan(ratios), np.where(residuals <= tolerances, 0.0, np.inf), ratios)
    return int(np.argmax(ratios))
