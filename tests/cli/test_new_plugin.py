"""gfcompare new-plugin: what it writes installs, passes its tests and takes part in a study."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from public_names import is_public, names_used
from support import PATIENCE, in_process, refused

import gfcompare as gfc
from gfcompare.cli.new_plugin import KINDS, Names, files_of

FILES = {
    "pyproject.toml",
    "README.md",
    "study.toml",
    "gfcompare_my_own.py",
    "tests/test_my_own.py",
    ".github/workflows/tests.yml",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_of_a_plugin(kind: str) -> None:
    files = files_of(Names.of("my-own", kind))
    assert set(files) == FILES
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["entry-points"]["gfcompare"] == {"my-own": "gfcompare_my_own"}
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == ["gfcompare_my_own.py"]
    module = files["gfcompare_my_own.py"]
    lines = [line for line in module.splitlines() if line.strip()]
    assert len(lines) <= (55 if kind == "evaluator" else 30)  # that has a measure too
    assert max(map(len, module.splitlines())) <= 110
    used = set(names_used(ast.parse(module)))
    assert [name for name in used if not is_public(name)] == []
    compile(files["tests/test_my_own.py"], "test", "exec")
    for text in files.values():
        assert "{%" not in text
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
    assert re.search(r"\{\{(?! matrix)", "".join(files.values()).replace("${{ matrix", "")) is None


def test_a_method_fills_twenty_five_lines() -> None:
    module = files_of(Names.of("my-own", "integrator"))["gfcompare_my_own.py"]
    assert len([line for line in module.splitlines() if line.strip()]) == 25


@pytest.mark.sampled("integrator")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "command"])
def test_a_plugin_that_was_just_written_passes_and_runs(kind: str, tmp_path: Path) -> None:
    written = in_process("new-plugin", "my-own", "--kind", kind, "--output", tmp_path / "made")
    assert written.returncode == 0, written.stderr
    assert 'python -m pip install -e ".[test]" && python -m pytest' in written.stdout
    made = tmp_path / "made"
    assert {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()} == FILES
    checked = in_process("check", "--plugin", made / "gfcompare_my_own.py")
    assert checked.returncode == 0, checked.stdout
    ran = in_process(
        "run", "study.toml", "--jobs", 1, "--no-figures", "--plugin", "gfcompare_my_own.py", cwd=made
    )
    assert ran.returncode == 0, ran.stderr
    (result,) = made.glob("results/*/result.nc")
    assert gfc.validate(gfc.open_study(result)) == []


def test_a_command_that_was_just_written_runs(tmp_path: Path, small_folder: Path) -> None:
    in_process("new-plugin", "my-own", "--kind", "command", cwd=tmp_path)
    file = tmp_path / "gfcompare-my-own" / "gfcompare_my_own.py"
    result = in_process("my-own", small_folder, "--plugin", file)
    assert result.returncode == 0, result.stderr
    assert "sine  standard-gf" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["Heavy Ball"], ["NAME must be words of small letters and digits", "got 'Heavy Ball'"]),
        (["../escape"], ["NAME must be words"]),
        (["gd"], ["there is a method 'gd' already, by 'gd' of gfcompare"]),
        (
            ["gaussian", "--kind", "evaluator"],
            ["there is an input measure 'gaussian' already, by 'builtins'"],
        ),
        (["points", "--kind", "evaluators"], ["there is an evaluator 'points' already, by 'builtins'"]),
        (["adam", "--kind", "target"], ["there is a module 'gfcompare_adam' already"]),
        (["none"], ["NAME 'none' makes the class None, which Python has"]),
        (["end-time", "--kind", "diagnostic"], ["'end_time' is a variable", "such as 'my-end-time'"]),
        (["weight-1", "--kind", "diagnostic"], ["'weight_1' is a variable"]),
        (["my-own", "--output", "/dev/null/x"], ["--output: '/dev/null/x' cannot be", "Not a directory"]),
        (["my-own", "--output", "x" * 300], ["--output:", "File name too long"]),
        (["run", "--kind", "command"], ["there is a command 'run' already"]),
        (
            ["my-own", "--kind", "methods"],
            ["unknown kind of plugin 'methods'", "command, diagnostic, evaluator"],
        ),
    ],
)
def test_wrong_input_is_one_message(arguments: list[str], parts: list[str], tmp_path: Path) -> None:
    refused(in_process("new-plugin", *arguments, cwd=tmp_path), *parts)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    made = tmp_path / "gfcompare-my-own"
    made.mkdir()
    (made / "notes.txt").write_text("mine", encoding="utf-8")
    refused(in_process("new-plugin", "my-own", cwd=tmp_path), "exists and is not empty", "--output")
    assert [path.name for path in made.iterdir()] == ["notes.txt"]


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


# The last folder is that of a command, which is called with the result.
RUN_STUDIES = """
import os, sys
from gfcompare import cli

def run(folder, *arguments):
    os.chdir(folder)
    try:
        cli.main(arguments)
    except SystemExit as end:
        assert not end.code, (folder, arguments, end.code)

for folder in sys.argv[1:]:
    run(folder, "run", "study.toml", "--jobs", "1", "--no-figures")
run(folder, "plot", "results/my-command-study", "--figure", "my_figure")
"""


@pytest.mark.install
@pytest.mark.thorough
def test_one_plugin_of_each_kind_installs_into_a_fresh_environment(tmp_path: Path) -> None:
    """It builds, is found, passes its own tests, and a study runs with it.

    All of them share an environment, a run of pip, one of pytest, and a process that runs their studies:
    what takes long is to start these.
    """
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python, command = (tmp_path / "venv" / "bin" / name for name in ("python", "gfcompare"))
    install = (sys.executable, "-m", "pip", "--python", python, "install", "--no-compile")
    run(*install, "hatchling", cwd=tmp_path)
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path)
    # gfcompare's libraries, and pytest: those of this environment will do.
    Path(own.strip(), "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    folders = [tmp_path / f"gfcompare-my-{kind}" for kind in KINDS]
    for kind in KINDS:
        assert in_process("new-plugin", f"my-{kind}", "--kind", kind, cwd=tmp_path).returncode == 0
    built = ("--no-build-isolation", "--no-deps")
    run(*install, *built, Path(__file__).parents[2], *folders, cwd=tmp_path)
    passed = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", *folders, cwd=tmp_path)
    for kind in KINDS:
        assert re.search(rf"PASSED \S*test_my_{kind}\.py::", passed), passed
    run(python, "-c", RUN_STUDIES, *folders, cwd=tmp_path)
    listed = run(command, "plugins", cwd=tmp_path)
    for kind in KINDS:
        assert f"gfcompare-my-{kind}" in listed
    result = tmp_path / "gfcompare-my-command" / "results" / "my-command-study"
    assert "sine  gd" in run(command, "my-command", result, cwd=tmp_path)
    assert (result / "figures" / "my_figure.png").is_file()
