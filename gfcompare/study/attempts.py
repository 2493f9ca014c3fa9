"""Cells at which a process died without a word: remembered beside the finished ones."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gfcompare.system.process_identity import ProcessIdentity, this_process

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
    said = {**dataclasses.asdict(this_process()), "deaths": deaths(path)}
    mark = _mark(path)
    mark.write_text(json.dumps(said), encoding="utf-8")
    try:
        yield
    finally:
        if pid == os.getpid():  # and not a copy of it that a plugin has made by os.fork
            forget(path)


def deaths(path: Path) -> int:
    """Return how many processes in a row died while they computed a cell, as far as marks tell."""
    try:
        said = json.loads(_mark(path).read_text(encoding="utf-8"))
        # One of another machine counts as dead: that costs a worker process.
        return int(said["deaths"]) + (not ProcessIdentity.read(said).runs)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, TypeError, KeyError):  # a mark that was not written to its end
        return 1


def forget(path: Path) -> None:
    """Remove the mark of a cell."""
    _mark(path).unlink(missing_ok=True)
