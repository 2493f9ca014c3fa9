"""Certificates of a result as tables: what is proved by problem and method, and the critical points found."""

from __future__ import annotations

import pandas as pd

from gfcompare.certificates.verdicts import Verdict

_COUNTED = [verdict for verdict in Verdict if verdict is not Verdict.MISSING]


def verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how many trajectories of each problem and method have each verdict.

    Parameters
    ----------
    frame : what `certify` returns

    Returns
    -------
    pandas.DataFrame
        with the index ``problem``, ``method`` and a column for each verdict that occurs, besides
        ``distinct limits``, the number of different proved limits
    """
    rows = []
    seen = [verdict for verdict in _COUNTED if (frame["verdict"] == verdict.word).any()]
    for (problem, method), part in frame.groupby(["problem", "integrator"], sort=False):
        row: dict[str, object] = {"problem": problem, "method": method}
        row |= {verdict.word: int((part["verdict"] == verdict.word).sum()) for verdict in seen}
        row["distinct limits"] = int(_proven(part)["critical_point"].nunique())
        rows.append(row)
    table = pd.DataFrame(rows).set_index(["problem", "method"])
    table.attrs["note"] = "Numbers of trajectories. " + " ".join(
        f"{verdict.word}: {verdict.meaning}." for verdict in seen
    )
    return table


def limits(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the critical points near end states: risks, types, and how many seeds go to each by method.

    Returns
    -------
    pandas.DataFrame
        with the index ``problem``, ``critical point`` and the columns ``risk``, ``type`` (minimum, saddle
        and its index, or degenerate), ``breakpoints``, then for each method the number of trajectories
        that are proved to go there, with the number of those that are only near in brackets
    """
    rows = []
    methods = list(dict.fromkeys(frame["integrator"]))
    there = frame[frame["critical_point"] >= 0].sort_values(["critical_point"], kind="stable")
    for (problem, number), part in there.groupby(["problem", "critical_point"], sort=False):
        row: dict[str, object] = {"problem": problem, "critical point": int(str(number))}
        row["risk"] = f"{part['critical_risk_high'].min():.10g}"
        row["type"] = type_of(part)
        row["breakpoints"] = len(part["knots"].iloc[0])
        for method in methods:
            row[method] = _goers(part[part["integrator"] == method])
        rows.append(row)
    columns = ["problem", "critical point", "risk", "type", "breakpoints", *methods]
    table = pd.DataFrame(rows, columns=columns)
    order = {name: k for k, name in enumerate(dict.fromkeys(frame["problem"]))}
    table = table.sort_values(
        ["problem", "critical point"], key=lambda part: part.map(order) if part.name == "problem" else part
    )
    table = table.set_index(["problem", "critical point"])
    table.attrs["note"] = (
        "Trajectories that are proved to go to each critical point, in brackets those that are near it "
        "without a proof; the risk to ten digits."
    )
    return table


def type_of(part: pd.DataFrame) -> str:
    """Return what a critical point is, of certificates that share it."""
    if _proven(part).shape[0]:
        return "minimum"
    index = int(part["index"].max())
    if index < 0:
        return "degenerate"
    return "minimum" if index == 0 else f"saddle of index {index}"


def _goers(part: pd.DataFrame) -> str:
    proven = len(_proven(part))
    near = len(part) - proven
    return f"{proven} ({near})" if near else str(proven)


def _proven(part: pd.DataFrame) -> pd.DataFrame:
    return part[part["verdict"] == Verdict.LIMIT_PROVEN.word]


def reasons(frame: pd.DataFrame) -> pd.DataFrame:
    """Return every trajectory whose limit is not proved, with the reason."""
    left = frame[(frame["verdict"] != Verdict.LIMIT_PROVEN.word) & (frame["verdict"] != Verdict.MISSING.word)]
    return left[["problem", "integrator", "seed", "verdict", "risk_high", "reason"]].reset_index(drop=True)
