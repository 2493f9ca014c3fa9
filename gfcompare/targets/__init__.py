"""Target functions f, on the line and in space, scalar or vector-valued."""

from gfcompare.targets.base import SpaceTarget, Target
from gfcompare.targets.line import (
    AbsoluteValue,
    Affine,
    Constant,
    Function,
    PiecewiseLinear,
    PiecewisePolynomial,
    Polynomial,
    Sine,
    Stack,
    Step,
    Table,
    Teacher,
)

__all__ = [
    "AbsoluteValue",
    "Affine",
    "Constant",
    "Function",
    "PiecewiseLinear",
    "PiecewisePolynomial",
    "Polynomial",
    "Sine",
    "SpaceTarget",
    "Stack",
    "Step",
    "Table",
    "Target",
    "Teacher",
]
