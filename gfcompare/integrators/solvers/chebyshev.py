"""The stabilised explicit method of order 2 by Runge, Kutta and Chebyshev, for stiff flows with real spectra.

B. P. Sommeijer, L. F. Shampine, J. G. Verwer, "RKC: an explicit solver for parabolic PDEs",
doi:10.1016/S0377-0427(97)00219-7. A step of s stages is stable up to h times the largest rate = 0.65 s^2, so
that the number of evaluations grows with the square root of the stiffness only. The Jacobian of a gradient
flow is minus a Hessian: its spectrum is real, which is what the method asks for.
"""

from __future__ import annotations

import functools

import numpy as np

from gfcompare.integrators.solvers.runge_kutta import (
    CUBIC,
    Array,
    DormandPrince5,
    Method,
    Step,
    Tolerance,
    Velocity,
    hermite_terms,
)

_DAMPING = 2.0 / 13.0
# Rounding errors grow with s^2: with this many stages they are still below 1e-10.
_MOST_STAGES = 500
# The largest rate is estimated again after this many steps; it is that of an iteration from below, so more is
# allowed for.
_STEPS_WITH_ONE_ESTIMATE, _MARGIN = 25, 1.2
_MOST_ITERATIONS, _RATE_ACCURACY = 50, 0.01
# The error of a step, relative to the tolerance. At order 2 it is that of the slow motion, of one sign in
# step after step: over the hundreds of steps in which a neuron grows out of a saddle a whole tolerance in
# each added up to 250 of them.
_SHARE = 0.1


@functools.lru_cache(maxsize=_MOST_STAGES)
def _coefficients(stages: int) -> tuple[float, Array]:
    """Return mu~ of the first stage, and rows (mu, nu, mu~, gamma~) of the stages 2, ..., s."""
    w0 = 1.0 + _DAMPING / stages**2
    # Values and two derivatives of the Chebyshev polynomials at w0, by their recursion.
    t, d, dd = (np.zeros(stages + 1) for _ in range(3))
    t[:2], d[1] = (1.0, w0), 1.0
    for j in range(2, stages + 1):
        t[j] = 2.0 * w0 * t[j - 1] - t[j - 2]
        d[j] = 2.0 * (t[j - 1] + w0 * d[j - 1]) - d[j - 2]
        dd[j] = 2.0 * (2.0 * d[j - 1] + w0 * dd[j - 1]) - dd[j - 2]
    w1 = d[stages] / dd[stages]
    b = np.empty(stages + 1)
    b[2:] = dd[2:] / d[2:] ** 2
    b[0], b[1] = b[2], 1.0 / w0
    a = 1.0 - b * t
    mu, nu, weight = 2.0 * w0 * b[2:] / b[1:-1], -b[2:] / b[:-2], 2.0 * w1 * b[2:] / b[1:-1]
    return float(b[1] * w1), np.column_stack([mu, nu, weight, -a[1:-1] * weight])


