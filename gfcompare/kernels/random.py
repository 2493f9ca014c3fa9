"""Random streams for compiled loops: xoshiro256++, one 256-bit state for each trajectory.

D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", ACM Transactions on
Mathematical Software 47 (2021), doi:10.1145/3460772. The states are seeded with 256 bits of
NumPy's SeedSequence, so that streams do not overlap in practice.
"""

import numpy as np

from gfcompare.kernels.compiled import entry, leaf

_SEVENTEEN = np.uint64(17)
_TWENTY_THREE = np.uint64(23)
_FORTY_FIVE = np.uint64(45)
_ELEVEN = np.uint64(11)
_SIXTY_FOUR = np.uint64(64)
_UNIT = 2.0**-53


@leaf
def next_bits(state):
    """Advance `state`, shape (4,) uint64, and return the next 64 random bits."""
    total = state[0] + state[3]
    bits = ((total << _TWENTY_THREE) | (total >> (_SIXTY_FOUR - _TWENTY_THREE))) + state[0]
    shifted = state[1] << _SEVENTEEN
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    last = state[3]
    state[3] = (last << _FORTY_FIVE) | (last >> (_SIXTY_FOUR - _FORTY_FIVE))
    return bits


@leaf
def next_uniform(state):
    """Advance `state` and return a uniform number in [0, 1), a multiple of 2**-53."""
    return np.float64(next_bits(state) >> _ELEVEN) * _UNIT


@entry
def uniforms(states, results):
    """Fill row m of `results`, (M, n), with uniform numbers from stream m of `states`, (M, 4), advanced."""
    for m in range(results.shape[0]):
        for j in range(results.shape[1]):
            results[m, j] = next_uniform(states[m])
