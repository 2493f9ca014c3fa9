"""The flow re-integrated from each saved state to the time of the next, by other means than the method's."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.diagnostics.energy import FINER
from gfcompare.diagnostics.lyapunov import constant_of, lyapunov_slope
from gfcompare.diagnostics.replay import Declared, Flow, Replay
from gfcompare.integrators.dead_neurons import is_undetermined
from gfcompare.integrators.solvers.plateaus import on_a_surface
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem

Array = NDArray[np.float64]


class Trajectory(Protocol):
    """The start states of a replay: T saved states with their errors; see `StoredTrajectory`."""

    @property
    def theta(self) -> Array:
        """States, shape (T, P)."""

    @property
    def time(self) -> Array:
        """Flow times, shape (T,)."""

    @property
    def steps(self) -> Array:
        """Steps made until each state, shape (T,)."""

    @property
    def network(self) -> ReLUNetwork:
        """The architecture."""

    @property
    def free(self) -> NDArray[np.bool_]:
        """Mask of the parameters that move, shape (P,)."""

    @property
    def tolerances(self) -> tuple[float, float]:
        """Relative and absolute tolerance of the method's steps."""

    @property
    def declared(self) -> Declared:
        """The solver and the tolerances of the method."""

    @property
    def errors(self) -> Array:
        """Return the change that the tolerance allows between one state and the next, shape (T - 1,)."""

    @property
    def rounding(self) -> Array:
        """Return the rounding error of the risk of each state in double precision, shape (T,)."""

    def risk_error(self, errors: Array) -> Array:
        """Return the error of the risk of each later state whose parameters have the error `errors`."""


# Errors of a step in the integrals along the flow, relative to what the checks tolerate.
_SHARE = 0.001
# The share of what is tolerated by which the flow from a state may itself miss the identity of energy: over
# very long times near rest, |G|^2 is rounding, and its integral is not known.
_OWN = 0.1
# Neighbours of a state that are followed where it is to be known how far the flow spreads them.
_PROBES = 3
# Tolerances with which it is followed too, relative to the method's.
_COARSER = (1.0, 3.0, 10.0)
# Steps that a solver may make more than the method did, for its start from each state.
_STARTING = 100
# Errors may be carried further than those of a few probes.
_MARGIN = 2.0


