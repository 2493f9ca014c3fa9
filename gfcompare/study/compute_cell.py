"""Computing one cell: its trajectories, its diagnostics, and what is recorded if no process survives it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from gfcompare.integrators.loop import OnError, failed_block, run_block
from gfcompare.integrators.random_streams import random_stream
from gfcompare.integrators.record import Record
from gfcompare.integrators.status import Status
from gfcompare.study import cell_files
from gfcompare.study.cell_format import Content
from gfcompare.study.cells import Cell
from gfcompare.study.warm_up import load_kernels_of

#: Cause recorded for a cell at which processes die.
DIED = (
    "the process that computed it died each time: out of memory, a crash in compiled code, "
    "or a call of os._exit"
)
#: Seconds that a process has for loading or compiling its kernels, beside the limit of a cell.
LOADING = 600.0
# A cell is ended from outside after so many times the limit of its trajectories, and some seconds: within it
# the loop over the save times ends them in order, with what they have.
_SLACK, _GRACE = 2.0, 10.0


@dataclass(frozen=True)
class End:
    """The ends of the processes that computed a cell.

    Attributes
    ----------
    cause : in words
    late : they were ended from outside, because the cell took too long
    """

    cause: str
    late: bool = False


def limit_of(cell: Cell) -> float | None:
    """Return the seconds after which a process that computes a cell is ended from outside."""
    return None if cell.time_limit is None else _SLACK * cell.time_limit * len(cell.seeds) + _GRACE


def run_cell(cell: Cell, on_error: OnError = "record") -> Record:
    """Compute the trajectories of a cell."""
    load_kernels_of(cell)
    theta = np.stack([cell.problem.initial(cell.study_seed, seed) for seed in cell.seeds])
    rngs = [random_stream(cell.study_seed, seed, "method") for seed in cell.seeds]
    return run_block(
        cell.problem.problem,
        cell.integrator,
        theta,
        cell.times,
        rngs,
        time_limit=cell.time_limit,
        on_error=on_error,
    )


def content_of(cell: Cell, content: Content | None, end: End | None, on_error: OnError) -> Content:
    """Return what the file of a cell is to hold.

    Parameters
    ----------
    cell : the cell
    content : of its file, if it has its trajectories: then diagnostics are computed. Otherwise trajectories
        are, and diagnostics with them if they are quick
    end : how processes that computed it ended, if that is to be recorded instead
    on_error : whether an error of the method is recorded or raised
    """
    if content is not None and on_error == "raise" and cell_files.has_failed(content):
        content = None
    if content is not None:
        if end is not None:
            return cell_files.without_diagnostics(cell, content, end.cause)
        return cell_files.with_diagnostics(cell, content, cell_files.missing(content, cell))
    record = run_cell(cell, on_error) if end is None else _ended(cell, end)
    content = cell_files.trajectories_of(cell, record)
    if cell_files.is_kept_first(cell):
        return content
    return cell_files.with_diagnostics(cell, content, list(cell.diagnostic_keys))


def _ended(cell: Cell, end: End) -> Record:
    """Return the record of a cell that no process survives: all its trajectories failed."""
    theta = np.stack([cell.problem.initial(cell.study_seed, seed) for seed in cell.seeds])
    record = failed_block(cell.problem.problem, cell.integrator, theta, cell.times, end.cause)
    if not end.late:
        return record
    return dataclasses.replace(record, status=np.full_like(record.status, Status.TIME_LIMIT))
