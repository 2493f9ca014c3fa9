"""Base of the methods whose steps are made of gradients and a solver_state: momentum, Adam."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gfcompare.components.component import require
from gfcompare.integrators.base import SolverState
from gfcompare.integrators.contract import check_step
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.schedules import StepSize
from gfcompare.integrators.status import Array
from gfcompare.integrators.steps import StepMethod


@dataclass(frozen=True)
class GradientMethod(StepMethod[tuple[Sequence[np.random.Generator], SolverState]], abc.ABC):
    """A step method that makes its updates from gradients and a solver_state, such as momentum or Adam.

    A subclass writes `update`; batches, the submanifold M and the count of evaluations are looked after here.

    Parameters
    ----------
    step_size : a number, in units of flow time, or a schedule
    batch_size : points drawn at each step, each trajectory its own; 0 for the gradient of the risk itself
    normalize : gradients and moves are projected to the tangent space of M, then each hidden row is
        renormalised (Eberle, Jentzen, Riekert, Weiss, arXiv:2207.06246)
    """

    deterministic: ClassVar[bool] = False  # the next state depends on the solver_state too
    step_size: StepSize = 0.01
    batch_size: int = 0
    normalize: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = isinstance(self.batch_size, int | np.integer) and not isinstance(self.batch_size, bool)
        right = whole and self.batch_size >= 0
        require(right, f"batch_size must be 0 (no batch) or a positive whole number, got {self.batch_size}.")

    @property
    def stochastic(self) -> bool:
        """True if gradients are means over random points."""
        return self.batch_size > 0

    @property
    def on_manifold(self) -> bool:
        """True if trajectories live on M."""
        return self.normalize

    @abc.abstractmethod
    def update(
        self, gradient: Callable[[Array], Array], theta: Array, solver_state: SolverState, step_size: float
    ) -> tuple[Array, SolverState]:
        """Return theta_{n+1} - theta_n, shape (M, P), and the solver_state after the step.

        Parameters
        ----------
        gradient : the gradient, (M, P), at parameters (M, P), such as theta; 0 for trajectories that ended
        theta : shape (M, P)
        solver_state : what the last call returned, `init_update` at first
        step_size : of this step
        """

    def init_update(self, problem: CountedProblem, theta: Array) -> SolverState:
        """Return what `update` remembers at first: zeros, shape (M, P), unless a subclass knows better."""
        zeros: Any = np.zeros_like(theta)
        return zeros  # type: ignore[no-any-return]

    def init(
        self, problem: CountedProblem, theta: Array, rngs: Sequence[np.random.Generator]
    ) -> tuple[Sequence[np.random.Generator], SolverState]:
        """Return the sources of randomness and what the method itself remembers."""
        return rngs, self.init_update(problem, theta)

    def step(
        self,
        problem: CountedProblem,
        theta: Array,
        solver_state: tuple[Sequence[np.random.Generator], SolverState],
        step_size: float,
    ) -> tuple[Array, tuple[Sequence[np.random.Generator], SolverState]]:
        """Return theta, shape (M, P), and solver_state after one step."""
        rngs, own = solver_state
        network = problem.network

        lost = np.zeros(len(theta), dtype=bool)

        def gradient(points: Array) -> Array:
            nonlocal lost
            points = network.retract(points) if self.normalize else points
            found = self._gradient(problem, points, rngs)
            lost |= ~np.isfinite(found).all(axis=1)
            return network.project(points, found) if self.normalize else found

        result = self.update(gradient, theta, own, step_size)
        move, own = check_step(result, theta.shape, f"{type(self).__name__}.update", "update")
        if lost.any():  # a method of signs, such as Lion, would go on from an infinite gradient
            move = np.where(lost[:, None], np.nan, move)
        if self.normalize:
            return network.retract(theta + network.project(theta, move)), (rngs, own)
        return theta + move, (rngs, own)

    def _gradient(self, problem: CountedProblem, points: Array, rngs: Sequence[np.random.Generator]) -> Array:
        """Return the gradient, or its mean over a fresh batch, for the trajectories that have not ended."""
        result = np.zeros_like(points)
        rows = problem.counted
        if self.batch_size == 0:
            result[rows] = problem.gradient(points[rows])
            return result
        for m in np.flatnonzero(rows).tolist():
            result[m] = problem.only(m).sample_gradient(points[m], self.batch_size, rngs[m])
        return result
