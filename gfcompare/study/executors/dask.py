"""The workers of a Dask cluster as an executor: other machines, by whatever Dask starts its workers with."""

from __future__ import annotations

import platform
import runpy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import cloudpickle

from gfcompare.components.errors import FOREIGN_ERRORS, InputError, RunError, cause_of
from gfcompare.study.executors import worker
from gfcompare.study.executors.base import LOST, Answer, Executor
from gfcompare.study.jobs import Task
from gfcompare.system import threads

_INSTALL = 'it needs Dask: python -m pip install "gfcompare[dask]"'
# Tasks that the scheduler has for each worker: none waits for the run, and a cluster that adapts its size
# sees that there is work. And so many at the least, for a cluster that has no workers yet.
_AHEAD, _LEAST = 2, 8
# Seconds that a scheduler may be gone, between two words that there are no workers, and between two looks at
# the workers, each of which is a question to the scheduler.
_GONE, _SILENT, _LOOK = 60.0, 60.0, 1.0
# Settings of clusters that are started here: a lost worker is told of at once, and no worker looks at its own
# stack a hundred times a second.
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.worker.profile.enabled": False,
    "logging.distributed": "error",
}


def _work(payload: bytes) -> bytes:
    """Do a task on a worker of the cluster."""
    from gfcompare.study.executors.worker import work

    return work(payload)


# Sent by its code and not by its name, for which the scheduler would import all of gfcompare: it need not be
# there, and while it was imported no worker was heard.
_work.__module__ = "__main__"


class DaskExecutor(Executor):
    """Tasks on the workers of a Dask cluster.

    Dask computes a task anew elsewhere if its worker is lost, as often as the scheduler allows; then the task
    is lost. Those that waited at that worker behind the one it was computing are submitted again. If the
    scheduler is lost, the tasks that it had are lost with it, and are submitted again when one answers at its
    address.

    Parameters
    ----------
    client : of the cluster
    log : receives messages
    """

    # A task costs a scheduler, a worker and this process some milliseconds each, and the way there and back.
    pack_seconds: ClassVar[float] = 1.0
    pack_cells: ClassVar[int] = 256

    def __init__(self, client: Any, log: Callable[[str], object] = str) -> None:
        self._client = client
        self._log = log
        self._futures: dict[int, Any] = {}
        self._payloads: dict[int, bytes] = {}
        self._count = 0
        self._gone_since: float | None = None
        self._told = self._looked = time.monotonic()
        self._checked: set[str] = set()
        # Workers that were lost, by the identity of their process: each has cost one task.
        self._charged: set[str] = set()
        self._look()

    @property
    def slots(self) -> int:
        """Return the number of tasks queued at the scheduler: some for each thread of its workers."""
        return max(_LEAST, _AHEAD * len(self._checked))

    def submit(self, task: Task) -> int:
        """Give a task to the scheduler."""
        self._count += 1
        self._payloads[self._count] = worker.packed(task, platform.node() or "another machine")
        self._send(self._count)
        return self._count

    def _send(self, ticket: int) -> None:
        # A worker does its tasks in the order in which they were sent, which is that of the futures.
        self._futures.pop(ticket, None)
        self._futures[ticket] = self._client.submit(
            _work,
            self._payloads[ticket],
            pure=False,
            key=f"gfcompare-{id(self)}-{ticket}-{time.time_ns()}",
        )

    def gather(self, timeout: float) -> list[Answer]:
        """Return the answers that are there; a task whose worker was lost too often is lost."""
        until = time.monotonic() + timeout
        while not (ready := [t for t, f in self._futures.items() if f.done()]) and time.monotonic() < until:
            time.sleep(0.005)
        if not self._is_connected():
            return []
        if not ready and time.monotonic() - self._looked > _LOOK:
            self._look()
        return [answer for ticket in ready if (answer := self._taken(ticket)) is not None]

    def close(self, orderly: bool) -> None:
        """Cancel what is not done; the client and the cluster are their owner's."""
        if self._futures:
            try:
                self._client.cancel(list(self._futures.values()), force=True)
            except Exception as error:  # of a scheduler that is gone
                self._log(f"the tasks of the run could not be cancelled: {cause_of(error)}")
        self._futures.clear()
        self._payloads.clear()

    def _taken(self, ticket: int) -> Answer | None:
        """Return the answer to a task that is done, None if it was submitted again."""
        import distributed

        future = self._futures[ticket]
        if future.status == "cancelled":  # by a scheduler that has forgotten it
            self._send(ticket)
            return None
        if future.status == "error":
            error = future.exception()
            if isinstance(error, distributed.KilledWorker):
                return self._lost(ticket, error.last_worker)
            del self._futures[ticket], self._payloads[ticket]
            if isinstance(error, ImportError | AttributeError):  # of a worker without gfcompare
                text = f"a worker cannot load gfcompare ({cause_of(error)}): install it there"
                return Answer(ticket, error=worker.WorkerMismatchError(f"{text}, in the same version."))
            return Answer(ticket, error=error if isinstance(error, Exception) else RunError(str(error)))
        try:
            found = cloudpickle.loads(future.result(timeout=_GONE))
        except Exception as error:
            if self._is_connected() and future.status == "finished":
                raise RunError(f"an answer of the cluster cannot be read: {cause_of(error)}") from error
            self._send(ticket)  # its worker was lost with the answer, or the scheduler was
            return None
        del self._futures[ticket], self._payloads[ticket]
        if isinstance(found, Exception):
            return Answer(ticket, error=found)
        return Answer(ticket, tuple(found))

    def _lost(self, ticket: int, killed: Any) -> Answer | None:
        """Return the answer to a task with which a worker was lost; None to one that only waited there."""
        if killed.server_id in self._charged:
            self._send(ticket)
            return None
        self._charged.add(killed.server_id)
        del self._futures[ticket], self._payloads[ticket]
        return Answer(ticket, lost=f"{LOST}, {killed.address}")

    def _is_connected(self) -> bool:
        """Return whether the scheduler is there; raise RunError if it has been gone for too long."""
        if self._client.status == "running":
            if self._gone_since is not None:
                self._gone_since = None
                self._log("the scheduler answers again; what was not finished is submitted again")
                for ticket in list(self._futures):
                    self._send(ticket)
                self._checked.clear()
                return False
            return True
        if self._gone_since is None:
            self._gone_since = time.monotonic()
            self._log(f"the connection to the scheduler is lost; waiting up to {_GONE:g} s for it")
        if self._client.status == "closed" or time.monotonic() - self._gone_since > _GONE:
            self._futures.clear()
            raise RunError(
                "the scheduler of the Dask cluster is gone. What is finished is kept; the same command goes "
                "on from there."
            )
        time.sleep(0.1)
        return False

    def _look(self) -> None:
        """Refuse workers that are new and compute on several threads; say that there are none."""
        self._looked = time.monotonic()
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        for address, about in workers.items():
            if address not in self._checked and (count := int(about["nthreads"])) != 1:
                raise InputError(
                    f"worker {address} has {count} threads: methods that share a process slow each other "
                    "down, and their times mean nothing. Start workers with one: dask worker --nthreads 1 "
                    "--nworkers N."
                )
        self._checked = set(workers)
        if not workers and self._futures and time.monotonic() - self._told > _SILENT:
            self._told = time.monotonic()
            self._log("waiting for workers of the Dask cluster")


