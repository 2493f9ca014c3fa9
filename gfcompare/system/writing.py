"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

#: The end of the name of a file that is being written.
PART = ".part"


def write_whole(path: Path, write: Callable[[Path], None], *, lasting: bool = True) -> None:
    """Let `write` write a temporary file, then put it in place in one atomic step.

    Whatever interrupts it, `path` either does not exist, or is as it was before, or is complete.

    Parameters
    ----------
    path : of the file
    write : writes the temporary file that it is given
    lasting : wait until the disk has it, so that a loss of power leaves no half of it
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=PART)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=PART)
    os.close(handle)
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


#: What tells a file from another one that has been put in its place: None where there is no file.
Stamp = tuple[int, int, int] | None


def stamp(path: Path) -> Stamp:
    """Return what changes when a file is replaced or written to."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size
