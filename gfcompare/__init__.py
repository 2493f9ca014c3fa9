"""Gradient-flow integrators compared with gradient-descent methods on the training of ReLU networks."""

import importlib
from typing import TYPE_CHECKING, Any

from gfcompare.components import extensions
from gfcompare.components.versions import VERSION as __version__  # noqa: N811
from gfcompare.hooks.hookspecs import hookimpl

# Where each public name lives. Nothing is imported before it is used: Numba, xarray and matplotlib
# take seconds to import, and `gfcompare --help` needs none of them.
_HOMES = {
    "Applicability": "evaluators.applicability",
    "Array": "integrators.status",
    "Component": "components.component",
    "CountedProblem": "integrators.counting",
    "Diagnostic": "diagnostics",
    "Evaluator": "evaluators.base",
    "FlowIntegrator": "integrators.flow",
    "InputError": "components.errors",
    "Initialization": "initializations",
    "Integrator": "integrators.base",
    "Limits": "study.limits",
    "Measure": "measures",
    "PiecewiseConstant": "integrators.schedules",
    "PolynomialDecay": "integrators.schedules",
    "Problem": "problem",
    "ProblemParts": "evaluators.parts",
    "Quadrature": "evaluators.quadrature",
    "ReLUNetwork": "network",
    "State": "integrators.base",
    "Status": "integrators.status",
    "StepMethod": "integrators.steps",
    "StepSize": "integrators.schedules",
    "Study": "study.study",
    "Target": "targets",
    "Times": "study.times",
    "diagnose": "study.diagnosing",
    "integrate": "results.integrated",
    "integrator": "hooks.registry",
    "open_study": "results.opening",
    "parameters": "results.reading",
    "validate": "results.validation",
}
_MODULES = frozenset(
    {
        "critical_points",
        "diagnostics",
        "figures",
        "initializations",
        "measures",
        "piecewise",
        "statistics",
        "targets",
        "theory",
        "work_precision",
    }
)

if TYPE_CHECKING:
    from gfcompare import (
        critical_points,
        diagnostics,
        figures,
        initializations,
        measures,
        piecewise,
        statistics,
        targets,
        theory,
        work_precision,
    )
    from gfcompare.components.component import Component
    from gfcompare.components.errors import InputError
    from gfcompare.diagnostics import Diagnostic
    from gfcompare.evaluators.applicability import Applicability
    from gfcompare.evaluators.base import Evaluator
    from gfcompare.evaluators.parts import ProblemParts
    from gfcompare.evaluators.quadrature import Quadrature
    from gfcompare.hooks.registry import integrator
    from gfcompare.initializations import Initialization
    from gfcompare.integrators.base import Integrator, State
    from gfcompare.integrators.counting import CountedProblem
    from gfcompare.integrators.flow import FlowIntegrator
    from gfcompare.integrators.schedules import PiecewiseConstant, PolynomialDecay, StepSize
    from gfcompare.integrators.status import Array, Status
    from gfcompare.integrators.steps import StepMethod
    from gfcompare.measures import Measure
    from gfcompare.network import ReLUNetwork
    from gfcompare.problem import Problem
    from gfcompare.results.integrated import integrate
    from gfcompare.results.opening import open_study
    from gfcompare.results.reading import parameters
    from gfcompare.results.validation import validate
    from gfcompare.study.diagnosing import diagnose
    from gfcompare.study.limits import Limits
    from gfcompare.study.study import Study
    from gfcompare.study.times import Times
    from gfcompare.targets import Target

__all__ = [
    "Applicability",
    "Array",
    "Component",
    "CountedProblem",
    "Diagnostic",
    "Evaluator",
    "FlowIntegrator",
    "Initialization",
    "InputError",
    "Integrator",
    "Limits",
    "Measure",
    "PiecewiseConstant",
    "PolynomialDecay",
    "Problem",
    "ProblemParts",
    "Quadrature",
    "ReLUNetwork",
    "State",
    "Status",
    "StepMethod",
    "StepSize",
    "Study",
    "Target",
    "Times",
    "__version__",
    "critical_points",
    "diagnose",
    "diagnostics",
    "figures",
    "hookimpl",
    "initializations",
    "integrate",
    "integrator",
    "measures",
    "open_study",
    "parameters",
    "piecewise",
    "statistics",
    "targets",
    "theory",
    "validate",
    "work_precision",
]


def _plugin_evaluators() -> list[type[Any]]:
    """Return the evaluators that plugins announce, the built-in ones too; loads the plugins."""
    registry = importlib.import_module("gfcompare.hooks.registry")
    found: list[type[Any]] = registry.registry().all("evaluators")
    return found


# The packages that evaluate problems lie below the registry of plugins.
extensions.supply("evaluators", _plugin_evaluators)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"gfcompare.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"gfcompare.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'gfcompare' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