def given(executor: object, log: Callable[[str], object] = str) -> Executor | None:
    """Return the executor that something given in Python means: a Dask client, or an executor itself.

    Raises
    ------
    InputError
        if it means none
    """
    if executor is None or isinstance(executor, Executor):
        return executor
    if type(executor).__module__.partition(".")[0] == "distributed" and hasattr(executor, "scheduler_info"):
        return DaskExecutor(executor, log)
    raise InputError(f"executor must be a distributed.Client, got {executor!r:.80}.")


@contextmanager
def connected(where: str, jobs: int | None, log: Callable[[str], object]) -> Iterator[DaskExecutor]:
    """Yield the executor of a cluster, which is started and ended here if it is not there.

    Parameters
    ----------
    where : the address of a scheduler; "local", for worker processes of this machine; or a Python file whose
        variable `cluster` or `client` is a Dask cluster or a client
    jobs : the number of workers, of a local cluster
    log : receives messages

    Raises
    ------
    InputError
        if Dask is not installed, there is no scheduler, or the file makes none
    """
    try:
        import dask
        import distributed
    except ImportError as error:
        raise InputError(f"--dask: {_INSTALL} ({error}).") from None
    with dask.config.set(_SETTINGS):
        owned: list[Any] = []
        try:
            try:
                client = _client(where, jobs, owned, distributed)
            except InputError:
                raise
            except FOREIGN_ERRORS as error:  # of the file, or of the connection
                raise InputError(f"--dask {where}: {cause_of(error)}") from None
            log(f"computing on {client.scheduler.address if client.scheduler else where}")
            yield DaskExecutor(client, log)
        finally:
            for each in owned:
                each.close()


def _client(where: str, jobs: int | None, owned: list[Any], distributed: Any) -> Any:
    """Return a client of the cluster that is meant; put what must be closed into `owned`."""
    if where == "local":
        cluster = distributed.LocalCluster(
            n_workers=jobs or threads.available_cores(),
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=50,
        )
        owned.append(cluster)
    elif where.endswith(".py"):
        if not Path(where).is_file():
            raise InputError(f"--dask: no file {where!r}.")
        made = runpy.run_path(where)
        cluster = made.get("client", made.get("cluster"))
        if cluster is None:
            raise InputError(f"--dask {where}: the file makes no variable 'cluster' or 'client'.")
        owned.append(cluster)
        if isinstance(cluster, distributed.Client):
            return cluster
    else:
        # Before there is a client: one that no address is for waits for 20 s, and ends with a traceback.
        try:
            if ":" not in where:
                raise ValueError("there is no port")
            distributed.comm.get_address_host_port(where)
        except ValueError as error:
            raise InputError(
                f"--dask {where}: expected the address of a scheduler such as tcp://10.0.0.1:8786, 'local', "
                f"or a Python file (.py) that makes a cluster ({error})."
            ) from None
        cluster = where
    client = distributed.Client(cluster, timeout="10s", set_as_default=False)
    owned.insert(0, client)
    return client
