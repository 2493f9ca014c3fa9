"""The base of figures: named components that draw the result of a study.

Plugins are loaded by every command, so nothing here imports matplotlib, seaborn or xarray.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gfcompare.components.component import Component

if TYPE_CHECKING:
    import matplotlib.animation
    import matplotlib.figure
    import xarray as xr


class NothingToDraw(Exception):  # noqa: N818 (it says what is the case; nothing went wrong)
    """A result has nothing that the figure shows, such as no method on the submanifold M.

    `gfcompare.figures.save_all` skips such a figure with a note; the text completes "skipped: ...".
    """


@dataclass(frozen=True)
class Figure(Component, abc.ABC):
    """A figure of the result of a study.

    A subclass is a frozen dataclass whose fields are options with defaults. It sets `name` (what a user
    asks for, and the name of the file) and `title` (one line on what it shows), and writes `draw`. If it
    cannot show every problem it also writes `applies` and sets `scope`. Matplotlib and seaborn are best
    imported inside `draw`: the module is loaded by every command.
    """

    title: ClassVar[str]
    #: What a problem has that the figure can show; completes "no problem has ...".
    scope: ClassVar[str] = "what the figure shows"
    #: Whether it is drawn without being asked for by name.
    by_default: ClassVar[bool] = True
    #: The formats it can be written in.
    formats: ClassVar[tuple[str, ...]] = ("png", "pdf", "svg")

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the figure can show a problem, given the problem's group of the result.

        A figure that applies to no problem of a result is left out of it; `draw` shows those problems to
        which it applies.
        """
        return True

    @abc.abstractmethod
    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure for a result as `gfcompare.open_study` returns it.

        Raises
        ------
        NothingToDraw
            if the result has nothing that the figure shows
        """


@dataclass(frozen=True)
class Animation(Figure):
    """A figure that moves: it is written as GIF, and as MP4 where the program ffmpeg is there.

    A subclass also writes `animate`. It is drawn only if asked for by name: that takes a while.
    """

    by_default: ClassVar[bool] = False
    formats: ClassVar[tuple[str, ...]] = ("gif", "mp4")
    #: Pictures a second.
    rate: ClassVar[int] = 12
    #: Dots an inch.
    dpi: ClassVar[int] = 120

    @abc.abstractmethod
    def animate(self, tree: xr.DataTree) -> matplotlib.animation.Animation:
        """Return the animation; `draw` returns its last picture."""
