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

import functools
import itertools
from collections.abc import Callable, Sequence
from math import comb
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.explicit import StuckError, first_positive
from gfcompare.interface import CountedProblem
from gfcompare.runge_kutta import Step

Array = NDArray[np.float64]

# A pre-activation counts as having changed its sign when it is beyond 0 by this, relative to the size of its
# neuron's row and of the points: enough for rounding.
_TOLERANCE = 1e-13

# Shares of a step at which it is looked whether an activation has changed: one that changes and changes back
# between two of them is missed.
_SHARES = np.linspace(0.0, 1.0, 9).tolist()

# A row that is projected onto kinks has vanished if no more than this is left of it.
_VANISHED = 1e-9

# Singular values of the points that a neuron slides on count as 0 below this, relative to the largest:
# points as near to each other as rounding are one point.
_SAME_POINT = 1e-11


@functools.cache
def _chord(points: int) -> Array:
    """Return what makes the control points of the chord of a curve from those at its ends, (points, 2)."""
    return np.column_stack([np.linspace(1.0, 0.0, points), np.linspace(0.0, 1.0, points)])


@functools.cache
def _bernstein(points: int) -> Array:
    """Return what makes the values of a curve at `_SHARES` from its control points, (9, points)."""
    n = points - 1
    return np.array([[comb(n, j) * s**j * (1.0 - s) ** (n - j) for j in range(points)] for s in _SHARES])


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
        self._columns = np.ascontiguousarray(self._points.T)
        self._reach = float(np.linalg.norm(self._points, axis=1).max())
        inputs, self._first = problem.network.widths[:2]
        weights = np.arange(self._first * inputs).reshape(self._first, inputs)
        # Where weights and bias of each neuron of the first layer are in theta and y.
        self._rows = np.column_stack([weights, weights.size + np.arange(self._first)])
        z = problem.pre_activations(flow.parameters(problem, y))
        self._slopes = (z > 0.0).astype(np.float64)
        # -1 where the neuron is active, so that signs * z > 0 where the sign has changed; 0 where it slides.
        self._signs = 1.0 - 2.0 * self._slopes
        self._sliding: list[tuple[int, int]] = []
        self._slider = _Slider([], self._rows, self._points)
        self._held = problem.frozen(self._slopes)
        self.changes = 0
        self.slides = 0

    @property
    def note(self) -> str:
        """What there is to say about the solution so far."""
        if not self.slides:
            return ""
        kinks = "a kink" if self.slides == 1 else f"{self.slides} kinks"
        return f"slid along {kinks}: the flow is that of Filippov, and not unique backward in time"

    def velocity(self, y: Array) -> Array:
        """Return the velocity with the activations held."""
        return self._slider.tangential(self._flow.velocity(self._held, y))

    def first_change(self, made: Step) -> float | None:
        """Return the share of a step after which an activation changes, None if none does."""
        share = self._first_layer(made)
        if len(self._signs) > self._first:
            share = self._earlier(share, made, lambda y: float(self._lateness_of_deep(y).max()), _SHARES)
        if self._sliding:
            share = self._earlier(share, made, self._excess, [0.0, 1.0])
        return share

    def _earlier(
        self, share: float | None, made: Step, lateness: Callable[[Array], float], grid: Sequence[float]
    ) -> float | None:
        """Return the share of a step just after which a function is positive, if it is so before `share`."""
        latest = 1.0 if share is None else share
        for before, after in itertools.pairwise(min(at, latest) for at in grid):
            if lateness(made.at(after)) > 0.0:
                return first_positive(lambda at: lateness(made.at(at)), before, after)
        return share

    def _first_layer(self, made: Step) -> float | None:
        """Return the share of a step after which an activation of the first layer changes, or None."""
        # A curve lies in the convex hull of its control points: how far they are from its chord bounds how
        # far a pre-activation comes beyond its values at the ends. Few need a closer look.
        control = made.control_points()
        bend = np.linalg.norm((control - _chord(len(control)) @ control[[0, -1]])[:, self._rows], axis=2).max(
            axis=0
        )
        ends = self._signs[: self._first] * (control[[0, -1]][:, self._rows] @ self._columns)
        neurons, points = np.nonzero(ends.max(axis=0) > -self._reach * bend[:, None])
        if not len(neurons):
            return None
        rows = self._rows[neurons]
        vectors = self._points[points] * self._signs[neurons, points][:, None]
        tolerance = _TOLERANCE * self._reach * np.linalg.norm(made.end[rows], axis=1)
        late = _bernstein(len(control)) @ np.einsum("cpj,pj->cp", control[:, rows], vectors) - tolerance
        # Before the end of the step the interpolant has to be trusted too. Without this margin, what has just
        # left a kink, slowly, might seem to be back.
        margin = 10.0 * self._reach * np.linalg.norm(made.deviation[rows], axis=1)
        surely = late > np.where(np.arange(len(_SHARES))[:, None] < len(_SHARES) - 1, margin, 0.0)
        if not surely.any():
            return None
        after = int(np.argmax(surely.any(axis=1)))
        chosen = surely[after]
        before = after - 1
        while before > 0 and late[before, chosen].max() > 0.0:
            before -= 1
        lateness = self._lateness_of(rows[chosen], vectors[chosen])
        return self._earlier(None, made, lateness, [_SHARES[before], _SHARES[after]])

    def _lateness_of(self, rows: NDArray[np.int64], vectors: Array) -> Callable[[Array], float]:
        """Return how far beyond 0 the furthest of some pre-activations in the first layer is: a function."""
        tolerance = _TOLERANCE * self._reach

        def furthest(y: Array) -> float:
            own = y[rows]
            z = np.einsum("pj,pj->p", own, vectors)
            return float(np.max(z - tolerance * np.linalg.norm(own, axis=1)))

        return furthest

    def _lateness_of_deep(self, y: Array, tolerance: float = _TOLERANCE) -> Array:
        """Return how far beyond 0 the pre-activations of the deeper layers are."""
        z = self._problem.pre_activations(self._flow.parameters(self._problem, y))
        late = self._signs * z - tolerance * self._reach * np.abs(y).max()
        return np.asarray(late[self._first :])

    def _late(self, y: Array) -> list[tuple[int, int]]:
        """Return the neurons and points whose pre-activation has changed its sign."""
        # Half the tolerance: that a change was located must not depend on rounding.
        own, tolerance = y[self._rows], 0.5 * _TOLERANCE
        sizes = np.linalg.norm(own, axis=1)[:, None]
        late = self._signs[: self._first] * (own @ self._columns) - tolerance * self._reach * sizes
        if len(self._signs) > self._first:
            late = np.concatenate([late, self._lateness_of_deep(y, tolerance)])
        return [(neuron, point) for neuron, point in np.argwhere(late > 0.0).tolist()]

    def switch(self, y: Array) -> Array:
        """Change what has to change at y; return y, moved onto the kinks that it begins to slide on.

        Raises
        ------
        StuckError
            if the flow slides along a kink of a deeper layer
        """
        self._release(y)
        # All of them before any is judged: several change at once where a row vanishes, or points coincide.
        late = self._late(y)
        for neuron, point in late:
            self._hold(neuron, point, self._slopes[neuron, point] == 0.0)
        for neuron, point in late:
            if neuron < self._first and not y[self._rows[neuron]].any():
                continue  # its row has vanished
            rate = self._rate(y, neuron, point)
            # A neuron that becomes inactive at its last point stops there, with rate 0: it does not slide.
            if not (rate > 0.0 if self._slopes[neuron, point] else rate <= 0.0):
                y = self._begin_slide(y, neuron, point)
        return y

    def _release(self, y: Array) -> None:
        """End the slides whose share has left [0, 1]."""
        if not self._sliding:
            return
        shares = dict(zip(self._sliding, self._shares(y).tolist(), strict=True))
        self._slide([pair for pair, share in shares.items() if 0.0 <= share <= 1.0])
        for (neuron, point), share in shares.items():
            if not 0.0 <= share <= 1.0:
                self._hold(neuron, point, share > 1.0)

    def _begin_slide(self, y: Array, neuron: int, point: int) -> Array:
        """Slide along a kink from now on; return y, moved onto it."""
        if neuron >= self._first:
            raise StuckError(f"{self._name(neuron)} slides along its kink at point {point + 1}")
        self._slopes[neuron, point] = self._signs[neuron, point] = 0.0
        self._slide([*self._sliding, (neuron, point)])
        self.slides += 1
        row, on_kink = self._rows[neuron], self._slider.tangential(y)
        if np.linalg.norm(on_kink[row]) <= _VANISHED * np.linalg.norm(y[row]):
            # Only 0 is on all these kinks: the row has come to an end there, and its neuron is inactive.
            on_kink[row] = 0.0
            self._slopes[neuron], self._signs[neuron] = 0.0, 1.0
            self._slide([pair for pair in self._sliding if pair[0] != neuron])
        return on_kink

    def _name(self, neuron: int) -> str:
        """Return what to call a neuron, counted through all layers, in messages."""
        starts = np.cumsum([0, *self._problem.network.hidden])
        layer = int(np.searchsorted(starts, neuron, side="right"))
        return f"neuron {neuron - starts[layer - 1] + 1} of layer {layer}"

    def _slide(self, pairs: list[tuple[int, int]]) -> None:
        self._sliding = pairs
        self._slider = _Slider(pairs, self._rows, self._points)

    def _hold(self, neuron: int, point: int, active: bool) -> None:
        self._slopes[neuron, point] = 1.0 if active else 0.0
        self._signs[neuron, point] = -1.0 if active else 1.0
        self.changes += 1

    def _rate(self, y: Array, neuron: int, point: int) -> float:
        """Return the rate of change of a pre-activation, with the activations held."""
        velocity = self.velocity(y)
        if neuron < self._first:
            return float(self._points[point] @ velocity[self._rows[neuron]])
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

    def _shares(self, y: Array) -> Array:
        """Return the share of the active side in each sliding velocity; it slides while all are in [0, 1]."""
        slopes = self._slopes.copy()
        for pair in self._sliding:
            slopes[pair] = 1.0
        inactive = self._flow.velocity(self._held, y)
        return self._slider.shares(inactive, self._flow.velocity(self._problem.frozen(slopes), y) - inactive)


class _Slider:
    """Velocities of the rows of neurons that slide, with their vectors (x, 1).

    Parameters
    ----------
    pairs : neurons and points
    rows : where weights and bias of each neuron are in y, shape (H, d + 1)
    points : the vectors (x, 1), shape (N, d + 1)
    """

    def __init__(self, pairs: list[tuple[int, int]], rows: NDArray[np.int64], points: Array) -> None:
        groups: dict[int, list[int]] = {}
        for number, (neuron, _) in enumerate(pairs):
            groups.setdefault(neuron, []).append(number)
        # For each neuron: its row, and the pseudo-inverse of its vectors.
        self._groups = []
        for neuron, numbers in groups.items():
            basis = points[[pairs[number][1] for number in numbers]]
            inverse = np.linalg.pinv(basis.T, rcond=_SAME_POINT)
            self._groups.append((rows[neuron], numbers, basis, inverse))
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
