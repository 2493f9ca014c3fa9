"""Computing the diagnostics that a study chooses, on what its methods have left."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of, known_name
from gfcompare.diagnostics import PairedDiagnostic, Quantity, Trajectories, TrajectoryDiagnostic
from gfcompare.hooks.registry import PluginWarning, registry
from gfcompare.integrators.base import Integrator
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem


class DiagnosticWarning(PluginWarning):
    """A diagnostic raised an error, and is NaN in the result."""


Array = NDArray[np.float64]
#: Arrays by the name of the variable.
Values = dict[str, Array]

#: Every result has these, whatever a study chooses.
ALWAYS = ("risk", "gradient_norm")


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
    sizes = _sizes(problem.network)
    return [cls for cls in chosen(names) if sizes.keys() >= set(cls.dims) and cls.applies(problem)]


def _sizes(network: ReLUNetwork) -> dict[str, int]:
    """Return the dimensions that a diagnostic may have besides integrator, seed and time."""
    hidden = {f"neuron_{k}": width for k, width in enumerate(network.hidden, start=1)}
    return hidden | {"input": network.inputs, "output": network.outputs}


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
    normalized = method is not None and method.on_manifold
    paths = Trajectories(theta, flow_time, normalized, rtol_of(method))
    return {
        cls.name: _guarded(cls, problem, paths, partial(_along, cls, problem, paths))
        for cls in diagnostics_of(problem, names)
        if issubclass(cls, TrajectoryDiagnostic)
    }


def rtol_of(method: Integrator | None) -> float:
    """Return the relative tolerance of a method's steps, the default one for a method that has none."""
    return float(getattr(method, "rtol", FlowIntegrator.rtol))


def _along(cls: type[TrajectoryDiagnostic], problem: Problem, paths: Trajectories) -> Array:
    return cls().along(problem, paths)


def _compare(cls: type[PairedDiagnostic], problem: Problem, paths: Trajectories, flow: Trajectories) -> Array:
    return cls().compare(problem, paths, flow)


def paired(
    problem: Problem,
    methods: Mapping[str, Integrator],
    parts: Sequence[xr.Dataset],
    names: Sequence[str] | None,
) -> list[Values]:
    """Return the diagnostics that compare each method with the standard flow, none if it is not there.

    The flow is a method that claims to follow it; of several the one of smallest tolerance.

    Parameters
    ----------
    problem : the problem
    methods : by name
    parts : for each method its trajectories, over (seed, time)
    names : of the diagnostics wanted; None for those that are computed by default
    """
    classes = [cls for cls in diagnostics_of(problem, names) if issubclass(cls, PairedDiagnostic)]
    flows = [n for n, method in enumerate(methods.values()) if method.follows == "standard"]
    if not flows or not classes:
        return [{} for _ in parts]
    paths = [
        Trajectories(parameters(problem.network, part), part["flow_time"].values, m.on_manifold, rtol_of(m))
        for part, m in zip(parts, methods.values(), strict=True)
    ]
    flow = min((paths[n] for n in flows), key=lambda path: path.rtol)
    return [
        {
            cls.name: _guarded(cls, problem, path, partial(_compare, cls, problem, path, flow))
            for cls in classes
        }
        for path in paths
    ]


def parameters(network: ReLUNetwork, data: xr.Dataset) -> Array:
    """Return theta, shape (..., P), from the variables weight_k and bias_k of a dataset."""
    layers = [(data[f"weight_{k}"].values, data[f"bias_{k}"].values) for k in range(1, network.depth + 1)]
    return network.join(layers)


def _guarded(
    cls: type[Quantity], problem: Problem, paths: Trajectories, compute: Callable[[], Array]
) -> Array:
    """Return a diagnostic, or NaN and a warning if somebody else's raises: what was computed is kept."""
    sizes = _sizes(problem.network)
    shape = (*paths.theta.shape[:2], *(sizes[name] for name in cls.dims))
    try:
        found = np.asarray(compute())
        if found.dtype.kind not in "fiub":
            raise ValueError(f"it has type {found.dtype}, expected real numbers")
        values = found.astype(np.float64)
        if values.shape != shape:
            raise ValueError(f"it has shape {values.shape}, expected {shape}")
    except FOREIGN_ERRORS as error:
        return left_out(cls, problem, shape[:2], cause_of(error))
    return values


def left_out(cls: type[Quantity], problem: Problem, trajectories: tuple[int, ...], cause: str) -> Array:
    """Return NaN in place of a diagnostic, and warn; `trajectories` is the shape (M, T) of its first axes."""
    plugin = registry().origin("diagnostics", cls.name)
    warnings.warn(
        f"diagnostic {cls.name!r} of {plugin.label} is left out (NaN): {cause}",
        DiagnosticWarning,
        stacklevel=3,
    )
    sizes = _sizes(problem.network)
    return np.full((*trajectories, *(sizes[name] for name in cls.dims)), np.nan)
