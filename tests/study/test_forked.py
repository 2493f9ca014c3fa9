"""Workers that are copies of the run: when they may be, and what becomes of one that dies or is silent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import gfcompare as gfc
from gfcompare.study.executors.base import NO_ANSWER

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are started afresh")

_MAIN = """
import os, signal, sys, threading, time
import cloudpickle
import gfcompare as gfc
from gfcompare.study.executors import worker
from gfcompare.study.executors.forked import Forked, can_fork
from gfcompare.study.jobs import Task
"""


def script(body: str) -> str:
    """Run a program that has no threads but its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", _MAIN + textwrap.dedent(body)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.mark.thorough
def test_a_process_with_threads_of_others_is_not_copied() -> None:
    said = script("""
        print(can_fork())
        ended = threading.Event()
        thread = threading.Thread(target=ended.wait)
        thread.start()
        print(can_fork())
        ended.set()
        thread.join()
        print(can_fork())
        found = []
        other = threading.Thread(target=lambda: found.append(can_fork()))
        other.start()
        other.join()
        print(*found)
    """)
    assert said.split() == ["True", "False", "True", "False"]


@pytest.mark.thorough
def test_workers_that_die_or_are_silent_are_lost_and_others_go_on() -> None:
    """A long answer, one that is killed, one that is stopped, and one that is told to end."""
    said = script("""
        def act(payload):
            (do, _, _) = cloudpickle.loads(payload)
            return cloudpickle.dumps(do())

        class Act:
            def __init__(self, do, patience=None): self.do, self.patience = do, patience

        worker.packed = lambda task: cloudpickle.dumps((task.do, "", b""))
        worker.work = act
        executor = Forked(2)

        def answers(count):
            found, until = {}, time.monotonic() + 60
            while len(found) < count and time.monotonic() < until:
                found |= {answer.ticket: answer for answer in executor.gather(0.1)}
            return [found[ticket] for ticket in sorted(found)]

        executor.submit(Act(lambda: [b"x" * 5_000_000, os.getpid()]))
        executor.submit(Act(lambda: os.kill(os.getpid(), signal.SIGKILL)))
        one, two = answers(2)
        print(len(one.done[0]), one.done[1] != os.getpid(), two.done, two.lost)
        executor.submit(Act(lambda: os._exit(7)))
        executor.submit(Act(lambda: os.kill(os.getpid(), signal.SIGSTOP), patience=0.5))
        one, two = answers(2)
        print(one.lost, "|", two.lost)
        # A program that a worker has started holds its pipe.
        executor.submit(Act(lambda: (os.fork() or time.sleep(2)) and os._exit(3)))
        print(answers(1)[0].lost)
        executor.submit(Act(lambda: [sys.exit]))
        print(answers(1)[0].done[0] is sys.exit, len(executor._workers))
        executor.close(True)
        print(len(executor._workers))
    """)
    assert said.splitlines() == [
        "5000000 True None SIGKILL(-9)",
        f"exit code 7 | {NO_ANSWER}",
        "exit code 3",
        "True 1",
        "0",
    ]


@pytest.mark.thorough
def test_a_killed_parent_takes_its_copies_with_it(tmp_path: Path) -> None:
    """Also one that holds the interpreter, and hears nothing."""
    program = tmp_path / "program.py"
    program.write_text(
        _MAIN
        + textwrap.dedent("""
            worker.packed = lambda task: b""
            worker.work = lambda payload: [sum(range(10**9)) for _ in range(100)]
            Task.patience = None
            executor = Forked(2)
            for _ in range(2):
                executor.submit(Task((), "record"))
            print(*[each.process.pid for each in executor._workers], flush=True)
            time.sleep(60)
        """)
    )
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(word) for word in process.stdout.readline().split()]
        os.kill(process.pid, signal.SIGKILL)
    until = time.monotonic() + 30.0
    while alive := [pid for pid in workers if _runs(pid)]:
        assert time.monotonic() < until, alive
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.thorough
def test_copies_compute_the_same_bits_as_one_process(tmp_path: Path) -> None:
    said = script(f"""
        import numpy as np
        study = gfc.Study(
            "copies", targets={{"sine": gfc.targets.Sine()}}, seeds=64, times=gfc.Times(end=1.0, count=3),
            integrators={{name: gfc.integrator(name) for name in ("gd", "sgd", "standard-gf")}},
            network=gfc.ReLUNetwork((1, 4, 1)),
        )
        one, two = (study.run({str(tmp_path)!r} + f"/{{n}}", jobs=n, progress=False)["sine"] for n in (1, 2))
        for name in one.data_vars:
            if name != "wall_time":
                np.testing.assert_array_equal(one[name].values, two[name].values)
        print(can_fork())
    """)
    assert said.split() == ["True"]
    assert gfc.open_study(tmp_path / "2")["sine"].sizes["seed"] == 64
