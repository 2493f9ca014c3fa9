"""Plugins that are single Python files: loaded by path, and carried to worker processes."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from gfcompare.components import fingerprint
from gfcompare.components.component import require
from gfcompare.components.errors import FOREIGN_ERRORS, InputError
from gfcompare.hooks.announced import GROUP
from gfcompare.hooks.hookspecs import Kind
from gfcompare.hooks.registry import Plugin, PluginWarning, message_of, registry
from gfcompare.system.module_path import add_folder
from gfcompare.system.paths import user_path

_files: dict[Path, ModuleType] = {}


def load_file(path: str | Path) -> None:
    """Load a plugin that is a single Python file.

    Raises
    ------
    InputError
        if the file does not exist, cannot be executed or announces something wrong: it was asked for by
        name, so a warning would not do
    """
    try:
        file = user_path(path).resolve()
        there = file.is_file()
    except OSError as error:  # such as a name that is too long
        raise InputError(f"--plugin: {str(path)!r:.200}: {error.strerror}.") from None
    if file in _files:
        return
    if not there:
        raise InputError(f"--plugin: no file {str(path)!r}.")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    name = f"gfcompare_plugin_{file.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError(f"--plugin: {str(path)!r} is not a Python file (.py).")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    add_folder(file.parent)
    try:
        spec.loader.exec_module(module)
        require(not (other := _other_neighbour(file)), other)
    except FOREIGN_ERRORS as error:
        del sys.modules[name]
        raise InputError(f"--plugin {path}: {_other_neighbour(file) or _with_line(error, file)}") from error
    # Workers of a study get the classes themselves: they cannot import the file by its name.
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)
    found = registry()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        found.load(Plugin(file.name, str(file), digest), module)
    if found.plugins[-1].error:
        raise InputError(f"--plugin {path}: {found.plugins.pop().error}")
    _files[file] = module


def _with_line(error: BaseException, file: Path) -> str:
    """Return an error as text, with the last line of the file that led to it."""
    lines = [line.lineno for line in traceback.extract_tb(error.__traceback__) if line.filename == str(file)]
    return f"{message_of(error)}{f' (line {lines[-1]})' if lines else ''}"


def _other_neighbour(file: Path) -> str:
    """Return what is wrong if a plugin file has imported another module than that of this name in its folder.

    A module of another plugin's folder is known by the name already, or there is such a library.
    """
    for name in sorted(fingerprint.imports_of(file) - {GROUP, *sys.stdlib_module_names}):
        found = getattr(sys.modules.get(name), "__file__", None)
        beside = [file.parent / f"{name}.py", file.parent / name / "__init__.py"]
        neighbour = next((path for path in beside if path.is_file()), None)
        if found and neighbour and Path(found).resolve() != neighbour.resolve():
            return f"{name!r} is imported from {found}, not from beside the plugin. Rename the file there."
    return ""


#: Diagnostics and evaluators of plugins that are files, with the plugin they come from.
Carried = list[tuple[Plugin, dict[Kind, list[type[Any]]]]]


def carried() -> Carried:
    """Return what a worker process looks up by name and would not find: it does not load these files."""
    found = registry()
    files = {str(file) for file in _files}
    kinds: tuple[Kind, ...] = ("diagnostics", "evaluators")
    return [
        (
            plugin,
            {kind: [c for c in found.all(kind) if found.origin(kind, c.name) == plugin] for kind in kinds},
        )
        for plugin in found.plugins
        if plugin.distribution in files
    ]


def adopt(given: Carried) -> None:
    """Take in what `carried` has returned in another process, unless it is there."""
    found = registry()
    for plugin, components in given:
        if plugin not in found.plugins:
            found.adopt(plugin, components)
