"""The input and output of executors: jobs of a cell each, several in a task."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from gfcompare.components.errors import as_exception
from gfcompare.hooks.plugin_files import Carried
from gfcompare.integrators.loop import OnError
from gfcompare.study import compute_cell
from gfcompare.study.cell_files import is_complete
from gfcompare.study.cell_format import decoded, encoded
from gfcompare.study.cells import Cell
from gfcompare.study.compute_cell import End
from gfcompare.system import global_state


@dataclass(frozen=True)
class Job:
    """A cell that is to be computed.

    Attributes
    ----------
    cell : the cell
    have : the bytes of its file, if it has its trajectories
    end : how the processes that computed it ended, if it is not to be tried any more
    limit : seconds after which the process that computes it is ended from outside
    """

    cell: Cell
    have: bytes | None = field(default=None, repr=False)
    end: End | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Done:
    """The outcome of a job.

    Attributes
    ----------
    data : the bytes of the cell's file; None if an error was raised
    complete : the diagnostics are in it
    seconds : that it took
    said : warnings of diagnostics that raised
    error : that was raised
    """

    data: bytes | None = field(repr=False)
    complete: bool = True
    seconds: float = 0.0
    said: tuple[str, ...] = ()
    error: Exception | None = None


@dataclass(frozen=True)
class Task:
    """Jobs that go to a worker together: one if they take long, many if they take milliseconds.

    Attributes
    ----------
    jobs : the jobs
    on_error : whether an error of a method is recorded or raised
    plugins : that are files, which a worker does not find
    about : the versions that a worker must have, by name
    """

    jobs: tuple[Job, ...]
    on_error: OnError
    plugins: Carried = field(default_factory=list)
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def patience(self) -> float | None:
        """Seconds after which nobody waits for the task any more; None if a job has no limit."""
        limits = [job.limit for job in self.jobs if job.limit is not None]
        return 2.0 * sum(limits) + compute_cell.LOADING if len(limits) == len(self.jobs) else None


def perform(job: Job, on_error: OnError) -> Done:
    """Do a job in this process, or raise what the method raises if that is wanted."""
    began = time.perf_counter()
    content = None if job.have is None else decoded(job.have, job.cell.label)
    with global_state.kept():
        found = compute_cell.content_of(job.cell, content, job.end, on_error)
    complete = is_complete(found, job.cell)
    return Done(encoded(found), complete, time.perf_counter() - began)


def failed(error: BaseException) -> Done:
    """Return what became of a job that has raised an error."""
    return Done(None, error=as_exception(error))
