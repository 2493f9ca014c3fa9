"""Ends of runs, whatever a plugin does: sys.exit, os.chdir, crashes, threads, Ctrl-C more than once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from support import PATIENCE, gfcompare
from test_runner import Listener

import gfcompare as gfc
from gfcompare.components.errors import ExitCalledError, MethodWarning, RunError
from gfcompare.hooks import plugin_files
from gfcompare.hooks.chosen_diagnostics import DiagnosticWarning, checked_names
from gfcompare.integrators.status import Status
from gfcompare.study import attempts, cell_files
from gfcompare.study.cells import Cell
from gfcompare.study.dispatch import WorkersLostError
from gfcompare.study.runner import run_study
from gfcompare.system import process_end

ENDING = textwrap.dedent('''\
    """A method that ends otherwise than by returning."""

    import os
    import sys
    import threading
    import time
    from dataclasses import dataclass
    from typing import ClassVar

    import gfcompare as gfc


    @dataclass(frozen=True)
    class Ending(gfc.StepMethod):
        """Gradient descent that does something else as well."""

        name: ClassVar[str] = "ending"
        step_size: float = 0.1
        act: str = ""

        def step(self, problem, theta, solver_state, step_size):
            if self.act == "exit":
                sys.exit(0)
            if self.act == "chdir":
                os.chdir("/")
            if self.act == "die":
                os._exit(7)
            if self.act == "abort":
                os.abort()
            if self.act == "thread" and threading.active_count() < 8:
                threading.Thread(target=threading.Event().wait, name="left over").start()
            if self.act == "slow":
                time.sleep(0.05)
            return theta - step_size * problem.gradient(theta), solver_state


    @gfc.hookimpl
    def gfcompare_integrators():
        return [Ending]
''')

STUDY = """
name = "endings"
seeds = 2
[times]
values = [0.5, 1.0]
[network]
widths = [1, 2, 1]
[targets.sine]
[targets.step]
[integrators.gd]
step_size = 0.1
[integrators.ending]
act = "{act}"
"""


def run(
    folder: Path, act: str, jobs: int, *more: object, output: object = "out"
) -> subprocess.CompletedProcess[str]:
    """Run the study with such a method in a folder, with a relative output."""
    (folder / "ending.py").write_text(ENDING)
    (folder / "study.toml").write_text(STUDY.format(act=act))
    command = ["run", "study.toml", "--plugin", "ending.py", "--output", output, "--jobs", jobs]
    return gfcompare(*command, "--no-figures", *more, cwd=folder)


def check_complete(folder: Path, status: Status) -> tuple[Any, list[str]]:
    """Check that everything was computed, and how the method ended; return the result and its messages."""
    tree = gfc.open_study(folder)
    assert gfc.validate(tree) == []
    messages = []
    for node in tree.children.values():
        data = node.to_dataset()
        assert (data["status"].sel(integrator="gd") == Status.REACHED_END).all()
        assert (data["status"].sel(integrator="ending") == status).all()
        messages += [str(m) for m in data["message"].sel(integrator="ending").values]
    return tree, messages


# ---------------------------------------------------------------------------------------------------
# sys.exit, os.chdir
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("jobs", [1, 2])
def test_sys_exit_is_a_failure_and_not_the_end(tmp_path: Path, jobs: int) -> None:
    done = run(tmp_path, "exit", jobs)
    assert done.returncode == 1, done.stderr
    assert "the method 'ending' failed on 4 of 4 trajectories: sys.exit(0) was called" in done.stderr
    assert "error: 'ending' failed on every trajectory" in done.stderr
    _, messages = check_complete(tmp_path / "out", Status.FAILED)
    assert all(m.startswith("sys.exit(0) was called (") and m.endswith(", in step)") for m in messages)


@pytest.mark.thorough
def test_the_traceback_of_sys_exit_in_a_worker(tmp_path: Path) -> None:
    traced = run(tmp_path, "exit", 2, "--traceback")
    assert traced.returncode == 1
    assert "Traceback" in traced.stderr
    assert "ExitCalledError: sys.exit(0) was called" in traced.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_changed_folder_changes_nothing(tmp_path: Path, jobs: int) -> None:
    done = run(tmp_path, "chdir", jobs)
    assert done.returncode == 0, done.stderr
    assert "4 cells computed, 0 found finished" in done.stdout
    tree, _ = check_complete(tmp_path / "out", Status.REACHED_END)
    for node in tree.children.values():
        risk = node["risk"]
        np.testing.assert_allclose(risk.sel(integrator="gd"), risk.sel(integrator="ending"), rtol=1e-12)


@dataclass(frozen=True)
class Leaving(gfc.StepMethod):
    """Exits, or moves to another folder."""

    name: ClassVar[str] = "leaving"
    step_size: gfc.StepSize = 0.1
    exits: bool = False

    def step(self, problem: Any, theta: gfc.Array, solver_state: Any, step_size: float) -> Any:
        if self.exits:
            sys.exit("enough")
        os.chdir("/")
        return theta - step_size * problem.gradient(theta), solver_state


NETWORK = gfc.ReLUNetwork((1, 2, 1))


def study(**methods: gfc.Integrator) -> gfc.Study:
    return gfc.Study(
        "s",
        targets={"sine": gfc.targets.Sine()},
        integrators=methods,
        network=NETWORK,
        times=gfc.Times(values=[0.5, 1.0]),
        seeds=2,
    )


def test_the_folder_of_a_script_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study(leaving=Leaving(), gd=gfc.integrator("gd")).run("out", jobs=1)
    assert Path.cwd() == tmp_path
    assert (tmp_path / "out" / "result.nc").exists()


def test_sys_exit_in_python(tmp_path: Path) -> None:
    with pytest.warns(MethodWarning, match=r"sys.exit\('enough'\) was called \(test_run_ends.py, line"):
        tree = study(leaving=Leaving(exits=True)).run(tmp_path, jobs=1)
    assert (tree["sine"]["status"] == Status.FAILED).all()
    with pytest.raises(ExitCalledError) as caught:
        study(leaving=Leaving(exits=True)).run(tmp_path, jobs=1, on_error="raise")
    assert isinstance(caught.value.__cause__, SystemExit)
    problem = gfc.Problem(NETWORK, gfc.targets.Sine(), gfc.measures.Uniform())
    with pytest.raises(ExitCalledError):
        gfc.integrate(problem, Leaving(exits=True), np.ones(7), [1.0], on_error="raise")


def exits(*_: object) -> Any:
    """Is called where a user's function is."""
    raise SystemExit(0)


