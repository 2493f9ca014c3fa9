"""The specification of a study: what is run, in Python or in a TOML file, with the same fields."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from gfcompare import __version__
from gfcompare.components import Component, require
from gfcompare.errors import InputError, unknown_name
from gfcompare.initializations import He, Initialization
from gfcompare.integration import check_times
from gfcompare.interface import Integrator
from gfcompare.kernels.compiled import source_fingerprint
from gfcompare.measures import Measure, Uniform
from gfcompare.network import ReLUNetwork
from gfcompare.plugins import Kind, provenance, registry
from gfcompare.problem import Problem
from gfcompare.targets import Target

if TYPE_CHECKING:
    import xarray as xr

#: Seeds of one cell. Part of a cell's identity, so it must not depend on the number of workers.
SEEDS_PER_CELL = 16

# Names are those of groups in netCDF files and of folders: netCDF refuses other first characters.
_NAME = re.compile(r"\w(?:[^/\x00-\x1f\x7f]*[^/\x00-\x1f\x7f\s])?")
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Times:
    """Save times in units of flow time; 0 is always saved too.

    Parameters
    ----------
    spacing : "log" or "linear" between `start` and `end`, or "given"
    start, end : first and last time; `start` is not used with linear spacing, which starts at 0
    count : number of times from start to end
    values : the times themselves, with spacing "given"
    """

    spacing: Literal["log", "linear", "given"] = "log"
    start: float = 0.01
    end: float = 1000.0
    count: int = 61
    values: Sequence[float] = ()

    def __post_init__(self) -> None:
        if self.values and self.spacing != "given":
            object.__setattr__(self, "spacing", "given")
        if self.spacing == "given":
            require(len(self.values) > 0, "spacing 'given' needs values, such as values = [1.0, 10.0].")
            check_times(np.asarray(self.values, dtype=np.float64))
            return
        require(
            self.spacing in ("log", "linear"), f"spacing must be log, linear or given, got {self.spacing!r}."
        )
        require(self.count >= 2, f"count must be at least 2, got {self.count}.")
        require(bool(0 < self.end < np.inf), f"end must be positive and finite, got {self.end}.")
        if self.spacing == "log":
            require(
                0 < self.start < self.end,
                f"start must lie between 0 and end = {self.end:g}, got {self.start:g}.",
            )

    def array(self) -> NDArray[np.float64]:
        """Return the save times, increasing, with 0 first."""
        if self.spacing == "given":
            times = np.asarray(self.values, dtype=np.float64)
        elif self.spacing == "log":
            times = np.geomspace(self.start, self.end, self.count)
        else:
            times = np.linspace(0.0, self.end, self.count)
        return times if times[0] == 0.0 else np.concatenate([[0.0], times])


@dataclass(frozen=True)
class ProblemSpec:
    """One problem of a study: what is learnt, by what network, from where."""

    name: str
    target: Target
    network: ReLUNetwork
    measure: Measure
    initialization: Initialization

    @cached_property
    def problem(self) -> Problem:
        """The problem."""
        try:
            return Problem(self.network, self.target, self.measure)
        except InputError as error:
            raise error.within(f"problem {self.name!r}") from None
        except Exception as error:  # of a target or measure that somebody else wrote
            raise InputError(
                f"problem {self.name!r}: {self.target.name!r} or {self.measure.name!r} raised "
                f"{type(error).__name__}: {error}"
            ) from error

    def initial(self, study_seed: int, seed: int) -> NDArray[np.float64]:
        """Return the initial parameters, shape (P,), of a seed.

        They depend on the study seed, the seed, the network and the initialisation alone: targets and
        methods start from the same networks.
        """
        return self.initialization.draw(self.network, random_stream(study_seed, seed, "initial"))

    def identity(self) -> dict[str, Any]:
        """Return everything about the problem that determines numbers."""
        problem = self.problem
        digest = hashlib.sha256()
        for pieces in (problem.target_pieces, problem.density):
            for array in (pieces.knots, pieces.high, pieces.low):
                digest.update(np.ascontiguousarray(array).tobytes())
        return {
            "widths": list(self.network.widths),
            "target and density": digest.hexdigest(),
            "initialization": _identity(self.initialization.options()) | provenance(self.initialization),
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

    @cached_property
    def key(self) -> str:
        """A hash of everything that determines the cell's content: the name of its file."""
        from gfcompare.schema import SCHEMA_VERSION

        identity = {
            "schema": SCHEMA_VERSION,
            "gfcompare": __version__,
            "kernels": source_fingerprint(),
            "study seed": self.study_seed,
            "problem": self.problem.identity(),
            "integrator": _identity(self.integrator.options()) | provenance(self.integrator),
            "seeds": self.seeds,
            "times": [t.hex() for t in self.times],
            "time limit": self.time_limit,
            "diagnostics": [provenance(cls()) | {"name": cls.name} for cls in registry().all("diagnostics")],
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def label(self) -> str:
        """What the cell is called in messages."""
        return f"{self.problem.name} / {self.integrator_name} / seeds {self.seeds[0]}-{self.seeds[-1]}"


_STREAMS = {"initial": 0, "method": 1}


def random_stream(study_seed: int, seed: int, use: Literal["initial", "method"]) -> np.random.Generator:
    """Return the random stream of a seed for one use, the same for every problem and method."""
    sequence = np.random.SeedSequence(study_seed, spawn_key=(seed, _STREAMS[use]))
    return np.random.Generator(np.random.PCG64(sequence))


class Study:
    """Every method on every target from the same initial networks.

    Where one component is expected, a list of them is a grid: the study runs every combination, and
    names it after what differs, such as ``gd[step_size=0.1]``.

    Parameters
    ----------
    name : what the study is called; its results go to results/<name> by default
    targets : target functions by name
    integrators : methods by name
    network : architecture
    measure : input measure
    initialization : distribution of the initial networks
    times : save times
    seeds : number of initial networks
    seed : the study seed, from which every random number derives
    description : a sentence for the reader of the results
    time_limit : seconds of wall time that a trajectory may take, on average over its cell
    source : the text of the study file, kept in the results
    """

    #: The keys of a study file, which are also the fields here.
    FIELDS: ClassVar[tuple[str, ...]] = (
        "name",
        "description",
        "seed",
        "seeds",
        "time_limit",
        "times",
        "network",
        "measure",
        "initialization",
        "targets",
        "integrators",
    )

    def __init__(
        self,
        name: str,
        *,
        targets: Mapping[str, Target | Sequence[Target]],
        integrators: Mapping[str, Integrator | Sequence[Integrator]],
        network: ReLUNetwork | Sequence[ReLUNetwork] = ReLUNetwork((1, 16, 1)),  # noqa: B008 (immutable)
        measure: Measure | Sequence[Measure] = Uniform(),  # noqa: B008
        initialization: Initialization | Sequence[Initialization] = He(),  # noqa: B008
        times: Times = Times(),
        seeds: int = 16,
        seed: int = 0,
        description: str = "",
        time_limit: float | None = None,
        source: str = "",
    ) -> None:
        _check_name(name, "name")
        _check_type(seeds, int, "seeds")
        _check_type(seed, int, "seed")
        _check_type(description, str, "description")
        _check_type(times, Times, "times")
        require(seeds >= 1, f"seeds must be at least 1, got {seeds}.")
        require(seed >= 0, f"seed must not be negative, got {seed}.")
        if time_limit is not None:
            _check_type(time_limit, float, "time_limit")
            require(time_limit > 0, f"time_limit must be positive, got {time_limit}.")
        _check_type(targets, Mapping, "targets")
        _check_type(integrators, Mapping, "integrators")
        require(bool(targets), "targets must name at least one target.")
        require(bool(integrators), "integrators must name at least one method.")
        self.name = name
        self.description = description
        self.seeds = int(seeds)
        self.seed = int(seed)
        self.times = times
        self.time_limit = None if time_limit is None else float(time_limit)
        self.source = source
        self.integrators = _expanded(integrators, Integrator, "integrators")
        networks = _labelled(_listed(network, ReLUNetwork, "network"), "network.widths")
        measures = _labelled(_listed(measure, Measure, "measure"), "measure")
        initializations = _labelled(
            _listed(initialization, Initialization, "initialization"), "initialization"
        )
        self.problems = tuple(
            ProblemSpec(_joined(target_name, (n, m, i)), target, networks[n], measures[m], initializations[i])
            for target_name, target in _expanded(targets, Target, "targets").items()
            for n, m, i in itertools.product(networks, measures, initializations)
        )
        for spec in self.problems:
            _ = spec.problem  # wrong shapes are refused now, not in the middle of a run

    @classmethod
    def from_toml(cls, path: str | Path) -> Study:
        """Read a study file.

        Raises
        ------
        InputError
            naming the file, the key, what was given, what is allowed and the nearest valid name
        """
        file = Path(path)
        try:
            text = file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: is not a text file in UTF-8.") from None
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path}: not valid TOML: {error}") from None
        try:
            return _Reader(file.parent).study(cls, table, text)
        except InputError as error:
            raise error.within(str(path)) from None

    def cells(self) -> tuple[Cell, ...]:
        """Return the units of work, in the order of problems, methods and seeds."""
        times = tuple(float(t) for t in self.times.array())
        blocks = [
            tuple(range(first, min(first + SEEDS_PER_CELL, self.seeds)))
            for first in range(0, self.seeds, SEEDS_PER_CELL)
        ]
        return tuple(
            Cell(self.seed, problem, name, integrator, block, times, self.time_limit)
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
            "problems": {
                spec.name: {
                    "target": describe(spec.target),
                    "network": {"widths": list(spec.network.widths)},
                    "measure": describe(spec.measure),
                    "initialization": describe(spec.initialization),
                }
                for spec in self.problems
            },
            "integrators": {name: describe(method) for name, method in self.integrators.items()},
        }

    def run(self, output: str | Path | None = None, *, jobs: int | None = None) -> xr.DataTree:
        """Run the study, or what is left of it, and return the results.

        Parameters
        ----------
        output : folder for the results; by default results/<name>
        jobs : number of worker processes; by default one for each core
        """
        from gfcompare.runner import run_study

        return run_study(self, output, jobs=jobs).tree


