"""The figures that gfcompare itself supplies, announced as any plugin announces them."""

from __future__ import annotations

from gfcompare.figures import builtin, inspection, statistics
from gfcompare.figures.base import Figure
from gfcompare.hooks.hookspecs import hookimpl


@hookimpl
def gfcompare_figures() -> list[type[Figure]]:
    """Announce the figures."""
    return [
        builtin.Risk,
        builtin.RiskByGradients,
        builtin.RiskByWallTime,
        builtin.TestRisk,
        builtin.GradientNorm,
        builtin.QuadratureError,
        builtin.ParameterNorm,
        builtin.FinalRisk,
        builtin.RiskByOption,
        inspection.Fit,
        inspection.Breakpoints,
        builtin.DistanceToFlow,
        builtin.DistanceToOwnFlow,
        builtin.BalancednessDrift,
        builtin.DistanceToManifold,
        statistics.TimeToTarget,
        statistics.PerformanceProfile,
        statistics.PairedDifferences,
        inspection.Snapshots,
        inspection.PhasePortrait,
        inspection.PrincipalPaths,
        inspection.Cylinder,
        inspection.Spectrum,
        inspection.FitAnimation,
    ]
