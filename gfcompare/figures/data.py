"""From a result to what figures show: tidy tables of medians, quartiles and ends, without any drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from gfcompare.components.errors import known_names
from gfcompare.figures.base import Figure, NothingToDraw
from gfcompare.figures.options import Band
from gfcompare.integrators.status import Status
from gfcompare.results.clocks import Clock as Clock  # figures find it here
from gfcompare.results.quantiles import median, quantile
from gfcompare.results.reading import COMPLETE, by_samples, evaluation_of, final_values
from gfcompare.results.reading import clock_values as clock_values
from gfcompare.results.reading import finite as finite
from gfcompare.results.trees import as_tree
from gfcompare.statistics.intervals import median_interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """The part of a result that a figure shows.

    Attributes
    ----------
    groups : for each problem its data, with the shown methods only
    methods : the shown methods, in the order of the study
    all_methods : every method of the result, so that a method styles the same whatever else is shown
    """

    groups: dict[str, xr.Dataset]
    methods: tuple[str, ...]
    all_methods: tuple[str, ...]


def view(tree: xr.DataTree | xr.Dataset, problems: Sequence[str] = (), methods: Sequence[str] = ()) -> View:
    """Return the part of a result with some problems and methods; with none named, all of them.

    The name of a grid means all of it: ``gd`` every ``gd[step ...]``.

    Raises
    ------
    InputError
        if the result has no such problem or method
    """
    tree = as_tree(tree)
    groups = {str(name): node.to_dataset() for name, node in tree.children.items()}
    every = tuple(dict.fromkeys(str(m) for data in groups.values() for m in data["integrator"].values))
    shown_problems = _chosen("problem", problems, tuple(groups))
    shown = _chosen("method", methods, every)
    return restricted(View({name: groups[name] for name in shown_problems}, every, every), shown)


def restricted(given: View, methods: Iterable[str]) -> View:
    """Return the view with some of its methods, and the problems that have any of them."""
    wanted = set(methods)
    groups = {}
    for name, data in given.groups.items():
        keep = [str(m) in wanted for m in data["integrator"].values]
        if any(keep):
            groups[name] = data.isel(integrator=np.flatnonzero(keep))
    if not groups:
        raise NothingToDraw("the result has no such trajectories")
    return View(groups, tuple(m for m in given.methods if m in wanted), given.all_methods)


def applicable(given: View, figure: type[Figure]) -> View:
    """Return the view with the problems to which a figure applies, and the methods that these have.

    Raises
    ------
    NothingToDraw
        if it applies to none
    """
    groups = {name: group for name, group in given.groups.items() if figure.applies(group)}
    if not groups:
        raise NothingToDraw(f"no problem has {figure.scope}")
    present = {str(method) for group in groups.values() for method in group["integrator"].values}
    return View(groups, tuple(method for method in given.methods if method in present), given.all_methods)


def one_problem(given: View, name: str | None) -> View:
    """Return the view with one of its problems, the first if `name` is None.

    Raises
    ------
    InputError
        if it has no problem of that name
    """
    known = tuple(given.groups)
    chosen = _chosen("problem", name, known)[0] if name else known[0]
    return replace(given, groups={chosen: given.groups[chosen]})


def on_points(group: xr.Dataset) -> bool:
    """Return whether the measure of a problem consists of finitely many points."""
    return bool(evaluation_of(group)["kind"] == "points")


def _chosen(kind: str, given: Sequence[str], known: tuple[str, ...]) -> tuple[str, ...]:
    wanted = (given,) if isinstance(given, str) else tuple(given)
    found = {full for name in wanted for full in known_names(kind, name, known)}
    return tuple(name for name in known if not wanted or name in found)


def methods_on_manifold(given: View) -> tuple[str, ...]:
    """Return the shown methods that live on the submanifold M."""
    found = {
        str(method)
        for data in given.groups.values()
        for method, on in zip(data["integrator"].values, data["on_manifold"].values, strict=True)
        if on
    }
    return tuple(method for method in given.methods if method in found)


def methods_by_samples(given: View) -> tuple[str, ...]:
    """Return the shown methods whose cost is counted in gradients at one sample point."""
    found = {
        str(method)
        for data in given.groups.values()
        for method, sampled in zip(data["integrator"].values, by_samples(data), strict=True)
        if sampled
    }
    return tuple(method for method in given.methods if method in found)


def all_seeds(values: Array, clocks: Array) -> tuple[Array, Array]:
    """Return values and clocks of all seeds at each save time, as medians need them.

    Both are infinite where a trajectory has ended: it counts as worse than any other, and as never getting
    there. They are NaN where a running one has no value of the quantity.

    Parameters
    ----------
    values, clocks : shape (..., seed, time); the clocks NaN where a trajectory has ended
    """
    found = np.asarray(values, dtype=np.float64)
    ended = np.isnan(clocks)
    found = np.where(ended, np.inf, found)
    return found, np.where(ended, np.inf, np.where(np.isnan(found), np.nan, clocks))


def curves(
    data: xr.Dataset, quantity: str, clock: Clock, *, band: Band = "quartiles", zero: bool = False
) -> pd.DataFrame:
    """Return the median of a quantity over all seeds, and a band around it.

    One row for each method and save time, with columns method, x (median of the clock), median, lower,
    upper (the ends of the band), running (seeds that have a value), seeds. See `all_seeds`; times at which
    the median is infinite are left out.

    Parameters
    ----------
    data : the problem
    quantity : a variable of it, over (integrator, seed, time)
    clock : what it is drawn against
    band : "quartiles" of the seeds, or "median" for the 95 % confidence interval of the median
    zero : whether times at which the clock is 0 are kept: they have no place on a logarithmic axis
    """
    values, clocks = all_seeds(data[quantity].values, clock_values(data, clock))
    running = np.isfinite(values).sum(axis=1)
    methods, times = len(data["integrator"]), values.shape[-1]
    quartiles = band == "quartiles"
    lower, upper = (quantile(values, s, 1) for s in (0.25, 0.75)) if quartiles else median_interval(values, 1)
    table = pd.DataFrame(
        {
            "method": np.repeat([str(m) for m in data["integrator"].values], times),
            "x": quantile(clocks, 0.5, 1).ravel(),
            "median": quantile(values, 0.5, 1).ravel(),
            "lower": lower.ravel(),
            "upper": upper.ravel(),
            "running": running.ravel(),
            "seeds": np.full(methods * times, values.shape[1]),
        }
    )
    infinite = np.isinf(table[["median", "x"]].to_numpy()).any(axis=1)
    shown = (2 * table["running"] >= table["seeds"]) & (table["running"] > 0) & ~infinite
    found: pd.DataFrame = table[shown & ((table["x"] > 0) | (zero & (table["x"] == 0)))]
    return found.reset_index(drop=True)


def evenly_spaced(data: xr.Dataset) -> bool:
    """Return whether the save times belong on a linear axis: less than two decades apart after 0."""
    times = data["time"].values
    positive = times[times > 0]
    return bool(positive.size and positive.max() < 100.0 * positive.min())


def ends(data: xr.Dataset, quantity: str, clock: Clock) -> pd.DataFrame:
    """Return where trajectories ended early, at their last saved point with a value.

    One row for each trajectory that has no value at the last save time by its status, with columns
    method, seed, status, x, y. x and y are NaN if the trajectory has no value at all.
    """
    values = finite(data[quantity].values)
    clocks = clock_values(data, clock)
    present = np.isfinite(values) & np.isfinite(clocks)
    status = data["status"].values
    rows = []
    for i, s in zip(*np.nonzero(~np.isin(status, COMPLETE)), strict=True):
        saved = np.flatnonzero(present[i, s])
        last = saved[-1] if saved.size else -1
        rows.append(
            {
                "method": str(data["integrator"].values[i]),
                "seed": int(data["seed"].values[s]),
                "status": status_name(int(status[i, s])),
                "x": clocks[i, s, last] if saved.size else np.nan,
                "y": values[i, s, last] if saved.size else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=["method", "seed", "status", "x", "y"])


def status_name(value: int) -> str:
    """Return a status as words, such as "step limit"."""
    return Status(value).name.lower().replace("_", " ")


def outcomes(given: View, seeds: dict[str, int] | None = None) -> dict[str, str]:
    """Return for each method what became of trajectories that ended early, such as "3/32 diverged".

    The counts are over all shown problems and over all seeds, or one seed for each problem. The text is
    empty for a method whose trajectories all reached the end.
    """
    counted: dict[str, list[int]] = {method: [] for method in given.methods}
    for name, data in given.groups.items():
        status = data["status"] if seeds is None else data["status"].sel(seed=[seeds[name]])
        for method, values in zip(data["integrator"].values, status.values, strict=True):
            counted[str(method)] += [int(v) for v in values]
    texts = {}
    for method, values in counted.items():
        early = [v for v in values if v not in COMPLETE]
        parts = [f"{early.count(v)}/{len(values)} {status_name(v)}" for v in sorted(set(early))]
        texts[method] = ", ".join(parts)
    return texts


def scale(data: xr.Dataset, quantity: str) -> float:
    """Return the median of a quantity at the first save time: what its axis is measured by."""
    start = finite(data[quantity].values)[:, :, 0]
    found = start[np.isfinite(start) & (start > 0)]
    return median(found) if found.size else 1.0


def final_risk(data: xr.Dataset) -> pd.DataFrame:
    """Return the last risk of every trajectory, with columns method, seed, status, complete, risk, final.

    For a trajectory that ended early `risk` is the last saved one, NaN if there is none, which is not a final
    risk: `complete` is False, and `final`, of which quartiles are taken, infinite (`results.reading`).
    """
    risk = finite(data["risk"].values)
    present = np.isfinite(risk)
    last = risk.shape[-1] - 1 - np.argmax(present[..., ::-1], axis=-1)
    values = np.take_along_axis(risk, last[..., None], axis=-1)[..., 0]
    status = data["status"].values
    methods, seeds = status.shape
    return pd.DataFrame(
        {
            "method": np.repeat([str(m) for m in data["integrator"].values], seeds),
            "seed": np.tile(data["seed"].values, methods),
            "status": [status_name(int(v)) for v in status.ravel()],
            "complete": np.isin(status, COMPLETE).ravel(),
            "risk": values.ravel(),
            "final": final_values(data, "risk").ravel(),
        }
    )
