"""The states of several seeds with what the checks compute of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.theory.tolerances import Sample, risk_change

Array = NDArray[np.float64]

# Two risks of one state may differ by rounding: of this many units in the last place of the parameters.
_ROUNDING = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class States:
    """States of M seeds of one method on one problem, and what is computed for all of them at once.

    One seed at a time, NumPy's calls take ten times as long as what they compute of a short trajectory.

    Attributes
    ----------
    network : the architecture
    frozen : the groups of parameters that stayed where they were
    sample : the input measure as it is stored, on points
    problem : the problem; None if it could not be rebuilt
    theta : ndarray, shape (M, T, P)
    risk : ndarray, shape (M, T), as it is stored
    """

    network: ReLUNetwork
    frozen: tuple[str, ...]
    sample: Sample
    problem: Problem | None
    theta: Array
    risk: Array

    @cached_property
    def free(self) -> NDArray[np.bool_]:
        """Mask of the parameters that move, shape (P,)."""
        return ~self.network.members(self.frozen)

    @cached_property
    def derivative(self) -> Array:
        """D at each state, shape (M, T): the root mean square over inputs of |dN / dtheta|, theta free."""
        return self.sample.derivative_norms(self.network, self.theta, self.free)

    @cached_property
    def rounding(self) -> Array:
        """Return the rounding error of the risk of each state in double precision, shape (M, T)."""
        size, derivative = np.linalg.norm(self.theta, axis=-1), self.derivative
        if self.frozen:  # their products are rounded too
            derivative = self.sample.derivative_norms(self.network, self.theta)
        return risk_change(self.risk, derivative, _ROUNDING * size)

    @cached_property
    def risk_defects(self) -> Array:
        """Return |risk of the state - risk that is stored|, shape (M, T); only if there is a problem."""
        assert self.problem is not None
        return np.asarray(np.abs(self.problem.risk(self.theta) - self.risk))

    @cached_property
    def normalization(self) -> tuple[Array, Array]:
        """Return by how much normalisation changes the function, and the size of what is added up, (M, T)."""
        return self.sample.largest_difference(self.network, self.theta, self.network.normalize(self.theta))
