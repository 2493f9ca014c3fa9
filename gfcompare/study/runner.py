"""Running a study: cells in this process or on workers, each finished one a file, nothing ever lost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from threadpoolctl import threadpool_limits

from gfcompare.components.component import require
from gfcompare.components.errors import InputError, RunError
from gfcompare.integrators.loop import OnError, check_on_error
from gfcompare.results import opening
from gfcompare.study import attempts, cell_files, merging, unfinished
from gfcompare.study.cell_index import CellIndex
from gfcompare.study.cells import Cell, with_keys
from gfcompare.study.claims import claimed
from gfcompare.study.compute_cell import DIED, End
from gfcompare.study.dispatch import Dispatch
from gfcompare.study.executors.base import Executor
from gfcompare.study.executors.forked import Forked, can_fork
from gfcompare.study.executors.here import Here
from gfcompare.study.executors.processes import Processes
from gfcompare.study.failures import CellsFailedError, Failures, warn_of_methods
from gfcompare.study.pickling import check_sendable
from gfcompare.study.plan import DEATHS, Plan, plan_of, warm_up_path
from gfcompare.study.run_progress import Progress, Silent
from gfcompare.study.shards import Shard
from gfcompare.study.spec import StudySpec
from gfcompare.study.warm_up import warm_up
from gfcompare.system import module_path, process_end, threads
from gfcompare.system.paths import user_path
from gfcompare.system.writing import write_whole

#: The study file that a result was made from, beside it.
STUDY_FILE = "study.toml"


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Attributes
    ----------
    tree : the results
    path : the result file
    computed, reused : cells computed now, and cells found finished
    seconds : wall time of the run
    given_up : cells that were recorded as failed because they ended their processes, or did not end
    """

    tree: xr.DataTree
    path: Path
    computed: int
    reused: int
    seconds: float
    given_up: tuple[str, ...] = ()


@dataclass(frozen=True)
class Computed:
    """The computed part of a run.

    Attributes
    ----------
    folder : of the results
    computed, reused : cells computed now, and cells found finished
    given_up : labels of cells that were recorded as failed because they ended their processes, or did not end
    """

    folder: Path
    computed: int
    reused: int
    given_up: tuple[str, ...]


@dataclass(frozen=True)
class Manner:
    """The options of a run.

    Parameters
    ----------
    jobs : worker processes; by default one for each core
    force : compute all cells, finished or not: their files are removed first, so that a forced run that is
        stopped goes on as any other. The result file of before stays until the new one is complete
    on_error : "record" an error that a method raises as the outcome of its trajectory, with a warning for
        each method; or "raise" it when the other cells are finished, also where it was recorded before
    executor : where the cells are computed, instead of in processes of this machine
    apart : with one job, compute in a copy of this process, where copies are safe: a method that ends its
        process then ends no run. A debugger in a method needs this process
    """

    jobs: int | None = None
    force: bool = False
    on_error: OnError = "record"
    executor: Executor | None = None
    apart: bool = False

    def __post_init__(self) -> None:
        check_on_error(self.on_error)
        require(self.jobs is None or self.jobs >= 1, f"jobs must be at least 1, got {self.jobs}.")


def folder_of(study: StudySpec, output: str | Path | None) -> Path:
    """Return the folder for the results; absolute, because a method may change the current folder."""
    return (user_path(output) if output is not None else Path("results") / study.name).absolute()


