"""Distance from the standard gradient flow against flow time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.lazy import data, np
from gfcompare.figures.options import Drawn, lists_options
from gfcompare.figures.over_time import OverTime
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

    from gfcompare.figures.data import View

#: The stored variable.
STORED = "distance_to_flow"

#: Two clocks that differ by no more than this, relatively, show the same time.
SAME_TIME = 1e-9


@dataclass(frozen=True, kw_only=True)
class DistanceToFlow(OverTime):
    """Distance in parameters from the standard flow, for methods on M from its normalised form.

    Drawn at the save times that a method reaches exactly: one with steps is beside the others.
    """

    name: ClassVar[str] = "distance_to_flow"
    title: ClassVar[str] = "Distance to the standard gradient flow against flow time"
    scope: ClassVar[str] = "a standard gradient flow among its methods"
    quantity: ClassVar[str] = "distance_to_flow"
    floor: ClassVar[float] = 1e-17

    def shown(self, view: View) -> View:
        """Return the methods that are compared with the flow."""
        return with_stored_distance(view)


@lists_options
def distance_to_flow(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw how far each method is from the standard gradient flow, against flow time.

    This is the variable of the same name: the distance of the parameters, seed by seed from the same initial
    network; for a method on M from the flow's normalised form.

    Raises
    ------
    NothingToDraw
        if the result has no standard flow, or nothing besides it
    """
    return draw(DistanceToFlow, tree, options)


def with_stored_distance(given: View) -> View:
    """Return the view of the methods besides the standard flow itself, with their stored distance from it.

    The distance is NaN at save times that the method does not hit: a method with steps is there only at
    multiples of its step size.

    Raises
    ------
    NothingToDraw
        if there is nothing besides the flow
    """
    groups, compared = {}, set()
    for name, group in given.groups.items():
        clock, times = group["flow_time"].values, group["time"].values
        stored = group[STORED].values
        values = np.where(np.abs(clock - times) <= SAME_TIME * times, stored, np.nan)
        groups[name] = group.assign({STORED: group[STORED].copy(data=values)})
        compared |= set(map(str, group["integrator"].values[(stored > 0).any(axis=(1, 2))]))
    if not compared:
        raise NothingToDraw("there is no method beside the standard gradient flow")
    return data.restricted(data.View(groups, given.methods, given.all_methods), compared)
