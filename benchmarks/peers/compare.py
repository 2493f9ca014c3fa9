"""The part `peers`: gfcompare and its peers on the same problems, each measured in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

import gfcompare as gfc
from benchmarks.measure import Result
from benchmarks.peers import methods
from benchmarks.peers.cases import Case, cases
from benchmarks.peers.launch import Method, Outcome, run
from benchmarks.peers.ours import ends, ensemble, problem_of
from benchmarks.peers.task import Array, Task

NETWORKS = 64
#: Of whom: a peer, on points; gfcompare, on points; or gfcompare, with the measure.
Way = Literal["points", "our points", "measure"]
#: Networks for which a peer's flow is measured: enough for all cores.
FEW = 16
#: Seconds that a method has for one case, without loading and compiling.
LIMIT = 45.0


def initial(kind: str, widths: tuple[int, ...], count: int = NETWORKS) -> Array:
    """Return He initialisations, of the normalised form if the kind is normalised."""
    network = gfc.ReLUNetwork(widths)
    theta = ensemble(network, count)
    return network.normalize(theta) if kind.startswith("normalized") else theta


def steps(kind: str, widths: tuple[int, ...], work: int, networks: int, *, way: Way) -> int:
    """Return a number of steps that takes some tenths of a second; `work`: points or nodes, 0 without."""
    parameters = gfc.ReLUNetwork(widths).parameter_count
    if way != "measure":
        return int(np.clip((1e9 if way == "points" else 1e10) / (parameters * work * networks), 5, 5000))
    if widths[0] == 1 and len(widths) == 3:
        return int(np.clip(3.2e8 / (parameters * networks), 20, 100_000))
    if kind == "sgd":
        return 2000
    if widths[0] > 1 and work == 0:
        return int(np.clip(2e9 / (parameters * parameters * networks), 20, 20_000))
    return int(np.clip((6e6 if widths[0] == 1 else 2e8 / work) / (parameters * networks), 5, 5000))


def reference(case: Case) -> Array:
    """Return what the first few networks are compared with: gradients at the start, or theta at the end.

    The gradient is exact in all cases. A flow is followed by CVODE at rtol 1e-11.
    """
    theta = initial(case.kind, case.widths, 8)
    problem = problem_of(Task(case.kind, case.widths, theta))
    if not case.flow:
        return problem.gradient(theta)
    method = gfc.integrator(case.kind, rtol=1e-11, method="bdf")
    return ends(problem.network, gfc.integrate(problem, method, theta, [case.end]))


def error(found: Array | None, right: Array) -> float | None:
    """Return the largest relative error over the networks that both have."""
    if found is None:
        return None
    count = min(len(found), len(right))
    difference = np.linalg.norm(found[:count] - right[:count], axis=1)
    return float((difference / np.linalg.norm(right[:count], axis=1)).max())


@dataclass(frozen=True)
class Measured:
    """A method's outcome, its error and how it was asked."""

    outcome: Outcome
    error: float | None
    setting: str = ""


@dataclass(frozen=True)
class Setting:
    """Accuracy that gfcompare is asked for; see `Task`."""

    rtol: float = 1e-6

    def text(self, case: Case) -> str:
        """Return what is worth saying about it."""
        return f"rtol 1e{np.log10(self.rtol):.0f}" if case.flow else ""


def settings(case: Case) -> list[Setting]:
    """Return how accurate gfcompare is asked to be, fastest first: peers are met at their own accuracy."""
    return [Setting(rtol) for rtol in (1e-6, 1e-7, 1e-8, 1e-10)] if case.flow else [Setting()]


