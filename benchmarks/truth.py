"""Is what the flows say true? python -m benchmarks truth: random problems, both flows, to t = 10^10.

Every trajectory is judged by what needs no trust in the solver: the risk does not rise, balancedness and the
norms of the rows on M stay, and the end is that of a much tighter run. Other solvers, SUNDIALS CVODE among
them, are held against the same runs, so that each is a check of the other. Where the flow itself carries
neighbours apart, an error may be carried as far: measured by tight runs from starts that are off by 1e-9,
and, where that does not explain an end that is off, from states on the way that are off by the tolerance: a
flow may come near a saddle, as of two equal neurons, and leave it again (`at a saddle`). Counted is what is
wrong without a word: a trajectory that ends with a status or a message that says what it could not do is a
result. Of those whose message says that where they go is not determined (`undetermined`) it is counted how
many end where the tight run does (`needless`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import gfcompare as gfc
from benchmarks.arguments import positive
from gfcompare.integrators.dead_neurons import remarks
from gfcompare.results.reading import parameters

FLOWS = ("standard-gf", "normalized-gf")
RTOLS = (1e-4, 1e-5, 1e-6, 1e-8)
#: Solvers beside the default one, at the tolerances they are tried at; their runs are shorter.
OTHERS = {"bdf": (1e-4, 1e-6), "dopri5": (1e-6,)}
_OTHERS_EVERY, _OTHERS_STEPS = 4, 3000
#: Steps of every other run, far more than nearly all take.
_STEPS = 30_000
_TIGHT = 1e-10
_OFF = 1e-9
# Errors are counted beyond so many tolerances.
_MARGIN = 100.0
# And errors of the outputs, beyond so many.
_IN_OUTPUTS = 3.0
# States on the way from which a trajectory is followed again, each this often.
_ON_THE_WAY, _DRAWS = 40, 2
_COLUMNS = (
    "trajectories",
    "judged",
    "rises",
    "off",
    "at a saddle",
    "stuck",
    "drift",
    "false status",
    "left",
    "undetermined",
    "needless",
    "said so",
)


@dataclass(frozen=True)
class Setting:
    """A problem, its initial networks and the flow time to which it is followed."""

    label: str
    problem: gfc.Problem
    theta: np.ndarray
    end: float


def _target(rng: np.random.Generator, a: float, b: float, outputs: int) -> gfc.Target:
    """Return a random target on [a, b]: of every kind and scale."""
    scale = 10.0 ** rng.uniform(-4, 3)
    kind = rng.integers(6) if outputs == 1 else 0
    if kind == 0:
        # A polynomial in the interval's own coordinate, of moderate size there.
        shape = np.polynomial.Polynomial(rng.normal(size=rng.integers(1, 6)), domain=[a, b])
        first = shape.convert().coef
        if outputs == 1:
            return gfc.targets.Polynomial(scale * first)
        second = np.polynomial.Polynomial(rng.normal(size=4), domain=[a, b]).convert().coef
        size = max(len(first), len(second))
        rows = [np.pad(c, (0, size - len(c))) for c in (first, second)]
        return gfc.targets.Polynomial((scale * np.array(rows)).tolist())
    if kind == 1:
        return gfc.targets.Sine(amplitude=scale, frequency=rng.uniform(0.3, 2.0) / (b - a))
    if kind == 2:
        return gfc.targets.Step(location=a + (b - a) * rng.uniform(0.2, 0.8), right=scale)
    if kind == 3:
        x = np.sort(rng.uniform(a, b, 4))
        knots = [a, *x.tolist(), b]
        return gfc.targets.PiecewiseLinear(knots, (scale * rng.normal(size=6)).tolist())
    if kind == 4:
        return gfc.targets.Affine(slope=scale / (b - a), intercept=scale * rng.normal())
    return gfc.targets.Constant(scale * rng.normal())


def setting(number: int, seeds: int) -> Setting:
    """Return a random problem: most with one hidden layer on an interval; deep, in the plane, on points."""
    rng = np.random.default_rng([20261128, number])
    kind = ("line",) * 7 + ("deep", "plane", "points")
    chosen = kind[number % len(kind)]
    width = float(rng.choice([0.1, 1.0, 1.0, 3.0, 10.0]))
    a = float(rng.choice([0.0, 0.0, -width / 2, 20.0 * width]))
    outputs = int(rng.choice([1, 1, 1, 2]))
    hidden = int(rng.choice([1, 2, 4, 8, 16]))
    measure: gfc.Measure = gfc.measures.Uniform(a, a + width)
    end = 1e10
    if chosen == "plane":
        target: gfc.Target = gfc.targets.MultivariatePolynomial([[2, 1], [1, 0]], rng.normal(size=2))
        network = gfc.ReLUNetwork((2, min(hidden, 4), 1))
        measure, end = gfc.measures.Box(0.0, 1.0, dimension=2), 1e3
        problem = gfc.Problem(network, target, measure, gfc.Quadrature(nodes=32))
    else:
        target = _target(rng, a, a + width, outputs)
        widths = (1, 3, 3, outputs) if chosen == "deep" else (1, hidden, outputs)
        if chosen == "points":
            measure, end = measure.discretize(12, "quantiles"), 1e3
        if chosen == "deep":
            end = 1e5
        problem = gfc.Problem(gfc.ReLUNetwork(widths), target, measure)
    scale = 10.0 ** rng.choice([0.0, 0.0, 0.0, rng.uniform(-12, 0), rng.uniform(0, 1.5)])
    he = (
        gfc.initializations.He(scale=scale) if rng.random() < 0.7 else gfc.initializations.Normal(scale=scale)
    )
    theta = np.stack([he.draw(problem.network, np.random.default_rng([number, s])) for s in range(seeds)])
    label = (
        f"{number} {chosen} {problem.network.widths} {target.name} [{a:g}, {a + width:g}] scale {scale:.1e}"
    )
    return Setting(label, problem, theta, end)


@dataclass(frozen=True)
class Run:
    """Trajectories of one method: states (M, T, P), risks (M, T), statuses and whether it is said (M,).

    What is said is that a saddle was passed within the tolerance: what comes later is not determined.
    """

    theta: np.ndarray
    risk: np.ndarray
    status: np.ndarray
    undetermined: np.ndarray


def _run(case: Setting, flow: str, theta: np.ndarray, end: float, **options: object) -> Run:
    times = np.concatenate([[0.0], np.geomspace(1e-2, end, 13)])
    options = {"max_steps": _STEPS, **options}
    data = gfc.integrate(case.problem, gfc.integrator(flow, **options), theta, times)
    states = parameters(data)
    undetermined = np.array(["not determined" in str(message) for message in data["message"].values])
    return Run(states, data["risk"].values, data["status"].values, undetermined)


def _last(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return the last state and risk of each trajectory that has values."""
    index = np.maximum(np.isfinite(run.risk).sum(axis=1) - 1, 0)
    rows = np.arange(len(index))
    return run.theta[rows, index], run.risk[rows, index]


