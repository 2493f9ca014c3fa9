"""The figures of all seeds of a result: what each shows. How it is drawn is imported when it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gfcompare.figures.base import Band, NothingToDraw, Selection, check_one_of

if TYPE_CHECKING:
    import xarray as xr

    from gfcompare.figures.data import View
    from gfcompare.figures.panel import Plot
    from gfcompare.figures.sketch import Sketch


@dataclass(frozen=True, kw_only=True)
class OverTime(Selection):
    """A quantity against a clock: its median over seeds, with a band. It applies where it is stored.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    size : "column" or "text", the width of a column or of a page; by default what suits the figure
    band : "quartiles" of the seeds, or "median" for the 95 % confidence interval of the median
    split : small multiples, a row for each problem and a column for each method
    """

    quantity: ClassVar[str]
    #: The lowest value drawn, and other arguments of `gfcompare.figures.panel.Plot`.
    floor: ClassVar[float] = 1e-32
    more: ClassVar[dict[str, Any]] = {}
    band: Band = "quartiles"
    split: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("band", self.band, Band)

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem has the quantity."""
        return cls.quantity in group.variables

    def plot(self, quantity: str = "") -> Plot:
        """Return what is drawn."""
        from gfcompare.figures.panel import Plot

        return Plot(quantity or self.quantity, floor=self.floor, band=self.band, **self.more)

    def shown(self, view: View) -> View:
        """Return the part of the view that is drawn."""
        return view

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import curves, multiples

        draw = multiples.sketch if self.split else curves.sketch
        return draw(self.shown(self.view(tree)), self.plot(), self.size)


@dataclass(frozen=True, kw_only=True)
class Risk(OverTime):
    """Risk against flow time: median and quartiles over seeds, one panel for each problem."""

    name: ClassVar[str] = "risk"
    title: ClassVar[str] = "Risk against flow time"
    quantity: ClassVar[str] = "risk"


@dataclass(frozen=True, kw_only=True)
class RiskByGradients(OverTime):
    """Risk against cost: gradients evaluated, at single samples for methods that only use samples."""

    name: ClassVar[str] = "risk_by_gradients"
    title: ClassVar[str] = "Risk against gradient evaluations"
    quantity: ClassVar[str] = "risk"
    more: ClassVar[dict[str, Any]] = {"clock": "gradients"}


@dataclass(frozen=True, kw_only=True)
class RiskByWallTime(OverTime):
    """Risk against wall time that one core has spent on a trajectory."""

    name: ClassVar[str] = "risk_by_wall_time"
    title: ClassVar[str] = "Risk against wall time"
    quantity: ClassVar[str] = "risk"
    more: ClassVar[dict[str, Any]] = {"clock": "wall_time"}


@dataclass(frozen=True, kw_only=True)
class TestRisk(OverTime):
    """Training risk and test risk against flow time, for data sets of which points were held out."""

    __test__ = False  # not a test, whatever pytest makes of the name
    name: ClassVar[str] = "test_risk"
    title: ClassVar[str] = "Training risk and test risk against flow time"
    scope: ClassVar[str] = "points held out"
    quantity: ClassVar[str] = "test_risk"
    more: ClassVar[dict[str, Any]] = {"beside": "test_risk", "names": ("training risk", "test risk")}

    def plot(self, quantity: str = "risk") -> Plot:
        """Return what is drawn: the test risk beside the training risk."""
        return super().plot(quantity)


@dataclass(frozen=True, kw_only=True)
class GradientNorm(OverTime):
    """Norm of the generalised gradient against flow time."""

    name: ClassVar[str] = "gradient_norm"
    title: ClassVar[str] = "Gradient norm against flow time"
    quantity: ClassVar[str] = "gradient_norm"
    floor: ClassVar[float] = 1e-17


@dataclass(frozen=True, kw_only=True)
class QuadratureError(OverTime):
    """Estimated bound of the relative error of the gradient by quadrature against flow time, on boxes."""

    name: ClassVar[str] = "quadrature_error"
    title: ClassVar[str] = "Estimated bound of the error of the gradient against flow time"
    scope: ClassVar[str] = "a measure that needs quadrature"
    quantity: ClassVar[str] = "quadrature_error"
    floor: ClassVar[float] = 1e-17
    more: ClassVar[dict[str, Any]] = {"headroom": 1e12}


