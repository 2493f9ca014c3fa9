"""What a figure is: a named component that draws the result of a study.

Plugins are loaded by every command, so nothing here imports matplotlib, seaborn or xarray.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from gfcompare.components.component import Component
from gfcompare.components.errors import unknown_name

if TYPE_CHECKING:
    import matplotlib.animation
    import matplotlib.axes
    import matplotlib.figure
    import xarray as xr

    from gfcompare.figures.data import View
    from gfcompare.figures.sketch import Sketch

#: Widths of a figure by name; None is the one that suits what is shown.
Size = Literal["column", "text"] | None
#: What is shown around a median over seeds: their quartiles, or the confidence interval of the median.
Band = Literal["quartiles", "median"]


def check_one_of(key: str, value: str | None, allowed: object) -> None:
    """Raise InputError unless the value of an option is None or one of a Literal type."""
    names = [str(name) for member in get_args(allowed) for name in (get_args(member) or (member,))]
    if value is not None and value not in names:
        raise unknown_name(key, value, [name for name in names if "None" not in name])


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


@dataclass(frozen=True, kw_only=True)
class Selection(Figure):
    """A figure of some problems and methods of a result, drawn on a page or into an axis.

    Parameters
    ----------
    problems, methods : names of those that are shown, that of a grid, such as "gd", for all of it; none means
        all
    size : "column" or "text", the width of a column or of a page; by default what suits the figure
    """

    problems: Sequence[str] = ()
    methods: Sequence[str] = ()
    size: Size = None

    def __post_init__(self) -> None:
        check_one_of("size", self.size, Size)

    def view(self, tree: xr.DataTree) -> View:
        """Return what was asked for, without the problems to which the figure does not apply."""
        from gfcompare.figures import data

        return data.applicable(data.view(tree, self.problems, self.methods), type(self))

    @abc.abstractmethod
    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""

    def draw(
        self, tree: xr.DataTree | xr.Dataset, ax: matplotlib.axes.Axes | None = None
    ) -> matplotlib.figure.Figure:
        """Return the figure, or the one that `ax` belongs to if it is drawn there.

        Parameters
        ----------
        tree : a result as `gfcompare.open_study` returns it, or what `gfcompare.integrate` returns
        ax : an axis to draw into; for a figure that has a single panel

        Raises
        ------
        NothingToDraw
            if the result has nothing that the figure shows
        InputError
            for a name that the result does not have, or more than one panel for `ax`
        """
        from gfcompare.figures import sketch, style
        from gfcompare.results.trees import as_tree

        with style.context():
            return sketch.draw(self.sketch(as_tree(tree)), self.size, ax)


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
