"""Gradient-flow integrators compared with gradient-descent methods on the training of ReLU networks."""

import importlib
from typing import TYPE_CHECKING, Any

import pluggy

__version__ = "0.1.0"

#: Marks a function of a plugin as the implementation of a hook of the same name.
hookimpl = pluggy.HookimplMarker("gfcompare")

# Where each public name lives. Nothing is imported before it is used: Numba, xarray and matplotlib
# take seconds to import, and `gfcompare --help` needs none of them.
_HOMES = {
    "Array": "interface",
    "Component": "components",
    "CountedProblem": "interface",
    "Diagnostic": "diagnostics",
    "FlowIntegrator": "flow",
    "InputError": "errors",
    "Initialization": "initializations",
    "Integrator": "interface",
    "Limits": "limits",
    "Measure": "measures",
    "PiecewiseConstant": "descent",
    "PolynomialDecay": "descent",
    "Problem": "problem",
    "Quadrature": "quadrature",
    "ReLUNetwork": "network",
    "State": "interface",
    "Status": "interface",
    "StepMethod": "descent",
    "StepSize": "descent",
    "Study": "study",
    "Target": "targets",
    "Times": "times",
    "diagnose": "diagnosing",
    "integrate": "runner",
    "integrator": "plugins",
    "open_study": "opening",
    "validate": "validity",
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
    from gfcompare.components import Component
    from gfcompare.descent import PiecewiseConstant, PolynomialDecay, StepMethod, StepSize
    from gfcompare.diagnosing import diagnose
    from gfcompare.diagnostics import Diagnostic
    from gfcompare.errors import InputError
    from gfcompare.flow import FlowIntegrator
    from gfcompare.initializations import Initialization
    from gfcompare.interface import Array, CountedProblem, Integrator, State, Status
    from gfcompare.limits import Limits
    from gfcompare.measures import Measure
    from gfcompare.network import ReLUNetwork
    from gfcompare.opening import open_study
    from gfcompare.plugins import integrator
    from gfcompare.problem import Problem
    from gfcompare.quadrature import Quadrature
    from gfcompare.runner import integrate
    from gfcompare.study import Study
    from gfcompare.targets import Target
    from gfcompare.times import Times
    from gfcompare.validity import validate

__all__ = [
    "Array",
    "Component",
    "CountedProblem",
    "Diagnostic",
    "FlowIntegrator",
    "Initialization",
    "InputError",
    "Integrator",
    "Limits",
    "Measure",
    "PiecewiseConstant",
    "PolynomialDecay",
    "Problem",
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
    "piecewise",
    "statistics",
    "targets",
    "theory",
    "validate",
    "work_precision",
]


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