@dataclass(frozen=True)
class ExitingFlow(gfc.FlowIntegrator):
    """Exits in its velocity, which a solver calls."""

    name: ClassVar[str] = "exiting-flow"

    def velocity(self, problem: Any, y: gfc.Array) -> gfc.Array:
        raise SystemExit(0)


@pytest.mark.parametrize("method", ["bdf", "adams", "dopri5", "rkc"])
def test_sys_exit_in_a_velocity(method: Any) -> None:
    problem = gfc.Problem(NETWORK, gfc.targets.Sine(), gfc.measures.Uniform())
    with pytest.warns(MethodWarning, match=r"sys.exit\(0\) was called"):
        data = gfc.integrate(problem, ExitingFlow(method=method), np.ones(7), [1.0])
    assert (data["status"] == Status.FAILED).all()


@pytest.mark.parametrize("dimension", [1, 2])
def test_sys_exit_in_a_target_or_a_density_is_refused(dimension: int) -> None:
    network = gfc.ReLUNetwork((dimension, 2, 1))
    box = gfc.measures.Box(0.0, 1.0, dimension=2) if dimension == 2 else gfc.measures.Uniform()
    with pytest.raises(gfc.InputError, match=r"sys\.exit"):
        problem = gfc.Problem(network, gfc.targets.Function(exits, dimension=dimension), box)
        problem.risk(np.ones(network.parameter_count))


