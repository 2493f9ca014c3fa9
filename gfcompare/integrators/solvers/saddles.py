"""Saddles that a trajectory passes within its tolerance: what a result says of them.

Where deviations grow and the trajectory's own is within the tolerance, an error of the tolerance's size
decides when and to which side it goes on.
"""

from __future__ import annotations

import numpy as np

from gfcompare.integrators.status import Array
from gfcompare.kernels.breakpoint_growth import WITHIN
from gfcompare.system import threads


def remark(since: float, rtol: float) -> str:
    """Return what there is to say of a trajectory that was within its tolerance of a saddle.

    Parameters
    ----------
    since : flow time
    rtol : relative tolerance of a step
    """
    return (
        f"where it goes after flow time {since:.3g} is not determined at rtol = {rtol:g}: it passes a "
        "saddle, as where two neurons are equal, within the tolerance; a smaller rtol may tell"
    )


def remark_at_rest(rate: float) -> str:
    """Return what there is to say of a trajectory that rests where deviations grow at a rate."""
    return (
        f"this is a saddle, where deviations grow at the rate {rate:.3g}: whether it stays, and where it "
        "goes from here, is not determined"
    )


@threads.single_thread_of_linear_algebra()
def is_undecided(hessian: Array, velocity: Array, tolerance: Array, least: float) -> tuple[float, bool]:
    """Return the largest growth rate, and whether a deviation that grows is within the tolerance.

    Parameters
    ----------
    hessian : shape (n, n), in coordinates in which the flow is a gradient flow
    velocity : shape (n,), of either sign
    tolerance : shape (n,), of each coordinate
    least : growth rates below it are not looked at
    """
    rates, modes = np.linalg.eigh(hessian)
    growing = modes[:, -rates > least]
    deviations = np.abs(velocity @ growing) / -rates[-rates > least]
    near = deviations < WITHIN * (tolerance @ np.abs(growing))
    return -float(rates[0]), bool(near.any())
