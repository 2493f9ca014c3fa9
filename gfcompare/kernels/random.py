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
def fill_uniform(state, numbers):
    """Fill `numbers`, (n,), with uniform numbers in [0, 1), multiples of 2**-53; advance `state`, (4,).

    From the upper 53 of 64 random bits each. The state is kept in registers: in memory it takes twice the
    time.
    """
    s0, s1, s2, s3 = state[0], state[1], state[2], state[3]
    for j in range(numbers.shape[0]):
        total = s0 + s3
        bits = ((total << _TWENTY_THREE) | (total >> (_SIXTY_FOUR - _TWENTY_THREE))) + s0
        shifted = s1 << _SEVENTEEN
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = (s3 << _FORTY_FIVE) | (s3 >> (_SIXTY_FOUR - _FORTY_FIVE))
        numbers[j] = np.float64(bits >> _ELEVEN) * _UNIT
    state[0], state[1], state[2], state[3] = s0, s1, s2, s3


@entry
def uniforms(states, results):
    """Fill row m of `results`, (M, n), with uniform numbers from stream m of `states`, (M, 4), advanced."""
    for m in range(results.shape[0]):
        fill_uniform(states[m], results[m])
