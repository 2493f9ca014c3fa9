"""The end of processes: Ctrl-C at a moment that loses nothing, and threads left running by others."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


class ThreadsLeftWarning(UserWarning):
    """Threads that a plugin has started go on after a run, and keep the program from ending."""


# Seconds that threads have to end after the main thread, and between two looks at a process.
_GRACE, _PAUSE = 2.0, 0.5
# Seconds after one Ctrl-C in which another is the same: a plugin that ignores it can be stopped later; and
# after which it is looked whether the KeyboardInterrupt was lost.
_SAME, _LOST = 1.0, 1.5
_last = -_SAME
# Of prctl, in linux/prctl.h.
_SET_PARENT_DEATH_SIGNAL = 1


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back; yield what raises the KeyboardInterrupt if it was pressed, however often.

    Raised in the middle of starting or stopping processes it would leave locks and pipes in a state for
    which others wait for ever. The caller asks several times a second, and stops its processes within the
    context: pressing Ctrl-C once more then changes nothing. In threads other than the main one, where
    Python does not handle signals, and where Ctrl-C does not raise an error, nothing changes.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield lambda: None
        return
    pressed: list[tuple[int, FrameType | None]] = []

    def raise_if_pressed() -> None:
        if pressed:
            before(*pressed[0])

    signal.signal(signal.SIGINT, lambda number, frame: pressed.append((number, frame)))
    try:
        yield raise_if_pressed
    finally:
        ending = bool(pressed) and before is _interrupt
        signal.signal(signal.SIGINT, signal.SIG_IGN if ending else before)
    raise_if_pressed()  # after the last question


def end_at_interrupt() -> None:
    """Let Ctrl-C end this program, and pressed again meanwhile change nothing about how it ends."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and not ignored, as by nohup
        signal.signal(signal.SIGINT, _interrupt)
        show = sys.unraisablehook
        # One that was lost is raised again: see `_insist`.
        sys.unraisablehook = lambda lost: None if lost.exc_type is KeyboardInterrupt else show(lost)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _last
    before, _last = _last, time.monotonic()
    if _last - before >= _SAME:
        # Not by `threading`, whose locks may be held where the signal has come.
        _thread.start_new_thread(_insist, ())
        raise KeyboardInterrupt


def _insist() -> None:
    """Send the signal again if its KeyboardInterrupt was lost, until the program ends by it.

    Python ignores an error in a finaliser or in the callback of a weak reference, as libraries do in calls
    from C: the command would go on as if nothing had been pressed.
    """
    time.sleep(_LOST)
    handler = signal.getsignal(signal.SIGINT)
    while handler is not signal.SIG_IGN:
        if handler is _interrupt and not _is_handled():
            os.kill(os.getpid(), signal.SIGINT)  # which starts this anew
            return
        time.sleep(_PAUSE)
        handler = signal.getsignal(signal.SIGINT)


def _is_handled() -> bool:
    """Return whether the main thread is on its way out: in what is done at the end, which may take long."""
    found: Any = sys._current_exceptions().get(threading.main_thread().ident or 0)
    error = found[1] if isinstance(found, tuple) else found
    while error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
        error = error.__cause__ or error.__context__
    return error is not None


def ignore_interrupts() -> None:
    """Let Ctrl-C do nothing any more, if this is a program that it has ended."""
    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def forget_interrupt() -> None:
    """Let Python end with the exit code that it is given, after a KeyboardInterrupt that was handled.

    One that has come through text that was executed, as that of a dataclass is, makes it end by the signal
    instead, unless another text is executed afterwards (`unhandled_keyboard_interrupt` in CPython).
    """
    eval("None")


def die_with_parent() -> None:
    """Let the system end this process when its parent dies, also one that hears nothing, where it can."""
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)


def end_worker_with(parent: int) -> None:
    """End this process when its parent is gone, or when it has nothing more to do; start it in a thread.

    A parent that was killed can tell its workers nothing. A worker that was told to end does not, while a
    thread runs that a plugin has started, and its parent waits for it.
    """
    while os.getppid() == parent:
        if not threading.main_thread().is_alive():
            _wait_for(_others())
            os._exit(0)
        time.sleep(_PAUSE)
    end_children()
    os._exit(1)


def end_children() -> None:
    """End the processes that this one has started, and those that they have."""
    import psutil

    with suppress(psutil.Error, OSError):  # a process without files to open learns nothing
        for each in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                each.kill()


def end_in_spite_of_threads(code: int) -> None:
    """Let this process end with an exit code soon after its main thread, even if other threads go on."""
    if _others():
        threading.Thread(target=_end_after_main_thread, args=(code,), daemon=True).start()


@contextmanager
def warning_of_threads() -> Iterator[None]:
    """Warn of threads that were started within the context and go on after it, if it ends as it should.

    A program of somebody else is not ended in spite of them, as a command is: they may be its own.
    """
    before = set(_others())
    yield
    started = [thread for thread in _others() if thread not in before and not _is_of_executor(thread)]
    if left := _wait_for(started):
        names = ", ".join(repr(thread.name) for thread in left)
        warnings.warn(
            f"threads that were started during the run still go on: {names}. Python does not end before "
            "they do: daemon=True where a plugin starts them lets it.",
            ThreadsLeftWarning,
            stacklevel=4,  # of the caller of what this context is in
        )


def _is_of_executor(thread: threading.Thread) -> bool:
    """Return whether a thread belongs to a ThreadPoolExecutor, which ends its threads with the program."""
    from concurrent.futures import thread as pools

    queues: Any = getattr(pools, "_threads_queues", {})
    return thread in queues


def _end_after_main_thread(code: int) -> None:
    while threading.main_thread().is_alive():
        time.sleep(_PAUSE / 10)
    left = _wait_for(_others())
    if not left:
        return
    with suppress(Exception):  # of streams that are closed
        names = ", ".join(repr(thread.name) for thread in left)
        print(f"ended, although threads that a plugin has started still run: {names}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _others() -> list[threading.Thread]:
    """Return the threads for which Python waits before a process ends."""
    return [t for t in threading.enumerate() if not t.daemon and t is not threading.main_thread()]


def _wait_for(threads: list[threading.Thread]) -> list[threading.Thread]:
    """Give threads some time to end; return those that have not."""
    until = time.monotonic() + _GRACE
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return [thread for thread in threads if thread.is_alive()]
