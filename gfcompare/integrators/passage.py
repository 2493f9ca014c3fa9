"""A passage: states and counts of trajectories at several save times that a method went through at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gfcompare.integrators.base import State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.status import Array, Integers


@dataclass(frozen=True)
class Passage:
    """M trajectories on their way through B save times, filled in as they go.

    Attributes
    ----------
    times : ndarray, shape (B,)
    reached : ndarray of int64, shape (M,)
        how many of the times a trajectory has reached; it has ended on the way to the next
    theta : ndarray, shape (M, B, P)
        anything where a time was not reached
    steps, rejected_steps, gradients, risks : ndarray of int64, shape (M, B)
        as counted until then; after the times that were reached, at the end
    smallest_step : ndarray, shape (M, B)
    remarked : ndarray of bool, shape (M, B)
        whether the remark on a trajectory was known then
    remarks : M sentences, empty where there is nothing to say
    """

    times: Array
    reached: Integers
    theta: Array
    steps: Integers
    rejected_steps: Integers
    gradients: Integers
    risks: Integers
    smallest_step: Array
    remarked: NDArray[np.bool_]
    remarks: tuple[str, ...] = ()

    @classmethod
    def empty(cls, trajectories: int, times: Array, parameters: int) -> Passage:
        """Return that of trajectories that have reached no time yet."""
        shape = (trajectories, len(times))
        steps, rejected, gradients, risks = np.zeros((4, *shape), dtype=np.int64)
        return cls(
            times=times,
            reached=np.zeros(trajectories, dtype=np.int64),
            theta=np.empty((*shape, parameters)),
            steps=steps,
            rejected_steps=rejected,
            gradients=gradients,
            risks=risks,
            smallest_step=np.full(shape, np.nan),
            remarked=np.ones(shape, dtype=bool),
        )

    def progress(self, before: Integers, running: NDArray[np.bool_]) -> Array:
        """Return the share of the work done until each time, shape (B,), by gradients and times.

        Parameters
        ----------
        before : shape (M,), gradients at the beginning
        running : shape (M,), trajectories that were under way
        """
        done = (self.gradients - before[:, None])[running].sum(axis=0)
        done += np.count_nonzero(running) * np.arange(1, len(self.times) + 1)
        return np.asarray(done / done[-1])

    def closed(self, state: State, problem: CountedProblem) -> Passage:
        """Return the passage that ends in a state: with remarks, and counts where times were not reached."""
        self._count_the_rest(state, problem)
        return replace(self, remarks=state.messages)

    def _count_the_rest(self, state: State, problem: CountedProblem) -> None:
        missing = np.arange(len(self.times)) >= self.reached[:, None]
        if not missing.any():
            return
        counts = (state.steps, state.rejected_steps, problem.gradients, problem.risks)
        places = np.nonzero(missing)[0]
        for saved, values in zip(
            (self.steps, self.rejected_steps, self.gradients, self.risks), counts, strict=True
        ):
            saved[missing] = values[places]
