"""Functions that draw figures of one seed of a result, or of single trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from gfcompare.figures import inspection
from gfcompare.figures.calls import Shown, draw, lists_options

if TYPE_CHECKING:
    import matplotlib.animation
    import matplotlib.figure
    import xarray as xr


@lists_options
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
    return draw(inspection.Fit, tree, {"seed": seed, "times": times, **options})


@lists_options
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
    return draw(inspection.Breakpoints, tree, {"seed": seed, **options})


@lists_options
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
    return draw(inspection.Snapshots, tree, {"problem": problem, "seed": seed, "times": times, **options})


@lists_options
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
    return draw(inspection.PhasePortrait, tree, {**own, **options})


@lists_options
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
    return draw(inspection.PrincipalPaths, tree, {"seed": seed, **options})


@lists_options
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
    return draw(inspection.Cylinder, tree, {"projection": projection, **options})


@lists_options
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
    return draw(inspection.Spectrum, tree, {"seed": seed, **options})


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
