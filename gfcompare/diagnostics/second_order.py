"""The extreme eigenvalues of the Hessian of the risk along trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gfcompare.diagnostics.base import Array, Trajectories, TrajectoryDiagnostic, present
from gfcompare.problem import Problem


def _extremes(problem: Problem, trajectories: Trajectories) -> Array:
    """Return the smallest and the largest eigenvalue at each state, shape (M, T, 2)."""

    def compute() -> Array:
        theta = trajectories.theta
        values = np.full((*theta.shape[:2], 2), np.nan)
        for index in np.argwhere(present(theta)):
            found = problem.curvature(theta[tuple(index)])
            values[tuple(index)] = found.smallest[0], found.sharpness
        return values

    return trajectories.once("curvature", compute)


@dataclass(frozen=True)
class Sharpness(TrajectoryDiagnostic):
    """The largest eigenvalue of the Hessian: gradient descent is stable up to a step size of 2 / sharpness.

    A Hessian and its eigenvalues for each saved state: costly. It needs a smooth risk.
    """

    name: ClassVar[str] = "sharpness"
    long_name: ClassVar[str] = "largest eigenvalue of the Hessian of the risk"
    units: ClassVar[str] = "risk / parameter^2"
    default: ClassVar[bool] = False

    @classmethod
    def applies(cls, problem: Problem) -> bool:
        """Return whether the risk is smooth."""
        return problem.smooth

    def along(self, problem: Problem, trajectories: Trajectories) -> Array:
        """Return the largest eigenvalue at each state."""
        return _extremes(problem, trajectories)[..., 1]


@dataclass(frozen=True)
class SmallestCurvature(TrajectoryDiagnostic):
    """The smallest eigenvalue of the Hessian: negative where the risk curves down in some direction.

    As costly as the sharpness; the two together cost no more than one.
    """

    name: ClassVar[str] = "smallest_curvature"
    long_name: ClassVar[str] = "smallest eigenvalue of the Hessian of the risk"
    units: ClassVar[str] = "risk / parameter^2"
    default: ClassVar[bool] = False

    @classmethod
    def applies(cls, problem: Problem) -> bool:
        """Return whether the risk is smooth."""
        return problem.smooth

    def along(self, problem: Problem, trajectories: Trajectories) -> Array:
        """Return the smallest eigenvalue at each state."""
        return _extremes(problem, trajectories)[..., 0]
