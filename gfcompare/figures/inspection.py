"""The figures of one seed of a result: what each shows. How it is drawn is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from gfcompare.components.errors import InputError
from gfcompare.figures.base import Animation, Selection, check_one_of
from gfcompare.results.reading import network_of

if TYPE_CHECKING:
    import matplotlib.animation
    import matplotlib.figure
    import xarray as xr

    from gfcompare.figures.data import View
    from gfcompare.figures.single import Choice, Shows
    from gfcompare.figures.sketch import Sketch

#: Which point of a path the plane of a phase portrait goes through.
Through = Literal["end", "start"]
#: How the cylinder M is drawn.
Projection = Literal["plane", "cylinder"]


@dataclass(frozen=True, kw_only=True)
class OfOneSeed(Selection):
    """A figure of one seed.

    Parameters
    ----------
    problems, methods : names of those that are shown; none means all
    size : "column" or "text", the width of a column or of a page; by default what suits the figure
    seed : the seed; by default, for each problem, the one with the median final risk of the first method
    """

    seed: int | None = None

    def choice(self, view: View, times: Sequence[float] = (), shows: Shows | None = None) -> Choice:
        """Return the view with a seed of each problem: the one asked for, or a typical one that `shows`."""
        from gfcompare.figures import single

        return single.choose(view, self.seed, times, self.size, shows)


@dataclass(frozen=True, kw_only=True)
class OnRisk(OfOneSeed):
    """A figure of one seed that evaluates the risk again, at parameters that are not stored."""

    scope: ClassVar[str] = "a target and a measure that its result holds (they are Python functions)"

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem can be rebuilt from the result."""
        from gfcompare.results.rebuild import problem_of

        try:
            problem_of(group)
        except InputError:
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class Fit(OfOneSeed):
    """Networks against the target, for one seed: curves, maps of a rectangle, or values at points.

    With one input, target and networks are drawn as functions at some flow times; on a rectangle as maps
    on one scale; otherwise the network's value is drawn against the target's at each point.

    Parameters
    ----------
    times : flow times, of which the nearest saved ones are shown; none means some from start to end with one
        input, and the end otherwise
    """

    name: ClassVar[str] = "fit"
    title: ClassVar[str] = "Fitted functions at chosen times"
    times: Sequence[float] = ()

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import one_seed

        return one_seed.fit(self.choice(self.view(tree), self.times))


@dataclass(frozen=True, kw_only=True)
class Breakpoints(OfOneSeed):
    """Where neurons of the first hidden layer switch, for one seed: breakpoints, or lines in the plane.

    With one input, breakpoints against flow time; with two, the lines at the start and at the end. With more
    inputs there is nothing that could be drawn. By default the seed is the most typical one of those with a
    breakpoint.
    """

    name: ClassVar[str] = "breakpoints"
    title: ClassVar[str] = "Breakpoints of the first hidden layer"
    scope: ClassVar[str] = "one or two inputs"

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem has one or two inputs."""
        return group.sizes["input"] <= 2

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import one_seed, single

        return one_seed.breakpoints(
            single.choose(self.view(tree), self.seed, size=self.size, shows=single.has_breakpoint)
        )


@dataclass(frozen=True, kw_only=True)
class Snapshots(OfOneSeed):
    """One network as a strip of snapshots: the function at log-spaced times, a row for each method.

    The target is grey, ticks at the bottom are the breakpoints of all layers.

    Parameters
    ----------
    problem : its name; by default the first one with one input
    times : flow times, of which the nearest saved ones are shown; none means some from start to end
    """

    name: ClassVar[str] = "snapshots"
    title: ClassVar[str] = "Snapshots of one network along its trajectory"
    scope: ClassVar[str] = "one input"
    problem: str | None = None
    times: Sequence[float] = ()

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem has one input."""
        return group.sizes["input"] == 1

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import data, strips

        return strips.sketch(self.choice(data.one_problem(self.view(tree), self.problem), self.times))


