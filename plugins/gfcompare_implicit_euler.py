"""The implicit Euler method, which is the proximal point method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

import gfcompare as gfc


@dataclass(frozen=True)
class ImplicitEuler(gfc.StepMethod[gfc.Array]):
    """Implicit Euler, the proximal point method: theta_{n+1} = theta_n - g_n G(theta_{n+1}).

    Order 1, stable for every step size: theta_{n+1} is a local minimum of phi(y) = L(y) + |y - theta_n|^2 /
    (2 g_n), found by Newton's method in a trust region with conjugate gradients on Hessian products, and phi
    never grows; so L(theta_{n+1}) + |theta_{n+1} - theta_n|^2 / (2 g_n) <= L(theta_n). A step costs a few
    gradients and risks and some ten Hessian products. A trajectory whose iteration does not converge fails:
    take smaller steps, at least at first. Rockafellar, doi:10.1137/0314056.

    Parameters
    ----------
    step_size : a number, in units of flow time, or a schedule
    tolerance : of each step, relative to its length
    max_iterations : of Newton's method, after which the trajectory fails
    """

    name: ClassVar[str] = "implicit-euler"
    order: ClassVar[int | None] = 1
    step_size: gfc.StepSize = 0.1
    tolerance: float = 1e-8
    max_iterations: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        gfc.require(
            1e-14 <= self.tolerance <= 0.1, f"tolerance must be in [1e-14, 0.1], got {self.tolerance:g}."
        )
        gfc.require(
            self.max_iterations >= 1, f"max_iterations must be at least 1, got {self.max_iterations}."
        )

    def init(
        self, problem: gfc.CountedProblem, theta: gfc.Array, rngs: Sequence[np.random.Generator]
    ) -> gfc.Array:
        """Return the last moves, shape (M, P), from which the iteration starts."""
        return np.zeros_like(theta)

    def step(
        self, problem: gfc.CountedProblem, theta: gfc.Array, solver_state: gfc.Array, step_size: float
    ) -> tuple[gfc.Array, gfc.Array]:
        """Make a step of each trajectory by itself."""
        result = theta.copy()
        for m in np.flatnonzero(problem.counted).tolist():
            result[m] = self._next(problem.only(m), theta[m], theta[m] + solver_state[m], step_size)
        return result, result - theta

    def _next(
        self, problem: gfc.CountedProblem, theta: gfc.Array, y: gfc.Array, step_size: float
    ) -> gfc.Array:
        """Return y with y = theta - g G(y), starting from the given y if phi is smaller there."""

        def value(y: gfc.Array) -> float:
            return float(problem.risk(y)) + float((y - theta) @ (y - theta)) / (2 * step_size)

        here = value(theta)
        y, here = min(((theta, here), (y, value(y))), key=lambda pair: pair[1])
        radius = float(np.linalg.norm(y)) + 1e-3
        for _ in range(self.max_iterations):
            residual = y - theta + step_size * problem.gradient(y)
            product = partial(_product, problem, y, step_size)
            move, rest = _newton(product, residual, radius)
            length = float(np.linalg.norm(move))
            rounding = 1e-15 * (1 + step_size) * float(np.linalg.norm(y))
            if length <= self.tolerance * float(np.linalg.norm(y + move - theta)) + rounding:
                return y + move
            there = value(y + move)
            # phi is only known to rounding, which grows like the root of the risk.
            slack = 1e-12 * here + 1e-14 * here**0.5
            promised = float((rest - residual) @ move) / (2 * step_size)
            ratio = (here - there + slack) / (promised + slack)
            if not ratio > 0.25:
                radius = 0.25 * length
            elif ratio > 0.75 and length > 0.9 * radius:
                radius *= 2
            if ratio > 0.1:
                y, here = y + move, there
        raise ArithmeticError(
            f"Newton's method did not converge in {self.max_iterations} iterations, step size {step_size:g}"
        )


def _product(problem: gfc.CountedProblem, y: gfc.Array, step_size: float, vector: gfc.Array) -> gfc.Array:
    """Return (1 + g Hess L(y)) times a vector."""
    return vector + step_size * problem.hessian_product(y, vector)


def _newton(
    product: Callable[[gfc.Array], gfc.Array], residual: gfc.Array, radius: float
) -> tuple[gfc.Array, gfc.Array]:
    """Return a move d and -residual - A d: A d = -residual to 1 % by conjugate gradients, in a ball.

    Where A is not positive definite, or at the sphere, the move ends on the sphere (Steihaug,
    doi:10.1137/0720042).
    """
    move, rest = np.zeros_like(residual), -residual
    along, size = rest, float(rest @ rest)
    enough = 1e-4 * size
    if size == 0.0:  # it is solved exactly, as where only the output bias moves
        return move, rest
    for _ in range(2 * residual.size):
        image = product(along)
        curvature = float(along @ image)
        share = size / curvature if curvature > 0 else np.inf
        if not np.linalg.norm(move + share * along) < radius:
            inner, square = float(move @ along), float(along @ along)
            room = radius**2 - float(move @ move)
            share = room / (inner + (inner**2 + square * room) ** 0.5)
            return move + share * along, rest - share * image
        move, rest = move + share * along, rest - share * image
        size, last = float(rest @ rest), size
        if size <= enough:
            break
        along = rest + size / last * along
    return move, rest


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [ImplicitEuler]
