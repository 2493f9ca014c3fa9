"""A step of gradient descent in the plane and under normal inputs: exactly, and by JAX and PyTorch at points.

python -m benchmarks.several_inputs prints the table of docs/performance.md. One network, one core for
everybody, processor time; the least of rounds in which all take turns. The error is the median relative one
of the gradient at the points, which are Sobol points of the measure, over several networks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import util

import numpy as np

import gfcompare as gfc
from benchmarks import evaluation, gaussian
from benchmarks import plane as square
from benchmarks.measure import text
from gfcompare.system import threads

POINTS = (1024, 10_000)
ROUNDS, SECONDS, STEP = 8, 0.05, 1e-4
Steps = Callable[[int], object]


def cases() -> dict[str, gfc.Problem]:
    """Return the problems by name."""
    found = {f"2-{hidden}-1, cubic": square.problem(hidden) for hidden in (16, 64, 256)}
    for inputs, hidden, teacher in ((16, 16, 8), (64, 64, 32)):
        name = f"{inputs}-{hidden}-1, normal inputs, teacher of {teacher}"
        found[name] = gaussian.problem(inputs, hidden, teacher)[0]
    return found


def points_of(problem: gfc.Problem, count: int) -> gfc.Problem:
    """Return the problem at Sobol points, the first of the next power of 2."""
    measure = problem.measure.discretize(1 << (count - 1).bit_length(), "sobol")
    points = gfc.measures.Points(measure.points[:count])
    return gfc.Problem(problem.network, problem.target, points)


def ours(problem: gfc.Problem, theta: np.ndarray) -> Steps:
    """Return what makes steps by gfcompare."""
    return lambda steps: problem.descend(theta[None], np.full(steps, STEP))


def by_jax(problem: gfc.Problem, theta: np.ndarray) -> Steps:
    """Return the same in JAX: all steps in one compiled loop, float64."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    x, y = (jnp.array(part) for part in data(problem))
    inputs, hidden = problem.network.inputs, problem.network.hidden[0]
    first = hidden * inputs

    def risk(p: jax.Array) -> jax.Array:
        active = jax.nn.relu(x @ p[:first].reshape(hidden, inputs).T + p[first : first + hidden])
        return jnp.mean((active @ p[first + hidden : -1] + p[-1] - y) ** 2)

    gradient = jax.grad(risk)
    run = jax.jit(lambda p, n: jax.lax.fori_loop(0, n, lambda _, q: q - STEP * gradient(q), p))
    start = jnp.array(theta)
    return lambda steps: run(start, steps).block_until_ready()


def by_torch(problem: gfc.Problem, theta: np.ndarray) -> Steps:
    """Return the same in PyTorch: `backward` and `optim.SGD`, float64."""
    import torch

    torch.set_num_threads(1)
    x, y = (torch.tensor(part) for part in data(problem))
    first, last = problem.network.layers(theta)
    parts = [first.weight, first.bias, last.weight, last.bias]
    parameters = [torch.tensor(np.array(part), requires_grad=True) for part in parts]
    optimizer = torch.optim.SGD(parameters, lr=STEP)

    def run(steps: int) -> list[torch.Tensor]:
        w, b, v, c = parameters
        for _ in range(steps):
            optimizer.zero_grad()
            active = torch.relu(torch.addmm(b, x, w.T))
            (((active @ v.T + c)[:, 0] - y) ** 2).mean().backward()
            optimizer.step()
        return parameters

    return run


def data(problem: gfc.Problem) -> tuple[np.ndarray, np.ndarray]:
    """Return points and values of the target there, shapes (N, d) and (N,)."""
    points = np.asarray(problem.measure.points)
    return points, np.asarray(problem.target.at(points)[:, 0])


def least(calls: dict[str, Steps]) -> dict[str, float]:
    """Return the least processor time of a step of each, in seconds."""
    best, steps = dict.fromkeys(calls, np.inf), dict.fromkeys(calls, 1)
    for name, call in calls.items():
        call(2)
        began = time.process_time()
        call(2)
        steps[name] = max(2, int(SECONDS / max((time.process_time() - began) / 2, 1e-6)))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began = time.process_time()
            call(steps[name])
            best[name] = min(best[name], (time.process_time() - began) / steps[name])
    return best


def row(name: str, problem: gfc.Problem, count: int) -> str:
    """Return a row of the table: a problem, and the peers at so many points."""
    draw = gfc.initializations.He().draw
    theta = draw(problem.network, np.random.default_rng(1))
    many = np.stack([draw(problem.network, np.random.default_rng(seed)) for seed in range(8)])
    at = points_of(problem, count)
    calls = {"gfcompare": ours(problem, theta)}
    for peer, module, build in (("JAX", "jax", by_jax), ("PyTorch", "torch", by_torch)):
        if util.find_spec(module) is not None:
            calls[peer] = build(at, theta)
    found = least(calls)
    exact = found.pop("gfcompare")
    error = evaluation.error(at.gradient(many), problem.gradient(many))
    peers = " | ".join(f"{text(value)}, {float(f'{value / exact:.2g}'):,g}×" for value in found.values())
    return f"| {name} | {count:,} | {text(exact)} | {peers} | {error:.0e} |"


def main() -> None:
    """Print the table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    threads.set_thread_count(1)
    print("| network | points of peers | gfcompare | JAX | PyTorch | error at the points |")
    print("|---|---|---|---|---|---|")
    for name, problem in cases().items():
        for count in POINTS:
            print(row(name, problem, count), flush=True)


if __name__ == "__main__":
    main()
