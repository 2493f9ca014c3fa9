"""Results that are not what the schema says: every command gives one message and exit code 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import forging
import numpy as np
import pytest
import xarray as xr

import gfcompare as gfc
from gfcompare.results import opening, validation


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> xr.DataTree:
    """A result with checks of theorems; not to be changed."""
    folder = tmp_path_factory.mktemp("forged")
    forging.result(folder)
    code, said = forging.call("verify", str(folder), "--seeds", "1")
    assert code == 0, said
    return gfc.open_study(folder)


def groups_of(tree: xr.DataTree) -> forging.Groups:
    groups = {"/": tree.to_dataset().copy(deep=True)}
    return groups | {str(name): node.to_dataset().copy(deep=True) for name, node in tree.children.items()}


def attribute(group: str, key: str, value: Any) -> Callable[[forging.Groups], None]:
    def damage(groups: forging.Groups) -> None:
        groups[group].attrs[key] = value

    return damage


def without_attribute(group: str, key: str) -> Callable[[forging.Groups], None]:
    return lambda groups: groups[group].attrs.pop(key)


def variable(name: str, change: Callable[[xr.DataArray], Any]) -> Callable[[forging.Groups], None]:
    def damage(groups: forging.Groups) -> None:
        groups["sine"] = groups["sine"].assign({name: change(groups["sine"][name])})

    return damage


def without(name: str) -> Callable[[forging.Groups], None]:
    def damage(groups: forging.Groups) -> None:
        groups["sine"] = groups["sine"].drop_vars(name)

    return damage


def set_to(value: Any) -> Callable[[xr.DataArray], Any]:
    return lambda data: (data.dims, np.full(data.shape, value, dtype=data.dtype), data.attrs)


DAMAGES: dict[str, tuple[Callable[[forging.Groups], Any], str]] = {
    "no title": (without_attribute("/", "title"), "the root has no attribute 'title'"),
    "title is a number": (attribute("/", "title", 3), "the root attribute 'title' is not text"),
    "study is no JSON": (attribute("/", "study", "{"), "the root attribute 'study' is not JSON"),
    "study is a list": (attribute("/", "study", "[]"), "must be a table with the study"),
    "study is deep": (attribute("/", "study", "[" * 5000), "the root attribute 'study'"),
    "methods are no tables": (attribute("/", "study", '{"integrators": {"gd": 3}}'), "must be a table"),
    "plugins": (attribute("/", "plugins", "[3]"), "must be a list of tables"),
    "environment": (attribute("/", "environment", '{"python": 3}'), "must be a table of texts"),
    "no target": (without_attribute("sine", "target"), "problem 'sine': no attribute 'target'"),
    "target": (attribute("sine", "target", "{"), "the attribute 'target' is not JSON"),
    "measure": (attribute("sine", "measure", "3"), "'measure' must be a table with a name"),
    "evaluation": (attribute("sine", "evaluation", '{"kind": "x"}'), "how the risk is evaluated"),
    "evaluation without nodes": (
        attribute("sine", "evaluation", '{"kind": "preintegration"}'),
        "how the risk is evaluated",
    ),
    "lower": (attribute("sine", "lower", "x"), "'lower' must be a finite number for each input"),
    "upper": (attribute("sine", "upper", [1.0, 2.0]), "'upper' must be a finite number for each input"),
    "widths": (attribute("sine", "widths", "x"), "the attribute 'widths' is wrong"),
    "huge widths": (attribute("sine", "widths", [1, 10**9, 1]), "the attribute 'widths' is wrong"),
    "status": (variable("status", set_to(99)), "'status' has values outside its flag_values"),
    "on_manifold": (variable("on_manifold", set_to(7)), "'on_manifold' has values other than 0 and 1"),
    "options": (variable("options", set_to("{")), "the value of 'options' is not JSON"),
    "follows": (variable("follows", set_to("x")), "'follows' names no gradient flow"),
    "times": (variable("time", set_to(1.0)), "'time' has the same value twice"),
    "seeds": (variable("seed", set_to(1)), "'seed' has the same value twice"),
    "method's name": (variable("integrator", set_to("a/b")), "'integrator' has"),
    "outcome": (variable("theory_outcome", set_to(9)), "'theory_outcome' has values outside"),
    "no risk": (without("risk"), "no variable 'risk'"),
    "no weights": (without("weight_1"), "no variable 'weight_1'"),
    "no detail": (without("theory_detail"), "no variable 'theory_detail'"),
    "risk at one time": (
        variable("risk", lambda d: d.isel(time=0, drop=True)),
        "'risk' has dimensions ['integrator', 'seed']",
    ),
    "text for numbers": (
        variable("risk", lambda d: (d.dims, d.values.astype(str), d.attrs)),
        "'risk' has type",
    ),
    "text for a diagnostic": (
        variable("parameter_norm", lambda d: (d.dims, d.values.astype(str), d.attrs)),
        "'parameter_norm' has type",
    ),
}


@pytest.mark.sampled
@pytest.mark.parametrize("case", DAMAGES)
def test_a_forged_result_is_one_message(tree: xr.DataTree, tmp_path: Path, case: str) -> None:
    damage, message = DAMAGES[case]
    groups = groups_of(tree)
    damage(groups)
    path = tmp_path / "result.nc"
    assert forging.write(groups, path)
    for command in forging.COMMANDS:
        code, said = forging.call(*forging.arguments(command, path))
        assert code == 2, (command, said)
        assert said.startswith("error: ")
        assert str(path) in said
        assert message in said, command
        assert command == "validate" or said.count("\n") == 1, said
    with pytest.raises(gfc.InputError, match="not a valid result of gfcompare"):
        gfc.open_study(path)


def test_a_result_without_problems_is_one_message(tree: xr.DataTree, tmp_path: Path) -> None:
    groups = {"/": groups_of(tree)["/"]}
    assert forging.write(groups, tmp_path / "result.nc")
    for command in forging.COMMANDS:
        code, said = forging.call(*forging.arguments(command, tmp_path / "result.nc"))
        assert (code, "there is no problem group" in said) == (2, True), command


@pytest.mark.parametrize("dim", ["integrator", "seed", "time"])
def test_a_result_without_trajectories(tree: xr.DataTree, dim: str) -> None:
    groups = groups_of(tree)
    groups["sine"] = groups["sine"].isel({dim: slice(0)})
    assert f"problem 'sine': the dimension {dim!r} is empty" in gfc.validate(xr.DataTree.from_dict(groups))


@pytest.mark.thorough
def test_forged_results_give_no_traceback(tree: xr.DataTree, tmp_path: Path) -> None:
    """Hundreds of them: python tests/forging.py 300."""
    plotted = ["--figure", "risk", "--format", "png"]
    for number, groups in enumerate(forging.forged(tree, 8, seed=1)):
        found = list(forging.wrong_commands(groups, tmp_path, False, plotted))
        assert not found, (number, found)


def test_readers_rely_on_no_more_than_is_checked(tree: xr.DataTree) -> None:
    """A valid result has no faults, and what a user adds is none."""
    assert validation.faults(tree) == []
    groups = groups_of(tree)
    groups["sine"]["mine"] = ("anything", [1.0, 2.0])
    added = xr.DataTree.from_dict(groups)
    assert validation.faults(added) == []
    assert gfc.validate(added) == [
        "problem 'sine': 'mine' has no attribute 'long_name'",
        "problem 'sine': 'mine' has no attribute 'units'",
    ]


#: Of a whole file: how it is damaged. Bytes changed at random are read by HDF5, which may end the process
#: (HDF5 2.2.0 did); in a file with its checksum they are refused before: test_damage.py.
UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "text": lambda whole: b"seed,risk\n0,0.1\n",
    "another signature": lambda whole: b"\x89PNG" + whole[4:],
    "a half": lambda whole: whole[: len(whole) // 2],
    "all but the end": lambda whole: whole[:-1],
    "another version of the superblock": lambda whole: whole[:8] + b"\xff" + whole[9:],
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_files_that_hdf5_cannot_read(case: str, tmp_path: Path, tree: xr.DataTree) -> None:
    path = tmp_path / "result.nc"
    assert forging.write(groups_of(tree), path)
    path.write_bytes(UNREADABLE[case](path.read_bytes()))
    with pytest.raises(gfc.InputError, match="not a netCDF-4 file") as caught:
        opening.open_study(path)
    assert str(path) in str(caught.value)
