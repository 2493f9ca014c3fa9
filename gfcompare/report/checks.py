"""Checks of theorems, as tables of a page: condensed over seeds, every failure, and why some do not apply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import xarray as xr

from gfcompare import theory
from gfcompare.report.outcomes import numbers
from gfcompare.report.tables import Table, cell
from gfcompare.results.schema import CHECK_OUTCOMES
from gfcompare.theory import CHECKS, FAIL, INAPPLICABLE, PASS

# A CSV file with a row for each trajectory is offered up to so many characters; beyond, the rows of the
# details. And so many rows of a table are shown.
_LONGEST_CSV, _MOST_SHOWN = 400_000, 300
_KEYS = ["problem", "check", "method", "seed", "residual", "tolerance", "outcome", "detail"]


@dataclass(frozen=True)
class Checks:
    """The section of a page on checks.

    Attributes
    ----------
    passed, failed, left_out : how many checks of single trajectories did
    table : a row for each check and method to which it applies
    statements : name of each check, and what it says and where that is proved
    details : each failure, and by problem, check and method the trajectory nearest to failing
    inapplicable : why checks do not apply
    """

    passed: int
    failed: int
    left_out: int
    table: Table
    statements: list[tuple[str, str]]
    details: Table
    inapplicable: Table


def stored(tree: xr.DataTree) -> pd.DataFrame | None:
    """Return what checks have found, if a result has it, as `gfcompare.theory.verify` returns it."""
    parts = []
    for name, node in tree.children.items():
        data = node.to_dataset()
        if "theory_outcome" not in data.variables:
            return None
        found = [f"theory_{key}" for key in ("outcome", "residual", "tolerance", "detail")]
        frame = data[found].to_dataframe(dim_order=["integrator", "seed", "check"]).reset_index()
        frame = frame.rename(columns={key: key.removeprefix("theory_") for key in found})
        proved = data["theory_reference"].to_series()
        texts = {"outcome": [CHECK_OUTCOMES[code] for code in frame["outcome"]], "problem": str(name)}
        parts.append(frame.assign(reference=frame["check"].map(proved), **texts))
    return pd.concat(parts, ignore_index=True)


def condensed(frame: pd.DataFrame) -> Checks:
    """Return the tables for a page from what `gfcompare.theory.verify` returns."""
    frame = frame.reset_index(drop=True)
    counted = frame["outcome"].value_counts()
    detailed = _detailed(frame)
    return Checks(
        int(counted.get(PASS, 0)),
        int(counted.get(FAIL, 0)),
        int(counted.get(INAPPLICABLE, 0)),
        _by_method(frame, detailed),
        _statements(frame),
        _details(detailed),
        _inapplicable(frame),
    )


def _detailed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return failures, then by problem, check and method without one the trajectory nearest to failing."""
    failures = frame[frame["outcome"] == FAIL].rename(columns={"integrator": "method"})
    parts = [theory.condensed(part) for _, part in frame.groupby("problem", sort=False)]
    nearest = [part[part["failed"] == 0].assign(outcome=PASS) for part in parts if len(part)]
    return pd.concat([failures, *nearest], ignore_index=True)[_KEYS]


def _by_method(frame: pd.DataFrame, detailed: pd.DataFrame) -> Table:
    csv = frame.to_csv(index=False, lineterminator="\n")
    notes = ["residual, tolerance: of the trajectory that comes nearest to failing."]
    skipped = theory.seeds_left_out(frame)
    if skipped:
        listed = numbers(pd.Series(skipped))
        notes.append(f"To save time, the flow was not re-integrated from the states of the seeds {listed}.")
    if len(csv) > _LONGEST_CSV:
        csv = detailed.to_csv(index=False, lineterminator="\n")
        notes.append("The CSV file has, by problem, only failures and those nearest to failing.")
    shown = ["passed", "failed", "left out", "residual", "tolerance"]
    rows = [
        [*_texts(row, "check", "method", *shown), f"{row['problem']}, seed {row['seed']}"]
        for row in theory.condensed(frame).to_dict("records")
    ]
    return Table(
        "theory-checks",
        "Checks of theorems, over all problems and seeds.",
        ["check", "method", *shown, "nearest to failing"],
        rows,
        [False, False, *[True] * len(shown), False],
        csv,
        grouped=True,
        methods=1,
        alarm=(3, "0"),
        notes=(" ".join(notes),),
    )


def _details(detailed: pd.DataFrame) -> Table:
    return Table(
        "theory-details",
        "Every failure, and by problem, check and method the trajectory that came nearest to one.",
        _KEYS,
        [_texts(row, *_KEYS) for row in detailed.head(_MOST_SHOWN).to_dict("records")],
        [False, False, False, True, True, True, False, False],
        grouped=True,
        methods=2,
        alarm=(6, PASS),
        more=max(0, len(detailed) - _MOST_SHOWN),
    )


def _inapplicable(frame: pd.DataFrame) -> Table:
    keys = ["check", "reason", "methods", "trajectories"]
    why = theory.left_out(frame)
    rows = [_texts(row, *keys) for row in why.sort_values("check", kind="stable").to_dict("records")]
    return Table(
        "theory-inapplicable",
        "Checks that do not apply.",
        keys,
        rows[:_MOST_SHOWN],
        [False, False, False, True],
        grouped=True,
        more=max(0, len(rows) - _MOST_SHOWN),
    )


def _statements(frame: pd.DataFrame) -> list[tuple[str, str]]:
    said = {check.name: f"{check.statement}. " for check in CHECKS}
    proved = frame[["check", "reference"]].drop_duplicates("check").itertuples(index=False)
    return [(str(check), f"{said.get(str(check), '')}{reference}.") for check, reference in proved]


def _texts(row: dict[Any, Any], *keys: str) -> list[str]:
    return [cell(row[key]) for key in keys]
