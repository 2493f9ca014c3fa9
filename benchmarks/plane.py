"""A step of gradient descent in the plane: exactly, by preintegration, and by JAX at 1024 points.

python -m benchmarks.plane prints a table: microseconds a step of a 2-H-1 network, one core, warm, the cubic
target; the least of several repeats that take turns, so that other load hits all alike. Then the time of the
two flows of a 2-16-1 network to t = 1e4.
"""

from __future__ import annotations

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
            began = time.perf_counter()
            call()
            best[name] = min(best[name], (time.perf_counter() - began) / steps)
    return best


def main() -> None:
    """Print the table."""
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
    case = problem(16)
    draw = gfc.initializations.He().draw
    starts = np.stack([draw(case.network, np.random.default_rng(seed)) for seed in range(8)])
    for name in ("standard-gf", "normalized-gf"):
        flow = gfc.integrator(name, rtol=1e-6)
        best = np.inf
        for _ in range(6):
            began = time.perf_counter()
            data = gfc.integrate(case, flow, starts, [0.0, 1e4])
            best = min(best, time.perf_counter() - began)
        gradients = data["gradient_evaluations"].values[..., -1].mean()
        text = f"{1e3 * best / 8:.1f} ms a trajectory, {gradients:.0f} gradients"
        print(f"{name}, 2-16-1 to t = 1e4: {text}")


if __name__ == "__main__":
    main()