def test_sys_exit_in_a_thread_of_l_bfgs_is_raised_where_it_is_waited_for() -> None:
    from gfcompare_lbfgs import _iterates

    class Problem:
        risk = gradient = staticmethod(exits)

    problem: Any = Problem()
    with pytest.raises(SystemExit):
        next(_iterates(problem, np.ones(2), {}))


# ---------------------------------------------------------------------------------------------------
# Crashes
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize(("act", "code", "said"), [("die", 7, "exit code 7"), ("abort", -6, "SIGABRT")])
def test_after_a_crash_the_next_run_is_complete(tmp_path: Path, act: str, code: int, said: str) -> None:
    first = run(tmp_path, act, 1, "--traceback")  # for which it is computed in the run itself
    assert first.returncode == code
    assert not (tmp_path / "out" / "result.nc").exists()
    second = run(tmp_path, act, 1)
    assert second.returncode == 1, second.stderr
    assert "a run died while it computed sine / ending / seeds 0-1" in second.stderr
    assert "error: 'ending' failed on every trajectory" in second.stderr
    _, messages = check_complete(tmp_path / "out", Status.FAILED)
    assert all(m.startswith("the process that computed it died each time") and said in m for m in messages)
    assert not list((tmp_path / "out" / "cells").glob("*.running"))
    third = run(tmp_path, act, 1)
    assert third.returncode == 1
    assert "0 cells computed, 4 found finished" in third.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_with_one_job_a_crash_ends_no_run(tmp_path: Path) -> None:
    done = run(tmp_path, "die", 1)
    assert done.returncode == 1, done.stderr
    assert "error: 2 cells ended their processes" in done.stderr
    assert "Traceback" not in done.stderr
    _, messages = check_complete(tmp_path / "out", Status.FAILED)
    assert all("exit code 7" in m for m in messages)


FATAL_FLOW = """
import os
from dataclasses import dataclass
from typing import ClassVar

import gfcompare as gfc


@dataclass(frozen=True)
class Fatal(gfc.FlowIntegrator):
    "A flow at which processes die where its solver is loaded."

    name: ClassVar[str] = "ending"
    act: str = ""

    def velocity(self, problem, y):
        return -problem.gradient(y)

    def method_for(self, problem):
        os._exit(7)


@gfc.hookimpl
def gfcompare_integrators():
    return [Fatal]
"""


@pytest.mark.thorough
@pytest.mark.parametrize("jobs", [1, 2])
def test_after_a_crash_in_the_warm_up_the_next_run_is_complete(tmp_path: Path, jobs: int) -> None:
    (tmp_path / "ending.py").write_text(FATAL_FLOW)
    (tmp_path / "study.toml").write_text(STUDY.format(act=""))
    command = ["run", "study.toml", "--plugin", "ending.py", "--output", "out", "--jobs", jobs]
    first = gfcompare(*command, "--no-figures", cwd=tmp_path)
    assert first.returncode == 7
    assert (tmp_path / "out" / "cells" / "warm-up.running").exists()
    second = gfcompare(*command, "--no-figures", cwd=tmp_path)
    assert second.returncode == 1, second.stderr
    assert "a run died while it loaded the compiled kernels, so the cells are" in second.stderr
    assert "error: 'ending' failed on every trajectory" in second.stderr
    _, messages = check_complete(tmp_path / "out", Status.FAILED)
    assert all(m.startswith("the process that computed it died") and "exit code 7" in m for m in messages)
    assert not list((tmp_path / "out" / "cells").glob("*.running"))
    third = gfcompare(*command, "--no-figures", cwd=tmp_path)
    assert "0 cells computed, 4 found finished" in third.stdout


def test_a_mark_is_left_by_the_dead_alone(tmp_path: Path) -> None:
    path = tmp_path / "cell.nc"
    assert attempts.deaths(path) == 0
    with attempts.computing(path):
        assert attempts.deaths(path) == 0  # this process lives
    for error in (ArithmeticError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), attempts.computing(path):
            raise error
    assert list(tmp_path.iterdir()) == []
    code = (
        "import os, pathlib; from gfcompare.study import attempts\n"
        f"with attempts.computing(pathlib.Path({str(path)!r})): os._exit(3)"
    )
    for deaths in (1, 2, 3):
        subprocess.run([sys.executable, "-c", code], check=False)
        assert attempts.deaths(path) == deaths
    attempts.forget(path)
    assert attempts.deaths(path) == 0
    path.with_suffix(".running").write_text('{"host"')
    assert attempts.deaths(path) == 1


