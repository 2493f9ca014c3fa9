"""The velocity of the standard and of the normalised flow, for every kind of data with a density.

The standard flow is theta' = -G(theta). For the normalised flow the rows u of the solver have any norm rho
and move with -rho P G at u / rho: then u / rho moves with -P G whatever rho does.

`velocity` and `velocity_work` are chosen by the type of the data when what calls them is compiled, so that
nobody waits for the compilation of more than one kind.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from gfcompare.kernels.box_gradient import BOXES, box_gradient_into, box_work
from gfcompare.kernels.compiled import CHOSEN, CHOSEN_ALLOCATOR, allocator, cold_leaf, entry, merged
from gfcompare.kernels.deep_line import DeepWork, deep_gradient_into, deep_work
from gfcompare.kernels.gaussian_gradient import (
    GaussianData,
    GaussianWork,
    allocated_gaussian_work,
    gaussian_gradient_into,
    gaussian_work,
)
from gfcompare.kernels.line import PACKED_ORDERS, PACKED_ROWS, LineData, gradient_into, packed_line_work
from gfcompare.kernels.line_set import (
    LineMoments,
    LineSet,
    Segments,
    SegmentsWork,
    segments_gradient_into,
    segments_work,
)
from gfcompare.kernels.manifold import retract_rows, tangent
from gfcompare.kernels.plateaus import SlidingWork, held_count, remove_normals, sliding_work, span


class Shallow(NamedTuple):
    """One hidden layer on segments."""

    segments: Segments
    moments: LineMoments


class LineVelocity(NamedTuple):
    """Scratch memory for one hidden layer on a line."""

    retracted: np.ndarray  # (P,)
    norms: np.ndarray  # (H,)
    orders: np.ndarray  # see `line.packed_line_work`
    rows: np.ndarray
    lines: np.ndarray
    spans: np.ndarray


class ShallowVelocity(NamedTuple):
    """Scratch memory for one hidden layer on segments."""

    retracted: np.ndarray  # (P,)
    norms: np.ndarray  # (sum of hidden,)
    gradient: SegmentsWork


class DeepVelocity(NamedTuple):
    """Scratch memory for more hidden layers on segments."""

    retracted: np.ndarray
    norms: np.ndarray
    gradient: DeepWork
    sliding: SlidingWork


class BoxVelocity(NamedTuple):
    """Scratch memory for one hidden layer on a box."""

    retracted: np.ndarray  # (P,)
    norms: np.ndarray  # (H,)
    gradient: Any  # of its kind, see `box_gradient`


class GaussianVelocity(NamedTuple):
    """Scratch memory for one hidden layer under a normal input measure."""

    retracted: np.ndarray
    norms: np.ndarray
    gradient: GaussianWork


def _line_work(data, widths, parameters):
    hidden = widths[1]
    orders = np.empty((PACKED_ORDERS, hidden), np.uint64)
    for i in range(hidden):
        orders[0, i] = i
    rows = np.empty((PACKED_ROWS, hidden))
    lines, spans = np.empty((4, widths[2])), np.empty((6, hidden + 1))
    return LineVelocity(np.empty(parameters), np.empty(hidden), orders, rows, lines, spans)


@allocator
def _shallow_work(data, widths, parameters):
    work = segments_work(data.segments, widths[1], widths[2])
    return ShallowVelocity(np.empty(parameters), np.empty(widths[1]), work)


@allocator
def _deep_work(data, widths, parameters):
    work = deep_work(widths)
    sliding = sliding_work(work.plateaus, work.slope.shape[0], parameters)
    return DeepVelocity(np.empty(parameters), np.empty(widths.sum()), work, sliding)


@allocator
def _box_work(data, widths, parameters):
    return BoxVelocity(np.empty(parameters), np.empty(widths[1]), box_work(data, widths[1]))


@allocator
def _gaussian_work(data, widths, parameters):
    work = allocated_gaussian_work(data, widths[1], widths[2])
    return GaussianVelocity(np.empty(parameters), np.empty(widths[1]), work)


# Into what has no other callers: compiled once less.
_gradient_into = merged(gradient_into)


@cold_leaf
def line_velocity(data, widths, y, result, memory, normalize):
    """Write the velocity of the flow at y, (P,), into `result`: one input, one hidden layer."""
    hidden = memory.norms.shape[0]
    norms = memory.norms
    theta = y
    if normalize:
        theta = memory.retracted
        for p in range(2 * hidden, y.shape[0]):
            theta[p] = y[p]
        for i in range(hidden):
            norm = np.sqrt(y[i] * y[i] + y[hidden + i] * y[hidden + i])
            share = 1.0 / norm
            norms[i] = norm
            theta[i] = share * y[i]
            theta[hidden + i] = share * y[hidden + i]
    _gradient_into(
        data.integrals,
        theta,
        result,
        packed_line_work(memory.orders, memory.rows, memory.lines, memory.spans),
    )
    for p in range(y.shape[0]):
        result[p] = -result[p]
    if normalize:
        for i in range(hidden):
            radial = theta[i] * result[i] + theta[hidden + i] * result[hidden + i]
            result[i] = norms[i] * (result[i] - radial * theta[i])
            result[hidden + i] = norms[i] * (result[hidden + i] - radial * theta[hidden + i])


@cold_leaf
def _retract(widths, y, memory):
    """Write theta at the solver's variable, and the norms of its rows."""
    theta = memory.retracted
    for p in range(y.shape[0]):
        theta[p] = y[p]
    retract_rows(widths, theta, memory.norms)


