"""When a flow begins to slide on a plateau at 0, and when it leaves it (`plateaus`).

Where the velocities of both sides lead to the surface, no step of an implicit method has a solution: Newton's
method jumps from one side to the other, steps are rejected, and those that are accepted cross the surface by
less and less. So after a rejected step it is looked whether a plateau is nearly 0 and the flow slides there:
with v the velocity with the neuron inactive, v.n / |n|^2 = mu for n = grad z, that is 0 < mu < s. (With several
plateaus the normals' multipliers in v.) It leaves the surface when mu leaves [0, s]; a step after which it is
outside by more than a tolerance is made again.

Of data without deep networks nothing slides: there the functions do nothing.
"""

import numpy as np
from numba.extending import overload

from gfcompare.kernels.compiled import CHOSEN, cold_leaf
from gfcompare.kernels.deep_line import deep_gradient_into
from gfcompare.kernels.line_set import LineSet
from gfcompare.kernels.manifold import retract_rows, tangent
from gfcompare.kernels.plateaus import (
    first_plateau,
    held_count,
    normal,
    remove_normals,
    set_levels,
    set_multipliers,
    span,
)

#: Rows of what is remembered of plateaus: 1 while the flow slides, and the flow time when it first began to.
HELD, SINCE, ROWS = 0, 1, 2

# How near to 0 a plateau is, relative to its tolerance, where the flow may begin to slide; and how far from it
# it is put where it leaves.
_NEAR, _OFF = 0.1, 1e-3
# The largest error of sliding too long, relative to the tolerance of a step.
_EXCESS = 0.3


@cold_leaf
def _load(trajectory, memory):
    held = memory.gradient.plateaus.held
    for number in range(held.shape[0]):
        held[number] = trajectory.plateaus[HELD, number] != 0.0


@cold_leaf
def _set_theta(widths, y, memory, normalize):
    """Write theta at the solver's variable into the scratch memory."""
    theta = memory.retracted
    for p in range(y.shape[0]):
        theta[p] = y[p]
    if normalize:
        retract_rows(widths, theta, memory.norms)


@cold_leaf
def _set_multipliers(flow, theta, memory, spare):
    """Write the multipliers of the plateaus on which the flow slides, and the jumps s there.

    The jump at a neuron depends on what is back-propagated through those above it that slide too: their shares
    mu / s come first.

    Returns
    -------
    count : on how many it slides
    gradients : taken
    """
    data, widths, normalize = flow.data, flow.widths, flow.settings.normalize
    plateaus, work = memory.gradient.plateaus, memory.sliding
    deep_gradient_into(data, widths, theta, spare, memory.gradient)
    gradients = 1
    for p in range(spare.shape[0]):
        spare[p] = -spare[p]
    if normalize:
        tangent(widths, theta, spare)
    count = span(widths, theta, plateaus, work, normalize)
    remove_normals(spare, work, count)
    set_multipliers(work, count)
    for layer in range(widths.shape[0] - 2, 2, -1):
        above, below = False, False
        for j in range(count):
            if work.layers[j] == layer:
                share = work.along[j] / plateaus.back[work.numbers[j]]
                plateaus.share[work.numbers[j]] = min(share, 1.0) if share > 0.0 else 0.0
                above = True
            elif work.layers[j] < layer:
                below = True
        if not below:
            break
        if above:
            deep_gradient_into(data, widths, theta, spare, memory.gradient)
            gradients += 1
    for j in range(count):
        plateaus.share[work.numbers[j]] = 0.0
    return count, gradients


@cold_leaf
def _put(widths, y, theta, memory, normalize, number, value, vector):
    """Move y, (P,), along the normal of a plateau to where this has a value, in place.

    Rows of y must have norm 1 on M. `theta` moves with y, `vector` is overwritten.
    """
    plateaus, work = memory.gradient.plateaus, memory.sliding
    hidden = widths.shape[0] - 2
    for dead in range(1, hidden):
        if not plateaus.offsets[dead] <= number < plateaus.offsets[dead + 1]:
            continue
        set_levels(widths, theta, plateaus, work, dead)
        for layer in range(dead + 1, hidden + 1):
            i = number - first_plateau(plateaus, dead, layer)
            if not 0 <= i < widths[layer]:
                continue
            normal(widths, theta, plateaus, work, dead, layer, i, vector)
            if normalize:
                tangent(widths, theta, vector)
            square = 0.0
            for p in range(vector.shape[0]):
                square += vector[p] * vector[p]
            way = (value - work.values[number]) / square if square > 0.0 else 0.0
            for p in range(vector.shape[0]):
                y[p] += way * vector[p]
                theta[p] += way * vector[p]


@cold_leaf
def _tolerance(vector, weights):
    total = 0.0
    for p in range(vector.shape[0]):
        total += (vector[p] / weights[p]) ** 2
    return np.sqrt(total)


@cold_leaf
def _slides(flow, theta, memory, number, spare):
    """Return whether the flow at theta slides on a plateau too, which is then held; and the gradients taken."""
    plateaus, work = memory.gradient.plateaus, memory.sliding
    plateaus.held[number] = True
    count, gradients = _set_multipliers(flow, theta, memory, spare)
    for j in range(count):
        if work.numbers[j] == number and 0.0 < work.along[j] < plateaus.back[number]:
            return True, gradients
    plateaus.held[number] = False
    return False, gradients


