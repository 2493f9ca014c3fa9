"""Running studies: the same numbers whatever the workers, nothing lost, nothing computed twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr
from support import PATIENCE, WATCHED, assert_same_bits, assert_same_numbers, gfcompare

import gfcompare as gfc
from gfcompare.components.errors import MethodWarning, RunError
from gfcompare.hooks import registry as plugins
from gfcompare.hooks.registry import PluginWarning
from gfcompare.study import cell_files
from gfcompare.study.cells import Cell, with_keys
from gfcompare.study.failures import CellsFailedError
from gfcompare.study.runner import run_study

Write = Callable[..., Path]


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the identity of each cell's file: one that is written again gets another."""
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in (folder / "cells").glob("*.cell")}


@dataclass(frozen=True)
class Shaky(gfc.StepMethod):
    """Gradient descent that may raise."""

    name: ClassVar[str] = "shaky"
    step_size: float = 0.1
    act: str = ""

    def step(self, problem: Any, theta: Any, solver_state: Any, step_size: float) -> Any:
        if self.act == "always" or (self.act == "for some" and (theta[:, 0] > 0).any()):
            raise ArithmeticError("deliberately wrong")
        return theta - step_size * problem.gradient(theta), solver_state


def study(**changes: Any) -> gfc.Study:
    fields: dict[str, Any] = {
        "name": "s",
        "targets": {"sine": gfc.targets.Sine(), "step": gfc.targets.Step()},
        "integrators": {
            "gd": gfc.integrator("gd", step_size=0.1),
            "sgd": gfc.integrator("sgd", step_size=0.1),
        },
        "network": gfc.ReLUNetwork((1, 3, 1)),
        "times": gfc.Times(end=1.0, count=3),
        "seeds": 4,
        "seed": 1,
    }
    return gfc.Study(**(fields | changes))


