"""Many explicit steps of (stochastic) gradient descent on points in one call, for networks of any depth."""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, entry
from gfcompare.kernels.descent import step
from gfcompare.kernels.points import add_gradient, points_work


@cold_leaf
def _descend_row(
    widths, theta, gradient, work, x, y, weights, nothing, batch, step_sizes, normalize, bound, norms
):
    for n in range(step_sizes.shape[0]):
        first = n * batch
        last = first + weights.shape[0]
        for p in range(gradient.shape[0]):
            gradient[p] = 0.0
        add_gradient(
            widths, theta, gradient, work, x[first:last], y[first:last], weights, nothing, nothing, True
        )
        if not step(widths, theta, gradient, step_sizes[n], normalize, bound, norms):
            return n + 1
    return step_sizes.shape[0]


@entry
def descend(widths, thetas, step_sizes, x, y, weights, batch, normalize, bound, taken):
    """Make len(step_sizes) steps of gradient descent from each row of `thetas`, in place.

    Parameters
    ----------
    widths : (L + 1,) int64
    thetas : (M, P), overwritten
    step_sizes : (n,)
    x, y : (Q, N, d) and (Q, N, K): inputs and targets, with Q = M or, for the same points, Q = 1
    weights : (b,), mass of each point of a step
    batch : 0 for a step on all N = b points; or b, and step j is on the points j b, ..., (j + 1) b - 1
    normalize : project the gradient, then renormalise the hidden rows
    bound : a trajectory stops at the step that takes |theta| above it or to no number
    taken : (M,) int64, receives the steps made; fewer than n where a trajectory stopped
    """
    work = points_work(widths)
    nothing = np.empty((0, 0))
    gradient = np.empty(thetas.shape[1])
    norms = np.empty(widths.sum())
    for m in range(thetas.shape[0]):
        own = m if x.shape[0] > 1 else 0
        taken[m] = _descend_row(
            widths,
            thetas[m],
            gradient,
            work,
            x[own],
            y[own],
            weights,
            nothing,
            batch,
            step_sizes,
            normalize,
            bound,
            norms,
        )
