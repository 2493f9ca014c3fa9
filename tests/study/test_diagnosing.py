"""Diagnostics of a result that is there are those that the study would have computed, to the bit."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr
from support import assert_same_bits, in_process, refused

import gfcompare as gfc
from gfcompare.hooks.chosen_diagnostics import diagnostics_of
from gfcompare.hooks.registry import registry

NAMES = ["sharpness", "breakpoints", "accumulated_squared_gradient", "distance_to_flow"]


def made(folder: Path, diagnostics: list[str] | None, **more: object) -> xr.DataTree:
    study = gfc.Study(
        "made",
        targets={"sine": gfc.targets.Sine(), "ramp": gfc.targets.Polynomial([0.5, 1.0])},
        integrators={
            "standard-gf": gfc.integrator("standard-gf", rtol=1e-7),
            "normalized-gf": gfc.integrator("normalized-gf"),
            "wild": gfc.integrator("gd", step_size=20.0),
        },
        network=gfc.ReLUNetwork((1, 3, 1)),
        times=gfc.Times(end=10.0, count=4),
        seeds=3,
        diagnostics=diagnostics,
        **more,
    )
    return study.run(folder, jobs=1)


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a result with the risk and the gradient norm alone."""
    folder = tmp_path_factory.mktemp("little")
    made(folder, [])
    return folder


@pytest.mark.thorough
def test_they_are_those_of_a_study_that_asks_for_them(little: Path, tmp_path: Path) -> None:
    asked = made(tmp_path, NAMES)
    added = gfc.diagnose(gfc.open_study(little), NAMES)
    assert gfc.validate(added) == []
    for problem in asked.children:
        want, got = asked[problem].to_dataset(), added[problem].to_dataset()
        assert set(got.variables) == set(want.variables)
        for name in NAMES:
            assert got[name].dims == want[name].dims
            assert {k: v for k, v in got[name].attrs.items() if k != "diagnosed"} == want[name].attrs
            assert_same_bits(got[name].values, want[name].values, f"{problem}/{name}")
    assert np.isfinite(added["sine"]["sharpness"].sel(integrator="standard-gf")).all()


