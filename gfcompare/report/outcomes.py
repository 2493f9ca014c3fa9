"""The outcomes as tables of a page: the closing table, and the ends of trajectories."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from gfcompare.integrators.status import Status
from gfcompare.report.summary import summary
from gfcompare.report.tables import Table, cell, real

# A table of single trajectories is offered for download up to this many; beyond, only those that ended early.
_MOST_TRAJECTORIES = 4000


def closing_table(tree: xr.DataTree) -> Table:
    """Return the closing table; its CSV holds the numbers of `summary`."""
    frame = summary(tree)
    rows = []
    for (problem, method), row in zip(frame.index.tolist(), frame.to_dict("records"), strict=True):
        sampled = row["gradients"] == 0 and row["sample gradients"] > 0
        cost = cell(round(row["sample gradients" if sampled else "gradients"]))
        rows.append(
            [
                problem,
                method,
                real(row["median"]),
                f"{real(row['lower'])} – {real(row['upper'])}",
                f"{100 * row['unfinished']:.0f}\u202f%",
                f"{cost}\u202f*" if sampled else cost,
                f"{real(row['seconds'])}\u202fs",
            ]
        )
    return Table(
        "closing-table",
        "Final risk of every method, and what it cost.",
        ["problem", "method", "final risk", "quartiles", "unfinished", "gradients", "time"],
        rows,
        [False, False, True, True, True, True, True],
        frame.reset_index().to_csv(index=False, lineterminator="\n"),
        grouped=True,
        methods=1,
        notes=(
            "final risk: median over all seeds; unfinished: seeds that diverged, failed or were stopped, "
            "counted as infinite risk; gradients: median number of evaluations for one seed"
            + (", * at one sample point each" if any("*" in row[5] for row in rows) else "")
            + "; time: median of one core for one seed; both until a trajectory ended.",
        ),
    )


def outcomes(tree: xr.DataTree) -> pd.DataFrame:
    """Return how every trajectory ended: problem, method, seed, status, end_time, message."""
    parts = []
    for name, node in tree.children.items():
        group = node.to_dataset()
        found = group[["status", "end_time", "message"]].to_dataframe().reset_index()
        found = found.rename(columns={"integrator": "method"})
        found.insert(0, "problem", str(name))
        found["status"] = [Status(int(value)).name.lower() for value in found["status"]]
        parts.append(found[["problem", "method", "seed", "status", "end_time", "message"]])
    return pd.concat(parts, ignore_index=True)


def endings_table(tree: xr.DataTree) -> Table:
    """Return a row for each problem, method and outcome but the usual one; the CSV has every trajectory."""
    frame = outcomes(tree)
    rows = []
    others = frame[frame["status"] != Status.REACHED_END.name.lower()]
    for (problem, method, status), part in others.groupby(["problem", "method", "status"], sort=False):
        told = part[part["message"].astype(str) != ""]
        said = f"seed {told['seed'].iloc[0]}: {told['message'].iloc[0]}" if len(told) else ""
        ends = part["end_time"]
        span = real(ends.min())
        if ends.nunique() > 1:
            span += f" – {real(ends.max())}"
        words = str(status).replace("_", " ")
        rows.append([str(problem), str(method), words, cell(len(part)), numbers(part["seed"]), span, said])
    whole = frame
    if len(frame) > _MOST_TRAJECTORIES:
        whole = frame[~frame["status"].isin([s.name.lower() for s in Status if s.complete])]
    return Table(
        "endings",
        "Trajectories that ended otherwise than at the last save time." if rows else "All trajectories.",
        ["problem", "method", "outcome", "count", "seeds", "flow time", "first message"],
        rows,
        [False, False, False, True, False, True, False],
        whole.to_csv(index=False, lineterminator="\n"),
        grouped=True,
        methods=1,
    )


def counts(tree: xr.DataTree) -> list[tuple[str, int, str]]:
    """Return each outcome that occurs: in words, how many trajectories, and what it means."""
    every = [
        int(value) for node in tree.children.values() for value in node.to_dataset()["status"].values.flat
    ]
    return [
        (status.name.lower().replace("_", " "), every.count(status), status.advice)
        for status in Status
        if status in every
    ]


def numbers(seeds: pd.Series[int]) -> str:
    """Return whole numbers in short: 0–3, 7, 9–12."""
    values = np.sort(seeds.to_numpy())
    runs = np.split(values, np.flatnonzero(np.diff(values) != 1) + 1)
    texts = [f"{run[0]}" if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs if len(run)]
    return ", ".join(texts) if len(texts) <= 8 else f"{', '.join(texts[:7])}, …"
