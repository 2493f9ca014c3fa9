"""The fit of several methods side by side, moving along the saved times; and writing it into a file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import AbstractMovieWriter, Animation, FFMpegWriter, FuncAnimation, PillowWriter
from matplotlib.axes import Axes

from gfcompare.figures import functions, layout, strips, style
from gfcompare.figures.single import Choice
from gfcompare.figures.sketch import Frame, Section, Sketch, draw

# Pictures at most, and how long the last one stays, in seconds.
_MOST_PICTURES, _STAY = 80, 1.5


def pictures(choice: Choice) -> list[int]:
    """Return indices of the save times that are shown, evenly chosen among all."""
    ((_, group),) = choice.groups.items()
    times = group.sizes["time"]
    chosen = np.linspace(0, times - 1, min(times, _MOST_PICTURES)).round()
    return [int(index) for index in np.unique(chosen)]


def last_picture(choice: Choice) -> layout.Page:
    """Return the picture at the last save time."""
    return _Stage(choice).figure


def animate(choice: Choice, rate: int) -> Animation:
    """Return the animation, `rate` pictures a second."""
    stage = _Stage(choice)
    indices = pictures(choice)
    shown = [*indices, *[indices[-1]] * round(_STAY * rate)]
    return FuncAnimation(stage.figure, stage.show, frames=shown, interval=1000 / rate, blit=False)


class _Stage:
    """The figure, of which only panels' contents change."""

    def __init__(self, choice: Choice) -> None:
        ((self._name, self._group),) = choice.groups.items()
        self._seed = choice.seeds[self._name]
        self._looks = style.looks(choice.view.all_methods)
        methods = [str(m) for m in self._group["integrator"].values]
        rows = layout.evenly(methods, 4)
        self._panels: dict[str, Axes] = {}

        def fill(frame: Frame) -> None:
            for line, part in zip(frame.axes, rows, strict=True):
                self._panels |= dict(zip(part, layout.used(line, len(part)), strict=True))
            units = functions.value_label("network and target", [self._group])
            frame.label_lowest()
            frame.label(x=f"input $x$ ({style.escaped(self._name)}, seed {self._seed})", y=units)
            self._draw(self._group.sizes["time"] - 1)

        section = Section(
            len(rows), len(rows[0]), 1.6, fill, len(rows[0]) == 1, {"sharex": True, "sharey": True}
        )
        figure: Any = draw(Sketch([section], strips.legend()))
        self.figure: layout.Page = figure
        self._time = figure.text(0.995, 0.99, "", ha="right", va="top", fontsize=style.TITLE)
        self._say(self._group.sizes["time"] - 1)

    def show(self, index: int) -> list[Any]:
        """Draw the picture at a save time."""
        with style.context():
            for ax in self._panels.values():
                ax.clear()
            self._draw(index)
            self._say(index)
        return []

    def _draw(self, index: int) -> None:
        for method, ax in self._panels.items():
            strips.draw_panel(ax, self._group, method, self._seed, index, 0, self._looks[method])
            ax.set_title(style.wrapped(method, 24))

    def _say(self, index: int) -> None:
        time = style.number(float(f"{float(self._group['time'][index]):.2g}"))
        self._time.set_text(style.typeset(f"$t$ = {time}"))


def encoded(animation: Animation, form: str, rate: int, dpi: int) -> bytes:
    """Return an animation as "gif" or "mp4"."""
    writer: AbstractMovieWriter = PillowWriter(fps=rate) if form == "gif" else FFMpegWriter(fps=rate)
    with tempfile.TemporaryDirectory() as folder, style.context():
        path = Path(folder) / f"animation.{form}"  # the writers go by the ending
        animation.save(path, writer=writer, dpi=dpi)
        return path.read_bytes()


def available(form: str) -> bool:
    """Return whether a format can be written: MP4 needs the program ffmpeg."""
    return form == "gif" or bool(FFMpegWriter.isAvailable())
