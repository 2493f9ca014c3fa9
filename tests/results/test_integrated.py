"""`gfcompare.integrate` returns trajectories that can be validated, drawn, verified, saved and opened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import gfcompare as gfc
from gfcompare import figures
from gfcompare.results.integrated import labelled
from gfcompare.results.trees import as_tree

SHALLOW = gfc.ReLUNetwork((1, 3, 1))
PROBLEMS = {
    "line": gfc.Problem(SHALLOW, gfc.targets.Sine(), gfc.measures.Uniform()),
    "deep": gfc.Problem(gfc.ReLUNetwork((1, 2, 2, 1)), gfc.targets.Step(), gfc.measures.Uniform()),
    "function": gfc.Problem(SHALLOW, gfc.targets.Function(np.exp), gfc.measures.Uniform()),
    "square": gfc.Problem(
        gfc.ReLUNetwork((2, 3, 1)),
        gfc.targets.RadialBump([0.3, 0.4]),
        gfc.measures.Box(),
        gfc.Quadrature(nodes=8),
    ),
    "one normal input": gfc.Problem(SHALLOW, gfc.targets.Affine(), gfc.measures.Gaussian(dimension=1)),
    "points": gfc.Problem(
        gfc.ReLUNetwork((2, 3, 1)),
        gfc.targets.Affine([[1.0, -1.0]]),
        gfc.measures.Points(np.random.default_rng(1).normal(size=(7, 2))),
    ),
}
# Kinds of data for which the flows' kernels are compiled anew.
COMPILED_FOR_THEM = ("deep", "square", "one normal input")


def trajectories(
    problem: gfc.Problem, method: str = "standard-gf", rows: int = 3, **options: Any
) -> xr.Dataset:
    theta = np.random.default_rng(5).normal(size=(rows, problem.network.parameter_count))
    return gfc.integrate(problem, gfc.integrator(method, **options), theta, [0.0, 0.1, 1.0])


@pytest.mark.parametrize("method", ["standard-gf", "normalized-gf", "gd"])
@pytest.mark.parametrize(
    "name",
    # Of flows of each other kind of data the kernels alone take a quarter of a minute to be compiled.
    [pytest.param(n, marks=pytest.mark.thorough if n in COMPILED_FOR_THEM else ()) for n in PROBLEMS],
)
def test_it_is_valid_and_drawn(name: str, method: str) -> None:
    data = trajectories(PROBLEMS[name], method)
    assert data["risk"].dims == ("seed", "time")
    assert gfc.validate(data) == []
    assert isinstance(figures.risk(data), Figure)


def test_it_says_where_it_comes_from() -> None:
    data = trajectories(PROBLEMS["line"], "gd", step_size=0.05)
    assert data.attrs["gfcompare_version"] == gfc.__version__
    assert data.attrs["problem"] == "sine"
    assert data["integrator"].item() == "gd"
    assert json.loads(data["options"].item())["step_size"] == 0.05
    study = json.loads(data.attrs["study"])
    assert study["times"] == {"values": [0.0, 0.1, 1.0]}
    assert study["problems"]["sine"]["network"] == {"widths": [1, 3, 1]}
    assert "gfcompare_gd" in data.attrs["plugins"] or '"gd"' in data.attrs["plugins"]
    assert set(json.loads(data.attrs["environment"])) >= {"python", "numpy", "machine", "system"}


def test_it_is_what_a_study_stores(tmp_path: Path) -> None:
    """From the same initial networks the same numbers, in a tree of the same variables."""
    study = gfc.Study(
        "s",
        targets={"sine": gfc.targets.Sine()},
        integrators={"standard-gf": gfc.integrator("standard-gf")},
        network=SHALLOW,
        times=gfc.Times(values=[0.1, 1.0]),
        seeds=2,
    )
    stored = study.run(tmp_path, jobs=1, progress=False)["sine"].to_dataset()
    (spec,) = study.problems
    theta = np.stack([spec.initial(0, seed) for seed in range(2)])
    data = gfc.integrate(spec.problem, study.integrators["standard-gf"], theta, study.times.array())
    tree = as_tree(data)
    assert list(tree.children) == ["sine"]
    own = tree["sine"].to_dataset()
    assert {*own.variables, "machine"} == set(stored.variables)
    for name in own.variables:
        assert own[name].dims == stored[name].dims
        if name not in ("wall_time", "message"):
            np.testing.assert_array_equal(own[name].values, stored[name].values)


@pytest.mark.parametrize("name", ["fit", "breakpoints", "gradient_norm", "final_risk", "balancedness_drift"])
def test_other_figures(name: str) -> None:
    data = trajectories(PROBLEMS["line"])
    assert isinstance(getattr(figures, name)(data), Figure)


@pytest.mark.thorough
def test_the_theorems_are_checked() -> None:
    frame = gfc.theory.verify(trajectories(PROBLEMS["line"], rtol=1e-8))
    assert set(frame["problem"]) == {"sine"}
    assert (frame["outcome"] != "fail").all()
    passed = set(frame.loc[frame["outcome"] == "pass", "check"])
    assert {"flow", "energy", "balancedness", "stored-risk"} <= passed
    wrong = trajectories(PROBLEMS["line"], rtol=1e-8)
    wrong["weight_1"] = wrong["weight_1"] * xr.where(wrong["time"] > 0, 1.01, 1.0)
    assert "fail" in set(gfc.theory.verify(wrong)["outcome"])


def test_it_can_be_saved_and_opened(tmp_path: Path) -> None:
    data = trajectories(PROBLEMS["square"])
    data.to_netcdf(tmp_path / "flow.nc", engine="netcdf4")
    tree = gfc.open_study(tmp_path / "flow.nc")
    assert gfc.validate(tree) == []
    np.testing.assert_array_equal(tree["radial-bump"]["risk"].isel(integrator=0), data["risk"])
    with xr.open_dataset(tmp_path / "flow.nc") as again:
        assert gfc.validate(again.load()) == []


def test_selections_of_seeds_are_results_and_others_are_refused() -> None:
    data = trajectories(PROBLEMS["line"])
    assert gfc.validate(data.isel(seed=[1])) == []
    assert gfc.validate(data.isel(time=slice(0, 2))) == []
    for wrong in (data.isel(seed=0), data.drop_attrs(), data.drop_vars("integrator")):
        with pytest.raises(gfc.InputError, match="this dataset is not what"):
            figures.risk(wrong)
    with pytest.raises(gfc.InputError, match=r"a result must be a xarray\.DataTree, got 3"):
        gfc.validate(3)  # type: ignore[arg-type]


def test_a_component_without_a_usable_name_has_one() -> None:
    assert labelled.__doc__
    problem = PROBLEMS["line"]

    @dataclass(frozen=True)
    class Slashed(type(problem.target)):  # type: ignore[misc]
        name = "a/b"

    data = trajectories(gfc.Problem(SHALLOW, Slashed(), gfc.measures.Uniform()))
    assert data.attrs["problem"] == "problem"
    assert gfc.validate(data) == []
