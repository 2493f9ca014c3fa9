"""Certificates as variables of a result file and as a table, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gfcompare.certificates.distinct import numbered
from gfcompare.certificates.verdicts import Certificate, Verdict
from gfcompare.components.fingerprint import fingerprint_of
from gfcompare.components.versions import versions
from gfcompare.results.schema import CERTIFICATE_VARIABLES, annotated

#: Attribute of `certificate_verdict`: a hash of the code that has proved it.
PROVED_BY = "proved_by"

Key = tuple[str, str, int]

_FIELDS = [field.name for field in dataclasses.fields(Certificate)]
# Lists are one text each in the file.
_LISTS = {"kinds": "neurons", "point": "point", "knots": "knots"}
_SEPARATOR = "; "


def code_key() -> str:
    """Return a hash of the code of the proofs, with the version of python-flint."""
    return f"{fingerprint_of(Path(__file__).parent)} {versions(['python-flint'])}"


def frame_of(
    tree: xr.DataTree, at: Mapping[str, int], found: Mapping[Key, Certificate], *, number: bool = True
) -> pd.DataFrame:
    """Return a row for each trajectory; those that are not in `found` are missing.

    Parameters
    ----------
    tree : the result
    at : for each problem the place of the save time
    found : certificates by problem, method and place of the seed
    number : whether critical points are numbered; otherwise they have the numbers that are stored
    """
    rows = []
    missing = Certificate(Verdict.MISSING, "")
    for name, node in tree.children.items():
        data = node.to_dataset()
        mine = {key: certificate for key, certificate in found.items() if key[0] == str(name)}
        numbers = numbered(mine) if number else {key: c.critical_point for key, c in mine.items()}
        for method in data["integrator"].values:
            for m, seed in enumerate(data["seed"].values):
                key = (str(name), str(method), m)
                certificate = found.get(key, missing)
                row = {field: getattr(certificate, field) for field in _FIELDS}
                row |= {"verdict": certificate.verdict.word, "critical_point": numbers.get(key, -1)}
                where = {"problem": key[0], "integrator": key[1], "seed": int(seed)}
                rows.append(where | {"time": float(data["time"].values[at[key[0]]])} | row)
    return pd.DataFrame(rows)


def variables(frame: pd.DataFrame, tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return certificates as variables over (certified_time, integrator, seed), for each problem of a result.

    Those of other save times that the result has are among them.

    Parameters
    ----------
    frame : what `certify` has returned for the result
    tree : the result
    """
    return {str(name): _group(frame[frame["problem"] == name], node) for name, node in tree.children.items()}


def _group(frame: pd.DataFrame, node: xr.DataTree) -> xr.Dataset:
    data = node.to_dataset()
    time = frame["time"].to_numpy()[:1]
    axes = [data[key].values.tolist() for key in ("integrator", "seed")]
    ordered = frame.set_index(["integrator", "seed"]).reindex(pd.MultiIndex.from_product(axes))
    shape = (1, *(len(axis) for axis in axes))
    codes = {verdict.word: int(verdict) for verdict in Verdict}
    kinds: dict[str, Any] = {"f": np.float64, "i": np.int64, "U": object}
    values: dict[str, tuple[tuple[str, ...], Any]] = {}
    names = {file: field for field, file in _LISTS.items()}
    for name, meaning in CERTIFICATE_VARIABLES.items():
        field = name.removeprefix("certificate_")
        if name == "certified_time":
            continue
        column = ordered[names.get(field, field)]
        if field == "verdict":
            column = column.map(codes)
        if field in names:
            column = column.map(_SEPARATOR.join)
        values[name] = (meaning.dims, column.to_numpy(dtype=kinds[meaning.kind]).reshape(shape))
    values["certificate_verdict"] = (
        values["certificate_verdict"][0],
        values["certificate_verdict"][1].astype(np.int8),
    )
    found = annotated(xr.Dataset(values, coords={"certified_time": time}), CERTIFICATE_VARIABLES)
    found["certificate_verdict"].attrs[PROVED_BY] = code_key()
    kept = _others(data, float(time[0]))
    return found if kept is None else xr.concat([kept, found], "certified_time").sortby("certified_time")


def _others(data: xr.Dataset, time: float) -> xr.Dataset | None:
    """Return the certificates of other save times that a problem has, proved by the same code."""
    if "certificate_verdict" not in data.variables:
        return None
    if data["certificate_verdict"].attrs.get(PROVED_BY) != code_key():
        return None
    names = [name for name in CERTIFICATE_VARIABLES if name in data.data_vars]
    others = data[names].sel(certified_time=data["certified_time"].values != time)
    return others.drop_vars(["integrator", "seed"]) if others.sizes["certified_time"] else None


def stored(tree: xr.DataTree, at: Mapping[str, int]) -> dict[Key, Certificate]:
    """Return the certificates that a result has of its states at some save times, by the same code."""
    found: dict[Key, Certificate] = {}
    for name, node in tree.children.items():
        data = node.to_dataset()
        time = float(data["time"].values[at[str(name)]])
        if (
            "certificate_verdict" in data.variables
            and time in data["certified_time"].values
            and data["certificate_verdict"].attrs.get(PROVED_BY) == code_key()
        ):
            part = data.isel(certified_time=int(np.flatnonzero(data["certified_time"].values == time)[0]))
            found |= _of_group(str(name), part)
    return found


def _of_group(name: str, data: xr.Dataset) -> dict[Key, Certificate]:
    """Return the certificates of a problem at one time that are not missing."""
    found = {}
    fields = [key for key in CERTIFICATE_VARIABLES if key != "certified_time"]
    arrays = {key.removeprefix("certificate_"): data[key].values for key in fields}
    for k, method in enumerate(data["integrator"].values):
        for m in range(data.sizes["seed"]):
            row: dict[str, Any] = {key: array[k, m] for key, array in arrays.items()}
            if int(row["verdict"]) == Verdict.MISSING:
                continue
            found[name, str(method), m] = _certificate(row)
    return found


def _certificate(row: dict[str, Any]) -> Certificate:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Certificate):
        value = row[_LISTS.get(field.name, field.name)]
        if field.name in _LISTS:
            values[field.name] = tuple(str(value).split(_SEPARATOR)) if value else ()
        elif field.name == "verdict":
            values[field.name] = Verdict(int(value))
        elif isinstance(value, np.integer):
            values[field.name] = int(value)
        elif isinstance(value, np.floating):
            values[field.name] = float(value)
        else:
            values[field.name] = str(value)
    return Certificate(**values)


def of_tree(tree: xr.DataTree) -> pd.DataFrame | None:
    """Return the certificates that a result has, of the last time that was certified; None without any.

    Whatever code has proved them: for tables and figures.
    """
    found: dict[Key, Certificate] = {}
    at: dict[str, int] = {}
    for name, node in tree.children.items():
        data = node.to_dataset()
        if "certificate_verdict" not in data.variables or not data.sizes["certified_time"]:
            return None
        last = data.isel(certified_time=-1)
        places = np.flatnonzero(data["time"].values == float(last["certified_time"]))
        if not places.size:
            return None
        at[str(name)] = int(places[0])
        found |= _of_group(str(name), last)
    return frame_of(tree, at, found, number=False) if found else None
