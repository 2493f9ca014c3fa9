"""Computing diagnostics on the states that methods have left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.errors import cause_of, is_foreign
from gfcompare.diagnostics.base import PairedDiagnostic, Quantity, Trajectories, TrajectoryDiagnostic
from gfcompare.integrators.base import Integrator
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem

Array = NDArray[np.float64]
#: Arrays by the name of the variable.
Values = dict[str, Array]
#: Diagnostics, as classes.
Classes = Sequence[type[Quantity]]
#: Reports a diagnostic that raised an error, with the cause.
Report = Callable[[type[Quantity], str], None]


# Of each problem the classes last asked for, and those that are defined: some look at the whole target.
_defined: WeakKeyDictionary[Problem, tuple[Classes, list[type[Quantity]]]] = WeakKeyDictionary()


def defined_for(problem: Problem, classes: Classes) -> list[type[Quantity]]:
    """Return the diagnostics that are defined for a problem."""
    known = _defined.get(problem)
    if known is None or known[0] != classes:
        sizes = _sizes(problem.network)
        found = [cls for cls in classes if sizes.keys() >= set(cls.dims) and cls.applies(problem)]
        _defined[problem] = known = (list(classes), found)
    return list(known[1])


def _sizes(network: ReLUNetwork) -> dict[str, int]:
    """Return the dimensions that a diagnostic may have besides integrator, seed and time."""
    hidden = {f"neuron_{k}": width for k, width in enumerate(network.hidden, start=1)}
    return hidden | {"input": network.inputs, "output": network.outputs}


def paths_of(theta: Array, flow_time: Array, method: Integrator | None) -> Trajectories:
    """Return the trajectories of one method, shapes (M, T, P) and (M, T), with its tolerance."""
    normalized = method is not None and method.on_manifold
    return Trajectories(theta, flow_time, normalized, rtol_of(method))


def rtol_of(method: Integrator | None) -> float:
    """Return the relative tolerance of a method's steps, the default one for a method that has none."""
    return float(getattr(method, "rtol", FlowIntegrator.rtol))


def along(problem: Problem, paths: Trajectories, classes: Classes, report: Report) -> Values:
    """Return the diagnostics of the trajectories of one method, each of shape (M, T, ...).

    Parameters
    ----------
    problem : the problem
    paths : the trajectories, NaN where one has ended
    classes : the diagnostics wanted; those that are not defined for the problem are left out
    report : called for a diagnostic that raises an error, which is NaN
    """
    found = {}
    for cls in defined_for(problem, classes):
        if issubclass(cls, TrajectoryDiagnostic):
            found[cls.name] = _guarded(cls, problem, paths, None, report)
    return found


def paired(
    problem: Problem,
    methods: Mapping[str, Integrator],
    states: Iterable[tuple[Array, Array]],
    classes: Classes,
    report: Report,
) -> list[Values]:
    """Return the diagnostics that compare each method with the standard flow; none without that flow.

    The flow is a method that claims to follow it; of several the one of smallest tolerance.

    Parameters
    ----------
    problem : the problem
    methods : by name
    states : parameters, shape (M, T, P), and flow times, shape (M, T), of each method
    classes : the diagnostics wanted; those that are not defined for the problem are left out
    report : called for a diagnostic that raises an error, which is NaN
    """
    methods_of_flow = [n for n, method in enumerate(methods.values()) if method.follows == "standard"]
    if not methods_of_flow:
        return [{} for _ in methods]
    paths = [
        paths_of(theta, flow_time, method)
        for (theta, flow_time), method in zip(states, methods.values(), strict=True)
    ]
    flow = min((paths[n] for n in methods_of_flow), key=lambda path: path.rtol)
    return [compared(problem, path, flow, classes, report) for path in paths]


def compared(
    problem: Problem, paths: Trajectories, flow: Trajectories, classes: Classes, report: Report
) -> Values:
    """Return the diagnostics that compare the trajectories of a method with the standard flow's."""
    found = {}
    for cls in defined_for(problem, classes):
        if issubclass(cls, PairedDiagnostic):
            found[cls.name] = _guarded(cls, problem, paths, flow, report)
    return found


def _guarded(
    cls: type[Quantity],
    problem: Problem,
    paths: Trajectories,
    flow: Trajectories | None,
    report: Report,
) -> Array:
    """Return a diagnostic, or NaN if somebody else's raises: what was computed is kept.

    `flow` is the standard flow's, for a diagnostic that compares with it.
    """
    shape = paths.theta.shape[:2]
    if cls.dims:
        shape = _shape(cls, problem, shape)
    try:
        diagnostic = _objects.get(cls)
        if diagnostic is None:
            diagnostic = _objects[cls] = cls()
        if flow is not None and isinstance(diagnostic, PairedDiagnostic):
            found = np.asarray(diagnostic.compare(problem, paths, flow))
        else:
            assert isinstance(diagnostic, TrajectoryDiagnostic)  # as the callers have chosen
            found = np.asarray(diagnostic.along(problem, paths))
        if found.dtype.kind not in "fiub":
            raise ValueError(f"it has type {found.dtype}, expected real numbers")
        values = found.astype(np.float64)
        if values.shape != shape:
            raise ValueError(f"it has shape {values.shape}, expected {shape}")
    except BaseException as error:
        if not is_foreign(error):
            raise
        report(cls, cause_of(error))
        return np.full(shape, np.nan)
    return values


# Diagnostics have no options: one object of a class serves for all.
_objects: WeakKeyDictionary[type[Quantity], Quantity] = WeakKeyDictionary()


def missing_values(cls: type[Quantity], problem: Problem, trajectories: tuple[int, ...]) -> Array:
    """Return NaN in place of a diagnostic; `trajectories` is the shape (M, T) of its first axes."""
    return np.full(_shape(cls, problem, trajectories), np.nan)


def _shape(cls: type[Quantity], problem: Problem, trajectories: tuple[int, ...]) -> tuple[int, ...]:
    sizes = _sizes(problem.network)
    return (*trajectories, *(sizes[name] for name in cls.dims))
