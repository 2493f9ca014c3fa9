"""Kept values: checks added to a result, states when diagnostics change, what a stopped run left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from support import assert_same_numbers, in_process, refused

import gfcompare as gfc
from gfcompare import cli, theory
from gfcompare.results import opening, store
from gfcompare.study import cell_files, compute_cell, diagnosing, merging, unfinished
from gfcompare.study.cells import Cell
from gfcompare.study.diagnosing import with_comparisons
from gfcompare.study.runner import run_study


def study(name: str = "s", **changes: Any) -> gfc.Study:
    about: dict[str, Any] = {
        "targets": {"sine": gfc.targets.Sine(), "step": gfc.targets.Step()},
        "integrators": {
            "standard-gf": gfc.integrator("standard-gf"),
            "gd": gfc.integrator("gd", step_size=0.05),
        },
        "network": gfc.ReLUNetwork((1, 3, 1)),
        "times": gfc.Times(start=0.5, end=5.0, count=3),
        "seeds": 2,
    }
    return gfc.Study(name, **(about | changes))


class Notes:
    """Hears what a run says; can stop it after some cells."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.said: list[str] = []
        self._left = stop_after

    def begin(self, cells: Sequence[Cell], finished: Sequence[Cell]) -> None:
        pass

    def note(self, text: str) -> None:
        self.said.append(text)

    def cell_done(self, cell: Cell, seconds: float) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt

    def end(self, finished: int) -> None:
        pass


