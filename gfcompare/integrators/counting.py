"""A problem that counts what each trajectory evaluates: costs are measured by the core, not by the method."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gfcompare.components.errors import InputError
from gfcompare.integrators.status import DIVERGENCE_NORM, Array, Integers, Mask
from gfcompare.kernels.flow import FlowSaves, FlowSettings, FlowTables
from gfcompare.measures import Measure, PointMeasure
from gfcompare.network import ReLUNetwork
from gfcompare.problem import Problem
from gfcompare.targets import Target


class CountedProblem:
    """A problem that counts what each trajectory evaluates, so that counts are never self-reported.

    This is what a method is handed as `problem`. Row m of what it passes belongs to trajectory m.

    Attributes
    ----------
    gradients, sample_gradients, risks : ndarray of int64, shape (M,)
        evaluations of the population gradient, of gradients at one sample point, of the risk
    """

    def __init__(self, problem: Problem, trajectories: int) -> None:
        self._problem = problem
        self.gradients = np.zeros(trajectories, dtype=np.int64)
        self.sample_gradients = np.zeros(trajectories, dtype=np.int64)
        self.risks = np.zeros(trajectories, dtype=np.int64)
        self._derivatives: Array | None = None
        self._rows: int | slice | Mask = slice(None)
        self._owners = trajectories

    def only(self, rows: int | Mask) -> CountedProblem:
        """Return the same problem and counters, counting for one or some of the trajectories only.

        With a mask, row m still belongs to trajectory m; with a number, every row to that trajectory.
        """
        view = object.__new__(CountedProblem)
        view.__dict__.update(self.__dict__)
        view._rows = rows
        view._owners = len(self.gradients) if isinstance(rows, np.ndarray) else 1
        return view

    def with_activations(self, derivatives: Array) -> CountedProblem:
        """Return the same problem and counters with the activations held, on finitely many points.

        Its `gradient` takes theta of shape (P,) and is smooth: see `Problem.gradient_with`.
        """
        view = object.__new__(CountedProblem)
        view.__dict__.update(self.__dict__)
        view._derivatives = derivatives
        return view

    @property
    def counted(self) -> Mask:
        """Mask of the trajectories that are counted for, shape (M,): those that have not ended."""
        mask = np.zeros(len(self.gradients), dtype=bool)
        mask[self._rows] = True
        return mask

    @cached_property
    def network(self) -> ReLUNetwork:
        """The network's architecture."""
        return self._problem.network

    @cached_property
    def target(self) -> Target:
        """The target function."""
        return self._problem.target

    @cached_property
    def measure(self) -> Measure:
        """The input measure."""
        return self._problem.measure

    @cached_property
    def smooth(self) -> bool:
        """True if the gradient is continuous along a flow: not for a measure on finitely many points."""
        return self._problem.smooth

    @property
    def points(self) -> Array:
        """The points of a measure on points, shape (N, d)."""
        measure = self._problem.measure
        if not isinstance(measure, PointMeasure):
            raise InputError("only a measure on points has points.")
        return measure.points

    def pre_activations(self, theta: Array, derivatives: Array | None = None) -> Array:
        """Return the pre-activations, (sum of H_k, N), on finitely many points; this is not counted."""
        if derivatives is None:
            return self._problem.pre_activations(theta)
        return self._problem.pre_activations(theta, derivatives)

    def _share(self, theta: ArrayLike) -> int:
        """Return how many evaluations each counted trajectory is charged for theta, (..., P)."""
        leading = np.shape(theta)[:-1]
        return -(-math.prod(leading) // self._owners) if leading else 1

    def risk(self, theta: ArrayLike) -> Array:
        """Return the risk, shape (...), at theta, shape (..., P)."""
        self.risks[self._rows] += self._share(theta)
        return self._problem.risk(theta)

    def gradient(self, theta: ArrayLike) -> Array:
        """Return the generalised gradient, shape (..., P), at theta, shape (..., P)."""
        leading = np.shape(theta)[:-1]
        self.gradients[self._rows] += -(-math.prod(leading) // self._owners) if leading else 1
        if self._derivatives is not None:
            return self._problem.gradient_with(np.asarray(theta, dtype=np.float64), self._derivatives)
        return self._problem.gradient(theta)

    def hessian_product(self, theta: ArrayLike, vector: ArrayLike) -> Array:
        """Return the Hessian times a vector, both of shape (..., P); each counts as two gradients.

        That is what it costs by differences; see `Problem.hessian_product`.
        """
        self.gradients[self._rows] += 2 * self._share(theta)
        return self._problem.hessian_product(theta, vector)

    def hessian(self, theta: ArrayLike) -> Array:
        """Return the exact Hessian, shape (..., P, P), where there is one; it counts as P gradients.

        That is what it costs by differences; see `Problem.hessian`.
        """
        self.gradients[self._rows] += self.network.parameter_count * self._share(theta)
        return self._problem.hessian(theta)

    def sample_gradient(self, theta: ArrayLike, batch_size: int, rng: np.random.Generator) -> Array:
        """Return the mean gradient over a fresh batch, shape (..., P)."""
        self.sample_gradients[self._rows] += batch_size * self._share(theta)
        return self._problem.sample_gradient(theta, batch_size, rng)

    @property
    def frozen(self) -> tuple[str, ...]:
        """The groups of parameters that stay where they are."""
        return self._problem.frozen

    @property
    def free(self) -> NDArray[np.bool_]:
        """Mask of the parameters that move, shape (P,)."""
        return self._problem.free

    @cached_property
    def has_compiled_flow(self) -> bool:
        """True if the flows of this problem are integrated in compiled code."""
        return self._problem.has_compiled_flow

    @cached_property
    def has_hessian(self) -> bool:
        """True if `hessian` is there."""
        return self._problem.has_hessian

    @property
    def has_dense_flow(self) -> bool:
        """True if `advance_flow` solves linear systems directly too, with the exact Hessian."""
        return self._problem.has_dense_flow

    def advance_flow(
        self,
        tables: FlowTables,
        times: Array,
        saves: FlowSaves,
        settings: FlowSettings,
        *,
        dense: bool = False,
    ) -> tuple[FlowTables, Integers]:
        """Integrate a flow through times, shape (B,); see `Problem.advance_flow`.

        What is saved is written to `saves`, for the trajectories that are counted for.

        Returns
        -------
        tables : moved on, for the trajectories that are counted for
        ends : shape (M,), 0 for those that have reached the last time, otherwise as `kernels.ndf.advance` has
            them
        """
        counted = self.counted
        moved = tables.moving(bool((tables.clocks[counted, 0] < times[-1]).any()))
        ends = np.where(counted, 0, -1)
        self._problem.advance_flow(moved, times, saves, ends, settings, dense=dense)
        if moved.counts is not tables.counts:
            self.gradients += moved.counts[:, 3] - tables.counts[:, 3]
        return moved, np.maximum(ends, 0)

    def growth_rate(self, y: Array, bound: float, *, normalize: bool) -> float:
        """Return how fast deviations of a flow grow at y, shape (P,); see `Problem.growth_rate`."""
        rate, gradients = self._problem.growth_rate(y, bound, normalize=normalize)
        self.gradients[self._rows] += gradients
        return rate

    def dormant_rates(self, theta: Array, logs: Array, *, normalize: bool) -> Array:
        """Return the rates of dormant neurons, shape (H,); see `Problem.dormant_rates`."""
        return self._problem.dormant_rates(theta, logs, normalize=normalize)

    def restore_dormant(self, thetas: Array, logs: Array) -> None:
        """Put dormant neurons to where they are, in place; see `Problem.restore_dormant`."""
        self._problem.restore_dormant(thetas, logs)

    def descend(self, theta: Array, step_sizes: Array, *, normalize: bool = False) -> tuple[Array, Integers]:
        """Make many steps of gradient descent in compiled code; see `Problem.descend`.

        Rows that are not counted for stay where they are.
        """
        result = theta.copy()
        taken = np.zeros(len(theta), dtype=np.int64)
        result[self._rows], taken[self._rows] = self._problem.descend(
            theta[self._rows], step_sizes, normalize=normalize, bound=DIVERGENCE_NORM
        )
        self.gradients += taken
        return result, taken

    def descend_sampled(
        self,
        theta: Array,
        step_sizes: Array,
        *,
        batch_size: int,
        streams: NDArray[np.uint64],
        normalize: bool = False,
    ) -> tuple[Array, Integers, NDArray[np.uint64]]:
        """Make many steps of stochastic gradient descent; see `Problem.descend_sampled`.

        Rows that are not counted for stay where they are.
        """
        result, states = theta.copy(), streams.copy()
        taken = np.zeros(len(theta), dtype=np.int64)
        result[self._rows], taken[self._rows], states[self._rows] = self._problem.descend_sampled(
            theta[self._rows],
            step_sizes,
            batch_size=batch_size,
            streams=streams[self._rows],
            normalize=normalize,
            bound=DIVERGENCE_NORM,
        )
        self.sample_gradients += batch_size * taken
        return result, taken, states
