"""Writing the group of a problem from its cells, a block of seeds in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from gfcompare.hooks.chosen_diagnostics import paired
from gfcompare.results.schema import MACHINE, MACHINES, Variable, annotation, variables
from gfcompare.study.cell_files import states_of
from gfcompare.study.cell_format import Content
from gfcompare.study.cells import Cell
from gfcompare.study.spec import StudySpec

# Attributes of xarray's in the file: which variables are coordinates of another one.
_COORDINATES = "coordinates"


def write_group(
    file: Path, about: xr.Dataset, cells: Sequence[Cell], study: StudySpec, read: Callable[[Cell], Content]
) -> None:
    """Add the group of a problem to a netCDF-4 file.

    It is the group that xarray would write of the whole. At no time more of it is in memory than the cells of
    one block of seeds, of all methods: diagnostics that compare methods need them together.

    Parameters
    ----------
    file : the file
    about : the group without its trajectories, as `gfcompare.results.dataset.frame` returns it
    cells : of the problem
    study : that they are of
    read : returns the content of the file of a cell
    """
    name, problem = cells[0].problem.name, cells[0].problem.problem
    meanings = variables(problem, study.diagnostics)
    seeds = sorted({seed for cell in cells for seed in cell.seeds})
    known = {
        "seed": ("seed", np.array(seeds, dtype=np.int64), dict(annotation("seed", meanings["seed"]))),
        "time": ("time", np.array(cells[0].times), dict(annotation("time", meanings["time"]))),
    }
    about.assign_coords(known).to_netcdf(file, engine="netcdf4", mode="a", group=name)
    blocks: dict[tuple[int, ...], dict[str, Cell]] = {}
    for cell in cells:
        blocks.setdefault(cell.seeds, {})[cell.integrator_name] = cell
    place = {seed: number for number, seed in enumerate(seeds)}
    machines: dict[str, int] = {}
    with netCDF4.Dataset(file, "a") as whole:
        group = whole[name]
        group.set_fill_off()  # every value is written
        for block, mine in blocks.items():
            contents = [read(mine[method]) for method in study.integrators]
            states = (states_of(content, problem.network) for content in contents)
            compared = paired(problem, study.integrators, states, study.diagnostics)
            where = slice(place[block[0]], place[block[-1]] + 1)
            for number, (content, values) in enumerate(zip(contents, compared, strict=True)):
                found = {key: array for key, (_, array, _) in content.variables.items() if key in meanings}
                for key, array in (found | values).items():
                    if key not in known:
                        variable = _variable(group, key, meanings[key], array)
                        variable[number, where] = array
                on = machines.setdefault(content.attributes.get("machine", "unknown"), len(machines))
                _variable(group, MACHINE, MACHINES, np.empty(len(block), dtype=np.int16))[number, where] = on
        group.setncattr("machines", json.dumps(list(machines)))


def _variable(group: Any, name: str, meaning: Variable, block: np.ndarray[Any, Any]) -> Any:
    """Return a variable of a group, made like the one that xarray makes if it is not there.

    `block` is what is to be written of it for one method, over (seed, ...).
    """
    if name in group.variables:
        return group.variables[name]
    for dimension, size in zip(meaning.dims[2:], block.shape[1:], strict=True):
        if dimension not in group.dimensions:
            group.createDimension(dimension, size)
    text = block.dtype.kind in "OU"
    missing = np.nan if block.dtype.kind == "f" else None
    variable = group.createVariable(name, str if text else block.dtype, meaning.dims, fill_value=missing)
    attributes = dict(annotation(name, meaning))
    if (others := getattr(group.variables["on_manifold"], _COORDINATES, None)) is not None:
        attributes[_COORDINATES] = others
    variable.setncatts(attributes)
    return variable
