"""Existence and uniqueness of a critical point of the reduced equations: Newton, then Krawczyk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb, arb_mat, ctx

from gfcompare.certificates.balls import (
    ZERO,
    around,
    column,
    high_double,
    identity,
    low_double,
    magnitude,
    middles,
)
from gfcompare.certificates.reduced import Model, Residuals

# Radii of the boxes in which uniqueness is tried, from the smallest on.
_RADII = tuple(10.0 ** (0.5 * k) for k in range(-20, 1))


@dataclass(frozen=True)
class CriticalPoint:
    """A critical point of the reduced equations.

    Attributes
    ----------
    centre : its approximation, without radius
    point : a box that contains exactly one, and lies in the next
    unique : radius of a box around the centre that contains no other one; 0 if no larger one was found
    """

    centre: list[arb]
    point: list[arb]
    unique: float

    @property
    def radius(self) -> float:
        """Radius of the box that contains it."""
        return max(
            (high_double(abs(p - c)) for p, c in zip(self.point, self.centre, strict=True)), default=0.0
        )


def newton(model: Model, start: Sequence[arb]) -> list[arb] | None:
    """Return an approximate critical point, without radius, or None if the iteration does not converge."""
    z = [value.mid() for value in start]
    inverse: arb_mat | None = None
    before = arb.pos_inf()
    goal = arb(2) ** (-(3 * ctx.prec) // 4)
    for _ in range(40):
        if not _inside(model, z):
            return None
        known = model.moments(z)
        gradient = column([value.mid() for value in model.gradient(z, known)])
        if inverse is None:
            hessian = middles(model.hessian(z, known, model.residuals(z, known)))
            try:
                inverse = middles(hessian.inv())
            except ZeroDivisionError:
                return None
        step = inverse * gradient
        size = ZERO
        for entry in step.entries():
            size = size.max(magnitude(entry))
        if not size < 10:
            return None
        z = [(value - step[k, 0]).mid() for k, value in enumerate(z)]
        if size < goal:
            return z if _inside(model, z) else None
        if not size < before * arb(1e-4):  # the Hessian of an earlier point does not do
            inverse = None
        before = size
    return None


def described(model: Model, found: CriticalPoint) -> list[arb]:
    """Return the value and the slope of a network at a, its breakpoints, and the changes of the slope."""
    alpha, beta, slopes, knots = model.split(found.point)
    for tau, s, q in zip(model.orientations, slopes, knots, strict=True):
        if tau < 0:
            alpha, beta = alpha + s * (q - model.line.lower), beta - s
    return [alpha, beta, *knots, *slopes]


def _inside(model: Model, z: Sequence[arb]) -> bool:
    breakpoints = z[model.first_breakpoint :]
    return all(q > model.line.lower and q < model.line.upper for q in breakpoints)


def critical_point(model: Model, centre: list[arb], *, uniqueness: bool = True) -> CriticalPoint | None:
    """Prove that a critical point lies near a centre, or return None.

    Krawczyk's operator K(X) = z - Y g(z) + (1 - Y H(X)) (X - z): if K(X) lies in the interior of the box X,
    then X contains exactly one zero of g, and it lies in K(X). Here g is only Lipschitz, where breakpoints
    meet or lie on a jump; H(X) encloses its generalised Jacobians (Clarke), for which the same holds.
    """
    known = model.moments(centre)
    reference = model.residuals(centre, known)
    gradient = column(model.gradient(centre, known))
    try:
        Y = middles(middles(model.hessian(centre, known, reference)).inv())
    except ZeroDivisionError:
        return None
    step = Y * gradient
    first = ZERO
    for entry in step.entries():
        first = first.max(magnitude(entry))
    radius = (4 * first + arb(2) ** (-(3 * ctx.prec) // 4)).upper()
    image = _krawczyk(model, centre, Y, step, reference, radius)
    if image is None:
        return None
    unique = low_double(radius)
    if uniqueness:
        low, high = (
            0,
            len(_RADII),
        )  # the largest radius by bisection: a hypothesis; each box is proved by itself
        while low < high:
            k = (low + high) // 2
            if _krawczyk(model, centre, Y, step, reference, arb(_RADII[k])) is None:
                high = k
            else:
                unique, low = max(unique, _RADII[k]), k + 1
    return CriticalPoint(
        centre, [around(c, magnitude(s)) for c, s in zip(centre, image, strict=True)], unique
    )


def _krawczyk(
    model: Model, z: list[arb], Y: arb_mat, step: arb_mat, reference: Residuals, radius: arb
) -> list[arb] | None:
    """Return K(X) - z for the box X of a radius around z, or None if it is not inside X - z."""
    box = [around(value, radius) for value in z]
    if not _inside(model, box):
        return None
    differences = [x - value for x, value in zip(box, z, strict=True)]
    known = model.moments(box)
    values = [model.residual(z, q) for q in box[model.first_breakpoint :]]
    near = model.residuals_near(box, differences, known, Residuals(reference.integrals, values))
    contraction = identity(model.size) - Y * model.hessian(box, known, near)
    image = (contraction * column(differences) - step).entries()
    return image if all(magnitude(entry) < radius for entry in image) else None
