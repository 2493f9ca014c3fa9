"""Worker processes of this machine: their preparation, and tasks that are independent of each other."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.util import Finalize
from typing import Any, TypeVar

import cloudpickle
from threadpoolctl import threadpool_limits

from gfcompare.system import module_path, process_end, threads

Task = TypeVar("Task")
Result = TypeVar("Result")

# A worker loads gfcompare for some seconds: it starts when this process has been busy for as many.
_PATIENCE = 5.0
# Tasks in hand for each worker: one that it does, and the next.
_AHEAD = 2
# Seconds between two looks at whether Ctrl-C was pressed.
_PAUSE = 0.2


def prepare(parent: int, safe_path: bool, memory: int | None) -> None:
    """Prepare a worker process of this machine.

    Parameters
    ----------
    parent : the process it works for, with which it ends
    safe_path : ``sys.flags.safe_path`` of that
    memory : bytes that it may use; more is an error of what asks for it
    """
    process_end.die_with_parent()
    module_path.in_worker(safe_path)
    # What a plugin has started and left running ends with the worker, in whose place nobody knows of it.
    Finalize(None, process_end.end_children, exitpriority=0)
    threading.Thread(target=process_end.end_worker_with, args=(parent,), daemon=True).start()
    # Ctrl-C goes to the whole process group: the parent alone decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)  # of linear algebra: small products on several threads wait for one another
    _limit_memory(memory)


def _limit_memory(size: int | None) -> None:
    try:
        import resource

        if size is not None:
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            bounded = size if hard == resource.RLIM_INFINITY else min(size, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (bounded, hard))
    except (ImportError, AttributeError, ValueError, OSError):  # not on every system
        pass


def safe_path() -> bool:
    """Return whether this process does not import from the current folder."""
    return bool(sys.flags.safe_path)


def completed(
    tasks: Iterable[Task], work: Callable[[Task], Result], jobs: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Yield the number and the result of each task, in the order in which they come.

    Parameters
    ----------
    tasks : taken as they are needed
    work : called with each of them; what it raises is raised here
    jobs : number of processes; None is one for each core, once the tasks have taken some seconds

    Notes
    -----
    A task that cannot be sent to a worker, or whose worker is lost, is done in this process.
    """
    workers = threads.available_cores() if jobs is None else jobs
    patience = _PATIENCE if jobs is None else 0.0
    left, began = enumerate(tasks), time.monotonic()
    while True:
        alone = workers <= 1 or time.monotonic() < began + patience
        ahead = list(itertools.islice(left, 1 if alone else _AHEAD * workers))
        # A few last tasks are not worth the start of a worker, unless it is asked for.
        enough = len(ahead) > 1 if jobs is not None else len(ahead) == _AHEAD * workers
        if not alone and enough:
            yield from _by_workers(itertools.chain(ahead, left), work, min(workers, len(ahead)))
            return
        if not ahead:
            return
        for number, task in ahead:
            yield number, work(task)


def _by_workers(
    tasks: Iterator[tuple[int, Task]], work: Callable[[Task], Result], count: int
) -> Iterator[tuple[int, Result]]:
    """Yield the results of tasks that worker processes do."""
    from loky import ProcessPoolExecutor

    with process_end.deferred_interrupt() as raise_if_pressed:
        executor: Any = ProcessPoolExecutor(
            max_workers=count, initializer=_start, initargs=(os.getpid(), safe_path())
        )
        running: dict[Future[Any], tuple[int, Task]] = {}
        orderly = False
        try:
            for number, task in tasks:
                future = _submitted(executor, work, task)
                if future is None:
                    yield number, work(task)
                    continue
                running[future] = number, task
                while len(running) >= _AHEAD * count:
                    raise_if_pressed()
                    yield from _ready(running, work)
            while running:
                raise_if_pressed()
                yield from _ready(running, work)
            orderly = True
        finally:
            executor.shutdown(kill_workers=not orderly)


def _start(parent: int, safe_path: bool) -> None:
    """Prepare a worker, which has one thread."""
    prepare(parent, safe_path, None)
    threads.set_thread_count(1)


def _submitted(executor: Any, work: Callable[[Task], Result], task: Task) -> Future[Any] | None:
    """Return what stands for the result of a task, None if no worker can have it."""
    try:
        payload = cloudpickle.dumps((work, task))
    except Exception:  # what somebody's target holds may be anything, such as a lock
        return None
    try:
        with module_path.for_workers():
            future: Future[Any] = executor.submit(_done, payload)
    except BrokenProcessPool:  # one worker has died, and the others with it
        return None
    return future


def _ready(
    running: dict[Future[Any], tuple[int, Task]], work: Callable[[Task], Result]
) -> Iterator[tuple[int, Result]]:
    """Yield the results of tasks that have ended, and take these from those that run; wait for a moment."""
    for future in wait(running, timeout=_PAUSE, return_when=FIRST_COMPLETED).done:
        number, task = running.pop(future)
        try:
            result: Result = future.result()
        except BrokenProcessPool:
            result = work(task)
        yield number, result


def _done(payload: bytes) -> Any:
    """Do a task in a worker."""
    work, task = cloudpickle.loads(payload)
    return work(task)