class RungeKuttaChebyshev:
    """Order 2, with an error estimate of order 2 and a cubic interpolant; as many stages as needed."""

    order = 2
    error_order = 3

    def __init__(self) -> None:
        self._rate = 0.0
        self._direction: Array | None = None
        self._age = _STEPS_WITH_ONE_ESTIMATE

    def max_step_size(self, velocity: Velocity, y: Array, f0: Array) -> float:
        """Return the longest step size that is stable with the most stages; estimates the largest rate."""
        if self._age >= _STEPS_WITH_ONE_ESTIMATE:
            self._rate, self._age = _MARGIN * self._estimate(velocity, y, f0), 0
        return float(((_MOST_STAGES - 1) ** 2 - 1) / (1.54 * self._rate)) if self._rate > 0.0 else np.inf

    def _estimate(self, velocity: Velocity, y: Array, f0: Array) -> float:
        """Return the largest rate at y, by the power method on differences of velocities."""
        direction = f0 if self._direction is None else self._direction
        length = float(np.linalg.norm(direction))
        if not length > 0.0:
            return 0.0
        apart = 1e-7 * max(1.0, float(np.linalg.norm(y)))
        rate = 0.0
        for _ in range(_MOST_ITERATIONS):
            change = (velocity(y + (apart / length) * direction) - f0) / apart
            length = float(np.linalg.norm(change))
            if not length > 0.0 or not np.isfinite(length):
                break
            before, rate, direction = rate, length, change
            if abs(rate - before) <= _RATE_ACCURACY * rate:
                break
        self._direction = direction
        return rate

    def step(self, velocity: Velocity, start: Array, f0: Array, size: float, tolerance: Tolerance) -> Step:
        """Make a step; `f0` is the velocity at its start."""
        stages = self.stages(size)
        lead, rows = _coefficients(stages)
        before, now = start, start + lead * size * f0
        for mu, nu, weight, share in rows:
            moved = size * (weight * velocity(now) + share * f0)
            before, now = now, (1.0 - mu - nu) * start + mu * now + nu * before + moved
        f1 = velocity(now)
        deviation = 0.8 * (start - now) + 0.4 * size * (f0 + f1)
        return Step(
            start,
            now,
            f1,
            size,
            deviation,
            tolerance.norm(deviation, start, now) / _SHARE,
            size * self._rate,
            CUBIC,
            lambda: hermite_terms(now - start, f0, f1, size),
        )

    def stages(self, size: float) -> int:
        """Return how many stages make a step of this size stable, at least 2."""
        return max(2, min(_MOST_STAGES, 1 + int(np.sqrt(1.54 * size * self._rate + 1.0))))

    def accepted(self, step: Step) -> Method:
        """Return the same method, a step older."""
        self._age += 1
        return self

    def interrupted(self) -> None:
        """Have the largest rate estimated again."""
        self._age = _STEPS_WITH_ONE_ESTIMATE


# Steps at the limit of stability, or far below it, after which a flow counts as stiff, or no longer; and
# steps of the other kind that start the count again.
_ENOUGH, _FORGOTTEN = 15, 6


class StiffnessSwitch:
    """Dormand and Prince's method of order 5 while the flow is not stiff, Runge-Kutta-Chebyshev while it is.

    Stiff is a flow whose steps are limited by stability: h times its largest rate stays at the limit of the
    method of order 5 (Hairer, Wanner, "Solving Ordinary Differential Equations II", 1996, IV.2).
    """

    def __init__(self) -> None:
        self._plain = DormandPrince5()
        self._stabilized = RungeKuttaChebyshev()
        self._stiff = False
        self._for, self._against = 0, 0

    @property
    def _method(self) -> DormandPrince5 | RungeKuttaChebyshev:
        return self._stabilized if self._stiff else self._plain

    @property
    def error_order(self) -> int:
        """Order of the error estimate of the method in use."""
        return self._method.error_order

    def max_step_size(self, velocity: Velocity, y: Array, f0: Array) -> float:
        """Return the longest stable step size of the method in use."""
        return self._method.max_step_size(velocity, y, f0)

    def step(self, velocity: Velocity, start: Array, f0: Array, size: float, tolerance: Tolerance) -> Step:
        """Make a step with the method in use."""
        return self._method.step(velocity, start, f0, size, tolerance)

    def accepted(self, step: Step) -> Method:
        """Change the method if it has been the wrong one for a while."""
        self._method.accepted(step)
        limit = self._plain.limit
        reach = step.stiffness_estimate
        other = reach < 0.9 * limit if self._stiff else reach > 0.97 * limit
        self._for, self._against = (self._for + 1, 0) if other else (self._for, self._against + 1)
        if self._against >= _FORGOTTEN:
            self._for = 0
        if self._for >= _ENOUGH:
            self._stiff, self._for = not self._stiff, 0
            self._stabilized.interrupted()
        return self

    def interrupted(self) -> None:
        """Pass it on."""
        self._method.interrupted()
