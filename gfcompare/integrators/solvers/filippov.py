"""Activations at the points of a measure along a flow: held, switched at kinks, or kept on them.

On finitely many points the gradient is smooth as long as no pre-activation changes its sign at any of
them. So the activations are held while a step is made, the first change of sign in it is located on the
interpolant of the step, and the flow goes on from there with the new activations. What happens at such a
kink is the generalised (Filippov) flow: if the velocities of both sides lead across, it crosses; if both lead
towards the kink, it slides along it, with the combination of the two that stays on it; if both lead away, it
is not unique, and the inactive side is taken, as back-propagation takes s'(0) = 0. Coincident points have one
kink: they are taken together. Where all pre-activations of a neuron become 0 at once its row has vanished.
It may stay 0, and in general may leave 0 in several directions: the flow is not unique, and it stays.

A. F. Filippov, "Differential Equations with Discontinuous Righthand Sides", 1988,
doi:10.1007/978-94-015-7793-9; L. Dieci, L. Lopez, "A survey of numerical methods for IVPs of ODEs with
discontinuous right-hand side", doi:10.1016/j.cam.2012.02.011.
"""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from math import comb
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.solvers.events import StuckError, first_positive
from gfcompare.integrators.solvers.runge_kutta import Step
from gfcompare.integrators.solvers.sliding import Sliding, chosen, coincident, rank

Array = NDArray[np.float64]

# A pre-activation counts as having changed its sign when it is beyond 0 by this, relative to the size of its
# neuron's row and of the points: enough for rounding.
_TOLERANCE = 1e-13

# Shares of a step at which it is looked whether an activation has changed: one that changes and changes back
# between two of them is missed.
_SHARES = np.linspace(0.0, 1.0, 9).tolist()

# A row whose pre-activations change at once has vanished if no more than this is left of it.
_VANISHED = 1e-9


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
    """The part of a flow's interface used here: `FlowIntegrator` has it."""

    def velocity(self, problem: CountedProblem, y: Array) -> Array:
        """Return y', shape (P,), at y, shape (P,)."""

    def parameters(self, problem: CountedProblem, y: Array) -> Array:
        """Return theta at the solver's variable y, both of shape (P,)."""


