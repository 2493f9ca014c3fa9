"""Both gradient flows from a given state, re-integrated and with what they dissipate on the way.

This is the second opinion on a stored trajectory. It takes nothing from the method that made it: the flow is
written down here from the generalised gradient, and integrated with SUNDIALS CVODE; on finitely many points
with `solvers.explicit` and the kinks located by `solvers.filippov`. Two integrals go along as further
components,

    the dissipation  int |Theta'|^2 dt,  which is the risk that the flow loses, and  int L dt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gfcompare.integrators.base import FlowName
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.dead_neurons import EndCrossings
from gfcompare.integrators.flow import FlowIntegrator, Solver
from gfcompare.integrators.solvers.base import output_sizes
from gfcompare.integrators.solvers.conserved import Conserved, WithIntegrals
from gfcompare.integrators.solvers.cvode import CvodeRun
from gfcompare.integrators.solvers.explicit import ExplicitRun
from gfcompare.integrators.solvers.filippov import Kinks
from gfcompare.integrators.solvers.runge_kutta import Tolerance
from gfcompare.integrators.status import Status
from gfcompare.problem import Problem

Array = NDArray[np.float64]

# Steps from one state to the next after which it is given up.
_MOST_STEPS = 10_000
# Smaller relative tolerances are below what rounding allows.
_SMALLEST_RTOL = 1e-13
_ONE = np.ones(1)


@dataclass(frozen=True)
class Replay:
    """The end of a flow from a state, and the energy dissipated on the way.

    Attributes
    ----------
    theta : ndarray, shape (P,), at the end
    dissipated : int |Theta'|^2 dt, in units of risk
    risk_integral : int L dt; 0 if it was not asked for
    trouble : why the flow could not be followed, in which case nothing else means anything; empty if it could
    """

    theta: Array
    dissipated: float = np.nan
    risk_integral: float = np.nan
    trouble: str = ""


class Declared(NamedTuple):
    """The solver and the tolerances that a method declares: see `FlowIntegrator`."""

    solver: Solver
    rtol: float
    atol: float | None


@dataclass(frozen=True)
class Flow:
    """The standard or the normalised gradient flow of a problem, to be followed from any state.

    The normalised one in rows u of any norm rho, with u' = -rho P G(u / rho, ...).

    Parameters
    ----------
    problem : the problem
    normalized : the normalised flow, on M
    rtol : relative tolerance; the absolute one is a hundredth of it, relative to the size of each neuron
    with_risk : also integrate the risk
    """

    problem: Problem
    normalized: bool
    rtol: float
    with_risk: bool = False

    def follow(self, theta: Array, duration: float, allowed: tuple[float, float] = (1.0, 1.0)) -> Replay:
        """Follow the flow from theta, shape (P,), for some flow time.

        Parameters
        ----------
        theta : for the normalised flow on M
        duration : in units of parameter^2 / risk
        allowed : errors that do no harm in the two integrals; what is left of |Theta'|^2 late in a flow is
            rounding, and must not make the steps small
        """
        rtol = max(self.rtol, _SMALLEST_RTOL)
        # The solver allows an error of rtol / 100 in a component.
        units = np.clip(np.asarray(allowed), 1e-200, 1e200) * (100.0 / rtol)
        equation = _Equation(self, units)
        start = np.concatenate([theta, np.zeros(2)])
        counted = CountedProblem(self.problem, 1)
        name: FlowName = "normalized" if self.normalized else "standard"
        output_size = float(output_sizes(counted, theta[None])[0])
        conserved = WithIntegrals(
            Conserved.along(self.problem.network, name, np.array(theta), output_size, self.problem.frozen), 2
        )
        tolerance = Tolerance.over(self.problem.free, rtol, rtol / 100)
        if self.problem.smooth:
            run: CvodeRun | ExplicitRun = CvodeRun(
                equation.rates,
                start,
                method="BDF",
                tolerance=tolerance,
                max_steps=_MOST_STEPS,
                conserved=conserved,
                growth=self._growth if self.problem.has_compiled_flow else None,
                crosses=EndCrossings(self.problem) if self.problem.has_compiled_flow else None,
            )
        else:
            kinks = _Dissipating(equation, counted, start)
            run = ExplicitRun(start, kinks, "explicit", tolerance, _MOST_STEPS, conserved)
        y, status, message = run.to(duration)
        if status is Status.STEP_LIMIT:
            message = f"{_MOST_STEPS} steps of the solver were not enough from one save time to the next"
        if status is not Status.RUNNING:
            return Replay(theta, trouble=message)
        dissipated, risk = (y[-2:] * units).tolist()
        return Replay(equation.parameters(counted, y), dissipated, risk)

    def end_by(self, declared: Declared, theta: Array, duration: float, max_steps: int) -> tuple[Array, int]:
        """Return where the flow ends by a solver that users choose, shape (P,), and its steps.

        Its errors are a yardstick of those that the tolerances allow. NaN where it does not get there.

        Parameters
        ----------
        declared : the solver and its tolerances, in place of those of this flow
        theta : shape (P,); for the normalised flow on M
        duration : in units of parameter^2 / risk
        max_steps : steps after which it is given up
        """
        kind = _Normalized if self.normalized else _Standard
        flow = kind(declared.rtol, declared.atol, declared.solver, max_steps)
        counted, rows = CountedProblem(self.problem, 1), theta[None]
        state = flow.advance(counted, flow.start(counted, rows, ()), duration)
        came = state.status[0] in (Status.RUNNING, Status.STATIONARY)
        return (state.theta[0] if came else np.full_like(theta, np.nan)), int(state.steps[0])

    def _growth(self, y: Array, bound: float) -> float:
        """Return how fast deviations grow at y, 0 if more slowly than the bound."""
        return self.problem.growth_rate(y[:-2], bound, normalize=self.normalized)[0]

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """For each parameter the hidden row it belongs to, counted through the layers; -1 for none."""
        network = self.problem.network
        count = sum(network.hidden)
        weights, first = [], 0
        for width, inputs in zip(network.hidden, network.widths[:-2], strict=True):
            rows = np.arange(first, first + width)
            weights.append((np.repeat(rows[:, None], inputs, axis=1), rows))
            first += width
        inputs = network.widths[-2]
        last = (np.full((network.outputs, inputs), -1), np.full(network.outputs, -1))
        owners = network.join([*weights, last]).astype(np.int64)
        assert owners.max() == count - 1
        return owners


@dataclass(frozen=True)
class _Standard(FlowIntegrator):
    """Theta' = -G, for any solver."""

    compiled_as = "standard"

    def velocity(self, problem: CountedProblem, y: Array) -> Array:
        return -problem.gradient(y)


