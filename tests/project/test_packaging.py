"""A wheel and a source distribution install and run the quickstart outside the checkout."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest
from support import PATIENCE, ROOT

pytestmark = [pytest.mark.install, pytest.mark.thorough]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path) -> tuple[Path, tuple[object, ...]]:
    """A fresh environment: its Python, and the command that installs into it.

    Without pip of its own, and without bytecode of what is never imported.
    """
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    return python, (sys.executable, "-m", "pip", "--python", python, "install", "--no-compile")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the build backend."""
    folder = tmp_path_factory.mktemp("build")
    _, install = environment(folder)
    run(*install, "hatchling", cwd=folder)
    return folder


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_distribution_runs_the_quickstart_outside_the_checkout(
    kind: str, build: Path, tmp_path: Path
) -> None:
    if kind == "wheel":
        run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, ROOT, cwd=tmp_path)
        (made,) = tmp_path.glob("*.whl")
        study = ROOT / "studies" / "quickstart.toml"
    else:
        backend = build / "venv" / "bin" / "hatchling"
        run(backend, "build", "-t", "sdist", "-d", tmp_path, cwd=ROOT)
        (made,) = tmp_path.glob("*.tar.gz")
        with tarfile.open(made) as archive:
            archive.extractall(tmp_path, filter="data")
        (study,) = tmp_path.glob("gfcompare-*/studies/quickstart.toml")
    python, install = environment(tmp_path)
    if kind == "wheel":
        run(*install, made, cwd=tmp_path)
    else:  # it asks for the same libraries: those of this environment will do
        run(*install, "--no-deps", made, cwd=tmp_path)
        own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path)
        Path(own.strip(), "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    command = tmp_path / "venv" / "bin" / "gfcompare"
    run(command, "run", study, "--seeds", 2, "--no-figures", "--output", "found", cwd=tmp_path)
    run(command, "validate", "found", cwd=tmp_path)
    where = "import gfcompare; print(gfcompare.__file__)"
    place = run(python, "-c", where, cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(tmp_path)
