"""One network as a strip of snapshots along its trajectory: rows methods, columns times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Unpack

from gfcompare.figures import one_trajectory
from gfcompare.figures.lazy import data, legends, marks, np, page_layout, small_multiples, sns, theme
from gfcompare.figures.one_trajectory import Choice, OfOneSeed
from gfcompare.figures.options import Shown, lists_options
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr
    from matplotlib.axes import Axes

    from gfcompare.figures.legends import Legend
    from gfcompare.figures.page_layout import Frame, PageLayout
    from gfcompare.figures.theme import LineStyle

TARGET: dict[str, Any] = {"color": "0.65", "linewidth": 2.2, "solid_capstyle": "round"}
# Snapshots in a strip, by the width of the page.
_COUNT = {"column": 4, "text": 6}
# Height of the ticks at breakpoints, as a share of a panel's.
_RUG = 0.07


@dataclass(frozen=True, kw_only=True)
class Snapshots(OfOneSeed):
    """One network as a strip of snapshots: the function at log-spaced times, a row for each method.

    The target is grey, ticks at the bottom are the breakpoints of all layers.

    Parameters
    ----------
    problem : its name; by default the first one with one input
    times : flow times, of which the nearest saved ones are shown; none means some from start to end
    """

    name: ClassVar[str] = "snapshots"
    title: ClassVar[str] = "Snapshots of one network along its trajectory"
    scope: ClassVar[str] = "one input"
    problem: str | None = None
    times: Sequence[float] = ()

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem has one input."""
        return group.sizes["input"] == 1

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(self.choice(data.one_problem(self.view(tree), self.problem), self.times))


@lists_options
def snapshots(
    tree: xr.DataTree,
    *,
    problem: str | None = None,
    seed: int | None = None,
    times: Sequence[float] = (),
    **options: Unpack[Shown],
) -> matplotlib.figure.Figure:
    """Draw one network as a strip: the function it represents at log-spaced times, a row for each method.

    The target is grey, ticks at the bottom are the breakpoints of all layers, the number is the risk.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problem : its name; by default the first one with one input
    seed : by default the one with the median final risk of the first method
    times : flow times, of which the nearest saved ones are shown; none means some from start to end
    options : see `Shown`
    """
    return draw(Snapshots, tree, {"problem": problem, "seed": seed, "times": times, **options})


def layout(choice: Choice) -> PageLayout:
    """Return a strip for each method, and for each output if there are several."""
    from gfcompare.figures import titles

    ((name, group),) = choice.groups.items()
    seed, styles = choice.seeds[name], theme.line_styles(choice.view.all_methods)
    indices = one_trajectory.chosen_times(group, choice.times, _COUNT[choice.size or "text"])
    outputs = range(min(group.sizes["output"], titles.OUTPUTS))
    rows = [(str(method), output) for method in group["integrator"].values for output in outputs]

    def draw(frame: Frame) -> None:
        for line, (method, output) in zip(frame.axes, rows, strict=True):
            strip = Strip(group, method, seed, output, styles[method])
            for ax, index in zip(line, indices, strict=True):
                draw_panel(ax, strip, index, first=index == indices[0])
            which = f"\noutput {output + 1}" if len(outputs) > 1 else ""
            small_multiples.margin_title(line[-1], theme.wrapped(method, 18) + which)
        times = [f"$t$ = {theme.number(float(group['time'][index]))}" for index in indices]
        small_multiples.title_columns(list(frame.axes[0]), times, [])
        units = titles.value_label("network and target", [group], 26 * len(rows))
        frame.label(x=f"input $x$ ({theme.escaped(name)}, seed {seed})", y=units)

    options = {"sharex": True, "sharey": True}
    return page_layout.PageLayout(
        [page_layout.Section(len(rows), len(indices), 0.95, draw, choice.size == "column", options)], legend()
    )


def legend() -> Legend:
    """Return what is in a panel."""
    from matplotlib.lines import Line2D

    found = legends.Legend()
    found.add(Line2D([], [], **TARGET), "target")
    found.add(Line2D([], [], color="black", linewidth=1.2), "network")
    found.add(Line2D([], [], color="black", linestyle="", marker="|", markersize=5), "breakpoint")
    return found


class Strip(NamedTuple):
    """The data of the panels of a row: one output of a trajectory.

    Attributes
    ----------
    group : the data of the problem
    method, seed : of the trajectory
    output : its number
    style : of the method's line
    """

    group: xr.Dataset
    method: str
    seed: int
    output: int
    style: LineStyle


def draw_panel(ax: Axes, strip: Strip, index: int, *, first: bool = True) -> None:
    """Draw the function of a trajectory at a save time, the target, breakpoints, and write the risk.

    Unless it is the `first` of several panels, only the number is written.
    """
    group, method, seed, output, style = strip
    x = one_trajectory.grid(group)
    low, high = one_trajectory.value_limits(group, output)
    draw_target(ax, group, output)
    values = one_trajectory.fitted(group, method, seed, index)[:, output]
    # Matplotlib's path code overflows on what a diverging network represents.
    values = np.clip(values, low - 10 * (high - low), high + 10 * (high - low))
    ax.plot(x, values, color=style.colour, linewidth=1.2)
    positions = one_trajectory.all_breakpoints(group, method, seed, index)
    transform = ax.get_xaxis_transform()
    ax.vlines(positions, 0.0, _RUG, colors=[style.colour], linewidth=0.8, transform=transform)
    risk = float(group["risk"].sel(integrator=method, seed=seed)[index])
    said = one_trajectory.gone(group, method, seed)
    if np.isfinite(risk):
        said = f"{'risk ' if first else ''}{theme.number(float(f'{risk:.1e}'))}"
    marks.remark(ax, said, 0.97, 0.97, "right", "top")
    ax.set_xlim(float(x[0]), float(x[-1]))
    ax.set_ylim(low, high)
    ax.locator_params(axis="x", nbins=2)
    ax.locator_params(axis="y", nbins=4)
    sns.despine(ax=ax)


def draw_target(ax: Axes, group: xr.Dataset, output: int) -> None:
    """Draw the target in grey, or its values at the points where alone it is known."""
    if "target" in group.variables:
        ax.plot(group["x"].values, group["target"].values[:, output], **TARGET)
    elif data.on_points(group):
        x, y = group["sample_x"].values[:, 0], group["sample_target"].values[:, output]
        ax.plot(x, y, linestyle="", marker="o", color="0.65", markersize=2.0, markeredgewidth=0)