class Kinks:
    """The activations of one trajectory, S hidden neurons at N points, G of them distinct.

    Sliding is followed in the first hidden layer. There a pre-activation is linear in its row, and the
    velocities of the two sides of a kink differ by a multiple of the point (x, 1) in that row: the
    sliding velocity is the velocity of the inactive side without its component along (x, 1). Points are
    counted by groups of coincident ones throughout: what each did alone would be for rounding to decide.

    Parameters
    ----------
    flow : the flow
    problem : on finitely many points
    y : the solver's variable at the start, shape (P,)
    """

    def __init__(self, flow: Flow, problem: CountedProblem, y: Array) -> None:
        self._flow = flow
        self._problem = problem
        points = np.column_stack([problem.points, np.ones(len(problem.points))])
        self._reach = float(np.linalg.norm(points, axis=1).max())
        # Points nearer than this are beyond 0 together.
        self._ones, self._group = coincident(points, _TOLERANCE * self._reach)
        self._multiplicity = np.bincount(self._group)
        self._points = points[self._ones]
        self._columns = np.ascontiguousarray(self._points.T)
        inputs, self._first = problem.network.widths[:2]
        weights = np.arange(self._first * inputs).reshape(self._first, inputs)
        # Where weights and bias of each neuron of the first layer are in theta and y.
        self._rows = np.column_stack([weights, weights.size + np.arange(self._first)])
        z = self._pre_activations(y)
        self._derivatives = (z > 0.0).astype(np.float64)
        # -1 where the neuron is active, so that signs * z > 0 where the sign has changed; 0 where it slides.
        self._signs = 1.0 - 2.0 * self._derivatives
        self._sliding: dict[int, Sliding] = {}
        self._held = self._with(self._derivatives)
        # Size of each row at the start of the last step: what it has vanished against.
        self._sizes = np.linalg.norm(y[self._rows], axis=1)
        self.changes = 0
        self.slides = 0
        self.vanished = 0

    def _with(self, derivatives: Array) -> CountedProblem:
        """Return the problem with given activations, shape (S, G)."""
        return self._problem.with_activations(np.ascontiguousarray(derivatives[:, self._group]))

    def _pre_activations(self, y: Array, derivatives: Array | None = None) -> Array:
        """Return the pre-activations, shape (S, G), with given activations, (S, G), if there are any."""
        theta = self._flow.parameters(self._problem, y)
        expanded = None if derivatives is None else np.ascontiguousarray(derivatives[:, self._group])
        return self._problem.pre_activations(theta, expanded)[:, self._ones]

    @property
    def note(self) -> str:
        """Return remarks on the solution so far."""
        parts = []
        if self.slides:
            kinks = "a kink" if self.slides == 1 else f"{self.slides} kinks"
            parts.append(f"slid along {kinks}: the flow is that of Filippov, and not unique backward in time")
        if self.vanished:
            rows = "the row of a neuron" if self.vanished == 1 else f"the rows of {self.vanished} neurons"
            parts.append(
                f"{rows} shrank to 0: from there the continuation is in general not unique, and the one that "
                "stays at 0 was taken"
            )
        return "; ".join(parts)

    def velocity(self, y: Array) -> Array:
        """Return the velocity with the activations held."""
        return self._tangential(self._flow.velocity(self._held, y))

    def _tangential(self, velocity: Array) -> Array:
        """Return a velocity, shape (P,), without the components that lead off the kinks."""
        if not self._sliding:
            return velocity
        result = velocity.copy()
        for sliding in self._sliding.values():
            result[sliding.row] = sliding.tangential(velocity[sliding.row])
        return result

    def first_change(self, made: Step) -> float | None:
        """Return the share of a step after which an activation changes, None if none does."""
        self._sizes = np.linalg.norm(made.start[self._rows], axis=1)
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
        margin = 10.0 * self._reach * np.linalg.norm(made.error_estimate[rows], axis=1)
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
        z = self._pre_activations(y)
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
            if the flow slides along a kink of a deeper layer, or nothing leads on from where kinks meet
        """
        released = self._release(y)
        # All of them before any is judged: several change at once where a row vanishes.
        late = self._late(y)
        for neuron, point in late:
            self._hold(neuron, point, self._derivatives[neuron, point] == 0.0)
        affected: dict[int, list[int]] = defaultdict(list)
        for neuron, point in late:
            affected[neuron].append(point)
        for neuron in sorted({*affected, *released}):
            if neuron < self._first:
                y = self._settle(y, neuron, affected[neuron])
            else:
                self._check_deep(y, neuron, affected[neuron])
        return y

    def _check_deep(self, y: Array, neuron: int, points: list[int]) -> None:
        """Raise StuckError unless the flow leads across the kinks that a neuron has come to."""
        for point in points:
            rate = self._deep_rate(y, neuron, point)
            # A neuron that becomes inactive at its last point stops there, with rate 0: it does not slide.
            if not (rate > 0.0 if self._derivatives[neuron, point] else rate <= 0.0):
                raise StuckError(f"{self._name(neuron)} slides along its kink at {self._called(point)}")

    def _settle(self, y: Array, neuron: int, late: list[int]) -> Array:
        """Choose what a neuron of the first layer does at its kinks; return y, moved onto where it slides."""
        row, before = self._rows[neuron], self._sliding.get(neuron)
        old = before.points if before else []
        points = [*old, *late]
        if not points:
            return y
        vectors = self._points[points]
        small = np.linalg.norm(y[row]) <= _VANISHED * self._sizes[neuron]
        if late and rank(vectors) == len(row) and (small or (before and before.rank == len(row) - 1)):
            return self._vanish(y, neuron)
        inactive, kappas = self._influence(y, neuron, points)
        sides = chosen(inactive, vectors, kappas, self._derivatives[neuron, points])
        if sides is None:
            places = ", ".join(self._called(point) for point in points)
            raise StuckError(f"{self._name(neuron)}: no flow leads on from its kinks at {places}")
        slides = sides == 0.5
        if rank(vectors[slides]) == len(row):
            return self._vanish(y, neuron)
        returned = (
            np.array([p in late for p in points]) & ~slides & (sides != self._derivatives[neuron, points])
        )
        for point, side in zip(points, sides.tolist(), strict=True):
            self._derivatives[neuron, point] = float(side == 1.0)
            self._signs[neuron, point] = 0.0 if side == 0.5 else 1.0 - 2.0 * side
        self._slide(neuron, [point for point, slide in zip(points, slides, strict=True) if slide])
        self.slides += sum(point not in old for point in self._slides_of(neuron))
        # Those that turn back are put on their kinks too: they must not seem to have come across.
        on = slides | returned
        if on.any():
            y = y.copy()
            y[row] = Sliding(row, [], vectors[on]).tangential(y[row])
        return y

    def _vanish(self, y: Array, neuron: int) -> Array:
        """Let the row of a neuron end at 0, where the neuron is inactive; return y with it."""
        y = y.copy()
        y[self._rows[neuron]] = 0.0
        self._derivatives[neuron], self._signs[neuron] = 0.0, 1.0
        self._slide(neuron, [])
        self.vanished += 1
        return y

    def _influence(self, y: Array, neuron: int, points: list[int]) -> tuple[Array, Array]:
        """Return the velocity of a row while inactive at some points, and what being active at each adds.

        The second, shape (m,), is in units of (x, 1).
        """
        row, derivatives = self._rows[neuron], self._derivatives.copy()
        derivatives[neuron, points] = 0.0
        inactive = self._flow.velocity(self._with(derivatives), y)[row]
        kappas = np.empty(len(points))
        for number, point in enumerate(points):
            derivatives[neuron, point] = 1.0
            jump = self._flow.velocity(self._with(derivatives), y)[row] - inactive
            derivatives[neuron, point] = 0.0
            kappas[number] = jump @ self._points[point] / (self._points[point] @ self._points[point])
        return inactive, kappas

    def _release(self, y: Array) -> list[int]:
        """End the slides whose share has left [0, 1]; return the neurons that they were of."""
        left = []
        for neuron, shares in self._shares(y).items():
            inside = (shares >= 0.0) & (shares <= 1.0)
            if inside.all():
                continue
            left.append(neuron)
            points = self._slides_of(neuron)
            for point, share in zip(points, shares.tolist(), strict=True):
                if not 0.0 <= share <= 1.0:
                    self._hold(neuron, point, share > 1.0)
            self._slide(neuron, [point for point, stays in zip(points, inside, strict=True) if stays])
        self._held = self._with(self._derivatives)
        return left

    def _slides_of(self, neuron: int) -> list[int]:
        """Return the points that a neuron slides on."""
        return self._sliding[neuron].points if neuron in self._sliding else []

    def _slide(self, neuron: int, points: list[int]) -> None:
        """Let a neuron slide on some points and no others."""
        self._sliding.pop(neuron, None)
        if points:
            self._sliding[neuron] = Sliding(self._rows[neuron], points, self._points[points])
        self._held = self._with(self._derivatives)

    def _hold(self, neuron: int, point: int, active: bool) -> None:
        self._derivatives[neuron, point] = 1.0 if active else 0.0
        self._signs[neuron, point] = -1.0 if active else 1.0
        self._held = self._with(self._derivatives)
        self.changes += int(self._multiplicity[point])

    def _name(self, neuron: int) -> str:
        """Return what to call a neuron, counted through all layers, in messages."""
        starts = np.cumsum([0, *self._problem.network.hidden])
        layer = int(np.searchsorted(starts, neuron, side="right"))
        return f"neuron {neuron - starts[layer - 1] + 1} of layer {layer}"

    def _called(self, point: int) -> str:
        """Return what to call a group of coincident points in messages."""
        return f"point {int(self._ones[point]) + 1}"

    def _deep_rate(self, y: Array, neuron: int, point: int) -> float:
        """Return the rate of change of a pre-activation of a deeper layer, with the activations held.

        It is a polynomial in y: a central difference.
        """
        velocity = self.velocity(y)
        size = 1e-6 * (1.0 + float(np.linalg.norm(y))) / max(float(np.linalg.norm(velocity)), 1e-300)
        ends = [
            self._pre_activations(y + sign * size * velocity, self._derivatives)[neuron, point]
            for sign in (1.0, -1.0)
        ]
        return float(ends[0] - ends[1]) / (2.0 * size)

    def _excess(self, y: Array) -> float:
        """Return by how much a share is outside [0, 1], negative if none is."""
        return max(float(np.max(np.maximum(-s, s - 1.0))) for s in self._shares(y).values())

    def _shares(self, y: Array) -> dict[int, Array]:
        """Return the shares of the active sides of each sliding neuron; it slides while all are in [0, 1]."""
        if not self._sliding:
            return {}
        derivatives = self._derivatives.copy()
        for neuron, sliding in self._sliding.items():
            derivatives[neuron, sliding.points] = 1.0
        inactive = self._flow.velocity(self._held, y)
        jump = self._flow.velocity(self._with(derivatives), y) - inactive
        result = {}
        for neuron, sliding in self._sliding.items():
            kappas = (
                sliding.coefficients(jump[sliding.row])
                if sliding.independent
                else self._influence(y, neuron, sliding.points)[1]
            )
            result[neuron] = sliding.shares(inactive[sliding.row], kappas)
        return result
