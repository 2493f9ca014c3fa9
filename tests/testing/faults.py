"""Plugins with one fault each, by the check that must catch it; and the same without a fault."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

import gfcompare as gfc

#: (kind, check) and the class with the fault.
FAULTS: dict[tuple[str, str], Any] = {}


def planted(kind: str, check: str) -> Any:
    def keep(cls: type[Any]) -> type[Any]:
        FAULTS[kind, check] = cls
        return cls

    return keep


# Methods


@dataclass(frozen=True)
class Descent(gfc.StepMethod):
    """Gradient descent, with step_size."""

    name: ClassVar[str] = "descent"
    order: ClassVar[int | None] = 1
    step_size: gfc.StepSize = 0.05

    def step(self, problem, theta, solver_state, step_size):
        return theta - step_size * problem.gradient(theta), solver_state


@dataclass(frozen=True)
class Euler(gfc.Integrator):
    """Steps of 0.05 on the way to each save time."""

    name: ClassVar[str] = "euler"

    def advance(self, problem, state, time):
        while state.running.any() and (state.time[state.running] < time - 0.025).any():
            gradient = np.zeros_like(state.theta)
            rows = state.running
            gradient[rows] = problem.only(rows).gradient(state.theta[rows])
            with np.errstate(invalid="ignore", over="ignore"):
                theta = state.theta - 0.05 * gradient
            steps = state.steps + rows
            state = state.replace(theta=theta, steps=steps, time=np.where(rows, 0.05 * steps, state.time))
            far = np.array([bool(gfc.divergence(row)) for row in theta])
            state = state.terminate(far, gfc.Status.DIVERGED, "far")
        return state


@planted("integrators", "declaration")
@dataclass
class NotFrozen(Descent.__base__):  # type: ignore[name-defined, misc]
    """Not frozen, with step_size."""

    name: ClassVar[str] = "not-frozen"
    step_size: float = 0.05

    def step(self, problem, theta, solver_state, step_size):
        return theta - step_size * problem.gradient(theta), solver_state


@planted("integrators", "construction")
@dataclass(frozen=True)
class NoDevice(Descent):
    def __post_init__(self):
        raise RuntimeError("no device")


@planted("integrators", "value")
@dataclass(frozen=True)
class Unhashable(Descent):
    """Its rates are a list."""

    rates: list[float] = field(default_factory=lambda: [1.0])


@planted("integrators", "options")
@dataclass(frozen=True)
class Undocumented(Descent):
    """Says nothing of what it has."""

    damping: float = 0.0


@planted("integrators", "inputs-unchanged")
@dataclass(frozen=True)
class InPlace(Euler):
    def advance(self, problem, state, time):
        found = super().advance(problem, state, time)
        state.theta[:] = found.theta
        return found


class Uncopied:
    """A memory that is always the same object."""

    def __init__(self, velocity):
        self.velocity = velocity

    def __deepcopy__(self, memo):
        raise copy.Error("a handle of a library")


@planted("integrators", "state-is-a-value")
@dataclass(frozen=True)
class SharedMemory(Descent):
    deterministic: ClassVar[bool] = False
    order: ClassVar[int | None] = None

    def init(self, problem, theta, rngs):
        return Uncopied(np.zeros_like(theta))

    def step(self, problem, theta, solver_state, step_size):
        solver_state.velocity = 0.9 * solver_state.velocity - problem.gradient(theta)
        return theta + step_size * solver_state.velocity, solver_state


@planted("integrators", "stop-and-go")
@dataclass(frozen=True)
class HiddenStart(Descent):
    order: ClassVar[int | None] = None

    def init(self, problem, theta, rngs):
        object.__setattr__(self, "_start", theta.copy())

    def step(self, problem, theta, solver_state, step_size):
        pull = theta - getattr(self, "_start", 0.0)
        return theta - step_size * (problem.gradient(theta) + pull), None


@planted("integrators", "save-times")
@dataclass(frozen=True)
class OneStep(gfc.Integrator):
    """One step to each save time."""

    name: ClassVar[str] = "one-step"

    def advance(self, problem, state, time):
        gone = (time - state.time)[:, None]
        theta = state.theta - 0.1 * gone / (1.0 + gone) * problem.gradient(state.theta)
        return state.replace(theta=theta, time=np.full_like(state.time, time), steps=state.steps + 1)


@planted("integrators", "times-reached")
@dataclass(frozen=True)
class SevenSteps(Euler):
    def advance(self, problem, state, time):
        return super().advance(problem, state, float(state.time.max()) + 0.35 if time else 0.0)


@planted("integrators", "seeds")
@dataclass(frozen=True)
class SecretNoise(Descent):
    deterministic: ClassVar[bool] = False
    order: ClassVar[int | None] = None

    def init(self, problem, theta, rngs):
        return np.stack([rng.normal(size=theta.shape[1]) for rng in rngs])

    def step(self, problem, theta, solver_state, step_size):
        return theta - step_size * (problem.gradient(theta) + 0.1 * solver_state), solver_state


@planted("integrators", "deterministic")
@dataclass(frozen=True)
class SecretMomentum(Descent):
    order: ClassVar[int | None] = None

    def init(self, problem, theta, rngs):
        return np.zeros_like(theta)

    def step(self, problem, theta, solver_state, step_size):
        velocity = 0.9 * solver_state - problem.gradient(theta)
        return theta + step_size * velocity, velocity


@planted("integrators", "alone-as-in-a-batch")
@dataclass(frozen=True)
class NormOfBatch(Descent):
    order: ClassVar[int | None] = None

    def step(self, problem, theta, solver_state, step_size):
        gradient = problem.gradient(theta)
        return theta - step_size * gradient / (1.0 + np.linalg.norm(gradient)), None


@planted("integrators", "first-step")
@dataclass(frozen=True)
class HalfStep(Descent):
    def step(self, problem, theta, solver_state, step_size):
        return theta - 0.5 * step_size * problem.gradient(theta), None


@planted("integrators", "order")
@dataclass(frozen=True)
class BoldClaim(Descent):
    order: ClassVar[int | None] = 2


@planted("integrators", "manifold")
@dataclass(frozen=True)
class OffManifold(Descent):
    on_manifold = True

    def step(self, problem, theta, solver_state, step_size):
        network = problem.network
        slope = network.project(network.retract(theta), problem.gradient(network.retract(theta)))
        return theta - step_size * slope, None


@planted("integrators", "follows")
@dataclass(frozen=True)
class OtherFlow(gfc.FlowIntegrator):
    """The flow at half the speed, with rtol, atol, method and max_steps."""

    name: ClassVar[str] = "other-flow"
    follows = "standard"

    def velocity(self, problem, y):
        return -0.5 * problem.gradient(y)


@planted("integrators", "evaluation-counts")
@dataclass(frozen=True)
class OwnProblem(Descent):
    def step(self, problem, theta, solver_state, step_size):
        own = gfc.Problem(problem.network, problem.target, problem.measure)
        return theta - step_size * own.gradient(theta), None


@planted("integrators", "not-finite")
@dataclass(frozen=True)
class NaNToZero(Descent):
    def step(self, problem, theta, solver_state, step_size):
        return theta - step_size * np.nan_to_num(problem.gradient(theta)), None


@planted("integrators", "errors")
@dataclass(frozen=True)
class Swallows(Descent):
    def step(self, problem, theta, solver_state, step_size):
        try:
            return theta - step_size * problem.gradient(theta), None
        except ArithmeticError:
            return theta, None


@planted("integrators", "time-limit")
@dataclass(frozen=True)
class EndsItself(Euler):
    def advance(self, problem, state, time):
        done = super().advance(problem, state, 4.0)
        return done.terminate(done.running, gfc.Status.REACHED_END, "there")


@planted("integrators", "several-outputs")
@dataclass(frozen=True)
class OneOutput(Descent):
    def step(self, problem, theta, solver_state, step_size):
        theta[:, :-1].reshape(len(theta), 3, -1)  # w, b and v of H neurons
        return theta - step_size * problem.gradient(theta), None


@planted("integrators", "deep")
@dataclass(frozen=True)
class OneLayer(Descent):
    def step(self, problem, theta, solver_state, step_size):
        (_,) = problem.network.hidden
        return theta - step_size * problem.gradient(theta), None


@planted("integrators", "plane")
@dataclass(frozen=True)
class OneInput(Descent):
    def step(self, problem, theta, solver_state, step_size):
        (_,) = problem.network.first_layer(theta).weight.swapaxes(0, 2)
        return theta - step_size * problem.gradient(theta), None


@planted("integrators", "points")
@dataclass(frozen=True)
class NeedsDensity(Descent):
    def step(self, problem, theta, solver_state, step_size):
        _ = problem.measure.density
        return theta - step_size * problem.gradient(theta), None


@planted("integrators", "one-neuron")
@dataclass(frozen=True)
class SpreadOfNeurons(Descent):
    def step(self, problem, theta, solver_state, step_size):
        bias = problem.network.first_layer(theta).bias
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = ((bias - bias.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) / (bias.shape[1] - 1)
        return theta - step_size * problem.gradient(theta) * np.where(spread < np.inf, 1.0, np.nan)[
            :, None
        ], None


@planted("integrators", "dead-network")
@dataclass(frozen=True)
class UnitGradient(Descent):
    def step(self, problem, theta, solver_state, step_size):
        gradient = problem.gradient(theta)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.linalg.norm(gradient[:, :1], axis=1) / np.linalg.norm(gradient[:, :1], axis=1)
        return theta - step_size * gradient * share[:, None], None


# Targets


@dataclass(frozen=True)
class Parabola(gfc.targets.SpaceTarget):
    """x^2 on the line."""

    name: ClassVar[str] = "parabola"
    outputs = 1
    dimension = 1

    def at(self, x):
        return self.checked(x) ** 2

    def degree(self, coordinate):
        return 2


@planted("targets", "shapes")
@dataclass(frozen=True)
class FlatValues(Parabola):
    def at(self, x):
        return x[:, 0] ** 2


@planted("targets", "on-and-at")
@dataclass(frozen=True)
class OtherPieces(Parabola):
    def on(self, lower, upper):
        return gfc.piecewise.from_pieces([lower, upper], [[[0.0, 0.0, 1.001]]])


@planted("targets", "derivatives")
@dataclass(frozen=True)
class OtherSlope(Parabola):
    def on(self, lower, upper):
        return gfc.piecewise.from_pieces([lower, upper], [[[0.0, 0.001, 1.0]]])


@planted("targets", "degree")
@dataclass(frozen=True)
class LowDegree(Parabola):
    def degree(self, coordinate):
        return 1


@planted("targets", "along-and-at")
@dataclass(frozen=True)
class Doubled(Parabola):
    def along(self, lines):
        return super().along(lines).scaled(np.full(lines.count, 2.0))


@planted("targets", "terms")
@dataclass(frozen=True)
class OtherTerms(Parabola):
    def terms(self, box):
        return gfc.targets.MultivariatePolynomial(((2,), (1,)), (1.0, 0.01)).terms(box)


# Measures


@dataclass(frozen=True)
class Ramp(gfc.measures.LineMeasure):
    """The density 1 + x, up to a factor, on [0, 1]."""

    name: ClassVar[str] = "ramp"
    interval = (0.0, 1.0)

    def unnormalized(self):
        return gfc.piecewise.from_pieces([0.0, 1.0], [[[1.0, 1.0]]])


@planted("measures", "shapes")
@dataclass(frozen=True)
class SmallBox(Ramp):
    box = np.array([[0.0, 0.9]])


@planted("measures", "mass")
@dataclass(frozen=True)
class NotNormalized(Ramp):
    def density(self):
        return self.unnormalized()


@planted("measures", "quantiles")
@dataclass(frozen=True)
class UniformQuantiles(Ramp):
    def quantile(self, u):
        return np.asarray(u, dtype=np.float64)


@planted("measures", "samples")
@dataclass(frozen=True)
class UniformSamples(Ramp):
    def transport(self, uniforms):
        return uniforms


@planted("measures", "seeds")
@dataclass(frozen=True)
class OwnNoise(Ramp):
    def sample(self, rng, size):
        return super().sample(np.random.default_rng(), size)


@planted("measures", "density-and-nodes")
@dataclass(frozen=True)
class FlatLines(gfc.measures.Box):
    """Its density is not what it is on lines."""

    name: ClassVar[str] = "flat-lines"

    def density(self, x):
        return x[:, 0] ** 4


# Evaluators


@dataclass(frozen=True)
class Humps(gfc.Measure):
    """Normal inputs around -1 and 1, half of the mass each."""

    name: ClassVar[str] = "humps"
    dimension = 1
    box = np.array([[-9.0, 9.0]])

    def transport(self, uniforms):
        return gfc.measures.Gaussian(dimension=1).transport(2 * uniforms % 1) + np.where(
            uniforms < 0.5, -1, 1
        )


class OnHumps(gfc.Evaluator):
    """The mean of the exact risks of both."""

    name = "humps"
    measures = (Humps,)

    @classmethod
    def applies(cls, parts):
        try:
            own = cls(parts)
        except gfc.InputError as error:
            return gfc.Applicability.no(str(error))
        return gfc.Applicability.yes("normal inputs", "exact", lambda: own)

    def __init__(self, parts):
        super().__init__(parts.network, parts.draw)
        sides = [gfc.measures.Gaussian(mean=mean, dimension=1) for mean in (-1.0, 1.0)]
        self.sides = [gfc.Problem(parts.network, parts.target, side) for side in sides]

    def risks(self, thetas):
        return sum(side.risk(thetas) for side in self.sides) / 2

    def gradients(self, thetas):
        return sum(side.gradient(thetas) for side in self.sides) / 2

    def data(self):
        return [np.frombuffer(side.digest.encode(), dtype=np.uint8) for side in self.sides]

    cost = 1e5


@planted("evaluators", "declaration")
class NoTuple(OnHumps):
    measures = Humps


@planted("evaluators", "applies")
class Yes(OnHumps):
    @classmethod
    def applies(cls, parts):
        return True


@planted("evaluators", "shapes")
class OneRow(OnHumps):
    def risks(self, thetas):
        return super().risks(thetas)[:1]


@planted("evaluators", "value")
class Remembers(OnHumps):
    calls = 0

    def risks(self, thetas):
        self.calls += 1
        return super().risks(thetas) + 1e-9 * self.calls


@planted("evaluators", "risk")
class HalfRisk(OnHumps):
    def risks(self, thetas):
        return super().risks(thetas) / 2

    def gradients(self, thetas):
        return super().gradients(thetas) / 2


@planted("evaluators", "gradient")
class OtherGradient(OnHumps):
    def gradients(self, thetas):
        return super().gradients(thetas)[:, ::-1].copy()


@planted("evaluators", "zero-neurons")
class AlwaysActive(OnHumps):
    def gradients(self, thetas):
        return super().gradients(thetas + 1e-12)


@planted("evaluators", "same-function")
class WithPenalty(OnHumps):
    def risks(self, thetas):
        return super().risks(thetas) + 1e-6 * (thetas**2).sum(axis=1)


@planted("evaluators", "batch-as-single")
class MeanOfBatch(OnHumps):
    def gradients(self, thetas):
        found = super().gradients(thetas)
        return found / (1 + 1e-3 * np.linalg.norm(found - found[:1]))


@planted("evaluators", "points-drawn")
class OneSide(OnHumps):
    def __init__(self, parts):
        super().__init__(parts)
        self.sampler = gfc.ProblemParts(parts.network, parts.target, self.sides[0].measure).draw


@planted("evaluators", "data")
class NoData(OnHumps):
    def data(self):
        return ()


@planted("evaluators", "hessian")
class GaussNewton(OnHumps):
    has_hessian = True

    def hessians(self, thetas):
        gradient = self.gradients(thetas)
        return gradient[:, :, None] * gradient[:, None]


@planted("evaluators", "descent")
class StepsBack(OnHumps):
    def descend(self, thetas, step_sizes, *, normalize, bound):
        return super().descend(thetas, step_sizes[::-1] * 1.01, normalize=normalize, bound=bound)


@planted("evaluators", "flow")
class OtherCurvature(OnHumps):
    """Its flow is that of the first half of the mass."""

    def flow_data(self):
        return self.sides[0]._whole.flow_data()


# Initialisations


@dataclass(frozen=True)
class Gauss(gfc.Initialization):
    """Normal numbers times scale; on M with on_manifold."""

    name: ClassVar[str] = "gauss"

    def parameters(self, network, rng):
        return rng.normal(size=network.parameter_count)


@planted("initializations", "shapes")
@dataclass(frozen=True)
class Single(Gauss):
    def draw(self, network, rng):
        return self.parameters(network, rng).astype(np.float32)


@planted("initializations", "seeds")
@dataclass(frozen=True)
class GlobalNoise(Gauss):
    def parameters(self, network, rng):
        return np.random.normal(size=network.parameter_count)  # noqa: NPY002 (the fault)


@planted("initializations", "scale")
@dataclass(frozen=True)
class ScaledTwice(Gauss):
    def parameters(self, network, rng):
        return self.scale * super().parameters(network, rng)


@planted("initializations", "manifold")
@dataclass(frozen=True)
class Retracted(Gauss):
    def draw(self, network, rng):
        theta = self.scale * self.parameters(network, rng)
        return network.retract(theta) if self.on_manifold else theta


# Diagnostics


@dataclass(frozen=True)
class Size(gfc.Diagnostic):
    """The largest parameter."""

    name: ClassVar[str] = "size"
    long_name: ClassVar[str] = "largest parameter"
    units: ClassVar[str] = "parameter"

    def compute(self, problem, theta):
        return np.abs(theta).max(axis=-1)


@planted("diagnostics", "described")
@dataclass(frozen=True)
class NoUnits(Size):
    units: ClassVar[str] = " "


@planted("diagnostics", "shapes")
@dataclass(frozen=True)
class OverTime(Size):
    def compute(self, problem, theta):
        return np.abs(theta).max(axis=(1, 2))


@planted("diagnostics", "missing-states")
@dataclass(frozen=True)
class ZeroAtTheEnd(Size):
    def compute(self, problem, theta):
        return np.nan_to_num(super().compute(problem, theta))


@planted("diagnostics", "batch-as-single")
@dataclass(frozen=True)
class RelativeToOthers(Size):
    def compute(self, problem, theta):
        found = super().compute(problem, theta)
        return found - np.nanmean(found, axis=0)


@planted("diagnostics", "inputs-unchanged")
@dataclass(frozen=True)
class WritesAbsolute(Size):
    def compute(self, problem, theta):
        return np.abs(theta, out=theta).max(axis=-1)


# Figures


@dataclass(frozen=True)
class Ends(gfc.figures.Figure):
    """The last risk of each trajectory."""

    name: ClassVar[str] = "ends"
    title: ClassVar[str] = "Last risks"

    def draw(self, tree, ax=None):
        import matplotlib.pyplot as plt

        ax = plt.subplots()[1] if ax is None else ax
        for group in tree.children.values():
            ax.plot(group["risk"].isel(time=-1).values.ravel(), ".")
        return ax.figure


@planted("figures", "draws")
@dataclass(frozen=True)
class ReturnsAxes(Ends):
    def draw(self, tree, ax=None):
        return super().draw(tree, ax).axes[0]


@planted("figures", "axis")
@dataclass(frozen=True)
class OwnAxes(Ends):
    def draw(self, tree, ax=None):
        return super().draw(tree)


@planted("figures", "result-unchanged")
@dataclass(frozen=True)
class FillsIn(Ends):
    def draw(self, tree, ax=None):
        for group in tree.children.values():
            group["risk"].values[...] = 1.0
        return super().draw(tree, ax)


RIGHT = {
    "integrators": (Descent, Euler),
    "targets": (Parabola,),
    "measures": (Ramp,),
    "evaluators": (OnHumps,),
    "initializations": (Gauss,),
    "diagnostics": (Size,),
    "figures": (Ends,),
}
