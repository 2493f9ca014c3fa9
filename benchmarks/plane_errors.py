"""Errors of flows in the plane at rtol 1e-6, and how far the flow itself spreads a change of the state.

python -m benchmarks.plane_errors [networks] prints, for both flows of 2-16-1 to t = 1e4, a cubic target and
a teacher, quantiles over He's networks (50 take ten minutes): errors, against rtol 1e-11; how far CVODE at
rtol 1e-10 is from that; the growth of a relative change of 1e-6 in random directions; errors by growth times
rtol; and the solver's own errors from each of 43 save times to the next, with what is left of each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np

import gfcompare as gfc
from benchmarks.arguments import positive
from benchmarks.plane import CHANGE, END, TIMES, off, target

RTOL, DIRECTIONS = 1e-6, 3
SAVES = np.geomspace(1e-3, END, 43)


def ends(case: gfc.Problem, flow: gfc.Integrator, starts: np.ndarray, duration: float) -> np.ndarray:
    """Return the states after a duration, shape (n, P)."""
    if duration == 0.0:
        return starts
    return np.asarray(gfc.parameters(gfc.integrate(case, flow, starts, [duration]))[:, 0])


def growth(case: gfc.Problem, name: str, starts: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return by how much a change of the state has grown by the end, the largest over `TIMES`, shape (n,)."""
    rng, largest = np.random.default_rng(0), np.zeros(len(starts))
    path = gfc.parameters(gfc.integrate(case, gfc.integrator(name, rtol=1e-11), starts, TIMES))
    for k, begin in enumerate(TIMES):
        for _ in range(DIRECTIONS):
            along = rng.normal(size=starts.shape)
            sizes = np.linalg.norm(path[:, k], axis=1) / np.linalg.norm(along, axis=1)
            moved = path[:, k] + CHANGE * sizes[:, None] * along
            moved = case.network.normalize(moved) if name == "normalized-gf" else moved
            end = ends(case, gfc.integrator(name, rtol=1e-10), moved, END - begin)
            largest = np.maximum(largest, off(end, right) / off(moved, path[:, k]))
    return largest


def own_errors(case: gfc.Problem, name: str, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors from each save time to the next, and what is left of them at the end, (43, n)."""
    tight = gfc.integrator(name, rtol=1e-10)
    path = gfc.parameters(gfc.integrate(case, gfc.integrator(name, rtol=RTOL), starts, SAVES))
    states, times = [starts, *np.swapaxes(path, 0, 1)], [0.0, *SAVES]
    last = [ends(case, tight, state, END - t) for state, t in zip(states, times, strict=True)]
    made = [
        off(states[k], ends(case, tight, states[k - 1], times[k] - times[k - 1]))
        for k in range(1, len(times))
    ]
    return np.array(made), np.array([off(last[k], last[k - 1]) for k in range(1, len(times))])


def report(name: str, aim: gfc.Target, networks: int) -> None:
    """Print the quantiles of a flow."""
    case = gfc.Problem(gfc.ReLUNetwork((2, 16, 1)), aim, gfc.measures.Box(-1.0, 1.0, dimension=2))
    draw = gfc.initializations.He().draw
    starts = np.stack([draw(case.network, np.random.default_rng(seed)) for seed in range(networks)])
    starts = case.network.normalize(starts) if name == "normalized-gf" else starts
    right = ends(case, gfc.integrator(name, rtol=1e-11), starts, END)
    other = ends(case, gfc.integrator(name, rtol=1e-10, method="bdf"), starts, END)
    errors = off(ends(case, gfc.integrator(name, rtol=RTOL), starts, END), right)
    grown = growth(case, name, starts, right)
    made, left = own_errors(case, name, starts)
    rows = {
        "CVODE from ndf": off(other, right),
        "error": errors,
        "growth": grown,
        "error / (growth rtol)": errors / (grown * RTOL),
        "largest error of an interval": made.max(axis=0),
        "largest part of the error": left.max(axis=0),
    }
    print(f"{name}, {aim.name}, {networks} networks: median, 95 %, largest")
    for label, values in rows.items():
        print(f"  {label}: " + ", ".join(f"{q:.2g}" for q in np.quantile(values, [0.5, 0.95, 1.0])))


def main(arguments: Sequence[str]) -> None:
    """Print the quantiles of both flows, for both targets."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plane_errors", description=__doc__)
    parser.add_argument("networks", nargs="?", type=positive(int), default=50)
    networks = parser.parse_args(arguments).networks
    for aim in (target(), gfc.targets.Teacher((2, 8, 1), seed=3)):
        for name in ("standard-gf", "normalized-gf"):
            report(name, aim, networks)


if __name__ == "__main__":
    main(sys.argv[1:])
