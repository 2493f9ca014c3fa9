"""gfcompare itself, through its public interface: the whole call of `integrate` is timed."""

from __future__ import annotations

import numpy as np
import xarray as xr

import gfcompare as gfc
from benchmarks.peers.task import Array, Run, Task, joined


def problem_of(task: Task) -> gfc.Problem:
    """Return the problem of a task, with the measure itself instead of points unless it asks for them.

    It is evaluated as users get it, unless the task asks for a number of nodes.
    """
    network = gfc.ReLUNetwork(task.widths)
    if task.on_points:
        return gfc.Problem(network, gfc.targets.Labels(), gfc.measures.Points(task.x, None, task.y))
    factors = range(1, network.outputs + 1)
    if network.inputs == 1:
        line = gfc.targets.Polynomial([[0.3 * k, 4.0 * k, -12.0 * k, 8.0 * k] for k in factors])
        return gfc.Problem(network, line, gfc.measures.Uniform(0.0, 1.0))
    rest = [0] * (network.inputs - 2)
    terms = [[2, 1, *rest], [1, 0, *rest]]
    target = gfc.targets.MultivariatePolynomial(terms, [[1.0 * k, -1.0 * k] for k in factors])
    measure = gfc.measures.Box(0.0, 1.0, dimension=network.inputs)
    rule = None if task.nodes is None else gfc.Quadrature(nodes=task.nodes)
    return gfc.Problem(network, target, measure, rule)


def initial(network: gfc.ReLUNetwork, seed: int = 0) -> Array:
    """Return a He initialisation, shape (P,)."""
    return gfc.initializations.He().draw(network, np.random.default_rng(seed))


def ensemble(network: gfc.ReLUNetwork, count: int) -> Array:
    """Return He initialisations, shape (count, P)."""
    return np.stack([initial(network, seed) for seed in range(count)])


def gradient(task: Task) -> Array:
    """Return the gradient, shape (M, P)."""
    return problem_of(task).gradient(task.theta)


def _integrator(task: Task) -> gfc.Integrator:
    if task.kind == "sgd":
        return gfc.integrator("sgd", step_size=task.step_size, batch_size=task.batch)
    if task.kind in ("gd", "normalized-gd"):
        return gfc.integrator("gd", step_size=task.step_size, normalize=task.normalized)
    return gfc.integrator(task.kind, rtol=task.rtol)


def run(task: Task) -> Run:
    """Prepare what the task asks for."""
    problem, method = problem_of(task), _integrator(task)
    end = task.end or task.steps * task.step_size

    def whole() -> Array:
        data = gfc.integrate(problem, method, task.theta, [end])
        incomplete = [s for s in data["status"].values if not gfc.Status(s).complete]
        if incomplete:
            raise RuntimeError(f"{len(incomplete)} trajectories ended as {gfc.Status(incomplete[0]).name}")
        return ends(problem.network, data)

    gfc.integrate(problem, method, task.theta[:1], [min(end, 1e-2)])
    return whole


def ends(network: gfc.ReLUNetwork, data: xr.Dataset) -> Array:
    """Return theta at the last save time, shape (M, P), from a dataset of trajectories."""
    return joined(
        [
            (data[f"weight_{k}"].values[:, -1], data[f"bias_{k}"].values[:, -1])
            for k in range(1, network.depth + 1)
        ]
    )
