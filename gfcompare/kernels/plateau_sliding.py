"""When a flow begins to slide on a plateau at 0, and when it leaves it (`plateaus`).

Where the velocities of both sides lead to the surface, no step of an implicit method has a solution: Newton's
method jumps from one side to the other, steps are rejected, and those that are accepted cross the surface
by less and less. So after a rejected step it is looked whether a plateau is nearly 0 and the flow slides
there: whether 0 < mu < s for the multiplier mu of its normal in the velocity with the neuron inactive. Flows
leave the surface when mu leaves [0, s], into the side whose velocity leads away; a step at whose end it is
outside by more than a tolerance is made again.

Of data without deep networks nothing slides: there the functions do nothing.
"""

import numpy as np
from numba.extending import overload

from gfcompare.kernels.compiled import CHOSEN, cold_leaf
from gfcompare.kernels.deep_line import deep_gradient_into
from gfcompare.kernels.manifold import retract_rows, tangent
from gfcompare.kernels.plateaus import (
    BACK,
    HELD,
    LAYER,
    NUMBER,
    OFFSETS,
    SHARE,
    SIDE,
    VALUE,
    first_plateau,
    held_count,
    normal,
    remove_normals,
    set_levels,
    set_multipliers,
    span,
)
from gfcompare.kernels.tolerances import set_weights
from gfcompare.kernels.velocity import DeepVelocity

#: Rows of what is remembered of plateaus: `HELD`, and the flow time when the flow first began to slide.
SINCE, ROWS = 1, 2

# How near to 0 a plateau is, relative to its tolerance, where the flow may begin to slide; and how far from
# it it is put where it leaves.
_NEAR, _OFF = 0.1, 1e-3
#: Questions of `slides`.
BEGINS, TOO_LONG, STAYS, LEAVES = 0, 1, 2, 3

# What is remembered where the flow slides: that it does, or to which side it leaves before the next step.
_SLIDES, _TO_ACTIVE, _TO_INACTIVE = 1.0, 2.0, 3.0

# The largest error of sliding too long, relative to the tolerance of a step.
_EXCESS = 0.3


@cold_leaf
def _load(trajectory, memory):
    state = memory.gradient.plateaus.state
    for number in range(state.shape[1]):
        state[HELD, number] = 1.0 if trajectory.plateaus[HELD, number] != 0.0 else 0.0


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

    The jump at a neuron depends on what is back-propagated through those above it that slide too: their
    shares mu / s come first.

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
            if work.sliding[LAYER, j] == layer:
                share = work.triangle[work.basis.shape[0], j] / plateaus.state[BACK, work.sliding[NUMBER, j]]
                plateaus.state[SHARE, work.sliding[NUMBER, j]] = min(share, 1.0) if share > 0.0 else 0.0
                above = True
            elif work.sliding[LAYER, j] < layer:
                below = True
        if not below:
            break
        if above:
            deep_gradient_into(data, widths, theta, spare, memory.gradient)
            gradients += 1
    for j in range(count):
        plateaus.state[SHARE, work.sliding[NUMBER, j]] = 0.0
    return count, gradients


