"""Tables for a page: text in cells, and the numbers themselves as CSV."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gfcompare.figures.theme import number
from gfcompare.statistics.printing import note, printed
from gfcompare.statistics.writing import to_csv


@dataclass(frozen=True)
class Table:
    """A table as a page shows it.

    Attributes
    ----------
    key : identifier in the page, and the name of the file to download
    caption : what it shows
    head : names of the columns
    rows : text of the cells
    numeric : which columns are numbers
    csv : the whole table with unrounded numbers; "" if there is nothing to download
    grouped : whether rows with the same first cell belong together, and it is shown once
    methods : the column that holds names of methods, -1 for none
    more : how many rows of the whole table are not shown
    alarm : the column, and the text in it, that is good; any other text there stands out
    notes : sentences below the table
    """

    key: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]
    csv: str = ""
    grouped: bool = False
    methods: int = -1
    more: int = 0
    alarm: tuple[int, str] = (-1, "")
    notes: Sequence[str] = ()

    @property
    def groups(self) -> Iterator[tuple[str, list[Sequence[str]]]]:
        """Consecutive rows with the same first cell; each row alone if the table is not grouped."""
        if not self.grouped:
            return ((row[0], [row]) for row in self.rows)
        return ((key, list(rows)) for key, rows in itertools.groupby(self.rows, lambda row: row[0]))


def from_frame(frame: pd.DataFrame, key: str, caption: str, *, most: int = 200) -> Table:
    """Return a table as `gfcompare.statistics` prints it: its index first, an interval after its number.

    Parameters
    ----------
    frame : the table; ``attrs["note"]`` says what its columns mean
    key, caption : as in `Table`
    most : how many rows are shown; the CSV has all
    """
    if frame.index.names == [None]:  # numbers that say nothing
        frame = frame.set_index(str(frame.columns[0]))
    shown = frame.head(most)
    texts = printed(shown)
    first = [str(value) for value in shown.index.get_level_values(0)]
    rows = [[label, *row] for label, row in zip(first, texts.iloc[:, 1:].to_numpy().tolist(), strict=True)]
    head = [str(column) for column in texts.columns]
    levels = [pd.api.types.is_numeric_dtype(level.dtype) for level in _levels(frame.index)]
    words = [column for column in frame if not pd.api.types.is_numeric_dtype(frame[column])]
    return Table(
        key,
        caption,
        head,
        rows,
        levels + [name not in words for name in head[len(levels) :]],
        to_csv(frame),
        grouped=len(levels) > 1,
        methods=head.index("method") if "method" in head else -1,
        more=max(0, len(frame) - most),
        notes=tuple(filter(None, [note(frame)])),
    )


def _levels(index: pd.Index[Any]) -> list[pd.Index[Any]]:
    return [index.get_level_values(level) for level in range(index.nlevels)]


def cell(value: Any) -> str:
    """Return a value as a reader wants it: numbers to three digits, nothing for what is missing."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float | np.floating):
        return real(float(value))
    return "" if value is None or value is pd.NA or value is pd.NaT else str(value)


def real(value: float) -> str:
    """Return a real number to three digits."""
    if np.isnan(value):
        return ""
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    return number(value).replace("-", "−")


def slug(text: str) -> str:
    """Return text as part of a file name or an identifier: letters, digits, dots and hyphens."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.").lower() or "unnamed"
