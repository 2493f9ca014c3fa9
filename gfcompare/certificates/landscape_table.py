"""Landscapes as tables: their critical points, and how many trajectories of a result go to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from gfcompare.certificates.distinct import same
from gfcompare.certificates.landscape import Landscape, LandscapePoint, landscape, not_covered
from gfcompare.certificates.verdicts import Verdict
from gfcompare.results.rebuild import Rebuilt

#: What `visits` calls a trajectory whose critical point is not in the landscape.
ELSEWHERE = -1


def landscapes(tree: xr.DataTree) -> tuple[dict[str, Landscape], dict[str, str]]:
    """Return the landscapes of the problems of a result, and why the others have none.

    Parameters
    ----------
    tree : a result

    Returns
    -------
    tuple
        landscapes by the names of their problems, and reasons by those of the others
    """
    found, reasons = {}, {}
    rebuilt = Rebuilt(tree)
    for name in map(str, tree.children):
        problem, reason = rebuilt.problem(name)
        if problem is not None:
            reason = not_covered(problem)
        if problem is None or reason:
            reasons[name] = reason
        else:
            found[name] = landscape(problem)
    return found, reasons


def visits(found: Landscape, frame: pd.DataFrame) -> pd.DataFrame:
    """Return how many trajectories of each method go to each critical point of a landscape.

    Parameters
    ----------
    found : the landscape of a problem
    frame : the certificates of this problem, as `certify` returns them

    Returns
    -------
    pandas.DataFrame
        with the columns ``point``, its place in the landscape or -1 for a critical point that is not in it,
        ``method``, ``proven``, the trajectories that are proved to go there, and ``near``, those that are
        only near it
    """
    rows = []
    there = frame[frame["critical_point"] >= 0]
    for _, part in there.groupby("critical_point", sort=True):
        place = _place(found.points, part["point"].iloc[0])
        for method, mine in part.groupby("integrator", sort=False):
            proven = int((mine["verdict"] == Verdict.LIMIT_PROVEN.word).sum())
            rows.append((place, str(method), proven, len(mine) - proven))
    table = pd.DataFrame(rows, columns=["point", "method", "proven", "near"])
    return table.groupby(["point", "method"], as_index=False, sort=False).sum()


def _place(points: Sequence[LandscapePoint], network: Sequence[str]) -> int:
    """Return the place of the critical point that is a network, or -1."""
    return next((k for k, point in enumerate(points) if same(point.point, network)), ELSEWHERE)


def landscape_table(found: Mapping[str, Landscape], frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the critical points of some problems, and how many trajectories go to each by method.

    Parameters
    ----------
    found : landscapes by the names of their problems
    frame : certificates of these problems, as `certify` returns them

    Returns
    -------
    pandas.DataFrame
        with the index ``problem``, ``point`` and the columns ``risk``, ``type`` (minimum, saddle and its
        index, or degenerate), ``neurons``, ``breakpoints`` and ``slope changes``, then for each method
        the number of trajectories that are proved to go there, with that of those that are only near in
        brackets
    """
    methods = [] if frame is None else list(dict.fromkeys(frame["integrator"]))
    rows = []
    for name, one in found.items():
        mine = None if frame is None else visits(one, frame[frame["problem"] == name])
        for k, point in enumerate(one.points):
            row: dict[str, object] = {"problem": name, "point": k + 1}
            row["risk"] = f"{point.risk_high:.10g}"
            row["type"] = point.kind
            row["neurons"] = point.neurons
            row["breakpoints"] = _short(point.knots)
            row["slope changes"] = _short(point.bends)
            rows.append(row | _counts(mine, k, methods))
        if mine is not None and (mine["point"] == ELSEWHERE).any():
            row = {"problem": name, "point": len(one.points) + 1, "risk": "", "type": "not enumerated"}
            row |= {"neurons": "", "breakpoints": "", "slope changes": ""}
            rows.append(row | _counts(mine, ELSEWHERE, methods))
    table = pd.DataFrame(rows).set_index(["problem", "point"])
    note = (
        "All critical points with distinct breakpoints inside and slopes that change there; "
        "the risk to ten digits."
    )
    if methods:
        note += " By method, trajectories that are proved to go there, in brackets those that are only near."
    table.attrs["note"] = note
    return table


def _counts(mine: pd.DataFrame | None, place: int, methods: Sequence[str]) -> dict[str, object]:
    counts: dict[str, object] = {}
    for method in methods:
        assert mine is not None
        part = mine[(mine["point"] == place) & (mine["method"] == method)]
        proven, near = int(part["proven"].sum()), int(part["near"].sum())
        counts[method] = f"{proven} ({near})" if near else str(proven)
    return counts


def _short(texts: Sequence[str]) -> str:
    """Return decimal balls as a list of numbers with six digits."""
    return ", ".join(f"{_middle(text):.6g}" for text in texts)


def _middle(text: str) -> float:
    """Return the middle of a decimal ball such as [0.25 +/- 1e-30], or of a number."""
    number = text.strip("[]").split(" +/- ")[0]
    return float(np.float64(number)) if not number.startswith("+/-") else 0.0
