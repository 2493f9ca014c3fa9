"""Versions of libraries take part in the identity of cells, and are in the result."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
import xarray as xr

import gfcompare as gfc
from gfcompare.components import versions
from gfcompare.hooks import plugin_files, provenance


def key(study: gfc.Study) -> str:
    return gfc.Study.cells(study)[0].key


def study(method: str = "gd") -> gfc.Study:
    return gfc.Study(
        "s", targets={"t": gfc.targets.Sine()}, integrators={"m": gfc.integrator(method)}, seeds=2
    )


@pytest.mark.parametrize("name", versions.NUMERICAL)
def test_another_version_is_another_cell(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert versions.version(name) == metadata.version(name)
    before = key(study())
    assert key(study()) == before
    real = versions.version
    monkeypatch.setattr(versions, "version", lambda n: "99.9" if n == name else real(n))
    assert key(study()) != before


SOURCE = """
from dataclasses import dataclass
from typing import ClassVar
import pluggy
import gfcompare as gfc

@dataclass(frozen=True)
class Mine(gfc.StepMethod):
    '''Mine.'''
    name: ClassVar[str] = "mine"
    libraries: ClassVar[tuple[str, ...]] = ("rich", "sklearn", "json", "not_installed")
    step_size: float = 0.1

    def step(self, problem, theta, solver_state, step_size):
        return theta, solver_state

@gfc.hookimpl
def gfcompare_integrators():
    return [Mine]
"""


@pytest.mark.usefixtures("fresh_registry")
def test_what_a_plugin_imports_or_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)
    plugin_files.load_file(tmp_path / "mine.py")
    found = provenance.provenance(gfc.integrator("mine"))["libraries"]
    assert found.keys() >= {"pluggy", "rich", "scikit-learn"}
    assert not found.keys() & {"json", "not_installed", "dataclasses", "typing"}
    before = key(study("mine"))
    real = versions.version
    monkeypatch.setattr(versions, "version", lambda n: "99.9" if n == "pluggy" else real(n))
    assert key(study("mine")) != before
    assert provenance.provenance(gfc.integrator("gd"))["libraries"].keys() <= {"numpy", "gfcompare"}


def test_the_result_names_them(small_tree: xr.DataTree) -> None:
    found = json.loads(small_tree.attrs["environment"])
    assert {name: found[name] for name in versions.NUMERICAL} == {
        name: metadata.version(name) for name in versions.NUMERICAL
    }


def test_a_distribution_with_broken_metadata_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> str:
        raise KeyError("Version")

    monkeypatch.setattr(metadata, "version", broken)
    assert versions.version("a distribution that no other test asks for") == ""
