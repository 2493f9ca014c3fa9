"""The public face: what importing loads, what is exported, that everything is documented and typed."""

from __future__ import annotations

import ast
import importlib
import importlib.resources
import inspect
import pkgutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from public_names import is_public, names_used
from support import ROOT

import gfcompare as gfc

HEAVY = ("numba", "scipy", "xarray", "matplotlib", "seaborn", "pandas", "sksundae", "netCDF4")


def loaded_by(code: str) -> set[str]:
    """Return which heavy packages and plugins are loaded in a new process after `code`."""
    watched = (*HEAVY, "gfcompare_gd", "gfcompare_standard_gf")
    report = f"\nimport sys; print(*[m for m in {watched!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_importing_loads_nothing_heavy() -> None:
    assert loaded_by("import gfcompare; gfcompare.hookimpl; gfcompare.__version__") == set()


@pytest.mark.sampled
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["list", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        f"from gfcompare import cli\ntry: cli.main({arguments!r})\nexcept SystemExit as e: assert not e.code"
    )
    assert loaded_by(code) == set()


@pytest.mark.thorough
def test_listing_methods_does_not_load_drawing() -> None:
    code = "import gfcompare.hooks.registry as p; assert 'gd' in p.registry().names('integrators')"
    assert loaded_by(code) & {"matplotlib", "seaborn", "xarray"} == set()


@pytest.mark.parametrize("name", gfc.__all__)
def test_every_exported_name_resolves(name: str) -> None:
    assert getattr(gfc, name) is not None
    assert name in dir(gfc)


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="Studdy"):
        _ = gfc.Studdy


def test_all_is_sorted_and_complete() -> None:
    """What type checkers read is what there is."""
    (said,) = [
        ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "gfcompare" / "__init__.pyi").read_text()).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    assert gfc.__all__ == sorted(said)
    assert len(set(said)) == len(said)


def modules() -> list[types.ModuleType]:
    names = [m.name for m in pkgutil.walk_packages(gfc.__path__, "gfcompare.")]
    names += [path.stem for path in (ROOT / "plugins").glob("gfcompare_*.py")]
    return [importlib.import_module(n) for n in names if not n.startswith("gfcompare.kernels")]


def public(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the public functions and classes of a module, and the methods of the classes."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield f"{module.__name__}.{name}", value
        elif inspect.isclass(value):
            yield f"{module.__name__}.{name}", value
            for key, member in vars(value).items():
                function = (
                    member.fget
                    if isinstance(member, property)
                    else inspect.unwrap(getattr(member, "__func__", member))
                )
                own = inspect.isfunction(function) and function.__code__.co_filename == module.__file__
                if own and not key.startswith("_"):  # matplotlib and dataclasses make some up
                    yield f"{module.__name__}.{name}.{key}", function


PUBLIC = dict(item for module in modules() for item in public(module))


def test_there_is_something_public() -> None:
    assert len(PUBLIC) > 150


def undocumented(value: Any) -> str:
    """Return what is missing of the docstring and the types of a function or class, empty if nothing is."""
    if not inspect.getdoc(value):
        return "no docstring"
    if not inspect.isfunction(value):
        return ""
    signature = inspect.signature(value)
    untyped = [
        p.name
        for p in signature.parameters.values()
        if p.annotation is p.empty and p.name not in ("self", "cls")
    ]
    if untyped:
        return f"no type: {untyped}"
    return "no return type" if signature.return_annotation is signature.empty else ""


def test_documented_and_typed() -> None:
    """All of them in one test: two thousand would take a tenth of a minute to be reported."""
    found = {where: undocumented(value) for where, value in PUBLIC.items()}
    assert {where: fault for where, fault in found.items() if fault} == {}


def test_what_is_missing_is_found() -> None:
    def half(a: int, b) -> int:
        """Return a."""
        return a

    def none(a: int):
        """Return a."""
        return a

    assert undocumented(half) == "no type: ['b']"
    assert undocumented(none) == "no return type"
    assert undocumented(lambda: 0) == "no docstring"


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").glob("*.py")), ids=lambda path: path.stem)
def test_shipped_methods_use_public_names_only(path: Path) -> None:
    used = set(names_used(ast.parse(path.read_text(encoding="utf-8"))))
    assert "gfcompare.hookimpl" in used
    assert [name for name in sorted(used) if not is_public(name)] == []


def test_names_that_are_not_public_are_seen() -> None:
    code = """
from gfcompare.components.component import require
from gfcompare import Problem, _plugin_evaluators
import gfcompare.hooks.registry
import gfcompare as gfc
gfc.kernels, gfc.targets, gfc.Study
"""
    found = [name for name in names_used(ast.parse(code)) if not is_public(name)]
    assert found == [
        "gfcompare.components.component.require",
        "gfcompare._plugin_evaluators",
        "gfcompare.hooks.registry",
        "gfcompare.kernels",
    ]


def test_the_package_says_that_it_is_typed() -> None:
    assert importlib.resources.files("gfcompare").joinpath("py.typed").is_file()
