"""Commands of plugins: added when one of them may be meant, because loading plugins takes a second."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gfcompare.cli.base import app, load_plugins
from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of
from gfcompare.components.fingerprint import name_and_version
from gfcompare.system.paths import user_path

if TYPE_CHECKING:
    from gfcompare.hooks.registry import Plugin

_OPTION = "--plugin"


def third_party_commands(arguments: Sequence[str]) -> list[str]:
    """Add the commands of plugins if one of them may be meant; return the arguments without these plugins.

    Plugins in files are those that ``--plugin`` names, before or after the command: a command that comes
    from such a file does not exist before it is loaded, and need not have the option.
    """
    files, rest = _plugin_files(arguments)
    first = next((a for a in rest if not a.startswith("-")), None)
    if first in command_names():
        return list(arguments)
    installed = metadata.entry_points(group="gfcompare")
    if files or any(name_and_version(entry.dist)[0] != "gfcompare" for entry in installed):
        load_plugins(files)
        add_commands()
    return rest


def _plugin_files(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return the files that --plugin names, and the other arguments."""
    files: list[str] = []
    rest: list[str] = []
    given = iter(arguments)
    for argument in given:
        if argument == "--":
            return [user_path(file) for file in files], [*rest, argument, *given]
        if argument.startswith(f"{_OPTION}="):
            files.append(argument.removeprefix(f"{_OPTION}="))
        elif argument == _OPTION and (file := next(given, None)) is not None:
            files.append(file)
        else:
            rest.append(argument)
    return [user_path(file) for file in files], rest


def command_names() -> set[str]:
    """Return the names of all commands and groups of commands."""
    return {_name(c) for c in app.registered_commands} | {_name(g) for g in app.registered_groups}


def _name(command: Any) -> str:
    """Return the name of a command, or of a group: of that, what it was added as, or its own."""
    own = getattr(getattr(getattr(command, "typer_instance", None), "info", None), "name", None)
    for name in (command.name, own):
        if isinstance(name, str):
            return name
    return str(getattr(command.callback, "__name__", "")).replace("_", "-")


_found: dict[Plugin, list[str]] = {}


def add_commands() -> dict[Plugin, list[str]]:
    """Add the commands of all plugins that are loaded; return for each plugin what they are, as text.

    A function that raises, or adds a command that is there already, adds nothing and is a warning. What
    else its plugin supplies is used.
    """
    from gfcompare.hooks.registry import PluginWarning, registry

    commands = registry().commands
    while commands:
        plugin, add = commands.pop(0)
        said = _found.setdefault(plugin, [])
        before = list(app.registered_commands), list(app.registered_groups)
        taken = command_names()
        try:
            add(app)
            new = [_name(c) for c in app.registered_commands if c not in before[0]]
            new += [_name(g) for g in app.registered_groups if g not in before[1]]
            if clash := taken & set(new):
                raise InputError(f"the command {min(clash)!r} exists already")
        except FOREIGN_ERRORS as error:  # a broken plugin must not stop the others
            app.registered_commands[:], app.registered_groups[:] = before
            cause = str(error) if isinstance(error, InputError) else cause_of(error)
            said.append(f"NOT USED: its commands cannot be added: {cause}")
            warnings.warn(
                f"plugin {plugin.label}: its commands cannot be added: {cause}", PluginWarning, stacklevel=2
            )
        else:
            said += [f"{name} (commands)" for name in new]
    return _found
