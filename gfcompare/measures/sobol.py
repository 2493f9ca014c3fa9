"""Points of low discrepancy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sobol_points(dimension: int, count: int, seed: int) -> NDArray[np.float64]:
    """Return the first points of a scrambled Sobol sequence in the unit cube, shape (count, dimension).

    Parameters
    ----------
    dimension : d, at most 21201
    count : number of points; a power of 2 keeps the balance of the sequence
    seed : of the scrambling (A. B. Owen, doi:10.1006/jcom.1998.0487)
    """
    from scipy.stats import qmc  # a third of the time to start a command, and on the line not needed

    return np.asarray(qmc.Sobol(dimension, scramble=True, rng=seed).random(count))
