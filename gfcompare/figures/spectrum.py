"""Eigenvalues of the Hessian of the risk along trajectories: rows problems, columns methods."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from gfcompare.figures import one_trajectory
from gfcompare.figures.lazy import legends, log_axes, marks, np, page_layout, small_multiples, sns, theme
from gfcompare.figures.one_trajectory import Choice, OnRisk
from gfcompare.figures.options import Shown, lists_options
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from gfcompare.figures.legends import Legend
    from gfcompare.figures.page_layout import Frame, PageLayout
    from gfcompare.figures.theme import LineStyle
    from gfcompare.problem import Problem
    from gfcompare.results.reading import Array

#: Eigenvalues below this share of the largest are drawn as if they were 0.
SMALL = 1e-6
#: How many of the smallest and of the largest eigenvalues there are beyond 400 parameters.
EXTREME = 5
# Times at which they are computed: all, or that many, evenly chosen.
_MOST_TIMES = 31
_NEGATIVE = "black"
# A bound is shown if it is below this many times the largest eigenvalue.
_NEAR = 10.0
# With more eigenvalues than this, lines are thinner.
_MANY = 60
# Decades between labels.
_DECADES = 2
_BOUND: dict[str, Any] = {"color": "0.3", "linewidth": 0.8, "dashes": (4, 2)}


@dataclass(frozen=True, kw_only=True)
class Spectrum(OnRisk):
    """Eigenvalues of the Hessian of the risk along the trajectories of one seed.

    All of them up to 400 parameters, otherwise the extreme ones. A dashed line is at 2 / step size for a
    method with one: gradient descent is unstable where an eigenvalue is beyond it.
    """

    name: ClassVar[str] = "spectrum"
    title: ClassVar[str] = "Eigenvalues of the Hessian against flow time"

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        return layout(self.choice(self.view(tree)))


@lists_options
def spectrum(
    tree: xr.DataTree, *, seed: int | None = None, **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw the eigenvalues of the Hessian of the risk against flow time, for one seed.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    seed : by default, for each problem, the one with the median final risk of the first method
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no problem can be rebuilt from the result: a target or a measure is a Python function
    """
    return draw(Spectrum, tree, {"seed": seed, **options})


@dataclass(frozen=True)
class Eigenvalues:
    """Eigenvalues along a trajectory.

    Attributes
    ----------
    times : flow times, shape (n,)
    values : eigenvalues, ascending, shape (n, k), in units of risk / parameter^2
    whole : whether they are all eigenvalues of the Hessian
    """

    times: Array
    values: Array
    whole: bool


def along_trajectory(group: xr.Dataset, method: str, seed: int) -> Eigenvalues:
    """Return the eigenvalues along a trajectory, after flow time 0 and until it ended.

    See `eigenvalues` for how they are computed.
    """
    from gfcompare.evaluators.curvature import DENSE_PARAMETERS
    from gfcompare.results.reading import parameters
    from gfcompare.results.rebuild import problem_of

    problem = problem_of(group)
    count = int(problem.free.sum())
    one = group.sel(integrator=method, seed=seed)
    theta, times = parameters(one), one["flow_time"].values
    there = np.flatnonzero(np.isfinite(theta).all(axis=1) & (times > 0))
    chosen = there[
        np.unique(np.linspace(0, len(there) - 1, min(len(there), _MOST_TIMES)).round().astype(int))
    ]
    found = [eigenvalues(problem, theta[index]) for index in chosen]
    whole = count <= DENSE_PARAMETERS
    values = np.array(found) if found else np.empty((0, count))
    return Eigenvalues(times[chosen], values, whole)


