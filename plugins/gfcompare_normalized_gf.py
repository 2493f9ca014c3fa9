"""The normalised gradient flow Theta' = -P G(Theta) on the submanifold M."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import gfcompare as gfc


@dataclass(frozen=True)
class NormalizedGradientFlow(gfc.FlowIntegrator):
    """The normalised gradient flow: hidden rows stay on the unit sphere, exactly.

    P removes from each hidden row of the gradient its component along the row (Eberle, Jentzen, Riekert,
    Weiss, arXiv:2207.06246). The solver's rows u have any norm rho and move with -rho P G at u / rho:
    then u / rho moves with -P G whatever rho does, so every state read off lies on M to rounding, no
    order of accuracy is lost, and any solver serves. The options are those of `FlowIntegrator`.
    """

    name: ClassVar[str] = "normalized-gf"
    follows = "normalized"
    compiled_as = "normalized"

    @property
    def on_manifold(self) -> bool:
        """True if trajectories live on M: always."""
        return True

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        """Return -rho P G at the retraction of y."""
        theta, rho = problem.network.polar(y)
        return -problem.network.project(theta, problem.gradient(theta), rho)

    def parameters(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        """Return the retraction of y to M."""
        return problem.network.retract(y)


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [NormalizedGradientFlow]
