"""The index of finished cells: what is not read again, and that nothing which has changed escapes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support import assert_same_numbers

import gfcompare as gfc
from gfcompare.components.errors import MethodWarning
from gfcompare.study import cell_format, cell_index, merging
from gfcompare.study.cell_index import INDEX
from gfcompare.study.runner import Manner, merge_study, run_shard, run_study
from gfcompare.study.shards import Shard


def study(**changes: Any) -> gfc.Study:
    given: dict[str, Any] = {
        "name": "indexed",
        "network": gfc.ReLUNetwork((1, 3, 1)),
        "targets": {"sine": gfc.targets.Sine(), "step": gfc.targets.Step()},
        "integrators": {
            "gd": gfc.integrator("gd", step_size=0.1),
            "flow": gfc.integrator("standard-gf"),
        },
        "times": gfc.Times(end=1.0, count=3),
        "seeds": 4,
    }
    return gfc.Study(**(given | changes))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system of the tests has times of nanoseconds, so that files need not rest for two seconds."""
    monkeypatch.setattr(cell_index, "_STEP", 0)


@dataclass
class Work:
    """How many files of cells were read, and how often a result was put together."""

    read: int = 0
    merged: int = 0


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    @contextmanager
    def counted() -> Iterator[Work]:
        found, decode, merge = Work(), cell_format.decoded, merging.merge

        def decoded(data: bytes, where: object) -> cell_format.Content:
            found.read += str(where).endswith(".cell")
            return decode(data, where)

        def merged(*arguments: Any) -> Path:
            found.merged += 1
            return merge(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(cell_format, "decoded", decoded)
            patch.setattr(merging, "merge", merged)
            yield found

    return counted


def cells(folder: Path) -> list[Path]:
    return sorted((folder / "cells").glob("*.cell"))


def test_a_finished_study_reads_no_cell_and_merges_nothing(tmp_path: Path, work: Any) -> None:
    first = run_study(study(), tmp_path, jobs=1)
    before = (tmp_path / "result.nc").read_bytes()
    with work() as done:
        again = run_study(study(), tmp_path, jobs=1)
    assert (again.computed, again.reused) == (0, 4)
    assert (done.read, done.merged) == (0, 0)
    assert (tmp_path / "result.nc").read_bytes() == before
    assert_same_numbers(first.tree, again.tree, but=())
    assert merge_study(study(), tmp_path).tree.attrs == first.tree.attrs


@pytest.mark.thorough
def test_what_a_command_has_added_is_there_and_costs_no_merge(tmp_path: Path, work: Any) -> None:
    run_study(study(), tmp_path, jobs=1)
    tree = gfc.open_study(tmp_path)
    from gfcompare.results import store
    from gfcompare.study.diagnosing import additions

    store.add(tmp_path / "result.nc", additions(tree, ["sharpness"]), "nothing", tree)
    with work() as done:
        again = run_study(study(), tmp_path, jobs=1)
    assert (done.read, done.merged) == (0, 0)
    assert "sharpness" in again.tree["sine"]


@pytest.mark.thorough
def test_files_that_changed_lately_are_read(
    tmp_path: Path, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_index, "_STEP", 10**12)
    run_study(study(), tmp_path, jobs=1)
    assert not (tmp_path / "cells" / INDEX).exists()
    with work() as done:
        run_study(study(), tmp_path, jobs=1)
    assert (done.read, done.merged) == (8, 1)


def flipped(path: Path) -> None:
    """Change a byte, and put back the time that programs can set."""
    times, data = path.stat(), bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def exchanged(path: Path) -> None:
    other = max(path.parent.glob("*.cell"))
    aside = path.with_name("aside")
    path.rename(aside)
    other.rename(path)
    aside.rename(other)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("damage", "count"),
    [(flipped, 1), (exchanged, 2), (cut, 1), (Path.unlink, 1)],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_cell_that_has_changed_is_found(tmp_path: Path, damage: Any, count: int) -> None:
    first = run_study(study(), tmp_path, jobs=1)
    damage(min(cells(tmp_path)))
    again = run_study(study(), tmp_path, jobs=1)
    assert (again.computed, again.reused) == (count, 4 - count)
    assert_same_numbers(first.tree, again.tree)
    assert run_study(study(), tmp_path, jobs=1).computed == 0


@pytest.mark.parametrize(
    ("changes", "computed"),
    [
        ({"description": "Another one."}, 0),
        ({"seeds": 3}, 4),
        ({"integrators": {"gd": gfc.integrator("gd", step_size=0.1)}}, 0),
        (
            {
                "integrators": {
                    "flow": gfc.integrator("standard-gf"),
                    "gd": gfc.integrator("gd", step_size=0.1),
                }
            },
            0,
        ),
        ({"diagnostics": ["sharpness"]}, 4),
        ({"diagnostics": ["function_distance_to_flow"]}, 0),
    ],
)
def test_a_changed_study_is_put_together_again(
    tmp_path: Path, work: Any, changes: dict[str, Any], computed: int
) -> None:
    run_study(study(), tmp_path, jobs=1)
    with work() as done:
        outcome = run_study(study(**changes), tmp_path, jobs=1)
    fresh = run_study(study(**changes), tmp_path / "fresh", jobs=1)
    assert (outcome.computed, done.merged) == (computed, 1)
    assert_same_numbers(outcome.tree, fresh.tree)
    assert list(outcome.tree["sine"].dims) == list(fresh.tree["sine"].dims)


@pytest.mark.thorough
def test_force_and_a_run_that_ended_before_its_merge_are_put_together(tmp_path: Path, work: Any) -> None:
    run_study(study(), tmp_path, jobs=1)
    old = (tmp_path / "result.nc").read_bytes()
    with work() as done:
        assert run_study(study(), tmp_path, jobs=1, force=True).computed == 4
    assert done.merged == 1
    (tmp_path / "result.nc").write_bytes(old)  # as if the merge had not been reached
    (tmp_path / "unfinished.nc").write_bytes(old)
    with work() as done:
        run_study(study(), tmp_path, jobs=1)
    assert (done.read, done.merged) == (4, 1)


@pytest.mark.thorough
def test_a_result_that_is_gone_or_an_index_that_is_damaged_costs_time_alone(
    tmp_path: Path, work: Any
) -> None:
    first = run_study(study(), tmp_path, jobs=1)
    (tmp_path / "result.nc").unlink()
    with work() as done:
        again = run_study(study(), tmp_path, jobs=1)
    assert (again.computed, done.read, done.merged) == (0, 4, 1)
    index = tmp_path / "cells" / INDEX
    data = bytearray(index.read_bytes())
    data[-40] ^= 1
    index.write_bytes(data)
    with work() as done:
        again = run_study(study(), tmp_path, jobs=1)
    assert (again.computed, done.read, done.merged) == (0, 8, 1)
    assert_same_numbers(first.tree, again.tree)


def test_a_copied_folder_is_read(tmp_path: Path, work: Any) -> None:
    run_study(study(), tmp_path / "one", jobs=1)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with work() as done:
        assert run_study(study(), tmp_path / "two", jobs=1).reused == 4
    assert (done.read, done.merged) == (8, 1)


@dataclass(frozen=True)
class Raising(gfc.StepMethod):
    """A method that raises."""

    name: ClassVar[str] = "raising"
    step_size: gfc.StepSize = 0.1

    def step(self, problem: Any, theta: gfc.Array, solver_state: Any, step_size: float) -> Any:
        raise ValueError("as always")


@pytest.mark.thorough
def test_errors_that_were_recorded_are_raised_if_that_is_wanted(tmp_path: Path) -> None:
    one = study(integrators={"raising": Raising()})
    with pytest.warns(MethodWarning):
        run_study(one, tmp_path, jobs=1)
    with pytest.warns(MethodWarning, match="as always"):
        assert run_study(one, tmp_path, jobs=1).reused == 2
    with pytest.raises(ValueError, match="as always"):
        run_study(one, tmp_path, jobs=1, on_error="raise")


def test_a_cell_of_another_folder_is_read_to_be_copied_and_to_be_merged(tmp_path: Path, work: Any) -> None:
    for number in (1, 2):
        run_shard(study(), Shard(number, 2), tmp_path / str(number), Manner(jobs=1))
    with work() as done:
        merge_study(study(), tmp_path / "1", others=[tmp_path / "2"])
    assert (done.read, done.merged) == (8, 1)