@dataclass(frozen=True)
class _Normalized(FlowIntegrator):
    """Theta' = -P G on M, in rows u of any norm rho, for any solver."""

    compiled_as = "normalized"

    def velocity(self, problem: CountedProblem, y: Array) -> Array:
        theta, rho = problem.network.polar(y)
        return -problem.network.project(theta, problem.gradient(theta), rho)

    def parameters(self, problem: CountedProblem, y: Array) -> Array:
        return problem.network.retract(y)


class _Equation:
    """y' for y = (solver's parameters, dissipation, integral of the risk), the last two in given units."""

    def __init__(self, flow: Flow, units: Array) -> None:
        self._flow = flow
        self._units = units
        self._network = flow.problem.network

    def rates(self, y: Array) -> Array:
        """Return y', of a smooth risk."""
        return self._all_rates(*self._motion(self._flow.problem, y))

    def velocity(self, problem: CountedProblem, y: Array) -> Array:
        """Return y' with zeros for the integrals."""
        _, speed, factors = self._motion(problem, y)
        return np.append(speed * factors, (0.0, 0.0))

    def completed(self, velocity: Array, y: Array) -> Array:
        """Return y' with what the integrals have along the given velocity of the parameters."""
        theta, factors = self._place(y)
        return self._all_rates(theta, velocity[:-2] / factors, factors)

    def _place(self, y: Array) -> tuple[Array, Array]:
        """Return theta, and by what the solver's parameters are larger, both of shape (P,)."""
        if not self._flow.normalized:
            return y[:-2], _ONE
        theta, norms = self._network.polar(y[:-2])
        factors = np.ones(len(norms) + 1)
        factors[:-1] = norms
        return theta, factors[self._flow.owners]

    def _motion(self, problem: Problem | CountedProblem, y: Array) -> tuple[Array, Array, Array]:
        """Return theta, Theta', and by what the solver's parameters are larger, each of shape (P,).

        A row u = rho u^ that moves orthogonally to itself has u' = rho (u^)'.
        """
        theta, factors = self._place(y)
        gradient = problem.gradient(theta)
        return theta, -self._network.project(theta, gradient) if self._flow.normalized else -gradient, factors

    def _all_rates(self, theta: Array, speed: Array, factors: Array) -> Array:
        result = np.empty(len(speed) + 2)
        result[:-2] = speed * factors
        result[-2] = speed @ speed / self._units[0]
        result[-1] = float(self._flow.problem.risk(theta)) / self._units[1] if self._flow.with_risk else 0.0
        return result

    def parameters(self, problem: CountedProblem, y: Array) -> Array:
        """Return theta."""
        return self._network.retract(y[:-2]) if self._flow.normalized else np.array(y[:-2])


class _Dissipating(Kinks):
    """Activations at points, with the integrals taken along what the flow does: it may slide on a kink."""

    def __init__(self, equation: _Equation, problem: CountedProblem, y: Array) -> None:
        super().__init__(equation, problem, y)
        self._completed: Callable[[Array, Array], Array] = equation.completed

    def velocity(self, y: Array) -> Array:
        """Return the velocity with the activations held."""
        return self._completed(super().velocity(y), y)
