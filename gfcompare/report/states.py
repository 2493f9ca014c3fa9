"""The data of fitted functions that move with time: the parameters themselves, realised in the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from gfcompare.figures import one_trajectory, theme
from gfcompare.report.packing import packed, packed_size
from gfcompare.results.reading import network_of

#: Fewer save times than these are no movement.
_FEWEST_TIMES = 3

#: What a page can draw: functions on an interval, maps of a rectangle.
Kind = Literal["line", "plane"]


def kind(group: xr.Dataset) -> Kind | None:
    """Return how the functions of a problem are drawn, None if they have too many inputs."""
    return {1: "line", 2: "plane"}.get(group.sizes["input"])  # type: ignore[return-value]


def bytes_for_one(group: xr.Dataset) -> int:
    """Return how many bytes one seed at one save time takes in a page, all methods together."""
    network = network_of(group)
    return packed_size((group.sizes["integrator"], network.parameter_count + 1), "f4") + 4


def kept_times(group: xr.Dataset, room: int) -> list[int]:
    """Return indices of save times of one seed that fit into a number of bytes: all, or evenly chosen.

    They are empty if so few fit that nothing would move.
    """
    times = group.sizes["time"]
    count = min(times, room // bytes_for_one(group))
    if count < min(times, _FEWEST_TIMES):
        return []
    kept = np.unique(np.round(np.linspace(0, times - 1, count)).astype(int))
    return [int(index) for index in kept]


def states(group: xr.Dataset, seeds: Sequence[int], times: Sequence[int]) -> dict[str, Any]:
    """Return trajectories and target as plain data.

    Parameters
    ----------
    group : a problem with one or two inputs
    seeds : the seeds that are kept
    times : indices of the save times that are kept

    Returns
    -------
    dict
        ``kind``, ``widths``, ``lower``, ``upper``; ``theta``, shape (method, seed, time, P), layer by layer,
        each weight matrix row by row and then the bias; ``risk`` (method, seed, time); the target on a
        ``grid`` or at ``points``; for each output the ``limits`` of its axis
    """
    part = group.sel(seed=list(seeds)).isel(time=list(times))
    network = network_of(group)
    layers = [(part[f"weight_{k}"].values, part[f"bias_{k}"].values) for k in range(1, network.depth + 1)]
    outputs = range(group.sizes["output"])
    return {
        "kind": kind(group),
        "widths": list(network.widths),
        "lower": np.atleast_1d(group.attrs["lower"]).astype(float).tolist(),
        "upper": np.atleast_1d(group.attrs["upper"]).astype(float).tolist(),
        "times": part["time"].values.tolist(),
        "theta": packed(network.join(layers), "f4"),
        "risk": packed(part["risk"].values, "f4"),
        "limits": [_limits(group, k) for k in outputs],
        "unit": _unit(group),
        "grid": _grid(group),
        "points": [_points(group, kind) for kind in ("sample", "test") if _drawn(group, kind)],
    }


def _limits(group: xr.Dataset, output: int) -> list[float]:
    """Return limits of values: those of the figures for curves, closer ones for the colours of a map."""
    low, high = one_trajectory.value_limits(group, output)
    closer = 0.2 * (high - low) if kind(group) == "plane" else 0.0
    return [low + closer, high - closer]


def _unit(group: xr.Dataset) -> str:
    """Return the unit of outputs, in brackets behind a label."""
    found = next(group[name] for name in ("target", "sample_target") if name in group.variables)
    return theme.label("", str(found.attrs.get("units", "")))


def _grid(group: xr.Dataset) -> dict[str, Any] | None:
    """Return the target on the grid of an interval or a rectangle, if there is one."""
    axes = [name for name in ("x", "x_1", "x_2") if name in group.variables]
    if not axes or "target" not in group.variables:
        return None
    values = packed(group["target"].values, "f4")
    return {"axes": [packed(group[name].values, "f8") for name in axes], "target": values}


def _drawn(group: xr.Dataset, kind: str) -> bool:
    """Return whether points are where the target is known; elsewhere they are only drawn from a density."""
    return f"{kind}_x" in group.variables and "target" not in group.variables


def _points(group: xr.Dataset, kind: str) -> dict[str, Any]:
    x, target = group[f"{kind}_x"].values, group[f"{kind}_target"].values
    return {"held_out": kind == "test", "x": packed(x, "f4"), "target": packed(target, "f4")}
