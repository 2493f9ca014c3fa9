"""Datasets of variables that are known to fit together.

xarray's constructor copies, aligns and merges what it is given: 0.5 ms for the variables of one trajectory,
which takes less to integrate. What is put together here was made for it, so that nothing is left to align.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

Attributes = Mapping[str, Any]
#: A variable: dimensions, values, attributes.
Parts = tuple[tuple[str, ...], NDArray[Any], Attributes]


# Not public, but what every operation of xarray ends with; tests compare with the public constructor.
_DIRECT = getattr(xr.Dataset, "_construct_direct", None)


@dataclass(frozen=True, eq=False)
class Coordinate:
    """A coordinate along a dimension of its own name, with its index: made once, used in many datasets."""

    variable: xr.IndexVariable
    index: Any
    size: int

    @classmethod
    def along(cls, name: str, values: NDArray[np.generic], attributes: Attributes) -> Coordinate:
        """Return the coordinate of a dimension, shape (n,)."""
        data = xr.Dataset(coords={name: (name, values, attributes)})
        variable = data.variables[name]
        assert isinstance(variable, xr.IndexVariable)  # the dimension has its name
        return cls(variable, data.xindexes[name], len(values))


def assembled(
    variables: Mapping[str, Parts | Coordinate],
    scalars: frozenset[str],
    attributes: dict[str, Any],
) -> xr.Dataset:
    """Return the dataset of variables and coordinates, in their order.

    Parameters
    ----------
    variables : by name; of all that share a dimension the sizes agree. Arrays are not copied
    scalars : names of the coordinates besides those with an index
    attributes : of the dataset; not copied
    """
    found: dict[str, xr.Variable] = {}
    indexes: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    coordinates = set(scalars)
    for name, each in variables.items():
        if isinstance(each, Coordinate):
            indexes[name] = each.index
            coordinates.add(name)
            found[name] = each.variable.copy(deep=False)  # its attributes are this dataset's own
            sizes[name] = each.size
        else:
            dims, array, attributes_of_it = each
            found[name] = xr.Variable(dims, array, attributes_of_it, fastpath=True)
            sizes.update(zip(dims, array.shape, strict=True))
    if _DIRECT is None:
        return publicly_assembled(found, coordinates, indexes, attributes)
    data: xr.Dataset = _DIRECT(found, coordinates, sizes, attributes, indexes)
    return data


def publicly_assembled(
    variables: Mapping[str, xr.Variable],
    coordinates: set[str],
    indexes: Mapping[str, Any],
    attributes: Attributes,
) -> xr.Dataset:
    """Return the same dataset as `assembled`, by the constructor of xarray."""
    coords = xr.Coordinates(
        {name: each for name, each in variables.items() if name in coordinates}, indexes=dict(indexes)
    )
    values = {name: each for name, each in variables.items() if name not in coordinates}
    return xr.Dataset(values, coords=coords, attrs=attributes)
