"""Cells at which a process died without a word: remembered beside the finished ones."""

from __future__ import annotations

import functools
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

_MARK = ".running"


def _mark(path: Path) -> Path:
    return path.with_suffix(_MARK)


@contextmanager
def computing(path: Path) -> Iterator[None]:
    """Leave a mark beside a cell's file while it is computed; only a process that dies leaves it for good.

    Parameters
    ----------
    path : of the cell's file
    """
    pid = os.getpid()
    said = {**this_process(pid), "deaths": deaths(path)}
    mark = _mark(path)
    mark.write_text(json.dumps(said), encoding="utf-8")
    try:
        yield
    finally:
        if pid == os.getpid():  # and not a copy of it that a plugin has made by os.fork
            forget(path)


@functools.lru_cache(maxsize=1)
def this_process(pid: int) -> Mapping[str, Any]:
    """Return what tells this process from all others, on any machine."""
    return {"host": platform.node(), "pid": pid, "started": psutil.Process(pid).create_time()}


def deaths(path: Path) -> int:
    """Return how many processes in a row died while they computed a cell, as far as marks tell."""
    try:
        said = json.loads(_mark(path).read_text(encoding="utf-8"))
        before, host, pid, started = (said[key] for key in ("deaths", "host", "pid", "started"))
        return int(before) + (not runs(str(host), int(pid), float(started)))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, TypeError, KeyError):  # a mark that was not written to its end
        return 1


def forget(path: Path) -> None:
    """Remove the mark of a cell."""
    _mark(path).unlink(missing_ok=True)


def runs(host: str, pid: int, started: float) -> bool:
    """Return whether a process goes on. On another machine it does not: that costs a worker process."""
    try:
        return host == platform.node() and abs(psutil.Process(pid).create_time() - started) < 1.0
    except psutil.Error:
        return False
