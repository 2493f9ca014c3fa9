"""Conserved quantities of the exact flow, and the scales of errors: for every solver in Python.

The compiled flow has the same in `kernels.balancedness`, `kernels.manifold` and `kernels.tolerances`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.evaluators.frozen import conserved_neurons
from gfcompare.kernels import balancedness, tolerances
from gfcompare.network import ReLUNetwork

Array = NDArray[np.float64]

# How far a state may leave what is conserved before a solver that cannot take a correction is restarted: a
# row's norm from 1, and balancedness, by rtol |y|^2.
_ROW, _BALANCE = 5e-4, 3.0


class Staying(Protocol):
    """The settings by which a solver stays where the exact flow stays."""

    def sizes(self, y: Array) -> Array:
        """Return the size that the absolute tolerance of each component is relative to, shape (P,)."""

    def restored(self, y: Array) -> Array:
        """Return y moved back to where the exact flow stays."""

    def velocity(self, velocity: Array, before: Array, after: Array) -> Array:
        """Return the velocity at the restored y, `after`, from that at `before`."""

    def strayed(self, y: Array, rtol: float) -> bool:
        """Return whether y has left what is conserved by more than its tolerance."""


@dataclass(frozen=True, eq=False)
class Conserved:
    """The conserved quantities of one trajectory of a flow.

    Attributes
    ----------
    network : the architecture
    flow : "standard", whose balancedness is conserved; "normalized", in rows u of any norm, which may be
        divided by it; None if nothing is known
    balance : ndarray, shape (1, sum of hidden), at the start
    output_size : size of what the network has to represent, negative for absolute tolerances that are
        absolute
    frozen : groups of parameters that stay where they are
    """

    network: ReLUNetwork
    flow: Literal["standard", "normalized"] | None
    balance: Array
    output_size: float
    frozen: Sequence[str]

    @classmethod
    def along(
        cls,
        network: ReLUNetwork,
        flow: Literal["standard", "normalized"] | None,
        y: Array,
        output_size: float,
        frozen: Sequence[str],
    ) -> Conserved:
        """Return what is conserved from y, shape (P,), on, with groups of parameters frozen."""
        with np.errstate(over="ignore", invalid="ignore"):
            balance = np.concatenate(network.balancedness(y))[None]
        known = output_size if flow is not None else -1.0
        return cls(network, flow, balance, known, frozen)

    def sizes(self, y: Array) -> Array:
        """Return the size that the absolute tolerance of each parameter is relative to, shape (P,).

        At most 1, unlike in compiled code: solvers in Python replay trajectories, and integrals along the way
        sum the errors of all parameters. With larger sizes that of |G|^2 was five times less accurate.
        """
        if self.output_size < 0.0 or self.flow is None:
            return np.ones_like(y)
        result = np.empty((1, len(y)))
        rows = np.array(y, dtype=np.float64)[None]
        output = np.array([self.output_size])
        tolerances.sizes(self.network.shape, rows, output, self.flow == "normalized", result)
        return np.asarray(np.minimum(result[0], 1.0))

    def restored(self, y: Array) -> Array:
        """Return y, shape (P,), moved back along the symmetries of the flow to where the exact flow stays."""
        if self.flow == "normalized":
            return self.network.retract(y)
        result = np.array(y, dtype=np.float64)
        if self.flow == "standard" and self.neurons.all():
            balancedness.rebalance_rows(self.network.shape, result[None], self.balance)
        elif self.flow == "standard" and self.neurons.any() and self.network.depth == 2:
            whole = result.copy()
            balancedness.rebalance_rows(self.network.shape, whole[None], self.balance)
            return np.where(self._of_neurons, whole, result)
        return result

    @cached_property
    def neurons(self) -> NDArray[np.bool_]:
        """Mask of the hidden neurons that conserve their balancedness, shape (sum of hidden,)."""
        return conserved_neurons(self.network, self.frozen)

    @cached_property
    def _of_neurons(self) -> NDArray[np.bool_]:
        """Mask of the parameters of neurons that conserve their balancedness; for one hidden layer."""
        first, last = self.network.layers(np.zeros(self.network.parameter_count, dtype=np.float64))
        rows, columns = np.zeros_like(first.weight), np.zeros_like(last.weight)
        rows[self.neurons], columns[:, self.neurons] = 1.0, 1.0
        parts = [(rows, self.neurons.astype(np.float64)), (columns, np.zeros_like(last.bias))]
        return self.network.join(parts) > 0.0

    def velocity(self, velocity: Array, before: Array, after: Array) -> Array:
        """Return the velocity at the restored y, `after`, from that at `before`: it scales as y does."""
        if self.flow is None:
            return velocity
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = np.where(before != 0.0, after / before, 1.0)
        return np.asarray(velocity * factors if self.flow == "normalized" else velocity / factors)

    def strayed(self, y: Array, rtol: float) -> bool:
        """Return whether y, shape (P,), has left what is conserved by more than its tolerance."""
        if self.flow == "normalized":
            norms = np.concatenate(self.network.row_norms(y))
            return bool(np.abs(norms - 1.0).max() > _ROW)
        if self.flow == "standard":
            found = np.empty_like(self.balance)
            balancedness.balances(self.network.shape, self.network.rows(y)[0], found)
            off = np.abs(found - self.balance)[0, self.neurons]
            return bool(off.max(initial=0.0) > _BALANCE * rtol * float(y @ y))
        return False


@dataclass(frozen=True, eq=False)
class WithIntegrals:
    """The same for a flow with further components after the parameters, of size 1: integrals along it.

    Attributes
    ----------
    flow : what is conserved of the parameters
    count : further components
    """

    flow: Conserved
    count: int

    def sizes(self, y: Array) -> Array:
        """Return the size that the absolute tolerance of each component is relative to."""
        return np.concatenate([self.flow.sizes(y[: -self.count]), np.ones(self.count)])

    def restored(self, y: Array) -> Array:
        """Return y with the parameters moved back."""
        return np.concatenate([self.flow.restored(y[: -self.count]), y[-self.count :]])

    def velocity(self, velocity: Array, before: Array, after: Array) -> Array:
        """Return the velocity at the restored y; that of the integrals does not change."""
        k = -self.count
        parameters = self.flow.velocity(velocity[:k], before[:k], after[:k])
        return np.concatenate([parameters, velocity[k:]])

    def strayed(self, y: Array, rtol: float) -> bool:
        """Return whether the parameters have left what is conserved."""
        return self.flow.strayed(y[: -self.count], rtol)
