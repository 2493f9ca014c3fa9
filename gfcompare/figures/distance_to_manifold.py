"""Distance from the submanifold M against flow time."""

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
class DistanceToManifold(OverTime):
    """Distance from the submanifold M, for the methods that live there."""

    name: ClassVar[str] = "distance_to_manifold"
    title: ClassVar[str] = "Distance to the submanifold M against flow time"
    quantity: ClassVar[str] = "distance_to_manifold"
    floor: ClassVar[float] = 1e-17

    def shown(self, view: View) -> View:
        """Return the methods that live on M."""
        on_manifold = data.methods_on_manifold(view)
        if not on_manifold:
            raise NothingToDraw("no method lives on the submanifold M")
        return data.restricted(view, on_manifold)


@lists_options
def distance_to_manifold(
    tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]
) -> matplotlib.figure.Figure:
    """Draw the distance from M against flow time, for the methods that live on M.

    Raises
    ------
    NothingToDraw
        if no method lives on the submanifold M
    """
    return draw(DistanceToManifold, tree, options)
