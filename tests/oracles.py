"""Independent ways to compute what the tests check: nothing here calls the code that is tested.

Targets and measures come with their plain formulas; gradients and risks by adaptive quadrature of
pointwise back-propagation, by Gauss-Legendre between breakpoints, and in exact rational arithmetic.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from scipy.integrate import quad_vec
from scipy.stats import truncnorm
from support import examples

import gfcompare as gfc

#: For every property: reproducible, with no time limit for the first, compiling, example.
QUICK = examples(30)


# ---------------------------------------------------------------------------------------------------
# Targets and measures with their formulas
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TargetCase:
    """A target, its formula (n,) -> (n, K), and where the formula is not smooth."""

    target: gfc.Target
    formula: Callable
    knots: tuple[float, ...] = ()


@dataclass(frozen=True)
class MeasureCase:
    """A measure, the formula of its density (n,) -> (n,), and where that is not smooth."""

    measure: gfc.Measure
    formula: Callable
    knots: tuple[float, ...] = ()


def _columns(*functions):
    return lambda x: np.stack([np.broadcast_to(f(x), x.shape) for f in functions], axis=-1)


def target_case(name: str, outputs: int, lower: float, upper: float) -> TargetCase:
    """Return a target of every kind, K = 1 or 3, with features inside [lower, upper]."""
    t, width = gfc.targets, upper - lower
    at = lambda share: lower + share * width  # noqa: E731
    one = outputs == 1
    if name == "constant":
        value = 0.7 if one else (0.7, -1.2, 0.0)
        return TargetCase(t.Constant(value), _columns(*(lambda x, v=v: v for v in np.atleast_1d(value))))
    if name == "affine":
        slope, intercept = (1.5, -0.3) if one else ((1.5, 0.0, -2.0), (-0.3, 1.0, 0.25))
        pairs = list(zip(np.atleast_1d(slope), np.atleast_1d(intercept), strict=True))
        return TargetCase(
            t.Affine(slope, intercept), _columns(*(lambda x, m=m, c=c: c + m * x for m, c in pairs))
        )
    if name == "polynomial":
        rows = [[0.3, 4.0, -12.0, 8.0], [1.0], [0.0, 0.0, 1.0, 0.0, 0.0, -0.5]][:outputs]
        return TargetCase(
            t.Polynomial(rows[0] if one else rows),
            _columns(*(lambda x, r=r: sum(c * x**n for n, c in enumerate(r)) for r in rows)),
        )
    if name == "piecewise-polynomial":
        knots = [lower, at(0.3), at(0.8), upper]
        rows = [[[1.0, 2.0], [0.0, 1.0, 1.0], [3.0]], [[-1.0], [2.0], [0.5, -1.0]], [[0.0, 0.0, 1.0]] * 3]
        pieces = [row[:outputs] for row in rows]

        def value(x, k):
            which = np.searchsorted(knots[1:-1], x, side="right")
            parts = [np.polynomial.polynomial.polyval(x, piece[k]) for piece in pieces]
            return np.choose(which, parts)

        return TargetCase(
            t.PiecewisePolynomial(knots, [p[0] for p in pieces] if one else pieces),
            _columns(*(lambda x, k=k: value(x, k) for k in range(outputs))),
            tuple(knots[1:-1]),
        )
    if name == "piecewise-linear":
        knots = [lower, at(0.125), at(0.6), at(0.7), upper]
        table = np.array([[0.0, 1.0, 2.0], [1.0, 0.5, 2.0], [-1.0, 0.5, -2.0], [3.0, 0.0, 1.0], [0.5, 1, 1]])
        table = table[:, :outputs]
        return TargetCase(
            t.PiecewiseLinear(knots, table[:, 0].tolist() if one else table.tolist()),
            _columns(*(lambda x, k=k: np.interp(x, knots, table[:, k]) for k in range(outputs))),
            tuple(knots[1:-1]),
        )
    if name == "sine":
        rows = [(1.0, 1.0, 0.0, 0.0), (0.5, 2.5, 0.4, 1.0), (-2.0, 0.3, -1.0, 0.0)][:outputs]
        fields = rows[0] if one else tuple(zip(*rows, strict=True))
        return TargetCase(
            t.Sine(*fields),
            _columns(*(lambda x, r=r: r[3] + r[0] * np.sin(2 * np.pi * r[1] * x + r[2]) for r in rows)),
        )
    if name == "absolute-value":
        rows = [(at(0.4), 1.5, 0.2), (at(0.75), -1.0, 0.0), (lower - 1.0, 1.0, 0.0)][:outputs]
        fields = rows[0] if one else tuple(zip(*rows, strict=True))
        return TargetCase(
            t.AbsoluteValue(*fields),
            _columns(*(lambda x, r=r: r[2] + r[1] * np.abs(x - r[0]) for r in rows)),
            tuple(r[0] for r in rows),
        )
    if name == "step":
        rows = [(at(0.5), 0.0, 1.0), (at(0.2), 2.0, -1.0), (upper + 1.0, 0.5, 9.0)][:outputs]
        fields = rows[0] if one else tuple(zip(*rows, strict=True))
        return TargetCase(
            t.Step(*fields),
            _columns(*(lambda x, r=r: np.where(x < r[0], r[1], r[2]) for r in rows)),
            tuple(r[0] for r in rows),
        )
    if name == "teacher":
        teacher = t.Teacher((1, 5, 4, outputs), seed=3, scale=1.3)
        return TargetCase(
            teacher,
            lambda x: vector_network(teacher.widths, teacher.theta, x),
            tuple(dense_kinks(teacher.widths, teacher.theta, lower, upper)),
        )
    if name == "function":
        rows = [lambda x: np.exp(-((x - at(0.3)) ** 2)), lambda x: 1 / (1 + (x - lower)), np.cos][:outputs]
        formula = _columns(*rows)
        accuracy = 1e-14 * max(1.0, abs(lower), abs(upper))
        return TargetCase(t.Function((lambda x: rows[0](x)) if one else formula, accuracy=accuracy), formula)
    if name == "stack":
        parts = [target_case(n, 1, lower, upper) for n in ("sine", "step", "piecewise-linear")[:outputs]]
        return TargetCase(
            t.Stack([p.target for p in parts]),
            lambda x: np.concatenate([p.formula(x) for p in parts], axis=-1),
            tuple(k for p in parts for k in p.knots),
        )
    raise KeyError(name)


TARGETS = (
    "constant",
    "affine",
    "polynomial",
    "piecewise-polynomial",
    "piecewise-linear",
    "sine",
    "absolute-value",
    "step",
    "teacher",
    "function",
    "stack",
)
MEASURES = ("uniform", "piecewise-polynomial", "truncated-normal", "density")


def measure_case(name: str, lower: float, upper: float) -> MeasureCase:
    """Return a measure of every kind on [lower, upper]."""
    m, width = gfc.measures, upper - lower
    if name == "uniform":
        return MeasureCase(m.Uniform(lower, upper), lambda x: np.full_like(x, 1 / width))
    if name == "piecewise-polynomial":
        # A tent: rises from 0 at the left end to the knot, then falls to a quarter of its height.
        knot = lower + 0.35 * width
        left, right = knot - lower, upper - knot
        mass = left / 2 + right * 0.625
        rising = [-lower / left, 1 / left]
        falling = [1 + 0.75 * knot / right, -0.75 / right]
        return MeasureCase(
            m.PiecewisePolynomial([lower, knot, upper], [rising, falling]),
            lambda x: np.where(x < knot, (x - lower) / left, 1 - 0.75 * (x - knot) / right) / mass,
            (knot,),
        )
    if name == "truncated-normal":
        mean, deviation = lower + 0.3 * width, 0.25 * width
        law = truncnorm((lower - mean) / deviation, (upper - mean) / deviation, loc=mean, scale=deviation)
        return MeasureCase(m.TruncatedNormal(mean, deviation, lower, upper), law.pdf)
    if name == "density":
        # The density u exp(-3 u) in u = (x - lower) / width; its integral in closed form.
        mass = width * (1 - 4 * np.exp(-3.0)) / 9
        plain = lambda x: (x - lower) / width * np.exp(-3 * (x - lower) / width)  # noqa: E731
        accuracy = 1e-14 * max(1.0, abs(lower) / width, abs(upper) / width)
        return MeasureCase(m.Density(plain, lower, upper, accuracy=accuracy), lambda x: plain(x) / mass)
    raise KeyError(name)


# ---------------------------------------------------------------------------------------------------
# Networks
# ---------------------------------------------------------------------------------------------------


def loop_layers(widths: Sequence[int], theta: Sequence[float]) -> list[tuple[list, list]]:
    """Cut theta into (rows of weights, biases), layer by layer, with plain lists."""
    numbers = [float(t) for t in theta]
    layers = []
    for before, after in itertools.pairwise(widths):
        rows = [[numbers.pop(0) for _ in range(before)] for _ in range(after)]
        layers.append((rows, [numbers.pop(0) for _ in range(after)]))
    assert not numbers
    return layers


def loop_network(widths: Sequence[int], theta: Sequence[float], x: Sequence[float]) -> np.ndarray:
    """Evaluate a network of any depth at one point with plain loops."""
    values = [float(v) for v in x]
    layers = loop_layers(widths, theta)
    for number, (rows, biases) in enumerate(layers):
        z = [sum(w * v for w, v in zip(row, values, strict=True)) + b for row, b in zip(rows, biases)]  # noqa: B905
        values = z if number == len(layers) - 1 else [max(v, 0.0) for v in z]
    return np.array(values)


def vector_network(widths: Sequence[int], theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Evaluate a network on the line at many points, (n,) -> (n, K)."""
    values = np.asarray(x)[:, None]
    layers = loop_layers(widths, theta)
    for number, (rows, biases) in enumerate(layers):
        z = values @ np.array(rows).T + np.array(biases)
        values = z if number == len(layers) - 1 else np.maximum(z, 0.0)
    return values


