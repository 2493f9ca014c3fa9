"""Cases that the second order does not decide: neurons that meet where r = 0, or go to an end where r = 0.

Where the target is continuous and piecewise linear and the density uniform, the next order decides. Let
neurons with slopes s_j of one sign, sum S, lie at q_j = Q + d_j with sum s_j d_j = 0. Beside one neuron with
slope S at Q they add b(y) = sum_j s_j (y - d_j)^+ - S y^+ to the network, y = x - Q, which has the sign of S
(Jensen) and lives between the d_j. The risk changes by

    X = 2 int r b p + int b^2 p,    r the residual of the network with one neuron at Q.

At the critical point r is 0 on at least one side of the place, exactly, and 0 or S |y| on the other
(`exactness`): r S >= 0, and c = X is a sum of two cubic forms that are not negative.

Neurons at an end with r = 0 inside add the same with b = sum of s (delta - y)^+, y the distance from the end,
if their s have one sign. If the network is constant and r = r1 y + ... beside the end, the change is
p s (s + r1) delta^3 / 3 + ..., which may have either sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flint import arb

from gfcompare.certificates.balls import ZERO, ball, dot, magnitude
from gfcompare.certificates.coordinates import Coordinates
from gfcompare.certificates.exactness import Exactness
from gfcompare.certificates.pieces import LineBalls
from gfcompare.certificates.reduction import Hypothesis, Role, State


@dataclass(frozen=True)
class Soft:
    """Groups of neurons of which the second order decides nothing.

    Parameters
    ----------
    clusters : places among the clusters of a hypothesis
    edges : neurons that go to an end and are inactive in the limit
    exact : where the network of the critical point is the target
    """

    clusters: tuple[int, ...]
    edges: tuple[int, ...]
    exact: Exactness

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.clusters) + len(self.edges)


def is_covered(state: State, guess: Hypothesis, soft: Soft) -> str:
    """Return why the next order does not decide either; empty if it does."""
    if guess.affine and not guess.having(Role.ACTIVE):
        return "no neuron is fully active"
    for k in soft.clusters:
        if not any(soft.exact.sides[k]):
            return "the network is not proved to be the target beside it"
        slopes = [state.slope(i) for i in guess.clusters[k]]
        if not (all(s > 0 for s in slopes) or all(s < 0 for s in slopes)):
            return "the neurons have slopes of both signs"
    for end in (False, True):
        slopes = [state.slope(i) for i in soft.edges if guess.ends[i] is end]
        if not (all(s > 0 for s in slopes) or all(s < 0 for s in slopes)):
            return "the neurons at an end have slopes of both signs"
    for i in soft.edges:
        if not soft.exact.zeros[guess.ends[i]]:
            return "r is not proved to be 0 at that end"
    return ""


@dataclass(frozen=True)
class Cluster:
    """Neurons that meet, at a state or in a box of states.

    Attributes
    ----------
    neurons : which
    left : those of them that look to the left
    main : the one whose slope is an active coordinate
    slopes : s_j
    total, centre : S and Q
    steps : d_j
    """

    neurons: tuple[int, ...]
    left: tuple[int, ...]
    main: int
    slopes: list[arb]
    total: arb
    centre: arb
    steps: list[arb]

    @classmethod
    def of(cls, state: State, guess: Hypothesis, neurons: Sequence[int], main: int) -> Cluster:
        """Return the cluster of some neurons."""
        slopes = [state.slope(i) for i in neurons]
        places = [state.breakpoint(i) for i in neurons]
        total = sum(slopes, ZERO)
        centre = dot(slopes, places) / total
        left = tuple(i for i in neurons if guess.orientations[i] < 0)
        return cls(tuple(neurons), left, main, slopes, total, centre, [q - centre for q in places])

    @property
    def widest(self) -> arb:
        """An upper bound of max_j sqrt(S / s_j), for slopes of one sign: |d_j| <= widest times the spread."""
        least = self.slopes[0]
        for s in self.slopes[1:]:
            least = least.min(s) if least > 0 else least.max(s)
        return abs(self.total / least).sqrt().upper()

    @property
    def spread(self) -> arb:
        """An upper bound of the root of sum s_j d_j^2 / S."""
        squares = [magnitude(d) ** 2 for d in self.steps]
        return (dot(self.slopes, squares) / self.total).upper().sqrt()


@dataclass(frozen=True)
class Merged:
    """A state with one neuron for each soft cluster, and without those at soft ends, and its coordinates.

    Neurons of a soft cluster that look to the left leave their affine part, as relu(-z) = relu(z) - z: they
    count as fully active.
    """

    state: State
    coordinates: Coordinates
    clusters: tuple[Cluster, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, state: State, full: Coordinates, soft: Soft) -> Merged:
        """Return the merged state."""
        guess, line = full.guess, full.line
        roles, orientations = list(guess.roles), list(guess.orientations)
        rows = [list(state.w), list(state.b), list(state.v)]
        signs, ordered, clusters = list(state.signs), list(guess.clusters), []
        for k in soft.clusters:
            cluster = Cluster.of(state, guess, guess.clusters[k], full.mains[k])
            for i in cluster.neurons:
                roles[i] = Role.ACTIVE if i in cluster.left else Role.DEAD
            ordered[k] = (len(roles),)
            roles.append(Role.INSIDE)
            orientations.append(1)
            signs.append((-1, 1))
            for row, value in zip(rows, (ball(1.0), -cluster.centre, cluster.total), strict=True):
                row.append(value)
            clusters.append(cluster)
        for i in soft.edges:
            roles[i] = Role.DEAD
        ends = {i: end for i, end in guess.ends.items() if i not in soft.edges}
        w, b, v = map(tuple, rows)
        merged = State(state.flow, w, b, v, state.c, tuple(signs))
        what = replace(
            guess, roles=tuple(roles), ends=ends, clusters=tuple(ordered), orientations=tuple(orientations)
        )
        places = tuple(ordered[k][0] for k in soft.clusters)
        return cls(merged, Coordinates.of(merged, line, what), tuple(clusters), places)


def distance(state: State, line: LineBalls, guess: Hypothesis, i: int) -> arb:
    """Return how far inside the interval the breakpoint of a neuron at an end is; 0 if it is not inside."""
    q = state.breakpoint(i)
    return (line.upper - q if guess.ends[i] else q - line.lower).max(ZERO)
