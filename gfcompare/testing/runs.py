"""Runs of a method for the checks: by the core's loop, by hand, with evaluations counted a second time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from gfcompare.integrators.base import Integrator, State
from gfcompare.integrators.counting import CountedProblem
from gfcompare.integrators.loop import run_block
from gfcompare.integrators.record import Record
from gfcompare.integrators.status import Array
from gfcompare.problem import Problem
from gfcompare.testing.records import Broken
from gfcompare.testing.sample_problems import Sample

#: Save times: a few hundred steps of 0.01, a few iterations of a method that counts those.
TIMES = (0.0, 2.0, 4.0)

#: Gradients that a reference takes at most; a smooth one takes some thousands.
_MOST_EVALUATIONS = 100_000

#: What rounding may do to numbers of size 1 in some hundred steps.
ROUNDING = 1e-10


def generators(rows: Sequence[int], seed: int = 0) -> list[np.random.Generator]:
    """Return the source of randomness of each trajectory, the same in whatever batch it is."""
    return [np.random.default_rng([seed, m]) for m in rows]


def run(
    method: Integrator,
    given: Sample,
    times: Sequence[float] = TIMES,
    rows: Sequence[int] | None = None,
    seed: int = 0,
    time_limit: float | None = None,
) -> Record:
    """Return what the core records of a method on some rows of a sample."""
    chosen = list(range(len(given.theta))) if rows is None else list(rows)
    theta = given.theta[chosen]
    rngs = generators(chosen, seed)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return run_block(given.problem, method, theta, times, rngs, time_limit=time_limit)


def begun(method: Integrator, given: Sample) -> tuple[CountedProblem, State]:
    """Return a counted problem and the state of a method at flow time 0, without the core's loop."""
    theta = given.theta.copy()
    if method.on_manifold:
        theta = given.problem.network.normalize(theta)
    counted = CountedProblem(given.problem, len(theta))
    return counted, method.start(counted, theta, generators(range(len(theta))))


def same(one: Array, other: Array, tolerance: float) -> bool:
    """Return whether two arrays have the same numbers up to a tolerance relative to their size."""
    size = 1.0 + float(np.nanmax(np.abs(one), initial=0.0))
    return bool(np.allclose(one, other, rtol=0.0, atol=tolerance * size, equal_nan=True))


def difference(one: Array, other: Array) -> str:
    """Return in words how far apart two arrays are."""
    with np.errstate(invalid="ignore"):
        return f"they differ by {float(np.nanmax(np.abs(one - other), initial=0.0)):.2g}"


def tolerance_of(method: Integrator) -> float:
    """Return how far two runs of a method may be apart: by its tolerance if it has one, or by rounding."""
    rtol = getattr(method, "rtol", None)
    return 1e3 * float(rtol) if isinstance(rtol, float | int) else ROUNDING


def reference(given: Sample, time: float, *, normalized: bool) -> Array:
    """Return where the standard or the normalised flow is at a flow time, shape (M, P), by SciPy's DOP853.

    The normalised flow is integrated as it is written, theta' = -P G, with M put right at the end only:
    nothing of the shipped methods is used, and of gfcompare the gradient alone.
    """
    problem, network = given.problem, given.problem.network
    left = iter(range(_MOST_EVALUATIONS, -1, -1))

    def velocity(_: float, theta: Array) -> Array:
        if not next(left):
            raise Broken(
                f"a gradient is continuous along a flow; here SciPy's DOP853 asks for more than "
                f"{_MOST_EVALUATIONS} of them to get to time {time:g}. Look for what jumps in it."
            )
        gradient = problem.gradient(theta)
        return -network.project(network.retract(theta), gradient) if normalized else -gradient

    ends = []
    for row in network.normalize(given.theta) if normalized else given.theta:
        found = solve_ivp(velocity, (0.0, time), row, method="DOP853", rtol=1e-11, atol=1e-13)
        ends.append(found.y[:, -1])
    return np.stack(ends)


