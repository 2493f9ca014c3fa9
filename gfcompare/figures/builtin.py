"""The figures of gfcompare: what each shows. How it is drawn is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gfcompare.figures.base import Figure, NothingToDraw

if TYPE_CHECKING:
    import matplotlib.figure
    import xarray as xr

    from gfcompare.figures.data import View


@dataclass(frozen=True)
class _Selection(Figure):
    """A figure of some problems and methods of a result.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    """

    problems: Sequence[str] = ()
    methods: Sequence[str] = ()

    def _view(self, tree: xr.DataTree) -> View:
        """Return what was asked for, without the problems to which the figure does not apply."""
        from gfcompare.figures import data

        return data.applicable(data.view(tree, self.problems, self.methods), type(self))


@dataclass(frozen=True)
class _OverTime(_Selection):
    """A figure of a quantity over flow time: it applies where the quantity is stored."""

    quantity: ClassVar[str]

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem has the quantity."""
        return cls.quantity in group.variables


@dataclass(frozen=True)
class Risk(_OverTime):
    """Risk against flow time: median and quartiles over seeds, one panel for each problem."""

    name: ClassVar[str] = "risk"
    title: ClassVar[str] = "Risk against flow time"
    quantity: ClassVar[str] = "risk"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves

        return curves.draw(self._view(tree), curves.Plot("risk", floor=1e-32))


@dataclass(frozen=True)
class RiskByGradients(Risk):
    """Risk against cost: gradients evaluated, at single samples for methods that only use samples."""

    name: ClassVar[str] = "risk_by_gradients"
    title: ClassVar[str] = "Risk against gradient evaluations"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves

        return curves.draw(self._view(tree), curves.Plot("risk", clock="gradients", floor=1e-32))


@dataclass(frozen=True)
class RiskByWallTime(Risk):
    """Risk against wall time that one core has spent on a trajectory."""

    name: ClassVar[str] = "risk_by_wall_time"
    title: ClassVar[str] = "Risk against wall time"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves

        return curves.draw(self._view(tree), curves.Plot("risk", clock="wall_time", floor=1e-32))


@dataclass(frozen=True)
class TestRisk(_OverTime):
    """Training risk and test risk against flow time, for data sets of which points were held out."""

    __test__ = False  # not a test, whatever pytest makes of the name
    name: ClassVar[str] = "test_risk"
    title: ClassVar[str] = "Training risk and test risk against flow time"
    scope: ClassVar[str] = "points held out"
    quantity: ClassVar[str] = "test_risk"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves

        return curves.draw(self._view(tree), curves.TRAINING_AND_TEST)


@dataclass(frozen=True)
class GradientNorm(_OverTime):
    """Norm of the generalised gradient against flow time."""

    name: ClassVar[str] = "gradient_norm"
    title: ClassVar[str] = "Gradient norm against flow time"
    quantity: ClassVar[str] = "gradient_norm"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves

        return curves.draw(self._view(tree), curves.Plot("gradient_norm", floor=1e-17))


@dataclass(frozen=True)
class QuadratureError(_OverTime):
    """Estimated relative error of the gradient by quadrature against flow time, on boxes."""

    name: ClassVar[str] = "quadrature_error"
    title: ClassVar[str] = "Estimated error of the gradient against flow time"
    scope: ClassVar[str] = "a measure that needs quadrature"
    quantity: ClassVar[str] = "quadrature_error"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves

        return curves.draw(self._view(tree), curves.Plot("quadrature_error", floor=1e-17, headroom=1e12))


@dataclass(frozen=True)
class ParameterNorm(_OverTime):
    """Norm of the parameters against flow time: whether trajectories stay bounded."""

    name: ClassVar[str] = "parameter_norm"
    title: ClassVar[str] = "Parameter norm against flow time"
    quantity: ClassVar[str] = "parameter_norm"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves

        plot = curves.Plot("parameter_norm", floor=1e-17, linear_within=10.0)
        return curves.draw(self._view(tree), plot)


@dataclass(frozen=True)
class FinalRisk(_Selection):
    """Distribution of the final risk over seeds, every seed a dot; those that diverged are counted."""

    name: ClassVar[str] = "final_risk"
    title: ClassVar[str] = "Distribution of the final risk"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import distributions

        return distributions.draw(self._view(tree))


@dataclass(frozen=True)
class Fit(_Selection):
    """Networks against the target, for one seed: curves, maps of a rectangle, or values at points.

    With one input, target and networks are drawn as functions at some flow times; on a rectangle as maps
    on one scale; otherwise the network's value is drawn against the target's at each point.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    seed : the seed; by default, for each problem, the one with the median final risk of the first method
    times : flow times, of which the nearest saved ones are shown; none means four from start to end with one
        input, and the end otherwise
    """

    name: ClassVar[str] = "fit"
    title: ClassVar[str] = "Fitted functions at chosen times"
    seed: int | None = None
    times: Sequence[float] = ()

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import one_seed

        return one_seed.draw_fit(self._view(tree), seed=self.seed, times=self.times)


@dataclass(frozen=True)
class Breakpoints(_Selection):
    """Where neurons of the first hidden layer switch, for one seed: breakpoints, or lines in the plane.

    With one input, breakpoints against flow time; with two, the lines at the start and at the end. With more
    inputs there is nothing that could be drawn.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    seed : the seed; by default, for each problem, the one with the median final risk of the first method
    """

    name: ClassVar[str] = "breakpoints"
    title: ClassVar[str] = "Breakpoints of the first hidden layer"
    scope: ClassVar[str] = "one or two inputs"
    seed: int | None = None

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem has one or two inputs."""
        return group.sizes["input"] <= 2

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import one_seed

        return one_seed.draw_breakpoints(self._view(tree), seed=self.seed)


@dataclass(frozen=True)
class DistanceToFlow(_Selection):
    """Distance in parameters from the gradient flow that a method approximates, seed by seed."""

    name: ClassVar[str] = "distance_to_flow"
    title: ClassVar[str] = "Distance to the gradient flow against flow time"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data, pairing

        compared = pairing.with_distance(data.view(tree, self.problems))
        shown = self._view(tree).methods
        return curves.draw(data.restricted(compared, shown), curves.Plot(pairing.DISTANCE, floor=1e-17))


@dataclass(frozen=True)
class BalancednessDrift(_OverTime):
    """Drift of the balancedness, which the standard flow conserves, for methods not on M."""

    name: ClassVar[str] = "balancedness_drift"
    title: ClassVar[str] = "Balancedness drift against flow time"
    quantity: ClassVar[str] = "balancedness_drift"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data

        shown = self._view(tree)
        on_manifold = data.methods_on_manifold(shown)
        others = [method for method in shown.methods if method not in on_manifold]
        if not others:
            raise NothingToDraw("every method lives on the submanifold M")
        return curves.draw(data.restricted(shown, others), curves.Plot("balancedness_drift", floor=1e-17))


@dataclass(frozen=True)
class DistanceToManifold(_OverTime):
    """Distance from the submanifold M, for the methods that live there."""

    name: ClassVar[str] = "distance_to_manifold"
    title: ClassVar[str] = "Distance to the submanifold M against flow time"
    quantity: ClassVar[str] = "distance_to_manifold"

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the figure."""
        from gfcompare.figures import curves, data

        shown = self._view(tree)
        on_manifold = data.methods_on_manifold(shown)
        if not on_manifold:
            raise NothingToDraw("no method lives on the submanifold M")
        return curves.draw(
            data.restricted(shown, on_manifold), curves.Plot("distance_to_manifold", floor=1e-17)
        )
