"""The part `roofline`: what the gradient of 1-H-1 must cost on this core, and what each part of it takes.

The core is described by a few numbers that tiny kernels measure. The parts of the gradient are timed by
leaving out the later ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import gfcompare as gfc
from benchmarks.measure import Result
from benchmarks.peers.compare import initial
from benchmarks.peers.ours import problem_of
from benchmarks.peers.task import Array, Task
from gfcompare.kernels import line
from gfcompare.kernels.compiled import cold_leaf, entry, leaf, leaf_sum
from gfcompare.kernels.descent import update
from gfcompare.kernels.sorting import sort_pairs
from gfcompare.piecewise.antiderivatives import line_data
from gfcompare.system import threads

SIZES = (16, 32, 64, 128, 256, 512, 1024)


# What the core can do: each kernel repeats one thing so often that nothing else counts.


@entry
def _cycles(n, x):
    for _ in range(n):  # six operations on integers, each waiting for the one before: six cycles
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
        x ^= x << np.uint64(17)
    return x


@entry
def _additions(n, x, y):
    for _ in range(n):
        x = x + y
    return x


@leaf
def _divide(a, b, out):
    for j in range(a.shape[0]):
        out[j] = a[j] / b[j]


@entry
def _divisions(n, a, b, out):
    for _ in range(n):
        _divide(a, b, out)


@leaf
def _horner(x, out, c):
    for j in range(x.shape[0]):
        s = x[j]
        t = c
        for _ in range(8):
            t = t * s + c
        out[j] = t


@entry
def _multiply_adds(n, x, out, c):
    for _ in range(n):
        _horner(x, out, c)


@entry
def _one_at_a_time(n, x, y):
    a = b = c = d = e = f = g = h = x
    for _ in range(n):  # half products that are added to something, half sums, as in the walk
        a, b, c, d = a * a + y, b * b + y, c * c + y, d * d + y
        e, f, g, h = e + y, f + y, g + y, h + y
    return a + b + c + d + e + f + g + h


@leaf_sum
def _sum(a):
    total = 0.0
    for j in range(a.shape[0]):
        total += a[j]
    return total


@entry
def _loads(n, a):
    total = 0.0
    for _ in range(n):
        total += _sum(a)
    return total


@entry
def _copies(n, a, out):
    for k in range(n):
        line.copy(a, out)
        out[k % 8] = a[0]


@leaf_sum
def _sum_in_order(a, order):
    total = 0.0
    for j in range(order.shape[0]):
        total += a[order[j]]
    return total


@entry
def _indexed_loads(n, a, order):
    total = 0.0
    for _ in range(n):
        total += _sum_in_order(a, order)
    return total


def _each(kernel: Callable[..., object], count: int, per_call: int, *arguments: object) -> float:
    """Return nanoseconds for one operation; `per_call` of them in each of `count` repetitions."""
    kernel(2, *arguments)
    times = []
    for _ in range(15):
        began = time.perf_counter()
        kernel(count, *arguments)
        times.append(time.perf_counter() - began)
    return min(times) / count / per_call * 1e9


def core() -> dict[str, float]:
    """Return nanoseconds a cycle and for each operation, on numbers that lie in the first-level cache."""
    size = 512
    rng = np.random.default_rng(0)
    a, b, out = rng.random(size) + 0.5, rng.random(size) + 0.5, np.empty(size)
    order = rng.permutation(size).astype(np.uint64)
    return {
        "cycle": _each(_cycles, 200_000, 6, np.uint64(88172645463325252)),
        "addition, waiting for the last": _each(_additions, 200_000, 1, 1.0, 1e-9),
        "division": _each(_divisions, 1000, size, a, b, out),
        "multiply-add": _each(_multiply_adds, 500, 8 * size, a, out, 0.3),
        "one at a time": _each(_one_at_a_time, 50_000, 8, 0.5, 0.1),
        "load": _each(_loads, 2000, size, a),
        "load and store": _each(_copies, 2000, size, a, out),
        "load through the order": _each(_indexed_loads, 1000, size, a, order),
    }


# The parts of the gradient, in the order in which `kernels.line.gradient_into` does them.


@dataclass(frozen=True)
class Part:
    """A part of a step, for one neuron.

    Attributes
    ----------
    name : what it does
    vector, scalar : multiplications and additions that can be done several or only one at a time; a product
        that is added to something counts once. Comparisons are not counted: another unit does them
    divisions : several at a time
    loads, stores : numbers read and written in the order in which they lie
    indexed : numbers read through the order of the breakpoints
    """

    name: str
    vector: int = 0
    scalar: int = 0
    divisions: int = 0
    loads: int = 0
    stores: int = 0
    indexed: int = 0

    def units(self, able: dict[str, float]) -> Array:
        """Return the nanoseconds for which each unit of the core is busy: sums, divisions, memory."""
        arithmetic = able["multiply-add"] * self.vector + able["one at a time"] * self.scalar
        memory = (
            able["load"] * max(self.loads - self.stores, 0)
            + able["load and store"] * self.stores
            + able["load through the order"] * self.indexed
        )
        return np.array([arithmetic, able["division"] * self.divisions, memory])

    def least(self, able: dict[str, float]) -> float:
        """Return the nanoseconds that the part takes if the busiest unit never waits."""
        return float(self.units(able).max())


def parts(mass: int, target: int) -> tuple[Part, ...]:
    """Return the parts; `mass` and `target` are the numbers of coefficients of the antiderivatives."""
    horner = 3 * (mass - 1) + 2 * (target - 1)
    return (
        Part("update of the parameters", vector=6, loads=6, stores=3),
        Part("breakpoints", vector=2, divisions=1, loads=2, stores=3),
        Part("sorting", loads=2, stores=1, indexed=1),
        Part("antiderivatives", vector=2 + horner, loads=1, stores=5),
        Part("line left of all breakpoints", vector=5, loads=4),
        Part("walk", scalar=18, loads=6, stores=2, indexed=3),
        Part("gradient from the integrals", vector=11, loads=5, stores=3),
    )


def least_of_all(all_parts: tuple[Part, ...], able: dict[str, float]) -> float:
    """Return the nanoseconds that a step takes for one neuron if its parts overlap perfectly."""
    return float(sum(part.units(able) for part in all_parts).max())


@leaf
def _first_parts(data, theta, gradient, work, last):
    """As `line.gradient_into` for one output, up to the part `last`."""
    hidden = work.order.shape[0]
    w, b, v = theta[:hidden], theta[hidden : 2 * hidden], theta[2 * hidden : 3 * hidden]
    if last < 1:
        return
    line.pre_activations(data, w, b, 1.0, work.slope, work.value, work.breaks)
    if last < 2:
        return
    order, keys, breaks = work.order, work.keys, work.breaks
    for j in range(hidden):
        keys[j] = breaks[order[j]]
    sort_pairs(keys, order, work.spare_keys, work.spare_order)
    if last < 3:
        return
    line.moments(data, 0, work)
    if last < 4:
        return
    line_slope, line_value, _ = line.leftmost_line(work.slope, work.value, work.breaks, v)
    line_value += theta[3 * hidden]
    if last < 5:
        work.lines[0, 0] = line_slope + line_value
        return
    total0, total1, _, _ = line.walk(work, v, line_slope, line_value, data.mass_total, data.target_total[0])
    if last < 6:
        work.lines[0, 0] = total0 + total1
        return
    g_w, g_b, g_v = gradient[:hidden], gradient[hidden : 2 * hidden], gradient[2 * hidden : 3 * hidden]
    line.collect(0, data.middle, data.half, v, work, total0, total1, g_w, g_b, g_v)
    gradient[3 * hidden] = 2.0 * total0


@cold_leaf
def _there_and_back(n, data, theta, direction, gradient, work, last):
    size = 1e-3
    for k in range(n):
        if k % 500 == 0:
            size = -size
        _first_parts(data, theta, gradient, work, last)
        update(theta, direction, size)


@entry
def _steps(n, data, theta, direction, gradient, hidden, last):
    """Move along a line and back, as descent would move, and do the first parts of a gradient each time."""
    work = line.line_work(hidden, 1)
    _there_and_back(n, data, theta, direction, gradient, work, last)


def _data(hidden: int) -> tuple[line.Integrals, gfc.Problem, Array]:
    """Return what the kernels need, the problem and some networks."""
    theta = initial("gd", (1, hidden, 1), 8)
    problem = problem_of(Task("gd", (1, hidden, 1), theta))
    return line_data(problem.density, problem.target_pieces).integrals, problem, theta


def measured(hidden: int) -> tuple[list[float], float]:
    """Return nanoseconds a neuron for the parts up to each one, and for a real step of descent."""
    data, problem, theta = _data(hidden)
    count = max(1000, 1000 * (64 // hidden))
    found = np.zeros((len(theta), 7))
    for m, row in enumerate(theta):
        direction, gradient = problem.gradient(row), np.empty_like(row)
        for last in range(7):
            found[m, last] = _each(_steps, count, hidden, data, row.copy(), direction, gradient, hidden, last)
    before = threads.thread_count()
    threads.set_thread_count(1)
    sizes = np.full(count, 1e-3)
    times = []
    for _ in range(15):
        began = time.perf_counter()
        problem.descend(theta, sizes)
        times.append(time.perf_counter() - began)
    threads.set_thread_count(before)
    return found.mean(axis=0).tolist(), min(times) / count / len(theta) / hidden * 1e9


def roofline(sizes: tuple[int, ...] = SIZES) -> Iterator[Result]:
    """Measure the core and the parts, for one trajectory on one core."""
    able = core()
    for name, value in able.items():
        yield Result(f"core: {name}", value * 1e-9, "operation", details={"core": name})
    data = _data(1)[0]
    known = parts(data.mass.shape[2], data.target.shape[2])
    for hidden in sizes:
        upto, step = measured(hidden)
        before = 0.0
        for part, total in zip(known, upto, strict=True):
            details = {"part": part.name, "hidden": hidden, "least": part.least(able) * 1e-9}
            yield Result(f"{part.name}, H = {hidden}", (total - before) * 1e-9, "neuron", details=details)
            before = total
        details = {"part": "step", "hidden": hidden, "least": least_of_all(known, able) * 1e-9}
        yield Result(f"GD step on one core, H = {hidden}", step * 1e-9, "neuron", details=details)
