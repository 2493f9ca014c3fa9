"""Plugins that misbehave in every way cost only their own cells, which become results with a message."""

from __future__ import annotations

import os
import random as python_random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support import PATIENCE, gfcompare

import gfcompare as gfc
from gfcompare.integrators.status import Status
from gfcompare.system import global_state

FAULTY = textwrap.dedent('''\
    """A method that misbehaves."""

    import ctypes
    import os
    import resource
    import signal
    import subprocess
    import sys
    import time
    import warnings
    from dataclasses import dataclass
    from typing import ClassVar

    import numpy as np

    import gfcompare as gfc


    class Odd(BaseException):
        """An error that is no Exception."""


    class Textless(Exception):
        """An error that cannot be shown."""

        def __str__(self):
            raise RuntimeError("no text")


    @dataclass(frozen=True)
    class Faulty(gfc.StepMethod):
        """Gradient descent that does something else as well."""

        name: ClassVar[str] = "faulty"
        step_size: float = 0.1
        act: str = ""

        def step(self, problem, theta, solver_state, step_size):
            if self.act == "raise":
                raise ArithmeticError("deliberately wrong")
            if self.act == "interrupt":
                raise KeyboardInterrupt
            if self.act == "odd":
                raise Odd("of another kind")
            if self.act == "long":
                raise ValueError("long " * 10**6)
            if self.act == "textless":
                raise Textless
            if self.act == "descriptors":
                os.closerange(3, 256)
            if self.act == "started" and not os.path.exists(f"started-{os.getpid()}"):
                with open(f"started-{os.getpid()}", "w") as file:
                    command = [sys.executable, "-c", "import time; time.sleep(1000)"]
                    file.write(str(subprocess.Popen(command, start_new_session=True).pid))
            if self.act == "nan":
                return theta * np.nan, solver_state
            if self.act == "loop":
                while True:
                    pass
            if self.act == "hold":  # the interpreter lock, within C
                open(f"held-{os.getpid()}", "w").close()
                ctypes.PyDLL(None).sleep(100_000)
            if self.act == "exit":
                os._exit(0)
            if self.act == "segfault":
                ctypes.string_at(0)
            if self.act == "memory":
                held = []
                while True:
                    held.append(np.empty(2**26))  # which is not touched: the limit counts it
            if self.act == "state":
                np.seterr(all="raise")
                np.random.seed(0)
                os.environ["OMP_NUM_THREADS"] = "7"
                os.chdir("/")
                os.umask(0o777)
                sys.setrecursionlimit(90)
                sys.stdout = sys.stderr = None
                warnings.simplefilter("error")
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)
                signal.alarm(1)
                resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
                ctypes.CDLL("libm.so.6").fesetround(0x800)  # upwards
            return theta - step_size * problem.gradient(theta), solver_state


    @gfc.hookimpl
    def gfcompare_integrators():
        return [Faulty]
''')

STUDY = """
name = "faulty"
seeds = {seeds}
[times]
values = [0.5, 1.0]
[network]
widths = [1, 2, 1]
[targets.sine]
[targets.step]
[integrators.faulty]
act = "{act}"
[integrators.gd]
step_size = 0.1
"""

