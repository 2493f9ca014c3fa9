"""A part of a study's cells: what one job of an array computes, without any engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gfcompare.components.errors import InputError
from gfcompare.study.cells import Cell


@dataclass(frozen=True)
class Shard:
    """One of several parts of the cells of a study, which are computed by themselves.

    Parameters
    ----------
    number : which, from 1
    count : how many there are

    Examples
    --------
    >>> from gfcompare.study.shards import Shard
    >>> Shard.parsed("3/16")
    Shard(number=3, count=16)
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count <= 1_000_000:
            raise InputError(
                f"shard {self}: expected NUMBER/COUNT with a number from 1 to the count, such as 3/16."
            )

    def __str__(self) -> str:
        """Return it as it is given on the command line."""
        return f"{self.number}/{self.count}"

    @classmethod
    def parsed(cls, text: str) -> Shard:
        """Return the shard that a text such as 3/16 means, or raise InputError."""
        found = re.fullmatch(r"\s*(\d{1,7})\s*/\s*(\d{1,7})\s*", text, re.ASCII)
        if found is None:
            raise InputError(f"shard {text!r:.40}: expected NUMBER/COUNT, such as 3/16.")
        return cls(int(found[1]), int(found[2]))

    def of(self, cells: Sequence[Cell]) -> tuple[Cell, ...]:
        """Return the cells of the shard: every count-th, so that each has some of every method."""
        return tuple(cells[self.number - 1 :: self.count])
