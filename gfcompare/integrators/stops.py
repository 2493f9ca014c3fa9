"""Stops of trajectories that went through several save times at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from gfcompare.integrators.base import State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.passage import Passage
from gfcompare.integrators.solvers.saddles import remark_at_rest
from gfcompare.integrators.stationarity import first_stationary
from gfcompare.integrators.status import Array, Mask, Status, escape
from gfcompare.problem import Problem

# Times of a block: the most, what they may hold in bytes, and the seconds from which on there are fewer, so
# that a time limit, an interruption and a trajectory that is found at rest do not come late.
_MOST, _BYTES, _SECONDS, _OF_LIMIT = 1024, 4_000_000, 0.2, 0.02


class BlockSizes:
    """Numbers of save times that a method goes through at once: more and more, while that takes little time.

    No number but wall times depends on it.

    Attributes
    ----------
    next : how many
    """

    def __init__(self, theta: Array, time_limit: float | None) -> None:
        self.next = 1
        self._most = max(1, min(_MOST, _BYTES // max(theta.nbytes, 1)))
        limit = np.inf if time_limit is None else _OF_LIMIT * time_limit * len(theta)
        self._seconds = min(_SECONDS, limit)

    def took(self, seconds: float) -> None:
        """Choose the next, after the last took so long."""
        if seconds < 0.25 * self._seconds:
            self.next = min(4 * self.next, self._most)
        elif seconds > self._seconds:
            self.next = max(1, self.next // 2)

    def stay_at_one(self) -> None:
        """Go on one save time after the other."""
        self.next = self._most = 1


class Stop(NamedTuple):
    """The stop of a trajectory.

    Attributes
    ----------
    place : of the save time
    status, message : of the end
    """

    place: int
    status: Status
    message: str

    @property
    def kept(self) -> int:
        """Number of save times that count: the last one does not if nothing is finite there."""
        return self.place + (self.status is not Status.DIVERGED)


def not_finite(passage: Passage, running: Mask) -> dict[int, Stop]:
    """Return where trajectories are no longer finite although the method did not say so, by number."""
    places = np.arange(len(passage.times))
    wrong = ~np.isfinite(passage.theta).all(axis=2) & (places < passage.reached[:, None]) & running[:, None]
    found = {}
    for m in np.flatnonzero(wrong.any(axis=1)).tolist():
        place = int(np.argmax(wrong[m]))
        message = f"{escape(passage.theta[m, place])} after flow time {passage.times[place]:.6g}"
        found[m] = Stop(place, Status.DIVERGED, message)
    return found


def at_rest(problem: Problem, passage: Passage, look: Mask, on_manifold: bool, end: float) -> dict[int, Stop]:
    """Return where trajectories are stationary, by number.

    Parameters
    ----------
    problem : the problem
    passage : of M trajectories through B save times
    look : shape (M, B), where to look
    on_manifold : whether they live on M
    end : the last of all save times
    """
    found = {}
    for m, (place, gradient, rate) in first_stationary(problem, passage.theta, look, on_manifold).items():
        said = passage.remarks[m] if passage.remarked[m, place] else ""
        message = rest_message(gradient, float(passage.times[place]), said, rate, end)
        found[m] = Stop(place, Status.STATIONARY, message)
    return found


def rest_message(gradient: float, time: float, said: str, rate: float, end: float) -> str:
    """Return the message of a trajectory at rest.

    Parameters
    ----------
    gradient : |G|
    time : flow time
    said : what else is to be said
    rate : at which deviations grow
    end : the last of all save times; deviations that do not grow by much before it make no difference
    """
    saddle = remark_at_rest(rate) if rate * (end - time) > 1.0 else ""
    return "; ".join(filter(None, (f"|G| = {gradient:.3g} at flow time {time:.6g}", said, saddle)))


def late(passage: Passage, look: Mask, walls: Array, time_limit: float) -> dict[int, Stop]:
    """Return where trajectories are out of time, by number; `look` and `walls` have the shape (M, B)."""
    beyond = look & (walls > time_limit)
    found = {}
    for m in np.flatnonzero(beyond.any(axis=1)).tolist():
        place = int(np.argmax(beyond[m]))
        found[m] = Stop(place, Status.TIME_LIMIT, late_message(walls[m, place], float(passage.times[place])))
    return found


def late_message(wall: float, time: float) -> str:
    """Return the message of a trajectory that is out of time: seconds of wall time, and flow time."""
    return f"{wall:.3g} s of wall time at flow time {time:.6g}"


def stopped(state: State, passage: Passage, stops: Mapping[int, Stop], problem: CountedProblem) -> State:
    """Return a state with trajectories put back to where they stop, and what was counted for them."""
    if not stops:
        return state
    rows = np.array(list(stops))
    places = np.array([stop.place for stop in stops.values()])
    theta, time, smallest = state.theta.copy(), state.time.copy(), state.smallest_step.copy()
    steps, rejected, status = state.steps.copy(), state.rejected_steps.copy(), state.status.copy()
    theta[rows], time[rows] = passage.theta[rows, places], passage.times[places]
    smallest[rows], steps[rows] = passage.smallest_step[rows, places], passage.steps[rows, places]
    rejected[rows], status[rows] = passage.rejected_steps[rows, places], np.int8(Status.RUNNING)
    problem.gradients[rows] = passage.gradients[rows, places]
    problem.risks[rows] = passage.risks[rows, places]
    state = state.replace(
        theta=theta, time=time, smallest_step=smallest, steps=steps, rejected_steps=rejected, status=status
    )
    for m, stop in stops.items():
        state = state.terminate(np.arange(len(theta)) == m, stop.status, stop.message)
    return state
