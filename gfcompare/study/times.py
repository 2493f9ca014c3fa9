"""The flow times at which a study saves its trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.component import require
from gfcompare.components.option_types import check_options
from gfcompare.integrators.save_times import check_times


@dataclass(frozen=True)
class Times:
    """Save times in units of flow time; 0 is always saved too.

    Parameters
    ----------
    spacing : "log" or "linear" between `start` and `end`, or "given"
    start, end : first and last time; `start` is not used with linear spacing, which starts at 0
    count : number of times from start to end
    values : the times themselves, with spacing "given"

    Examples
    --------
    >>> import gfcompare as gfc
    >>> print(gfc.Times(start=1.0, end=100.0, count=3).array())
    [  0.   1.  10. 100.]
    >>> print(gfc.Times(spacing="linear", end=1.0, count=3).array())
    [0.  0.5 1. ]
    >>> print(gfc.Times(values=[2.0, 3.0]).array())
    [0. 2. 3.]
    """

    spacing: Literal["log", "linear", "given"] = "log"
    start: float = 0.01
    end: float = 1000.0
    count: int = 61
    values: Sequence[float] = ()

    def __post_init__(self) -> None:
        check_options(self)
        if len(self.values) and self.spacing != "given":
            object.__setattr__(self, "spacing", "given")
        if self.spacing == "given":
            require(len(self.values) > 0, "spacing 'given' needs values, such as values = [1.0, 10.0].")
            check_times(self.values)
            return
        require(
            self.spacing in ("log", "linear"), f"spacing must be log, linear or given, got {self.spacing!r}."
        )
        require(self.count >= 2, f"count must be at least 2, got {self.count}.")
        require(bool(0 < self.end < np.inf), f"end must be positive and finite, got {self.end}.")
        if self.spacing == "log":
            require(
                0 < self.start < self.end,
                f"start must lie between 0 and end = {self.end:g}, got {self.start:g}.",
            )

    @property
    def size(self) -> int:
        """Number of save times, known before there is an array of them."""
        if self.spacing == "given":
            return len(self.values) + int(self.values[0] != 0.0)
        return self.count + int(self.spacing == "log")

    @property
    def last(self) -> float:
        """The last save time."""
        return float(self.values[-1]) if self.spacing == "given" else self.end

    def array(self) -> NDArray[np.float64]:
        """Return the save times, increasing, with 0 first."""
        if self.spacing == "given":
            times = np.asarray(self.values, dtype=np.float64)
        elif self.spacing == "log":
            times = np.geomspace(self.start, self.end, self.count)
        else:
            times = np.linspace(0.0, self.end, self.count)
        return times if times[0] == 0.0 else np.concatenate([[0.0], times])
