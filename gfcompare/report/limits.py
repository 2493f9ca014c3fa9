"""Certificates, as tables of a page: what is proved, the critical points, and why the rest is not proved."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from gfcompare import certificates
from gfcompare.report.tables import Table, from_frame


@dataclass(frozen=True)
class Limits:
    """The section of a page on certificates.

    Attributes
    ----------
    total, proven, distinct : trajectories, those with a proved limit, and different limits among them
    time : the flow time of the states
    tables : what is proved by problem and method; the critical points and who goes there
    reasons : why other limits are not proved
    """

    total: int
    proven: int
    distinct: int
    time: str
    tables: list[Table]
    reasons: Table | None


def limits(tree: xr.DataTree) -> Limits | None:
    """Return what a page shows of the certificates of a result; None if it has none."""
    frame = certificates.of_tree(tree)
    if frame is None:
        return None
    proven = frame[frame["verdict"] == certificates.Verdict.LIMIT_PROVEN.word]
    tables = [
        from_frame(certificates.verdicts(frame), "certificates", "What is proved, by problem and method.")
    ]
    points = certificates.limits(frame)
    if len(points):
        caption = "Critical points near the states, and how many trajectories go to each."
        tables.append(from_frame(points, "critical-points", caption))
    reasons = certificates.reasons(frame).rename(columns={"integrator": "method", "risk_high": "risk"})
    shown = from_frame(reasons.set_index("problem"), "certificate-reasons", "Limits that are not proved.")
    return Limits(
        len(frame),
        len(proven),
        len(proven.groupby(["problem", "critical_point"])),
        f"{frame['time'].max():g}",
        tables,
        shown if len(reasons) else None,
    )
