"""Share of gradients on a box whose error lies below `Problem.quadrature_error`.

python -m benchmarks.quadrature_coverage prints the table of docs/study-file.md, in about ten minutes. Along
trajectories of the standard flow from random networks, the gradient is compared with one by many more nodes
that is preintegrated along another coordinate, so that the two rules have nothing in common; a second such
gradient tells where the first one is good enough. `evaluators.quadrature.SAFETY` was set beforehand,
not fitted to these or other seeds; with --others the table is measured on other seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

import gfcompare as gfc
from gfcompare.evaluators.quadrature import SAFETY

TIMES = np.array([0.0, 1.0, 10.0, 100.0])
TARGETS = ("bump", "sines", "teacher")
NODES = {2: (64, 512), 3: (64, 484), 4: (64, 256), 5: (64, 256)}
# Nodes of the reference, for an error well below that of the rules.
FINE = {2: 4096, 3: 16384, 4: 16384, 5: 16384}
SEEDS = 5
# The error is known where the two references differ by at most this share of it.
AGREEMENT = 0.25


def target_of(name: str, dimension: int, seed: int) -> gfc.Target:
    """Return a target with d inputs; a teacher differs from seed to seed."""
    if name == "bump":
        return gfc.targets.RadialBump([0.4] * dimension, width=0.5)
    if name == "sines":
        return gfc.targets.ProductOfSines([1.0, 0.7, 0.5, 0.4, 0.6][:dimension], offset=0.2)
    return gfc.targets.Teacher((dimension, 5, 1), seed=seed)


def shares(dimension: int, name: str, hidden: int, nodes: int, first: int) -> np.ndarray:
    """Return errors over estimates, shape (SEEDS, times); NaN where the error is not known."""
    network = gfc.ReLUNetwork((dimension, hidden, 1))
    target, measure = target_of(name, dimension, first), gfc.measures.Box(0.0, 1.0, dimension=dimension)

    def along(coordinate: int, count: int) -> gfc.Problem:
        return gfc.Problem(network, target, measure, gfc.Quadrature(nodes=count, coordinate=coordinate))

    problem, fine = along(1, nodes), FINE[dimension]
    references = [along(2, fine), along(1 if dimension == 2 else 3, fine)]
    flow = gfc.integrator("standard-gf", rtol=1e-5)
    found = []
    for seed in range(first, first + SEEDS):
        rng = np.random.default_rng([seed, dimension, hidden, nodes])
        theta = gfc.initializations.He(bias_scale=1.0).draw(network, rng)
        states = gfc.parameters(gfc.integrate(problem, flow, theta, TIMES))[0]
        exact, other = (reference.gradient(states) for reference in references)
        error = np.linalg.norm(problem.gradient(states) - exact, axis=1)
        known = np.linalg.norm(exact - other, axis=1) <= AGREEMENT * error
        with np.errstate(invalid="ignore", divide="ignore"):
            share = error / np.linalg.norm(exact, axis=1) / problem.quadrature_error(states)
        found.append(np.where(known, share, np.nan))
    return np.array(found)


def rows(first: int) -> Iterator[tuple[int, str, int, int, np.ndarray]]:
    """Yield every case with its shares."""
    for dimension, counts in NODES.items():
        for name in TARGETS:
            for hidden in (4, 16):
                for nodes in counts:
                    yield dimension, name, hidden, nodes, shares(dimension, name, hidden, nodes, first)


def line(label: str, ratios: np.ndarray) -> str:
    """Return a row of the table: coverage at the start and later, and quantiles of error over estimate."""

    def covered(part: np.ndarray) -> str:
        part = part[np.isfinite(part)]
        return f"{100 * np.mean(part <= 1):.1f} % of {part.size}"

    known = ratios[np.isfinite(ratios)]
    q = np.quantile(known, [0.5, 0.95, 1.0])
    return (
        f"| {label} | {covered(ratios[:, :1])} | {covered(ratios[:, 1:])} | "
        f"{q[0]:.2f} | {q[1]:.2f} | {q[2]:.3g} |"
    )


def main() -> None:
    """Print the table."""
    first = 1000 if "--others" in sys.argv else 0
    found = []
    for case in rows(first):
        found.append(case)
        known = case[4][np.isfinite(case[4])]
        print(*case[:4], known.size, np.sort(known)[-3:].round(2), file=sys.stderr, flush=True)
    print(f"SAFETY = {SAFETY:g}\n")
    print("| inputs | random networks | trained networks | median of error / estimate | 95 % | largest |")
    print("|---|---|---|---|---|---|")
    for dimension in NODES:
        print(line(f"d = {dimension}", np.concatenate([c[4] for c in found if c[0] == dimension])))
    print(line("all", np.concatenate([c[4] for c in found])))


if __name__ == "__main__":
    main()
