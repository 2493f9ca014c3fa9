"""Figures of the result of a study, each a function of the tree and a component open to plugins.

``gfcompare.figures.risk(tree).savefig("risk.pdf")`` draws one, `save_all` draws every registered one.
Importing this loads neither matplotlib nor seaborn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gfcompare.figures import builtin
from gfcompare.figures.base import Figure, NothingToDraw
from gfcompare.figures.saving import FigureWarning, save_all

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

__all__ = [
    "Figure",
    "FigureWarning",
    "NothingToDraw",
    "balancedness_drift",
    "breakpoints",
    "distance_to_flow",
    "distance_to_manifold",
    "final_risk",
    "fit",
    "gradient_norm",
    "parameter_norm",
    "quadrature_error",
    "risk",
    "risk_by_gradients",
    "risk_by_wall_time",
    "save_all",
    "test_risk",
]


def risk(
    tree: xr.DataTree, *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Draw the risk against flow time: median and quartiles over the seeds still running.

    A line stops when fewer than half of the seeds remain; a cross marks where a trajectory ended early.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all
    """
    return builtin.Risk(problems, methods).draw(tree)


def risk_by_gradients(
    tree: xr.DataTree, *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Draw the risk against gradient evaluations.

    For methods that never evaluate the population gradient, gradients at one sample point are counted.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all
    """
    return builtin.RiskByGradients(problems, methods).draw(tree)


def risk_by_wall_time(
    tree: xr.DataTree, *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Draw the risk against the wall time that one core has spent on a trajectory.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all
    """
    return builtin.RiskByWallTime(problems, methods).draw(tree)


def test_risk(
    tree: xr.DataTree,
    *,
    problems: Sequence[str] = (),  # noqa: PT028 (a figure, not a test)
    methods: Sequence[str] = (),  # noqa: PT028
) -> matplotlib.figure.Figure:
    """Draw training risk (solid) and test risk (dashed) against flow time, where points were held out.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all

    Raises
    ------
    NothingToDraw
        if no problem has points held out
    """
    return builtin.TestRisk(problems, methods).draw(tree)


def quadrature_error(
    tree: xr.DataTree, *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Draw the estimated relative error of the gradient by quadrature against flow time, on boxes.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all

    Raises
    ------
    NothingToDraw
        if no problem needs quadrature
    """
    return builtin.QuadratureError(problems, methods).draw(tree)


def gradient_norm(
    tree: xr.DataTree, *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Draw the norm of the generalised gradient against flow time.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all
    """
    return builtin.GradientNorm(problems, methods).draw(tree)


def parameter_norm(
    tree: xr.DataTree, *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Draw the norm of the parameters against flow time.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all
    """
    return builtin.ParameterNorm(problems, methods).draw(tree)


def final_risk(
    tree: xr.DataTree, *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Draw the distribution of the final risk over seeds.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all
    """
    return builtin.FinalRisk(problems, methods).draw(tree)


def distance_to_flow(
    tree: xr.DataTree, *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Draw how far each method is from the gradient flow it approximates, against flow time.

    The distance is that of the parameters, seed by seed from the same initial network: to the standard
    flow, or to the normalised one for methods on M.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all

    Raises
    ------
    NothingToDraw
        if the study has no flow, or nothing besides it
    """
    return builtin.DistanceToFlow(problems, methods).draw(tree)


def balancedness_drift(
    tree: xr.DataTree, *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Draw the drift of the balancedness against flow time, for the methods that do not live on M.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all

    Raises
    ------
    NothingToDraw
        if every method lives on the submanifold M
    """
    return builtin.BalancednessDrift(problems, methods).draw(tree)


def distance_to_manifold(
    tree: xr.DataTree, *, problems: Sequence[str] = (), methods: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Draw the distance from M against flow time, for the methods that live on M.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    problems, methods : names of those that are shown; none means all

    Raises
    ------
    NothingToDraw
        if no method lives on the submanifold M
    """
    return builtin.DistanceToManifold(problems, methods).draw(tree)


def fit(
    tree: xr.DataTree,
    *,
    seed: int | None = None,
    times: Sequence[float] = (),
    problems: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> matplotlib.figure.Figure:
    """Draw the networks against the target, for one seed.

    With one input both are drawn as functions, on a rectangle as maps on one colour scale; with more inputs
    or on points in the plane, the network's value is drawn against the target's at each point.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    seed : by default, for each problem, the one with the median final risk of the first method
    times : flow times, of which the nearest saved ones are shown; none means four from start to end with
        one input, and the end otherwise
    problems, methods : names of those that are shown; none means all
    """
    return builtin.Fit(problems, methods, seed, times).draw(tree)


def breakpoints(
    tree: xr.DataTree,
    *,
    seed: int | None = None,
    problems: Sequence[str] = (),
    methods: Sequence[str] = (),
) -> matplotlib.figure.Figure:
    """Draw where neurons of the first hidden layer switch, for one seed.

    With one input, the breakpoints -b/w against flow time; with two, the lines w.x + b = 0 at the start and
    at the end. Problems with more inputs are left out.

    Parameters
    ----------
    tree : a result as `gfcompare.open_study` returns it
    seed : by default, for each problem, the one with the median final risk of the first method
    problems, methods : names of those that are shown; none means all

    Raises
    ------
    NothingToDraw
        if every problem has more than two inputs
    """
    return builtin.Breakpoints(problems, methods, seed).draw(tree)
