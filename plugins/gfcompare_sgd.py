"""Stochastic gradient descent with a fresh batch at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

import gfcompare as gfc


@dataclass(frozen=True)
class StochasticGradientDescent(gfc.StepMethod[NDArray[np.uint64]]):
    """Stochastic gradient descent: the gradient is a mean over a fresh batch drawn from the measure.

    Every trajectory has its own random stream, which depends on the study seed and its seed alone: two
    step sizes see the same points. Whole blocks of steps run in compiled code.

    Parameters
    ----------
    step_size : a number, in units of flow time, or a schedule
    batch_size : points drawn at each step
    normalize : step along the projected gradient on M, then renormalise each hidden row
    """

    name: ClassVar[str] = "sgd"
    deterministic: ClassVar[bool] = False
    step_size: gfc.StepSize = 0.01
    batch_size: int = 32
    normalize: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size < 1 or int(self.batch_size) != self.batch_size:
            raise gfc.InputError(f"batch_size must be at least 1, a whole number, got {self.batch_size}.")

    @property
    def stochastic(self) -> bool:
        """True if the method draws random numbers: always."""
        return True

    @property
    def on_manifold(self) -> bool:
        """True if trajectories live on M."""
        return self.normalize

    def init(
        self, problem: gfc.CountedProblem, theta: gfc.Array, rngs: Sequence[np.random.Generator]
    ) -> NDArray[np.uint64]:
        """Return the random streams, shape (M, 4)."""
        return np.stack([rng.integers(0, 2**64, size=4, dtype=np.uint64) for rng in rngs])

    def step_block(
        self,
        problem: gfc.CountedProblem,
        theta: gfc.Array,
        solver_state: NDArray[np.uint64],
        sizes: gfc.Array,
    ) -> tuple[gfc.Array, NDArray[np.uint64], NDArray[np.int64]]:
        """Make a block of steps."""
        theta, taken, solver_state = problem.descend_sampled(
            theta, sizes, batch_size=self.batch_size, streams=solver_state, normalize=self.normalize
        )
        return theta, solver_state, taken


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [StochasticGradientDescent]
