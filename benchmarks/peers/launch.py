"""One method on one task in a process of its own, which is stopped when its time is up."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.peers.task import Array, Task
from benchmarks.peers.worker import Order

#: Seconds that a method may take to load, compile and warm up, which are not counted.
WARM_UP = 120.0


@dataclass(frozen=True)
class Method:
    """A way to do a task.

    Attributes
    ----------
    name : as it is shown
    module : of benchmarks.peers
    function : in the module
    requires : packages without which there is nothing to measure
    """

    name: str
    module: str
    function: str
    requires: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(name for name in self.requires if importlib.util.find_spec(name) is None)


@dataclass
class Outcome:
    """Outcome of a process.

    Attributes
    ----------
    status : "measured", "time limit", "not installed", "failed" or "not run"
    seconds : wall time for one network (of the ensemble that was fastest for one)
    networks : how many were taken together
    warm_up : seconds of loading, compiling and warming up
    limit : seconds it was given
    theta : at the end, shape (networks, P)
    gradient : at the initial networks
    note : why it is not measured
    """

    status: str
    seconds: float | None = None
    networks: int = 0
    warm_up: float = 0.0
    limit: float = 0.0
    theta: Array | None = field(default=None, repr=False)
    gradient: Array | None = field(default=None, repr=False)
    note: str = ""


def run(
    method: Method,
    task: Task,
    limit: float,
    *,
    counts: tuple[int, ...] = (),
    with_gradient: bool = False,
    warm_up: float = WARM_UP,
) -> Outcome:
    """Measure a method.

    Parameters
    ----------
    method, task : what is measured
    limit : seconds for all runs together
    counts : numbers of networks that are tried together, in this order; by default all. What was measured
        counts even if there is no time for the next
    with_gradient : whether the gradient at the initial networks is wanted too
    warm_up : seconds for loading, compiling and warming up
    """
    if method.missing:
        return Outcome("not installed", note=f"{', '.join(method.missing)} not installed")
    order = Order(
        f"benchmarks.peers.{method.module}",
        method.function,
        task,
        counts or (len(task.theta),),
        limit,
        with_gradient,
    )
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )
        found: queue.Queue[dict[str, Any]] = queue.Queue()
        listener = threading.Thread(target=_listen, args=(process, order, found))
        listener.start()
        try:
            return _followed(found, order, warm_up, errors)
        finally:
            _end(process)
            listener.join()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _listen(process: subprocess.Popen[bytes], order: Order, found: queue.Queue[dict[str, Any]]) -> None:
    """Give the order and pass on what the process finds out, and that it has ended."""
    with contextlib.suppress(BrokenPipeError), process.stdin:  # type: ignore[union-attr]
        pickle.dump(order, process.stdin)  # type: ignore[arg-type]
    with contextlib.suppress(EOFError, pickle.UnpicklingError), process.stdout:  # type: ignore[union-attr]
        while True:
            found.put(pickle.load(process.stdout))  # type: ignore[arg-type]
    found.put({"stage": "ended"})


def _followed(found: queue.Queue[dict[str, Any]], order: Order, warm_up: float, errors: BinaryIO) -> Outcome:
    """Listen until the process is done or its time is up."""
    outcome = Outcome("failed", limit=order.limit)
    left, running = order.limit, False
    while True:
        began = time.perf_counter()
        try:
            message = found.get(timeout=left if running else warm_up)
        except queue.Empty:
            if outcome.status == "measured":
                return outcome
            outcome.status = "time limit"
            outcome.networks = order.counts[0]
            outcome.note = (
                f"> {order.limit:g} s" if running else f"> {warm_up:g} s to load, compile and warm up"
            )
            return outcome
        match message.pop("stage"):
            case "gradient":
                outcome.gradient = message["gradient"]
            case "ready":
                running = True
                outcome.warm_up = max(outcome.warm_up, message["warm_up"])
            case "done":
                running = False
                left = max(left - (time.perf_counter() - began), 0.0)
                if outcome.seconds is None or message["seconds"] <= outcome.seconds:
                    outcome.seconds, outcome.networks = message["seconds"], message["networks"]
                outcome.status, outcome.theta = "measured", message["theta"]
            case "failed" if outcome.status != "measured":
                outcome.note = message["message"]
            case "ended":
                if outcome.status != "measured" and not outcome.note:
                    outcome.note = _last_line(errors)
                return outcome


def _last_line(errors: BinaryIO) -> str:
    """Return the last thing that a process wrote to standard error."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "the process ended without a word"
