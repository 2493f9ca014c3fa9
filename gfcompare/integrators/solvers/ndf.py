"""The standard and the normalised flow under a measure with a density, in compiled code (`kernels.ndf`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gfcompare.integrators.base import State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.passage import Passage
from gfcompare.integrators.solvers.base import Field, output_sizes
from gfcompare.integrators.solvers.ndf_stages import Stages, known_steps
from gfcompare.integrators.solvers.near_equilibrium import LARGEST_DENSE
from gfcompare.integrators.solvers.plateaus import plateau_count, slid
from gfcompare.integrators.solvers.saddles import remark, remark_at_rest
from gfcompare.integrators.solvers.settled import Settled
from gfcompare.integrators.status import DIVERGENCE_NORM, Array, Status, escape
from gfcompare.kernels import balancedness, tolerances
from gfcompare.kernels.breakpoint_growth import ORDER, ROWS, UNDECIDED
from gfcompare.kernels.flow import FlowSaves, FlowSettings, FlowTables
from gfcompare.kernels.ndf import CLOCKS, COUNTS, TABLE_ROWS
from gfcompare.kernels.plateau_sliding import ROWS as PLATEAU_ROWS
from gfcompare.kernels.plateau_sliding import SINCE

# Rejected steps after which, and the step size beyond which, in units of the flow's shortest time, direct
# linear algebra serves better than GMRES: differences of gradients have eight digits, and times that their
# errors are no longer small. They push the state along valleys of minima.
_MAX_REJECTED, _MAX_STEP_SIZE = 250, 1e7
# And that step size times rtol: what is left of stiff motion grows with the tolerance. It pushes breakpoints
# over ends of the interval before which the flow turns back: with limits of 1e6 and 1e5 at rtol 1e-4 the end
# of problem 250, seed 5, of `benchmarks.truth` on M is off by 800 and by 1 rtol.
_MAX_STIFF_MOTION = 10.0

_REASONS = {
    Status.STEP_LIMIT: "{steps} steps made by flow time {reached:.6g} of {time:.6g}; raise max_steps",
    Status.STEP_TOO_SMALL: "the steps no longer change flow time {reached:.6g}",
    Status.DIVERGED: "{escaped} at flow time {reached:.6g}",
    Status.FAILED: "the velocity is not finite at flow time {reached:.6g}",
    Status.STATIONARY: "the gradient vanishes to rounding at flow time {reached:.6g}",
    Status.PRECISION_LIMIT: (
        "after flow time {reached:.6g} the gradient is below its rounding error, but the risk may still fall"
    ),
}


@dataclass(frozen=True)
class CompiledFlow:
    """A value: where M trajectories of a compiled flow are. `advance` returns the next one.

    Attributes
    ----------
    tables : backward differences, clocks and counters
    settings : tolerances and limits
    settled : trajectories whose motion is so small that the linearised flow is the solution, by number
    """

    tables: FlowTables
    settings: FlowSettings
    settled: Mapping[int, Settled]

    @classmethod
    def start(
        cls,
        problem: CountedProblem,
        y: Array,
        velocity: Array,
        *,
        rtol: float,
        atol: float | None,
        max_steps: int,
        normalized: bool,
    ) -> CompiledFlow:
        """Return the start: order 1, a first step of half the tolerance.

        Parameters
        ----------
        problem : the problem
        y, velocity : shape (M, P)
        rtol, atol : tolerances of a step; None is a hundredth of rtol, relative to the size of each neuron
        max_steps : steps after which a trajectory ends
        normalized : the normalised flow, its rows having norm 1
        """
        network = problem.network
        relative = output_sizes(problem, y) if atol is None else np.full(len(y), -1.0)
        absolute = rtol / 100 if atol is None else atol
        sizes, balances = np.empty_like(y), np.empty((len(y), sum(network.hidden)))
        tolerances.sizes(network.shape, np.array(y), relative, normalized, sizes)
        balancedness.balances(network.shape, np.array(y), balances)
        speed = np.sqrt(np.mean((velocity / (absolute * sizes + rtol * np.abs(y))) ** 2, axis=1))
        first = 0.5 / np.maximum(speed, 1e-200)
        differences = np.zeros((len(y), TABLE_ROWS, y.shape[1]))
        differences[:, 0], differences[:, 1] = y, velocity * first[:, None]
        counts = np.zeros((len(y), COUNTS), dtype=np.int64)
        counts[:, 0] = 1
        clocks = np.full((len(y), CLOCKS), np.inf)
        clocks[:, 0], clocks[:, 1], clocks[:, 3], clocks[:, 5] = 0.0, first, 64.0 * first, 0.0
        settings = FlowSettings(
            rtol=float(rtol),
            atol=float(absolute),
            most_steps=int(max_steps),
            max_rejected=_MAX_REJECTED,
            max_step_size=min(_MAX_STEP_SIZE, _MAX_STIFF_MOTION / rtol),
            normalize=normalized,
            dense=problem.has_dense_flow and network.parameter_count <= LARGEST_DENSE,
            bound=DIVERGENCE_NORM,
        )
        neurons = np.zeros((len(y), ROWS, network.hidden[0]))
        neurons[:, ORDER] = np.arange(network.hidden[0])
        plateaus = np.zeros((len(y), PLATEAU_ROWS, plateau_count(network.hidden)))
        tables = FlowTables(differences, clocks, counts, balances, neurons, plateaus, relative)
        return cls(tables, settings, {})

    def advance(self, problem: CountedProblem, state: State, time: float) -> State:
        """Return the state at flow time `time`, with the next value of this as its memory."""
        if time == 0.0:
            return state
        return self.advance_through(problem, state, np.array([time]))[0]

    def advance_through(self, problem: CountedProblem, state: State, times: Array) -> tuple[State, Passage]:
        """Return the state at the last of some flow times after 0, shape (B,), and what it was at each."""
        passage = Passage.empty(len(state.theta), times, state.theta.shape[1])
        going = Stages(problem, self.settings, times, passage, self.tables, self.settled)
        going.run(state.running)
        tables, reached = going.tables, passage.reached
        theta, ended_at = state.theta.copy(), state.time.copy()
        there = state.running & (reached > 0)
        theta[there] = passage.theta[there, reached[there] - 1]
        ended_at[state.running] = times[-1]
        for m in going.statuses:
            ended_at[m] = tables.clocks[m, 0]
        for m, last in going.lasts.items():
            theta[m] = last
        result = state.replace(
            theta=theta,
            time=ended_at,
            # Of a trajectory that has ended the tables may tell more: of what came after its end.
            steps=np.where(state.running, tables.counts[:, 2], state.steps),
            rejected_steps=np.where(state.running, tables.counts[:, 4], state.rejected_steps),
            smallest_step=np.where(state.running, known_steps(tables.clocks[:, 2]), state.smallest_step),
            solver_state=replace(self, tables=tables, settled=going.settled),
            messages=self._messages(state, tables, problem.network.hidden),
        )
        passage = passage.closed(result, problem)
        for m, end in going.statuses.items():
            time = times[reached[m]]
            status = end
            if status is Status.STEP_TOO_SMALL and not np.isfinite(tables.differences[m]).all():
                status = Status.FAILED
            escaped = escape(tables.differences[m, 0], "y")
            message = _REASONS[status].format(
                steps=result.steps[m], reached=ended_at[m], time=time, escaped=escaped
            )
            near = going.settled.get(m)
            growth = near.near.growth if near is not None and status is Status.STATIONARY else 0.0
            # Deviations that have hardly grown by then make no difference.
            at_rest = remark_at_rest(growth) if growth * (time - ended_at[m]) > 1.0 else ""
            message = "; ".join(filter(None, (message, result.messages[m], at_rest)))
            result = result.terminate(np.arange(len(theta)) == m, status, message)
        return result, passage

    def _messages(self, state: State, tables: FlowTables, hidden: Sequence[int]) -> tuple[str, ...]:
        """Return the messages of the state, and for each trajectory that runs what there is to say of it."""
        since, slides = tables.dormant[:, UNDECIDED], tables.plateaus[:, SINCE]
        if not since.any() and not slides.any():
            return state.messages
        first = np.where(since > 0.0, since, np.inf).min(axis=1).tolist()
        saddles = (remark(t, self.settings.rtol) if t < np.inf else "" for t in first)
        surfaces = (slid(hidden, times) for times in slides)
        every = zip(state.messages, saddles, surfaces, state.running, strict=True)
        return tuple(
            "; ".join(filter(None, (saddle, surface))) if running else old
            for old, saddle, surface, running in every
        )


def load_kernels(problem: CountedProblem, *, dense: bool) -> None:
    """Compile, or load from the cache, what a flow of one trajectory is advanced with; nothing moves."""
    origin = np.zeros((1, problem.network.parameter_count))
    flow = CompiledFlow.start(problem, origin, origin, rtol=1e-6, atol=1.0, max_steps=1, normalized=False)
    problem.advance_flow(
        flow.tables, np.zeros(1), FlowSaves.empty(1, 1, origin.shape[1]), flow.settings, dense=dense
    )


def start(field: Field, problem: CountedProblem, theta: Array) -> State:
    """Return the state at flow time 0 in theta, shape (M, P), of one of the two gradient flows.

    Parameters
    ----------
    field : the flow; its `compiled_as` says which
    problem : under a measure with a density
    theta : initial parameters, shape (M, P)
    """
    normalized = field.compiled_as == "normalized"
    # A state is a value: it must not change with what the caller has given.
    y = np.array(theta, dtype=np.float64)
    flow = CompiledFlow.start(
        problem,
        y,
        _velocities(problem, y, normalized),
        rtol=field.rtol,
        atol=field.atol,
        max_steps=field.max_steps,
        normalized=normalized,
    )
    state = State.at(problem.network.retract(y) if normalized else y, flow)
    return state.replace(rejected_steps=flow.tables.counts[:, 4].copy())


def _velocities(problem: CountedProblem, y: Array, normalized: bool) -> Array:
    """Return y', shape (M, P), at y, shape (M, P), for all trajectories at once: see `compiled_as`."""
    if not normalized:
        return -problem.gradient(y)
    theta, rho = problem.network.polar(y)
    return -problem.network.project(theta, problem.gradient(theta), rho)
