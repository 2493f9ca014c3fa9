"""Dormant neurons: first-layer neurons on a line whose breakpoint is very near an end of the inputs.

A neuron that is active only between its breakpoint and the end e of the interval, at a distance l of it,
moves with a velocity of the order of l. With r = N - f without the neuron, and the density p there,

    dl/dt = a l - b l^2 + O(a l^2, l^3),
    a = -2 p (1 + e^2) (sum over k of v_k r_k(e)) / |w|,
    b = p (1 + e^2) (|v|^2 - (sum over k of v_k r_k'(e)) / w),

on M with w divided by the row's norm. So the exact flow lets no neuron die: l falls at most exponentially,
and it grows again once a changes its sign, after a time that depends on how small it has become. A solver
with a tolerance in (w, b), and doubles themselves, lose the neuron long before. Here, where b l is small
beside a, such a neuron is set aside: its breakpoint is put just outside the interval, where it rests and
touches nothing else (what it adds to other velocities is of order l^2), and ln l is integrated along
the other parameters' path, by Gauss's rule on the interpolant of each step. When l has grown, or b l has
come near a (b with what the kinks of other neurons within l add to it), the neuron is put back: its row moves
along (e, 1), the direction in which it would have moved.
Where the tolerance does not see l = a / b, at which a neuron rests, it stays aside: it comes to rest there by
the law above with a and b held, and bounds no step.

All other kinds of data have no dormant neurons: there the functions do nothing.
"""

import numpy as np
from numba.extending import overload

from gfcompare.kernels.backward_differences import interpolate
from gfcompare.kernels.compiled import CHOSEN, cold_leaf, entry
from gfcompare.kernels.line import LineData

#: Rows of what is remembered of each neuron: ln l of a dormant one, relative to the interval, 0 of others;
#: the same at a time that is read off, and at the beginning of the last step.
LOGS, THERE, BEFORE = 0, 1, 2

# Gauss-Legendre nodes on [0, 1] and weights: exact to degree 9, more than an interpolant of order 5 has.
_POINTS, _SHARES = (lambda rule: (0.5 + 0.5 * rule[0], 0.5 * rule[1]))(np.polynomial.legendre.leggauss(5))
# The largest distance at which a neuron may be set aside, relative to the interval: terms left out are of
# its order. And how much shorter than where it is put back it must be.
_FAR, _APART = 1e-2, 0.5
# From how many errors of the tolerance on a neuron may be put back because b l is this much of a.
_SEEN, _BENT = 3.0, 0.2
# How far ln l may pass the place where the neuron is put back within one step; and how far it should.
_TOO_FAR, _AIM = 2.0, 0.7
# ln l within which a resting neuron has come to rest: a / b moves, and l is behind it.
_AT_REST = 0.1
# An end at which the density is so small, relative to its mean, has another law: nothing is set aside there.
_THIN = 1e-2
# The distance in pre-activation, in roundings of its parts, of a resting breakpoint from the end.
_ROUNDINGS = 8.0 * np.finfo(np.float64).eps
_NEVER = np.inf
# The largest ln l of a dormant neuron: 0 stands for the others.
_HERE = -1e-300


@cold_leaf
def _end_of(data, right):
    """Return the end of the interval in x, and the density there."""
    density = data.values.density[data.values.density.shape[0] - 1 if right else 0]
    value = 0.0
    for j in range(density.shape[0]):
        value = density[j] + (value if right else -value)
    return (data.integrals.upper if right else data.integrals.lower), value


@cold_leaf
def _target_at(data, right, k):
    """Return the target's output k at an end, and its slope there."""
    piece = data.values.value_high.shape[0] - 1 if right else 0
    high, low = data.values.value_high[piece, k], data.values.value_low[piece, k]
    s = 1.0 if right else -1.0
    value, rest, slope = 0.0, 0.0, 0.0
    for j in range(high.shape[0]):
        slope = value + slope * s
        value = high[j] + value * s
        rest = low[j] + rest * s
    return value + rest, slope / data.values.x_half_widths[piece]


