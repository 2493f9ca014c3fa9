"""Final risk against an option that a study varies, such as the step size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.components.errors import known_name
from gfcompare.figures.lazy import (
    data,
    legends,
    log_axes,
    marks,
    np,
    page_layout,
    pd,
    small_multiples,
    sns,
    theme,
)
from gfcompare.figures.options import Shown, Size, lists_options
from gfcompare.figures.selection import Selection, draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr
    from matplotlib.axes import Axes

    from gfcompare.figures.data import View
    from gfcompare.figures.legends import Legend
    from gfcompare.figures.page_layout import Frame, PageLayout
    from gfcompare.figures.theme import LineStyle
    from gfcompare.results.sweeps import Sweep

_FLOOR = 1e-32
# Risks beyond this many times the initial median leave the axis.
_HEADROOM = 1e6
# Values whose ratio is larger are drawn on a logarithmic axis.
_LOGARITHMIC = 5.0


@dataclass(frozen=True, kw_only=True)
class RiskByOption(Selection):
    """Final risk against an option that is varied in a grid of methods, such as the step size.

    Parameters
    ----------
    option : the option of the methods; None means the first that is varied
    """

    name: ClassVar[str] = "risk_by_option"
    title: ClassVar[str] = "Final risk against an option"
    scope: ClassVar[str] = "a grid of methods over a number"
    option: str | None = None

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether some method is there at several values of an option."""
        return bool(swept(group))

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(self.view(tree), self.option, self.size)


