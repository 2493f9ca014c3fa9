"""A hash of stored trajectories: whether what was computed of them is still theirs."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import xarray as xr

from gfcompare.results.reading import network_of
from gfcompare.results.schema import (
    INTERVAL_VARIABLES,
    PLANE_VARIABLES,
    POINT_VARIABLES,
    SAMPLE_VARIABLES,
    TEST_VARIABLES,
    VARIABLES,
    layer_variables,
)


def digest(data: xr.Dataset) -> str:
    """Return a hash of a problem and its trajectories: of all that determines what checks of theorems find.

    Not of wall times, nor of diagnostics, which are computed of the rest.
    """
    said = hashlib.sha256()
    network = network_of(data)
    about = {key: str(data.attrs.get(key, "")) for key in ("problem", "target", "measure", "evaluation")}
    said.update(json.dumps([about, network.widths], sort_keys=True).encode())
    names = {*VARIABLES, *layer_variables(network), *_NUMBERS} - {"wall_time"}
    for name in sorted(names & {str(key) for key in data.variables}):
        values = data[name].values
        said.update(f"{name} {data[name].dims} {values.shape}".encode())
        if values.dtype.kind in "iub":
            said.update(values.astype(np.int64).tobytes())
        elif values.dtype.kind == "f":
            said.update(np.where(np.isnan(values), np.nan, values).astype(np.float64).tobytes())
        else:
            said.update(json.dumps([str(v) for v in values.ravel().tolist()]).encode())
    return said.hexdigest()


_NUMBERS = {
    "risk",
    "gradient_norm",
    *INTERVAL_VARIABLES,
    *PLANE_VARIABLES,
    *SAMPLE_VARIABLES,
    *TEST_VARIABLES,
    *POINT_VARIABLES,
}
