"""A small campaign of crashes; python -m benchmarks.crashes has one of any size."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import PATIENCE, ROOT


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="its commands are copies of one process")
def test_what_is_killed_is_completed_to_the_bit() -> None:
    """Each kind of kill and of shortage once, of runs, merges, verifications and figures."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.crashes", "16", "1", "run", "merge", "verify", "plot"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("right") == 16
    assert "0 of 16 wrong" in done.stdout
