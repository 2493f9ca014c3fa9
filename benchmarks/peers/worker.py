"""The process in which one method does one task: python -m benchmarks.peers.worker, started by `launch`.

It reads a pickled `Order` and writes pickled dictionaries, one for each thing it has found out, so that
what was measured before the time ran out is kept.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import time
from dataclasses import dataclass
from typing import Any, BinaryIO

from benchmarks.peers.task import Run, Task


@dataclass(frozen=True)
class Order:
    """Order to a process.

    Attributes
    ----------
    module, function : of the method, which prepares a `Run` for a task
    task : the task
    counts : how many of the networks are taken together, one number after the other
    limit : seconds for all runs together
    with_gradient : whether the gradient at the initial networks is wanted
    """

    module: str
    function: str
    task: Task
    counts: tuple[int, ...]
    limit: float
    with_gradient: bool


# All networks together are tried if they would be done in time were they this many times faster together.
_GAIN = 4


def _timed(run: Run, wanted: float) -> tuple[list[float], Any]:
    """Return the times of one to five runs, and theta at the end."""
    times: list[float] = []
    while True:
        began = time.perf_counter()
        theta = run()
        times.append(time.perf_counter() - began)
        if len(times) == 5 or sum(times) >= wanted:
            return times, theta


def _obey(order: Order, out: BinaryIO) -> None:
    def send(stage: str, **found: Any) -> None:
        pickle.dump({"stage": stage, **found}, out)
        out.flush()

    began = time.perf_counter()
    module = importlib.import_module(order.module)
    loading = time.perf_counter() - began
    if order.with_gradient:
        send("gradient", gradient=module.gradient(order.task))
    left, each = order.limit, 0.0
    for count in order.counts:
        if each * count > _GAIN * left:
            return
        task = order.task.first(count)
        began = time.perf_counter()
        run = getattr(module, order.function)(task)
        send("ready", warm_up=loading + time.perf_counter() - began)
        times, theta = _timed(run, task.seconds)
        left -= sum(times)
        each = min(times) / count
        send("done", seconds=each, networks=count, theta=theta)


def main() -> None:
    """Do what standard input says."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a package prints must not come between
    order = pickle.load(sys.stdin.buffer)
    try:
        _obey(order, out)
    except Exception as error:  # whatever a peer raises is a result
        pickle.dump({"stage": "failed", "message": f"{type(error).__name__}: {error}"}, out)
    pickle.dump({"stage": "ended"}, out)  # processes that this one started may keep its standard output open
    out.flush()
    sys.stdout.flush()
    os._exit(0)  # thread pools of the packages must not hold the process up


if __name__ == "__main__":
    main()
