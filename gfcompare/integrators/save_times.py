"""Save times: when trajectories are recorded."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gfcompare.components.errors import InputError
from gfcompare.integrators.status import Array


def check_times(times: ArrayLike) -> Array:
    """Return save times as an array, or raise InputError unless they increase from 0 or later."""
    try:
        array = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"save times must be a list of finite numbers, got {times!r:.80}.") from None
    if array.ndim != 1 or array.size == 0 or not np.all(np.isfinite(array)):
        raise InputError("save times must be a list of finite numbers.")
    if array[0] < 0 or np.any(np.diff(array) <= 0):
        raise InputError("save times must increase strictly, from 0 or later.")
    return array
