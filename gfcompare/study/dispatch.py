"""Handing cells to an executor, and their files: nothing is lost, and no cell is computed for ever."""

from __future__ import annotations

import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from gfcompare.components.errors import RunError
from gfcompare.hooks.chosen_diagnostics import DiagnosticWarning
from gfcompare.hooks.plugin_files import Carried, carried
from gfcompare.integrators.loop import OnError
from gfcompare.study import attempts, cell_files
from gfcompare.study.cells import Cell
from gfcompare.study.compute_cell import DIED, End, limit_of
from gfcompare.study.executors.base import LOST, NO_ANSWER, Answer, Executor
from gfcompare.study.executors.worker import WorkerMismatchError, about
from gfcompare.study.failures import Failures
from gfcompare.study.jobs import Done, Job, Task
from gfcompare.study.overdue import Overdue, Running
from gfcompare.study.run_progress import Progress

# Seconds between two looks at Ctrl-C.
_PAUSE = 0.1
# Workers that may die at a cell before it is given up.
_LOSSES = 2
# And while it is recorded that they did, which may wait in a worker behind another cell that is ended.
_RECORDINGS = 4


class WorkersLostError(RunError):
    """The worker process of a cell died; the finished cells are kept."""


class Dispatch:
    """Cells on their way to an executor and back.

    Only this process writes. A worker that is lost costs what it was computing: each of these cells is
    computed again by itself, and one at which workers are lost again is recorded as failed, or raised as an
    error if that is wanted.
    """

    def __init__(
        self,
        folder: Path,
        executor: Executor,
        on_error: OnError,
        shown: Progress,
        raise_if_interrupted: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._executor = executor
        self._on_error = on_error
        self._shown = shown
        self._raise_if_interrupted = raise_if_interrupted
        self._waiting: deque[tuple[Cell, End | None]] = deque()
        self._running: dict[int, tuple[tuple[Job, ...], float]] = {}
        self._alone: set[str] = set()
        self._kept: set[str] = set()
        self._losses: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self._failed: Failures = []
        self._overdue = Overdue(self._without_limit, shown.note)
        #: Cells that were recorded as failed because workers were lost at them.
        self.given_up: list[Cell] = []

    def run(self, todo: Sequence[Cell], given_up: Mapping[str, End] = MappingProxyType({})) -> Failures:
        """Compute cells; return those that raised an error or lost their workers, in their order.

        Parameters
        ----------
        todo : the cells
        given_up : how processes have ended at some of them before, by key: these are not tried any more
        """
        plugins, versions = carried(), about()
        self._waiting.extend((cell, given_up.get(cell.key)) for cell in todo)
        orderly = False
        try:
            with self._overdue.watched():
                while self._waiting or self._running:
                    self._turn(plugins, versions)
            orderly = True
        finally:
            self._executor.close(orderly)
        order = {
            cell.key: number for number, cell in enumerate(todo)
        }  # not that in which they happened to end
        return sorted(self._failed, key=lambda failure: order[failure[0].key])

    def _turn(self, plugins: Carried, versions: Mapping[str, str]) -> None:
        """Hand out what the executor takes, and take in what is done."""
        while self._waiting and len(self._running) < self._executor.slots:
            task = Task(self._next(), self._on_error, plugins, versions)
            ticket = self._executor.submit(task)
            self._running[ticket] = task.jobs, time.monotonic()
            self._raise_if_interrupted()
        # Those that are finished count, even if a worker has died meanwhile.
        answers = self._executor.gather(_PAUSE)
        for answer in sorted(answers, key=lambda answer: answer.done is None):
            self._take(answer)
        self._raise_if_interrupted()

    def _without_limit(self) -> Running:
        """Return what is running and is not ended from outside."""
        running = list(self._running.values())
        return [
            ([job.cell.label for job in jobs], since)
            for jobs, since in running
            if any(job.cell.time_limit is None for job in jobs)
        ]

    def _job(self, cell: Cell, end: End | None) -> Job:
        _ = cell.diagnostic_keys  # of the code as it is here: a worker lacks files of plugins
        path = cell_files.cell_path(self._folder, cell)
        limit = None if self._executor.is_here else limit_of(cell)
        return Job(cell, path.read_bytes() if cell_files.stored(path) else None, end, limit)

    def _next(self) -> tuple[Job, ...]:
        """Return the next jobs: one that may take long, or has lost a worker, or several that are quick."""
        first, end = self._waiting.popleft()
        jobs = [self._job(first, end)]
        seconds = self._expected(first)
        share = -(-len(self._waiting) // (2 * self._executor.slots))  # no worker waits for another at the end
        most = min(share, self._executor.pack_cells)
        while seconds is not None and len(jobs) < most and self._waiting:
            cell, end = self._waiting[0]
            more = self._expected(cell)
            if more is None or seconds + more > self._executor.pack_seconds:
                break
            seconds += more
            self._waiting.popleft()
            jobs.append(self._job(cell, end))
        return tuple(jobs)

    def _expected(self, cell: Cell) -> float | None:
        """Return the seconds that a cell takes by those of its method so far; None if it goes by itself."""
        return None if cell.key in self._alone else self._seconds.get(cell.integrator_name)

    def _take(self, answer: Answer) -> None:
        """Take in what became of a task."""
        jobs, began = self._running.pop(answer.ticket)
        if answer.done is not None:
            for job, done in zip(jobs, answer.done, strict=True):
                self._settle(job, done)
            return
        if isinstance(answer.error, WorkerMismatchError):
            raise answer.error
        if answer.error is not None:
            for job in jobs:
                self._fail(job.cell, answer.error)
            return
        seconds = time.monotonic() - began
        self._shown.note(f"a worker process died; computing again what was running, {len(jobs)} cells")
        if len(jobs) > 1:  # which of them it was cannot be told
            self._alone |= {job.cell.key for job in jobs}
            self._waiting.extendleft((job.cell, job.end) for job in reversed(jobs))
            return
        self._lost(jobs[0], answer.lost, seconds)

    def _lost(self, job: Job, cause: str, seconds: float) -> None:
        """Try a cell at which a worker was lost again, or have it recorded as failed."""
        cell = job.cell
        self._alone.add(cell.key)
        self._losses[cell.key] += 1
        ended = ("exit code 1", NO_ANSWER, LOST)  # as a worker does by itself, or is made to
        late = job.limit is not None and seconds >= job.limit and cause.startswith(ended) and job.end is None
        if not late and self._losses[cell.key] < _LOSSES:
            self._waiting.appendleft((cell, job.end))
            return
        text = f"{DIED} ({cause})" if cause else DIED
        if late:
            text = f"ended from outside after {job.limit:g} s: it did not return in time to be ended in order"
        if self._on_error == "raise" or job.end is not None:
            self._fail(cell, WorkersLostError(f"{text}."))
            return
        self._losses[cell.key] = _LOSSES - _RECORDINGS  # if recording it loses workers as well, that was it
        self.given_up.append(cell)
        self._waiting.appendleft((cell, End(text, late)))

    def _settle(self, job: Job, done: Done) -> None:
        """Write the file of a cell, and have it completed if it is not complete."""
        cell, path = job.cell, cell_files.cell_path(self._folder, job.cell)
        if done.data is None:
            self._fail(cell, done.error or RunError("nothing was returned"))
            return
        try:
            cell_files.write(path, done.data)
        except OSError as error:
            self._fail(cell, error)
            return
        self._overdue.longest = max(self._overdue.longest, done.seconds)
        before = self._seconds.get(cell.integrator_name, done.seconds)
        self._seconds[cell.integrator_name] = 0.5 * (before + done.seconds)
        for text in done.said:
            warnings.warn(text, DiagnosticWarning, stacklevel=2)
        if not done.complete and cell.key not in self._kept:
            self._kept.add(cell.key)
            self._waiting.appendleft((cell, None))
            return
        attempts.forget(path)
        self._shown.cell_done(cell, done.seconds)

    def _fail(self, cell: Cell, error: Exception) -> None:
        attempts.forget(cell_files.cell_path(self._folder, cell))
        self._failed.append((cell, error))
