"""Overrides of a study: other seeds, some of the methods, in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support import in_process, refused

import gfcompare as gfc

Write = Callable[..., Path]


@pytest.fixture
def study(study_file: Write) -> gfc.Study:
    return gfc.Study.from_toml(
        study_file(("step_size = 0.1", "step_size = [0.1, 0.2]"), last="[integrators.standard-gf]")
    )


def test_a_part_has_the_same_networks_and_numbers(study: gfc.Study, tmp_path: Path) -> None:
    part = study.part(seeds=1, only=["gd"])
    assert part.name == "tiny-seeds-1-only-gd"
    assert list(part.integrators) == ["gd[step 0.1]", "gd[step 0.2]"]
    assert (study.seeds, len(study.integrators), study.name) == (2, 3, "tiny")  # as it was
    whole, some = study.run(tmp_path / "a", jobs=1), part.run(tmp_path / "b", jobs=1)
    expected = whole["sine"]["risk"].sel(integrator=list(part.integrators), seed=[0]).values
    np.testing.assert_array_equal(some["sine"]["risk"].values, expected)
    assert some.attrs["study_source"].startswith("# Of this study a part was run: seeds = 1; only gd.\n")
    assert some.attrs["study_source"].split("\n", 1)[1] == study.source


def test_more_seeds_keep_those_that_are_there(study: gfc.Study) -> None:
    assert study.part(seeds=40).seeds == 40
    assert study.part(only=["standard-gf", "gd[step 0.2]"]).name == ("tiny-only-standard-gf-gd[step 0.2]")
    assert len(study.part(only=list(study.integrators) * 9).name) <= 80
    assert study.part().spec() == study.spec()


def test_wrong_parts_are_refused(study: gfc.Study) -> None:
    with pytest.raises(gfc.InputError, match=r"unknown method 'gb'. Did you mean 'gd'\?"):
        study.part(only=["gb"])
    with pytest.raises(gfc.InputError, match=r"limits\.cells"):
        study.part(seeds=10**9)
    with pytest.raises(gfc.InputError, match="seeds must be at least 1, got 0"):
        study.part(seeds=0)
    with pytest.raises(gfc.InputError, match=r"seeds: must be a whole number, got 2\.5"):
        study.part(seeds=2.5)  # type: ignore[arg-type]


@pytest.mark.thorough
def test_the_command_leaves_the_result_of_the_whole_alone(study_file: Write, tmp_path: Path) -> None:
    path = study_file(last="[integrators.standard-gf]")
    whole = in_process("run", path, "--jobs", 1, "--no-figures", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    kept = (tmp_path / "results" / "tiny" / "result.nc").read_bytes()
    command = ("run", path, "--jobs", 1, "--no-figures", "--seeds", 3, "--only", "gd")
    part = in_process(*command, cwd=tmp_path)
    assert part.returncode == 0, part.stderr
    assert (tmp_path / "results" / "tiny" / "result.nc").read_bytes() == kept
    tree = gfc.open_study(tmp_path / "results" / "tiny-seeds-3-only-gd")
    assert dict(tree["sine"].sizes)["seed"] == 3
    assert tree["sine"]["integrator"].values.tolist() == ["gd"]
    assert "1 found finished" in in_process(*command, cwd=tmp_path).stdout
    refused(in_process("run", path, "--only", "gb", cwd=tmp_path), "unknown method 'gb'. Did you mean 'gd'?")
    refused(in_process("run", path, "--seeds", 0, cwd=tmp_path), "seeds must be at least 1, got 0.")
