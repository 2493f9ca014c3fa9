"""The number of threads of compiled kernels, and the distribution of rows among them."""

from __future__ import annotations

import functools
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from gfcompare.components.errors import InputError

_threads: int | None = None


def available_cores() -> int:
    """Return the number of cores this process may use: of the machine, or of its container's share of it."""
    share = _share()
    return min(share, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else share


@functools.cache
def _share() -> int:
    """Return the number of cores within the quota of a container and the variable LOKY_MAX_CPU_COUNT."""
    import loky

    return max(1, int(loky.cpu_count()))


def thread_count() -> int:
    """Return the number of threads in use: `set_thread_count`, or every core."""
    return _threads if _threads is not None else available_cores()


def chosen_count() -> int | None:
    """Return the number of threads that `set_thread_count` has set, None for every core."""
    return _threads


def set_thread_count(count: int | None) -> None:
    """Set the number of threads of this process; None means every core.

    Results do not depend on it: a trajectory is computed by one thread from its own data.
    """
    global _threads
    if count is not None and count < 1:
        raise InputError(f"the number of threads must be at least 1, got {count}.")
    _threads = count


def share_rows(
    rows: int, work: Callable[[slice], None], *, threads: int | None = None, pieces: int = 1
) -> None:
    """Call `work` on slices that make up range(rows), on several threads at once.

    `work` must release the GIL to gain anything, as the compiled kernels do.

    Parameters
    ----------
    rows : to share out
    work : called with a slice
    threads : at most so many at once; None is `thread_count`
    pieces : slices for each thread. A thread that is free takes the next slice: where the rows' times
        differ much, more slices keep a slow row from holding up the others
    """
    count = min(rows, threads or thread_count())
    if count <= 1:
        work(slice(0, rows))
        return
    slices = min(rows, count * pieces)
    edges = [rows * i // slices for i in range(slices + 1)]
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, [slice(a, b) for a, b in itertools.pairwise(edges)]))


_one_at_a_time = threading.RLock()


@contextmanager
def single_thread_of_linear_algebra() -> Iterator[None]:
    """Let NumPy's linear algebra use one thread within a `with` statement, and one caller at a time.

    Several wait for one another: the eigenvalues of a matrix with 193 rows take 1.4 ms on one thread, and
    140 ms on two where other processes use the cores.
    """
    with _one_at_a_time:
        before = [(library, library.get_num_threads()) for library in _linear_algebra()]
        for library, count in before:
            if count != 1:
                library.set_num_threads(1)
        try:
            yield
        finally:
            for library, count in before:
                if count != 1:
                    library.set_num_threads(count)


@functools.cache
def _linear_algebra() -> list[Any]:
    """Return the libraries of linear algebra that are loaded."""
    from threadpoolctl import ThreadpoolController

    return [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]
