"""The figures that gfcompare itself supplies, announced as any plugin announces them."""

from __future__ import annotations

from gfcompare.figures.balancedness_drift import BalancednessDrift
from gfcompare.figures.base import Figure
from gfcompare.figures.breakpoints import Breakpoints
from gfcompare.figures.cylinder import Cylinder
from gfcompare.figures.distance_to_flow import DistanceToFlow
from gfcompare.figures.distance_to_manifold import DistanceToManifold
from gfcompare.figures.distance_to_own_flow import DistanceToOwnFlow
from gfcompare.figures.final_risk import FinalRisk
from gfcompare.figures.fit import Fit
from gfcompare.figures.fit_animation import FitAnimation
from gfcompare.figures.gradient_norm import GradientNorm
from gfcompare.figures.landscape import Landscape
from gfcompare.figures.limits import Limits
from gfcompare.figures.paired_differences import PairedDifferences
from gfcompare.figures.parameter_norm import ParameterNorm
from gfcompare.figures.performance_profile import PerformanceProfile
from gfcompare.figures.phase_portrait import PhasePortrait
from gfcompare.figures.principal_paths import PrincipalPaths
from gfcompare.figures.quadrature_error import QuadratureError
from gfcompare.figures.risk import Risk
from gfcompare.figures.risk_by_gradients import RiskByGradients
from gfcompare.figures.risk_by_option import RiskByOption
from gfcompare.figures.risk_by_wall_time import RiskByWallTime
from gfcompare.figures.risk_of_test_points import TestRisk
from gfcompare.figures.snapshots import Snapshots
from gfcompare.figures.spectrum import Spectrum
from gfcompare.figures.time_to_target import TimeToTarget
from gfcompare.hooks.hookspecs import hookimpl


@hookimpl
def gfcompare_figures() -> list[type[Figure]]:
    """Announce the figures."""
    return [
        Risk,
        RiskByGradients,
        RiskByWallTime,
        TestRisk,
        GradientNorm,
        QuadratureError,
        ParameterNorm,
        FinalRisk,
        Limits,
        Landscape,
        RiskByOption,
        Fit,
        Breakpoints,
        DistanceToFlow,
        DistanceToOwnFlow,
        BalancednessDrift,
        DistanceToManifold,
        TimeToTarget,
        PerformanceProfile,
        PairedDifferences,
        Snapshots,
        PhasePortrait,
        PrincipalPaths,
        Cylinder,
        Spectrum,
        FitAnimation,
    ]
