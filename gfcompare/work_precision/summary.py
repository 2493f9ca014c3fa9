"""The table of a work-precision study: medians over seeds, and the orders that were observed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from gfcompare.integrators.status import Status
from gfcompare.results.quantiles import median
from gfcompare.results.reading import COMPLETE
from gfcompare.work_precision.contents import NOT_RUN
from gfcompare.work_precision.errors import ERRORS

_COLUMNS = {f"{name}_error": name for name in ERRORS} | {
    "gradient_evaluations": "gradients",
    "sample_gradients": "sample gradients",
    "wall_time": "seconds",
}

# An error within this factor of the uncertainty of the reference says nothing about an order.
_TOLD = 3.0


def summary(tree: xr.DataTree) -> pd.DataFrame:
    """Return the table of a work-precision study.

    Parameters
    ----------
    tree : what `read` or `run` returns

    Returns
    -------
    pandas.DataFrame
        a row for each problem, method and setting, from coarse to fine, with the columns ``problem``,
        ``method``, ``option`` (rtol or step_size), ``value``; ``theta``, ``function``, ``risk``, the median
        errors over the seeds that have a reference (infinite where too many ended early); ``failed``, the
        share of seeds that ended early; ``gradients``, ``sample gradients`` and ``seconds``, medians for one
        seed
    """
    errors = {name: (name, median) for name in ERRORS}
    costs = {name: (name, median) for name in ("gradients", "sample gradients", "seconds")}
    keys = ["problem", "method", "option", "value"]
    return (
        seeds(tree).groupby(keys, sort=False, as_index=False).agg(failed=("ended", "mean"), **errors, **costs)
    )


def seeds(tree: xr.DataTree) -> pd.DataFrame:
    """Return a row for each problem, method, setting and seed: the table of which `summary` has medians.

    The columns are those of `summary`, with ``seed``, and ``ended``, whether the trajectory ended early, in
    place of ``failed``.

    Parameters
    ----------
    tree : what `read` or `run` returns
    """
    tables = []
    for problem, node in tree.children.items():
        data = node.to_dataset()
        table = data[[*_COLUMNS, "status", "rtol", "step_size"]].to_dataframe().reset_index()
        table = table[table["status"] != NOT_RUN].rename(columns=_COLUMNS | {"integrator": "method"})
        table.insert(0, "problem", str(problem))
        table["option"] = np.where(table["rtol"].notna(), "rtol", "step_size")
        table["value"] = table["rtol"].fillna(table["step_size"])
        table["ended"] = ~table["status"].isin(COMPLETE)
        for name in ("gradients", "sample gradients"):
            table[name] = table[name].clip(lower=0)  # -1 for a trajectory without any state
        table["seconds"] = table["seconds"].fillna(0.0)  # likewise
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def failed_everywhere(tree: xr.DataTree) -> list[str]:
    """Return the methods that raised an error on every trajectory, whatever the problem and the setting.

    Parameters
    ----------
    tree : what `read` or `run` returns
    """
    groups = [node.to_dataset() for node in tree.children.values()]
    found = []
    for name in dict.fromkeys(str(method) for data in groups for method in data["integrator"].values):
        status = np.concatenate([data["status"].sel(integrator=name).values.ravel() for data in groups])
        status = status[status != NOT_RUN]
        if status.size and (status == Status.FAILED).all():
            found.append(name)
    return found


def uncertainty(tree: xr.DataTree, error: str = "theta") -> dict[str, float]:
    """Return for each problem the uncertainty of its reference: the median over seeds.

    Of the two references, if the study has methods on M and others, the larger one. It is infinite where
    the second solution ended early, NaN where the reference did for every seed.

    Parameters
    ----------
    tree : what `read` or `run` returns
    error : "theta", "function" or "risk"
    """
    found = {}
    for problem, node in tree.children.items():
        values = [median(row) for row in node.to_dataset()[f"reference_{error}_error"].values]
        known = [value for value in values if not np.isnan(value)]
        found[str(problem)] = max(known, default=np.nan)
    return found


def orders(tree: xr.DataTree, error: str = "theta") -> dict[tuple[str, str], float]:
    """Return the observed order for each problem and method.

    The slope of the logarithm of the median error against that of the setting, between each setting and
    the next: the median of these, which forgives a few settings too coarse for an order. Errors within a
    factor of three of the uncertainty of the reference, and of 1 or more, are left out; NaN if fewer than two
    are left. For a step size this is the order of the method; for a tolerance it is 1 where the error is
    proportional to it.

    Parameters
    ----------
    tree : what `read` or `run` returns
    error : "theta", "function" or "risk"
    """
    unsure = uncertainty(tree, error)
    found = {}
    for key, part in summary(tree).groupby(["problem", "method"], sort=False):
        problem, method = str(key[0]), str(key[1])
        told = (part[error] > max(_TOLD * unsure[problem], 0.0)) & (part[error] < 1.0)
        x, y = np.log(part.loc[told, "value"]), np.log(part.loc[told, error])
        slopes = np.diff(y) / np.diff(x)
        found[problem, method] = median(slopes)
    return found
