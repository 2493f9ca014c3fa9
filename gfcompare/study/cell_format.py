"""The bytes of a cell's file: a header in JSON, the arrays as they lie in memory, a checksum of both.

A study may have 10^5 cells of milliseconds each, which are read once, by the merge: netCDF needs ten times as
long to write and to read one. Nothing in such a file is executed, and nothing is believed before the checksum
is right.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gfcompare.components.errors import InputError

#: Dimensions, values and attributes of a variable. Texts are in an array of objects.
Stored = tuple[tuple[str, ...], NDArray[Any], Mapping[str, Any]]

_MAGIC = b"gfcompare-cell-1"
_SHA = 32
_DTYPES = {kind: np.dtype(f"<{kind}") for kind in ("f8", "i8", "i1", "b1")}
_TEXT = "text"
# Between the attributes and the variables, in JSON.
_BETWEEN = b'}, "variables": {'


class _Layout(NamedTuple):
    """What a header says of a variable; `kind` is None for texts, which are in the header themselves."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    kind: np.dtype[Any] | None
    texts: list[str]
    attributes: dict[str, Any]


class DamagedCellError(InputError):
    """The file of a cell is not what was written."""


@dataclass(frozen=True, eq=False)
class Content:
    """The content of a cell's file.

    Attributes
    ----------
    attributes : texts that say which cell it is and where it was computed
    variables : by name
    """

    attributes: Mapping[str, str]
    variables: Mapping[str, Stored] = field(repr=False)

    def values(self, name: str) -> NDArray[Any]:
        """Return the values of a variable."""
        return self.variables[name][1]

    def dataset(self) -> xr.Dataset:
        """Return the content as a dataset."""
        coordinates = {name: one for name, one in self.variables.items() if one[0] == (name,)}
        others = {name: one for name, one in self.variables.items() if name not in coordinates}
        return xr.Dataset(others, coords=coordinates, attrs=self.attributes)


def encoded(content: Content) -> bytes:
    """Return the bytes of a cell's file."""
    header: dict[str, Any] = {"attributes": dict(content.attributes), "variables": {}}
    arrays = []
    for name, (dims, values, attributes) in content.variables.items():
        about: dict[str, Any] = {"dims": list(dims), "shape": list(values.shape), "attrs": dict(attributes)}
        if values.dtype.kind in "OU":
            about |= {"kind": _TEXT, "values": [str(text) for text in values.ravel().tolist()]}
        else:
            about["kind"] = f"{values.dtype.kind}{values.dtype.itemsize}"
            arrays.append(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")))
        header["variables"][name] = about
    # Texts may hold what no encoding has, such as half of a pair of surrogates: JSON escapes it.
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % 8)
    parts = [_MAGIC, len(text).to_bytes(8, "little"), text, *(_padded(array.tobytes()) for array in arrays)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return b"".join([*parts, digest.digest()])


def _padded(data: bytes) -> bytes:
    """Return bytes up to the next multiple of 8, so that numbers lie where they are read fast."""
    return data + bytes(-len(data) % 8)


def decoded(data: bytes, where: object) -> Content:
    """Return the content of a cell's file.

    Parameters
    ----------
    data : its bytes
    where : of the file, for the message

    Raises
    ------
    DamagedCellError
        if this is not what was written
    """
    body, digest = data[:-_SHA], data[-_SHA:]
    if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        raise DamagedCellError(
            f"{where}: this cell's file is damaged: its content does not have the checksum that it was "
            "written with. The command that ran the study computes the cell again."
        )
    try:
        return _decoded(body)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:  # forged
        raise DamagedCellError(f"{where}: not the file of a cell ({error!s:.80}).") from None


def _decoded(body: bytes) -> Content:
    at = len(_MAGIC) + 8
    end = at + int.from_bytes(body[len(_MAGIC) : at], "little")
    # What `encoded` writes has this once: within a text each quotation mark has a backslash before it.
    attributes, found, layout = body[at:end].partition(_BETWEEN)
    if not found:
        raise ValueError("its header")
    variables: dict[str, Stored] = {}
    writable = bytearray(body)  # one copy, of which all arrays are views
    for name, dims, shape, kind, texts, about in _layout(layout):
        if kind is None:
            values = np.array(texts, dtype=object).reshape(shape)
        else:
            count = math.prod(shape)
            numbers = np.frombuffer(writable, dtype=kind, count=count, offset=end)
            values = numbers.astype(kind.newbyteorder("="), copy=False).reshape(shape)
            end += count * kind.itemsize + -count * kind.itemsize % 8
        variables[name] = dims, values, dict(about)
    if end != len(body):
        raise ValueError("its length")
    said = json.loads(attributes + b"}}")["attributes"]
    return Content({str(key): str(text) for key, text in said.items()}, variables)


# Cells of one problem and method have the same variables, and to read these from JSON takes longer than the
# rest of a small cell.
@functools.lru_cache(maxsize=64)
def _layout(text: bytes) -> tuple[_Layout, ...]:
    """Return what the header of a cell's file says of its variables, in their order."""
    found = []
    for name, about in json.loads(b'{"variables": {' + text)["variables"].items():
        dims, shape = tuple(map(str, about["dims"])), tuple(map(int, about["shape"]))
        if len(dims) != len(shape) or min(shape, default=0) < 0:
            raise ValueError(f"variable {name!r}")
        texts = [str(one) for one in about["values"]] if about["kind"] == _TEXT else []
        kind = None if about["kind"] == _TEXT else _DTYPES[about["kind"]]
        found.append(_Layout(str(name), dims, shape, kind, texts, dict(about["attrs"])))
    return tuple(found)


def read(path: Path) -> Content:
    """Return the content of a cell's file, which must be the one of its name.

    Raises
    ------
    DamagedCellError
        if it is not what was written, or that of another cell
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from None
    return checked(data, path)


def checked(data: bytes, path: Path) -> Content:
    """Return the content of a cell's file of this name, from its bytes; or raise `DamagedCellError`."""
    content = decoded(data, path)
    if content.attributes.get("key") != path.stem:
        raise DamagedCellError(
            f"{path}: this is the file of another cell ({content.attributes.get('cell', '')!r:.90}), by the "
            "key in it. The command that ran the study computes the cell again."
        )
    return content
