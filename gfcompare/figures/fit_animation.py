"""The fit of several methods side by side, moving along the saved times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gfcompare.figures import one_trajectory
from gfcompare.figures.base import Animation
from gfcompare.figures.lazy import data, np, page_layout, small_multiples, theme
from gfcompare.figures.one_trajectory import Choice
from gfcompare.figures.snapshots import Strip, draw_panel, legend

if TYPE_CHECKING:
    import matplotlib.animation
    import matplotlib.figure
    import xarray as xr
    from matplotlib.axes import Axes

    from gfcompare.figures.page import Page
    from gfcompare.figures.page_layout import Frame

# Pictures at most, and how long the last one stays, in seconds.
_MOST_PICTURES, _STAY = 80, 1.5


@dataclass(frozen=True, kw_only=True)
class FitAnimation(Animation):
    """The fit of several methods side by side, moving along the saved times. Drawn only if asked for.

    Parameters
    ----------
    problem : its name; by default the first one with one input
    methods : names of those that are shown; none means all
    seed : by default the one with the median final risk of the first method
    """

    name: ClassVar[str] = "fit_animation"
    title: ClassVar[str] = "The fit of several methods, moving"
    scope: ClassVar[str] = "one input"
    problem: str | None = None
    methods: Sequence[str] = ()
    seed: int | None = None

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem has one input."""
        return group.sizes["input"] == 1

    def _choice(self, tree: xr.DataTree) -> Choice:
        view = data.applicable(data.view(tree, (), self.methods), type(self))
        return one_trajectory.choose(data.one_problem(view, self.problem), self.seed)

    def animate(self, tree: xr.DataTree) -> matplotlib.animation.Animation:
        """Return the animation."""
        with theme.context():
            return animate(self._choice(tree), self.rate)

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the last picture."""
        with theme.context():
            return last_picture(self._choice(tree))


def fit_animation(
    tree: xr.DataTree,
    *,
    problem: str | None = None,
    methods: Sequence[str] = (),
    seed: int | None = None,
) -> matplotlib.animation.Animation:
    """Return the fit of several methods side by side, moving along the saved times.

    ``animation.save("fit.gif", writer="pillow")`` writes it, with a file name that ends in .mp4 and
    without a writer by the program ffmpeg.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problem : its name; by default the first one with one input
    methods : names of those that are shown; none means all
    seed : by default the one with the median final risk of the first method
    """
    return FitAnimation(problem=problem, methods=methods, seed=seed).animate(tree)


def pictures(choice: Choice) -> list[int]:
    """Return indices of the save times that are shown, evenly chosen among all."""
    ((_, group),) = choice.groups.items()
    times = group.sizes["time"]
    chosen = np.linspace(0, times - 1, min(times, _MOST_PICTURES)).round()
    return [int(index) for index in np.unique(chosen)]


def last_picture(choice: Choice) -> Page:
    """Return the picture at the last save time."""
    return _Stage(choice).figure


def animate(choice: Choice, rate: int) -> matplotlib.animation.Animation:
    """Return the animation, `rate` pictures a second."""
    from matplotlib.animation import FuncAnimation

    stage = _Stage(choice)
    indices = pictures(choice)
    shown = [*indices, *[indices[-1]] * round(_STAY * rate)]
    return FuncAnimation(stage.figure, stage.show, frames=shown, interval=1000 / rate, blit=False)


class _Stage:
    """The figure, of which only panels' contents change."""

    def __init__(self, choice: Choice) -> None:
        from gfcompare.figures import titles

        ((self._name, self._group),) = choice.groups.items()
        self._seed = choice.seeds[self._name]
        self._looks = theme.line_styles(choice.view.all_methods)
        methods = [str(m) for m in self._group["integrator"].values]
        rows = small_multiples.evenly(methods, 4)
        self._panels: dict[str, Axes] = {}

        def fill(frame: Frame) -> None:
            for line, part in zip(frame.axes, rows, strict=True):
                self._panels |= dict(zip(part, small_multiples.used(line, len(part)), strict=True))
            units = titles.value_label("network and target", [self._group])
            frame.label_lowest()
            frame.label(x=f"input $x$ ({theme.escaped(self._name)}, seed {self._seed})", y=units)
            self._draw(self._group.sizes["time"] - 1)

        section = page_layout.Section(
            len(rows), len(rows[0]), 1.6, fill, len(rows[0]) == 1, {"sharex": True, "sharey": True}
        )
        figure: Any = page_layout.draw(page_layout.PageLayout([section], legend()))
        self.figure: Page = figure
        self._time = figure.text(0.995, 0.99, "", ha="right", va="top", fontsize=theme.TITLE)
        self._say(self._group.sizes["time"] - 1)

    def show(self, index: int) -> list[Any]:
        """Draw the picture at a save time."""
        with theme.context():
            for ax in self._panels.values():
                ax.clear()
            self._draw(index)
            self._say(index)
        return []

    def _draw(self, index: int) -> None:
        for method, ax in self._panels.items():
            draw_panel(ax, Strip(self._group, method, self._seed, 0, self._looks[method]), index)
            ax.set_title(theme.wrapped(method, 24))

    def _say(self, index: int) -> None:
        time = theme.number(float(f"{float(self._group['time'][index]):.2g}"))
        self._time.set_text(theme.typeset(f"$t$ = {time}"))