@dataclass(frozen=True, kw_only=True)
class PhasePortrait(OnRisk):
    """Paths in the plane of two parameters, over the risk in the plane through a point of one path.

    The paths are projections: the risk is drawn where all other parameters are as at that point.

    Parameters
    ----------
    parameters : the names of two, such as ("w3", "v3"): w, b, v, c with the number of the neuron for one
        hidden layer, W2_3,1 and b2_3 for more; by default the two that move most along the trajectories
    through : "end" or "start" of the path of the first method shown
    """

    name: ClassVar[str] = "phase_portrait"
    title: ClassVar[str] = "Phase portrait of two parameters"
    parameters: Sequence[str] = ()
    through: Through = "end"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("through", self.through, Through)

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import landscape, paths

        return paths.sketch(
            self.choice(self.view(tree), shows=landscape.moves),
            lambda group, seed: landscape.phase_portrait(group, seed, self.parameters, self.through),
        )


@dataclass(frozen=True, kw_only=True)
class PrincipalPaths(OnRisk):
    """Paths in the plane of the first two principal components of all states of one seed.

    The risk is drawn in that plane, which goes through the mean of the states; the paths are projected.
    """

    name: ClassVar[str] = "principal_paths"
    title: ClassVar[str] = "Paths in the plane of two principal components"

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import landscape, paths

        return paths.sketch(self.choice(self.view(tree), shows=landscape.moves), landscape.principal_paths)


@dataclass(frozen=True, kw_only=True)
class Spectrum(OnRisk):
    """Eigenvalues of the Hessian of the risk along the trajectories of one seed.

    All of them up to 400 parameters, otherwise the extreme ones. A dashed line is at 2 / step size for a
    method with one: gradient descent is unstable where an eigenvalue is beyond it.
    """

    name: ClassVar[str] = "spectrum"
    title: ClassVar[str] = "Eigenvalues of the Hessian against flow time"

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import spectra

        return spectra.sketch(self.choice(self.view(tree)))


@dataclass(frozen=True, kw_only=True)
class Cylinder(Selection):
    """Flow lines of networks 1-1-1 on the cylinder M: all seeds, a column for each method.

    M is the set of (w, b) on the unit circle, v and c; it is drawn by the angle of (w, b) and v, that is,
    projected along c. Methods that do not live on M are mapped there by the normalisation map, which leaves
    the function as it is. A cross marks where the breakpoint enters or leaves the interval of the inputs.

    Parameters
    ----------
    projection : "plane", the angle across and v upwards, or "cylinder", in three dimensions
    """

    name: ClassVar[str] = "cylinder"
    title: ClassVar[str] = "Flow lines on the cylinder M"
    scope: ClassVar[str] = "networks with widths 1-1-1 on an interval"
    projection: Projection = "plane"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("projection", self.projection, Projection)

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the networks are 1-1-1."""
        return network_of(group).widths == (1, 1, 1)

    def sketch(self, tree: xr.DataTree) -> Sketch:
        """Return the figure before it is drawn."""
        from gfcompare.figures import flow_lines

        return flow_lines.sketch(self.view(tree), self.size, self.projection)


@dataclass(frozen=True, kw_only=True)
class FitAnimation(Animation):
    """The fit of several methods side by side, moving along the saved times. Drawn only if asked for.

    Parameters
    ----------
    problem : its name; by default the first one with one input
    methods : names of those that are shown; none means all
    seed : by default the one with the median final risk of the first method
    """

    name: ClassVar[str] = "fit_animation"
    title: ClassVar[str] = "The fit of several methods, moving"
    scope: ClassVar[str] = "one input"
    problem: str | None = None
    methods: Sequence[str] = ()
    seed: int | None = None

    @classmethod
    def applies(cls, group: xr.Dataset) -> bool:
        """Return whether the problem has one input."""
        return group.sizes["input"] == 1

    def _choice(self, tree: xr.DataTree) -> Choice:
        from gfcompare.figures import data, single

        view = data.applicable(data.view(tree, (), self.methods), type(self))
        return single.choose(data.one_problem(view, self.problem), self.seed)

    def animate(self, tree: xr.DataTree) -> matplotlib.animation.Animation:
        """Return the animation."""
        from gfcompare.figures import animation, style

        with style.context():
            return animation.animate(self._choice(tree), self.rate)

    def draw(self, tree: xr.DataTree) -> matplotlib.figure.Figure:
        """Return the last picture."""
        from gfcompare.figures import animation, style

        with style.context():
            return animation.last_picture(self._choice(tree))
