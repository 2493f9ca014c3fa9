"""Breakpoints near an end of the interval, and what an error does to them.

A neuron that is active on all of the interval but the length l between the end e and its breakpoint is affine
there but for that length. While the affine part of the residual is at rest, as it soon is, z = w e + b moves
by what is missing on the length alone,

    dl/dt = g l,   g = -2 p (1 + e^2) (sum over k of v_k r_k(e)) / |w|,

with r = N - f and the density p there, on M with w divided by the row's norm. So l falls and grows again as
the residual at the end changes its sign; but beyond the end, where the neuron is affine everywhere,
it rests. An error that pushes a breakpoint over the end loses it, and a flow that would have gone on stays.

So the correction of a step's prediction of z may be at most a fifth of the larger of |z| and of the way that
was predicted: what passes the end with some speed is not held up. The error is not taken as the usual share
of the correction: as z is driven by what little is left of the stiff motion, differences of high order are of
the size of those of the first, and tell of no smooth path. Well below the tolerance that is not asked for:
there the error decides.
"""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf

# The largest correction, relative to the distance; and up to which share of the tolerance it may exceed that.
_SHARE, _LEAST = 0.2, 0.3
# From which share of what is allowed on the next step is limited.
_LIMITS, _SAFETY = 0.3, 0.9
_LOGS = 0  # the row of `dormant`


@cold_leaf
def _at_end(vector, hidden, i, x):
    return vector[i] * x + vector[hidden + i]


@cold_leaf
def _tolerance(weights, hidden, i, x):
    return abs(x) / weights[i] + 1.0 / weights[hidden + i]


@cold_leaf
def longest_before_ends(data, step, memory):
    """Return the longest next step; negative if the step was too long for a breakpoint near an end."""
    hidden = memory.shape[1]
    worst = 0.0
    for side in range(2):
        x = data.integrals.upper if side == 1 else data.integrals.lower
        for i in range(hidden):
            if memory[_LOGS, i] != 0.0:
                continue
            corrected = abs(_at_end(step.correction, hidden, i, x))
            # Nearly always all that is looked at.
            least = _LEAST * _tolerance(step.weights, hidden, i, x)
            if not corrected > _LIMITS * least:
                continue
            here = _at_end(step.y, hidden, i, x)
            predicted = abs(here - _at_end(step.start, hidden, i, x)) - corrected
            worst = max(worst, corrected / max(_SHARE * max(abs(here), predicted), least))
    if worst > 1.0:
        return -1.0
    return step.size * _SAFETY * worst ** (-1.0 / (step.order + 1)) if worst > _LIMITS else np.inf
