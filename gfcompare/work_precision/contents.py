"""The file of a work-precision study: its variables, how it is put together, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.components.component import describe
from gfcompare.components.errors import InputError
from gfcompare.integrators.status import Status
from gfcompare.problem import Problem
from gfcompare.results.checksum import write_sealed
from gfcompare.results.dataset import root_attributes
from gfcompare.results.netcdf import open_tree
from gfcompare.results.opening import WORK_PRECISION
from gfcompare.results.schema import Variable, annotated
from gfcompare.results.validation import version_of
from gfcompare.study.spec import StudySpec
from gfcompare.system.paths import user_path
from gfcompare.work_precision.errors import ERRORS, Comparison, Trajectories, trajectories_of
from gfcompare.work_precision.settings import MethodSweep

FILE = WORK_PRECISION

#: Raised when a reader of older files would misunderstand a new one.
VERSION = "1.0"

#: The status of a setting that a method does not have: others have more.
NOT_RUN = -1

_RUN = ("integrator", "setting", "seed")
_REFERENCE = ("integrator", "seed")
_COUNTED = "to the last save time reached, -1 if not run"

#: Relative errors of theta, of the function and of the risk.
_MEANINGS = {
    "theta": "relative error of the parameters, the largest over the save times",
    "function": "relative error of the function in L2 of the input measure, the largest over the save times",
    "risk": "relative error of the risk at the last save time",
}

#: Every variable of the group of a problem.
VARIABLES: dict[str, Variable] = {
    "integrator": Variable(("integrator",), "U", "name of the method in the study", "1"),
    "setting": Variable(("setting",), "i", "number of the setting, from the coarsest", "1"),
    "seed": Variable(("seed",), "i", "seed of the initial network and of the method's random stream", "1"),
    "rtol": Variable(
        ("integrator", "setting"), "f", "relative tolerance, NaN where the step size varies", "1"
    ),
    "step_size": Variable(
        ("integrator", "setting"),
        "f",
        "step size, of a schedule the first one, NaN where the tolerance varies",
        "parameter^2 / risk",
    ),
    "steps": Variable(_RUN, "i", f"steps made {_COUNTED}", "1"),
    "gradient_evaluations": Variable(_RUN, "i", f"evaluations of the population gradient {_COUNTED}", "1"),
    "sample_gradients": Variable(_RUN, "i", f"gradients at one sample point {_COUNTED}", "1"),
    "risk_evaluations": Variable(_RUN, "i", f"evaluations of the risk by the method {_COUNTED}", "1"),
    "wall_time": Variable(_RUN, "f", "time one core has spent to the last save time reached", "s"),
    "status": Variable(_RUN, "i", "how the trajectory ended", "1"),
    "message": Variable(_RUN, "U", "what the method said when the trajectory ended", "1"),
    "end_time": Variable(_RUN, "f", "flow time at which the trajectory ended", "parameter^2 / risk"),
    "reference_status": Variable(_REFERENCE, "i", "how the trajectory of the reference ended", "1"),
    "on_manifold": Variable(("integrator",), "i", "1 if the method lives on the submanifold M, else 0", "1"),
    "options": Variable(("integrator",), "U", "name and options at the coarsest setting, JSON", "1"),
    **{
        f"{name}_error": Variable(
            _RUN, "f", f"{text}; infinite if it ended early, NaN if the reference did", "1"
        )
        for name, text in _MEANINGS.items()
    },
    **{
        f"reference_{name}_error": Variable(
            _REFERENCE, "f", f"uncertainty of the reference: {text} of a second one, less accurate", "1"
        )
        for name, text in _MEANINGS.items()
    },
}

_COUNTS = ("steps", "gradient_evaluations", "sample_gradients", "risk_evaluations")


@dataclass(frozen=True)
class Reference:
    """The flow to which methods are compared.

    Attributes
    ----------
    best : its trajectories
    less : those of a less accurate solution, which tell the uncertainty of the first
    status : ndarray of int8, shape (S,), how the first ended
    """

    best: Trajectories
    less: Trajectories
    status: NDArray[np.int8]


def problem_group(
    problem: Problem,
    sweeps: Sequence[MethodSweep],
    runs: xr.Dataset,
    references: Mapping[bool, Reference],
) -> xr.Dataset:
    """Return the group of a problem.

    Parameters
    ----------
    problem : the problem
    sweeps : methods with their settings
    runs : the group of the problem in the result of all settings
    references : the references for methods on M (True) and for others (False)
    """
    compare = Comparison(problem)
    uncertainty = {on: compare.errors(known.less, known.best) for on, known in references.items()}
    rows = [_of_sweep(compare, sweep, runs, references[sweep.on_manifold].best) for sweep in sweeps]
    most = max(len(sweep.values) for sweep in sweeps)
    data = xr.concat([_padded(row, most) for row in rows], dim="integrator")
    data = data.assign_coords(
        integrator=np.array([sweep.name for sweep in sweeps], dtype=object),
        setting=np.arange(most),
        seed=runs["seed"].values,
    )
    for name in ERRORS:
        values = np.stack([uncertainty[sweep.on_manifold][name] for sweep in sweeps])
        data[f"reference_{name}_error"] = (_REFERENCE, values)
    ends = np.stack([references[sweep.on_manifold].status for sweep in sweeps])
    data["reference_status"] = (_REFERENCE, ends)
    data["on_manifold"] = ("integrator", np.array([sweep.on_manifold for sweep in sweeps], dtype=np.int8))
    options = [json.dumps(describe(sweep.methods[0])) for sweep in sweeps]
    data["options"] = ("integrator", np.array(options, dtype=object))
    data.attrs = dict(runs.attrs)
    return _with_flags(annotated(data, VARIABLES))


def _of_sweep(
    compare: Comparison, sweep: MethodSweep, runs: xr.Dataset, reference: Trajectories
) -> xr.Dataset:
    """Return what is stored of a sweep, over (setting, seed)."""
    parts = []
    for label in sweep.labels:
        one = runs.sel(integrator=label)
        values: dict[str, Any] = {name: one[name].max("time").values for name in (*_COUNTS, "wall_time")}
        values |= {name: one[name].values for name in ("status", "message", "end_time")}
        errors = compare.errors(trajectories_of(runs, label), reference)
        values |= {f"{name}_error": error for name, error in errors.items()}
        parts.append(xr.Dataset({name: ("seed", array) for name, array in values.items()}))
    data = xr.concat(parts, dim="setting")
    for option in ("rtol", "step_size"):
        numbers = sweep.values if sweep.varied == option else np.full(len(sweep.values), np.nan)
        data[option] = ("setting", np.array(numbers, dtype=np.float64))
    return data


def _padded(row: xr.Dataset, settings: int) -> xr.Dataset:
    """Return a sweep with as many settings as the longest has."""
    missing: dict[str, Any] = dict.fromkeys((*_COUNTS, "status"), NOT_RUN) | {"message": ""}
    missing |= {str(name): np.nan for name in row.data_vars if name not in missing}
    return row.pad(setting=(0, settings - row.sizes["setting"]), constant_values=missing)


def _with_flags(data: xr.Dataset) -> xr.Dataset:
    """Return the dataset with the meanings of the numbers of each status."""
    data["reference_status"].attrs |= {k: v for k, v in data["status"].attrs.items() if k.startswith("flag_")}
    data["status"].attrs |= {
        "flag_values": np.array([NOT_RUN, *(s.value for s in Status)], dtype=np.int8),
        "flag_meanings": " ".join(["not_run", *(s.name.lower() for s in Status)]),
    }
    return data


def write(path: Path, study: StudySpec, groups: Mapping[str, xr.Dataset]) -> None:
    """Write the file of a work-precision study, whole or not at all."""
    attributes = root_attributes(study.spec(), study.source)
    del attributes["schema_version"]  # it is no result of a study
    root = xr.Dataset(attrs=attributes | {"work_precision_version": VERSION})
    tree = xr.DataTree.from_dict({"/": root, **groups})
    write_sealed(path, lambda temporary: tree.to_netcdf(temporary, engine="netcdf4"))


def read(path: str | Path) -> xr.DataTree:
    """Open what a work-precision study stored, whole and in memory.

    Parameters
    ----------
    path : the file, or the folder that holds it

    Returns
    -------
    xarray.DataTree
        one group for each problem; docs/work-precision.md describes every variable

    Raises
    ------
    InputError
        if there is no such file, or it is another one
    """
    given = user_path(path)
    file = given / FILE if given.is_dir() else given
    if not file.is_file():
        raise InputError(f"no work-precision study at {str(path)!r}: expected a folder with {FILE}, or it.")
    tree = open_tree(file)
    if "work_precision_version" not in tree.attrs:
        raise InputError(f"{file}: a netCDF file, but not of a work-precision study.")
    given_version = tree.attrs["work_precision_version"]
    if version_of(given_version) != version_of(VERSION):
        raise InputError(
            f"{file}: a work-precision study of version {given_version!s:.20}, which this gfcompare does not "
            f"read (it knows {VERSION})."
        )
    return tree
