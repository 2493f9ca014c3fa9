"""The coordinates in which the flow near a critical point is followed: active and passive ones.

N = alpha + beta (x - a) + sum over J of s_i relu(tau_i (x - q_i)), where J holds the neurons whose breakpoint
stays inside or goes to an end. Neurons that are fully active now or in the limit are part of alpha and beta;
one that becomes so is besides in J with tau = -sign w, by relu(z) = z + relu(-z), and its breakpoint is cut
to [a, b]: then every neuron at an end is inactive in the limit. Such a neuron is called turned.

Active coordinates zeta are alpha, beta, for each cluster the slope s of one neuron, and all q_i. The other
slopes are passive: for each of their values there is one point zeta* where the network is that of the
critical point. If no neuron is fully active, beta = sum over the turned neurons of sign(w_i) s_i, and the
slope of one of them, the supply, is no coordinate: it follows from beta and the passive slopes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from flint import arb, arb_mat

from gfcompare.certificates.balls import ZERO
from gfcompare.certificates.existence import CriticalPoint
from gfcompare.certificates.pieces import LineBalls
from gfcompare.certificates.reduced import Model
from gfcompare.certificates.reduction import Hypothesis, Role, State


@dataclass(frozen=True)
class Coordinates:
    """Active and passive coordinates for a hypothesis.

    Attributes
    ----------
    line : target and density
    guess : what becomes of the neurons
    inner : the neurons of J
    supply : the neuron whose slope follows from beta; None without any
    mains : for each cluster the neuron whose slope is active
    """

    line: LineBalls
    guess: Hypothesis
    inner: tuple[int, ...]
    supply: int | None
    mains: tuple[int, ...]

    @classmethod
    def of(cls, state: State, line: LineBalls, guess: Hypothesis) -> Coordinates:
        """Choose the supply and the mains: the neurons with the largest slopes."""

        def largest(neurons: Sequence[int]) -> int:
            return max(neurons, key=lambda i: abs(float(state.slope(i))))

        inner = guess.having(Role.INSIDE, Role.DYING, Role.ACTIVATING)
        supply: int | None = None
        if guess.affine and not guess.having(Role.ACTIVE):
            candidates = guess.having(Role.ACTIVATING) or [
                i for cluster in guess.mixed for i in cluster if guess.orientations[i] < 0
            ]
            supply = largest(candidates)
        mains = []
        for cluster in guess.clusters:
            # Beside a supply, which looks to the left, one that looks to the right.
            free = [
                i for i in cluster if i != supply and (supply not in cluster or guess.orientations[i] > 0)
            ]
            mains.append(largest(free))
        return cls(line, guess, tuple(inner), supply, tuple(mains))

    def turned(self, i: int) -> bool:
        """Return whether a neuron of J is turned."""
        return self.guess.roles[i] is Role.ACTIVATING or i == self.supply

    @cached_property
    def model(self) -> Model:
        """The network in all coordinates y: alpha, beta, s_i and q_i for i in J."""
        signs = self.guess.orientations
        taus = tuple(-signs[i] if self.turned(i) else signs[i] for i in self.inner)
        return Model(self.line, taus, self.guess.affine)

    @cached_property
    def passive(self) -> list[int]:
        """The neurons of J whose slope is passive."""
        return [i for i in self.inner if i not in self.mains and i != self.supply]

    @cached_property
    def slope_place(self) -> dict[int, int]:
        """The place of each main's slope in zeta."""
        first = 2 if self.guess.affine else 1
        return {i: first + k for k, i in enumerate(self.mains)}

    @cached_property
    def breakpoint_place(self) -> dict[int, int]:
        """The place of each breakpoint in zeta."""
        first = (2 if self.guess.affine else 1) + len(self.mains)
        return {i: first + k for k, i in enumerate(self.inner)}

    @property
    def size(self) -> int:
        """Number of active coordinates."""
        return (2 if self.guess.affine else 1) + len(self.mains) + len(self.inner)

    @cached_property
    def columns(self) -> list[dict[int, int]]:
        """T with y = T zeta + a function of the passive slopes: for each place in zeta its entries."""
        result: list[dict[int, int]] = [{} for _ in range(self.size)]
        for k in range(self.model.first_slope):
            result[k][k] = 1
        for k, i in enumerate(self.inner):
            if i in self.slope_place:
                result[self.slope_place[i]][self.model.first_slope + k] = 1
            if i == self.supply:
                result[1][self.model.first_slope + k] = self.guess.orientations[i]
            result[self.breakpoint_place[i]][self.model.first_breakpoint + k] = 1
        return result

    @cached_property
    def _transform(self) -> arb_mat:
        matrix = arb_mat(self.model.size, self.size)
        for j, entries in enumerate(self.columns):
            for i, value in entries.items():
                matrix[i, j] = value
        return matrix

    def restricted(self, hessian: arb_mat) -> arb_mat:
        """Return T^T H T, the Hessian in the active coordinates."""
        return self._transform.transpose() * hessian * self._transform

    def steps(self, radii: Sequence[arb]) -> list[arb]:
        """Return the balls of the steps of y for steps of zeta up to some radii."""
        result = [ZERO] * self.model.size
        for radius, entries in zip(radii, self.columns, strict=True):
            for i in entries:
                result[i] = result[i] + arb(0, radius.upper())
        return result

    def here(self, state: State) -> list[arb]:
        """Return zeta at a state."""
        alpha, beta = state.c, ZERO
        for i in self.guess.having(Role.ACTIVE):
            alpha += state.v[i] * (state.b[i] + state.w[i] * self.line.lower)
            beta += state.v[i] * state.w[i]
        for i in self.inner:
            if self.turned(i):
                alpha += state.v[i] * (state.b[i] + state.w[i] * self.line.lower)
                beta += state.v[i] * state.w[i]
        slopes = [state.slope(i) for i in self.mains]
        return [
            alpha,
            *([beta] if self.guess.affine else []),
            *slopes,
            *(self._cut(state, i) for i in self.inner),
        ]

    def _cut(self, state: State, i: int) -> arb:
        """Return the breakpoint of a neuron; of one that goes to an end the part in [a, b]."""
        q = state.breakpoint(i)
        return q if self.guess.roles[i] is Role.INSIDE else q.max(self.line.lower).min(self.line.upper)

    def whole(self, zeta: Sequence[arb], passive: Mapping[int, arb]) -> list[arb]:
        """Return y for active coordinates and passive slopes."""
        signs = self.guess.orientations
        slopes = []
        for i in self.inner:
            if i in self.slope_place:
                slopes.append(zeta[self.slope_place[i]])
            elif i == self.supply:
                rest = sum((signs[k] * passive[k] for k in self.inner if self.turned(k) and k != i), ZERO)
                slopes.append(signs[i] * (zeta[1] - rest))
            else:
                slopes.append(passive[i])
        affine = list(zeta[: self.model.first_slope])
        return [*affine, *slopes, *(zeta[self.breakpoint_place[i]] for i in self.inner)]

    def target(self, found: CriticalPoint, reduced: Model, passive: Mapping[int, arb]) -> list[arb]:
        """Return zeta*, where the network is that of the critical point, for passive slopes."""
        alpha, beta, sums, knots = reduced.split(found.point)
        place = {i: knots[k] for k, cluster in enumerate(self.guess.clusters) for i in cluster}
        limits = [place[i] if i in place else self._end(i) for i in self.inner]
        slopes: dict[int, arb] = dict(passive)
        taus = dict(zip(self.inner, self.model.orientations, strict=True))
        # Without a supply inside first: beta needs the slopes of features that look to the left, and the
        # supply's slope needs beta. The main beside a supply looks to the right.
        order = sorted(range(len(self.mains)), key=lambda k: self.supply in self.guess.clusters[k])
        for k in order:
            cluster, main = self.guess.clusters[k], self.mains[k]
            if self.supply in cluster:
                slopes[self.supply] = self._supplied(self._beta(beta, slopes, taus), slopes)
            slopes[main] = sums[k] - sum((slopes[i] for i in cluster if i != main), ZERO)
        if self.guess.affine:
            for i in self.guess.having(Role.INSIDE):
                if taus[i] < 0:
                    alpha -= slopes[i] * (place[i] - self.line.lower)
            beta = self._beta(beta, slopes, taus)
        heights = [slopes[i] for i in self.mains]
        return [alpha, *([beta] if self.guess.affine else []), *heights, *limits]

    def _beta(self, beta: arb, slopes: Mapping[int, arb], taus: Mapping[int, int]) -> arb:
        """Return beta where features inside that look to the left have some slopes."""
        left = [i for i in self.guess.having(Role.INSIDE) if taus[i] < 0]
        return beta + sum((slopes[i] for i in left), ZERO)

    def _supplied(self, beta: arb, slopes: Mapping[int, arb]) -> arb:
        """Return the slope of the supply."""
        assert self.supply is not None
        signs = self.guess.orientations
        rest = sum((signs[k] * slopes[k] for k in self.inner if self.turned(k) and k != self.supply), ZERO)
        return signs[self.supply] * (beta - rest)

    def _end(self, i: int) -> arb:
        return self.line.upper if self.guess.ends[i] else self.line.lower
