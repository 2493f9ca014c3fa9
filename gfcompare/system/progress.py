"""The progress display of commands, scripts and notebooks."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Protocol

from rich.console import Console

from gfcompare.components.errors import printable

if TYPE_CHECKING:
    from rich.progress import TaskID


# Lines are this share of all cells apart, or this many seconds: 20 for a short run, one a minute for a long.
_SHARE, _SECONDS = 0.05, 60.0


def at_terminal(file: IO[str] | None) -> bool:
    """Return whether somebody reads a file at a terminal, where a line can be written over.

    A command in a notebook (``!gfcompare``) writes to a terminal too, one of 80 columns whatever the page
    has, and the page keeps every state of a line.
    """
    seen = file is not None and file.isatty()  # None if it was closed
    return seen and "JPY_PARENT_PID" not in os.environ  # which Jupyter sets for its kernels


def _has_lines_to_write_over(console: Console) -> bool:
    """Return whether a bar can be shown; rich alone takes every file for a terminal if FORCE_COLOR is set."""
    return console.is_terminal and at_terminal(console.file)


@contextmanager
def activity(console: Console, text: str) -> Iterator[Callable[[str], object]]:
    """Show on a terminal that something goes on; yield what changes the text."""
    if not _has_lines_to_write_over(console):
        yield lambda _: None
        return
    with console.status(text) as status:
        yield status.update


def on_standard_error() -> Display | None:
    """Return what shows the progress of a run on standard error; None in a process that another started."""
    if multiprocessing.parent_process() is not None:
        return None
    return Display(Console(stderr=True, highlight=False, soft_wrap=True))


class Unit(Protocol):
    """The unit of progress: a cell of a study."""

    @property
    def label(self) -> str:
        """Return its name."""

    @property
    def seeds(self) -> Sequence[int]:
        """Seeds of its trajectories."""


class Display:
    """Progress of a run: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Any = None
        self._task: TaskID | None = None
        self._began = self._said = time.perf_counter()
        self._unsaid = 0
        self.total = 0
        self.finished = 0
        self._trajectories = 0
        self._all_trajectories = 0
        self._reused = 0

    def begin(self, cells: Sequence[Unit], finished: Sequence[Unit]) -> None:
        """Show how much there is to do."""
        self.total, self.finished = len(cells), len(finished)
        self._reused = len(finished)
        self._trajectories = sum(len(cell.seeds) for cell in finished)
        self._all_trajectories = sum(len(cell.seeds) for cell in cells)
        if finished:
            self.note(f"{len(finished)} of {len(cells)} cells are finished already")
        if not _has_lines_to_write_over(self._console) or len(cells) == len(finished):
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
        self._console.print(printable(text), markup=False)

    def cell_done(self, cell: Unit, seconds: float) -> None:
        """Move on by a cell."""
        self.finished += 1
        self._trajectories += len(cell.seeds)
        if self._progress is not None:
            self._progress.update(self._task, completed=self.finished, trajectories=self._counts())
            return
        now, self._unsaid = time.perf_counter(), self._unsaid + 1
        due = self._unsaid >= _SHARE * self.total or now >= self._said + _SECONDS
        if not due and self.finished < self.total:
            return
        self._said, self._unsaid = now, 0
        left = (now - self._began) / (self.finished - self._reused) * (self.total - self.finished)
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
