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

import numpy as np

import gfcompare as gfc
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


def least(calls: dict[str, tuple[Callable[[], object], int]]) -> dict[str, float]:
    """Return the least microseconds a gradient of each, over rounds in which they take turns."""
    best = dict.fromkeys(calls, np.inf)
    for call, _ in calls.values():
        call()
    for _ in range(ROUNDS):
        for name, (call, gradients) in calls.items():
            began = time.thread_time()
            call()
            best[name] = min(best[name], 1e6 * (time.thread_time() - began) / gradients)
    return best


def several(case: gfc.Problem, theta: np.ndarray, count: int) -> tuple[Callable[[], object], int]:
    """Return what takes the gradient so many times, and how many."""
    rows = np.tile(theta, (count, 1))
    return lambda: case.gradient(rows), count


def slice_problem(dimension: int, hidden: int, y: np.ndarray) -> gfc.Problem:
    """Return the problem on the cube in which the inputs after the third are y."""
    polynomial, terms = target(dimension), {}
    for power, number in zip(polynomial.powers, polynomial.coefficients, strict=True):
        key = tuple(power[:3])
        terms[key] = terms.get(key, 0.0) + number * float(np.prod(y ** np.array(power[3:])))
    cubic = gfc.targets.MultivariatePolynomial(list(terms), list(terms.values()))
    measure = gfc.measures.Box(-1.0, 1.0, dimension=3)
    return gfc.Problem(gfc.ReLUNetwork((3, hidden, 1)), cubic, measure)


def slices(dimension: int, hidden: int, nodes: int, thetas: np.ndarray) -> np.ndarray:
    """Return gradients by the cube exactly times Gauss-Legendre nodes in the other inputs."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    last, count = dimension * hidden, len(thetas)
    weights = thetas[:, :last].reshape(count, hidden, dimension)
    biases, rest = thetas[:, last : last + hidden], thetas[:, last + hidden :]
    rows, result = np.zeros_like(weights), np.zeros_like(thetas)
    for place in itertools.product(range(nodes), repeat=dimension - 3):
        y, weight = x[list(place)], float(np.prod(0.5 * w[list(place)]))
        first = weights[..., :3].reshape(count, -1)
        near = np.concatenate([first, biases + weights[..., 3:] @ y, rest], axis=1)
        gradient = weight * slice_problem(dimension, hidden, y).gradient(near)
        bias = gradient[:, 3 * hidden : 4 * hidden]
        rows[..., :3] += gradient[:, : 3 * hidden].reshape(count, hidden, 3)
        rows[..., 3:] += bias[..., None] * y
        result[:, last : last + hidden] += bias
        result[:, last + hidden :] += gradient[:, 4 * hidden :]
    result[:, :last] = rows.reshape(count, -1)
    return result


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
    """Print the tables of d = 4 and 5: a slice costs a gradient of the cube."""
    for dimension, counts, fine, sizes in (
        (4, (8, 16, 32, 64), 192, (512, 4096)),
        (5, (8, 16), 32, (256, 4096)),
    ):
        hidden = 16
        thetas = networks(hidden, dimension, 4)
        calls = {"cube": several(problem(hidden), networks(hidden)[0], 200)}
        rules = {n: problem(hidden, gfc.Quadrature(nodes=n), dimension) for n in sizes}
        calls |= {str(n): several(rule, thetas[0], 2) for n, rule in rules.items()}
        times, expected = least(calls), slices(dimension, hidden, fine, thetas)
        print(f"d = {dimension}, H = {hidden}: the same, 4 networks, against {fine}^{dimension - 3} slices")
        for n in counts:
            took = times["cube"] * n ** (dimension - 3)
            found = slices(dimension, hidden, n, thetas)
            print(f"  {n}^{dimension - 3} slices  {took:9.0f}  {errors(found, expected)}")
        for n, rule in rules.items():
            print(f"  {n} nodes  {times[str(n)]:9.0f}  {errors(rule.gradient(thetas), expected)}")


def main(arguments: list[str] | None = None) -> None:
    """Print the tables."""
    threads.set_thread_count(1)
    compare()
    if "slices" in (arguments or []):
        compare_slices()


if __name__ == "__main__":
    main(sys.argv[1:])
