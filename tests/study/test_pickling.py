"""Components that cannot be sent to a worker process are named, before anything is computed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support import gfcompare, refused

import gfcompare as gfc
from gfcompare.hooks import plugin_files
from gfcompare.study.cell_files import cell_path
from gfcompare.study.pickling import check_sendable

LOCKED = """
import threading
from dataclasses import dataclass, field
from typing import Any, ClassVar
import gfcompare as gfc


@dataclass(frozen=True)
class Locked(gfc.StepMethod):
    '''A method that holds what cannot be pickled.'''

    name: ClassVar[str] = "locked"
    step_size: float = 0.1
    lock: Any = field(default_factory=threading.Lock)

    def step(self, problem, theta, solver_state, step_size):
        return theta - step_size * problem.gradient(theta), solver_state


@gfc.hookimpl
def gfcompare_integrators():
    return [Locked]
"""


@pytest.mark.thorough
def test_a_method_that_cannot_be_sent_is_one_message(study_file: Callable[..., Path], tmp_path: Path) -> None:
    plugin = tmp_path / "locked.py"
    plugin.write_text(LOCKED)
    path = study_file(last="[integrators.locked]")
    run = ("run", path, "--plugin", plugin, "--output", tmp_path / "out", "--no-figures")
    refused(
        gfcompare(*run, "--jobs", 2),
        "error: integrators.locked: the option lock of Locked (of plugin 'locked.py' of",
        "cannot be sent to a worker process: TypeError: cannot pickle '_thread.lock' object.",
        "in Python jobs=1.",
    )
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
    assert gfcompare(*run, "--jobs", 1).returncode == 0
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.nc")}
    refused(gfcompare(*run, "--jobs", 2, "--force"), "cannot be sent to a worker process")
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.nc")}


@pytest.mark.usefixtures("fresh_registry")
def test_what_cannot_be_sent_goes_on_in_this_process_after_a_death(
    study_file: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "locked.py").write_text(LOCKED)
    plugin_files.load_file(tmp_path / "locked.py")
    study = gfc.Study.from_toml(study_file(last="[integrators.locked]"))
    (tmp_path / "out" / "cells").mkdir(parents=True)
    marks = [cell_path(tmp_path / "out", study.cells()[0]), tmp_path / "out" / "cells" / "warm-up"]
    for mark in marks:
        mark.with_suffix(".running").write_text("of a process that was killed")
        with pytest.raises(gfc.InputError, match="cannot be sent to a worker process"):
            study.run(tmp_path / "out", jobs=2, force=True, progress=False)
        assert gfc.validate(study.run(tmp_path / "out", jobs=1, force=True, progress=False)) == []
        assert not list((tmp_path / "out" / "cells").glob("*.running"))


@dataclass(frozen=True)
class Locked(gfc.initializations.He):
    """An initialisation with a lock, which no plugin announces."""

    name: ClassVar[str] = "locked"
    lock: Any = field(default_factory=threading.Lock)


def test_other_parts_are_named_too() -> None:
    study = gfc.Study(
        "s",
        targets={"t": gfc.targets.Sine()},
        integrators={"gd": gfc.integrator("gd")},
        initialization=Locked(),
    )
    with pytest.raises(gfc.InputError, match=r"problem 't', initialization: the option lock of Locked \(of "):
        check_sendable(study.cells())


def test_an_object_that_refuses_by_itself() -> None:
    @dataclass(frozen=True)
    class Refusing(gfc.targets.Sine):
        """Raises what pickle does not catch."""

        name: ClassVar[str] = "refusing"

        def __reduce__(self) -> str:
            raise RuntimeError("not me")

    study = gfc.Study("s", targets={"t": Refusing()}, integrators={"gd": gfc.integrator("gd")})
    with pytest.raises(
        gfc.InputError, match=r"problem 't', target: Refusing \(of .*: RuntimeError: not me\."
    ):
        check_sendable(study.cells())


@pytest.mark.usefixtures("fresh_registry")
def test_a_diagnostic_of_a_file(tmp_path: Path) -> None:
    plugin = tmp_path / "locked.py"
    plugin.write_text(
        "import threading\nfrom dataclasses import dataclass\nfrom typing import ClassVar\n"
        "import gfcompare as gfc\nlock = threading.Lock()\n"
        "@dataclass(frozen=True)\nclass D(gfc.Diagnostic):\n    '''D.'''\n"
        "    name: ClassVar[str] = 'd'\n    long_name: ClassVar[str] = 'd'\n    units: ClassVar[str] = '1'\n"
        "    def compute(self, problem, theta):\n        with lock:\n            return theta[..., 0]\n"
        "@gfc.hookimpl\ndef gfcompare_diagnostics():\n    return [D]\n"
    )
    plugin_files.load_file(plugin)
    with pytest.raises(gfc.InputError, match=r"the diagnostic 'd' of plugin 'locked.py' of .* cannot pickle"):
        check_sendable(())
