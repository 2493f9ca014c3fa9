"""Public names of gfcompare: for files that are to use no others."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import gfcompare as gfc

ROOT = Path(__file__).resolve().parents[1]


def public_modules() -> set[str]:
    """The submodules that the page of the API lists, by their full names."""
    page = (ROOT / "docs" / "api" / "index.md").read_text(encoding="utf-8")
    return set(re.findall(r"^   (gfcompare(?:\.\w+)+)$", page, re.M))


def names_used(tree: ast.AST) -> Iterator[str]:
    """Yield what a file uses of gfcompare, as full names: imports, and attributes of imported modules."""
    whole: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "gfcompare":
                    yield alias.name
                    whole[alias.asname or "gfcompare"] = alias.name if alias.asname else "gfcompare"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "gfcompare":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in whole:
            yield f"{whole[node.value.id]}.{node.attr}"


def is_public(name: str) -> bool:
    home, _, last = name.rpartition(".")
    if name == "gfcompare" or name in public_modules():
        return True
    return (home == "gfcompare" and last in gfc.__all__) or (
        home in public_modules() and last in importlib.import_module(home).__all__
    )
