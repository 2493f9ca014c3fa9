"""Cells that do not come back: told while a run waits for them, so that nobody waits in silence for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from gfcompare.system.threads import OWN

# A cell is told of after so many seconds, if that is so many times as long as any other has taken; then each
# time that it has taken twice as long.
_FIRST, _TIMES, _AGAIN = 60.0, 10.0, 2.0
# Seconds between two looks.
_PAUSE = 1.0

#: Cells that are computed together: their labels, and since when by the monotonic clock.
Running = Sequence[tuple[Sequence[str], float]]


class Overdue:
    """Tells of cells without a time limit that have been running for long.

    Parameters
    ----------
    running : returns what is running
    note : is told, from a thread
    """

    def __init__(self, running: Callable[[], Running], note: Callable[[str], object]) -> None:
        self._running = running
        self._note = note
        self._next: dict[str, float] = {}
        #: Seconds that the longest cell so far has taken, 0 as long as none has ended.
        self.longest = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look again and again, until the context ends."""
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=(ended,), name=f"{OWN}overdue cells", daemon=True)
        watch.start()
        try:
            yield
        finally:
            ended.set()
            watch.join(_PAUSE)

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(_PAUSE):
            for text in self.look(time.monotonic()):
                self._note(text)

    def look(self, now: float) -> list[str]:
        """Return what is to be told at a time of the monotonic clock."""
        found = []
        for labels, since in self._running():
            seconds = now - since
            due = self._next.get(labels[0], max(_FIRST, _TIMES * self.longest))
            if seconds < due:
                continue
            self._next[labels[0]] = _AGAIN * seconds
            others = f" and {len(labels) - 1} more" if labels[1:] else ""
            before = (
                f"the longest cell so far took {_words(self.longest)}"
                if self.longest
                else "none has ended yet"
            )
            found.append(
                f"no answer from {labels[0]}{others} for {_words(seconds)} ({before}). It is waited for. "
                "Ctrl-C stops the run, and the same command goes on with what is finished; time_limit in "
                "the study ends a method that does not come back."
            )
        return found


def _words(seconds: float) -> str:
    """Return a duration as text."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.2g} s"
