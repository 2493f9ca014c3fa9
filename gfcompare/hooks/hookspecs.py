"""The hooks a plugin can implement. A hook only announces; behaviour lives in what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

import pluggy

if TYPE_CHECKING:
    import typer

    from gfcompare.components.component import Component
    from gfcompare.diagnostics import Quantity
    from gfcompare.evaluators.base import Evaluator
    from gfcompare.initializations import Initialization
    from gfcompare.integrators.base import Integrator
    from gfcompare.measures import Measure
    from gfcompare.targets import Target

#: The kinds of component, each with the hook `gfcompare_<kind>`.
Kind = Literal[
    "integrators", "targets", "measures", "evaluators", "initializations", "diagnostics", "figures"
]
KINDS: tuple[Kind, ...] = (
    "integrators",
    "targets",
    "measures",
    "evaluators",
    "initializations",
    "diagnostics",
    "figures",
)

hookspec = pluggy.HookspecMarker("gfcompare")

#: Marks a function of a plugin as the implementation of a hook of the same name.
hookimpl = pluggy.HookimplMarker("gfcompare")


@hookspec
def gfcompare_integrators() -> Iterable[type[Integrator]]:  # type: ignore[empty-body]
    """Return the methods the plugin supplies: concrete subclasses of `gfcompare.Integrator`."""


@hookspec
def gfcompare_targets() -> Iterable[type[Target]]:  # type: ignore[empty-body]
    """Return target functions: concrete subclasses of `gfcompare.Target`."""


@hookspec
def gfcompare_measures() -> Iterable[type[Measure]]:  # type: ignore[empty-body]
    """Return input measures: concrete subclasses of `gfcompare.Measure`."""


@hookspec
def gfcompare_evaluators() -> Iterable[type[Evaluator]]:  # type: ignore[empty-body]
    """Return ways of evaluating risk and gradient: concrete subclasses of `gfcompare.Evaluator`."""


@hookspec
def gfcompare_initializations() -> Iterable[type[Initialization]]:  # type: ignore[empty-body]
    """Return distributions of initial networks: concrete subclasses of `gfcompare.Initialization`."""


@hookspec
def gfcompare_diagnostics() -> Iterable[type[Quantity]]:  # type: ignore[empty-body]
    """Return quantities along trajectories: concrete subclasses of `gfcompare.Diagnostic`."""


@hookspec
def gfcompare_figures() -> Iterable[type[Component]]:  # type: ignore[empty-body]
    """Return figures that `gfcompare plot` draws: subclasses of `gfcompare.figures.Figure`."""


@hookspec
def gfcompare_commands() -> Iterable[Callable[[typer.Typer], None]]:  # type: ignore[empty-body]
    """Return functions that add commands to the command line, each called with the Typer application."""
