"""Tables on terminals: whatever the width, no name, number or column is lost."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support import examples

from gfcompare.cli import layout
from gfcompare.cli.layout import Column, print_table

COLUMNS = [Column("problem", "name"), Column("method", "name"), Column("final risk"), Column("quartiles")]
COLUMNS += [Column("what it is", "text")]
ROWS = [
    ["sine[1-16-1, lower 0]", "gd[step 0.01]", "0.315", "0.283 .. 0.346", "plain descent with a step"],
    ["", "momentum[step 0.01, beta 0.5]", "inf", "0.0927 .. inf", "heavier"],
    ["a target with a long name", "standard-gf", "1e-300", "1e-300 .. 2", "the flow"],
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(columns: Any, rows: Any, width: int) -> str:
    file = Terminal() if width else io.StringIO()
    console = Console(file=file, width=width or 80, highlight=False, soft_wrap=True, color_system=None)
    print_table(console, columns, rows)
    return file.getvalue()


def escaped(rows: list[list[str]]) -> list[list[str]]:
    return [[cell.replace("[", r"\[") for cell in row] for row in rows]


@pytest.fixture(autouse=True)
def no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40, 20])
def test_nothing_is_lost(width: int) -> None:
    text = shown(COLUMNS, escaped(ROWS), width)
    for row in ROWS:
        assert all(name in text for name in row[:2])  # whole
        for cell in row[2:]:
            assert all(word in text for word in cell.split())
    assert all(word in text for column in COLUMNS for word in column.heading.split())
    if width >= 60:
        assert max(map(len, text.splitlines())) <= width


def test_a_pipe_gets_full_width() -> None:
    lines = shown(COLUMNS, escaped(ROWS), 0).splitlines()
    assert len(lines) == 1 + len(ROWS)
    assert len(lines[0]) > 80
    for line, row in zip(lines[1:], ROWS, strict=True):
        assert all(cell in line for cell in row)


def test_as_few_names_as_it_takes_have_lines_of_their_own() -> None:
    wide, middle, narrow = (
        shown(COLUMNS[:4], escaped([row[:4] for row in ROWS]), width) for width in (100, 70, 50)
    )
    assert wide.splitlines()[0].split() == ["problem", "method", "final", "risk", "quartiles"]
    assert middle.splitlines()[0].strip() == "problem"
    assert middle.splitlines()[1].split()[0] == "method"
    assert re.search(r"^  gd\[step 0.01\] +0.315", middle, re.M)
    assert [line.strip() for line in narrow.splitlines()[:2]] == ["problem", "method"]
    assert re.search(r"^ +0.315 +0.283 .. 0.346 *$", narrow, re.M)


words = st.text("abc-_[]., 0123456789é", min_size=1, max_size=30).filter(lambda text: text.strip() == text)


@examples(60)
@given(
    st.lists(st.tuples(words, words, words, words), min_size=1, max_size=4),
    st.integers(1, 120),
)
def test_names_and_words_are_whole(rows: list[tuple[str, ...]], width: int) -> None:
    columns = [Column("a", "name"), Column("b", "name"), Column("c"), Column("d", "text")]
    text = shown(columns, escaped([list(row) for row in rows]), width)
    for row in rows:
        assert all(name in text for name in row[:2])
        assert all(word in text for cell in row[2:] for word in cell.split())


@examples(100)
@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=6), st.integers(1, 90)
)
def test_widths_fit_where_they_can(pairs: list[tuple[int, int]], room: int) -> None:
    full, least = [max(pair) for pair in pairs], [min(pair) for pair in pairs]
    widths = layout._folded(full, least, room)
    assert all(a <= w <= b for a, w, b in zip(least, widths, full, strict=True))
    gaps = 2 * (len(pairs) - 1)
    assert sum(widths) + gaps <= max(room, sum(least) + gaps)
    if sum(full) + gaps <= room:
        assert widths == full
