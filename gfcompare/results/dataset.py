"""Building the datasets of a result: trajectories of one method, the group of a problem, the root."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from gfcompare.components.versions import NUMERICAL, VERSION, versions
from gfcompare.diagnostics.compute import Array
from gfcompare.hooks.registry import Plugin, registry
from gfcompare.integrators.base import Integrator
from gfcompare.integrators.record import Record
from gfcompare.problem import Problem
from gfcompare.results import sweeps
from gfcompare.results.problem_sample import evaluation, portrait
from gfcompare.results.schema import SCHEMA_VERSION, annotated, variables

_FROM_RECORD = (
    "flow_time",
    "steps",
    "rejected_steps",
    "smallest_step",
    "gradient_evaluations",
    "sample_gradients",
    "risk_evaluations",
    "wall_time",
    "status",
)


def trajectories(
    problem: Problem,
    record: Record,
    seeds: Sequence[int],
    diagnostics: Mapping[str, Array] | None = None,
) -> xr.Dataset:
    """Return a record as a dataset over (seed, time), with the diagnostics that were computed of it.

    Parameters
    ----------
    problem : the problem
    record : the trajectories
    seeds : one for each of them
    diagnostics : values, each of shape (seed, time, ...), by name
    """
    values = arrays(problem, record, diagnostics or {})
    meanings = variables(problem, list(diagnostics or ()))
    data = xr.Dataset(
        {name: (meanings[name].dims[1:], array) for name, array in values.items()},
        coords={"seed": np.asarray(seeds, dtype=np.int64), "time": record.times},
    )
    return annotated(data, meanings)


def arrays(problem: Problem, record: Record, diagnostics: Mapping[str, Array]) -> dict[str, Any]:
    """Return what a result stores of trajectories, shapes (seed, ...), by name; with their diagnostics."""
    values: dict[str, Any] = {}
    for k, layer in enumerate(problem.network.layers(record.theta), start=1):
        values[f"weight_{k}"] = layer.weight
        values[f"bias_{k}"] = layer.bias
    values.update(diagnostics)
    for name in _FROM_RECORD:
        values[name] = getattr(record, name)
    values["message"] = np.array(record.messages, dtype=object)
    values["end_time"] = record.end_time
    if not problem.smooth:
        values["activation_changes"] = record.activation_changes
    return values


def with_diagnostics(data: xr.Dataset, problem: Problem, values: Mapping[str, Array]) -> xr.Dataset:
    """Return trajectories of one method with more diagnostics, each of shape (seed, time, ...)."""
    meanings = variables(problem, list(values))
    return data.assign({name: (meanings[name].dims[1:], array) for name, array in values.items()})


def problem_group(
    name: str,
    problem: Problem,
    integrators: Mapping[str, Integrator],
    descriptions: Mapping[str, Any],
    parts: Sequence[xr.Dataset],
    diagnostics: Sequence[str] | None = None,
) -> xr.Dataset:
    """Return the group of one problem.

    Parameters
    ----------
    name : the problem's name
    problem : the problem
    integrators : methods by name
    descriptions : "target", "measure", "initialization" and "integrators", each as plain data
    parts : for each method its trajectories over all seeds, with the diagnostics that compare methods
    diagnostics : names of those that the parts have; None for those that are computed by default
    """
    meanings = variables(problem, diagnostics)
    return annotated(together(parts, frame(name, problem, integrators, descriptions)), meanings)


def together(parts: Sequence[xr.Dataset], about: xr.Dataset) -> xr.Dataset:
    """Return the trajectories of several methods as one dataset, with what is known before they are there.

    Parameters
    ----------
    parts : for each method its trajectories
    about : what `frame` returns for these methods
    """
    data = xr.concat(parts, dim="integrator", coords="minimal", compat="override", join="exact")
    data = data.assign_coords(about.coords).assign(about.data_vars)
    data.attrs = dict(about.attrs)
    return data


def frame(
    name: str, problem: Problem, integrators: Mapping[str, Integrator], descriptions: Mapping[str, Any]
) -> xr.Dataset:
    """Return all of the group of a problem that is known before anything is computed.

    The parameters are those of `problem_group`.
    """
    options = [json.dumps(descriptions["integrators"][key]) for key in integrators]
    data = xr.Dataset(
        portrait(problem)
        | {
            "on_manifold": (
                "integrator",
                np.array([i.on_manifold for i in integrators.values()], dtype=np.int8),
            ),
            "follows": (
                "integrator",
                np.array([i.follows or "" for i in integrators.values()], dtype=object),
            ),
            "options": ("integrator", np.array(options, dtype=object)),
        },
        coords={"integrator": np.array(list(integrators), dtype=object)},
    )
    data.attrs = group_attributes(name, problem, descriptions)
    return with_options(annotated(data, variables(problem, ())), descriptions["integrators"])


def group_attributes(name: str, problem: Problem, descriptions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of the group of a problem.

    Parameters
    ----------
    name : the problem's name
    problem : the problem
    descriptions : "target", "measure" and "initialization", each as plain data
    """
    box = problem.measure.box
    lower, upper = (float(end) for end in box[0]) if len(box) == 1 else (box[:, 0], box[:, 1])
    return {
        "problem": name,
        "widths": np.array(problem.network.widths, dtype=np.int64),
        "target": json.dumps(descriptions["target"]),
        "measure": json.dumps(descriptions["measure"]),
        "initialization": json.dumps(descriptions["initialization"]),
        "evaluation": json.dumps(evaluation(problem)),
        "lower": lower,
        "upper": upper,
    }


def with_options(data: xr.Dataset, descriptions: Mapping[str, Mapping[str, Any]]) -> xr.Dataset:
    """Return the group of a problem with the options that the study varies as coordinates.

    Parameters
    ----------
    data : the group
    descriptions : of the methods, name and options as plain data
    """
    for name, values in sweeps.coordinates(descriptions).items():
        option = name.removeprefix(sweeps.PREFIX)
        about = {"long_name": f"option {option} of the method, NaN if it has none", "units": "1"}
        data = data.assign_coords({name: ("integrator", values, about)})
    return data


def root_attributes(spec: Mapping[str, Any], source: str) -> dict[str, str]:
    """Return the attributes that say what was run, by what and where.

    Parameters
    ----------
    spec : the study as plain data
    source : the text of its file, empty without one
    """
    return provenance(spec["name"], spec["description"], json.dumps(spec), source)


def provenance(title: str, description: str, study: str, source: str) -> dict[str, str]:
    """Return the attributes of the root group; `study` is the study as plain data, in JSON."""
    plugins, environment = _installed(tuple(registry().plugins))
    return {
        "title": title,
        "description": description,
        "schema_version": SCHEMA_VERSION,
        "gfcompare_version": VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "study": study,
        "study_source": source,
        "plugins": plugins,
        "environment": environment,
    }


@lru_cache(maxsize=8)
def _installed(plugins: tuple[Plugin, ...]) -> tuple[str, str]:
    """Return the plugins in use and the versions of what computes numbers, both in JSON."""
    used = [
        {"name": p.name, "distribution": p.distribution, "version": p.version} for p in plugins if not p.error
    ]
    environment = {
        "python": platform.python_version(),
        **versions([*NUMERICAL, *_methods_libraries()]),
        "machine": platform.machine(),
        "system": platform.system(),
    }
    return json.dumps(used), json.dumps(environment)


def _methods_libraries() -> list[str]:
    """Return the libraries that methods name, such as torch."""
    return [name for cls in registry().all("integrators") for name in cls.libraries]
