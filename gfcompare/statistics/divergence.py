"""The number of diverged trajectories."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from gfcompare.integrators.status import Status
from gfcompare.results.reading import COMPLETE
from gfcompare.statistics.final_values import groups
from gfcompare.statistics.intervals import share


def diverged_shares(tree: xr.DataTree) -> pd.DataFrame:
    """Return which share of the seeds of each method diverged.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it

    Returns
    -------
    pandas.DataFrame
        indexed by (problem, method), with the columns ``seeds``; ``diverged``, their number; ``share``, and
        ``share from`` and ``share to``, its 95 % interval after Wilson; ``other early ends``, the number of
        trajectories that ended early otherwise
    """
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for problem, data in groups(tree).items():
        status = data["status"].transpose("integrator", "seed").values
        for method, values in zip(data["integrator"].values, status, strict=True):
            diverged = int((values == Status.DIVERGED.value).sum())
            found = share(diverged, values.size)
            rows[problem, str(method)] = {
                "seeds": values.size,
                "diverged": diverged,
                "share": found.value,
                "share from": found.low,
                "share to": found.high,
                "other early ends": int((~np.isin(values, COMPLETE)).sum()) - diverged,
            }
    index = pd.MultiIndex.from_tuples(rows, names=["problem", "method"])
    table = pd.DataFrame(list(rows.values()), index=index)
    table.attrs["note"] = (
        "share: of seeds that diverged, with its 95 % interval after Wilson. other early ends: seeds that "
        "failed, or were stopped before the last save time."
    )
    return table
