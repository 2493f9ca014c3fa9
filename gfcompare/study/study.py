"""The specification of a study: what is run, in Python or in a TOML file, with the same fields."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.component import describe, identity, plain, require
from gfcompare.components.errors import (
    FOREIGN_ERRORS,
    LARGEST_INTEGER,
    LONGEST_NAME,
    InputError,
    cause_of,
    known_names,
    shortened,
)
from gfcompare.components.fingerprint import fingerprint
from gfcompare.components.versions import NUMERICAL, VERSION, versions
from gfcompare.diagnostics import Quantity, TrajectoryDiagnostic
from gfcompare.evaluators.html_repr import architecture, component, in_words, table, target_with_curves
from gfcompare.evaluators.quadrature import Quadrature
from gfcompare.hooks.chosen_diagnostics import checked_names, diagnostics_of
from gfcompare.hooks.registry import code_identity, provenance
from gfcompare.initializations import He, Initialization
from gfcompare.integrators.base import Integrator, check_method
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.integrators.loop import OnError
from gfcompare.measures import LineMeasure, Measure, Uniform
from gfcompare.network import ReLUNetwork
from gfcompare.piecewise.interval import PiecewisePolynomial
from gfcompare.problem import Problem
from gfcompare.results.labels import joined
from gfcompare.results.rebuild import Components
from gfcompare.results.schema import SCHEMA_VERSION
from gfcompare.study import toml
from gfcompare.study.grids import check_type, checked_group, checked_name, expanded, labelled, listed
from gfcompare.study.limits import Demand, Limits, check_count
from gfcompare.study.times import Times
from gfcompare.targets import Target

if TYPE_CHECKING:
    import xarray as xr

#: Seeds of one cell. Part of a cell's identity, so it must not depend on the number of workers.
SEEDS_PER_CELL = 16


@dataclass(frozen=True)
class ProblemSpec:
    """One problem of a study: what is learnt, by what network, from where."""

    name: str
    target: Target
    network: ReLUNetwork
    measure: Measure
    initialization: Initialization
    quadrature: Quadrature | None = None

    @cached_property
    def problem(self) -> Problem:
        """The problem."""
        try:
            return Problem(self.network, self.target, self.measure, self.quadrature)
        except InputError as error:
            raise error.within(f"problem {self.name!r}") from None
        except FOREIGN_ERRORS as error:  # of a target or measure that somebody else wrote
            raise InputError(
                f"problem {self.name!r}: {self.target.name!r} or {self.measure.name!r} raised "
                f"{cause_of(error)}"
            ) from error

    @property
    def pieces(self) -> PiecewisePolynomial | None:
        """The target as a piecewise polynomial, None for several inputs and on points."""
        return self.problem.target_pieces if isinstance(self.measure, LineMeasure) else None

    def initial(self, study_seed: int, seed: int) -> NDArray[np.float64]:
        """Return the initial parameters, shape (P,), of a seed.

        They depend on the study seed, the seed, the network and the initialisation alone: targets and
        methods start from the same networks.
        """
        drawn = self.initialization.draw(self.network, random_stream(study_seed, seed, "initial"))
        theta = self.network.check(drawn)
        right = theta.ndim == 1 and bool(np.isfinite(theta).all())
        require(
            right, f"the initialisation {self.initialization.name!r} must draw finite numbers of shape (P,)."
        )
        return theta

    def identity(self) -> dict[str, Any]:
        """Return everything about the problem that determines numbers."""
        return {
            "widths": list(self.network.widths),
            "target and measure": self.problem.digest,
            # Their values are in the digest; what else they do, such as drawing points, is in their code.
            "code": [code_identity(type(part)) for part in (self.target, self.measure)],
            "initialization": identity(self.initialization.options()) | provenance(self.initialization),
        }


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
        content = {
            "schema": SCHEMA_VERSION,
            "gfcompare": VERSION,
            "sources": fingerprint(),
            "libraries": versions(NUMERICAL),
            "study seed": self.study_seed,
            "problem": self.problem.identity(),
            "integrator": identity(self.integrator.options()) | provenance(self.integrator),
            "seeds": self.seeds,
            "times": [t.hex() for t in self.times],
            "time limit": self.time_limit,
        }
        return _hashed(content)

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
        """What the cell is called in messages."""
        return f"{self.problem.name} / {self.integrator_name} / seeds {self.seeds[0]}-{self.seeds[-1]}"


def steps_to(method: Integrator, end: float) -> float:
    """Return how many steps of constant size a method makes up to a flow time; 0 if it chooses them.

    On batches, how many steps with the whole gradient would take as long, at the least.
    """
    size = getattr(method, "step_size", None)
    if isinstance(method, FlowIntegrator) or not isinstance(size, int | float):
        return 0.0
    # A gradient on a batch costs a part of a gradient for each of its points.
    return end / size * max(1.0, getattr(method, "batch_size", 0) / 4)


def diagnostic_key(cls: type[Quantity]) -> str:
    """Return a hash of the code of a diagnostic, and of the libraries that it calls."""
    content = provenance(cls())
    if cls.__module__.startswith("gfcompare."):
        content |= {"sources": fingerprint(), "libraries": versions(NUMERICAL)}
    return _hashed(content)


def _hashed(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _check_method(method: object, name: str) -> None:
    try:
        check_method(method)
    except InputError as error:
        raise error.within(f"integrators.{name}") from None
    for key, value in method.options().items() if isinstance(method, Integrator) else ():
        small = isinstance(value, bool) or not isinstance(value, int) or abs(value) <= LARGEST_INTEGER
        require(small, f"integrators.{name}.{key}: must lie between -2^63 and 2^63.")


_STREAMS = {"initial": 0, "method": 1}


def random_stream(study_seed: int, seed: int, use: Literal["initial", "method"]) -> np.random.Generator:
    """Return the random stream of a seed for one use, the same for every problem and method."""
    sequence = np.random.SeedSequence(study_seed, spawn_key=(seed, _STREAMS[use]))
    return np.random.Generator(np.random.PCG64(sequence))


class Study:
    """Every method on every target from the same initial networks.

    Where one component is expected, a list of them is a grid: the study runs every combination, and
    names it after what differs, such as ``gd[step 0.1]``.

    Parameters
    ----------
    name : what the study is called; its results go to results/<name> by default
    targets : target functions by name
    integrators : methods by name
    network : architecture
    measure : input measure
    quadrature : rule for measures on a box; by default chosen by estimated accuracy
    initialization : distribution of the initial networks
    times : save times
    seeds : number of initial networks
    seed : the study seed, from which every random number derives
    description : a sentence for the reader of the results
    time_limit : seconds of wall time that a trajectory may take, on average over its cell
    diagnostics : names of the quantities to be computed along the trajectories, besides risk and
        gradient_norm; by default all that are cheap
    source : the text of the study file, kept in the results
    limits : how many cells, gigabytes and hours it may be estimated to need; more is refused

    Examples
    --------
    >>> import gfcompare as gfc
    >>> study = gfc.Study(
    ...     "first",
    ...     targets={"sine": gfc.targets.Sine()},
    ...     integrators={
    ...         "standard-gf": gfc.integrator("standard-gf"),
    ...         "gd": [gfc.integrator("gd", step_size=s) for s in (0.1, 0.01)],
    ...     },
    ...     network=gfc.ReLUNetwork((1, 4, 1)),
    ...     times=gfc.Times(end=10.0, count=11),
    ...     seeds=2,
    ... )
    >>> list(study.integrators)
    ['standard-gf', 'gd[step 0.1]', 'gd[step 0.01]']
    >>> tree = study.run("results/first", jobs=1)
    >>> tree["sine"]["risk"].dims
    ('integrator', 'seed', 'time')
    >>> bool((tree["sine"]["risk"].isel(time=-1) < tree["sine"]["risk"].isel(time=0)).all())
    True
    """

    def __init__(
        self,
        name: str,
        *,
        targets: Mapping[str, Target | Sequence[Target]],
        integrators: Mapping[str, Integrator | Sequence[Integrator]],
        network: ReLUNetwork | Sequence[ReLUNetwork] = ReLUNetwork((1, 16, 1)),  # noqa: B008 (immutable)
        measure: Measure | Sequence[Measure] = Uniform(),  # noqa: B008
        quadrature: Quadrature | None = None,
        initialization: Initialization | Sequence[Initialization] = He(),  # noqa: B008
        times: Times = Times(),  # noqa: B008
        seeds: int = 16,
        seed: int = 0,
        description: str = "",
        time_limit: float | None = None,
        diagnostics: Sequence[str] | None = None,
        source: str = "",
        limits: Limits = Limits(),  # noqa: B008
    ) -> None:
        check_type(seeds, int, "seeds")
        check_type(seed, int, "seed")
        check_type(description, str, "description")
        check_type(times, Times, "times")
        check_type(limits, Limits, "limits")
        if quadrature is not None:
            check_type(quadrature, Quadrature, "quadrature")
        require(seeds >= 1, f"seeds must be at least 1, got {seeds!s:.40}.")
        require(seed >= 0, f"seed must not be negative, got {seed!s:.40}.")
        require(seed <= LARGEST_INTEGER, f"seed must lie between 0 and 2^63 - 1, got {seed!s:.40}.")
        if time_limit is not None:
            check_type(time_limit, float, "time_limit")
            require(time_limit > 0, f"time_limit must be positive, got {time_limit}.")
        check_type(targets, Mapping, "targets")
        check_type(integrators, Mapping, "integrators")
        require(bool(targets), "targets must name at least one target.")
        require(bool(integrators), "integrators must name at least one method.")
        self.name = checked_name(name, "name")
        self.description = description
        self.seeds = int(seeds)
        self.seed = int(seed)
        self.times = times
        self.time_limit = None if time_limit is None else float(time_limit)
        self.diagnostics = checked_names(diagnostics)
        self.source = source
        self.limits = limits
        self.integrators = expanded(integrators, Integrator, "integrators")
        for method_name, method in self.integrators.items():
            _check_method(method, method_name)
        networks = labelled(listed(network, ReLUNetwork, "network"), "network.widths")
        measures = labelled(listed(measure, Measure, "measure"), "measure")
        initializations = labelled(listed(initialization, Initialization, "initialization"), "initialization")
        every = expanded(targets, Target, "targets")
        check_count(map(len, (every, networks, measures, initializations)), limits, "problems")
        self._check_demand(list(networks.values()), len(every) * len(measures) * len(initializations))
        self.problems = tuple(
            ProblemSpec(
                checked_group(joined(target_name, (n, m, i))),
                target,
                networks[n],
                measures[m],
                initializations[i],
                quadrature,
            )
            for target_name, target in every.items()
            for n, m, i in itertools.product(networks, measures, initializations)
        )
        for spec in self.problems:
            _ = spec.problem  # wrong shapes are refused now, not in the middle of a run

    def _check_demand(self, networks: Sequence[ReLUNetwork], each: int) -> None:
        """Raise InputError if the study needs more than its limits, with so many problems of each network."""
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

    @classmethod
    def from_toml(cls, path: str | Path) -> Study:
        """Read a study file.

        Raises
        ------
        InputError
            naming the file, the key, what was given, what is allowed and the nearest valid name
        """
        try:
            return cls(**toml.read(path))
        except InputError as error:
            raise InputError(shortened(str(error.within(str(path))))) from None

    def part(self, *, seeds: int | None = None, only: Sequence[str] = ()) -> Study:
        """Return the study with fewer or more seeds, or with some of its methods: to try something out.

        It has a name of its own, such as ``quickstart-seeds-4-only-gd``, so that by default its results do
        not replace those of the whole study.

        Parameters
        ----------
        seeds : number of initial networks; None means as many as the study has
        only : names of methods, that of a grid for all of it; none means all

        Raises
        ------
        InputError
            for a name that the study does not have, or a wrong number of seeds

        Examples
        --------
        >>> import gfcompare as gfc
        >>> study = gfc.Study(
        ...     "whole",
        ...     targets={"sine": gfc.targets.Sine()},
        ...     integrators={name: gfc.integrator(name) for name in ("standard-gf", "gd")},
        ... )
        >>> part = study.part(seeds=2, only=["gd"])
        >>> part.name, part.seeds, list(part.integrators)
        ('whole-seeds-2-only-gd', 2, ['gd'])
        """
        methods = {full: None for name in only for full in known_names("method", name, [*self.integrators])}
        labels = [] if seeds is None else [f"seeds-{seeds}"]
        labels += [f"only-{'-'.join(only)}"] if only else []
        if seeds is not None:
            check_type(seeds, int, "seeds")
            require(seeds >= 1, f"seeds must be at least 1, got {seeds}.")
        result = copy.copy(self)
        result.seeds = self.seeds if seeds is None else int(seeds)
        if methods:
            result.integrators = {n: method for n, method in self.integrators.items() if n in methods}
        result._check_demand([spec.network for spec in result.problems], 1)
        if labels:
            result.name = checked_name("-".join([self.name, *labels])[:LONGEST_NAME].rstrip(), "name")
            words = [f"seeds = {result.seeds}"] if seeds is not None else []
            words += [f"only {', '.join(only)}"] if only else []
            note = f"# Of this study a part was run: {'; '.join(words)}.\n"
            result.source = (
                note + self.source if self.source else ""
            )  # of a study made in Python there is none
        return result

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

    def __repr__(self) -> str:
        """Return what the study runs: a line for each problem and each method."""
        times = self.times.array()
        lines = [
            f"<Study {self.name!r}: seeds {self.seeds}, save times {len(times)} from {times[0]:g} to "
            f"{times[-1]:g}, cells {len(self.cells())}"
        ]
        lines += [
            f"  problem {spec.name!r}: network {architecture(spec.network)}; target {in_words(spec.target)}; "
            f"measure {in_words(spec.measure)}; initialization {in_words(spec.initialization)}"
            for spec in self.problems
        ]
        lines += [f"  method {name!r}: {in_words(method)}" for name, method in self.integrators.items()]
        return "\n".join(lines) + ">"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the problems, with small curves of the targets, and the methods."""
        times = self.times.array()
        rows = [
            ("description", self.description),
            ("save times", f"{len(times)} from {times[0]:g} to {times[-1]:g} (flow time)"),
            ("seeds", f"{self.seeds}, from study seed {self.seed}"),
            ("cells", len(self.cells())),
        ]
        problems = [
            (
                spec.name,
                architecture(spec.network),
                target_with_curves(spec.target, spec.pieces),
                component(spec.measure),
                component(spec.initialization),
            )
            for spec in self.problems
        ]
        methods = [(name, component(method)) for name, method in self.integrators.items()]
        return (
            table(f"Study {self.name}", rows)
            + table("Problems", problems, ("problem", "network", "target", "measure", "initialisation"))
            + table("Methods", methods, ("method", "what it is"))
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
                }
                for spec in self.problems
            },
            "integrators": {name: describe(method) for name, method in self.integrators.items()},
        }

    def run(
        self,
        output: str | Path | None = None,
        *,
        jobs: int | None = None,
        force: bool = False,
        on_error: OnError = "record",
        progress: bool = True,
    ) -> xr.DataTree:
        """Run the study, or what is left of it, and return the results.

        Parameters
        ----------
        output : folder for the results; by default results/<name>
        jobs : number of worker processes; by default one for each core
        force : compute everything, also what is finished
        on_error : "record" an error that a method raises as the outcome of its trajectory, with a warning for
            each method; or "raise" it when the other cells are finished
        progress : show on standard error how far it is: a bar at a terminal, lines in a notebook or a file;
            processes that others have started show nothing
        """
        from gfcompare.study.runner import run_study
        from gfcompare.system.progress import on_standard_error

        shown = on_standard_error() if progress and multiprocessing.parent_process() is None else None
        return run_study(self, output, jobs=jobs, force=force, on_error=on_error, progress=shown).tree
