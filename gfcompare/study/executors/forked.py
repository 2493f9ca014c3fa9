"""Worker processes that are copies of this one: there in milliseconds, with all that is loaded."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import psutil
from threadpoolctl import threadpool_info

from gfcompare.study.executors import worker
from gfcompare.study.executors.base import NO_ANSWER, Answer, Executor
from gfcompare.study.jobs import Task
from gfcompare.system import process_end
from gfcompare.system.memory import memory_of_each
from gfcompare.system.threads import is_harmless_to_copies
from gfcompare.system.workers import prepare, safe_path

# Bytes before a message that say how long it is; no bytes at all mean: end.
_HEAD = 8
_BLOCK = 1 << 20
# Seconds that a worker has to end when it is told to.
_GRACE = 5.0
# Seconds after which a thread that has ended is gone for the system as well.
_LINGER = 0.2


def can_fork() -> bool:
    """Return whether copies of this process work: no thread runs in it whose locks they would find locked.

    Copies have one thread only. Those of linear algebra are expected, wait for work, and are started again in
    a copy; those of notebooks, of PyTorch, JAX or the user's own are not known.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return False
    others = [each for each in threading.enumerate() if each is not threading.main_thread()]
    if not all(map(is_harmless_to_copies, others)) or not Path("/proc/self/task").is_dir():
        return False
    cores = os.cpu_count() or 1
    expected = sum(max(cores, int(pool["num_threads"])) - 1 for pool in threadpool_info() if _is_blas(pool))
    until = time.monotonic() + _LINGER
    while _running() > 1 + len(others) + expected:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def _running() -> int:
    """Return how many threads the system knows of this process."""
    return len(list(Path("/proc/self/task").iterdir()))


def _is_blas(pool: dict[str, Any]) -> bool:
    return bool(pool["internal_api"] == "openblas" and pool["threading_layer"] == "pthreads")


@dataclass(eq=False)
class _Worker:
    """A process, what of its task it has not taken yet, what of its answer is there, and until when."""

    process: Any
    to: int
    back: int
    ticket: int = 0
    until: float | None = None
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    read: bytearray = field(default_factory=bytearray)

    @property
    def is_idle(self) -> bool:
        return self.ticket == 0

    def send(self) -> None:
        """Write what the pipe takes of the task: a worker that does not read is not waited for here."""
        with contextlib.suppress(OSError):  # of one that has died, which is seen elsewhere
            while self.unsent:
                self.unsent = self.unsent[os.write(self.to, self.unsent) :]

    def close(self) -> None:
        """Close this process's ends of the pipes."""
        for end in (self.to, self.back):
            with contextlib.suppress(OSError):
                os.close(end)


