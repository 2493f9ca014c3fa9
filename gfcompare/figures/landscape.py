"""From a result to paths in a plane of the parameter space, and the risk in that plane."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from gfcompare.components.component import require
from gfcompare.components.errors import unknown_name
from gfcompare.figures import single
from gfcompare.figures.data import Array
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.results.reading import parameters
from gfcompare.results.rebuild import problem_of

#: Points of the grid on which the risk is evaluated, along each axis.
GRID = 49
# What is shown around the paths, as a share of the rectangle that they fill.
_MARGIN = 0.12
# A parameter moves if its range is at least this share of the largest range.
_MOVED = 0.05
# Smaller risks are drawn as this share of the largest one.
_FLOOR = 1e-16


@dataclass(frozen=True)
class Portrait:
    """Paths in a plane, and the risk there.

    Attributes
    ----------
    paths : for each method its states in the plane, shape (time, 2), without those after it ended
    ended : for each method how its trajectory ended early, "" if it did not
    x, y : grid, shape (n,) and (m,)
    risk : on the grid, shape (m, n)
    labels : of the axes
    held : what the plane goes through; completes "risk in the plane through"
    """

    paths: Mapping[str, Array]
    ended: Mapping[str, str]
    x: Array
    y: Array
    risk: Array
    labels: tuple[str, str]
    held: str


def states(group: xr.Dataset, seed: int) -> dict[str, Array]:
    """Return the parameters of each method at its save times, shape (time, P), until it ended."""
    theta = parameters(group.sel(seed=seed))
    return {
        str(method): rows[np.isfinite(rows).all(axis=1)]
        for method, rows in zip(group["integrator"].values, theta, strict=True)
    }


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


def off_and_on_manifold(group: xr.Dataset) -> list[xr.Dataset]:
    """Return the problem with the methods that do not live on M, and with those that do, if there are any.

    On M the same function has other parameters: a plane in common would show that difference only.
    """
    on = group["on_manifold"].values.astype(bool)
    return [group.isel(integrator=np.flatnonzero(part)) for part in (~on, on) if part.any()]


def moves(group: xr.Dataset, seed: int) -> bool:
    """Return whether a path of a seed goes anywhere in two dimensions."""
    ranges = np.sort(
        np.max([np.ptp(rows, axis=0) for rows in states(group, seed).values() if len(rows)], axis=0)
    )
    return bool(ranges[-2] > _MOVED * ranges[-1] > 0)


def most_moving(paths: Mapping[str, Array]) -> tuple[int, int]:
    """Return the indices of the two parameters with the largest ranges along trajectories, ascending."""
    ranges = np.max([np.ptp(rows, axis=0) for rows in paths.values() if len(rows)], axis=0)
    first, second = np.argsort(-ranges, kind="stable")[:2]
    return int(min(first, second)), int(max(first, second))


def phase_portrait(
    group: xr.Dataset, seed: int, chosen: Sequence[str] = (), through: Literal["end", "start"] = "end"
) -> Portrait:
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
    problem = problem_of(group)
    paths = states(group, seed)
    names = parameter_names(problem.network)
    for name in chosen:
        if name not in names:
            raise unknown_name("parameter", str(name), names)
    require(len(set(chosen)) in (0, 2), f"parameters must name two of them, got {list(chosen)}.")
    pair = [names.index(name) for name in chosen] or list(most_moving(_tame(group, seed, paths)))
    reference = next(method for method, rows in paths.items() if len(rows))
    origin = paths[reference][-1 if through == "end" else 0].copy()
    origin[pair] = 0.0
    directions = np.zeros((2, len(origin)))
    directions[[0, 1], pair] = 1.0
    labels = (typeset_name(names[pair[0]]), typeset_name(names[pair[1]]))
    held = f"the {through} of {reference}"
    return _portrait(problem, group, seed, origin, directions, labels, held)


def principal_paths(group: xr.Dataset, seed: int) -> Portrait:
    """Return the paths in the plane of the first two principal components of all states of a seed.

    States of trajectories that ended early take part only if there are no others.
    """
    paths = states(group, seed)
    rows = np.concatenate(list(_tame(group, seed, paths).values()))
    mean = rows.mean(axis=0)
    _, singular, components = np.linalg.svd(rows - mean, full_matrices=False)
    directions = np.zeros((2, rows.shape[1]))
    directions[: len(components[:2])] = components[:2]
    # The signs of singular vectors are arbitrary: the largest entry of each is made positive.
    directions *= np.sign(np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1))
    share = np.zeros(2)
    share[: len(singular[:2])] = (singular**2 / max(float((singular**2).sum()), 1e-300))[:2]
    texts = [f"{100 * s:.1f} %" if s < 0.9995 else "over 99.9 %" for s in share]
    labels = (f"1st principal component ({texts[0]})", f"2nd component ({texts[1]})")
    held = "the mean of all states; in brackets the share of the variance"
    return _portrait(problem_of(group), group, seed, mean, directions, labels, held)


def _tame(group: xr.Dataset, seed: int, paths: Mapping[str, Array]) -> dict[str, Array]:
    """Return the paths of trajectories that reached the end; all paths if none did."""
    tame = {m: rows for m, rows in paths.items() if len(rows) and not single.ended(group, m, seed)}
    return tame or {m: rows for m, rows in paths.items() if len(rows)}


def _portrait(
    problem: Problem,
    group: xr.Dataset,
    seed: int,
    origin: Array,
    directions: Array,
    labels: tuple[str, str],
    held: str,
) -> Portrait:
    paths = states(group, seed)
    projected = {method: (rows - origin) @ directions.T for method, rows in paths.items()}
    corners = np.concatenate([projected[method] for method in _tame(group, seed, paths)])
    x, y = (_axis(column) for column in corners.T)
    theta = origin + x[None, :, None] * directions[0] + y[:, None, None] * directions[1]
    risk = problem.risk(theta)
    risk = np.maximum(risk, _FLOOR * float(np.max(risk)))
    ended = {method: single.ended(group, method, seed) for method in paths}
    return Portrait(projected, ended, x, y, risk, labels, held)


def _axis(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    margin = _MARGIN * (high - low) or 0.5 * max(abs(high), 1.0)
    return np.linspace(low - margin, high + margin, GRID)
