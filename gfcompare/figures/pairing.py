"""Distance of each method from a gradient flow, seed by seed."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.data import View, restricted
from gfcompare.hooks.registry import registry
from gfcompare.integrators.base import FlowName
from gfcompare.results.reading import parameters

#: The stored variable, and the one that is computed here.
STORED, OWN = "distance_to_flow", "distance_to_own_flow"

# Two clocks that differ by no more than this, relatively, show the same time.
_SAME_TIME = 1e-9

_APPROXIMATED: dict[bool, FlowName] = {False: "standard", True: "normalized"}


def with_stored_distance(given: View) -> View:
    """Return the view of the methods besides the standard flow itself, with their stored distance from it.

    The distance is NaN at save times that the method does not hit: a method with steps is there only at
    multiples of its step size.

    Raises
    ------
    NothingToDraw
        if there is nothing besides the flow
    """
    groups, compared = {}, set()
    for name, data in given.groups.items():
        clock, times = data["flow_time"].values, data["time"].values
        stored = data[STORED].values
        values = np.where(np.abs(clock - times) <= _SAME_TIME * times, stored, np.nan)
        groups[name] = data.assign({STORED: data[STORED].copy(data=values)})
        compared |= set(map(str, data["integrator"].values[(stored > 0).any(axis=(1, 2))]))
    if not compared:
        raise NothingToDraw("there is no method beside the standard gradient flow")
    return restricted(View(groups, given.methods, given.all_methods), compared)


def with_own_distance(given: View) -> View:
    """Return the view of the methods that have a flow to be compared with, and their distance from it.

    A method off the submanifold M is compared with the standard flow of the study, one on M with the
    normalised flow; of several flows with the one of smallest tolerance. The distance is NaN at save times
    that the method does not hit.

    Raises
    ------
    NothingToDraw
        if there is no flow, or nothing besides it
    """
    groups, compared = {}, set()
    for name, data in given.groups.items():
        distance, found = _distances(data)
        if found:
            groups[name] = data.assign({OWN: distance})
            compared |= found
    if not compared:
        raise NothingToDraw("there is no gradient flow in the study with another method beside it")
    return restricted(View(groups, given.methods, given.all_methods), compared)


def compared_on_manifold(group: xr.Dataset) -> bool:
    """Return whether a method on M, other than the reference, has a normalised flow to be compared with."""
    return "normalized" in references(group) and int(group["on_manifold"].sum()) > 1


def claims(group: xr.Dataset) -> NDArray[np.str_]:
    """Return for each method the flow that it claims to follow, empty for none."""
    if "follows" in group:
        return np.asarray(group["follows"].values.astype(str))
    known = registry()  # before schema 1.4
    names = [str(json.loads(options)["name"]) for options in group["options"].values]
    claimed = {cls.name: cls.follows or "" for cls in known.all("integrators")}
    return np.array([claimed.get(name, "") for name in names], dtype=str)


def references(group: xr.Dataset) -> dict[str, int]:
    """Return for each flow the place of the method that stands for it, of smallest tolerance."""
    options = [json.loads(text) for text in group["options"].values]
    found: dict[str, int] = {}
    for place, flow in enumerate(claims(group)):
        if flow and (flow not in found or _rtol(options[place]) < _rtol(options[found[flow]])):
            found[str(flow)] = place
    return found


def _rtol(options: dict[str, object]) -> float:
    return float(str(options.get("rtol", "inf")))


def _distances(data: xr.Dataset) -> tuple[xr.DataArray, set[str]]:
    """Return the distance, over (integrator, seed, time), and the names of the methods that have one."""
    known = references(data)
    theta, clock = parameters(data), data["flow_time"].values
    values = np.full(clock.shape, np.nan)
    found = set()
    for i, on in enumerate(data["on_manifold"].values.astype(bool)):
        flow = known.get(_APPROXIMATED[bool(on)])
        if flow is None or flow == i:
            continue
        same = np.abs(clock[i] - clock[flow]) <= _SAME_TIME * np.abs(clock[flow])
        with np.errstate(over="ignore", invalid="ignore"):
            values[i] = np.where(same, np.linalg.norm(theta[i] - theta[flow], axis=-1), np.nan)
        found.add(str(data["integrator"].values[i]))
    attributes = {"long_name": "distance to the flow that a method approximates", "units": "parameter"}
    return xr.DataArray(values, dims=("integrator", "seed", "time"), attrs=attributes), found
