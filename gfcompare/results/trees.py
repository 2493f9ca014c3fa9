"""Results as trees: those of studies as they are, trajectories of `gfcompare.integrate` as one problem."""

from __future__ import annotations

import xarray as xr

from gfcompare.components.component import check_instance
from gfcompare.components.errors import InputError, is_full_name

#: Attributes of the root group, all text.
ROOT_ATTRIBUTES = (
    "title",
    "description",
    "schema_version",
    "gfcompare_version",
    "created",
    "study",
    "study_source",
    "plugins",
    "environment",
)

#: And one that results of studies have: a hash of what they were put together of.
CELLS_DIGEST = "cells_digest"

_OF_METHODS = ("on_manifold", "follows", "options")


def as_tree(given: xr.DataTree | xr.Dataset) -> xr.DataTree:
    """Return a result as it is, and trajectories of `gfcompare.integrate` as a result of one problem.

    Raises
    ------
    InputError
        if it is neither
    """
    if not isinstance(given, xr.Dataset):
        tree: xr.DataTree = check_instance(given, xr.DataTree, "a result")
        return tree
    missing = [key for key in ("schema_version", "problem") if key not in given.attrs]
    whole = "integrator" in given.coords and not given["integrator"].dims and "seed" in given.dims
    if missing or not whole or not is_full_name(str(given.attrs["problem"])):
        raise InputError(
            "this dataset is not what gfcompare.integrate returns: it has lost its attributes, its method or "
            "its dimension 'seed'. Select with lists, such as data.isel(seed=[0])."
        )
    moved = [str(k) for k, v in given.data_vars.items() if "seed" in v.dims or k in _OF_METHODS]
    method = str(given["integrator"].item())
    found = given[moved].drop_vars("integrator").expand_dims(integrator=[method])
    found["integrator"].attrs = dict(given["integrator"].attrs)
    group = given.drop_vars([*moved, "integrator"]).merge(found)
    group.attrs = {key: value for key, value in given.attrs.items() if key not in ROOT_ATTRIBUTES}
    root = xr.Dataset(attrs={key: given.attrs[key] for key in ROOT_ATTRIBUTES if key in given.attrs})
    return xr.DataTree.from_dict({"/": root, str(given.attrs["problem"]): group})
