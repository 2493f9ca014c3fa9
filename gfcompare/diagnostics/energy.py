"""The decrease of the risk predicted by the flow: the accumulated |G|^2, and the energy identity.

Along a gradient flow L(Theta_0) - L(Theta_t) = int_0^t |Theta'|^2 ds, where |Theta'| is |G|, on the
submanifold M |P G| (Jentzen, Riekert, arXiv:2107.04479). The states are known at the save times only, too far
apart for a quadrature. So the flow is re-integrated from each saved state to the time of the next (`replay`),
with the integral as a further component: exact up to the tolerance, whatever the save times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gfcompare.diagnostics.base import Array, Trajectories, TrajectoryDiagnostic, present
from gfcompare.diagnostics.replay import Flow
from gfcompare.problem import Problem

#: How much smaller than the method's the tolerance of the replay is.
FINER = 0.1


def _accumulated(problem: Problem, trajectories: Trajectories) -> Array:
    """Return the dissipation since the first save time, shape (M, T)."""

    def compute() -> Array:
        flow = Flow(problem, trajectories.normalized, FINER * trajectories.rtol)
        theta, there = trajectories.theta, present(trajectories.theta)
        risk = problem.risk(theta)
        result = np.where(there, 0.0, np.nan)
        for m, row in enumerate(there):
            for i in range(1, int(row.sum())):
                duration = trajectories.time[m, i] - trajectories.time[m, i - 1]
                error = FINER * trajectories.rtol * float(risk[m, i - 1])
                replay = flow.follow(theta[m, i - 1], duration, (error, 1.0))
                result[m, i] = result[m, i - 1] + replay.dissipated
        return result

    return trajectories.once("accumulated", compute)


@dataclass(frozen=True)
class AccumulatedGradient(TrajectoryDiagnostic):
    """The integral of |G|^2 over flow time, along the gradient flow from each saved state to the next.

    On M |P G|^2 along the normalised flow. For a method that is no flow, it is what the flow would have lost
    from the method's own states. It costs the integration of a flow: some 2 ms for each save time with one
    input and 16 neurons.
    """

    name: ClassVar[str] = "accumulated_squared_gradient"
    long_name: ClassVar[str] = "integral of the squared norm of the gradient along the flow, save by save"
    units: ClassVar[str] = "output^2"
    default: ClassVar[bool] = False

    def along(self, problem: Problem, trajectories: Trajectories) -> Array:
        """Return the integral at each save time."""
        return _accumulated(problem, trajectories)


@dataclass(frozen=True)
class EnergyDefect(TrajectoryDiagnostic):
    """The risk lost since the start less the accumulated |G|^2: 0 along a gradient flow.

    Computed with `accumulated_squared_gradient`, together as costly as one.
    """

    name: ClassVar[str] = "energy_defect"
    long_name: ClassVar[str] = "risk lost since the start less the integral of the squared gradient"
    units: ClassVar[str] = "output^2"
    default: ClassVar[bool] = False

    def along(self, problem: Problem, trajectories: Trajectories) -> Array:
        """Return the defect at each save time."""
        risk = problem.risk(trajectories.theta)
        return risk[:, :1] - risk - _accumulated(problem, trajectories)