@cold_leaf
def _add_laws(data, y, logs, normalize, weight, sums):
    """Add weight * (sum over k of v_k r_k(e), of v_k r_k'(e)) of each dormant neuron to its sums."""
    hidden = logs.shape[0]
    rates, bends = sums[:hidden], sums[hidden : 2 * hidden]
    outputs = data.values.value_high.shape[1]
    for side in range(2):
        right = side == 1
        wanted = False
        for i in range(hidden):
            wanted |= logs[i] != 0.0 and (y[i] > 0.0) == right
        if not wanted:
            continue
        x, _ = _end_of(data, right)
        for k in range(outputs):
            first = 2 * hidden + k * hidden
            value, slope = _target_at(data, right, k)
            residual, bend = y[2 * hidden + outputs * hidden + k] - value, -slope
            for i in range(hidden):
                active = y[i] * x + y[hidden + i]
                if active > 0.0:
                    share = y[first + i]
                    if normalize:
                        share /= np.sqrt(y[i] * y[i] + y[hidden + i] * y[hidden + i])
                    residual += share * active
                    bend += share * y[i]
            for i in range(hidden):
                if logs[i] != 0.0 and (y[i] > 0.0) == right:
                    rates[i] += weight * y[first + i] * residual
                    bends[i] += weight * y[first + i] * bend


@cold_leaf
def _to_laws(data, y, logs, normalize, sums):
    """Turn the sums of `_add_laws` into a and b, relative to the interval; those of other neurons are 0."""
    hidden = logs.shape[0]
    rates, bends = sums[:hidden], sums[hidden : 2 * hidden]
    outputs = data.values.value_high.shape[1]
    length = data.integrals.upper - data.integrals.lower
    for i in range(hidden):
        if logs[i] == 0.0:
            rates[i] = bends[i] = 0.0
            continue
        x, density = _end_of(data, y[i] > 0.0)
        slope = y[i]
        if normalize:
            slope /= np.sqrt(y[i] * y[i] + y[hidden + i] * y[hidden + i])
        column = 0.0
        for k in range(outputs):
            column += y[(2 + k) * hidden + i] ** 2
        reach = density * (1.0 + x * x)
        rates[i] *= -2.0 * reach / abs(slope)
        bends[i] = length * reach * (column - bends[i] / slope)


@cold_leaf
def _laws_at(data, y, logs, normalize, sums):
    """Write a and b of each dormant neuron at y, (2 H,): dl/dt = a l - b l^2."""
    for i in range(2 * logs.shape[0]):
        sums[i] = 0.0
    _add_laws(data, y, logs, normalize, 1.0, sums)
    _to_laws(data, y, logs, normalize, sums)


@cold_leaf
def _rates_over(data, path, since, logs, normalize, y, sums):
    """Write the integral of a over the end of the last step, from `since` before it, and b there, (2 H,)."""
    for i in range(2 * logs.shape[0]):
        sums[i] = 0.0
    for j in range(_POINTS.shape[0]):
        interpolate(path.differences, path.order, -since * _POINTS[j], 0.0, path.size, y)
        _add_laws(data, y, logs, normalize, since * _SHARES[j], sums)
    _to_laws(data, path.differences[0], logs, normalize, sums)


@cold_leaf
def _ends(data, y, hidden, i):
    """Return the largest and the smallest pre-activation of a neuron on the interval, and the end's x."""
    at_lower = y[i] * data.integrals.lower + y[hidden + i]
    at_upper = y[i] * data.integrals.upper + y[hidden + i]
    if y[i] > 0.0:
        return at_upper, at_lower, data.integrals.upper
    return at_lower, at_upper, data.integrals.lower


@cold_leaf
def _put(y, hidden, i, x, distance):
    """Put the pre-activation of a neuron at x to a value, moving its row along (x, 1)."""
    moved = (distance - (y[i] * x + y[hidden + i])) / (1.0 + x * x)
    y[i] += moved * x
    y[hidden + i] += moved


@cold_leaf
def _rounding(y, hidden, i, x):
    return _ROUNDINGS * (abs(y[i] * x) + abs(y[hidden + i]))


@cold_leaf
def _error(data, hidden, y, weights, i, x):
    """Return the error of l, relative to the interval, that the tolerance allows."""
    length = data.integrals.upper - data.integrals.lower
    return (1.0 / weights[hidden + i] + abs(x) / weights[i]) / (abs(y[i]) * length)


@cold_leaf
def _place(error):
    """Return l, relative to the interval, at which a neuron is put back.

    There the error that the tolerance allows is as large, relative to l, as l, and as what is left out here.
    """
    return min(np.sqrt(error), _FAR)


