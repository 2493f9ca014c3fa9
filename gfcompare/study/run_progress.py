"""The progress messages of a running study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gfcompare.study.cells import Cell


class Progress(Protocol):
    """The progress messages of a running study."""

    def begin(self, cells: Sequence[Cell], finished: Sequence[Cell]) -> None:
        """All cells of the study, and those that were finished before."""

    def note(self, text: str) -> None:
        """Say something."""

    def cell_done(self, cell: Cell, seconds: float) -> None:
        """Hear that a cell is finished."""

    def end(self, finished: int) -> None:
        """Hear that nothing more is to come, for whatever reason, and how many cells have their files."""


class Silent:
    """No progress display."""

    def begin(self, cells: Sequence[Cell], finished: Sequence[Cell]) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def cell_done(self, cell: Cell, seconds: float) -> None:
        """Do nothing."""

    def end(self, finished: int) -> None:
        """Do nothing."""
