"""The results of checks, as variables of a result file and as a table."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gfcompare.results.schema import CHECK_OUTCOMES, THEORY_VARIABLES, annotated
from gfcompare.theory.base import FAIL, INAPPLICABLE, PASS
from gfcompare.theory.stored_trajectories import NOT_REPLAYED
from gfcompare.theory.verification import CHECKS


def variables(frame: pd.DataFrame, tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return what checks found as variables over (check, integrator, seed), for each problem of a result.

    Parameters
    ----------
    frame : what `verify` has returned for the result
    tree : the result
    """
    return {str(name): _group(frame[frame["problem"] == name], node) for name, node in tree.children.items()}


def _group(frame: pd.DataFrame, node: xr.DataTree) -> xr.Dataset:
    data = node.to_dataset()
    axes = [[check.name for check in CHECKS], *(data[key].values.tolist() for key in ("integrator", "seed"))]
    indexed = frame.set_index(["check", "integrator", "seed"])
    ordered = indexed.reindex(pd.MultiIndex.from_product(axes))
    shape = tuple(len(axis) for axis in axes)
    codes = {outcome: code for code, outcome in enumerate(CHECK_OUTCOMES)}
    values = {
        "theory_outcome": ordered["outcome"].map(codes).to_numpy(dtype=np.int8).reshape(shape),
        "theory_residual": ordered["residual"].to_numpy(dtype=np.float64).reshape(shape),
        "theory_tolerance": ordered["tolerance"].to_numpy(dtype=np.float64).reshape(shape),
        "theory_detail": ordered["detail"].to_numpy(dtype=object).reshape(shape),
        "theory_unit": np.array([check.unit for check in CHECKS], dtype=object),
        "theory_statement": np.array([check.statement for check in CHECKS], dtype=object),
        "theory_reference": np.array([check.reference for check in CHECKS], dtype=object),
    }
    found = xr.Dataset(
        {name: (THEORY_VARIABLES[name].dims, array) for name, array in values.items()},
        coords={"check": np.array(axes[0], dtype=object)},
    )
    return annotated(found, THEORY_VARIABLES)


def condensed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each check and method to which it applies, over all problems and seeds.

    Returns
    -------
    pandas.DataFrame
        with the columns ``check``, ``method``, ``passed``, ``failed`` and ``left out`` (trajectories to which
        the check does not apply, or which do not decide it), and of the trajectory that is nearest to failing
        ``residual``, ``tolerance``, ``problem``, ``seed`` and ``detail``
    """
    rows = []
    order = {check.name: number for number, check in enumerate(CHECKS)}
    parts = frame.groupby(["check", "integrator"], sort=False)
    for (check, method), part in sorted(parts, key=lambda pair: order.get(str(pair[0][0]), len(order))):
        counts = part["outcome"].value_counts()
        if counts.get(INAPPLICABLE, 0) == len(part):
            continue
        near = nearest(part[part["outcome"] != INAPPLICABLE])
        rows.append(
            {
                "check": check,
                "method": method,
                "passed": int(counts.get(PASS, 0)),
                "failed": int(counts.get(FAIL, 0)),
                "left out": int(counts.get(INAPPLICABLE, 0)),
                **{key: near[key] for key in ("residual", "tolerance", "problem", "seed", "detail")},
            }
        )
    return pd.DataFrame(rows)


def nearest(part: pd.DataFrame) -> dict[Hashable, Any]:
    """Return the row that is nearest to failing: the largest residual by its tolerance."""
    residuals, tolerances = part["residual"].to_numpy(), part["tolerance"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(tolerances > 0, residuals / tolerances, np.where(residuals > 0, np.inf, 0.0))
    ratios = np.where(part["outcome"] == FAIL, np.inf, np.nan_to_num(ratios, nan=np.inf))
    return part.iloc[int(np.argmax(ratios))].to_dict()


def seeds_left_out(frame: pd.DataFrame) -> list[int]:
    """Return the seeds from whose states no flow was re-integrated, to save time."""
    return sorted(set(frame.loc[frame["detail"] == NOT_REPLAYED, "seed"]))


def left_out(frame: pd.DataFrame) -> pd.DataFrame:
    """Return why checks were left out: a row for each check and reason, with the methods and how often.

    Without the seeds of `seeds_left_out`.
    """
    part = frame[(frame["outcome"] == INAPPLICABLE) & (frame["detail"] != NOT_REPLAYED)]
    rows = [
        {
            "check": check,
            "reason": reason,
            "methods": ", ".join(dict.fromkeys(group["integrator"])),
            "trajectories": len(group),
        }
        for (check, reason), group in part.groupby(["check", "detail"], sort=False)
    ]
    return pd.DataFrame(rows, columns=["check", "reason", "methods", "trajectories"])
