"""Reading the columns of a user's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gfcompare.components import require

Array = NDArray[np.float64]


def read_table(path: Path) -> dict[str, Array]:
    """Return the numeric columns of a CSV file, or the one-dimensional variables of a netCDF file."""
    require(path.is_file(), f"no file {str(path)!r}.")
    if path.suffix.lower() in {".nc", ".nc4", ".netcdf", ".cdf", ".h5"}:
        import netCDF4

        with netCDF4.Dataset(path) as data:
            return {
                name: np.ma.filled(np.ma.asarray(variable[:], dtype=np.float64), np.nan)
                for name, variable in data.variables.items()
                if variable.ndim == 1 and np.issubdtype(variable.dtype, np.number)
            }
    import pandas as pd

    frame = pd.read_csv(path)
    numeric = frame.select_dtypes("number")
    return {str(column): numeric[column].to_numpy(dtype=np.float64) for column in numeric}
