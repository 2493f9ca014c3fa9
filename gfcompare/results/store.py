"""Adding variables to a result file, written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from gfcompare.components.errors import RunError
from gfcompare.results import netcdf
from gfcompare.results.checksum import write_sealed
from gfcompare.results.digest import digest
from gfcompare.results.opening import check_version, open_study
from gfcompare.system.writing import Stamp, stamp


class ReplacedError(RunError):
    """A result file was replaced by another one while something was to be added to it."""


def refuse_replaced(file: Path, seen: Stamp) -> None:
    """Raise ReplacedError if a file is another one than it was."""
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
        with netcdf.new_file(temporary, tree.to_dataset()) as whole:
            for name, node in tree.children.items():
                data = node.to_dataset().drop_dims(dimension, errors="ignore")
                data = data.assign(groups[str(name)].variables)
                netcdf.write(data, whole.createGroup(str(name)))

    write_sealed(file, write, lambda: refuse_replaced(file, seen))
