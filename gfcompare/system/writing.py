"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import platform
import re
import tempfile
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

#: The end of the name of a file that is being written.
PART = ".part"
# Seconds after which the file of a process of another machine, of which nothing is known, is given up.
_ABANDONED = 24 * 3600.0


def write_whole(path: Path, write: Callable[[Path], None], *, lasting: bool = True) -> None:
    """Let `write` write a temporary file, then put it in place in one atomic step.

    Whatever interrupts it, `path` either does not exist, or is as it was before, or is complete.

    Parameters
    ----------
    path : of the file
    write : writes the temporary file that it is given
    lasting : wait until the disk has it, so that a loss of power leaves no half of it
    """
    prefix = f".{path.stem}-{_here()}-{os.getpid()}-"
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=PART)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=PART)
    os.close(handle)
    if lasting:  # and not where there may be 10^5 files
        remove_abandoned(path.parent)
    temporary = Path(name)
    try:
        write(temporary)
        if lasting:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Remove what processes that were killed have left half written in a folder.

    Raises
    ------
    OSError
        if the folder cannot be read
    """
    for part in folder.glob(f".*{PART}"):
        with suppress(OSError):
            if _is_abandoned(part):
                part.unlink()


def _is_abandoned(part: Path) -> bool:
    found = re.search(r"-([0-9a-f]{8})-(\d+)-[^-]*$", part.stem)
    if found is not None and found[1] == _here():
        return not psutil.pid_exists(int(found[2]))
    return time.time() - part.stat().st_mtime > _ABANDONED


def _here() -> str:
    """Return what stands for this machine in the name of a file."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


#: What tells a file from another one that has been put in its place: None where there is no file.
Stamp = tuple[int, int, int] | None


def stamp(path: Path) -> Stamp:
    """Return what changes when a file is replaced or written to."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size
