"""The checks of each kind of component, and running them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from gfcompare.components.component import Component
from gfcompare.components.errors import InputError, unknown_name
from gfcompare.diagnostics import Quantity
from gfcompare.evaluators.base import Evaluator
from gfcompare.figures.base import Figure
from gfcompare.hooks.hookspecs import Kind
from gfcompare.initializations import Initialization
from gfcompare.integrators.base import Integrator
from gfcompare.measures import Measure
from gfcompare.targets import Target
from gfcompare.testing import (
    declarations,
    diagnostics,
    evaluator_paths,
    evaluators,
    examples,
    figures,
    initializations,
    measures,
    method_accuracy,
    method_failures,
    method_values,
    targets,
)
from gfcompare.testing.records import Check, ConformanceError, Outcome, Report, Subject, waivers

_EVERY = (declarations.declaration, declarations.construction, declarations.value, declarations.options)
_METHOD = (
    method_values.inputs_unchanged,
    method_values.state_is_a_value,
    method_values.stop_and_go,
    method_values.save_times,
    method_values.times_reached,
    method_values.seeds,
    method_values.deterministic,
    method_values.alone_as_in_a_batch,
    method_accuracy.first_step,
    method_accuracy.order,
    method_accuracy.manifold,
    method_accuracy.follows,
    method_accuracy.evaluation_counts,
    method_failures.not_finite,
    method_failures.errors,
    method_failures.time_limit,
    method_failures.several_outputs,
    method_failures.deep,
    method_failures.plane,
    method_failures.points,
    method_failures.one_neuron,
    method_failures.dead_network,
)
_TARGET = (
    targets.shapes,
    targets.on_and_at,
    targets.derivatives,
    targets.degree,
    targets.along_and_at,
    targets.terms,
)
_MEASURE = (
    measures.shapes,
    measures.mass,
    measures.quantiles,
    measures.samples,
    measures.density_and_nodes,
    measures.seeds,
)
_EVALUATOR = (
    evaluators.declaration,
    evaluators.applies,
    evaluators.shapes,
    evaluators.value,
    evaluators.risk,
    evaluators.gradient,
    evaluators.zero_neurons,
    evaluators.same_function,
    evaluators.batch_as_single,
    evaluator_paths.points_drawn,
    evaluator_paths.data,
    evaluator_paths.hessian,
    evaluator_paths.descent,
    evaluator_paths.flow,
)
_INITIALIZATION = (
    initializations.shapes,
    initializations.seeds,
    initializations.scale,
    initializations.manifold,
)
_DIAGNOSTIC = (
    diagnostics.described,
    diagnostics.shapes,
    diagnostics.missing_states,
    diagnostics.batch_as_single,
    diagnostics.inputs_unchanged,
)
_FIGURE = (figures.draws, figures.axis, figures.result_unchanged)


def _checks(functions: Iterable[Callable[[Subject], str]]) -> tuple[Check, ...]:
    return tuple(map(Check.of, functions))


#: The checks of each kind of component, in the order in which they are made.
CHECKS: Mapping[Kind, tuple[Check, ...]] = {
    "integrators": _checks((*_EVERY, *_METHOD)),
    "targets": _checks((*_EVERY, *_TARGET)),
    "measures": _checks((*_EVERY, *_MEASURE)),
    "evaluators": _checks(_EVALUATOR),
    "initializations": _checks((*_EVERY, *_INITIALIZATION)),
    "diagnostics": _checks((*_EVERY, *_DIAGNOSTIC)),
    "figures": _checks((*_EVERY, *_FIGURE)),
}

_KINDS: dict[type[Any], Kind] = {
    Integrator: "integrators",
    Target: "targets",
    Measure: "measures",
    Evaluator: "evaluators",
    Initialization: "initializations",
    Quantity: "diagnostics",
    Figure: "figures",
}


def subject_of(kind: Kind, component: Any, **settings: Any) -> Subject:
    """Return what is checked.

    Parameters
    ----------
    kind : of component
    component : a class, or an object of it where options are needed
    settings : what the checks of the kind need besides

    Raises
    ------
    InputError
        if it is no component of that kind
    """
    cls: type[Any] = component if inspect.isclass(component) else type(component)
    base = next(base for base, of in _KINDS.items() if of == kind)
    if not issubclass(cls, base):
        public = {Quantity: "Diagnostic", Figure: "figures.Figure"}.get(base, base.__name__)
        raise InputError(f"a class or an object of gfcompare.{public} can be checked, got {component!r:.80}.")
    if base is Evaluator and not inspect.isclass(component):
        raise InputError(f"an evaluator is checked as a class: give {cls.__name__}, not an object of it.")
    given = tuple((key, item) for key, item in settings.items() if item is not None)
    if not inspect.isclass(component):
        return Subject(kind, cls, partial(dataclasses.replace, typing.cast("Any", component)), given)
    return Subject(kind, cls, partial(_example, kind, cls), given)


def _example(kind: Kind, cls: type[Component]) -> Any:
    """Return an object of a class: with the options of an example if it is gfcompare's own and needs any."""
    if cls.__module__.partition(".")[0] == "gfcompare":
        return examples.example(kind, cls)
    return cls()


def conformance(subject: Subject, *, only: Iterable[str] = ()) -> Report:
    """Make the checks of a component and return how they have ended.

    Parameters
    ----------
    subject : what is checked
    only : names of the checks to be made; none means all

    Raises
    ------
    InputError
        for a check that does not exist, named here or waived, and a waiver without a reason
    """
    known = CHECKS[subject.kind]
    names = list(only)
    for name in names:
        if name not in [check.name for check in known]:
            raise unknown_name(f"check of {subject.kind}:", name, [check.name for check in known])
    waived = waivers(subject.cls, known)
    chosen = [check for check in known if not names or check.name in names]
    outcomes = [check.outcome(subject, waived.get(check.name, "")) for check in chosen]
    return Report(subject.kind, getattr(subject.cls, "name", subject.cls.__name__), _said_once(outcomes))


def _said_once(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Return outcomes in which an error that a component raises in many checks is told in the first."""
    first: dict[str, str] = {}
    found = []
    for outcome in outcomes:
        # Shapes differ from check to check.
        key = re.sub(r"\d+", "", outcome.raised)
        before = first.setdefault(key, outcome.check.name) if key else outcome.check.name
        again = before != outcome.check.name
        found.append(replace(outcome, message=f"it raised the error of {before}.") if again else outcome)
    return tuple(found)


def passed(report: Report) -> Report:
    """Return a report, or raise ConformanceError with all that failed in it."""
    if report.failed:
        lines = [f"{outcome.check.name}: {outcome.message}" for outcome in report.failed]
        count = len(lines)
        checks = "1 check" if count == 1 else f"{count} checks"
        raise ConformanceError("\n".join([f"{report.name} fails {checks}:", *lines]))
    return report
