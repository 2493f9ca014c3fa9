"""The schema of result files: every dimension, variable, unit and attribute, and its validation.

docs/schema.md is the same in prose; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from gfcompare.integrators.status import Status
from gfcompare.network import ReLUNetwork
from gfcompare.results import sweeps

if TYPE_CHECKING:
    from gfcompare.problem import Problem

#: Raised when a reader of older files would misunderstand a new one.
SCHEMA_VERSION = "1.6"

#: Attribute of the variables that `gfcompare.diagnose` has added: a hash of the code that computed them.
DIAGNOSED = "diagnosed"


@dataclass(frozen=True)
class Variable:
    """The meaning of a variable of a result file."""

    dims: tuple[str, ...]
    kind: str  # "f" float64, "i" integer, "U" text
    long_name: str
    units: str
    since: int = 0  # minor version of the schema that has it


_TRAJECTORY = ("integrator", "seed", "time")
_OUTCOME = ("integrator", "seed")

#: Variables of every problem group besides weights, biases and diagnostics.
VARIABLES: dict[str, Variable] = {
    "integrator": Variable(("integrator",), "U", "name of the method in the study", "1"),
    "seed": Variable(("seed",), "i", "seed of the initial network and of the method's random stream", "1"),
    "time": Variable(("time",), "f", "flow time asked for", "parameter^2 / risk"),
    "flow_time": Variable(_TRAJECTORY, "f", "flow time reached", "parameter^2 / risk"),
    "steps": Variable(_TRAJECTORY, "i", "steps made and accepted, -1 where the trajectory has ended", "1"),
    "rejected_steps": Variable(
        _TRAJECTORY,
        "i",
        "steps tried and rejected, -1 where they are not counted or the trajectory has ended",
        "1",
        since=2,
    ),
    "smallest_step": Variable(
        _TRAJECTORY,
        "f",
        "smallest step accepted so far, missing for a method that does not choose its steps",
        "parameter^2 / risk",
        since=2,
    ),
    "gradient_evaluations": Variable(
        _TRAJECTORY, "i", "evaluations of the population gradient, -1 where the trajectory has ended", "1"
    ),
    "sample_gradients": Variable(
        _TRAJECTORY,
        "i",
        "evaluations of the gradient at one sample point, -1 where the trajectory has ended",
        "1",
    ),
    "risk_evaluations": Variable(
        _TRAJECTORY, "i", "evaluations of the risk by the method, -1 where the trajectory has ended", "1"
    ),
    "wall_time": Variable(
        _TRAJECTORY, "f", "time one core has spent on the trajectory, without diagnostics", "s"
    ),
    "status": Variable(_OUTCOME, "i", "how the trajectory ended", "1"),
    "message": Variable(_OUTCOME, "U", "what the method said when the trajectory ended", "1"),
    "end_time": Variable(_OUTCOME, "f", "flow time at which the trajectory ended", "parameter^2 / risk"),
    "on_manifold": Variable(("integrator",), "i", "1 if the method lives on the submanifold M, else 0", "1"),
    "follows": Variable(
        ("integrator",),
        "U",
        "gradient flow that the method claims to follow up to its tolerance, empty if none",
        "1",
        since=4,
    ),
    "options": Variable(("integrator",), "U", "name and options of the method, JSON", "1"),
}

#: Target and measure on an interval.
INTERVAL_VARIABLES = {
    "x": Variable(("x",), "f", "input", "input"),
    "target": Variable(("x", "output"), "f", "target function", "output"),
    "density": Variable(("x",), "f", "density of the input measure", "1 / input"),
}

#: Target and measure on a rectangle, besides the sample.
PLANE_VARIABLES = {
    "x_1": Variable(("x_1",), "f", "first input", "input"),
    "x_2": Variable(("x_2",), "f", "second input", "input"),
    "target": Variable(("x_1", "x_2", "output"), "f", "target function", "output"),
    "density": Variable(("x_1", "x_2"), "f", "density of the input measure", "1 / input^2"),
}

#: Points of the measure and the target there, for every measure but those on an interval.
SAMPLE_VARIABLES = {
    "sample_x": Variable(("point", "input"), "f", "points of the input measure", "input"),
    "sample_target": Variable(("point", "output"), "f", "target at the points", "output"),
    "sample_weight": Variable(("point",), "f", "mass of each point", "1"),
}

#: Points of a data set that were held out.
TEST_VARIABLES = {
    "test_x": Variable(("test_point", "input"), "f", "points held out", "input"),
    "test_target": Variable(("test_point", "output"), "f", "target at the points held out", "output"),
}

#: Variables of problems whose risk is not smooth.
POINT_VARIABLES = {
    "activation_changes": Variable(
        _TRAJECTORY,
        "i",
        "activation changes that the method located, -1 where it locates none or the trajectory has ended",
        "1",
    ),
}

#: Name of the variable that says on which machine a trajectory was computed, and its meaning. Only results of
#: studies have it.
MACHINE = "machine"
MACHINES = Variable(
    _OUTCOME,
    "i",
    "machine that computed the trajectory, its place in the attribute machines of the group",
    "1",
)

#: What a check of a theorem can come to; the place is the value of `theory_outcome`.
CHECK_OUTCOMES = ("does not apply", "pass", "fail")
_CHECKED = ("check", "integrator", "seed")

#: What `gfcompare verify` adds to every problem.
THEORY_VARIABLES = {
    "check": Variable(("check",), "U", "check of a theorem", "1"),
    "theory_outcome": Variable(_CHECKED, "i", "whether the trajectory obeys the theorem", "1"),
    "theory_residual": Variable(
        _CHECKED, "f", "residual where the trajectory is nearest to failing", "that of the check"
    ),
    "theory_tolerance": Variable(_CHECKED, "f", "what is tolerated of the residual", "that of the check"),
    "theory_detail": Variable(_CHECKED, "U", "one sentence on what was found", "1"),
    "theory_unit": Variable(("check",), "U", "unit of residual and tolerance", "1"),
    "theory_statement": Variable(("check",), "U", "what is checked", "1"),
    "theory_reference": Variable(("check",), "U", "where it is proved", "1"),
}

#: What a certificate can say; the place is the value of `certificate_verdict`.
VERDICTS = (
    "missing",
    "limit-proven",
    "risk-bounded",
    "critical-point-only",
    "degenerate",
    "moving",
    "none",
)
_CERTIFIED = ("certified_time", "integrator", "seed")


def _certified(**fields: tuple[str, str, str]) -> dict[str, Variable]:
    """Return the variables of certificates: kind, meaning and unit by the name of the field."""
    return {f"certificate_{name}": Variable(_CERTIFIED, *field) for name, field in fields.items()}


#: What `gfcompare certify` adds to every problem.
CERTIFICATE_VARIABLES = {
    "certified_time": Variable(
        ("certified_time",), "f", "save time of the states that were certified", "parameter^2 / risk"
    ),
} | _certified(
    verdict=("i", "what is proved of the exact flow from the state", "1"),
    reason=("U", "why not more is proved", "1"),
    flow=("U", "gradient flow of which it is proved", "1"),
    limit_risk_low=("f", "lower bound of the limit of the risk", "output^2"),
    limit_risk_high=("f", "upper bound of the limit of the risk", "output^2"),
    limit_risk=("U", "enclosure of the limit of the risk, decimal", "output^2"),
    risk_low=("f", "lower bound of the risk at the state", "output^2"),
    risk_high=("f", "upper bound of the risk at the state", "output^2"),
    gradient_low=("f", "lower bound of the norm of the gradient at the state", "risk / parameter"),
    gradient_high=("f", "upper bound of the norm of the gradient at the state", "risk / parameter"),
    critical_risk_low=("f", "lower bound of the risk of the critical point", "output^2"),
    critical_risk_high=("f", "upper bound of the risk of the critical point", "output^2"),
    excess=("f", "upper bound of the risk at the state minus that of the critical point", "output^2"),
    remaining_length=("f", "upper bound of the length of the rest of the trajectory", "parameter"),
    rate=("f", "lower bound of the rate at which the distance decays", "risk / parameter^2"),
    existence_radius=("f", "radius of a box with exactly one critical point", "that of the coordinate"),
    uniqueness_radius=("f", "radius of a box without another critical point", "that of the coordinate"),
    distance=("f", "upper bound of the distance from the critical point", "that of the coordinate"),
    index=("i", "directions in which the risk decreases at the critical point, -1 if not proved", "1"),
    eigenvalue_low=("f", "lower bound of the eigenvalues of the reduced Hessian", "that of the coordinates"),
    eigenvalue_high=("f", "upper bound of the eigenvalues of the reduced Hessian", "that of the coordinates"),
    neurons=("U", "what becomes of each neuron", "1"),
    point=("U", "coordinates of the critical point, decimal", "that of the coordinate"),
    knots=("U", "breakpoints of the critical point, decimal", "input"),
    precision_bits=("i", "precision of the proof", "bit"),
    critical_point=("i", "number of the critical point within the problem, -1 without one", "1"),
)

#: The words of variables that are flags, by value.
FLAGS = {"theory_outcome": CHECK_OUTCOMES, "certificate_verdict": VERDICTS}

#: Attributes of a problem group.
GROUP_ATTRIBUTES = (
    "problem",
    "widths",
    "target",
    "measure",
    "initialization",
    "evaluation",
    "lower",
    "upper",
)


def layer_variables(network: ReLUNetwork) -> dict[str, Variable]:
    """Return the variables that hold the parameters of a network."""
    names = ["input", *(f"neuron_{k}" for k in range(1, network.depth)), "output"]
    result = {}
    for k in range(1, network.depth + 1):
        rows, columns = names[k], names[k - 1]
        result[f"weight_{k}"] = Variable(
            (*_TRAJECTORY, rows, columns), "f", f"weights of layer {k}", "parameter"
        )
        result[f"bias_{k}"] = Variable((*_TRAJECTORY, rows), "f", f"biases of layer {k}", "parameter")
    return result


def variables(problem: Problem, diagnostics: Sequence[str] | None = None) -> dict[str, Variable]:
    """Return every variable that the group of a problem has.

    Parameters
    ----------
    problem : the problem
    diagnostics : names of those that the study has chosen; None for those that are computed by default
    """
    # Whoever opens a result needs neither: they load what computes risks.
    from gfcompare.hooks import chosen_diagnostics
    from gfcompare.measures import BoxMeasure, LineMeasure

    found = VARIABLES | layer_variables(problem.network)
    found |= {
        cls.name: Variable((*_TRAJECTORY, *cls.dims), "f", cls.long_name, cls.units)
        for cls in chosen_diagnostics.diagnostics_of(problem, diagnostics)
    }
    if not problem.smooth:
        found |= POINT_VARIABLES
    if isinstance(problem.measure, LineMeasure):
        return found | INTERVAL_VARIABLES
    if isinstance(problem.measure, BoxMeasure) and problem.network.inputs == 2:
        found |= PLANE_VARIABLES
    return found | SAMPLE_VARIABLES | (TEST_VARIABLES if problem.has_test else {})


def annotated(data: xr.Dataset, meanings: Mapping[str, Variable]) -> xr.Dataset:
    """Return the dataset with long_name and units on every variable."""
    for name in data.variables:
        if str(name).startswith(sweeps.PREFIX):  # it says what it is from the start
            continue
        data[name].attrs = dict(annotation(str(name), meanings[str(name)]))
    return data


@cache
def annotation(name: str, meaning: Variable) -> Mapping[str, Any]:
    """Return the attributes of a variable: long_name and units, for flags their values and meanings."""
    found: dict[str, Any] = {"long_name": meaning.long_name, "units": meaning.units}
    if name == "status":
        found["flag_values"] = np.array([s.value for s in Status], dtype=np.int8)
        found["flag_meanings"] = " ".join(s.name.lower() for s in Status)
    if name in FLAGS:
        found["flag_values"] = np.arange(len(FLAGS[name]), dtype=np.int8)
        found["flag_meanings"] = " ".join(word.replace(" ", "_") for word in FLAGS[name])
    if "flag_values" in found:
        found["flag_values"].flags.writeable = False  # all datasets have the same array
    return MappingProxyType(found)
