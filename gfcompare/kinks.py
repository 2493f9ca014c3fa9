"""Activations at the points of a measure along a flow: held, switched at kinks, or kept on them.

On finitely many points the gradient is smooth as long as no pre-activation changes its sign at any of
them. So the activations are held while a step is made, the first change of sign in it is located on the
interpolant of the step, and the flow goes on from there with the new activations. What happens at such a
kink is the generalised (Filippov) flow: if the velocities of both sides lead across, it crosses; if both lead
towards the kink, it slides along it, with the combination of the two that stays on it; if both lead away, it
is not unique, and the inactive side is taken, as back-propagation takes s'(0) = 0.

A. F. Filippov, "Differential Equations with Discontinuous Righthand Sides", 1988,
doi:10.1007/978-94-015-7793-9; L. Dieci, L. Lopez, "A survey of numerical methods for IVPs of ODEs with
discontinuous right-hand side", doi:10.1016/j.cam.2012.02.011.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.explicit import Step, StuckError, first_positive
from gfcompare.interface import CountedProblem

Array = NDArray[np.float64]

# A pre-activation counts as having changed its sign when it is beyond 0 by this, relative to the largest
# product of a row and a point: enough for rounding.
_TOLERANCE = 1e-13


class Flow(Protocol):
    """What is needed to know of a flow: `FlowIntegrator` has it."""

    def velocity(self, problem: CountedProblem, y: Array) -> Array:
        """Return y', shape (P,), at y, shape (P,)."""

    def parameters(self, problem: CountedProblem, y: Array) -> Array:
        """Return theta at the solver's variable y, both of shape (P,)."""


class Kinks:
    """The activations of one trajectory, S hidden neurons at N points.

    Sliding is followed in the first hidden layer. There a pre-activation is linear in its row, and the
    velocities of the two sides of a kink differ by a multiple of the point (x, 1) in that row: the
    sliding velocity is the velocity of the inactive side without its component along (x, 1).

    Parameters
    ----------
    flow : the flow
    problem : on finitely many points
    y : the solver's variable at the start, shape (P,)
    """

    def __init__(self, flow: Flow, problem: CountedProblem, y: Array) -> None:
        self._flow = flow
        self._problem = problem
        self._points = np.column_stack([problem.points, np.ones(len(problem.points))])
        z = problem.pre_activations(flow.parameters(problem, y))
        self._slopes = (z > 0.0).astype(np.float64)
        # -1 where the neuron is active, so that signs * z > 0 where the sign has changed; 0 where it slides.
        self._signs = 1.0 - 2.0 * self._slopes
        self._sliding: list[tuple[int, int]] = []
        self._slider = _Slider([], self._row, self._points)
        self._held = problem.frozen(self._slopes)
        self.changes = 0
        self.slides = 0
        self._reach = float(np.linalg.norm(self._points, axis=1).max())

    def velocity(self, y: Array) -> Array:
        """Return the velocity with the activations held."""
        return self._slider.tangential(self._flow.velocity(self._held, y))

    def first_change(self, made: Step) -> float | None:
        """Return the share of a step after which an activation changes, None if none does."""
        y, tolerance = made.end, self._tolerance(made.end)
        changed = np.argwhere(self._signs * self._pre_activations(y) > tolerance)
        leaving = bool(self._sliding) and self._excess(y) > 0.0
        if not len(changed) and not leaving:
            return None
        deep = len(changed) > 0 and changed[-1, 0] >= self._problem.network.hidden[0]
        lateness = self._lateness_of_all if deep else self._lateness_of(changed)

        def late(share: float) -> float:
            y = made.at(share)
            furthest = lateness(y) - tolerance
            return max(furthest, self._excess(y)) if leaving else furthest

        return first_positive(late)

    def _lateness_of(self, pairs: NDArray[np.int64]) -> Callable[[Array], float]:
        """Return how far beyond 0 the furthest of some pre-activations of the first layer is, as a function."""
        if not len(pairs):
            return lambda y: -np.inf
        rows = np.stack([self._row(neuron) for neuron in pairs[:, 0].tolist()])
        vectors = self._points[pairs[:, 1]] * self._signs[pairs[:, 0], pairs[:, 1]][:, None]
        return lambda y: float(np.max(np.einsum("pj,pj->p", y[rows], vectors)))

    def _lateness_of_all(self, y: Array) -> float:
        return float(np.max(self._signs * self._pre_activations(y)))

    def _pre_activations(self, y: Array) -> Array:
        return self._problem.pre_activations(self._flow.parameters(self._problem, y))

    def switch(self, y: Array) -> Array:
        """Change what has to change at y; return y, moved onto the kinks that it begins to slide on.

        Raises
        ------
        StuckError
            if the flow slides along a kink of a deeper layer
        """
        if self._sliding:
            shares = self._shares(y).tolist()
            for (neuron, point), share in zip(self._sliding.copy(), shares, strict=True):
                if not 0.0 <= share <= 1.0:
                    self._slide([pair for pair in self._sliding if pair != (neuron, point)])
                    self._hold(neuron, point, share > 1.0)
        # Half the tolerance: that a change was located must not depend on rounding.
        changed = np.argwhere(self._signs * self._pre_activations(y) > 0.5 * self._tolerance(y))
        for neuron, point in changed.tolist():
            y = self._cross(y, neuron, point)
        return y

    def _cross(self, y: Array, neuron: int, point: int) -> Array:
        """Change an activation if the velocity on the other side leads on; otherwise slide."""
        active = self._slopes[neuron, point] == 0.0
        self._hold(neuron, point, active)
        rate = self._rate(y, neuron, point)
        if rate > 0.0 if active else rate < 0.0:
            return y
        if neuron >= self._problem.network.hidden[0]:
            raise StuckError(f"neuron {neuron + 1} slides along the kink at point {point + 1}")
        self._slopes[neuron, point] = self._signs[neuron, point] = 0.0
        self._slide([*self._sliding, (neuron, point)])
        self.slides += 1
        row, vector = self._row(neuron), self._points[point]
        on_kink = y.copy()
        on_kink[row] -= (vector @ y[row]) / (vector @ vector) * vector
        return on_kink

    def _slide(self, pairs: list[tuple[int, int]]) -> None:
        self._sliding = pairs
        self._slider = _Slider(pairs, self._row, self._points)

    def _hold(self, neuron: int, point: int, active: bool) -> None:
        self._slopes[neuron, point] = 1.0 if active else 0.0
        self._signs[neuron, point] = -1.0 if active else 1.0
        self.changes += 1

    def _rate(self, y: Array, neuron: int, point: int) -> float:
        """Return the rate of change of a pre-activation, with the activations held."""
        velocity = self.velocity(y)
        if neuron < self._problem.network.hidden[0]:
            return float(self._points[point] @ velocity[self._row(neuron)])
        # Deeper down it is a polynomial in y: a central difference.
        size = 1e-6 * (1.0 + float(np.linalg.norm(y))) / max(float(np.linalg.norm(velocity)), 1e-300)
        ends = [
            self._problem.pre_activations(
                self._flow.parameters(self._problem, y + sign * size * velocity), self._slopes
            )[neuron, point]
            for sign in (1.0, -1.0)
        ]
        return float(ends[0] - ends[1]) / (2.0 * size)

    def _excess(self, y: Array) -> float:
        """Return by how much a share is outside [0, 1], negative if none is."""
        shares = self._shares(y)
        return float(np.max(np.maximum(-shares, shares - 1.0)))

    def _tolerance(self, y: Array) -> float:
        return _TOLERANCE * self._reach * float(np.abs(y).max())

    def _shares(self, y: Array) -> Array:
        """Return the share of the active side in each sliding velocity; it slides while all are in [0, 1]."""
        slopes = self._slopes.copy()
        for pair in self._sliding:
            slopes[pair] = 1.0
        inactive = self._flow.velocity(self._held, y)
        return self._slider.shares(inactive, self._flow.velocity(self._problem.frozen(slopes), y) - inactive)

    def _row(self, neuron: int) -> NDArray[np.int64]:
        """Return where weights and bias of a neuron of the first layer are in theta."""
        inputs, hidden = self._problem.network.widths[:2]
        return np.append(np.arange(neuron * inputs, (neuron + 1) * inputs), hidden * inputs + neuron)


