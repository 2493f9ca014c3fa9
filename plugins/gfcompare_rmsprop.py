"""RMSprop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import gfcompare as gfc


@dataclass(frozen=True)
class RMSprop(gfc.GradientMethod[gfc.Array]):
    """RMSprop: moves by -g G / (sqrt(s) + epsilon), s_{n+1} = beta s_n + (1 - beta) G^2, elementwise.

    One gradient a step. As the step size goes to 0, order 1 to theta' = -G / (|G| + epsilon), each parameter
    by itself: not the gradient flow, and flow time is in units of parameters. Tieleman, Hinton, "Neural
    Networks for Machine Learning", lecture 6.5 (2012); Graves, arXiv:1308.0850.

    Parameters
    ----------
    beta : the share of the mean s that is kept at a step, in [0, 1)
    epsilon : positive, in units of the gradient

    The other options are those of `GradientMethod`.
    """

    name: ClassVar[str] = "rmsprop"
    beta: float = 0.9
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        gfc.require(0 <= self.beta < 1, f"beta must lie in [0, 1), got {self.beta}.")
        gfc.require(0 < self.epsilon < np.inf, f"epsilon must be positive and finite, got {self.epsilon}.")

    def update(
        self,
        gradient: Callable[[gfc.Array], gfc.Array],
        theta: gfc.Array,
        solver_state: gfc.Array,
        step_size: float,
    ) -> tuple[gfc.Array, gfc.Array]:
        """Return the move and the running mean s."""
        slope = gradient(theta)
        square = self.beta * solver_state + (1 - self.beta) * slope**2
        return -step_size * slope / (np.sqrt(square) + self.epsilon), square


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [RMSprop]