def run_study(
    study: StudySpec,
    output: str | Path | None = None,
    *,
    jobs: int | None = None,
    force: bool = False,
    on_error: OnError = "record",
    progress: Progress | None = None,
    manner: Manner | None = None,
) -> Outcome:
    """Run what is not finished of a study, and put all of it into one result file.

    Every cell uses one core, so that wall times can be compared, and has a file of its own when it is
    finished: whatever stops the run, at most the running cells are lost, and the same call goes on. A cell
    whose process dies twice, or has to be ended, is recorded as failed. After a run that died, and with a
    time limit, cells are computed in worker processes even if there is but one.

    Parameters
    ----------
    study : the study
    output : folder for the results; by default results/<name>
    progress : receives messages
    jobs, force, on_error : see `Manner`
    manner : instead of these
    """
    began = time.perf_counter()
    manner = manner or Manner(jobs, force, on_error)
    folder, shown = folder_of(study, output), progress or Silent()
    cells = with_keys(study.cells())
    cell_files.prepare_folder(folder)
    with claimed(folder):
        opening.check_owner(folder, study.spec())
        index = CellIndex(folder)
        tree = None if manner.force else _current(study, cells, folder, index, manner.on_error, shown)
        if tree is not None:
            found = Computed(folder, 0, len(cells), ())
            shown.begin(cells, cells)
            shown.end(len(cells))
        else:
            found = _compute(study, cells, cells, folder, index, manner, shown)
            tree = _put_together(study, cells, folder, index, shown)
    warn_of_methods(tree)
    seconds = time.perf_counter() - began
    path = opening.result_path(folder)
    return Outcome(tree, path, found.computed, found.reused, seconds, found.given_up)


def run_shard(
    study: StudySpec,
    shard: Shard,
    output: str | Path | None = None,
    manner: Manner | None = None,
    progress: Progress | None = None,
) -> Computed:
    """Compute a part of a study's cells, and leave it to `merge_study` to put them together.

    Parameters
    ----------
    study : the study
    shard : which part
    output : folder for the results; by default results/<name>. Shards that run at the same time may share it
    manner : how it is run
    progress : receives messages
    """
    folder = folder_of(study, output)
    cell_files.prepare_folder(folder)
    with claimed(folder, shard):
        opening.check_owner(folder, study.spec())
        every, index = with_keys(study.cells()), CellIndex(folder)
        shown, mine = progress or Silent(), shard.of(every)
        return _compute(study, every, mine, folder, index, manner or Manner(), shown)


