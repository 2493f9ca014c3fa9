"""Spurious minima of student and teacher, by gradient descent on the exact population risk.

I. Safran, O. Shamir, "Spurious local minima are common in two-layer ReLU neural networks", ICML 2018,
arXiv:1712.08968. A student of H neurons without biases learns f(x) = s(x_1) + ... + s(x_k) for standard
normal x of k components; every outgoing weight is 1 and stays so. How often does it end at rest with a
positive risk, and is that a minimum?

    python studies/papers/safran_shamir.py [folder for the figures]
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import writing
from matplotlib.figure import Figure
from scipy.stats import binomtest

import gfcompare as gfc
from gfcompare.figures.theme import TEXT_WIDTH, context

SIZES, RUNS = (6, 8, 10, 12), 100
# A step of descent on |N - f|^2, the most steps, and the gradient at which a run is at rest.
STEP, MOST_STEPS, REST = 0.05, 20_000, 1e-6
# Risks of a run at rest that is spurious, and of one that is on its way to 0, which is looked at so often:
# with a neuron more than the teacher that way is long.
POSITIVE, SMALL, LOOK = 1e-4, 1e-6, 100
BLUE, ORANGE, GREY = "#0173b2", "#de8f05", "0.55"


@dataclass(frozen=True)
class Ends:
    """Where runs end.

    Attributes
    ----------
    risks : shape (R,)
    gradients : shape (R,), norms
    smallest : shape (S,), smallest eigenvalue of the Hessian by the rows, at each end that is spurious
    """

    risks: np.ndarray
    gradients: np.ndarray
    smallest: np.ndarray

    @property
    def spurious(self) -> np.ndarray:
        """Which runs are at rest at a positive risk."""
        return (self.risks > POSITIVE) & (self.gradients < REST)


def committee(neurons: int, inputs: int) -> tuple[gfc.Problem, int]:
    """Return the problem, and the number of weights that are free: those of the hidden rows."""
    network = gfc.ReLUNetwork((inputs, neurons, 1))
    unit = gfc.ReLUNetwork((inputs, inputs, 1))
    theta = unit.join([(np.eye(inputs), np.zeros(inputs)), (np.ones((1, inputs)), np.zeros(1))])
    target = gfc.targets.Network(unit.widths, theta)
    measure = gfc.measures.Gaussian(dimension=inputs)
    return gfc.Problem(network, target, measure, frozen=("biases", "weight_2")), neurons * inputs


def descend(neurons: int, inputs: int, runs: int) -> Ends:
    """Run gradient descent on the rows, from rows of variance 1 / k as in the paper."""
    problem, free = committee(neurons, inputs)
    rng = np.random.default_rng([1712, 8968, neurons, inputs])
    theta = np.zeros((runs, problem.network.parameter_count))
    theta[:, :free] = rng.normal(size=(runs, free)) / np.sqrt(inputs)
    theta[:, free + neurons : -1] = 1.0
    norms = np.full(runs, np.inf)
    small = np.zeros(runs, dtype=bool)
    for step in range(MOST_STEPS):
        moving = np.flatnonzero((norms >= REST) & ~small)
        if step % LOOK == 0 and moving.size:
            small[moving] = problem.risk(theta[moving]) < SMALL
        if not moving.size:
            break
        gradient = problem.gradient(theta[moving])[:, :free]
        norms[moving] = np.linalg.norm(gradient, axis=1)
        theta[moving, :free] -= STEP * gradient
    risks = problem.risk(theta)
    spurious = (risks > POSITIVE) & (norms < REST)
    hessians = [problem.hessian(row)[:free, :free] for row in theta[spurious]]
    smallest = np.array([np.linalg.eigvalsh(hessian)[0] for hessian in hessians])
    return Ends(risks, norms, smallest)


def spurious_minima(sizes: tuple[int, ...] = SIZES, runs: int = RUNS) -> tuple[Figure, str, str]:
    """Draw how often runs end in a spurious minimum, and their risks."""
    exact = {k: descend(k, k, runs) for k in sizes}
    wider = {k: descend(k + 1, k, runs) for k in sizes}
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(TEXT_WIDTH, 2.3), layout="constrained")
    for found, colour, name, shift in ((exact, BLUE, "H = k", -0.1), (wider, ORANGE, "H = k + 1", 0.1)):
        shares = np.array([ends.spurious.mean() for ends in found.values()])
        counts = [int(ends.spurious.sum()) for ends in found.values()]
        bounds = np.array([binomtest(c, runs).proportion_ci(0.95, "wilson") for c in counts]).T
        spread = np.maximum(np.stack([shares - bounds[0], bounds[1] - shares]), 0.0)
        left.errorbar(
            np.array(sizes) + shift,
            100 * shares,
            100 * spread,
            fmt="o",
            color=colour,
            markersize=3,
            label=name,
        )
    left.set(xlabel="neurons of the teacher k", ylabel="spurious minima, % of runs", ylim=(-2, 102))
    left.legend(loc="upper left")
    largest = exact[sizes[-1]]
    middle.hist(largest.risks, bins=np.geomspace(1e-8, 1.0, 50), color=BLUE)
    middle.set(xscale="log", xlabel=f"final risk, k = H = {sizes[-1]}", ylabel="runs")
    curvatures = np.concatenate([ends.smallest for ends in exact.values()])
    right.hist(curvatures, bins=30, color=BLUE)
    right.axvline(0.0, color=GREY, linewidth=0.8)
    right.set(xlabel="smallest eigenvalue of the Hessian", ylabel="spurious ends, H = k")
    done = [(ends.gradients < REST) | (ends.risks < SMALL) for ends in exact.values()]
    assert np.mean(done) > 0.9
    minima = int((curvatures > 1e-6).sum())
    claim = """For 6 <= k <= 20 and H = k the risk of a student with standard normal inputs, orthonormal
    teacher and all outgoing weights 1 has local minima that are not global; the probability that gradient
    descent ends in one is high and increases with the size, and mild over-parameterisation reduces it
    drastically: the first is proved with a computer's help, the others were seen (abstract of
    arXiv:1712.08968)."""
    listed = ", ".join(f"{100 * ends.spurious.mean():.3g} % at k = {k}" for k, ends in exact.items())
    one_more = ", ".join(f"{100 * ends.spurious.mean():.3g} %" for ends in wider.values())
    shown = f"""{runs} runs each, rows of variance 1 / k at the start, steps of {STEP} on the exact risk,
    until the gradient is below {REST:g} or the risk below {SMALL:g}. Left: runs that end at rest at a risk
    above {POSITIVE:g}, with Wilson intervals of 95 %: {listed}; with one neuron more {one_more}. Middle:
    final risks for the largest k. Right: the smallest eigenvalue of the exact Hessian by the hidden rows at
    each spurious end with H = k: {minima} of {len(curvatures)} are above 1e-6, so that these are strict
    minima to rounding."""
    return figure, claim, shown


def main() -> None:
    """Draw the figure."""
    path = writing.folder("safran_shamir")
    with context():
        writing.write(path, "spurious_minima", *spurious_minima())


if __name__ == "__main__":
    main()
