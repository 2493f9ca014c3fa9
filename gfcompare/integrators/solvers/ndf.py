"""The standard and the normalised flow under a measure with a density, in compiled code (`kernels.ndf`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gfcompare.integrators.base import State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.solvers.base import Field, output_sizes
from gfcompare.integrators.solvers.near_equilibrium import (
    LARGEST_DENSE,
    Linearized,
    coordinates_at,
    hessian_along,
)
from gfcompare.integrators.solvers.saddles import is_undecided, remark, remark_at_rest
from gfcompare.integrators.status import DIVERGENCE_NORM, Array, Status, escape
from gfcompare.kernels import balancedness, ndf, ndf_dense, tolerances
from gfcompare.kernels.flow import ORDER, ROWS, UNDECIDED, FlowSettings, FlowTables
from gfcompare.kernels.ndf import CLOCKS, COUNTS, TABLE_ROWS
from gfcompare.system import threads

# Rejected steps after which, and the step size beyond which, in units of the flow's shortest time, direct
# linear algebra serves better than GMRES: differences of gradients have eight digits, and times that their
# errors are no longer small. They push the state along valleys of minima.
_MAX_REJECTED, _MAX_STEP_SIZE = 250, 1e7
# And that step size times rtol: what is left of stiff motion grows with the tolerance. It pushes breakpoints
# over ends of the interval before which the flow turns back: with limits of 1e6 and 1e5 at rtol 1e-4 the end
# of problem 250, seed 5, of `benchmarks.truth` on M is off by 800 and by 1 rtol.
_MAX_STIFF_MOTION = 10.0

# Near where a dormant neuron is put back at the latest: ln of its distance from the end.
_NEAR = float(np.log(1e-5))

_EPSILON = float(np.finfo(np.float64).eps)

# The least rate of a dormant neuron that is told from rounding, relative to the flow's fastest rate.
_KNOWN = 1e3 * _EPSILON

_REASONS = {
    Status.STEP_LIMIT: "{steps} steps made by flow time {reached:.6g} of {time:.6g}; raise max_steps.",
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
    settled: Mapping[int, Linearized]

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
        return cls(FlowTables(differences, clocks, counts, balances, neurons, relative), settings, {})

    def parameters(self, problem: CountedProblem, y: Array) -> Array:
        """Return theta at the solver's variable, both of shape (M, P)."""
        return problem.network.retract(y) if self.settings.normalize else y

    def advance(self, problem: CountedProblem, state: State, time: float) -> State:
        """Return the state at flow time `time`, with the next value of this as its memory."""
        if time == 0.0:
            return state
        running = state.running
        theta, times = state.theta.copy(), state.time.copy()
        statuses: dict[int, Status] = {}
        settled = dict(self.settled)
        pending = running.copy()
        for m, near in self.settled.items():
            if running[m]:
                verdict = self._settle(problem, self.tables, near, m, time, theta)
                if verdict is None:
                    del settled[m]
                else:
                    pending[m] = False
                    if verdict is not Status.RUNNING:
                        statuses[m] = verdict
        tables = self.tables
        while pending.any():
            dense = tables.counts[:, 5] == 1
            for rows, directly in ((pending & ~dense, False), (pending & dense, True)):
                if not rows.any():
                    continue
                tables, y, ends = problem.only(rows).advance_flow(tables, time, self.settings, dense=directly)
                reached = rows & (ends == ndf.RUNNING)
                theta[reached] = self.parameters(problem, y[reached])
                pending &= ~reached
                if reached.all():
                    break
                for m in np.flatnonzero(rows & ~reached).tolist():
                    found, status = self._decide(problem, tables, m, int(ends[m]), time, theta)
                    if found is not None:
                        settled[m] = found
                    if status != Status.RUNNING:
                        statuses[m] = status
                    pending[m] = found is None and status == Status.RUNNING
        times[running] = time
        for m in statuses:
            times[m] = tables.clocks[m, 0]
        undecided = tables.dormant[:, UNDECIDED]
        result = state.replace(
            theta=theta,
            time=times,
            steps=tables.counts[:, 2].copy(),
            rejected_steps=tables.counts[:, 4].copy(),
            smallest_step=np.where(np.isfinite(tables.clocks[:, 2]), tables.clocks[:, 2], np.nan),
            solver_state=replace(self, tables=tables, settled=settled),
            messages=self._messages(state, tables) if undecided.any() else state.messages,
        )
        for m, end in statuses.items():
            status = end
            if status is Status.STEP_TOO_SMALL and not np.isfinite(tables.differences[m]).all():
                status = Status.FAILED
            escaped = escape(tables.differences[m, 0], "y")
            message = _REASONS[status].format(
                steps=result.steps[m], reached=times[m], time=time, escaped=escaped
            )
            last = settled.get(m)
            growth = last.growth if last is not None and status is Status.STATIONARY else 0.0
            # Deviations that have hardly grown by then make no difference.
            at_rest = remark_at_rest(growth) if growth * (time - times[m]) > 1.0 else ""
            message = "; ".join(filter(None, (message, result.messages[m], at_rest)))
            result = result.terminate(np.arange(len(running)) == m, status, message)
        return result

    def _decide(
        self, problem: CountedProblem, tables: FlowTables, m: int, end: int, time: float, theta: Array
    ) -> tuple[Linearized | None, Status]:
        """Decide how trajectory m goes on; tell whether it is settled, and the status it ends with."""
        if end not in (ndf.DENSE, ndf.GROWTH, ndf_dense.LOOK):
            return None, Status(end)
        at = self.parameters(problem, tables.differences[m : m + 1, 0])[0]
        if end == ndf.DENSE:
            rejected = tables.counts[m, 4] >= self.settings.max_rejected
            if rejected or self._is_late(problem.only(m), tables, m, at):
                tables.counts[m, 5], tables.counts[m, 6] = 1, tables.counts[m, 2]
            return None, Status.RUNNING
        if end == ndf.GROWTH:
            self._respect_growth(problem.only(m), tables, m, at)
            return None, Status.RUNNING
        near = Linearized(problem.only(m), at, self.settings.normalize)
        status = self._settle(problem, tables, near, m, time, theta)
        return (None, Status.RUNNING) if status is None else (near, status)

    @threads.single_thread_of_linear_algebra()
    def _is_late(self, problem: CountedProblem, tables: FlowTables, m: int, theta: Array) -> bool:
        """Return whether a step of trajectory m is as long as it seems, relative to the flow's shortest time.

        Differences tell a rate that is too large where a neuron of great weights is close to becoming active.
        """
        hessian = hessian_along(problem, theta, self.settings.normalize)
        if not np.isfinite(hessian).all():
            return True
        rates = np.linalg.eigvalsh(hessian)
        clock = tables.clocks[m]
        clock[5] = float(np.abs(rates).max())
        return bool(clock[1] * clock[5] > self.settings.max_step_size)

    def _respect_growth(self, problem: CountedProblem, tables: FlowTables, m: int, theta: Array) -> None:
        """Shorten the next step of a trajectory that seems to leave a saddle, if it does."""
        clock, counts = tables.clocks[m], tables.counts[m]
        coordinates = coordinates_at(problem, theta, self.settings.normalize)
        rate, undecided = is_undecided(
            coordinates.hessian(theta),
            coordinates.gradient(theta),
            coordinates.of_sizes(self._tolerance(problem, tables, m, theta)),
            ndf.GROWTH_STEP / clock[1],
        )
        if rate * clock[1] <= ndf.GROWTH_STEP:
            clock[3] = 4.0 * clock[1]
            return
        if undecided and tables.dormant[m, UNDECIDED, 0] == 0.0:
            tables.dormant[m, UNDECIDED, 0] = clock[0]
        clock[3] = clock[4] = ndf.GROWTH_STEP / rate
        counts[6] = counts[2]
        ndf.resize(tables.trajectory(m), clock[4] / clock[1])

    def _tolerance(self, problem: CountedProblem, tables: FlowTables, m: int, theta: Array) -> Array:
        """Return the tolerance of each parameter of trajectory m at theta, both of shape (P,)."""
        sizes = np.empty((1, len(theta)))
        tolerances.sizes(
            problem.network.shape, theta[None], tables.output_sizes[m : m + 1], self.settings.normalize, sizes
        )
        return np.asarray(self.settings.atol * sizes[0] + self.settings.rtol * np.abs(theta))

    def _messages(self, state: State, tables: FlowTables) -> tuple[str, ...]:
        """Return the messages of the state, and for each trajectory that runs what there is to say of it."""
        since = tables.dormant[:, UNDECIDED]
        first = np.where(since > 0.0, since, np.inf).min(axis=1).tolist()
        remarks = (remark(t, self.settings.rtol) if t < np.inf else "" for t in first)
        every = zip(state.messages, remarks, state.running, strict=True)
        return tuple(new if running else old for old, new, running in every)

    def _settle(
        self, problem: CountedProblem, tables: FlowTables, near: Linearized, m: int, time: float, theta: Array
    ) -> Status | None:
        """Write theta of trajectory m at `time` if all motion until then is small; otherwise return None.

        Returns
        -------
        `Status.RUNNING` if it is there, or how it ends where rounding hides what it does
        """
        duration = time - float(tables.clocks[m, 0])
        if duration < 0.0:
            return None
        row = near.after(0.0)
        tolerance = self._tolerance(problem, tables, m, row)
        risk = float(problem.only(m).risk(row))
        largest = max(float(tables.output_sizes[m]), float(np.sqrt(risk)), 0.0)
        verdict = near.verdict(duration, tolerance, max(self.settings.rtol * risk, _EPSILON * largest**2))
        if verdict == "moves":
            return None
        # All else rests, so that these rates are constant.
        logs = tables.dormant[m, :1].copy()
        rates = problem.only(m).dormant_rates(row, logs[0], normalize=self.settings.normalize)
        # At rest the residual at the end may be rounding alone, and a rate what that makes of it.
        rates = np.where(np.abs(rates) > _KNOWN * np.abs(near.spectrum).max(initial=0.0), rates, 0.0)
        dormant = logs < 0.0
        logs += np.where(dormant, rates * duration, 0.0)
        if (logs[dormant] > _NEAR).any():
            return None
        theta[m] = near.after(duration if verdict == "settled" else 0.0)
        problem.restore_dormant(theta[m : m + 1], logs)
        if self.settings.normalize:
            theta[m] = problem.network.retract(theta[m])
        else:
            balancedness.rebalance_rows(problem.network.shape, theta[m : m + 1], tables.balances[m : m + 1])
        if verdict == "settled" or (rates > 0.0).any():  # a dormant neuron that grows will end the rest
            return Status.RUNNING
        return Status.STATIONARY if verdict == "at rest" else Status.PRECISION_LIMIT


def load_kernels(problem: CountedProblem, *, dense: bool) -> None:
    """Compile, or load from the cache, what a flow of one trajectory is advanced with; nothing moves."""
    origin = np.zeros((1, problem.network.parameter_count))
    flow = CompiledFlow.start(problem, origin, origin, rtol=1e-6, atol=1.0, max_steps=1, normalized=False)
    problem.advance_flow(flow.tables, 0.0, flow.settings, dense=dense)


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
    state = State.at(flow.parameters(problem, y), flow)
    return state.replace(rejected_steps=flow.tables.counts[:, 4].copy())


def _velocities(problem: CountedProblem, y: Array, normalized: bool) -> Array:
    """Return y', shape (M, P), at y, shape (M, P), for all trajectories at once: see `compiled_as`."""
    if not normalized:
        return -problem.gradient(y)
    theta, rho = problem.network.polar(y)
    return -problem.network.project(theta, problem.gradient(theta), rho)
