"""Discovery of plugins: every built-in and third-party component comes in through here.

Nothing is loaded when gfcompare is imported, only when something is first looked up by name. A plugin
that cannot be loaded is a warning that names it; everything else works.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import inspect
import json
import re
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy

from gfcompare.components import fingerprint
from gfcompare.components.class_checks import check_declaration
from gfcompare.components.component import Component, class_identity, require, without_addresses
from gfcompare.components.errors import (
    FOREIGN_ERRORS,
    LONGEST_NAME,
    InputError,
    cause_of,
    is_name,
    known_name,
    normalized,
    unknown_name,
)
from gfcompare.components.versions import versions
from gfcompare.diagnostics import Quantity
from gfcompare.diagnostics.base import check_quantity
from gfcompare.evaluators.base import Evaluator
from gfcompare.hooks import hookspecs
from gfcompare.initializations import Initialization
from gfcompare.integrators.base import Integrator, check_follows
from gfcompare.integrators.steps import StepMethod, check_step_method
from gfcompare.measures import Measure
from gfcompare.system.module_path import add_folder
from gfcompare.system.paths import user_path
from gfcompare.targets import Target

GROUP = "gfcompare"

# A name is a key of a study file and, for a figure, a file's name.
_NAME = re.compile(r"\w[\w.+-]*")

#: The kinds of component, each with the hook `gfcompare_<kind>`.
Kind = Literal[
    "integrators", "targets", "measures", "evaluators", "initializations", "diagnostics", "figures"
]
KINDS: tuple[Kind, ...] = (
    "integrators",
    "targets",
    "measures",
    "evaluators",
    "initializations",
    "diagnostics",
    "figures",
)

# Figures are looked at by name only: gfcompare.figures lies above this module.
_BASES: dict[str, type[Any]] = {
    "integrators": Integrator,
    "targets": Target,
    "measures": Measure,
    "evaluators": Evaluator,
    "initializations": Initialization,
    "diagnostics": Quantity,
    "figures": Component,
}


class PluginWarning(UserWarning):
    """A plugin could not be used; its distribution, version and the cause are named."""


@dataclass(frozen=True)
class Plugin:
    """A plugin that was found.

    Attributes
    ----------
    name : the entry point's name, or the file
    distribution : name of the distribution it came with, or the path of the file
    version : of that distribution, or the hash of the file
    error : why it could not be used; empty if it is in use
    """

    name: str
    distribution: str
    version: str
    error: str = ""

    @property
    def label(self) -> str:
        """The plugin with its origin, for messages."""
        return f"{self.name!r} of {self.distribution} {self.version}"


@dataclass
class Registry:
    """Every component by kind and name, and the plugins they came from."""

    plugins: list[Plugin] = field(default_factory=list)
    commands: list[tuple[Plugin, Any]] = field(default_factory=list)
    _components: dict[str, dict[str, type[Any]]] = field(default_factory=lambda: {k: {} for k in KINDS})
    _origins: dict[tuple[str, str], Plugin] = field(default_factory=dict)

    def names(self, kind: Kind) -> list[str]:
        """Return every name of a kind, sorted."""
        return sorted(self._components[kind])

    def get(self, kind: Kind, name: str) -> type[Any]:
        """Return a component class, or raise InputError naming the nearest one."""
        return self._components[kind][known_name(kind.removesuffix("s"), name, list(self._components[kind]))]

    def all(self, kind: Kind) -> list[type[Any]]:
        """Return every component class of a kind, in order of registration."""
        return list(self._components[kind].values())

    def origin(self, kind: Kind, name: str) -> Plugin:
        """Return the plugin a component came from."""
        return self._origins[kind, name]

    def load(self, plugin: Plugin, module: ModuleType) -> None:
        """Take in everything a module announces, or nothing and a warning if any of it is wrong."""
        try:
            found, commands = _announced(module)
            for kind, components in found.items():
                self._check(kind, components)
        except FOREIGN_ERRORS as error:  # a broken plugin must not stop the host
            self.refuse(plugin, _cause(error))
            return
        self.adopt(plugin, found)
        self.commands += [(plugin, command) for command in commands]

    def adopt(self, plugin: Plugin, found: dict[Kind, list[type[Any]]]) -> None:
        """Take in components that have been checked."""
        for kind, components in found.items():
            for component in components:
                self._components[kind][component.name] = component
                self._origins[kind, component.name] = plugin
        self.plugins.append(plugin)

    def refuse(self, plugin: Plugin, cause: str) -> None:
        """Record a plugin that cannot be used, and warn."""
        refused = Plugin(plugin.name, plugin.distribution, plugin.version, error=cause)
        self.plugins = [p for p in self.plugins if p != plugin] + [refused]
        warnings.warn(
            f"plugin {plugin.label} is not used: {cause.rstrip('.')}. "
            f"Update or remove it (python -m pip uninstall {plugin.distribution}).",
            PluginWarning,
            stacklevel=2,
        )

    def _check(self, kind: Kind, components: Iterable[type[Any]]) -> None:
        own: set[str] = set()
        for component in components:
            _check_class(kind, component)
            name = component.name
            if name in self._components[kind]:
                other = self._origins[kind, name]
                raise InputError(f"the name {name!r} in {kind} is already taken by {other.label}")
            if name in own:
                raise InputError(f"the name {name!r} occurs twice in {kind}")
            own.add(name)


def _check_class(kind: Kind, component: Any) -> None:
    """Raise InputError unless a class can be used as a component of a kind."""
    base = _BASES[kind]
    if not inspect.isclass(component):
        raise InputError(f"gfcompare_{kind} must return classes, got {component!r}")
    if not issubclass(component, base):
        wanted = "Diagnostic" if base is Quantity else base.__name__
        raise InputError(f"{component.__name__} in gfcompare_{kind} is not a gfcompare.{wanted}")
    name = getattr(component, "name", None)
    if not isinstance(name, str) or not name:
        raise InputError(f"{component.__name__} has no class attribute 'name'")
    if issubclass(component, Integrator):
        check_follows(component)
    if issubclass(component, Evaluator):
        _check_evaluator(component)
        return
    _check_name(component, name)
    if issubclass(component, Quantity):
        check_quantity(component)
    if inspect.isabstract(component):
        missing = ", ".join(sorted(getattr(component, "__abstractmethods__", ())))
        raise InputError(f"{component.__name__} does not define {missing}")
    check_declaration(component)
    if issubclass(component, StepMethod):
        check_step_method(component)
    if kind == "figures" and not isinstance(getattr(component, "title", None), str):
        raise InputError(f"{component.__name__} has no class attribute 'title' that is text")


def _check_evaluator(component: type[Evaluator]) -> None:
    """Raise InputError unless a class is a concrete evaluator that says which measures it is for."""
    measures = getattr(component, "measures", None)
    right = isinstance(measures, tuple) and measures
    if not (right and all(inspect.isclass(m) and issubclass(m, Measure) for m in measures or ())):
        raise InputError(
            f"{component.__name__} has no class attribute 'measures' that is a tuple of classes of measures, "
            "such as measures = (MyMeasure,)"
        )
    if inspect.isabstract(component):
        missing = ", ".join(sorted(getattr(component, "__abstractmethods__", ())))
        raise InputError(f"{component.__name__} does not define {missing}")


def _check_name(component: type[Any], name: str) -> None:
    """Raise InputError unless a name can stand in a study file and name a file, and is no option."""
    if not _NAME.fullmatch(name) or not is_name(name) or name != normalized(name):
        raise InputError(
            f"{component.__name__} has the name {name!a}; a name has letters, digits, '_', '-', '.' and '+', "
            f"starts with a letter, a digit or '_', has at most {LONGEST_NAME} characters, and is composed "
            "Unicode (NFC)"
        )
    if "name" in component.fields():
        raise InputError(
            f"in {component.__name__}, 'name' is an option that each object may have differently; "
            f"write name: ClassVar[str] = {name!r}"
        )


def _announced(module: ModuleType) -> tuple[dict[Kind, list[type[Any]]], list[Any]]:
    """Return what a module's hooks announce, by kind, and its commands."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    known = {name for name in dir(hookspecs) if name.startswith("gfcompare_")}
    for name, value in vars(module).items():
        if name.startswith("gfcompare_") and inspect.isroutine(value):
            if name not in known:
                raise unknown_name("hook", name, known)
            if not hasattr(value, f"{GROUP}_impl"):
                raise InputError(f"{name} is not marked with @gfcompare.hookimpl")
    manager.check_pending()
    found = {kind: _results(manager, f"gfcompare_{kind}") for kind in KINDS}
    commands = _results(manager, "gfcompare_commands")
    for command in commands:
        if not callable(command):
            raise InputError(f"gfcompare_commands must return functions, got {command!r}")
    if not any(found.values()) and not commands:
        raise InputError(
            "it announces nothing; mark a function such as gfcompare_integrators with @gfcompare.hookimpl "
            "and let it return a list of classes"
        )
    return found, commands


