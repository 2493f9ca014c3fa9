"""Numbers of proved end states of flows, and their cost: python -m benchmarks certificates [--seeds N].

He initialisation, both flows at relative tolerance 1e-8, 1-H-1 with H = 1, 2, 4, 8, 16, 32, the uniform
measure on [0, 1], until t = 10^8; seconds of processor time, one state at a time.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

import gfcompare as gfc
from benchmarks.arguments import positive
from gfcompare.certificates import Verdict, certify_state, enclosures
from gfcompare.integrators.base import FlowName

HIDDEN = (1, 2, 4, 8, 16, 32)
END = 1e8
#: Gradient and Hessian are compared for so many seeds.
OF_DERIVATIVES = 5
FLOWS: dict[FlowName, str] = {"standard": "standard-gf", "normalized": "normalized-gf"}

#: The share of limits that is to be proved, and whether bounded ones count.
TARGETS = {
    "cubic": (gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0]), 0.98, False),
    "sine": (gfc.targets.Sine(), 0.98, False),
    "absolute value": (gfc.targets.AbsoluteValue(centre=0.3), 0.99, True),
    "piecewise linear": (
        gfc.targets.PiecewiseLinear(
            [0.0, 0.2, 0.45, 0.6, 0.85, 1.0], np.round(np.random.default_rng(7).normal(size=6), 2).tolist()
        ),
        0.75,
        False,
    ),
}


@dataclass
class Counts:
    """Verdicts and seconds of a target."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    seconds: dict[int, list[float]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    digits: dict[str, list[float]] = field(default_factory=dict)

    def add_digits(self, what: str, error: float, scale: float) -> None:
        """Add the right digits of a number in double precision."""
        self.digits.setdefault(what, []).append(-np.log10(max(error / scale, 1e-17)))


def end_states(problem: gfc.Problem, flow: FlowName, seeds: int) -> np.ndarray:
    """Return the states at the end, shape (seeds, P)."""
    network = problem.network
    start = np.stack([gfc.initializations.He().draw(network, np.random.default_rng(s)) for s in range(seeds)])
    if flow == "normalized":
        start = network.normalize(start)
    data = gfc.integrate(problem, gfc.integrator(FLOWS[flow], rtol=1e-8), start, [0.0, END])
    return gfc.parameters(data)[:, -1]


def measure(name: str, seeds: int) -> Counts:
    """Return the verdicts of a target for all widths and both flows."""
    counts = Counts()
    for hidden in HIDDEN:
        problem = gfc.Problem(
            gfc.ReLUNetwork((1, hidden, 1)), TARGETS[name][0], gfc.measures.Uniform(0.0, 1.0)
        )
        certify_state(problem, np.zeros(3 * hidden + 1))  # what is made once for a problem
        for flow in FLOWS:
            for seed, theta in enumerate(end_states(problem, flow, seeds)):
                began = time.process_time()
                found = certify_state(problem, theta, flow)
                counts.seconds.setdefault(hidden, []).append(time.process_time() - began)
                counts.verdicts[found.verdict] += 1
                if found.risk_high > 1e-12:
                    error = abs(float(problem.risk(theta)) - found.risk_high)
                    counts.add_digits("risk", error, found.risk_high)
                if seed < OF_DERIVATIVES:
                    _derivatives(counts, problem, theta)
                if found.verdict not in (Verdict.LIMIT_PROVEN, Verdict.RISK_BOUNDED):
                    counts.reasons.append(
                        f"H = {hidden}, {flow}, seed {seed}: {found.verdict.word}: {found.reason}"
                    )
    return counts


def _derivatives(counts: Counts, problem: gfc.Problem, theta: np.ndarray) -> None:
    """Add the right digits of gradient and Hessian, relative to the largest entry of the Hessian.

    The gradient vanishes at the end of a flow: what is left of it is a sum that cancels, of terms of the size
    of the Hessian. The Hessian jumps where a breakpoint reaches an end: where one is there up to rounding,
    doubles do not know on which side.
    """
    bounds = enclosures(problem, theta)
    scale = float(np.abs(bounds.hessian).max())
    for what, value, known in (
        ("gradient", problem.gradient(theta), bounds.gradient),
        ("Hessian", problem.hessian(theta), bounds.hessian),
    ):
        error = np.maximum(known[0] - value, value - known[1]).max()
        if what == "Hessian" and _at_an_end(problem, theta):
            continue
        counts.add_digits(what, max(float(error), 0.0), scale)


def _at_an_end(problem: gfc.Problem, theta: np.ndarray) -> bool:
    """Return whether a breakpoint is at an end up to rounding."""
    hidden = problem.network.widths[1]
    w, b = theta[:hidden], theta[hidden : 2 * hidden]
    ends = np.abs(np.outer(w, [0.0, 1.0]) + b[:, None])
    return bool((ends < 1e-15 * (np.abs(w) + np.abs(b))[:, None]).any())


def main(arguments: list[str]) -> None:
    """Print the counts, the times and the reasons."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks certificates", description=__doc__)
    parser.add_argument("--seeds", type=positive(int), default=20)
    parser.add_argument("--target", choices=list(TARGETS), action="append")
    parser.add_argument("--reasons", action="store_true", help="print why limits are not proved")
    chosen = parser.parse_args(arguments)
    for name in chosen.target or TARGETS:
        counts = measure(name, chosen.seeds)
        total, (_, aim, bounded) = counts.verdicts.total(), TARGETS[name]
        reached = counts.verdicts[Verdict.LIMIT_PROVEN] + bounded * counts.verdicts[Verdict.RISK_BOUNDED]
        listed = ", ".join(f"{counts.verdicts[v]} {v.word}" for v in Verdict if counts.verdicts[v])
        met = "met" if reached >= aim * total else "MISSED"
        print(f"{name}: {listed}; {100 * reached / total:.1f} %, aim {100 * aim:.0f} % {met}", flush=True)
        times = ", ".join(f"H = {h}: {np.median(s):.3f} s" for h, s in counts.seconds.items())
        print(f"  median of a proof: {times}")
        parts = [
            f"{what} median {np.median(digits):.1f}, least {np.min(digits):.1f}"
            for what, digits in counts.digits.items()
        ]
        print(f"  right digits in double precision: {'; '.join(parts)}", flush=True)
        for text in counts.reasons if chosen.reasons else ():
            print(f"  {text}")
