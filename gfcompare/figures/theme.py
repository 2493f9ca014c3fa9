"""The style of figures: fonts, colours, lines and markers, the same for a method in every figure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import seaborn as sns

#: Widths of a figure in inches: across a page, and in one of two columns.
TEXT_WIDTH = 6.8
COLUMN_WIDTH = 3.4

GREY = "0.45"

#: Colours of values over a rectangle: perceptually uniform, and read the same by colour-blind eyes.
MAP = "viridis"

# Of the ten colours the pale pink and the yellow are too faint for a line on white paper.
_COLOURS = (0, 1, 2, 3, 4, 9, 5, 7)
# The numbers of colours, dashes and markers have no common divisor: 280 methods look different.
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 1.5), (1, 1.2), (5, 1.2, 1, 1.2), (7, 1.5, 3, 1.5))
_MARKERS = ("o", "s", "^", "D", "v", "P", "<")

_DIGITS, _RAISED_DIGITS, _LOWERED_DIGITS = "-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "₋₀₁₂₃₄₅₆₇₈₉"
_RAISED = str.maketrans(_DIGITS, _RAISED_DIGITS)
_LEVEL = str.maketrans(_RAISED_DIGITS + _LOWERED_DIGITS, 2 * _DIGITS)
_IN_FONTS = set("¹²³")

#: Sizes of text in points: of remarks inside panels, and of all the rest.
SMALL, NORMAL, TITLE = 7, 8, 9

_RC: dict[str, Any] = {
    # STIX comes with matplotlib: the same figure on every machine, and next to Times or Computer Modern it
    # styles like a part of the paper. What it lacks in somebody's names comes from DejaVu.
    "font.family": ["STIXGeneral", "serif", "DejaVu Sans"],
    "font.serif": ["STIXGeneral", "Times New Roman", "DejaVu Serif"],
    "mathtext.fontset": "stix",
    "font.size": NORMAL,
    "axes.labelsize": NORMAL,
    "axes.titlesize": TITLE,
    "axes.titlepad": 5,
    "figure.labelsize": NORMAL,
    "figure.titlesize": TITLE,
    "xtick.labelsize": NORMAL,
    "ytick.labelsize": NORMAL,
    "legend.fontsize": NORMAL,
    "lines.linewidth": 1.2,
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.4,
    "grid.color": "0.9",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "0.3",
    "xtick.direction": "out",
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.pad": 2.5,
    "ytick.major.pad": 2.5,
    "axes.labelpad": 3,
    "savefig.dpi": 300,
    "figure.dpi": 150,
    # Journals refuse Type 3 fonts; text in SVG stays text, and the same figure gives the same file.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "gfcompare",
}


@contextmanager
def context() -> Iterator[None]:
    """Apply the style within the block, whatever the user's own settings are, and restore those."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(sns.axes_style("ticks") | _RC)
        yield


@dataclass(frozen=True)
class LineStyle:
    """The colour, line and marker of a method."""

    colour: tuple[float, float, float]
    dashes: tuple[float, ...]
    marker: str

    @property
    def linestyle(self) -> Any:
        """The dashes as matplotlib wants them."""
        return (0, self.dashes) if self.dashes else "-"

    @property
    def ink(self) -> tuple[float, float, float]:
        """The colour of text about the method: darker, for letters are thinner than lines."""
        red, green, blue = self.colour
        return 0.75 * red, 0.75 * green, 0.75 * blue

    @property
    def width(self) -> float:
        """Line width in points: a solid line is seen under the dashes of one that coincides with it."""
        return 1.2 if self.dashes else 1.8


def line_styles(methods: Sequence[str]) -> dict[str, LineStyle]:
    """Return the line style of each method of a result: a colour, a dash pattern and a marker of its own."""
    palette = sns.color_palette("colorblind", 10)
    return {
        method: LineStyle(
            palette[_COLOURS[k % len(_COLOURS)]], _DASHES[k % len(_DASHES)], _MARKERS[k % len(_MARKERS)]
        )
        for k, method in enumerate(methods)
    }


def escaped(name: str) -> str:
    """Return a user's name as text that matplotlib does not take for mathematics."""
    return name.replace("$", r"\$")


def wrapped(name: str, width: int, after: str = "") -> str:
    """Return a name broken into lines: where the options of a grid begin, and between them if it must be.

    What stands `after` it, such as ``", seed 3"``, has a line of its own unless all is one line.
    """
    if len(name + after) <= width:
        return escaped(name + after)
    if after:
        return f"{wrapped(name, width)}\n{escaped(after.lstrip(', '))}"
    start, bracket, options = name.partition("[")
    lines = textwrap.wrap(start, width)
    line = ""
    for option in (bracket + options).split(", ") if bracket else ():
        longer = f"{line}, {option}" if line else option
        comma = 0 if option.endswith("]") else 1
        if line and len(longer) + comma > width:
            lines += textwrap.wrap(f"{line},", width)
            line = option
        else:
            line = longer
    lines += textwrap.wrap(line, width)
    return escaped("\n".join(lines))


def label(long_name: str, units: str, note: str = "", *, width: int = 200) -> str:
    """Return an axis label such as "population risk (output²)", in lines of at most `width` characters."""
    unit = re.sub(r"\^(-?\d+)", lambda found: found[1].translate(_RAISED), units)
    parts = [part for part in (unit if units not in ("", "1") else "", note) if part]
    tail = f"({'; '.join(parts)})" if parts else ""
    if len(long_name) + 1 + len(tail) <= width:
        return f"{long_name} {tail}".strip()
    return f"{textwrap.fill(long_name, width)}\n{tail}".strip()


def typeset(text: str) -> str:
    """Return text with raised and lowered digits as mathematics: the fonts of papers have few of them.

    A raised 1, 2 or 3 behind a letter is in all fonts, and is left as it is.
    """

    def mathematics(run: re.Match[str]) -> str:
        sign = "^" if run[0][0] in _RAISED_DIGITS else "_"
        known = set(run[0]) <= _IN_FONTS and not text[: run.start()][-1:].isdigit()
        return run[0] if known else f"${sign}{{{run[0].translate(_LEVEL)}}}$"

    return re.sub(f"[{_RAISED_DIGITS}]+|[{_LOWERED_DIGITS}]+", mathematics, text)


def power(exponent: int) -> str:
    """Return a power of ten, such as "10⁻²"."""
    return "10" + str(exponent).translate(_RAISED)


def number(value: float) -> str:
    """Return a number for a title, such as 0.464 or 1000, with a power of ten from 100000 on."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    mantissa, exponent = f"{value:.2e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return power(int(exponent)) if mantissa == "1" else f"{mantissa} × {power(int(exponent))}"
