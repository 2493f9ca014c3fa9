"""Many explicit steps of gradient descent of one hidden layer on a box in one call."""

import numpy as np

from gfcompare.kernels.box_gradient import box_gradient_into, box_work
from gfcompare.kernels.compiled import cold_leaf, entry
from gfcompare.kernels.descent import step


@cold_leaf
def _descend_row(data, widths, theta, gradient, step_sizes, normalize, bound, work, norms):
    for n in range(step_sizes.shape[0]):
        box_gradient_into(data, theta, gradient, work)
        if not step(widths, theta, gradient, step_sizes[n], normalize, bound, norms):
            return n + 1
    return step_sizes.shape[0]


@entry
def descend(data, widths, thetas, step_sizes, normalize, bound, taken):
    """Make len(step_sizes) steps of gradient descent from each row of `thetas`, in place.

    Parameters
    ----------
    data : of a box, see `box_gradient`
    widths : (3,) int64
    thetas : (M, P), overwritten
    step_sizes : (n,)
    normalize : project the gradient, then renormalise the hidden rows
    bound : a trajectory stops at the step that takes |theta| above it or to no number
    taken : (M,) int64, receives the steps made; fewer than n where a trajectory stopped
    """
    work = box_work(data, widths[1])
    gradient = np.empty(thetas.shape[1])
    norms = np.empty(widths[1])
    for m in range(thetas.shape[0]):
        taken[m] = _descend_row(data, widths, thetas[m], gradient, step_sizes, normalize, bound, work, norms)