def test_where_no_process_can_be_started_a_cell_is_given_up_after_two_deaths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = study(gd=gfc.integrator("gd"), sgd=gfc.integrator("sgd"))
    fatal = made.cells()[0]
    asked = attempts.deaths
    monkeypatch.setattr(attempts, "deaths", lambda path: 2 if fatal.key in path.name else asked(path))
    monkeypatch.setattr("multiprocessing.current_process", lambda: type("P", (), {"daemon": True}))
    with pytest.warns(MethodWarning, match="the method 'gd' failed on 2 of 2 trajectories: the process"):
        tree = made.run(tmp_path)
    data = tree["sine"].to_dataset()
    assert (data["status"].sel(integrator="gd") == Status.FAILED).all()
    assert np.isnan(data["risk"].sel(integrator="gd")).all()
    assert np.isfinite(data["risk"].sel(integrator="sgd")).all()


DYING = """
import gfcompare as gfc
import os
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class Dying(gfc.Diagnostic):
    "Ends the process."

    name: ClassVar[str] = "dying"
    long_name: ClassVar[str] = "nothing"
    units: ClassVar[str] = "1"

    def compute(self, problem, theta):
        os._exit(7)

@gfc.hookimpl
def gfcompare_diagnostics():
    return [Dying]
"""


@pytest.mark.thorough
def test_a_diagnostic_at_which_processes_die_is_left_out_and_no_trajectory_is_lost(
    tmp_path: Path, fresh_registry: None
) -> None:
    (tmp_path / "dying.py").write_text(DYING)
    plugin_files.load_file(tmp_path / "dying.py")
    made = study(gd=gfc.integrator("gd"), sgd=gfc.integrator("sgd"))
    made = made.replace(diagnostics=checked_names(["sharpness", "dying"]))
    with pytest.warns(DiagnosticWarning, match=r"diagnostic 'dying' .* is left out \(NaN\): .*exit code 7"):
        data = run_study(made, tmp_path, jobs=2).tree["sine"]
    assert not np.isin(data["status"], Status.FAILED).any()
    assert np.isnan(data["dying"]).all()
    assert np.isfinite(data["sharpness"]).all()
    again = run_study(made, tmp_path, jobs=2)
    assert (again.computed, again.reused) == (0, 2)