def measured(
    case: Case, method: Method, right: Array, limit: float, setting: Setting = Setting()
) -> Measured:
    """Measure a method on a case."""
    theta = initial(case.kind, case.widths)
    ours = method is methods.OURS
    work = 32 if case.kind == "sgd" else 0 if ours else case.points
    way: Way = "measure" if ours else "points"
    count = 0 if case.flow else steps(case.kind, case.widths, work, len(theta), way=way)
    outcome = run(
        method,
        Task(
            case.kind,
            case.widths,
            theta,
            case.points,
            count,
            end=case.end,
            dtype=case.dtype,
            rtol=setting.rtol,
        ),
        limit,
        counts=(1, len(theta) if ours else FEW) if case.flow else (),
        with_gradient=not case.flow,
    )
    if outcome.seconds is not None and not case.flow:
        outcome.seconds /= count
    if case.kind == "sgd":
        return Measured(outcome, None, "")
    found = error(outcome.theta if case.flow else outcome.gradient, right)
    return Measured(outcome, found, setting.text(case) if ours else "")


def opponent(own: Sequence[Measured], peer: Measured) -> Measured:
    """Return the fastest of our results that is at least as accurate as the peer's, if there is one."""
    done = [one for one in own if one.outcome.seconds is not None]
    if not done:
        raise RuntimeError(f"gfcompare: {own[0].outcome.note}")
    if peer.error is None:
        return done[0]
    allowed = peer.error * (1 + 1e-6)  # on the same points the errors are the same but for rounding
    enough = [one for one in done if one.error is not None and one.error <= allowed]
    return min(enough, key=lambda one: one.outcome.seconds or 0.0) if enough else done[-1]


def row(case: Case, own: Sequence[Measured], method: Method, peer: Measured) -> Result:
    """Return the row of a peer."""
    ours, theirs = opponent(own, peer), peer.outcome
    stopped = theirs.status == "time limit" and case.flow
    exact_peer = method in methods.EXACT
    shown = method.name if exact_peer or case.kind == "sgd" else f"{method.name}, {case.points} points"
    return Result(
        case.name,
        ours.outcome.seconds or 0.0,
        case.unit,
        peer=shown + (", float32" if case.dtype == "float32" else ""),
        peer_seconds=theirs.seconds,
        note=ours.setting,
        error=ours.error,
        peer_error=peer.error,
        peer_at_least=theirs.limit / theirs.networks if stopped else None,
        peer_status="" if theirs.status == "measured" else theirs.note,
        details={
            "kind": case.kind,
            "widths": list(case.widths),
            "end": case.end,
            "method": method.name,
            "points": None if exact_peer else 32 if case.kind == "sgd" else case.points,
            "dtype": case.dtype,
            "status": theirs.status,
            "networks": theirs.networks,
            "warm_up": theirs.warm_up,
            "limit": theirs.limit,
            "our_networks": ours.outcome.networks,
            "our_warm_up": ours.outcome.warm_up,
            "our_setting": ours.setting,
        },
    )


class OutOfTime:
    """Remembers which methods ran out of time, so that they need not do so again on larger problems."""

    def __init__(self) -> None:
        self._cases: list[tuple[Case, Method]] = []

    def add(self, case: Case, method: Method) -> None:
        """Note that a method did not finish."""
        self._cases.append((case, method))

    def smaller(self, case: Case, method: Method) -> Case | None:
        """Return a case that is part of this one, or smaller, which the method did not finish."""
        found = (other for other, slow in self._cases if slow is method and case.contains(other))
        return next(found, None)


def peers(limit: float = LIMIT, chosen: Sequence[Case] | None = None) -> Iterator[Result]:
    """Measure all cases."""
    late = OutOfTime()
    known: dict[object, tuple[Array, list[Measured]]] = {}
    for case in cases() if chosen is None else chosen:
        problem = (case.kind, case.widths, case.end)
        if problem not in known:
            right = reference(case)
            own = [measured(case, methods.OURS, right, limit, setting) for setting in settings(case)]
            known[problem] = right, own
        right, own = known[problem]
        for method in case.peers:
            if not methods.applies(method, case.widths, case.kind):
                continue
            smaller = late.smaller(case, method)
            if smaller is None:
                found = measured(case, method, right, limit)
            else:
                note = f"not run: > {limit:g} s for {smaller.name}"
                found = Measured(Outcome("not run", note=note), None)
            if found.outcome.status == "time limit":
                late.add(case, method)
            yield row(case, own, method, found)
