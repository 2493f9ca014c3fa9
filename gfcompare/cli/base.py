"""The application itself, and what its commands share: arguments, consoles, plugins from files."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from gfcompare.components.errors import InputError, printable
from gfcompare.system.paths import user_path


class _Group(TyperGroup):
    """The command itself, whose messages about wrong arguments show control characters as escapes."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _printable_message():
            return super().make_context(*args, **options)

    def invoke(self, *args: Any, **options: Any) -> Any:
        with _printable_message():
            return super().invoke(*args, **options)


@contextmanager
def _printable_message() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # One of click's, which typer has a copy of from some version on.
        if hasattr(error, "format_message") and isinstance(text := getattr(error, "message", None), str):
            error.message = printable(text)  # type: ignore[attr-defined]
        raise


app = typer.Typer(
    cls=_Group,
    name="gfcompare",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Compare gradient-flow integrators with gradient-descent methods on the training of ReLU networks. "
        "A study runs every method on the same targets from the same initial networks; the population risk "
        "and its gradient are integrated exactly. Start with: gfcompare run studies/quickstart.toml"
    ),
)


class _Console(Console):
    """A console on which text from a file, a plugin or an error can do nothing but be read."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return text with its markup, without what a terminal would obey."""
        return super().render_str(printable(text), **options)


out = _Console(highlight=False, soft_wrap=True)
err = _Console(stderr=True, highlight=False, soft_wrap=True)


def a_path(text: str) -> Path:
    """Return the path that an argument or option means; ``~`` is the home folder."""
    try:
        return user_path(text)
    except InputError as error:
        raise typer.BadParameter(str(error)) from None


StudyFile = Annotated[
    Path,
    typer.Argument(parser=a_path, metavar="STUDY", help="The study file (TOML).", show_default=False),
]
Result = Annotated[
    Path,
    typer.Argument(
        parser=a_path,
        metavar="RESULT",
        help="A result file, or the folder that holds it.",
        show_default=False,
    ),
]
Either = Annotated[
    Path,
    typer.Argument(
        parser=a_path,
        metavar="RESULT|STUDY",
        help="A result (file or folder) or a study file (TOML).",
        show_default=False,
    ),
]
ResultFolder = Annotated[
    Path | None,
    typer.Option(
        parser=a_path,
        metavar="DIR",
        help="Folder for the results. Without it they go to results/, under the study's name.",
    ),
]
Jobs = Annotated[
    int | None, typer.Option(metavar="N", help="Worker processes. Without it, one for each core.")
]
Force = Annotated[bool, typer.Option("--force", help="Compute everything, also the cells that are finished.")]
Traceback = Annotated[
    bool,
    typer.Option("--traceback", help="Show where a method raises an error, instead of recording it."),
]
PluginFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        parser=a_path,
        metavar="FILE",
        help="Also load this Python file as a plugin. May be repeated.",
    ),
]


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes each field of a parameter that is a NamedTuple as an option of its own.

    Options that belong together are one parameter of the function; the command line has them one by one.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters = inspect.signature(command).parameters
    groups = {key: hints[key] for key in parameters if hasattr(hints[key], "_fields")}
    options: list[inspect.Parameter] = []
    for key, parameter in parameters.items():
        if key not in groups:
            options.append(parameter.replace(annotation=hints[key]))
            continue
        types = get_type_hints(groups[key], include_extras=True)
        options += [
            inspect.Parameter(
                field,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=groups[key]._field_defaults[field],
                annotation=types[field],
            )
            for field in groups[key]._fields
        ]

    @functools.wraps(command)
    def called(**given: Any) -> None:
        collected = {
            key: group(**{field: given.pop(field) for field in group._fields})
            for key, group in groups.items()
        }
        command(**given, **collected)

    called.__signature__ = inspect.Signature(options, return_annotation=None)  # type: ignore[attr-defined]
    called.__annotations__ = {option.name: option.annotation for option in options} | {"return": None}
    del called.__wrapped__
    return called


def load_plugins(files: list[Path] | None) -> None:
    """Register the plugins in some files."""
    if files:
        from gfcompare.hooks.plugin_files import load_file

        for file in files:
            load_file(file)


def from_here(path: Path) -> Path:
    """Return a path as it is shown: from the current folder if it lies below it."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):  # it lies elsewhere, or the folder was removed
        return path


def count(number: int, what: str) -> str:
    """Return a number of things: one cell, two cells."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def plain(text: str) -> str:
    """Keep square brackets in names from being read as markup."""
    from rich.markup import escape

    return escape(text)
