"""Accuracy against cost of a gradient: exact, by preintegration, at Sobol and at Monte Carlo points.

python -m benchmarks.evaluation draws docs/images/evaluation.png and prints what is drawn: d-16-1 networks, a
cubic target on a box for d = 1 to 4, a teacher of 8 neurons under normal inputs for d = 16. One core,
processor time; the least of repeats in which all take turns, so that other load hits all alike.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

import gfcompare as gfc
from benchmarks import cube, gaussian
from gfcompare.evaluators.cube_slices import CubeSlices
from gfcompare.figures import theme
from gfcompare.system import threads

HIDDEN, NETWORKS, ROUNDS = 16, 8, 8
# Rows of parameters in a call, so that calling costs nothing.
ROWS = 64
POINTS = tuple(4**k for k in range(3, 9))
#: Nodes of preintegration.
NODES = {
    2: (16, 32, 64, 128, 256, 512, 1024),
    3: (4**3, 4**4, 4**5, 4**6),
    4: (2**7, 2**9, 2**11, 2**13),
}
#: Gauss-Legendre nodes beside cubes, with four inputs; the last of them are what errors are measured against.
CUBES = (8, 12, 18, 27, 40, 60, 150)
KINDS = ("exact", "cubes and Gauss points", "preintegration", "Sobol points", "Monte Carlo points")
COLOURS = dict(zip(KINDS, ("#0072B2", "#56B4E9", "#009E73", "#D55E00", "#666666"), strict=True))
MARKERS = dict(zip(KINDS, "*Dos^", strict=True))


@dataclass(frozen=True)
class Measured:
    """One way of evaluating a problem.

    Attributes
    ----------
    kind : one of `KINDS`
    size : nodes or points, 0 if it is exact
    seconds : processor time of a gradient of one network
    error : median relative error of the gradient over the networks
    """

    kind: str
    size: int
    seconds: float
    error: float


@dataclass(frozen=True)
class ByCubes:
    """An evaluator by cubes and Gauss-Legendre points, with so many as are wanted."""

    evaluator: CubeSlices

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """Return the gradient at each row."""
        return self.evaluator.gradients(theta)


def target(inputs: int, sign: float = 1.0) -> gfc.Target:
    """Return a cubic polynomial with all its terms, at (sign x_1, x_2, ...)."""
    powers = [p for p in itertools.product(range(4), repeat=inputs) if sum(p) <= 3]
    weights = np.random.default_rng(0).normal(size=len(powers))
    weights *= [sign ** p[0] for p in powers]
    if inputs == 1:
        return gfc.targets.Polynomial(weights.tolist())
    return gfc.targets.MultivariatePolynomial([list(p) for p in powers], weights.tolist())


def box(inputs: int) -> gfc.Measure:
    """Return the uniform measure on [-1, 1]^d."""
    return gfc.measures.Uniform(-1.0, 1.0) if inputs == 1 else gfc.measures.Box(-1.0, 1.0, dimension=inputs)


def states(network: gfc.ReLUNetwork) -> np.ndarray:
    """Return the networks' parameters, with biases: of He's initialisation, and as large as a weight."""
    rng = np.random.default_rng(7)
    theta = np.stack([gfc.initializations.He().draw(network, rng) for _ in range(NETWORKS)])
    biases = network.members(("bias_1",))
    theta[:, biases] = rng.normal(size=(NETWORKS, HIDDEN)) / np.sqrt(network.inputs)
    return theta


def reflected(inputs: int, theta: np.ndarray) -> np.ndarray:
    """Return the gradient by way of the problem with -x_1 in the place of x_1: what differs is rounding."""
    problem = gfc.Problem(gfc.ReLUNetwork((inputs, HIDDEN, 1)), target(inputs, -1.0), box(inputs))
    signs = np.ones(theta.shape[1])
    signs[: HIDDEN * inputs : inputs] = -1.0
    return np.asarray(signs * problem.gradient(signs * theta))


def error(gradient: np.ndarray, right: np.ndarray) -> float:
    """Return the median relative error over the networks."""
    return float(np.median(np.linalg.norm(gradient - right, axis=1) / np.linalg.norm(right, axis=1)))


def least_seconds(problems: list[gfc.Problem | ByCubes], theta: np.ndarray) -> list[float]:
    """Return the processor time of a gradient, one of many in a call, for each problem."""
    # A network follows itself, as in a flow: breakpoints are almost in order.
    best, rows = [np.inf] * len(problems), np.repeat(theta, ROWS // NETWORKS, axis=0)
    for _ in range(ROUNDS):
        for k, problem in enumerate(problems):
            began = time.thread_time()
            problem.gradient(rows)
            best[k] = min(best[k], (time.thread_time() - began) / ROWS)
    return best


def on_a_box(inputs: int) -> list[Measured]:
    """Return what is measured for d inputs."""
    network, measure = gfc.ReLUNetwork((inputs, HIDDEN, 1)), box(inputs)
    theta, default = states(network), gfc.Problem(network, target(inputs), measure)
    problems: dict[tuple[str, int], gfc.Problem | ByCubes] = {}
    if default.rule is None:
        problems["exact", 0] = default
    for nodes in NODES.get(inputs, ()):
        rule = gfc.Quadrature(nodes=nodes)
        problems["preintegration", nodes] = gfc.Problem(network, target(inputs), measure, rule)
    right = default.gradient(theta)
    if inputs == 4:
        search = cube.cubes(default)
        evaluators = {nodes: search.evaluator(nodes) for nodes in CUBES}
        right = evaluators.pop(CUBES[-1]).gradients(theta)
        problems |= {(KINDS[1], nodes): ByCubes(found) for nodes, found in evaluators.items()}
    rounding = error(reflected(inputs, theta), right) if default.rule is None else 0.0
    return measured(problems, network, target(inputs), measure, theta, right, rounding)


def normal() -> list[Measured]:
    """Return what is measured under normal inputs."""
    exact, _ = gaussian.problem(16, HIDDEN, 8)
    theta = states(exact.network)
    rounding = gaussian.rounding(exact, theta)
    known: dict[tuple[str, int], gfc.Problem | ByCubes] = {("exact", 0): exact}
    return measured(known, exact.network, exact.target, exact.measure, theta, exact.gradient(theta), rounding)


def measured(
    problems: dict[tuple[str, int], gfc.Problem | ByCubes],
    network: gfc.ReLUNetwork,
    function: gfc.Target,
    measure: gfc.Measure,
    theta: np.ndarray,
    right: np.ndarray,
    rounding: float,
) -> list[Measured]:
    """Return times and errors of problems, and of the same at points of the measure."""
    for kind, rule in (("Sobol points", "sobol"), ("Monte Carlo points", "random")):
        for count in POINTS:
            problems[kind, count] = gfc.Problem(network, function, measure.discretize(count, rule))
    times = least_seconds(list(problems.values()), theta)
    found = []
    for ((kind, size), problem), seconds in zip(problems.items(), times, strict=True):
        off = rounding if kind == "exact" else error(problem.gradient(theta), right)
        found.append(Measured(kind, size, seconds, off))
    return found


def draw_panel(ax: Axes, name: str, found: list[Measured]) -> None:
    """Draw errors against times."""
    for kind in KINDS:
        own = [one for one in found if one.kind == kind]
        for one in own:
            print(f"{name}, {kind} {one.size or ''}: {1e6 * one.seconds:.2f} us, {one.error:.1e}")
        ax.loglog(
            [1e6 * one.seconds for one in own],
            [max(one.error, 1e-17) for one in own],
            color=COLOURS[kind],
            marker=MARKERS[kind],
            markersize=9 if kind == "exact" else 3,
            linestyle="none" if kind == "exact" else "-",
            label=kind,
        )
    ax.set(title=name, xlabel="time of a gradient, µs", ylim=(1e-17, 3.0), xlim=(0.05, 3e4))
    ax.set_xticks([0.1, 10.0, 1e3])
    ax.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Draw the figure of the documentation."""
    threads.set_thread_count(1)
    with theme.context():
        figure, axes = plt.subplots(1, 5, figsize=(6.9, 2.3), layout="constrained", sharey=True)
        for ax, inputs in zip(axes, range(1, 5), strict=False):
            draw_panel(ax, f"uniform, d = {inputs}", on_a_box(inputs))
        draw_panel(axes[-1], "normal, d = 16", normal())
        axes[0].set_ylabel("relative error of the gradient")
        handles, names = axes[1].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=5, frameon=False)
    path = Path(__file__).parents[1] / "docs" / "images" / "evaluation.png"
    figure.savefig(path, dpi=200)
    print(path)


if __name__ == "__main__":
    main()
