"""One result file from the cells of a study, with what was added to the result before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from gfcompare.components.errors import InputError, RunError
from gfcompare.diagnostics import PairedDiagnostic
from gfcompare.hooks.chosen_diagnostics import chosen
from gfcompare.hooks.registry import registry
from gfcompare.results import netcdf
from gfcompare.results.checksum import write_sealed
from gfcompare.results.dataset import frame, root_attributes
from gfcompare.results.digest import digest
from gfcompare.results.netcdf import FileInUseError, attributes
from gfcompare.results.opening import open_study, result_path, unfinished_path
from gfcompare.results.schema import DIAGNOSED
from gfcompare.results.store import ReplacedError, refuse_replaced
from gfcompare.results.trees import CELLS_DIGEST
from gfcompare.study import cell_format, streaming
from gfcompare.study.cell_files import cell_path
from gfcompare.study.cell_format import Content
from gfcompare.study.cells import Cell, diagnostic_key
from gfcompare.study.spec import StudySpec
from gfcompare.study.unfinished import descriptions
from gfcompare.system.writing import stamp

if TYPE_CHECKING:
    import netCDF4

# How often a result is merged again because another program has added something to the one before meanwhile.
_TRIES = 5


#: Returns the content of the file of a cell.
Read = Callable[[Cell], Content]


def current(
    study: StudySpec, output: Path, cells: Sequence[Cell], log: Callable[[str], object] = str
) -> xr.DataTree | None:
    """Return the result of a study if to put it together again would change nothing; otherwise None.

    Parameters
    ----------
    study : the study
    output : the folder of its results
    cells : its cells, whose files must be the ones that the last merge has read
    log : receives messages on what is wrong with the result
    """
    file = result_path(output)
    if unfinished_path(output).exists() or not file.is_file():
        return None
    wanted, about = _root_attributes(study, cells), attributes(file)
    if any(about.get(key) != text for key, text in wanted.items() if key != "created"):
        return None
    found = _before(file, log)
    if found is None or any(_changed(node.to_dataset()) for node in found.children.values()):
        return None
    return found


def _root_attributes(study: StudySpec, cells: Sequence[Cell]) -> dict[str, str]:
    """Return the attributes of the root of a study's result."""
    said = hashlib.sha256()
    for cell in cells:
        said.update(bytes.fromhex(cell.key))
    compared = [cls for cls in chosen(study.diagnostics) if issubclass(cls, PairedDiagnostic)]
    keys = {cls.name: diagnostic_key(cls) for cls in compared}
    for cell in {cell.problem.name: cell for cell in cells}.values():
        said.update(json.dumps([cell.diagnostic_keys, keys], sort_keys=True).encode())
    return root_attributes(study.spec(), study.source) | {CELLS_DIGEST: said.hexdigest()}


def merge(
    study: StudySpec,
    output: Path,
    given: Sequence[Cell] | None = None,
    log: Callable[[str], object] = str,
    read: Read | None = None,
) -> Path:
    """Put the cells of a study together into one result file; return its path.

    What `gfcompare verify` and `gfcompare diagnose` have added to the result of before stays where the
    trajectories are the same.

    Parameters
    ----------
    study : the study
    output : the folder of its results
    given : its cells as they were computed; asked for again, they are others if a source file has changed
    log : receives messages on what is dropped of the earlier result
    read : reads the file of a cell; by default that in the folder
    """
    cells = study.cells() if given is None else given
    reads = read or (lambda cell: cell_format.read(cell_path(output, cell)))
    for _ in range(_TRIES):
        try:
            _merge(study, output, cells, log, reads)
            break
        except ReplacedError:  # by one with additions, which are to be kept
            continue
    else:
        raise RunError(f"{result_path(output)} is replaced again and again. Run the same command again.")
    unfinished_path(output).unlink(missing_ok=True)
    return result_path(output)


