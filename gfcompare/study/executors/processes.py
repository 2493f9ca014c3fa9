"""Worker processes of this machine as an executor; one that dies takes no other with it."""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

import cloudpickle

from gfcompare.study.executors import worker
from gfcompare.study.executors.base import NO_ANSWER, Answer, Executor
from gfcompare.study.jobs import Task
from gfcompare.system.memory import memory_of_each
from gfcompare.system.workers import prepare, safe_path


@dataclass(eq=False)
class _Worker:
    """A process, what it was given, and until when that is waited for."""

    pool: Any
    ticket: int = 0
    answer: Future[bytes] | None = None
    until: float | None = None


class Processes(Executor):
    """Worker processes of this machine, started by loky.

    loky, unlike the standard library's pool, does not import the user's script again in each worker, so a
    study script needs no main guard, and it notices a worker that dies. Each worker is a pool of its own:
    which task it died of is known, and the others go on.
    """

    def __init__(self, workers: int) -> None:
        self._slots = workers
        self._workers: list[_Worker] = []
        self._count = 0

    @property
    def slots(self) -> int:
        """The number of workers."""
        return self._slots

    def submit(self, task: Task) -> int:
        """Give a task to a worker that has none; `slots` tells how many there may be."""
        idle = next((each for each in self._workers if each.answer is None), None) or self._start()
        self._count += 1
        idle.ticket = self._count
        idle.answer = idle.pool.submit(worker.work, worker.packed(task))
        idle.until = None if task.patience is None else time.monotonic() + task.patience
        return idle.ticket

    def gather(self, timeout: float) -> list[Answer]:
        """Return the answers that are there; a worker that died, or is silent for too long, is lost."""
        busy = {each.answer: each for each in self._workers if each.answer is not None}
        if not busy:
            return []
        ready, _ = wait(busy, timeout=timeout, return_when=FIRST_COMPLETED)
        found = [self._taken(busy[answer]) for answer in ready]
        for each in self._workers.copy():
            if each.answer is not None and each.until is not None and time.monotonic() > each.until:
                # It was stopped, or the clock within it was.
                self._discard(each)
                found.append(Answer(each.ticket, lost=NO_ANSWER))
        return found

    def close(self, orderly: bool) -> None:
        """End all workers."""
        workers, self._workers = self._workers, []
        if workers:
            with ThreadPoolExecutor(len(workers)) as threads:  # each takes a fraction of a second
                list(threads.map(lambda each: each.pool.shutdown(kill_workers=not orderly), workers))

    def _start(self) -> _Worker:
        from loky import ProcessPoolExecutor

        pool = ProcessPoolExecutor(
            max_workers=1,
            initializer=prepare,
            initargs=(os.getpid(), safe_path(), memory_of_each(self._slots)),
        )
        self._workers.append(_Worker(pool))
        return self._workers[-1]

    def _taken(self, each: _Worker) -> Answer:
        """Return the answer of a worker, which is then free, or gone."""
        answer, each.answer = each.answer, None
        assert answer is not None
        try:
            found = cloudpickle.loads(answer.result())
        except BrokenProcessPool as broken:
            self._discard(each)
            return Answer(each.ticket, lost=_cause(broken))
        if isinstance(found, Exception):
            return Answer(each.ticket, error=found)
        return Answer(each.ticket, tuple(found))

    def _discard(self, each: _Worker) -> None:
        self._workers.remove(each)
        each.pool.shutdown(kill_workers=True)


def _cause(broken: BrokenProcessPool) -> str:
    """Return how a worker died, as loky says it."""
    found = re.search(r"exit codes of the workers are \{(.+?)\}", str(broken))
    return re.sub(r"EXIT\((\d+)\)", r"exit code \1", found[1]) if found else "it died"
