"""Certificates of single states: what users call, and the one place that asks for python-flint."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gfcompare.certificates.verdicts import Certificate, Verdict
from gfcompare.components.component import check_instance, require
from gfcompare.components.errors import InputError, unknown_name
from gfcompare.integrators.base import FlowName
from gfcompare.problem import Problem

Array = NDArray[np.float64]

#: Precision of `enclosures`, in bits.
BITS = 128


def require_flint() -> None:
    """Raise InputError with what to install unless python-flint is there."""
    if importlib.util.find_spec("flint") is None:
        raise InputError('certificates need python-flint: python -m pip install "gfcompare[certify]"')


def certify_state(problem: Problem, theta: ArrayLike, flow: FlowName = "standard") -> Certificate:
    """Prove where the exact gradient flow from a state goes, as far as that can be proved.

    All is enclosed by balls (python-flint). docs/certificates.md has the argument, and what it does not say.

    Parameters
    ----------
    problem : of widths (1, H, 1), with a target and a density that have formulas, without frozen parameters
    theta : shape (P,)
    flow : "standard", or "normalized" for the flow on the submanifold M from the normalised state

    Raises
    ------
    InputError
        if python-flint is not there, theta has another shape, or the flow another name. What the proof does
        not cover is no error: its verdict is `NONE`, with the reason

    Examples
    --------
    >>> import gfcompare as gfc
    >>> network = gfc.ReLUNetwork((1, 1, 1))
    >>> problem = gfc.Problem(network, gfc.targets.Polynomial([0.3, 4, -12, 8]), gfc.measures.Uniform())
    >>> found = gfc.certificates.certify_state(problem, [1.0, -2.0, 1.0, 0.3000001])  # a dead neuron
    >>> print(found.verdict.word, found.limit_risk_low <= 8 / 105 <= found.limit_risk_high)
    limit-proven True
    """
    require_flint()
    array = _one(problem, theta, flow)
    from gfcompare.certificates.argument import prove
    from gfcompare.certificates.exact_problem import refusal

    reason = refusal(problem)
    if not reason and not np.isfinite(array).all():
        reason = "the trajectory has no finite state here"
    if reason:
        return Certificate(Verdict.NONE, f"{reason[0].upper()}{reason[1:]}.", flow=flow)
    return prove(problem, array, flow)


@dataclass(frozen=True, eq=False)
class Bounds:
    """Bounds of the risk, its gradient and its Hessian at a state, rounded outwards.

    Attributes
    ----------
    risk : low and high
    gradient : shape (2, P)
    hessian : shape (2, P, P); where f or p jumps at a breakpoint, bounds of both sides
    """

    risk: tuple[float, float]
    gradient: Array
    hessian: Array


def enclosures(problem: Problem, theta: ArrayLike) -> Bounds:
    """Return proved bounds of the risk, the generalised gradient and the Hessian at a state.

    Parameters
    ----------
    problem : as for `certify_state`
    theta : shape (P,)

    Raises
    ------
    InputError
        if python-flint is not there, or the proof does not cover the problem or the state
    """
    require_flint()
    array = _one(problem, theta, "standard")
    from gfcompare.certificates import state_enclosures
    from gfcompare.certificates.balls import high_double, low_double, precision
    from gfcompare.certificates.exact_problem import NotCoveredError, exact_problem, refusal
    from gfcompare.certificates.reduction import State

    reason = refusal(problem)
    require(not reason, f"{reason}.")
    require(bool(np.isfinite(array).all()), "theta must be finite.")
    with precision(BITS):
        line = exact_problem(problem, BITS)
        try:
            state = State.of(array, (float(line.lower), float(line.upper)), "standard")
        except NotCoveredError as error:
            raise InputError(f"{error}.") from None
        found = state_enclosures.enclosures(state, line)
        entries = found.hessian.entries()
        size = len(found.gradient)
        return Bounds(
            (low_double(found.risk), high_double(found.risk)),
            np.array([[bound(g) for g in found.gradient] for bound in (low_double, high_double)]),
            np.array([[bound(h) for h in entries] for bound in (low_double, high_double)]).reshape(
                2, size, size
            ),
        )


def _one(problem: Problem, theta: ArrayLike, flow: FlowName) -> Array:
    """Return theta as one state, shape (P,)."""
    check_instance(problem, Problem, "the problem")
    if flow not in get_args(FlowName):
        raise unknown_name("flow", flow, get_args(FlowName))
    array = problem.network.check(theta)
    require(array.ndim == 1, f"theta must be one state, shape (P,), got {array.shape}: call it for each.")
    return array
