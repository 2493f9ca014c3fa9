"""The global state of a process, protected from changes by foreign code."""

from __future__ import annotations

import ctypes
import functools
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from gfcompare.system import threads

# Of a run, which dies with a worker that ignores them or has no files to open.
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD", "SIGALRM", "SIGPIPE")
_LIMITS = ("RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE")


@contextmanager
def kept() -> Iterator[None]:
    """Restore what is global afterwards, so that no plugin changes it for the cells that come next.

    The current folder, the mask of new files, the environment, the module path, how NumPy treats errors of
    floating-point numbers, rounding and denormal numbers, warning filters, the recursion limit, the number of
    threads, standard streams, how signals are handled, alarms, limits of resources and the global random
    numbers of Python and NumPy.
    """
    restore = [
        _resources(), _folder(), _mask(), _environment(), _path(), _errors(), _floating_point(), _filters(),
        _limit(), _threads(), _streams(), _signals(), _alarm(), _random(),
    ]  # fmt: skip
    try:
        yield
    finally:
        for each in restore:
            with suppress(OSError, ValueError):
                each()


def _resources() -> Callable[[], Any]:
    try:
        import resource
    except ImportError:  # not POSIX
        return lambda: None
    before = {getattr(resource, name): resource.getrlimit(getattr(resource, name)) for name in _LIMITS}

    def restore() -> None:
        for number, limits in before.items():
            if resource.getrlimit(number) != limits:
                with suppress(OSError, ValueError):  # what was lowered for good
                    resource.setrlimit(number, limits)

    return restore


def _folder() -> Callable[[], Any]:
    try:
        before = Path.cwd()
    except OSError:  # it was removed
        return lambda: None
    return lambda: os.chdir(before)


def _mask() -> Callable[[], Any]:
    before = os.umask(0o077)
    os.umask(before)
    return lambda: os.umask(before)


def _environment() -> Callable[[], Any]:
    before = dict(os.environ)

    def restore() -> None:
        if os.environ != before:
            for name in set(os.environ) - set(before):
                del os.environ[name]
            os.environ.update(before)

    return restore


def _path() -> Callable[[], Any]:
    before = list(sys.path)

    def restore() -> None:
        # What was added lets a plugin import its modules later on.
        sys.path[:] = before + [entry for entry in sys.path if entry not in before]

    return restore


def _errors() -> Callable[[], Any]:
    before = np.geterr()
    return lambda: np.seterr(**before)


def _floating_point() -> Callable[[], Any]:
    library = _mathematics()
    if library is None:
        return lambda: None
    before = ctypes.create_string_buffer(512)  # fenv_t has 32 bytes here, no more than that anywhere
    return (lambda: library.fesetenv(before)) if library.fegetenv(before) == 0 else (lambda: None)


@functools.cache
def _mathematics() -> Any:
    try:
        library = ctypes.CDLL(None if sys.platform != "linux" else "libm.so.6")
        _ = library.fegetenv, library.fesetenv
    except (OSError, AttributeError):
        return None
    return library


def _filters() -> Callable[[], Any]:
    before, show = list(warnings.filters), warnings.showwarning

    def restore() -> None:
        if list(warnings.filters) != before:
            warnings.resetwarnings()
            warnings.filters[:] = before  # type: ignore[index]
        warnings.showwarning = show

    return restore


def _limit() -> Callable[[], Any]:
    before = sys.getrecursionlimit()
    return lambda: sys.setrecursionlimit(before)


def _threads() -> Callable[[], Any]:
    before = threads.chosen_count()
    return lambda: threads.set_thread_count(before)


def _streams() -> Callable[[], Any]:
    before = sys.stdin, sys.stdout, sys.stderr

    def restore() -> None:
        sys.stdin, sys.stdout, sys.stderr = before

    return restore


def _signals() -> Callable[[], Any]:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)

    return restore


def _alarm() -> Callable[[], Any]:
    if not hasattr(signal, "getitimer") or signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0):
        return lambda: None  # that of whoever has started the run goes on
    return lambda: signal.setitimer(signal.ITIMER_REAL, 0.0)


def _random() -> Callable[[], Any]:
    before, own = np.random.get_state(), random.getstate()  # noqa: NPY002 (the global one is what is kept)

    def restore() -> None:
        np.random.set_state(before)  # noqa: NPY002
        random.setstate(own)

    return restore
