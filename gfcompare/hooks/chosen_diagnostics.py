"""The diagnostics that a study chooses by name: looked up, checked and computed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence

from gfcompare.components.errors import InputError, known_name
from gfcompare.diagnostics import compute
from gfcompare.diagnostics.base import Quantity
from gfcompare.diagnostics.compute import Array, Values
from gfcompare.hooks.registry import PluginWarning, registry
from gfcompare.integrators.base import Integrator
from gfcompare.problem import Problem

#: Every result has these, whatever a study chooses.
ALWAYS = ("risk", "gradient_norm")


class DiagnosticWarning(PluginWarning):
    """A diagnostic raised an error, and is NaN in the result."""


def checked_names(names: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the names of the diagnostics of a study, or raise InputError if there is no such diagnostic."""
    if names is None:
        return None
    given = [names] if isinstance(names, str) else list(names)
    known = registry().names("diagnostics")
    for name in given:
        if not isinstance(name, str):
            raise InputError(f"diagnostics: must be a list of names, got {name!r}.")
    try:
        found = [known_name("diagnostic", name, known) for name in given]
    except InputError as error:
        raise error.within("diagnostics") from None
    return tuple(dict.fromkeys([*ALWAYS, *found]))


def chosen(names: Sequence[str] | None = None) -> list[type[Quantity]]:
    """Return the diagnostics of these names, or those that are computed by default."""
    found: list[type[Quantity]] = registry().all("diagnostics")
    return [cls for cls in found if (cls.default if names is None else cls.name in names)]


def diagnostics_of(problem: Problem, names: Sequence[str] | None = None) -> list[type[Quantity]]:
    """Return the chosen diagnostics that are defined for a problem."""
    return compute.defined_for(problem, chosen(names))


def along(
    problem: Problem, theta: Array, flow_time: Array, method: Integrator | None, names: Sequence[str] | None
) -> Values:
    """Return the diagnostics of the trajectories of one method, each of shape (M, T, ...).

    Parameters
    ----------
    problem : the problem
    theta : states, shape (M, T, P), NaN where a trajectory has ended
    flow_time : reached, shape (M, T)
    method : their method, if it is known
    names : of the diagnostics wanted; None for those that are computed by default
    """
    paths = compute.paths_of(theta, flow_time, method)
    return compute.along(problem, paths, chosen(names), warn_left_out)


def of_one_method(problem: Problem, theta: Array, flow_time: Array, method: Integrator) -> Values:
    """Return the diagnostics computed by default of a single method, with those that compare it with itself.

    Only of a method that follows the standard flow there are any of the latter: its distances to the flow are
    0, or what rounding makes of that.

    Parameters
    ----------
    problem : the problem
    theta : states, shape (M, T, P), NaN where a trajectory has ended
    flow_time : reached, shape (M, T)
    method : their method
    """
    paths, classes = compute.paths_of(theta, flow_time, method), chosen()
    values = compute.along(problem, paths, classes, warn_left_out)
    if method.follows == "standard":
        values.update(compute.compared(problem, paths, paths, classes, warn_left_out))
    return values


def paired(
    problem: Problem,
    methods: Mapping[str, Integrator],
    states: Iterable[tuple[Array, Array]],
    names: Sequence[str] | None,
) -> list[Values]:
    """Return the diagnostics that compare each method with the standard flow; none without that flow.

    Parameters
    ----------
    problem : the problem
    methods : by name
    states : parameters, shape (M, T, P), and flow times, shape (M, T), of each method
    names : of the diagnostics wanted; None for those that are computed by default
    """
    return compute.paired(problem, methods, states, chosen(names), warn_left_out)


def warn_left_out(cls: type[Quantity], cause: str) -> None:
    """Warn that a diagnostic is NaN, with the plugin that it is of and the cause."""
    plugin = registry().origin("diagnostics", cls.name)
    warnings.warn(
        f"diagnostic {cls.name!r} of {plugin.label} is left out (NaN): {cause}",
        DiagnosticWarning,
        stacklevel=4,
    )
