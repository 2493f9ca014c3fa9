"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gfcompare.system.process_identity import label_runs, this_process

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
    prefix = f".{path.stem}-{this_process().label}-"
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
    # mkstemp's own part of the name has no hyphen.
    runs = label_runs("-".join(part.stem.split("-")[-4:-1]))
    return time.time() - part.stat().st_mtime > _ABANDONED if runs is None else not runs


#: The start of the name of a folder among temporary files.
_TEMPORARY = "gfcompare-"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder among temporary files, and remove it; and those that processes which were killed left.

    Yields
    ------
    Path
        the folder

    Raises
    ------
    OSError
        if there is no place for it
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{_TEMPORARY}{this_process().label}-"))
    try:
        for other in folder.parent.glob(f"{_TEMPORARY}*"):
            with suppress(OSError):  # of another user, or removed by another process
                if label_runs("-".join(other.name.split("-")[1:-1])) is False:
                    shutil.rmtree(other)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


#: What tells a file from another one that has been put in its place: None where there is no file.
Stamp = tuple[int, int, int] | None


def stamp(path: Path) -> Stamp:
    """Return what changes when a file is replaced or written to."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size
