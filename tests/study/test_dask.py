"""Studies on a Dask cluster: real schedulers and workers on the loopback, some of which are lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import pytest
import xarray as xr
from support import PATIENCE, ROOT, WATCHED, assert_same_numbers, gfcompare, in_process, refused

import gfcompare as gfc
from gfcompare.study.executors.base import LOST
from gfcompare.study.executors.dask import DaskExecutor, given

pytest.importorskip("distributed", reason="Dask is not installed: the extra dask has it")

#: Eight cells, each of about 0.6 s.
SLOW = """
name = "slow"
seeds = 1
[times]
values = [0.5, 1.0]
[network]
widths = [1, 2, 1]
[targets.sine]
[targets.step]
[targets.constant]
[targets.affine]
[integrators.watched]
sleep = [0.06, 0.061]
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start_scheduler()

    def start(self, program: str, *arguments: object, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{program}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{program}", *map(str, arguments)],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "30s", **environment},
            )
        self.processes.append(process)
        return process

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        return self.start("scheduler", "--host", "127.0.0.1", "--port", self.port, "--no-dashboard")

    def worker(self, *more: object, **environment: str) -> subprocess.Popen[bytes]:
        given = ["--nthreads", 1, "--no-nanny", "--no-dashboard", "--local-directory", self.folder, *more]
        return self.start("worker", self.address, *given, **environment)

    def end(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> xr.DataTree:
    """The result of SLOW in one process, without sleeping: that changes no number."""
    folder = tmp_path_factory.mktemp("expected")
    (folder / "slow.toml").write_text(SLOW.replace("sleep = [0.06, 0.061]", "sleep = [0, 1e-9]"))
    (folder / "watched.py").write_text(WATCHED)
    run = ["run", folder / "slow.toml", "--plugin", folder / "watched.py", "--output", folder / "out"]
    done = in_process(*run, "--no-figures", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    return gfc.open_study(folder / "out")


@pytest.mark.thorough
def test_tasks_that_wait_behind_one_that_kills_its_worker_are_not_lost(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Two tasks or more at one worker, of which the first ends it as soon as another waits there."""
    import distributed

    def fatal() -> None:
        while not (tmp_path / "behind").exists():
            time.sleep(0.01)
        os._exit(3)

    def harmless() -> bytes:
        return cloudpickle.dumps(())

    def waiting(dask_scheduler: distributed.Scheduler) -> int:
        # By default it gives a task to four workers, one after the other, before the task is lost.
        dask_scheduler.allowed_failures = 0
        return sum(len(worker.processing) for worker in dask_scheduler.workers.values())

    cluster.worker()
    with distributed.Client(cluster.address, set_as_default=False) as client:
        sent: list[int] = []
        submitted = client.submit

        def submit(work: object, payload: bytes, *, pure: bool, key: str) -> object:
            sent.append(int(key.split("-")[2]))
            return submitted(fatal if sent[-1] == 1 else harmless, pure=pure, key=key)

        client.submit = submit
        client.wait_for_workers(1)
        executor = DaskExecutor(client)
        executor._payloads = dict.fromkeys((1, 2, 3), b"")
        for ticket in executor._payloads:
            executor._send(ticket)
        while client.run_on_scheduler(waiting) < 2:  # the scheduler itself keeps the third
            time.sleep(0.01)
        (tmp_path / "behind").touch()
        found: dict[int, str] = {}
        while len(found) < 3:
            found |= {answer.ticket: answer.lost for answer in executor.gather(0.1)}
            if found and len(cluster.processes) == 2:
                cluster.worker()
    assert found[1].startswith(LOST)
    assert found[2] == found[3] == ""
    assert (sent.count(1), sent.count(2)) == (1, 2)


def start_run(folder: Path, where: str) -> subprocess.Popen[str]:
    (folder / "slow.toml").write_text(SLOW)
    (folder / "watched.py").write_text(WATCHED)
    command = [
        "run",
        "slow.toml",
        "--plugin",
        "watched.py",
        "--output",
        "out",
        "--no-figures",
        "--dask",
        where,
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "gfcompare.cli", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


def wait_for_cells(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    for _ in range(600 * PATIENCE):
        if len(list((folder / "out" / "cells").glob("*.cell"))) >= count:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    pytest.fail("no cell was finished in time")


def check_complete(folder: Path, process: subprocess.Popen[str], expected: xr.DataTree) -> str:
    out, err = process.communicate(timeout=60 * PATIENCE)
    assert process.returncode == 0, err
    assert "8 cells computed" in out
    tree = gfc.open_study(folder / "out")
    assert gfc.validate(tree) == []
    for name, node in expected.children.items():
        names = {"integrator": node["integrator"].values}
        found = tree[name].to_dataset().assign_coords(names).drop_vars(["options", "option_sleep"])
        one = node.to_dataset().drop_vars(["options", "option_sleep"])
        assert_same_numbers(xr.DataTree.from_dict({"x": found}), xr.DataTree.from_dict({"x": one}))
    return err


@pytest.mark.thorough
def test_the_same_bits_when_a_worker_is_killed(
    tmp_path: Path, cluster: Cluster, expected: xr.DataTree
) -> None:
    workers = [cluster.worker(), cluster.worker()]
    process = start_run(tmp_path, cluster.address)
    wait_for_cells(tmp_path, 2, process)
    workers[0].kill()
    check_complete(tmp_path, process, expected)


@pytest.mark.thorough
def test_a_worker_that_hangs(tmp_path: Path, cluster: Cluster, expected: xr.DataTree) -> None:
    workers = [cluster.worker(), cluster.worker()]
    process = start_run(tmp_path, cluster.address)
    wait_for_cells(tmp_path, 2, process)
    workers[1].send_signal(signal.SIGSTOP)
    check_complete(tmp_path, process, expected)


@pytest.mark.thorough
def test_a_scheduler_that_is_started_again(tmp_path: Path, cluster: Cluster, expected: xr.DataTree) -> None:
    cluster.worker()
    process = start_run(tmp_path, cluster.address)
    wait_for_cells(tmp_path, 2, process)
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    cluster.start_scheduler()
    cluster.worker()  # workers end with their scheduler
    said = check_complete(tmp_path, process, expected)
    assert "the connection to the scheduler is lost" in said
    assert "the scheduler answers again; what was not finished is submitted again" in said


@pytest.mark.thorough
def test_a_worker_with_another_version_is_refused(tmp_path: Path, cluster: Cluster) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "gfcompare", other / "gfcompare", ignore=shutil.ignore_patterns("__pycache__"))
    versions = other / "gfcompare" / "components" / "versions.py"
    versions.write_text(versions.read_text().replace(f'VERSION = "{gfc.__version__}"', 'VERSION = "0.0.9"'))
    cluster.worker(PYTHONPATH=str(other))
    process = start_run(tmp_path, cluster.address)
    out, err = process.communicate(timeout=60 * PATIENCE)
    assert (process.returncode, out) == (2, ""), err
    message = err.splitlines()[-1]
    assert "has gfcompare 0.0.9 (code " in message
    assert f"has gfcompare {gfc.__version__} (code " in message
    assert "Install the same on both." in message
    assert "Traceback" not in err


LONELY = """
from dataclasses import dataclass
from typing import ClassVar
import gfcompare as gfc
from distributed import Client

@dataclass(frozen=True)
class Lonely(gfc.StepMethod):
    "A method of a module that only one machine has."

    name: ClassVar[str] = "lonely"
    step_size: float = 0.1

    def step(self, problem, theta, solver_state, step_size):
        return theta - step_size * problem.gradient(theta), solver_state
"""

SCRIPT = """
import sys
import gfcompare as gfc
from distributed import Client
from lonely import Lonely

study = gfc.Study(
    "s", targets={"sine": gfc.targets.Sine()}, integrators={"lonely": Lonely()},
    network=gfc.ReLUNetwork((1, 2, 1)), times=gfc.Times(values=[1.0]), seeds=2,
)
with Client(sys.argv[1]) as client:
    try:
        study.run("out", executor=client)
    except gfc.InputError as error:
        print(error)
"""


@pytest.mark.thorough
def test_a_worker_without_a_plugin_is_refused(tmp_path: Path, cluster: Cluster) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "lonely.py").write_text(LONELY)
    (home / "script.py").write_text(SCRIPT)
    cluster.worker()
    done = subprocess.run(
        [sys.executable, "script.py", cluster.address],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        check=False,
    )
    assert "lacks a plugin of the study (No module named 'lonely'), which the run on" in done.stdout, (
        done.stderr
    )


@pytest.mark.thorough
def test_workers_of_several_threads_are_refused(tmp_path: Path, cluster: Cluster) -> None:
    cluster.worker("--nthreads", 2)
    process = start_run(tmp_path, cluster.address)
    _, err = process.communicate(timeout=60 * PATIENCE)
    assert process.returncode == 2
    assert "has 2 threads: methods that share a process slow each other down" in err
    assert "dask worker --nthreads 1" in err


CLUSTER = """
from distributed import LocalCluster

if __name__ != "__mp_main__":
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    cluster.adapt(minimum=1, maximum=2)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("where", ["local", "cluster.py"])
def test_clusters_that_are_made_for_the_run(tmp_path: Path, expected: xr.DataTree, where: str) -> None:
    (tmp_path / "cluster.py").write_text(CLUSTER)
    check_complete(tmp_path, start_run(tmp_path, where), expected)


def test_what_is_no_cluster_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(SLOW.replace("watched", "gd").replace("sleep", "step_size"))
    (tmp_path / "none.py").write_text("x = 1\n")
    (tmp_path / "wrong.py").write_text("1 / 0\n")
    expected = (
        "expected the address of a scheduler such as tcp://10.0.0.1:8786, 'local', or a Python file (.py) "
        "that makes a cluster"
    )
    for where, said in (
        ("somewhere", f"--dask somewhere: {expected} (there is no port)"),
        ("host:99x", f"--dask host:99x: {expected} (invalid literal for int() with base 10: '99x')"),
        ("bogus://h:1", f"--dask bogus://h:1: {expected} (unknown address scheme 'bogus'"),
        ("missing.py", "--dask: no file 'missing.py'"),
        ("none.py", "--dask none.py: the file makes no variable 'cluster' or 'client'"),
        ("wrong.py", "--dask wrong.py: ZeroDivisionError: division by zero"),
    ):
        refused(in_process("run", "slow.toml", "--dask", where, cwd=tmp_path), said)
    with pytest.raises(gfc.InputError, match=r"executor must be a distributed\.Client, got 3"):
        given(3)


@pytest.mark.thorough
def test_a_scheduler_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(SLOW.replace("watched", "gd").replace("sleep", "step_size"))
    done = gfcompare("run", "slow.toml", "--dask", f"tcp://127.0.0.1:{free_port()}", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: --dask tcp://127.0.0.1:")
