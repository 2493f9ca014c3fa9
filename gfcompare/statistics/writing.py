"""Tables in files: CSV with every digit, Markdown and LaTeX for print."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from gfcompare.components.errors import unknown_name
from gfcompare.statistics.printing import PLAIN, Marks, is_text, note, printed
from gfcompare.system.paths import user_path
from gfcompare.system.writing import write_whole

#: What tables can be written as.
FORMATS = ("csv", "md", "tex")

# A page of a paper has room for so many rows of a float.
_LONG = 45

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {character: "\\" + character for character in "&%$#_{}"}


def escaped(text: str) -> str:
    """Return text as LaTeX that prints it."""
    found = re.sub(r"[\\^~<>|&%$#_{}]", lambda character: _SPECIAL[character[0]], text)
    return found.replace("log10", r"$\log_{10}$").replace(r"95 \%", r"95\,\%").replace("∞", r"$\infty$")


LATEX = Marks(
    missing="--",
    infinity=r"\infty",
    minus="-",
    thousands=r"\,",
    times=r" \times ",
    power=lambda exponent: rf" \times 10^{{{exponent}}}",
    number=lambda text: f"${text}$",
    name=escaped,
)


def _in_markdown(text: str) -> str:
    """Return a name as Markdown that shows it: no HTML, no link, no code, no further column."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", PLAIN.name(text)).replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[`|\\]|(?<=\])\(", r"\\\g<0>", text)


MARKDOWN = replace(PLAIN, name=_in_markdown)


def to_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV, its index first, with every digit of its numbers."""
    return table.to_csv(lineterminator="\n")


def to_markdown(table: pd.DataFrame, title: str = "") -> str:
    """Return a table as Markdown, under a heading if it has a title."""
    texts = printed(table, MARKDOWN)
    aligned = ["left" if left else "right" for left in is_text(table, texts)]
    body = texts.to_markdown(index=False, disable_numparse=True, colalign=aligned)
    parts = [f"## {title}" if title else "", body, note(table)]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_latex(table: pd.DataFrame, title: str = "") -> str:
    """Return a table as LaTeX, with the rules of booktabs: a float, or a longtable if it is long.

    The title is the caption, and the label is ``tab:`` followed by it.
    """
    texts = printed(table, LATEX)
    long = len(texts) > _LONG
    layout = "".join("l" if left else "r" for left in is_text(table, texts))
    body = texts.style.hide(axis="index").to_latex(
        hrules=True,
        column_format=layout,
        caption=(f"{escaped(title)}. {escaped(note(table))}", escaped(title)) if title else None,
        label=f"tab:{slug(title)}" if title else None,
        environment="longtable" if long else "table",
        position=None if long else "tbp",
        position_float=None if long else "centering",
    )
    body = _spaced(body, texts)
    # Tables of numbers are wide: smaller letters and gaps than in the text around them.
    body = body.replace("\\centering\n", "\\centering\\footnotesize\\setlength{\\tabcolsep}{3pt}\n", 1)
    packages = r"% \usepackage{booktabs}" + (r" \usepackage{longtable}" if long else "")
    return f"{packages}\n{body}"


def _spaced(body: str, texts: pd.DataFrame) -> str:
    """Return the LaTeX of a table with some space before each group of rows, where they are in groups."""
    lines = body.splitlines(keepends=True)
    ends = [k for k, line in enumerate(lines) if line.rstrip().endswith(r"\\")]
    rows = ends[len(ends) - len(texts) :]
    first = texts.iloc[:, 0] != ""
    for k, starts in list(zip(rows, first, strict=True))[:0:-1]:
        if starts and not first.all():
            lines.insert(k, "\\addlinespace\n")
    return "".join(lines)


def slug(title: str) -> str:
    """Return a title as part of a file name."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower())) or "table"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def save(
    tables: Mapping[str, pd.DataFrame], folder: str | Path, *, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write tables into a folder, each in one atomic step; return the files.

    Parameters
    ----------
    tables : by title, as `gfcompare.statistics.tables` returns them
    folder : where <title in small letters and hyphens>.<format> is written
    formats : some of "csv", "md", "tex"

    Raises
    ------
    InputError
        for an unknown format, before anything is written
    """
    for form in formats:
        if form not in FORMATS:
            raise unknown_name("table format", form, FORMATS)
    texts: dict[str, Callable[[pd.DataFrame, str], str]] = {
        "csv": lambda table, _: to_csv(table),
        "md": to_markdown,
        "tex": to_latex,
    }
    written = []
    for title, table in tables.items():
        for form in dict.fromkeys(formats):
            text = texts[form](table, title)
            written.append(user_path(folder) / f"{slug(title)}.{form}")
            write_whole(written[-1], partial(_write, text=text))
    return written
