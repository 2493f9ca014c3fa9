"""The available memory, of the machine or of its container."""

from __future__ import annotations

from pathlib import Path

import psutil

# Of the machine's memory, what all workers together may use.
_SHARE = 0.9
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available_memory() -> int:
    """Return the bytes of memory that the processes of this machine or container may use together."""
    found = int(psutil.virtual_memory().total)
    for name in _LIMITS:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            found = min(found, int(text))
    return found


def memory_of_each(workers: int) -> int:
    """Return the bytes that each of some worker processes may use."""
    return int(_SHARE * available_memory() / workers)
