"""Risk and gradient at 60 digits by Gauss-Legendre between breakpoints, by mpmath alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import mpmath as mp

DIGITS = 60


@lru_cache(maxsize=4)
def nodes(count: int) -> list[tuple[mp.mpf, mp.mpf]]:
    """Return nodes and weights on [-1, 1], by Newton's method from Chebyshev points."""
    with mp.workdps(DIGITS + 15):
        found = []
        for k in range(count):
            x = mp.cos(mp.pi * (k + mp.mpf(3) / 4) / (count + mp.mpf(1) / 2))
            for _ in range(60):
                p0, p1 = mp.mpf(1), x
                for n in range(2, count + 1):
                    p0, p1 = p1, ((2 * n - 1) * x * p1 - (n - 1) * p0) / n
                slope = count * (x * p1 - p0) / (x * x - 1)
                step = p1 / slope
                x -= step
                if abs(step) < mp.mpf(10) ** (-DIGITS - 10):
                    break
            found.append((x, 2 / ((1 - x * x) * slope**2)))
        return found


@dataclass(frozen=True)
class Line:
    """A problem of widths (1, H, 1) on [lower, upper]: formulas of f and p, and where they are not smooth."""

    target: Callable[[mp.mpf], mp.mpf]
    density: Callable[[mp.mpf], mp.mpf]
    lower: float
    upper: float
    knots: tuple[float, ...] = ()
    count: int = 8

    def integral(self, function: Callable[[mp.mpf], mp.mpf], places: Sequence[mp.mpf]) -> mp.mpf:
        """Return the integral of a function times p, smooth between knots and some places."""
        ends = {mp.mpf(self.lower), mp.mpf(self.upper)}
        ends |= {mp.mpf(k) for k in (*self.knots, *places) if self.lower < k < self.upper}
        total = mp.mpf(0)
        for left, right in pairwise(sorted(ends)):
            half, centre = (right - left) / 2, (right + left) / 2
            points = ((centre + half * x, half * weight) for x, weight in nodes(self.count))
            total += sum((weight * function(x) * self.density(x) for x, weight in points), mp.mpf(0))
        return total

    def breakpoints(self, theta: Sequence[mp.mpf]) -> list[mp.mpf]:
        """Return the breakpoints of a network."""
        n = (len(theta) - 1) // 3
        return [-theta[n + i] / theta[i] for i in range(n) if theta[i] != 0]

    def risk(self, theta: Sequence[mp.mpf]) -> mp.mpf:
        """Return the risk."""
        return self.integral(lambda x: (network(theta, x) - self.target(x)) ** 2, self.breakpoints(theta))

    def gradient(self, theta: Sequence[mp.mpf]) -> list[mp.mpf]:
        """Return the gradient by back-propagation at the points."""
        n = (len(theta) - 1) // 3

        def entry(k: int) -> Callable[[mp.mpf], mp.mpf]:
            def value(x: mp.mpf) -> mp.mpf:
                r = 2 * (network(theta, x) - self.target(x))
                if k == 3 * n:
                    return r
                i = k % n
                z = theta[i] * x + theta[n + i]
                if z <= 0:
                    return mp.mpf(0)
                return r * (z if k >= 2 * n else theta[2 * n + i] * (x if k < n else 1))

            return value

        places = self.breakpoints(theta)
        return [self.integral(entry(k), places) for k in range(len(theta))]


def network(theta: Sequence[mp.mpf], x: mp.mpf) -> mp.mpf:
    """Return N(x)."""
    n = (len(theta) - 1) // 3
    hidden = (theta[2 * n + i] * max(theta[i] * x + theta[n + i], mp.mpf(0)) for i in range(n))
    return sum(hidden, theta[3 * n])


def rational(value: object) -> mp.mpf:
    """Return the midpoint of a ball, exactly up to the digits."""
    mantissa, exponent = value.mid().man_exp()
    return mp.mpf(int(mantissa)) * mp.mpf(2) ** int(exponent)


def inside(ball: object, value: mp.mpf, slack: float = 0.0) -> bool:
    """Return whether a number lies in a ball widened by some slack."""
    with mp.workdps(DIGITS + 15):
        distance = abs(rational(ball) - value)
        return bool(distance <= rational(ball.rad()) + slack)
