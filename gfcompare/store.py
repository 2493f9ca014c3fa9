"""Files: one for each finished cell, written whole or not at all, and one result for a study."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import xarray as xr

from gfcompare.errors import FOREIGN_ERRORS, InputError, cause_of
from gfcompare.integration import Record
from gfcompare.interface import Status
from gfcompare.measures import Points
from gfcompare.network import ReLUNetwork
from gfcompare.paths import user_path
from gfcompare.problem import Problem
from gfcompare.quadrature import Quadrature
from gfcompare.schema import problem_group, root_attributes, trajectories
from gfcompare.study import Cell, Study
from gfcompare.study_file import component
from gfcompare.targets import Labels
from gfcompare.trees import as_tree

RESULT = "result.nc"
STUDY_FILE = "study.toml"
CELLS = "cells"
_PART = ".part"
_ABANDONED = 24 * 3600.0  # seconds
# Relative difference of risks that rounding and another version of a library can make.
_SAME_RISK = 1e-6


def result_path(output: Path) -> Path:
    """Return the path of the result file of a study whose results are in the folder `output`."""
    return output / RESULT


def cell_path(output: Path, cell: Cell) -> Path:
    """Return the path of a cell's file; it exists if and only if the cell is finished."""
    return output / CELLS / f"{cell.key}.nc"


def remove_cells(output: Path, cells: Iterable[Cell]) -> None:
    """Remove the files of cells, to have them computed again."""
    for cell in cells:
        cell_path(output, cell).unlink(missing_ok=True)


def has_failed(path: Path) -> bool:
    """Return whether a method raised an error in a finished cell."""
    return bool((_load(path)["status"] == Status.FAILED).any())


def prepare(output: Path) -> None:
    """Make the folder for the results, or raise InputError if that is not possible."""
    try:
        (output / CELLS).mkdir(parents=True, exist_ok=True)
        for part in output.glob(f"**/*{_PART}"):  # a killed run's; a running one's would be younger
            if time.time() - part.stat().st_mtime > _ABANDONED:
                part.unlink(missing_ok=True)
        with tempfile.TemporaryFile(dir=output / CELLS):
            pass
    except OSError as error:
        raise InputError(f"output folder {str(output)!r}: {error.strerror or error}.") from None


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` write a temporary file, then put it in place in one atomic step.

    Whatever interrupts it, `path` either does not exist, or is as it was before, or is complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=_PART)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_cell(path: Path, cell: Cell, record: Record) -> None:
    """Write the file of a finished cell."""
    data = trajectories(cell.problem.problem, record, cell.seeds, cell.integrator, cell.diagnostics)
    data.attrs = {"cell": cell.label, "key": cell.key}
    write_whole(path, lambda temporary: data.to_netcdf(temporary, engine="netcdf4"))


def merge(study: Study, output: Path, given: Sequence[Cell] | None = None) -> Path:
    """Put the cells of a study together into one result file; return its path.

    Parameters
    ----------
    study : the study
    output : the folder of its results
    given : its cells as they were computed; asked for again, they are others if a source file has changed
    """
    spec = study.spec()
    cells: dict[tuple[str, str], list[Cell]] = {}
    for cell in study.cells() if given is None else given:
        cells.setdefault((cell.problem.name, cell.integrator_name), []).append(cell)

    def write(temporary: Path) -> None:
        root = xr.Dataset(attrs=root_attributes(spec, study.source))
        root.to_netcdf(temporary, engine="netcdf4", mode="w")
        for problem in study.problems:
            parts = []
            for name in study.integrators:
                blocks = [_load(cell_path(output, cell)) for cell in cells[problem.name, name]]
                parts.append(
                    xr.concat(
                        blocks,
                        dim="seed",
                        data_vars="minimal",
                        coords="minimal",
                        compat="override",
                        join="exact",
                    )
                )
            descriptions = spec["problems"][problem.name] | {"integrators": spec["integrators"]}
            data = problem_group(
                problem.name, problem.problem, study.integrators, descriptions, parts, study.diagnostics
            )
            data.to_netcdf(temporary, engine="netcdf4", mode="a", group=problem.name)

    write_whole(result_path(output), write)
    return result_path(output)


def add(file: Path, groups: Mapping[str, xr.Dataset], dimension: str) -> None:
    """Add variables to the problem groups of a result file, in one atomic step.

    Parameters
    ----------
    file : the result file
    groups : for each problem the variables with their attributes
    dimension : one that all of them have, and no others; what the file has over it is replaced
    """
    tree = open_study(file)

    def write(temporary: Path) -> None:
        tree.to_dataset().to_netcdf(temporary, engine="netcdf4", mode="w")
        for name, node in tree.children.items():
            data = node.to_dataset().drop_dims(dimension, errors="ignore")
            data = data.assign(groups[str(name)].variables)
            data.to_netcdf(temporary, engine="netcdf4", mode="a", group=str(name))

    write_whole(file, write)


def _load(path: Path) -> xr.Dataset:
    try:
        with xr.open_dataset(path, engine="netcdf4") as data:
            loaded = data.load()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path}: this cell's file is damaged ({error}). Delete it and run the same command again."
        ) from None
    # Text is read with the width of the longest one in the file, which another file's would not fit into.
    loaded["message"] = loaded["message"].astype(object)
    return loaded


def is_result(path: Path) -> bool:
    """Return whether a path is meant as a result, a folder or a netCDF file, and not as a study file."""
    return path.is_dir() or path.suffix.lower() in {".nc", ".nc4"}


def open_study(path: str | Path) -> xr.DataTree:
    """Open the result of a study, whole and in memory.

    Parameters
    ----------
    path : the result file, or the folder that holds it

    Returns
    -------
    xarray.DataTree
        one group for each problem; docs/schema.md describes every variable

    Raises
    ------
    InputError
        if there is no such file or it is not a result of gfcompare

    Examples
    --------
    >>> import gfcompare as gfc
    >>> tree = gfc.open_study("results/quickstart")
    >>> risk = tree["sine"]["risk"].sel(integrator="standard-gf")
    >>> risk.median("seed", skipna=False).dims
    ('time',)
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"a result is opened by its path, got {path!r:.80}.")
    given = user_path(path)
    file = result_path(given) if given.is_dir() else given
    if not file.is_file():
        raise InputError(f"no result at {str(path)!r}: expected a folder with {RESULT}, or such a file.")
    loaded = open_tree(file)
    if "work_precision_version" in loaded.attrs:
        raise InputError(
            f"{file}: this is a work-precision study, which gfcompare info and gfcompare plot show; "
            "in Python gfcompare.work_precision.read opens it."
        )
    if "schema_version" not in loaded.attrs:
        raise InputError(f"{file}: a netCDF file, but not a result of gfcompare (no schema_version).")
    # Trajectories of `gfcompare.integrate` that were saved are no tree.
    return loaded if loaded.children or "problem" not in loaded.attrs else as_tree(loaded.to_dataset())


def open_tree(file: Path) -> xr.DataTree:
    """Open a netCDF-4 file with groups, whole and in memory, or raise InputError if it is none."""
    try:
        with xr.open_datatree(file, engine="netcdf4") as tree:
            return tree.load()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{file}: not a netCDF-4 file ({error}).") from None


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
