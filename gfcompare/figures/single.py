"""From a result to what one trajectory looks like: which seed, which times, the function, its breakpoints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gfcompare.errors import InputError
from gfcompare.figures.data import Array, final_risk, finite
from gfcompare.network import ReLUNetwork


def typical_seed(data: xr.Dataset) -> int:
    """Return the seed with the median final risk of the first method; early ends count as the worst."""
    table = final_risk(data)
    first = table[table["method"] == table["method"].iloc[0]]
    risk = first["risk"].where(first["complete"], np.inf).fillna(np.inf).to_numpy()
    order = np.argsort(risk, kind="stable")
    return int(first["seed"].to_numpy()[order[(len(order) - 1) // 2]])


def check_seed(data: xr.Dataset, seed: int | None) -> int:
    """Return the seed if the result has it, the typical one if it is None, or raise InputError."""
    if seed is None:
        return typical_seed(data)
    known = [int(s) for s in data["seed"].values]
    if seed not in known:
        raise InputError(f"the result has no seed {seed}; its seeds are {min(known)} to {max(known)}.")
    return seed


def chosen_times(data: xr.Dataset, times: Sequence[float] = (), count: int = 4) -> list[int]:
    """Return indices of save times: those nearest to `times`, or the first, the last and some between.

    The ones between are spaced evenly in the logarithm of flow time.
    """
    saved = np.asarray(data["time"].values, dtype=np.float64)
    if len(times):
        return sorted({int(np.argmin(np.abs(saved - t))) for t in times})
    positive = np.flatnonzero(saved > 0)
    if positive.size == 0:
        return [0]
    wanted = np.geomspace(saved[positive[0]], saved[-1], count)[1:]
    found = {int(positive[np.argmin(np.abs(np.log(saved[positive] / t)))]) for t in wanted}
    return sorted({0, *found})


def fitted(data: xr.Dataset, method: str, seed: int, index: int) -> Array:
    """Return the realised function of a trajectory at a save time on the grid x, shape (x, output).

    It is NaN where the trajectory has no state.
    """
    network = ReLUNetwork([int(n) for n in data.attrs["widths"]])
    state = data.sel(integrator=method, seed=seed).isel(time=index)
    layers = [(state[f"weight_{k}"].values, state[f"bias_{k}"].values) for k in range(1, network.depth + 1)]
    return network.realize(network.join(layers), data["x"].values)


def breakpoint_paths(data: xr.Dataset, method: str, seed: int) -> pd.DataFrame:
    """Return the breakpoints -b/w of the first hidden layer along a trajectory, after flow time 0.

    Columns neuron, piece, x (flow time), position. Where the weight changes its sign between two save
    times the breakpoint passes through infinity, and a new piece of its path begins: no line may be drawn
    across. A neuron with weight 0 has no breakpoint.
    """
    state = data.sel(integrator=method, seed=seed)
    weight, bias = state["weight_1"].values[..., 0], state["bias_1"].values
    flow_time = finite(state["flow_time"].values)
    rows = (flow_time > 0) & np.isfinite(weight).all(axis=1) & np.isfinite(bias).all(axis=1)
    weight, bias, flow_time = weight[rows], bias[rows], flow_time[rows]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        position = finite(-bias / weight)
    turned = np.zeros(weight.shape, dtype=np.int64)
    turned[1:] = weight[1:] * weight[:-1] <= 0
    times, neurons = weight.shape
    table = pd.DataFrame(
        {
            "neuron": np.repeat(np.arange(neurons), times),
            "piece": np.cumsum(turned, axis=0).T.ravel(),
            "x": np.tile(flow_time, neurons),
            "position": position.T.ravel(),
        }
    )
    return table.dropna().reset_index(drop=True)
