"""Growth rates of breakpoints on a line that leave a place at which they would rest: they come and go.

The Hessian of the risk is a Gauss-Newton part, which is positive, and for each neuron whose breakpoint q is
within the interval a part of rank one, from the kink: moving its row by a unit along (q, 1) adds

    D = 2 p (1 + q^2) (sum over k of v_k r_k(q)) / |w|,

r = N - f and the density p there, on M with w divided by the row's norm. Where D < 0 a breakpoint is driven
away from where its velocity vanishes. That shows as growth where the Gauss-Newton part is small: of a neuron
that contributes little, and of two equal ones that move against each other, which leaves the function as it
is. Neurons become equal while D > 0, to far below any tolerance, and part when the residual there changes its
sign: within a moment, at a rate of which nothing is seen before. A step longer than the growth time damps the
deviation, with the wrong sign where it grows by more than one in that step, and they part late, or the other
way round.

So for each neuron and each pair of neighbours of one orientation the least eigenvalue -g of the Hessian along
their two directions is computed after every step, O(H) in all; it is at least that of the whole Hessian, so
that the growth is real. A step with g h > 1 is made again with a shorter one. And where the deviation, the
velocity along that direction over g, is within the tolerance it is noted: if it grows by a factor of
thirty from there, an error of the tolerance's size decides where the trajectory goes.

All other kinds of data have no breakpoints: there the function does nothing.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from gfcompare.kernels.compiled import CHOSEN, cold_leaf, entry
from gfcompare.kernels.line import LineData

#: Rows of what is remembered of each neuron, after those of `dormant`: the logarithm by which a deviation has
#: grown since it was within the tolerance; when it was; when that was of one that has grown by a factor
#: `_DECISIVE`, 0 if of none; the order of breakpoints, kept from step to step.
GROWN, SINCE, UNDECIDED, ORDER = 3, 4, 5, 6
#: Rows of what is remembered of each neuron in all.
ROWS = 7

# The largest product of step size and growth rate, and that beyond which a step is made again.
_STEP, _TOO_LONG = 0.5, 1.0
# Growth below this in one step is not looked at.
_SLOW = 0.01
#: Deviations count as within the tolerance up to so many times that.
WITHIN = 5.0
# And how much they must grow from there.
_DECISIVE = 30.0


class Step(NamedTuple):
    """The end of a step: y, its velocity and 1 / its tolerances, each (P,); the step size; on M."""

    y: np.ndarray
    speed: np.ndarray
    weights: np.ndarray
    size: float
    normalize: bool


class _Breakpoints(NamedTuple):
    """Neurons in the order of their breakpoints: their numbers, breakpoints, and D; each (H,)."""

    order: np.ndarray
    keys: np.ndarray
    kinks: np.ndarray


@cold_leaf
def _sort(y, hidden, order, keys):
    """Write the breakpoints in ascending order into `keys`, (H,), and the neurons' numbers into `order`."""
    for n in range(hidden):
        i = int(order[n])
        keys[n] = -y[hidden + i] / y[i] if y[i] != 0.0 else np.inf
    for n in range(1, hidden):
        key, index = keys[n], order[n]
        hole = n
        while hole > 0 and keys[hole - 1] > key:
            keys[hole], order[hole] = keys[hole - 1], order[hole - 1]
            hole -= 1
        keys[hole], order[hole] = key, index


