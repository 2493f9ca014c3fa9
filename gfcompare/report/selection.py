"""Seeds that a page holds one by one: the typical one first, then the extremes, then between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from gfcompare.figures.one_trajectory import typical_seed
from gfcompare.results.reading import final_values

#: More seeds than these make neither a picture nor a list clearer.
MOST_SEEDS = 64


def ranked_seeds(group: xr.Dataset) -> list[int]:
    """Return every seed of a problem, so that the first few of them stand for all.

    The typical seed (median final risk of the first method), the best, the worst, then ranks that halve
    the gaps left, in the manner of van der Corput's sequence.
    """
    seeds = [int(seed) for seed in group["seed"].values]
    # Ties, the infinite ones of trajectories that ended early among them, stay in the order of the seeds.
    order = [seeds[k] for k in np.argsort(final_values(group, "risk")[0], kind="stable")]
    ranks = dict.fromkeys([0, len(seeds) - 1, *_between(len(seeds))])
    return list(dict.fromkeys([typical_seed(group), *(order[rank] for rank in ranks)]))


def _between(count: int) -> list[int]:
    """Return all ranks below `count`, each splitting the widest gap left."""
    shares = [_reversed_bits(k) for k in range(1, 2 * 2 ** int(count).bit_length())]
    found = dict.fromkeys(round(share * (count - 1)) for share in shares)
    return [*found, *(rank for rank in range(count) if rank not in found)]


def _reversed_bits(number: int) -> float:
    """Return the term of van der Corput's sequence in base 2 with some number."""
    value, weight = 0.0, 0.5
    while number:
        value += weight * (number & 1)
        number >>= 1
        weight /= 2
    return value


def seed_labels(group: xr.Dataset, seeds: Sequence[int]) -> list[str]:
    """Return what a list of seeds calls each, and what is special of it by the first method's final risk."""
    risks = dict(zip((int(s) for s in group["seed"].values), final_values(group, "risk")[0], strict=True))
    words: dict[int, str] = {}
    if len(risks) > 2:
        words[max(risks, key=lambda s: risks[s])] = "highest final risk"
        words[min(risks, key=lambda s: risks[s])] = "lowest final risk"
        words[typical_seed(group)] = "median final risk"
    return [f"seed {seed}, {words[seed]}" if seed in words else f"seed {seed}" for seed in seeds]
