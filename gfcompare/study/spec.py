"""The specification of a study: a value that says what is run, and of which cells it consists."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gfcompare.components.component import describe, plain, require
from gfcompare.components.errors import LONGEST_NAME, known_names
from gfcompare.integrators.base import Integrator
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.network import ReLUNetwork
from gfcompare.results.rebuild import Components
from gfcompare.study.cells import SEEDS_PER_CELL, Cell
from gfcompare.study.grids import check_type, checked_name
from gfcompare.study.limits import Demand, Limits
from gfcompare.study.problem_spec import ProblemSpec
from gfcompare.study.times import Times


@dataclass(frozen=True, eq=False, kw_only=True)
class StudySpec:
    """Every method on every problem from the same initial networks, checked and without grids.

    Attributes
    ----------
    name : what the study is called
    problems : its problems, each with a name of its own
    integrators : methods by name
    times : save times
    seeds : number of initial networks
    seed : the study seed, from which every random number derives
    time_limit : seconds of wall time that a trajectory may take, on average over its cell
    diagnostics : names of the quantities computed along the trajectories; None for those that are cheap
    description : a sentence for the reader of the results
    source : the text of the study file
    limits : how many cells, gigabytes and hours the study may be estimated to need
    """

    name: str
    problems: tuple[ProblemSpec, ...]
    integrators: Mapping[str, Integrator]
    times: Times
    seeds: int
    seed: int
    time_limit: float | None = None
    diagnostics: tuple[str, ...] | None = None
    description: str = ""
    source: str = ""
    limits: Limits = dataclasses.field(default_factory=Limits)

    def replace(self, **changes: Any) -> StudySpec:
        """Return the specification with other values of some attributes."""
        return StudySpec(**(self.fields() | changes))

    def fields(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(StudySpec)}

    def part(self, *, seeds: int | None = None, only: Sequence[str] = ()) -> StudySpec:
        """Return the study with another number of seeds, or with some of its methods: see `Study.part`."""
        methods = {full: None for name in only for full in known_names("method", name, [*self.integrators])}
        labels = [] if seeds is None else [f"seeds-{seeds}"]
        labels += [f"only-{'-'.join(only)}"] if only else []
        if seeds is not None:
            check_type(seeds, int, "seeds")
            require(seeds >= 1, f"seeds must be at least 1, got {seeds}.")
        changes: dict[str, Any] = {} if seeds is None else {"seeds": int(seeds)}
        if methods:
            changes["integrators"] = {n: method for n, method in self.integrators.items() if n in methods}
        if labels:
            changes["name"] = checked_name("-".join([self.name, *labels])[:LONGEST_NAME].rstrip(), "name")
            words = [] if seeds is None else [f"seeds = {int(seeds)}"]
            words += [f"only {', '.join(only)}"] if only else []
            note = f"# Of this study a part was run: {'; '.join(words)}.\n"
            # A study made in Python has no source.
            changes["source"] = note + self.source if self.source else ""
        result = self.replace(**changes)
        result.check_demand([spec.network for spec in result.problems], 1)
        return result

    def check_demand(self, networks: Sequence[ReLUNetwork], each: int) -> None:
        """Raise InputError if a study needs more than its limits, with so many problems of each network."""
        for network in networks:
            Demand((network.parameter_count,), (0.0,), seeds=1, blocks=1, times=self.times.size).check(
                self.limits
            )
        end = self.times.last
        Demand(
            [network.parameter_count for network in networks for _ in range(each)],
            [steps_to(method, end) for method in self.integrators.values()],
            seeds=self.seeds,
            blocks=-(-self.seeds // SEEDS_PER_CELL),
            times=self.times.size,
            time_limit=self.time_limit,
        ).check(self.limits)

    @property
    def components(self) -> Components:
        """The problems and methods of the study, by name."""
        return Components({spec.name: spec.problem for spec in self.problems}, self.integrators)

    def cells(self) -> tuple[Cell, ...]:
        """Return the units of work, in the order of problems, methods and seeds."""
        times = tuple(float(t) for t in self.times.array())
        blocks = [
            tuple(range(first, min(first + SEEDS_PER_CELL, self.seeds)))
            for first in range(0, self.seeds, SEEDS_PER_CELL)
        ]
        return tuple(
            Cell(self.seed, problem, name, integrator, block, times, self.time_limit, self.diagnostics)
            for problem in self.problems
            for name, integrator in self.integrators.items()
            for block in blocks
        )

    def spec(self) -> dict[str, Any]:
        """Return the study as plain data, with the same keys as a study file."""
        return {
            "name": self.name,
            "description": self.description,
            "seed": self.seed,
            "seeds": self.seeds,
            "time_limit": self.time_limit,
            "times": plain(self.times),
            "diagnostics": plain(self.diagnostics),
            "limits": plain(self.limits),
            "problems": {
                spec.name: {
                    "target": describe(spec.target),
                    "network": {"widths": list(spec.network.widths)},
                    "measure": describe(spec.measure),
                    "quadrature": plain(spec.quadrature),
                    "initialization": describe(spec.initialization),
                    **({"frozen": list(spec.frozen)} if spec.frozen else {}),
                }
                for spec in self.problems
            },
            "integrators": {name: describe(method) for name, method in self.integrators.items()},
        }


def steps_to(method: Integrator, end: float) -> float:
    """Return how many steps of constant size a method makes up to a flow time; 0 if it chooses them.

    On batches, how many steps with the whole gradient would take as long, at the least.
    """
    size = getattr(method, "step_size", None)
    if isinstance(method, FlowIntegrator) or not isinstance(size, int | float):
        return 0.0
    # A gradient on a batch costs a part of a gradient for each of its points.
    return end / size * max(1.0, getattr(method, "batch_size", 0) / 4)
