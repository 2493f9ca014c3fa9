"""The speed of the coordinates: a lower bound K >= C C^T of the metric of a flow on a box of parameters.

With J = d zeta / d theta the coordinates follow zeta' = -K grad, K = J J^T; for the flow on M, J has the
tangent directions only. C is made of a block for each neuron, whose passive slope is kept:

standard flow, row and bias (w, b), outgoing weight v, q = -b / w, s = v |w|:
    K_ss = w^2 + v^2, K_qq = (1 + q^2) / w^2, K_sq = -v q / |w|;
flow on M, w^2 + b^2 = 1:
    K_ss = w^2 (1 + v^2 q^2), K_qq = (1 + q^2)^2, K_sq = -v q |w| (1 + q^2).
"""

from __future__ import annotations

from dataclasses import dataclass

from flint import arb, arb_mat

from gfcompare.certificates.balls import ONE, ZERO, around, square
from gfcompare.certificates.coordinates import Coordinates
from gfcompare.certificates.exact_problem import NotCoveredError
from gfcompare.certificates.reduction import Role, State


@dataclass(frozen=True)
class Block:
    """K of (s, q) of a neuron."""

    ss: arb
    sq: arb
    qq: arb


def block(state: State, i: int) -> Block:
    """Return K of (s_i, q_i)."""
    w, v, q = state.w[i], state.v[i], state.breakpoint(i)
    size = abs(w)
    if state.flow == "standard":
        return Block(square(w) + square(v), -v * q / size, (1 + square(q)) / square(w))
    return Block(square(w) * (1 + square(v * q)), -v * q * size * (1 + square(q)), square(1 + square(q)))


def breakpoint_speed(state: State, i: int) -> arb:
    """Return K_qq - K_sq^2 / K_ss, the square speed of q_i where s_i is kept, in closed form."""
    w, b, v, q = state.w[i], state.b[i], state.v[i], state.breakpoint(i)
    if state.flow == "standard":
        rows = square(w) + square(v)
        return (rows + square(b)) / (square(w) * rows)
    return square(1 + square(q)) / (1 + square(v * q))


def affine_block(state: State, i: int, lower: arb) -> Block:
    """Return K of what a fully active neuron adds to (alpha, beta) = (v (b + w a), v w)."""
    w, b, v = state.w[i], state.b[i], state.v[i]
    height = b + w * lower
    if state.flow == "standard":
        # d alpha = (v a, v, height), d beta = (v, 0, w) in (w, b, v).
        return Block(
            square(v) * (square(lower) + 1) + square(height),
            square(v) * lower + height * w,
            square(v) + square(w),
        )
    # Along the tangent (-b, w) of the row, and along v.
    turn = w - lower * b
    return Block(
        square(v * turn) + square(height),
        height * w - square(v) * turn * b,
        square(v * b) + square(w),
    )


def widened(state: State, radius: arb) -> State:
    """Return all states in a box around a state, which contains the ball of that radius."""
    return State(
        state.flow,
        tuple(around(x, radius) for x in state.w),
        tuple(around(x, radius) for x in state.b),
        tuple(around(x, radius) for x in state.v),
        around(state.c, radius),
        state.signs,
    )


def check_roles(box: State, coordinates: Coordinates) -> None:
    """Prove that roles hold in a box of states, as far as breakpoints do not decide them.

    Raises
    ------
    NotCoveredError
        if a fully active neuron may become inactive, or a weight vanish
    """
    line = coordinates.line
    for i in coordinates.guess.having(Role.ACTIVE):
        if not all(box.w[i] * end + box.b[i] > 0 for end in (line.lower, line.upper)):
            raise NotCoveredError(f"neuron {i}, fully active, may become inactive on the way")
    for i in coordinates.inner:
        if box.w[i].contains(0):
            raise NotCoveredError(f"the weight of neuron {i} may vanish on the way")


def inverse_factor(box: State, coordinates: Coordinates) -> arb_mat:
    """Return C^-1 for all states in a box, where K >= C C^T in the active coordinates.

    Raises
    ------
    NotCoveredError
        if a block is not proved to be definite
    """
    signs, lower = coordinates.guess.orientations, coordinates.line.lower
    size = coordinates.size
    rows = [[ZERO] * size for _ in range(size)]
    # What is left of the step of alpha when the turned neurons have made theirs: alpha_i = sign(w) s (a - q).
    alpha = [ZERO] * size
    alpha[0] = ONE
    for i in coordinates.inner:
        found, place = block(box, i), coordinates.breakpoint_place[i]
        speed = breakpoint_speed(box, i)
        if not (found.ss > 0 and speed > 0):
            raise NotCoveredError(f"neuron {i} may stop moving on the way")
        first, rest = found.ss.sqrt(), speed.sqrt()
        if i == coordinates.supply:
            slope, factor = 1, signs[i]
            alpha[1] += box.breakpoint(i) - lower
        elif i in coordinates.slope_place:
            slope, factor = coordinates.slope_place[i], 1
        else:
            slope, factor = None, 0
        rows[place][place] = 1 / rest
        if slope is not None:
            rows[slope][slope] = factor / first
            rows[place][slope] = -factor * found.sq / (found.ss * rest)
        if coordinates.turned(i):
            alpha[place] += signs[i] * box.slope(i)
    active = coordinates.guess.having(Role.ACTIVE)
    if not active:
        rows[0] = alpha
        return arb_mat(rows)
    aa, ab, bb = ONE, ZERO, ZERO
    for i in active:
        found = affine_block(box, i, lower)
        aa, ab, bb = aa + found.ss, ab + found.sq, bb + found.qq
    rest = bb - square(ab) / aa
    if not rest > 0:
        raise NotCoveredError("the fully active neurons may stop moving on the way")
    first, last = aa.sqrt(), rest.sqrt()
    rows[0] = [entry / first for entry in alpha]
    rows[1] = [-ab / (aa * last) * entry for entry in alpha]
    rows[1][1] += 1 / last
    return arb_mat(rows)
