"""Figures of the result of a study, each a function of the tree and a component open to plugins.

``gfcompare.figures.risk(tree).savefig("risk.pdf")`` draws one, `save_all` draws every registered one. Every
function takes the options of `Shown`, by keyword, besides its own:

- problems, methods : names of those that are shown; none means all;
- size : "column" (3.4 inches) or "text" (6.8 inches); by default what suits the figure;
- ax : an axis of another figure to draw into, for a figure of a single panel.

Figures of the risk and other quantities over all seeds also take those of `Drawn`:

- band : "quartiles" of the seeds, or "median" for the 95 % confidence interval of the median;
- split : small multiples, a row for each problem and a column for each method.

Importing this loads neither matplotlib nor seaborn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from gfcompare.figures import builtin, inspection, statistics
from gfcompare.figures.base import Animation, Band, Figure, NothingToDraw, Selection, Size
from gfcompare.figures.saving import FigureWarning, save_all

if TYPE_CHECKING:
    import matplotlib.animation
    import matplotlib.axes
    import matplotlib.figure
    import xarray as xr

    from gfcompare.trajectories import Clock

__all__ = [
    "Animation",
    "Drawn",
    "Figure",
    "FigureWarning",
    "NothingToDraw",
    "Selection",
    "Shown",
    "balancedness_drift",
    "breakpoints",
    "cylinder",
    "distance_to_flow",
    "distance_to_manifold",
    "final_risk",
    "fit",
    "fit_animation",
    "gradient_norm",
    "paired_differences",
    "parameter_norm",
    "performance_profile",
    "phase_portrait",
    "principal_paths",
    "quadrature_error",
    "risk",
    "risk_by_gradients",
    "risk_by_wall_time",
    "save_all",
    "snapshots",
    "spectrum",
    "test_risk",
    "time_to_target",
]


class Shown(TypedDict, total=False):
    """What every figure can be told; the docstring of the module says what it means."""

    problems: Sequence[str]
    methods: Sequence[str]
    size: Size
    ax: matplotlib.axes.Axes | None


class Drawn(Shown, total=False):
    """What figures over all seeds can be told besides."""

    band: Band
    split: bool


def _draw(kind: type[Selection], tree: xr.DataTree, options: Any) -> matplotlib.figure.Figure:
    """Draw a figure; options are its own, and perhaps an axis."""
    own = dict(options)
    ax = own.pop("ax", None)
    return kind(**own).draw(tree, ax)


def risk(tree: xr.DataTree, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the risk against flow time: median over the seeds still running, with a band.

    A line stops when fewer than half of the seeds remain; a cross marks where a trajectory ended early.
    """
    return _draw(builtin.Risk, tree, options)