#: What it does, the status of its trajectories, a part of their message.
ACTS: dict[str, tuple[Status, str]] = {
    "raise": (Status.FAILED, "ArithmeticError: deliberately wrong (faulty.py, line "),
    "interrupt": (Status.FAILED, "KeyboardInterrupt: "),
    "odd": (Status.FAILED, "Odd: of another kind (faulty.py, line "),
    "textless": (Status.FAILED, "Textless: its text cannot be shown (RuntimeError) ("),
    "long": (Status.FAILED, "long long  (faulty.py, line "),
    "descriptors": (Status.FAILED, ""),
    "nan": (Status.DIVERGED, "flow time"),
    "loop": (Status.TIME_LIMIT, "ended from outside after"),
    "hold": (Status.TIME_LIMIT, "ended from outside after"),
    "exit": (Status.FAILED, "the process that computed it died each time"),
    "segfault": (Status.FAILED, "the process that computed it died each time"),
    "memory": (Status.FAILED, "MemoryError"),
    "state": (Status.REACHED_END, ""),
}


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The result of the study with a method that does nothing wrong."""
    folder = tmp_path_factory.mktemp("right")
    return gfc.open_study(run(folder, "", 1, folder / "out")[1])


#: What does not come back, and is ended from outside.
HANGS = ("loop", "hold")
#: The command with less patience, in seconds: a cell that hangs costs them in full.
HASTY = "import sys\nfrom gfcompare.study import compute_cell\ncompute_cell._GRACE = 3.0\n"
HASTY += "from gfcompare.cli import main\nmain()"


def run(folder: Path, act: str, jobs: int, output: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run the study: two blocks of seeds, of methods that hang one."""
    hangs = act in HANGS
    (folder / "faulty.py").write_text(FAULTY)
    text = STUDY.format(act=act, seeds=2 if hangs else 18)
    # Of `gd`, whose cells take milliseconds once a worker has read its kernels.
    limit = "time_limit = 3.0\n" if hangs else ""
    (folder / "study.toml").write_text(limit + text)
    command = ["run", folder / "study.toml", "--plugin", folder / "faulty.py", "--output", output]
    command += ["--jobs", jobs, "--no-figures"]
    if not hangs:
        return gfcompare(*command, cwd=folder), output
    done = subprocess.run(
        [sys.executable, "-c", HASTY, *map(str, command)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        check=False,
    )
    return done, output


@pytest.mark.thorough
@pytest.mark.parametrize("act", ACTS)
def test_a_faulty_plugin_costs_only_its_own_cells(tmp_path: Path, act: str, right: Any) -> None:
    done, output = run(tmp_path, act, 2, tmp_path / "out")
    status, message = ACTS[act]
    assert done.returncode == (0 if act in ("nan", "state") else 1), done.stderr
    assert "Traceback" not in done.stderr
    tree = gfc.open_study(output)
    assert gfc.validate(tree) == []
    for name in ("sine", "step"):
        data = tree[name].to_dataset()
        theirs, ours = (data.sel(integrator=method) for method in ("faulty", "gd"))
        # Networks that start at a critical point end before any step, unless their process is lost.
        moving = theirs["status"].values != Status.STATIONARY
        assert moving.sum() > (0 if act in HANGS else 12)
        assert (theirs["status"].values[moving] == status).all(), theirs["message"].values
        texts = [str(text) for text in theirs["message"].values[moving]]
        assert all(message in text and len(text) < 2000 for text in texts)
        expected = right[name].to_dataset().sel(integrator="gd", seed=ours["seed"])
        for variable in ("risk", "weight_1", "bias_2", "steps", "status", "gradient_norm"):
            np.testing.assert_array_equal(ours[variable].values, expected[variable].values)
    again, _ = run(tmp_path, act, 2, output)
    assert f"0 cells computed, {4 if act in HANGS else 8} found finished" in again.stdout


@pytest.mark.thorough
def test_with_one_job_a_time_limit_ends_a_hang_too(tmp_path: Path) -> None:
    done, output = run(tmp_path, "hold", 1, tmp_path / "out")
    assert done.returncode == 1, done.stderr
    assert "2 cells ended their processes or did not end, and are recorded as failed" in done.stderr
    assert (gfc.open_study(output)["sine"]["status"].sel(integrator="faulty") == Status.TIME_LIMIT).all()


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_plugin_that_holds_the_lock_does_not_survive_its_parent(tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY)
    (tmp_path / "study.toml").write_text(STUDY.format(act="hold", seeds=18))
    command = ["run", "study.toml", "--plugin", "faulty.py", "--output", "out", "--jobs", "2", "--no-figures"]
    with subprocess.Popen(
        [sys.executable, "-m", "gfcompare.cli", *command], cwd=tmp_path, stderr=subprocess.DEVNULL
    ) as process:
        parent = psutil.Process(process.pid)
        until = time.monotonic() + 60 * PATIENCE
        while len(held := list(tmp_path.glob("held-*"))) < 2:
            assert time.monotonic() < until
            time.sleep(0.1)
        workers = [p for p in parent.children() if f"held-{p.pid}" in {path.name for path in held}]
        assert len(workers) == 2
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(workers, timeout=5 * PATIENCE)
    assert alive == []


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_plugin_has_started_ends_with_the_run(tmp_path: Path, jobs: int) -> None:
    done, _ = run(tmp_path, "started", jobs, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    started = [int(path.read_text()) for path in tmp_path.glob("started-*")]
    assert started
    until = time.monotonic() + 5 * PATIENCE
    while any(map(psutil.pid_exists, started)):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_what_is_global_is_restored() -> None:
    import warnings

    before = (np.geterr(), sys.getrecursionlimit(), dict(os.environ), Path.cwd(), list(warnings.filters))
    random = np.random.get_state()[1].tolist()  # noqa: NPY002
    own = python_random.getstate()
    with pytest.raises(ArithmeticError), global_state.kept():
        np.seterr(all="ignore")
        np.random.seed(3)  # noqa: NPY002
        python_random.seed(3)
        sys.setrecursionlimit(5000)
        os.environ["GFCOMPARE_TEST"] = "1"
        os.environ.pop("PATH", None)
        os.chdir("/")
        warnings.simplefilter("ignore")
        sys.path.insert(0, "/nowhere")
        raise ArithmeticError
    after = (np.geterr(), sys.getrecursionlimit(), dict(os.environ), Path.cwd(), list(warnings.filters))
    assert after == before
    assert np.random.get_state()[1].tolist() == random  # noqa: NPY002
    assert python_random.getstate() == own
    assert sys.path.pop() == "/nowhere"  # a plugin imports its modules from there later on


@pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")
def test_signals_alarms_and_limits_are_restored() -> None:
    import resource

    numbers = (signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    main = threading.current_thread() is threading.main_thread()
    before = [signal.getsignal(number) for number in numbers]
    with global_state.kept():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[0] - 1, limit[1]))
        if main:
            signal.alarm(1000)
            for number in numbers:
                signal.signal(number, signal.SIG_IGN)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == limit
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.skipif(sys.platform != "linux", reason="the rounding modes of glibc")
def test_rounding_is_restored() -> None:
    import ctypes

    library = ctypes.CDLL("libm.so.6")
    mode = library.fegetround()
    with global_state.kept():
        assert library.fesetround(0x800) == 0
        assert library.fegetround() == 0x800
    assert library.fegetround() == mode
