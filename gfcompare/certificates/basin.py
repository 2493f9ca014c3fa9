"""The basin argument: a flow that starts with little excess risk near a critical point converges to its risk.

Let l be the risk in active coordinates zeta, for fixed passive slopes, and D = l - l* the excess. Suppose
that in a box around zeta* the Hessian H satisfies |Z^T H Z - 1| <= eta < 1 for a matrix Z. Then H >= (1 -
eta) (Z Z^T)^-1, and by strong convexity

    |zeta_i - zeta*_i| <= |row i of Z| sqrt(2 D / (1 - eta)),      D <= g^T Z Z^T g / (2 (1 - eta)),

with the gradient g. With K >= C C^T this gives the inequality of Polyak and Lojasiewicz |G|^2 = g^T K g >= 2
m D, m = (1 - eta) / |C^-1 Z|^2. So D decays at least like exp(-2 m t), and the length of the rest of the
trajectory is at most sqrt(2 D / m). If that is less than the radius of the ball in which K >= C C^T was
shown, the trajectory never leaves the ball, nor the box, and all holds for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat

from gfcompare.certificates.balls import Array, around, middles, to_floats
from gfcompare.certificates.coordinates import Coordinates
from gfcompare.certificates.exact_problem import NotCoveredError
from gfcompare.certificates.existence import CriticalPoint
from gfcompare.certificates.metric import check_roles, inverse_factor, widened
from gfcompare.certificates.reduced import Model, Residuals
from gfcompare.certificates.reduction import Role, State
from gfcompare.certificates.spectrum import (
    relative_variation,
    row_square_norms,
    square_norm_bound,
    unit_congruence,
)

# Variations of the Hessian that are allowed for in turn: small ones give the better rate.
_VARIATIONS = (0.1, 0.4, 0.8)
_ROUNDS = 5


@dataclass(frozen=True)
class Basin:
    """The result of the basin argument.

    Attributes
    ----------
    rate : m: the excess of the risk decays at least like exp(-2 m t)
    length : upper bound of the length of the rest of the trajectory
    """

    rate: arb
    length: arb


@dataclass(frozen=True)
class Neighbourhood:
    """A state near a critical point, in coordinates.

    Attributes
    ----------
    state : the state
    coordinates : active and passive ones
    reduced : the network of the critical point
    found : the critical point
    excess : D at the state
    """

    state: State
    coordinates: Coordinates
    reduced: Model
    found: CriticalPoint
    excess: arb

    def passive(self, box: State) -> dict[int, arb]:
        """Return the passive slopes in a box of states."""
        return {i: box.slope(i) for i in self.coordinates.passive}

    def target(self, box: State) -> list[arb]:
        """Return zeta* for the passive slopes in a box of states."""
        return self.coordinates.target(self.found, self.reduced, self.passive(box))

    def hessian(self, centre: Sequence[arb], radii: Sequence[arb], passive: dict[int, arb]) -> arb_mat:
        """Return the Hessian in zeta on the box of some radii around the points zeta* of `centre`.

        Raises
        ------
        NotCoveredError
            if a breakpoint may leave the interval
        """
        coordinates = self.coordinates
        line, model = coordinates.line, coordinates.model
        zeta = [around(value, radius) for value, radius in zip(centre, radii, strict=True)]
        for i, k in coordinates.breakpoint_place.items():
            if coordinates.guess.roles[i] is Role.INSIDE:
                if not (zeta[k] > line.lower and zeta[k] < line.upper):
                    raise NotCoveredError(f"the breakpoint of neuron {i} may leave the interval on the way")
            else:
                zeta[k] = zeta[k].max(line.lower).min(line.upper)
        y = coordinates.whole(zeta, passive)
        known = model.moments(y)
        # At zeta* the integrals of r p over the active intervals vanish, whatever the passive slopes are, and
        # the network, so its residual too, is that of the critical point.
        values = [self.reduced.residual(self.found.point, q) for q in y[model.first_breakpoint :]]
        reference = Residuals([arb(0)] * model.neurons, values)
        near = model.residuals_near(y, coordinates.steps(radii), known, reference)
        return coordinates.restricted(model.hessian(y, known, near))


def basin(near: Neighbourhood) -> Basin:
    """Prove that the flow from a state converges to the risk of a critical point.

    Raises
    ------
    NotCoveredError
        if that cannot be proved, with the reason
    """
    if near.excess < 0:
        raise NotCoveredError("the risk at the state is below that of the critical point already")
    here, passive = near.target(near.state), near.passive(near.state)
    check_roles(near.state, near.coordinates)
    zeros = [arb(0)] * near.coordinates.size
    hessian = middles(near.hessian(here, zeros, passive))
    factor = inverse_factor(near.state, near.coordinates)
    Z, _ = unit_congruence(hessian, definite=True, start=_start(hessian, factor))
    if not relative_variation(hessian, Z) < 1:
        raise NotCoveredError("the Hessian in the active coordinates is not positive definite")
    excess = near.excess.upper().max(arb(2) ** -1000)
    reason = NotCoveredError("the Hessian varies too much in the basin that the excess risk allows")
    for eta in _VARIATIONS:
        try:
            return _with_variation(near, Z, excess, arb(eta))
        except NotCoveredError as error:
            reason = error
    raise reason


def _start(hessian: arb_mat, inverse_factor: arb_mat) -> Array | None:
    """Return C V d^-1/2, eigenvectors and eigenvalues of C^T H C: then |C^-1 Z| is easy to bound."""
    with np.errstate(all="ignore"):
        try:
            C = np.linalg.inv(to_floats(inverse_factor))
            product = C.T @ to_floats(hessian) @ C
            values, vectors = np.linalg.eigh(0.5 * product + 0.5 * product.T)
        except np.linalg.LinAlgError:
            return None
        floor = 1e-17 * np.abs(values).max(initial=0.0)
        result = np.asarray(C @ vectors / np.sqrt(np.maximum(np.abs(values), floor or 1.0)))
    return result if np.isfinite(result).all() else None


def _with_variation(near: Neighbourhood, Z: arb_mat, excess: arb, eta: arb) -> Basin:
    """Prove it for a variation of the Hessian of at most eta relative to Z."""
    # The radii are larger than what the energy allows, so that the boundary of the box is never reached.
    energy = 2 * excess / (1 - eta)
    radii = [((size * energy).sqrt() * arb(1.01)).upper() for size in row_square_norms(Z)]
    start = near.coordinates.here(near.state)
    rate = (1 - eta) / square_norm_bound(inverse_factor(near.state, near.coordinates) * Z)
    for _ in range(_ROUNDS):
        length = (2 * excess / rate).sqrt()
        radius = (length * arb(1.2)).upper()
        box = widened(near.state, radius)
        check_roles(box, near.coordinates)
        rate = (1 - eta) / square_norm_bound(inverse_factor(box, near.coordinates) * Z)
        if not rate > 0:
            raise NotCoveredError("the metric of the flow varies too much on the way")
        length = (2 * excess / rate).sqrt()
        if length < radius:
            break
    else:
        raise NotCoveredError("no ball was found that the rest of the trajectory does not leave")
    target = near.target(near.state)
    for value, centre, size in zip(start, target, radii, strict=True):
        if not abs(value - centre) < size:
            raise NotCoveredError("the state is not in the basin that the excess risk allows")
    variation = relative_variation(near.hessian(near.target(box), radii, near.passive(box)), Z)
    if not variation <= eta:
        raise NotCoveredError(
            "the Hessian varies too much in the basin that the excess risk allows: "
            f"{float(variation.mid()):.2g} relative to itself"
        )
    return Basin(rate.lower(), length.upper())