@cold_leaf
def _add_kinks(data, y, normalize, i, reach, bend):
    """Return |b| with what kinks of other neurons add, between a breakpoint and the end that it is near.

    The law holds where the residual is affine there. `reach` is the distance of the breakpoint from the end,
    relative to the interval.
    """
    outputs = data.values.value_high.shape[1]
    hidden = (y.shape[0] - outputs) // (2 + outputs)
    length = data.integrals.upper - data.integrals.lower
    x, density = _end_of(data, y[i] > 0.0)
    slope = y[i]
    if normalize:
        slope /= np.sqrt(y[i] * y[i] + y[hidden + i] * y[hidden + i])
    total = abs(bend)
    for j in range(hidden):
        if j == i or y[j] == 0.0 or not abs(x + y[hidden + j] / y[j]) < reach * length:
            continue
        inner = 0.0
        for k in range(outputs):
            inner += y[(2 + k) * hidden + i] * y[(2 + k) * hidden + j]
        change = y[j]
        if normalize:
            change /= np.sqrt(y[j] * y[j] + y[hidden + j] * y[hidden + j])
        total += length * density * (1.0 + x * x) * abs(inner * change / slope)
    return total


@cold_leaf
def _rests(rate, bend, error):
    """Return whether a neuron of the law l' = a l - b l^2 comes to rest below what the tolerance sees."""
    return rate > 0.0 and bend > 0.0 and rate < _SEEN * error * bend


@cold_leaf
def _has_come_to_rest(rate, bend, log):
    """Return whether a dormant neuron is near a / b: where one that is seen there is put back before."""
    return rate > 0.0 and bend > 0.0 and np.exp(log) * bend > _BENT * rate


@cold_leaf
def _come_to_rest(log, grown, rest):
    """Return ln l after a time over which a, a / b held, has the integral `grown`; `rest` is ln(a / b)."""
    below = log - rest
    if grown <= 0.0:
        return min(log + grown, rest)
    if below + grown < -40.0:
        return log + grown
    return rest - np.log1p(np.exp(-below - grown) - np.exp(-grown))


@cold_leaf
def _before_rest(log, grown, rest):
    """Return ln l before that time, as `_come_to_rest` has it."""
    below = log - rest
    if below > -_AT_REST:
        return rest
    if grown <= 0.0:
        return log - grown
    if grown - below > 40.0:
        return rest - grown - np.log(np.expm1(-below))
    return rest - np.log1p(np.expm1(-below) * np.exp(grown))


@cold_leaf
def _wake(data, hidden, differences, i, x, distance, growth):
    """Put a neuron back, with the history of one that has grown by `growth` in every step."""
    y = differences[0]
    outputs = data.values.value_high.shape[1]
    before_w, before_b = y[i], y[hidden + i]
    resting = y[i] * x + y[hidden + i]
    _put(y, hidden, i, x, distance)
    moved_w, moved_b = y[i] - before_w, y[hidden + i] - before_b
    whole = distance / (distance - resting)  # without the way from outside the interval to its end
    for k in range(1, differences.shape[0]):
        factor = whole * (1.0 - 1.0 / growth) ** k
        differences[k, i] = factor * moved_w
        differences[k, hidden + i] = factor * moved_b
        for o in range(outputs):
            differences[k, (2 + o) * hidden + i] = 0.0


@cold_leaf
def _set_aside(data, hidden, differences, i, x):
    """Put a breakpoint just outside the interval, at rest."""
    outputs = data.values.value_high.shape[1]
    y = differences[0]
    _put(y, hidden, i, x, -_rounding(y, hidden, i, x))
    for k in range(1, differences.shape[0]):
        differences[k, i] = differences[k, hidden + i] = 0.0
        for o in range(outputs):
            differences[k, (2 + o) * hidden + i] = 0.0


