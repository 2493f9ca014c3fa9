"""Gradient descent theta_{n+1} = theta_n - g_n G(theta_n)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

import gfcompare as gfc


@dataclass(frozen=True)
class GradientDescent(gfc.StepMethod[None]):
    """Gradient descent on the population risk: the explicit Euler method for the gradient flow.

    Order 1, one gradient a step; whole blocks of steps run in compiled code.

    Parameters
    ----------
    step_size : a number, in units of flow time, or a schedule
    normalize : step along the projected gradient on M, then renormalise each hidden row
    """

    name: ClassVar[str] = "gd"
    order: ClassVar[int | None] = 1
    step_size: gfc.StepSize = 0.01
    normalize: bool = False

    @property
    def on_manifold(self) -> bool:
        """True if trajectories live on M."""
        return self.normalize

    def step_block(
        self, problem: gfc.CountedProblem, theta: gfc.Array, solver_state: None, sizes: gfc.Array
    ) -> tuple[gfc.Array, None, NDArray[np.int64]]:
        """Make a block of steps."""
        theta, taken = problem.descend(theta, sizes, normalize=self.normalize)
        return theta, solver_state, taken


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [GradientDescent]
