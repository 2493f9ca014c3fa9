"""Integrating trajectories with one method: `gfcompare.integrate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from gfcompare.components.component import check_instance, describe, plain, require
from gfcompare.components.errors import is_name
from gfcompare.hooks.chosen_diagnostics import along, paired
from gfcompare.integrators.base import Integrator, check_method
from gfcompare.integrators.loop import OnError, check_on_error, run_block
from gfcompare.integrators.random_streams import random_stream
from gfcompare.integrators.record import Record
from gfcompare.integrators.save_times import check_times
from gfcompare.problem import Problem
from gfcompare.results.dataset import alone, frame, root_attributes, trajectories
from gfcompare.results.failed import warn_of_failures


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
    check_instance(problem, Problem, "the problem")
    check_method(integrator)
    check_on_error(on_error)
    require(isinstance(seed, int | np.integer), f"seed must be a whole number, got {seed!r}.")
    require(seed >= 0, f"seed must not be negative, got {seed}.")
    require(time_limit is None or time_limit > 0, f"time_limit must be positive, got {time_limit}.")
    rows = np.atleast_2d(problem.network.check(theta))
    saved = check_times(times)
    rngs = [random_stream(seed, m, "method") for m in range(len(rows))]
    record = run_block(problem, integrator, rows, saved, rngs, time_limit=time_limit, on_error=on_error)
    warn_of_failures(type(integrator).__name__, record.status, record.messages)
    return labelled(problem, integrator, record, range(len(rows)), seed)


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
        **({"frozen": list(problem.frozen)} if problem.frozen else {}),
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
    values = along(problem, record.theta, record.flow_time, integrator, None)
    (compared,) = paired(problem, {method: integrator}, [(record.theta, record.flow_time)], None)
    part = trajectories(problem, record, seeds, values | compared)
    data = alone(part, frame(name, problem, {method: integrator}, about | {"integrators": methods}))
    return data.assign_attrs(root_attributes(spec, "") | data.attrs)


def _name(component: Any, otherwise: str) -> str:
    name = getattr(component, "name", "")
    return name if is_name(name) else otherwise
