"""Target functions f, on the line and in space, scalar or vector-valued."""

from gfcompare.targets.base import SpaceTarget, Target
from gfcompare.targets.general import Affine, Constant, Function, Labels, Stack
from gfcompare.targets.line import (
    AbsoluteValue,
    HermitePolynomial,
    PiecewiseLinear,
    PiecewisePolynomial,
    Polynomial,
    Sine,
    Step,
    Table,
)
from gfcompare.targets.space import MultivariatePolynomial, ProductOfSines, RadialBump, Ridge
from gfcompare.targets.teacher import Network, NetworkTarget, Teacher

__all__ = [
    "AbsoluteValue",
    "Affine",
    "Constant",
    "Function",
    "HermitePolynomial",
    "Labels",
    "MultivariatePolynomial",
    "Network",
    "NetworkTarget",
    "PiecewiseLinear",
    "PiecewisePolynomial",
    "Polynomial",
    "ProductOfSines",
    "RadialBump",
    "Ridge",
    "Sine",
    "SpaceTarget",
    "Stack",
    "Step",
    "Table",
    "Target",
    "Teacher",
]
