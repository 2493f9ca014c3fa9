"""The provenance of a component, down to the code on which its numbers depend."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from gfcompare.components import fingerprint
from gfcompare.components.component import Component
from gfcompare.components.identity import class_identity, without_addresses
from gfcompare.components.versions import versions
from gfcompare.hooks.announced import GROUP
from gfcompare.hooks.hookspecs import KINDS
from gfcompare.hooks.registry import Plugin, registry


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