def _merge(
    study: StudySpec, output: Path, cells: Sequence[Cell], log: Callable[[str], object], read: Read
) -> None:
    file = result_path(output)
    seen = stamp(file)
    before = _before(file, log) if seen else None
    spec = study.spec()
    if before is not None and (gone := _gone(before, study)):
        log(f"not in this result, as it was in the one of before: {gone}; the cells of it are kept")

    def write(temporary: Path) -> None:
        root = xr.Dataset(attrs=_root_attributes(study, cells))
        with netcdf.new_file(temporary, root) as whole:
            for problem in study.problems:
                name = problem.name
                mine = [cell for cell in cells if cell.problem.name == name]
                about = frame(name, problem.problem, study.integrators, descriptions(spec, name))
                group = streaming.write_group(whole, about, mine, study, read)
                added = _with_additions(name, group, before, log)
                if added is not None:
                    netcdf.write(added, group)

    write_sealed(file, write, lambda: refuse_replaced(file, seen))


def _before(file: Path, log: Callable[[str], object]) -> xr.DataTree | None:
    """Return the result that is to be replaced, None if nothing of it can be kept."""
    try:
        return open_study(file)
    except FileInUseError:
        raise
    except InputError as error:
        log(f"{error} It is replaced.")
        return None


def _gone(before: xr.DataTree, study: StudySpec) -> str:
    """Return in words which problems and methods a result has and a study has not."""
    problems = [str(name) for name in before.children if name not in {spec.name for spec in study.problems}]
    methods = dict.fromkeys(
        str(name) for node in before.children.values() for name in node.to_dataset()["integrator"].values
    )
    others = [name for name in methods if name not in study.integrators]
    parts = [("problem", problems), ("method", others)]
    return ", ".join(f"{what} {name!r}" for what, names in parts for name in names)


#: What was found out about the trajectories, by its dimension, and the command that does so.
_PROVED = {"check": ("the checks of theorems", "verify"), "certified_time": ("the certificates", "certify")}


def _with_additions(
    name: str, group: netCDF4.Group, before: xr.DataTree | None, log: Callable[[str], object]
) -> xr.Dataset | None:
    """Return what was added to the group of a problem in the result of before, while it holds; or None.

    Parameters
    ----------
    name : of the problem
    group : of the problem in the new result, which is not in its place yet
    before : the result of before
    log : receives messages on what is dropped
    """
    if before is None or name not in before.children:
        return None
    old = before[name].to_dataset()
    data = netcdf.written(group)
    checks = [key for key in old.variables if set(_PROVED) & set(old[key].dims)]
    # What the study computes itself by now is there.
    added = [key for key in old.data_vars if DIAGNOSED in old[key].attrs and key not in data.variables]
    if not checks and not added:
        return None
    if digest(old) != digest(data):
        other = f"problem {name!r}: its trajectories are others than in the result of before, so"
        if checks:
            gone = [key for key in _PROVED if key in old.dims]
            what, command = (" and ".join(_PROVED[key][k] for key in gone) for k in (0, 1))
            log(f"{other} {what} that were there are dropped; gfcompare {command} makes them again")
        if added:
            log(f"{other} {_names(added)} dropped; gfcompare diagnose computes them again")
        return None
    if changed := [key for key in _changed(old) if key in added]:
        log(
            f"problem {name!r}: {_names(changed)} dropped, because the code that computes this has changed; "
            "gfcompare diagnose computes them again"
        )
    kept = [*checks, *(key for key in added if key not in changed)]
    return xr.Dataset({key: old.variables[key] for key in kept})


def _changed(data: xr.Dataset) -> list[object]:
    """Return the diagnostics that were added to a result and would be computed by other code now."""
    added = [key for key in data.data_vars if DIAGNOSED in data[key].attrs]
    return [key for key in added if not _is_current(str(key), data[key].attrs[DIAGNOSED])]


def _names(diagnostics: Sequence[object]) -> str:
    names = ", ".join(map(repr, diagnostics))
    return f"the diagnostics {names} are" if len(diagnostics) > 1 else f"the diagnostic {names} is"


def _is_current(name: str, key: object) -> bool:
    """Return whether a diagnostic would be computed by the same code again, as far as that is there."""
    if name not in registry().names("diagnostics"):
        return True
    return bool(diagnostic_key(registry().get("diagnostics", name)) == key)
