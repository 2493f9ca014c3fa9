"""Integrating trajectories with one method: `gfcompare.integrate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from gfcompare.components.component import check_instance, describe, plain
from gfcompare.components.errors import InputError, is_name
from gfcompare.hooks.chosen_diagnostics import of_one_method
from gfcompare.integrators.base import Integrator, check_method
from gfcompare.integrators.loop import Limits, OnError, check_on_error, run_checked
from gfcompare.integrators.random_streams import RandomStreams, random_stream
from gfcompare.integrators.record import Record
from gfcompare.integrators.save_times import check_times
from gfcompare.measures import PointMeasure
from gfcompare.problem import Problem
from gfcompare.results.assembled import Coordinate, Parts, assembled
from gfcompare.results.dataset import arrays, group_attributes, provenance
from gfcompare.results.failed import warn_of_failures
from gfcompare.results.problem_sample import portrait
from gfcompare.results.schema import VARIABLES, Variable, annotation, variables


def integrate(
    problem: Problem,
    integrator: Integrator,
    theta: ArrayLike,
    times: ArrayLike,
    *,
    seed: int = 0,
    time_limit: float | None = None,
    on_error: OnError = "record",
) -> xr.Dataset:
    """Integrate trajectories with one method and return them labelled.

    Parameters
    ----------
    problem : the problem
    integrator : the method, such as ``gfcompare.integrator("standard-gf", rtol=1e-8)``
    theta : initial parameters, shape (P,) or (M, P)
    times : save times, shape (T,), increasing, in units of flow time
    seed : source of randomness for stochastic methods, which `gfcompare.Study` calls the study seed
    time_limit : seconds of wall time that a trajectory may take on average
    on_error : "record" an error that the method raises as the outcome of its trajectory, with a warning, or
        "raise" it

    Returns
    -------
    xarray.Dataset
        over (seed, time), with the variables and attributes of docs/schema.md; seed is the row of theta.
        Figures, `gfcompare.validate` and `gfcompare.theory.verify` take it as they take a result

    Examples
    --------
    >>> import gfcompare as gfc
    >>> problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Constant(1.0), gfc.measures.Uniform())
    >>> flow = gfc.integrator("standard-gf", rtol=1e-8)
    >>> data = gfc.integrate(problem, flow, [1.0, 0.5, 0.5, 0.0], [0.0, 1.0, 100.0])
    >>> data["risk"].dims
    ('seed', 'time')
    >>> start, _, end = data["risk"].values[0]
    >>> bool(end < 1e-3 * start)
    True
    """
    if type(problem) is not Problem:
        check_instance(problem, Problem, "the problem")
    check_method(integrator)
    if on_error not in ("record", "raise"):
        check_on_error(on_error)
    if not isinstance(seed, int | np.integer):
        raise InputError(f"seed must be a whole number, got {seed!r}.")
    if seed < 0:
        raise InputError(f"seed must not be negative, got {seed}.")
    if time_limit is not None and not time_limit > 0:
        raise InputError(f"time_limit must be positive, got {time_limit}.")
    rows = np.atleast_2d(problem.network.check(theta))
    if rows.ndim != 2:
        raise InputError(f"theta must have shape (P,) or (M, P), got {np.shape(theta)}.")
    streams = RandomStreams(len(rows), partial(random_stream, seed, use="method"))
    limits = Limits(time_limit, on_error)
    record = run_checked(problem, integrator, rows, check_times(times), streams, limits)
    warn_of_failures(type(integrator).__name__, record.status, record.messages)
    return labelled(problem, integrator, record, seed)


def labelled(problem: Problem, integrator: Integrator, record: Record, seed: int) -> xr.Dataset:
    """Return the trajectories of one method with everything that a result says of them.

    Parameters
    ----------
    problem : the problem
    integrator : the method
    record : the trajectories
    seed : source of randomness for stochastic methods
    """
    known = _labels.get(problem)
    if known is None:
        known = _labels[problem] = _Labels.of(problem)
    values = of_one_method(problem, record.theta, record.flow_time, integrator)
    stored = arrays(problem, record, values)
    if not stored.keys() <= known.meanings.keys():
        known.meanings.update(_meanings(variables(problem)))
    found: dict[str, Parts | Coordinate] = {}
    for key, array in stored.items():
        dims, said = known.meanings[key]
        found[key] = dims, array, said
    method, options = _name(integrator, "method"), json.dumps(describe(integrator))
    time, times = _times(record.times.tobytes())
    found["seed"] = _seeds(len(record.status))
    found["time"] = time
    found.update(known.coordinates)
    found["integrator"] = (), np.array(method), _OF_METHODS["integrator"]
    for key, (dims, array, said) in known.variables.items():
        found[key] = dims, array if known.shared else array.copy(), said
    found["on_manifold"] = (), np.array(integrator.on_manifold, dtype=np.int8), _OF_METHODS["on_manifold"]
    found["follows"] = (), np.array(integrator.follows or "", dtype=object), _OF_METHODS["follows"]
    found["options"] = (), np.array(options, dtype=object), _OF_METHODS["options"]
    study = (
        f'{{"name": {known.name}, "description": "{_DESCRIPTION}", "seed": {int(seed)}, '
        f'"seeds": {len(record.status)}, "time_limit": null, "times": {{"values": {times}}}, '
        f'"diagnostics": null, "problems": {{{known.name}: {known.about}}}, '
        f'"integrators": {{{json.dumps(method)}: {options}}}}}'
    )
    attributes = known.attributes | {"widths": np.array(problem.network.widths, dtype=np.int64)}
    attributes |= provenance(known.attributes["problem"], _DESCRIPTION, study, "")
    return assembled(found, _SCALARS, attributes)


_DESCRIPTION = "trajectories of gfcompare.integrate"
_SCALARS = frozenset({"integrator"})

# Attributes of the variables that have the dimension of methods alone.
_OF_METHODS = {
    key: annotation(key, meaning) for key, meaning in VARIABLES.items() if meaning.dims == ("integrator",)
}

# Dimensions and attributes of variables, by name.
_Meanings = dict[str, tuple[tuple[str, ...], Mapping[str, Any]]]


def _meanings(found: Mapping[str, Variable]) -> _Meanings:
    """Return dimensions and attributes of the variables of a single method."""
    return {
        key: (tuple(dim for dim in each.dims if dim != "integrator"), annotation(key, each))
        for key, each in found.items()
    }


@dataclass(frozen=True, eq=False)
class _Labels:
    """The labels that all datasets of a problem share.

    Attributes
    ----------
    name, about : the problem's name and its description, in JSON
    attributes : of the dataset
    coordinates : of target and density
    variables : target and density: dimensions, values, attributes
    shared : whether those values are the problem's own, which datasets share with it
    meanings : of the variables of trajectories
    """

    name: str
    about: str
    attributes: dict[str, Any]
    coordinates: dict[str, Coordinate]
    variables: dict[str, Parts]
    shared: bool
    meanings: _Meanings

    @classmethod
    def of(cls, problem: Problem) -> _Labels:
        """Return that of a problem."""
        name = _name(problem.target, "problem")
        about = {
            "target": describe(problem.target),
            "network": {"widths": list(problem.network.widths)},
            "measure": describe(problem.measure),
            "quadrature": None if problem.quadrature is None else plain(problem.quadrature),
            "initialization": {"name": "given"},
            **({"frozen": list(problem.frozen)} if problem.frozen else {}),
        }
        meanings = _meanings(variables(problem))
        shown = {key: (dims, array, meanings[key][1]) for key, (dims, array) in portrait(problem).items()}
        return cls(
            name=json.dumps(name),
            about=json.dumps(about),
            attributes=group_attributes(name, problem, about),
            coordinates={
                key: Coordinate.along(key, array, said)
                for key, (dims, array, said) in shown.items()
                if dims == (key,)
            },
            variables={key: item for key, item in shown.items() if item[0] != (key,)},
            shared=isinstance(problem.measure, PointMeasure),
            meanings=meanings,
        )


_labels: WeakKeyDictionary[Problem, _Labels] = WeakKeyDictionary()


@lru_cache(maxsize=16)
def _seeds(count: int) -> Coordinate:
    """Return the numbers of trajectories as a coordinate."""
    return Coordinate.along("seed", np.arange(count), annotation("seed", VARIABLES["seed"]))


@lru_cache(maxsize=16)
def _times(content: bytes) -> tuple[Coordinate, str]:
    """Return save times as a coordinate, and in JSON."""
    times = np.frombuffer(content)
    return Coordinate.along("time", times, annotation("time", VARIABLES["time"])), json.dumps(times.tolist())


def _name(component: Any, otherwise: str) -> str:
    name = getattr(component, "name", "")
    return name if is_name(name) else otherwise