class Removing(Listener):
    """Removes the file of each cell that is reported."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def cell_done(self, cell: Cell, seconds: float) -> None:
        self.said.append("removed")
        cell_files.cell_path(self.folder, cell).unlink()


@pytest.mark.sampled
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_files_that_vanish_are_an_error_and_no_endless_run(tmp_path: Path, jobs: int) -> None:
    listener = Removing(tmp_path)
    made = study(gd=gfc.integrator("gd"), sgd=gfc.integrator("sgd"))
    with pytest.raises(RunError, match=r"the files of 2 cells \(sine / gd / seeds 0-1, ...\) are not in"):
        run_study(made, tmp_path, jobs=jobs, progress=listener)
    assert listener.said.count("removed") == 2


@pytest.mark.thorough
def test_on_error_raise_says_that_workers_died(tmp_path: Path, fresh_registry: None) -> None:
    (tmp_path / "ending.py").write_text(ENDING)
    plugin_files.load_file(tmp_path / "ending.py")
    made = study(ending=gfc.integrator("ending", act="die"), gd=gfc.integrator("gd"))
    with pytest.raises(WorkersLostError, match=r"sine / ending .* \(exit code 7\)"):
        made.run(tmp_path, jobs=2, on_error="raise")
    assert len(list((tmp_path / "cells").glob("*.cell"))) == 1


# ---------------------------------------------------------------------------------------------------
# Threads and Ctrl-C
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("jobs", [1, 2])
def test_threads_that_go_on_keep_no_process(tmp_path: Path, jobs: int) -> None:
    here = ["--traceback"] if jobs == 1 else []  # for which cells are computed in the run itself
    done = run(tmp_path, "thread", jobs, *here)  # the threads would run for ever
    assert done.returncode == 0, done.stderr
    assert ("threads that a plugin has started still run: 'left over'" in done.stderr) is (jobs == 1)
    check_complete(tmp_path / "out", Status.REACHED_END)


def test_a_script_is_told_of_threads_that_keep_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_end, "_GRACE", 0.05)
    own, end = threading.Thread(target=threading.Event().wait, daemon=True), threading.Event()
    own.start()
    started = []

    @dataclass(frozen=True)
    class Threading(gfc.StepMethod):
        """Starts a thread that waits."""

        name: ClassVar[str] = "threading"
        step_size: float = 0.1

        def step(self, problem: Any, theta: Any, memory: Any, step_size: Any) -> Any:
            if not started:
                started.append(threading.Thread(target=end.wait, name="left over"))
                started[0].start()
                ThreadPoolExecutor(1).submit(int).result()  # which is idle, and ended by Python
            return theta - step_size * problem.gradient(theta), memory

    try:
        with pytest.warns(process_end.ThreadsLeftWarning, match="still go on: 'left over'. Python") as heard:
            study(threading=Threading()).run(tmp_path, jobs=1)
        assert heard[0].filename == __file__
        assert gfc.validate(gfc.open_study(tmp_path)) == []
        study(threading=Threading()).run(tmp_path, jobs=1, force=True)  # it was there before
    finally:
        end.set()
        started[0].join()


@pytest.mark.thorough
@pytest.mark.usefixtures("heard")
@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_many_times(tmp_path: Path, jobs: int) -> None:
    (tmp_path / "ending.py").write_text(ENDING)
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(act="slow").replace("seeds = 2", "seeds = 160"))
    command = ["run", path, "--plugin", tmp_path / "ending.py", "--output", tmp_path / "out", "--jobs", jobs]
    process = subprocess.Popen(
        [sys.executable, "-m", "gfcompare.cli", *map(str, command), "--no-figures"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    while "cells 1" not in process.stderr.readline():
        assert process.poll() is None
    for _ in range(2400):
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05)
    out, err = process.communicate(timeout=60 * PATIENCE)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("Stopped. ")
    assert not list((tmp_path / "out" / "cells").glob("*.running"))


INTERRUPTED = """
import signal
import sys
import time
import weakref

from gfcompare.system import process_end

class Thing:
    pass

def press(_):
    signal.raise_signal(signal.SIGINT)
    time.sleep(0.01)

process_end.end_at_interrupt()
try:
    if sys.argv[1] == "lost":
        thing = Thing()
        reference = weakref.ref(thing, press)
        del thing  # in such a callback Python ignores errors
        time.sleep(1000)
    try:
        exec("press(None)")  # as in what makes a dataclass
    finally:
        time.sleep(2.5)
        print("cleaned up")
except KeyboardInterrupt:
    process_end.ignore_interrupts()
    process_end.forget_interrupt()
    print("ended")
"""


@pytest.mark.thorough
@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(("where", "said"), [("lost", "ended\n"), ("long", "cleaned up\nended\n")])
def test_ctrl_c_that_was_lost_is_sent_again_and_not_what_is_on_its_way(where: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, where],
        capture_output=True,
        text=True,
        timeout=30 * PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


@pytest.mark.usefixtures("heard")
def test_ctrl_c_is_held_back_until_it_is_asked_for() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), process_end.deferred_interrupt() as raise_if_interrupted:
        raise_if_interrupted()
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        try:
            raise_if_interrupted()
        finally:
            signal.raise_signal(signal.SIGINT)  # while workers are stopped
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt), process_end.deferred_interrupt():
        signal.raise_signal(signal.SIGINT)  # after the last question
    assert signal.getsignal(signal.SIGINT) is before
