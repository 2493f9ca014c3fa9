"""Cases that are measured: each function returns the rows of one part of the table."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np
from scipy.integrate import solve_ivp

import gfcompare as gfc
from benchmarks.general import general
from benchmarks.growth import growth
from benchmarks.measure import Result, best_of
from benchmarks.peers.compare import peers
from benchmarks.peers.ours import ensemble
from benchmarks.roofline import roofline
from gfcompare.system import threads

ENSEMBLE = 64
CUBIC = gfc.targets.Polynomial([0.3, 4.0, -12.0, 8.0])
SINE = gfc.targets.Sine()
POINTS = 1024


def problem(hidden: int, target: gfc.Target = CUBIC) -> gfc.Problem:
    """Return the 1-H-1 problem on [0, 1]."""
    return gfc.Problem(gfc.ReLUNetwork((1, hidden, 1)), target, gfc.measures.Uniform())


def sampled_descent(theta: np.ndarray, hidden: int, points: np.ndarray, steps: int) -> np.ndarray:
    """Gradient descent on fixed points, batched over the ensemble, as NumPy users write it."""
    theta = theta.copy()
    values = 0.3 + 4 * points - 12 * points**2 + 8 * points**3
    for _ in range(steps):
        w, b, v, c = np.split(theta, [hidden, 2 * hidden, 3 * hidden], axis=1)
        z = w[:, :, None] * points + b[:, :, None]
        active = z > 0
        a = np.where(active, z, 0)
        r = np.einsum("mh,mhn->mn", v, a) + c - values
        back = np.einsum("mn,mhn->mhn", r, active) * (2 / points.size)
        g_w, g_b = v * (back @ points), v * back.sum(axis=2)
        g_v, g_c = np.einsum("mn,mhn->mh", r, a) * (2 / points.size), 2 * r.mean(axis=1, keepdims=True)
        theta -= 1e-3 * np.concatenate([g_w, g_b, g_v, g_c], axis=1)
    return theta


def descent() -> Iterator[Result]:
    """Steps of gradient descent and stochastic gradient descent, wall time on all cores."""
    points = (np.arange(POINTS) + 0.5) / POINTS
    for hidden, bar in ((16, 0.1e-6), (64, 0.3e-6), (256, 1.3e-6)):
        case, theta = problem(hidden), ensemble(problem(hidden).network, ENSEMBLE)
        steps = 320_000 // hidden
        sizes = np.full(steps, 1e-3)
        ours = best_of(lambda: case.descend(theta, sizes)) / steps / ENSEMBLE
        few = max(1, 256 // hidden)
        peer = best_of(lambda: sampled_descent(theta, hidden, points, few), 2) / few / ENSEMBLE
        yield Result(
            f"GD step, H = {hidden}", ours, "step and trajectory", bar, f"NumPy, {POINTS} points", peer
        )
    for hidden in (16, 64, 256):
        case, theta = problem(hidden), ensemble(problem(hidden).network, ENSEMBLE)
        steps = 80_000 // hidden
        sizes = np.full(steps, 1e-3)
        streams = np.random.default_rng(0).integers(0, 2**64, size=(ENSEMBLE, 4), dtype=np.uint64)
        ours = best_of(lambda: case.descend_sampled(theta, sizes, batch_size=32, streams=streams))
        yield Result(f"SGD step, batch 32, H = {hidden}", ours / steps / ENSEMBLE, "step and trajectory")
    case, theta = problem(64, SINE), ensemble(problem(64).network, ENSEMBLE)
    sizes = np.full(5000, 1e-3)
    ours = best_of(lambda: case.descend(theta, sizes)) / 5000 / ENSEMBLE
    pieces = len(case.target_pieces.knots) - 1
    yield Result(f"GD step, H = 64, sine ({pieces} pieces)", ours, "step and trajectory")


def ensembles() -> Iterator[Result]:
    """Flows to t = 10^4 and 10^6 at rtol 1e-6, for one trajectory of 16 on one core, 60 save times."""
    for hidden, bar in ((16, 1e-3), (128, 5e-3), (512, 20e-3)):
        case = problem(hidden)
        theta = ensemble(case.network, 16)
        times = np.geomspace(1e-2, 1e4, 60)

        def lsoda(case: gfc.Problem = case, theta: np.ndarray = theta) -> object:
            return solve_ivp(
                lambda t, y: -case.gradient(y),
                (0, 1e4),
                theta[0],
                method="LSODA",
                rtol=1e-6,
                atol=1e-9,
                t_eval=times,
            )

        peer = best_of(lsoda, 1)
        before = threads.thread_count()
        threads.set_thread_count(1)
        for name, end in itertools.product(("standard-gf", "normalized-gf"), (4, 6)):
            took = []
            for _ in range(5):
                data = gfc.integrate(case, gfc.integrator(name), theta, np.geomspace(1e-2, 10.0**end, 60))
                took.append(float(data["wall_time"][:, -1].mean()))
            compared = (name, end) == ("standard-gf", 4)
            yield Result(
                f"{name} to t = 10^{end}, H = {hidden}",
                min(took),
                "trajectory",
                bar if end == 4 else 3 * bar,
                "LSODA on our gradient" if compared else "",
                peer if compared else None,
                f"{data['gradient_evaluations'].values[:, -1].mean():,.0f} gradients on average",
            )
        threads.set_thread_count(before)


_WARM_UP = """
import time
import gfcompare as gfc
from gfcompare.study.run_progress import Silent
from gfcompare.study.warm_up import warm_up
began = time.perf_counter()
spec = gfc.Study("x", targets={"t": gfc.targets.Affine()}, integrators={"gd": gfc.integrator("gd")}, seeds=1)
warm_up(spec.cells(), Silent())
print(time.perf_counter() - began)
"""


def start() -> Iterator[Result]:
    """Cold and warm start of the compiled code, and the help page, as whole processes."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        for name, bar in (("compiled code, cold start", 15.0), ("compiled code, warm start", 1.0)):
            done = subprocess.run(
                [sys.executable, "-c", _WARM_UP], env=environment, capture_output=True, text=True, check=True
            )
            yield Result(name, float(done.stdout), "process", bar)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "gfcompare.cli", "--help"], capture_output=True, check=True)
        took.append(time.perf_counter() - began)
    yield Result("gfcompare --help", min(took), "process", 0.5)


ALL = {
    "start": start,
    "descent": descent,
    "ensembles": ensembles,
    "general": general,
    "peers": peers,
    "growth": growth,
    "roofline": roofline,
}
