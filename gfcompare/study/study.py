"""A study: what is run, in Python or in a TOML file, with the same fields, and running it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gfcompare.components.component import require
from gfcompare.components.errors import LARGEST_INTEGER, InputError, shortened
from gfcompare.evaluators.frozen import frozen_groups
from gfcompare.evaluators.html_repr import architecture, component, in_words, table, target_with_curves
from gfcompare.evaluators.quadrature import Quadrature
from gfcompare.hooks.chosen_diagnostics import checked_names
from gfcompare.initializations import He, Initialization
from gfcompare.integrators.base import Integrator, check_method
from gfcompare.integrators.contract import check_frozen
from gfcompare.integrators.loop import OnError
from gfcompare.measures import Measure, Uniform
from gfcompare.network import ReLUNetwork
from gfcompare.results.labels import joined
from gfcompare.study import toml
from gfcompare.study.executors.dask import given
from gfcompare.study.grids import check_type, checked_group, checked_name, expanded, labelled, listed
from gfcompare.study.limits import Limits, check_count
from gfcompare.study.problem_spec import ProblemSpec
from gfcompare.study.runner import Manner, run_study
from gfcompare.study.spec import StudySpec
from gfcompare.study.times import Times
from gfcompare.system.process_end import warning_of_threads
from gfcompare.system.progress import on_standard_error
from gfcompare.targets import Target

if TYPE_CHECKING:
    import xarray as xr


def _check_method(method: object, name: str) -> None:
    try:
        check_method(method)
    except InputError as error:
        raise error.within(f"integrators.{name}") from None
    for key, value in method.options().items() if isinstance(method, Integrator) else ():
        small = isinstance(value, bool) or not isinstance(value, int) or abs(value) <= LARGEST_INTEGER
        require(small, f"integrators.{name}.{key}: must lie between -2^63 and 2^63.")


def _checked_methods(integrators: Mapping[str, Integrator | Sequence[Integrator]]) -> dict[str, Integrator]:
    """Return the methods of grids by name, or raise InputError if one cannot be used."""
    methods = expanded(integrators, Integrator, "integrators")
    for name, method in methods.items():
        _check_method(method, name)
    return methods


class Study(StudySpec):
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
    frozen : groups of parameters that stay where they are, such as ("biases", "weight_2")
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
        frozen: Sequence[str] = (),
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
        spec = StudySpec(
            name=checked_name(name, "name"),
            problems=(),
            diagnostics=checked_names(diagnostics),
            integrators=_checked_methods(integrators),
            times=times,
            seeds=int(seeds),
            seed=int(seed),
            time_limit=None if time_limit is None else float(time_limit),
            description=description,
            source=source,
            limits=limits,
        )
        networks = labelled(listed(network, ReLUNetwork, "network"), "network.widths")
        measures = labelled(listed(measure, Measure, "measure"), "measure")
        initializations = labelled(listed(initialization, Initialization, "initialization"), "initialization")
        every = expanded(targets, Target, "targets")
        check_count(map(len, (every, networks, measures, initializations)), limits, "problems")
        spec.check_demand(list(networks.values()), len(every) * len(measures) * len(initializations))
        problems = tuple(
            ProblemSpec(
                checked_group(joined(target_name, (n, m, i))),
                target,
                networks[n],
                measures[m],
                initializations[i],
                quadrature,
                frozen_groups(networks[n], frozen),
            )
            for target_name, target in every.items()
            for n, m, i in itertools.product(networks, measures, initializations)
        )
        for each in problems:
            _ = each.problem  # wrong shapes are refused now, not in the middle of a run
            for method in spec.integrators.values():
                check_frozen(each.network, each.frozen, method)
        super().__init__(**spec.replace(problems=problems).fields())

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
        spec = super().part(seeds=seeds, only=only)
        result = object.__new__(Study)
        StudySpec.__init__(result, **spec.fields())
        return result

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

    def run(
        self,
        output: str | Path | None = None,
        *,
        jobs: int | None = None,
        force: bool = False,
        on_error: OnError = "record",
        progress: bool = True,
        executor: object = None,
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
        executor : a ``distributed.Client``, on whose workers the cells are computed; by default in processes
            of this machine
        """
        shown = on_standard_error() if progress else None
        manner = Manner(jobs, force, on_error, given(executor, shown.note if shown is not None else str))
        with warning_of_threads():
            return run_study(self, output, manner=manner, progress=shown).tree
