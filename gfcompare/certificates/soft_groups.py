"""Bounds for groups of soft neurons in a box of states: what `soft_basin` is put together from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb, arb_mat

from gfcompare.certificates.balls import ONE, ZERO, around, ball, hull, magnitude, symmetric
from gfcompare.certificates.basin import Neighbourhood
from gfcompare.certificates.exact_problem import NotCoveredError
from gfcompare.certificates.metric import inverse_factor
from gfcompare.certificates.reduction import Hypothesis, State
from gfcompare.certificates.soft import Cluster, Merged, Soft, distance

#: The largest gamma: D >= (1 - gamma) kappa sigma^3.
GAMMA = arb(0.1)
#: Boxes are so much larger than what the energy allows, so that their boundary is never reached.
MORE = arb(1.01)
# So far from an end soft neurons may be.
_EDGE = 1e-4


@dataclass(frozen=True)
class Group:
    """Bounds for a soft group in a box of states.

    Attributes
    ----------
    kappa : c >= kappa sigma^3
    cross : R p S, so that cross sigma^2 |nu| bounds what nu changes
    first, second : E1 and E2
    speed : B: |C^-1 (the part of the direction that moves the group)| <= B sigma
    widest : max_j sqrt(S / s_j): |d_j| <= widest sigma
    loss : c changes by at least (3 - loss) c along the direction
    """

    kappa: arb
    cross: arb
    first: arb
    second: arb
    speed: arb
    widest: arb
    loss: arb = ZERO


@dataclass(frozen=True)
class SoftNeighbourhood:
    """A state near a critical point with soft groups.

    Attributes
    ----------
    full : with every neuron
    soft : the groups
    merged : one neuron for each soft cluster
    near : the same as a neighbourhood
    """

    full: Neighbourhood
    soft: Soft
    merged: Merged
    near: Neighbourhood

    @classmethod
    def of(cls, full: Neighbourhood, soft: Soft) -> SoftNeighbourhood:
        """Return the neighbourhood."""
        merged = Merged.of(full.state, full.coordinates, soft)
        near = Neighbourhood(merged.state, merged.coordinates, full.reduced, full.found, full.excess)
        return cls(full, soft, merged, near)

    @property
    def guess(self) -> Hypothesis:
        """Supposed fate of the neurons."""
        return self.full.coordinates.guess

    def at(self, box: State) -> Merged:
        """Return the merged states of a box of states."""
        return Merged.of(box, self.full.coordinates, self.soft)

    def sizes(self) -> list[arb]:
        """Return sigma of each group at the state."""
        line = self.full.coordinates.line
        found = [cluster.spread for cluster in self.merged.clusters]
        return found + [distance(self.full.state, line, self.guess, i) for i in self.soft.edges]


def cube_root(value: arb) -> arb:
    """Return the cube root of a positive number."""
    return (value.log() / 3).exp()


def groups_in(
    these: SoftNeighbourhood, box: State, merged: Merged, Z: arb_mat, radii: Sequence[arb], excess: arb
) -> tuple[list[Group], list[arb]]:
    """Return bounds of each group in a box of states, and upper bounds of their sizes."""
    line, near = these.full.coordinates.line, these.near
    density = line.density(line.lower)
    inverse = inverse_factor(box, these.full.coordinates)
    zeta = [around(c, r) for c, r in zip(near.target(merged.state), radii, strict=True)]
    y = near.coordinates.whole(zeta, near.passive(merged.state))
    groups: list[Group] = []
    sizes: list[arb] = []
    supports: list[arb] = []
    for k, cluster in enumerate(merged.clusters):
        kappa, widest = _kappa(these, cluster), cluster.widest
        sigma = (cube_root(excess / ((1 - GAMMA) * kappa)) * MORE).upper()
        feature = near.coordinates.inner.index(these.merged.places[k])
        q = y[near.coordinates.model.first_breakpoint + feature]
        supports.append(q + symmetric(widest * sigma))
        R = _sensitivity(these, y, supports[-1], Z, feature, k)
        groups.append(_cluster_group(these, cluster, inverse, Z, R, k))
        sizes.append(sigma)
    for i in these.soft.edges:
        s, end = box.slope(i), line.upper if these.guess.ends[i] else line.lower
        inwards = -1 if these.guess.ends[i] else 1
        # r / y lies in `residual` as long as the support is not larger than a guess of its width.
        width = ball(_EDGE)
        residual = _residual_slope(these, hull(end, end + inwards * width), i)
        kappa = (density * s * (s + residual) / 3).lower()
        if not kappa > 0:
            raise NotCoveredError(f"neuron {i}, at the end, may grow to lower the risk")
        sigma = (cube_root(excess / ((1 - GAMMA) * kappa)) * MORE).upper()
        if not sigma < width:
            raise NotCoveredError(f"neuron {i} may be too far from the end for the excess risk")
        R = _sensitivity(these, y, hull(end, end + inwards * sigma), Z, None, None)
        place = these.full.coordinates.breakpoint_place[i]
        speed = _norm([inverse[row, place] for row in range(inverse.nrows())])
        loss = density * abs(s) * 2 * residual.rad() / kappa
        groups.append(Group(kappa, R * density * abs(s), ZERO, ZERO, speed, ONE, loss.upper()))
        sizes.append(sigma)
    if any(a.overlaps(b) for a, b in itertools.combinations(supports, 2)):
        raise NotCoveredError("neurons that meet are too near to others that do")
    return groups, sizes


def _residual_slope(these: SoftNeighbourhood, x: arb, i: int) -> arb:
    """Return a ball with r / y for the critical point at all x near an end, y the distance from it."""
    upper = these.guess.ends[i]
    if these.soft.exact.ends[upper]:
        return ZERO
    means = these.full.coordinates.line.mean_at_ends
    assert means is not None  # the network is constant, and r = 0 at the end
    return means.slope(x) if upper else -means.slope(x)


def _kappa(these: SoftNeighbourhood, cluster: Cluster) -> arb:
    """Return kappa of a soft cluster."""
    line = these.full.coordinates.line
    kappa = (line.density(line.lower) * cluster.total**2 / (8 * cluster.widest)).lower()
    if not kappa > 0:
        raise NotCoveredError("a slope of neurons that meet may vanish on the way")
    return kappa


def _cluster_group(
    these: SoftNeighbourhood, cluster: Cluster, inverse: arb_mat, Z: arb_mat, R: arb, k: int
) -> Group:
    """Return the bounds of a soft cluster in a box of states."""
    line, widest = these.full.coordinates.line, cluster.widest
    density = line.density(line.lower)
    total = abs(cluster.total)
    own = abs(cluster.slopes[cluster.neurons.index(cluster.main)])
    moved = _slope_row(these, Z, k) * (total / own).sqrt() * 8 * density * widest
    speed = ZERO
    places = these.full.coordinates.breakpoint_place
    for i, s in zip(cluster.neurons, cluster.slopes, strict=True):
        column = [inverse[row, places[i]] for row in range(inverse.nrows())]
        if i in cluster.left:
            column = [entry - s * inverse[row, 0] for row, entry in enumerate(column)]
        speed += _norm(column) * (total / abs(s)).sqrt()
    limit = these.full.reduced.split(these.full.found.point)[2][these.soft.clusters[k]]
    if not limit * cluster.total > 0:
        raise NotCoveredError("neurons that meet have slopes of another sign than in the limit")
    return Group(
        _kappa(these, cluster),
        R * density * total,
        moved * (abs(limit) * widest + total / 2),
        moved * R,
        speed,
        widest,
    )


def _slope_row(these: SoftNeighbourhood, Z: arb_mat, k: int) -> arb:
    """Return |row S of Z|: |S - S*| <= |row| |nu|."""
    place = these.near.coordinates.slope_place[these.merged.places[k]]
    return _norm([Z[place, column] for column in range(Z.ncols())])


def _norm(vector: Sequence[arb]) -> arb:
    """Return an upper bound of the length of every vector in a vector of balls."""
    return sum((magnitude(entry) ** 2 for entry in vector), ZERO).sqrt().upper()


def embedding(these: SoftNeighbourhood, merged: Merged) -> arb_mat:
    """Return the derivative of all active coordinates along the merged ones, as the direction takes them.

    The slope of a soft cluster moves that of its main neuron; the d_j are shifted to keep sum s_j d_j = 0.
    """
    full, part = these.full.coordinates, these.near.coordinates
    rows = [[ZERO] * part.size for _ in range(full.size)]
    for k in range(part.model.first_slope):
        rows[k][k] = ONE
    for i, place in part.slope_place.items():
        if i in full.slope_place:
            rows[full.slope_place[i]][place] = ONE
    for i, place in part.breakpoint_place.items():
        if i in full.breakpoint_place:
            rows[full.breakpoint_place[i]][place] = ONE
    lower = full.line.lower
    for cluster, new in zip(merged.clusters, these.merged.places, strict=True):
        slope, knot = part.slope_place[new], part.breakpoint_place[new]
        main = cluster.neurons.index(cluster.main)
        shift = -cluster.steps[main] / cluster.total
        rows[full.slope_place[cluster.main]][slope] = ONE
        for i, s, d in zip(cluster.neurons, cluster.slopes, cluster.steps, strict=True):
            rows[full.breakpoint_place[i]][knot] = ONE
            rows[full.breakpoint_place[i]][slope] += shift
            if i in cluster.left:
                rows[0][knot] -= s
                rows[0][slope] -= s * shift
                if i == cluster.main:
                    rows[0][slope] -= cluster.centre + d - lower
                    rows[1][slope] += ONE
    return arb_mat(rows)


def _sensitivity(
    these: SoftNeighbourhood, y: Sequence[arb], x: arb, Z: arb_mat, own: int | None, k: int | None
) -> arb:
    """Return R: the residual of the merged network at fixed y = x - Q changes by at most R |nu|.

    Parameters
    ----------
    y : all coordinates of the merged network, in the box
    x : where the group lives
    own : the feature of a cluster, at Q; None at an end
    k : which cluster it is
    """
    model, line = these.near.coordinates.model, these.full.coordinates.line
    _, beta, slopes, knots = model.split(y)
    row = [ZERO] * model.size
    row[0] = ONE
    if model.affine:
        row[1] = x - line.lower
    inclination = beta
    for i, (tau, s, q) in enumerate(zip(model.orientations, slopes, knots, strict=True)):
        side = tau * (x - q)
        if i == own:
            row[model.first_slope + i] = side.max(ZERO)
        elif side > 0:
            row[model.first_slope + i] = side
            row[model.first_breakpoint + i] = -tau * s
            inclination += tau * s
        elif not side < 0:
            raise NotCoveredError("other breakpoints are too near to neurons that meet")
    if own is not None:
        assert k is not None
        row[model.first_breakpoint + own] = inclination - _slope_of_target(these, x, k)
    elif line.linear is not None:
        _slope_of_target(these, x, None)
    transform = these.near.coordinates.columns
    active_row = [sum((row[i] * v for i, v in entries.items()), ZERO) for entries in transform]
    return _norm((arb_mat(1, Z.nrows(), active_row) * Z).entries()).upper()


def _slope_of_target(these: SoftNeighbourhood, x: arb, k: int | None) -> arb:
    """Return a ball with the slopes of f at x, where f bends at most where the cluster is pinned."""
    linear = these.full.coordinates.line.linear
    assert linear is not None
    allowed = None if k is None else these.soft.exact.pinned[these.soft.clusters[k]]
    for bend in linear.bends:
        if bend != allowed and not (x < ball(bend) or x > ball(bend)):
            raise NotCoveredError("the target bends too near to neurons that meet")
    slopes = [
        ball(row[1])
        for left, right, row in zip(linear.knots[:-1], linear.knots[1:], linear.rows, strict=True)
        if not (x < ball(left) or x > ball(right))
    ]
    return hull(*slopes)