#: How many gradients, risks and sample gradients a call of a problem's function is, from its arguments.
_COSTS: dict[str, tuple[str, Callable[[Problem, tuple[Any, ...], Any], int]]] = {
    "gradient": ("gradients", lambda p, a, r: _rows(a[0])),
    "gradient_with": ("gradients", lambda p, a, r: _rows(a[0])),
    "risk": ("risks", lambda p, a, r: _rows(a[0])),
    "sample_gradient": ("sample_gradients", lambda p, a, r: _rows(a[0]) * int(a[1])),
    "hessian_product": ("gradients", lambda p, a, r: 2 * _rows(a[0])),
    "hessian": ("gradients", lambda p, a, r: p.network.parameter_count * _rows(a[0])),
    "descend": ("gradients", lambda p, a, r: int(r[1].sum())),
    "growth_rate": ("gradients", lambda p, a, r: int(r[1])),
}


def _rows(theta: Any) -> int:
    return int(np.prod(np.shape(theta)[:-1], dtype=np.int64))


@contextmanager
def tallied() -> Iterator[dict[str, int]]:
    """Count what is evaluated of every problem, whoever asks, by the arguments of the calls themselves."""
    tally = {"gradients": 0, "risks": 0, "sample_gradients": 0}
    before = {name: getattr(Problem, name) for name in (*_COSTS, "descend_sampled", "advance_flow")}

    def counting(name: str) -> Callable[..., Any]:
        def called(problem: Problem, *given: Any, **options: Any) -> Any:
            flow_before = given[0].counts[:, 3].sum() if name == "advance_flow" else 0
            result = before[name](problem, *given, **options)
            if name == "advance_flow":
                tally["gradients"] += int(given[0].counts[:, 3].sum() - flow_before)
            elif name == "descend_sampled":
                tally["sample_gradients"] += int(result[1].sum()) * options["batch_size"]
            else:
                what, cost = _COSTS[name]
                tally[what] += cost(problem, (*given, *options.values()), result)
            return result

        return called

    try:
        for name in before:
            setattr(Problem, name, counting(name))
        yield tally
    finally:
        for name, function in before.items():
            setattr(Problem, name, function)


class FaultyProblem(Problem):
    """A problem that misbehaves where the output bias is above 40: its gradient is no number, or raises.

    `hits` counts how often that happened. It has no compiled flow, so that flows ask for the gradient.
    """

    _hits: int = 0
    _raises: bool = False
    _bad: float = np.nan

    @property
    def hits(self) -> int:
        """Return the number of times the method met the fault."""
        return self._hits

    @property
    def has_compiled_flow(self) -> bool:
        """True if flows run in compiled code: not here."""
        return False

    def gradient(self, theta: Any) -> Array:
        """Return the gradient, NaN or infinite for rows that misbehave."""
        return self._spoilt(super().gradient(theta), theta)

    def sample_gradient(self, theta: Any, batch_size: int, rng: np.random.Generator) -> Array:
        """Return an estimate of the gradient, NaN or infinite for rows that misbehave."""
        return self._spoilt(super().sample_gradient(theta, batch_size, rng), theta)

    def _spoilt(self, values: Array, theta: Any) -> Array:
        bad = np.asarray(theta)[..., -1] > 40.0
        if not bad.any():
            return values
        self._hits += 1
        if self._raises:
            raise ArithmeticError("planted by the conformance suite")
        return np.where(bad[..., None], self._bad, values)

    @classmethod
    def like(cls, given: Sample, *, raises: bool = False, value: float = np.nan) -> Sample:
        """Return a sample whose second trajectory starts where the problem misbehaves."""
        problem = cls(given.problem.network, given.problem.target, given.problem.measure)
        problem._raises, problem._bad = raises, value
        theta = given.theta.copy()
        theta[1, -1] = 50.0
        return Sample(problem, theta)
