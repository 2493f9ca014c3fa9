"""Gradient descent with Nesterov's momentum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import gfcompare as gfc


@dataclass(frozen=True)
class Nesterov(gfc.GradientMethod[gfc.Array]):
    """Nesterov's momentum: v_{n+1} = beta v_n - g_n G(theta_n + beta v_n), theta_{n+1} = theta_n + v_{n+1}.

    One gradient a step. As the step size goes to 0, order 1 to the gradient flow run faster by the factor
    1 / (1 - beta). Nesterov, Soviet Math. Dokl. 27 (1983), 372-376; the form, with constant beta, is that of
    Sutskever, Martens, Dahl, Hinton, ICML 2013, https://proceedings.mlr.press/v28/sutskever13.html.

    Parameters
    ----------
    beta : the share of the last move v that is kept, in [0, 1); 0 is gradient descent

    The other options are those of `GradientMethod`.
    """

    name: ClassVar[str] = "nesterov"
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
        """Return the move, which is also the solver_state."""
        kept = self.beta * solver_state
        velocity = kept - step_size * gradient(theta + kept)
        return velocity, velocity


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [Nesterov]
