"""Distribution of what single flows take: python -m benchmarks flows.

Both flows at rtol 1e-6, networks of He's and of normal weights: the median, mean, 95 %, 99 % and largest
number of gradients and steps over the seeds, which no load of the machine changes (a Hessian counts as P
gradients); with --times the processor times too, of one network a call on one thread. LSODA with gfcompare's
gradient, and with its exact Hessian, is compared with gfcompare, to t = 10^4, at equal accuracy: network by
network in turn, processor times, the better of two. With --figure, docs/images/tails.png is drawn.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

import gfcompare as gfc
from benchmarks import store
from benchmarks.arguments import positive
from benchmarks.measure import Result
from gfcompare.figures import theme
from gfcompare.integrators.loop import run_block
from gfcompare.integrators.record import Record
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
#: Where rounding of the velocity bounds the steps of many, later: the neurons grow without bound.
LATEST = {"step": 1e6}
#: Bars of the mean, of 99 % and of the largest, in medians.
BARS = (1.3, 5.0, 20.0)
#: What is asked of the ratio of means of times of LSODA with the exact Hessian, at every width.
PEER_BAR, PEER_WIDTHS, PEER_SEEDS = 30.0, (16, 64), 100
# Tolerances of ours that may be as accurate as LSODA at 1e-6, and that of the reference.
_OURS, _TIGHT = (1e-6, 1e-7, 1e-8), 1e-11
FIGURE = Path(__file__).parents[1] / "docs" / "images" / "tails.png"
_COMPLETE = (gfc.Status.REACHED_END, gfc.Status.STATIONARY)


@dataclass(frozen=True)
class Spread:
    """What single trajectories take, over seeds, on one kind of problem.

    Attributes
    ----------
    target, flow : names
    hidden : neurons
    end : flow time
    what : "gradients", "steps" or "seconds"
    values : shape (M,), infinite for a trajectory that does not get there
    """

    target: str
    flow: str
    hidden: int
    end: float
    what: str
    values: np.ndarray

    def row(self) -> tuple[float, ...]:
        """Return median, mean, 95 %, 99 % and largest."""
        return (
            float(np.median(self.values)),
            float(self.values.mean()),
            *(float(q) for q in np.quantile(self.values, (0.95, 0.99), method="higher")),
            float(self.values.max()),
        )

    def missed(self) -> list[str]:
        """Return the bars that are missed."""
        median, mean, _, nearly, largest = self.row()
        ratios = (mean / median, nearly / median, largest / median)
        return [
            n for n, r, bar in zip(("mean", "99 %", "largest"), ratios, BARS, strict=True) if not r <= bar
        ]

    def result(self) -> Result:
        """Return the row of the file of results."""
        names = ("median", "mean", "q95", "q99", "largest")
        details = {
            **{name: getattr(self, name) for name in ("target", "flow", "hidden", "end", "what")},
            **dict(zip(names, self.row(), strict=True)),
            "values": self.values.tolist(),
        }
        case = f"{self.flow} to t = {self.end:.0e}, {self.target}, H = {self.hidden}: {self.what}"
        return Result(case, float(np.median(self.values)), "trajectory", details=details)


def starts(network: gfc.ReLUNetwork, seeds: int) -> np.ndarray:
    """Return initial networks, shape (seeds, P): half of He's initialisation, half normal."""
    draws = (gfc.initializations.He(), gfc.initializations.Normal())
    return np.stack([draws[s % 2].draw(network, np.random.default_rng(s)) for s in range(seeds)])


def _run(problem: gfc.Problem, method: gfc.Integrator, theta: np.ndarray, ends: Sequence[float]) -> Record:
    return run_block(problem, method, theta, ends, [np.random.default_rng(0)] * len(theta))


def counted(
    problem: gfc.Problem, flow: str, theta: np.ndarray, ends: Sequence[float]
) -> dict[str, np.ndarray]:
    """Return gradients, and steps with those rejected, until each end: shape (M, ends) each."""
    record = _run(problem, gfc.integrator(flow), theta, ends)
    there = record.steps >= 0
    steps = record.steps + record.rejected_steps
    return {
        "gradients": np.where(there, record.gradient_evaluations, np.inf),
        "steps": np.where(there, steps, np.inf),
    }


