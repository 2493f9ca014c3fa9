"""Statements on the limit of a flow: boundedness, critical points, small risks, rates.

They are about t to infinity, and a trajectory ends. What it shows is evidence: a pass means that it behaves
as the theorem says; a fail means that it contradicts it, whatever comes later; where neither can be said, the
check does not apply, with the reason.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.errors import InputError
from gfcompare.critical_points import Kind, normal_form
from gfcompare.diagnostics.lyapunov import constant_of, lyapunov
from gfcompare.integrators.status import Status
from gfcompare.measures import Box, LineMeasure
from gfcompare.problem import Problem
from gfcompare.theory.base import Check, CheckResult, inapplicable, judged, worst
from gfcompare.theory.exponents import Exponent, decay, exponent, last_decade
from gfcompare.theory.references import (
    CONSTANT_TARGETS,
    CRITICAL_POINTS,
    JENTZEN_RIEKERT,
    NORMALIZED,
    RATES,
)
from gfcompare.theory.stored_trajectories import StoredTrajectory

Array = NDArray[np.float64]

#: A norm that grows no faster than t to this power in the last decade counts as having levelled off.
LEVEL = 0.02
#: A state counts as near a critical point below this relative residual (`gfcompare.critical_points`).
CRITICAL = 1e-3
#: A risk counts as having gone to 0 where its root, by the spread of the target, is below this.
VANISHED = 1e-3
# Jumps of a target relative to its size that count as none.
_CONTINUOUS = 1e-10


def boundedness(trajectory: StoredTrajectory) -> CheckResult:
    """Check that the norm stays bounded: proved for constant targets, and for networks 1-1-1 on M."""
    if trajectory.flow is None:
        return inapplicable(trajectory.no_flow)
    if trajectory.problem is None:
        return inapplicable(f"the problem cannot be rebuilt: {trajectory.no_problem}")
    xi = constant_of(trajectory.problem) if trajectory.network.depth == 2 else None
    if xi is not None:
        return _bounded_by_lyapunov(trajectory, xi)
    if trajectory.flow == "standard":
        return inapplicable("open for the standard flow")
    if trajectory.network.widths != (1, 1, 1):
        return inapplicable("proved on M for layers of width 1 only")
    if not isinstance(trajectory.problem.measure, LineMeasure):
        return inapplicable("proved for a measure with a density")
    if not _continuous(trajectory.problem):
        return inapplicable("proved for Lipschitz continuous targets")
    largest = float(np.linalg.norm(trajectory.theta, axis=1).max())
    if trajectory.status is Status.DIVERGED:
        return judged(largest, 0.0, f"the norm left every bound at t = {trajectory.end:.4g}")
    growth = norm_growth(trajectory)
    if growth is None:
        return inapplicable("too few save times in the last decade")
    if growth.value > LEVEL:
        return inapplicable(f"not decided by t = {trajectory.end:.4g}", growth.value, LEVEL)
    detail = f"sup |theta| = {largest:.4g}; in the last decade |theta| grows as t^({growth})"
    return judged(growth.value, LEVEL, detail)


def norm_growth(trajectory: StoredTrajectory) -> Exponent | None:
    """Return the exponent of |theta| against t in the last decade, None if there is too little."""
    late = last_decade(trajectory.time)
    return exponent(trajectory.time[late], np.linalg.norm(trajectory.theta[late], axis=1))


def _bounded_by_lyapunov(trajectory: StoredTrajectory, xi: Array) -> CheckResult:
    """Check that |theta|^2 <= V(Theta_0), on M |v|^2 + |c - xi|^2 <= V_M(Theta_0); residual relative."""
    on_m = trajectory.flow == "normalized"
    values = lyapunov(trajectory.network, trajectory.theta, xi, normalized=on_m)
    size = values if on_m else (trajectory.theta**2).sum(axis=1)
    bound = float(values[0])
    excess = float(size.max()) - bound
    # The states are off by what all steps together allow.
    error = float(trajectory.errors.sum()) if trajectory.errors.size else 0.0
    slack = (2.0 * np.sqrt(bound) + error) * error + 1e-12 * bound
    largest = np.linalg.norm(trajectory.theta, axis=1).max()
    detail = f"sup |theta| = {largest:.4g}; bounded by the Lyapunov function"
    unit = bound or 1.0
    return judged(max(excess, 0.0) / unit, slack / unit, detail)


def _continuous(problem: Problem) -> bool:
    """Return whether a target on the line has no jumps: then its polynomial pieces make it Lipschitz."""
    pieces = problem.target_pieces
    signs = (-1.0) ** np.arange(pieces.high.shape[2])
    jumps = pieces.high[:-1].sum(axis=2) - (pieces.high[1:] * signs).sum(axis=2)
    size = float(np.abs(pieces.high).sum(axis=2).max())
    return bool(np.abs(jumps).max(initial=0.0) <= _CONTINUOUS * size)


def relative_gradient(trajectory: StoredTrajectory) -> float:
    """Return |G| / (2 D rho) at the last state, rho being the spread of the target."""
    return float(trajectory.gradient_norm[-1] / (2.0 * trajectory.derivative[-1] * trajectory.sample.spread))


def critical_point(trajectory: StoredTrajectory) -> CheckResult:
    """Check that a bounded trajectory has come near a critical point: its gradient vanishes.

    On M, P G = 0 implies G = 0: the radial part of a row's gradient is <v_i, G_(v_i)>, which vanishes.
    """
    if trajectory.flow is None:
        return inapplicable(trajectory.no_flow)
    if trajectory.network.depth != 2:
        return inapplicable("proved for one hidden layer")
    if trajectory.problem is not None and not trajectory.problem.smooth:
        return inapplicable("proved for a measure with a density")
    if trajectory.status is Status.DIVERGED:
        return inapplicable("proved for bounded trajectories")
    residual = relative_gradient(trajectory)
    if residual > CRITICAL:
        return inapplicable(f"not decided by t = {trajectory.end:.4g}", residual, CRITICAL)
    return judged(residual, CRITICAL, f"|G| = {trajectory.gradient_norm[-1]:.3g}: {_limit(trajectory)}")


def _limit(trajectory: StoredTrajectory) -> str:
    """Say what kind of critical point the last state is near."""
    if trajectory.problem is None:
        return "the problem cannot be rebuilt, and the point not be classified"
    try:
        form = normal_form(trajectory.problem, trajectory.theta[-1], tolerance=CRITICAL)
    except InputError:
        found = trajectory.problem.curvature(trajectory.theta[-1])
        return f"curvatures from {found.smallest[0]:.3g} to {found.sharpness:.3g}"
    return form.kind.value


def affine_target(trajectory: StoredTrajectory) -> CheckResult:
    """Check that the risk has gone to 0, for an affine target, uniform measure, small initial risk.

    Small is: below every risk of a critical point that is no global minimum. The smallest of them for H
    neurons is rho^2 / (2 floor(H / 2) + 1)^4, rho^2 being the variance of the target (`critical_points`).
    """
    if trajectory.flow is None:
        return inapplicable(trajectory.no_flow)
    if trajectory.problem is None:
        return inapplicable(f"the problem cannot be rebuilt: {trajectory.no_problem}")
    try:
        form = normal_form(trajectory.problem, trajectory.theta[-1], tolerance=CRITICAL)
    except InputError:
        return inapplicable("proved for widths [1, H, 1], the uniform measure and affine targets")
    threshold = _smallest_critical_risk(trajectory.problem)
    if not trajectory.risk[0] < threshold:
        return inapplicable(
            "the initial risk is not below that of every critical point but the global minima"
        )
    if trajectory.status is Status.DIVERGED and trajectory.network.hidden != (1,):
        return inapplicable("proved for bounded trajectories, and for one hidden neuron")
    residual = float(np.sqrt(trajectory.risk[-1])) / trajectory.sample.spread
    detail = f"risk {trajectory.risk[-1]:.3g} at t = {trajectory.end:.4g}: {form.kind.value}"
    if form.kind in (Kind.LOCAL_MINIMUM, Kind.SADDLE):
        return judged(residual, 0.0, f"{detail}, which has a risk above the initial one")
    if residual > VANISHED:
        return inapplicable(f"not decided by t = {trajectory.end:.4g}", residual, VANISHED)
    return judged(residual, VANISHED, detail)


def constant_target(trajectory: StoredTrajectory) -> CheckResult:
    """Check that L(Theta_t) <= V(Theta_0) / (8 t), on M V_M(Theta_0) / (4 t), for a constant target.

    V falls by 8 int L and is not negative, and L does not rise: t L(Theta_t) <= int L <= V(Theta_0) / 8.
    """
    if trajectory.flow is None:
        return inapplicable(trajectory.no_flow)
    if trajectory.problem is None:
        return inapplicable(f"the problem cannot be rebuilt: {trajectory.no_problem}")
    xi = constant_of(trajectory.problem) if trajectory.network.depth == 2 else None
    if xi is None:
        return inapplicable("proved for a constant target and one hidden layer")
    on_m = trajectory.flow == "normalized"
    start = float(lyapunov(trajectory.network, trajectory.theta[0], xi, normalized=on_m))
    bound = start / ((4.0 if on_m else 8.0) * np.maximum(trajectory.time[1:], 1e-300))
    allowed = bound + trajectory.risk_error(trajectory.errors) + trajectory.rounding[1:]
    if not allowed.size:
        return inapplicable("fewer than two states are saved")
    i = worst(trajectory.risk[1:], allowed)
    nearest = f"nearest to its bound at t = {trajectory.time[i + 1]:.4g}"
    detail = f"risk {trajectory.risk[-1]:.3g} at t = {trajectory.end:.4g}; {nearest}"
    return judged(trajectory.risk[i + 1], allowed[i], detail)


def _smallest_critical_risk(problem: Problem) -> float:
    """Return the smallest risk of a critical point of an affine target that is no global minimum."""
    network = problem.network
    theta = np.zeros(network.parameter_count)
    lower, upper = problem.measure.box[0]
    theta[-1] = problem.target_pieces(np.array([0.5 * lower + 0.5 * upper]))[0, 0]
    variance = float(problem.risk(theta))
    if constant_of(problem) is not None:
        return np.inf  # every critical point is a global minimum
    return variance / (2 * (network.hidden[0] // 2) + 1) ** 4


def rate(trajectory: StoredTrajectory) -> CheckResult:
    """Fit the rate at which the risk of a bounded trajectory converges: at least 1, L - L_inf = O(1 / t)."""
    if trajectory.flow is None:
        return inapplicable(trajectory.no_flow)
    if trajectory.network.depth != 2:
        return inapplicable("proved for one hidden layer")
    if trajectory.problem is None:
        return inapplicable(f"the problem cannot be rebuilt: {trajectory.no_problem}")
    if not _piecewise_polynomial(trajectory.problem):
        return inapplicable("proved for a target and a density that are piecewise polynomial")
    if trajectory.status in (Status.DIVERGED, Status.STATIONARY):
        return inapplicable("the trajectory has come to rest, or left every bound")
    gradient = trajectory.problem.gradient(trajectory.theta)
    if trajectory.flow == "normalized":
        gradient = trajectory.network.project(trajectory.theta, gradient)
    square = (gradient**2).sum(axis=1)
    found = decay(trajectory.time, trajectory.risk, square)
    if found is None:
        return inapplicable("too few save times in the last decade")
    residual, tolerance = 1.0 - found.rate.value, found.rate.error
    if tolerance > max(1.0, 0.5 * found.rate.value) or residual > tolerance:
        return inapplicable(f"not decided by t = {trajectory.end:.4g}", max(residual, 0.0), tolerance)
    exponent_text = "" if found.lojasiewicz is None else f", Lojasiewicz exponent {found.lojasiewicz}"
    detail = f"L - {found.limit:.4g} falls as t^(-p), p = {found.rate}{exponent_text}"
    return judged(max(residual, 0.0), tolerance, detail)


def _piecewise_polynomial(problem: Problem) -> bool:
    """Return whether target and density, as they are integrated, are piecewise polynomial."""
    if isinstance(problem.measure, LineMeasure):
        return True  # what is not has been converted, to rounding
    degrees = [problem.target.degree(j) for j in range(problem.network.inputs)]
    return isinstance(problem.measure, Box) and None not in degrees


CHECKS = (
    Check(
        "boundedness",
        "the norm stays bounded",
        "1",
        f"{NORMALIZED}; for a constant target {CONSTANT_TARGETS}",
        boundedness,
        all_free=True,
    ),
    Check(
        "critical-point",
        "a bounded trajectory comes to a critical point",
        "1",
        JENTZEN_RIEKERT,
        critical_point,
        all_free=True,
    ),
    Check(
        "affine-target",
        "for an affine target and a small initial risk, the risk goes to 0",
        "1",
        f"{JENTZEN_RIEKERT}; {CRITICAL_POINTS}",
        affine_target,
        all_free=True,
    ),
    Check(
        "constant-target",
        "for a constant target the risk is at most V / (8 t), on M V / (4 t)",
        "output^2",
        CONSTANT_TARGETS,
        constant_target,
        all_free=True,
    ),
    Check("rate", "the risk converges at rate 1 or faster", "1", RATES, rate, all_free=True),
)