def _moved(case: Setting, flow: str, theta: np.ndarray, number: int, size: float = _OFF) -> np.ndarray:
    """Return states, (M, P), each parameter off by a share `size` to one side."""
    signs = np.random.default_rng(number).choice([-1.0, 1.0], size=theta.shape)
    moved = theta * (1.0 + size * signs)
    return case.problem.network.retract(moved) if flow == "normalized-gf" else moved


def _distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return how far ends are apart, relative to their size, shape (M,); infinite where one has none."""
    apart = np.linalg.norm(first - second, axis=-1) / np.linalg.norm(second, axis=-1)
    return np.where(np.isfinite(apart), apart, np.inf)


def _carried(case: Setting, flow: str, start: np.ndarray, rtol: float) -> float:
    """Return how far apart a trajectory ends if it is off by `rtol` once on the way, relative to its size.

    Parameters
    ----------
    start : shape (P,)
    """
    tight = gfc.integrator(flow, rtol=_TIGHT, max_steps=_STEPS)
    times = np.concatenate([[0.0], np.geomspace(1e-3 * min(case.end, 1.0), case.end, _ON_THE_WAY)])
    states = parameters(gfc.integrate(case.problem, tight, start, times))[0]
    states = states[np.isfinite(states).all(axis=-1)]
    others = np.concatenate([states, *(_moved(case, flow, states, k, rtol) for k in range(_DRAWS))])
    found = gfc.integrate(case.problem, tight, others, [0.0, case.end])
    ends = parameters(found)[:, -1].reshape(_DRAWS + 1, *states.shape)
    return float(_distance(ends[1:], ends[0]).max())


def judge(
    case: Setting, flow: str, method: str, found: Run, tight: Run, spread: np.ndarray, rtol: float
) -> Counter[str]:
    """Count what is wrong without a word."""
    counts: Counter[str] = Counter(trajectories=len(found.status))
    network = case.problem.network
    complete = np.isin(found.status, (gfc.Status.REACHED_END, gfc.Status.STATIONARY))
    counts["said so"] = int((~complete).sum())
    known = np.isin(tight.status, (gfc.Status.REACHED_END, gfc.Status.STATIONARY))
    start = found.risk[:, :1]
    # Errors of rtol in the outputs, relative to what they are at the start: the root of the risk is a norm.
    reach = _IN_OUTPUTS * rtol * np.sqrt(start)
    with np.errstate(invalid="ignore"):
        allowed_rise = (2.0 * np.sqrt(found.risk[:, :-1]) + reach) * reach + 1e-28
        rises = np.diff(found.risk, axis=1) > allowed_rise
    counts["rises"] = int(rises.any(axis=1).sum())
    if flow == "standard-gf":
        balance = np.concatenate(network.balancedness(found.theta), axis=-1)
        drift = np.abs(balance - balance[:, :1]).max(axis=-1)
        counts["drift"] = int((drift > 10 * rtol * (found.theta**2).sum(axis=-1)).any(axis=1).sum())
    else:
        counts["drift"] = int((network.distance_to_manifold(found.theta) > 1e-12).any(axis=1).sum())
    (end, risk), (reference, lowest) = _last(found), _last(tight)
    # Of a neuron that left the inputs, in either run, a message says that its later motion is not followed.
    pairs = ((found.theta[:, 0], end), (tight.theta[:, 0], reference))
    left = np.any([[bool(said) for said in remarks(case.problem, *pair)] for pair in pairs], axis=0)
    left &= case.problem.smooth
    counts["left"] = int((left & complete).sum())
    known &= ~left
    known &= ~tight.undetermined
    error = np.linalg.norm(end - reference, axis=1) / np.linalg.norm(reference, axis=1)
    allowed = _MARGIN * rtol * np.maximum(1.0, spread)
    counts["undetermined"] = int((found.undetermined & complete).sum())
    counts["needless"] = int((found.undetermined & complete & known & (error <= allowed)).sum())
    known &= ~found.undetermined
    off = complete & known & (error > allowed) & (allowed < 0.1)
    saddle = np.zeros(len(off), dtype=bool)
    for m in np.flatnonzero(off).tolist() if case.problem.smooth else ():
        saddle[m] = error[m] < _MARGIN * _carried(case, flow, found.theta[m, 0], rtol)
    off &= ~saddle
    counts["at a saddle"] = int(saddle.sum())
    higher = complete & known & ~saddle & (risk > 1.01 * lowest + 1e-9 * start[:, 0])
    counts["stuck"] = int((higher & (allowed < 0.1)).sum())
    counts["off"] = int(off.sum())
    counts["judged"] = int((complete & known & (allowed < 0.1)).sum())
    diverged = (found.status == gfc.Status.DIVERGED) & known & ~saddle
    stationary = (found.status == gfc.Status.STATIONARY) & off
    counts["false status"] = int((diverged | stationary).sum())
    for name, mask in (("rises", rises.any(axis=1)), ("off", off), ("diverged", diverged)):
        for m in np.flatnonzero(mask).tolist():
            what = f"{name}: {case.label} seed {m} {flow} {method} rtol {rtol:g}"
            errors = f"error {error[m]:.1e} of {allowed[m]:.1e}"
            print(f"{what}: {errors}, risks {risk[m]:.6g} {lowest[m]:.6g}", file=sys.stderr)
    return counts


def campaign(first: int, problems: int, seeds: int) -> Iterator[tuple[tuple[str, str, float], Counter[str]]]:
    """Yield what is counted, by flow, solver and rtol, problem after problem."""
    for number in range(first, first + problems):
        case = setting(number, seeds)
        for flow in FLOWS:
            on_m = flow == "normalized-gf"
            theta = case.problem.network.normalize(case.theta) if on_m else case.theta
            end = case.end
            tight = _run(case, flow, theta, end, rtol=_TIGHT)
            near = _run(case, flow, _moved(case, flow, theta, number), end, rtol=_TIGHT)
            spread = _distance(_last(near)[0], _last(tight)[0]) / _OFF
            for rtol in RTOLS:
                found = _run(case, flow, theta, end, rtol=rtol)
                yield (flow, "auto", rtol), judge(case, flow, "auto", found, tight, spread, rtol)
            if not case.problem.smooth or number % _OTHERS_EVERY:
                continue
            short = min(end, 1e4)
            reference = _run(case, flow, theta[:1], short, rtol=_TIGHT)
            for method, rtols in OTHERS.items():
                for rtol in rtols if method == "bdf" or case.end > 1e9 else ():
                    options = {"method": method, "rtol": rtol, "max_steps": _OTHERS_STEPS}
                    found = _run(case, flow, theta[:1], short, **options)
                    yield (flow, method, rtol), judge(case, flow, method, found, reference, spread[:1], rtol)


def numbers(
    arguments: list[str],
    program: str,
    about: str | None,
    what: str,
    count: int,
    seeds: int,
    spread: bool = False,
) -> argparse.Namespace:
    """Return how many random problems, seeds of each, and from which problem on, as they were asked for.

    Parameters
    ----------
    arguments : of the command line
    program : how it is called
    about : its description
    what : the option of the number of problems, such as "problems"
    count, seeds : their numbers by default
    spread : whether one problem of each ten may be asked for, and a limit of the time of each
    """
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument(
        f"--{what}", type=positive(int), default=count, help=f"random problems; {count} by default"
    )
    parser.add_argument(
        "--seeds", type=positive(int), default=seeds, help=f"initial networks of each; {seeds} by default"
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first problem; 0 by default")
    if spread:
        about_spread = "one problem of each ten, with one hidden layer on an interval"
        parser.add_argument("--spread", action="store_true", help=about_spread)
        about_seconds = "of a problem, after which no further run of it is begun; no limit by default"
        parser.add_argument("--seconds", type=positive(float), default=np.inf, help=about_seconds)
    return parser.parse_args(arguments)


def chosen(first: int, problems: int, spread: bool) -> list[int]:
    """Return the problems' numbers: in turn, or of each ten one with one hidden layer on an interval."""
    if spread:
        return [first + 10 * k + k % 7 for k in range(problems)]
    return list(range(first, first + problems))


def main(arguments: list[str]) -> None:
    """Run the campaign and print its table."""
    options = numbers(arguments, "python -m benchmarks truth", __doc__, "problems", 600, 8, spread=True)
    began, totals, cut = time.perf_counter(), {}, 0
    for number in chosen(options.first, options.problems, options.spread):
        started = time.perf_counter()
        for key, counts in campaign(number, 1, options.seeds):
            totals.setdefault(key, Counter()).update(counts)
            if time.perf_counter() - started > options.seconds:
                cut += 1
                break
    seconds = time.perf_counter() - began
    print(f"{options.problems} problems, {cut} of them cut, {options.seeds} seeds, {seconds:.0f} s\n")
    print("| flow | solver | rtol | " + " | ".join(_COLUMNS) + " |")
    print("|---" * (3 + len(_COLUMNS)) + "|")
    for (flow, solver, rtol), counts in sorted(totals.items()):
        print(f"| {flow} | {solver} | {rtol:g} | " + " | ".join(str(counts[c]) for c in _COLUMNS) + " |")
