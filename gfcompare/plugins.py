"""Discovery of plugins: every built-in and third-party component comes in through here.

Nothing is loaded when gfcompare is imported, only when something is first looked up by name. A plugin
that cannot be loaded is a warning that names it; everything else works.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pluggy

from gfcompare import __version__, hookspecs
from gfcompare.errors import InputError, unknown_name
from gfcompare.interface import Integrator

GROUP = "gfcompare"

#: The kinds of component, each with the hook `gfcompare_<kind>`.
Kind = Literal["integrators", "targets", "measures", "initializations", "diagnostics", "figures"]
KINDS: tuple[Kind, ...] = (
    "integrators",
    "targets",
    "measures",
    "initializations",
    "diagnostics",
    "figures",
)


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
    commands: list[Any] = field(default_factory=list)
    _components: dict[str, dict[str, type[Any]]] = field(default_factory=lambda: {k: {} for k in KINDS})
    _origins: dict[tuple[str, str], Plugin] = field(default_factory=dict)

    def names(self, kind: Kind) -> list[str]:
        """Return every name of a kind, sorted."""
        return sorted(self._components[kind])

    def get(self, kind: Kind, name: str) -> type[Any]:
        """Return a component class, or raise InputError naming the nearest one."""
        found = self._components[kind].get(name)
        if found is None:
            raise unknown_name(kind.removesuffix("s"), name, self._components[kind])
        return found

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
        except Exception as error:  # a broken plugin must not stop the host
            self.refuse(plugin, f"{type(error).__name__}: {error}")
            return
        for kind, components in found.items():
            for component in components:
                self._components[kind][component.name] = component
                self._origins[kind, component.name] = plugin
        self.commands += commands
        self.plugins.append(plugin)

    def refuse(self, plugin: Plugin, cause: str) -> None:
        """Record a plugin that cannot be used, and warn."""
        self.plugins.append(Plugin(plugin.name, plugin.distribution, plugin.version, error=cause))
        warnings.warn(
            f"plugin {plugin.label} is not used: {cause}. "
            f"Update or remove it (python -m pip uninstall {plugin.distribution}).",
            PluginWarning,
            stacklevel=2,
        )

    def _check(self, kind: str, components: Iterable[type[Any]]) -> None:
        own: set[str] = set()
        for component in components:
            if not inspect.isclass(component):
                raise TypeError(f"gfcompare_{kind} must return classes, got {component!r}")
            name = getattr(component, "name", None)
            if not isinstance(name, str) or not name:
                raise TypeError(f"{component.__name__} has no class attribute 'name'")
            if inspect.isabstract(component):
                missing = ", ".join(sorted(component.__abstractmethods__))
                raise TypeError(f"{component.__name__} does not define {missing}")
            if name in self._components[kind]:
                other = self._origins[kind, name]
                raise ValueError(f"the name {name!r} in {kind} is already taken by {other.label}")
            if name in own:
                raise ValueError(f"the name {name!r} occurs twice in {kind}")
            own.add(name)


def _announced(module: ModuleType) -> tuple[dict[str, list[type[Any]]], list[Any]]:
    """Return what a module's hooks announce, by kind, and its commands."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    known = {name for name in dir(hookspecs) if name.startswith("gfcompare_")}
    for name in dir(module):
        if name.startswith("gfcompare_") and name not in known and callable(getattr(module, name)):
            raise unknown_name("hook", name, known)
    manager.check_pending()
    found = {
        kind: [item for result in getattr(manager.hook, f"gfcompare_{kind}")() for item in result]
        for kind in KINDS
    }
    commands = [item for result in manager.hook.gfcompare_commands() for item in result]
    if not any(found.values()) and not commands:
        raise ValueError(
            "it implements no hook; mark a function such as gfcompare_integrators with @gfcompare.hookimpl"
        )
    return found, commands


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
            except Exception as error:  # anything can go wrong in somebody else's module
                found.refuse(plugin, f"{type(error).__name__}: {error}")
                continue
            found.load(plugin, module)
        _registry = found
    return _registry


def entry_points() -> list[tuple[metadata.EntryPoint, Plugin]]:
    """Return the entry points of every installed plugin, gfcompare's own first, without loading any."""
    found = {}
    for entry_point in metadata.entry_points(group=GROUP):
        distribution = entry_point.dist
        name = distribution.name if distribution else "an unknown distribution"
        version = distribution.version if distribution else ""
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
    file = Path(path).resolve()
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
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(f"--plugin {path}: {type(error).__name__}: {error}") from error
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


def integrator(name: str, **options: Any) -> Integrator:
    """Return a method by name, such as ``integrator("standard-gf", rtol=1e-8)``.

    Raises
    ------
    InputError
        for an unknown name or option, or a value out of range
    """
    cls = registry().get("integrators", name)
    fields = getattr(cls, "__dataclass_fields__", {})
    for option in options:
        if option not in fields:
            raise unknown_name(f"option of integrator {name!r}:", option, fields)
    found: Integrator = cls(**options)
    return found


def provenance(component: object) -> dict[str, str]:
    """Return where a component's class comes from: distribution and version, or a hash of its source."""
    cls = type(component)
    for kind in KINDS:
        if cls in registry().all(kind):
            origin = registry().origin(kind, cls.name)
            return {"class": cls.__qualname__, "distribution": origin.distribution, "version": origin.version}
    if cls.__module__.split(".")[0] == "gfcompare":
        return {"class": cls.__qualname__, "distribution": "gfcompare", "version": __version__}
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):
        import cloudpickle

        return {
            "class": cls.__qualname__,
            "distribution": cls.__module__,
            "version": hashlib.sha256(cloudpickle.dumps(cls)).hexdigest()[:12],
        }
    return {
        "class": cls.__qualname__,
        "distribution": cls.__module__,
        "version": hashlib.sha256(source.encode()).hexdigest()[:12],
    }