class Forked(Executor):
    """Worker processes that are forked from this one; where that is not safe there is `Processes`.

    Parameters
    ----------
    workers : how many
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
        for each in self._workers.copy():
            if each.is_idle and each.process.exitcode is not None:  # it has died since it answered
                self._discard(each)
        idle = next((each for each in self._workers if each.is_idle), None) or self._start()
        self._count += 1
        idle.ticket = self._count
        idle.until = None if task.patience is None else time.monotonic() + task.patience
        idle.unsent = memoryview(_message(worker.packed(task)))
        idle.send()
        return idle.ticket

    def gather(self, timeout: float) -> list[Answer]:
        """Return the answers that are there; a worker that died, or is silent for too long, is lost."""
        busy = {each.back: each for each in self._workers if not each.is_idle}
        if not busy:
            return []
        poll = select.poll()  # unlike select, for descriptors of any number
        for end, each in busy.items():
            poll.register(end, select.POLLIN)
            if each.unsent:
                poll.register(each.to, select.POLLOUT)
        ready = [end for end, _ in poll.poll(1000.0 * timeout)]
        for each in busy.values():
            each.send()
        found = [self._heard(busy[end]) for end in ready if end in busy]
        for each in self._workers.copy():
            if each.is_idle:
                continue
            if each.process.exitcode is not None and not _has_more(each.back):
                # A program that it started may hold its end of the pipe open.
                found.append(self._lost(each))
            elif each.until is not None and time.monotonic() > each.until:
                # It was stopped, or the clock within it was.
                ticket = each.ticket
                self._discard(each)
                found.append(Answer(ticket, lost=NO_ANSWER))
        return [answer for answer in found if answer is not None]

    def close(self, orderly: bool) -> None:
        """End all workers."""
        workers, self._workers = self._workers, []
        if orderly:
            for each in workers:
                with contextlib.suppress(OSError):
                    os.write(each.to, bytes(_HEAD))
            until = time.monotonic() + _GRACE
            for each in workers:
                each.process.join(max(0.0, until - time.monotonic()))
        for each in workers:
            _kill(each.process)
            each.close()

    def _start(self) -> _Worker:
        memory = memory_of_each(self._slots)
        (there, to), (back, answer) = os.pipe(), os.pipe()
        # Held by this process, and so closed in the copy: an end of a pipe is known by all who hold it.
        others = [end for each in self._workers for end in (each.to, each.back)]
        process = multiprocessing.get_context("fork").Process(
            target=_serve,
            args=(there, answer, [to, back, *others], os.getpid(), safe_path(), memory),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which `can_fork` knows
            process.start()
        os.close(there)
        os.close(answer)
        os.set_blocking(to, False)
        self._workers.append(_Worker(process, to, back))
        return self._workers[-1]

    def _heard(self, each: _Worker) -> Answer | None:
        """Take what a worker has written; return its answer if that is all of it."""
        data = os.read(each.back, _BLOCK)
        if not data:
            each.process.join(_GRACE)
            return self._lost(each)
        each.read += data
        if len(each.read) < _HEAD or len(each.read) < _HEAD + _size(each.read):
            return None
        ticket, each.ticket = each.ticket, 0
        found = cloudpickle.loads(memoryview(each.read)[_HEAD:])
        each.read = bytearray()
        return Answer(ticket, error=found) if isinstance(found, Exception) else Answer(ticket, tuple(found))

    def _lost(self, each: _Worker) -> Answer:
        code, ticket = each.process.exitcode, each.ticket
        self._discard(each)
        return Answer(ticket, lost=_cause(code))

    def _discard(self, each: _Worker) -> None:
        self._workers.remove(each)
        _kill(each.process)
        each.close()
        each.ticket = 0


def _has_more(end: int) -> bool:
    poll = select.poll()
    poll.register(end, select.POLLIN)
    return any(event & select.POLLIN for _, event in poll.poll(0))


def _kill(process: Any) -> None:
    """End a worker, and what it has started."""
    if process.exitcode is None:
        started: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            started = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for each in started:
            with contextlib.suppress(psutil.Error):
                each.kill()
    process.join()
    process.close()


def _cause(code: int | None) -> str:
    """Return how a worker died."""
    if code is None:
        return "it closed its pipe"
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"{signal.Signals(-code).name}({code})"
    except ValueError:
        return f"signal {-code}"


def _size(data: bytes | bytearray) -> int:
    return int.from_bytes(data[:_HEAD], "little")


def _message(data: bytes) -> bytes:
    """Return data with its length before it."""
    return len(data).to_bytes(_HEAD, "little") + data


def _write(end: int, data: bytes) -> None:
    rest = memoryview(_message(data))
    while rest:
        rest = rest[os.write(end, rest) :]


def _read(end: int, size: int) -> bytes:
    """Return so many bytes, fewer if there are no more."""
    found = bytearray()
    while len(found) < size and (data := os.read(end, min(size - len(found), _BLOCK))):
        found += data
    return bytes(found)


def _serve(
    tasks: int, answers: int, foreign: Sequence[int], parent: int, safe_path: bool, memory: int | None
) -> None:
    """Do tasks until there are no more: what runs in a worker."""
    for end in foreign:
        os.close(end)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    sys.stdout, sys.stderr = _stream(sys.stdout), _stream(sys.stderr)
    np.random.seed()  # noqa: NPY002 (copies would draw the same)
    prepare(parent, safe_path, memory)
    mine = os.getpid()
    try:
        while (size := _size(_read(tasks, _HEAD))) > 0:
            answer = worker.work(_read(tasks, size))
            if os.getpid() != mine:  # a copy that a plugin has made by os.fork, and let return
                os._exit(0)
            _write(answers, answer)
    except OSError:  # a plugin has closed the pipe, or the parent is gone
        process_end.end_children()
        os._exit(1)


def _stream(inherited: Any) -> Any:
    """Return a stream to the same file, whose lock no thread holds that is not here."""
    try:
        return open(inherited.fileno(), "w", closefd=False, buffering=1)
    except (AttributeError, OSError, ValueError):  # it was closed, or is no file
        return None
