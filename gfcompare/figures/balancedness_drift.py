"""Drift of the balancedness against flow time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.lazy import data
from gfcompare.figures.options import Drawn, lists_options
from gfcompare.figures.over_time import OverTime
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

    from gfcompare.figures.data import View


@dataclass(frozen=True, kw_only=True)
class BalancednessDrift(OverTime):
    """Drift of the balancedness, which the standard flow conserves, for methods not on M."""

    name: ClassVar[str] = "balancedness_drift"
    title: ClassVar[str] = "Balancedness drift against flow time"
    quantity: ClassVar[str] = "balancedness_drift"
    floor: ClassVar[float] = 1e-17

    def shown(self, view: View) -> View:
        """Return the methods that do not live on M."""
        on_manifold = data.methods_on_manifold(view)
        others = [method for method in view.methods if method not in on_manifold]
        if not others:
            raise NothingToDraw("every method lives on the submanifold M")
        return data.restricted(view, others)


@lists_options
def balancedness_drift(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the drift of the balancedness against flow time, for the methods that do not live on M.

    Raises
    ------
    NothingToDraw
        if every method lives on the submanifold M
    """
    return draw(BalancednessDrift, tree, options)
