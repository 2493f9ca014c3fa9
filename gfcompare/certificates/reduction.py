"""The limit of each neuron: the hypothesis under which a critical point is searched.

Tolerances choose a hypothesis and nothing else: whatever is claimed later is proved from the hypothesis by
balls, and a wrong one leads to no proof.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb

from gfcompare.certificates.balls import ZERO, Array, ball, square
from gfcompare.certificates.exact_problem import NotCoveredError
from gfcompare.certificates.pieces import LineBalls
from gfcompare.integrators.base import FlowName


class Role(enum.Enum):
    """The kind of a neuron's limit."""

    DEAD = "dead"  # inactive on [a, b], for ever: it has no gradient
    ACTIVE = "fully active"  # and stays so
    INSIDE = "breakpoint inside"
    DYING = "breakpoint goes to an end, inactive in the limit"
    ACTIVATING = "breakpoint goes to an end, fully active in the limit"


@dataclass(frozen=True)
class State:
    """Parameters of a network of widths (1, H, 1) in balls.

    Attributes
    ----------
    flow : the gradient flow that goes on from the state
    w, b, v : of each neuron
    c : the bias of the output
    signs : of the pre-activation of each neuron at a and at b, exactly: -1, 0 or 1
    """

    flow: FlowName
    w: tuple[arb, ...]
    b: tuple[arb, ...]
    v: tuple[arb, ...]
    c: arb
    signs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, theta: Array, interval: tuple[float, float], flow: FlowName) -> State:
        """Return a stored state; for the normalised flow it is put on M by the normalisation map.

        Raises
        ------
        NotCoveredError
            if the flow from the state is not determined: a neuron has w = b = 0 and cannot be put on M, or
            has an outgoing weight
        """
        w, b, v = np.split(np.asarray(theta[:-1], dtype=np.float64), 3)
        ends = [Fraction(end) for end in interval]
        signs = tuple(
            tuple(_sign(Fraction(float(wi)) * end + Fraction(float(bi))) for end in ends)
            for wi, bi in zip(w, b, strict=True)
        )
        rows = [[ball(wi), ball(bi), ball(vi)] for wi, bi, vi in zip(w, b, v, strict=True)]
        for i, row in enumerate(rows):
            if w[i] == 0 and b[i] == 0:
                if flow == "normalized":
                    raise NotCoveredError(f"neuron {i} has w = b = 0, and no direction on the submanifold M")
                if v[i] != 0:
                    raise NotCoveredError(
                        f"neuron {i} has w = b = 0 and v = {v[i]:g}: the risk has a kink there, and the flow "
                        "from such a state is not unique"
                    )
            if flow == "normalized":
                norm = (square(row[0]) + square(row[1])).sqrt()
                rows[i] = [row[0] / norm, row[1] / norm, row[2] * norm]
        columns = [tuple(row[k] for row in rows) for k in range(3)]
        return cls(flow, columns[0], columns[1], columns[2], ball(theta[-1]), signs)  # type: ignore[arg-type]

    @property
    def neurons(self) -> int:
        """Number H of hidden neurons."""
        return len(self.w)

    def orientation(self, i: int) -> int:
        """Return the sign of w_i, exactly."""
        return 1 if self.signs[i][1] > self.signs[i][0] or self.w[i] > 0 else -1

    def slope(self, i: int) -> arb:
        """Return s_i = v_i |w_i|."""
        return self.v[i] * abs(self.w[i])

    def breakpoint(self, i: int) -> arb:
        """Return q_i = -b_i / w_i."""
        return -self.b[i] / self.w[i]


@dataclass(frozen=True)
class Tolerances:
    """From where on a hypothesis is made, relative to the length of the interval.

    Parameters
    ----------
    edge : a breakpoint that is so near to an end goes there
    outside : one that is so near to an end from outside goes there too
    duplicate : breakpoints that are so near to each other go to one place
    """

    edge: float = 1e-6
    outside: float = 0.0
    duplicate: float = 1e-6


#: The hypotheses that are tried one after the other.
TOLERANCES = (
    Tolerances(),
    Tolerances(outside=1e-10),
    Tolerances(outside=2e-9),
    Tolerances(outside=1e-7),
    Tolerances(duplicate=1e-9),
    Tolerances(edge=1e-4, outside=1e-4, duplicate=1e-4),
)


