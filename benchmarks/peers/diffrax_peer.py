"""diffrax: an explicit and an implicit Runge-Kutta method of order 5 with adaptive steps, jit and vmap."""

from __future__ import annotations

from typing import Any

import diffrax

from benchmarks.peers.jax_peer import gradient, solved, velocity
from benchmarks.peers.task import Run, Task

__all__ = ["explicit", "gradient", "implicit"]


def _flow(task: Task, solver: diffrax.AbstractSolver) -> Run:
    moves = velocity(task)

    def solve(layers: Any) -> tuple[Any, Any]:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: moves(y)),
            solver,
            t0=0.0,
            t1=task.end,
            dt0=None,
            y0=layers,
            stepsize_controller=diffrax.PIDController(rtol=task.rtol, atol=task.atol),
            saveat=diffrax.SaveAt(t1=True),
            max_steps=None,
            throw=False,
        )
        end = [(weight[0], bias[0]) for weight, bias in solution.ys]
        return end, solution.result == diffrax.RESULTS.successful

    return solved(task, solve)


def explicit(task: Task) -> Run:
    """Prepare the flow by Tsit5."""
    return _flow(task, diffrax.Tsit5())


def implicit(task: Task) -> Run:
    """Prepare the flow by Kvaerno5."""
    return _flow(task, diffrax.Kvaerno5())
