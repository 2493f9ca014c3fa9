"""Discovery of plugins: every built-in and third-party component comes in through here.

Nothing is loaded when gfcompare is imported, only when something is first looked up by name. A plugin
that cannot be loaded is a warning that names it; everything else works.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import metadata
from types import ModuleType
from typing import Any

from gfcompare.components import fingerprint
from gfcompare.components.component import require
from gfcompare.components.errors import FOREIGN_ERRORS, InputError, cause_of, known_name, unknown_name
from gfcompare.hooks.announced import GROUP, announced, check_class
from gfcompare.hooks.hookspecs import KINDS, Kind
from gfcompare.integrators.base import Integrator


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
            found, commands = announced(module)
            for kind, components in found.items():
                self._check(kind, components)
        except FOREIGN_ERRORS as error:  # a broken plugin must not stop the host
            self.refuse(plugin, message_of(error))
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
            check_class(kind, component)
            name = component.name
            if name in self._components[kind]:
                other = self._origins[kind, name]
                raise InputError(f"the name {name!r} in {kind} is already taken by {other.label}")
            if name in own:
                raise InputError(f"the name {name!r} occurs twice in {kind}")
            own.add(name)


def message_of(error: BaseException) -> str:
    """Return an error as text: what gfcompare says itself as it is, anything else with its type."""
    return str(error) if isinstance(error, InputError) else cause_of(error)


_registry: Registry | None = None


def registry() -> Registry:
    """Return every plugin's components, loading the plugins on the first call."""
    global _registry
    if _registry is None:
        found = Registry()
        for entry_point, plugin in entry_points():
            try:
                module = entry_point.load()
            except FOREIGN_ERRORS as error:  # anything can go wrong in somebody else's module
                found.refuse(plugin, message_of(error))
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