@cold_leaf
def _set_kinks(data, y, normalize, breakpoints, running):
    """Write D of each neuron into `breakpoints`; 0 of those outside.

    `running`, (2 K,), is overwritten: value and slope of the network.
    """
    values, order, keys, result = data.values, breakpoints.order, breakpoints.keys, breakpoints.kinks
    hidden, outputs = keys.shape[0], values.value_high.shape[1]
    lower, upper = data.integrals.lower, data.integrals.upper
    for k in range(outputs):
        running[k], running[outputs + k] = y[(2 + outputs) * hidden + k], 0.0
    for n in range(hidden):
        i = int(order[n])
        if (keys[n] > lower) if y[i] < 0.0 else (keys[n] <= lower or (y[i] == 0.0 and y[hidden + i] > 0.0)):
            for k in range(outputs):
                running[k] += y[(2 + k) * hidden + i] * (y[i] * lower + y[hidden + i])
                running[outputs + k] += y[(2 + k) * hidden + i] * y[i]
    before, piece, pieces = lower, 0, values.x_centres.shape[0]
    for n in range(hidden):
        result[n] = 0.0
        q, i = keys[n], int(order[n])
        if not lower < q < upper:
            continue
        while piece < pieces - 1 and q > values.x_centres[piece] + values.x_half_widths[piece]:
            piece += 1
        s = (q - values.x_centres[piece]) / values.x_half_widths[piece]
        density, driven = 0.0, 0.0
        for j in range(values.density.shape[1]):
            density = values.density[piece, j] + density * s
        for k in range(outputs):
            target, share = 0.0, y[(2 + k) * hidden + i]
            for j in range(values.value_high.shape[2]):
                target = values.value_high[piece, k, j] + target * s
            running[k] += running[outputs + k] * (q - before)
            running[outputs + k] += share * abs(y[i])
            driven += share * (running[k] - target)
        before = q
        slope = abs(y[i])
        if normalize:
            slope /= np.sqrt(y[i] * y[i] + y[hidden + i] * y[hidden + i])
        result[n] = 2.0 * density * (1.0 + q * q) * driven / slope


@cold_leaf
def _reach(q, first, last):
    """Return the integral of the squared change of a pre-activation over [first, last], per unit moved."""
    length = last - first
    middle = q * 0.5 * (first + last) + 1.0
    return length * (middle * middle + q * q * length * length / 12.0) / (1.0 + q * q)


@cold_leaf
def _density_at(data, x):
    values = data.values
    piece = 0
    while piece < values.x_centres.shape[0] - 1 and x > values.x_centres[piece] + values.x_half_widths[piece]:
        piece += 1
    s = (x - values.x_centres[piece]) / values.x_half_widths[piece]
    density = 0.0
    for j in range(values.density.shape[1]):
        density = values.density[piece, j] + density * s
    return density


@cold_leaf
def _pair_growth(data, step, breakpoints, m, n):
    """Return the growth rate of the neurons at two places in the order, and whether they hardly deviate.

    One neuron alone if m is negative. Returned are the rate g, negative if nothing grows, and the deviation
    over the tolerance.
    """
    y, speed, weights = step.y, step.speed, step.weights
    order, keys, kinks = breakpoints.order, breakpoints.keys, breakpoints.kinks
    hidden, outputs = keys.shape[0], data.values.value_high.shape[1]
    i, q = int(order[n]), keys[n]
    lower, upper = data.integrals.lower, data.integrals.upper
    right = y[i] > 0.0
    density = 2.0 * _density_at(data, q)
    own = density * _reach(q, q if right else lower, upper if right else q)
    root = np.sqrt(1.0 + q * q)
    tolerance = (1.0 / weights[hidden + i] + abs(q) / weights[i]) / root
    moved = (speed[i] * q + speed[hidden + i]) / root
    square = 0.0
    for k in range(outputs):
        square += y[(2 + k) * hidden + i] ** 2
    a = kinks[n] + own * square
    if m < 0:
        return -a, abs(moved / a) / tolerance
    j, x = int(order[m]), keys[m]
    other_square, inner = 0.0, 0.0
    for k in range(outputs):
        other_square += y[(2 + k) * hidden + j] ** 2
        inner += y[(2 + k) * hidden + i] * y[(2 + k) * hidden + j]
    between = density * _reach(q, x, q)
    other = own + between if right else density * _reach(q, lower, x)  # x <= q
    common = min(own, other)
    c = kinks[m] + other * other_square
    cross = common * inner
    trace = 0.5 * (a + c)
    largest = trace + np.sqrt(0.25 * (a - c) * (a - c) + cross * cross)
    if trace > 0.0:  # else the sum cancels, and what is left of it is rounding
        gram = common * between * square * other_square
        if outputs > 1:
            gram += common * common * max(square * other_square - inner * inner, 0.0)
        product = kinks[n] * kinks[m] + kinks[n] * other * other_square + kinks[m] * own * square + gram
        least = product / largest
    else:
        least = 2.0 * trace - largest
    first, second = cross, least - a
    if abs(least - c) > abs(least - a):
        first, second = least - c, cross
    length = np.sqrt(first * first + second * second)
    if not least < 0.0 or not length > 0.0:
        return -least, np.inf
    other_root = np.sqrt(1.0 + x * x)
    other_tolerance = (1.0 / weights[hidden + j] + abs(x) / weights[j]) / other_root
    moved = first * moved + second * (speed[j] * x + speed[hidden + j]) / other_root
    tolerance = abs(first) * tolerance + abs(second) * other_tolerance
    return -least, abs(moved / least) / tolerance