def _results(manager: pluggy.PluginManager, hook: str) -> list[Any]:
    """Return the elements of what a hook returns, or raise InputError if it is not a list."""
    caller = getattr(manager.hook, hook)
    results = caller()
    if len(results) < len(caller.get_hookimpls()):  # pluggy leaves out None
        raise InputError(f"{hook} must return a list, got None")
    for result in results:
        if isinstance(result, str) or not isinstance(result, Iterable):
            raise InputError(f"{hook} must return a list, got {result!r}")
    return [item for result in results for item in result]


def _cause(error: BaseException) -> str:
    """Return an error as text: what gfcompare says itself as it is, anything else with its type."""
    return str(error) if isinstance(error, InputError) else cause_of(error)


_registry: Registry | None = None
_files: dict[Path, ModuleType] = {}


def registry() -> Registry:
    """Return every plugin's components, loading the plugins on the first call."""
    global _registry
    if _registry is None:
        found = Registry()
        for entry_point, plugin in entry_points():
            try:
                module = entry_point.load()
            except FOREIGN_ERRORS as error:  # anything can go wrong in somebody else's module
                found.refuse(plugin, _cause(error))
                continue
            found.load(plugin, module)
        _registry = found
    return _registry


def entry_points() -> list[tuple[metadata.EntryPoint, Plugin]]:
    """Return the entry points of every installed plugin, gfcompare's own first, without loading any."""
    found = {}
    for entry_point in metadata.entry_points(group=GROUP):
        name, version = fingerprint.name_and_version(entry_point.dist)
        found[entry_point.name, entry_point.value, name] = (
            entry_point,
            Plugin(entry_point.name, name, version),
        )
    return sorted(found.values(), key=lambda pair: (pair[1].distribution != "gfcompare", pair[1].name))


