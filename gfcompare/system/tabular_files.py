"""Reading the columns of a user's file: all of it, or a message that says where it is in doubt.

What is read without a word must be what the file says. A row longer or shorter than the header shifts cells
into other columns, a cell with text turns its column into text, a column without a name is most often
the number of the row: each is refused, by row and column.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import itertools
import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.component import require
from gfcompare.components.errors import InputError, normalized, unknown_name

Array = NDArray[np.float64]

_NETCDF = {".nc", ".nc4", ".netcdf", ".cdf", ".h5"}
_COMPRESSED: dict[str, Callable[..., TextIO]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# How a missing number is written, in lower case.
_MISSING = {"", "na", "n/a", "nan", "null", "none"}


def read_table(path: Path, columns: Sequence[str] | None = None) -> dict[str, Array]:
    """Return columns of a CSV file, or one-dimensional variables of a netCDF file, all numbers finite.

    Parameters
    ----------
    path : a CSV file in UTF-8 has a header line; it may be compressed (.gz, .bz2, .xz)
    columns : names of those that are wanted; by default all that are not text, and nothing in the file may be
        in doubt: no column without a name, no variable of several dimensions or that numbers the rows

    Raises
    ------
    InputError
        naming the file, the row, counted from 1 after the header, and the column
    """
    require(path.is_file(), f"no file {str(path)!r}.")
    wanted = None if columns is None else [normalized(column) for column in columns]
    try:
        read = _netcdf if path.suffix.lower() in _NETCDF else _csv
        table = read(path, wanted)
    except (OSError, EOFError, csv.Error, lzma.LZMAError) as error:
        raise InputError(f"{path} cannot be read as a table: {error}") from error
    for name, values in table.items():
        finite = np.isfinite(values)
        require(
            bool(finite.all()),
            f"{path}: row {int(np.argmin(finite)) + 1}, column {name!r}: a missing or infinite number.",
        )
    return table


@dataclass(frozen=True)
class _Text:
    """The cells of a CSV file.

    Attributes
    ----------
    names : the header
    rows : of equal length
    lines : the line of the file at which each row ends
    """

    names: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, path: Path, number: int) -> Array | None:
        """Return a column as numbers, NaN where one is missing; None if it is text throughout."""
        cells = [row[number].strip() for row in self.rows]
        values = np.full(len(cells), np.nan)
        bad, known = [], 0
        for at, cell in enumerate(cells):
            if cell.lower() in _MISSING:
                continue
            value = _number(cell)
            if value is None:
                bad.append(at)
            else:
                values[at], known = value, known + 1
        if bad and not known:
            return None
        if bad:
            raise self.refused(path, bad[0], number, f"{cells[bad[0]]!r} is not a number")
        return values

    def refused(self, path: Path, row: int, number: int, reason: str) -> InputError:
        """Return the error about a cell."""
        return InputError(
            f"{path}: row {row + 1} (line {self.lines[row]}), column {self.names[number]!r}: {reason}."
        )


def _number(cell: str) -> float | None:
    """Return the number that a cell holds, None if it holds none; 1_000 is none, though Python reads it."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _csv(path: Path, wanted: list[str] | None) -> dict[str, Array]:
    text = _cells(path)
    numbers = {name: number for number, name in enumerate(text.names) if name}
    if wanted is None:
        nameless = [number + 1 for number, name in enumerate(text.names) if not name]
        require(
            not nameless,
            f"{path}: row 1 of the header has no name for column {nameless[0] if nameless else 0}. Name it, "
            "take it out (pandas: to_csv(..., index=False)), or name the inputs.",
        )
    else:
        for name in wanted:
            if name not in numbers:
                raise unknown_name(f"column of {path}", name, numbers)
    table = {}
    for name in numbers if wanted is None else wanted:
        values = text.column(path, numbers[name])
        if values is not None:
            table[name] = values
        elif wanted is not None:
            cell = text.rows[0][numbers[name]]
            raise text.refused(path, 0, numbers[name], f"{cell!r} is not a number")
    return table


def _cells(path: Path) -> _Text:
    """Return the cells of a CSV file, whose rows must be as long as its header."""
    opener = _COMPRESSED.get(path.suffix.lower(), open)
    rows, lines = [], []
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if row:  # else an empty line
                    rows.append(row)
                    lines.append(reader.line_num)
    except UnicodeDecodeError:
        raise InputError(
            f"{path} is not a text file in UTF-8. Tables are read from CSV and netCDF ({', '.join(_NETCDF)})."
        ) from None
    require(len(rows) > 1, f"{path} cannot be read as a table: it has no rows below a header.")
    names = [normalized(name.strip()) for name in rows[0]]
    for first, second in itertools.combinations(range(len(names)), 2):
        require(
            not names[first] or names[first] != names[second],
            f"{path}: columns {first + 1} and {second + 1} of the header have one name, {names[first]!r}.",
        )
    for number, (row, line) in enumerate(zip(rows[1:], lines[1:], strict=True), start=1):
        if len(row) != len(names):
            at = (
                f"column {len(names) + 1}: {row[len(names)]!r}"
                if len(row) > len(names)
                else (f"column {names[len(row)]!r} has nothing")
            )
            raise InputError(
                f"{path}: row {number} (line {line}) has {len(row)} cells, the header {len(names)}; {at}."
            )
    return _Text(names, rows[1:], lines[1:])


def _netcdf(path: Path, wanted: list[str] | None) -> dict[str, Array]:
    import netCDF4

    with netCDF4.Dataset(path) as data:
        variables = {normalized(name): v for name, v in data.variables.items()}
        require(len(variables) == len(data.variables), f"{path}: two variables have one name.")
        numeric = {
            name: variable
            for name, variable in variables.items()
            if variable.dtype is not str and np.issubdtype(variable.dtype, np.number)
        }
        flat = {name: variable for name, variable in numeric.items() if variable.ndim == 1}
        for name in wanted or ():
            if name not in flat:
                raise unknown_name(f"column of {path}", name, flat)
        if wanted is None:
            for name in numeric:
                require(
                    name in flat,
                    f"{path}: variable {name!r} has {numeric[name].ndim} dimensions, a column has 1. "
                    "Name the inputs.",
                )
        table = {name: _values(flat[name]) for name in (flat if wanted is None else wanted)}
        if wanted is None:
            for name, values in table.items():
                counts = np.arange(len(values))
                require(
                    len(values) < 2
                    or flat[name].dimensions != (name,)
                    or not (np.array_equal(values, counts) or np.array_equal(values, counts + 1)),
                    f"{path}: variable {name!r} numbers the rows. Name the inputs, or leave it out.",
                )
        return table


def _values(variable: object) -> Array:
    return np.asarray(np.ma.filled(np.ma.asarray(variable[:], dtype=np.float64), np.nan))  # type: ignore[index]