@cold_leaf
def _grow(data, step, memory, spare, rates, near):
    """Write the growth rate of each neuron into `rates`, the least deviation into `near`; return the largest.

    Both are (H,), by number; `spare` is (2 H + 2 K,) at least.
    """
    hidden, y, size = memory.shape[1], step.y, step.size
    order, keys, kinks = memory[ORDER], spare[:hidden], spare[hidden : 2 * hidden]
    breakpoints = _Breakpoints(order, keys, kinks)
    _sort(y, hidden, order, keys)
    _set_kinks(data, y, step.normalize, breakpoints, spare[2 * hidden :])
    largest, last_left, last_right = 0.0, -1, -1
    for i in range(hidden):
        rates[i], near[i] = 0.0, np.inf
    for n in range(hidden):
        if not data.integrals.lower < keys[n] < data.integrals.upper:
            continue
        i = int(order[n])
        right = y[i] > 0.0
        m = last_right if right else last_left
        if right:
            last_right = n
        else:
            last_left = n
        grows = -kinks[n] * size > _SLOW
        if not grows and (m < 0 or not -kinks[m] * size > _SLOW):
            continue
        rate, deviation = _pair_growth(data, step, breakpoints, m, n)
        if not rate * size > _SLOW:
            continue
        largest = max(largest, rate)
        rates[i] = max(rates[i], rate)
        near[i] = min(near[i], deviation)
        if m >= 0:
            j = int(order[m])
            rates[j] = max(rates[j], rate)
            near[j] = min(near[j], deviation)
    return largest


@cold_leaf
def _note(hidden, size, time, memory, rates, near):
    """Remember how much deviations have grown that were within the tolerance."""
    for i in range(hidden):
        if not rates[i] > 0.0:
            memory[GROWN, i] = 0.0
        elif memory[GROWN, i] > 0.0:
            memory[GROWN, i] += rates[i] * size
            if memory[GROWN, i] > np.log(_DECISIVE) and memory[UNDECIDED, i] == 0.0:
                memory[UNDECIDED, i] = memory[SINCE, i]
        elif near[i] < WITHIN:
            memory[GROWN, i] = rates[i] * size
            memory[SINCE, i] = time


@cold_leaf
def _respect_on_line(data, step, time, limit, memory, spare, rates):
    hidden = memory.shape[1]
    near = rates[hidden:]
    largest = _grow(data, step, memory, spare, rates, near)
    if limit and largest * step.size > _TOO_LONG:
        return -1.0
    _note(hidden, step.size, time, memory, rates, near)
    return _STEP / largest if limit and largest > 0.0 else np.inf


def respect_growth(data, step, time, limit, memory, spare, rates):
    """Look how fast breakpoints leave places at which they would rest, at the end of a step.

    Parameters
    ----------
    step : Step
    time : flow time at its end
    limit : whether a step is to be no longer than the growth time
    memory : (7, H), what is remembered of each neuron, moved on in place
    spare, rates : (P,), overwritten

    Returns
    -------
    The longest next step; negative if the step was too long
    """
    raise NotImplementedError("for compiled code")


@overload(respect_growth, jit_options=CHOSEN)
def _choose_respect_growth(data, step, time, limit, memory, spare, rates):
    if data.instance_class is LineData:

        def chosen(data, step, time, limit, memory, spare, rates):
            return _respect_on_line(data, step, time, limit, memory, spare, rates)

        return chosen
    return lambda data, step, time, limit, memory, spare, rates: np.inf


@entry
def growth_of_breakpoints(data, step, results):
    """Write how fast breakpoints leave where they are into `results`, (2, H); return the fastest rate.

    Parameters
    ----------
    step : Step; growth that is small within its size is left out
    results : for each neuron the rate, 0 if nothing grows; and the least deviation, over the tolerance
    """
    hidden = results.shape[1]
    memory = np.zeros((ROWS, hidden))
    for i in range(hidden):  # an array that is assigned compiles the message of shapes that differ: 1.5 s
        memory[ORDER, i] = i
    return _grow(data, step, memory, np.empty_like(step.y), results[0], results[1])
