"""Opening results: which file a path means, and whether this version can read it and write to it."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from gfcompare.components.errors import InputError
from gfcompare.results.netcdf import FileInUseError, attributes, open_tree
from gfcompare.results.schema import SCHEMA_VERSION
from gfcompare.results.trees import as_tree
from gfcompare.results.validation import KNOWN, faults, version_of
from gfcompare.system.paths import user_path

RESULT = "result.nc"
UNFINISHED = "unfinished.nc"
WORK_PRECISION = "work-precision.nc"

_OF_PRECISION = (
    "a work-precision study, which gfcompare info and gfcompare plot show; "
    "in Python gfcompare.work_precision.read opens it."
)


class SchemaWarning(UserWarning):
    """A result is of a later version of the schema than this gfcompare's."""


def result_path(output: Path) -> Path:
    """Return the path of the result file of a study whose results are in the folder `output`."""
    return output / RESULT


def unfinished_path(output: Path) -> Path:
    """Return the path of the file that says what a run in a folder is to compute, until it is finished."""
    return output / UNFINISHED


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
        if there is no such file, it is not a result of gfcompare, or one that this version cannot read

    Examples
    --------
    >>> import gfcompare as gfc
    >>> tree = gfc.open_study("results/quickstart")
    >>> risk = tree["sine"]["risk"].sel(integrator="standard-gf")
    >>> risk.median("seed", skipna=False).dims
    ('time',)
    """
    file = located(path)
    loaded = open_unchecked(file)
    check_version(file, loaded.attrs)
    if wrong := faults(loaded):
        more = f" There are {len(wrong) - 1} more: gfcompare validate lists them." if wrong[1:] else ""
        raise InputError(f"{file}: not a valid result of gfcompare: {wrong[0]}.{more}")
    return loaded


def located(path: str | Path) -> Path:
    """Return the result file that a path means: itself, or the one in a folder."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"a result is opened by its path, got {path!r:.80}.")
    given = user_path(path)
    file = result_path(given) if given.is_dir() else given
    if not file.is_file():
        if unfinished_path(file.parent).is_file() and file.name == RESULT:
            raise InputError(
                f"{given}: the run is not finished; the same command as before goes on with it. "
                "gfcompare info and gfcompare plot show what there is so far."
            )
        if given.is_dir() and (given / WORK_PRECISION).is_file():
            raise InputError(f"no result at {str(path)!r}: it has {_OF_PRECISION}")
        raise InputError(f"no result at {str(path)!r}: expected a folder with {RESULT}, or such a file.")
    return file


def work_precision_path(path: Path) -> Path | None:
    """Return the file of a work-precision study that a path means, None if it means something else.

    A folder with the result of a study too means that.
    """
    if path.is_dir():
        other = result_path(path).exists() or unfinished_path(path).exists()
        return path / WORK_PRECISION if (path / WORK_PRECISION).is_file() and not other else None
    if path.suffix.lower() not in {".nc", ".nc4"} or not path.is_file():
        return None
    import netCDF4

    try:
        with netCDF4.Dataset(path) as file:
            return path if "work_precision_version" in file.ncattrs() else None
    except OSError:  # no netCDF file: whoever opens it says so
        return None


def work_precision_beside(path: Path) -> Path | None:
    """Return the file of a work-precision study in a folder that has the result of a study too, or None."""
    file = path / WORK_PRECISION
    return file if file.is_file() and work_precision_path(path) is None else None


def open_unchecked(file: Path) -> xr.DataTree:
    """Open a result file, whatever is wrong with it besides that it is no result."""
    loaded = open_tree(file)
    if "work_precision_version" in loaded.attrs:
        raise InputError(f"{file}: this is {_OF_PRECISION}")
    if "schema_version" not in loaded.attrs:
        raise InputError(f"{file}: a netCDF file, but not a result of gfcompare (no schema_version).")
    if loaded.children or "problem" not in loaded.attrs:
        return loaded
    try:  # trajectories of `gfcompare.integrate` that were saved are no tree
        return as_tree(loaded.to_dataset())
    except InputError as error:
        raise error.within(str(file)) from None


def check_version(file: Path, attributes: Mapping[Any, Any], *, to_write: bool = False) -> None:
    """Raise InputError if a result has a schema that this version does not know.

    A later minor version has more than this one shows: that is said, and the file is only read.
    """
    found, known = version_of(attributes.get("schema_version")), KNOWN
    what = f"{file}: a result of schema version {attributes.get('schema_version')!s:.20}"
    if found is None or found[0] != known[0]:
        raise InputError(f"{what}, which this gfcompare does not read (it knows {SCHEMA_VERSION}).")
    if found <= known:
        return
    if to_write:
        raise InputError(
            f"{what}, later than this gfcompare's {SCHEMA_VERSION}: it is not written to. Update gfcompare."
        )
    warnings.warn(
        f"{what}, later than this gfcompare's {SCHEMA_VERSION}: what is new in it is not shown.",
        SchemaWarning,
        stacklevel=3,
    )


def check_owner(output: Path, spec: Mapping[str, Any]) -> None:
    """Raise InputError if a folder has another study's results, or one that cannot be replaced.

    A study is known by its name, so that it can be changed; and by all the rest, so that it can be renamed.

    Parameters
    ----------
    output : the folder
    spec : the study as plain data, as `gfcompare.Study.spec` returns it
    """
    for file in (unfinished_path(output), result_path(output)):
        if not file.is_file():
            continue
        try:
            about = attributes(file)
        except FileInUseError:
            raise
        except InputError as error:
            raise InputError(f"{error} Move it away, or choose another output folder.") from None
        if "schema_version" not in about:
            raise InputError(f"{file}: not a result of gfcompare. Choose another output folder.")
        check_version(file, about, to_write=True)
        title = about.get("title")
        if title != spec["name"] and _unnamed(about.get("study")) != _unnamed(json.dumps(spec)):
            raise InputError(
                f"output folder {str(output)!r}: it has the results of the study {title!r:.90}, "
                f"which {spec['name']!r} would replace. Choose another output folder (--output), or remove "
                "that one."
            )


def _unnamed(study: object) -> object:
    """Return a study as plain data without what it is called, None if that cannot be read."""
    try:
        found = json.loads(str(study))
        return {key: value for key, value in found.items() if key not in ("name", "description")}
    except (ValueError, AttributeError, RecursionError):
        return None
