"""The record of a block of trajectories, filled in on the way."""

from __future__ import annotations

import numpy as np

from gfcompare.components.errors import cut
from gfcompare.integrators.base import State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.passage import Passage
from gfcompare.integrators.record import COUNTERS, Record
from gfcompare.integrators.status import Array, Integers, Mask, Status

# As a plain number: comparing an array with a member of an enumeration takes ten times as long.
_STATIONARY = np.int8(Status.STATIONARY)


class Saved:
    """M trajectories at T save times, filled in from the first on.

    Parameters
    ----------
    times : shape (T,)
    theta : initial parameters, shape (M, P)
    """

    def __init__(self, times: Array, theta: Array) -> None:
        self._times = times
        shape = (len(theta), len(times))
        self._theta = np.full((*shape, theta.shape[1]), np.nan)
        self._time, self._wall, self._smallest = np.full((3, *shape), np.nan)
        self._counts = np.full((len(COUNTERS), *shape), -1, dtype=np.int64)

    def save(self, index: int, state: State, problem: CountedProblem, wall: Array) -> None:
        """Save the trajectories that run, and those that are stationary, at a save time."""
        still = state.status == _STATIONARY
        present = state.running | still
        rows: Mask | slice = slice(None) if present.all() else present
        # A stationary trajectory stays where it is: it is there at every later time too.
        clock = np.where(still, self._times[index], state.time) if still.any() else state.time
        self._theta[rows, index] = state.theta[rows]
        self._time[rows, index] = clock[rows]
        self._wall[rows, index] = wall[rows]
        self._smallest[rows, index] = state.smallest_step[rows]
        for saved, values in zip(self._counts, _counts(state, problem), strict=True):
            saved[rows, index] = values[rows]

    def save_passage(
        self,
        places: slice,
        passage: Passage,
        present: Mask,
        state: State,
        problem: CountedProblem,
        wall: Array,
    ) -> None:
        """Save trajectories at several save times, which they went through at once.

        Parameters
        ----------
        places : of the save times
        passage : what the trajectories were there
        present : shape (M, B), whether that is to be saved
        state, problem : with what a passage does not change
        wall : seconds of wall time, shape (M, B)
        """
        sampled, changes = problem.sample_gradients[:, None], state.activation_changes[:, None]
        counts = (
            passage.steps,
            passage.rejected_steps,
            passage.gradients,
            np.broadcast_to(sampled, present.shape),
            passage.risks,
            np.broadcast_to(changes, present.shape),
        )
        chosen: Mask | slice = slice(None) if present.all() else present
        self._theta[:, places][chosen] = passage.theta[chosen]
        self._time[:, places][chosen] = np.broadcast_to(passage.times, present.shape)[chosen]
        self._wall[:, places][chosen] = wall[chosen]
        self._smallest[:, places][chosen] = passage.smallest_step[chosen]
        for saved, values in zip(self._counts, counts, strict=True):
            saved[:, places][chosen] = values[chosen]

    def save_still(self, after: Array, stop: int, state: State, problem: CountedProblem, wall: Array) -> None:
        """Save stationary trajectories at the save times from `after`, (M,), to `stop`: they stay."""
        counts = _counts(state, problem)
        for m in np.flatnonzero(state.status == _STATIONARY).tolist():
            places = slice(int(after[m]), stop)
            self._theta[m, places] = state.theta[m]
            self._time[m, places] = self._times[places]
            self._wall[m, places] = wall[m]
            self._smallest[m, places] = state.smallest_step[m]
            for saved, values in zip(self._counts, counts, strict=True):
                saved[m, places] = values[m]

    def record(self, state: State) -> Record:
        """Return the record, of trajectories that have ended in a state."""
        return Record(
            times=self._times,
            theta=self._theta,
            flow_time=self._time,
            smallest_step=self._smallest,
            wall_time=self._wall,
            status=state.status,
            messages=tuple(map(cut, state.messages)),
            end_time=state.time,
            **dict(zip(COUNTERS, self._counts, strict=True)),
        )


def _counts(state: State, problem: CountedProblem) -> tuple[Integers, ...]:
    """Return the counts of a state, in the order of `record.COUNTERS`."""
    return (
        state.steps,
        state.rejected_steps,
        problem.gradients,
        problem.sample_gradients,
        problem.risks,
        state.activation_changes,
    )