def load_file(path: str | Path) -> None:
    """Load a plugin that is a single Python file.

    Raises
    ------
    InputError
        if the file does not exist, cannot be executed or announces something wrong: it was asked for by
        name, so a warning would not do
    """
    file = user_path(path).resolve()
    if file in _files:
        return
    if not file.is_file():
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
        raise InputError(f"--plugin {path}: {_other_neighbour(file) or _cause(error)}") from error
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


def integrator(name: str, /, **options: Any) -> Integrator:
    """Return a method by name, such as ``integrator("standard-gf", rtol=1e-8)``.

    Raises
    ------
    InputError
        for an unknown name or option, or a value out of range

    Examples
    --------
    >>> import gfcompare as gfc
    >>> gfc.integrator("standard-gf", rtol=1e-8).rtol
    1e-08
    >>> gfc.integrator("gd", stepsize=0.1)
    Traceback (most recent call last):
    gfcompare.components.errors.InputError: unknown option of 'gd': 'stepsize'. Did you mean 'step_size'? ...
    """
    require(isinstance(name, str), f"the name of a method must be text, such as 'gd', got {name!r}.")
    cls = registry().get("integrators", name)
    fields = [f.name for f in dataclasses.fields(cls) if f.init]
    for option in options:
        if option not in fields:
            raise unknown_name(f"option of {name!r}:", option, fields)
    try:
        found: Integrator = cls(**options)
    except InputError as error:
        raise error.within(f"integrator {name!r}") from None
    except TypeError as error:  # a required option is missing
        raise InputError(f"integrator {name!r}: {error}") from None
    return found


def provenance(component: object) -> dict[str, Any]:
    """Return where a component's class comes from, down to the code: what its numbers depend on."""
    cls: type[Any] = type(component)
    origin = origin_of(cls)
    # A file is known by its content: moving it changes nothing.
    about = (cls.__module__, "") if origin is None else (Path(origin.distribution).name, origin.version)
    return {
        "class": cls.__qualname__,
        "name": getattr(cls, "name", ""),
        "distribution": about[0],
        "version": about[1],
        "code": code_identity(cls),
        "libraries": versions({*cls.libraries, *_imported(cls)} if isinstance(component, Component) else ()),
    }


def _imported(cls: type[Any]) -> frozenset[str]:
    """Return the top-level names that the file of a component imports, none for gfcompare's own modules."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    own = cls.__module__.partition(".")[0] == GROUP
    return frozenset() if own or not file or not Path(file).is_file() else fingerprint.imports_of(Path(file))


def code_identity(cls: type[Any]) -> list[Any]:
    """Return what the code of a component is known by; nothing for gfcompare's own, in its fingerprint.

    A version says too little: in an editable installation the code changes and the version does not. The
    source says too little: a function can make two classes that differ in what they close over.
    """
    if cls.__module__.partition(".")[0] == GROUP:
        return []
    code = without_addresses(json.dumps(class_identity(cls), sort_keys=True))
    return [hashlib.sha256(code.encode()).hexdigest()[:12], hashed_files(cls)]


def hashed_files(cls: type[Any]) -> fingerprint.Hashes:
    """Return the files that take part in the identity of a component, by name, without gfcompare's own."""
    found: fingerprint.Hashes = {}
    for base in cls.__mro__:
        module = base.__module__
        if not fingerprint.is_library(module) or module == "__main__":
            found |= fingerprint.reachable(module)
        elif module.partition(".")[0] not in (GROUP, *sys.stdlib_module_names):
            found |= fingerprint.module_file(module)
    origin = origin_of(cls)
    if origin is not None and origin.distribution != GROUP:
        found |= fingerprint.distribution_files(origin.distribution)
    return found


def origin_of(cls: type[Any]) -> Plugin | None:
    """Return the plugin that announces a class, if one does."""
    for kind in KINDS:
        if cls in registry().all(kind):
            return registry().origin(kind, cls.name)
    return None
