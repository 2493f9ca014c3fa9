"""Distribution of the times of single flows: python -m benchmarks tails.

One network a call, on one core, both flows at rtol 1e-6, networks of He's and of normal weights: the median,
mean, 95 %, 99 % and largest time over the seeds. LSODA with gfcompare's gradient and exact Hessian is timed
the same way on fewer seeds, to t = 10^4. With --figure, docs/images/tails.png is drawn.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

import gfcompare as gfc
from gfcompare.figures import theme
from gfcompare.integrators.loop import run_block
from gfcompare.system import threads

FLOWS = ("standard-gf", "normalized-gf")
TARGETS: dict[str, gfc.Target] = {
    "cubic": gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]),
    "sine": gfc.targets.Sine(),
    "kink": gfc.targets.AbsoluteValue(centre=0.3),
    "step": gfc.targets.Step(),
    "random": gfc.targets.PiecewiseLinear(
        [0.0, 0.13, 0.37, 0.52, 0.81, 1.0], [0.4, -1.1, 0.9, 1.6, -0.7, 0.2]
    ),
}
WIDTHS, ENDS = (4, 8, 16, 32, 64, 128), (1e4, 1e6, 1e10)
#: Bars of the mean, of 99 % and of the largest, in medians.
BARS = (1.3, 5.0, 20.0)
_PEER_WIDTHS, _PEER_SEEDS = (16, 64), 50
FIGURE = Path(__file__).parents[1] / "docs" / "images" / "tails.png"


@dataclass(frozen=True)
class Times:
    """Seconds that single trajectories take, over seeds, on one kind of problem.

    Attributes
    ----------
    target, flow : names
    hidden : neurons
    end : flow time
    seconds : shape (M,), infinite for a trajectory that does not get there
    """

    target: str
    flow: str
    hidden: int
    end: float
    seconds: np.ndarray

    def row(self) -> tuple[float, ...]:
        """Return median, mean, 95 %, 99 % and largest."""
        return (
            float(np.median(self.seconds)),
            float(self.seconds.mean()),
            *(float(q) for q in np.quantile(self.seconds, (0.95, 0.99))),
            float(self.seconds.max()),
        )


def starts(network: gfc.ReLUNetwork, seeds: int) -> np.ndarray:
    """Return initial networks, shape (seeds, P): half of He's initialisation, half normal."""
    draws = (gfc.initializations.He(), gfc.initializations.Normal())
    return np.stack([draws[s % 2].draw(network, np.random.default_rng(s)) for s in range(seeds)])


def timed(problem: gfc.Problem, flow: str, theta: np.ndarray, end: float) -> np.ndarray:
    """Return the seconds that each trajectory takes alone, shape (M,), the better of two runs."""
    method = gfc.integrator(flow)
    found = np.full(len(theta), np.inf)
    complete = (gfc.Status.REACHED_END, gfc.Status.STATIONARY)
    for m, _ in itertools.product(range(len(theta)), range(2)):
        began = time.perf_counter()
        record = run_block(problem, method, theta[m : m + 1], [end], [np.random.default_rng(0)])
        took = time.perf_counter() - began
        if record.status[0] in complete:
            found[m] = min(found[m], took)
    return found


def peer(problem: gfc.Problem, theta: np.ndarray, end: float) -> np.ndarray:
    """Return the seconds of LSODA with the exact gradient and Hessian, shape (M,)."""
    found = np.empty(len(theta))
    for m, row in enumerate(theta):
        began = time.perf_counter()
        solve_ivp(
            lambda _, y: -problem.gradient(y),
            (0.0, end),
            row,
            "LSODA",
            rtol=1e-6,
            atol=1e-8,
            jac=lambda _, y: -problem.hessian(y),
        )
        found[m] = time.perf_counter() - began
    return found


def measure(seeds: int, targets: list[str], widths: list[int], ends: list[float]) -> Iterator[Times]:
    """Yield the times of every kind of problem."""
    for name, hidden in itertools.product(targets, widths):
        problem = gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), TARGETS[name], gfc.measures.Uniform())
        theta = starts(problem.network, seeds)
        for flow, end in itertools.product(FLOWS, ends):
            timed(problem, flow, theta[:1], end)  # kernels loaded
            yield Times(name, flow, hidden, end, timed(problem, flow, theta, end))


def draw(found: list[Times]) -> None:
    """Draw the quantiles of the times, in medians of their kind of problem."""
    with theme.context():
        figure, axes = plt.subplots(1, 2, figsize=(theme.TEXT_WIDTH, 2.4), sharey=True, layout="constrained")
        levels = np.linspace(0.0, 1.0, 400)
        for ax, flow in zip(axes, FLOWS, strict=True):
            for end, colour in zip(ENDS, ("#56B4E9", "#0072B2", "#D55E00"), strict=True):
                chosen = [t.seconds / np.median(t.seconds) for t in found if (t.flow, t.end) == (flow, end)]
                if chosen:
                    values = np.quantile(np.concatenate(chosen), levels)
                    exponent = round(np.log10(end))
                    ax.plot(100 * levels, values, color=colour, label=f"to $t = 10^{{{exponent}}}$")
            ax.axhline(1.0, color="0.7", linewidth=0.6)
            ax.set(yscale="log", xlabel="% of trajectories that take at most", title=flow)
        axes[0].set_ylabel("time, in medians")
        axes[0].legend(loc="upper left")
        figure.savefig(FIGURE, dpi=150)


def main(arguments: list[str]) -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks tails", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--targets", nargs="*", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--widths", nargs="*", type=int, default=list(WIDTHS))
    parser.add_argument("--figure", action="store_true", help=f"draw {FIGURE.name}")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, got {options.seeds}")
    before = threads.thread_count()
    threads.set_thread_count(1)
    found = []
    print("| target | H | flow | t | median | mean | 95 % | 99 % | largest | missed |\n|" + "---|" * 10)
    for times in measure(options.seeds, options.targets, options.widths, list(ENDS)):
        found.append(times)
        median, mean, most, nearly, largest = times.row()
        ratios = np.array([mean, nearly, largest]) / median
        missed = [n for n, r, bar in zip(("mean", "99 %", "largest"), ratios, BARS, strict=True) if r > bar]
        cells = " | ".join(f"{1e3 * s:.3g} ms" for s in (median, mean, most, nearly, largest))
        place = f"{times.target} | {times.hidden} | {times.flow} | {times.end:.0e}"
        print(f"| {place} | {cells} | {', '.join(missed)} |", flush=True)
    for hidden in sorted(set(options.widths) & set(_PEER_WIDTHS)):
        problem = gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), TARGETS["cubic"], gfc.measures.Uniform())
        theta = starts(problem.network, min(options.seeds, _PEER_SEEDS))
        ours, theirs = timed(problem, "standard-gf", theta, 1e4), peer(problem, theta, 1e4)
        print(
            f"LSODA with gradient and Hessian, cubic, H = {hidden}: mean {1e3 * theirs.mean():.3g} ms, "
            f"gfcompare {1e3 * ours.mean():.3g} ms, ratio {theirs.mean() / ours.mean():.3g}"
        )
    threads.set_thread_count(before)
    if options.figure:
        draw(found)