@cold_leaf
def _move_on(data, path, weights, neurons, normalize, y, sums):
    """Move the dormant neurons on by a step, put back those that have grown; False: they grew too far."""
    hidden, differences, logs, before = neurons.shape[1], path.differences, neurons[LOGS], neurons[BEFORE]
    rates, bends = sums[:hidden], sums[hidden : 2 * hidden]
    length = data.integrals.upper - data.integrals.lower
    _rates_over(data, path, path.size, logs, normalize, y, sums)
    for i in range(hidden):
        y[i] = rates[i]
    _laws_at(data, differences[0], logs, normalize, sums)
    for i in range(hidden):
        if logs[i] != 0.0:
            _, _, x = _ends(data, differences[0], hidden, i)
            error = _error(data, hidden, differences[0], weights, i, x)
            rests = _rests(rates[i], bends[i], error)
            if not rests and not logs[i] + y[i] <= np.log(_place(error)) + _TOO_FAR:
                return False
    for i in range(hidden):
        if logs[i] != 0.0:
            _, _, x = _ends(data, differences[0], hidden, i)
            error = _error(data, hidden, differences[0], weights, i, x)
            before[i] = logs[i]
            if _rests(rates[i], bends[i], error):
                logs[i] = _come_to_rest(logs[i], y[i], np.log(rates[i] / bends[i]))
            else:
                logs[i] += y[i]
            here = np.exp(logs[i])
            bent = False
            if here > _SEEN * error:
                bend = _add_kinks(data, differences[0], normalize, i, here, bends[i])
                bent = here * bend > _BENT * abs(rates[i])
            if here >= _place(error) or bent:
                distance = here * length * abs(differences[0, i])
                growth = 1.0 if bent else np.exp(y[i])
                _wake(data, hidden, differences, i, x, distance, growth)
                logs[i] = before[i] = 0.0
    return True


@cold_leaf
def _find(data, path, weights, neurons, normalize, y, sums):
    """Set aside the neurons that have come near enough to an end; return whether there are any."""
    hidden, differences, logs, start = neurons.shape[1], path.differences, neurons[LOGS], neurons[BEFORE]
    rates, bends, found = sums[:hidden], sums[hidden : 2 * hidden], sums[2 * hidden : 3 * hidden]
    length = data.integrals.upper - data.integrals.lower
    any_found = False
    for i in range(hidden):
        found[i] = 0.0
        here, other, x = _ends(data, differences[0], hidden, i)
        if logs[i] != 0.0 or not other < 0.0:
            continue
        steep = abs(differences[0, i]) * length
        before = (differences[0, i] - differences[1, i]) * x
        before += differences[0, hidden + i] - differences[1, hidden + i]
        at = _APART * _place(_error(data, hidden, differences[0], weights, i, x)) * steep
        _, density = _end_of(data, differences[0, i] > 0.0)
        if not 0.0 < before < _FAR * steep or not here < at or not density * length > _THIN:
            continue
        found[i], start[i] = 1.0, min(np.log(before / steep), _HERE)
        any_found = True
        logs[i] = np.log((here if here > 0.0 else before) / steep)
    if not any_found:
        return False
    _rates_over(data, path, path.size, logs, normalize, y, sums)
    for i in range(hidden):
        y[i] = rates[i]
    _laws_at(data, differences[0], logs, normalize, sums)
    for i in range(hidden):
        if found[i] == 0.0:
            continue
        here, _, x = _ends(data, differences[0], hidden, i)
        error = _error(data, hidden, differences[0], weights, i, x)
        if here > 0.0:  # without what the neuron itself adds to residual and slope
            column = 0.0
            for k in range(data.values.value_high.shape[1]):
                column += differences[0, (2 + k) * hidden + i] ** 2
            _, density = _end_of(data, differences[0, i] > 0.0)
            own = length * density * (1.0 + x * x) * column
            rates[i] += 2.0 * own * np.exp(logs[i])
            bends[i] += own
        else:  # the solver has put it outside within the step
            logs[i] = min(logs[i] + y[i], np.log(_place(error)))
        near = np.exp(logs[i])
        bend = _add_kinks(data, differences[0], normalize, i, near, bends[i])
        if near > _SEEN * error and near * bend > 0.5 * _BENT * abs(rates[i]):
            logs[i] = start[i] = 0.0
        else:
            _set_aside(data, hidden, differences, i, x)
    return True


@cold_leaf
def _follow_on_line(data, path, weights, neurons, normalize, spare):
    hidden, differences, logs = neurons.shape[1], path.differences, neurons[LOGS]
    y, sums = spare[0], spare[1]
    rates = sums[:hidden]
    dormant = False
    for i in range(hidden):
        dormant |= logs[i] != 0.0
    if dormant and not _move_on(data, path, weights, neurons, normalize, y, sums):
        return -1.0
    found = _find(data, path, weights, neurons, normalize, y, sums)
    if not dormant and not found:
        return _NEVER
    longest = _NEVER
    _laws_at(data, differences[0], logs, normalize, sums)
    for i in range(hidden):
        if logs[i] != 0.0 and rates[i] > 0.0:
            _, _, x = _ends(data, differences[0], hidden, i)
            error = _error(data, hidden, differences[0], weights, i, x)
            if not _rests(rates[i], sums[hidden + i], error):
                longest = min(longest, max(np.log(_place(error)) + _AIM - logs[i], 0.0) / rates[i])
    return longest


