"""Validation of results against the schema: what readers rely on, and what `gfcompare validate` adds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from gfcompare.components.errors import is_full_name
from gfcompare.integrators.status import Status
from gfcompare.network import ReLUNetwork
from gfcompare.results.json_rules import COMPONENT, JSON_GROUP, JSON_ROOT, wrong_json
from gfcompare.results.reading import evaluation_of
from gfcompare.results.schema import (
    CERTIFICATE_VARIABLES,
    FLAGS,
    GROUP_ATTRIBUTES,
    INTERVAL_VARIABLES,
    PLANE_VARIABLES,
    POINT_VARIABLES,
    SAMPLE_VARIABLES,
    SCHEMA_VERSION,
    TEST_VARIABLES,
    THEORY_VARIABLES,
    VARIABLES,
    Variable,
    layer_variables,
)
from gfcompare.results.trees import ROOT_ATTRIBUTES, as_tree

_KINDS = {"f": "float64", "i": "integer", "U": "text"}
_TRAJECTORY = ("integrator", "seed", "time")


def validate(tree: xr.DataTree | xr.Dataset) -> list[str]:
    """Check a result against the schema; return what is wrong, one sentence each, empty if nothing.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it, or what `gfcompare.integrate` returns

    Examples
    --------
    >>> import gfcompare as gfc
    >>> gfc.validate(gfc.open_study("results/quickstart"))
    []
    """
    tree = as_tree(tree)
    found = faults(tree)
    for name, node in tree.children.items():
        where = f"problem {name!r}: "
        data = node.to_dataset()
        mine = [text for text in found if text.startswith(where)]
        unexplained = [where + text for text in _unexplained(data)]
        found += unexplained
        if not mine and not unexplained:
            found += [where + text for text in _inconsistent(data)]
    return found


def faults(tree: xr.DataTree) -> list[str]:
    """Return what in a result nothing that reads it could make sense of, one sentence each.

    These are the attributes, the variables with their dimensions and types, and flags: not the numbers.
    """
    found = [f"the root has no attribute {key!r}" for key in ROOT_ATTRIBUTES if key not in tree.attrs]
    found += [
        f"the root attribute {key!r} is not text"
        for key in ROOT_ATTRIBUTES
        if key not in JSON_ROOT and not isinstance(tree.attrs.get(key, ""), str)
    ]
    version = version_of(tree.attrs.get("schema_version", SCHEMA_VERSION))
    if version is None or version[0] != KNOWN[0]:
        text = f"{tree.attrs['schema_version']!s:.20}"
        found.append(f"schema version {text} is not one this gfcompare reads ({SCHEMA_VERSION})")
    for key, (kind, right) in JSON_ROOT.items():
        if key in tree.attrs:
            found += wrong_json(tree.attrs[key], kind, right, f"the root attribute {key!r}")
    if not tree.children:
        found.append("there is no problem group")
    for name, node in tree.children.items():
        minor = 0 if version is None else version[1]
        found += [f"problem {name!r}: {text}" for text in _faults(str(name), node, minor)]
    return found


def version_of(text: object) -> tuple[int, int] | None:
    """Return major and minor version of a schema, None if that cannot be read."""
    parts = text.split(".") if isinstance(text, str) else []
    if len(parts) != 2 or not all(p.isascii() and p.isdecimal() and len(p) < 10 for p in parts):
        return None
    return int(parts[0]), int(parts[1])


#: Major and minor version of the schema that is written.
KNOWN = version_of(SCHEMA_VERSION) or (0, 0)


# ---------------------------------------------------------------------------------------------------
# What readers rely on
# ---------------------------------------------------------------------------------------------------


def _faults(name: str, node: xr.DataTree, minor: int) -> list[str]:
    data = node.to_dataset()
    found = [] if is_full_name(name) else ["the name of the problem is none that a study can have"]
    found += [f"no attribute {key!r}" for key in GROUP_ATTRIBUTES if key not in data.attrs]
    try:
        given = np.atleast_1d(data.attrs.get("widths", ()))
        if given.dtype.kind not in "iu":
            raise ValueError(f"must be whole numbers, got {given.tolist()!r:.40}.")
        network = ReLUNetwork([int(n) for n in given])
    except (TypeError, ValueError) as error:
        return [*found, f"the attribute 'widths' is wrong: {error}"]
    if node.children:
        found.append("there is a group in it")
    for key, (kind, right) in JSON_GROUP.items():
        if key in data.attrs:
            found += wrong_json(data.attrs[key], kind, right, f"the attribute {key!r}")
    found += _wrong_ends(data, network)
    found += _wrong_variables(data, network, minor)
    return found or list(_wrong_values(data))


def _wrong_ends(data: xr.Dataset, network: ReLUNetwork) -> Iterator[str]:
    """Yield what is wrong with the attributes that say where the inputs lie."""
    for key in ("lower", "upper"):
        if key in data.attrs:
            ends = np.atleast_1d(data.attrs[key])
            right = ends.dtype.kind in "fiu" and ends.shape == (network.inputs,) and np.isfinite(ends).all()
            if not right:
                yield f"the attribute {key!r} must be a finite number for each input"


def _wrong_variables(data: xr.Dataset, network: ReLUNetwork, minor: int) -> list[str]:
    """Return which variables are missing, or have other dimensions or types than they should."""
    found = []
    expected = VARIABLES | layer_variables(network) | _shown_variables(data)
    if "check" in data.dims or "theory_outcome" in data.variables:
        expected |= THEORY_VARIABLES
    if "certified_time" in data.dims or "certificate_verdict" in data.variables:
        expected |= CERTIFICATE_VARIABLES
    for name in ("risk", "gradient_norm"):
        expected[name] = Variable(_TRAJECTORY, "f", "", "")
    for name, meaning in expected.items():
        if name not in data.variables:
            if meaning.since <= minor:
                found.append(f"no variable {name!r}")
            continue
        variable = data[name]
        if variable.dims != meaning.dims:
            found.append(f"{name!r} has dimensions {list(variable.dims)}, expected {list(meaning.dims)}")
        if not _is_kind(variable, meaning.kind):
            found.append(f"{name!r} has type {variable.dtype}, expected {_KINDS[meaning.kind]}")
    layers = ["input", *(f"neuron_{k}" for k in range(1, network.depth)), "output"]
    for dimension, width in zip(layers, network.widths, strict=True):
        if data.sizes.get(dimension, width) != width:
            found.append(
                f"the dimension {dimension!r} is {data.sizes[dimension]}, the attribute 'widths' says {width}"
            )
    for key, extra in data.variables.items():
        if key not in expected and extra.dims[:3] == _TRAJECTORY and extra.dtype.kind not in "fiub":
            found.append(f"{key!r} has type {extra.dtype}, expected numbers")
    return found


def _wrong_values(data: xr.Dataset) -> Iterator[str]:
    """Yield what is wrong with names, flags and times of a group that has the right variables."""
    for name in _TRAJECTORY:
        if not data.sizes[name]:
            yield f"the dimension {name!r} is empty"
        elif len(np.unique(data[name].values)) < data.sizes[name]:
            yield f"{name!r} has the same value twice"
    if not all(is_full_name(name) for name in data["integrator"].values.tolist()):
        yield "'integrator' has names that no method can have"
    if not np.isin(data["status"].values, [s.value for s in Status]).all():
        yield "'status' has values outside its flag_values"
    if not np.isin(data["on_manifold"].values, (0, 1)).all():
        yield "'on_manifold' has values other than 0 and 1"
    follows = data["follows"].values.tolist() if "follows" in data.variables else []
    if not set(follows) <= {"", "standard", "normalized"}:
        yield "'follows' names no gradient flow"
    for text in data["options"].values.tolist():
        yield from wrong_json(text, *COMPONENT, "the value of 'options'")
    for name, words in FLAGS.items():
        if name in data.variables and not np.isin(data[name].values, np.arange(len(words))).all():
            yield f"{name!r} has values outside its flag_values"
    times = data["time"].values
    if not (np.isfinite(times).all() and np.all(np.diff(times) > 0) and (times >= 0).all()):
        yield "'time' does not increase"


def _shown_variables(data: xr.Dataset) -> dict[str, Variable]:
    """Return the variables that a group must have for its kind of measure."""
    try:
        kind = evaluation_of(data)["kind"]
    except (TypeError, ValueError, AttributeError, RecursionError):  # said elsewhere
        return {}
    if kind == "exact" and "sample_x" not in data.variables and data.sizes.get("input", 1) == 1:
        return INTERVAL_VARIABLES
    if kind == "points":
        test = any(name in data.variables for name in TEST_VARIABLES)
        return SAMPLE_VARIABLES | POINT_VARIABLES | (TEST_VARIABLES if test else {})
    grid = kind == "preintegration" or any(name in data.variables for name in PLANE_VARIABLES)
    return SAMPLE_VARIABLES | (PLANE_VARIABLES if grid and data.sizes.get("input") == 2 else {})


def _is_kind(variable: xr.DataArray, kind: str) -> bool:
    dtype = variable.dtype
    if kind == "f":
        return dtype == np.float64
    if kind == "i":
        return np.issubdtype(dtype, np.integer)
    if dtype.kind == "O":
        if "char_dim_name" in variable.encoding:  # characters of one length, which need not be read for this
            return kind == "U"
        return all(isinstance(value, str) for value in variable.values.ravel().tolist())
    return dtype.kind in "UT"


# ---------------------------------------------------------------------------------------------------
# What a valid result has besides
# ---------------------------------------------------------------------------------------------------


def _unexplained(data: xr.Dataset) -> list[str]:
    """Return which variables do not say what they are."""
    return [
        f"{key!r} has no attribute {name!r}"
        for key, variable in data.variables.items()
        for name in ("long_name", "units")
        if name not in variable.attrs
    ]


def _inconsistent(data: xr.Dataset) -> list[str]:
    """Return what does not hold among the numbers of a group that has the right variables."""
    found = []
    complete = np.isin(data["status"].values, [s.value for s in Status if s.complete])
    present = np.isfinite(data["weight_1"].values).all(axis=(3, 4))
    if (complete[..., None] & ~present).any():
        found.append("a trajectory that is complete by its status has missing states")
    ended = ~present[..., :-1] & present[..., 1:]
    if ended.any():
        found.append("a trajectory has states after it ended")
    late = data["flow_time"].values > data["end_time"].values[..., None]
    if np.any(present & late & ~complete[..., None]):
        found.append("a trajectory has states after its 'end_time'")
    if np.any(present & ~np.isfinite(data["flow_time"].values)):
        found.append("'flow_time' is missing where there is a state")
    return found
