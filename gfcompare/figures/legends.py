"""The legend: its entries, the rows they fill, and the pictures of methods and marks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from gfcompare.figures import theme
from gfcompare.figures.theme import LineStyle

# Width of a character of the legend's font, and of a handle with its gaps, in inches.
_CHARACTER, _HANDLE = 0.052, 0.52
#: Height of a row of the legend in inches.
ROW_HEIGHT = 0.16
# What typesets a label but takes no room in it.
_PLAIN = re.compile(r"[\\${}^_]")


@dataclass
class Legend:
    """The entries of the legend."""

    handles: list[Artist] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    def add(self, handle: Artist, label: str) -> None:
        """Add an entry, unless there is one of this name."""
        text = theme.typeset(theme.escaped(label))
        if text not in self.labels:
            self.handles.append(handle)
            self.labels.append(text)

    def rows(self, width: float) -> list[slice]:
        """Return which entries stand in each row of a page of some width in inches."""
        sizes = [_HANDLE + _CHARACTER * len(_PLAIN.sub("", text)) for text in self.labels]
        found: list[slice] = []
        first = 0
        for k in range(1, len(sizes) + 1):
            if k == len(sizes) or sum(sizes[first : k + 1]) > width:
                found.append(slice(first, k))
                first = k
        return found

    def height(self, width: float) -> float:
        """Return the height of the legend in inches on a page of some width."""
        return ROW_HEIGHT * len(self.rows(width)) + 0.04 if self.labels else 0.0


def line_handle(style: LineStyle, *, marker: bool = True) -> Line2D:
    """Return the legend's picture of a method."""
    return Line2D(
        [],
        [],
        color=style.colour,
        linestyle=style.linestyle,
        marker=style.marker if marker else "",
        markersize=3.5,
        markeredgecolor="white",
        markeredgewidth=0.4,
    )


def mark_handle(marker: str) -> Line2D:
    """Return the legend's picture of a mark that methods share."""
    return Line2D([], [], color=theme.GREY, linestyle="", marker=marker, markersize=5, markeredgewidth=0.9)
