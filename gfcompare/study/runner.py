"""Running a study: cells on worker processes, each finished one a file, nothing ever lost."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, get_args

import cloudpickle
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from gfcompare.components.component import check_instance, require
from gfcompare.components.errors import FOREIGN_ERRORS, InputError, RunError, as_exception, unknown_name
from gfcompare.hooks.chosen_diagnostics import DiagnosticWarning
from gfcompare.hooks.registry import PluginWarning, adopt, carried
from gfcompare.integrators.base import Integrator, check_method
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.integrators.loop import OnError, failed_block, run_block
from gfcompare.integrators.record import Record
from gfcompare.integrators.save_times import check_times
from gfcompare.integrators.solvers.ndf import load_kernels
from gfcompare.kernels.cache import is_cold, is_kept
from gfcompare.measures import Uniform
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.results import opening
from gfcompare.results.integrated import labelled
from gfcompare.study import attempts, cell_files, merging, unfinished
from gfcompare.study.failures import CellsFailedError, portable, warn_of_failures, warn_of_methods
from gfcompare.study.pickling import check_sendable
from gfcompare.study.study import Cell, Study, random_stream
from gfcompare.system import module_path, process_end, threads
from gfcompare.system.paths import user_path
from gfcompare.system.writing import write_whole
from gfcompare.targets import Constant

_DIED = (
    "the process that computed it died each time: out of memory, a crash in compiled code, "
    "or a call of os._exit"
)
#: The study file that a result was made from, beside it.
STUDY_FILE = "study.toml"
# Processes that may die at a cell, in this run and the ones before, where it cannot have one of its own.
_DEATHS = 2
# Seconds between two looks at Ctrl-C.
_PAUSE = 0.1


class Progress(Protocol):
    """What is told while a study runs."""

    def begin(self, cells: Sequence[Cell], finished: Sequence[Cell]) -> None:
        """All cells of the study, and those that were finished before."""

    def note(self, text: str) -> None:
        """Say something."""

    def cell_done(self, cell: Cell, seconds: float) -> None:
        """Hear that a cell is finished."""

    def end(self, finished: int) -> None:
        """Hear that nothing more is to come, for whatever reason, and how many cells have their files."""


class Silent:
    """No progress display."""

    def begin(self, cells: Sequence[Cell], finished: Sequence[Cell]) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def cell_done(self, cell: Cell, seconds: float) -> None:
        """Do nothing."""

    def end(self, finished: int) -> None:
        """Do nothing."""


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


class WorkersLostError(RunError):
    """The worker process of a cell died; the finished cells are kept."""


def integrate(
    problem: Problem,
    integrator: Integrator,
    theta: ArrayLike,
    times: ArrayLike,
    *,
    seed: int = 0,
    time_limit: float | None = None,
    on_error: OnError = "record",
) -> xr.Dataset:
    """Integrate trajectories with one method and return them labelled.

    Parameters
    ----------
    problem : the problem
    integrator : the method, such as ``gfcompare.integrator("standard-gf", rtol=1e-8)``
    theta : initial parameters, shape (P,) or (M, P)
    times : save times, shape (T,), increasing, in units of flow time
    seed : source of randomness for stochastic methods, which `gfcompare.Study` calls the study seed
    time_limit : seconds of wall time that a trajectory may take on average
    on_error : "record" an error that the method raises as the outcome of its trajectory, with a warning, or
        "raise" it

    Returns
    -------
    xarray.Dataset
        over (seed, time), with the variables and attributes of docs/schema.md; seed is the row of theta.
        Figures, `gfcompare.validate` and `gfcompare.theory.verify` take it as they take a result

    Examples
    --------
    >>> import gfcompare as gfc
    >>> problem = gfc.Problem(gfc.ReLUNetwork((1, 1, 1)), gfc.targets.Constant(1.0), gfc.measures.Uniform())
    >>> flow = gfc.integrator("standard-gf", rtol=1e-8)
    >>> data = gfc.integrate(problem, flow, [1.0, 0.5, 0.5, 0.0], [0.0, 1.0, 100.0])
    >>> data["risk"].dims
    ('seed', 'time')
    >>> start, _, end = data["risk"].values[0]
    >>> bool(end < 1e-3 * start)
    True
    """
    check_instance(problem, Problem, "the problem")
    check_method(integrator)
    _check_on_error(on_error)
    require(isinstance(seed, int | np.integer), f"seed must be a whole number, got {seed!r}.")
    require(seed >= 0, f"seed must not be negative, got {seed}.")
    require(time_limit is None or time_limit > 0, f"time_limit must be positive, got {time_limit}.")
    rows = np.atleast_2d(problem.network.check(theta))
    saved = check_times(times)
    rngs = [random_stream(seed, m, "method") for m in range(len(rows))]
    record = run_block(problem, integrator, rows, saved, rngs, time_limit=time_limit, on_error=on_error)
    warn_of_failures(type(integrator).__name__, record.status, record.messages)
    return labelled(problem, integrator, record, range(len(rows)), seed)


def _check_on_error(given: str) -> None:
    if given not in get_args(OnError):
        raise unknown_name("value of on_error", str(given), get_args(OnError))


def run_cell(cell: Cell, on_error: OnError = "record") -> Record:
    """Compute a cell."""
    _load_kernels(cell)
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


def run_study(
    study: Study,
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
    _check_on_error(on_error)
    require(jobs is None or jobs >= 1, f"jobs must be at least 1, got {jobs}.")
    began = time.perf_counter()
    # Absolute, because a method may change the current folder.
    folder = (user_path(output) if output is not None else Path("results") / study.name).absolute()
    cell_files.prepare_folder(folder)
    opening.check_owner(folder, study.spec())
    shown = progress or Silent()
    cells = study.cells()
    if force:
        cell_files.remove_cells(folder, cells)
    finished = [cell for cell in cells if cell_files.is_finished(folder, cell, on_error)]
    unfinished.begin(study, folder, cells)
    there = {cell.key for cell in finished}
    todo = [cell for cell in cells if cell.key not in there]
    shown.begin(cells, finished)
    kept = sum(cell_files.cell_path(folder, cell).exists() for cell in todo)
    if kept and on_error == "record":
        shown.note(f"{kept} cells have their trajectories: of them only diagnostics are computed")
    try:
        if todo:
            warm_up(todo, shown)
            _refuse(_compute_all(todo, folder, jobs, on_error, shown), folder, on_error)
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


def _compute_all(
    todo: Sequence[Cell], folder: Path, jobs: int | None, on_error: OnError, shown: Progress
) -> Failures:
    """Compute cells, in this process or in others; return those that could not be."""
    workers = min(jobs or threads.available_cores(), len(todo))
    fatal = [cell for cell in todo if attempts.deaths(cell_files.cell_path(folder, cell))]
    alone = multiprocessing.current_process().daemon  # of a multiprocessing.Pool
    if alone and workers > 1:
        shown.note("this process may not start others, so the cells are computed in it one by one")
    elif fatal:
        shown.note(
            f"a run died while it computed {fatal[0].label}, so the cells are computed in worker processes"
        )
    if alone or (workers == 1 and not fatal):
        with _one_thread():
            return _compute_here(todo, folder, on_error, shown)
    check_sendable(todo)
    with module_path.for_workers(), process_end.deferred_interrupt() as raise_if_interrupted:
        return _Pool(folder, workers, on_error, shown, raise_if_interrupted).run(todo)


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


Failures = list[tuple[Cell, Exception]]


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
                record_death(cell, folder, _DIED)
                attempts.forget(path)
                shown.cell_done(cell, 0.0)
                continue
            with attempts.computing(path):
                seconds = _compute(cell, folder, on_error)
        except FOREIGN_ERRORS as error:  # the other cells go on
            failed.append((cell, as_exception(error)))
        else:
            shown.cell_done(cell, seconds)
    return failed


def _compute(cell: Cell, folder: Path, on_error: OnError) -> float:
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


def warm_up(todo: Sequence[Cell], shown: Progress) -> None:
    """Compile the kernels, or load them from the cache, before any clock or worker starts."""
    began = time.perf_counter()
    once = (
        "once per machine" if is_kept() else "in every process: no folder can be written, see NUMBA_CACHE_DIR"
    )
    shown.note(f"loading the compiled kernels (compiling them takes some seconds, {once})")
    shallow = [cell for cell in todo if cell.problem.problem.has_hessian]
    if shallow and is_cold() and threads.available_cores() > 1:
        flow = any(_is_compiled_flow(cell) for cell in shallow)
        with _compiled_meanwhile(flow):
            _load_descent(shallow[0].problem.problem)
            if flow:
                load_kernels(CountedProblem(shallow[0].problem.problem, 1), dense=True)
    for cell in todo:
        _load_kernels(cell)
    shown.note(f"kernels ready after {time.perf_counter() - began:.1f} s")


def _is_compiled_flow(cell: Cell) -> bool:
    """Return whether a cell is integrated by a flow in compiled code."""
    method, problem = cell.integrator, cell.problem.problem
    return isinstance(method, FlowIntegrator) and method.method_for(CountedProblem(problem, 1)) == "ndf"


@contextmanager
def _compiled_meanwhile(flow: bool) -> Iterator[None]:
    """Compile half of what networks with one input and one hidden layer need in a process of its own.

    It is then in the cache. If that fails, for whatever reason, it is compiled when it is called.
    """
    command = [
        sys.executable,
        "-P",
        "-c",
        f"from gfcompare.study.runner import compile_half; compile_half({flow})",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
            process.wait()
        finally:
            process.kill()


def compile_half(flow: bool) -> None:
    """Compile the risk and, if wanted, the flows of networks with one input and one hidden layer."""
    problem = Problem(ReLUNetwork((1, 1, 1)), Constant(), Uniform())
    problem.risk(np.zeros(4))
    if flow:
        load_kernels(CountedProblem(problem, 1), dense=False)


def _load_solver(integrator: FlowIntegrator, problem: Problem) -> None:
    """Import or load what integrates a flow."""
    method = integrator.method_for(CountedProblem(problem, 1))
    if method in ("bdf", "adams"):
        importlib.import_module("sksundae.cvode")
    elif method == "ndf" and (loaded := f"{method}, {problem.kind}") not in _loaded:
        origin = np.zeros((1, problem.network.parameter_count))
        counted = CountedProblem(problem, 1)
        integrator.advance(counted, integrator.start(counted, origin, []), 1e-6)
        if problem.has_hessian:
            load_kernels(counted, dense=True)
        _loaded.add(loaded)


_loaded: set[str] = set()


def _load_kernels(cell: Cell) -> None:
    """Call every kernel once in this process, so that no wall time of a method contains their loading."""
    problem = cell.problem.problem
    if isinstance(cell.integrator, FlowIntegrator):
        _load_solver(cell.integrator, problem)
    if problem.kind not in _loaded:
        _load_descent(problem)
        problem.risk(np.zeros(problem.network.parameter_count))
        _loaded.add(problem.kind)


def _load_descent(problem: Problem) -> None:
    """Call what descent needs: everything but the risk."""
    network = problem.network
    theta, sizes = np.zeros((1, network.parameter_count)), np.full(1, 1e-6)
    problem.gradient(theta)
    problem.descend(theta, sizes)
    problem.descend_sampled(theta, sizes, batch_size=1, streams=np.ones((1, 4), dtype=np.uint64))
    network.project(network.normalize(theta), theta)
    network.polar(theta)
    network.row_norms(theta)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = threads.thread_count()
    threads.set_thread_count(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        threads.set_thread_count(before)


def _start_worker(parent: int, safe_path: bool) -> None:
    module_path.in_worker(safe_path)
    threading.Thread(target=process_end.end_worker_with, args=(parent,), daemon=True).start()
    # Ctrl-C goes to the whole process group: the parent alone decides what happens then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threads.set_thread_count(1)
    threadpool_limits(1)  # of linear algebra: small products on several threads wait for one another
    warnings.simplefilter("ignore", PluginWarning)  # the parent has said it
    warnings.simplefilter("always", DiagnosticWarning)  # that it has not: it is told


def _work(payload: bytes) -> tuple[float, list[str]]:
    """Compute a cell; return the seconds it took and the warnings of diagnostics that raised.

    With a cause of death it is recorded as failed instead, here because diagnostics may be that cause.
    """
    cell, folder, on_error, plugins, death = cloudpickle.loads(payload)
    adopt(plugins)
    said: list[str] = []
    show = warnings.showwarning

    def collect(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
        if issubclass(category, DiagnosticWarning):
            said.append(str(message))
        else:
            show(message, category, *more, **named)

    warnings.showwarning = collect
    try:
        if death is not None:
            record_death(cell, folder, death)
            return 0.0, said
        return _compute(cell, folder, on_error), said
    except BaseException as error:  # sys.exit would end the parent, to which everything is passed on
        raise portable(as_exception(error)) from error
    finally:
        warnings.showwarning = show


class _Pool:
    """Cells on worker processes.

    A worker that dies takes the pool with it. Whose fault it was cannot be told, so what was running is
    computed again one by one, each on a worker of its own; a cell whose worker dies then is recorded as
    failed, or raised as an error if that is wanted. Then the rest goes on.
    """

    def __init__(
        self,
        folder: Path,
        workers: int,
        on_error: OnError,
        shown: Progress,
        raise_if_interrupted: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._workers = workers
        self._on_error = on_error
        self._shown = shown
        self._raise_if_interrupted = raise_if_interrupted
        self._failed: Failures = []
        self._settled: set[str] = set()
        self._death = ""

    def run(self, todo: Sequence[Cell]) -> Failures:
        """Compute cells; return those that raised an error or killed their workers."""
        while left := [cell for cell in todo if cell.key not in self._settled]:
            suspects = self._once(left, self._workers)
            if suspects:
                self._shown.note(
                    f"a worker process died; computing again what was running, {len(suspects)} cells"
                )
            for cell in suspects:
                if self._once([cell], 1):
                    self._give_up(cell)
        order = [cell.key for cell in todo]  # not that in which they happened to end
        return sorted(self._failed, key=lambda failure: order.index(failure[0].key))

    def _give_up(self, cell: Cell) -> None:
        """Record a cell as failed, or else its error: its workers die."""
        message = f"{_DIED} ({self._death})" if self._death else _DIED
        if self._on_error == "raise" or self._once([cell], 1, message):
            self._settle(cell)
            self._failed.append((cell, WorkersLostError(f"{message}.")))

    def _settle(self, cell: Cell) -> None:
        """Have done with a cell, whatever has become of its file: no cell is computed for ever."""
        self._settled.add(cell.key)
        attempts.forget(cell_files.cell_path(self._folder, cell))

    def _once(self, todo: Sequence[Cell], workers: int, death: str | None = None) -> list[Cell]:
        """Compute cells in a fresh pool until it is finished or breaks; return what was running then.

        Parameters
        ----------
        todo : the cells
        workers : the number of processes
        death : a message with which the cells are recorded as failed, instead of being computed
        """
        # loky, unlike the standard library's pool, does not import the user's script again in each worker,
        # so a study script needs no main guard, and it notices a worker that dies.
        from loky import ProcessPoolExecutor

        executor: Any = ProcessPoolExecutor(
            max_workers=workers,
            initializer=_start_worker,
            initargs=(os.getpid(), sys.flags.safe_path),
        )
        waiting = deque(todo)
        running: dict[Future[tuple[float, list[str]]], Cell] = {}
        handed_out: list[Cell] = []
        orderly = False
        try:
            while waiting or running:
                while waiting and len(running) < workers:  # no more than that, to know what was running
                    cell = waiting.popleft()
                    handed_out.append(cell)
                    _ = cell.diagnostic_keys  # of the code as it is here: a worker lacks files of plugins
                    payload = cloudpickle.dumps((cell, self._folder, self._on_error, carried(), death))
                    running[executor.submit(_work, payload)] = cell
                    self._raise_if_interrupted()
                ready, _ = wait(running, timeout=_PAUSE, return_when=FIRST_COMPLETED)
                self._raise_if_interrupted()
                # Those that are finished count, even if a worker has died meanwhile.
                for future in sorted(ready, key=lambda f: isinstance(f.exception(), BrokenProcessPool)):
                    self._take(future, running.pop(future))
            orderly = True
            return []
        except BrokenProcessPool as broken:
            found = re.search(r"exit codes of the workers are \{(.+?)\}", str(broken))
            self._death = re.sub(r"EXIT\((\d+)\)", r"exit code \1", found[1]) if found else ""
            return [cell for cell in handed_out if cell.key not in self._settled]
        finally:
            executor.shutdown(kill_workers=not orderly)

    def _take(self, future: Future[tuple[float, list[str]]], cell: Cell) -> None:
        """Take in what became of a cell, or raise BrokenProcessPool."""
        try:
            seconds, said = future.result()
        except BrokenProcessPool:
            raise
        except Exception as error:  # the other cells go on
            self._settle(cell)
            self._failed.append((cell, error))
            return
        self._settle(cell)
        self._shown.cell_done(cell, seconds)
        for text in said:
            warnings.warn(text, DiagnosticWarning, stacklevel=2)
