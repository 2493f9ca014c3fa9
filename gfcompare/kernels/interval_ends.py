"""Breakpoints that an error of a step pushes over an end of the interval.

A neuron that is active on all of the interval but the length l between the end e and its breakpoint is affine
there but for that length. While the affine part of the residual is at rest, as it soon is, z = w e + b moves
by what is missing on the length alone,

    dl/dt = g l,   g = -2 p (1 + e^2) (sum over k of v_k r_k(e)) / |w|,

with r = N - f and the density p there, on M with w divided by the row's norm. The same holds where l is the
length on which a neuron is active. So l falls, and grows again when the residual at the end changes its sign;
but beyond the end the neuron is affine, or 0, everywhere, and rests. An error that pushes a breakpoint over
the end loses it, and a flow that would have gone on stays.

So a step that takes a breakpoint out of the interval is made again with a shorter one if it was not
predicted: if the correction of z is more than a fifth of the predicted way, and of the distance beyond the
end at which z arrives. The error is not taken as the usual share of the correction: as z is driven by what
little is left of the stiff motion, differences of high order are of the size of those of the first, and
tell of no smooth path. Well below the tolerance that is not asked for: there the error decides.

All other kinds of data have no ends: there the function does nothing.
"""

from numba.extending import overload

from gfcompare.kernels.compiled import CHOSEN, cold_leaf
from gfcompare.kernels.dormant import LOGS
from gfcompare.kernels.line import LineData

# The largest correction, relative to the distance; and up to which share of the tolerance it may exceed that.
_SHARE, _LEAST = 0.2, 0.3


@cold_leaf
def _at(vector, hidden, i, x):
    return vector[i] * x + vector[hidden + i]


@cold_leaf
def _is_pushed_on_line(data, start, y, correction, weights, memory):
    hidden = memory.shape[1]
    lower, upper = data.integrals.lower, data.integrals.upper
    for i in range(hidden):
        at_lower, at_upper = _at(start, hidden, i, lower), _at(start, hidden, i, upper)
        if at_lower * at_upper >= 0.0 or memory[LOGS, i] != 0.0:
            continue
        for x, before in ((lower, at_lower), (upper, at_upper)):
            after = _at(y, hidden, i, x)
            if before * after > 0.0:
                continue
            corrected = abs(_at(correction, hidden, i, x))
            expected = max(abs(after), abs(after - before) - corrected)
            least = abs(x) / weights[i] + 1.0 / weights[hidden + i]
            if corrected > max(_SHARE * expected, _LEAST * least):
                return True
    return False


def is_pushed_over_an_end(data, start, y, correction, weights, memory):
    """Whether a step takes a breakpoint out of the interval by its error.

    Parameters
    ----------
    start, y : the step's ends, each (P,)
    correction : of its prediction, (P,)
    weights : 1 / tolerances, (P,)
    memory : (7, H), what is remembered of each neuron
    """
    raise NotImplementedError("for compiled code")


@overload(is_pushed_over_an_end, jit_options=CHOSEN)
def _choose_is_pushed(data, start, y, correction, weights, memory):
    if data.instance_class is LineData:

        def chosen(data, start, y, correction, weights, memory):
            return _is_pushed_on_line(data, start, y, correction, weights, memory)

        return chosen
    return lambda data, start, y, correction, weights, memory: False
