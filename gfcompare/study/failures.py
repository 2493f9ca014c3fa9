"""Errors in somebody else's code: told once, and carried from one process to another."""

from __future__ import annotations

import traceback

import cloudpickle
import numpy as np
import xarray as xr

from gfcompare.components.errors import RunError
from gfcompare.integrators.status import Status
from gfcompare.results.failed import warn_of_failures
from gfcompare.study.cells import Cell

#: Cells that could not be computed, each with its error.
Failures = list[tuple[Cell, Exception]]


class CellsFailedError(RunError):
    """Some cells could not be computed; the others are finished and kept."""


def warn_of_methods(tree: xr.DataTree) -> None:
    """Warn once of each method that failed on some trajectories, whatever the problem."""
    groups = [node.to_dataset() for node in tree.children.values()]
    for name in dict.fromkeys(str(m) for data in groups for m in data["integrator"].values):
        parts = [data.sel(integrator=name) for data in groups]
        status = np.concatenate([part["status"].values.ravel() for part in parts])
        messages = [str(m) for part in parts for m in part["message"].values.ravel()]
        warn_of_failures(f"the method {name!r}", status, messages)


def failed_everywhere(tree: xr.DataTree) -> list[str]:
    """Return the methods that failed on every trajectory of a result on which they had something to do.

    One that starts at a critical point ends before any step: it tells nothing of its method.
    """
    groups = [node.to_dataset() for node in tree.children.values()]
    names = dict.fromkeys(str(m) for data in groups for m in data["integrator"].values)
    found = []
    for name in names:
        parts = [data.sel(integrator=name) for data in groups]
        failed = np.concatenate([part["status"].values.ravel() == Status.FAILED for part in parts])
        idle = np.concatenate([part["steps"].max("time").values.ravel() <= 0 for part in parts])
        if failed.any() and (failed | idle).all():
            found.append(name)
    return found


def portable(error: Exception) -> Exception:
    """Return an error that another process can read: many authors' cannot be made from their text alone."""
    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:
        return CellsFailedError("".join(traceback.format_exception(error)))
    return error
