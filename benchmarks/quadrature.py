"""Error of the gradient on a box against the number of nodes, beside plain Sobol and Monte Carlo points.

python -m benchmarks.quadrature draws docs/images/quadrature.png.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy.stats import qmc

import gfcompare as gfc
from gfcompare.figures import theme

NETWORKS = 16
COLOURS = {"preintegration": "#0072B2", "Sobol points": "#D55E00", "Monte Carlo points": "#666666"}
MARKERS = {"preintegration": "o", "Sobol points": "s", "Monte Carlo points": "^"}


def problem(dimension: int, measure: gfc.Measure, nodes: int | None = None) -> gfc.Problem:
    """Return a d-16-1 problem with a radial bump."""
    target = gfc.targets.RadialBump([0.4] * dimension, width=0.5)
    rule = None if nodes is None else gfc.Quadrature(nodes=nodes, coordinate=1)
    return gfc.Problem(gfc.ReLUNetwork((dimension, 16, 1)), target, measure, rule)


def sobol(measure: gfc.Measure, count: int, seed: int) -> gfc.Measure:
    """Return scrambled Sobol points of a measure."""
    uniforms = qmc.Sobol(measure.dimension, scramble=True, rng=seed).random(count)
    return gfc.measures.Points(measure.transport(uniforms))


def errors(dimension: int) -> tuple[list[int], dict[str, np.ndarray]]:
    """Return numbers of nodes and for each method the relative errors, shape (numbers, networks)."""
    measure = gfc.measures.Box(0.0, 1.0, dimension=dimension)
    network = gfc.ReLUNetwork((dimension, 16, 1))
    draw = gfc.initializations.He().draw
    theta = np.stack([draw(network, np.random.default_rng(1000 + seed)) for seed in range(NETWORKS)])
    exact = problem(dimension, measure, 8192 if dimension == 2 else 2**17).gradient(theta)
    counts = [2**k for k in range(3, 12 if dimension == 2 else 14)]
    found: dict[str, list[np.ndarray]] = {name: [] for name in COLOURS}
    for count in counts:
        problems = {
            "preintegration": problem(dimension, measure, count),
            "Sobol points": problem(dimension, sobol(measure, count, 0)),
            "Monte Carlo points": problem(dimension, measure.discretize(count, "random")),
        }
        for name, case in problems.items():
            difference = np.linalg.norm(case.gradient(theta) - exact, axis=1)
            found[name].append(difference / np.linalg.norm(exact, axis=1))
    return counts, {name: np.array(values) for name, values in found.items()}


def draw_panel(ax: Axes, dimension: int) -> None:
    """Draw medians and ranges over the networks."""
    counts, found = errors(dimension)
    for name, values in found.items():
        median = np.median(values, axis=1)
        ax.fill_between(counts, values.min(axis=1), values.max(axis=1), color=COLOURS[name], alpha=0.15, lw=0)
        ax.plot(counts, median, color=COLOURS[name], marker=MARKERS[name], markersize=3, lw=1.2)
        order = -np.polyfit(np.log(counts[-6:]), np.log(median[-6:]), 1)[0]
        print(f"d = {dimension}, {name}: median {median[-1]:.1e} at {counts[-1]}, order {order:.2f}")
        ax.annotate(
            f"{name},\norder {order:.1f}",
            (counts[-1], median[-1]),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=7,
            color=COLOURS[name],
            va="center",
        )
    ax.set(xscale="log", yscale="log", xlabel="nodes or points", title=f"d = {dimension}")
    ax.set_xlim(counts[0] / 1.3, counts[-1] * 12)
    ax.set_xticks([10**k for k in range(1, 5) if counts[0] < 10**k <= counts[-1]])
    ax.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Draw the figure of the documentation."""
    with theme.context():
        figure, axes = plt.subplots(1, 2, figsize=(6.9, 2.6), layout="constrained", sharey=True)
        for ax, dimension in zip(axes, (2, 4), strict=True):
            draw_panel(ax, dimension)
        axes[0].set_ylabel("relative error of the gradient")
    target = Path(__file__).parents[1] / "docs" / "images" / "quadrature.png"
    figure.savefig(target, dpi=200)
    print(target)


if __name__ == "__main__":
    main()
