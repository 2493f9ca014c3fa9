"""The data of the interactive curves: medians and quartiles over all seeds, and some seeds one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import xarray as xr

from gfcompare.figures import data, theme
from gfcompare.figures.data import Array, Clock
from gfcompare.report.packing import packed, packed_size
from gfcompare.results.quantiles import quantile
from gfcompare.results.reading import COMPLETE, statuses
from gfcompare.results.schema import VARIABLES

CLOCKS: tuple[Clock, ...] = get_args(Clock)
_NAMES = {
    "flow_time": "flow time",
    "gradients": "gradient evaluations",
    "wall_time": "wall time of one core per trajectory",
}

_TRAJECTORY = ("integrator", "seed", "time")
# On a logarithmic axis smaller values, 0 among them, are drawn here, as in the figures.
_FLOOR, _FLOOR_OF_RISK = 1e-17, 1e-32


def quantities(group: xr.Dataset) -> list[str]:
    """Return the variables that can be drawn as curves, the risk first."""
    found = [
        str(name)
        for name, variable in group.data_vars.items()
        if variable.dims == _TRAJECTORY and variable.dtype.kind == "f" and name not in VARIABLES
    ]
    first = [name for name in ("risk", "test_risk") if name in found]
    shown = [*first, *(name for name in found if name not in first)]
    return [name for name in shown if np.isfinite(group[name].values).any()]


def curves(group: xr.Dataset, names: Sequence[str], seeds: Sequence[int]) -> dict[str, Any]:
    """Return the curves of a problem as plain data.

    Parameters
    ----------
    group : the problem
    names : the variables
    seeds : the seeds that are kept one by one

    Returns
    -------
    dict
        ``clocks`` with name and values (method, seed, time) of the kept seeds; ``quantities`` with label,
        floor, scale, those values, and over all seeds the median, the quartiles, the number of seeds
        that run (method, time) and the medians of the clocks
    """
    part = group.sel(seed=list(seeds))
    found = []
    for name in names:
        attributes = group[name].attrs
        floor = _FLOOR_OF_RISK if name in ("risk", "test_risk") else _FLOOR
        units = str(attributes.get("units", ""))
        found.append(
            {
                "key": name,
                "name": quantity_name(group, name),
                "label": theme.label(quantity_name(group, name), units),
                "floor": floor,
                "floored": theme.label(quantity_name(group, name), units, _drawn_at(floor)),
                "scale": data.scale(group, name),
                "values": packed(part[name].values, "f4"),
                **{key: packed(values, "f8") for key, values in over_seeds(group, name).items()},
            }
        )
    return {
        "clocks": [
            {
                "key": clock,
                "name": _NAMES[clock],
                "label": clock_label(group, clock),
                "values": packed(data.clock_values(part, clock), "f4"),
            }
            for clock in CLOCKS
        ],
        "quantities": found,
    }


def curves_size(group: xr.Dataset, names: Sequence[str], seeds: int) -> int:
    """Return how many bytes the curves of a problem take in a page."""
    methods, times = group.sizes["integrator"], group.sizes["time"]
    over_all = len(names) * (4 + len(CLOCKS)) * packed_size((methods, times), "f8")
    return over_all + (len(names) + len(CLOCKS)) * packed_size((methods, seeds, times), "f4")


def over_seeds(group: xr.Dataset, quantity: str) -> dict[str, Array]:
    """Return median, quartiles and clocks over all seeds, each of shape (method, time).

    The rule is that of `gfcompare.figures.data.curves`: a trajectory that has ended counts as infinite, and
    all are NaN where the median is. Here times at which a clock is 0 are kept, for linear axes.
    """
    clocks = {clock: data.clock_values(group, clock) for clock in CLOCKS}
    ended = np.any([np.isnan(clock) for clock in clocks.values()], axis=0)
    values, _ = data.all_seeds(group[quantity].values, np.where(ended, np.nan, 0.0))
    running = np.isfinite(values).sum(axis=1)
    middle = quantile(values, 0.5, 1)
    few = (2 * running < values.shape[1]) | ~np.isfinite(middle)

    def shown(found: Array) -> Array:
        return np.where(few, np.nan, found)

    reached = {
        str(clock): data.all_seeds(values, np.where(ended, np.nan, found))[1]
        for clock, found in clocks.items()
    }
    return {
        "median": shown(middle),
        "lower": shown(quantile(values, 0.25, 1)),
        "upper": shown(quantile(values, 0.75, 1)),
        "running": running.astype(np.float64),
        **{clock: shown(quantile(found, 0.5, 1)) for clock, found in reached.items()},
    }


def endings(group: xr.Dataset, seeds: Sequence[int]) -> list[list[str]]:
    """Return for each method and seed in words how the trajectory ended early, "" if it did not."""
    early = ~np.isin(group["status"].values, COMPLETE)
    words = np.char.replace(statuses(group), "_", " ")
    at = [int(np.flatnonzero(group["seed"].values == seed)[0]) for seed in seeds]
    return [[str(word) for word in row] for row in np.where(early, words, "")[:, at]]


def quantity_name(group: xr.Dataset, quantity: str) -> str:
    """Return the name of a variable for an axis."""
    if quantity == "risk" and data.on_points(group):
        return "risk"  # over finitely many points it is not that of a population
    return str(group[quantity].attrs.get("long_name", quantity))


def clock_label(group: xr.Dataset, clock: Clock) -> str:
    """Return the label of a clock's axis, with its unit, or who counts gradients at single points."""
    if clock != "gradients":
        return theme.label(_NAMES[clock], str(group[clock].attrs.get("units", "")))
    methods = tuple(str(m) for m in group["integrator"].values)
    sampled = data.methods_by_samples(data.View({"": group}, methods, methods))
    if not sampled:
        return _NAMES[clock]
    if len(sampled) == len(methods):
        return f"{_NAMES[clock]}, each at one sample point"
    who = " and ".join(sampled) if len(sampled) <= 2 else "the stochastic methods"
    return f"{_NAMES[clock]} (for {who}: at one sample point each)"


def _drawn_at(floor: float) -> str:
    return f"0 drawn at {theme.power(round(np.log10(floor)))}"