def describe(component: Component) -> dict[str, Any]:
    """Return a component as plain data: its name and options."""
    return {"name": component.name} | {key: plain(value) for key, value in component.options().items()}


def plain(value: Any) -> Any:
    """Return a value as data that JSON can hold; what it cannot hold becomes its representation."""
    if isinstance(value, Component):
        return describe(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    name = getattr(value, "__qualname__", None)
    return f"<Python {name}>" if name else repr(value)


def _identity(value: Any) -> Any:
    """Return a value as data that tells it from every other one: as `plain`, but functions by their code."""
    if isinstance(value, Component):
        return {"name": value.name} | _identity(value.options())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _identity(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _identity(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_identity(item) for item in value]
    if isinstance(value, types.CodeType):
        constants = [_identity(c) for c in value.co_consts]
        return [value.co_code.hex(), constants, list(value.co_names)]
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [_identity(part) for part in (value.__code__, value.__defaults__, value.__kwdefaults__, cells)]
    if isinstance(value, functools.partial):
        return [_identity(part) for part in (value.func, value.args, value.keywords)]
    return plain(value)


# ---------------------------------------------------------------------------------------------------
# Grids
# ---------------------------------------------------------------------------------------------------


_KINDS_OF_VALUE: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Mapping: "a mapping from names to components",
}


def _check_type(value: Any, kind: type, key: str) -> None:
    """Raise InputError unless a value given in Python has the type that a study file needs."""
    allowed: dict[type, tuple[type, ...]] = {
        int: (int, np.integer),
        float: (int, float, np.integer, np.floating),
    }
    right = isinstance(value, allowed.get(kind, (kind,))) and not isinstance(value, bool)
    named = _KINDS_OF_VALUE.get(kind, f"gfcompare.{kind.__name__}")
    require(right, f"{key}: must be {named}, got {value!r}.")


def _check_name(name: object, key: str) -> None:
    right = isinstance(name, str) and len(name) <= _LONGEST_NAME and _NAME.fullmatch(name)
    require(
        bool(right),
        f"{key}: a name starts with a letter, a digit or '_', has no '/' "
        f"and at most {_LONGEST_NAME} characters, got {name!r}.",
    )


def _listed(value: Any, kind: type, key: str) -> list[Any]:
    """Return a component, or a list of them, as a list."""
    found = list(value) if isinstance(value, list | tuple) else [value]
    require(bool(found), f"{key} must not be an empty list.")
    for item in found:
        require(isinstance(item, kind), f"{key} must be a {kind.__name__} or a list of them, got {item!r}.")
    return found


def _expanded(components: Mapping[str, Any], kind: type, key: str) -> dict[str, Any]:
    """Return components by name, each list among them as several, named by what differs."""
    result: dict[str, Any] = {}
    for name, value in components.items():
        _check_name(name, key)
        where = f"{key}.{name}"
        for label, component in _labelled(_listed(value, kind, where), where).items():
            full = _joined(name, (label,))
            require(full not in result, f"{key}: the name {full!r} occurs twice.")
            result[full] = component
    return result


def _labelled(components: list[Any], where: str) -> dict[str, Any]:
    """Return components by a label of what differs among them; a single one has the empty label."""
    if len(components) == 1:
        return {"": components[0]}
    options = [_options(component) for component in components]
    texts = [json.dumps(_identity(o), sort_keys=True) for o in options]
    twice = next((n for n, text in enumerate(texts) if text in texts[:n]), None)
    if twice is not None:
        raise InputError(f"{where}: the grid has the same value twice: {components[twice]!r}.")
    keys = [
        key
        for key in dict.fromkeys(k for o in options for k in o)
        if len({_short(o.get(key)) for o in options}) > 1
    ]
    names = [str(o.get("name")) for o in options]
    if len(set(names)) == len(names):
        return dict(zip(names, components, strict=True))
    labels = [",".join(f"{key}={_short(o[key])}" for key in keys if key in o) for o in options]
    if len(set(labels)) < len(labels) or max(map(len, labels)) > _LONGEST_NAME:
        labels = [str(number) for number in range(len(components))]
    return dict(zip(labels, components, strict=True))


def _options(component: Any) -> dict[str, Any]:
    if isinstance(component, ReLUNetwork):
        return {"widths": "-".join(map(str, component.widths))}
    options: dict[str, Any] = component.options()
    return {"name": component.name} | options


def _short(value: Any) -> str:
    """Return a value as short text for a name."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = f"{value:g}"
        return text if float(text) == value else repr(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        called = str(fields.pop("schedule", getattr(value, "name", type(value).__name__)))
        defaults = {f.name: f.default for f in dataclasses.fields(value)}
        parts = [
            f"{key}={_short(item)}" for key, item in fields.items() if plain(item) != plain(defaults[key])
        ]
        return f"{called}({';'.join(parts)})" if parts else called
    if isinstance(value, list | tuple):
        return "-".join(_short(item) for item in value)
    return re.sub(r"[/\x00-\x1f\x7f]", "_", str(plain(value)))


def _joined(name: str, labels: Sequence[str]) -> str:
    label = ",".join(part for part in labels if part)
    return f"{name}[{label}]" if label else name


# ---------------------------------------------------------------------------------------------------
# Reading a study file
# ---------------------------------------------------------------------------------------------------


class _Reader:
    """Turns the tables of a study file into components, with errors that say where."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def study(self, cls: type[Study], table: dict[str, Any], source: str) -> Study:
        """Return the study that a file's table describes."""
        for key in table:
            if key not in cls.FIELDS:
                raise unknown_name("key", key, cls.FIELDS)
        for key in ("name", "targets", "integrators"):
            require(key in table, f"the key {key!r} is missing.")
        fields: dict[str, Any] = {}
        for key, hint in (
            ("name", str),
            ("description", str),
            ("seed", int),
            ("seeds", int),
            ("time_limit", float),
        ):
            if key in table:
                fields[key] = self._value(hint, table[key], key)
        if "times" in table:
            fields["times"] = self._single(
                self._dataclass(Times, self._table(table["times"], "times"), "times"), "times"
            )
        if "network" in table:
            fields["network"] = self._networks(self._table(table["network"], "network"))
        if "measure" in table:
            fields["measure"] = self._component("measures", table["measure"], "measure")
        if "initialization" in table:
            fields["initialization"] = self._component(
                "initializations", table["initialization"], "initialization"
            )
        for key, kind in (("targets", "targets"), ("integrators", "integrators")):
            entries = self._table(table[key], key)
            require(bool(entries), f"{key} must name at least one.")
            fields[key] = {
                name: self._component(typing.cast(Kind, kind), entry, f"{key}.{name}", default=name)
                for name, entry in entries.items()
            }
        return cls(**fields, source=source)

    def _component(self, kind: Kind, table: Any, where: str, default: str | None = None) -> list[Any]:
        """Return the components that a table, or each of a list of tables, describes: a grid has several."""
        if isinstance(table, list):
            require(bool(table), f"{where}: must not be an empty list.")
            return [
                c
                for n, item in enumerate(table)
                for c in self._component(kind, item, f"{where}[{n}]", default)
            ]
        entries = dict(self._table(table, where))
        given = entries.pop("name", default)
        if given is None:
            raise InputError(
                f"{where}: the key 'name' is missing. Allowed: {', '.join(registry().names(kind))}."
            )
        require(isinstance(given, str), f"{where}.name: must be text, got {given!r}.")
        try:
            cls = registry().get(kind, given)
        except InputError as error:
            raise error.within(where) from None
        return self._dataclass(cls, entries, where)

    def _networks(self, table: dict[str, Any]) -> list[ReLUNetwork]:
        for key in table:
            if key != "widths":
                raise unknown_name("key", key, ["widths"]).within("network")
        require("widths" in table, "network: the key 'widths' is missing, such as widths = [1, 16, 1].")
        try:
            return [ReLUNetwork(w) for w in self._grid(list[int], table["widths"], "network.widths")]
        except InputError as error:
            raise error if str(error).startswith("network") else error.within("network.widths") from None

    def _dataclass(self, cls: type[Any], table: dict[str, Any], where: str) -> list[Any]:
        """Return instances of a dataclass for every combination of the grids among its fields."""
        hints = _hints(cls, where)
        fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
        for key in table:
            if key not in fields:
                raise unknown_name("key", key, fields).within(where)
        for name, field in fields.items():
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and name not in table:
                if _is_callable(hints[name]):
                    raise InputError(
                        f"{where}: {cls.name!r} takes a Python function, so it needs a study script: "
                        "gfcompare.Study(...)."
                    )
                raise InputError(f"{where}: the key {name!r} is missing.")
        grids = {key: self._grid(hints[key], value, f"{where}.{key}") for key, value in table.items()}
        result = []
        for values in itertools.product(*grids.values()):
            try:
                result.append(cls(**dict(zip(grids, values, strict=True))))
            except InputError as error:
                raise InputError(" ".join(str(error).split())).within(where) from None
            except Exception as error:  # of a class that somebody else wrote
                text = " ".join(str(error).split())
                raise InputError(f"{where}: {type(error).__name__}: {text}") from error
        return result

    def _grid(self, hint: Any, value: Any, where: str) -> list[Any]:
        """Return [value], or the elements of a list where the type is not a list of these."""
        try:
            return [self._value(hint, value, where)]
        except InputError as error:
            if not isinstance(value, list) or not value:
                raise
            found, problems = [], []
            for number, item in enumerate(value):
                try:
                    found.append(self._value(hint, item, f"{where}[{number}]"))
                except InputError as inner:
                    problems.append(inner)
            if not problems:
                return found
            # Was a grid meant, or a list that is one value? Where an element is right, a grid.
            grid = bool(found) or not _takes_list(hint) or all(isinstance(item, list) for item in value)
            raise (problems[0] if grid else error) from None

    def _value(self, hint: Any, value: Any, where: str) -> Any:
        """Check a value against a type and convert it, strictly."""
        kind = _component_kind(hint)
        if kind is not None:
            if not _takes_list(hint):
                return self._single(self._component(kind, self._table(value, where), where), where)
            require(isinstance(value, list), f"{where}: must be a list of tables, got {_shown(value)}.")
            places = [f"{where}[{n}]" for n in range(len(value))]
            return tuple(
                self._single(self._component(kind, self._table(item, place), place), place)
                for item, place in zip(value, places, strict=True)
            )
        if _is_callable(hint):
            raise InputError(
                f"{where}: must be a Python function, so it needs a study script: gfcompare.Study(...)."
            )
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            return self._one_of(typing.get_args(hint), value, where)
        if _takes_list(hint):
            require(isinstance(value, list), f"{where}: must be {_described(hint)}, got {_shown(value)}.")
            inner = typing.get_args(hint)[0]
            return tuple(self._value(inner, item, f"{where}[{n}]") for n, item in enumerate(value))
        if dataclasses.is_dataclass(hint):
            require(isinstance(value, dict), f"{where}: must be {_described(hint)}, got {_shown(value)}.")
            return self._single(self._dataclass(typing.cast("type[Any]", hint), value, where), where)
        if typing.get_origin(hint) is Literal:
            allowed = typing.get_args(hint)
            if isinstance(value, str) and value not in allowed:
                raise unknown_name("value", value, map(str, allowed)).within(where)
            require(value in allowed, f"{where}: must be {_described(hint)}, got {_shown(value)}.")
            return value
        return self._scalar(hint, value, where)

    def _one_of(self, members: Sequence[Any], value: Any, where: str) -> Any:
        """Return the value as the first member of a union it fits, or say what comes nearest."""
        errors: list[InputError] = []
        nearest: list[InputError] = []
        for member in sorted(members, key=lambda m: not _fits(m, value)):
            try:
                return self._value(member, value, where)
            except InputError as error:
                errors.append(error)
                if _fits(member, value) and not _is_scalar(member):
                    nearest.append(error)
        schedules = [m.schedule for m in members if hasattr(m, "schedule")]
        if isinstance(value, dict) and schedules and value.get("schedule", schedules[0]) not in schedules:
            raise unknown_name("schedule", str(value["schedule"]), schedules).within(where)
        if nearest:  # the one that got furthest names the deepest place
            raise max(nearest, key=lambda error: str(error).split(": ")[0].count("["))
        described = _alternatives([_described(m) for m in members if m is not type(None)])
        raise InputError(f"{where}: must be {described}, got {_shown(value)}.")

    def _scalar(self, hint: Any, value: Any, where: str) -> Any:
        from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

        try:
            checked = TypeAdapter(hint).validate_json(json.dumps(value), strict=True)
        except PydanticSchemaGenerationError:
            raise InputError(
                f"{where}: cannot be given in a study file; it needs a study script: gfcompare.Study(...)."
            ) from None
        except (ValidationError, TypeError, OverflowError) as error:
            cause = _described(hint)
            if not _is_scalar(hint) and isinstance(error, ValidationError):
                cause = error.errors(include_url=False)[0]["msg"].lower()
            raise InputError(f"{where}: must be {cause}, got {_shown(value)}.") from None
        return (self._folder / checked) if isinstance(checked, Path) else checked

    @staticmethod
    def _table(value: Any, where: str) -> dict[str, Any]:
        require(isinstance(value, dict), f"{where}: must be a table such as [{where}], got {value!r}.")
        return typing.cast("dict[str, Any]", value)

    @staticmethod
    def _single(values: list[Any], where: str) -> Any:
        require(len(values) == 1, f"{where}: a grid is not allowed here.")
        return values[0]


def _types_in(hint: Any) -> Iterator[Any]:
    """Yield the classes that occur in a type hint."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is not None and origin not in (types.UnionType, typing.Union, Literal):
        yield origin
    if not arguments:
        yield hint
    if origin is not Literal:
        for argument in arguments:
            yield from _types_in(argument)


def _is_callable(hint: Any) -> bool:
    import collections.abc

    return any(found is collections.abc.Callable for found in _types_in(hint))


_KIND_OF_BASE: dict[type, Kind] = {
    Target: "targets",
    Measure: "measures",
    Initialization: "initializations",
    Integrator: "integrators",
}


def _component_kind(hint: Any) -> Kind | None:
    for found in _types_in(hint):
        for base, kind in _KIND_OF_BASE.items():
            if isinstance(found, type) and issubclass(found, base):
                return kind
    return None


def _hints(cls: type[Any], where: str) -> dict[str, Any]:
    """Return the types of a dataclass's fields, or raise InputError if its author made that impossible."""
    try:
        return typing.get_type_hints(cls)
    except Exception as error:
        raise InputError(
            f"{where}: the types of the fields of {cls.__name__} cannot be found ({error}); "
            "its module must import them at run time."
        ) from None


def _takes_list(hint: Any) -> bool:
    """Return whether a type is a list of something (a union of types is not looked into)."""
    import collections.abc

    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(_takes_list(member) for member in typing.get_args(hint))
    return typing.get_origin(hint) in (collections.abc.Sequence, list, tuple) and bool(typing.get_args(hint))


_SCALARS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "the path of a file",
    type(None): "none",
}