@cold_leaf
def _put(widths, y, theta, memory, normalize, number, value, vector):
    """Move y, (P,), along the normal of a plateau to where this has a value, in place.

    Rows of y must have norm 1 on M. `theta` moves with y, `vector` is overwritten.
    """
    plateaus, work = memory.gradient.plateaus, memory.sliding
    hidden = widths.shape[0] - 2
    for dead in range(1, hidden):
        if not plateaus.layout[OFFSETS, dead] <= number < plateaus.layout[OFFSETS, dead + 1]:
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
            way = (value - plateaus.state[VALUE, number]) / square if square > 0.0 else 0.0
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
    """Return whether the flow at theta slides on a plateau too, which is then noted; the gradients taken."""
    plateaus, work = memory.gradient.plateaus, memory.sliding
    plateaus.state[HELD, number] = 1.0
    count, gradients = _set_multipliers(flow, theta, memory, spare)
    for j in range(count):
        if (
            work.sliding[NUMBER, j] == number
            and 0.0 < work.triangle[work.basis.shape[0], j] < plateaus.state[BACK, number]
        ):
            return True, gradients
    plateaus.state[HELD, number] = 0.0
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
                if plateaus.state[HELD, number] != 0.0 or held_count(plateaus) == work.basis.shape[0]:
                    continue
                set_levels(widths, theta, plateaus, work, dead)
                normal(widths, theta, plateaus, work, dead, layer, i, spare[0])
                if not abs(plateaus.state[VALUE, number]) <= _NEAR * _tolerance(spare[0], weights):
                    continue
                slides, gradients = _slides(flow, theta, memory, number, spare[0])
                trajectory.counts[3] += gradients
                if slides:
                    _put(widths, y, theta, memory, normalize, number, 0.0, spare[0])
                    trajectory.plateaus[HELD, number] = _SLIDES
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
    count, gradients = _set_multipliers(flow, theta, memory, spare)
    trajectory.counts[3] += gradients
    wrong = spare
    for p in range(wrong.shape[0]):
        wrong[p] = 0.0
    for j in range(count):
        multiplier, jump = (
            work.triangle[work.basis.shape[0], j],
            plateaus.state[BACK, work.sliding[NUMBER, j]],
        )
        work.sliding[SIDE, j] = 0
        excess = 0.0
        if multiplier < 0.0:
            work.sliding[SIDE, j], excess = -1, multiplier
        elif multiplier > jump:
            work.sliding[SIDE, j], excess = 1, multiplier - jump
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
def _stay(flow, trajectory, memory, spare):
    """Put the end of a step back onto the surfaces, and note which are left before the next one."""
    plateaus, work = memory.gradient.plateaus, memory.sliding
    count = held_count(plateaus)
    if count == 0:
        return
    y, widths, normalize = trajectory.differences[0], flow.widths, flow.settings.normalize
    _set_theta(widths, y, memory, normalize)
    for j in range(count):
        number, side = work.sliding[NUMBER, j], work.sliding[SIDE, j]
        _put(widths, y, memory.retracted, memory, normalize, number, 0.0, spare)
        if side != 0:
            trajectory.plateaus[HELD, number] = _TO_ACTIVE if side > 0 else _TO_INACTIVE


@cold_leaf
def _leave(flow, trajectory, weights, memory, spare):
    plateaus = memory.gradient.plateaus
    y, widths, normalize = trajectory.differences[0], flow.widths, flow.settings.normalize
    left = False
    for number in range(plateaus.state.shape[1]):
        noted = trajectory.plateaus[HELD, number]
        if noted <= _SLIDES:
            continue
        set_weights(flow, y, trajectory.output_size, weights)
        _set_theta(widths, y, memory, normalize)
        theta = memory.retracted
        _put(widths, y, theta, memory, normalize, number, 0.0, spare)
        off = _OFF * _tolerance(spare, weights)
        _put(widths, y, theta, memory, normalize, number, off if noted == _TO_ACTIVE else -off, spare)
        plateaus.state[HELD, number] = 0.0
        trajectory.plateaus[HELD, number] = 0.0
        left = True
    return left


@cold_leaf
def _answer(question, flow, trajectory, y, weights, memory, spare):
    if question == BEGINS:
        return _begin(flow, trajectory, weights, memory, spare)
    if question == TOO_LONG:
        return _excess(flow, trajectory, y, weights, memory, spare[0]) > _EXCESS
    if question == LEAVES:
        return _leave(flow, trajectory, weights, memory, spare[0])
    _stay(flow, trajectory, memory, spare[0])
    return False


def load(trajectory, memory):
    """Tell the velocity on which plateaus a trajectory slides."""
    raise NotImplementedError("for compiled code")


def slides(question, flow, trajectory, y, weights, memory, spare):
    """Answer a question on the plateaus that a flow slides on; one function: each costs seconds to compile.

    BEGINS, after a rejected step: whether the flow slides on another one from here, which is noted. The state
    is moved onto the surface, by less than the tolerance. TOO_LONG, before a step to y is accepted: whether
    it slides longer than the flow does, by more than the tolerance. STAYS, after it: no; the state is put
    back onto the surfaces. LEAVES, before the next: whether the flow leaves one; the state is put beside it.
    Where a flow begins or ceases to slide its history does not belong to the state any more.

    Parameters
    ----------
    weights : 1 / tolerances, (P,)
    spare : two vectors, overwritten
    """
    raise NotImplementedError("for compiled code")


@overload(load, jit_options=CHOSEN)
def _choose_load(trajectory, memory):
    if memory.instance_class is not DeepVelocity:
        return lambda trajectory, memory: None

    def chosen(trajectory, memory):
        _load(trajectory, memory)

    return chosen


@overload(slides, jit_options=CHOSEN)
def _choose_slides(question, flow, trajectory, y, weights, memory, spare):
    if memory.instance_class is not DeepVelocity:
        return lambda question, flow, trajectory, y, weights, memory, spare: False

    def chosen(question, flow, trajectory, y, weights, memory, spare):
        return _answer(question, flow, trajectory, y, weights, memory, spare)

    return chosen
