"""Timing: the best of several runs, which is what the machine can do when nothing disturbs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


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
    """

    case: str
    seconds: float
    unit: str
    bar: float | None = None
    peer: str = ""
    peer_seconds: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the peer's time is ours."""
        return None if self.peer_seconds is None else self.peer_seconds / self.seconds


def best_of(function: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest of several times, after one call that is not timed."""
    function()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)
