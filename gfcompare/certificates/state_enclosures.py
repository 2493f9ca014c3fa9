"""Risk, generalised gradient and Hessian at a state in all parameters, straight from their integrals.

This way does not go through breakpoints and slopes: it is what the reduced coordinates and the doubles of the
package are held against.
"""

from __future__ import annotations

from dataclasses import dataclass

from flint import arb, arb_mat

from gfcompare.certificates.balls import ONE, ZERO, dot, square
from gfcompare.certificates.pieces import LineBalls
from gfcompare.certificates.reduced import Model
from gfcompare.certificates.reduction import State


@dataclass(frozen=True)
class Enclosures:
    """Balls at a state, in the order of parameters w, b, v, c.

    Attributes
    ----------
    risk : L
    gradient : G, P balls
    hessian : P x P balls; where f or p jumps at a breakpoint, from both sides
    """

    risk: arb
    gradient: list[arb]
    hessian: arb_mat


def enclosures(state: State, line: LineBalls) -> Enclosures:
    """Return risk, gradient and Hessian at a state."""
    n, a = state.neurons, line.lower
    size = 3 * n + 1
    intervals = [_active(state, line, i) for i in range(n)]
    # Features dN / d theta = (A + B (x - a)) on an interval; N itself is a sum of such.
    features = [(state.v[i] * a, state.v[i], intervals[i]) for i in range(n)]
    features += [(state.v[i], ZERO, intervals[i]) for i in range(n)]
    features += [(state.b[i] + state.w[i] * a, state.w[i], intervals[i]) for i in range(n)]
    features.append((ONE, ZERO, (line.lower, line.upper)))
    parts = [(state.v[i], 2 * n + i) for i in range(n)] + [(state.c, 3 * n)]
    hessian = [[ZERO] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            hessian[i][j] = hessian[j][i] = 2 * _product(line, features[i], features[j])
    targets = [_target(line, feature) for feature in features]
    gradient = []
    for i in range(size):
        against = dot([s for s, _ in parts], [hessian[i][k] for _, k in parts])
        gradient.append(against - 2 * targets[i])
    risk = line.target_square
    for s, k in parts:
        risk += s * (gradient[k] / 2 - targets[k])
    for i in range(n):
        _residual_terms(state, line, i, intervals[i], hessian)
    return Enclosures(risk, gradient, arb_mat(hessian))


def _active(state: State, line: LineBalls, i: int) -> tuple[arb, arb] | None:
    """Return the interval on which a neuron is active."""
    at_lower, at_upper = state.signs[i]
    if at_lower <= 0 and at_upper <= 0:
        return None
    if at_lower >= 0 and at_upper >= 0:
        return line.lower, line.upper
    q = state.breakpoint(i).max(line.lower).min(line.upper)
    return (q, line.upper) if at_upper > 0 else (line.lower, q)


def _product(
    line: LineBalls,
    first: tuple[arb, arb, tuple[arb, arb] | None],
    second: tuple[arb, arb, tuple[arb, arb] | None],
) -> arb:
    """Return the integral of a product of features over p."""
    if first[2] is None or second[2] is None:
        return ZERO
    left, right = first[2][0].max(second[2][0]), first[2][1].min(second[2][1])
    right = right.max(left)
    mass = [function(right) - function(left) for function in line.mass]
    A, B, C, D = first[0], first[1], second[0], second[1]
    return A * C * mass[0] + (A * D + B * C) * mass[1] + B * D * mass[2]


def _target(line: LineBalls, feature: tuple[arb, arb, tuple[arb, arb] | None]) -> arb:
    """Return the integral of a feature times f over p."""
    if feature[2] is None:
        return ZERO
    left, right = feature[2]
    moments = [function(right) - function(left) for function in line.weighted_target]
    return feature[0] * moments[0] + feature[1] * moments[1]


def _residual_terms(
    state: State,
    line: LineBalls,
    i: int,
    interval: tuple[arb, arb] | None,
    hessian: list[list[arb]],
) -> None:
    """Add the terms of the Hessian with second derivatives of the network."""
    n = state.neurons
    if interval is None:
        return
    w, b, v = i, n + i, 2 * n + i
    at_lower, at_upper = state.signs[i]
    # G_w = 2 v int x r and G_b = 2 v int r over the interval: their v-derivatives without the network's own.
    for row, weight in ((w, (line.lower, ONE)), (b, (ONE, ZERO))):
        feature = (weight[0], weight[1], interval)
        value = -_target(line, feature)
        for s, k in [(state.v[j], j) for j in range(n)] + [(state.c, -1)]:
            other = (
                (ONE, ZERO, (line.lower, line.upper))
                if k < 0
                else (
                    state.b[k] + state.w[k] * line.lower,
                    state.w[k],
                    _active(state, line, k),
                )
            )
            value += s * _product(line, feature, other)
        hessian[row][v] = hessian[v][row] = hessian[row][v] + 2 * value
    if at_lower * at_upper < 0:
        q = state.breakpoint(i)
        residual = state.c - line.target(q)
        for j in range(n):
            residual += state.v[j] * (state.w[j] * q + state.b[j]).max(ZERO)
        peak = 2 * state.v[i] * residual * line.density(q) / abs(state.w[i])
        hessian[w][w] += peak * q * q
        hessian[w][b] = hessian[b][w] = hessian[w][b] + peak * q
        hessian[b][b] += peak


def risk_and_speed(state: State, line: LineBalls) -> tuple[arb, arb]:
    """Return the risk and the speed |G| of the flow; on M without the components along the rows.

    Through breakpoints and slopes, which takes O(H^2) operations on balls.
    """
    bent = [i for i in range(state.neurons) if state.signs[i][0] * state.signs[i][1] < 0]
    full = [i for i in range(state.neurons) if i not in bent and max(state.signs[i]) > 0]
    model = Model(line, tuple(state.orientation(i) for i in bent), affine=True)
    heights = {i: state.b[i] + state.w[i] * line.lower for i in full}
    alpha = state.c + dot([state.v[i] for i in full], list(heights.values()))
    beta = dot([state.v[i] for i in full], [state.w[i] for i in full])
    y = [alpha, beta, *map(state.slope, bent), *map(state.breakpoint, bent)]
    known = model.moments(y)
    g = model.gradient(y, known)
    total = square(g[0])
    for i in full:
        w, v = state.w[i], state.v[i]
        rows = v * (line.lower * g[0] + g[1]), v * g[0]
        total += _square(state, i, rows) + square(heights[i] * g[0] + w * g[1])
    for k, i in enumerate(bent):
        by_slope, by_breakpoint = g[model.first_slope + k], g[model.first_breakpoint + k]
        w, v = state.w[i], state.v[i]
        rows = (
            v * state.orientation(i) * by_slope - state.breakpoint(i) * by_breakpoint / w,
            -by_breakpoint / w,
        )
        total += _square(state, i, rows) + square(w * by_slope)
    return model.risk(y, known), total.max(ZERO).sqrt()


def _square(state: State, i: int, row: tuple[arb, arb]) -> arb:
    """Return |P (G_w, G_b)|^2 of a neuron."""
    if state.flow == "standard":
        return square(row[0]) + square(row[1])
    return square(state.w[i] * row[1] - state.b[i] * row[0])
