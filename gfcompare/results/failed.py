"""Warning of trajectories on which a method failed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.errors import MethodWarning
from gfcompare.integrators.status import Status


def warn_of_failures(method: str, status: NDArray[np.integer], messages: Sequence[str]) -> None:
    """Warn once of the trajectories on which a method failed, with the first one's message."""
    failed = np.flatnonzero(np.asarray(status) == Status.FAILED)
    if not failed.size:
        return
    first = messages[failed[0]].rstrip(".")
    raised = re.search(r"\(.+, line \d+, in .+\)$", first)
    hint = ' For the traceback: on_error="raise", on the command line --traceback.' if raised else ""
    warnings.warn(
        f"{method} failed on {failed.size} of {len(messages)} trajectories: {first}.{hint}",
        MethodWarning,
        stacklevel=3,
    )
