"""The scripts for the papers draw every figure, and what they assert on the way holds."""

import subprocess
import sys

import pytest
from support import ROOT

SCRIPTS = ROOT / "studies" / "papers"
FIGURES = {
    "jentzen_riekert": ["convergence", "affine_target", "one_neuron"],
    "eberle_jentzen_riekert_weiss": ["shallow", "deep", "on_manifold", "bounded"],
    "safran_shamir": ["spurious_minima"],
}


@pytest.mark.sampled
@pytest.mark.parametrize("paper", FIGURES)
def test_script_draws_every_figure(paper, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPTS / f"{paper}.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in FIGURES[paper]:
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        caption = (tmp_path / f"{name}.txt").read_text(encoding="utf-8")
        assert caption.startswith("Claim. ")
        assert "\n\nShown. " in caption