class _Slider:
    """Velocities of the rows of neurons that slide, with their vectors (x, 1).

    Parameters
    ----------
    pairs : neurons and points
    row : returns where a neuron's weights and bias are in theta
    points : the vectors (x, 1), shape (N, d + 1)
    """

    def __init__(
        self, pairs: list[tuple[int, int]], row: Callable[[int], NDArray[np.int64]], points: Array
    ) -> None:
        groups: dict[int, list[int]] = {}
        for number, (neuron, _) in enumerate(pairs):
            groups.setdefault(neuron, []).append(number)
        # For each neuron: its row, and the pseudo-inverse of its vectors.
        self._groups = []
        for neuron, numbers in groups.items():
            basis = points[[pairs[number][1] for number in numbers]]
            self._groups.append((row(neuron), numbers, basis, np.linalg.pinv(basis.T)))
        self._count = len(pairs)

    def tangential(self, velocity: Array) -> Array:
        """Return a velocity, shape (P,), without the components that lead off the kinks."""
        if not self._groups:
            return velocity
        result = velocity.copy()
        for row, _, basis, inverse in self._groups:
            result[row] -= (inverse @ velocity[row]) @ basis
        return result

    def shares(self, inactive: Array, jump: Array) -> Array:
        """Return the shares of the active sides for which the velocity stays on the kinks.

        With the velocities v of the inactive and v + J of the active sides, J = sum of kappa_n (x_n, 1) in a
        row, they make v + sum of share_n kappa_n (x_n, 1) orthogonal to the vectors.
        """
        result = np.empty(self._count)
        for row, numbers, _, inverse in self._groups:
            wanted, kappa = -(inverse @ inactive[row]), inverse @ jump[row]
            with np.errstate(divide="ignore", invalid="ignore"):
                # With kappa >= 0 the active side does not lead back to the kink.
                result[numbers] = np.where(kappa < 0.0, wanted / kappa, np.where(wanted < 0.0, 2.0, -1.0))
        return np.nan_to_num(result, nan=-1.0, posinf=2.0, neginf=-1.0)
