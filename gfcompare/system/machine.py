"""The machine that this process runs on: wall times of one say little of another."""

from __future__ import annotations

import functools
import platform
from pathlib import Path


@functools.cache
def machine() -> str:
    """Return the name of the machine and of its processor."""
    return f"{platform.node() or 'unnamed'}, {_processor()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    found = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()
