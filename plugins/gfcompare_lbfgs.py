"""L-BFGS, as SciPy has it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, ClassVar

import numpy as np

import gfcompare as gfc

_UNLIMITED = 2**31 - 1


@dataclass(frozen=True)
class LBFGS(gfc.Integrator[tuple["_Run", ...]]):
    """L-BFGS (SciPy's L-BFGS-B without bounds): a quasi-Newton minimiser of the risk, no flow.

    An iteration counts as one step of flow time 1. It costs a risk and a gradient for each point that its
    line search tries, mostly one. The iterates are those of one uninterrupted call to SciPy. A trajectory is
    stationary when SciPy's test is passed; where the line search finds no lower risk, as at the level of
    rounding, it ends with step_too_small. Byrd, Lu, Nocedal, Zhu, doi:10.1137/0916069.

    Parameters
    ----------
    history : gradients that the approximate Hessian is made of
    gtol : it is stationary where no component of the gradient is larger, in units of risk / parameter
    ftol : or where an iteration lowers the risk by less than this share of it, or of 1 if the risk is below 1
    """

    name: ClassVar[str] = "l-bfgs"
    deterministic: ClassVar[bool] = False  # it remembers gradients
    history: int = 10
    gtol: float = 1e-12
    ftol: float = 0.0

    def __post_init__(self) -> None:
        gfc.require(self.history >= 1, f"history must be at least 1, got {self.history}.")
        gfc.require(self.gtol >= 0, f"gtol must not be negative, got {self.gtol}.")
        gfc.require(self.ftol >= 0, f"ftol must not be negative, got {self.ftol}.")

    def start(
        self, problem: gfc.CountedProblem, theta: gfc.Array, rngs: Sequence[np.random.Generator]
    ) -> gfc.State:
        """Return the state at flow time 0, with a run of SciPy's solver for each trajectory."""
        options = {"maxcor": self.history, "gtol": self.gtol, "ftol": self.ftol}
        runs = [
            _Run.start(partial(_iterates, problem.only(m), row.copy(), options))
            for m, row in enumerate(theta)
        ]
        return gfc.State.at(theta, solver_state=tuple(runs))

    def advance(self, problem: gfc.CountedProblem, state: gfc.State, time: float) -> gfc.State:
        """Return the state after the iteration whose number is nearest to `time`."""
        from threadpoolctl import threadpool_limits

        # SciPy calls LAPACK for tiny matrices at each iteration: threads there cost up to 50 times more.
        with threadpool_limits(limits=1, user_api="blas"):
            return self._advanced(state, time)

    def _advanced(self, state: gfc.State, time: float) -> gfc.State:
        theta, steps = state.theta.copy(), state.steps.copy()
        runs = list(state.solver_state)
        ends: list[tuple[int, gfc.Status, str]] = []
        for m in np.flatnonzero(state.running).tolist():
            while steps[m] < math.ceil(time - 0.5):
                found, runs[m] = runs[m].next()
                if not isinstance(found, np.ndarray):
                    status = gfc.Status.STATIONARY if found.success else gfc.Status.STEP_TOO_SMALL
                    if not np.isfinite(found.jac).all():
                        status = gfc.Status.DIVERGED
                    ends.append((m, status, f"SciPy after {steps[m]} iterations: {found.message}"))
                    break
                theta[m], steps[m] = found, steps[m] + 1
                if said := gfc.divergence(found):
                    ends.append((m, gfc.Status.DIVERGED, f"{said} at iteration {steps[m]}"))
                    break
        result = state.replace(
            theta=theta, steps=steps, time=steps.astype(np.float64), solver_state=tuple(runs)
        )
        for m, status, message in ends:
            result = result.terminate(np.arange(len(steps)) == m, status, message)
        return result


@dataclass
class _Live:
    """A run of SciPy's solver, and the number of iterates that it has yielded."""

    iterates: Iterator[Any]
    number: int = 0


@dataclass(frozen=True)
class _Run:
    """A run of SciPy's solver after `number` iterates: a value, although the run itself cannot be copied.

    Where the next iterate is asked for again, a new run makes the same iterates up to there.
    """

    begin: Callable[[], Iterator[Any]]
    number: int
    live: _Live

    @classmethod
    def start(cls, begin: Callable[[], Iterator[Any]]) -> _Run:
        return cls(begin, 0, _Live(begin()))

    def next(self) -> tuple[Any, _Run]:
        """Return the next iterate, or SciPy's result, and the run after it."""
        live = self.live
        if live.number != self.number:
            live = _Live(self.begin())
            for _ in range(self.number):
                next(live.iterates)
        item = next(live.iterates)
        live.number = self.number + 1
        return item, _Run(self.begin, live.number, live)


def _iterates(problem: gfc.CountedProblem, theta: gfc.Array, options: dict[str, Any]) -> Iterator[Any]:
    """Yield each iterate, then SciPy's result.

    SciPy calls back after each iteration. So that it can wait there for the next save time it has a thread
    of its own, which never runs at the same time as the caller, and ends with this generator.
    """
    from scipy.optimize import minimize

    turn: SimpleQueue[bool] = SimpleQueue()
    found: SimpleQueue[Any] = SimpleQueue()

    def fun(point: gfc.Array) -> tuple[float, gfc.Array]:
        return float(problem.risk(point)), problem.gradient(point)

    def report(intermediate_result: Any) -> None:
        found.put(intermediate_result.x.copy())
        if not turn.get():
            raise StopIteration  # SciPy's way to be stopped

    def work() -> None:
        settings: Any = options | {"maxiter": _UNLIMITED, "maxfun": _UNLIMITED}
        try:
            if turn.get():
                found.put(
                    minimize(fun, theta, jac=True, method="L-BFGS-B", callback=report, options=settings)
                )
        except BaseException as error:  # to be raised in the caller's thread, which waits for it
            found.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            turn.put(True)
            item = found.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        turn.put(False)


@gfc.hookimpl
def gfcompare_integrators() -> list[type[gfc.Integrator]]:
    """Announce the method."""
    return [LBFGS]
