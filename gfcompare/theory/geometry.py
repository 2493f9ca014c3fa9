"""Checks of single states: on the submanifold M, under the normalisation map, of the stored risk."""

from __future__ import annotations

import numpy as np

from gfcompare.theory.base import Check, CheckResult, inapplicable, judged, worst
from gfcompare.theory.references import NORMALIZED, ROUNDING
from gfcompare.theory.stored_trajectories import StoredTrajectory

_EPSILON = float(np.finfo(np.float64).eps)


def stored_risk(trajectory: StoredTrajectory) -> CheckResult:
    """Compare the stored risk with that of the stored state."""
    if trajectory.problem is None:
        return inapplicable(f"the problem cannot be rebuilt: {trajectory.no_problem}")
    residuals = trajectory.risk_defects
    i = worst(residuals, trajectory.rounding)
    detail = f"the difference is largest by its tolerance at t = {trajectory.time[i]:.4g}"
    return judged(residuals[i], trajectory.rounding[i], detail)


def manifold(trajectory: StoredTrajectory) -> CheckResult:
    """Compare the norms of hidden rows with 1, for a method that lives on M."""
    if not trajectory.on_manifold:
        return inapplicable("the method does not live on M")
    norms = np.concatenate(trajectory.network.row_norms(trajectory.theta), axis=-1)
    off = np.abs(norms - 1.0)
    i, neuron = divmod(int(np.argmax(off)), off.shape[1])
    # A row of m numbers is divided by its norm: m + 3 roundings, and again as many to take the norm.
    width = max(trajectory.network.widths[:-1]) + 1
    detail = (
        f"the norm of a row is farthest from 1 for hidden neuron {neuron + 1} at t = {trajectory.time[i]:.4g}"
    )
    return judged(off[i, neuron], 2.0 * (width + 3) * _EPSILON, detail)


def normalization(trajectory: StoredTrajectory) -> CheckResult:
    """Compare functions under normalisation: of each state, or on M of the initial state and its partner.

    Every number in N is a sum of products; each of depth + 1 factors is rounded, and so are the norms: the
    tolerance is 8 (depth + 1) roundings of the sum of the sizes of what is added up.
    """
    if trajectory.on_manifold and trajectory.partner is None:
        return inapplicable("no method of the study starts off M: there is nothing to compare with")
    network = trajectory.network
    if trajectory.on_manifold:
        assert trajectory.partner is not None
        if trajectory.time[0] != 0:
            return inapplicable("the initial state is not saved")
        residuals, sizes = trajectory.sample.largest_difference(
            network, trajectory.theta[:1], trajectory.partner[None]
        )
    else:
        residuals, sizes = trajectory.normalization
    allowed = 8.0 * (network.depth + 1) * _EPSILON * sizes
    i = worst(residuals, allowed)
    if trajectory.on_manifold:
        detail = "the initial function is that of the methods off M"
    else:
        detail = f"the function changes most by its tolerance at t = {trajectory.time[i]:.4g}"
    return judged(residuals[i], allowed[i], detail)


CHECKS = (
    Check("stored-risk", "the stored risk is that of the stored state", "output^2", ROUNDING, stored_risk),
    Check("manifold", "on M every hidden row keeps norm 1", "1", NORMALIZED, manifold),
    Check("normalization", "normalisation leaves the function as it is", "output", NORMALIZED, normalization),
)
