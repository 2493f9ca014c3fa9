"""The checksum of a result file: SHA-256 of all its bytes, in a trailer behind them, looked at on reading.

HDF5 knows where its content ends, and reads a file with more behind that as it reads any other. So the
checksum covers every byte, attributes and texts included, and whatever reads netCDF-4 reads the file. A
program that changes the file as it should cuts the trailer off, which leaves a file without a checksum;
damage does not.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

from gfcompare.components.errors import InputError, RunError
from gfcompare.system.writing import Stamp, stamp, write_whole

#: Whether the content of a file was compared with its checksum, or there is none.
Verdict = Literal["checked", "none"]

_START, _END = b"gfcompare-sha256", b"sha256-gfcompare"
_LENGTH = len(_START) + 32 + len(_END)
_BLOCK = 1 << 20
_TICK = 10**9  # nanoseconds
# Of HDF5: the signature; by version of the superblock, where the address of the end of the content stands.
_HDF5 = b"\x89HDF\r\n\x1a\n"
_END_ADDRESS = {0: 40, 1: 44, 2: 28, 3: 28}


class DamagedError(InputError):
    """A file is not what was written."""


def write_sealed(path: Path, write: Callable[[Path], None], last: Callable[[], None] = lambda: None) -> None:
    """Let `write` write a file, and put it in place with its checksum in one atomic step.

    Parameters
    ----------
    path : of the file
    write : writes the temporary file that it is given
    last : is called when all is written; an error that it raises leaves the file of before in its place
    """

    def sealed(temporary: Path) -> None:
        try:
            write(temporary)
        except RunError:
            raise
        except RuntimeError as error:  # of netCDF, for whatever the system says
            raise RunError(
                f"{path}: could not be written ({error}): the disk is full, or files may not be so large. "
                "What is finished is kept; the same command goes on from there."
            ) from error
        with temporary.open("rb+") as file:
            file.write(_trailer(_digest(file, temporary.stat().st_size)))
        last()

    write_whole(path, sealed)


def check(path: Path) -> Verdict:
    """Compare a file with its checksum.

    Returns
    -------
    str
        "checked", or "none" if the file has no checksum: other programs and earlier versions write none

    Raises
    ------
    DamagedError
        if the content is not what the checksum was made of
    OSError
        if the file cannot be read
    """
    seen = stamp(path)
    # A file that was written to within one tick of the clock is not told from the one before.
    settled = seen is not None and time.time_ns() - seen[1] > _TICK
    return (_checked if settled else _checked.__wrapped__)(path, seen)


# A file is read once as long as it stays the same: commands open a result several times.
@functools.lru_cache(maxsize=64)
def _checked(path: Path, seen: Stamp) -> Verdict:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
        file.seek(max(0, size - _LENGTH))
        trailer = file.read()
        # One damaged place does not hide the trailer: two marks say that it is there, and HDF5's own end.
        marked = trailer.startswith(_START) or trailer.endswith(_END)
        if not marked and size <= _end_of_content(head, size):
            return "none"
        file.seek(0)
        if len(trailer) != _LENGTH or trailer != _trailer(_digest(file, size - _LENGTH)):
            raise DamagedError(
                f"{path}: damaged: its content does not have the checksum that it was written with. "
                "Put a copy in its place, or remove it and give the command that made it again."
            )
    return "checked"


def _digest(file: BinaryIO, size: int) -> bytes:
    """Return the SHA-256 of the next bytes of a file, a block in memory at a time."""
    found = hashlib.sha256()
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        found.update(block)
        size -= len(block)
    return found.digest()


def _trailer(digest: bytes) -> bytes:
    return _START + digest + _END


def _end_of_content(head: bytes, size: int) -> int:
    """Return where the content of an HDF5 file ends, as the file says; its size if it does not say."""
    at = _END_ADDRESS.get(head[8] if len(head) > 8 else -1)
    if not head.startswith(_HDF5) or at is None or head[9 + 4 * (head[8] < 2)] != 8:
        return size
    return int.from_bytes(head[at : at + 8], "little")