class Replays:
    """The flow from each of T states, for the time to the next.

    The tolerance is a tenth of the method's, so that its own error is about a hundredth of what is tolerated.

    Parameters
    ----------
    problem : the problem
    normalized : which of the flows
    trajectory : whose states are re-integrated

    Attributes
    ----------
    ends : ndarray, shape (T - 1, P), NaN where the flow could not be followed
    dissipated : ndarray, shape (T - 1,), NaN where it is not known too
    risk_integrals : ndarray, shape (T - 1,), for a constant target
    troubles : what went wrong where it could not be followed
    """

    def __init__(self, problem: Problem, normalized: bool, trajectory: Trajectory) -> None:
        self._trajectory = trajectory
        self.constant = constant_of(problem) if problem.network.depth == 2 else None
        self._flow = Flow(problem, normalized, FINER * trajectory.tolerances[0], self.constant is not None)
        count = len(trajectory.time) - 1
        self.ends = np.full((count, problem.network.parameter_count), np.nan)
        self.dissipated, self.risk_integrals = np.full(count, np.nan), np.full(count, np.nan)
        self.troubles: list[str] = []
        allowed = self._allowed()
        tolerated = trajectory.risk_error(trajectory.errors) + trajectory.rounding[1:]
        # Frozen biases may be 0 for ever: no surface is passed there.
        jumps = problem.smooth and not problem.frozen
        surfaces = [jumps and on_a_surface(problem.network, theta) for theta in trajectory.theta]
        for i in range(count):
            # A start on a surface need not slide there: biases may begin at 0.
            if surfaces[i + 1] or (surfaces[i] and i > 0):
                self.troubles.append("the flow slides along a surface on which the gradient jumps")
                continue
            replay = self._follow(i, trajectory.theta[i], (allowed[0][i], allowed[1][i]))
            trouble = replay.trouble
            if not trouble and problem.smooth:
                start, end = trajectory.theta[i : i + 2]
                if is_undetermined(problem, start, replay.theta, end):
                    trouble = "a neuron came back from the end of the inputs: a state does not tell when"
            if trouble:
                self.troubles.append(trouble)
                continue
            if self._own_defect(problem, i, replay) > _OWN * (
                tolerated[i] + self._flow.rtol * abs(replay.dissipated)
            ):
                self.troubles.append("the dissipated energy was not found to its tolerance")
            else:
                self.dissipated[i] = replay.dissipated
            self.ends[i], self.risk_integrals[i] = replay.theta, replay.risk_integral

    def _follow(
        self, i: int, theta: Array, allowed: tuple[float, float] = (np.inf, np.inf), flow: Flow | None = None
    ) -> Replay:
        duration = float(self._trajectory.time[i + 1] - self._trajectory.time[i])
        return (flow or self._flow).follow(theta, duration, allowed)

    def _own_defect(self, problem: Problem, i: int, replay: Replay) -> float:
        """Return by how much the flow from state i misses the identity of energy itself."""
        start = self._trajectory.theta[i]  # which may have left M; the flow starts on it
        if self._flow.normalized:
            start = problem.network.retract(start)
        lost = float(problem.risk(start)) - float(problem.risk(replay.theta))
        return float(abs(lost - replay.dissipated))

    def _allowed(self) -> tuple[Array, Array]:
        """Return errors of the integrals that do no harm, each of shape (T - 1,)."""
        trajectory = self._trajectory
        risk = _SHARE * trajectory.risk_error(trajectory.errors)
        if self.constant is None:
            return risk, np.full_like(risk, np.inf)
        slope = lyapunov_slope(
            trajectory.network, trajectory.theta[1:], self.constant, normalized=self._flow.normalized
        )
        return risk, _SHARE / 8 * slope * trajectory.errors

    @property
    def followed(self) -> NDArray[np.bool_]:
        """Return the intervals on which the flow could be integrated, shape (T - 1,)."""
        return np.asarray(np.isfinite(self.ends).all(axis=1))

    @property
    def defects(self) -> Array:
        """The next state as stored less the end of the flow, shape (T - 1, P)."""
        return np.asarray(self._trajectory.theta[1:] - self.ends)

    @property
    def displacements(self) -> Array:
        """Return the displacement of each state by the flow, shape (T - 1, P)."""
        return np.asarray(self.ends - self._trajectory.theta[:-1])

    @cached_property
    def errors(self) -> Array:
        """Return the tolerance of each later state, (T - 1,): delta, more where the flow spreads states.

        Where a defect exceeds delta, it is looked how far errors of that size are carried: from neighbours of
        the earlier state, delta away in a few directions, and by following the flow with the method's own
        tolerance and coarser ones, for errors that matter on the way. From the largest defect on, until one
        is too large all the same: then the trajectory is not of the flow.
        """
        allowed = self._trajectory.errors.copy()
        sizes = np.linalg.norm(self.defects, axis=1)
        with np.errstate(invalid="ignore"):
            suspects = np.flatnonzero(sizes > allowed)
        for i in suspects[np.argsort(-sizes[suspects] / allowed[suspects])].tolist():
            reach = self._reach(i)
            allowed[i] = _MARGIN * reach if reach > allowed[i] else allowed[i]
            if sizes[i] > allowed[i]:
                break
        return allowed

    def usual_errors(self, chosen: NDArray[np.int64]) -> tuple[Array, Array]:
        """Return the errors on intervals of the method's solver, or the default one, at its tolerances.

        They are distances of ends from the flow as it was re-integrated: what users get who choose these
        tolerances (`Flow.end_by`). NaN where it does not come to the end.

        Parameters
        ----------
        chosen : numbers of intervals on which the flow was followed, shape (n,)

        Returns
        -------
        errors, steps : ndarray, shape (n,)
        """
        trajectory = self._trajectory
        errors, steps = np.empty((2, len(chosen)))
        for k, i in enumerate(chosen.tolist()):
            duration = float(trajectory.time[i + 1] - trajectory.time[i])
            # Where it needs many more it says nothing of those that were made.
            most = 2 * int(trajectory.steps[i + 1] - trajectory.steps[i]) + _STARTING
            end, steps[k] = self._flow.end_by(trajectory.declared, trajectory.theta[i], duration, most)
            errors[k] = np.linalg.norm(end - self.ends[i])
        return errors, steps

    def _reach(self, i: int) -> float:
        """Return how far errors as large as delta are carried over an interval, in a few trials."""
        trajectory = self._trajectory
        trials = [
            self._follow(
                i, trajectory.theta[i], flow=replace(self._flow, rtol=factor * trajectory.tolerances[0])
            )
            for factor in _COARSER
        ]
        rng = np.random.Generator(np.random.PCG64(i))
        for _ in range(_PROBES):
            direction = np.where(trajectory.free, rng.normal(size=trajectory.theta.shape[1]), 0.0)
            moved = trajectory.theta[i] + direction * (trajectory.errors[i] / np.linalg.norm(direction))
            trials.append(
                self._follow(i, trajectory.network.retract(moved) if self._flow.normalized else moved)
            )
        ends = [trial.theta - self.ends[i] for trial in trials if not trial.trouble]
        return max((float(np.linalg.norm(end)) for end in ends), default=0.0)
