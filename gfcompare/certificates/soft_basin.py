"""The basin argument where the second order does not decide: a power of the excess bounds |G| from below.

Let u be the active coordinates of the merged network, nu = Z^-1 (u - u*), and sigma_k the sizes of the soft
groups: the root of sum s_j d_j^2 / S, or the distance delta from an end (`soft`). The risk is that of the
merged network, which is strongly convex, plus X_k for each group:

    c_k = 2 int r0 b p + int b^2 p >= kappa_k sigma_k^3,    X_k = c_k + 2 int rho b p,    |rho| <= R_k |nu|,

with r0 the residual of the critical point moved along with Q, and kappa = p S^2 sqrt(min s_j / S) / 8: b
lives on a width w <= 2 sigma sqrt(S / min s_j) and has the integral S sigma^2 / 2. At an end kappa = p s (s +
r1) / 3. Along the direction w that moves u by u - u* and d by d, c_k changes by 3 c_k, as it is homogeneous,
and the merged risk by at least (1 - eta) |nu|^2. The rest is bounded by

    3 a_k sigma_k^2 |nu| + E1_k sigma_k^3 |nu| + E2_k sigma_k^2 |nu|^2,    a_k = R_k p S

(the last two since d cannot keep sum s_j d_j = 0 if one s_j moves). Where a_k sigma^2 |nu| is at most
eps / (2 n) |nu|^2 + gamma_k kappa_k sigma^3, which is so for small sigma, the excess D and its derivative
compare: g . w >= theta D. With |C^-1 w| <= A |nu| + sum B_k sigma_k,

    |G| >= theta D / (A sqrt(2 D / (1 - eta - eps)) + sum B_k (D / ((1 - gamma) kappa_k))^(1/3)),

an inequality of Lojasiewicz with the exponent 2/3. So the flow has finite length, at most the integral of
dD / |G|, and converges, at a power of t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat

from gfcompare.certificates.balls import ZERO, middles, to_floats, to_matrix
from gfcompare.certificates.basin import Basin, Neighbourhood, unit_start
from gfcompare.certificates.exact_problem import NotCoveredError
from gfcompare.certificates.metric import check_roles, inverse_factor, widened
from gfcompare.certificates.soft import Soft
from gfcompare.certificates.soft_groups import (
    GAMMA,
    MORE,
    Group,
    SoftNeighbourhood,
    cube_root,
    embedding,
    groups_in,
)
from gfcompare.certificates.spectrum import (
    relative_variation,
    row_square_norms,
    square_norm_bound,
    unit_congruence,
)

_VARIATIONS = (0.1, 0.4)
# eps.
_MIXED = arb(0.2)
_ROUNDS = 6


@dataclass(frozen=True)
class Inequality:
    """The inequality of Lojasiewicz that was proved, for excesses up to that of the state.

    Attributes
    ----------
    theta : g . w >= theta D
    share : 1 - eta - eps
    speed : A
    groups : bounds of each group
    """

    theta: arb
    share: arb
    speed: arb
    groups: list[Group]

    def direction(self, excess: arb) -> arb:
        """Return an upper bound of |C^-1 w| where the excess is D."""
        length = self.speed * (2 * excess / self.share).sqrt()
        for group in self.groups:
            length += group.speed * cube_root(excess / ((1 - GAMMA) * group.kappa))
        return length

    def gradient(self, excess: arb) -> arb:
        """Return the lower bound of |G| where the excess is D."""
        return self.theta * excess / self.direction(excess)

    def length(self, excess: arb) -> arb:
        """Return an upper bound of the rest of a trajectory: the integral of dD / |G| from 0 to D."""
        length = 2 * self.speed * (2 * excess / self.share).sqrt()
        for group in self.groups:
            length += 3 * group.speed * cube_root(excess / ((1 - GAMMA) * group.kappa))
        return (length / self.theta).upper()


def soft_basin(full: Neighbourhood, soft: Soft) -> Basin:
    """Prove that the flow from a state converges to the risk of a critical point with soft groups.

    Raises
    ------
    NotCoveredError
        if that cannot be proved, with the reason
    """
    return Basin(ZERO, inequality(full, soft).length(_excess(full)))


def _excess(full: Neighbourhood) -> arb:
    return full.excess.upper().max(arb(2) ** -1000)


def inequality(full: Neighbourhood, soft: Soft) -> Inequality:
    """Return the inequality that holds on the rest of the trajectory.

    Raises
    ------
    NotCoveredError
        if none is proved, with the reason
    """
    if full.excess < 0:
        raise NotCoveredError("the risk at the state is below that of the critical point already")
    check_roles(full.state, full.coordinates)
    these = SoftNeighbourhood.of(full, soft)
    zeros = [ZERO] * these.near.coordinates.size
    here = these.near.target(these.near.state)
    hessian = middles(these.near.hessian(here, zeros, these.near.passive(these.near.state)))
    embedded = inverse_factor(full.state, full.coordinates) * embedding(these, these.merged)
    # |C^-1 x| = |R x| for the triangular factor R of what embeds the merged coordinates.
    triangular = to_matrix(np.linalg.qr(to_floats(embedded))[1])
    Z, _ = unit_congruence(hessian, definite=True, start=unit_start(hessian, triangular))
    if not relative_variation(hessian, Z) < 1:
        raise NotCoveredError("the Hessian in the active coordinates is not positive definite")
    reason = NotCoveredError("")
    for eta in _VARIATIONS:
        try:
            return _with_variation(these, Z, _excess(full), arb(eta))
        except NotCoveredError as error:
            reason = error
    raise reason


def _with_variation(these: SoftNeighbourhood, Z: arb_mat, excess: arb, eta: arb) -> Inequality:
    """Prove it for a variation of the Hessian of at most eta relative to Z."""
    full, near = these.full, these.near
    share = 1 - eta - _MIXED
    nu = ((2 * excess / share).sqrt() * MORE).upper()
    radii = [(size.sqrt() * nu).upper() for size in row_square_norms(Z)]
    box, merged = full.state, these.merged
    radius = ZERO
    for _ in range(_ROUNDS):
        check_roles(box, full.coordinates)
        groups, sizes = groups_in(these, box, merged, Z, radii, excess)
        theta = _theta(groups, sizes, nu, eta)
        inverse = inverse_factor(box, full.coordinates)
        speed = square_norm_bound(inverse * embedding(these, merged) * Z).sqrt()
        found = Inequality(theta, share, speed, groups)
        length = found.length(excess)
        if length < radius:
            break
        radius = (length * arb(1.2)).upper()
        box = widened(full.state, radius)
        merged = these.at(box)
    else:
        raise NotCoveredError("no ball was found that the rest of the trajectory does not leave")
    start = near.coordinates.here(near.state)
    for value, centre, size in zip(start, near.target(near.state), radii, strict=True):
        if not abs(value - centre) < size:
            raise NotCoveredError("the state is not in the basin that the excess risk allows")
    if not all(mine < size for mine, size in zip(these.sizes(), sizes, strict=True)):
        raise NotCoveredError("neurons that meet are too far apart for the excess risk")
    variation = relative_variation(
        near.hessian(near.target(merged.state), radii, near.passive(merged.state)), Z
    )
    if not variation <= eta:
        raise NotCoveredError(
            "the Hessian varies too much in the basin that the excess risk allows: "
            f"{float(variation.mid()):.2g} relative to itself"
        )
    return found


def _theta(groups: Sequence[Group], sizes: Sequence[arb], nu: arb, eta: arb) -> arb:
    """Return theta with g . w >= theta D, from the bounds of all groups."""
    first, thetas = 1 - eta - 3 * _MIXED / 2, []
    for group, sigma in zip(groups, sizes, strict=True):
        gamma = len(groups) * group.cross**2 * sigma / (2 * _MIXED * group.kappa)
        if not gamma < GAMMA:
            raise NotCoveredError("where neurons meet, the rest of the network moves too much")
        first -= group.second * sigma**2
        thetas.append((3 - 3 * GAMMA - group.first * nu / group.kappa - group.loss) / (1 + GAMMA))
    thetas.append(2 * first / (1 + eta + _MIXED))
    smallest = thetas[0]
    for theta in thetas[1:]:
        smallest = smallest.min(theta)
    if not smallest > 0:
        raise NotCoveredError("where neurons meet, the rest of the network moves too much")
    return smallest.lower()