@dataclass(frozen=True, kw_only=True)
class ParameterNorm(OverTime):
    """Norm of the parameters against flow time: whether trajectories stay bounded."""

    name: ClassVar[str] = "parameter_norm"
    title: ClassVar[str] = "Parameter norm against flow time"
    quantity: ClassVar[str] = "parameter_norm"
    floor: ClassVar[float] = 1e-17
    more: ClassVar[dict[str, Any]] = {"linear_within": 10.0}


@dataclass(frozen=True, kw_only=True)
class FinalRisk(Selection):
    """Distribution of the final risk over seeds, every seed a dot; those that diverged are counted."""

    name: ClassVar[str] = "final_risk"
    title: ClassVar[str] = "Distribution of the final risk"

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import distributions

        return distributions.sketch(self.view(tree), self.size)


@dataclass(frozen=True, kw_only=True)
class RiskByOption(Selection):
    """Final risk against an option that is varied in a grid of methods, such as the step size.

    Parameters
    ----------
    option : the option of the methods; None means the first that is varied
    """

    name: ClassVar[str] = "risk_by_option"
    title: ClassVar[str] = "Final risk against an option"
    scope: ClassVar[str] = "a grid of methods over a number"
    option: str | None = None

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether some method is there at several values of an option."""
        from gfcompare.figures import sweeps

        return bool(sweeps.swept(group))

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import sweeps

        return sweeps.sketch(self.view(tree), self.option, self.size)


@dataclass(frozen=True, kw_only=True)
class DistanceToFlow(OverTime):
    """Distance in parameters from the standard flow, for methods on M from its normalised form.

    Drawn at the save times that a method reaches exactly: one with steps is beside the others.
    """

    name: ClassVar[str] = "distance_to_flow"
    title: ClassVar[str] = "Distance to the standard gradient flow against flow time"
    scope: ClassVar[str] = "a standard gradient flow among its methods"
    quantity: ClassVar[str] = "distance_to_flow"
    floor: ClassVar[float] = 1e-17

    def shown(self, view: View) -> View:
        """Return the methods that are compared with the flow."""
        from gfcompare.figures import pairing

        return pairing.with_stored_distance(view)


@dataclass(frozen=True, kw_only=True)
class DistanceToOwnFlow(OverTime):
    """Distance in parameters from the flow that a method approximates: on M the normalised one.

    Off M it is the distance from the standard flow, as in the figure distance_to_flow; it is drawn for
    problems with a method on M that is compared.
    """

    name: ClassVar[str] = "distance_to_own_flow"
    title: ClassVar[str] = "Distance to the flow that a method approximates against flow time"
    scope: ClassVar[str] = "a method on M beside the normalised gradient flow"
    quantity: ClassVar[str] = "distance_to_own_flow"
    floor: ClassVar[float] = 1e-17

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether some method on M can be compared."""
        from gfcompare.figures import pairing

        return pairing.compared_on_manifold(group)

    def view(self, tree: xr.DataTree) -> View:
        """Return the methods that are compared with a flow, which need not be among those shown."""
        from gfcompare.figures import data, pairing

        every = data.applicable(data.view(tree, self.problems), type(self))
        return data.restricted(pairing.with_own_distance(every), super().view(tree).methods)


@dataclass(frozen=True, kw_only=True)
class BalancednessDrift(OverTime):
    """Drift of the balancedness, which the standard flow conserves, for methods not on M."""

    name: ClassVar[str] = "balancedness_drift"
    title: ClassVar[str] = "Balancedness drift against flow time"
    quantity: ClassVar[str] = "balancedness_drift"
    floor: ClassVar[float] = 1e-17

    def shown(self, view: View) -> View:
        """Return the methods that do not live on M."""
        from gfcompare.figures import data

        on_manifold = data.methods_on_manifold(view)
        others = [method for method in view.methods if method not in on_manifold]
        if not others:
            raise NothingToDraw("every method lives on the submanifold M")
        return data.restricted(view, others)


@dataclass(frozen=True, kw_only=True)
class DistanceToManifold(OverTime):
    """Distance from the submanifold M, for the methods that live there."""

    name: ClassVar[str] = "distance_to_manifold"
    title: ClassVar[str] = "Distance to the submanifold M against flow time"
    quantity: ClassVar[str] = "distance_to_manifold"
    floor: ClassVar[float] = 1e-17

    def shown(self, view: View) -> View:
        """Return the methods that live on M."""
        from gfcompare.figures import data

        on_manifold = data.methods_on_manifold(view)
        if not on_manifold:
            raise NothingToDraw("no method lives on the submanifold M")
        return data.restricted(view, on_manifold)
