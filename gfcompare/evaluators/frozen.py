"""Groups of parameters that stay where they are: the risk is one of the others."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gfcompare.components.errors import InputError
from gfcompare.evaluators.base import Applicability, Array, Counts, Evaluator, Streams
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.evaluators.quadrature import Rule, SlicesRule
from gfcompare.network import ReLUNetwork

# The growth of deviations is looked for in the exact Hessian, up to so many parameters.
_LARGEST_HESSIAN = 800


def frozen_groups(network: ReLUNetwork, groups: Iterable[str]) -> tuple[str, ...]:
    """Return the names of frozen groups, each once, in the order of the network.

    Raises
    ------
    InputError
        if there is no such group, or nothing is left to be learnt
    """
    given = groups if isinstance(groups, str) else tuple(groups)
    if network.members(given).all():
        raise InputError(f"frozen must leave some parameters free, got {list(given)}.")
    return tuple(group for group in network.groups if group in given)


def conserved_neurons(network: ReLUNetwork, frozen: Iterable[str]) -> NDArray[np.bool_]:
    """Return which hidden neurons conserve their balancedness along the standard flow, (sum of hidden,).

    Those whose row, bias and outgoing column are all free: the identity of Du, Hu, Lee (arXiv:1806.00900)
    compares the velocities of all three.

    Parameters
    ----------
    network : the architecture
    frozen : groups of parameters
    """
    fixed = network.layers(network.members(frozen).astype(np.float64))
    neurons = [
        ~(one.weight.any(axis=-1) | (one.bias != 0.0) | following.weight.any(axis=-2))
        for one, following in itertools.pairwise(fixed)
    ]
    return np.concatenate(neurons)


class FrozenParameters(Evaluator):
    """An evaluator whose gradient and Hessian are 0 for frozen parameters.

    Steps and flows are made from its gradients, one after the other: compiled descent and compiled flows
    know nothing of frozen parameters.

    Parameters
    ----------
    evaluator : of the risk as a function of all parameters
    free : shape (P,), which parameters move
    """

    name: ClassVar[str] = "frozen-parameters"
    measures: ClassVar[tuple[type[Any], ...]] = ()

    def __init__(self, evaluator: Evaluator, free: NDArray[np.bool_]) -> None:
        super().__init__(evaluator.network, evaluator.sampler)
        self._evaluator, self._free = evaluator, free
        self._known = evaluator.has_hessian

    @property
    def has_hessian(self) -> bool:  # type: ignore[override]
        """True if the evaluator has an exact Hessian."""
        return self._known

    @classmethod
    def applies(cls, parts: ProblemParts) -> Applicability:
        """Return that it is never chosen: it goes round the evaluator that is."""
        return Applicability.no("it goes round another evaluator")

    def risks(self, thetas: Array) -> Array:
        """Return the risk at each row, shape (M,)."""
        return self._evaluator.risks(thetas)

    def gradients(self, thetas: Array) -> Array:
        """Return the gradient at each row, shape (M, P), 0 for frozen parameters."""
        return np.where(self._free, self._evaluator.gradients(thetas), 0.0)

    def batch_gradients(self, thetas: Array, points: Array, values: Array) -> Array:
        """Return the mean gradient over row m of `points`, (M, n, d), at each row, 0 if frozen."""
        return np.where(self._free, self._evaluator.batch_gradients(thetas, points, values), 0.0)

    def hessians(self, thetas: Array) -> Array:
        """Return the Hessian at each row, shape (M, P, P), 0 in rows and columns of frozen parameters."""
        return np.where(self._free & self._free[:, None], self._evaluator.hessians(thetas), 0.0)

    def data(self) -> Iterable[Array]:
        """Return the arrays that determine risk and gradient, besides the network."""
        return (*self._evaluator.data(), self._free.astype(np.float64))

    @property
    def cost(self) -> float:
        """Roughly the operations of a gradient."""
        return self._evaluator.cost

    @property
    def rule(self) -> Rule | SlicesRule | None:
        """The quadrature rule in use; None if there is none."""
        return self._evaluator.rule

    def comparisons(self) -> Sequence[Evaluator]:
        """Return evaluators by finer rules, to which that of a quadrature is compared; the finest first."""
        return [FrozenParameters(other, self._free) for other in self._evaluator.comparisons()]

    def growth_rate(self, y: Array, bound: float, normalize: bool) -> tuple[float, int]:
        """Return the growth rate of deviations at y, (P,), 0 if below `bound`; and the gradients taken.

        From the exact Hessian, where there is one; on M, and for many parameters, growth is not looked for.
        """
        if normalize or not self.has_hessian or len(y) > _LARGEST_HESSIAN:
            return 0.0, 0
        hessian = self.hessians(y[None])[0][np.ix_(self._free, self._free)]
        if not np.isfinite(hessian).all():
            return 0.0, len(y)
        rate = -float(np.linalg.eigvalsh(hessian)[0])
        return (rate if rate > bound else 0.0), len(y)

    def descend_sampled(
        self,
        thetas: Array,
        step_sizes: Array,
        *,
        batch_size: int,
        streams: Streams,
        normalize: bool,
        bound: float,
    ) -> Counts:
        """Make steps of stochastic gradient descent in place, with streams (M, 4) for the batches."""
        taken = np.zeros(len(thetas), dtype=np.int64)
        inside = np.arange(len(thetas))
        for size in step_sizes:
            own, rows = streams[inside], thetas[inside]
            points, values = self.sampler(own, batch_size)
            streams[inside] = own
            gradient = self.batch_gradients(rows, points, values)
            if normalize:
                gradient = self.network.project(rows, gradient)
            rows = rows - size * gradient
            thetas[inside] = self.network.retract(rows) if normalize else rows
            taken[inside] += 1
            inside = inside[np.einsum("mp,mp->m", thetas[inside], thetas[inside]) <= bound * bound]
            if not inside.size:
                break
        return taken