@pytest.mark.sampled("active_neurons")
@pytest.mark.parametrize("name", registry().names("diagnostics"))
def test_every_diagnostic_can_be_added_where_it_is_defined(little: Path, name: str) -> None:
    cls = registry().get("diagnostics", name)
    problem = gfc.Problem(gfc.ReLUNetwork((1, 3, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    tree = gfc.open_study(little)
    if cls not in diagnostics_of(problem, [name]):
        with pytest.raises(gfc.InputError, match=f"{name}: it is not defined for any problem"):
            gfc.diagnose(tree, [name])
        return
    values = gfc.diagnose(tree, [name])["sine"][name]
    assert values.dims == ("integrator", "seed", "time", *cls.dims)
    assert np.isfinite(values.sel(integrator="standard-gf")).any()


@pytest.mark.thorough
def test_the_command_adds_to_the_file_and_keeps_the_rest(little: Path, tmp_path: Path) -> None:
    shutil.copytree(little, tmp_path / "out")
    before = gfc.open_study(tmp_path / "out")
    done = in_process("diagnose", tmp_path / "out", "sharpness", "distance_to_flow")
    assert (done.returncode, done.stderr) == (0, "")
    assert "sine: sharpness (integrator 3, seed 3, time 5): largest eigenvalue of the Hessian" in done.stdout
    after = gfc.open_study(tmp_path / "out")
    assert gfc.validate(after) == []
    for name in before.children:
        old, new = before[name].to_dataset(), after[name].to_dataset()
        assert set(new.variables) == {*old.variables, "sharpness", "distance_to_flow"}
        for variable in old.variables:
            assert_same_bits(old[variable].values, new[variable].values, str(variable))
    assert after.attrs == before.attrs
    assert in_process("diagnose", tmp_path / "out" / "result.nc", "sharpness").returncode == 0  # once more


@pytest.mark.thorough
def test_what_cannot_be_added_is_one_message(little: Path, tmp_path: Path) -> None:
    file = little / "result.nc"
    size = file.stat().st_size, file.stat().st_mtime_ns
    refused(
        in_process("diagnose", little, "sharpnes"), "unknown diagnostic 'sharpnes'. Did you mean 'sharpness'?"
    )
    refused(in_process("diagnose", little, "test_risk"), "test_risk: it is not defined for any problem")
    refused(in_process("diagnose", little), "Missing argument 'NAME...'")
    refused(in_process("diagnose", tmp_path, "sharpness"), "no result at")
    assert (file.stat().st_size, file.stat().st_mtime_ns) == size


def test_without_the_flow_there_is_no_distance_from_it(tmp_path: Path) -> None:
    study = gfc.Study(
        "alone",
        targets={"t": gfc.targets.Sine()},
        integrators={"gd": gfc.integrator("gd")},
        network=gfc.ReLUNetwork((1, 2, 1)),
        times=gfc.Times(end=1.0, count=3),
        seeds=2,
    )
    tree = study.run(tmp_path, jobs=1)
    with pytest.raises(gfc.InputError, match="distance_to_flow: it compares methods with the standard"):
        gfc.diagnose(tree, ["distance_to_flow"])
    with pytest.raises(gfc.InputError, match="name at least one"):
        gfc.diagnose(tree, [])


def test_a_python_function_needs_the_study(tmp_path: Path) -> None:
    study = gfc.Study(
        "python",
        targets={"t": gfc.targets.Function(lambda x: np.cos(3.0 * x))},
        integrators={"gd": gfc.integrator("gd")},
        network=gfc.ReLUNetwork((1, 2, 1)),
        times=gfc.Times(end=1.0, count=3),
        seeds=2,
        diagnostics=[],
    )
    tree = study.run(tmp_path, jobs=1)
    with pytest.raises(
        gfc.InputError, match=r"problem 't' cannot be rebuilt .*diagnose\(tree, names, study=study"
    ):
        gfc.diagnose(tree, ["sharpness"])
    assert np.isfinite(gfc.diagnose(tree, ["sharpness"], study=study)["t"]["sharpness"]).all()


RAISING = """
from dataclasses import dataclass
from typing import ClassVar
import gfcompare as gfc

@dataclass(frozen=True)
class Raising(gfc.Diagnostic):
    '''Raises an error.'''
    name: ClassVar[str] = "raising"
    long_name: ClassVar[str] = "nothing"
    units: ClassVar[str] = "1"

    def compute(self, problem, theta):
        raise ArithmeticError("no such luck")

@gfc.hookimpl
def gfcompare_diagnostics():
    return [Raising]
"""


def test_a_diagnostic_that_raises_is_told_and_the_exit_code_is_1(little: Path, tmp_path: Path) -> None:
    shutil.copytree(little, tmp_path / "out")
    plugin = tmp_path / "raising.py"
    plugin.write_text(RAISING)
    done = in_process("diagnose", tmp_path / "out", "raising", "sharpness", "--plugin", plugin)
    assert done.returncode == 1
    assert "diagnostic 'raising' of 'raising.py' of" in done.stderr
    assert "ArithmeticError: no such luck" in done.stderr
    tree = gfc.open_study(tmp_path / "out")
    assert np.isnan(tree["sine"]["raising"]).all()
    assert np.isfinite(tree["sine"]["sharpness"].sel(integrator="standard-gf")).all()


@pytest.mark.thorough
def test_a_method_whose_plugin_is_missing_is_no_obstacle(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Mine(gfc.StepMethod):
        """A method of nobody else."""

        name: ClassVar[str] = "mine"
        step_size: float = 0.1

        def step(self, problem, theta, solver_state, step_size):  # type: ignore[no-untyped-def]
            return theta - step_size * problem.gradient(theta), solver_state

    study = gfc.Study(
        "mine",
        targets={"t": gfc.targets.Sine()},
        integrators={"mine": Mine()},
        network=gfc.ReLUNetwork((1, 2, 1)),
        times=gfc.Times(end=1.0, count=3),
        seeds=2,
    )
    tree = study.run(tmp_path, jobs=1)
    assert np.isfinite(gfc.diagnose(tree, "sharpness")["t"]["sharpness"]).all()
