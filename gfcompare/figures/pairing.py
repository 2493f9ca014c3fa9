"""Distance of each method from the flow it approximates, seed by seed."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from gfcompare.diagnosis import parameters
from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.data import View, restricted
from gfcompare.network import ReLUNetwork

DISTANCE = "distance_to_flow"

# Methods stand for the flow by their component name in `options`, whatever a study calls them.
_FLOWS = {0: "standard-gf", 1: "normalized-gf"}

# Two clocks that differ by no more than this, relatively, show the same time.
_SAME_TIME = 1e-9


def with_distance(given: View) -> View:
    """Return the view of the methods that have a flow to be compared with, and their distance from it.

    A method off the submanifold M is compared with the first standard flow of the study, one on M with
    the first normalised flow. The distance is NaN at save times that the method does not hit: a method
    with steps is there only at multiples of its step size.

    Raises
    ------
    NothingToDraw
        if there is no flow, or nothing besides it
    """
    groups, compared = {}, set()
    for name, data in given.groups.items():
        distance, found = _distances(data)
        if found:
            groups[name] = data.assign({DISTANCE: distance})
            compared |= found
    if not compared:
        raise NothingToDraw("there is no gradient flow in the study with another method beside it")
    return restricted(View(groups, given.methods, given.all_methods), compared)


def _distances(data: xr.Dataset) -> tuple[xr.DataArray, set[str]]:
    """Return the distance, over (integrator, seed, time), and the names of the methods that have one."""
    kinds = [str(json.loads(options)["name"]) for options in data["options"].values]
    manifold = [int(on) for on in data["on_manifold"].values]
    network = ReLUNetwork([int(n) for n in data.attrs["widths"]])
    theta, clock = parameters(network, data), data["flow_time"].values
    values = np.full(clock.shape, np.nan)
    found = set()
    for i, on in enumerate(manifold):
        if _FLOWS[on] not in kinds or kinds[i] == _FLOWS[on]:
            continue
        flow = kinds.index(_FLOWS[on])
        same = np.abs(clock[i] - clock[flow]) <= _SAME_TIME * np.abs(clock[flow])
        with np.errstate(over="ignore", invalid="ignore"):
            values[i] = np.where(same, np.linalg.norm(theta[i] - theta[flow], axis=-1), np.nan)
        found.add(str(data["integrator"].values[i]))
    attributes = {"long_name": "distance to the gradient flow", "units": "parameter"}
    return xr.DataArray(values, dims=("integrator", "seed", "time"), attrs=attributes), found
