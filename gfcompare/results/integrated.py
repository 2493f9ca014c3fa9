"""What `gfcompare.integrate` returns: trajectories that say where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from gfcompare.components.component import describe, plain
from gfcompare.components.errors import is_name
from gfcompare.integrators.base import Integrator
from gfcompare.integrators.record import Record
from gfcompare.problem import Problem
from gfcompare.results.schema import problem_group, root_attributes, trajectories


def labelled(
    problem: Problem, integrator: Integrator, record: Record, seeds: Sequence[int], seed: int
) -> xr.Dataset:
    """Return the trajectories of one method with everything that a result says of them.

    Parameters
    ----------
    problem : the problem
    integrator : the method
    record : the trajectories
    seeds : the number of each
    seed : source of randomness for stochastic methods
    """
    name, method = _name(problem.target, "problem"), _name(integrator, "method")
    about = {
        "target": describe(problem.target),
        "network": {"widths": list(problem.network.widths)},
        "measure": describe(problem.measure),
        "quadrature": None if problem.quadrature is None else plain(problem.quadrature),
        "initialization": {"name": "given"},
    }
    methods = {method: describe(integrator)}
    spec = {
        "name": name,
        "description": "trajectories of gfcompare.integrate",
        "seed": int(seed),
        "seeds": len(seeds),
        "time_limit": None,
        "times": {"values": record.times.tolist()},
        "diagnostics": None,
        "problems": {name: about},
        "integrators": methods,
    }
    part = trajectories(problem, record, seeds, integrator)
    group = problem_group(name, problem, {method: integrator}, about | {"integrators": methods}, [part])
    attributes = root_attributes(spec, "") | group.attrs
    return group.isel(integrator=0).assign_attrs(attributes)


def _name(component: Any, otherwise: str) -> str:
    name = getattr(component, "name", "")
    return name if is_name(name) else otherwise
