"""Many steps of gradient descent in one call, for one hidden layer under a normal input measure."""

from gfcompare.kernels.compiled import bare_entry, merged
from gfcompare.kernels.descent import step
from gfcompare.kernels.gaussian_gradient import gaussian_gradient_into


@merged
def _descend_row(data, widths, theta, gradient, step_sizes, normalize, bound, work, norms):
    for n in range(step_sizes.shape[0]):
        gaussian_gradient_into(data, theta, gradient, work, False)
        if not step(widths, theta, gradient, step_sizes[n], normalize, bound, norms):
            return n + 1
    return step_sizes.shape[0]


@bare_entry
def descend(data, widths, thetas, step_sizes, normalize, bound, taken, gradient, norms, work):
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
    gradient, norms, work : scratch memory, (P,), (H,), and that of the gradient
    """
    for m in range(thetas.shape[0]):
        taken[m] = _descend_row(data, widths, thetas[m], gradient, step_sizes, normalize, bound, work, norms)
