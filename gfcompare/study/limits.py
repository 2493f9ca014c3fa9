"""The limits of a study: cells, storage and time, estimated before anything is built.

A study that asks for too much is almost always a slip (a zero too many, a step size in the wrong unit), and
would end hours later without memory or disk, or never. Whoever means it raises the limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gfcompare.components.component import require
from gfcompare.components.errors import InputError

# Numbers of 8 bytes that are stored at each save time of a trajectory besides the parameters: the clocks,
# the counters, and the diagnostics that are computed by default.
_BESIDES = 20
# Seconds that one gradient takes at least, and for each parameter: a quarter of the fastest kernel measured.
# A lower bound, so that no study is refused that could run.
_GRADIENT, _PARAMETER = 2e-8, 1e-9


@dataclass(frozen=True)
class Limits:
    """The limits of a study. A study that is estimated to need more is refused, unless these are raised.

    Parameters
    ----------
    cells : cells, each of one problem, one method and a block of seeds
    gigabytes : size of the result, which is read into memory as a whole
    hours : of one core; a lower bound is estimated, for methods with constant steps

    Examples
    --------
    >>> import gfcompare as gfc
    >>> study = gfc.Study(
    ...     "large",
    ...     targets={"sine": gfc.targets.Sine()},
    ...     integrators={"gd": gfc.integrator("gd")},
    ...     seeds=2_000_000,
    ...     limits=gfc.Limits(cells=200_000, gigabytes=2000.0),
    ... )
    >>> len(study.cells())
    125000
    """

    cells: int = 100_000
    gigabytes: float = 16.0
    hours: float = 10_000.0

    def __post_init__(self) -> None:
        for key in ("cells", "gigabytes", "hours"):
            value = getattr(self, key)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            require(number and value > 0, f"{key} must be positive, got {value!r:.40}.")


@dataclass(frozen=True)
class Demand:
    """The size of a study.

    Attributes
    ----------
    parameters : number of parameters of the network of each problem
    steps : for each method the steps of constant size to the last save time; 0 if it chooses them
    seeds : number of seeds
    blocks : number of blocks of seeds
    times : number of save times
    time_limit : seconds a trajectory may take, None for no limit
    """

    parameters: Sequence[int]
    steps: Sequence[float]
    seeds: int
    blocks: int
    times: int
    time_limit: float | None = None

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.parameters) * len(self.steps) * self.blocks

    @property
    def gigabytes(self) -> float:
        """Size of the result."""
        numbers = sum(count + _BESIDES for count in self.parameters) * len(self.steps)
        return _ratio(8 * numbers * self.seeds * self.times, 10**9)

    @property
    def hours(self) -> float:
        """Time of one core that the methods with constant steps take at least."""
        longest = math.inf if self.time_limit is None else self.time_limit
        each = [
            min(steps * (_GRADIENT + _PARAMETER * count), longest)
            for steps in self.steps
            for count in self.parameters
        ]
        return _ratio(self.seeds, 3600) * math.fsum(each)

    def check(self, limits: Limits) -> None:
        """Raise InputError if that is more than is allowed."""
        problems, methods = len(self.parameters), len(self.steps)
        what = (
            f"{_counted(problems, 'problem')}, {_counted(methods, 'method')}, "
            f"{_counted(self.seeds, 'seed')}, {_counted(self.times, 'save time')}, "
            f"{_counted(max(self.parameters), 'parameter')}"
        )
        for key, needed, unit in (
            ("cells", self.cells, "cells"),
            ("gigabytes", self.gigabytes, "gigabytes of results"),
            ("hours", self.hours, "hours of one core, at the least"),
        ):
            allowed = getattr(limits, key)
            if needed > allowed:
                raise InputError(
                    f"the study would need {_number(needed)} {unit} ({what}); "
                    f"the limit is {_number(allowed)}. If that is meant, raise it: limits.{key} in the "
                    f"study file, or limits=gfcompare.Limits({key}=...)."
                )


def _ratio(number: int, by: int) -> float:
    """Return a quotient, infinite where it is no floating-point number."""
    try:
        return number / by
    except OverflowError:
        return math.inf


def _number(value: float) -> str:
    """Return a number as readable text, however large it is."""
    if isinstance(value, int) and value >= 10**15:
        return f"10^{len(str(value)) - 1}" if value < 10**4000 else "over 10^4000"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _counted(number: int, what: str) -> str:
    return f"{_number(number)} {what}{'' if number == 1 else 's'}"


def check_count(counts: Iterable[int], limits: Limits, where: str) -> None:
    """Raise InputError if a grid of so many values each has more combinations than cells are allowed."""
    total = math.prod(counts)
    require(
        total <= limits.cells,
        f"{where}: the grid has {_number(total)} combinations, and the limit is "
        f"{_number(limits.cells)} cells. If that is meant, raise limits.cells.",
    )
