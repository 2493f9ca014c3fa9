"""The files of a study's cells: trajectories, and beside them the diagnostics that were computed of them.

A cell's file is named by what determines its trajectories. Each diagnostic in it carries the key of what
determines it besides them, so that one that is added, or whose code has changed, is computed from the stored
states, and nothing else is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gfcompare.components.errors import InputError
from gfcompare.diagnostics import Quantity
from gfcompare.diagnostics.compute import Array, Values, missing_values
from gfcompare.hooks.chosen_diagnostics import along, chosen, diagnostics_of, warn_left_out
from gfcompare.integrators.loop import OnError
from gfcompare.integrators.record import Record
from gfcompare.integrators.status import Status
from gfcompare.network import ReLUNetwork
from gfcompare.results.dataset import arrays
from gfcompare.results.schema import Variable, annotation, variables
from gfcompare.study.cell_format import Content, DamagedCellError, Stored, read
from gfcompare.study.cells import Cell
from gfcompare.system.machine import machine
from gfcompare.system.writing import remove_abandoned, write_whole

CELLS = "cells"
#: The end of the name of a cell's file.
CELL = ".cell"
#: The attribute of a diagnostic that says by what it was computed.
KEY = "key"


def prepare_folder(output: Path) -> None:
    """Make the folder for the results, or raise InputError if that is not possible."""
    try:
        (output / CELLS).mkdir(parents=True, exist_ok=True)
        for folder in (output, output / CELLS):
            remove_abandoned(folder)
        with tempfile.TemporaryFile(dir=output / CELLS):
            pass
    except OSError as error:
        raise InputError(f"output folder {str(output)!r}: {error.strerror or error}.") from None


def cell_path(output: Path, cell: Cell) -> Path:
    """Return the path of a cell's file; it exists if and only if its trajectories are finished."""
    return output / CELLS / f"{cell.key}{CELL}"


def remove_cells(output: Path, cells: Iterable[Cell]) -> None:
    """Remove the files of cells, to have them computed again."""
    for cell in cells:
        cell_path(output, cell).unlink(missing_ok=True)


def stored(path: Path) -> Content | None:
    """Return the content of a cell's file; None if there is none, or it is damaged."""
    try:
        return read(path) if path.exists() else None
    except DamagedCellError:
        return None


def is_finished(output: Path, cell: Cell, on_error: OnError = "record") -> bool:
    """Return whether a cell has its trajectories and its diagnostics, and no error that is to be raised."""
    content = stored(cell_path(output, cell))
    return content is not None and is_complete(content, cell, on_error)


def is_complete(content: Content, cell: Cell, on_error: OnError = "record") -> bool:
    """Return whether the content of a cell's file is all that is wanted."""
    return not missing(content, cell) and not (on_error == "raise" and has_failed(content))


def has_failed(content: Content) -> bool:
    """Return whether a method raised an error in a cell whose trajectories are finished."""
    return bool((content.values("status") == Status.FAILED).any())


def missing(content: Content, cell: Cell) -> list[str]:
    """Return the names of the diagnostics that the content of a cell does not have, or has of other code."""
    known = {name: attributes.get(KEY) for name, (_, _, attributes) in content.variables.items()}
    return [name for name, key in cell.diagnostic_keys.items() if known.get(name) != key]


def trajectories_of(cell: Cell, record: Record) -> Content:
    """Return the content of a cell's file with its trajectories alone."""
    problem = cell.problem.problem
    values = arrays(problem, record, {}) | {
        "seed": np.asarray(cell.seeds, dtype=np.int64),
        "time": record.times,
    }
    meanings = variables(problem, ())
    found = {name: _stored(name, meanings[name], array) for name, array in values.items()}
    return Content({"cell": cell.label, "key": cell.key, "machine": machine()}, found)


def is_kept_first(cell: Cell) -> bool:
    """Return whether a cell's trajectories are kept before its diagnostics: these may take long, or crash."""
    return any(not cls.default or not _is_own(cls) for cls in chosen(cell.diagnostics))


def with_diagnostics(cell: Cell, content: Content, names: Sequence[str]) -> Content:
    """Return a cell's content with some diagnostics computed, in place of what is stored of them."""
    theta, flow_time = states_of(content, cell.problem.network)
    return _with_values(
        cell, content, along(cell.problem.problem, theta, flow_time, cell.integrator, list(names))
    )


def without_diagnostics(cell: Cell, content: Content, cause: str) -> Content:
    """Return a cell's content with NaN for the diagnostics at which processes die, and with the others.

    They are all that are somebody else's, if there are any: which of them it was cannot be told.

    Parameters
    ----------
    cell : the cell
    content : of its file, with the trajectories
    cause : why the processes die, as far as that is known
    """
    problem = cell.problem.problem
    classes = diagnostics_of(problem, missing(content, cell))
    values = {}
    for cls in [cls for cls in classes if not _is_own(cls)] or classes:
        warn_left_out(cls, cause)
        values[cls.name] = missing_values(cls, problem, content.values("flow_time").shape)
    content = _with_values(cell, content, values)
    return with_diagnostics(cell, content, missing(content, cell))


def states_of(content: Content, network: ReLUNetwork) -> tuple[Array, Array]:
    """Return parameters, shape (M, T, P), and flow times, shape (M, T), of the trajectories of a cell."""
    layers = [
        (content.values(f"weight_{k}"), content.values(f"bias_{k}")) for k in range(1, network.depth + 1)
    ]
    return network.join(layers), content.values("flow_time")


def write(path: Path, data: bytes) -> None:
    """Write the bytes of a file among the cells.

    Without waiting for the disk: a file that a loss of power leaves half is known by its checksum.
    """
    write_whole(path, lambda temporary: _write_bytes(temporary, data), lasting=False)


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _is_own(cls: type[Quantity]) -> bool:
    return cls.__module__.startswith("gfcompare.")


def _with_values(cell: Cell, content: Content, values: Values) -> Content:
    meanings = variables(cell.problem.problem, list(values))
    added = {
        name: _stored(name, meanings[name], array, cell.diagnostic_keys[name])
        for name, array in values.items()
    }
    return Content(content.attributes, {**content.variables, **added})


def _stored(name: str, meaning: Variable, values: Array, key: str = "") -> Stored:
    about = annotation(name, meaning)
    attributes = {"long_name": about["long_name"], "units": about["units"]} | ({KEY: key} if key else {})
    dims = meaning.dims[1:] if meaning.dims[0] == "integrator" else meaning.dims
    return dims, np.asarray(values), attributes
