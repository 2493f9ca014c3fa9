"""Locks of kernels that are being compiled: of several processes that need one, a single one compiles it.

A kernel is locked from when its code is not found in the cache until the code is there. Kernels lock those
that they call after themselves and calls go round in no circle, so that no two processes wait for each other.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

try:
    import fcntl
except ImportError:  # Windows: each process compiles for itself
    fcntl = None  # type: ignore[assignment]

# The longest that anybody waits for another process: it may have been stopped. Without the lock all is as
# right, and compiled twice. And the time between two looks.
_PATIENCE, _PAUSE = 300.0, 0.02

_taken: dict[Callable[..., Any], TextIO] = {}


def take(kernel: Callable[..., Any], path: Path) -> bool:
    """Lock a kernel, waiting for another process that compiles it.

    Parameters
    ----------
    kernel : the Python function
    path : of the file that is locked, beside the code

    Returns
    -------
    bool
        whether the code may be there by now
    """
    if fcntl is None or kernel in _taken:
        return False
    with contextlib.suppress(OSError):  # no folder that can be written, or no locks in it
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
        begun = time.monotonic()
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > begun + _PATIENCE:
                    file.close()
                    return True
                time.sleep(_PAUSE)
            except OSError:
                file.close()
                raise
            else:
                _taken[kernel] = file
                return True
    return False


def release(kernel: Callable[..., Any]) -> None:
    """Unlock a kernel, if this process has locked it."""
    file = _taken.pop(kernel, None)
    if file is not None:
        with file, contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)  # a forked process may have the file open too
