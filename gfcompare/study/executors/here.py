"""The process itself as an executor: one task after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

from gfcompare.components.errors import FOREIGN_ERRORS
from gfcompare.integrators.loop import OnError
from gfcompare.study.cells import Cell
from gfcompare.study.executors.base import Answer, Executor
from gfcompare.study.jobs import Done, Job, Task, failed, perform


class Here(Executor):
    """Computes in this process, in which a plugin that crashes ends the run.

    Parameters
    ----------
    mark : leaves a mark of a cell while it is computed, which tells the next run of such an end
    """

    is_here: ClassVar[bool] = True

    def __init__(
        self, mark: Callable[[Cell], AbstractContextManager[None]] = lambda cell: nullcontext()
    ) -> None:
        self._mark = mark
        self._waiting: deque[tuple[int, Task]] = deque()
        self._count = 0

    @property
    def slots(self) -> int:
        """One."""
        return 1

    def submit(self, task: Task) -> int:
        """Take a task; it is computed by `gather`."""
        self._count += 1
        self._waiting.append((self._count, task))
        return self._count

    def gather(self, timeout: float) -> list[Answer]:
        """Compute the next task."""
        if not self._waiting:
            return []
        ticket, task = self._waiting.popleft()
        return [Answer(ticket, tuple(self._done(job, task.on_error) for job in task.jobs))]

    def close(self, orderly: bool) -> None:
        """Forget the tasks that wait."""
        self._waiting.clear()

    def _done(self, job: Job, on_error: OnError) -> Done:
        try:
            with self._mark(job.cell):
                return perform(job, on_error)
        except FOREIGN_ERRORS as error:  # the other cells go on
            return failed(error)
