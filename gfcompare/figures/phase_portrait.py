"""Paths in the plane of two parameters, over the risk in that plane."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Unpack

from gfcompare.components.component import require
from gfcompare.components.errors import unknown_name
from gfcompare.figures.lazy import np
from gfcompare.figures.one_trajectory import OnRisk
from gfcompare.figures.options import Shown, check_one_of, lists_options
from gfcompare.figures.selection import draw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

    from gfcompare.figures.page_layout import PageLayout
    from gfcompare.figures.portraits import Portrait
    from gfcompare.network import ReLUNetwork
    from gfcompare.results.reading import Array

#: Which point of a path the plane of a phase portrait goes through.
Through = Literal["end", "start"]


@dataclass(frozen=True, kw_only=True)
class PhasePortrait(OnRisk):
    """Paths in the plane of two parameters, over the risk in the plane through a point of one path.

    The paths are projections: the risk is drawn where all other parameters are as at that point.

    Parameters
    ----------
    parameters : the names of two, such as ("w3", "v3"): w, b, v, c with the number of the neuron for one
        hidden layer, W2_3,1 and b2_3 for more; by default the two that move most along the trajectories
    through : "end" or "start" of the path of the first method shown
    """

    name: ClassVar[str] = "phase_portrait"
    title: ClassVar[str] = "Phase portrait of two parameters"
    parameters: Sequence[str] = ()
    through: Through = "end"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("through", self.through, Through)

    def layout(self, tree: xr.DataTree) -> PageLayout:
        """Return the sections of the page and its legend."""
        from gfcompare.figures import portraits

        return portraits.layout(
            self.choice(self.view(tree), shows=portraits.moves),
            lambda group, seed: portrait(group, seed, self.parameters, self.through),
        )


@lists_options
def phase_portrait(
    tree: xr.DataTree,
    *,
    parameters: Sequence[str] = (),
    through: Through = "end",
    seed: int | None = None,
    **options: Unpack[Shown],
) -> matplotlib.figure.Figure:
    """Draw paths in the plane of two parameters, over contours of the risk.

    The risk is evaluated where all other parameters are as at the end (or the start) of the path of the first
    method shown. The paths are projected onto that plane, and only touch it there.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    parameters : the names of two, such as ("w3", "v3"): w, b, v, c with the number of the neuron for one
        hidden layer, W2_3,1 and b2_3 for more; by default the two that move most along the trajectories
    through : "end" or "start"
    seed : by default, for each problem, the one with the median final risk of the first method
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no problem can be rebuilt from the result: a target or a measure is a Python function
    """
    own = {"parameters": parameters, "through": through, "seed": seed}
    return draw(PhasePortrait, tree, {**own, **options})


def portrait(group: xr.Dataset, seed: int, chosen: Sequence[str] = (), through: Through = "end") -> Portrait:
    """Return the paths in the plane of two parameters, the others held as at a point of the first path.

    Parameters
    ----------
    group : the problem
    seed : whose trajectories
    chosen : names of two parameters; by default the two that move most along trajectories
    through : which end of the path of the first method the plane goes through

    Raises
    ------
    InputError
        if a parameter has no such name, or they are not two
    """
    from gfcompare.figures import portraits
    from gfcompare.results.rebuild import problem_of

    problem = problem_of(group)
    paths = portraits.states(group, seed)
    names = parameter_names(problem.network)
    for name in chosen:
        if name not in names:
            raise unknown_name("parameter", str(name), names)
    require(len(set(chosen)) in (0, 2), f"parameters must name two of them, got {list(chosen)}.")
    pair = [names.index(name) for name in chosen] or list(most_moving(portraits.tame(group, seed, paths)))
    reference = next(method for method, rows in paths.items() if len(rows))
    origin = paths[reference][-1 if through == "end" else 0].copy()
    origin[pair] = 0.0
    directions = np.zeros((2, len(origin)))
    directions[[0, 1], pair] = 1.0
    labels = (typeset_name(names[pair[0]]), typeset_name(names[pair[1]]))
    held = f"the {through} of {reference}"
    return portraits.portrait(problem, group, seed, origin, directions, labels, held)


def most_moving(paths: Mapping[str, Array]) -> tuple[int, int]:
    """Return the indices of the two parameters with the largest ranges along trajectories, ascending."""
    ranges = np.max([np.ptp(rows, axis=0) for rows in paths.values() if len(rows)], axis=0)
    first, second = np.argsort(-ranges, kind="stable")[:2]
    return int(min(first, second)), int(max(first, second))


def parameter_names(network: ReLUNetwork) -> list[str]:
    """Return the names of all parameters, in the order of theta.

    For one hidden layer w, b, v, c as in arXiv:2107.04479, with the number of the neuron, and numbers of
    input and output where there are several; for more layers W2_3,1 (layer 2, to 3 from 1) and b2_3.
    """
    if network.depth == 2:
        d, hidden, outputs = network.widths
        neurons = range(1, hidden + 1)
        return [
            *(f"w{i},{j}" if d > 1 else f"w{i}" for i in neurons for j in range(1, d + 1)),
            *(f"b{i}" for i in neurons),
            *(f"v{k},{i}" if outputs > 1 else f"v{i}" for k in range(1, outputs + 1) for i in neurons),
            *(f"c{k}" if outputs > 1 else "c" for k in range(1, outputs + 1)),
        ]
    names = []
    for layer, (before, after) in enumerate(itertools.pairwise(network.widths), start=1):
        names += [f"W{layer}_{i},{j}" for i in range(1, after + 1) for j in range(1, before + 1)]
        names += [f"b{layer}_{i}" for i in range(1, after + 1)]
    return names


def typeset_name(name: str) -> str:
    """Return the name of a parameter as mathematics: w3 as w with a subscript, W2_3,1 with both."""
    letter, numbers = name[0], name[1:]
    if not numbers:
        return f"${letter}$"
    upper, _, lower = numbers.rpartition("_")
    return f"${letter}" + (f"^{{{upper}}}" if upper else "") + f"_{{{lower}}}$"
