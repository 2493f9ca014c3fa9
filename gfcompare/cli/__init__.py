"""The command line. Every error of the user is one message and exit code 2, never a traceback.

Only what `--help` needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any

import typer

from gfcompare import __version__, process_end
from gfcompare.cli import (  # noqa: F401  (they add their commands)
    precision,
    reporting,
    running,
    showing,
    tabulating,
    verifying,
)
from gfcompare.cli.base import app, err, out, plain
from gfcompare.errors import FOREIGN_ERRORS, InputError, RunError, cause_of
from gfcompare.sources import name_and_version


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        out.print(f"gfcompare {__version__}")
        raise typer.Exit


def _add_third_party_commands(arguments: Sequence[str]) -> None:
    """Add the commands of plugins, only if one of them may be meant: loading plugins takes a second."""
    first = next((a for a in arguments if not a.startswith("-")), None)
    if first in {_command_name(c) for c in app.registered_commands}:
        return
    found = metadata.entry_points(group="gfcompare")
    if all(name_and_version(entry.dist)[0] == "gfcompare" for entry in found):
        return
    from gfcompare.plugins import registry

    own = list(app.registered_commands)
    taken = {_command_name(c) for c in own} | {str(g.name) for g in app.registered_groups}
    for plugin, add in list(registry().commands):
        before = list(app.registered_commands)
        try:
            add(app)
            clash = taken & {_command_name(c) for c in app.registered_commands if c not in before}
            if clash:
                raise InputError(f"the command {min(clash)!r} exists already")
        except FOREIGN_ERRORS as error:  # a broken plugin must not stop the others
            app.registered_commands[:] = before
            cause = str(error) if isinstance(error, InputError) else cause_of(error)
            registry().refuse(plugin, f"its commands cannot be added: {cause}")
        taken |= {_command_name(c) for c in app.registered_commands}


def _command_name(command: Any) -> str:
    return str(command.name or getattr(command.callback, "__name__", "").replace("_", "-"))


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Show a warning on one line."""
    err.print(f"[yellow]warning:[/yellow] {plain(str(message))}")


def _prepare_streams() -> None:
    """Let whatever is printed be printed: closed streams lead nowhere, characters that they lack are escaped.

    Nothing that is computed may be lost to a terminal that cannot show a name.
    """
    if None in (sys.stdout, sys.stderr):
        # A file that is opened next would get the number of the closed stream, and what is printed by C.
        while os.open(os.devnull, os.O_RDWR) <= 2:
            pass
        sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 if all went well, 2 for a wrong input, 130 after Ctrl-C.

    1 is for what is nobody's input: workers that died, a full disk, a method that failed on every
    trajectory. What was computed is kept.
    """
    if arguments is None:  # this process is there for the command alone
        process_end.end_at_interrupt()
    _prepare_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    warnings.showwarning = show_warning
    try:
        _add_third_party_commands(given)
        code = app(args=given, prog_name="gfcompare", standalone_mode=True)
    except InputError as error:
        err.print(f"[red]error:[/red] {plain(str(error))}")
        code = 2
    except (RunError, OSError) as error:
        err.print(f"[red]error:[/red] {plain(str(error))}")
        code = 1
    except KeyboardInterrupt:
        process_end.ignore_interrupts()
        err.print("Stopped.")
        code = 130
    except SystemExit as end:
        code = end.code
    if arguments is None:
        process_end.end_in_spite_of_threads(code if isinstance(code, int) else int(code is not None))
    sys.exit(code)
