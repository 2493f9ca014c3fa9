"""Errors in somebody else's code: told once, and carried from one process to another."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Sequence

import cloudpickle
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.components.errors import MethodWarning, RunError
from gfcompare.integrators.status import Status


class CellsFailedError(RunError):
    """Some cells could not be computed; the others are finished and kept."""


def warn_of_failures(method: str, status: NDArray[np.integer], messages: Sequence[str]) -> None:
    """Warn once of the trajectories on which a method failed, with the first one's message."""
    failed = np.flatnonzero(np.asarray(status) == Status.FAILED)
    if not failed.size:
        return
    first = messages[failed[0]].rstrip(".")
    raised = re.search(r"\(.+, line \d+, in .+\)$", first)
    hint = ' For the traceback: on_error="raise", on the command line --traceback.' if raised else ""
    warnings.warn(
        f"{method} failed on {failed.size} of {len(messages)} trajectories: {first}.{hint}",
        MethodWarning,
        stacklevel=3,
    )


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
