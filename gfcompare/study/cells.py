"""Cells, the units of work of a study, and the keys that name what they compute."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gfcompare.components.fingerprint import fingerprint
from gfcompare.components.identity import identity
from gfcompare.components.versions import NUMERICAL, VERSION, versions
from gfcompare.diagnostics import Quantity, TrajectoryDiagnostic
from gfcompare.hooks.chosen_diagnostics import diagnostics_of
from gfcompare.hooks.provenance import provenance
from gfcompare.integrators.base import Integrator
from gfcompare.results.schema import SCHEMA_VERSION
from gfcompare.study.problem_spec import ProblemSpec

#: Seeds of one cell. Part of a cell's identity, so it must not depend on the number of workers.
SEEDS_PER_CELL = 16


@dataclass(frozen=True)
class Cell:
    """The unit of work: one problem, one method, a block of seeds."""

    study_seed: int
    problem: ProblemSpec
    integrator_name: str
    integrator: Integrator
    seeds: tuple[int, ...]
    times: tuple[float, ...]
    time_limit: float | None
    diagnostics: tuple[str, ...] | None = None

    @cached_property
    def key(self) -> str:
        """A hash of everything that determines the cell's trajectories: the name of its file.

        The diagnostics are not among it: they are computed from the states, and have keys of their own.
        """
        return self.key_of(
            self.problem.identity(), _identity(self.integrator), _identity_of_times(self.times)
        )

    def key_of(self, problem: Any, integrator: Any, times: Any) -> str:
        """Return the key of a cell from what determines its problem, its method and its save times."""
        return _key(*self.parts_of(problem, integrator, times), self.seeds)

    def parts_of(self, problem: Any, integrator: Any, times: Any) -> tuple[Any, bytes]:
        """Return what the key hashes besides the seeds: a hash of what is before them, and the rest."""
        content = {
            "schema": SCHEMA_VERSION,
            "gfcompare": VERSION,
            "sources": fingerprint(),
            "libraries": versions(NUMERICAL),
            "study seed": self.study_seed,
            "problem": problem,
            "integrator": integrator,
            "times": times,
            "time limit": self.time_limit,
        }
        before, after = (
            json.dumps({key: content[key] for key in content if (key < "seeds") == first}, sort_keys=True)
            for first in (True, False)
        )
        return hashlib.sha256(f"{before[:-1]}, ".encode()), f", {after[1:]}".encode()

    @cached_property
    def diagnostic_keys(self) -> dict[str, str]:
        """A hash of everything besides the trajectories that determines each of the cell's diagnostics.

        Those that compare methods are not among them: a cell does not know the others.
        """
        found = diagnostics_of(self.problem.problem, self.diagnostics)
        along = [cls for cls in found if issubclass(cls, TrajectoryDiagnostic)]
        return {cls.name: diagnostic_key(cls) for cls in along}

    @property
    def label(self) -> str:
        """Return the cell's name in messages."""
        return f"{self.problem.name} / {self.integrator_name} / seeds {self.seeds[0]}-{self.seeds[-1]}"


def with_keys(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Return cells whose keys are there: what several of them share is looked at once, and not for each."""
    problems: dict[int, Any] = {}
    methods: dict[int, Any] = {}
    times: dict[int, Any] = {}
    diagnostics: dict[int, dict[str, str]] = {}
    parts: dict[tuple[Any, ...], tuple[Any, bytes]] = {}
    for cell in cells:
        one, two, three = id(cell.problem), id(cell.integrator), id(cell.times)
        if one not in problems:
            problems[one], diagnostics[one] = cell.problem.identity(), cell.diagnostic_keys
        if two not in methods:
            methods[two] = _identity(cell.integrator)
        if three not in times:
            times[three] = _identity_of_times(cell.times)
        shared = one, two, three, cell.study_seed, cell.time_limit
        if shared not in parts:
            parts[shared] = cell.parts_of(problems[one], methods[two], times[three])
        # As a cached property stores them.
        vars(cell)["key"] = _key(*parts[shared], cell.seeds)
        vars(cell)["diagnostic_keys"] = diagnostics[one]
    return cells


def _key(before: Any, after: bytes, seeds: Sequence[int]) -> str:
    found = before.copy()
    found.update(f'"seeds": {json.dumps(seeds)}'.encode() + after)
    return str(found.hexdigest()[:32])


def _identity(integrator: Integrator) -> dict[str, Any]:
    return {**identity(integrator.options()), **provenance(integrator)}


def _identity_of_times(times: Sequence[float]) -> list[str]:
    return [time.hex() for time in times]


def diagnostic_key(cls: type[Quantity]) -> str:
    """Return a hash of the code of a diagnostic, and of the libraries that it calls."""
    content = provenance(cls())
    if cls.__module__.startswith("gfcompare."):
        content |= {"sources": fingerprint(), "libraries": versions(NUMERICAL)}
    return _hashed(content)


def _hashed(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
