"""What holds along a gradient flow from every state to the next: the flow itself, and its identities."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from gfcompare.diagnostics.lyapunov import constant_of, lyapunov, lyapunov_slope
from gfcompare.theory.base import Check, Finding, inapplicable, judged, worst
from gfcompare.theory.cases import Case
from gfcompare.theory.references import CONSTANT_TARGETS, DU_HU_LEE, JENTZEN_RIEKERT, REPLAY
from gfcompare.theory.tolerances import SAFETY

Array = NDArray[np.float64]

# Size of the errors of displacements relative to delta, for the tolerance of the speed.
_SCATTER = 0.1
# The median over seeds and intervals of the distance from the flow, by (n + 1) S, that right flows stay below
# (docs/theory.md). Seeds without which it says nothing.
ACCURACY, ACCURACY_SEEDS = 0.03, 8
# The share of the intervals between save times that has to be followed for a check to say anything.
_FOLLOWED = 0.5
# A speed that is known no better than this says nothing.
_COARSE = 0.25


def _between(case: Case, i: int) -> str:
    """Return where on a trajectory an interval is."""
    return f"from t = {case.time[i]:.4g} to {case.time[i + 1]:.4g}"


def _followed(case: Case, used: int | None = None) -> str:
    """Return how much of a trajectory was followed anew, or of how many intervals that was of use."""
    count = len(case.time) - 1
    followed = int(case.replays.followed.sum()) if used is None else used
    if followed == count:
        return f"{count} intervals followed"
    return f"{followed} of {count} intervals followed; otherwise {case.replays.troubles[0]}"


def _over_intervals(case: Case, residuals: Array, allowed: Array, what: str) -> Finding:
    """Return the finding of an identity that is tested on every interval between two save times.

    Parameters
    ----------
    case : the trajectory
    residuals, allowed : shape (T - 1,), NaN where the flow could not be followed
    what : the residual in words
    """
    used = np.flatnonzero(np.isfinite(residuals))
    if used.size < _FOLLOWED * len(residuals):
        return inapplicable(f"only {_followed(case, used.size)}")
    i = int(used[worst(residuals[used], allowed[used])])
    factor = float(case.replays.errors[i] / case.errors[i])
    spread = f", where the flow spreads states by {factor:.3g}" if factor > 1.0 else ""
    detail = f"{what} is largest by its tolerance {_between(case, i)}{spread}; {_followed(case, used.size)}"
    return judged(residuals[i], allowed[i], detail)


def flow(case: Case) -> Finding:
    """Compare each stored state with where the flow leads from the one before."""
    if case.no_replay:
        return inapplicable(case.no_replay)
    distances = np.linalg.norm(case.replays.defects, axis=1)
    return _over_intervals(case, distances, case.replays.errors, "the distance from the flow")


def accuracy(case: Case) -> Finding:
    """Measure the errors of the steps by what the tolerance allows: the median over intervals with motion.

    `verification` judges the median over seeds: one trajectory alone scatters too much to tell a tolerance
    from one ten times as large.
    """
    if case.no_replay:
        return inapplicable(case.no_replay)
    replays, delta = case.replays, case.errors
    moved = replays.followed & (np.linalg.norm(replays.displacements, axis=1) > delta)
    moved &= replays.errors <= delta  # where the flow spreads states, errors say nothing of the steps
    if not moved.any():
        return inapplicable("the flow hardly moves between save times, or spreads states")
    ratios = np.linalg.norm(replays.defects[moved], axis=1) * SAFETY / delta[moved]
    detail = f"errors are {np.median(ratios):.3g} of the declared tolerance"
    return judged(float(np.median(ratios)), ACCURACY, detail)


def speed(case: Case) -> Finding:
    """Look whether the states move as fast as the flow: factor 2 for a flow twice as fast, -1 for one uphill.

    On each interval the factor f_i fits the stored displacement s_i to that of the flow r_i by least squares,
    f_i = <s_i, r_i> / |r_i|^2. The speed is their median with the weights w_i = |r_i|^2 / delta_i^2: a few
    intervals on which the method is less accurate than it should be do not count. Independent errors of size
    e delta_i make its standard deviation about e / R, R^2 being the sum of the weights; the tolerance has
    e = `_SCATTER`, as found on right flows (docs/theory.md).
    """
    if case.no_replay:
        return inapplicable(case.no_replay)
    replays = case.replays
    if replays.followed.mean() < _FOLLOWED:
        return inapplicable(f"only {_followed(case)}")
    moved = replays.followed & (np.abs(replays.displacements).max(axis=1) > 0)
    flow, stored = replays.displacements[moved], np.diff(case.theta, axis=0)[moved]
    squares = (flow**2).sum(axis=1)
    weights = squares / replays.errors[moved] ** 2
    tolerance = _SCATTER / np.sqrt(weights.sum()) if moved.any() else np.inf
    if not tolerance < _COARSE:
        return inapplicable("the flow hardly moves: its speed is not known to a quarter")
    factors = (flow * stored).sum(axis=1) / squares
    order = np.argsort(factors)
    middle = np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum())
    factor = float(factors[order][middle])
    detail = f"the states move {factor:.7g} times as fast as the flow; {_followed(case)}"
    return judged(abs(factor - 1.0), tolerance, detail)


def energy(case: Case) -> Finding:
    """Compare what the risk loses with the integral of |Theta'|^2."""
    if case.no_replay:
        return inapplicable(case.no_replay)
    replays = case.replays
    residuals = np.abs(case.risk[:-1] - case.risk[1:] - replays.dissipated)
    # The integral itself is known to the tolerance of the replay, a tenth of the method's, in each step.
    allowed = case.risk_error(replays.errors) + case.rounding[1:] + case.tolerances[0] * replays.dissipated
    return _over_intervals(case, residuals, allowed, "the energy defect")