@cold_leaf
def _restore_on_line(data, y, logs):
    hidden = logs.shape[0]
    length = data.integrals.upper - data.integrals.lower
    for i in range(hidden):
        if logs[i] != 0.0:
            _, _, x = _ends(data, y, hidden, i)
            distance = np.exp(logs[i]) * length * abs(y[i])
            _put(y, hidden, i, x, max(distance, _rounding(y, hidden, i, x)))


@cold_leaf
def _logs_at_on_line(data, path, since, neurons, normalize, spare):
    hidden, logs, result, before = neurons.shape[1], neurons[LOGS], neurons[THERE], neurons[BEFORE]
    rates, bends = spare[1, :hidden], spare[1, hidden : 2 * hidden]
    dormant = False
    for i in range(hidden):
        result[i] = logs[i]
        dormant |= logs[i] != 0.0
    if not dormant or not since > 0.0:
        return
    _rates_over(data, path, since, logs, normalize, spare[0], spare[1])
    for i in range(hidden):
        result[i] = rates[i]
    _laws_at(data, path.differences[0], logs, normalize, spare[1])
    for i in range(hidden):
        if logs[i] == 0.0:
            result[i] = 0.0
            continue
        if _has_come_to_rest(rates[i], bends[i], logs[i]):
            result[i] = _before_rest(logs[i], result[i], np.log(rates[i] / bends[i]))
        else:
            result[i] = logs[i] - result[i]
        # Within a long step the interpolant may give a the wrong sign: l would grow backward without bound.
        result[i] = min(result[i], max(before[i], logs[i]), _HERE)


def follow(data, path, weights, neurons, normalize, spare):
    """Move the dormant neurons of a trajectory on by the step just accepted; find new ones, put back others.

    Parameters
    ----------
    path : flow.Path; its differences are changed for neurons set aside or put back
    weights : (P,), 1 / tolerance of each parameter
    neurons : (7, H), what is remembered of each neuron; changed
    spare : (2, P), overwritten

    Returns
    -------
    The longest next step, in flow time; negative if the step was too long: then nothing is changed
    """
    raise NotImplementedError("for compiled code")


def logs_at(data, path, since, neurons, normalize, spare):
    """Write ln l a time `since` before the end of the last step into the row `THERE`; see `follow`."""
    raise NotImplementedError("for compiled code")


def restore(data, y, logs):
    """Put the dormant neurons of y, (P,), to where they are; at least some roundings within the interval."""
    raise NotImplementedError("for compiled code")


@overload(follow, jit_options=CHOSEN)
def _choose_follow(data, path, weights, neurons, normalize, spare):
    if data.instance_class is LineData:

        def chosen(data, path, weights, neurons, normalize, spare):
            return _follow_on_line(data, path, weights, neurons, normalize, spare)

        return chosen
    return lambda data, path, weights, neurons, normalize, spare: _NEVER


@overload(logs_at, jit_options=CHOSEN)
def _choose_logs_at(data, path, since, neurons, normalize, spare):
    if data.instance_class is LineData:

        def chosen(data, path, since, neurons, normalize, spare):
            _logs_at_on_line(data, path, since, neurons, normalize, spare)

        return chosen
    return lambda data, path, since, neurons, normalize, spare: None


@overload(restore, jit_options=CHOSEN)
def _choose_restore(data, y, logs):
    if data.instance_class is LineData:

        def chosen(data, y, logs):
            _restore_on_line(data, y, logs)

        return chosen
    return lambda data, y, logs: None


@entry
def rates(data, theta, logs, normalize, results):
    """Write the rate a of each dormant neuron at theta, (P,), into `results`, (H,); 0 of one that rests."""
    hidden = logs.shape[0]
    sums = np.empty(2 * hidden)
    _laws_at(data, theta, logs, normalize, sums)
    for i in range(hidden):
        results[i] = 0.0 if _has_come_to_rest(sums[i], sums[hidden + i], logs[i]) else sums[i]


@entry
def restore_rows(data, thetas, logs):
    """Put the dormant neurons of each theta, (M, P), to where they are, with `logs`, (M, H)."""
    for m in range(thetas.shape[0]):
        _restore_on_line(data, thetas[m], logs[m])
