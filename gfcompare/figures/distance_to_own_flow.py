"""Distance of each method from the gradient flow that it approximates, seed by seed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

from gfcompare.figures.base import NothingToDraw
from gfcompare.figures.distance_to_flow import SAME_TIME
from gfcompare.figures.lazy import data, np
from gfcompare.figures.options import Drawn, lists_options
from gfcompare.figures.over_time import OverTime
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr
    from numpy.typing import NDArray

    from gfcompare.figures.data import View
    from gfcompare.integrators.base import FlowName

#: The variable that is computed here.
OWN = "distance_to_own_flow"

_APPROXIMATED: dict[bool, FlowName] = {False: "standard", True: "normalized"}


@dataclass(frozen=True, kw_only=True)
class DistanceToOwnFlow(OverTime):
    """Distance in parameters from the flow that a method approximates: on M the normalised one.

    Off M it is the distance from the standard flow, as in the figure distance_to_flow; it is drawn for
    problems with a method on M that is compared.
    """

    name: ClassVar[str] = "distance_to_own_flow"
    title: ClassVar[str] = "Distance to the flow that a method approximates against flow time"
    scope: ClassVar[str] = "a method on M beside the normalised gradient flow"
    quantity: ClassVar[str] = "distance_to_own_flow"
    floor: ClassVar[float] = 1e-17

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether some method on M can be compared."""
        return compared_on_manifold(group)

    def view(self, tree: xr.DataTree) -> View:
        """Return the methods that are compared with a flow, which need not be among those shown."""
        every = data.applicable(data.view(tree, self.problems), type(self))
        return data.restricted(with_own_distance(every), super().view(tree).methods)


@lists_options
def distance_to_own_flow(
    tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]
) -> matplotlib.figure.Figure:
    """Draw how far each method is from the gradient flow it approximates, against flow time.

    That is the standard flow, or the normalised one for methods on M: the distance of the parameters, seed by
    seed from the same initial network.

    Raises
    ------
    NothingToDraw
        if the study has no method on M beside the normalised flow
    """
    return draw(DistanceToOwnFlow, tree, options)


def with_own_distance(given: View) -> View:
    """Return the view of the methods that have a flow to be compared with, and their distance from it.

    A method off the submanifold M is compared with the standard flow of the study, one on M with the
    normalised flow; of several flows with the one of smallest tolerance. The distance is NaN at save times
    that the method does not hit.

    Raises
    ------
    NothingToDraw
        if there is no flow, or nothing besides it
    """
    groups, compared = {}, set()
    for name, group in given.groups.items():
        distance, found = _distances(group)
        if found:
            groups[name] = group.assign({OWN: distance})
            compared |= found
    if not compared:
        raise NothingToDraw("there is no gradient flow in the study with another method beside it")
    return data.restricted(data.View(groups, given.methods, given.all_methods), compared)


def compared_on_manifold(group: xr.Dataset) -> bool:
    """Return whether a method on M, other than the reference, has a normalised flow to be compared with."""
    return "normalized" in references(group) and int(group["on_manifold"].sum()) > 1


def claims(group: xr.Dataset) -> NDArray[np.str_]:
    """Return for each method the flow that it claims to follow, empty for none."""
    from gfcompare.hooks.registry import registry

    if "follows" in group:
        return np.asarray(group["follows"].values.astype(str))
    known = registry()  # before schema 1.4
    names = [str(json.loads(options)["name"]) for options in group["options"].values]
    claimed = {cls.name: cls.follows or "" for cls in known.all("integrators")}
    return np.array([claimed.get(name, "") for name in names], dtype=str)


def references(group: xr.Dataset) -> dict[str, int]:
    """Return for each flow the place of the method that stands for it, of smallest tolerance."""
    options = [json.loads(text) for text in group["options"].values]
    found: dict[str, int] = {}
    for place, flow in enumerate(claims(group)):
        if flow and (flow not in found or _rtol(options[place]) < _rtol(options[found[flow]])):
            found[str(flow)] = place
    return found


def _rtol(options: dict[str, object]) -> float:
    return float(str(options.get("rtol", "inf")))


def _distances(group: xr.Dataset) -> tuple[xr.DataArray, set[str]]:
    """Return the distance, over (integrator, seed, time), and the names of the methods that have one."""
    import xarray as xr

    from gfcompare.results.reading import parameters

    known = references(group)
    theta, clock = parameters(group), group["flow_time"].values
    values = np.full(clock.shape, np.nan)
    found = set()
    for i, on in enumerate(group["on_manifold"].values.astype(bool)):
        flow = known.get(_APPROXIMATED[bool(on)])
        if flow is None or flow == i:
            continue
        same = np.abs(clock[i] - clock[flow]) <= SAME_TIME * np.abs(clock[flow])
        with np.errstate(over="ignore", invalid="ignore"):
            values[i] = np.where(same, np.linalg.norm(theta[i] - theta[flow], axis=-1), np.nan)
        found.add(str(group["integrator"].values[i]))
    attributes = {"long_name": "distance to the flow that a method approximates", "units": "parameter"}
    return xr.DataArray(values, dims=("integrator", "seed", "time"), attrs=attributes), found
