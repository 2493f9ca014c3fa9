"""Mistakes in a plugin that Python accepts, refused when it is loaded; commands of plugins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from support import gfcompare, in_process, refused

import gfcompare as gfc
from gfcompare.components.class_checks import check_declaration
from gfcompare.hooks import plugin_files, registry

HEAD = """
from dataclasses import dataclass
from typing import ClassVar
import gfcompare as gfc

"""

METHOD = """
@dataclass(frozen=True)
class Mine(gfc.StepMethod):
    '''A method.'''

    name: ClassVar[str] = "mine"
    step_size: float = 0.1

    def step(self, problem, theta, solver_state, step_size):
        return theta, solver_state

"""

FIGURE = """
@dataclass(frozen=True)
class Mine(gfc.figures.Figure):
    '''A figure.'''

    name: ClassVar[str] = "mine"
    title: ClassVar[str] = "Mine"

    def draw(self, tree):
        return None

"""

FROZEN = "@dataclass(frozen=True)"


def hook(kind: str) -> str:
    return f"@gfc.hookimpl\ndef gfcompare_{kind}():\n    return [Mine]\n"


REFUSED = {
    "no type": (
        METHOD.replace("step_size: float = 0.1", "step_size: float = 0.1\n    momentum = 0.9"),
        "integrators",
        "in Mine, momentum = 0.9 has no type and so is no option; write momentum: float = 0.9, or "
        "momentum: ClassVar[float] = 0.9 if it is none",
    ),
    "no type, of an option that a base has": (
        METHOD.replace("step_size: float = 0.1", "step_size = 0.1"),
        "integrators",
        "in Mine, step_size = 0.1 has no type and so is no option; write step_size: float = 0.1",
    ),
    "no type, in a subclass whose base is a dataclass": (
        METHOD.replace("class Mine", "class Base")
        + FROZEN
        + "\nclass Mine(Base):\n    '''Mine.'''\n    name: ClassVar[str] = 'mine'\n    step_size = 0.5\n",
        "integrators",
        "in Mine, step_size = 0.5 has no type",
    ),
    "no type, in a figure": (
        FIGURE.replace("    def draw", "    seeds = ()\n\n    def draw"),
        "figures",
        "in Mine, seeds = () has no type",
    ),
    "not frozen": (
        METHOD.replace(FROZEN, "@dataclass(frozen=False)").replace("gfc.StepMethod", "gfc.Integrator"),
        "integrators",
        "Mine does not define advance",
    ),
    "not frozen, otherwise right": (
        METHOD.replace(FROZEN, "@dataclass"),
        "integrators",
        "Mine is a dataclass that is not frozen: its options could change; put @dataclass(frozen=True)",
    ),
    "no step": (
        METHOD.replace("def step(", "def setp("),
        "integrators",
        "Mine does not define step (or step_block, for many steps in one call)",
    ),
    "no step size": (
        METHOD.replace("step_size: float = 0.1", "rate: float = 0.1"),
        "integrators",
        "Mine has no option step_size; write step_size: float = 0.01",
    ),
    "no title": (
        FIGURE.replace('title: ClassVar[str] = "Mine"', "pass"),
        "figures",
        "Mine has no class attribute 'title' that is text",
    ),
    "a title that is no text": (
        FIGURE.replace('title: ClassVar[str] = "Mine"', "title: ClassVar[int] = 3"),
        "figures",
        "Mine has no class attribute 'title' that is text",
    ),
}


@pytest.mark.usefixtures("fresh_registry")
@pytest.mark.parametrize(("source", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_in_the_declaration_is_refused(
    source: str, kind: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEAD + source + hook(kind))
    with pytest.raises(gfc.InputError) as caught:
        plugin_files.load_file(file)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"--plugin {file}: ")
    assert "mine" not in registry.registry().names(kind)  # type: ignore[arg-type]


@pytest.mark.usefixtures("fresh_registry")
@pytest.mark.parametrize(("source", "kind"), [(METHOD, "integrators"), (FIGURE, "figures")])
def test_the_same_without_the_mistake_is_taken(source: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEAD + source + hook(kind))
    plugin_files.load_file(file)
    assert "mine" in registry.registry().names(kind)  # type: ignore[arg-type]


def test_what_is_no_option_on_purpose_is_taken() -> None:
    @dataclass(frozen=True)
    class Right(gfc.StepMethod):
        """Allowed content of a body: constants, what a base declares, private names, functions."""

        ORDER = 1
        _cache = ()
        deterministic = False
        on_manifold = True
        name: ClassVar[str] = "right"
        step_size: float = 0.1
        helper = staticmethod(np.zeros_like)

        def step(self, problem, theta, solver_state, step_size):  # type: ignore[no-untyped-def]
            return theta, solver_state

    check_declaration(Right)
    assert list(Right.fields()) == ["step_size"]


def test_a_class_that_no_plugin_announces_is_checked_when_it_is_used() -> None:
    @dataclass
    class Thawed(gfc.StepMethod):
        """Not frozen."""

        name: ClassVar[str] = "thawed"
        step_size: float = 0.1

        def step(self, problem, theta, solver_state, step_size):  # type: ignore[no-untyped-def]
            return theta, solver_state

    with pytest.raises(gfc.InputError, match="Thawed is a dataclass that is not frozen"):
        gfc.Study("s", targets={"t": gfc.targets.Sine()}, integrators={"m": Thawed()})


# ---------------------------------------------------------------------------------------------------
# Commands of plugins
# ---------------------------------------------------------------------------------------------------

COMMANDS = '''
import typer

def add(app):
    @app.command()
    def say_hello(name: str, shout: bool = False):
        """Greet somebody."""
        print(f"hello, {name}")

    more = typer.Typer(name="more", help="A group.")

    @more.command()
    def one():
        """Say one."""
        print("one")

    @more.command()
    def two():
        """Say two."""
        print("two")

    app.add_typer(more)


@gfc.hookimpl
def gfcompare_commands():
    return [add]
'''


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A plugin file with a method and commands."""
    path = tmp_path / "commands.py"
    path.write_text(HEAD + METHOD + hook("integrators") + COMMANDS)
    return path


