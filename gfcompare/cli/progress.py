"""What a run shows of its progress."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from rich.progress import TaskID

    from gfcompare.study import Cell


class Display:
    """Progress of a run: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Any = None
        self._task: TaskID | None = None
        self._began = time.perf_counter()
        self.total = 0
        self.finished = 0
        self._trajectories = 0
        self._all_trajectories = 0
        self._reused = 0

    def begin(self, cells: Sequence[Cell], finished: Sequence[Cell]) -> None:
        """Show how much there is to do."""
        self.total, self.finished = len(cells), len(finished)
        self._reused = len(finished)
        self._trajectories = sum(len(cell.seeds) for cell in finished)
        self._all_trajectories = sum(len(cell.seeds) for cell in cells)
        if finished:
            self.note(f"{len(finished)} of {len(cells)} cells are finished already")
        if not self._console.is_terminal or len(cells) == len(finished):
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        self._progress = Progress(
            TextColumn("cells"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[trajectories]} trajectories"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeft(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(
            "", total=self.total, completed=self.finished, trajectories=self._counts()
        )
        self._progress.start()

    def _counts(self) -> str:
        return f"{self._trajectories}/{self._all_trajectories}"

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False)

    def cell_done(self, cell: Cell, seconds: float) -> None:
        """Move on by a cell."""
        self.finished += 1
        self._trajectories += len(cell.seeds)
        if self._progress is not None:
            self._progress.update(self._task, completed=self.finished, trajectories=self._counts())
            return
        elapsed = time.perf_counter() - self._began
        left = elapsed / (self.finished - self._reused) * (self.total - self.finished)
        self.note(
            f"cells {self.finished}/{self.total}, trajectories {self._counts()}, "
            f"{left:.0f} s left: {cell.label} took {seconds:.1f} s"
        )

    def end(self, finished: int) -> None:
        """Take the bar away."""
        self.finished = finished
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
