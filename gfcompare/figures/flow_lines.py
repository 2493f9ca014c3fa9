"""Flow lines of networks 1-1-1 on the submanifold M, a cylinder: angle of (w, b), v, c."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from gfcompare.network import ReLUNetwork
from gfcompare.results.reading import COMPLETE, Array, parameters

#: Ranges of the angle of (w, b) and of v.
Window = tuple[tuple[float, float], tuple[float, float]]

# A range of angles shorter than this is shown enlarged.
_PART = 0.5 * math.pi


@dataclass(frozen=True)
class Zones:
    """Arcs of the circle of (w, b) on which the neuron is active, for x in an interval.

    Attributes
    ----------
    start : the angle at which the circle is cut open: in the middle of where the neuron is off, which no
        flow line crosses
    edges : angles at which the breakpoint lies on an end of the interval, ascending, from `start` on
    dead : ranges of angles where the neuron is off on the whole interval
    texts : ranges of angles, and in words where in the interval the neuron is on
    """

    start: float
    edges: Array
    dead: tuple[tuple[float, float], ...]
    texts: tuple[tuple[tuple[float, float], str], ...]


def zones(group: xr.Dataset, *, short: bool = False) -> Zones:
    """Return the zones of the circle for the interval of a problem, with `short` names if need be."""
    # w x + b > 0 for angles of (w, b) within half pi of that of (x, 1).
    right, left = math.atan2(1.0, float(group.attrs["upper"])), math.atan2(1.0, float(group.attrs["lower"]))
    start = 0.5 * (left + right) - math.pi
    quarter = 0.5 * math.pi
    edges = np.array([right - quarter, left - quarter, right + quarter, left + quarter])
    parts = list(zip([start, *edges], [*edges, start + 2.0 * math.pi], strict=True))
    names = ("off", "right", "on", "left", "off") if short else ("off", "on right", "on", "on left", "off")
    return Zones(start, edges, (parts[0], parts[-1]), tuple(zip(parts, names, strict=True)))


@dataclass(frozen=True)
class FlowLines:
    """Trajectories of one method on M.

    Attributes
    ----------
    angle, v : angle of (w, b), continuous along each trajectory, and the outgoing weight, shape (seed, time)
    starts, ends : first of each trajectory, and last of those that reached the end, shape (n, 2)
    early : last of those that ended early, shape (n, 2)
    crossings : where the breakpoint enters or leaves the interval, shape (n, 2)
    on_manifold : whether the method lives on M; otherwise its states have been mapped there
    """

    angle: Array
    v: Array
    starts: Array
    ends: Array
    early: Array
    crossings: Array
    on_manifold: bool


def window(found: Sequence[FlowLines], circle: Zones) -> Window:
    """Return the ranges that show some flow lines: the whole circle, or the part that occurs if small."""
    angle, v = (np.concatenate([getattr(lines, key).ravel() for lines in found]) for key in ("angle", "v"))
    angle, v = angle[np.isfinite(angle)], v[np.isfinite(v)]
    if not angle.size:
        return (circle.start, circle.start + 2.0 * math.pi), (-1.0, 1.0)
    low, high = float(v.min()), float(v.max())
    margin = 0.06 * (high - low) or 0.5
    across = (circle.start, circle.start + 2.0 * math.pi)
    left, right = float(angle.min()), float(angle.max())
    if right - left < _PART:
        room = 0.2 * (right - left) or 0.5
        across = (left - room, right + room)
    return across, (low - margin, high + margin)


def flow_lines(group: xr.Dataset, method: str) -> FlowLines:
    """Return the trajectories of all seeds of a method, mapped to M without changing their functions."""
    network = ReLUNetwork((1, 1, 1))
    one = group.sel(integrator=method)
    theta = parameters(one)
    finite = np.asarray(np.isfinite(theta).all(axis=-1))
    mapped = network.normalize(np.where(finite[..., None], theta, 1.0))
    found = zones(group)
    angle = np.arctan2(mapped[..., 1], mapped[..., 0])
    angle = np.unwrap(np.where(finite, angle, angle[:, :1]), axis=1)
    # Each trajectory begins within the circle cut open at `start`.
    angle -= 2.0 * math.pi * np.floor((angle[:, :1] - found.start) / (2.0 * math.pi))
    angle, v = np.where(finite, angle, np.nan), np.where(finite, mapped[..., 2], np.nan)
    last = finite.shape[1] - 1 - np.argmax(finite[:, ::-1], axis=1)
    seeds = np.flatnonzero(finite.any(axis=1))
    complete = np.isin(one["status"].values, COMPLETE)[seeds]
    ends = np.column_stack([angle[seeds, last[seeds]], v[seeds, last[seeds]]])
    return FlowLines(
        angle,
        v,
        np.column_stack([angle[seeds, 0], v[seeds, 0]]),
        ends[complete],
        ends[~complete],
        _crossings(angle, v, found.edges),
        bool(one["on_manifold"]),
    )


def _crossings(angle: Array, v: Array, edges: Array) -> Array:
    """Return where lines cross the edges of zones, shape (n, 2), by linear interpolation between states."""
    found = []
    for edge in edges:
        before, after = angle[:, :-1] - edge, angle[:, 1:] - edge
        seed, time = np.nonzero((before * after < 0) | ((before != 0) & (after == 0)))
        share = before[seed, time] / (before[seed, time] - after[seed, time])
        height = v[seed, time] + share * (v[seed, time + 1] - v[seed, time])
        found.append(np.column_stack([np.full(len(seed), edge), height]))
    return np.concatenate(found)