def merge_study(
    study: StudySpec,
    output: str | Path | None = None,
    *,
    others: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Outcome:
    """Put the cells of a study, computed by whatever runs, into one result file.

    Parameters
    ----------
    study : the study
    output : folder for the results; by default results/<name>
    others : folders of the same study, as on other machines, whose cells are taken in
    progress : receives messages

    Raises
    ------
    InputError
        if cells are missing, or a folder to take cells from has none
    """
    began = time.perf_counter()
    for other in others:
        if not (other / cell_files.CELLS).is_dir():
            raise InputError(f"no cells in {str(other)!r}: expected the folder of a run, with cells/ in it.")
    folder, shown = folder_of(study, output), progress or Silent()
    cells = with_keys(study.cells())
    cell_files.prepare_folder(folder)
    with claimed(folder):
        opening.check_owner(folder, study.spec())
        index = CellIndex(folder)
        for cell in cells:
            index.take_in(cell, others)
        gone = [cell.label for cell in cells if index.state(cell, "record") != "finished"]
        if gone:
            raise InputError(
                f"{len(gone)} of {len(cells)} cells of the study are not finished in {folder} ({gone[0]}"
                f"{', ...' if gone[1:] else ''}). Run the shards that are missing, or the study without "
                "--shard; cells of other folders are taken in with --from DIR."
            )
        tree = _current(study, cells, folder, index, "record", shown)
        if tree is None:
            tree = _put_together(study, cells, folder, index, shown)
    warn_of_methods(tree)
    return Outcome(tree, opening.result_path(folder), 0, len(cells), time.perf_counter() - began)


def _compute(
    study: StudySpec,
    every: Sequence[Cell],
    cells: Sequence[Cell],
    folder: Path,
    index: CellIndex,
    manner: Manner,
    shown: Progress,
) -> Computed:
    """Compute what is not finished of some cells of a study, or raise an error."""
    states = {} if manner.force else {cell.key: index.state(cell, manner.on_error) for cell in cells}
    index.save()
    finished = [cell for cell in cells if states.get(cell.key) == "finished"]
    todo = [cell for cell in cells if states.get(cell.key) != "finished"]
    plan = _planned(todo, folder, manner)  # refuses what cannot be sent before anything is written or removed
    if manner.force:
        cell_files.remove_cells(folder, cells)
    unfinished.begin(study, folder, every)
    shown.begin(cells, finished)
    if damaged := sum(state == "damaged" for state in states.values()):
        shown.note(f"the files of {damaged} cells are damaged: they are computed again")
    kept = sum(state == "trajectories" for state in states.values())
    if kept and manner.on_error == "record":
        shown.note(f"{kept} cells have their trajectories: of them only diagnostics are computed")
    given_up: list[str] = []
    try:
        if todo:
            if plan.warm:
                # Unless a process has died of it: then each cell does it in a process that may die alone.
                with attempts.computing(warm_up_path(folder)):
                    warm_up(todo, shown)
            failed = _dispatched(todo, folder, plan, manner, shown, given_up)
            _refuse(failed, folder, manner.on_error)
            attempts.forget(warm_up_path(folder))
    finally:
        # The files are what counts: a cell that was written may not have been reported any more.
        shown.end(len(finished) + _written(todo, folder))
    return Computed(folder, len(todo), len(finished), tuple(given_up))


def _written(cells: Sequence[Cell], folder: Path) -> int:
    """Return how many cells have their files, with all that belongs to it."""
    there = [cell for cell in cells if cell_files.cell_path(folder, cell).exists()]
    return sum(not cell_files.is_kept_first(c) or cell_files.is_finished(folder, c) for c in there)


def _planned(todo: Sequence[Cell], folder: Path, manner: Manner) -> Plan:
    if manner.executor is None:
        return plan_of(todo, folder, manner.jobs, manner.apart and can_fork())
    check_sendable(todo)
    return Plan(manner.executor.is_here, 0, manner.executor.is_here)


def _dispatched(
    todo: Sequence[Cell], folder: Path, plan: Plan, manner: Manner, shown: Progress, given_up: list[str]
) -> Failures:
    """Compute cells, in this process or in others; return those that could not be."""
    if plan.reason:
        shown.note(plan.reason)
    if plan.here:
        here = Here(lambda cell: attempts.computing(cell_files.cell_path(folder, cell)))
        with _one_thread():
            dispatch = Dispatch(folder, manner.executor or here, manner.on_error, shown)
            ends = _fatal(todo, folder) if manner.on_error == "record" else {}
            return dispatch.run(todo, ends)
    with module_path.for_workers(), process_end.deferred_interrupt() as raise_if_interrupted:
        executor = manner.executor or (Forked if can_fork() else Processes)(plan.workers)
        dispatch = Dispatch(folder, executor, manner.on_error, shown, raise_if_interrupted)
        try:
            return dispatch.run(todo)
        finally:
            given_up += [cell.label for cell in dispatch.given_up]


def _fatal(todo: Sequence[Cell], folder: Path) -> dict[str, End]:
    """Return the cells at which so many processes have died that they are not tried any more."""
    deaths = {cell.key: attempts.deaths(cell_files.cell_path(folder, cell)) for cell in todo}
    return {key: End(DIED) for key, count in deaths.items() if count >= DEATHS}


def _current(
    study: StudySpec,
    cells: Sequence[Cell],
    folder: Path,
    index: CellIndex,
    on_error: OnError,
    shown: Progress,
) -> xr.DataTree | None:
    """Return the result of a finished study of which nothing has changed, otherwise None."""
    if not all(index.knows(cell, on_error) for cell in cells):
        return None
    if study.source and not (folder / STUDY_FILE).is_file():
        return None
    return merging.current(study, folder, cells, shown.note)


def _put_together(
    study: StudySpec, cells: Sequence[Cell], folder: Path, index: CellIndex, shown: Progress
) -> xr.DataTree:
    """Write the result file of a study from its cells; return the result."""
    if study.source:
        write_whole(folder / STUDY_FILE, lambda p: _write_text(p, study.source))
    _check_there(cells, folder)
    path = merging.merge(study, folder, cells, shown.note, index.read)
    index.save()
    return opening.open_study(path)


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


@contextmanager
def _one_thread() -> Iterator[None]:
    before = threads.thread_count()
    threads.set_thread_count(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        threads.set_thread_count(before)