@dataclass(frozen=True)
class Hypothesis:
    """The kind of every neuron's limit.

    Attributes
    ----------
    roles : of each neuron
    ends : for neurons that go to an end whether it is the upper one
    clusters : neurons whose breakpoints go to one place, from left to right
    orientations : the sign of w of each neuron
    """

    roles: tuple[Role, ...]
    ends: dict[int, bool]
    clusters: tuple[tuple[int, ...], ...]
    orientations: tuple[int, ...]

    def having(self, *roles: Role) -> list[int]:
        """Return the neurons with one of some roles."""
        return [i for i, role in enumerate(self.roles) if role in roles]

    @property
    def mixed(self) -> list[tuple[int, ...]]:
        """Clusters with neurons of both orientations."""
        return [cluster for cluster in self.clusters if len({self.orientations[i] for i in cluster}) == 2]

    @property
    def affine(self) -> bool:
        """True if the affine part of the network is free."""
        return bool(self.having(Role.ACTIVE, Role.ACTIVATING)) or bool(self.mixed)

    @property
    def key(self) -> tuple[object, ...]:
        """Return the key of a hypothesis: equal for equal ones."""
        return self.roles, tuple(sorted(self.ends.items())), self.clusters


def hypothesis(state: State, line: LineBalls, tolerances: Tolerances) -> Hypothesis:
    """Return the hypothesis that tolerances choose for a state."""
    lower, upper = float(line.lower), float(line.upper)
    length = upper - lower
    roles, ends, places = [], {}, {}
    for i in range(state.neurons):
        at_lower, at_upper = state.signs[i]
        if at_lower <= 0 and at_upper <= 0:
            roles.append(Role.DEAD)
            continue
        if at_lower == at_upper and not (state.w[i] > 0 or state.w[i] < 0):  # w = 0
            roles.append(Role.ACTIVE)
            continue
        q = float(state.breakpoint(i))
        up = state.orientation(i) > 0
        if at_lower >= 0 and at_upper >= 0:
            near = min(abs(q - lower), abs(q - upper)) <= tolerances.outside * length
            if near or 0 in (at_lower, at_upper):
                roles.append(Role.ACTIVATING)
                ends[i] = not up
            else:
                roles.append(Role.ACTIVE)
            continue
        below, above = q - lower < tolerances.edge * length, upper - q < tolerances.edge * length
        if below or above:
            roles.append(Role.DYING if up == above else Role.ACTIVATING)
            ends[i] = above
        else:
            roles.append(Role.INSIDE)
            places[i] = q
    orientations = tuple(state.orientation(i) for i in range(state.neurons))
    return Hypothesis(tuple(roles), ends, _clusters(places, tolerances.duplicate * length), orientations)


def _clusters(places: dict[int, float], distance: float) -> tuple[tuple[int, ...], ...]:
    """Return neurons in groups whose breakpoints follow each other within a distance."""
    clusters: list[list[int]] = []
    for i in sorted(places, key=places.__getitem__):
        if clusters and places[i] - places[clusters[-1][-1]] < distance:
            clusters[-1].append(i)
        else:
            clusters.append([i])
    return tuple(map(tuple, clusters))


def reduced_start(state: State, line: LineBalls, guess: Hypothesis) -> list[arb]:
    """Return the coordinates of the reduced network that is nearest to a state.

    They are alpha, beta where the affine part is free, a slope and a breakpoint for each cluster. Where the
    affine part is free all features look to the right: relu(-z) = relu(z) - z.
    """
    alpha, beta = state.c, ZERO
    for i in guess.having(Role.ACTIVE, Role.ACTIVATING):
        alpha += state.v[i] * (state.b[i] + state.w[i] * line.lower)
        beta += state.v[i] * state.w[i]
    if guess.affine:
        for i in guess.having(Role.INSIDE):
            if guess.orientations[i] < 0:
                alpha += state.slope(i) * (state.breakpoint(i) - line.lower)
                beta -= state.slope(i)
    slopes = [sum((state.slope(i) for i in cluster), ZERO) for cluster in guess.clusters]
    breakpoints = [
        sum((state.breakpoint(i) for i in cluster), ZERO) / len(cluster) for cluster in guess.clusters
    ]
    return [alpha, *([beta] if guess.affine else []), *slopes, *breakpoints]


def reduced_orientations(guess: Hypothesis) -> tuple[int, ...]:
    """Return the orientation of each feature of the reduced network."""
    if guess.affine:
        return (1,) * len(guess.clusters)
    return tuple(guess.orientations[cluster[0]] for cluster in guess.clusters)


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)


def distances(first: Sequence[arb], second: Sequence[arb]) -> arb:
    """Return the largest distance of two points in a coordinate."""
    largest = ZERO
    for a, b in zip(first, second, strict=True):
        largest = largest.max(abs(a - b))
    return largest
