"""The standard gradient flow Theta' = -G(Theta)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import gfcompare as gfc


@dataclass(frozen=True)
class StandardGradientFlow(gfc.FlowIntegrator):
    """The standard gradient flow: theta moves along the negative generalised gradient.

    Of variable order 1 to 5, implicit, with matrix-free GMRES; some four gradients a step. Jentzen, Riekert,
    arXiv:2107.04479. The options are those of `FlowIntegrator`.
    """

    name: ClassVar[str] = "standard-gf"
    follows = "standard"
    compiled_as = "standard"

    def velocity(self, problem: gfc.CountedProblem, y: gfc.Array) -> gfc.Array:
        """Return -G(theta)."""
        return -problem.gradient(y)


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [StandardGradientFlow]