def dense_kinks(widths: Sequence[int], theta: np.ndarray, lower: float, upper: float) -> list[float]:
    """Find the kinks of a deep network on the line by bisection of bent intervals, to about 1e-13."""
    edges = np.linspace(lower, upper, 129)
    stack = list(itertools.pairwise(edges))
    found: list[float] = []
    while stack:
        a, b = stack.pop()
        y = vector_network(widths, theta, np.linspace(a, b, 9))
        chord = y[0] + (y[-1] - y[0]) * np.linspace(0, 1, 9)[:, None]
        if np.abs(y - chord).max() < 1e-14 * (1 + np.abs(y).max() + max(abs(lower), abs(upper))):
            continue
        middle = 0.5 * (a + b)
        if b - a > 1e-5:
            stack += [(a, middle), (middle, b)]
            continue
        # One kink: where the lines through two points near either end meet.
        h = 1e-3 * (b - a)
        (ya, yc, yd, yb) = vector_network(widths, theta, np.array([a, a + h, b - h, b]))
        left, right = (yc - ya) / h, (yb - yd) / h
        k = int(np.argmax(np.abs(left - right)))
        found.append(a + (yb[k] - ya[k] - right[k] * (b - a)) / (left[k] - right[k]))
    return sorted(found)


def random_theta(
    rng: np.random.Generator, hidden: int, outputs: int, lower: float, upper: float
) -> np.ndarray:
    """Draw a 1-H-K network most of whose breakpoints lie in [lower, upper], some outside."""
    w = rng.normal(size=hidden)
    width = upper - lower
    b = -w * rng.uniform(lower - 0.2 * width, upper + 0.2 * width, size=hidden)
    v = rng.normal(size=outputs * hidden) / np.sqrt(hidden)
    return np.concatenate([w, b, v, rng.normal(size=outputs)])


