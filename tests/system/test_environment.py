"""Environments of runs: files beside the study, containers, pools, odd terminals, broken packages."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import loky
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import QUICK
from rich.table import Table
from support import PATIENCE, TINY, WATCHED, in_process

import gfcompare as gfc
from gfcompare.cli import base
from gfcompare.components.errors import _is_unprinted, is_name, printable
from gfcompare.components.fingerprint import name_and_version
from gfcompare.hooks import plugin_files
from gfcompare.system import module_path, threads

Write = Callable[..., Path]

TWO_CELLS = TINY + "\n[integrators.sgd]\nstep_size = 0.1\n"


def as_installed(
    *arguments: object, cwd: Path, launcher: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line as its script does: the folder of the script is imported from, not the current."""
    launcher.mkdir(exist_ok=True)
    (launcher / "launch.py").write_text("from gfcompare.cli import main\nmain()\n")
    return subprocess.run(
        [sys.executable, str(launcher / "launch.py"), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200 * PATIENCE,
        check=False,
    )


# ---------------------------------------------------------------------------------------------------
# Files beside the study
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_files_beside_the_study_are_not_taken_for_modules_of_python(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "s.toml").write_text(TWO_CELLS)
    for name in [*sorted(sys.stdlib_module_names), "numpy", "loky", "numba"]:
        (study / f"{name}.py").write_text("import os\nos._exit(3)\n")
    done = as_installed("run", "s.toml", "--no-figures", "--jobs", 2, cwd=study, launcher=tmp_path / "bin")
    assert done.returncode == 0, done.stderr
    assert "2 cells computed" in done.stdout
    assert "died" not in done.stderr


@QUICK
@given(st.permutations(sys.path), st.lists(st.sampled_from(["", "/a", "/b/c", "relative"]), unique=True))
def test_the_library_comes_first_and_nothing_else_changes(path: list[str], more: list[str]) -> None:
    given_path = more + path
    found = module_path.library_first(given_path)
    assert sorted(found) == sorted(given_path)
    library = str(Path(os.__file__).parent)
    assert set(found[: found.index(library) + 1]).isdisjoint(more)
    others = [p for p in found if not p.startswith(library) or "packages" in p]
    assert [p for p in others if not p.endswith(".zip")] == [
        p for p in given_path if p in others and not p.endswith(".zip")
    ]


def test_the_setting_lasts_as_long_as_workers_are_started(monkeypatch: pytest.MonkeyPatch) -> None:
    for before in (None, "", "yes"):
        if before is None:
            monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
        else:
            monkeypatch.setenv("PYTHONSAFEPATH", before)
        path = list(sys.path)
        with pytest.raises(KeyError), module_path.for_workers():
            assert os.environ["PYTHONSAFEPATH"] == "1"
            raise KeyError
        assert os.environ.get("PYTHONSAFEPATH") == before
        assert sys.path == path


# ---------------------------------------------------------------------------------------------------
# Neighbours of a plugin file
# ---------------------------------------------------------------------------------------------------


@pytest.fixture
def own_modules(monkeypatch: pytest.MonkeyPatch, fresh_registry: None) -> None:
    """Let a test import modules that no other test sees."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def with_neighbour(folder: Path, step: float, name: str = "beside_it") -> Path:
    """Write a plugin that takes its step size from a module beside it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(f"STEP = {step}\n")
    plugin = folder / "mine.py"
    text = WATCHED.replace("step_size: float = 0.1", f"step_size: float = {name}.STEP")
    plugin.write_text(text.replace("import os\n", f"import os\nimport {name}\n", 1))
    return plugin


def test_a_plugin_file_imports_its_neighbour(tmp_path: Path, own_modules: None) -> None:
    plugin_files.load_file(with_neighbour(tmp_path, 0.25))
    assert gfc.integrator("watched").options()["step_size"] == 0.25


@pytest.mark.parametrize("name", ["beside_it", "pluggy"])
def test_a_neighbour_that_another_module_stands_for(tmp_path: Path, own_modules: None, name: str) -> None:
    if name == "beside_it":
        plugin_files.load_file(with_neighbour(tmp_path / "a", 0.25))
    with pytest.raises(gfc.InputError, match=rf"'{name}' is imported from .*not from beside the plugin"):
        plugin_files.load_file(with_neighbour(tmp_path / "b", 0.5, name))


@pytest.mark.thorough
def test_workers_import_the_neighbour_too(tmp_path: Path) -> None:
    with_neighbour(tmp_path / "plugin", 0.25)
    study = tmp_path / "study"
    study.mkdir()
    text = TWO_CELLS.replace("[integrators.sgd]", "[integrators.watched]")
    (study / "s.toml").write_text(text)
    plugin = tmp_path / "plugin" / "mine.py"
    arguments = ("run", "s.toml", "--no-figures", "--jobs", 2, "--plugin", plugin)
    done = as_installed(*arguments, cwd=study, launcher=tmp_path / "bin")
    assert done.returncode == 0, done.stderr
    assert "2 cells computed" in done.stdout


# ---------------------------------------------------------------------------------------------------
# Cores
# ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "cores"), [(2, 2), (64, 3), (1, 1)])
def test_no_more_workers_than_a_container_may_use(
    monkeypatch: pytest.MonkeyPatch, share: int, cores: int
) -> None:
    monkeypatch.setattr(loky, "cpu_count", lambda: share)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    monkeypatch.setattr(threads, "_share", threads._share.__wrapped__)
    assert threads.available_cores() == cores


@pytest.mark.thorough
def test_a_study_inside_a_pool(tmp_path: Path) -> None:
    """The processes of a multiprocessing.Pool may not start others."""
    script = tmp_path / "sweep.py"
    (tmp_path / "s.toml").write_text(TWO_CELLS)
    script.write_text(
        textwrap.dedent("""\
            import multiprocessing
            import gfcompare as gfc

            def risk(jobs):
                tree = gfc.Study.from_toml("s.toml").run(f"o{jobs}", jobs=jobs)
                return float(tree["sine"]["risk"].sum())

            if __name__ == "__main__":
                with multiprocessing.Pool(1) as pool:
                    print(len(set(pool.map(risk, [2, 1]))))
            """)
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200 * PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr


def test_what_stops_workers_is_installed() -> None:
    """Without psutil loky stops them with the program pgrep, which many containers do not have."""
    required = metadata.requires("gfcompare") or []
    assert any(line.startswith("psutil") for line in required)


# ---------------------------------------------------------------------------------------------------
# Where it is printed
# ---------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_name_that_stdout_cannot_show_is_escaped(tmp_path: Path) -> None:
    text = TINY.replace("[targets.sine]", "[targets.'α']\nname = 'sine'")
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    arguments = ("run", "s.toml", "--no-figures", "--jobs", 1)
    done = as_installed(*arguments, cwd=tmp_path, launcher=tmp_path / "bin", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert r"\u03b1 " in done.stdout
    assert "result   results/tiny/result.nc" in done.stdout


@pytest.mark.thorough
@pytest.mark.skipif(os.name == "nt", reason="closing by a POSIX shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_error(tmp_path: Path, closed: str) -> None:
    (tmp_path / "s.toml").write_text(TINY)
    command = f"{sys.executable} -m gfcompare.cli run s.toml --no-figures --jobs 2 {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    tree = gfc.open_study(tmp_path / "results" / "tiny")
    assert gfc.validate(tree) == []


HOSTILE = "a\x1b[31mb\x9b2Jc\u202ed\x07e\u2028f\x7f"


def test_text_that_a_terminal_would_obey_is_shown() -> None:
    shown = printable(HOSTILE)
    assert shown == r"a\x1b[31mb\x9b2Jc\u202ed\x07e\u2028f\x7f"
    assert printable(shown) == shown
    kept = "Größe α\tβ\n[x] 中文 e\u0301"
    assert printable(kept) == kept


@QUICK
@given(st.text())
def test_what_is_printed_holds_no_control_characters(text: str) -> None:
    file = io.StringIO()
    console = base._Console(file=file, soft_wrap=True, width=10_000, highlight=False)
    console.print(base.plain(text))
    table = Table(box=None)
    table.add_column(base.plain(text), overflow="fold")
    table.add_row(base.plain(text))
    console.print(table)
    assert not [c for c in file.getvalue() if _is_unprinted(c) and c not in "\n\t"]


def test_names_hold_no_control_characters() -> None:
    for character in "\x1b\x85\x9b\u202e\u2066\u2028\ud800":
        assert not is_name(f"a{character}b")
    for name in ("α-target", "gd[step 0.1]", "中文", "a b", "1-2-1"):
        assert is_name(name)


def test_an_error_of_a_plugin_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(f"raise ValueError({HOSTILE!r})\n")
    done = in_process("list", "targets", "--plugin", "p.py", cwd=tmp_path)
    assert done.returncode == 2
    assert r"ValueError: a\x1b[31mb\x9b2Jc\u202ed" in done.stderr
    assert "\x1b" not in done.stderr


# ---------------------------------------------------------------------------------------------------
# Somebody else's broken package
# ---------------------------------------------------------------------------------------------------


@pytest.mark.sampled("")
@pytest.mark.parametrize("content", [None, "", "Metadata-Version: 2.1\n"])
@pytest.mark.usefixtures("own_modules")
def test_a_distribution_without_metadata(
    tmp_path: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "broken_one-1.5.dist-info"
    about.mkdir()
    (about / "entry_points.txt").write_text("[gfcompare]\nbroken = brokenmod\n")
    if content is not None:
        (about / "METADATA").write_text(content)
    (tmp_path / "brokenmod.py").write_text(WATCHED)
    (found,) = metadata.distributions(path=[str(tmp_path)])
    assert name_and_version(found) == ("broken_one", "1.5")
    assert name_and_version(None) == ("an unknown distribution", "")
    (tmp_path / "s.toml").write_text(TINY.replace("[integrators.gd]", "[integrators.watched]"))
    monkeypatch.syspath_prepend(tmp_path)
    for command, said in (
        (("plugins",), "watched (integrators)"),
        (("info", "s.toml"), "watched (step_size"),
    ):
        done = in_process(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
