"""Adam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import gfcompare as gfc

#: The running means of G and of its squares, shape (M, P), and the number of steps made.
_Means = tuple[gfc.Array, gfc.Array, int]


@dataclass(frozen=True)
class Adam(gfc.GradientMethod[_Means]):
    """Adam: moves by -g m / (sqrt(s) + epsilon), m and s corrected running means of G and of its squares.

    One gradient a step. The corrections are m_n / (1 - beta1^n) and s_n / (1 - beta2^n). As the step size
    goes to 0, order 1 to theta' = -G / (|G| + epsilon), each parameter by itself, once G hardly changes in
    1 / (1 - beta2) steps: not the gradient flow, and flow time is in units of parameters. Kingma, Ba,
    arXiv:1412.6980.

    Parameters
    ----------
    beta1, beta2 : the share of either mean that is kept at a step, in [0, 1)
    epsilon : positive, in units of the gradient

    The other options are those of `GradientMethod`.
    """

    name: ClassVar[str] = "adam"
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        gfc.require(0 <= self.beta1 < 1, f"beta1 must lie in [0, 1), got {self.beta1}.")
        gfc.require(0 <= self.beta2 < 1, f"beta2 must lie in [0, 1), got {self.beta2}.")
        gfc.require(0 < self.epsilon < np.inf, f"epsilon must be positive and finite, got {self.epsilon}.")

    def init_update(self, problem: gfc.CountedProblem, theta: gfc.Array) -> _Means:
        """Return both means and the number of steps made."""
        return np.zeros_like(theta), np.zeros_like(theta), 0

    def update(
        self,
        gradient: Callable[[gfc.Array], gfc.Array],
        theta: gfc.Array,
        solver_state: _Means,
        step_size: float,
    ) -> tuple[gfc.Array, _Means]:
        """Return the move and both means with the number of steps."""
        mean, square, n = solver_state
        slope = gradient(theta)
        n += 1
        mean = self.beta1 * mean + (1 - self.beta1) * slope
        square = self.beta2 * square + (1 - self.beta2) * slope**2
        size = np.sqrt(square / (1 - self.beta2**n)) + self.epsilon
        return -step_size * mean / (1 - self.beta1**n) / size, (mean, square, n)


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [Adam]