def split(theta: np.ndarray, hidden: int) -> tuple[np.ndarray, ...]:
    """Return (w, b, v, c) of a 1-H-K network, v of shape (K, H)."""
    outputs = (len(theta) - 2 * hidden) // (hidden + 1)
    v = theta[2 * hidden : (2 + outputs) * hidden].reshape(outputs, hidden)
    return theta[:hidden], theta[hidden : 2 * hidden], v, theta[(2 + outputs) * hidden :]


def backprop(
    theta: np.ndarray, hidden: int, x: np.ndarray, fx: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return sum_n weights[n] grad |N(x_n) - f(x_n)|^2 by back-propagation with s'(0) = 0.

    x : (n,); fx : (n, K); weights : (n,).
    """
    w, b, v, c = split(theta, hidden)
    z = np.multiply.outer(x, w) + b
    a = np.maximum(z, 0.0)
    g = 2 * weights[:, None] * (a @ v.T + c - fx)
    dz = (g @ v) * (z > 0)
    return np.concatenate([x @ dz, dz.sum(axis=0), (g.T @ a).ravel(), g.sum(axis=0)])


def inner_breakpoints(theta: np.ndarray, hidden: int, lower: float, upper: float, knots=()) -> list[float]:
    """Return where something happens strictly inside the interval, ascending."""
    w, b, _, _ = split(theta, hidden)
    rising = w != 0
    with np.errstate(over="ignore"):
        zeros = -b[rising] / w[rising]
    places = np.unique(np.concatenate([zeros, np.asarray(knots, dtype=float)]))
    return places[(places > lower) & (places < upper)].tolist()


# ---------------------------------------------------------------------------------------------------
# Gradient and risk by quadrature
# ---------------------------------------------------------------------------------------------------


def quadrature_gradient(
    target: TargetCase, measure: MeasureCase, theta: np.ndarray, hidden: int
) -> np.ndarray:
    """Integrate pointwise back-propagation adaptively (Gauss-Kronrod), given the breakpoints."""
    lower, upper = measure.measure.interval

    def integrand(x: float) -> np.ndarray:
        point = np.array([x])
        return backprop(theta, hidden, point, target.formula(point), measure.formula(point))

    points = inner_breakpoints(theta, hidden, lower, upper, (*target.knots, *measure.knots))
    return quad_vec(integrand, lower, upper, epsabs=0, epsrel=1e-13, norm="max", points=points, limit=20000)[
        0
    ]


def quadrature_risk(target: TargetCase, measure: MeasureCase, theta: np.ndarray, hidden: int) -> float:
    """Integrate the squared residual adaptively, given the breakpoints."""
    lower, upper = measure.measure.interval
    w, b, v, c = split(theta, hidden)

    def integrand(x: float) -> float:
        point = np.array([x])
        residual = np.maximum(w * x + b, 0) @ v.T + c - target.formula(point)[0]
        return float(residual @ residual * measure.formula(point)[0])

    points = inner_breakpoints(theta, hidden, lower, upper, (*target.knots, *measure.knots))
    return quad_vec(integrand, lower, upper, epsabs=0, epsrel=1e-13, points=points, limit=20000)[0]


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


def gauss_gradient(target: TargetCase, measure: MeasureCase, theta: np.ndarray, hidden: int) -> np.ndarray:
    """Integrate back-propagation by 20 Gauss-Legendre points between breakpoints: fast, for flows."""
    x, fx, weights = gauss_points(target, measure, theta, hidden)
    return backprop(theta, hidden, x, fx, weights)


def gauss_points(
    target: TargetCase, measure: MeasureCase, theta: np.ndarray, hidden: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points, target values and weights of `gauss_gradient`."""
    lower, upper = measure.measure.interval
    inner = inner_breakpoints(theta, hidden, lower, upper, (*target.knots, *measure.knots))
    edges = np.array([lower, *inner, upper])
    half = 0.5 * np.diff(edges)
    x = (0.5 * (edges[:-1] + edges[1:])[:, None] + half[:, None] * _NODES).ravel()
    weights = (half[:, None] * _WEIGHTS).ravel() * measure.formula(x)
    return x, target.formula(x), weights


def gauss_risk(target: TargetCase, measure: MeasureCase, theta: np.ndarray, hidden: int) -> float:
    """Integrate the squared residual by 20 Gauss-Legendre points between breakpoints."""
    x, fx, weights = gauss_points(target, measure, theta, hidden)
    w, b, v, c = split(theta, hidden)
    residual = np.maximum(np.multiply.outer(x, w) + b, 0.0) @ v.T + c - fx
    return float(weights @ (residual**2).sum(axis=1))


# ---------------------------------------------------------------------------------------------------
# Gradient and risk in rational arithmetic, for polynomial pieces
# ---------------------------------------------------------------------------------------------------

Poly = list[Fraction]


def fractions(numbers: Sequence[float]) -> Poly:
    """Return the numbers exactly."""
    return [Fraction(float(n)) for n in numbers]


def times(p: Poly, q: Poly) -> Poly:
    """Return the product of two polynomials."""
    result = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            result[i + j] += a * b
    return result


def value(p: Poly, x: Fraction) -> Fraction:
    """Return p(x)."""
    result = Fraction(0)
    for c in reversed(p):
        result = result * x + c
    return result


def primitive(p: Poly) -> Poly:
    """Return the antiderivative that vanishes at 0."""
    return [Fraction(0), *(c / (n + 1) for n, c in enumerate(p))]


def line_through(x0: Fraction, y0: Fraction, x1: Fraction, y1: Fraction) -> Poly:
    """Return the affine function through two points."""
    slope = (y1 - y0) / (x1 - x0)
    return [y0 - slope * x0, slope]


@dataclass(frozen=True)
class Exact:
    """A problem in rational numbers: pieces[j] holds K target polynomials, density[j] one, on knots[j:j+2].

    The density is normalised here.
    """

    knots: Poly
    pieces: list[list[Poly]]
    density: list[Poly]

    def mass(self) -> Fraction:
        """Return the total mass of the density."""
        total = Fraction(0)
        for left, right, p in zip(self.knots[:-1], self.knots[1:], self.density, strict=True):
            anti = primitive(p)
            total += value(anti, right) - value(anti, left)
        return total

    def _cells(self, theta: np.ndarray, hidden: int):
        """Yield (left, right, piece, active neurons, residual of each output) between places.

        Lines and activities are carried from cell to cell, so that H = 1000 takes no time.
        """
        w, b = fractions(theta[:hidden]), fractions(theta[hidden : 2 * hidden])
        outputs = len(self.pieces[0])
        v = [fractions(theta[(2 + k) * hidden : (3 + k) * hidden]) for k in range(outputs)]
        crossing: dict[Fraction, list[int]] = {}
        for i in range(hidden):
            if w[i]:
                crossing.setdefault(-b[i] / w[i], []).append(i)
        inner = {z for z in crossing if self.knots[0] < z < self.knots[-1]}
        places = sorted(inner | set(self.knots))
        middle = (places[0] + places[1]) / 2
        active = [wi * middle + bi > 0 for wi, bi in zip(w, b, strict=True)]
        lines = [
            [
                Fraction(float(theta[len(theta) - outputs + k]))
                + sum((v[k][i] * b[i] for i in range(hidden) if active[i]), Fraction(0)),
                sum((v[k][i] * w[i] for i in range(hidden) if active[i]), Fraction(0)),
            ]
            for k in range(outputs)
        ]
        piece = 0
        for left, right in itertools.pairwise(places):
            if left != places[0]:
                for i in crossing.get(left, ()):
                    sign = -1 if active[i] else 1
                    active[i] = not active[i]
                    for k in range(outputs):
                        lines[k][0] += sign * v[k][i] * b[i]
                        lines[k][1] += sign * v[k][i] * w[i]
            while right > self.knots[piece + 1]:
                piece += 1
            yield left, right, piece, active, [self._residual(lines[k], piece, k) for k in range(outputs)]

    def _residual(self, line: Poly, piece: int, k: int) -> Poly:
        f = self.pieces[piece][k]
        length = max(2, len(f))
        padded = [line[0], line[1]] + [Fraction(0)] * (length - 2)
        return [a - q for a, q in zip(padded, f + [Fraction(0)] * (length - len(f)), strict=True)]

    def risk(self, theta: np.ndarray, hidden: int) -> Fraction:
        """Return the risk, exactly."""
        total = Fraction(0)
        for left, right, piece, _, residuals in self._cells(theta, hidden):
            for r in residuals:
                anti = primitive(times(times(r, r), self.density[piece]))
                total += value(anti, right) - value(anti, left)
        return total / self.mass()

    def gradient(self, theta: np.ndarray, hidden: int) -> np.ndarray:
        """Return the generalised gradient, exact but for the last rounding."""
        outputs = len(self.pieces[0])
        w, b = fractions(theta[:hidden]), fractions(theta[hidden : 2 * hidden])
        g_w, g_b = [Fraction(0)] * hidden, [Fraction(0)] * hidden
        g_v = [[Fraction(0)] * hidden for _ in range(outputs)]
        g_c = [Fraction(0)] * outputs
        for left, right, piece, active, residuals in self._cells(theta, hidden):
            for k in range(outputs):
                rp = times(residuals[k], self.density[piece])
                anti0, anti1 = primitive(rp), primitive([Fraction(0), *rp])
                r0 = 2 * (value(anti0, right) - value(anti0, left))
                r1 = 2 * (value(anti1, right) - value(anti1, left))
                g_c[k] += r0
                for i in range(hidden):
                    if active[i]:
                        v = Fraction(float(theta[(2 + k) * hidden + i]))
                        g_w[i] += v * r1
                        g_b[i] += v * r0
                        g_v[k][i] += w[i] * r1 + b[i] * r0
        mass = self.mass()
        return np.array([float(g / mass) for g in [*g_w, *g_b, *(g for row in g_v for g in row), *g_c]])


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest error relative to the largest entry."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


# ---------------------------------------------------------------------------------------------------
# Random numbers
# ---------------------------------------------------------------------------------------------------


class Stream:
    """xoshiro256++ in plain Python, from the paper."""

    def __init__(self, state):
        self.state = [int(s) for s in state]

    def __next__(self):
        """Return the next number in [0, 1)."""
        mask = (1 << 64) - 1
        rotate = lambda x, k: ((x << k) | (x >> (64 - k))) & mask  # noqa: E731
        s = self.state
        result = (rotate((s[0] + s[3]) & mask, 23) + s[0]) & mask
        t = (s[1] << 17) & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)
        return (result >> 11) * 2.0**-53


