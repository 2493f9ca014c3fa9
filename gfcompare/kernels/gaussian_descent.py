"""Many steps of gradient descent in one call, for one hidden layer under a normal input measure."""

import numpy as np

from gfcompare.kernels.compiled import cold_leaf, entry
from gfcompare.kernels.descent import move, square_norm
from gfcompare.kernels.gaussian_gradient import gaussian_gradient_into, gaussian_work
from gfcompare.kernels.manifold import retract_rows, tangent


@cold_leaf
def _descend_row(data, widths, theta, gradient, step_sizes, normalize, bound, work, norms):
    for n in range(step_sizes.shape[0]):
        gaussian_gradient_into(data, theta, gradient, work)
        if normalize:
            tangent(widths, theta, gradient)
        square = move(theta, gradient, step_sizes[n])
        if normalize:
            retract_rows(widths, theta, norms)
            square = square_norm(theta)
        if not square <= bound * bound:
            return n + 1
    return step_sizes.shape[0]


@entry
def descend(data, widths, thetas, step_sizes, normalize, bound, taken):
    """Make len(step_sizes) steps of gradient descent from each row of `thetas`, in place.

    Parameters
    ----------
    data : GaussianData
    widths : (3,) int64
    thetas : (M, P), overwritten
    step_sizes : (n,)
    normalize : project the gradient, then renormalise the hidden rows
    bound : a trajectory stops at the step that takes |theta| above it or to NaN
    taken : (M,) int64, receives the steps made; fewer than n where a trajectory stopped
    """
    work = gaussian_work(data, widths[1], widths[2])
    gradient, norms = np.empty(thetas.shape[1]), np.empty(widths[1])
    for m in range(thetas.shape[0]):
        taken[m] = _descend_row(data, widths, thetas[m], gradient, step_sizes, normalize, bound, work, norms)
