"""Computing diagnostics on the states that methods have left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.errors import FOREIGN_ERRORS, cause_of
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


def defined_for(problem: Problem, classes: Classes) -> list[type[Quantity]]:
    """Return the diagnostics that are defined for a problem."""
    sizes = _sizes(problem.network)
    return [cls for cls in classes if sizes.keys() >= set(cls.dims) and cls.applies(problem)]


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
    return {
        cls.name: _guarded(cls, problem, paths, partial(_along, cls, problem, paths), report)
        for cls in defined_for(problem, classes)
        if issubclass(cls, TrajectoryDiagnostic)
    }


def _along(cls: type[TrajectoryDiagnostic], problem: Problem, paths: Trajectories) -> Array:
    return cls().along(problem, paths)


def _compare(cls: type[PairedDiagnostic], problem: Problem, paths: Trajectories, flow: Trajectories) -> Array:
    return cls().compare(problem, paths, flow)


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
    chosen = [cls for cls in defined_for(problem, classes) if issubclass(cls, PairedDiagnostic)]
    flows = [n for n, method in enumerate(methods.values()) if method.follows == "standard"]
    if not flows or not chosen:
        return [{} for _ in methods]
    paths = [
        paths_of(theta, flow_time, method)
        for (theta, flow_time), method in zip(states, methods.values(), strict=True)
    ]
    flow = min((paths[n] for n in flows), key=lambda path: path.rtol)
    return [
        {
            cls.name: _guarded(cls, problem, path, partial(_compare, cls, problem, path, flow), report)
            for cls in chosen
        }
        for path in paths
    ]


def _guarded(
    cls: type[Quantity],
    problem: Problem,
    paths: Trajectories,
    compute: Callable[[], Array],
    report: Report,
) -> Array:
    """Return a diagnostic, or NaN if somebody else's raises: what was computed is kept."""
    shape = _shape(cls, problem, paths.theta.shape[:2])
    try:
        found = np.asarray(compute())
        if found.dtype.kind not in "fiub":
            raise ValueError(f"it has type {found.dtype}, expected real numbers")
        values = found.astype(np.float64)
        if values.shape != shape:
            raise ValueError(f"it has shape {values.shape}, expected {shape}")
    except FOREIGN_ERRORS as error:
        report(cls, cause_of(error))
        return np.full(shape, np.nan)
    return values


def missing_values(cls: type[Quantity], problem: Problem, trajectories: tuple[int, ...]) -> Array:
    """Return NaN in place of a diagnostic; `trajectories` is the shape (M, T) of its first axes."""
    return np.full(_shape(cls, problem, trajectories), np.nan)


def _shape(cls: type[Quantity], problem: Problem, trajectories: tuple[int, ...]) -> tuple[int, ...]:
    sizes = _sizes(problem.network)
    return (*trajectories, *(sizes[name] for name in cls.dims))
