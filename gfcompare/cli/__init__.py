"""The command line. Every error of the user is one message and exit code 2, never a traceback.

Only what `--help` needs is imported here; each command imports the rest when it runs.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer

from gfcompare.cli import (  # noqa: F401  (they add their commands)
    certifying,
    check,
    diagnosing,
    landscape,
    merging,
    new_plugin,
    precision,
    reporting,
    running,
    showing,
    tabulating,
    verifying,
)
from gfcompare.cli.base import PluginFiles, app, err, load_plugins, out, plain
from gfcompare.cli.extending import third_party_commands
from gfcompare.components.errors import InputError, RunError
from gfcompare.components.versions import VERSION
from gfcompare.system import process_end


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    plugin: PluginFiles = None,
) -> None:
    load_plugins(plugin)
    if version:
        out.print(f"gfcompare {VERSION}")
        raise typer.Exit


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


def _say(text: str) -> None:
    """Print a last message; where that is impossible, as on the full disk that it tells of, there is none."""
    with suppress(OSError):
        err.print(text)


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
        code = app(args=third_party_commands(given), prog_name="gfcompare", standalone_mode=True)
    except InputError as error:
        _say(f"[red]error:[/red] {plain(str(error))}")
        code = 2
    except (RunError, OSError) as error:
        _say(f"[red]error:[/red] {plain(str(error))}")
        code = 1
    except KeyboardInterrupt:
        process_end.ignore_interrupts()
        _say("Stopped.")
        code = 130
    except SystemExit as end:
        code = end.code
        # Typer makes Ctrl-C an exit, and says nothing; a command that has said what is kept hides the cause.
        if isinstance(end.__context__ and end.__context__.__cause__, KeyboardInterrupt):
            process_end.ignore_interrupts()
            _say("Stopped.")
    if arguments is None:
        process_end.ignore_interrupts()  # all is done; Python would die of one now
        process_end.forget_interrupt()
        process_end.end_in_spite_of_threads(code if isinstance(code, int) else int(code is not None))
    sys.exit(code)
