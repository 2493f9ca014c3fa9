"""From a result to what one trajectory looks like over several inputs: maps, values at points, lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import xarray as xr

from gfcompare.figures.data import Array
from gfcompare.figures.single import realized, target_values, value_limits


def rectangle(data: xr.Dataset) -> Array:
    """Return the rectangle on which the measure lives, or which its points fill, shape (2, 2)."""
    return np.column_stack([data.attrs["lower"], data.attrs["upper"]]).astype(np.float64)


def aspect(data: xr.Dataset) -> float:
    """Return height by width of a panel for the rectangle; one that is too long and thin is not to scale."""
    (left, right), (low, high) = rectangle(data)
    return float(np.clip((high - low) / (right - left), 0.5, 1.5))


def field(data: xr.Dataset, method: str, seed: int, index: int) -> Array:
    """Return the function of a trajectory on the grid of a rectangle, shape (x_1, x_2, output)."""
    axes = np.meshgrid(data["x_1"].values, data["x_2"].values, indexing="ij")
    values = realized(data, method, seed, index, np.stack(axes, axis=-1).reshape(-1, 2))
    return values.reshape(*axes[0].shape, -1)


@dataclass(frozen=True)
class Map:
    """What a panel of a rectangle shows.

    Attributes
    ----------
    method : whose network; None for the target
    values : on the grid, shape (x_1, x_2); NaN where the trajectory has no state any more
    """

    method: str | None
    values: Array

    @property
    def present(self) -> bool:
        """Whether there is anything to show."""
        return bool(np.isfinite(self.values).all())


def maps(data: xr.Dataset, seed: int, index: int, output: int) -> list[Map]:
    """Return the target and every method's network at a save time, one output of each."""
    methods = [str(method) for method in data["integrator"].values]
    networks = [Map(method, field(data, method, seed, index)[..., output]) for method in methods]
    return [Map(None, data["target"].values[..., output]), *networks]


def colour_limits(data: xr.Dataset, shown: Sequence[Map], output: int) -> tuple[float, float]:
    """Return limits of one colour scale for the target and some maps.

    The maps may widen the target's range by half of it at either end; what is beyond is off the scale.
    """
    low, high = value_limits(data, output)
    values = np.concatenate([data["target"].values[..., output].ravel(), *(m.values.ravel() for m in shown)])
    values = values[(values >= low) & (values <= high)]
    least, most = float(values.min()), float(values.max())
    return (least, most) if most - least > 1e-6 * (high - low) else (low, high)


def off_scale(shown: Sequence[Map], limits: tuple[float, float]) -> Literal["neither", "min", "max", "both"]:
    """Return on which sides maps leave a colour scale."""
    below = any(m.present and m.values.min() < limits[0] for m in shown)
    above = any(m.present and m.values.max() > limits[1] for m in shown)
    return "both" if below and above else "min" if below else "max" if above else "neither"


def predictions(data: xr.Dataset, method: str, seed: int, index: int, output: int) -> pd.DataFrame:
    """Return the network's value and the target's at every point of a problem.

    Columns target, network, held_out (whether the point was held out).
    """
    tables = []
    for held_out, kind in ((False, "sample"), (True, "test")):
        if f"{kind}_x" in data.variables:
            values = realized(data, method, seed, index, data[f"{kind}_x"].values)[:, output]
            target = data[f"{kind}_target"].values[:, output]
            tables.append(pd.DataFrame({"target": target, "network": values, "held_out": held_out}))
    return pd.concat(tables, ignore_index=True)


def value_range(data: xr.Dataset, seed: int, index: int, output: int) -> tuple[float, float]:
    """Return limits for the values of the target and of every method's network at the points.

    The networks may widen the target's range by half of it at either end.
    """
    tables = [predictions(data, str(m), seed, index, output) for m in data["integrator"].values]
    low, high = value_limits(data, output)
    values = np.concatenate([target_values(data, output), *(table["network"] for table in tables)])
    values = values[(values >= low) & (values <= high)]
    margin = 0.05 * float(values.max() - values.min()) or 0.5 * (high - low)
    return float(values.min()) - margin, float(values.max()) + margin


def zero_lines(data: xr.Dataset, method: str, seed: int, index: int) -> Array:
    """Return where pre-activations of the first layer vanish in the rectangle, shape (n, 2 ends, 2).

    Neurons whose line does not meet the rectangle, or that have none, are left out.
    """
    state = data.sel(integrator=method, seed=seed).isel(time=index)
    (left, right), (low, high) = rectangle(data)
    corners = np.array([[left, low], [right, low], [right, high], [left, high]])
    z = corners @ state["weight_1"].values.T + state["bias_1"].values
    segments = [_crossing(corners, heights) for heights in z.T if np.isfinite(heights).all()]
    return np.array([s for s in segments if s is not None]).reshape(-1, 2, 2)


def _crossing(corners: Array, heights: Array) -> Array | None:
    """Return the segment (2 ends, 2) in which an affine function with given heights at corners vanishes."""
    following, next_heights = np.roll(corners, -1, axis=0), np.roll(heights, -1)
    edges = (heights * next_heights <= 0) & (heights != next_heights)
    share = heights[edges] / (heights[edges] - next_heights[edges])
    ends = corners[edges] + share[:, None] * (following[edges] - corners[edges])
    if len(ends) < 2:
        return None
    # A line through a corner meets two edges there: the ends are the two points furthest apart.
    distance = np.linalg.norm(ends[:, None] - ends, axis=-1)
    first, last = np.unravel_index(int(distance.argmax()), distance.shape)
    return np.stack([ends[first], ends[last]]) if distance[first, last] > 0 else None
