"""A gradient with three inputs: exactly, and by preintegration, with the error of both.

python -m benchmarks cube prints a table: microseconds of processor time a gradient of a 3-H-1 network, one
core, warm, the least of several repeats that take turns; and the median and largest error over He's initial
networks, relative to the largest entry. The cubic target has all its terms. The error of the rule is that
against the exact gradient; that of the exact one is how far it is from itself with the inputs in another
order, so that every sum is another one. `python -m benchmarks cube slices` measures d = 4 and 5 as well: the
cube exactly, times Gauss-Legendre nodes in the other inputs.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

import gfcompare as gfc
from gfcompare.evaluators.cube_data import cube_target
from gfcompare.evaluators.cube_slices import NodesSearch
from gfcompare.evaluators.parts import ProblemParts
from gfcompare.system import threads

ROUNDS = 15
NETWORKS = 6


def target(dimension: int = 3, order: tuple[int, ...] | None = None) -> gfc.Target:
    """Return a cubic polynomial with all its terms, its inputs in another order."""
    every = itertools.product(range(4), repeat=dimension)
    powers = [p for p in every if sum(p) <= 3]
    numbers = np.random.default_rng(0).normal(size=len(powers)).tolist()
    if order is not None:
        powers = [tuple(p[j] for j in order) for p in powers]
    return gfc.targets.MultivariatePolynomial(powers, numbers)


def problem(
    hidden: int,
    rule: gfc.Quadrature | None = None,
    dimension: int = 3,
    order: tuple[int, ...] | None = None,
) -> gfc.Problem:
    """Return the d-H-1 problem on [-1, 1]^d."""
    measure = gfc.measures.Box(-1.0, 1.0, dimension=dimension)
    network = gfc.ReLUNetwork((dimension, hidden, 1))
    return gfc.Problem(network, target(dimension, order), measure, rule)


def networks(hidden: int, dimension: int = 3, count: int = NETWORKS) -> np.ndarray:
    """Return parameters from He's initialisation, shape (count, P)."""
    network = gfc.ReLUNetwork((dimension, hidden, 1))
    draw = gfc.initializations.He().draw
    return np.stack([draw(network, np.random.default_rng(seed)) for seed in range(count)])


def errors(found: np.ndarray, expected: np.ndarray) -> str:
    """Return median and largest error over the rows."""
    each = np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)
    return f"{np.median(each):.0e} / {each.max():.0e}"


def reordered(hidden: int, thetas: np.ndarray) -> np.ndarray:
    """Return the gradients from the problem whose inputs are x_3, x_1, x_2, in the original order."""
    order = (2, 0, 1)
    rows = thetas[:, : 3 * hidden].reshape(-1, hidden, 3)[..., order].reshape(len(thetas), -1)
    moved = np.ascontiguousarray(np.concatenate([rows, thetas[:, 3 * hidden :]], axis=1))
    gradient = problem(hidden, order=order).gradient(moved)
    back = np.argsort(order)
    gradient[:, : 3 * hidden] = (
        gradient[:, : 3 * hidden].reshape(-1, hidden, 3)[..., back].reshape(len(thetas), -1)
    )
    return gradient


def least(calls: dict[str, tuple[Callable[[], object], int]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the least microseconds a gradient of each, over rounds in which they take turns."""
    best = dict.fromkeys(calls, np.inf)
    for call, _ in calls.values():
        call()
    for _ in range(rounds):
        for name, (call, gradients) in calls.items():
            began = time.thread_time()
            call()
            best[name] = min(best[name], 1e6 * (time.thread_time() - began) / gradients)
    return best


def several(case: gfc.Problem, theta: np.ndarray, count: int) -> tuple[Callable[[], object], int]:
    """Return what takes the gradient so many times, and how many."""
    rows = np.tile(theta, (count, 1))
    return lambda: case.gradient(rows), count


def cubes(case: gfc.Problem) -> NodesSearch:
    """Return what makes evaluators by cubes, with any number of Gauss-Legendre nodes in the other inputs."""
    measure = case.measure
    assert isinstance(measure, gfc.measures.Box)
    terms = cube_target(case.target, measure.box)
    assert not isinstance(terms, str)
    draw = ProblemParts(case.network, case.target, measure).draw
    return NodesSearch(case.network, draw, measure.box, terms)


def compare() -> None:
    """Print the table of d = 3."""
    print("d = 3, microseconds a gradient, error (median / largest of 6 networks)")
    for hidden in (16, 64):
        thetas, exact = networks(hidden), problem(hidden)
        rules = {"default": problem(hidden, gfc.Quadrature())}
        rules |= {f"{n} nodes": problem(hidden, gfc.Quadrature(nodes=n)) for n in (256, 4096)}
        calls = {"exact": several(exact, thetas[0], 4000 // hidden)}
        calls |= {name: several(rule, thetas[0], 2) for name, rule in rules.items()}
        times, expected = least(calls), exact.gradient(thetas)
        row = f"{times['exact']:9.1f}  {errors(reordered(hidden, thetas), expected)}"
        print(f"H = {hidden:2d}  exact      {row}")
        for name, rule in rules.items():
            row = f"{times[name]:9.1f}  {errors(rule.gradient(thetas), expected)}"
            print(f"        {name:10s} {row}  x {times[name] / times['exact']:.0f}")


def compare_slices() -> None:
    """Print the tables of d = 4 and 5."""
    for dimension, hidden, counts, fine in (
        (4, 16, (8, 18, 40, 60), 150),
        (4, 64, (8, 18, 40, 60), 150),
        (5, 16, (6, 9, 13), 24),
        (5, 32, (6, 9, 13), 24),
    ):
        thetas, case = networks(hidden, dimension, 4), problem(hidden, None, dimension)
        by_cubes = {n: cubes(case).evaluator(n) for n in counts}
        rules = {n: problem(hidden, gfc.Quadrature(nodes=n), dimension) for n in (1024, 4096, 16384)}
        calls: dict[str, tuple[Callable[[], object], int]] = {}
        for n, evaluator in by_cubes.items():
            calls[f"{n}^{dimension - 3} cubes"] = (partial(evaluator.gradients, thetas), 4)
        for n, rule in rules.items():
            calls[f"{n} nodes"] = (partial(rule.gradient, thetas), 4)
        times, expected = least(calls, 5), cubes(case).evaluator(fine).gradients(thetas)
        found = [evaluator.gradients(thetas) for evaluator in by_cubes.values()]
        found += [rule.gradient(thetas) for rule in rules.values()]
        print(f"d = {dimension}, H = {hidden}: the same, 4 networks, against {fine}^{dimension - 3} cubes")
        for name, gradients in zip(calls, found, strict=True):
            print(f"  {name:12s} {times[name]:9.0f}  {errors(gradients, expected)}")
        print(f"  chosen: {case.rule}")


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    threads.set_thread_count(1)
    compare()
    if "slices" in (arguments or []):
        compare_slices()


if __name__ == "__main__":
    main(sys.argv[1:])
