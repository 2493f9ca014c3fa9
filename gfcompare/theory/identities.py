"""Checks of a gradient flow from every state to the next: the flow itself, and its identities."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from gfcompare.diagnostics.lyapunov import constant_of, lyapunov, lyapunov_slope
from gfcompare.evaluators.frozen import conserved_neurons
from gfcompare.theory.base import Check, CheckResult, inapplicable, judged, worst
from gfcompare.theory.references import CONSTANT_TARGETS, DU_HU_LEE, JENTZEN_RIEKERT, REPLAY
from gfcompare.theory.stored_trajectories import StoredTrajectory
from gfcompare.theory.tolerances import SAFETY

Array = NDArray[np.float64]

# Size of the errors of displacements relative to delta, for the tolerance of the speed.
_SCATTER = 0.1
# How many times those of the declared tolerance errors may be, in the median over intervals and seeds
# (docs/theory.md). Seeds without which it says nothing.
ACCURACY, ACCURACY_SEEDS = 2.2, 8
# Steps between two save times from which on the errors there are those of steps, and not of an interpolant.
_FEWEST_STEPS = 2.0
# Errors below so many roundings of a state say nothing.
_ROUNDINGS = 64 * np.finfo(np.float64).eps
# The share of the intervals between save times that has to be followed for a check to say anything.
_FOLLOWED = 0.5
# A speed that is known no better than this says nothing.
_COARSE = 0.25


def _between(trajectory: StoredTrajectory, i: int) -> str:
    """Return where on a trajectory an interval is."""
    return f"from t = {trajectory.time[i]:.4g} to {trajectory.time[i + 1]:.4g}"


def _followed(trajectory: StoredTrajectory, used: int | None = None) -> str:
    """Return how much of a trajectory was re-integrated, or of how many intervals that was of use."""
    count = len(trajectory.time) - 1
    followed = int(trajectory.replays.followed.sum()) if used is None else used
    if followed == count:
        return f"{count} intervals followed"
    return f"{followed} of {count} intervals followed; otherwise {trajectory.replays.troubles[0]}"


def _over_intervals(trajectory: StoredTrajectory, residuals: Array, allowed: Array, what: str) -> CheckResult:
    """Return the finding of an identity that is tested on every interval between two save times.

    Parameters
    ----------
    trajectory : that is judged
    residuals, allowed : shape (T - 1,), NaN where the flow could not be followed
    what : the residual in words
    """
    used = np.flatnonzero(np.isfinite(residuals))
    if used.size < _FOLLOWED * len(residuals):
        return inapplicable(f"only {_followed(trajectory, used.size)}")
    i = int(used[worst(residuals[used], allowed[used])])
    factor = float(trajectory.replays.errors[i] / trajectory.errors[i])
    spread = f", where the flow spreads states by {factor:.3g}" if factor > 1.0 else ""
    place = f"{_between(trajectory, i)}{spread}; {_followed(trajectory, used.size)}"
    detail = f"{what} is largest by its tolerance {place}"
    return judged(residuals[i], allowed[i], detail)


def flow(trajectory: StoredTrajectory) -> CheckResult:
    """Compare each stored state with where the flow leads from the one before."""
    if trajectory.no_replay:
        return inapplicable(trajectory.no_replay)
    distances = np.linalg.norm(trajectory.replays.defects, axis=1)
    return _over_intervals(trajectory, distances, trajectory.replays.errors, "the distance from the flow")


def accuracy(trajectory: StoredTrajectory) -> CheckResult:
    """Compare the errors with those of the same solver at the declared tolerances: the median of the ratios.

    What a tolerance makes of errors depends on the problem, and on the stretch of the flow; so the yardstick
    is integrated from the same state for the same time. Errors add up over steps: a method that makes more
    of them may have larger ones. `verification` judges the median over seeds: one trajectory alone scatters
    too much to tell a tolerance from one ten times as large.
    """
    if trajectory.no_replay:
        return inapplicable(trajectory.no_replay)
    replays, steps = trajectory.replays, np.diff(trajectory.steps)
    moved = np.linalg.norm(replays.displacements, axis=1) * SAFETY > trajectory.errors
    moved &= replays.followed
    chosen = np.flatnonzero(moved & (steps >= _FEWEST_STEPS))
    if moved.any() and not chosen.size:
        return inapplicable(f"the method makes fewer than {_FEWEST_STEPS:g} steps between save times")
    own = np.linalg.norm(replays.defects[chosen], axis=1)
    usual, usual_steps = replays.usual_errors(chosen)
    known = np.maximum(own, usual) > _ROUNDINGS * np.linalg.norm(trajectory.theta[1:][chosen], axis=1)
    if not known.any():
        return inapplicable("the flow hardly moves between save times")
    more = np.maximum(1.0, (steps[chosen] + 1.0) / (usual_steps + 1.0))
    ratios = own / (more * np.maximum(usual, np.finfo(np.float64).tiny))
    ratio = float(np.median(ratios[known]))
    return judged(ratio, ACCURACY, f"errors are {ratio:.3g} times those of the declared tolerance")


def speed(trajectory: StoredTrajectory) -> CheckResult:
    """Check that the states move as fast as the flow: factor 2 if twice as fast, -1 if uphill.

    On each interval the factor f_i fits the stored displacement s_i to that of the flow r_i by least squares,
    f_i = <s_i, r_i> / |r_i|^2. The speed is their median with the weights w_i = |r_i|^2 / delta_i^2: a few
    intervals on which the method is less accurate than it should be do not count. Independent errors of size
    e delta_i make its standard deviation about e / R, R^2 being the sum of the weights; the tolerance has
    e = `_SCATTER`, as found on right flows (docs/theory.md).
    """
    if trajectory.no_replay:
        return inapplicable(trajectory.no_replay)
    replays = trajectory.replays
    if replays.followed.mean() < _FOLLOWED:
        return inapplicable(f"only {_followed(trajectory)}")
    moved = replays.followed & (np.abs(replays.displacements).max(axis=1) > 0)
    flow, stored = replays.displacements[moved], np.diff(trajectory.theta, axis=0)[moved]
    squares = (flow**2).sum(axis=1)
    weights = squares / replays.errors[moved] ** 2
    tolerance = _SCATTER / np.sqrt(weights.sum()) if moved.any() else np.inf
    if not tolerance < _COARSE:
        return inapplicable("the flow hardly moves: its speed is not known to a quarter")
    factors = (flow * stored).sum(axis=1) / squares
    order = np.argsort(factors)
    middle = np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum())
    factor = float(factors[order][middle])
    detail = f"the states move {factor:.7g} times as fast as the flow; {_followed(trajectory)}"
    return judged(abs(factor - 1.0), tolerance, detail)


def energy(trajectory: StoredTrajectory) -> CheckResult:
    """Compare what the risk loses with the integral of |Theta'|^2."""
    if trajectory.no_replay:
        return inapplicable(trajectory.no_replay)
    replays = trajectory.replays
    residuals = np.abs(trajectory.risk[:-1] - trajectory.risk[1:] - replays.dissipated)
    # The integral itself is known to the tolerance of the replay, a tenth of the method's, in each step.
    allowed = (
        trajectory.risk_error(replays.errors)
        + trajectory.rounding[1:]
        + trajectory.tolerances[0] * replays.dissipated
    )
    return _over_intervals(trajectory, residuals, allowed, "the energy defect")


