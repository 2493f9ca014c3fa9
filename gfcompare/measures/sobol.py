"""Scrambled Sobol points of the unit cube."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sobol_points(count: int, dimension: int, seed: int = 0) -> NDArray[np.float64]:
    """Return points of a scrambled Sobol sequence in the unit cube, shape (count, dimension).

    Parameters
    ----------
    count : number of points; a power of 2 keeps them balanced
    dimension : of the cube
    seed : chooses among independent scramblings
    """
    # Imported where it is needed: scipy.stats is a fifth of the start-up of a command and of a worker.
    from scipy.stats import qmc

    return np.asarray(qmc.Sobol(dimension, scramble=True, rng=seed).random(count))
