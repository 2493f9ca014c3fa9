"""Diagnostics of a result that is there: computed from the stored states, without any trajectory anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from gfcompare.components.component import require
from gfcompare.components.errors import InputError
from gfcompare.diagnostics import PairedDiagnostic, Quantity
from gfcompare.diagnostics.compute import Values
from gfcompare.hooks.chosen_diagnostics import (
    ALWAYS,
    along,
    checked_names,
    chosen,
    diagnostics_of,
    paired,
)
from gfcompare.hooks.registry import registry
from gfcompare.integrators.flow import FlowIntegrator
from gfcompare.problem import Problem
from gfcompare.results.reading import states_of
from gfcompare.results.rebuild import Rebuilt
from gfcompare.results.schema import DIAGNOSED, Variable, annotated
from gfcompare.results.trees import as_tree
from gfcompare.study.cells import diagnostic_key
from gfcompare.study.spec import StudySpec
from gfcompare.study.unfinished import Unfinished


@dataclass(frozen=True)
class _Method:
    """The data of a method used by diagnostics, as the result stores it: no plugin is needed."""

    on_manifold: bool
    follows: str
    rtol: float


def diagnose(
    tree: xr.DataTree | xr.Dataset,
    names: Sequence[str],
    *,
    study: StudySpec | None = None,
    progress: Callable[[str], object] = str,
) -> xr.DataTree:
    """Return a result with more diagnostics, computed from its states.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it, or what `gfcompare.integrate` returns
    names : of the diagnostics, such as ``["sharpness"]``; those that are there are computed again
    study : the study that made the result, where that says too little: Python functions and classes
    progress : receives messages on what is computed

    Raises
    ------
    InputError
        for an unknown name, a diagnostic that no problem has, and a problem that the result does not hold

    Examples
    --------
    >>> import gfcompare as gfc
    >>> tree = gfc.diagnose(gfc.open_study("results/quickstart"), ["sharpness"])
    >>> tree["sine"]["sharpness"].dims
    ('integrator', 'seed', 'time')
    """
    tree = as_tree(tree)
    added = additions(tree, names, study=study, progress=progress)
    groups = {
        str(name): node.to_dataset().assign(added[str(name)].variables)
        for name, node in tree.children.items()
    }
    return xr.DataTree.from_dict({"/": tree.to_dataset(), **groups})


def additions(
    tree: xr.DataTree,
    names: Sequence[str],
    *,
    study: StudySpec | None = None,
    progress: Callable[[str], object] = str,
) -> dict[str, xr.Dataset]:
    """Return the variables that `diagnose` adds, for each problem; the parameters are the same."""
    wanted = _wanted(names)
    rebuilt = Rebuilt(tree, None if study is None else study.components)
    found = {}
    for name, node in tree.children.items():
        problem, reason = rebuilt.problem(str(name))
        if problem is None:
            raise InputError(
                f"problem {str(name)!r} cannot be rebuilt from the result: {reason} In Python: "
                "gfcompare.diagnose(tree, names, study=study), with the study that made it."
            )
        progress(f"problem {name}")
        found[str(name)] = _of_problem(problem, node.to_dataset(), wanted)
    missing = [name for name in wanted if not any(name in data for data in found.values())]
    if missing:
        raise InputError(f"{missing[0]}: {_why_not(missing[0])}")
    return found


def with_comparisons(found: Unfinished) -> tuple[xr.DataTree, tuple[str, ...]]:
    """Return what there is so far of a run with the diagnostics that compare methods with the flow.

    A run computes them when it puts its cells together. The flow is the one that the whole result will have;
    until that is there, they are left out.

    Returns
    -------
    tree : with the diagnostics, where they can be computed
    left_out : for each problem that lacks them, which and why
    """
    spec = json.loads(found.tree.attrs["study"])
    rebuilt = Rebuilt(found.tree)
    groups, left_out = {}, []
    for key, node in found.tree.children.items():
        name, data = str(key), node.to_dataset()
        groups[name] = data
        flow = _reference(found.methods[name])
        problem, reason = rebuilt.problem(name)
        classes = [cls for cls in chosen(spec["diagnostics"]) if issubclass(cls, PairedDiagnostic)]
        if problem is not None:
            classes = [cls for cls in classes if cls in diagnostics_of(problem, [cls.name])]
        names = [cls.name for cls in classes]
        if not names or flow is None:
            continue
        if flow not in data["integrator"].values:
            reason = f"{flow} is not there yet"
        if reason:
            left_out.append(f"problem {name!r}: without {', '.join(names)}: {reason}")
        elif problem is not None:
            groups[name] = data.assign(_of_problem(problem, data, names).data_vars)
    return xr.DataTree.from_dict({"/": found.tree.to_dataset(), **groups}), tuple(left_out)


def _reference(methods: xr.Dataset) -> str | None:
    """Return the method that is the standard flow for `diagnostics.paired`, None if there is none."""
    known = {str(name): _stored(methods.sel(integrator=name)) for name in methods["integrator"].values}
    flows = [name for name, method in known.items() if method.follows == "standard"]
    return min(flows, key=lambda name: known[name].rtol, default=None)


def _wanted(names: Sequence[str]) -> list[str]:
    """Return the names as they are registered."""
    given = [names] if isinstance(names, str) else list(names)
    require(bool(given), "diagnostics: name at least one, such as sharpness.")
    # A study always has the first two; here they are among the names only if they are asked for.
    every = checked_names(given) or ()
    return [name for name in every if name not in ALWAYS or name in given]


def _why_not(name: str) -> str:
    cls: type[Quantity] = registry().get("diagnostics", name)
    if issubclass(cls, PairedDiagnostic):
        return "it compares methods with the standard gradient flow, and the result has none."
    return "it is not defined for any problem of the result."


def _of_problem(problem: Problem, data: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Return diagnostics of all methods of a problem, over integrator, seed, time and their own dims."""
    methods: dict[str, Any] = {
        str(name): _stored(data.isel(integrator=k)) for k, name in enumerate(data["integrator"].values)
    }
    parts = [data.isel(integrator=k) for k in range(len(methods))]
    values = [
        along(problem, *states_of(part), method, names)
        for part, method in zip(parts, methods.values(), strict=True)
    ]
    compared = paired(problem, methods, map(states_of, parts), names)
    return _together([one | two for one, two in zip(values, compared, strict=True)])


def _stored(one: xr.Dataset) -> _Method:
    """Return what a result says of a method."""
    options: Mapping[str, Any] = json.loads(str(one["options"].item()))
    follows = str(one["follows"].item()) if "follows" in one else ""
    rtol = options.get("rtol")
    return _Method(
        on_manifold=bool(one["on_manifold"].item()),
        follows=follows,
        rtol=float(rtol) if isinstance(rtol, int | float) else FlowIntegrator.rtol,
    )


def _together(values: Sequence[Values]) -> xr.Dataset:
    """Return what was found for each method as variables of the problem's group."""
    meanings, found, keys = {}, {}, {}
    for name in values[0]:
        cls: type[Quantity] = registry().get("diagnostics", name)
        dims = ("integrator", "seed", "time", *cls.dims)
        meanings[name] = Variable(dims, "f", cls.long_name, cls.units)
        found[name] = (dims, np.stack([part[name] for part in values]))
        keys[name] = diagnostic_key(cls)
    data = annotated(xr.Dataset(found), meanings)
    for name, key in keys.items():
        data[name].attrs[DIAGNOSED] = key
    return data