def eigenvalues(problem: Problem, theta: Array) -> Array:
    """Return the eigenvalues of the Hessian at theta, ascending; beyond 400 parameters the extreme ones.

    On finitely many points it is the Hessian of the smooth piece on which theta lies: differences across a
    kink would not be small. Elsewhere, where it is not known exactly and their number is odd, the one in the
    middle is missing. Frozen parameters have none.
    """
    from gfcompare.evaluators.curvature import DENSE_PARAMETERS

    free = np.flatnonzero(problem.free)
    count = len(free)
    if count > DENSE_PARAMETERS:
        found = problem.curvature(theta, EXTREME)
        return np.concatenate([found.smallest, found.largest])
    if problem.has_hessian:
        return _eigenvalues(problem.hessian(theta)[np.ix_(free, free)])
    if not problem.smooth:
        return _eigenvalues(_of_piece(problem, theta)[np.ix_(free, free)])
    found = problem.curvature(theta, max(count // 2, 1))
    return np.concatenate([found.smallest, found.largest]) if count > 1 else found.largest


def _of_piece(problem: Problem, theta: Array) -> Array:
    """Return the Hessian, (P, P), with the activations at the points held as they are at theta."""
    from gfcompare.evaluators.curvature import differences

    derivatives = (problem.pre_activations(theta) > 0).astype(np.float64)

    def gradients(rows: Array) -> Array:
        return np.stack([problem.gradient_with(row, derivatives) for row in rows])

    return differences(gradients, theta, np.eye(len(theta)))


def _eigenvalues(matrix: Array) -> Array:
    if not np.isfinite(matrix).all():
        return np.full(len(matrix), np.nan)
    return np.asarray(np.linalg.eigvalsh(0.5 * (matrix + matrix.T)), dtype=np.float64)


def layout(choice: Choice) -> PageLayout:
    """Return a panel for each problem and method."""
    from gfcompare.figures import titles

    groups, styles = choice.groups, theme.line_styles(choice.view.all_methods)
    spectra = {
        (name, str(method)): along_trajectory(group, str(method), choice.seeds[name])
        for name, group in groups.items()
        for method in group["integrator"].values
    }
    most = small_multiples.most_columns(choice.size)
    rows = [
        (name, methods)
        for name, group in groups.items()
        for methods in small_multiples.evenly([str(m) for m in group["integrator"].values], most)
    ]
    columns = max(len(methods) for _, methods in rows)
    limits = one_trajectory.time_limits(groups)
    stable = {key: _stable(groups[key[0]], key[1]) for key in spectra}
    scales = {
        name: _Scale.of(
            [s for (p, _), s in spectra.items() if p == name],
            [bound for (p, _), bound in stable.items() if p == name and bound is not None],
        )
        for name in groups
    }

    def draw(frame: Frame) -> None:
        before: list[str] = []
        named = None
        for line, (name, methods) in zip(frame.axes, rows, strict=True):
            panels = small_multiples.used(line, len(methods))
            for ax, method in zip(panels, methods, strict=True):
                log_axes.make(ax, "x", limits, labels=4)
                _draw_panel(ax, spectra[name, method], scales[name], styles[method])
                bound = stable[name, method]
                if bound is not None and bound < scales[name].high:
                    ax.axhline(bound, **_BOUND)
                early = one_trajectory.ended(groups[name], method, choice.seeds[name])
                if early:
                    marks.remark(ax, early, 0.97, 0.5, "right")
                elif not len(spectra[name, method].times):
                    marks.remark(ax, "no values", 0.5, 0.5, "center")
            before = small_multiples.title_columns(
                panels, [theme.wrapped(m, frame.title_width()) for m in methods], before
            )
            if name != named:
                text = titles.row_title(name, choice.seeds[name], groups[name], None)
                small_multiples.margin_title(panels[-1], text, beside=len(panels) < columns)
                named = name
        frame.label_lowest()
        frame.label(x=titles.flow_time_label(groups), y="eigenvalues of the Hessian (risk / parameter²)")

    # All have the same limits. Each panel looks at all that share an axis with it, hundreds of times.
    options = {"sharex": "col", "sharey": "row"}
    section = page_layout.Section(len(rows), columns, 1.6, draw, columns == 1, options)
    bounded = any(b is not None and b < scales[name].high for (name, _), b in stable.items())
    return page_layout.PageLayout([section], _legend(spectra, bounded=bounded))


@dataclass(frozen=True)
class _Scale:
    """The symmetric-logarithmic axis of a row: linear within `threshold`, from `low` to `high`."""

    threshold: float
    low: float
    high: float

    @classmethod
    def of(cls, spectra: Sequence[Eigenvalues], stable: Sequence[float]) -> _Scale:
        """Return the axis for some spectra, with the bounds of stable eigenvalues that are near."""
        values = np.concatenate([s.values.ravel() for s in spectra])
        values = values[np.isfinite(values)]
        largest = float(np.abs(values).max(initial=0.0)) or 1.0
        threshold = 10.0 ** math.floor(math.log10(largest * SMALL))
        low = float(values.min(initial=0.0))
        near = [bound for bound in stable if bound < _NEAR * largest]
        return cls(
            threshold, -3.0 * threshold if low > -threshold else 2.0 * low, 2.0 * max([largest, *near])
        )

    def ticks(self) -> list[float]:
        """Return 0, and powers of ten so far apart that their labels have room."""
        first, last = round(math.log10(self.threshold)) + 1, math.floor(math.log10(self.high))
        powers = [10.0**k for k in range(last, first - 1, -_DECADES)]
        return [*(-p for p in powers if -p > self.low), 0.0, *powers]


def _draw_panel(ax: Axes, found: Eigenvalues, scale: _Scale, style: LineStyle) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    if ax.get_yscale() != "symlog":
        ax.set_yscale("symlog", linthresh=scale.threshold, linscale=0.5)
    log_axes.limit(ax, y=(scale.low, scale.high))
    ax.axhspan(-scale.threshold, scale.threshold, color="0.93", linewidth=0, zorder=0)
    shown = np.abs(found.values) > scale.threshold
    for part, colour in ((shown | ~shown, style.colour), (found.values < -scale.threshold, _NEGATIVE)):
        lines = _pieces(found, part, shown)
        width = 0.5 if found.values.shape[1] <= _MANY else 0.3
        drawn = LineCollection(lines, colors=[colour], linewidths=width, alpha=0.7, zorder=2)
        ax.add_collection(drawn, autolim=False)
    ax.yaxis.set_major_locator(FixedLocator(scale.ticks()))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(_signed_power))
    sns.despine(ax=ax)


def _pieces(found: Eigenvalues, part: NDArray[np.bool_], shown: NDArray[np.bool_]) -> list[Array]:
    """Return the lines of eigenvalues where they belong to a part, shape (n, k); of those near 0 only one."""
    lines = []
    ranks, others = np.flatnonzero(shown.any(axis=0)), np.flatnonzero(~shown.any(axis=0))
    for rank in [*others[:1], *ranks]:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], part[:, rank], [False]]).astype(np.int8)))
        for first, last in edges.reshape(-1, 2):
            lines.append(np.column_stack([found.times[first:last], found.values[first:last, rank]]))
    return lines


def _signed_power(value: float, _: Any) -> str:
    if value == 0:
        return "0"
    return f"${'-' if value < 0 else ''}10^{{{round(math.log10(abs(value)))}}}$"


def _stable(group: xr.Dataset, method: str) -> float | None:
    """Return 2 / step size for a method with a constant step size, beyond which descent is unstable."""
    options = json.loads(str(group["options"].sel(integrator=method).item()))
    step = options.get("step_size")
    return 2.0 / step if isinstance(step, int | float) and step > 0 else None


def _legend(spectra: Mapping[tuple[str, str], Eigenvalues], *, bounded: bool) -> Legend:
    from matplotlib.lines import Line2D

    legend = legends.Legend()
    whole = all(s.whole for s in spectra.values())
    name = "eigenvalue" if whole else f"one of the {EXTREME} smallest and largest eigenvalues"
    legend.add(Line2D([], [], color=theme.GREY, linewidth=0.8), name)
    legend.add(Line2D([], [], color=_NEGATIVE, linewidth=0.8), "negative")
    if bounded:
        legend.add(Line2D([], [], **_BOUND), "2 / step size")
    return legend
