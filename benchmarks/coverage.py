"""Coverage of the interval of a median time: python -m benchmarks.coverage [samples].

The coverage does not depend on the law of the times, but on when trajectories are stopped: both can be
stretched by any increasing function.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.arguments import positive
from gfcompare.statistics.intervals import kaplan_meier

Array = NDArray[np.float64]

COUNTS = (6, 8, 12, 16, 24, 32)

#: Exponential times have this median, in units of which trajectories are stopped by a limit of steps or time.
MEDIAN = math.log(2.0)
LIMITS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "none stopped": lambda rng, n: np.full(n, np.inf),
    "stopped at a uniform time up to 4": lambda rng, n: rng.uniform(0.7, 4.0, n),
    "stopped at a uniform time up to 2": lambda rng, n: rng.uniform(0.0, 2.0, n),
    "stopped at a constant rate, mean 4": lambda rng, n: rng.exponential(4.0, n),
    "stopped at a constant rate, mean 2": lambda rng, n: rng.exponential(2.0, n),
}


def covered(limit: str, count: int, samples: int) -> float:
    """Return the share of samples whose Kaplan-Meier interval contains the median."""
    rng = np.random.default_rng(count)
    found = 0
    for _ in range(samples):
        times, stopped = rng.exponential(size=count), MEDIAN * LIMITS[limit](rng, count)
        estimate = kaplan_meier(np.minimum(times, stopped), times <= stopped).median()
        found += estimate.low <= MEDIAN <= estimate.high
    return found / samples


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("samples", nargs="?", type=positive(int), default=4000)
    samples = parser.parse_args().samples
    print(f"per cent of {samples} samples whose interval contains the median, for {COUNTS} seeds")
    for limit in LIMITS:
        shares = [covered(limit, count, samples) for count in COUNTS]
        print(f"{limit:36}" + "".join(f"{100.0 * share:7.1f}" for share in shares), flush=True)


if __name__ == "__main__":
    main()
