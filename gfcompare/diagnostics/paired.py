"""Distances to the standard gradient flow from the same initial network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gfcompare.diagnostics.base import Array, PairedDiagnostic, Trajectories
from gfcompare.diagnostics.function_space import FunctionSpace
from gfcompare.problem import Problem


@dataclass(frozen=True)
class DistanceToFlow(PairedDiagnostic):
    """The Euclidean distance in parameters to the standard gradient flow from the same initial network.

    For a method on the submanifold M it is the distance to the normalised form of the flow's state, which is
    the same function: at the start it is 0 for every method.
    """

    name: ClassVar[str] = "distance_to_flow"
    long_name: ClassVar[str] = "distance to the standard gradient flow from the same network"
    units: ClassVar[str] = "parameter"

    def compare(self, problem: Problem, trajectories: Trajectories, flow: Trajectories) -> Array:
        """Return the distance at each save time."""
        other = problem.network.normalize(flow.theta) if trajectories.normalized else flow.theta
        return np.asarray(np.linalg.norm(trajectories.theta - other, axis=-1))


@dataclass(frozen=True)
class FunctionDistanceToFlow(PairedDiagnostic):
    """The distance in L2 of the input measure to the function that the standard gradient flow has reached."""

    name: ClassVar[str] = "function_distance_to_flow"
    long_name: ClassVar[str] = "distance in L2 of the input measure to the standard gradient flow's function"
    units: ClassVar[str] = "output"

    def compare(self, problem: Problem, trajectories: Trajectories, flow: Trajectories) -> Array:
        """Return the distance at each save time."""
        return FunctionSpace.of(problem).distance(trajectories.theta, flow.theta)
