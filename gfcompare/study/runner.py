"""Running a study: cells in this process or on workers, each finished one a file, nothing ever lost."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from threadpoolctl import threadpool_limits

from gfcompare.components.component import require
from gfcompare.components.errors import FOREIGN_ERRORS, InputError, RunError, as_exception
from gfcompare.integrators.loop import OnError, check_on_error
from gfcompare.results import opening
from gfcompare.study import attempts, cell_files, merging, unfinished
from gfcompare.study.cells import Cell
from gfcompare.study.compute_cell import DIED, compute, record_death
from gfcompare.study.failures import CellsFailedError, Failures, warn_of_methods
from gfcompare.study.pickling import check_sendable
from gfcompare.study.pool import Pool
from gfcompare.study.run_progress import Progress, Silent
from gfcompare.study.spec import StudySpec
from gfcompare.study.warm_up import warm_up
from gfcompare.system import module_path, process_end, threads
from gfcompare.system.paths import user_path
from gfcompare.system.writing import write_whole

#: The study file that a result was made from, beside it.
STUDY_FILE = "study.toml"
# Processes that may die at a cell, in this run and the ones before, where it cannot have one of its own.
_DEATHS = 2


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes
    ----------
    tree : the results
    path : the result file
    computed, reused : cells computed now, and cells found finished
    seconds : wall time of the run
    """

    tree: xr.DataTree
    path: Path
    computed: int
    reused: int
    seconds: float


def run_study(
    study: StudySpec,
    output: str | Path | None = None,
    *,
    jobs: int | None = None,
    force: bool = False,
    on_error: OnError = "record",
    progress: Progress | None = None,
) -> Outcome:
    """Run what is not finished of a study, and put all of it into one result file.

    Every cell uses one core, so that wall times can be compared, and writes its own file when it is
    finished: whatever stops the run, at most the running cells are lost, and the same call goes on. A cell
    whose process dies twice is recorded as failed. After a run that died, cells are computed in worker
    processes even if there is but one.

    Parameters
    ----------
    study : the study
    output : folder for the results; by default results/<name>
    jobs : worker processes; by default one for each core
    force : compute all cells, finished or not: their files are removed first, so that a forced run that is
        stopped goes on as any other. The result file of before stays until the new one is complete
    on_error : "record" an error that a method raises as the outcome of its trajectory, with a warning for
        each method; or "raise" it when the other cells are finished, also where it was recorded before
    progress : is told what happens
    """
    check_on_error(on_error)
    require(jobs is None or jobs >= 1, f"jobs must be at least 1, got {jobs}.")
    began = time.perf_counter()
    # Absolute, because a method may change the current folder.
    folder = (user_path(output) if output is not None else Path("results") / study.name).absolute()
    cell_files.prepare_folder(folder)
    opening.check_owner(folder, study.spec())
    shown = progress or Silent()
    cells = study.cells()
    finished = [cell for cell in cells if not force and cell_files.is_finished(folder, cell, on_error)]
    there = {cell.key for cell in finished}
    todo = [cell for cell in cells if cell.key not in there]
    plan = _plan(todo, folder, jobs)  # refuses what cannot be sent before anything is written or removed
    if force:
        cell_files.remove_cells(folder, cells)
    unfinished.begin(study, folder, cells)
    shown.begin(cells, finished)
    kept = sum(cell_files.cell_path(folder, cell).exists() for cell in todo)
    if kept and on_error == "record":
        shown.note(f"{kept} cells have their trajectories: of them only diagnostics are computed")
    try:
        if todo:
            _warm_up_once(todo, folder, plan, shown)
            _refuse(_compute_all(todo, folder, plan, on_error, shown), folder, on_error)
            attempts.forget(_warm_up_path(folder))
    finally:
        # The files are what counts: a cell that was written may not have been reported any more.
        shown.end(len(finished) + sum(cell_files.is_finished(folder, cell, on_error) for cell in todo))
    if study.source:
        write_whole(folder / STUDY_FILE, lambda p: _write_text(p, study.source))
    _check_there(cells, folder)
    path = merging.merge(study, folder, cells, shown.note)
    tree = opening.open_study(path)
    warn_of_methods(tree)
    return Outcome(tree, path, len(todo), len(finished), time.perf_counter() - began)


