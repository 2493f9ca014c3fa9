"""Paths as users write them: ``~`` at the start is the home folder, wherever a path can be given."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from support import TINY, WATCHED

import gfcompare as gfc
from gfcompare import cli, figures, statistics, work_precision
from gfcompare.cli.base import a_path
from gfcompare.figures import work_precision as diagrams
from gfcompare.hooks import plugin_files, registry
from gfcompare.report import page
from gfcompare.study import runner
from gfcompare.system.paths import user_path

Write = Callable[..., Path]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and another folder to work in, which must stay empty."""
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(here)
    return home


def test_the_home_folder(home: Path) -> None:
    assert user_path("~") == home
    assert user_path("~/a/b.nc") == user_path(Path("~/a/b.nc")) == home / "a" / "b.nc"
    for path in ("a/~/b", "a~", "/~"):
        assert user_path(path) == Path(path)


def test_a_home_folder_that_is_not_known() -> None:
    with pytest.raises(gfc.InputError, match=r"home folder ~nobody-here is not known.*in full"):
        user_path("~nobody-here/results")


def test_every_path_of_the_command_line() -> None:
    found = []
    for command in cli.app.registered_commands:
        assert command.callback is not None
        hints = typing.get_type_hints(command.callback, include_extras=True)
        for name, hint in hints.items():
            if "Path" in str(typing.get_args(hint)[:1]):
                given = next(m for m in typing.get_args(hint)[1:] if hasattr(m, "parser"))
                assert given.parser is a_path, f"{command.callback.__name__}: {name}"
                found.append(name)
    assert {"study", "result", "path", "output", "plugin"} <= set(found)


def test_a_command_makes_no_folder_of_that_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "s.toml").write_text(TINY)
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "~/s.toml", "--output=~/r", "--no-figures", "--jobs", "1"])
    assert ended.value.code == 0
    assert f"result   {home / 'r' / 'result.nc'}" in capsys.readouterr().out
    assert (home / "r" / "result.nc").is_file()
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.thorough
def test_every_function_of_the_package(
    home: Path, fresh_registry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "render", lambda tree, **_: "drawn elsewhere")
    (home / "s.toml").write_text(TINY)
    study = gfc.Study.from_toml("~/s.toml")
    tree = study.run("~/r", jobs=1)
    assert gfc.open_study("~/r").equals(tree)
    gfc.open_study("~/r/result.nc")
    figures.save_all(tree, "~/figures", names=["risk"], formats=["png"])
    statistics.save({"one": statistics.tables(tree).popitem()[1]}, "~/tables", formats=["csv"])
    page.write(tree, "~/page.html")
    measured = work_precision.run(study, "~/w", jobs=1)
    assert work_precision.read("~/w").equals(measured.tree)
    diagrams.save(measured.tree, "~/diagrams", formats=["svg"])
    (home / "watched.py").write_text(WATCHED)
    plugin_files.load_file("~/watched.py")
    made = {path.relative_to(home).as_posix() for path in home.rglob("*")}
    assert {
        "r/result.nc",
        "figures/risk.png",
        "tables/one.csv",
        "page.html",
        f"w/{work_precision.contents.FILE}",
        "diagrams/work_precision_theta.svg",
    } <= made
    assert list(Path.cwd().iterdir()) == []


def test_paths_in_a_study_file(home: Path) -> None:
    (home / "t.csv").write_text("x,y\n0,0\n1,2\n")
    text = TINY.replace("[targets.sine]", "[targets.mine]\nname = 'table'\npath = '~/t.csv'")
    (home / "s.toml").write_text(text)
    study = gfc.Study.from_toml(home / "s.toml")
    assert study.problems[0].problem.risk([0.0] * 10) > 0
    gfc.targets.Table(path=Path("~/t.csv"))
    gfc.measures.DataSet(source=Path("~/t.csv"), outputs=("y",))


def test_no_function_leaves_a_path_as_it_was_given() -> None:
    """What the signature calls a path from outside (`str | Path`) goes through `user_path`.

    Folders of results do so in `folder_of`.
    """
    for module in (
        figures.saving,
        statistics.writing,
        page,
        runner,
        work_precision.contents,
        diagrams,
        registry,
    ):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ != module.__name__ or name.startswith("_"):
                continue
            hints = {str(hint) for hint in inspect.get_annotations(function).values()}
            if any("str | Path" in hint for hint in hints):
                source = inspect.getsource(function)
                there = "user_path(" in source or "folder_of(" in source
                assert there, f"{module.__name__}.{name}"


def test_the_parser_says_what_is_wrong() -> None:
    with pytest.raises(typer.BadParameter, match="not known"):
        a_path("~nobody-here/x")
