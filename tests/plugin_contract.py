"""A contract of import-linter: single files, which it takes as no root packages, use public names only."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from importlinter import Contract, ContractCheck, fields, output

from tests.public_names import is_public, names_used


class PublicNames(Contract):
    """The files of a folder use of gfcompare what is public, and nothing else."""

    folder = fields.StringField()

    def check(self, graph: object, verbose: bool) -> ContractCheck:
        """Look at every file, whatever the graph of imports of packages says."""
        wrong: dict[str, list[str]] = {}
        for path in sorted(Path(str(self.folder)).glob("*.py")):
            used = set(names_used(ast.parse(path.read_text(encoding="utf-8"))))
            if found := [name for name in sorted(used) if not is_public(name)]:
                wrong[path.name] = found
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: Any) -> None:
        """Print the names that are not public, file by file."""
        for file, names in check.metadata["wrong"].items():
            output.print_error(f"{file} uses {', '.join(names)}", bold=False)
