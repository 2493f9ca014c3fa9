"""Critical points for an affine target on an interval: what kind of point a state is.

For networks of widths (1, H, 1), a target f(x) = alpha x + beta on [T0, T1] and the uniform measure, all
critical points of the risk are known (Cheridito, Jentzen, Rossmannek, arXiv:2103.10922). With alpha not 0,
a point with gradient 0 is one of these:

- a global minimum: the network is f on the interval;
- a point where the network is the constant c = f((T0 + T1) / 2) on the interval, and every neuron is dead,
  semi-inactive (it touches one end), or has v = 0 and w = 0. It is a local minimum if every neuron is dead
  or semi-inactive with a sign of v that lets it raise the risk only: v alpha > 0 at T0, v alpha < 0 at T1.
  Otherwise it is a saddle;
- a saddle where the network is a zigzag around f: for an even n, 2 <= n <= H, the breakpoints inside the
  interval are exactly q_i = T0 + i (T1 - T0) / (n + 1), i = 1, ..., n; a neuron with its breakpoint at q_i
  has w > 0 for odd i and w < 0 for even i; at each q_i the sum of v w is 2 alpha / (n + 1);
  c = f((T0 + T1) / 2); and every other neuron is dead, semi-inactive, or has v = 0 and w = 0.

The risk is 0 in the first case and alpha^2 (T1 - T0)^2 / (12 (n + 1)^4) otherwise, n = 0 for constants.
There are no local maxima. For alpha = 0 every critical point is a global minimum.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gfcompare.components.component import require
from gfcompare.components.errors import InputError
from gfcompare.piecewise.interval import PiecewisePolynomial
from gfcompare.problem import Problem

Array = NDArray[np.float64]

#: A target is affine, and a density constant, if it is so up to this relative to its largest value.
AFFINE = 1e-12
#: Largest error of a pre-activation w x + b, relative to |w| |x| + |b|.
ROUNDING = 8 * np.finfo(np.float64).eps


class Activity(enum.Enum):
    """The part of the interval on which a hidden neuron is active: its pre-activation w x + b is positive.

    Fully active, semi-active and dead are called type-1-active (or, if w = 0, semi-active), type-2-active
    and inactive by Cheridito, Jentzen and Rossmannek; the other two words are theirs.
    """

    #: Nowhere; the pre-activation is negative at both ends.
    DEAD = "dead"
    #: The pre-activation is 0 at one end and negative elsewhere.
    SEMI_INACTIVE = "semi-inactive"
    #: On a part of the interval: the breakpoint -b / w lies strictly inside.
    SEMI_ACTIVE = "semi-active"
    #: On the whole interval, but for one end at most.
    FULLY_ACTIVE = "fully active"
    #: w = b = 0.
    DEGENERATE = "degenerate"


class Kind(enum.Enum):
    """The type of a critical point."""

    GLOBAL_MINIMUM = "global minimum"
    LOCAL_MINIMUM = "local minimum"
    SADDLE = "saddle"
    NOT_CRITICAL = "not critical"
    #: The gradient is small, but no type of critical point is near: judge by a smaller tolerance, after a
    #: longer flow. Also a neuron with w = b = 0 and v not 0 away from the global minima: G = 0 there
    #: by convention, while the risk is not differentiable and decreases in some direction.
    UNCLASSIFIED = "critical but unclassified"


@dataclass(frozen=True)
class NormalForm:
    """The classification of a state: its neurons, whether it is critical, and of which type.

    Attributes
    ----------
    kind : the kind of point
    critical : whether relative_residual <= tolerance
    neurons : one entry for each hidden neuron
    risk : the risk of the state, in units of output squared
    residual : |G|, the Euclidean norm of the generalised gradient
    relative_residual : the same as a number that no choice of units changes; see `normal_form`
    breakpoints_inside : at a saddle or a local minimum the number n of distinct breakpoints of the network
        inside the interval, even; otherwise 0
    deviation : how far the state is from the conditions of its kind, which hold exactly at 0; of an
        unclassified state, from those of the nearest kind; NaN if the state is not critical
    tolerance : the tolerance asked for
    """

    reference: ClassVar[str] = (
        "P. Cheridito, A. Jentzen, F. Rossmannek, Landscape analysis for shallow neural networks: complete "
        "classification of critical points for affine target functions, J. Nonlinear Sci. 32, 64 (2022), "
        "doi:10.1007/s00332-022-09823-8, arXiv:2103.10922"
    )
    kind: Kind
    critical: bool
    neurons: tuple[Activity, ...]
    risk: float
    residual: float
    relative_residual: float
    breakpoints_inside: int
    deviation: float
    tolerance: float

    @property
    def dead(self) -> int:
        """Number of neurons that are active nowhere on the interval and touch no end."""
        return self.neurons.count(Activity.DEAD)

    @property
    def fully_active(self) -> int:
        """Number of neurons that are active on the whole interval."""
        return self.neurons.count(Activity.FULLY_ACTIVE)

    @property
    def semi_active(self) -> int:
        """Number of neurons with their breakpoint strictly inside the interval."""
        return self.neurons.count(Activity.SEMI_ACTIVE)

    def __str__(self) -> str:
        counts = [(self.neurons.count(activity), activity.value) for activity in Activity]
        listed = ", ".join(f"{count} {word}" for count, word in counts if count)
        neurons = "hidden neuron" if len(self.neurons) == 1 else "hidden neurons"
        return (
            f"{self.kind.value.capitalize()}: {self._reason()} "
            f"Risk {self.risk:.6g}; |G| = {self.residual:.3g}, relative to its scale "
            f"{self.relative_residual:.3g} (critical up to {self.tolerance:g}). "
            f"{len(self.neurons)} {neurons}: {listed}. See {self.reference}."
        )

    def _reason(self) -> str:
        """Return a sentence on why the state is of its kind."""
        within = f"up to {self.deviation:.3g}"
        match self.kind:
            case Kind.NOT_CRITICAL:
                return "the gradient does not vanish."
            case Kind.GLOBAL_MINIMUM:
                return f"the network is the target on the interval, {within}."
            case Kind.LOCAL_MINIMUM:
                return (
                    f"the network is constant, {within}, and each neuron is dead, or touches an end of the "
                    "interval with an outgoing weight of the sign that raises the risk."
                )
            case Kind.SADDLE if self.breakpoints_inside == 0:
                return f"the network is constant, {within}, and some neuron can grow to lower the risk."
            case Kind.SADDLE:
                return (
                    f"the network is a zigzag around the target with {self.breakpoints_inside} breakpoints "
                    f"at equal distances, {within}."
                )
            case _:
                if Activity.DEGENERATE in self.neurons:
                    return "the gradient vanishes, but at a neuron with w = b = 0 by convention only."
                return (
                    "the gradient vanishes, but the state is no critical point of a known type: the nearest "
                    f"is {self.deviation:.3g} away. A longer flow or a smaller tolerance may tell."
                )


def normal_form(problem: Problem, theta: ArrayLike, *, tolerance: float = 1e-6) -> NormalForm:
    """Say what kind of point a state is, for an affine target on an interval under the uniform measure.

    The end of a flow is critical only approximately. All is judged by one tolerance t, after a change of
    units by which the interval becomes [-1, 1] and the target has mean 0 and mean square 1: x is measured
    from the midpoint in half lengths, outputs from f(midpoint) in units of rho, the root mean square of f
    minus its mean (for a constant target |f|, or 1), and w, b and v in units of sqrt(rho).

    - The state is critical if |G| / (2 D) is at most t, the relative residual: D^2 is the mean over the
      interval of |dN / dtheta|^2, so that the relative residual is at most sqrt(risk) / rho always.
    - Every condition of a kind must hold to s = sqrt(t). Critical points are degenerate: a gradient of size
      t may be a distance of sqrt(t) away from where it vanishes, as a neuron that is active on a share s of
      the interval has a gradient of order s^2 with respect to v. A breakpoint closer to an end than s times
      the length counts as lying at the end. The conditions are numbers whose largest is `deviation`:
      sqrt(risk) / rho for a global minimum; otherwise |c - f(midpoint)| / rho, the contributions
      max |v (w x + b)^+| / rho of all neurons that should contribute nothing, added up, the distances of
      breakpoints from their places relative to the spacing, and the relative errors of the sums of v w.
      The number n of breakpoints is found from the risk.
    - What the flow keeps exactly is taken exactly: a neuron is dead if its pre-activation is negative on
      the whole interval by more than rounding, and of a semi-inactive neuron the sign of v decides.

    Parameters
    ----------
    problem : a network of widths (1, H, 1), a target that is affine on the interval, the uniform measure
    theta : shape (P,)
    tolerance : t, positive and at most 0.01

    Raises
    ------
    InputError
        if the problem is another one, parameters are frozen, or theta is not one finite state
    """
    require(
        not problem.frozen,
        f"critical points are known where all parameters are free, got frozen = {list(problem.frozen)}.",
    )
    line = _line(problem)
    array = _one(problem, theta)
    require(0 < tolerance <= 0.01, f"tolerance must be positive and at most 0.01, got {tolerance}.")
    close = math.sqrt(tolerance)
    with np.errstate(over="ignore", invalid="ignore"):
        state = _state(problem, line, array)
        neurons = state.activities(close)
        risk, gradient = float(problem.risk(array)), problem.gradient(array)
        residual = float(np.linalg.norm(gradient))
        relative = _relative(line, state, gradient)
    kind, breakpoints, deviation = Kind.NOT_CRITICAL, 0, math.nan
    if relative <= tolerance:
        kink = _relative(line, state, _opened_gradient(problem, array, neurons))
        distance = math.sqrt(risk) / line.spread
        kind, breakpoints, deviation = _classify(state, neurons, distance, kink, close)
    return NormalForm(
        kind=kind,
        critical=relative <= tolerance,
        neurons=neurons,
        risk=risk,
        residual=residual,
        relative_residual=relative,
        breakpoints_inside=breakpoints,
        deviation=deviation,
        tolerance=tolerance,
    )


def _one(problem: Problem, theta: ArrayLike) -> Array:
    """Return one finite state, shape (P,), or raise InputError."""
    array = problem.network.check(theta)
    require(array.ndim == 1, f"normal_form takes one state, shape (P,), got {array.shape}: call it for each.")
    require(bool(np.isfinite(array).all()), "theta must be finite: the trajectory has no state here.")
    return array


@dataclass(frozen=True)
class _Line:
    """The target f(x) = value + slope (x - midpoint) on [lower, upper]."""

    lower: float
    upper: float
    slope: float
    value: float

    @property
    def midpoint(self) -> float:
        """Input that is 0 in new units."""
        return 0.5 * self.lower + 0.5 * self.upper

    @property
    def half(self) -> float:
        """Half the length of the interval, the unit of inputs."""
        return 0.5 * self.upper - 0.5 * self.lower

    @property
    def spread(self) -> float:
        """The unit of outputs rho: the root mean square of f minus its mean; for a constant, |f| or 1."""
        return abs(self.slope) * self.half / math.sqrt(3.0) or abs(self.value) or 1.0


def _line(problem: Problem) -> _Line:
    """Return the target as a line, or raise InputError if the classification does not cover the problem."""
    widths = list(problem.network.widths)
    require(
        len(widths) == 3 and widths[0] == widths[2] == 1,
        f"critical points are known for widths [1, H, 1], got {widths}.",
    )
    try:
        density = _fitted(problem.density)
    except InputError:  # points have none
        density = None
    require(
        density is not None and density.slope == 0,
        f"critical points are known for the uniform measure, got {problem.measure.name!r}.",
    )
    line = _fitted(problem.target_pieces)
    require(line is not None, f"critical points are known for affine targets, got {problem.target.name!r}.")
    assert line is not None
    return line


def _fitted(pieces: PiecewisePolynomial) -> _Line | None:
    """Return the line that a function is, up to `AFFINE`, or None if it is none."""
    lower, upper = float(pieces.knots[0]), float(pieces.knots[-1])
    # Odd powers alone make the rise over a piece: the constant does not round it.
    rise = 2.0 * float(pieces.high[:, 0, 1::2].sum())
    slope = rise / (upper - lower)
    # As many points in each piece as determine its polynomial.
    count = pieces.degree + 1
    s = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    away = pieces.centres[:, None] - (0.5 * lower + 0.5 * upper) + pieces.half_widths[:, None] * s
    values = np.polynomial.polynomial.polyval(s, pieces.high[:, 0].T)
    level = values - slope * away
    value = float(np.average(level.mean(axis=1), weights=pieces.half_widths))
    slack = AFFINE * float(np.abs(values).max())
    if np.abs(level - value).max() > slack:
        return None
    return _Line(lower, upper, slope if abs(rise) > slack else 0.0, value)


@dataclass(frozen=True, eq=False)
class _State:
    """The parameters of a network of widths (1, H, 1), in units that make the interval [-1, 1].

    Parameters
    ----------
    slope : of the target in these units, sqrt(3), -sqrt(3) or 0
    w, b, v : ndarray, shape (H,)
    c : the bias of the output minus f(midpoint)
    low, high : ndarray, shape (H,)
        smallest and largest pre-activation on the interval
    rounding : ndarray, shape (H,)
        how exactly these are known
    """

    slope: float
    w: Array
    b: Array
    v: Array
    c: float
    low: Array
    high: Array
    rounding: Array

    def activities(self, close: float) -> tuple[Activity, ...]:
        """Return where each neuron is active; breakpoints within a share `close` of an end lie there."""
        within = 2.0 * close * np.abs(self.w)
        conditions = [
            (Activity.DEGENERATE, self.rounding == 0),
            (Activity.DEAD, self.high < -self.rounding),
            (Activity.SEMI_INACTIVE, self.high <= within),
            (Activity.FULLY_ACTIVE, self.low >= -within),
            (Activity.SEMI_ACTIVE, np.ones(self.w.shape, dtype=bool)),
        ]
        return tuple(next(a for a, holds in conditions if holds[j]) for j in range(len(self.w)))

    @property
    def contributions(self) -> Array:
        """Largest |v (w x + b)^+| of each neuron on the interval, shape (H,)."""
        return np.asarray(np.abs(self.v) * np.maximum(self.high, 0.0))

    @property
    def derivative_norm(self) -> float:
        """D, the root of the mean of |dN / dtheta|^2 over the interval."""
        low, high, span = np.maximum(self.low, 0.0), np.maximum(self.high, 0.0), self.high - self.low
        share = np.divide(high - low, span, out=(high > 0).astype(np.float64), where=span > 0)
        # Active on [1 - 2 share, 1] or its mirror image; means over it of 1 + x^2 and of (w x + b)^2.
        start = 1.0 - 2.0 * share
        inputs = 1.0 + (1.0 + start + start**2) / 3.0
        squares = (low**2 + low * high + high**2) / 3.0
        return math.sqrt(1.0 + float((share * (squares + self.v**2 * inputs)).sum()))


def _state(problem: Problem, line: _Line, theta: Array) -> _State:
    """Return a state, shape (P,), in the new units."""
    first, last = problem.network.layers(theta)
    w, b, unit = first.weight[:, 0], first.bias, math.sqrt(line.spread)
    ends = np.stack([w * line.lower + b, w * line.upper + b]) / unit
    largest = max(abs(line.lower), abs(line.upper))
    return _State(
        slope=math.copysign(math.sqrt(3.0), line.slope) if line.slope else 0.0,
        w=w * (line.half / unit),
        b=0.5 * ends[0] + 0.5 * ends[1],
        v=last.weight[0] / unit,
        c=(float(last.bias[0]) - line.value) / line.spread,
        low=ends.min(axis=0),
        high=ends.max(axis=0),
        rounding=ROUNDING * (np.abs(w) * largest + np.abs(b)) / unit,
    )


def _relative(line: _Line, state: _State, gradient: Array) -> float:
    """Return |G| / (2 D) in the new units."""
    hidden = len(state.w)
    G_w, G_b, G_v, G_c = np.split(gradient, [hidden, 2 * hidden, 3 * hidden])
    rows = np.concatenate([(G_w - line.midpoint * G_b) / line.half, G_b, G_v])
    norm = math.hypot(float(np.linalg.norm(rows)) / math.sqrt(line.spread), G_c[0]) / line.spread
    ratio = norm / (2.0 * state.derivative_norm)
    return ratio if math.isfinite(ratio) and math.isfinite(state.derivative_norm) else math.inf


def _opened_gradient(problem: Problem, theta: Array, neurons: tuple[Activity, ...]) -> Array:
    """Return G with degenerate neurons counted as active everywhere.

    At w = b = 0 the generalised gradient is 0 by convention, but if v is not 0 the risk has a kink there,
    and this is its steepest slope.
    """
    opened = theta.copy()
    degenerate = [neuron is Activity.DEGENERATE for neuron in neurons]
    opened[len(neurons) : 2 * len(neurons)][degenerate] = 1e-200  # the order is w, b, v, c
    return problem.gradient(opened)


def _classify(
    state: _State, neurons: tuple[Activity, ...], distance: float, kink: float, close: float
) -> tuple[Kind, int, float]:
    """Return the kind of a critical state, its number n of breakpoints inside, and its deviation.

    Parameters
    ----------
    distance : root of the risk
    kink : steepest relative slope at degenerate neurons
    close : how far the conditions may be from holding
    """
    deviation = math.inf
    if state.slope and distance > 0:
        # The risk is 1 / (n + 1)^4.
        n = 2 * round(0.5 * (distance**-0.5 - 1.0))
        if n <= len(neurons):
            deviation = max(kink, _zigzag_deviation(state, neurons, n, close))
        if deviation <= close:
            stable = n == 0 and _stable(state, neurons)
            return Kind.LOCAL_MINIMUM if stable else Kind.SADDLE, n, deviation
    if distance <= close:
        return Kind.GLOBAL_MINIMUM, 0, distance
    return Kind.UNCLASSIFIED, 0, min(distance, deviation)


def _zigzag_deviation(state: _State, neurons: tuple[Activity, ...], n: int, close: float) -> float:
    """Return how far a state is from the zigzag with n breakpoints; n = 0 is the constant."""
    # Breakpoints in units of the spacing, from the lower end: 1, ..., n are their places.
    inside = np.array([neuron is Activity.SEMI_ACTIVE for neuron in neurons])
    breakpoints = np.divide(-state.b, state.w, out=np.full(len(neurons), -1.0), where=inside)
    places = 0.5 * (n + 1) * (1.0 + breakpoints)
    nearest = np.rint(places).astype(np.int64)
    errors = np.abs(places - nearest)
    placed = inside & (nearest >= 1) & (nearest <= n) & (errors <= close)
    placed &= (nearest % 2 == 1) == (state.w > 0)
    sums = np.bincount(nearest[placed], (state.v * state.w)[placed], minlength=n + 1)[1:]
    return max(
        abs(state.c),
        float(state.contributions[~placed].sum()),
        float(errors[placed].max(initial=0.0)),
        float(np.abs(sums * (0.5 * (n + 1) / state.slope) - 1.0).max(initial=0.0)),
    )


def _stable(state: _State, neurons: tuple[Activity, ...]) -> bool:
    """Return whether no neuron of a constant network can grow to lower the risk."""
    # One that touches the lower end has w < 0 and must pull away from the target there; so at the upper end.
    signs = np.sign(state.v) * np.sign(state.w) * np.sign(state.slope)
    return all(
        neuron is Activity.DEAD or (neuron is Activity.SEMI_INACTIVE and sign < 0)
        for neuron, sign in zip(neurons, signs, strict=True)
    )
