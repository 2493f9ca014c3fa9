"""Writing the group of a problem from its cells, a block of seeds in memory at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.hooks.chosen_diagnostics import paired
from gfcompare.results import netcdf
from gfcompare.results.schema import MACHINE, MACHINES, Variable, annotation, variables
from gfcompare.study.cell_files import states_of
from gfcompare.study.cell_format import Content
from gfcompare.study.cells import SEEDS_PER_CELL, Cell
from gfcompare.study.spec import StudySpec

# Attributes of xarray's in the file: which variables are coordinates of another one.
_COORDINATES = "coordinates"
# Bytes that wait to be written, at the most, beside the cells of one block of seeds.
_BUFFER = 16 << 20
# Bytes from which on a variable is packed, and of its chunks at the most.
_PACKED, _CHUNK = 1 << 20, 4 << 20


def write_group(
    file: netCDF4.Dataset,
    about: xr.Dataset,
    cells: Sequence[Cell],
    study: StudySpec,
    read: Callable[[Cell], Content],
) -> netCDF4.Group:
    """Add the group of a problem to a netCDF-4 file, and return it.

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
    # Readers show dimensions in this order: those of trajectories before those of the problem's portrait.
    methods = [key for key, variable in about.variables.items() if variable.dims == ("integrator",)]
    first, portrait = about[methods].assign_coords(known), about.drop_vars(methods)
    group = file.createGroup(name)
    netcdf.write(first, group)
    blocks: dict[tuple[int, ...], dict[str, Cell]] = {}
    for cell in cells:
        blocks.setdefault(cell.seeds, {})[cell.integrator_name] = cell
    place = {seed: number for number, seed in enumerate(seeds)}
    machines: dict[str, int] = {}
    file.set_fill_off()  # every value is written
    writer = _Writer(group, meanings)
    for block, mine in blocks.items():
        contents = [read(mine[method]) for method in study.integrators]
        states = (states_of(content, problem.network) for content in contents)
        compared = paired(problem, study.integrators, states, study.diagnostics)
        values = [
            {key: array for key, (_, array, _) in content.variables.items() if key in meanings} | more
            for content, more in zip(contents, compared, strict=True)
        ]
        on = [machines.setdefault(one.attributes.get("machine", ""), len(machines)) for one in contents]
        found = {key: np.stack([one[key] for one in values]) for key in values[0] if key not in known}
        found[MACHINE] = np.repeat(np.array(on, dtype=np.int16)[:, None], len(block), axis=1)
        writer.add(found, place[block[0]])
    writer.flush()
    group.setncattr("machines", json.dumps(list(machines)))
    file.set_fill_on()
    netcdf.write(portrait, group)
    return group


class _Writer:
    """Writes the variables of a group some megabytes at a time: each call of netCDF costs 0.1 ms."""

    def __init__(self, group: Any, meanings: Mapping[str, Variable]) -> None:
        self._group = group
        self._meanings = {**meanings, MACHINE: MACHINES}
        self._waiting: list[Mapping[str, NDArray[Any]]] = []
        self._first = 0
        self._bytes = 0

    def add(self, values: Mapping[str, NDArray[Any]], first: int) -> None:
        """Take the values of the next seeds, each over (integrator, seed, ...).

        Parameters
        ----------
        values : by name of the variable
        first : place of the first seed; the places follow one another
        """
        if not self._waiting:
            self._first = first
        self._waiting.append(values)
        self._bytes += sum(array.nbytes for array in values.values())
        if self._bytes > _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for name in self._waiting[0] if self._waiting else ():
            array = np.concatenate([values[name] for values in self._waiting], axis=1)
            variable = _variable(self._group, name, self._meanings[name], array)
            variable[:, self._first : self._first + array.shape[1]] = array
        self._waiting.clear()
        self._bytes = 0


def _variable(group: Any, name: str, meaning: Variable, block: NDArray[Any]) -> Any:
    """Return a variable of a group, made like the one that xarray makes if it is not there.

    `block` is a part of what is to be written of it, over (integrator, seed, ...).
    """
    if name in group.variables:
        return group.variables[name]
    for dimension, size in zip(meaning.dims[2:], block.shape[2:], strict=True):
        if dimension not in group.dimensions:
            group.createDimension(dimension, size)
    text = block.dtype.kind in "OU"
    missing = np.nan if block.dtype.kind == "f" else None
    sizes = [group.dimensions[dimension].size for dimension in meaning.dims]
    packed = {} if text else _packing(sizes, block.dtype.itemsize)
    kind = str if text else block.dtype
    variable = group.createVariable(name, kind, meaning.dims, fill_value=missing, **packed)
    attributes = dict(annotation(name, meaning))
    if (others := getattr(group.variables["on_manifold"], _COORDINATES, None)) is not None:
        attributes[_COORDINATES] = others
    variable.setncatts(attributes)
    return variable


def _packing(sizes: Sequence[int], itemsize: int) -> dict[str, Any]:
    """Return how netCDF packs a variable over (integrator, seed, ...): not at all if it is small.

    Chunks are those of one method and of a block of seeds, or a part of it, so that each is written once.
    Without shuffling of bytes, with which trajectories that stay where they are take more room.
    """
    if math.prod(sizes) * itemsize < _PACKED:
        return {}
    seeds = SEEDS_PER_CELL
    while seeds > 1 and seeds * math.prod(sizes[2:]) * itemsize > _CHUNK:
        seeds //= 2
    chunks = [1, min(seeds, sizes[1]), *sizes[2:]]
    return {"compression": "zlib", "complevel": 1, "shuffle": False, "chunksizes": chunks}
