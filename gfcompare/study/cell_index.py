"""An index of the finished cells of a folder: which files need not be read to know what is in them.

A study may have 10^5 cells, and reading one costs a hundred times as much as asking the system when its file
was changed last. So what a read file held is remembered with the system's word on it (number, size, times of
the last changes of content and of the entry itself, which no program sets), as version control does. The
index is a saving only: a cell that is not in it, or whose file is another one, is read; and numbers come from
the files alone, with their checksums.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gfcompare.components.errors import InputError
from gfcompare.integrators.loop import OnError
from gfcompare.study import cell_files, cell_format
from gfcompare.study.cell_format import Content
from gfcompare.study.cells import Cell

INDEX = "finished.index"
# Nanoseconds: file systems keep times in steps of up to two seconds, within which a file that is changed
# again looks the same.
_STEP = 2 * 10**9
_NAME = "finished"
# Key in two parts; number, size, times of changes; the diagnostics that it is complete with; failed or not.
_COLUMNS = 8


@dataclass(frozen=True)
class _Entry:
    """What a cell's file held when it was read.

    Attributes
    ----------
    seen : the system's word on the file at that time
    wanted : a hash of the diagnostics that it was complete with
    failed : a method raised an error in it
    """

    seen: tuple[int, ...]
    wanted: int
    failed: bool


class CellIndex:
    """The finished cells of a folder, as far as their files are known without reading them.

    Parameters
    ----------
    output : the folder of the results
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._path = output / cell_files.CELLS / INDEX
        self._entries = _loaded(self._path)
        self._wanted: dict[int, tuple[Mapping[str, str], int]] = {}
        self._is_new = False

    def knows(self, cell: Cell, on_error: OnError) -> bool:
        """Return whether a cell is finished and its file the one that was read before."""
        entry = self._entry(cell)
        return entry is not None and not (entry.failed and on_error == "raise")

    def state(self, cell: Cell, on_error: OnError) -> str:
        """Return what there is of a cell: "nothing", "damaged", "trajectories", "failed" or "finished"."""
        if (entry := self._entry(cell)) is not None:
            return "failed" if entry.failed and on_error == "raise" else "finished"
        if not cell_files.cell_path(self._output, cell).exists():
            return "nothing"
        try:
            content = self.read(cell)
        except cell_format.DamagedCellError:
            return "damaged"
        if cell_files.is_complete(content, cell, on_error):
            return "finished"
        return "trajectories" if cell_files.missing(content, cell) else "failed"

    def read(self, cell: Cell) -> Content:
        """Return the content of a cell's file, and remember that it was read."""
        path = cell_files.cell_path(self._output, cell)
        seen = _seen(path)  # first: what is changed meanwhile is another file
        content = cell_format.read(path)
        if seen is not None and not cell_files.missing(content, cell):
            known = self._entries.get(cell.key)
            entry = _Entry(seen, self._hashed(cell), cell_files.has_failed(content))
            if known != entry:
                self._entries[cell.key], self._is_new = entry, True
        return content

    def take_in(self, cell: Cell, others: Sequence[Path]) -> None:
        """Copy the file of a cell that is not finished from another folder where it is."""
        if not others or self.state(cell, "record") == "finished":
            return
        path = cell_files.cell_path(self._output, cell)
        for other in others:
            try:
                data = cell_files.cell_path(other, cell).read_bytes()
                content = cell_format.checked(data, path)
            except (FileNotFoundError, cell_format.DamagedCellError):
                continue
            except OSError as error:
                raise InputError(f"{other}: cannot be read ({error.strerror or error}).") from None
            if cell_files.is_complete(content, cell):
                cell_files.write(path, data)
                if (seen := _seen(path)) is not None:
                    entry = _Entry(seen, self._hashed(cell), cell_files.has_failed(content))
                    self._entries[cell.key], self._is_new = entry, True
                return

    def save(self) -> None:
        """Write the index, if something has been added to it.

        What was changed within the last step of the clock is left out. An index that cannot be written costs
        the next run time and nothing else.
        """
        if not self._is_new:
            return
        latest = time.time_ns() - _STEP
        with suppress(OSError):
            there = {path.name for path in self._path.parent.iterdir()}
            kept = {
                key: entry
                for key, entry in self._entries.items()
                if max(entry.seen[2:]) < latest and f"{key}{cell_files.CELL}" in there
            }
            if kept:
                cell_files.write(self._path, cell_format.encoded(_content(kept)))
        self._is_new = False

    def _entry(self, cell: Cell) -> _Entry | None:
        found = self._entries.get(cell.key)
        if found is None or found.wanted != self._hashed(cell):
            return None
        return found if found.seen == _seen(cell_files.cell_path(self._output, cell)) else None

    def _hashed(self, cell: Cell) -> int:
        """Return a hash of the diagnostics of a cell, which all cells of a problem share."""
        keys = cell.diagnostic_keys
        if id(keys) not in self._wanted:  # kept with it, so that no other object gets its number
            digest = hashlib.sha256(repr(sorted(keys.items())).encode()).digest()
            self._wanted[id(keys)] = keys, int.from_bytes(digest[:8], "little", signed=True)
        return self._wanted[id(keys)][1]


def _seen(path: Path) -> tuple[int, ...] | None:
    """Return the system's word on a file, None if there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    number = (about.st_ino + 2**63) % 2**64 - 2**63  # as a signed integer
    return number, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _content(entries: Mapping[str, _Entry]) -> Content:
    halves = [np.frombuffer(bytes.fromhex(key), dtype="<i8") for key in entries]
    about = [(*entry.seen, entry.wanted, int(entry.failed)) for entry in entries.values()]
    values = np.concatenate([np.array(halves), np.array(about, dtype=np.int64)], axis=1)
    return Content({"key": _NAME}, {_NAME: (("cell", "column"), values, {})})


def _loaded(path: Path) -> dict[str, _Entry]:
    """Return the entries of an index; none of one that is not there or not what was written."""
    try:
        values = cell_format.read(path).values(_NAME)
    except (InputError, KeyError):
        return {}
    if values.ndim != 2 or values.shape[1] != _COLUMNS or values.dtype != np.int64:
        return {}
    keys = np.ascontiguousarray(values[:, :2]).astype("<i8").tobytes().hex()
    return {
        keys[32 * k : 32 * k + 32]: _Entry(tuple(row[:4]), row[4], bool(row[5]))
        for k, row in enumerate(values[:, 2:].tolist())
    }