@cold_leaf
def _turned(widths, theta, result, memory, normalize):
    """Turn the gradient at theta into the velocity of the solver's variable."""
    for p in range(result.shape[0]):
        result[p] = -result[p]
    if normalize:
        tangent(widths, theta, result)
        _scale_rows(widths, result, memory)


@cold_leaf
def _scale_rows(widths, result, memory):
    """Multiply the velocity of each row of theta by the row's norm in the solver's variable."""
    offset = 0
    number = 0
    for layer in range(widths.shape[0] - 2):
        fan_in, rows = widths[layer], widths[layer + 1]
        for i in range(rows):
            norm = memory.norms[number]
            for j in range(fan_in):
                result[offset + i * fan_in + j] *= norm
            result[offset + rows * fan_in + i] *= norm
            number += 1
        offset += rows * (fan_in + 1)


@cold_leaf
def _shallow_velocity(data, widths, y, result, memory, normalize):
    theta = y
    if normalize:
        theta = memory.retracted
        _retract(widths, y, memory)
    segments_gradient_into(data.segments, data.moments, theta, result, memory.gradient)
    _turned(widths, theta, result, memory, normalize)


@cold_leaf
def _deep_velocity(data, widths, y, result, memory, normalize):
    theta = y
    if normalize:
        theta = memory.retracted
        _retract(widths, y, memory)
    deep_gradient_into(data, widths, theta, result, memory.gradient)
    if held_count(memory.gradient.plateaus) == 0:
        _turned(widths, theta, result, memory, normalize)
        return
    for p in range(result.shape[0]):
        result[p] = -result[p]
    if normalize:
        tangent(widths, theta, result)
    count = span(widths, theta, memory.gradient.plateaus, memory.sliding, normalize)
    remove_normals(result, memory.sliding, count)
    if normalize:
        _scale_rows(widths, result, memory)


@cold_leaf
def _box_velocity(data, widths, y, result, memory, normalize):
    theta = y
    if normalize:
        theta = memory.retracted
        _retract(widths, y, memory)
    box_gradient_into(data, theta, result, memory.gradient)
    _turned(widths, theta, result, memory, normalize)


@cold_leaf
def _gaussian_velocity(data, widths, y, result, memory, normalize):
    theta = y
    if normalize:
        theta = memory.retracted
        _retract(widths, y, memory)
    gaussian_gradient_into(data, theta, result, memory.gradient, False)
    _turned(widths, theta, result, memory, normalize)


_KINDS = {
    LineData: (allocator(_line_work), line_velocity),
    Shallow: (_shallow_work, _shallow_velocity),
    LineSet: (_deep_work, _deep_velocity),
    GaussianData: (_gaussian_work, _gaussian_velocity),
    **dict.fromkeys(BOXES, (_box_work, _box_velocity)),
}


def velocity_work(data, widths, parameters):
    """Return the scratch memory for `velocity`."""
    raise NotImplementedError("for compiled code")


def velocity(data, widths, y, result, memory, normalize):
    """Write the velocity of the flow at y, (P,), into `result`."""
    raise NotImplementedError("for compiled code")


@overload(velocity_work, jit_options=CHOSEN_ALLOCATOR)
def _choose_work(data, widths, parameters):
    work = _KINDS[data.instance_class][0]
    return lambda data, widths, parameters: work(data, widths, parameters)


@overload(velocity, jit_options=CHOSEN)
def _choose_velocity(data, widths, y, result, memory, normalize):
    at = _KINDS[data.instance_class][1]

    def chosen(data, widths, y, result, memory, normalize):
        at(data, widths, y, result, memory, normalize)

    return chosen


@entry
def _memory(data, widths, parameters):
    return velocity_work(data, widths, parameters)


def velocity_memory(data, widths, parameters):
    """Return the scratch memory for `velocity`, made in Python."""
    if isinstance(data, LineData):  # no compiled code for a few arrays
        return _line_work(data, widths, parameters)
    if isinstance(data, GaussianData):
        work = gaussian_work(data, int(widths[1]), int(widths[2]))
        return GaussianVelocity(np.empty(parameters), np.empty(int(widths[1])), work)
    return _memory(data, widths, parameters)
