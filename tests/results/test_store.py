"""Result files: the schema, what `validate` catches, atomic writing, files that are something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from support import assert_same_numbers, in_process, refused

import gfcompare as gfc
from gfcompare.results import netcdf, schema, trees
from gfcompare.study import cell_files
from gfcompare.system import writing
from gfcompare.system.machine import machine

Damage = Callable[[xr.Dataset], xr.Dataset]


def rebuilt(tree: xr.DataTree, damage: Damage, *, group: str = "sine") -> xr.DataTree:
    """Return the tree with one of its groups changed; the root is the group "/"."""
    groups = {"/": tree.to_dataset()} | {name: node.to_dataset() for name, node in tree.children.items()}
    groups[group] = damage(groups[group].copy(deep=True))
    return xr.DataTree.from_dict(groups)


# ---------------------------------------------------------------------------------------------------
# What a result holds
# ---------------------------------------------------------------------------------------------------


def test_a_result_is_valid(small_tree: xr.DataTree) -> None:
    assert gfc.validate(small_tree) == []


def test_a_result_holds_exactly_the_schema(small_tree: xr.DataTree, small_study: gfc.Study) -> None:
    assert set(small_tree.attrs) == {*trees.ROOT_ATTRIBUTES, trees.CELLS_DIGEST}
    assert list(small_tree.children) == ["sine", "step"]
    meanings = schema.variables(small_study.problems[0].problem)
    for node in small_tree.children.values():
        data = node.to_dataset()
        assert set(data.attrs) == {*schema.GROUP_ATTRIBUTES, "machines"}
        assert set(data.variables) == {*meanings, "option_step_size", schema.MACHINE}
        assert (data[schema.MACHINE].dims, data[schema.MACHINE].dtype.kind) == (("integrator", "seed"), "i")
        machines = json.loads(data.attrs["machines"])
        assert data[schema.MACHINE].values.max() == len(machines) - 1 == 0
        assert machines == [machine()]
        for name, meaning in meanings.items():
            variable = data[name]
            assert variable.dims == meaning.dims, name
            assert (variable.attrs["long_name"], variable.attrs["units"]) == (
                meaning.long_name,
                meaning.units,
            )
        assert dict(data.sizes) == {
            "integrator": 6, "seed": 18, "time": 5, "neuron_1": 4, "input": 1, "output": 1, "x": 401,
        }  # fmt: skip
        assert data["integrator"].values.tolist() == list(small_study.integrators)
        assert data["seed"].values.tolist() == list(range(18))
        assert data["time"].values.tolist() == small_study.times.array().tolist()
        assert data["on_manifold"].values.tolist() == [0, 1, 0, 0, 1, 0]


def test_the_attributes_say_what_was_run(small_tree: xr.DataTree, small_study: gfc.Study) -> None:
    attributes = small_tree.attrs
    assert json.loads(attributes["study"]) == small_study.spec()
    assert attributes["title"] == "small"
    assert attributes["description"] == "For tests."
    assert attributes["gfcompare_version"] == gfc.__version__
    assert attributes["schema_version"] == schema.SCHEMA_VERSION
    used = {plugin["name"]: plugin for plugin in json.loads(attributes["plugins"])}
    assert used["gd"] == {"name": "gd", "distribution": "gfcompare", "version": gfc.__version__}
    assert json.loads(attributes["environment"])["numpy"] == np.__version__
    data = small_tree["sine"].to_dataset()
    assert json.loads(data.attrs["target"])["name"] == "sine"
    options = [json.loads(text) for text in data["options"].values]
    assert options[2] == {"name": "gd", "step_size": 0.05, "normalize": False}


def test_states_and_diagnostics_belong_together(small_tree: xr.DataTree, small_study: gfc.Study) -> None:
    data = small_tree["sine"].to_dataset()
    problem = small_study.problems[0].problem
    one = data.isel(integrator=0, seed=3, time=2)
    parts = [one["weight_1"], one["bias_1"], one["weight_2"], one["bias_2"]]
    theta = np.concatenate([part.values.ravel() for part in parts])
    assert float(one["risk"]) == float(problem.risk(theta))
    np.testing.assert_allclose(float(one["parameter_norm"]), np.linalg.norm(theta))
    np.testing.assert_array_equal(data["target"][:, 0], problem.target_pieces(data["x"].values)[:, 0])
    np.testing.assert_allclose(data["density"], 1.0)


def test_a_diverged_trajectory_is_kept_up_to_its_end(small_tree: xr.DataTree) -> None:
    data = small_tree["sine"].to_dataset().sel(integrator="gd[step 5]")
    lost = data["status"] == gfc.Status.DIVERGED
    assert lost.any()
    one = data.isel(seed=int(np.argmax(lost.values)))
    assert "left 1e+10 at step" in str(one["message"].values)
    assert float(one["end_time"]) > 0
    after = one["time"] > one["end_time"]
    assert after.any()
    assert np.isnan(one["risk"].where(after, drop=True)).all()
    assert (one["steps"].where(after, drop=True) == -1).all()
    assert np.isfinite(one["risk"].isel(time=0))


def test_written_and_read_again(small_tree: xr.DataTree, tmp_path: Path) -> None:
    small_tree.to_netcdf(tmp_path / "copy.nc", engine="netcdf4")
    again = gfc.open_study(tmp_path / "copy.nc")
    assert gfc.validate(again) == []
    assert again.attrs == small_tree.attrs
    assert_same_numbers(again, small_tree, but=())


def test_open_study_takes_the_folder_or_the_file(small_folder: Path) -> None:
    assert_same_numbers(gfc.open_study(small_folder), gfc.open_study(str(small_folder / "result.nc")), but=())


def test_a_stored_result_does_not_hold_the_file_open(small_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "result.nc"
    path.write_bytes((small_folder / "result.nc").read_bytes())
    tree = gfc.open_study(path)
    path.unlink()
    assert np.isfinite(tree["sine"]["risk"].isel(time=0)).all()


# ---------------------------------------------------------------------------------------------------
# What `validate` catches
# ---------------------------------------------------------------------------------------------------


def without(name: str) -> Damage:
    return lambda data: data.drop_vars(name)


def replaced(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    return lambda data: data.assign({name: (data[name].dims, change(data[name].values), data[name].attrs)})


def no_attribute(name: str | None, key: str) -> Damage:
    def damage(data: xr.Dataset) -> xr.Dataset:
        del (data if name is None else data[name]).attrs[key]
        return data

    return damage


def attribute(key: str, value: object) -> Damage:
    return lambda data: data.assign_attrs({key: value})


def reversed_time(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(time=data["time"].copy(data=data["time"].values[::-1]))


def filled(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), 1.0, values)


def hole(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[0, 0, 2] = np.nan
    return values


def last_state_only(values: np.ndarray) -> np.ndarray:
    """Leave every trajectory its first state and the last one, which diverged ones did not have."""
    values = values.copy()
    values[:, :, 1:-1] = np.nan
    values[:, :, -1] = filled(values[:, :, -1])
    return values


DAMAGES: dict[str, tuple[str, Damage, str]] = {
    **{
        f"no {name}": ("sine", without(name), f"problem 'sine': no variable {name!r}")
        for name in [*schema.VARIABLES, "risk", "gradient_norm", "weight_1", "bias_1", "weight_2", "bias_2"]
        if name not in ("integrator", "seed", "time", "x")
    },
    "in the other problem": ("step", without("risk"), "problem 'step': no variable 'risk'"),
    "no time": ("sine", lambda d: d.drop_vars("time"), "no variable 'time'"),
    "dimensions": (
        "sine",
        lambda d: d.assign(risk=d["risk"].transpose("seed", "integrator", "time")),
        "'risk' has dimensions ['seed', 'integrator', 'time'], expected ['integrator', 'seed', 'time']",
    ),
    "missing dimension": ("sine", lambda d: d.assign(risk=d["risk"].isel(time=0)), "'risk' has dimensions"),
    "text for numbers": ("sine", replaced("steps", lambda v: v.astype(str)), "'steps' has type <U"),
    "single precision": (
        "sine",
        replaced("risk", lambda v: v.astype("f4")),
        "'risk' has type float32, expected float64",
    ),
    "float status": (
        "sine",
        replaced("status", lambda v: v.astype(float)),
        "'status' has type float64, expected integer",
    ),
    "number for text": (
        "sine",
        replaced("options", lambda v: np.arange(len(v))),
        "'options' has type int64, expected text",
    ),
    "no units": ("sine", no_attribute("risk", "units"), "'risk' has no attribute 'units'"),
    "no long_name": (
        "sine",
        no_attribute("weight_1", "long_name"),
        "'weight_1' has no attribute 'long_name'",
    ),
    **{
        f"no attribute {key}": ("sine", no_attribute(None, key), f"problem 'sine': no attribute {key!r}")
        for key in schema.GROUP_ATTRIBUTES
    },
    **{
        f"no root attribute {key}": ("/", no_attribute(None, key), f"the root has no attribute {key!r}")
        for key in trees.ROOT_ATTRIBUTES
    },
    "widths": ("sine", attribute("widths", "1-4-1"), "the attribute 'widths' is wrong"),
    "one width": ("sine", attribute("widths", 4), "the attribute 'widths' is wrong"),
    "other widths": (
        "sine",
        attribute("widths", [1, 5, 1]),
        "the dimension 'neuron_1' is 4, the attribute 'widths' says 5",
    ),
    "deeper": ("sine", attribute("widths", [1, 4, 4, 1]), "no variable 'weight_3'"),
    "schema version": (
        "/",
        attribute("schema_version", "99.0"),
        "schema version 99.0 is not one this gfcompare reads",
    ),
    "study": ("/", attribute("study", "{"), "the root attribute 'study' is not JSON"),
    "plugins": ("/", attribute("plugins", 3), "the root attribute 'plugins' is not JSON"),
    "time decreases": ("sine", reversed_time, "'time' does not increase"),
    "unknown status": (
        "sine",
        replaced("status", lambda v: v + 20),
        "'status' has values outside its flag_values",
    ),
    "state after the end": (
        "sine",
        replaced("weight_1", last_state_only),
        "a trajectory has states after it ended",
    ),
    "state after the end time": (
        "sine",
        lambda d: d.assign(
            {
                name: (d[name].dims, filled(d[name].values), d[name].attrs)
                for name in ("weight_1", "flow_time")
            }
            | {"end_time": (d["end_time"].dims, d["end_time"].values * 0, d["end_time"].attrs)}
        ),
        "a trajectory has states after its 'end_time'",
    ),
    "complete with a hole": (
        "sine",
        replaced("weight_1", hole),
        "a trajectory that is complete by its status has missing states",
    ),
    "no clock": (
        "sine",
        replaced("flow_time", lambda v: v * np.nan),
        "'flow_time' is missing where there is a state",
    ),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_found(small_tree: xr.DataTree, case: str) -> None:
    group, damage, message = DAMAGES[case]
    found = gfc.validate(rebuilt(small_tree, damage, group=group))
    assert any(message in problem for problem in found), found


def test_several_problems_are_all_listed(small_tree: xr.DataTree) -> None:
    damaged = rebuilt(rebuilt(small_tree, without("risk")), without("steps"), group="step")
    assert len(gfc.validate(damaged)) == 2


def test_a_result_without_problems(small_tree: xr.DataTree) -> None:
    root = xr.DataTree.from_dict({"/": small_tree.to_dataset()})
    assert gfc.validate(root) == ["there is no problem group"]


# ---------------------------------------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------------------------------------


def make_text(path: Path, good: Path) -> None:
    path.write_text("not a netCDF file")


def make_empty(path: Path, good: Path) -> None:
    path.write_bytes(b"")


def make_truncated(path: Path, good: Path) -> None:
    whole = good.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def make_old_netcdf(path: Path, good: Path) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as data:
        data.createDimension("x", 2)
        data.createVariable("y", "f8", ("x",))[:] = [1.0, 2.0]


def make_other_netcdf(path: Path, good: Path) -> None:
    xr.Dataset({"y": ("x", [1.0, 2.0])}).to_netcdf(path, engine="netcdf4")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_text, "not a netCDF-4 file"),
        (make_empty, "not a netCDF-4 file"),
        (make_truncated, "not a netCDF-4 file"),
        (make_old_netcdf, "not a result of gfcompare (no schema_version)"),
        (make_other_netcdf, "not a result of gfcompare (no schema_version)"),
    ],
)
def test_files_that_are_something_else(
    tmp_path: Path, small_folder: Path, make: Callable[[Path, Path], None], message: str
) -> None:
    path = tmp_path / "other.nc"
    make(path, small_folder / "result.nc")
    with pytest.raises(gfc.InputError) as caught:
        gfc.open_study(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_paths_where_nothing_is(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.nc", tmp_path / "none"):
        with pytest.raises(gfc.InputError, match=r"no result at .*expected a folder with result.nc"):
            gfc.open_study(path)


def test_the_command_lists_the_damage(small_tree: xr.DataTree, tmp_path: Path) -> None:
    path = tmp_path / "damaged.nc"
    rebuilt(rebuilt(small_tree, without("risk")), without("steps"), group="step").to_netcdf(path)
    message = refused(in_process("validate", path), f"{path}: not valid:")
    assert "- problem 'sine': no variable 'risk'" in message
    assert "- problem 'step': no variable 'steps'" in message


def test_groups_of_an_open_file_keep_no_chunks_in_memory(tmp_path: Path) -> None:
    before = netCDF4.get_chunk_cache()
    data = xr.Dataset({"y": (("a", "b"), np.arange(6.0).reshape(2, 3))})
    data["y"].encoding = {"zlib": True, "chunksizes": (1, 3)}
    file = tmp_path / "groups.nc"
    with netcdf.new_file(file, xr.Dataset(attrs={"title": "two groups"})) as whole:
        for name in ("one", "two"):
            group = whole.createGroup(name)
            netcdf.write(data, group)
            assert group["y"].get_var_chunk_cache()[0] < 1 << 20 < before[0]
            assert netcdf.written(group).identical(data)
    assert netCDF4.get_chunk_cache() == before
    with xr.open_datatree(file, engine="netcdf4") as tree:
        assert tree.attrs == {"title": "two groups"}
        assert all(tree[name].to_dataset().identical(data) for name in ("one", "two"))


def test_many_texts_are_packed_and_are_not_read_before_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netcdf, "_LARGE", 0)
    texts = np.array([f"seed {k}: largest at t = {k / 7:.4g} \N{PLUS-MINUS SIGN} 1" for k in range(12_000)])
    texts[5] = ""
    given = xr.Dataset({"many": ("seed", texts.astype(object)), "few": ("check", texts[:9].astype(object))})
    file = tmp_path / "texts.nc"
    for _ in range(2):  # what is read is written as it was
        with netcdf.new_file(file, xr.Dataset()) as whole:
            netcdf.write(given, whole.createGroup("sine"))
        with netCDF4.Dataset(file) as raw:
            assert raw["sine"]["many"].dtype == "S1"
            assert raw["sine"]["few"].dtype is str
        assert file.stat().st_size < texts.size * 20
        with netcdf.open_tree(file) as tree:
            opened = tree["sine"].to_dataset()
            assert not opened["many"].variable._in_memory
            assert opened["many"].values.tolist() == texts.tolist()
            assert opened["few"].values.tolist() == texts[:9].tolist()
            given = opened.load()


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.txt"
    writing.write_whole(path, lambda p: p.write_text("first") and None)

    def interrupted(temporary: Path) -> None:
        temporary.write_text("second, but not to the e")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writing.write_whole(path, interrupted)
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_run_left_is_swept_up_when_it_is_old(tmp_path: Path) -> None:
    import os

    cell_files.prepare_folder(tmp_path)
    old, new = (tmp_path / "cells" / f".{name}.part" for name in ("old", "new"))
    old.write_text("half a cell")
    new.write_text("half a cell of a run that may be running")
    os.utime(old, (0, 0))
    cell_files.prepare_folder(tmp_path)
    assert [old.exists(), new.exists()] == [False, True]