def lyapunov_identity(case: Case) -> Finding:
    """Compare what V loses with 8 int L, on M with 4 int L, for a constant target."""
    if case.network.depth != 2:
        return inapplicable("the identity is known for one hidden layer")
    if case.problem is not None and constant_of(case.problem) is None:
        return inapplicable("the target is not constant")
    if case.no_replay:
        return inapplicable(case.no_replay)
    xi = case.replays.constant
    assert xi is not None
    on_m = case.flow == "normalized"
    values = lyapunov(case.network, case.theta, xi, normalized=on_m)
    slopes = lyapunov_slope(case.network, case.theta[1:], xi, normalized=on_m)
    factor = 4.0 if on_m else 8.0
    falls = factor * case.replays.risk_integrals
    residuals, errors = np.abs(values[:-1] - values[1:] - falls), case.replays.errors
    allowed = (slopes + 2.0 * errors) * errors + case.tolerances[0] * falls
    return _over_intervals(case, residuals, allowed, "the defect of the identity")


def non_increasing(case: Case) -> Finding:
    """Look for rises of the risk."""
    rises = np.diff(case.risk)
    if case.flow is None:
        return _descent(case, rises)
    if not rises.size:
        return inapplicable("fewer than two states are saved")
    allowed = case.risk_error(case.errors) + case.rounding[1:]
    i = worst(rises, allowed)
    if rises[i] <= 0:
        return judged(0.0, float(allowed.min()), "the risk falls from each save time to the next")
    return judged(rises[i], allowed[i], f"the largest rise by its tolerance is {_between(case, i)}")


def _descent(case: Case, rises: Array) -> Finding:
    """Look for rises under gradient descent: none where its step size stays below 2 / sharpness."""
    if case.method is None:
        return inapplicable(case.no_flow)
    if case.method.name != "gd":
        return inapplicable("no theorem says so of this method")
    if not rises.size:
        return inapplicable("fewer than two states are saved")
    allowed = case.rounding[1:]
    i = worst(rises, allowed)
    if rises[i] <= allowed[i]:
        return judged(max(rises[i], 0.0), allowed[i], "the risk falls from each save time to the next")
    return inapplicable(
        "the risk rises, as it may where the step size times the sharpness exceeds 2", rises[i], allowed[i]
    )