# ---------------------------------------------------------------------------------------------------
# Trajectories
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """A problem, its formulas and some initial networks."""

    problem: gfc.Problem
    target: TargetCase
    measure: MeasureCase
    hidden: int
    theta: np.ndarray


def setting(target="sine", measure="uniform", hidden=4, outputs=1, interval=(0.0, 1.0), count=1, seed=0):
    case, law = target_case(target, outputs, *interval), measure_case(measure, *interval)
    problem = gfc.Problem(gfc.ReLUNetwork([1, hidden, outputs]), case.target, law.measure)
    rng = np.random.default_rng(seed)
    theta = np.stack([random_theta(rng, hidden, outputs, *interval) for _ in range(count)])
    return Setting(problem, case, law, hidden, theta)


def parameters(data):
    """Return theta, shape (..., P), from the labelled weights; (integrator,) seed and time lead, if there."""
    leading = [dim for dim in ("integrator", "seed", "time") if dim in data["bias_1"].dims]
    depth = sum(f"weight_{k}" in data for k in range(1, len(data.data_vars)))
    widths = ["input", *(f"neuron_{k}" for k in range(1, depth)), "output"]
    parts = []
    for k, (below, above) in enumerate(pairwise(widths), start=1):
        weight = data[f"weight_{k}"].transpose(*leading, above, below).values
        parts.append(weight.reshape(*weight.shape[:-2], -1))
        parts.append(data[f"bias_{k}"].transpose(*leading, above).values)
    return np.concatenate(parts, axis=-1)