def lyapunov_identity(trajectory: StoredTrajectory) -> CheckResult:
    """Compare what V loses with 8 int L, on M with 4 int L, for a constant target."""
    if trajectory.network.depth != 2:
        return inapplicable("the identity is known for one hidden layer")
    if trajectory.problem is not None and constant_of(trajectory.problem) is None:
        return inapplicable("the target is not constant")
    if trajectory.no_replay:
        return inapplicable(trajectory.no_replay)
    xi = trajectory.replays.constant
    assert xi is not None
    on_m = trajectory.flow == "normalized"
    values = lyapunov(trajectory.network, trajectory.theta, xi, normalized=on_m)
    gradients = lyapunov_slope(trajectory.network, trajectory.theta[1:], xi, normalized=on_m)
    factor = 4.0 if on_m else 8.0
    falls = factor * trajectory.replays.risk_integrals
    residuals, errors = np.abs(values[:-1] - values[1:] - falls), trajectory.replays.errors
    allowed = (gradients + 2.0 * errors) * errors + trajectory.tolerances[0] * falls
    return _over_intervals(trajectory, residuals, allowed, "the defect of the identity")


def non_increasing(trajectory: StoredTrajectory) -> CheckResult:
    """Check for rises of the risk."""
    rises = np.diff(trajectory.risk)
    if trajectory.flow is None:
        return _descent(trajectory, rises)
    if not rises.size:
        return inapplicable("fewer than two states are saved")
    allowed = trajectory.risk_error(trajectory.errors) + trajectory.rounding[1:]
    i = worst(rises, allowed)
    if rises[i] <= 0:
        return judged(0.0, float(allowed.min()), "the risk falls from each save time to the next")
    return judged(rises[i], allowed[i], f"the largest rise by its tolerance is {_between(trajectory, i)}")


