"""The code run in a worker process, of this machine or of another one."""

from __future__ import annotations

import faulthandler
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import cloudpickle

from gfcompare.components.errors import InputError, as_exception
from gfcompare.components.fingerprint import fingerprint
from gfcompare.components.versions import NUMERICAL, VERSION, versions
from gfcompare.hooks.chosen_diagnostics import DiagnosticWarning
from gfcompare.hooks.plugin_files import adopt
from gfcompare.hooks.registry import PluginWarning
from gfcompare.integrators.loop import OnError
from gfcompare.study import pickling
from gfcompare.study.compute_cell import LOADING
from gfcompare.study.failures import portable
from gfcompare.study.jobs import Done, Job, Task, failed, perform
from gfcompare.study.warm_up import load_kernels_of
from gfcompare.system import threads
from gfcompare.system.machine import machine


class WorkerMismatchError(InputError):
    """A worker has other code than the process that it works for."""


def about() -> dict[str, str]:
    """Return what a worker must have in common with the process that it works for."""
    return {"gfcompare": f"{VERSION} (code {fingerprint()})", **versions(NUMERICAL)}


def work(payload: bytes) -> bytes:
    """Do a task; return what became of its jobs, or the error that concerns all of them.

    It is called in worker processes of every kind. On a worker of a cluster that has other code, or lacks a
    plugin, nothing is computed.
    """
    threads.set_thread_count(1)
    expected, where, task_bytes = cloudpickle.loads(payload)
    try:
        _check(expected, where)
        try:
            task: Task = cloudpickle.loads(task_bytes)
        except (ImportError, AttributeError) as error:
            if not where:
                raise
            raise WorkerMismatchError(
                f"worker {_here()} lacks a plugin of the study ({error}), which the run on {where} has. "
                "Install it there, in the same version."
            ) from None
        adopt(task.plugins)
        return bytes(cloudpickle.dumps([_done(job, task.on_error) for job in task.jobs]))
    except BaseException as error:  # sys.exit would end the parent, to which everything is passed on
        return bytes(cloudpickle.dumps(portable(as_exception(error))))


def packed(task: Task, where: str = "") -> bytes:
    """Return a task as bytes.

    Parameters
    ----------
    task : the task
    where : the machine that it comes from, if that may be another one than the worker's
    """
    return bytes(cloudpickle.dumps((dict(task.about), where, pickling.packed(task))))


def _check(expected: Mapping[str, str], where: str) -> None:
    mine = about() if expected else {}
    other = {
        name: (mine.get(name, "none"), value) for name, value in expected.items() if mine.get(name) != value
    }
    if other:
        has = ", ".join(f"{name} {one}" for name, (one, _) in other.items())
        wanted = ", ".join(f"{name} {two}" for name, (_, two) in other.items())
        raise WorkerMismatchError(
            f"worker {_here()} has {has}, and the run on {where} has {wanted}: their numbers would not be "
            "the same. Install the same on both."
        )


def _here() -> str:
    return f"{os.getpid()} on {machine().partition(',')[0]}"


def _done(job: Job, on_error: OnError) -> Done:
    """Do one job, with the warnings of diagnostics as what was said, and its error as a value."""
    said: list[str] = []
    show = warnings.showwarning

    def collect(message: Warning | str, category: type[Warning], *more: Any, **named: Any) -> None:
        if issubclass(category, DiagnosticWarning):
            said.append(str(message))
        else:
            show(message, category, *more, **named)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # the parent has said it
        warnings.simplefilter("always", DiagnosticWarning)  # that it has not: it is told
        warnings.showwarning = collect
        try:
            if job.limit is not None:
                with _ended_after(LOADING):
                    load_kernels_of(job.cell)
            with _ended_after(job.limit):
                done = perform(job, on_error)
        except BaseException as error:  # the other cells go on
            done = failed(portable(as_exception(error)))
    return Done(done.data, done.complete, done.seconds, tuple(said), done.error)


@contextmanager
def _ended_after(seconds: float | None) -> Iterator[None]:
    """End this process if what is done within the context takes longer, whatever holds the lock."""
    if seconds is None:
        yield
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
