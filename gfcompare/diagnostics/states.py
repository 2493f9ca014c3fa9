"""Quantities of a state that cost no more than its risk or its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gfcompare.diagnostics.base import Array, Diagnostic
from gfcompare.evaluators.frozen import conserved_neurons
from gfcompare.problem import Problem


@dataclass(frozen=True)
class Risk(Diagnostic):
    """The population risk L(theta)."""

    name: ClassVar[str] = "risk"
    long_name: ClassVar[str] = "population risk"
    units: ClassVar[str] = "output^2"

    def compute(self, problem: Problem, theta: Array) -> Array:
        """Return L at each state."""
        return problem.risk(theta)


@dataclass(frozen=True)
class GradientNorm(Diagnostic):
    """The Euclidean norm of the generalised gradient G(theta)."""

    name: ClassVar[str] = "gradient_norm"
    long_name: ClassVar[str] = "norm of the generalised gradient"
    units: ClassVar[str] = "risk / parameter"

    def compute(self, problem: Problem, theta: Array) -> Array:
        """Return |G| at each state."""
        return np.asarray(np.linalg.norm(problem.gradient(theta), axis=-1))


@dataclass(frozen=True)
class ParameterNorm(Diagnostic):
    """The Euclidean norm of all parameters."""

    name: ClassVar[str] = "parameter_norm"
    long_name: ClassVar[str] = "norm of the parameters"
    units: ClassVar[str] = "parameter"

    def compute(self, problem: Problem, theta: Array) -> Array:
        """Return |theta| at each state."""
        return np.asarray(np.linalg.norm(theta, axis=-1))


@dataclass(frozen=True)
class BalancednessDrift(Diagnostic):
    """The drift of balancedness, which the standard gradient flow conserves.

    The largest change since the start of |W^k_i|^2 + (b^k_i)^2 - |W^{k+1}_{.,i}|^2 over all hidden
    neurons none of whose parameters is frozen (Du, Hu, Lee, arXiv:1806.00900).
    """

    name: ClassVar[str] = "balancedness_drift"
    long_name: ClassVar[str] = "largest change of balancedness over hidden neurons"
    units: ClassVar[str] = "parameter^2"

    @classmethod
    def applies(cls, problem: Problem) -> bool:
        """Return whether any neuron conserves its balancedness."""
        return bool(conserved_neurons(problem.network, problem.frozen).any())

    def compute(self, problem: Problem, theta: Array) -> Array:
        """Return the drift at each state."""
        values = np.concatenate(problem.network.balancedness(theta), axis=-1)
        values = values[..., conserved_neurons(problem.network, problem.frozen)]
        return np.asarray(np.abs(values - values[:, :1]).max(axis=-1))


@dataclass(frozen=True)
class DistanceToManifold(Diagnostic):
    """The Euclidean distance of theta from the submanifold M of unit hidden rows."""

    name: ClassVar[str] = "distance_to_manifold"
    long_name: ClassVar[str] = "distance to the submanifold M"
    units: ClassVar[str] = "parameter"

    def compute(self, problem: Problem, theta: Array) -> Array:
        """Return the distance at each state."""
        return problem.network.distance_to_manifold(theta)


@dataclass(frozen=True)
class TestRisk(Diagnostic):
    """The mean of |N - y|^2 over the points of a data set that were held out."""

    __test__ = False  # not a test, whatever pytest makes of the name
    name: ClassVar[str] = "test_risk"
    long_name: ClassVar[str] = "risk on the points held out"
    units: ClassVar[str] = "output^2"

    @classmethod
    def applies(cls, problem: Problem) -> bool:
        """Return whether the measure holds points out."""
        return problem.has_test

    def compute(self, problem: Problem, theta: Array) -> Array:
        """Return the test risk at each state."""
        return problem.test_risk(theta)


@dataclass(frozen=True)
class QuadratureError(Diagnostic):
    """An estimated bound of the relative error of the gradient by quadrature, for a measure on a box.

    Rules with more nodes tell; 99.7 % of 915 measured errors lie below it (docs/study-file.md). Towards a
    critical point it grows, because the gradient itself vanishes.
    """

    name: ClassVar[str] = "quadrature_error"
    long_name: ClassVar[str] = "estimated bound of the relative error of the gradient by quadrature"
    units: ClassVar[str] = "1"

    @classmethod
    def applies(cls, problem: Problem) -> bool:
        """Return whether there is a quadrature."""
        return problem.quadrature is not None

    def compute(self, problem: Problem, theta: Array) -> Array:
        """Return the estimate at each state."""
        return problem.quadrature_error(theta)
