"""Options that a study varies: as numbers in the result, and the figure of the final risk against them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from support import examples

import gfcompare as gfc
from gfcompare.components.component import describe
from gfcompare.figures import NothingToDraw
from gfcompare.figures.risk_by_option import swept
from gfcompare.integrators.base import Integrator
from gfcompare.results.sweeps import coordinates
from gfcompare.results.sweeps import sweeps as sweeps_of
from gfcompare.study.grids import expanded


def described(**methods: object) -> dict[str, dict[str, object]]:
    return {name: describe(m) for name, m in expanded(methods, Integrator, "integrators").items()}


def gd(**options: object) -> Integrator:
    return gfc.integrator("gd", **options)


def test_a_grid_is_a_sweep_and_a_coordinate() -> None:
    methods = described(flow=gfc.integrator("standard-gf"), gd=[gd(step_size=s) for s in (0.5, 0.1, 0.2)])
    (sweep,) = sweeps_of(methods)
    assert (sweep.name, sweep.option) == ("gd", "step_size")
    assert sweep.methods == ("gd[step 0.1]", "gd[step 0.2]", "gd[step 0.5]")
    np.testing.assert_array_equal(sweep.values, [0.1, 0.2, 0.5])
    found = coordinates(methods)
    assert list(found) == ["option_step_size"]
    np.testing.assert_array_equal(found["option_step_size"], [np.nan, 0.5, 0.1, 0.2])


def test_two_options_and_what_is_no_number() -> None:
    grid = [gd(step_size=s, normalize=n) for s in (0.1, 0.2, gfc.PolynomialDecay(0.1)) for n in (False, True)]
    methods = described(gd=grid, one=gd(step_size=0.7), another=gd(step_size=0.9))
    found = {sweep.name: sweep for sweep in sweeps_of(methods)}
    assert set(found) == {"gd[normalize false]", "gd[normalize true]"}  # single methods are no grid
    assert all(len(sweep.methods) == 2 for sweep in found.values())
    values = coordinates(methods)["option_step_size"]
    np.testing.assert_array_equal(values, [0.1, 0.1, 0.2, 0.2, np.nan, np.nan, 0.7, 0.9])


@examples(50)
@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=6, unique=True))
def test_every_number_comes_back_to_the_bit(sizes: list[float]) -> None:
    methods = described(gd=[gd(step_size=s) for s in sizes])
    found = sweeps_of(methods)
    assert len(found) == (len(sizes) > 1)
    for sweep in found:
        assert sweep.values.tolist() == sorted(sizes)
        for name, value in zip(sweep.methods, sweep.values, strict=True):
            assert methods[name]["step_size"] == value


def test_the_result_has_the_coordinate(small_tree: xr.DataTree, small_study: gfc.Study) -> None:
    assert gfc.validate(small_tree) == []
    for node in small_tree.children.values():
        data = node.to_dataset()
        values = data["option_step_size"]
        assert values.dims == ("integrator",)
        assert {"long_name", "units"} <= set(values.attrs)
        assert "option_step_size" in data.coords
        for name, value in zip(data["integrator"].values, values.values, strict=True):
            option = getattr(small_study.integrators[str(name)], "step_size", np.nan)
            assert value == option or (np.isnan(value) and np.isnan(option))
        risk = data["risk"].isel(time=-1)
        one = risk.set_xindex("option_step_size").sel(option_step_size=5.0)
        assert str(one["integrator"].item()) == "gd[step 5]"


def test_a_study_without_a_grid_has_none(tmp_path: Path) -> None:
    study = gfc.Study(
        "plain",
        targets={"t": gfc.targets.Sine()},
        integrators={"gd": gd(step_size=0.1)},
        network=gfc.ReLUNetwork((1, 2, 1)),
        times=gfc.Times(end=1.0, count=3),
        seeds=2,
    )
    tree = study.run(tmp_path, jobs=1)
    assert not [name for name in tree["t"].variables if str(name).startswith("option_")]
    with pytest.raises(NothingToDraw, match="no problem has a grid of methods over a number"):
        gfc.figures.risk_by_option(tree)


def test_no_diagnostic_can_take_the_name_of_an_option() -> None:
    from gfcompare.diagnostics.base import check_quantity

    with pytest.raises(gfc.InputError, match="which the result file has for something else"):
        check_quantity(type("D", (gfc.diagnostics.Risk,), {"name": "option_step_size"}))


# ---------------------------------------------------------------------------------------------------
# The figure
# ---------------------------------------------------------------------------------------------------


def test_the_figure_shows_medians_of_all_seeds(small_tree: xr.DataTree) -> None:
    group = small_tree["sine"].to_dataset()
    figure = gfc.figures.risk_by_option(small_tree, problems=["sine"])
    (ax,) = figure.axes
    assert ax.get_xscale() == ax.get_yscale() == "log"
    (line,) = [found for found in ax.get_lines() if len(found.get_xdata()) == 1 and found.get_marker() == "o"]
    # At step size 5 every trajectory diverges: its median is infinite, and only the mark is there.
    small = group["risk"].sel(integrator="gd[step 0.05]").isel(time=-1).values
    np.testing.assert_allclose(line.get_xydata()[0], [0.05, np.median(small)], rtol=1e-12)
    marks = [found for found in ax.get_lines() if found.get_marker() == "x"]
    assert [mark.get_xdata().tolist() for mark in marks] == [[5.0]]
    assert "18/18" in [text.get_text() for text in ax.texts]
    levels = {line.get_ydata()[0] for line in ax.get_lines() if list(line.get_xdata()) == [0, 1]}
    flow = float(np.median(group["risk"].sel(integrator="standard-gf").isel(time=-1).values))
    assert any(np.isclose(level, flow, rtol=1e-12) for level in levels)
    assert figure.get_supxlabel() == "step size" or ax.get_xlabel() == "step size"


@pytest.mark.thorough
def test_the_figure_works_on_a_result_of_an_older_schema(small_tree: xr.DataTree) -> None:
    old = xr.DataTree.from_dict(
        {
            "/": small_tree.to_dataset(),
            **{n: c.to_dataset().drop_vars("option_step_size") for n, c in small_tree.children.items()},
        }
    )
    assert len(gfc.figures.risk_by_option(old).axes) == 2


def test_wrong_and_missing_options(small_tree: xr.DataTree) -> None:
    with pytest.raises(gfc.InputError, match=r"unknown varied option 'step_siz'. Did you mean 'step_size'\?"):
        gfc.figures.risk_by_option(small_tree, option="step_siz")
    with pytest.raises(NothingToDraw, match="no problem has a grid of methods over a number"):
        gfc.figures.risk_by_option(small_tree, methods=["standard-gf", "sgd"])
    assert swept(small_tree["sine"].to_dataset())[0].name == "gd"
