"""The data of the statistics: the problems of a result, and its final values."""

from __future__ import annotations

import numpy as np
import xarray as xr

from gfcompare.components.errors import unknown_name
from gfcompare.results.quantiles import median, quantile
from gfcompare.results.reading import Array, final_values, finite
from gfcompare.results.trees import as_tree

# A function value is known to some hundred times the machine precision, its square to the square of that.
_RELATIVE = 100 * np.finfo(np.float64).eps
_SQUARES = ("risk", "test_risk")


def groups(tree: xr.DataTree | xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the data of each problem."""
    tree = as_tree(tree)
    return {str(name): node.to_dataset() for name, node in tree.children.items()}


def methods(tree: xr.DataTree) -> tuple[str, ...]:
    """Return the methods of a result, in the order of the study."""
    return tuple(dict.fromkeys(str(m) for data in groups(tree).values() for m in data["integrator"].values))


def check_quantity(tree: xr.DataTree, quantity: str) -> None:
    """Raise InputError unless some problem has the quantity over methods, seeds and times."""
    known = {
        str(name)
        for data in groups(tree).values()
        for name, variable in data.data_vars.items()
        if set(variable.dims) == {"integrator", "seed", "time"} and variable.dtype.kind == "f"
    }
    if quantity not in known:
        raise unknown_name("quantity", quantity, known)


def initial_scale(data: xr.Dataset, quantity: str) -> float:
    """Return the median of a quantity over methods and seeds at the start, 0 if it has no positive one."""
    start = finite(data[quantity].isel(time=0).values)
    found = start[np.isfinite(start)]
    return median(found) if found.size else 0.0


def rounding(data: xr.Dataset, quantity: str) -> float:
    """Return the value below which a quantity is made of rounding errors."""
    power = 2 if quantity in _SQUARES else 1
    return max(float(_RELATIVE**power * initial_scale(data, quantity)), float(np.finfo(np.float64).tiny))


def median_risks(data: xr.Dataset) -> Array:
    """Return the median final risk of each method over all seeds, shape (integrator,)."""
    return quantile(final_values(data, "risk"), 0.5)
