"""The identity of a process: what tells it from all others, in files that outlive it."""

from __future__ import annotations

import functools
import os
import platform
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

# Seconds by which the same process may seem to have started at another time.
_CLOCK = 1.0


@dataclass(frozen=True)
class ProcessIdentity:
    """The identity of a process. Its number alone is given to another one when it has ended.

    Attributes
    ----------
    host : the name of its machine
    pid : its number there
    started : when it was started, in seconds since 1970
    """

    host: str
    pid: int
    started: float

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> ProcessIdentity:
        """Return the identity among what a file says; KeyError, TypeError or ValueError if there is none."""
        return cls(str(content["host"]), int(content["pid"]), float(content["started"]))

    @property
    def is_here(self) -> bool:
        """True for a process of this machine: of others nothing is known."""
        return self.host == platform.node()

    @property
    def runs(self) -> bool:
        """True for a process of this machine that goes on."""
        return self.is_here and _runs(self.pid, self.started)

    @property
    def label(self) -> str:
        """The identity as a part of a file's name, which `label_runs` reads."""
        return f"{_host_label(self.host)}-{self.pid}-{self.started:.0f}"


def this_process() -> ProcessIdentity:
    """Return the identity of this process."""
    return _of(os.getpid())  # which is another one in a copy


@functools.lru_cache(maxsize=1)
def _of(pid: int) -> ProcessIdentity:
    return ProcessIdentity(platform.node(), pid, psutil.Process(pid).create_time())


def label_runs(label: str) -> bool | None:
    """Return whether the process of a label goes on; None if it is of another machine, or no label."""
    found = re.fullmatch(r"([0-9a-f]{8})-(\d{1,12})-(\d{1,12})", label, re.ASCII)
    if found is None or found[1] != _host_label(platform.node()):
        return None
    return _runs(int(found[2]), float(found[3]))


def _host_label(host: str) -> str:
    return f"{zlib.crc32(host.encode()):08x}"


def _runs(pid: int, started: float) -> bool:
    try:
        return bool(abs(psutil.Process(pid).create_time() - started) < _CLOCK)
    except (psutil.Error, ValueError, OverflowError):  # or no number that a process may have
        return False