def _descent(trajectory: StoredTrajectory, rises: Array) -> CheckResult:
    """Check for rises under gradient descent: none where its step size stays below 2 / sharpness."""
    if trajectory.method is None:
        return inapplicable(trajectory.no_flow)
    if trajectory.method.name != "gd":
        return inapplicable("no theorem says so of this method")
    if not rises.size:
        return inapplicable("fewer than two states are saved")
    allowed = trajectory.rounding[1:]
    i = worst(rises, allowed)
    if rises[i] <= allowed[i]:
        return judged(max(rises[i], 0.0), allowed[i], "the risk falls from each save time to the next")
    return inapplicable(
        "the risk rises, as it may where the step size times the sharpness exceeds 2", rises[i], allowed[i]
    )


def balancedness(trajectory: StoredTrajectory) -> CheckResult:
    """Check that the squared norm of each hidden row less that of the outgoing column is conserved.

    A step that is off by e changes it by 2 <row, e> - 2 <column, e>: at most 2 C (sum |theta_j| (atol + rtol
    |theta_j|)) over row and column, and the steps add up; the flow does not spread these errors.
    """
    if trajectory.flow is None:
        return inapplicable(trajectory.no_flow)
    if trajectory.flow == "normalized":
        return inapplicable("the normalised flow conserves the norm of each row instead")
    neurons = np.flatnonzero(conserved_neurons(trajectory.network, trajectory.frozen))
    if not neurons.size:
        return inapplicable(f"every neuron has frozen parameters: {', '.join(trajectory.frozen)}")
    if len(trajectory.time) < 2:
        return inapplicable("fewer than two states are saved")
    values = np.concatenate(trajectory.network.balancedness(trajectory.theta), axis=-1)
    rtol, atol = trajectory.tolerances
    size = np.abs(trajectory.theta)
    weights = size * (atol + rtol * size)
    layers = trajectory.network.layers(weights)
    per_step = 2.0 * np.concatenate(
        [
            layer.weight.sum(axis=-1) + layer.bias + following.weight.sum(axis=-2)
            for layer, following in itertools.pairwise(layers)
        ],
        axis=-1,
    )
    steps = (np.diff(trajectory.steps) + 1.0)[:, None]
    allowed = SAFETY * np.cumsum(steps * np.maximum(per_step[1:], per_step[:-1]), axis=0)
    allowed += 64 * np.finfo(np.float64).eps * np.linalg.norm(trajectory.theta[1:], axis=1)[:, None] ** 2
    residuals, allowed = np.abs(values[1:] - values[0])[:, neurons], allowed[:, neurons]
    i, neuron = divmod(worst(residuals.ravel(), allowed.ravel()), residuals.shape[1])
    place = f"hidden neuron {neurons[neuron] + 1} at t = {trajectory.time[i + 1]:.4g}"
    detail = f"the change is largest by its tolerance for {place}"
    return judged(residuals[i, neuron], allowed[i, neuron], detail)


def displacement(trajectory: StoredTrajectory) -> CheckResult:
    """Check that |Theta_t - Theta_s|^2 <= (t - s) (L(Theta_s) - L(Theta_t)), by the energy identity.

    It needs the stored states alone, and is nearly an equality where the flow is straight: a flow that is too
    fast violates it.
    """
    if trajectory.flow is None:
        return inapplicable(trajectory.no_flow)
    if len(trajectory.time) < 2:
        return inapplicable("fewer than two states are saved")
    distances = np.linalg.norm(np.diff(trajectory.theta, axis=0), axis=1)
    spans, falls = np.diff(trajectory.time), trajectory.risk[:-1] - trajectory.risk[1:]
    slack = trajectory.risk_error(trajectory.errors) + trajectory.rounding[1:]
    # Both sides are off by what the states are: the later one by delta, the fall of the risk accordingly.
    bound = np.sqrt(spans * np.maximum(falls, 0.0))
    allowed = trajectory.errors + np.sqrt(spans * np.maximum(falls + slack, 0.0)) - bound
    i = worst(distances - bound, allowed)
    detail = f"the bound is nearest to being exceeded {_between(trajectory, i)}"
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
        all_free=True,
    ),
)
