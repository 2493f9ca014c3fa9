"""The built-in components besides the integrators, announced as any plugin announces its own."""

from __future__ import annotations

from gfcompare import diagnostics, initializations, measures, targets
from gfcompare.diagnostics import Quantity
from gfcompare.evaluators import order
from gfcompare.evaluators.base import Evaluator
from gfcompare.hooks.hookspecs import hookimpl
from gfcompare.initializations import Initialization
from gfcompare.measures import Measure
from gfcompare.targets import Target


@hookimpl
def gfcompare_targets() -> list[type[Target]]:
    """Announce the targets."""
    return [
        targets.Constant,
        targets.Affine,
        targets.Polynomial,
        targets.HermitePolynomial,
        targets.PiecewisePolynomial,
        targets.PiecewiseLinear,
        targets.Sine,
        targets.AbsoluteValue,
        targets.Step,
        targets.Table,
        targets.MultivariatePolynomial,
        targets.RadialBump,
        targets.Ridge,
        targets.ProductOfSines,
        targets.Teacher,
        targets.Network,
        targets.Function,
        targets.Stack,
        targets.Labels,
    ]


@hookimpl
def gfcompare_measures() -> list[type[Measure]]:
    """Announce the measures."""
    return [
        measures.Uniform,
        measures.PiecewisePolynomial,
        measures.TruncatedNormal,
        measures.Density,
        measures.Box,
        measures.Product,
        measures.BoxDensity,
        measures.Gaussian,
        measures.Points,
        measures.DataSet,
        measures.Discretized,
    ]


@hookimpl
def gfcompare_evaluators() -> list[type[Evaluator]]:
    """Announce the evaluators; the order in which they are tried is written there."""
    return [*order.EXACT, *order.APPROXIMATE]


@hookimpl
def gfcompare_initializations() -> list[type[Initialization]]:
    """Announce the initialisations."""
    return [
        initializations.He,
        initializations.Xavier,
        initializations.Uniform,
        initializations.Normal,
        initializations.Sphere,
        initializations.NearAffine,
    ]


@hookimpl
def gfcompare_diagnostics() -> list[type[Quantity]]:
    """Announce the diagnostics."""
    return [
        diagnostics.Risk,
        diagnostics.GradientNorm,
        diagnostics.ParameterNorm,
        diagnostics.BalancednessDrift,
        diagnostics.DistanceToManifold,
        diagnostics.TestRisk,
        diagnostics.QuadratureError,
        diagnostics.DeadNeurons,
        diagnostics.ActiveNeurons,
        diagnostics.FullyActiveNeurons,
        diagnostics.ActivityChanges,
        diagnostics.LyapunovFunction,
        diagnostics.DistanceToFlow,
        diagnostics.FunctionDistanceToFlow,
        diagnostics.Breakpoints,
        diagnostics.Sharpness,
        diagnostics.SmallestCurvature,
        diagnostics.AccumulatedGradient,
        diagnostics.EnergyDefect,
    ]
