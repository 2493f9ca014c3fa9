"""The Lyapunov function of the flows for a constant target.

For one hidden layer and a target that is the constant xi, the generalised gradient satisfies, because v s(w x
+ b) is homogeneous in (w, b) and in v,

    <(w, b), G_(w,b)> = <v, G_v> = 2 int (N - c) . r,   G_c = 2 int r,   r = N - xi.

So along the standard flow V = |theta|^2 + |c - 2 xi|^2 has V' = -8 L, and along the normalised flow, where
the hidden rows keep their norm, V_M = |v|^2 + |c - xi|^2 has V_M' = -4 L: both decrease, and bound the flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gfcompare.diagnostics.base import Array, Trajectories, TrajectoryDiagnostic
from gfcompare.measures import LineMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.targets import Constant

#: A target counts as constant if it varies by no more than this, relative to its size.
_CONSTANT = 1e-13


def constant_of(problem: Problem) -> Array | None:
    """Return the value xi, shape (K,), of a target that is constant on the measure's support, or None.

    None too where parameters are frozen: the identities need all of them.
    """
    if problem.frozen:
        return None
    if isinstance(problem.measure, LineMeasure):
        high = problem.target_pieces.high
        varies = np.abs(high[:, :, 1:]).max(initial=0.0)
        values = high[:, :, 0]
    elif not problem.smooth:
        values, varies = problem.values_on_points, 0.0
    elif isinstance(problem.target, Constant):
        values, varies = problem.target.at(problem.measure.box[:, 0][None]), 0.0
    else:
        return None
    spread = max(float(varies), float(np.ptp(values, axis=0).max()))
    return values[0] if spread <= _CONSTANT * float(np.abs(values).max(initial=0.0)) else None


def lyapunov(network: ReLUNetwork, theta: Array, xi: Array, *, normalized: bool) -> Array:
    """Return V, or on M V_M, shape (...), at theta, shape (..., P), for a network of one hidden layer."""
    last = network.layers(theta)[-1]
    if normalized:
        return np.asarray((last.weight**2).sum(axis=(-2, -1)) + ((last.bias - xi) ** 2).sum(axis=-1))
    return np.asarray((theta**2).sum(axis=-1) + ((last.bias - 2 * xi) ** 2).sum(axis=-1))


def lyapunov_slope(network: ReLUNetwork, theta: Array, xi: Array, *, normalized: bool) -> Array:
    """Return the norm of the derivative of V, or V_M, shape (...), at theta, shape (..., P)."""
    last = network.layers(theta)[-1]
    if normalized:
        return 2 * np.sqrt(lyapunov(network, theta, xi, normalized=True))
    bias = (2 * last.bias - 2 * xi) ** 2 - last.bias**2
    return np.asarray(2 * np.sqrt((theta**2).sum(axis=-1) + bias.sum(axis=-1)))


@dataclass(frozen=True)
class LyapunovFunction(TrajectoryDiagnostic):
    """For a constant target xi: V = |theta|^2 + |c - 2 xi|^2, which the standard flow decreases by 8 int L.

    For methods on M it is |v|^2 + |c - xi|^2, which the normalised flow decreases by 4 int L.
    """

    name: ClassVar[str] = "lyapunov_function"
    long_name: ClassVar[str] = "Lyapunov function of the flow for a constant target"
    units: ClassVar[str] = "parameter^2"

    @classmethod
    def applies(cls, problem: Problem) -> bool:
        """Return whether the target is constant and there is one hidden layer."""
        return problem.network.depth == 2 and constant_of(problem) is not None

    def along(self, problem: Problem, trajectories: Trajectories) -> Array:
        """Return V at each state."""
        xi = constant_of(problem)
        assert xi is not None  # as `applies` has made sure
        return lyapunov(problem.network, trajectories.theta, xi, normalized=trajectories.normalized)
