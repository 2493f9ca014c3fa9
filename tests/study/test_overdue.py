"""Cells that do not come back are told of: when, how often, and never those that a time limit ends."""

from __future__ import annotations

from pathlib import Path

import pytest

import gfcompare as gfc
from gfcompare.study import overdue
from gfcompare.study.overdue import Overdue
from gfcompare.study.run_progress import Silent
from gfcompare.study.runner import run_study


def test_a_cell_is_told_of_after_a_while_and_then_each_time_it_has_taken_twice_as_long() -> None:
    found = Overdue(lambda: [(["a", "b", "c"], 100.0), (["d"], 150.0)], str)
    assert found.look(159.0) == []
    [text] = found.look(161.0)
    assert text.startswith("no answer from a and 2 more for 1.02 min (none has ended yet)")
    assert "Ctrl-C" in text
    assert "time_limit" in text
    assert found.look(200.0) == []
    found.longest = 30.0
    [text] = found.look(223.0)
    assert text.startswith("no answer from a and 2 more for 2.05 min (the longest cell so far took 30 s)")
    assert found.look(345.0) == []
    assert [text.partition(" for ")[0] for text in found.look(451.0)] == [
        "no answer from a and 2 more",
        "no answer from d",
    ]


def test_words_of_durations() -> None:
    assert [overdue._words(s) for s in (0.5, 59.0, 90.0, 7200.0)] == ["0.5 s", "59 s", "1.5 min", "2 h"]


class Notes(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.thorough
@pytest.mark.parametrize("time_limit", [None, 600.0])
def test_a_run_tells_of_them_unless_they_end_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time_limit: float | None
) -> None:
    monkeypatch.setattr(overdue, "_FIRST", 0.02)
    monkeypatch.setattr(overdue, "_PAUSE", 0.01)
    study = gfc.Study(
        "slow",
        targets={"sine": gfc.targets.Sine()},
        integrators={"gd": gfc.integrator("gd", step_size=4e-6)},
        seeds=16,
        network=gfc.ReLUNetwork((1, 16, 1)),
        times=gfc.Times(end=1.0, count=2),
        time_limit=time_limit,
    )
    notes = Notes()
    run_study(study, tmp_path, jobs=1, progress=notes)
    told = [text for text in notes.said if text.startswith("no answer from sine / gd / seeds 0-15 for")]
    assert bool(told) == (time_limit is None)