def _is_scalar(hint: Any) -> bool:
    return isinstance(hint, type) and hint in _SCALARS


def _fits(hint: Any, value: Any) -> bool:
    """Return whether a value has the outer shape of a type: list, table, neither."""
    if isinstance(value, list):
        return _takes_list(hint)
    if isinstance(value, dict):
        keys = {f.name for f in dataclasses.fields(hint)} if dataclasses.is_dataclass(hint) else set()
        schedule = value.get("schedule")
        return bool(keys & set(value)) and schedule in (None, getattr(hint, "schedule", None))
    return not _takes_list(hint) and not dataclasses.is_dataclass(hint)


def _described(hint: Any) -> str:
    """Return in words what a study file may give for a type."""
    if _is_scalar(hint):
        return _SCALARS[hint]
    if typing.get_origin(hint) is Literal:
        return " or ".join(repr(value) for value in typing.get_args(hint))
    if _takes_list(hint):
        inner = _described(typing.get_args(hint)[0])
        plural = inner.removeprefix("a ")
        plural = plural.replace("list of", "lists of") if "list of" in plural else f"{plural}s"
        return f"a list of {plural}"
    if dataclasses.is_dataclass(hint):
        schedule = getattr(hint, "schedule", None)
        keys = ", ".join(f.name for f in dataclasses.fields(hint))
        return f"a table with schedule = {schedule!r}" if schedule else f"a table with the keys {keys}"
    return getattr(hint, "__name__", str(hint))


def _alternatives(described: Sequence[str]) -> str:
    *others, last = dict.fromkeys(described)
    return f"{', '.join(others)} or {last}" if others else last


def _shown(value: Any) -> str:
    """Return a value as a study file has it, cut to a readable length."""
    text = repr(value)
    if isinstance(value, bool):
        text = str(value).lower()
    elif hasattr(value, "isoformat"):
        text = value.isoformat()
    return text if len(text) <= 80 else f"{text[:77]}..."
