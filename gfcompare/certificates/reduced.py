"""The risk as a function of breakpoints and slopes, with gradient and Hessian, in balls.

N(x) = alpha + beta (x - a) + sum_j s_j relu(tau_j (x - q_j)) on [a, b]. The coordinates y are alpha, beta
where the affine part is free, s_1, ..., s_n and q_1, ..., q_n. Where a breakpoint is cut to [a, b],
derivatives are those from inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb, arb_mat

from gfcompare.certificates.balls import ONE, ZERO, dot
from gfcompare.certificates.moments import Moments, moments
from gfcompare.certificates.pieces import LineBalls


@dataclass(frozen=True)
class Residuals:
    """Values of the residual r = N - f in the Hessian.

    Attributes
    ----------
    integrals : over I_i of r p
    values : r at q_i
    """

    integrals: list[arb]
    values: list[arb]


@dataclass(frozen=True)
class Model:
    """Networks with the same orientations.

    Parameters
    ----------
    line : target and density
    orientations : tau_j, 1 or -1
    affine : whether beta is a coordinate; otherwise it is 0
    """

    line: LineBalls
    orientations: tuple[int, ...]
    affine: bool

    @property
    def neurons(self) -> int:
        """Number n of features."""
        return len(self.orientations)

    @property
    def first_slope(self) -> int:
        """Place of s_1 among the coordinates."""
        return 2 if self.affine else 1

    @property
    def first_breakpoint(self) -> int:
        """Place of q_1 among the coordinates."""
        return self.first_slope + self.neurons

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.first_slope + 2 * self.neurons

    def split(self, y: Sequence[arb]) -> tuple[arb, arb, Sequence[arb], Sequence[arb]]:
        """Return alpha, beta, the slopes and the breakpoints."""
        beta = y[1] if self.affine else ZERO
        return y[0], beta, y[self.first_slope : self.first_breakpoint], y[self.first_breakpoint :]

    def moments(self, y: Sequence[arb]) -> Moments:
        """Return the integrals of features at y."""
        return moments(self.line, self.orientations, y[self.first_breakpoint :])

    def network(self, y: Sequence[arb], x: arb) -> arb:
        """Return N at all points of x, as N(m) + N'(x) (x - m) with the middle m."""
        alpha, beta, slopes, breakpoints = self.split(y)
        middle = x.mid()
        value, slope = alpha + beta * (middle - self.line.lower), beta
        for tau, s, q in zip(self.orientations, slopes, breakpoints, strict=True):
            value += s * (tau * (middle - q)).max(ZERO)
            slope += s * tau * _indicator(tau * (x - q))
        return value if x.is_exact() else value + slope * (x - middle)

    def residual(self, y: Sequence[arb], x: arb) -> arb:
        """Return r = N - f at all points of x, from both sides where f jumps."""
        return self.network(y, x) - self.line.target(x)

    def risk(self, y: Sequence[arb], known: Moments | None = None) -> arb:
        """Return the risk."""
        found = known or self.moments(y)
        line = self.line
        alpha, beta, slopes, _ = self.split(y)
        mass, targets = line.masses, line.target_moments
        total = alpha * alpha * mass[0] + 2 * alpha * beta * mass[1] + beta * beta * mass[2]
        total += line.target_square - 2 * (alpha * targets[0] + beta * targets[1])
        weighted = self._weighted_target(y)[1]
        for i, s in enumerate(slopes):
            linear = alpha * found.feature[i] + beta * found.feature_x[i] - weighted[i]
            total += s * (2 * linear + dot(slopes, found.products[i]))
        return total

    def _weighted_target(self, y: Sequence[arb]) -> tuple[list[arb], list[arb]]:
        """Return the integrals over I_i of f p, and of feature i times f p."""
        line = self.line
        plain, featured = [], []
        for tau, q in zip(self.orientations, y[self.first_breakpoint :], strict=True):
            left = [function(q) for function in line.weighted_target]
            t = q - line.lower
            if tau > 0:
                zeroth, first = (w - part for w, part in zip(line.target_moments, left, strict=True))
                plain.append(zeroth)
                featured.append(first - t * zeroth)
            else:
                plain.append(left[0])
                featured.append(t * left[0] - left[1])
        return plain, featured

    def integrals(self, y: Sequence[arb], known: Moments) -> tuple[list[arb], list[arb]]:
        """Return the integrals over I_i of r p, and of feature i times r p."""
        alpha, beta, slopes, _ = self.split(y)
        plain, featured = self._weighted_target(y)
        zeroth, first = [], []
        for i in range(self.neurons):
            crossed = dot(slopes, [known.crossed[j][i] for j in range(self.neurons)])
            zeroth.append(alpha * known.indicator[i] + beta * known.indicator_x[i] + crossed - plain[i])
            product = dot(slopes, known.products[i])
            first.append(alpha * known.feature[i] + beta * known.feature_x[i] + product - featured[i])
        return zeroth, first

    def gradient(self, y: Sequence[arb], known: Moments) -> list[arb]:
        """Return the gradient in the coordinates."""
        alpha, beta, slopes, _ = self.split(y)
        mass, targets = self.line.masses, self.line.target_moments
        zeroth, first = self.integrals(y, known)
        result = [2 * (alpha * mass[0] + beta * mass[1] + dot(slopes, known.feature) - targets[0])]
        if self.affine:
            inner = alpha * mass[1] + beta * mass[2] + dot(slopes, known.feature_x) - targets[1]
            result.append(2 * inner)
        result += [2 * g for g in first]
        result += [-2 * tau * s * g for tau, s, g in zip(self.orientations, slopes, zeroth, strict=True)]
        return result

    def residuals(self, y: Sequence[arb], known: Moments) -> Residuals:
        """Return what the Hessian needs of the residual, at a point y that is nearly exact."""
        _, _, _, breakpoints = self.split(y)
        return Residuals(self.integrals(y, known)[0], [self.residual(y, q) for q in breakpoints])

    def residuals_near(
        self, y: Sequence[arb], steps: Sequence[arb], known: Moments, reference: Residuals
    ) -> Residuals:
        """Return what the Hessian needs of the residual at all points of a box, in mean value form.

        Parameters
        ----------
        y : the box, which contains the segments from the reference
        steps : for each coordinate the differences of points of the box from the reference
        known : the integrals of features on the box
        reference : of the network of the reference: the integrals over its own I_i; the values of its
            residual at all points of the balls q_i of the box
        """
        _, _, slopes, breakpoints = self.split(y)
        line, n = self.line, self.neurons
        bends = [-tau * s for tau, s in zip(self.orientations, slopes, strict=True)]
        values, integrals = [], []
        for i, q in enumerate(breakpoints):
            # dN(q_i) / dy: 1, x - a, the features, and -tau_j s_j where feature j is active.
            signs = [tau * (q - other) for tau, other in zip(self.orientations, breakpoints, strict=True)]
            row = [ONE, q - line.lower] if self.affine else [ONE]
            row += [sign.max(ZERO) for sign in signs]
            row += [bend * _indicator(sign) for bend, sign in zip(bends, signs, strict=True)]
            values.append(reference.values[i] + dot(row, steps))
            row = [known.indicator[i]] + ([known.indicator_x[i]] if self.affine else [])
            row += [known.crossed[j][i] for j in range(n)]
            row += [bends[j] * known.overlaps[i][j] for j in range(n)]
            row[self.first_breakpoint + i] -= self.orientations[i] * values[i] * line.density(q)
            integrals.append(reference.integrals[i] + dot(row, steps))
        return Residuals(integrals, values)

    def hessian(self, y: Sequence[arb], known: Moments, residuals: Residuals) -> arb_mat:
        """Return the Hessian in the coordinates; where f or p jumps at a breakpoint, from both sides.

        Gauss-Newton, plus -2 tau_i times the integral over I_i of r p at (s_i, q_i), plus
        2 s_i r(q_i) p(q_i) at (q_i, q_i).
        """
        _, _, slopes, breakpoints = self.split(y)
        n, size, S, Q = self.neurons, self.size, self.first_slope, self.first_breakpoint
        mass = self.line.masses
        rows = [[ZERO] * size for _ in range(size)]

        def put(i: int, j: int, value: arb) -> None:
            rows[i][j] = rows[j][i] = value

        put(0, 0, 2 * mass[0])
        if self.affine:
            put(0, 1, 2 * mass[1])
            put(1, 1, 2 * mass[2])
        bends = [-2 * tau * s for tau, s in zip(self.orientations, slopes, strict=True)]
        halves = [-tau * s for tau, s in zip(self.orientations, slopes, strict=True)]
        for i in range(n):
            put(0, S + i, 2 * known.feature[i])
            put(0, Q + i, bends[i] * known.indicator[i])
            if self.affine:
                put(1, S + i, 2 * known.feature_x[i])
                put(1, Q + i, bends[i] * known.indicator_x[i])
            for j in range(n):
                put(S + i, Q + j, bends[j] * known.crossed[i][j])
                if j <= i:
                    put(S + i, S + j, 2 * known.products[i][j])
                    put(Q + i, Q + j, bends[i] * halves[j] * known.overlaps[i][j])
            put(S + i, Q + i, rows[S + i][Q + i] - 2 * self.orientations[i] * residuals.integrals[i])
            curvature = 2 * slopes[i] * residuals.values[i] * self.line.density(breakpoints[i])
            put(Q + i, Q + i, rows[Q + i][Q + i] + curvature)
        return arb_mat(rows)


def _indicator(sign: arb) -> arb:
    """Return the ball of the values that the indicator of positive numbers takes on a ball."""
    if sign > 0:
        return ONE
    return ZERO if sign < 0 else ZERO.union(ONE)
