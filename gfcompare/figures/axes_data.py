"""A quantity against a clock: what is drawn in the panel of a problem, and how far its axes reach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from gfcompare.figures import data, log_axes
from gfcompare.figures.options import Band
from gfcompare.figures.theme import LineStyle
from gfcompare.results.clocks import Clock

Array = NDArray[np.float64]

# One seed in four may be at 1e-30, its rounding error: a band may leave the axis this far below the medians.
_LEGROOM = 1e-3
# Where a median diverges, the axis ends at this many times what is left of the others.
_ROOM_ABOVE = 10.0
# A line whose name may stand beside it goes on at least this far, as a share of the panel's width.
_FAR = 0.9
_BESIDE = (3.0, 1.2)


@dataclass(frozen=True)
class Plot:
    """The data of a figure.

    Attributes
    ----------
    quantity : a variable of the result
    clock : what it is drawn against
    floor : smaller values, 0 among them, are drawn here, and the axis label says so
    linear_within : the axis is linear where the values of a panel span less than this factor
    headroom : a median beyond this many times the initial one diverges: it may pass through 1e300
    band : what is drawn around the medians
    beside : another variable of the same kind, drawn dashed, the first one solid; "" for none
    names : what the legend calls the two
    """

    quantity: str
    clock: Clock = "flow_time"
    floor: float = 1e-32
    linear_within: float = 1.0
    headroom: float = 1e3
    band: Band = "quartiles"
    beside: str = ""
    names: tuple[str, str] = ("", "")

    @property
    def quantities(self) -> tuple[str, ...]:
        """The variables that are drawn."""
        return (self.quantity, self.beside) if self.beside else (self.quantity,)

    def style(self, method: LineStyle, quantity: str) -> LineStyle:
        """Return how a variable of a method is drawn: its own dashes tell methods apart, or variables do."""
        if not self.beside:
            return method
        return replace(method, dashes=_BESIDE if quantity == self.beside else ())


@dataclass(frozen=True)
class AxesData:
    """The tables of one problem, values below the floor raised to it, and what its axes are like.

    Attributes
    ----------
    curves, ends : tables of `data.curves` and `data.ends`, with the variable in a column quantity
    x_limits, y_limits : limits of the axes
    linear_clock, linear : whether the horizontal and the vertical axis are linear
    raised : whether a value drawn within the axes is one that was raised to the floor
    """

    curves: pd.DataFrame
    ends: pd.DataFrame
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]
    linear_clock: bool
    linear: bool
    raised: bool

    @property
    def above(self) -> pd.DataFrame:
        """The first point of each median beyond the axis."""
        off = self.curves[self.curves["median"] > self.y_limits[1]]
        return off.groupby(["method", "quantity"], sort=False, as_index=False).first()

    def only(self, method: str) -> AxesData:
        """Return the panel with the curves and ends of one method."""
        curves, ends = (table[table["method"] == method] for table in (self.curves, self.ends))
        return replace(self, curves=curves, ends=ends)

    def last(self, quantity: str) -> dict[str, float]:
        """Return where the medians that reach the right end of the panel end, as shares of its height."""
        table = self.curves[self.curves["quantity"] == quantity].groupby("method", sort=False).last()
        x, y = (
            _share(table[column].to_numpy(), limits, linear)
            for column, limits, linear in (
                ("x", self.x_limits, self.linear_clock),
                ("median", self.y_limits, self.linear),
            )
        )
        seen = (x >= _FAR) & (y <= 1.0)
        return {str(name): float(end) for name, end in zip(table.index[seen], y[seen], strict=True)}


def _share(values: Array, limits: tuple[float, float], linear: bool) -> Array:
    """Return where values lie on an axis, 0 at its lower and 1 at its upper end."""
    low, high = limits
    if linear:
        return (values - low) / (high - low)
    return np.asarray(np.log(np.maximum(values, 1e-300) / low) / np.log(high / low))


def prepared(group: xr.Dataset, plot: Plot) -> AxesData:
    """Return what the panel of a problem shows."""
    shown = plot.quantities
    linear_clock = plot.clock == "flow_time" and data.evenly_spaced(group)
    options: dict[str, Any] = {"band": plot.band, "zero": linear_clock}
    curves = pd.concat(
        [data.curves(group, q, plot.clock, **options).assign(quantity=q) for q in shown], ignore_index=True
    )
    ends = pd.concat([data.ends(group, q, plot.clock).assign(quantity=q) for q in shown])
    # What is 0 at the start, such as a distance from it, says nothing there.
    curves = curves[(curves["x"] > 0) | (curves["median"] > plot.floor)].reset_index(drop=True)
    clock = data.clock_values(group, plot.clock)
    values = ["median", "lower", "upper"]
    small = bool((curves[values] < plot.floor).any(axis=None))
    curves[values] = curves[values].clip(lower=plot.floor)
    ends["y"] = ends["y"].clip(lower=plot.floor)
    # A table without rows has columns of no number type.
    reached = np.concatenate([np.asarray(x, np.float64) for x in (curves["x"], ends["x"], clock[clock > 0])])
    last = float(np.max(reached, initial=0.0, where=np.isfinite(reached)))
    margin = 0.02 * last if linear_clock else 0.0
    x_limits = (-margin, last + margin) if margin > 0 else log_axes.limits_around(reached)
    ended = ends.loc[ends["x"] > 0, "y"].dropna()  # the others are marked in the corner
    y_limits, linear = _vertical(curves, ended, data.scale(group, plot.quantity), plot)
    small = small and y_limits[0] <= plot.floor
    return AxesData(curves, ends, x_limits, y_limits, margin > 0, linear, small)


def _vertical(
    curves: pd.DataFrame, ended: pd.Series[float], scale: float, plot: Plot
) -> tuple[tuple[float, float], bool]:
    """Return the limits of the vertical axis and whether it is linear."""
    shown = curves[["median", "lower", "upper"]].to_numpy(dtype=np.float64).ravel()
    y = np.concatenate([shown, ended.to_numpy(dtype=np.float64)])
    y = y[np.isfinite(y)].clip(max=_ceiling(curves, scale, plot))  # few seeds have no band
    if len(curves):
        y = y.clip(min=_LEGROOM * float(curves["median"].min()))
    positive = y[y > 0]
    if positive.size and positive.max() < plot.linear_within * positive.min():
        margin = 0.05 * (positive.max() - positive.min()) or 0.05 * positive.max()
        return (positive.min() - margin, positive.max() + margin), True
    return log_axes.limits_around(y), False


def _ceiling(curves: pd.DataFrame, scale: float, plot: Plot) -> float:
    """Return where the axis may end, so that what diverges does not squash the rest."""
    finite = curves.replace({"upper": {np.inf: np.nan}})
    highest = finite.groupby(["method", "quantity"])[["median", "upper"]].max()
    tame = highest[highest["median"] <= plot.headroom * scale]
    if tame.empty:  # everything is far up, and nothing can be squashed
        return float("inf")
    if len(tame) == len(highest):
        return plot.headroom * scale
    most = float(np.nanmax(tame.to_numpy(dtype=np.float64)))
    return _ROOM_ABOVE * max(min(most, plot.headroom * scale), scale)
