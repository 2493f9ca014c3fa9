"""Which gradient flow a method claims to follow."""

from __future__ import annotations

from typing import Literal

from gfcompare.flow import FlowIntegrator
from gfcompare.interface import Integrator

#: The flow Theta' = -G on all parameters, or Theta' = -P G on the submanifold M.
FlowName = Literal["standard", "normalized"]


def flow_followed(method: Integrator) -> FlowName | None:
    """Return the gradient flow that a method integrates up to its tolerance; None if it follows none.

    That is every `FlowIntegrator` whose options are those of the base, the accuracy: on M the normalised
    flow, elsewhere the standard one. A method with an option of its own follows another flow for each value,
    such as `modified-flow`; one that makes steps of a given size follows no flow up to a tolerance.
    """
    if not isinstance(method, FlowIntegrator):
        return None
    if method.compiled_as is not None:
        return method.compiled_as
    if set(method.fields()) - set(FlowIntegrator.fields()):
        return None
    return "normalized" if method.on_manifold else "standard"


def rtol_of(method: Integrator | None) -> float:
    """Return the relative tolerance of a method's steps, the default one for a method that has none."""
    return method.rtol if isinstance(method, FlowIntegrator) else FlowIntegrator.rtol
