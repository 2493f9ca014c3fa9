"""The checked announcements of a plugin's module: classes by kind, and commands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import pluggy

from gfcompare.components.class_checks import check_declaration
from gfcompare.components.component import Component
from gfcompare.components.errors import LONGEST_NAME, InputError, is_name, normalized, unknown_name
from gfcompare.diagnostics import Quantity
from gfcompare.diagnostics.base import check_quantity
from gfcompare.evaluators.base import Evaluator
from gfcompare.hooks import hookspecs
from gfcompare.hooks.hookspecs import KINDS, Kind
from gfcompare.initializations import Initialization
from gfcompare.integrators.base import Integrator, check_follows
from gfcompare.integrators.steps import StepMethod, check_step_method
from gfcompare.measures import Measure
from gfcompare.targets import Target

GROUP = "gfcompare"

# A name is a key of a study file and, for a figure, a file's name.
_NAME = re.compile(r"\w[\w.+-]*")

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


def check_class(kind: Kind, component: object) -> None:
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


def announced(module: ModuleType) -> tuple[dict[Kind, list[type[Any]]], list[Any]]:
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
