"""A step of gradient descent in the plane: exactly, by preintegration, and by JAX at 1024 points.

python -m benchmarks.plane prints a table: microseconds a step of a 2-H-1 network, one core, warm, the cubic
target; processor time, the least of several repeats that take turns, so that other load hits all alike. Then
the time of the two flows of a 2-16-1 network to t = 1e4, their errors, and how far a change of the start by
1e-6 has spread by then: the least error that such a tolerance can promise.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import util

import numpy as np

import gfcompare as gfc
from gfcompare.system import threads

POINTS = 1024
ROUNDS = 25


def target() -> gfc.Target:
    """Return a cubic polynomial with all its terms."""
    powers = [(a, b) for a in range(4) for b in range(4 - a)]
    return gfc.targets.MultivariatePolynomial(powers, np.random.default_rng(0).normal(size=10).tolist())


def problem(hidden: int, rule: gfc.Quadrature | None = None) -> gfc.Problem:
    """Return the 2-H-1 problem on the square."""
    square = gfc.measures.Box(-1.0, 1.0, dimension=2)
    return gfc.Problem(gfc.ReLUNetwork((2, hidden, 1)), target(), square, rule)


def descent(case: gfc.Problem, theta: np.ndarray, steps: int) -> Callable[[], None]:
    """Return what makes so many steps."""
    sizes = np.full(steps, 1e-4)
    return lambda: void(case.descend(theta[None], sizes))


def void(value: object) -> None:
    """Drop a value."""


def by_jax(hidden: int, theta: np.ndarray, steps: int) -> Callable[[], None]:
    """Return the same at Sobol points, in JAX: one compiled loop, float64."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    measure = gfc.measures.Box(-1.0, 1.0, dimension=2).discretize(POINTS, "sobol")
    x, y = jnp.array(measure.points), jnp.array(target().at(measure.points)[:, 0])

    def risk(p: jax.Array) -> jax.Array:
        w, b = p[: 2 * hidden].reshape(hidden, 2), p[2 * hidden : 3 * hidden]
        return jnp.mean((jax.nn.relu(x @ w.T + b) @ p[3 * hidden : -1] + p[-1] - y) ** 2)

    gradient = jax.grad(risk)
    run = jax.jit(lambda p: jax.lax.fori_loop(0, steps, lambda _, q: q - 1e-4 * gradient(q), p))
    start = jnp.array(theta)
    return lambda: void(run(start).block_until_ready())


def least(calls: dict[str, tuple[Callable[[], None], int]]) -> dict[str, float]:
    """Return the least seconds a step of each, over rounds in which they take turns."""
    best = dict.fromkeys(calls, np.inf)
    for call, _ in calls.values():
        call()
    for _ in range(ROUNDS):
        for name, (call, steps) in calls.items():
            began = time.process_time()
            call()
            best[name] = min(best[name], (time.process_time() - began) / steps)
    return best


def flow(name: str) -> str:
    """Return the time of a flow at rtol 1e-6, its largest error, and how far 1e-6 at the start spreads."""
    case, rng = problem(16), np.random.default_rng(0)
    draw = gfc.initializations.He().draw
    starts = np.stack([draw(case.network, np.random.default_rng(seed)) for seed in range(8)])
    if name == "normalized-gf":
        starts = case.network.normalize(starts)

    def ends(rtol: float, theta: np.ndarray) -> tuple[np.ndarray, float]:
        data = gfc.integrate(case, gfc.integrator(name, rtol=rtol), theta, [1e4])
        return gfc.parameters(data)[:, 0], float(data["gradient_evaluations"].values[:, -1].mean())

    right, _ = ends(1e-10, starts)

    def off(theta: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(theta - right, axis=1) / np.linalg.norm(right, axis=1))

    found, gradients = ends(1e-6, starts)
    moved = [ends(1e-10, starts * (1.0 + 1e-6 * rng.uniform(-1.0, 1.0, starts.shape)))[0] for _ in range(3)]
    best = np.inf
    for _ in range(12):
        began = time.process_time()
        ends(1e-6, starts)
        best = min(best, time.process_time() - began)
    errors, spread = np.sort(off(found)), np.sort(np.max([off(theta) for theta in moved], axis=0))
    return (
        f"{name}, 2-16-1 to t = 1e4: {1e3 * best / 8:.1f} ms a trajectory, {gradients:.0f} gradients; "
        f"errors {errors[0]:.0e} to {errors[-1]:.0e}, median {np.median(errors):.0e}; of 1e-6 at the "
        f"start there are {spread[0]:.0e} to {spread[-1]:.0e} left, median {np.median(spread):.0e}"
    )


def main() -> None:
    """Print the table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    threads.set_thread_count(1)
    print("microseconds a step      exact   preintegration (default)   ratio   JAX, 1024 points   ratio")
    for hidden in (16, 64, 256):
        network = gfc.ReLUNetwork((2, hidden, 1))
        theta = gfc.initializations.He().draw(network, np.random.default_rng(1))
        few = max(2, 200 // hidden)
        calls = {
            "exact": (descent(problem(hidden), theta, 20 * few), 20 * few),
            "rule": (descent(problem(hidden, gfc.Quadrature()), theta, few), few),
        }
        if util.find_spec("jax") is not None:
            calls["jax"] = (by_jax(hidden, theta, few), few)
        found = {name: 1e6 * seconds for name, seconds in least(calls).items()}
        exact, rule = found["exact"], found["rule"]
        row = f"H = {hidden:3d} {exact:21.2f} {rule:20.0f} {rule / exact:13.0f}"
        if "jax" in found:
            row += f" {found['jax']:18.0f} {found['jax'] / found['exact']:7.0f}"
        print(row)
    for name in ("standard-gf", "normalized-gf"):
        print(flow(name))


if __name__ == "__main__":
    main()
