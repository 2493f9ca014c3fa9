"""Reading the trajectories of a problem: network, parameters, clocks and final values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.components.errors import InputError
from gfcompare.integrators.status import Status
from gfcompare.network import ReLUNetwork
from gfcompare.results.clocks import Clock

Array = NDArray[np.float64]

#: Statuses of trajectories that have values at every save time.
COMPLETE = [status.value for status in Status if status.complete]


def network_of(data: xr.Dataset) -> ReLUNetwork:
    """Return the network of a problem, as the attribute `widths` of its group says or its weights show."""
    if "widths" in data.attrs:
        return ReLUNetwork([int(n) for n in np.atleast_1d(data.attrs["widths"])])
    depth = 0
    while f"weight_{depth + 1}" in data:
        depth += 1
    if depth < 2:
        raise InputError("the dataset has no parameters: no variables weight_1, bias_1, weight_2, ...")
    return ReLUNetwork([data.sizes[name] for name in _layer_dimensions(depth)])


def _layer_dimensions(depth: int) -> list[str]:
    """Return the dimensions of the inputs, of each hidden layer and of the outputs."""
    return ["input", *(f"neuron_{k}" for k in range(1, depth)), "output"]


def parameters(data: xr.Dataset | xr.DataTree) -> Array:
    """Return theta from the variables weight_k and bias_k of trajectories.

    Parameters
    ----------
    data : what `gfcompare.integrate` returns, or the group of a problem in a result, or a selection of it

    Returns
    -------
    ndarray, shape (..., P)
        the leading axes are the other dimensions of the variables, such as (integrator, seed, time)

    Raises
    ------
    InputError
        if the dataset has no parameters

    Examples
    --------
    >>> import gfcompare as gfc
    >>> problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Constant(1.0), gfc.measures.Uniform())
    >>> data = gfc.integrate(problem, gfc.integrator("standard-gf"), [1.0, 0.5, 0.5, 0.0], [0.0, 1.0])
    >>> theta = gfc.parameters(data)
    >>> theta.shape
    (1, 2, 4)
    >>> bool(problem.risk(theta)[0, 1] == data["risk"][0, 1])
    True
    """
    if isinstance(data, xr.DataTree):
        if "weight_1" not in data and data.children:
            raise InputError(
                "a result has parameters for each problem: give the group of one, such as "
                f"tree[{next(iter(data.children))!r}]."
            )
        data = data.to_dataset()
    elif not isinstance(data, xr.Dataset):
        raise InputError(f"trajectories must be an xarray.Dataset, got {type(data).__name__}.")
    network = network_of(data)
    names = _layer_dimensions(network.depth)
    missing = [key for k in range(1, network.depth + 1) for key in (f"weight_{k}", f"bias_{k}")]
    if missing := [key for key in missing if key not in data]:
        raise InputError(f"the dataset has no parameters: no variable {missing[0]!r}.")
    layers = [
        (
            data[f"weight_{k}"].transpose(..., names[k], names[k - 1]).values,
            data[f"bias_{k}"].transpose(..., names[k]).values,
        )
        for k in range(1, network.depth + 1)
    ]
    return network.join(layers)


def evaluation_of(data: xr.Dataset) -> dict[str, Any]:
    """Return how risk and gradient of a problem were evaluated: "kind", and what belongs to that kind.

    A result without this attribute was made by a version that could only integrate exactly.
    """
    stored: dict[str, Any] = json.loads(data.attrs.get("evaluation", "{}"))
    return {"kind": "exact"} | stored


def evaluation_text(data: xr.Dataset) -> str:
    """Return in words how risk and gradient of a stored problem were evaluated, and what is frozen."""
    frozen = frozen_of(data)
    return _rule_text(evaluation_of(data)) + (f"; frozen: {', '.join(frozen)}" if frozen else "")


def frozen_of(data: xr.Dataset) -> tuple[str, ...]:
    """Return the groups of parameters that stayed where they were."""
    return tuple(evaluation_of(data).get("frozen", ()))


def _rule_text(found: Mapping[str, Any]) -> str:
    if found["kind"] == "points":
        return f"risk and gradient are sums over {found['points']} points"
    if found["kind"] == "preintegration":
        return (
            f"risk and gradient are integrated exactly along coordinate {found['coordinate']}, "
            f"with {found['nodes']} nodes in the others; "
            f"with twice as many, the gradients of 8 random networks differ by {found['gradient_error']:.1g}"
        )
    if found["kind"] == "cube-slices":
        along = ", ".join(str(coordinate) for coordinate in found["coordinates"])
        return (
            f"risk and gradient are integrated exactly along coordinates {along}, "
            f"with {found['nodes']} nodes in each other; "
            f"with half as many again, the gradients of 8 random networks differ by "
            f"{found['gradient_error']:.1g}"
        )
    by = f" (evaluator {found['evaluator']})" if "evaluator" in found else ""
    return f"risk and gradient are integrated exactly{by}"


def states_of(data: xr.Dataset) -> tuple[Array, Array]:
    """Return parameters, shape (..., P), and flow times, shape (...), of trajectories."""
    return parameters(data), data["flow_time"].values


def finite(values: NDArray[np.generic]) -> Array:
    """Return values with NaN in place of infinite ones."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def by_samples(data: xr.Dataset) -> NDArray[np.bool_]:
    """Return for each method whether its cost is counted in gradients at one sample point."""
    population = data["gradient_evaluations"].max(["seed", "time"]) > 0
    samples = data["sample_gradients"].max(["seed", "time"]) > 0
    return np.asarray((~population & samples).values)


def clock_values(data: xr.Dataset, clock: Clock) -> Array:
    """Return a clock, shape (integrator, seed, time), NaN where a trajectory has ended."""
    if clock != "gradients":
        return finite(data[clock].values)
    counts = np.where(
        by_samples(data)[:, None, None], data["sample_gradients"].values, data["gradient_evaluations"].values
    )
    return np.where(counts >= 0, counts.astype(np.float64), np.nan)


def final_values(data: xr.Dataset, quantity: str) -> Array:
    """Return a quantity at the last save time, shape (integrator, seed); infinite if it was not reached.

    A trajectory that diverged or failed counts as worse than any other, so that medians over all seeds
    stay honest.
    """
    last = data[quantity].isel(time=-1).transpose("integrator", "seed").values
    complete = np.isin(data["status"].transpose("integrator", "seed").values, COMPLETE)
    return np.where(complete & np.isfinite(last), last, np.inf)


def statuses(data: xr.Dataset) -> NDArray[np.str_]:
    """Return the status of each trajectory as text, shape (integrator, seed)."""
    return np.array([[Status(int(s)).name.lower() for s in row] for row in data["status"].values])
