"""Quantities along trajectories, computed at the save times and outside the clocks."""

from gfcompare.diagnostics.base import (
    Diagnostic,
    PairedDiagnostic,
    Quantity,
    Trajectories,
    TrajectoryDiagnostic,
)
from gfcompare.diagnostics.energy import AccumulatedGradient, EnergyDefect
from gfcompare.diagnostics.lyapunov import LyapunovFunction
from gfcompare.diagnostics.neurons import (
    ActiveNeurons,
    ActivityChanges,
    Breakpoints,
    DeadNeurons,
    FullyActiveNeurons,
)
from gfcompare.diagnostics.paired import DistanceToFlow, FunctionDistanceToFlow
from gfcompare.diagnostics.second_order import Sharpness, SmallestCurvature
from gfcompare.diagnostics.states import (
    BalancednessDrift,
    DistanceToManifold,
    GradientNorm,
    ParameterNorm,
    QuadratureError,
    Risk,
    TestRisk,
)

__all__ = [
    "AccumulatedGradient",
    "ActiveNeurons",
    "ActivityChanges",
    "BalancednessDrift",
    "Breakpoints",
    "DeadNeurons",
    "Diagnostic",
    "DistanceToFlow",
    "DistanceToManifold",
    "EnergyDefect",
    "FullyActiveNeurons",
    "FunctionDistanceToFlow",
    "GradientNorm",
    "LyapunovFunction",
    "PairedDiagnostic",
    "ParameterNorm",
    "QuadratureError",
    "Quantity",
    "Risk",
    "Sharpness",
    "SmallestCurvature",
    "TestRisk",
    "Trajectories",
    "TrajectoryDiagnostic",
]
