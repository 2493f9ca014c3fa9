"""Checking every trajectory of a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
import xarray as xr

from gfcompare.components.component import require
from gfcompare.results.rebuild import Rebuilt
from gfcompare.results.trees import as_tree
from gfcompare.study.spec import StudySpec
from gfcompare.system import workers
from gfcompare.theory import geometry, identities, limits
from gfcompare.theory.base import FAIL, INAPPLICABLE, PASS, Check, CheckResult, inapplicable
from gfcompare.theory.stored_trajectories import StoredTrajectory, stored_blocks

#: Every check, in the order of tables and files.
CHECKS: tuple[Check, ...] = (*identities.CHECKS, *geometry.CHECKS, *limits.CHECKS)

#: Of so many seeds of each problem and method the flow is re-integrated, if nothing else is said.
REPLAYED_SEEDS = 16


class _Row(NamedTuple):
    """A row of the table of findings."""

    problem: str
    integrator: str
    seed: int
    check: str
    residual: float
    tolerance: float
    outcome: str
    detail: str
    reference: str


def verify(
    tree: xr.DataTree | xr.Dataset,
    *,
    study: StudySpec | None = None,
    seeds: int | None = REPLAYED_SEEDS,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Check for every trajectory of a result whether it obeys what is known of the flows.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it, or what `gfcompare.integrate` returns
    study : the study that made it; only needed where the result cannot say what was run, because a target, a
        measure or a method is a Python function or class of a script
    seeds : of how many seeds, the first ones of each problem and method, the flow is re-integrated from
        every saved state (the checks flow, speed, energy and lyapunov); None for all. The other checks
        look at every seed
    jobs : number of processes; one for each core by default, once it takes some seconds
    progress : called with the number of trajectories done and their total

    Returns
    -------
    pandas.DataFrame
        a row for each problem, integrator, seed and check, with the columns ``problem``, ``integrator``,
        ``seed``, ``check``; ``residual`` and ``tolerance``, in the check's units, of the place on the
        trajectory that comes nearest to failing; ``outcome``, which is "pass", "fail" or "does not apply";
        ``detail``, one sentence; ``reference``. docs/theory.md says what each check is

    Raises
    ------
    InputError
        if `seeds` or `jobs` is not positive
    """
    tree = as_tree(tree)
    require(seeds is None or seeds >= 1, f"seeds must be at least 1, got {seeds}.")
    require(jobs is None or jobs >= 1, f"jobs must be at least 1, got {jobs}.")
    total = sum(node.sizes["integrator"] * node.sizes["seed"] for node in tree.children.values())
    blocks = stored_blocks(tree, Rebuilt(tree, None if study is None else study.components), seeds)
    found: dict[int, list[_Row]] = {}
    texts: dict[str, str] = {}  # of many seeds most are the same, and each would be kept by itself
    done = 0
    for number, block in workers.completed(blocks, _rows, jobs):
        found[number] = [row._replace(detail=texts.setdefault(row.detail, row.detail)) for row in block]
        for _ in range(len(block) // len(CHECKS)):
            done += 1
            if progress is not None:
                progress(done, total)
    rows = [row for number in sorted(found) for row in found[number]]
    return _accuracy_over_seeds(pd.DataFrame(rows, columns=list(_Row._fields)))


def _rows(block: Sequence[StoredTrajectory]) -> list[_Row]:
    """Return the findings of all checks on some trajectories."""
    return [
        _Row(
            trajectory.problem_name,
            trajectory.method_name,
            trajectory.seed,
            check.name,
            found.residual,
            found.tolerance,
            found.outcome,
            found.detail,
            check.reference,
        )
        for trajectory in block
        for check in CHECKS
        for found in (_judge(check, trajectory),)
    ]


def _accuracy_over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Judge the check accuracy by the median over the seeds of each problem and method."""
    measured = (table["check"] == "accuracy") & table["residual"].notna()
    for _, rows in table[measured].groupby(["problem", "integrator"], sort=False):
        count, middle = len(rows), float(rows["residual"].median())
        if count < identities.ACCURACY_SEEDS:
            outcome = INAPPLICABLE
            detail = f"errors are told from those of a looser tolerance by {identities.ACCURACY_SEEDS} seeds"
        else:
            outcome = PASS if middle <= identities.ACCURACY else FAIL
            detail = f"over {count} seeds, errors are {middle:.3g} times those of the declared tolerance"
        for column, value in (("residual", middle), ("outcome", outcome), ("detail", detail)):
            table.loc[rows.index, column] = value
    return table


def _judge(check: Check, trajectory: StoredTrajectory) -> CheckResult:
    if not len(trajectory.time):
        return inapplicable("the trajectory has no states")
    if check.all_free and trajectory.frozen:
        frozen = ", ".join(trajectory.frozen)
        return inapplicable(f"proved for networks without frozen parameters, here {frozen}")
    return check.judge(trajectory)
