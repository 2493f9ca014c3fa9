"""What tells a process from others, in marks, claims and names of files."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gfcompare.system import writing
from gfcompare.system.process_identity import ProcessIdentity, label_runs, this_process


def ended() -> ProcessIdentity:
    """Return the identity of a process that has ended."""
    program = (
        "import dataclasses, json; from gfcompare.system.process_identity import this_process; "
        "print(json.dumps(dataclasses.asdict(this_process())))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ProcessIdentity.read(json.loads(done.stdout))


def test_a_process_goes_on_until_it_has_ended() -> None:
    mine = this_process()
    assert ProcessIdentity.read(json.loads(json.dumps(dataclasses.asdict(mine)))) == mine
    assert mine.is_here
    assert mine.runs
    assert label_runs(mine.label) is True
    other = ended()
    assert (other.is_here, other.runs, label_runs(other.label)) == (True, False, False)


def test_a_number_that_another_process_has_by_now_is_not_taken_for_it() -> None:
    before = dataclasses.replace(this_process(), started=this_process().started - 3600.0)
    assert not before.runs
    assert label_runs(before.label) is False


def test_of_another_machine_nothing_is_known() -> None:
    there = dataclasses.replace(this_process(), host="another")
    assert (there.is_here, there.runs, label_runs(there.label)) == (False, False, None)


@pytest.mark.parametrize("text", ["", "x", "00000000-1", "zzzzzzzz-1-2", "00000000-1-2-3"])
def test_what_is_no_label_says_nothing(text: str) -> None:
    assert label_runs(text) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies of processes are of POSIX")
def test_a_copy_of_a_process_is_another_one() -> None:
    mine, (back, answer) = this_process(), os.pipe()
    if (pid := os.fork()) == 0:
        os.write(answer, this_process().label.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(back, 200).decode() not in ("", mine.label)


def test_half_written_files_are_removed_when_their_process_has_ended(tmp_path: Path) -> None:
    mine = this_process()
    reused = dataclasses.replace(mine, started=mine.started - 3600.0)
    there = dataclasses.replace(mine, host="another")
    paths = [tmp_path / f".a-b-{each.label}-x_y{writing.PART}" for each in (mine, ended(), reused, there)]
    for path in paths:
        path.touch()
    writing.remove_abandoned(tmp_path)
    assert [path.exists() for path in paths] == [True, False, False, True]


def test_temporary_folders_are_removed_when_their_process_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that was killed left its figures among the temporary files of the machine."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine = this_process()
    there = dataclasses.replace(mine, host="another")
    others = [tmp_path / f"gfcompare-{each.label}-x_y" for each in (mine, ended(), there)]
    others += [tmp_path / "gfcompare-1000", tmp_path / f"other-{ended().label}-x_y"]
    for path in others:
        path.mkdir()
        (path / "risk.svg").touch()
    with pytest.raises(KeyboardInterrupt), writing.temporary_folder() as folder:
        (folder / "risk.svg").touch()
        assert folder.parent == tmp_path
        raise KeyboardInterrupt
    assert sorted(tmp_path.iterdir()) == sorted(path for path in others if path is not others[1])
