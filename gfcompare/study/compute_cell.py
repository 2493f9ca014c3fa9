"""Computing one cell: its trajectories, its file, and what is recorded if no process survives it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from gfcompare.integrators.loop import OnError, failed_block, run_block
from gfcompare.integrators.random_streams import random_stream
from gfcompare.integrators.record import Record
from gfcompare.study import cell_files
from gfcompare.study.cells import Cell
from gfcompare.study.warm_up import load_kernels_of

#: Cause recorded for a cell at which processes die.
DIED = (
    "the process that computed it died each time: out of memory, a crash in compiled code, "
    "or a call of os._exit"
)


def run_cell(cell: Cell, on_error: OnError = "record") -> Record:
    """Compute a cell."""
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


def record_death(cell: Cell, folder: Path, cause: str) -> None:
    """Write the file of a cell that no process survives: all its trajectories failed.

    If they are there, it was a diagnostic, which is left out.
    """
    path = cell_files.cell_path(folder, cell)
    if path.exists():
        cell_files.leave_out(path, cell, cause)
        return
    theta = np.stack([cell.problem.initial(cell.study_seed, seed) for seed in cell.seeds])
    record = failed_block(cell.problem.problem, cell.integrator, theta, cell.times, cause)
    cell_files.save_cell(path, cell, record)


def compute(cell: Cell, folder: Path, on_error: OnError) -> float:
    """Compute a cell and write its file; return the seconds it took."""
    began = time.perf_counter()
    path = cell_files.cell_path(folder, cell)
    with _folder_kept():
        if path.exists() and not (on_error == "raise" and cell_files.has_failed(path)):
            cell_files.complete_cell(path, cell)
        else:
            cell_files.save_cell(path, cell, run_cell(cell, on_error))
    return time.perf_counter() - began


@contextmanager
def _folder_kept() -> Iterator[None]:
    """Return to the current folder afterwards: no plugin changes it for the ones that come next."""
    try:
        before = Path.cwd()
    except OSError:  # it was removed
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            os.chdir(before)
