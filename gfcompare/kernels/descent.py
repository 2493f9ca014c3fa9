"""Many explicit steps of (stochastic) gradient descent in one call."""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, entry, leaf, leaf_sum
from gfcompare.kernels.line import gradient_into, line_work
from gfcompare.kernels.line_batch import (
    batch_gradient_into,
    batch_work,
    sort_uniform,
    targets_at_points,
    to_quantiles,
)
from gfcompare.kernels.line_dense import dense_gradient_into, prefers_dense
from gfcompare.kernels.manifold import retract_line, retract_rows, tangent, tangent_layer
from gfcompare.kernels.random import fill_uniform


@leaf_sum
def update(theta, gradient, step_size):
    """Theta -= step_size * gradient; return |theta|^2, which is not finite if theta is not."""
    square = 0.0
    for p in range(theta.shape[0]):
        theta[p] -= step_size * gradient[p]
        square += theta[p] * theta[p]
    return square


@leaf_sum
def square_norm(theta):
    """Return |theta|^2, which is not finite if theta is not."""
    square = 0.0
    for p in range(theta.shape[0]):
        square += theta[p] * theta[p]
    return square


@leaf
def step(widths, theta, gradient, step_size, normalize, bound, norms):
    """Make one step of a network of any shape; return whether theta stayed within the bound.

    `normalize` projects the gradient, then renormalises the hidden rows; it overwrites `norms`.
    """
    if normalize:
        tangent(widths, theta, gradient)
    square = update(theta, gradient, step_size)
    if normalize:
        retract_rows(widths, theta, norms)
        square = square_norm(theta)
    return square <= bound * bound


@leaf
def _step_on_line(theta, gradient, step_size, normalize, bound, norms):
    """As `step`, of a network with one input and one hidden layer; overwrites `norms`, (H,)."""
    if normalize:
        tangent_layer(theta, gradient, 0, 1, norms.shape[0])
    square = update(theta, gradient, step_size)
    if normalize:
        retract_line(theta, norms)
        if not square <= bound * bound:  # a step along M lengthens rows: now it may be within
            square = square_norm(theta)
    return square <= bound * bound


@cold_leaf
def _descend_row(data, theta, gradient, step_sizes, normalize, bound, work, norms):
    for n in range(step_sizes.shape[0]):
        gradient_into(data.integrals, theta, gradient, work)
        if not _step_on_line(theta, gradient, step_sizes[n], normalize, bound, norms):
            return n + 1
    return step_sizes.shape[0]


@cold_leaf
def _descend_row_sampled(data, theta, gradient, step_sizes, normalize, bound, work, norms, batch, state):
    hidden = work.order.shape[0]
    dense = prefers_dense(hidden, batch.points.shape[0])
    for n in range(step_sizes.shape[0]):
        fill_uniform(state, batch.points)
        if not dense:
            sort_uniform(batch)
        to_quantiles(data, batch.points)
        targets_at_points(data, batch)
        if dense:
            dense_gradient_into(data, theta, gradient, work, batch)
        else:
            batch_gradient_into(data, theta, gradient, work, batch)
        if not _step_on_line(theta, gradient, step_sizes[n], normalize, bound, norms):
            return n + 1
    return step_sizes.shape[0]


@entry
def descend(data, thetas, step_sizes, hidden, normalize, bound, taken, batch_size, states):
    """Make len(step_sizes) steps of (stochastic) gradient descent from each row of `thetas`, in place.

    One function for both: an entry from Python costs almost a second to compile.

    Parameters
    ----------
    data : LineData
    thetas : (M, P) float64, overwritten
    step_sizes : (n,) float64
    hidden : int, neurons H
    normalize : bool, project the gradient and renormalise the hidden rows
    bound : float; a trajectory stops at the step that takes |theta| above it or to no number
    taken : (M,) int64, receives the steps made; fewer than n where a trajectory stopped
    batch_size : int, points drawn at each step; 0 for the population gradient
    states : (M, 4) uint64, random streams, one a trajectory; advanced. Not used if batch_size is 0
    """
    outputs = data.integrals.target_total.shape[0]
    work = line_work(hidden, outputs)
    batch = batch_work(hidden, outputs, batch_size)
    gradient, norms = np.empty(thetas.shape[1]), np.empty(hidden)
    for m in range(thetas.shape[0]):
        theta = thetas[m]
        if batch_size > 0:
            taken[m] = _descend_row_sampled(
                data, theta, gradient, step_sizes, normalize, bound, work, norms, batch, states[m]
            )
            continue
        for i in range(hidden):
            work.order[i] = i
        taken[m] = _descend_row(data, theta, gradient, step_sizes, normalize, bound, work, norms)
