"""The part `growth`: time against H, K, d, networks and flow time, ours and that of the fastest peers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from benchmarks.measure import Result
from benchmarks.peers import methods, scipy_peer
from benchmarks.peers.compare import FEW, NETWORKS, Way, error, initial, steps
from benchmarks.peers.launch import Method, Outcome, run
from benchmarks.peers.ours import problem_of
from benchmarks.peers.task import Task

#: Seconds that a method has for one value, without loading and compiling.
LIMIT = 20.0
POINTS = 1024
#: Numbers of nodes of gfcompare for several inputs: the smallest that is as accurate as the peer's points.
NODES = (16, 64, 256, 1024)

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


def _nodes(widths: tuple[int, ...]) -> tuple[int | None, float]:
    """Return the nodes that are as accurate as the points, and the error of these; nothing on the line."""
    if widths[0] == 1:
        return None, 0.0
    # The gradient on points is the same for everybody: NumPy has it without a process.
    task = Task("gd", widths, initial("gd", widths, 4), POINTS, nodes=2**12 if widths[0] == 2 else 2**14)
    exact = problem_of(task).gradient(task.theta)
    allowed = error(scipy_peer.gradient(task), exact) or 0.0
    for nodes in NODES:
        found = problem_of(dataclasses.replace(task, nodes=nodes)).gradient(task.theta)
        if (error(found, exact) or 0.0) <= allowed:
            break
    return nodes, allowed


def _descent(
    method: Method,
    widths: tuple[int, ...],
    networks: int,
    limit: float,
    nodes: int | None = None,
    on_points: bool = False,
) -> Outcome:
    """Measure a step of gradient descent, for one network."""
    way: Way = ("our points" if on_points else "measure") if method is methods.OURS else "points"
    count = steps("gd", widths, nodes or POINTS, networks, way=way)
    theta = initial("gd", widths, networks)
    task = Task("gd", widths, theta, POINTS, count, nodes=nodes, on_points=on_points, seconds=0.5)
    outcome = run(method, task, limit)
    if outcome.seconds is not None:
        outcome.seconds /= count
    return outcome


def _row(
    panel: str, value: float, own: Outcome, method: Method, peer: Outcome, factor: int = 1, note: str = ""
) -> Result:
    if own.seconds is None:
        raise RuntimeError(f"gfcompare: {own.note}")
    name = f"t = 10^{math.log10(value):.0f}" if panel == "t" else f"{panel} = {value}"
    return Result(
        f"growth, {'GF to ' if panel == 't' else 'GD step, '}{name}",
        own.seconds * factor,
        {"t": "trajectory", "seeds": "step of all"}.get(panel, "step and trajectory"),
        peer=method.name,
        peer_seconds=None if peer.seconds is None else peer.seconds * factor,
        note=note,
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
            nodes, allowed = _nodes(widths)
            own = _descent(methods.OURS, widths, networks, limit, nodes)
            note = f"{nodes} nodes, both to {allowed:.0e}" if nodes else ""
            if nodes:  # of the two ways to be as accurate as the peer, the faster
                same = _descent(methods.OURS, widths, networks, limit, on_points=True)
                if (same.seconds or math.inf) < (own.seconds or math.inf):
                    own, note = same, f"the same points, both to {allowed:.0e}"
            peer = _skipped(late, limit) or _descent(methods.JAX_MAP, widths, networks, limit)
            late = late or (f"{panel} = {value}" if peer.status == "time limit" else "")
            yield _row(panel, value, own, methods.JAX_MAP, peer, networks if panel == "seeds" else 1, note)
    theta = initial("standard-gf", FLOW)
    stopped = dict.fromkeys((methods.TSIT5, methods.LSODA_HESSIAN), "")
    for end in times:
        task = Task("standard-gf", FLOW, theta, POINTS, end=end, seconds=0.5)
        own = run(methods.OURS, task, limit)
        for method, late in stopped.items():
            peer = _skipped(late, limit) or run(method, task, limit, counts=(1, FEW))
            stopped[method] = late or (f"t = {end:g}" if peer.status == "time limit" else "")
            yield _row("t", end, own, method, peer)
