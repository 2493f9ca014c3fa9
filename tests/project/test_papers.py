"""The scripts for the papers draw every figure, and what they assert on the way holds."""

from __future__ import annotations

import functools
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support import PATIENCE, ROOT

import gfcompare as gfc

SCRIPTS = ROOT / "studies" / "papers"
SEEDS = 3


def check_drawn(folder: Path, *names: str) -> None:
    for name in names:
        assert (folder / f"{name}.png").stat().st_size > 10_000
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        caption = (folder / f"{name}.txt").read_text(encoding="utf-8")
        assert caption.startswith("Claim. ")
        assert "\n\nShown. " in caption


@pytest.fixture
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script on both flows, which asserts nothing, with fewer seeds than it draws: otherwise minutes."""
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path)])
    script = importlib.import_module("eberle_jentzen_riekert_weiss")
    run = script.run
    monkeypatch.setattr(gfc.Study, "run", functools.partialmethod(gfc.Study.run, jobs=1))
    monkeypatch.setattr(script, "run", lambda *given: run(*given[:4], SEEDS, given[5]))
    return script


@pytest.mark.parametrize(("option", "code"), [("--help", 0), ("--jobs=3", 2)])
def test_options_compute_nothing(
    option: str, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They were names of folders, into which a script drew for minutes."""
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["script.py", option])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("writing").folder("paper")
    assert ended.value.code == code
    assert not list(tmp_path.iterdir())


@pytest.mark.thorough
def test_a_figure_is_drawn_with_its_caption(flows: ModuleType, tmp_path: Path) -> None:
    with flows.context():
        flows.writing.write(tmp_path, "bounded", *flows.bounded(tmp_path))
    check_drawn(tmp_path, "bounded")


@pytest.mark.thorough
def test_the_script_on_both_flows_draws_every_figure(flows: ModuleType, tmp_path: Path) -> None:
    flows.main()
    check_drawn(tmp_path, "shallow", "deep", "on_manifold", "bounded")


@pytest.mark.thorough
def test_the_script_on_convergence_draws_every_figure(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPTS / "jentzen_riekert.py", tmp_path],
        capture_output=True,
        text=True,
        timeout=300 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    check_drawn(tmp_path, "convergence", "affine_target", "one_neuron")


@pytest.mark.thorough
def test_the_script_on_spurious_minima_draws_its_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path)])
    script = importlib.import_module("safran_shamir")
    with script.context():
        *figure, rows = script.spurious_minima((6, 8), 12)
        script.writing.write(tmp_path, "spurious_minima", *figure)
    check_drawn(tmp_path, "spurious_minima")
    assert [line.split(" | ")[:3] for line in rows.splitlines()[2:]] == [
        ["| 6", "6", "12"],
        ["| 8", "8", "12"],
        ["| 6", "7", "12"],
        ["| 8", "9", "12"],
    ]


def test_types_of_spurious_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minimum, a saddle, and what rounding does not tell from either; a wider student has none."""
    monkeypatch.syspath_prepend(SCRIPTS)
    script = importlib.import_module("safran_shamir")
    few = np.array([0.1, 0.1, 0.1, 0.0])
    largest = np.full(3, 10.0)
    ends = script.Ends(few, np.full(4, 1e-7), np.array([0.05, -0.05, 1e-12]), largest, np.zeros(3))
    assert ends.types == (1, 1, 1)
    assert ends.spurious.tolist() == [True, True, True, False]
    low, high = ends.interval
    assert low == pytest.approx(0.3006, abs=1e-4)  # Wilson: (p + z^2 / 2n -+ ...) / (1 + z^2 / n), by hand
    assert high == pytest.approx(0.9544, abs=1e-4)
