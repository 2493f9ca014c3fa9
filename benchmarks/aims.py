"""Aims of gfcompare against its peers, and which of them are met."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Aim:
    """An aim and what was found.

    Attributes
    ----------
    what : the aim in words
    asked : the ratio of times that is wanted at least
    found : the smallest ratio of all cases; infinite if no peer finished any
    where : the case and peer of the smallest
    """

    what: str
    asked: float
    found: float
    where: str

    @property
    def met(self) -> bool:
        """True if the aim is met."""
        return self.found >= self.asked

    def text(self) -> str:
        """Return a line for the terminal."""
        ratio = "no peer finished" if math.isinf(self.found) else f"{self.found:,.3g} ({self.where})"
        return f"{'met' if self.met else 'MISSED'}: {self.what}, at least {self.asked:g}: {ratio}"


def _line(row: Record) -> bool:
    """Return whether the network has one input and one hidden layer."""
    return row["widths"][0] == 1 and len(row["widths"]) == 3


_ASKED: tuple[tuple[str, float, Callable[[Record], bool]], ...] = (
    (
        "GD, 1-H-1, fastest peer at 1024 points",
        150,
        lambda row: row["kind"] == "gd" and row["points"] == 1024 and _line(row),
    ),
    (
        "GD, 1-H-1, PyTorch at 1024 points",
        1000,
        lambda row: (
            row["kind"] == "gd" and row["points"] == 1024 and _line(row) and row["method"] == "PyTorch"
        ),
    ),
    (
        "SGD, 1-H-1, JAX",
        5,
        lambda row: row["kind"] == "sgd" and _line(row) and row["method"].startswith("JAX"),
    ),
    (
        "SGD, 1-H-1, PyTorch",
        20,
        lambda row: row["kind"] == "sgd" and _line(row) and row["method"] == "PyTorch",
    ),
    (
        "GF to t = 10^4, 1-H-1, fastest peer that finishes",
        100,
        lambda row: row["end"] == 1e4 and _line(row),
    ),
    (
        "the same, without those that use our gradient",
        100,
        lambda row: row["end"] == 1e4 and _line(row) and row["points"] is not None,
    ),
    ("every case, every peer at its own accuracy", 1, lambda row: True),
)


def aims(parts: dict[str, Any]) -> list[Aim]:
    """Return the aims that the part `peers` decides; single precision is not compared."""
    if "peers" not in parts:
        return []
    rows = [row for row in parts["peers"]["results"] if row["dtype"] == "float64"]
    result = []
    for what, asked, belongs in _ASKED:
        ratios = {
            f"{row['case']}: {row['peer']}": row["ratio"]
            for row in rows
            if belongs(row) and row["ratio"] is not None
        }
        worst = min(ratios, key=lambda name: ratios[name], default="")
        result.append(Aim(what, asked, ratios.get(worst, math.inf), worst))
    return result
