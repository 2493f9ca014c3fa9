"""Certificates of a whole result: every trajectory, on all cores, without those that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from gfcompare.certificates.records import frame_of, stored, variables
from gfcompare.certificates.states import certify_state, require_flint
from gfcompare.certificates.verdicts import Certificate, Verdict
from gfcompare.components.component import require
from gfcompare.integrators.base import FlowName
from gfcompare.problem import Problem
from gfcompare.results.reading import parameters
from gfcompare.results.rebuild import Rebuilt
from gfcompare.results.trees import as_tree
from gfcompare.study.spec import StudySpec
from gfcompare.system import workers

Array = NDArray[np.float64]

#: Where a trajectory lies: problem, method, place of its seed.
Key = tuple[str, str, int]

# States that a worker is handed at a time.
_CHUNK = 8


@dataclass(frozen=True, eq=False)
class _Task:
    """States of one method on one problem."""

    problem: Problem | None
    no_problem: str
    flow: FlowName
    keys: Sequence[Key]
    thetas: Array

    def run(self) -> list[Certificate]:
        """Return their certificates."""
        if self.problem is None:
            reason = f"The problem cannot be rebuilt: {self.no_problem}"
            return [Certificate(Verdict.NONE, reason, flow=self.flow) for _ in self.keys]
        return [certify_state(self.problem, theta, self.flow) for theta in self.thetas]


def certify(
    tree: xr.DataTree | xr.Dataset,
    *,
    time: float | None = None,
    study: StudySpec | None = None,
    jobs: int | None = None,
    again: bool = False,
    progress: Callable[[int, int], None] | None = None,
    keep: Callable[[pd.DataFrame], None] | None = None,
) -> pd.DataFrame:
    """Prove for every trajectory of a result where the exact flow from its state at a time goes.

    A method that lives on the submanifold M is followed by the normalised flow, every other by the standard
    flow: for a method that follows no flow, gradient descent say, what is proved is where the exact flow from
    the stored state goes.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it, or what `gfcompare.integrate` returns
    time : the save time of the states; the last one by default
    study : the study that made it, where the result cannot say what was run
    jobs : number of processes; one for each core by default, once it takes some seconds
    again : prove everything, also what the result has certificates of
    progress : called with the number of trajectories done and their total
    keep : is given what there is, from time to time

    Returns
    -------
    pandas.DataFrame
        a row for each problem, integrator and seed: ``problem``, ``integrator``, ``seed``, ``time`` and the
        fields of `Certificate`; equal limits of a problem have equal numbers ``critical_point``, by
        their risks in ascending order

    Raises
    ------
    InputError
        if python-flint is not there, the time is no save time, or `jobs` is not positive

    Examples
    --------
    >>> import gfcompare as gfc
    >>> frame = gfc.certificates.certify(gfc.open_study("results/quickstart"))  # doctest: +SKIP
    >>> gfc.certificates.verdicts(frame)  # doctest: +SKIP
    """
    require_flint()
    tree = as_tree(tree)
    require(jobs is None or jobs >= 1, f"jobs must be at least 1, got {jobs}.")
    at = {str(name): _time_index(node.to_dataset(), str(name), time) for name, node in tree.children.items()}
    found: dict[Key, Certificate] = {} if again else stored(tree, at)
    tasks = list(_tasks(tree, at, Rebuilt(tree, None if study is None else study.components), found))
    total = len(found) + sum(len(task.keys) for task in tasks)

    def take(task: _Task, certificates: Sequence[Certificate]) -> None:
        found.update(zip(task.keys, certificates, strict=True))
        if progress is not None:
            progress(len(found), total)
        if keep is not None:
            keep(frame_of(tree, at, found))

    if progress is not None:
        progress(len(found), total)
    for number, certificates in workers.completed(tasks, _Task.run, jobs):
        take(tasks[number], certificates)
    return frame_of(tree, at, found)


def certified(tree: xr.DataTree | xr.Dataset, **options: Any) -> xr.DataTree:
    """Return a result with certificates, as `gfcompare certify` has them; options as for `certify`.

    Examples
    --------
    >>> import gfcompare as gfc
    >>> tree = gfc.certificates.certified(gfc.open_study("results/quickstart"))  # doctest: +SKIP
    >>> figure = gfc.figures.limits(tree)  # doctest: +SKIP
    """
    tree = as_tree(tree)
    groups = variables(certify(tree, **options), tree)
    return xr.DataTree.from_dict(
        {"/": tree.to_dataset()}
        | {
            str(name): node.to_dataset()
            .drop_dims("certified_time", errors="ignore")
            .assign(groups[str(name)].variables)
            for name, node in tree.children.items()
        }
    )


def _time_index(data: xr.Dataset, name: str, time: float | None) -> int:
    """Return the place of a save time; the last one by default."""
    times = data["time"].values
    if time is None:
        return len(times) - 1
    places = np.flatnonzero(np.isclose(times, time, rtol=1e-9, atol=0.0))
    given = ", ".join(f"{t:g}" for t in times[-5:])
    require(places.size > 0, f"time {time:g} is no save time of problem {name!r}: they end with {given}.")
    return int(places[0])


def _tasks(
    tree: xr.DataTree, at: Mapping[str, int], rebuilt: Rebuilt, known: Mapping[Key, Certificate]
) -> Iterator[_Task]:
    """Yield what is to be proved."""
    for name, node in tree.children.items():
        data = node.to_dataset()
        problem, no_problem = rebuilt.problem(str(name))
        theta = parameters(data.isel(time=at[str(name)]))
        for k, method in enumerate(data["integrator"].values):
            flow: FlowName = "normalized" if int(data["on_manifold"].values[k]) else "standard"
            keys = [(str(name), str(method), m) for m in range(data.sizes["seed"])]
            left = [key for key in keys if key not in known]
            for first in range(0, len(left), _CHUNK):
                part = left[first : first + _CHUNK]
                yield _Task(problem, no_problem, flow, part, theta[k][[key[2] for key in part]])
