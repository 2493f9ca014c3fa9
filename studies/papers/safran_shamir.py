"""Spurious minima of student and teacher, by gradient descent on the exact population risk.

I. Safran, O. Shamir, "Spurious local minima are common in two-layer ReLU neural networks", ICML 2018,
arXiv:1712.08968. A student of H neurons without biases learns f(x) = s(x_1) + ... + s(x_k) for standard
normal x of k components; every outgoing weight is 1 and stays so. How often does it end at rest with a
positive risk, and is that a minimum? Draws the figure and writes a table, for H = k and H = k + 1.

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

SIZES = (6, 8, 10, 12, 14, 16, 18, 20)
# Runs for each size, fewer where a run takes long.
RUNS, LARGE, FEWER_RUNS = 200, 14, 100
# A step of descent on |N - f|^2, the most steps, and the gradient at which a run is at rest.
STEP, MOST_STEPS, REST = 0.05, 20_000, 1e-6
# Risks of a run at rest that is spurious, and of one that is on its way to 0, which is looked at so often:
# with a neuron more than the teacher that way is long.
POSITIVE, SMALL, LOOK = 1e-4, 1e-6, 100
# Newton steps from a spurious end to its critical point, and the smallest eigenvalue, relative to the
# largest, that tells a minimum or a saddle from rounding: P eps is below 1e-13.
NEWTON, KNOWN = 4, 1e-11
BLUE, ORANGE, GREY = "#0173b2", "#de8f05", "0.55"


@dataclass(frozen=True)
class Ends:
    """Ends of runs.

    Attributes
    ----------
    risks : shape (R,)
    gradients : shape (R,), norms
    smallest : shape (S,), smallest eigenvalue of the Hessian by the rows, at the critical point next to each
        end that is spurious
    largest : shape (S,), largest eigenvalue there
    left : shape (S,), norms of the gradient there
    """

    risks: np.ndarray
    gradients: np.ndarray
    smallest: np.ndarray
    largest: np.ndarray
    left: np.ndarray

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.risks)

    @property
    def spurious(self) -> np.ndarray:
        """Mask of the runs at rest at a positive risk."""
        return (self.risks > POSITIVE) & (self.gradients < REST)

    @property
    def interval(self) -> tuple[float, float]:
        """The Wilson interval of 95 % of the share that is spurious."""
        found = binomtest(int(self.spurious.sum()), self.runs).proportion_ci(0.95, "wilson")
        return float(found.low), float(found.high)

    @property
    def types(self) -> tuple[int, int, int]:
        """Numbers of spurious ends that are strict minima, saddles, and neither to rounding."""
        known = KNOWN * self.largest
        minima, saddles = int((self.smallest > known).sum()), int((self.smallest < -known).sum())
        return minima, saddles, len(self.smallest) - minima - saddles


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
    spectra, left = [], []
    for row in theta[(risks > POSITIVE) & (norms < REST)]:
        for _ in range(NEWTON):
            gradient, hessian = problem.gradient(row)[:free], problem.hessian(row)[:free, :free]
            row[:free] -= np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        spectra.append(np.linalg.eigvalsh(problem.hessian(row)[:free, :free])[[0, -1]])
        left.append(np.linalg.norm(problem.gradient(row)))
    smallest, largest = np.array(spectra).reshape(-1, 2).T
    return Ends(risks, norms, smallest, largest, np.array(left))


def table(exact: dict[int, Ends], wider: dict[int, Ends]) -> str:
    """Return the counts as a table in Markdown."""
    lines = [
        "| k | H | runs | spurious | 95 % | strict minima, saddles, neither | least eigenvalue | risks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for more, found in ((0, exact), (1, wider)):
        for k, ends in found.items():
            low, high = ends.interval
            types = ", ".join(str(count) for count in ends.types)
            risks = np.sort(ends.risks[ends.spurious])
            spread = f"{risks[0]:.3g} to {risks[-1]:.3g}" if len(risks) else ""
            eigenvalue = f"{ends.smallest.min():.2g}" if len(risks) else ""
            lines.append(
                f"| {k} | {k + more} | {ends.runs} | {100 * ends.spurious.mean():.3g} % "
                f"| {100 * low:.1f} to {100 * high:.1f} % | {types} | {eigenvalue} | {spread} |"
            )
    return "\n".join(lines) + "\n"


def spurious_minima(sizes: tuple[int, ...] = SIZES, runs: int | None = None) -> tuple[Figure, str, str, str]:
    """Draw how often runs end in a spurious minimum, and their risks; return the table too."""
    counts = {k: runs or (RUNS if k < LARGE else FEWER_RUNS) for k in sizes}
    exact = {k: descend(k, k, counts[k]) for k in sizes}
    wider = {k: descend(k + 1, k, counts[k]) for k in sizes}
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(TEXT_WIDTH, 2.3), layout="constrained")
    for found, colour, name, shift in ((exact, BLUE, "H = k", -0.1), (wider, ORANGE, "H = k + 1", 0.1)):
        shares = np.array([ends.spurious.mean() for ends in found.values()])
        bounds = np.array([ends.interval for ends in found.values()]).T
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
    curvatures = [np.concatenate([e.smallest for e in found.values()]) for found in (exact, wider)]
    bins = np.histogram_bin_edges(np.concatenate(curvatures), 45)  # that leave out none
    for values, colour in zip(curvatures, (BLUE, ORANGE), strict=True):
        right.hist(values, bins=bins, color=colour, alpha=0.8)
    right.axvline(0.0, color=GREY, linewidth=0.8)
    right.set(xlabel="smallest eigenvalue of the Hessian", ylabel="spurious ends")
    every = [*exact.values(), *wider.values()]
    done = np.concatenate([(ends.gradients < REST) | (ends.risks < SMALL) for ends in every])
    assert done.mean() > 0.9
    types = np.array([ends.types for ends in every])
    farthest = max((ends.left.max() for ends in every if len(ends.left)), default=0.0)
    claim = """For 6 <= k <= 20 and H = k the risk of a student with standard normal inputs, orthonormal
    teacher and all outgoing weights 1 has local minima that are not global; the probability that gradient
    descent ends in one is high and increases with the size, and mild over-parameterisation reduces it
    drastically: the first is proved with a computer's help, the others were seen (abstract of
    arXiv:1712.08968)."""
    counted = f"{RUNS} runs each, {FEWER_RUNS} from k = {LARGE} on" if runs is None else f"{runs} runs each"
    shown = f"""{counted}, rows of variance 1 / k at the start, steps of {
        STEP
    } on the exact risk, until the gradient is below
    {REST:g} or the risk below {SMALL:g}; {int((~done).sum())} of {len(done)} runs are neither after
    {MOST_STEPS:,} steps. Left: runs that end at rest at a risk above {
        POSITIVE:g}, with Wilson intervals of 95 %.
    Middle: final risks for the largest k. Right: the smallest eigenvalue of the exact Hessian by the hidden
    rows at the critical point next to each spurious end, found by Newton's method to a gradient of
    {farthest:.1g}: {types[:, 0].sum()} of {types.sum()} are strict minima, {types[:, 1].sum()} saddles."""
    return figure, claim, shown, table(exact, wider)


def main() -> None:
    """Draw the figure and write the table."""
    path = writing.folder("safran_shamir")
    with context():
        figure, claim, shown, rows = spurious_minima()
        writing.write(path, "spurious_minima", figure, claim, shown)
    (path / "spurious_minima.md").write_text(rows, encoding="utf-8")
    print(rows)


if __name__ == "__main__":
    main()
