"""Timing, and what one row of the table holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Result:
    """One row of the table.

    Attributes
    ----------
    case : what was measured
    seconds : best time
    unit : what one unit of `seconds` is for
    bar : what it should be at most, in seconds; None if nothing is asked
    peer : what it is compared with
    peer_seconds : the peer's best time for the same unit
    note : anything the reader must know
    error, peer_error : relative errors; None where there is nothing to compare with
    peer_at_least : time after which the peer was stopped
    peer_status : why the peer has no time
    details : for the file only
    """

    case: str
    seconds: float
    unit: str
    bar: float | None = None
    peer: str = ""
    peer_seconds: float | None = None
    note: str = ""
    error: float | None = None
    peer_error: float | None = None
    peer_at_least: float | None = None
    peer_status: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Ratio of the peer's time to ours."""
        return None if self.peer_seconds is None else self.peer_seconds / self.seconds

    @property
    def ratio_at_least(self) -> float | None:
        """Ratio of the time after which the peer was stopped to ours."""
        return None if self.peer_at_least is None else self.peer_at_least / self.seconds


def best_of(function: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest of several times, after one call that is not timed.

    The shortest time is what the machine can do when nothing disturbs it.
    """
    function()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


def text(seconds: float) -> str:
    """Return a time with a readable unit."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
