"""Trajectories of a compiled flow through a block of times: kernels step until they need a decision."""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType

import numpy as np

from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.passage import Passage
from gfcompare.integrators.solvers.coordinates import coordinates_at, hessian_along
from gfcompare.integrators.solvers.near_equilibrium import Linearized
from gfcompare.integrators.solvers.saddles import is_undecided
from gfcompare.integrators.solvers.settled import Settled
from gfcompare.integrators.status import Array, Integers, Mask, Status
from gfcompare.kernels import ndf, ndf_dense, tolerances
from gfcompare.kernels.breakpoint_growth import UNDECIDED
from gfcompare.kernels.flow import FlowSaves, FlowSettings, FlowTables
from gfcompare.system import threads

_EPSILON = float(np.finfo(np.float64).eps)

# The least rate of a dormant neuron that is told from rounding, relative to the flow's fastest rate.
_KNOWN = 1e3 * _EPSILON


class Stages:
    """One way through a block of times.

    Parameters
    ----------
    problem : the problem
    settings : tolerances and limits
    times : shape (B,)
    passage : filled in
    tables, settled : as of `ndf.CompiledFlow`

    Attributes
    ----------
    tables, settled : moved on
    statuses, lasts : how trajectories ended on the way, by number, and where, if that is not at a time
    """

    def __init__(
        self,
        problem: CountedProblem,
        settings: FlowSettings,
        times: Array,
        passage: Passage,
        tables: FlowTables,
        settled: Mapping[int, Settled],
    ) -> None:
        self.tables, self.settled = tables, dict(settled)
        self.statuses: dict[int, Status] = {}
        self.lasts: dict[int, Array] = {}
        self._settings, self._problem = settings, problem
        self._times, self._passage = times, passage
        empty = FlowSaves.empty(len(passage.reached), len(times), 0)
        # For the standard flow the solver's variable is theta.
        self._saves = empty._replace(y=passage.theta)

    def run(self, running: Mask) -> None:
        """Go on with those that run, until each is at the last time or has ended."""
        pending = running.copy()
        for m, near in list(self.settled.items()):
            if running[m]:
                pending[m] = self._settle(near, m)
        while pending.any():
            dense = self.tables.counts[:, 5] == 1
            for rows, directly in ((pending & ~dense, False), (pending & dense, True)):
                if not rows.any():
                    continue
                ends = self._step(rows, directly)
                reached = rows & (ends == ndf.RUNNING)
                pending &= ~reached
                for m in np.flatnonzero(rows & ~reached).tolist():
                    pending[m] = self._decide(m, int(ends[m]))

    def _step(self, rows: Mask, directly: bool) -> Integers:
        """Let a kernel go on with some trajectories; return what became of them, shape (M,)."""
        problem, saves, passage = self._problem, self._saves, self._passage
        before = np.where(rows, passage.reached, 0)
        saves.reached[:] = before
        spent = problem.gradients - self.tables.counts[:, 3]
        self.tables, ends = problem.only(rows).advance_flow(
            self.tables, self._times, saves, self._settings, dense=directly
        )
        places = np.arange(len(self._times))
        new: Mask | EllipsisType
        new = rows[:, None] & (places >= before[:, None]) & (places < saves.reached[:, None])
        if new.all():
            new = ...
        marks = saves.marks[new]
        if self._settings.normalize:
            passage.theta[new] = problem.network.retract(passage.theta[new])
        passage.steps[new], passage.rejected_steps[new] = marks[..., 0], marks[..., 2]
        passage.gradients[new] = marks[..., 1] + np.broadcast_to(spent[:, None], passage.steps.shape)[new]
        passage.risks[new] = np.broadcast_to(problem.risks[:, None], passage.steps.shape)[new]
        passage.smallest_step[new], passage.remarked[new] = known_steps(marks[..., 3]), marks[..., 4] != 0.0
        passage.reached[rows] = saves.reached[rows]
        return ends

    def _decide(self, m: int, end: int) -> bool:
        """Decide how trajectory m goes on; return whether by steps."""
        if end not in (ndf.DENSE, ndf.GROWTH, ndf_dense.LOOK):
            self.statuses[m] = Status(end)
            return False
        tables, problem = self.tables, self._problem.only(m)
        at = tables.differences[m, 0]
        if self._settings.normalize:
            at = problem.network.retract(at[None])[0]
        if end == ndf.DENSE:
            rejected = tables.counts[m, 4] >= self._settings.max_rejected
            if rejected or self._is_late(problem, m, at):
                tables.counts[m, 5], tables.counts[m, 6] = 1, tables.counts[m, 2]
            return True
        if end == ndf.GROWTH:
            self._respect_growth(problem, m, at)
            return True
        return self._settle(self._settled(problem, m, at), m)

    def _settle(self, near: Settled, m: int) -> bool:
        """Go on with trajectory m without steps where it is settled; return whether it goes on by steps."""
        passage = self._passage
        first = int(passage.reached[m])
        thetas, status, last = near.through(self._problem.only(m), self._times[first:])
        reached = first + len(thetas)
        self._passage.reached[m] = reached
        new = slice(first, reached)
        counts, smallest = self.tables.counts[m], self.tables.clocks[m, 2]
        passage.theta[m, new] = thetas
        passage.steps[m, new], passage.rejected_steps[m, new] = counts[2], counts[4]
        passage.gradients[m, new], passage.risks[m, new] = self._problem.gradients[m], self._problem.risks[m]
        passage.smallest_step[m, new] = known_steps(smallest)
        passage.remarked[m, new] = self.tables.dormant[m, UNDECIDED].any()
        goes_on = reached < len(self._times) and last is None
        if goes_on:
            self.settled.pop(m, None)
        else:
            self.settled[m] = near
        if last is not None:
            self.statuses[m], self.lasts[m] = status, last
        return goes_on

    def _settled(self, problem: CountedProblem, m: int, theta: Array) -> Settled:
        """Return trajectory m from its state at theta, shape (P,), on as if it were settled."""
        normalize, tables = self._settings.normalize, self.tables
        near = Linearized(problem, theta, normalize)
        row = near.after(0.0)
        risk = float(problem.risk(row))
        largest = max(float(tables.output_sizes[m]), float(np.sqrt(risk)), 0.0)
        logs = tables.dormant[m, :1].copy()
        rates = problem.dormant_rates(row, logs[0], normalize=normalize)
        # At rest the residual at the end may be rounding alone, and a rate what that makes of it.
        rates = np.where(np.abs(rates) > _KNOWN * np.abs(near.spectrum).max(initial=0.0), rates, 0.0)
        return Settled(
            near=near,
            since=float(tables.clocks[m, 0]),
            normalize=normalize,
            tolerance=self._tolerance(problem, m, row),
            descent=max(self._settings.rtol * risk, _EPSILON * largest**2),
            logs=logs,
            rates=rates,
            balances=tables.balances[m : m + 1].copy(),
        )

    @threads.single_thread_of_linear_algebra()
    def _is_late(self, problem: CountedProblem, m: int, theta: Array) -> bool:
        """Return whether a step of trajectory m is as long as it seems, relative to the flow's shortest time.

        Differences tell a rate that is too large where a neuron of great weights is close to becoming active.
        """
        hessian = hessian_along(problem, theta, self._settings.normalize)
        if not np.isfinite(hessian).all():
            return True
        rates = np.linalg.eigvalsh(hessian)
        clock = self.tables.clocks[m]
        clock[5] = float(np.abs(rates).max())
        return bool(clock[1] * clock[5] > self._settings.max_step_size)

    def _respect_growth(self, problem: CountedProblem, m: int, theta: Array) -> None:
        """Shorten the next step of a trajectory that seems to leave a saddle, if it does."""
        tables = self.tables
        clock, counts = tables.clocks[m], tables.counts[m]
        coordinates = coordinates_at(problem, theta, self._settings.normalize)
        rate, undecided = is_undecided(
            coordinates.hessian(theta),
            coordinates.gradient(theta),
            coordinates.of_sizes(self._tolerance(problem, m, theta)),
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

    def _tolerance(self, problem: CountedProblem, m: int, theta: Array) -> Array:
        """Return the tolerance of each parameter of trajectory m at theta, both of shape (P,)."""
        sizes = np.empty((1, len(theta)))
        tolerances.sizes(
            problem.network.shape,
            theta[None],
            self.tables.output_sizes[m : m + 1],
            self._settings.normalize,
            sizes,
        )
        return np.asarray(self._settings.atol * sizes[0] + self._settings.rtol * np.abs(theta))


def known_steps(smallest: Array) -> Array:
    """Return the smallest steps, NaN where no step has been made."""
    return np.where(np.isfinite(smallest), smallest, np.nan)
