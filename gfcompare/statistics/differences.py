"""Differences between methods on the same seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from gfcompare.components.errors import known_name
from gfcompare.results.reading import Array, final_values
from gfcompare.statistics.final_values import check_quantity, groups, methods, rounding
from gfcompare.statistics.intervals import FEWEST, median


def log_ratios(data: xr.Dataset, baseline: str, quantity: str = "risk") -> pd.DataFrame:
    """Return log10 of the ratio of final values, method by baseline, seed by seed.

    It is infinite where only the method did not reach the last save time, minus infinite where only the
    baseline did not, and 0 where neither did. Values that are made of rounding errors count as equal.

    Parameters
    ----------
    data : a problem's group of a result
    baseline : a method
    quantity : a variable over integrator, seed and time of which less is better

    Returns
    -------
    pandas.DataFrame
        a row for each other method, a column for each seed
    """
    names = [str(m) for m in data["integrator"].values]
    logs = np.log10(np.maximum(final_values(data, quantity), rounding(data, quantity)))
    reference = logs[names.index(baseline)]
    neither = np.isinf(logs) & np.isinf(reference)
    with np.errstate(invalid="ignore"):
        differences = np.where(neither, 0.0, logs - reference)
    table = pd.DataFrame(differences, index=pd.Index(names, name="method"), columns=data["seed"].values)
    return table.drop(index=baseline)


def paired_differences(
    tree: xr.DataTree, baseline: str | None = None, quantity: str = "risk"
) -> pd.DataFrame:
    """Compare the final values of methods with those of a baseline on the same seeds.

    The seeds of a result are paired: every method starts from the same network. What is compared is
    log10(value / value of the baseline), as `log_ratios` has it. A trajectory that did not reach the last
    save time counts as worse than any that did.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    baseline : a method; the first one of the study if None
    quantity : a variable over integrator, seed and time of which less is better

    Returns
    -------
    pandas.DataFrame
        indexed by (problem, method), with the columns ``against``, the baseline; ``seeds``; ``log10 ratio``,
        the median over seeds, and ``log10 ratio from`` and ``log10 ratio to``, its 95 % interval (NaN
        for fewer than 6 seeds); ``lower``, ``equal`` and ``higher``, the number of seeds on which the method
        is; ``p adjusted``, two-sided, of the sign test, which leaves out equal seeds, adjusted for the
        number of rows after Benjamini and Hochberg

    Raises
    ------
    InputError
        for an unknown method or quantity
    """
    known = methods(tree)
    against = known[0] if baseline is None and known else known_name("method", str(baseline), known)
    check_quantity(tree, quantity)
    rows = {
        (problem, str(method)): {"against": against} | _row(np.asarray(values, dtype=np.float64))
        for problem, data in groups(tree).items()
        if quantity in data.variables and against in data["integrator"].values
        for method, values in log_ratios(data, against, quantity).iterrows()
    }
    index = pd.MultiIndex.from_tuples(rows, names=["problem", "method"])
    table = pd.DataFrame(list(rows.values()), index=index, columns=list(_COLUMNS))
    if rows:
        table["p adjusted"] = stats.false_discovery_control(table["p adjusted"].to_numpy())
    table.attrs["note"] = _note(against, quantity)
    return table


_COLUMNS = (
    "against",
    "seeds",
    "log10 ratio",
    "log10 ratio from",
    "log10 ratio to",
    "lower",
    "equal",
    "higher",
    "p adjusted",
)


def _row(values: Array) -> dict[str, float]:
    found = median(values)
    lower, higher = int((values < 0).sum()), int((values > 0).sum())
    differing = lower + higher
    p = float(stats.binomtest(lower, differing).pvalue) if differing else 1.0
    numbers = (lower, values.size - differing, higher, p)
    return dict(zip(_COLUMNS[1:], (values.size, found.value, found.low, found.high, *numbers), strict=True))


def _note(against: str, quantity: str) -> str:
    return (
        f"log10 ratio: median over seeds of log10(final {quantity.replace('_', ' ')} / that of {against} "
        "from the same initial network), with the 95 % interval of the median, which needs at least "
        f"{FEWEST} seeds; infinite where only one of the two reached the end. lower, equal, higher: seeds "
        "on which the method is. p adjusted: sign test, for the number of rows after Benjamini and Hochberg."
    )
