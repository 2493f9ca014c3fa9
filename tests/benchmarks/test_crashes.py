"""A small campaign of crashes; python -m benchmarks.crashes has one of any size."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import PATIENCE, ROOT

pytest.importorskip("benchmarks", reason="the benchmarks are in the source tree, not in the package")
pytest.importorskip("resource", reason="the campaign limits what a process may use, as Unix does")

from benchmarks.crashes import read_arguments


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


def test_arguments_are_kills_a_seed_and_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_arguments([]) == (100, 0, [])
    assert read_arguments(["16", "run", "merge"]) == (16, 0, ["run", "merge"])
    for wrong, said in (
        (["runn"], "unknown command 'runn'; allowed: run"),
        (["1", "2", "3"], "got 3 numbers"),
        (["0"], "expected a positive number of kills, got 0"),
    ):
        with pytest.raises(SystemExit) as ended:
            read_arguments(wrong)
        assert ended.value.code == 2
        assert said in capsys.readouterr().err.splitlines()[-1]