def balancedness(case: Case) -> Finding:
    """Look whether the squared norm of each hidden row less that of the outgoing column is conserved.

    A step that is off by e changes it by 2 <row, e> - 2 <column, e>: at most 2 C (sum |theta_j| (atol + rtol
    |theta_j|)) over row and column, and the steps add up; the flow does not spread these errors.
    """
    if case.flow is None:
        return inapplicable(case.no_flow)
    if case.flow == "normalized":
        return inapplicable("the normalised flow conserves the norm of each row instead")
    if len(case.time) < 2:
        return inapplicable("fewer than two states are saved")
    values = np.concatenate(case.network.balancedness(case.theta), axis=-1)
    rtol, atol = case.tolerances
    size = np.abs(case.theta)
    weights = size * (atol + rtol * size)
    layers = case.network.layers(weights)
    per_step = 2.0 * np.concatenate(
        [
            layer.weight.sum(axis=-1) + layer.bias + following.weight.sum(axis=-2)
            for layer, following in itertools.pairwise(layers)
        ],
        axis=-1,
    )
    steps = (np.diff(case.steps) + 1.0)[:, None]
    allowed = SAFETY * np.cumsum(steps * np.maximum(per_step[1:], per_step[:-1]), axis=0)
    allowed += 64 * np.finfo(np.float64).eps * np.linalg.norm(case.theta[1:], axis=1)[:, None] ** 2
    residuals = np.abs(values[1:] - values[0])
    i, neuron = divmod(worst(residuals.ravel(), allowed.ravel()), residuals.shape[1])
    detail = (
        f"the change is largest by its tolerance for hidden neuron {neuron + 1} at t = {case.time[i + 1]:.4g}"
    )
    return judged(residuals[i, neuron], allowed[i, neuron], detail)


def displacement(case: Case) -> Finding:
    """Look whether |Theta_t - Theta_s|^2 <= (t - s) (L(Theta_s) - L(Theta_t)), by the energy identity.

    It needs the stored states alone, and is nearly an equality where the flow is straight: a flow that is too
    fast violates it.
    """
    if case.flow is None:
        return inapplicable(case.no_flow)
    if len(case.time) < 2:
        return inapplicable("fewer than two states are saved")
    distances = np.linalg.norm(np.diff(case.theta, axis=0), axis=1)
    spans, falls = np.diff(case.time), case.risk[:-1] - case.risk[1:]
    slack = case.risk_error(case.errors) + case.rounding[1:]
    # Both sides are off by what the states are: the later one by delta, the fall of the risk accordingly.
    bound = np.sqrt(spans * np.maximum(falls, 0.0))
    allowed = case.errors + np.sqrt(spans * np.maximum(falls + slack, 0.0)) - bound
    i = worst(distances - bound, allowed)
    detail = f"the bound is nearest to being exceeded {_between(case, i)}"
    return judged(max(distances[i] - bound[i], 0.0), allowed[i], detail)


CHECKS = (
    Check("flow", "each state is where the flow leads from the one before", "parameter", REPLAY, flow),
    Check("accuracy", "errors are those of the declared tolerance, over seeds", "1", REPLAY, accuracy),
    Check("speed", "the states move as fast as the flow", "1", REPLAY, speed),
    Check("energy", "the risk falls by int |Theta'|^2", "output^2", JENTZEN_RIEKERT, energy),
    Check("risk", "the risk does not rise", "output^2", JENTZEN_RIEKERT, non_increasing),
    Check(
        "displacement",
        "|Theta_t - Theta_s|^2 is at most (t - s) times the risk lost",
        "parameter",
        f"energy identity and Cauchy-Schwarz; {JENTZEN_RIEKERT}",
        displacement,
    ),
    Check(
        "balancedness",
        "hidden rows and outgoing columns stay balanced",
        "parameter^2",
        DU_HU_LEE,
        balancedness,
    ),
    Check(
        "lyapunov",
        "for a constant target V falls by 8 int L, on M by 4 int L",
        "parameter^2",
        CONSTANT_TARGETS,
        lyapunov_identity,
    ),
)
