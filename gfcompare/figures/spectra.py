"""Drawing the eigenvalues of the Hessian along trajectories: rows problems, columns methods."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from gfcompare.figures import functions, hessians, layout, log_axes, single, style
from gfcompare.figures.hessians import Spectrum
from gfcompare.figures.single import Choice
from gfcompare.figures.sketch import Frame, Section, Sketch

_NEGATIVE = "black"
# A bound is shown if it is below this many times the largest eigenvalue.
_NEAR = 10.0
# With more eigenvalues than this, lines are thinner.
_MANY = 60
# Decades between labels.
_DECADES = 2
_BOUND: dict[str, Any] = {"color": "0.3", "linewidth": 0.8, "dashes": (4, 2)}


def sketch(choice: Choice) -> Sketch:
    """Return a panel for each problem and method."""
    groups, looks = choice.groups, style.looks(choice.view.all_methods)
    spectra = {
        (name, str(method)): hessians.spectrum(group, str(method), choice.seeds[name])
        for name, group in groups.items()
        for method in group["integrator"].values
    }
    rows = [
        (name, methods)
        for name, group in groups.items()
        for methods in layout.evenly(
            [str(m) for m in group["integrator"].values], layout.most_columns(choice.size)
        )
    ]
    columns = max(len(methods) for _, methods in rows)
    stable = {key: _stable(groups[key[0]], key[1]) for key in spectra}
    scales = {
        name: _Scale.of(
            [s for (p, _), s in spectra.items() if p == name],
            [bound for (p, _), bound in stable.items() if p == name and bound is not None],
        )
        for name in groups
    }

    def draw(frame: Frame) -> None:
        titles: list[str] = []
        named = None
        for line, (name, methods) in zip(frame.axes, rows, strict=True):
            panels = layout.used(line, len(methods))
            for ax, method in zip(panels, methods, strict=True):
                _draw_panel(ax, groups[name], spectra[name, method], scales[name], looks[method])
                bound = stable[name, method]
                if bound is not None and bound < scales[name].high:
                    ax.axhline(bound, **_BOUND)
                early = single.ended(groups[name], method, choice.seeds[name])
                if early:
                    layout.remark(ax, early, 0.97, 0.5, "right")
                elif not len(spectra[name, method].times):
                    layout.remark(ax, "no values", 0.5, 0.5, "center")
            titles = layout.title_columns(
                panels, [style.wrapped(m, frame.title_width()) for m in methods], titles
            )
            if name != named:
                text = functions.row_title(name, choice.seeds[name], groups[name], None)
                layout.margin_title(panels[-1], text, beside=len(panels) < columns)
                named = name
        frame.label_lowest()
        frame.label(x=functions.flow_time_label(groups), y="eigenvalues of the Hessian (risk / parameter²)")

    options = {"sharex": True, "sharey": "row"}
    section = Section(len(rows), columns, 1.6, draw, columns == 1, options)
    bounded = any(b is not None and b < scales[name].high for (name, _), b in stable.items())
    return Sketch([section], _legend(spectra, bounded=bounded))


@dataclass(frozen=True)
class _Scale:
    """The symmetric-logarithmic axis of a row: linear within `threshold`, from `low` to `high`."""

    threshold: float
    low: float
    high: float

    @classmethod
    def of(cls, spectra: Sequence[Spectrum], stable: Sequence[float]) -> _Scale:
        """Return the axis for some spectra, with the bounds of stable eigenvalues that are near."""
        values = np.concatenate([s.values.ravel() for s in spectra])
        values = values[np.isfinite(values)]
        largest = float(np.abs(values).max(initial=0.0)) or 1.0
        threshold = 10.0 ** math.floor(math.log10(largest * hessians.SMALL))
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


def _draw_panel(ax: Axes, group: xr.Dataset, found: Spectrum, scale: _Scale, look: style.Look) -> None:
    saved = group["flow_time"].values
    log_axes.make(ax, "x", log_axes.limits_around(saved[saved > 0]), labels=4)
    ax.set_yscale("symlog", linthresh=scale.threshold, linscale=0.5)
    ax.set_ylim(scale.low, scale.high)
    ax.axhspan(-scale.threshold, scale.threshold, color="0.93", linewidth=0, zorder=0)
    shown = np.abs(found.values) > scale.threshold
    for part, colour in ((shown | ~shown, look.colour), (found.values < -scale.threshold, _NEGATIVE)):
        lines = _pieces(found, part, shown)
        width = 0.5 if found.values.shape[1] <= _MANY else 0.3
        drawn = LineCollection(lines, colors=[colour], linewidths=width, alpha=0.7, zorder=2)
        ax.add_collection(drawn, autolim=False)
    ax.yaxis.set_major_locator(FixedLocator(scale.ticks()))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(_signed_power))
    sns.despine(ax=ax)


def _pieces(found: Spectrum, part: NDArray[np.bool_], shown: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the lines of eigenvalues where they belong to a part, shape (n, k); of those near 0 only one."""
    lines = []
    ranks = np.flatnonzero(shown.any(axis=0))
    others = np.flatnonzero(~shown.any(axis=0))
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


def _legend(spectra: Mapping[tuple[str, str], Spectrum], *, bounded: bool) -> layout.Legend:
    legend = layout.Legend()
    whole = all(s.whole for s in spectra.values())
    legend.add(
        Line2D([], [], color=style.GREY, linewidth=0.8),
        "eigenvalue" if whole else f"one of the {hessians.EXTREME} smallest and largest eigenvalues",
    )
    legend.add(Line2D([], [], color=_NEGATIVE, linewidth=0.8), "negative")
    if bounded:
        legend.add(Line2D([], [], **_BOUND), "2 / step size")
    return legend