@dataclass(frozen=True)
class _Plan:
    """Where cells are computed.

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
    reason: str


def _plan(todo: Sequence[Cell], folder: Path, jobs: int | None) -> _Plan:
    """Return where cells are computed: not in this process what a process has died of, if that can be.

    Raises
    ------
    InputError
        if worker processes are wanted and a cell cannot be sent to them
    """
    workers = min(jobs or threads.available_cores(), len(todo))
    fatal = [cell for cell in todo if attempts.deaths(cell_files.cell_path(folder, cell))]
    deaths = attempts.deaths(_warm_up_path(folder))
    if not todo:
        return _Plan(True, 0, False, "")
    if multiprocessing.current_process().daemon:  # of a multiprocessing.Pool
        alone = "this process may not start others, so the cells are computed in it one by one"
        return _Plan(True, 1, deaths < _DEATHS, alone if workers > 1 else "")
    if workers == 1 and not fatal and not deaths:
        return _Plan(True, 1, True, "")
    if not fatal and not deaths:
        check_sendable(todo)
        return _Plan(False, workers, True, "")
    died = f"a run died while it {'loaded the compiled kernels' if deaths else f'computed {fatal[0].label}'}"
    try:
        check_sendable(todo)
    except InputError:
        if workers > 1:
            raise
        # One worker process is not what was asked for: what cannot be sent is tried here, not for ever.
        return _Plan(True, 1, deaths < _DEATHS, f"{died}; what it dies of {_DEATHS} times is given up")
    return _Plan(False, workers, not deaths, f"{died}, so the cells are computed in worker processes")


def _compute_all(
    todo: Sequence[Cell], folder: Path, plan: _Plan, on_error: OnError, shown: Progress
) -> Failures:
    """Compute cells, in this process or in others; return those that could not be."""
    if plan.reason:
        shown.note(plan.reason)
    if plan.here:
        with _one_thread():
            return _compute_here(todo, folder, on_error, shown)
    with module_path.for_workers(), process_end.deferred_interrupt() as raise_if_interrupted:
        return Pool(folder, plan.workers, on_error, shown, raise_if_interrupted).run(todo)


def _check_there(cells: Sequence[Cell], folder: Path) -> None:
    """Raise an error unless all cells have their files."""
    gone = [cell.label for cell in cells if not cell_files.cell_path(folder, cell).exists()]
    if gone:
        raise RunError(
            f"the files of {len(gone)} cells ({gone[0]}, ...) are not in {folder} any more, although they "
            "were written: another program has removed them. Run the same command again."
        )


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _refuse(failed: Failures, folder: Path, on_error: OnError) -> None:
    """Raise an error that names the cells that could not be computed, if there are any."""
    if not failed:
        return
    error = failed[0][1]
    if on_error == "raise" and not isinstance(error, InputError | RunError):
        error.add_note(f"In {failed[0][0].label}. The finished cells are kept in {folder}.")
        raise error
    known = isinstance(error, InputError | RunError)
    cause = str(error) if known else f"{type(error).__name__}: {error}."
    names = "; ".join(cell.label for cell, _ in failed[:3]) + ("; ..." if len(failed) > 3 else "")
    count = "a cell" if len(failed) == 1 else f"{len(failed)} cells"
    message = f"{count} could not be computed ({names}): {cause} The finished cells are kept in {folder}."
    kind = type(error) if known else CellsFailedError
    raise kind(message) from error


def _compute_here(todo: Sequence[Cell], folder: Path, on_error: OnError, shown: Progress) -> Failures:
    """Compute cells one after the other in this process; return those that raised an error."""
    failed: Failures = []
    for cell in todo:
        path = cell_files.cell_path(folder, cell)
        try:
            if attempts.deaths(path) >= _DEATHS and on_error == "record":
                record_death(cell, folder, DIED)
                attempts.forget(path)
                shown.cell_done(cell, 0.0)
                continue
            with attempts.computing(path):
                seconds = compute(cell, folder, on_error)
        except FOREIGN_ERRORS as error:  # the other cells go on
            failed.append((cell, as_exception(error)))
        else:
            shown.cell_done(cell, seconds)
    return failed


def _warm_up_path(folder: Path) -> Path:
    """Return the path beside which a mark says that a process died in the warm-up."""
    return folder / cell_files.CELLS / "warm-up"


def _warm_up_once(todo: Sequence[Cell], folder: Path, plan: _Plan, shown: Progress) -> None:
    """Warm up, unless a process has died of it: then each cell does it in a process that may die alone."""
    if plan.warm:
        with attempts.computing(_warm_up_path(folder)):
            warm_up(todo, shown)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = threads.thread_count()
    threads.set_thread_count(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        threads.set_thread_count(before)
