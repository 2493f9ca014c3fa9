"""The part `growth`: time against H, K, d, networks and flow time, ours and that of the fastest peers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from benchmarks.measure import Result
from benchmarks.peers import methods
from benchmarks.peers.compare import FEW, NETWORKS, initial, steps
from benchmarks.peers.launch import Method, Outcome, run
from benchmarks.peers.task import Task

#: Seconds that a method has for one value, without loading and compiling.
LIMIT = 30.0
POINTS = 1024
#: Nodes of gfcompare for several inputs: its gradient is then more accurate than that by the points.
NODES = 256

#: What grows, and the values; the other sizes are those of the network 1-64-1 in an ensemble of 64.
SIZES = {
    "H": (4, 16, 64, 256, 1024, 4096),
    "K": (1, 4, 16, 64),
    "d": (2, 4, 8, 16),
    "seeds": (1, 4, 16, 64, 256, 1024),
}
HIDDEN = 64
TIMES = tuple(10.0**k for k in range(-1, 7))
FLOW = (1, 16, 1)


def _descent(method: Method, widths: tuple[int, ...], networks: int, limit: float) -> Outcome:
    """Measure a step of gradient descent, for one network."""
    ours = method is methods.OURS
    count = steps("gd", widths, NODES if ours else POINTS, networks, ours=ours)
    nodes = NODES if widths[0] > 1 else None
    task = Task("gd", widths, initial("gd", widths, networks), POINTS, count, nodes=nodes, seconds=0.5)
    outcome = run(method, task, limit)
    if outcome.seconds is not None:
        outcome.seconds /= count
    return outcome


def _row(panel: str, value: float, own: Outcome, method: Method, peer: Outcome, factor: int = 1) -> Result:
    if own.seconds is None:
        raise RuntimeError(f"gfcompare: {own.note}")
    name = f"t = 10^{math.log10(value):.0f}" if panel == "t" else f"{panel} = {value}"
    return Result(
        f"growth, {'GF to ' if panel == 't' else 'GD step, '}{name}",
        own.seconds * factor,
        {"t": "trajectory", "seeds": "step of all"}.get(panel, "step and trajectory"),
        peer=method.name,
        peer_seconds=None if peer.seconds is None else peer.seconds * factor,
        peer_status="" if peer.status == "measured" else peer.note,
        details={"panel": panel, "value": value, "method": method.name, "status": peer.status},
    )


def _size(panel: str, value: int) -> tuple[tuple[int, ...], int]:
    """Return widths and number of networks."""
    sizes = {"H": HIDDEN, "K": 1, "d": 1, "seeds": NETWORKS} | {panel: value}
    return (sizes["d"], sizes["H"], sizes["K"]), sizes["seeds"]


def _skipped(stopped: str, limit: float) -> Outcome | None:
    """Return what to note for a method that ran out of time before."""
    return Outcome("not run", note=f"not run: > {limit:g} s at {stopped}") if stopped else None


def growth(
    limit: float = LIMIT,
    sizes: dict[str, tuple[int, ...]] | None = None,
    times: tuple[float, ...] = TIMES,
) -> Iterator[Result]:
    """Measure all of it."""
    for panel, values in (SIZES if sizes is None else sizes).items():
        late = ""
        for value in values:
            widths, networks = _size(panel, value)
            own = _descent(methods.OURS, widths, networks, limit)
            peer = _skipped(late, limit) or _descent(methods.JAX_MAP, widths, networks, limit)
            late = late or (f"{panel} = {value}" if peer.status == "time limit" else "")
            yield _row(panel, value, own, methods.JAX_MAP, peer, networks if panel == "seeds" else 1)
    theta = initial("standard-gf", FLOW)
    stopped = dict.fromkeys((methods.TSIT5, methods.LSODA_HESSIAN), "")
    for end in times:
        task = Task("standard-gf", FLOW, theta, POINTS, end=end, seconds=0.5)
        own = run(methods.OURS, task, limit)
        for method, late in stopped.items():
            peer = _skipped(late, limit) or run(method, task, limit, counts=(1, FEW))
            stopped[method] = late or (f"t = {end:g}" if peer.status == "time limit" else "")
            yield _row("t", end, own, method, peer)
