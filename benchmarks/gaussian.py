"""Normal inputs: the gradient in closed form beside Monte Carlo and Sobol points.

python -m benchmarks.gaussian prints times, errors and what a pair of neurons costs, and draws
docs/images/gaussian.png.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import gfcompare as gfc
from gfcompare.figures import theme
from gfcompare.kernels import gaussian
from gfcompare.kernels.compiled import bare_entry

NETWORKS = 8
COUNTS = (256, 1024, 4096, 16_384, 65_536)
MONTE_CARLO = 10_000
SIZES = ((16, 16, 8), (64, 64, 32), (1000, 16, 8))
COLOURS = {"Sobol points": "#D55E00", "Monte Carlo points": "#666666"}


def seconds(function: Callable[[], object], repeats: int = 15) -> float:
    """Return the least processor time of a call."""
    least = np.inf
    for _ in range(repeats):
        began = time.thread_time()
        function()
        least = min(least, time.thread_time() - began)
    return least


def problem(inputs: int, hidden: int, teacher: int) -> tuple[gfc.Problem, np.ndarray]:
    """Return a student and a teacher of given widths, and the student's first states."""
    network = gfc.ReLUNetwork((inputs, hidden, 1))
    target = gfc.targets.Teacher((inputs, teacher, 1), seed=3)
    draw = gfc.initializations.He().draw
    theta = np.stack([draw(network, np.random.default_rng(seed)) for seed in range(NETWORKS)])
    return gfc.Problem(network, target, gfc.measures.Gaussian(dimension=inputs)), theta


def on_points(exact: gfc.Problem, count: int, rule: str) -> gfc.Problem:
    """Return the problem with N points in the place of the measure."""
    return gfc.Problem(exact.network, exact.target, exact.measure.discretize(count, rule))


def error(other: gfc.Problem, exact: gfc.Problem, theta: np.ndarray) -> float:
    """Return the median relative error of the gradients."""
    right = exact.gradient(theta)
    difference = np.linalg.norm(other.gradient(theta) - right, axis=1)
    return float(np.median(difference / np.linalg.norm(right, axis=1)))


def rounding(exact: gfc.Problem, theta: np.ndarray) -> float:
    """Return the median relative change of the gradient when inputs are rotated: all of it is rounding."""
    network, teacher = exact.network, exact.target
    assert isinstance(teacher, gfc.targets.NetworkTarget)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(network.inputs,) * 2))[0]

    def rotated(of: gfc.ReLUNetwork, states: np.ndarray, by: np.ndarray) -> np.ndarray:
        first, last = of.layers(states)
        return of.join([(first.weight @ by, first.bias), last])

    target = gfc.targets.Network(teacher.widths, rotated(teacher.network, teacher.theta, rotation))
    turned = gfc.Problem(network, target, exact.measure).gradient(rotated(network, theta, rotation))
    right = exact.gradient(theta)
    difference = np.linalg.norm(rotated(network, turned, rotation.T) - right, axis=1)
    return float(np.median(difference / np.linalg.norm(right, axis=1)))


@bare_entry
def _pairs(normal, directions, scalars, owen, pairs, biased, repeats):
    for _ in range(repeats):
        for i in range(directions.shape[0]):
            gaussian.correlate(directions, i, i + 1, directions.shape[0], pairs)
            if biased:
                gaussian.pairs_with_biases(normal, scalars, owen, i, i + 1, directions.shape[0], pairs)
            else:
                gaussian.pairs_without_biases(scalars, i, i + 1, directions.shape[0], pairs)


@bare_entry
def _neurons(table, directions, scalars, owen):
    for i in range(directions.shape[0]):
        gaussian.set_neuron(directions, scalars, i)
        gaussian.set_owen(table, scalars, owen, i)


def pair_times(count: int = 64, inputs: int = 16) -> dict[str, float]:
    """Return seconds for a pair of neurons, with and without biases, and for what each neuron needs once."""
    table, normal = gaussian.tables()
    rng = np.random.default_rng(0)
    directions, scalars = rng.normal(size=(count, inputs)), np.zeros((gaussian.SCALARS, count))
    scalars[gaussian.BIAS] = rng.normal(size=count)
    owen, pairs = np.zeros((count, gaussian.CELLS * gaussian.TERMS)), np.zeros((gaussian.PAIRS, count))
    _neurons(table, directions, scalars, owen)
    number, repeats = count * (count - 1) // 2, 50
    found = {
        name: seconds(lambda biased=biased: _pairs(normal, directions, scalars, owen, pairs, biased, repeats))
        / (number * repeats)
        for name, biased in (("pair with biases", True), ("pair without biases", False))
    }
    found["neuron"] = seconds(lambda: _neurons(table, directions, scalars, owen)) / count
    return found


def report() -> None:
    """Print times and errors."""
    for name, value in pair_times().items():
        print(f"{name}: {1e9 * value:.0f} ns")
    for inputs, hidden, teacher in SIZES:
        exact, theta = problem(inputs, hidden, teacher)
        other = on_points(exact, MONTE_CARLO, "random")
        one = theta[:1]
        closed, sampled = (seconds(lambda p=p: p.gradient(one)) for p in (exact, other))
        print(
            f"{inputs}-{hidden}-1, teacher of {teacher}: closed form {1e6 * closed:.0f} us a gradient, "
            f"{MONTE_CARLO} Monte Carlo points {1e6 * sampled:.0f} us, {sampled / closed:.0f} times as long, "
            f"relative error {error(other, exact, theta):.1e} instead of {rounding(exact, theta):.1e}"
        )


def draw(path: Path) -> None:
    """Draw errors against numbers of points."""
    exact, theta = problem(*SIZES[0])
    with theme.context():
        figure, ax = plt.subplots(figsize=(3.4, 2.6), layout="constrained")
        for (name, colour), rule in zip(COLOURS.items(), ("sobol", "random"), strict=True):
            errors = [error(on_points(exact, count, rule), exact, theta) for count in COUNTS]
            ax.loglog(COUNTS, errors, marker="o", markersize=3, color=colour, label=name)
        ax.axhline(rounding(exact, theta), color="#0072B2", label="closed form")
        ax.set(xlabel="number of points", ylabel="relative error of the gradient", ylim=(1e-17, 1.0))
        ax.legend()
        figure.savefig(path, dpi=200)
        plt.close(figure)


def main() -> None:
    report()
    draw(Path(__file__).parents[1] / "docs" / "images" / "gaussian.png")


if __name__ == "__main__":
    main()
