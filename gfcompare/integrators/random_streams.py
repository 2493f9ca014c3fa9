"""The random streams of a study: every random number derives from its seed."""

from __future__ import annotations

from typing import Literal

import numpy as np

_STREAMS = {"initial": 0, "method": 1}


def random_stream(study_seed: int, seed: int, use: Literal["initial", "method"]) -> np.random.Generator:
    """Return the random stream of a seed for one use, the same for every problem and method."""
    sequence = np.random.SeedSequence(study_seed, spawn_key=(seed, _STREAMS[use]))
    return np.random.Generator(np.random.PCG64(sequence))
