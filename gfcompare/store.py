"""Files: one for each finished cell, written whole or not at all, and one result for a study."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from gfcompare.errors import InputError
from gfcompare.integration import Record
from gfcompare.schema import problem_group, root_attributes, trajectories
from gfcompare.study import Cell, Study

RESULT = "result.nc"
STUDY_FILE = "study.toml"
CELLS = "cells"
_PART = ".part"
_ABANDONED = 24 * 3600.0  # seconds


def result_path(output: Path) -> Path:
    """Return the path of the result file of a study whose results are in the folder `output`."""
    return output / RESULT


def cell_path(output: Path, cell: Cell) -> Path:
    """Return the path of a cell's file; it exists if and only if the cell is finished."""
    return output / CELLS / f"{cell.key}.nc"


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
    data = trajectories(cell.problem.problem, record, cell.seeds)
    data.attrs = {"cell": cell.label, "key": cell.key}
    write_whole(path, lambda temporary: data.to_netcdf(temporary, engine="netcdf4"))


def merge(study: Study, output: Path) -> Path:
    """Put the cells of a study together into one result file; return its path."""
    spec = study.spec()
    cells: dict[tuple[str, str], list[Cell]] = {}
    for cell in study.cells():
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
            data = problem_group(problem.name, problem.problem, study.integrators, descriptions, parts)
            data.to_netcdf(temporary, engine="netcdf4", mode="a", group=problem.name)

    write_whole(result_path(output), write)
    return result_path(output)


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
    """
    given = Path(path)
    file = result_path(given) if given.is_dir() else given
    if not file.is_file():
        raise InputError(f"no result at {str(path)!r}: expected a folder with {RESULT}, or such a file.")
    try:
        with xr.open_datatree(file, engine="netcdf4") as tree:
            loaded = tree.load()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{file}: not a netCDF-4 file ({error}).") from None
    if "schema_version" not in loaded.attrs:
        raise InputError(f"{file}: a netCDF file, but not a result of gfcompare (no schema_version).")
    return loaded