def test_commands_are_listed_beside_what_else_a_plugin_supplies(commands: Path) -> None:
    done = in_process("plugins", "--plugin", commands.name, cwd=commands.parent)
    assert done.returncode == 0, done.stderr
    for supplied in ("mine (integrators)", "say-hello (commands)", "more (commands)"):
        assert supplied in done.stdout


PLACES: list[Callable[[Path], list[object]]] = [
    lambda file: ["say-hello", "Ada", "--plugin", file],
    lambda file: ["say-hello", f"--plugin={file}", "Ada"],
    lambda file: ["--plugin", file, "say-hello", "Ada"],
    lambda file: [f"--plugin={file}", "say-hello", "--", "Ada"],
]


@pytest.mark.thorough
@pytest.mark.parametrize("arguments", PLACES)
def test_a_command_of_a_plugin_file_can_be_called(
    arguments: Callable[[Path], list[object]], commands: Path
) -> None:
    done = gfcompare(*arguments(commands))
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello, Ada\n", "")


@pytest.mark.thorough
def test_a_group_of_a_plugin_file_and_its_help(commands: Path) -> None:
    assert in_process("--plugin", commands, "more", "two").stdout == "two\n"
    helped = in_process("--help", "--plugin", commands).stdout
    assert "say-hello" in helped
    assert "A group." in helped
    assert in_process("--plugin", commands, "list", "integrators", "mine").returncode == 0
    refused(in_process("say-hello", "Ada"), "No such command 'say-hello'")
    refused(in_process("say-hello", "Ada", "--plugin", "no.py"), "no file 'no.py'")


def test_commands_that_cannot_be_added_do_not_take_the_rest_away(commands: Path) -> None:
    commands.write_text(commands.read_text().replace("def say_hello", "def run"))
    done = in_process("plugins", "--plugin", commands)
    assert done.returncode == 0
    cause = "its commands cannot be added: the command 'run' exists already"
    assert cause in " ".join(done.stderr.split())
    assert "mine (integrators)" in done.stdout
    assert "NOT USED: its commands" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["a\x1b[31mb"], ["run", "--a\x1b[31mb"], ["list", "figures", "a\u202eb"]]
)
def test_control_characters_in_arguments_are_shown_and_not_obeyed(arguments: list[str]) -> None:
    said = refused(in_process(*arguments))
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "a\\x1b[31mb" in said or "a\\u202eb" in said