@cold_leaf
def _begin(flow, trajectory, weights, memory, spare):
    y, normalize, widths = trajectory.differences[0], flow.settings.normalize, flow.widths
    plateaus, work = memory.gradient.plateaus, memory.sliding
    _set_theta(widths, y, memory, normalize)
    theta = memory.retracted
    hidden = widths.shape[0] - 2
    begun = False
    for dead in range(1, hidden):
        for layer in range(dead + 1, hidden + 1):
            first = first_plateau(plateaus, dead, layer)
            for i in range(widths[layer]):
                number = first + i
                if plateaus.held[number] or held_count(plateaus) == work.numbers.shape[0]:
                    continue
                set_levels(widths, theta, plateaus, work, dead)
                normal(widths, theta, plateaus, work, dead, layer, i, spare[0])
                if not abs(work.values[number]) <= _NEAR * _tolerance(spare[0], weights):
                    continue
                slides, gradients = _slides(flow, theta, memory, number, spare[0])
                trajectory.counts[3] += gradients
                if slides:
                    _put(widths, y, theta, memory, normalize, number, 0.0, spare[0])
                    trajectory.plateaus[HELD, number] = 1.0
                    if trajectory.plateaus[SINCE, number] == 0.0:
                        trajectory.plateaus[SINCE, number] = max(trajectory.clock[0], 1e-300)
                    begun = True
    return begun


@cold_leaf
def _excess(flow, trajectory, y, weights, memory, spare):
    plateaus, work = memory.gradient.plateaus, memory.sliding
    if held_count(plateaus) == 0:
        return 0.0
    _set_theta(flow.widths, y, memory, flow.settings.normalize)
    theta = memory.retracted
    count, gradients = _set_multipliers(flow, theta, memory, spare[0])
    trajectory.counts[3] += gradients
    wrong = spare[0]
    for p in range(wrong.shape[0]):
        wrong[p] = 0.0
    for j in range(count):
        multiplier, jump = work.along[j], plateaus.back[work.numbers[j]]
        work.sides[j] = 0
        excess = 0.0
        if multiplier < 0.0:
            work.sides[j], excess = -1, multiplier
        elif multiplier > jump:
            work.sides[j], excess = 1, multiplier - jump
        for k in range(j + 1):
            share = excess * work.triangle[k, j]
            if share != 0.0 and share - share == 0.0:
                for p in range(wrong.shape[0]):
                    wrong[p] += share * work.basis[k, p]
    total = 0.0
    for p in range(wrong.shape[0]):
        total += (wrong[p] * weights[p]) ** 2
    return trajectory.clock[1] * np.sqrt(total / wrong.shape[0])


@cold_leaf
def _end(flow, trajectory, weights, memory, spare):
    plateaus, work = memory.gradient.plateaus, memory.sliding
    count = held_count(plateaus)
    if count == 0:
        return False
    y, widths, normalize = trajectory.differences[0], flow.widths, flow.settings.normalize
    _set_theta(widths, y, memory, normalize)
    theta = memory.retracted
    ended = False
    for j in range(count):
        number = work.numbers[j]
        value = 0.0
        if work.sides[j] != 0:
            _put(widths, y, theta, memory, normalize, number, 0.0, spare[0])
            value = work.sides[j] * _OFF * _tolerance(spare[0], weights)
            ended = True
        _put(widths, y, theta, memory, normalize, number, value, spare[0])
    for j in range(count):
        if work.sides[j] != 0:
            plateaus.held[work.numbers[j]] = False
            trajectory.plateaus[HELD, work.numbers[j]] = 0.0
    return ended


def load(data, trajectory, memory):
    """Tell the velocity on which plateaus a trajectory slides."""
    raise NotImplementedError("for compiled code")


def begins_to_slide(data, flow, trajectory, weights, memory, spare):
    """After a rejected step: return whether the flow slides on another plateau from here, and note it.

    The state is moved onto the surface, by less than the tolerance, 1 / `weights`; the history does not
    belong to it any more. `spare` are vectors, overwritten.
    """
    raise NotImplementedError("for compiled code")


def slides_too_long(data, flow, trajectory, y, weights, memory, spare):
    """Return whether a step to y slides longer than the flow does, by more than the tolerance."""
    raise NotImplementedError("for compiled code")


def stops_sliding(data, flow, trajectory, weights, memory, spare):
    """After an accepted step: put it back onto the surfaces, or beside one that the flow has left.

    Return whether it has left one: the history does not belong to the state any more.
    """
    raise NotImplementedError("for compiled code")


@overload(load, jit_options=CHOSEN)
def _choose_load(data, trajectory, memory):
    if data.instance_class is not LineSet:
        return lambda data, trajectory, memory: None

    def chosen(data, trajectory, memory):
        _load(trajectory, memory)

    return chosen


@overload(begins_to_slide, jit_options=CHOSEN)
def _choose_begins(data, flow, trajectory, weights, memory, spare):
    if data.instance_class is not LineSet:
        return lambda data, flow, trajectory, weights, memory, spare: False

    def chosen(data, flow, trajectory, weights, memory, spare):
        return _begin(flow, trajectory, weights, memory, spare)

    return chosen


@overload(slides_too_long, jit_options=CHOSEN)
def _choose_slides_too_long(data, flow, trajectory, y, weights, memory, spare):
    if data.instance_class is not LineSet:
        return lambda data, flow, trajectory, y, weights, memory, spare: False

    def chosen(data, flow, trajectory, y, weights, memory, spare):
        return _excess(flow, trajectory, y, weights, memory, spare) > _EXCESS

    return chosen


@overload(stops_sliding, jit_options=CHOSEN)
def _choose_stops(data, flow, trajectory, weights, memory, spare):
    if data.instance_class is not LineSet:
        return lambda data, flow, trajectory, weights, memory, spare: False

    def chosen(data, flow, trajectory, weights, memory, spare):
        return _end(flow, trajectory, weights, memory, spare)

    return chosen