def stopped(given: gfc.Study, folder: Path, cells: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_study(given, folder, jobs=1, progress=Notes(cells))


def verified(folder: Path) -> xr.DataTree:
    """Add checks of theorems to the result in a folder, and return it."""
    tree = gfc.open_study(folder)
    store.add(folder / "result.nc", theory.variables(theory.verify(tree, seeds=1), tree), "check", tree)
    return gfc.open_study(folder)


def no_trajectories(*_: object, **__: object) -> Any:
    raise AssertionError("trajectories were computed again")


# ---------------------------------------------------------------------------------------------------
# What verify has added
# ---------------------------------------------------------------------------------------------------


def test_a_run_keeps_the_checks_of_the_same_trajectories(tmp_path: Path) -> None:
    study().run(tmp_path, jobs=1)
    before = verified(tmp_path)
    # Computed again, from nothing, with other diagnostics: the numbers are the same, and so the checks.
    after = study(diagnostics=["sharpness"]).run(tmp_path, jobs=1, force=True)
    assert gfc.validate(after) == []
    for name in ("sine", "step"):
        assert "sharpness" in after[name]
        for key in ("theory_outcome", "theory_residual", "theory_detail", "theory_unit"):
            xr.testing.assert_identical(after[name][key], before[name][key])


def diagnosed(folder: Path, *names: str) -> xr.DataTree:
    """Add diagnostics to the result in a folder, and return it."""
    tree = gfc.open_study(folder)
    store.add(folder / "result.nc", diagnosing.additions(tree, names), "", tree)
    return gfc.open_study(folder)


@pytest.mark.thorough
def test_a_run_keeps_the_diagnostics_that_were_added(tmp_path: Path) -> None:
    study().run(tmp_path, jobs=1)
    verified(tmp_path)
    before = diagnosed(tmp_path, "sharpness", "breakpoints")
    after = study().run(tmp_path, jobs=1, force=True)
    assert gfc.validate(after) == []
    for name in ("sine", "step"):
        for key in ("theory_outcome", "sharpness", "breakpoints"):
            xr.testing.assert_identical(after[name][key], before[name][key])
    # What the study computes itself by now is its own.
    own = study(diagnostics=["sharpness"]).run(tmp_path, jobs=1)["sine"]
    assert ("diagnosed" in own["sharpness"].attrs, "diagnosed" in own["breakpoints"].attrs) == (0, 1)


@pytest.mark.thorough
def test_added_diagnostics_that_do_not_hold_any_more_are_dropped_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study().run(tmp_path, jobs=1)
    diagnosed(tmp_path, "sharpness", "breakpoints")
    notes = Notes()
    targets = {"sine": gfc.targets.Sine(), "step": gfc.targets.Step(location=0.3)}
    tree = run_study(study(targets=targets), tmp_path, jobs=1, progress=notes).tree
    assert ("sharpness" in tree["sine"], "sharpness" in tree["step"]) == (True, False)
    (said,) = [text for text in notes.said if "diagnostics" in text]
    assert said.startswith("problem 'step': its trajectories are others than in the result of before")
    assert "the diagnostics 'breakpoints', 'sharpness' are dropped" in said.replace(
        "'sharpness', 'breakpoints'", "'breakpoints', 'sharpness'"
    )
    real = merging.diagnostic_key
    changed = lambda cls: "another" if cls.name == "sharpness" else real(cls)  # noqa: E731
    monkeypatch.setattr(merging, "diagnostic_key", changed)
    tree = run_study(study(targets=targets), tmp_path, jobs=1, progress=(notes := Notes())).tree
    assert ("sharpness" in tree["sine"], "breakpoints" in tree["sine"]) == (False, True)
    assert any("the diagnostic 'sharpness' is dropped, because the code" in text for text in notes.said)


@pytest.mark.thorough
def test_checks_of_other_trajectories_are_dropped_and_that_is_said(tmp_path: Path) -> None:
    study().run(tmp_path, jobs=1)
    verified(tmp_path)
    notes = Notes()
    targets = {"sine": gfc.targets.Sine(), "step": gfc.targets.Step(location=0.3)}
    tree = run_study(study(targets=targets), tmp_path, jobs=1, progress=notes).tree
    assert "theory_outcome" in tree["sine"]
    assert "theory_outcome" not in tree["step"]
    assert [text for text in notes.said if "checks of theorems" in text] == [
        "problem 'step': its trajectories are others than in the result of before, so the checks of theorems "
        "that were there are dropped; gfcompare verify makes them again"
    ]


def test_the_digest_tells_every_number_that_checks_depend_on(small_tree: xr.DataTree) -> None:
    from gfcompare.results.digest import digest

    data = small_tree["sine"].to_dataset()
    for name in ("weight_1", "bias_2", "flow_time", "risk", "gradient_norm", "target", "steps", "status"):
        changed = data.copy(deep=True)
        flat = changed[name].values.reshape(-1)
        where = int(np.flatnonzero(np.isfinite(flat))[-1])
        flat[where] = np.nextafter(flat[where], np.inf) if flat.dtype.kind == "f" else flat[where] + 1
        assert digest(changed) != digest(data), name
    assert digest(data.assign(wall_time=data["wall_time"] * 2)) == digest(data)
    assert digest(data.drop_vars("parameter_norm")) == digest(data)
    assert digest(data.assign_attrs(target='{"name": "other"}')) != digest(data)


@pytest.mark.thorough
def test_checks_are_not_added_to_other_trajectories(tmp_path: Path) -> None:
    """A run replaced the result while it was verified."""
    study().run(tmp_path, jobs=1)
    tree = gfc.open_study(tmp_path)
    found = theory.variables(theory.verify(tree, seeds=1), tree)
    study(seed=1).run(tmp_path, jobs=1)
    content = (tmp_path / "result.nc").read_bytes()
    with pytest.raises(store.ReplacedError, match="replaced while it was looked at"):
        store.add(tmp_path / "result.nc", found, "check", tree)
    assert (tmp_path / "result.nc").read_bytes() == content


@pytest.mark.thorough
def test_verify_says_that_the_result_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study().run(tmp_path, jobs=1)
    real = theory.verify

    def replaced(tree: xr.DataTree, **options: Any) -> Any:
        frame = real(tree, **options)
        study(seeds=1).run(tmp_path, jobs=1)
        return frame

    monkeypatch.setattr(theory, "verify", replaced)
    monkeypatch.setattr("warnings.showwarning", cli.show_warning)
    with pytest.raises(SystemExit) as caught:
        cli.main(["verify", str(tmp_path)])
    assert caught.value.code == 1
    said = capsys.readouterr().err
    assert "replaced while it was looked at" in said
    assert "Traceback" not in said
    assert "theory_outcome" not in gfc.open_study(tmp_path)["sine"]


@pytest.mark.thorough
def test_a_result_that_is_replaced_while_it_is_written_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is added between reading and replacing is seen, and everything is put together again."""
    study().run(tmp_path, jobs=1)
    real, times = merging._with_additions, []

    def meanwhile(*arguments: Any) -> xr.Dataset:
        if not times:
            times.append(1)
            verified(tmp_path)
        return real(*arguments)

    monkeypatch.setattr(merging, "_with_additions", meanwhile)
    assert "theory_outcome" in study(description="Put together again.").run(tmp_path, jobs=1)["step"]
    assert times


# ---------------------------------------------------------------------------------------------------
# Diagnostics
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_diagnostic_that_is_added_is_computed_from_the_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study().run(tmp_path / "two steps", jobs=1)
    notes = Notes()
    with monkeypatch.context() as patched:
        patched.setattr(compute_cell, "run_cell", no_trajectories)
        more = ["parameter_norm", "sharpness", "accumulated_squared_gradient", "distance_to_flow"]
        outcome = run_study(study(diagnostics=more), tmp_path / "two steps", jobs=1, progress=notes)
    assert (outcome.computed, outcome.reused) == (4, 0)
    assert "4 cells have their trajectories: of them only diagnostics are computed" in notes.said
    at_once = study(diagnostics=more).run(tmp_path / "at once", jobs=1)
    assert_same_numbers(outcome.tree, at_once)
    # The old choice is there still, and nothing is computed for it.
    again = run_study(study(), tmp_path / "two steps", jobs=1)
    assert (again.computed, again.reused) == (0, 4)
    assert "sharpness" not in again.tree["sine"]
    assert gfc.validate(again.tree) == []


@pytest.mark.thorough
def test_only_the_diagnostics_that_are_missing_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study(diagnostics=["sharpness"]).run(tmp_path, jobs=1)
    asked: list[list[str]] = []
    real = cell_files.along

    def along(*arguments: Any) -> Any:
        asked.append(list(arguments[-1]))
        return real(*arguments)

    monkeypatch.setattr(cell_files, "along", along)
    study(diagnostics=["sharpness", "breakpoints"]).run(tmp_path, jobs=1)
    assert asked == [["breakpoints"]] * 4


def test_a_diagnostic_that_ends_the_process_loses_no_trajectory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_along = cell_files.along

    def stop(*arguments: Any) -> Any:
        if arguments[-1]:
            raise KeyboardInterrupt
        return real_along(*arguments)

    costly = study(diagnostics=["sharpness"], targets={"sine": gfc.targets.Sine()})
    with monkeypatch.context() as patched:
        patched.setattr(cell_files, "along", stop)
        with pytest.raises(KeyboardInterrupt):
            costly.run(tmp_path, jobs=1)
    assert len(list((tmp_path / "cells").glob("*.cell"))) == 1
    calls = []
    real = compute_cell.run_cell
    monkeypatch.setattr(compute_cell, "run_cell", lambda *a: calls.append(a) or real(*a))
    assert gfc.validate(costly.run(tmp_path, jobs=1)) == []
    assert len(calls) == 1


# ---------------------------------------------------------------------------------------------------
# One folder, two studies
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_another_study_does_not_replace_a_result(tmp_path: Path) -> None:
    study().run(tmp_path, jobs=1)
    content = (tmp_path / "result.nc").read_bytes()
    other = study("other", seed=3)
    with pytest.raises(gfc.InputError, match="has the results of the study 's', which 'other' would replace"):
        other.run(tmp_path, jobs=1)
    assert (tmp_path / "result.nc").read_bytes() == content
    assert study("renamed").run(tmp_path, jobs=1).attrs["title"] == "renamed"


def test_another_study_does_not_take_over_a_run_that_was_stopped(tmp_path: Path) -> None:
    stopped(study(), tmp_path, 1)
    with pytest.raises(gfc.InputError, match="has the results of the study 's'"):
        study("other", seed=3).run(tmp_path, jobs=1)


def test_what_a_changed_study_has_no_more_is_said(tmp_path: Path) -> None:
    study().run(tmp_path, jobs=1)
    notes = Notes()
    run_study(study(targets={"sine": gfc.targets.Sine()}), tmp_path, jobs=1, progress=notes)
    assert (
        "not in this result, as it was in the one of before: problem 'step'; the cells of it are kept"
        in notes.said
    )


def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "result.nc"
    xr.Dataset({"y": ("x", [1.0])}).to_netcdf(file, engine="netcdf4")
    with pytest.raises(gfc.InputError, match="not a result of gfcompare"):
        study().run(tmp_path, jobs=1)
    file.write_text("my notes")
    with pytest.raises(gfc.InputError, match=r"not a netCDF-4 file .* Move it away"):
        study().run(tmp_path, jobs=1)
    assert file.read_text() == "my notes"


# ---------------------------------------------------------------------------------------------------
# A run that is not finished
# ---------------------------------------------------------------------------------------------------


def test_what_there_is_of_a_stopped_run_is_a_valid_result(tmp_path: Path) -> None:
    whole = study(seeds=20).run(tmp_path / "whole", jobs=1)
    assert not (tmp_path / "whole" / "unfinished.nc").exists()
    stopped(study(seeds=20), tmp_path / "part", 3)  # two blocks of one method, one of the other
    found = unfinished.open_unfinished(tmp_path / "part" / "unfinished.nc")
    assert (found.finished, found.total) == (3, 8)
    assert found.shown == ("problem 'sine': 16 seeds of standard-gf, gd", "problem 'step': nothing yet")
    assert gfc.validate(found.tree) == []
    part, data = found.tree["sine"].to_dataset(), whole["sine"].to_dataset()
    assert list(found.tree.children) == ["sine"]
    for name in ("risk", "weight_1", "status", "options", "target"):
        expected = data[name].isel(seed=slice(16)) if "seed" in data[name].dims else data[name]
        np.testing.assert_array_equal(part[name], expected)
    done = run_study(study(seeds=20), tmp_path / "part", jobs=1)
    assert (done.computed, done.reused) == (5, 3)
    assert not (tmp_path / "part" / "unfinished.nc").exists()


def test_comparisons_with_the_flow_are_there_of_a_stopped_run(tmp_path: Path) -> None:
    whole = study(seeds=20).run(tmp_path / "whole", jobs=1)["sine"].to_dataset()
    stopped(study(seeds=20), tmp_path / "part", 3)
    found = unfinished.open_unfinished(tmp_path / "part" / "unfinished.nc")
    tree, left_out = with_comparisons(found)
    assert left_out == ()
    assert gfc.validate(tree) == []
    for name in ("distance_to_flow", "function_distance_to_flow"):
        assert name not in found.tree["sine"]
        np.testing.assert_array_equal(tree["sine"][name], whole[name].isel(seed=slice(16)))
        assert (tree["sine"][name].sel(integrator="gd").isel(time=-1) > 0).any()  # a dead network stays


def test_a_flow_that_the_result_will_not_be_compared_to_stands_in_for_none(tmp_path: Path) -> None:
    flows = {f"rtol {rtol}": gfc.integrator("standard-gf", rtol=rtol) for rtol in (1e-4, 1e-8)}
    given = study(integrators={"gd": gfc.integrator("gd"), **flows})
    stopped(given, tmp_path, 2)  # gd and the less accurate flow
    tree, left_out = with_comparisons(unfinished.open_unfinished(tmp_path / "unfinished.nc"))
    assert "distance_to_flow" not in tree["sine"]
    names = "distance_to_flow, function_distance_to_flow"
    assert left_out == (f"problem 'sine': without {names}: rtol 1e-08 is not there yet",)
    whole = given.run(tmp_path, jobs=1)["sine"]
    assert (whole["distance_to_flow"].sel(integrator="rtol 1e-08") == 0.0).all()


def test_comparisons_that_nobody_wants_are_not_made(tmp_path: Path) -> None:
    given = study(integrators={name: gfc.integrator(name) for name in ("gd", "sgd")})
    stopped(given, tmp_path / "no flow", 1)
    chosen = study(diagnostics=["sharpness"])
    stopped(chosen, tmp_path / "not chosen", 2)
    for folder in ("no flow", "not chosen"):
        found = unfinished.open_unfinished(tmp_path / folder / "unfinished.nc")
        tree, left_out = with_comparisons(found)
        assert left_out == ()
        assert set(tree["sine"].data_vars) == set(found.tree["sine"].data_vars)


@pytest.mark.parametrize(
    ("blocks", "chosen", "seeds"),
    [
        ({"a": [0, 1], "b": [0]}, ["a", "b"], [0]),
        ({"a": [0, 1, 2], "b": [0]}, ["a"], [0, 1, 2]),
        ({"a": [], "b": [1]}, ["b"], [1]),
        ({"a": [], "b": []}, [], []),
        ({"a": [0, 1], "b": [1, 2], "c": [1, 2]}, ["b", "c"], [1, 2]),
    ],
)
def test_methods_are_shown_over_the_same_seeds(
    blocks: dict[str, list[int]], chosen: list[str], seeds: list[int]
) -> None:
    given = {method: {(number,): "key" for number in numbers} for method, numbers in blocks.items()}
    assert unfinished._largest(given) == (chosen, [(number,) for number in seeds])


STOPPED = """\
name = "s"
seeds = 2
[times]
end = 5.0
count = 3
[network]
widths = [1, 3, 1]
[targets.sine]
[targets.step]
[integrators.standard-gf]
[integrators.gd]
"""


@pytest.mark.thorough
def test_the_commands_on_a_stopped_run(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(STOPPED)
    folder = tmp_path / "results" / "s"
    stopped(gfc.Study.from_toml(file), folder, 2)
    lines = "not finished: 2 of 4 cells are there; shown is\n  problem 'sine': 2 seeds of standard-gf, gd\n"
    done = in_process("info", folder, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert lines in done.stdout
    assert "problem 'step': nothing yet" in done.stdout
    assert "2 of 4 cells are finished in results/s" in in_process("info", file, cwd=tmp_path).stdout
    done = in_process("plot", file, "--figure", "risk", "--format", "png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert lines in done.stdout
    assert (folder / "figures" / "risk.png").is_file()
    for command in ("verify", "table", "report"):
        refused(in_process(command, folder, cwd=tmp_path), "the run is not finished")


@pytest.mark.thorough
def test_a_result_and_a_later_run_that_was_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study().run(tmp_path, jobs=1)
    stopped(study(seed=1), tmp_path, 1)
    monkeypatch.setattr("warnings.showwarning", cli.show_warning)
    for path, said in (
        (tmp_path, f"a later run here is not finished; {tmp_path}/unfinished.nc shows what there is of it"),
        (tmp_path / "unfinished.nc", "not finished: 1 of 4 cells"),
    ):
        with pytest.raises(SystemExit) as caught:
            cli.main(["info", str(path)])
        assert caught.value.code in (0, None)
        assert said in capsys.readouterr().out.replace("\n", "")


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    given = study()
    unfinished.begin(given, tmp_path, given.cells())
    with pytest.raises(gfc.InputError, match="none of the 4 cells of the run is finished yet"):
        unfinished.open_unfinished(tmp_path / "unfinished.nc")
    with pytest.raises(gfc.InputError, match="the run is not finished"):
        gfc.open_study(tmp_path)


# ---------------------------------------------------------------------------------------------------
# Files in use
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_file_in_use_is_not_called_damaged(tmp_path: Path) -> None:
    study().run(tmp_path, jobs=1)
    path = tmp_path / "result.nc"
    code = (
        "import netCDF4, sys; data = netCDF4.Dataset(sys.argv[1], 'a'); print('open', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        for use in (lambda: study().run(tmp_path, jobs=1), lambda: gfc.open_study(tmp_path)):
            with pytest.raises(gfc.InputError, match="in use by another program") as caught:
                use()
            assert str(path) in str(caught.value)
            assert "elete" not in str(caught.value)
        other.communicate("")
    assert run_study(study(), tmp_path, jobs=1).reused == 4


# ---------------------------------------------------------------------------------------------------
# Later versions of the schema
# ---------------------------------------------------------------------------------------------------


def of_version(folder: Path, version: str) -> None:
    with netCDF4.Dataset(folder / "result.nc", "a") as data:
        data.setncattr("schema_version", version)


COMMANDS = ("info", "plot", "table", "report", "verify", "validate")


@pytest.mark.thorough
def test_a_later_major_version_is_refused_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study().run(tmp_path, jobs=1)
    of_version(tmp_path, "2.0")
    content = (tmp_path / "result.nc").read_bytes()
    monkeypatch.setattr("warnings.showwarning", cli.show_warning)
    for command in COMMANDS:
        with pytest.raises(SystemExit) as caught:
            cli.main([command, str(tmp_path)])
        assert caught.value.code == 2, command
        assert "version 2.0" in capsys.readouterr().err
    with pytest.raises(gfc.InputError, match=r"schema version 2\.0, which this gfcompare does not read"):
        study().run(tmp_path, jobs=1)
    assert (tmp_path / "result.nc").read_bytes() == content


@pytest.mark.thorough
def test_a_later_minor_version_is_read_with_a_word_and_not_written_to(tmp_path: Path) -> None:
    study().run(tmp_path, jobs=1)
    of_version(tmp_path, "1.99")
    content = (tmp_path / "result.nc").read_bytes()
    with pytest.warns(opening.SchemaWarning, match=r"1\.99, later than .*: what is new in it is not shown"):
        gfc.open_study(tmp_path)
    done = in_process("info", tmp_path)
    assert done.returncode == 0
    assert "schema version 1.99" in done.stderr
    refused(in_process("verify", tmp_path), "it is not written to")
    with pytest.raises(gfc.InputError, match="it is not written to"):
        study().run(tmp_path, jobs=1)
    assert (tmp_path / "result.nc").read_bytes() == content


@pytest.mark.sampled
@pytest.mark.parametrize("version", ["", "x", "1", "1.x", "9" * 30 + ".0", "0.9"])
def test_a_version_that_is_none(tmp_path: Path, small_tree: xr.DataTree, version: str) -> None:
    small_tree.attrs["schema_version"] = version
    small_tree.to_netcdf(tmp_path / "r.nc", engine="netcdf4")
    with pytest.raises(gfc.InputError, match="does not read"):
        gfc.open_study(tmp_path / "r.nc")
    assert any("schema version" in text for text in gfc.validate(opening.open_tree(tmp_path / "r.nc")))


def test_a_study_is_in_the_file_of_an_unfinished_run(tmp_path: Path) -> None:
    given = study()
    unfinished.begin(given, tmp_path, given.cells())
    about = opening.attributes(tmp_path / "unfinished.nc")
    assert json.loads(about["study"]) == given.spec()
