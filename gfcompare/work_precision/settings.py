"""The settings varied by a work-precision study: tolerances of flows, step sizes of step methods."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gfcompare.components.component import require
from gfcompare.components.identity import identity
from gfcompare.integrators.base import Integrator
from gfcompare.integrators.schedules import PiecewiseConstant, PolynomialDecay, StepSize, step_sizes
from gfcompare.results.labels import joined, label
from gfcompare.study.spec import StudySpec

#: Relative tolerances at which a flow is integrated.
TOLERANCES = tuple(float(f"1e-{k}") for k in range(3, 11))
#: Factors on the step size of a study.
FACTORS = tuple(0.5**k for k in range(6))

# An option that a method has is varied, the first of these: `modified-flow`, which has both, tends to the
# gradient flow as its step size goes to 0, whatever its tolerance.
_VARIED = ("step_size", "rtol")


@dataclass(frozen=True)
class MethodSweep:
    """A method at several settings, from the coarsest to the finest: a sweep of the diagram.

    Attributes
    ----------
    name : of the method in the study
    varied : the option that differs, "rtol" or "step_size"
    values : the tolerances, or the step sizes (of a schedule its first one)
    methods : the method at each of them
    """

    name: str
    varied: str
    values: tuple[float, ...]
    methods: tuple[Integrator, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the name of each setting, such as ``gd[step 0.1]``."""
        return tuple(joined(self.name, (label(self.varied, value),)) for value in self.values)

    @property
    def on_manifold(self) -> bool:
        """True if the method lives on M."""
        return self.methods[0].on_manifold


def method_sweeps(study: StudySpec, tolerances: Sequence[float] = ()) -> tuple[MethodSweep, ...]:
    """Return the sweeps of a study: of each method its settings.

    A method whose step size or tolerance is a list in the study has the settings of that list; others have
    `TOLERANCES`, or their step size times `FACTORS`. Methods that have neither option are left out.

    Parameters
    ----------
    study : the study
    tolerances : if given, the relative tolerances of all flows

    Raises
    ------
    InputError
        if no method is left, if there are tolerances but no method has one, or if one is out of range
    """
    found: list[MethodSweep] = []
    for names in _alike(study.integrators):
        methods = [study.integrators[name] for name in names]
        varied = str(varied_option(methods[0]))
        if varied == "rtol" and tolerances:
            methods = [_with_tolerance(methods[0], rtol) for rtol in tolerances]
        elif len(methods) == 1 and varied == "rtol":
            methods = [_with_tolerance(methods[0], rtol) for rtol in TOLERANCES]
        elif len(methods) == 1:
            methods = [_with_smaller_steps(methods[0], factor) for factor in FACTORS]
        settings = {_value(method, varied): method for method in methods}
        values = tuple(sorted(settings, reverse=True))
        name = _stripped(names[0], varied)
        name = names[0] if name in {sweep.name for sweep in found} else name
        found.append(MethodSweep(name, varied, values, tuple(settings[value] for value in values)))
    require(
        bool(found),
        "no method of the study has an option rtol or step_size: there is nothing to vary. "
        "Add a flow, such as [integrators.standard-gf], or a method with steps, such as [integrators.gd].",
    )
    flows = any(sweep.varied == "rtol" for sweep in found)
    require(flows or not tolerances, "rtol is given, but no method of the study has a tolerance.")
    return tuple(found)


def varied_option(method: Integrator) -> str | None:
    """Return the option that is varied, None for a method without any, such as l-bfgs."""
    return next((option for option in _VARIED if option in method.fields()), None)


def _alike(integrators: Mapping[str, Integrator]) -> list[list[str]]:
    """Return the names of the methods that have something to vary, those of a grid over it together."""
    groups: dict[str, list[str]] = {}
    for name, method in integrators.items():
        varied = varied_option(method)
        if varied is not None:
            rest = {key: value for key, value in method.options().items() if key != varied}
            base = name.split("[")[0] if name.endswith("]") else name
            key = json.dumps([base, method.name, identity(rest)], sort_keys=True)
            groups.setdefault(key, []).append(name)
    return list(groups.values())


def _stripped(name: str, varied: str) -> str:
    """Return the name of a method in a grid without what says the value of the varied option."""
    found = re.fullmatch(r"([^\[]*)\[(.*)\]", name)
    if found is None:
        return name
    return joined(found[1], [part for part in found[2].split(", ") if not part.startswith(label(varied, ""))])


def _value(method: Any, varied: str) -> float:
    if varied == "rtol":
        return float(method.rtol)
    return float(step_sizes(method.step_size, 0, 1)[0])


def _with_tolerance(method: Any, rtol: float) -> Integrator:
    """Return a flow with another relative tolerance; an absolute one of its own changes in proportion."""
    changes = {"rtol": rtol}
    if getattr(method, "atol", None) is not None:
        changes["atol"] = method.atol * rtol / method.rtol
    changed: Integrator = dataclasses.replace(method, **changes)
    return changed


def _with_smaller_steps(method: Any, factor: float) -> Integrator:
    changed: Integrator = dataclasses.replace(method, step_size=refined(method.step_size, factor))
    return changed


def refined(rule: StepSize, factor: float) -> StepSize:
    """Return a step size times a factor at each flow time; 1 / factor must be a whole number."""
    if isinstance(rule, PolynomialDecay):
        return dataclasses.replace(rule, initial=rule.initial * factor, scale=rule.scale / factor)
    if isinstance(rule, PiecewiseConstant):
        boundaries = [round(boundary / factor) for boundary in rule.boundaries]
        return PiecewiseConstant(boundaries, [value * factor for value in rule.values])
    return rule * factor
