"""The executor of a run, chosen before anything is written."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gfcompare.components.errors import InputError
from gfcompare.study import attempts, cell_files
from gfcompare.study.cells import Cell
from gfcompare.study.pickling import check_sendable
from gfcompare.system import threads

#: Processes that may die at a cell, in this run and the ones before, where it cannot have one of its own.
DEATHS = 2

_UNSENT = (
    "the time limit is looked at between save times only: what cannot be sent to a worker process cannot be "
    "ended from outside"
)


@dataclass(frozen=True)
class Plan:
    """The chosen executor.

    Attributes
    ----------
    here : in this process, one by one
    workers : the number of processes
    warm : compile or load the kernels in this process first
    reason : what is told of it
    """

    here: bool
    workers: int
    warm: bool
    reason: str = ""


def warm_up_path(folder: Path) -> Path:
    """Return the path beside which a mark says that a process died in the warm-up."""
    return folder / cell_files.CELLS / "warm-up"


def plan_of(todo: Sequence[Cell], folder: Path, jobs: int | None, apart: bool = False) -> Plan:
    """Return where cells are computed: not in this process what a process has died of, if that can be.

    Parameters
    ----------
    todo : the cells
    folder : of the results
    jobs : worker processes; None for one on each core
    apart : compute in a worker process also where one is wanted, if the cells can be sent to it

    Raises
    ------
    InputError
        if worker processes are wanted and a cell cannot be sent to them
    """
    workers = min(jobs or threads.available_cores(), len(todo))
    fatal = [cell for cell in todo if attempts.deaths(cell_files.cell_path(folder, cell))]
    deaths = attempts.deaths(warm_up_path(folder))
    if not todo:
        return Plan(True, 0, False)
    if multiprocessing.current_process().daemon:  # of a multiprocessing.Pool
        alone = "this process may not start others, so the cells are computed in it one by one"
        return Plan(True, 1, deaths < DEATHS, alone if workers > 1 else "")
    reason = ""
    if fatal or deaths:
        doing = "loaded the compiled kernels" if deaths else f"computed {fatal[0].label}"
        reason = f"a run died while it {doing}"
    elif workers == 1 and not any(cell.time_limit for cell in todo) and not (apart and _sendable(todo)):
        return Plan(True, 1, True)
    try:
        check_sendable(todo)
    except InputError:
        if workers > 1:
            raise
        # One worker process is not what was asked for: what cannot be sent is tried here, not for ever.
        given_up = f"{reason}; what it dies of {DEATHS} times is given up" if reason else _UNSENT
        return Plan(True, 1, deaths < DEATHS, given_up)
    if reason:
        return Plan(False, workers, not deaths, f"{reason}, so the cells are computed in worker processes")
    return Plan(False, workers, True)


def _sendable(cells: Sequence[Cell]) -> bool:
    try:
        check_sendable(cells)
    except InputError:
        return False
    return True
