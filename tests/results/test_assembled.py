"""Datasets assembled without the constructor of xarray are those that it makes, and share nothing mutable."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
import xarray as xr

import gfcompare as gfc
from gfcompare.kernels import line
from gfcompare.results.assembled import Coordinate, assembled, publicly_assembled

NETWORK = gfc.ReLUNetwork((1, 3, 1))
PROBLEM = gfc.Problem(NETWORK, gfc.targets.Sine(), gfc.measures.Uniform())
THETA = np.random.default_rng(2).normal(size=NETWORK.parameter_count)
TIMES = [0.0, 1.0, 10.0]


def same(data: xr.Dataset, other: xr.Dataset) -> bool:
    return (
        data.identical(other)
        and dict(data.sizes) == dict(other.sizes)
        and list(data.indexes) == list(other.indexes)
    )


def test_it_is_what_the_public_constructor_makes() -> None:
    time = Coordinate.along("time", np.array([0.0, 0.5]), {"units": "s"})
    parts = {
        "risk": (("seed", "time"), np.array([[1.0, 2.0]]), {"units": "1"}),
        "time": time,
        "method": ((), np.array("gd"), {}),
        "options": ((), np.array("{}", dtype=object), {"units": "1"}),
    }
    data = assembled(parts, frozenset({"method"}), {"title": "a"})
    public = xr.Dataset(
        {
            "risk": (("seed", "time"), [[1.0, 2.0]], {"units": "1"}),
            "options": ((), np.array("{}", dtype=object), {"units": "1"}),
        },
        coords={"time": ("time", [0.0, 0.5], {"units": "s"}), "method": "gd"},
        attrs={"title": "a"},
    )
    assert same(data, public)
    assert data["risk"].sel(time=0.5).item() == 2.0


@pytest.mark.parametrize("method", ["standard-gf", "gd"])
def test_trajectories_are_what_the_public_constructor_makes(method: str) -> None:
    data = gfc.integrate(PROBLEM, gfc.integrator(method), THETA, TIMES)
    names = {str(name) for name in data.coords}
    public = publicly_assembled(data.variables, names, dict(data.xindexes), data.attrs)
    assert same(data, public)
    assert list(data.sizes) == ["seed", "time", "neuron_1", "input", "output", "x"]


def test_without_the_shortcut_the_dataset_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gfc.integrate(PROBLEM, gfc.integrator("gd"), THETA, TIMES)
    monkeypatch.setattr("gfcompare.results.assembled._DIRECT", None)
    other = gfc.integrate(PROBLEM, gfc.integrator("gd"), THETA, TIMES)
    other["wall_time"] = data["wall_time"]
    other.attrs["created"] = data.attrs["created"]
    assert same(data, other)


def test_what_is_changed_in_one_dataset_stays_in_it(tmp_path: Path) -> None:
    method = gfc.integrator("standard-gf")
    data = gfc.integrate(PROBLEM, method, THETA, TIMES)
    again = gfc.integrate(PROBLEM, method, THETA, TIMES)
    for name, variable in data.variables.items():
        variable.attrs["units"] = "changed"
        if name not in data.indexes and variable.dtype.kind == "f":
            variable.values[...] = -1.0
    data.attrs["widths"][...] = 7
    data.attrs["target"] = ""
    later = gfc.integrate(PROBLEM, method, THETA, TIMES)
    again["wall_time"] = later["wall_time"]
    again.attrs["created"] = later.attrs["created"]
    assert later.identical(again)
    assert not gfc.validate(later)
    later.to_netcdf(tmp_path / "later.nc", engine="netcdf4")


def test_other_times_and_numbers_of_trajectories_are_theirs() -> None:
    method = gfc.integrator("gd")
    for count, times in ((1, [0.0, 1.0]), (3, [0.0, 1.0]), (1, [0.5]), (3, [0.0, 2.0])):
        data = gfc.integrate(PROBLEM, method, [THETA] * count, times)
        assert data["time"].values.tolist() == times
        assert data["seed"].values.tolist() == list(range(count))
        assert not gfc.validate(data)


#: What stands for the kernel of the gradient among the functions that are called.
KERNEL = "gradients"


def _calls(method: str) -> list[str]:
    """Return the functions of gfcompare that `integrate` calls when everything has been loaded, in order."""
    problem = gfc.Problem(gfc.ReLUNetwork((1, 16, 1)), gfc.targets.Sine(), gfc.measures.Uniform())
    theta = gfc.initializations.He().draw(problem.network, np.random.default_rng(0))
    chosen = gfc.integrator(method)
    for _ in range(2):
        gfc.integrate(problem, chosen, theta, TIMES)
    found = []
    folder = str(Path(gfc.__file__).parent)

    def profile(frame: FrameType, event: str, argument: object) -> None:
        name = frame.f_code.co_filename.removeprefix(folder)
        # Of compiled functions Python tells in some versions and in others not.
        if event == "call" and name != frame.f_code.co_filename and not name.startswith("/kernels/"):
            found.append(f"{name} {frame.f_code.co_name}")

    def noted(*given: object) -> None:
        found.append(KERNEL)
        kernel(*given)

    kernel = line.gradients
    before = sys.getprofile()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line, "gradients", noted)
        sys.setprofile(profile)
        try:
            gfc.integrate(problem, chosen, theta, TIMES)
        finally:
            sys.setprofile(before)
    return found


@pytest.mark.parametrize("method", ["standard-gf", "gd"])
def test_a_short_trajectory_takes_few_calls(method: str) -> None:
    """Of functions of gfcompare; parameters and times are checked once."""
    found = _calls(method)
    assert len(found) <= 250
    assert sum("check_times" in name for name in found) == 1
    if method == "standard-gf":
        assert found.index(KERNEL) < 20
