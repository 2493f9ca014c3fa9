"""Tables on terminals of any width: values are folded, names and numbers are never cut or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gfcompare.system.progress import at_terminal

# Spaces between columns, and before what stands under a name.
_GAP, _INDENT = 2, 2


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    heading : its heading
    kind : "name" is never folded; "value" and "text" are, between words; values stand at the right
    """

    heading: str
    kind: Literal["name", "value", "text"] = "value"


def print_table(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in the width of a terminal, or in full where nobody reads it at one.

    If names leave too little room for the values, those of the first columns have lines of their own above
    them: as few as it takes.

    Parameters
    ----------
    console : where to
    columns : what they are, those of kind "name" first
    rows : their cells, with markup
    """
    cells = [[console.render_str(cell) for cell in row] for row in rows]
    room = console.width if at_terminal(console.file) else None
    parts = [[row[k] for row in cells] for k in range(len(columns))]
    full = [_width(column, part, fold=False) for column, part in zip(columns, parts, strict=True)]
    texts = [
        _width(column, part, fold=column.kind == "text") for column, part in zip(columns, parts, strict=True)
    ]
    least = [
        _width(column, part, fold=column.kind != "name") for column, part in zip(columns, parts, strict=True)
    ]
    most = next((k for k, column in enumerate(columns) if column.kind != "name"), len(columns) - 1)
    fits = [k for k in range(most + 1) if room is None or _total(texts[k:]) + _INDENT * k <= room]
    names = fits[0] if fits else most
    indent = _INDENT * names
    lowest = texts if fits else least
    widths = _folded(full[names:], lowest[names:], None if room is None else room - indent)
    if not names:
        _print(console, columns, cells, widths)
        return
    for k, column in enumerate(columns[:names]):
        _print_name(console, Text(column.heading, style="bold"), _INDENT * k)
    _print(console, columns[names:], [], widths, indent)
    for row in cells:
        for k, name in enumerate(row[:names]):
            if name.plain:
                _print_name(console, name, _INDENT * k)
        _print(console, columns[names:], [row[names:]], widths, indent, headings=False)


def _width(column: Column, cells: Sequence[Text], *, fold: bool) -> int:
    """Return the width of a column: of its longest line, or of its longest word if it is folded."""
    texts = [Text(column.heading), *cells]
    lines = [line for text in texts for line in text.plain.splitlines()]
    pieces = [word for line in lines for word in line.split()] if fold else lines
    return max((Text(piece).cell_len for piece in pieces), default=0)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _folded(full: Sequence[int], least: Sequence[int], room: int | None) -> list[int]:
    """Return widths that fit, if any do: the widest columns that can be folded are made narrower."""
    widths = list(full)
    while room is not None and _total(widths) > room:
        foldable = [k for k, width in enumerate(widths) if width > least[k]]
        if not foldable:
            break
        widths[max(foldable, key=lambda k: widths[k])] -= 1
    return widths


def _print(
    console: Console,
    columns: Sequence[Column],
    cells: Sequence[Sequence[Text]],
    widths: Sequence[int],
    indent: int = 0,
    *,
    headings: bool = True,
) -> None:
    table = Table(box=None, pad_edge=False, show_header=headings)
    for column, width in zip(columns, widths, strict=True):
        justify: Literal["left", "right"] = "right" if column.kind == "value" else "left"
        table.add_column(Text(column.heading), justify=justify, width=width, no_wrap=column.kind == "name")
    for row in cells:
        table.add_row(*row)
    # rich leaves columns out where a console is narrower than they are together.
    before, console.width = console.width, max(console.width, _total(widths) + indent)
    try:
        console.print(Padding(table, (0, 0, 0, indent)) if indent else table)
    finally:
        console.width = before


def _print_name(console: Console, name: Text, indent: int) -> None:
    console.print(Text(" " * indent) + name)
