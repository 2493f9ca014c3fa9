"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from support import TINY, WATCHED

import gfcompare as gfc
from gfcompare.hooks import registry


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a study file: TINY with some text replaced, something put in front and something at the end."""

    def write(
        *replacements: tuple[str, str], first: str = "", last: str = "", name: str = "study.toml"
    ) -> Path:
        text = TINY
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(f"{first}\n{text}\n{last}\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    """A single-file plugin with the method `watched`."""
    path = tmp_path / "watched.py"
    path.write_text(WATCHED, encoding="utf-8")
    return path


@pytest.fixture
def fresh_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test load plugins that no other test sees."""
    monkeypatch.setattr(registry, "_registry", None)
    monkeypatch.setattr(registry, "_files", {})


@pytest.fixture(scope="session")
def small_study() -> gfc.Study:
    """Two problems, a flow, descent, descent on M and stochastic descent, one that diverges; 18 seeds."""
    return gfc.Study(
        "small",
        description="For tests.",
        targets={"sine": gfc.targets.Sine(), "step": gfc.targets.Step()},
        integrators={
            "standard-gf": gfc.integrator("standard-gf"),
            "normalized-gf": gfc.integrator("normalized-gf"),
            "gd": [gfc.integrator("gd", step_size=0.05), gfc.integrator("gd", step_size=5.0)],
            "gd on M": gfc.integrator("gd", step_size=0.05, normalize=True),
            "sgd": gfc.integrator("sgd", step_size=0.05, batch_size=4),
        },
        network=gfc.ReLUNetwork((1, 4, 1)),
        times=gfc.Times(start=0.1, end=100.0, count=4),
        seeds=18,
        seed=7,
    )


@pytest.fixture(scope="session")
def small_folder(small_study: gfc.Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the results of `small_study`; not to be changed."""
    folder = tmp_path_factory.mktemp("small")
    small_study.run(folder, jobs=1)
    return folder


@pytest.fixture
def small_tree(small_folder: Path) -> xr.DataTree:
    """The results of `small_study`, read again for each test."""
    return gfc.open_study(small_folder)