def timed(problem: gfc.Problem, method: gfc.Integrator, theta: np.ndarray, end: float) -> float:
    """Return the processor seconds of one trajectory, theta (P,); infinite if it does not get there."""
    began = time.process_time()
    record = _run(problem, method, theta[None], [end])
    took = time.process_time() - began
    return took if record.status[0] in _COMPLETE else np.inf


def measure(
    seeds: int, targets: Sequence[str], widths: Sequence[int], ends: Sequence[float], times: bool
) -> Iterator[Spread]:
    """Yield what the trajectories of every kind of problem take."""
    for hidden, name in itertools.product(widths, targets):
        problem = gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), TARGETS[name], gfc.measures.Uniform())
        theta = starts(problem.network, seeds)
        chosen = [end for end in ends if end <= LATEST.get(name, np.inf)]
        for flow in FLOWS:
            found = counted(problem, flow, theta, chosen)
            for k, end in enumerate(chosen):
                for what, values in found.items():
                    yield Spread(name, flow, hidden, end, what, values[:, k])
                if times:
                    method = gfc.integrator(flow)
                    runs = [[timed(problem, method, row, end) for row in theta] for _ in range(2)]
                    yield Spread(name, flow, hidden, end, "seconds", np.min(runs, axis=0))


def _lsoda(problem: gfc.Problem, theta: np.ndarray, end: float, rtol: float, hessian: bool) -> np.ndarray:
    """Return theta at the end by LSODA, shape (P,)."""
    jacobian = {"jac": lambda _, y: -problem.hessian(y)} if hessian else {}
    solution = solve_ivp(
        lambda _, y: -problem.gradient(y),
        (0.0, end),
        theta,
        "LSODA",
        t_eval=[end],
        rtol=rtol,
        atol=rtol / 100,
        **jacobian,
    )
    return np.asarray(solution.y[:, -1]) if solution.success else np.full_like(theta, np.nan)


def compare(hidden: int, seeds: int) -> Iterator[Result]:
    """Yield the comparison with LSODA on the cubic target to t = 10^4, the standard flow, for one width."""
    end = 1e4
    problem = gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), TARGETS["cubic"], gfc.measures.Uniform())
    theta = starts(problem.network, seeds)
    methods = {rtol: gfc.integrator("standard-gf", rtol=rtol) for rtol in _OURS}
    runs: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "LSODA, our gradient": lambda row: _lsoda(problem, row, end, 1e-6, False),
        "LSODA, our gradient and Hessian": lambda row: _lsoda(problem, row, end, 1e-6, True),
    }
    for rtol, method in methods.items():
        runs[f"gfcompare {rtol:.0e}"] = lambda row, m=method: _run(problem, m, row[None], [end]).theta[0, -1]
    for run in runs.values():
        run(theta[0])  # kernels loaded
    seconds = {name: np.full(seeds, np.inf) for name in runs}
    errors = {name: np.empty(seeds) for name in runs}
    for m, row in enumerate(theta):
        reference = _lsoda(problem, row, end, _TIGHT, True)
        for (name, run), _ in itertools.product(runs.items(), range(2)):
            began = time.process_time()
            found = run(row)
            seconds[name][m] = min(seconds[name][m], time.process_time() - began)
            errors[name][m] = np.linalg.norm(found - reference) / np.linalg.norm(reference)
    middle = {name: float(np.nanmedian(error)) for name, error in errors.items()}
    for name in list(runs)[:2]:
        as_good = [
            f"gfcompare {rtol:.0e}" for rtol in _OURS if middle[f"gfcompare {rtol:.0e}"] <= middle[name]
        ]
        ours = min(as_good, key=lambda n: seconds[n].mean()) if as_good else f"gfcompare {_OURS[-1]:.0e}"
        medians = [float(np.median(seconds[n])) for n in (ours, name)]
        details = {
            "hidden": hidden,
            "seconds_of_all": seconds[ours].tolist(),
            "peer_seconds_of_all": seconds[name].tolist(),
        }
        yield Result(
            f"GF to t = 10^4, 1-{hidden}-1, mean over {seeds}",
            float(seconds[ours].mean()),
            "trajectory",
            peer=name,
            peer_seconds=float(seconds[name].mean()),
            error=middle[ours],
            peer_error=middle[name],
            note=f"{ours}; medians {_shown('seconds', medians[0])}, {_shown('seconds', medians[1])}",
            details=details,
        )


