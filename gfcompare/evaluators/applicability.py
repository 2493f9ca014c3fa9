"""Applicability of evaluators to problems, and the description of the chosen one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gfcompare.evaluators.base import Evaluator


@dataclass(frozen=True)
class Applicability:
    """Applicability of an evaluator to a problem, with the reason.

    Attributes
    ----------
    reason : in words; what the problem has that the evaluator needs, or what it lacks
    accuracy : in words, how exact the evaluator is here; empty if it does not apply
    build : returns the evaluator; None if it does not apply
    """

    reason: str
    accuracy: str = ""
    build: Callable[[], Evaluator] | None = None

    @property
    def applies(self) -> bool:
        """True if the evaluator can be built."""
        return self.build is not None

    @classmethod
    def no(cls, reason: str) -> Applicability:
        """Return that the evaluator does not apply, and why."""
        return cls(reason)

    @classmethod
    def yes(cls, reason: str, accuracy: str, build: Callable[[], Evaluator]) -> Applicability:
        """Return that the evaluator applies, how exact it is, and how it is built."""
        return cls(reason, accuracy, build)


@dataclass(frozen=True)
class Evaluation:
    """The choice of an evaluator, with the reasons against those before it in the written order.

    Attributes
    ----------
    name : of the evaluator
    summary : what it does, the first line of its documentation
    exact : whether it is exact to rounding
    accuracy : in words, how exact it is for this problem
    reason : why it applies
    passed_over : the name of each evaluator before it that is for such a measure, and why it does not apply

    Examples
    --------
    >>> import gfcompare as gfc
    >>> network = gfc.ReLUNetwork((1, 4, 4, 1))
    >>> problem = gfc.Problem(network, gfc.targets.Constant(1.0), gfc.measures.Uniform())
    >>> print(problem.evaluation)
    along-lines: exact to rounding (one input, any depth)
      not shallow-line: the network has 2 hidden layers, it is for one
    """

    name: str
    summary: str
    exact: bool
    accuracy: str
    reason: str
    passed_over: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return the choice in a line, and a line for each evaluator that was passed over."""
        lines = [f"{self.name}: {self.accuracy} ({self.reason})"]
        return "\n".join([*lines, *(f"  not {name}: {reason}" for name, reason in self.passed_over)])
