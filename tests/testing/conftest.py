"""Running a test file by pytest within a test."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Inner:
    """Outcome of a run of pytest: names of tests by outcome, and its output."""

    outcomes: dict[str, list[str]] = field(
        default_factory=lambda: {"passed": [], "failed": [], "skipped": []}
    )
    text: str = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome].append(report.nodeid.partition("::")[2])


@pytest.fixture
def pytester_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Inner]:
    """Run the tests of a file in this process, which has compiled what they need."""

    def run(source: str) -> Inner:
        path = tmp_path / f"test_inner_{tmp_path.name.replace('-', '_')}.py"
        path.write_text(source, encoding="utf-8")
        inner, out = Inner(), io.StringIO()
        with contextlib.redirect_stdout(out):
            pytest.main(
                ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", "/dev/null", str(path)], [inner]
            )
        inner.text = out.getvalue()
        return inner

    return run
