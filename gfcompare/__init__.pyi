"""Where each public name lives: read by type checkers, and by `lazy_loader` when gfcompare is imported."""

from . import (
    certificates,
    critical_points,
    diagnostics,
    figures,
    initializations,
    measures,
    piecewise,
    statistics,
    targets,
    testing,
    theory,
    work_precision,
)
from .components.component import Component, require
from .components.errors import InputError
from .components.versions import __version__
from .diagnostics import Diagnostic
from .evaluators.base import Applicability, Evaluator
from .evaluators.parts import ProblemParts
from .evaluators.quadrature import Quadrature
from .hooks.hookspecs import hookimpl
from .hooks.registry import integrator
from .initializations import Initialization
from .integrators.adapters import check_optimizer, import_library
from .integrators.base import Integrator, State
from .integrators.counting import CountedProblem
from .integrators.flow import FlowIntegrator
from .integrators.gradient_methods import GradientMethod
from .integrators.schedules import PiecewiseConstant, PolynomialDecay, StepSize
from .integrators.status import Array, Status, divergence
from .integrators.steps import StepMethod
from .measures import Measure
from .network import ReLUNetwork
from .problem import Problem
from .results.integrated import integrate
from .results.opening import open_study
from .results.reading import parameters
from .results.validation import validate
from .study.diagnosing import diagnose
from .study.limits import Limits
from .study.study import Study
from .study.times import Times
from .targets import Target

__all__ = [
    "Applicability",
    "Array",
    "Component",
    "CountedProblem",
    "Diagnostic",
    "Evaluator",
    "FlowIntegrator",
    "GradientMethod",
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
    "certificates",
    "check_optimizer",
    "critical_points",
    "diagnose",
    "diagnostics",
    "divergence",
    "figures",
    "hookimpl",
    "import_library",
    "initializations",
    "integrate",
    "integrator",
    "measures",
    "open_study",
    "parameters",
    "piecewise",
    "require",
    "statistics",
    "targets",
    "testing",
    "theory",
    "validate",
    "work_precision",
]
