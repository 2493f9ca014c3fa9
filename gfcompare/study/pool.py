"""Cells on worker processes, some of which may die."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import cloudpickle
from threadpoolctl import threadpool_limits

from gfcompare.components.errors import RunError, as_exception
from gfcompare.hooks.chosen_diagnostics import DiagnosticWarning
from gfcompare.hooks.plugin_files import adopt, carried
from gfcompare.hooks.registry import PluginWarning
from gfcompare.integrators.loop import OnError
from gfcompare.study import attempts, cell_files
from gfcompare.study.cells import Cell
from gfcompare.study.compute_cell import DIED, compute, record_death
from gfcompare.study.failures import Failures, portable
from gfcompare.study.run_progress import Progress
from gfcompare.system import module_path, process_end, threads

# Seconds between two looks at Ctrl-C.
_PAUSE = 0.1


class WorkersLostError(RunError):
    """The worker process of a cell died; the finished cells are kept."""


def _start_worker(parent: int, safe_path: bool) -> None:
    module_path.in_worker(safe_path)
    threading.Thread(target=process_end.end_worker_with, args=(parent,), daemon=True).start()
    # Ctrl-C goes to the whole process group: the parent alone decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threads.set_thread_count(1)
    threadpool_limits(1)  # of linear algebra: small products on several threads wait for one another
    warnings.simplefilter("ignore", PluginWarning)  # the parent has said it
    warnings.simplefilter("always", DiagnosticWarning)  # that it has not: it is told


def _work(payload: bytes) -> tuple[float, list[str]]:
    """Compute a cell; return the seconds it took and the warnings of diagnostics that raised.

    With a cause of death it is recorded as failed instead, here because diagnostics may be that cause.
    """
    cell, folder, on_error, plugins, death = cloudpickle.loads(payload)
    adopt(plugins)
    said: list[str] = []
    show = warnings.showwarning

    def collect(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
        if issubclass(category, DiagnosticWarning):
            said.append(str(message))
        else:
            show(message, category, *more, **named)

    warnings.showwarning = collect
    try:
        if death is not None:
            record_death(cell, folder, death)
            return 0.0, said
        return compute(cell, folder, on_error), said
    except BaseException as error:  # sys.exit would end the parent, to which everything is passed on
        raise portable(as_exception(error)) from error
    finally:
        warnings.showwarning = show


class Pool:
    """Cells on worker processes.

    A worker that dies takes the pool with it. Whose fault it was cannot be told, so what was running is
    computed again one by one, each on a worker of its own; a cell whose worker dies then is recorded as
    failed, or raised as an error if that is wanted. Then the rest goes on.
    """

    def __init__(
        self,
        folder: Path,
        workers: int,
        on_error: OnError,
        shown: Progress,
        raise_if_interrupted: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._workers = workers
        self._on_error = on_error
        self._shown = shown
        self._raise_if_interrupted = raise_if_interrupted
        self._failed: Failures = []
        self._settled: set[str] = set()
        self._death = ""

    def run(self, todo: Sequence[Cell]) -> Failures:
        """Compute cells; return those that raised an error or killed their workers."""
        while left := [cell for cell in todo if cell.key not in self._settled]:
            suspects = self._once(left, self._workers)
            if suspects:
                self._shown.note(
                    f"a worker process died; computing again what was running, {len(suspects)} cells"
                )
            for cell in suspects:
                if self._once([cell], 1):
                    self._give_up(cell)
        order = [cell.key for cell in todo]  # not that in which they happened to end
        return sorted(self._failed, key=lambda failure: order.index(failure[0].key))

    def _give_up(self, cell: Cell) -> None:
        """Record a cell as failed, or else its error: its workers die."""
        message = f"{DIED} ({self._death})" if self._death else DIED
        if self._on_error == "raise" or self._once([cell], 1, message):
            self._settle(cell)
            self._failed.append((cell, WorkersLostError(f"{message}.")))

    def _settle(self, cell: Cell) -> None:
        """Have done with a cell, whatever has become of its file: no cell is computed for ever."""
        self._settled.add(cell.key)
        attempts.forget(cell_files.cell_path(self._folder, cell))

    def _once(self, todo: Sequence[Cell], workers: int, death: str | None = None) -> list[Cell]:
        """Compute cells in a fresh pool until it is finished or breaks; return what was running then.

        Parameters
        ----------
        todo : the cells
        workers : the number of processes
        death : a message with which the cells are recorded as failed, instead of being computed
        """
        # loky, unlike the standard library's pool, does not import the user's script again in each worker,
        # so a study script needs no main guard, and it notices a worker that dies.
        from loky import ProcessPoolExecutor

        executor: Any = ProcessPoolExecutor(
            max_workers=workers,
            initializer=_start_worker,
            initargs=(os.getpid(), sys.flags.safe_path),
        )
        waiting = deque(todo)
        running: dict[Future[tuple[float, list[str]]], Cell] = {}
        handed_out: list[Cell] = []
        orderly = False
        try:
            while waiting or running:
                while waiting and len(running) < workers:  # no more than that, to know what was running
                    cell = waiting.popleft()
                    handed_out.append(cell)
                    _ = cell.diagnostic_keys  # of the code as it is here: a worker lacks files of plugins
                    payload = cloudpickle.dumps((cell, self._folder, self._on_error, carried(), death))
                    running[executor.submit(_work, payload)] = cell
                    self._raise_if_interrupted()
                ready, _ = wait(running, timeout=_PAUSE, return_when=FIRST_COMPLETED)
                self._raise_if_interrupted()
                # Those that are finished count, even if a worker has died meanwhile.
                for future in sorted(ready, key=lambda f: isinstance(f.exception(), BrokenProcessPool)):
                    self._take(future, running.pop(future))
            orderly = True
            return []
        except BrokenProcessPool as broken:
            found = re.search(r"exit codes of the workers are \{(.+?)\}", str(broken))
            self._death = re.sub(r"EXIT\((\d+)\)", r"exit code \1", found[1]) if found else ""
            return [cell for cell in handed_out if cell.key not in self._settled]
        finally:
            executor.shutdown(kill_workers=not orderly)

    def _take(self, future: Future[tuple[float, list[str]]], cell: Cell) -> None:
        """Take in what became of a cell, or raise BrokenProcessPool."""
        try:
            seconds, said = future.result()
        except BrokenProcessPool:
            raise
        except Exception as error:  # the other cells go on
            self._settle(cell)
            self._failed.append((cell, error))
            return
        self._settle(cell)
        self._shown.cell_done(cell, seconds)
        for text in said:
            warnings.warn(text, DiagnosticWarning, stacklevel=2)
