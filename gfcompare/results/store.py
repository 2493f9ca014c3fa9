"""Files: one for each finished cell, written whole or not at all, and one result for a study."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import xarray as xr

from gfcompare.components.errors import FOREIGN_ERRORS, InputError, RunError, cause_of
from gfcompare.evaluators.quadrature import Quadrature
from gfcompare.hooks.registry import registry
from gfcompare.measures import Points
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.results.netcdf import FileInUseError
from gfcompare.results.opening import check_version, open_study, result_path, unfinished_path
from gfcompare.results.schema import DIAGNOSED, problem_group, root_attributes, variables
from gfcompare.results.validation import digest
from gfcompare.study.cell_files import CELLS, cell_path, load_cell
from gfcompare.study.study import Cell, Study, diagnostic_key
from gfcompare.study.toml import component
from gfcompare.study.unfinished import descriptions, joined
from gfcompare.system.writing import PART, Stamp, stamp, write_whole
from gfcompare.targets import Labels

STUDY_FILE = "study.toml"
_ABANDONED = 24 * 3600.0  # seconds
# How often a result is put together again because something was added to the one of before meanwhile.
_TRIES = 5
# Relative difference of risks that rounding and another version of a library can make.
_SAME_RISK = 1e-6


class ReplacedError(RunError):
    """A result file was replaced by another one while something was to be added to it."""


def prepare(output: Path) -> None:
    """Make the folder for the results, or raise InputError if that is not possible."""
    try:
        (output / CELLS).mkdir(parents=True, exist_ok=True)
        for part in output.glob(f"**/*{PART}"):  # a killed run's; a running one's would be younger
            if time.time() - part.stat().st_mtime > _ABANDONED:
                part.unlink(missing_ok=True)
        with tempfile.TemporaryFile(dir=output / CELLS):
            pass
    except OSError as error:
        raise InputError(f"output folder {str(output)!r}: {error.strerror or error}.") from None


def merge(
    study: Study, output: Path, given: Sequence[Cell] | None = None, tell: Callable[[str], object] = str
) -> Path:
    """Put the cells of a study together into one result file; return its path.

    What `gfcompare verify` and `gfcompare diagnose` have added to the result of before stays where the
    trajectories are the same.

    Parameters
    ----------
    study : the study
    output : the folder of its results
    given : its cells as they were computed; asked for again, they are others if a source file has changed
    tell : is told what is not kept of the result of before
    """
    cells = study.cells() if given is None else given
    for _ in range(_TRIES):
        try:
            _merge(study, output, cells, tell)
            break
        except ReplacedError:  # by one with additions, which are to be kept
            continue
    else:
        raise RunError(f"{result_path(output)} is replaced again and again. Run the same command again.")
    unfinished_path(output).unlink(missing_ok=True)
    return result_path(output)


def _merge(study: Study, output: Path, cells: Sequence[Cell], tell: Callable[[str], object]) -> None:
    file = result_path(output)
    seen = stamp(file)
    before = _before(file, tell) if seen else None
    spec = study.spec()
    if before is not None and (gone := _gone(before, study)):
        tell(f"not in this result, as it was in the one of before: {gone}; the cells of it are kept")
    blocks: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        blocks.setdefault((cell.problem.name, cell.integrator_name), []).append(cell)

    def write(temporary: Path) -> None:
        root = xr.Dataset(attrs=root_attributes(spec, study.source))
        root.to_netcdf(temporary, engine="netcdf4", mode="w")
        for problem in study.problems:
            wanted = variables(problem.problem, study.diagnostics).keys()
            parts = [
                joined([load_cell(cell_path(output, c)) for c in blocks[problem.name, name]], wanted)
                for name in study.integrators
            ]
            data = problem_group(
                problem.name,
                problem.problem,
                study.integrators,
                descriptions(spec, problem.name),
                parts,
                study.diagnostics,
            )
            data = _with_additions(problem.name, data, before, tell)
            data.to_netcdf(temporary, engine="netcdf4", mode="a", group=problem.name)
        _refuse_replaced(file, seen)

    write_whole(file, write)


def _before(file: Path, tell: Callable[[str], object]) -> xr.DataTree | None:
    """Return the result that is to be replaced, None if nothing of it can be kept."""
    try:
        return open_study(file)
    except FileInUseError:
        raise
    except InputError as error:
        tell(f"{error} It is replaced.")
        return None


def _gone(before: xr.DataTree, study: Study) -> str:
    """Return in words which problems and methods a result has and a study has not."""
    problems = [str(name) for name in before.children if name not in {spec.name for spec in study.problems}]
    methods = dict.fromkeys(
        str(name) for node in before.children.values() for name in node.to_dataset()["integrator"].values
    )
    others = [name for name in methods if name not in study.integrators]
    parts = [("problem", problems), ("method", others)]
    return ", ".join(f"{what} {name!r}" for what, names in parts for name in names)


def _with_additions(
    name: str, data: xr.Dataset, before: xr.DataTree | None, tell: Callable[[str], object]
) -> xr.Dataset:
    """Return the group of a problem with what was added to it in the result of before, while it holds."""
    if before is None or name not in before.children:
        return data
    old = before[name].to_dataset()
    checks = [key for key in old.variables if "check" in old[key].dims]
    # What the study computes itself by now is there.
    added = [key for key in old.data_vars if DIAGNOSED in old[key].attrs and key not in data.variables]
    if not checks and not added:
        return data
    if digest(old) != digest(data):
        other = f"problem {name!r}: its trajectories are others than in the result of before, so"
        if checks:
            what = "the checks of theorems that were there are dropped"
            tell(f"{other} {what}; gfcompare verify makes them again")
        if added:
            tell(f"{other} {_names(added)} dropped; gfcompare diagnose computes them again")
        return data
    if changed := [key for key in added if not _is_current(str(key), old[key].attrs[DIAGNOSED])]:
        tell(
            f"problem {name!r}: {_names(changed)} dropped, because the code that computes this has changed; "
            "gfcompare diagnose computes them again"
        )
    kept = [*checks, *(key for key in added if key not in changed)]
    return data.assign({key: old[key] for key in kept})


def _names(diagnostics: Sequence[object]) -> str:
    names = ", ".join(map(repr, diagnostics))
    return f"the diagnostics {names} are" if len(diagnostics) > 1 else f"the diagnostic {names} is"


def _is_current(name: str, key: object) -> bool:
    """Return whether a diagnostic would be computed by the same code again, as far as that is there."""
    if name not in registry().names("diagnostics"):
        return True
    return bool(diagnostic_key(registry().get("diagnostics", name)) == key)


def _refuse_replaced(file: Path, seen: Stamp) -> None:
    if stamp(file) != seen:
        raise ReplacedError(f"{file}: replaced by another program meanwhile.")


def add(file: Path, groups: Mapping[str, xr.Dataset], dimension: str, of: xr.DataTree) -> None:
    """Add variables to the problem groups of a result file, in one atomic step.

    Parameters
    ----------
    file : the result file
    groups : for each problem the variables with their attributes
    dimension : one that all of them have, and no others; what the file has over it is replaced
    of : the result as it was when the variables were computed

    Raises
    ------
    ReplacedError
        if the file has other trajectories than that; it is left as it is
    """
    seen = stamp(file)
    tree = open_study(file)
    check_version(file, tree.attrs, to_write=True)
    digests = [{name: digest(node.to_dataset()) for name, node in t.children.items()} for t in (of, tree)]
    if digests[0] != digests[1]:
        raise ReplacedError(
            f"{file}: the result was replaced while it was looked at, and has other trajectories now. "
            "Nothing was added to it; give the same command again."
        )

    def write(temporary: Path) -> None:
        tree.to_dataset().to_netcdf(temporary, engine="netcdf4", mode="w")
        for name, node in tree.children.items():
            data = node.to_dataset().drop_dims(dimension, errors="ignore")
            data = data.assign(groups[str(name)].variables)
            data.to_netcdf(temporary, engine="netcdf4", mode="a", group=str(name))
        _refuse_replaced(file, seen)

    write_whole(file, write)


def problems_of(tree: xr.DataTree) -> dict[str, Problem]:
    """Return every problem of a result by name, as `problem_of` rebuilds it."""
    return {str(name): problem_of(node.to_dataset()) for name, node in tree.children.items()}


def problem_of(group: xr.Dataset) -> Problem:
    """Return a problem of a result, rebuilt from what is stored: to evaluate its risk at other parameters.

    Raises
    ------
    InputError
        if the result does not hold it: its target or its measure is a Python function, comes from a plugin
        that is not there, or does not give the risk that is stored
    """
    name = str(group.attrs.get("problem", ""))
    try:
        problem = unchecked_problem_of(group)
        _check_risk(problem, group)
    except InputError as error:
        raise InputError(f"problem {name!r} cannot be rebuilt from the result: {error}") from None
    except FOREIGN_ERRORS as error:  # of a target or measure that somebody else wrote
        cause = cause_of(error)
        raise InputError(f"problem {name!r} cannot be rebuilt from the result: {cause}") from error
    return problem


def unchecked_problem_of(group: xr.Dataset) -> Problem:
    """Return a problem of a result, rebuilt from what is stored, whatever risk it gives.

    Raises
    ------
    InputError
        if the result does not hold its target or its measure
    Exception
        of a target or measure that somebody else wrote
    """
    network = ReLUNetwork([int(n) for n in group.attrs["widths"]])
    if json.loads(group.attrs.get("evaluation", "{}")).get("kind") == "points":
        return _on_points(group, network)
    return _described(
        network, *(str(group.attrs.get(key, "{}")) for key in ("target", "measure", "evaluation"))
    )


def _on_points(group: xr.Dataset, network: ReLUNetwork) -> Problem:
    """Return a problem on finitely many points: these and the values to be learnt are stored whole."""
    test = [group[f"test_{key}"].values if f"test_{key}" in group else None for key in ("x", "target")]
    sample = (group[f"sample_{key}"].values for key in ("x", "weight", "target"))
    return Problem(network, Labels(), Points(*sample, *test))


@lru_cache(maxsize=32)
def _described(network: ReLUNetwork, target: str, measure: str, evaluation: str) -> Problem:
    """Return a problem from descriptions of its parts, JSON."""
    how = json.loads(evaluation)
    rule = (
        Quadrature(how.get("nodes"), how.get("coordinate")) if how.get("kind") == "preintegration" else None
    )
    return Problem(
        network,
        component("targets", json.loads(target), "target"),
        component("measures", json.loads(measure), "measure"),
        rule,
    )


def _check_risk(problem: Problem, group: xr.Dataset) -> None:
    """Raise InputError unless a problem gives the risk that is stored for the first trajectory's start."""
    start = group.isel(integrator=0, seed=0, time=0)
    layers = range(1, problem.network.depth + 1)
    theta = problem.network.join([(start[f"weight_{k}"].values, start[f"bias_{k}"].values) for k in layers])
    stored, found = float(start["risk"]), float(problem.risk(theta))
    if math.isfinite(stored) and not math.isclose(stored, found, rel_tol=_SAME_RISK, abs_tol=1e-12):
        raise InputError(f"the risk of the first network is {found:.6g}, stored is {stored:.6g}.")
