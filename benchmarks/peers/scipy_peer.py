"""SciPy: solve_ivp on points with back-propagation in NumPy, and on our exact gradient and Hessian.

joblib shares out the networks of an ensemble among one process for each core.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
from joblib import Parallel, delayed
from scipy.integrate import solve_ivp

from benchmarks.peers.task import Array, Layers, Run, Task, joined, split

Velocity = Callable[[float, Array], Array]


def back_propagated(layers: Layers, x: Array, y: Array) -> Array:
    """Return the gradient of the mean over points, shape (P,), as NumPy users write it."""
    values, active = [x], []
    for weight, bias in layers[:-1]:
        z = values[-1] @ weight.T + bias
        active.append(z > 0)
        values.append(np.maximum(z, 0.0))
    delta = 2.0 / len(x) * (values[-1] @ layers[-1][0].T + layers[-1][1] - y)
    found = []
    for k in range(len(layers) - 1, -1, -1):
        found.append((delta.T @ values[k], delta.sum(axis=0)))
        if k:
            delta = (delta @ layers[k][0]) * active[k - 1]
    return joined(found[::-1])


def gradient(task: Task) -> Array:
    """Return the gradient of the mean over the points, shape (M, P)."""
    x, y = task.x, task.y
    return np.stack([back_propagated(split(task.widths, row), x, y) for row in task.theta])


def _projected(widths: tuple[int, ...], theta: Array, found: Array) -> Array:
    """Remove from the gradient of each hidden row its component along the row, of norm 1."""
    layers, gradients = split(widths, theta), split(widths, found)
    result = []
    for (weight, bias), (g_weight, g_bias) in zip(layers[:-1], gradients[:-1], strict=True):
        radial = np.sum(weight * g_weight, axis=-1) + bias * g_bias
        result.append((g_weight - radial[:, None] * weight, g_bias - radial * bias))
    return joined([*result, gradients[-1]])


def _on_points(task: Task) -> dict[str, Velocity]:
    x, y = task.x, task.y

    def velocity(t: float, theta: Array) -> Array:
        found = back_propagated(split(task.widths, theta), x, y)
        return -(_projected(task.widths, theta, found) if task.normalized else found)

    return {"fun": velocity}


def _exact(task: Task, with_hessian: bool) -> dict[str, Velocity]:
    from benchmarks.peers.ours import problem_of

    problem = problem_of(task)

    def velocity(t: float, theta: Array) -> Array:
        found = problem.gradient(theta)
        return -(_projected(task.widths, theta, found) if task.normalized else found)

    functions: dict[str, Velocity] = {"fun": velocity}
    if with_hessian:
        functions["jac"] = lambda t, theta: -problem.hessian(theta)
    return functions


_FUNCTIONS = {
    "points": _on_points,
    "gradient": partial(_exact, with_hessian=False),
    "Hessian": partial(_exact, with_hessian=True),
}


def _solve(task: Task, source: str, method: str) -> Array:
    """Return theta at the end, shape (M, P)."""
    functions = _FUNCTIONS[source](task)
    found = []
    for row in task.theta:
        solution = solve_ivp(
            t_span=(0.0, task.end),
            y0=row,
            method=method,
            rtol=task.rtol,
            atol=task.atol,
            t_eval=[task.end],
            **functions,
        )
        if not solution.success:
            raise RuntimeError(solution.message)
        found.append(solution.y[:, -1])
    return np.stack(found)


def _flow(task: Task, source: str, method: str) -> Run:
    _solve(dataclasses.replace(task.first(1), end=1e-3), source, method)
    if len(task.theta) == 1:
        return lambda: _solve(task, source, method)
    rows = [dataclasses.replace(task, theta=row[None]) for row in task.theta]
    parallel = Parallel(n_jobs=-1)
    parallel(delayed(_solve)(dataclasses.replace(row, end=1e-3), source, method) for row in rows)
    return lambda: np.concatenate(parallel(delayed(_solve)(row, source, method) for row in rows))


def explicit_on_points(task: Task) -> Run:
    """Prepare the flow on points by RK45, the default."""
    return _flow(task, "points", "RK45")


def implicit_on_points(task: Task) -> Run:
    """Prepare the flow on points by LSODA, for stiff problems."""
    return _flow(task, "points", "LSODA")


def on_our_gradient(task: Task) -> Run:
    """Prepare the exact flow by LSODA."""
    return _flow(task, "gradient", "LSODA")


def on_our_hessian(task: Task) -> Run:
    """Prepare the exact flow by LSODA with the exact Hessian as Jacobian."""
    return _flow(task, "Hessian", "LSODA")