def risk_by_gradients(tree: xr.DataTree, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the risk against gradient evaluations.

    For methods that never evaluate the population gradient, gradients at one sample point are counted.
    """
    return _draw(builtin.RiskByGradients, tree, options)


def risk_by_wall_time(tree: xr.DataTree, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the risk against the wall time that one core has spent on a trajectory."""
    return _draw(builtin.RiskByWallTime, tree, options)


def test_risk(tree: xr.DataTree, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw training risk (solid) and test risk (dashed) against flow time, where points were held out.

    Raises
    ------
    NothingToDraw
        if no problem has points held out
    """
    return _draw(builtin.TestRisk, tree, options)


def quadrature_error(tree: xr.DataTree, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the estimated relative error of the gradient by quadrature against flow time, on boxes.

    Raises
    ------
    NothingToDraw
        if no problem needs quadrature
    """
    return _draw(builtin.QuadratureError, tree, options)


def gradient_norm(tree: xr.DataTree, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the norm of the generalised gradient against flow time."""
    return _draw(builtin.GradientNorm, tree, options)


def parameter_norm(tree: xr.DataTree, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the norm of the parameters against flow time."""
    return _draw(builtin.ParameterNorm, tree, options)


def final_risk(tree: xr.DataTree, **options: Unpack[Shown]) -> matplotlib.figure.Figure:
    """Draw the distribution of the final risk over seeds."""
    return _draw(builtin.FinalRisk, tree, options)


def distance_to_flow(tree: xr.DataTree, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw how far each method is from the gradient flow it approximates, against flow time.

    The distance is that of the parameters, seed by seed from the same initial network: to the standard
    flow, or to the normalised one for methods on M.

    Raises
    ------
    NothingToDraw
        if the study has no flow, or nothing besides it
    """
    return _draw(builtin.DistanceToFlow, tree, options)


def balancedness_drift(tree: xr.DataTree, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the drift of the balancedness against flow time, for the methods that do not live on M.

    Raises
    ------
    NothingToDraw
        if every method lives on the submanifold M
    """
    return _draw(builtin.BalancednessDrift, tree, options)


def distance_to_manifold(tree: xr.DataTree, **options: Unpack[Drawn]) -> matplotlib.figure.Figure:
    """Draw the distance from M against flow time, for the methods that live on M.

    Raises
    ------
    NothingToDraw
        if no method lives on the submanifold M
    """
    return _draw(builtin.DistanceToManifold, tree, options)


def fit(
    tree: xr.DataTree, *, seed: int | None = None, times: Sequence[float] = (), **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw the networks against the target, for one seed.

    With one input both are drawn as functions, on a rectangle as maps on one colour scale; with more inputs
    or on points in the plane, the network's value is drawn against the target's at each point.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    seed : by default, for each problem, the one with the median final risk of the first method
    times : flow times, of which the nearest saved ones are shown; none means some from start to end with
        one input, and the end otherwise
    options : see `Shown`
    """
    return _draw(inspection.Fit, tree, {"seed": seed, "times": times, **options})


def breakpoints(
    tree: xr.DataTree, *, seed: int | None = None, **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw where neurons of the first hidden layer switch, for one seed.

    With one input, the breakpoints -b/w against flow time; with two, the lines w.x + b = 0 at the start and
    at the end. Problems with more inputs are left out.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    seed : by default, for each problem, the most typical one of those with a breakpoint
    options : see `Shown`
    """
    return _draw(inspection.Breakpoints, tree, {"seed": seed, **options})


def snapshots(
    tree: xr.DataTree,
    *,
    problem: str | None = None,
    seed: int | None = None,
    times: Sequence[float] = (),
    **options: Unpack[Shown],
) -> matplotlib.figure.Figure:
    """Draw one network as a strip: the function it represents at log-spaced times, a row for each method.

    The target is grey, ticks at the bottom are the breakpoints of all layers, the number is the risk.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problem : its name; by default the first one with one input
    seed : by default the one with the median final risk of the first method
    times : flow times, of which the nearest saved ones are shown; none means some from start to end
    options : see `Shown`
    """
    return _draw(inspection.Snapshots, tree, {"problem": problem, "seed": seed, "times": times, **options})


def phase_portrait(
    tree: xr.DataTree,
    *,
    parameters: Sequence[str] = (),
    through: inspection.Through = "end",
    seed: int | None = None,
    **options: Unpack[Shown],
) -> matplotlib.figure.Figure:
    """Draw paths in the plane of two parameters, over contours of the risk.

    The risk is evaluated where all other parameters are as at the end (or the start) of the path of the first
    method shown. The paths are projected onto that plane, and only touch it there.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    parameters : the names of two, such as ("w3", "v3"): w, b, v, c with the number of the neuron for one
        hidden layer, W2_3,1 and b2_3 for more; by default the two that move most along the trajectories
    through : "end" or "start"
    seed : by default, for each problem, the one with the median final risk of the first method
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no problem can be rebuilt from the result: a target or a measure is a Python function
    """
    own = {"parameters": parameters, "through": through, "seed": seed}
    return _draw(inspection.PhasePortrait, tree, {**own, **options})


def principal_paths(
    tree: xr.DataTree, *, seed: int | None = None, **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw paths in the plane of the first two principal components of all states of one seed.

    The contours are those of the risk in that plane, which goes through the mean of the states. The axes have
    the share of the variance.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    seed : by default, for each problem, the one with the median final risk of the first method
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no problem can be rebuilt from the result: a target or a measure is a Python function
    """
    return _draw(inspection.PrincipalPaths, tree, {"seed": seed, **options})


def cylinder(
    tree: xr.DataTree, *, projection: inspection.Projection = "plane", **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw the flow lines of networks 1-1-1 on M, a cylinder: all seeds, a column for each method.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    projection : "plane", the angle of (w, b) across and v upwards, or "cylinder", in three dimensions
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no problem has widths 1-1-1
    """
    return _draw(inspection.Cylinder, tree, {"projection": projection, **options})


def spectrum(
    tree: xr.DataTree, *, seed: int | None = None, **options: Unpack[Shown]
) -> matplotlib.figure.Figure:
    """Draw the eigenvalues of the Hessian of the risk against flow time, for one seed.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    seed : by default, for each problem, the one with the median final risk of the first method
    options : see `Shown`

    Raises
    ------
    NothingToDraw
        if no problem can be rebuilt from the result: a target or a measure is a Python function
    """
    return _draw(inspection.Spectrum, tree, {"seed": seed, **options})


def fit_animation(
    tree: xr.DataTree,
    *,
    problem: str | None = None,
    methods: Sequence[str] = (),
    seed: int | None = None,
) -> matplotlib.animation.Animation:
    """Return the fit of several methods side by side, moving along the saved times.

    ``animation.save("fit.gif", writer="pillow")`` writes it, with a file name that ends in .mp4 and
    without a writer by the program ffmpeg.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problem : its name; by default the first one with one input
    methods : names of those that are shown; none means all
    seed : by default the one with the median final risk of the first method
    """
    return inspection.FitAnimation(problem=problem, methods=methods, seed=seed).animate(tree)


def time_to_target(
    tree: xr.DataTree,
    *,
    targets: float | Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    clock: Clock = "gradients",
    problems: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> matplotlib.figure.Figure:
    """Draw which share of the seeds has reached a target risk, with 95 % intervals, against a clock.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    targets : risks, or for each problem its own; None means those of `gfcompare.statistics.default_targets`
    clock : "flow_time", "gradients" or "wall_time"
    problems, methods : names of those that are shown; none means all

    Raises
    ------
    NothingToDraw
        if no risk fell, so that there is no target
    """
    return statistics.TimeToTarget(problems, methods, targets, clock).draw(tree)


def performance_profile(
    tree: xr.DataTree,
    *,
    targets: float | Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    clock: Clock | None = None,
    problems: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> matplotlib.figure.Figure:
    """Draw the performance profiles: on which share of instances a method is within a factor of the best.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    targets : risks, or for each problem its own; None means those of `gfcompare.statistics.default_targets`
    clock : the cost, "gradients", "wall_time" or "flow_time"; None means the first two
    problems, methods : names of those that are compared; none means all

    Raises
    ------
    NothingToDraw
        if there are not two methods whose costs can be compared
    """
    return statistics.PerformanceProfile(problems, methods, targets, clock).draw(tree)


def paired_differences(
    tree: xr.DataTree,
    *,
    baseline: str | None = None,
    problems: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> matplotlib.figure.Figure:
    """Draw final risks divided by those of a baseline, seed by seed, with the 95 % interval of the median.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    baseline : a method; None means the first one of the study
    problems, methods : names of those that are shown; none means all

    Raises
    ------
    NothingToDraw
        if there is no method besides the baseline
    """
    return statistics.PairedDifferences(problems, methods, baseline).draw(tree)
