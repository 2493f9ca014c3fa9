"""Verdicts and fields of a certificate, as plain numbers and text."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from gfcompare.integrators.base import FlowName


class Verdict(enum.IntEnum):
    """The statement proved of the exact flow from a stored state; the value is that in result files."""

    MISSING = 0
    LIMIT_PROVEN = 1
    RISK_BOUNDED = 2
    CRITICAL_POINT_ONLY = 3
    DEGENERATE = 4
    MOVING = 5
    NONE = 6

    @property
    def word(self) -> str:
        """The verdict as it is written, such as limit-proven."""
        return self.name.lower().replace("_", "-")

    @property
    def meaning(self) -> str:
        """A sentence on what it says."""
        return _MEANINGS[self]


_MEANINGS = {
    Verdict.MISSING: "no certificate was asked for yet",
    Verdict.LIMIT_PROVEN: "the flow converges, and the risk of its limit lies between the bounds",
    Verdict.RISK_BOUNDED: "the risk is almost 0 and never rises; nothing is said of where the flow goes",
    Verdict.CRITICAL_POINT_ONLY: (
        "a critical point lies near the state; that the flow converges to it is not proved"
    ),
    Verdict.DEGENERATE: (
        "a critical point of the reduced equations lies near, where the second order decides nothing"
    ),
    Verdict.MOVING: "no critical point was found near the state, and |G| is not small",
    Verdict.NONE: "nothing is proved: problem or state are not covered, or no critical point was found",
}


def kind_of(index: int) -> str:
    """Return what a critical point of an index is; empty for an index that is not proved."""
    if index < 0:
        return ""
    return "minimum" if index == 0 else f"saddle of index {index}"


@dataclass(frozen=True)
class Certificate:
    """The certificate of one state: statements proved of the exact flow from there.

    Attributes
    ----------
    verdict, reason : what is proved, and why not more, in words
    limit_risk_low, limit_risk_high : bounds of the limit of the risk, rounded outwards; whatever the verdict
        is, they hold if they are finite, as the risk never rises
    limit_risk : enclosure of the limit of the risk as decimal text
    risk_low, risk_high : bounds of the risk at the state
    gradient_low, gradient_high : bounds of |G| at the state
    critical_risk_low, critical_risk_high : bounds of the risk of the critical point
    excess : upper bound of the risk at the state minus that of the critical point
    remaining_length : upper bound of the length of the rest of the trajectory
    rate : m; the excess decays at least like exp(-2 m t); 0 where the proof gives a power of t only
    existence_radius : radius of a box around `point`, in its coordinates, that contains exactly one critical
        point of the reduced equations
    uniqueness_radius : radius of a larger box that contains no other one
    distance : of the state from the critical point, the largest over the reduced coordinates
    index : number of directions in which the risk of the reduced network decreases; -1 if it is not proved
    eigenvalue_low, eigenvalue_high : bounds of all eigenvalues of the reduced Hessian
    kinds : of each neuron, what becomes of it
    point : the network of the critical point as decimal text: its value and its slope at the lower end, its
        breakpoints, and the changes of the slope there
    knots : the breakpoints
    precision_bits : precision of the balls
    critical_point : number of the critical point, equal within a result and problem for equal ones; -1
        without one
    """

    verdict: Verdict
    reason: str
    limit_risk_low: float = math.nan
    limit_risk_high: float = math.nan
    limit_risk: str = ""
    risk_low: float = math.nan
    risk_high: float = math.nan
    gradient_low: float = math.nan
    gradient_high: float = math.nan
    critical_risk_low: float = math.nan
    critical_risk_high: float = math.nan
    excess: float = math.nan
    remaining_length: float = math.nan
    rate: float = math.nan
    existence_radius: float = math.nan
    uniqueness_radius: float = math.nan
    distance: float = math.nan
    index: int = -1
    eigenvalue_low: float = math.nan
    eigenvalue_high: float = math.nan
    kinds: tuple[str, ...] = ()
    point: tuple[str, ...] = ()
    knots: tuple[str, ...] = ()
    precision_bits: int = 0
    critical_point: int = -1
    flow: FlowName = "standard"

    @property
    def proven(self) -> bool:
        """True if the limit of the trajectory is proved."""
        return self.verdict is Verdict.LIMIT_PROVEN

    @property
    def kind(self) -> str:
        """Kind of the critical point of the reduced network, a minimum or a saddle; or empty."""
        return kind_of(self.index)

    def __str__(self) -> str:
        text = f"{self.verdict.word}: {self.reason}"
        if self.limit_risk:
            text += f" The limit of the risk lies in [{self.limit_risk_low!r}, {self.limit_risk_high!r}]."
        return text
