"""Functions that draw figures of all seeds of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Unpack

from gfcompare.figures import builtin, statistics
from gfcompare.figures.calls import Drawn, Shown, draw, lists_options

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

    from gfcompare.results.clocks import Clock


@lists_options
def risk(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the risk against flow time: median over all seeds, with a band.

    A cross marks where a trajectory ended early: from there it counts as infinite, and a line stops where
    the median does.

    Examples
    --------
    >>> import gfcompare as gfc
    >>> tree = gfc.open_study("results/quickstart")
    >>> gfc.figures.risk(tree, problems=["sine"], size="column").savefig("risk.pdf")
    """
    return draw(builtin.Risk, tree, options)


@lists_options
def risk_by_gradients(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the risk against gradient evaluations.

    For methods that never evaluate the population gradient, gradients at one sample point are counted.
    """
    return draw(builtin.RiskByGradients, tree, options)


@lists_options
def risk_by_wall_time(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the risk against the wall time that one core has spent on a trajectory."""
    return draw(builtin.RiskByWallTime, tree, options)


@lists_options
def test_risk(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw training risk (solid) and test risk (dashed) against flow time, where points were held out.

    Raises
    ------
    NothingToDraw
        if no problem has points held out
    """
    return draw(builtin.TestRisk, tree, options)


@lists_options
def quadrature_error(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw an estimated bound of the relative error of the gradient against flow time, on boxes.

    Raises
    ------
    NothingToDraw
        if no problem needs quadrature
    """
    return draw(builtin.QuadratureError, tree, options)


@lists_options
def gradient_norm(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the norm of the generalised gradient against flow time."""
    return draw(builtin.GradientNorm, tree, options)


@lists_options
def parameter_norm(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the norm of the parameters against flow time."""
    return draw(builtin.ParameterNorm, tree, options)


@lists_options
def final_risk(tree: xr.DataTree | xr.Dataset, **options: Unpack[Shown]) -> matplotlib.figure.Figure:
    """Draw the distribution of the final risk over seeds."""
    return draw(builtin.FinalRisk, tree, options)


@lists_options
def risk_by_option(
    tree: xr.DataTree | xr.Dataset, *, option: str | None = None, **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw the final risk against an option that is varied, such as the step size: a line for each grid.

    Medians over all seeds with their quartiles; seeds that ended early count as infinite, and their share is
    marked. Methods without the option are horizontal lines.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    option : of the methods; None means the first that is varied
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no option of a method is varied in the study
    """
    return draw(builtin.RiskByOption, tree, {"option": option, **options})


@lists_options
def distance_to_flow(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw how far each method is from the standard gradient flow, against flow time.

    This is the variable of the same name: the distance of the parameters, seed by seed from the same initial
    network; for a method on M from the flow's normalised form.

    Raises
    ------
    NothingToDraw
        if the result has no standard flow, or nothing besides it
    """
    return draw(builtin.DistanceToFlow, tree, options)


@lists_options
def distance_to_own_flow(
    tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]
) -> matplotlib.figure.Figure:
    """Draw how far each method is from the gradient flow it approximates, against flow time.

    That is the standard flow, or the normalised one for methods on M: the distance of the parameters, seed by
    seed from the same initial network.

    Raises
    ------
    NothingToDraw
        if the study has no method on M beside the normalised flow
    """
    return draw(builtin.DistanceToOwnFlow, tree, options)


@lists_options
def balancedness_drift(tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the drift of the balancedness against flow time, for the methods that do not live on M.

    Raises
    ------
    NothingToDraw
        if every method lives on the submanifold M
    """
    return draw(builtin.BalancednessDrift, tree, options)


@lists_options
def distance_to_manifold(
    tree: xr.DataTree | xr.Dataset, **options: Unpack[Drawn]
) -> matplotlib.figure.Figure:
    """Draw the distance from M against flow time, for the methods that live on M.

    Raises
    ------
    NothingToDraw
        if no method lives on the submanifold M
    """
    return draw(builtin.DistanceToManifold, tree, options)


@lists_options
def time_to_target(
    tree: xr.DataTree,
    *,
    targets: float | Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    clock: Clock = "gradients",
    **options: Unpack[Shown],
) -> matplotlib.figure.Figure:
    """Draw which share of the seeds has reached a target risk, with 95 % intervals, against a clock.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    targets : risks, or for each problem its own; None means those of `gfcompare.statistics.default_targets`
    clock : "flow_time", "gradients" or "wall_time"
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no risk fell, so that there is no target
    """
    return draw(statistics.TimeToTarget, tree, {"targets": targets, "clock": clock, **options})


@lists_options
def performance_profile(
    tree: xr.DataTree,
    *,
    targets: float | Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    clock: Clock | None = None,
    **options: Unpack[Shown],
) -> matplotlib.figure.Figure:
    """Draw the performance profiles: on which share of instances a method is within a factor of the best.

    Only the problems and methods that are shown are compared.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    targets : risks, or for each problem its own; None means those of `gfcompare.statistics.default_targets`
    clock : the cost, "gradients", "wall_time" or "flow_time"; None means the first two
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if there are not two methods whose costs can be compared
    """
    return draw(statistics.PerformanceProfile, tree, {"targets": targets, "clock": clock, **options})


@lists_options
def paired_differences(
    tree: xr.DataTree,
    *,
    baseline: str | None = None,
    **options: Unpack[Shown],
) -> matplotlib.figure.Figure:
    """Draw final risks divided by those of a baseline, seed by seed, with the 95 % interval of the median.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    baseline : a method; None means the first one of the study
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if there is no method besides the baseline
    """
    return draw(statistics.PairedDifferences, tree, {"baseline": baseline, **options})