def project(theta, gradient, hidden):
    """Remove from the gradient the component along each unit row (w_i, b_i)."""
    result = gradient.copy()
    for i in range(hidden):
        row = np.array([theta[i], theta[hidden + i]])
        row /= np.linalg.norm(row)
        tangent = gradient[[i, hidden + i]] - (row @ gradient[[i, hidden + i]]) * row
        result[[i, hidden + i]] = tangent
    return result


def status(data):
    """Return how each trajectory of a dataset ended."""
    return [gfc.Status(int(s)) for s in data["status"].values]


# ---------------------------------------------------------------------------------------------------
# Networks of any widths
# ---------------------------------------------------------------------------------------------------


def any_theta(rng: np.random.Generator, widths: Sequence[int], lower=0.0, upper=1.0) -> np.ndarray:
    """Draw a network whose hidden neurons mostly switch in [lower, upper]^d, whatever the depth."""
    middle, half = 0.5 * (lower + upper), 0.5 * (upper - lower)
    parts = []
    for number, (before, after) in enumerate(itertools.pairwise(widths)):
        weight = rng.normal(size=(after, before)) * np.sqrt(2.0 / before)
        bias = rng.normal(size=after) * (half if number == 0 else 1.0) * 0.5
        if number == 0:
            bias -= weight.sum(axis=1) * middle
        parts += [weight.ravel(), bias]
    return np.concatenate(parts)