class Listener:
    """Writes down what a run says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begin(self, cells: Sequence[Cell], finished: Sequence[Cell]) -> None:
        self.said.append(f"begin {len(cells)} {len(finished)}")

    def note(self, text: str) -> None:
        self.said.append(text)

    def cell_done(self, cell: Cell, seconds: float) -> None:
        assert seconds >= 0
        self.said.append(f"done {cell.label}")

    def end(self, finished: int) -> None:
        self.said.append(f"end {finished}")


# ---------------------------------------------------------------------------------------------------
# The same numbers
# ---------------------------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.parametrize("jobs", [2, 3])
def test_the_same_bits_for_any_number_of_workers(
    small_study: gfc.Study, small_folder: Path, tmp_path: Path, jobs: int
) -> None:
    spec = small_study.problems[0]
    part = gfc.Study(
        "part",
        targets={"sine": spec.target},
        integrators=small_study.integrators,
        network=spec.network,
        times=small_study.times,
        seeds=small_study.seeds,
        seed=small_study.seed,
    )
    tree = part.run(tmp_path, jobs=jobs)
    one = gfc.open_study(small_folder)
    assert_same_numbers(tree, xr.DataTree.from_dict({"sine": one["sine"].to_dataset()}))
    assert tree["sine"].attrs.keys() == one["sine"].attrs.keys()
    assert set(files(tmp_path)) < set(files(small_folder))


def initial(tree: xr.DataTree, problem: str) -> np.ndarray:
    """Return the initial parameters, shape (integrator, seed, P)."""
    data = tree[problem].to_dataset().isel(time=0)
    parts = [data[name].values for name in ("weight_1", "bias_1", "weight_2", "bias_2")]
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=-1)


def test_every_method_and_target_starts_from_the_same_networks(
    small_tree: xr.DataTree, small_study: gfc.Study
) -> None:
    network = small_study.problems[0].network
    x = np.linspace(0, 1, 50)
    for problem in ("sine", "step"):
        theta = initial(small_tree, problem)
        assert_same_bits(theta, initial(small_tree, "sine"), problem)
        for index, on_manifold in enumerate(small_tree[problem]["on_manifold"].values):
            if not on_manifold:
                assert_same_bits(theta[index], theta[0], f"{problem} {index}")
                continue
            # On M it is another form of the same function.
            np.testing.assert_allclose(theta[index], network.normalize(theta[0]), rtol=1e-15)
            np.testing.assert_allclose(
                network.realize(theta[index], x), network.realize(theta[0], x), atol=1e-12
            )
    assert len(np.unique(theta[0], axis=0)) == 18


@pytest.mark.thorough
def test_adding_to_a_study_changes_nothing_that_was_there(tmp_path: Path) -> None:
    base = study().run(tmp_path / "base", jobs=1)
    larger = study(
        seeds=6,
        targets={
            "constant": gfc.targets.Constant(),
            "step": gfc.targets.Step(),
            "sine": gfc.targets.Sine(),
        },
        integrators={
            "more": gfc.integrator("sgd", step_size=0.2),
            "sgd": gfc.integrator("sgd", step_size=0.1),
            "gd": gfc.integrator("gd", step_size=0.1),
        },
    ).run(tmp_path / "larger", jobs=1)
    for problem in ("sine", "step"):
        part = larger[problem].to_dataset().sel(integrator=["gd", "sgd"], seed=range(4))
        assert_same_numbers(
            xr.DataTree.from_dict({problem: part}),
            xr.DataTree.from_dict({problem: base[problem].to_dataset()}),
        )


@pytest.mark.thorough
def test_two_step_sizes_of_sgd_see_the_same_points(tmp_path: Path) -> None:
    rates = [gfc.integrator("sgd", step_size=h) for h in (1e-6, 2e-6)]
    tree = study(integrators={"sgd": rates}, times=gfc.Times(values=[2e-6])).run(tmp_path, jobs=1)
    theta = initial(tree, "sine")[0]
    data = tree["sine"].to_dataset()
    moved = data["bias_2"].isel(time=1).values[..., 0] - theta[None, :, -1]
    # Two steps of 1e-6 and one of 2e-6 start in the same point but see other second batches.
    assert data["steps"].isel(time=1).values.tolist() == [[2] * 4, [1] * 4]
    assert not np.allclose(moved[0], moved[1], rtol=1e-6)
    first = study(integrators={"sgd": rates}, times=gfc.Times(values=[1e-6])).run(tmp_path / "b", jobs=1)
    once = first["sine"].to_dataset()["bias_2"].isel(integrator=0, time=1).values[:, 0] - theta[:, -1]
    np.testing.assert_allclose(2 * once, moved[1], rtol=1e-5)


def test_a_seed_is_a_seed_whatever_its_block(small_tree: xr.DataTree, small_study: gfc.Study) -> None:
    """Seeds 16 and 17 are in a block of their own; integrated alone they give the same."""
    problem = small_study.problems[0].problem
    theta = initial(small_tree, "sine")[2, 16:17]
    alone = gfc.integrate(
        problem, gfc.integrator("gd", step_size=0.05), theta, small_study.times.array(), seed=7
    )
    stored = small_tree["sine"].to_dataset().sel(integrator="gd[step 0.05]", seed=[16])
    assert_same_bits(alone["risk"].values, stored["risk"].values, "risk")
    assert_same_bits(alone["weight_1"].values, stored["weight_1"].values, "weight_1")


def test_keys_of_many_cells_are_those_of_each() -> None:
    one = study(seeds=40, diagnostics=["sharpness"])
    for cell, alone in zip(with_keys(one.cells()), one.cells(), strict=True):
        assert (cell.key, cell.diagnostic_keys) == (alone.key, alone.diagnostic_keys)


# ---------------------------------------------------------------------------------------------------
# Resuming
# ---------------------------------------------------------------------------------------------------


def test_the_same_study_again_computes_nothing(tmp_path: Path) -> None:
    first = run_study(study(), tmp_path, jobs=1)
    before, listener = files(tmp_path), Listener()
    again = run_study(study(), tmp_path, jobs=1, progress=listener)
    assert (first.computed, first.reused) == (4, 0)
    assert (again.computed, again.reused) == (0, 4)
    assert listener.said == ["begin 4 4", "end 4"]
    assert files(tmp_path) == before
    assert_same_numbers(first.tree, again.tree, but=())


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("changes", "computed"),
    [
        ({"name": "renamed", "description": "Another one."}, 0),
        ({"targets": {"sine": gfc.targets.Sine()}}, 0),
        ({"targets": {"sine": gfc.targets.Sine(), "step": gfc.targets.Step(location=0.3)}}, 2),
        ({"integrators": {"gd": gfc.integrator("gd", step_size=0.1), "sgd": gfc.integrator("sgd")}}, 2),
        ({"targets": {"sine": gfc.targets.Sine(), "new": gfc.targets.Constant()}}, 2),
        ({"seeds": 5}, 4),
        ({"seed": 4}, 4),
        ({"times": gfc.Times(end=2.0, count=3)}, 4),
    ],
)
def test_only_what_changed_is_computed(tmp_path: Path, changes: dict[str, Any], computed: int) -> None:
    run_study(study(), tmp_path, jobs=1)
    before = files(tmp_path)
    outcome = run_study(study(**changes), tmp_path, jobs=1)
    assert outcome.computed == computed
    assert len(files(tmp_path)) == 4 + computed
    assert before.items() <= files(tmp_path).items()
    assert gfc.validate(outcome.tree) == []


def test_more_seeds_keep_full_blocks(tmp_path: Path) -> None:
    one = {
        "targets": {"sine": gfc.targets.Sine()},
        "integrators": {"gd": gfc.integrator("gd", step_size=0.1)},
    }
    run_study(study(seeds=16, **one), tmp_path, jobs=1)
    outcome = run_study(study(seeds=20, **one), tmp_path, jobs=1)
    assert (outcome.computed, outcome.reused) == (1, 1)
    assert outcome.tree["sine"].sizes["seed"] == 20


def test_a_missing_cell_is_computed_and_a_partial_file_is_no_cell(tmp_path: Path) -> None:
    first = run_study(study(), tmp_path, jobs=1)
    victim = sorted((tmp_path / "cells").glob("*.cell"))[0]
    victim.rename(victim.with_name(f".{victim.stem}-abc.part"))
    before = files(tmp_path)
    again = run_study(study(), tmp_path, jobs=1)
    assert (again.computed, again.reused) == (1, 3)
    assert before.items() <= files(tmp_path).items()
    assert_same_numbers(first.tree, again.tree)


@pytest.mark.sampled("flipped")
@pytest.mark.parametrize("damage", ["truncated", "flipped", "of another cell", "empty"])
def test_a_damaged_cell_is_computed_again_and_that_is_said(tmp_path: Path, damage: str) -> None:
    first = run_study(study(), tmp_path, jobs=1)
    victim, other = sorted((tmp_path / "cells").glob("*.cell"))[:2]
    whole = victim.read_bytes()
    flipped = bytes([*whole[:-100], whole[-100] ^ 1, *whole[-99:]])
    wrong = {
        "truncated": whole[:500],
        "flipped": flipped,
        "of another cell": other.read_bytes(),
        "empty": b"",
    }
    victim.write_bytes(wrong[damage])
    listener = Listener()
    again = run_study(study(), tmp_path, jobs=1, progress=listener)
    assert again.computed == 1
    assert "the files of 1 cells are damaged: they are computed again" in listener.said
    assert_same_numbers(first.tree, again.tree)


def test_a_study_file_is_kept_beside_its_results(study_file: Write, tmp_path: Path) -> None:
    path = study_file()
    tree = gfc.Study.from_toml(path).run(tmp_path / "out", jobs=1)
    assert (tmp_path / "out" / "study.toml").read_text() == path.read_text()
    assert tree.attrs["study_source"] == path.read_text()
    assert gfc.Study.from_toml(tmp_path / "out" / "study.toml").spec() == gfc.Study.from_toml(path).spec()


def test_results_go_to_the_studys_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study(name="of my own").run(jobs=1)
    assert (tmp_path / "results" / "of my own" / "result.nc").is_file()


@pytest.mark.parametrize("jobs", [0, -1])
def test_the_number_of_jobs(tmp_path: Path, jobs: int) -> None:
    with pytest.raises(gfc.InputError, match=f"jobs must be at least 1, got {jobs}"):
        study().run(tmp_path, jobs=jobs)


@pytest.mark.parametrize("below", ["", "sub"])
def test_an_output_that_is_a_file_is_refused_before_anything_runs(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(gfc.InputError, match=r"output folder .*file"):
        study().run(tmp_path / "file" / below, jobs=1)
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(gfc.InputError, match="Permission denied"):
        study().run(tmp_path / "out", jobs=1)


# ---------------------------------------------------------------------------------------------------
# Methods that fail
# ---------------------------------------------------------------------------------------------------


def test_a_method_that_raises_is_a_result(tmp_path: Path) -> None:
    methods = {"good": Shaky(), "bad": Shaky(act="always"), "gd": gfc.integrator("gd", step_size=0.1)}
    with pytest.warns(MethodWarning, match="the method 'bad' failed on 8 of 8 trajectories"):
        tree = study(integrators=methods).run(tmp_path, jobs=1)
    assert gfc.validate(tree) == []
    data = tree["sine"].to_dataset()
    bad = data.sel(integrator="bad")
    assert (bad["status"] == gfc.Status.FAILED).all()
    assert str(bad["message"].values[0]).startswith(
        "ArithmeticError: deliberately wrong (test_runner.py, line "
    )
    assert np.isfinite(bad["risk"].isel(time=0)).all()
    assert np.isnan(bad["risk"].isel(time=slice(2, None))).all()  # the step is longer than time[1]
    for method in ("good", "gd"):
        assert (data.sel(integrator=method)["status"] == gfc.Status.REACHED_END).all()
    np.testing.assert_allclose(
        data["risk"].sel(integrator="good"), data["risk"].sel(integrator="gd"), rtol=1e-12
    )


def test_only_the_trajectories_that_raise_fail(tmp_path: Path) -> None:
    made = study(seeds=8, integrators={"good": Shaky(), "some": Shaky(act="for some")})
    with pytest.warns(MethodWarning, match="the method 'some' failed on 4 of 16 trajectories"):
        data = made.run(tmp_path, jobs=1)
    one = data["sine"].to_dataset()
    failed = one["status"].sel(integrator="some").values == gfc.Status.FAILED
    assert failed.any()
    assert not failed.all()
    assert_same_bits(
        one["risk"].sel(integrator="some").values[~failed],
        one["risk"].sel(integrator="good").values[~failed],
        "neighbours",
    )


def test_a_cell_that_cannot_be_computed_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cell_files.write

    def write(path: Path, data: bytes) -> None:
        if b"sine / " in data:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(cell_files, "write", write)
    with pytest.raises(CellsFailedError) as caught:
        run_study(study(), tmp_path, jobs=1)
    text = str(caught.value)
    assert text.startswith("2 cells could not be computed (sine / gd / seeds 0-3; sine / sgd / seeds 0-3): ")
    assert "No space left on device" in text
    assert f"The finished cells are kept in {tmp_path}." in text
    assert isinstance(caught.value, RunError)
    monkeypatch.undo()
    assert run_study(study(), tmp_path, jobs=1).reused == 2


@dataclass(frozen=True)
class Careless(gfc.Diagnostic):
    """A diagnostic that raises."""

    name: ClassVar[str] = "careless"
    long_name: ClassVar[str] = "something"
    units: ClassVar[str] = "1"

    def compute(self, problem: Any, theta: Any) -> Any:
        raise IndexError("off by one")


@dataclass(frozen=True)
class Misshapen(Careless):
    """A diagnostic of the wrong shape."""

    def compute(self, problem: Any, theta: Any) -> Any:
        return theta


@pytest.mark.usefixtures("fresh_registry")
@pytest.mark.parametrize(
    ("diagnostic", "cause"), [(Careless, "IndexError: off by one"), (Misshapen, "it has shape")]
)
def test_a_diagnostic_that_fails_loses_nothing(tmp_path: Path, diagnostic: Any, cause: str) -> None:
    registry = plugins.registry()
    registry._components["diagnostics"]["careless"] = diagnostic
    registry._origins["diagnostics", "careless"] = plugins.Plugin("theirs", "their-distribution", "1.0")
    one = {
        "targets": {"sine": gfc.targets.Sine()},
        "integrators": {"gd": gfc.integrator("gd", step_size=0.1)},
    }
    with pytest.warns(PluginWarning, match=f"diagnostic 'careless' of 'theirs' of their-dist.*{cause}"):
        tree = study(**one).run(tmp_path, jobs=1)
    assert np.isnan(tree["sine"]["careless"]).all()
    assert np.isfinite(tree["sine"]["risk"]).all()
    assert gfc.validate(tree) == []


@pytest.mark.thorough
def test_a_time_limit_ends_trajectories(tmp_path: Path) -> None:
    tree = study(integrators={"gd": gfc.integrator("gd", step_size=1e-4)}, time_limit=1e-9).run(
        tmp_path, jobs=1
    )
    assert (tree["sine"]["status"] == gfc.Status.TIME_LIMIT).all()
    assert gfc.validate(tree) == []


# ---------------------------------------------------------------------------------------------------
# Runs that are stopped
# ---------------------------------------------------------------------------------------------------

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


def start(path: Path, plugin: Path, output: Path, jobs: int) -> subprocess.Popen[str]:
    command = ["run", path, "--plugin", plugin, "--output", output, "--jobs", jobs, "--no-figures"]
    return subprocess.Popen(
        [sys.executable, "-m", "gfcompare.cli", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_cells(output: Path, count: int, process: subprocess.Popen[str]) -> None:
    for _ in range(1200 * PATIENCE):
        if len(files(output)) >= count:
            return
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.05)
    pytest.fail("no cell was finished in time")


def group_is_empty(group: int) -> bool:
    """Return whether no process of a group is left, after some time to end."""
    for _ in range(100 * PATIENCE):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


class Interrupted(Listener):
    """Is stopped by Ctrl-C when so many cells have been written."""

    def __init__(self, folder: Path, written: int) -> None:
        super().__init__()
        self.folder = folder
        self.written = written

    def cell_done(self, cell: Cell, seconds: float) -> None:
        if len(files(self.folder)) >= self.written:
            raise KeyboardInterrupt


@pytest.mark.sampled
@pytest.mark.parametrize(("jobs", "written"), [(1, 1), (3, 3)])
def test_a_stopped_run_counts_the_files_it_leaves(tmp_path: Path, jobs: int, written: int) -> None:
    listener = Interrupted(tmp_path, written)
    with pytest.raises(KeyboardInterrupt):
        run_study(study(), tmp_path, jobs=jobs, progress=listener)
    kept = files(tmp_path)
    time.sleep(0.5)
    assert files(tmp_path) == kept  # no worker goes on behind the count
    assert len(kept) >= written
    assert listener.said[-1] == f"end {len(kept)}"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> xr.DataTree:
    """The result of SLOW without sleeping: sleeping changes no number."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "slow.toml").write_text(SLOW.replace("sleep = [0.06, 0.061]", "sleep = [0, 1e-9]"))
    (folder / "watched.py").write_text(WATCHED)
    run = ["run", folder / "slow.toml", "--plugin", folder / "watched.py", "--output", folder / "out"]
    done = gfcompare(*run, "--no-figures", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    return gfc.open_study(folder / "out")


def check_resumed(path: Path, plugin: Path, output: Path, expected: xr.DataTree) -> None:
    """Run again what was stopped; nothing that was finished may be computed again."""
    kept = files(output)
    assert 2 <= len(kept) < 8
    assert not (output / "result.nc").exists()
    done = gfcompare("run", path, "--plugin", plugin, "--output", output, "--jobs", 1, "--no-figures")
    assert done.returncode == 0, done.stderr
    assert f"{len(kept)} of 8 cells are finished already" in done.stderr
    assert re.search(rf"^{8 - len(kept)} cells? computed, {len(kept)} found finished", done.stdout, re.M)
    assert kept.items() <= files(output).items()
    tree = gfc.open_study(output)
    assert gfc.validate(tree) == []
    for problem in expected.children:
        for name in ("risk", "weight_1", "bias_1", "weight_2", "bias_2", "steps", "status", "flow_time"):
            assert_same_bits(tree[problem][name].values, expected[problem][name].values, name)


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
@pytest.mark.parametrize("whole_group", [True, False], ids=["process group", "parent alone"])
def test_kill_9(tmp_path: Path, watched: Path, uninterrupted: xr.DataTree, whole_group: bool) -> None:
    path, output = tmp_path / "slow.toml", tmp_path / "out"
    path.write_text(SLOW)
    process = start(path, watched, output, 2)
    wait_for_cells(output, 2, process)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
    process.communicate(timeout=30 * PATIENCE)
    assert process.returncode == -signal.SIGKILL
    assert group_is_empty(process.pid)  # workers end by themselves when their parent is gone
    if whole_group:
        check_resumed(path, watched, output, uninterrupted)


@pytest.mark.thorough
@pytest.mark.usefixtures("heard")
@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c(tmp_path: Path, watched: Path, jobs: int) -> None:
    path, output = tmp_path / "slow.toml", tmp_path / "out"
    path.write_text(SLOW)
    process = start(path, watched, output, jobs)
    wait_for_cells(output, 2, process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30 * PATIENCE)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (
        f"Stopped. {len(files(output))} of 8 cells are finished and kept; "
        "the same command goes on from there."
    )
    assert group_is_empty(process.pid)
    assert not (output / "result.nc").exists()


@pytest.mark.thorough
def test_a_worker_that_dies(tmp_path: Path, watched: Path) -> None:
    path, output = tmp_path / "deadly.toml", tmp_path / "out"
    text = SLOW.replace("sleep = [0.06, 0.061]", 'act = ["die", ""]')
    path.write_text(text.replace("[targets.step]\n[targets.constant]\n[targets.affine]\n", ""))
    done = gfcompare("run", path, "--plugin", watched, "--output", output, "--jobs", 2, "--no-figures")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "a worker process died; computing again what was running" in done.stderr
    assert "error: 'watched[act die]' failed on every trajectory" in done.stderr
    assert len(files(output)) == 2
    status = gfc.open_study(output)["sine"]["status"].values.ravel().tolist()
    assert status == [gfc.Status.FAILED, gfc.Status.REACHED_END]
    path.write_text(path.read_text().replace('["die", ""]', '["", "for none"]'))
    again = gfcompare("run", path, "--plugin", watched, "--output", output, "--jobs", 1, "--no-figures")
    assert again.returncode == 0, again.stderr
    assert "1 cell computed, 1 found finished" in again.stdout


@pytest.mark.thorough
def test_a_script_without_a_main_guard(tmp_path: Path) -> None:
    """Workers do not run the user's script again, and they know its classes and functions."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        from dataclasses import dataclass
        from typing import ClassVar
        import numpy as np
        import gfcompare as gfc

        print("script starts")

        @dataclass(frozen=True)
        class Own(gfc.StepMethod):
            \"\"\"Own method.\"\"\"
            name: ClassVar[str] = "own"
            step_size: float = 0.1
            def step(self, problem, theta, solver_state, step_size):
                return theta - step_size * problem.gradient(theta), solver_state

        tree = gfc.Study(
            "script",
            targets={"own": gfc.targets.Function(lambda x: np.exp(x))},
            integrators={"own": Own(), "gd": gfc.integrator("gd", step_size=0.1)},
            times=gfc.Times(values=[1.0]),
            seeds=2,
        ).run("out", jobs=2)
        print(np.abs(np.diff(tree["own"]["risk"].values, axis=0)).max() < 1e-12)
        """)
    )
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["script starts", "True", ""]
    kept = files(tmp_path / "out")
    again = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, check=False)
    assert again.returncode == 0
    assert files(tmp_path / "out") == kept
