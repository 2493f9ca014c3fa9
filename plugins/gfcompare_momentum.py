"""Gradient descent with momentum: the heavy ball."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import gfcompare as gfc


@dataclass(frozen=True)
class Momentum(gfc.GradientMethod[gfc.Array]):
    """Heavy ball: v_{n+1} = beta v_n + G(theta_n), theta_{n+1} = theta_n - g_n v_{n+1}.

    One gradient a step. As the step size goes to 0, order 1 to the gradient flow run faster by the factor
    1 / (1 - beta). Polyak, doi:10.1016/0041-5553(64)90137-5.

    Parameters
    ----------
    beta : the share of the velocity v that is kept, in [0, 1); 0 is gradient descent

    The other options are those of `GradientMethod`.
    """

    name: ClassVar[str] = "momentum"
    beta: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        gfc.require(0 <= self.beta < 1, f"beta must lie in [0, 1), got {self.beta}.")

    def update(
        self,
        gradient: Callable[[gfc.Array], gfc.Array],
        theta: gfc.Array,
        solver_state: gfc.Array,
        step_size: float,
    ) -> tuple[gfc.Array, gfc.Array]:
        """Return the move and the velocity v."""
        velocity = self.beta * solver_state + gradient(theta)
        return -step_size * velocity, velocity


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [Momentum]
