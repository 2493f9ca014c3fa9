"""Tables as people read them: each number with the digits that its interval supports."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

#: What the column of an interval is called.
INTERVAL = "95 % interval"

# Columns that the note mentions if they say the same in every row.
_COMMON = ("against", "seeds", "censored", "gradients", "instances")

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Marks:
    """The notation of numbers and names in some kind of text.

    Attributes
    ----------
    missing, infinity, minus, thousands, times : texts
    power : writes a power of ten as a factor, with `times` in front
    number : encloses a number
    name : writes a name
    """

    missing: str
    infinity: str
    minus: str
    thousands: str
    times: str
    power: Callable[[int], str]
    number: Callable[[str], str]
    name: Callable[[str], str]


#: Plain text with the characters that it needs.
PLAIN = Marks(
    missing="–",
    infinity="∞",
    minus="−",
    thousands=",",
    times=" × ",
    power=lambda exponent: " × 10" + str(exponent).translate(_RAISED),
    number=lambda text: text,
    name=lambda text: text.replace("log10", "log₁₀"),
)


def printed(table: pd.DataFrame, marks: Marks = PLAIN) -> pd.DataFrame:
    """Return a table of texts: what indexes the rows first, an interval in one column after its number.

    An index that repeats is left blank. Columns that say the same in every row are left to `note`.
    """
    columns: dict[str, list[str]] = {marks.name(name): [] for name in map(str, table.index.names)}
    for values in _sparse(table.index.tolist()):
        for name, value in zip(columns, values, strict=True):
            columns[name].append("" if value is None else cell(value, marks))
    given = [str(column) for column in table.columns]
    for column in given:
        ends = [f"{column} from", f"{column} to"]
        if column in _shared(table) or any(column == f"{other} {end}" for other in given for end in _ENDS):
            continue
        if set(ends) <= set(given):
            numbers = table[[column, *ends]].to_numpy(dtype=np.float64)
            found = [_with_interval(value, low, high, marks) for value, low, high in numbers]
            columns[marks.name(column)] = [value for value, _ in found]
            heading = INTERVAL if marks.name(INTERVAL) not in columns else f"{INTERVAL} of {column}"
            columns[marks.name(heading)] = [interval for _, interval in found]
        elif column == "p adjusted":
            columns[marks.name(column)] = [_probability(value, marks) for value in table[column]]
        else:
            columns[marks.name(column)] = [cell(value, marks) for value in table[column].tolist()]
    return pd.DataFrame(columns, dtype=object)


_ENDS = ("from", "to")


def is_text(table: pd.DataFrame, texts: pd.DataFrame) -> list[bool]:
    """Return for each column of a printed table whether it holds names, and stands at the left."""
    levels = [table.index.get_level_values(k) for k in range(table.index.nlevels)]
    names = [not pd.api.types.is_numeric_dtype(level) for level in levels]
    words = [column for column in table.columns if not pd.api.types.is_numeric_dtype(table[column])]
    return names + [column in words for column in texts.columns[len(levels) :]]


def note(table: pd.DataFrame) -> str:
    """Return what the columns of a table mean, and what is the same in every row."""
    shared = ", ".join(f"{name} {cell(value, PLAIN)}" for name, value in _shared(table).items())
    parts = [str(table.attrs.get("note", "")), f"In every row: {shared}." if shared else ""]
    return " ".join(part for part in parts if part)


def _shared(table: pd.DataFrame) -> dict[str, Any]:
    if len(table) < 2:
        return {}
    return {
        name: table[name].tolist()[0]
        for name in _COMMON
        if name in table.columns and table[name].nunique(dropna=False) == 1
    }


def _sparse(keys: Sequence[Hashable]) -> list[list[Hashable | None]]:
    """Return the keys of rows with None where a level repeats, together with all levels before it."""
    rows: list[list[Hashable | None]] = []
    before: tuple[Hashable, ...] = ()
    for key in keys:
        levels = key if isinstance(key, tuple) else (key,)
        same = [levels[: k + 1] == before[: k + 1] and k + 1 < len(levels) for k in range(len(levels))]
        rows.append([None if repeats else level for repeats, level in zip(same, levels, strict=True)])
        before = levels
    return rows


def cell(value: Any, marks: Marks) -> str:
    """Return a value as text: whole numbers in full, others to three digits, names as they are."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return marks.number(_grouped(f"{value:,}", marks))
    if isinstance(value, float | np.floating):
        return marks.number(_digits(float(value), 3, marks))
    return marks.name(str(value))


def _with_interval(value: float, low: float, high: float, marks: Marks) -> tuple[str, str]:
    """Return a number and its interval, to the second digit of half the interval's width."""
    if math.isnan(low) or math.isnan(high):
        return marks.number(_digits(value, 2, marks)), marks.missing
    unit = _unit(value, low, high)
    size = max((abs(x) for x in (value, low, high) if math.isfinite(x)), default=0.0)
    exponent = _exponent(_rounded(size, unit))
    ends = f"[{', '.join(_mantissa(x, unit, exponent, marks) for x in (low, high))}]"
    first = _mantissa(value, unit, exponent, marks)
    power = marks.power(exponent) if exponent else ""
    bare = math.isinf(value) or first == "0"
    return marks.number(first if bare else first + power), marks.number(ends + power)


def _unit(value: float, low: float, high: float) -> int:
    """Return the power of ten of the last digit that an interval supports, at most four digits in all."""
    known = [x for x in (low, value, high) if math.isfinite(x)]
    spread = known[-1] - known[0] if len(known) > 1 else 0.0
    size = max((abs(x) for x in known), default=0.0)
    if size == 0:
        return 0
    largest = math.floor(math.log10(size))
    if spread == 0:
        return largest - 2
    half = spread / (2 if len(known) == 3 else 1)
    return max(math.floor(math.log10(half)) - 1, largest - 3)


def _digits(value: float, digits: int, marks: Marks) -> str:
    """Return a number to so many digits, without zeros at the end."""
    if not math.isfinite(value) or value == 0:
        return _mantissa(value, 0, 0, marks)
    unit = math.floor(math.log10(abs(value))) - digits + 1
    rounded = _rounded(value, unit).normalize()
    exponent = _exponent(rounded)
    mantissa = _grouped(f"{rounded.scaleb(-exponent):,f}", marks)
    if not exponent:
        return mantissa
    power = marks.power(exponent)
    return power.removeprefix(marks.times) if mantissa == "1" else mantissa + power


def _rounded(value: float, unit: int) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(unit))


def _exponent(rounded: Decimal) -> int:
    """Return the power of ten that stands apart: 0 for a number that is not very long without."""
    exponent = rounded.adjusted() if rounded else 0
    return 0 if -3 <= exponent < 5 else exponent


def _mantissa(value: float, unit: int, exponent: int, marks: Marks) -> str:
    """Return a number down to a power of ten, divided by another one."""
    if math.isnan(value):
        return marks.missing
    if math.isinf(value):
        return marks.infinity if value > 0 else marks.minus + marks.infinity
    rounded = _rounded(value, unit)
    return _grouped(f"{rounded.scaleb(-exponent):,f}", marks) if rounded else "0"


def _grouped(text: str, marks: Marks) -> str:
    return text.replace("-", marks.minus).replace(",", marks.thousands)


def _probability(value: float, marks: Marks) -> str:
    small = marks.number("< 0.001")
    return small if value < 1e-3 else marks.number(_digits(value, 2, marks))