def draw(found: Sequence[Spread], file: Path = FIGURE) -> None:
    """Draw the quantiles of the gradients, in medians of their kind of problem."""
    ends = ((1e4, "#56B4E9", "-"), (1e6, "#0072B2", "--"), (1e10, "#D55E00", ":"))
    with theme.context():
        figure, axes = plt.subplots(
            2, 1, figsize=(theme.COLUMN_WIDTH, 4.0), sharex=True, layout="constrained"
        )
        # Shares that are left, so that the tail is seen: the slowest in a thousand at the right end.
        levels = 1.0 - np.geomspace(1.0, 1e-3, 300)
        for ax, flow in zip(axes, FLOWS, strict=True):
            for end, colour, dashes in ends:
                chosen = [
                    s.values / np.median(s.values)
                    for s in found
                    if (s.flow, s.end, s.what) == (flow, end, "gradients")
                ]
                if chosen:
                    values = np.quantile(np.concatenate(chosen), levels, method="higher")
                    name = f"to $t = 10^{{{round(np.log10(end))}}}$"
                    ax.plot(1.0 - levels, values, color=colour, linestyle=dashes, label=name)
            ax.axhline(1.0, color="0.7", linewidth=0.6)
            # A network that starts at rest takes next to nothing: below the axes.
            ax.set(xscale="log", yscale="log", title=flow, ylabel="gradients, in medians", ylim=(0.3, 30.0))
        axes[1].set_xlabel("share of trajectories that take more")
        axes[1].invert_xaxis()
        axes[0].legend(loc="upper left")
        figure.savefig(file, dpi=150)
        plt.close(figure)


def main(arguments: list[str]) -> None:
    """Measure, print two tables and save what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks flows", description=__doc__)
    parser.add_argument("--seeds", type=positive(int), default=1000)
    parser.add_argument("--targets", nargs="*", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--widths", nargs="*", type=positive(int), default=list(WIDTHS))
    latest = ", ".join(f"to {end:g} for {name}" for name, end in LATEST.items())
    parser.add_argument(
        "--ends", nargs="*", type=positive(float), default=list(ENDS), help=f"at most {latest}"
    )
    parser.add_argument("--times", action="store_true", help="measure processor times too")
    parser.add_argument("--peer-seeds", type=int, default=PEER_SEEDS, help="0 leaves the peers out")
    parser.add_argument("--figure", action="store_true", help=f"draw {FIGURE.name}")
    options = parser.parse_args(arguments)
    before, began = threads.thread_count(), time.perf_counter()
    threads.set_thread_count(1)
    found, rows = [], []
    print(
        "| target | H | flow | t | what | median | mean | 95 % | 99 % | largest | missed |\n|" + "---|" * 11
    )
    for spread in measure(options.seeds, options.targets, options.widths, options.ends, options.times):
        found.append(spread)
        rows.append(spread.result())
        cells = " | ".join(_shown(spread.what, value) for value in spread.row())
        place = f"{spread.target} | {spread.hidden} | {spread.flow} | {spread.end:.0e} | {spread.what}"
        print(f"| {place} | {cells} | {', '.join(spread.missed())} |", flush=True)
    for hidden in PEER_WIDTHS if options.peer_seeds else ():
        for row in compare(hidden, options.peer_seeds):
            rows.append(row)
            theirs, ours = (_shown("seconds", s or 0.0) for s in (row.peer_seconds, row.seconds))
            print(
                f"{row.case}: {row.peer} {theirs}, error {row.peer_error:.1e}; gfcompare {ours}, error "
                f"{row.error:.1e}; ratio of means {row.ratio:.3g}, asked {PEER_BAR:g} ({row.note})",
                flush=True,
            )
    threads.set_thread_count(before)
    store.save("spread", rows, time.perf_counter() - began)
    if options.figure:
        draw(found)


def _shown(what: str, value: float) -> str:
    return f"{1e3 * value:.3g} ms" if what == "seconds" else f"{value:,.0f}"
