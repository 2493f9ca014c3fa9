"""A run that is not finished: what it is to compute, and what of it is there so far."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.components.errors import InputError
from gfcompare.results.checksum import write_sealed
from gfcompare.results.dataset import frame, root_attributes, together
from gfcompare.results.netcdf import open_tree
from gfcompare.results.opening import check_version, unfinished_path
from gfcompare.results.validation import faults
from gfcompare.study.cell_files import CELL, CELLS, KEY
from gfcompare.study.cell_format import Content, read
from gfcompare.study.cell_index import CellIndex
from gfcompare.study.cells import Cell, with_keys
from gfcompare.study.spec import StudySpec

# The attribute of the root that names the cells.
_CELLS = "cells"

# The keys of the cells of a problem that are there, by method and seeds.
_Blocks = dict[str, dict[tuple[int, ...], str]]


@dataclass(frozen=True)
class Unfinished:
    """The state of an unfinished run.

    Attributes
    ----------
    tree : of each problem that has any, the methods and seeds of which every cell is finished
    finished, total : how many cells are, and how many there will be
    shown : of each problem, what of it the tree has, in words
    methods : for each problem of the run, what is known of all its methods from the start
    """

    tree: xr.DataTree
    finished: int
    total: int
    shown: tuple[str, ...]
    methods: Mapping[str, xr.Dataset]


def descriptions(spec: Mapping[str, Any], problem: str) -> dict[str, Any]:
    """Return what `gfcompare.results.dataset.frame` needs to know of a study's plain data."""
    return {**spec["problems"][problem], "integrators": spec["integrators"]}


def begin(study: StudySpec, output: Path, cells: Sequence[Cell]) -> None:
    """Write down what a study is to compute: with that, its cells are a result before all are finished."""
    spec = study.spec()
    listed = [[c.problem.name, c.integrator_name, list(c.seeds), c.key] for c in cells]
    root = xr.Dataset(attrs=root_attributes(spec, study.source) | {_CELLS: json.dumps(listed)})
    groups = {
        problem.name: frame(
            problem.name, problem.problem, study.integrators, descriptions(spec, problem.name)
        )
        for problem in study.problems
    }
    tree = xr.DataTree.from_dict({"/": root, **groups})
    write_sealed(unfinished_path(output), lambda temporary: tree.to_netcdf(temporary, engine="netcdf4"))


def finished_cells(study: StudySpec, output: Path) -> tuple[int, int]:
    """Return how many cells of a study are finished in a folder, and how many it has."""
    cells, index = with_keys(study.cells()), CellIndex(output)
    return sum(index.state(cell, "record") == "finished" for cell in cells), len(cells)


def open_unfinished(file: Path) -> Unfinished:
    """Open what there is so far of a run, by the file that says what it is to compute.

    Raises
    ------
    InputError
        if the file is another one, or no cell is finished yet
    """
    about = open_tree(file)
    wrong = f"{file}: does not say what a run is to compute. Give the command that ran the study again."
    if "schema_version" not in about.attrs or _CELLS not in about.attrs:
        raise InputError(wrong)
    check_version(file, about.attrs)
    try:
        listed = json.loads(about.attrs[_CELLS])
        cells = [(str(p), str(m), tuple(map(int, seeds)), str(key)) for p, m, seeds, key in listed]
        frames = {str(name): node.to_dataset() for name, node in about.children.items()}
        known = {name: data["integrator"].values.tolist() for name, data in frames.items()}
    except (TypeError, ValueError, KeyError, RecursionError):
        raise InputError(wrong) from None
    if any(problem not in known or method not in known[problem] for problem, method, _, _ in cells):
        raise InputError(wrong)
    folder = file.parent / CELLS
    there = {path.stem for path in folder.glob(f"*{CELL}")} & {key for *_, key in cells}
    found: dict[str, _Blocks] = {name: {method: {} for method in methods} for name, methods in known.items()}
    for problem, method, seeds, key in cells:
        if key in there:
            found[problem][method][seeds] = key
    groups, shown = {}, []
    for name, blocks in found.items():
        chosen, common = _largest(blocks)
        if not chosen:
            shown.append(f"problem {name!r}: nothing yet")
            continue
        groups[name] = _group(folder, frames[name], chosen, common, blocks)
        count = groups[name].sizes["seed"]
        others = [method for method in blocks if method not in chosen]
        text = f"problem {name!r}: {count} {'seed' if count == 1 else 'seeds'} of {', '.join(chosen)}"
        shown.append(text + (f"; not yet of {', '.join(others)}" if others else ""))
    if not groups:
        raise InputError(f"{file.parent}: none of the {len(cells)} cells of the run is finished yet.")
    root = about.to_dataset()
    del root.attrs[_CELLS]
    tree = xr.DataTree.from_dict({"/": root, **groups})
    if invalid := faults(tree):
        raise InputError(f"{file.parent}: the cells do not make a valid result: {invalid[0]}.")
    return Unfinished(tree, len(there), len(cells), tuple(shown), frames)


def _largest(blocks: _Blocks) -> tuple[list[str], list[tuple[int, ...]]]:
    """Return methods, and blocks of seeds that each of them has: those with the most trajectories.

    Methods are compared over the same seeds, so what is there is shown where it is there for all of them.
    """
    best: tuple[list[str], list[tuple[int, ...]]] = [], []
    most = (0, 0)
    for candidate in blocks.values():
        common = sorted(candidate)
        chosen = [method for method, mine in blocks.items() if common and mine.keys() >= set(common)]
        if (size := (len(chosen) * sum(map(len, common)), len(chosen))) > most:
            best, most = (chosen, common), size
    return best


def _group(
    folder: Path, about: xr.Dataset, chosen: list[str], common: list[tuple[int, ...]], blocks: _Blocks
) -> xr.Dataset:
    """Return the group of a problem from the cells of some methods and blocks of seeds."""
    parts = [_joined([folder / f"{blocks[method][seeds]}{CELL}" for seeds in common]) for method in chosen]
    # A diagnostic that is still being computed is not there for all.
    wanted = set.intersection(*(set(map(str, part.variables)) for part in parts))
    return together(
        [part.drop_vars([name for name in part.variables if name not in wanted]) for part in parts],
        about.sel(integrator=chosen).assign_coords(integrator=about["integrator"].sel(integrator=chosen)),
    )


def _joined(paths: Sequence[Path]) -> xr.Dataset:
    """Return the cells of one method as one dataset, with the variables that all of them have.

    Of their arrays, and not of a dataset each: there may be 10^5 cells, and a dataset takes longer to make
    than its file to read.
    """
    contents = [read(path) for path in paths]
    arrays: dict[str, list[NDArray[Any]]] = {}
    for content in contents:
        for name, (_, values, _) in content.variables.items():
            arrays.setdefault(name, []).append(values)
    found = {
        name: (
            dims,
            np.concatenate(arrays[name]) if dims[:1] == ("seed",) else arrays[name][0],
            {key: text for key, text in attributes.items() if key != KEY},
        )
        for name, (dims, _, attributes) in contents[0].variables.items()
        if len(arrays[name]) == len(paths)
    }
    return Content(contents[0].attributes, found).dataset()
