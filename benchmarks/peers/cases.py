"""Cases on which peers are measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.peers import methods
from benchmarks.peers.launch import Method
from benchmarks.peers.task import Kind

_NAMES = {
    "gd": "GD",
    "normalized-gd": "normalised GD",
    "sgd": "SGD, batch 32",
    "standard-gf": "GF",
    "normalized-gf": "normalised GF",
}


@dataclass(frozen=True)
class Case:
    """A problem for several methods.

    Attributes
    ----------
    kind, widths, end : as in `Task`
    points : numbers of points for the peers
    peers : those that are measured
    dtype : of the peers
    """

    kind: Kind
    widths: tuple[int, ...]
    peers: tuple[Method, ...]
    points: int = 1024
    end: float = 0.0
    dtype: Literal["float64", "float32"] = "float64"

    @property
    def flow(self) -> bool:
        """True if it is a flow; otherwise descent."""
        return self.end > 0

    @property
    def name(self) -> str:
        """As it is shown."""
        end = f" to t = 10^{np.log10(self.end):.0f}" if self.flow else " step"
        return f"{_NAMES[self.kind]}{end}, {'-'.join(map(str, self.widths))}"

    def contains(self, other: Case) -> bool:
        """Return whether the other case is a part of it (a shorter flow), or has fewer neurons or points."""
        same = (self.kind, self.dtype, self.widths[0], len(self.widths))
        if same != (other.kind, other.dtype, other.widths[0], len(other.widths)):
            return False
        return other.end <= self.end and other.widths[1] <= self.widths[1] and other.points <= self.points

    @property
    def unit(self) -> str:
        """Unit that a time is for."""
        return "trajectory" if self.flow else "step and trajectory"


def cases() -> Iterator[Case]:
    """Return what is measured: of a method that runs out of time the cheapest cases come first."""
    m, jax = methods, (methods.JAX, methods.JAX_MAP)
    for hidden in (16, 64, 256):
        for points in (256, 1024, 4096):
            peers = (m.PYTORCH, m.COMPILED, *jax) if points == 1024 else (m.PYTORCH, *jax)
            yield Case("gd", (1, hidden, 1), peers, points)
    yield Case("gd", (1, 64, 1), (m.PYTORCH, *jax), dtype="float32")
    for widths in ((1, 16, 16, 1), (1, 64, 64, 1), (2, 16, 1), (2, 64, 1), (2, 256, 1)):
        yield Case("gd", widths, (m.PYTORCH, *jax))
    for widths in ((1, 16, 1), (1, 64, 1), (1, 256, 1), (1, 16, 16, 1), (2, 64, 1)):
        yield Case("sgd", widths, (m.PYTORCH, *jax))
    for hidden in (16, 64, 256):
        yield Case("normalized-gd", (1, hidden, 1), (*jax, m.GEOOPT, m.PYMANOPT))
    every, fewer = (*m.ON_POINTS, *m.EXACT), (m.TSIT5, m.RK45, *m.EXACT)
    flows: list[tuple[Kind, tuple[int, ...], tuple[Method, ...]]] = [
        *(("standard-gf", (1, hidden, 1), every) for hidden in (16, 64, 256)),
        ("standard-gf", (1, 16, 16, 1), (m.DOPRI5, *fewer)),
        ("standard-gf", (2, 16, 1), (m.DOPRI5, *fewer)),
        *(("normalized-gf", (1, hidden, 1), (m.KVAERNO5, *fewer)) for hidden in (16, 64, 256)),
    ]
    yield Case("standard-gf", (1, 16, 1), m.ON_POINTS, 256, 1e2)
    for kind, widths, peers in flows:
        for end in (1e2, 1e4):
            yield Case(kind, widths, peers, end=end)
    yield Case("standard-gf", (1, 16, 1), m.ON_POINTS, 4096, 1e2)
