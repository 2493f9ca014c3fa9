"""The choice of an evaluator, with its reasons."""

from __future__ import annotations

from dataclasses import dataclass


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
