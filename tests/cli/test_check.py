"""gfcompare check: what it checks, what it prints, how it ends."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from support import in_process, refused

RIGHT = '''\
"""A target and an initialisation."""

from dataclasses import dataclass
from typing import ClassVar

import gfcompare as gfc


@dataclass(frozen=True)
class Parabola(gfc.targets.SpaceTarget):
    """height x^2."""

    name: ClassVar[str] = "parabola"
    height: float = 1.0
    outputs = 1
    dimension = 1

    def at(self, x):
        return self.height * self.checked(x) ** 2

    def degree(self, coordinate):
        return 2


@dataclass(frozen=True)
class Gauss(gfc.Initialization):
    """Normal numbers times scale; on_manifold normalises."""

    name: ClassVar[str] = "gauss"

    def parameters(self, network, rng):
        return rng.normal(size=network.parameter_count)


@gfc.hookimpl
def gfcompare_targets():
    return [Parabola]


@gfc.hookimpl
def gfcompare_initializations():
    return [Gauss]
'''


@pytest.fixture
def right(tmp_path: Path) -> Path:
    path = tmp_path / "right.py"
    path.write_text(RIGHT, encoding="utf-8")
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.py"
    path.write_text(RIGHT.replace("        return 2\n", "        return 1\n"), encoding="utf-8")
    return path


def test_a_component_that_passes() -> None:
    result = in_process("check", "he")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "he (initializations)"
    assert [line.split()[0] for line in lines[1:]] == ["passed"] * 8


def test_all_that_a_file_supplies(right: Path) -> None:
    result = in_process("check", "--plugin", right)
    assert result.returncode == 0, result.stdout
    assert "parabola (targets)" in result.stdout
    assert "gauss (initializations)" in result.stdout
    only = in_process("check", "--plugin", right, "--kind", "target")
    assert "parabola" in only.stdout
    assert "gauss" not in only.stdout


def test_a_component_that_fails_ends_with_exit_code_1(wrong: Path) -> None:
    result = in_process("check", "parabola", "--plugin", wrong, "--only", "degree")
    assert result.returncode == 1
    said = " ".join(result.stdout.split())
    assert (
        "FAILED degree: degree(0) = 1 is that of f along the coordinate, between kinks; here on [0, 1]"
        in said
    )
    assert "See docs/writing-a-plugin.md#checks-of-a-target." in said
    assert said.endswith("1 check failed.")
    assert result.stderr == ""


def test_options_are_read_as_in_a_study_file(right: Path) -> None:
    result = in_process("check", "parabola", "--plugin", right, "--option", "height=3.0")
    assert result.returncode == 0, result.stdout
    plain = in_process("check", "table", "--only", "shapes", "--option", "path=none.csv")
    refused(plain, "--option", "none.csv")
    refused(in_process("check", "gd", "--option", "step_size=-1"), "step_size must be positive")
    refused(in_process("check", "gd", "--option", "stepsize=1"), "--option", "Did you mean 'step_size'?")
    refused(in_process("check", "gd", "--option", "step_size"), "expected KEY=VALUE")


def test_a_name_of_several_kinds() -> None:
    both = in_process("check", "uniform", "--only", "value")
    assert "uniform (measures)" in both.stdout
    assert "uniform (initializations)" in both.stdout
    one = in_process("check", "uniform", "--kind", "measures", "--only", "value")
    assert one.stdout.splitlines()[0] == "uniform (measures)"
    assert "initializations" not in one.stdout


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["check", "gdd"], ["unknown component 'gdd'. Did you mean 'gd'?"]),
        (["check", "gdd", "--kind", "integrators"], ["unknown integrator 'gdd'. Did you mean 'gd'?"]),
        (["check", "gd", "--kind", "method"], ["--kind: unknown kind 'method'", "integrators, measures"]),
        (["check"], ["say what to check: gfcompare check NAME, or gfcompare check --plugin FILE"]),
        (
            ["check", "gd", "--only", "ordre"],
            ["unknown check of integrators: 'ordre'. Did you mean 'order'?"],
        ),
        (["check", "--plugin", "none.py"], ["no file 'none.py'"]),
        (["check", "--plugin", "x" * 300 + ".py"], ["--plugin", "File name too long"]),
        (["check", "gd", "--all"], ["--all checks everything: leave out 'gd'"]),
        (["check", "gd", "--option", "name=adam"], ["the name is no option"]),
        (["check", "points", "--kind", "evaluator", "--option", "a=1"], ["'points' has no options"]),
        (["check", "--all", "--only", "hessan"], ["--only", "Did you mean 'hessian'?"]),
    ],
)
def test_wrong_input_is_one_message(arguments: list[str], parts: list[str]) -> None:
    refused(in_process(*arguments), *parts)


def test_all_that_is_installed_is_checked_with_one_option() -> None:
    """With --only, what has no such check is left out."""
    result = in_process("check", "--all", "--only", "scale")
    assert result.returncode == 0, result.stdout
    found = [line for line in result.stdout.splitlines() if line.endswith(")")]
    assert "he (initializations)" in found
    assert all(line.endswith("(initializations)") for line in found)
    evaluators = in_process("check", "--all", "--only", "declaration", "--kind", "evaluators")
    assert "shallow-line (evaluators)" in evaluators.stdout


def test_an_error_in_a_file_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "raises.py"
    path.write_text("import gfcompare as gfc\n\nx = [][0]\n", encoding="utf-8")
    refused(in_process("check", "--plugin", path), "IndexError: list index out of range (line 3)")


def test_a_file_with_commands_alone_has_nothing_to_check(tmp_path: Path) -> None:
    path = tmp_path / "commands.py"
    path.write_text(
        textwrap.dedent(
            """\
            import gfcompare as gfc

            @gfc.hookimpl
            def gfcompare_commands():
                return [lambda app: None]
            """
        ),
        encoding="utf-8",
    )
    refused(in_process("check", "--plugin", path), "supplies nothing", "that can be checked")
