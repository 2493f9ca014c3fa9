"""The figures of gfcompare: what each shows. How it is drawn is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gfcompare.figures.base import Figure, NothingToDraw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr


@dataclass(frozen=True)
class _Selection(Figure):
    """A figure of some problems and methods of a result.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    """

    problems: Sequence[str] = ()
    methods: Sequence[str] = ()


@dataclass(frozen=True)
class Risk(_Selection):
    """Risk against flow time: median and quartiles over seeds, one panel for each problem."""

    name: ClassVar[str] = "risk"
    title: ClassVar[str] = "Risk against flow time"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data

        return curves.draw(data.view(tree, self.problems, self.methods), curves.Plot("risk", floor=1e-32))


@dataclass(frozen=True)
class RiskByGradients(_Selection):
    """Risk against cost: gradients evaluated, at single samples for methods that only use samples."""

    name: ClassVar[str] = "risk_by_gradients"
    title: ClassVar[str] = "Risk against gradient evaluations"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data

        shown = data.view(tree, self.problems, self.methods)
        return curves.draw(shown, curves.Plot("risk", "gradients", floor=1e-32))


@dataclass(frozen=True)
class RiskByWallTime(_Selection):
    """Risk against wall time that one core has spent on a trajectory."""

    name: ClassVar[str] = "risk_by_wall_time"
    title: ClassVar[str] = "Risk against wall time"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data

        shown = data.view(tree, self.problems, self.methods)
        return curves.draw(shown, curves.Plot("risk", "wall_time", floor=1e-32))


@dataclass(frozen=True)
class GradientNorm(_Selection):
    """Norm of the generalised gradient against flow time."""

    name: ClassVar[str] = "gradient_norm"
    title: ClassVar[str] = "Gradient norm against flow time"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data

        shown = data.view(tree, self.problems, self.methods)
        return curves.draw(shown, curves.Plot("gradient_norm", floor=1e-17))


@dataclass(frozen=True)
class ParameterNorm(_Selection):
    """Norm of the parameters against flow time: whether trajectories stay bounded."""

    name: ClassVar[str] = "parameter_norm"
    title: ClassVar[str] = "Parameter norm against flow time"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data

        shown = data.view(tree, self.problems, self.methods)
        return curves.draw(shown, curves.Plot("parameter_norm", floor=1e-17, linear_within=10.0))


@dataclass(frozen=True)
class FinalRisk(_Selection):
    """Distribution of the final risk over seeds, every seed a dot; those that diverged are counted."""

    name: ClassVar[str] = "final_risk"
    title: ClassVar[str] = "Distribution of the final risk"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import data, distributions

        return distributions.draw(data.view(tree, self.problems, self.methods))


@dataclass(frozen=True)
class Fit(_Selection):
    """Fitted functions against the target at some flow times, for one seed.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    seed : the seed; by default, for each problem, the one with the median final risk of the first method
    times : flow times, of which the nearest saved ones are shown; none means four from start to end
    """

    name: ClassVar[str] = "fit"
    title: ClassVar[str] = "Fitted functions at chosen times"
    seed: int | None = None
    times: Sequence[float] = ()

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import data, functions

        shown = data.view(tree, self.problems, self.methods)
        return functions.draw_fit(shown, seed=self.seed, times=self.times)


@dataclass(frozen=True)
class Breakpoints(_Selection):
    """Breakpoints of the first hidden layer against flow time, for one seed.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    seed : the seed; by default, for each problem, the one with the median final risk of the first method
    """

    name: ClassVar[str] = "breakpoints"
    title: ClassVar[str] = "Breakpoints against flow time"
    seed: int | None = None

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import data, functions

        return functions.draw_breakpoints(data.view(tree, self.problems, self.methods), seed=self.seed)


@dataclass(frozen=True)
class DistanceToFlow(_Selection):
    """Distance in parameters from the gradient flow that a method approximates, seed by seed."""

    name: ClassVar[str] = "distance_to_flow"
    title: ClassVar[str] = "Distance to the gradient flow against flow time"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data, pairing

        compared = pairing.with_distance(data.view(tree, self.problems))
        shown = data.view(tree, self.problems, self.methods).methods
        return curves.draw(data.restricted(compared, shown), curves.Plot(pairing.DISTANCE, floor=1e-17))


@dataclass(frozen=True)
class BalancednessDrift(_Selection):
    """Drift of the balancedness, which the standard flow conserves, for methods not on M."""

    name: ClassVar[str] = "balancedness_drift"
    title: ClassVar[str] = "Balancedness drift against flow time"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data

        shown = data.view(tree, self.problems, self.methods)
        on_manifold = data.methods_on_manifold(shown)
        others = [method for method in shown.methods if method not in on_manifold]
        if not others:
            raise NothingToDraw("every method lives on the submanifold M")
        return curves.draw(data.restricted(shown, others), curves.Plot("balancedness_drift", floor=1e-17))


@dataclass(frozen=True)
class DistanceToManifold(_Selection):
    """Distance from the submanifold M, for the methods that live there."""

    name: ClassVar[str] = "distance_to_manifold"
    title: ClassVar[str] = "Distance to the submanifold M against flow time"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data

        shown = data.view(tree, self.problems, self.methods)
        on_manifold = data.methods_on_manifold(shown)
        if not on_manifold:
            raise NothingToDraw("no method lives on the submanifold M")
        return curves.draw(
            data.restricted(shown, on_manifold), curves.Plot("distance_to_manifold", floor=1e-17)
        )
