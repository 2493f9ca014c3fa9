"""Shards of a study, merging them, and two runs on one folder."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import assert_same_numbers, examples, in_process, refused

import gfcompare as gfc
from gfcompare.study.claims import claimed
from gfcompare.study.runner import Manner, merge_study, run_shard, run_study
from gfcompare.study.shards import Shard

Write = Callable[..., Path]


ALONE = Manner(jobs=1)


def study(**changes: Any) -> gfc.Study:
    fields: dict[str, Any] = {
        "targets": {"sine": gfc.targets.Sine(), "step": gfc.targets.Step()},
        "integrators": {"gd": gfc.integrator("gd", step_size=0.1), "flow": gfc.integrator("standard-gf")},
        "network": gfc.ReLUNetwork((1, 3, 1)),
        "times": gfc.Times(end=1.0, count=3),
        "seeds": 20,
    }
    return gfc.Study("s", **(fields | changes))


@examples(100)
@given(st.integers(0, 200), st.integers(1, 50))
def test_shards_are_all_cells_once(cells: int, count: int) -> None:
    every: Any = list(range(cells))
    parts = [Shard(number, count).of(every) for number in range(1, count + 1)]
    assert sorted(cell for part in parts for cell in part) == every
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["3/16", " 1 / 1 "])
def test_shards_are_read(text: str) -> None:
    assert str(Shard.parsed(text)) == text.replace(" ", "")


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "-1/3", "1/0", "1/3/5", "", "1.5/3", "٣/٤"])
def test_what_is_no_shard_is_refused(text: str, study_file: Write) -> None:
    refused(in_process("run", study_file(), "--shard", text), "shard", "expected NUMBER/COUNT")


def test_shards_together_are_the_study(tmp_path: Path) -> None:
    whole = run_study(study(), tmp_path / "whole", jobs=1).tree
    shared, apart = tmp_path / "shared", [tmp_path / f"machine-{n}" for n in (1, 2, 3)]
    for number, folder in enumerate(apart, start=1):
        found = run_shard(study(), Shard(number, 3), shared, ALONE)
        assert found.reused == 0
        again = run_shard(study(), Shard(number, 3), shared, ALONE)
        assert (again.computed, again.reused) == (0, found.computed)
        run_shard(study(), Shard(number, 3), folder, ALONE)
        if number < 3:
            with pytest.raises(gfc.InputError, match=r"of 8 cells of the study are not finished in .*shards"):
                merge_study(study(), shared)
            assert not (shared / "result.nc").exists()
    merged = merge_study(study(), shared)
    assert (merged.computed, merged.reused) == (0, 8)
    assert_same_numbers(merged.tree, whole)
    assert_same_numbers(merge_study(study(), apart[0], others=apart[1:]).tree, whole)


def test_a_damaged_cell_of_another_folder_is_not_taken_in(tmp_path: Path) -> None:
    run_shard(study(), Shard(1, 2), tmp_path / "a", ALONE)
    run_shard(study(), Shard(2, 2), tmp_path / "b", ALONE)
    for path in (tmp_path / "b" / "cells").glob("*.cell"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(gfc.InputError, match="4 of 8 cells of the study are not finished"):
        merge_study(study(), tmp_path / "a", others=[tmp_path / "b"])


def test_a_folder_without_cells_is_refused(study_file: Write, tmp_path: Path) -> None:
    done = in_process("merge", study_file(), "--output", tmp_path / "out", "--from", tmp_path / "elsewhere")
    refused(done, "no cells in", "elsewhere", "expected the folder of a run")
    assert not (tmp_path / "out").exists()


def test_the_commands(study_file: Write, tmp_path: Path) -> None:
    path, out = study_file(("seeds = 2", "seeds = 20")), tmp_path / "out"
    done = in_process("run", path, "--output", out, "--shard", "1/2", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "1 cell computed, 0 found finished\nshard 1/2 is complete" in done.stdout
    refused(in_process("merge", path, "--output", out), "1 of 2 cells of the study are not finished")
    assert in_process("run", path, "--output", out, "--shard", "2/2", "--jobs", 1).returncode == 0
    done = in_process("merge", path, "--output", out, "--no-figures")
    assert done.returncode == 0, done.stderr
    assert "0 cells computed, 2 found finished" in done.stdout
    assert gfc.validate(gfc.open_study(out)) == []


# ---------------------------------------------------------------------------------------------------
# Two runs
# ---------------------------------------------------------------------------------------------------


def refused_claim(folder: Path, shard: Shard | None, message: str) -> None:
    with pytest.raises(gfc.InputError, match=message), claimed(folder, shard):
        pass


def test_a_folder_has_one_run_or_several_shards(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    with claimed(tmp_path):
        for shard in (None, Shard(1, 2)):
            refused_claim(tmp_path, shard, "the study is computed there by another run")
        with pytest.raises(gfc.InputError, match=rf"process {os.getpid()} on .*or share the cells out"):
            run_study(study(), tmp_path, jobs=1)
    with claimed(tmp_path, Shard(1, 2)), claimed(tmp_path, Shard(2, 2)):
        for shard in (None, Shard(1, 2), Shard(1, 3)):
            refused_claim(tmp_path, shard, r"shard [12]/2 of the study is computed there")
    assert list((tmp_path / "cells").iterdir()) == []


@pytest.mark.thorough
def test_a_run_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    code = (
        "import os, pathlib, sys\nfrom gfcompare.study.claims import claimed\n"
        "with claimed(pathlib.Path(sys.argv[1])): os._exit(3)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(list((tmp_path / "cells").iterdir())) == 1
    (tmp_path / "cells" / ".run-half.json").write_text('{"host": ')
    with claimed(tmp_path):
        assert len(list((tmp_path / "cells").iterdir())) == 1
    assert list((tmp_path / "cells").iterdir()) == []


@pytest.mark.parametrize(("silent", "ends"), [(0.0, False), (10_000.0, True)])
def test_a_run_of_another_machine_is_known_by_its_signs_of_life(
    tmp_path: Path, silent: float, ends: bool
) -> None:
    (tmp_path / "cells").mkdir()
    other = tmp_path / "cells" / ".run-other.json"
    about = {"host": f"not {platform.node()}", "pid": 1, "started": 0.0, "since": 0.0, "shard": None}
    other.write_text(json.dumps(about))
    os.utime(other, (time.time() - silent,) * 2)
    if ends:
        with claimed(tmp_path):
            pass
        assert not other.exists()
    else:
        refused_claim(tmp_path, None, rf"process 1 on not {platform.node()}")
        assert other.exists()


@pytest.mark.thorough
def test_runs_that_start_at_once_compute_the_study_once_or_refuse(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        "name = 's'\nseeds = 160\n[times]\nend = 50.0\ncount = 3\n[network]\nwidths = [1, 3, 1]\n"
        "[targets.sine]\n[integrators.gd]\n[integrators.standard-gf]\n"
    )
    command = [sys.executable, "-m", "gfcompare.cli", "run", "s.toml", "--no-figures", "--jobs", "1"]
    started = [
        subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in started:
        _, err = process.communicate(timeout=600)
        assert process.returncode in (0, 2), err
        assert process.returncode == 0 or "computed there by another run" in err
    shutil.rmtree(tmp_path / "once", ignore_errors=True)
    once = subprocess.run([*command, "--output", "once"], cwd=tmp_path, capture_output=True, check=False)
    assert once.returncode == 0
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert_same_numbers(gfc.open_study(tmp_path / "results" / "s"), gfc.open_study(tmp_path / "once"))
