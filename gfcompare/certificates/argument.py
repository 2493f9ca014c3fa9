"""The proof for one state: hypotheses in turn, existence, type, and the basin argument."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flint import arb

from gfcompare.certificates.balls import ZERO, Array, decimals, high_double, low_double, precision
from gfcompare.certificates.basin import Basin, Neighbourhood, basin
from gfcompare.certificates.coordinates import Coordinates
from gfcompare.certificates.exact_problem import NotCoveredError, exact_problem
from gfcompare.certificates.existence import CriticalPoint, critical_point, newton
from gfcompare.certificates.pieces import LineBalls
from gfcompare.certificates.reduced import Model
from gfcompare.certificates.reduction import (
    TOLERANCES,
    Hypothesis,
    Role,
    State,
    distances,
    hypothesis,
    reduced_orientations,
    reduced_start,
)
from gfcompare.certificates.spectrum import Spectrum, spectrum
from gfcompare.certificates.state_enclosures import risk_and_speed
from gfcompare.certificates.verdicts import Certificate, Verdict
from gfcompare.integrators.base import FlowName
from gfcompare.problem import Problem

#: Precisions that are tried in turn.
BITS = (128, 256)
#: A risk that is at most this share of that of the network 0 is called bounded if nothing more is proved.
SMALL_RISK = 1e-12
#: A state without a critical point near it is called moving if |G| is above this share of the root of its
#: risk.
MOVING = 1e-9


@dataclass(frozen=True)
class Attempt:
    """The findings under one hypothesis.

    Attributes
    ----------
    rank : how much was proved: 0 nothing, 1 existence, 2 the second order decides, 3 the limit
    reason : why not more
    """

    rank: int
    reason: str
    guess: Hypothesis
    found: CriticalPoint | None = None
    reduced: Model | None = None
    limit: arb | None = None
    distance: arb | None = None
    curvature: Spectrum | None = None
    index: int = -1
    degenerate: bool = False
    basin: Basin | None = None
    excess: arb | None = None


def prove(problem: Problem, theta: Array, flow: FlowName) -> Certificate:
    """Return what can be proved of the flow from a state; the problem is covered, the state finite."""
    best: Certificate | None = None
    for bits in BITS:
        with precision(bits):
            try:
                found = _prove(problem, theta, flow, bits)
            except NotCoveredError as error:
                return Certificate(Verdict.NONE, f"{error}.", flow=flow)
        if found.verdict is Verdict.LIMIT_PROVEN:
            return found
        best = best if best is not None and found.verdict is Verdict.NONE else found
        if (
            found.verdict is not Verdict.NONE
        ):  # more digits help if they were too few to find a critical point
            break
    assert best is not None
    return best


def _prove(problem: Problem, theta: Array, flow: FlowName, bits: int) -> Certificate:
    line = exact_problem(problem, bits)
    interval = float(line.lower), float(line.upper)
    state = State.of(theta, interval, flow)
    risk, gradient = risk_and_speed(state, line)
    known = Certificate(
        Verdict.NONE,
        "",
        limit_risk_low=0.0,
        limit_risk_high=high_double(risk),
        limit_risk=decimals(ZERO.union(risk.upper())),
        risk_low=max(low_double(risk), 0.0),
        risk_high=high_double(risk),
        gradient_low=max(low_double(gradient), 0.0),
        gradient_high=high_double(gradient),
        precision_bits=bits,
        flow=flow,
    )
    best: Attempt | None = None
    for attempt in _attempts(state, line, risk):
        if best is None or attempt.rank > best.rank:
            best = attempt
        if best.rank == 3:
            break
    assert best is not None
    moving = gradient > MOVING * risk.max(ZERO).sqrt()
    return _certificate(replace(known, verdict=Verdict.MOVING) if moving else known, best, risk, line)


def _attempts(state: State, line: LineBalls, risk: arb) -> Iterator[Attempt]:
    """Yield what is found under each hypothesis, without those that are the same."""
    seen = set()
    for tolerances in TOLERANCES:
        guess = hypothesis(state, line, tolerances)
        if guess.key not in seen:
            seen.add(guess.key)
            yield _attempt(state, line, guess, risk)


def _attempt(state: State, line: LineBalls, guess: Hypothesis, risk: arb) -> Attempt:
    """Return what is found under a hypothesis."""
    reduced = Model(line, reduced_orientations(guess), guess.affine)
    start = reduced_start(state, line, guess)
    centre = newton(reduced, start)
    if centre is None:
        return Attempt(
            0, "Newton's method from the state finds no critical point of the reduced network", guess
        )
    found = critical_point(reduced, centre)
    if found is None:
        return Attempt(
            0, "Krawczyk's test does not prove the critical point that Newton's method finds", guess
        )
    limit = reduced.risk(found.point)
    known = reduced.moments(found.point)
    hessian = reduced.hessian(found.point, known, reduced.residuals(found.point, known))
    attempt = Attempt(
        1,
        "",
        guess,
        found,
        reduced,
        limit,
        distances(start, found.centre),
        spectrum(hessian),
        excess=risk - limit,
    )
    attempt = _typed(attempt, state, line)
    if attempt.rank < 2 or attempt.index != 0:
        return attempt
    near = Neighbourhood(state, Coordinates.of(state, line, guess), reduced, found, risk - limit)
    try:
        return replace(attempt, rank=3, basin=basin(near))
    except NotCoveredError as error:
        return replace(attempt, reason=str(error))


def _typed(attempt: Attempt, state: State, line: LineBalls) -> Attempt:
    """Return an attempt with the index of its critical point, or with what is degenerate."""
    found, reduced, curvature, guess = attempt.found, attempt.reduced, attempt.curvature, attempt.guess
    assert found is not None
    assert reduced is not None
    assert curvature is not None
    _, _, sums, knots = reduced.split(found.point)
    if curvature.negative + curvature.positive < reduced.size:
        return replace(attempt, degenerate=True, reason="an eigenvalue of the reduced Hessian may be 0")
    index, saddles = curvature.negative, []
    if index:
        saddles.append(f"the reduced Hessian has {index} negative eigenvalues")
    for k, cluster in enumerate(guess.clusters):
        if sums[k].contains(0):
            reason = f"the slope of the network does not change at q = {_short(knots[k])}"
            return replace(attempt, degenerate=True, reason=reason)
        if len(cluster) == 1:
            continue
        r = reduced.residual(found.point, knots[k])
        weights = [state.slope(i) * r * line.density(knots[k]) for i in cluster]
        if any(weight.contains(0) for weight in weights):
            names = ", ".join(map(str, cluster))
            reason = f"r(q) = 0 up to {decimals(r, 3)} at q = {_short(knots[k])}, where neurons {names} meet"
            return replace(attempt, degenerate=True, reason=reason)
        # The form sum_j s_j r d_j^2 on sum_j s_j d_j = 0: (1, ..., 1) / r spans the rest, with the sign of r
        # S.
        down = sum(weight < 0 for weight in weights) - int(sums[k] * r < 0)
        if down:
            saddles.append(f"neurons that meet at q = {_short(knots[k])} can part to lower the risk")
        index += down
    for i in guess.having(Role.DYING, Role.ACTIVATING):
        end = line.upper if guess.ends[i] else line.lower
        push = state.slope(i) * reduced.residual(found.point, end) * line.density(end)
        if push.contains(0):
            reason = (
                f"s r = 0 up to {decimals(push, 3)} at the end {_short(end)}, "
                f"where the breakpoint of neuron {i} lies"
            )
            return replace(attempt, degenerate=True, reason=reason)
        if push < 0:
            index += 1
            saddles.append(f"neuron {i}, at the end {_short(end)}, can grow to lower the risk")
    reason = "the critical point is a saddle: " + "; ".join(saddles) if saddles else ""
    return replace(attempt, rank=2, index=index, reason=reason)


def _short(value: arb) -> str:
    return f"{float(value.mid()):.6g}"


def _function(reduced: Model, found: CriticalPoint) -> list[arb]:
    """Return the value and the slope of a network at a, its breakpoints, and the changes of the slope."""
    alpha, beta, slopes, knots = reduced.split(found.point)
    for tau, s, q in zip(reduced.orientations, slopes, knots, strict=True):
        if tau < 0:
            alpha, beta = alpha + s * (q - reduced.line.lower), beta - s
    return [alpha, beta, *knots, *slopes]


def _certificate(known: Certificate, best: Attempt, risk: arb, line: LineBalls) -> Certificate:
    """Return the certificate of the best attempt."""
    kinds = tuple(role.value for role in best.guess.roles)
    result = replace(known, kinds=kinds, reason=f"{best.reason}.")
    if best.found is not None and best.reduced is not None and best.curvature is not None:
        assert best.excess is not None
        assert best.limit is not None
        assert best.distance is not None
        knots = best.found.point[best.reduced.first_breakpoint :]
        result = replace(
            result,
            verdict=Verdict.DEGENERATE if best.degenerate else Verdict.CRITICAL_POINT_ONLY,
            critical_risk_low=max(low_double(best.limit), 0.0),
            critical_risk_high=high_double(best.limit),
            excess=high_double(best.excess),
            existence_radius=best.found.radius,
            uniqueness_radius=best.found.unique,
            distance=high_double(best.distance),
            index=best.index,
            eigenvalue_low=low_double(best.curvature.smallest),
            eigenvalue_high=high_double(best.curvature.largest),
            point=tuple(decimals(value, 30) for value in _function(best.reduced, best.found)),
            knots=tuple(decimals(value, 30) for value in knots),
        )
    if best.basin is not None and best.limit is not None:
        return replace(
            result,
            verdict=Verdict.LIMIT_PROVEN,
            reason="The flow converges to a minimum of the reduced network.",
            limit_risk_low=max(low_double(best.limit), 0.0),
            limit_risk_high=high_double(best.limit),
            limit_risk=decimals(best.limit),
            excess=max(high_double(best.excess), 0.0) if best.excess is not None else 0.0,
            remaining_length=high_double(best.basin.length),
            rate=low_double(best.basin.rate),
        )
    if risk <= SMALL_RISK * line.target_square:
        reason = f"The risk is at most {known.risk_high:.3g}, and never rises; {result.reason}"
        return replace(result, verdict=Verdict.RISK_BOUNDED, reason=reason)
    return result