@lists_options
def risk_by_option(
    tree: xr.DataTree | xr.Dataset, *, option: str | None = None, **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw the final risk against an option that is varied, such as the step size: a line for each grid.

    Medians over all seeds with their quartiles; seeds that ended early count as infinite, and their share is
    marked. Methods without the option are horizontal lines.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    option : of the methods; None means the first that is varied
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no option of a method is varied in the study
    """
    return draw(RiskByOption, tree, {"option": option, **options})


@dataclass(frozen=True)
class _Panel:
    """The data of the panel of one problem.

    Attributes
    ----------
    lines : for each sweep a row for each value: x, lower, median, upper, ended (seeds that ended early)
    levels : median final risk of the other methods, which do not depend on the option
    limits : of the axis of risks
    """

    lines: dict[str, pd.DataFrame]
    levels: dict[str, float]
    limits: tuple[float, float]

    def beyond(self, line: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a line whose finite median is above the axis."""
        return line[(line["median"] > self.limits[1]) & (line["median"] < np.inf)]


def swept(group: xr.Dataset) -> list[Sweep]:
    """Return the sweeps of the methods of a problem, from their stored options."""
    from gfcompare.results.sweeps import sweeps

    names = [str(name) for name in group["integrator"].values]
    options = [json.loads(str(text)) for text in group["options"].values]
    return sweeps(dict(zip(names, options, strict=True)))


def layout(view: View, option: str | None = None, size: Size = None) -> PageLayout:
    """Return a panel for each problem, a line for each sweep over the option; the view has some sweep."""
    found = {name: swept(group) for name, group in view.groups.items()}
    options = list(dict.fromkeys(sweep.option for every in found.values() for sweep in every))
    chosen = options[0] if option is None else known_name("varied option", option, options)
    panels = {}
    for name, group in view.groups.items():
        along = [sweep for sweep in found[name] if sweep.option == chosen]
        if along:
            panels[name] = _prepared(group, along)
    drawn = [label for panel in panels.values() for label in (*panel.lines, *panel.levels)]
    styles = theme.line_styles(list(dict.fromkeys(drawn)))
    x_limits, logarithmic = _x_axis([t["x"] for panel in panels.values() for t in panel.lines.values()])
    rows, columns = small_multiples.shape(len(panels), size)

    def draw(frame: Frame) -> None:
        axes = small_multiples.used(frame.axes, len(panels))
        for ax, (name, panel) in zip(axes, panels.items(), strict=True):
            if logarithmic:
                log_axes.make(ax, "x", x_limits)
            else:
                ax.set_xlim(x_limits)
            _draw_panel(ax, panel, styles)
            ax.set_title(theme.wrapped(name, 66 // columns))
        units = str(next(iter(view.groups.values()))["risk"].attrs.get("units", ""))
        time = next(iter(view.groups.values()))["time"].values[-1]
        frame.label(
            x=theme.escaped(chosen.replace("_", " ")),
            y=theme.label("final risk", units, f"flow time {theme.number(float(time))}", width=34 * rows),
        )

    return page_layout.PageLayout(
        [page_layout.Section(rows, columns, 1.9, draw, columns == 1)], _legend(panels, styles)
    )


def _prepared(group: xr.Dataset, sweeps: Sequence[Sweep]) -> _Panel:
    from gfcompare.results.quantiles import quantile

    table = data.final_risk(group)
    risks = table["final"].clip(lower=_FLOOR)
    by_method = {str(method): part for method, part in risks.groupby(table["method"], sort=False)}
    lines = {}
    for sweep in sweeps:
        parts = [by_method[method].to_numpy() for method in sweep.methods]
        lower, middle, upper = (
            [float(quantile(part, share)) for part in parts] for share in (0.25, 0.5, 0.75)
        )
        lines[sweep.name] = pd.DataFrame(
            {
                "x": sweep.values,
                "lower": lower,
                "median": middle,
                "upper": upper,
                "seeds": [len(part) for part in parts],
                "ended": [int(np.isinf(part).sum()) for part in parts],
            }
        )
    in_sweeps = {method for sweep in swept(group) for method in sweep.methods}
    levels = {
        method: float(quantile(part.to_numpy(), 0.5))
        for method, part in by_method.items()
        if method not in in_sweeps
    }
    ends = [table[["lower", "upper", "median"]].to_numpy().ravel() for table in lines.values()]
    values = np.concatenate([*ends, list(levels.values())])
    ceiling = _HEADROOM * data.scale(group, "risk")
    values = values[values <= ceiling] if (values <= ceiling).any() else values
    return _Panel(lines, levels, log_axes.limits_around(values))


def _x_axis(columns: Sequence[pd.Series[float]]) -> tuple[tuple[float, float], bool]:
    """Return limits of the option's axis, and whether it is logarithmic."""
    values = np.concatenate([column.to_numpy() for column in columns])
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > _LOGARITHMIC:
        return log_axes.limits_around(values), True
    margin = 0.04 * (high - low)
    return (low - margin, high + margin), False


def _draw_panel(ax: Axes, panel: _Panel, styles: Mapping[str, LineStyle]) -> None:
    """Draw the lines of one problem, and the other methods as horizontal lines; risks beyond are marked."""
    log_axes.make(ax, "y", panel.limits)
    for label, level in panel.levels.items():
        if level <= panel.limits[1]:
            style = styles[label]
            ax.axhline(level, color=style.colour, linestyle=style.linestyle, linewidth=0.8, zorder=1.5)
    for k, (label, table) in enumerate(panel.lines.items()):
        _draw_line(ax, table, styles[label])
        _draw_marks(ax, table, panel.beyond(table), styles[label], row=k)
    sns.despine(ax=ax)


def _draw_line(ax: Axes, table: pd.DataFrame, style: LineStyle) -> None:
    """Draw the medians of a sweep, and a band of quartiles; what is infinite has no place."""
    high = ax.get_ylim()[1]
    if (table["seeds"] > 1).any():
        face, edge = (*style.colour, 0.13), (*style.colour, 0.6)
        band = table[table["lower"] < np.inf]
        upper = band["upper"].clip(upper=10.0 * high)
        ax.fill_between(band["x"], band["lower"], upper, facecolor=face, edgecolor=edge, linewidth=0.4)
    shown = table[table["median"] < np.inf]
    marks.marked_line(ax, shown["x"], shown["median"], style)


def _draw_marks(ax: Axes, table: pd.DataFrame, beyond: pd.DataFrame, style: LineStyle, row: int) -> None:
    """Mark at the upper edge where seeds ended early, with their share, and where a median is beyond."""
    high = ax.get_ylim()[1]
    ended = table[table["ended"] > 0]
    marks.mark(ax, ended["x"], np.full(len(ended), high), "x", style)
    marks.mark(ax, beyond["x"], np.full(len(beyond), high), "2", style)
    for x, count, seeds in zip(ended["x"], ended["ended"], ended["seeds"], strict=True):
        ax.annotate(
            f"{count}/{seeds}",
            (x, high),
            xytext=(-5, -8 * row),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=theme.SMALL,
            color=style.ink,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
            zorder=5,
        )


def _legend(panels: Mapping[str, _Panel], styles: Mapping[str, LineStyle]) -> Legend:
    from matplotlib.patches import Patch

    legend = legends.Legend()
    lines = {label for panel in panels.values() for label in panel.lines}
    for label, style in styles.items():
        handle = legends.line_handle(style, marker=label in lines)
        legend.add(handle, label if label in lines else f"{label} (median)")
    tables = [table for panel in panels.values() for table in panel.lines.values()]
    if any((table["seeds"] > 1).any() for table in tables):
        legend.add(Patch(color=theme.GREY, alpha=0.3, linewidth=0), "median and quartiles over all seeds")
    if any((table["ended"] > 0).any() for table in tables):
        legend.add(legends.mark_handle("x"), "seeds that ended early, and count as infinite")
    if any(len(panel.beyond(table)) for panel in panels.values() for table in panel.lines.values()):
        legend.add(legends.mark_handle("2"), "the median is above the axis")
    return legend