def any_layers(widths: Sequence[int], theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut theta into (weight, bias), layer by layer."""
    return [(np.array(w), np.array(b)) for w, b in loop_layers(widths, theta)]


def any_network(widths: Sequence[int], theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Evaluate a network at points, (n, d) -> (n, K)."""
    layers = any_layers(widths, theta)
    values = x
    for weight, bias in layers[:-1]:
        values = np.maximum(values @ weight.T + bias, 0.0)
    return values @ layers[-1][0].T + layers[-1][1]


def any_backprop(
    widths: Sequence[int], theta: np.ndarray, x: np.ndarray, fx: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return sum_n weights[n] |N(x_n) - f(x_n)|^2 and its gradient, by back-propagation with s'(0) = 0.

    x : (n, d); fx : (n, K); weights : (n,).
    """
    layers = any_layers(widths, theta)
    inputs, signs = [x], []
    for weight, bias in layers[:-1]:
        z = inputs[-1] @ weight.T + bias
        inputs.append(np.where(z > 0, z, 0.0))
        signs.append(z > 0)
    residual = inputs[-1] @ layers[-1][0].T + layers[-1][1] - fx
    delta = 2.0 * weights[:, None] * residual
    parts = []
    for number in range(len(layers) - 1, -1, -1):
        parts[:0] = [(delta.T @ inputs[number]).ravel(), delta.sum(axis=0)]
        if number:
            delta = (delta @ layers[number][0]) * signs[number - 1]
    return float(weights @ (residual**2).sum(axis=1)), np.concatenate(parts)


def any_breakpoints(widths: Sequence[int], theta: np.ndarray, lower: float, upper: float) -> np.ndarray:
    """Return the zeros of all pre-activations of a network on the line, by refining a grid layer by layer."""
    layers = any_layers(widths, theta)
    grid = np.array([lower, upper])
    for number in range(1, len(layers)):
        values = grid[:, None]
        for weight, bias in layers[: number - 1]:
            values = np.maximum(values @ weight.T + bias, 0.0)
        z = values @ layers[number - 1][0].T + layers[number - 1][1]
        cell, neuron = np.nonzero(z[:-1] * z[1:] < 0)
        left, right = z[cell, neuron], z[cell + 1, neuron]
        zeros = grid[cell] + left / (left - right) * (grid[cell + 1] - grid[cell])
        grid = np.unique(np.concatenate([grid, zeros]))
    return grid[1:-1]


def line_points(
    target: TargetCase, measure: MeasureCase, widths: Sequence[int], theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points (n, 1), target values and weights: 20 Gauss-Legendre points between breakpoints.

    Long pieces are cut, so that functions that are no polynomials are integrated to rounding too.
    """
    lower, upper = measure.measure.interval
    inner = [*any_breakpoints(widths, theta, lower, upper), *target.knots, *measure.knots]
    inner = [*inner, *np.linspace(lower, upper, 26)]
    edges = np.unique(np.clip(inner, lower, upper))
    half = 0.5 * np.diff(edges)
    x = (0.5 * (edges[:-1] + edges[1:])[:, None] + half[:, None] * _NODES).ravel()
    weights = (half[:, None] * _WEIGHTS).ravel() * measure.formula(x)
    return x[:, None], target.formula(x), weights


def line_quadrature(target: TargetCase, measure: MeasureCase, widths: Sequence[int], theta: np.ndarray):
    """Return risk and gradient, by adaptive quadrature of back-propagation, given the breakpoints."""
    lower, upper = measure.measure.interval

    def integrand(x: float) -> np.ndarray:
        point = np.array([x])
        risk, gradient = any_backprop(
            widths, theta, point[:, None], target.formula(point), measure.formula(point)
        )
        return np.append(gradient, risk)

    places = np.array([*any_breakpoints(widths, theta, lower, upper), *target.knots, *measure.knots])
    places = np.unique(places[(places > lower) & (places < upper)])
    found = quad_vec(integrand, lower, upper, epsabs=0, epsrel=1e-13, norm="max", points=places, limit=20000)[
        0
    ]
    return found[-1], found[:-1]


@dataclass(frozen=True)
class ExactDeep:
    """Risk and gradient of a network of any depth on the line in rational arithmetic.

    pieces[j] holds K target polynomials, density[j] one polynomial, on knots[j:j+2]; the density is
    normalised here.
    """

    knots: Poly
    pieces: list[list[Poly]]
    density: list[Poly]

    def both(self, widths: Sequence[int], theta: np.ndarray) -> tuple[Fraction, list[Fraction]]:
        """Return risk and gradient, exactly."""
        layers = [([fractions(row) for row in w], fractions(b)) for w, b in loop_layers(widths, theta)]
        mass = Exact(self.knots, self.pieces, self.density).mass()
        risk = Fraction(0)
        total = [[[Fraction(0)] * len(row) for row in w] + [[Fraction(0)] * len(b)] for w, b in layers]
        for j, (left, right) in enumerate(itertools.pairwise(self.knots)):
            for a, b, lines in self._cells(layers, left, right, [[Fraction(0), Fraction(1)]]):
                risk += self._add(layers, lines, a, b, j, total)
        flat = [g for layer in total for row in layer for g in row]
        return risk / mass, [g / mass for g in flat]

    def _cells(self, layers, left, right, below):
        """Yield (left, right, activations of every layer and the network's output, as lines)."""
        weight, bias = layers[0]
        z = [
            [
                b + sum((w * line[0] for w, line in zip(row, below, strict=True)), Fraction(0)),
                sum((w * line[1] for w, line in zip(row, below, strict=True)), Fraction(0)),
            ]
            for row, b in zip(weight, bias, strict=True)
        ]
        if len(layers) == 1:
            yield left, right, [below, z]
            return
        zeros = {-c / m for c, m in z if m}
        for a, b in itertools.pairwise(sorted({left, right, *(t for t in zeros if left < t < right)})):
            middle = (a + b) / 2
            active = [line if value(line, middle) > 0 else [Fraction(0), Fraction(0)] for line in z]
            for start, stop, above in self._cells(layers[1:], a, b, active):
                yield start, stop, [below, *above]

    def _add(self, layers, lines, left, right, piece, total) -> Fraction:
        """Add the part of a cell to the gradient; return its part of the risk."""
        p = self.density[piece]
        risk = Fraction(0)
        sums = []  # integrals over the cell of the derivative by each pre-activation, and of x times it
        for line, f in zip(lines[-1], self.pieces[piece], strict=True):
            length = max(2, len(f))
            r = [a - q for a, q in itertools.zip_longest(line, f, fillvalue=Fraction(0))][:length]
            anti = primitive(times(times(r, r), p))
            risk += value(anti, right) - value(anti, left)
            moments = [primitive(times(times([Fraction(2)], r), p))]
            moments.append(primitive([Fraction(0), *times(times([Fraction(2)], r), p)]))
            sums.append([value(m, right) - value(m, left) for m in moments])
        for number in range(len(layers) - 1, -1, -1):
            below, weight = lines[number], layers[number][0]
            for i, (s0, s1) in enumerate(sums):
                for h, (c, m) in enumerate(below):
                    total[number][i][h] += c * s0 + m * s1
                total[number][-1][i] += s0
            middle = (left + right) / 2
            on = [number > 0 and value(line, middle) > 0 for line in below]
            sums = [
                [
                    sum((weight[i][h] * s[q] for i, s in enumerate(sums)), Fraction(0))
                    if on[h]
                    else Fraction(0)
                    for q in (0, 1)
                ]
                for h in range(len(below))
            ]
        return risk


def square_points(
    theta: np.ndarray, hidden: int, target: Callable, density: Callable, nodes: int, cuts: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points, target values and weights that integrate a 2-H-K network over [0, 1]^2 cell by cell.

    The kinks are the lines w_1 x_1 + w_2 x_2 + b = 0. Between two neighbouring x_2 at which lines cross each
    other or enter or leave the square, integrals over x_1 between the lines are smooth in x_2: Gauss-Legendre
    in both, exact for polynomials of a degree below 2 nodes - 1. `cuts` parts of each cell for others.
    """
    w, b = theta[: 2 * hidden].reshape(hidden, 2), theta[2 * hidden : 3 * hidden]
    lines = np.concatenate([np.column_stack([w, b]), [[1.0, 0.0, 0.0], [1.0, 0.0, -1.0]]])
    special = [0.0, 1.0]
    for first, second in itertools.combinations(lines, 2):
        # x_2 where both lines meet: eliminate x_1.
        slope = first[1] * second[0] - second[1] * first[0]
        if slope != 0:
            special.append(-(first[2] * second[0] - second[2] * first[0]) / slope)
    special += [-line[2] / line[1] for line in lines if line[0] == 0 and line[1] != 0]
    x, v = np.polynomial.legendre.leggauss(nodes)

    def rule(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        edges = np.unique(np.clip(places, 0.0, 1.0))
        edges = np.unique(
            np.interp(np.arange((len(edges) - 1) * cuts + 1) / cuts, np.arange(len(edges)), edges)
        )
        half = 0.5 * np.diff(edges)
        return (0.5 * (edges[:-1] + edges[1:])[:, None] + half[:, None] * x).ravel(), np.outer(
            half, v
        ).ravel()

    points, weights = [], []
    for x2, weight in zip(*rule(np.array(special)), strict=True):
        across = w[:, 0] != 0
        zeros = -(b[across] + w[across, 1] * x2) / w[across, 0]
        x1, along = rule(np.concatenate([[0.0, 1.0], zeros]))
        points.append(np.column_stack([x1, np.full(x1.size, x2)]))
        weights.append(weight * along)
    table, mass = np.concatenate(points), np.concatenate(weights)
    mass = mass * density(table)
    return table, target(table), mass / mass.sum()


# ---------------------------------------------------------------------------------------------------
# The plane: the cells of an arrangement of lines
# ---------------------------------------------------------------------------------------------------


def cut(polygon: list[np.ndarray], w: np.ndarray, b: float) -> list[np.ndarray]:
    """Return the part of a convex polygon where w.x + b >= 0."""
    kept: list[np.ndarray] = []
    for p, q in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        before, after = w @ p + b, w @ q + b
        if before >= 0:
            kept.append(p)
        if before * after < 0:
            kept.append(p + before / (before - after) * (q - p))
    return kept


def cell_points(box: np.ndarray, rows: Sequence[tuple[np.ndarray, float]], degree: int = 12):
    """Yield nodes, weights of mass 1 in all, and a point inside, of each triangle of each cell.

    The cells are those of an arrangement of lines, given by w.x + b = 0. The nodes are exact for polynomials
    up to `degree` and a few more.
    """
    (left, right), (low, high) = box
    corners = [np.array(c, dtype=float) for c in ((left, low), (right, low), (right, high), (left, high))]
    cells = [corners]
    for w, b in rows:
        parts = []
        for cell in cells:
            z = [w @ corner + b for corner in cell]
            whole = min(z) >= 0 or max(z) <= 0
            parts += [cell] if whole else [cut(cell, side * w, side * b) for side in (1.0, -1.0)]
        cells = [part for part in parts if len(part) > 2]
    s, u = np.polynomial.legendre.leggauss(degree // 2 + 3)
    s, u = 0.5 * (s + 1.0), 0.5 * u
    first, second = (g.ravel() for g in np.meshgrid(s, s, indexing="ij"))
    weights = np.outer(u, u).ravel() * first  # a square collapsed to a triangle
    area = (right - left) * (high - low)
    for cell in cells:
        for p, q in pairwise(cell[1:]):
            a, c = p - cell[0], q - cell[0]
            size = abs(a[0] * c[1] - a[1] * c[0]) / area
            places = cell[0] + first[:, None] * ((1.0 - second[:, None]) * a + second[:, None] * c)
            yield places, weights * size, (cell[0] + p + q) / 3.0


def cell_risk_and_gradient(box: np.ndarray, target, theta: np.ndarray, widths: Sequence[int], kinks=()):
    """Return risk and gradient of a 2-H-K network under the uniform measure on a rectangle.

    On each cell of the arrangement of the neurons' lines, and of `kinks` of the target, everything is smooth.
    """
    hidden, outputs = widths[1], widths[2]
    w, b = theta[: 2 * hidden].reshape(hidden, 2), theta[2 * hidden : 3 * hidden]
    v, c = theta[3 * hidden : -outputs].reshape(outputs, hidden), theta[-outputs:]
    rows = [*zip(w, b, strict=True), *kinks]
    risk, parts = 0.0, [np.zeros_like(w), np.zeros_like(b), np.zeros_like(v), np.zeros_like(c)]
    for x, mass, inside in cell_points(box, rows):
        active = (w @ inside + b > 0).astype(float)
        z = (x @ w.T + b) * active
        weighted = mass[:, None] * (z @ v.T + c - target(x))
        risk += float(((z @ v.T + c - target(x)) * weighted).sum())
        back = weighted @ v * active
        for part, term in zip(parts, (back.T @ x, back.sum(0), weighted.T @ z, weighted.sum(0)), strict=True):
            part += 2.0 * term
    return risk, np.concatenate([part.ravel() for part in parts])
