"""A training problem: a network, a target function and an input measure."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gfcompare.components import require
from gfcompare.errors import InputError
from gfcompare.evaluators.base import Counts, Evaluator, Streams
from gfcompare.evaluators.shallow_line import ShallowLine
from gfcompare.measures import LineMeasure, Measure
from gfcompare.network import ReLUNetwork
from gfcompare.piecewise import PiecewisePolynomial
from gfcompare.targets import Target

Array = NDArray[np.float64]


class Problem:
    """The risk L(theta) = integral of |N_theta(x) - f(x)|^2 mu(dx) and its generalised gradient.

    The generalised gradient (Jentzen, Riekert, arXiv:2107.04479) is the limit of the gradients of
    smoothings of the ReLU: what back-propagation gives with derivative 0 at 0. Everything is integrated
    exactly, against the measure itself; no points are sampled unless a method asks for them.

    Parameters
    ----------
    network : with one input and one hidden layer (more inputs or more hidden layers are not supported yet)
    target : with as many outputs as the network
    measure : the input measure
    """

    def __init__(self, network: ReLUNetwork, target: Target, measure: Measure) -> None:
        if network.inputs != 1 or network.depth != 2:
            raise InputError(
                f"a problem needs widths [1, H, K] (one input, one hidden layer), got {list(network.widths)}."
            )
        require(isinstance(measure, LineMeasure), "not yet")
        assert isinstance(measure, LineMeasure)
        self._network = network
        self._target = target
        self._measure = measure
        self._density = measure.density()
        self._pieces = target.on(*measure.interval)
        if self._pieces.components != network.outputs:
            raise InputError(
                f"the target has K = {self._pieces.components} outputs, the network K = {network.outputs}: "
                f"use widths {[*network.widths[:-1], self._pieces.components]}, or another target."
            )
        self._evaluator: Evaluator = ShallowLine(network.hidden[0], self._pieces, self._density)

    @property
    def network(self) -> ReLUNetwork:
        """The network's architecture."""
        return self._network

    @property
    def target(self) -> Target:
        """The target function."""
        return self._target

    @property
    def measure(self) -> Measure:
        """The input measure."""
        return self._measure

    @property
    def target_pieces(self) -> PiecewisePolynomial:
        """The target on the measure's interval, as the piecewise polynomial that is integrated."""
        return self._pieces

    @property
    def density(self) -> PiecewisePolynomial:
        """The density of the measure, as the piecewise polynomial that is integrated."""
        return self._density

    def risk(self, theta: ArrayLike) -> Array:
        """Return the risk, shape (...), at theta, shape (..., P), in units of output squared."""
        rows, leading = self._network.rows(theta)
        return self._evaluator.risks(rows).reshape(leading)

    def gradient(self, theta: ArrayLike) -> Array:
        """Return the generalised gradient of the risk, shape (..., P), at theta, shape (..., P)."""
        rows, _ = self._network.rows(theta)
        return self._evaluator.gradients(rows).reshape(np.shape(theta))

    def sample_gradient(self, theta: ArrayLike, batch_size: int, rng: np.random.Generator) -> Array:
        """Return an unbiased estimate of the gradient from a fresh batch for each theta.

        Parameters
        ----------
        theta : shape (..., P)
        batch_size : points drawn from the measure for each theta
        rng : source of randomness
        """
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}.")
        rows, _ = self._network.rows(theta)
        points = self._measure.sample(rng, (len(rows), batch_size))
        return self._evaluator.batch_gradients(rows, points).reshape(np.shape(theta))

    def descend(
        self, theta: Array, step_sizes: Array, *, normalize: bool = False, bound: float = np.inf
    ) -> tuple[Array, Counts]:
        """Make many steps of gradient descent in compiled code.

        Parameters
        ----------
        theta : shape (M, P)
        step_sizes : shape (n,), of the n steps to make
        normalize : step along the projected gradient on M, then renormalise each hidden row
        bound : a trajectory stops at the step that takes |theta| beyond it or to no number

        Returns
        -------
        theta : shape (M, P), after the steps
        taken : shape (M,), the steps made
        """
        rows = self._network.check(theta).copy()
        taken = self._evaluator.descend(rows, step_sizes, normalize=normalize, bound=bound)
        return rows, taken

    def descend_sampled(
        self,
        theta: Array,
        step_sizes: Array,
        *,
        batch_size: int,
        streams: Streams,
        normalize: bool = False,
        bound: float = np.inf,
    ) -> tuple[Array, Counts, Streams]:
        """Make many steps of stochastic gradient descent in compiled code, each on a fresh batch.

        As `descend`; `streams`, shape (M, 4), are the states of the random streams, one a trajectory,
        and are returned advanced.
        """
        rows, states = self._network.check(theta).copy(), streams.copy()
        taken = self._evaluator.descend_sampled(
            rows, step_sizes, batch_size=batch_size, streams=states, normalize=normalize, bound=bound
        )
        return rows, taken, states
