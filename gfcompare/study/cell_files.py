"""The files of a study's cells: trajectories, and beside them the diagnostics that were computed of them.

A cell's file is named by what determines its trajectories. Each diagnostic in it carries the key of what
determines it besides them, so that one that is added, or whose code has changed, is computed from the stored
states, and nothing else is.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import xarray as xr

from gfcompare.components.errors import InputError
from gfcompare.diagnostics import Quantity
from gfcompare.diagnostics.compute import Values, missing_values
from gfcompare.hooks.chosen_diagnostics import along, chosen, diagnostics_of, warn_left_out
from gfcompare.integrators.loop import OnError
from gfcompare.integrators.record import Record
from gfcompare.integrators.status import Status
from gfcompare.results.dataset import trajectories
from gfcompare.results.netcdf import open_group, variable_attributes
from gfcompare.results.reading import states_of
from gfcompare.results.schema import annotated, variables
from gfcompare.study.cells import Cell
from gfcompare.system.writing import PART, write_whole

CELLS = "cells"
_KEY = "key"
_DAMAGED = "this cell's file is damaged"
_ADVICE = "Delete it and run the same command again."

# Seconds after which the unfinished file of a killed run is removed.
_ABANDONED = 24 * 3600.0


def prepare_folder(output: Path) -> None:
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


def cell_path(output: Path, cell: Cell) -> Path:
    """Return the path of a cell's file; it exists if and only if its trajectories are finished."""
    return output / CELLS / f"{cell.key}.nc"


def remove_cells(output: Path, cells: Iterable[Cell]) -> None:
    """Remove the files of cells, to have them computed again."""
    for cell in cells:
        cell_path(output, cell).unlink(missing_ok=True)


def is_finished(output: Path, cell: Cell, on_error: OnError = "record") -> bool:
    """Return whether a cell has its trajectories and its diagnostics, and no error that is to be raised."""
    path = cell_path(output, cell)
    return path.exists() and not missing(path, cell) and not (on_error == "raise" and has_failed(path))


def has_failed(path: Path) -> bool:
    """Return whether a method raised an error in a cell whose trajectories are finished."""
    return bool((load_cell(path)["status"] == Status.FAILED).any())


def missing(path: Path, cell: Cell) -> list[str]:
    """Return the names of the diagnostics of a cell that its file does not have, or has from other code."""
    stored = variable_attributes(path, _KEY, _DAMAGED, _ADVICE)
    return [name for name, key in cell.diagnostic_keys.items() if stored.get(name) != key]


def save_cell(path: Path, cell: Cell, record: Record) -> None:
    """Write the file of a cell: its trajectories, and the diagnostics of them."""
    data = trajectories(cell.problem.problem, record, cell.seeds)
    if any(not cls.default or not _is_own(cls) for cls in chosen(cell.diagnostics)):
        # Kept first: what follows may take long, or end this process.
        _write(path, cell, data)
    _write(path, cell, _with_diagnostics(cell, data, list(cell.diagnostic_keys)))


def complete_cell(path: Path, cell: Cell) -> None:
    """Compute the diagnostics that a cell's file does not have, from its states, and add them."""
    if names := missing(path, cell):
        _write(path, cell, _with_diagnostics(cell, load_cell(path), names))


def leave_out(path: Path, cell: Cell, cause: str) -> None:
    """Put NaN in place of the diagnostics at which processes die, and compute the others.

    They are all that are somebody else's, if there are any: which of them it was cannot be told.

    Parameters
    ----------
    path : the cell's file, which has the trajectories
    cell : the cell
    cause : why the processes die, as far as that is known
    """
    problem = cell.problem.problem
    classes = diagnostics_of(problem, missing(path, cell))
    data = load_cell(path)
    values = {}
    for cls in [cls for cls in classes if not _is_own(cls)] or classes:
        warn_left_out(cls, cause)
        values[cls.name] = missing_values(cls, problem, data["flow_time"].shape)
    _write(path, cell, _with_values(cell, data, values))
    complete_cell(path, cell)


def _is_own(cls: type[Quantity]) -> bool:
    return cls.__module__.startswith("gfcompare.")


def _with_diagnostics(cell: Cell, data: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Return a cell's content with some diagnostics computed, in place of what is stored of them."""
    values = along(cell.problem.problem, *states_of(data), cell.integrator, names)
    return _with_values(cell, data, values)


def _with_values(cell: Cell, data: xr.Dataset, values: Values) -> xr.Dataset:
    names = list(values)
    meanings = variables(cell.problem.problem, names)
    added = xr.Dataset({name: (meanings[name].dims[1:], array) for name, array in values.items()})
    for name, variable in annotated(added, meanings).data_vars.items():
        variable.attrs[_KEY] = cell.diagnostic_keys[str(name)]
    # One that has other dimensions now must not meet what is stored of it.
    return data.drop_vars(names, errors="ignore").assign(added.data_vars)


def load_cell(path: Path) -> xr.Dataset:
    """Return the content of a cell's file, or raise InputError if it cannot be read."""
    loaded = open_group(path, _DAMAGED, _ADVICE)
    # Text is read with the width of the longest one in the file, which another file's would not fit into.
    loaded["message"] = loaded["message"].astype(object)
    return loaded


def _write(path: Path, cell: Cell, data: xr.Dataset) -> None:
    data.attrs = {"cell": cell.label, "key": cell.key}
    write_whole(path, lambda temporary: data.to_netcdf(temporary, engine="netcdf4"))
