"""A step of gradient descent in the plane: exactly, by preintegration, and by JAX at 1024 points.

python -m benchmarks.plane prints a table: microseconds a step of a 2-H-1 network, one core, warm, the cubic
target; processor time, the least of several repeats that take turns, so that other load hits all alike. Then
the time of the two flows of a 2-16-1 network to t = 1e4, their errors, and by how much a small change of the
state, at one of several times, has grown by then: what a flow makes of an error, whoever integrates it.
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
# The end of the flows; a relative change of the state, and the times at which it is made.
END, CHANGE = 1e4, 1e-6
TIMES = (1e-3, 1e-2, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 1e3, 3e3)


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


def starts_of(case: gfc.Problem, name: str) -> np.ndarray:
    """Return He's initial networks, on M for the normalised flow, shape (8, P)."""
    draw = gfc.initializations.He().draw
    starts = np.stack([draw(case.network, np.random.default_rng(seed)) for seed in range(8)])
    return case.network.normalize(starts) if name == "normalized-gf" else starts


def off(theta: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return relative distances, one for each row."""
    return np.asarray(np.linalg.norm(theta - right, axis=1) / np.linalg.norm(right, axis=1))


def condition(case: gfc.Problem, name: str, starts: np.ndarray) -> np.ndarray:
    """Return by how much a change of the state has grown by the end, the largest over `TIMES`, shape (8,)."""
    rng, flow = np.random.default_rng(0), gfc.integrator(name, rtol=1e-10)
    path = gfc.parameters(gfc.integrate(case, flow, starts, [*TIMES, END]))
    largest = np.zeros(len(starts))
    for k, begin in enumerate(TIMES):
        for _ in range(2):
            moved = path[:, k] * (1.0 + CHANGE * rng.uniform(-1.0, 1.0, starts.shape))
            moved = case.network.normalize(moved) if name == "normalized-gf" else moved
            end = gfc.parameters(gfc.integrate(case, flow, moved, [END - begin]))[:, 0]
            largest = np.maximum(largest, off(end, path[:, -1]) / CHANGE)
    return largest


def flow(name: str) -> str:
    """Return the time of a flow and its errors at three tolerances, and how it spreads errors itself."""
    case = problem(16)
    starts = starts_of(case, name)
    right = gfc.parameters(gfc.integrate(case, gfc.integrator(name, rtol=1e-11), starts, [END]))[:, 0]
    lines = [f"{name}, 2-16-1 to t = {END:g}, 8 networks; errors one by one"]
    for rtol in (1e-6, 1e-7, 1e-8):
        method, best = gfc.integrator(name, rtol=rtol), np.inf
        for _ in range(8):
            began = time.process_time()
            data = gfc.integrate(case, method, starts, [END])
            best = min(best, time.process_time() - began)
        gradients = float(data["gradient_evaluations"].values[:, -1].mean())
        errors = " ".join(f"{error:.0e}" for error in off(gfc.parameters(data)[:, 0], right))
        lines.append(f"rtol {rtol:.0e}: {1e3 * best / 8:.1f} ms each, {gradients:.0f} gradients, {errors}")
    factors = " ".join(f"{factor:.1g}" for factor in condition(case, name, starts))
    return "\n  ".join([*lines, f"a change of {CHANGE:g} on the way has grown at most by {factors}"])


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
