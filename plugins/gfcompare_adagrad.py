"""Adagrad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import gfcompare as gfc


@dataclass(frozen=True)
class Adagrad(gfc.GradientMethod[gfc.Array]):
    """Adagrad: moves by -g G / (sqrt(s) + epsilon), s_{n+1} = s_n + G^2, elementwise.

    One gradient a step. Flow time is in units of parameters; the moves shrink by themselves like the root of
    the number of steps, so that no flow is followed as the step size goes to 0. Duchi, Hazan, Singer,
    JMLR 12 (2011), 2121-2159, https://jmlr.org/papers/v12/duchi11a.html.

    Parameters
    ----------
    epsilon : positive, in units of the gradient

    The other options are those of `GradientMethod`.
    """

    name: ClassVar[str] = "adagrad"
    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        super().__post_init__()
        gfc.require(0 < self.epsilon < np.inf, f"epsilon must be positive and finite, got {self.epsilon}.")

    def update(
        self,
        gradient: Callable[[gfc.Array], gfc.Array],
        theta: gfc.Array,
        solver_state: gfc.Array,
        step_size: float,
    ) -> tuple[gfc.Array, gfc.Array]:
        """Return the move and the sum of squares s."""
        slope = gradient(theta)
        square = solver_state + slope**2
        return -step_size * slope / (np.sqrt(square) + self.epsilon), square


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [Adagrad]
