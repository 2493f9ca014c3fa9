"""Statistics over the seeds of a result: what is known of the difference between methods, and how well.

Seeds are paired, so that methods are compared seed by seed; trajectories that diverged or failed count;
every number that is estimated has an interval. docs/statistics.md says what each number means.
"""

from __future__ import annotations

import pandas as pd
import xarray as xr

from gfcompare.statistics.differences import log_ratios, paired_differences
from gfcompare.statistics.divergence import diverged_shares
from gfcompare.statistics.final_values import groups
from gfcompare.statistics.intervals import kaplan_meier
from gfcompare.statistics.profiles import performance_profiles, profile_table
from gfcompare.statistics.reaching import default_targets, first_reach
from gfcompare.statistics.time_to_target import time_to_target
from gfcompare.statistics.writing import save, to_csv, to_latex, to_markdown

__all__ = [
    "default_targets",
    "diverged_shares",
    "first_reach",
    "kaplan_meier",
    "log_ratios",
    "paired_differences",
    "performance_profiles",
    "profile_table",
    "save",
    "tables",
    "time_to_target",
    "to_csv",
    "to_latex",
    "to_markdown",
]


def tables(tree: xr.DataTree) -> dict[str, pd.DataFrame]:
    """Return every table of statistics of a result, by title; those without rows are left out.

    Columns are numbers as they are; ``attrs["note"]`` of a table says what they mean. A column ``x`` with an
    interval is followed by its ends, ``x from`` and ``x to``.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it

    Examples
    --------
    >>> import gfcompare as gfc
    >>> found = gfc.statistics.tables(gfc.open_study("results/quickstart"))
    >>> "Performance profiles" in found
    True
    """
    found = {"Paired differences of the final risk": paired_differences(tree)}
    if any("test_risk" in data.variables for data in groups(tree).values()):
        found["Paired differences of the final test risk"] = paired_differences(tree, quantity="test_risk")
    found |= {
        "Flow time to a target risk": time_to_target(tree, clock="flow_time"),
        "Gradient evaluations to a target risk": time_to_target(tree, clock="gradients"),
        "Wall time to a target risk": time_to_target(tree, clock="wall_time"),
        "Performance profiles": profile_table(tree),
        "Diverged trajectories": diverged_shares(tree),
    }
    return {title: table for title, table in found.items() if len(table)}
